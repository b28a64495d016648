//! Answers for: the running sandbox: its state, its routes, its clock and its one background loop.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get, post};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::books::{Books, Event};
use crate::certificate::Certificate;
use crate::config::SandboxConfig;
use crate::crypto::SigningKey;
use crate::error::SandboxError;
use crate::{
    alipay, bank, bridge, control, delivery, front, identities, payer, sms, unionpay, wallet,
    wechat,
};

/// Gives the current instant in milliseconds UTC.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How long a merchant may take to answer a notice (WeChat says 5 s).
const NOTICE_ANSWER: Duration = Duration::from_secs(5);
/// How often the agenda is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Deliveries under way at once.
const DELIVERIES: usize = 64;

/// The other side of the payment channels, with its books.
pub struct Sandbox {
    pub(crate) config: SandboxConfig,
    clock: Clock,
    offset_ms: AtomicI64,
    base_url: String,
    books: Mutex<Books>,
    pub(crate) http: reqwest::Client,
    pub(crate) deliveries: Semaphore,
    second: OnceLock<Option<(SigningKey, Certificate)>>,
    stranger: OnceLock<Option<SigningKey>>,
}

impl Sandbox {
    /// Prepares a sandbox with empty books. `base_url` is where clients and browsers reach it, such
    /// as `http://127.0.0.1:9090`; links that it hands out begin with it.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Start`] when the client for notices cannot be made.
    pub fn new(
        config: SandboxConfig,
        clock: Clock,
        base_url: String,
    ) -> Result<Arc<Sandbox>, SandboxError> {
        let http = reqwest::Client::builder()
            .timeout(NOTICE_ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| SandboxError::Start {
                message: error.to_string(),
            })?;
        Ok(Arc::new(Sandbox {
            config,
            clock,
            offset_ms: AtomicI64::new(0),
            base_url: base_url.trim_end_matches('/').to_owned(),
            books: Mutex::new(Books::default()),
            http,
            deliveries: Semaphore::new(DELIVERIES),
            second: OnceLock::new(),
            stranger: OnceLock::new(),
        }))
    }

    /// The sandbox's own time: the clock given, shifted by `POST /_sandbox/clock`.
    pub(crate) fn now_ms(&self) -> i64 {
        (self.clock)() + self.offset_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// UnionPay's number of the merchant; empty where it is not played.
    pub(crate) fn unionpay_merchant(&self) -> &str {
        let own = self.config.unionpay.as_ref();
        own.map_or("", |own| own.mer_id.as_str())
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The second platform key; made when first needed, listed from then on.
    pub(crate) fn second_key(&self) -> Option<&(SigningKey, Certificate)> {
        let make = || {
            let (key, certificate) = identities::second_platform(self.now_ms()).ok()?;
            Some((
                SigningKey::from_pem(&key)?,
                Certificate::from_pem(&certificate)?,
            ))
        };
        self.second.get_or_init(make).as_ref()
    }

    /// The second platform certificate, if a fault has ever used it.
    pub(crate) fn second_certificate(&self) -> Option<&Certificate> {
        Some(&self.second.get()?.as_ref()?.1)
    }

    /// A key that belongs to nobody.
    pub(crate) fn stranger_key(&self) -> Option<&SigningKey> {
        let make = || {
            let (key, _) = identities::second_platform(self.now_ms()).ok()?;
            SigningKey::from_pem(&key)
        };
        self.stranger.get_or_init(make).as_ref()
    }
}

/// All routes of the sandbox: the channels, wallet, front ends, OAuth, SMS gateway and control
/// interface.
pub fn router(sandbox: Arc<Sandbox>) -> Router {
    Router::new()
        .route("/v3/alipay/{*rest}", any(alipay::v3::entry))
        .route("/v3/{*rest}", any(wechat::entry))
        .route("/gateway.do", any(alipay::entry))
        .route("/gateway/api/{service}", post(unionpay::entry))
        .route("/filedownload/", post(unionpay::download))
        .route("/bank1/{*rest}", any(bank::entry))
        .route("/bank2/{*rest}", any(bank::entry))
        .route("/_alipay/bill/{token}", get(alipay::bills::download))
        .route("/connect/oauth2/authorize", get(bridge::authorize))
        .route("/sns/oauth2/access_token", get(bridge::access_token))
        .route("/_sandbox/jsbridge.js", get(bridge::script))
        .route("/_sandbox/jsbridge/invoke", post(bridge::invoke))
        .route("/_wallet/h5", get(wallet::h5))
        .route("/_wallet/qr/{id}", get(wallet::qr))
        .route("/_wallet/scan", get(wallet::scan))
        .route("/_wallet/style.css", get(wallet::style))
        .route("/_wallet/{token}", get(wallet::show))
        .route("/_wallet/{token}/act", post(wallet::act))
        .route("/sms/send", post(sms::send))
        .route("/_sandbox/sms", get(sms::page))
        .route("/_sandbox/sms.json", get(sms::list))
        .route("/", get(control::index))
        .route("/_sandbox", get(control::index))
        .route("/_sandbox/pay", post(control::pay))
        .route("/_sandbox/fee", post(control::fee))
        .route("/_sandbox/fault", post(control::add_fault))
        .route("/_sandbox/chance", post(control::by_chance))
        .route(
            "/_sandbox/fault/{id}",
            axum::routing::delete(control::remove_fault),
        )
        .route("/_sandbox/books", get(control::books))
        .route("/_sandbox/clock", post(control::clock))
        .route("/_sandbox/reset", post(control::reset))
        .merge(front::routes())
        .with_state(sandbox)
}

/// A running sandbox. Dropping it leaves it running; [`Running::shutdown`] ends it.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets running requests end and returns when the server is gone.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "sandbox ended badly");
        }
    }

    /// Returns when the server ends by itself (it does so only by a panic or with the runtime).
    pub async fn wait(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "sandbox ended badly");
        }
    }
}

/// Serves a sandbox on `listener` and delivers its notices, until [`Running::shutdown`].
///
/// # Errors
///
/// [`SandboxError::Start`] when the listener has no address or the client cannot be made.
pub async fn serve(
    listener: tokio::net::TcpListener,
    config: SandboxConfig,
    clock: Clock,
    base_url: String,
) -> Result<Running, SandboxError> {
    let address = listener.local_addr().map_err(|error| SandboxError::Start {
        message: error.to_string(),
    })?;
    let sandbox = Sandbox::new(config, clock, base_url)?;
    let (stop, mut stopped) = watch::channel(false);
    let mut loop_stopped = stopped.clone();
    let task = tokio::spawn(async move {
        let ticker = tokio::spawn({
            let sandbox = sandbox.clone();
            async move {
                tokio::select! {
                    () = run_agenda(sandbox) => {}
                    _ = loop_stopped.wait_for(|stop| *stop) => {}
                }
            }
        });
        let server = axum::serve(listener, router(sandbox)).with_graceful_shutdown(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        if let Err(error) = server.await {
            tracing::error!(%error, "sandbox server failed");
        }
        ticker.abort();
    });
    Ok(Running {
        address,
        stop,
        task,
    })
}

/// Does what the agenda holds, as its time comes.
pub async fn run_agenda(sandbox: Arc<Sandbox>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now_ms = sandbox.now_ms();
        let due = sandbox.books().due(now_ms);
        for event in due {
            match event {
                Event::Deliver(number) => {
                    tokio::spawn(delivery::deliver(sandbox.clone(), number));
                }
                Event::EndRefund(key, out_refund_no) => {
                    payer::end_refund(&sandbox, &key, &out_refund_no);
                }
                Event::PayLate(key) => payer::pay_late(&sandbox, &key),
                Event::Front(later) => front::due(&sandbox, later),
            }
        }
    }
}
