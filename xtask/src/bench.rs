//! Measurements: release builds of what is measured, run one after the other.
//!
//! Every figure in docs/measurements.md names one of these commands.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{self, Server};
use crate::roster_file;

/// One measurement.
struct Bench {
    name: &'static str,
    measures: &'static str,
    run: fn() -> Result<()>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "import",
        measures: "a roster of 1,000,000 csv rows: time, and memory for 100,000 and 1,000,000",
        run: import,
    },
    Bench {
        name: "voucher",
        measures: "size and processor time of a voucher's PDF and PNG",
        run: voucher,
    },
];

#[derive(Args)]
pub struct Options {
    /// Print the measurements there are and stop
    #[arg(long)]
    list: bool,
    /// Which one; all of them without a name
    names: Vec<String>,
}

pub fn run(options: &Options) -> Result<bool> {
    if options.list {
        for bench in BENCHES {
            println!("{:<10} {}", bench.name, bench.measures);
        }
        return Ok(true);
    }
    let known = |name: &str| BENCHES.iter().any(|bench| bench.name == name);
    if let Some(unknown) = options.names.iter().find(|name| !known(name)) {
        bail!("no measurement {unknown}; see cargo xtask bench --list");
    }
    let chosen = |bench: &&Bench| {
        options.names.is_empty() || options.names.iter().any(|name| name == bench.name)
    };
    for bench in BENCHES.iter().filter(chosen) {
        println!("bench {}: {}", bench.name, bench.measures);
        (bench.run)()?;
    }
    Ok(true)
}

fn release(arguments: &[&str]) -> Command {
    let mut command = Command::new(process::cargo());
    command
        .arg(arguments[0])
        .arg("--release")
        .args(&arguments[1..]);
    command.current_dir(process::root());
    command
}

fn voucher() -> Result<()> {
    let folder = process::target_dir().join("xtask/vouchers");
    std::fs::create_dir_all(&folder).context("make a folder")?;
    let mut command = release(&[
        "run",
        "--package",
        "jiaoyi-documents",
        "--example",
        "voucher",
    ]);
    process::must(command.arg("--").arg(&folder))
}

/// Imports rosters of two lengths, each into a fresh demo database, as an operator would.
fn import() -> Result<()> {
    process::must(&mut release(&["build", "--package", "jiaoyi"]))?;
    let binary = process::target_dir().join("release/jiaoyi");
    println!("| rows | seconds | rows/s | most memory, MiB |\n|---|---|---|---|");
    for rows in [100_000_u32, 1_000_000] {
        let folder = process::target_dir().join(format!("xtask/import-{rows}"));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).context("empty the folder")?;
        }
        std::fs::create_dir_all(&folder).context("make the folder")?;
        installation(&binary, &folder)?;
        let file = folder.join("roster-of-measurement.csv");
        roster_file::write(&file, usize::try_from(rows)?, "990101")?;
        let mut command = process::limited(3600, &binary.display().to_string());
        command.args(["import", "roster", "--json", "--all-or-nothing", "--config"]);
        command.arg(folder.join("jiaoyi.toml")).arg(&file);
        let started = Instant::now();
        let kib = watched(&mut command, &folder.join("import.json"))?;
        let seconds = started.elapsed().as_millis() / 1000;
        let rate = u128::from(rows) / seconds.max(1);
        println!("| {rows} | {seconds} | {rate} | {} |", kib / 1024);
    }
    Ok(())
}

/// An installation with the demo's policies and keys: the data of a demo that was stopped.
fn installation(binary: &Path, folder: &Path) -> Result<()> {
    let data = folder.join("data").display().to_string();
    let arguments = [
        "demo", "--port", "0", "--people", "10", "--data", &data, "--json",
    ];
    let (demo, _) = Server::start(binary, &arguments, &folder.join("demo.log"), 60)?;
    drop(demo);
    let config = "database_url = \"sqlite:data/jiaoyi.db\"\n\
        public_url = \"http://127.0.0.1:8080\"\n\
        issuer = \"演示\"\n\
        keys = \"data/keys.toml\"\n\
        channels = \"channels.toml\"\n\
        demo = true\n";
    let none = "# No channel: an import needs none.\n";
    std::fs::write(folder.join("channels.toml"), none).context("write the channels")?;
    std::fs::write(folder.join("jiaoyi.toml"), config).context("write the configuration")
}

/// Runs a command with its output in `log`; the most memory that it and its children held, in KiB.
fn watched(command: &mut Command, log: &Path) -> Result<u64> {
    let output = File::create(log).context("write the log")?;
    let mut child = command.stdout(output).spawn().context("start the import")?;
    let id = child.id();
    let mut most = 0;
    let (_keep, tick) = mpsc::channel::<()>();
    loop {
        if let Some(status) = child.try_wait().context("wait for the import")? {
            if !status.success() {
                bail!("the import ended with {status}; see {}", log.display());
            }
            return Ok(most);
        }
        most = most.max(peak_kib(id));
        // Nothing is ever sent: this only waits.
        let _ = tick.recv_timeout(Duration::from_millis(100));
    }
}

/// The peak of the process `id` and of its first child, which `timeout` starts.
fn peak_kib(id: u32) -> u64 {
    let read = |file: String| std::fs::read_to_string(file).unwrap_or_default();
    let peak = |id: &str| {
        let status = read(format!("/proc/{id}/status"));
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:").map(str::to_owned));
        line.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok())
            .unwrap_or(0)
    };
    let children = read(format!("/proc/{id}/task/{id}/children"));
    children
        .split_whitespace()
        .map(peak)
        .chain([peak(&id.to_string())])
        .max()
        .unwrap_or(0)
}
