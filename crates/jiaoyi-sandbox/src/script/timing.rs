//! Answers for: when a rule strikes, by count, by share, by the clock; and how often it has.

use crate::crypto::sha256_hex;
use crate::times::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, ms_of_day, parse_rfc3339};

/// When a rule strikes, as its file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told<'a> {
    pub(crate) nth: Option<u64>,
    pub(crate) every: Option<u64>,
    pub(crate) percent: Option<u64>,
    pub(crate) times: Option<u64>,
    pub(crate) from: Option<&'a str>,
    pub(crate) until: Option<&'a str>,
}

/// When a rule strikes, and how often it has seen a call and struck.
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    nth: Option<u64>,
    every: Option<u64>,
    percent: Option<u64>,
    times: Option<u64>,
    from: Option<Moment>,
    until: Option<Moment>,
    pub(crate) from_ms: i64,
    pub(crate) until_ms: i64,
    pub(crate) seen: u64,
    pub(crate) applied: u64,
}

impl Timing {
    /// Checks what a file says; the error names what is allowed.
    pub(crate) fn check(told: &Told<'_>) -> Result<Timing, String> {
        let counted = [
            ("nth", told.nth),
            ("every", told.every),
            ("percent", told.percent),
            ("times", told.times),
        ];
        for (field, value) in counted {
            let most = if field == "percent" { 100 } else { u64::MAX };
            if value.is_some_and(|value| value == 0 || value > most) {
                let range = if most == 100 { "1 to 100" } else { "1 or more" };
                return Err(format!("{field}: {range}"));
            }
        }
        let moment = |field: &str, text: Option<&str>| {
            let parse = |text: &str| {
                Moment::parse(text).ok_or_else(|| {
                    format!(
                        "{field} = {text:?}: \"+90s\", \"+5m\" or \"+2h\" after loading, \
                         \"23:59\" in Beijing, or \"2026-12-31T23:59:59+08:00\""
                    )
                })
            };
            text.map(parse).transpose()
        };
        if let (Some(nth), Some(every)) = (told.nth, told.every)
            && !nth.is_multiple_of(every)
        {
            return Err(format!(
                "nth = {nth} is no multiple of every = {every}: it never strikes"
            ));
        }
        let (from, until) = (moment("from", told.from)?, moment("until", told.until)?);
        let is_empty = match (from, until) {
            (Some(Moment::AfterLoading(from)), Some(Moment::AfterLoading(until)))
            | (Some(Moment::At(from)), Some(Moment::At(until))) => until <= from,
            _ => false,
        };
        if is_empty {
            return Err("until is not after from: it never strikes".to_owned());
        }
        Ok(Timing {
            nth: told.nth,
            every: told.every,
            percent: told.percent,
            times: told.times,
            from,
            until,
            from_ms: i64::MIN,
            until_ms: i64::MAX,
            seen: 0,
            applied: 0,
        })
    }

    /// Begins at this moment.
    pub(crate) fn load(&mut self, now_ms: i64) {
        (self.from_ms, self.until_ms) = span(self.from, self.until, now_ms);
    }

    /// Whether it holds now.
    pub(crate) fn holds(&self, now_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&now_ms)
    }

    /// Counts a call that the rule is about; whether it strikes it, unless it is `taken` already.
    pub(crate) fn strikes(&mut self, seed: u64, index: usize, taken: bool) -> bool {
        self.seen += 1;
        let struck = !taken
            && self.nth.is_none_or(|nth| self.seen == nth)
            && self
                .every
                .is_none_or(|every| self.seen.is_multiple_of(every))
            && self
                .percent
                .is_none_or(|percent| draw(seed, index, self.seen) < percent)
            && self.times.is_none_or(|times| self.applied < times);
        self.applied += u64::from(struck);
        struck
    }
}

/// A number without a sign, of an age in hours that can be added to any time.
fn digits(text: &str) -> Option<i64> {
    let number = text.parse::<u32>().ok().map(i64::from);
    number.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A moment as a file names it.
#[derive(Clone, Copy, Debug)]
enum Moment {
    AfterLoading(i64),
    /// The next time that it is so late in Beijing.
    OfDay(i64),
    At(i64),
}

impl Moment {
    fn parse(text: &str) -> Option<Moment> {
        if let Some(rest) = text.strip_prefix('+') {
            let unit = match rest.chars().last()? {
                's' => SECOND_MS,
                'm' => MINUTE_MS,
                'h' => HOUR_MS,
                _ => return None,
            };
            let count = digits(rest.get(..rest.len() - 1)?)?;
            return Some(Moment::AfterLoading(count * unit));
        }
        if let Some(at_ms) = parse_rfc3339(text) {
            return Some(Moment::At(at_ms));
        }
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute) = (digits(hour)?, digits(minute)?);
        let good = (0..24).contains(&hour) && (0..60).contains(&minute);
        good.then_some(Moment::OfDay(hour * HOUR_MS + minute * MINUTE_MS))
    }

    /// The moment by the clock; a time of day is the next one after `since_ms`.
    fn after(self, loaded_ms: i64, since_ms: i64) -> i64 {
        match self {
            Moment::AfterLoading(ms) => loaded_ms + ms,
            Moment::At(at_ms) => at_ms,
            Moment::OfDay(of_day_ms) => {
                let wait_ms = (of_day_ms - ms_of_day(since_ms)).rem_euclid(DAY_MS);
                since_ms + if wait_ms == 0 { DAY_MS } else { wait_ms }
            }
        }
    }
}

/// From when until when a rule holds that is loaded now. Two times of day may lie around now.
fn span(from: Option<Moment>, until: Option<Moment>, now_ms: i64) -> (i64, i64) {
    let end = |from_ms| until.map_or(i64::MAX, |until| until.after(now_ms, from_ms));
    let from_ms = from.map_or(now_ms, |from| from.after(now_ms, now_ms));
    if let (Some(Moment::OfDay(_)), Some(Moment::OfDay(_))) = (from, until) {
        let before_ms = from_ms - DAY_MS;
        if end(before_ms) > now_ms {
            return (before_ms, end(before_ms));
        }
    }
    (from_ms, end(from_ms))
}

/// 0 to 99, the same for the same call of the same rule under the same seed.
fn draw(seed: u64, index: usize, seen: u64) -> u64 {
    let hash = sha256_hex(format!("{seed} {index} {seen}").as_bytes());
    let part = hash.get(..8).unwrap_or_default();
    u64::from_str_radix(part, 16).unwrap_or(0) % 100
}
