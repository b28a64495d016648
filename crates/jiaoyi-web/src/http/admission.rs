//! Turns requests away while too many are under way, before their bodies are read.

use super::Stop;
use crate::pages::trouble::Trouble;
use axum::extract::{Request, State};
use axum::http::{Method as Verb, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiaoyi_app::admission::{Gate, Purpose};
use std::sync::Arc;

/// When somebody who was turned away should come again.
const RETRY_AFTER_S: u32 = 5;

/// What a page is asked for. Whoever looks at an order is paying.
fn purpose(request: &Request) -> Purpose {
    let path = request.uri().path();
    let pays = matches!(path, "/pay/start" | "/pay/zero") && request.method() == Verb::POST;
    if pays || path.starts_with("/o/") {
        Purpose::Payment
    } else {
        Purpose::Question
    }
}

/// Around every page.
pub async fn page(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.enter(purpose(&request)) {
        Some(_place) => next.run(request).await,
        None => {
            let retry_after_s = RETRY_AFTER_S;
            Stop::from(Trouble::Busy { retry_after_s }).into_response()
        }
    }
}

/// Around the channels' notices; a channel tells again what was not taken.
pub async fn notice(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    match gate.enter(Purpose::Notice) {
        Some(_place) => next.run(request).await,
        None => {
            let retry = [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, retry, "fail").into_response()
        }
    }
}
