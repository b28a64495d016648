//! What stands around every handler that does work: it turns requests away while too many are under
//! way, before their bodies are read.
//!
//! It is one layer and not several, as the router makes each anew for every request.
//!
//! Whoever is turned away must cost next to nothing, or the many who come again keep those from being
//! served who were let in. So this stands outside the frame, and its pages are made beforehand.
//!
//! Whoever is let in is served at the desks, by threads that do nothing else: serving takes many
//! steps, and where connections are looked after, each step would wait behind everybody who is turned
//! away.

use super::asker::look;
use super::biller::{CALL_BYTES_MAX, takes_file};
use super::frame::{around, page_of, secure, too_large};
use super::{FORM_BYTES_MAX, NOTICE_BYTES_MAX, WebState};
use crate::locale::Lang;
use crate::look::{Browser, Look, Size, Theme};
use crate::pages::trouble::{Money, Trouble, trouble};
use crate::xml::Wanted;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiaoyi_app::admission::{Party, Place, Purpose};
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::channel::ChannelCode;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// When somebody who was turned away should come again.
const RETRY_AFTER_S: u32 = 5;
/// How many payers who have pressed are served at once; the others wait at the door, in order. If all
/// were served a little at a time, each would be done only when all are.
const TURNS: usize = 512;
/// A turn that lasts so long waits for a channel, and that needs no processor: the next may come in.
const TURN: Duration = Duration::from_millis(500);
/// How long the rest of a form is waited for whose sender is turned away.
const READ_OUT: Duration = Duration::from_millis(200);
/// How many day files are read at once. Whose one is can be said only when all of it is there, in memory
/// several times over.
const FILES: usize = 4;
/// How long a day file waits for its place.
const FILE_WAIT: Duration = Duration::from_secs(2);
/// Stands in a page made beforehand for the address at which it is shown.
const HERE: &str = "/-here-";

/// The gate, and the pages for those whom it turns away.
pub struct Door {
    state: WebState,
    turns: Semaphore,
    files: Semaphore,
    pages: Vec<Closed>,
    headers: HeaderMap,
}

/// One page for those who are turned away.
#[derive(Debug)]
struct Closed {
    lang: Lang,
    size: Size,
    theme: Theme,
    money: Money,
    /// Between two parts stands the address.
    parts: Vec<String>,
}

impl Door {
    /// Makes the page of every look.
    pub fn new(state: WebState) -> Door {
        let settings = &state.settings;
        let mut pages = Vec::new();
        for lang in Lang::ALL {
            for size in Size::ALL {
                for theme in Theme::ALL {
                    for money in [Money::None, Money::Maybe] {
                        let look = Look {
                            lang,
                            size,
                            theme,
                            browser: Browser::default(),
                            demo: settings.demo,
                        };
                        pages.push(Closed::new(&look, money));
                    }
                }
            }
        }
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::VARY, "Accept-Encoding, Cookie"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        secure(settings, false, false, &mut headers);
        Door {
            state,
            turns: Semaphore::new(TURNS),
            files: Semaphore::new(FILES),
            pages,
            headers,
        }
    }

    /// Lets somebody in, if there is room.
    fn enter(&self, purpose: Purpose, party: Party) -> Option<Place> {
        self.state.settings.gate.enter(purpose, party)
    }

    /// Has a request served at the desks; it holds its place until the answer is made.
    async fn serve<F>(
        &self,
        request: Request,
        place: Place,
        serving: impl FnOnce(Request) -> F,
    ) -> Response
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let Some(request) = with_body(request).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let serving = serving(request);
        let serving = async move {
            let answer = serving.await;
            drop(place);
            answer
        };
        match &self.state.settings.desks {
            Some(desks) => desks.serve(serving).await,
            None => serving.await,
        }
    }

    /// Serves somebody who has pressed, when their turn has come.
    async fn in_turn(&self, answer: impl Future<Output = Response>) -> Response {
        let mut answer = pin!(answer);
        let turn = {
            let _waiting = self.state.settings.gate.wait();
            self.turns.acquire().await
        };
        if let Ok(answer) = timeout(TURN, &mut answer).await {
            return answer;
        }
        drop(turn);
        answer.await
    }

    /// Answers somebody who finds no place.
    fn turn_away(&self, request: &Request) -> Response {
        let look = look(request.headers(), self.state.settings.demo);
        let path = request.uri().path();
        let money = if path.starts_with("/o/") {
            Money::Maybe
        } else {
            Money::None
        };
        let of_look = |page: &&Closed| {
            (page.lang, page.size, page.theme) == (look.lang, look.size, look.theme)
                && page.money == money
        };
        let Some(page) = self.pages.iter().find(of_look) else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let html = if matches!(*request.method(), Verb::GET | Verb::HEAD) {
            page.at(request
                .uri()
                .path_and_query()
                .map_or(path, |whole| whole.as_str()))
        } else {
            page.at(&page_of(path))
        };
        let length = HeaderValue::from(html.len());
        let body = if *request.method() == Verb::HEAD {
            Body::empty()
        } else {
            Body::from(html)
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        *response.headers_mut() = self.headers.clone();
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length);
        response
    }
}

impl Closed {
    fn new(look: &Look, money: Money) -> Closed {
        let busy = Trouble::Busy {
            retry_after_s: RETRY_AFTER_S,
        };
        let page = trouble(look, busy, money, HERE, "", "");
        Closed {
            lang: look.lang,
            size: look.size,
            theme: look.theme,
            money,
            parts: page.html.split(HERE).map(str::to_owned).collect(),
        }
    }

    /// The page as it is shown at `here`.
    fn at(&self, here: &str) -> String {
        let here = if here.is_empty() { "/" } else { here };
        self.parts.join(&maud::html! { (here) }.into_string())
    }
}

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

/// How many bytes the body has, as its sender tells.
fn body_bytes(headers: &HeaderMap) -> Option<usize> {
    let told = headers.get(header::CONTENT_LENGTH)?;
    told.to_str().ok()?.parse().ok()
}

/// Whether a request carries a body that is short enough to be read before anything else.
fn has_short_body(headers: &HeaderMap) -> bool {
    body_bytes(headers).is_some_and(|bytes| (1..=FORM_BYTES_MAX).contains(&bytes))
}

/// Reads a short body to its end: a connection with something unread in it would be closed, and a new
/// one costs more than all the rest.
async fn read_out(request: Request) {
    if has_short_body(request.headers()) {
        let read = to_bytes(request.into_body(), FORM_BYTES_MAX);
        // What does not come is left to the connection.
        let _ = timeout(READ_OUT, read).await;
    }
}

/// The request with its body at hand, if that is short: whoever serves it need not come back to the
/// connection. `None` when the sender has gone.
async fn with_body(request: Request) -> Option<Request> {
    if !has_short_body(request.headers()) {
        return Some(request);
    }
    let (head, body) = request.into_parts();
    let body = to_bytes(body, FORM_BYTES_MAX).await.ok()?;
    Some(Request::from_parts(head, Body::from(body)))
}

/// Around every page and its frame.
pub async fn page(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = too_large(&request) {
        return refused;
    }
    DefaultBodyLimit::max(FORM_BYTES_MAX).apply(&mut request);
    let purpose = purpose(&request);
    let Some(place) = door.enter(purpose, Party::Visitors) else {
        let answer = door.turn_away(&request);
        read_out(request).await;
        return answer;
    };
    let presses = purpose == Purpose::Payment && request.method() == Verb::POST;
    let at_door = Arc::clone(&door);
    door.serve(request, place, |request| async move {
        let answer = around(&at_door.state, request, next);
        if presses {
            at_door.in_turn(answer).await
        } else {
            answer.await
        }
    })
    .await
}

/// Around the calls of institutions: pays before queries, and reversals before all others.
pub async fn biller(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = too_large(&request) {
        return refused;
    }
    // Its handler knows how large it may be.
    DefaultBodyLimit::disable().apply(&mut request);
    let purpose = match request.uri().path().rsplit('/').next() {
        Some("pay" | "collect" | "release" | "status") => Purpose::Payment,
        Some("reverse") => Purpose::Notice,
        _ => Purpose::Question,
    };
    let wanted = Wanted::of(request.headers());
    let busy = || super::biller::failed(ErrorCode::Busy, Some(RETRY_AFTER_S), &wanted);
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.and_then(|value| value.to_str().ok());
    let party = door.state.portal.caller(authorization);
    let Some(place) = door.enter(purpose, party) else {
        return busy();
    };
    let _file = if is_large(&request) {
        match timeout(FILE_WAIT, door.files.acquire()).await {
            Ok(Ok(place)) => Some(place),
            Ok(Err(_)) | Err(_) => return busy(),
        }
    } else {
        None
    };
    door.serve(request, place, |request| next.run(request))
        .await
}

/// Whether the body may be larger than that of a call.
fn is_large(request: &Request) -> bool {
    if !takes_file(request.uri().path()) {
        return false;
    }
    body_bytes(request.headers()).is_none_or(|bytes| bytes > CALL_BYTES_MAX)
}

/// Around the channels' notices; a channel tells again what was not taken.
pub async fn notice(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    if let Some(refused) = too_large(&request) {
        return refused;
    }
    DefaultBodyLimit::max(NOTICE_BYTES_MAX).apply(&mut request);
    let named = request.uri().path().rsplit('/').next();
    let channel = named.and_then(ChannelCode::from_code);
    let party = channel.map_or(Party::Strangers, Party::Channel);
    match door.enter(Purpose::Notice, party) {
        Some(place) => {
            door.serve(request, place, |request| next.run(request))
                .await
        }
        None => {
            let retry = [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())];
            (StatusCode::SERVICE_UNAVAILABLE, retry, "fail").into_response()
        }
    }
}
