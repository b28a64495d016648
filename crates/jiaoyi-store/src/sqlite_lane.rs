//! The embedded file as an engine and a backend: one writer on a thread of its own, and a few
//! connections for reading.
//!
//! After a failed sync nothing is acknowledged from that log again: either a full checkpoint
//! succeeds first, or the store stops.

use crate::batch::{ALL_BUCKETS, Chain, Found, Plan};
use crate::engine::{Aside, Backend, Boxed, Engine, Job, RawRows, Reads, work};
use crate::error::{Failure, StoreError};
use crate::lane::{Item, Lane, Reply, Trouble};
use crate::queue::{Queue, Urgency};
use crate::snapshot::Snapshot;
use crate::sqlite::{self, Bound, execute, query};
use crate::sqlite_checkpoint::{Checkpointer, Written, checkpoint};
use crate::sqlite_readers::Readers;
use crate::statements::sql;
use jiaoyi_domain::audit::{ChainId, Event, Link};
use jiaoyi_domain::record::{Record, TableSpec, Value};
use jiaoyi_domain::working_set::{Change, Need, TABLES};
use jiaoyi_domain::{Bucket, Instant};
use rusqlite::{Connection, ErrorCode, params_from_iter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// How many commands may wait; beyond that the answer is "busy" at once.
const PAYMENTS_MAX: usize = 4096;
/// How many background jobs may wait.
const BACKGROUND_MAX: usize = 64;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        let why = format!("database: {error}");
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) | None => {
                Failure::Batch(why)
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Failure::Busy(why),
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

/// The one writer connection of a file.
pub(crate) struct SqliteEngine {
    connection: Connection,
    written: Arc<Written>,
}

impl SqliteEngine {
    fn give_up(&self) -> Result<(), rusqlite::Error> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK")
    }

    /// A commit that proves everything read before it.
    fn barrier(&self, now: Instant) -> Result<(), StoreError> {
        let writer = Value::Bytes(b"sqlite".to_vec());
        let given = [Value::Int(0), writer, Value::Int(now.0)];
        execute(&self.connection, sql("queries", "barrier"), &given)?;
        Ok(())
    }

    fn do_aside(&self, work: &Aside) -> Result<(), StoreError> {
        match work {
            Aside::Stage(pages) => {
                for page in pages {
                    execute(&self.connection, sql("queries", "stage_page"), page)?;
                }
            }
            Aside::Unstage {
                roster,
                run,
                from,
                to,
            } => {
                let roster = Value::Bytes(roster.to_vec());
                let given = [roster, Value::Int(*run), Value::Int(*from), Value::Int(*to)];
                execute(&self.connection, sql("queries", "unstage_pages"), &given)?;
            }
            Aside::Append { table, values } => {
                execute(&self.connection, sql(table.name, "insert"), values)?;
            }
        }
        Ok(())
    }
}

impl Engine for SqliteEngine {
    fn begin(&mut self) -> Result<(), Failure> {
        self.give_up()?;
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    fn load(&mut self, needs: &[Need]) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::with_capacity(needs.len());
        for need in needs {
            let table = need.table();
            let Some(spec) = TABLES.iter().find(|spec| spec.number == table) else {
                continue;
            };
            let rows = match need {
                Need::Key { key, .. } => query(&self.connection, sql(spec.name, "load"), key)?,
                Need::Range { range, given, .. } => {
                    query(&self.connection, sql(spec.name, range), given)?
                }
            };
            if !rows.is_empty() {
                found.push(Found { table, rows });
            }
        }
        Ok(found)
    }

    fn write(&mut self, plan: &Plan) -> Result<(), Failure> {
        for (spec, changes) in &plan.changes {
            write(&self.connection, spec, changes)?;
        }
        for event in &plan.events {
            let text = sql(Event::SPEC.name, "insert");
            execute(&self.connection, text, &event.values())?;
        }
        let text = sql(Link::SPEC.name, "insert");
        execute(&self.connection, text, &plan.link.values())?;
        self.connection.execute_batch("COMMIT")?;
        let changes = plan.changes.iter().map(|(_, changes)| changes.len());
        let rows = changes.sum::<usize>() + plan.events.len() + 1;
        self.written.note(rows);
        Ok(())
    }

    /// One writer on one file: what a read shows here, an own commit or the barrier has proved.
    fn prove(&mut self) -> Result<(), Failure> {
        Ok(self.give_up()?)
    }

    fn rest(&mut self) {
        if let Err(error) = self.give_up() {
            tracing::error!(%error, "a transaction could not be given up");
        }
        if self.written.take_too_long()
            && let Err(error) = checkpoint(&self.connection)
        {
            tracing::warn!(%error, "a checkpoint failed");
        }
    }

    fn recover(&mut self, link: Option<&Link>) -> Result<bool, Trouble> {
        let never = |error: &dyn std::fmt::Display| Trouble::Never(error.to_string());
        let _ = self.give_up();
        let checkpoint: Result<i64, rusqlite::Error> =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match checkpoint {
            Ok(0) => {}
            // A full disk is not a failed sync: the log was not written at all, so go on refusing
            // until there is room again.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {
                return Err(Trouble::Later(error.to_string()));
            }
            Ok(_) => return Err(never(&"no checkpoint succeeded after a failed sync")),
            Err(error) => return Err(never(&error)),
        }
        let durable = match link {
            None => false,
            Some(link) => {
                let key = Link::key_values(&link.key());
                let found = query(&self.connection, sql(Link::SPEC.name, "load"), &key);
                !found.map_err(|error| never(&error))?.is_empty()
            }
        };
        match self.barrier(Instant(0)).map_err(Failure::from) {
            Ok(()) => Ok(durable),
            Err(failure) if failure.to_string().contains("full") => {
                Err(Trouble::Later(failure.to_string()))
            }
            Err(failure) => Err(never(&failure)),
        }
    }

    fn aside(&mut self, work: &Aside) -> Result<(), StoreError> {
        self.give_up()?;
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = self.do_aside(work);
        if done.is_err() {
            self.give_up()?;
            return done;
        }
        self.connection.execute_batch("COMMIT")?;
        self.written.note(work.rows());
        done
    }
}

/// Writes the changes of one table; a statement is looked up once, not once a row.
fn write(connection: &Connection, spec: &TableSpec, changes: &[Change]) -> Result<(), Failure> {
    let changed = || Failure::Conflict(format!("{}: a row changed meanwhile", spec.name));
    let (mut insert, mut update) = (None, None);
    for change in changes {
        match change {
            Change::Insert { values } => {
                sqlite::prepared(connection, &mut insert, || sql(spec.name, "insert"))?
                    .execute(params_from_iter(values.iter().map(Bound)))?;
            }
            Change::Update {
                values, expected, ..
            } => {
                let expected = Value::Int(i64::from(*expected));
                let given = values.iter().chain([&expected]).map(Bound);
                let written =
                    sqlite::prepared(connection, &mut update, || sql(spec.name, "update"))?
                        .execute(params_from_iter(given))?;
                if written != 1 {
                    return Err(changed());
                }
            }
            Change::Assert { key, expected } => {
                let found = query(connection, sql(spec.name, "assert"), key)?;
                if found != [[Value::Int(i64::from(*expected))]] {
                    return Err(changed());
                }
            }
        }
    }
    Ok(())
}

/// The embedded file.
pub(crate) struct SqliteBackend {
    path: PathBuf,
    url: String,
    queue: Arc<Queue<Job>>,
    readers: Readers,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl SqliteBackend {
    pub(crate) fn open(
        path: &Path,
        chain_id: [u8; 16],
        now: Instant,
    ) -> Result<SqliteBackend, StoreError> {
        let mut connection = sqlite::open(path, true)?;
        sqlite::migrate(&mut connection, now.0)?;
        sqlite::assert_settings(&connection, path)?;
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
        let mut engine = SqliteEngine {
            connection,
            written: checkpointer.written(),
        };
        engine.barrier(now)?;
        let queue = Arc::new(Queue::new(PAYMENTS_MAX, BACKGROUND_MAX));
        let of_thread = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                work(&mut lane, &mut engine, &of_thread, None);
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
        })
    }

    fn push(&self, urgency: Urgency, job: Job) -> Result<(), StoreError> {
        self.queue
            .push(urgency, job)
            .map_err(|(_, closed)| StoreError::not_taken(closed))
    }
}

impl Backend for SqliteBackend {
    fn submit(&self, urgency: Urgency, item: Item) -> Result<(), StoreError> {
        self.push(urgency, Job::Command(item))
    }

    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError> {
        self.push(Urgency::Background, Job::Aside(work, reply))
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

    fn url(&self) -> &str {
        &self.url
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
