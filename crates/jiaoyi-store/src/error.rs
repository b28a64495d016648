//! What can go wrong in the store.

use jiaoyi_domain::decide::Refusal;

/// Why a batch was not written, or may not have been, as an engine reports it to its lane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// This batch, as it is, cannot be written: a constraint, a panic, a damaged row.
    #[error("{0}")]
    Batch(String),
    /// Another writer was there first; decided again it may well succeed.
    #[error("{0}")]
    Conflict(String),
    /// Another writer holds a row and did not let go in time.
    #[error("{0}")]
    Blocked(String),
    /// Another program holds the whole database; nothing was written.
    #[error("{0}")]
    Busy(String),
    /// The connection was lost or the commit was not confirmed: it may be durable or not.
    #[error("{0}")]
    Unknown(String),
    /// The engine cannot write now, for want of room or of handles; nothing was written.
    #[error("{0}")]
    Down(String),
    /// Reading, writing or syncing failed: what was written since the last sync may be lost, even
    /// if a later sync succeeds.
    #[error("{0}")]
    Broken(String),
}

impl Failure {
    /// Whether the engine has to be brought back before anything is acknowledged again.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        match self {
            Failure::Unknown(_) | Failure::Down(_) | Failure::Broken(_) => true,
            Failure::Batch(_) | Failure::Conflict(_) | Failure::Blocked(_) | Failure::Busy(_) => {
                false
            }
        }
    }
}

/// What is said to whoever waits for work that was not done.
impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::Busy(_) | Failure::Blocked(_) | Failure::Conflict(_) => StoreError::Busy {
                retry_after_s: RETRY_AFTER_S,
            },
            Failure::Batch(why)
            | Failure::Unknown(why)
            | Failure::Down(why)
            | Failure::Broken(why) => StoreError::Unavailable { why },
        }
    }
}

/// What somebody who meets others is told to wait, in seconds.
pub(crate) const RETRY_AFTER_S: u32 = 2;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The decision refused the command; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many commands wait already; try again after so many seconds.
    #[error("the store is busy; try again in {retry_after_s} s")]
    Busy { retry_after_s: u32 },
    /// The disk refused; nothing was acknowledged, and reads go on.
    #[error("the store cannot write now: {why}")]
    Unavailable { why: String },
    /// The store has stopped for good; the process must end.
    #[error("the store has stopped")]
    Stopped,
    /// A stored row is damaged.
    #[error(transparent)]
    Damaged(#[from] jiaoyi_domain::working_set::Damaged),
    /// The database cannot be opened or does not fit this program.
    #[error("{path}: {why}")]
    Open { path: String, why: String },
    /// An engine error.
    #[error("database: {0}")]
    Engine(#[from] rusqlite::Error),
}

impl StoreError {
    /// What is said when a queue takes nothing in.
    #[must_use]
    pub(crate) const fn not_taken(closed: bool) -> StoreError {
        if closed {
            StoreError::Stopped
        } else {
            StoreError::Busy {
                retry_after_s: RETRY_AFTER_S,
            }
        }
    }

    /// Whether the file can be reached but its own structure is broken.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        match self {
            StoreError::Engine(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt)
            }
            StoreError::Refused(_)
            | StoreError::Busy { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Stopped
            | StoreError::Damaged(_)
            | StoreError::Open { .. } => false,
        }
    }

    /// Whether the store takes nothing in now, whatever it is given.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        match self {
            StoreError::Busy { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Stopped
            | StoreError::Open { .. } => true,
            StoreError::Refused(_) | StoreError::Damaged(_) | StoreError::Engine(_) => false,
        }
    }

    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            StoreError::Refused(refusal) => refusal.code(),
            StoreError::Busy { .. } => "store.busy",
            StoreError::Unavailable { .. } => "store.unavailable",
            StoreError::Stopped => "store.stopped",
            StoreError::Damaged(_) => "store.damaged",
            StoreError::Open { .. } => "store.open",
            StoreError::Engine(_) => "store.engine",
        }
    }
}
