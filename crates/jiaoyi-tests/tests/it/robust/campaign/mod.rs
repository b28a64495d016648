//! Campaigns: what the outside can do to the platform, ten thousand times over. The real program over
//! real HTTP, the sandbox as the channels; at the end the books of both sides are the same, transaction
//! by transaction, and `jiaoyi verify` finds nothing.
//!
//! Short forms run as tests; the long ones are `cargo xtask soak notices|orders|contested|reversals`.

pub mod books;
pub mod contested;
pub mod desks;
pub mod forgeries;
pub mod ground;
pub mod notices;
pub mod orders;
pub mod postman;
pub mod reversals;

use anyhow::Result;
use std::fmt;
use std::str::FromStr;
use tokio::task::JoinSet;

/// What keeps the installation's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl FromStr for Engine {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Engine> {
        match text {
            "sqlite" => Ok(Engine::Sqlite),
            "postgres" => Ok(Engine::Postgres),
            _ => anyhow::bail!("{text} is neither sqlite nor postgres"),
        }
    }
}

/// Tells how far a campaign is.
pub type Say = dyn Fn(String) + Send + Sync;

/// The figures of a campaign, in the order in which they are shown.
#[derive(Clone, Debug, Default)]
pub struct Table(Vec<(String, String)>);

impl Table {
    pub fn row(&mut self, what: impl Into<String>, value: impl ToString) {
        self.0.push((what.into(), value.to_string()));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (what, value)) in self.0.iter().enumerate() {
            let end = if place + 1 < self.0.len() { "\n" } else { "" };
            write!(f, "{what:<44} {value}{end}")?;
        }
        Ok(())
    }
}

/// Does every piece of work, so many at once; what came of each, in the order in which they ended.
///
/// # Errors
///
/// The first error, which ends what is under way.
pub async fn each<I, O, F>(
    items: impl IntoIterator<Item = I>,
    at_once: usize,
    act: impl Fn(I) -> F,
) -> Result<Vec<O>>
where
    F: Future<Output = Result<O>> + Send + 'static,
    O: Send + 'static,
{
    let mut items = items.into_iter();
    let mut running = JoinSet::new();
    for item in items.by_ref().take(at_once) {
        running.spawn(act(item));
    }
    let mut done = Vec::new();
    while let Some(one) = running.join_next().await {
        done.push(one??);
        if let Some(item) = items.next() {
            running.spawn(act(item));
        }
    }
    Ok(done)
}
