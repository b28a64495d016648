//! One connection: opening it, its settings, its prepared statements, and what the server remarks.

use super::server::Server;
use super::values::Bound;
use crate::error::{Failure, StoreError};
use crate::schema::{MIGRATIONS, Words, assert_known, ddl, statements_of};
use crate::statements::{distributed_text, one_machine_text, postgres_text, sql};
use jiaoyi_domain::record::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, GenericClient, Row, Statement};

/// Settings that durability and the lanes rest on: name, what is needed, what sets it right.
const SETTINGS: &[(&str, &[&str], &str)] = &[
    (
        "fsync",
        &["on"],
        "Run: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf()",
    ),
    (
        "full_page_writes",
        &["on"],
        "Run: ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf()",
    ),
    // With it a server goes on after a failed sync and asks again; what that sync lost is then lost.
    (
        "data_sync_retry",
        &["off"],
        "Run: ALTER SYSTEM SET data_sync_retry = off, and start the server again",
    ),
    (
        "synchronous_commit",
        &["on", "remote_apply"],
        "Run: ALTER ROLE {role} SET synchronous_commit = on",
    ),
    (
        "lock_timeout",
        &["250"],
        "Run: ALTER ROLE {role} SET lock_timeout = '250ms'",
    ),
    (
        "deadlock_timeout",
        &["50"],
        "Run: ALTER ROLE {role} SET deadlock_timeout = '50ms'",
    ),
    (
        "statement_timeout",
        &["0"],
        "Run: ALTER ROLE {role} SET statement_timeout = 0",
    ),
    (
        "transaction_timeout",
        &["0"],
        "Run: ALTER ROLE {role} SET transaction_timeout = 0",
    ),
    (
        "idle_in_transaction_session_timeout",
        &["0"],
        "Run: ALTER ROLE {role} SET idle_in_transaction_session_timeout = 0",
    ),
    (
        "default_transaction_isolation",
        &["read committed"],
        "Run: ALTER ROLE {role} SET default_transaction_isolation = 'read committed'",
    ),
    (
        "default_transaction_read_only",
        &["off"],
        "Run: ALTER ROLE {role} SET default_transaction_read_only = off",
    ),
    (
        "transaction_read_only",
        &["off"],
        "Connect to the primary, not to a standby",
    ),
    (
        "server_encoding",
        &["UTF8"],
        "Make the database again with ENCODING 'UTF8'",
    ),
];

/// The longest time after which Citus ends what a lost coordinator left prepared, in milliseconds:
/// until then the rows are locked.
const RECOVER_2PC_MAX: i64 = 5_000;

/// The oldest server that is supported.
const SERVER_VERSION_MIN: i64 = 150_000;

/// An open connection. It makes progress only while its runtime is driven.
pub(super) struct Session {
    pub(super) client: Client,
    warned: Arc<AtomicBool>,
    /// Whether statements name the buckets, so that only their shards are asked.
    distributed: bool,
    prepared: BTreeMap<(&'static str, &'static str), Statement>,
}

/// Somebody else holds a table: lock not available, deadlock, serialization.
const BUSY: [SqlState; 3] = [
    SqlState::LOCK_NOT_AVAILABLE,
    SqlState::T_R_DEADLOCK_DETECTED,
    SqlState::T_R_SERIALIZATION_FAILURE,
];
/// How often a migration looks for a moment at which nobody uses its tables.
const MIGRATION_TRIES_MAX: u32 = 100;
/// Between two looks: others go on meanwhile.
const MIGRATION_PAUSE: Duration = Duration::from_millis(100);

impl Session {
    /// Connects for the first time: a server that cannot be reached is named.
    pub(super) async fn reach(server: &Server, url: &str) -> Result<Session, StoreError> {
        Session::open(server).await.map_err(|error| match error {
            StoreError::Unavailable { why } => StoreError::Open {
                path: url.to_owned(),
                why,
            },
            other => other,
        })
    }

    /// Connects; the connection's own work is spawned on the current runtime.
    pub(super) async fn open(server: &Server) -> Result<Session, StoreError> {
        let (client, warned) = server.connect().await?;
        Ok(Session {
            client,
            warned,
            distributed: true,
            prepared: BTreeMap::new(),
        })
    }

    /// Makes plans that use indexes whatever the tables' statistics say: a lane reads by keys only.
    /// A distributed database plans by the values given, or it could not tell which shard has them.
    pub(super) async fn set_plans(
        &mut self,
        distributed: bool,
    ) -> Result<(), tokio_postgres::Error> {
        self.distributed = distributed;
        let file = if distributed { "citus" } else { "postgres" };
        self.client.batch_execute(sql(file, "session")).await
    }

    /// Whether the server has remarked anything since the last call.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::SeqCst)
    }

    /// A prepared statement, prepared at its first use.
    pub(super) async fn prepare(
        &mut self,
        file: &'static str,
        name: &'static str,
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.prepared.get(&(file, name)) {
            return Ok(statement.clone());
        }
        let text = match self.distributed {
            true => distributed_text(file, name),
            false => one_machine_text(file, name),
        };
        let statement = self.client.prepare(text).await?;
        self.prepared.insert((file, name), statement.clone());
        Ok(statement)
    }

    /// Runs a reading statement.
    pub(super) async fn query(
        &mut self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let statement = self.prepare(file, name).await?;
        let bound: Vec<Bound<'_>> = given.iter().map(Bound).collect();
        self.client.query(&statement, &refs(&bound)).await
    }

    /// Runs a writing statement in a transaction of its own or in the one that is open.
    pub(super) async fn execute(
        &mut self,
        file: &'static str,
        name: &'static str,
        given: &[Value],
    ) -> Result<u64, tokio_postgres::Error> {
        let statement = self.prepare(file, name).await?;
        let bound: Vec<Bound<'_>> = given.iter().map(Bound).collect();
        self.client.execute(&statement, &refs(&bound)).await
    }

    /// Refuses to run with settings under which an acknowledged commit could be lost or a lane
    /// could stand still; on every machine of a distributed database.
    pub(super) async fn assert_settings(
        &mut self,
        url: &str,
        distributed: bool,
    ) -> Result<(), StoreError> {
        let mut names: Vec<&str> = SETTINGS.iter().map(|(name, ..)| *name).collect();
        names.push("server_version_num");
        let statement = self.prepare("postgres", "settings").await?;
        let rows = self.client.query(&statement, &[&names]).await?;
        let mut found = BTreeMap::new();
        for row in &rows {
            found.insert(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
        }
        let rows = self.query("postgres", "role", &[]).await?;
        let role: String = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => String::new(),
        };
        let mut why = wrong_settings(&found, &role, "");
        if distributed {
            for (node, found) in self.settings_of_nodes().await? {
                let node = format!("{node}: ");
                match found {
                    Ok(found) => {
                        why.push_str(&wrong_settings(&found, &role, &node));
                        why.push_str(&wrong_settings_of_citus(&found, &node));
                    }
                    Err(said) => {
                        let _ = write!(why, "\n  {node}cannot be asked for its settings: {said}");
                    }
                }
            }
        }
        if why.is_empty() {
            return Ok(());
        }
        Err(StoreError::Open {
            path: url.to_owned(),
            why: format!("settings of the server are wrong, or of its role:{why}"),
        })
    }

    /// What the role meets on each machine, or what the machine said.
    async fn settings_of_nodes(
        &mut self,
    ) -> Result<Vec<(String, Result<BTreeMap<String, String>, String>)>, StoreError> {
        let rows = self.query("citus", "settings", &[]).await?;
        let mut nodes = Vec::with_capacity(rows.len());
        for row in &rows {
            let (node, good): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
            let text: Option<String> = row.try_get(2)?;
            let text = text.unwrap_or_default();
            let found = match good {
                1 => serde_json::from_str(&text).map_err(|error| error.to_string()),
                _ => Err(text),
            };
            nodes.push((node, found));
        }
        Ok(nodes)
    }

    /// The version of the schema; 0 for an empty database.
    pub(super) async fn schema_version(&self) -> Result<i64, StoreError> {
        schema_version(&self.client).await
    }

    /// Whether a copy into the database is not finished.
    pub(super) async fn is_copying(&self) -> Result<bool, StoreError> {
        let text = postgres_text("postgres", "is_copying");
        let marks: i64 = self.client.query_one(text, &[]).await?.try_get(0)?;
        Ok(marks > 0)
    }

    /// Brings the schema up to date, one transaction a migration.
    pub(super) async fn migrate(&mut self, url: &str, now_ms: i64) -> Result<(), StoreError> {
        assert_known(self.schema_version().await?, url)?;
        self.run(MIGRATIONS, now_ms).await
    }

    /// Runs the migrations that are missing, one transaction each, beside whoever writes.
    pub(super) async fn run(
        &mut self,
        migrations: &[(i64, &str)],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        for (version, text) in migrations {
            let mut tries = 0;
            // Another node may be doing it in the meantime.
            while self.schema_version().await? < *version {
                let Err(error) = self.migrate_to(*version, text, now_ms).await else {
                    break;
                };
                let _ = self.client.batch_execute(sql("postgres", "rollback")).await;
                // A table is changed while nobody uses it. Whoever pays waits behind that for no
                // longer than the lock's timeout, so the moment may have to be looked for again.
                tries += 1;
                let busy = error.code().is_some_and(|code| BUSY.contains(code));
                let theirs = self.schema_version().await? >= *version;
                if !theirs && (!busy || tries > MIGRATION_TRIES_MAX) {
                    return Err(error.into());
                }
                tokio::time::sleep(MIGRATION_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn migrate_to(
        &mut self,
        version: i64,
        text: &str,
        now_ms: i64,
    ) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql("postgres", "begin")).await?;
        for statement in statements_of(&ddl(text, Words::Postgres)) {
            self.client.batch_execute(statement).await?;
        }
        let given = [Value::Int(version), Value::Int(now_ms)];
        self.execute("queries", "migrated", &given).await?;
        self.client.batch_execute(sql("postgres", "commit")).await
    }
}

/// A line for each wrong setting and what sets it right.
fn wrong_settings(found: &BTreeMap<String, String>, role: &str, node: &str) -> String {
    let mut why = String::new();
    for (name, needed, remedy) in SETTINGS {
        // A setting that this server does not have cannot be wrong.
        let Some(value) = found.get(*name) else {
            continue;
        };
        if !needed.contains(&value.as_str()) {
            let remedy = remedy.replace("{role}", &format!("\"{role}\""));
            let needed = needed.join(" or ");
            let _ = write!(
                why,
                "\n  {node}{name} is {value}, needed: {needed}. {remedy}"
            );
        }
    }
    let version = found.get("server_version_num");
    let version: i64 = version.and_then(|text| text.parse().ok()).unwrap_or(0);
    if version < SERVER_VERSION_MIN {
        let _ = write!(
            why,
            "\n  {node}the server is {version}, needed: {SERVER_VERSION_MIN} or newer"
        );
    }
    why
}

/// The same for what only a machine of a distributed database needs.
fn wrong_settings_of_citus(found: &BTreeMap<String, String>, node: &str) -> String {
    let mut why = String::new();
    let number = |name: &str| {
        let value = found.get(name).and_then(|text| text.parse::<i64>().ok());
        value.unwrap_or(0)
    };
    if number("max_prepared_transactions") <= 0 {
        let _ = write!(
            why,
            "\n  {node}max_prepared_transactions is 0. Run: ALTER SYSTEM SET \
             max_prepared_transactions = 300, and start the server again"
        );
    }
    let interval = number("citus.recover_2pc_interval");
    if !(1..=RECOVER_2PC_MAX).contains(&interval) {
        let _ = write!(
            why,
            "\n  {node}citus.recover_2pc_interval is {interval} ms, needed: at most \
             {RECOVER_2PC_MAX}. Run: ALTER SYSTEM SET citus.recover_2pc_interval = '5s', and \
             SELECT pg_reload_conf()"
        );
    }
    why
}

/// The version of the schema; 0 for an empty database.
pub(super) async fn schema_version(client: &impl GenericClient) -> Result<i64, StoreError> {
    let there = postgres_text("postgres", "has_schema");
    let tables: i64 = client.query_one(there, &[]).await?.try_get(0)?;
    if tables == 0 {
        return Ok(0);
    }
    let version = postgres_text("queries", "schema_version");
    Ok(client.query_one(version, &[]).await?.try_get(0)?)
}

/// Parameters as the client takes them.
pub(super) fn refs<'a>(bound: &'a [Bound<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    bound
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

/// What went wrong, in the server's words.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> StoreError {
        StoreError::Unavailable { why: said(&error) }
    }
}

/// What an error before the commit says of the batch; a lost connection is always "unknown".
pub(super) fn failure(error: &tokio_postgres::Error) -> Failure {
    let why = said(error);
    let Some(code) = error.code() else {
        return Failure::Unknown(why);
    };
    let lost = ["08", "57", "58", "XX", "F0"];
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        Failure::Blocked(why)
    } else if *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
    {
        Failure::Conflict(why)
    } else if lost.iter().any(|class| code.code().starts_with(class)) {
        Failure::Unknown(why)
    } else if code.code().starts_with("53") {
        Failure::Down(why)
    } else {
        Failure::Batch(why)
    }
}
