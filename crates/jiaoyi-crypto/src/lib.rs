//! Keys and what is done with them: sealing columns, keyed hashes, tokens, links and signatures.
//!
//! Pure computation: key material, nonces, randomness and times are arguments. The one exception is
//! the ECDSA nonce, which the crypto library draws itself, because a repeated one reveals the key.
//! Which fields are sealed, how a name is normalised and what a voucher means is decided elsewhere.
//!
//! Every algorithm stands behind an enum ([`Cipher`], [`Algorithm`]) whose arms are the providers;
//! a hardware module becomes another arm and changes no caller. The software arms are not a
//! certified cryptographic module.

pub mod calls;
mod hex;
pub mod keyring;
pub mod public_keys;
pub mod record;
pub mod sealing;
pub mod signing;
pub mod token;
pub mod voucher;

pub use calls::{CallKeyError, CallScheme, CallSigner, CallVerifier};
pub use keyring::{Keyring, KeyringError};
pub use public_keys::{PublicKeyEntry, PublicKeys, PublicKeysError};
pub use record::{Field, HashAlgorithm, record_hash};
pub use sealing::{Cipher, SealError};
pub use signing::{Algorithm, PublicKey, SigningError, SigningKey};
pub use token::TokenError;
pub use voucher::{
    VoucherClaims, VoucherError, parse_qr_text, qr_text, sign_voucher, verify_voucher,
};
