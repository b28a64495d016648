//! HTTP: routes, limits, and the answers of handlers turned into responses.

mod access;
mod admission;
mod asker;
mod biller;
mod desks;
mod docs;
mod frame;
mod info;
mod link;
mod machine;
mod order;
mod pay;
mod voucher;

pub use desks::Desks;

use crate::pages::trouble::Trouble;
use crate::shell::Page;
use axum::Router;
use axum::extract::{FromRequest, FromRequestParts, Query, RawForm, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiaoyi_app::admission::{Bounds, Gate};
use jiaoyi_app::portal::{Portal, PortalError};
use jiaoyi_domain::channel::Method;
use jiaoyi_domain::{Date, Instant};
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::sync::Arc;

/// The largest form that is read.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// The largest channel notice that is read.
const NOTICE_BYTES_MAX: usize = 1024 * 1024;

/// Milliseconds since 1970 UTC, from wherever the installation takes its time.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
/// Fills a buffer with random bytes fit for secrets.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What the HTTP layer works with.
#[derive(Clone)]
pub struct WebState {
    pub portal: Arc<dyn Portal>,
    pub clock: Clock,
    pub random: Random,
    pub settings: Arc<WebSettings>,
}

/// What an installation decides about its pages.
#[derive(Clone, Debug)]
pub struct WebSettings {
    /// Every page says that it is a demonstration.
    pub demo: bool,
    /// The site is reached by https: cookies are `Secure` and browsers are told to stay with it.
    pub https: bool,
    /// Sources for `form-action`, for example `https://*.alipay.com`. Browsers check every redirect
    /// that follows a form, so each host on the way to a wallet must be listed.
    pub wallet_hosts: Vec<String>,
    /// Ways of paying that are switched on.
    pub methods: Vec<Method>,
    /// Header in which our own proxy gives the visitor's address; `None` takes the connection's.
    pub client_ip_header: Option<String>,
    /// Turns requests away while too many are under way.
    pub gate: Arc<Gate>,
    /// Who serves whoever is let in; `None` serves them where they arrive.
    pub desks: Option<Arc<Desks>>,
}

impl Default for WebSettings {
    fn default() -> WebSettings {
        WebSettings {
            demo: false,
            https: true,
            wallet_hosts: Vec::new(),
            methods: Method::ALL
                .into_iter()
                .filter(|method| method.in_browser())
                .collect(),
            client_ip_header: None,
            gate: Gate::new(Bounds::default()),
            desks: None,
        }
    }
}

impl WebState {
    fn now(&self) -> Instant {
        Instant((self.clock)())
    }

    fn today(&self) -> Date {
        self.now().date()
    }

    /// 128 random bits in lower-case hexadecimal: form keys, device cookies, states.
    fn token(&self) -> String {
        let mut bytes = [0; 16];
        (self.random)(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}

/// Every route of the portal. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`,
/// so that the visitor's address is known.
pub fn router(state: WebState) -> Router {
    let door = Arc::new(admission::Door::new(state.clone()));
    let pages = Router::new()
        .route("/", get(info::start))
        .route("/pay", get(pay::who))
        .route("/pay/person", get(pay::person).post(pay::look_up))
        .route("/pay/check", get(pay::check))
        .route("/pay/method", get(pay::method).post(pay::choose))
        .route("/pay/start", post(pay::start))
        .route("/pay/zero", post(pay::zero))
        .route("/wechat/back", get(pay::wechat_back))
        .route("/o/{order}", get(order::show))
        .route("/o/{order}/pay", get(order::forward))
        .route("/o/{order}/back", get(order::back).post(order::back))
        .route("/o/{order}/refresh", post(order::refresh))
        .route("/o/{order}/cancel", post(order::cancel))
        .route(
            "/o/{order}/switch",
            get(order::ask_switch).post(order::switch),
        )
        .route("/v/{number}", get(voucher::show).post(voucher::open))
        .route("/v/{number}/png", get(voucher::png))
        .route("/v/{number}/pdf", get(voucher::pdf))
        .route("/verify", get(voucher::ask))
        .route("/verify/result", get(voucher::ask).post(voucher::verify))
        .route("/q/{text}", get(voucher::scanned))
        .route("/Q/{text}", get(voucher::scanned))
        .route("/records", get(order::records).post(order::add_record))
        .route("/k/{token}", get(link::open).post(link::answer))
        .route("/access/{token}", get(access::open).post(access::act))
        .route("/notices", get(info::notices))
        .route("/help", get(info::help))
        .route("/a11y", get(info::accessibility))
        .route("/privacy", get(info::privacy))
        .route("/prefs", get(info::prefs))
        .fallback(|| async { Stop::Trouble(Trouble::NotFound) })
        .method_not_allowed_fallback(|| async { Stop::Trouble(Trouble::NotAllowed) })
        .layer(from_fn_with_state(Arc::clone(&door), admission::page));
    let notices = Router::new()
        .route("/notify/{channel}", post(machine::notice))
        .layer(from_fn_with_state(Arc::clone(&door), admission::notice));
    let billers = Router::new()
        .route("/biller/v1/{verb}", post(biller::call))
        .layer(from_fn_with_state(door, admission::biller));
    let published = Router::new()
        .route("/biller/v1/keys", get(biller::keys))
        .route("/biller/v1/channels", get(biller::channels))
        .route("/docs", get(docs::contract))
        .route("/docs/channels", get(docs::channels))
        .route("/docs/style.css", get(docs::style))
        .route("/docs/openapi.json", get(docs::openapi))
        .route("/docs/biller-api/example-key.pem", get(docs::example_key))
        .route("/docs/biller-api/examples/{*name}", get(docs::example))
        .route("/healthz", get(machine::health))
        .route("/readyz", get(machine::ready))
        .route("/verify/keys", get(machine::keys))
        .route("/api/channels", get(machine::channels))
        .route("/assets/{file}", get(machine::asset))
        .route("/robots.txt", get(machine::robots))
        .layer(from_fn(frame::limit_head));
    Router::new()
        .merge(published)
        .merge(billers)
        .merge(notices)
        .merge(pages)
        .with_state(state)
}

/// Why a handler gives up; the frame renders the page, because it knows the visitor.
#[derive(Clone, Debug)]
pub enum Stop {
    Portal(PortalError),
    Trouble(Trouble),
}

impl From<PortalError> for Stop {
    fn from(error: PortalError) -> Stop {
        Stop::Portal(error)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        Stop::Trouble(trouble)
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What a handler gives.
type Answered = Result<Response, Stop>;

/// A page as the handler's answer; the frame writes it out.
fn show(page: Page) -> Response {
    let mut response = StatusCode::OK.into_response();
    response.extensions_mut().insert(Rendered(page));
    response
}

/// A page on its way to the frame.
#[derive(Clone, Debug)]
struct Rendered(Page);

/// 303 to `location`; an internal trouble when it is no header value.
fn see_other(location: &str) -> Answered {
    let value = HeaderValue::from_str(location).map_err(|_| Trouble::Internal)?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, value);
    Ok(response)
}

/// The fields of a posted form; a missing one reads as empty.
#[derive(Clone, Debug)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        self.get(name).trim().to_owned()
    }

    /// `self`, `other` or `unstated`.
    fn relation(&self) -> &'static str {
        relation(self.get("relation"))
    }
}

fn relation(text: &str) -> &'static str {
    match text {
        "other" => "other",
        "unstated" => "unstated",
        _ => "self",
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Stop;

    async fn from_request(request: Request, state: &S) -> Result<Fields, Stop> {
        match RawForm::from_request(request, state).await {
            Ok(RawForm(form)) => Ok(Fields(form_urlencoded::parse(&form).into_owned().collect())),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Trouble::TooLarge.into())
            }
            Err(_) => Err(Trouble::BadRequest.into()),
        }
    }
}

/// A query as far as it can be read; one that cannot counts as none, because what wallets and
/// scanners append to an address is not ours to refuse.
#[derive(Debug)]
struct Lenient<T>(T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequestParts<S> for Lenient<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Lenient<T>, Infallible> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        Ok(Lenient(query.map(|Query(query)| query).unwrap_or_default()))
    }
}

/// Whether `text` can be a token of ours: letters, digits, `-` and `_`. Nothing else is looked up
/// or written into a link, so it cannot break out of a path.
fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}
