//! The pages through the real router, with a portal of samples behind it.

#[path = "../../examples/gallery/fake.rs"]
mod fake;
mod journey;
mod markup;
mod refusals;
#[path = "../../examples/gallery/states.rs"]
mod states;
mod words;

use crate::look::{Look, Size, Theme};
use crate::{Desks, WebSettings, WebState, router};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method as Verb, Request, StatusCode, header};
use jiaoyi_app::admission::{Bounds, Gate};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tower::ServiceExt;

/// A router over samples, at a fixed time, with countable randomness.
fn site(https: bool) -> Router {
    site_with(https, Bounds::default())
}

fn site_with(https: bool, bounds: Bounds) -> Router {
    let counter = AtomicU64::new(1);
    router(WebState {
        portal: Arc::new(fake::Fake),
        clock: Arc::new(|| fake::NOW.0),
        random: Arc::new(move |bytes: &mut [u8]| {
            let number = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            for (byte, value) in bytes.iter_mut().rev().zip(number.iter().rev()) {
                *byte = *value;
            }
        }),
        settings: Arc::new(WebSettings {
            demo: true,
            https,
            wallet_hosts: vec!["https://wallet.example".to_owned()],
            gate: Gate::new(bounds),
            desks: Some(Arc::new(Desks::open().unwrap())),
            ..WebSettings::default()
        }),
    })
}

/// A response as a browser sees it.
#[derive(Debug)]
struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Seen {
    fn html(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// A browser without scripts: it keeps cookies, follows nothing by itself and counts bytes.
struct Client {
    site: Router,
    agent: &'static str,
    cookies: BTreeMap<String, String>,
    bytes: usize,
}

const PHONE: &str = "Mozilla/5.0 (Linux; Android 13; M2101) Chrome/120 Mobile";
const WECHAT: &str = "Mozilla/5.0 (Linux; Android 13) MicroMessenger/8.0.40";
const ALIPAY: &str = "Mozilla/5.0 (Linux; Android 13) AlipayClient/10.5";

impl Client {
    fn new(agent: &'static str) -> Client {
        Client {
            site: site(false),
            agent,
            cookies: BTreeMap::new(),
            bytes: 0,
        }
    }

    async fn get(&mut self, path: &str) -> Seen {
        self.send(Verb::GET, path, Body::empty(), &[]).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        let body = encode(fields);
        let length = body.len().to_string();
        let told = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("content-length", &length),
        ];
        self.send(Verb::POST, path, Body::from(body), &told).await
    }

    async fn send(&mut self, verb: Verb, path: &str, body: Body, more: &[(&str, &str)]) -> Seen {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = Request::builder()
            .method(verb)
            .uri(path)
            .header(header::USER_AGENT, self.agent)
            .header(header::COOKIE, cookies.join("; "));
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let response = self.site.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = value.split(';').next().unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        self.bytes += body.len();
        Seen {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    let escape =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)))
        .collect();
    pairs.join("&")
}

/// Every page of the gallery in one look, with its address.
async fn every_page(look: Look) -> Vec<(String, String)> {
    let mut client = Client::new(PHONE);
    for (name, value) in [
        ("jy_lang", look.lang.tag()),
        ("jy_size", look.size.code()),
        ("jy_theme", look.theme.code()),
    ] {
        client.cookies.insert(name.to_owned(), value.to_owned());
    }
    let mut pages = Vec::new();
    for path in states::paths() {
        let html = match path.strip_prefix("/gallery/") {
            Some(name) => {
                states::sample(&look, name)
                    .unwrap_or_else(|| panic!("no sample {name}"))
                    .html
            }
            None => client.get(&path).await.html(),
        };
        pages.push((path, html));
    }
    pages
}

/// Looks in which every page is checked.
fn looks() -> Vec<Look> {
    let mut looks = Vec::new();
    for lang in crate::locale::Lang::ALL {
        for size in Size::ALL {
            looks.push(Look {
                lang,
                size,
                theme: Theme::Dark,
                demo: true,
                ..Look::default()
            });
        }
    }
    looks
}
