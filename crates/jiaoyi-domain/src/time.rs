//! Instants, civil dates of Beijing, and the conversions between them.
//!
//! China has used UTC+8 without daylight saving since 1992, so a fixed offset is exact for every
//! date the product handles; no time-zone database is needed.

use std::fmt;

pub use jiff::civil::Date;

/// A moment, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// Milliseconds in a second.
pub const SECOND_MS: i64 = 1_000;
/// Milliseconds in a minute.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// Milliseconds in an hour.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Milliseconds in a day.
pub const DAY_MS: i64 = 24 * HOUR_MS;

const BEIJING_OFFSET_MS: i64 = 8 * HOUR_MS;

impl Instant {
    /// The moment `ms` milliseconds later (earlier when negative); saturates at the ends of time.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Instant {
        Instant(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; negative when `self` is the earlier one.
    #[must_use]
    pub const fn since_ms(self, earlier: Instant) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The civil date in Beijing at this moment.
    #[must_use]
    pub fn date(self) -> Date {
        let days = self.0.saturating_add(BEIJING_OFFSET_MS).div_euclid(DAY_MS);
        let days = i32::try_from(days).unwrap_or(0);
        Date::constant(1970, 1, 1)
            .checked_add(jiff::Span::new().try_days(days).unwrap_or_default())
            .unwrap_or(Date::MAX)
    }

    /// Hour, minute, second and millisecond of the day in Beijing.
    #[must_use]
    pub fn time_of_day(self) -> (i64, i64, i64, i64) {
        let ms = self.0.saturating_add(BEIJING_OFFSET_MS).rem_euclid(DAY_MS);
        (
            ms / HOUR_MS,
            ms / MINUTE_MS % 60,
            ms / SECOND_MS % 60,
            ms % SECOND_MS,
        )
    }

    /// The first moment of `date` in Beijing.
    #[must_use]
    pub fn start_of(date: Date) -> Instant {
        let days = date.duration_since(Date::constant(1970, 1, 1)).as_secs() / (DAY_MS / SECOND_MS);
        Instant(
            days.saturating_mul(DAY_MS)
                .saturating_sub(BEIJING_OFFSET_MS),
        )
    }

    /// The first moment after `date` in Beijing: a deadline "on" a date ends here.
    #[must_use]
    pub fn end_of(date: Date) -> Instant {
        Instant::start_of(date).plus_ms(DAY_MS)
    }

    /// RFC 3339 with the Beijing offset and whole seconds: `2026-11-22T10:00:00+08:00`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (h, m, s, _) = self.time_of_day();
        format!("{}T{h:02}:{m:02}:{s:02}+08:00", self.date())
    }

    /// Beijing date and time as people read it: `2026-11-22 10:00:00`.
    #[must_use]
    pub fn local(self) -> String {
        let (h, m, s, _) = self.time_of_day();
        format!("{} {h:02}:{m:02}:{s:02}", self.date())
    }

    /// Reads RFC 3339 with any offset, or `yyyy-MM-dd HH:mm:ss` taken as Beijing time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Instant> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Some(Instant(stamp.as_millisecond()));
        }
        let (date, time) = text.split_once(' ')?;
        let date: Date = date.parse().ok()?;
        let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
        let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
        let in_range = (0..24).contains(&h) && (0..60).contains(&m) && (0..60).contains(&s);
        (in_range && parts.next().is_none())
            .then(|| Instant::start_of(date).plus_ms(h * HOUR_MS + m * MINUTE_MS + s * SECOND_MS))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_beijing_dates_agree() {
        for (text, ms) in [
            ("1970-01-01T08:00:00+08:00", 0),
            ("2026-11-22T10:00:00+08:00", 1_795_312_800_000),
            ("2024-02-29T23:59:59+08:00", 1_709_222_399_000),
            ("1949-12-31T00:00:00+08:00", -631_267_200_000),
        ] {
            let at = Instant::parse(text).unwrap();
            assert_eq!((at.0, at.rfc3339().as_str()), (ms, text));
            assert_eq!(Instant::parse(&at.local()), Some(at));
            assert_eq!(
                Instant::start_of(at.date()).plus_ms(DAY_MS),
                Instant::end_of(at.date())
            );
            assert!(Instant::start_of(at.date()) <= at && at < Instant::end_of(at.date()));
        }
        assert_eq!(Instant::parse("2026-11-22 24:00:00"), None);
        let at = Instant::parse("2026-11-22T10:20:30+08:00")
            .unwrap()
            .plus_ms(45);
        assert_eq!(at.time_of_day(), (10, 20, 30, 45));
    }
}
