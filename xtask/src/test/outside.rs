//! Checks by programs that others wrote: real client libraries, a real browser, other decoders.
//!
//! A script that asks for a demo gets one of its own, started for it and stopped after it. It learns
//! from the environment where things are:
//!
//! | variable | value |
//! |---|---|
//! | `JIAOYI_DEMO` | the demo's ready line, one JSON object |
//! | `JIAOYI_PORTAL`, `JIAOYI_SANDBOX`, `JIAOYI_SMS`, `JIAOYI_KEYS` | addresses from that line |
//! | `JIAOYI_DATA` | the demo's data folder, with the identities of both sides |
//! | `SANDBOX_URL`, `IDENTITY_DIR` | a sandbox alone, and the identities of both its sides |
//! | `WITNESS_NODE_DIR` | the same as `JIAOYI_TOOLS` |
//! | `WITNESS_ALONE_DIR` | the folder of the Python packages that cannot stand beside others |
//! | `JIAOYI_GALLERY` | a server of every page in every state, from sample views |
//! | `JIAOYI_BIN` | the binary under test |
//! | `JIAOYI_TMP` | a folder for the script's own files |
//! | `JIAOYI_TOOLS` | the folder whose `node_modules` holds the npm packages |
//! | `CHROMIUM`, `CHROME_PATH` | the browser |
//!
//! The browser checks are modules of one program, `run.mjs`, which says itself what it wants.
//!
//! A script ends with exit code 0 when all is well. When it says `N passed, N failed` these numbers
//! are counted, otherwise its lines that begin with `ok `, otherwise the script as one check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Count, Log, print_failure};
use crate::process::{self, Server, limited, logged};
use crate::tools;

/// Seconds that one script may take.
const SCRIPT_LIMIT_S: u32 = 900;
/// Seconds until a demo must have said that it is ready.
const READY_LIMIT_S: u64 = 60;

/// A demo with a data folder of its own.
pub struct Demo {
    _server: Server,
    /// The ready line.
    pub line: String,
    pub ready: Value,
    pub data: PathBuf,
}

impl Demo {
    /// Starts a demo whose files lie in `folder`, which is emptied first.
    pub fn start(folder: &Path) -> Result<Self> {
        let data = folder.join("data");
        remove(&data)?;
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let place = data.display().to_string();
        let arguments = ["demo", "--port", "0", "--data", &place, "--json"];
        let log = folder.join("demo.log");
        let (server, line) = Server::start(&process::binary(), &arguments, &log, READY_LIMIT_S)?;
        let ready = serde_json::from_str(&line)
            .with_context(|| format!("the demo's ready line is no JSON: {line}"))?;
        Ok(Demo {
            _server: server,
            line,
            ready,
            data,
        })
    }

    fn tell(&self, command: &mut Command) {
        command
            .env("JIAOYI_DEMO", &self.line)
            .env("JIAOYI_DATA", &self.data);
        for name in ["portal", "sandbox", "sms", "keys"] {
            if let Some(address) = self.ready[name].as_str() {
                command.env(format!("JIAOYI_{}", name.to_uppercase()), address);
            }
        }
    }
}

/// Starts the web crate's gallery; its address has no path.
fn start_gallery(folder: &Path) -> Result<(Server, String)> {
    let log = folder.join("gallery.log");
    let gallery = process::example("gallery");
    let (server, line) = Server::start(&gallery, &["0"], &log, READY_LIMIT_S)?;
    let address = line.trim_end_matches("/gallery.json").to_owned();
    Ok((server, address))
}

/// Removes what an earlier run left.
fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

/// Starts a sandbox alone, with fresh identities in `folder`.
fn start_sandbox(folder: &Path) -> Result<(Server, String)> {
    let identities = folder.join("identities");
    remove(&identities)?;
    let mut make = limited(60, &process::binary().display().to_string());
    make.args(["sandbox", "--make-identities"]).arg(&identities);
    process::output_of(&mut make)?;
    let config = identities.join("sandbox.toml").display().to_string();
    let arguments = ["sandbox", "--port", "0", "--config", &config];
    Server::start(
        &process::binary(),
        &arguments,
        &folder.join("sandbox.log"),
        READY_LIMIT_S,
    )
}

/// Runs every script of `folder`, which is named from the repository's root.
pub fn scripts(folder: &str, log: &Log) -> Result<Count> {
    let scripts = scripts_in(&process::root().join(folder))?;
    if scripts.is_empty() {
        bail!("no script in {folder}");
    }
    let mut count = Count::default();
    for script in scripts {
        let started = Instant::now();
        let one = run_script(&script, log).unwrap_or_else(|error| {
            println!("{error:#}");
            Count::one(false)
        });
        let name = script
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let seconds = started.elapsed().as_secs_f32();
        println!(
            "         {name}: {} passed, {} failed, {seconds:.1} s",
            one.passed, one.failed
        );
        count.add(one);
    }
    Ok(count)
}

fn scripts_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry.context("read a folder")?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let ends = [".py", ".mjs"].iter().any(|end| name.ends_with(end));
        // What bears the folder's name, or begins with an underscore, is shared by the scripts.
        let shared = name.starts_with('_') || path.file_stem() == folder.file_name();
        if ends && !shared && path.is_file() {
            scripts.push(path);
        }
    }
    scripts.sort_unstable();
    Ok(scripts)
}

/// Runs one script, with a demo when it asks for one.
pub fn run_script(script: &Path, log: &Log) -> Result<Count> {
    let stem = script
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let folder = process::target_dir().join("xtask").join(&stem);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let text = fs::read_to_string(script).context("read the script")?;
    let demo = if uses_demo(&text) {
        Some(Demo::start(&folder)?)
    } else {
        None
    };
    let interpreter = match script.extension().and_then(|end| end.to_str()) {
        Some("py") => tools::python().display().to_string(),
        _ => "node".to_owned(),
    };
    let mut command = limited(SCRIPT_LIMIT_S, &interpreter);
    command
        .arg(script)
        .env("JIAOYI_BIN", process::binary())
        .env("JIAOYI_TMP", &folder)
        .env("JIAOYI_TOOLS", tools::node_folder())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(chromium) = process::find("chromium") {
        command
            .env("CHROMIUM", &chromium)
            .env("CHROME_PATH", &chromium);
    }
    if let Some(demo) = &demo {
        demo.tell(&mut command);
    }
    // The witnesses read these names in the module that they share.
    let alone = script.parent().and_then(Path::file_name) == Some("witness".as_ref());
    let sandbox = if alone {
        Some(start_sandbox(&folder)?)
    } else {
        None
    };
    if let Some((_, address)) = &sandbox {
        command
            .env("SANDBOX_URL", address)
            .env("IDENTITY_DIR", folder.join("identities"));
        command
            .env("WITNESS_NODE_DIR", tools::node_folder())
            .env("WITNESS_ALONE_DIR", tools::alone_folder());
    }
    let gallery = if text.contains("JIAOYI_GALLERY") {
        Some(start_gallery(&folder)?)
    } else {
        None
    };
    if let Some((_, address)) = &gallery {
        command.env("JIAOYI_GALLERY", address);
    }
    let part = format!("-{stem}");
    let (status, said) = logged(&mut command, &log.file(&part))?;
    if !status.success() {
        print_failure(&said, log, &part);
    }
    Ok(script_count(&said, status.success()))
}

/// True when a script asks for anything that only a running demo can give.
fn uses_demo(text: &str) -> bool {
    ["DEMO", "PORTAL", "SANDBOX", "SMS", "KEYS", "DATA"]
        .iter()
        .any(|name| text.contains(&format!("JIAOYI_{name}")))
}

/// Checks of the pages by a real browser: all states in the gallery, the journeys in a demo too.
pub fn browser(log: &Log) -> Result<Count> {
    let folder = process::target_dir().join("xtask/browser");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let (_gallery, gallery) = start_gallery(&folder)?;
    let all = [
        "control",
        "looks",
        "speed",
        "journey",
        "notice",
        "bridge",
        "installable",
    ];
    let mut count = browser_run(log, "gallery", &[("BASE_URL", &gallery)], &all)?;
    let demo = Demo::start(&folder)?;
    let portal = demo.ready["portal"]
        .as_str()
        .context("portal in the demo's ready line")?;
    let sample = demo.ready["samples"][0].to_string();
    let sandbox = demo.ready["sandbox"]
        .as_str()
        .context("sandbox in the demo's ready line")?;
    // The journey ends at a wallet, with its sample locked: the front ends take the others.
    let samples = demo.ready["samples"].as_array().into_iter().flatten();
    let samples = Value::from_iter(samples.skip(1).cloned()).to_string();
    let told = [
        ("BASE_URL", portal),
        ("SAMPLE", &sample),
        ("SANDBOX", sandbox),
        ("SAMPLES", &samples),
    ];
    count.add(browser_run(
        log,
        "demo",
        &told,
        &["looks", "journey", "fronts"],
    )?);
    Ok(count)
}

fn browser_run(log: &Log, name: &str, told: &[(&str, &str)], checks: &[&str]) -> Result<Count> {
    let mut command = limited(2 * SCRIPT_LIMIT_S, "node");
    command
        .arg("crates/jiaoyi-tests/browser/run.mjs")
        .args(checks)
        .envs(told.iter().copied());
    if let Some(chromium) = process::find("chromium") {
        command.env("CHROMIUM", &chromium);
    }
    let part = format!("-{name}");
    let (status, said) = logged(&mut command, &log.file(&part))?;
    let report = said
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    let Some(report) = report.filter(|_| matches!(status.code(), Some(0 | 1))) else {
        print_failure(&said, log, &part);
        return Ok(Count::one(false));
    };
    let mut count = Count::default();
    for check in checks {
        let found = &report[*check];
        let problems = found["problems"].as_array().map_or(1, Vec::len);
        count.add(Count::one(problems == 0));
        println!(
            "         {name} {check}: {problems} problems, {}",
            figures(found)
        );
    }
    if count.failed > 0 {
        print_failure(&said, log, &part);
    }
    Ok(count)
}

/// The figures of one browser check: everything but its problems.
fn figures(found: &Value) -> String {
    let fields = found.as_object().into_iter().flatten();
    let told = fields.filter(|(name, _)| *name != "problems");
    told.map(|(name, value)| format!("{name} {value}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What a script's output says of its checks; a failed script has at least one failed check.
fn script_count(said: &str, success: bool) -> Count {
    let told = said.lines().rev().find_map(|line| {
        let (passed, failed) = line.trim().split_once(" passed, ")?;
        let failed = failed.strip_suffix(" failed")?;
        Some(Count {
            passed: passed.parse().ok()?,
            failed: failed.parse().ok()?,
        })
    });
    match told {
        Some(count) if success => count,
        Some(count) => Count {
            failed: count.failed.max(1),
            ..count
        },
        None => {
            let passed = said.lines().filter(|line| line.starts_with("ok ")).count();
            let failed = usize::from(!success);
            if passed == 0 {
                Count::one(success)
            } else {
                Count { passed, failed }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_is_started_only_for_those_who_ask() {
        assert!(uses_demo("os.environ['JIAOYI_PORTAL']"));
        assert!(!uses_demo("os.environ['JIAOYI_BIN']"));
    }

    #[test]
    fn counts_of_scripts() {
        for (said, success, passed, failed) in [
            ("a\n12 passed, 0 failed\n", true, 12, 0),
            ("12 passed, 3 failed\n", false, 12, 3),
            ("12 passed, 0 failed\nTraceback\n", false, 12, 1),
            ("well\n", true, 1, 0),
            ("ok a\nok b\n", true, 2, 0),
            ("ok a\nwrong\n", false, 1, 1),
            ("", false, 0, 1),
        ] {
            assert_eq!(
                script_count(said, success),
                Count { passed, failed },
                "{said}"
            );
        }
    }
}
