//! The side that is written: tables made, the mark, and chunks of rows, each with the mark in one
//! durable transaction.

use crate::database::Database;
use crate::error::StoreError;
use crate::postgres::PostgresTarget;
use crate::sqlite::{self, execute, query};
use crate::statements::sql;
use jiaoyi_domain::Instant;
use jiaoyi_domain::record::{TableSpec, Value};
use rusqlite::Connection;

/// A database that is being filled.
pub(super) enum Target {
    Sqlite(Connection),
    Postgres(PostgresTarget),
}

impl Target {
    /// Opens it and brings its tables up to date.
    pub(super) fn open(database: &Database, now: Instant) -> Result<Target, StoreError> {
        match database {
            Database::Sqlite(path) => {
                let mut connection = sqlite::open(path, true)?;
                sqlite::migrate(&mut connection, now.0)?;
                sqlite::assert_settings(&connection, path)?;
                Ok(Target::Sqlite(connection))
            }
            Database::Postgres(url) => Ok(Target::Postgres(PostgresTarget::open(url, now)?)),
        }
    }

    /// The mark of a copy under way: source, its state, whole tables, rows of the next one.
    pub(super) fn mark(&mut self) -> Result<Option<Vec<Value>>, StoreError> {
        let found = match self {
            Target::Sqlite(connection) => {
                if !sqlite::is_copying(connection)? {
                    return Ok(None);
                }
                query(connection, sql("queries", "copy_mark"), &[])?
            }
            Target::Postgres(target) => target.mark()?,
        };
        Ok(found.into_iter().next())
    }

    /// Whether no command was ever committed: every row of ours comes with one.
    pub(super) fn is_empty(&mut self) -> Result<bool, StoreError> {
        let found = match self {
            Target::Sqlite(connection) => query(connection, sql("queries", "last_book_day"), &[])?,
            Target::Postgres(target) => target.query("last_book_day")?,
        };
        let day = found.first().and_then(|row| row.first());
        Ok(matches!(day, None | Some(Value::Null)))
    }

    /// Makes the mark.
    pub(super) fn begin(&mut self, mark: &[Value]) -> Result<(), StoreError> {
        match self {
            Target::Sqlite(connection) => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(sql("queries", "copy_begin"))?;
                execute(&transaction, sql("queries", "copy_move"), mark)?;
                Ok(transaction.commit()?)
            }
            Target::Postgres(target) => target.begin(mark),
        }
    }

    /// Writes rows and moves the mark; both or nothing.
    pub(super) fn write(
        &mut self,
        spec: &'static TableSpec,
        rows: &[Vec<Value>],
        mark: &[Value],
    ) -> Result<(), StoreError> {
        match self {
            Target::Sqlite(connection) => {
                let transaction = connection.transaction()?;
                for row in rows {
                    execute(&transaction, sql(spec.name, "insert"), row)?;
                }
                execute(&transaction, sql("queries", "copy_move"), mark)?;
                Ok(transaction.commit()?)
            }
            Target::Postgres(target) => target.write(spec, rows, mark),
        }
    }

    /// Removes the mark: the target is a database from here on.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        match self {
            Target::Sqlite(connection) => {
                connection.execute_batch(sql("queries", "copy_end"))?;
                connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
                Ok(())
            }
            Target::Postgres(target) => target.finish(),
        }
    }
}
