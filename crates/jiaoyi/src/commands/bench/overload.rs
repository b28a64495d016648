//! `jiaoyi bench overload`: ten times as many payers as can be served, whatever the answers.
//!
//! A refused payer costs something too, and so does making the load on the same cores; what is left
//! after both, each measured bare with as many connections, is what the goodput is compared with.

use super::payments::{BUDGETS, PAYERS, Running};
use super::report::{number, ratio, say};
use super::world::World;
use super::{RunArgs, floor, process};
use crate::exit::{Exit, note, print};
use serde_json::{Value, json};

/// How many wait for an answer at most: a phone gives up too.
const WAITING: usize = 8_192;

async fn open_loop(running: &mut Running<'_>, rate: f64, seconds: f64) -> Result<Value, Exit> {
    let (first, rate) = (running.next.to_string(), format!("{rate:.0}"));
    let (seconds, waiting) = (seconds.to_string(), WAITING.to_string());
    let address = running.world.address.clone();
    let told = process::run(&[
        "bench",
        "side-load",
        "orders",
        "--address",
        &address,
        "--first",
        &first,
        "--rate",
        &rate,
        "--seconds",
        &seconds,
        "--payers",
        &waiting,
    ])
    .await?;
    let done: u64 = ["good", "shed", "failed"]
        .iter()
        .filter_map(|what| told[*what].as_u64())
        .sum();
    running.next += done + 5_000;
    Ok(told)
}

/// Runs the bench.
pub async fn run(args: &RunArgs) -> Result<(), Exit> {
    note(format!("bench overload: {BUDGETS}"));
    let seconds = args.seconds.unwrap_or(if args.quick { 5.0 } else { 20.0 });
    let people = if args.quick { 150_000 } else { 900_000 };
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    world.seed(0, people, false).await?;
    let (server, channel, _) = world.serve().await?;
    let mut running = Running::new(&world, server, channel)?;
    running.sign("answers 60000".to_owned()).await?;
    running.orders(1.0, 3_000, PAYERS).await?;
    let peak = running.orders(seconds, 50_000, PAYERS).await?;
    let peak_rate = peak.good() / peak.seconds();
    let (refusal_us, asking_us, _) = floor::exchange("refusals", WAITING, seconds).await?;
    running.sign("answers 60000".to_owned()).await?;
    note("ten times the peak");
    let over = open_loop(&mut running, peak_rate * 10.0, seconds).await?;
    let goodput = served_within(&over, seconds) / seconds;
    note("half the peak, right after it");
    let after = open_loop(&mut running, peak_rate / 2.0, 15.0).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = f64::from(u32::try_from(cores).unwrap_or(1));
    let spent = peak_rate * 10.0 * (refusal_us + asking_us) / (cores * 1e6);
    let share = (1.0 - spent).max(0.0);
    let report = json!({
        "peak_per_s": number(peak_rate), "goodput_per_s": number(goodput),
        "cpu_share_left": ratio(share),
        "goodput_of_possible": ratio(goodput / (peak_rate * share).max(1e-9)),
        "recovery_s": recovery(&after, peak_rate / 2.0),
        "shed": over["shed"], "failed": over["failed"],
        "refusal_us": number(refusal_us), "asking_us": number(asking_us),
        "overload": over, "after": after,
    });
    running.server.stop("-TERM").await?;
    if args.json {
        print(report);
    } else {
        say(&report);
    }
    Ok(())
}

/// How many were served before the payers stopped coming; who waited longer is no goodput.
fn served_within(told: &Value, seconds: f64) -> f64 {
    let by_second = told["by_second"].as_array();
    let counts = by_second.into_iter().flatten().filter_map(Value::as_f64);
    let each = (1_u32..).map(f64::from).zip(counts);
    each.take_while(|(second, _)| *second <= seconds)
        .map(|(_, count)| count)
        .sum()
}

/// The second from which on everything that came was served.
fn recovery(after: &Value, rate: f64) -> Value {
    let seconds: Vec<f64> = after["by_second"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_f64).collect())
        .unwrap_or_default();
    let served = |count: &f64| *count >= rate * 0.9;
    seconds
        .iter()
        .position(served)
        .map_or(Value::Null, |place| json!(place + 1))
}
