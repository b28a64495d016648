//! Alipay OpenAPI v3: the same methods as addresses of their own, signed in a header, answered with
//! a status and a bare object. Its answers are turned into those of v2, so that they mean the same.
//!
//! What a browser is sent to (wap, page) is signed as in v2: v3 has no such links.

use super::answer::{Answer, Fields, OTHER_CERTIFICATE};
use super::{AlipayGateway, Request, Trust};
use crate::http::Reply;
use jiaoyi_domain::time::Instant;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method as Verb, Url};
use serde_json::{Map, Value};

const SCHEME: &str = "ALIPAY-SHA256withRSA";

/// The one method that is asked for with parameters in the address.
const BY_GET: &str = "alipay.data.dataservice.bill.downloadurl.query";

/// What is sent: the business content, with the address for notices in it.
struct Sent {
    verb: Verb,
    url: Url,
    body: String,
}

impl Sent {
    fn new(base: &str, request: &Request<'_>) -> Result<Sent, &'static str> {
        let mut content: Map<String, Value> =
            serde_json::from_str(request.biz_content).map_err(|_| "the content is no object")?;
        let path = request.method.replace('.', "/");
        let mut url: Url = format!("{}/v3/{path}", base.trim_end_matches('/'))
            .parse()
            .map_err(|_| "v3_url is not an address")?;
        if request.method == BY_GET {
            for (name, value) in &content {
                let value = value.as_str().unwrap_or_default();
                url.query_pairs_mut().append_pair(name, value);
            }
            return Ok(Sent {
                verb: Verb::GET,
                url,
                body: String::new(),
            });
        }
        if let Some(notify_url) = request.notify_url.filter(|url| !url.is_empty()) {
            content.insert("notify_url".to_owned(), notify_url.into());
        }
        Ok(Sent {
            verb: Verb::POST,
            url,
            body: Value::Object(content).to_string(),
        })
    }

    /// Path and query, exactly as they are sent.
    fn target(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

impl AlipayGateway {
    /// Calls a method under v3; `nonce` is of no other call of this app.
    pub(super) async fn call_v3(&self, request: &Request<'_>, now: Instant, nonce: &str) -> Answer {
        let nothing = |why: &str| Answer::Nothing {
            why: why.to_owned(),
        };
        let sent = match Sent::new(&self.config.v3_url, request) {
            Ok(sent) => sent,
            Err(why) => return nothing(why),
        };
        let Some(headers) = self.headers_v3(&sent, now, nonce).await else {
            return nothing("no signature could be made");
        };
        let body = sent.body.into_bytes();
        match self.http.send(sent.verb, sent.url, headers, body).await {
            Err(why) => nothing(&why.to_string()),
            Ok(reply) => {
                let answer = read(&reply, &self.trust);
                if let Answer::Nothing { why } = &answer {
                    let method = request.method;
                    tracing::warn!(why, method, "an answer of Alipay was not believed");
                }
                answer
            }
        }
    }

    async fn headers_v3(&self, sent: &Sent, now: Instant, nonce: &str) -> Option<HeaderMap> {
        let mut who = format!("app_id={}", self.config.app_id);
        if let Some(sns) = &self.trust.certificates {
            who = format!("{who},app_cert_sn={}", sns.app);
        }
        let who = format!("{who},nonce={nonce},timestamp={}", now.0);
        let (verb, target, body) = (sent.verb.as_str(), sent.target(), &sent.body);
        let message = format!("{who}\n{verb}\n{target}\n{body}\n");
        let sign = self.signer.sign(message.into_bytes()).await?;
        let authorization = format!("{SCHEME} {who},sign={sign}");
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&authorization).ok()?);
        headers.insert("alipay-request-id", HeaderValue::from_str(nonce).ok()?);
        headers.insert(ACCEPT, json.clone());
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, json);
        }
        if let Some(sns) = &self.trust.certificates {
            let root = HeaderValue::from_str(&sns.root).ok()?;
            headers.insert("alipay-root-cert-sn", root);
        }
        Some(headers)
    }
}

/// Reads an answer as the one that v2 would have given.
///
/// A wrong signature makes it worthless; a missing one is possible with errors and is passed on as
/// unsigned.
fn read(reply: &Reply, trust: &Trust) -> Answer {
    let nothing = |why: String| Answer::Nothing { why };
    let signed = match verify(reply, trust) {
        Ok(signed) => signed,
        Err(why) => return nothing(why.to_owned()),
    };
    let Ok(mut fields) = serde_json::from_slice::<Map<String, Value>>(&reply.body) else {
        return nothing(format!("status {} without an object", reply.status));
    };
    if reply.is_success() {
        if !signed {
            return nothing("the answer is not signed".to_owned());
        }
        fields.insert("code".to_owned(), "10000".into());
        let fields = Fields::new(fields);
        return Answer::Told { fields, signed };
    }
    let told = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let (code, message) = (told("code"), told("message"));
    if code.is_empty() {
        return nothing(format!("status {} without a code", reply.status));
    }
    // As v2 sorts its refusals: parameters and signature, permission, business, nobody knows.
    let kind = match reply.status {
        401 => "40002",
        403 => "40006",
        400 | 404 => "40004",
        _ => "20000",
    };
    let told = [
        ("code", kind.to_owned()),
        ("sub_code", as_in_v2(code)),
        ("sub_msg", message.to_owned()),
    ];
    let told = told.map(|(name, value)| (name.to_owned(), Value::String(value)));
    let fields = Fields::new(Map::from_iter(told));
    Answer::Told { fields, signed }
}

/// Codes of the trade methods come with their prefix or, in some lists, without.
fn as_in_v2(code: &str) -> String {
    let is_bare = code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if is_bare {
        format!("ACQ.{code}")
    } else {
        code.to_owned()
    }
}

/// Whether the answer is signed; a signature that does not fit is an error.
fn verify(reply: &Reply, trust: &Trust) -> Result<bool, &'static str> {
    let header = |name| reply.header(name);
    let (Some(time), Some(nonce), Some(signature)) = (
        header("alipay-timestamp"),
        header("alipay-nonce"),
        header("alipay-signature"),
    ) else {
        return Ok(false);
    };
    if header("alipay-sn").is_some_and(|sn| trust.is_stranger(sn)) {
        return Err(OTHER_CERTIFICATE);
    }
    let mut message = format!("{time}\n{nonce}\n").into_bytes();
    message.extend_from_slice(&reply.body);
    message.push(b'\n');
    if trust.key.verify(&message, signature) {
        Ok(true)
    } else {
        Err("the signature of the answer is wrong")
    }
}
