//! The embedded engine: opening a file, settings, migrations, binding and reading of values.

use crate::error::StoreError;
use crate::schema::{MIGRATIONS, Words, assert_known, ddl};
use crate::statements::sql;
use jiaoyi_domain::planted::{Bug, has};
use jiaoyi_domain::record::{Value, encode_bytes, encode_int, encode_null, encode_text};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, Statement, ToSql, TransactionBehavior,
    params_from_iter,
};
use std::borrow::Cow;
use std::path::Path;

/// A value on its way into a statement.
pub(crate) struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Opens the file for writing (`writer`) or reading, with the settings that durability rests on.
pub(crate) fn open(path: &Path, writer: bool) -> Result<Connection, StoreError> {
    let flags = if writer {
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
    } else {
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
    };
    let fail = |why: &str| StoreError::Open {
        path: path.display().to_string(),
        why: why.to_owned(),
    };
    if path.is_dir() {
        return Err(fail("this is a folder; name a file"));
    }
    let opened = Connection::open_with_flags(path, flags).and_then(|mut connection| {
        set(&mut connection, writer)?;
        Ok(connection)
    });
    opened.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => fail("this is no database"),
        Some(ErrorCode::CannotOpen) => {
            fail("it cannot be opened; may this user read and write the file and its folder?")
        }
        _ => StoreError::Engine(error),
    })
}

pub(crate) fn set(connection: &mut Connection, writer: bool) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(256);
    // Without this a statement is compiled anew whenever another value is bound to a compared
    // column, because the value could speak for another plan: half of the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    wait_patiently(connection)?;
    if writer {
        connection.pragma_update(None, "page_size", 4096)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        let synchronous = if has(Bug::FsyncOff) { "off" } else { "full" };
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    connection.pragma_update(None, "cache_size", -32_768)?;
    // Not mapped: after every commit of another connection the engine takes its map down, and a
    // reader would pay for making it again with page faults.
    connection.pragma_update(None, "mmap_size", 0)
}

/// Lets a connection wait up to five seconds for another process's transaction.
pub(crate) fn wait_patiently(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    connection.busy_handler(Some(|tries| wait_for_lock(tries, 30_000)))
}

/// Lets a connection wait for a fifth of a second, because others wait for an answer meanwhile.
pub(crate) fn wait_briefly(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    connection.busy_handler(Some(|tries| wait_for_lock(tries, 1_200)))
}

/// Waits a tenth of a millisecond; a system makes more than half as much again of it.
///
/// The engine's own pauses grow to 100 ms; a payment would miss every gap that an import leaves.
#[expect(
    clippy::disallowed_methods,
    reason = "the engine asks on the store's own thread, and only another process can end the wait"
)]
fn wait_for_lock(tries: i32, tries_max: i32) -> bool {
    std::thread::sleep(std::time::Duration::from_micros(100));
    tries < tries_max
}

/// Refuses to run with settings under which an acknowledged commit could be lost.
pub(crate) fn assert_settings(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if journal == "wal" && (synchronous == 2 || has(Bug::FsyncOff)) {
        return Ok(());
    }
    Err(StoreError::Open {
        path: path.display().to_string(),
        why: format!(
            "journal_mode is {journal}, synchronous is {synchronous}; needed: wal, 2. Keep the file on a \
             disk of this machine, and let no other program have it open"
        ),
    })
}

/// The version of the schema; 0 for an empty file.
pub(crate) fn schema_version(connection: &Connection) -> Result<i64, StoreError> {
    let tables: i64 = connection.query_row(sql("sqlite", "has_schema"), [], |row| row.get(0))?;
    Ok(if tables == 0 {
        0
    } else {
        connection.query_row(sql("queries", "schema_version"), [], |row| row.get(0))?
    })
}

/// Whether a copy into the file is not finished.
pub(crate) fn is_copying(connection: &Connection) -> Result<bool, StoreError> {
    let marks: i64 = connection.query_row(sql("sqlite", "is_copying"), [], |row| row.get(0))?;
    Ok(marks > 0)
}

/// Brings the schema up to date.
pub(crate) fn migrate(connection: &mut Connection, now_ms: i64) -> Result<(), StoreError> {
    assert_known(
        schema_version(connection)?,
        connection.path().unwrap_or_default(),
    )?;
    run(connection, MIGRATIONS, now_ms)
}

/// Runs the migrations that are missing, one transaction each, beside whoever writes.
pub(crate) fn run(
    connection: &mut Connection,
    migrations: &[(i64, &str)],
    now_ms: i64,
) -> Result<(), StoreError> {
    for (version, text) in migrations {
        // Taken before the version is read: another process may be migrating.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if schema_version(&transaction)? >= *version {
            continue;
        }
        transaction.execute_batch(&ddl(text, Words::Sqlite))?;
        transaction.execute(sql("queries", "migrated"), [*version, now_ms])?;
        tell_statistics(&transaction)?;
        transaction.commit()?;
    }
    if has(Bug::UniqueIndexDropped) {
        connection.execute_batch("DROP INDEX IF EXISTS slot_live")?;
    }
    connection.execute_batch("ANALYZE sqlite_schema")?;
    Ok(())
}

/// Tells the planner how full a bucket becomes.
///
/// Without statistics it takes a bucket for ten rows and reads all of it, by the primary key, to
/// find the dues of one person. They are told, not counted: a new file is empty.
fn tell_statistics(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("ANALYZE schema_version; DELETE FROM sqlite_stat1")?;
    connection.execute(sql("sqlite", "statistics"), [])?;
    Ok(())
}

/// Runs a statement that reads rows.
pub(crate) fn query(
    connection: &Connection,
    text: &'static str,
    given: &[Value],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut statement = connection.prepare_cached(text)?;
    rows(&mut statement, given)
}

/// The rows of a prepared statement.
pub(crate) fn rows(
    statement: &mut Statement<'_>,
    given: &[Value],
) -> Result<Vec<Vec<Value>>, StoreError> {
    let width = statement.column_count();
    let mut rows = statement.query(params_from_iter(given.iter().map(Bound)))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_row(row, width)?);
    }
    Ok(found)
}

/// Text as it is; what is none in a damaged file is replaced. Most of it is sound, and to know that is
/// quicker than to look for what is not.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Reads the columns of one row.
pub(crate) fn read_row(row: &rusqlite::Row<'_>, width: usize) -> Result<Vec<Value>, StoreError> {
    let mut values = Vec::with_capacity(width);
    for place in 0..width {
        values.push(match row.get_ref(place)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Text(bytes) => Value::Text(text(bytes).into_owned()),
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
            // No column of ours is a float; a damaged file shows as a value of no type.
            ValueRef::Real(_) => Value::Null,
        });
    }
    Ok(values)
}

/// Appends the columns of one row as [`encode_values`](jiaoyi_domain::record::encode_values) does
/// those that [`read_row`] reads.
pub(crate) fn encode_row(
    row: &rusqlite::Row<'_>,
    width: usize,
    out: &mut Vec<u8>,
) -> Result<(), StoreError> {
    for place in 0..width {
        match row.get_ref(place)? {
            ValueRef::Null | ValueRef::Real(_) => encode_null(out),
            ValueRef::Integer(number) => encode_int(number, out),
            ValueRef::Text(bytes) => encode_text(&text(bytes), out),
            ValueRef::Blob(bytes) => encode_bytes(bytes, out),
        }
    }
    Ok(())
}

/// The statement in `held`, prepared when it is asked for the first time.
pub(crate) fn prepared<'h, 'c>(
    connection: &'c Connection,
    held: &'h mut Option<CachedStatement<'c>>,
    text: impl FnOnce() -> &'static str,
) -> Result<&'h mut CachedStatement<'c>, StoreError> {
    let statement = match held.take() {
        Some(statement) => statement,
        None => connection.prepare_cached(text())?,
    };
    Ok(held.insert(statement))
}

/// Runs a statement that writes; how many rows it changed.
pub(crate) fn execute(
    connection: &Connection,
    text: &'static str,
    given: &[Value],
) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(text)?;
    Ok(statement.execute(params_from_iter(given.iter().map(Bound)))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::all_tables;

    /// A journal that cannot be set, as on some network disks, is not lived with.
    #[test]
    fn a_connection_that_could_lose_commits_is_refused() {
        let path = Path::new("there.db");
        let connection = Connection::open_in_memory().unwrap();
        let why = assert_settings(&connection, path).unwrap_err().to_string();
        assert!(
            why.contains("there.db") && why.contains("journal_mode is memory"),
            "{why}"
        );
        assert!(
            why.contains("needed: wal, 2. Keep the file on a disk of"),
            "{why}"
        );
    }

    /// The DDL is written by hand and the records are declared in the domain: they must agree.
    #[test]
    fn the_tables_have_the_columns_of_their_records() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 0).unwrap();
        for spec in all_tables() {
            let mut statement = connection
                .prepare(&format!("PRAGMA table_info({})", spec.name))
                .unwrap();
            let found: Vec<(String, bool, i64)> = statement
                .query_map([], |row| Ok((row.get(1)?, row.get(3)?, row.get(5)?)))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let of_key = |place: usize| if place < spec.key_len { place + 1 } else { 0 };
            // A key that leads with the time has the bucket last.
            let by_time = |place: usize| match of_key(place) {
                0 => 0,
                1 => spec.key_len,
                later => later - 1,
            };
            let declared = |place_of: &dyn Fn(usize) -> usize| -> Vec<(String, bool, i64)> {
                let columns = spec.columns.iter().enumerate();
                let column = columns.map(|(place, column)| {
                    let key = i64::try_from(place_of(place)).unwrap();
                    (column.name.to_owned(), !column.nullable, key)
                });
                column.collect()
            };
            let either = [declared(&of_key), declared(&by_time)];
            assert!(either.contains(&found), "{}: {found:?}", spec.name);
        }
        migrate(&mut connection, 0).unwrap();
    }

    /// What no rule of the program can promise against a second writer, the indexes do.
    #[test]
    fn what_must_be_unique_is() {
        #[cfg(feature = "planted")]
        crate::plant_from_environment();
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 0).unwrap();
        let text = "SELECT m.name, i.partial, (SELECT group_concat(name) FROM \
                    (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) \
                    FROM sqlite_schema AS m, pragma_index_list(m.name) AS i \
                    WHERE m.type = 'table' AND i.origin = 'c' AND i.\"unique\" = 1 \
                    ORDER BY i.name";
        let mut statement = connection.prepare(text).unwrap();
        let found: Vec<(String, bool, String)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let expected = [
            ("pay_order", false, "order_no,bucket"),
            ("slot", true, "bucket,person_id,scheme,benefit_year"),
            ("voucher", true, "bucket,due_id,generation"),
        ];
        let expected = expected
            .map(|(table, partial, columns)| (table.to_owned(), partial, columns.to_owned()));
        assert_eq!(found, expected);
    }

    /// An index serves a range only when each given column is part of the search; else a look-up
    /// reads a whole bucket, which nobody notices before the bucket is full.
    #[test]
    fn no_range_reads_a_whole_bucket() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 0).unwrap();
        let plan_of = |text: &str| -> String {
            let text = format!("EXPLAIN QUERY PLAN {text}");
            let mut statement = connection.prepare(&text).unwrap();
            let rows = statement.raw_query().mapped(|row| row.get::<_, String>(3));
            rows.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
        };
        for spec in all_tables() {
            for (range, given) in spec.ranges {
                let plan = plan_of(sql(spec.name, range));
                // Beside what an index that leads with the time finds there is no other bucket.
                let mut beside = given.iter().filter(|name| !name.ends_with("bucket"));
                let served = beside.all(|name| plan.contains(&format!("{name}=?")));
                assert!(served, "{} {range}: {plan}", spec.name);
            }
        }
        let plan = plan_of(sql("queries", "outbox_of_subject"));
        assert!(plan.contains("subject=?"), "{plan}");
    }
}
