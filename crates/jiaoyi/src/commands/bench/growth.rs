//! `jiaoyi bench growth`: what a payment and a look-up cost with ten thousand people and with ten
//! million, and what the installation needs.

use super::payments::{BUDGETS, PAYERS, Running};
use super::process;
use super::report::{number, ratio, say};
use super::world::{NOWHERE, World};
use super::{GrowthArgs, RunArgs, queries};
use crate::exit::{Exit, note, print};
use serde_json::{Value, json};

/// Orders of one size; fewer where there are fewer people.
const ORDERS: u64 = 15_000;

/// Runs the bench over growing numbers of people.
pub async fn run(args: &GrowthArgs) -> Result<(), Exit> {
    note(format!("bench growth: {BUDGETS}"));
    let sizes = [10_000, 100_000, 1_000_000, 10_000_000];
    let most = match (args.people, args.run.quick) {
        (Some(people), _) => people,
        (None, true) => 100_000,
        (None, false) => 10_000_000,
    };
    let mut rows = Vec::new();
    for people in sizes.into_iter().filter(|people| *people <= most) {
        let row = size(&args.run, people).await?;
        note(&row);
        rows.push(row);
    }
    let cost =
        |row: Option<&Value>, what: &str| row.and_then(|row| row[what].as_f64()).unwrap_or(0.0);
    let of = |what: &str| ratio(cost(rows.last(), what) / cost(rows.first(), what).max(1e-9));
    let report = json!({
        "payment_cost_growth": of("payment_us"), "query_cost_growth": of("query_us"),
        "sizes": rows,
    });
    if args.run.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}

async fn size(args: &RunArgs, people: u64) -> Result<Value, Exit> {
    note(format!("{people} people"));
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    world.seed(0, people, false).await?;
    let bytes = world.file().map_or(0, |file| process::file_bytes(&file));
    let (server, channel, clean_s) = world.serve().await?;
    let mut running = Running::new(&world, server, channel)?;
    let (idle, idle_own) = process::memory_mb(running.server.id);
    let asked = queries::ask(&world, &running.server, people, 5.0, None).await?;
    let orders = ORDERS.min(people * 9 / 10);
    running.sign(format!("answers {orders}")).await?;
    let placed = running.orders(60.0, orders, PAYERS).await?;
    running.sign_notices().await?;
    let told = running.tell(0, u64::MAX, PAYERS).await?;
    let (load, load_own) = process::memory_mb(running.server.id);
    running.server.stop("-KILL").await?;
    let (mut server, killed_s) = world.serve_with(NOWHERE).await?;
    server.stop("-TERM").await?;
    Ok(json!({
        "people": people, "file_mb": bytes / 1_048_576,
        "payment_us": number(placed.server_us / placed.good() + told.server_us / told.good()),
        "query_us": asked["server_us"], "query_p99_ms": asked["first"]["p99_ms"],
        "idle_mb": idle, "idle_own_mb": idle_own, "load_mb": load, "load_own_mb": load_own,
        "start_clean_s": ratio(clean_s), "start_killed_s": ratio(killed_s),
    }))
}
