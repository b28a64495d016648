//! The writer connection of one lane.

use super::door::Door;
use super::own_runtime;
use super::session::{Session, failure, refs, said};
use super::values::{Array, Bound, kind_of, read_row};
use crate::batch::{Found, Plan};
use crate::engine::{Aside, Engine};
use crate::error::{Failure, StoreError};
use crate::generate::INSERTS;
use crate::group::Groups;
use crate::lane::Trouble;
use crate::statements::sql;
use futures_util::future::{join, join_all};
use jiaoyi_domain::audit::{ChainId, Event, Link};
use jiaoyi_domain::needs::Need;
use jiaoyi_domain::record::{Column, Record, TableSpec, Value};
use jiaoyi_domain::working_set::{Change, table_of};
use jiaoyi_domain::{Bucket, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

/// How long a lane tries to come back before it answers that the database cannot be reached.
const RECOVER_TIME: Duration = Duration::from_secs(3);
/// Between two tries.
const RECOVER_PAUSE: Duration = Duration::from_millis(50);

/// The statement names of a range's set-based form, by the range.
pub(super) fn range_many(range: &str) -> &'static str {
    match range {
        "by_order" => "by_order_many",
        "by_person" => "by_person_many",
        "by_due" => "by_due_many",
        "by_attempt" => "by_attempt_many",
        "by_subject" => "by_subject_many",
        "by_device" => "by_device_many",
        "by_source" => "by_source_many",
        "by_day" => "by_day_many",
        _ => "load_many",
    }
}

/// What a statement is given.
enum Given<'a> {
    /// A column each.
    Arrays(Vec<Array<'a>>),
    /// One value after another, row by row.
    Values(Vec<Bound<'a>>),
}

/// One statement with its parameters, and how many rows it has to touch.
pub(super) struct Set<'a> {
    spec: &'static TableSpec,
    name: &'static str,
    given: Given<'a>,
    rows: u64,
}

/// Puts rows of values into arrays, a column each; with `buckets` those for `bucket = ANY` at the end,
/// which only a distributed database is told.
pub(super) fn set<'a>(
    spec: &'static TableSpec,
    name: &'static str,
    columns: &[&str],
    rows: &[&'a [Value]],
    expected: Option<Vec<Option<i64>>>,
    buckets: bool,
) -> Set<'a> {
    let columns: Vec<_> = columns.iter().copied().enumerate().collect();
    set_of(spec, name, &columns, rows, expected, buckets)
}

/// The same of rows that hold more than these columns, each with its place in a row.
fn set_of<'a>(
    spec: &'static TableSpec,
    name: &'static str,
    columns: &[(usize, &str)],
    rows: &[&'a [Value]],
    expected: Option<Vec<Option<i64>>>,
    buckets: bool,
) -> Set<'a> {
    let mut arrays: Vec<Array<'a>> = columns
        .iter()
        .map(|(place, column)| {
            let values = rows.iter().map(|row| row.get(*place));
            Array::new(kind_of(spec, column), values)
        })
        .collect();
    if let Some(expected) = expected {
        arrays.push(Array::Ints(expected));
    }
    if buckets && columns.first() == Some(&(0, "bucket")) {
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
        given: Given::Arrays(arrays),
        rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
    }
}

/// The statements that insert rows: from arrays, or as VALUES of one shard, since a distributed
/// database would pull rows of arrays to its coordinator and copy them from there.
fn inserts<'a>(
    spec: &'static TableSpec,
    mut rows: &[&'a [Value]],
    distributed: bool,
    sets: &mut Vec<Set<'a>>,
) {
    if !distributed {
        sets.push(set(spec, "insert_many", &names(spec), rows, None, false));
        return;
    }
    for (count, name) in INSERTS {
        while let Some((some, rest)) = rows.split_at_checked(*count) {
            let values = some.iter().flat_map(|row| row.iter().map(Bound));
            sets.push(Set {
                spec,
                name,
                given: Given::Values(values.collect()),
                rows: u64::try_from(*count).unwrap_or(u64::MAX),
            });
            rows = rest;
        }
    }
}

fn names(spec: &TableSpec) -> Vec<&'static str> {
    spec.columns.iter().map(|column| column.name).collect()
}

/// The statements that load the needs: one for each table, way of asking and shard.
fn loads<'a>(needs: &'a [Need], machines: &Machines) -> Vec<Set<'a>> {
    let Machines {
        distributed,
        shards,
    } = machines;
    let mut groups: BTreeMap<(u8, &'static str, usize), Vec<&[Value]>> = BTreeMap::new();
    for need in needs {
        let (table, range, given) = match need {
            Need::Key { table, key } => (*table, "", key),
            Need::Range {
                table,
                range,
                given,
            } => (*table, *range, given),
        };
        let place = need.bucket().map_or(0, |bucket| shards.place(bucket));
        groups.entry((table, range, place)).or_default().push(given);
    }
    let mut sets = Vec::with_capacity(groups.len());
    for ((table, range, _), rows) in groups {
        let Some(spec) = table_of(table) else {
            continue;
        };
        let declared = spec.ranges.iter().find(|(name, _)| *name == range);
        match declared {
            Some((_, given)) => {
                sets.push(set(
                    spec,
                    range_many(range),
                    given,
                    &rows,
                    None,
                    *distributed,
                ));
            }
            None => {
                let key = &names(spec)[..spec.key_len];
                sets.push(set(spec, "load_many", key, &rows, None, *distributed));
            }
        }
    }
    sets
}

/// Rows of one kind of write, with the versions that are expected where there were rows before.
type Rows<'a> = (Vec<&'a [Value]>, Vec<Option<i64>>);

/// The place of the shard in which a row of this table lies.
fn place_of(spec: &TableSpec, row: &[Value], shards: &Groups) -> usize {
    match row.first() {
        Some(Value::Int(bucket)) if spec.in_buckets() => {
            u16::try_from(*bucket).map_or(0, |bucket| shards.place(bucket))
        }
        _ => 0,
    }
}

/// The statements that write changes of one table, shard by shard: rows that are changed, new, and
/// only asserted.
pub(super) fn writes<'a>(
    spec: &'static TableSpec,
    changes: &'a [Change],
    machines: &Machines,
    sets: &mut Vec<Set<'a>>,
) {
    let all = names(spec);
    let mut kinds: [BTreeMap<usize, Rows<'a>>; 3] = Default::default();
    for change in changes {
        let (kind, row, expected): (usize, &[Value], _) = match change {
            Change::Insert { values } => (0, values, None),
            Change::Update {
                values, expected, ..
            } => (1, values, Some(*expected)),
            Change::Assert { key, expected } => (2, key, Some(*expected)),
        };
        let place = place_of(spec, row, &machines.shards);
        let (rows, versions) = kinds[kind].entry(place).or_default();
        rows.push(row);
        versions.extend(expected.map(|version| Some(i64::from(version))));
    }
    let [new, updates, asserts] = kinds;
    let columns = spec.columns.iter().enumerate();
    let told = columns.filter(|(place, column)| *place < spec.key_len || !column.fixed);
    let told: Vec<_> = told.map(|(place, column)| (place, column.name)).collect();
    // Changes first: a slot that ends makes room for the one that takes its place.
    for (rows, versions) in updates.into_values() {
        sets.push(set_of(
            spec,
            "update_many",
            &told,
            &rows,
            Some(versions),
            machines.distributed,
        ));
    }
    for (rows, _) in new.into_values() {
        inserts(spec, &rows, machines.distributed, sets);
    }
    // A row of reference is only read again on distributed PostgreSQL: whoever changes one reads no
    // row of a bucket, so the two can always be put in an order.
    let assert = match machines.distributed && all.first() != Some(&"bucket") {
        true => "assert_many_unlocked",
        false => "assert_many",
    };
    for (keys, versions) in asserts.into_values() {
        let key = &all[..spec.key_len];
        sets.push(set(
            spec,
            assert,
            key,
            &keys,
            Some(versions),
            machines.distributed,
        ));
    }
}

/// The statements that append rows of a table of the audit chain, shard by shard.
fn appends<'a>(
    spec: &'static TableSpec,
    rows: impl Iterator<Item = &'a [Value]>,
    machines: &Machines,
    sets: &mut Vec<Set<'a>>,
) {
    let mut places: BTreeMap<usize, Vec<&[Value]>> = BTreeMap::new();
    for row in rows {
        let place = place_of(spec, row, &machines.shards);
        places.entry(place).or_default().push(row);
    }
    for rows in places.into_values() {
        inserts(spec, &rows, machines.distributed, sets);
    }
}

/// Where the database keeps its rows.
pub(super) struct Machines {
    /// Whether there are several.
    pub(super) distributed: bool,
    /// Which buckets lie together; without distribution all of them.
    pub(super) shards: Groups,
}

/// One writer connection, driven on the thread of its lanes.
pub(super) struct PostgresEngine {
    door: Arc<Door>,
    session: Option<Session>,
    machines: Arc<Machines>,
    /// The chain of the lane whose turn it is: the key of its barrier rows.
    chain: ChainId,
    /// Places of the shards that were read since the batch began: a barrier in each proves it.
    seen: BTreeSet<usize>,
    /// Whether a commit is in doubt and no barrier was written since.
    in_doubt: bool,
    runtime: Runtime,
}

impl PostgresEngine {
    /// Connects and writes the first barrier of each of its lanes.
    pub(super) fn open(
        door: Arc<Door>,
        machines: Arc<Machines>,
        chains: &[ChainId],
        now: Instant,
    ) -> Result<PostgresEngine, StoreError> {
        let mut engine = PostgresEngine {
            door,
            session: None,
            machines,
            chain: ChainId([0; 16]),
            seen: BTreeSet::new(),
            in_doubt: false,
            runtime: own_runtime()?,
        };
        for chain in chains {
            engine.chain = *chain;
            if let Err(why) = engine.recover_once(None, now) {
                return Err(StoreError::Unavailable { why });
            }
        }
        Ok(engine)
    }

    fn session(&mut self) -> Result<(&Runtime, &mut Session), Failure> {
        match &mut self.session {
            Some(session) if !session.client.is_closed() => Ok((&self.runtime, session)),
            _ => Err(Failure::Unknown("the connection is lost".to_owned())),
        }
    }

    /// The barrier rows that prove what this lane read and wrote: one where its own rows lie, and
    /// one in every other shard that was read, whose log is another.
    fn barriers(&self, now: Instant) -> Vec<Barrier> {
        let home = self.chain.home();
        let shards = &self.machines.shards;
        let own = shards.place(home.get());
        let others = self.seen.iter().filter(|place| **place != own);
        let others = others.map(|place| shards.list()[*place].home());
        let homes = std::iter::once(home).chain(others);
        homes.map(|home| barrier(home, self.chain, now)).collect()
    }

    /// Whoever reads waits from a commit in doubt until there is a barrier.
    fn noted(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        if matches!(outcome, Err(Failure::Unknown(_))) && !self.in_doubt {
            self.in_doubt = true;
            self.door.proof.doubt();
        }
        outcome
    }

    /// Reads the link, then writes a barrier: a commit that proves what was read before it.
    fn recover_once(&mut self, link: Option<&Link>, now: Instant) -> Result<Option<Link>, String> {
        let (door, barriers) = (&self.door, self.barriers(now));
        let distributed = self.machines.distributed;
        let held = self.session.take();
        let (session, durable) = self.runtime.block_on(async {
            let mut session = match held {
                Some(session) if !session.client.is_closed() => session,
                _ => {
                    let session = door.open().await;
                    let mut session = session.map_err(|error| error.to_string())?;
                    // They may have been changed since the start, or this may be another server.
                    let asserted = session.assert_settings("reconnected", distributed).await;
                    asserted.map_err(|error| error.to_string())?;
                    let set = session.set_plans(distributed).await;
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
            match write_barriers(&mut session, &barriers).await {
                Ok(true) => Ok((session, durable)),
                Ok(false) => Err("the barrier was not confirmed by the standby".to_owned()),
                Err(error) => Err(said(&error)),
            }
        })?;
        self.session = Some(session);
        if std::mem::take(&mut self.in_doubt) {
            self.door.proof.doubt_is_over();
        }
        Ok(durable)
    }
}

/// A row that is written to have a commit: bucket, writer, time.
pub(super) type Barrier = [Value; 3];

/// A barrier in the log of this bucket.
pub(super) fn barrier(home: Bucket, writer: ChainId, now: Instant) -> Barrier {
    let writer = Value::Bytes(writer.0.to_vec());
    [home.to_value(), writer, Value::Int(now.0)]
}

/// Writes barriers, a commit each; whether all of them are confirmed.
pub(super) async fn write_barriers(
    session: &mut Session,
    barriers: &[Barrier],
) -> Result<bool, tokio_postgres::Error> {
    session.take_warning();
    for given in barriers {
        session.execute("queries", "barrier", given).await?;
    }
    Ok(!session.take_warning())
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

pub(super) fn bound<'a>(set: &'a Set<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    match &set.given {
        Given::Arrays(arrays) => arrays.iter().map(Array::bound).collect(),
        Given::Values(values) => refs(values),
    }
}

/// The rows of the needs.
pub(super) async fn load(
    session: &mut Session,
    needs: &[Need],
    machines: &Machines,
) -> Result<Vec<Found>, Failure> {
    let sets = loads(needs, machines);
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

/// Begins a transaction and runs the statements in it, all of them sent together; how many rows
/// each touched.
pub(super) async fn send(session: &mut Session, sets: &[Set<'_>]) -> Result<Vec<u64>, Failure> {
    let statements = prepared(session, sets).await?;
    let given: Vec<_> = sets.iter().map(bound).collect();
    let written = statements
        .iter()
        .zip(&given)
        .map(|(statement, given)| session.client.execute(statement, given));
    let begun = session.client.batch_execute(sql("postgres", "begin"));
    let (begun, counts) = join(begun, join_all(written)).await;
    begun.map_err(|error| failure(&error))?;
    let counts: Result<Vec<u64>, _> = counts.into_iter().collect();
    counts.map_err(|error| failure(&error))
}

/// Writes a plan and commits it.
async fn write(session: &mut Session, plan: &Plan, machines: &Machines) -> Result<(), Failure> {
    let events: Vec<Vec<Value>> = plan.events.iter().map(Record::values).collect();
    let link = plan.link.values();
    let mut sets = Vec::new();
    for (spec, changes) in &plan.changes {
        writes(spec, changes, machines, &mut sets);
    }
    let events = events.iter().map(Vec::as_slice);
    appends(Event::SPEC, events, machines, &mut sets);
    appends(Link::SPEC, std::iter::once(&*link), machines, &mut sets);
    let counts = send(session, &sets).await?;
    for (set, count) in sets.iter().zip(counts) {
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
    for (file, name, given) in work.statements() {
        session.execute(file, name, &given).await?;
    }
    Ok(())
}

impl Engine for PostgresEngine {
    fn turn_to(&mut self, chain: ChainId) {
        if self.chain != chain {
            self.chain = chain;
            self.seen.clear();
        }
    }

    /// Loads need no transaction: what a decision rests on is asserted when it is written.
    fn begin(&mut self) -> Result<(), Failure> {
        self.seen.clear();
        self.session().map(|_| ())
    }

    fn load(&mut self, needs: &[Need]) -> Result<Vec<Found>, Failure> {
        let machines = Arc::clone(&self.machines);
        let buckets = needs.iter().filter_map(Need::bucket);
        let places = buckets.map(|bucket| machines.shards.place(bucket));
        self.seen.extend(places);
        let (runtime, session) = self.session()?;
        runtime.block_on(load(session, needs, &machines))
    }

    fn write(&mut self, plan: &Plan) -> Result<(), Failure> {
        let machines = Arc::clone(&self.machines);
        let (runtime, session) = self.session()?;
        let written = runtime.block_on(async {
            let written = write(session, plan, &machines).await;
            if matches!(&written, Err(failure) if !matches!(failure, Failure::Unknown(_))) {
                roll_back(session).await;
            }
            written
        });
        self.noted(written)
    }

    fn prove(&mut self) -> Result<(), Failure> {
        let barriers = self.barriers(Instant(0));
        let (runtime, session) = self.session()?;
        let proved = match runtime.block_on(write_barriers(session, &barriers)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Unknown("a barrier was not confirmed".to_owned())),
            Err(error) => Err(failure(&error)),
        };
        self.noted(proved)
    }

    fn rest(&mut self) {}

    fn recover(&mut self, link: Option<&Link>) -> Result<Option<Link>, Trouble> {
        let started = Moment::now();
        let mut said = String::new();
        loop {
            match self.recover_once(link, Instant(0)) {
                Ok(durable) => return Ok(durable),
                Err(why) if started.elapsed() > RECOVER_TIME => return Err(Trouble::Later(why)),
                Err(why) => {
                    if said != why {
                        tracing::warn!(why, "a lane tries to come back");
                        said = why;
                    }
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
        let done = runtime.block_on(async {
            if let Err(error) = do_aside(session, work).await {
                roll_back(session).await;
                return Err(failure(&error));
            }
            session.take_warning();
            commit(session).await
        });
        self.noted(done)
    }
}
