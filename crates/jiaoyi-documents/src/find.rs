//! Finds the QR text inside a file that somebody hands in, without drawing or scanning it.
//!
//! What is found is only a claim: the caller verifies the signature and shows what it states, since
//! the visible part of a file may say something else.
//!
//! Scheme and host are found in any case, because scanners and browsers write them in lower case,
//! and given back in the capitals that were signed.

use crate::picture::PNG_KEYWORD;
use flate2::read::ZlibDecoder;
use std::io::{Cursor, Read};

const START: &[u8] = b"HTTPS://";
/// Streams are inflated up to this size; honest ones that hold metadata are a few KB.
const INFLATED_MAX: u64 = 1 << 20;
/// More streams than this are not looked into.
const STREAMS_MAX: usize = 200;

/// The first QR text in a PNG (its text chunk), a PDF (its metadata) or plain text.
#[must_use]
pub fn find_qr_text(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return in_png(bytes);
    }
    scan(bytes).or_else(|| {
        bytes
            .starts_with(b"%PDF-")
            .then(|| in_pdf_streams(bytes))
            .flatten()
    })
}

fn in_png(bytes: &[u8]) -> Option<String> {
    let mut decoder =
        png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: 1 << 26 });
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().ok()?;
    // Text may also follow the picture, where some programs put it when they save the file again.
    let found = text_chunk(reader.info());
    found.or_else(|| {
        reader.finish().ok()?;
        text_chunk(reader.info())
    })
}

fn text_chunk(info: &png::Info<'_>) -> Option<String> {
    let latin = info.uncompressed_latin1_text.iter();
    let plain = latin.map(|chunk| (chunk.keyword.as_str(), chunk.text.clone()));
    let unicode = info
        .utf8_text
        .iter()
        .filter_map(|chunk| Some((chunk.keyword.as_str(), chunk.get_text().ok()?)));
    let packed = info
        .compressed_latin1_text
        .iter()
        .filter_map(|chunk| Some((chunk.keyword.as_str(), chunk.get_text().ok()?)));
    plain
        .chain(unicode)
        .chain(packed)
        .filter(|(keyword, _)| *keyword == PNG_KEYWORD)
        .find_map(|(_, text)| scan(text.as_bytes()))
}

/// The first `HTTPS://<HOST>/Q/<BASE32>` in the bytes, one byte or two (UTF-16) a character.
fn scan(bytes: &[u8]) -> Option<String> {
    scan_plain(bytes).or_else(|| {
        let wide: Vec<u8> = START.iter().flat_map(|byte| [0, *byte]).collect();
        let at = position(bytes, &wide, <[u8]>::eq_ignore_ascii_case)?;
        let rest = bytes[at..].chunks_exact(2);
        let narrow: Vec<u8> = rest
            .take_while(|pair| pair[0] == 0)
            .map(|pair| pair[1])
            .collect();
        scan_plain(&narrow)
    })
}

fn scan_plain(bytes: &[u8]) -> Option<String> {
    let mut from = 0;
    while let Some(at) = position(&bytes[from..], START, <[u8]>::eq_ignore_ascii_case) {
        let start = from + at;
        if let Some(text) = text_at(&bytes[start..]) {
            return Some(text);
        }
        from = start + START.len();
    }
    None
}

fn text_at(bytes: &[u8]) -> Option<String> {
    let run = |from: usize, allowed: fn(u8) -> bool| {
        let rest = &bytes[from..];
        let end = rest.iter().position(|byte| !allowed(*byte));
        from + end.unwrap_or(rest.len())
    };
    let host = run(START.len(), |byte| {
        byte.is_ascii_alphanumeric() || b"-.:".contains(&byte)
    });
    if host == START.len() || !bytes[host..].starts_with(b"/Q/") {
        return None;
    }
    let end = run(host + 3, |byte| {
        byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)
    });
    if end == host + 3 {
        return None;
    }
    // Behind the host there are capitals only.
    String::from_utf8(bytes[..end].to_ascii_uppercase()).ok()
}

/// Programs that save a PDF again may pack the metadata into compressed streams.
fn in_pdf_streams(bytes: &[u8]) -> Option<String> {
    let mut from = 0;
    for _ in 0..STREAMS_MAX {
        let found = position(&bytes[from..], b"stream", <[u8] as PartialEq>::eq)?;
        let at = from + found + b"stream".len();
        let skipped = bytes[at..]
            .iter()
            .take_while(|byte| b"\r\n".contains(byte))
            .count();
        let mut inflated = Vec::new();
        let mut decoder = ZlibDecoder::new(&bytes[at + skipped..]).take(INFLATED_MAX);
        // A stream that is not deflated, or ends early, still gives what came before.
        let _ = decoder.read_to_end(&mut inflated);
        if let Some(text) = scan(&inflated) {
            return Some(text);
        }
        from = at;
    }
    None
}

fn position(bytes: &[u8], needle: &[u8], same: fn(&[u8], &[u8]) -> bool) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| same(window, needle))
}
