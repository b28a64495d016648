//! Giving back: a part, the whole, once, never more than was paid.

use super::query::is_open;
use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, ORDER, Order, PART, Refund, must};
use crate::commands::conformance::gateway::payer::Payer;
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_domain::channel::{QueryOutcome, RefundOutcome, SeenPayment};
use jiaoyi_domain::money::Fen;
use std::time::Duration;

pub const CASES: &[GatewayCase] = &[
    case!(
        "refund.query_unknown",
        "a refund that was never asked for is not found",
        query_unknown
    ),
    case!(
        "refund.never_paid",
        "what was never paid is not given back",
        never_paid
    ),
    case!(
        "refund.above",
        "more than was paid is not given back",
        above
    ),
    case!("refund.part", "a part is given back, to the fen", part),
    case!(
        "refund.again",
        "the same refund again gives back once",
        again
    ),
    case!(
        "refund.whole",
        "the whole is given back, and the order still counts as paid",
        whole
    ),
    case!(
        "refund.twice_whole",
        "what was given back is not given back once more",
        twice_whole
    ),
];

/// How long a refund may be under way until a query says that it is done.
const PATIENCE: Duration = Duration::from_secs(15);

/// Whether money is on its way, or may be.
const fn is_moving(outcome: &RefundOutcome) -> bool {
    match outcome {
        RefundOutcome::Processing | RefundOutcome::Done { .. } => true,
        RefundOutcome::Closed { .. }
        | RefundOutcome::Abnormal { .. }
        | RefundOutcome::ShortOfBalance
        | RefundOutcome::NotFound
        | RefundOutcome::Unknown { .. } => false,
    }
}

/// Asks until the refund is done with its own amount; elsewhere than at a sandbox it may take days.
pub async fn settled(kit: &Kit, refund: &Refund) -> Ran {
    let mut last = kit.query_refund(refund).await;
    if matches!(kit.payer, Payer::Sandbox(_)) {
        let done = kit.until(PATIENCE, || async {
            let told = kit.query_refund(refund).await;
            matches!(told, RefundOutcome::Done { .. }).then_some(told)
        });
        last = done.await.unwrap_or(last);
    } else if last == RefundOutcome::Processing {
        return Ok(());
    }
    let wanted = refund.terms.amount;
    let good = matches!(last, RefundOutcome::Done { amount, .. } if amount == wanted);
    must(good, &format!("Done with {wanted:?}"), &last)
}

/// A payment that is refused a refund: nothing may move, now or later.
async fn refused(kit: &Kit, order: &Order, seen: &SeenPayment, amount: Fen) -> Ran {
    let refund = kit.refund_of(order, seen, amount);
    let outcome = kit.refund(&refund).await;
    must(!is_moving(&outcome), "a refusal", &outcome)?;
    // Asked about it, the gateway has to say so: no answer is no refusal.
    let told = kit.query_refund(&refund).await;
    let is_told = !matches!(told, RefundOutcome::Unknown { .. });
    must(is_told && !is_moving(&told), "no refund", &told)
}

async fn asked(kit: &Kit, amount: Fen) -> Result<(Order, SeenPayment, Refund), Miss> {
    let (order, seen) = kit.take_paid().await?;
    let refund = kit.refund_of(&order, &seen, amount);
    let outcome = kit.refund(&refund).await;
    must(is_moving(&outcome), "Processing or Done", &outcome)?;
    settled(kit, &refund).await?;
    Ok((order, seen, refund))
}

/// A payment that never was.
fn dreamt(kit: &Kit, order: &Order) -> SeenPayment {
    SeenPayment {
        attempt_no: order.no().to_owned(),
        txn_id: "420000202611220000000000001".to_owned(),
        amount: ORDER,
        currency: "CNY".to_owned(),
        paid_at: kit.now(),
        merchant: kit.gateway().merchant().to_owned(),
        app: kit.gateway().app().to_owned(),
        refunded: false,
    }
}

async fn query_unknown(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    let refund = kit.refund_of(&order, &dreamt(kit, &order), ORDER);
    let outcome = kit.query_refund(&refund).await;
    must(outcome == RefundOutcome::NotFound, "NotFound", &outcome)
}

async fn never_paid(kit: &Kit) -> Ran {
    let (order, _) = kit.placed_with(kit.in_browser()).await?;
    let told = kit.query(&order).await;
    must(is_open(kit, &told), "an order that is not paid", &told)?;
    refused(kit, &order, &dreamt(kit, &order), ORDER).await
}

async fn above(kit: &Kit) -> Ran {
    let (order, seen) = kit.paid().await?;
    let more = Fen::new(ORDER.get() + 1);
    refused(kit, &order, &seen, more).await?;
    let told = kit.query(&order).await;
    must(
        told == QueryOutcome::Paid(seen),
        "the payment as it was",
        &told,
    )
}

async fn part(kit: &Kit) -> Ran {
    let (order, seen, _) = asked(kit, PART).await?;
    let told = kit.query(&order).await;
    let same = matches!(&told, QueryOutcome::Paid(again) if again.txn_id == seen.txn_id);
    must(same, "still the same payment", &told)
}

async fn again(kit: &Kit) -> Ran {
    let (order, seen, refund) = asked(kit, PART).await?;
    kit.refund(&refund).await;
    settled(kit, &refund).await?;
    // Once is proved by what is left: all of it but the part cannot be more than is there.
    let more = Fen::new(ORDER.get() - PART.get() + 1);
    refused(kit, &order, &seen, more).await
}

async fn whole(kit: &Kit) -> Ran {
    let (order, seen, _) = asked(kit, ORDER).await?;
    let told = kit.query(&order).await;
    let same = matches!(&told, QueryOutcome::Paid(again) if again.txn_id == seen.txn_id);
    must(same, "a payment, though it was given back", &told)
}

async fn twice_whole(kit: &Kit) -> Ran {
    let (order, seen, _) = asked(kit, ORDER).await?;
    refused(kit, &order, &seen, ORDER).await
}
