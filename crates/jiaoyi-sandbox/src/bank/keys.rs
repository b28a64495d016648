//! Answers for: what a bank signs with and believes: RSA at the first, SM2 at the second.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sm2::dsa::signature::{Signer, Verifier};
use sm2::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding,
};

use crate::crypto::{SigningKey, VerifyingKey, pem_blocks, random_hex};

/// The id that both sides use.
const ID: &str = "1234567812345678";

/// The bank's own key and the merchant's.
pub(crate) enum BankKeys {
    Rsa(Box<(SigningKey, VerifyingKey)>),
    Sm2(Box<(sm2::dsa::SigningKey, sm2::dsa::VerifyingKey)>),
}

impl std::fmt::Debug for BankKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BankKeys")
    }
}

impl BankKeys {
    /// Reads both from PEM: the bank's private key and the merchant's public one.
    pub(crate) fn from_pem(own: &str, merchant: &str) -> Option<BankKeys> {
        if let Some(own) = SigningKey::from_pem(own) {
            let merchant = VerifyingKey::from_der(pem_blocks(merchant, "PUBLIC KEY").first()?)?;
            return Some(BankKeys::Rsa(Box::new((own, merchant))));
        }
        let own = sm2::SecretKey::from_pkcs8_pem(own).ok()?;
        let merchant = sm2::PublicKey::from_public_key_pem(merchant).ok()?;
        Some(BankKeys::Sm2(Box::new((
            sm2::dsa::SigningKey::new(ID, &own).ok()?,
            sm2::dsa::VerifyingKey::new(ID, merchant).ok()?,
        ))))
    }

    pub(crate) fn sign(&self, text: &[u8]) -> String {
        match self {
            BankKeys::Rsa(keys) => keys.0.sign(text),
            BankKeys::Sm2(keys) => {
                let signature: Option<sm2::dsa::Signature> = keys.0.try_sign(text).ok();
                signature.map_or_else(String::new, |made| STANDARD.encode(made.to_bytes()))
            }
        }
    }

    pub(crate) fn verifies(&self, text: &[u8], signature: &str) -> bool {
        match self {
            BankKeys::Rsa(keys) => keys.1.verifies(text, signature),
            BankKeys::Sm2(keys) => STANDARD
                .decode(signature)
                .ok()
                .and_then(|bytes| sm2::dsa::Signature::from_slice(&bytes).ok())
                .is_some_and(|signature| keys.1.verify(text, &signature).is_ok()),
        }
    }
}

/// A new SM2 key: its private and its public half in PEM.
pub(crate) fn new_sm2() -> Option<(String, String)> {
    let bytes = data_encoding::HEXLOWER
        .decode(random_hex(64).as_bytes())
        .ok()?;
    let key = sm2::SecretKey::from_slice(&bytes).ok()?;
    let private = key.to_pkcs8_pem(LineEnding::LF).ok()?;
    let public = key.public_key().to_public_key_pem(LineEnding::LF).ok()?;
    Some((private.to_string(), public))
}
