//! Answers for: the running sandbox: its state, its routes, its clock and its one background loop.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::routing::{any, get, post};
use axum::{Router, middleware};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::books::{Books, Channel, Event};
use crate::certificate::Certificate;
use crate::config::SandboxConfig;
use crate::crypto::SigningKey;
use crate::error::SandboxError;
use crate::faults::{Fault, Point};
use crate::front::client::Point as FrontPoint;
use crate::front::faults::Fault as FrontFault;
use crate::script::{Script, Strike, Turn};
use crate::{
    alipay, bank, beside, bridge, control, delivery, front, identities, payer, sms, unionpay,
    wallet, wechat,
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
    /// How far the script has put the clock off.
    off_ms: AtomicI64,
    /// Channels that sign with their next key.
    rotated: Mutex<BTreeSet<Channel>>,
    base_url: String,
    books: Mutex<Books>,
    pub(crate) http: reqwest::Client,
    pub(crate) deliveries: Semaphore,
    second: OnceLock<Option<(SigningKey, Certificate)>>,
    next_alipay: OnceLock<Option<(SigningKey, Certificate)>>,
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
        let mut config = config;
        let script = config.script.take();
        let sandbox = Arc::new(Sandbox {
            config,
            clock,
            offset_ms: AtomicI64::new(0),
            off_ms: AtomicI64::new(0),
            rotated: Mutex::default(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            books: Mutex::new(Books::default()),
            http,
            deliveries: Semaphore::new(DELIVERIES),
            second: OnceLock::new(),
            next_alipay: OnceLock::new(),
            stranger: OnceLock::new(),
        });
        if let Some(script) = script {
            sandbox.load_script(script);
        }
        Ok(sandbox)
    }

    /// The sandbox's own time: the clock given, shifted by `POST /_sandbox/clock` and by the script.
    pub(crate) fn now_ms(&self) -> i64 {
        let shifts = [&self.offset_ms, &self.off_ms];
        let shifts = shifts.map(|shift| shift.load(Ordering::Relaxed));
        (self.clock)() + shifts[0] + shifts[1]
    }

    pub(crate) fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// Puts the clock off by so much more.
    fn shift_ms(&self, by_ms: i64) {
        self.off_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    fn rotated(&self) -> MutexGuard<'_, BTreeSet<Channel>> {
        self.rotated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a channel signs with its next key.
    pub(crate) fn is_rotated(&self, channel: Channel) -> bool {
        self.rotated().contains(&channel)
    }

    /// What goes wrong with this call.
    pub(crate) fn strike(&self, channel: Channel, at: Point, out_trade_no: &str) -> Option<Fault> {
        let now_ms = self.now_ms();
        let mut books = self.books();
        match books.faults.strike(channel, at, out_trade_no, now_ms)? {
            Strike::Fault(fault) => Some(fault),
            Strike::RotateKey(until_ms, rule) => {
                books.agenda.insert((until_ms, Event::End(rule)));
                self.rotated().insert(channel);
                None
            }
        }
    }

    /// What goes wrong with a call of an institution, or with one to it.
    pub(crate) fn strike_front(&self, code: &str, at: FrontPoint) -> Option<FrontFault> {
        let now_ms = self.now_ms();
        let mut books = self.books();
        let single = books.fronts.faults.take(code, at);
        single.or_else(|| books.faults.script.as_mut()?.take_front(code, at, now_ms))
    }

    /// Begins a script in place of the last one.
    pub(crate) fn load_script(&self, mut script: Script) {
        self.end_script();
        let turns = script.load(self.now_ms());
        let mut books = self.books();
        for (at_ms, index) in turns {
            books.agenda.insert((at_ms, Event::Begin(index)));
        }
        books.faults.script = Some(script);
    }

    /// Ends the script: its clock is right again, its key the first, its window open.
    pub(crate) fn end_script(&self) {
        let mut books = self.books();
        let running: Vec<usize> = books
            .agenda
            .iter()
            .filter_map(|(_, event)| match event {
                Event::End(index) => Some(*index),
                _ => None,
            })
            .collect();
        books
            .agenda
            .retain(|(_, event)| !matches!(event, Event::Begin(_) | Event::End(_)));
        let script = books.faults.script.take();
        drop(books);
        for index in running {
            if let Some(turn) = script.as_ref().and_then(|script| script.end(index)) {
                self.turn_back(turn);
            }
        }
        self.rotated().clear();
    }

    /// A rule of the clock begins.
    fn begin_turn(&self, index: usize) {
        let now_ms = self.now_ms();
        let mut books = self.books();
        let script = books.faults.script.as_mut();
        let Some((turn, until_ms)) = script.and_then(|script| script.begin(index)) else {
            return;
        };
        // A shifted clock comes to the same moment later or sooner.
        let moved_ms = match turn {
            Turn::ClockOff(by_ms) => by_ms,
            Turn::RotateKey(_) | Turn::CloseWindow(_) => 0,
        };
        let end_ms = until_ms.saturating_add(moved_ms);
        books.agenda.insert((end_ms, Event::End(index)));
        match turn {
            Turn::RotateKey(channels) => self.rotated().extend(channels),
            Turn::ClockOff(by_ms) => self.shift_ms(by_ms),
            Turn::CloseWindow(channel) => payer::close_all(&mut books, channel, now_ms),
        }
    }

    fn turn_back(&self, turn: Turn) {
        match turn {
            Turn::RotateKey(channels) => {
                self.rotated().retain(|channel| !channels.contains(channel));
            }
            Turn::ClockOff(by_ms) => self.shift_ms(-by_ms),
            Turn::CloseWindow(_) => {}
        }
    }

    fn end_turn(&self, index: usize) {
        let books = self.books();
        let turn = books
            .faults
            .script
            .as_ref()
            .and_then(|script| script.end(index));
        drop(books);
        if let Some(turn) = turn {
            self.turn_back(turn);
        }
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

    fn new_pair(&self) -> Option<(SigningKey, Certificate)> {
        let (key, certificate) = identities::second_platform(self.now_ms()).ok()?;
        Some((
            SigningKey::from_pem(&key)?,
            Certificate::from_pem(&certificate)?,
        ))
    }

    /// The second platform key; made when first needed, listed from then on.
    pub(crate) fn second_key(&self) -> Option<&(SigningKey, Certificate)> {
        self.second.get_or_init(|| self.new_pair()).as_ref()
    }

    /// What Alipay signs with, when it is another than the first.
    pub(crate) fn next_alipay_key(&self) -> Option<&(SigningKey, Certificate)> {
        let is_next = self.is_rotated(Channel::Alipay);
        let next = || self.next_alipay.get_or_init(|| self.new_pair()).as_ref();
        is_next.then(next).flatten()
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
        .route("/_sandbox/beside", post(beside::add))
        .route(
            "/_sandbox/fault/{id}",
            axum::routing::delete(control::remove_fault),
        )
        .route(
            "/_sandbox/faults",
            get(control::script)
                .post(control::load_script)
                .delete(control::end_script),
        )
        .route("/_sandbox/books", get(control::books))
        .route("/_sandbox/books.jsonl", get(control::lines))
        .route("/_sandbox/clock", get(control::time).post(control::clock))
        .route("/_sandbox/reset", post(control::reset))
        .merge(front::routes())
        .layer(middleware::from_fn_with_state(
            Arc::clone(&sandbox),
            beside::strike,
        ))
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
                Event::Begin(index) => sandbox.begin_turn(index),
                Event::End(index) => sandbox.end_turn(index),
            }
        }
    }
}
