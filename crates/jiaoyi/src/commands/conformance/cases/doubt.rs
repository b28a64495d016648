//! When nothing was heard: `status`, and what it promises.

use super::{Case, case};
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "doubt.success",
        "status of an accepted pay: SUCCESS, with what it was answered",
        success
    ),
    case!(
        "doubt.refused",
        "status of a refused pay: REFUSED and its reason",
        refused
    ),
    case!(
        "doubt.reversed",
        "status of a reversed pay: REVERSED",
        reversed
    ),
    case!(
        "doubt.unknown",
        "status of a serial that was never sent: NOT_FOUND",
        unknown
    ),
    case!(
        "doubt.promise",
        "after NOT_FOUND the late original is refused: TOMBSTONE",
        promise
    ),
    case!(
        "doubt.no_answer",
        "you leave before the answer: status says one thing, now and later",
        no_answer
    ),
    case!(
        "doubt.reverse",
        "you leave before the answer and reverse: the bill is open",
        reverse
    ),
    case!(
        "doubt.repeat",
        "you leave before the answer and send the same again: paid once",
        repeat
    ),
    case!(
        "doubt.without_day",
        "status without a day is answered too",
        without_day
    ),
];

async fn success(kit: &Kit) -> Outcome {
    let (_, body, answer) = kit.paid().await?;
    let status = kit.status(&body["seq"]).await?;
    let receipt = ("/answer/receipt_no", answer.json["receipt_no"].clone());
    status.is(
        200,
        &[("state", json!("SUCCESS")), ("call", json!("pay")), receipt],
    )
}

async fn refused(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["amount_fen"] = json!(bill.amount_fen + 1);
    kit.pay(&body).await?.refused("AMOUNT_MISMATCH")?;
    let status = kit.status(&body["seq"]).await?;
    status.is(
        200,
        &[
            ("state", json!("REFUSED")),
            ("reason", json!("AMOUNT_MISMATCH")),
        ],
    )
}

async fn reversed(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    kit.reverse(&body)
        .await?
        .is(200, &[("undone", json!(true))])?;
    kit.status(&body["seq"])
        .await?
        .is(200, &[("state", json!("REVERSED"))])
}

async fn unknown(kit: &Kit) -> Outcome {
    let status = kit.status(&json!(kit.seq())).await?;
    let nothing = [("call", Value::Null), ("answer", Value::Null)];
    status.is(200, &[("state", json!("NOT_FOUND"))])?;
    status.is(200, &nothing)
}

async fn promise(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let body = kit.pay_body(&bill);
    let status = kit.status(&body["seq"]).await?;
    status.is(200, &[("state", json!("NOT_FOUND"))])?;
    kit.pay(&body).await?.refused("TOMBSTONE")?;
    let now = kit.look(&bill).await?;
    sure(now["status"] == "PAYABLE", || now.to_string())
}

/// Sends a `pay` and hears nothing of it; what was sent.
async fn unheard(kit: &Kit) -> Result<Value, String> {
    let bill = kit.bill().await?;
    let body = kit.pay_body(&bill);
    kit.send_and_leave(&kit.draft("pay", body.to_string().into_bytes()))
        .await?;
    Ok(body)
}

async fn no_answer(kit: &Kit) -> Outcome {
    let body = unheard(kit).await?;
    let first = kit.status(&body["seq"]).await?;
    let state = first.text("state")?;
    sure(["SUCCESS", "NOT_FOUND"].contains(&state), || first.told())?;
    if state == "SUCCESS" {
        kit.remember(&body);
    }
    // Whatever was still on its way has arrived by now.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    kit.status(&body["seq"]).await?.same_as(&first)
}

async fn reverse(kit: &Kit) -> Outcome {
    let body = unheard(kit).await?;
    let answer = kit.reverse(&body).await?;
    answer.is(200, &[("state", json!("REVERSED"))])?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let status = kit.status(&body["seq"]).await?;
    status.is(200, &[("state", json!("REVERSED"))])
}

async fn repeat(kit: &Kit) -> Outcome {
    let body = unheard(kit).await?;
    let answer = kit.pay(&body).await?;
    answer.is(200, &[("state", json!("ACCEPTED"))])?;
    kit.call("pay", &body).await?.same_as(&answer)
}

async fn without_day(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    let status = kit
        .call("status", &json!({ "orig_seq": body["seq"] }))
        .await?;
    status.is(200, &[("state", json!("SUCCESS"))])
}
