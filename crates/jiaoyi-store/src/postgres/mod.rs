//! PostgreSQL as an engine and a backend: a few writer connections for the lanes of the bucket
//! groups and one for the wide lane, each with a queue; other connections for reading. A lane has
//! a chain and a barrier of its own. On distributed PostgreSQL the groups are the shards.
//!
//! Rows are loaded and written by statements that take arrays, all of a round sent together, so a
//! batch costs a few journeys whatever its size. Nothing rests on the isolation level: every
//! changed row is named with its version, and every count is compared.

pub(crate) mod bare;
mod citus;
mod door;
mod lane;
mod mark;
mod proof;
mod readers;
mod rounds;
mod server;
mod session;
mod snapshot;
mod target;
mod values;

pub use citus::Distribution;
pub(crate) use mark::Mark;
pub(crate) use server::check_url;
pub(crate) use snapshot::PostgresSnapshot;
pub(crate) use target::PostgresTarget;

use crate::batch::{ALL_BUCKETS, Chain, Group, first_buckets};
use crate::engine::{Aside, Backend, Boxed, Health, Job, LaneThread, RawRows, enqueue};
use crate::error::StoreError;
use crate::group::Groups;
use crate::import_mark::ImportUnderWay;
use crate::lane::{Item, Lane, Reply};
use crate::queue::{Queue, Urgency};
use crate::schema::assert_whole;
use crate::snapshot::Snapshot;
use door::Door;
use jiaoyi_domain::audit::ChainId;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::{Bucket, Date, Instant};
use lane::{Machines, PostgresEngine, barrier};
use proof::Proof;
use readers::Readers;
use rounds::Rounds;
use server::Server;
use std::sync::{Arc, Mutex, PoisonError};

/// Writer connections for the bucket groups, unless another number is asked for.
pub(crate) const WRITERS: u16 = 4;
/// How many commands may wait for each lane; beyond that the answer is "busy" at once.
const PAYMENTS_MAX: usize = 2048;
/// How many background jobs may wait for each lane.
const BACKGROUND_MAX: usize = 64;

struct Running {
    queue: Arc<Queue<Job>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Running {
    fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// A PostgreSQL database.
pub(crate) struct PostgresBackend {
    server: Server,
    url: String,
    groups: Groups,
    /// The lane of the group at place `n` is number `n / writers.len()` of writer
    /// `n % writers.len()`.
    writers: Vec<Running>,
    wide: Running,
    readers: Readers,
    door: Arc<Door>,
    /// `None` on a distributed database, where a statement is to ask one machine.
    rounds: Option<Arc<Rounds>>,
    health: Health,
}

/// A URL that may be shown.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.split_once('@') {
        Some((who, rest)) => {
            let user = who.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{rest}")
        }
        None => url.to_owned(),
    }
}

/// Runs the future of a connection on a runtime of this thread only.
pub(crate) fn own_runtime() -> Result<tokio::runtime::Runtime, StoreError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| StoreError::Unavailable {
            why: error.to_string(),
        })
}

/// Runs blocking work on a thread of its own, so that it may be called from anywhere.
pub(crate) fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let thread = std::thread::Builder::new()
        .name("store-postgres".to_owned())
        .spawn(work)
        .map_err(|error| StoreError::Unavailable {
            why: error.to_string(),
        })?;
    thread.join().map_err(|_| StoreError::Stopped)?
}

/// Does something with a session of its own, on a thread of its own.
fn reached<T: Send + 'static>(
    url: &str,
    work: impl AsyncFnOnce(&mut session::Session) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let server = Server::of(url)?;
    let shown = without_password(url);
    apart(move || {
        own_runtime()?.block_on(async {
            let mut session = session::Session::reach(&server, &shown).await?;
            work(&mut session).await
        })
    })
}

/// The version of the schema now; nothing is changed.
pub(crate) fn schema_version(url: &str) -> Result<i64, StoreError> {
    reached(url, async |session| session.schema_version().await)
}

/// See [`crate::Database::migrate`].
pub(crate) fn migrate(
    url: &str,
    migrations: &'static [(i64, &'static str)],
    now: Instant,
) -> Result<(), StoreError> {
    reached(url, async move |session| {
        session.run(migrations, now.0).await
    })
}

/// How a database is distributed over machines; `None` when it is not.
pub(crate) fn distribution(url: &str) -> Result<Option<Distribution>, StoreError> {
    reached(url, async |session| session.distribution().await)
}

/// What is known of a database before its lanes start.
struct Prepared {
    last_day: Option<Date>,
    /// The shards of a distributed database.
    shards: Option<Groups>,
}

/// Migrates, asserts settings, places tables, and reads the last book day.
fn prepare(server: Server, url: String, now: Instant) -> Result<Prepared, StoreError> {
    apart(move || {
        own_runtime()?.block_on(async {
            let mut session = session::Session::reach(&server, &url).await?;
            let distributed = session.is_distributed().await?;
            session.assert_settings(&url, distributed).await?;
            session.migrate(&url, now.0).await?;
            assert_whole(session.is_copying().await?, &url)?;
            let shards = if distributed {
                session.place_tables().await?;
                Some(session.shard_groups().await?)
            } else {
                None
            };
            let rows = session.query("queries", "last_book_day", &[]).await?;
            let day: Option<String> = match rows.first() {
                Some(row) => row.try_get(0)?,
                None => None,
            };
            let last_day = day.and_then(|day| day.parse().ok());
            Ok(Prepared { last_day, shards })
        })
    })
}

impl PostgresBackend {
    /// `drawn` is a fresh random number: the chains of the lanes are made of it.
    pub(crate) fn open(
        url: &str,
        drawn: [u8; 16],
        now: Instant,
        writers: u16,
    ) -> Result<PostgresBackend, StoreError> {
        let server = Server::of(url)?;
        let shown = without_password(url);
        let prepared = prepare(server.clone(), shown.clone(), now)?;
        let chain = |number: usize, home| {
            let mut drawn = drawn;
            let number = u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
            for (place, part) in [14, 15].into_iter().zip(number) {
                drawn[place] = drawn[place].wrapping_add(part);
            }
            Chain::new(ChainId::at(home, drawn), now.date(), prepared.last_day)
        };
        let machines = Machines {
            distributed: prepared.shards.is_some(),
            shards: prepared.shards.unwrap_or_else(|| Groups::ranges(1)),
        };
        // The last of the numbers: no lane has it.
        let homes = machines.shards.list().iter().map(Group::home);
        let barriers = homes.map(|home| barrier(home, chain(usize::MAX, home).id, now));
        let proof = Proof::new(barriers.collect());
        let writer = Writer {
            door: Arc::new(Door::new(server.clone(), proof)),
            machines: Arc::new(machines),
            now,
            health: Health::default(),
        };
        // Each shard is a group; without distribution each writer has one.
        let groups = match writer.machines.distributed {
            true => writer.machines.shards.clone(),
            false => Groups::ranges(writers),
        };
        let wide = writer.start(
            "store-wide",
            vec![(chain(0, Bucket::default()), ALL_BUCKETS)],
            None,
        )?;
        let writers = usize::from(writers).clamp(1, groups.list().len());
        let mut running = Vec::with_capacity(writers);
        for first in 0..writers {
            let lanes = groups
                .list()
                .iter()
                .enumerate()
                .skip(first)
                .step_by(writers);
            let lanes = lanes.map(|(place, group)| (chain(place + 1, group.home()), group.clone()));
            let other = Some(Arc::clone(&wide.queue));
            running.push(writer.start(&format!("store-{first}"), lanes.collect(), other)?);
        }
        Ok(PostgresBackend {
            server,
            url: shown,
            groups,
            writers: running,
            wide,
            rounds: (!writer.machines.distributed).then(|| Rounds::new(Arc::clone(&writer.door))),
            readers: Readers::new(Arc::clone(&writer.door)),
            door: writer.door,
            health: writer.health,
        })
    }

    /// The writer of a command and its lane there: that of its bucket group, or the wide one.
    fn lane_of(&self, item: &Item) -> (&Running, usize) {
        match self.groups.common(&first_buckets(&item.envelope)) {
            Some(place) => {
                let count = self.writers.len();
                (&self.writers[place % count], place / count)
            }
            None => (&self.wide, 0),
        }
    }
}

/// What the writers of a backend have in common.
struct Writer {
    door: Arc<Door>,
    machines: Arc<Machines>,
    now: Instant,
    health: Health,
}

impl Writer {
    /// Starts the lanes of one connection on a thread of its own; its first barriers are written
    /// when this returns.
    fn start(
        &self,
        name: &str,
        lanes: Vec<(Chain, Group)>,
        wide: Option<Arc<Queue<Job>>>,
    ) -> Result<Running, StoreError> {
        let queue = Arc::new(Queue::new(PAYMENTS_MAX, BACKGROUND_MAX));
        let lane_thread = LaneThread::new(&queue, &self.health);
        let (door, now) = (Arc::clone(&self.door), self.now);
        let machines = Arc::clone(&self.machines);
        let (ready, started) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let chains: Vec<ChainId> = lanes.iter().map(|(chain, _)| chain.id).collect();
                let opened = PostgresEngine::open(door, machines, &chains, now);
                let mut engine = match opened {
                    Ok(engine) => engine,
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return;
                    }
                };
                let _ = ready.send(Ok(()));
                let lanes = lanes.into_iter();
                let mut lanes: Vec<Lane> = lanes
                    .map(|(chain, group)| Lane::new(chain, group))
                    .collect();
                lane_thread.work(&mut lanes, &mut engine, wide.as_deref());
            })
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        started.recv().map_err(|_| StoreError::Stopped)??;
        Ok(Running {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl Backend for PostgresBackend {
    fn submit(&self, urgency: Urgency, item: Item) -> Result<(), StoreError> {
        let (writer, place) = self.lane_of(&item);
        enqueue(&writer.queue, urgency, Job::Command(item, place))
    }

    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError> {
        let job = Job::Aside(work, reply);
        enqueue(&self.wide.queue, Urgency::Background, job)
    }

    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>> {
        Box::pin(async move {
            let rows = match &self.rounds {
                Some(rounds) if Rounds::takes(file, name) => {
                    Arc::clone(rounds).read(file, name, given.to_vec()).await?
                }
                _ => self.readers.read(file, name, given).await?,
            };
            self.door.proof.settled().await?;
            Ok(rows)
        })
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(PostgresSnapshot::open(self.server.clone(), self.url.clone())?.into())
    }

    fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        Ok(Mark::hold(self.server.clone())?.into())
    }

    fn nobody_imports(&self) -> Result<bool, StoreError> {
        Mark::is_free(self.server.clone())
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn stopped(&self) -> Boxed<'_, ()> {
        Box::pin(self.health.stopped())
    }

    fn can_write(&self) -> bool {
        self.health.can_write()
    }

    fn close(&self) {
        self.writers.iter().for_each(Running::close);
        self.wide.close();
        self.readers.let_go();
        if let Some(rounds) = &self.rounds {
            rounds.let_go();
        }
    }
}
