//! `cargo xtask test`: every check in one run.
//!
//! Each step prints one line with its time; its whole output lies in `target/xtask/`. The last
//! line of the run is `N passed, N failed`, summed over all steps, and the exit code follows it.

mod outside;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::Args;

use crate::process::{self, limited, logged};
use crate::{generate, tidy, tools};

#[derive(Args)]
pub struct Options {
    /// Only what needs no outside program: format, lints, rules, Rust tests
    #[arg(long)]
    quick: bool,
    /// Print the steps and stop
    #[arg(long)]
    list: bool,
    /// Only these steps
    only: Vec<String>,
}

/// How many checks passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    passed: usize,
    failed: usize,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    fn one(passed: bool) -> Self {
        Count {
            passed: usize::from(passed),
            failed: usize::from(!passed),
        }
    }
}

/// One step of the run.
struct Step {
    name: &'static str,
    checks: &'static str,
    /// Left out by `--quick`: it needs programs from outside.
    outside: bool,
    /// Steps that come before it even when only this one is asked for.
    needs: &'static [&'static str],
    run: fn(&Log) -> Result<Count>,
}

/// This step only waits for the network most of the time: it begins with the run, beside whatever
/// compiles, and is waited for in its place.
const BESIDE: &str = "tools";

const STEPS: &[Step] = &[
    Step {
        name: "format",
        checks: "rustfmt changes nothing",
        outside: false,
        needs: &[],
        run: format,
    },
    Step {
        name: "clippy",
        checks: "no warning in any target",
        outside: false,
        needs: &[],
        run: clippy,
    },
    Step {
        name: "tidy",
        checks: "textual rules",
        outside: false,
        needs: &[],
        run: rules,
    },
    Step {
        name: "programs",
        checks: "the binary and all examples build",
        outside: false,
        needs: &[],
        run: programs,
    },
    Step {
        name: "generated",
        checks: "generated files are current",
        outside: false,
        needs: &["programs"],
        run: generated,
    },
    Step {
        name: "tools",
        checks: "outside programs are there",
        outside: true,
        needs: &[],
        run: outside_tools,
    },
    Step {
        name: "tests",
        checks: "cargo test of all crates",
        outside: false,
        needs: &["programs"],
        run: rust_tests,
    },
    Step {
        name: "model",
        checks: "queue, gate, budgets and lease under a model checker's scheduler",
        outside: false,
        needs: &[],
        run: model_checks,
    },
    Step {
        name: "postgres",
        checks: "the scenarios of payments and institutions again, on PostgreSQL",
        outside: true,
        needs: &["tools", "programs"],
        run: on_postgres,
    },
    Step {
        name: "checks",
        checks: "other programs on amounts and vouchers",
        outside: true,
        needs: &["tools", "programs"],
        run: checks,
    },
    Step {
        name: "witness",
        checks: "other people's client libraries",
        outside: true,
        needs: &["tools", "programs"],
        run: witness,
    },
    Step {
        name: "browser",
        checks: "a real browser on the pages",
        outside: true,
        needs: &["tools", "programs"],
        run: browser,
    },
];

/// Where a step may write.
struct Log {
    step: &'static str,
}

impl Log {
    fn file(&self, part: &str) -> PathBuf {
        process::target_dir()
            .join("xtask")
            .join(format!("{}{part}.log", self.step))
    }
}

pub fn run(options: &Options) -> Result<bool> {
    if options.list {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.checks);
        }
        return Ok(true);
    }
    let known = |name: &str| STEPS.iter().any(|step| step.name == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        bail!("no step {unknown}; see cargo xtask test --list");
    }
    let chosen = chosen(&options.only, options.quick);
    let begun = Instant::now();
    let mut total = Count::default();
    let mut beside = chosen
        .iter()
        .find(|step| step.name == BESIDE)
        .map(|step| std::thread::spawn(|| timed(step)));
    for step in chosen {
        let begun_before = beside.take_if(|_| step.name == BESIDE);
        let (count, seconds) = match begun_before {
            Some(thread) => thread
                .join()
                .map_err(|_| anyhow!("step {} panicked", step.name))?,
            None => timed(step),
        };
        let word = if count.failed == 0 { "ok" } else { "FAILED" };
        println!(
            "{word:<6} {:<10} {seconds:>6.1} s  {} passed, {} failed",
            step.name, count.passed, count.failed
        );
        total.add(count);
    }
    println!("all steps took {:.0} s", begun.elapsed().as_secs_f32());
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(total.failed == 0)
}

/// Runs a step; its count, and the seconds that it took.
fn timed(step: &Step) -> (Count, f32) {
    let started = Instant::now();
    let count = (step.run)(&Log { step: step.name }).unwrap_or_else(|error| {
        println!("{error:#}");
        Count::one(false)
    });
    (count, started.elapsed().as_secs_f32())
}

/// The steps named, with those that they need; all of them without a name.
fn chosen(only: &[String], quick: bool) -> Vec<&'static Step> {
    let named = |step: &Step| {
        let is = |name: &str| only.iter().any(|named| named == name);
        let by = |other: &Step| is(other.name) && other.needs.contains(&step.name);
        is(step.name) || STEPS.iter().any(by)
    };
    let steps = STEPS.iter();
    steps
        .filter(|step| named(step) || only.is_empty() && !(quick && step.outside))
        .collect()
}

fn format(log: &Log) -> Result<Count> {
    let mut command = limited(300, &process::cargo());
    command.args(["fmt", "--all", "--", "--check"]);
    simple(&mut command, log)
}

fn clippy(log: &Log) -> Result<Count> {
    let mut command = limited(2400, &process::cargo());
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    simple(&mut command, log)
}

fn rules(_log: &Log) -> Result<Count> {
    let mut count = Count::default();
    for outcome in tidy::check()? {
        for line in outcome.lines() {
            println!("{line}");
        }
        count.add(Count::one(!outcome.fails));
    }
    Ok(count)
}

fn generated(_log: &Log) -> Result<Count> {
    let stale = generate::stale()?;
    for file in &stale {
        println!("{file}: not up to date; run cargo xtask gen");
    }
    let passed = generate::checked_count().saturating_sub(stale.len());
    Ok(Count {
        passed,
        failed: stale.len(),
    })
}

/// The scenarios that do not run again on PostgreSQL; all others do.
const NOT_ON_POSTGRES: &[&str] = &[
    // They start the program and servers of their own, on whichever database they are about.
    "robust::",
    // Their store is a model of one: there is no engine behind it that could be another.
    "sim::",
    // Reads the list of bugs that can be planted; no database is opened.
    "planted::",
];

/// How many scenarios run at once there. Most of their time they wait for sockets and commits, so
/// more of them than processors take half the time.
const AT_ONCE_ON_POSTGRES: &str = "--test-threads=4";

fn rust_tests(log: &Log) -> Result<Count> {
    let mut command = limited(3000, &process::cargo());
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    cargo_test(&mut command, log)
}

fn on_postgres(log: &Log) -> Result<Count> {
    let mut command = limited(1200, &process::cargo());
    // With the features of the whole workspace, for which everything is compiled already. The tests
    // of the store, which are called the same, ask both engines by themselves.
    command.args(["test", "--workspace", "--exclude", "jiaoyi-store"]);
    command.args(["--locked", "--test", "it", "--", AT_ONCE_ON_POSTGRES]);
    for scenarios in NOT_ON_POSTGRES {
        command.args(["--skip", scenarios]);
    }
    command.env("JIAOYI_TEST_ENGINE", "postgres");
    cargo_test(&mut command, log)
}

/// What threads share, with a model checker's types in place of the standard library's.
fn model_checks(log: &Log) -> Result<Count> {
    let mut command = limited(1200, &process::cargo());
    command.args(["test", "--locked", "--lib", "--no-fail-fast"]);
    command.args(["-p", "jiaoyi-store", "-p", "jiaoyi-app"]);
    command.args(["--features", "jiaoyi-store/model,jiaoyi-app/model"]);
    command.args(["--", "model"]);
    cargo_test(&mut command, log)
}

fn cargo_test(command: &mut std::process::Command, log: &Log) -> Result<Count> {
    // Tests that start the program would build it otherwise, with other features.
    command.env("JIAOYI_BIN", process::binary());
    let (status, said) = logged(command, &log.file(""))?;
    let mut count = cargo_test_count(&said);
    if !status.success() {
        print_failure(&said, log, "");
        // A crate that does not compile has no failed test to count.
        count.failed = count.failed.max(1);
    }
    Ok(count)
}

fn outside_tools(log: &Log) -> Result<Count> {
    tools::ensure(&log.file(""))?;
    Ok(Count::one(true))
}

/// Runs one command that passes or fails as a whole.
fn simple(command: &mut std::process::Command, log: &Log) -> Result<Count> {
    let (status, said) = logged(command, &log.file(""))?;
    if !status.success() {
        print_failure(&said, log, "");
    }
    Ok(Count::one(status.success()))
}

fn print_failure(said: &str, log: &Log, part: &str) {
    let telling: Vec<&str> = said.lines().filter(|line| !is_routine(line)).collect();
    println!("{}", tools::last_lines(&telling.join("\n"), 120));
    println!("the whole output: {}", log.file(part).display());
}

fn programs(log: &Log) -> Result<Count> {
    simple(&mut process::build_programs(), log)
}

/// Runs one script of ours with a demo of its own, after building what it needs.
pub fn script_with_demo(script: &str) -> Result<()> {
    let log = Log { step: "gen" };
    tools::ensure(&log.file("-tools"))?;
    process::must(&mut process::build_programs())?;
    let count = outside::run_script(&process::root().join(script), &log)?;
    if count.failed > 0 {
        bail!("{script} failed");
    }
    Ok(())
}

fn checks(log: &Log) -> Result<Count> {
    outside::scripts("xtask/checks", log)
}

fn witness(log: &Log) -> Result<Count> {
    outside::scripts("crates/jiaoyi-tests/witness", log)
}

fn browser(log: &Log) -> Result<Count> {
    outside::browser(log)
}

/// Lines that only say that something went as expected.
fn is_routine(line: &str) -> bool {
    let starts = [
        "Compiling ",
        "Checking ",
        "Blocking ",
        "Running ",
        "Doc-tests ",
        "running ",
    ];
    let text = line.trim_start();
    text.is_empty() || text.ends_with("... ok") || starts.iter().any(|word| text.starts_with(word))
}

/// Sums the `test result:` lines of `cargo test`.
fn cargo_test_count(said: &str) -> Count {
    let mut total = Count::default();
    for line in said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("test result: "))
    {
        let number_before = |word: &str| -> usize {
            let words: Vec<&str> = line
                .split([' ', ';', '.'])
                .filter(|w| !w.is_empty())
                .collect();
            let pair = words.windows(2).find(|pair| pair[1] == word);
            pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
        };
        total.add(Count {
            passed: number_before("passed"),
            failed: number_before("failed"),
        });
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_brings_what_it_needs() {
        let names = |only: &[&str], quick| -> Vec<&str> {
            let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
            let steps = chosen(&only, quick).into_iter();
            steps.map(|step| step.name).collect()
        };
        assert_eq!(names(&["tidy"], false), ["tidy"]);
        assert_eq!(names(&["browser"], false), ["programs", "tools", "browser"]);
        assert_eq!(names(&[], false).len(), STEPS.len());
        assert!(!names(&[], true).contains(&"tools"));
    }

    #[test]
    fn cargo_test_results_are_summed() {
        let said = "running 2 tests\n\
            test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; finished in 0.00s\n\
            test result: FAILED. 10 passed; 3 failed; 0 ignored; 0 measured\n\
            nothing passed; here\n";
        assert_eq!(
            cargo_test_count(said),
            Count {
                passed: 12,
                failed: 3
            }
        );
    }
}
