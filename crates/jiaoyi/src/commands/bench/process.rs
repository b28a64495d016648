//! Other processes of a run: this same executable with hidden commands, and what the system counts
//! of each.

use crate::exit::Exit;
use jiaoyi_store::Database;
use jiaoyi_store::bare::server_process;
use std::fmt::Display;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Ticks a second in `/proc`: fixed at 100 in Linux's interface to programs.
const TICK_US: u64 = 10_000;

/// A child of this run, ended when it is dropped.
pub struct Side {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    pub id: u32,
}

impl Side {
    /// Starts this executable with `args`.
    pub fn start(args: &[&str]) -> Result<Side, Exit> {
        let program = std::env::current_exe().map_err(Exit::unexpected)?;
        let mut child = Command::new(program)
            .args(args)
            .env(
                "JIAOYI_LOG",
                std::env::var("JIAOYI_LOG").unwrap_or("error".to_owned()),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Exit::unexpected)?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let output = output.ok_or_else(|| Exit::unexpected("a child without output"))?;
        Ok(Side {
            id: child.id().unwrap_or(0),
            child,
            input,
            output: BufReader::new(output).lines(),
        })
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> Result<String, Exit> {
        let line = self.output.next_line().await.map_err(Exit::unexpected)?;
        line.ok_or_else(|| Exit::unexpected("a process of the bench ended early"))
    }

    /// Asks for something and waits for the answer, one line each.
    pub async fn ask(&mut self, text: impl Display) -> Result<String, Exit> {
        let input = self.input.as_mut();
        let input = input.ok_or_else(|| Exit::unexpected("a child without input"))?;
        input
            .write_all(format!("{text}\n").as_bytes())
            .await
            .map_err(Exit::unexpected)?;
        self.line().await
    }

    /// Asks it to stop and waits; seconds it took.
    pub async fn stop(&mut self, signal: &str) -> Result<f64, Exit> {
        let begun = std::time::Instant::now();
        let sent = Command::new("kill")
            .args([signal, &self.id.to_string()])
            .status()
            .await;
        sent.map_err(Exit::unexpected)?;
        self.child.wait().await.map_err(Exit::unexpected)?;
        Ok(begun.elapsed().as_secs_f64())
    }
}

/// Runs a hidden command to its end; the line of JSON that it prints.
pub async fn run(args: &[&str]) -> Result<serde_json::Value, Exit> {
    let mut side = Side::start(args)?;
    let line = side.line().await?;
    let _ = side.child.wait().await;
    serde_json::from_str(&line).map_err(Exit::unexpected)
}

/// The fields of `/proc/PID/stat` behind the name: the state is the first.
fn stat(process: u32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold anything, so counting starts behind it.
    let rest = text.rsplit_once(')').map(|(_, rest)| rest);
    let fields = rest.unwrap_or_default().split_whitespace();
    fields.map(str::to_owned).collect()
}

fn field(fields: &[String], place: usize) -> u64 {
    let field = fields.get(place).and_then(|field| field.parse().ok());
    field.unwrap_or(0)
}

/// Processor time that a process has used, in microseconds; 0 when it is gone.
pub fn cpu_us(process: u32) -> u64 {
    let fields = stat(process);
    (field(&fields, 11) + field(&fields, 12)) * TICK_US
}

/// A database server on this machine: its first process, and with that all others.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseServer {
    first: u32,
}

impl DatabaseServer {
    /// The server of a database; none of a file, and none of a server elsewhere.
    pub fn of(database: &Database) -> Result<Option<DatabaseServer>, Exit> {
        let first = server_process(database, |process| field(&stat(process), 1));
        let first = first.map_err(Exit::unexpected)?;
        let first = first.and_then(|first| u32::try_from(first).ok());
        let is_server = |first: &u32| {
            std::fs::read_to_string(format!("/proc/{first}/comm"))
                .is_ok_and(|name| name.trim() == "postgres")
        };
        Ok(first
            .filter(is_server)
            .map(|first| DatabaseServer { first }))
    }

    /// Processor time of all its processes, those that have ended as well, in microseconds.
    pub fn cpu_us(self) -> u64 {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let all = ids.map(|id| (id, stat(id)));
        let own = all
            .filter(|(id, fields)| *id == self.first || field(fields, 1) == u64::from(self.first));
        let ticks = own.map(|(id, fields)| {
            let ended = if id == self.first { 11..15 } else { 11..13 };
            ended.map(|place| field(&fields, place)).sum::<u64>()
        });
        ticks.sum::<u64>() * TICK_US
    }
}

/// Processor time of the running thread, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next();
    first.and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

/// Resident memory of a process in MB: all of it, and its own without mapped files.
pub fn memory_mb(process: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    (field("VmRSS:"), field("RssAnon:"))
}

/// The most that a process has held, in MB.
pub fn memory_peak_mb(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Waits until the server at `address` answers from its database; seconds it took.
pub async fn wait_for(address: &str) -> Result<f64, Exit> {
    let begun = std::time::Instant::now();
    for _ in 0..60_000 {
        if let Ok(mut connection) = super::client::Connection::open(address).await
            && let Ok(answer) = connection.get("/readyz").await
            && answer.status == 200
        {
            return Ok(begun.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Err(Exit::unavailable("the bench's server did not start"))
}
