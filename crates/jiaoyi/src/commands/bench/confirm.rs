//! Confirmations without RSA and HTTP: bills of 0 yuan confirmed through the portal's own use case,
//! beside exactly their rows written bare in batches of 512.

use super::RunArgs;
use super::floor;
use super::person;
use super::process::{self, DatabaseServer};
use super::report::{number, ratio};
use super::world::{World, seed};
use crate::exit::{Exit, note, print};
use clap::Args;
use jiaoyi_app::platform::Platform;
use jiaoyi_app::portal::{LookupAnswer, LookupRequest, Portal, StartAnswer, Visitor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many wait at once: enough that no batch lacks company.
const AT_ONCE: u64 = 1_024;

fn visitor(number: u64) -> Visitor {
    let mut device = [0; 32];
    device[..8].copy_from_slice(&number.to_be_bytes());
    Visitor {
        device,
        ip: "192.0.2.1".to_owned(),
    }
}

/// The sealed reference of this person's bill.
async fn bill(platform: &Platform, visitor: &Visitor, number: u64) -> Option<String> {
    let invented = person::person_zero(number);
    let request = LookupRequest {
        name: invented.name,
        document_kind: "id_card".to_owned(),
        document: invented.id_number,
        region: person::REGION_ZERO.to_owned(),
    };
    match platform.lookup(visitor, request, "").await {
        Ok(LookupAnswer::Found(bills)) => bills.into_iter().next().map(|bill| bill.bill_ref),
        Ok(_) | Err(_) => None,
    }
}

/// What the bench of confirmations takes.
#[derive(Args, Clone)]
pub struct ConfirmArgs {
    #[command(flatten)]
    run: RunArgs,
    /// How many bills are confirmed.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// Number of the first person: a kept database is gone on with behind those of the last run.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Writer connections of the database.
    #[arg(long, default_value_t = 4)]
    writers: u16,
    /// Devices whose list of orders lies in the bucket of the bill, as that of one who pays for
    /// themselves could: then a confirmation touches one bucket.
    #[arg(long)]
    one_bucket: bool,
    /// For runs in which the database is killed: try again what was not taken, and at the end ask
    /// for every acknowledged confirmation once more; it must name the same order.
    #[arg(long)]
    prove: bool,
}

/// Runs the bench.
pub async fn run(args: &ConfirmArgs) -> Result<(), Exit> {
    let mut world = World::open(args.run.data.as_deref(), args.run.database.as_deref())?;
    world.writers = args.writers;
    let told = measure_in(&world, args).await?;
    print(told.to_string());
    Ok(())
}

/// Measures `count` confirmations and their rows.
pub async fn measure(args: &RunArgs, count: u64) -> Result<Value, Exit> {
    note("confirmations through the use case, without RSA and HTTP");
    let world = World::open(None, args.database.as_deref())?;
    let args = ConfirmArgs {
        run: args.clone(),
        count,
        first: 0,
        writers: world.writers,
        one_bucket: false,
        prove: false,
    };
    measure_in(&world, &args).await
}

/// A device for each bill: any, or one whose own bucket is the bill's.
fn visitors(platform: &Platform, from: u64, count: u64, one_bucket: bool) -> Vec<Visitor> {
    let persons = from..from.saturating_add(count);
    if !one_bucket {
        return persons.map(visitor).collect();
    }
    let mut of_bucket: BTreeMap<u16, u64> = BTreeMap::new();
    let mut drawn = 0;
    let mut device_of = |bucket: u16| {
        loop {
            if let Some(number) = of_bucket.get(&bucket) {
                return visitor(*number);
            }
            let found = platform.device_bucket(&visitor(drawn).device);
            of_bucket.insert(found.get(), drawn);
            drawn += 1;
        }
    };
    persons
        .map(|number| match person::row(number, platform.today(), true) {
            Some(row) => device_of(platform.place_of(&row.document).0.get()),
            None => visitor(number),
        })
        .collect()
}

/// Between two tries of a confirmation that was not taken.
const PAUSE: Duration = Duration::from_millis(100);
/// So often it is tried.
const TRIES_MAX: u32 = 300;

/// Confirms a bill under a key; the order's token, or `None` when it was not taken.
async fn confirm(
    platform: &Platform,
    visitor: &Visitor,
    reference: &str,
    key: &str,
    tries: u32,
) -> Option<String> {
    for again in 0..tries {
        if again > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let done = platform.confirm_zero(visitor, reference, "self", key).await;
        if let Ok(StartAnswer::Started { order, .. }) = done {
            return Some(order);
        }
    }
    None
}

/// Orders that are not named again, or not the same, when their confirmation is asked for again.
async fn lost(platform: &Platform, args: &ConfirmArgs, runs: &Runs) -> u64 {
    let mut lost = 0;
    for (place, order) in runs.acknowledged() {
        let key = args.first.saturating_add(place).to_string();
        let (Some(reference), Some(visitor)) = runs.of(place) else {
            continue;
        };
        let again = confirm(platform, visitor, reference, &key, TRIES_MAX).await;
        lost += u64::from(again != Some(order));
    }
    lost
}

/// What is confirmed, and what was acknowledged of it.
struct Runs {
    bills: Vec<String>,
    visitors: Vec<Visitor>,
    next: AtomicU64,
    done: Mutex<Vec<(u64, String)>>,
}

impl Runs {
    fn of(&self, place: u64) -> (Option<&String>, Option<&Visitor>) {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        (self.bills.get(place), self.visitors.get(place))
    }

    fn acknowledge(&self, place: u64, order: String) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push((place, order));
    }

    fn acknowledged(&self) -> Vec<(u64, String)> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.clone()
    }
}

async fn measure_in(world: &World, args: &ConfirmArgs) -> Result<Value, Exit> {
    let (first, count) = (args.first, args.count);
    let platform = world.platform().await?;
    seed(&platform, first, first.saturating_add(count), true).await?;
    platform.store.close();
    // Rows of earlier runs in a kept database are not of this one, and the copy of a distributed one
    // would hold its coordinator's rows alone: neither is compared.
    let database = world.database()?;
    let plan = database.migration_plan().map_err(Exit::unexpected)?;
    let comparable = first == 0 && !args.prove && plan.distribution.is_none();
    let seeded = comparable.then(|| world.keep()).transpose()?;
    let platform = world.platform().await?;
    let visitors = visitors(&platform, first, count, args.one_bucket);
    let mut bills = Vec::new();
    for (number, visitor) in (first..).zip(&visitors) {
        bills.push(bill(&platform, visitor, number).await.unwrap_or_default());
    }
    note("confirming");
    let runs = Arc::new(Runs {
        bills,
        visitors,
        next: AtomicU64::new(0),
        done: Mutex::default(),
    });
    let tries = if args.prove { TRIES_MAX } else { 1 };
    let server = DatabaseServer::of(&database)?;
    let used = || {
        let own = process::cpu_us(std::process::id());
        own + server.map_or(0, DatabaseServer::cpu_us)
    };
    let (begun, from) = (Instant::now(), used());
    let mut tasks = Vec::new();
    for _ in 0..AT_ONCE {
        let (platform, runs) = (Arc::clone(&platform), Arc::clone(&runs));
        tasks.push(tokio::spawn(async move {
            loop {
                let place = runs.next.fetch_add(1, Ordering::Relaxed);
                let (Some(reference), Some(visitor)) = runs.of(place) else {
                    return;
                };
                let key = first.saturating_add(place).to_string();
                if let Some(order) = confirm(&platform, visitor, reference, &key, tries).await {
                    runs.acknowledge(place, order);
                }
            }
        }));
    }
    for task in tasks {
        task.await.map_err(Exit::unexpected)?;
    }
    let wall_s = begun.elapsed().as_secs_f64();
    let cpu_us = used() - from;
    let done = runs.acknowledged().len();
    let not_again = match args.prove {
        true => Some(lost(&platform, args, &runs).await),
        false => None,
    };
    platform.store.close();
    let each = |us: f64| us / f64::from(u32::try_from(done.max(1)).unwrap_or(u32::MAX));
    let rate = 1.0 / each(wall_s);
    let mut told = json!({
        "done": done,
        "per_s": number(rate),
        "cpu_us": number(each(f64::from(u32::try_from(cpu_us).unwrap_or(u32::MAX)))),
    });
    if let Some(lost) = not_again {
        told["lost"] = lost.into();
    }
    if let Some(seeded) = seeded {
        let commands = floor::commands(&database, "confirm_zero", &[], 1_000_000)?;
        let bare = floor::rows(&seeded.0, &commands, 512)?;
        told["bare_per_s"] = number(1.0 / each(bare.wall_us / 1e6));
        told["bare_cpu_us"] = number(each(bare.cpu_us));
        told["rows"] = number(each(bare.count));
        told["rows_per_s"] = number(rate * each(bare.count));
        told["rate_of_bare"] = ratio(rate * each(bare.wall_us / 1e6));
    }
    Ok(told)
}
