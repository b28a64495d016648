//! On which days and at which hours payments begin: what a region's calendar says inside of its
//! windows. Days and hours are Beijing's. A calendar only says when a payment may *begin*; what has
//! begun ends as if it were open.

use super::{Calendar, InForce, Phase, PhaseKind};
use crate::time::{Date, Instant, MINUTE_MS};
use jiff::ToSpan;

/// How far a next or last open day is looked for.
const LOOKED_DAYS: i32 = 400;

impl Calendar {
    /// From and until when payments begin on a day; `None` when they do not.
    #[must_use]
    pub fn hours_on(&self, day: Date) -> Option<(Instant, Instant)> {
        let (first, last) = self.days;
        let number = day.day().unsigned_abs();
        let open = (first..=last).contains(&number) && !self.closed.contains(&day);
        let start = Instant::start_of(day);
        let (from, until) = self.hours;
        let at = |minutes: u16| start.plus_ms(i64::from(minutes) * MINUTE_MS);
        open.then(|| (at(from), at(until)))
    }
}

impl InForce {
    /// Where `at` lies for payers at `channel`, its calendar included.
    ///
    /// # Source
    ///
    /// S-007 (windows and phases), S-009 (calendars per channel).
    #[must_use]
    pub fn phase(&self, at: Instant, channel: Option<&str>) -> Phase {
        let phase = self.phase_on(at.date(), channel);
        let (kind, last) = match phase {
            Phase::InWindow { last } => (PhaseKind::InWindow, last),
            Phase::Late { last } => (PhaseKind::Late, last),
            Phase::NotYet { .. } | Phase::Resting { .. } | Phase::Closed { .. } => return phase,
        };
        match self.hours_on(at.date(), channel) {
            Some((from, until)) if from <= at && at < until => phase,
            _ => match self.opens_after(at, channel) {
                Some(opens) => Phase::Resting { kind, last, opens },
                None => Phase::Closed {
                    last: self.last_open(at.date(), channel),
                },
            },
        }
    }

    /// The calendar rows for a channel: its own, or those for all.
    #[must_use]
    pub fn calendar(&self, channel: Option<&str>) -> Vec<&Calendar> {
        let of = |wanted: Option<&str>| -> Vec<&Calendar> {
            let rows = self.pack().calendars.iter();
            rows.filter(|row| row.channel.as_deref() == wanted)
                .collect()
        };
        let own = channel.map(|code| of(Some(code))).unwrap_or_default();
        if own.is_empty() { of(None) } else { own }
    }

    /// From and until when payments begin on a day; the whole day where no calendar is given.
    fn hours_on(&self, day: Date, channel: Option<&str>) -> Option<(Instant, Instant)> {
        self.phase_on(day, channel).kind()?;
        let rows = self.calendar(channel);
        let month = day.month().unsigned_abs();
        let named = rows.iter().find(|row| row.months.contains(&month));
        let row = named.or_else(|| rows.iter().find(|row| row.months.is_empty()));
        match row {
            Some(row) => row.hours_on(day),
            // Rows for other months alone leave this one closed.
            None if rows.is_empty() => Some((Instant::start_of(day), Instant::end_of(day))),
            None => None,
        }
    }

    /// When payments begin again after a moment at which none does.
    fn opens_after(&self, at: Instant, channel: Option<&str>) -> Option<Instant> {
        let mut hours = (0..LOOKED_DAYS)
            .filter_map(|days| self.hours_on(at.date().saturating_add(days.days()), channel));
        hours.find_map(|(from, _)| (from > at).then_some(from))
    }

    /// The last day up to `day` on which payments began.
    fn last_open(&self, day: Date, channel: Option<&str>) -> Date {
        let mut before = (0..LOOKED_DAYS).map(|days| day.saturating_add((-days).days()));
        let open = before.find(|day| self.hours_on(*day, channel).is_some());
        open.unwrap_or(day)
    }
}
