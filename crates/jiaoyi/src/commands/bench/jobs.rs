//! `jiaoyi bench jobs`: how fast the work beside the payments gets done: messages, signatures.
//!
//! Payments are made by the product's decisions while no job runs; then jobs run until nothing is
//! due. There is no channel and no text message in it, so it is what the product itself needs.

use super::RunArgs;
use super::process;
use super::report::{number, say};
use super::verify::pay_all;
use super::world::{World, seed};
use crate::exit::{Exit, note, print};
use jiaoyi_app::jobs::Worked;
use serde_json::json;
use std::time::Instant;

/// Runs the bench.
pub async fn run(args: &RunArgs) -> Result<(), Exit> {
    let payments: u64 = if args.quick { 10_000 } else { 100_000 };
    note(format!("bench jobs: what {payments} payments leave to do"));
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    let platform = world.platform().await?;
    seed(&platform, 0, payments, false).await?;
    let paid = pay_all(&platform, payments).await?;
    let (from_us, begun) = (process::cpu_us(std::process::id()), Instant::now());
    let mut done = Worked::default();
    let mut passes = 0_u32;
    loop {
        let pass = platform.work().await.map_err(Exit::unexpected)?;
        if pass.is_idle() {
            break;
        }
        passes += 1;
        done.messages += pass.messages;
        done.signed += pass.signed;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let used = process::cpu_us(std::process::id()).saturating_sub(from_us);
    platform.store.close();
    let used = f64::from(u32::try_from(used).unwrap_or(u32::MAX));
    let each = f64::from(u32::try_from(paid.max(1)).unwrap_or(u32::MAX));
    let report = json!({
        "payments": paid, "messages": done.messages, "signed": done.signed, "passes": passes,
        "seconds": number(seconds), "payments_per_s": number(each / seconds),
        "cpu_us_per_payment": number(used / each),
    });
    if args.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}
