//! The door of the biller API: bytes in, bytes out. What they mean is the platform's business.

use super::WebState;
use super::asker::address;
use crate::xml::{Wanted, Xml};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiaoyi_app::biller::{Profile, RawCall};
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::Failed;
use jiaoyi_domain::front_end::FrontEnd;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The largest call.
pub(super) const CALL_BYTES_MAX: usize = 64 * 1024;
/// The largest day file.
const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// After so long the caller has given up.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether a body at this path may be a day file. As it is written: at a path that only means the same
/// nobody has made sure that there is room for one.
pub(super) fn takes_file(path: &str) -> bool {
    path.ends_with("/reconcile")
}

/// `POST /biller/v1/{verb}`.
pub async fn call(
    State(state): State<WebState>,
    Path(verb): Path<String>,
    request: Request,
) -> Response {
    let wanted = Wanted::of(request.headers());
    let text = |headers: &HeaderMap, name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let headers = request.headers();
    let uri = request.uri();
    let call = RawCall {
        path: uri
            .path_and_query()
            .map_or(uri.path(), |whole| whole.as_str())
            .to_owned(),
        authorization: text(headers, "authorization"),
        signed_string: text(headers, "biller-string-to-sign"),
        content_type: text(headers, "content-type").unwrap_or_default(),
        body_in: None,
        answer_in: None,
        address: address(&request, &state.settings),
        body: Vec::new(),
        verb,
    };
    let max = if takes_file(request.uri().path()) && wanted.body.is_none() {
        FILE_BYTES_MAX
    } else {
        CALL_BYTES_MAX
    };
    let body = request.into_body();
    let failed = |code, wanted: &Wanted| failed(code, None, wanted);
    let body = match timeout(DEADLINE, axum::body::to_bytes(body, max)).await {
        Ok(Ok(body)) => body.to_vec(),
        Ok(Err(_)) => return failed(ErrorCode::TooLarge, &wanted),
        Err(_) => return failed(ErrorCode::Timeout, &wanted),
    };
    let wanted = wanted.with(&body);
    let profile = |xml: &Option<Xml>| xml.clone().map(|xml| Arc::new(xml) as Arc<dyn Profile>);
    let answer = state.portal.biller_call(RawCall {
        body_in: profile(&wanted.body),
        answer_in: profile(&wanted.answer),
        body,
        ..call
    });
    let reply = match timeout(DEADLINE, answer).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => return failed(ErrorCode::Internal, &wanted),
        Err(_) => return failed(ErrorCode::Timeout, &wanted),
    };
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let fields = response.headers_mut();
    let content = HeaderValue::from_static(reply.content_type);
    fields.insert(header::CONTENT_TYPE, content);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            fields.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// An answer of the door itself: unsigned, so it proves nothing.
pub fn failed(code: ErrorCode, retry_after_s: Option<u32>, wanted: &Wanted) -> Response {
    let failed = Failed {
        code: code.code().to_owned(),
        message: "nothing is known of the outcome".to_owned(),
        field: None,
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (content, json) = json(&failed);
    let mut response = match &wanted.answer {
        None => (status, content, json).into_response(),
        Some(xml) => {
            let content = [(header::CONTENT_TYPE, xml.content_type())];
            (status, content, xml.of_json(json.as_bytes())).into_response()
        }
    };
    if let Some(seconds) = retry_after_s {
        let seconds = HeaderValue::from(seconds);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

fn json<T: serde::Serialize>(body: &T) -> ([(HeaderName, &'static str); 1], String) {
    let content = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (content, serde_json::to_string(body).unwrap_or_default())
}

/// `GET /biller/v1/keys`: with which keys answers are signed.
pub async fn keys(State(state): State<WebState>) -> Response {
    let content = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (content, state.portal.biller_keys()).into_response()
}

/// `GET /biller/v1/channels`: what each front end may do.
pub async fn channels() -> Response {
    json(&serde_json::json!({ "channels": FrontEnd::rows().collect::<Vec<_>>() })).into_response()
}
