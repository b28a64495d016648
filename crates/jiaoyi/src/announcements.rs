//! The file of the office's announcements.

use crate::config::hinted;
use crate::exit::Exit;
use jiaoyi_app::platform::Platform;
use jiaoyi_app::portal::Announcement;
use jiaoyi_domain::Date;
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    announcement: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "date")]
    on: Date,
    #[serde(default, deserialize_with = "some_date")]
    until: Option<Date>,
    title_zh: String,
    title_en: String,
    body_zh: String,
    body_en: String,
}

fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    let text = String::deserialize(from)?;
    let asked = || serde::de::Error::custom(format!("`{text}` is no date; write \"2026-11-26\""));
    text.parse().map_err(|_| asked())
}

fn some_date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Date>, D::Error> {
    date(from).map(Some)
}

/// Reads the file.
pub fn load(path: &Path) -> Result<Vec<Announcement>, Exit> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Exit::unread_or(path, &error, "mend `announcements` in jiaoyi.toml"))?;
    let file: File = toml::from_str(&text)
        .map_err(|error| Exit::usage(hinted(&format!("{}: {error}", path.display()))))?;
    let entries = file.announcement.into_iter();
    Ok(entries
        .map(|entry| Announcement {
            on: entry.on,
            until: entry.until,
            title_zh: entry.title_zh,
            title_en: entry.title_en,
            body_zh: entry.body_zh,
            body_en: entry.body_en,
            channel: None,
        })
        .collect())
}

/// The file as a running portal follows it.
pub struct Followed {
    path: PathBuf,
    read: Option<SystemTime>,
}

impl Followed {
    /// Reads it a first time.
    pub fn open(path: PathBuf, platform: &Platform) -> Result<Followed, Exit> {
        let read = changed(&path);
        platform.announce(load(&path)?);
        Ok(Followed { path, read })
    }

    /// Reads it again when it has changed; one that cannot be read leaves what was announced.
    pub fn refresh(&mut self, platform: &Platform) {
        let now = changed(&self.path);
        if now == self.read {
            return;
        }
        self.read = now;
        match load(&self.path) {
            Ok(news) => platform.announce(news),
            Err(error) => tracing::error!(%error, "the announcements were not read again"),
        }
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path)
        .and_then(|data| data.modified())
        .ok()
}
