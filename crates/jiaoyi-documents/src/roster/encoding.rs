//! Text files: which encoding they have, and their bytes as UTF-8 within a budget for each row.

use super::error::FileError;
use encoding_rs::{DecoderResult, GB18030};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CHUNK: usize = 64 * 1024;

/// No row may be longer: an unclosed quotation mark would otherwise swallow the file.
pub(super) const ROW_BYTES_MAX: usize = 256 * 1024;

/// How the text of a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GBK, read as its superset GB 18030, which has every Han character.
    Gbk,
    /// An .xlsx workbook.
    Xlsx,
}

/// What one pass over a text file told.
pub(super) struct Scan {
    pub(super) encoding: Encoding,
    pub(super) has_mark: bool,
    pub(super) bytes: u64,
}

/// Reads the whole file once, keeps nothing, and leaves it at its beginning.
///
/// A file is UTF-8 when all of it is; otherwise GBK when all of it is. A file that begins with
/// Chinese in UTF-8 and breaks later is a damaged UTF-8 file, not GBK.
pub(super) fn scan(source: &mut (impl Read + Seek)) -> Result<Scan, FileError> {
    let mut utf8 = Utf8Check::default();
    let mut bytes = 0u64;
    let mut line = 1u64;
    let mut has_mark = false;
    let mut chunk = vec![0; CHUNK];
    source.seek(SeekFrom::Start(0))?;
    loop {
        let count = read_full(source, &mut chunk)?;
        let part = &chunk[..count];
        if bytes == 0 {
            has_mark = part.starts_with(b"\xef\xbb\xbf");
            if part.starts_with(b"\xff\xfe") || part.starts_with(b"\xfe\xff") {
                return Err(FileError::Utf16);
            }
        }
        if let Some(place) = part.iter().position(|byte| *byte == 0) {
            return Err(FileError::Nul {
                line: line + lines(&part[..place]),
            });
        }
        utf8.take(part, line, count < CHUNK);
        bytes += u64::try_from(count).unwrap_or(u64::MAX);
        line += lines(part);
        if count < CHUNK {
            break;
        }
    }
    source.seek(SeekFrom::Start(0))?;
    if bytes == 0 || (has_mark && bytes == 3) {
        return Err(FileError::Empty);
    }
    let encoding = match utf8.wrong_line {
        None => Encoding::Utf8,
        Some(line) if has_mark || utf8.characters >= 3 => return Err(FileError::Encoding { line }),
        Some(_) => {
            check_gbk(source)?;
            source.seek(SeekFrom::Start(0))?;
            Encoding::Gbk
        }
    };
    Ok(Scan {
        encoding,
        has_mark,
        bytes,
    })
}

/// Checks UTF-8 piece by piece.
#[derive(Default)]
struct Utf8Check {
    /// Bytes of a character cut by the end of a piece.
    rest: Vec<u8>,
    /// Characters beyond ASCII before the first wrong byte.
    characters: usize,
    wrong_line: Option<u64>,
}

impl Utf8Check {
    fn take(&mut self, part: &[u8], line: u64, is_last: bool) {
        if self.wrong_line.is_some() {
            return;
        }
        let joined;
        let text = if self.rest.is_empty() {
            part
        } else {
            joined = [self.rest.as_slice(), part].concat();
            &joined
        };
        let (valid, cut) = match std::str::from_utf8(text) {
            Ok(valid) => (valid, false),
            Err(error) => {
                let valid = &text[..error.valid_up_to()];
                let cut = error.error_len().is_none() && !is_last;
                if !cut {
                    self.wrong_line = Some(line + lines(valid));
                }
                (std::str::from_utf8(valid).unwrap_or(""), cut)
            }
        };
        if self.characters < 3 {
            self.characters += valid.chars().filter(|c| !c.is_ascii()).take(3).count();
        }
        let rest = if cut { &text[valid.len()..] } else { &[] };
        self.rest = rest.to_vec();
    }
}

/// Whether all of the file is GB 18030.
fn check_gbk(source: &mut (impl Read + Seek)) -> Result<(), FileError> {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut chunk = vec![0; CHUNK];
    let mut text = vec![0; CHUNK * 4];
    let mut line = 1u64;
    loop {
        let count = read_full(source, &mut chunk)?;
        let is_last = count < CHUNK;
        let (result, read, _) =
            decoder.decode_to_utf8_without_replacement(&chunk[..count], &mut text, is_last);
        if let DecoderResult::Malformed(..) = result {
            return Err(FileError::Encoding {
                line: line + lines(&chunk[..read]),
            });
        }
        line += lines(&chunk[..count]);
        if is_last {
            return Ok(());
        }
    }
}

fn lines(bytes: &[u8]) -> u64 {
    let count = bytes.iter().filter(|byte| **byte == b'\n').count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Fills the buffer unless the file ends.
fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match source.read(&mut buffer[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// How far a reader has come, shared with who shows it and who grants the budget of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    /// Bytes handed out since the last row was complete.
    since_row: Arc<AtomicUsize>,
    /// Bytes of the file read.
    read: Arc<AtomicUsize>,
}

impl Meter {
    pub(super) fn row_done(&self) {
        self.since_row.store(0, Ordering::Relaxed);
    }

    pub(super) fn bytes_read(&self) -> u64 {
        u64::try_from(self.read.load(Ordering::Relaxed)).unwrap_or(u64::MAX)
    }
}

/// The file as UTF-8 without byte order mark and with an end to its last line.
pub(super) struct Utf8Reader<R> {
    source: R,
    decoder: Option<encoding_rs::Decoder>,
    skip: usize,
    input: Vec<u8>,
    /// Bytes not yet handed out.
    ready: Vec<u8>,
    place: usize,
    last: u8,
    /// The byte before the next one was a carriage return, given out as a line end.
    after_return: bool,
    ended: bool,
    meter: Meter,
}

impl<R: Read> Utf8Reader<R> {
    pub(super) fn new(source: R, scan: &Scan, meter: Meter) -> Utf8Reader<R> {
        let decoder =
            (scan.encoding == Encoding::Gbk).then(|| GB18030.new_decoder_without_bom_handling());
        Utf8Reader {
            source,
            decoder,
            skip: if scan.has_mark { 3 } else { 0 },
            input: vec![0; CHUNK],
            ready: Vec::with_capacity(CHUNK * 4),
            place: 0,
            last: b'\n',
            after_return: false,
            ended: false,
            meter,
        }
    }

    /// Gives back what was read first, to be read again.
    pub(super) fn unread(&mut self, head: &[u8]) {
        let mut ready = head.to_vec();
        ready.extend_from_slice(&self.ready[self.place..]);
        self.ready = ready;
        self.place = 0;
        self.meter.row_done();
    }

    fn fill(&mut self) -> io::Result<()> {
        let count = read_full(&mut self.source, &mut self.input)?;
        self.meter.read.fetch_add(count, Ordering::Relaxed);
        self.ended = count < self.input.len();
        let part = &self.input[self.skip.min(count)..count];
        self.skip = 0;
        self.ready.clear();
        self.place = 0;
        match &mut self.decoder {
            None => self.ready.extend_from_slice(part),
            Some(decoder) => {
                self.ready.resize(CHUNK * 4, 0);
                // The scan found every byte to be good, so nothing is replaced here.
                let (_, _, written, _) = decoder.decode_to_utf8(part, &mut self.ready, self.ended);
                self.ready.truncate(written);
            }
        }
        self.one_line_end();
        self.last = self.ready.last().copied().unwrap_or(self.last);
        // So that every row ends with its line, and lines can be counted.
        if self.ended && self.last != b'\n' {
            self.ready.push(b'\n');
        }
        Ok(())
    }

    /// Makes every line end one `\n`, so that lines can be counted in every kind of file.
    fn one_line_end(&mut self) {
        if !self.after_return && !self.ready.contains(&b'\r') {
            return;
        }
        let mut after_return = self.after_return;
        self.ready.retain_mut(|byte| {
            let is_second = after_return && *byte == b'\n';
            after_return = *byte == b'\r';
            if after_return {
                *byte = b'\n';
            }
            !is_second
        });
        self.after_return = after_return;
    }
}

impl<R: Read> Read for Utf8Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.place == self.ready.len() && !self.ended {
            self.fill()?;
        }
        let before = self.meter.since_row.load(Ordering::Relaxed);
        if before > ROW_BYTES_MAX {
            return Err(io::Error::other("row too long"));
        }
        let count = buffer.len().min(self.ready.len() - self.place);
        buffer[..count].copy_from_slice(&self.ready[self.place..self.place + count]);
        self.place += count;
        self.meter.since_row.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}
