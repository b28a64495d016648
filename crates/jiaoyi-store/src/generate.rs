//! Writes the SQL texts of every record type from its declaration in the domain.
//!
//! `cargo xtask gen sql` puts them into `sql/`; nothing is put together at run time.

use jiaoyi_domain::record::{Kind, TableSpec};
use std::fmt::Write as _;

/// The text of `sql/{table}.sql`.
#[must_use]
pub fn table_sql(spec: &TableSpec) -> String {
    let names: Vec<&str> = spec.columns.iter().map(|column| column.name).collect();
    let all = names.join(", ");
    let key = &names[..spec.key_len];
    let mut text = format!(
        "-- Made by `cargo xtask gen sql` from the record of table {}. Do not edit.\n",
        spec.name
    );
    let by_key = conditions(key, 1);
    let mut statement = |name: &str, sql: String| {
        let _ = write!(text, "\n-- name: {name}\n{sql}\n");
    };
    statement(
        "load",
        format!("SELECT {all}\nFROM {}\nWHERE {by_key}", spec.name),
    );
    let marks: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    statement(
        "insert",
        format!(
            "INSERT INTO {} ({all})\nVALUES ({})",
            spec.name,
            marks.join(", ")
        ),
    );
    if spec.mutable {
        // The numbers are those of all columns, so that a row is bound as it is.
        let columns = spec.columns.iter().enumerate();
        let sets: Vec<String> = columns
            .filter(|(_, column)| !column.fixed)
            .map(|(place, column)| format!("{} = ?{}", column.name, place + 1))
            .collect();
        statement(
            "update",
            format!(
                "UPDATE {}\nSET {}\nWHERE {by_key} AND version = ?{}",
                spec.name,
                sets.join(", "),
                names.len() + 1
            ),
        );
        statement(
            "assert",
            format!("SELECT version\nFROM {}\nWHERE {by_key}", spec.name),
        );
    }
    set_based(spec, &mut statement);
    for (range, given) in spec.ranges {
        let by = conditions(given, 1);
        statement(
            range,
            format!(
                "SELECT {all}\nFROM {}\nWHERE {by}\nORDER BY {}",
                spec.name,
                key.join(", ")
            ),
        );
    }
    statement(
        "scan",
        format!(
            "SELECT {all}\nFROM {}\nORDER BY {}",
            spec.name,
            key.join(", ")
        ),
    );
    statement(
        "scan_as_it_lies",
        format!("SELECT {all}\nFROM {}", spec.name),
    );
    if spec.in_buckets() {
        statement(
            "scan_buckets",
            format!(
                "SELECT {all}\nFROM {}\nWHERE bucket >= ?1 AND bucket < ?2\nORDER BY {}",
                spec.name,
                key.join(", ")
            ),
        );
    }
    text
}

/// The forms that take arrays, a column each, for an engine where every statement is a journey.
///
/// Beside the keys stands `bucket = ANY`, without which a distributed database asks every shard.
/// Assertions lock in key order; updates and inserts are given in key order.
fn set_based(spec: &TableSpec, statement: &mut impl FnMut(&str, String)) {
    let table = spec.name;
    let names: Vec<&str> = spec.columns.iter().map(|column| column.name).collect();
    let key = &names[..spec.key_len];
    let listed = |of: &str, names: &[&str]| {
        let parts: Vec<String> = names.iter().map(|name| format!("{of}.{name}")).collect();
        parts.join(", ")
    };
    let matched = |names: &[&str]| {
        let parts: Vec<String> = names
            .iter()
            .map(|name| format!("t.{name} = k.{name}"))
            .collect();
        parts.join(" AND ")
    };
    let arrays = |names: &[&str]| {
        let kind = |name: &&str| spec.place(name).map(|place| spec.columns[place].kind);
        let parts: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(place, name)| {
                let word = match kind(name) {
                    Some(Kind::Text) => "text",
                    Some(Kind::Bytes) => "bytes",
                    Some(Kind::Int) | None => "bigint",
                };
                format!("?{}::{word}[]", place + 1)
            })
            .collect();
        parts.join(", ")
    };
    let within = |given: &[&str], place: usize, joint: &str| {
        if given.first() == Some(&"bucket") {
            format!("{joint} t.bucket = ANY(?{place}::bigint[])")
        } else {
            String::new()
        }
    };
    let mut load = |name: &str, given: &[&str]| {
        statement(
            name,
            format!(
                "SELECT {}\nFROM {table} AS t\nJOIN unnest({}) AS k ({})\n    ON {}{}",
                listed("t", &names),
                arrays(given),
                given.join(", "),
                matched(given),
                within(given, given.len() + 1, "\nWHERE"),
            ),
        );
    };
    load("load_many", key);
    for (range, given) in spec.ranges {
        load(&format!("{range}_many"), given);
    }
    statement(
        "insert_many",
        format!(
            "INSERT INTO {table} ({})\nSELECT {}\nFROM unnest({}) AS k ({})",
            names.join(", "),
            listed("k", &names),
            arrays(&names),
            names.join(", "),
        ),
    );
    if !spec.mutable {
        return;
    }
    let changing = spec.columns.iter().filter(|column| !column.fixed);
    let changing: Vec<&str> = changing.map(|column| column.name).collect();
    let sets: Vec<String> = changing
        .iter()
        .map(|name| format!("{name} = k.{name}"))
        .collect();
    let told = [key, &changing, &["expected_version"]].concat();
    statement(
        "update_many",
        format!(
            "UPDATE {table} AS t\nSET {}\nFROM unnest({}) AS k ({})\nWHERE {} AND t.version = k.expected_version{}",
            sets.join(", "),
            arrays(&told),
            told.join(", "),
            matched(key),
            within(key, told.len() + 1, "\n    AND"),
        ),
    );
    let keys = [key, &["expected_version"]].concat();
    let assert = format!(
        "SELECT t.version\nFROM {table} AS t\nJOIN unnest({}) AS k ({})\n    ON {}\nWHERE t.version = k.expected_version{}\nORDER BY {}",
        arrays(&keys),
        keys.join(", "),
        matched(key),
        within(key, keys.len() + 1, "\n    AND"),
        listed("t", key),
    );
    statement("assert_many", format!("{assert}\nFOR SHARE OF t"));
    // Citus locks a row of a table that lies whole on every machine by a lock of the whole table,
    // and its writers would wait for each other.
    if key.first() != Some(&"bucket") {
        statement("assert_many_unlocked", assert);
    }
}

/// Names of the statements that insert several rows as VALUES, with how many: what a distributed
/// database takes as one task. Any number of rows is a few of them; one alone is `insert`.
pub const INSERTS: &[(usize, &str)] = &[
    (64, "insert_64"),
    (32, "insert_32"),
    (16, "insert_16"),
    (8, "insert_8"),
    (4, "insert_4"),
    (2, "insert_2"),
    (1, "insert"),
];

/// The text of a statement of [`INSERTS`], which is too long for a file.
#[must_use]
pub fn insert_rows(spec: &TableSpec, rows: usize) -> String {
    let names: Vec<&str> = spec.columns.iter().map(|column| column.name).collect();
    let row = |number: usize| {
        let first = number.saturating_mul(names.len());
        let marks: Vec<String> = (1..=names.len())
            .map(|place| format!("?{}", first.saturating_add(place)))
            .collect();
        format!("({})", marks.join(", "))
    };
    let rows: Vec<String> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO {} ({})\nVALUES {}",
        spec.name,
        names.join(", "),
        rows.join(", ")
    )
}

fn conditions(names: &[&str], first: usize) -> String {
    let parts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(place, name)| format!("{name} = ?{}", place + first))
        .collect();
    parts.join(" AND ")
}
