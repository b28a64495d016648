//! `jiaoyi conformance`: tries an interface case by case and writes a report.
//!
//! It plays an institution against a platform, knowing of it what `docs/biller-api.md` says and
//! nothing else; it signs with the sandbox's code, not with the platform's, and reverses what it
//! pays, so that a handful of people is enough. With `--gateway` it is the mirror: our own adapter
//! of a payment channel against that channel's gateway, see [`gateway`].

mod calls;
mod cases;
mod expect;
mod gateway;
mod kit;
mod play;
mod report;

use crate::exit::Exit;
use clap::{Args, ValueEnum};
use gateway::GatewayArgs;
use kit::{Kit, Terms};
use report::Report;
use std::path::PathBuf;

/// In which form calls are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// UTF-8.
    Json,
    /// GBK.
    Xml,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi conformance --base-url http://127.0.0.1:8080 --inst BANK01 --key bank-k1.pem\n  jiaoyi conformance --list\n  jiaoyi conformance --base-url https://test.example --inst BANK01 --key k1.pem --people people.csv --only pay\n  jiaoyi conformance --gateway wechat\n  jiaoyi conformance --gateway bank:1 --channels channels.toml --wait 300"
)]
pub struct ConformanceArgs {
    /// Where the platform answers; a test installation or a demo.
    #[arg(long, required_unless_present_any = ["list", "gateway"], conflicts_with = "gateway")]
    base_url: Option<String>,
    /// Your institution.
    #[arg(long, required_unless_present_any = ["list", "gateway"], conflicts_with = "gateway")]
    inst: Option<String>,
    /// Your private key: PKCS#8 PEM, RSA or SM2.
    #[arg(long, required_unless_present_any = ["list", "gateway"], conflicts_with = "gateway")]
    key: Option<PathBuf>,
    /// The name of the key.
    #[arg(long, default_value = "k1", conflicts_with = "gateway")]
    key_id: String,
    /// People who owe something: lines `id_type,id_no,name,pooling_region`; those of the demo unless
    /// given.
    #[arg(long, conflicts_with = "gateway")]
    people: Option<PathBuf>,
    /// The channel that is named; one of yours.
    #[arg(long, default_value = "A7", conflicts_with = "gateway")]
    channel: String,
    /// In which form calls are made: JSON in UTF-8, or XML in GBK.
    #[arg(long, value_enum, default_value = "json", conflicts_with = "gateway")]
    profile: Profile,
    /// The Beijing time at which your accounting day ends.
    #[arg(long, default_value = "24:00", conflicts_with = "gateway")]
    cut_over: String,
    #[command(flatten)]
    gateway: GatewayArgs,
    #[command(flatten)]
    plan: Plan,
}

/// What is tried and how it is told, whoever is played.
#[derive(Args)]
pub struct Plan {
    /// Only cases whose name begins like this.
    #[arg(long)]
    only: Option<String>,
    /// Where `conformance.html` and `junit.xml` are written.
    #[arg(long, default_value = "conformance")]
    report: PathBuf,
    /// Print the cases and do nothing.
    #[arg(long)]
    list: bool,
    /// One line of JSON on stdout at the end.
    #[arg(long)]
    json: bool,
}

/// Runs the cases; exit 1 when one of them failed.
pub async fn run(args: ConformanceArgs) -> Result<(), Exit> {
    if args.gateway.is_asked() {
        return gateway::run(&args.gateway, &args.plan).await;
    }
    let plan = &args.plan;
    let cases = cases::all().filter(|case| case.only.is_none_or(|form| form == args.profile));
    let cases = play::chosen(cases.map(|case| &case.case), plan.only.as_deref())?;
    if plan.list {
        play::list(&cases);
        return Ok(());
    }
    let (Some(base), Some(inst), Some(key)) = (&args.base_url, &args.inst, &args.key) else {
        return Err(Exit::usage("--base-url, --inst and --key are needed"));
    };
    let terms = Terms {
        inst_id: inst.clone(),
        key_id: args.key_id.clone(),
        channel: args.channel.clone(),
        profile: args.profile,
        cut_over: kit::minutes(&args.cut_over)
            .ok_or_else(|| Exit::usage("--cut-over: give a time such as 23:00"))?,
    };
    let kit = Kit::open(base, key, args.people.as_deref(), terms).await?;
    let mut report = Report::new("Biller API", "biller-api", kit.head());
    play::play(&kit, &cases, &mut report).await;
    play::conclude(&report, &plan.report, plan.json)
}
