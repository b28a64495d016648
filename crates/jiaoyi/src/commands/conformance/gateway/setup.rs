//! Opening the adapter through the relay, and finding out who pays.

use super::GatewayArgs;
use super::forge::Speech;
use super::kit::{Kit, Sides};
use super::notices::Desk;
use super::payer::Payer;
use super::wire::Wire;
use crate::commands::{channels_refused, make_folder};
use crate::exit::Exit;
use jiaoyi_channels::{AlipayApi, Channels, ChannelsConfig, ConfigError};
use jiaoyi_domain::channel::ChannelCode;
use reqwest::{Client, Proxy, Url};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The time limit of an adapter that is too hasty for an answer that comes late.
const HASTY_MS: u64 = 1_000;

/// Which file is read, and where a sandbox listens if it is one of a running demo.
fn source(args: &GatewayArgs) -> Result<(PathBuf, Option<String>), Exit> {
    if let Some(file) = &args.channels {
        return Ok((file.clone(), args.sandbox.clone()));
    }
    let (file, sandbox) = crate::demo::running_channels()?;
    Ok((file, args.sandbox.clone().or(Some(sandbox))))
}

/// Leaves only the section of the channel that is tried.
fn only(config: ChannelsConfig, channel: ChannelCode) -> ChannelsConfig {
    let mut kept = ChannelsConfig {
        http: config.http,
        ..ChannelsConfig::default()
    };
    match channel {
        ChannelCode::Wechat => kept.wechat = config.wechat,
        ChannelCode::Alipay => kept.alipay = config.alipay,
        ChannelCode::Unionpay => kept.unionpay = config.unionpay,
        ChannelCode::Bank1 => kept.bank1 = config.bank1,
        ChannelCode::Bank2 => kept.bank2 = config.bank2,
        ChannelCode::Inbound(_) => {}
    }
    kept
}

/// Every address of the section that is called.
fn addresses(config: &mut ChannelsConfig) -> Vec<&mut String> {
    let wechat = config.wechat.iter_mut().map(|own| &mut own.base_url);
    let alipay = config.alipay.iter_mut();
    let alipay = alipay.flat_map(|own| [&mut own.gateway_url, &mut own.v3_url]);
    let unionpay = config.unionpay.iter_mut();
    let unionpay = unionpay.flat_map(|own| [&mut own.gateway_url, &mut own.file_url]);
    let banks = config.bank1.iter_mut().chain(&mut config.bank2);
    let banks = banks.map(|own| &mut own.url);
    wechat.chain(alipay).chain(unionpay).chain(banks).collect()
}

/// How the section's gateway signs.
fn speech(config: &ChannelsConfig, folder: &Path) -> Result<Speech, Exit> {
    if let Some(alipay) = &config.alipay {
        return Ok(match alipay.api {
            AlipayApi::V2 => Speech::AlipayV2 {
                names_certificate: alipay.app_cert.is_some(),
            },
            AlipayApi::V3 => Speech::AlipayV3 {
                names_certificate: alipay.app_cert.is_some(),
            },
        });
    }
    let Some(bank) = config.bank1.as_ref().or(config.bank2.as_ref()) else {
        return Ok(match config.wechat {
            Some(_) => Speech::Wechat,
            None => Speech::Unionpay,
        });
    };
    let path = folder.join(&bank.profile);
    let text = std::fs::read_to_string(&path).map_err(|error| Exit::unread(&path, &error))?;
    let profile: Option<toml::Table> = text.parse().ok();
    let sign =
        profile.and_then(|profile| Some(profile.get("names")?.get("sign")?.as_str()?.to_owned()));
    let sign =
        sign.ok_or_else(|| Exit::usage(format!("{}: [names] has no sign", path.display())))?;
    Ok(Speech::Bank { sign })
}

/// The client of relay and payer. It follows no redirect: where one leads is for a browser.
fn client(proxy: Option<&str>) -> Result<Client, Exit> {
    let mut builder = Client::builder()
        .timeout(Duration::from_secs(300))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(proxy) = proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(Exit::usage)?);
    }
    builder.build().map_err(Exit::unexpected)
}

/// Where a sandbox answers to control calls, if the gateway is one on this machine, and its time
/// less ours.
async fn sandbox_at(http: &Client, address: &str) -> Option<(String, i64)> {
    let url: Url = address.parse().ok()?;
    if !matches!(url.host_str()?, "127.0.0.1" | "localhost" | "[::1]") {
        return None;
    }
    let base = url.origin().ascii_serialization();
    let told = http
        .get(format!("{base}/_sandbox/clock"))
        .send()
        .await
        .ok()?;
    let told: serde_json::Value = serde_json::from_str(&told.text().await.ok()?).ok()?;
    Some((base, told["now_ms"].as_i64()? - crate::edge::system_now().0))
}

/// Opens everything that cases work with.
pub async fn open(channel: ChannelCode, args: &GatewayArgs, folder: &Path) -> Result<Kit, Exit> {
    let (file, sandbox) = source(args)?;
    let refuse = |error: ConfigError| channels_refused(&file, &error);
    let mut config = only(ChannelsConfig::load(&file).map_err(refuse)?, channel);
    if let Some(url) = &sandbox {
        config.point_at(url);
    }
    let keys = file.parent().unwrap_or(Path::new("."));
    let open = |config: &ChannelsConfig| Channels::open(config.clone(), keys).map_err(refuse);
    let straight = open(&config)?;
    let (Some(_), Some(bills)) = (straight.gateway(channel), straight.bills(channel)) else {
        return Err(Exit::not_found(format!(
            "{}: there is no section [{}]",
            file.display(),
            channel.code()
        )));
    };
    let http = client(config.http.proxy.take().as_deref())?;
    let wire = Wire::new(speech(&config, keys)?, http.clone());
    let told = addresses(&mut config).first().map(|url| (*url).clone());
    let told = told.unwrap_or_default();
    for address in addresses(&mut config) {
        *address = wire.relay(address).await?;
    }
    let through = open(&config)?;
    config.http.total_ms = HASTY_MS;
    let hasty = open(&config)?;
    let (sandbox, ahead_ms) = match sandbox_at(&http, &told).await {
        Some((base, ahead_ms)) => (Some(base), ahead_ms),
        None => (None, 0),
    };
    let payer = match (&sandbox, args.wait) {
        (Some(base), _) => Payer::Sandbox(base.clone()),
        (None, Some(seconds)) => Payer::Somebody(Duration::from_secs(seconds)),
        (None, None) => Payer::Nobody,
    };
    make_folder(folder)?;
    let kit = Kit::new(
        Sides {
            channel,
            through,
            hasty,
            bills,
        },
        (wire, http, payer),
        (told, folder.to_owned(), ahead_ms),
        match sandbox {
            Some(_) => Desk::open().await?,
            None => Desk::elsewhere(&args.notify_url),
        },
    )?;
    kit.fetch_certificates().await?;
    Ok(kit)
}
