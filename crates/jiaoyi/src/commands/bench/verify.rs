//! `jiaoyi bench verify`: proving a database of many payments.

use super::RunArgs;
use super::person;
use super::process::{self, Side};
use super::report::{number, say};
use super::world::{World, seed};
use crate::exit::{Exit, note, print};
use clap::Args;
use jiaoyi_app::platform::Platform;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Args, Clone)]
pub struct VerifyArgs {
    #[command(flatten)]
    run: RunArgs,
    /// So many payments instead.
    #[arg(long)]
    payments: Option<u64>,
}

/// Payments that are made at once.
const AT_ONCE: usize = 512;

/// Pays for people `0..count` by the product's own decisions, without a channel.
pub async fn pay_all(platform: &Arc<Platform>, count: u64) -> Result<u64, Exit> {
    let next = Arc::new(AtomicU64::new(0));
    let today = platform.today();
    let mut tasks = Vec::with_capacity(AT_ONCE);
    for _ in 0..AT_ONCE {
        let (platform, next) = (Arc::clone(platform), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut paid = 0_u64;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return paid;
                }
                let Some(row) = person::row(number, today, false) else {
                    continue;
                };
                let txn = format!("4200{number:024}");
                let done = platform.pay_made(&row.document, txn).await;
                paid += u64::from(matches!(done, Ok(true)));
            }
        }));
    }
    let mut paid = 0;
    for task in tasks {
        paid += task.await.map_err(Exit::unexpected)?;
    }
    Ok(paid)
}

/// Runs the bench.
pub async fn run(args: &VerifyArgs) -> Result<(), Exit> {
    let usual = if args.run.quick { 30_000 } else { 1_000_000 };
    let payments = args.payments.unwrap_or(usual);
    let args = &args.run;
    note(format!("bench verify: {payments} payments"));
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    let platform = world.platform().await?;
    seed(&platform, 0, payments, false).await?;
    let begun = Instant::now();
    let paid = pay_all(&platform, payments).await?;
    platform.store.close();
    note(format!(
        "{paid} payments made in {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    let begun = Instant::now();
    let url = world.database_url.clone();
    let mut verify = Side::start(&["verify", "--database", &url, "--json"])?;
    let id = verify.id;
    let (mut cpu_us, mut peak_mb, mut own_mb) = (0, 0, 0);
    let mut answer = std::pin::pin!(verify.line());
    let told = loop {
        tokio::select! {
            line = &mut answer => break line?,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                cpu_us = process::cpu_us(id).max(cpu_us);
                peak_mb = process::memory_peak_mb(id).max(peak_mb);
                own_mb = process::memory_mb(id).1.max(own_mb);
            }
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    let told: serde_json::Value = serde_json::from_str(&told).map_err(Exit::unexpected)?;
    let cpu = f64::from(u32::try_from(cpu_us).unwrap_or(u32::MAX)) / 1e6;
    let report = json!({
        "payments": paid, "ok": told["ok"], "violations": told["violation_count"],
        "seconds": number(seconds), "cpu_s": number(cpu), "peak_mb": peak_mb,
        "own_mb": own_mb,
    });
    if args.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}
