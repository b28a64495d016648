//! PostgreSQL as an engine and a backend: a few lanes by bucket group and a wide one, each with a
//! writer connection, a queue, a chain and a barrier of its own; other connections for reading.
//!
//! Rows are loaded and written by statements that take arrays, all of a round sent together, so a
//! batch costs a few journeys whatever its size. Nothing rests on the isolation level: every
//! changed row is named with its version, and every count is compared.

mod lane;
mod mark;
mod session;
mod snapshot;
mod target;
mod values;

pub(crate) use mark::Mark;
pub(crate) use snapshot::PostgresSnapshot;
pub(crate) use target::PostgresTarget;

use crate::batch::{ALL_BUCKETS, Chain, Group, first_buckets};
use crate::engine::{Aside, Backend, Boxed, Health, Job, LaneThread, RawRows};
use crate::error::StoreError;
use crate::import_mark::ImportUnderWay;
use crate::lane::{Item, Lane, Reply};
use crate::queue::{Queue, Urgency};
use crate::schema::assert_whole;
use crate::snapshot::Snapshot;
use crate::statements::postgres_text;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use jiaoyi_domain::audit::ChainId;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::{Bucket, Date, Instant};
use lane::PostgresEngine;
use session::refs;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_postgres::{Config, NoTls};
use values::{Bound, read_rows};

/// Lanes with a bucket group of their own.
const LANES: u16 = 4;
/// How many commands may wait for each lane; beyond that the answer is "busy" at once.
const PAYMENTS_MAX: usize = 2048;
/// How many background jobs may wait for each lane.
const BACKGROUND_MAX: usize = 64;
/// Connections for reading.
const READERS: usize = 4;

/// The groups: as many equal ranges as there are lanes.
fn groups() -> Vec<Group> {
    let width = 4096 / LANES;
    (0..LANES)
        .map(|lane| lane * width..=lane * width + (width - 1))
        .collect()
}

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
    config: Config,
    url: String,
    groups: Vec<Group>,
    lanes: Vec<Running>,
    wide: Running,
    readers: Pool,
    health: Health,
}

/// The parts of a URL.
pub(crate) fn config_of(url: &str) -> Result<Config, StoreError> {
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        StoreError::Open {
            path: without_password(url),
            why: why.unwrap_or_else(|| error.to_string()),
        }
    })?;
    config.application_name("jiaoyi");
    Ok(config)
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

/// The version of the schema now; nothing is changed.
pub(crate) fn schema_version(url: &str) -> Result<i64, StoreError> {
    let config = config_of(url)?;
    let shown = without_password(url);
    apart(move || {
        own_runtime()?.block_on(async {
            let session = session::Session::reach(&config, &shown).await?;
            session.schema_version().await
        })
    })
}

/// Migrates, asserts settings, and reads the last book day.
fn prepare(config: Config, url: String, now: Instant) -> Result<Option<Date>, StoreError> {
    apart(move || {
        own_runtime()?.block_on(async {
            let mut session = session::Session::reach(&config, &url).await?;
            session.assert_settings(&url).await?;
            session.migrate(&url, now.0).await?;
            assert_whole(session.is_copying().await?, &url)?;
            let rows = session.query("queries", "last_book_day", &[]).await?;
            let day: Option<String> = match rows.first() {
                Some(row) => row.try_get(0)?,
                None => None,
            };
            Ok(day.and_then(|day| day.parse().ok()))
        })
    })
}

impl PostgresBackend {
    /// `drawn` is a fresh random number: the chains of the lanes are made of it.
    pub(crate) fn open(
        url: &str,
        drawn: [u8; 16],
        now: Instant,
    ) -> Result<PostgresBackend, StoreError> {
        let config = config_of(url)?;
        let shown = without_password(url);
        let last_day = prepare(config.clone(), shown.clone(), now)?;
        let chain = |number: u8, home: u16| {
            let mut drawn = drawn;
            drawn[15] = drawn[15].wrapping_add(number);
            let home = Bucket::try_new(home).unwrap_or_default();
            Chain::new(ChainId::at(home, drawn), now.date(), last_day)
        };
        let health = Health::default();
        let start = |chain, group, wide| start(&config, chain, group, now, wide, &health);
        let wide = start(chain(0, 0), ALL_BUCKETS, None)?;
        let groups = groups();
        let mut lanes = Vec::with_capacity(groups.len());
        for (number, group) in (1..).zip(&groups) {
            let chain = chain(number, *group.start());
            let other = Some(Arc::clone(&wide.queue));
            lanes.push(start(chain, group.clone(), other)?);
        }
        let manager = Manager::from_config(
            config.clone(),
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let readers = Pool::builder(manager)
            .max_size(READERS)
            .build()
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        Ok(PostgresBackend {
            config,
            url: shown,
            groups,
            lanes,
            wide,
            readers,
            health,
        })
    }

    /// The lane of a command: that of its bucket group, or the wide one.
    fn lane_of(&self, item: &Item) -> &Running {
        let Some((low, high)) = first_buckets(&item.envelope) else {
            return &self.wide;
        };
        let within = |group: &Group| group.contains(&low) && group.contains(&high);
        let place = self.groups.iter().position(within);
        place.map_or(&self.wide, |place| &self.lanes[place])
    }

    async fn read(&self, text: &'static str, given: &[Value]) -> Result<RawRows, StoreError> {
        let unavailable = |why: String| StoreError::Unavailable { why };
        let client = self.readers.get().await;
        let client = client.map_err(|error| unavailable(error.to_string()))?;
        let statement = client.prepare_cached(text).await?;
        let bound: Vec<Bound<'_>> = given.iter().map(Bound).collect();
        read_rows(&client.query(&statement, &refs(&bound)).await?)
    }
}

/// Starts a lane on a thread of its own; its first barrier is written when this returns.
fn start(
    config: &Config,
    chain: Chain,
    group: Group,
    now: Instant,
    wide: Option<Arc<Queue<Job>>>,
    health: &Health,
) -> Result<Running, StoreError> {
    let queue = Arc::new(Queue::new(PAYMENTS_MAX, BACKGROUND_MAX));
    let lane_thread = LaneThread::new(&queue, health);
    let config = config.clone();
    let (ready, started) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new()
        .name(format!("store-{}", group.start()))
        .spawn(move || {
            let mut engine = match PostgresEngine::open(config, &chain, now) {
                Ok(engine) => engine,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let _ = ready.send(Ok(()));
            let mut lane = Lane::new(chain, group);
            lane_thread.work(&mut lane, &mut engine, wide.as_deref());
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

impl Backend for PostgresBackend {
    fn submit(&self, urgency: Urgency, item: Item) -> Result<(), StoreError> {
        let lane = self.lane_of(&item);
        let pushed = lane.queue.push(urgency, Job::Command(item));
        pushed.map_err(|(_, closed)| StoreError::not_taken(closed))
    }

    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError> {
        let job = Job::Aside(work, reply);
        let pushed = self.wide.queue.push(Urgency::Background, job);
        pushed.map_err(|(_, closed)| StoreError::not_taken(closed))
    }

    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>> {
        Box::pin(self.read(postgres_text(file, name), given))
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(PostgresSnapshot::open(self.config.clone(), &self.url)?.into())
    }

    fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        Ok(Mark::hold(self.config.clone())?.into())
    }

    fn nobody_imports(&self) -> Result<bool, StoreError> {
        Mark::is_free(self.config.clone())
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
        for lane in &self.lanes {
            lane.close();
        }
        self.wide.close();
    }
}
