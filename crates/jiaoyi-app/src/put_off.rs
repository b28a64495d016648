//! Work that failed is put off for a while, so that one bad row never keeps the others waiting.
//!
//! Kept in memory only: a new process tries everything once more.

use jiaoyi_domain::Instant;
use jiaoyi_domain::time::{HOUR_MS, SECOND_MS};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The first wait; each further failure doubles it.
const WAIT_MS: i64 = 5 * SECOND_MS;
/// The longest wait.
const WAIT_MS_MAX: i64 = HOUR_MS;
/// Most items that are remembered; beyond that those whose time comes first are tried again early.
const ITEMS_MAX: usize = 10_000;

/// One piece of work: its kind, and the number of what it is about.
type Item = (&'static str, String);

#[derive(Clone, Copy, Debug)]
struct Wait {
    until: Instant,
    failures: u32,
}

/// What failed, and until when it is left alone.
#[derive(Debug, Default)]
pub(crate) struct PutOff(Mutex<BTreeMap<Item, Wait>>);

impl PutOff {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Item, Wait>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many items of a kind are put off, due again or not.
    pub(crate) fn count(&self, kind: &'static str) -> usize {
        self.lock().keys().filter(|(of, _)| *of == kind).count()
    }

    /// Whether an item of a kind is to be tried again now.
    pub(crate) fn is_due(&self, kind: &'static str, now: Instant) -> bool {
        let items = self.lock();
        let mut of_kind = items.iter().filter(|((of, _), _)| *of == kind);
        of_kind.any(|(_, wait)| wait.until <= now)
    }

    /// Whether an item is to be left alone now.
    pub(crate) fn waits(&self, kind: &'static str, subject: &str, now: Instant) -> bool {
        let items = self.lock();
        let wait = items.get(&(kind, subject.to_owned()));
        wait.is_some_and(|wait| wait.until > now)
    }

    /// Puts an item off, twice as long as the last time.
    pub(crate) fn failed(&self, kind: &'static str, subject: &str, now: Instant) {
        let mut items = self.lock();
        let item = (kind, subject.to_owned());
        let failures = items.get(&item).map_or(0, |wait| wait.failures);
        let wait_ms = WAIT_MS.saturating_mul(1 << failures.min(16));
        let wait = Wait {
            until: now.plus_ms(wait_ms.min(WAIT_MS_MAX)),
            failures: failures.saturating_add(1),
        };
        items.insert(item, wait);
        if items.len() > ITEMS_MAX {
            let first = items.iter().min_by_key(|(_, wait)| wait.until);
            if let Some(item) = first.map(|(item, _)| item.clone()) {
                items.remove(&item);
            }
        }
    }

    /// Forgets an item that went well.
    pub(crate) fn went_well(&self, kind: &'static str, subject: &str) {
        self.lock().remove(&(kind, subject.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_end_when_it_goes_well() {
        let put_off = PutOff::default();
        let mut now = Instant(0);
        for wait_s in [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600] {
            put_off.failed("ask", "A", now);
            let until = now.plus_ms(wait_s * SECOND_MS);
            assert!(put_off.waits("ask", "A", until.plus_ms(-1)), "{wait_s}");
            assert!(!put_off.is_due("ask", until.plus_ms(-1)), "{wait_s}");
            assert!(!put_off.waits("ask", "A", until), "{wait_s}");
            assert!(put_off.is_due("ask", until) && !put_off.is_due("close", until));
            now = until;
        }
        assert!(!put_off.waits("close", "A", now));
        assert_eq!((put_off.count("ask"), put_off.count("close")), (1, 0));
        put_off.went_well("ask", "A");
        assert_eq!(put_off.count("ask"), 0);
    }

    /// Too many at once: the one that would be tried first is forgotten, and tried at once.
    #[test]
    fn as_many_wait_as_there_is_room_for() {
        let put_off = PutOff::default();
        for number in 0..=ITEMS_MAX {
            let at = i64::try_from(number).unwrap();
            put_off.failed("ask", &number.to_string(), Instant(at));
        }
        assert_eq!(put_off.count("ask"), ITEMS_MAX);
        assert!(!put_off.waits("ask", "0", Instant(0)));
        assert!(put_off.waits("ask", "1", Instant(1)));
    }
}
