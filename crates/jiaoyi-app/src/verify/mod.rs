//! Answers for: `jiaoyi verify`, the proof that a database is what the rules would have made
//! (DESIGN.md 8). It reads one snapshot, bucket range by bucket range, decides nothing and changes
//! nothing. Memory does not grow with the database: it holds the rows of as many
//! ranges of buckets as threads check them, at most [`THREADS_MAX`].
//!
//! | rule | what is wrong with the row it names |
//! |---|---|
//! | `file.damaged` | pages of the file are broken; what could be read is not all there is |
//! | `store.integrity` | the engine finds its own file broken, indexes included |
//! | `row.damaged` | it does not read as its type, or is written otherwise than we write |
//! | `audit.image` | it is not what its last event says: it was changed by other hands |
//! | `audit.no_event` | no event knows it: it was inserted by other hands |
//! | `audit.row_missing` | an event knows it and it is not there: it was removed |
//! | `audit.history` | its versions are not 1, 2, 3 … up to its own |
//! | `audit.transition` | its states are no path of its transition table |
//! | `audit.event` | the event is not the one that its link names |
//! | `audit.event_missing` | the link names an event that is not there |
//! | `audit.link` | a link does not follow from the one before and its events |
//! | `audit.book_day` | the book day of a chain goes back |
//! | `audit.checkpoint` | a checkpoint names a chain head that is not there, or another hash |
//! | `audit.signature` | the signature of a checkpoint does not verify |
//! | `due.identity`, `due.person`, `due.revisions`, `due.lock` | a due and what belongs to it |
//! | `due.paid` | PAID, live slot and one valid voucher do not come together |
//! | `slot.person` | two live slots for one canonical person, scheme and year |
//! | `slot.fact`, `slot.line`, `slot.price`, `slot.transfers` | a slot against fact, quote, books |
//! | `slot.window` | accepted after its window without a case |
//! | `voucher.slot`, `voucher.content`, `voucher.signature` | a voucher against slot, books, keys |
//! | `order.lines`, `order.attempts`, `order.state` | an order against its parts |
//! | `line.revision`, `line.policy`, `line.state` | a line against revision, pack and slot |
//! | `attempt.order`, `attempt.paid` | an attempt against its order and facts |
//! | `fact.unique` | one channel transaction is two facts |
//! | `fact.attempt`, `fact.amount`, `fact.returned`, `fact.suspense` | a fact against the books |
//! | `refund.fact`, `refund.transfers`, `refund.done` | a refund against fact and books |
//! | `transfer.accounts`, `transfer.refers`, `transfer.transit` | a transfer of the books |
//! | `due.generation` | a generation without a reversal before it, or a reversal without one after it |
//! | `claim.call`, `call.claim`, `call.fact`, `call.state` | a serial of an institution against its decision, and that against its money |
//! | `told.case`, `told.evidence` | what a day file told has no case, or does not stand in the kept file |
//! | `outbox.missing`, `outbox.refers`, `outbox.state` | a message that leaves |
//! | `command_key.answer`, `reference.missing` | an answer, or a reference to a row |
//! | `personal.plain`, `personal.sealed`, `personal.hmac` | personal data where none may stand |
//! | `settled.attempt`, `settled.lock`, `settled.order`, `settled.outbox`, `settled.suspense`, `settled.roster`, `settled.refund` | not finished in its time |
//! | `journal.accepted`, `journal.paid`, `journal.refused` | not what a client was told |
//! | `channel.payment`, `channel.refund` | our books differ from the channel's |
//!
//! **Journal**: newline-delimited JSON of what a client was told, one object a line, in any order:
//!
//! ```text
//! {"kind":"accepted","attempt":"JA…"}                    the attempt was started and answered
//! {"kind":"paid","attempt":"JA…","voucher":"0AB1…"}      shown as paid; the voucher may be left out
//! {"kind":"paid","order":"JO…"}                          the same, by the order's number
//! {"kind":"refused","attempt":"JA…"}                     finally told that nothing was taken
//! ```
//!
//! Further fields are ignored; an unknown kind or an unreadable line is an error of the call.
//!
//! **Channel books**: what the sandbox answers to `GET /_sandbox/books`, see [`channel_books`].

mod bank_transfers;
mod biller;
mod chain;
pub mod channel_books;
mod dues;
mod history;
mod index;
mod journal;
mod messages;
mod money;
mod orders;
mod part;
mod personal;
mod settled;
mod signatures;
mod slots;
#[cfg(test)]
pub(crate) mod tests;
mod told;
mod transitions;
mod view;

use jiaoyi_crypto::{Keyring, PublicKey, PublicKeys};
use jiaoyi_domain::Instant;
use jiaoyi_domain::record::{Record, TableSpec, Value, decode_values};
use jiaoyi_store::{Buckets, Database, Dealt, Snapshot, StoreError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread::available_parallelism;

/// Most violations that a report lists; further ones are counted.
pub const VIOLATIONS_MAX: usize = 1_000;

/// One past the last bucket.
const BUCKETS_END: i64 = 4_096;

/// Files up to this size are held as one range of buckets. Whatever the machine: violations are listed
/// range by range, and the list should be the same everywhere.
const RANGE_BYTES: u64 = 16 * 1024 * 1024;

/// Most threads that check ranges: each holds the rows of one.
const THREADS_MAX: usize = 4;

/// What signatures are checked with.
pub struct SignatureKeys<'a> {
    /// The published voucher keys.
    pub vouchers: &'a PublicKeys,
    /// The public half of the key that signs checkpoints.
    pub audit: &'a PublicKey,
}

/// Something from outside that is compared with the database.
#[derive(Clone, Debug)]
pub enum Given {
    /// A file that holds it.
    File(PathBuf),
    /// Its text.
    Text(String),
}

impl Given {
    /// What it is called when it cannot be read.
    fn name(&self) -> String {
        match self {
            Given::File(path) => path.display().to_string(),
            Given::Text(_) => "given text".to_owned(),
        }
    }

    fn open(&self) -> std::io::Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Given::File(path) => Box::new(BufReader::new(File::open(path)?)),
            Given::Text(text) => Box::new(text.as_bytes()),
        })
    }
}

/// What is verified besides safety.
#[derive(Default)]
pub struct VerifyOptions<'a> {
    /// The time now: adds what holds after faults have stopped.
    pub settled: Option<Instant>,
    /// Adds every voucher and checkpoint signature.
    pub signatures: Option<SignatureKeys<'a>>,
    /// What clients were told; see the module's text.
    pub journal: Option<Given>,
    /// What the channel saw.
    pub channel_books: Option<Given>,
    /// Adds that every sealed value opens in its place.
    pub keyring: Option<&'a Keyring>,
    /// How many buckets are held at once; by the size of the file when not given.
    pub buckets_at_once: Option<u16>,
    /// How many threads check; as many as the machine has cores, at most [`THREADS_MAX`], when not
    /// given. What is found and in which order does not depend on it.
    pub threads: Option<NonZeroUsize>,
}

/// One row that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Stable dotted code.
    pub rule: &'static str,
    pub table: String,
    /// The primary key: numbers and texts as they are, ids in hex, joined by `/`.
    pub key: String,
    pub what: String,
}

/// What was looked at and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows by table, and further things by name.
    pub checked: BTreeMap<String, u64>,
    /// The first [`VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    /// All of them.
    pub violation_count: u64,
}

impl Report {
    /// Whether every rule holds.
    #[must_use]
    pub const fn ok(&self) -> bool {
        self.violation_count == 0
    }

    /// `{"ok","checked","violations":[{"rule","table","key","what"}],"violation_count"}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let violations: Vec<serde_json::Value> = self
            .violations
            .iter()
            .map(|row| {
                serde_json::json!({
                    "rule": row.rule, "table": row.table, "key": row.key, "what": row.what,
                })
            })
            .collect();
        serde_json::json!({
            "ok": self.ok(),
            "checked": self.checked,
            "violations": violations,
            "violation_count": self.violation_count,
        })
    }

    /// So many more of `what` were looked at.
    fn count(&mut self, what: &str, more: u64) {
        if more > 0 {
            let count = self.checked.entry(what.to_owned()).or_default();
            *count = count.saturating_add(more);
        }
    }

    fn fail(&mut self, rule: &'static str, table: &str, key: String, what: impl Into<String>) {
        self.violation_count = self.violation_count.saturating_add(1);
        if self.violations.len() < VIOLATIONS_MAX {
            let (table, what) = (table.to_owned(), what.into());
            self.violations.push(Violation {
                rule,
                table,
                key,
                what,
            });
        }
    }

    fn fail_row<R: Record>(&mut self, rule: &'static str, row: &R, what: impl Into<String>) {
        self.fail(
            rule,
            R::SPEC.name,
            key_text(&R::key_values(&row.key())),
            what,
        );
    }

    /// Takes in what was found after all this.
    fn append(&mut self, later: Report) {
        for (what, count) in later.checked {
            self.count(&what, count);
        }
        let room = VIOLATIONS_MAX.saturating_sub(self.violations.len());
        self.violations
            .extend(later.violations.into_iter().take(room));
        self.violation_count = self.violation_count.saturating_add(later.violation_count);
    }

    /// A violation of `row` unless `holds`.
    fn demand<R: Record>(&mut self, holds: bool, rule: &'static str, row: &R, what: &str) {
        if !holds {
            self.fail_row(rule, row, what);
        }
    }
}

/// Why a database could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database could not be read.
    #[error("verify: {0}")]
    Store(#[from] StoreError),
    /// The journal could not be read.
    #[error("verify: read the journal {path}, line {line}: {why}")]
    Journal {
        path: String,
        line: usize,
        why: String,
    },
    /// The channel's books could not be read.
    #[error("verify: read the channel's books {path}: {why}")]
    ChannelBooks { path: String, why: String },
}

impl VerifyError {
    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            VerifyError::Store(error) => error.code(),
            VerifyError::Journal { .. } => "verify.journal",
            VerifyError::ChannelBooks { .. } => "verify.channel_books",
        }
    }
}

/// A key as people read it.
#[must_use]
pub fn key_text(key: &[Value]) -> String {
    let parts: Vec<String> = key
        .iter()
        .map(|value| match value {
            Value::Null => "null".to_owned(),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => hex(bytes),
        })
        .collect();
    parts.join("/")
}

/// The key of a row as [`History`](history::History) knows it.
fn encoded_key_text(key: &[u8]) -> String {
    decode_values(key).map_or_else(|| hex(key), |key| key_text(&key))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of a raw row.
fn raw_key(spec: &TableSpec, values: &[Value]) -> String {
    key_text(values.get(..spec.key_len).unwrap_or(values))
}

/// The ranges of buckets that are held one after another; together they are all numbers, so that a
/// row under an impossible bucket is found too.
fn ranges(at_once: i64) -> Vec<Buckets> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while from < BUCKETS_END {
        let to = from.saturating_add(at_once);
        let first = if from == 0 { i64::MIN } else { from };
        let end = if to >= BUCKETS_END { i64::MAX } else { to };
        ranges.push((first, end));
        from = to;
    }
    ranges
}

/// How many buckets are held at once for a file of this size.
fn buckets_for(bytes: u64) -> i64 {
    let parts = bytes.div_ceil(RANGE_BYTES).clamp(1, 4_096);
    let parts = i64::try_from(parts).unwrap_or(4_096);
    (BUCKETS_END / parts).max(1)
}

/// Verifies a database. `progress` is called with steps done and steps in all.
///
/// # Errors
///
/// [`VerifyError`] when the database or a given file cannot be read; a broken rule is no error but
/// a [`Violation`] of the report.
pub fn verify(
    database: &Database,
    options: &VerifyOptions<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    verify_snapshot(&Snapshot::open(database)?, options, progress)
}

/// Verifies what a snapshot shows, as [`verify`] does.
///
/// # Errors
///
/// As [`verify`].
pub fn verify_snapshot(
    snapshot: &Snapshot,
    options: &VerifyOptions<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, VerifyError> {
    let mut report = Report::default();
    let integrity = snapshot.begin_integrity();
    let checked = check(snapshot, options, &mut report, progress);
    let found = integrity.finish().map(|lines| {
        for line in lines {
            report.fail("store.integrity", "database", "file".to_owned(), line);
        }
    });
    match checked.and(found.map_err(VerifyError::Store)) {
        Ok(()) => Ok(report),
        // It can be reached, so it is no outage: it is not what the rules would have made.
        Err(VerifyError::Store(error)) if error.is_corrupt() => {
            report.fail(
                "file.damaged",
                "database",
                "file".to_owned(),
                error.to_string(),
            );
            Ok(report)
        }
        Err(error) => Err(error),
    }
}

fn check(
    snapshot: &Snapshot,
    options: &VerifyOptions<'_>,
    report: &mut Report,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), VerifyError> {
    let at_once = options.buckets_at_once.map_or_else(
        || buckets_for(snapshot.bytes()),
        |count| i64::from(count.max(1)),
    );
    let ranges = ranges(at_once);
    let total = u64::try_from(ranges.len()).unwrap_or(0).saturating_add(4);
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(done, total);
    };
    let books = options
        .channel_books
        .as_ref()
        .map(channel_books::load)
        .transpose()?;
    let reference = part::Reference::load(snapshot, options, report)?;
    let chain = chain::check_links(snapshot, options.signatures.as_ref(), report)?;
    step();
    let dealt = snapshot.deal(&part::tables(), ranges)?;
    step();
    let whole = Whole {
        snapshot,
        dealt: &dealt,
        options,
        reference: &reference,
        chain: &chain,
        books: books.as_ref(),
    };
    let mut checked = Ok(());
    let work = |place, range| {
        let mut found = Report::default();
        let checked = whole.check(place, range, &mut found);
        (found, checked)
    };
    // Facts of all buckets are compared beside the ranges, of which the embedded file's are dealt out.
    let unique = std::thread::scope(|scope| {
        let unique = scope.spawn(|| money::unique_facts(snapshot));
        dealt.each_range(threads(options), work, |(found, range_checked)| {
            report.append(found);
            checked = range_checked;
            if checked.is_err() {
                return ControlFlow::Break(());
            }
            step();
            ControlFlow::Continue(())
        });
        unique.join().unwrap_or(Err(StoreError::Stopped))
    });
    checked?;
    chain.finish(&dealt, report)?;
    dealt.leave();
    report.append(unique?);
    step();
    if let Some(books) = books {
        books.finish(report);
    }
    if let Some(journal) = &options.journal {
        journal::check(snapshot, journal, report)?;
    }
    step();
    Ok(())
}

/// How many threads check ranges.
fn threads(options: &VerifyOptions<'_>) -> NonZeroUsize {
    let most = NonZeroUsize::MIN.saturating_add(THREADS_MAX - 1);
    let cores = || available_parallelism().map_or(NonZeroUsize::MIN, |cores| cores.min(most));
    options.threads.unwrap_or_else(cores)
}

/// What every range is checked with.
struct Whole<'a> {
    snapshot: &'a Snapshot,
    dealt: &'a Dealt<'a>,
    options: &'a VerifyOptions<'a>,
    reference: &'a part::Reference,
    chain: &'a chain::Chain,
    books: Option<&'a channel_books::Books>,
}

impl Whole<'_> {
    /// Checks the range at a place.
    fn check(&self, place: usize, range: Buckets, report: &mut Report) -> Result<(), VerifyError> {
        let options = self.options;
        let loaded = part::load(self, (place, range), report)?;
        let view = view::View::new(self.snapshot, &loaded, self.reference);
        dues::check(&view, report);
        slots::check(&view, report);
        orders::check(&view, report);
        money::check(&view, report);
        bank_transfers::check(&view, report);
        messages::check(&view, report);
        biller::check(&view, options.keyring, report);
        if let Some(keys) = &options.signatures {
            signatures::check(&view, keys, report);
        }
        if let Some(now) = options.settled {
            settled::check(&view, now, report);
        }
        if let Some(books) = self.books {
            books.compare(&view, report);
        }
        Ok(view.finish()?)
    }
}
