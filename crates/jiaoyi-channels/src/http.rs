//! One HTTP client for every channel: time limits, kept connections, no redirects, bounded bodies.

use crate::config::{ConfigError, HttpConfig};
use reqwest::dns::Resolve;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, Proxy, Request, Response, Url, redirect};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// No answer of a channel is larger than this; one that is, is not read to its end.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// No bill is larger, as it is sent.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How long the download of a bill may take.
const FILE_TIME_MAX: Duration = Duration::from_secs(600);

/// The client that all gateways share.
#[derive(Clone)]
pub(crate) struct Http(Client);

/// An answer read to its end.
pub(crate) struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, if it is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer. It names no address: addresses may carry secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReply {
    /// No connection: nothing was sent.
    Connect,
    /// The time limit passed.
    Timeout,
    /// The answer is larger than it may be.
    TooLarge,
    /// The connection broke.
    Broken,
    /// What was sent could not be written down.
    Unwritten,
}

impl fmt::Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoReply::Connect => "no connection",
            NoReply::Timeout => "no answer in time",
            NoReply::TooLarge => "the answer is too large",
            NoReply::Broken => "the connection broke",
            NoReply::Unwritten => "what was sent could not be written down",
        })
    }
}

impl Http {
    /// `plain_only`: every address is plain HTTP, so that no certificate store is needed.
    pub fn open(config: &HttpConfig, plain_only: bool) -> Result<Http, ConfigError> {
        Http::open_with(config, plain_only, None)
    }

    /// As [`Http::open`], with names resolved by somebody else.
    pub fn open_with(
        config: &HttpConfig,
        plain_only: bool,
        resolver: Option<Arc<dyn Resolve>>,
    ) -> Result<Http, ConfigError> {
        let mut builder = Client::builder()
            .user_agent(concat!("jiaoyi/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_millis(config.connect_ms))
            .timeout(Duration::from_millis(config.total_ms))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(64)
            .no_proxy();
        let fault = |error: reqwest::Error| ConfigError::Http {
            what: error.without_url().to_string(),
        };
        if let Some(proxy) = &config.proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(fault)?);
        }
        if let Some(resolver) = resolver {
            builder = builder.dns_resolver(resolver);
        }
        if plain_only {
            builder = builder.tls_certs_only([]);
        }
        builder.build().map(Http).map_err(fault)
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Reply, NoReply> {
        self.execute(Request::new(method, url), headers, body, BODY_BYTES_MAX)
            .await
    }

    /// As [`Http::send`], for an answer that holds a file: up to `bytes_max`, within `time_max`.
    pub async fn send_for_file(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
        (bytes_max, time_max): (usize, Duration),
    ) -> Result<Reply, NoReply> {
        let mut request = Request::new(Method::POST, url);
        *request.timeout_mut() = Some(time_max);
        self.execute(request, headers, body, bytes_max).await
    }

    /// Sends a request; only the status of its answer is read.
    pub async fn status(&self, request: Request) -> Result<u16, NoReply> {
        let response = self.0.execute(request).await.map_err(|e| no_reply(&e))?;
        Ok(response.status().as_u16())
    }

    /// Fetches a file into `into`, piece by piece; the status, and nothing is written unless it is
    /// 2xx.
    pub async fn download(
        &self,
        url: Url,
        headers: HeaderMap,
        into: &mut (dyn Write + Send),
    ) -> Result<u16, NoReply> {
        let mut request = Request::new(Method::GET, url);
        *request.headers_mut() = headers;
        *request.timeout_mut() = Some(FILE_TIME_MAX);
        let mut response = self.0.execute(request).await.map_err(|e| no_reply(&e))?;
        let status = response.status();
        let mut left = FILE_BYTES_MAX;
        while status.is_success()
            && let Some(chunk) = response.chunk().await.map_err(|e| no_reply(&e))?
        {
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            left = left.checked_sub(length).ok_or(NoReply::TooLarge)?;
            into.write_all(&chunk).map_err(|_| NoReply::Unwritten)?;
        }
        Ok(status.as_u16())
    }

    async fn execute(
        &self,
        mut request: Request,
        headers: HeaderMap,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Reply, NoReply> {
        *request.headers_mut() = headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        let response = self.0.execute(request).await.map_err(|e| no_reply(&e))?;
        read(response, bytes_max).await
    }
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Reply, NoReply> {
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| no_reply(&e))? {
        if body.len().saturating_add(chunk.len()) > bytes_max {
            return Err(NoReply::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

fn no_reply(error: &reqwest::Error) -> NoReply {
    if error.is_connect() {
        NoReply::Connect
    } else if error.is_timeout() {
        NoReply::Timeout
    } else {
        NoReply::Broken
    }
}
