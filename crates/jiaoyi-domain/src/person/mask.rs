//! Masked texts: the only form in which personal data is displayed or logged.

use std::fmt;

/// A text from which the person cannot be told; made only by the types of this module.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Masked(String);

impl Masked {
    pub(super) fn new(text: String) -> Masked {
        Masked(text)
    }

    /// The first `head` and last `tail` characters, stars between them, as many as were there.
    ///
    /// A text too short to hide at least a third of itself shows less of itself.
    pub(super) fn ends(text: &str, head: usize, tail: usize) -> Masked {
        let count = text.chars().count();
        let (head, tail) = if (head + tail) * 3 > count * 2 {
            (count / 4, count / 4)
        } else {
            (head, tail)
        };
        let masked = text
            .chars()
            .enumerate()
            .map(|(place, c)| {
                if place < head || place + tail >= count {
                    c
                } else {
                    '*'
                }
            })
            .collect();
        Masked(masked)
    }

    /// The masked text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The masked text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_hides_a_third_at_least() {
        for (text, head, tail, masked) in [
            ("990101199003070012", 6, 4, "990101********0012"),
            ("E12345678", 3, 3, "E12***678"),
            ("E1234567", 3, 3, "E1****67"),
            ("E123", 1, 1, "E**3"),
            ("E12", 1, 1, "E*2"),
            ("E1", 1, 1, "**"),
            ("", 1, 1, ""),
        ] {
            let mask = Masked::ends(text, head, tail);
            assert_eq!(mask.as_str(), masked);
            assert_eq!(
                (mask.to_string(), format!("{mask:?}")),
                (masked.to_owned(), masked.to_owned())
            );
            assert_eq!(mask.into_string(), masked);
        }
    }
}
