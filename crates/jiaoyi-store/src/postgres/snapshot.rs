//! One REPEATABLE READ, READ ONLY view, streamed by a thread of its own through a short channel, so
//! that it can be read from anywhere and memory does not grow with the table.

use super::own_runtime;
use super::session::{Session, refs};
use super::values::{Bound, read_row};
use crate::engine::RawRows;
use crate::error::StoreError;
use crate::schema::assert_ours;
use crate::statements::sql;
use futures_util::{StreamExt, pin_mut};
use jiaoyi_domain::record::Value;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use tokio_postgres::Config;

/// Rows that travel together.
const CHUNK_ROWS: usize = 256;
/// Chunks that may wait for the reader.
const CHUNKS_MAX: usize = 4;

struct Request {
    file: &'static str,
    name: &'static str,
    given: Vec<Value>,
    rows: SyncSender<Result<RawRows, StoreError>>,
}

/// A view that is fixed when it is opened.
pub(crate) struct PostgresSnapshot {
    requests: Sender<Request>,
    bytes: u64,
}

impl PostgresSnapshot {
    pub(crate) fn open(config: Config, url: &str) -> Result<PostgresSnapshot, StoreError> {
        let (requests, asked) = channel();
        let (ready, opened) = channel();
        let url = url.to_owned();
        std::thread::Builder::new()
            .name("store-snapshot".to_owned())
            .spawn(move || {
                let opened = own_runtime().and_then(|runtime| {
                    let session = runtime.block_on(begin(&config, &url))?;
                    Ok((runtime, session))
                });
                match opened {
                    Ok((runtime, mut session)) => {
                        let _ = ready.send(runtime.block_on(size(&mut session)));
                        runtime.block_on(serve(&mut session, &asked));
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        let bytes = opened.recv().map_err(|_| StoreError::Stopped)??;
        Ok(PostgresSnapshot { requests, bytes })
    }

    /// How large the database is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Calls `each` with every row of a statement.
    pub(crate) fn stream(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        let (rows, chunks) = sync_channel(CHUNKS_MAX);
        let request = Request {
            file,
            name,
            given: given.to_vec(),
            rows,
        };
        let sent = self.requests.send(request);
        sent.map_err(|_| StoreError::Stopped)?;
        for chunk in chunks {
            chunk?.into_iter().for_each(&mut each);
        }
        Ok(())
    }
}

async fn begin(config: &Config, url: &str) -> Result<Session, StoreError> {
    let mut session = Session::reach(config, url).await?;
    let distributed = session.is_distributed().await?;
    if distributed {
        // A machine's view is that of one connection.
        let one = sql("citus", "one_connection");
        session.client.batch_execute(one).await?;
    }
    let begin = sql("postgres", "begin_snapshot");
    session.client.batch_execute(begin).await?;
    // The view is fixed by the first statement of the transaction.
    assert_ours(session.schema_version().await?, url)?;
    if distributed {
        // And each machine's by the first statement that reaches it. What was written in one bucket
        // is seen whole; what a command wrote on two machines may be seen in one of them only.
        session.query("citus", "reach_all", &[]).await?;
    }
    Ok(session)
}

async fn size(session: &mut Session) -> Result<u64, StoreError> {
    let rows = session.query("postgres", "size", &[]).await?;
    let bytes: i64 = match rows.first() {
        Some(row) => row.try_get(0)?,
        None => 0,
    };
    Ok(u64::try_from(bytes).unwrap_or(0))
}

async fn serve(session: &mut Session, asked: &Receiver<Request>) {
    while let Ok(request) = asked.recv() {
        if let Err(error) = answer(session, &request).await {
            let _ = request.rows.send(Err(error));
        }
    }
}

async fn answer(session: &mut Session, request: &Request) -> Result<(), StoreError> {
    let statement = session.prepare(request.file, request.name).await?;
    let bound: Vec<Bound<'_>> = request.given.iter().map(Bound).collect();
    let stream = session.client.query_raw(&statement, refs(&bound)).await?;
    pin_mut!(stream);
    let mut chunk = Vec::with_capacity(CHUNK_ROWS);
    while let Some(row) = stream.next().await {
        chunk.push(read_row(&row?)?);
        if chunk.len() == CHUNK_ROWS {
            let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
            if request.rows.send(Ok(full)).is_err() {
                // Nobody reads on; the rest of the rows is thrown away with the stream.
                return Ok(());
            }
        }
    }
    let _ = request.rows.send(Ok(chunk));
    Ok(())
}
