//! The configuration file of an installation; an unknown key is an error that names the nearest.

use crate::exit::Exit;
use jiaoyi_app::limits::Budgets;
use jiaoyi_domain::region::RegionTable;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `jiaoyi.toml`; paths are relative to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite:FILE` or `postgres://USER@HOST/NAME`.
    pub database_url: String,
    /// Writer connections of PostgreSQL for the bucket groups; one more is for commands of several.
    #[serde(default = "default_writers")]
    pub database_writers: u16,
    /// Where the portal listens.
    #[serde(default = "default_listen")]
    pub listen: String,
    /// How visitors reach it, without a slash at the end.
    pub public_url: String,
    /// Who issues vouchers.
    pub issuer: String,
    /// The key file, outside the database.
    pub keys: PathBuf,
    /// The channels' configuration.
    pub channels: PathBuf,
    /// The folder in which bills of the channels are kept.
    #[serde(default = "default_bills")]
    pub bills: PathBuf,
    /// What the office announces; read again whenever it changes.
    pub announcements: Option<PathBuf>,
    /// Hosts on the way to a wallet, for the browser's form rule.
    #[serde(default)]
    pub wallet_hosts: Vec<String>,
    /// Header in which our own proxy gives the visitor's address.
    pub client_ip_header: Option<String>,
    /// A demonstration: every page and voucher says so, and the regions 99xxxx are known.
    #[serde(default)]
    pub demo: bool,
    #[serde(default)]
    pub import: ImportConfig,
    #[serde(default)]
    pub budgets: BudgetConfig,
}

/// Limits of imports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImportConfig {
    /// Most rows of one roster file.
    pub rows_max: u64,
}

impl Default for ImportConfig {
    fn default() -> ImportConfig {
        ImportConfig {
            rows_max: 2_000_000,
        }
    }
}

/// Budgets against guessing; zero switches one off.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    pub misses_per_device_hour: u32,
    pub lookups_per_address_minute: u32,
    pub lookups_per_address_hour: u32,
    pub verifications_per_address_minute: u32,
    pub wrong_codes_per_number_hour: u32,
    pub queries_per_institution_minute: u32,
    pub queries_per_document_minute: u32,
}

impl Default for BudgetConfig {
    fn default() -> BudgetConfig {
        let budgets = Budgets::default();
        BudgetConfig {
            misses_per_device_hour: budgets.misses_per_device_hour,
            lookups_per_address_minute: budgets.lookups_per_address_minute,
            lookups_per_address_hour: budgets.lookups_per_address_hour,
            verifications_per_address_minute: budgets.verifications_per_address_minute,
            wrong_codes_per_number_hour: budgets.wrong_codes_per_number_hour,
            queries_per_institution_minute: budgets.queries_per_institution_minute,
            queries_per_document_minute: budgets.queries_per_document_minute,
        }
    }
}

impl BudgetConfig {
    /// The budgets as the application takes them.
    pub const fn budgets(self) -> Budgets {
        Budgets {
            misses_per_device_hour: self.misses_per_device_hour,
            lookups_per_address_minute: self.lookups_per_address_minute,
            lookups_per_address_hour: self.lookups_per_address_hour,
            verifications_per_address_minute: self.verifications_per_address_minute,
            wrong_codes_per_number_hour: self.wrong_codes_per_number_hour,
            queries_per_institution_minute: self.queries_per_institution_minute,
            queries_per_document_minute: self.queries_per_document_minute,
        }
    }
}

/// One for two cores, up to four: each takes what came while it wrote, so fewer write more at once,
/// and a database on the same machine wants a core for each.
pub fn default_writers() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    u16::try_from(cores / 2).unwrap_or(u16::MAX).clamp(1, 4)
}

fn default_bills() -> PathBuf {
    PathBuf::from("bills")
}

fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

/// The text of an error with the nearest known name behind it, when the error is about an unknown
/// key. Every configuration of ours is read with serde, which lists the known ones.
pub fn hinted(error: &str) -> String {
    let error = error.trim_end();
    let listed = error.split_once("unknown field `");
    let line = listed.and_then(|(_, rest)| rest.lines().next());
    // The unknown key, and between each two marks further on a known one.
    let mut names = line.unwrap_or_default().split('`').step_by(2);
    let unknown = names.next().unwrap_or_default();
    match names
        .filter(|known| !known.is_empty())
        .min_by_key(|known| strsim::damerau_levenshtein(unknown, known))
    {
        Some(nearest) => format!("{error}; did you mean `{nearest}`?"),
        None => error.to_owned(),
    }
}

impl Config {
    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Config, Exit> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Exit::unread_or(path, &error, "name the configuration with --config")
        })?;
        let mut config = Config::parse(&text, &path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.keys = folder.join(&config.keys);
        config.channels = folder.join(&config.channels);
        config.bills = folder.join(&config.bills);
        config.announcements = config.announcements.map(|file| folder.join(file));
        if let Some(file) = config.database_url.strip_prefix("sqlite:") {
            config.database_url = format!("sqlite:{}", folder.join(file).display());
        }
        Ok(config)
    }

    /// The regions this installation knows.
    pub fn regions(&self) -> RegionTable {
        if self.demo {
            RegionTable::with_demo()
        } else {
            RegionTable::built_in()
        }
    }

    fn parse(text: &str, name: &str) -> Result<Config, Exit> {
        toml::from_str(text).map_err(|error| Exit::usage(hinted(&format!("{name}: {error}"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_the_nearest_one_of_its_table() {
        for (text, nearest) in [
            ("database_ulr = \"sqlite:x\"\n", "database_url"),
            ("[budgets]\nmisses_per_hour = 1\n", "misses_per_device_hour"),
            ("[import]\nrow_max = 1\n", "rows_max"),
        ] {
            let error = Config::parse(text, "jiaoyi.toml").unwrap_err().to_string();
            let hint = format!("did you mean `{nearest}`?");
            assert!(error.ends_with(&hint), "{error}");
            assert!(error.starts_with("jiaoyi.toml: "), "{error}");
        }
        let error = Config::parse("listen = 1\n", "jiaoyi.toml").unwrap_err();
        assert!(!error.to_string().contains("did you mean"), "{error}");
    }
}
