//! What machines ask: channel notices, health, keys and static files.

use super::WebState;
use super::frame::accepts_gzip;
use crate::assets;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiaoyi_app::portal::{PortalError, PortalErrorKind, RawNotice};
use jiaoyi_domain::channel::ChannelCode;
use serde::Deserialize;

/// `POST /notify/{channel}`. What the platform answers is passed on as it is; an error of ours is
/// a 5xx, so that the channel sends the notice again.
pub async fn notice(
    State(state): State<WebState>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(channel) = ChannelCode::from_code(&channel) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let notice = RawNotice {
        headers: headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?)))
            .collect(),
        body: body.to_vec(),
    };
    match state.portal.receive_notice(channel, notice).await {
        Ok(reply) => {
            let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
            (
                status,
                [(header::CONTENT_TYPE, reply.content_type)],
                reply.body,
            )
                .into_response()
        }
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &PortalError) -> Response {
    tracing::error!(
        code = error.code,
        trace = error.trace,
        "machine request failed"
    );
    let status = match error.kind {
        PortalErrorKind::Busy { .. } | PortalErrorKind::Unavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        PortalErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, "fail").into_response()
}

/// `/healthz`: the process answers.
pub async fn health() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

/// `/readyz`: the platform can serve.
pub async fn ready(State(state): State<WebState>) -> Response {
    match state.portal.ready().await {
        Ok(json) => json_response(json, "no-store"),
        Err(error) => unavailable(&error),
    }
}

/// `/verify/keys`: public, so that anybody's program can check vouchers offline.
pub async fn keys(State(state): State<WebState>) -> Response {
    match state.portal.keys_json().await {
        Ok(json) => {
            let mut response = json_response(json, "public, max-age=300");
            response.headers_mut().insert(
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            );
            response
        }
        Err(error) => unavailable(&error),
    }
}

/// `GET /api/channels`: what each channel may do and when payments begin, all regions or `?region=`.
pub async fn channels(State(state): State<WebState>, Query(asked): Query<Region>) -> Response {
    json_response(
        state.portal.channels_json(asked.region.as_deref()),
        "no-store",
    )
}

/// Six digits of a pooling region.
#[derive(Debug, Deserialize)]
pub struct Region {
    region: Option<String>,
}

fn json_response(json: String, cache: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json; charset=utf-8"),
        (header::CACHE_CONTROL, cache),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, json).into_response()
}

/// `/assets/{file}`: the name carries the hash of the content, so it never changes.
pub async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = assets::find(&format!("/assets/{file}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let gzip = accepts_gzip(&headers);
    let body = if gzip { &asset.gzip } else { &asset.plain };
    let mut response = Response::new(Body::from(body.as_slice()));
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(asset.content_type),
    );
    fields.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    fields.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    fields.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    if gzip {
        fields.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// `/robots.txt`: pages behind a token are nobody's search result.
pub async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /o/\nDisallow: /v/\nDisallow: /k/\nDisallow: /q/\nDisallow: /Q/\n\
     Disallow: /pay/\nDisallow: /records\n"
}
