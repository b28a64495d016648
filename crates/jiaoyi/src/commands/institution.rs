//! `jiaoyi institution add|change|list|key|access|webhook`: who may call us, and with which keys.

use crate::commands::open_platform;
use crate::commands::webhook::{self, WebhookCommand};
use crate::config::Config;
use crate::edge;
use crate::exit::{Exit, note, print};
use clap::{Args, Subcommand};
use jiaoyi_app::biller::are_networks;
use jiaoyi_app::platform::Platform;
use jiaoyi_crypto::{CallScheme, CallVerifier};
use jiaoyi_domain::Instant;
use jiaoyi_domain::decide::{
    Answer, CloseAccessLink, Command, PutInstitution, PutInstitutionKey, Refusal,
    RevokeInstitutionKey,
};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::institution::{
    DAY_MINUTES, Institution, InstitutionKey, Keeper, KeyScheme, Scope, is_name,
};
use jiaoyi_domain::record::Record;
use jiaoyi_store::StoreError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
pub struct InstitutionArgs {
    /// The configuration file.
    #[arg(long, default_value = "jiaoyi.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: InstitutionCommand,
}

#[derive(Subcommand)]
enum InstitutionCommand {
    /// Make an institution known.
    #[command(
        after_help = "Example:\n  jiaoyi institution add BANK01 --name 某某银行 --front-ends A6,A7,A8 --cut-over 23:00 --live"
    )]
    Add(TermsArgs),
    /// Change the terms of a known institution; they are given anew, all of them.
    Change(TermsArgs),
    /// List institutions with their terms and keys.
    List,
    /// Keep the keys of an institution.
    Key {
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Make a link through which an institution keeps its own keys and its webhook, or end them.
    ///
    /// The link belongs to the device that opens it first; hand it over where nobody else reads.
    #[command(after_help = "Example:\n  jiaoyi institution access BANK01 --days 30")]
    Access {
        inst_id: String,
        /// How long it opens.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
        /// End every link of this institution instead.
        #[arg(long)]
        close: bool,
    },
    /// Tell an institution of payments, reversals, refunds, vouchers and locks that ended.
    Webhook {
        #[command(subcommand)]
        command: WebhookCommand,
    },
}

#[derive(Args)]
struct TermsArgs {
    /// 1 to 30 of 0-9A-Za-z_-
    inst_id: String,
    /// What it is called.
    #[arg(long)]
    name: String,
    /// Codes A1 to A12, with commas between.
    #[arg(long, value_delimiter = ',', required = true)]
    front_ends: Vec<String>,
    /// What it may ask.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "query,pay,reverse,reconcile"
    )]
    scopes: Vec<String>,
    /// Networks it calls from, with commas between; none given: from anywhere.
    #[arg(long, value_delimiter = ',')]
    addresses: Vec<String>,
    /// The Beijing time at which its accounting day ends.
    #[arg(long, default_value = "24:00")]
    cut_over: String,
    /// The Beijing times between which it may collect.
    #[arg(long, default_value = "00:00-24:00")]
    hours: String,
    /// For real money; without it only a demonstration answers it.
    #[arg(long)]
    live: bool,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Take a public key; older ones go on holding until they end.
    #[command(
        after_help = "Example:\n  jiaoyi institution key add BANK01 k2 bank-k2.pem --from 2026-12-01T00:00:00+08:00"
    )]
    Add {
        inst_id: String,
        key_id: String,
        /// PEM, `BEGIN PUBLIC KEY`: RSA of 2048 bits or more, or SM2.
        file: PathBuf,
        /// From when it holds; now when not given.
        #[arg(long)]
        from: Option<String>,
        /// Until when it holds.
        #[arg(long)]
        until: Option<String>,
    },
    /// End a key, now or at a time.
    Revoke {
        inst_id: String,
        key_id: String,
        /// From when it holds no more; now when not given.
        #[arg(long)]
        at: Option<String>,
    },
}

/// Minutes of `HH:MM`, up to 24:00.
fn minutes(text: &str, option: &str) -> Result<u32, Exit> {
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
        let all = hour.checked_mul(60)?.checked_add(minute)?;
        (minute < 60 && all <= DAY_MINUTES).then_some(all)
    };
    read().ok_or_else(|| Exit::usage(format!("{option} {text}: give a time such as 23:00")))
}

fn instant(text: Option<&String>, option: &str) -> Result<Option<Instant>, Exit> {
    let read = |text: &String| {
        let words = format!("{option} {text}: give a time such as 2026-12-01T00:00:00+08:00");
        Instant::parse(text).ok_or_else(|| Exit::usage(words))
    };
    text.map(read).transpose()
}

fn named(text: &str, what: &str) -> Result<(), Exit> {
    if is_name(text, 30) {
        return Ok(());
    }
    Err(Exit::usage(format!(
        "{text}: {what} has 1 to 30 of 0-9A-Za-z_-"
    )))
}

impl TermsArgs {
    fn institution(self) -> Result<Institution, Exit> {
        named(&self.inst_id, "an institution's name")?;
        for code in &self.front_ends {
            if FrontEnd::from_code(code).is_none() {
                return Err(Exit::usage(format!(
                    "--front-ends {code}: one of A1 to A12"
                )));
            }
        }
        for code in &self.scopes {
            if Scope::from_code(code).is_none() {
                let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.code()).collect();
                let known = known.join(", ");
                return Err(Exit::usage(format!("--scopes {code}: one of {known}")));
            }
        }
        let addresses = self.addresses.join(";");
        if !are_networks(&addresses) {
            let words = "give networks such as 192.0.2.0/24";
            return Err(Exit::usage(format!("--addresses {addresses}: {words}")));
        }
        let cut_over = minutes(&self.cut_over, "--cut-over")?;
        let words = || Exit::usage(format!("--hours {}: give 08:30-17:00", self.hours));
        let (from, until) = self.hours.split_once('-').ok_or_else(words)?;
        let (hours_from, hours_until) = (minutes(from, "--hours")?, minutes(until, "--hours")?);
        if cut_over == 0 {
            return Err(Exit::usage("--cut-over 00:00: midnight is 24:00"));
        }
        if hours_from >= hours_until {
            return Err(words());
        }
        Ok(Institution {
            inst_id: self.inst_id,
            name: self.name,
            front_ends: self.front_ends.join(";"),
            scopes: self.scopes.join(";"),
            addresses,
            cut_over,
            hours_from,
            hours_until,
            live: self.live,
            webhook: String::new(),
            created_at: edge::system_now(),
            version: 1,
        })
    }
}

/// Keeps a row of the operator's; a refusal is told in the operator's words.
pub async fn submit(platform: &Platform, command: impl Command + 'static) -> Result<Answer, Exit> {
    platform.submit(command).await.map_err(told)
}

fn told(error: StoreError) -> Exit {
    match error {
        StoreError::Refused(Refusal::WrongState) => Exit::conflict(
            "this institution is known already; `jiaoyi institution change` changes its terms",
        ),
        StoreError::Refused(Refusal::KeyReused) => Exit::conflict(
            "this key id is used already, and never for another key; choose a new one",
        ),
        StoreError::Refused(Refusal::NotFound { what }) => Exit::not_found(format!(
            "there is no such {what}; `jiaoyi institution list` names those that are known"
        )),
        other => Exit::unavailable(other),
    }
}

/// Ends every link of an institution.
async fn close_access(platform: &Platform, inst_id: &str) -> Result<(), Exit> {
    let links = platform.access_links(inst_id).await;
    let links = links.map_err(Exit::unavailable)?;
    let (at, count) = (edge::system_now(), links.len());
    for link in links {
        let link = link.key();
        submit(platform, CloseAccessLink { link, at }).await?;
    }
    note(format!("已停用 ended: {count}"));
    Ok(())
}

/// A key file as a row.
pub fn key_row(
    inst_id: String,
    key_id: String,
    file: &Path,
    from: Option<Instant>,
    until: Option<Instant>,
) -> Result<InstitutionKey, Exit> {
    named(&key_id, "a key id")?;
    let text = std::fs::read_to_string(file).map_err(|error| Exit::unread(file, &error))?;
    let key = CallVerifier::from_pem(&text)
        .map_err(|error| Exit::usage(format!("{}: {error}", file.display())))?;
    let valid_from = from.unwrap_or_else(edge::system_now);
    if until.is_some_and(|until| until <= valid_from) {
        return Err(Exit::usage(
            "--until lies before the time from which the key holds",
        ));
    }
    Ok(InstitutionKey {
        inst_id,
        key_id,
        scheme: match key.scheme() {
            CallScheme::Rsa => KeyScheme::Rsa,
            CallScheme::Sm2 => KeyScheme::Sm2,
        },
        public_key: key.der().to_vec(),
        valid_from,
        valid_until: until,
        version: 1,
    })
}

async fn list(platform: &Arc<Platform>) -> Result<(), Exit> {
    let institutions: Vec<Institution> = platform.store.all().await.map_err(Exit::unavailable)?;
    let keys: Vec<InstitutionKey> = platform.store.all().await.map_err(Exit::unavailable)?;
    let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    for row in institutions {
        let mode = if row.live { "live" } else { "test" };
        let (cut_over, from) = (clock(row.cut_over), clock(row.hours_from));
        let until = clock(row.hours_until);
        print(format!(
            "{}\t{}\t{mode}\t{}\t{}\t{cut_over}\t{from}-{until}\t{}",
            row.inst_id, row.name, row.front_ends, row.scopes, row.addresses
        ));
        for key in keys.iter().filter(|key| key.inst_id == row.inst_id) {
            let until = key.valid_until.map_or("-".to_owned(), Instant::rfc3339);
            let (scheme, from) = (key.scheme.code(), key.valid_from.rfc3339());
            print(format!("\tkey {}\t{scheme}\t{from}\t{until}", key.key_id));
        }
    }
    Ok(())
}

/// Exit 2 for terms or keys that cannot be, 3 for an institution or key that is not known, 5 for
/// one that is.
pub async fn run(args: InstitutionArgs) -> Result<(), Exit> {
    let config = Config::load(&args.config)?;
    let platform = open_platform(&config).await?;
    let done = dispatch(args.command, &platform).await;
    platform.store.close();
    done
}

async fn dispatch(command: InstitutionCommand, platform: &Arc<Platform>) -> Result<(), Exit> {
    let by = Keeper::Staff;
    let answer = match command {
        InstitutionCommand::List => return list(platform).await,
        InstitutionCommand::Access {
            inst_id,
            close: true,
            ..
        } => return close_access(platform, &inst_id).await,
        InstitutionCommand::Access { inst_id, days, .. } => {
            let made = platform.make_access_link(&inst_id, days).await;
            print(made.map_err(told)?);
            return Ok(());
        }
        InstitutionCommand::Webhook { command } => return webhook::run(command, platform).await,
        InstitutionCommand::Add(terms) => {
            let institution = terms.institution()?;
            let change = false;
            submit(
                platform,
                PutInstitution {
                    institution,
                    change,
                },
            )
            .await?
        }
        InstitutionCommand::Change(terms) => {
            let institution = terms.institution()?;
            let known = platform
                .store
                .load::<Institution>(&(institution.inst_id.clone(),))
                .await;
            if known.map_err(Exit::unavailable)?.is_none() {
                return Err(Exit::not_found(format!(
                    "there is no institution {}; `jiaoyi institution add` makes it known",
                    institution.inst_id
                )));
            }
            let change = true;
            submit(
                platform,
                PutInstitution {
                    institution,
                    change,
                },
            )
            .await?
        }
        InstitutionCommand::Key { command } => match command {
            KeyCommand::Add {
                inst_id,
                key_id,
                file,
                from,
                until,
            } => {
                let from = instant(from.as_ref(), "--from")?;
                let until = instant(until.as_ref(), "--until")?;
                let key = key_row(inst_id, key_id, &file, from, until)?;
                let known = platform.is_key_of_another(&key).await;
                if known.map_err(Exit::unavailable)? {
                    return Err(Exit::usage(format!(
                        "{}: another institution has this key; each needs one of its own",
                        file.display()
                    )));
                }
                submit(platform, PutInstitutionKey { key, by }).await?
            }
            KeyCommand::Revoke {
                inst_id,
                key_id,
                at,
            } => {
                let at = instant(at.as_ref(), "--at")?.unwrap_or_else(edge::system_now);
                let command = RevokeInstitutionKey {
                    by,
                    inst_id,
                    key_id,
                    at,
                };
                submit(platform, command).await?
            }
        },
    };
    note(match answer {
        Answer::Already => "没有变化 unchanged",
        _ => "已保存，两秒内生效 kept; it holds within two seconds",
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> TermsArgs {
        TermsArgs {
            inst_id: "BANK01".to_owned(),
            name: "bank".to_owned(),
            front_ends: vec!["A6".to_owned(), "A7".to_owned()],
            scopes: vec!["query".to_owned(), "pay".to_owned()],
            addresses: Vec::new(),
            cut_over: "23:00".to_owned(),
            hours: "08:30-17:00".to_owned(),
            live: true,
        }
    }

    #[test]
    fn terms_are_taken_whole_or_refused_by_name() {
        let good = terms().institution().unwrap();
        assert_eq!((good.front_ends.as_str(), good.cut_over), ("A6;A7", 1380));
        assert_eq!((good.hours_from, good.hours_until), (510, 1020));
        let refused = |change: fn(&mut TermsArgs)| {
            let mut terms = terms();
            change(&mut terms);
            terms.institution().unwrap_err().to_string()
        };
        for (text, told) in [
            (
                refused(|terms| terms.inst_id = "BANK 01".to_owned()),
                "BANK 01",
            ),
            (
                refused(|terms| terms.front_ends = vec!["A13".to_owned()]),
                "--front-ends A13",
            ),
            (
                refused(|terms| terms.scopes = vec!["all".to_owned()]),
                "--scopes all",
            ),
            (
                refused(|terms| terms.addresses = vec!["x".to_owned()]),
                "--addresses x",
            ),
            (
                refused(|terms| terms.cut_over = "25:00".to_owned()),
                "--cut-over 25:00",
            ),
            (
                refused(|terms| terms.cut_over = "00:00".to_owned()),
                "--cut-over 00:00",
            ),
            (
                refused(|terms| terms.hours = "17:00-08:00".to_owned()),
                "--hours 17:00-08:00",
            ),
        ] {
            assert!(text.starts_with(told), "{text}");
        }
    }
}
