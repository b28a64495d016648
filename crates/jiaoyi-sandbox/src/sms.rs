//! Answers for: a tiny SMS gateway: it takes signed messages once and shows them on a page.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::html;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::crypto::hmac_sha256_matches;
use crate::page::{self, json_error};
use crate::server::Sandbox;
use crate::times::rfc3339;

/// A message as the gateway keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct SmsMessage {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    to: String,
    text: String,
    id: String,
}

/// `POST /sms/send` `{"to","text","id"}` with `X-Sms-Signature`, the hex HMAC-SHA256 of the body.
/// The same id again is answered like the first time and shown once; with another content, 409.
pub(crate) async fn send(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(key) = &sandbox.config.sms_key else {
        return json_error(
            StatusCode::NOT_FOUND,
            "sms.off",
            "no [sms] key is configured",
        );
    };
    let signature = headers
        .get("x-sms-signature")
        .and_then(|value| value.to_str().ok());
    if !signature.is_some_and(|hex| hmac_sha256_matches(key.as_bytes(), &body, hex)) {
        return json_error(
            StatusCode::UNAUTHORIZED,
            "sms.signature",
            "X-Sms-Signature does not match",
        );
    }
    let Ok(request) = serde_json::from_slice::<Request>(&body) else {
        return json_error(
            StatusCode::BAD_REQUEST,
            "sms.body",
            "expected {\"to\",\"text\",\"id\"}",
        );
    };
    let digits = request.to.trim_start_matches('+');
    let is_number = (5..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let length = request.text.chars().count();
    if !is_number || request.id.is_empty() || !(1..=500).contains(&length) {
        let expected = "to: 5 to 20 digits; text: 1 to 500 characters; id: not empty";
        return json_error(StatusCode::BAD_REQUEST, "sms.field", expected);
    }
    let at = rfc3339(sandbox.now_ms());
    let mut books = sandbox.books();
    match books.sms.iter().find(|known| known.id == request.id) {
        Some(known) if known.to == request.to && known.text == request.text => {}
        Some(_) => {
            let what = "this id was used for another message";
            return json_error(StatusCode::CONFLICT, "sms.id", what);
        }
        None => books.sms.push(SmsMessage {
            id: request.id.clone(),
            to: request.to,
            text: request.text,
            at,
        }),
    }
    page::json(
        StatusCode::OK,
        &json!({ "id": request.id, "accepted": true }),
    )
}

/// `13800001234` → `138****1234`.
fn masked(number: &str) -> String {
    let letters: Vec<char> = number.chars().collect();
    let last = letters.len().saturating_sub(4);
    let keep = |index: usize| index < 3 || index >= last;
    letters
        .iter()
        .enumerate()
        .map(|(index, c)| if keep(index) { *c } else { '*' })
        .collect()
}

/// `GET /_sandbox/sms`: newest first, numbers masked.
pub(crate) async fn page(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let messages = sandbox.books().sms.clone();
    let main = html! {
        @if messages.is_empty() {
            p { "还没有短信。 " span.small lang="en" { "No messages yet." } }
        }
        ul {
            @for message in messages.iter().rev() {
                li {
                    p.small { (masked(&message.to)) " · " (message.at) }
                    p { (message.text) }
                }
            }
        }
    };
    page::page(StatusCode::OK, "短信", "Text messages", &main)
}

/// `GET /_sandbox/sms.json`: newest first, in full; the sandbox's numbers are invented.
pub(crate) async fn list(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let mut messages = sandbox.books().sms.clone();
    messages.reverse();
    page::json(StatusCode::OK, &json!(messages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_keeps_three_and_four() {
        assert_eq!(masked("13800001234"), "138****1234");
        assert_eq!(masked("12345"), "12345");
    }
}
