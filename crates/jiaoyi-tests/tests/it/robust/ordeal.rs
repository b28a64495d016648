//! An installation that is paid into while something is done to it, and the proof at its end: what
//! payers were told, what the channels saw and what is in the database agree.

use super::browser::{Browser, client, client_apart};
use super::cable::Cable;
use super::installation::{Installation, free_port};
use super::payers::{Acts, INTENTS, World, arrivals};
use super::people::{Form, Person, person};
use super::process::{Running, command, run};
use super::shim::Faults;
use crate::cluster::Cluster;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How often a portal that gives up is started again before that is an error.
const STARTS_MAX: u32 = 20;

/// How much is paid, and how it ends.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub payers_per_second: u32,
    /// For how long there are people to pay for.
    pub seconds_max: u32,
    pub seed: u64,
    pub acts: Acts,
    /// How long everything may take to settle at the end.
    pub settle: Duration,
}

/// What stands between the portal and its files and sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    Nothing,
    /// A disk that can fail.
    Shim,
    /// So many handles and no more.
    Handles(u32),
    /// A PostgreSQL server of its own, which can be killed.
    Server,
    /// The same over a disk that can fail.
    ServerOnShim,
    /// A server with a standby.
    Pair(Commits),
}

/// What a commit waits for, of a server with a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commits {
    /// Until the standby has it on its disk.
    OnBoth,
    /// For nobody: the standby has it a moment later, or never.
    OnOne,
}

impl Under {
    /// Whether a database server runs beside the portal.
    pub const fn has_server(self) -> bool {
        matches!(self, Under::Server | Under::ServerOnShim | Under::Pair(_))
    }
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was done to the portal, by name.
    pub done: Vec<(&'static str, u64)>,
    /// From the start of the process (of the server's, if that was down) until the portal serves, in
    /// ms, sorted.
    pub restarts_ms: Vec<u128>,
    /// How often the portal ended by itself with code 7.
    pub gave_up: u64,
    /// How often its database server ended by itself.
    pub server_ended: u64,
    pub payers: u64,
    /// Payments that payers were about to make.
    pub about_to_pay: usize,
    /// Payers who saw their voucher.
    pub told_paid: u64,
    /// Payers who paid twice at the channels.
    pub paid_twice: u64,
    /// Requests that met a portal that was not there.
    pub broken_requests: u64,
    /// Requests that were answered 503.
    pub refused_requests: u64,
    pub paying_s: u64,
    pub settled_after_s: u64,
    pub payments_at_channels: usize,
    pub refunds_at_channels: usize,
    pub verify: String,
}

/// Within so much time a portal serves again whose database server came back.
const SERVES_AGAIN: Duration = Duration::from_secs(30);

/// One run.
pub struct Ordeal {
    pub installation: Installation,
    pub probe: Browser,
    pub outcome: Outcome,
    /// The disk that can fail, if there is one.
    pub faults: Option<Faults>,
    /// The database server, if there is one.
    server: Option<Cluster>,
    /// The server that takes over from it, if there is one.
    standby: Option<Standby>,
    load: Load,
    portal: Option<Running>,
    world: World,
    payers: JoinHandle<Result<()>>,
    journal: PathBuf,
    begun: Instant,
}

impl Ordeal {
    /// Makes an installation, starts its portal over what is `under` it, and lets payers come.
    pub async fn begin(name: &str, load: Load, under: Under) -> Result<Ordeal> {
        let server = match under.has_server() {
            true => Some(Cluster::new(free_port()?)),
            false => None,
        };
        let name_of_database = server.as_ref().map(Cluster::database);
        let standby = match (&server, under) {
            (Some(server), Under::Pair(commits)) => {
                Some(Standby::of(server, free_port()?, commits).await?)
            }
            _ => None,
        };
        let database = match (&server, &name_of_database) {
            (Some(server), Some(name)) => match &standby {
                Some(standby) => server.url_of_pair(&standby.server, name, name),
                None => server.url(name, name),
            },
            _ => "sqlite:jiaoyi.db".to_owned(),
        };
        let mut installation = Installation::over(name, None, &database).await?;
        let count = load.seconds_max * load.payers_per_second;
        let people: Vec<Person> = (0..count).map(|n| person(n, "990101")).collect();
        installation.import("roster.csv", Form::Utf8, people.iter().cloned())?;
        let mut faults = None;
        match under {
            Under::Nothing | Under::Server | Under::Pair(_) => {}
            Under::Shim => {
                let shim = faults.insert(Faults::under(&installation.folder, load.seed)?);
                installation.around.environment = shim.shim.environment();
            }
            Under::ServerOnShim => {
                let server = server.as_ref().context("a server")?;
                server.kill();
                let (folder, data) = (&installation.folder, server.data());
                let shim = faults.insert(Faults::under_server(folder, data, load.seed)?);
                server.start_with(&shim.shim.environment());
                wait_for_server(server);
            }
            Under::Handles(count) => installation.around.handles = Some(count),
        }
        let client = client()?;
        let journal = installation.folder.join("journal.ndjson");
        let Installation {
            folder,
            portal,
            sandbox,
            ..
        } = &installation;
        let world = World::of(folder, portal, sandbox, &client)?;
        let probe = Browser::new(&client_apart()?, &installation.portal);
        let mut portal = installation.serve()?;
        installation.answers(&mut portal, &probe).await?;
        let paying = arrivals(world.clone(), people, load);
        Ok(Ordeal {
            installation,
            probe,
            outcome: Outcome::default(),
            faults,
            server,
            standby,
            load,
            portal: Some(portal),
            world,
            payers: tokio::spawn(paying),
            journal,
            begun: Instant::now(),
        })
    }

    /// Kills the portal at once, if it runs; nothing of it runs when this returns.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(portal) = self.portal.take() {
            portal.kill()?;
            self.ended()?;
        }
        Ok(())
    }

    /// Cuts the power: portal and server are dead at once, and the disk holds what it holds.
    pub async fn cut(&mut self) -> Result<()> {
        self.kill()?;
        if self.server.is_some() {
            self.kill_server()?;
        }
        self.faults.as_mut().context("a shim")?.cut()
    }

    /// Starts what a cut has ended.
    pub async fn start_after_cut(&mut self) -> Result<()> {
        match self.server {
            Some(_) => self.start_server().await,
            None => self.start().await,
        }
    }

    /// Starts the server alone, if there is one; whether it came up.
    pub fn server_starts(&self) -> Result<bool> {
        let Some(server) = &self.server else {
            return Ok(true);
        };
        server.start_with(&self.environment());
        Ok(tokio::task::block_in_place(|| server.comes_up()))
    }

    /// Has the server's own program look at every table and index.
    pub fn check_server(&self) -> Result<()> {
        let Some(server) = &self.server else {
            return Ok(());
        };
        let name = self.installation.database.rsplit('/').next().unwrap_or("");
        server.amcheck(name).map_err(anyhow::Error::msg)
    }

    /// Under a portal without a server the disk is the portal's.
    fn ended(&mut self) -> Result<()> {
        let faults = self.faults.as_mut().filter(|_| self.server.is_none());
        faults.map_or(Ok(()), Faults::ended)
    }

    /// Kills the database server with all its processes, as a power cut would.
    pub fn kill_server(&mut self) -> Result<()> {
        self.server.as_ref().context("a server")?.kill();
        self.faults.as_mut().map_or(Ok(()), Faults::ended)
    }

    /// Starts the database server again, and the portal unless it has lived on; waits until the
    /// portal serves.
    pub async fn start_server(&mut self) -> Result<()> {
        let begun = Instant::now();
        let server = self.server.as_ref().context("a server")?;
        server.start_with(&self.environment());
        if self.portal.is_none() {
            // What a supervisor waits for as well.
            wait_for_server(server);
            return self.start_since(begun).await;
        }
        self.serves_since(begun).await
    }

    /// Waits until a portal serves that lives on while its server comes back by itself.
    pub async fn serves_again(&mut self) -> Result<()> {
        self.serves_since(Instant::now()).await
    }

    async fn serves_since(&mut self, begun: Instant) -> Result<()> {
        let serves = self.is_ready(true, SERVES_AGAIN).await?;
        ensure!(serves, "the server is back and the portal does not serve");
        self.outcome.restarts_ms.push(begun.elapsed().as_millis());
        Ok(())
    }

    /// Whether a database server runs beside the portal.
    pub const fn has_server(&self) -> bool {
        self.server.is_some()
    }

    /// The way to the standby, which can be cut.
    pub fn cable(&self) -> Result<&Cable> {
        Ok(&self.standby.as_ref().context("a standby")?.cable)
    }

    /// Starts a killed server again whose standby is cut off; it takes no commit.
    pub fn start_server_alone(&self) -> Result<()> {
        let server = self.server.as_ref().context("a server")?;
        server.start(&[]);
        wait_for_server(server);
        Ok(())
    }

    /// Makes the standby of a killed server the server, and waits until the portal, which lives on,
    /// serves over it; how long that took.
    pub async fn promote(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let standby = self.standby.take().context("a standby")?;
        tokio::task::block_in_place(|| standby.server.promote());
        self.server = Some(standby.server);
        let serves = self.is_ready(true, SERVES_AGAIN).await?;
        ensure!(
            serves,
            "the standby is promoted and the portal does not serve"
        );
        self.outcome.restarts_ms.push(begun.elapsed().as_millis());
        Ok(begun.elapsed())
    }

    /// Gives the server a standby, behind the port at which the portal looks for another server.
    pub async fn add_standby(&mut self, commits: Commits) -> Result<()> {
        let server = self.server.as_ref().context("a server")?;
        let ports = self.installation.database.split(['@', '/', ',']);
        let ports = ports.filter_map(|part| part.strip_prefix("127.0.0.1:")?.parse().ok());
        let mut others = ports.filter(|port| *port != server.port());
        let port = others.next().context("a second server in the URL")?;
        self.standby = Some(Standby::of(server, port, commits).await?);
        Ok(())
    }

    /// How many bytes payers have written of what they were told.
    pub fn told_bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.journal)?.len())
    }

    /// What the database lacks of what payers were told, if it lacks anything.
    pub fn loss(&self) -> Result<Option<String>> {
        // The journal as it is now: what is told while the database is read may not be in it yet.
        let told = std::fs::read_to_string(&self.journal)?;
        let whole = told.rfind('\n').map_or(0, |end| end + 1);
        std::fs::write(self.installation.folder.join("told.ndjson"), &told[..whole])?;
        let words = [
            "verify",
            "--database",
            &self.installation.database,
            "--journal",
            "told.ndjson",
        ];
        let verified = command(&words)?
            .current_dir(&self.installation.folder)
            .output()?;
        match verified.status.code() {
            Some(0) => Ok(None),
            // Violations, or a file that is none any more.
            Some(1 | 7) => {
                let said = [verified.stdout, verified.stderr].concat();
                Ok(Some(String::from_utf8_lossy(&said).into_owned()))
            }
            code => bail!("verify ended with {code:?}"),
        }
    }

    /// Starts the portal after it has ended, again if it gives up, and waits for its first page.
    pub async fn start(&mut self) -> Result<()> {
        self.start_since(Instant::now()).await
    }

    async fn start_since(&mut self, begun: Instant) -> Result<()> {
        for _ in 0..STARTS_MAX {
            let mut portal = self.installation.serve()?;
            let answers = self.installation.answers(&mut portal, &self.probe).await;
            self.portal = Some(portal);
            match answers {
                Ok(_) => {
                    self.outcome.restarts_ms.push(begun.elapsed().as_millis());
                    return Ok(());
                }
                Err(error) => ensure!(self.gave_up()?, error),
            }
        }
        bail!("the portal gave up {STARTS_MAX} times, one after the other")
    }

    /// Whether the portal has given up (code 7); another end is an error.
    pub fn gave_up(&mut self) -> Result<bool> {
        let Some(portal) = &mut self.portal else {
            return Ok(false);
        };
        let Some(status) = portal.ended()? else {
            return Ok(false);
        };
        ensure!(status.code() == Some(7), "the portal ended with {status}");
        self.portal = None;
        self.outcome.gave_up += 1;
        self.ended()?;
        Ok(true)
    }

    /// Starts again what has ended by itself, as a supervisor does: a portal that gave up, or its
    /// server. Waits for a portal, not for a server, whose portal lives on.
    async fn keep_up(&mut self) -> Result<()> {
        if let Some(server) = self.server.as_ref().filter(|server| server.has_ended()) {
            self.outcome.server_ended += 1;
            server.start_with(&self.environment());
        }
        if self.gave_up()? {
            self.start().await?;
        }
        Ok(())
    }

    /// What a server is started with.
    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let faults = self.faults.as_ref();
        faults.map_or_else(Vec::new, |faults| faults.shim.environment())
    }

    /// How often the server has written that it ends all its processes for an error of its disk.
    pub fn server_panics(&self) -> Result<u64> {
        let server = self.server.as_ref().context("a server")?;
        Ok(server.said("PANIC:  "))
    }

    /// Lets so much time pass, and starts what has given up again.
    pub async fn pass(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.keep_up().await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Whether the portal says that it can serve, within so much time.
    pub async fn is_ready(&mut self, ready: bool, within: Duration) -> Result<bool> {
        let begun = Instant::now();
        while begun.elapsed() < within {
            self.keep_up().await?;
            let status = self.probe.get("/readyz").await.map(|reply| reply.status);
            if status.is_ok_and(|status| status == if ready { 200 } else { 503 }) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    }

    /// Ends everything without a proof.
    pub fn abandon(mut self) -> Result<()> {
        self.payers.abort();
        self.kill()?;
        self.installation.remove()
    }

    /// Lets nobody new come, waits until everything has settled, and proves it.
    pub async fn end(mut self) -> Result<Outcome> {
        self.world.paying.store(false, Ordering::Relaxed);
        self.outcome.paying_s = self.begun.elapsed().as_secs();
        while !self.payers.is_finished() {
            self.pass(Duration::from_millis(100)).await?;
        }
        (&mut self.payers).await??;
        self.outcome.restarts_ms.sort_unstable();
        let (installation, outcome) = (&self.installation, &mut self.outcome);
        let settled = settle(installation, &self.probe, self.load, outcome).await;
        finish(&self.world, outcome);
        settled.with_context(|| format!("{outcome:#?}"))?;
        let unexpected = self.world.counts.unexpected.lock();
        let unexpected = unexpected.unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(
            unexpected.is_empty(),
            "{} payers met something unexpected, first: {:?}\n{outcome:#?}",
            unexpected.len(),
            unexpected.first()
        );
        outcome.about_to_pay = account(installation)?;
        lie(installation, &self.journal)?;
        self.kill()?;
        self.installation.remove()?;
        Ok(self.outcome)
    }
}

/// A server that takes over, and the way by which it is fed.
struct Standby {
    server: Cluster,
    cable: Cable,
}

impl Standby {
    /// A standby behind this port; what it has is what commits wait for, if they wait.
    async fn of(primary: &Cluster, port: u16, commits: Commits) -> Result<Standby> {
        let cable = Cable::to(primary.port()).await?;
        // The cable is driven meanwhile.
        let server = tokio::task::block_in_place(|| {
            let server = Cluster::standby(port, cable.port);
            if commits == Commits::OnBoth {
                primary.wait_for_standby();
            }
            server
        });
        Ok(Standby { server, cable })
    }
}

fn wait_for_server(server: &Cluster) {
    tokio::task::block_in_place(|| server.run("postgres", &["SELECT 1".to_owned()]));
}

fn finish(world: &World, outcome: &mut Outcome) {
    outcome.payers = world.counts.payers.load(Ordering::Relaxed);
    outcome.told_paid = world.counts.told_paid.load(Ordering::Relaxed);
    outcome.paid_twice = world.counts.paid_twice.load(Ordering::Relaxed);
    outcome.broken_requests = world.counts.broken.load(Ordering::Relaxed);
    outcome.refused_requests = world.counts.refused.load(Ordering::Relaxed);
}

const VERIFY: [&str; 10] = [
    "verify",
    "--keys",
    "keys.toml",
    "--settled",
    "--journal",
    "journal.ndjson",
    "--channel-books",
    "books.json",
    "--signatures",
    "--json",
];

/// How long repeated notices are waited for: late ones come after a minute.
const REPEATS: Duration = Duration::from_secs(75);

/// Waits until `verify` finds nothing any more and no refund is under way.
pub async fn settle(
    installation: &Installation,
    probe: &Browser,
    load: Load,
    outcome: &mut Outcome,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let text = installation.channel_books(probe).await?;
        std::fs::write(installation.folder.join("books.json"), &text)?;
        let books: serde_json::Value = serde_json::from_str(&text)?;
        let verified = command(&VERIFY)?
            .args(["--database", &installation.database])
            .current_dir(&installation.folder)
            .output()?;
        outcome.verify = String::from_utf8_lossy(&verified.stdout).trim().to_owned();
        outcome.settled_after_s = begun.elapsed().as_secs();
        let waiting = told(&books, outcome);
        // What waits longer repeats what is known already; channels go on for a day.
        let patient = load.acts == Acts::Any;
        let enough = waiting == 0 || !patient || begun.elapsed() > REPEATS;
        if verified.status.success() && enough {
            return Ok(());
        }
        if begun.elapsed() > load.settle {
            let said = String::from_utf8_lossy(&verified.stderr).into_owned();
            bail!(
                "not settled after {} s: {waiting} notices wait, {}\n{said}",
                begun.elapsed().as_secs(),
                outcome.verify
            );
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// Counts what the channels did; how many notices they still want to deliver.
fn told(books: &serde_json::Value, outcome: &mut Outcome) -> usize {
    let rows = books["transactions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let list = |row: &serde_json::Value, name: &str| row[name].as_array().cloned();
    outcome.payments_at_channels = rows
        .iter()
        .filter(|row| row["transaction_id"].is_string())
        .count();
    outcome.refunds_at_channels = rows
        .iter()
        .flat_map(|row| list(row, "refunds").unwrap_or_default())
        .filter(|refund| refund["state"] == "success")
        .count();
    rows.iter()
        .flat_map(|row| list(row, "notices").unwrap_or_default())
        .filter(|notice| notice["accepted"] != true && notice["next_at_ms"].is_i64())
        .count()
}

/// Accounts for every payment that a payer was about to make, and their number: its channel knows
/// whether it was made, and took nothing that nobody was about to pay. That the channels' books and
/// ours agree about each, both ways, `verify` has said.
fn account(installation: &Installation) -> Result<usize> {
    let intents = std::fs::read_to_string(installation.folder.join(INTENTS))?;
    let mut intended = BTreeSet::new();
    for line in intents.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let attempt = line["attempt"].as_str().context("an attempt")?;
        intended.insert(attempt.to_owned());
    }
    let books = std::fs::read_to_string(installation.folder.join("books.json"))?;
    let books: serde_json::Value = serde_json::from_str(&books)?;
    let (mut known, mut paid) = (BTreeSet::new(), BTreeSet::new());
    for row in books["transactions"].as_array().context("transactions")? {
        let number = row["out_trade_no"].as_str().context("a number")?.to_owned();
        if row["transaction_id"].is_string() {
            paid.insert(number.clone());
        }
        known.insert(number);
    }
    let lost = intended.difference(&known).next();
    ensure!(
        lost.is_none(),
        "{lost:?}: about to be paid, and its channel does not know it"
    );
    let taken = paid.difference(&intended).next();
    ensure!(taken.is_none(), "{taken:?}: paid, and nobody was about to");
    Ok(intended.len())
}

/// The control: a journal with one false line must not pass.
fn lie(installation: &Installation, journal: &Path) -> Result<()> {
    let told = std::fs::read_to_string(journal)?;
    let paid = told.lines().find(|line| line.contains("\"paid\""));
    let paid = paid.context("nobody was told paid")?;
    let lie = paid.replace("\"paid\"", "\"refused\"");
    std::fs::write(installation.folder.join("lie.ndjson"), lie)?;
    let words = [
        "verify",
        "--database",
        &installation.database,
        "--journal",
        "lie.ndjson",
        "--json",
    ];
    match run(&installation.folder, &words) {
        Err(error) if error.to_string().contains("journal.refused") => Ok(()),
        other => bail!("a journal with a lie in it was not refused: {other:?}"),
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let middle = self.restarts_ms.get(self.restarts_ms.len() / 2);
        let last = self.restarts_ms.last();
        for (what, count) in &self.done {
            writeln!(f, "{what:<23} {count}")?;
        }
        writeln!(f, "gave up with code 7     {}", self.gave_up)?;
        writeln!(f, "server ended by itself  {}", self.server_ended)?;
        writeln!(
            f,
            "restart to first page   median {} ms, most {} ms",
            middle.unwrap_or(&0),
            last.unwrap_or(&0)
        )?;
        writeln!(
            f,
            "payers                  {} in {} s",
            self.payers, self.paying_s
        )?;
        writeln!(f, "requests that broke     {}", self.broken_requests)?;
        writeln!(f, "requests answered 503   {}", self.refused_requests)?;
        writeln!(f, "about to pay            {}", self.about_to_pay)?;
        writeln!(f, "told paid               {}", self.told_paid)?;
        writeln!(f, "payments at channels    {}", self.payments_at_channels)?;
        writeln!(f, "paid twice              {}", self.paid_twice)?;
        writeln!(f, "refunds at channels     {}", self.refunds_at_channels)?;
        writeln!(f, "settled after           {} s", self.settled_after_s)?;
        write!(f, "verify                  {}", self.verify)
    }
}
