//! Signatures of calls between institutions and us: RSA (PKCS#1 v1.5, SHA-256) and SM2 (SM3,
//! default user id), keys in PEM, signatures in Base64 (docs/biller-api.md).
//!
//! What is signed is five lines, each ended by a line feed; [`string_to_sign`] joins them.

use crate::signing::{Algorithm, PublicKey, SigningKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use data_encoding::BASE64;
use std::fmt;

/// How calls are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more.
    Rsa,
    /// SM2 with SM3 and the default user id, in ASN.1 DER (GM/T 0009).
    Sm2,
}

impl CallScheme {
    /// The name in key files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CallScheme::Rsa => "RSA",
            CallScheme::Sm2 => "SM2",
        }
    }

    /// The scheme of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<CallScheme> {
        [CallScheme::Rsa, CallScheme::Sm2]
            .into_iter()
            .find(|scheme| scheme.name() == name)
    }
}

/// Why a key was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallKeyError {
    #[error("read a public key: neither RSA of 2048 to 8192 bits nor SM2, in PEM `PUBLIC KEY`")]
    Public,
    #[error("read a private key: not RSA of 2048 bits or more in PKCS#8, nor SM2")]
    Private,
    #[error("draw a key: the library refused")]
    Draw,
}

impl CallKeyError {
    /// Stable across releases.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            CallKeyError::Public => "call_key.public",
            CallKeyError::Private => "call_key.private",
            CallKeyError::Draw => "call_key.draw",
        }
    }
}

/// What is signed: the lines, each ended by a line feed, the body last.
#[must_use]
pub fn string_to_sign(lines: [&str; 4], body: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len() + 256);
    for line in lines {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(body);
    text.push(b'\n');
    text
}

/// What stands before the point in the SubjectPublicKeyInfo of an SM2 key.
const SM2_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d, 0x03, 0x42, 0x00,
];

/// The DER inside a PEM text of this kind; `None` when it is none.
fn from_pem(text: &str, kind: &str) -> Option<Vec<u8>> {
    let (begin, end) = (
        format!("-----BEGIN {kind}-----"),
        format!("-----END {kind}-----"),
    );
    let body = text.split_once(&begin)?.1.split_once(&end)?.0;
    let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
    BASE64.decode(body.as_bytes()).ok()
}

fn to_pem(der: &[u8], kind: &str) -> String {
    let body = BASE64.encode(der);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .filter_map(|at| body.get(at..body.len().min(at + 64)))
        .collect();
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}

enum Verifying {
    Rsa(Box<ParsedPublicKey>),
    Sm2(PublicKey),
}

/// A public key, parsed once.
pub struct CallVerifier {
    key: Verifying,
    der: Vec<u8>,
}

impl fmt::Debug for CallVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallVerifier({})", self.scheme().name())
    }
}

impl CallVerifier {
    /// Reads a key in PEM (`PUBLIC KEY`).
    ///
    /// # Errors
    ///
    /// [`CallKeyError::Public`].
    pub fn from_pem(text: &str) -> Result<CallVerifier, CallKeyError> {
        let der = from_pem(text, "PUBLIC KEY").ok_or(CallKeyError::Public)?;
        CallVerifier::from_der(&der)
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    ///
    /// [`CallKeyError::Public`].
    pub fn from_der(der: &[u8]) -> Result<CallVerifier, CallKeyError> {
        let key = match der.strip_prefix(&SM2_SPKI) {
            Some(point) => {
                let key = PublicKey::from_point(Algorithm::Sm2, point);
                Verifying::Sm2(key.map_err(|_| CallKeyError::Public)?)
            }
            None => {
                let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
                Verifying::Rsa(Box::new(key.map_err(|_| CallKeyError::Public)?))
            }
        };
        Ok(CallVerifier {
            key,
            der: der.to_vec(),
        })
    }

    /// How its signatures are made.
    #[must_use]
    pub const fn scheme(&self) -> CallScheme {
        match self.key {
            Verifying::Rsa(_) => CallScheme::Rsa,
            Verifying::Sm2(_) => CallScheme::Sm2,
        }
    }

    /// SubjectPublicKeyInfo in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether `signature`, in Base64, was made over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else {
            return false;
        };
        match &self.key {
            Verifying::Rsa(key) => key.verify_sig(message, &signature).is_ok(),
            Verifying::Sm2(key) => {
                let raw = if signature.len() == 64 {
                    Some(signature)
                } else {
                    from_der_signature(&signature).map(|raw| raw.to_vec())
                };
                raw.is_some_and(|raw| key.verify(message, &raw).is_ok())
            }
        }
    }
}

enum Signing {
    Rsa(Box<RsaKeyPair>),
    Sm2(Box<SigningKey>),
}

/// A private key that signs our answers. Its debug output shows its scheme only.
pub struct CallSigner {
    key: Signing,
    public: Vec<u8>,
    private: String,
}

impl fmt::Debug for CallSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallSigner({})", self.scheme().name())
    }
}

impl CallSigner {
    /// Draws a key: the library draws an RSA key by itself, an SM2 key comes from `random`.
    ///
    /// # Errors
    ///
    /// [`CallKeyError::Draw`].
    pub fn draw(
        scheme: CallScheme,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<CallSigner, CallKeyError> {
        match scheme {
            CallScheme::Rsa => {
                let pair =
                    RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| CallKeyError::Draw)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| CallKeyError::Draw)?;
                CallSigner::parse(scheme, &to_pem(der.as_ref(), "PRIVATE KEY"))
            }
            CallScheme::Sm2 => {
                let key = SigningKey::generate(Algorithm::Sm2, random);
                CallSigner::parse(scheme, &key.secret_hex())
            }
        }
    }

    /// Reads a private key: RSA in PEM (`PRIVATE KEY`, PKCS#8), SM2 in PEM or as 64 hexadecimal
    /// digits.
    ///
    /// # Errors
    ///
    /// [`CallKeyError::Private`].
    pub fn parse(scheme: CallScheme, text: &str) -> Result<CallSigner, CallKeyError> {
        let refused = CallKeyError::Private;
        let (key, public) = match scheme {
            CallScheme::Rsa => {
                let der = from_pem(text, "PRIVATE KEY").ok_or(refused)?;
                let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| refused)?;
                let public: PublicKeyX509Der<'_> =
                    pair.public_key().as_der().map_err(|_| refused)?;
                let public = public.as_ref().to_vec();
                (Signing::Rsa(Box::new(pair)), public)
            }
            CallScheme::Sm2 => {
                let key = SigningKey::parse(Algorithm::Sm2, text).map_err(|_| refused)?;
                let public = [&SM2_SPKI[..], key.public().point()].concat();
                (Signing::Sm2(Box::new(key)), public)
            }
        };
        Ok(CallSigner {
            key,
            public,
            private: text.to_owned(),
        })
    }

    /// How it signs.
    #[must_use]
    pub const fn scheme(&self) -> CallScheme {
        match self.key {
            Signing::Rsa(_) => CallScheme::Rsa,
            Signing::Sm2(_) => CallScheme::Sm2,
        }
    }

    /// The private half as it stands in a key file: see [`CallSigner::parse`].
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.private
    }

    /// The public half in PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        to_pem(&self.public, "PUBLIC KEY")
    }

    /// Signs a message; `None` when the library refuses, which a key that was accepted does not
    /// cause.
    #[must_use]
    pub fn sign(&self, message: &[u8], random: &mut dyn FnMut(&mut [u8])) -> Option<String> {
        match &self.key {
            Signing::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                // The padding is deterministic: the random source is not used.
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .ok()?;
                Some(BASE64.encode(&signature))
            }
            Signing::Sm2(key) => {
                let raw = key.sign(message, random).ok()?;
                Some(BASE64.encode(&to_der_signature(&raw)))
            }
        }
    }
}

/// `SEQUENCE { INTEGER r, INTEGER s }`.
fn to_der_signature(raw: &[u8; 64]) -> Vec<u8> {
    let mut body = Vec::with_capacity(72);
    for number in raw.chunks(32) {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(31);
        let digits = &number[start..];
        let pad = digits.first().is_some_and(|byte| *byte >= 0x80);
        body.push(0x02);
        body.push(u8::try_from(digits.len() + usize::from(pad)).unwrap_or(0));
        body.extend_from_slice(&[0][..usize::from(pad)]);
        body.extend_from_slice(digits);
    }
    let length = u8::try_from(body.len()).unwrap_or(0);
    [&[0x30, length][..], &body].concat()
}

/// Reads [`to_der_signature`]; `None` for anything else.
fn from_der_signature(der: &[u8]) -> Option<[u8; 64]> {
    let mut raw = [0; 64];
    let mut rest = der.strip_prefix(&[0x30, u8::try_from(der.len().checked_sub(2)?).ok()?])?;
    for place in raw.chunks_mut(32) {
        let length = usize::from(*rest.strip_prefix(&[0x02])?.first()?);
        let digits;
        (digits, rest) = rest.get(2..)?.split_at_checked(length)?;
        let number = digits.strip_prefix(&[0]).unwrap_or(digits);
        let from = place.len().checked_sub(number.len())?;
        place[from..].copy_from_slice(number);
    }
    rest.is_empty().then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(scheme: CallScheme) -> CallSigner {
        let mut count = 0_u8;
        let mut random = move |bytes: &mut [u8]| {
            count = count.wrapping_add(1);
            bytes.fill(count);
        };
        CallSigner::draw(scheme, &mut random).unwrap()
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else_does() {
        for scheme in [CallScheme::Rsa, CallScheme::Sm2] {
            let signer = drawn(scheme);
            let verifier = CallVerifier::from_pem(&signer.public_pem()).unwrap();
            assert_eq!((signer.scheme(), verifier.scheme()), (scheme, scheme));
            assert_eq!(CallScheme::from_name(scheme.name()), Some(scheme));
            let text = string_to_sign(["POST", "/biller/v1/pay", "1", "n"], b"{}");
            assert_eq!(text, b"POST\n/biller/v1/pay\n1\nn\n{}\n");
            let mut seven = |bytes: &mut [u8]| bytes.fill(7);
            let signature = signer.sign(&text, &mut seven).unwrap();
            assert!(verifier.verify(&text, &signature));
            assert!(!verifier.verify(b"POST\n/biller/v1/pay\n1\nn\n{ }\n", &signature));
            for wrong in ["", "!", "AAAA", &signature[4..]] {
                assert!(!verifier.verify(&text, wrong), "{wrong}");
            }
            let read = CallSigner::parse(scheme, signer.secret()).unwrap();
            assert_eq!(read.public_pem(), signer.public_pem());
            let again = CallVerifier::from_der(verifier.der()).unwrap();
            assert!(again.verify(&text, &signature));
        }
    }

    #[test]
    fn signatures_of_sm2_are_read_bare_and_in_der() {
        let signer = drawn(CallScheme::Sm2);
        let verifier = CallVerifier::from_pem(&signer.public_pem()).unwrap();
        for round in 0..40_u8 {
            let mut random = |bytes: &mut [u8]| bytes.fill(round);
            let der = BASE64
                .decode(signer.sign(&[round], &mut random).unwrap().as_bytes())
                .unwrap();
            let raw = from_der_signature(&der).unwrap();
            assert_eq!(to_der_signature(&raw), der);
            assert!(verifier.verify(&[round], &BASE64.encode(&raw)));
            for length in 0..der.len() {
                assert_eq!(from_der_signature(&der[..length]), None);
            }
        }
        let mut small = [0; 64];
        small[31] = 0x80;
        small[63] = 1;
        let der = to_der_signature(&small);
        assert_eq!(der, [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]);
        assert_eq!(from_der_signature(&der), Some(small));
    }

    /// The example of docs/biller-api.md, made with openssl.
    #[test]
    fn the_documented_example_verifies() {
        let text = include_str!("../../../docs/biller-api.md");
        let public = include_str!("../../../docs/biller-api/example-key.pub.pem");
        let private = include_str!("../../../docs/biller-api/example-key.pem");
        let example = text.split_once("## 8. A worked example").unwrap().1;
        let body = example.split("```json\n").nth(1).unwrap();
        let body = body.split("\n```").next().unwrap();
        let signature = example
            .split("broken here for the page:\n\n```text\n")
            .nth(1)
            .unwrap();
        let signature = signature.split("```").next().unwrap().replace('\n', "");
        let lines = [
            "POST",
            "/biller/v1/query",
            "1795744800",
            "example-nonce-0001",
        ];
        let signed = string_to_sign(lines, body.as_bytes());
        assert!(example.contains(&format!("has {} bytes", signed.len())));
        let verifier = CallVerifier::from_pem(public).unwrap();
        assert!(verifier.verify(&signed, &signature));
        let signer = CallSigner::parse(CallScheme::Rsa, private).unwrap();
        assert_eq!(signer.sign(&signed, &mut |_| {}), Some(signature));
    }

    /// Made with `openssl dgst -sm3 -sign KEY -sigopt distid:1234567812345678`.
    #[test]
    fn a_signature_of_openssl_verifies_with_sm2() {
        let verifier = CallVerifier::from_pem(
            "-----BEGIN PUBLIC KEY-----\n\
             MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEtWvSzjY/Uomll0hLWSabA0OZD7YB\n\
             OQvcxbSi0XaDlTuSkCqM4s40PHHxNeZWiyEn/hVSeC2vqjyy/lAg8gWW+A==\n\
             -----END PUBLIC KEY-----\n",
        );
        let lines = ["POST", "/biller/v1/pay", "1795744800", "example-nonce-0002"];
        let text = string_to_sign(lines, br#"{"seq":"s1"}"#);
        let signature = "MEQCIFV/wao8CazrSRud5/8foYTCezzGmfTjGcxlIdFjpr65AiBwzcE19E4DlRWDAOc\
                         ibRJIsWp2dCuUjxQiWY6/rWSa+w==";
        assert!(verifier.unwrap().verify(&text, signature));
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        let es256 = SigningKey::generate(Algorithm::Es256, &mut |bytes| bytes.fill(3));
        let mut spki = SM2_SPKI.to_vec();
        spki.extend_from_slice(es256.public().point());
        assert_eq!(
            CallVerifier::from_der(&spki).unwrap_err(),
            CallKeyError::Public
        );
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "x",
        ] {
            assert_eq!(
                CallVerifier::from_pem(text).unwrap_err(),
                CallKeyError::Public
            );
            for scheme in [CallScheme::Rsa, CallScheme::Sm2] {
                let refused = CallSigner::parse(scheme, text).unwrap_err();
                assert_eq!(refused, CallKeyError::Private);
            }
        }
    }
}
