//! Distributed PostgreSQL (Citus): placing the tables, and which buckets lie together.
//!
//! Nothing rests on what the catalogue says but speed: a batch that mixes shards after one was split
//! commits as one all the same, by two phases.

use super::session::Session;
use crate::error::StoreError;
use crate::group::Groups;
use crate::schema::{FIRST_SHARDED, PLACEMENTS, Placement};
use crate::statements::{postgres_text, sql};
use jiaoyi_domain::record::Value;
use std::collections::BTreeSet;
use std::fmt;

/// How a database is distributed over machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Every machine with the shards of one table that lie on it.
    pub nodes: Vec<(String, i64)>,
    /// How many bucket groups there are: the shards of a table; 0 before the tables are placed.
    pub groups: usize,
    /// Statements that place the tables which are not placed yet.
    pub missing: Vec<String>,
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "distributed by Citus")?;
        if self.groups > 0 {
            write!(f, ": {} bucket groups on", self.groups)?;
            for (place, (node, shards)) in self.nodes.iter().enumerate() {
                let joint = if place == 0 { " " } else { ", " };
                write!(f, "{joint}{node} ({shards})")?;
            }
        }
        match self.missing.len() {
            0 => Ok(()),
            missing => write!(
                f,
                "; {missing} tables are not placed yet: run jiaoyi migrate"
            ),
        }
    }
}

type Unplaced = Vec<(&'static str, Placement)>;

impl Session {
    /// Whether this is a coordinator of Citus.
    pub(super) async fn is_distributed(&mut self) -> Result<bool, StoreError> {
        let rows = self.query("citus", "is_there", &[]).await?;
        let count: i64 = match rows.first() {
            Some(row) => row.try_get(0)?,
            None => 0,
        };
        Ok(count > 0)
    }

    async fn unplaced(&mut self) -> Result<Unplaced, StoreError> {
        let mut placed = BTreeSet::new();
        for row in self.query("citus", "placed", &[]).await? {
            placed.insert(row.try_get::<_, String>(0)?);
        }
        let missing = PLACEMENTS
            .iter()
            .filter(|(name, _)| !placed.contains(*name));
        Ok(missing.copied().collect())
    }

    /// Places every table that is not placed yet, its rows with it.
    pub(super) async fn place_tables(&mut self) -> Result<(), StoreError> {
        let missing = self.unplaced().await?;
        if missing.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.place(&missing).await {
            let _ = self.client.batch_execute(sql("postgres", "rollback")).await;
            // Another node may have done it in the meantime.
            if !self.unplaced().await?.is_empty() {
                return Err(error.into());
            }
        }
        Ok(())
    }

    async fn place(&mut self, missing: &Unplaced) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql("postgres", "begin")).await?;
        for (table, placement) in missing {
            let name = |name: &str| Value::Text(name.to_owned());
            let (text, given) = match placement {
                Placement::Sharded if *table == FIRST_SHARDED => ("place_first", vec![name(table)]),
                Placement::Sharded => ("place_sharded", vec![name(table), name(FIRST_SHARDED)]),
                Placement::Reference => ("place_reference", vec![name(table)]),
            };
            self.query("citus", text, &given).await?;
        }
        self.client.batch_execute(sql("postgres", "commit")).await
    }

    /// The buckets of every shard.
    pub(super) async fn shard_groups(&mut self) -> Result<Groups, StoreError> {
        let given = [Value::Text(FIRST_SHARDED.to_owned())];
        let rows = self.query("citus", "shards", &given).await?;
        let mut shards = Vec::with_capacity(rows.len());
        for row in &rows {
            shards.push(row.try_get::<_, i64>(1)?);
        }
        Ok(Groups::of(shards.into_iter()))
    }

    /// How the database is distributed; `None` when it is not.
    pub(super) async fn distribution(&mut self) -> Result<Option<Distribution>, StoreError> {
        if !self.is_distributed().await? {
            return Ok(None);
        }
        let missing = self.unplaced().await?;
        let first_is_placed = missing.iter().all(|(name, _)| *name != FIRST_SHARDED);
        let (mut nodes, mut groups) = (Vec::new(), 0);
        if first_is_placed {
            let given = [Value::Text(FIRST_SHARDED.to_owned())];
            for row in self.query("citus", "nodes", &given).await? {
                nodes.push((row.try_get(0)?, row.try_get(1)?));
            }
            groups = self.shard_groups().await?.list().len();
        }
        let statement = |(table, placement): &(&str, Placement)| {
            let text = match placement {
                Placement::Sharded if *table == FIRST_SHARDED => "place_first",
                Placement::Sharded => "place_sharded",
                Placement::Reference => "place_reference",
            };
            let text = postgres_text("citus", text).replace("$1", &format!("'{table}'"));
            text.replace("$2", &format!("'{FIRST_SHARDED}'"))
        };
        Ok(Some(Distribution {
            nodes,
            groups,
            missing: missing.iter().map(statement).collect(),
        }))
    }
}
