//! The relay between an adapter and its gateway: it writes down what both say, and lies when a case
//! asks it to.

use super::forge::Speech;
use crate::commands::conformance::expect::pretty;
use crate::exit::Exit;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use futures_util::stream;
use reqwest::{Client, Url};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// No message of a gateway is larger: a daily file of a bank inside its answer.
const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// An answer, or a notice.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What happens on the way. It goes on until the case is over.
#[derive(Clone, Debug, Default)]
pub enum Trick {
    #[default]
    Honest,
    /// One byte of the body is another: the one after so many thousandths of it.
    Flipped(usize),
    /// The signature is not there.
    Unsigned,
    /// The key that signed has another name, or the certificate is another.
    OtherKey,
    /// The gateway does its work; instead of its answer comes an old one.
    Replayed(Told),
    /// The gateway does its work; the connection breaks before its answer.
    Lost,
    /// The gateway does its work; its answer comes so much later.
    Late(Duration),
    /// The connection breaks before anything reaches the gateway.
    Unreachable,
}

/// What went over the wire, and what is to be done to it.
pub struct Wire {
    speech: Speech,
    http: Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    trick: Trick,
    heard: Vec<String>,
    last: Option<Told>,
}

impl Wire {
    pub fn new(speech: Speech, http: Client) -> Arc<Wire> {
        Arc::new(Wire {
            speech,
            http,
            state: Mutex::default(),
        })
    }

    /// How the gateway signs.
    pub const fn speech(&self) -> &Speech {
        &self.speech
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happens to everything from now on.
    pub fn play(&self, trick: Trick) {
        self.state().trick = trick;
    }

    /// What was said since the last time, a paragraph a call.
    pub fn take_heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state().heard)
    }

    /// The last answer of the gateway, before anything was done to it.
    pub fn last(&self) -> Option<Told> {
        self.state().last.clone()
    }

    /// Relays to the origin of `address`; the same address at the relay.
    pub async fn relay(self: &Arc<Wire>, address: &str) -> Result<String, Exit> {
        let no_address = |_| Exit::usage(format!("{address}: this is no address of a gateway"));
        let mut url: Url = address.parse().map_err(no_address)?;
        let origin = url.origin().ascii_serialization();
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(Exit::unexpected)?;
        let port = listener.local_addr().map_err(Exit::unexpected)?.port();
        let wire = Arc::clone(self);
        let app = axum::Router::new().fallback(move |request: Request| {
            let (wire, origin) = (Arc::clone(&wire), origin.clone());
            async move { wire.pass(&origin, request).await }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let here = url
            .set_scheme("http")
            .and_then(|()| url.set_ip_host([127, 0, 0, 1].into()))
            .and_then(|()| url.set_port(Some(port)));
        here.map_err(|()| Exit::usage(format!("{address}: no http or https address")))?;
        // The parser adds a slash that a base address must not have.
        let text = url.to_string();
        Ok(match address.ends_with('/') {
            true => text,
            false => text.trim_end_matches('/').to_owned(),
        })
    }

    async fn pass(&self, origin: &str, request: Request) -> Response<Body> {
        let trick = self.state().trick.clone();
        let (head, body) = request.into_parts();
        let asked = format!("{} {}", head.method, head.uri);
        let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
            return broken();
        };
        let said = format!("{asked}\n{}", pretty(&body));
        if matches!(trick, Trick::Unreachable) {
            self.hear(format!("{said}\n(broken off before the gateway heard it)"));
            return broken();
        }
        let url = format!("{origin}{}", head.uri);
        let sent = self.forward(head.method, &url, head.headers, body).await;
        let Ok(honest) = sent else {
            self.hear(format!("{said}\n(the gateway did not answer)"));
            return broken();
        };
        self.state().last = Some(honest.clone());
        let late = match trick {
            Trick::Late(late) => Some(late),
            _ => None,
        };
        let (told, mark) = self.bend(trick, honest);
        let shown = told.as_ref().map_or_else(
            || "(broken off)".to_owned(),
            |told| format!("{} {}", told.status, pretty(&told.body)),
        );
        self.hear(format!("{said}\n{mark}{shown}"));
        // Whoever has gone away by then ends this task.
        if let Some(late) = late {
            tokio::time::sleep(late).await;
        }
        told.map_or_else(broken, answer)
    }

    fn hear(&self, text: String) {
        self.state().heard.push(text);
    }

    async fn forward(
        &self,
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Told, reqwest::Error> {
        for own in ["host", "content-length", "connection"] {
            headers.remove(own);
        }
        let request = self.http.request(method, url).headers(headers).body(body);
        let reply = request.send().await?;
        let (status, mut headers) = (reply.status().as_u16(), reply.headers().clone());
        for own in ["content-length", "transfer-encoding", "connection"] {
            headers.remove(own);
        }
        Ok(Told {
            status,
            headers,
            body: reply.bytes().await?.to_vec(),
        })
    }

    /// What arrives instead, and a mark of the lie for the report.
    fn bend(&self, trick: Trick, mut told: Told) -> (Option<Told>, &'static str) {
        match trick {
            Trick::Honest | Trick::Unreachable => (Some(told), ""),
            Trick::Flipped(thousandths) => {
                flip(&mut told.body, thousandths);
                (Some(told), "(one byte is another) ")
            }
            Trick::Unsigned => {
                self.speech.unsign(&mut told);
                (Some(told), "(the signature is gone) ")
            }
            Trick::OtherKey => {
                self.speech.rename_key(&mut told);
                (Some(told), "(the key has another name) ")
            }
            Trick::Replayed(old) => (Some(old), "(an old answer) "),
            Trick::Lost => (None, "(answered) "),
            Trick::Late(_) => (Some(told), "(too late) "),
        }
    }
}

/// Makes the byte after so many thousandths of `body` another one.
pub fn flip(body: &mut [u8], thousandths: usize) {
    let place = body.len() * thousandths.min(999) / 1_000;
    if let Some(byte) = body.get_mut(place) {
        *byte ^= 1;
    }
}

fn answer(told: Told) -> Response<Body> {
    let mut response = Response::new(Body::from(told.body));
    *response.status_mut() = StatusCode::from_u16(told.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = told.headers;
    response
}

/// An answer that breaks off before its first byte.
fn broken() -> Response<Body> {
    let end: Result<Bytes, std::io::Error> = Err(std::io::Error::other("broken off by a case"));
    let mut response = Response::new(Body::from_stream(stream::iter([end])));
    let length = HeaderValue::from_static("1");
    response.headers_mut().insert("content-length", length);
    response
}
