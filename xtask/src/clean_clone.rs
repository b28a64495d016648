//! What a stranger does first: clone, build, start the demo, pay once. Timed.
//!
//! The clone comes from this repository and the downloaded crates from cargo's own cache, so the
//! figures are those of building and starting, not of somebody's network.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::process::{self, Server, limited};

#[derive(Args)]
pub struct Options {
    /// Keep the clone instead of removing it
    #[arg(long)]
    keep: bool,
}

/// The folder of the clone, removed when this value goes.
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

pub fn run(options: &Options) -> Result<bool> {
    let path = std::env::temp_dir().join(format!("jiaoyi-clone-{}", std::process::id()));
    let folder = Folder {
        path,
        keep: options.keep,
    };
    let start = Instant::now();
    let mut clone = limited(600, "git");
    clone.args(["clone", "--quiet", "."]).arg(&folder.path);
    process::must(&mut clone)?;
    let cloned = start.elapsed();

    let mut build = limited(3600, &process::cargo());
    build
        .args(["build", "--release", "--locked"])
        .current_dir(&folder.path)
        .env("CARGO_TARGET_DIR", folder.path.join("target"));
    process::must(&mut build)?;
    let built = start.elapsed();

    let binary = folder.path.join("target/release/jiaoyi");
    let from_binary = Instant::now();
    let paid = pay_once(&binary, &folder.path)?;
    let figures = [
        ("clone", cloned.as_secs_f32()),
        (
            "build --release",
            built.saturating_sub(cloned).as_secs_f32(),
        ),
        (
            "from the binary to the first voucher",
            from_binary.elapsed().as_secs_f32(),
        ),
        (
            "from the clone to the first voucher",
            start.elapsed().as_secs_f32(),
        ),
    ];
    println!("| step | seconds |\n|---|---|");
    for (what, seconds) in figures {
        println!("| {what} | {seconds:.1} |");
    }
    println!("paid: {paid}");
    Ok(true)
}

/// Starts the demo, lets its scripted payer pay once and gives what that printed.
fn pay_once(binary: &Path, folder: &Path) -> Result<String> {
    let data = folder.join("demo-data").display().to_string();
    let arguments = ["demo", "--port", "0", "--data", &data, "--json"];
    let (_demo, line) = Server::start(binary, &arguments, &folder.join("demo.log"), 60)?;
    let ready: Value = serde_json::from_str(&line).context("the demo's first line")?;
    let portal = ready["portal"]
        .as_str()
        .context("portal in the demo's first line")?;
    let mut pay = Command::new(binary);
    pay.args(["demo", "pay", "--base-url", portal, "--json"]);
    Ok(process::output_of(&mut pay)?.trim().to_owned())
}
