//! Closing orders, and channels that cannot.

use super::query::is_open;
use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, must};
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_domain::channel::{ChannelCode, CloseOutcome, CreateOutcome, QueryOutcome};
use serde_json::json;

pub const CLOSING: &[GatewayCase] = &[
    case!(
        "close.open",
        "an open order is closed, and the gateway says so",
        open
    ),
    case!(
        "close.query_after",
        "after that a query does not call it open",
        query_after
    ),
    case!(
        "close.twice",
        "closed once more, it is told the same",
        twice
    ),
    case!(
        "close.unknown",
        "a number that was never used cannot be closed",
        unknown
    ),
    case!(
        "close.paid",
        "a paid order is not closed, and told as paid",
        paid
    ),
    case!(
        "close.order_after",
        "a closed number takes no new order",
        order_after
    ),
    case!(
        "close.pay_after",
        "a closed order cannot be paid",
        pay_after
    ),
];

pub const WITHOUT: &[GatewayCase] = &[
    case!(
        "close.cannot",
        "an open order is never called closed, for it can be paid",
        cannot
    ),
    case!(
        "close.unknown",
        "a number that was never used is not called closed",
        unknown
    ),
    case!("close.paid", "a paid order is told as paid", paid),
];

/// An order that was closed; Alipay may not know one that no payer has opened yet.
async fn closed(kit: &Kit) -> Result<crate::commands::conformance::gateway::kit::Order, Miss> {
    let method = match kit.channel {
        ChannelCode::Alipay => kit.in_browser(),
        _ => kit.method(),
    };
    let (order, _) = kit.placed_with(method).await?;
    let outcome = kit.close(&order).await;
    must(is_closed(kit, &outcome), "Closed", &outcome)?;
    Ok(order)
}

fn is_closed(kit: &Kit, outcome: &CloseOutcome) -> bool {
    match outcome {
        CloseOutcome::Closed => true,
        CloseOutcome::NotFound => kit.channel == ChannelCode::Alipay,
        CloseOutcome::Paid | CloseOutcome::CannotClose | CloseOutcome::Unknown { .. } => false,
    }
}

async fn open(kit: &Kit) -> Ran {
    closed(kit).await.map(drop)
}

async fn query_after(kit: &Kit) -> Ran {
    let order = closed(kit).await?;
    let outcome = kit.query(&order).await;
    let good = match outcome {
        QueryOutcome::Closed => true,
        QueryOutcome::NotFound => kit.channel == ChannelCode::Alipay,
        QueryOutcome::Paid(_) | QueryOutcome::NotPaid(_) | QueryOutcome::Unknown { .. } => false,
    };
    must(good, "Closed", &outcome)
}

async fn twice(kit: &Kit) -> Ran {
    let order = closed(kit).await?;
    let outcome = kit.close(&order).await;
    must(is_closed(kit, &outcome), "Closed again", &outcome)
}

async fn unknown(kit: &Kit) -> Ran {
    let outcome = kit.close(&kit.order(kit.method())).await;
    must(outcome == CloseOutcome::NotFound, "NotFound", &outcome)
}

async fn paid(kit: &Kit) -> Ran {
    let (order, seen) = kit.paid().await?;
    let outcome = kit.close(&order).await;
    must(outcome == CloseOutcome::Paid, "Paid", &outcome)?;
    let told = kit.query(&order).await;
    must(
        told == QueryOutcome::Paid(seen),
        "the same payment as before",
        &told,
    )
}

async fn order_after(kit: &Kit) -> Ran {
    let order = closed(kit).await?;
    let outcome = kit.create(&order).await;
    if order.terms.method.placed_by_call() {
        let ready = matches!(outcome, CreateOutcome::Ready(_));
        return must(!ready, "nothing to pay with", &outcome);
    }
    // The link is only signed; it is the gateway that must not let anybody in.
    let CreateOutcome::Ready(handover) = outcome else {
        return must(false, "the same link", &outcome);
    };
    let status = kit.open(&handover).await?;
    must(
        status.is_some_and(|status| status >= 400),
        "a refusal",
        &status,
    )
}

async fn pay_after(kit: &Kit) -> Ran {
    let order = closed(kit).await?;
    let body = json!({ "channel": kit.channel.code(), "out_trade_no": order.no() });
    match kit.control("pay", &body).await {
        Err(Miss::Failed(why)) => must(why.contains("control.closed"), "control.closed", &why),
        Err(not_run) => Err(not_run),
        Ok(told) => must(false, "a refusal", &told),
    }
}

async fn cannot(kit: &Kit) -> Ran {
    for method in [kit.method(), kit.in_browser()] {
        let (order, _) = kit.placed_with(method).await?;
        let outcome = kit.close(&order).await;
        let good = matches!(outcome, CloseOutcome::CannotClose | CloseOutcome::NotFound);
        must(good, "CannotClose or NotFound", &outcome)?;
        let told = kit.query(&order).await;
        must(is_open(kit, &told), "an order that is not paid", &told)?;
    }
    Ok(())
}
