//! One call: drawn up, signed, sent, and its answer checked. A case may change any part of it before
//! it goes out.

use super::Profile;
use super::expect::pretty;
use super::kit::Kit;
use super::play::Spoken;
use crate::edge;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiaoyi_sandbox::{XML_CONTENT, xml_request, xml_response};
use serde_json::Value;

/// A request that has not been sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub verb: &'static str,
    pub body: Vec<u8>,
    pub content_type: &'static str,
    pub inst_id: String,
    pub key_id: String,
    pub scheme: String,
    pub timestamp: String,
    pub nonce: String,
    /// Instead of the right one.
    pub signature: Option<String>,
    /// Instead of the right header; an empty one is left out.
    pub authorization: Option<String>,
    /// The five lines as this institution thinks they are.
    pub string_to_sign: Option<Vec<u8>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// Its fields, also when they came as XML; null when there are none.
    pub json: Value,
    /// Of the answer's signature.
    pub timestamp: Option<i64>,
    pub retry_after_s: Option<u64>,
    /// Why the answer is not to be believed.
    distrust: Option<String>,
}

/// `0-9a-f` of fresh random bytes.
pub fn nonce() -> String {
    let bytes: [u8; 16] = edge::random_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Five lines, each ended by a line break.
fn five_lines(lines: [&str; 4], body: &[u8]) -> Vec<u8> {
    let mut text = lines.map(|line| format!("{line}\n")).concat().into_bytes();
    text.extend_from_slice(body);
    text.push(b'\n');
    text
}

impl Draft {
    fn path(&self) -> String {
        format!("/biller/v1/{}", self.verb)
    }

    /// The right string to sign.
    pub fn text(&self) -> Vec<u8> {
        let path = self.path();
        five_lines(["POST", &path, &self.timestamp, &self.nonce], &self.body)
    }
}

impl Kit {
    /// A request as it should be; the fields of a call in the form that is spoken.
    pub fn draft(&self, verb: &'static str, body: Vec<u8>) -> Draft {
        let (body, content_type) = match self.terms.profile {
            Profile::Json => (body, "application/json"),
            Profile::Xml => {
                let call = serde_json::from_slice(&body).ok().filter(Value::is_object);
                let body = call.map_or(body, |call| xml_request(&call));
                (body, XML_CONTENT)
            }
        };
        Draft {
            verb,
            body,
            content_type,
            inst_id: self.terms.inst_id.clone(),
            key_id: self.terms.key_id.clone(),
            scheme: self.signer.scheme().to_owned(),
            timestamp: (self.now_ms() / 1_000).to_string(),
            nonce: nonce(),
            signature: None,
            authorization: None,
            string_to_sign: None,
        }
    }

    /// The header of a draft.
    pub fn authorization(&self, draft: &Draft) -> String {
        let right = || self.signer.sign(&draft.text());
        let signature = draft.signature.clone().unwrap_or_else(right);
        format!(
            r#"{} inst_id="{}",key_id="{}",timestamp="{}",nonce_str="{}",signature="{signature}""#,
            draft.scheme, draft.inst_id, draft.key_id, draft.timestamp, draft.nonce
        )
    }

    /// In what a day file is to be answered.
    const fn accepted(&self) -> &'static str {
        match self.terms.profile {
            Profile::Json => "application/json",
            Profile::Xml => XML_CONTENT,
        }
    }

    fn request(&self, draft: &Draft) -> reqwest::RequestBuilder {
        let header = draft.authorization.clone();
        let header = header.unwrap_or_else(|| self.authorization(draft));
        let mut request = self
            .http
            .post(format!("{}{}", self.base, draft.path()))
            .header("content-type", draft.content_type)
            .header("accept", self.accepted())
            .body(draft.body.clone());
        if !header.is_empty() {
            request = request.header("authorization", header);
        }
        if let Some(text) = &draft.string_to_sign {
            request = request.header("biller-string-to-sign", STANDARD.encode(text));
        }
        request
    }

    /// Sends a draft; `Err` when nothing comes back.
    pub async fn send(&self, draft: Draft) -> Result<Answer, String> {
        let silence = |error: reqwest::Error| format!("{}: no answer: {error}", draft.verb);
        let reply = self.request(&draft).send().await.map_err(silence)?;
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let body = reply.bytes().await.map_err(silence)?.to_vec();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let distrust = self.distrust(&draft, status, &body, &header);
        let json = match header("content-type") {
            Some(kind) if kind.starts_with("application/xml") => xml_response(&body),
            Some(_) | None => serde_json::from_slice(&body).ok(),
        };
        self.speak(Spoken {
            asked: format!("{} {}", draft.verb, pretty(&draft.body)),
            answered: format!("{status} {}", pretty(&body)),
        });
        Ok(Answer {
            status,
            json: json.unwrap_or(Value::Null),
            body,
            timestamp: header("biller-timestamp").and_then(|text| text.parse().ok()),
            retry_after_s: header("retry-after").and_then(|text| text.parse().ok()),
            distrust,
        })
    }

    /// Sends a draft and goes away before any answer can come.
    pub async fn send_and_leave(&self, draft: &Draft) -> Result<(), String> {
        use tokio::io::AsyncWriteExt;
        let at = self.base.split_once("://").map_or("", |(_, at)| at);
        let Some(("http", _)) = self.base.split_once("://") else {
            // Behind TLS the request is sent whole and its answer not looked at.
            drop(self.request(draft).send().await);
            return Ok(());
        };
        let whole = format!(
            "POST {} HTTP/1.1\r\nhost: {at}\r\ncontent-type: {}\r\nauthorization: {}\r\ncontent-length: {}\r\n\r\n",
            draft.path(),
            draft.content_type,
            self.authorization(draft),
            draft.body.len()
        );
        let away = |error: std::io::Error| format!("{at}: {error}");
        let mut wire = tokio::net::TcpStream::connect(at).await.map_err(away)?;
        wire.write_all(whole.as_bytes()).await.map_err(away)?;
        wire.write_all(&draft.body).await.map_err(away)?;
        wire.shutdown().await.map_err(away)
    }

    /// Why an answer is not to be believed.
    fn distrust<'h>(
        &self,
        draft: &Draft,
        status: u16,
        body: &[u8],
        header: &dyn Fn(&str) -> Option<&'h str>,
    ) -> Option<String> {
        let read = || {
            Some((
                header("biller-scheme")?,
                header("biller-key-id")?,
                header("biller-timestamp")?,
                header("biller-nonce")?,
                header("biller-signature")?,
            ))
        };
        let Some((scheme, key_id, timestamp, nonce, signature)) = read() else {
            return Some("it is not signed".to_owned());
        };
        if scheme != draft.scheme {
            return Some(format!(
                "it is signed by {scheme}, the request by {}",
                draft.scheme
            ));
        }
        if nonce != draft.nonce {
            return Some("its nonce is not that of the request".to_owned());
        }
        let off = timestamp.parse::<i64>().ok();
        let off = off.map(|at| (at - self.now_ms() / 1_000).abs());
        if !draft.verb.starts_with("echo") && off.is_none_or(|off| off > 300) {
            return Some(format!("its time {timestamp} is more than 300 s off"));
        }
        let Some(key) = self.key_of_platform(scheme, key_id) else {
            return Some(format!("its key {key_id} is not listed at /biller/v1/keys"));
        };
        let status = status.to_string();
        let text = five_lines([&status, &draft.path(), timestamp, nonce], body);
        (!key.verifies(&text, signature)).then(|| "its signature is wrong".to_owned())
    }
}

impl Answer {
    /// Whether it is to be believed.
    pub fn is_signed(&self) -> Result<(), String> {
        match &self.distrust {
            None => Ok(()),
            Some(why) => Err(format!(
                "the answer cannot be believed, {why}: {}",
                self.told()
            )),
        }
    }

    /// Status and body, for a sentence.
    pub fn told(&self) -> String {
        format!("{} {}", self.status, pretty(&self.body))
    }
}
