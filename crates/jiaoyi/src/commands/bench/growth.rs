//! `jiaoyi bench growth`: what a payment and a look-up cost with ten thousand people and with ten
//! million, and what the installation needs.
//!
//! Without a folder or a database of its own each size begins with nothing; a given one grows from size to
//! size, and those who pay are always new.

use super::payments::{BUDGETS, PAYERS, Running};
use super::process;
use super::report::{number, ratio, say};
use super::world::{NOWHERE, World};
use super::{GrowthArgs, queries};
use crate::exit::{Exit, note, print};
use jiaoyi_store::Snapshot;
use serde_json::{Value, json};
use std::ops::Range;

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
    let open = || World::open(args.run.data.as_deref(), args.run.database.as_deref());
    let is_given = args.run.data.is_some() || args.run.database.is_some();
    let given = is_given.then(open).transpose()?;
    let mut there = 0;
    for people in sizes.into_iter().filter(|people| *people <= most) {
        let row = match &given {
            Some(world) => size(world, there..people).await?,
            None => size(&open()?, 0..people).await?,
        };
        note(&row);
        rows.push(row);
        there = people;
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

/// Adds the people `new` to those who are there, if any, and measures.
async fn size(world: &World, new: Range<u64>) -> Result<Value, Exit> {
    let people = new.end;
    note(format!("{people} people"));
    world.seed(new.start, new.end, false).await?;
    let bytes = Snapshot::open(&world.database()?)
        .map_err(Exit::unexpected)?
        .bytes();
    let (server, channel, clean_s) = world.serve().await?;
    let mut running = Running::new(world, server, channel)?;
    running.next = new.start;
    let (idle, idle_own) = process::memory_mb(running.server.id);
    let asked = queries::ask(world, &running.server, people, 5.0, None).await?;
    let orders = ORDERS.min((new.end - new.start) * 9 / 10);
    running.sign(format!("answers {orders}")).await?;
    let placed = running.orders(60.0, orders, PAYERS).await?;
    running.sign_notices().await?;
    let told = running.tell(0, u64::MAX, PAYERS).await?;
    let (load, load_own) = process::memory_mb(running.server.id);
    running.server.stop("-KILL").await?;
    let (mut server, killed_s) = world.serve_with(NOWHERE).await?;
    server.stop("-TERM").await?;
    Ok(json!({
        "people": people, "database_mb": bytes / 1_048_576,
        "payment_us": number(placed.server_us / placed.good() + told.server_us / told.good()),
        "of_it_database_us": number(
            placed.database_us / placed.good() + told.database_us / told.good(),
        ),
        "query_us": asked["server_us"], "query_p99_ms": asked["first"]["p99_ms"],
        "idle_mb": idle, "idle_own_mb": idle_own, "load_mb": load, "load_own_mb": load_own,
        "start_clean_s": ratio(clean_s), "start_killed_s": ratio(killed_s),
    }))
}
