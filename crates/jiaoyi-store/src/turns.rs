//! Who waits, by whom it is for: each takes a turn, so that whoever sends much waits for it alone.

use std::collections::VecDeque;

/// How many times as many places one may hold as are free.
const SHARE: usize = 7;

/// Whether somebody who holds `own` of `max` places may have one more while `all` are taken. One alone
/// leaves an eighth to others; many who want everything end up with equal parts.
#[must_use]
pub const fn may_have_more(own: usize, all: usize, max: usize) -> bool {
    own < max.saturating_sub(all).saturating_mul(SHARE)
}

/// Waiting jobs, first come first served for each actor, and in turn among actors.
pub(crate) struct Turns<T> {
    /// The actors that have something waiting, the next one first.
    actors: VecDeque<(Box<str>, VecDeque<T>)>,
    count: usize,
}

impl<T> Turns<T> {
    pub(crate) fn new() -> Turns<T> {
        Turns {
            actors: VecDeque::new(),
            count: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Lets a job wait for its turn, or gives it back when of `max` places none is free for its actor.
    pub(crate) fn push(&mut self, actor: &str, job: T, max: usize) -> Result<(), T> {
        let known = self.actors.iter_mut().find(|(of, _)| **of == *actor);
        let own = known.as_ref().map_or(0, |(_, own)| own.len());
        if !may_have_more(own, self.count, max) {
            return Err(job);
        }
        match known {
            Some((_, own)) => own.push_back(job),
            None => self.actors.push_back((actor.into(), VecDeque::from([job]))),
        }
        self.count += 1;
        Ok(())
    }

    /// The next job: the first of the actor whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (actor, mut own) = self.actors.pop_front()?;
        let job = own.pop_front();
        if !own.is_empty() {
            self.actors.push_back((actor, own));
        }
        self.count = self.count.saturating_sub(1);
        job
    }

    /// The next jobs, `max` at most.
    pub(crate) fn take(&mut self, max: usize) -> Vec<T> {
        let count = self.count.min(max);
        std::iter::from_fn(|| self.pop()).take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(turns: &mut Turns<u32>, actor: &str, jobs: std::ops::Range<u32>, max: usize) -> u32 {
        jobs.map(|job| u32::from(turns.push(actor, job, max).is_ok()))
            .sum()
    }

    #[test]
    fn whoever_sends_little_is_not_kept_waiting_by_whoever_sends_much() {
        let mut turns = Turns::new();
        assert_eq!(pushed(&mut turns, "channel:wechat", 0..500, 4_096), 500);
        assert_eq!(pushed(&mut turns, "payer", 1_000..1_003, 4_096), 3);
        assert_eq!(pushed(&mut turns, "channel:alipay", 2_000..2_001, 4_096), 1);
        assert_eq!(turns.take(7), [0, 1_000, 2_000, 1, 1_001, 2, 1_002]);
        assert_eq!(turns.take(2), [3, 4], "alone every turn is its own");
        assert_eq!(turns.len(), 495);
        assert_eq!(turns.take(1_000).len(), 495);
        assert!(turns.is_empty() && turns.pop().is_none());
    }

    #[test]
    fn one_alone_leaves_an_eighth_and_all_together_have_equal_parts() {
        let mut turns = Turns::new();
        assert_eq!(pushed(&mut turns, "a", 0..4_096, 4_096), 3_584);
        assert!(pushed(&mut turns, "b", 0..4_096, 4_096) > 400);
        // As turns pass, those who have less get what becomes free.
        for _ in 0..20_000 {
            turns.pop();
            for actor in ["a", "b", "c"] {
                pushed(&mut turns, actor, 0..1, 4_096);
            }
        }
        let counts: Vec<usize> = turns.actors.iter().map(|(_, own)| own.len()).collect();
        let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
        assert!(counts.len() == 3 && most - least <= 8, "{counts:?}");
        assert!(turns.len() < 4_096, "there is room for somebody new");
        assert_eq!(pushed(&mut turns, "d", 0..1, 4_096), 1);
    }
}
