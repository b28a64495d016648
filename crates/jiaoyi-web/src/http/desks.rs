//! Threads that serve whoever is let in, and nothing else.
//!
//! A request takes many steps: it waits for its turn, the store, a signature, the channel, the store
//! again. Under a rush thousands of connections are ready to be looked after at any moment, and a step
//! that stands in one queue with them waits for all. Here it waits for those few who are being served.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::io;
use std::panic::resume_unwind;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

/// The threads that serve whoever is let in, as many as there are cores.
#[derive(Debug)]
pub struct Desks {
    handle: Handle,
    /// There until this is dropped.
    threads: Option<Runtime>,
}

impl Desks {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system starts none.
    pub fn open() -> io::Result<Desks> {
        let threads = Builder::new_multi_thread()
            .thread_name("desk")
            .enable_all()
            .build()?;
        Ok(Desks {
            handle: threads.handle().clone(),
            threads: Some(threads),
        })
    }

    /// Where they work, for whoever measures how late that is.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Serves there; gives it up when the future is dropped.
    pub async fn serve(
        &self,
        serving: impl Future<Output = Response> + Send + 'static,
    ) -> Response {
        let mut serving = Serving(self.handle.spawn(serving));
        match (&mut serving.0).await.map_err(JoinError::try_into_panic) {
            Ok(answer) => answer,
            Err(Ok(panic)) => resume_unwind(panic),
            // The threads are gone: the process ends.
            Err(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}

impl Drop for Desks {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // Within a runtime no other may be waited for.
            threads.shutdown_background();
        }
    }
}

/// Somebody who is being served, until they leave.
struct Serving(JoinHandle<Response>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use futures_util::FutureExt;
    use std::panic::AssertUnwindSafe;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;
    use tokio::sync::Notify;
    use tokio::time::timeout;

    fn named(text: &str) -> Response {
        text.to_owned().into_response()
    }

    #[tokio::test]
    async fn whoever_is_let_in_is_served_by_threads_of_their_own() {
        let desks = Desks::open().unwrap();
        let serving = async { named(thread::current().name().unwrap_or_default()) };
        let answer = desks.serve(serving).await;
        let name = to_bytes(answer.into_body(), 100).await.unwrap();
        assert_eq!(name, "desk");
        let panics = async { panic!("a page that panics") };
        let ended = AssertUnwindSafe(desks.serve(panics)).catch_unwind();
        let panic = ended.await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"a page that panics"));
    }

    /// Tells when it is dropped.
    struct Left(Arc<AtomicBool>, Arc<Notify>);

    impl Drop for Left {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
            self.1.notify_one();
        }
    }

    #[tokio::test]
    async fn whoever_leaves_is_served_no_longer() {
        let desks = Desks::open().unwrap();
        let (begun, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let has_left = Arc::new(AtomicBool::new(false));
        let guest = Left(Arc::clone(&has_left), Arc::clone(&left));
        let told = Arc::clone(&begun);
        let serving = async move {
            let _guest = guest;
            told.notify_one();
            std::future::pending::<()>().await;
            named("")
        };
        {
            let mut serving = pin!(desks.serve(serving));
            tokio::select! {
                _ = &mut serving => {}
                () = begun.notified() => {}
            }
            assert!(!has_left.load(Ordering::SeqCst));
        }
        let in_time = timeout(Duration::from_secs(10), left.notified()).await;
        assert!(in_time.is_ok() && has_left.load(Ordering::SeqCst));
    }
}
