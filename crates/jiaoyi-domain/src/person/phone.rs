//! Mobile numbers of mainland China, to which notices go.

use super::mask::Masked;
use super::text::compact;
use std::fmt;

/// A mainland mobile number: eleven digits, the first 1, the second 3 to 9.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(String);

/// Why a text is no mainland mobile number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Nothing was given.
    #[error("the mobile number is empty")]
    Empty,
    /// Too short or too long, counted without +86, spaces and hyphens.
    #[error("a mobile number has 11 digits, this one has {got}")]
    Length { got: usize },
    /// Something that is not a digit; positions count from 1.
    #[error("character {position} of the mobile number is not a digit")]
    Character { position: usize },
    /// Eleven digits that no mobile network uses.
    #[error("a mobile number begins with 13 to 19")]
    Prefix,
}

impl PhoneError {
    /// Stable across releases.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            PhoneError::Empty => "phone.empty",
            PhoneError::Length { .. } => "phone.length",
            PhoneError::Character { .. } => "phone.character",
            PhoneError::Prefix => "phone.prefix",
        }
    }
}

impl Phone {
    /// Reads a number as people type it: `+86`, spaces, hyphens and full-width digits are fine.
    ///
    /// # Errors
    ///
    /// [`PhoneError`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Phone, PhoneError> {
        let compact = compact(text);
        let digits = compact
            .strip_prefix("+86")
            .or_else(|| compact.strip_prefix("0086"))
            .or_else(|| compact.strip_prefix("86").filter(|rest| rest.len() == 11))
            .unwrap_or(&compact);
        if digits.is_empty() {
            return Err(PhoneError::Empty);
        }
        if let Some(place) = digits.chars().position(|c| !c.is_ascii_digit()) {
            return Err(PhoneError::Character {
                position: place + 1,
            });
        }
        if digits.len() != 11 {
            return Err(PhoneError::Length { got: digits.len() });
        }
        let bytes = digits.as_bytes();
        if bytes[0] != b'1' || bytes[1] < b'3' {
            return Err(PhoneError::Prefix);
        }
        Ok(Phone(digits.to_owned()))
    }

    /// The raw eleven digits: for sealing, hashing and sending, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// First three and last four digits: `138****0421`.
    #[must_use]
    pub fn masked(&self) -> Masked {
        let (head, rest) = self.0.split_at(3);
        let (_, tail) = rest.split_at(4);
        Masked::new(format!("{head}****{tail}"))
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_read_as_typed_and_shown_masked() {
        for text in [
            "13800130421",
            "+86 138 0013 0421",
            "86-13800130421",
            "008613800130421",
            "1380013 0421",
        ] {
            let phone = Phone::parse(text).unwrap();
            assert_eq!(phone.expose(), "13800130421");
            assert_eq!(phone.masked().as_str(), "138****0421");
            assert_eq!(format!("{phone:?}"), "Phone(138****0421)");
        }
        for (text, code) in [
            (" ", "phone.empty"),
            ("1380013042", "phone.length"),
            ("86138001304", "phone.prefix"),
            ("138001304210", "phone.length"),
            ("1380013o421", "phone.character"),
            ("12800130421", "phone.prefix"),
            ("01088888888", "phone.prefix"),
        ] {
            assert_eq!(Phone::parse(text).unwrap_err().code(), code, "{text}");
        }
        let error = Phone::parse("1380013o421").unwrap_err();
        assert_eq!(error, PhoneError::Character { position: 8 });
    }
}
