//! The rules of a lane, written once for every engine: what is tried again, halved, put aside or
//! found out before anybody is answered. No engine, no clock and no I/O is in here.
//!
//! ```text
//!  begin ─▶ Begin ─▶ Load … Load ─▶ Write ─▶ durable: answers leave
//!                                     │ batch or conflict: once more, then halved until alone
//!                                     │ blocked: halved at once; alone it waits its turn
//!                                     │ unknown: Recover, find the link, then answer or again
//!                                     └ down or broken: all are answered "unavailable", Recover
//! ```

use crate::batch::{Batch, Chain, Envelope, Found, Group, Plan, Step, Verdict};
use crate::error::{Failure, RETRY_AFTER_S, StoreError};
use jiaoyi_domain::audit::{ChainId, Link};
use jiaoyi_domain::decide::{Answer, Refusal};
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::planted::{Bug, has};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A command that conflicts or is blocked although it stands alone is tried so often.
const LONELY_TRIES_MAX: u32 = 8;

/// How often a command that stands alone may fail by itself before it is put aside. A row that another
/// writer has just inserted shows as a broken constraint, and a command may meet several such rows.
const LONELY_FAILURES_MAX: u32 = 3;

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A command that waits for its answer.
pub struct Item {
    pub envelope: Arc<Envelope>,
    pub reply: Reply<Answer>,
}

/// What the engine has to do next.
#[derive(Debug)]
pub enum Action<'a> {
    /// A batch begins: what the engine left open before is given up.
    Begin,
    /// Load the rows and call [`Lane::loaded`].
    Load(Vec<Need>),
    /// Write the plan in one durable transaction and call [`Lane::written`].
    Write(&'a Plan),
    /// Nothing is written, but answers rest on what was read: prove it by a commit, if the engine
    /// needs one for that, and call [`Lane::written`].
    Prove,
    /// Bring the engine back, find out which link stands under this one's number, prove that by a
    /// barrier, and call [`Lane::recovered`].
    Recover(Option<Link>),
    /// Everything that was begun is answered; what the engine left open is given up.
    Rest,
}

/// Why an engine could not be brought back.
#[derive(Debug)]
pub enum Trouble {
    /// Not yet.
    Later(String),
    /// Nothing may be acknowledged from here on: the process must end.
    Never(String),
}

struct Part {
    items: Vec<Item>,
    attempt: u32,
    /// How often it failed by itself while it stood alone.
    failures: u32,
    /// Whether the link in doubt was looked for after a failure that it may have caused.
    looked: bool,
    /// The plans of earlier tries that may still become durable, one at most. Such a part is never
    /// halved: if a plan turns out to be durable, its verdicts are the answers.
    in_doubt: Vec<Plan>,
}

impl Part {
    fn new(items: Vec<Item>, attempt: u32) -> Part {
        Part {
            items,
            attempt,
            failures: 0,
            looked: false,
            in_doubt: Vec::new(),
        }
    }

    fn refuse(self, error: impl Fn() -> StoreError) {
        for item in self.items {
            let _ = item.reply.send(Err(error()));
        }
    }
}

enum State {
    Idle,
    /// The engine has to begin.
    Fresh(Part),
    Deciding(Part, Box<Batch>),
    /// With the engine.
    Writing(Part, Box<Plan>),
    /// The engine has to come back, and to say whether the plan in doubt is durable.
    Finding(Option<Part>),
    Stopped,
}

/// One writer: a chain, a bucket group, and the commands that are under way.
pub struct Lane {
    chain: Chain,
    group: Group,
    state: State,
    waiting: VecDeque<Part>,
    /// Commands that were blocked alone: they take their turn after others.
    deferred: VecDeque<Part>,
    elsewhere: Vec<Item>,
    /// The link of the last try whose outcome nobody knows.
    doubtful: Option<Link>,
    /// Whether a batch was refused for want of room or of handles since that was last asked.
    was_short: bool,
}

impl Lane {
    /// A lane whose engine has written its first barrier.
    #[must_use]
    pub fn new(chain: Chain, group: Group) -> Lane {
        Lane {
            chain,
            group,
            state: State::Idle,
            waiting: VecDeque::new(),
            deferred: VecDeque::new(),
            elsewhere: Vec::new(),
            doubtful: None,
            was_short: false,
        }
    }

    /// Its chain, and with that where its own rows lie.
    #[must_use]
    pub fn chain(&self) -> ChainId {
        self.chain.id
    }

    /// Takes in commands, when the lane rests.
    pub fn begin(&mut self, items: Vec<Item>) {
        if !items.is_empty() {
            self.waiting.push_back(Part::new(items, 0));
        }
        self.waiting.append(&mut self.deferred);
    }

    /// Whether commands wait for another try although the lane rests.
    #[must_use]
    pub fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    /// Whether the engine is lost and nothing can be begun.
    #[must_use]
    pub fn is_down(&self) -> bool {
        matches!(self.state, State::Finding(None))
    }

    /// Whether nothing may be acknowledged any more.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        matches!(self.state, State::Stopped)
    }

    /// Work beside the commands met a failure, while the lane rested.
    pub fn met(&mut self, failure: &Failure) {
        if failure.is_loss() && matches!(self.state, State::Idle) {
            tracing::error!(why = %failure, "the database failed beside the commands");
            self.state = State::Finding(None);
        }
    }

    /// Whether the engine has refused a batch for want of room or of handles since the last call.
    pub fn take_was_short(&mut self) -> bool {
        std::mem::take(&mut self.was_short)
    }

    /// Commands that belong to another lane.
    pub fn take_elsewhere(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.elsewhere)
    }

    /// What is to be done now.
    pub fn next_action(&mut self) -> Action<'_> {
        loop {
            match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => match self.waiting.pop_front() {
                    None => return Action::Rest,
                    Some(part) => self.state = State::Fresh(part),
                },
                State::Fresh(part) => {
                    let envelopes = part.items.iter().map(|item| Arc::clone(&item.envelope));
                    let chain = self.chain.clone();
                    let batch = Batch::new(envelopes, part.attempt, self.group.clone(), chain);
                    self.state = State::Deciding(part, Box::new(batch));
                    return Action::Begin;
                }
                State::Deciding(mut part, mut batch) => match unharmed(|| batch.step()) {
                    Ok(Step::Load(needs)) => {
                        self.state = State::Deciding(part, batch);
                        return Action::Load(needs);
                    }
                    Ok(Step::Decided(plan)) => {
                        if has(Bug::AckBeforeCommit) {
                            answer_early(&mut part, &plan);
                        }
                        self.state = State::Writing(part, Box::new(plan));
                        break;
                    }
                    Err(failure) => self.failed(part, failure),
                },
                State::Writing(part, plan) => {
                    self.state = State::Writing(part, plan);
                    break;
                }
                State::Finding(held) => {
                    self.state = State::Finding(held);
                    return Action::Recover(self.doubtful.clone());
                }
                State::Stopped => {
                    self.state = State::Stopped;
                    return Action::Rest;
                }
            }
        }
        match &self.state {
            State::Writing(_, plan) if !plan.is_empty() => Action::Write(plan),
            _ => Action::Prove,
        }
    }

    /// What the engine found.
    pub fn loaded(&mut self, found: Result<Vec<Found>, Failure>) {
        let State::Deciding(part, mut batch) = std::mem::replace(&mut self.state, State::Idle)
        else {
            return;
        };
        match found.and_then(|found| unharmed(|| batch.loaded(found))) {
            Ok(()) => self.state = State::Deciding(part, batch),
            Err(failure) => self.failed(part, failure),
        }
    }

    /// How writing or proving went.
    pub fn written(&mut self, outcome: Result<(), Failure>) {
        let State::Writing(mut part, plan) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        match outcome {
            Ok(()) => {
                if !plan.is_empty() {
                    // An earlier try in doubt had this number too, so it can never be durable now.
                    self.chain.advance(&plan.link);
                    self.doubtful = None;
                }
                self.answer(part, plan.verdicts);
            }
            Err(Failure::Unknown(why)) => {
                tracing::error!(why, "nobody knows whether a commit is durable");
                if !plan.is_empty() {
                    self.doubtful = Some(plan.link.clone());
                }
                part.in_doubt.push(*plan);
                self.state = State::Finding(Some(part));
            }
            Err(failure) => {
                if failure.is_loss() && !plan.is_empty() {
                    self.doubtful = Some(plan.link.clone());
                }
                self.failed(part, failure);
            }
        }
    }

    /// The engine is back, with the durable link under the number in doubt; or it is not back.
    pub fn recovered(&mut self, outcome: Result<Option<Link>, Trouble>) {
        let State::Finding(held) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        let (why, state) = match outcome {
            Ok(durable) => {
                if let Some(link) = &durable {
                    self.doubtful = None;
                    self.chain.advance(link);
                }
                if let Some(part) = held {
                    self.found_out(part, durable.as_ref());
                }
                return;
            }
            Err(Trouble::Later(why)) => (why, State::Finding(None)),
            Err(Trouble::Never(why)) => (why, State::Stopped),
        };
        tracing::error!(why, "the database cannot be trusted or reached");
        self.waiting.extend(held);
        self.refuse_all(|| StoreError::Unavailable { why: why.clone() });
        self.state = state;
    }

    /// A part whose earlier tries were in doubt, now that one of them is durable or none is.
    fn found_out(&mut self, mut part: Part, durable: Option<&Link>) {
        // A plan without events has nothing to lose: the barrier proved what it read.
        let stands = |plan: &Plan| match durable {
            Some(link) => plan.link.hash == link.hash,
            None => plan.is_empty(),
        };
        if let Some(place) = part.in_doubt.iter().position(stands) {
            let plan = part.in_doubt.swap_remove(place);
            self.answer(part, plan.verdicts);
            return;
        }
        if durable.is_some() {
            // Somebody else's link stands there, so none of these can any more.
            part.in_doubt.clear();
        }
        part.attempt = part.attempt.saturating_add(1);
        self.waiting.push_front(part);
    }

    fn refuse_all(&mut self, error: impl Fn() -> StoreError) {
        for part in self.waiting.drain(..).chain(self.deferred.drain(..)) {
            part.refuse(&error);
        }
    }

    fn answer(&mut self, part: Part, verdicts: Vec<Verdict>) {
        for (item, verdict) in part.items.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Answered(answer) => {
                    let _ = item.reply.send(answer.map_err(StoreError::from));
                }
                Verdict::Elsewhere => self.elsewhere.push(item),
            }
        }
    }

    /// Nothing of `part` was written, or it is in doubt; what happens to it.
    fn failed(&mut self, mut part: Part, failure: Failure) {
        let alone = part.items.len() == 1;
        let tries = part.attempt.saturating_add(1);
        match failure {
            Failure::Busy(why) => {
                tracing::warn!(why, "somebody else holds the database");
                part.refuse(busy);
            }
            Failure::Down(_) | Failure::Broken(_) => {
                self.was_short |= matches!(failure, Failure::Down(_));
                let why = failure.to_string();
                tracing::error!(why, "the database refused a commit");
                part.refuse(|| StoreError::Unavailable { why: why.clone() });
                self.refuse_all(|| StoreError::Unavailable { why: why.clone() });
                self.state = State::Finding(None);
            }
            // What stands in the way may be an earlier try of its own: find out first.
            _ if !part.in_doubt.is_empty() && tries <= LONELY_TRIES_MAX => {
                self.state = State::Finding(Some(part));
            }
            Failure::Unknown(_) if tries <= LONELY_TRIES_MAX => {
                self.state = State::Finding(Some(part));
            }
            failure if !part.in_doubt.is_empty() || matches!(failure, Failure::Unknown(_)) => {
                let why = failure.to_string();
                part.refuse(|| StoreError::Unavailable { why: why.clone() });
                self.state = State::Finding(None);
            }
            // An earlier try whose commands were answered "unavailable" became durable after all:
            // nobody else may suffer for the number that it took.
            Failure::Batch(why) if self.doubtful.is_some() && !part.looked => {
                tracing::warn!(why, "a batch failed beside a link in doubt");
                part.looked = true;
                self.state = State::Finding(Some(part));
            }
            Failure::Batch(why) if alone && part.failures >= LONELY_FAILURES_MAX => {
                for item in part.items {
                    let kind = item.envelope.command.kind();
                    tracing::error!(command = kind, why, "a command was put aside");
                    let refusal = Refusal::Poisoned { why: why.clone() };
                    let _ = item.reply.send(Err(refusal.into()));
                }
            }
            Failure::Conflict(why) | Failure::Blocked(why) if alone && tries > LONELY_TRIES_MAX => {
                tracing::error!(why, "a command met others at every try");
                part.refuse(busy);
            }
            Failure::Blocked(why) if alone => {
                tracing::warn!(why, "a command is blocked and waits");
                part.attempt = tries;
                self.deferred.push_back(part);
            }
            // Again as it is: what another writer did may show as a broken constraint.
            Failure::Batch(why) if alone => {
                tracing::warn!(why, "a command failed and is tried again");
                part.attempt = tries;
                part.failures += 1;
                self.waiting.push_front(part);
            }
            Failure::Batch(why) | Failure::Conflict(why) if alone || part.attempt == 0 => {
                tracing::warn!(
                    why,
                    size = part.items.len(),
                    "a batch failed and is tried again"
                );
                part.attempt = tries;
                self.waiting.push_front(part);
            }
            failure => {
                let why = failure.to_string();
                tracing::warn!(why, size = part.items.len(), "a batch failed and is halved");
                let second = part.items.split_off(part.items.len() / 2);
                for items in [second, part.items] {
                    self.waiting.push_front(Part::new(items, tries));
                }
            }
        }
    }
}

/// Tells before it is so; see [`Bug::AckBeforeCommit`].
fn answer_early(part: &mut Part, plan: &Plan) {
    for (item, verdict) in part.items.iter_mut().zip(&plan.verdicts) {
        if let Verdict::Answered(answer) = verdict {
            let reply = std::mem::replace(&mut item.reply, oneshot::channel().0);
            let _ = reply.send(answer.clone().map_err(StoreError::from));
        }
    }
}

/// A panic in what a batch is made of ends the batch, never the lane.
fn unharmed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure::Batch("deciding panicked".to_owned())))
}

const fn busy() -> StoreError {
    StoreError::Busy {
        retry_after_s: RETRY_AFTER_S,
    }
}
