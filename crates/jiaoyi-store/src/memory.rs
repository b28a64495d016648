//! A database in memory, for whoever plays time and failures himself: the real tables, constraints
//! and statements, without threads, files and waiting.
//!
//! A batch is written as the server's lanes write it: rows are read as they are committed at that
//! moment, and what a decision rested on is asserted when it is written. So several writers may
//! share one, and meet each other.

use crate::batch::{Found, Plan};
use crate::engine::{Aside, RawRows};
use crate::error::{Failure, StoreError};
use crate::snapshot::Snapshot;
use crate::sqlite::{self, query};
use crate::sqlite_batch;
use crate::statements::sql;
use jiaoyi_domain::audit::Link;
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::record::{TableSpec, Value};
use jiaoyi_domain::{Date, Instant};
use rusqlite::{Connection, MAIN_DB};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A database in memory. It has one connection and every call is one moment.
pub struct Memory {
    connection: Mutex<Connection>,
}

impl Memory {
    /// An empty database with the newest schema.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn new(now: Instant) -> Result<Memory, StoreError> {
        let mut connection = open()?;
        sqlite::migrate(&mut connection, now.0)?;
        Ok(Memory {
            connection: Mutex::new(connection),
        })
    }

    /// Everything in it, for [`Memory::from_image`].
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn image(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.lock().serialize(MAIN_DB)?.to_vec())
    }

    /// A database as an image holds it.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn from_image(image: &[u8]) -> Result<Memory, StoreError> {
        let mut connection = open()?;
        // Copied, because an image that is only lent cannot be written to.
        connection.deserialize_read_exact(MAIN_DB, image, image.len(), false)?;
        Ok(Memory {
            connection: Mutex::new(connection),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        let connection = self.connection.lock();
        connection.unwrap_or_else(PoisonError::into_inner)
    }

    /// Every row of the needs, as committed now.
    ///
    /// # Errors
    ///
    /// A [`Failure`].
    pub fn load(&self, needs: &[Need]) -> Result<Vec<Found>, Failure> {
        sqlite_batch::load(&self.lock(), needs)
    }

    /// Writes and asserts a plan in one transaction.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; then nothing of it is written.
    pub fn write(&self, plan: &Plan) -> Result<(), Failure> {
        let connection = self.lock();
        within(&connection, || sqlite_batch::write(&connection, plan))?;
        sqlite_batch::write_late(&connection, plan)
    }

    /// Does work that is no command.
    ///
    /// # Errors
    ///
    /// A [`Failure`]; then nothing of it is done.
    pub fn aside(&self, work: &Aside) -> Result<(), Failure> {
        let connection = self.lock();
        within(&connection, || Ok(sqlite_batch::aside(&connection, work)?))
    }

    /// Writes a barrier and gives the link that stands under the number of `link`.
    ///
    /// # Errors
    ///
    /// A [`Failure`].
    pub fn recover(&self, writer: &[u8], link: Option<&Link>) -> Result<Option<Link>, Failure> {
        let connection = self.lock();
        sqlite_batch::barrier(&connection, writer, Instant(0))?;
        link.map_or(Ok(None), |link| sqlite_batch::link_under(&connection, link))
    }

    /// The last book day of any chain.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn last_book_day(&self) -> Result<Option<Date>, StoreError> {
        let last = query(&self.lock(), sql("queries", "last_book_day"), &[])?;
        Ok(match last.first().and_then(|row| row.first()) {
            Some(Value::Text(day)) => day.parse().ok(),
            _ => None,
        })
    }

    /// Runs the reading statement `name` of `sql/{file}.sql`.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn read(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<RawRows, StoreError> {
        query(&self.lock(), sql(file, name), given)
    }

    /// Every row of every table of records, in key order.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn rows(&self) -> Result<Vec<(&'static TableSpec, RawRows)>, StoreError> {
        let connection = self.lock();
        let rows =
            |spec: &'static TableSpec| Ok((spec, query(&connection, sql(spec.name, "scan"), &[])?));
        crate::schema::all_tables().into_iter().map(rows).collect()
    }

    /// A copy of everything as it is now, for `verify`.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let copy = Memory::from_image(&self.image()?)?.connection;
        let connection = copy.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Snapshot::of_connection(connection))
    }
}

fn open() -> Result<Connection, StoreError> {
    let mut connection = Connection::open_in_memory()?;
    sqlite::set(&mut connection, true)?;
    Ok(connection)
}

fn within<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = work();
    connection.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    done
}
