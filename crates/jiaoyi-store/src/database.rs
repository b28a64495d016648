//! Which database: what stands behind `database_url` and `--database`.

use crate::error::StoreError;
use crate::postgres::{Distribution, check_url, without_password};
use jiaoyi_domain::Instant;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A database as it is named: `sqlite:FILE` or `postgres://USER@HOST/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file of the embedded engine.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL database, with its password if it has one.
    Postgres(String),
}

impl FromStr for Database {
    type Err = StoreError;

    fn from_str(url: &str) -> Result<Database, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Database::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", _)) => {
                check_url(url)?;
                Ok(Database::Postgres(url.to_owned()))
            }
            _ => Err(StoreError::Open {
                path: without_password(url),
                why:
                    "a database is named as sqlite:FILE or postgres://USER@HOST/NAME, for example \
                      sqlite:data/jiaoyi.db"
                        .into(),
            }),
        }
    }
}

/// As it is given, without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Database::Postgres(url) => f.write_str(&without_password(url)),
        }
    }
}

/// What a migration would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationPlan {
    /// Version of the schema now; 0 for an empty database.
    pub known: i64,
    /// Version and text of each migration that is missing, in the engine's words.
    pub missing: Vec<(i64, String)>,
    /// How the database is distributed over machines, if it is.
    pub distribution: Option<Distribution>,
}

impl Database {
    /// The database beside this one whose name ends with `end`.
    #[must_use]
    pub fn beside(&self, end: &str) -> Database {
        match self {
            Database::Sqlite(path) => {
                let mut name = path.as_os_str().to_owned();
                name.push(end);
                Database::Sqlite(name.into())
            }
            Database::Postgres(url) => {
                let place = url.find('?').unwrap_or(url.len());
                let (name, rest) = url.split_at(place);
                Database::Postgres(format!("{name}{end}{rest}"))
            }
        }
    }

    /// Runs those of `migrations` that the database has not had, beside nodes that are paying. They
    /// go forward only, a step each: expand, move, contract. What nodes of the version before read and
    /// write must go on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached, or a migration does not succeed; those
    /// before it stay.
    pub fn migrate(
        &self,
        migrations: &'static [(i64, &'static str)],
        now: Instant,
    ) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(path) => {
                let mut connection = crate::sqlite::open(path, true)?;
                crate::sqlite::run(&mut connection, migrations, now.0)
            }
            Database::Postgres(url) => crate::postgres::migrate(url, migrations, now),
        }
    }

    /// What bringing the schema up to date would do; nothing is changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the database cannot be reached or read, or was made by a newer version.
    pub fn migration_plan(&self) -> Result<MigrationPlan, StoreError> {
        use crate::schema::{MIGRATIONS, Words, assert_known, ddl};
        let (known, words) = match self {
            Database::Sqlite(path) if !path.exists() => (0, Words::Sqlite),
            Database::Sqlite(path) => {
                let connection = crate::sqlite::open(path, false)?;
                (crate::sqlite::schema_version(&connection)?, Words::Sqlite)
            }
            Database::Postgres(url) => (crate::postgres::schema_version(url)?, Words::Postgres),
        };
        assert_known(known, &self.to_string())?;
        let distribution = match self {
            Database::Sqlite(_) => None,
            Database::Postgres(url) => crate::postgres::distribution(url)?,
        };
        let missing = MIGRATIONS.iter().filter(|(version, _)| *version > known);
        Ok(MigrationPlan {
            known,
            distribution,
            missing: missing
                .map(|(version, text)| (*version, ddl(text, words)))
                .collect(),
        })
    }
}
