//! All SQL: the schema, the lanes with their group commit, and reads for pages.
//!
//! The store decides nothing. It loads what a command needs, lets the domain decide, and writes the
//! batch in one durable transaction; answers are released only after the commit. What a batch is
//! ([`batch`]) and what a lane does when one fails ([`lane`]) is written without any engine; a
//! database is an [`engine::Engine`] to its lanes and an [`engine::Backend`] to the program.

pub mod bare;
pub mod batch;
pub mod copy;
mod database;
mod dealt;
pub mod engine;
mod error;
pub mod generate;
mod group;
mod import_mark;
pub mod lane;
pub mod memory;
mod postgres;
mod queue;
pub mod schema;
mod snapshot;
mod sqlite;
mod sqlite_batch;
mod sqlite_checkpoint;
mod sqlite_indexes;
mod sqlite_lane;
mod sqlite_readers;
mod statements;
mod sync;
mod turns;

pub use batch::{CallKey, Envelope};
pub use database::{Database, MigrationPlan};
pub use dealt::{Buckets, Dealt};
pub use error::{Failure, StoreError};
pub use import_mark::ImportUnderWay;
pub use postgres::Distribution;
pub use queue::Urgency;
pub use snapshot::{Integrity, Snapshot};
pub use turns::may_have_more;

use engine::{Aside, Backend, RawRows, Reads};
use jiaoyi_domain::Instant;
use jiaoyi_domain::decide::Answer;
use jiaoyi_domain::messages::CommandKey;
use jiaoyi_domain::record::{Record, Value};
use jiaoyi_domain::working_set::Damaged;
use postgres::PostgresBackend;
use sqlite_lane::SqliteBackend;
use std::path::Path;
use std::sync::Arc;

/// Staged pages written or removed by one transaction: two or three milliseconds.
const STAGED_TOGETHER: usize = 16;
/// Most pages of one staged run.
const PAGES_OF_RUN_MAX: usize = 512;

/// The store: cheap to clone, shared by everything in the process.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
}

impl Store {
    /// Opens a database, or creates the file, brings its schema up to date and starts the lanes.
    /// Blocks, and may be called from anywhere.
    ///
    /// `drawn` is a fresh random number: the chains of the lanes are made of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when it cannot be opened, is newer than this program, or has settings
    /// under which an acknowledged commit could be lost.
    pub fn open(database: &Database, drawn: [u8; 16], now: Instant) -> Result<Store, StoreError> {
        Store::open_with(database, drawn, now, postgres::WRITERS)
    }

    /// Opens a database as [`Store::open`] does, with so many writer connections for the bucket
    /// groups where there can be several; a file has one writer.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_with(
        database: &Database,
        drawn: [u8; 16],
        now: Instant,
        writers: u16,
    ) -> Result<Store, StoreError> {
        #[cfg(feature = "planted")]
        plant_from_environment();
        let backend: Arc<dyn Backend> = match database {
            Database::Sqlite(path) => Arc::new(SqliteBackend::open(path, drawn, now)?),
            Database::Postgres(url) => Arc::new(PostgresBackend::open(url, drawn, now, writers)?),
        };
        Ok(Store::over(backend))
    }

    /// Opens or creates a file of the embedded engine, as [`Store::open`] does.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn open_file(path: &Path, drawn: [u8; 16], now: Instant) -> Result<Store, StoreError> {
        Store::open(&Database::Sqlite(path.to_owned()), drawn, now)
    }

    /// A store over a backend of one's own, such as a simulated one.
    #[must_use]
    pub fn over(backend: Arc<dyn Backend>) -> Store {
        #[cfg(feature = "planted")]
        plant_from_environment();
        Store { backend }
    }

    /// What is under the store, for a backend that is put between.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The database as `--database` names it, without a password.
    #[must_use]
    pub fn url(&self) -> &str {
        self.backend.url()
    }

    /// One consistent view of everything, for `verify`.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.backend.snapshot()
    }

    /// Returns when the store has stopped by itself: after a failed sync that nothing could make
    /// good, or because a lane died. Nothing is acknowledged any more; the process must end, so that
    /// the next one starts from what is on disk.
    pub async fn stopped(&self) {
        self.backend.stopped().await;
    }

    /// Whether commands can be committed now, as far as has been noticed.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.backend.can_write()
    }

    /// Finishes what waits and stops the lanes. Blocks; for the end of the process and for tests.
    pub fn close(&self) {
        self.backend.close();
    }

    /// Decides and commits a command; returns when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] when the decision refused it; otherwise the store's own trouble, and
    /// nothing was acknowledged.
    pub async fn submit(&self, envelope: Envelope) -> Result<Answer, StoreError> {
        engine::submit(&*self.backend, Urgency::Payment, envelope).await
    }

    /// The answer that is kept under the key of a call, whatever its request was.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn answered(&self, key: &CallKey) -> Result<Option<Answer>, StoreError> {
        let known: Option<CommandKey> = self.load(&(key.bucket, key.key_hash)).await?;
        Ok(known.and_then(|known| batch::answer_from_text(&known.answer)))
    }

    /// Like [`Store::submit`], but only when no payment waits: for slices of imports.
    ///
    /// # Errors
    ///
    /// As [`Store::submit`].
    pub async fn submit_background(&self, envelope: Envelope) -> Result<Answer, StoreError> {
        engine::submit(&*self.backend, Urgency::Background, envelope).await
    }

    fn push_aside(
        &self,
        work: Aside,
    ) -> Result<tokio::sync::oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.backend.aside(work, reply)?;
        Ok(answer)
    }

    async fn aside(&self, work: Aside) -> Result<(), StoreError> {
        let answer = self.push_aside(work)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Stages pages of a roster file, a few of them in each transaction, in their order.
    ///
    /// A page is bucket, roster id, run, page number, keys, data.
    ///
    /// # Errors
    ///
    /// The store's trouble; then some of the pages may be staged.
    pub async fn stage(&self, pages: Vec<[Value; 6]>) -> Result<(), StoreError> {
        let mut pages = pages.into_iter().peekable();
        let mut waiting = Vec::new();
        while pages.peek().is_some() {
            // All of them wait in the queue at once, so the caller can prepare the next meanwhile.
            let some = pages.by_ref().take(STAGED_TOGETHER).collect();
            waiting.push(self.push_aside(Aside::Stage(some))?);
        }
        for answer in waiting {
            answer.await.map_err(|_| StoreError::Stopped)??;
        }
        Ok(())
    }

    /// Removes the staged pages of a roster, a few of them in each transaction.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn unstage(&self, roster: [u8; 16]) -> Result<(), StoreError> {
        let found = self
            .query("staged_runs", &[Value::Bytes(roster.to_vec())])
            .await?;
        let runs = match found.first().and_then(|row| row.first()) {
            Some(Value::Int(runs)) => *runs,
            _ => 0,
        };
        for run in 0..runs {
            for from in (0..PAGES_OF_RUN_MAX).step_by(STAGED_TOGETHER) {
                let from = i64::try_from(from).unwrap_or(i64::MAX);
                let to = from.saturating_add(i64::try_from(STAGED_TOGETHER).unwrap_or(1));
                self.aside(Aside::Unstage {
                    roster,
                    run,
                    from,
                    to,
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Appends a row that only the store's own work writes, such as a signed checkpoint.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn append<R: Record>(&self, row: &R) -> Result<(), StoreError> {
        let (table, values) = (R::SPEC, row.values());
        self.aside(Aside::Append { table, values }).await
    }

    /// Opens a view for the reads of one page. Let it go before anything is submitted: it does not
    /// see what is committed after its first read.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn view(&self) -> Result<View<'_>, StoreError> {
        Ok(View {
            backend: &*self.backend,
            reads: self.backend.view().await?,
        })
    }

    fn apart(&self) -> View<'_> {
        View {
            backend: &*self.backend,
            reads: None,
        }
    }

    /// One row by its key. For pages: no decision about money rests on it.
    ///
    /// # Errors
    ///
    /// The store's trouble, or [`StoreError::Damaged`].
    pub async fn load<R: Record>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        self.apart().load(key).await
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
        self.apart().range(range, given).await
    }

    /// All rows of a small reference table.
    ///
    /// # Errors
    ///
    /// The store's trouble, or [`StoreError::Damaged`].
    pub async fn all<R: Record>(&self) -> Result<Vec<R>, StoreError> {
        self.apart().range("scan", &[]).await
    }

    /// A named query of `sql/queries.sql`.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn query(&self, name: &'static str, given: &[Value]) -> Result<RawRows, StoreError> {
        self.apart().query(name, given).await
    }
}

/// Reads that belong together: of one moment in the embedded file, one by one elsewhere.
pub struct View<'s> {
    backend: &'s dyn Backend,
    reads: Option<Box<dyn Reads + 's>>,
}

impl View<'_> {
    async fn read(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<RawRows, StoreError> {
        match &self.reads {
            Some(reads) => reads.read(file, name, given).await,
            None => self.backend.read(file, name, given).await,
        }
    }

    /// As [`Store::load`].
    ///
    /// # Errors
    ///
    /// As [`Store::load`].
    pub async fn load<R: Record>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        let found = self.read(R::SPEC.name, "load", &R::key_values(key)).await?;
        typed(found).map(|rows| rows.into_iter().next())
    }

    /// As [`Store::range`].
    ///
    /// # Errors
    ///
    /// As [`Store::range`].
    pub async fn range<R: Record>(
        &self,
        range: &'static str,
        given: &[Value],
    ) -> Result<Vec<R>, StoreError> {
        typed(self.read(R::SPEC.name, range, given).await?)
    }

    /// As [`Store::query`].
    ///
    /// # Errors
    ///
    /// As [`Store::query`].
    pub async fn query(&self, name: &'static str, given: &[Value]) -> Result<RawRows, StoreError> {
        self.read("queries", name, given).await
    }
}

fn typed<R: Record>(rows: RawRows) -> Result<Vec<R>, StoreError> {
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

/// Plants the bug that `JIAOYI_PLANTED` names, if it names one.
#[cfg(feature = "planted")]
fn plant_from_environment() {
    use jiaoyi_domain::planted::{Bug, plant};
    let name = std::env::var("JIAOYI_PLANTED").unwrap_or_default();
    if let Some((_, bug)) = Bug::ALL.iter().find(|(known, _)| *known == name) {
        plant(*bug);
    }
}
