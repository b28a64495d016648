//! A mark that a living process holds while it takes a roster in, so that nobody else gives up the
//! rows it is staging. The system takes the mark back in whatever way the process ends.
//!
//! The mark is a locked file: it tells about processes of one machine. That is where an embedded
//! database is used; for a database server, imports are to be run on one machine.

use crate::Store;
use crate::error::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

/// Held while a roster is taken in; see [`Store::import_under_way`].
#[must_use = "dropping it says that the import has ended"]
pub struct ImportUnderWay {
    _file: File,
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Unavailable {
        why: format!("mark an import beside the database: {error}"),
    }
}

impl Store {
    /// Tells other processes that an import is under way, until the value is dropped or the process
    /// ends in whatever way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the mark beside the file cannot be made.
    pub fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        let file = self.import_mark()?;
        file.lock_shared().map_err(failed)?;
        Ok(ImportUnderWay { _file: file })
    }

    /// Whether no living process is importing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the mark beside the file cannot be made.
    pub fn nobody_imports(&self) -> Result<bool, StoreError> {
        match self.import_mark()?.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn import_mark(&self) -> Result<File, StoreError> {
        let path = match self.url().strip_prefix("sqlite:") {
            Some(path) => PathBuf::from(format!("{path}-import")),
            None => std::env::temp_dir().join("jiaoyi-import"),
        };
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(failed)
    }
}
