//! A mark that a living process holds while it takes a roster in, so that nobody else gives up the
//! rows it is staging. The mark goes in whatever way the process ends.
//!
//! Beside an embedded database it is a locked file, on a server a table lock of a connection of its
//! own, which every node of the installation sees.

use crate::Store;
use crate::error::StoreError;
use crate::postgres::Mark;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Held while a roster is taken in; see [`Store::import_under_way`].
#[must_use = "dropping it says that the import has ended"]
pub struct ImportUnderWay {
    _held: Held,
}

#[expect(dead_code, reason = "what is in it is only held")]
enum Held {
    File(File),
    Connection(Mark),
}

impl From<Mark> for ImportUnderWay {
    fn from(mark: Mark) -> ImportUnderWay {
        ImportUnderWay {
            _held: Held::Connection(mark),
        }
    }
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Unavailable {
        why: format!("mark an import beside the database: {error}"),
    }
}

fn mark_file(database: &Path) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push("-import");
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed)
}

/// Holds the mark beside an embedded database.
pub(crate) fn hold_file(database: &Path) -> Result<ImportUnderWay, StoreError> {
    let file = mark_file(database)?;
    file.lock_shared().map_err(failed)?;
    Ok(ImportUnderWay {
        _held: Held::File(file),
    })
}

/// Whether nobody holds the mark beside an embedded database.
pub(crate) fn file_is_free(database: &Path) -> Result<bool, StoreError> {
    match mark_file(database)?.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

impl Store {
    /// Tells everybody else who uses the database that an import is under way, until the value is
    /// dropped or the process ends in whatever way. Blocks for a moment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the mark cannot be made.
    pub fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        self.backend.import_under_way()
    }

    /// Whether no living process is importing. Blocks for a moment.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when that cannot be found out.
    pub fn nobody_imports(&self) -> Result<bool, StoreError> {
        self.backend.nobody_imports()
    }
}
