//! The long forms of the robustness tests, and the figures of imports. Started by `cargo xtask soak`.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool speaks on its standard output"
)]

#[path = "../../jiaoyi-store/tests/it/cluster.rs"]
mod cluster;
#[path = "../tests/it/harness/mod.rs"]
#[allow(dead_code, unused_imports, reason = "scenarios need more than a race")]
mod harness;
#[path = "../tests/it/races.rs"]
mod races;
#[path = "../tests/it/robust/mod.rs"]
mod robust;
#[path = "../tests/it/sim/mod.rs"]
mod sim;

use anyhow::{Context, Result, bail, ensure};
use robust::campaign::{Engine, Table, contested, notices, orders, reversals};
use robust::ordeal::Under;
use robust::payers::Acts;
use robust::people::Form;
use robust::{canary, kill, load, power, standby, starved, timing};
use std::time::Duration;

const USAGE: &str = "soak kill [--engine sqlite|postgres] [--kills N] [--rate N] [--seed N]\n\
                     soak power [--engine sqlite|postgres] [--cuts N] [--rate N] [--seed N]\n\
                     soak illness [--engine sqlite|postgres] [--cuts N] [--rate N] [--seed N]\n\
                     soak disk [--engine sqlite|postgres] [--times N] [--rate N] [--seed N]\n\
                     soak standby [--times N] [--rate N] [--seed N]\n\
                     soak race [--dues N]\n\
                     soak notices [--engine sqlite|postgres] [--orders N] [--wave N] [--seed N]\n\
                     soak orders [--engine sqlite|postgres] [--orders N] [--seed N]\n\
                     soak contested [--engine sqlite|postgres] [--dues N] [--institutions N] [--seed N]\n\
                     soak reversals [--engine sqlite|postgres] [--dues N] [--rounds N] [--seed N]\n\
                     soak timing [--rounds N] [--seed N]\n\
                     soak canary\n\
                     soak import [--rows N] [--form utf8|gbk|xlsx]\n\
                     soak meanwhile [--rows N] [--rate N]\n\
                     soak sim [--seeds N] [--first N] [--trace]";

/// The value behind an option, or what holds without it.
fn option<T: std::str::FromStr>(words: &[String], name: &str, otherwise: T) -> Result<T> {
    let Some(place) = words.iter().position(|word| word == name) else {
        return Ok(otherwise);
    };
    let value = words.get(place + 1).context("an option without a value")?;
    let value = value.parse().ok();
    value.with_context(|| format!("{name}: not a value it takes"))
}

/// Whether a run takes every option that it was given: one that is misspelt would silently run
/// something else than what is reported.
fn are_known(words: &[String]) -> bool {
    let what = words.first().map(String::as_str).unwrap_or_default();
    let line = USAGE.lines().map(str::trim);
    let line = line.filter_map(|line| line.strip_prefix("soak ")?.strip_prefix(what));
    let taken: Vec<&str> = line.flat_map(|rest| rest.split([' ', '[', ']'])).collect();
    let mut given = words.iter().filter(|word| word.starts_with("--"));
    given.all(|word| taken.contains(&word.as_str()))
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    ensure!(are_known(&words), "{USAGE}");
    let seed = option(&words, "--seed", 20_261_122)?;
    match words.first().map(String::as_str) {
        Some("kill") => {
            let under = match option(&words, "--engine", Engine::Sqlite)? {
                Engine::Sqlite => Under::Nothing,
                Engine::Postgres => Under::Server,
            };
            let outcome = kill::kill_loop(kill::Plan {
                kills: option(&words, "--kills", 30)?,
                under,
                acts: Acts::Any,
                payers_per_second: option(&words, "--rate", 50)?,
                kill_after_ms_max: 2_000,
                seed,
                // Beside a server the portal is away for most of the run: what was told and asked in
                // vain then comes again after 10 and 20 minutes.
                settle: match under {
                    Under::Server => Duration::from_secs(45 * 60),
                    _ => SETTLES_WITHIN,
                },
            })
            .await?;
            println!("{outcome}");
            let most = outcome.restarts_ms.last().copied().unwrap_or(0);
            let most_allowed = if under == Under::Server {
                10_000
            } else {
                3_000
            };
            ensure!(
                most <= most_allowed,
                "a restart took {most} ms, more than {most_allowed} ms"
            );
        }
        Some(what @ ("power" | "illness")) => {
            let under = disk_under(&words)?;
            println!(
                "a disk that lies: found out after {} cuts",
                power::control(under, 20, seed).await?
            );
            let outcome = power::power_loop(power::Plan {
                under,
                cuts: option(&words, "--cuts", 500)?,
                payers_per_second: option(&words, "--rate", 50)?,
                cut_after_ms_max: 2_000,
                fail_every_max: match (what, under) {
                    ("power", _) => 0,
                    (_, Under::Shim) => 40,
                    _ => 200,
                },
                acts: Acts::Any,
                seed,
                settle: Duration::from_secs(900),
            })
            .await?;
            println!("{outcome}");
        }
        Some("disk") => {
            let under = disk_under(&words)?;
            let plan = starved::Plan {
                under,
                times: option(&words, "--times", 20)?,
                each: Duration::from_secs(5),
                payers_per_second: option(&words, "--rate", 50)?,
                seed,
                settle: Duration::from_secs(900),
            };
            println!("{}", starved::full(plan).await?);
            if under == Under::Shim {
                println!("{}", starved::handles(plan).await?);
            }
        }
        Some("standby") => {
            println!(
                "a server that waits for nobody: found out after it was lost {} times",
                standby::control(10, seed).await?
            );
            let outcome = standby::standby_loop(standby::Plan {
                times: option(&words, "--times", 20)?,
                payers_per_second: option(&words, "--rate", 20)?,
                acts: Acts::Any,
                seed,
                settle: SETTLES_WITHIN,
            })
            .await?;
            println!("{outcome}");
            let most = outcome.restarts_ms.last().copied().unwrap_or(0);
            ensure!(most <= 30_000, "the standby took over after {most} ms");
        }
        Some("race") => {
            let dues = option(&words, "--dues", 2_000)?;
            let paid = races::race(dues).await;
            println!("{dues} dues, {paid} payments: one of each due counts, all others went back");
        }
        Some(what @ ("notices" | "orders" | "contested" | "reversals")) => {
            println!("{}", campaign(what, &words, seed).await?);
        }
        Some("timing") => {
            let rounds = option(&words, "--rounds", 5_000)?;
            let (honest, control) = timing::both("soak-timing", rounds, seed).await?;
            println!("portal\n{honest}control that answers early\n{control}");
            ensure!(
                honest.largest() < 500,
                "a kind of miss can be told by its time"
            );
            ensure!(control.largest() >= 500, "the control was not noticed");
        }
        Some("canary") => {
            let outcome = canary::canary().await?;
            println!("{outcome}");
            ensure!(outcome.found.is_empty(), "personal data was found");
        }
        Some("import") => {
            let form = match option(&words, "--form", "utf8".to_owned())?.as_str() {
                "utf8" => Form::Utf8,
                "gbk" => Form::Gbk,
                "xlsx" => Form::Xlsx,
                _ => bail!("{USAGE}"),
            };
            let rows = option(&words, "--rows", 1_000_000)?;
            println!("{}", load::import(rows, form).await?);
        }
        // On a thread of its own: within this runtime tasks are made to yield to its other tasks.
        Some("sim") => {
            let (first, seeds) = (
                option(&words, "--first", 1)?,
                option(&words, "--seeds", 100_000)?,
            );
            let trace = words.iter().any(|word| word == "--trace");
            let played = std::thread::spawn(move || simulate(first, seeds, trace));
            played.join().ok().context("the simulator panicked")??;
        }
        Some("meanwhile") => {
            let rows = option(&words, "--rows", 300_000)?;
            let rate = option(&words, "--rate", 50)?;
            let (alone, during) = load::meanwhile(rows, rate, 1_000).await?;
            for (name, times) in [("alone", &alone), ("during an import", &during)] {
                let (middle, p99) = (times.quantile(500), times.quantile(990));
                println!("{name}: start of a payment p50 {middle} us, p99 {p99} us");
            }
            let ratio = during.quantile(990) * 100 / alone.quantile(990).max(1);
            println!("p99 ratio {}.{:02}", ratio / 100, ratio % 100);
            ensure!(ratio <= 300, "payers wait more than three times as long");
        }
        _ => bail!("{USAGE}"),
    }
    Ok(())
}

/// The disk that can fail, under the engine that is named.
fn disk_under(words: &[String]) -> Result<Under> {
    Ok(match option(words, "--engine", Engine::Sqlite)? {
        Engine::Sqlite => Under::Shim,
        Engine::Postgres => Under::ServerOnShim,
    })
}

/// How long a campaign may take to settle.
const SETTLES_WITHIN: Duration = Duration::from_secs(900);

/// One of the campaigns, at its full length unless it is told otherwise.
async fn campaign(what: &str, words: &[String], seed: u64) -> Result<Table> {
    let begun = std::time::Instant::now();
    let say = move |line: String| println!("{:>6} s  {line}", begun.elapsed().as_secs());
    let engine = option(words, "--engine", Engine::Sqlite)?;
    println!("{what} on {engine:?}, seed {seed}");
    match what {
        "notices" => {
            let plan = notices::Plan {
                engine,
                orders: option(words, "--orders", 10_000)?,
                wave: option(words, "--wave", 1_000)?,
                seed,
                settle: SETTLES_WITHIN,
            };
            Ok(notices::storm(plan, &say).await?.1)
        }
        "orders" => {
            let plan = orders::Plan {
                engine,
                orders: option(words, "--orders", 20_000)?,
                seed,
            };
            orders::troubled(plan, &say).await
        }
        "contested" => {
            let plan = contested::Plan {
                engine,
                dues: option(words, "--dues", 2_000)?,
                institutions: option(words, "--institutions", 16)?,
                seed,
                settle: SETTLES_WITHIN,
            };
            contested::contests(plan, &say).await
        }
        _ => {
            let plan = reversals::Plan {
                engine,
                dues: option(words, "--dues", 2_000)?,
                rounds: option(words, "--rounds", 3)?,
                institutions: option(words, "--institutions", 8)?,
                seed,
                settle: SETTLES_WITHIN,
            };
            reversals::storms(plan, &say).await
        }
    }
}

/// Plays seeds of the simulator; with `trace` what happened in each is printed.
fn simulate(first: u64, seeds: u64, trace: bool) -> Result<()> {
    if trace {
        for seed in first..first + seeds {
            let outcome = sim::play(seed);
            println!("{}", outcome.trace.join("\n"));
            let digest: String = outcome.digest.iter().map(|b| format!("{b:02x}")).collect();
            println!("seed {seed}: {digest}");
            ensure!(outcome.broken.is_empty(), "{}", outcome.broken.join("\n"));
        }
        return Ok(());
    }
    let begun = std::time::Instant::now();
    let summary = sim::play_many(first, seeds, &|done| {
        if done.is_multiple_of(1_000) {
            println!("{done} seeds in {} s", begun.elapsed().as_secs());
        }
    });
    for (what, count) in &summary.seen {
        println!("{count:>9} {what:?}");
    }
    for what in summary.unseen() {
        println!("    never {what:?}");
    }
    println!("{} seeds in {} s", summary.seeds, begun.elapsed().as_secs());
    if let Some(failed) = summary.failed.first() {
        bail!(
            "{} seeds failed\n{}",
            summary.failed.len(),
            failed.complaint()
        );
    }
    Ok(())
}
