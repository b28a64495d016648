//! Making orders.

use super::{GatewayCase, case};
use crate::commands::conformance::gateway::kit::{Kit, PART, must};
use crate::commands::conformance::gateway::payer::Payer;
use crate::commands::conformance::play::{Miss, Ran};
use jiaoyi_domain::channel::{CreateOutcome, Handover};
use jiaoyi_domain::time::MINUTE_MS;

/// Where the gateway is called for an order.
pub const CALLED: &[GatewayCase] = &[
    case!(
        "order.made",
        "a new order is taken, and there is something to pay with",
        made
    ),
    case!(
        "order.again",
        "the same order with the same number is taken again",
        again
    ),
    case!(
        "order.other_sum",
        "the same number with another sum gives nothing to pay with",
        other_sum
    ),
    case!(
        "order.expired",
        "an order whose time is over gives nothing to pay with",
        expired
    ),
];

pub const CASES: &[GatewayCase] = &[
    case!(
        "order.browser",
        "a browser is let in with what it is given",
        browser
    ),
    case!(
        "order.browser_again",
        "a browser that comes again is let in again",
        browser_again
    ),
    case!(
        "order.browser_altered",
        "a browser that comes with a changed order is not let in",
        browser_altered
    ),
];

const READY: &str = "something to pay with";

fn is_ready(outcome: &CreateOutcome) -> bool {
    matches!(outcome, CreateOutcome::Ready(_))
}

async fn made(kit: &Kit) -> Ran {
    let outcome = kit.create(&kit.order(kit.method())).await;
    must(is_ready(&outcome), READY, &outcome)
}

async fn again(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    for _ in 0..2 {
        let outcome = kit.create(&order).await;
        must(is_ready(&outcome), READY, &outcome)?;
    }
    Ok(())
}

async fn other_sum(kit: &Kit) -> Ran {
    let order = kit.order(kit.method());
    let outcome = kit.create(&order).await;
    must(is_ready(&outcome), READY, &outcome)?;
    let mut terms = order.terms.clone();
    terms.amount = PART;
    let outcome = kit.create(&kit.render(terms)).await;
    must(
        !is_ready(&outcome),
        "no second order under the number",
        &outcome,
    )
}

async fn expired(kit: &Kit) -> Ran {
    let mut terms = kit.order(kit.method()).terms;
    terms.started_at = kit.now().plus_ms(-30 * MINUTE_MS);
    terms.expires_at = kit.now().plus_ms(-15 * MINUTE_MS);
    // Only who takes orders at all can refuse one.
    made(kit).await?;
    let outcome = kit.create(&kit.render(terms)).await;
    must(!is_ready(&outcome), "no order of the past", &outcome)
}

/// What a browser is given; some merchants may not use every way of paying.
async fn given(kit: &Kit) -> Result<Handover, Miss> {
    match kit.create(&kit.order(kit.in_browser())).await {
        CreateOutcome::Ready(handover) => Ok(handover),
        CreateOutcome::Refused { code, message } => Err(Miss::NotRun(format!(
            "this merchant may not use {}: {code} {message}",
            kit.in_browser().code()
        ))),
        other => Err(Miss::Failed(format!("expected {READY}, came {other:?}"))),
    }
}

async fn let_in(kit: &Kit, handover: &Handover) -> Ran {
    let status = kit.open(handover).await?;
    must(
        status.is_some_and(|status| status < 400),
        "a page or a way to one",
        &status,
    )
}

async fn browser(kit: &Kit) -> Ran {
    let_in(kit, &given(kit).await?).await
}

async fn browser_again(kit: &Kit) -> Ran {
    let handover = given(kit).await?;
    let_in(kit, &handover).await?;
    let_in(kit, &handover).await
}

/// The last letter or digit of a text is another one.
fn altered(text: &str) -> String {
    let (head, tail) = text.split_at(text.rfind(|c: char| c.is_ascii_alphanumeric()).unwrap_or(0));
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", tail.get(1..).unwrap_or_default())
}

async fn browser_altered(kit: &Kit) -> Ran {
    if !matches!(kit.payer, Payer::Sandbox(_)) {
        let why = "what a gateway's page says to this only a person can read";
        return Err(Miss::NotRun(why.to_owned()));
    }
    let honest = given(kit).await?;
    let_in(kit, &honest).await?;
    let handover = match honest {
        // The signature is in one of them; WeChat's link has a number that cannot be guessed.
        Handover::Redirect(url) => Handover::Redirect(match url.split_once("prepay_id=") {
            Some((head, tail)) => format!("{head}prepay_id=wx{tail}"),
            None => altered(&url),
        }),
        Handover::Form(mut form) => {
            for (name, value) in &mut form.fields {
                if name == "txnAmt" {
                    *value = altered(value);
                }
            }
            Handover::Form(form)
        }
        other => other,
    };
    let status = kit.open(&handover).await?;
    must(
        status.is_some_and(|status| status >= 400),
        "a refusal",
        &status,
    )
}
