//! The bounded queue in front of the writer: payments first, slices of imports between batches.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How urgent a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody waits for it.
    Payment,
    /// Done when no payment waits, one at a time.
    Background,
}

struct State<T> {
    payments: VecDeque<T>,
    background: VecDeque<T>,
    closed: bool,
}

/// A queue of two lanes with a bound on each.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
    payments_max: usize,
    background_max: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(payments_max: usize, background_max: usize) -> Queue<T> {
        let state = State {
            payments: VecDeque::new(),
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

    /// Gives the job back when its lane is full or the queue is closed.
    pub(crate) fn push(&self, lane: Lane, job: T) -> Result<(), (T, bool)> {
        let mut state = self.lock();
        if state.closed {
            return Err((job, true));
        }
        let (list, max) = match lane {
            Lane::Payment => (&mut state.payments, self.payments_max),
            Lane::Background => (&mut state.background, self.background_max),
        };
        if list.len() >= max {
            return Err((job, false));
        }
        list.push_back(job);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for work: up to `max` payments, or one background job; `None` when closed and empty.
    ///
    /// With `linger` it waits that long for more payments to share the disk's flush; the caller
    /// asks for it only under load, so that one payer alone pays no price.
    pub(crate) fn take(&self, max: usize, linger: Duration) -> Option<(Lane, Vec<T>)> {
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
                let count = state.payments.len().min(max);
                return Some((Lane::Payment, state.payments.drain(..count).collect()));
            }
            if let Some(job) = state.background.pop_front() {
                return Some((Lane::Background, vec![job]));
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

    /// Lets a moment pass in which nothing is done, unless a payment comes or the queue closes.
    pub(crate) fn rest(&self, moment: Duration) {
        let state = self.lock();
        let rested = self
            .ready
            .wait_timeout_while(state, moment, |state| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_go_first_and_the_bound_holds() {
        let queue = Queue::new(2, 1);
        assert!(queue.push(Lane::Background, 9).is_ok());
        assert!(queue.push(Lane::Payment, 1).is_ok());
        assert!(queue.push(Lane::Payment, 2).is_ok());
        assert_eq!(queue.push(Lane::Payment, 3), Err((3, false)));
        assert_eq!(queue.push(Lane::Background, 8), Err((8, false)));
        let take = || queue.take(128, Duration::ZERO);
        assert_eq!(take(), Some((Lane::Payment, vec![1, 2])));
        assert_eq!(take(), Some((Lane::Background, vec![9])));
        queue.close();
        assert_eq!(take(), None);
        assert_eq!(queue.push(Lane::Payment, 4), Err((4, true)));
    }
}
