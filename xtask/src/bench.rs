//! Measurements: release builds of what is measured, run one after the other.
//!
//! Every figure in docs/measurements.md names one of these commands.

use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::process;

/// One measurement.
struct Bench {
    name: &'static str,
    measures: &'static str,
    /// A cargo command that builds in release and prints figures.
    command: &'static [&'static str],
}

const BENCHES: &[Bench] = &[Bench {
    name: "voucher",
    measures: "size and processor time of a voucher's PDF and PNG",
    command: &[
        "run",
        "--release",
        "--package",
        "jiaoyi-documents",
        "--example",
        "voucher",
        "--",
        "target/xtask/vouchers",
    ],
}];

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
    std::fs::create_dir_all(process::root().join("target/xtask/vouchers"))?;
    for bench in BENCHES.iter().filter(chosen) {
        println!("bench {}: {}", bench.name, bench.measures);
        let mut command = Command::new(process::cargo());
        process::must(command.args(bench.command).current_dir(process::root()))?;
    }
    Ok(true)
}
