//! What the events of a range of buckets say of its rows: versions, states and last after-images.

use super::{Report, encoded_key_text, transitions};
use foldhash::HashMap;
use jiaoyi_domain::audit::{Event, decode_touched};
use jiaoyi_domain::record::{TableSpec, Value, encode_values};
use jiaoyi_domain::working_set::TABLES;
use smallvec::SmallVec;

/// One change of one row.
struct Change {
    version: u32,
    state: u8,
    hash: [u8; 16],
    at: i64,
}

#[derive(Default)]
struct Known {
    /// Most rows are written once.
    changes: SmallVec<[Change; 1]>,
    row_seen: bool,
}

/// Every change of every row of a range of buckets. Each row is looked up twice or more, which is
/// most of the work: by hash, not by order.
#[derive(Default)]
pub(super) struct History {
    rows: HashMap<(u8, Vec<u8>), Known>,
}

/// A rule and how a row's history breaks it.
type Fault = (&'static str, String);

fn table_of(number: u8) -> Option<&'static TableSpec> {
    TABLES.iter().find(|spec| spec.number == number).copied()
}

/// A stored row as it is compared.
pub(super) struct Stored {
    /// Its key, encoded.
    pub key: Vec<u8>,
    /// Hash of its columns.
    pub hash: [u8; 16],
    /// Its version and its state, when it reads as its type.
    pub stands: Option<(u32, u8)>,
}

/// Values in one piece.
pub(super) fn encoded(values: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    encode_values(values, &mut bytes);
    bytes
}

impl History {
    /// Takes in what an event touched.
    pub(super) fn event(&mut self, event: &Event, report: &mut Report) {
        let Some(touched) = decode_touched(&event.touched) else {
            report.fail_row("audit.event", event, "what it touched cannot be read");
            return;
        };
        let own_bucket = encoded(&[Value::Int(i64::from(event.bucket.get()))]);
        for row in touched {
            let known = table_of(row.table);
            let sharded = known.is_some_and(|spec| spec.columns[0].name == "bucket");
            if known.is_none() || (sharded && !row.key.starts_with(&own_bucket)) {
                let what = "it touches a row of an unknown table or of another bucket";
                report.fail_row("audit.event", event, what);
                continue;
            }
            self.rows
                .entry((row.table, row.key))
                .or_default()
                .changes
                .push(Change {
                    version: row.version,
                    state: row.state,
                    hash: row.hash,
                    at: event.at.0,
                });
        }
    }

    /// Puts the changes of every row in order; before the rows are compared.
    pub(super) fn sort(&mut self) {
        let all = self.rows.values_mut();
        all.for_each(|known| known.changes.sort_by_key(|change| change.version));
    }

    /// Compares a stored row with its last after-image.
    pub(super) fn row(&mut self, spec: &'static TableSpec, row: Stored, report: &mut Report) {
        let Stored { key, hash, stands } = row;
        let name = (spec.number, key);
        let mut fail = |rule, what| {
            report.fail(rule, spec.name, encoded_key_text(&name.1), what);
        };
        let Some(known) = self.rows.get_mut(&name) else {
            fail("audit.no_event", "no event has made this row");
            return;
        };
        known.row_seen = true;
        let last = known.changes.last();
        if last.is_none_or(|change| change.hash != hash) {
            fail("audit.image", "the row is not what its last event says");
        }
        let told = last.map(|change| (change.version, change.state));
        if stands.is_some() && stands != told {
            let what = "its version or state is not that of its last event";
            fail("audit.history", what);
        }
    }

    /// When a row was changed last, as far as this range knows.
    pub(super) fn changed_at(&self, spec: &'static TableSpec, key: &[Value]) -> Option<i64> {
        let known = self.rows.get(&(spec.number, encoded(key)))?;
        known.changes.last().map(|change| change.at)
    }

    /// Names rows that are gone, and histories that no path of the tables explains.
    pub(super) fn finish(&self, report: &mut Report) {
        let judged = self.rows.iter().filter_map(|(row, known)| {
            let spec = table_of(row.0)?;
            let faults = known.faults(spec);
            (!faults.is_empty()).then_some((row, spec, faults))
        });
        let mut judged: Vec<_> = judged.collect();
        judged.sort_unstable_by_key(|(row, ..)| *row);
        for ((_, key), spec, faults) in judged {
            let name = encoded_key_text(key);
            for (rule, what) in faults {
                report.fail(rule, spec.name, name.clone(), what);
            }
        }
    }
}

impl Known {
    fn faults(&self, spec: &TableSpec) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.row_seen {
            let what = "its events are there and the row is not";
            faults.push(("audit.row_missing", what.to_owned()));
        }
        let mut numbered = (1..).zip(&self.changes);
        if !numbered.all(|(number, change)| change.version == number) {
            let versions: Vec<u32> = self.changes.iter().map(|row| row.version).collect();
            let what = format!("its events know versions {versions:?}");
            faults.push(("audit.history", what));
            return faults;
        }
        if !spec.mutable && self.changes.len() > 1 {
            let what = "a row that never changes was changed";
            faults.push(("audit.history", what.to_owned()));
        }
        let first = self.changes.first().map_or(0, |change| change.state);
        if !transitions::may_begin(spec.number, first) {
            faults.push(("audit.transition", format!("it began in state {first}")));
        }
        for pair in self.changes.windows(2) {
            let (from, to) = (pair[0].state, pair[1].state);
            if !transitions::allowed(spec.number, from, to) {
                let what = format!("version {} went from {from} to {to}", pair[1].version);
                faults.push(("audit.transition", what));
            }
        }
        faults
    }
}
