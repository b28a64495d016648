//! Texts handed to browsers and phones: sealed tokens (cookies, bill references) and signed links.
//!
//! A token is unreadable and bound to its purpose; a link is readable, short, and only signed.

use crate::hex::Secret;
use crate::sealing::{Cipher, CipherKey, NONCE_LEN};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

/// Bytes of the authentication code of a link: 80 bits, guessed online only.
const LINK_TAG_LEN: usize = 10;

/// Why a token or a link was not accepted; says nothing that helps a guesser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not ours, changed, cut, or made for another purpose.
    #[error("read a token or a link: not one of ours")]
    Invalid,
}

impl TokenError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            TokenError::Invalid => "token.invalid",
        }
    }
}

/// The key of tokens and links, with one derived key for each use.
#[derive(Debug)]
pub(crate) struct LinkKey {
    pub(crate) secret: Secret,
    tokens: [CipherKey; 2],
    links: hmac::Key,
}

impl LinkKey {
    pub(crate) fn new(secret: Secret) -> LinkKey {
        let root = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
        let derive = |label: &[u8]| mac(&root, &[label]);
        LinkKey {
            tokens: [
                CipherKey::new(Cipher::Aes256Gcm, Secret(derive(b"jiaoyi token 1"))),
                CipherKey::new(Cipher::Sm4Gcm, Secret(derive(b"jiaoyi token 2"))),
            ],
            links: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"jiaoyi link 1")),
            secret,
        }
    }

    /// `format (1 AES-256-GCM, 2 SM4-GCM) | nonce | ciphertext | tag` in base64url.
    pub(crate) fn seal_token(
        &self,
        cipher: Cipher,
        payload: &[u8],
        purpose: &str,
        nonce: [u8; NONCE_LEN],
    ) -> String {
        let [aes, sm4] = &self.tokens;
        let (format, key) = match cipher {
            Cipher::Aes256Gcm => (1, aes),
            Cipher::Sm4Gcm => (2, sm4),
        };
        let body = key
            .encrypt(nonce, purpose.as_bytes(), payload)
            .expect("a payload held in memory is below the limit of the cipher");
        let mut bytes = vec![format];
        bytes.extend_from_slice(&nonce);
        bytes.extend(body);
        BASE64URL_NOPAD.encode(&bytes)
    }

    pub(crate) fn open_token(&self, text: &str, purpose: &str) -> Result<Vec<u8>, TokenError> {
        let invalid = TokenError::Invalid;
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| invalid)?;
        let (format, rest) = bytes.split_first().ok_or(invalid)?;
        let [aes, sm4] = &self.tokens;
        let key = match format {
            1 => aes,
            2 => sm4,
            _ => return Err(invalid),
        };
        let (nonce, body) = rest.split_first_chunk().ok_or(invalid)?;
        key.decrypt(*nonce, purpose.as_bytes(), body)
            .map_err(|_| invalid)
    }

    /// Base64url of the payload and ten bytes of HMAC-SHA256.
    pub(crate) fn sign_link(&self, payload: &[u8]) -> String {
        let tag = mac(&self.links, &[payload]);
        BASE64URL_NOPAD.encode(&[payload, &tag[..LINK_TAG_LEN]].concat())
    }

    pub(crate) fn read_link(&self, text: &str) -> Result<Vec<u8>, TokenError> {
        let invalid = TokenError::Invalid;
        let mut bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| invalid)?;
        let at = bytes.len().checked_sub(LINK_TAG_LEN).ok_or(invalid)?;
        let tag = bytes.split_off(at);
        let want = mac(&self.links, &[&bytes]);
        aws_lc_rs::constant_time::verify_slices_are_equal(&tag, &want[..LINK_TAG_LEN])
            .map_err(|_| invalid)?;
        Ok(bytes)
    }
}

/// HMAC-SHA256 over one part as it is, or over several, each preceded by its length, so that no two
/// lists of parts give the same bytes by being cut in another place.
pub(crate) fn mac(key: &hmac::Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        if parts.len() > 1 {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        }
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}
