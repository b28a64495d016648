//! `jiaoyi doctor`: checks an installation and says what to mend.

use crate::config::Config;
use crate::edge;
use crate::exit::{Exit, print};
use clap::Args;
use jiaoyi_channels::Channels;
use jiaoyi_store::{Database, Snapshot, StoreError};
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi doctor\n  jiaoyi doctor --config /etc/jiaoyi/jiaoyi.toml"
)]
pub struct DoctorArgs {
    #[arg(long, default_value = "jiaoyi.toml")]
    config: PathBuf,
}

struct Checks {
    failed: usize,
}

impl Checks {
    fn check(&mut self, what: &str, found: Result<String, String>, fix: &str) {
        match found {
            Ok(text) => print(format!("ok    {what}: {text}")),
            Err(text) => {
                self.failed += 1;
                print(format!("FAIL  {what}: {text}\n      {fix}"));
            }
        }
    }
}

/// What stands behind `database_url`; one without tables is made at the first start.
fn database_of(config: &Config) -> Result<String, StoreError> {
    let database: Database = config.database_url.parse()?;
    if database.migration_plan()?.known == 0 {
        return Ok(format!("{database} will be made at the first start"));
    }
    Snapshot::open(&database).map(|_| database.to_string())
}

/// Prints the checklist; exit 1 when anything has to be mended.
pub async fn run(args: DoctorArgs) -> Result<(), Exit> {
    let mut checks = Checks { failed: 0 };
    let config = Config::load(&args.config)?;
    checks.check("configuration", Ok(args.config.display().to_string()), "");
    let database = database_of(&config).map_err(|error| error.to_string());
    checks.check(
        "database",
        database,
        "check database_url and the rights of its folder",
    );
    let keys = super::load_keyring(&config.keys).map_err(|exit| format!("{exit:?}"));
    let keys = keys.map(|keyring| format!("voucher key {}", keyring.voucher_key().0));
    checks.check(
        "keys",
        keys,
        "restore the key file from its safe place; never make a new one for old data",
    );
    let channels = Channels::load(&config.channels).map_err(|error| error.to_string());
    let channels = channels.map(|open| {
        let names: Vec<&str> = open
            .gateways()
            .map(|gateway| gateway.channel().code())
            .collect();
        names.join(", ")
    });
    checks.check(
        "channels",
        channels,
        "check the file named by `channels` and its key files",
    );
    let clock = edge::system_now();
    let sane = clock.date().year() >= 2025;
    let shown = clock.rfc3339();
    checks.check(
        "clock",
        if sane { Ok(shown) } else { Err(shown) },
        "set the clock (NTP)",
    );
    let https = config.public_url.starts_with("https://");
    let url = config.public_url.clone();
    checks.check(
        "public address",
        if https {
            Ok(url)
        } else {
            Err(format!("{url} is not https"))
        },
        "cookies and vouchers need an https address in front of the portal",
    );
    if checks.failed == 0 {
        Ok(())
    } else {
        Err(Exit::no())
    }
}
