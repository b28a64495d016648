//! The way to a server, for all connections of a backend together. While the server is away it is
//! asked a few times a second: each question costs it a process, and one that starts has its files
//! to bring up to date.

use super::proof::Proof;
use super::server::Server;
use super::session::Session;
use crate::error::StoreError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two questions to a server that is away.
const PAUSE: Duration = Duration::from_millis(100);

/// Why the server could not be reached, and when it is asked again.
struct Shut {
    why: String,
    until: Instant,
}

/// Where connections are made.
pub(super) struct Door {
    server: Server,
    shut: Mutex<Option<Shut>>,
    pub(super) proof: Proof,
}

impl Door {
    pub(super) fn new(server: Server, proof: Proof) -> Door {
        Door {
            server,
            shut: Mutex::new(None),
            proof,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Shut>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the server is not to be asked now; who is told nothing asks for all others.
    fn kept_away(&self) -> Option<String> {
        let mut shut = self.lock();
        let shut = shut.as_mut()?;
        let now = Instant::now();
        if now < shut.until {
            return Some(shut.why.clone());
        }
        shut.until = now + PAUSE;
        None
    }

    /// Connects, unless the server was asked a moment ago and did not let anybody in.
    pub(super) async fn open(&self) -> Result<Session, StoreError> {
        if let Some(why) = self.kept_away() {
            return Err(StoreError::Unavailable { why });
        }
        let opened = Session::open(&self.server).await;
        let why = match &opened {
            Ok(_) => None,
            Err(StoreError::Unavailable { why }) => Some(why.clone()),
            Err(other) => Some(other.to_string()),
        };
        *self.lock() = why.map(|why| Shut {
            why,
            until: Instant::now() + PAUSE,
        });
        opened
    }
}
