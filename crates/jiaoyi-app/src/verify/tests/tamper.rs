//! Rows changed by other hands: with a tool that knows the file and not the rules.

use super::{VerifyOptions, build, verify};
use crate::verify::key_text;
use jiaoyi_domain::IdSource;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::due::Due;
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::order::PayOrder;
use jiaoyi_domain::record::{Record, TableSpec, Value};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::voucher::Voucher;
use rusqlite::types::Value as Raw;
use rusqlite::{Connection, params_from_iter};
use std::path::Path;

const CHANGES: usize = 1_000;
const OTHERS: usize = 60;

const TABLES: [&TableSpec; 8] = [
    Due::SPEC,
    PayOrder::SPEC,
    Attempt::SPEC,
    Fact::SPEC,
    Transfer::SPEC,
    Refund::SPEC,
    BankTransfer::SPEC,
    Voucher::SPEC,
];

struct Dice(IdSource);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        let bytes = self.0.draw();
        let number = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        usize::try_from(number % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

type Row = Vec<Raw>;

fn rows_of(connection: &Connection, spec: &TableSpec) -> Vec<Row> {
    let sql = format!("SELECT * FROM {}", spec.name);
    let mut statement = connection.prepare(&sql).unwrap();
    let width = spec.columns.len();
    let rows = statement.query_map([], |row| (0..width).map(|place| row.get(place)).collect());
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn name_of(spec: &TableSpec, row: &Row) -> String {
    let value = |raw: &Raw| match raw {
        Raw::Null | Raw::Real(_) => Value::Null,
        Raw::Integer(number) => Value::Int(*number),
        Raw::Text(text) => Value::Text(text.clone()),
        Raw::Blob(bytes) => Value::Bytes(bytes.clone()),
    };
    let key: Vec<Value> = row.iter().take(spec.key_len).map(value).collect();
    key_text(&key)
}

/// Sets one column of the row that has the key of `row`; `false` when the file refuses it.
fn set(connection: &Connection, spec: &TableSpec, row: &Row, place: usize, value: &Raw) -> bool {
    let key: Vec<String> = (0..spec.key_len)
        .map(|at| format!("{} = ?{}", spec.columns[at].name, at + 2))
        .collect();
    let column = spec.columns[place].name;
    let sql = format!(
        "UPDATE {} SET {column} = ?1 WHERE {}",
        spec.name,
        key.join(" AND ")
    );
    let given = std::iter::once(value.clone()).chain(row.iter().take(spec.key_len).cloned());
    connection
        .execute(&sql, params_from_iter(given))
        .is_ok_and(|count| count == 1)
}

fn remove(connection: &Connection, spec: &TableSpec, row: &Row) {
    let key: Vec<String> = (0..spec.key_len)
        .map(|at| format!("{} = ?{}", spec.columns[at].name, at + 1))
        .collect();
    let sql = format!("DELETE FROM {} WHERE {}", spec.name, key.join(" AND "));
    let given = row.iter().take(spec.key_len).cloned();
    assert_eq!(
        connection.execute(&sql, params_from_iter(given)).unwrap(),
        1
    );
}

fn insert(connection: &Connection, spec: &TableSpec, row: &Row) -> bool {
    let marks: Vec<String> = (1..=row.len()).map(|at| format!("?{at}")).collect();
    let sql = format!("INSERT INTO {} VALUES ({})", spec.name, marks.join(", "));
    connection
        .execute(&sql, params_from_iter(row.clone()))
        .is_ok()
}

/// Another value of about the same look.
fn other(dice: &mut Dice, value: &Raw, same_column: &[Raw]) -> Raw {
    if dice.below(3) == 0 {
        return dice.pick(same_column).clone();
    }
    match value {
        Raw::Null | Raw::Real(_) => Raw::Integer(i64::try_from(dice.below(5_000)).unwrap()),
        Raw::Integer(number) => match dice.below(3) {
            0 => Raw::Integer(number + 1),
            1 => Raw::Integer((number - 1).max(0)),
            _ => Raw::Integer(i64::try_from(dice.below(100_000)).unwrap()),
        },
        Raw::Text(text) if text.is_empty() => Raw::Text("0".to_owned()),
        Raw::Text(text) => match dice.below(3) {
            0 => Raw::Text(text.to_lowercase()),
            1 => Raw::Text(format!("{text} ")),
            _ => {
                let mut letters: Vec<char> = text.chars().collect();
                let place = dice.below(letters.len());
                letters[place] = if letters[place] == '7' { '8' } else { '7' };
                Raw::Text(letters.into_iter().collect())
            }
        },
        Raw::Blob(bytes) => {
            let mut bytes = bytes.clone();
            match bytes.len() {
                0 => bytes.push(0),
                length => bytes[dice.below(length)] ^= 1 << dice.below(8),
            }
            Raw::Blob(bytes)
        }
    }
}

fn assert_named(path: &Path, spec: &TableSpec, names: &[String], what: &str) {
    let report = verify(
        &jiaoyi_store::Database::Sqlite(path.to_owned()),
        &VerifyOptions::default(),
        &mut |_, _| {},
    )
    .unwrap();
    for name in names {
        let named = report
            .violations
            .iter()
            .any(|row| row.table == spec.name && row.key == *name);
        assert!(
            named,
            "{what}: {} {name} is not named in {:?}",
            spec.name, report.violations
        );
    }
}

#[test]
fn every_changed_removed_swapped_and_added_row_is_named() {
    let (file, _, _) = build("tamper");
    let connection = Connection::open(&file.0).unwrap();
    connection
        .pragma_update(None, "synchronous", "off")
        .unwrap();
    let mut dice = Dice(IdSource::new([42; 32], 0));
    let all: Vec<(&TableSpec, Vec<Row>)> = TABLES
        .iter()
        .map(|spec| (*spec, rows_of(&connection, spec)))
        .collect();
    let mut done = 0;
    while done < CHANGES {
        let (spec, rows) = dice.pick(&all);
        let row = dice.pick(rows);
        let place = dice.below(spec.columns.len());
        let column: Vec<Raw> = rows.iter().map(|row| row[place].clone()).collect();
        let value = other(&mut dice, &row[place], &column);
        if value == row[place] || !set(&connection, spec, row, place, &value) {
            continue;
        }
        let mut changed = row.clone();
        changed[place] = value;
        let column = spec.columns[place].name;
        let what = format!("{column} was {:?}, is {:?}", row[place], changed[place]);
        // A changed key is a row that is gone and a row that nobody made.
        assert_named(
            &file.0,
            spec,
            &[name_of(spec, row), name_of(spec, &changed)],
            &what,
        );
        assert!(set(&connection, spec, &changed, place, &row[place]));
        done += 1;
    }
    others(&file.0, &connection, &mut dice, &all);
    let report = verify(
        &jiaoyi_store::Database::Sqlite(file.0.clone()),
        &VerifyOptions::default(),
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(report.violations, [], "after everything was put back");
}

fn others(
    path: &Path,
    connection: &Connection,
    dice: &mut Dice,
    all: &[(&'static TableSpec, Vec<Row>)],
) {
    for round in 0..OTHERS {
        let (spec, rows) = &all[round % all.len()];
        let row = dice.pick(rows);
        remove(connection, spec, row);
        assert_named(path, spec, &[name_of(spec, row)], "removed");
        assert!(insert(connection, spec, row));

        let twin = dice.pick(rows);
        let mut swapped = row.clone();
        let mut back = twin.clone();
        for place in spec.key_len..row.len() {
            std::mem::swap(&mut swapped[place], &mut back[place]);
        }
        if swapped != *row && name_of(spec, row) != name_of(spec, twin) {
            for row in [row, twin] {
                remove(connection, spec, row);
            }
            // Two rows may differ in columns that must be unique; those of one place may not.
            assert!(insert(connection, spec, &swapped) && insert(connection, spec, &back));
            let names = [name_of(spec, row), name_of(spec, twin)];
            assert_named(path, spec, &names, "swapped");
            for row in [row, twin] {
                remove(connection, spec, row);
            }
            assert!(insert(connection, spec, row) && insert(connection, spec, twin));
        }

        let mut added = row.clone();
        let last = spec.key_len - 1;
        added[last] = other(dice, &row[last], &[row[last].clone()]);
        if added[last] != row[last] && insert(connection, spec, &added) {
            assert_named(path, spec, &[name_of(spec, &added)], "added");
            remove(connection, spec, &added);
        }
    }
}
