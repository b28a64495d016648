//! Answers for: WeChat orders: making, asking, closing.

use serde_json::{Value, json};

use super::check::{alphabet, fen, notify_url, optional_text, param_error, text};
use super::{Answer, Call, Reply};
use crate::books::{Books, Channel, Key, Phase, Prepay, Product, Trade};
use crate::crypto::random_hex;
use crate::faults::Fault;
use crate::payer;
use crate::server::Sandbox;
use crate::times::{DAY_MS, HOUR_MS, MINUTE_MS, parse_rfc3339, rfc3339};

/// How long an order lives without `time_expire`.
const LIFE_MS: i64 = 7 * DAY_MS;
const PREPAY_LIFE_MS: i64 = 2 * HOUR_MS;
const H5_LIFE_MS: i64 = 5 * MINUTE_MS;

/// How a query names an order.
pub(super) enum Name<'a> {
    OutTradeNo(&'a str),
    TransactionId(&'a str),
}

/// What a valid order request says.
struct Order {
    out_trade_no: String,
    description: String,
    attach: String,
    notify_url: String,
    amount_fen: u64,
    payer: String,
    expires_at_ms: Option<i64>,
}

/// `POST /v3/pay/transactions/{product}`.
pub(super) fn create(
    sandbox: &Sandbox,
    call: &Call,
    product: Product,
    contradict: Option<&Fault>,
) -> Reply {
    let body = call.json()?;
    let order = read_order(sandbox, &body, product)?;
    if contradict.is_some() {
        return Err(Answer::refusal(400, "ORDERPAID", "该订单已支付"));
    }
    let now_ms = sandbox.now_ms();
    let key = Key {
        channel: Channel::Wechat,
        out_trade_no: order.out_trade_no.clone(),
    };
    let mut books = sandbox.books();
    match books.trades.get(&key) {
        Some(trade) if trade.product != product || trade.request != body => {
            return Err(Answer::refusal(
                400,
                "INVALID_REQUEST",
                "请求重入时，参数与首次请求时不一致",
            ));
        }
        Some(trade) => match trade.phase(now_ms) {
            Phase::Paid | Phase::Hidden => {
                return Err(Answer::refusal(400, "ORDERPAID", "该订单已支付"));
            }
            Phase::Closed => return Err(Answer::refusal(400, "ORDER_CLOSED", "该订单已关闭")),
            Phase::Open => {}
        },
        None => {
            if order
                .expires_at_ms
                .is_some_and(|at_ms| at_ms < now_ms + MINUTE_MS)
            {
                return Err(param_error(
                    "参数错误：\"time_expire\"距当前时间必须大于1分钟",
                ));
            }
            books.trades.insert(
                key.clone(),
                new_trade(&key, product, order, body, call, now_ms),
            );
        }
    }
    Ok(Answer::json(
        200,
        &hand_out(sandbox, &mut books, &key, product, now_ms),
    ))
}

fn new_trade(
    key: &Key,
    product: Product,
    order: Order,
    request: Value,
    call: &Call,
    now_ms: i64,
) -> Trade {
    Trade {
        key: key.clone(),
        product,
        amount_fen: order.amount_fen,
        description: order.description,
        attach: order.attach,
        payer: order.payer,
        created_at_ms: now_ms,
        expires_at_ms: order.expires_at_ms.unwrap_or(now_ms + LIFE_MS),
        opened_at_ms: Some(now_ms),
        closed_at_ms: None,
        trade_no: None,
        payment: None,
        too_little: false,
        pays_after_close: false,
        notify_url: Some(order.notify_url),
        quit_url: None,
        notice_key: call.key,
        request,
        refunds: Vec::new(),
    }
}

/// A fresh prepay id, QR text or link for the order.
fn hand_out(
    sandbox: &Sandbox,
    books: &mut Books,
    key: &Key,
    product: Product,
    now_ms: i64,
) -> Value {
    let prepay_id = format!("wx{}{}", now_ms, random_hex(21));
    let life_ms = if product == Product::H5 {
        H5_LIFE_MS
    } else {
        PREPAY_LIFE_MS
    };
    let prepay = Prepay {
        key: key.clone(),
        ends_at_ms: now_ms + life_ms,
    };
    match product {
        Product::Native => {
            let code = random_hex(9);
            let code_url = format!("weixin://wxpay/bizpayurl?pr={code}zz");
            books.prepays.insert(code_url.clone(), prepay);
            json!({ "code_url": code_url })
        }
        Product::H5 => {
            books.prepays.insert(prepay_id.clone(), prepay);
            let package = now_ms % 10_000_000_000;
            let base = sandbox.base_url();
            json!({ "h5_url": format!("{base}/_wallet/h5?prepay_id={prepay_id}&package={package}") })
        }
        _ => {
            books.prepays.insert(prepay_id.clone(), prepay);
            json!({ "prepay_id": prepay_id })
        }
    }
}

fn read_order(sandbox: &Sandbox, body: &Value, product: Product) -> Result<Order, Answer> {
    let identity = &sandbox.config.wechat;
    let appid = text(body, "appid", 1, 32)?;
    let mchid = text(body, "mchid", 1, 32)?;
    if mchid != identity.mchid {
        return Err(param_error(
            "参数错误：\"mchid\"与Authorization中的商户号不一致",
        ));
    }
    if appid != identity.appid {
        return Err(Answer::refusal(
            400,
            "APPID_MCHID_NOT_MATCH",
            "appid和mchid不匹配，请检查绑定关系",
        ));
    }
    let description = text(body, "description", 1, 127)?;
    let out_trade_no = text(body, "out_trade_no", 6, 32)?;
    alphabet("out_trade_no", out_trade_no, "_-|*")?;
    let url = text(body, "notify_url", 1, 256)?;
    notify_url(url)?;
    let attach = optional_text(body, "attach", 128)?.unwrap_or_default();
    let expires_at_ms = match optional_text(body, "time_expire", 64)? {
        Some(time) => Some(
            parse_rfc3339(time)
                .ok_or_else(|| param_error("参数错误：\"time_expire\"不是RFC3339格式的时间"))?,
        ),
        None => None,
    };
    let amount_fen = fen(&body["amount"], "total")?;
    if optional_text(&body["amount"], "currency", 16)?.is_some_and(|currency| currency != "CNY") {
        return Err(param_error("参数错误：\"currency\"只支持CNY"));
    }
    check_scene(body, product)?;
    check_identity(sandbox, &body["payer"]["identity"])?;
    let payer = match product {
        Product::Jsapi => text(&body["payer"], "openid", 1, 128)?.to_owned(),
        _ => String::new(),
    };
    Ok(Order {
        out_trade_no: out_trade_no.to_owned(),
        description: description.to_owned(),
        attach: attach.to_owned(),
        notify_url: url.to_owned(),
        amount_fen,
        payer,
        expires_at_ms,
    })
}

fn check_scene(body: &Value, product: Product) -> Result<(), Answer> {
    let scene = &body["scene_info"];
    if scene.is_null() && product != Product::H5 {
        return Ok(());
    }
    let address = text(scene, "payer_client_ip", 1, 45)?;
    if address.parse::<std::net::IpAddr>().is_err() {
        return Err(param_error("参数错误：\"payer_client_ip\"不是IP地址"));
    }
    if product == Product::H5 {
        let kind = text(&scene["h5_info"], "type", 1, 32)?;
        if !["Wap", "iOS", "Android"].contains(&kind) {
            return Err(param_error(
                "参数错误：\"h5_info.type\"只能是Wap、iOS或Android",
            ));
        }
    }
    Ok(())
}

/// A real-name limited payer: number and name come sealed with the platform's key.
fn check_identity(sandbox: &Sandbox, identity: &Value) -> Result<(), Answer> {
    if identity.is_null() {
        return Ok(());
    }
    text(identity, "type", 1, 32)?;
    for name in ["number", "name"] {
        let sealed = text(identity, name, 1, 1024)?;
        if sandbox.config.wechat.platform_key.unseal(sealed).is_none() {
            return Err(param_error(&format!(
                "参数错误：\"payer.identity.{name}\"解密失败"
            )));
        }
    }
    Ok(())
}

/// `GET /v3/pay/transactions/{out-trade-no|id}/{…}?mchid=…`.
pub(super) fn query(
    sandbox: &Sandbox,
    call: &Call,
    name: Name<'_>,
    contradict: Option<&Fault>,
) -> Reply {
    require_mchid(sandbox, call.parameter("mchid"))?;
    let missing = || Answer::refusal(404, "ORDER_NOT_EXIST", "订单不存在");
    let books = sandbox.books();
    let trade = match name {
        Name::OutTradeNo(number) => books.trade(Channel::Wechat, number),
        Name::TransactionId(id) => books
            .by_transaction
            .get(id)
            .and_then(|key| books.trades.get(key)),
    };
    let trade = trade
        .filter(|trade| trade.key.channel == Channel::Wechat)
        .ok_or_else(missing)?;
    let now_ms = sandbox.now_ms();
    if contradict.is_some() {
        return Ok(Answer::json(
            200,
            &transaction(sandbox, &opposite(trade, now_ms), now_ms),
        ));
    }
    Ok(Answer::json(200, &transaction(sandbox, trade, now_ms)))
}

/// A trade as the books do not know it: unpaid when paid, paid when not.
pub(crate) fn opposite(trade: &Trade, now_ms: i64) -> Trade {
    let mut told = trade.clone();
    told.refunds.clear();
    told.payment = match trade.payment {
        Some(_) => None,
        None => Some(crate::books::Payment {
            transaction_id: format!("4200000000{:018}", now_ms),
            at_ms: now_ms,
            hidden_until_ms: now_ms,
        }),
    };
    told
}

/// What a query answers and a notice of payment holds.
pub(crate) fn transaction(sandbox: &Sandbox, trade: &Trade, now_ms: i64) -> Value {
    let (state, words) = match trade.phase(now_ms) {
        Phase::Open if trade.too_little => ("PAYERROR", "支付失败，余额不足"),
        Phase::Open => ("NOTPAY", "订单未支付"),
        Phase::Hidden => ("USERPAYING", "用户支付中"),
        Phase::Closed => ("CLOSED", "订单已关闭"),
        Phase::Paid if !trade.refunds.is_empty() => ("REFUND", "转入退款"),
        Phase::Paid => ("SUCCESS", "支付成功"),
    };
    let mut told = json!({
        "appid": sandbox.config.wechat.appid,
        "mchid": sandbox.config.wechat.mchid,
        "out_trade_no": trade.key.out_trade_no,
        "trade_state": state,
        "trade_state_desc": words,
        "attach": trade.attach,
        "promotion_detail": [],
    });
    let amount = trade.amount_fen;
    match trade
        .payment
        .as_ref()
        .filter(|_| trade.phase(now_ms) == Phase::Paid)
    {
        Some(payment) => {
            told["transaction_id"] = json!(payment.transaction_id);
            told["trade_type"] = json!(trade_type(trade.product));
            told["bank_type"] = json!("OTHERS");
            told["success_time"] = json!(rfc3339(payment.at_ms));
            told["payer"] = json!({ "openid": openid(trade) });
            told["amount"] = json!({
                "total": amount, "payer_total": amount, "currency": "CNY", "payer_currency": "CNY",
            });
        }
        None => {
            told["payer"] = json!({});
            told["amount"] = json!({ "total": amount, "currency": "CNY" });
        }
    }
    told
}

/// The payer's openid: the one of the order, or one that belongs to whoever scanned.
pub(crate) fn openid(trade: &Trade) -> String {
    if !trade.payer.is_empty() {
        return trade.payer.clone();
    }
    format!(
        "o{}",
        &crate::crypto::sha256_hex(trade.key.out_trade_no.as_bytes())[..27]
    )
}

pub(crate) fn trade_type(product: Product) -> &'static str {
    match product {
        Product::Jsapi => "JSAPI",
        Product::H5 => "MWEB",
        Product::App => "APP",
        _ => "NATIVE",
    }
}

/// `POST /v3/pay/transactions/out-trade-no/{…}/close`: 204, repeatable.
pub(super) fn close(
    sandbox: &Sandbox,
    call: &Call,
    out_trade_no: &str,
    contradict: Option<&Fault>,
) -> Reply {
    let body = call.json()?;
    require_mchid(sandbox, body["mchid"].as_str())?;
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let Some(trade) = books.trade(Channel::Wechat, out_trade_no) else {
        return Err(Answer::refusal(404, "ORDER_NOT_EXIST", "订单不存在"));
    };
    if contradict.is_some() {
        return Ok(Answer::empty());
    }
    match trade.phase(now_ms) {
        Phase::Paid => Err(Answer::refusal(400, "ORDERPAID", "该订单已支付")),
        Phase::Hidden => Err(Answer::refusal(
            500,
            "SYSTEM_ERROR",
            "系统异常，请用相同参数重新调用",
        )),
        Phase::Open | Phase::Closed => {
            let key = trade.key.clone();
            payer::close(&mut books, &key, now_ms);
            Ok(Answer::empty())
        }
    }
}

fn require_mchid(sandbox: &Sandbox, mchid: Option<&str>) -> Result<(), Answer> {
    if mchid == Some(sandbox.config.wechat.mchid.as_str()) {
        return Ok(());
    }
    Err(param_error(
        "参数错误：\"mchid\"缺失，或与Authorization中的商户号不一致",
    ))
}
