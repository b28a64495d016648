//! Secrets and their text form.

use std::fmt;

/// 32 secret bytes that never show in debug output.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Reads 64 hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Secret> {
        let bytes = decode(text)?;
        Some(Secret(bytes.try_into().ok()?))
    }

    pub(crate) fn print(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

/// Reads hexadecimal text of either case.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .ok()
}
