//! `query`: what is told, and to whom not.

use super::{Case, case};
use crate::commands::conformance::calls::Answer;
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "query.found",
        "a bill has number, amount, items and status; names are masked",
        found
    ),
    case!(
        "query.wrong_name",
        "a wrong name is answered like an unknown person, word for word",
        wrong_name
    ),
    case!(
        "query.wrong_region",
        "a wrong region is answered in the same words",
        wrong_region
    ),
    case!(
        "query.year",
        "benefit_year leaves only that year's bills",
        year
    ),
    case!(
        "query.locks_nothing",
        "whoever looks at a bill locks it for nobody",
        locks_nothing
    ),
    case!(
        "query.not_json",
        "a body that is no JSON: BAD_REQUEST",
        not_json
    ),
    case!(
        "query.unknown_field",
        "an unknown field: BAD_REQUEST, and its name",
        unknown_field
    ),
    case!(
        "query.missing_field",
        "a missing field: BAD_REQUEST, and its name",
        missing_field
    ),
    case!(
        "query.bad_id_type",
        "an unknown kind of document: BAD_REQUEST",
        bad_id_type
    ),
    case!(
        "query.channel",
        "a channel that is not yours: CHANNEL_NOT_ALLOWED",
        channel
    ),
    case!(
        "query.too_large",
        "a body of more than 64 KiB: TOO_LARGE",
        too_large
    ),
];

async fn found(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let told = &bill.told;
    for field in [
        "bill_no",
        "category_name",
        "due_to",
        "benefit_first",
        "benefit_last",
    ] {
        sure(told[field].is_string(), || {
            format!("{field} is missing: {told}")
        })?;
    }
    let items = told["items"].as_array().into_iter().flatten();
    let sum: i64 = items.filter_map(|item| item["amount_fen"].as_i64()).sum();
    sure(Some(sum) == told["gross_fen"].as_i64(), || {
        format!("the items are {sum} fen together: {told}")
    })?;
    let again = kit.query(&bill.person).await?;
    let name = again.text("name_masked")?;
    sure(name != bill.person.name && name.contains('*'), || {
        again.told()
    })?;
    let document = again.text("document_masked")?;
    sure(
        document != bill.person.id_no && document.contains('*'),
        || again.told(),
    )
}

/// What somebody hears whom the platform must not know.
async fn unknown(kit: &Kit) -> Result<Answer, String> {
    let mut body = kit.question(&kit.people[0]);
    // Well formed, of a region that does not exist.
    body["id_type"] = json!("passport");
    body["id_no"] = json!("ZZ0000001");
    let answer = kit.call("query", &body).await?;
    answer.error(404, "NO_SUCH_PERSON")?;
    Ok(answer)
}

async fn wrong_name(kit: &Kit) -> Outcome {
    let mut body = kit.question(&kit.person());
    body["name"] = json!("无此人");
    kit.call("query", &body)
        .await?
        .same_as(&unknown(kit).await?)
}

async fn wrong_region(kit: &Kit) -> Outcome {
    let person = kit.person();
    let elsewhere = kit
        .people
        .iter()
        .find(|other| other.region != person.region);
    let elsewhere = elsewhere.map_or("990999", |other| other.region.as_str());
    let mut body = kit.question(&person);
    body["pooling_region"] = json!(elsewhere);
    kit.call("query", &body)
        .await?
        .same_as(&unknown(kit).await?)
}

async fn year(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let mut body = kit.question(&bill.person);
    body["benefit_year"] = bill.told["benefit_year"].clone();
    let answer = kit.call("query", &body).await?;
    let bills = answer
        .field("bills")
        .as_array()
        .cloned()
        .unwrap_or_default();
    let year = &bill.told["benefit_year"];
    let only = bills.iter().all(|other| other["benefit_year"] == *year);
    sure(only && !bills.is_empty(), || answer.told())
}

async fn locks_nothing(kit: &Kit) -> Outcome {
    let bill = kit.bill().await?;
    let again = kit.look(&bill).await?;
    sure(
        again["status"] == "PAYABLE" && again["lock"] == Value::Null,
        || again.to_string(),
    )
}

async fn not_json(kit: &Kit) -> Outcome {
    let answer = kit.send(kit.draft("query", b"id_no=1".to_vec())).await?;
    answer.error(400, "BAD_REQUEST")
}

async fn unknown_field(kit: &Kit) -> Outcome {
    let mut body = kit.question(&kit.people[0]);
    body["id_nr"] = json!("1");
    let answer = kit.call("query", &body).await?;
    answer.is(
        400,
        &[("code", json!("BAD_REQUEST")), ("field", json!("id_nr"))],
    )
}

async fn missing_field(kit: &Kit) -> Outcome {
    let mut body = kit.question(&kit.people[0]);
    if let Some(fields) = body.as_object_mut() {
        fields.remove("name");
    }
    let answer = kit.call("query", &body).await?;
    answer.is(
        400,
        &[("code", json!("BAD_REQUEST")), ("field", json!("name"))],
    )
}

async fn bad_id_type(kit: &Kit) -> Outcome {
    let mut body = kit.question(&kit.people[0]);
    body["id_type"] = json!("library_card");
    kit.call("query", &body).await?.error(400, "BAD_REQUEST")
}

async fn channel(kit: &Kit) -> Outcome {
    let mut body = kit.question(&kit.people[0]);
    // The portal is never an institution's.
    body["channel"] = json!("A10");
    kit.call("query", &body)
        .await?
        .error(403, "CHANNEL_NOT_ALLOWED")
}

async fn too_large(kit: &Kit) -> Outcome {
    let mut body = kit.question(&kit.people[0]);
    body["name"] = json!("长".repeat(40_000));
    let answer = kit
        .send(kit.draft("query", body.to_string().into_bytes()))
        .await?;
    answer.error(413, "TOO_LARGE")
}
