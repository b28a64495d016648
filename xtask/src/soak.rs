//! Long runs: the robustness tests at their full length, with release builds of everything.
//!
//! The code is the tests' own (crates/jiaoyi-tests/tests/it/robust); `cargo xtask test` runs the
//! short forms.

use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{process, tools};

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask soak kill --kills 30\n  \
                  cargo xtask soak kill --engine postgres --kills 30\n  \
                  cargo xtask soak power --cuts 500\n  \
                  cargo xtask soak power --engine postgres --cuts 100 --rate 10\n  \
                  cargo xtask soak illness --cuts 100\n  \
                  cargo xtask soak illness --engine postgres --cuts 20 --rate 10\n  \
                  cargo xtask soak disk\n  \
                  cargo xtask soak disk --engine postgres --times 4 --rate 10\n  \
                  cargo xtask soak standby --times 20\n  \
                  cargo xtask soak race --dues 2000\n  cargo xtask soak timing\n  \
                  cargo xtask soak notices --orders 10000\n  cargo xtask soak orders --orders 20000\n  \
                  cargo xtask soak contested --engine postgres --dues 2000\n  \
                  cargo xtask soak reversals --dues 2000\n  \
                  cargo xtask soak import --rows 1000000 --form gbk\n  \
                  cargo xtask soak api --cases 20000\n  \
                  cargo xtask soak xml --cases 5000000\n  \
                  cargo xtask soak sim --seeds 100000 --first 1")]
pub struct Options {
    /// kill, power, illness, disk, standby, race, notices, orders, contested, reversals, timing, canary,
    /// import, meanwhile, api, xml or sim, and its options
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// `cargo xtask soak`.
pub fn run(options: &Options) -> Result<bool> {
    if let Some((name, rest)) = options.words.split_first() {
        match name.as_str() {
            "api" => return api(cases(name, rest, 20_000)?),
            "xml" => return xml(cases(name, rest, 5_000_000)?),
            _ => {}
        }
    }
    // The simulator starts no program.
    if options.words.first().is_none_or(|word| word != "sim") {
        build()?;
    }
    let run = [
        "run",
        "--release",
        "--package",
        "jiaoyi-tests",
        "--example",
        "soak",
        "--",
    ];
    let status = Command::new(process::cargo())
        .args(run)
        .args(&options.words)
        .env("JIAOYI_BIN", process::target_dir().join("release/jiaoyi"))
        .current_dir(process::root())
        .status()?;
    Ok(status.success())
}

/// Builds the program under test.
fn build() -> Result<()> {
    let build = ["build", "--release", "--package", "jiaoyi"];
    process::must(
        Command::new(process::cargo())
            .args(build)
            .current_dir(process::root()),
    )
}

/// How many cases are asked for.
fn cases(what: &str, options: &[String], otherwise: u32) -> Result<u32> {
    match options {
        [] => Ok(otherwise),
        [name, cases] if name == "--cases" => cases.parse().context("--cases"),
        _ => bail!("soak {what} takes --cases N and nothing else"),
    }
}

/// Documents changed here and there, for the reader of the biller API's XML; `cargo xtask test` tries 256.
fn xml(cases: u32) -> Result<bool> {
    let test = "xml::tests::a_changed_document_is_refused_or_one_call";
    let run = ["test", "--release", "--package", "jiaoyi-web", "--lib"];
    let status = Command::new(process::cargo())
        .args(run)
        .args([test, "--", "--exact"])
        .env("PROPTEST_CASES", cases.to_string())
        .current_dir(process::root())
        .status()?;
    Ok(status.success())
}

/// Seconds that requests may be made up for.
const API_LIMIT_S: u32 = 4 * 3600;

/// Requests that schemathesis makes up from the biller API's document; `cargo xtask test` sends 500.
fn api(cases: u32) -> Result<bool> {
    build()?;
    let folder = process::target_dir().join("xtask/soak-api");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    tools::ensure_venv(&folder.join("tools.log"))?;
    let mut run = process::limited(API_LIMIT_S, &tools::python().display().to_string());
    run.arg("crates/jiaoyi-tests/witness/schemathesis_witness.py")
        .env("JIAOYI_BIN", process::target_dir().join("release/jiaoyi"))
        .env("JIAOYI_TMP", &folder)
        .env("API_CASES", cases.to_string());
    Ok(run.status()?.success())
}
