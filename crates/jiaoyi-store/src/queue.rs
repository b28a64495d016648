//! The bounded queue in front of a lane: payments first, in turn by whom they are for, and slices of
//! imports between batches.

use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::turns::Turns;
use std::collections::VecDeque;
use std::time::Duration;

/// How urgent a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody waits for it.
    Payment,
    /// Done when no payment waits, one at a time.
    Background,
}

struct State<T> {
    payments: Turns<T>,
    background: VecDeque<T>,
    closed: bool,
}

/// A queue of two urgencies with a bound on each.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    payments_max: usize,
    background_max: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(payments_max: usize, background_max: usize) -> Queue<T> {
        let state = State {
            payments: Turns::new(),
            background: VecDeque::new(),
            closed: false,
        };
        Queue {
            state: Mutex::new(state),
            ready: Condvar::new(),
            payments_max,
            background_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives the job back when its part is full, when its actor has as much waiting there as others
    /// leave it, or when the queue is closed.
    pub(crate) fn push(&self, urgency: Urgency, actor: &str, job: T) -> Result<(), (T, bool)> {
        let mut state = self.lock();
        if state.closed {
            return Err((job, true));
        }
        match urgency {
            Urgency::Payment => {
                let max = self.payments_max;
                state
                    .payments
                    .push(actor, job, max)
                    .map_err(|job| (job, false))?;
            }
            Urgency::Background if state.background.len() >= self.background_max => {
                return Err((job, false));
            }
            Urgency::Background => state.background.push_back(job),
        }
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for work: up to `max` payments, or one background job; `None` when closed and empty.
    ///
    /// With `linger` it waits that long for more payments to share the disk's flush; the caller
    /// asks for it only under load, so that one payer alone pays no price. Without `wait` an empty
    /// queue gives an empty list.
    pub(crate) fn take(
        &self,
        max: usize,
        linger: Duration,
        wait: bool,
    ) -> Option<(Urgency, Vec<T>)> {
        let mut state = self.lock();
        loop {
            if !state.payments.is_empty() {
                if !linger.is_zero() && state.payments.len() < max && !state.closed {
                    state = self
                        .ready
                        .wait_timeout_while(state, linger, |state| {
                            state.payments.len() < max && !state.closed
                        })
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .0;
                }
                return Some((Urgency::Payment, state.payments.take(max)));
            }
            if let Some(job) = state.background.pop_front() {
                return Some((Urgency::Background, vec![job]));
            }
            if !wait {
                return Some((Urgency::Payment, Vec::new()));
            }
            if state.closed {
                return None;
            }
            state = self
                .ready
                .wait(state)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Everything that waits now, for a lane that cannot do it.
    pub(crate) fn take_waiting(&self) -> Vec<T> {
        let mut state = self.lock();
        let mut waiting = state.payments.take(usize::MAX);
        waiting.extend(std::mem::take(&mut state.background));
        waiting
    }

    /// Waits for so long, or until the queue is closed.
    pub(crate) fn pause(&self, time: Duration) {
        let state = self.lock();
        drop(
            self.ready
                .wait_timeout_while(state, time, |state| !state.closed),
        );
    }

    /// Whether nothing more is let in.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Lets a moment pass in which nothing is done, unless a payment comes or the queue closes.
    pub(crate) fn rest(&self, moment: Duration) {
        let state = self.lock();
        let rested = self.ready.wait_timeout_while(state, moment, |state| {
            state.payments.is_empty() && !state.closed
        });
        drop(rested);
    }

    /// Lets nothing more in; what waits is still done.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }
}

/// Every interleaving that a random scheduler finds: run by `cargo xtask test model`.
#[cfg(all(test, feature = "model"))]
mod model {
    use super::*;
    use shuttle::sync::Arc;
    use shuttle::thread;

    /// What one lane took while others pushed and closed the queue in the end.
    fn work(queue: &Queue<u32>) -> Vec<(Urgency, Vec<u32>)> {
        let mut taken = Vec::new();
        while let Some(jobs) = queue.take(2, Duration::ZERO, true) {
            taken.push(jobs);
        }
        taken
    }

    #[test]
    fn what_was_let_in_is_done_once_in_order_and_nobody_sleeps_through_it() {
        let play = || {
            let queue = Arc::new(Queue::new(3, 1));
            let lane = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || work(&queue))
            };
            let pushes: Vec<_> = (0..3_u32)
                .map(|of| {
                    let queue = Arc::clone(&queue);
                    thread::spawn(move || {
                        let mut let_in = Vec::new();
                        for number in 0..3 {
                            let urgency = match number {
                                1 => Urgency::Background,
                                _ => Urgency::Payment,
                            };
                            let job = of * 10 + number;
                            if queue.push(urgency, &of.to_string(), job).is_ok() {
                                let_in.push(job);
                            }
                        }
                        let_in
                    })
                })
                .collect();
            let mut let_in: Vec<u32> = Vec::new();
            for push in pushes {
                let_in.extend(push.join().unwrap());
            }
            queue.close();
            assert!(queue.push(Urgency::Payment, "a", 99).is_err());
            let taken = lane.join().unwrap();
            for (urgency, jobs) in &taken {
                let most = if *urgency == Urgency::Payment { 2 } else { 1 };
                assert!((1..=most).contains(&jobs.len()), "{taken:?}");
            }
            let done: Vec<u32> = taken.into_iter().flat_map(|(_, jobs)| jobs).collect();
            for of in 0..3 {
                let payments = |all: &[u32]| -> Vec<u32> {
                    let own = all.iter().filter(|job| **job / 10 == of && **job % 10 != 1);
                    own.copied().collect()
                };
                assert_eq!(payments(&done), payments(&let_in), "order of one pusher");
            }
            let mut sorted = done.clone();
            sorted.sort_unstable();
            let_in.sort_unstable();
            assert_eq!(sorted, let_in, "lost or done twice");
        };
        shuttle::check_random(play, 3_000);
        shuttle::check_pct(play, 3_000, 3);
    }

    /// With a lane that is gone, what waits is handed back to be refused: nobody waits for ever.
    #[test]
    fn a_lane_that_ends_leaves_nobody_behind() {
        let play = || {
            let queue = Arc::new(Queue::new(4, 1));
            let push = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    (0..3)
                        .filter(|n| queue.push(Urgency::Payment, "a", *n).is_ok())
                        .count()
                })
            };
            let end = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    queue.close();
                    queue.take_waiting().len()
                })
            };
            let (let_in, refused) = (push.join().unwrap(), end.join().unwrap());
            assert_eq!(let_in, refused + queue.take_waiting().len());
            assert_eq!(queue.take(1, Duration::ZERO, true), None);
        };
        shuttle::check_random(play, 2_000);
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    #[test]
    fn payments_go_first_and_the_bound_holds() {
        let queue = Queue::new(2, 1);
        assert!(queue.push(Urgency::Background, "a", 9).is_ok());
        assert!(queue.push(Urgency::Payment, "a", 1).is_ok());
        assert!(queue.push(Urgency::Payment, "a", 2).is_ok());
        assert_eq!(queue.push(Urgency::Payment, "a", 3), Err((3, false)));
        assert_eq!(queue.push(Urgency::Background, "a", 8), Err((8, false)));
        let take = || queue.take(128, Duration::ZERO, true);
        assert_eq!(take(), Some((Urgency::Payment, vec![1, 2])));
        assert_eq!(take(), Some((Urgency::Background, vec![9])));
        queue.close();
        assert_eq!(take(), None);
        assert_eq!(queue.push(Urgency::Payment, "a", 4), Err((4, true)));
    }
}
