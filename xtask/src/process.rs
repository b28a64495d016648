//! Other programs: run with a time limit, keep the output, stop servers by their own id.
//!
//! Nothing started here may outlive the tool. Every program runs under `setpriv --pdeathsig`
//! where that exists (util-linux), so that it ends even when the tool is killed; `timeout` ends a
//! whole process group that takes too long.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The repository's root: the folder above this crate.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that started this tool.
pub fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Builds every program that the checks start: the binary, and the examples of all crates.
///
/// One command with the features that `cargo test --workspace` has as well. Cargo decides features
/// by what is built together: asked for one package after the other it compiles most dependencies,
/// SQLite among them, once for each.
pub fn build_programs() -> Command {
    build(&["--bin", "jiaoyi", "--examples"])
}

/// Builds one example alone, as `build_programs` does.
pub fn build_example(name: &str) -> Command {
    build(&["--example", name])
}

fn build(targets: &[&str]) -> Command {
    let mut command = limited(2400, &cargo());
    command
        .args(["build", "--quiet", "--locked", "--workspace"])
        .args(targets);
    command
}

/// The binary that `build_programs` makes.
pub fn binary() -> PathBuf {
    target_dir().join("debug/jiaoyi")
}

/// An example that `build_programs` makes.
pub fn example(name: &str) -> PathBuf {
    target_dir().join("debug/examples").join(name)
}

/// True when `program` can be found on the search path.
pub fn exists(program: &str) -> bool {
    find(program).is_some()
}

/// Where `program` lies on the search path.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A command in the repository's root that ends with this tool and after `limit_s` seconds.
pub fn limited(limit_s: u32, program: &str) -> Command {
    let mut words: Vec<String> = Vec::new();
    if exists("setpriv") {
        words.extend(["setpriv", "--pdeathsig", "TERM", "--"].map(str::to_owned));
    }
    words.extend(["timeout", "--kill-after=10"].map(str::to_owned));
    words.push(limit_s.to_string());
    words.push(program.to_owned());
    from_words(&words)
}

/// A command in the repository's root that ends with this tool.
pub fn bound(program: &str) -> Command {
    if exists("setpriv") {
        from_words(&["setpriv", "--pdeathsig", "TERM", "--", program].map(str::to_owned))
    } else {
        from_words(&[program.to_owned()])
    }
}

fn from_words(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .current_dir(root())
        .stdin(Stdio::null());
    command
}

/// Runs a command with all output into `log`, and gives its exit status with that output.
pub fn logged(command: &mut Command, log: &Path) -> Result<(ExitStatus, String)> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let file = File::create(log).with_context(|| format!("write {}", log.display()))?;
    let again = file.try_clone().context("share the log file")?;
    let status = command
        .stdout(file)
        .stderr(again)
        .status()
        .with_context(|| format!("start {}", shown(command)))?;
    let output = std::fs::read(log).with_context(|| format!("read {}", log.display()))?;
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}

/// Runs a command with its output on the terminal; anything but success is an error.
pub fn must(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and gives its standard output; anything but success is an error.
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} ended with {}\n{}",
            shown(command),
            output.status,
            said.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A running server; it is stopped by its own id when this value goes.
pub struct Server {
    child: Child,
    name: String,
    /// Closed when the server's standard output ends, which is when it has ended.
    lines: Receiver<String>,
}

impl Server {
    /// Starts `program` and waits up to `ready_s` seconds for its first line on standard output.
    ///
    /// What it says on standard error goes to `log`; the rest of its standard output is read and
    /// dropped, so that it never blocks.
    pub fn start(
        program: &Path,
        arguments: &[&str],
        log: &Path,
        ready_s: u64,
    ) -> Result<(Self, String)> {
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("make {}", folder.display()))?;
        }
        let name = program.display().to_string();
        let stderr = File::create(log).with_context(|| format!("write {}", log.display()))?;
        let mut child = bound(&name)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = child
            .stdout
            .take()
            .context("standard output of the server")?;
        let (sender, lines) = mpsc::channel();
        let server = Server { child, name, lines };
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                // Nobody listens after the first line; reading on keeps the pipe empty.
                let _ = sender.send(line);
            }
        });
        match server.lines.recv_timeout(Duration::from_secs(ready_s)) {
            Ok(line) => Ok((server, line)),
            Err(_) => bail!(
                "{} {} said nothing within {ready_s} s; see {}",
                server.name,
                arguments.join(" "),
                log.display()
            ),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ask first, so that the server can close its database; then make sure.
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        if asked.is_ok_and(|status| status.success()) {
            let limit = Instant::now() + Duration::from_secs(10);
            loop {
                match self
                    .lines
                    .recv_timeout(limit.saturating_duration_since(Instant::now()))
                {
                    Ok(_) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("{} did not end within 10 s and is killed", self.name);
                        break;
                    }
                }
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        target_dir().join("xtask").join(format!("test-{name}.log"))
    }

    #[test]
    fn a_server_ends_with_its_value() {
        let shell = Path::new("/bin/sh");
        let script = ["-c", "echo ready $$; exec sleep 600"];
        let (server, line) = Server::start(shell, &script, &log("ends"), 20).unwrap();
        let id = line.strip_prefix("ready ").unwrap().to_owned();
        let alive = || {
            Command::new("kill")
                .args(["-0", &id])
                .stderr(Stdio::null())
                .status()
        };
        assert!(alive().unwrap().success());
        drop(server);
        assert!(!alive().unwrap().success());
    }

    #[test]
    fn a_server_that_says_nothing_is_an_error() {
        let started = Server::start(Path::new("/bin/sh"), &["-c", "exit 3"], &log("silent"), 20);
        assert!(started.is_err_and(|error| error.to_string().contains("said nothing")));
    }

    #[test]
    fn output_of_a_failing_program_is_an_error_with_its_words() {
        let error = output_of(Command::new("sh").args(["-c", "echo why >&2; exit 1"]));
        assert!(error.is_err_and(|error| error.to_string().contains("why")));
    }
}
