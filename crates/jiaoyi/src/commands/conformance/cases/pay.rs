//! `pay`: once and whole.

use super::{Case, case};
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use futures_util::future::join_all;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "pay.accepted",
        "a pay of the whole amount has receipt, voucher and check code",
        accepted
    ),
    case!(
        "pay.with_token",
        "a pay may show the token of its query",
        with_token
    ),
    case!(
        "pay.shown",
        "after it a query says PAID, through which channel and when",
        shown
    ),
    case!(
        "pay.voucher",
        "the voucher of its answer can be opened",
        voucher
    ),
    case!(
        "pay.twice",
        "the same pay again: the first answer, byte for byte",
        twice
    ),
    case!(
        "pay.at_once",
        "the same pay eight times at once: one answer, one payment",
        at_once
    ),
    case!(
        "pay.changed",
        "the same seq with another field: DUPLICATE_MISMATCH",
        changed
    ),
    case!(
        "pay.other_verb",
        "the same seq with another verb: DUPLICATE_MISMATCH",
        other_verb
    ),
    case!(
        "pay.paid",
        "a paid bill with a new seq: ALREADY_PAID, and who was first",
        paid
    ),
    case!(
        "pay.contested",
        "eight serials at once for one bill: one is accepted",
        contested
    ),
    case!(
        "pay.too_little",
        "less than the bill: AMOUNT_MISMATCH",
        too_little
    ),
    case!(
        "pay.too_much",
        "more than the bill: AMOUNT_MISMATCH",
        too_much
    ),
    case!(
        "pay.refusal_stays",
        "a refusal is final for its seq, even when its cause is gone",
        refusal_stays
    ),
    case!(
        "pay.unknown_bill",
        "a bill number that nobody gave out: NO_SUCH_BILL",
        unknown_bill
    ),
    case!(
        "pay.wrong_token",
        "a token of another bill: TOKEN_INVALID",
        wrong_token
    ),
    case!(
        "pay.future",
        "paid in five minutes: PAID_AT_INVALID",
        future
    ),
    case!(
        "pay.before_the_day",
        "paid before the accounting day: PAID_AT_INVALID",
        before_the_day
    ),
    case!(
        "pay.closed_day",
        "booked into the day a week ago: DAY_CLOSED",
        closed_day
    ),
    case!(
        "pay.coming_day",
        "booked into the day in a week: DAY_CLOSED",
        coming_day
    ),
    case!(
        "pay.negative",
        "a negative amount: refused or BAD_REQUEST, never accepted",
        negative
    ),
    case!("pay.bad_seq", "a seq with a space: BAD_REQUEST", bad_seq),
];

async fn accepted(kit: &Kit) -> Outcome {
    let (bill, body, answer) = kit.paid().await?;
    answer.is(
        200,
        &[
            ("seq", body["seq"].clone()),
            ("bill_no", json!(bill.bill_no)),
            ("amount_fen", json!(bill.amount_fen)),
            ("accounting_day", body["trace_date"].clone()),
        ],
    )?;
    for field in ["receipt_no", "voucher_no", "check_code", "reversible_until"] {
        answer.text(field)?;
    }
    Ok(())
}

async fn with_token(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["query_token"] = json!(bill.token);
    kit.pay(&body)
        .await?
        .is(200, &[("state", json!("ACCEPTED"))])
}

async fn shown(kit: &Kit) -> Outcome {
    let (bill, ..) = kit.paid().await?;
    let now = kit.look(&bill).await?;
    let (status, paid) = (&now["status"], &now["paid"]);
    let right = status == "PAID" && paid["channel"] == kit.terms.channel.as_str();
    sure(right && paid["at"].is_string(), || now.to_string())
}

async fn voucher(kit: &Kit) -> Outcome {
    let (_, _, answer) = kit.paid().await?;
    let url = format!("{}/v/{}", kit.base, answer.text("voucher_no")?);
    let page = kit.http.get(&url).send().await;
    let status = page.map_err(|error| format!("{url}: {error}"))?.status();
    sure(
        !status.is_client_error() && !status.is_server_error(),
        || format!("{url}: {status}"),
    )
}

async fn twice(kit: &Kit) -> Outcome {
    let (_, body, first) = kit.paid().await?;
    kit.call("pay", &body).await?.same_as(&first)
}

async fn at_once(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let body = kit.pay_body(&bill);
    let answers = join_all((0..8).map(|_| kit.call("pay", &body))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    answers[0].is(200, &[("state", json!("ACCEPTED"))])?;
    kit.remember(&body);
    answers
        .iter()
        .try_for_each(|answer| answer.same_as(&answers[0]))
}

async fn changed(kit: &Kit) -> Outcome {
    let (_, body, first) = kit.paid().await?;
    for (field, value) in [
        ("amount_fen", json!(1)),
        ("terminal", json!("OTHER")),
        ("account_masked", Value::Null),
    ] {
        let mut other = body.clone();
        other[field] = value;
        kit.call("pay", &other)
            .await?
            .error(409, "DUPLICATE_MISMATCH")?;
    }
    kit.call("pay", &body).await?.same_as(&first)
}

async fn other_verb(kit: &Kit) -> Outcome {
    let (bill, body, _) = kit.paid().await?;
    let mut other = kit.release_body(&bill.bill_no);
    other["seq"] = body["seq"].clone();
    kit.call("release", &other)
        .await?
        .error(409, "DUPLICATE_MISMATCH")
}

async fn paid(kit: &Kit) -> Outcome {
    let (bill, ..) = kit.paid().await?;
    let answer = kit.pay(&kit.pay_body(&bill)).await?;
    answer.refused("ALREADY_PAID")?;
    answer.is(200, &[("/paid/channel", json!(kit.terms.channel))])?;
    answer.text("/paid/at").map(drop)
}

async fn contested(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let bodies: Vec<Value> = (0..8).map(|_| kit.pay_body(&bill)).collect();
    let answers = join_all(bodies.iter().map(|body| kit.pay(body))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let first = answers
        .iter()
        .filter(|answer| answer.json["state"] == "ACCEPTED");
    let (first, all) = (first.count(), answers.len());
    sure(first == 1, || format!("{first} of {all} were accepted"))?;
    let refused = answers
        .iter()
        .filter(|answer| answer.refused("ALREADY_PAID").is_ok());
    let refused = refused.count();
    sure(refused == 7, || {
        format!("{refused} of 7 heard ALREADY_PAID")
    })
}

async fn wrong_amount(kit: &Kit, plus: i64) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["amount_fen"] = json!(bill.amount_fen + plus);
    kit.pay(&body).await?.refused("AMOUNT_MISMATCH")?;
    let now = kit.look(&bill).await?;
    sure(now["status"] == "PAYABLE", || now.to_string())
}

async fn too_little(kit: &Kit) -> Outcome {
    wrong_amount(kit, -1).await
}

async fn too_much(kit: &Kit) -> Outcome {
    wrong_amount(kit, 1).await
}

async fn refusal_stays(kit: &Kit) -> Outcome {
    let (bill, first_body, _) = kit.paid().await?;
    let body = kit.pay_body(&bill);
    let refusal = kit.pay(&body).await?;
    refusal.refused("ALREADY_PAID")?;
    let undone = kit.reverse(&first_body).await?;
    undone.is(200, &[("undone", json!(true))])?;
    kit.pay(&body).await?.same_as(&refusal)
}

async fn unknown_bill(kit: &Kit) -> Outcome {
    let mut bill = kit.bill().await?;
    bill.bill_no = "B00000000000000000000".to_owned();
    kit.pay(&kit.pay_body(&bill))
        .await?
        .error(404, "NO_SUCH_BILL")
}

async fn wrong_token(kit: &Kit) -> Outcome {
    let (one, other) = (kit.bill().await?, kit.bill().await?);
    let mut body = kit.pay_body(&one);
    body["query_token"] = json!(other.token);
    kit.pay(&body).await?.error(422, "TOKEN_INVALID")
}

async fn paid_at(kit: &Kit, plus_s: i64) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["paid_at"] = json!(kit.time(plus_s));
    kit.pay(&body).await?.refused("PAID_AT_INVALID")
}

async fn future(kit: &Kit) -> Outcome {
    paid_at(kit, 300).await
}

async fn before_the_day(kit: &Kit) -> Outcome {
    paid_at(kit, -2 * 86_400).await
}

async fn booked(kit: &Kit, plus_days: i64) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["trace_date"] = json!(kit.day(plus_days));
    kit.pay(&body).await?.refused("DAY_CLOSED")
}

async fn closed_day(kit: &Kit) -> Outcome {
    booked(kit, -7).await
}

async fn coming_day(kit: &Kit) -> Outcome {
    booked(kit, 7).await
}

async fn negative(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["amount_fen"] = json!(-bill.amount_fen);
    let answer = kit.pay(&body).await?;
    let refused = answer.refused("AMOUNT_MISMATCH");
    refused.or_else(|_| answer.error(400, "BAD_REQUEST"))
}

async fn bad_seq(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.pay_body(&bill);
    body["seq"] = json!("12 34");
    let answer = kit.pay(&body).await?;
    answer.is(
        400,
        &[("code", json!("BAD_REQUEST")), ("field", json!("seq"))],
    )
}
