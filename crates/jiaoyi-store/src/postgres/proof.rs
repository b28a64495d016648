//! Nothing is given out that was read but might be lost.
//!
//! Rows can be seen that the standby does not have. A server that comes back takes them from its log,
//! and a commit that is cancelled while it waits for the standby leaves its rows to be seen. What a
//! page shows of them is told; when the standby takes over, it was never so. Therefore a connection
//! writes a barrier before it reads: the log is linear, so a confirmed commit proves all that was there
//! when the connection began. What is seen later was confirmed, or is of a commit in doubt, and while
//! a lane of this process has one, whoever reads waits for its barrier.
//!
//! A commit that is cancelled by hand in another process is not noticed here.

use super::door::Door;
use super::lane::{Barrier, write_barriers};
use super::session::{Session, said};
use crate::error::StoreError;
use crate::statements::sql;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

/// How long whoever reads waits for a proof.
const PROVE_TIME: Duration = Duration::from_secs(3);

/// What reading rests on.
pub(super) struct Proof {
    /// The barriers that connections for reading write: one where each log is.
    barriers: Vec<Barrier>,
    /// Barriers are written by one of them at a time. One that waits for the standby keeps its place
    /// even when nobody waits for it any more, or each question would leave one behind.
    place: Arc<Semaphore>,
    /// How many writers do not know whether their last commit is durable.
    doubts: watch::Sender<usize>,
}

impl Proof {
    pub(super) fn new(barriers: Vec<Barrier>) -> Proof {
        Proof {
            barriers,
            place: Arc::new(Semaphore::new(1)),
            doubts: watch::Sender::new(0),
        }
    }

    /// A writer does not know whether its commit is durable.
    pub(super) fn doubt(&self) {
        self.doubts.send_modify(|count| *count += 1);
    }

    /// It has found out, and has written a barrier since.
    pub(super) fn doubt_is_over(&self) {
        self.doubts.send_modify(|count| *count -= 1);
    }

    /// Returns when everything that could be read before is durable.
    pub(super) async fn settled(&self) -> Result<(), StoreError> {
        if *self.doubts.borrow() == 0 {
            return Ok(());
        }
        let mut doubts = self.doubts.subscribe();
        match timeout(PROVE_TIME, doubts.wait_for(|count| *count == 0)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(StoreError::Stopped),
            Err(_) => Err(unproved()),
        }
    }
}

fn unproved() -> StoreError {
    StoreError::Unavailable {
        why: "what is read is not confirmed: the database or its standby is away".to_owned(),
    }
}

impl Door {
    /// A connection for reading, over which everything is durable that was there when it began.
    pub(super) async fn open_to_read(&self) -> Result<Session, StoreError> {
        match timeout(PROVE_TIME, self.prove()).await {
            Ok(proved) => proved,
            Err(_) => Err(unproved()),
        }
    }

    async fn prove(&self) -> Result<Session, StoreError> {
        let place = Arc::clone(&self.proof.place).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Stopped)?;
        let mut session = self.open().await?;
        let barriers = self.proof.barriers.clone();
        let (reply, answer) = oneshot::channel();
        tokio::spawn(async move {
            let proved = prove(&mut session, &barriers).await;
            drop(place);
            let _ = reply.send(proved.map(|()| session));
        });
        answer.await.map_err(|_| unproved())?
    }
}

async fn prove(session: &mut Session, barriers: &[Barrier]) -> Result<(), StoreError> {
    session
        .client
        .batch_execute(sql("postgres", "wait"))
        .await?;
    match write_barriers(session, barriers).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(unproved()),
        Err(error) => Err(StoreError::Unavailable { why: said(&error) }),
    }
}
