//! UTF-8 and GBK: what is read, and what every reader of GBK can read.

use encoding_rs::{EncoderResult, Encoding, GB18030, GBK, UTF_8};
use std::borrow::Cow;

/// In what a document is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    /// Written as GBK; read as GB18030, which holds GBK and GB2312.
    Gbk,
}

/// What a document says of its own encoding.
pub fn declared(body: &[u8]) -> Option<String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let rest = body.strip_prefix(b"<?xml")?;
    let end = rest.windows(2).position(|pair| pair == b"?>")?;
    let head = String::from_utf8_lossy(&rest[..end]);
    let (_, after) = head.split_once("encoding")?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (label, _) = value.get(1..)?.split_once(quote)?;
    Some(label.to_owned())
}

impl Charset {
    /// By any of the names that are in use; `None` for other encodings.
    pub fn named(label: &str) -> Option<Charset> {
        let encoding = Encoding::for_label(label.as_bytes())?;
        if encoding == UTF_8 {
            Some(Charset::Utf8)
        } else if encoding == GBK || encoding == GB18030 {
            Some(Charset::Gbk)
        } else {
            None
        }
    }

    /// In the declaration of what we write.
    pub const fn label(self) -> &'static str {
        match self {
            Charset::Utf8 => "UTF-8",
            Charset::Gbk => "GBK",
        }
    }

    /// The text; `None` when a byte does not belong to the encoding.
    pub fn read(self, body: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Charset::Utf8 => {
                let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
                std::str::from_utf8(body).ok().map(Cow::Borrowed)
            }
            Charset::Gbk => GB18030.decode_without_bom_handling_and_without_replacement(body),
        }
    }

    /// Whether a character can be written as such; any other is written as its number.
    pub fn holds(self, letter: char) -> bool {
        self == Charset::Utf8 || letter.is_ascii() || is_plain_gbk(letter)
    }

    /// A text of characters that it holds.
    pub fn written(self, text: String) -> Vec<u8> {
        match self {
            Charset::Utf8 => text.into_bytes(),
            Charset::Gbk => GBK.encode(&text).0.into_owned(),
        }
    }
}

/// Whether every GBK has this character, and in the same place. The Web's GBK has some that the one of
/// 1995 lacks, which many old systems know: row FE, between A989 and A995, and those named here.
fn is_plain_gbk(letter: char) -> bool {
    let younger = matches!(letter,
        'ǹ' | 'ḿ' | '€' | '⊕' | '\u{e000}'..='\u{f8ff}' | '\u{fe10}'..='\u{fe19}');
    let (mut source, mut bytes) = ([0; 4], [0; 4]);
    let text = letter.encode_utf8(&mut source);
    let (result, _, written) = GBK
        .new_encoder()
        .encode_from_utf8_without_replacement(text, &mut bytes, true);
    let whole = result == EncoderResult::InputEmpty && written == 2;
    whole && !younger && !matches!(bytes, [0xfe, ..] | [0xa9, 0x89..=0x95, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_says_how_it_is_encoded_or_does_not() {
        for (text, label) in [
            ("<?xml version=\"1.0\" encoding=\"GBK\"?><a/>", Some("GBK")),
            (
                "\u{feff}<?xml version='1.0' encoding = 'utf-8' ?>",
                Some("utf-8"),
            ),
            ("<?xml version=\"1.0\"?><a encoding=\"GBK\"/>", None),
            ("<a/>", None),
            ("<?xml encoding=\"GBK", None),
            ("<?xml encoding=GBK?>", None),
            ("", None),
        ] {
            assert_eq!(declared(text.as_bytes()).as_deref(), label, "{text}");
        }
        for (label, charset) in [
            ("GBK", Some(Charset::Gbk)),
            ("gb2312", Some(Charset::Gbk)),
            ("GB18030", Some(Charset::Gbk)),
            ("UTF-8", Some(Charset::Utf8)),
            ("big5", None),
            ("utf-16", None),
            ("", None),
        ] {
            assert_eq!(Charset::named(label), charset, "{label}");
        }
    }

    /// Python's `gbk`, which is that of 1995, holds the same characters, 16 in row FE and ⊕, which
    /// Java's `GBK` reads otherwise; Java and glibc hold all others in the same places.
    #[test]
    fn only_what_every_gbk_has_is_written_as_such() {
        let held: Vec<char> = ('\u{80}'..=char::MAX)
            .filter(|letter| Charset::Gbk.holds(*letter))
            .collect();
        assert_eq!(held.len(), 21_774);
        for letter in held {
            let text = letter.to_string();
            let bytes = Charset::Gbk.written(text.clone());
            assert_eq!(bytes.len(), 2);
            assert_eq!(Charset::Gbk.read(&bytes).as_deref(), Some(text.as_str()));
        }
        for letter in ['王', '䶮', '€', '\u{2cc56}', '\u{e000}', 'é', 'ḿ', '㐂'] {
            let plain = matches!(letter, '王' | 'é');
            assert_eq!(Charset::Gbk.holds(letter), plain, "{letter}");
        }
        assert_eq!(Charset::Gbk.read(b"\xcd\xf5").as_deref(), Some("王"));
        assert_eq!(Charset::Gbk.read(b"\xcd"), None);
        assert_eq!(Charset::Utf8.read(b"\xcd\xf5"), None);
    }
}
