//! Who calls: signatures, time, nonces, and what `echo-signature` says of them.

use super::{Case, case};
use crate::commands::conformance::calls::Draft;
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    case!(
        "clock.close",
        "your clock is at most 60 s from the platform's",
        clock
    ),
    case!(
        "signature.good",
        "a signed request is answered, and the answer is signed for it",
        good
    ),
    case!(
        "signature.any_order",
        "the attributes may come in any order",
        any_order
    ),
    case!(
        "signature.none",
        "without Authorization: AUTH_MALFORMED",
        none
    ),
    case!(
        "signature.malformed",
        "an Authorization without nonce: AUTH_MALFORMED",
        malformed
    ),
    case!(
        "signature.short_nonce",
        "a nonce of 7 characters: AUTH_MALFORMED",
        short_nonce
    ),
    case!(
        "signature.stranger",
        "an institution that nobody knows: UNKNOWN_KEY",
        stranger
    ),
    case!(
        "signature.unknown_key",
        "a key that was never given: UNKNOWN_KEY",
        unknown_key
    ),
    case!(
        "signature.old",
        "a time 400 s ago: TIMESTAMP_OUT_OF_RANGE",
        old
    ),
    case!(
        "signature.early",
        "a time in 400 s: TIMESTAMP_OUT_OF_RANGE",
        early
    ),
    case!(
        "signature.body_changed",
        "a body changed on the way: SIGNATURE_WRONG",
        body_changed
    ),
    case!(
        "signature.verb_changed",
        "signed for another verb: SIGNATURE_WRONG",
        verb_changed
    ),
    case!(
        "signature.not_base64",
        "a signature that is no Base64: SIGNATURE_WRONG",
        not_base64
    ),
    case!(
        "signature.replayed",
        "the same request again: NONCE_REUSED",
        replayed
    ),
    case!(
        "signature.errors_are_signed",
        "an error is signed like any answer",
        errors_are_signed
    ),
    case!(
        "echo.good",
        "echo-signature says that a good signature is good",
        echo_good
    ),
    case!(
        "echo.carriage_return",
        "echo-signature names the line and byte that differ",
        echo_differs
    ),
    case!(
        "echo.other_signature",
        "echo-signature knows a wrong key from a wrong string",
        echo_wrong_key
    ),
];

/// A query about nobody in particular: enough to see whether a request gets in.
fn question(kit: &Kit) -> Draft {
    let body = kit.question(&kit.people[0]).to_string();
    kit.draft("query", body.into_bytes())
}

async fn clock(kit: &Kit) -> Outcome {
    let mut draft = kit.draft("echo-signature", b"{}".to_vec());
    let ours = crate::edge::system_now().0 / 1_000;
    draft.timestamp = ours.to_string();
    let answer = kit.send(draft).await?;
    let skew = answer.field("timestamp_skew_s").as_i64();
    sure(skew.is_some_and(|skew| skew.abs() <= 60), || {
        format!("set your clock: {}", answer.told())
    })
}

async fn good(kit: &Kit) -> Outcome {
    let answer = kit.query(&kit.person()).await?;
    answer.is(200, &[])?;
    answer.is_signed()
}

async fn any_order(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    let header = kit.authorization(&draft);
    let (scheme, attributes) = header.split_once(' ').unwrap_or((&header, ""));
    let mut turned: Vec<&str> = attributes.split(',').collect();
    turned.reverse();
    draft.authorization = Some(format!("{scheme} {}", turned.join(",")));
    let answer = kit.send(draft).await?;
    sure(answer.status != 401, || answer.told())
}

async fn none(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.authorization = Some(String::new());
    kit.send(draft).await?.error(401, "AUTH_MALFORMED")
}

async fn malformed(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    let header = kit.authorization(&draft);
    draft.authorization = Some(header.replace("nonce_str", "nonce"));
    kit.send(draft).await?.error(401, "AUTH_MALFORMED")
}

async fn short_nonce(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.nonce = "1234567".to_owned();
    kit.send(draft).await?.error(401, "AUTH_MALFORMED")
}

async fn stranger(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.inst_id = "NOBODY-AT-ALL".to_owned();
    kit.send(draft).await?.error(401, "UNKNOWN_KEY")
}

async fn unknown_key(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.key_id = "never-given".to_owned();
    kit.send(draft).await?.error(401, "UNKNOWN_KEY")
}

async fn at(kit: &Kit, plus_s: i64) -> Outcome {
    let mut draft = question(kit);
    draft.timestamp = (kit.now_ms() / 1_000 + plus_s).to_string();
    let answer = kit.send(draft).await?;
    answer.error(401, "TIMESTAMP_OUT_OF_RANGE")
}

async fn old(kit: &Kit) -> Outcome {
    at(kit, -400).await
}

async fn early(kit: &Kit) -> Outcome {
    at(kit, 400).await
}

async fn body_changed(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.authorization = Some(kit.authorization(&draft));
    draft.body.push(b' ');
    kit.send(draft).await?.error(401, "SIGNATURE_WRONG")
}

async fn verb_changed(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.authorization = Some(kit.authorization(&draft));
    draft.verb = "status";
    kit.send(draft).await?.error(401, "SIGNATURE_WRONG")
}

async fn not_base64(kit: &Kit) -> Outcome {
    let mut draft = question(kit);
    draft.signature = Some("!!!!".to_owned());
    kit.send(draft).await?.error(401, "SIGNATURE_WRONG")
}

async fn replayed(kit: &Kit) -> Outcome {
    let draft = question(kit);
    let first = kit.send(draft.clone()).await?;
    sure(first.status != 401, || first.told())?;
    kit.send(draft).await?.error(401, "NONCE_REUSED")
}

async fn errors_are_signed(kit: &Kit) -> Outcome {
    let answer = kit.send(kit.draft("query", b"{".to_vec())).await?;
    answer.error(400, "BAD_REQUEST")?;
    answer.is_signed()
}

fn echo(kit: &Kit, text: impl Fn(&[u8]) -> Vec<u8>) -> Draft {
    let mut draft = kit.draft("echo-signature", b"{\"any\":1}".to_vec());
    let text = text(&draft.text());
    draft.signature = Some(kit.signer.sign(&text));
    draft.string_to_sign = Some(text);
    draft
}

async fn echo_good(kit: &Kit) -> Outcome {
    let answer = kit.send(echo(kit, <[u8]>::to_vec)).await?;
    answer.is_signed()?;
    answer.is(
        200,
        &[
            ("signature", json!("ok")),
            ("string_differs_at", Value::Null),
            ("signature_fits_your_string", json!(true)),
        ],
    )
}

async fn echo_differs(kit: &Kit) -> Outcome {
    // The classic: line ends of another system.
    let draft = echo(kit, |text| {
        let text = String::from_utf8_lossy(text);
        text.replacen('\n', "\r\n", 1).into_bytes()
    });
    let answer = kit.send(draft).await?;
    let wanted = [
        ("signature", json!("wrong")),
        ("string_differs_at", json!("POST".len())),
        ("line", json!(1)),
        ("signature_fits_your_string", json!(true)),
    ];
    answer.is(200, &wanted)
}

async fn echo_wrong_key(kit: &Kit) -> Outcome {
    let mut draft = echo(kit, <[u8]>::to_vec);
    draft.signature = Some(kit.signer.sign(b"something else"));
    let answer = kit.send(draft).await?;
    let wanted = [
        ("signature", json!("wrong")),
        ("string_differs_at", Value::Null),
        ("signature_fits_your_string", json!(false)),
    ];
    answer.is(200, &wanted)
}
