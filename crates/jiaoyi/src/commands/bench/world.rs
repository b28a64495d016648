//! An installation for one bench: folder, keys, channel identities, configuration, people.

use super::person;
use super::process::{Side, wait_for};
use crate::commands::policy::policy_row;
use crate::commands::{make_folder, open_platform};
use crate::config::{Config, default_writers};
use crate::edge;
use crate::exit::{Exit, note};
use crate::keys;
use jiaoyi_app::made::MadeRoster;
use jiaoyi_app::platform::Platform;
use jiaoyi_documents::roster::CheckedRow;
use jiaoyi_domain::Date;
use jiaoyi_domain::decide::ImportPolicy;
use jiaoyi_domain::policy::{Pack, demo_packs};
use jiaoyi_sandbox::write_demo_identities;
use jiaoyi_store::{Database, bare};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Where nobody listens, until a bench names its channel.
pub const NOWHERE: &str = "127.0.0.1:9";
/// Rows of one publishing command: no payment waits here, so more than an import takes.
const SLICE: usize = 1_000;

/// Where a bench works and what it is made of.
pub struct World {
    pub folder: PathBuf,
    pub database_url: String,
    /// `127.0.0.1:port` of the server.
    pub address: String,
    temporary: bool,
    /// Whether the keys were made for this run.
    keys_made: bool,
    /// Writer connections of the database.
    pub writers: u16,
}

impl Drop for World {
    fn drop(&mut self) {
        if self.temporary {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl World {
    /// Makes the installation. `data` is kept; without it a temporary folder is used.
    pub fn open(data: Option<&Path>, database: Option<&str>) -> Result<World, Exit> {
        let temporary = data.is_none();
        let folder = data.map_or_else(
            || std::env::temp_dir().join(format!("jiaoyi-bench-{}", std::process::id())),
            Path::to_path_buf,
        );
        make_folder(&folder)?;
        let database_url = match database {
            Some(url) => url.to_owned(),
            None => format!("sqlite:{}", folder.join("jiaoyi.db").display()),
        };
        let free = std::net::TcpListener::bind("127.0.0.1:0").map_err(Exit::unexpected)?;
        let address = free.local_addr().map_err(Exit::unexpected)?.to_string();
        let keys_made = !folder.join("keys.toml").exists();
        if keys_made {
            keys::make(&folder.join("keys.toml"), false)?;
            let nowhere = format!("http://{NOWHERE}");
            write_demo_identities(&folder, &nowhere, edge::system_now().0)
                .map_err(Exit::unexpected)?;
        }
        Ok(World {
            folder,
            database_url,
            address,
            temporary,
            keys_made,
            writers: default_writers(),
        })
    }

    /// Writes the server's configuration, with the channel at `channel`; its path.
    pub fn configure(&self, channel: &str) -> Result<PathBuf, Exit> {
        let text = std::fs::read_to_string(self.folder.join("channels.toml"));
        let mut channels: toml::Table = text
            .map_err(Exit::unexpected)?
            .parse()
            .map_err(Exit::unexpected)?;
        channels.retain(|section, _| section == "wechat");
        if let Some(toml::Value::Table(wechat)) = channels.get_mut("wechat") {
            for key in ["base_url", "oauth_base_url"] {
                wechat.insert(key.to_owned(), format!("http://{channel}").into());
            }
        }
        let text = channels.to_string();
        std::fs::write(self.folder.join("bench-channels.toml"), text).map_err(Exit::unexpected)?;
        let (address, database) = (&self.address, &self.database_url);
        let writers = self.writers;
        let config = format!(
            "database_url = \"{database}\"\ndatabase_writers = {writers}\nlisten = \"{address}\"\n\
             public_url = \"http://{address}\"\nissuer = \"演示医保局\"\nkeys = \"keys.toml\"\n\
             channels = \"bench-channels.toml\"\ndemo = true\n\n[budgets]\n\
             misses_per_device_hour = 0\nlookups_per_address_minute = 0\n\
             lookups_per_address_hour = 0\nverifications_per_address_minute = 0\n\
             wrong_codes_per_number_hour = 0\nqueries_per_institution_minute = 0\n\
             queries_per_document_minute = 0\n"
        );
        let path = self.folder.join("bench.toml");
        std::fs::write(&path, config).map_err(Exit::unexpected)?;
        Ok(path)
    }

    /// The platform of this installation in this process.
    pub async fn platform(&self) -> Result<Arc<Platform>, Exit> {
        let path = self.configure(NOWHERE)?;
        let platform = open_platform(&Config::load(&path)?).await;
        platform.map_err(|exit| {
            if !(self.keys_made && exit.is_conflict()) {
                return exit;
            }
            Exit::conflict(format!(
                "{} holds the people of another run; name an empty database, or with --data the \
                 folder of that run",
                self.database_url
            ))
        })
    }

    /// Starts the other side of WeChat Pay and the server; the server has answered once.
    pub async fn serve(&self) -> Result<(Side, Side, f64), Exit> {
        let folder = self.folder.display().to_string();
        let mut channel = Side::start(&["bench", "side-channel", "--folder", &folder])?;
        let at = channel.line().await?;
        let (server, seconds) = self.serve_with(&at).await?;
        Ok((server, channel, seconds))
    }

    /// Starts the server with the channel at `channel`; seconds to its first answer.
    pub async fn serve_with(&self, channel: &str) -> Result<(Side, f64), Exit> {
        let config = self.configure(channel)?.display().to_string();
        // Jobs would ask after orders that wait for the second phase, which is not our subject.
        let server = Side::start(&["serve", "--config", &config, "--no-jobs"])?;
        let seconds = wait_for(&self.address).await?;
        Ok((server, seconds))
    }

    /// The database.
    pub fn database(&self) -> Result<Database, Exit> {
        self.database_url.parse().map_err(Exit::unexpected)
    }

    /// Keeps a copy of the database as it is now, while nobody uses it.
    pub fn keep(&self) -> Result<Kept, Exit> {
        let database = self.database()?;
        let kept = Kept(database.beside("_seed"));
        bare::copy(&database, &kept.0).map_err(Exit::unexpected)?;
        Ok(kept)
    }

    /// Publishes policies and people `from..to` (with `zero`: people who owe nothing).
    pub async fn seed(&self, from: u64, to: u64, zero: bool) -> Result<(), Exit> {
        let platform = self.platform().await?;
        let done = seed(&platform, from, to, zero).await;
        platform.store.close();
        done
    }

    /// Name of the key with which the channel signs.
    pub fn serial(&self) -> String {
        let text = std::fs::read_to_string(self.folder.join("sandbox.toml")).unwrap_or_default();
        let value = text.split("public_key_id = \"").nth(1);
        let value = value.and_then(|rest| rest.split('"').next());
        value.unwrap_or_default().to_owned()
    }
}

/// A copy of a database, gone with the value.
pub struct Kept(pub Database);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Err(error) = bare::remove(&self.0) {
            note(format!("{} was not removed: {error}", self.0));
        }
    }
}

/// Publishes the demo's policies.
pub async fn policies(platform: &Platform) -> Result<(), Exit> {
    for (file, text) in demo_packs(platform.today()) {
        let pack = Pack::parse(&file, &text)
            .map_err(|problems| Exit::unexpected(format!("{file}: {problems:?}")))?;
        let pack = policy_row(&pack, text);
        platform
            .submit(ImportPolicy { pack })
            .await
            .map_err(Exit::unexpected)?;
    }
    platform.reload_policies().await.map_err(Exit::unexpected)
}

/// Publishes policies and people into an open platform.
pub async fn seed(platform: &Platform, from: u64, to: u64, zero: bool) -> Result<(), Exit> {
    policies(platform).await?;
    let begun = Instant::now();
    let today = platform.today();
    let mut order = in_place(platform, from..to, today, zero).into_iter();
    let made = MadeRoster {
        benefit_year: today.year() + 1,
        source: format!("bench {from} {zero}"),
        serial: 1,
        rows: i64::try_from(to - from).unwrap_or(0),
    };
    let mut done = 0_u64;
    let mut next = move || {
        let rows: Vec<CheckedRow> = order
            .by_ref()
            .take(SLICE)
            .filter_map(|number| person::row(number, today, zero))
            .collect();
        done += rows.len() as u64;
        if done.is_multiple_of(1_000_000) && done > 0 {
            note(format!("{done} people"));
        }
        rows
    };
    let made = platform.publish_made(&made, &mut next).await;
    let made = made.map_err(Exit::unexpected)?;
    note(format!(
        "{made} people published in {:.1} s, the same rows as an import",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The numbers in the order in which their rows lie in the database.
fn in_place(
    platform: &Platform,
    numbers: std::ops::Range<u64>,
    today: Date,
    zero: bool,
) -> Vec<u64> {
    let mut places: Vec<(u16, u64, u64)> = numbers
        .filter_map(|number| {
            let row = person::row(number, today, zero)?;
            let (bucket, hash) = platform.place_of(&row.document);
            let head = u64::from_be_bytes(hash[..8].try_into().unwrap_or_default());
            Some((bucket.get(), head, number))
        })
        .collect();
    places.sort_unstable();
    places.into_iter().map(|(_, _, number)| number).collect()
}
