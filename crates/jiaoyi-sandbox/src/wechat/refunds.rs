//! Answers for: WeChat refunds: requesting and asking. 200 means accepted, not done.

use serde_json::{Value, json};

use super::check::{alphabet, fen, notify_url, optional_text, param_error, text};
use super::{Answer, Call, Reply};
use crate::books::{Books, Channel, Event, Key, Phase, Refund, RefundState, Trade};
use crate::faults::Fault;
use crate::server::Sandbox;
use crate::times::{DAY_MS, MINUTE_MS, SECOND_MS, compact_day, ms_of_day, rfc3339};

/// How long a refund is under way.
const UNDER_WAY_MS: i64 = 2 * SECOND_MS;
const REFUNDS_MAX: usize = 50;
const YEAR_MS: i64 = 365 * DAY_MS;

fn invalid(message: &str) -> Answer {
    Answer::refusal(400, "INVALID_REQUEST", message)
}

/// `POST /v3/refund/domestic/refunds`.
pub(super) fn request(sandbox: &Sandbox, call: &Call, contradict: Option<&Fault>) -> Reply {
    let body = call.json()?;
    let out_refund_no = text(&body, "out_refund_no", 1, 64)?;
    alphabet("out_refund_no", out_refund_no, "_-|*@")?;
    optional_text(&body, "reason", 80)?;
    let url = optional_text(&body, "notify_url", 256)?;
    if let Some(url) = url {
        notify_url(url)?;
    }
    let amount = &body["amount"];
    let (refund_fen, total_fen) = (fen(amount, "refund")?, fen(amount, "total")?);
    if amount["currency"].as_str() != Some("CNY") {
        return Err(param_error("参数错误：\"amount.currency\"必须是CNY"));
    }
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let key = named_trade(&books, &body)?;
    if let Some(answer) = repeated(&books, &key, &body, out_refund_no)? {
        return Ok(answer);
    }
    let trade = books.trades.get(&key).ok_or_else(not_found)?;
    admit(trade, refund_fen, total_fen, now_ms)?;
    let ends = match contradict {
        None => RefundState::Success,
        Some(fault) => match fault.code.as_deref() {
            Some("ABNORMAL") => RefundState::Abnormal,
            Some("CLOSED") => RefundState::Closed,
            _ => {
                return Err(Answer::refusal(
                    403,
                    "NOT_ENOUGH",
                    "基本账户余额不足，请充值后重新发起",
                ));
            }
        },
    };
    let refund = Refund {
        out_refund_no: out_refund_no.to_owned(),
        refund_id: format!(
            "503020{}{:08}{:06}",
            compact_day(now_ms),
            ms_of_day(now_ms),
            books.next() % 1_000_000
        ),
        amount_fen: refund_fen,
        reason: body["reason"].as_str().unwrap_or_default().to_owned(),
        requested_at_ms: now_ms,
        done_at_ms: None,
        state: RefundState::Processing,
        ends,
        notify_url: url.map(str::to_owned),
        request: body.clone(),
    };
    let event = Event::EndRefund(key.clone(), refund.out_refund_no.clone());
    books.agenda.insert((now_ms + UNDER_WAY_MS, event));
    books
        .by_refund
        .insert(refund.out_refund_no.clone(), key.clone());
    let trade = books.trades.get_mut(&key).ok_or_else(not_found)?;
    trade.refunds.push(refund.clone());
    let told = tell(trade, &refund);
    Ok(Answer::json(200, &told))
}

fn not_found() -> Answer {
    Answer::refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在")
}

/// The order that the request names, by exactly one of the two ways.
fn named_trade(books: &Books, body: &Value) -> Result<Key, Answer> {
    let found = match (
        body["out_trade_no"].as_str(),
        body["transaction_id"].as_str(),
    ) {
        (Some(number), None) => books.trade(Channel::Wechat, number).map(|trade| &trade.key),
        (None, Some(id)) => books.by_transaction.get(id),
        (Some(number), Some(id)) => books
            .by_transaction
            .get(id)
            .filter(|key| key.out_trade_no == number),
        (None, None) => {
            return Err(param_error(
                "参数错误：transaction_id和out_trade_no必须二选一",
            ));
        }
    };
    found
        .filter(|key| key.channel == Channel::Wechat)
        .cloned()
        .ok_or_else(not_found)
}

/// The answer to a refund number that was seen before.
fn repeated(
    books: &Books,
    key: &Key,
    body: &Value,
    out_refund_no: &str,
) -> Result<Option<Answer>, Answer> {
    let Some(owner) = books.by_refund.get(out_refund_no) else {
        return Ok(None);
    };
    let differs = || invalid("订单金额或退款金额与之前请求不一致，请核实后再试");
    if owner != key {
        return Err(differs());
    }
    let Some(trade) = books.trades.get(key) else {
        return Ok(None);
    };
    let Some(refund) = trade
        .refunds
        .iter()
        .find(|refund| refund.out_refund_no == out_refund_no)
    else {
        return Ok(None);
    };
    if refund.request["amount"] != body["amount"] {
        return Err(differs());
    }
    Ok(Some(Answer::json(200, &tell(trade, refund))))
}

/// Whether a new refund of this amount is allowed now.
fn admit(trade: &Trade, refund_fen: u64, total_fen: u64, now_ms: i64) -> Result<(), Answer> {
    let paid_at_ms = match (&trade.payment, trade.phase(now_ms)) {
        (Some(payment), Phase::Paid) => payment.at_ms,
        (_, Phase::Hidden) => {
            return Err(Answer::refusal(
                500,
                "SYSTEM_ERROR",
                "系统异常，请用相同参数重新调用",
            ));
        }
        _ => {
            return Err(Answer::refusal(
                403,
                "TRADE_ERROR",
                "订单未支付，不支持退款",
            ));
        }
    };
    if now_ms - paid_at_ms > YEAR_MS {
        return Err(invalid("订单已经超过可退款的最大期限"));
    }
    if total_fen != trade.amount_fen {
        return Err(invalid("订单金额或退款金额与之前请求不一致，请核实后再试"));
    }
    if refund_fen > trade.amount_fen - trade.refunded_fen().min(trade.amount_fen) {
        return Err(invalid("申请退款金额大于订单剩余可退金额"));
    }
    if trade.refunds.len() >= REFUNDS_MAX {
        return Err(Answer::refusal(
            403,
            "RULE_LIMIT",
            "一笔订单最多支持50次部分退款",
        ));
    }
    let last = trade
        .refunds
        .iter()
        .map(|refund| refund.requested_at_ms)
        .max();
    if last.is_some_and(|last| now_ms - last < MINUTE_MS) {
        return Err(Answer::refusal(
            429,
            "FREQUENCY_LIMITED",
            "同一订单多次退款需间隔1分钟",
        ));
    }
    Ok(())
}

/// `GET /v3/refund/domestic/refunds/{out_refund_no}`.
pub(super) fn query(sandbox: &Sandbox, out_refund_no: &str) -> Reply {
    let books = sandbox.books();
    let missing = || Answer::refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在");
    let key = books.by_refund.get(out_refund_no).ok_or_else(missing)?;
    let trade = books.trades.get(key).ok_or_else(missing)?;
    let refund = trade
        .refunds
        .iter()
        .find(|refund| refund.out_refund_no == out_refund_no)
        .ok_or_else(missing)?;
    Ok(Answer::json(200, &tell(trade, refund)))
}

pub(crate) fn state_name(state: RefundState) -> &'static str {
    match state {
        RefundState::Processing => "PROCESSING",
        RefundState::Success => "SUCCESS",
        RefundState::Abnormal => "ABNORMAL",
        RefundState::Closed => "CLOSED",
    }
}

fn tell(trade: &Trade, refund: &Refund) -> Value {
    let (amount, total) = (refund.amount_fen, trade.amount_fen);
    let mut told = json!({
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": trade.payment.as_ref().map(|payment| payment.transaction_id.clone()),
        "out_trade_no": trade.key.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund.requested_at_ms),
        "status": state_name(refund.state),
        "funds_account": "AVAILABLE",
        "amount": {
            "total": total, "refund": amount, "from": [], "payer_total": total,
            "payer_refund": amount, "settlement_refund": amount, "settlement_total": total,
            "discount_refund": 0, "currency": "CNY",
        },
        "promotion_detail": [],
    });
    if let Some(done_at_ms) = refund.done_at_ms {
        told["success_time"] = json!(rfc3339(done_at_ms));
    }
    told
}
