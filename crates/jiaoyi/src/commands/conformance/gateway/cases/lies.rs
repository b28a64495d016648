//! Answers that were changed on the way, or that belong elsewhere: none may be believed.

use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, Order, must};
use crate::commands::conformance::gateway::wire::{Told, Trick, flip};
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_domain::channel::{CreateOutcome, QueryOutcome};

pub const CASES: &[GatewayCase] = &[
    case!(
        "lies.flipped",
        "whichever byte of a query's answer is another, it says nothing new",
        flipped
    ),
    case!(
        "lies.flipped_payment",
        "whichever byte of the answer about a payment is another, it says nothing new",
        flipped_payment
    ),
    case!(
        "lies.unsigned",
        "an answer without its signature is not believed",
        unsigned
    ),
    case!(
        "lies.other_order",
        "the answer about another order is not believed",
        other_order
    ),
    case!(
        "lies.other_payment",
        "the answer about another order that was paid does not make this one paid",
        other_payment
    ),
    case!(
        "lies.honest_again",
        "after lies the truth is believed again",
        honest_again
    ),
];

/// Where the gateway is called for an order.
pub const CALLED: &[GatewayCase] = &[
    case!(
        "lies.flipped_order",
        "whichever byte of the answer to an order is another, nobody is sent elsewhere to pay",
        flipped_order
    ),
    case!(
        "lies.unsigned_order",
        "an order's answer without its signature sends nobody anywhere",
        unsigned_order
    ),
];

/// Where an answer says by which key it was signed.
pub const NAMED_KEYS: &[GatewayCase] = &[case!(
    "lies.other_key",
    "an answer under the name of another key is not believed",
    other_key
)];

/// How many bytes of an answer are tried.
const PLACES: usize = 25;

const READY: &str = "something to pay with";

fn is_unknown(outcome: &QueryOutcome) -> bool {
    matches!(outcome, QueryOutcome::Unknown { .. })
}

/// Some order about which the gateway has an answer.
async fn asked(kit: &Kit) -> Result<(Order, QueryOutcome), Miss> {
    let (order, _) = kit.placed_with(kit.in_browser()).await?;
    let honest = kit.query(&order).await;
    must(!is_unknown(&honest), "an answer", &honest)?;
    Ok((order, honest))
}

/// Asks with a byte changed here and there. What no signature covers may be changed, but then it
/// must not matter.
async fn flips(kit: &Kit, order: &Order, honest: &QueryOutcome) -> Ran {
    let mut doubted = 0;
    for place in 0..PLACES {
        kit.play(Trick::Flipped(place * 1_000 / PLACES));
        let outcome = kit.query(order).await;
        doubted += usize::from(is_unknown(&outcome));
        let expected = format!("Unknown or {honest:?} (byte {place} of {PLACES})");
        must(
            is_unknown(&outcome) || outcome == *honest,
            &expected,
            &outcome,
        )?;
    }
    must(doubted > 0, "an answer that is not believed", &doubted)
}

async fn flipped(kit: &Kit) -> Ran {
    let (order, honest) = asked(kit).await?;
    flips(kit, &order, &honest).await
}

async fn flipped_payment(kit: &Kit) -> Ran {
    let (order, seen) = kit.paid().await?;
    flips(kit, &order, &QueryOutcome::Paid(seen)).await
}

async fn unsigned(kit: &Kit) -> Ran {
    let (order, _) = asked(kit).await?;
    kit.play(Trick::Unsigned);
    let outcome = kit.query(&order).await;
    must(is_unknown(&outcome), "Unknown", &outcome)
}

async fn other_key(kit: &Kit) -> Ran {
    if !kit.wire.speech().names_key() {
        let why = "no answer names a key by which ours is chosen";
        return Err(Miss::NotRun(why.to_owned()));
    }
    let (order, _) = asked(kit).await?;
    kit.play(Trick::OtherKey);
    let outcome = kit.query(&order).await;
    must(is_unknown(&outcome), "Unknown", &outcome)
}

/// The gateway's answer about an order, to be played again.
async fn answer_about(kit: &Kit, order: &Order) -> Result<Trick, Miss> {
    kit.query(order).await;
    heard(kit).map(Trick::Replayed)
}

/// The last answer of the gateway, as it came.
fn heard(kit: &Kit) -> Result<Told, Miss> {
    let nothing = || Miss::Failed("nothing came over the wire".to_owned());
    kit.wire.last().ok_or_else(nothing)
}

/// Plays the answer about one order when it is asked about another, that has an answer of its own.
async fn replayed(kit: &Kit, old: Trick) -> Ran {
    let (order, _) = asked(kit).await?;
    kit.play(old);
    let outcome = kit.query(&order).await;
    must(is_unknown(&outcome), "Unknown", &outcome)
}

async fn other_order(kit: &Kit) -> Ran {
    let (other, honest) = asked(kit).await?;
    if honest == QueryOutcome::NotFound {
        // UnionPay and Alipay say of no unpaid order whose it is; only the payment can be told apart.
        return other_payment(kit).await;
    }
    let old = answer_about(kit, &other).await?;
    replayed(kit, old).await
}

async fn other_payment(kit: &Kit) -> Ran {
    let (other, _) = kit.paid().await?;
    let old = answer_about(kit, &other).await?;
    replayed(kit, old).await
}

async fn honest_again(kit: &Kit) -> Ran {
    let (order, honest) = asked(kit).await?;
    for lie in [Trick::Unsigned, Trick::Lost, Trick::Flipped(500)] {
        kit.play(lie);
        kit.query(&order).await;
        kit.play(Trick::Honest);
        let outcome = kit.query(&order).await;
        must(outcome == honest, "what was told before", &outcome)?;
    }
    Ok(())
}

async fn flipped_order(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    let honest = kit.create(&order).await;
    must(matches!(honest, CreateOutcome::Ready(_)), READY, &honest)?;
    // Each answer to the same order is another one, so that this one is played again.
    let told = heard(kit)?;
    let mut doubted = 0;
    for place in 0..PLACES {
        let mut other = told.clone();
        flip(&mut other.body, place * 1_000 / PLACES);
        kit.play(Trick::Replayed(other));
        let outcome = kit.create(&order).await;
        let is_doubt = matches!(outcome, CreateOutcome::Unknown { .. });
        doubted += usize::from(is_doubt);
        let expected = format!("Unknown or {honest:?} (byte {place} of {PLACES})");
        must(is_doubt || outcome == honest, &expected, &outcome)?;
    }
    must(doubted > 0, "an answer that is not believed", &doubted)
}

async fn unsigned_order(kit: &Kit) -> Ran {
    let honest = kit.create(&kit.order(kit.method())).await;
    must(matches!(honest, CreateOutcome::Ready(_)), READY, &honest)?;
    kit.play(Trick::Unsigned);
    let outcome = kit.create(&kit.order(kit.method())).await;
    must(
        matches!(outcome, CreateOutcome::Unknown { .. }),
        "Unknown",
        &outcome,
    )
}
