//! Moves everything from one database into another, of the same engine or of the other one.
//!
//! Rows travel table by table in key order, some thousand in each transaction. The same transaction
//! moves a mark in the target on, so a copy that was cut off at any moment goes on where it stopped,
//! and nobody opens a target that has the mark. The source is read from one view and never written;
//! what it stands at (its chains, its last checkpoint) is noted in the mark and looked at again at the
//! end, so a payment that came in meanwhile is noticed. At the end every table of both sides is read
//! and compared.
//!
//! Not copied: barrier rows, which mean something to a running process only.

mod tally;
mod target;

use crate::database::Database;
use crate::error::StoreError;
use crate::schema::all_tables;
use crate::snapshot::Snapshot;
use jiaoyi_domain::Instant;
use jiaoyi_domain::record::{TableSpec, Value, encode_values};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
pub use tally::Tally;
use target::Target;

/// Rows of one transaction.
const CHUNK_ROWS: usize = 2_000;

/// Why a copy was not made, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the two cannot be opened; the error names it.
    #[error(transparent)]
    Open(StoreError),
    /// One of the two cannot be read, or the target took something not in.
    #[error("{database}: {error}")]
    Store { database: String, error: StoreError },
    /// The target has rows that this copy did not bring.
    #[error(
        "{0} holds data already; name a database that is empty (another key file's data would be \
         mixed with it otherwise)"
    )]
    TargetHoldsData(String),
    /// The target has half of a copy of something else.
    #[error(
        "{target} holds an unfinished copy of {source_url}, or of what that was earlier; name an empty \
         database"
    )]
    OtherCopy { target: String, source_url: String },
    /// The source has tables of an older version.
    #[error(
        "{source_url} has tables of an older version; run: jiaoyi migrate --database {source_url}"
    )]
    SourceOutdated { source_url: String },
    /// The source is itself a target that is not finished.
    #[error("{source_url} is itself an unfinished copy; finish that one first")]
    SourceUnfinished { source_url: String },
    /// A roster file is being read, or was when a process ended.
    #[error(
        "an import into {source_url} is not finished; let it end, or start the portal once, which takes \
         it up or gives it up"
    )]
    ImportOpen { source_url: String },
    /// Somebody wrote into the source while it was copied.
    #[error(
        "{source_url} was written to while it was copied; stop everything that uses it and copy again, \
         into an empty database"
    )]
    SourceChanged { source_url: String },
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done: rows are copied, or both sides read again.
    pub comparing: bool,
    pub table: &'static str,
    /// Tables before this one, and all of them.
    pub tables: (usize, usize),
    /// Rows of this table so far.
    pub rows: u64,
}

/// What a comparison found in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub table: &'static str,
    pub source: Tally,
    pub target: Tally,
}

impl Compared {
    /// Whether both sides hold the same rows.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.source == self.target
    }
}

/// What a copy did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Whether it went on where an earlier one was cut off.
    pub resumed: bool,
    /// Rows that this run brought.
    pub rows: u64,
    /// Every table, compared.
    pub tables: Vec<Compared>,
}

impl Copied {
    /// Whether both sides hold the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(Compared::is_equal)
    }
}

/// Which database an error is about.
trait About<T> {
    fn about(self, database: &Database) -> Result<T, CopyError>;
}

impl<T> About<T> for Result<T, StoreError> {
    fn about(self, database: &Database) -> Result<T, CopyError> {
        self.map_err(|error| match error {
            // It names its database itself.
            error @ StoreError::Open { .. } => CopyError::Open(error),
            error => CopyError::Store {
                database: database.to_string(),
                error,
            },
        })
    }
}

/// What a database stands at: every command changes its chains, everything else that is written its
/// checkpoints or its staged pages.
fn state_of(source: &Snapshot) -> Result<String, StoreError> {
    let mut hash = Sha256::new();
    for name in ["chain_heads", "last_checkpoint", "staged_rosters"] {
        for row in source.query(name, &[])? {
            let mut bytes = Vec::new();
            encode_values(&row, &mut bytes);
            hash.update(&bytes);
        }
        hash.update(name);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// A view of the source, if it may be copied.
fn view_of(database: &Database) -> Result<Snapshot, CopyError> {
    let source_url = database.to_string();
    let snapshot = Snapshot::open_any(database).about(database)?;
    if snapshot.is_copying().about(database)? {
        return Err(CopyError::SourceUnfinished { source_url });
    }
    let plan = database.migration_plan().about(database)?;
    if !plan.missing.is_empty() {
        return Err(CopyError::SourceOutdated { source_url });
    }
    let staged = snapshot.query("staged_rosters", &[]).about(database)?;
    if !staged.is_empty() {
        return Err(CopyError::ImportOpen { source_url });
    }
    Ok(snapshot)
}

/// Copies `from` into `to`, or goes on with it, and compares both. Blocks; not from an async task.
///
/// # Errors
///
/// [`CopyError`]; the target is then no database that a portal opens. Differences are no error but
/// part of what is returned.
pub fn copy(
    from: &Database,
    to: &Database,
    now: Instant,
    progress: &mut dyn FnMut(Progress),
) -> Result<Copied, CopyError> {
    let source = view_of(from)?;
    let state = state_of(&source).about(from)?;
    let mut target = Target::open(to, now).about(to)?;
    let (resumed, mut mark) = begin(&mut target, from, to, state)?;
    let tables = all_tables();
    let mut rows = 0;
    while let Some(spec) = tables.get(mark.tables) {
        rows += copy_table(&source, from, &mut target, to, spec, &mut mark, progress)?;
    }
    let compared = compare_views(&source, from, to, progress)?;
    // One view cannot show what was written after it was opened.
    let again = Snapshot::open(from).about(from)?;
    if state_of(&again).about(from)? != mark.state {
        let source_url = from.to_string();
        return Err(CopyError::SourceChanged { source_url });
    }
    let copied = Copied {
        resumed,
        rows,
        tables: compared,
    };
    if copied.is_equal() {
        target.finish().about(to)?;
    }
    Ok(copied)
}

/// Compares two databases, table by table. Blocks; not from an async task.
///
/// # Errors
///
/// [`CopyError`] when one of them cannot be read.
pub fn compare(
    from: &Database,
    to: &Database,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Compared>, CopyError> {
    let source = Snapshot::open(from).about(from)?;
    compare_views(&source, from, to, progress)
}

fn compare_views(
    source: &Snapshot,
    from: &Database,
    to: &Database,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Compared>, CopyError> {
    let target = Snapshot::open_any(to).about(to)?;
    let tables = all_tables();
    let mut compared = Vec::with_capacity(tables.len());
    for (place, spec) in tables.iter().enumerate() {
        let source = Tally::of(source, spec).about(from)?;
        progress(Progress {
            comparing: true,
            table: spec.name,
            tables: (place, tables.len()),
            rows: source.rows,
        });
        let target = Tally::of(&target, spec).about(to)?;
        compared.push(Compared {
            table: spec.name,
            source,
            target,
        });
    }
    Ok(compared)
}

/// How far the target is: whole tables, and rows of the next one.
struct Mark {
    source: String,
    state: String,
    tables: usize,
    rows: u64,
}

impl Mark {
    fn values(&self) -> [Value; 4] {
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        [
            Value::Text(self.source.clone()),
            Value::Text(self.state.clone()),
            int(u64::try_from(self.tables).unwrap_or(u64::MAX)),
            int(self.rows),
        ]
    }

    fn from_values(values: Vec<Value>) -> Option<Mark> {
        match <[Value; 4]>::try_from(values).ok()? {
            [
                Value::Text(source),
                Value::Text(state),
                Value::Int(tables),
                Value::Int(rows),
            ] => Some(Mark {
                source,
                state,
                tables: usize::try_from(tables).ok()?,
                rows: u64::try_from(rows).ok()?,
            }),
            _ => None,
        }
    }
}

/// Finds the mark of the same copy, or makes one in an empty target.
fn begin(
    target: &mut Target,
    from: &Database,
    to: &Database,
    state: String,
) -> Result<(bool, Mark), CopyError> {
    if let Some(values) = target.mark().about(to)? {
        let known = Mark::from_values(values);
        let source_url = from.to_string();
        return match known {
            // However the source is called today, it is the same one.
            Some(mark) if mark.state == state => Ok((true, mark)),
            known => Err(CopyError::OtherCopy {
                target: to.to_string(),
                source_url: known.map_or(source_url, |mark| mark.source),
            }),
        };
    }
    if !target.is_empty().about(to)? {
        return Err(CopyError::TargetHoldsData(to.to_string()));
    }
    let mark = Mark {
        source: from.to_string(),
        state,
        tables: 0,
        rows: 0,
    };
    target.begin(&mark.values()).about(to)?;
    Ok((false, mark))
}

/// Copies the rest of one table; how many rows that were.
fn copy_table(
    source: &Snapshot,
    from: &Database,
    target: &mut Target,
    to: &Database,
    spec: &'static TableSpec,
    mark: &mut Mark,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, CopyError> {
    let (already, of) = (mark.rows, all_tables().len());
    let mut seen = 0;
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    let mut written = Ok(());
    // The source stands where it stood, so its rows come in the same order as before.
    let read = source.scan_table(spec, |values| {
        seen += 1;
        if seen <= already || written.is_err() {
            return;
        }
        chunk.push(values);
        if chunk.len() == CHUNK_ROWS {
            mark.rows = seen;
            written = target.write(spec, &chunk, &mark.values());
            chunk.clear();
            progress(Progress {
                comparing: false,
                table: spec.name,
                tables: (mark.tables, of),
                rows: seen,
            });
        }
    });
    written.about(to)?;
    read.about(from)?;
    mark.tables += 1;
    mark.rows = 0;
    target.write(spec, &chunk, &mark.values()).about(to)?;
    progress(Progress {
        comparing: false,
        table: spec.name,
        tables: (mark.tables, of),
        rows: seen,
    });
    Ok(seen.saturating_sub(already))
}
