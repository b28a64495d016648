//! Takes the channels' notices in instead of the portal and hands them to whoever asks, to be brought
//! in any order, changed, often or never.

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One notice as a channel sent it, or as somebody has changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The channel whose address it goes to.
    pub to: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// The same with another value of a header.
    pub fn with_header(mut self, name: &str, value: String) -> Letter {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value));
        self
    }

    /// The body as fields of a form.
    pub fn fields(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The same with other fields.
    pub fn with_fields(self, fields: &[(String, String)]) -> Letter {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let body = form.extend_pairs(fields).finish();
        self.with_body(body.into_bytes())
    }

    /// The same with another body.
    pub fn with_body(self, body: Vec<u8>) -> Letter {
        Letter { body, ..self }
    }

    /// Brings it to a portal; status and words of the answer, and how long it took.
    pub async fn bring(
        &self,
        client: &reqwest::Client,
        portal: &str,
    ) -> Result<(u16, String, Duration)> {
        let mut request = client.post(format!("{portal}/notify/{}", self.to));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let begun = Instant::now();
        let answer = request.body(self.body.clone()).send().await?;
        let status = answer.status().as_u16();
        let words = answer.text().await?;
        Ok((status, words, begun.elapsed()))
    }
}

/// Letters by channel, oldest first.
type Sack = Arc<Mutex<BTreeMap<String, Vec<Letter>>>>;

/// Listens where the portal is said to be.
#[derive(Clone)]
pub struct Postman {
    /// Where channels are told to send their notices.
    pub address: String,
    sack: Sack,
}

impl Postman {
    /// Begins to listen.
    pub async fn new() -> Result<Postman> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        let sack = Sack::default();
        let app = axum::Router::new()
            .route("/notify/{channel}", post(take_in))
            .with_state(Arc::clone(&sack));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Postman { address, sack })
    }

    /// The letter that a channel has just sent.
    ///
    /// # Errors
    ///
    /// When it has sent none or several since the last call.
    pub fn letter(&self, channel: &str) -> Result<Letter> {
        let mut sack = self.sack.lock().unwrap_or_else(PoisonError::into_inner);
        let mut letters = sack.remove(channel).unwrap_or_default();
        anyhow::ensure!(letters.len() < 2, "{channel} sent {}", letters.len());
        letters
            .pop()
            .with_context(|| format!("{channel} sent nothing"))
    }
}

/// Answers as the portal answers a notice that it keeps, so that the channel does not send it again.
async fn take_in(
    State(sack): State<Sack>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let told = ["content-type", "user-agent"].into_iter();
    let signed = headers.keys().map(|name| name.as_str());
    let signed = signed.filter(|name| name.starts_with("wechatpay-"));
    let headers = told
        .chain(signed)
        .filter_map(|name| Some((name.to_owned(), text(name)?)));
    let letter = Letter {
        to: channel.clone(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    let mut sack = sack.lock().unwrap_or_else(PoisonError::into_inner);
    sack.entry(channel).or_default().push(letter);
    (StatusCode::OK, "success")
}
