//! `jiaoyi bench payments`: what a full payment costs, beside what it costs at least.
//!
//! Two phases on one database: payers look up and start payments, then the channel tells of them.
//! Between the two the notices are signed, so that the channel's RSA is in neither figure. A payment
//! costs the sum of both.

use super::floor::{self, Floor, Machine};
use super::process::{self, DatabaseServer, Side};
use super::report::{number, ratio, say};
use super::world::World;
use super::{RunArgs, confirm};
use crate::exit::{Exit, note, print};
use jiaoyi_store::bare::CommandRows;
use jiaoyi_store::{Database, Store};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Payers at once.
pub const PAYERS: usize = 512;
/// Orders whose rows are written again for the floor.
const FLOOR_ORDERS: usize = 40_000;
/// Payments of the payer who is alone.
const ALONE: u64 = 200;
/// What is said in front of the figures.
pub const BUDGETS: &str = "look-up budgets are off and background jobs do not run during a bench";

/// How much is done.
struct Plan {
    order_seconds: f64,
    people: u64,
    half_seconds: f64,
    floor_seconds: f64,
}

impl Plan {
    fn of(args: &RunArgs) -> Plan {
        if args.quick {
            Plan {
                order_seconds: args.seconds.unwrap_or(6.0),
                people: 24_000,
                half_seconds: 3.0,
                floor_seconds: 1.0,
            }
        } else {
            // The second phase is about three times as fast: with 90 s of orders it lasts over 30.
            Plan {
                order_seconds: args.seconds.unwrap_or(90.0),
                people: 500_000,
                half_seconds: 15.0,
                floor_seconds: 3.0,
            }
        }
    }
}

/// A running server and channel with their counters.
pub struct Running<'w> {
    pub world: &'w World,
    pub server: Side,
    channel: Side,
    serial: String,
    /// The next person who has not paid.
    pub next: u64,
    notices: PathBuf,
    database: Option<DatabaseServer>,
}

/// One phase: what the load saw, and CPU in microseconds.
pub struct Phase {
    pub told: Value,
    /// Of the server, that of its database included.
    pub server_us: f64,
    pub database_us: f64,
    channel_us: f64,
    load_us: f64,
}

fn float(us: u64) -> f64 {
    f64::from(u32::try_from(us / 10).unwrap_or(u32::MAX)) * 10.0
}

impl Phase {
    pub fn good(&self) -> f64 {
        self.told["good"].as_f64().unwrap_or(0.0)
    }

    pub fn seconds(&self) -> f64 {
        self.told["seconds"].as_f64().unwrap_or(0.0)
    }

    fn bad(&self) -> u64 {
        self.told["failed"].as_u64().unwrap_or(0) + self.told["shed"].as_u64().unwrap_or(0)
    }
}

impl<'w> Running<'w> {
    /// A server and its channel, nobody of whose people has paid.
    pub fn new(world: &'w World, server: Side, channel: Side) -> Result<Running<'w>, Exit> {
        Ok(Running {
            serial: world.serial(),
            notices: world.folder.join("notices.tsv"),
            world,
            server,
            channel,
            next: 0,
            database: DatabaseServer::of(&world.database()?)?,
        })
    }

    fn database_us(&self) -> u64 {
        self.database.map_or(0, DatabaseServer::cpu_us)
    }

    async fn load(&mut self, kind: &str, more: &[String]) -> Result<Phase, Exit> {
        let count = |side: &Side| process::cpu_us(side.id);
        let before = (
            count(&self.server),
            self.database_us(),
            count(&self.channel),
        );
        let address = self.world.address.clone();
        let notices = self.notices.display().to_string();
        let mut args: Vec<&str> = vec!["bench", "side-load", kind, "--address", &address];
        args.extend(["--linger", "--serial", &self.serial, "--file", &notices]);
        args.extend(more.iter().map(String::as_str));
        if kind == "orders" {
            args.retain(|arg| *arg != "--file" && *arg != notices);
        }
        let mut load = Side::start(&args)?;
        let told = serde_json::from_str(&load.line().await?).map_err(Exit::unexpected)?;
        let database_us = float(self.database_us() - before.1);
        Ok(Phase {
            told,
            server_us: float(count(&self.server) - before.0) + database_us,
            database_us,
            channel_us: float(count(&self.channel) - before.2),
            load_us: float(count(&load)),
        })
    }

    /// Payers look up and start payments: at most `max`, for so many seconds.
    pub async fn orders(&mut self, seconds: f64, max: u64, payers: usize) -> Result<Phase, Exit> {
        let first = self.next.to_string();
        let more = [
            "--first".to_owned(),
            first,
            "--count".to_owned(),
            max.to_string(),
            "--seconds".to_owned(),
            seconds.to_string(),
            "--payers".to_owned(),
            payers.to_string(),
        ];
        let phase = self.load("orders", &more).await?;
        self.next += phase.told["good"].as_u64().unwrap_or(0) + phase.bad() + payers as u64;
        Ok(phase)
    }

    /// The channel tells of payments, from line `first` of what it signed last.
    pub async fn tell(&mut self, first: u64, count: u64, payers: usize) -> Result<Phase, Exit> {
        let more = [
            "--first".to_owned(),
            first.to_string(),
            "--count".to_owned(),
            count.to_string(),
            "--payers".to_owned(),
            payers.to_string(),
        ];
        self.load("notices", &more).await
    }

    /// Has the channel sign something beforehand.
    pub async fn sign(&mut self, what: String) -> Result<(), Exit> {
        self.channel.ask(what).await.map(drop)
    }

    /// Has the channel sign a notice for every order since the last time.
    pub async fn sign_notices(&mut self) -> Result<(), Exit> {
        let path = self.notices.display().to_string();
        self.sign(format!("notices {path}")).await
    }

    /// Orders and notices at half of the full rate, open loop: the notices are the reserve.
    async fn half(&mut self, rate: f64, seconds: f64, first: u64) -> Result<(Value, Value), Exit> {
        let (rate, seconds) = (format!("{:.0}", rate / 2.0), seconds.to_string());
        let address = self.world.address.clone();
        let notices = self.notices.display().to_string();
        let (person, line) = (self.next.to_string(), first.to_string());
        let common = [
            "--address",
            &address,
            "--rate",
            &rate,
            "--seconds",
            &seconds,
        ];
        let payers = ["--payers", "256"];
        let mut orders: Vec<&str> = vec!["bench", "side-load", "orders", "--first", &person];
        orders.extend(common.iter().chain(&payers));
        let mut tells: Vec<&str> = vec!["bench", "side-load", "notices", "--first", &line];
        tells.extend(common.iter().chain(&payers));
        tells.extend(["--serial", &self.serial, "--file", &notices]);
        let (orders, tells) = tokio::join!(process::run(&orders), process::run(&tells));
        let orders = orders?;
        self.next += orders["good"].as_u64().unwrap_or(0) + 1_000;
        Ok((orders, tells?))
    }
}

/// Everything that was measured.
struct Figures {
    machine: Machine,
    floor: Floor,
    orders: Phase,
    tells: Phase,
    half: (Value, Value),
    alone: (f64, f64),
    alone_bare_ms: f64,
    counts: Value,
    memory: (u64, u64),
}

/// Runs the bench.
pub async fn run(args: &RunArgs) -> Result<(), Exit> {
    note(format!("bench payments: {BUDGETS}"));
    let plan = Plan::of(args);
    let world = World::open(args.data.as_deref(), args.database.as_deref())?;
    world.seed(0, plan.people, false).await?;
    let seed = world.keep()?;
    let mut floor = Floor::default();
    let (server, channel, _) = world.serve().await?;
    let mut running = Running::new(&world, server, channel)?;
    let half_reserve = plan.people / 8;
    let measured = phases(&mut running, &plan, half_reserve).await?;
    floor::crypto(&mut floor, plan.floor_seconds)?;
    let machine = Machine {
        signs_per_cpu_s: 1e6 / floor.rsa_sign_us,
        flush_ms: floor::flush_ms(&world.folder)?,
    };
    let (exchange, outbound, _) = floor::exchange("bare", PAYERS, plan.floor_seconds).await?;
    (floor.exchange_us, floor.outbound_us) = (exchange, outbound);
    let counts = running.channel.ask("counts").await?;
    let memory = process::memory_mb(running.server.id);
    running.server.stop("-TERM").await?;
    drop(running.channel);
    let database = world.database()?;
    let stored = facts(&database).await?;
    let then = ["record_created", "record_payment"];
    let commands = floor::commands(&database, "start_payment", &then, FLOOR_ORDERS)?;
    let alone_bare_ms = rows_floor(&mut floor, &seed.0, &commands)?;
    let (orders, tells, half, alone) = measured;
    let told = tells.good() + half.1["good"].as_f64().unwrap_or(0.0) + alone.2;
    if told > float(stored * 10) / 10.0 + 0.5 {
        return Err(Exit::unexpected(format!(
            "{told} notices were answered as received, but {stored} facts are stored"
        )));
    }
    let figures = Figures {
        machine,
        floor,
        orders,
        tells,
        half,
        alone: (alone.0, alone.1),
        alone_bare_ms,
        counts: serde_json::from_str(&counts).unwrap_or_default(),
        memory,
    };
    let confirm = match args.quick {
        true => None,
        false => Some(confirm::measure(args, 100_000).await?),
    };
    tell(&figures, args.json, confirm);
    Ok(())
}

type Measured = (Phase, Phase, (Value, Value), (f64, f64, f64));

async fn phases(running: &mut Running<'_>, plan: &Plan, reserve: u64) -> Result<Measured, Exit> {
    // A short beginning, so that the figures do not hold what happens once.
    running.sign("answers 3000".to_owned()).await?;
    running.orders(1.0, 3_000, PAYERS).await?;
    running.sign_notices().await?;
    running.tell(0, 3_000, PAYERS).await?;
    let answers = plan.people * 3 / 4;
    note(format!("the channel signs {answers} answers beforehand"));
    running.sign(format!("answers {answers}")).await?;
    note("phase 1: look-up, order, the channel's answer");
    let max = answers;
    let orders = running.orders(plan.order_seconds, max, PAYERS).await?;
    note("the channel signs the notices");
    running.sign_notices().await?;
    let placed = orders.told["good"].as_u64().unwrap_or(0);
    let reserve = reserve.min(placed / 6);
    note("phase 2: notices");
    let tells = running.tell(0, placed - reserve, PAYERS).await?;
    let each = orders.seconds() / orders.good() + tells.seconds() / tells.good();
    note("half load");
    let half_rate =
        (1.0 / each).min(f64::from(u32::try_from(reserve).unwrap_or(0)) * 2.0 / plan.half_seconds);
    running.sign(format!("answers {reserve}")).await?;
    let half = running
        .half(half_rate, plan.half_seconds, placed - reserve)
        .await?;
    note("one payer alone");
    running.sign(format!("answers {ALONE}")).await?;
    running.sign_notices().await?;
    running.orders(60.0, ALONE, 1).await.map(drop)?;
    running.sign(format!("answers {ALONE}")).await?;
    running.sign_notices().await?;
    let order = running.orders(60.0, ALONE, 1).await?;
    running.sign_notices().await?;
    let notice = running.tell(0, ALONE, 1).await?;
    let alone = (
        order.told["second"]["p50_ms"].as_f64().unwrap_or(0.0),
        notice.told["first"]["p50_ms"].as_f64().unwrap_or(0.0),
        notice.good(),
    );
    Ok((orders, tells, half, alone))
}

/// How many facts the database holds.
async fn facts(database: &Database) -> Result<u64, Exit> {
    let now = crate::edge::system_now();
    let store = Store::open(database, crate::edge::random_bytes(), now);
    let store = store.map_err(Exit::unexpected)?;
    let found = store.query("count_facts", &[]).await;
    store.close();
    let found = found.map_err(Exit::unexpected)?;
    Ok(match found.first().and_then(|row| row.first()) {
        Some(jiaoyi_domain::record::Value::Int(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    })
}

/// Our rows in batches of 128, and the three steps of one payment each flushed alone.
fn rows_floor(floor: &mut Floor, seed: &Database, commands: &[CommandRows]) -> Result<f64, Exit> {
    let payments = commands.len() / 3;
    let count = f64::from(u32::try_from(payments.max(1)).unwrap_or(u32::MAX));
    let rows = floor::rows(seed, commands, 128)?;
    floor.rows_us = rows.cpu_us / count;
    floor.rows_per_payment = rows.count / count;
    let some = &commands[..commands.len().min(600)];
    let alone = floor::rows(seed, some, 1)?;
    let steps = f64::from(u32::try_from(some.len().max(1)).unwrap_or(u32::MAX));
    Ok(alone.wall_us / steps * 3.0 / 1000.0)
}

fn tell(figures: &Figures, as_json: bool, confirm: Option<Value>) {
    let Figures {
        machine,
        floor,
        orders,
        tells,
        half,
        ..
    } = figures;
    let cpu_us = orders.server_us / orders.good() + tells.server_us / tells.good();
    let each_s = orders.seconds() / orders.good() + tells.seconds() / tells.good();
    let floor_us = floor.sum_us();
    let p99 = half.1["first"]["p99_ms"].as_f64().unwrap_or(0.0);
    let of = |phase: &Phase| {
        json!({
            "done": phase.good(), "shed": phase.told["shed"], "failed": phase.told["failed"],
            "instead": phase.told["instead"], "seconds": number(phase.seconds()),
            "per_s": number(phase.good() / phase.seconds()),
            "server_us": number(phase.server_us / phase.good()),
            "database_us": number(phase.database_us / phase.good()),
            "channel_us": number(phase.channel_us / phase.good()),
            "load_us": number(phase.load_us / phase.good()),
            "first": phase.told["first"], "second": phase.told["second"],
        })
    };
    let report = json!({
        "payments_per_s": number(1.0 / each_s),
        "cpu_us_per_payment": number(cpu_us),
        "floor_us": number(floor_us),
        "ratio": ratio(cpu_us / floor_us),
        "p99_confirm_ms": p99,
        "floor": floor,
        "machine": {
            "rsa_signs_per_cpu_s": number(machine.signs_per_cpu_s),
            "flush_ms": ratio(machine.flush_ms), "scale": ratio(machine.scale()),
        },
        "orders": of(orders),
        "notices": of(tells),
        "half_load": { "orders": half.0, "notices": half.1 },
        "alone": {
            "order_ms": figures.alone.0, "notice_ms": figures.alone.1,
            "bare_ms": ratio(figures.alone_bare_ms),
        },
        "channel": figures.counts,
        "memory_mb": { "all": figures.memory.0, "own": figures.memory.1 },
        "confirmations": confirm,
    });
    if as_json {
        print(report);
        return;
    }
    say(&report);
}
