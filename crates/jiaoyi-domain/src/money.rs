//! Money: an unsigned count of fen, how it is printed, and how it is written in capitals.

use std::fmt;

/// An amount of money in fen (分, 1/100 yuan). Never negative.
///
/// Which way money moves is said by the transfer (debit or credit account), never by a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fen(u64);

impl Fen {
    /// No money.
    pub const ZERO: Fen = Fen(0);

    /// The largest amount that fits a signed 64-bit database column.
    pub const MAX: Fen = Fen(i64::MAX as u64);

    /// An amount of `fen`, clamped to [`Fen::MAX`] so that it always fits a database column.
    #[must_use]
    pub const fn new(fen: u64) -> Fen {
        if fen > Fen::MAX.0 { Fen::MAX } else { Fen(fen) }
    }

    /// A whole number of yuan.
    #[must_use]
    pub const fn from_yuan(yuan: u32) -> Fen {
        Fen(yuan as u64 * 100)
    }

    /// The count of fen.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The count of fen as the signed number that databases and wire formats hold.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// `None` when `fen` is negative.
    #[must_use]
    pub fn from_i64(fen: i64) -> Option<Fen> {
        u64::try_from(fen).ok().map(Fen)
    }

    /// Whether this is no money at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `None` on overflow. There is no `+`: every sum of money says what overflow means.
    #[must_use]
    pub fn checked_add(self, other: Fen) -> Option<Fen> {
        self.0
            .checked_add(other.0)
            .filter(|sum| *sum <= Fen::MAX.0)
            .map(Fen)
    }

    /// `None` when `other` is more than `self`.
    #[must_use]
    pub fn checked_sub(self, other: Fen) -> Option<Fen> {
        self.0.checked_sub(other.0).map(Fen)
    }

    /// The sum of many amounts; `None` on overflow.
    #[must_use]
    pub fn checked_sum(amounts: impl IntoIterator<Item = Fen>) -> Option<Fen> {
        amounts.into_iter().try_fold(Fen::ZERO, Fen::checked_add)
    }

    /// Reads a decimal amount of yuan such as `400`, `400.5` or `400.00`; at most two decimals.
    ///
    /// `None` for signs, exponents, thousands separators, more than two decimals and overflow.
    #[must_use]
    pub fn parse_yuan(text: &str) -> Option<Fen> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(decimals) || decimals.len() > 2 {
            return None;
        }
        if text.ends_with('.') {
            return None;
        }
        let yuan: u64 = whole.parse().ok()?;
        let cents: u64 = format!("{decimals:0<2}").parse().ok()?;
        let fen = yuan.checked_mul(100)?.checked_add(cents)?;
        (fen <= Fen::MAX.0).then_some(Fen(fen))
    }
}

/// Prints yuan with two decimals and no unit: `400.00`.
impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_are_read_and_printed() {
        for (text, fen) in [
            ("0", Some(0)),
            ("400", Some(40_000)),
            ("400.5", Some(40_050)),
            ("400.05", Some(40_005)),
            ("0.07", Some(7)),
            ("92233720368547758.07", Some(i64::MAX as u64)),
            ("92233720368547758.08", None),
            ("18446744073709551616", None),
            ("", None),
            (".5", None),
            ("4.", None),
            ("4.005", None),
            ("-4", None),
            ("+4", None),
            ("4e2", None),
            ("1,000", None),
            ("4.-5", None),
            ("4.5.6", None),
        ] {
            assert_eq!(Fen::parse_yuan(text), fen.map(Fen::new), "{text}");
        }
        for (fen, text) in [(0, "0.00"), (7, "0.07"), (40_050, "400.50")] {
            assert_eq!(Fen::new(fen).to_string(), text);
        }
        assert_eq!(Fen::from_yuan(400), Fen::new(40_000));
    }

    #[test]
    fn no_amount_leaves_what_a_column_holds() {
        let (one, two) = (Fen::new(1), Fen::new(2));
        assert_eq!(Fen::new(u64::MAX), Fen::MAX);
        assert_eq!(Fen::MAX.as_i64(), i64::MAX);
        assert_eq!((Fen::from_i64(-1), Fen::from_i64(2)), (None, Some(two)));
        assert_eq!(two.as_i64(), 2);
        assert_eq!(Fen::MAX.checked_add(one), None);
        assert_eq!(Fen::MAX.checked_add(Fen::ZERO), Some(Fen::MAX));
        assert_eq!(one.checked_add(one), Some(two));
        assert_eq!(
            (one.checked_sub(two), two.checked_sub(one)),
            (None, Some(one))
        );
        assert_eq!(Fen::checked_sum([one, one, two]), Some(Fen::new(4)));
        assert_eq!(Fen::checked_sum([Fen::MAX, one]), None);
        assert_eq!(Fen::checked_sum([]), Some(Fen::ZERO));
        assert!(Fen::ZERO.is_zero() && !one.is_zero());
    }
}
