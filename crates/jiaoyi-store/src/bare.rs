//! The same rows again without the product: what a bench compares the product with.
//!
//! Every command left an event that names the rows it wrote. From those and from the rows as they
//! stand now follows what each command wrote; writing it once more with bare prepared statements,
//! into a copy of the database as it was before, costs what the rows alone cost. On PostgreSQL the
//! bare statements take arrays, a table's rows of a batch each, and are sent together: the quickest
//! way that we know.

use crate::database::Database;
use crate::error::StoreError;
use crate::postgres::bare as postgres;
use crate::snapshot::Snapshot;
use crate::sqlite::{self, Bound};
use crate::statements::sql;
use jiaoyi_domain::audit::{ChainId, Event, Link, decode_touched};
use jiaoyi_domain::record::{Record, TableSpec, Value, decode_values};
use jiaoyi_domain::working_set::{TABLES, table_of};
use jiaoyi_domain::{Bucket, Instant};
use rusqlite::{Connection, Statement};
use std::collections::{BTreeMap, BTreeSet};

/// One row as a command wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) table: &'static TableSpec,
    pub(crate) values: Vec<Value>,
    /// The version before; none for a new row.
    pub(crate) replaces: Option<i64>,
}

/// What one command wrote, its event included.
#[derive(Clone, Debug)]
pub struct CommandRows(pub(crate) Vec<Written>);

impl CommandRows {
    /// How many rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// The key by which the commands about one payment find together: that of the order or attempt.
fn subjects(event: &Event) -> BTreeSet<Vec<u8>> {
    let attempt = jiaoyi_domain::attempt::Attempt::SPEC.number;
    let rows = decode_touched(&event.touched).unwrap_or_default();
    let of = rows.into_iter().filter(|row| row.table == attempt);
    of.map(|row| row.key).collect()
}

/// Makes a copy of a database that nobody uses meanwhile.
///
/// # Errors
///
/// The engine's trouble; on PostgreSQL also when the role may not create databases.
pub fn copy(from: &Database, to: &Database) -> Result<(), StoreError> {
    match (from, to) {
        (Database::Sqlite(from), Database::Sqlite(to)) => {
            let copied = std::fs::copy(from, to);
            copied.map(drop).map_err(|error| StoreError::Open {
                path: to.display().to_string(),
                why: error.to_string(),
            })
        }
        (Database::Postgres(from), Database::Postgres(to)) => postgres::copy(from, to),
        _ => Err(StoreError::Open {
            path: to.to_string(),
            why: "a copy is made within one engine".to_owned(),
        }),
    }
}

/// Removes such a copy, if it is there.
///
/// # Errors
///
/// The engine's trouble.
pub fn remove(copy: &Database) -> Result<(), StoreError> {
    match copy {
        Database::Sqlite(path) => {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{end}", path.display()));
            }
            Ok(())
        }
        Database::Postgres(url) => postgres::remove(url),
    }
}

/// What `look` makes of the process that serves a connection to the database, while it does; none
/// for a file.
///
/// # Errors
///
/// The engine's trouble.
pub fn server_process<T: Send + 'static>(
    database: &Database,
    look: impl FnOnce(u32) -> T + Send + 'static,
) -> Result<Option<T>, StoreError> {
    match database {
        Database::Sqlite(_) => Ok(None),
        Database::Postgres(url) => postgres::server_process(url, look).map(Some),
    }
}

/// What the first `orders_max` commands of kind `first`, and the commands of kinds `then` about the
/// same attempts, wrote to the database, in the order of their commits.
///
/// A row that several commands wrote comes with its last content each time; only versions differ.
///
/// # Errors
///
/// The engine's trouble.
pub fn capture(
    database: &Database,
    first: &str,
    then: &[&str],
    orders_max: usize,
) -> Result<Vec<CommandRows>, StoreError> {
    let snapshot = Snapshot::open(database)?;
    let mut begun: Vec<(i64, i64, u32)> = Vec::new();
    let place = |event: &Event| (event.at.0, event.link_no, event.seq);
    each_event(&snapshot, &mut |event| {
        if event.command == first {
            begun.push(place(&event));
        }
    })?;
    begun.sort_unstable();
    let end = begun.get(orders_max).copied();
    let mut chosen: Vec<Event> = Vec::new();
    let mut known: BTreeSet<Vec<u8>> = BTreeSet::new();
    each_event(&snapshot, &mut |event| {
        if event.command == first && end.is_none_or(|end| place(&event) < end) {
            known.extend(subjects(&event));
            chosen.push(event);
        }
    })?;
    each_event(&snapshot, &mut |event| {
        let follows = then.contains(&event.command.as_str());
        if follows && subjects(&event).iter().any(|key| known.contains(key)) {
            chosen.push(event);
        }
    })?;
    chosen.sort_by_key(place);
    match database {
        Database::Sqlite(path) => {
            let reader = sqlite::open(path, false)?;
            let load = |table: &'static TableSpec, key: &[Value]| {
                let found = sqlite::query(&reader, sql(table.name, "load"), key)?;
                Ok(found.into_iter().next())
            };
            let rows = chosen.iter().map(|event| rows_of(event, load));
            rows.collect()
        }
        Database::Postgres(url) => postgres::rows_of(url, &chosen),
    }
}

fn each_event(snapshot: &Snapshot, each: &mut dyn FnMut(Event)) -> Result<(), StoreError> {
    snapshot.scan::<Event>(|event| {
        if let Ok(event) = event {
            each(event);
        }
    })
}

/// Table, key and version of each row that a command touched.
pub(crate) fn touched(event: &Event) -> Vec<(&'static TableSpec, Vec<Value>, i64)> {
    let rows = decode_touched(&event.touched).unwrap_or_default();
    let rows = rows.into_iter().filter_map(|row| {
        let key = decode_values(&row.key).unwrap_or_default();
        Some((table_of(row.table)?, key, i64::from(row.version)))
    });
    rows.collect()
}

/// What a command wrote; `load` gives a row as it stands now.
pub(crate) fn rows_of(
    event: &Event,
    mut load: impl FnMut(&'static TableSpec, &[Value]) -> Result<Option<Vec<Value>>, StoreError>,
) -> Result<CommandRows, StoreError> {
    let mut rows = Vec::new();
    for (table, key, version) in touched(event) {
        let Some(mut values) = load(table, &key)? else {
            continue;
        };
        if let Some(place) = table.place("version").filter(|_| table.mutable) {
            values[place] = Value::Int(version);
        }
        let replaces = (table.mutable && version > 1).then(|| version.saturating_sub(1));
        rows.push(Written {
            table,
            values,
            replaces,
        });
    }
    rows.push(Written {
        table: Event::SPEC,
        values: event.values(),
        replaces: None,
    });
    Ok(CommandRows(rows))
}

/// The prepared statements of a replay.
struct Statements<'c> {
    insert: BTreeMap<u8, Statement<'c>>,
    update: BTreeMap<u8, Statement<'c>>,
}

impl<'c> Statements<'c> {
    fn prepare(connection: &'c Connection) -> Result<Statements<'c>, StoreError> {
        let mut prepared = Statements {
            insert: BTreeMap::new(),
            update: BTreeMap::new(),
        };
        for spec in TABLES.iter().chain([&Event::SPEC, &Link::SPEC]) {
            let insert = connection.prepare(sql(spec.name, "insert"))?;
            prepared.insert.insert(spec.number, insert);
            if spec.mutable {
                let update = connection.prepare(sql(spec.name, "update"))?;
                prepared.update.insert(spec.number, update);
            }
        }
        Ok(prepared)
    }

    fn run(&mut self, row: &Written) -> Result<usize, StoreError> {
        let list = match row.replaces {
            Some(_) => &mut self.update,
            None => &mut self.insert,
        };
        let Some(statement) = list.get_mut(&row.table.number) else {
            return Ok(0);
        };
        let mut place = 0;
        for value in &row.values {
            place += 1;
            statement.raw_bind_parameter(place, Bound(value))?;
        }
        if let Some(version) = row.replaces {
            statement.raw_bind_parameter(place + 1, version)?;
        }
        Ok(statement.raw_execute()?)
    }
}

/// The link of a replayed batch.
pub(crate) fn link(link_no: i64, commands: usize) -> Link {
    Link {
        bucket: Bucket::default(),
        chain_id: ChainId([0; 16]),
        link_no,
        previous: [0; 32],
        hash: [0; 32],
        event_hashes: vec![0; commands * 32],
        book_day: Instant(0).date(),
        at: Instant(0),
    }
}

/// Writes `commands` into a database of ours, `batch` commands a durable transaction, with one link
/// each; how many rows were written. The database must be as it was before the commands.
///
/// # Errors
///
/// The engine's trouble; a row that was to be changed and is not there counts as written by none.
pub fn replay(
    database: &Database,
    commands: &[CommandRows],
    batch: usize,
) -> Result<usize, StoreError> {
    let path = match database {
        Database::Sqlite(path) => path,
        Database::Postgres(url) => return postgres::replay(url, commands, batch),
    };
    let connection = sqlite::open(path, true)?;
    let mut statements = Statements::prepare(&connection)?;
    let mut begin = connection.prepare("BEGIN IMMEDIATE")?;
    let mut commit = connection.prepare("COMMIT")?;
    let mut written = 0;
    for (link_no, commands) in (0_i64..).zip(commands.chunks(batch.max(1))) {
        begin.execute([])?;
        for command in commands {
            for row in &command.0 {
                written += statements.run(row)?;
            }
        }
        written += statements.run(&Written {
            table: Link::SPEC,
            values: link(link_no, commands.len()).values(),
            replaces: None,
        })?;
        commit.execute([])?;
    }
    Ok(written)
}
