//! `jiaoyi bill fetch|show`: the channels' bills.

use crate::commands::open_platform;
use crate::config::Config;
use crate::exit::{Exit, note, print};
use clap::{Args, Subcommand, ValueEnum};
use jiaoyi_app::channel_bills::{BillDifference, BillError, BillReport, FetchedBill};
use jiaoyi_app::platform::Platform;
use jiaoyi_domain::bill::{BillSort, BillTotals, KeptBill};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::{Date, Fen};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args)]
pub struct BillArgs {
    #[command(subcommand)]
    command: BillCommand,
}

#[derive(Subcommand)]
enum BillCommand {
    /// Fetch a day's bill and keep it; one that is kept is not fetched again.
    #[command(
        after_help = "Examples:\n  jiaoyi bill fetch --channel wechat --date 2026-11-21\n  jiaoyi bill fetch --channel wechat --date 2026-11-21 --sort funds"
    )]
    Fetch {
        #[command(flatten)]
        which: Which,
    },
    /// Show a kept bill beside our own books: counts, sums, the first differences by number.
    #[command(
        after_help = "Examples:\n  jiaoyi bill show --channel alipay --date 2026-11-21\n  jiaoyi bill show --channel unionpay --date 2026-11-21 --json"
    )]
    Show {
        #[command(flatten)]
        which: Which,
        /// How many differences are named.
        #[arg(long, default_value_t = 20)]
        differences: usize,
        /// One line of JSON on stdout.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct Which {
    #[arg(long)]
    channel: BillChannel,
    /// The channel's accounting day, such as 2026-11-21; UnionPay's turns at 23:00.
    #[arg(long)]
    date: Date,
    /// trade: payments and refunds. success, refund: one of them. funds: what moved on the account.
    #[arg(long, default_value = "trade")]
    sort: Sort,
    /// The configuration file.
    #[arg(long, default_value = "jiaoyi.toml")]
    config: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum BillChannel {
    Wechat,
    Alipay,
    Unionpay,
    Bank1,
    Bank2,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sort {
    Trade,
    Success,
    Refund,
    Funds,
}

impl Which {
    fn names(&self) -> (ChannelCode, BillSort, Date) {
        let channel = match self.channel {
            BillChannel::Wechat => ChannelCode::Wechat,
            BillChannel::Alipay => ChannelCode::Alipay,
            BillChannel::Unionpay => ChannelCode::Unionpay,
            BillChannel::Bank1 => ChannelCode::Bank1,
            BillChannel::Bank2 => ChannelCode::Bank2,
        };
        let sort = match self.sort {
            Sort::Trade => BillSort::Trade,
            Sort::Success => BillSort::Success,
            Sort::Refund => BillSort::Refund,
            Sort::Funds => BillSort::Funds,
        };
        (channel, sort, self.date)
    }
}

fn exit(error: BillError) -> Exit {
    match &error {
        BillError::NoFolder | BillError::NoChannel(_) | BillError::NotOver(_) => Exit::usage(error),
        BillError::Refused { .. } => Exit::invalid_rows(error),
        BillError::Changed { .. } => Exit::conflict(error),
        BillError::Unavailable { .. } | BillError::Store(_) => Exit::unavailable(error),
        BillError::File { path, source } => Exit::unread(path, source),
    }
}

/// Exit 0 when the bill is kept or there is none and nothing differs, 1 when it differs, 3 when it is
/// not kept, 4 for one that is not to be believed, 5 for a kept file that was changed, 7 when it is
/// not there yet or the channel cannot be reached.
pub async fn run(args: BillArgs) -> Result<(), Exit> {
    let (BillCommand::Fetch { which } | BillCommand::Show { which, .. }) = &args.command;
    let platform = open_platform(&Config::load(&which.config)?).await?;
    let done = match &args.command {
        BillCommand::Fetch { which } => fetch(&platform, which).await,
        BillCommand::Show {
            which,
            differences,
            json,
        } => show(&platform, which, *differences, *json).await,
    };
    platform.store.close();
    done
}

async fn fetch(platform: &Platform, which: &Which) -> Result<(), Exit> {
    let (channel, sort, day) = which.names();
    let fetched = platform.fetch_bill(channel, sort, day).await;
    let (kept, how) = match fetched.map_err(exit)? {
        FetchedBill::Now(kept) => (kept, "取回 fetched"),
        FetchedBill::Before(kept) => (kept, "早已取回 fetched before"),
        FetchedBill::NotYet => {
            return Err(Exit::unavailable(
                "the channel has not made the bill yet; try again later",
            ));
        }
    };
    note(format!("{} {how}", kept.name()));
    if kept.is_none() {
        print("当日没有账单 no bill of that day");
        return Ok(());
    }
    let path = platform.bill_path(&kept).map_err(exit)?;
    print(format!(
        "{}\nsha256 {}\n{}",
        path.display(),
        kept.sha256_hex(),
        sums(&totals_of(&kept))
    ));
    Ok(())
}

fn totals_of(kept: &KeptBill) -> BillTotals {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    BillTotals {
        payments: count(kept.payments),
        paid: kept.paid,
        refunds: count(kept.refunds),
        returned: kept.returned,
        others: count(kept.others),
        fees: jiaoyi_domain::bill::Exact(kept.fees),
    }
}

fn sums(totals: &BillTotals) -> String {
    format!(
        "缴费 payments {} 笔 {} 元，退费 refunds {} 笔 {} 元，其他 others {} 笔，手续费 fees {} 元",
        totals.payments, totals.paid, totals.refunds, totals.returned, totals.others, totals.fees
    )
}

async fn show(platform: &Platform, which: &Which, keep: usize, as_json: bool) -> Result<(), Exit> {
    let (channel, sort, day) = which.names();
    let kept = platform.kept_bill(channel, sort, day).await.map_err(exit)?;
    let kept = kept.ok_or_else(|| {
        Exit::not_found(format!(
            "no {} bill of {day} of {} is kept; fetch it with jiaoyi bill fetch",
            sort.code(),
            channel.code()
        ))
    })?;
    let report = platform.compare_bill(&kept, keep).map_err(exit)?;
    if as_json {
        print(in_json(&kept, &report));
    } else {
        print(format!("账单 bill: {}", sums(&report.bill)));
        print(format!("我方 ours: {}", sums(&report.ours)));
        if report.disputed > 0 {
            print(format!("差错 disputed: {}", report.disputed));
        }
        for difference in &report.first {
            print(in_words(difference));
        }
        note(format!("{} 处不同 differences", report.differences));
    }
    if report.differences == 0 {
        Ok(())
    } else {
        Err(Exit::no())
    }
}

fn in_words(difference: &BillDifference) -> String {
    let amount = |amount: Option<Fen>| amount.map_or("-".to_owned(), |fen| fen.to_string());
    format!(
        "{} {} {} bill {} ours {}",
        difference.number,
        difference.kind.code(),
        difference.differs.code(),
        amount(difference.bill),
        amount(difference.ours)
    )
}

fn in_json(kept: &KeptBill, report: &BillReport) -> String {
    let sums = |totals: &BillTotals| {
        json!({
            "payments": totals.payments, "paid_fen": totals.paid.get(),
            "refunds": totals.refunds, "returned_fen": totals.returned.get(),
            "others": totals.others, "fees_yuan": totals.fees.to_string(),
        })
    };
    let first: Vec<_> = report
        .first
        .iter()
        .map(|difference| {
            json!({
                "number": difference.number, "kind": difference.kind.code(),
                "differs": difference.differs.code(),
                "bill_fen": difference.bill.map(Fen::get), "ours_fen": difference.ours.map(Fen::get),
            })
        })
        .collect();
    let there = !kept.is_none();
    json!({
        "channel": kept.channel.code(), "merchant": kept.merchant, "sort": kept.sort.code(),
        "day": kept.day.to_string(), "file": there.then_some(&kept.file),
        "sha256": there.then(|| kept.sha256_hex()),
        "bill": sums(&report.bill), "ours": sums(&report.ours), "disputed": report.disputed,
        "differences": report.differences, "first": first,
    })
    .to_string()
}
