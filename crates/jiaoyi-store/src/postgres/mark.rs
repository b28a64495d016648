//! The mark of an import under way: a table lock, held by a connection of its own for as long as the
//! mark lives. It is in nobody's way but of whoever asks for it: a lock without a row or a view keeps
//! no old versions of rows either.

use super::server::Server;
use super::session::Session;
use super::{apart, own_runtime};
use crate::error::StoreError;
use crate::statements::sql;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;

/// How often it is looked whether the connection still holds.
const LOOK: Duration = Duration::from_millis(250);

/// Held while an import is under way.
pub(crate) struct Mark {
    release: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Returns when the lock is held; the lock ends with the session.
async fn lock(server: &Server) -> Result<Session, StoreError> {
    let session = Session::open(server).await?;
    let begin = session.client.batch_execute(sql("postgres", "begin"));
    begin.await?;
    let marked = session.client.batch_execute(sql("postgres", "mark_import"));
    marked.await?;
    Ok(session)
}

impl Mark {
    /// Returns when everybody sees the mark. A connection that is lost is made again.
    pub(super) fn hold(server: Server) -> Result<Mark, StoreError> {
        let (ready, held) = channel();
        let (release, mut released) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("store-import".to_owned());
        let thread = thread.spawn(move || {
            let runtime = match own_runtime() {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            runtime.block_on(async {
                let mut session = match lock(&server).await {
                    Ok(session) => session,
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return;
                    }
                };
                let _ = ready.send(Ok(()));
                while tokio::time::timeout(LOOK, &mut released).await.is_err() {
                    if session.client.is_closed()
                        && let Ok(again) = lock(&server).await
                    {
                        session = again;
                    }
                }
                // Whoever let go of the mark may ask at once; a lost server has let go already.
                let rollback = session.client.batch_execute(sql("postgres", "rollback"));
                let _ = tokio::time::timeout(LOOK, rollback).await;
            });
        });
        let thread = thread.map_err(|error| StoreError::Unavailable {
            why: error.to_string(),
        })?;
        held.recv().map_err(|_| StoreError::Stopped)??;
        Ok(Mark {
            release: Some(release),
            thread: Some(thread),
        })
    }

    /// Whether nobody holds the mark.
    pub(super) fn is_free(server: Server) -> Result<bool, StoreError> {
        apart(move || {
            own_runtime()?.block_on(async {
                let session = Session::open(&server).await?;
                let begin = session.client.batch_execute(sql("postgres", "begin"));
                begin.await?;
                let asked = session.client.batch_execute(sql("postgres", "no_import"));
                match asked.await {
                    Ok(()) => {
                        let rollback = session.client.batch_execute(sql("postgres", "rollback"));
                        rollback.await?;
                        Ok(true)
                    }
                    Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
                    Err(error) => Err(error.into()),
                }
            })
        })
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        drop(self.release.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
