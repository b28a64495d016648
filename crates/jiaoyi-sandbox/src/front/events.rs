//! Answers for: what the platform tells an institution without being asked (`docs/biller-api.md`,
//! "Events"): believed only with a signature of the platform's over these very bytes, kept once
//! however often it comes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::catalog::Institution;
use super::client::{Point, SKEW_S, platform_key, string_to_sign};
use super::faults::Deed;
use crate::server::Sandbox;
use crate::times::SECOND_MS;

/// One event as an institution keeps it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Told {
    pub(crate) code: String,
    pub(crate) event_id: String,
    pub(crate) kind: String,
    /// How often it came.
    pub(crate) times: u32,
    pub(crate) body: serde_json::Value,
}

#[derive(Deserialize)]
struct Named {
    event_id: String,
    kind: String,
    inst_id: String,
}

/// `POST /front/events/{code}`.
pub(crate) async fn take(
    State(sandbox): State<Arc<Sandbox>>,
    Path(code): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Some(institution) = Institution::by_code(&code) else {
        return StatusCode::NOT_FOUND;
    };
    let fault = sandbox.strike_front(&code, Point::Events);
    match fault.as_ref().map(|fault| fault.deed) {
        Some(Deed::LoseRequest) => return StatusCode::INTERNAL_SERVER_ERROR,
        // Longer than the platform waits.
        Some(Deed::Late) => std::future::pending::<()>().await,
        _ => {}
    }
    if !is_signed(&sandbox, &uri, &headers, &body).await {
        tracing::warn!(code, "an event not to be believed");
        sandbox.books().fronts.events_refused += 1;
        return StatusCode::UNAUTHORIZED;
    }
    let named: Option<Named> = serde_json::from_slice(&body).ok();
    let Some(named) = named.filter(|named| named.inst_id == institution.inst_id) else {
        return StatusCode::BAD_REQUEST;
    };
    keep(&sandbox, &code, named, &body);
    match fault.map(|fault| fault.deed) {
        Some(Deed::LoseAnswer) => StatusCode::BAD_GATEWAY,
        _ => StatusCode::NO_CONTENT,
    }
}

fn keep(sandbox: &Sandbox, code: &str, named: Named, body: &[u8]) {
    let mut books = sandbox.books();
    let events = &mut books.fronts.events;
    let known = events.iter_mut().find(|own| own.event_id == named.event_id);
    if let Some(known) = known {
        known.times += 1;
        return;
    }
    events.push(Told {
        code: code.to_owned(),
        event_id: named.event_id,
        kind: named.kind,
        times: 1,
        body: serde_json::from_slice(body).unwrap_or_default(),
    });
}

async fn is_signed(sandbox: &Sandbox, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(scheme), Some(key_id), Some(timestamp), Some(nonce), Some(signature)) = (
        header("biller-scheme"),
        header("biller-key-id"),
        header("biller-timestamp"),
        header("biller-nonce"),
        header("biller-signature"),
    ) else {
        return false;
    };
    let now_s = sandbox.now_ms() / SECOND_MS;
    let is_now = timestamp
        .parse()
        .is_ok_and(|at_s: i64| (at_s - now_s).abs() <= SKEW_S);
    let Some(link) = sandbox.config.front.as_ref().filter(|_| is_now) else {
        return false;
    };
    let Some(key) = platform_key(sandbox, link, scheme, key_id).await else {
        return false;
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let text = string_to_sign(["POST", path, timestamp, nonce], body);
    key.verifies(&text, signature)
}
