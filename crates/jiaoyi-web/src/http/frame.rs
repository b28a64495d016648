//! What happens around every page: who asks, what may be sent, headers, compression, one log line.

use super::asker::{Asker, cookie};
use super::pay::ToWallet;
use super::{Rendered, Stop, WebSettings, WebState};
use crate::assets::gzip;
use crate::pages::trouble::{Money, Trouble, trouble};
use crate::shell::Page;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use jiaoyi_app::portal::PortalErrorKind;

/// The longest address that is looked at; a QR text needs about 700 characters.
const URI_BYTES_MAX: usize = 4 * 1024;
/// The most header bytes that are looked at.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// A year, as long as browsers keep a cookie or a hashed file.
const YEAR_S: u32 = 365 * 24 * 3600;
/// Shorter bodies gain nothing from compression.
const GZIP_BYTES_MIN: usize = 512;

/// What a request is answered whose head is too large to be read.
pub fn too_large(request: &Request) -> Option<Response> {
    let uri = request
        .uri()
        .path_and_query()
        .map_or(0, |path| path.as_str().len());
    if uri > URI_BYTES_MAX {
        return Some(StatusCode::URI_TOO_LONG.into_response());
    }
    let head: usize = request
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    (head > HEAD_BYTES_MAX).then(|| StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.into_response())
}

/// Refuses requests whose head is too large, before anything reads it.
pub async fn limit_head(request: Request, next: Next) -> Response {
    match too_large(&request) {
        Some(refused) => refused,
        None => next.run(request).await,
    }
}

/// Runs a page handler and turns what it gives into a complete response.
pub async fn around(state: &WebState, mut request: Request, next: Next) -> Response {
    let begun = state.now();
    let asker = Asker::of(&request, state);
    let asked = Asked::of(&request);
    request.extensions_mut().insert(asker.clone());
    let mut response = if asked.foreign {
        Stop::Trouble(Trouble::BadRequest).into_response()
    } else {
        next.run(request).await
    };
    let stop = response.extensions_mut().remove::<Stop>();
    let stop = stop.or((response.status() == StatusCode::BAD_REQUEST)
        // An address that cannot be decoded never reached a handler.
        .then_some(Stop::Trouble(Trouble::BadRequest)));
    let page = match stop {
        Some(stop) => Some(explain(&asker, &asked, stop)),
        None => response
            .extensions_mut()
            .remove::<Rendered>()
            .map(|Rendered(page)| page),
    };
    if let Some(page) = page {
        write_page(state, &asked, page, &mut response);
    } else {
        let to_wallet = response.extensions().get::<ToWallet>().is_some();
        secure(&state.settings, false, to_wallet, response.headers_mut());
    }
    if let Some(device) = asker.new_device.as_ref().filter(|_| !asked.sent_back) {
        asker.set_cookie(&mut response, cookie::DEVICE, device, YEAR_S);
    }
    // The path itself may hold a token, so only the route is logged.
    tracing::info!(
        http.method = %asked.verb, http.route = asked.route, http.status = response.status().as_u16(),
        duration_ms = state.now().since_ms(begun), trace = asker.trace, "page served"
    );
    response
}

/// What the frame remembers of a request.
struct Asked {
    verb: Verb,
    route: String,
    /// Path and query of a GET, or the page to which a failed POST goes back.
    here: String,
    money: Money,
    gzip: bool,
    /// A form that another site made the browser send.
    foreign: bool,
    /// UnionPay sends its payers back by a form, which acts on nothing. Browsers send no cookie of
    /// ours with it, and who comes without one must not get another.
    sent_back: bool,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        let path = request.uri().path();
        let verb = request.method().clone();
        let is_read = matches!(verb, Verb::GET | Verb::HEAD);
        let whole = request
            .uri()
            .path_and_query()
            .map_or(path, |whole| whole.as_str());
        let sent_back = !is_read && is_way_back(path);
        let here = if is_read {
            whole.to_owned()
        } else {
            page_of(path)
        };
        let pays = path.starts_with("/o/") || matches!(path, "/pay/start" | "/pay/zero");
        let matched = request.extensions().get::<MatchedPath>();
        Asked {
            route: matched.map_or("none", MatchedPath::as_str).to_owned(),
            here,
            money: if pays { Money::Maybe } else { Money::None },
            gzip: accepts_gzip(request.headers()),
            foreign: !is_read && !sent_back && is_foreign(request.headers()),
            sent_back,
            verb,
        }
    }
}

/// Whether the browser may be sent gzip.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    accepted.is_some_and(|text| {
        text.split(',').any(|part| {
            let part = part.trim();
            part.starts_with("gzip") && !part.ends_with("q=0")
        })
    })
}

fn is_foreign(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
}

/// `/o/{order}/back`.
fn is_way_back(path: &str) -> bool {
    path.starts_with("/o/") && path.ends_with("/back")
}

/// The page on which a posted form stood.
pub fn page_of(path: &str) -> String {
    let mut parts = path.trim_start_matches('/').splitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some("o"), Some(order)) => format!("/o/{order}"),
        (Some("k"), Some(token)) => format!("/k/{token}"),
        (Some("access"), Some(token)) => format!("/access/{token}"),
        (Some("v"), Some(number)) => format!("/v/{number}"),
        (Some("pay"), Some("person")) => "/pay/person".to_owned(),
        (Some("pay"), _) => "/pay/check".to_owned(),
        (Some("verify"), _) => "/verify".to_owned(),
        (Some("records"), _) => "/records".to_owned(),
        _ => String::new(),
    }
}

fn explain(asker: &Asker, asked: &Asked, stop: Stop) -> Page {
    let (kind, code, trace) = match &stop {
        Stop::Trouble(trouble) => (*trouble, "", asker.trace.as_str()),
        Stop::Portal(error) => {
            let kind = match error.kind {
                PortalErrorKind::Busy { retry_after_s } => Trouble::Busy { retry_after_s },
                PortalErrorKind::Unavailable => Trouble::Unavailable,
                PortalErrorKind::Internal => Trouble::Internal,
            };
            tracing::error!(
                code = error.code,
                trace = error.trace,
                route = asked.route,
                "page failed"
            );
            (kind, error.code, error.trace.as_str())
        }
    };
    // An address that leads nowhere started nothing, wherever it points, and a start that was not
    // taken in took no money; but an order that cannot be shown may be paid. A form that is too old
    // may have been paid since, from this device or another.
    let of_order = asked.route.starts_with("/o/");
    let money = match kind {
        Trouble::NotFound | Trouble::Resting { .. } => Money::None,
        Trouble::TooManyOrders
        | Trouble::ChannelDown
        | Trouble::RateLimited { .. }
        | Trouble::Busy { .. }
            if !of_order =>
        {
            Money::None
        }
        Trouble::TooManyOrders
        | Trouble::ChannelDown
        | Trouble::RateLimited { .. }
        | Trouble::Busy { .. }
        | Trouble::BadRequest
        | Trouble::NotAllowed
        | Trouble::TooLarge
        | Trouble::Internal
        | Trouble::Unavailable
        | Trouble::SessionExpired => asked.money,
    };
    trouble(&asker.look, kind, money, &asked.here, code, trace)
}

fn write_page(state: &WebState, asked: &Asked, page: Page, response: &mut Response) {
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept-Encoding, Cookie"),
    );
    if let Some((after_s, path)) = &page.refresh
        && let Ok(value) = HeaderValue::from_str(&format!("{after_s}; url={path}"))
    {
        headers.insert(header::REFRESH, value);
    }
    if let Some(seconds) = page.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    secure(&state.settings, page.script, page.names_host, headers);
    let bytes = page.html.into_bytes();
    // Whoever is turned away must cost little.
    let packs = asked.gzip && page.status != 503;
    let bytes = if packs && bytes.len() >= GZIP_BYTES_MIN {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        gzip(&bytes, Compression::new(6))
    } else {
        bytes
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *response.body_mut() = if asked.verb == Verb::HEAD {
        Body::empty()
    } else {
        Body::from(bytes)
    };
}

/// The headers that keep other sites, caches and scripts out.
pub fn secure(settings: &WebSettings, script: bool, names_host: bool, headers: &mut HeaderMap) {
    // WeChat refuses its H5 page without our host as referrer; the path is never told.
    let referrer = if names_host {
        "strict-origin"
    } else {
        "no-referrer"
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy(settings, script));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static(referrer));
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if settings.https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
}

fn policy(settings: &WebSettings, script: bool) -> HeaderValue {
    let wallets = settings.wallet_hosts.join(" ");
    let script = if script { " script-src 'self';" } else { "" };
    let text = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; manifest-src 'self';{script} \
         form-action 'self' {wallets}; frame-ancestors 'none'; base-uri 'none'"
    );
    // Hosts come from the configuration; one that is no header value must not open the policy.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(
        "default-src 'none'; style-src 'self'",
    ))
}
