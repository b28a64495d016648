//! The power goes: what was told is there again, whatever the disk had not synced yet.
//!
//! The portal, or its database server, runs over a disk that journals writes and syncs
//! (`shim/faults.c`). At a cut both are killed, and the files are rebuilt from what was synced and, by
//! chance, some of the rest, torn at sectors or pages. With `fail_every` the disk's syncs fail as
//! well, and what a failed sync lost a later one does not bring back, neither for this process nor
//! for the next; a portal that gives up is started again, as a supervisor does, and so is a server.
//!
//! The control is the same with a disk that only says that it has synced: the loss must be found.

use super::chance::Chance;
use super::ordeal::{Load, Ordeal, Outcome, Under};
use super::payers::Acts;
use super::shim::Switch;
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// A start of the portal takes five syncs: where every other one fails, nobody ever starts.
const FAIL_EVERY_MIN: u64 = 8;

/// A server that comes back from a crash syncs some dozens of files before it takes commits.
const FAIL_EVERY_MIN_SERVER: u64 = 60;

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// [`Under::Shim`] for the embedded file, or [`Under::ServerOnShim`].
    pub under: Under,
    pub cuts: u32,
    pub payers_per_second: u32,
    /// The longest time between two steps.
    pub cut_after_ms_max: u64,
    /// Between two cuts every so many-th sync fails, drawn from 8 (60 under a server) up to this; 0
    /// never.
    pub fail_every_max: u64,
    pub acts: Acts,
    pub seed: u64,
    pub settle: Duration,
}

impl Plan {
    fn load(self) -> Result<Load> {
        let steps = if self.fail_every_max > 0 { 3 } else { 1 };
        let seconds = u64::from(self.cuts) * (steps * self.cut_after_ms_max / 2000 + 5) + 30;
        Ok(Load {
            payers_per_second: self.payers_per_second,
            seconds_max: u32::try_from(seconds)?,
            seed: self.seed,
            acts: self.acts,
            settle: self.settle,
        })
    }
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When anything that was told is lost, or the books do not settle.
pub async fn power_loop(plan: Plan) -> Result<Outcome> {
    let (name, fail_every_min) = match (plan.under, plan.fail_every_max) {
        (Under::ServerOnShim, 0) => ("power-server", 0),
        (Under::ServerOnShim, _) => ("illness-server", FAIL_EVERY_MIN_SERVER),
        (_, 0) => ("power", 0),
        _ => ("illness", FAIL_EVERY_MIN),
    };
    let mut ordeal = Ordeal::begin(name, plan.load()?, plan.under).await?;
    let mut chance = Chance::new(plan.seed);
    let mut failed = 0;
    ordeal.pass(Duration::from_secs(1)).await?;
    for _ in 0..plan.cuts {
        let mut wait = || {
            let ms = 50 + chance.below(plan.cut_after_ms_max.saturating_sub(49));
            Duration::from_millis(ms)
        };
        ordeal.pass(wait()).await?;
        if plan.fail_every_max > 0 {
            let time = wait();
            let every = fail_every_min + chance.below(plan.fail_every_max - fail_every_min + 1);
            fall_ill(&mut ordeal, every, time).await?;
            ordeal.pass(Duration::from_secs(1)).await?;
        }
        ordeal.cut().await?;
        let faults = ordeal.faults.as_ref().context("a shim")?;
        failed = faults.shim.count(Switch::Failed)?;
        ordeal.start_after_cut().await?;
    }
    ordeal.check_server()?;
    let done = [
        ("power cuts", u64::from(plan.cuts)),
        ("failed syncs", u64::from(failed)),
    ];
    ordeal.outcome.done.extend(done);
    if plan.under == Under::ServerOnShim {
        let panics = ordeal.server_panics()?;
        ordeal.outcome.done.push(("panics of the server", panics));
    }
    ordeal.end().await
}

/// Lets every so many-th sync fail for a time, then each, and ends the portal in the midst of that;
/// a server ends by itself.
///
/// The next one starts without a power cut: what it reads is what the system remembers, not what is
/// on the disk, and what it acknowledges must not hang on that.
async fn fall_ill(ordeal: &mut Ordeal, every: u64, time: Duration) -> Result<()> {
    turn(ordeal, Switch::FailEvery, u32::try_from(every)?)?;
    ordeal.pass(time).await?;
    turn(ordeal, Switch::FailEvery, 1)?;
    // Nobody starts it again meanwhile: the disk fails at every start, too.
    tokio::time::sleep(Duration::from_millis(400)).await;
    turn(ordeal, Switch::FailEvery, 0)?;
    if ordeal.has_server() {
        return ordeal.serves_again().await;
    }
    if !ordeal.gave_up()? {
        ordeal.kill()?;
    }
    ordeal.start().await
}

fn turn(ordeal: &Ordeal, switch: Switch, value: u32) -> Result<()> {
    let faults = ordeal.faults.as_ref().context("a shim")?;
    faults.shim.set(switch, value)
}

/// The control: after how many cuts a disk that lies was found out.
///
/// # Errors
///
/// When it was not found out in `cuts_max` cuts: then the whole test shows nothing.
pub async fn control(under: Under, cuts_max: u32, seed: u64) -> Result<u32> {
    let load = Load {
        payers_per_second: 8,
        seconds_max: 4 * cuts_max + 30,
        seed,
        acts: Acts::Quick,
        settle: Duration::ZERO,
    };
    let name = match under {
        Under::ServerOnShim => "lying-server",
        _ => "lying",
    };
    let mut ordeal = Ordeal::begin(name, load, under).await?;
    turn(&ordeal, Switch::Lying, 1)?;
    for cut in 1..=cuts_max {
        ordeal.pass(Duration::from_millis(1500)).await?;
        ordeal.cut().await?;
        // A server that finds its files broken does not start.
        if !ordeal.server_starts()? || ordeal.loss()?.is_some() {
            ordeal.abandon()?;
            return Ok(cut);
        }
        ordeal.faults.as_mut().context("a shim")?.look_again()?;
        ordeal.start().await?;
    }
    bail!("a disk that syncs nothing was not found out in {cuts_max} cuts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            under: Under::Shim,
            cuts: 4,
            payers_per_second: 8,
            cut_after_ms_max: 1_500,
            fail_every_max: 0,
            acts: Acts::Quick,
            seed: 20_261_126,
            settle: Duration::from_secs(120),
        }
    }

    /// How often this was done; 0 for what was not.
    fn count(outcome: &Outcome, name: &str) -> u64 {
        let mut done = outcome.done.iter();
        done.find(|(what, _)| *what == name)
            .map_or(0, |(_, count)| *count)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_that_was_told_is_lost_with_the_power() {
        let outcome = power_loop(plan()).await.unwrap();
        assert!(outcome.told_paid > 15, "{outcome}");
        assert_eq!(outcome.gave_up, 0, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_when_syncs_fail_before_the_power_goes() {
        let plan = Plan {
            fail_every_max: 30,
            ..plan()
        };
        let outcome = power_loop(plan).await.unwrap();
        assert!(count(&outcome, "failed syncs") > 0, "{outcome}");
        assert!(outcome.told_paid > 10, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_disk_that_lies_is_found_out() {
        let cuts = control(Under::Shim, 20, 20_261_126).await.unwrap();
        assert!(cuts <= 20);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_that_was_told_is_lost_with_the_power_of_a_server() {
        let plan = Plan {
            under: Under::ServerOnShim,
            cuts: 3,
            payers_per_second: 6,
            // Channels repeat what they could not deliver after three minutes.
            settle: Duration::from_secs(600),
            ..plan()
        };
        let outcome = power_loop(plan).await.unwrap();
        assert!(outcome.told_paid > 5, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_when_syncs_of_a_server_fail_before_the_power_goes() {
        let plan = Plan {
            under: Under::ServerOnShim,
            cuts: 2,
            payers_per_second: 6,
            fail_every_max: 200,
            settle: Duration::from_secs(600),
            ..plan()
        };
        let outcome = power_loop(plan).await.unwrap();
        assert!(count(&outcome, "panics of the server") > 0, "{outcome}");
        assert!(outcome.told_paid > 5, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_disk_that_lies_to_a_server_is_found_out() {
        let cuts = control(Under::ServerOnShim, 20, 20_261_127).await.unwrap();
        assert!(cuts <= 20);
    }
}
