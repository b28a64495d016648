//! The signed statement in a voucher's QR code, made and verified without a database.
//!
//! The text is `HTTPS://<HOST>/Q/` and the Base32 form (no padding) of one COSE_Sign1 (RFC 9052,
//! untagged): protected header {1: algorithm, 4: key id}, empty unprotected header, payload a CBOR
//! map with the integer keys below, signature of 64 bytes. The external data of the signature is the
//! text before the Base32 part, so a voucher reprinted with a stranger's host does not verify.
//!
//! | key | value |
//! |---|---|
//! | 1 | version, 1 |
//! | 2 | issuer, text |
//! | 3 | voucher number, 16 characters |
//! | 4 | issued at, milliseconds since 1970 UTC |
//! | 5 | benefit year |
//! | 6 | pooling region, code |
//! | 7 | masked name of the insured |
//! | 8 | amount in fen |
//! | 9 | channel, code; empty when no money was needed |
//! | 10 | hash of the full record, 32 bytes (SHA-256 with ES256, SM3 with SM2) |
//!
//! Only the one canonical encoding verifies. Whether a valid voucher was refunded later is not said
//! here; that must be asked online.

use crate::public_keys::PublicKeys;
use crate::record::encode;
use crate::signing::{Algorithm, SigningError, SigningKey};
use ciborium::Value;
use coset::{
    Algorithm as CoseAlgorithm, CborSerializable, CoseSign1, CoseSign1Builder, Header, iana,
};
use data_encoding::BASE32_NOPAD;
use jiaoyi_domain::{Fen, Instant, VoucherNo};

/// The version that we write and the only one that we read.
pub const VERSION: u8 = 1;

/// Longer texts are refused unread; the longest honest one is about 600 characters.
const TEXT_LEN_MAX: usize = 2_000;

/// What a voucher's QR code states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoucherClaims {
    /// [`VERSION`].
    pub version: u8,
    /// Who issued the voucher.
    pub issuer: String,
    /// The voucher's number.
    pub voucher_no: VoucherNo,
    /// When it was issued.
    pub issued_at: Instant,
    /// The year the insurance covers.
    pub benefit_year: i16,
    /// Code of the pooling region.
    pub region: String,
    /// The insured's name, masked.
    pub name_masked: String,
    /// What the payer paid.
    pub amount: Fen,
    /// Code of the channel; empty when no money was needed.
    pub channel: String,
    /// Hash of the full record.
    pub record_hash: [u8; 32],
}

/// Why a voucher was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// Not the text of a voucher's QR code.
    #[error("read a voucher: not the text of a voucher's QR code")]
    Text,
    /// Not the one canonical COSE encoding.
    #[error("read a voucher: not a signed voucher in canonical form")]
    Encoding,
    /// A version that this program does not know.
    #[error("read a voucher: version {0} is not known to this program")]
    Version(u64),
    /// The key list has no key of this id.
    #[error("verify a voucher: the key list has no key {0:?}")]
    UnknownKey(String),
    /// The voucher names another algorithm than its key has.
    #[error("verify a voucher: the algorithm named is not the one of key {0:?}")]
    Algorithm(String),
    /// The signature does not match.
    #[error("verify a voucher: the signature does not match, something was changed")]
    Signature,
    /// The key was not valid when the voucher says it was issued.
    #[error("verify a voucher: key {0:?} was not valid at the time of issue")]
    KeyPeriod(String),
    /// The voucher could not be signed.
    #[error("sign a voucher: the key could not sign")]
    Sign,
}

impl VoucherError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            VoucherError::Text => "voucher.text",
            VoucherError::Encoding => "voucher.encoding",
            VoucherError::Version(_) => "voucher.version",
            VoucherError::UnknownKey(_) => "voucher.unknown_key",
            VoucherError::Algorithm(_) => "voucher.algorithm",
            VoucherError::Signature => "voucher.signature",
            VoucherError::KeyPeriod(_) => "voucher.key_period",
            VoucherError::Sign => "voucher.sign",
        }
    }
}

impl From<SigningError> for VoucherError {
    fn from(error: SigningError) -> VoucherError {
        match error {
            SigningError::Sign(_) => VoucherError::Sign,
            SigningError::PrivateKey(_)
            | SigningError::PublicKey(_)
            | SigningError::Mismatch(_) => VoucherError::Signature,
        }
    }
}

/// Signs `claims` for the portal at `host` with the key `key_id`; the COSE_Sign1 bytes.
///
/// # Errors
///
/// [`VoucherError::Text`] when `host` cannot stand in a QR text, [`VoucherError::Sign`].
pub fn sign_voucher(
    claims: &VoucherClaims,
    host: &str,
    key_id: &str,
    key: &SigningKey,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<Vec<u8>, VoucherError> {
    let prefix = prefix(host)?;
    let cose = CoseSign1Builder::new()
        .protected(header(key.public().algorithm(), key_id))
        .payload(payload(claims))
        .try_create_signature(prefix.as_bytes(), |message| {
            key.sign(message, random).map(Vec::from)
        })?
        .build();
    cose.to_vec().map_err(|_| VoucherError::Encoding)
}

/// The text of the QR code, all of it in the alphanumeric alphabet of QR codes.
///
/// # Errors
///
/// [`VoucherError::Text`] when `host` cannot stand in it.
pub fn qr_text(host: &str, cose: &[u8]) -> Result<String, VoucherError> {
    Ok(prefix(host)? + &BASE32_NOPAD.encode(cose))
}

/// Host (upper case, with its port if any) and COSE_Sign1 bytes of a QR text.
///
/// # Errors
///
/// [`VoucherError::Text`].
pub fn parse_qr_text(text: &str) -> Result<(String, Vec<u8>), VoucherError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(VoucherError::Text);
    }
    let rest = text.strip_prefix("HTTPS://").ok_or(VoucherError::Text)?;
    let (host, body) = rest.split_once("/Q/").ok_or(VoucherError::Text)?;
    if prefix(host)?.get(8..) != rest.get(..host.len() + 3) {
        return Err(VoucherError::Text);
    }
    let cose = BASE32_NOPAD
        .decode(body.as_bytes())
        .map_err(|_| VoucherError::Text)?;
    Ok((host.to_owned(), cose))
}

/// What a QR text states, if one of `keys` signed exactly it.
///
/// # Errors
///
/// [`VoucherError`]; every changed character ends in one.
pub fn verify_voucher(text: &str, keys: &PublicKeys) -> Result<VoucherClaims, VoucherError> {
    let (host, bytes) = parse_qr_text(text.trim())?;
    verify_cose(&host, &bytes, keys)
}

/// As [`verify_voucher`], from the host and the COSE_Sign1 bytes.
///
/// # Errors
///
/// [`VoucherError`].
pub fn verify_cose(
    host: &str,
    bytes: &[u8],
    keys: &PublicKeys,
) -> Result<VoucherClaims, VoucherError> {
    let prefix = prefix(host)?;
    let cose = CoseSign1::from_slice(bytes).map_err(|_| VoucherError::Encoding)?;
    let again = cose.clone().to_vec().map_err(|_| VoucherError::Encoding)?;
    if again != bytes || !cose.unprotected.is_empty() {
        return Err(VoucherError::Encoding);
    }
    let protected = &cose.protected.header;
    let id = String::from_utf8(protected.key_id.clone()).map_err(|_| VoucherError::Encoding)?;
    let entry = keys
        .get(&id)
        .ok_or_else(|| VoucherError::UnknownKey(id.clone()))?;
    // The key decides the algorithm; the header may only repeat it, and say nothing else.
    let want = header(entry.key.algorithm(), &id);
    if protected.alg != want.alg {
        return Err(VoucherError::Algorithm(id));
    }
    if *protected != want {
        return Err(VoucherError::Encoding);
    }
    cose.verify_signature(prefix.as_bytes(), |signature, message| {
        entry.key.verify(message, signature)
    })?;
    let claims = read(cose.payload.as_deref().unwrap_or_default())?;
    if !entry.covers(claims.issued_at) {
        return Err(VoucherError::KeyPeriod(id));
    }
    Ok(claims)
}

/// `HTTPS://<HOST>/Q/`; the host may carry a port.
fn prefix(host: &str) -> Result<String, VoucherError> {
    let host = host.to_ascii_uppercase();
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || "-.:".contains(c);
    if host.is_empty() || host.len() > 255 || !host.chars().all(plain) {
        return Err(VoucherError::Text);
    }
    Ok(format!("HTTPS://{host}/Q/"))
}

fn header(algorithm: Algorithm, key_id: &str) -> Header {
    let alg = match algorithm {
        Algorithm::Es256 => CoseAlgorithm::Assigned(iana::Algorithm::ES256),
        Algorithm::Sm2 => CoseAlgorithm::PrivateUse(algorithm.cose()),
    };
    Header {
        alg: Some(alg),
        key_id: key_id.as_bytes().to_vec(),
        ..Header::default()
    }
}

fn payload(claims: &VoucherClaims) -> Vec<u8> {
    let values = [
        Value::from(claims.version),
        Value::from(claims.issuer.as_str()),
        Value::from(claims.voucher_no.as_str()),
        Value::from(claims.issued_at.0),
        Value::from(claims.benefit_year),
        Value::from(claims.region.as_str()),
        Value::from(claims.name_masked.as_str()),
        Value::from(claims.amount.get()),
        Value::from(claims.channel.as_str()),
        Value::from(claims.record_hash.as_slice()),
    ];
    let entries = (1..).zip(values);
    let map = entries.map(|(key, value): (u8, Value)| (Value::from(key), value));
    encode(&Value::Map(map.collect()))
}

fn read(bytes: &[u8]) -> Result<VoucherClaims, VoucherError> {
    let value: Value = ciborium::from_reader(bytes).map_err(|_| VoucherError::Encoding)?;
    let entries = value.into_map().map_err(|_| VoucherError::Encoding)?;
    let mut values = entries.into_iter().map(|(_, value)| value);
    let version = integer(values.next()).ok_or(VoucherError::Encoding)?;
    let version: u64 = version.try_into().map_err(|_| VoucherError::Encoding)?;
    if version != u64::from(VERSION) {
        return Err(VoucherError::Version(version));
    }
    let claims = claims(&mut values).ok_or(VoucherError::Encoding)?;
    // Keys, their order and every length are right exactly when writing gives the same bytes.
    if payload(&claims) == bytes {
        Ok(claims)
    } else {
        Err(VoucherError::Encoding)
    }
}

fn claims(values: &mut impl Iterator<Item = Value>) -> Option<VoucherClaims> {
    let text = |value: Option<Value>| value?.into_text().ok();
    Some(VoucherClaims {
        version: VERSION,
        issuer: text(values.next())?,
        voucher_no: VoucherNo::parse(&text(values.next())?)?,
        issued_at: Instant(integer(values.next())?.try_into().ok()?),
        benefit_year: integer(values.next())?.try_into().ok()?,
        region: text(values.next())?,
        name_masked: text(values.next())?,
        amount: Fen::from_i64(integer(values.next())?.try_into().ok()?)?,
        channel: text(values.next())?,
        record_hash: values.next()?.into_bytes().ok()?.try_into().ok()?,
    })
}

fn integer(value: Option<Value>) -> Option<i128> {
    value?.into_integer().ok().map(i128::from)
}

#[cfg(test)]
mod tests;
