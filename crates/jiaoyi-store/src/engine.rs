//! The borders of the store: what a database has to be able to do for a lane ([`Engine`]), and what
//! the rest of the program sees of it ([`Backend`]).

use crate::batch::{Envelope, Found, Plan};
use crate::error::{Failure, StoreError};
use crate::import_mark::ImportUnderWay;
use crate::lane::{Action, Item, Lane, Reply, Trouble};
use crate::queue::{Queue, Urgency};
use crate::snapshot::Snapshot;
use jiaoyi_domain::audit::{ChainId, Link};
use jiaoyi_domain::decide::Answer;
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::record::{TableSpec, Value};
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Most commands of one batch.
const BATCH_MAX: usize = 128;

/// How long a batch waits for company under load.
const LINGER: Duration = Duration::from_millis(2);

/// How long the database is left to other processes after a background job: a portal asks for the
/// file five times meanwhile, so an import in another process never shuts it out.
const GAP: Duration = Duration::from_millis(1);

/// How long a lane that lost its database waits before it looks again.
const LOST_PAUSE: Duration = Duration::from_millis(200);

/// Rows as an engine gives them.
pub type RawRows = Vec<Vec<Value>>;

/// A future of a backend.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Work that is no command: it has a transaction of its own and no place in the audit chain.
pub enum Aside {
    /// Stages pages of a roster file: bucket, roster id, run, page number, keys, data.
    Stage(Vec<[Value; 6]>),
    /// Removes staged pages of a run with `from <= page number < to`.
    Unstage {
        roster: [u8; 16],
        run: i64,
        from: i64,
        to: i64,
    },
    /// Appends one row of a table that only the store's own work writes.
    Append {
        table: &'static TableSpec,
        values: Vec<Value>,
    },
}

/// A statement by file and name, with what it is given.
pub(crate) type Given<'a> = (&'static str, &'static str, Cow<'a, [Value]>);

impl Aside {
    /// The statements it consists of.
    pub(crate) fn statements(&self) -> Vec<Given<'_>> {
        match self {
            Aside::Stage(pages) => pages
                .iter()
                .map(|page| ("queries", "stage_page", page.as_slice().into()))
                .collect(),
            Aside::Unstage {
                roster,
                run,
                from,
                to,
            } => {
                let roster = Value::Bytes(roster.to_vec());
                let given = vec![roster, Value::Int(*run), Value::Int(*from), Value::Int(*to)];
                vec![("queries", "unstage_pages", given.into())]
            }
            Aside::Append { table, values } => vec![(table.name, "insert", values.into())],
        }
    }

    /// About how many rows of usual size it writes: a staged page is as large as ten.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Aside::Stage(pages) => pages.len().saturating_mul(10),
            Aside::Unstage { from, to, .. } => {
                usize::try_from(to.saturating_sub(*from)).unwrap_or(0)
            }
            Aside::Append { .. } => 1,
        }
    }
}

/// What may wait for a lane.
pub enum Job {
    /// A command, and the place of its lane among those of the thread.
    Command(Item, usize),
    Aside(Aside, Reply<()>),
}

impl Job {
    /// For whom it is done; work beside the commands is for nobody in particular.
    fn actor(&self) -> String {
        match self {
            Job::Command(item, _) => item.envelope.command.actor(),
            Job::Aside(..) => String::new(),
        }
    }
}

/// Lets a job wait for a lane.
///
/// # Errors
///
/// [`StoreError`] when there is no place for it, or the lane takes nothing in any more.
pub(crate) fn enqueue(queue: &Queue<Job>, urgency: Urgency, job: Job) -> Result<(), StoreError> {
    offer(queue, urgency, job).map_err(|(_, closed)| StoreError::not_taken(closed))
}

/// As [`enqueue`]; a job that is not taken comes back, and with it whether the queue is closed.
fn offer(queue: &Queue<Job>, urgency: Urgency, job: Job) -> Result<(), (Job, bool)> {
    let actor = job.actor();
    queue.push(urgency, &actor, job)
}

/// A database as a lane uses it: one writer connection. All calls block.
pub trait Engine {
    /// What follows is done for the lane of this chain, until another is named.
    fn turn_to(&mut self, _: ChainId) {}

    /// A batch begins; what was left open before is given up.
    ///
    /// # Errors
    ///
    /// A [`Failure`].
    fn begin(&mut self) -> Result<(), Failure>;

    /// Every row of the needs, in any order.
    ///
    /// # Errors
    ///
    /// A [`Failure`].
    fn load(&mut self, needs: &[Need]) -> Result<Vec<Found>, Failure>;

    /// Writes and asserts the plan in one durable transaction.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; [`Failure::Unknown`] whenever the plan might be durable all the same.
    fn write(&mut self, plan: &Plan) -> Result<(), Failure>;

    /// Ends a batch that writes nothing, but whose answers rest on what was read.
    ///
    /// # Errors
    ///
    /// A [`Failure`].
    fn prove(&mut self) -> Result<(), Failure>;

    /// Gives up what is open; nothing follows for a while.
    fn rest(&mut self);

    /// Brings the engine back and gives the link that stands under the number of `link`, whoever's
    /// try it was. It is durable: a barrier written after it was seen has proved it.
    ///
    /// # Errors
    ///
    /// [`Trouble`].
    fn recover(&mut self, link: Option<&Link>) -> Result<Option<Link>, Trouble>;

    /// Does work that is no command.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; then nothing of it was done, as far as is known.
    fn aside(&mut self, work: &Aside) -> Result<(), Failure>;
}

/// Reads that see one moment.
pub trait Reads: Send + Sync {
    /// Runs the reading statement `name` of `sql/{file}.sql`.
    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>>;
}

/// A database as the program uses it.
pub trait Backend: Send + Sync {
    /// Queues a command for the lane that it belongs to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] or [`StoreError::Stopped`].
    fn submit(&self, urgency: Urgency, item: Item) -> Result<(), StoreError>;

    /// Queues work that is no command.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] or [`StoreError::Stopped`].
    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError>;

    /// Runs the reading statement `name` of `sql/{file}.sql`.
    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>>;

    /// Opens a view for reads that belong together, where that is cheaper than reading one by one.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    fn view(&self) -> Boxed<'_, Result<Option<Box<dyn Reads + '_>>, StoreError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// One consistent view of everything.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    fn snapshot(&self) -> Result<Snapshot, StoreError>;

    /// Tells everybody else that an import is under way, until the value is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the mark cannot be made.
    fn import_under_way(&self) -> Result<ImportUnderWay, StoreError>;

    /// Whether no living process is importing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when that cannot be found out.
    fn nobody_imports(&self) -> Result<bool, StoreError>;

    /// The database as `--database` names it, without a password.
    fn url(&self) -> &str;

    /// Returns when a lane has ended although nobody closed it: nothing may be acknowledged any
    /// more, and the process must end. A backend that cannot lose its database never returns.
    fn stopped(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// Whether every lane has its database, as far as it has noticed, and that has room.
    fn can_write(&self) -> bool {
        true
    }

    /// Finishes what waits and stops every lane. Blocks.
    fn close(&self);
}

/// How the lanes of a backend fare.
#[derive(Clone, Default)]
pub(crate) struct Health {
    /// Whether a lane has ended although nobody closed it.
    stopped: watch::Sender<bool>,
    /// How many lanes wait for their database.
    away: Arc<AtomicUsize>,
    /// When a batch was last refused for want of room or of handles.
    short: Arc<Mutex<Option<Instant>>>,
}

/// For so long after a batch was refused for want of room the database counts as one that takes
/// nothing in: a server whose disk is full goes on to take what needs no new page.
const SHORT: Duration = Duration::from_secs(3);

impl Health {
    /// Returns when a lane has ended although nobody closed it.
    pub(crate) async fn stopped(&self) {
        // This value holds a sender, so the channel is never closed.
        let _ = self.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    pub(crate) fn can_write(&self) -> bool {
        self.away.load(Ordering::SeqCst) == 0 && !*self.stopped.borrow() && !self.is_short()
    }

    fn is_short(&self) -> bool {
        let short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        short.is_some_and(|since| since.elapsed() < SHORT)
    }

    fn was_short(&self) {
        let mut short = self.short.lock().unwrap_or_else(PoisonError::into_inner);
        *short = Some(Instant::now());
    }
}

/// Held by the thread of a lane: however that ends, even by a panic, nobody waits for it any more.
pub(crate) struct LaneThread {
    queue: Arc<Queue<Job>>,
    health: Health,
}

impl LaneThread {
    pub(crate) fn new(queue: &Arc<Queue<Job>>, health: &Health) -> LaneThread {
        LaneThread {
            queue: Arc::clone(queue),
            health: health.clone(),
        }
    }

    /// Works until the queue is closed and empty, or nothing can be trusted any more. Commands of
    /// another group go to `wide`. The lanes take turns at the one engine.
    pub(crate) fn work(
        &self,
        lanes: &mut [Lane],
        engine: &mut dyn Engine,
        wide: Option<&Queue<Job>>,
    ) {
        Work {
            queue: &self.queue,
            wide,
            health: &self.health,
        }
        .run(lanes, engine);
    }
}

impl Drop for LaneThread {
    fn drop(&mut self) {
        if !self.queue.is_closed() {
            self.queue.close();
            self.health.stopped.send_replace(true);
        }
        self.queue.take_waiting().into_iter().for_each(refuse);
    }
}

/// Makes an item of an envelope and gives it to the backend.
pub(crate) async fn submit(
    backend: &dyn Backend,
    urgency: Urgency,
    envelope: Envelope,
) -> Result<Answer, StoreError> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    let envelope = Arc::new(envelope);
    backend.submit(urgency, Item { envelope, reply })?;
    answer.await.map_err(|_| StoreError::Stopped)?
}

/// The engine could not be brought back; everybody has been answered, the lane knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database did not come back")]
pub struct Away;

/// Does what the lane says until everything it began is answered.
///
/// # Errors
///
/// [`Away`].
pub fn drive(lane: &mut Lane, engine: &mut dyn Engine) -> Result<(), Away> {
    engine.turn_to(lane.chain());
    loop {
        match lane.next_action() {
            Action::Begin => {
                if let Err(failure) = engine.begin() {
                    lane.loaded(Err(failure));
                }
            }
            Action::Load(needs) => {
                let found = engine.load(&needs);
                lane.loaded(found);
            }
            Action::Write(plan) => {
                let outcome = engine.write(plan);
                lane.written(outcome);
            }
            Action::Prove => {
                let outcome = engine.prove();
                lane.written(outcome);
            }
            Action::Recover(link) => {
                let outcome = engine.recover(link.as_ref());
                let lost = outcome.is_err();
                lane.recovered(outcome);
                if lost {
                    return Err(Away);
                }
            }
            Action::Rest => {
                engine.rest();
                return Ok(());
            }
        }
    }
}

/// What a lane's thread takes from and gives to.
struct Work<'t> {
    queue: &'t Queue<Job>,
    wide: Option<&'t Queue<Job>>,
    health: &'t Health,
}

impl Work<'_> {
    fn run(&self, lanes: &mut [Lane], engine: &mut dyn Engine) {
        let mut busy = false;
        let most = BATCH_MAX.saturating_mul(lanes.len());
        loop {
            let linger = if busy { LINGER } else { Duration::ZERO };
            let deferred = lanes.iter().any(Lane::has_deferred);
            let Some((urgency, jobs)) = self.queue.take(most, linger, !deferred) else {
                break;
            };
            busy = urgency == Urgency::Payment && jobs.len() > 1;
            let mut shares: Vec<Vec<Item>> = lanes.iter().map(|_| Vec::new()).collect();
            for job in jobs {
                match job {
                    Job::Command(item, place) => match shares.get_mut(place) {
                        Some(share) => share.push(item),
                        None => refuse(Job::Command(item, place)),
                    },
                    Job::Aside(work, reply) => {
                        let done = engine.aside(&work);
                        if let Err(failure) = &done {
                            lanes.iter_mut().for_each(|lane| lane.met(failure));
                        }
                        let _ = reply.send(done.map_err(StoreError::from));
                    }
                }
            }
            let mut was_lost = false;
            for (lane, mut share) in lanes.iter_mut().zip(shares) {
                if was_lost {
                    // They waited for another lane's recovery long enough.
                    share
                        .drain(..)
                        .for_each(|item| refuse(Job::Command(item, 0)));
                }
                was_lost |= self.turn(lane, engine, urgency, share).is_err();
                if lane.has_stopped() {
                    return;
                }
            }
            if urgency == Urgency::Background {
                self.queue.rest(GAP);
            }
        }
    }

    /// One lane's turn: its commands, in batches, until all of them are answered. The engine may
    /// have been lost meanwhile; then it is back, or the lane has ended.
    fn turn(
        &self,
        lane: &mut Lane,
        engine: &mut dyn Engine,
        urgency: Urgency,
        mut share: Vec<Item>,
    ) -> Result<(), Away> {
        loop {
            let rest = share.split_off(share.len().min(BATCH_MAX));
            lane.begin(share);
            share = rest;
            if share.is_empty() {
                break;
            }
        }
        let outcome = drive(lane, engine);
        if lane.take_was_short() {
            self.health.was_short();
        }
        for item in lane.take_elsewhere() {
            self.send_on(urgency, item);
        }
        if outcome.is_err() {
            self.health.away.fetch_add(1, Ordering::SeqCst);
            while !lane.has_stopped() {
                for job in self.queue.take_waiting() {
                    refuse(job);
                }
                self.queue.pause(LOST_PAUSE);
                if self.queue.is_closed() || drive(lane, engine).is_ok() {
                    break;
                }
            }
            self.health.away.fetch_sub(1, Ordering::SeqCst);
        }
        outcome
    }

    fn send_on(&self, urgency: Urgency, item: Item) {
        let Some(wide) = self.wide else {
            let _ = item.reply.send(Err(StoreError::Stopped));
            return;
        };
        if let Err((Job::Command(item, _), closed)) = offer(wide, urgency, Job::Command(item, 0)) {
            let _ = item.reply.send(Err(StoreError::not_taken(closed)));
        }
    }
}

fn refuse(job: Job) {
    let unavailable = || StoreError::Unavailable {
        why: "the database cannot be reached".to_owned(),
    };
    match job {
        Job::Command(item, _) => {
            let _ = item.reply.send(Err(unavailable()));
        }
        Job::Aside(_, reply) => {
            let _ = reply.send(Err(unavailable()));
        }
    }
}
