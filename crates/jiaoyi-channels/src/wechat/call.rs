//! One signed call to WeChat and the check of its answer.

use super::{WechatGateway, seconds};
use crate::crypto::Verifier;
use crate::http::Reply;
use jiaoyi_domain::time::{Instant, MINUTE_MS};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;
use std::sync::Arc;

/// How far a signature's time may be away from ours.
pub(super) const CLOCK_TOLERANCE_MS: i64 = 5 * MINUTE_MS;

/// The two HTTP methods that the API uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
        }
    }
}

/// What came back from a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 2xx with a good signature; the body, which is empty for 204.
    Good(Vec<u8>),
    /// Any other status with a good signature, and with a code that WeChat gives a meaning.
    Refusal(Refusal),
    /// Nothing that can be believed.
    Nothing { why: String },
}

/// An answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    /// The code as WeChat spells it.
    pub code: String,
    pub message: String,
    /// Whether WeChat says that the number was used before with another content.
    pub re_entry: bool,
}

impl Refusal {
    /// The code in capitals without `_`, as it is compared: older spellings have none.
    pub fn plain_code(&self) -> String {
        self.code.replace('_', "").to_ascii_uppercase()
    }
}

/// The code of "on re-entry the parameters differ", the last part of the `Request-ID` header.
const RE_ENTRY_ID: &str = "268498688";

impl WechatGateway {
    /// Signs and sends a call, and verifies its answer.
    ///
    /// An answer without a good signature is none, whatever its status. WeChat signs the answer to every
    /// request whose signature it has accepted, refusals such as 404 included (S-056); only 401
    /// `SIGN_ERROR`, and what a proxy or a forger says on the way, comes unsigned. The official libraries
    /// do not verify refusals, but here "no such order" frees a bill, and that is not left to anybody who
    /// can speak in WeChat's place. An unsigned code stays in the reason, for whoever reads the log.
    pub(super) async fn call(
        &self,
        verb: Verb,
        path: &str,
        body: Vec<u8>,
        now: Instant,
        nonce: &str,
    ) -> Answer {
        let reply = match self.send(verb, path, body, now, nonce).await {
            Ok(reply) => reply,
            Err(why) => return Answer::Nothing { why },
        };
        let good = reply.is_success() && reply.status != 202;
        match (
            verify_reply(&reply, |serial| self.keys.find(serial), now),
            good,
        ) {
            (Ok(()), true) => Answer::Good(reply.body),
            (Ok(()), false) => refusal(&reply),
            (Err(why), _) => {
                let why = match refusal(&reply) {
                    Answer::Refusal(hint) => {
                        format!("{why}: status {}, {}", hint.status, hint.code)
                    }
                    Answer::Good(_) | Answer::Nothing { .. } => {
                        format!("{why}: status {}", reply.status)
                    }
                };
                tracing::warn!(why, path, "an answer of WeChat Pay was not believed");
                Answer::Nothing { why }
            }
        }
    }

    /// Signs and sends a call; the answer is not verified.
    pub(super) async fn send(
        &self,
        verb: Verb,
        path: &str,
        body: Vec<u8>,
        now: Instant,
        nonce: &str,
    ) -> Result<Reply, String> {
        let url = self.address(path)?;
        let headers = self.signed(verb, &url, &body, now, nonce).await?;
        let method = match verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
        };
        let sent = self.http.send(method, url, headers, body).await;
        sent.map_err(|why| why.to_string())
    }

    /// The address of a path of the API.
    pub(super) fn address(&self, path: &str) -> Result<Url, String> {
        let base = self.config.base_url.trim_end_matches('/');
        let url = format!("{base}{path}").parse();
        url.map_err(|_| "base_url is not an address".to_owned())
    }

    /// The headers of a call, with the signature over all that is sent.
    pub(super) async fn signed(
        &self,
        verb: Verb,
        url: &Url,
        body: &[u8],
        now: Instant,
        nonce: &str,
    ) -> Result<HeaderMap, String> {
        let mut target = url.path().to_owned();
        if let Some(query) = url.query() {
            target = format!("{target}?{query}");
        }
        let time = seconds(now);
        let mut message = format!("{}\n{target}\n{time}\n{nonce}\n", verb.name()).into_bytes();
        message.extend_from_slice(body);
        message.push(b'\n');
        let Some(signature) = self.signer.sign(message).await else {
            return Err("no signature could be made".to_owned());
        };
        let (mchid, serial) = (&self.config.mchid, &self.config.merchant_serial);
        let authorization = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{mchid}\",nonce_str=\"{nonce}\",\
             timestamp=\"{time}\",serial_no=\"{serial}\",signature=\"{signature}\""
        );
        self.headers(&authorization)
            .ok_or_else(|| "the merchant's identity does not fit a header".to_owned())
    }

    fn headers(&self, authorization: &str) -> Option<HeaderMap> {
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(authorization).ok()?);
        headers.insert(ACCEPT, json.clone());
        headers.insert(CONTENT_TYPE, json);
        if let Some(serial) = self.keys.preferred() {
            headers.insert("wechatpay-serial", HeaderValue::from_str(&serial).ok()?);
        }
        Some(headers)
    }
}

/// The three lines that WeChat signs in answers and notices.
pub(super) fn signed_message(timestamp: &str, nonce: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("{timestamp}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    message
}

/// Whether a time in seconds, as signed, is at most five minutes away from `now`.
pub(super) fn is_fresh(timestamp: &str, now: Instant) -> bool {
    timestamp.parse::<i64>().is_ok_and(|time| {
        let distance = now.since_ms(Instant(time.saturating_mul(1_000)));
        distance.saturating_abs() <= CLOCK_TOLERANCE_MS
    })
}

/// Checks time and signature of an answer.
pub(super) fn verify_reply(
    reply: &Reply,
    key: impl Fn(&str) -> Option<Arc<Verifier>>,
    now: Instant,
) -> Result<(), &'static str> {
    let header = |name| reply.header(name);
    let (Some(time), Some(nonce), Some(signature), Some(serial)) = (
        header("wechatpay-timestamp"),
        header("wechatpay-nonce"),
        header("wechatpay-signature"),
        header("wechatpay-serial"),
    ) else {
        return Err("the answer is not signed");
    };
    if !is_fresh(time, now) {
        return Err("the answer's time is more than five minutes away");
    }
    let key = key(serial).ok_or("the answer is signed with an unknown key")?;
    if key.verify(&signed_message(time, nonce, &reply.body), signature) {
        Ok(())
    } else {
        Err("the signature of the answer is wrong")
    }
}

#[derive(Deserialize)]
struct Failure {
    code: String,
    #[serde(default)]
    message: String,
}

fn refusal(reply: &Reply) -> Answer {
    let Ok(failure) = serde_json::from_slice::<Failure>(&reply.body) else {
        return Answer::Nothing {
            why: format!("status {} without a code", reply.status),
        };
    };
    let id = reply.header("request-id").unwrap_or_default();
    Answer::Refusal(Refusal {
        status: reply.status,
        re_entry: id.rsplit('-').next() == Some(RE_ENTRY_ID) || failure.message.contains("重入"),
        code: failure.code,
        message: failure.message,
    })
}
