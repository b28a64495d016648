//! `jiaoyi migrate`: brings a database's tables up to date, or says what that would do.

use crate::commands::database_of;
use crate::edge;
use crate::exit::{Exit, note, print};
use clap::Args;
use jiaoyi_store::Store;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi migrate --database postgres://jiaoyi@127.0.0.1/jiaoyi --plan\n  jiaoyi migrate --database sqlite:data/jiaoyi.db"
)]
pub struct MigrateArgs {
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME.
    #[arg(long, env = "JIAOYI_DATABASE_URL")]
    database: String,
    /// Print the statements that would be run, and change nothing.
    #[arg(long)]
    plan: bool,
}

/// Exit 0 when the tables are up to date, 2 usage, 7 database not reachable.
pub fn run(args: &MigrateArgs) -> Result<(), Exit> {
    let database = database_of(&args.database)?;
    let plan = database.migration_plan().map_err(Exit::unavailable)?;
    if args.plan {
        for (version, text) in &plan.missing {
            print(format!("-- version {version}\n{text}"));
        }
        note(format!(
            "{database}: version {}, {} migrations missing",
            plan.known,
            plan.missing.len()
        ));
        if let Some(distribution) = &plan.distribution {
            for statement in &distribution.missing {
                print(format!("{statement};"));
            }
            note(distribution.to_string());
        }
        return Ok(());
    }
    let opened = Store::open(&database, edge::random_bytes(), edge::system_now());
    opened.map_err(Exit::unavailable)?.close();
    note(format!("{database}: {} migrations run", plan.missing.len()));
    if plan.distribution.is_some() {
        let after = database.migration_plan().map_err(Exit::unavailable)?;
        if let Some(distribution) = after.distribution {
            note(distribution.to_string());
        }
    }
    Ok(())
}
