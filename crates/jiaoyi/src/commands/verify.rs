//! `jiaoyi verify`: proves that the books, the vouchers and the audit chain are right.

use crate::config::Config;
use crate::edge;
use crate::exit::{Exit, note, print};
use crate::keys;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiaoyi_app::verify::{Given, SignatureKeys, VerifyError, VerifyOptions, verify};
use jiaoyi_crypto::keyring::Keyring;
use jiaoyi_crypto::public_keys::PublicKeys;
use jiaoyi_store::Database;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi verify --database sqlite:data/jiaoyi.db\n  jiaoyi verify --database sqlite:data/jiaoyi.db --settled --json"
)]
pub struct VerifyArgs {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME. Read only; may be in use. The one of
    /// jiaoyi.toml in this folder unless given.
    #[arg(long, env = "JIAOYI_DATABASE_URL")]
    database: Option<String>,
    /// Also what holds after faults have stopped.
    #[arg(long)]
    settled: bool,
    /// Also every voucher and checkpoint signature.
    #[arg(long)]
    signatures: bool,
    /// The installation's key file: also opens every sealed value. With --signatures the keys.toml
    /// beside the database unless given.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// What clients were told (NDJSON).
    #[arg(long)]
    journal: Option<PathBuf>,
    /// What the channel saw (JSON of the sandbox's books).
    #[arg(long)]
    channel_books: Option<PathBuf>,
    /// The moment `--settled` measures against, RFC 3339; now unless given.
    #[arg(long)]
    at: Option<String>,
    /// How many threads check; as many as there are cores, at most 4, unless given. Each holds some 30 MB
    /// of a large database.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// One line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// The configuration that names the database when the command line does not.
const CONFIG: &str = "jiaoyi.toml";

/// The database's address and, for signatures, the key file.
fn place(args: &VerifyArgs) -> Result<(Database, Option<PathBuf>), Exit> {
    let (url, known_keys) = match &args.database {
        Some(url) => (url.clone(), None),
        None if Path::new(CONFIG).exists() => {
            let config = Config::load(Path::new(CONFIG))?;
            (config.database_url, Some(config.keys))
        }
        None => {
            return Err(Exit::usage(format!(
                "name the database with --database URL; there is no {CONFIG} here"
            )));
        }
    };
    let database: Database = url.parse().map_err(Exit::usage)?;
    let keys = match (&args.keys, args.signatures, known_keys, &database) {
        (Some(keys), ..) => Some(keys.clone()),
        (None, false, ..) => None,
        (None, true, Some(known), _) => Some(known),
        (None, true, None, Database::Sqlite(path)) => Some(path.with_file_name("keys.toml")),
        (None, true, None, Database::Postgres(_)) => {
            return Err(Exit::usage(
                "--signatures needs the key file: name it with --keys",
            ));
        }
    };
    Ok((database, keys))
}

/// Exit 0 when everything holds, 1 for a violation, 2 usage, 3 for a file that is not there, 7
/// database not reachable.
pub fn run(args: VerifyArgs) -> Result<(), Exit> {
    let (database, keys) = place(&args)?;
    // Before the database is read, which may take long.
    for file in [&args.journal, &args.channel_books].into_iter().flatten() {
        std::fs::metadata(file).map_err(|error| Exit::unread(file, &error))?;
    }
    if let Database::Sqlite(path) = &database
        && !path.exists()
    {
        return Err(Exit::unavailable(format!(
            "{}: there is no database",
            path.display()
        )));
    }
    let at = match &args.at {
        Some(text) => jiaoyi_domain::Instant::parse(text).ok_or_else(|| {
            Exit::usage(format!(
                "--at {text}: not a time like 2026-11-22T10:00:00+08:00"
            ))
        })?,
        None => edge::system_now(),
    };
    let keyring = match keys {
        Some(file) if !file.exists() => {
            return Err(Exit::usage(format!(
                "{}: there is no key file; name it with --keys",
                file.display()
            )));
        }
        Some(file) => Some(keys::load(&file)?),
        None => None,
    };
    let public: Option<PublicKeys> = keyring.as_ref().map(Keyring::public_keys);
    let signatures = match (&keyring, &public) {
        (Some(keyring), Some(vouchers)) if args.signatures => Some(SignatureKeys {
            vouchers,
            audit: keyring.audit_public(),
        }),
        _ => None,
    };
    let options = VerifyOptions {
        settled: args.settled.then_some(at),
        signatures,
        journal: args.journal.clone().map(Given::File),
        channel_books: args.channel_books.clone().map(Given::File),
        keyring: keyring.as_ref(),
        buckets_at_once: None,
        threads: args.threads,
    };
    let target = if args.json {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let bar = ProgressBar::with_draw_target(Some(1), target);
    if let Ok(style) = ProgressStyle::with_template("verify {wide_bar} {percent}% {eta}") {
        bar.set_style(style);
    }
    let done = verify(&database, &options, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let report = match done {
        Ok(report) => report,
        Err(error @ VerifyError::Store(_)) => return Err(Exit::unavailable(error)),
        Err(error) => return Err(Exit::usage(error)),
    };
    if args.json {
        print(report.to_json());
    } else {
        for row in &report.violations {
            print(format!(
                "{}  {} {}  {}",
                row.rule, row.table, row.key, row.what
            ));
        }
        let rows: u64 = report.checked.values().sum();
        note(format!(
            "{rows} rows and facts checked, {} violations",
            report.violation_count
        ));
    }
    if report.ok() { Ok(()) } else { Err(Exit::no()) }
}
