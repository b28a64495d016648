//! `jiaoyi doctor`: checks an installation and says what to mend.
//!
//! What does for a trial and not for production is told apart from what is wrong: an installation
//! that calls itself a demo may have it, every other one may not.

use super::{database_of, open_channels};
use crate::announcements;
use crate::config::Config;
use crate::edge;
use crate::exit::{Exit, print};
use crate::keys;
use clap::Args;
use jiaoyi_app::platform::{StartError, keys_fit};
use jiaoyi_channels::{AlipayApi, ChannelsConfig};
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::Date;
use jiaoyi_store::Snapshot;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi doctor\n  jiaoyi doctor --config /etc/jiaoyi/jiaoyi.toml"
)]
pub struct DoctorArgs {
    /// The configuration file.
    #[arg(long, default_value = "jiaoyi.toml")]
    config: PathBuf,
}

/// What a check found.
enum Found {
    Good(String),
    /// Does for a trial; what, and what production needs.
    Trial(String, &'static str),
    /// What is wrong, and what mends it.
    Bad(String, &'static str),
}

use Found::{Bad, Good, Trial};

/// No clock of a machine that runs this program shows less, unless it is wrong.
const FIRST_SANE_DAY: Date = Date::constant(2025, 1, 1);

/// Prints the checklist; exit 1 when anything has to be mended.
pub async fn run(args: DoctorArgs) -> Result<(), Exit> {
    let config = Config::load(&args.config)?;
    let found = [
        ("configuration", Good(args.config.display().to_string())),
        ("database", database(&config)),
        ("keys", key_file(&config)),
        ("channels", channels(&config.channels)),
        ("payment addresses", addresses(&config)),
        ("announcements", told(config.announcements.as_deref())),
        ("clock", clock()),
        ("public address", public_address(&config.public_url)),
        ("demo", demo(config.demo)),
    ];
    let (mut wrong, mut not_for_production) = (0, 0);
    for (what, found) in found {
        match found {
            Good(told) => print(format!("ok    {what}: {told}")),
            Trial(told, needed) if config.demo => {
                not_for_production += 1;
                print(format!(
                    "trial {what}: {told}\n      试用可以，生产不行 fine for a trial, not for \
                     production: {needed}"
                ));
            }
            Trial(told, fix) | Bad(told, fix) => {
                wrong += 1;
                print(format!("FAIL  {what}: {told}\n      {fix}"));
            }
        }
    }
    print(match (wrong, not_for_production) {
        (0, 0) => "没有要改的 nothing to mend".to_owned(),
        (0, trial) => format!(
            "可以试用；投产前还要改 {trial} 处 fit for a trial; before production change {trial}"
        ),
        (wrong, _) => format!("要改 to mend: {wrong}"),
    });
    if wrong == 0 { Ok(()) } else { Err(Exit::no()) }
}

/// What stands behind `database_url`; one without tables is made at the first start.
fn database(config: &Config) -> Found {
    let told = database_of(&config.database_url).and_then(|database| {
        let plan = database.migration_plan().map_err(Exit::unavailable)?;
        if plan.known == 0 {
            return Ok(format!("{database} will be made at the first start"));
        }
        Snapshot::open(&database).map_err(Exit::unavailable)?;
        Ok(match plan.distribution {
            Some(distribution) => format!("{database}, {distribution}"),
            None => database.to_string(),
        })
    });
    match told {
        Ok(told) => Good(told),
        Err(exit) => Bad(
            exit.to_string(),
            "check database_url and the rights of its folder",
        ),
    }
}

fn key_file(config: &Config) -> Found {
    let path = &config.keys;
    match keys::load(path) {
        Ok(_) if open_to_all(path) => Bad(
            format!("{}: every user may read it", path.display()),
            "chmod 600 the key file; a key that others have read protects nothing",
        ),
        Ok(keyring) if !belongs(&keyring, config) => Bad(
            format!("{}: {}", path.display(), StartError::OtherKeys),
            "restore the key file that belongs to this database",
        ),
        Ok(keyring) => Good(format!("voucher key {}", keyring.voucher_key().0)),
        Err(exit) => Bad(
            exit.to_string(),
            "restore the key file from its safe place; never make a new one for old data",
        ),
    }
}

/// Whether the keys are the database's own; of one that cannot be read the line above tells.
fn belongs(keyring: &Keyring, config: &Config) -> bool {
    let found = database_of(&config.database_url).ok().and_then(|database| {
        let snapshot = Snapshot::open(&database).ok()?;
        snapshot.query("any_sealed", &[]).ok()
    });
    found.is_none_or(|found| keys_fit(keyring, &found))
}

#[cfg(unix)]
fn open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn open_to_all(_: &Path) -> bool {
    false
}

fn channels(path: &Path) -> Found {
    match open_channels(path) {
        Ok(open) => {
            let gateways = open.gateways().map(|gateway| gateway.channel().code());
            let sms = open.sms.as_ref().map(|_| "sms");
            Good(gateways.chain(sms).collect::<Vec<_>>().join(", "))
        }
        Err(exit) => Bad(
            exit.to_string(),
            "check the file named by `channels` and its key files",
        ),
    }
}

fn told(path: Option<&Path>) -> Found {
    match path.map(announcements::load) {
        None => Good("no file is named; only trouble of channels is announced".to_owned()),
        Some(Ok(news)) => Good(format!("{} in the file", news.len())),
        Some(Err(exit)) => Bad(
            exit.to_string(),
            "mend the file named by `announcements`; until then the last good one is shown",
        ),
    }
}

/// Where calls go: plain HTTP is the sandbox, or somebody in the middle.
fn addresses(config: &Config) -> Found {
    let Ok(channels) = ChannelsConfig::load(&config.channels) else {
        return Bad("not known".to_owned(), "mend the channels first");
    };
    let wechat = channels.wechat.iter().flat_map(|wechat| {
        let oauth = wechat.oauth_base_url.as_deref();
        [Some(wechat.base_url.as_str()), oauth]
            .into_iter()
            .flatten()
    });
    let alipay = channels.alipay.iter().flat_map(|alipay| {
        let v3 = (alipay.api == AlipayApi::V3).then_some(alipay.v3_url.as_str());
        [Some(alipay.gateway_url.as_str()), v3]
            .into_iter()
            .flatten()
    });
    let unionpay = channels.unionpay.iter();
    let unionpay = unionpay.flat_map(|own| [own.gateway_url.as_str(), own.file_url.as_str()]);
    let banks = channels.bank1.iter().chain(&channels.bank2);
    let banks = banks.map(|bank| bank.url.as_str());
    let all = wechat.chain(alipay).chain(unionpay).chain(banks);
    let all: Vec<&str> = all.collect();
    // Payers go there by a form, which browsers send to listed places only.
    let cashier = channels
        .unionpay
        .as_ref()
        .map(|own| own.gateway_url.as_str());
    let pages = channels.bank1.iter().chain(&channels.bank2);
    let mut pages = cashier
        .into_iter()
        .chain(pages.map(|bank| bank.url.as_str()));
    if let Some(unlisted) = pages.find(|address| !lists(&config.wallet_hosts, address)) {
        return Bad(
            format!("{unlisted} is in no wallet_hosts"),
            "add it there: browsers send a payer to UnionPay's cashier or a bank's page nowhere else",
        );
    }
    let mut plain = all
        .iter()
        .filter(|address| !address.starts_with("https://"));
    let Some(first) = plain.clone().next() else {
        return Good(all.join(", "));
    };
    if let Some(unknown) = plain.find(|address| !lists(&config.wallet_hosts, address)) {
        return Bad(
            format!("{unknown} is in no wallet_hosts"),
            "add its scheme, host and port there: browsers send a payer to no other place",
        );
    }
    Trial(
        format!("{first} is not https"),
        "the sandbox moves no money; in production leave base_url, oauth_base_url, gateway_url and \
         v3_url of WeChat Pay and Alipay, gateway_url and file_url of UnionPay out of the channels' \
         file, and name each bank's own url",
    )
}

/// Whether a browser may send a form to `address`: a source is an origin, or one with a wildcard for
/// the first part of its host.
fn lists(sources: &[String], address: &str) -> bool {
    sources.iter().any(|source| match source.split_once("*.") {
        Some((scheme, domain)) => {
            let rest = address.strip_prefix(scheme).unwrap_or_default();
            let host = rest.split('/').next().unwrap_or_default();
            host.split_once('.')
                .is_some_and(|(_, parent)| parent == domain)
        }
        None => address.starts_with(source.as_str()),
    })
}

fn clock() -> Found {
    let now = edge::system_now();
    let shown = now.rfc3339();
    if now.date() >= FIRST_SANE_DAY {
        Good(shown)
    } else {
        Bad(shown, "set the clock (NTP)")
    }
}

fn public_address(url: &str) -> Found {
    if url.starts_with("https://") {
        Good(url.to_owned())
    } else {
        Trial(
            format!("{url} is not https"),
            "names and cookies would travel open; put a proxy with https in front of the portal \
             and its address into public_url",
        )
    }
}

fn demo(demo: bool) -> Found {
    if demo {
        Trial(
            "every page and voucher says 演示环境, and the invented regions 99xxxx are known"
                .to_owned(),
            "take demo = true out of the configuration",
        )
    } else {
        Good("off".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn a_source_lists_its_own_host_only() {
        let gateway = "https://gateway.95516.com";
        for (source, listed) in [
            ("https://gateway.95516.com", true),
            ("https://*.95516.com", true),
            ("https://*.alipay.com", false),
            ("http://*.95516.com", false),
            ("https://*.com", false),
            ("http://127.0.0.1:9090", false),
        ] {
            assert_eq!(lists(&[source.to_owned()], gateway), listed, "{source}");
        }
        assert!(!lists(&[], gateway));
    }
}
