//! `collect` and `release`: a lock before cash or a card is taken.

use super::{Case, case};
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::{Bill, Kit};
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "collect.locks",
        "a lock has an end and the amount, and a query says that it is yours",
        locks
    ),
    case!(
        "collect.shortened",
        "a lock of a day is shortened to what the channel may have",
        shortened
    ),
    case!(
        "collect.twice",
        "the same collect again: the first answer, byte for byte",
        twice
    ),
    case!(
        "collect.prolonged",
        "a second collect of yours prolongs your own lock",
        prolonged
    ),
    case!(
        "collect.pay",
        "a pay under the lock is accepted and ends it",
        pay
    ),
    case!(
        "collect.bad_token",
        "a token that is not the platform's: TOKEN_INVALID",
        bad_token
    ),
    case!(
        "collect.other_bill",
        "a token that does not list the bill: TOKEN_INVALID",
        other_bill
    ),
    case!("collect.release", "release frees the bill", release),
    case!(
        "collect.release_again",
        "releasing what is free says that nothing was released",
        release_again
    ),
    case!(
        "collect.reversed",
        "a reverse of a collect, with amount 0, frees the bill",
        reversed
    ),
    case!(
        "collect.paid_bill",
        "a collect of a paid bill: ALREADY_PAID, before any cash is taken",
        paid_bill
    ),
];

async fn locked(kit: &Kit) -> Result<(Bill, Value), String> {
    let bill = kit.bill().await?;
    let body = kit.collect_body(&bill);
    let answer = kit.collect(&body).await?;
    let amount = ("amount_fen", json!(bill.amount_fen));
    answer.is(200, &[("state", json!("ACCEPTED")), amount])?;
    Ok((bill, body))
}

async fn locks(kit: &Kit) -> Outcome {
    let (bill, _) = locked(kit).await?;
    let now = kit.look(&bill).await?;
    sure(
        now["lock"]["mine"] == true && now["lock"]["until"].is_string(),
        || now.to_string(),
    )
}

async fn shortened(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.collect_body(&bill);
    body["until"] = json!(kit.time(86_400));
    let answer = kit.collect(&body).await?;
    let until = answer.text("lock_until")?;
    // Times of one offset are ordered like their texts.
    sure(until < kit.time(11 * 60).as_str(), || answer.told())
}

async fn twice(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let body = kit.collect_body(&bill);
    let first = kit.collect(&body).await?;
    first.is(200, &[("state", json!("ACCEPTED"))])?;
    kit.collect(&body).await?.same_as(&first)
}

async fn prolonged(kit: &Kit) -> Outcome {
    let (bill, _) = locked(kit).await?;
    let mut body = kit.collect_body(&bill);
    body["until"] = json!(kit.time(120));
    let answer = kit.collect(&body).await?;
    answer.is(200, &[("state", json!("ACCEPTED"))])?;
    let until = answer.text("lock_until")?;
    sure(until > kit.time(90).as_str(), || answer.told())
}

async fn pay(kit: &Kit) -> Outcome {
    let (bill, _) = locked(kit).await?;
    let answer = kit.pay(&kit.pay_body(&bill)).await?;
    answer.is(200, &[("state", json!("ACCEPTED"))])?;
    let now = kit.look(&bill).await?;
    sure(
        now["status"] == "PAID" && now["lock"] == Value::Null,
        || now.to_string(),
    )
}

async fn bad_token(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.collect_body(&bill);
    body["query_token"] = json!("AAAAAAAAAAAAAAAAAAAAAAAA");
    kit.collect(&body).await?.error(422, "TOKEN_INVALID")
}

async fn other_bill(kit: &Kit) -> Outcome {
    let (one, other) = (kit.bill().await?, kit.bill().await?);
    sure(one.bill_no != other.bill_no, || {
        "--people: two different people with open bills are needed".to_owned()
    })?;
    let mut body = kit.collect_body(&one);
    body["query_token"] = json!(other.token);
    kit.collect(&body).await?.error(422, "TOKEN_INVALID")
}

async fn release(kit: &Kit) -> Outcome {
    let (bill, _) = locked(kit).await?;
    let answer = kit
        .call("release", &kit.release_body(&bill.bill_no))
        .await?;
    answer.is(
        200,
        &[("state", json!("ACCEPTED")), ("released", json!(true))],
    )?;
    let now = kit.look(&bill).await?;
    sure(
        now["status"] == "PAYABLE" && now["lock"] == Value::Null,
        || now.to_string(),
    )
}

async fn release_again(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let answer = kit
        .call("release", &kit.release_body(&bill.bill_no))
        .await?;
    answer.is(
        200,
        &[("state", json!("ACCEPTED")), ("released", json!(false))],
    )
}

async fn reversed(kit: &Kit) -> Outcome {
    let (bill, body) = locked(kit).await?;
    let answer = kit.reverse(&body).await?;
    answer.is(
        200,
        &[("state", json!("REVERSED")), ("undone", json!(true))],
    )?;
    let now = kit.look(&bill).await?;
    sure(now["lock"] == Value::Null, || now.to_string())
}

async fn paid_bill(kit: &Kit) -> Outcome {
    let (bill, ..) = kit.paid().await?;
    let answer = kit.collect(&kit.collect_body(&bill)).await?;
    answer.refused("ALREADY_PAID")
}
