//! The mirror: our own adapter of a payment channel, through its public port, against the gateway
//! that `channels.toml` names: the sandbox, or a channel's test environment.
//!
//! All calls pass a relay of ours, which writes down what is said and, when a case asks for it, lies
//! as a network or a forger would. What needs somebody who pays is paid at the sandbox by its control
//! interface; elsewhere it is shown and waited for, or not run, and then never counted as passed.

mod cases;
mod forge;
mod kit;
mod notices;
mod payer;
mod setup;
mod wire;

use super::Plan;
use super::play;
use super::report::Report;
use crate::exit::Exit;
use clap::{Args, ValueEnum};
use jiaoyi_domain::channel::ChannelCode;
use std::path::PathBuf;

/// Which gateway is tried, and how.
#[derive(Args)]
pub struct GatewayArgs {
    /// Try our own adapter against this channel's gateway instead of playing an institution.
    #[arg(long)]
    gateway: Option<GatewayName>,
    /// With --gateway: the channels.toml whose section is tried; a running demo's unless given.
    #[arg(long, requires = "gateway")]
    channels: Option<PathBuf>,
    /// With --gateway: where a sandbox listens, instead of the addresses in the file.
    #[arg(long, requires = "gateway")]
    sandbox: Option<String>,
    /// With --gateway: how many seconds you have to pay what is shown, where no sandbox pays; without
    /// it nothing is waited for and what needs a payer is not run.
    #[arg(long, requires = "gateway", value_name = "SECONDS")]
    wait: Option<u64>,
    /// With --gateway: where the channel is told to report; nobody has to listen there.
    #[arg(
        long,
        requires = "gateway",
        default_value = "https://notify.example.com/conformance"
    )]
    notify_url: String,
}

/// A channel that we call.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum GatewayName {
    Wechat,
    Alipay,
    Unionpay,
    #[value(name = "bank:1")]
    Bank1,
    #[value(name = "bank:2")]
    Bank2,
}

impl GatewayName {
    const fn channel(self) -> ChannelCode {
        match self {
            GatewayName::Wechat => ChannelCode::Wechat,
            GatewayName::Alipay => ChannelCode::Alipay,
            GatewayName::Unionpay => ChannelCode::Unionpay,
            GatewayName::Bank1 => ChannelCode::Bank1,
            GatewayName::Bank2 => ChannelCode::Bank2,
        }
    }
}

impl GatewayArgs {
    /// Whether this is asked for instead of the biller API.
    pub const fn is_asked(&self) -> bool {
        self.gateway.is_some()
    }
}

/// Runs the cases of one gateway; exit 1 when one of them failed.
pub async fn run(args: &GatewayArgs, plan: &Plan) -> Result<(), Exit> {
    let Some(name) = args.gateway else {
        return Err(Exit::usage("--gateway is needed"));
    };
    let channel = name.channel();
    let cases = play::chosen(cases::of(channel), plan.only.as_deref())?;
    if plan.list {
        play::list(&cases);
        return Ok(());
    }
    let kit = setup::open(channel, args, &plan.report).await?;
    let mut report = Report::new("Gateway", "gateway", kit.head());
    play::play(&kit, &cases, &mut report).await;
    play::conclude(&report, &plan.report, plan.json)
}
