//! Answers for: UnionPay ACP 5.1.0 as a gateway: who may call, what the parameters must be, and the
//! signed answer that is not url-encoded. The rules of orders, refunds and files are below.

pub(crate) mod file;
pub(crate) mod notices;
pub(crate) mod orders;
pub(crate) mod refunds;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use crate::books::{Channel, Key};
use crate::config::UnionpayIdentity;
use crate::crypto::{SigningKey, sha256_hex};
use crate::faults::{Deed, Fault, Point};
use crate::server::Sandbox;
use crate::{page, payer};

/// The parameters of a message.
pub(crate) type Fields = BTreeMap<String, String>;

/// Why a request was not done: `respCode` and `respMsg`.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: &str) -> Refusal {
        Refusal {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    /// 10 and 13: a parameter is wrong or missing.
    pub(crate) fn format(name: &str, message: &str) -> Refusal {
        Refusal::new("10", &format!("报文格式错误[{name}{message}]"))
    }
}

/// What an answer says beside what it repeats of the request.
pub(crate) type Reply = Result<Fields, Refusal>;

/// A request that came with the merchant's valid signature.
pub(crate) struct Call<'a> {
    pub(crate) identity: &'a UnionpayIdentity,
    pub(crate) fields: Fields,
}

impl Call<'_> {
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        let found = self.fields.get(name).map(String::as_str);
        found.filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.optional(name)
            .ok_or_else(|| Refusal::new("13", &format!("报文交易要素缺失[{name}]")))
    }

    /// Digits, at least 1 fen.
    pub(crate) fn amount(&self) -> Result<u64, Refusal> {
        let text = self.required("txnAmt")?;
        let digits = text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| text.parse().ok())
            .flatten()
            .filter(|fen| *fen >= 1)
            .ok_or_else(|| Refusal::format("txnAmt", "应为1到12位数字，以分为单位"))
    }

    /// 8 to 40 letters and digits.
    pub(crate) fn order_id(&self) -> Result<&str, Refusal> {
        let text = self.required("orderId")?;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if plain && (8..=40).contains(&text.len()) {
            Ok(text)
        } else {
            Err(Refusal::format("orderId", "应为8到40位字母或数字"))
        }
    }
}

/// The text that is signed: `signature` and empty values dropped, sorted, `k=v` joined by `&`.
pub(crate) fn sign_text(fields: &Fields) -> String {
    let kept = fields
        .iter()
        .filter(|(name, value)| *name != "signature" && !value.is_empty());
    let parts: Vec<String> = kept
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("&")
}

/// Signs 5.1.0: over the hex text of the hash.
pub(crate) fn sign(key: &SigningKey, fields: &Fields) -> String {
    key.sign(sha256_hex(sign_text(fields).as_bytes()).as_bytes())
}

/// Adds method, certificate and signature. `deed` may choose a wrong key.
pub(crate) fn seal(
    sandbox: &Sandbox,
    identity: &UnionpayIdentity,
    fields: &mut Fields,
    deed: Option<Deed>,
) {
    let is_next = sandbox.is_rotated(Channel::Unionpay);
    let next = identity.next.as_ref().filter(|_| is_next);
    let (own_key, own_certificate) = next.map_or(
        (&identity.unionpay_key, &identity.unionpay_cert),
        |(key, certificate)| (key, certificate),
    );
    let mut put = |name: &str, value: &str| fields.insert(name.to_owned(), value.to_owned());
    put("version", "5.1.0");
    put("encoding", "UTF-8");
    put("signMethod", "01");
    put("signPubKeyCert", &own_certificate.pem);
    let signature = match deed {
        Some(Deed::Forge) => sandbox.stranger_key().map(|key| sign(key, fields)),
        Some(Deed::OtherKey) => sandbox.second_key().map(|(key, certificate)| {
            fields.insert("signPubKeyCert".to_owned(), certificate.pem.clone());
            sign(key, fields)
        }),
        Some(Deed::Probe) => Some("WECHATPAY/SIGNTEST/".to_owned()),
        _ => Some(sign(own_key, fields)),
    };
    fields.insert("signature".to_owned(), signature.unwrap_or_default());
}

/// `POST /gateway/api/{service}`.
pub(crate) async fn entry(
    State(sandbox): State<Arc<Sandbox>>,
    Path(service): Path<String>,
    body: Bytes,
) -> Response {
    handle(sandbox, &service, &body).await
}

/// `POST /filedownload/`.
pub(crate) async fn download(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    handle(sandbox, "filedownload", &body).await
}

async fn handle(sandbox: Arc<Sandbox>, service: &str, body: &[u8]) -> Response {
    let Some(identity) = &sandbox.config.unionpay else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let fields: Fields = form_urlencoded::parse(body).into_owned().collect();
    let call = Call { identity, fields };
    let (reply, fault) = match check(&call, service) {
        Ok(()) => work(&sandbox, &call, service),
        Err(refusal) => (Err(refusal), None),
    };
    let deed = fault.as_ref().map(|fault| fault.deed);
    tracing::info!(service, fault = ?deed,
        refused = reply.as_ref().err().map(|refusal| refusal.code.as_str()), "unionpay call");
    if deed == Some(Deed::Lose) {
        return page::broken();
    }
    if let (Some(Deed::Delay), Some(fault)) = (deed, &fault) {
        let seconds = fault.delay_s.unwrap_or(3).min(120);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
    if service == "frontTransReq.do" {
        return match reply {
            Ok(told) => {
                Redirect::to(told.get("location").map_or("/", String::as_str)).into_response()
            }
            Err(refusal) => error_page(&refusal),
        };
    }
    answer(&sandbox, &call, reply, deed)
}

/// Checks the common parameters and the signature.
fn check(call: &Call<'_>, service: &str) -> Result<(), Refusal> {
    for (name, value) in [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("accessType", "0"),
    ] {
        if call.required(name)? != value {
            return Err(Refusal::format(name, &format!("应为{value}")));
        }
    }
    if call.required("merId")? != call.identity.mer_id {
        return Err(Refusal::new("31", "商户状态不正确[merId]"));
    }
    if call.required("certId")? != call.identity.merchant_cert_id {
        return Err(Refusal::new("11", "验证签名失败[certId]"));
    }
    let digest = sha256_hex(sign_text(&call.fields).as_bytes());
    let signature = call.required("signature")?;
    if !call
        .identity
        .merchant_key
        .verifies(digest.as_bytes(), signature)
    {
        return Err(Refusal::new("11", "验证签名失败[9100004]"));
    }
    if orders::parse_time(call.required("txnTime")?).is_none() {
        return Err(Refusal::format("txnTime", "应为YYYYMMDDhhmmss"));
    }
    let kind = call.required("txnType")?;
    let fits = match service {
        "frontTransReq.do" | "appTransReq.do" => kind == "01",
        "queryTrans.do" => kind == "00",
        "backTransReq.do" => kind == "04" || kind == "31",
        "filedownload" => kind == "76",
        _ => false,
    };
    fits.then_some(())
        .ok_or_else(|| Refusal::new("32", "无此交易权限[txnType]"))
}

fn point(service: &str) -> Point {
    match service {
        "frontTransReq.do" | "appTransReq.do" => Point::Create,
        "queryTrans.do" => Point::Query,
        "filedownload" => Point::Bill,
        _ => Point::Refund,
    }
}

fn work(sandbox: &Sandbox, call: &Call<'_>, service: &str) -> (Reply, Option<Fault>) {
    let number = {
        let books = sandbox.books();
        let number = call.optional("orderId").unwrap_or_default();
        let by_payment = call
            .optional("origQryId")
            .and_then(|id| books.by_transaction.get(id));
        // A fault about an order strikes its refunds too.
        let key: Option<&Key> = by_payment.or_else(|| books.by_refund.get(number));
        key.map_or(number, |key| key.out_trade_no.as_str())
            .to_owned()
    };
    let fault = sandbox.strike(Channel::Unionpay, point(service), &number);
    let arm = || payer::arm(&mut sandbox.books(), &Key::new(Channel::Unionpay, &number));
    let code = fault.as_ref().and_then(|fault| fault.code.clone());
    let usual = match point(service) {
        Point::Bill => file::NO_FILE,
        _ => "03",
    };
    let error = || Refusal::new(code.as_deref().unwrap_or(usual), "沙箱按脚本返回的错误");
    let perform = |contradict: Option<&Fault>| match service {
        "frontTransReq.do" => orders::front(sandbox, call, contradict.is_some()),
        "appTransReq.do" => orders::app(sandbox, call, contradict.is_some()),
        "queryTrans.do" => orders::query(sandbox, call, contradict.is_some()),
        "filedownload" => file::fetch(sandbox, call, contradict),
        _ => refunds::refund(sandbox, call, contradict),
    };
    let reply = match fault.as_ref().map(|fault| fault.deed) {
        Some(Deed::ErrorBefore) => Err(error()),
        Some(Deed::ErrorAfter) => perform(None).and_then(|_| Err(error())),
        Some(Deed::Duplicate) => {
            let _first = perform(None);
            perform(None)
        }
        Some(Deed::PayAfterClose) => {
            let reply = perform(None);
            arm();
            reply
        }
        Some(Deed::Contradict | Deed::Truncate | Deed::LineTwice) => perform(fault.as_ref()),
        Some(Deed::WrongAmount) if point(service) == Point::Bill => perform(fault.as_ref()),
        Some(Deed::WrongAmount) => perform(None).map(one_fen_more),
        _ => perform(None),
    };
    (reply, fault)
}

/// The amount of an answer or a notice one fen higher.
pub(crate) fn one_fen_more(mut fields: Fields) -> Fields {
    if let Some(amount) = fields.get_mut("txnAmt")
        && let Ok(fen) = amount.parse::<u64>()
    {
        *amount = (fen + 1).to_string();
    }
    fields
}

/// The answer: what was asked, what came of it, signed, and not encoded at all.
fn answer(sandbox: &Sandbox, call: &Call<'_>, reply: Reply, deed: Option<Deed>) -> Response {
    let repeated = [
        "txnType",
        "txnSubType",
        "bizType",
        "accessType",
        "merId",
        "orderId",
        "txnTime",
        "txnAmt",
        "currencyCode",
        "origQryId",
        "reqReserved",
    ];
    let mut fields: Fields = repeated
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), call.optional(name)?.to_owned())))
        .collect();
    match reply {
        Ok(told) => {
            fields.insert("respCode".to_owned(), "00".to_owned());
            fields.insert("respMsg".to_owned(), "成功[0000000]".to_owned());
            fields.extend(told);
        }
        Err(Refusal { code, message }) => {
            fields.insert("respCode".to_owned(), code);
            fields.insert("respMsg".to_owned(), message);
        }
    }
    seal(sandbox, call.identity, &mut fields, deed);
    let parts: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut body = parts.join("&").into_bytes();
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut body);
    }
    ([(header::CONTENT_TYPE, "text/html;charset=UTF-8")], body).into_response()
}

fn error_page(refusal: &Refusal) -> Response {
    page::message(
        StatusCode::BAD_REQUEST,
        "订单无法支付",
        "This order cannot be paid",
        &format!("{}（{}）", refusal.message, refusal.code),
    )
}
