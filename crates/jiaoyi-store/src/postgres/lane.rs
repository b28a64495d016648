//! The writer connection of one lane.

use super::own_runtime;
use super::session::{Session, failure, said};
use super::values::{Array, kind_of, read_row};
use crate::batch::{Chain, Found, Plan};
use crate::engine::{Aside, Engine};
use crate::error::{Failure, StoreError};
use crate::lane::Trouble;
use crate::statements::sql;
use futures_util::future::{join, join_all};
use jiaoyi_domain::Instant;
use jiaoyi_domain::audit::{Event, Link};
use jiaoyi_domain::record::{Column, Record, TableSpec, Value};
use jiaoyi_domain::working_set::{Change, Need, TABLES};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant as Moment};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row, Statement};

/// How long a lane tries to come back before it answers that the database cannot be reached.
const RECOVER_TIME: Duration = Duration::from_secs(3);
/// Between two tries.
const RECOVER_PAUSE: Duration = Duration::from_millis(50);

/// The statement names of a range's set-based form, by the range.
fn range_many(range: &str) -> &'static str {
    match range {
        "by_order" => "by_order_many",
        "by_person" => "by_person_many",
        "by_due" => "by_due_many",
        "by_attempt" => "by_attempt_many",
        "by_subject" => "by_subject_many",
        "by_holder" => "by_holder_many",
        "by_device" => "by_device_many",
        "by_source" => "by_source_many",
        _ => "load_many",
    }
}

/// One statement with its arrays, and how many rows it has to touch.
struct Set<'a> {
    spec: &'static TableSpec,
    name: &'static str,
    arrays: Vec<Array<'a>>,
    rows: u64,
}

/// Puts rows of values into arrays, a column each, with the buckets for `bucket = ANY` at the end.
fn set<'a>(
    spec: &'static TableSpec,
    name: &'static str,
    columns: &[&str],
    rows: &[&'a [Value]],
    expected: Option<Vec<Option<i64>>>,
    buckets: bool,
) -> Set<'a> {
    let mut arrays: Vec<Array<'a>> = columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let values = rows.iter().map(|row| row.get(place));
            Array::new(kind_of(spec, column), values)
        })
        .collect();
    if let Some(expected) = expected {
        arrays.push(Array::Ints(expected));
    }
    if buckets && columns.first() == Some(&"bucket") {
        let buckets: BTreeSet<i64> = rows
            .iter()
            .filter_map(|row| match row.first() {
                Some(Value::Int(bucket)) => Some(*bucket),
                _ => None,
            })
            .collect();
        arrays.push(Array::Ints(buckets.into_iter().map(Some).collect()));
    }
    Set {
        spec,
        name,
        arrays,
        rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
    }
}

fn names(spec: &TableSpec) -> Vec<&'static str> {
    spec.columns.iter().map(|column| column.name).collect()
}

/// The statements that load the needs: one for each table and way of asking.
fn loads(needs: &[Need]) -> Vec<Set<'_>> {
    let mut groups: BTreeMap<(u8, &'static str), Vec<&[Value]>> = BTreeMap::new();
    for need in needs {
        match need {
            Need::Key { table, key } => groups.entry((*table, "")).or_default().push(key),
            Need::Range {
                table,
                range,
                given,
            } => groups.entry((*table, range)).or_default().push(given),
        }
    }
    let mut sets = Vec::with_capacity(groups.len());
    for ((table, range), rows) in groups {
        let Some(spec) = TABLES.iter().find(|spec| spec.number == table) else {
            continue;
        };
        let declared = spec.ranges.iter().find(|(name, _)| *name == range);
        match declared {
            Some((_, given)) => {
                sets.push(set(spec, range_many(range), given, &rows, None, true));
            }
            None => {
                let key = &names(spec)[..spec.key_len];
                sets.push(set(spec, "load_many", key, &rows, None, true));
            }
        }
    }
    sets
}

/// The statements that write changes of one table: rows that are new, changed, and only asserted.
fn writes<'a>(spec: &'static TableSpec, changes: &'a [Change], sets: &mut Vec<Set<'a>>) {
    let all = names(spec);
    let mut inserts: Vec<&[Value]> = Vec::new();
    let (mut updates, mut of_updates): (Vec<&[Value]>, Vec<Option<i64>>) = Default::default();
    let (mut asserts, mut of_asserts): (Vec<&[Value]>, Vec<Option<i64>>) = Default::default();
    for change in changes {
        match change {
            Change::Insert { values } => inserts.push(values),
            Change::Update {
                values, expected, ..
            } => {
                updates.push(values);
                of_updates.push(Some(i64::from(*expected)));
            }
            Change::Assert { key, expected } => {
                asserts.push(key);
                of_asserts.push(Some(i64::from(*expected)));
            }
        }
    }
    if !inserts.is_empty() {
        sets.push(set(spec, "insert_many", &all, &inserts, None, false));
    }
    if !updates.is_empty() {
        let given = Some(of_updates);
        sets.push(set(spec, "update_many", &all, &updates, given, true));
    }
    if !asserts.is_empty() {
        let (given, key) = (Some(of_asserts), &all[..spec.key_len]);
        sets.push(set(spec, "assert_many", key, &asserts, given, true));
    }
}

/// One writer connection, driven on the lane's own thread.
pub(super) struct PostgresEngine {
    config: Config,
    session: Option<Session>,
    /// The key of its barrier row.
    barrier: [Value; 2],
    runtime: Runtime,
}

impl PostgresEngine {
    /// Connects and writes the first barrier.
    pub(super) fn open(
        config: Config,
        chain: &Chain,
        now: Instant,
    ) -> Result<PostgresEngine, StoreError> {
        let mut engine = PostgresEngine {
            config,
            session: None,
            barrier: [
                chain.id.home().to_value(),
                Value::Bytes(chain.id.0.to_vec()),
            ],
            runtime: own_runtime()?,
        };
        match engine.recover_once(None, now) {
            Ok(_) => Ok(engine),
            Err(why) => Err(StoreError::Unavailable { why }),
        }
    }

    fn session(&mut self) -> Result<(&Runtime, &mut Session), Failure> {
        match &mut self.session {
            Some(session) if !session.client.is_closed() => Ok((&self.runtime, session)),
            _ => Err(Failure::Unknown("the connection is lost".to_owned())),
        }
    }

    /// Reads the link, then writes a barrier: a commit that proves what was read before it.
    fn recover_once(&mut self, link: Option<&Link>, now: Instant) -> Result<Option<Link>, String> {
        let (config, barrier) = (&self.config, &self.barrier);
        let held = self.session.take();
        let (session, durable) = self.runtime.block_on(async {
            let mut session = match held {
                Some(session) if !session.client.is_closed() => session,
                _ => {
                    let session = Session::open(config).await;
                    let mut session = session.map_err(|error| error.to_string())?;
                    // They may have been changed since the start, or this may be another server.
                    let asserted = session.assert_settings("reconnected").await;
                    asserted.map_err(|error| error.to_string())?;
                    let set = session.use_indexes().await;
                    set.map_err(|error| said(&error))?;
                    session
                }
            };
            let rollback = sql("postgres", "rollback");
            let given_up = session.client.batch_execute(rollback).await;
            given_up.map_err(|error| said(&error))?;
            let durable = match link {
                None => None,
                Some(link) => {
                    let key = Link::key_values(&link.key());
                    let found = session.query(Link::SPEC.name, "load", &key).await;
                    link_of(&found.map_err(|error| said(&error))?)?
                }
            };
            session.take_warning();
            let [bucket, writer] = barrier.clone();
            let given = [bucket, writer, Value::Int(now.0)];
            let written = session.execute("queries", "barrier", &given).await;
            written.map_err(|error| said(&error))?;
            if session.take_warning() {
                return Err("the barrier was not confirmed by the standby".to_owned());
            }
            Ok::<_, String>((session, durable))
        })?;
        self.session = Some(session);
        Ok(durable)
    }
}

/// The link among the rows of a look-up, if there is one.
fn link_of(rows: &[Row]) -> Result<Option<Link>, String> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let values = read_row(row).map_err(|error| error.to_string())?;
    let link = Link::from_values(values);
    link.map(Some).ok_or("a stored link is damaged".to_owned())
}

/// Every statement of a round, prepared.
async fn prepared(session: &mut Session, sets: &[Set<'_>]) -> Result<Vec<Statement>, Failure> {
    let mut statements = Vec::with_capacity(sets.len());
    for set in sets {
        let statement = session.prepare(set.spec.name, set.name).await;
        statements.push(statement.map_err(|error| failure(&error))?);
    }
    Ok(statements)
}

fn bound<'a>(set: &'a Set<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    set.arrays.iter().map(Array::bound).collect()
}

async fn load(session: &mut Session, needs: &[Need]) -> Result<Vec<Found>, Failure> {
    let sets = loads(needs);
    let statements = prepared(session, &sets).await?;
    let given: Vec<_> = sets.iter().map(bound).collect();
    let asked = statements
        .iter()
        .zip(&given)
        .map(|(statement, given)| session.client.query(statement, given));
    let mut found = Vec::with_capacity(sets.len());
    for (set, rows) in sets.iter().zip(join_all(asked).await) {
        let rows = rows.map_err(|error| failure(&error))?;
        let rows: Result<Vec<_>, StoreError> = rows.iter().map(read_row).collect();
        found.push(Found {
            table: set.spec.number,
            rows: rows.map_err(|error| Failure::Batch(error.to_string()))?,
        });
    }
    Ok(found)
}

/// Inserts rows of one table, in the transaction that is open.
pub(super) async fn insert_rows(
    session: &mut Session,
    spec: &'static TableSpec,
    rows: &[Vec<Value>],
) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows: Vec<&[Value]> = rows.iter().map(Vec::as_slice).collect();
    let set = set(spec, "insert_many", &names(spec), &rows, None, false);
    let statement = session.prepare(spec.name, "insert_many").await?;
    session.client.execute(&statement, &bound(&set)).await?;
    Ok(())
}

/// Writes a plan and commits it.
async fn write(session: &mut Session, plan: &Plan) -> Result<(), Failure> {
    let events: Vec<Vec<Value>> = plan.events.iter().map(Record::values).collect();
    let link = plan.link.values();
    let mut sets = Vec::new();
    for (spec, changes) in &plan.changes {
        writes(spec, changes, &mut sets);
    }
    let rows: Vec<&[Value]> = events.iter().map(Vec::as_slice).collect();
    let (event, of_link) = (names(Event::SPEC), names(Link::SPEC));
    sets.push(set(Event::SPEC, "insert_many", &event, &rows, None, false));
    sets.push(set(
        Link::SPEC,
        "insert_many",
        &of_link,
        &[&link],
        None,
        false,
    ));
    let statements = prepared(session, &sets).await?;
    let given: Vec<_> = sets.iter().map(bound).collect();
    let written = statements
        .iter()
        .zip(&given)
        .map(|(statement, given)| session.client.execute(statement, given));
    let begun = session.client.batch_execute(sql("postgres", "begin"));
    let (begun, counts) = join(begun, join_all(written)).await;
    begun.map_err(|error| failure(&error))?;
    for (set, count) in sets.iter().zip(counts) {
        let count = count.map_err(|error| failure(&error))?;
        if count != set.rows {
            let table = set.spec.name;
            return Err(Failure::Conflict(format!(
                "{table}: a row changed meanwhile"
            )));
        }
    }
    session.take_warning();
    commit(session).await
}

/// Commits. Whatever is not a plain "done" is unknown: a cancelled wait for a standby looks like
/// success but for a warning.
async fn commit(session: &Session) -> Result<(), Failure> {
    let committed = session.client.batch_execute(sql("postgres", "commit"));
    match committed.await {
        Ok(()) if session.take_warning() => Err(Failure::Unknown(
            "the commit came back with a warning: it is not confirmed".to_owned(),
        )),
        Ok(()) => Ok(()),
        Err(error) => match failure(&error) {
            Failure::Down(why) => Err(Failure::Unknown(why)),
            other => Err(other),
        },
    }
}

async fn roll_back(session: &Session) {
    // A lost connection has given everything up already; the next use notices.
    let _ = session
        .client
        .batch_execute(sql("postgres", "rollback"))
        .await;
}

async fn do_aside(session: &mut Session, work: &Aside) -> Result<(), tokio_postgres::Error> {
    let begin = session.client.batch_execute(sql("postgres", "begin"));
    begin.await?;
    match work {
        Aside::Stage(pages) => {
            for page in pages {
                session.execute("queries", "stage_page", page).await?;
            }
        }
        Aside::Unstage {
            roster,
            run,
            from,
            to,
        } => {
            let roster = Value::Bytes(roster.to_vec());
            let given = [roster, Value::Int(*run), Value::Int(*from), Value::Int(*to)];
            session.execute("queries", "unstage_pages", &given).await?;
        }
        Aside::Append { table, values } => {
            session.execute(table.name, "insert", values).await?;
        }
    }
    Ok(())
}

impl Engine for PostgresEngine {
    /// Loads need no transaction: what a decision rests on is asserted when it is written.
    fn begin(&mut self) -> Result<(), Failure> {
        self.session().map(|_| ())
    }

    fn load(&mut self, needs: &[Need]) -> Result<Vec<Found>, Failure> {
        let (runtime, session) = self.session()?;
        runtime.block_on(load(session, needs))
    }

    fn write(&mut self, plan: &Plan) -> Result<(), Failure> {
        let (runtime, session) = self.session()?;
        runtime.block_on(async {
            let written = write(session, plan).await;
            if matches!(&written, Err(failure) if !matches!(failure, Failure::Unknown(_))) {
                roll_back(session).await;
            }
            written
        })
    }

    fn prove(&mut self) -> Result<(), Failure> {
        let [bucket, writer] = self.barrier.clone();
        let (runtime, session) = self.session()?;
        runtime.block_on(async {
            session.take_warning();
            let given = [bucket, writer, Value::Int(0)];
            let written = session.execute("queries", "barrier", &given).await;
            written.map_err(|error| failure(&error))?;
            if session.take_warning() {
                return Err(Failure::Unknown("a barrier was not confirmed".to_owned()));
            }
            Ok(())
        })
    }

    fn rest(&mut self) {}

    fn recover(&mut self, link: Option<&Link>) -> Result<Option<Link>, Trouble> {
        let started = Moment::now();
        loop {
            match self.recover_once(link, Instant(0)) {
                Ok(durable) => return Ok(durable),
                Err(why) if started.elapsed() > RECOVER_TIME => return Err(Trouble::Later(why)),
                Err(why) => {
                    tracing::warn!(why, "a lane tries to come back");
                    self.runtime
                        .block_on(async { tokio::time::sleep(RECOVER_PAUSE).await });
                }
            }
        }
    }

    fn aside(&mut self, work: &Aside) -> Result<(), Failure> {
        if self.session().is_err() {
            self.recover_once(None, Instant(0))
                .map_err(Failure::Unknown)?;
        }
        let (runtime, session) = self.session()?;
        runtime.block_on(async {
            if let Err(error) = do_aside(session, work).await {
                roll_back(session).await;
                return Err(failure(&error));
            }
            session.take_warning();
            commit(session).await
        })
    }
}
