//! No room on the disk, no handles: the portal refuses what it cannot keep, goes on by itself as soon
//! as it can, and has told nobody anything wrong meanwhile.

use super::ordeal::{Load, Ordeal, Outcome, Under};
use super::payers::Acts;
use super::shim::Switch;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// [`Under::Shim`] for the embedded file, or [`Under::ServerOnShim`]; handles are the portal's.
    pub under: Under,
    /// How often it is starved.
    pub times: u32,
    /// For how long each time.
    pub each: Duration,
    pub payers_per_second: u32,
    pub seed: u64,
    pub settle: Duration,
}

/// Within so much time after relief it serves again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);

impl Plan {
    fn load(self) -> Result<Load> {
        let seconds = u64::from(self.times) * (self.each.as_secs() + 8) + 30;
        Ok(Load {
            payers_per_second: self.payers_per_second,
            seconds_max: u32::try_from(seconds)?,
            seed: self.seed,
            acts: Acts::Quick,
            settle: self.settle,
        })
    }
}

/// The disk fills up and has room again.
///
/// # Errors
///
/// When it does not refuse, ends, or does not come back; or when anything that was told is lost.
pub async fn full(plan: Plan) -> Result<Outcome> {
    let name = match plan.under {
        Under::ServerOnShim => "full-server",
        _ => "full",
    };
    let mut ordeal = Ordeal::begin(name, plan.load()?, plan.under).await?;
    let mut slowest = Duration::ZERO;
    for _ in 0..plan.times {
        ordeal.pass(Duration::from_secs(2)).await?;
        turn(&ordeal, 1)?;
        let refuses = ordeal.is_ready(false, Duration::from_secs(20)).await?;
        ensure!(
            refuses,
            "the disk is full and the portal says that it can serve"
        );
        ordeal.pass(plan.each).await?;
        let page = ordeal.probe.get("/").await?;
        ensure!(page.status == 200, "pages answered {}", page.status);
        let begun = Instant::now();
        turn(&ordeal, 0)?;
        let serves = ordeal.is_ready(true, RECOVERS_WITHIN).await?;
        ensure!(serves, "there is room again and the portal does not serve");
        slowest = slowest.max(begun.elapsed());
    }
    ensure!(ordeal.outcome.gave_up == 0, "it ended for want of room");
    told(&mut ordeal, "disks that filled up", plan.times, slowest);
    ordeal.end().await
}

fn turn(ordeal: &Ordeal, full: u32) -> Result<()> {
    let faults = ordeal.faults.as_ref().context("a shim")?;
    faults.shim.set(Switch::Full, full)
}

fn told(ordeal: &mut Ordeal, what: &'static str, times: u32, slowest: Duration) {
    let slowest = u64::try_from(slowest.as_millis()).unwrap_or(u64::MAX);
    let done = [(what, u64::from(times)), ("slowest relief, in ms", slowest)];
    ordeal.outcome.done.extend(done);
}

/// Handles that the portal may hold: a start takes about forty.
const HANDLES: u32 = 72;

/// Strangers hold every handle there is, and let go.
///
/// # Errors
///
/// As [`full`].
pub async fn handles(plan: Plan) -> Result<Outcome> {
    let mut ordeal = Ordeal::begin("handles", plan.load()?, Under::Handles(HANDLES)).await?;
    let address = ordeal.installation.portal.replace("http://", "");
    let mut slowest = Duration::ZERO;
    for _ in 0..plan.times {
        ordeal.pass(Duration::from_secs(2)).await?;
        let mut held = Vec::new();
        for _ in 0..2 * HANDLES {
            held.push(TcpStream::connect(&address).await?);
        }
        ordeal.pass(plan.each).await?;
        let begun = Instant::now();
        drop(held);
        let serves = ordeal.is_ready(true, RECOVERS_WITHIN).await?;
        ensure!(
            serves,
            "there are handles again and the portal does not serve"
        );
        slowest = slowest.max(begun.elapsed());
    }
    ensure!(ordeal.outcome.gave_up == 0, "it ended for want of handles");
    told(&mut ordeal, "times without handles", plan.times, slowest);
    ordeal.end().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            under: Under::Shim,
            times: 2,
            each: Duration::from_secs(2),
            payers_per_second: 8,
            seed: 20_261_126,
            settle: Duration::from_secs(120),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_disk_is_refused_and_recovered_from() {
        let outcome = full(plan()).await.unwrap();
        assert!(outcome.refused_requests > 0, "{outcome}");
        assert!(outcome.told_paid > 20, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_disk_of_a_server_is_refused_and_recovered_from() {
        let plan = Plan {
            under: Under::ServerOnShim,
            settle: Duration::from_secs(600),
            ..plan()
        };
        let outcome = full(plan).await.unwrap();
        assert!(outcome.refused_requests > 0, "{outcome}");
        assert!(outcome.told_paid > 10, "{outcome}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_portal_without_handles_recovers() {
        let outcome = handles(plan()).await.unwrap();
        assert!(outcome.told_paid > 20, "{outcome}");
    }
}
