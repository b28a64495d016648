//! Answers for: UnionPay orders: the cashier, the number for an app, asking. There is no closing.

use serde_json::json;

use super::{Call, Fields, Refusal, Reply};
use crate::books::{Books, Channel, Key, KeyKind, Phase, Prepay, Product, RefundState, Trade};
use crate::crypto::sha256_hex;
use crate::server::Sandbox;
use crate::times::{DAY_MS, compact, parse_plain};
use crate::wallet;

/// How long an order lives when the merchant says nothing.
const LIFE_MS: i64 = DAY_MS;

/// Reads `YYYYMMDDhhmmss` in Beijing.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    parse_plain(&format!(
        "{}-{}-{} {}:{}:{}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    ))
}

/// `frontTransReq.do`: the payer's browser brings the order, and is sent to the cashier.
pub(super) fn front(sandbox: &Sandbox, call: &Call<'_>, contradict: bool) -> Reply {
    let product = match call.required("channelType")? {
        "07" => Product::Page,
        "08" => Product::Wap,
        _ => return Err(Refusal::format("channelType", "应为07或08")),
    };
    let front_url = call.required("frontUrl")?.to_owned();
    let key = register(sandbox, call, product, contradict)?;
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    books.open(&key, now_ms);
    let token = wallet::visit(&mut books, &key, Some(front_url));
    let location = format!("{}/_wallet/{token}", sandbox.base_url());
    Ok(Fields::from([("location".to_owned(), location)]))
}

/// `appTransReq.do`: a transaction number, which `/_wallet/scan` takes in place of an app.
pub(super) fn app(sandbox: &Sandbox, call: &Call<'_>, contradict: bool) -> Reply {
    let key = register(sandbox, call, Product::App, contradict)?;
    let mut books = sandbox.books();
    let ends_at_ms = books
        .trades
        .get(&key)
        .map_or(0, |trade| trade.expires_at_ms);
    let tn = format!("{:021}", books.next());
    books.prepays.insert(tn.clone(), Prepay { key, ends_at_ms });
    Ok(Fields::from([("tn".to_owned(), tn)]))
}

/// Books a new order, or finds the same one again.
fn register(
    sandbox: &Sandbox,
    call: &Call<'_>,
    product: Product,
    contradict: bool,
) -> Result<Key, Refusal> {
    let now_ms = sandbox.now_ms();
    let asked = read_order(call, product, now_ms)?;
    if contradict {
        return Err(Refusal::new("12", "重复交易[沙箱]"));
    }
    let key = asked.key.clone();
    let mut books = sandbox.books();
    let Some(trade) = books.trades.get(&key) else {
        if asked.expires_at_ms <= now_ms {
            return Err(Refusal::new("39", "交易不在受理时间范围内[payTimeout]"));
        }
        books.trades.insert(key.clone(), asked);
        return Ok(key);
    };
    if trade.request != asked.request || trade.amount_fen != asked.amount_fen {
        return Err(Refusal::new("12", "重复交易[订单要素不一致]"));
    }
    match trade.phase(now_ms) {
        Phase::Open => Ok(key),
        Phase::Closed => Err(Refusal::new("39", "交易不在受理时间范围内[payTimeout]")),
        Phase::Paid | Phase::Hidden => Err(Refusal::new("12", "重复交易[订单已支付]")),
    }
}

fn read_order(call: &Call<'_>, product: Product, now_ms: i64) -> Result<Trade, Refusal> {
    let order_id = call.order_id()?;
    for (name, value) in [
        ("txnSubType", "01"),
        ("bizType", "000201"),
        ("currencyCode", "156"),
    ] {
        if call.required(name)? != value {
            return Err(Refusal::format(name, &format!("应为{value}")));
        }
    }
    let expires_at_ms = match call.optional("payTimeout") {
        Some(text) => parse_time(text).ok_or_else(|| Refusal::format("payTimeout", "不是时间"))?,
        None => now_ms + LIFE_MS,
    };
    let risk = call.optional("riskRateInfo").unwrap_or_default();
    let text = risk
        .strip_prefix("{commodityName=")
        .and_then(|rest| rest.strip_suffix('}'));
    Ok(Trade {
        key: Key {
            channel: Channel::Unionpay,
            out_trade_no: order_id.to_owned(),
        },
        product,
        amount_fen: call.amount()?,
        description: text
            .or(call.optional("orderDesc"))
            .unwrap_or_default()
            .to_owned(),
        attach: call.optional("reqReserved").unwrap_or_default().to_owned(),
        payer: card(order_id),
        created_at_ms: now_ms,
        expires_at_ms,
        opened_at_ms: None,
        closed_at_ms: None,
        trade_no: None,
        payment: None,
        too_little: false,
        pays_after_close: false,
        notify_url: Some(call.required("backUrl")?.to_owned()),
        quit_url: None,
        notice_key: KeyKind::Cert,
        // Number and time together name an order.
        request: json!({ "txnTime": call.required("txnTime")? }),
        refunds: Vec::new(),
    })
}

/// A masked card that stands for a payer.
fn card(order_id: &str) -> String {
    let hash = sha256_hex(order_id.as_bytes());
    let digits: String = hash
        .bytes()
        .take(4)
        .map(|byte| char::from(b'0' + byte % 10))
        .collect();
    format!("622609******{digits}")
}

/// `queryTrans.do`: about an order, a void or a return.
pub(super) fn query(sandbox: &Sandbox, call: &Call<'_>, contradict: bool) -> Reply {
    let unknown = || Refusal::new("34", "查无此交易[2600000]");
    let (order_id, time) = (call.order_id()?, call.required("txnTime")?);
    let now_ms = sandbox.now_ms();
    let books = sandbox.books();
    if let Some(told) = refund_told(&books, order_id, time, contradict) {
        return Ok(told);
    }
    let trade = books
        .trade(Channel::Unionpay, order_id)
        .filter(|trade| trade.request["txnTime"] == time)
        .ok_or_else(unknown)?;
    let told = if contradict {
        crate::wechat::orders::opposite(trade, now_ms)
    } else {
        trade.clone()
    };
    let outcome = match told.phase(now_ms) {
        Phase::Paid => "00",
        Phase::Hidden => "05",
        Phase::Open | Phase::Closed if told.too_little => "64",
        // Nothing was tried yet, so there is no transaction.
        Phase::Open | Phase::Closed => return Err(unknown()),
    };
    let mut fields = transaction(&told, now_ms);
    fields.insert("origRespCode".to_owned(), outcome.to_owned());
    fields.insert("bizType".to_owned(), "000000".to_owned());
    Ok(fields)
}

fn refund_told(books: &Books, order_id: &str, time: &str, contradict: bool) -> Option<Fields> {
    let trade = books.trades.get(books.by_refund.get(order_id)?)?;
    let refund = trade
        .refunds
        .iter()
        .find(|refund| refund.out_refund_no == order_id)?;
    if trade.key.channel != Channel::Unionpay || refund.request["txnTime"] != time {
        return None;
    }
    let outcome = match refund.state {
        RefundState::Processing => "05",
        RefundState::Success if !contradict => "00",
        RefundState::Success | RefundState::Abnormal | RefundState::Closed => "01",
    };
    let mut fields = super::refunds::transaction(trade, refund);
    fields.insert("origRespCode".to_owned(), outcome.to_owned());
    Some(fields)
}

/// What a query answers and a notice holds of a payment.
pub(super) fn transaction(trade: &Trade, now_ms: i64) -> Fields {
    let payment = trade.payment.as_ref();
    let traced = compact(payment.map_or(now_ms, |payment| payment.at_ms));
    let trace = traced.get(4..).unwrap_or_default();
    let mut fields = Fields::new();
    for (name, value) in [
        ("txnType", "01"),
        ("txnSubType", "01"),
        ("bizType", "000201"),
        ("accessType", "0"),
        ("currencyCode", "156"),
        ("settleCurrencyCode", "156"),
        ("orderId", &trade.key.out_trade_no),
        (
            "txnTime",
            trade.request["txnTime"].as_str().unwrap_or_default(),
        ),
        ("txnAmt", &trade.amount_fen.to_string()),
        ("settleAmt", &trade.amount_fen.to_string()),
        ("accNo", &trade.payer),
        ("reqReserved", &trade.attach),
        ("traceTime", trace),
        ("traceNo", trace.get(4..).unwrap_or_default()),
        (
            "settleDate",
            &super::file::settle_date(payment.map_or(now_ms, |paid| paid.at_ms)),
        ),
        (
            "queryId",
            payment.map_or("", |payment| &payment.transaction_id),
        ),
    ] {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value.to_owned());
        }
    }
    fields
}
