//! `reverse`: undoing on the same accounting day.

use super::{Case, case};
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "reverse.undone",
        "a reversed pay opens the bill again",
        undone
    ),
    case!(
        "reverse.twice",
        "the same reverse again: the first answer, byte for byte",
        twice
    ),
    case!(
        "reverse.another",
        "a second reverse with its own seq: nothing left to undo",
        another
    ),
    case!(
        "reverse.before",
        "a reverse before its original: REVERSED, and the original is refused",
        before
    ),
    case!(
        "reverse.refused_pay",
        "a reverse of a refused pay undoes nothing",
        refused_pay
    ),
    case!(
        "reverse.wrong_amount",
        "a reverse of another amount: AMOUNT_MISMATCH, the pay stands",
        wrong_amount
    ),
    case!(
        "reverse.of_reverse",
        "a reverse of a reverse: NOT_REVERSIBLE",
        of_reverse
    ),
    case!(
        "reverse.of_release",
        "a reverse of a release: NOT_REVERSIBLE",
        of_release
    ),
    case!(
        "reverse.pay_again",
        "after a reverse the bill can be paid with a new seq",
        pay_again
    ),
    case!(
        "reverse.repeat_of_original",
        "after a reverse the same pay again is refused: TOMBSTONE, never the first answer",
        repeat_of_original
    ),
    case!(
        "reverse.bad_reason",
        "an unknown reason: BAD_REQUEST",
        bad_reason
    ),
];

fn is_undone(undone: bool) -> [(&'static str, Value); 2] {
    [("state", json!("REVERSED")), ("undone", json!(undone))]
}

async fn undone(kit: &Kit) -> Outcome {
    let (bill, body, _) = kit.paid().await?;
    kit.reverse(&body).await?.is(200, &is_undone(true))?;
    let now = kit.look(&bill).await?;
    sure(
        now["status"] == "PAYABLE" && now["paid"] == Value::Null,
        || now.to_string(),
    )
}

async fn twice(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    let reverse = kit.reverse_body(&body);
    let first = kit.call("reverse", &reverse).await?;
    first.is(200, &is_undone(true))?;
    kit.call("reverse", &reverse).await?.same_as(&first)
}

async fn another(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    kit.reverse(&body).await?.is(200, &is_undone(true))?;
    kit.reverse(&body).await?.is(200, &is_undone(false))
}

async fn before(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let body = kit.pay_body(&bill);
    kit.reverse(&body).await?.is(200, &is_undone(false))?;
    kit.pay(&body).await?.refused("TOMBSTONE")?;
    let now = kit.look(&bill).await?;
    sure(now["status"] == "PAYABLE", || now.to_string())
}

async fn refused_pay(kit: &Kit) -> Outcome {
    let (bill, first, _) = kit.paid().await?;
    let body = kit.pay_body(&bill);
    kit.pay(&body).await?.refused("ALREADY_PAID")?;
    kit.reverse(&body).await?.is(200, &is_undone(false))?;
    let status = kit.status(&first["seq"]).await?;
    status.is(200, &[("state", json!("SUCCESS"))])
}

async fn wrong_amount(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    let mut reverse = kit.reverse_body(&body);
    reverse["amount_fen"] = json!(1);
    kit.call("reverse", &reverse)
        .await?
        .refused("AMOUNT_MISMATCH")?;
    let status = kit.status(&body["seq"]).await?;
    status.is(200, &[("state", json!("SUCCESS"))])
}

async fn of_reverse(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    let mut reverse = kit.reverse_body(&body);
    kit.call("reverse", &reverse)
        .await?
        .is(200, &is_undone(true))?;
    reverse["amount_fen"] = json!(0);
    kit.reverse(&reverse).await?.refused("NOT_REVERSIBLE")
}

async fn of_release(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let release = kit.release_body(&bill.bill_no);
    kit.call("release", &release)
        .await?
        .is(200, &[("state", json!("ACCEPTED"))])?;
    kit.reverse(&release).await?.refused("NOT_REVERSIBLE")
}

async fn pay_again(kit: &Kit) -> Outcome {
    let (bill, body, _) = kit.paid().await?;
    kit.reverse(&body).await?.is(200, &is_undone(true))?;
    let now = kit.look(&bill).await?;
    let mut again = bill.clone();
    again.bill_no = now["bill_no"].as_str().unwrap_or_default().to_owned();
    let answer = kit.pay(&kit.pay_body(&again)).await?;
    answer.is(200, &[("state", json!("ACCEPTED"))])
}

async fn repeat_of_original(kit: &Kit) -> Outcome {
    let (bill, body, _) = kit.paid().await?;
    kit.reverse(&body).await?.is(200, &is_undone(true))?;
    kit.pay(&body).await?.refused("TOMBSTONE")?;
    let now = kit.look(&bill).await?;
    sure(now["status"] == "PAYABLE", || now.to_string())
}

async fn bad_reason(kit: &Kit) -> Outcome {
    let (_, body, _) = kit.paid().await?;
    let mut reverse = kit.reverse_body(&body);
    reverse["reason"] = json!("MOOD");
    kit.call("reverse", &reverse)
        .await?
        .error(400, "BAD_REQUEST")
}
