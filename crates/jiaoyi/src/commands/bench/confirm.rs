//! Confirmations without RSA and HTTP: bills of 0 yuan confirmed through the portal's own use case,
//! beside exactly their rows written bare in batches of 512.

use super::floor;
use super::person;
use super::report::{number, ratio};
use super::world::{World, seed};
use super::{RunArgs, process};
use crate::exit::{Exit, note, print};
use clap::Args;
use jiaoyi_app::platform::Platform;
use jiaoyi_app::portal::{LookupAnswer, LookupRequest, Portal, StartAnswer, Visitor};
use jiaoyi_store::bare::capture;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

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
}

/// Runs the bench.
pub async fn run(args: &ConfirmArgs) -> Result<(), Exit> {
    let mut world = World::open(args.run.data.as_deref(), args.run.database.as_deref())?;
    world.writers = args.writers;
    let told = measure_in(&world, args.first, args.count, args.one_bucket).await?;
    print(told.to_string());
    Ok(())
}

/// Measures `count` confirmations and their rows.
pub async fn measure(args: &RunArgs, count: u64) -> Result<Value, Exit> {
    note("confirmations through the use case, without RSA and HTTP");
    let world = World::open(None, args.database.as_deref())?;
    measure_in(&world, 0, count, false).await
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

async fn measure_in(
    world: &World,
    first: u64,
    count: u64,
    one_bucket: bool,
) -> Result<Value, Exit> {
    let platform = world.platform().await?;
    seed(&platform, first, first.saturating_add(count), true).await?;
    platform.store.close();
    let seeded = world.folder.join("seed.db");
    if let Some(file) = world.file() {
        std::fs::copy(file, &seeded).map_err(Exit::unexpected)?;
    }
    let platform = world.platform().await?;
    let visitors = Arc::new(visitors(&platform, first, count, one_bucket));
    let mut bills = Vec::new();
    for (number, visitor) in (first..).zip(visitors.iter()) {
        bills.push(bill(&platform, visitor, number).await.unwrap_or_default());
    }
    note("confirming");
    let bills = Arc::new(bills);
    let next = Arc::new(AtomicU64::new(0));
    let confirmed = Arc::new(AtomicU64::new(0));
    let (begun, from) = (Instant::now(), process::cpu_us(std::process::id()));
    let mut tasks = Vec::new();
    for _ in 0..AT_ONCE {
        let (platform, bills) = (Arc::clone(&platform), Arc::clone(&bills));
        let (next, confirmed) = (Arc::clone(&next), Arc::clone(&confirmed));
        let visitors = Arc::clone(&visitors);
        tasks.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let place = usize::try_from(number).unwrap_or(usize::MAX);
                let (Some(reference), Some(visitor)) = (bills.get(place), visitors.get(place))
                else {
                    return;
                };
                let key = first.saturating_add(number).to_string();
                let done = platform
                    .confirm_zero(visitor, reference, "self", &key)
                    .await;
                if matches!(done, Ok(StartAnswer::Started { .. })) {
                    confirmed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    for task in tasks {
        task.await.map_err(Exit::unexpected)?;
    }
    let wall_s = begun.elapsed().as_secs_f64();
    let cpu_us = process::cpu_us(std::process::id()) - from;
    platform.store.close();
    let done = confirmed.load(Ordering::Relaxed);
    let each = |us: f64| us / f64::from(u32::try_from(done.max(1)).unwrap_or(u32::MAX));
    let rate = 1.0 / each(wall_s);
    let mut told = json!({
        "done": done,
        "per_s": number(rate),
        "cpu_us": number(each(f64::from(u32::try_from(cpu_us).unwrap_or(u32::MAX)))),
    });
    if let Some(file) = world.file() {
        let commands = capture(&file, "confirm_zero", &[], 1_000_000);
        let commands = commands.map_err(Exit::unexpected)?;
        let (bare_us, bare_wall_us, rows) = floor::rows(&seeded, &world.folder, &commands, 512)?;
        told["bare_per_s"] = number(1.0 / each(bare_wall_us / 1e6));
        told["bare_cpu_us"] = number(each(bare_us));
        told["rows"] = number(each(f64::from(u32::try_from(rows).unwrap_or(u32::MAX))));
        told["rate_of_bare"] = ratio(rate * each(bare_wall_us / 1e6));
    }
    Ok(told)
}
