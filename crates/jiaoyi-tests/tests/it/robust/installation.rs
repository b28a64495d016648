//! A whole installation in a folder of its own: keys, channels, policies, people, and the two
//! processes, portal and sandbox, as an operator would start them.

use super::browser::Browser;
use super::people::{Form, Person, write_roster};
use super::process::{Around, Running, run};
use anyhow::{Context, Result, bail};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use jiaoyi_domain::Instant as Moment;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The time of the system: an installation under test runs in real time.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: processes under test take the system's time as well"
)]
pub fn now() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Moment(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0)))
}

/// Randomness of the system.
pub fn fill(bytes: &mut [u8]) {
    SystemRandom::new()
        .fill(bytes)
        .expect("the operating system gives random bytes");
}

/// A folder with everything an installation needs.
pub struct Installation {
    pub folder: PathBuf,
    pub portal: String,
    pub sandbox: String,
    /// The database as `--database` names it.
    pub database: String,
    /// What the portal is started with.
    pub around: Around,
    _sandbox: Running,
}

impl Installation {
    /// As [`Installation::over`], with a file in its folder as the database.
    pub async fn new(name: &str, log: Option<&'static str>) -> Result<Installation> {
        Installation::over(name, log, "sqlite:jiaoyi.db").await
    }

    /// Makes keys, identities, configuration and policies, and starts the sandbox.
    ///
    /// `log` is what both processes are told to log.
    pub async fn over(
        name: &str,
        log: Option<&'static str>,
        database: &str,
    ) -> Result<Installation> {
        let folder =
            std::env::temp_dir().join(format!("jiaoyi-robust-{name}-{}", std::process::id()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).context("remove an old folder")?;
        }
        std::fs::create_dir_all(&folder).context("make the folder")?;
        let port = free_port()?.to_string();
        let make = ["sandbox", "--port", &port, "--make-identities", "channels"];
        run(&folder, &make)?;
        let arguments = [
            "sandbox",
            "--port",
            &port,
            "--config",
            "channels/sandbox.toml",
        ];
        let around = Around::logging(log);
        let mut sandbox = Running::start(&folder, "sandbox", &arguments, &around)?;
        let address = first_line(&folder.join("sandbox.stdout"), &mut sandbox).await?;
        let port = free_port()?;
        let installation = Installation {
            portal: format!("http://127.0.0.1:{port}"),
            sandbox: address,
            database: database.to_owned(),
            folder,
            around,
            _sandbox: sandbox,
        };
        installation.configure(port)?;
        Ok(installation)
    }

    fn configure(&self, port: u16) -> Result<()> {
        run(&self.folder, &["keys", "new", "keys.toml"])?;
        let (sandbox, database) = (&self.sandbox, &self.database);
        let text = format!(
            "database_url = \"{database}\"\nlisten = \"127.0.0.1:{port}\"\n\
             public_url = \"{}\"\nissuer = \"演示医保局\"\nkeys = \"keys.toml\"\n\
             channels = \"channels/channels.toml\"\n\
             database_writers = 4\nwallet_hosts = [\"{sandbox}\"]\ndemo = true\n\n\
             [budgets]\nmisses_per_device_hour = 0\nlookups_per_address_minute = 0\n\
             lookups_per_address_hour = 0\nverifications_per_address_minute = 0\n\
             wrong_codes_per_number_hour = 0\nqueries_per_institution_minute = 0\n\
             queries_per_document_minute = 0\n",
            self.portal
        );
        std::fs::write(self.folder.join("jiaoyi.toml"), text)?;
        let made = run(&self.folder, &["policy", "demo", "policies"])?;
        let words = ["policy", "import"].into_iter().chain(made.lines());
        run(&self.folder, &words.collect::<Vec<_>>())?;
        Ok(())
    }

    /// Imports people by the command; what it said.
    pub fn import(
        &self,
        file: &str,
        form: Form,
        people: impl Iterator<Item = Person>,
    ) -> Result<String> {
        write_roster(&self.folder.join(file), form, people)?;
        run(&self.folder, &["import", "roster", file, "--json"])
    }

    /// Starts the portal.
    pub fn serve(&self) -> Result<Running> {
        let arguments = ["serve", "--config", "jiaoyi.toml"];
        Running::start(&self.folder, "serve", &arguments, &self.around)
    }

    /// Waits until the portal shows its first page; how long that took.
    pub async fn answers(&self, portal: &mut Running, browser: &Browser) -> Result<Duration> {
        let begun = Instant::now();
        let mut browser = browser.clone();
        while begun.elapsed() < Duration::from_secs(60) {
            if let Ok(reply) = browser.get("/").await
                && reply.status == 200
            {
                return Ok(begun.elapsed());
            }
            if let Some(status) = portal.ended()? {
                bail!(
                    "the portal ended with {status}; see {}",
                    self.shown("serve.stderr")
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!(
            "no page within a minute; see {}",
            self.shown("serve.stderr")
        )
    }

    fn shown(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// What the channels saw.
    pub async fn channel_books(&self, browser: &Browser) -> Result<String> {
        let address = format!("{}/_sandbox/books", self.sandbox);
        Ok(browser.clone().get(&address).await?.text())
    }

    /// Removes the folder; called when everything went well, so that a failure can be looked at.
    pub fn remove(self) -> Result<()> {
        let folder = self.folder.clone();
        drop(self);
        std::fs::remove_dir_all(folder).context("remove the folder")
    }
}

/// The first line that a program wrote to a file of its output.
pub async fn first_line(path: &Path, running: &mut Running) -> Result<String> {
    for _ in 0..600 {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some((line, _)) = text.split_once('\n') {
            return Ok(line.to_owned());
        }
        if let Some(status) = running.ended()? {
            bail!("it ended with {status} and said nothing");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("it said nothing within 30 s")
}

/// A port for a portal that is killed and comes back to the same address.
///
/// Not one that the system gives away: whoever connects somewhere while the portal is down could
/// be given that very port, and the portal would find it taken. Systems give ports from 32,768 on.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    let own = u16::try_from(std::process::id() * 37 % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (own + next) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
