//! The SQL texts of `sql/`, by name: `table.load`, `queries.outbox_due`.

use crate::generate::{INSERTS, insert_rows};
use crate::schema::all_tables;
use std::collections::BTreeMap;
use std::sync::LazyLock;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../sql/", $name, ".sql")))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "attempt",
    "checkpoint",
    "citus",
    "command_key",
    "device_order",
    "document",
    "due",
    "event",
    "exception_case",
    "fact",
    "inbox",
    "link",
    "notice_link",
    "order_line",
    "outbox",
    "pay_order",
    "person",
    "policy_pack",
    "postgres",
    "queries",
    "refund",
    "revision",
    "roster",
    "slot",
    "sqlite",
    "transfer",
    "turned_away",
    "voucher",
    "voucher_signature",
];

static STATEMENTS: LazyLock<BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>> =
    LazyLock::new(|| {
        FILES
            .iter()
            .map(|(file, text)| (*file, parse(text)))
            .collect()
    });

fn parse(text: &'static str) -> BTreeMap<&'static str, &'static str> {
    text.split("-- name: ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(name, sql)| (name.trim(), sql.trim()))
        .collect()
}

/// The same texts as PostgreSQL writes them: `$1` for a parameter, `bytea` for bytes; and those that
/// insert several rows, which are too long for a file.
static OF_POSTGRES: LazyLock<BTreeMap<(&'static str, &'static str), String>> =
    LazyLock::new(|| {
        let words = |text: &str| text.replace('?', "$").replace("::bytes[]", "::bytea[]");
        let files = STATEMENTS.iter().flat_map(|(file, statements)| {
            let texts = statements.iter();
            texts.map(move |(name, text)| ((*file, *name), words(text)))
        });
        let inserts = all_tables().into_iter().flat_map(|spec| {
            let texts = INSERTS.iter();
            texts.map(move |(rows, name)| ((spec.name, *name), words(&insert_rows(spec, *rows))))
        });
        files.chain(inserts).collect()
    });

/// The text of a statement in PostgreSQL's words.
///
/// # Panics
///
/// When there is none of that name, like [`sql`].
#[must_use]
pub fn postgres_text(file: &'static str, name: &'static str) -> &'static str {
    OF_POSTGRES
        .get(&(file, name))
        .map_or_else(|| sql(file, name), String::as_str)
}

/// The text of a statement.
///
/// # Panics
///
/// When there is none of that name: a mistake of ours that the first test meets.
#[must_use]
pub fn sql(file: &str, name: &str) -> &'static str {
    STATEMENTS
        .get(file)
        .and_then(|statements| statements.get(name))
        .unwrap_or_else(|| panic!("sql/{file}.sql has no statement {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_texts_are_up_to_date() {
        for spec in all_tables() {
            let file = FILES.iter().find(|(name, _)| *name == spec.name);
            let (_, text) = file.unwrap_or_else(|| panic!("{} is not in FILES", spec.name));
            assert_eq!(
                *text,
                crate::generate::table_sql(spec),
                "run `cargo xtask gen sql`"
            );
        }
    }
}
