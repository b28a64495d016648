//! Answers for: one call of the platform: sign, send, and believe only an answer that is signed for
//! this very request. What to do about silence is decided in [`super::pay`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Later;
use super::catalog::Institution;
use super::faults::{Deed, Fault};
use super::sign::{Signer, Verifier};
use super::{wire, xml};
use crate::books::Event;
use crate::crypto::random_hex;
use crate::page::corrupt;
use crate::server::Sandbox;
use crate::times::SECOND_MS;

/// How long an institution waits for an answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// How far the time of an answer may be off.
pub(crate) const SKEW_S: i64 = 300;
/// How far a wrong clock is off.
const CLOCK_OFF_S: i64 = 600;
/// The name of the one key that every institution of the sandbox has.
pub const KEY_ID: &str = "k1";

/// A verb of the biller API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Point {
    Query,
    Collect,
    Release,
    Pay,
    Reverse,
    Status,
    Reconcile,
    /// The other way round: what the platform tells.
    Events,
}

impl Point {
    const fn verb(self) -> &'static str {
        match self {
            Point::Query => "query",
            Point::Collect => "collect",
            Point::Release => "release",
            Point::Pay => "pay",
            Point::Reverse => "reverse",
            Point::Status => "status",
            Point::Reconcile => "reconcile",
            Point::Events => "events",
        }
    }
}

/// What an institution made of the answer.
#[derive(Debug)]
pub(crate) enum Heard<T> {
    /// Decided, yes or no.
    Decision(T),
    /// Nothing was decided, and the platform says why.
    Error(wire::Error),
    /// Nothing that can be believed came back: the outcome is unknown.
    Silence,
}

/// A request held up on the way.
#[derive(Clone, Debug)]
pub(crate) struct LateRequest {
    request: Request,
}

#[derive(Clone, Debug)]
struct Request {
    url: String,
    path: String,
    nonce: String,
    scheme: &'static str,
    headers: Vec<(&'static str, String)>,
    /// It is to be answered in XML.
    xml: bool,
    body: Vec<u8>,
}

/// An answer as it came.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// The other end of the wire, and the keys of all institutions.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) platform_url: String,
    /// By channel code.
    pub(crate) signers: BTreeMap<String, Signer>,
    /// The platform's keys by scheme and id, as far as they were asked for.
    pub(crate) known: Mutex<BTreeMap<(String, String), Arc<Verifier>>>,
}

/// Lines, each ended by a line break, then the body and another one.
pub(crate) fn string_to_sign(lines: [&str; 4], body: &[u8]) -> Vec<u8> {
    let mut text = lines.map(|line| format!("{line}\n")).concat().into_bytes();
    text.extend_from_slice(body);
    text.push(b'\n');
    text
}

/// Calls the platform in the form that the institution speaks, and reads the decision.
pub(crate) async fn call<T: DeserializeOwned>(
    sandbox: &Arc<Sandbox>,
    institution: &Institution,
    at: Point,
    body: Value,
) -> Heard<T> {
    let xml = institution.xml;
    let kind = if xml {
        xml::CONTENT
    } else {
        "application/json"
    };
    match exchange(sandbox, institution, at, kind, Call { body, xml }).await {
        Heard::Decision(body) => match told(xml, &body) {
            Some(told) => Heard::Decision(told),
            None => {
                tracing::error!(?at, "an answer that the contract does not know");
                Heard::Silence
            }
        },
        Heard::Error(error) => Heard::Error(error),
        Heard::Silence => Heard::Silence,
    }
}

/// Reads an answer in XML or JSON; `None` when it is not as the contract says.
pub(crate) fn told<T: DeserializeOwned>(xml: bool, body: &[u8]) -> Option<T> {
    match xml {
        true => serde_json::from_value(xml::response(body)?).ok(),
        false => serde_json::from_slice(body).ok(),
    }
}

/// What is sent: a call, or a file as it is.
pub(crate) trait Payload {
    fn into_bytes(self, wrong_amount: bool) -> Vec<u8>;
}

/// The fields of a call, and whether they go as XML.
struct Call {
    body: Value,
    xml: bool,
}

impl Payload for Call {
    fn into_bytes(mut self, wrong_amount: bool) -> Vec<u8> {
        if wrong_amount && let Some(fen) = self.body["amount_fen"].as_u64() {
            self.body["amount_fen"] = json!(fen + 1);
        }
        match self.xml {
            true => xml::request(&self.body),
            false => self.body.to_string().into_bytes(),
        }
    }
}

impl Payload for Vec<u8> {
    fn into_bytes(self, _: bool) -> Vec<u8> {
        self
    }
}

/// Calls the platform and gives the body of its decision.
pub(crate) async fn exchange(
    sandbox: &Arc<Sandbox>,
    institution: &Institution,
    at: Point,
    kind: &str,
    payload: impl Payload,
) -> Heard<Vec<u8>> {
    let Some(link) = &sandbox.config.front else {
        return Heard::Silence;
    };
    let fault = sandbox.strike_front(institution.code, at);
    let deed = fault.as_ref().map(|fault| fault.deed);
    let body = payload.into_bytes(deed == Some(Deed::WrongAmount));
    let late_s = if deed == Some(Deed::ClockOff) {
        CLOCK_OFF_S
    } else {
        0
    };
    let at_s = sandbox.now_ms() / SECOND_MS - late_s;
    let Some(request) = sign(link, institution, at, at_s, kind, body) else {
        return Heard::Silence;
    };
    match deed {
        Some(Deed::LoseRequest) => Heard::Silence,
        Some(Deed::Late) => {
            hold(sandbox, request, fault.as_ref());
            Heard::Silence
        }
        Some(Deed::LoseAnswer) => {
            send(sandbox, &request).await;
            Heard::Silence
        }
        Some(Deed::Duplicate) => {
            let (first, second) = tokio::join!(send(sandbox, &request), send(sandbox, &request));
            let first = read(sandbox, link, &request, first).await;
            match first {
                Heard::Decision(_) => first,
                _ => read(sandbox, link, &request, second).await,
            }
        }
        Some(Deed::ForgedAnswer) => {
            let mut answer = send(sandbox, &request).await;
            if let Some(answer) = &mut answer {
                corrupt(&mut answer.body);
            }
            read(sandbox, link, &request, answer).await
        }
        Some(Deed::WrongAmount | Deed::ClockOff) | None => {
            let answer = send(sandbox, &request).await;
            read(sandbox, link, &request, answer).await
        }
    }
}

fn sign(
    link: &Link,
    institution: &Institution,
    at: Point,
    at_s: i64,
    kind: &str,
    body: Vec<u8>,
) -> Option<Request> {
    let signer = link.signers.get(institution.code)?;
    let path = format!("/biller/v1/{}", at.verb());
    let (timestamp, nonce) = (at_s.to_string(), random_hex(32));
    let text = string_to_sign(["POST", &path, &timestamp, &nonce], &body);
    let authorization = format!(
        r#"{} inst_id="{}",key_id="{KEY_ID}",timestamp="{timestamp}",nonce_str="{nonce}",signature="{}""#,
        signer.scheme(),
        institution.inst_id,
        signer.sign(&text),
    );
    let accept = if institution.xml {
        xml::CONTENT
    } else {
        "application/json"
    };
    Some(Request {
        url: format!("{}{path}", link.platform_url),
        path,
        nonce,
        scheme: signer.scheme(),
        headers: vec![
            ("content-type", kind.to_owned()),
            ("accept", accept.to_owned()),
            ("authorization", authorization),
        ],
        xml: institution.xml,
        body,
    })
}

async fn send(sandbox: &Sandbox, request: &Request) -> Option<Answer> {
    let mut sending = sandbox.http.post(&request.url).timeout(DEADLINE);
    for (name, value) in &request.headers {
        sending = sending.header(*name, value);
    }
    let answer = sending.body(request.body.clone()).send().await.ok()?;
    Some(Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.ok()?.to_vec(),
    })
}

/// Keeps a request back until the sandbox's clock has gone on.
fn hold(sandbox: &Sandbox, request: Request, fault: Option<&Fault>) {
    let delay_s = fault.and_then(|fault| fault.delay_s).unwrap_or(60);
    let at_ms = sandbox.now_ms() + i64::from(delay_s) * SECOND_MS;
    let mut books = sandbox.books();
    let number = books.next();
    books.fronts.late.insert(number, LateRequest { request });
    books
        .agenda
        .insert((at_ms, Event::Front(Later::Send(number))));
}

/// Sends a request that was held up; nobody waits for its answer any more.
pub(crate) async fn send_late(sandbox: Arc<Sandbox>, number: u64) {
    let late = sandbox.books().fronts.late.remove(&number);
    let Some(late) = late else { return };
    let answer = send(&sandbox, &late.request).await;
    let told = answer.map_or((0, String::new()), |answer| {
        (
            answer.status,
            String::from_utf8_lossy(&answer.body).into_owned(),
        )
    });
    tracing::info!(
        path = late.request.path,
        status = told.0,
        "a late request was answered"
    );
    sandbox.books().fronts.late_answers.push(told);
}

/// Believes an answer only when it is signed for this request, by a key of the platform, just now.
async fn read(
    sandbox: &Sandbox,
    link: &Link,
    request: &Request,
    answer: Option<Answer>,
) -> Heard<Vec<u8>> {
    let Some(answer) = answer else {
        return Heard::Silence;
    };
    if !is_signed(sandbox, link, request, &answer).await {
        tracing::warn!(
            path = request.path,
            status = answer.status,
            "an answer not to be believed"
        );
        return Heard::Silence;
    }
    match answer.status {
        200 => Heard::Decision(answer.body),
        429 | 500.. => Heard::Silence,
        _ => match told::<wire::Error>(request.xml, &answer.body) {
            Some(error) => {
                let wire::Error {
                    code,
                    message,
                    field,
                } = &error;
                tracing::warn!(
                    path = request.path,
                    code,
                    message,
                    ?field,
                    "nothing was decided"
                );
                Heard::Error(error)
            }
            None => Heard::Silence,
        },
    }
}

async fn is_signed(sandbox: &Sandbox, link: &Link, request: &Request, answer: &Answer) -> bool {
    let header = |name| {
        answer
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
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
    if scheme != request.scheme || nonce != request.nonce || !is_now {
        return false;
    }
    let Some(key) = platform_key(sandbox, link, scheme, key_id).await else {
        return false;
    };
    let status = answer.status.to_string();
    let text = string_to_sign([&status, &request.path, timestamp, nonce], &answer.body);
    key.verifies(&text, signature)
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    scheme: String,
    key_id: String,
    public_key: String,
}

/// A public key of the platform, asked for when first needed. A real institution would compare it
/// with one that it was given by hand.
pub(crate) async fn platform_key(
    sandbox: &Sandbox,
    link: &Link,
    scheme: &str,
    key_id: &str,
) -> Option<Arc<Verifier>> {
    let name = (scheme.to_owned(), key_id.to_owned());
    let mut known = link.known.lock().await;
    if !known.contains_key(&name) {
        let url = format!("{}/biller/v1/keys", link.platform_url);
        let answer = sandbox.http.get(url).send().await.ok()?;
        let told: Keys = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
        for key in told.keys {
            if let Some(verifier) = Verifier::from_pem(&key.scheme, &key.public_key) {
                known.insert((key.scheme, key.key_id), Arc::new(verifier));
            }
        }
    }
    known.get(&name).cloned()
}
