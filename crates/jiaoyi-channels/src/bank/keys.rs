//! Signing to a bank and believing it: RSA, SM2, or a digest with a shared secret.

use super::profile::SignerKind;
use crate::config::{BankConfig, ConfigError, Secret, read_file};
use crate::crypto::{Signer, SigningThreads, Verifier};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use rustls_pki_types::pem::{PemObject, SectionKind};
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::pkcs8::{DecodePrivateKey, DecodePublicKey};
use std::path::Path;
use std::sync::Arc;

/// The id under which SM2 signs where nobody agreed on another.
const SM2_ID: &str = "1234567812345678";

/// The keys of both sides.
pub(super) enum Keys {
    Rsa(Signer, Verifier),
    Sm2(Box<(sm2::dsa::SigningKey, sm2::dsa::VerifyingKey)>),
    Digest(Secret),
}

impl Keys {
    pub fn open(
        kind: SignerKind,
        section: &'static str,
        config: &BankConfig,
        dir: &Path,
        threads: Arc<SigningThreads>,
    ) -> Result<Keys, ConfigError> {
        let incomplete = |what| ConfigError::Incomplete { section, what };
        if kind == SignerKind::Digest {
            let secret = config.secret.clone();
            let secret =
                secret.ok_or(incomplete("the profile signs by digest: secret is needed"))?;
            return Ok(Keys::Digest(secret));
        }
        let (Some(own), Some(theirs)) = (&config.key, &config.bank_key) else {
            return Err(incomplete("key and bank_key are needed"));
        };
        let fault = |entry, path: &Path, what| ConfigError::Key {
            entry,
            path: path.display().to_string(),
            what,
        };
        let texts = (read_file(dir, own)?, read_file(dir, theirs)?);
        if kind == SignerKind::Rsa {
            let signer = Signer::parse(&texts.0, threads);
            let verifier = Verifier::parse(&texts.1);
            return Ok(Keys::Rsa(
                signer.map_err(|what| fault("bank.key", own, what))?,
                verifier.map_err(|what| fault("bank.bank_key", theirs, what))?,
            ));
        }
        let signing = sm2_key(&texts.0);
        let signing =
            signing.ok_or_else(|| fault("bank.key", own, "this is no SM2 private key"))?;
        let verifying = sm2_public(&texts.1);
        let verifying =
            verifying.ok_or_else(|| fault("bank.bank_key", theirs, "this is no SM2 public key"))?;
        Ok(Keys::Sm2(Box::new((signing, verifying))))
    }

    /// The signature of a text.
    pub async fn sign(&self, text: Vec<u8>) -> Option<String> {
        match self {
            Keys::Rsa(signer, _) => signer.sign(text).await,
            Keys::Sm2(keys) => {
                let signature: sm2::dsa::Signature = keys.0.try_sign(&text).ok()?;
                Some(STANDARD.encode(signature.to_bytes()))
            }
            Keys::Digest(secret) => Some(digest_of(&text, secret)),
        }
    }

    /// Whether the bank signed a text.
    pub fn verify(&self, text: &[u8], signature: &str) -> bool {
        match self {
            Keys::Rsa(_, verifier) => verifier.verify(text, signature),
            Keys::Sm2(keys) => STANDARD
                .decode(signature)
                .ok()
                .and_then(|bytes| sm2::dsa::Signature::from_slice(&bytes).ok())
                .is_some_and(|signature| keys.1.verify(text, &signature).is_ok()),
            Keys::Digest(secret) => {
                let own = digest_of(text, secret);
                verify_slices_are_equal(own.as_bytes(), signature.as_bytes()).is_ok()
            }
        }
    }
}

fn digest_of(text: &[u8], secret: &Secret) -> String {
    let whole = [text, b"&key=", secret.expose().as_bytes()].concat();
    HEXLOWER.encode(digest(&SHA256, &whole).as_ref())
}

fn sm2_key(pem: &[u8]) -> Option<sm2::dsa::SigningKey> {
    let (_, der) = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).next()?.ok()?;
    let key = sm2::SecretKey::from_pkcs8_der(&der).ok()?;
    sm2::dsa::SigningKey::new(SM2_ID, &key).ok()
}

fn sm2_public(pem: &[u8]) -> Option<sm2::dsa::VerifyingKey> {
    let (_, der) = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).next()?.ok()?;
    let key = sm2::PublicKey::from_public_key_der(&der).ok()?;
    sm2::dsa::VerifyingKey::new(SM2_ID, key).ok()
}
