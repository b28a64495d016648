//! The configuration file of an installation; an unknown key is an error that names the nearest.

use crate::exit::Exit;
use jiaoyi_app::limits::Budgets;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `jiaoyi.toml`; paths are relative to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `sqlite:FILE` or `postgres://USER@HOST/NAME`.
    pub database_url: String,
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
        }
    }
}

fn default_listen() -> String {
    "127.0.0.1:8080".to_owned()
}

/// Every key that may stand in the file, for the nearest-name hint.
const KEYS: [&str; 18] = [
    "database_url",
    "listen",
    "public_url",
    "issuer",
    "keys",
    "channels",
    "wallet_hosts",
    "client_ip_header",
    "demo",
    "import",
    "rows_max",
    "budgets",
    "misses_per_device_hour",
    "lookups_per_address_minute",
    "lookups_per_address_hour",
    "verifications_per_address_minute",
    "wrong_codes_per_number_hour",
    "import.rows_max",
];

/// How many letters have to be changed, added or taken away.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

impl Config {
    /// Reads a configuration file.
    pub fn load(path: &Path) -> Result<Config, Exit> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Exit::not_found(format!(
                "read the configuration {}: {error}",
                path.display()
            ))
        })?;
        let mut config = Config::parse(&text, &path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.keys = folder.join(&config.keys);
        config.channels = folder.join(&config.channels);
        if let Some(file) = config.database_url.strip_prefix("sqlite:") {
            config.database_url = format!("sqlite:{}", folder.join(file).display());
        }
        Ok(config)
    }

    fn parse(text: &str, name: &str) -> Result<Config, Exit> {
        toml::from_str(text).map_err(|error| {
            let message = error.message();
            let unknown = message
                .split('`')
                .nth(1)
                .filter(|_| message.starts_with("unknown"));
            let nearest = unknown.and_then(|key| {
                KEYS.iter()
                    .min_by_key(|known| distance(key, known))
                    .map(|known| (key, known))
            });
            match nearest {
                Some((key, known)) => Exit::usage(format!(
                    "{name}: unknown key `{key}`; did you mean `{known}`?\n{error}"
                )),
                None => Exit::usage(format!("{name}: {error}")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        let text = "database_ulr = \"sqlite:x\"\n";
        let error = format!("{:?}", Config::parse(text, "jiaoyi.toml").unwrap_err());
        assert!(error.contains("did you mean `database_url`"), "{error}");
    }
}
