//! The published list of voucher keys: JSON in the form of a JWK set (RFC 7517).
//!
//! SM2 has no registered names in JOSE; its keys say `"crv":"SM2"` and `"alg":"SM2"`. `valid_from`
//! and `valid_to` (RFC 3339) bound the issue times that a key may sign.

use crate::signing::{Algorithm, PublicKey};
use data_encoding::BASE64URL_NOPAD;
use jiaoyi_domain::Instant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a key list was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeysError {
    /// Not JSON of the expected shape.
    #[error("read the list of voucher keys: {0}")]
    Shape(String),
    /// A key is not a point of the curve that it names, or its members contradict each other.
    #[error("read the list of voucher keys: key {0} is not valid")]
    Key(String),
    /// Two keys have the same id.
    #[error("read the list of voucher keys: key {0} appears twice")]
    Duplicate(String),
}

impl PublicKeysError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            PublicKeysError::Shape(_) => "public_keys.shape",
            PublicKeysError::Key(_) => "public_keys.key",
            PublicKeysError::Duplicate(_) => "public_keys.duplicate",
        }
    }
}

/// One published key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeyEntry {
    /// The id that vouchers name.
    pub id: String,
    /// The key with its algorithm.
    pub key: PublicKey,
    /// The first issue time that the key may sign; open when absent.
    pub valid_from: Option<Instant>,
    /// The moment from which it may sign no more; open when absent.
    pub valid_to: Option<Instant>,
}

impl PublicKeyEntry {
    /// Whether the key may sign a voucher issued at `at`.
    #[must_use]
    pub fn covers(&self, at: Instant) -> bool {
        self.valid_from.is_none_or(|first| first <= at) && self.valid_to.is_none_or(|end| at < end)
    }
}

/// The keys that may sign vouchers, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(BTreeMap<String, PublicKeyEntry>);

#[derive(Deserialize, Serialize)]
struct Set {
    keys: Vec<Jwk>,
}

#[derive(Deserialize, Serialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    alg: String,
    #[serde(rename = "use")]
    usage: String,
    x: String,
    y: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_to: Option<String>,
}

impl PublicKeys {
    /// A list of keys; of two with the same id the later stays.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = PublicKeyEntry>) -> PublicKeys {
        PublicKeys(entries.into_iter().map(|e| (e.id.clone(), e)).collect())
    }

    /// The key of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&PublicKeyEntry> {
        self.0.get(id)
    }

    /// Every key in the order of ids.
    pub fn iter(&self) -> impl Iterator<Item = &PublicKeyEntry> {
        self.0.values()
    }

    /// Reads the published JSON. Keys of other types and uses are passed over, as RFC 7517 asks.
    ///
    /// # Errors
    ///
    /// [`PublicKeysError`].
    pub fn parse(json: &str) -> Result<PublicKeys, PublicKeysError> {
        let shape = |error: serde_json::Error| PublicKeysError::Shape(error.to_string());
        let set: serde_json::Value = serde_json::from_str(json).map_err(shape)?;
        let keys = set
            .get("keys")
            .and_then(serde_json::Value::as_array)
            .ok_or_else(|| PublicKeysError::Shape("no list named keys".to_owned()))?;
        let mut found = BTreeMap::new();
        for key in keys {
            let says = |member: &str, want: &str| {
                key.get(member).and_then(serde_json::Value::as_str) == Some(want)
            };
            let known = says("alg", "ES256") || says("alg", "SM2");
            if !(says("kty", "EC") && says("use", "sig") && known) {
                continue;
            }
            let entry = read(Jwk::deserialize(key).map_err(shape)?)?;
            let id = entry.id.clone();
            if found.insert(id.clone(), entry).is_some() {
                return Err(PublicKeysError::Duplicate(id));
            }
        }
        Ok(PublicKeys(found))
    }

    /// The JSON to publish.
    #[must_use]
    pub fn to_json(&self) -> String {
        let keys = self.0.values().map(|entry| {
            let (x, y) = entry.key.point()[1..].split_at(32);
            Jwk {
                kty: "EC".to_owned(),
                crv: entry.key.algorithm().curve().to_owned(),
                kid: entry.id.clone(),
                alg: entry.key.algorithm().name().to_owned(),
                usage: "sig".to_owned(),
                x: BASE64URL_NOPAD.encode(x),
                y: BASE64URL_NOPAD.encode(y),
                valid_from: entry.valid_from.map(Instant::rfc3339),
                valid_to: entry.valid_to.map(Instant::rfc3339),
            }
        });
        let set = Set {
            keys: keys.collect(),
        };
        serde_json::to_string_pretty(&set).expect("a list of texts is always JSON")
    }
}

fn read(jwk: Jwk) -> Result<PublicKeyEntry, PublicKeysError> {
    let refused = || PublicKeysError::Key(jwk.kid.clone());
    let algorithm = Algorithm::from_name(&jwk.alg).ok_or_else(refused)?;
    if algorithm.curve() != jwk.crv {
        return Err(refused());
    }
    let mut point = vec![4];
    for coordinate in [&jwk.x, &jwk.y] {
        let bytes = BASE64URL_NOPAD.decode(coordinate.as_bytes());
        point.extend(bytes.map_err(|_| refused())?);
    }
    let instant = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => Instant::parse(text).map(Some).ok_or_else(refused),
    };
    Ok(PublicKeyEntry {
        key: PublicKey::from_point(algorithm, &point).map_err(|_| refused())?,
        valid_from: instant(&jwk.valid_from)?,
        valid_to: instant(&jwk.valid_to)?,
        id: jwk.kid,
    })
}
