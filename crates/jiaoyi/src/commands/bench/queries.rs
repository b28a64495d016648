//! `jiaoyi bench queries`: looking a person's bill up, through HTTP.

use super::RunArgs;
use super::payments::BUDGETS;
use super::process::{self, Side};
use super::report::{number, say};
use super::world::World;
use crate::exit::{Exit, note, print};
use serde_json::{Value, json};

/// Looks people up for some seconds; what the load saw, with the server's CPU of each look-up.
pub async fn ask(
    world: &World,
    server: &Side,
    people: u64,
    seconds: f64,
    rate: Option<f64>,
) -> Result<Value, Exit> {
    let (people, seconds) = (people.to_string(), seconds.to_string());
    let rate = rate.map(|rate| format!("{rate:.0}"));
    let mut args = vec!["bench", "side-load", "queries", "--address", &world.address];
    args.extend([
        "--people",
        &people,
        "--seconds",
        &seconds,
        "--payers",
        "128",
    ]);
    if let Some(rate) = &rate {
        args.extend(["--rate", rate]);
    }
    measured(server, &args).await
}

/// Runs a load of one kind of request; what it saw, with the server's CPU of each request.
pub async fn measured(server: &Side, args: &[&str]) -> Result<Value, Exit> {
    let from = process::cpu_us(server.id);
    let mut told = process::run(args).await?;
    let used = process::cpu_us(server.id).saturating_sub(from);
    let good = told["good"].as_f64().unwrap_or(1.0).max(1.0);
    let used = f64::from(u32::try_from(used).unwrap_or(u32::MAX));
    told["server_us"] = number(used / good);
    told["per_s"] = number(good / told["seconds"].as_f64().unwrap_or(1.0));
    if let Some(parts) = told.as_object_mut() {
        parts.remove("by_second");
        parts.remove("second");
    }
    Ok(told)
}

/// Runs the bench.
pub async fn run(args: &RunArgs) -> Result<(), Exit> {
    note(format!("bench queries: {BUDGETS}"));
    let people = if args.quick { 20_000 } else { 200_000 };
    let seconds = args.seconds.unwrap_or(if args.quick { 5.0 } else { 30.0 });
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    world.seed(0, people, false).await?;
    let (mut server, channel, _) = world.serve().await?;
    ask(&world, &server, people, 1.0, None).await?;
    let most = ask(&world, &server, people, seconds, None).await?;
    let half = most["per_s"].as_f64().map(|rate| rate / 2.0);
    let calm = ask(&world, &server, people, seconds / 2.0, half).await?;
    server.stop("-TERM").await?;
    drop(channel);
    let report = json!({
        "queries_per_s": most["per_s"], "cpu_us_per_query": most["server_us"],
        "p99_ms": most["first"]["p99_ms"], "p99_half_load_ms": calm["first"]["p99_ms"],
        "full": most, "half": calm,
    });
    if args.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}
