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
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Why a key file was not accepted.
pub(crate) type KeyFault = &'static str;

/// A piece of work for a thread that signs.
type Work = Box<dyn FnOnce() + Send>;

/// Threads that make signatures, one after the other, in the order they were asked for.
///
/// One signature costs about half a millisecond of one core: too long for the threads that serve
/// everybody, and more at once than there are cores gain nothing. A thread takes the next work
/// itself. With permits that are handed to waiting tasks it would idle until the task is polled,
/// which takes long just when many others are to be polled.
pub(crate) struct SigningThreads(Sender<Work>);

impl SigningThreads {
    /// Starts `count` threads; they end when this is dropped and all work is done.
    ///
    /// # Errors
    ///
    /// The system gives no thread.
    pub fn start(count: usize) -> std::io::Result<Arc<SigningThreads>> {
        let (sender, receiver) = channel::<Work>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..count {
            let receiver = Arc::clone(&receiver);
            let next = move || {
                let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
                receiver.recv().ok()
            };
            let thread = std::thread::Builder::new().name("signer".to_owned());
            thread.spawn(move || std::iter::from_fn(next).for_each(|work| work()))?;
        }
        Ok(Arc::new(SigningThreads(sender)))
    }
}

/// A private RSA key, and the threads that sign with it.
pub(crate) struct Signer {
    key: Arc<RsaKeyPair>,
    threads: Arc<SigningThreads>,
}

impl Signer {
    /// Reads a PKCS#1 or PKCS#8 key from PEM, or from the bare Base64 that Alipay's tool writes.
    pub fn parse(pem: &[u8], threads: Arc<SigningThreads>) -> Result<Signer, KeyFault> {
        let key = match PrivateKeyDer::from_pem_slice(pem) {
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(_) => return Err("this is no RSA private key"),
            Err(_) => {
                let der = bare_base64(pem).ok_or("this is neither PEM nor Base64")?;
                RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der))
            }
        };
        Signer::over(key.ok(), threads)
    }

    /// Takes a PKCS#8 key in DER, as it lies in a PFX.
    pub fn from_pkcs8(der: &[u8], threads: Arc<SigningThreads>) -> Result<Signer, KeyFault> {
        Signer::over(RsaKeyPair::from_pkcs8(der).ok(), threads)
    }

    fn over(key: Option<RsaKeyPair>, threads: Arc<SigningThreads>) -> Result<Signer, KeyFault> {
        let key = key.ok_or("this is no RSA private key of 2048 bits or more")?;
        Ok(Signer {
            key: Arc::new(key),
            threads,
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
    /// `None` when the library refuses, which a key that was accepted does not cause.
    pub async fn sign(&self, message: Vec<u8>) -> Option<String> {
        let (answer, signature) = oneshot::channel();
        let key = Arc::clone(&self.key);
        let work = move || {
            // Nobody may be waiting any more.
            if !answer.is_closed() {
                let _ = answer.send(sign_now(&key, &message));
            }
        };
        self.threads.0.send(Box::new(work)).ok()?;
        signature.await.ok()?
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata::file;
    use std::task::{Context, Waker};
    use std::time::Duration;

    /// Those who asked before may be woken much later: the threads go on without them.
    #[tokio::test]
    async fn a_signature_waits_for_nobody_to_be_woken() {
        let threads = SigningThreads::start(1).unwrap();
        let signer = Signer::parse(&file("channel_key.pem"), threads).unwrap();
        let mut asked: Vec<_> = (0..8).map(|n| Box::pin(signer.sign(vec![n]))).collect();
        let mut nobody = Context::from_waker(Waker::noop());
        for one in &mut asked {
            let _ = one.as_mut().poll(&mut nobody);
        }
        let last = asked.pop().unwrap();
        let signed = tokio::time::timeout(Duration::from_secs(30), last).await;
        assert!(signed.unwrap().is_some());
    }
}
