//! The one executable: a portal, a demo, a sandbox and the operator's commands.
//!
//! Data goes to stdout, progress and notes to stderr. Exit codes: 0 done, 1 unexpected, 2 usage,
//! 3 not found, 4 rows to be changed, 5 conflict, 7 unavailable.

mod announcements;
mod commands;
mod config;
mod demo;
mod edge;
mod exit;
mod keys;
mod serving;

use clap::{Parser, Subcommand};
use exit::Exit;
use std::process::ExitCode;

/// The rows of a batch are many small values: the C library's allocator took a fifth of an import.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    name = "jiaoyi",
    version,
    about = "Levies, collects, proves and serves resident medical insurance premiums (缴易)",
    after_help = "Examples:\n  jiaoyi demo\n  jiaoyi demo pay --channel wechat"
)]
struct Cli {
    /// Show more of what happens, on stderr.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything at once, with invented people and simulated channels.
    Demo(demo::DemoArgs),
    /// Run the portal of an installation.
    Serve(commands::serve::ServeArgs),
    /// Run the other side of the payment channels alone.
    Sandbox(commands::sandbox::SandboxArgs),
    /// Make the key file of a new installation.
    Keys(commands::keys::KeysArgs),
    /// Keep the institutions that call us, and their keys.
    Institution(commands::institution::InstitutionArgs),
    /// Take data in.
    Import(commands::import::ImportArgs),
    /// Check, show, import or make region-year policies.
    Policy(commands::policy::PolicyArgs),
    /// Prove that the books, the vouchers and the audit chain are right.
    Verify(commands::verify::VerifyArgs),
    /// Fetch and show the channels' bills.
    Bill(commands::bill::BillArgs),
    /// List and record refunds that staff pay by bank transfer.
    Refund(commands::refund::RefundArgs),
    /// Check a voucher without any database.
    Voucher(commands::voucher::VoucherArgs),
    /// Move an installation's data into another database.
    Copy(commands::copy::CopyArgs),
    /// Bring a database's tables up to date.
    Migrate(commands::migrate::MigrateArgs),
    /// Check an installation and say what to mend.
    Doctor(commands::doctor::DoctorArgs),
    /// Play an institution against a platform, or our adapter against a gateway, and report what does
    /// not conform.
    Conformance(commands::conformance::ConformanceArgs),
    /// Measure this program on this machine.
    Bench(commands::bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose, &cli.command);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return Exit::unexpected(error).report(),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Demo(args) => demo::run(args).await,
            Command::Serve(args) => commands::serve::run(args).await,
            Command::Sandbox(args) => commands::sandbox::run(args).await,
            Command::Keys(args) => commands::keys::run(args),
            Command::Institution(args) => commands::institution::run(args).await,
            Command::Import(args) => commands::import::run(args).await,
            Command::Policy(args) => commands::policy::run(args).await,
            Command::Verify(args) => commands::verify::run(args),
            Command::Bill(args) => commands::bill::run(args).await,
            Command::Refund(args) => commands::refund::run(args).await,
            Command::Voucher(args) => commands::voucher::run(args),
            Command::Copy(args) => commands::copy::run(args).await,
            Command::Migrate(args) => commands::migrate::run(&args),
            Command::Doctor(args) => commands::doctor::run(args).await,
            Command::Conformance(args) => commands::conformance::run(args).await,
            Command::Bench(args) => commands::bench::run(args).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}

/// Logs go to stderr; `JIAOYI_LOG` overrides what is shown.
fn start_log(verbose: u8, command: &Command) {
    let default = match verbose {
        // It lies to the adapters on purpose, and what they do not believe is a case passed.
        0 if matches!(command, Command::Conformance(_)) => "warn,jiaoyi_channels=error",
        0 => "warn,jiaoyi_sandbox=error",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("JIAOYI_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}
