//! Answers that do not come: what the gateway has done is found out by asking.

use super::query::is_open;
use super::refund::settled;
use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, Order, PART, must};
use crate::commands::conformance::gateway::wire::Trick;
use crate::commands::conformance::play::Ran;
use jiaoyi_domain::channel::{
    ChannelCode, CloseOutcome, CreateOutcome, QueryOutcome, RefundOutcome,
};
use std::time::Duration;

pub const CASES: &[GatewayCase] = &[
    case!(
        "doubt.query_lost",
        "a query whose answer is lost says nothing; the next one does",
        query_lost
    ),
    case!(
        "doubt.query_late",
        "so does one whose answer comes too late",
        query_late
    ),
    case!(
        "doubt.payment_lost",
        "a payment whose answer is lost is found by the next query",
        payment_lost
    ),
    case!(
        "doubt.refund_lost",
        "a refund whose answer is lost is found by its query, and asked again refunds once",
        refund_lost
    ),
];

/// Where the gateway is called for an order.
pub const CALLED: &[GatewayCase] = &[
    case!(
        "doubt.order_lost",
        "an order whose answer is lost is neither there nor refused until it is asked for",
        order_lost
    ),
    case!(
        "doubt.order_late",
        "so is one whose answer comes too late",
        order_late
    ),
    case!(
        "doubt.unreachable",
        "an order that never arrived is not called refused, and can be made later",
        unreachable
    ),
];

/// Where orders can be closed.
pub const CLOSING: &[GatewayCase] = &[case!(
    "doubt.close_lost",
    "a close whose answer is lost is found by a query",
    close_lost
)];

/// Later than the hasty adapter waits.
const LATE: Duration = Duration::from_millis(1_500);

fn is_doubt(outcome: &CreateOutcome) -> bool {
    matches!(outcome, CreateOutcome::Unknown { .. })
}

fn is_ready(outcome: &CreateOutcome) -> bool {
    matches!(outcome, CreateOutcome::Ready(_))
}

/// The gateway answers again: the order is there and not paid.
async fn is_there(kit: &Kit, order: &Order) -> Ran {
    kit.play(Trick::Honest);
    let told = kit.query(order).await;
    must(is_open(kit, &told), "an order that is not paid", &told)
}

async fn query_lost(kit: &Kit) -> Ran {
    let (order, _) = kit.placed_with(kit.in_browser()).await?;
    kit.play(Trick::Lost);
    let outcome = kit.query(&order).await;
    must(
        matches!(outcome, QueryOutcome::Unknown { .. }),
        "Unknown",
        &outcome,
    )?;
    is_there(kit, &order).await
}

async fn query_late(kit: &Kit) -> Ran {
    let (order, _) = kit.placed_with(kit.in_browser()).await?;
    kit.play(Trick::Late(LATE));
    let outcome = kit.query_hastily(&order).await;
    must(
        matches!(outcome, QueryOutcome::Unknown { .. }),
        "Unknown",
        &outcome,
    )?;
    is_there(kit, &order).await
}

async fn payment_lost(kit: &Kit) -> Ran {
    let (order, seen) = kit.paid().await?;
    kit.play(Trick::Lost);
    let outcome = kit.query(&order).await;
    must(
        matches!(outcome, QueryOutcome::Unknown { .. }),
        "Unknown",
        &outcome,
    )?;
    kit.play(Trick::Honest);
    let outcome = kit.query(&order).await;
    must(outcome == QueryOutcome::Paid(seen), "the payment", &outcome)
}

async fn refund_lost(kit: &Kit) -> Ran {
    let (order, seen) = kit.take_paid().await?;
    let refund = kit.refund_of(&order, &seen, PART);
    kit.play(Trick::Lost);
    let outcome = kit.refund(&refund).await;
    must(
        matches!(outcome, RefundOutcome::Unknown { .. }),
        "Unknown",
        &outcome,
    )?;
    kit.play(Trick::Honest);
    settled(kit, &refund).await?;
    let outcome = kit.refund(&refund).await;
    let final_no = matches!(
        outcome,
        RefundOutcome::Closed { .. } | RefundOutcome::Abnormal { .. }
    );
    must(
        !final_no,
        "no word that it will never be paid out",
        &outcome,
    )?;
    settled(kit, &refund).await
}

async fn order_lost(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    kit.play(Trick::Lost);
    let outcome = kit.create(&order).await;
    must(is_doubt(&outcome), "Unknown", &outcome)?;
    is_there(kit, &order).await?;
    let outcome = kit.create(&order).await;
    must(is_ready(&outcome), "the same order again", &outcome)
}

async fn order_late(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    kit.play(Trick::Late(LATE));
    let outcome = kit.create_hastily(&order).await;
    must(is_doubt(&outcome), "Unknown", &outcome)?;
    is_there(kit, &order).await?;
    let outcome = kit.create(&order).await;
    must(is_ready(&outcome), "the same order again", &outcome)
}

async fn unreachable(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    kit.play(Trick::Unreachable);
    let outcome = kit.create(&order).await;
    must(is_doubt(&outcome), "Unknown", &outcome)?;
    kit.play(Trick::Honest);
    let told = kit.query(&order).await;
    must(told == QueryOutcome::NotFound, "NotFound", &told)?;
    let outcome = kit.create(&order).await;
    must(is_ready(&outcome), "something to pay with", &outcome)
}

async fn close_lost(kit: &Kit) -> Ran {
    let (order, _) = kit.placed_with(kit.in_browser()).await?;
    kit.play(Trick::Lost);
    let outcome = kit.close(&order).await;
    must(
        matches!(outcome, CloseOutcome::Unknown { .. }),
        "Unknown",
        &outcome,
    )?;
    kit.play(Trick::Honest);
    let told = kit.query(&order).await;
    let good = match told {
        QueryOutcome::Closed => true,
        QueryOutcome::NotFound => kit.channel == ChannelCode::Alipay,
        QueryOutcome::Paid(_) | QueryOutcome::NotPaid(_) | QueryOutcome::Unknown { .. } => false,
    };
    must(good, "Closed", &told)
}
