//! One consistent view of the whole database, for `verify`: read only, streaming, constant memory.

use crate::database::Database;
use crate::dealt::{Buckets, Dealt, bucket_of};
use crate::error::StoreError;
use crate::postgres::PostgresSnapshot;
use crate::schema::{assert_ours, assert_whole};
use crate::sqlite::{self, encode_row, read_row};
use crate::sqlite_indexes::{check, lines};
use crate::statements::sql;
use jiaoyi_domain::record::{Record, TableSpec, Value, encode_values};
use jiaoyi_domain::working_set::Damaged;
use parking_lot::ReentrantMutex;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

enum View {
    Sqlite {
        /// Several threads may ask, one at a time; one that reads a table may ask something else
        /// meanwhile. A second connection could see another moment.
        connection: ReentrantMutex<Connection>,
        bytes: u64,
        /// `None` for one that lies in no file.
        path: Option<PathBuf>,
    },
    Postgres(PostgresSnapshot),
}

/// Broken pages, or else what is wrong with the indexes.
fn integrity(connection: &Connection) -> Result<Vec<String>, StoreError> {
    connection.execute_batch("BEGIN")?;
    let pages = lines(connection, sql("sqlite", "pages"))?;
    let found = match pages.is_empty() {
        true => check(connection)?,
        false => pages,
    };
    connection.execute_batch("COMMIT")?;
    Ok(found)
}

/// A check of the file that is under way.
pub enum Integrity {
    Begun(JoinHandle<Result<Vec<String>, StoreError>>),
    Done(Result<Vec<String>, StoreError>),
}

impl Integrity {
    /// Waits for what is found: at most a hundred lines a table, none for a sound file.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn finish(self) -> Result<Vec<String>, StoreError> {
        match self {
            Integrity::Begun(thread) => thread.join().unwrap_or(Err(StoreError::Stopped)),
            Integrity::Done(found) => found,
        }
    }
}

/// One view of a database, fixed when it is opened. Threads may share it.
pub struct Snapshot {
    view: View,
}

impl From<PostgresSnapshot> for Snapshot {
    fn from(snapshot: PostgresSnapshot) -> Snapshot {
        Snapshot {
            view: View::Postgres(snapshot),
        }
    }
}

impl Snapshot {
    /// Fixes what a database holds now; nothing can be changed through it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when it is not there, is no database of ours or was made by a newer
    /// version or is a copy that is not finished, or the store's trouble.
    pub fn open(database: &Database) -> Result<Snapshot, StoreError> {
        let snapshot = Snapshot::open_any(database)?;
        assert_whole(snapshot.is_copying()?, &database.to_string())?;
        Ok(snapshot)
    }

    /// As [`Snapshot::open`], of an unfinished copy too.
    pub(crate) fn open_any(database: &Database) -> Result<Snapshot, StoreError> {
        match database {
            Database::Sqlite(path) => Snapshot::of_file(path),
            Database::Postgres(url) => Ok(PostgresSnapshot::of(url)?.into()),
        }
    }

    /// Opens the file read-only and fixes what it sees.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when the file is not there, is no database of ours or was made by a
    /// newer version.
    pub fn of_file(path: &Path) -> Result<Snapshot, StoreError> {
        let connection = sqlite::open(path, false)?;
        let shown = path.display().to_string();
        connection.execute_batch("BEGIN")?;
        let version = sqlite::schema_version(&connection).map_err(|error| match error {
            StoreError::Engine(error) => StoreError::Open {
                path: shown.clone(),
                why: error.to_string(),
            },
            other => other,
        })?;
        assert_ours(version, &shown)?;
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        let path = Some(path.to_owned());
        let view = View::Sqlite {
            connection: ReentrantMutex::new(connection),
            bytes,
            path,
        };
        Ok(Snapshot { view })
    }

    /// What a connection sees, when nothing changes it any more.
    pub(crate) fn of_connection(connection: Connection) -> Snapshot {
        let view = View::Sqlite {
            connection: ReentrantMutex::new(connection),
            bytes: 0,
            path: None,
        };
        Snapshot { view }
    }

    /// Whether a copy into the database is not finished.
    pub(crate) fn is_copying(&self) -> Result<bool, StoreError> {
        let file = match self.view {
            View::Sqlite { .. } => "sqlite",
            View::Postgres(_) => "postgres",
        };
        let found = self.rows(file, "is_copying", &[])?;
        let marks = found.first().and_then(|row| row.first());
        Ok(marks.is_some_and(|marks| *marks != Value::Int(0)))
    }

    /// Begins to look for what is wrong with the file itself: broken pages, and rows that an index
    /// does not know, which no scan notices and every job overlooks. A file is read on a thread of
    /// its own, as it is when that begins; a server looks after its own files. Memory does not grow
    /// with the file.
    #[must_use]
    pub fn begin_integrity(&self) -> Integrity {
        match &self.view {
            View::Postgres(_) => Integrity::Done(Ok(Vec::new())),
            View::Sqlite {
                path: Some(path), ..
            } => {
                let path = path.clone();
                let check = move || integrity(&sqlite::open(&path, false)?);
                Integrity::Begun(std::thread::spawn(check))
            }
            View::Sqlite { connection, .. } => Integrity::Done(integrity(&connection.lock())),
        }
    }

    /// How large the database is, so that memory can be planned.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.view {
            View::Sqlite { bytes, .. } => *bytes,
            View::Postgres(snapshot) => snapshot.bytes(),
        }
    }

    /// Calls `each` with every row of `R`, in any order. A row that does not read as its type comes as
    /// `Err` with its raw values.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn scan<R: Record>(
        &self,
        mut each: impl FnMut(Result<R, Vec<Value>>),
    ) -> Result<(), StoreError> {
        self.scan_table(R::SPEC, |values| {
            each(R::from_values(values.clone()).ok_or(values));
        })
    }

    /// Deals the rows of `tables` out to ranges of buckets, which rise. The embedded file is read once
    /// and needs room for those rows once more while this is held, unless there is one range only.
    ///
    /// # Errors
    ///
    /// The engine's trouble, or [`StoreError::Unavailable`] when there is no such room.
    pub fn deal(
        &self,
        tables: &[&'static TableSpec],
        ranges: Vec<Buckets>,
    ) -> Result<Dealt<'_>, StoreError> {
        Dealt::of(self, tables, ranges)
    }

    /// The embedded file, whose rows do not lie by buckets.
    pub(crate) fn path_to_deal(&self) -> Option<&Path> {
        match &self.view {
            View::Sqlite { path, .. } => path.as_deref(),
            View::Postgres(_) => None,
        }
    }

    /// The values of every row of a table with `from <= bucket < to`, in any order.
    pub(crate) fn scan_range(
        &self,
        spec: &'static TableSpec,
        (from, to): Buckets,
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        if let View::Postgres(snapshot) = &self.view {
            let given = [Value::Int(from), Value::Int(to)];
            return snapshot.stream(spec.name, "scan_buckets", &given, each);
        }
        self.scan_table(spec, |values| {
            if (from..to).contains(&bucket_of(&values)) {
                each(values);
            }
        })
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
        let rows = self.rows(R::SPEC.name, range, given)?;
        Ok(rows.into_iter().filter_map(R::from_values).collect())
    }

    /// Calls `each` with the raw values of every row of `R`, in key order.
    ///
    /// # Errors
    ///
    /// The engine's trouble.
    pub fn scan_raw<R: Record>(&self, each: impl FnMut(Vec<Value>)) -> Result<(), StoreError> {
        self.stream(R::SPEC.name, "scan", &[], each)
    }

    /// The values of every row of a table, in any order, which stays the same while nobody writes.
    pub(crate) fn scan_table(
        &self,
        spec: &'static TableSpec,
        each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        let name = match self.view {
            View::Sqlite { .. } => "scan_as_it_lies",
            // A server begins to read somewhere when nothing is said.
            View::Postgres(_) => "scan",
        };
        self.stream(spec.name, name, &[], each)
    }

    /// One row by its key.
    ///
    /// # Errors
    ///
    /// The engine's trouble, or [`StoreError::Damaged`].
    pub fn load<R: Record>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        let found = self.rows(R::SPEC.name, "load", &R::key_values(key))?;
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
        self.rows("queries", name, given)
    }

    fn rows(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<Vec<Vec<Value>>, StoreError> {
        let mut rows = Vec::new();
        self.stream(file, name, given, |row| rows.push(row))?;
        Ok(rows)
    }

    /// As [`Snapshot::scan_table`], each row in one piece, as `encode_values` writes it.
    pub(crate) fn encode_table(
        &self,
        spec: &'static TableSpec,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), StoreError> {
        let mut encoded = Vec::with_capacity(1024);
        let View::Sqlite { connection, .. } = &self.view else {
            return self.scan_table(spec, |values| {
                encoded.clear();
                encode_values(&values, &mut encoded);
                each(&encoded);
            });
        };
        let connection = connection.lock();
        let mut statement = connection.prepare_cached(sql(spec.name, "scan_as_it_lies"))?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            encoded.clear();
            encode_row(row, width, &mut encoded)?;
            each(&encoded);
        }
        Ok(())
    }

    fn stream(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        let connection = match &self.view {
            View::Sqlite { connection, .. } => connection.lock(),
            View::Postgres(snapshot) => return snapshot.stream(file, name, given, each),
        };
        let mut statement = connection.prepare_cached(sql(file, name))?;
        let width = statement.column_count();
        let bound: Vec<sqlite::Bound<'_>> = given.iter().map(sqlite::Bound).collect();
        let mut rows = statement.query(rusqlite::params_from_iter(bound))?;
        while let Some(row) = rows.next()? {
            each(read_row(row, width)?);
        }
        Ok(())
    }
}
