//! Whether every index of the embedded file holds its table's rows, no more and no less, in order.
//!
//! The engine's own check looks every row up in every index, reading pages at random. Here each index is
//! read once from end to end, and each table once for all of its, and a sum over both says whether they
//! hold the same. Only
//! where they differ the engine looks again, to name the rows; and where an index is of a kind that is
//! not known here, by expressions, falling, or with an order of its own, the engine alone judges.

use crate::error::StoreError;
use crate::statements::sql;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// One index as the file's schema tells of it.
struct Index {
    name: String,
    unique: bool,
    /// What it is made of, and after that what names the row.
    columns: Vec<String>,
    /// How many of the columns it is made of.
    key_len: usize,
    /// The condition of an index that holds only some rows.
    only: Option<String>,
    /// How the table itself is read, and no other index that holds the same columns.
    by_table: String,
    /// Made of plain columns, rising, byte by byte, as all of ours are.
    plain: bool,
}

/// What is wrong with the indexes: about a hundred lines a table at most, none for a sound file.
pub(crate) fn check(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let indexes = indexes(connection)?;
    let mut found = Vec::new();
    for (table, indexes) in indexes {
        let faults = faults(connection, &table, &indexes);
        if faults.iter().all(|fault| *fault == Some(None)) {
            continue;
        }
        let text = format!("PRAGMA integrity_check({})", quoted(&table));
        let named = lines(connection, &text)?;
        if !named.is_empty() {
            found.extend(named);
            continue;
        }
        // It does not look for entries too many in an index that holds only some rows.
        for (index, fault) in indexes.iter().zip(faults) {
            let fault = fault.flatten();
            found.extend(fault.map(|what| format!("{what} index {}", index.name)));
        }
    }
    Ok(found)
}

/// What is wrong with each index of a table as a whole, if anything; `None` for one that is the
/// engine's to judge, as it is of another kind or cannot be read.
fn faults(connection: &Connection, table: &str, indexes: &[Index]) -> Vec<Option<Fault>> {
    let hashes = RandomState::new();
    let read = indexes.iter().map(|index| {
        let readable = index.plain.then(|| index.read(connection, table, &hashes));
        readable.and_then(Result::ok)
    });
    let read: Vec<Option<Entries>> = read.collect();
    let both = indexes.iter().zip(&read);
    let readable = both.filter(|(_, entries)| entries.is_some());
    let readable: Vec<&Index> = readable.map(|(index, _)| index).collect();
    let Ok(sums) = sums_of_table(connection, table, &readable, &hashes) else {
        return vec![None; indexes.len()];
    };
    let mut sums = sums.into_iter();
    let judged = read.into_iter().zip(indexes).map(|(entries, index)| {
        let (entries, sum) = (entries?, sums.next()?);
        Some(entries.fault(&sum, index.unique))
    });
    judged.collect()
}

/// What a check of the engine finds; it says "ok" for nothing.
pub(crate) fn lines(connection: &Connection, text: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(text)?;
    let lines = statement.query_map([], |row| row.get(0))?;
    let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// All of them, by table.
fn indexes(connection: &Connection) -> Result<BTreeMap<String, Vec<Index>>, StoreError> {
    let mut statement = connection.prepare(sql("sqlite", "indexes"))?;
    let found = statement.query_map([], |row| {
        let made: Option<String> = row.get(3)?;
        let only = made.as_deref().and_then(|made| made.split_once(" where "));
        // "Not indexed" is no promise for a table that lies in the order of its key.
        let key: Option<String> = row.get(4)?;
        let by_key = key.map(|key| format!("INDEXED BY {}", quoted(&key)));
        let table: String = row.get(0)?;
        let index = Index {
            name: row.get(1)?,
            unique: row.get(2)?,
            columns: Vec::new(),
            key_len: 0,
            only: only.map(|(_, only)| only.to_owned()),
            by_table: by_key.unwrap_or_else(|| "NOT INDEXED".to_owned()),
            plain: true,
        };
        Ok((table, index))
    })?;
    let mut indexes: BTreeMap<String, Vec<Index>> = BTreeMap::new();
    for found in found {
        let (table, index) = found?;
        indexes.entry(table).or_default().push(index);
    }
    let mut statement = connection.prepare(sql("sqlite", "index_columns"))?;
    for index in indexes.values_mut().flatten() {
        let found = statement.query_map([&index.name], |row| {
            let column: (Option<String>, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(column)
        })?;
        for column in found {
            let (name, of_key, plain) = column?;
            // What names the row of a table without a key of its own has no name itself.
            let name = name.map_or_else(|| "rowid".to_owned(), |name| quoted(&name));
            index.columns.push(name);
            index.key_len += usize::from(of_key);
            index.plain &= plain;
        }
    }
    Ok(indexes)
}

/// What is wrong with an index, if anything.
type Fault = Option<&'static str>;

/// How many rows there are, and the sum of the hashes of their entries, whatever the order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    hashes: u128,
}

impl Sum {
    fn add(&mut self, hash: u64) {
        self.count = self.count.saturating_add(1);
        self.hashes = self.hashes.wrapping_add(u128::from(hash));
    }
}

/// What an index holds.
struct Entries {
    sum: Sum,
    in_order: bool,
    /// No two are alike in what the index is made of.
    alone: bool,
}

impl Entries {
    fn fault(&self, of_table: &Sum, unique: bool) -> Fault {
        if self.sum != *of_table {
            Some("rows are missing from or wrong in")
        } else if !self.in_order {
            Some("rows are out of order in")
        } else if unique && !self.alone {
            Some("non-unique entries in")
        } else {
            None
        }
    }
}

impl Index {
    /// Reads all of it, in its order.
    fn read(
        &self,
        connection: &Connection,
        table: &str,
        hashes: &RandomState,
    ) -> Result<Entries, StoreError> {
        let (columns, by) = (self.columns.join(", "), quoted(&self.name));
        let only = self.only.as_ref();
        let only = only.map_or_else(String::new, |only| format!(" WHERE {only}"));
        let text = format!(
            "SELECT {columns} FROM {} INDEXED BY {by}{only}",
            quoted(table)
        );
        let mut statement = connection.prepare(&text)?;
        let mut rows = statement.query([])?;
        let (mut before, mut entry) = (Entry::default(), Entry::default());
        let mut entries = Entries {
            sum: Sum::default(),
            in_order: true,
            alone: true,
        };
        while let Some(row) = rows.next()? {
            entry.read(row, 0..self.columns.len(), self.key_len)?;
            entries.in_order &= before.bytes <= entry.bytes;
            entries.alone &= !(entry.is_whole && before.is_whole && before.key() == entry.key());
            entries.sum.add(hashes.hash_one(&entry.bytes));
            std::mem::swap(&mut before, &mut entry);
        }
        Ok(entries)
    }
}

/// What each of these indexes of a table should hold. The table is read once for all of them.
fn sums_of_table(
    connection: &Connection,
    table: &str,
    indexes: &[&Index],
    hashes: &RandomState,
) -> Result<Vec<Sum>, StoreError> {
    let Some(first) = indexes.first() else {
        return Ok(Vec::new());
    };
    let columns = indexes.iter().flat_map(|index| {
        let is_in = index.only.as_deref().unwrap_or("TRUE");
        let columns = index.columns.iter().cloned();
        [format!("({is_in}) IS TRUE")].into_iter().chain(columns)
    });
    let columns: Vec<String> = columns.collect();
    let (columns, by) = (columns.join(", "), &first.by_table);
    let text = format!("SELECT {columns} FROM {} {by}", quoted(table));
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query([])?;
    let mut entry = Entry::default();
    let mut sums: Vec<Sum> = indexes.iter().map(|_| Sum::default()).collect();
    while let Some(row) = rows.next()? {
        let mut place = 0;
        for (index, sum) in indexes.iter().zip(&mut sums) {
            let end = place + 1 + index.columns.len();
            if row.get(place)? {
                entry.read(row, place + 1..end, index.key_len)?;
                sum.add(hashes.hash_one(&entry.bytes));
            }
            place = end;
        }
    }
    Ok(sums)
}

/// An entry of an index as bytes that compare as the entries do.
#[derive(Default)]
struct Entry {
    bytes: Vec<u8>,
    /// Where what the index is made of ends.
    key_end: usize,
    /// No column of the index is missing: it is compared when it must stand alone.
    is_whole: bool,
}

impl Entry {
    fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_end).unwrap_or_default()
    }

    /// Reads the columns at these places, of which the first `key_len` are the key.
    fn read(
        &mut self,
        row: &Row<'_>,
        places: Range<usize>,
        key_len: usize,
    ) -> rusqlite::Result<()> {
        self.bytes.clear();
        self.is_whole = true;
        let width = places.len();
        for (number, place) in places.enumerate() {
            if number == key_len {
                self.key_end = self.bytes.len();
            }
            match row.get_ref(place)? {
                ValueRef::Null => {
                    self.bytes.push(0);
                    self.is_whole &= number >= key_len;
                }
                ValueRef::Integer(number) => {
                    self.bytes.push(1);
                    // The lowest number comes first.
                    let ordered = number.cast_unsigned() ^ (1 << 63);
                    self.bytes.extend_from_slice(&ordered.to_be_bytes());
                }
                ValueRef::Real(number) => {
                    self.bytes.push(2);
                    self.bytes
                        .extend_from_slice(&number.to_bits().to_be_bytes());
                }
                ValueRef::Text(text) => self.put(3, text),
                ValueRef::Blob(bytes) => self.put(4, bytes),
            }
        }
        if key_len >= width {
            self.key_end = self.bytes.len();
        }
        Ok(())
    }

    /// A zero within is followed by 255 and the end by 0, so that a longer text comes later.
    fn put(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes.push(kind);
        let mut parts = bytes.split(|byte| *byte == 0);
        self.bytes
            .extend_from_slice(parts.next().unwrap_or_default());
        for part in parts {
            self.bytes.extend_from_slice(&[0, 255]);
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(&[0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::config::DbConfig;

    fn file() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let text = "create table plain (a integer, b text, c blob) strict;
             create unique index plain_a on plain (a, b);
             create index plain_c on plain (c) where a > 10;
             create table keyed (k blob not null, v integer, primary key (k)) strict, without rowid;
             create index keyed_v on keyed (v);";
        connection.execute_batch(text).unwrap();
        for number in 0..500_i64 {
            let bytes = (number * 7919 % 65_536).to_be_bytes();
            let values = (number % 250 - 100, (number / 250).to_string(), &bytes[6..]);
            let mut insert = connection
                .prepare_cached("insert into plain values (?1, ?2, ?3)")
                .unwrap();
            insert.execute(values).unwrap();
            let mut insert = connection
                .prepare_cached("insert into keyed values (?1, ?2)")
                .unwrap();
            insert.execute((&bytes[..], number % 17)).unwrap();
        }
        let nothing = "insert into plain values (null, 'x', null), (null, 'x', null)";
        connection.execute(nothing, []).unwrap();
        connection
    }

    /// Changes the schema without the file: what the index holds is not what it should hold then.
    fn told_otherwise(connection: &Connection, name: &str, was: &str, is: &str) {
        let writable = DbConfig::SQLITE_DBCONFIG_DEFENSIVE;
        connection.set_db_config(writable, false).unwrap();
        let change = format!(
            "pragma writable_schema = on;
             update sqlite_schema set sql = replace(sql, '{was}', '{is}') where name = '{name}';
             pragma writable_schema = reset;"
        );
        connection.execute_batch(&change).unwrap();
    }

    #[test]
    fn sound_indexes_are_sound() {
        let file = file();
        // In all of these the rules above would see faults that are none.
        let others = "create index plain_b on plain (b desc);
             create index plain_e on plain (a + 1);
             create index plain_n on plain (b collate nocase);
             create index plain_w on plain (a) WHERE b > '0';";
        file.execute_batch(others).unwrap();
        let mut judged = Vec::new();
        for (table, indexes) in indexes(&file).unwrap() {
            let faults = faults(&file, &table, &indexes);
            let names = indexes.into_iter().map(|index| index.name);
            judged.extend(names.zip(faults));
        }
        judged.sort_unstable();
        // The last cannot be read so, and those between are of kinds that are not known here.
        let expected = [
            ("keyed_v", Some(None)),
            ("plain_a", Some(None)),
            ("plain_b", None),
            ("plain_c", Some(None)),
            ("plain_e", None),
            ("plain_n", None),
            ("plain_w", None),
        ];
        assert_eq!(
            judged,
            expected.map(|(name, fault)| (name.to_owned(), fault))
        );
        assert_eq!(check(&file).unwrap(), [""; 0]);
    }

    #[test]
    fn an_index_that_holds_other_rows_is_found() {
        for (name, was, is) in [
            ("plain_c", "a > 10", "a > 11"),
            ("plain_c", "a > 10", "a > 9"),
            ("keyed_v", "(v)", "(k)"),
            ("plain_a", "(a, b)", "(b, a)"),
            ("plain_b", " desc", ""),
        ] {
            let file = file();
            if name == "plain_b" {
                let falling = "create index plain_b on plain (b desc)";
                file.execute(falling, []).unwrap();
            }
            told_otherwise(&file, name, was, is);
            let found = check(&file).unwrap();
            assert!(
                found.iter().any(|line| line.contains(name)),
                "{name} {is}: {found:?}"
            );
        }
    }

    #[test]
    fn what_must_stand_alone_and_does_not_is_found() {
        let file = file();
        let twice = "create index plain_t on plain (b)";
        file.execute(twice, []).unwrap();
        told_otherwise(&file, "plain_t", "CREATE INDEX", "CREATE UNIQUE INDEX");
        let found = check(&file).unwrap();
        assert!(
            found.iter().any(|line| line.contains("plain_t")),
            "{found:?}"
        );
    }

    #[test]
    fn entries_compare_as_their_values_do() {
        let file = Connection::open_in_memory().unwrap();
        let text = "with v (x) as (values (null), (-9223372036854775808), (-1), (0), (1), (256),
             (''), ('a'), ('a' || char(0)), ('a' || char(0) || 'b'), ('ab'), ('b'),
             (x''), (x'00'), (x'0000'), (x'00ff'), (x'01'), (x'ff')) select x from v order by x";
        let mut statement = file.prepare(text).unwrap();
        let mut rows = statement.query([]).unwrap();
        let (mut before, mut entry) = (Entry::default(), Entry::default());
        while let Some(row) = rows.next().unwrap() {
            entry.read(row, 0..1, 1).unwrap();
            assert!(before.bytes < entry.bytes, "{:?}", entry.bytes);
            std::mem::swap(&mut before, &mut entry);
        }
    }
}
