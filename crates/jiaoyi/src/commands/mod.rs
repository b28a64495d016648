//! One file a command.

pub mod bench;
pub mod doctor;
pub mod import;
pub mod migrate;
pub mod policy;
pub mod sandbox;
pub mod serve;
pub mod verify;
pub mod voucher;

use crate::config::Config;
use crate::edge;
use crate::exit::Exit;
use jiaoyi_app::platform::{Platform, PlatformConfig};
use jiaoyi_channels::Channels;
use jiaoyi_crypto::keyring::Keyring;
use jiaoyi_domain::region::RegionTable;
use jiaoyi_store::{Database, Store};
use std::path::Path;
use std::sync::Arc;

/// Reads a key file.
pub fn load_keyring(path: &Path) -> Result<Keyring, Exit> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Exit::not_found(format!("read the keys {}: {error}", path.display())))?;
    Keyring::parse(&text).map_err(|error| Exit::usage(format!("{}: {error}", path.display())))
}

/// Opens everything that an installation's configuration names.
pub async fn open_platform(config: &Config) -> Result<Arc<Platform>, Exit> {
    let database: Database = config.database_url.parse().map_err(Exit::usage)?;
    let keyring = load_keyring(&config.keys)?;
    let channels = Channels::load(&config.channels).map_err(Exit::usage)?;
    let clock = edge::system_clock();
    let store = Store::open(&database, edge::random_bytes(), edge::system_now())
        .map_err(Exit::unavailable)?;
    let platform = Platform::open(
        store,
        keyring,
        channels,
        if config.demo {
            RegionTable::with_demo()
        } else {
            RegionTable::built_in()
        },
        PlatformConfig {
            public_url: config.public_url.trim_end_matches('/').to_owned(),
            issuer: config.issuer.as_str().into(),
            demo: config.demo,
            budgets: config.budgets.budgets(),
        },
        (clock, edge::random()),
        edge::fonts(),
    )
    .await
    .map_err(Exit::unavailable)?;
    Ok(Arc::new(platform))
}
