//! `jiaoyi policy check|show|import|demo`: region-year policies.

use crate::commands::{make_folder, open_platform};
use crate::config::Config;
use crate::edge;
use crate::exit::{Exit, note, print};
use clap::{Args, Subcommand};
use jiaoyi_domain::decide::{Answer, ImportPolicy};
use jiaoyi_domain::policy::{EXAMPLES, InForce, Pack, Status, demo_packs, show};
use jiaoyi_domain::region::RegionTable;
use jiaoyi_domain::roster::PolicyPack;
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Check policy files; every problem with file, line and field.
    #[command(
        after_help = "Examples:\n  jiaoyi policy check 330100-2027.toml\n  jiaoyi policy check policy/*.toml"
    )]
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show a policy file, or the built-in examples, as text with grade and source.
    #[command(
        after_help = "Examples:\n  jiaoyi policy show 330100-2027.toml\n  jiaoyi policy show --examples"
    )]
    Show {
        files: Vec<PathBuf>,
        /// The built-in examples of published premiums; never payable.
        #[arg(long)]
        examples: bool,
    },
    /// Take checked policies into the database.
    #[command(
        after_help = "Examples:\n  jiaoyi policy import 330100-2027.toml\n  jiaoyi policy import --config jiaoyi.toml a.toml b.toml"
    )]
    Import {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The configuration file.
        #[arg(long, default_value = "jiaoyi.toml")]
        config: PathBuf,
    },
    /// Write policies of the invented regions 99xxxx around today: for trials, and to start from.
    #[command(
        after_help = "Examples:\n  jiaoyi policy demo policies\n  jiaoyi policy demo /tmp/policies"
    )]
    Demo {
        /// The folder; made when it is not there.
        folder: PathBuf,
    },
}

fn read(files: &[PathBuf]) -> Result<Vec<(String, String)>, Exit> {
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).map_err(|error| Exit::unread(path, &error))?;
            Ok((path.display().to_string(), text))
        })
        .collect()
}

/// Every pack of the files, or every problem; `regions` are those that are known.
fn checked(files: &[(String, String)], regions: &RegionTable) -> Result<Vec<Pack>, Exit> {
    let mut packs = Vec::new();
    let mut problems = Vec::new();
    for (name, text) in files {
        match Pack::parse(name, text) {
            Ok(pack) => {
                let found = match pack.status {
                    Status::InForce => InForce::try_new(pack.clone()).err().unwrap_or_default(),
                    Status::Example | Status::Draft => pack.check(),
                };
                problems.extend(found);
                problems.extend(pack.check_region(regions));
                packs.push(pack);
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        return Ok(packs);
    }
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(Exit::invalid_rows(lines.join("\n")))
}

/// Runs one of the policy commands.
pub async fn run(args: PolicyArgs) -> Result<(), Exit> {
    match args.command {
        PolicyCommand::Check { files } => {
            let packs = checked(&read(&files)?, &RegionTable::with_demo())?;
            note(format!(
                "{0} 个文件可用 files that are good: {0}",
                packs.len()
            ));
            Ok(())
        }
        PolicyCommand::Show { files, examples } => {
            if examples {
                for (file, text) in EXAMPLES {
                    match Pack::parse(file, text) {
                        Ok(pack) => print(show(&pack)),
                        Err(problems) => note(format!("{problems:?}")),
                    }
                }
                return Ok(());
            }
            if files.is_empty() {
                return Err(Exit::usage("name at least one policy file, or --examples"));
            }
            for pack in checked(&read(&files)?, &RegionTable::with_demo())? {
                print(show(&pack));
            }
            Ok(())
        }
        PolicyCommand::Import { files, config } => import(&files, &config).await,
        PolicyCommand::Demo { folder } => write_demo(&folder),
    }
}

/// Writes the demo's policies; a file that is there already is left alone.
fn write_demo(folder: &Path) -> Result<(), Exit> {
    make_folder(folder)?;
    for (file, text) in demo_packs(edge::system_now().date()) {
        let path = folder.join(file);
        std::fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| Exit::unwritten(&path, &error))?;
        print(path.display());
    }
    Ok(())
}

async fn import(files: &[PathBuf], config: &Path) -> Result<(), Exit> {
    let config = Config::load(config)?;
    let texts = read(files)?;
    let packs = checked(&texts, &config.regions())?;
    let platform = open_platform(&config).await?;
    for (pack, (_, text)) in packs.iter().zip(&texts) {
        let row = policy_row(pack, text.clone());
        let name = row.file_name.clone();
        match platform.submit(ImportPolicy { pack: row }).await {
            Ok(Answer::Already) => note(format!("{name}: 没有变化 unchanged")),
            Ok(_) => note(format!("{name}: 已导入 imported")),
            Err(error) => return Err(Exit::unavailable(error)),
        }
    }
    platform.reload_policies().await.map_err(Exit::conflict)?;
    platform.store.close();
    Ok(())
}

/// A checked pack as it is stored.
pub fn policy_row(pack: &Pack, text: String) -> PolicyPack {
    let region = pack.region.clone().unwrap_or_default();
    let now = edge::system_now();
    let name = Path::new(&pack.file);
    PolicyPack {
        pack_id: format!("{region}:{}:{}", pack.benefit_year, pack.scheme.code()),
        region,
        benefit_year: pack.benefit_year,
        status: pack.status.code().to_owned(),
        file_name: name.file_name().map_or_else(
            || pack.file.clone(),
            |name| name.to_string_lossy().into_owned(),
        ),
        text,
        imported_on: now.date(),
        imported_at: now,
        version: 1,
    }
}
