//! Authenticated encryption of single values: AES-256-GCM or SM4-GCM.
//!
//! A sealed value is `format 1 | key id (2 bytes, big-endian) | nonce 12 | ciphertext | tag 16`. The
//! first three bytes and the caller's additional data are authenticated, so a value moved to another
//! column, row or key does not open.

use crate::hex::Secret;
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::fmt;

/// Bytes of a nonce; every value is sealed with its own random one.
pub const NONCE_LEN: usize = 12;

const FORMAT: u8 = 1;
const HEADER_LEN: usize = 3;
const TAG_LEN: usize = 16;

/// How values are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES with a key of 256 bits in Galois/counter mode.
    Aes256Gcm,
    /// SM4 (GB/T 32907, key of 128 bits) in Galois/counter mode.
    Sm4Gcm,
}

impl Cipher {
    /// The name in key files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cipher::Aes256Gcm => "AES-256-GCM",
            Cipher::Sm4Gcm => "SM4-GCM",
        }
    }

    /// The cipher of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Cipher> {
        [Cipher::Aes256Gcm, Cipher::Sm4Gcm]
            .into_iter()
            .find(|cipher| cipher.name() == name)
    }
}

/// Why a sealed value did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value is too short or of another format.
    #[error("open a sealed value: not in the sealed format")]
    Format,
    /// The key file has no key of this id.
    #[error("open a sealed value: the key file has no sealing key {0}")]
    UnknownKey(u16),
    /// Wrong key, changed bytes, or additional data of another place.
    #[error("open a sealed value: it was changed or belongs to another place")]
    Mismatch,
    /// The library could not seal.
    #[error("seal a value: the cipher refused")]
    Cipher,
}

impl SealError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SealError::Format => "seal.format",
            SealError::UnknownKey(_) => "seal.unknown_key",
            SealError::Mismatch => "seal.mismatch",
            SealError::Cipher => "seal.cipher",
        }
    }
}

/// One key with its cipher.
pub(crate) struct CipherKey {
    provider: Provider,
    pub(crate) secret: Secret,
}

/// Who computes; a hardware module becomes another arm.
enum Provider {
    Aes256Gcm(LessSafeKey),
    Sm4Gcm(Box<AesGcm<sm4::Sm4, U12>>),
}

impl fmt::Debug for CipherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CipherKey({})", self.cipher().name())
    }
}

impl CipherKey {
    /// SM4 takes the first half of the secret: its keys have 128 bits.
    pub(crate) fn new(cipher: Cipher, secret: Secret) -> CipherKey {
        let provider = match cipher {
            Cipher::Aes256Gcm => Provider::Aes256Gcm(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, &secret.0).expect("a key of 32 bytes fits AES-256"),
            )),
            Cipher::Sm4Gcm => Provider::Sm4Gcm(Box::new(
                AesGcm::new_from_slice(&secret.0[..16]).expect("a key of 16 bytes fits SM4"),
            )),
        };
        CipherKey { provider, secret }
    }

    pub(crate) const fn cipher(&self) -> Cipher {
        match self.provider {
            Provider::Aes256Gcm(_) => Cipher::Aes256Gcm,
            Provider::Sm4Gcm(_) => Cipher::Sm4Gcm,
        }
    }

    /// Ciphertext and tag.
    pub(crate) fn encrypt(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        match &self.provider {
            Provider::Aes256Gcm(key) => {
                let mut bytes = plaintext.to_vec();
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut bytes)
                    .map_err(|_| SealError::Cipher)?;
                Ok(bytes)
            }
            Provider::Sm4Gcm(key) => {
                let msg = plaintext;
                key.encrypt(&nonce.into(), Payload { msg, aad })
                    .map_err(|_| SealError::Cipher)
            }
        }
    }

    pub(crate) fn decrypt(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        match &self.provider {
            Provider::Aes256Gcm(key) => {
                let mut bytes = sealed.to_vec();
                let nonce = Nonce::assume_unique_for_key(nonce);
                let len = key
                    .open_in_place(nonce, Aad::from(aad), &mut bytes)
                    .map_err(|_| SealError::Mismatch)?
                    .len();
                bytes.truncate(len);
                Ok(bytes)
            }
            Provider::Sm4Gcm(key) => {
                let msg = sealed;
                key.decrypt(&nonce.into(), Payload { msg, aad })
                    .map_err(|_| SealError::Mismatch)
            }
        }
    }
}

/// Seals `plaintext` under `key`, whose id goes into the value.
pub(crate) fn seal(
    key: &CipherKey,
    id: u16,
    plaintext: &[u8],
    aad: &[u8],
    nonce: [u8; NONCE_LEN],
) -> Result<Vec<u8>, SealError> {
    let [high, low] = id.to_be_bytes();
    let mut sealed = vec![FORMAT, high, low];
    let bound = [sealed.as_slice(), aad].concat();
    sealed.extend_from_slice(&nonce);
    sealed.extend(key.encrypt(nonce, &bound, plaintext)?);
    Ok(sealed)
}

/// The id of the key that a sealed value names.
pub(crate) fn key_id(sealed: &[u8]) -> Result<u16, SealError> {
    match sealed {
        [FORMAT, high, low, rest @ ..] if rest.len() >= NONCE_LEN + TAG_LEN => {
            Ok(u16::from_be_bytes([*high, *low]))
        }
        _ => Err(SealError::Format),
    }
}

/// Opens what [`seal`] made with the same key and additional data.
pub(crate) fn open(key: &CipherKey, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
    let (header, rest) = sealed
        .split_at_checked(HEADER_LEN)
        .ok_or(SealError::Format)?;
    let (nonce, body) = rest.split_first_chunk().ok_or(SealError::Format)?;
    key.decrypt(*nonce, &[header, aad].concat(), body)
}
