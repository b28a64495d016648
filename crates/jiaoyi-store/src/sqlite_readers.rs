//! The connections on which pages read the embedded file.

use crate::engine::{Boxed, RawRows, Reads};
use crate::error::{Failure, StoreError};
use crate::sqlite::{self, query};
use crate::statements::sql;
use jiaoyi_domain::record::Value;
use rusqlite::{Connection, ErrorCode};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections for reading.
const READERS: usize = 4;

/// What a reader is told: want of room or handles and a failed disk are no faults of the program.
fn unreadable(error: StoreError) -> StoreError {
    match error {
        StoreError::Engine(engine)
            if engine.sqlite_error_code() != Some(ErrorCode::DatabaseCorrupt) =>
        {
            Failure::from(engine).into()
        }
        other => other,
    }
}

/// A few connections, each used by one reader at a time.
pub(crate) struct Readers {
    path: PathBuf,
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> Result<Readers, StoreError> {
        let free = (0..READERS).map(|_| sqlite::open(path, false));
        Ok(Readers {
            path: path.to_owned(),
            free: Mutex::new(free.collect::<Result<_, _>>()?),
            permits: Semaphore::new(READERS),
        })
    }

    async fn take(&self) -> Result<Reader<'_>, StoreError> {
        let permit = self.permits.acquire().await;
        let permit = permit.map_err(|_| StoreError::Stopped)?;
        let free = self.free().pop();
        let connection = match free {
            Some(connection) => connection,
            None => sqlite::open(&self.path, false).map_err(unreadable)?,
        };
        Ok(Reader {
            connection: Some(connection),
            readers: self,
            _permit: permit,
        })
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One statement by itself. A point read takes microseconds: shorter than handing it to another
    /// thread.
    pub(crate) async fn read(
        &self,
        text: &'static str,
        given: &[Value],
    ) -> Result<RawRows, StoreError> {
        self.take().await?.query(text, given)
    }

    /// A view: what is read through it is of one moment.
    pub(crate) async fn view(&self) -> Result<SqliteView<'_>, StoreError> {
        let reader = self.take().await?;
        reader.run("BEGIN")?;
        Ok(SqliteView(Mutex::new(reader)))
    }
}

/// A connection on loan.
struct Reader<'r> {
    /// None once it was given back.
    connection: Option<Connection>,
    readers: &'r Readers,
    _permit: SemaphorePermit<'r>,
}

impl Reader<'_> {
    fn connection(&self) -> Result<&Connection, StoreError> {
        self.connection.as_ref().ok_or(StoreError::Stopped)
    }

    fn query(&self, text: &'static str, given: &[Value]) -> Result<RawRows, StoreError> {
        query(self.connection()?, text, given).map_err(unreadable)
    }

    fn run(&self, text: &'static str) -> Result<(), StoreError> {
        let mut statement = self.connection()?.prepare_cached(text)?;
        let done = statement.execute([]).map_err(StoreError::from);
        done.map(drop).map_err(unreadable)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // One that cannot end its transaction is closed; the next reader opens another.
        let ended = self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.is_autocommit() || self.run("COMMIT").is_ok());
        if let Some(connection) = self.connection.take().filter(|_| ended) {
            self.readers.free().push(connection);
        }
    }
}

/// One read transaction: locked, validated and ended once for all reads of a page.
pub(crate) struct SqliteView<'r>(Mutex<Reader<'r>>);

impl Reads for SqliteView<'_> {
    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>> {
        let reader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reader.query(sql(file, name), given);
        Box::pin(std::future::ready(found))
    }
}
