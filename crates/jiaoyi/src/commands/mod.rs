//! One file a command.

pub mod bench;
pub mod bill;
pub mod conformance;
pub mod copy;
pub mod doctor;
pub mod import;
pub mod institution;
pub mod keys;
pub mod migrate;
pub mod policy;
pub mod refund;
pub mod sandbox;
pub mod serve;
pub mod verify;
pub mod voucher;
mod webhook;

use crate::config::{Config, hinted};
use crate::edge;
use crate::exit::Exit;
use jiaoyi_app::platform::{Platform, PlatformConfig, StartError};
use jiaoyi_channels::{Channels, ConfigError};
use jiaoyi_store::{Database, Store};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// The database that a URL names, in a folder that is there: one that is missing may be a disk that
/// is not mounted, and must not be made anew on another.
pub fn database_of(url: &str) -> Result<Database, Exit> {
    let database: Database = url.parse().map_err(Exit::usage)?;
    if let Database::Sqlite(path) = &database
        && let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        return Err(Exit::not_found(format!(
            "{database}: there is no folder {}; make it first, or name another database",
            folder.display()
        )));
    }
    Ok(database)
}

/// Makes a folder, unless it is there.
pub fn make_folder(path: &Path) -> Result<(), Exit> {
    std::fs::create_dir_all(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => Exit::usage(format!(
            "{}: a file is in the place of this folder; name another",
            path.display()
        )),
        _ => Exit::unwritten(path, &error),
    })
}

/// Opens the channels that a file names.
pub fn open_channels(path: &Path) -> Result<Channels, Exit> {
    Channels::load(path).map_err(|error| channels_refused(path, &error))
}

/// What is said of a `channels.toml` that cannot be opened.
pub fn channels_refused(path: &Path, error: &ConfigError) -> Exit {
    match error {
        ConfigError::Unreadable { path, source } => Exit::unread(Path::new(path), source),
        _ => Exit::usage(hinted(&format!("{}: {error}", path.display()))),
    }
}

/// Opens everything that an installation's configuration names.
pub async fn open_platform(config: &Config) -> Result<Arc<Platform>, Exit> {
    let database = database_of(&config.database_url)?;
    let keyring = crate::keys::load(&config.keys)?;
    let channels = open_channels(&config.channels)?;
    let clock = edge::system_clock();
    let (drawn, now) = (edge::random_bytes(), edge::system_now());
    let store = Store::open_with(&database, drawn, now, config.database_writers)
        .map_err(Exit::unavailable)?;
    let platform = Platform::open(
        store,
        keyring,
        channels,
        config.regions(),
        PlatformConfig {
            public_url: config.public_url.trim_end_matches('/').to_owned(),
            issuer: config.issuer.as_str().into(),
            demo: config.demo,
            budgets: config.budgets.budgets(),
            bills: Some(config.bills.clone()),
        },
        (clock, edge::random()),
        edge::fonts(),
    )
    .await
    .map_err(|error| match error {
        StartError::OtherKeys => Exit::conflict(format!(
            "{}: {error}; name the key file that belongs to {}",
            config.keys.display(),
            config.database_url
        )),
        StartError::Store(_) | StartError::Policy(_) => Exit::unavailable(error),
    })?;
    Ok(Arc::new(platform))
}
