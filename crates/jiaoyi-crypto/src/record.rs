//! The deterministic hash of a record: canonical CBOR (RFC 8949, 4.2.1), then SHA-256 or SM3.

use ciborium::Value;
use sm3::{Digest, Sm3};
use std::collections::BTreeMap;

/// Which hash is taken over the canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SM3 (GB/T 32905).
    Sm3,
}

impl HashAlgorithm {
    /// The hash of `bytes`.
    #[must_use]
    pub fn digest(self, bytes: &[u8]) -> [u8; 32] {
        match self {
            HashAlgorithm::Sha256 => {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
                let mut out = [0; 32];
                out.copy_from_slice(digest.as_ref());
                out
            }
            HashAlgorithm::Sm3 => Sm3::digest(bytes).into(),
        }
    }
}

/// A value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Nothing; differs from empty text and from an absent key.
    Null,
    /// A whole number: fen, milliseconds, a year.
    Int(i64),
    /// UTF-8 text, taken as it is.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in order.
    List(Vec<Field>),
}

impl From<i64> for Field {
    fn from(number: i64) -> Field {
        Field::Int(number)
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Field {
        Field::Text(text.to_owned())
    }
}

impl From<String> for Field {
    fn from(text: String) -> Field {
        Field::Text(text)
    }
}

impl From<&Field> for Value {
    fn from(field: &Field) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Int(number) => Value::from(*number),
            Field::Text(text) => Value::from(text.as_str()),
            Field::Bytes(bytes) => Value::from(bytes.as_slice()),
            Field::List(items) => Value::Array(items.iter().map(Value::from).collect()),
        }
    }
}

/// The hash of a record by its field names: the same record gives the same hash on every machine.
///
/// Names are unique by construction and sorted by their encoded bytes (shorter names first).
#[must_use]
pub fn record_hash(algorithm: HashAlgorithm, fields: &BTreeMap<&str, Field>) -> [u8; 32] {
    let mut entries: Vec<(&str, Value)> = fields
        .iter()
        .map(|(name, field)| (*name, Value::from(field)))
        .collect();
    entries.sort_by_key(|(name, _)| (name.len(), name.as_bytes()));
    let map = entries
        .into_iter()
        .map(|(name, value)| (Value::from(name), value))
        .collect();
    algorithm.digest(&encode(&Value::Map(map)))
}

/// CBOR with definite lengths and shortest numbers, which is what the library always writes.
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("writing into memory cannot fail");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        data_encoding::HEXLOWER.encode(bytes)
    }

    #[test]
    fn a_record_is_its_canonical_bytes() {
        let fields = BTreeMap::from([
            ("year", Field::Int(2027)),
            ("no", Field::from("A")),
            (
                "items",
                Field::List(vec![Field::Null, Field::Bytes(vec![1])]),
            ),
        ]);
        // a3 62"no" 61"A" 64"year" 1907eb 65"items" 82 f6 4101
        let bytes = crate::hex::decode(
            "a3626e6f61416479656172190 7eb656974656d7382f64101"
                .replace(' ', "")
                .as_str(),
        )
        .unwrap();
        for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Sm3] {
            assert_eq!(record_hash(algorithm, &fields), algorithm.digest(&bytes));
        }
    }

    #[test]
    fn hashes_match_the_standards_examples() {
        // GB/T 32905-2016, A.1, and FIPS 180-4's example, both over "abc".
        for (algorithm, want) in [
            (
                HashAlgorithm::Sm3,
                "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0",
            ),
            (
                HashAlgorithm::Sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            assert_eq!(hex(&algorithm.digest(b"abc")), want);
        }
    }
}
