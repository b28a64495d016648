//! One REPEATABLE READ, READ ONLY view, streamed by a thread of its own, so that it can be read from
//! anywhere and memory does not grow with the table.
//!
//! Every statement is a portal of which one chunk is fetched at a time. So whoever reads one may ask
//! something else meanwhile, and nobody waits for rows that nobody takes.

use super::server::Server;
use super::session::{Session, refs, schema_version};
use super::values::{Bound, read_rows};
use super::{own_runtime, without_password};
use crate::engine::RawRows;
use crate::error::StoreError;
use crate::schema::assert_ours;
use crate::statements::{postgres_text, sql};
use jiaoyi_domain::record::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use tokio_postgres::{Client, IsolationLevel, Portal, Statement, Transaction};

/// Rows that travel together.
const CHUNK_ROWS: usize = 1024;

enum Request {
    /// Asks for the first chunk of a statement.
    Open {
        stream: u64,
        file: &'static str,
        name: &'static str,
        given: Vec<Value>,
        rows: SyncSender<Result<RawRows, StoreError>>,
    },
    /// Asks for the chunk after the last one.
    Next(u64),
}

/// A view that is fixed when it is opened.
pub(crate) struct PostgresSnapshot {
    requests: Sender<Request>,
    streams: AtomicU64,
    bytes: u64,
}

impl PostgresSnapshot {
    /// A view of the database that a URL names.
    pub(crate) fn of(url: &str) -> Result<PostgresSnapshot, StoreError> {
        PostgresSnapshot::open(Server::of(url)?, without_password(url))
    }

    /// As [`PostgresSnapshot::of`]; `url` is shown in errors.
    pub(super) fn open(server: Server, url: String) -> Result<PostgresSnapshot, StoreError> {
        let (requests, asked) = channel();
        let (ready, opened) = channel();
        std::thread::Builder::new()
            .name("store-snapshot".to_owned())
            .spawn(move || {
                let ended = own_runtime().and_then(|runtime| {
                    runtime.block_on(async {
                        let mut session = Session::reach(&server, &url).await?;
                        let distributed = session.is_distributed().await?;
                        if distributed {
                            // A machine's view is that of one connection.
                            let one = sql("citus", "one_connection");
                            session.client.batch_execute(one).await?;
                        }
                        let begun = View::begin(&mut session.client, &url, distributed);
                        let (view, bytes) = begun.await?;
                        let _ = ready.send(Ok(bytes));
                        view.serve(&asked).await;
                        Ok(())
                    })
                });
                if let Err(error) = ended {
                    let _ = ready.send(Err(error));
                }
            })
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        let bytes = opened.recv().map_err(|_| StoreError::Stopped)??;
        Ok(PostgresSnapshot {
            requests,
            streams: AtomicU64::new(0),
            bytes,
        })
    }

    /// How large the database is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn ask(&self, request: Request) -> Result<(), StoreError> {
        let sent = self.requests.send(request);
        sent.map_err(|_| StoreError::Stopped)
    }

    /// Calls `each` with every row of a statement; `each` may stream others.
    pub(crate) fn stream(
        &self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<(), StoreError> {
        let stream = self.streams.fetch_add(1, Ordering::Relaxed);
        // One chunk is under way at most, so whoever sends it never waits.
        let (rows, chunks) = sync_channel(1);
        self.ask(Request::Open {
            stream,
            file,
            name,
            given: given.to_vec(),
            rows,
        })?;
        loop {
            let chunk = chunks.recv().map_err(|_| StoreError::Stopped)??;
            let last = chunk.len() < CHUNK_ROWS;
            if !last {
                // Fetched while this one is worked on.
                self.ask(Request::Next(stream))?;
            }
            chunk.into_iter().for_each(&mut each);
            if last {
                return Ok(());
            }
        }
    }
}

/// A statement that is being read.
struct Stream {
    portal: Portal,
    rows: SyncSender<Result<RawRows, StoreError>>,
}

/// The server's side of a view.
struct View<'c> {
    transaction: Transaction<'c>,
    statements: BTreeMap<(&'static str, &'static str), Statement>,
    streams: BTreeMap<u64, Stream>,
}

impl View<'_> {
    /// Fixes the view; with it comes the size of the database.
    async fn begin<'c>(
        client: &'c mut Client,
        url: &str,
        distributed: bool,
    ) -> Result<(View<'c>, u64), StoreError> {
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await?;
        // The view is fixed by the first statement of the transaction.
        assert_ours(schema_version(&transaction).await?, url)?;
        if distributed {
            // And each machine's by the first statement that reaches it. What was written in one
            // bucket is seen whole; what a command wrote on two machines may be seen in one only.
            let reach = postgres_text("citus", "reach_all");
            transaction.query(reach, &[]).await?;
        }
        let size = postgres_text("postgres", "size");
        let bytes: i64 = transaction.query_one(size, &[]).await?.try_get(0)?;
        let view = View {
            transaction,
            statements: BTreeMap::new(),
            streams: BTreeMap::new(),
        };
        Ok((view, u64::try_from(bytes).unwrap_or(0)))
    }

    async fn serve(mut self, asked: &Receiver<Request>) {
        while let Ok(request) = asked.recv() {
            match request {
                Request::Open {
                    stream,
                    file,
                    name,
                    given,
                    rows,
                } => match self.bind(file, name, &given).await {
                    Ok(portal) => {
                        self.streams.insert(stream, Stream { portal, rows });
                        self.fetch(stream).await;
                    }
                    Err(error) => {
                        let _ = rows.send(Err(error.into()));
                    }
                },
                Request::Next(stream) => self.fetch(stream).await,
            }
        }
    }

    async fn bind(
        &mut self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<Portal, tokio_postgres::Error> {
        let statement = match self.statements.get(&(file, name)) {
            Some(statement) => statement.clone(),
            None => {
                let text = postgres_text(file, name);
                let statement = self.transaction.prepare(text).await?;
                self.statements.insert((file, name), statement.clone());
                statement
            }
        };
        let bound: Vec<Bound<'_>> = given.iter().map(Bound).collect();
        self.transaction.bind(&statement, &refs(&bound)).await
    }

    /// Sends one chunk; a stream that is at its end, or that nobody reads, is closed.
    async fn fetch(&mut self, number: u64) {
        let Some(stream) = self.streams.get(&number) else {
            return;
        };
        let rows_max = i32::try_from(CHUNK_ROWS).unwrap_or(i32::MAX);
        let fetched = self.transaction.query_portal(&stream.portal, rows_max);
        let chunk = match fetched.await {
            Ok(rows) => read_rows(&rows),
            Err(error) => Err(error.into()),
        };
        let more = chunk.as_ref().is_ok_and(|rows| rows.len() == CHUNK_ROWS);
        if stream.rows.send(chunk).is_err() || !more {
            self.streams.remove(&number);
        }
    }
}
