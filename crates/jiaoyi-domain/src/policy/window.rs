//! When can be paid, at which price, and from when benefits run. Days are Beijing civil dates.

use super::{InForce, PhaseKind, StartBase, Window};
use crate::time::{Date, Instant, MINUTE_MS};
use jiff::ToSpan;

/// Where a moment lies among the windows of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the first window.
    NotYet {
        /// First day on which can be paid.
        opens: Date,
    },
    /// In the ordinary levy window.
    InWindow {
        /// Its last day.
        last: Date,
    },
    /// In the late phase.
    Late {
        /// Its last day.
        last: Date,
    },
    /// In a window, on a day or at an hour at which no payment begins.
    Resting {
        /// What the window is, and its last day.
        kind: PhaseKind,
        last: Date,
        /// From when payments begin again.
        opens: Instant,
    },
    /// After the last window.
    Closed {
        /// The last day on which could be paid.
        last: Date,
    },
}

impl Phase {
    /// From when payments begin, where they do not now but will.
    #[must_use]
    pub fn opens(self) -> Option<Instant> {
        match self {
            Phase::NotYet { opens } => Some(Instant::start_of(opens)),
            Phase::Resting { opens, .. } => Some(opens),
            Phase::InWindow { .. } | Phase::Late { .. } | Phase::Closed { .. } => None,
        }
    }

    /// The day to name to a payer: the last on which can be paid, before the window the first.
    #[must_use]
    pub const fn due_to(self) -> Date {
        match self {
            Phase::NotYet { opens } => opens,
            Phase::InWindow { last }
            | Phase::Late { last }
            | Phase::Resting { last, .. }
            | Phase::Closed { last } => last,
        }
    }

    /// Ordinary or late; `None` when nothing can be paid.
    #[must_use]
    pub const fn kind(self) -> Option<PhaseKind> {
        match self {
            Phase::InWindow { .. } => Some(PhaseKind::InWindow),
            Phase::Late { .. } => Some(PhaseKind::Late),
            Phase::NotYet { .. } | Phase::Resting { .. } | Phase::Closed { .. } => None,
        }
    }
}

impl InForce {
    /// Where a Beijing date lies among the windows for payers at `channel` (`None`: any channel
    /// without windows of its own), whatever its calendar says.
    ///
    /// # Source
    ///
    /// S-007 (windows and phases).
    #[must_use]
    pub fn phase_on(&self, day: Date, channel: Option<&str>) -> Phase {
        let windows = self.windows(channel);
        let dated = || {
            windows
                .iter()
                .filter_map(|window| Some((*window, span(window)?)))
        };
        let Some((window, (_, mut last))) = dated().find(|(_, (f, l))| *f <= day && day <= *l)
        else {
            let opens = dated().map(|(_, (first, _))| first).min();
            let closed = dated()
                .map(|(_, (_, last))| last)
                .max()
                .unwrap_or(Date::MIN);
            return match opens {
                Some(opens) if day < opens => Phase::NotYet { opens },
                _ => Phase::Closed { last: closed },
            };
        };
        // Windows of one phase that follow each other (other start rules) are one to the payer.
        for (next, (first, end)) in dated() {
            if next.phase == window.phase && last.tomorrow().ok() == Some(first) {
                last = end;
            }
        }
        match window.phase {
            PhaseKind::InWindow => Phase::InWindow { last },
            PhaseKind::Late => Phase::Late { last },
        }
    }

    /// The phase that counts for a payment made at `paid_at`: within the grace after the end of a
    /// window, a payment begun before still belongs to it.
    #[must_use]
    pub fn phase_of_payment(&self, paid_at: Instant, channel: Option<&str>) -> Phase {
        let begun = paid_at.plus_ms(-i64::from(self.pack().grace_minutes) * MINUTE_MS);
        match self.phase_on(begun.date(), channel) {
            Phase::NotYet { .. } => self.phase_on(paid_at.date(), channel),
            phase => phase,
        }
    }

    /// The moment at which an attempt begun in `phase` must expire at the latest: the end of the
    /// phase and the region's grace. `None` when nothing can be paid.
    #[must_use]
    pub fn attempts_end(&self, phase: Phase) -> Option<Instant> {
        match phase {
            Phase::InWindow { last } | Phase::Late { last } => Some(
                Instant::end_of(last).plus_ms(i64::from(self.pack().grace_minutes) * MINUTE_MS),
            ),
            Phase::NotYet { .. } | Phase::Resting { .. } | Phase::Closed { .. } => None,
        }
    }

    /// The first day of benefits for a payment made at `paid_at`; never before the period begins.
    ///
    /// A payment after the last window follows the rule of the last one; whether it is kept at all
    /// is the pack's `after_close`.
    ///
    /// # Source
    ///
    /// S-007 (start rules), S-008 (waits are counted from the payment date).
    #[must_use]
    pub fn start_of_benefit(&self, paid_at: Instant, channel: Option<&str>) -> Date {
        let begun = paid_at.plus_ms(-i64::from(self.pack().grace_minutes) * MINUTE_MS);
        let (first, _) = self.benefit();
        let windows = self.windows(channel);
        let holding = |day: Date| {
            let holds = move |w: &&&Window| span(w).is_some_and(|(f, l)| f <= day && day <= l);
            windows.iter().find(holds).copied()
        };
        let window = holding(begun.date())
            .or_else(|| holding(paid_at.date()))
            .or_else(|| windows.last().copied());
        let Some(rule) = window.and_then(|window| window.start) else {
            return first;
        };
        let paid_on = paid_at.date();
        let base = match rule.base {
            StartBase::YearStart => first,
            StartBase::PaymentDay => paid_on,
            StartBase::NextDay => paid_on.saturating_add(1.day()),
            StartBase::NextMonth => paid_on.first_of_month().saturating_add(1.month()),
        };
        base.saturating_add(i32::from(rule.wait_months).months())
            .max(first)
    }

    /// The windows for a channel, in the order of their days.
    fn windows(&self, channel: Option<&str>) -> Vec<&Window> {
        let of = |wanted: Option<&str>| -> Vec<&Window> {
            let mut windows: Vec<&Window> = self
                .pack()
                .windows
                .iter()
                .filter(|window| window.channel.as_deref() == wanted)
                .collect();
            windows.sort_by_key(|window| window.first);
            windows
        };
        let own = channel.map(|code| of(Some(code))).unwrap_or_default();
        if own.is_empty() { of(None) } else { own }
    }
}

/// First and last day, when both are known.
pub(super) fn span(window: &Window) -> Option<(Date, Date)> {
    Some((window.first?, window.last?))
}
