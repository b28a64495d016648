//! The same rows again without the product: what a bench compares the product with.
//!
//! Every command left an event that names the rows it wrote. From those and from the rows as they
//! stand now follows what each command wrote; writing it once more with bare prepared statements,
//! into a copy of the database as it was before, costs what the rows alone cost.

use crate::database::Database;
use crate::error::StoreError;
use crate::snapshot::Snapshot;
use crate::sqlite::{self, Bound};
use crate::statements::sql;
use jiaoyi_domain::audit::{ChainId, Event, Link, decode_touched};
use jiaoyi_domain::record::{Record, TableSpec, Value, decode_values};
use jiaoyi_domain::working_set::TABLES;
use jiaoyi_domain::{Bucket, Instant};
use rusqlite::{Connection, Statement};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One row as a command wrote it.
#[derive(Clone, Debug)]
struct Written {
    table: &'static TableSpec,
    values: Vec<Value>,
    /// The version before; none for a new row.
    replaces: Option<i64>,
}

/// What one command wrote, its event included.
#[derive(Clone, Debug)]
pub struct CommandRows(Vec<Written>);

impl CommandRows {
    /// How many rows.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn table_of(number: u8) -> Option<&'static TableSpec> {
    TABLES.iter().find(|spec| spec.number == number).copied()
}

/// The key by which the commands about one payment find together: that of the order or attempt.
fn subjects(event: &Event) -> BTreeSet<Vec<u8>> {
    let attempt = jiaoyi_domain::attempt::Attempt::SPEC.number;
    let rows = decode_touched(&event.touched).unwrap_or_default();
    let of = rows.into_iter().filter(|row| row.table == attempt);
    of.map(|row| row.key).collect()
}

/// What the first `orders_max` commands of kind `first`, and the commands of kinds `then` about the
/// same attempts, wrote to the database file, in the order of their commits.
///
/// A row that several commands wrote comes with its last content each time; only versions differ.
///
/// # Errors
///
/// The engine's trouble.
pub fn capture(
    path: &Path,
    first: &str,
    then: &[&str],
    orders_max: usize,
) -> Result<Vec<CommandRows>, StoreError> {
    let snapshot = Snapshot::open(&Database::Sqlite(path.to_owned()))?;
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
    let reader = sqlite::open(path, false)?;
    chosen.iter().map(|event| rows_of(&reader, event)).collect()
}

fn each_event(snapshot: &Snapshot, each: &mut dyn FnMut(Event)) -> Result<(), StoreError> {
    snapshot.scan_buckets::<Event>(0, 4096, |event| {
        if let Ok(event) = event {
            each(event);
        }
    })
}

fn rows_of(reader: &Connection, event: &Event) -> Result<CommandRows, StoreError> {
    let mut rows = Vec::new();
    for touched in decode_touched(&event.touched).unwrap_or_default() {
        let Some(table) = table_of(touched.table) else {
            continue;
        };
        let key = decode_values(&touched.key).unwrap_or_default();
        let found = sqlite::query(reader, sql(table.name, "load"), &key)?;
        let Some(mut values) = found.into_iter().next() else {
            continue;
        };
        let version = i64::from(touched.version);
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

/// Writes `commands` into a database file of ours, `batch` commands a durable transaction, with one
/// link each; how many rows were written. The file must be as it was before the commands.
///
/// # Errors
///
/// The engine's trouble; a row that was to be changed and is not there counts as written by none.
pub fn replay(path: &Path, commands: &[CommandRows], batch: usize) -> Result<usize, StoreError> {
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
        let link = Link {
            bucket: Bucket::default(),
            chain_id: ChainId([0; 16]),
            link_no,
            previous: [0; 32],
            hash: [0; 32],
            event_hashes: vec![0; commands.len() * 32],
            book_day: Instant(0).date(),
            at: Instant(0),
        };
        written += statements.run(&Written {
            table: Link::SPEC,
            values: link.values(),
            replaces: None,
        })?;
        commit.execute([])?;
    }
    Ok(written)
}
