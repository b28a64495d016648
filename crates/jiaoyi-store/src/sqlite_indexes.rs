//! Whether every index of the embedded file holds its table's rows, no more and no less, in order.
//!
//! The engine's own check looks every row up in every index, reading pages at random. Here index and
//! table are each read once from end to end, and a sum over both says whether they hold the same. Only
//! where they differ the engine looks again, to name the rows; and where an index is of a kind that is
//! not known here, by expressions, falling, or with an order of its own, the engine alone judges.

use crate::error::StoreError;
use crate::statements::sql;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// One index as the file's schema tells of it.
struct Index {
    table: String,
    name: String,
    unique: bool,
    /// What it is made of, and after that what names the row.
    columns: Vec<String>,
    /// How many of the columns it is made of.
    key_len: usize,
    /// The condition of an index that holds only some rows.
    only: String,
    /// How the table itself is read, and no other index that holds the same columns.
    by_table: String,
    /// Made of plain columns, rising, byte by byte, as all of ours are.
    plain: bool,
}

/// What is wrong with the indexes: about a hundred lines a table at most, none for a sound file.
pub(crate) fn check(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let indexes = indexes(connection)?;
    let mut doubted: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for index in &indexes {
        // One that cannot be read is the engine's to judge too.
        let fault = match index.plain {
            true => index.fault(connection).ok(),
            false => None,
        };
        if fault == Some(None) {
            continue;
        }
        let what = fault
            .flatten()
            .map(|what| format!("{what} index {}", index.name));
        doubted.entry(&index.table).or_default().extend(what);
    }
    let mut found = Vec::new();
    for (table, faults) in doubted {
        let text = format!("PRAGMA integrity_check({})", quoted(table));
        let named = lines(connection, &text)?;
        // It does not look for entries too many in an index that holds only some rows.
        found.extend(if named.is_empty() { faults } else { named });
    }
    Ok(found)
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

fn indexes(connection: &Connection) -> Result<Vec<Index>, StoreError> {
    let mut statement = connection.prepare(sql("sqlite", "indexes"))?;
    let found = statement.query_map([], |row| {
        let made: Option<String> = row.get(3)?;
        let made = made.unwrap_or_default();
        let only = made.find(" where ").map_or("", |place| &made[place..]);
        // "Not indexed" is no promise for a table that lies in the order of its key.
        let key: Option<String> = row.get(4)?;
        let by_key = key.map(|key| format!("INDEXED BY {}", quoted(&key)));
        Ok(Index {
            table: row.get(0)?,
            name: row.get(1)?,
            unique: row.get(2)?,
            columns: Vec::new(),
            key_len: 0,
            only: only.to_owned(),
            by_table: by_key.unwrap_or_else(|| "NOT INDEXED".to_owned()),
            plain: true,
        })
    })?;
    let mut indexes: Vec<Index> = found.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare(sql("sqlite", "index_columns"))?;
    for index in &mut indexes {
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

impl Index {
    /// What is wrong with it as a whole, if anything.
    fn fault(&self, connection: &Connection) -> Result<Option<&'static str>, StoreError> {
        let hashes = RandomState::new();
        let mut before = Entry::default();
        let mut entry = Entry::default();
        let (mut in_order, mut alone) = (true, true);
        let by_index = format!("INDEXED BY {}", quoted(&self.name));
        let of_index = self.sum(connection, &by_index, |row| {
            entry.read(row, self.columns.len(), self.key_len)?;
            in_order &= before.bytes <= entry.bytes;
            alone &= !(entry.is_whole && before.is_whole && before.key() == entry.key());
            std::mem::swap(&mut before, &mut entry);
            Ok(hashes.hash_one(&before.bytes))
        })?;
        let of_table = self.sum(connection, &self.by_table, |row| {
            entry.read(row, self.columns.len(), self.key_len)?;
            Ok(hashes.hash_one(&entry.bytes))
        })?;
        Ok(if of_index != of_table {
            Some("rows are missing from or wrong in")
        } else if !in_order {
            Some("rows are out of order in")
        } else if self.unique && !alone {
            Some("non-unique entries in")
        } else {
            None
        })
    }

    /// How many rows there are, and the sum of their hashes, whatever the order.
    fn sum(
        &self,
        connection: &Connection,
        by: &str,
        mut hash: impl FnMut(&Row<'_>) -> rusqlite::Result<u64>,
    ) -> Result<(u64, u128), StoreError> {
        let (columns, table) = (self.columns.join(", "), quoted(&self.table));
        let text = format!("SELECT {columns} FROM {table} {by}{}", self.only);
        let mut statement = connection.prepare(&text)?;
        let mut rows = statement.query([])?;
        let (mut count, mut sum) = (0_u64, 0_u128);
        while let Some(row) = rows.next()? {
            count = count.saturating_add(1);
            sum = sum.wrapping_add(u128::from(hash(row)?));
        }
        Ok((count, sum))
    }
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

    fn read(&mut self, row: &Row<'_>, width: usize, key_len: usize) -> rusqlite::Result<()> {
        self.bytes.clear();
        self.is_whole = true;
        for place in 0..width {
            if place == key_len {
                self.key_end = self.bytes.len();
            }
            match row.get_ref(place)? {
                ValueRef::Null => {
                    self.bytes.push(0);
                    self.is_whole &= place >= key_len;
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
        let all = indexes(&file).unwrap();
        assert_eq!(all.len(), 7);
        let plain = all.iter().filter(|index| index.plain);
        let faults = plain.map(|index| (index.name.as_str(), index.fault(&file).ok()));
        let mut faults: Vec<_> = faults.collect();
        faults.sort_unstable();
        let read = ["keyed_v", "plain_a", "plain_c"].map(|name| (name, Some(None)));
        assert_eq!(faults[..3], read);
        assert_eq!(faults[3..], [("plain_w", None)], "it cannot be read so");
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
            entry.read(row, 1, 1).unwrap();
            assert!(before.bytes < entry.bytes, "{:?}", entry.bytes);
            std::mem::swap(&mut before, &mut entry);
        }
    }
}
