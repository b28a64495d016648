//! The few cryptographic operations that the channels ask for, all done by aws-lc.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{PemObject, SectionKind};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Why a key file was not accepted.
pub(crate) type KeyFault = &'static str;

/// A private RSA key with a limit on how many signatures are made at once.
///
/// One signature costs about half a millisecond of one core, too long for the threads that serve
/// everybody, so it is made on the blocking pool, and never more at once than there are cores.
pub(crate) struct Signer {
    key: Arc<RsaKeyPair>,
    permits: Arc<Semaphore>,
}

impl Signer {
    /// Reads a PKCS#1 or PKCS#8 key from PEM, or from the bare Base64 that Alipay's tool writes.
    pub fn parse(pem: &[u8], permits: Arc<Semaphore>) -> Result<Signer, KeyFault> {
        let key = match PrivateKeyDer::from_pem_slice(pem) {
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(_) => return Err("this is no RSA private key"),
            Err(_) => {
                let der = bare_base64(pem).ok_or("this is neither PEM nor Base64")?;
                RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der))
            }
        };
        Signer::over(key.ok(), permits)
    }

    /// Takes a PKCS#8 key in DER, as it lies in a PFX.
    pub fn from_pkcs8(der: &[u8], permits: Arc<Semaphore>) -> Result<Signer, KeyFault> {
        Signer::over(RsaKeyPair::from_pkcs8(der).ok(), permits)
    }

    fn over(key: Option<RsaKeyPair>, permits: Arc<Semaphore>) -> Result<Signer, KeyFault> {
        let key = key.ok_or("this is no RSA private key of 2048 bits or more")?;
        Ok(Signer {
            key: Arc::new(key),
            permits,
        })
    }

    /// Whether `public_key` (SubjectPublicKeyInfo, DER) is the other half of this key.
    pub fn belongs_to(&self, public_key: &[u8]) -> bool {
        let own = self.key.public_key().as_ref();
        // Our half is the inner RSAPublicKey, with which the outer structure ends.
        public_key.ends_with(own)
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 over `message`, in Base64.
    ///
    /// `None` when the runtime is shutting down or the library refuses, which a key that was
    /// accepted does not cause.
    pub async fn sign(&self, message: Vec<u8>) -> Option<String> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let key = Arc::clone(&self.key);
        tokio::task::spawn_blocking(move || {
            let signature = sign_now(&key, &message);
            drop(permit);
            signature
        })
        .await
        .ok()?
    }
}

fn sign_now(key: &RsaKeyPair, message: &[u8]) -> Option<String> {
    let mut signature = vec![0; key.public_modulus_len()];
    // The padding is deterministic: the random source is not used.
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .ok()?;
    Some(STANDARD.encode(signature))
}

/// A public RSA key, parsed once.
pub(crate) struct Verifier(ParsedPublicKey);

impl Verifier {
    /// A key given as SubjectPublicKeyInfo (or PKCS#1) DER.
    pub fn from_der(der: &[u8]) -> Result<Verifier, KeyFault> {
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .map(Verifier)
            .map_err(|_| "this is no RSA public key of 2048 bits or more")
    }

    /// A key given as PEM, as the PEM of a certificate, or as bare Base64.
    pub fn parse(pem: &[u8]) -> Result<Verifier, KeyFault> {
        match <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).next() {
            Some(Ok((SectionKind::PublicKey, der))) => Verifier::from_der(&der),
            Some(Ok((SectionKind::Certificate, der))) => {
                Verifier::from_der(&crate::cert::Certificate::parse(&der)?.public_key)
            }
            Some(_) => Err("this is no public key"),
            None => Verifier::from_der(&bare_base64(pem).ok_or("this is neither PEM nor Base64")?),
        }
    }

    /// Whether `signature`, in Base64, is RSASSA-PKCS1-v1_5 with SHA-256 over `message`.
    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| self.0.verify_sig(message, &signature).is_ok())
    }
}

fn bare_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD.decode(text).ok().filter(|der| !der.is_empty())
}

/// A key that opens AES-GCM messages.
pub(crate) struct Opener(LessSafeKey);

impl Opener {
    /// A key of 32 bytes.
    pub fn try_new(key: &[u8]) -> Option<Opener> {
        let algorithm = match key.len() {
            // One published test vector has a shorter key than WeChat hands out.
            #[cfg(test)]
            16 => &aws_lc_rs::aead::AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        UnboundKey::new(algorithm, key)
            .ok()
            .map(|key| Opener(LessSafeKey::new(key)))
    }

    /// Opens `ciphertext`, the Base64 of ciphertext and tag.
    pub fn open(&self, nonce: &str, associated_data: &str, ciphertext: &str) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(nonce.as_bytes()).ok()?;
        let mut text = STANDARD.decode(ciphertext).ok()?;
        let length = self
            .0
            .open_in_place(nonce, Aad::from(associated_data.as_bytes()), &mut text)
            .ok()?
            .len();
        text.truncate(length);
        Some(text)
    }
}
