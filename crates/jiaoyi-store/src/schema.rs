//! The tables, their SQL texts, and the migrations.

use crate::error::StoreError;
use jiaoyi_domain::audit::{Checkpoint, Event, Link};
use jiaoyi_domain::bill::KeptBill;
use jiaoyi_domain::record::{Record, TableSpec};
use jiaoyi_domain::working_set::TABLES;

/// Every declared table: those of the working set, and those to which rows are only appended.
#[must_use]
pub fn all_tables() -> Vec<&'static TableSpec> {
    let mut tables = TABLES.to_vec();
    tables.extend([Event::SPEC, Link::SPEC, Checkpoint::SPEC, KeptBill::SPEC]);
    tables
}

/// The migrations, in order; forward only.
pub const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_core.sql")),
    (2, include_str!("../migrations/0002_biller.sql")),
    (3, include_str!("../migrations/0003_bills.sql")),
    (4, include_str!("../migrations/0004_access.sql")),
    (5, include_str!("../migrations/0005_bank_transfers.sql")),
    (6, include_str!("../migrations/0006_lanes.sql")),
    (7, include_str!("../migrations/0007_one_shard.sql")),
];

/// Where the rows of a table lie when PostgreSQL is distributed over several machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// By the hash of `bucket`, all such tables alike: a bucket's rows lie together.
    Sharded,
    /// Small and seldom written: whole on every machine.
    Reference,
}

use Placement::{Reference, Sharded};

/// Every table of the schema, and where its rows lie.
pub const PLACEMENTS: &[(&str, Placement)] = &[
    ("command_key", Sharded),
    ("claim", Sharded),
    ("biller_call", Sharded),
    ("inbox", Sharded),
    ("day_file", Sharded),
    ("person", Sharded),
    ("document", Sharded),
    ("due", Sharded),
    ("revision", Sharded),
    ("slot", Sharded),
    ("turned_away", Sharded),
    ("pay_order", Sharded),
    ("order_line", Sharded),
    ("attempt", Sharded),
    ("fact", Sharded),
    ("transfer", Sharded),
    ("refund", Sharded),
    ("bank_transfer", Sharded),
    ("voucher", Sharded),
    ("voucher_signature", Sharded),
    ("device_order", Sharded),
    ("notice_link", Sharded),
    ("hook_event", Sharded),
    ("outbox", Sharded),
    ("exception_case", Sharded),
    ("event", Sharded),
    ("link", Sharded),
    ("checkpoint", Sharded),
    ("kept_bill", Sharded),
    ("staged_page", Sharded),
    ("barrier", Sharded),
    ("institution", Reference),
    ("institution_key", Reference),
    ("access_link", Reference),
    ("roster", Reference),
    ("policy_pack", Reference),
    ("schema_version", Reference),
];

/// The sharded table that all others lie beside.
pub(crate) const FIRST_SHARDED: &str = "command_key";

/// Refuses a database whose tables were made by a newer program than this one.
pub(crate) fn assert_known(version: i64, path: &str) -> Result<(), StoreError> {
    let newest = MIGRATIONS.last().map_or(0, |(version, _)| *version);
    if version <= newest {
        return Ok(());
    }
    Err(StoreError::Open {
        path: path.to_owned(),
        why: format!(
            "made by a newer version of Jiaoyi (its tables have version {version}, this program \
             knows up to {newest}); use that newer program"
        ),
    })
}

/// Refuses a database that has no tables of ours, or newer ones than this program knows.
pub(crate) fn assert_ours(version: i64, path: &str) -> Result<(), StoreError> {
    if version == 0 {
        return Err(StoreError::Open {
            path: path.to_owned(),
            why: "there are no tables of ours in this database".to_owned(),
        });
    }
    assert_known(version, path)
}

/// Refuses a database that is the target of a copy that is not finished.
pub(crate) fn assert_whole(is_copying: bool, path: &str) -> Result<(), StoreError> {
    if !is_copying {
        return Ok(());
    }
    Err(StoreError::Open {
        path: path.to_owned(),
        why:
            "a copy into this database is not finished; run the same `jiaoyi copy` again until it \
              says that both sides are equal"
                .to_owned(),
    })
}

/// Whose words a migration is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    Sqlite,
    Postgres,
}

/// Ends a line with a key that leads with the time once the bucket is left out.
const BY_TIME: &str = " -- by time";

/// The key of a line that ends with [`BY_TIME`], as the embedded file has it: the bucket stands last,
/// so that what is written together lies together, on few pages. A server that is distributed by
/// buckets keeps them in front.
fn led_by_time(line: &str) -> Option<String> {
    let line = line.strip_suffix(BY_TIME)?;
    let (before, key) = line.rsplit_once('(')?;
    let (key, after) = key.split_once(')')?;
    let (bucket, rest) = key.split_once(", ")?;
    Some(format!("{before}({rest}, {bucket}){after}"))
}

/// A line that checks a column against a list of words, with one comparison for each word: the embedded
/// engine makes a table of a list of more than two, anew for every row that is written.
fn compared_one_by_one(line: &str) -> Option<String> {
    let (before, rest) = line.split_once(" check (")?;
    let (column, rest) = rest.split_once(" in (")?;
    let (words, after) = rest.split_once(')')?;
    let each: Vec<String> = words
        .split(',')
        .map(|word| format!("{column} = {word}"))
        .collect();
    Some(format!("{before} check ({}{after}", each.join(" or ")))
}

/// The text of a migration in an engine's words: type words of columns, how a table ends, the order of
/// keys that lead with the time, and lists of words.
///
/// Texts compare byte by byte in both engines, so that keys have one order everywhere.
#[must_use]
pub fn ddl(text: &str, words: Words) -> String {
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        let column = line.strip_prefix("    ").and_then(|rest| {
            let (name, rest) = rest.split_once(' ')?;
            let (kind, rest) = rest.split_at(rest.find([' ', ',']).unwrap_or(rest.len()));
            let kind = match (kind, words) {
                ("bigint", Words::Sqlite) => "integer",
                ("bytes", Words::Sqlite) => "blob",
                ("bytes", Words::Postgres) => "bytea",
                ("text", Words::Postgres) => "text collate \"C\"",
                ("bigint" | "text", _) => kind,
                _ => return None,
            };
            Some(format!("    {name} {kind}{rest}"))
        });
        let line = match (column, line, words) {
            (Some(column), ..) => column,
            (None, line, Words::Sqlite) if line.ends_with(BY_TIME) => {
                led_by_time(line).unwrap_or_else(|| line.to_owned())
            }
            (None, line, Words::Sqlite) if line.contains(" in (") => {
                compared_one_by_one(line).unwrap_or_else(|| line.to_owned())
            }
            (None, ") clustered;", Words::Sqlite) => ") strict, without rowid;".to_owned(),
            (None, ");", Words::Sqlite) => ") strict;".to_owned(),
            (None, ") clustered;", Words::Postgres) => ");".to_owned(),
            (None, other, _) => other.to_owned(),
        };
        whole.push_str(&line);
        whole.push('\n');
    }
    whole
}

/// The statements of a text of [`ddl`], one by one: each ends with its line. Citus hands the whole text
/// of a request to its workers, which take no more than one statement.
pub fn statements_of(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let ends = |line: &str| {
            let code = line.split(" -- ").next().unwrap_or_default();
            code.trim_end().ends_with(';')
        };
        let mut length = 0;
        for line in rest.split_inclusive('\n') {
            length += line.len();
            if ends(line) {
                break;
            }
        }
        let (statement, after) = rest.split_at(length);
        rest = after;
        Some(statement).filter(|statement| !statement.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_file_makes_no_table_of_a_list() {
        let line = "    constraint a_b check (b in ('x','y','z')),";
        let embedded = "    constraint a_b check (b = 'x' or b = 'y' or b = 'z'),\n";
        assert_eq!(ddl(line, Words::Sqlite), embedded);
        assert_eq!(ddl(line, Words::Postgres), format!("{line}\n"));
        for (_, text) in MIGRATIONS {
            assert!(!ddl(text, Words::Sqlite).contains(" in ("), "{text}");
        }
    }

    #[test]
    fn only_the_embedded_file_has_the_bucket_last() {
        let (mut marked, mut found) = (0, Vec::new());
        for (_, text) in MIGRATIONS {
            let embedded = ddl(text, Words::Sqlite);
            for (line, embedded) in text.lines().zip(embedded.lines()) {
                if line.ends_with(BY_TIME) {
                    marked += 1;
                    found.push(embedded.trim().to_owned());
                }
            }
            assert!(!embedded.contains(BY_TIME));
        }
        assert!(
            found.contains(&"constraint refund_pk primary key (refund_no, bucket),".to_owned())
        );
        let all_last = found.iter().all(|line| line.contains("bucket)"));
        assert!(marked > 10 && all_last, "{found:#?}");
        let line = "create index a on b (bucket, c, d) where c > 0; -- by time";
        let embedded = "create index a on b (c, d, bucket) where c > 0;\n";
        assert_eq!(ddl(line, Words::Sqlite), embedded);
        assert!(ddl(line, Words::Postgres).contains("(bucket, c, d)"));
    }
}
