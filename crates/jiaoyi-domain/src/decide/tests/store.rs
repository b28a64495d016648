//! The rows of a database, and commands decided on them one at a time.

use crate::audit::Touched;
use crate::decide::{Answer, Command, Context, Refusal};
use crate::id::IdSource;
use crate::needs::{Need, Needs};
use crate::record::{Record, TableSpec, Value, encode_values, image_hash};
use crate::time::Instant;
use crate::working_set::{Change, TABLES, WorkingSet};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one command did to one row: its table, the row before and after; the same when it was only
/// asserted.
pub struct Changed {
    pub spec: &'static TableSpec,
    pub before: Option<Vec<Value>>,
    pub after: Vec<Value>,
}

/// An answer, the images for the audit chain, and what is written, by table.
type Decided = (
    Result<Answer, Refusal>,
    Vec<Touched>,
    Vec<(&'static TableSpec, Vec<Change>)>,
);

/// Rows by table and key.
#[derive(Default)]
pub struct Store {
    tables: BTreeMap<u8, BTreeMap<Vec<Value>, Vec<Value>>>,
    commands: u32,
}

impl Store {
    /// Decides a command at `at` and keeps what it changed, in write order.
    pub fn decide(
        &mut self,
        command: &dyn Command,
        at: Instant,
    ) -> (Result<Answer, Refusal>, Vec<Changed>) {
        self.commands += 1;
        let (answer, touched, changes) = self.decided(command, at, WorkingSet::default());
        let crowded = self.decided(command, at, self.crowd());
        let kind = command.kind();
        assert_eq!(crowded.0, answer, "{kind} answers by rows of others");
        let told = |changes| format!("{changes:#?}");
        assert_eq!(told(&crowded.2), told(&changes), "{kind}, among others");
        let mut changed: Vec<Changed> = Vec::new();
        for (spec, list) in changes {
            changed.extend(list.into_iter().map(|change| self.apply(spec, change)));
        }
        remembered(&changed, touched);
        (answer, changed)
    }

    /// What a command decides on these rows and those that it needs beside them.
    fn decided(&self, command: &dyn Command, at: Instant, mut ws: WorkingSet) -> Decided {
        loop {
            let mut needs = Needs::beside(&ws);
            command.needs(&mut needs);
            let (missing, _) = needs.told();
            if missing.is_empty() {
                break;
            }
            for need in missing {
                let rows = self.load(&need);
                ws.absorb(&need, rows).expect("the rows read");
            }
        }
        let mut ctx = Context {
            at,
            ids: IdSource::new([3; 32], self.commands),
            book_day: at.date(),
            issuer: Arc::from("issuer"),
        };
        let answer = command.decide(&mut ws, &mut ctx);
        if answer.is_err() {
            ws.discard();
        }
        let touched = ws.accept().into_iter().map(|(_, row)| row).collect();
        let changes = ws.changes().into_iter();
        let changes = changes.filter(|(_, list)| !list.is_empty()).collect();
        (answer, touched, changes)
    }

    /// All rows that there are, as others of the same batch may have loaded them, and beside each its
    /// like of somebody else.
    fn crowd(&self) -> WorkingSet {
        let mut ws = WorkingSet::default();
        for (table, rows) in &self.tables {
            let spec = TABLES.iter().find(|spec| spec.number == *table);
            let spec = spec.expect("a known table");
            for row in rows.values() {
                let other = others(spec, row);
                let free = !rows.contains_key(&other[..spec.key_len]);
                // A number with a check digit is nobody else's by one letter.
                let _ = free.then(|| ws.absorb_rows(*table, vec![other]));
                ws.absorb_rows(*table, vec![row.clone()])
                    .expect("the row reads");
            }
        }
        ws
    }

    fn apply(&mut self, spec: &'static TableSpec, change: Change) -> Changed {
        let rows = self.tables.entry(spec.number).or_default();
        let version = |row: &[Value]| spec.place("version").map(|place| row[place].clone());
        let known = |expected: u32, row: Option<&Vec<Value>>| {
            let row = row.expect("the row is there").clone();
            assert_eq!(version(&row), Some(Value::Int(i64::from(expected))));
            row
        };
        match change {
            Change::Insert { values } => {
                let before = rows.insert(values[..spec.key_len].to_vec(), values.clone());
                assert_eq!(before, None, "{} is there already", spec.name);
                Changed {
                    spec,
                    before: None,
                    after: values,
                }
            }
            Change::Update {
                key,
                values,
                expected,
            } => {
                let before = known(expected, rows.get(&key));
                rows.insert(key, values.clone());
                Changed {
                    spec,
                    before: Some(before),
                    after: values,
                }
            }
            Change::Assert { key, expected } => {
                let row = known(expected, rows.get(&key));
                Changed {
                    spec,
                    before: Some(row.clone()),
                    after: row,
                }
            }
        }
    }

    /// The rows that a need names.
    fn load(&self, need: &Need) -> Vec<Vec<Value>> {
        let Some(rows) = self.tables.get(&need.table()) else {
            return Vec::new();
        };
        match need {
            Need::Key { key, .. } => rows.get(key).cloned().into_iter().collect(),
            Need::Range {
                table,
                range,
                given,
            } => {
                let spec = TABLES.iter().find(|spec| spec.number == *table);
                let spec = spec.expect("a known table");
                let declared = spec.ranges.iter().find(|(name, _)| name == range);
                let (_, columns) = declared.expect("a declared range");
                assert_eq!(given.len(), columns.len(), "{}.{range}", spec.name);
                let places = columns.iter().filter_map(|column| spec.place(column));
                let wanted: Vec<(usize, &Value)> = places.zip(given).collect();
                let fits = |row: &&Vec<Value>| wanted.iter().all(|(at, value)| row[*at] == **value);
                rows.values().filter(fits).cloned().collect()
            }
        }
    }

    /// Every row of a type, in key order.
    pub fn all<R: Record>(&self) -> Vec<R> {
        let rows = self.tables.get(&R::SPEC.number).into_iter();
        let rows = rows.flat_map(BTreeMap::values).cloned();
        rows.map(|values| R::from_values(values).expect("the row reads"))
            .collect()
    }

    /// Sets a row beside every rule: what only another program could have written.
    pub fn set<R: Record>(&mut self, row: &R) {
        let rows = self.tables.entry(R::SPEC.number).or_default();
        rows.insert(R::key_values(&row.key()), row.values());
    }

    /// Takes a row away beside every rule.
    pub fn forget<R: Record>(&mut self, key: &R::Key) {
        let rows = self.tables.entry(R::SPEC.number).or_default();
        rows.remove(&R::key_values(key)).expect("the row is there");
    }
}

/// A row like this one of somebody else: other ids and numbers, the rest is the same.
fn others(spec: &TableSpec, row: &[Value]) -> Vec<Value> {
    let columns = spec.columns.iter().zip(row);
    let other = columns.map(|(column, value)| match value {
        Value::Bytes(id) if id.len() == 16 => {
            let mut id = id.clone();
            id[15] ^= 0x80;
            Value::Bytes(id)
        }
        Value::Text(no) if column.name.ends_with("_no") || column.name == "subject" => {
            let mut no = no.clone();
            let last = no.pop();
            no.push(if last == Some('0') { '1' } else { '0' });
            Value::Text(no)
        }
        other => other.clone(),
    });
    other.collect()
}

/// The audit chain remembers exactly the rows that were written, as they were written.
fn remembered(changed: &[Changed], mut touched: Vec<Touched>) {
    let written = changed
        .iter()
        .filter(|row| row.before.as_ref() != Some(&row.after));
    for row in written {
        let mut key = Vec::new();
        encode_values(&row.after[..row.spec.key_len], &mut key);
        let of = |known: &Touched| known.table == row.spec.number && known.key == key;
        let known = touched.swap_remove(touched.iter().position(of).expect("an image"));
        assert_eq!(
            known.hash,
            image_hash(row.spec, &row.after),
            "{}",
            row.spec.name
        );
        let version = row
            .spec
            .place("version")
            .map(|place| row.after[place].clone());
        let counted = version.unwrap_or(Value::Int(1));
        assert_eq!(
            counted,
            Value::Int(i64::from(known.version)),
            "{}",
            row.spec.name
        );
    }
    assert_eq!(touched, []);
}
