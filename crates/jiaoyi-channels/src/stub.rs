//! A small server that plays one answer, for tests of what the adapters make of it.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What is answered.
#[derive(Clone, Default)]
pub(crate) struct Play {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// Never answer within any limit of the tests.
    pub hang: bool,
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub method: Method,
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// A stub that is listening.
pub(crate) struct Stub {
    pub base_url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The answers to come; the last one stays.
    plays: Mutex<Vec<Play>>,
    asked: Mutex<Vec<Asked>>,
}

impl Stub {
    pub(crate) async fn start() -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Stub { base_url, shared }
    }

    /// Sets what is answered from now on.
    pub(crate) fn play(&self, play: Play) {
        self.play_in_turn(vec![play]);
    }

    /// Sets what is answered to the next calls, one after another.
    pub(crate) fn play_in_turn(&self, plays: Vec<Play>) {
        *self.shared.plays.lock().unwrap() = plays;
    }

    /// What was asked last.
    pub(crate) fn asked(&self) -> Asked {
        self.shared.asked.lock().unwrap().last().unwrap().clone()
    }

    /// How often anything was asked.
    pub(crate) fn count(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let play = {
        let mut plays = shared.plays.lock().unwrap();
        if plays.len() > 1 {
            plays.remove(0)
        } else {
            plays[0].clone()
        }
    };
    shared.asked.lock().unwrap().push(Asked {
        method,
        target: uri.path_and_query().unwrap().to_string(),
        headers,
        body: body.to_vec(),
    });
    if play.hang {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    let mut response = (StatusCode::from_u16(play.status).unwrap(), play.body).into_response();
    for (name, value) in play.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A server whose answer ends in the middle.
pub(crate) async fn truncating() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8192];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"code_url\":\"weixin")
                .await;
        }
    });
    base_url
}
