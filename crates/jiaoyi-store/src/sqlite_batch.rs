//! The rows of a batch in an embedded database, read and written inside whatever transaction is open.

use crate::batch::{Found, Plan};
use crate::engine::Aside;
use crate::error::{Failure, StoreError};
use crate::sqlite::{self, Bound, execute, query};
use crate::statements::sql;
use jiaoyi_domain::Instant;
use jiaoyi_domain::audit::{Event, Link};
use jiaoyi_domain::messages::Outbox;
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::planted::{Bug, has};
use jiaoyi_domain::record::{Record, TableSpec, Value};
use jiaoyi_domain::working_set::{Change, table_of};
use rusqlite::{Connection, params_from_iter};

/// Every row of the needs, which lie table by table: a statement is looked up once for its needs.
pub(crate) fn load(connection: &Connection, needs: &[Need]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::with_capacity(needs.len());
    let (mut held, mut held_for) = (None, None);
    for need in needs {
        let table = need.table();
        let Some(spec) = table_of(table) else {
            continue;
        };
        let (name, given) = match need {
            Need::Key { key, .. } => ("load", key),
            Need::Range { range, given, .. } => (*range, given),
        };
        if held_for != Some((table, name)) {
            (held, held_for) = (None, Some((table, name)));
        }
        let statement = sqlite::prepared(connection, &mut held, || sql(spec.name, name))?;
        let rows = sqlite::rows(statement, given)?;
        if !rows.is_empty() {
            found.push(Found { table, rows });
        }
    }
    Ok(found)
}

/// Writes and asserts a plan; how many rows it has. The caller commits.
pub(crate) fn write(connection: &Connection, plan: &Plan) -> Result<usize, Failure> {
    if has(Bug::AuditOutsideTransaction) {
        write_audit(connection, plan)?;
        connection.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
    }
    for (spec, changes) in &plan.changes {
        if !(has(Bug::OutboxAfterCommit) && spec.name == Outbox::SPEC.name) {
            write_table(connection, spec, changes)?;
        }
    }
    if !has(Bug::AuditOutsideTransaction) {
        write_audit(connection, plan)?;
    }
    let changes = plan.changes.iter().map(|(_, changes)| changes.len());
    Ok(changes.sum::<usize>() + plan.events.len() + 1)
}

/// Writes what leaves when all else is committed; see [`Bug::OutboxAfterCommit`].
pub(crate) fn write_late(connection: &Connection, plan: &Plan) -> Result<(), Failure> {
    if !has(Bug::OutboxAfterCommit) {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for (spec, changes) in &plan.changes {
        if spec.name == Outbox::SPEC.name {
            write_table(connection, spec, changes)?;
        }
    }
    Ok(connection.execute_batch("COMMIT")?)
}

fn write_audit(connection: &Connection, plan: &Plan) -> Result<(), Failure> {
    for event in &plan.events {
        let text = sql(Event::SPEC.name, "insert");
        execute(connection, text, &event.values())?;
    }
    let text = sql(Link::SPEC.name, "insert");
    execute(connection, text, &plan.link.values())?;
    Ok(())
}

/// Writes the changes of one table; a statement is looked up once, not once a row.
fn write_table(
    connection: &Connection,
    spec: &TableSpec,
    changes: &[Change],
) -> Result<(), Failure> {
    let changed = || Failure::Conflict(format!("{}: a row changed meanwhile", spec.name));
    let (mut insert, mut update) = (None, None);
    for change in changes {
        match change {
            Change::Insert { values } => {
                sqlite::prepared(connection, &mut insert, || sql(spec.name, "insert"))?
                    .execute(params_from_iter(values.iter().map(Bound)))?;
            }
            Change::Update {
                values, expected, ..
            } => {
                let expected = Value::Int(i64::from(*expected));
                let given = values.iter().chain([&expected]).map(Bound);
                let written =
                    sqlite::prepared(connection, &mut update, || sql(spec.name, "update"))?
                        .execute(params_from_iter(given))?;
                if written != 1 {
                    return Err(changed());
                }
            }
            Change::Assert { key, expected } => {
                let found = query(connection, sql(spec.name, "assert"), key)?;
                if found != [[Value::Int(i64::from(*expected))]] {
                    return Err(changed());
                }
            }
        }
    }
    Ok(())
}

/// The link that stands under the number of `link`.
pub(crate) fn link_under(connection: &Connection, link: &Link) -> Result<Option<Link>, Failure> {
    let key = Link::key_values(&link.key());
    let found = query(connection, sql(Link::SPEC.name, "load"), &key)?;
    let damaged = || Failure::Batch("a stored link is damaged".to_owned());
    let mut links = found
        .into_iter()
        .map(|row| Link::from_values(row).ok_or_else(damaged));
    links.next().transpose()
}

/// Writes the barrier row of a writer.
pub(crate) fn barrier(
    connection: &Connection,
    writer: &[u8],
    now: Instant,
) -> Result<(), StoreError> {
    let writer = Value::Bytes(writer.to_vec());
    let given = [Value::Int(0), writer, Value::Int(now.0)];
    execute(connection, sql("queries", "barrier"), &given)?;
    Ok(())
}

/// Does work that is no command. The caller commits.
pub(crate) fn aside(connection: &Connection, work: &Aside) -> Result<(), StoreError> {
    for (file, name, given) in work.statements() {
        execute(connection, sql(file, name), &given)?;
    }
    Ok(())
}
