//! Bytes as hexadecimal digits.

use std::fmt;

/// Writes bytes in lower-case digits.
pub(crate) struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads exactly `N` bytes, in digits of either case; `None` for anything else.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |letter: u8| char::from(letter).to_digit(16);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let written = Hex(&[0, 1, 0xab, 0xff]).to_string();
        assert_eq!(written, "0001abff");
        assert_eq!(bytes(&written), Some([0, 1, 0xab, 0xff]));
        assert_eq!(bytes("0001ABFF"), Some([0, 1, 0xab, 0xff]));
        for wrong in [
            "",
            "0001abf",
            "0001abff0",
            "0001abff00",
            "+001abff",
            "0001ab￥",
        ] {
            assert_eq!(bytes::<4>(wrong), None, "{wrong}");
        }
    }
}
