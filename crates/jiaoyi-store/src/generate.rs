//! Writes the SQL texts of every record type from its declaration in the domain.
//!
//! `cargo xtask gen sql` puts them into `sql/`; nothing is put together at run time.

use jiaoyi_domain::record::TableSpec;
use std::fmt::Write as _;

/// The text of `sql/{table}.sql`.
#[must_use]
pub fn table_sql(spec: &TableSpec) -> String {
    let names: Vec<&str> = spec.columns.iter().map(|column| column.name).collect();
    let all = names.join(", ");
    let (key, rest) = names.split_at(spec.key_len);
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
        let sets: Vec<String> = rest
            .iter()
            .enumerate()
            .map(|(place, name)| format!("{name} = ?{}", place + 1 + spec.key_len))
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
    if spec.columns[0].name == "bucket" {
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

fn conditions(names: &[&str], first: usize) -> String {
    let parts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(place, name)| format!("{name} = ?{}", place + first))
        .collect();
    parts.join(" AND ")
}
