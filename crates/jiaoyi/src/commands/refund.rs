//! `jiaoyi refund list|transferred`: refunds that no channel gives back and staff pay out.

use crate::commands::open_platform;
use crate::config::Config;
use crate::exit::{Exit, note, print};
use clap::{Args, Subcommand};
use jiaoyi_app::platform::Platform;
use jiaoyi_app::refunds::WaitingRefund;
use jiaoyi_domain::bank_transfer::{BankTransfer, Paid};
use jiaoyi_domain::decide::{Answer, RecordTransfer, Refusal};
use jiaoyi_domain::{Date, RefundNo};
use jiaoyi_store::StoreError;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct RefundArgs {
    /// The configuration file.
    #[arg(long, default_value = "jiaoyi.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: RefundCommand,
}

#[derive(Subcommand)]
enum RefundCommand {
    /// List the refunds that wait for staff: number, order, channel, amount, since when, why.
    List {
        /// One line of JSON on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Record that a refund was paid by bank transfer; the same again changes nothing.
    #[command(
        after_help = "Example:\n  jiaoyi refund transferred JR3LAK9C016JOCSNY5H29A --reference ICBC-2027112000017 --paid-on 2027-11-20 --by w1024"
    )]
    Transferred(TransferredArgs),
}

#[derive(Args)]
struct TransferredArgs {
    /// The refund's number, as `jiaoyi refund list` and the payer's page show it.
    number: String,
    /// The bank's number of the transfer.
    #[arg(long)]
    reference: String,
    /// The day on the statement of the account that paid, such as 2027-11-20.
    #[arg(long)]
    paid_on: Date,
    /// Your work number or login.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// The last digits of the payer's account, at most four.
    #[arg(long, value_name = "DIGITS")]
    account_tail: Option<String>,
    /// One line of JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// Exit 2 for what cannot be recorded so, 3 for a refund that is not known, 5 for one that does not
/// wait for staff or was paid by another transfer.
pub async fn run(args: RefundArgs) -> Result<(), Exit> {
    let platform = open_platform(&Config::load(&args.config)?).await?;
    let done = match args.command {
        RefundCommand::List { json } => list(&platform, json).await,
        RefundCommand::Transferred(said) => transferred(&platform, said).await,
    };
    platform.store.close();
    done
}

async fn list(platform: &Platform, as_json: bool) -> Result<(), Exit> {
    let waiting = platform.refunds_for_staff().await;
    let waiting = waiting.map_err(Exit::unavailable)?;
    if as_json {
        let rows: Vec<_> = waiting.iter().map(in_json).collect();
        print(json!(rows));
        return Ok(());
    }
    for refund in &waiting {
        print(format!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            refund.refund_no,
            refund.order_no,
            refund.channel.code(),
            refund.amount,
            refund.since.local(),
            refund.why
        ));
    }
    note(format!("待人工退款 waiting for staff: {}", waiting.len()));
    Ok(())
}

fn in_json(refund: &WaitingRefund) -> serde_json::Value {
    json!({
        "refund_no": refund.refund_no.to_string(), "order_no": refund.order_no.to_string(),
        "channel": refund.channel.code(), "amount_fen": refund.amount.get(),
        "since": refund.since.rfc3339(), "why": refund.why,
    })
}

async fn transferred(platform: &Platform, said: TransferredArgs) -> Result<(), Exit> {
    let number = &said.number;
    let refund_no = RefundNo::parse(number).ok_or_else(|| {
        Exit::usage(format!(
            "{number}: this is no refund number; `jiaoyi refund list` names those that wait"
        ))
    })?;
    let tail = said.account_tail.as_deref();
    let paid = Paid::new(&said.reference, said.paid_on, tail, &said.by).map_err(Exit::usage)?;
    let key = (refund_no.bucket(), refund_no.clone());
    let command = RecordTransfer { refund_no, paid };
    let answer = platform.submit(command).await;
    let answer = answer.map_err(|error| told(number, error))?;
    let kept: Option<BankTransfer> = platform.store.load(&key).await.map_err(Exit::unavailable)?;
    let kept = kept.ok_or_else(|| Exit::unexpected(format!("{number}: it is not recorded")))?;
    note(match answer {
        Answer::Already => "早已登记 recorded before",
        _ => "已登记 recorded",
    });
    print(if said.json {
        recorded_in_json(&kept).to_string()
    } else {
        format!(
            "{}\t{}\t{}\t{}",
            kept.refund_no, kept.amount, kept.paid_on, kept.reference
        )
    });
    Ok(())
}

fn recorded_in_json(kept: &BankTransfer) -> serde_json::Value {
    json!({
        "refund_no": kept.refund_no.to_string(), "amount_fen": kept.amount.get(),
        "reference": kept.reference, "paid_on": kept.paid_on.to_string(),
        "account_tail": kept.account_tail, "recorded_by": kept.recorded_by,
        "recorded_at": kept.at.rfc3339(),
    })
}

/// A refusal in the officer's words: what is so, and what to do.
fn told(number: &str, error: StoreError) -> Exit {
    match error {
        StoreError::Refused(Refusal::NotFound { .. }) => Exit::not_found(format!(
            "{number}: there is no such refund; `jiaoyi refund list` names those that wait"
        )),
        StoreError::Refused(refusal @ Refusal::NotForStaff(_)) => Exit::conflict(format!(
            "{number}: {refusal}; `jiaoyi refund list` names those that do"
        )),
        StoreError::Refused(refusal @ Refusal::TransferKnown { .. }) => Exit::conflict(format!(
            "{number}: {refusal}; if money left twice, ask the payer for it back"
        )),
        StoreError::Refused(refusal @ Refusal::PaidOn { .. }) => Exit::usage(format!(
            "--paid-on: {refusal}; give the day on the bank's statement"
        )),
        other => Exit::unavailable(other),
    }
}
