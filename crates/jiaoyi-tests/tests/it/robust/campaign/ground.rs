//! Where campaigns take place: an installation whose portal runs, on either engine, and its proof.

use super::books::{are_equal, ours, theirs};
use super::{Engine, Say};
use crate::cluster::Cluster;
use crate::robust::browser::{Browser, client};
use crate::robust::installation::{Installation, free_port};
use crate::robust::ordeal::{Load, Outcome, settle};
use crate::robust::payers::{Acts, World};
use crate::robust::people::{Form, Person, person};
use crate::robust::process::Running;
use anyhow::{Context, Result, ensure};
use jiaoyi_store::Database;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An installation with its portal.
pub struct Ground {
    portal: Option<Running>,
    pub installation: Installation,
    pub client: reqwest::Client,
    probe: Browser,
    begun: Instant,
    _server: Option<Cluster>,
}

impl Ground {
    /// Makes an installation with these people; its portal does not run yet.
    pub async fn new(name: &str, engine: Engine, people: u32) -> Result<Ground> {
        let server = match engine {
            Engine::Postgres => Some(Cluster::new(free_port()?)),
            Engine::Sqlite => None,
        };
        let database = server.as_ref().map_or_else(
            || "sqlite:jiaoyi.db".to_owned(),
            |server| {
                let name = server.database();
                server.url(&name, &name)
            },
        );
        let installation = Installation::over(name, None, &database).await?;
        let people = (0..people).map(Ground::person);
        installation.import("roster.csv", Form::Utf8, people)?;
        let client = client()?;
        Ok(Ground {
            portal: None,
            probe: Browser::new(&client, &installation.portal),
            client,
            installation,
            begun: Instant::now(),
            _server: server,
        })
    }

    /// Person number `n` of its roster.
    pub fn person(n: u32) -> Person {
        person(n, "990101")
    }

    /// Changes the configuration of a portal that does not run.
    pub fn configure(&self, change: impl FnOnce(String) -> String) -> Result<()> {
        let file = self.installation.folder.join("jiaoyi.toml");
        let text = std::fs::read_to_string(&file)?;
        let changed = change(text.clone());
        ensure!(changed != text, "nothing was changed");
        std::fs::write(file, changed).context("write the configuration")
    }

    /// Starts the portal and waits for its first page.
    pub async fn serve(&mut self) -> Result<()> {
        let mut portal = self.installation.serve()?;
        let answers = self.installation.answers(&mut portal, &self.probe);
        answers.await?;
        self.portal = Some(portal);
        Ok(())
    }

    /// What payers need, with a journal of its own.
    pub fn world(&self) -> Result<World> {
        let Installation {
            folder,
            portal,
            sandbox,
            ..
        } = &self.installation;
        World::of(folder, portal, sandbox, &self.client)
    }

    /// Asks the sandbox's control interface.
    pub async fn control(&self, path: &str, body: &Value) -> Result<Value> {
        control(&self.client, &self.installation.sandbox, path, body).await
    }

    /// What the portal says of its own state.
    pub async fn readiness(&self) -> Result<Value> {
        let told = self.probe.clone().get("/readyz").await?;
        serde_json::from_slice(&told.body).context("read /readyz")
    }

    /// The database, wherever this process stands.
    pub fn database(&self) -> Result<Database> {
        let url = match self.installation.database.strip_prefix("sqlite:") {
            Some(file) => format!("sqlite:{}", self.installation.folder.join(file).display()),
            None => self.installation.database.clone(),
        };
        url.parse().context("read the database's address")
    }

    /// Waits until everything has settled and `verify` finds nothing; then ends the portal and compares
    /// the books of both sides. How many movements they hold, and what `verify` said.
    ///
    /// # Errors
    ///
    /// When it does not settle in this time, or the books differ.
    pub async fn proved(&mut self, within: Duration, say: &Say) -> Result<(usize, String)> {
        say("everything is told; waiting for it to settle".to_owned());
        let load = Load {
            payers_per_second: 0,
            seconds_max: 0,
            seed: 0,
            acts: Acts::Quick,
            settle: within,
        };
        let mut outcome = Outcome::default();
        settle(&self.installation, &self.probe, load, &mut outcome).await?;
        if let Some(portal) = self.portal.take() {
            portal.kill()?;
        }
        let books = self.installation.channel_books(&self.probe).await?;
        let books: Value = serde_json::from_str(&books)?;
        let movements = are_equal(&ours(&self.database()?)?, &theirs(&books))?;
        Ok((movements, shortly(&outcome.verify)?))
    }

    /// How long it has been there.
    pub fn seconds(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }

    /// Removes everything; called when it went well, so that a failure can be looked at.
    pub fn remove(self) -> Result<()> {
        self.installation.remove()
    }
}

/// What `verify` said, in few words.
fn shortly(verify: &str) -> Result<String> {
    let told: Value = serde_json::from_str(verify).context("read what verify said")?;
    let checked = told["checked"].as_object().context("what was checked")?;
    let rows: u64 = checked.values().filter_map(Value::as_u64).sum();
    let violations = &told["violation_count"];
    Ok(format!("{violations} violations in {rows} rows"))
}

/// Asks a sandbox's control interface.
pub async fn control(
    client: &reqwest::Client,
    sandbox: &str,
    path: &str,
    body: &Value,
) -> Result<Value> {
    let url = format!("{sandbox}/_sandbox/{path}");
    let answer = client.post(url).body(body.to_string()).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{path} {body}: {status} {text}");
    serde_json::from_str(&text).context("read the sandbox's answer")
}

/// A fault that strikes every order of a channel until it is removed.
pub fn always(channel: &str, at: &str, deed: &str) -> Value {
    json!({
        "channel": channel, "out_trade_no": "*", "at": at, "do": deed, "times": u32::MAX,
    })
}
