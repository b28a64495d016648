//! Answers for: the sandbox's own signatures, ciphers and digests, straight on `aws-lc-rs`.
//! Nothing here is shared with the merchant's side: that is what makes the sandbox a witness.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::rsa::{KeyPair, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};

/// The blocks of a PEM text whose label is `label`, decoded.
pub(crate) fn pem_blocks(text: &str, label: &str) -> Vec<Vec<u8>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut blocks = Vec::new();
    for part in text.split(&begin).skip(1) {
        let Some((body, _)) = part.split_once(&end) else {
            continue;
        };
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        if let Ok(der) = STANDARD.decode(body) {
            blocks.push(der);
        }
    }
    blocks
}

/// An RSA private key of a channel.
pub struct SigningKey {
    pair: KeyPair,
    unseal: Option<OaepPrivateDecryptingKey>,
    random: SystemRandom,
}

impl SigningKey {
    /// Reads PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`) PEM.
    pub(crate) fn from_pem(text: &str) -> Option<SigningKey> {
        let pkcs8 = pem_blocks(text, "PRIVATE KEY").into_iter().next();
        let pair = match &pkcs8 {
            Some(der) => KeyPair::from_pkcs8(der).ok()?,
            None => KeyPair::from_der(pem_blocks(text, "RSA PRIVATE KEY").first()?).ok()?,
        };
        let unseal = pkcs8
            .and_then(|der| PrivateDecryptingKey::from_pkcs8(&der).ok())
            .and_then(|key| OaepPrivateDecryptingKey::new(key).ok());
        Some(SigningKey {
            pair,
            unseal,
            random: SystemRandom::new(),
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256, in Base64.
    pub(crate) fn sign(&self, message: &[u8]) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature)
            .expect("the buffer has the length of the modulus");
        STANDARD.encode(signature)
    }

    /// Opens what was sealed with RSAES-OAEP, SHA-1 (WeChat's sensitive fields).
    pub(crate) fn unseal(&self, sealed: &str) -> Option<Vec<u8>> {
        let key = self.unseal.as_ref()?;
        let sealed = STANDARD.decode(sealed).ok()?;
        let mut plain = vec![0; key.min_output_size()];
        Some(
            key.decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut plain, None)
                .ok()?
                .to_vec(),
        )
    }

    /// The DER of the public half, to compare a key with its certificate.
    pub(crate) fn public_der(&self) -> &[u8] {
        use aws_lc_rs::signature::KeyPair as _;
        self.pair.public_key().as_ref()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// An RSA public key of a merchant.
pub struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    /// Takes a SubjectPublicKeyInfo or RSAPublicKey DER.
    pub(crate) fn from_der(der: &[u8]) -> Option<VerifyingKey> {
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .ok()
            .map(VerifyingKey)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature_base64: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature_base64) else {
            return false;
        };
        self.0.verify_sig(message, &signature).is_ok()
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifyingKey")
    }
}

/// AES-256-GCM, Base64 of ciphertext and tag.
pub(crate) fn seal_aes_gcm(key: &[u8; 32], nonce: &[u8; 12], aad: &str, plain: &[u8]) -> String {
    let key = UnboundKey::new(&aead::AES_256_GCM, key).expect("the key has 32 bytes");
    let mut buffer = plain.to_vec();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(aad.as_bytes()),
            &mut buffer,
        )
        .expect("the message is shorter than 64 GiB");
    STANDARD.encode(buffer)
}

pub(crate) fn sha1_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(Md5::digest(bytes).as_slice())
}

pub(crate) fn hmac_sha256_matches(key: &[u8], message: &[u8], hex: &str) -> bool {
    let Ok(tag) = HEXLOWER.decode(hex.to_ascii_lowercase().as_bytes()) else {
        return false;
    };
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), message, &tag).is_ok()
}

/// `length` random characters of `[0-9A-Za-z]`-like text (hex), for nonces and tokens.
pub(crate) fn random_hex(length: usize) -> String {
    let mut bytes = vec![0; length.div_ceil(2)];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has a random source");
    let mut text = HEXLOWER.encode(&bytes);
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From wechatpay-apiv3/wechatpay-java@1dab7be, AeadAesCipherTest.
    #[test]
    fn seals_as_the_official_java_library_opens() {
        let sealed = seal_aes_gcm(
            b"a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb",
            b"uluk4a9R25RW",
            "associatedData",
            b"message",
        );
        assert_eq!(sealed, "ulwSiIajGClcvcOYvOQ7+l+0PAbzzwI=");
    }

    #[test]
    fn knows_its_digests() {
        assert_eq!(md5_hex(b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(sha1_hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_ne!(random_hex(32), random_hex(32));
        assert_eq!(random_hex(12).len(), 12);
    }
}
