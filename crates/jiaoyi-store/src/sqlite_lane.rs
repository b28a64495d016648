//! The embedded file as an engine and a backend: one writer on a thread of its own, and a few
//! connections for reading.
//!
//! A system that failed to sync may forget what it was to sync and still call the next sync a
//! success. So after a failed read, write or sync nothing is acknowledged from that log again: either
//! everything in it is written to the file and the log is begun anew, or the store stops. Want of
//! room is another matter: nothing was written, and nothing is until there is room.

use crate::batch::{ALL_BUCKETS, Chain, Found, Plan};
use crate::engine::{
    Aside, Backend, Boxed, Engine, Health, Job, LaneThread, RawRows, Reads, enqueue,
};
use crate::error::{Failure, StoreError};
use crate::import_mark::{ImportUnderWay, file_is_free, hold_file};
use crate::lane::{Item, Lane, Reply, Trouble};
use crate::queue::{Queue, Urgency};
use crate::schema::assert_whole;
use crate::snapshot::Snapshot;
use crate::sqlite::{self, query};
use crate::sqlite_batch;
use crate::sqlite_checkpoint::{Checkpointer, Written, checkpoint};
use crate::sqlite_readers::Readers;
use crate::statements::sql;
use jiaoyi_domain::audit::{ChainId, Link};
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::{Bucket, Instant};
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many commands may wait; beyond that the answer is "busy" at once.
const PAYMENTS_MAX: usize = 4096;
/// How many background jobs may wait.
const BACKGROUND_MAX: usize = 64;

/// How often a log that has to be written back may be kept busy by readers of other processes,
/// before the store stops: half a minute.
const WRITE_BACK_TRIES_MAX: u32 = 75;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        let why = format!("database: {error}");
        match error.sqlite_error_code() {
            // The last two: a statement or a value that the engine does not take.
            Some(
                ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::Unknown,
            )
            | None => Failure::Batch(why),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::Busy(why),
            Some(ErrorCode::SystemIoFailure) => Failure::Broken(why),
            Some(_) => Failure::Down(why),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Engine(error) => error.into(),
            other => Failure::Batch(other.to_string()),
        }
    }
}

/// How a checkpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checkpoint {
    /// Everything is in the file, and the log is empty.
    Whole,
    /// Another connection was in the way.
    Blocked,
}

/// The one writer connection of a file.
pub(crate) struct SqliteEngine {
    connection: Connection,
    written: Arc<Written>,
    /// Reading, writing or syncing has failed, and the log was not written back since.
    broken: bool,
    /// How often the log could not be written back since then.
    blocked: u32,
}

impl SqliteEngine {
    fn new(connection: Connection, written: Arc<Written>) -> SqliteEngine {
        SqliteEngine {
            connection,
            written,
            broken: false,
            blocked: 0,
        }
    }

    /// Remembers a failure after which the log cannot be trusted.
    fn noted<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        self.broken |= matches!(outcome, Err(Failure::Broken(_)));
        outcome
    }

    /// Writes the whole log to the file, syncs it and begins the log anew.
    fn write_back(&self) -> Result<Checkpoint, Failure> {
        let ask = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy = self.connection.query_row(ask, [], |row| row.get(0));
        match busy.map_err(Failure::from) {
            Ok(0_i64) => Ok(Checkpoint::Whole),
            Ok(_) | Err(Failure::Busy(_)) => Ok(Checkpoint::Blocked),
            Err(failure) => Err(failure),
        }
    }

    /// Makes sure that nothing rests on a log that cannot be trusted.
    fn mend_log(&mut self) -> Result<(), Trouble> {
        if !self.broken {
            // Room inside the log is made where it can be; whether there is any, the barrier tells.
            let made = checkpoint(&self.connection).map_err(Failure::from);
            return match self.noted(made) {
                Err(Failure::Broken(why)) => Err(Trouble::Later(why)),
                Ok(_) | Err(_) => Ok(()),
            };
        }
        sqlite::wait_briefly(&mut self.connection)
            .map_err(|error| Trouble::Later(error.to_string()))?;
        let written_back = self.write_back();
        sqlite::wait_patiently(&mut self.connection)
            .map_err(|error| Trouble::Later(error.to_string()))?;
        match written_back {
            Ok(Checkpoint::Whole) => {
                (self.broken, self.blocked) = (false, 0);
                Ok(())
            }
            Ok(Checkpoint::Blocked) => {
                self.blocked += 1;
                let why = "a read of another process keeps a broken log from being written back";
                if self.blocked > WRITE_BACK_TRIES_MAX {
                    return Err(Trouble::Never(why.to_owned()));
                }
                Err(Trouble::Later(why.to_owned()))
            }
            Err(Failure::Down(why)) => Err(Trouble::Later(why)),
            Err(failure) => Err(Trouble::Never(failure.to_string())),
        }
    }

    /// Whether a checkpoint beside the writer has failed to read, write or sync.
    fn assert_whole(&mut self) -> Result<(), Failure> {
        self.broken |= self.written.take_broken();
        if self.broken {
            return Err(Failure::Broken("a checkpoint failed".to_owned()));
        }
        Ok(())
    }

    fn begin_batch(&self) -> Result<(), Failure> {
        self.give_up()?;
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn commit_plan(&self, plan: &Plan) -> Result<(), Failure> {
        let rows = sqlite_batch::write(&self.connection, plan)?;
        self.connection.execute_batch("COMMIT")?;
        sqlite_batch::write_late(&self.connection, plan)?;
        self.written.note(rows);
        Ok(())
    }

    fn commit_aside(&self, work: &Aside) -> Result<(), Failure> {
        self.begin_batch()?;
        if let Err(error) = sqlite_batch::aside(&self.connection, work) {
            // What cannot be given up now, the next transaction gives up first.
            let _ = self.give_up();
            return Err(error.into());
        }
        self.connection.execute_batch("COMMIT")?;
        self.written.note(work.rows());
        Ok(())
    }

    fn give_up(&self) -> Result<(), rusqlite::Error> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK")
    }

    /// A commit that proves everything read before it.
    fn barrier(&self, now: Instant) -> Result<(), StoreError> {
        sqlite_batch::barrier(&self.connection, b"sqlite", now)
    }
}

impl Engine for SqliteEngine {
    fn begin(&mut self) -> Result<(), Failure> {
        self.assert_whole()?;
        let begun = self.begin_batch();
        self.noted(begun)
    }

    fn load(&mut self, needs: &[Need]) -> Result<Vec<Found>, Failure> {
        let found = sqlite_batch::load(&self.connection, needs);
        self.noted(found)
    }

    fn write(&mut self, plan: &Plan) -> Result<(), Failure> {
        let written = self.commit_plan(plan);
        self.noted(written)?;
        self.assert_whole()
    }

    /// One writer on one file: what a read shows here, an own commit or the barrier has proved.
    fn prove(&mut self) -> Result<(), Failure> {
        let given_up = self.give_up().map_err(Failure::from);
        self.noted(given_up)
    }

    fn rest(&mut self) {
        if let Err(error) = self.give_up() {
            tracing::error!(%error, "a transaction could not be given up");
        }
        if self.written.take_too_long() {
            let made = checkpoint(&self.connection).map_err(Failure::from);
            if let Err(failure) = self.noted(made) {
                tracing::warn!(why = %failure, "a checkpoint failed");
            }
        }
    }

    fn recover(&mut self, link: Option<&Link>) -> Result<Option<Link>, Trouble> {
        if let Err(error) = self.give_up() {
            return Err(Trouble::Never(error.to_string()));
        }
        self.broken |= self.written.take_broken();
        self.mend_log()?;
        let proved = self.barrier(Instant(0)).map_err(Failure::from);
        match self.noted(proved) {
            Ok(()) => {}
            // A second failure right after the log was begun anew: the disk is ill.
            Err(Failure::Broken(why)) => return Err(Trouble::Never(why)),
            Err(failure) => return Err(Trouble::Later(failure.to_string())),
        }
        // Looked up behind the barrier: nobody else writes this chain, and what is seen is durable.
        let found = link.map_or(Ok(None), |link| {
            sqlite_batch::link_under(&self.connection, link)
        });
        self.noted(found)
            .map_err(|failure| Trouble::Later(failure.to_string()))
    }

    fn aside(&mut self, work: &Aside) -> Result<(), Failure> {
        self.assert_whole()?;
        let done = self.commit_aside(work);
        self.noted(done)?;
        self.assert_whole()
    }
}

/// The embedded file.
pub(crate) struct SqliteBackend {
    path: PathBuf,
    url: String,
    queue: Arc<Queue<Job>>,
    readers: Readers,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    health: Health,
}

impl SqliteBackend {
    pub(crate) fn open(
        path: &Path,
        chain_id: [u8; 16],
        now: Instant,
    ) -> Result<SqliteBackend, StoreError> {
        let mut connection = sqlite::open(path, true)?;
        sqlite::assert_settings(&connection, path)?;
        sqlite::migrate(&mut connection, now.0)?;
        assert_whole(
            sqlite::is_copying(&connection)?,
            &path.display().to_string(),
        )?;
        let last = query(&connection, sql("queries", "last_book_day"), &[])?;
        let last_day = match last.first().and_then(|row| row.first()) {
            Some(Value::Text(day)) => day.parse().ok(),
            _ => None,
        };
        let mut lane = Lane::new(
            Chain::new(
                ChainId::at(Bucket::default(), chain_id),
                now.date(),
                last_day,
            ),
            ALL_BUCKETS,
        );
        // Pages go from the log into the file beside the writer, never within a commit.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let checkpointer = Checkpointer::start(path)?;
        let mut engine = SqliteEngine::new(connection, checkpointer.written());
        // The process before may have ended after a failed sync: what its log shows may not be on
        // disk. Another process that holds the log now has had it longer than that.
        let written_back = engine.write_back().map_err(StoreError::from)?;
        if written_back == Checkpoint::Blocked {
            tracing::warn!("another process holds the database: its log was not begun anew");
        }
        engine.barrier(now)?;
        let queue = Arc::new(Queue::new(PAYMENTS_MAX, BACKGROUND_MAX));
        let health = Health::default();
        let lane_thread = LaneThread::new(&queue, &health);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                lane_thread.work(std::slice::from_mut(&mut lane), &mut engine, None);
                drop(checkpointer);
                if !lane.has_stopped() {
                    let _ = engine
                        .connection
                        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                }
            })
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        Ok(SqliteBackend {
            path: path.to_owned(),
            url: format!("sqlite:{}", path.display()),
            queue,
            readers: Readers::open(path)?,
            thread: Mutex::new(Some(thread)),
            health,
        })
    }
}

impl Backend for SqliteBackend {
    fn submit(&self, urgency: Urgency, item: Item) -> Result<(), StoreError> {
        enqueue(&self.queue, urgency, Job::Command(item, 0))
    }

    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError> {
        enqueue(&self.queue, Urgency::Background, Job::Aside(work, reply))
    }

    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>> {
        Box::pin(self.readers.read(sql(file, name), given))
    }

    fn view(&self) -> Boxed<'_, Result<Option<Box<dyn Reads + '_>>, StoreError>> {
        Box::pin(async {
            let view: Box<dyn Reads + '_> = Box::new(self.readers.view().await?);
            Ok(Some(view))
        })
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of_file(&self.path)
    }

    fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        hold_file(&self.path)
    }

    fn nobody_imports(&self) -> Result<bool, StoreError> {
        file_is_free(&self.path)
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
        self.queue.close();
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
