//! Numbers of persons that stand where none may.

use super::document::{Document, DocumentKind};
use super::phone::Phone;
use crate::time::Date;

/// Names the kind of number that stands alone in a text, between other signs than Latin
/// letters and digits.
#[must_use]
pub fn number_in(text: &[u8]) -> Option<&'static str> {
    text.split(|sign| !sign.is_ascii_alphanumeric())
        .filter_map(|word| match word.len() {
            11 | 18 => std::str::from_utf8(word).ok(),
            _ => None,
        })
        .find_map(|word| match word.len() {
            11 if Phone::parse(word).is_ok() => Some("a mobile number stands in it"),
            18 if is_document(word) => Some("a document number stands in it"),
            _ => None,
        })
}

fn is_document(word: &str) -> bool {
    // The number's own year says when its person lives; whether that is now does not matter here.
    let year: Option<i16> = word.get(6..10).and_then(|year| year.parse().ok());
    let day = year.and_then(|year| Date::new(year, 12, 31).ok());
    day.is_some_and(|day| Document::parse(DocumentKind::IdCard, word, day).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_that_stands_alone_is_found() {
        let birth = Date::constant(1990, 3, 7);
        let number = super::super::id_number("990101", birth, 12).unwrap();
        assert!(number_in(number.as_bytes()).is_some());
        assert!(number_in(format!("{{\"n\":\"{number}\"}}").as_bytes()).is_some());
        assert!(number_in("电话13800138000。".as_bytes()).is_some());
        for text in [
            format!("4200{number}202611"),
            "9901**********12".to_owned(),
            "paid 1763790000000 window until 1763790000001".to_owned(),
            "12800138000".to_owned(),
            // One digit off, so that the check character is wrong.
            number.replace("199003", "199004"),
        ] {
            assert_eq!(number_in(text.as_bytes()), None, "{text}");
        }
    }
}
