//! A few connections for reading, made when they are first needed and again when they are lost.

use super::door::Door;
use super::session::Session;
use super::values::read_rows;
use crate::engine::RawRows;
use crate::error::StoreError;
use jiaoyi_domain::record::Value;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// Connections at once.
const COUNT: usize = 4;

/// Connections for reading, shared by everybody.
pub(super) struct Readers {
    door: Arc<Door>,
    places: Semaphore,
    free: Mutex<Vec<Session>>,
}

impl Readers {
    pub(super) fn new(door: Arc<Door>) -> Readers {
        Readers {
            door,
            places: Semaphore::new(COUNT),
            free: Mutex::new(Vec::with_capacity(COUNT)),
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Session>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that lives, as far as is known; others that are free and lost are let go.
    fn found(&self) -> Option<Session> {
        let mut free = self.free();
        free.retain(|session| !session.client.is_closed());
        free.pop()
    }

    /// Lets the connections go that nobody uses.
    pub(super) fn let_go(&self) {
        self.free().clear();
    }

    /// Runs a reading statement.
    pub(super) async fn read(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<RawRows, StoreError> {
        let place = self.places.acquire().await;
        let _place = place.map_err(|_| StoreError::Stopped)?;
        let session = match self.found() {
            Some(session) => session,
            None => self.door.open_to_read().await?,
        };
        let mut held = Held {
            session: Some(session),
            readers: self,
        };
        match &mut held.session {
            Some(session) => read_rows(&session.query(file, name, given).await?),
            None => Err(StoreError::Stopped),
        }
    }
}

/// A connection in use; free again even if whoever asked has gone away.
struct Held<'r> {
    session: Option<Session>,
    readers: &'r Readers,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.readers.free().extend(self.session.take());
    }
}
