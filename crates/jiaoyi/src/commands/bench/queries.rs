//! `jiaoyi bench queries`: looking a person's bill up, through HTTP.

use super::RunArgs;
use super::payments::BUDGETS;
use super::process::{self, DatabaseServer, Side};
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
    measured(world, server, &args).await
}

/// Runs a load of one kind of request; what it saw, with the CPU of each request: the server's, that of
/// its database included.
pub async fn measured(world: &World, server: &Side, args: &[&str]) -> Result<Value, Exit> {
    let database = DatabaseServer::of(&world.database()?)?;
    let used = || {
        let database = database.map_or(0, DatabaseServer::cpu_us);
        (process::cpu_us(server.id), database)
    };
    let from = used();
    let mut told = process::run(args).await?;
    let to = used();
    let good = told["good"].as_f64().unwrap_or(1.0).max(1.0);
    let each = |from: u64, to: u64| {
        let used = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        f64::from(used) / good
    };
    let database = each(from.1, to.1);
    told["server_us"] = number(each(from.0, to.0) + database);
    told["database_us"] = number(database);
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
