//! `jiaoyi bench`: what this installation's program can do on this machine, beside what the machine
//! can do at most. Load and channel run in processes of their own; the server is the real one.

#![expect(
    clippy::float_arithmetic,
    reason = "rates and times of measurements; money stays in fen"
)]

mod biller;
mod channel;
mod client;
mod confirm;
mod floor;
mod growth;
mod import;
mod jobs;
mod load;
mod overload;
mod payments;
mod person;
mod process;
mod queries;
mod report;
mod verify;
mod world;

use crate::exit::Exit;
use crate::serving::stopped;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi bench payments --quick\n  jiaoyi bench queries --json\n  jiaoyi bench growth --people 1000000"
)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Subcommand)]
enum BenchCommand {
    /// Full payments: CPU of each beside its floor, rate, latency.
    Payments(RunArgs),
    /// Confirmations of bills of 0 yuan without HTTP and RSA: the database's part of a payment.
    Confirmations(confirm::ConfirmArgs),
    /// Look-ups of a person's bill through HTTP.
    Queries(RunArgs),
    /// An institution that queries and pays.
    Biller(RunArgs),
    /// A roster file through the import command.
    Import(RunArgs),
    /// Messages and signatures that payments leave to do.
    Jobs(RunArgs),
    /// Proving a database of a million payments.
    Verify(verify::VerifyArgs),
    /// Ten times as many payers as can be served.
    Overload(RunArgs),
    /// From ten thousand people to ten million.
    Growth(GrowthArgs),
    #[command(flatten)]
    Side(Side),
}

/// A process beside the one that was started.
#[derive(Subcommand)]
enum Side {
    #[command(name = "side-channel", hide = true)]
    Channel {
        #[arg(long)]
        folder: PathBuf,
    },
    #[command(name = "side-load", hide = true)]
    Load(load::LoadArgs),
    #[command(name = "side-bare", hide = true)]
    Bare,
}

/// What every bench takes.
#[derive(Args, Clone)]
pub struct RunArgs {
    /// An empty database; a new file unless given.
    #[arg(long)]
    database: Option<String>,
    /// Keep everything in this folder; a temporary one unless given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Under a minute; good for comparing two builds, not for the record.
    #[arg(long)]
    quick: bool,
    /// How long payers place orders.
    #[arg(long)]
    seconds: Option<f64>,
    /// One line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone)]
pub struct GrowthArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Stop at so many people.
    #[arg(long)]
    people: Option<u64>,
}

/// Runs a bench, or one of its processes. Whoever stops a bench stops its processes.
pub async fn run(args: BenchArgs) -> Result<(), Exit> {
    let is_side = matches!(args.command, BenchCommand::Side(_));
    let bench = async {
        match args.command {
            BenchCommand::Payments(args) => payments::run(&args).await,
            BenchCommand::Confirmations(args) => confirm::run(&args).await,
            BenchCommand::Queries(args) => queries::run(&args).await,
            BenchCommand::Biller(args) => biller::run(&args).await,
            BenchCommand::Import(args) => import::run(&args).await,
            BenchCommand::Jobs(args) => jobs::run(&args).await,
            BenchCommand::Verify(args) => verify::run(&args).await,
            BenchCommand::Overload(args) => overload::run(&args).await,
            BenchCommand::Growth(args) => growth::run(&args).await,
            BenchCommand::Side(Side::Channel { folder }) => channel::run(&folder).await,
            BenchCommand::Side(Side::Load(args)) => load::run(args).await,
            BenchCommand::Side(Side::Bare) => floor::bare_server().await,
        }
    };
    tokio::select! {
        ended = bench => ended,
        () = stopped(), if !is_side => {
            Err(Exit::unexpected("stopped before its end: there is no result"))
        }
    }
}
