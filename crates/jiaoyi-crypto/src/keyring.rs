//! The key file: every key of an installation, read once at start from outside the database.
//!
//! | key | used for | may be rotated |
//! |---|---|---|
//! | bucket | which of 4,096 buckets a document falls into | never: the bucket is where rows lie |
//! | document, name | blind indexes | only by re-indexing every row |
//! | link | tokens in cookies and references, signed links | yes, open ones then end |
//! | sealing | sealed columns, each value names its key | yes, old keys stay to open old values |
//! | voucher | signatures of vouchers | yes, the public half stays published |
//! | audit | signatures of audit checkpoints | yes, keep the old public half |
//! | answer | signatures of answers to institutions | yes, institutions take the new one first |

use crate::calls::{CallKeyError, CallScheme, CallSigner};
use crate::hex::Secret;
use crate::public_keys::{PublicKeyEntry, PublicKeys};
use crate::sealing::{self, Cipher, CipherKey, NONCE_LEN, SealError};
use crate::signing::{Algorithm, PublicKey, SigningError, SigningKey};
use crate::token::{LinkKey, TokenError, mac};
use aws_lc_rs::hmac;
use jiaoyi_domain::{Bucket, Instant};
use std::collections::BTreeMap;
use std::fmt;

mod file;

/// What precedes a checkpoint under its signature, so that it can pass for nothing else.
const CHECKPOINT_CONTEXT: &[u8] = b"jiaoyi audit checkpoint 1\n";

/// Why a key file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not TOML of the expected shape; the text names line and field, never a value.
    #[error("read the key file: {0}")]
    Shape(String),
    /// A key's value is not what its field needs.
    #[error("read the key file: {0} is not a valid key")]
    Key(String),
    /// A `current` names a key that is not there, or that has no private half.
    #[error("read the key file: {0} names no usable key")]
    Current(String),
    /// Two keys of one list have the same id.
    #[error("read the key file: {0} appears twice")]
    Duplicate(String),
}

impl KeyringError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            KeyringError::Shape(_) => "keyring.shape",
            KeyringError::Key(_) => "keyring.key",
            KeyringError::Current(_) => "keyring.current",
            KeyringError::Duplicate(_) => "keyring.duplicate",
        }
    }
}

/// One voucher key: private while it signs, public for ever.
struct VoucherKey {
    signing: Option<SigningKey>,
    public: PublicKey,
    valid_from: Option<Instant>,
    valid_to: Option<Instant>,
}

/// A keyed hash that remembers its secret so that the key file can be written again.
struct MacKey {
    secret: Secret,
    key: hmac::Key,
}

impl MacKey {
    fn new(secret: Secret) -> MacKey {
        MacKey {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret.0),
            secret,
        }
    }
}

/// Every key of an installation. Its debug output shows ids and public halves only.
pub struct Keyring {
    bucket: MacKey,
    document: MacKey,
    name: MacKey,
    link: LinkKey,
    sealing: BTreeMap<u16, CipherKey>,
    sealing_current: u16,
    voucher: BTreeMap<String, VoucherKey>,
    voucher_current: String,
    audit: SigningKey,
    /// By id; of each scheme the last one signs.
    answer: BTreeMap<String, CallSigner>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("sealing", &self.sealing)
            .field("sealing_current", &self.sealing_current)
            .field("voucher", &self.voucher.keys())
            .field("voucher_current", &self.voucher_current)
            .field("audit", self.audit.public())
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// Reads the text of a key file.
    ///
    /// # Errors
    ///
    /// [`KeyringError`], naming the field; secrets never appear in it.
    pub fn parse(text: &str) -> Result<Keyring, KeyringError> {
        file::parse(text)
    }

    /// The text of the key file that [`Keyring::parse`] reads back.
    #[must_use]
    pub fn to_toml(&self) -> String {
        file::print(self)
    }

    /// Draws new keys: AES-256-GCM for columns, ES256 for vouchers and checkpoints.
    #[must_use]
    pub fn generate(random: &mut dyn FnMut(&mut [u8])) -> Keyring {
        Keyring::generate_with(Cipher::Aes256Gcm, Algorithm::Es256, random)
    }

    /// Draws new keys for the given cipher and voucher signature.
    #[must_use]
    pub fn generate_with(
        cipher: Cipher,
        algorithm: Algorithm,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Keyring {
        let mut secret = || {
            let mut bytes = [0; 32];
            random(&mut bytes);
            Secret(bytes)
        };
        let (bucket, document, name) = (secret(), secret(), secret());
        let (link, sealing) = (secret(), secret());
        let signing = SigningKey::generate(algorithm, random);
        let key = VoucherKey {
            public: signing.public().clone(),
            signing: Some(signing),
            valid_from: None,
            valid_to: None,
        };
        Keyring {
            bucket: MacKey::new(bucket),
            document: MacKey::new(document),
            name: MacKey::new(name),
            link: LinkKey::new(link),
            sealing: BTreeMap::from([(1, CipherKey::new(cipher, sealing))]),
            sealing_current: 1,
            voucher: BTreeMap::from([("v1".to_owned(), key)]),
            voucher_current: "v1".to_owned(),
            audit: SigningKey::generate(Algorithm::Es256, random),
            answer: BTreeMap::new(),
        }
    }

    /// Draws keys that sign answers to institutions, one of each scheme, and gives their ids. They
    /// sign from now on; older ones stay published.
    ///
    /// # Errors
    ///
    /// [`CallKeyError::Draw`].
    pub fn add_answer_keys(
        &mut self,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<[String; 2], CallKeyError> {
        let mut add = |scheme: CallScheme, stem: &str| {
            let known = self.answer.values().filter(|key| key.scheme() == scheme);
            let id = format!("{stem}{:03}", known.count().saturating_add(1));
            let key = CallSigner::draw(scheme, random)?;
            self.answer.insert(id.clone(), key);
            Ok(id)
        };
        Ok([add(CallScheme::Rsa, "r")?, add(CallScheme::Sm2, "s")?])
    }

    /// Id and key that sign answers to institutions in a scheme, if there is one.
    #[must_use]
    pub fn answer_key(&self, scheme: CallScheme) -> Option<(&str, &CallSigner)> {
        let mut of_scheme = self.answer.iter().filter(|(_, key)| key.scheme() == scheme);
        of_scheme.next_back().map(|(id, key)| (id.as_str(), key))
    }

    /// Every key that signs or has signed answers, with its id.
    pub fn answer_keys(&self) -> impl Iterator<Item = (&str, &CallSigner)> {
        self.answer.iter().map(|(id, key)| (id.as_str(), key))
    }

    /// The bucket of a document (kind and normalised number); never changes.
    #[must_use]
    pub fn bucket_of(&self, kind: &str, number: &str) -> Bucket {
        Bucket::from_hash(&mac(
            &self.bucket.key,
            &[kind.as_bytes(), number.as_bytes()],
        ))
    }

    /// The bucket of any other name, for example of an institution's own number.
    #[must_use]
    pub fn bucket_of_name(&self, name: &[u8]) -> Bucket {
        Bucket::from_hash(&mac(&self.bucket.key, &[name]))
    }

    /// The blind index of a document: kind and normalised number.
    #[must_use]
    pub fn doc_hmac(&self, kind: &str, number: &str) -> [u8; 32] {
        mac(&self.document.key, &[kind.as_bytes(), number.as_bytes()])
    }

    /// The keyed hash of a normalised name.
    #[must_use]
    pub fn name_hmac(&self, name: &str) -> [u8; 32] {
        mac(&self.name.key, &[name.as_bytes()])
    }

    /// Seals a value under the current key. `aad` names its place (table, column, row), `nonce` is
    /// random and used once.
    ///
    /// # Panics
    ///
    /// When `plaintext` is longer than the cipher takes (64 GiB).
    #[must_use]
    pub fn seal(&self, plaintext: &[u8], aad: &[u8], nonce: [u8; NONCE_LEN]) -> Vec<u8> {
        let key = self
            .sealing
            .get(&self.sealing_current)
            .expect("the current sealing key was checked when the keys were read");
        sealing::seal(key, self.sealing_current, plaintext, aad, nonce)
            .expect("a value held in memory is below the limit of the cipher")
    }

    /// Opens a value sealed under any key of the file.
    ///
    /// # Errors
    ///
    /// [`SealError::Format`], [`SealError::UnknownKey`] or [`SealError::Mismatch`].
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
        let id = sealing::key_id(sealed)?;
        let key = self.sealing.get(&id).ok_or(SealError::UnknownKey(id))?;
        sealing::open(key, sealed, aad)
    }

    /// A text that only we can read, bound to `purpose`; for cookies and references.
    #[must_use]
    pub fn seal_token(&self, payload: &[u8], purpose: &str, nonce: [u8; NONCE_LEN]) -> String {
        self.link.seal_token(self.cipher(), payload, purpose, nonce)
    }

    /// Opens what [`Keyring::seal_token`] made for the same purpose.
    ///
    /// # Errors
    ///
    /// [`TokenError::Invalid`], whatever is wrong.
    pub fn open_token(&self, text: &str, purpose: &str) -> Result<Vec<u8>, TokenError> {
        self.link.open_token(text, purpose)
    }

    /// A short text that anyone can read and only we can make; for links in messages.
    #[must_use]
    pub fn sign_link(&self, payload: &[u8]) -> String {
        self.link.sign_link(payload)
    }

    /// The payload of a link made by [`Keyring::sign_link`].
    ///
    /// # Errors
    ///
    /// [`TokenError::Invalid`], whatever is wrong.
    pub fn read_link(&self, text: &str) -> Result<Vec<u8>, TokenError> {
        self.link.read_link(text)
    }

    /// The cipher of the current sealing key.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.sealing
            .get(&self.sealing_current)
            .map_or(Cipher::Aes256Gcm, CipherKey::cipher)
    }

    /// Id and key that sign vouchers now.
    #[must_use]
    pub fn voucher_key(&self) -> (&str, &SigningKey) {
        let key = self
            .voucher
            .get(&self.voucher_current)
            .and_then(|key| key.signing.as_ref())
            .expect("the current voucher key was checked when the keys were read");
        (&self.voucher_current, key)
    }

    /// Every voucher key's public half, as published.
    #[must_use]
    pub fn public_keys(&self) -> PublicKeys {
        let entries = self.voucher.iter().map(|(id, key)| PublicKeyEntry {
            id: id.clone(),
            key: key.public.clone(),
            valid_from: key.valid_from,
            valid_to: key.valid_to,
        });
        PublicKeys::new(entries)
    }

    /// Signs the bytes of an audit checkpoint; see [`verify_checkpoint`].
    ///
    /// # Errors
    ///
    /// [`SigningError::Sign`].
    pub fn sign_checkpoint(
        &self,
        checkpoint: &[u8],
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<[u8; 64], SigningError> {
        self.audit
            .sign(&[CHECKPOINT_CONTEXT, checkpoint].concat(), random)
    }

    /// The public half of the key that signs audit checkpoints.
    #[must_use]
    pub const fn audit_public(&self) -> &PublicKey {
        self.audit.public()
    }
}

/// Whether `signature` was made by [`Keyring::sign_checkpoint`] over the same bytes.
///
/// # Errors
///
/// [`SigningError::Mismatch`].
pub fn verify_checkpoint(
    key: &PublicKey,
    checkpoint: &[u8],
    signature: &[u8],
) -> Result<(), SigningError> {
    key.verify(&[CHECKPOINT_CONTEXT, checkpoint].concat(), signature)
}

#[cfg(test)]
mod tests;
