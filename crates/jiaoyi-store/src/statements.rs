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
    "access_link",
    "attempt",
    "bank_transfer",
    "biller_call",
    "checkpoint",
    "citus",
    "claim",
    "command_key",
    "day_file",
    "device_order",
    "document",
    "due",
    "event",
    "exception_case",
    "fact",
    "hook_event",
    "inbox",
    "institution",
    "institution_key",
    "kept_bill",
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

/// What tells a distributed database which shards to ask.
const OF_BUCKETS: &str = "t.bucket = ANY(";

/// Those texts again for a database on one machine: without the line that only a distributed one
/// needs, by which whole buckets would be read for the rows of a key each, and with arrays in a list.
static OF_ONE_MACHINE: LazyLock<BTreeMap<(&'static str, &'static str), String>> =
    LazyLock::new(|| {
        let texts = OF_POSTGRES.iter();
        let without = |text: &str| {
            let lines = text.lines().filter(|line| !line.contains(OF_BUCKETS));
            lines.collect::<Vec<_>>().join("\n")
        };
        texts
            .map(|(name, text)| (*name, listed(&without(text))))
            .collect()
    });

/// A text whose rows come from arrays, with these in the list of a `SELECT`, where one element after
/// the other is taken. As functions in `FROM` each of them fills a store of its own beforehand: about
/// 4 µs an array, which is most of what a statement of few rows costs. Citus is asked as before: what it
/// does with such a `SELECT` was not tried.
fn listed(text: &str) -> String {
    let parts = || {
        let (before, rest) = text.split_once("unnest(")?;
        let (arrays, rest) = rest.split_once(')')?;
        let (names, after) = rest.strip_prefix(" AS k (")?.split_once(')')?;
        let columns = arrays.split(", ").zip(names.split(", "));
        let list = columns.map(|(array, name)| format!("unnest({array}) AS {name}"));
        let list = list.collect::<Vec<_>>().join(", ");
        Some(format!("{before}(SELECT {list}) AS k{after}"))
    };
    parts().unwrap_or_else(|| text.to_owned())
}

/// The text of a statement for PostgreSQL on one machine.
///
/// # Panics
///
/// As [`postgres_text`].
pub fn one_machine_text(file: &'static str, name: &'static str) -> &'static str {
    OF_ONE_MACHINE
        .get(&(file, name))
        .map_or_else(|| postgres_text(file, name), String::as_str)
}

/// The text of a statement on a distributed PostgreSQL: the one of this name in `citus.sql` stands for
/// that of `queries.sql`, which would ask every shard.
///
/// # Panics
///
/// As [`postgres_text`].
#[must_use]
pub fn distributed_text(file: &'static str, name: &'static str) -> &'static str {
    match STATEMENTS.get("citus") {
        Some(routed) if file == "queries" && routed.contains_key(name) => {
            postgres_text("citus", name)
        }
        Some(_) | None => postgres_text(file, name),
    }
}

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

    /// How many parameters a text has, if they are numbered without a gap.
    fn parameters(text: &str) -> Option<usize> {
        let numbered = |number: &usize| {
            let mark = format!("${number}");
            let mut rest = text.match_indices(&mark);
            rest.any(|(place, _)| {
                let next = text[place + mark.len()..].chars().next();
                !next.is_some_and(|next| next.is_ascii_digit())
            })
        };
        let count = (1..).take_while(numbered).count();
        let highest = text.split('$').skip(1).filter_map(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        (highest.max().unwrap_or(0) == count).then_some(count)
    }

    /// With the buckets as a list PostgreSQL reads all rows of all of them for one batch.
    #[test]
    fn one_machine_is_asked_by_key_only() {
        let mut checked = 0;
        for ((file, name), text) in OF_POSTGRES.iter() {
            let alone = one_machine_text(file, name);
            assert!(!alone.contains("bucket = ANY("), "{file}.{name}: {alone}");
            if text.contains(OF_BUCKETS) {
                let all = parameters(text).unwrap();
                assert_eq!(parameters(alone), Some(all - 1), "{file}.{name}: {alone}");
                assert!(alone.contains("AS k"), "{file}.{name}: {alone}");
                checked += 1;
            }
        }
        assert!(checked > 50, "{checked}");
    }

    #[test]
    fn one_machine_takes_arrays_in_a_list() {
        let mut checked = 0;
        for ((file, name), text) in OF_POSTGRES.iter() {
            if !text.contains("unnest(") {
                continue;
            }
            let alone = one_machine_text(file, name);
            assert!(!alone.contains("FROM unnest("), "{file}.{name}: {alone}");
            assert!(!alone.contains("JOIN unnest("), "{file}.{name}: {alone}");
            checked += 1;
        }
        assert!(checked > 100, "{checked}");
        let text = one_machine_text("slot", "assert_many");
        let list = "JOIN (SELECT unnest($1::bigint[]) AS bucket, unnest($2::bytea[]) AS due_id, \
                    unnest($3::bigint[]) AS generation, unnest($4::bigint[]) AS expected_version) AS k\n";
        assert!(text.contains(list), "{text}");
    }
}
