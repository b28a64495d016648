//! Admission: how many requests may be under way at once, by what they are for.
//!
//! A request holds a place until its answer is made. Who finds none is told at once to come again, so
//! that what waits has a bound and nobody is served too late to care. Questions are turned away before
//! payments: a question can be asked again, and whoever got as far as paying is let through. While many
//! payers wait for their turn, no question is let in: whoever asks now would only wait behind them.
//!
//! Nobody takes all places of a kind: neither a channel that tells everything again, nor an institution
//! whose batch has come loose, nor the visitors of the pages. The more one holds, the more must be free.
//!
//! The gate is also told how late work is begun that was due, and turns away while that stays long: those
//! inside may be few and the machine busy with something else.

use crate::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_store::may_have_more;
use std::sync::PoisonError;
use std::time::Duration;

/// Requests wait too long before anybody looks at them.
const LATE: Duration = Duration::from_millis(200);
/// So long without a pause, and questions are turned away.
const LATE_FOR: Duration = Duration::from_millis(600);
/// From here on payments are turned away too.
const VERY_LATE: Duration = Duration::from_secs(2);

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It reads: look-ups, pages, vouchers.
    Question,
    /// It starts, changes or follows a payment.
    Payment,
    /// A channel tells of money; it will tell again, but not for ever.
    Notice,
}

/// Whose request it is, as far as it shows before anything is verified: places are shared by it, and
/// nothing else rests on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// Everybody who looks at pages.
    Visitors,
    /// A channel that tells us something.
    Channel(ChannelCode),
    /// An institution that we know, by its id.
    Institution(Arc<str>),
    /// Whoever calls and is not known.
    Strangers,
}

/// How many requests may be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub questions: usize,
    /// From so many on who wait for their turn to pay, no question is let in.
    pub crowd: usize,
    pub payments: usize,
    pub notices: usize,
}

impl Default for Bounds {
    /// At 75 µs a question, 512 wait for 20 ms; at 500 µs a payment, 4,096 wait for a second. A
    /// payment that waits for its channel holds its place too, without using a processor.
    fn default() -> Bounds {
        Bounds {
            questions: 512,
            crowd: 512,
            payments: 4_096,
            notices: 1_024,
        }
    }
}

/// Those inside for one purpose.
#[derive(Debug, Default)]
struct Crowd {
    all: usize,
    /// Whoever has somebody inside, and how many.
    parties: Vec<(Party, usize)>,
}

impl Crowd {
    /// Takes a place of `max` for a party, if it may have one more.
    fn enter(&mut self, party: &Party, max: usize) -> bool {
        let known = self.parties.iter_mut().find(|(of, _)| of == party);
        let own = known.as_ref().map_or(0, |(_, own)| *own);
        let enters = may_have_more(own, self.all, max);
        if enters {
            match known {
                Some((_, own)) => *own += 1,
                None => self.parties.push((party.clone(), 1)),
            }
            self.all += 1;
        }
        enters
    }

    fn leave(&mut self, party: &Party) {
        let known = self.parties.iter().position(|(of, _)| of == party);
        if let Some(place) = known {
            self.parties[place].1 -= 1;
            if self.parties[place].1 == 0 {
                self.parties.swap_remove(place);
            }
            self.all -= 1;
        }
    }
}

/// Counts what is under way and lets in or turns away.
#[derive(Debug)]
pub struct Gate {
    bounds: Bounds,
    questions: Mutex<Crowd>,
    payments: Mutex<Crowd>,
    notices: Mutex<Crowd>,
    waiting: AtomicUsize,
    /// How late work was begun the last time, in milliseconds.
    lag_ms: AtomicUsize,
    /// For how long that has been too late, in milliseconds.
    late_ms: AtomicUsize,
    turned_away: AtomicUsize,
}

fn ms(time: Duration) -> usize {
    usize::try_from(time.as_millis()).unwrap_or(usize::MAX)
}

impl Gate {
    /// A gate with nobody inside.
    #[must_use]
    pub fn new(bounds: Bounds) -> Arc<Gate> {
        Arc::new(Gate {
            bounds,
            questions: Mutex::new(Crowd::default()),
            payments: Mutex::new(Crowd::default()),
            notices: Mutex::new(Crowd::default()),
            waiting: AtomicUsize::new(0),
            lag_ms: AtomicUsize::new(0),
            late_ms: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
        })
    }

    /// Notes that work which was due was begun `lag` too late, `after` the last note. Only one may
    /// tell.
    pub fn note_lag(&self, lag: Duration, after: Duration) {
        let late = self.late_ms.load(Ordering::SeqCst);
        let late = match lag >= LATE {
            true => late.saturating_add(ms(after)),
            false => 0,
        };
        self.late_ms.store(late, Ordering::SeqCst);
        self.lag_ms.store(ms(lag), Ordering::SeqCst);
    }

    /// A place, or none when there are too many inside already, or too many of this party.
    #[must_use]
    pub fn enter(self: &Arc<Gate>, purpose: Purpose, party: Party) -> Option<Place> {
        let max = self.max(purpose);
        if !self.crowd(purpose).enter(&party, max) {
            self.turned_away.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        Some(Place {
            gate: Arc::clone(self),
            purpose,
            party,
        })
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self, purpose: Purpose) -> usize {
        self.crowd(purpose).all
    }

    /// How many were turned away since this was asked before.
    pub fn take_turned_away(&self) -> usize {
        self.turned_away.swap(0, Ordering::SeqCst)
    }

    /// Counts somebody who is inside and waits for their turn to pay, until that is dropped.
    #[must_use]
    pub fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(self)
    }

    fn crowd(&self, purpose: Purpose) -> MutexGuard<'_, Crowd> {
        let crowd = match purpose {
            Purpose::Question => &self.questions,
            Purpose::Payment => &self.payments,
            Purpose::Notice => &self.notices,
        };
        crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn max(&self, purpose: Purpose) -> usize {
        let late = self.late_ms.load(Ordering::SeqCst) >= ms(LATE_FOR);
        let very_late = late && self.lag_ms.load(Ordering::SeqCst) >= ms(VERY_LATE);
        match purpose {
            Purpose::Question if late => 0,
            Purpose::Payment if very_late => 0,
            Purpose::Question if self.waiting.load(Ordering::SeqCst) >= self.bounds.crowd => 0,
            Purpose::Question => self.bounds.questions,
            Purpose::Payment => self.bounds.payments,
            Purpose::Notice => self.bounds.notices,
        }
    }
}

/// A place inside; leaving is dropping it, whatever became of the request.
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
    purpose: Purpose,
    party: Party,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.crowd(self.purpose).leave(&self.party);
    }
}

/// Somebody who waits for their turn to pay.
#[derive(Debug)]
pub struct Waiting<'g>(&'g Gate);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    #[test]
    fn questions_are_turned_away_first() {
        let gate = Gate::new(Bounds {
            questions: 2,
            crowd: 2,
            payments: 4,
            notices: 1,
        });
        let first = gate.enter(Purpose::Question, Party::Visitors);
        let second = gate.enter(Purpose::Question, Party::Visitors);
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter(Purpose::Question, Party::Visitors).is_none());
        let payments: Vec<_> = (0..5)
            .map(|_| gate.enter(Purpose::Payment, Party::Visitors))
            .collect();
        assert_eq!(payments.iter().flatten().count(), 4);
        let inside = [Purpose::Question, Purpose::Payment].map(|purpose| gate.inside(purpose));
        assert_eq!(inside, [2, 4]);
        assert!(
            gate.enter(Purpose::Notice, Party::Visitors).is_some(),
            "and left at once"
        );
        drop((first, second));
        let first = gate.enter(Purpose::Question, Party::Visitors);
        assert!(first.is_some(), "nobody waits for a turn");
        let waiting = (gate.wait(), gate.wait());
        assert!(
            gate.enter(Purpose::Question, Party::Visitors).is_none(),
            "a crowd waits"
        );
        drop(waiting.0);
        assert!(gate.enter(Purpose::Question, Party::Visitors).is_some());
        assert_eq!(gate.take_turned_away(), 3);
        assert_eq!(gate.take_turned_away(), 0);
        drop(payments);
        assert!(gate.enter(Purpose::Question, Party::Visitors).is_some());
        drop(first);
        assert_eq!(gate.inside(Purpose::Question), 0);
        assert_eq!(gate.inside(Purpose::Payment), 0);
    }

    #[test]
    fn a_channel_that_tells_everything_again_leaves_places_to_the_others() {
        let gate = Gate::new(Bounds::default());
        let enter = |party: &Party| gate.enter(Purpose::Notice, party.clone());
        let wechat = Party::Channel(ChannelCode::Wechat);
        let alipay = Party::Channel(ChannelCode::Alipay);
        let storm: Vec<_> = (0..2_000).map_while(|_| enter(&wechat)).collect();
        assert_eq!(storm.len(), 896, "an eighth of 1,024 is left");
        let others: Vec<_> = (0..100).map_while(|_| enter(&alipay)).collect();
        assert_eq!(others.len(), 100, "who needs little gets all of it");
        drop(storm);
        let storm: Vec<_> = (0..2_000).map_while(|_| enter(&wechat)).collect();
        assert!(storm.len() > 800, "{}", storm.len());
        let bank = Party::Institution("BANK01".into());
        assert!(enter(&bank).is_some() && enter(&Party::Strangers).is_some());
        drop((others, storm));
        assert_eq!(gate.inside(Purpose::Notice), 0);
        assert!(gate.crowd(Purpose::Notice).parties.is_empty());
    }

    #[test]
    fn only_a_wait_that_stays_long_turns_away() {
        let gate = Gate::new(Bounds::default());
        let lets = |purpose| gate.enter(purpose, Party::Visitors).is_some();
        let tell = |lag| gate.note_lag(Duration::from_millis(lag), Duration::from_millis(lag + 20));
        tell(500);
        assert!(lets(Purpose::Question), "once is no rush");
        tell(10);
        tell(500);
        assert!(lets(Purpose::Question), "it had been well between");
        tell(300);
        assert!(!lets(Purpose::Question) && lets(Purpose::Payment));
        tell(2_500);
        assert!(!lets(Purpose::Question) && !lets(Purpose::Payment));
        assert!(lets(Purpose::Notice), "money is always heard of");
        tell(10);
        assert!(lets(Purpose::Question) && lets(Purpose::Payment));
    }
}

/// Every interleaving that a random scheduler finds: run by `cargo xtask test model`.
#[cfg(all(test, feature = "model"))]
mod model {
    use super::*;
    use shuttle::thread;

    #[test]
    fn no_more_are_inside_than_there_are_places_and_none_is_lost() {
        let play = || {
            let bounds = Bounds {
                questions: 2,
                crowd: 2,
                payments: 2,
                notices: 1,
            };
            let gate = Gate::new(bounds);
            let visit = |purpose, party: Party| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    for _ in 0..2 {
                        let place = gate.enter(purpose, party.clone());
                        let max = gate.max(purpose).max(bounds.questions);
                        assert!(gate.inside(purpose) <= max);
                        thread::yield_now();
                        drop(place);
                    }
                })
            };
            let kinds = [Purpose::Question, Purpose::Payment, Purpose::Notice];
            let parties = [Party::Visitors, Party::Strangers];
            let visits = kinds.iter().cycle().zip(parties.iter().cycle());
            let visits: Vec<_> = visits
                .take(9)
                .map(|(of, party)| visit(*of, party.clone()))
                .collect();
            for visit in visits {
                visit.join().unwrap();
            }
            for purpose in kinds {
                assert_eq!(gate.inside(purpose), 0, "a place was lost");
            }
            assert!(gate.enter(Purpose::Notice, Party::Visitors).is_some());
        };
        shuttle::check_random(play, 2_000);
        shuttle::check_pct(play, 2_000, 3);
    }

    /// The check must be able to fail: a gate that looks first and counts afterwards.
    #[test]
    fn a_gate_that_looks_before_it_counts_is_found() {
        let play = || {
            let inside = Arc::new(AtomicUsize::new(0));
            let visits: Vec<_> = (0..3)
                .map(|_| {
                    let inside = Arc::clone(&inside);
                    thread::spawn(move || {
                        if inside.load(Ordering::SeqCst) < 1 {
                            assert!(inside.fetch_add(1, Ordering::SeqCst) < 1, "too many");
                            inside.fetch_sub(1, Ordering::SeqCst);
                        }
                    })
                })
                .collect();
            for visit in visits {
                visit.join().unwrap();
            }
        };
        let found = std::panic::catch_unwind(|| shuttle::check_random(play, 1_000));
        assert!(found.is_err());
    }
}
