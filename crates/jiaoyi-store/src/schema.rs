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

/// The text of a migration in an engine's words: type words of columns, and how a table ends.
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
