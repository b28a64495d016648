//! Answers for: the channels' ways to write an instant. All of them live in Beijing time.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

pub(crate) const SECOND_MS: i64 = 1_000;
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

fn beijing(at_ms: i64) -> Zoned {
    let instant = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    instant.to_zoned(TimeZone::fixed(Offset::constant(8)))
}

/// `2026-11-22T10:00:00+08:00`, as WeChat writes it.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    beijing(at_ms)
        .strftime("%Y-%m-%dT%H:%M:%S+08:00")
        .to_string()
}

/// `2026-11-22 10:00:00`, as Alipay and all bill files write it.
pub(crate) fn plain(at_ms: i64) -> String {
    beijing(at_ms).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `10:00:00`, as a story tells it.
pub(crate) fn time_of_day(at_ms: i64) -> String {
    beijing(at_ms).strftime("%H:%M:%S").to_string()
}

/// `20261122`, as it stands in transaction numbers and file names.
pub(crate) fn compact_day(at_ms: i64) -> String {
    beijing(at_ms).strftime("%Y%m%d").to_string()
}

/// `20261122100000`, as UnionPay writes it.
pub(crate) fn compact(at_ms: i64) -> String {
    beijing(at_ms).strftime("%Y%m%d%H%M%S").to_string()
}

/// The Beijing civil date of an instant.
pub(crate) fn day(at_ms: i64) -> Date {
    beijing(at_ms).date()
}

/// Milliseconds since Beijing midnight.
pub(crate) fn ms_of_day(at_ms: i64) -> i64 {
    (at_ms + 8 * HOUR_MS).rem_euclid(DAY_MS)
}

/// Reads an RFC 3339 time that carries an offset.
pub(crate) fn parse_rfc3339(text: &str) -> Option<i64> {
    text.parse::<Timestamp>()
        .ok()
        .map(Timestamp::as_millisecond)
}

/// Reads `yyyy-MM-dd HH:mm:ss` (or without seconds) as Beijing time.
pub(crate) fn parse_plain(text: &str) -> Option<i64> {
    let civil = DateTime::strptime("%Y-%m-%d %H:%M:%S", text)
        .or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text))
        .ok()?;
    let zoned = civil.to_zoned(TimeZone::fixed(Offset::constant(8))).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

/// Reads `yyyy-MM-dd`.
pub(crate) fn parse_day(text: &str) -> Option<Date> {
    if text.len() != 10 {
        return None;
    }
    Date::strptime("%Y-%m-%d", text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_beijing_time() {
        let at = 1_795_312_800_000;
        assert_eq!(rfc3339(at), "2026-11-22T10:00:00+08:00");
        assert_eq!(plain(at), "2026-11-22 10:00:00");
        assert_eq!(compact_day(at), "20261122");
        assert_eq!(compact(at), "20261122100000");
        assert_eq!(ms_of_day(at), 10 * HOUR_MS);
        assert_eq!(parse_rfc3339(&rfc3339(at)), Some(at));
        assert_eq!(parse_plain(&plain(at)), Some(at));
        assert_eq!(parse_plain("2026-11-22 10:00"), Some(at));
        assert_eq!(parse_plain("22.11.2026"), None);
        assert_eq!(parse_day("2026-11-22"), Some(day(at)));
        assert_eq!(parse_day("2026-11"), None);
    }
}
