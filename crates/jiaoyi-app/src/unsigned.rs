//! How far vouchers have been looked through for those without a signature.
//!
//! A day's signed vouchers lie in front of the few unsigned ones. To look through all of them in
//! every pass would make the last day's signing slower with every payment.

use jiaoyi_domain::Instant;
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, SECOND_MS};
use std::sync::{Mutex, PoisonError};

/// How long after its time a voucher may still become visible: commits take a moment, and another
/// node's clock may be behind.
const LATE_MS: i64 = 10 * SECOND_MS;

#[derive(Clone, Copy, Debug)]
struct Reached {
    until: Instant,
    /// When the whole day is looked through again, for whatever came later than that.
    again_at: Instant,
}

/// The time up to which no voucher is unsigned, except those that are put off.
///
/// Kept in memory only: a new process looks through the last day.
#[derive(Debug, Default)]
pub(crate) struct Unsigned(Mutex<Option<Reached>>);

impl Unsigned {
    /// Since when vouchers are to be looked through; the whole day `from_the_start`, at first, every
    /// hour and when the clock was turned back.
    pub(crate) fn since(&self, now: Instant, from_the_start: bool) -> Instant {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = reached.filter(|reached| {
            !from_the_start && now < reached.again_at && reached.again_at <= now.plus_ms(HOUR_MS)
        });
        let known = known.unwrap_or(Reached {
            until: now.plus_ms(-DAY_MS),
            again_at: now.plus_ms(HOUR_MS),
        });
        *reached = Some(known);
        known.until
    }

    /// Notes how far a pass came: up to `last`, or through everything there was at `now`.
    pub(crate) fn reached(&self, now: Instant, last: Option<Instant>) {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reached) = reached.as_mut() {
            reached.until = last.unwrap_or(now).min(now.plus_ms(-LATE_MS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_goes_on_where_the_last_one_ended_and_the_day_is_looked_through_every_hour() {
        let unsigned = Unsigned::default();
        let start = Instant(DAY_MS);
        let pass = |at_ms: i64, last_ms: Option<i64>| {
            let now = start.plus_ms(at_ms);
            let since = unsigned.since(now, false);
            unsigned.reached(now, last_ms.map(|ms| start.plus_ms(ms)));
            since.0 - start.0
        };
        assert_eq!(pass(0, Some(-HOUR_MS)), -DAY_MS, "the first looks at a day");
        assert_eq!(pass(500, None), -HOUR_MS, "where the full pass ended");
        assert_eq!(pass(1_000, Some(900)), 500 - LATE_MS);
        assert_eq!(
            pass(HOUR_MS - 1, None),
            1_000 - LATE_MS,
            "late ones are seen"
        );
        assert_eq!(pass(HOUR_MS, None), HOUR_MS - DAY_MS, "an hour later");
        assert_eq!(pass(HOUR_MS + 1, None), HOUR_MS - LATE_MS);
        assert_eq!(pass(1, None), 1 - DAY_MS, "the clock was turned back");
        let now = start.plus_ms(2);
        assert_eq!(unsigned.since(now, true), now.plus_ms(-DAY_MS));
    }
}
