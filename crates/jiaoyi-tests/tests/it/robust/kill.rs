//! Killed at any moment, nothing that was told is lost.
//!
//! Payers pay at a steady rate; the portal is killed as a crash would end it, again and again, and
//! started anew. Channels notify twice, late, or not at all; some payers pay twice.

use super::chance::Chance;
use super::ordeal::{Load, Ordeal, Outcome, Under};
use super::payers::Acts;
use anyhow::Result;
use std::time::Duration;

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kills: u32,
    pub payers_per_second: u32,
    /// The longest time between an answer and the next kill.
    pub kill_after_ms_max: u64,
    pub seed: u64,
    /// How long everything may take to settle after the last kill.
    pub settle: Duration,
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When anything that was told is lost, when payers meet an answer that none of ours may give, or
/// when the books do not settle.
pub async fn kill_loop(plan: Plan) -> Result<Outcome> {
    let seconds = u64::from(plan.kills) * (plan.kill_after_ms_max / 2000 + 4) + 30;
    let load = Load {
        payers_per_second: plan.payers_per_second,
        seconds_max: u32::try_from(seconds)?,
        seed: plan.seed,
        acts: Acts::Any,
        settle: plan.settle,
    };
    let mut ordeal = Ordeal::begin("kill", load, Under::Nothing).await?;
    let mut chance = Chance::new(plan.seed);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..plan.kills {
        let wait = 50 + chance.below(plan.kill_after_ms_max.saturating_sub(49));
        tokio::time::sleep(Duration::from_millis(wait)).await;
        ordeal.kill()?;
        ordeal.start().await?;
    }
    ordeal.outcome.done.push(("kills", u64::from(plan.kills)));
    ordeal.end().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_five_times_nothing_that_was_told_is_lost() {
        let plan = Plan {
            kills: 5,
            payers_per_second: 8,
            kill_after_ms_max: 2_000,
            seed: 20_261_122,
            settle: Duration::from_secs(300),
        };
        let outcome = kill_loop(plan).await.unwrap();
        assert_eq!(outcome.restarts_ms.len(), 5);
        assert!(outcome.told_paid > 20, "{outcome}");
        assert!(outcome.refunds_at_channels > 0, "{outcome}");
    }
}
