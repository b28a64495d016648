//! Signature keys: ES256 (ECDSA on P-256 with SHA-256) and SM2 (with SM3 and the default user id).
//!
//! Signatures are 64 bytes, r and s as fixed-length big-endian numbers (the form of COSE and JOSE).

use crate::hex::{self, Secret};
use crate::record::HashAlgorithm;
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use sm2::dsa::signature::rand_core::{TryCryptoRng, TryRng};
use sm2::dsa::signature::{RandomizedSigner, Verifier};
use sm2::pkcs8::DecodePrivateKey;
use std::convert::Infallible;
use std::fmt;

/// The user id that GM/T 0009-2012 says to use when the parties agreed on none.
pub const SM2_DEFAULT_USER_ID: &str = "1234567812345678";

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 ES256, COSE -7).
    Es256,
    /// SM2 with SM3 and the default user id (GB/T 32918).
    Sm2,
}

impl Algorithm {
    /// The name in key files, key lists and on vouchers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Es256 => "ES256",
            Algorithm::Sm2 => "SM2",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Algorithm> {
        [Algorithm::Es256, Algorithm::Sm2]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }

    /// The number in a COSE header; SM2 has none registered and uses one of the private range.
    #[must_use]
    pub const fn cose(self) -> i64 {
        match self {
            Algorithm::Es256 => -7,
            Algorithm::Sm2 => -65_537,
        }
    }

    /// The curve's name in a published key.
    #[must_use]
    pub const fn curve(self) -> &'static str {
        match self {
            Algorithm::Es256 => "P-256",
            Algorithm::Sm2 => "SM2",
        }
    }

    /// The hash that belongs to this algorithm's family.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Algorithm::Es256 => HashAlgorithm::Sha256,
            Algorithm::Sm2 => HashAlgorithm::Sm3,
        }
    }
}

/// Why a key or a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The text or bytes are no private key of this algorithm.
    #[error("read a private key for {}: not a key of this algorithm", .0.name())]
    PrivateKey(Algorithm),
    /// The bytes are no point of this algorithm's curve.
    #[error("read a public key for {}: not a point of its curve", .0.name())]
    PublicKey(Algorithm),
    /// The library could not sign.
    #[error("sign with {}: the signature could not be made", .0.name())]
    Sign(Algorithm),
    /// The signature does not belong to the message and the key.
    #[error("verify with {}: the signature does not match", .0.name())]
    Mismatch(Algorithm),
}

impl SigningError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SigningError::PrivateKey(_) => "signing.private_key",
            SigningError::PublicKey(_) => "signing.public_key",
            SigningError::Sign(_) => "signing.sign",
            SigningError::Mismatch(_) => "signing.mismatch",
        }
    }
}

/// The public half of a signature key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    algorithm: Algorithm,
    point: [u8; 65],
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm.name(), self.to_hex())
    }
}

impl PublicKey {
    /// Reads an uncompressed point: `04`, x and y, 65 bytes.
    ///
    /// # Errors
    ///
    /// [`SigningError::PublicKey`] when the bytes are not a point of the curve.
    pub fn from_point(algorithm: Algorithm, point: &[u8]) -> Result<PublicKey, SigningError> {
        let refused = SigningError::PublicKey(algorithm);
        let bytes: [u8; 65] = point.try_into().map_err(|_| refused)?;
        match algorithm {
            Algorithm::Es256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &bytes)
                    .parse()
                    .map_err(|_| refused)?;
            }
            Algorithm::Sm2 => {
                sm2::dsa::VerifyingKey::from_sec1_bytes(SM2_DEFAULT_USER_ID, &bytes)
                    .map_err(|_| refused)?;
            }
        }
        Ok(PublicKey {
            algorithm,
            point: bytes,
        })
    }

    /// Reads the point written by [`PublicKey::to_hex`].
    ///
    /// # Errors
    ///
    /// [`SigningError::PublicKey`].
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<PublicKey, SigningError> {
        let bytes = hex::decode(text).ok_or(SigningError::PublicKey(algorithm))?;
        PublicKey::from_point(algorithm, &bytes)
    }

    /// The uncompressed point as hexadecimal text.
    #[must_use]
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.point)
    }

    /// The uncompressed point: `04`, x and y.
    #[must_use]
    pub const fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// How this key's signatures are made.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` (64 bytes) was made over `message` with this key's private half.
    ///
    /// # Errors
    ///
    /// [`SigningError::Mismatch`], whatever is wrong with the signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SigningError> {
        let refused = SigningError::Mismatch(self.algorithm);
        match self.algorithm {
            Algorithm::Es256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point)
                .verify(message, signature)
                .map_err(|_| refused),
            Algorithm::Sm2 => {
                let key = sm2::dsa::VerifyingKey::from_sec1_bytes(SM2_DEFAULT_USER_ID, &self.point)
                    .map_err(|_| refused)?;
                let signature = sm2::dsa::Signature::from_slice(signature).map_err(|_| refused)?;
                key.verify(message, &signature).map_err(|_| refused)
            }
        }
    }
}

/// A private signature key. Its debug output shows the public half only.
pub struct SigningKey {
    provider: Provider,
    secret: Secret,
    public: PublicKey,
}

/// Who computes the signature; a hardware module becomes another arm.
enum Provider {
    Es256(EcdsaKeyPair),
    Sm2(sm2::dsa::SigningKey),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

impl SigningKey {
    /// Reads a private key: 64 hexadecimal digits, or PEM of PKCS#8 or SEC 1.
    ///
    /// # Errors
    ///
    /// [`SigningError::PrivateKey`].
    pub fn parse(algorithm: Algorithm, text: &str) -> Result<SigningKey, SigningError> {
        let refused = SigningError::PrivateKey(algorithm);
        if let Some(secret) = Secret::parse(text) {
            return SigningKey::from_scalar(algorithm, &secret.0);
        }
        let body: String = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let der = data_encoding::BASE64
            .decode(body.as_bytes())
            .map_err(|_| refused)?;
        let scalar = match algorithm {
            Algorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                        .map_err(|_| refused)?;
                let scalar: EcPrivateKeyBin<'_> =
                    pair.private_key().as_be_bytes().map_err(|_| refused)?;
                <[u8; 32]>::try_from(scalar.as_ref()).map_err(|_| refused)?
            }
            Algorithm::Sm2 => {
                let key = sm2::SecretKey::from_pkcs8_der(&der)
                    .or_else(|_| sm2::SecretKey::from_sec1_der(&der).map_err(|_| refused))
                    .map_err(|_| refused)?;
                key.to_bytes().into()
            }
        };
        SigningKey::from_scalar(algorithm, &scalar)
    }

    /// A key from its secret number, 32 bytes big-endian.
    ///
    /// # Errors
    ///
    /// [`SigningError::PrivateKey`] for zero and for numbers not below the group's order.
    pub fn from_scalar(
        algorithm: Algorithm,
        scalar: &[u8; 32],
    ) -> Result<SigningKey, SigningError> {
        let refused = SigningError::PrivateKey(algorithm);
        let (provider, point) = match algorithm {
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_private_key_der(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    &sec1_der(scalar),
                )
                .map_err(|_| refused)?;
                let point = pair.public_key().as_ref().to_vec();
                (Provider::Es256(pair), point)
            }
            Algorithm::Sm2 => {
                let key = sm2::dsa::SigningKey::from_slice(SM2_DEFAULT_USER_ID, scalar)
                    .map_err(|_| refused)?;
                let point = key.verifying_key().to_sec1_bytes().to_vec();
                (Provider::Sm2(key), point)
            }
        };
        Ok(SigningKey {
            provider,
            secret: Secret(*scalar),
            public: PublicKey::from_point(algorithm, &point)?,
        })
    }

    /// Draws a key; about one draw in four billion is out of range and is drawn again.
    pub fn generate(algorithm: Algorithm, random: &mut dyn FnMut(&mut [u8])) -> SigningKey {
        loop {
            let mut scalar = [0; 32];
            random(&mut scalar);
            if let Ok(key) = SigningKey::from_scalar(algorithm, &scalar) {
                return key;
            }
        }
    }

    /// The secret number for the key file.
    #[must_use]
    pub(crate) fn secret_hex(&self) -> String {
        self.secret.print()
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`. SM2 mixes `random` into a nonce derived from key and message; ES256 leaves
    /// the nonce to the library, so `random` is not drawn from.
    ///
    /// # Errors
    ///
    /// [`SigningError::Sign`].
    pub fn sign(
        &self,
        message: &[u8],
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<[u8; 64], SigningError> {
        let refused = SigningError::Sign(self.public.algorithm);
        match &self.provider {
            Provider::Es256(pair) => {
                let signature = pair
                    .sign(&aws_lc_rs::rand::SystemRandom::new(), message)
                    .map_err(|_| refused)?;
                signature.as_ref().try_into().map_err(|_| refused)
            }
            Provider::Sm2(key) => sign_sm2(key, message, random).ok_or(refused),
        }
    }
}

fn sign_sm2(
    key: &sm2::dsa::SigningKey,
    message: &[u8],
    random: &mut dyn FnMut(&mut [u8]),
) -> Option<[u8; 64]> {
    let signature: sm2::dsa::Signature =
        key.try_sign_with_rng(&mut Caller(random), message).ok()?;
    Some(signature.to_bytes().into())
}

/// The caller's randomness in the form that the signature crate asks for.
struct Caller<'a>(&'a mut dyn FnMut(&mut [u8]));

impl TryRng for Caller<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        (self.0)(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Caller<'_> {}

/// The RFC 5915 form of a P-256 private key without its public half.
fn sec1_der(scalar: &[u8; 32]) -> Vec<u8> {
    // SEQUENCE { INTEGER 1, OCTET STRING scalar, [0] OID 1.2.840.10045.3.1.7 }
    let mut der = vec![0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
    der.extend_from_slice(scalar);
    der.extend_from_slice(&[
        0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ]);
    der
}
