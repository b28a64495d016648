//! Programs under test: started with their output in files, killed by their own id, measured while
//! they run.

use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The program under test, in the same build profile as this one; built when it is not there.
///
/// `JIAOYI_BIN` names another one.
pub fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    if let Some(named) = std::env::var_os("JIAOYI_BIN") {
        return Ok(PathBuf::from(named));
    }
    BUILT
        .get_or_init(build)
        .clone()
        .context("build the program under test")
}

/// Builds `jiaoyi`, which is no dependency of this package, beside this test.
fn build() -> Option<PathBuf> {
    let here = std::env::current_exe().ok()?;
    // …/target/PROFILE/deps/it-… or …/target/PROFILE/examples/soak
    let profile = here.parent()?.parent()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--package", "jiaoyi", "--target-dir"])
        .arg(profile.parent()?)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let built = command.status().ok()?.success();
    built.then(|| profile.join("jiaoyi"))
}

/// A command of the program under test that ends with this process.
pub fn command(arguments: &[&str]) -> Result<Command> {
    let program = program()?;
    let guard = Path::new("/usr/bin/setpriv");
    let mut command = if guard.exists() {
        let mut command = Command::new(guard);
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// What surrounds a program under test beyond its arguments.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// What it logs.
    pub log: Option<&'static str>,
    pub environment: Vec<(&'static str, PathBuf)>,
    /// How many handles it may hold.
    pub handles: Option<u32>,
}

impl Around {
    /// Only a log.
    pub fn logging(log: Option<&'static str>) -> Around {
        Around {
            log,
            ..Around::default()
        }
    }
}

/// Runs the program to its end; its output, or an error that shows what it said.
pub fn run(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(arguments)?
        .current_dir(folder)
        .output()
        .context("start the program")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stdout);
        bail!(
            "{} ended with {}\n{told}\n{said}",
            arguments.join(" "),
            output.status
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same command, allowed so many handles.
fn limited(command: &Command, handles: u32) -> Command {
    let mut limited = Command::new("prlimit");
    limited.arg(format!("--nofile={handles}")).arg("--");
    limited.arg(command.get_program()).args(command.get_args());
    limited.stdin(Stdio::null());
    limited
}

/// A running program; killed when the value goes.
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts the program; both outputs are appended to files named after `name`.
    pub fn start(
        folder: &Path,
        name: &str,
        arguments: &[&str],
        around: &Around,
    ) -> Result<Running> {
        let append = |end: &str| -> Result<File> {
            let path = folder.join(format!("{name}.{end}"));
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.with_context(|| format!("write {}", path.display()))
        };
        let mut command = command(arguments)?;
        if let Some(handles) = around.handles {
            command = limited(&command, handles);
        }
        if let Some(log) = around.log {
            command.env("JIAOYI_LOG", log);
        }
        for (name, value) in &around.environment {
            command.env(name, value);
        }
        let child = command
            .current_dir(folder)
            .stdout(append("stdout")?)
            .stderr(append("stderr")?)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Running { child })
    }

    /// Kills it at once, as a power cut would, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("kill")?;
        self.child.wait().context("wait")?;
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("ask for its end")
    }

    /// Waits for its end and tells what it used, as /proc shows it on Linux.
    pub async fn measured(mut self) -> Result<(ExitStatus, Used)> {
        let begun = Instant::now();
        let mut used = Used::default();
        let id = self.child.id();
        loop {
            if let Some(now) = usage(id) {
                used.memory_kib = used.memory_kib.max(now.memory_kib);
                used.processor_ms = now.processor_ms;
            }
            if let Some(status) = self.ended()? {
                used.elapsed_ms = begun.elapsed().as_millis();
                return Ok((status, used));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub elapsed_ms: u128,
    /// User and system time together; what the last 20 ms used is not in it.
    pub processor_ms: u64,
    /// The most memory it ever held.
    pub memory_kib: u64,
}

fn usage(id: u32) -> Option<Used> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let memory_kib = peak.trim().trim_end_matches("kB").trim().parse().ok()?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Fields 14 and 15, counted after the name in parentheses, in hundredths of a second.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Used {
        elapsed_ms: 0,
        processor_ms: (user + system) * 10,
        memory_kib,
    })
}
