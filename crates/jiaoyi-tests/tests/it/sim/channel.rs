//! A payment channel with books of its own. It loses, delays, repeats and contradicts, but it never
//! lies for good: what it says of money after its own short lag is what its books hold.

use super::executor::lock;
use super::seen::Situation;
use super::world::World;
use jiaoyi_app::portal::RawNotice;
use jiaoyi_channels::{Call, Gateway, NoticeAnswer};
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, News, Notice,
    NoticeRefusal, PayFailure, QueryOutcome, RefundOutcome, RefundTerms, SeenPayment,
};
use jiaoyi_domain::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use jiaoyi_domain::{AttemptNo, Fen, Instant, RefundNo};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How long a query may still tell what was before a payment or a refund: far below the margin of an
/// attempt's death.
const LAG_MS: i64 = MINUTE_MS;
/// A notice is believed so long after it was signed.
const SIGNED_MS: i64 = 5 * MINUTE_MS;
/// How long a node waits for an answer of the channel.
const TIMEOUT_MS: i64 = 5 * SECOND_MS;
/// The pauses between notices that nobody takes, as WeChat documents them.
const NOTICE_PAUSES_MS: [i64; 9] = [
    15 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    3 * MINUTE_MS,
    10 * MINUTE_MS,
    20 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
];

/// A refund in the channel's books.
#[derive(Clone, Debug)]
struct PaidBack {
    amount: u64,
    state: &'static str,
    accepted: Instant,
    done_at: Option<Instant>,
}

/// An order in the channel's books.
#[derive(Clone, Debug)]
struct Trade {
    amount: u64,
    expires: Instant,
    closed: bool,
    /// Transaction and time.
    paid: Option<(String, Instant)>,
    failed: bool,
    refunds: BTreeMap<String, PaidBack>,
}

impl Trade {
    fn given_back(&self) -> u64 {
        let taken = |refund: &&PaidBack| !matches!(refund.state, "closed" | "abnormal");
        self.refunds
            .values()
            .filter(taken)
            .map(|refund| refund.amount)
            .sum()
    }
}

/// What came of a payer's try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paying {
    Paid,
    /// Paid before.
    Again,
    Failed,
    /// Closed, expired, or not there.
    Refused,
}

/// The books of one channel.
pub struct Books {
    code: ChannelCode,
    trades: Mutex<BTreeMap<String, Trade>>,
}

fn text_of(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn instant_of(value: &Value, field: &str) -> Instant {
    Instant(value[field].as_i64().unwrap_or_default())
}

impl Books {
    pub fn new(code: ChannelCode) -> Books {
        Books {
            code,
            trades: Mutex::default(),
        }
    }

    fn merchant(&self) -> &'static str {
        match self.code {
            ChannelCode::Wechat => "1900000001",
            ChannelCode::Alipay => "2088000000000001",
            ChannelCode::Unionpay => "777290058110048",
            ChannelCode::Inbound(front) => front.code(),
            ChannelCode::Bank1 | ChannelCode::Bank2 => "no bank is played",
        }
    }

    fn app(&self) -> &'static str {
        match self.code {
            ChannelCode::Wechat => "wx0001",
            ChannelCode::Alipay => "2021000000000001",
            ChannelCode::Unionpay => "000201",
            ChannelCode::Inbound(_) => "",
            ChannelCode::Bank1 | ChannelCode::Bank2 => "no bank is played",
        }
    }

    fn trade(&self, no: &str) -> Option<Trade> {
        lock(&self.trades).get(no).cloned()
    }

    /// Takes an order in; the same order again changes nothing.
    fn take_in(&self, terms: &Value) {
        let trade = Trade {
            amount: terms["amount"].as_u64().unwrap_or_default(),
            expires: instant_of(terms, "expires"),
            closed: false,
            paid: None,
            failed: false,
            refunds: BTreeMap::new(),
        };
        lock(&self.trades)
            .entry(text_of(terms, "no"))
            .or_insert(trade);
    }

    /// The number that a QR code or a link names.
    pub fn number_in(handover: &str) -> Option<AttemptNo> {
        let (_, terms) = handover.split_once("?")?;
        let terms: Value = serde_json::from_str(terms).ok()?;
        AttemptNo::parse(&text_of(&terms, "no"))
    }

    /// A payer pays with what was handed out: a link makes its order when it is opened.
    pub fn pay(self: &Arc<Books>, world: &Arc<World>, handover: &str) -> Paying {
        let Some((kind, terms)) = handover.split_once("?") else {
            return Paying::Refused;
        };
        let terms: Value = serde_json::from_str(terms).unwrap_or_default();
        let no = text_of(&terms, "no");
        if kind == "link" && world.now() < instant_of(&terms, "expires") {
            self.take_in(&terms);
        }
        let fails = world.strikes(world.troubles.channel / 6);
        let mut trades = lock(&self.trades);
        let Some(trade) = trades.get_mut(&no) else {
            return Paying::Refused;
        };
        let outcome = if trade.paid.is_some() {
            Paying::Again
        } else if trade.closed || world.now() >= trade.expires {
            Paying::Refused
        } else if fails {
            trade.failed = true;
            Paying::Failed
        } else {
            let txn = format!(
                "42{:024}",
                world.executor.now_ms() * 1_000 + trades_sum(&no)
            );
            trade.paid = Some((txn, world.now()));
            Paying::Paid
        };
        drop(trades);
        if outcome == Paying::Paid {
            self.announce(world, &no);
        }
        outcome
    }

    fn seen(&self, no: &str, trade: &Trade) -> Option<SeenPayment> {
        let (txn_id, paid_at) = trade.paid.clone()?;
        Some(SeenPayment {
            attempt_no: no.to_owned(),
            txn_id,
            amount: Fen::new(trade.amount),
            currency: "CNY".to_owned(),
            paid_at,
            merchant: self.merchant().to_owned(),
            app: self.app().to_owned(),
            refunded: trade.given_back() > 0,
        })
    }

    /// Sends the notices of a payment.
    fn announce(self: &Arc<Books>, world: &Arc<World>, no: &str) {
        let Some(trade) = self.trade(no) else { return };
        let Some((txn, paid_at)) = &trade.paid else {
            return;
        };
        let body = json!({
            "id": format!("N{txn}"), "no": no, "txn": txn, "amount": trade.amount, "at": paid_at.0,
        });
        if world.strikes(world.troubles.notice / 8) {
            world.saw(Situation::ContradictoryNotice);
            let mut other = body.clone();
            other["amount"] = json!(trade.amount + 100);
            other["id"] = json!(format!("X{txn}"));
            self.deliver(world, other);
        }
        if world.strikes(world.troubles.notice) {
            world.saw(Situation::NoticeLost);
            return;
        }
        if world.strikes(world.troubles.notice) {
            world.saw(Situation::DuplicateNotice);
            self.deliver(world, body.clone());
        }
        self.deliver(world, body);
    }

    fn announce_refund(self: &Arc<Books>, world: &Arc<World>, number: &str, refund: &PaidBack) {
        if world.strikes(world.troubles.notice) {
            world.saw(Situation::NoticeLost);
            return;
        }
        self.deliver(
            world,
            json!({
                "id": format!("R{number}{}", refund.state), "refund": number, "state": refund.state,
                "amount": refund.amount, "at": refund.done_at.unwrap_or(refund.accepted).0,
            }),
        );
    }

    /// Delivers a notice until a node takes it.
    fn deliver(self: &Arc<Books>, world: &Arc<World>, mut body: Value) {
        let (books, world) = (Arc::clone(self), Arc::clone(world));
        let executor = Arc::clone(&world);
        executor.executor.spawn(None, async move {
            let late = world.strikes(world.troubles.notice / 2);
            let most = if late { 12 * MINUTE_MS } else { 3 * SECOND_MS };
            if late {
                world.saw(Situation::LateNotice);
            }
            world.pause(50, most).await;
            for pause_ms in NOTICE_PAUSES_MS {
                body["signed"] = json!(world.now().0);
                if world.strikes(world.troubles.notice / 4) {
                    world.pause(MINUTE_MS, 8 * MINUTE_MS).await;
                }
                let node = usize::try_from(world.below(2)).unwrap_or(0);
                let raw = RawNotice {
                    headers: Vec::new(),
                    body: body.to_string().into_bytes(),
                };
                let code = books.code;
                let reply = super::node::call(&world, node, move |platform| async move {
                    use jiaoyi_app::portal::Portal;
                    platform.receive_notice(code, raw).await
                });
                let taken = matches!(reply.await, Some(Ok(reply)) if reply.status == 200);
                world.note(format!(
                    "{} notice {} to node {node}: {}",
                    code.code(),
                    body["id"],
                    if taken { "taken" } else { "not taken" }
                ));
                if taken {
                    return;
                }
                world.executor.sleep(pause_ms).await;
            }
        });
    }

    /// Goes on with refunds that were accepted.
    fn go_on(self: &Arc<Books>, world: &Arc<World>, no: &str, number: &str) {
        let (books, world) = (Arc::clone(self), Arc::clone(world));
        let (no, number) = (no.to_owned(), number.to_owned());
        let executor = Arc::clone(&world);
        executor.executor.spawn(None, async move {
            world.pause(SECOND_MS, 10 * MINUTE_MS).await;
            let state = if world.strikes(world.troubles.refund) {
                world.saw(Situation::RefundClosed);
                "closed"
            } else if world.strikes(world.troubles.refund) {
                world.saw(Situation::RefundAbnormal);
                "abnormal"
            } else {
                "success"
            };
            let refund = {
                let mut trades = lock(&books.trades);
                let refund = trades
                    .get_mut(&no)
                    .and_then(|trade| trade.refunds.get_mut(&number));
                let Some(refund) = refund else { return };
                refund.state = state;
                refund.done_at = Some(world.now());
                refund.clone()
            };
            world.note(format!("{} refund {number}: {state}", books.code.code()));
            books.announce_refund(&world, &number, &refund);
        });
    }

    /// What `GET /_sandbox/books` would tell, in the form that `verify` reads.
    pub fn transactions(&self) -> Vec<Value> {
        let trades = lock(&self.trades);
        let rows = trades.iter().map(|(no, trade)| {
            let refunds = trade.refunds.iter().map(|(number, refund)| {
                json!({"out_refund_no": number, "amount_fen": refund.amount, "state": refund.state})
            });
            json!({
                "channel": self.code.code(), "merchant": self.merchant(), "out_trade_no": no,
                "transaction_id": trade.paid.as_ref().map(|(txn, _)| txn),
                "amount_fen": trade.amount, "refunds": refunds.collect::<Vec<_>>(),
            })
        });
        rows.collect()
    }

    /// For every number that was paid: what the channel took and what of it went back or waits to be
    /// fetched by staff.
    pub fn kept(&self) -> Vec<(String, u64, u64)> {
        let trades = lock(&self.trades);
        let paid = trades.iter().filter(|(_, trade)| trade.paid.is_some());
        paid.map(|(no, trade)| {
            let back = trade
                .refunds
                .values()
                .filter(|refund| refund.state == "success");
            (
                no.clone(),
                trade.amount,
                back.map(|refund| refund.amount).sum(),
            )
        })
        .collect()
    }
}

/// Something of a number, so that two payments of one millisecond have different transactions.
fn trades_sum(no: &str) -> i64 {
    no.bytes()
        .fold(0, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000)
}

/// The channel as one node reaches it.
pub struct Wire {
    pub books: Arc<Books>,
    pub world: Arc<World>,
    pub node: usize,
}

impl Wire {
    /// Brings a request to the channel and its answer back. `None` is no answer: the request was lost,
    /// or only the answer was.
    async fn exchange<T>(&self, what: String, act: impl FnOnce() -> T + Send) -> Option<T>
    where
        T: std::fmt::Debug,
    {
        let world = &self.world;
        world
            .may_crash(self.node, &format!("before it asks to {what}"))
            .await;
        world.pause(5, 80).await;
        let name = self.books.code.code();
        if world.strikes(world.troubles.channel / 4) {
            world.note(format!("node {} asks {name} to {what}: lost", self.node));
            world.saw(Situation::ChannelRequestLost);
            world.executor.sleep(TIMEOUT_MS).await;
            return None;
        }
        let answer = act();
        world.note(format!(
            "node {} asks {name} to {what}: {answer:?}",
            self.node
        ));
        if world.strikes(world.troubles.channel / 4) {
            world.saw(Situation::ChannelAnswerLost);
            world.note(format!("node {} is not told of it", self.node));
            world.executor.sleep(TIMEOUT_MS).await;
            return None;
        }
        world.pause(5, 80).await;
        world
            .may_crash(self.node, &format!("after it asked to {what}"))
            .await;
        Some(answer)
    }

    fn query_now(&self, no: &str) -> QueryOutcome {
        let world = &self.world;
        let Some(trade) = self.books.trade(no) else {
            return QueryOutcome::NotFound;
        };
        let lags = |at: Instant| {
            world.now().since_ms(at) < LAG_MS && world.strikes(world.troubles.channel)
        };
        let paid = trade.paid.as_ref().filter(|(_, at)| {
            let lag = lags(*at);
            if lag {
                world.saw(Situation::QueryLagged);
            }
            !lag
        });
        match paid {
            Some(_) => match self.books.seen(no, &trade) {
                Some(seen) => QueryOutcome::Paid(seen),
                None => QueryOutcome::NotFound,
            },
            None if trade.paid.is_none() && trade.closed => QueryOutcome::Closed,
            None => QueryOutcome::NotPaid(trade.failed.then_some(PayFailure::BalanceTooLow)),
        }
    }

    fn close_now(&self, no: &str) -> CloseOutcome {
        let mut trades = lock(&self.books.trades);
        match trades.get_mut(no) {
            None => CloseOutcome::NotFound,
            Some(trade) if trade.paid.is_some() => CloseOutcome::Paid,
            Some(trade) => {
                trade.closed = true;
                CloseOutcome::Closed
            }
        }
    }

    fn refund_now(&self, request: &Value) -> RefundOutcome {
        let world = &self.world;
        let (no, number) = (text_of(request, "attempt"), text_of(request, "no"));
        let amount = request["amount"].as_u64().unwrap_or_default();
        let mut trades = lock(&self.books.trades);
        let Some(trade) = trades.get_mut(&no).filter(|trade| trade.paid.is_some()) else {
            return RefundOutcome::Closed {
                code: "TRADE_NOT_PAID".to_owned(),
            };
        };
        if let Some(known) = trade.refunds.get(&number) {
            return told(known);
        }
        if trade.given_back() + amount > trade.amount {
            let code = "REFUND_AMOUNT_EXCEEDED".to_owned();
            world.wrong(format!("{no}: more was asked back than was paid"));
            return RefundOutcome::Closed { code };
        }
        if world.strikes(world.troubles.refund) {
            world.saw(Situation::ShortOfBalance);
            return RefundOutcome::ShortOfBalance;
        }
        let state = "processing";
        let accepted = world.now();
        trade.refunds.insert(
            number.clone(),
            PaidBack {
                amount,
                state,
                accepted,
                done_at: None,
            },
        );
        drop(trades);
        self.books.go_on(world, &no, &number);
        RefundOutcome::Processing
    }

    fn query_refund_now(&self, no: &str, number: &str) -> RefundOutcome {
        let world = &self.world;
        let trade = self.books.trade(no);
        let Some(known) = trade.as_ref().and_then(|trade| trade.refunds.get(number)) else {
            return RefundOutcome::NotFound;
        };
        let young = world.now().since_ms(known.accepted) < LAG_MS;
        if young && world.strikes(world.troubles.channel) {
            world.saw(Situation::RefundLagged);
            return RefundOutcome::NotFound;
        }
        told(known)
    }
}

fn told(refund: &PaidBack) -> RefundOutcome {
    let at = refund.done_at.unwrap_or(refund.accepted);
    match refund.state {
        "success" => RefundOutcome::Done {
            amount: Fen::new(refund.amount),
            at,
        },
        "closed" => RefundOutcome::Closed {
            code: "CLOSED".to_owned(),
        },
        "abnormal" => RefundOutcome::Abnormal {
            code: "ABNORMAL".to_owned(),
        },
        _ => RefundOutcome::Processing,
    }
}

fn no_answer() -> String {
    "no answer".to_owned()
}

impl Gateway for Wire {
    fn channel(&self) -> ChannelCode {
        self.books.code
    }

    fn merchant(&self) -> &str {
        self.books.merchant()
    }

    fn app(&self) -> &str {
        self.books.app()
    }

    fn render(&self, terms: &AttemptTerms) -> Vec<u8> {
        let terms = json!({
            "no": terms.no.as_str(), "amount": terms.amount.get(), "expires": terms.expires_at.0,
        });
        terms.to_string().into_bytes()
    }

    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        _: Instant,
        _: String,
    ) -> Call<'a, CreateOutcome> {
        Box::pin(async move {
            let text = String::from_utf8_lossy(rendered);
            let terms: Value = serde_json::from_str(&text).unwrap_or_default();
            if text_of(&terms, "no") != no.as_str() {
                self.world
                    .wrong(format!("{no}: another attempt's request is sent"));
            }
            if !method.placed_by_call() {
                return CreateOutcome::Ready(Handover::Redirect(format!("link?{text}")));
            }
            let placed = self.exchange(format!("place {no}"), || {
                if self.world.strikes(self.world.troubles.channel / 12) {
                    self.world.saw(Situation::CreateRefused);
                    return false;
                }
                self.books.take_in(&terms);
                true
            });
            match placed.await {
                None => CreateOutcome::Unknown { why: no_answer() },
                Some(false) => CreateOutcome::Refused {
                    code: "RULE_LIMIT".to_owned(),
                    message: "refused".to_owned(),
                },
                Some(true) if method == Method::WechatH5 => {
                    CreateOutcome::Ready(Handover::Redirect(format!("order?{text}")))
                }
                Some(true) => CreateOutcome::Ready(Handover::Qr(format!("order?{text}"))),
            }
        })
    }

    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        _: &'a [u8],
        _: Instant,
        _: String,
    ) -> Call<'a, QueryOutcome> {
        Box::pin(async move {
            let asked = self.exchange(format!("query {no}"), || self.query_now(no.as_str()));
            asked
                .await
                .unwrap_or(QueryOutcome::Unknown { why: no_answer() })
        })
    }

    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        _: &'a [u8],
        _: Instant,
        _: String,
    ) -> Call<'a, CloseOutcome> {
        Box::pin(async move {
            let asked = self.exchange(format!("close {no}"), || self.close_now(no.as_str()));
            asked
                .await
                .unwrap_or(CloseOutcome::Unknown { why: no_answer() })
        })
    }

    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8> {
        let terms = json!({
            "no": terms.no.as_str(), "attempt": terms.attempt_no.as_str(),
            "amount": terms.amount.get(),
        });
        terms.to_string().into_bytes()
    }

    fn refund<'a>(&'a self, rendered: &'a [u8], _: Instant, _: String) -> Call<'a, RefundOutcome> {
        Box::pin(async move {
            let request: Value = serde_json::from_slice(rendered).unwrap_or_default();
            let what = format!("refund {}", text_of(&request, "no"));
            match self.exchange(what, || self.refund_now(&request)).await {
                Some(outcome) => outcome,
                None => {
                    self.world.saw(Situation::RefundUnknown);
                    RefundOutcome::Unknown { why: no_answer() }
                }
            }
        })
    }

    fn query_refund<'a>(
        &'a self,
        attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        _: &'a [u8],
        _: Instant,
        _: String,
    ) -> Call<'a, RefundOutcome> {
        Box::pin(async move {
            let what = format!("query refund {refund_no}");
            let ask = || self.query_refund_now(attempt_no.as_str(), refund_no.as_str());
            let asked = self.exchange(what, ask);
            asked
                .await
                .unwrap_or(RefundOutcome::Unknown { why: no_answer() })
        })
    }

    fn read_notice(
        &self,
        _: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        let mut read: Value = serde_json::from_slice(body).map_err(|_| NoticeRefusal::Malformed)?;
        if now.since_ms(instant_of(&read, "signed")).abs() > SIGNED_MS {
            self.world.saw(Situation::StaleNotice);
            return Err(NoticeRefusal::StaleTime);
        }
        let (id, at) = (text_of(&read, "id"), instant_of(&read, "at"));
        let amount = Fen::new(read["amount"].as_u64().unwrap_or_default());
        let refund_no = text_of(&read, "refund");
        let news = if refund_no.is_empty() {
            News::Payment(SeenPayment {
                attempt_no: text_of(&read, "no"),
                txn_id: text_of(&read, "txn"),
                amount,
                currency: "CNY".to_owned(),
                paid_at: at,
                merchant: self.books.merchant().to_owned(),
                app: self.books.app().to_owned(),
                refunded: false,
            })
        } else {
            let outcome = match read["state"].as_str() {
                Some("success") => RefundOutcome::Done { amount, at },
                Some("closed") => RefundOutcome::Closed {
                    code: "CLOSED".to_owned(),
                },
                _ => RefundOutcome::Abnormal {
                    code: "ABNORMAL".to_owned(),
                },
            };
            News::Refund { refund_no, outcome }
        };
        // What is signed, without the time of this delivery: sent again it is the same message.
        read["signed"] = Value::Null;
        Ok(Notice {
            id,
            news,
            plaintext: read.to_string().into_bytes(),
        })
    }

    fn notice_answer(&self, ok: bool) -> NoticeAnswer {
        (if ok { 200 } else { 400 }, "text/plain", "")
    }
}
