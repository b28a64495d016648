//! Somebody who listens on a real connection: keeps the JSON bodies that are sent to him, and answers
//! them as he was told to.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Somebody who is told things.
pub struct Receiver {
    /// Scheme and address.
    pub base_url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The bodies that came.
    taken: Mutex<Vec<Value>>,
    /// The statuses with which the next ones are answered; 200 beyond them.
    answers: Mutex<VecDeque<u16>>,
}

impl Receiver {
    pub async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::<Shared>::default();
        let all = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let shared = Arc::clone(&all);
                tokio::spawn(async move {
                    let status = shared.answers.lock().unwrap().pop_front();
                    let body = body_of(&mut stream).await;
                    // Kept before it is answered, so that whoever sent it finds it.
                    shared.taken.lock().unwrap().push(body);
                    answer(&mut stream, status.unwrap_or(200)).await;
                });
            }
        });
        Receiver { base_url, shared }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base_url)
    }

    pub fn answers(&self, statuses: &[u16]) {
        *self.shared.answers.lock().unwrap() = statuses.iter().copied().collect();
    }

    /// What came since the last time.
    pub fn taken(&self) -> Vec<Value> {
        std::mem::take(&mut *self.shared.taken.lock().unwrap())
    }
}

/// The body of one request.
async fn body_of(stream: &mut TcpStream) -> Value {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let count = stream.read(&mut piece).await.unwrap();
        text.extend_from_slice(&piece[..count]);
        let read = String::from_utf8_lossy(&text);
        let Some((head, body)) = read.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() >= length {
            return serde_json::from_str(body).unwrap();
        }
    }
}

async fn answer(stream: &mut TcpStream, status: u16) {
    let text = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
}
