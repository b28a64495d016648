//! What the events of a range of buckets say of its rows: versions, states and last after-images.

use super::{Report, encoded_key_text, transitions};
use foldhash::HashMap;
use jiaoyi_domain::audit::{Event, decode_touched};
use jiaoyi_domain::record::{TableSpec, Value, encode_values};
use jiaoyi_domain::working_set::table_of;
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

/// Every change of every row of a range of buckets. Each row is looked up twice or more: by hash, not
/// by order.
#[derive(Default)]
pub(super) struct History {
    /// Rows by encoded key, at the place of their table's number.
    tables: Vec<HashMap<Vec<u8>, Known>>,
}

/// A rule and how a row's history breaks it.
type Fault = (&'static str, String);

/// A stored row as it is compared.
pub(super) struct Stored<'a> {
    /// Its key, encoded.
    pub key: &'a [u8],
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
            let sharded = known.is_some_and(TableSpec::in_buckets);
            if known.is_none() || (sharded && !row.key.starts_with(&own_bucket)) {
                let what = "it touches a row of an unknown table or of another bucket";
                report.fail_row("audit.event", event, what);
                continue;
            }
            let known = self.table(row.table).entry(row.key).or_default();
            known.changes.push(Change {
                version: row.version,
                state: row.state,
                hash: row.hash,
                at: event.at.0,
            });
        }
    }

    fn table(&mut self, number: u8) -> &mut HashMap<Vec<u8>, Known> {
        let place = usize::from(number);
        if self.tables.len() <= place {
            self.tables.resize_with(place + 1, HashMap::default);
        }
        &mut self.tables[place]
    }

    /// Puts the changes of every row in order; before the rows are compared.
    pub(super) fn sort(&mut self) {
        let all = self.tables.iter_mut().flat_map(HashMap::values_mut);
        all.for_each(|known| known.changes.sort_by_key(|change| change.version));
    }

    /// Compares a stored row with its last after-image.
    pub(super) fn row(&mut self, spec: &'static TableSpec, row: Stored<'_>, report: &mut Report) {
        let Stored { key, hash, stands } = row;
        let mut fail = |rule, what| {
            report.fail(rule, spec.name, encoded_key_text(key), what);
        };
        let Some(known) = self.table(spec.number).get_mut(key) else {
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
        let table = self.tables.get(usize::from(spec.number))?;
        let known = table.get(&encoded(key))?;
        known.changes.last().map(|change| change.at)
    }

    /// Names rows that are gone, and histories that no path of the tables explains.
    pub(super) fn finish(&self, report: &mut Report) {
        for (number, rows) in (0..).zip(&self.tables) {
            let Some(spec) = table_of(number) else {
                continue;
            };
            let judged = rows.iter().map(|(key, known)| (key, known.faults(spec)));
            let mut judged: Vec<_> = judged.filter(|(_, faults)| !faults.is_empty()).collect();
            judged.sort_unstable();
            for (key, faults) in judged {
                let name = encoded_key_text(key);
                for (rule, what) in faults {
                    report.fail(rule, spec.name, name.clone(), what);
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiaoyi_domain::audit::{ChainId, Touched, encode_touched};
    use jiaoyi_domain::messages::Inbox;
    use jiaoyi_domain::order::PayOrder;
    use jiaoyi_domain::record::Record;
    use jiaoyi_domain::{Bucket, Instant};

    const HOME: i64 = 7;

    /// An event of bucket 7 that touched a row of this table, under a key that begins so.
    fn event(table: u8, bucket: i64, version: u32, at: i64) -> Event {
        let touched = Touched {
            table,
            key: encoded(&key(bucket)),
            version,
            state: 1,
            hash: [0; 16],
        };
        Event {
            bucket: Bucket::try_new(7).unwrap(),
            chain_id: ChainId([0; 16]),
            link_no: i64::from(version),
            seq: 0,
            command: "test".to_owned(),
            actor: "payer".to_owned(),
            at: Instant(at),
            touched: encode_touched(&[touched]),
        }
    }

    fn key(bucket: i64) -> [Value; 2] {
        [Value::Int(bucket), Value::Bytes(vec![1; 16])]
    }

    fn said(history: &History, mut report: Report) -> Vec<String> {
        history.finish(&mut report);
        let said = report.violations.iter();
        said.map(|row| format!("{} {}", row.rule, row.what))
            .collect()
    }

    #[test]
    fn an_event_touches_rows_of_known_tables_and_of_its_own_bucket() {
        let order = PayOrder::SPEC.number;
        for (table, bucket, fits) in [(order, HOME, true), (order, 8, false), (250, HOME, false)] {
            let (mut history, mut report) = (History::default(), Report::default());
            history.event(&event(table, bucket, 1, 1), &mut report);
            assert_eq!(report.ok(), fits, "{table} {bucket}");
        }
    }

    #[test]
    fn the_last_change_is_that_of_the_highest_version() {
        let (mut history, mut report) = (History::default(), Report::default());
        let order = PayOrder::SPEC;
        for (version, at) in [(2, 20), (1, 10)] {
            history.event(&event(order.number, HOME, version, at), &mut report);
        }
        history.sort();
        assert_eq!(history.changed_at(order, &key(HOME)), Some(20));
        assert_eq!(history.changed_at(order, &key(8)), None);
        let missing = ["audit.row_missing its events are there and the row is not"];
        assert_eq!(said(&history, report), missing);
    }

    #[test]
    fn a_row_that_never_changes_has_one_event() {
        let (mut history, mut report) = (History::default(), Report::default());
        for version in [1, 2] {
            let mut made = event(Inbox::SPEC.number, HOME, version, 1);
            let mut touched = decode_touched(&made.touched).unwrap();
            touched[0].state = 0;
            made.touched = encode_touched(&touched);
            history.event(&made, &mut report);
        }
        history.sort();
        let said = said(&history, report);
        let changed = "audit.history a row that never changes was changed";
        assert!(said.iter().any(|what| what == changed), "{said:?}");
    }
}
