//! `jiaoyi institution webhook set|off|list|test|log|replay`: where institutions are told of events,
//! and what became of telling them.

use crate::commands::institution::submit;
use crate::exit::{Exit, note, print};
use clap::Subcommand;
use jiaoyi_app::platform::Platform;
use jiaoyi_domain::decide::{Delivery, PutWebhook, ReplayEvent};
use jiaoyi_domain::hook::HookId;
use jiaoyi_domain::institution::{Institution, Keeper};

#[derive(Subcommand)]
pub enum WebhookCommand {
    /// Tell an institution of events at this address from now on.
    #[command(
        after_help = "Example:\n  jiaoyi institution webhook set BANK01 --url https://bank.example/jiaoyi-events"
    )]
    Set {
        inst_id: String,
        /// https; http only to 127.0.0.1 or [::1] on a test installation.
        #[arg(long)]
        url: String,
    },
    /// Tell an institution of nothing any more.
    Off { inst_id: String },
    /// List institutions with their addresses.
    List,
    /// Send an institution an event of kind `test` now; nothing of it is kept.
    Test { inst_id: String },
    /// List an institution's events and how sending them went.
    Log {
        inst_id: String,
        /// Only events after this one.
        #[arg(long)]
        since: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u16,
    },
    /// Send an event anew.
    Replay { inst_id: String, event_id: String },
}

async fn known(platform: &Platform, inst_id: &str) -> Result<Institution, Exit> {
    let known = platform.store.load(&(inst_id.to_owned(),)).await;
    known.map_err(Exit::unavailable)?.ok_or_else(|| {
        Exit::not_found(format!(
            "there is no institution {inst_id}; `jiaoyi institution list` names those that are known"
        ))
    })
}

fn event_id(text: &str) -> Result<HookId, Exit> {
    HookId::parse(text)
        .ok_or_else(|| Exit::usage(format!("{text}: an event id has 32 digits of 0-9a-f")))
}

async fn put(platform: &Platform, inst_id: String, url: String) -> Result<(), Exit> {
    known(platform, &inst_id).await?;
    let by = Keeper::Staff;
    submit(platform, PutWebhook { by, inst_id, url }).await?;
    note("已保存，两秒内生效 kept; it holds within two seconds");
    Ok(())
}

async fn log(
    platform: &Platform,
    inst_id: &str,
    since: Option<&String>,
    limit: u16,
) -> Result<(), Exit> {
    let since = since.map(|text| event_id(text)).transpose()?;
    let events = platform.events_of(inst_id, since, limit).await;
    for event in events.map_err(Exit::unavailable)? {
        let (id, kind, state) = (event.hook_id.text(), event.kind.code(), event.state.code());
        print(format!(
            "{}\t{id}\t{kind}\t{state}\t{}",
            event.at.rfc3339(),
            event.tries
        ));
        for line in event.log.lines() {
            print(format!("\t{line}"));
        }
    }
    Ok(())
}

/// Exit 2 for an address or event id that cannot be, 3 for an institution or event that is not
/// known, 7 when a test is not taken.
pub async fn run(command: WebhookCommand, platform: &Platform) -> Result<(), Exit> {
    match command {
        WebhookCommand::Set { inst_id, url } => {
            if let Some(sender) = &platform.channels.webhooks {
                sender
                    .url(&url, platform.config.demo)
                    .map_err(|error| Exit::usage(format!("--url {url}: {error}")))?;
            }
            put(platform, inst_id, url).await
        }
        WebhookCommand::Off { inst_id } => put(platform, inst_id, String::new()).await,
        WebhookCommand::List => {
            let all: Vec<Institution> = platform.store.all().await.map_err(Exit::unavailable)?;
            for row in all.iter().filter(|row| !row.webhook.is_empty()) {
                print(format!("{}\t{}\t{}", row.inst_id, row.name, row.webhook));
            }
            Ok(())
        }
        WebhookCommand::Test { inst_id } => {
            let institution = known(platform, &inst_id).await?;
            if institution.webhook.is_empty() {
                let words =
                    format!("{inst_id} has no webhook; `jiaoyi institution webhook set` gives one");
                return Err(Exit::not_found(words));
            }
            platform
                .reload_institutions()
                .await
                .map_err(Exit::unavailable)?;
            match platform.test_webhook(&institution).await {
                Delivery::Delivered { status } => {
                    note(format!("已送达 delivered: status {status}"));
                    Ok(())
                }
                Delivery::Missed { why } => Err(Exit::unavailable(format!(
                    "{} did not take the test: {why}",
                    institution.webhook
                ))),
            }
        }
        WebhookCommand::Log {
            inst_id,
            since,
            limit,
        } => {
            known(platform, &inst_id).await?;
            log(platform, &inst_id, since.as_ref(), limit).await
        }
        WebhookCommand::Replay {
            inst_id,
            event_id: text,
        } => {
            let id = event_id(&text)?;
            let words = || Exit::not_found(format!("there is no event {text} of {inst_id}"));
            let event = (id.bucket().ok_or_else(words)?, id);
            let inst_id = inst_id.clone();
            submit(platform, ReplayEvent { event, inst_id }).await?;
            note("即将重发 it is sent anew");
            Ok(())
        }
    }
}
