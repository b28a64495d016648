//! One consistent view of the whole database, for `verify`: read only, streaming, constant memory.

use crate::error::StoreError;
use crate::sqlite::{self, read_row};
use crate::statements::sql;
use jiaoyi_domain::record::{Record, Value};
use jiaoyi_domain::working_set::Damaged;
use rusqlite::Connection;
use std::path::Path;

/// A read transaction on a database file.
pub struct Snapshot {
    connection: Connection,
}

impl Snapshot {
    /// Opens the file read-only and fixes what it sees.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when the file is not there or is no database of ours.
    pub fn open(path: &Path) -> Result<Snapshot, StoreError> {
        let connection = sqlite::open(path, false)?;
        let not_ours = |error: rusqlite::Error| StoreError::Open {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        connection.execute_batch("BEGIN").map_err(not_ours)?;
        connection
            .query_row(sql("queries", "schema_version"), [], |row| {
                row.get::<_, i64>(0)
            })
            .map_err(not_ours)?;
        Ok(Snapshot { connection })
    }

    /// Calls `each` with every row of `R` with `from <= bucket < to`, in key order. A row that does
    /// not read as its type comes as `Err` with its raw values.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn scan_buckets<R: Record>(
        &self,
        from: i64,
        to: i64,
        mut each: impl FnMut(Result<R, Vec<Value>>),
    ) -> Result<(), StoreError> {
        let given = [Value::Int(from), Value::Int(to)];
        self.stream(sql(R::SPEC.name, "scan_buckets"), &given, |values| {
            each(R::from_values(values.clone()).ok_or(values));
        })
    }

    /// As [`Snapshot::scan_buckets`], with the values as they stand in the file: a value that reads
    /// as its type but is written otherwise (a number in lower case) shows only here.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn scan_buckets_raw<R: Record>(
        &self,
        from: i64,
        to: i64,
        each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        let given = [Value::Int(from), Value::Int(to)];
        self.stream(sql(R::SPEC.name, "scan_buckets"), &given, each)
    }

    /// The rows of a declared range that read as their type.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn range<R: Record>(
        &self,
        range: &'static str,
        given: &[Value],
    ) -> Result<Vec<R>, StoreError> {
        let rows = sqlite::query(&self.connection, sql(R::SPEC.name, range), given)?;
        Ok(rows.into_iter().filter_map(R::from_values).collect())
    }

    /// Calls `each` with the raw values of every row of `R`, in key order.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn scan_raw<R: Record>(&self, each: impl FnMut(Vec<Value>)) -> Result<(), StoreError> {
        self.stream(sql(R::SPEC.name, "scan"), &[], each)
    }

    /// One row by its key.
    ///
    /// # Errors
    ///
    /// The engine's trouble, or [`StoreError::Damaged`].
    pub fn load<R: Record>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        let text = sql(R::SPEC.name, "load");
        let found = sqlite::query(&self.connection, text, &R::key_values(key))?;
        match found.into_iter().next() {
            None => Ok(None),
            Some(values) => R::from_values(values).map(Some).ok_or(
                Damaged {
                    table: R::SPEC.name,
                }
                .into(),
            ),
        }
    }

    /// A named query of `sql/queries.sql`.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn query(
        &self,
        name: &'static str,
        given: &[Value],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        sqlite::query(&self.connection, sql("queries", name), given)
    }

    fn stream(
        &self,
        text: &'static str,
        given: &[Value],
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(text)?;
        let width = statement.column_count();
        let bound: Vec<sqlite::Bound<'_>> = given.iter().map(sqlite::Bound).collect();
        let mut rows = statement.query(rusqlite::params_from_iter(bound))?;
        while let Some(row) = rows.next()? {
            each(read_row(row, width)?);
        }
        Ok(())
    }
}
