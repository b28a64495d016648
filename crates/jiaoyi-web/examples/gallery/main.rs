//! Serves every page in every state from sample views, for screenshots and browser checks:
//! `cargo run -p jiaoyi-web --example gallery -- 8099`; port 0 is a free one. `/gallery.json` lists
//! the pages; those that only a posted form shows are at `/gallery/{name}`.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a development server prints its address and ends when it cannot serve"
)]

mod fake;
mod states;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use fake::{Fake, NOW};
use jiaoyi_web::locale::Lang;
use jiaoyi_web::look::{Look, Size, Theme};
use jiaoyi_web::{WebSettings, WebState, router};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(8099);
    let counter = Arc::new(AtomicU64::new(1));
    let state = WebState {
        portal: Arc::new(Fake),
        clock: Arc::new(|| NOW.0),
        random: Arc::new(move |bytes: &mut [u8]| {
            let number = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            for (byte, value) in bytes.iter_mut().zip(number.iter().cycle()) {
                *byte = *value;
            }
        }),
        settings: Arc::new(WebSettings {
            demo: true,
            https: false,
            wallet_hosts: vec!["https://wallet.example".to_owned()],
            ..WebSettings::default()
        }),
    };
    let app = Router::new()
        .route("/gallery.json", get(list))
        .route("/gallery/{name}", get(sample))
        .merge(router(state));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("an address");
    println!("http://{address}/gallery.json");
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .await
        .expect("serving ends only with the process");
}

async fn list() -> String {
    serde_json::json!(states::paths()).to_string()
}

async fn sample(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match states::sample(&look(&headers), &name) {
        Some(page) => Html(page.html).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The display settings as the real pages read them.
fn look(headers: &HeaderMap) -> Look {
    let cookies = headers
        .get(header::COOKIE)
        .and_then(|value| value.to_str().ok());
    let value = |name: &str| {
        let mut pairs = cookies.unwrap_or_default().split("; ");
        pairs
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
            .unwrap_or_default()
    };
    Look {
        lang: Lang::from_tag(value("jy_lang")).unwrap_or_default(),
        size: Size::from_code(value("jy_size")).unwrap_or_default(),
        theme: Theme::from_code(value("jy_theme")).unwrap_or_default(),
        demo: true,
        ..Look::default()
    }
}
