//! All SQL: the schema, the one writer with its group commit, and reads for pages.
//!
//! The store decides nothing. It loads what a command needs, lets the domain decide, and writes the
//! batch in one durable transaction; answers are released only after the commit.

pub mod bare;
mod error;
pub mod generate;
mod queue;
pub mod schema;
mod snapshot;
mod sqlite;
mod statements;
mod writer;

pub use error::StoreError;
pub use snapshot::Snapshot;
pub use writer::{CallKey, Envelope};

use jiaoyi_domain::Instant;
use jiaoyi_domain::decide::Answer;
use jiaoyi_domain::record::{Record, Value};
use jiaoyi_domain::working_set::Damaged;
use queue::{Lane, Queue};
use rusqlite::Connection;
use statements::sql;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, oneshot};
use writer::{Job, Writer};

/// How many commands may wait; beyond that the answer is "busy" at once.
const PAYMENTS_MAX: usize = 4096;
/// How many background jobs may wait.
const BACKGROUND_MAX: usize = 64;
/// Connections for reading.
const READERS: usize = 4;

/// The path part of `sqlite:PATH`; other engines are not built in yet.
///
/// # Errors
///
/// [`StoreError::Open`] naming what was given and what would be right.
pub fn path_of_url(url: &str) -> Result<PathBuf, StoreError> {
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        Some(_) | None => Err(StoreError::Open {
            path: url.to_owned(),
            why: "a database is named as sqlite:FILE, for example sqlite:data/jiaoyi.db".into(),
        }),
    }
}

struct Readers {
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// The store: cheap to clone, shared by everything in the process.
#[derive(Clone)]
pub struct Store {
    queue: Arc<Queue<Job>>,
    readers: Arc<Readers>,
    path: Arc<Path>,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

impl Store {
    /// Opens or creates the file, brings its schema up to date and starts the writer.
    ///
    /// `chain_id` is a fresh random number: the chain of this writer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when the file cannot be opened, is newer than this program, or has
    /// settings under which an acknowledged commit could be lost.
    pub fn open(path: &Path, chain_id: [u8; 16], now: Instant) -> Result<Store, StoreError> {
        let mut connection = sqlite::open(path, true)?;
        sqlite::migrate(&mut connection, now.0)?;
        sqlite::assert_settings(&connection, path)?;
        let queue = Arc::new(Queue::new(PAYMENTS_MAX, BACKGROUND_MAX));
        let writer = Writer::new(connection, Arc::clone(&queue), chain_id, now)?;
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        let mut free = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            free.push(sqlite::open(path, false)?);
        }
        Ok(Store {
            queue,
            readers: Arc::new(Readers {
                free: Mutex::new(free),
                permits: Semaphore::new(READERS),
            }),
            path: Arc::from(path),
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Finishes what waits and stops the writer. Blocks; for the end of the process and for tests.
    pub fn close(&self) {
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    async fn push<T>(
        &self,
        lane: Lane,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match self.queue.push(lane, job) {
            Ok(()) => answer.await.map_err(|_| StoreError::Stopped)?,
            Err((_, true)) => Err(StoreError::Stopped),
            Err((_, false)) => Err(StoreError::Busy { retry_after_s: 2 }),
        }
    }

    /// Decides and commits a command; returns when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the decision refused it; otherwise the store's own trouble, and
    /// nothing was acknowledged.
    pub async fn submit(&self, envelope: Envelope) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Lane::Payment, Job::Command(envelope, reply), answer)
            .await
    }

    /// Like [`Store::submit`], but only when no payment waits: for slices of imports.
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    pub async fn submit_background(&self, envelope: Envelope) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Lane::Background, Job::Command(envelope, reply), answer)
            .await
    }

    async fn raw(
        &self,
        work: impl FnOnce(&Connection) -> Result<Vec<Vec<Value>>, StoreError> + Send + 'static,
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.push(Lane::Background, Job::Raw(Box::new(work), reply), answer)
            .await
    }

    /// Stages rows of a roster file; for each row that was there already, the earlier row number.
    ///
    /// Each row is roster id, bucket, document hash, benefit year, row number, row data.
    ///
    /// # Errors
    ///
    /// The store's trouble; then none of the rows is staged.
    pub async fn stage(&self, rows: Vec<[Value; 6]>) -> Result<Vec<Option<i64>>, StoreError> {
        let found = self
            .raw(move |connection| {
                let mut earlier = Vec::with_capacity(rows.len());
                for row in &rows {
                    if sqlite::execute(connection, sql("queries", "stage_row"), row)? == 1 {
                        earlier.push(vec![Value::Null]);
                    } else {
                        let known =
                            sqlite::query(connection, sql("queries", "staged_row_no"), &row[..4])?;
                        earlier.extend(known.into_iter().take(1));
                    }
                }
                Ok(earlier)
            })
            .await?;
        let number = |row: Vec<Value>| match row.first() {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        };
        Ok(found.into_iter().map(number).collect())
    }

    /// Removes staged rows of a roster with `from <= bucket < to`.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn unstage(&self, roster: [u8; 16], from: i64, to: i64) -> Result<(), StoreError> {
        self.raw(move |connection| {
            let given = [
                Value::Bytes(roster.to_vec()),
                Value::Int(from),
                Value::Int(to),
            ];
            sqlite::execute(connection, sql("queries", "unstage"), &given)?;
            Ok(Vec::new())
        })
        .await?;
        Ok(())
    }

    /// Appends a row that only the store's own work writes, such as a signed checkpoint.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn append<R: Record>(&self, row: &R) -> Result<(), StoreError> {
        let values = row.values();
        self.raw(move |connection| {
            sqlite::execute(connection, sql(R::SPEC.name, "insert"), &values)?;
            Ok(Vec::new())
        })
        .await?;
        Ok(())
    }

    async fn read(
        &self,
        text: &'static str,
        given: &[Value],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        // A point read takes microseconds: shorter than handing it to another thread.
        let permit = self
            .readers
            .permits
            .acquire()
            .await
            .map_err(|_| StoreError::Stopped)?;
        let free = self
            .readers
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match free {
            Some(connection) => connection,
            None => sqlite::open(&self.path, false)?,
        };
        let found = sqlite::query(&connection, text, given);
        self.readers
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(connection);
        drop(permit);
        found
    }

    /// One row by its key. For pages: no decision about money rests on it.
    ///
    /// # Errors
    ///
    /// The store's trouble, or [`StoreError::Damaged`].
    pub async fn load<R: Record>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        let found = self
            .read(sql(R::SPEC.name, "load"), &R::key_values(key))
            .await?;
        typed(found).map(|rows| rows.into_iter().next())
    }

    /// The rows of a declared range. For pages: no decision about money rests on it.
    ///
    /// # Errors
    ///
    /// The store's trouble, or [`StoreError::Damaged`].
    pub async fn range<R: Record>(
        &self,
        range: &'static str,
        given: &[Value],
    ) -> Result<Vec<R>, StoreError> {
        typed(self.read(sql(R::SPEC.name, range), given).await?)
    }

    /// All rows of a small reference table.
    ///
    /// # Errors
    ///
    /// The store's trouble, or [`StoreError::Damaged`].
    pub async fn all<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        typed(self.read(sql(R::SPEC.name, "scan"), &[]).await?)
    }

    /// A named query of `sql/queries.sql`.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn query(
        &self,
        name: &'static str,
        given: &[Value],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        self.read(sql("queries", name), given).await
    }
}

fn typed<R: Record>(rows: Vec<Vec<Value>>) -> Result<Vec<R>, StoreError> {
    rows.into_iter()
        .map(|values| {
            R::from_values(values).ok_or(
                Damaged {
                    table: R::SPEC.name,
                }
                .into(),
            )
        })
        .collect()
}
