//! Checkpoints of the embedded file beside its writer: a thread of its own copies pages of the log
//! into the file and waits for the disk, so that no payment does.
//!
//! The log begins again from its start only when all of it is copied while nobody writes. Under a
//! load without a pause it would grow for ever; beyond a bound the writer copies the rest itself,
//! which is little, because this thread has just copied what was there before.

use crate::error::StoreError;
use crate::sqlite;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A checkpoint begins after so many written rows; a row touches one to three pages. The disk is given
/// little at a time, since a commit that needs it meanwhile waits for all of that.
const ROWS: usize = 500;
/// The log is too long from so many pages on: 64 MiB, read within a second after a kill.
const LOG_MAX: i64 = 16_384;

#[derive(Default)]
struct State {
    written: usize,
    closed: bool,
}

/// What the writer and the thread share.
#[derive(Default)]
pub(crate) struct Written {
    state: Mutex<State>,
    wake: Condvar,
    too_long: AtomicBool,
    broken: AtomicBool,
}

impl Written {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that rows were committed.
    pub(crate) fn note(&self, rows: usize) {
        let mut state = self.lock();
        state.written = state.written.saturating_add(rows);
        if state.written >= ROWS {
            self.wake.notify_one();
        }
    }

    /// Whether the writer has to make a checkpoint; true once each time.
    pub(crate) fn take_too_long(&self) -> bool {
        self.too_long.swap(false, Ordering::Relaxed)
    }

    /// Whether a checkpoint has failed to read, write or sync; true once each time. What the writer
    /// wrote meanwhile may be lost although its own sync succeeded.
    pub(crate) fn take_broken(&self) -> bool {
        self.broken.swap(false, Ordering::SeqCst)
    }

    /// Waits until there is enough to copy; `false` at the end.
    fn wait(&self) -> bool {
        let state = self.lock();
        let enough = |state: &mut State| state.written < ROWS && !state.closed;
        let waited = self.wake.wait_while(state, enough);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.written = 0;
        !state.closed
    }
}

/// Pages of the log, and how many of them are in the file by now; nobody is waited for.
pub(crate) fn checkpoint(connection: &Connection) -> Result<(i64, i64), rusqlite::Error> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok((row.get(1)?, row.get(2)?))
    })
}

/// The thread.
pub(crate) struct Checkpointer {
    written: Arc<Written>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Opens a connection of its own and starts the thread.
    pub(crate) fn start(path: &Path) -> Result<Checkpointer, StoreError> {
        let connection = sqlite::open(path, true)?;
        let written = Arc::new(Written::default());
        let of_thread = Arc::clone(&written);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while of_thread.wait() {
                    match checkpoint(&connection) {
                        Ok((log, _)) if log > LOG_MAX => {
                            of_thread.too_long.store(true, Ordering::Relaxed);
                        }
                        Ok(_) => {}
                        // Another one is under way, or there is no room: copied the next time.
                        Err(error) => {
                            let broken = Some(ErrorCode::SystemIoFailure);
                            if error.sqlite_error_code() == broken {
                                of_thread.broken.store(true, Ordering::SeqCst);
                            }
                            tracing::warn!(%error, "a checkpoint failed");
                        }
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        Ok(Checkpointer {
            written,
            thread: Some(thread),
        })
    }

    /// What the writer tells it.
    pub(crate) fn written(&self) -> Arc<Written> {
        Arc::clone(&self.written)
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.written.lock().closed = true;
        self.written.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
