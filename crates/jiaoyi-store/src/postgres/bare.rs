//! [`crate::bare`] on PostgreSQL: rows found again, and written again by the statements of a lane.

use super::lane::{Machines, Set, load, send, writes};
use super::server::Server;
use super::session::{Session, failure, said};
use super::{own_runtime, reached};
use crate::bare::{CommandRows, Written, link, rows_of as rows_of_event, touched};
use crate::error::StoreError;
use crate::group::Groups;
use crate::statements::sql;
use jiaoyi_domain::audit::{Event, Link};
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::record::{Record, TableSpec, Value};
use jiaoyi_domain::working_set::Change;
use std::collections::BTreeMap;

/// Commands whose rows are looked up together.
const TOGETHER: usize = 500;

/// Where all rows lie on one machine.
fn machines() -> Machines {
    Machines {
        distributed: false,
        shards: Groups::ranges(1),
    }
}

/// The name of the database in a URL, and the URL of the one beside which it lies.
fn names(url: &str) -> Result<(String, String), StoreError> {
    let name = super::server::database_name(url)?;
    let place = url.rfind(&format!("/{name}"));
    let place = place.filter(|_| !name.is_empty());
    let place = place.ok_or_else(|| StoreError::Open {
        path: super::without_password(url),
        why: "the URL names no database".to_owned(),
    })?;
    let rest = &url[place + 1 + name.len()..];
    Ok((name.to_owned(), format!("{}/postgres{rest}", &url[..place])))
}

/// Runs one statement about databases, from the one that every server has.
fn about(url: &str, statement: String) -> Result<(), StoreError> {
    let (_, maintenance) = names(url)?;
    reached(&maintenance, async move |session| {
        let done = session.client.batch_execute(&statement).await;
        done.map_err(|error| StoreError::Unavailable {
            why: format!("{statement}: {}", said(&error)),
        })
    })
}

pub(crate) fn copy(from: &str, to: &str) -> Result<(), StoreError> {
    remove(to)?;
    let ((from, _), (name, _)) = (names(from)?, names(to)?);
    about(
        to,
        format!("CREATE DATABASE \"{name}\" TEMPLATE \"{from}\""),
    )
}

pub(crate) fn remove(url: &str) -> Result<(), StoreError> {
    let (name, _) = names(url)?;
    about(url, format!("DROP DATABASE IF EXISTS \"{name}\""))
}

pub(crate) fn server_process<T: Send + 'static>(
    url: &str,
    look: impl FnOnce(u32) -> T + Send + 'static,
) -> Result<T, StoreError> {
    reached(url, async move |session| {
        let rows = session.query("postgres", "process", &[]).await?;
        let process: i32 = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => 0,
        };
        Ok(look(u32::try_from(process).unwrap_or(0)))
    })
}

pub(crate) fn rows_of(url: &str, events: &[Event]) -> Result<Vec<CommandRows>, StoreError> {
    let (server, shown) = (Server::of(url)?, super::without_password(url));
    let machines = machines();
    own_runtime()?.block_on(async {
        let mut session = Session::reach(&server, &shown).await?;
        session.set_plans(false).await?;
        let mut all = Vec::with_capacity(events.len());
        for events in events.chunks(TOGETHER) {
            let keys = events.iter().flat_map(touched);
            let needs = keys.map(|(table, key, _)| Need::Key {
                table: table.number,
                key,
            });
            let mut needs: Vec<Need> = needs.collect();
            needs.sort_unstable();
            needs.dedup();
            let found = load(&mut session, &needs, &machines).await?;
            let mut rows: BTreeMap<(u8, Vec<Value>), Vec<Value>> = BTreeMap::new();
            for of in found {
                let keyed = of.rows.into_iter().map(|row| {
                    let spec = jiaoyi_domain::working_set::table_of(of.table);
                    let key_len = spec.map_or(0, |spec| spec.key_len);
                    ((of.table, row[..key_len].to_vec()), row)
                });
                rows.extend(keyed);
            }
            for event in events {
                all.push(rows_of_event(event, |table, key| {
                    Ok(rows.get(&(table.number, key.to_vec())).cloned())
                })?);
            }
        }
        Ok(all)
    })
}

fn change(row: &Written) -> Change {
    let values = row.values.clone();
    match row.replaces {
        None => Change::Insert { values },
        Some(version) => Change::Update {
            key: values[..row.table.key_len].to_vec(),
            values,
            expected: u32::try_from(version).unwrap_or(0),
        },
    }
}

/// The changes of a batch by table, in waves: a row that several commands wrote is in several.
type Waves = Vec<BTreeMap<u8, (&'static TableSpec, Vec<Change>)>>;

fn waves<'a>(rows: impl Iterator<Item = &'a Written>) -> Waves {
    let mut seen: BTreeMap<(u8, &[Value]), usize> = BTreeMap::new();
    let mut waves = Waves::new();
    for row in rows {
        let key = &row.values[..row.table.key_len];
        let place = seen.entry((row.table.number, key)).or_default();
        if waves.len() == *place {
            waves.push(BTreeMap::new());
        }
        let of_table = waves[*place].entry(row.table.number);
        let (_, changes) = of_table.or_insert((row.table, Vec::new()));
        changes.push(change(row));
        *place += 1;
    }
    waves
}

pub(crate) fn replay(
    url: &str,
    commands: &[CommandRows],
    batch: usize,
) -> Result<usize, StoreError> {
    let (server, shown) = (Server::of(url)?, super::without_password(url));
    let machines = machines();
    own_runtime()?.block_on(async {
        let mut session = Session::reach(&server, &shown).await?;
        session.set_plans(false).await?;
        let mut written = 0;
        for (link_no, commands) in (0_i64..).zip(commands.chunks(batch.max(1))) {
            let link = Written {
                table: Link::SPEC,
                values: link(link_no, commands.len()).values(),
                replaces: None,
            };
            let rows = commands.iter().flat_map(|command| &command.0);
            let waves = waves(rows.chain([&link]));
            let mut sets: Vec<Set<'_>> = Vec::new();
            for (spec, changes) in waves.iter().flat_map(BTreeMap::values) {
                writes(spec, changes, &machines, &mut sets);
            }
            let counts = send(&mut session, &sets).await?;
            let committed = session.client.batch_execute(sql("postgres", "commit"));
            committed.await.map_err(|error| failure(&error))?;
            written += counts.into_iter().sum::<u64>();
        }
        Ok(usize::try_from(written).unwrap_or(usize::MAX))
    })
}
