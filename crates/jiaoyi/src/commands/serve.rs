//! `jiaoyi serve`: the portal of an installation.

use crate::announcements::Followed;
use crate::commands::open_platform;
use crate::config::Config;
use crate::exit::{Exit, note};
use crate::serving;
use clap::Args;
use jiaoyi_web::WebSettings;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi serve --config jiaoyi.toml\n  jiaoyi doctor --config jiaoyi.toml"
)]
pub struct ServeArgs {
    /// The configuration file.
    #[arg(long, default_value = "jiaoyi.toml")]
    config: PathBuf,
    /// Leave work that is due (asking channels, refunds, messages, signatures) to another process.
    #[arg(long)]
    no_jobs: bool,
}

/// Serves until the process is asked to stop.
pub async fn run(args: ServeArgs) -> Result<(), Exit> {
    let config = Config::load(&args.config)?;
    let platform = open_platform(&config).await?;
    let news = match config.announcements.clone() {
        Some(file) => Some(Followed::open(file, &platform)?),
        None => None,
    };
    let listener = serving::listen(&config.listen, "`listen`").await?;
    let settings = WebSettings {
        demo: config.demo,
        https: config.public_url.starts_with("https://"),
        wallet_hosts: config.wallet_hosts.clone(),
        client_ip_header: config.client_ip_header.clone(),
        ..WebSettings::default()
    };
    let app = serving::portal(&platform, settings, crate::edge::system_clock())?;
    note(format!(
        "serving {} on {}",
        config.public_url, config.listen
    ));
    let jobs = (!args.no_jobs).then(|| tokio::spawn(serving::run_jobs(platform.clone())));
    let following = tokio::spawn(serving::follow(platform.clone(), news));
    let done = serving::serve(listener, app, &platform.store).await;
    following.abort();
    if let Some(jobs) = jobs {
        jobs.abort();
    }
    platform.store.close();
    done
}
