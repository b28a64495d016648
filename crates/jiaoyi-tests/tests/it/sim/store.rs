//! The store as one node sees it: the real lanes over the shared database, with a line between them
//! that delays, breaks, and loses the answers of commits.

use super::executor::lock;
use super::seen::Situation;
use super::world::World;
use jiaoyi_domain::audit::{ChainId, Link};
use jiaoyi_domain::record::Value;
use jiaoyi_store::batch::{ALL_BUCKETS, Chain, Group, Plan, first_buckets};
use jiaoyi_store::engine::{Aside, Away, Backend, Boxed, Job, RawRows};
use jiaoyi_store::lane::{Action, Item, Lane, Reply, Trouble};
use jiaoyi_store::{Failure, ImportUnderWay, Snapshot, StoreError, Urgency};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

/// Most commands of one batch.
const BATCH_MAX: usize = 128;
/// How long a lane that lost its database waits before it looks again, in milliseconds.
const LOST_PAUSE_MS: i64 = 200;

/// What waits for a lane.
#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    waker: Option<Waker>,
}

struct Place {
    group: Group,
    waiting: Mutex<Waiting>,
}

/// The lanes of one node; the last one is wide.
pub struct Lanes {
    world: Arc<World>,
    node: usize,
    places: Vec<Place>,
}

impl Lanes {
    /// Opens the store of a node: barriers, then lanes with chains of their own.
    pub async fn open(world: &Arc<World>, node: usize) -> Result<Arc<Lanes>, StoreError> {
        let mut groups: Vec<Group> = vec![ALL_BUCKETS];
        if world.split_lanes {
            let ranges = [0..=1365, 1366..=2730, 2731..=4095];
            groups = ranges.into_iter().map(Group::from_iter).collect();
            groups.push(ALL_BUCKETS);
        }
        let last_day = world.database.last_book_day()?;
        let place = |group| Place {
            group,
            waiting: Mutex::default(),
        };
        let lanes = Arc::new(Lanes {
            world: Arc::clone(world),
            node,
            places: groups.into_iter().map(place).collect(),
        });
        for place in 0..lanes.places.len() {
            world.pause(0, 3).await;
            world.database.recover(&lanes.writer(place), None)?;
            let group = lanes.places[place].group.clone();
            let home = group.home();
            let mut drawn = [0; 16];
            for chunk in drawn.chunks_mut(8) {
                chunk.copy_from_slice(&lock(&world.chance).next().to_be_bytes());
            }
            let today = world.now().date();
            let chain = Chain::new(ChainId::at(home, drawn), today, last_day);
            let lane = Lane::new(chain, group);
            world
                .executor
                .spawn(Some(node), work(Arc::clone(&lanes), place, lane));
        }
        Ok(lanes)
    }

    fn writer(&self, place: usize) -> Vec<u8> {
        format!("node {} lane {place}", self.node).into_bytes()
    }

    /// The lane of a command, as the server's backend chooses it.
    fn place_of(&self, item: &Item) -> usize {
        let wide = self.places.len() - 1;
        let buckets = first_buckets(&item.envelope);
        if buckets.is_empty() {
            return wide;
        }
        let within = |place: &Place| buckets.iter().all(|bucket| place.group.contains(*bucket));
        self.places.iter().position(within).unwrap_or(wide)
    }

    fn push(&self, place: usize, job: Job) {
        let mut waiting = lock(&self.places[place].waiting);
        waiting.jobs.push_back(job);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
    }

    /// Everything that waits, once something does.
    async fn take(&self, place: usize) -> Vec<Job> {
        std::future::poll_fn(|context| {
            let mut waiting = lock(&self.places[place].waiting);
            if waiting.jobs.is_empty() {
                waiting.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            let count = waiting.jobs.len().min(BATCH_MAX);
            Poll::Ready(waiting.jobs.drain(..count).collect())
        })
        .await
    }

    fn refuse_waiting(&self, place: usize) {
        let waiting = std::mem::take(&mut lock(&self.places[place].waiting).jobs);
        let unavailable = || StoreError::Unavailable {
            why: "the database is away".to_owned(),
        };
        for job in waiting {
            match job {
                Job::Command(item, _) => drop(item.reply.send(Err(unavailable()))),
                Job::Aside(_, reply) => drop(reply.send(Err(unavailable()))),
            }
        }
    }

    /// The time on the line to the database; the node may die meanwhile.
    async fn line(&self, whereabouts: &str) {
        self.world.pause(0, self.world.line_ms).await;
        self.world.may_crash(self.node, whereabouts).await;
    }

    fn commands(plan: &Plan) -> String {
        let names: Vec<&str> = plan
            .events
            .iter()
            .map(|event| event.command.as_str())
            .collect();
        names.join(" ")
    }

    /// Commits a plan, or does not, and says so, or does not.
    async fn write(&self, place: usize, plan: Plan) -> Result<(), Failure> {
        let world = &self.world;
        self.line("before a commit").await;
        let troubles = world.troubles.commit;
        let who = format!("node {} lane {place}", self.node);
        let lost = || Failure::Unknown("the answer of a commit was lost".to_owned());
        if world.strikes(troubles) {
            match world.below(5) {
                0 => {
                    world.saw(Situation::RowBlocked);
                    return Err(Failure::Blocked("somebody holds the row".to_owned()));
                }
                1 => {
                    world.saw(Situation::LostNotDurable);
                    world.note(format!("{who} loses a commit: {}", Lanes::commands(&plan)));
                    return Err(lost());
                }
                2 => {
                    world.saw(Situation::OutOfRoom);
                    return Err(Failure::Down("no room".to_owned()));
                }
                3 => {
                    let late = Arc::clone(world);
                    world.executor.spawn(None, async move {
                        late.pause(1, 400).await;
                        let written = late.database.write(&plan);
                        let names = Lanes::commands(&plan);
                        late.note(format!("{who} a late commit: {names}: {written:?}"));
                        late.saw(match written {
                            Ok(()) => Situation::LateCommitDurable,
                            Err(_) => Situation::LateCommitFails,
                        });
                    });
                    return Err(lost());
                }
                _ => {
                    self.commit(&who, &plan)?;
                    world.saw(Situation::LostDurable);
                    world.note(format!("{who} is not told of it"));
                    return Err(lost());
                }
            }
        }
        self.commit(&who, &plan)?;
        self.line("after a commit").await;
        Ok(())
    }

    fn commit(&self, who: &str, plan: &Plan) -> Result<(), Failure> {
        let written = self.world.database.write(plan);
        let commands = Lanes::commands(plan);
        match &written {
            Ok(()) => {
                if plan.verdicts.len() > 1 {
                    self.world.saw(Situation::SharedCommit);
                }
                self.world
                    .note(format!("{who} commits {}: {commands}", plan.link.link_no));
            }
            Err(failure) => {
                if matches!(failure, Failure::Conflict(_)) {
                    self.world.saw(Situation::Conflict);
                } else {
                    self.world.saw(Situation::BrokenConstraint);
                }
                self.world
                    .note(format!("{who} cannot commit {commands}: {failure}"));
            }
        }
        written
    }

    async fn recover(&self, place: usize, link: Option<Link>) -> Result<Option<Link>, Trouble> {
        self.line("while it comes back").await;
        if self.world.strikes(300) {
            self.world.saw(Situation::DatabaseAway);
            return Err(Trouble::Later("not yet".to_owned()));
        }
        let found = self
            .world
            .database
            .recover(&self.writer(place), link.as_ref());
        found.map_err(|failure| Trouble::Later(failure.to_string()))
    }

    /// Does what the lane says until everything it began is answered: `engine::drive` with time.
    async fn drive(&self, place: usize, lane: &mut Lane) -> Result<(), Away> {
        enum Next {
            Begin,
            Load(Vec<jiaoyi_domain::needs::Need>),
            Write(Box<Plan>),
            Prove,
            Recover(Option<Link>),
            Rest,
        }
        loop {
            // The plan is copied, because a lane that is borrowed cannot wait.
            let next = match lane.next_action() {
                Action::Begin => Next::Begin,
                Action::Load(needs) => Next::Load(needs),
                Action::Write(plan) => Next::Write(Box::new(plan.clone())),
                Action::Prove => Next::Prove,
                Action::Recover(link) => Next::Recover(link),
                Action::Rest => Next::Rest,
            };
            match next {
                Next::Begin => {}
                Next::Load(needs) => {
                    self.line("while it loads").await;
                    let found = self.world.database.load(&needs);
                    self.world.pause(0, self.world.line_ms).await;
                    lane.loaded(found);
                }
                Next::Write(plan) => {
                    let outcome = self.write(place, *plan).await;
                    lane.written(outcome);
                }
                Next::Prove => {
                    self.line("before it proves a read").await;
                    let lost = self.world.strikes(self.world.troubles.commit / 4);
                    lane.written(if lost {
                        self.world.saw(Situation::BarrierLost);
                        Err(Failure::Unknown("a barrier was not confirmed".to_owned()))
                    } else {
                        self.world
                            .database
                            .recover(&self.writer(place), None)
                            .map(drop)
                    });
                }
                Next::Recover(link) => {
                    let outcome = self.recover(place, link).await;
                    let lost = outcome.is_err();
                    lane.recovered(outcome);
                    if lost {
                        return Err(Away);
                    }
                }
                Next::Rest => return Ok(()),
            }
        }
    }

    fn send_on(&self, item: Item) {
        self.push(self.places.len() - 1, Job::Command(item, 0));
    }
}

/// A lane at work, as the store's own thread does it.
async fn work(lanes: Arc<Lanes>, place: usize, mut lane: Lane) {
    loop {
        let jobs = if lane.has_deferred() {
            lanes.world.pause(1, 10).await;
            Vec::new()
        } else {
            let jobs = lanes.take(place).await;
            lanes.world.pause(0, 2).await;
            jobs
        };
        let mut items = Vec::new();
        for job in jobs {
            match job {
                Job::Command(item, _) => items.push(item),
                Job::Aside(work, reply) => {
                    lanes.line("before work beside the commands").await;
                    let done = lanes.world.database.aside(&work);
                    if let Err(failure) = &done {
                        lane.met(failure);
                    }
                    let _ = reply.send(done.map_err(StoreError::from));
                }
            }
        }
        lane.begin(items);
        let mut driven = lanes.drive(place, &mut lane).await;
        lane.take_elsewhere()
            .into_iter()
            .for_each(|item| lanes.send_on(item));
        while driven.is_err() {
            lanes.refuse_waiting(place);
            lanes.world.executor.sleep(LOST_PAUSE_MS).await;
            driven = lanes.drive(place, &mut lane).await;
        }
    }
}

impl Backend for Lanes {
    fn submit(&self, _: Urgency, item: Item) -> Result<(), StoreError> {
        let place = self.place_of(&item);
        if place > 0 && place + 1 == self.places.len() {
            self.world.saw(Situation::WideBatch);
        }
        self.push(place, Job::Command(item, 0));
        Ok(())
    }

    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError> {
        self.push(0, Job::Aside(work, reply));
        Ok(())
    }

    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>> {
        Box::pin(async move {
            let world = &self.world;
            if world.below(4) == 0 {
                self.line("while it reads").await;
            }
            if world.strikes(world.troubles.database) {
                world.saw(Situation::ReadFails);
                return Err(StoreError::Unavailable {
                    why: "a read failed".to_owned(),
                });
            }
            world.database.read(file, name, given)
        })
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.world.database.snapshot()
    }

    fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        Err(StoreError::Unavailable {
            why: "no roster is taken in here".to_owned(),
        })
    }

    fn nobody_imports(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn url(&self) -> &str {
        "memory"
    }

    fn close(&self) {}
}
