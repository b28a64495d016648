//! A standby that is cut off, and one that takes over: what was told is on both.
//!
//! Payers pay over a server whose commits wait for its standby. While the standby is cut off nobody
//! is told anything, not even when the server is killed and comes back alone: what it finds in its
//! log then is to be seen by everybody, and the standby does not have it. At last the server is lost and
//! the standby takes over, which the portal finds by itself: its URL names both.
//!
//! The control is a server that does not wait for its standby: what is lost must be found out.

use super::cable::State;
use super::chance::Chance;
use super::ordeal::{Commits, Load, Ordeal, Outcome, Under};
use super::payers::Acts;
use anyhow::{Result, bail, ensure};
use std::time::{Duration, Instant};

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often a server is lost.
    pub times: u32,
    pub payers_per_second: u32,
    pub acts: Acts,
    pub seed: u64,
    pub settle: Duration,
}

/// Nobody is told anything if nobody was for so long.
const QUIET: Duration = Duration::from_secs(2);
/// What was acknowledged before the cut is told within so long.
const QUIET_WITHIN: Duration = Duration::from_secs(12);
/// Somebody is told something within so long, when commits are taken again.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Runs a plan to its end.
///
/// # Errors
///
/// When anything is told while the standby is cut off, when anything that was told is lost with the
/// server, or when the books do not settle.
pub async fn standby_loop(plan: Plan) -> Result<Outcome> {
    let load = Load {
        payers_per_second: plan.payers_per_second,
        seconds_max: 75 * plan.times + 30,
        seed: plan.seed,
        acts: plan.acts,
        settle: plan.settle,
    };
    let mut ordeal = Ordeal::begin("standby", load, Under::Pair(Commits::OnBoth)).await?;
    let mut chance = Chance::new(plan.seed);
    let mut cuts = State::CUTS.into_iter().cycle();
    for time in 1..=plan.times {
        let mut cut = || cuts.next().unwrap_or(State::Cut);
        pass(&mut ordeal, &mut chance).await?;
        cut_off(&mut ordeal, cut()).await?;
        ordeal.cable()?.set(State::Open);
        is_told(&mut ordeal).await?;
        pass(&mut ordeal, &mut chance).await?;
        lose(&mut ordeal, cut()).await?;
        is_told(&mut ordeal).await?;
        if time < plan.times {
            ordeal.add_standby(Commits::OnBoth).await?;
        }
    }
    let done = [
        ("cuts from the standby", 2 * u64::from(plan.times)),
        ("servers lost", u64::from(plan.times)),
    ];
    ordeal.outcome.done.extend(done);
    ordeal.end().await
}

/// All is well for a while.
async fn pass(ordeal: &mut Ordeal, chance: &mut Chance) -> Result<()> {
    let ms = 1_000 + chance.below(2_000);
    ordeal.pass(Duration::from_millis(ms)).await
}

/// Cuts the standby off and sees that nobody is told anything.
async fn cut_off(ordeal: &mut Ordeal, cut: State) -> Result<()> {
    ordeal.cable()?.set(cut);
    nobody_is_told(ordeal).await
}

/// The standby is cut off, the server comes back alone once more, then it is lost and the standby takes
/// over.
async fn lose(ordeal: &mut Ordeal, cut: State) -> Result<()> {
    cut_off(ordeal, cut).await?;
    ordeal.kill_server()?;
    ordeal.start_server_alone()?;
    nobody_is_told(ordeal).await?;
    ordeal.kill_server()?;
    ordeal.promote().await?;
    match ordeal.loss()? {
        Some(loss) => bail!("the standby lacks what payers were told: {loss}"),
        None => Ok(()),
    }
}

async fn nobody_is_told(ordeal: &mut Ordeal) -> Result<()> {
    let begun = Instant::now();
    let (mut told, mut since) = (ordeal.told_bytes()?, Instant::now());
    while since.elapsed() < QUIET {
        ensure!(
            begun.elapsed() < QUIET_WITHIN,
            "payers are told something although the standby is cut off"
        );
        ordeal.pass(Duration::from_millis(50)).await?;
        let now = ordeal.told_bytes()?;
        if now != told {
            (told, since) = (now, Instant::now());
        }
    }
    Ok(())
}

async fn is_told(ordeal: &mut Ordeal) -> Result<()> {
    let (told, begun) = (ordeal.told_bytes()?, Instant::now());
    while ordeal.told_bytes()? == told {
        ensure!(
            begun.elapsed() < TOLD_WITHIN,
            "nobody is told anything although commits are taken"
        );
        ordeal.pass(Duration::from_millis(50)).await?;
    }
    Ok(())
}

/// The control: after how many lost servers it was found out that commits did not wait.
///
/// # Errors
///
/// When it was not found out in `times_max` times: then the whole test shows nothing.
pub async fn control(times_max: u32, seed: u64) -> Result<u32> {
    let load = Load {
        payers_per_second: 8,
        seconds_max: 20 * times_max + 30,
        seed,
        acts: Acts::Quick,
        settle: Duration::ZERO,
    };
    let mut ordeal = Ordeal::begin("alone", load, Under::Pair(Commits::OnOne)).await?;
    for time in 1..=times_max {
        ordeal.pass(Duration::from_secs(2)).await?;
        ordeal.cable()?.set(State::Cut);
        // Payers are told all the same.
        ordeal.pass(Duration::from_secs(2)).await?;
        ordeal.kill_server()?;
        ordeal.promote().await?;
        if let Some(loss) = ordeal.loss()? {
            ordeal.abandon()?;
            ensure!(
                loss.contains("journal."),
                "something else was found: {loss}"
            );
            return Ok(time);
        }
        ordeal.add_standby(Commits::OnOne).await?;
    }
    bail!("a server that waits for nobody was not found out in {times_max} times")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_that_was_told_is_lost_with_a_server_that_has_a_standby() {
        let plan = Plan {
            times: 1,
            payers_per_second: 6,
            acts: Acts::Quick,
            seed: 20_261_128,
            // Channels repeat what they could not deliver after three minutes.
            settle: Duration::from_secs(600),
        };
        let outcome = standby_loop(plan).await.unwrap();
        assert!(outcome.told_paid > 10, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_does_not_wait_for_its_standby_is_found_out() {
        control(5, 20_261_128).await.unwrap();
    }
}
