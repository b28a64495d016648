//! Personal data stands only where it may: sealed columns hold sealed values, hashes are hashes, and
//! no document number or mobile number stands alone anywhere else (DESIGN.md 5).

use super::{Report, raw_key};
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::Date;
use jiaoyi_domain::person::{Document, DocumentKind, Phone};
use jiaoyi_domain::record::{ColumnSpec, Privacy, TableSpec, Value};

/// Format byte of a sealed value, and the least it is long: header, nonce and tag.
const SEALED_FORMAT: u8 = 1;
const SEALED_LEN_MIN: usize = 3 + 12 + 16;

/// Bytes of a keyed hash.
const HMAC_LEN: usize = 32;

/// Checks every value of a row against the privacy class of its column.
pub(super) fn check(
    spec: &'static TableSpec,
    values: &[Value],
    keyring: Option<&Keyring>,
    report: &mut Report,
) {
    for (column, value) in spec.columns.iter().zip(values) {
        let problem = match column.privacy {
            Privacy::Public | Privacy::Masked => plain(value),
            Privacy::Sealed => sealed(spec, column, value, keyring),
            Privacy::Hmac => hmac(value),
        };
        if let Some((rule, what)) = problem {
            let what = format!("column {}: {what}", column.name);
            report.fail(rule, spec.name, raw_key(spec, values), what);
        }
    }
}

type Problem = Option<(&'static str, &'static str)>;

fn plain(value: &Value) -> Problem {
    let found = match value {
        Value::Text(text) => number_in(text.as_bytes()),
        // Some columns of bytes hold text, such as a request; ids and hashes are no text.
        Value::Bytes(bytes) => number_in(bytes).filter(|_| std::str::from_utf8(bytes).is_ok()),
        Value::Null | Value::Int(_) => None,
    };
    found.map(|what| ("personal.plain", what))
}

fn sealed(
    spec: &TableSpec,
    column: &ColumnSpec,
    value: &Value,
    keyring: Option<&Keyring>,
) -> Problem {
    let bytes = match value {
        Value::Bytes(bytes) => bytes,
        Value::Null if column.nullable => return None,
        Value::Null | Value::Int(_) | Value::Text(_) => {
            return Some(("personal.sealed", "it is not sealed"));
        }
    };
    if bytes.first() != Some(&SEALED_FORMAT) || bytes.len() < SEALED_LEN_MIN {
        return Some(("personal.sealed", "it is not in the sealed format"));
    }
    let opens = keyring.is_none_or(|keys| {
        // Values are bound to their place, `table.column` without the suffix of sealed columns.
        let name = column.name.strip_suffix("_sealed").unwrap_or(column.name);
        let place = format!("{}.{name}", spec.name);
        keys.open(bytes, place.as_bytes()).is_ok()
    });
    (!opens).then_some(("personal.sealed", "it does not open in its place"))
}

fn hmac(value: &Value) -> Problem {
    let hashes = match value {
        Value::Null => true,
        // A list of hashes stands one after another.
        Value::Bytes(bytes) => bytes.len().is_multiple_of(HMAC_LEN),
        Value::Int(_) | Value::Text(_) => false,
    };
    (!hashes).then_some(("personal.hmac", "it is not a hash"))
}

/// Names the kind of number that stands alone in a text, between other signs than Latin
/// letters and digits.
fn number_in(text: &[u8]) -> Option<&'static str> {
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
        let number = jiaoyi_domain::person::id_number("990101", birth, 12).unwrap();
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
