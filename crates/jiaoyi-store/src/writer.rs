//! The one writer of the embedded file: batches form from what waited while the last one was synced.
//!
//! Nothing is answered before its batch is durable. A batch that fails is halved until the culprit
//! stands alone; a panic in a decision is treated alike. After a failed sync nothing is acknowledged
//! from that log again: either a full checkpoint succeeds first, or the store stops.

use crate::error::StoreError;
use crate::queue::{Lane, Queue};
use crate::sqlite::{execute, query};
use crate::statements::sql;
use jiaoyi_domain::audit::{ChainId, Event, Link, Touched, encode_touched, event_hash, link_hash};
use jiaoyi_domain::decide::{Answer, Command, Context, Refusal};
use jiaoyi_domain::messages::CommandKey;
use jiaoyi_domain::record::{Record, TableSpec, Value};
use jiaoyi_domain::working_set::{Change, Need, TABLES, WorkingSet};
use jiaoyi_domain::{Bucket, Date, IdSource, Instant};
use rusqlite::{Connection, TransactionBehavior};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Most commands of one batch.
const BATCH_MAX: usize = 128;

/// How long a batch waits for company under load.
const LINGER: Duration = Duration::from_millis(2);

/// How long the file is left to other processes after a background job: a portal asks for it five
/// times meanwhile (`sqlite::wait_for_lock`), so an import in another process never shuts it out.
const GAP: Duration = Duration::from_millis(1);

/// A command may ask for further rows so often.
const ROUNDS_MAX: usize = 12;

/// The key of a mutating call: the same key again gives the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallKey {
    pub bucket: Bucket,
    pub key_hash: [u8; 32],
    /// Hash of the request: the same key with another request is refused.
    pub body_hash: [u8; 32],
}

/// A command with everything from outside, fixed once at arrival.
pub struct Envelope {
    pub command: Box<dyn Command>,
    pub at: Instant,
    pub seed: [u8; 32],
    pub key: Option<CallKey>,
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A raw piece of work with a transaction of its own (staging, checkpoints).
pub(crate) type RawWork =
    Box<dyn FnOnce(&Connection) -> Result<Vec<Vec<Value>>, StoreError> + Send>;

pub(crate) enum Job {
    Command(Envelope, Reply<Answer>),
    Raw(RawWork, Reply<Vec<Vec<Value>>>),
}

struct Chain {
    id: ChainId,
    next: i64,
    head: [u8; 32],
    book_day: Date,
}

pub(crate) struct Writer {
    connection: Connection,
    chain: Chain,
    queue: Arc<Queue<Job>>,
}

enum Failure {
    /// This batch, as it is, cannot be written: a constraint, a version, a panic, a damaged row.
    Batch(String),
    /// The disk or the engine failed: nobody knows what was written.
    Disk(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let text = error.to_string();
        match error {
            StoreError::Engine(rusqlite::Error::SqliteFailure(code, _)) => match code.code {
                rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TypeMismatch => {
                    Failure::Batch(text)
                }
                _ => Failure::Disk(text),
            },
            _ => Failure::Batch(text),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        StoreError::from(error).into()
    }
}

type Decided = Result<Answer, Refusal>;

impl Writer {
    pub(crate) fn new(
        connection: Connection,
        queue: Arc<Queue<Job>>,
        chain_id: [u8; 16],
        now: Instant,
    ) -> Result<Writer, StoreError> {
        let last = query(&connection, sql("queries", "last_book_day"), &[])?;
        let last_day = match last.first().and_then(|row| row.first()) {
            Some(Value::Text(day)) => day.parse().unwrap_or(now.date()),
            _ => now.date(),
        };
        let chain = Chain {
            id: ChainId(chain_id),
            next: 0,
            head: [0; 32],
            book_day: now.date().max(last_day),
        };
        let mut writer = Writer {
            connection,
            chain,
            queue,
        };
        writer.barrier(now)?;
        Ok(writer)
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let mut busy = false;
        while let Some((lane, jobs)) = self
            .queue
            .take(BATCH_MAX, if busy { LINGER } else { Duration::ZERO })
        {
            busy = lane == Lane::Payment && jobs.len() > 1;
            let mut batch = Vec::with_capacity(jobs.len());
            for job in jobs {
                match job {
                    Job::Command(envelope, reply) => batch.push((envelope, reply)),
                    Job::Raw(work, reply) => {
                        let result = self.raw(work);
                        let _ = reply.send(result);
                    }
                }
            }
            if !batch.is_empty() && self.batch(batch, 0).is_err() {
                self.queue.close();
                tracing::error!("the store has stopped: a sync failed and no checkpoint succeeded");
                return;
            }
            if lane == Lane::Background {
                self.queue.rest(GAP);
            }
        }
        let _ = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }

    fn raw(&mut self, work: RawWork) -> Result<Vec<Vec<Value>>, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = work(&transaction)?;
        transaction.commit()?;
        Ok(found)
    }

    /// A commit that proves everything read before it.
    fn barrier(&mut self, now: Instant) -> Result<(), StoreError> {
        let writer = Value::Bytes(b"sqlite".to_vec());
        let given = [writer, Value::Int(now.0)];
        execute(&self.connection, sql("queries", "barrier"), &given)?;
        Ok(())
    }

    /// Decides and commits a batch, halving it while it fails; `Err` when the store must stop.
    fn batch(&mut self, batch: Vec<(Envelope, Reply<Answer>)>, attempt: u32) -> Result<(), ()> {
        let envelopes: Vec<&Envelope> = batch.iter().map(|(envelope, _)| envelope).collect();
        match self.try_batch(&envelopes, attempt) {
            Ok(answers) => {
                for ((_, reply), answer) in batch.into_iter().zip(answers) {
                    let _ = reply.send(answer.map_err(StoreError::from));
                }
                Ok(())
            }
            Err(Failure::Batch(why)) if batch.len() == 1 && attempt > 0 => {
                for (envelope, reply) in batch {
                    let kind = envelope.command.kind();
                    tracing::error!(command = kind, why, "a command was put aside");
                    let refusal = Refusal::Poisoned { why: why.clone() };
                    let _ = reply.send(Err(refusal.into()));
                }
                Ok(())
            }
            Err(Failure::Batch(why)) => {
                tracing::warn!(why, size = batch.len(), "a batch failed and is halved");
                let mut first = batch;
                let second = first.split_off(first.len() / 2);
                for half in [first, second] {
                    if !half.is_empty() {
                        self.batch(half, attempt.saturating_add(1))?;
                    }
                }
                Ok(())
            }
            Err(Failure::Disk(why)) => self.after_disk_failure(batch, &why),
        }
    }

    /// Nobody knows what the failed sync left: a whole checkpoint, then a barrier, or the end.
    fn after_disk_failure(
        &mut self,
        batch: Vec<(Envelope, Reply<Answer>)>,
        why: &str,
    ) -> Result<(), ()> {
        tracing::error!(why, "the disk refused a commit");
        for (_, reply) in batch {
            let _ = reply.send(Err(StoreError::Unavailable {
                why: why.to_owned(),
            }));
        }
        let checkpoint: Result<i64, _> =
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
        match checkpoint {
            Ok(0) => self.barrier(Instant(0)).map_err(|_| ()),
            // A full disk is not a failed sync: the log was not written at all, so go on refusing
            // until there is room again.
            Ok(_) | Err(_) if why.contains("full") => Ok(()),
            Ok(_) | Err(_) => Err(()),
        }
    }

    fn try_batch(
        &mut self,
        envelopes: &[&Envelope],
        attempt: u32,
    ) -> Result<Vec<Decided>, Failure> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let at = envelopes
            .iter()
            .map(|envelope| envelope.at)
            .max()
            .unwrap_or_default();
        let book_day = self.chain.book_day.max(at.date());
        let mut ws = WorkingSet::default();
        let mut events = Vec::new();
        let mut answers = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let answer = decide(&transaction, &mut ws, envelope, attempt, book_day)?;
            if answer.is_ok() {
                let touched = ws.accept();
                push_events(&mut events, &self.chain, envelope, touched);
            } else {
                ws.discard();
            }
            answers.push(answer);
        }
        if events.is_empty() {
            transaction.rollback()?;
            return Ok(answers);
        }
        for (spec, changes) in ws.changes() {
            write(&transaction, spec, &changes)?;
        }
        let mut hashes = Vec::with_capacity(events.len() * 32);
        for event in &events {
            hashes.extend_from_slice(&event_hash(event));
            execute(&transaction, sql("event", "insert"), &event.values())?;
        }
        let link_no = self.chain.next;
        let head = link_hash(
            self.chain.id,
            link_no,
            &self.chain.head,
            book_day,
            at,
            &hashes,
        );
        let link = Link {
            chain_id: self.chain.id.0,
            link_no,
            previous: self.chain.head,
            hash: head,
            event_hashes: hashes,
            book_day,
            at,
        };
        execute(&transaction, sql("link", "insert"), &link.values())?;
        transaction.commit()?;
        self.chain.next = link_no.saturating_add(1);
        self.chain.head = head;
        self.chain.book_day = book_day;
        Ok(answers)
    }
}

fn load(connection: &Connection, ws: &mut WorkingSet, needs: Vec<Need>) -> Result<bool, Failure> {
    let missing = ws.missing(needs);
    for need in &missing {
        let spec = TABLES.iter().find(|spec| spec.number == need.table());
        let Some(spec) = spec else { continue };
        let rows = match need {
            Need::Key { key, .. } => query(connection, sql(spec.name, "load"), key)?,
            Need::Range { range, given, .. } => query(connection, sql(spec.name, range), given)?,
        };
        ws.absorb(need, rows)
            .map_err(|damaged| Failure::Batch(damaged.to_string()))?;
    }
    Ok(missing.is_empty())
}

fn decide(
    connection: &Connection,
    ws: &mut WorkingSet,
    envelope: &Envelope,
    attempt: u32,
    book_day: Date,
) -> Result<Decided, Failure> {
    if let Some(key) = &envelope.key {
        let row_key = (key.bucket, key.key_hash);
        load(connection, ws, vec![Need::key::<CommandKey>(&row_key)])?;
        if let Some(known) = ws.command_key.get(&row_key) {
            if known.body_hash != key.body_hash {
                return Ok(Err(Refusal::KeyReused));
            }
            return Ok(answer_from_text(&known.answer).ok_or(Refusal::KeyReused));
        }
    }
    let command = &envelope.command;
    for _ in 0..ROUNDS_MAX {
        if load(connection, ws, command.needs(ws))? {
            break;
        }
    }
    let mut ctx = Context {
        at: envelope.at,
        ids: IdSource::new(envelope.seed, attempt),
        book_day,
    };
    let decided = catch_unwind(AssertUnwindSafe(|| command.decide(ws, &mut ctx)))
        .map_err(|_| Failure::Batch(format!("{} panicked", command.kind())))?;
    if let (Ok(answer), Some(key)) = (&decided, &envelope.key) {
        ws.command_key.put(CommandKey {
            bucket: key.bucket,
            key_hash: key.key_hash,
            body_hash: key.body_hash,
            answer: answer_to_text(answer),
            at: envelope.at,
        });
    }
    Ok(decided)
}

fn answer_to_text(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap_or_default()
}

fn answer_from_text(text: &str) -> Option<Answer> {
    serde_json::from_str(text).ok()
}

fn push_events(
    events: &mut Vec<Event>,
    chain: &Chain,
    envelope: &Envelope,
    touched: Vec<(Bucket, Touched)>,
) {
    let mut by_bucket: BTreeMap<Bucket, Vec<Touched>> = BTreeMap::new();
    for (bucket, row) in touched {
        by_bucket.entry(bucket).or_default().push(row);
    }
    for (bucket, rows) in by_bucket {
        events.push(Event {
            bucket,
            chain_id: chain.id,
            link_no: chain.next,
            seq: u32::try_from(events.len()).unwrap_or(u32::MAX),
            command: envelope.command.kind().to_owned(),
            actor: envelope.command.actor(),
            at: envelope.at,
            touched: encode_touched(&rows),
        });
    }
}

fn write(connection: &Connection, spec: &TableSpec, changes: &[Change]) -> Result<(), Failure> {
    for change in changes {
        match change {
            Change::Insert { values } => {
                execute(connection, sql(spec.name, "insert"), values)?;
            }
            Change::Update {
                values, expected, ..
            } => {
                let mut given = values.clone();
                given.push(Value::Int(i64::from(*expected)));
                if execute(connection, sql(spec.name, "update"), &given)? != 1 {
                    return Err(Failure::Batch(format!(
                        "{}: a row changed meanwhile",
                        spec.name
                    )));
                }
            }
            Change::Assert { key, expected } => {
                let found = query(connection, sql(spec.name, "assert"), key)?;
                if found != [[Value::Int(i64::from(*expected))]] {
                    return Err(Failure::Batch(format!(
                        "{}: a row changed meanwhile",
                        spec.name
                    )));
                }
            }
        }
    }
    Ok(())
}
