//! What a command asks for before it can be decided.

use crate::record::{Given, Record, Value, encode_values, next_encoded};
use crate::working_set::WorkingSet;
use std::collections::BTreeSet;

/// As long as most names are.
const NAME_BYTES: usize = 128;

/// Rows that a decision needs before it can be taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// One row by its primary key.
    Key { table: u8, key: Vec<Value> },
    /// All rows of a named range.
    Range {
        table: u8,
        range: &'static str,
        given: Vec<Value>,
    },
}

impl Need {
    /// The row of `R` under `key`.
    #[must_use]
    pub fn key<R: Record>(key: &R::Key) -> Need {
        Need::Key {
            table: R::SPEC.number,
            key: R::key_values(key),
        }
    }

    /// The rows of `R` in the range `range`, as declared with the record.
    #[must_use]
    pub fn range<R: Record>(range: &'static str, given: &impl Given) -> Need {
        Need::Range {
            table: R::SPEC.number,
            range,
            given: given.values(),
        }
    }

    /// The range, and what it is given; a key is the range without a name.
    const fn asked(&self) -> (&'static str, &Vec<Value>) {
        match self {
            Need::Key { key, .. } => ("", key),
            Need::Range { range, given, .. } => (*range, given),
        }
    }

    /// Two needs of one name ask for the same rows.
    #[must_use]
    pub fn name(&self) -> Vec<u8> {
        let (range, given) = self.asked();
        let mut name = Vec::with_capacity(NAME_BYTES);
        begin(self.table(), range, &mut name);
        encode_values(given, &mut name);
        name
    }

    /// The bucket under which it looks; none for a table of reference, which is never asked by a number
    /// first.
    #[must_use]
    pub fn bucket(&self) -> Option<u16> {
        match self.asked().1.first() {
            Some(Value::Int(bucket)) => u16::try_from(*bucket).ok(),
            _ => None,
        }
    }

    /// The table whose rows are needed.
    #[must_use]
    pub const fn table(&self) -> u8 {
        match self {
            Need::Key { table, .. } | Need::Range { table, .. } => *table,
        }
    }
}

/// The beginning of the [name](Need::name) of a need.
fn begin(table: u8, range: &str, name: &mut Vec<u8>) {
    name.push(table);
    name.extend_from_slice(range.as_bytes());
    name.push(0);
}

/// Takes what a command needs, and keeps of it what is not loaded yet.
///
/// A command tells all its needs at every round, so most of them are known: asking for those costs no
/// allocation.
#[derive(Debug)]
pub struct Needs<'w> {
    ws: &'w WorkingSet,
    missing: Vec<Need>,
    /// In which buckets the command has looked.
    looked: BTreeSet<u16>,
    /// The name of the need at hand.
    name: Vec<u8>,
}

impl<'w> Needs<'w> {
    /// What is needed beside the rows of `ws`.
    #[must_use]
    pub fn beside(ws: &'w WorkingSet) -> Needs<'w> {
        Needs {
            ws,
            missing: Vec::new(),
            looked: BTreeSet::new(),
            name: Vec::with_capacity(NAME_BYTES),
        }
    }

    /// The rows that are loaded, which tell what else is needed.
    #[must_use]
    pub const fn loaded(&self) -> &'w WorkingSet {
        self.ws
    }

    /// The row of `R` under `key`.
    pub fn key<R: Record>(&mut self, key: &R::Key) {
        if self.ask(R::SPEC.number, "", key) {
            self.missing.push(Need::key::<R>(key));
        }
    }

    /// The row of `R` under each of these keys.
    pub fn keys<'k, R: Record<Key: 'k>>(&mut self, keys: impl IntoIterator<Item = &'k R::Key>) {
        for key in keys {
            self.key::<R>(key);
        }
    }

    /// The rows of `R` in the range `range`, as declared with the record.
    pub fn range<R: Record>(&mut self, range: &'static str, given: &impl Given) {
        if self.ask(R::SPEC.number, range, given) {
            self.missing.push(Need::range::<R>(range, given));
        }
    }

    /// Looks at a need; whether it is missing.
    fn ask(&mut self, table: u8, range: &'static str, given: &impl Given) -> bool {
        self.name.clear();
        begin(table, range, &mut self.name);
        let start = self.name.len();
        given.encode(&mut self.name);
        self.looked.extend(bucket_of(&self.name[start..]));
        !self.ws.is_loaded(&self.name)
    }

    /// What is missing, in the order in which it was told, and the buckets of all that was told.
    #[must_use]
    pub fn told(self) -> (Vec<Need>, BTreeSet<u16>) {
        (self.missing, self.looked)
    }
}

/// As [`Need::bucket`], of encoded values.
fn bucket_of(mut encoded: &[u8]) -> Option<u16> {
    let (1, number) = next_encoded(&mut encoded)? else {
        return None;
    };
    u16::try_from(i64::from_be_bytes(number.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::due::{Due, DueId, Revision, RosterId};
    use crate::id::Bucket;
    use crate::record::Kind;
    use crate::roster::Roster;
    use crate::working_set::TABLES;

    #[test]
    fn what_was_asked_for_is_not_missing() {
        let mut ws = WorkingSet::default();
        let due = (Bucket::try_new(700).unwrap(), DueId([1; 16]), 3);
        let roster = (RosterId([2; 16]).0,);
        let all = [
            Need::key::<Due>(&due),
            Need::range::<Revision>("by_due", &due),
            Need::key::<Roster>(&roster),
        ];
        let looked: Vec<_> = all.iter().map(Need::bucket).collect();
        assert_eq!(looked, [Some(700), Some(700), None]);
        for loaded in 0..=all.len() {
            let mut needs = Needs::beside(&ws);
            needs.key::<Due>(&due);
            needs.range::<Revision>("by_due", &due);
            needs.keys::<Roster>(&Some(roster));
            let told = (all[loaded..].to_vec(), BTreeSet::from([700]));
            assert_eq!(needs.told(), told);
            all.get(loaded)
                .into_iter()
                .for_each(|need| ws.note_loaded(need));
        }
        let other = (due.0, due.1, 4);
        assert!(!ws.is_loaded(&Need::key::<Due>(&other).name()));
        assert!(!ws.is_loaded(&Need::key::<Revision>(&(due.0, due.1, 3, 0)).name()));
    }

    #[test]
    fn where_rows_lie_in_buckets_and_only_there_the_first_value_is_a_bucket() {
        for spec in TABLES {
            let ranges = spec.ranges.iter().map(|(_, given)| given[0]);
            for first in ranges.chain([spec.columns[0].name]) {
                let place = spec.place(first).unwrap();
                let is_number = spec.columns[place].kind == Kind::Int;
                let wanted = (spec.in_buckets(), spec.in_buckets());
                assert_eq!((first == "bucket", is_number), wanted, "{}", spec.name);
            }
        }
    }
}
