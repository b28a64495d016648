//! Killed at any moment, nothing that was told is lost.
//!
//! Payers pay at a steady rate; the portal is killed as a crash would end it, again and again, and
//! started anew; with a database server it is the portal, the server, or both. Channels notify twice,
//! late, or not at all; some payers pay twice.

use super::chance::Chance;
use super::ordeal::{Load, Ordeal, Outcome, Under};
use super::payers::Acts;
use anyhow::{Context, Result};
use std::time::Duration;

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kills: u32,
    /// [`Under::Nothing`] for the embedded file, or [`Under::Server`].
    pub under: Under,
    pub payers_per_second: u32,
    pub acts: Acts,
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
        acts: plan.acts,
        settle: plan.settle,
    };
    let name = match plan.under {
        Under::Server => "kill-server",
        _ => "kill",
    };
    let mut ordeal = Ordeal::begin(name, load, plan.under).await?;
    let mut chance = Chance::new(plan.seed);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut victims = Victim::of(plan.under).iter().cycle();
    let mut killed = [0; Victim::ALL.len()];
    for _ in 0..plan.kills {
        let wait = 50 + chance.below(plan.kill_after_ms_max.saturating_sub(49));
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let victim = *victims.next().context("somebody to kill")?;
        killed[victim as usize] += 1;
        victim.kill(&mut ordeal, &mut chance).await?;
    }
    let killed = Victim::ALL.into_iter().zip(killed);
    let killed = killed.filter(|(_, times)| *times > 0);
    let killed = killed.map(|(victim, times)| (victim.named(), times));
    ordeal.outcome.done.extend(killed);
    ordeal.end().await
}

/// Who is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Portal,
    Server,
    Both,
}

impl Victim {
    const ALL: [Victim; 3] = [Victim::Portal, Victim::Server, Victim::Both];

    fn of(under: Under) -> &'static [Victim] {
        if under.has_server() {
            &Victim::ALL
        } else {
            &[Victim::Portal]
        }
    }

    const fn named(self) -> &'static str {
        match self {
            Victim::Portal => "kills of the portal",
            Victim::Server => "kills of the server",
            Victim::Both => "kills of both",
        }
    }

    /// Kills, and starts again what was killed.
    async fn kill(self, ordeal: &mut Ordeal, chance: &mut Chance) -> Result<()> {
        match self {
            Victim::Portal => {
                ordeal.kill()?;
                ordeal.start().await
            }
            Victim::Server => {
                ordeal.kill_server()?;
                // Sometimes longer than a lane tries by itself to come back.
                ordeal
                    .pass(Duration::from_millis(chance.below(5_000)))
                    .await?;
                ordeal.start_server().await
            }
            Victim::Both => {
                ordeal.kill()?;
                ordeal.kill_server()?;
                ordeal.start_server().await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_ten_times_nothing_that_was_told_is_lost() {
        let plan = Plan {
            kills: 10,
            under: Under::Nothing,
            payers_per_second: 8,
            acts: Acts::Any,
            kill_after_ms_max: 1_500,
            seed: 20_261_122,
            settle: Duration::from_secs(300),
        };
        let outcome = kill_loop(plan).await.unwrap();
        assert_eq!(outcome.restarts_ms.len(), 10);
        assert!(outcome.told_paid > 20, "{outcome}");
        assert!(outcome.refunds_at_channels > 0, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_with_its_server_nothing_that_was_told_is_lost() {
        let plan = Plan {
            kills: 10,
            under: Under::Server,
            payers_per_second: 6,
            acts: Acts::Quick,
            kill_after_ms_max: 1_500,
            seed: 20_261_126,
            // Channels repeat what they could not deliver after three minutes.
            settle: Duration::from_secs(600),
        };
        let outcome = kill_loop(plan).await.unwrap();
        assert_eq!(outcome.restarts_ms.len(), 10);
        assert!(outcome.restarts_ms[9] <= 10_000, "{outcome}");
        assert!(outcome.told_paid > 20, "{outcome}");
        assert!(outcome.refunds_at_channels > 0, "{outcome}");
    }
}
