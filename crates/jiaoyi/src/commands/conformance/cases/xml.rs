//! What only XML can get wrong.

use super::{Case, case};
use crate::commands::conformance::Profile;
use crate::commands::conformance::calls::{Answer, Draft};
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "xml.one_call",
        "the same call in JSON and in XML is one call: the repeat gets the first answer",
        one_call,
        Profile::Xml
    ),
    case!(
        "xml.by_number",
        "a name whose characters are given by their numbers finds the same person",
        by_number,
        Profile::Xml
    ),
    case!(
        "xml.doctype",
        "a DOCTYPE and its entities: BAD_REQUEST",
        doctype,
        Profile::Xml
    ),
    case!(
        "xml.twice",
        "an element that stands twice: BAD_REQUEST, and its name",
        twice,
        Profile::Xml
    ),
    case!(
        "xml.attribute",
        "an attribute: BAD_REQUEST, and its element",
        attribute,
        Profile::Xml
    ),
    case!(
        "xml.charset",
        "a charset that is not the declaration's: BAD_REQUEST",
        charset,
        Profile::Xml
    ),
    case!(
        "xml.broken_character",
        "half a character of GBK: BAD_REQUEST",
        broken_character,
        Profile::Xml
    ),
];

async fn one_call(kit: &Kit) -> Outcome {
    let (_, body, first) = kit.paid().await?;
    let mut draft = kit.draft("pay", Vec::new());
    draft.body = body.to_string().into_bytes();
    draft.content_type = "application/json";
    let answer = kit.send(draft).await?;
    answer.is_signed()?;
    sure(answer.json == first.json, || {
        format!(
            "the first answer was {}, this one {}",
            first.json, answer.json
        )
    })
}

async fn by_number(kit: &Kit) -> Outcome {
    let person = kit.person();
    let number = |letter: char| format!("&#x{:X};", u32::from(letter));
    let digits: String = person.name.chars().map(number).collect();
    let mut body = kit.question(&person);
    body["name"] = json!("NAME");
    let answer = changed(kit, &body, |text| text.replace("NAME", &digits)).await?;
    answer.is(200, &[])?;
    answer.text("name_masked").map(drop)
}

/// Asks with a document that is changed before it is signed.
async fn changed(
    kit: &Kit,
    body: &Value,
    change: impl FnOnce(&str) -> String,
) -> Result<Answer, String> {
    let mut draft = kit.draft("query", body.to_string().into_bytes());
    // All of it is ASCII but for a name, which must come through byte for byte.
    let letters: String = draft.body.iter().map(|byte| char::from(*byte)).collect();
    draft.body = change(&letters)
        .chars()
        .filter_map(|letter| u8::try_from(letter).ok())
        .collect();
    kit.send(draft).await
}

/// Refused in XML, signed.
fn refused(answer: &Answer, field: &str) -> Outcome {
    answer.is_signed()?;
    answer.is(
        400,
        &[("code", json!("BAD_REQUEST")), ("field", json!(field))],
    )
}

async fn wrong(kit: &Kit, from: &str, to: &str, field: &str) -> Outcome {
    let body = kit.question(&kit.people[0]);
    let answer = changed(kit, &body, |text| text.replacen(from, to, 1)).await?;
    refused(&answer, field)
}

async fn doctype(kit: &Kit) -> Outcome {
    let entity = "<!DOCTYPE request [<!ENTITY a SYSTEM \"file:///etc/hostname\">]><request>";
    wrong(kit, "<request>", entity, "body").await
}

async fn twice(kit: &Kit) -> Outcome {
    let twice = "<channel>A1</channel></request>";
    wrong(kit, "</request>", twice, "channel").await
}

async fn attribute(kit: &Kit) -> Outcome {
    wrong(kit, "<channel>", "<channel kind=\"x\">", "channel").await
}

fn question(kit: &Kit) -> Draft {
    let body = kit.question(&kit.people[0]).to_string();
    kit.draft("query", body.into_bytes())
}

async fn charset(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.content_type = "application/xml; charset=utf-8";
    refused(&kit.send(draft).await?, "encoding")
}

async fn broken_character(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    let at = draft.body.iter().position(|byte| !byte.is_ascii());
    let at = at.ok_or("the first of --people has a name that GBK writes in ASCII")?;
    draft.body.truncate(at + 1);
    draft.body.extend_from_slice(b"</name></request>");
    refused(&kit.send(draft).await?, "body")
}
