//! Where a sandbox brings its notices: a door of ours that keeps what comes, raw.

use super::wire::Told;
use crate::exit::Exit;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Where the channel is told to report, and what came there.
pub struct Desk {
    pub url: String,
    came: Arc<Mutex<Vec<Told>>>,
}

impl Desk {
    /// Opens a door on this machine.
    pub async fn open() -> Result<Desk, Exit> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(Exit::unexpected)?;
        let at = listener.local_addr().map_err(Exit::unexpected)?;
        let came: Arc<Mutex<Vec<Told>>> = Arc::default();
        let kept = Arc::clone(&came);
        let app = axum::Router::new().fallback(move |request: Request| {
            let kept = Arc::clone(&kept);
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Told {
                        status: 200,
                        headers: head.headers,
                        body: body.to_vec(),
                    });
                // What all channels take for "received".
                Response::new(Body::from("success"))
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Desk {
            url: format!("http://{at}/notify"),
            came,
        })
    }

    /// Somebody else's door; nothing comes here.
    pub fn elsewhere(url: &str) -> Desk {
        Desk {
            url: url.to_owned(),
            came: Arc::default(),
        }
    }

    /// What came so far, the newest last.
    pub fn came(&self) -> Vec<Told> {
        self.came
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
