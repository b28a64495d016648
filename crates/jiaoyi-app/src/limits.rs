//! Budgets against guessing: counters by device, address and number, in memory and of fixed size.
//!
//! Time is an input, so tests turn it. A counter that is pushed out by newer ones starts again at
//! zero; the maps are large enough that an attacker needs more addresses than the budgets assume.

use crate::sync::Mutex;
use jiaoyi_domain::Instant;
use jiaoyi_domain::time::{HOUR_MS, MINUTE_MS};
use std::collections::{BTreeMap, VecDeque};
use std::sync::PoisonError;

/// How much is allowed. Zero switches a budget off (benchmarks say that they do).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// Look-ups without a hit, an hour and device.
    pub misses_per_device_hour: u32,
    /// Look-ups a minute and address.
    pub lookups_per_address_minute: u32,
    /// Look-ups an hour and address.
    pub lookups_per_address_hour: u32,
    /// Public verifications a minute and address.
    pub verifications_per_address_minute: u32,
    /// Wrong check codes an hour and voucher number.
    pub wrong_codes_per_number_hour: u32,
    /// Queries a minute and institution.
    pub queries_per_institution_minute: u32,
    /// Queries a minute, institution and document asked for.
    pub queries_per_document_minute: u32,
}

impl Budgets {
    /// Nobody is refused for the number of their questions.
    pub const OFF: Budgets = Budgets {
        misses_per_device_hour: 0,
        lookups_per_address_minute: 0,
        lookups_per_address_hour: 0,
        verifications_per_address_minute: 0,
        wrong_codes_per_number_hour: 0,
        queries_per_institution_minute: 0,
        queries_per_document_minute: 0,
    };
}

impl Default for Budgets {
    fn default() -> Budgets {
        Budgets {
            misses_per_device_hour: 10,
            lookups_per_address_minute: 60,
            lookups_per_address_hour: 600,
            verifications_per_address_minute: 20,
            wrong_codes_per_number_hour: 5,
            queries_per_institution_minute: 300_000,
            queries_per_document_minute: 10,
        }
    }
}

/// Most keys that one counter remembers.
const KEYS_MAX: usize = 200_000;

/// Counts by key in windows of fixed length.
struct Counter {
    length_ms: i64,
    counts: Mutex<BTreeMap<Vec<u8>, (i64, u32)>>,
}

impl Counter {
    const fn new(length_ms: i64) -> Counter {
        Counter {
            length_ms,
            counts: Mutex::new(BTreeMap::new()),
        }
    }

    fn window(&self, now: Instant) -> i64 {
        now.0.div_euclid(self.length_ms)
    }

    fn count(&self, key: &[u8], now: Instant) -> u32 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get(key) {
            Some((window, count)) if *window == self.window(now) => *count,
            Some(_) | None => 0,
        }
    }

    fn add(&self, key: &[u8], now: Instant) {
        self.take(key, 0, now);
    }

    fn retry_after_s(&self, now: Instant) -> u32 {
        let left = self.length_ms - now.0.rem_euclid(self.length_ms);
        u32::try_from(left / 1000).unwrap_or(60).saturating_add(1)
    }

    /// Seconds to wait when `key` has used up `max`, 0 being no bound; otherwise counts one more.
    /// Looking and counting is one step: of many at once no more than `max` pass.
    fn take(&self, key: &[u8], max: u32, now: Instant) -> Option<u32> {
        let window = self.window(now);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= KEYS_MAX && !counts.contains_key(key) {
            counts.retain(|_, (of, _)| *of == window);
            if counts.len() >= KEYS_MAX {
                counts.pop_first();
            }
        }
        let entry = counts.entry(key.to_vec()).or_insert((window, 0));
        if entry.0 != window {
            *entry = (window, 0);
        }
        if max > 0 && entry.1 >= max {
            return Some(self.retry_after_s(now));
        }
        entry.1 = entry.1.saturating_add(1);
        None
    }
}

/// Look-ups over which the rate of misses is taken.
const RATE_OVER: usize = 1_000;
/// Misses among them that raise the alarm: 5 %.
const RATE_ALARM: usize = 50;

/// Which of the last look-ups missed, for the alarm.
#[derive(Default)]
struct MissRate {
    last: VecDeque<bool>,
    missed: usize,
    /// Raised, until the rate has fallen to half.
    alarm: bool,
}

impl MissRate {
    /// Notes a look-up; whether this one raises the alarm.
    fn note(&mut self, missed: bool) -> bool {
        self.last.push_back(missed);
        self.missed += usize::from(missed);
        if self.last.len() > RATE_OVER && self.last.pop_front() == Some(true) {
            self.missed -= 1;
        }
        let before = self.alarm;
        self.alarm = self.missed >= RATE_ALARM || before && self.missed * 2 > RATE_ALARM;
        self.alarm && !before
    }
}

/// All counters of a process.
pub(crate) struct Limits {
    budgets: Budgets,
    misses: Counter,
    minute: Counter,
    hour: Counter,
    verifications: Counter,
    wrong_codes: Counter,
    queries: Counter,
    asked_for: Counter,
    rate: Mutex<MissRate>,
    asked: Mutex<BTreeMap<String, Instant>>,
}

impl Limits {
    pub(crate) fn new(budgets: Budgets) -> Limits {
        Limits {
            budgets,
            misses: Counter::new(HOUR_MS),
            minute: Counter::new(MINUTE_MS),
            hour: Counter::new(HOUR_MS),
            verifications: Counter::new(MINUTE_MS),
            wrong_codes: Counter::new(HOUR_MS),
            queries: Counter::new(MINUTE_MS),
            asked_for: Counter::new(MINUTE_MS),
            rate: Mutex::new(MissRate::default()),
            asked: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether a page may have the channel asked about this attempt now.
    pub(crate) fn may_ask(&self, attempt: &str, now: Instant, pause_ms: i64) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked
            .get(attempt)
            .is_some_and(|last| now.since_ms(*last) < pause_ms)
        {
            return false;
        }
        if asked.len() >= KEYS_MAX {
            asked.retain(|_, last| now.since_ms(*last) < pause_ms);
        }
        asked.insert(attempt.to_owned(), now);
        true
    }

    /// Seconds to wait before another look-up; counts it when there is nothing to wait for.
    pub(crate) fn lookup(&self, device: &[u8; 32], ip: &str, now: Instant) -> Option<u32> {
        let misses = self.budgets.misses_per_device_hour;
        if misses > 0 && self.misses.count(device, now) >= misses {
            return Some(self.misses.retry_after_s(now));
        }
        let ip = ip.as_bytes();
        self.minute
            .take(ip, self.budgets.lookups_per_address_minute, now)
            .or_else(|| {
                self.hour
                    .take(ip, self.budgets.lookups_per_address_hour, now)
            })
    }

    /// Seconds to wait before an institution may query again, for anybody or for this document.
    pub(crate) fn biller_query(
        &self,
        inst: &[u8],
        document: &[u8; 32],
        now: Instant,
    ) -> Option<u32> {
        let name = [&document[..], inst].concat();
        self.queries
            .take(inst, self.budgets.queries_per_institution_minute, now)
            .or_else(|| {
                self.asked_for
                    .take(&name, self.budgets.queries_per_document_minute, now)
            })
    }

    /// Notes the outcome of a look-up; raises the alarm at 5 % misses among the last 1,000.
    pub(crate) fn outcome(&self, device: &[u8; 32], missed: bool, now: Instant) {
        if missed {
            self.misses.add(device, now);
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        if rate.note(missed) {
            let (missed, seen) = (rate.missed, rate.last.len());
            tracing::error!(
                missed,
                seen,
                "look-ups miss unusually often: somebody may guess"
            );
        }
    }

    /// Whether look-ups miss so often that somebody may be guessing.
    pub(crate) fn guessing(&self) -> bool {
        self.rate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .alarm
    }

    /// Seconds to wait before another public verification.
    pub(crate) fn verification(&self, ip: &str, now: Instant) -> Option<u32> {
        let max = self.budgets.verifications_per_address_minute;
        self.verifications.take(ip.as_bytes(), max, now)
    }

    /// Seconds to wait when a voucher number has seen too many wrong codes.
    pub(crate) fn code_paused(&self, number: &str, now: Instant) -> Option<u32> {
        let max = self.budgets.wrong_codes_per_number_hour;
        let used = self.wrong_codes.count(number.as_bytes(), now);
        (max > 0 && used >= max).then(|| self.wrong_codes.retry_after_s(now))
    }

    /// Notes a wrong check code.
    pub(crate) fn wrong_code(&self, number: &str, now: Instant) {
        self.wrong_codes.add(number.as_bytes(), now);
    }
}

/// Every interleaving that a random scheduler finds: run by `cargo xtask test model`.
#[cfg(all(test, feature = "model"))]
mod model {
    use super::*;
    use crate::sync::Arc;
    use shuttle::thread;

    #[test]
    fn of_many_at_once_no_more_pass_than_the_budget() {
        let play = || {
            let counter = Arc::new(Counter::new(MINUTE_MS));
            let asks: Vec<_> = (0..4)
                .map(|_| {
                    let counter = Arc::clone(&counter);
                    thread::spawn(move || {
                        let takes = (0..2).map(|_| counter.take(b"x", 3, Instant(0)));
                        takes.filter(Option::is_none).count()
                    })
                })
                .collect();
            let passed: usize = asks.into_iter().map(|ask| ask.join().unwrap()).sum();
            assert_eq!(passed, 3);
        };
        shuttle::check_random(play, 2_000);
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    #[test]
    fn ten_misses_an_hour_and_then_a_pause() {
        let limits = Limits::new(Budgets::default());
        let now = Instant(3_600_000_000);
        for _ in 0..10 {
            assert_eq!(limits.lookup(&[1; 32], "192.0.2.1", now), None);
            limits.outcome(&[1; 32], true, now);
        }
        assert!(limits.lookup(&[1; 32], "192.0.2.1", now).is_some());
        assert_eq!(
            limits.lookup(&[2; 32], "192.0.2.1", now),
            None,
            "another device"
        );
        assert_eq!(
            limits.lookup(&[1; 32], "192.0.2.1", now.plus_ms(HOUR_MS)),
            None
        );
    }

    #[test]
    fn five_percent_of_misses_over_a_thousand_raise_the_alarm_once() {
        let limits = Limits::new(Budgets::default());
        let look_ups = |count: u32, every: u32| {
            (1..=count).for_each(|n| limits.outcome(&[1; 32], n % every == 0, Instant(0)));
        };
        look_ups(5_000, 21);
        assert!(!limits.guessing(), "48 of 1,000");
        // 60 misses in a row, wherever a thousand begins and ends.
        look_ups(60, 1);
        assert!(limits.guessing());
        let mut rate = MissRate::default();
        let raised = (0..3_000).filter(|n| rate.note(n % 20 == 0)).count();
        assert_eq!(raised, 1, "it stays raised and is told once");
        let raised = (0..1_000).filter(|_| rate.note(false)).count();
        assert_eq!((raised, rate.alarm), (0, false));
    }

    #[test]
    fn the_alarm_stays_until_half_as_many_miss() {
        let mut rate = MissRate::default();
        for n in 0..RATE_OVER {
            rate.note(n < RATE_ALARM);
        }
        assert!(rate.alarm);
        // Each that finds somebody drives one of the misses out.
        for missed in (RATE_ALARM / 2 + 1..RATE_ALARM).rev() {
            rate.note(false);
            assert_eq!((rate.missed, rate.alarm), (missed, true));
        }
        rate.note(false);
        assert_eq!((rate.missed, rate.alarm), (RATE_ALARM / 2, false));
    }

    /// A full counter forgets what has lapsed, and only when that does not do one of the others.
    #[test]
    fn a_counter_remembers_no_more_than_its_keys() {
        let counter = Counter::new(MINUTE_MS);
        let kept = || counter.counts.lock().unwrap().len();
        let add = |number: usize, now| counter.add(&number.to_be_bytes(), now);
        (1..=KEYS_MAX).for_each(|number| add(number, Instant(0)));
        add(1, Instant(0));
        assert_eq!(
            (kept(), counter.count(&1_usize.to_be_bytes(), Instant(0))),
            (KEYS_MAX, 2)
        );
        add(KEYS_MAX + 1, Instant(0));
        assert_eq!(
            (kept(), counter.count(&1_usize.to_be_bytes(), Instant(0))),
            (KEYS_MAX, 0)
        );
        add(KEYS_MAX + 2, Instant(MINUTE_MS));
        assert_eq!(kept(), 1);
        add(KEYS_MAX + 3, Instant(MINUTE_MS));
        assert_eq!(kept(), 2);
    }

    #[test]
    fn who_is_refused_is_told_when_the_window_ends() {
        let counter = Counter::new(MINUTE_MS);
        for (at, seconds) in [(0, 61), (1, 60), (59_000, 2), (59_999, 1), (60_000, 61)] {
            assert_eq!(counter.retry_after_s(Instant(at)), seconds, "{at}");
        }
    }

    /// Whoever is not asked about for a while makes room; a budget of zero is none.
    #[test]
    fn an_attempt_is_asked_about_again_after_its_pause() {
        let limits = Limits::new(Budgets::OFF);
        let pause = 5_000;
        let may = |attempt: &str, ms| limits.may_ask(attempt, Instant(ms), pause);
        assert!(may("a", 0) && !may("a", 4_999) && may("a", 5_000));
        assert!(may("b", 5_000), "each for itself");
        for number in 0..KEYS_MAX - 2 {
            assert!(may(&number.to_string(), 5_001));
        }
        let known = || limits.asked.lock().unwrap().len();
        assert_eq!(known(), KEYS_MAX);
        assert!(may("c", 10_000), "a and b have had their pause");
        assert_eq!(known(), KEYS_MAX - 1);
        limits.wrong_code("number", Instant(0));
        assert_eq!(limits.code_paused("number", Instant(0)), None);
        let strict = Limits::new(Budgets::default());
        for wrong in 0..6 {
            let paused = strict.code_paused("number", Instant(0)).is_some();
            assert_eq!(paused, wrong >= 5, "{wrong}");
            strict.wrong_code("number", Instant(0));
        }
    }

    #[test]
    fn an_address_has_its_minute() {
        let limits = Limits::new(Budgets::default());
        let now = Instant(0);
        let passed = (0..100)
            .filter(|_| limits.lookup(&[9; 32], "x", now).is_none())
            .count();
        assert_eq!(passed, 60);
        assert_eq!(limits.lookup(&[9; 32], "x", now.plus_ms(MINUTE_MS)), None);
    }
}
