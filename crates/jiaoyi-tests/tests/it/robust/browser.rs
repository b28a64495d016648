//! A payer's browser without a screen: cookies of the portal, no redirects by itself, and a list of
//! every address that was asked for.

use anyhow::{Context, Result};
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, USER_AGENT};
use reqwest::{Client, ClientBuilder, redirect};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const PHONE: &str = "Mozilla/5.0 (Linux; Android 12; Mobile) AppleWebKit/537.36 Chrome/120 Mobile";

/// Every address that was asked for or named by a redirect.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Arc<Mutex<Vec<String>>>);

impl Addresses {
    fn add(&self, address: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(address.to_owned());
    }

    /// All of them, one a line.
    pub fn text(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.join("\n")
    }
}

/// A client for many browsers: connections are shared, cookies are not.
pub fn client() -> Result<Client> {
    builder().build().context("make a client")
}

fn builder() -> ClientBuilder {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(20))
}

/// A client that makes a connection for every request, for whoever measures how soon a portal answers.
///
/// A request that is given a shared connection just as the portal at its other end dies may never be
/// sent: a few times in some thousand kills it stayed in the client until its time was over.
pub fn client_apart() -> Result<Client> {
    let apart = builder().pool_max_idle_per_host(0);
    apart.build().context("make a client")
}

/// One payer's browser.
#[derive(Clone, Debug)]
pub struct Browser {
    client: Client,
    base: String,
    cookies: BTreeMap<String, String>,
    addresses: Option<Addresses>,
}

/// What a request brought.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub location: Option<String>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of the first field with this name.
    pub fn field(&self, name: &str) -> Option<String> {
        let text = self.text();
        let rest = text.split(&format!("name=\"{name}\" value=\"")).nth(1)?;
        Some(rest.split('"').next()?.replace("&amp;", "&"))
    }
}

impl Browser {
    /// A browser that was never here before; `base` is the portal.
    pub fn new(client: &Client, base: &str) -> Browser {
        Browser {
            client: client.clone(),
            base: base.to_owned(),
            cookies: BTreeMap::new(),
            addresses: None,
        }
    }

    /// Notes every address in `addresses`.
    pub fn noting(mut self, addresses: &Addresses) -> Browser {
        self.addresses = Some(addresses.clone());
        self
    }

    /// Gets a page of the portal or, with a whole address, of another site.
    pub async fn get(&mut self, path: &str) -> Result<Reply> {
        self.ask(path, None).await
    }

    /// Posts a form.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Reply> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.ask(path, Some(body)).await
    }

    /// Gets a page and follows where it leads.
    pub async fn follow(&mut self, path: &str) -> Result<Reply> {
        let mut reply = self.get(path).await?;
        for _ in 0..5 {
            let Some(to) = reply.location.clone() else {
                break;
            };
            // A relative address is one of the site that gave it.
            let to = if to.starts_with('/') && path.starts_with("http") {
                format!("{}{to}", site(path))
            } else {
                to
            };
            reply = self.get(&to).await?;
        }
        Ok(reply)
    }

    async fn ask(&mut self, path: &str, body: Option<String>) -> Result<Reply> {
        let address = if path.starts_with('/') {
            format!("{}{path}", self.base)
        } else {
            path.to_owned()
        };
        if let Some(all) = &self.addresses {
            all.add(&address);
        }
        let own = site(&address) == self.base;
        let mut request = match body {
            Some(body) => self
                .client
                .post(&address)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body),
            None => self.client.get(&address),
        };
        request = request.header(USER_AGENT, PHONE);
        if own && !self.cookies.is_empty() {
            let pairs: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let header = answer.headers().get(LOCATION);
        let location = header.and_then(|to| to.to_str().ok()).map(str::to_owned);
        if own {
            self.keep(answer.headers());
        }
        if let (Some(all), Some(to)) = (&self.addresses, &location) {
            all.add(to);
        }
        let body = answer.bytes().await?.to_vec();
        Ok(Reply {
            status,
            location,
            body,
        })
    }

    fn keep(&mut self, headers: &reqwest::header::HeaderMap) {
        let lines = headers.get_all(SET_COOKIE).into_iter();
        for line in lines.filter_map(|line| line.to_str().ok()) {
            let pair = line.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Scheme, host and port of an address.
pub fn site(address: &str) -> String {
    address.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}
