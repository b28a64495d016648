//! Answers for: Alipay trades: opening the cashier, the QR code, asking, closing.

use serde_json::{Value, json};

use super::{Call, Members, Refusal, Reply, success};
use crate::books::{Books, Channel, Key, KeyKind, Phase, Product, Trade};
use crate::crypto::{random_hex, sha256_hex};
use crate::money::{parse_yuan, yuan};
use crate::payer;
use crate::server::Sandbox;
use crate::times::{DAY_MS, HOUR_MS, MINUTE_MS, ms_of_day, parse_plain, plain};
use crate::wallet;

/// How long a trade lives when the merchant says nothing, and at most.
const LIFE_MS: i64 = 15 * DAY_MS;
/// How long a paid trade can be refunded here.
pub(super) const REFUNDABLE_MS: i64 = 365 * DAY_MS;

pub(super) fn invalid(message: &str) -> Refusal {
    Refusal::business("ACQ.INVALID_PARAMETER", message)
}

pub(super) fn not_exist() -> Refusal {
    Refusal::business("ACQ.TRADE_NOT_EXIST", "交易不存在")
}

/// A text member of 1..=`max` characters, `None` when it is missing or empty.
pub(super) fn optional<'a>(
    biz: &'a Value,
    name: &str,
    max: usize,
) -> Result<Option<&'a str>, Refusal> {
    match &biz[name] {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) if text.chars().count() <= max => Ok(Some(text)),
        _ => Err(invalid(&format!("{name}不是字符串或超过{max}个字符"))),
    }
}

fn required<'a>(biz: &'a Value, name: &str, max: usize) -> Result<&'a str, Refusal> {
    optional(biz, name, max)?.ok_or_else(|| invalid(&format!("{name}缺失")))
}

/// An amount, as text or as a JSON number, at least 0.01 yuan.
pub(super) fn amount(biz: &Value, name: &str) -> Result<u64, Refusal> {
    let text = match &biz[name] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(invalid(&format!("{name}缺失"))),
    };
    parse_yuan(&text)
        .filter(|fen| *fen >= 1)
        .ok_or_else(|| invalid(&format!("{name}应为0.01到100000000的金额，最多两位小数")))
}

/// `wap.pay` and `page.pay`: registers the trade and says where the cashier is (`location`).
pub(super) fn open_page(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    // QUICK_WAP_PAY is the older spelling, which python-alipay-sdk still sends.
    let (product, codes): (Product, &[&str]) = match call.method.as_str() {
        "alipay.trade.wap.pay" => (Product::Wap, &["QUICK_WAP_WAY", "QUICK_WAP_PAY"]),
        _ => (Product::Page, &["FAST_INSTANT_TRADE_PAY"]),
    };
    if !codes.contains(&required(&call.biz, "product_code", 64)?) {
        return Err(invalid("product_code与接口不符"));
    }
    let key = register(sandbox, call, product, contradict)?;
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    books.open(&key, now_ms);
    let return_url = call.parameter("return_url");
    let token = wallet::visit(&mut books, &key, return_url);
    let mut members = Members::new();
    members.insert(
        "location".to_owned(),
        json!(format!("{}/_wallet/{token}", sandbox.base_url())),
    );
    Ok(members)
}

/// `precreate`: a QR code; the trade exists once it was scanned.
pub(super) fn precreate(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    if let Some(code) = optional(&call.biz, "product_code", 64)?
        && !["FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE"].contains(&code)
    {
        return Err(invalid("product_code与接口不符"));
    }
    let key = register(sandbox, call, Product::Precreate, contradict)?;
    let id = format!("bax{}", random_hex(20));
    let ends_at_ms = {
        let mut books = sandbox.books();
        let ends_at_ms = books
            .trades
            .get(&key)
            .map_or(0, |trade| trade.expires_at_ms);
        books.prepays.insert(
            id.clone(),
            crate::books::Prepay {
                key: key.clone(),
                ends_at_ms,
            },
        );
        ends_at_ms
    };
    tracing::debug!(ends_at_ms, "alipay code made");
    Ok(success(json!({
        "out_trade_no": key.out_trade_no,
        "qr_code": format!("{}/_wallet/qr/{id}", sandbox.base_url()),
    })))
}

/// Books a new trade, or finds the same one again.
fn register(
    sandbox: &Sandbox,
    call: &Call,
    product: Product,
    contradict: bool,
) -> Result<Key, Refusal> {
    let now_ms = sandbox.now_ms();
    let asked = read_trade(sandbox, call, product, now_ms)?;
    if contradict {
        return Err(Refusal::business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"));
    }
    let key = asked.key.clone();
    let mut books = sandbox.books();
    let Some(trade) = books.trades.get_mut(&key) else {
        if asked.expires_at_ms <= now_ms {
            return Err(invalid("time_expire已过，订单已超时"));
        }
        books.trades.insert(key.clone(), asked);
        return Ok(key);
    };
    let identity = |trade: &Trade| (trade.amount_fen, trade.description.clone(), trade.product);
    if identity(trade) != identity(&asked) {
        return Err(Refusal::business(
            "ACQ.CONTEXT_INCONSISTENT",
            "交易信息被篡改",
        ));
    }
    match trade.phase(now_ms) {
        Phase::Open => {
            trade.notify_url = asked.notify_url.or(trade.notify_url.take());
            Ok(key)
        }
        Phase::Closed => Err(Refusal::business("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")),
        Phase::Paid | Phase::Hidden => {
            Err(Refusal::business("ACQ.TRADE_HAS_SUCCESS", "交易已被支付"))
        }
    }
}

/// The trade that a call describes, checked but not booked.
fn read_trade(
    sandbox: &Sandbox,
    call: &Call,
    product: Product,
    now_ms: i64,
) -> Result<Trade, Refusal> {
    let biz = &call.biz;
    let out_trade_no = required(biz, "out_trade_no", 64)?;
    if !out_trade_no
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        return Err(invalid("out_trade_no只能包含字母、数字和下划线"));
    }
    let amount_fen = amount(biz, "total_amount")?;
    let subject = required(biz, "subject", 256)?;
    if subject.contains(['/', '=', '&']) {
        return Err(invalid("subject不能含有特殊字符 / = &"));
    }
    let seller_id = optional(biz, "seller_id", 28)?;
    if seller_id.is_some_and(|id| id != sandbox.config.alipay.seller_id) {
        return Err(Refusal::business("ACQ.INVALID_SELLER_ID", "卖家不存在"));
    }
    let passback = optional(biz, "passback_params", 512)?.unwrap_or_default();
    Ok(Trade {
        key: Key {
            channel: Channel::Alipay,
            out_trade_no: out_trade_no.to_owned(),
        },
        product,
        amount_fen,
        description: subject.to_owned(),
        attach: passback.to_owned(),
        payer: format!("2088{}", digits(out_trade_no)),
        created_at_ms: now_ms,
        expires_at_ms: expiry(biz, now_ms)?,
        opened_at_ms: None,
        closed_at_ms: None,
        trade_no: None,
        payment: None,
        too_little: false,
        pays_after_close: false,
        notify_url: call.parameter("notify_url"),
        quit_url: optional(biz, "quit_url", 400)?.map(str::to_owned),
        notice_key: KeyKind::Pub,
        request: biz.clone(),
        refunds: Vec::new(),
    })
}

/// Twelve digits that stand for a buyer.
fn digits(text: &str) -> String {
    let hash = sha256_hex(text.as_bytes());
    hash.bytes()
        .take(12)
        .map(|byte| char::from(b'0' + byte % 10))
        .collect()
}

/// `time_expire` (absolute, at most 15 days) before `timeout_express` (`15m`, `2h`, `1d`, `1c`).
fn expiry(biz: &Value, now_ms: i64) -> Result<i64, Refusal> {
    if let Some(text) = optional(biz, "time_expire", 32)? {
        let at_ms =
            parse_plain(text).ok_or_else(|| invalid("time_expire格式应为yyyy-MM-dd HH:mm:ss"))?;
        if at_ms > now_ms + LIFE_MS {
            return Err(invalid("time_expire不能超过15天"));
        }
        return Ok(at_ms);
    }
    let Some(text) = optional(biz, "timeout_express", 6)? else {
        return Ok(now_ms + LIFE_MS);
    };
    let wrong = || invalid("timeout_express应为1m到15d，如90m、2h、1d、1c");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let count: i64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    let life_ms = match unit {
        'm' => count.saturating_mul(MINUTE_MS),
        'h' => count.saturating_mul(HOUR_MS),
        'd' => count.saturating_mul(DAY_MS),
        'c' => DAY_MS - ms_of_day(now_ms),
        _ => return Err(wrong()),
    };
    if !(1..=LIFE_MS).contains(&life_ms) {
        return Err(wrong());
    }
    Ok(now_ms + life_ms)
}

/// The trade a call names by `trade_no` or `out_trade_no`; it exists only once it was opened.
pub(super) fn named<'a>(books: &'a Books, biz: &Value) -> Result<&'a Trade, Refusal> {
    let (out, id) = (
        optional(biz, "out_trade_no", 64)?,
        optional(biz, "trade_no", 64)?,
    );
    let found = match (out, id) {
        (_, Some(id)) => books
            .by_transaction
            .get(id)
            .and_then(|key| books.trades.get(key)),
        (Some(number), None) => books.trade(Channel::Alipay, number),
        (None, None) => return Err(invalid("out_trade_no和trade_no不能同时为空")),
    };
    found
        .filter(|trade| trade.key.channel == Channel::Alipay && trade.opened_at_ms.is_some())
        .ok_or_else(not_exist)
}

/// The trade's state as Alipay names it.
pub(crate) fn status(trade: &Trade, now_ms: i64) -> &'static str {
    match (trade.phase(now_ms), &trade.payment) {
        (Phase::Closed, _) => "TRADE_CLOSED",
        (Phase::Paid, _) if trade.refunded_fen() >= trade.amount_fen => "TRADE_CLOSED",
        (Phase::Paid, Some(payment)) if now_ms - payment.at_ms > REFUNDABLE_MS => "TRADE_FINISHED",
        (Phase::Paid, _) => "TRADE_SUCCESS",
        (Phase::Open | Phase::Hidden, _) => "WAIT_BUYER_PAY",
    }
}

pub(crate) const BUYER_LOGON_ID: &str = "jia***@example.test";

/// `alipay.trade.query`.
pub(super) fn query(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    let now_ms = sandbox.now_ms();
    let books = sandbox.books();
    let trade = named(&books, &call.biz)?;
    if trade.phase(now_ms) == Phase::Hidden {
        return Err(Refusal::unknown());
    }
    if contradict {
        return Ok(tell(
            &crate::wechat::orders::opposite(trade, now_ms),
            now_ms,
        ));
    }
    Ok(tell(trade, now_ms))
}

fn tell(trade: &Trade, now_ms: i64) -> Members {
    let total = yuan(trade.amount_fen);
    let mut told = json!({
        "trade_no": trade.trade_no,
        "out_trade_no": trade.key.out_trade_no,
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": trade.payer,
        "trade_status": status(trade, now_ms),
        "total_amount": total,
        "receipt_amount": "0.00",
        "buyer_pay_amount": "0.00",
        "point_amount": "0.00",
        "invoice_amount": "0.00",
    });
    if let Some(payment) = &trade.payment {
        told["trade_no"] = json!(payment.transaction_id);
        told["send_pay_date"] = json!(plain(payment.at_ms));
        for name in ["receipt_amount", "buyer_pay_amount", "invoice_amount"] {
            told[name] = json!(total);
        }
        told["fund_bill_list"] = json!([{ "amount": total, "fund_channel": "ALIPAYACCOUNT" }]);
    }
    success(told)
}

/// `alipay.trade.close`: only a trade that waits for its buyer.
pub(super) fn close(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let trade = named(&books, &call.biz)?;
    let told =
        success(json!({ "trade_no": trade.trade_no, "out_trade_no": trade.key.out_trade_no }));
    if contradict {
        return Ok(told);
    }
    match trade.phase(now_ms) {
        Phase::Open => {
            let key = trade.key.clone();
            payer::close(&mut books, &key, now_ms);
            Ok(told)
        }
        Phase::Hidden => Err(Refusal::unknown()),
        Phase::Paid | Phase::Closed => Err(Refusal::business(
            "ACQ.TRADE_STATUS_ERROR",
            "交易状态不合法",
        )),
    }
}
