//! The tables, their SQL texts, and the migrations.

use jiaoyi_domain::audit::{Checkpoint, Event, Link};
use jiaoyi_domain::record::{Record, TableSpec};
use jiaoyi_domain::working_set::TABLES;

/// Every declared table: those of the working set, and the audit tables that only the store writes.
#[must_use]
pub fn all_tables() -> Vec<&'static TableSpec> {
    let mut tables = TABLES.to_vec();
    tables.extend([Event::SPEC, Link::SPEC, Checkpoint::SPEC]);
    tables
}
