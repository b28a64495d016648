//! What can go wrong in the store.

use jiaoyi_domain::decide::Refusal;

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
