//! Personal data stands only where it may: sealed columns hold sealed values, hashes are hashes, and
//! no document number or mobile number stands alone anywhere else (DESIGN.md 5).

use super::{Report, raw_key};
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::person::number_in;
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiaoyi_domain::record::Record;
    use jiaoyi_domain::roster::Person;

    #[test]
    fn a_sealed_value_has_its_format_and_its_length() {
        let spec = Person::SPEC;
        let column = |name| &spec.columns[spec.place(name).unwrap()];
        let (name, phone) = (column("name_sealed"), column("phone_sealed"));
        let bytes = |format: u8, length: usize| {
            let mut bytes = vec![7; length];
            bytes[0] = format;
            Value::Bytes(bytes)
        };
        for (column, value, fits) in [
            (name, bytes(SEALED_FORMAT, SEALED_LEN_MIN), true),
            (name, bytes(SEALED_FORMAT, SEALED_LEN_MIN + 1), true),
            (name, bytes(SEALED_FORMAT, SEALED_LEN_MIN - 1), false),
            (name, bytes(SEALED_FORMAT + 1, SEALED_LEN_MIN + 1), false),
            (name, Value::Null, false),
            (phone, Value::Null, true),
            (phone, Value::Text(String::new()), false),
        ] {
            let found = sealed(spec, column, &value, None);
            assert_eq!(found.is_none(), fits, "{} {value:?}", column.name);
        }
    }
}
