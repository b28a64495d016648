//! Bills: there, not there yet, of an empty day, cut.

use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, must};
use crate::commands::conformance::gateway::payer::Payer;
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_channels::BillOutcome;
use jiaoyi_domain::Date;
use jiaoyi_domain::bill::{BillKind, BillSort};
use jiaoyi_domain::channel::channel_day;
use jiaoyi_domain::time::DAY_MS;
use serde_json::json;

pub const CASES: &[GatewayCase] = &[
    case!(
        "bill.yesterday",
        "yesterday's bills are there and whole, or it is said why not",
        yesterday
    ),
    case!(
        "bill.empty",
        "a day without business has no bill, or one without payments of ours",
        empty
    ),
    case!("bill.tomorrow", "tomorrow has no bill", tomorrow),
    case!(
        "bill.payment",
        "the bill of its day holds a payment, by both numbers and to the fen",
        payment
    ),
    case!(
        "bill.not_ready",
        "a bill that is not there yet is not taken for an empty one",
        not_ready
    ),
    case!("bill.cut", "half a bill is refused as a whole", cut),
];

fn day(kit: &Kit, plus: i64) -> Date {
    channel_day(kit.channel, kit.now().plus_ms(plus * DAY_MS))
}

/// Whether a bill can be read, or there is an explicit word that there is none.
const fn is_told(outcome: &BillOutcome) -> bool {
    match outcome {
        BillOutcome::Ready | BillOutcome::NoBill | BillOutcome::NotYet | BillOutcome::Absent => {
            true
        }
        BillOutcome::Refused(_) | BillOutcome::Unknown { .. } => false,
    }
}

async fn yesterday(kit: &Kit) -> Ran {
    for sort in kit.daily() {
        let (outcome, _) = kit.bill(*sort, day(kit, -1)).await;
        must(is_told(&outcome), "a bill, or why there is none", &outcome)?;
    }
    Ok(())
}

async fn empty(kit: &Kit) -> Ran {
    let (order, _) = kit.paid().await?;
    let (outcome, lines) = kit.bill(BillSort::Trade, day(kit, -40)).await;
    must(is_told(&outcome), "a bill, or why there is none", &outcome)?;
    let ours = lines.iter().any(|line| line.our_no == order.no());
    must(!ours, "no payment of today", &lines)
}

async fn tomorrow(kit: &Kit) -> Ran {
    // Only who tells of another day has said something about this one.
    yesterday(kit).await?;
    let (outcome, lines) = kit.bill(BillSort::Trade, day(kit, 1)).await;
    let some = matches!(outcome, BillOutcome::Ready) && !lines.is_empty();
    must(!some, "no bill with lines", &lines)
}

/// Only a sandbox has a bill of a day that is not over.
fn at_sandbox(kit: &Kit) -> Ran {
    match kit.payer {
        Payer::Sandbox(_) => Ok(()),
        Payer::Somebody(_) | Payer::Nobody => {
            Err(Miss::NotRun("the bill of today comes tomorrow".to_owned()))
        }
    }
}

async fn payment(kit: &Kit) -> Ran {
    at_sandbox(kit)?;
    let (order, seen) = kit.paid().await?;
    let day = channel_day(kit.channel, seen.paid_at);
    let (outcome, lines) = kit.bill(BillSort::Trade, day).await;
    must(matches!(outcome, BillOutcome::Ready), "a bill", &outcome)?;
    let own: Vec<_> = lines
        .iter()
        .filter(|line| line.our_no == order.no())
        .collect();
    let [line] = own[..] else {
        return must(false, &format!("one line about {}", order.no()), &own);
    };
    let told = (line.kind, line.channel_no.as_str(), line.amount);
    let wanted = (BillKind::Success, seen.txn_id.as_str(), seen.amount);
    must(told == wanted, &format!("{wanted:?}"), line)
}

/// Lets the sandbox spoil the next bill.
async fn spoil(kit: &Kit, deed: &str) -> Ran {
    let fault = json!({
        "channel": kit.channel.code(), "out_trade_no": "*", "at": "bill", "do": deed,
    });
    kit.control("fault", &fault).await.map(drop)
}

async fn not_ready(kit: &Kit) -> Ran {
    spoil(kit, "error_before").await?;
    let (outcome, _) = kit.bill(BillSort::Trade, day(kit, 0)).await;
    let good = matches!(outcome, BillOutcome::NotYet | BillOutcome::Absent);
    must(
        good,
        "NotYet, or Absent where a channel does not tell",
        &outcome,
    )
}

async fn cut(kit: &Kit) -> Ran {
    at_sandbox(kit)?;
    kit.paid().await?;
    spoil(kit, "truncate").await?;
    let (outcome, _) = kit.bill(BillSort::Trade, day(kit, 0)).await;
    let good = matches!(
        outcome,
        BillOutcome::Refused(_) | BillOutcome::Unknown { .. }
    );
    must(good, "Refused", &outcome)
}
