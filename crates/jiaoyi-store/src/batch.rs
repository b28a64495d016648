//! Deciding a batch, without an engine: the machine says what it needs loaded, then what is to be
//! written.
//!
//! The needs of all commands are asked together, round by round. Then one command after another is
//! decided on one working set, so that a later one sees what an earlier one changed; what such a
//! change makes necessary is asked for in between. Every engine drives this same machine, and so
//! does a simulator; it reads no clock, draws nothing and does no I/O.

use crate::error::Failure;
use jiaoyi_domain::audit::{ChainId, Event, Link, Touched, encode_touched, event_hash, link_hash};
use jiaoyi_domain::decide::{Answer, Command, Context, Refusal};
use jiaoyi_domain::messages::CommandKey;
use jiaoyi_domain::needs::{Need, Needs};
use jiaoyi_domain::record::{TableSpec, Value};
use jiaoyi_domain::working_set::{Change, WorkingSet, table_of};
use jiaoyi_domain::{Bucket, Date, IdSource, Instant};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A command may ask for further rows so often before it is decided with what is there.
const ROUNDS_MAX: u32 = 12;

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
    /// Who issues vouchers.
    pub issuer: Arc<str>,
    pub key: Option<CallKey>,
}

impl Envelope {
    /// What it needs, as far as `ws` tells; a known key needs nothing more.
    fn needs<'w>(&self, ws: &'w WorkingSet) -> Result<Needs<'w>, Failure> {
        let mut needs = Needs::beside(ws);
        if let Some(key) = &self.key {
            let row_key = (key.bucket, key.key_hash);
            if ws.command_key.get(&row_key).is_some() {
                return Ok(needs);
            }
            needs.key::<CommandKey>(&row_key);
        }
        catch_unwind(AssertUnwindSafe(|| self.command.needs(&mut needs)))
            .map_err(|_| Failure::Batch(format!("{} panicked", self.command.kind())))?;
        Ok(needs)
    }
}

pub use crate::group::{ALL_BUCKETS, Group};

/// Whether the rows of a table lie in buckets.
fn has_bucket(table: u8) -> bool {
    table_of(table).is_some_and(TableSpec::in_buckets)
}

/// The buckets that a command touches as far as is known before anything is loaded.
#[must_use]
pub fn first_buckets(envelope: &Envelope) -> Vec<u16> {
    let nothing = WorkingSet::default();
    // A command that panics here panics again in its batch, where that is dealt with.
    let needs = envelope.needs(&nothing).map(Needs::told);
    let (_, looked) = needs.unwrap_or_default();
    looked.into_iter().collect()
}

/// Where the next link of a chain hangs.
#[derive(Clone, Debug)]
pub struct Chain {
    pub id: ChainId,
    pub next: i64,
    pub head: [u8; 32],
    pub book_day: Date,
}

impl Chain {
    /// A chain without links whose book day does not go back behind `last_day`.
    #[must_use]
    pub fn new(id: ChainId, today: Date, last_day: Option<Date>) -> Chain {
        Chain {
            id,
            next: 0,
            head: [0; 32],
            book_day: last_day.map_or(today, |day| day.max(today)),
        }
    }

    /// Moves on behind a link that is durable.
    pub fn advance(&mut self, link: &Link) {
        self.next = link.link_no.saturating_add(1);
        self.head = link.hash;
        self.book_day = link.book_day;
    }
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Decided; to be told once the batch is durable.
    Answered(Result<Answer, Refusal>),
    /// It needs rows of another bucket group; the wide lane takes it.
    Elsewhere,
}

/// What a batch writes, complete and in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The working set's tables in their fixed order, each with its changes in key order.
    pub changes: Vec<(&'static TableSpec, Vec<Change>)>,
    /// What each command did; empty when nothing is to be written.
    pub events: Vec<Event>,
    /// The link of this commit.
    pub link: Link,
    /// One for each command of the batch, in its order.
    pub verdicts: Vec<Verdict>,
}

impl Plan {
    /// Whether nothing is written: every command was refused, known already, or goes elsewhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}

/// What the machine wants next.
#[derive(Debug)]
pub enum Step {
    /// Load these, distinct and in order, and call [`Batch::loaded`].
    Load(Vec<Need>),
    /// All are decided.
    Decided(Plan),
}

/// Rows that an engine loaded.
#[derive(Debug)]
pub struct Found {
    /// Number of the table.
    pub table: u8,
    pub rows: Vec<Vec<Value>>,
}

struct Running {
    envelope: Arc<Envelope>,
    rounds: u32,
    /// Once nothing was missing: the buckets in which it looked, and how many commands had changed rows by
    /// then.
    whole: Option<(BTreeSet<u16>, usize)>,
    verdict: Option<Verdict>,
}

/// How many commands have changed rows, and which of them was the last to do so where.
#[derive(Default)]
struct Changing {
    count: usize,
    buckets: BTreeMap<u16, usize>,
    /// A table of reference: everybody may have looked at it.
    reference: usize,
}

impl Changing {
    fn note(&mut self, touched: &[(Bucket, Touched)]) {
        self.count += 1;
        for (bucket, row) in touched {
            if has_bucket(row.table) {
                self.buckets.insert(bucket.get(), self.count);
            } else {
                self.reference = self.count;
            }
        }
    }

    /// Whether a row where a command has looked was changed after the first `count` commands.
    fn since(&self, count: usize, looked: &BTreeSet<u16>) -> bool {
        let later = |bucket: &u16| self.buckets.get(bucket).is_some_and(|last| *last > count);
        self.count > count && (self.reference > count || looked.iter().any(later))
    }
}

/// A batch on its way to a plan.
pub struct Batch {
    running: Vec<Running>,
    /// How often these commands were tried before: part of what ids are drawn from.
    attempt: u32,
    group: Group,
    chain: Chain,
    ws: WorkingSet,
    gathered: bool,
    decided: usize,
    changing: Changing,
    events: Vec<Event>,
}

impl Batch {
    /// A batch of commands on a chain. Commands that need a bucket outside `group` go elsewhere.
    #[must_use]
    pub fn new(
        envelopes: impl IntoIterator<Item = Arc<Envelope>>,
        attempt: u32,
        group: Group,
        chain: Chain,
    ) -> Batch {
        let running = envelopes.into_iter().map(|envelope| Running {
            envelope,
            rounds: 0,
            whole: None,
            verdict: None,
        });
        Batch {
            running: running.collect(),
            attempt,
            group,
            chain,
            ws: WorkingSet::default(),
            gathered: false,
            decided: 0,
            changing: Changing::default(),
            events: Vec::new(),
        }
    }

    /// Goes on as far as it can.
    ///
    /// # Errors
    ///
    /// [`Failure::Batch`] when a command panicked; the batch is of no more use.
    pub fn step(&mut self) -> Result<Step, Failure> {
        if !self.gathered {
            let mut needs = Vec::new();
            for place in 0..self.running.len() {
                needs.extend(self.missing(place)?);
            }
            if !needs.is_empty() {
                return Ok(self.ask(needs));
            }
            self.gathered = true;
        }
        while self.decided < self.running.len() {
            let place = self.decided;
            let missing = self.missing(place)?;
            if !missing.is_empty() {
                return Ok(self.ask(missing));
            }
            if self.running[place].verdict.is_none() {
                let answer = self.decide(place)?;
                self.running[place].verdict = Some(Verdict::Answered(answer));
            }
            self.decided += 1;
        }
        Ok(Step::Decided(self.plan()))
    }

    /// Takes in what was found for the needs of the last [`Step::Load`]; the rows may come in any
    /// order and any grouping.
    ///
    /// # Errors
    ///
    /// [`Failure::Batch`] when a stored row is damaged.
    pub fn loaded(&mut self, found: Vec<Found>) -> Result<(), Failure> {
        for Found { table, rows } in found {
            self.ws
                .absorb_rows(table, rows)
                .map_err(|damaged| Failure::Batch(damaged.to_string()))?;
        }
        Ok(())
    }

    fn ask(&mut self, mut needs: Vec<Need>) -> Step {
        needs.sort_unstable();
        needs.dedup();
        // What is not among the rows that come is absent; when none come, the batch is given up.
        for need in &needs {
            self.ws.note_loaded(need);
        }
        Step::Load(needs)
    }

    /// What a command still misses; nothing once it is whole and no row that it looked at can have
    /// changed since.
    fn missing(&mut self, place: usize) -> Result<Vec<Need>, Failure> {
        let running = &mut self.running[place];
        let whole = running.whole.as_ref();
        let stands = whole.is_some_and(|(looked, at)| !self.changing.since(*at, looked));
        if running.verdict.is_some() || stands {
            return Ok(Vec::new());
        }
        let (mut missing, looked) = running.envelope.needs(&self.ws)?.told();
        if running.rounds >= ROUNDS_MAX {
            missing.clear();
        }
        running.rounds += 1;
        let outside = |bucket| !self.group.contains(bucket);
        if missing.iter().filter_map(Need::bucket).any(outside) {
            running.verdict = Some(Verdict::Elsewhere);
            return Ok(Vec::new());
        }
        if missing.is_empty() {
            running.whole = Some((looked, self.changing.count));
        }
        Ok(missing)
    }

    fn decide(&mut self, place: usize) -> Result<Result<Answer, Refusal>, Failure> {
        let envelope = Arc::clone(&self.running[place].envelope);
        if let Some(key) = &envelope.key
            && let Some(known) = self.ws.command_key.get(&(key.bucket, key.key_hash))
        {
            if known.body_hash != key.body_hash {
                return Ok(Err(Refusal::KeyReused));
            }
            return Ok(answer_from_text(&known.answer).ok_or(Refusal::KeyReused));
        }
        let mut ctx = Context {
            at: envelope.at,
            ids: IdSource::new(envelope.seed, self.attempt).at(envelope.at),
            book_day: self.book_day(),
            issuer: Arc::clone(&envelope.issuer),
        };
        let ws = &mut self.ws;
        let command = &envelope.command;
        let answer = catch_unwind(AssertUnwindSafe(|| command.decide(ws, &mut ctx)))
            .map_err(|_| Failure::Batch(format!("{} panicked", command.kind())))?;
        match &answer {
            Ok(done) => {
                if let Some(key) = &envelope.key {
                    ws.command_key.put(CommandKey {
                        bucket: key.bucket,
                        key_hash: key.key_hash,
                        body_hash: key.body_hash,
                        answer: answer_to_text(done),
                        at: envelope.at,
                    });
                }
                let touched = ws.accept();
                if !touched.is_empty() {
                    self.changing.note(&touched);
                    self.push_events(&envelope, touched);
                }
            }
            Err(_) => ws.discard(),
        }
        Ok(answer)
    }

    /// When the youngest command arrived.
    fn at(&self) -> Instant {
        let times = self.running.iter().map(|running| running.envelope.at);
        times.max().unwrap_or_default()
    }

    fn book_day(&self) -> Date {
        self.chain.book_day.max(self.at().date())
    }

    fn push_events(&mut self, envelope: &Envelope, touched: Vec<(Bucket, Touched)>) {
        let mut by_bucket: BTreeMap<Bucket, Vec<Touched>> = BTreeMap::new();
        for (bucket, row) in touched {
            by_bucket.entry(bucket).or_default().push(row);
        }
        for (bucket, rows) in by_bucket {
            self.events.push(Event {
                bucket,
                chain_id: self.chain.id,
                link_no: self.chain.next,
                seq: u32::try_from(self.events.len()).unwrap_or(u32::MAX),
                command: envelope.command.kind().to_owned(),
                actor: envelope.command.actor(),
                at: envelope.at,
                touched: encode_touched(&rows),
            });
        }
    }

    fn plan(&mut self) -> Plan {
        let (at, book_day, events) = (self.at(), self.book_day(), std::mem::take(&mut self.events));
        let event_hashes: Vec<u8> = events.iter().flat_map(event_hash).collect();
        let (id, link_no, previous) = (self.chain.id, self.chain.next, self.chain.head);
        let link = Link {
            bucket: id.home(),
            chain_id: id,
            link_no,
            previous,
            hash: link_hash(id, link_no, &previous, book_day, at, &event_hashes),
            event_hashes,
            book_day,
            at,
        };
        let unheard = || Verdict::Answered(Err(Refusal::WrongState));
        let verdicts = self.running.iter_mut();
        Plan {
            changes: if events.is_empty() {
                Vec::new()
            } else {
                self.ws.changes()
            },
            events,
            link,
            verdicts: verdicts
                .map(|running| running.verdict.take().unwrap_or_else(unheard))
                .collect(),
        }
    }
}

fn answer_to_text(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap_or_default()
}

pub(crate) fn answer_from_text(text: &str) -> Option<Answer> {
    serde_json::from_str(text).ok()
}
