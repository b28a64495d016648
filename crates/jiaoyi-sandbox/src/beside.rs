//! Answers for: how the calls go wrong that are about no order: WeChat's exchange of a code for an
//! openid, its list of platform certificates, and text messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use crate::control::read;
use crate::page::{self, json_error};
use crate::server::Sandbox;

/// One of those calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Call {
    Openid,
    Certificates,
    Sms,
}

impl Call {
    fn at(path: &str) -> Option<Call> {
        Some(match path {
            "/sns/oauth2/access_token" => Call::Openid,
            "/v3/certificates" => Call::Certificates,
            "/sms/send" => Call::Sms,
            _ => return None,
        })
    }
}

/// As at the calls about orders (`crate::faults`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    Lose,
    ErrorBefore,
    ErrorAfter,
}

/// What waits for each call, and how often it still strikes.
pub(crate) type Waiting = BTreeMap<Call, (Deed, u32)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    call: Call,
    #[serde(rename = "do")]
    deed: Deed,
    times: u32,
}

/// `POST /_sandbox/beside` `{"call","do","times"}`: takes the place of what waited for this call; no
/// times take it away.
pub(crate) async fn add(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let fault: Fault = match read(&body) {
        Ok(fault) => fault,
        Err(response) => return *response,
    };
    let mut books = sandbox.books();
    books.beside.insert(fault.call, (fault.deed, fault.times));
    page::json(StatusCode::OK, &json!({ "times": fault.times }))
}

/// Around all routes: what waits for a call strikes it.
pub(crate) async fn strike(
    State(sandbox): State<Arc<Sandbox>>,
    request: Request,
    next: Next,
) -> Response {
    let struck = Call::at(request.uri().path()).and_then(|call| {
        let mut books = sandbox.books();
        let (deed, times) = books.beside.get_mut(&call)?;
        *times = times.checked_sub(1)?;
        Some(*deed)
    });
    let error = || {
        let what = "a fault that was asked for";
        json_error(StatusCode::SERVICE_UNAVAILABLE, "beside.fault", what)
    };
    match struck {
        None => next.run(request).await,
        Some(Deed::ErrorBefore) => error(),
        Some(Deed::ErrorAfter) => {
            next.run(request).await;
            error()
        }
        Some(Deed::Lose) => {
            next.run(request).await;
            page::broken()
        }
    }
}
