//! Asking what became of an order.

use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, ORDER, must};
use crate::commands::conformance::play::Ran;
use jiaoyi_domain::channel::{ChannelCode, QueryOutcome};
use jiaoyi_domain::time::MINUTE_MS;

pub const CASES: &[GatewayCase] = &[
    case!(
        "query.unknown",
        "a number that was never used is not found",
        unknown
    ),
    case!("query.open", "an order that nobody paid is not paid", open),
    case!("query.again", "asked twice, it is told the same", again),
    case!(
        "query.paid",
        "a paid order is told with number, sum, currency, merchant, app and time",
        paid
    ),
    case!(
        "query.paid_again",
        "asked again, the same payment is told",
        paid_again
    ),
];

/// Whether a query may say this about an order that nobody paid.
///
/// WeChat knows an order from the start; elsewhere it may begin with the payer's first try.
pub fn is_open(kit: &Kit, outcome: &QueryOutcome) -> bool {
    match outcome {
        QueryOutcome::NotPaid(_) => true,
        QueryOutcome::NotFound => kit.channel != ChannelCode::Wechat,
        QueryOutcome::Paid(_) | QueryOutcome::Closed | QueryOutcome::Unknown { .. } => false,
    }
}

async fn unknown(kit: &Kit) -> Ran {
    let outcome = kit.query(&kit.order(kit.method())).await;
    must(outcome == QueryOutcome::NotFound, "NotFound", &outcome)
}

async fn open(kit: &Kit) -> Ran {
    for method in [kit.method(), kit.in_browser()] {
        let (order, _) = kit.placed_with(method).await?;
        let outcome = kit.query(&order).await;
        must(
            is_open(kit, &outcome),
            "an order that is not paid",
            &outcome,
        )?;
    }
    Ok(())
}

async fn again(kit: &Kit) -> Ran {
    let order = kit.placed().await?;
    let first = kit.query(&order).await;
    must(is_open(kit, &first), "an order that is not paid", &first)?;
    let second = kit.query(&order).await;
    must(first == second, "the same twice", &(first, second))
}

async fn paid(kit: &Kit) -> Ran {
    let (order, seen) = kit.paid().await?;
    must(seen.attempt_no == order.no(), "our number", &seen)?;
    must(
        seen.amount == ORDER && seen.currency == "CNY",
        "our sum in CNY",
        &seen,
    )?;
    let own = (kit.gateway().merchant(), kit.gateway().app());
    must(
        (seen.merchant.as_str(), seen.app.as_str()) == own,
        "our merchant and app",
        &seen,
    )?;
    must(
        !seen.txn_id.is_empty() && !seen.refunded,
        "a number, and no refund",
        &seen,
    )?;
    let off_ms = kit.now().since_ms(seen.paid_at).abs();
    must(off_ms < 10 * MINUTE_MS, "a time of the last minutes", &seen)
}

async fn paid_again(kit: &Kit) -> Ran {
    let (order, seen) = kit.paid().await?;
    let again = kit.query(&order).await;
    must(
        again == QueryOutcome::Paid(seen),
        "the same payment",
        &again,
    )
}
