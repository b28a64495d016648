//! Twelve bugs, planted one after the other: for each, the part of the suite that has to fail.
//!
//! The programs are built once with the feature `planted` into a folder of their own, so that no
//! other build ever holds one of them. The control is the same suite without a bug: it must pass.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::process;

#[derive(Args)]
pub struct Options {
    /// Only these bugs; `none` is the control
    only: Vec<String>,
}

/// What has to notice a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Catcher {
    Simulator,
    PowerCut,
    Strangers,
    Indexes,
}

/// Every bug by its name in the domain, and who has to notice it.
const BUGS: [(&str, Catcher); 12] = [
    ("ack-before-commit", Catcher::Simulator),
    ("no-amount-check", Catcher::Simulator),
    ("unique-index-dropped", Catcher::Indexes),
    ("retry-with-new-number", Catcher::Simulator),
    ("late-success-dropped", Catcher::Simulator),
    ("refund-not-idempotent", Catcher::Simulator),
    ("fsync-off", Catcher::PowerCut),
    ("timer-from-wall-clock", Catcher::Simulator),
    ("owner-check-missing", Catcher::Strangers),
    ("voucher-number-reused", Catcher::Simulator),
    ("audit-outside-transaction", Catcher::Simulator),
    ("outbox-after-commit", Catcher::Simulator),
];

/// The control.
const NONE: &str = "none";

const FEATURES: &str = "jiaoyi/planted,jiaoyi-tests/planted";

impl Catcher {
    const ALL: [Catcher; 4] = [
        Catcher::Indexes,
        Catcher::Strangers,
        Catcher::PowerCut,
        Catcher::Simulator,
    ];

    const fn words(self) -> &'static str {
        match self {
            Catcher::Simulator => "simulator",
            Catcher::PowerCut => "power cuts",
            Catcher::Strangers => "strangers at an order",
            Catcher::Indexes => "unique indexes",
        }
    }

    /// The command that passes without a bug.
    fn command(self) -> Command {
        let it =
            |name: &'static str| cargo(&["test", "--workspace", "--test", "it", name], FEATURES);
        match self {
            Catcher::Simulator => {
                // More seeds than the tests play: a bug that only a few meet must be met surely.
                let mut command = Command::new(folder().join("debug/examples/soak"));
                command.args(["sim", "--seeds", "1000"]);
                command
            }
            Catcher::PowerCut => it("nothing_that_was_told_is_lost_with_the_power"),
            Catcher::Strangers => it("strangers_cannot_cancel"),
            Catcher::Indexes => {
                let words = [
                    "test",
                    "-p",
                    "jiaoyi-store",
                    "--lib",
                    "what_must_be_unique_is",
                ];
                cargo(&words, "jiaoyi-store/planted")
            }
        }
    }
}

fn folder() -> std::path::PathBuf {
    process::target_dir().join("planted")
}

fn cargo(words: &[&str], features: &str) -> Command {
    let mut command = Command::new(process::cargo());
    command
        .args(&words[..1])
        .args(["--locked", "--features", features, "--target-dir"])
        .arg(folder())
        .args(&words[1..])
        .env("JIAOYI_BIN", folder().join("debug/jiaoyi"));
    command
}

/// Runs a part of the suite with a bug; whether it passed, and in how many seconds.
fn passes(catcher: Catcher, bug: &str) -> Result<(bool, u64)> {
    let log = process::target_dir().join(format!("xtask/planted-{bug}.log"));
    let mut command = catcher.command();
    command
        .env("JIAOYI_PLANTED", bug)
        .env("RUST_BACKTRACE", "0")
        .current_dir(process::root());
    let begun = Instant::now();
    let (status, _) = process::logged(&mut command, &log)?;
    Ok((status.success(), begun.elapsed().as_secs()))
}

/// `cargo xtask planted`.
pub fn run(options: &Options) -> Result<bool> {
    let known = |name: &str| name == NONE || BUGS.iter().any(|(bug, _)| *bug == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        bail!("no bug {unknown}");
    }
    let asked = |name: &str| options.only.is_empty() || options.only.iter().any(|it| it == name);
    let programs = ["--bin", "jiaoyi", "--example", "soak", "--test", "it"];
    let words = [&["build", "--workspace"][..], &programs[..]].concat();
    process::must(cargo(&words, FEATURES).current_dir(process::root()))?;
    let mut good = true;
    println!("| bug | caught by | time |\n|---|---|---|");
    for catcher in Catcher::ALL.into_iter().filter(|_| asked(NONE)) {
        let (passed, seconds) = passes(catcher, NONE)?;
        good &= passed;
        let outcome = if passed { "passes" } else { "**FAILS**" };
        println!("| none | {} {outcome} | {seconds} s |", catcher.words());
    }
    let (mut caught, mut planted) = (0, 0);
    for (bug, catcher) in BUGS.into_iter().filter(|(bug, _)| asked(bug)) {
        let (passed, seconds) = passes(catcher, bug)?;
        planted += 1;
        caught += usize::from(!passed);
        let by = if passed {
            "**nobody**"
        } else {
            catcher.words()
        };
        println!("| {bug} | {by} | {seconds} s |");
    }
    println!("{caught} of {planted} planted bugs were caught");
    Ok(good && caught == planted)
}
