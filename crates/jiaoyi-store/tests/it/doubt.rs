//! Commits of unknown outcome, on an engine of the test that does what it is told: which link is
//! durable, what it found, and what is answered.

use crate::touch::{count, key};
use jiaoyi_domain::audit::{ChainId, Link};
use jiaoyi_domain::decide::Answer;
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::{Bucket, Date};
use jiaoyi_store::batch::{ALL_BUCKETS, Chain, Found, Plan};
use jiaoyi_store::engine::{Aside, Engine, drive};
use jiaoyi_store::lane::{Item, Lane, Reply, Trouble};
use jiaoyi_store::{Failure, StoreError};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What becomes of a commit.
#[derive(Clone, Copy, Debug)]
enum Commit {
    Done,
    /// The answer is lost; the link is durable.
    LostAfter,
    /// The answer is lost; the link becomes durable only after it was looked for once.
    LostSlow,
    /// The link's number is taken.
    Collides,
}

#[derive(Default)]
struct Told {
    commits: VecDeque<Commit>,
    durable: Vec<Link>,
    slow: Option<Link>,
    away: u32,
}

impl Engine for Told {
    fn begin(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn load(&mut self, _: &[Need]) -> Result<Vec<Found>, Failure> {
        Ok(Vec::new())
    }

    fn write(&mut self, plan: &Plan) -> Result<(), Failure> {
        let unknown = Err(Failure::Unknown("lost".to_owned()));
        match self.commits.pop_front().unwrap_or(Commit::Done) {
            Commit::Done => {
                let last = self.durable.last();
                assert!(last.is_none_or(|link| link.hash == plan.link.previous));
                self.durable.push(plan.link.clone());
                Ok(())
            }
            Commit::LostAfter => {
                self.durable.push(plan.link.clone());
                unknown
            }
            Commit::LostSlow => {
                self.slow = Some(plan.link.clone());
                unknown
            }
            Commit::Collides => {
                self.durable.extend(self.slow.take());
                Err(Failure::Batch("the number is taken".to_owned()))
            }
        }
    }

    fn prove(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn rest(&mut self) {}

    fn recover(&mut self, link: Option<&Link>) -> Result<Option<Link>, Trouble> {
        if self.away > 0 {
            self.away -= 1;
            return Err(Trouble::Later("away".to_owned()));
        }
        let same = |known: &&Link| link.is_some_and(|link| link.link_no == known.link_no);
        Ok(self.durable.iter().find(same).cloned())
    }

    fn aside(&mut self, _: &Aside) -> Result<(), Failure> {
        Err(Failure::Broken("a sync failed".to_owned()))
    }
}

fn lane() -> Lane {
    let id = ChainId::at(Bucket::default(), [1; 16]);
    let today = Date::constant(2026, 11, 26);
    Lane::new(Chain::new(id, today, None), ALL_BUCKETS)
}

fn one() -> (Item, oneshot::Receiver<Result<Answer, StoreError>>) {
    let (reply, answer): (Reply<Answer>, _) = oneshot::channel();
    let envelope = Arc::new(count(&[key(1, 1)]));
    (Item { envelope, reply }, answer)
}

/// Runs one command after the other; what each was answered, and the links that are durable.
fn run(commits: &[Commit], away: u32, commands: usize) -> (Vec<String>, Vec<Link>) {
    let mut engine = Told {
        commits: commits.iter().copied().collect(),
        away,
        ..Told::default()
    };
    let mut lane = lane();
    let mut answers = Vec::new();
    for _ in 0..commands {
        let (item, answer) = one();
        lane.begin(vec![item]);
        while drive(&mut lane, &mut engine).is_err() {}
        answers.push(match answer.blocking_recv().unwrap() {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => error.code().to_owned(),
        });
    }
    (answers, engine.durable)
}

fn is_one_chain(links: &[Link]) -> bool {
    links
        .windows(2)
        .all(|pair| pair[1].previous == pair[0].hash)
}

#[test]
fn a_commit_that_was_durable_is_answered_and_not_done_twice() {
    let (answers, links) = run(&[Commit::LostAfter], 0, 2);
    assert_eq!(answers, ["Done", "Done"]);
    assert_eq!(links.len(), 2);
    assert!(is_one_chain(&links));
}

/// Two tries in doubt have the same number: the one that is durable gives the answer and the hash.
#[test]
fn the_try_that_is_durable_is_the_one_that_counts() {
    let (answers, links) = run(&[Commit::LostSlow, Commit::Collides], 0, 2);
    assert_eq!(answers, ["Done", "Done"]);
    assert_eq!(links.len(), 2);
    assert!(is_one_chain(&links));
}

/// The first commands were answered "unavailable" and became durable all the same: whoever comes
/// next meets their number and is not put aside for it.
#[test]
fn a_late_commit_of_others_poisons_nobody() {
    let commits = [Commit::LostSlow, Commit::Collides];
    let (answers, links) = run(&commits, 1, 2);
    assert_eq!(answers, ["store.unavailable", "Done"]);
    assert_eq!(links.len(), 2);
    assert!(is_one_chain(&links));
}

/// A sync that fails beside the commands is a failed sync: the engine is brought back first.
#[test]
fn a_failed_sync_beside_the_commands_counts_as_one() {
    let mut engine = Told::default();
    let mut lane = lane();
    let work = Aside::Stage(Vec::new());
    lane.met(&engine.aside(&work).unwrap_err());
    assert!(lane.is_down());
    lane.met(&Failure::Busy("somebody else".to_owned()));
    drive(&mut lane, &mut engine).unwrap();
    assert!(!lane.is_down());
    lane.met(&Failure::Batch("a constraint".to_owned()));
    assert!(!lane.is_down());
}
