//! Answers for: the control interface of tests and demos. Documented in the crate's header.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::books::{Books, Channel, Event, Key, KeyKind, Phase, Trade};
use crate::faults::{Chance, Fault};
use crate::page::{self, json_error};
use crate::payer::{self, Played};
use crate::script::Script;
use crate::server::Sandbox;
use crate::times::SECOND_MS;

/// Reads the body of a control request.
pub(crate) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Box<Response>> {
    serde_json::from_slice(body).map_err(|error| {
        Box::new(json_error(
            StatusCode::BAD_REQUEST,
            "control.body",
            &error.to_string(),
        ))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    channel: Channel,
    out_trade_no: String,
    serial: Option<KeyKind>,
    /// The channel takes this amount instead of the order's: a truly wrong amount.
    amount_fen: Option<u64>,
}

/// `POST /_sandbox/pay`.
pub(crate) async fn pay(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let asked: Pay = match read(&body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let key = Key {
        channel: asked.channel,
        out_trade_no: asked.out_trade_no,
    };
    match payer::play(&sandbox, &key, asked.serial, asked.amount_fen).await {
        Played::Unknown => json_error(
            StatusCode::NOT_FOUND,
            "control.unknown",
            "this number was never seen",
        ),
        Played::Closed => json_error(
            StatusCode::CONFLICT,
            "control.closed",
            "this order is closed",
        ),
        Played::Paid {
            transaction_id,
            delivered,
        } => page::json(
            StatusCode::OK,
            &json!({
                "transaction_id": transaction_id,
                "delivered": delivered.accepted,
                "notify_status": delivered.status,
                "tries": delivered.tries,
            }),
        ),
    }
}

/// `POST /_sandbox/fault`.
pub(crate) async fn add_fault(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let fault: Fault = match read(&body) {
        Ok(fault) => fault,
        Err(response) => return *response,
    };
    if fault.times == 0 || fault.id != 0 {
        let what = "times must be at least 1; id is given by the sandbox";
        return json_error(StatusCode::BAD_REQUEST, "control.body", what);
    }
    let id = sandbox.books().faults.add(fault);
    page::json(StatusCode::OK, &json!({ "id": id }))
}

/// `POST /_sandbox/chance`.
pub(crate) async fn by_chance(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let chance: Chance = match read(&body) {
        Ok(chance) => chance,
        Err(response) => return *response,
    };
    sandbox.books().faults.by_chance(chance);
    page::json(StatusCode::OK, &json!({ "chance": true }))
}

/// `DELETE /_sandbox/fault/{id}`.
pub(crate) async fn remove_fault(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<u64>,
) -> Response {
    if sandbox.books().faults.remove(id) {
        page::json(StatusCode::OK, &json!({ "id": id }))
    } else {
        json_error(
            StatusCode::NOT_FOUND,
            "control.unknown",
            "no such fault waits",
        )
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shift {
    offset_s: i64,
}

/// `GET /_sandbox/clock`.
pub(crate) async fn time(State(sandbox): State<Arc<Sandbox>>) -> Response {
    page::json(StatusCode::OK, &json!({ "now_ms": sandbox.now_ms() }))
}

/// `POST /_sandbox/clock`.
pub(crate) async fn clock(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let asked: Shift = match read(&body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    sandbox.set_offset_ms(asked.offset_s.saturating_mul(SECOND_MS));
    page::json(StatusCode::OK, &json!({ "now_ms": sandbox.now_ms() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fee {
    rate_bp: u16,
}

/// `POST /_sandbox/fee`.
pub(crate) async fn fee(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let asked: Fee = match read(&body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    sandbox.books().fee_bp = asked.rate_bp.into();
    page::json(StatusCode::OK, &json!({ "rate_bp": asked.rate_bp }))
}

/// `POST /_sandbox/reset`.
pub(crate) async fn reset(State(sandbox): State<Arc<Sandbox>>) -> Response {
    sandbox.end_script();
    *sandbox.books() = Books::default();
    sandbox.set_offset_ms(0);
    page::json(StatusCode::OK, &json!({ "reset": true }))
}

/// `POST /_sandbox/faults`: a script as TOML.
pub(crate) async fn load_script(State(sandbox): State<Arc<Sandbox>>, text: String) -> Response {
    match Script::parse_for(&text, &sandbox.config) {
        Ok(script) => {
            sandbox.load_script(script);
            self::script(State(sandbox)).await
        }
        Err(message) => json_error(StatusCode::BAD_REQUEST, "control.faults", &message),
    }
}

/// `GET /_sandbox/faults`: how often each rule has seen a call and struck.
pub(crate) async fn script(State(sandbox): State<Arc<Sandbox>>) -> Response {
    match &sandbox.books().faults.script {
        Some(script) => page::json(StatusCode::OK, &script.told()),
        None => json_error(
            StatusCode::NOT_FOUND,
            "control.unknown",
            "no script of faults was loaded",
        ),
    }
}

/// `DELETE /_sandbox/faults`.
pub(crate) async fn end_script(State(sandbox): State<Arc<Sandbox>>) -> Response {
    sandbox.end_script();
    page::json(StatusCode::OK, &json!({ "ended": true }))
}

/// `GET /_sandbox/books.jsonl`: every order, payment and refund, a line each, in the order of channel
/// and number; amounts in fen, times in ms UTC.
pub(crate) async fn lines(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let now_ms = sandbox.now_ms();
    let mut text = String::new();
    for trade in sandbox.books().trades.values() {
        for line in movements(trade, now_ms) {
            text.push_str(&line.to_string());
            text.push('\n');
        }
    }
    (
        [(header::CONTENT_TYPE, "application/jsonl; charset=utf-8")],
        text,
    )
        .into_response()
}

/// What is known of an order, and what moved.
fn movements(trade: &Trade, now_ms: i64) -> Vec<Value> {
    let line = |kind: &str, number: &str, channel_no: Option<&str>, amount_fen: u64, at_ms| {
        json!({
            "kind": kind, "channel": trade.key.channel, "order": trade.key.out_trade_no,
            "our_no": number, "channel_no": channel_no, "amount_fen": amount_fen, "at_ms": at_ms,
        })
    };
    let number = trade.key.out_trade_no.as_str();
    let mut order = line("order", number, None, trade.amount_fen, trade.created_at_ms);
    order["state"] = json!(state(trade, now_ms));
    let mut lines = vec![order];
    if let Some(payment) = &trade.payment {
        let id = Some(payment.transaction_id.as_str());
        lines.push(line("payment", number, id, trade.amount_fen, payment.at_ms));
    }
    for refund in &trade.refunds {
        let (number, id) = (&refund.out_refund_no, Some(refund.refund_id.as_str()));
        let at_ms = refund.done_at_ms.unwrap_or(refund.requested_at_ms);
        let mut line = line("refund", number, id, refund.amount_fen, at_ms);
        line["state"] = json!(refund.state);
        lines.push(line);
    }
    lines
}

fn state(trade: &Trade, now_ms: i64) -> &'static str {
    match trade.phase(now_ms) {
        Phase::Open => "open",
        Phase::Hidden | Phase::Paid => "paid",
        Phase::Closed => "closed",
    }
}

/// `GET /_sandbox/books`.
pub(crate) async fn books(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let now_ms = sandbox.now_ms();
    let books = sandbox.books();
    let mut next: BTreeMap<u64, i64> = BTreeMap::new();
    for (at_ms, event) in &books.agenda {
        if let Event::Deliver(number) = event {
            next.insert(*number, *at_ms);
        }
    }
    let mut notices: Map<String, Value> = Map::new();
    for notice in books.notices.values() {
        let name = format!("{:?} {}", notice.key.channel, notice.key.out_trade_no);
        let entry = notices.entry(name).or_insert_with(|| json!([]));
        if let Some(list) = entry.as_array_mut() {
            list.push(json!({
                "id": notice.id, "out_refund_no": notice.out_refund_no, "tries": notice.tries,
                "accepted": notice.accepted, "last_status": notice.last_status,
                "next_at_ms": next.get(&notice.number), "in_flight": notice.in_flight,
            }));
        }
    }
    let transactions: Vec<Value> = books
        .trades
        .values()
        .map(|trade| {
            let name = format!("{:?} {}", trade.key.channel, trade.key.out_trade_no);
            tell(
                &sandbox,
                trade,
                notices.remove(&name).unwrap_or_else(|| json!([])),
                now_ms,
            )
        })
        .collect();
    let told = json!({
        "now_ms": now_ms,
        "transactions": transactions,
        "faults": books.faults.waiting(),
        "sms": books.sms.len(),
    });
    page::json(StatusCode::OK, &told)
}

/// One transaction: times in ms UTC, amounts in fen, missing things `null`.
fn tell(sandbox: &Sandbox, trade: &Trade, notices: Value, now_ms: i64) -> Value {
    let config = &sandbox.config;
    let (merchant, app): (&str, &str) = match trade.key.channel {
        Channel::Wechat => (&config.wechat.mchid, &config.wechat.appid),
        Channel::Alipay => (&config.alipay.seller_id, &config.alipay.app_id),
        // Its bizType.
        Channel::Unionpay => (sandbox.unionpay_merchant(), "000201"),
        Channel::Bank1 | Channel::Bank2 => {
            let bank = config.bank(trade.key.channel);
            (bank.map_or("", |bank| bank.merchant.as_str()), "page")
        }
    };
    let refunds: Vec<Value> = trade
        .refunds
        .iter()
        .map(|refund| {
            json!({
                "out_refund_no": refund.out_refund_no,
                "refund_id": refund.refund_id,
                "amount_fen": refund.amount_fen,
                "state": refund.state,
                "requested_at_ms": refund.requested_at_ms,
                "done_at_ms": refund.done_at_ms,
            })
        })
        .collect();
    json!({
        "channel": trade.key.channel,
        "product": trade.product,
        "merchant": merchant,
        "app": app,
        "out_trade_no": trade.key.out_trade_no,
        "transaction_id": trade.payment.as_ref().map(|payment| payment.transaction_id.clone()),
        "state": state(trade, now_ms),
        "amount_fen": trade.amount_fen,
        "refunded_fen": trade.refunded_fen(),
        "created_at_ms": trade.created_at_ms,
        "expires_at_ms": trade.expires_at_ms,
        "closed_at_ms": trade.closed_at_ms,
        "paid_at_ms": trade.payment.as_ref().map(|payment| payment.at_ms),
        "refunds": refunds,
        "notices": notices,
    })
}

/// `GET /` and `GET /_sandbox`: what this is and where things are.
pub(crate) async fn index(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let count = sandbox.books().trades.len();
    let main = html! {
        p { "扮演微信支付、支付宝、银联和短信平台，供演示和测试。 " span.small lang="en" { "Plays WeChat Pay, Alipay, UnionPay and an SMS gateway for demos and tests." } }
        a.btn.main href="/front" { "模拟的缴费入口" small lang="en" { "Front ends: city services, banks, machines, counters" } }
        a.btn href="/_wallet/scan" { "扫一扫" small lang="en" { "Scan a payment code" } }
        a.btn href="/_sandbox/sms" { "看短信" small lang="en" { "Text messages" } }
        a.btn href="/_sandbox/books" { "看账本（" (count) " 笔）" small lang="en" { "Books as JSON" } }
    };
    page::page(StatusCode::OK, "支付沙箱", "Payment sandbox", &main)
}
