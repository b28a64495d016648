//! Answers for: the biller API's two signature schemes, written apart from the platform's.
//!
//! RSA goes through `aws-lc-rs`. SM2 uses the curve of the `sm2` crate; the ASN.1 form that goes
//! over the wire is written and read here.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::pkcs8::{
    DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding,
};

use crate::crypto::{SigningKey, VerifyingKey, pem_blocks};

const USER_ID: &str = "1234567812345678";
pub(crate) const RSA: &str = "BILLER1-RSA2048-SHA256";
pub(crate) const SM2: &str = "BILLER1-SM2-SM3";

/// What an institution signs with.
pub enum Signer {
    Rsa(SigningKey),
    Sm2(Box<sm2::dsa::SigningKey>),
}

impl Signer {
    /// Reads PKCS#8 PEM of either kind.
    pub fn from_pem(text: &str) -> Option<Signer> {
        if let Some(key) = SigningKey::from_pem(text) {
            return Some(Signer::Rsa(key));
        }
        let key = sm2::SecretKey::from_pkcs8_pem(text).ok()?;
        let scalar = key.to_bytes();
        let key = sm2::dsa::SigningKey::from_slice(USER_ID, &scalar).ok()?;
        Some(Signer::Sm2(Box::new(key)))
    }

    /// The scheme's name in the header.
    pub fn scheme(&self) -> &'static str {
        match self {
            Signer::Rsa(_) => RSA,
            Signer::Sm2(_) => SM2,
        }
    }

    /// The signature in Base64.
    pub fn sign(&self, message: &[u8]) -> String {
        match self {
            Signer::Rsa(key) => key.sign(message),
            Signer::Sm2(key) => {
                let signature: sm2::dsa::Signature = key.sign(message);
                STANDARD.encode(to_der(&signature.to_bytes()))
            }
        }
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.scheme())
    }
}

/// What the platform's answers are checked with.
#[derive(Debug)]
pub enum Verifier {
    Rsa(VerifyingKey),
    Sm2(Box<sm2::dsa::VerifyingKey>),
}

impl Verifier {
    /// Reads a PEM `PUBLIC KEY` of the scheme's kind.
    pub fn from_pem(scheme: &str, text: &str) -> Option<Verifier> {
        match scheme {
            RSA => {
                let blocks = pem_blocks(text, "PUBLIC KEY");
                Some(Verifier::Rsa(VerifyingKey::from_der(blocks.first()?)?))
            }
            SM2 => {
                let key = sm2::PublicKey::from_public_key_pem(text).ok()?;
                let key = sm2::dsa::VerifyingKey::new(USER_ID, key).ok()?;
                Some(Verifier::Sm2(Box::new(key)))
            }
            _ => None,
        }
    }

    /// Whether a signature in Base64 fits.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        match self {
            Verifier::Rsa(key) => key.verifies(message, signature),
            Verifier::Sm2(key) => {
                let read = STANDARD.decode(signature).ok();
                let read = read.and_then(|der| from_der(&der));
                let read = read.and_then(|pair| sm2::dsa::Signature::from_slice(&pair).ok());
                read.is_some_and(|signature| key.verify(message, &signature).is_ok())
            }
        }
    }
}

/// A new SM2 key pair: PKCS#8 and its public half, both PEM.
pub(crate) fn make_sm2() -> Option<(String, String)> {
    let mut scalar = [0; 32];
    SystemRandom::new().fill(&mut scalar).ok()?;
    let key = sm2::SecretKey::from_slice(&scalar).ok()?;
    let private = key.to_pkcs8_pem(LineEnding::LF).ok()?;
    let public = key.public_key().to_public_key_pem(LineEnding::LF).ok()?;
    Some((private.to_string(), public))
}

/// `r‖s` as `SEQUENCE { INTEGER r, INTEGER s }`.
fn to_der(pair: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    for number in pair.chunks(32) {
        let from = number
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(number.len() - 1);
        let digits = &number[from..];
        // A leading one bit would make it negative.
        let pad = digits.first().is_some_and(|byte| byte & 0x80 != 0);
        inner.push(0x02);
        inner.push(digits.len() as u8 + u8::from(pad));
        inner.extend(pad.then_some(0));
        inner.extend_from_slice(digits);
    }
    let mut der = vec![0x30, inner.len() as u8];
    der.append(&mut inner);
    der
}

/// The reverse; `None` for anything but two integers of at most 32 bytes in the shortest form.
fn from_der(der: &[u8]) -> Option<[u8; 64]> {
    let [0x30, length, inner @ ..] = der else {
        return None;
    };
    if usize::from(*length) != inner.len() {
        return None;
    }
    let mut pair = [0; 64];
    let mut rest = inner;
    for number in pair.chunks_mut(32) {
        let [0x02, length, tail @ ..] = rest else {
            return None;
        };
        let (digits, tail) = tail.split_at_checked(usize::from(*length))?;
        let digits = match digits {
            [0, next, ..] if next & 0x80 != 0 => &digits[1..],
            [1..=0x7f, ..] => digits,
            _ => return None,
        };
        let from = number.len().checked_sub(digits.len())?;
        number[from..].copy_from_slice(digits);
        rest = tail;
    }
    rest.is_empty().then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::sha256_hex;

    /// docs/biller-api.md, section 8.
    #[test]
    fn signs_the_worked_example_as_the_contract_prints_it() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let pem = std::fs::read_to_string(format!("{docs}/biller-api/example-key.pem")).unwrap();
        let signer = Signer::from_pem(&pem).unwrap();
        let body = r#"{"pooling_region":"990102","id_type":"id_card","id_no":"990102195203041237","name":"王建国","relation":"other","channel":"A7"}"#;
        let text = super::super::client::string_to_sign(
            [
                "POST",
                "/biller/v1/query",
                "1795744800",
                "example-nonce-0001",
            ],
            body.as_bytes(),
        );
        assert_eq!((body.len(), text.len()), (129, 182));
        assert_eq!(
            sha256_hex(&text),
            "a21d9c14bfa1aaeb1932809f4753abc4871b8a97dae26a7525815711cf2cbafa"
        );
        let contract = std::fs::read_to_string(format!("{docs}/biller-api.md")).unwrap();
        let printed = contract
            .split("signature, broken here for the page:")
            .nth(1)
            .unwrap();
        let printed: String = printed
            .split("```")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .skip(1)
            .collect();
        assert_eq!(signer.sign(&text), printed);
        assert_eq!(signer.scheme(), RSA);
    }

    #[test]
    fn an_sm2_signature_fits_its_message_and_key_alone() {
        let (private, public) = make_sm2().unwrap();
        let signer = Signer::from_pem(&private).unwrap();
        assert_eq!(signer.scheme(), SM2);
        let verifier = Verifier::from_pem(SM2, &public).unwrap();
        // Short and padded integers come up among many.
        for n in 0..300_u32 {
            let message = n.to_be_bytes();
            assert!(verifier.verifies(&message, &signer.sign(&message)), "{n}");
        }
        let signature = signer.sign(b"message");
        assert!(!verifier.verifies(b"massage", &signature));
        let (_, other) = make_sm2().unwrap();
        let other = Verifier::from_pem(SM2, &other).unwrap();
        assert!(!other.verifies(b"message", &signature));
    }

    #[test]
    fn der_is_read_only_in_its_shortest_form() {
        let mut pair = [0; 64];
        pair[31] = 0x80;
        pair[63] = 0x7f;
        let der = to_der(&pair);
        assert_eq!(der, [0x30, 7, 2, 2, 0, 0x80, 2, 1, 0x7f]);
        assert_eq!(from_der(&der), Some(pair));
        for bad in [
            &[][..],
            &[0x30, 6, 2, 1, 0x80, 2, 1, 0x7f],
            &[0x30, 8, 2, 2, 0, 0x7f, 2, 2, 0, 0x7f],
            &[0x30, 7, 2, 2, 0, 0x80, 2, 1, 0x7f, 0],
            &[0x30, 3, 2, 1, 1],
            &[0x30, 5, 2, 9, 1, 2, 1],
        ] {
            assert_eq!(from_der(bad), None, "{bad:?}");
        }
    }
}
