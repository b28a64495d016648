//! A PostgreSQL database that a copy is made into: one connection, one transaction a chunk.

use super::lane::insert_rows;
use super::server::Server;
use super::session::{Session, failure};
use super::values::read_rows;
use super::{own_runtime, without_password};
use crate::engine::RawRows;
use crate::error::StoreError;
use crate::statements::sql;
use jiaoyi_domain::Instant;
use jiaoyi_domain::record::{TableSpec, Value};
use tokio::runtime::Runtime;

/// The target of a copy.
pub(crate) struct PostgresTarget {
    runtime: Runtime,
    session: Session,
}

impl PostgresTarget {
    pub(crate) fn open(url: &str, now: Instant) -> Result<PostgresTarget, StoreError> {
        let (server, shown) = (Server::of(url)?, without_password(url));
        let runtime = own_runtime()?;
        let session = runtime.block_on(async {
            let mut session = Session::reach(&server, &shown).await?;
            let distributed = session.is_distributed().await?;
            session.assert_settings(&shown, distributed).await?;
            session.migrate(&shown, now.0).await?;
            Ok::<_, StoreError>(session)
        })?;
        Ok(PostgresTarget { runtime, session })
    }

    pub(crate) fn query(&mut self, name: &'static str) -> Result<RawRows, StoreError> {
        let asked = self.session.query("queries", name, &[]);
        read_rows(&self.runtime.block_on(asked)?)
    }

    /// The rows of the mark, if there is one.
    pub(crate) fn mark(&mut self) -> Result<RawRows, StoreError> {
        if self.runtime.block_on(self.session.is_copying())? {
            self.query("copy_mark")
        } else {
            Ok(RawRows::new())
        }
    }

    pub(crate) fn begin(&mut self, mark: &[Value]) -> Result<(), StoreError> {
        let session = &mut self.session;
        self.runtime.block_on(async {
            let begun = session.client.batch_execute(sql("postgres", "begin"));
            begun.await?;
            let made = session.client.batch_execute(sql("queries", "copy_begin"));
            made.await?;
            session.execute("queries", "copy_move", mark).await?;
            commit(session).await
        })
    }

    pub(crate) fn write(
        &mut self,
        spec: &'static TableSpec,
        rows: &[Vec<Value>],
        mark: &[Value],
    ) -> Result<(), StoreError> {
        let session = &mut self.session;
        self.runtime.block_on(async {
            let begun = session.client.batch_execute(sql("postgres", "begin"));
            begun.await?;
            insert_rows(session, spec, rows).await?;
            session.execute("queries", "copy_move", mark).await?;
            commit(session).await
        })
    }

    pub(crate) fn finish(self) -> Result<(), StoreError> {
        let ended = self
            .session
            .client
            .batch_execute(sql("queries", "copy_end"));
        Ok(self.runtime.block_on(ended)?)
    }
}

/// Commits; a commit that came back with a warning is not confirmed and must not be counted.
async fn commit(session: &Session) -> Result<(), StoreError> {
    session.take_warning();
    let committed = session
        .client
        .batch_execute(sql("postgres", "commit"))
        .await;
    committed.map_err(|error| StoreError::from(failure(&error)))?;
    if session.take_warning() {
        return Err(StoreError::Unavailable {
            why: "the commit came back with a warning: it is not confirmed".to_owned(),
        });
    }
    Ok(())
}
