//! Answers for: Alipay OpenAPI v2 as a gateway: who may call, what the parameters must be, and the
//! signature over the raw characters of the answer. The rules of trades and bills are below.

pub(crate) mod bills;
pub(crate) mod notices;
pub(crate) mod refunds;
pub(crate) mod trades;
pub(crate) mod v3;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Map, Value, json};

use crate::books::{Channel, Key};
use crate::faults::{Deed, Fault, Point};
use crate::server::Sandbox;
use crate::times::{MINUTE_MS, parse_plain};
use crate::{page, payer};

/// How far a request's timestamp may be off; Alipay publishes no figure.
const SKEW_MS: i64 = 15 * MINUTE_MS;
const BODY_MAX: usize = 1 << 20;

/// The members of an answer's inner object.
pub(crate) type Members = Map<String, Value>;

/// Why a call was not done.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: &'static str,
    sub_code: String,
    sub_msg: String,
}

impl Refusal {
    /// 40004: the rules of the business say no.
    pub(crate) fn business(sub_code: &str, sub_msg: &str) -> Refusal {
        Refusal {
            code: "40004",
            sub_code: sub_code.to_owned(),
            sub_msg: sub_msg.to_owned(),
        }
    }

    /// 40002: a parameter is wrong.
    pub(crate) fn illegal(sub_code: &str, sub_msg: &str) -> Refusal {
        Refusal {
            code: "40002",
            sub_code: sub_code.to_owned(),
            sub_msg: sub_msg.to_owned(),
        }
    }

    /// 40001: a parameter is missing.
    pub(crate) fn missing(name: &str) -> Refusal {
        Refusal {
            code: "40001",
            sub_code: format!("isv.missing-{}", name.replace('_', "-")),
            sub_msg: format!("缺少{name}参数"),
        }
    }

    /// 20000: nobody knows.
    pub(crate) fn unknown() -> Refusal {
        Refusal {
            code: "20000",
            sub_code: "isp.unknow-error".to_owned(),
            sub_msg: "系统繁忙，请稍后用相同参数重试".to_owned(),
        }
    }

    fn members(&self) -> Members {
        let msg = match self.code {
            "40001" => "Missing Required Arguments",
            "40002" => "Invalid Arguments",
            "40004" => "Business Failed",
            "40006" => "Insufficient Permissions",
            _ => "Service Currently Unavailable",
        };
        let mut members = Members::new();
        for (name, value) in [
            ("code", self.code),
            ("msg", msg),
            ("sub_code", &self.sub_code),
            ("sub_msg", &self.sub_msg),
        ] {
            members.insert(name.to_owned(), json!(value));
        }
        members
    }
}

pub(crate) type Reply = Result<Members, Refusal>;

/// A call that came with the app's valid signature.
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) biz: Value,
    /// The app uses certificates.
    pub(crate) certificates: bool,
}

impl Call {
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.parameters
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }
}

/// The text that is signed: `sign` and empty values dropped, `k=v` joined by `&`, values plain.
/// Requests keep `sign_type`, notices and return addresses drop it.
pub(crate) fn sign_text(pairs: &[(String, String)], drop_sign_type: bool, sorted: bool) -> String {
    let mut kept: Vec<&(String, String)> = pairs
        .iter()
        .filter(|(name, value)| name != "sign" && !value.is_empty())
        .filter(|(name, _)| !(drop_sign_type && name == "sign_type"))
        .collect();
    if sorted {
        kept.sort();
    }
    let parts: Vec<String> = kept
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("&")
}

/// `GET` and `POST /gateway.do`.
pub(crate) async fn entry(State(sandbox): State<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        return raw_error(&Refusal::illegal("isv.invalid-parameter", "请求体过大"));
    };
    if parts.method != Method::GET && parts.method != Method::POST {
        return raw_error(&Refusal::illegal("isv.invalid-method", "只支持GET和POST"));
    }
    let mut parameters = BTreeMap::new();
    let query = parts.uri.query().unwrap_or_default();
    for (name, value) in
        form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(&body))
    {
        parameters
            .entry(name.into_owned())
            .or_insert_with(|| value.into_owned());
    }
    let Some(method) = parameters
        .get("method")
        .filter(|method| !method.is_empty())
        .cloned()
    else {
        return raw_error(&Refusal::missing("method"));
    };
    let browser = matches!(
        method.as_str(),
        "alipay.trade.wap.pay" | "alipay.trade.page.pay"
    );
    let call = match check(&sandbox, &method, parameters) {
        Ok(call) => call,
        Err(refusal) if browser => return error_page(&refusal),
        Err(refusal) => return answer(&sandbox, &method, &refusal.members(), false, None),
    };
    let (reply, fault) = work(&sandbox, &call);
    tracing::info!(method, fault = ?fault.as_ref().map(|f| f.deed),
        refused = reply.as_ref().err().map(|r| r.sub_code.as_str()), "alipay call");
    let deed = fault.as_ref().map(|fault| fault.deed);
    if deed == Some(Deed::Lose) {
        return page::broken();
    }
    if let (Some(Deed::Delay), Some(fault)) = (deed, &fault) {
        let seconds = fault.delay_s.unwrap_or(3).min(120);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
    if browser {
        return match reply {
            Ok(members) => Redirect::to(
                members
                    .get("location")
                    .and_then(Value::as_str)
                    .unwrap_or("/"),
            )
            .into_response(),
            Err(refusal) => error_page(&refusal),
        };
    }
    let members = reply.unwrap_or_else(|refusal| refusal.members());
    answer(&sandbox, &method, &members, call.certificates, deed)
}

/// Checks the public parameters and the signature.
fn check(
    sandbox: &Sandbox,
    method: &str,
    parameters: BTreeMap<String, String>,
) -> Result<Call, Refusal> {
    let identity = &sandbox.config.alipay;
    let value = |name: &str| {
        let found = parameters.get(name).filter(|value| !value.is_empty());
        found
            .map(String::as_str)
            .ok_or_else(|| Refusal::missing(name))
    };
    if value("app_id")? != identity.app_id {
        return Err(Refusal::illegal("isv.invalid-app-id", "无效的AppID参数"));
    }
    if !value("charset")?.eq_ignore_ascii_case("utf-8") {
        return Err(Refusal::illegal("isv.invalid-charset", "沙箱只支持utf-8"));
    }
    if value("sign_type")? != "RSA2" {
        return Err(Refusal::illegal(
            "isv.invalid-signature-type",
            "无效的签名类型，只支持RSA2",
        ));
    }
    if value("version")? != "1.0" {
        return Err(Refusal::illegal("isv.invalid-version", "无效的版本号"));
    }
    if parameters
        .get("format")
        .is_some_and(|format| !format.eq_ignore_ascii_case("json"))
    {
        return Err(Refusal::illegal("isv.invalid-format", "无效的数据格式"));
    }
    let sent_ms = parse_plain(value("timestamp")?)
        .ok_or_else(|| Refusal::illegal("isv.invalid-timestamp", "非法的时间戳参数"))?;
    if (sandbox.now_ms() - sent_ms).abs() > SKEW_MS {
        return Err(Refusal::illegal(
            "isv.invalid-timestamp",
            "时间戳与支付宝时间相差过大",
        ));
    }
    let certificates = check_certificates(sandbox, &parameters)?;
    let key = match &identity.certificates {
        Some(mode) if certificates => &mode.app_key,
        _ => &identity.app_key,
    };
    let pairs: Vec<(String, String)> = parameters.clone().into_iter().collect();
    if !key.verifies(sign_text(&pairs, false, true).as_bytes(), value("sign")?) {
        return Err(Refusal::illegal(
            "isv.invalid-signature",
            "验签出错，请确认charset参数放在了URL查询字符串中且各参数值使用charset参数指示的字符集编码",
        ));
    }
    let biz = value("biz_content")?;
    let biz: Value = serde_json::from_str(biz)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| {
            Refusal::illegal("isv.invalid-parameter", "biz_content不是合法的JSON对象")
        })?;
    Ok(Call {
        method: method.to_owned(),
        parameters,
        biz,
        certificates,
    })
}

/// Whether the call is in certificate mode; both serials must then be ours.
fn check_certificates(
    sandbox: &Sandbox,
    parameters: &BTreeMap<String, String>,
) -> Result<bool, Refusal> {
    let sent = |name: &str| parameters.get(name).filter(|value| !value.is_empty());
    let (app, root) = (sent("app_cert_sn"), sent("alipay_root_cert_sn"));
    if app.is_none() && root.is_none() {
        return Ok(false);
    }
    let Some(mode) = &sandbox.config.alipay.certificates else {
        return Err(Refusal::illegal(
            "isv.app-cert-not-uploaded",
            "应用未使用证书模式",
        ));
    };
    if app.ok_or_else(|| Refusal::missing("app_cert_sn"))? != &mode.app_cert_sn {
        return Err(Refusal::illegal(
            "isv.invalid-app-cert-sn",
            "应用公钥证书SN有误",
        ));
    }
    if root.ok_or_else(|| Refusal::missing("alipay_root_cert_sn"))? != &mode.alipay_root_cert_sn {
        return Err(Refusal::illegal(
            "isv.invalid-alipay-root-cert-sn",
            "支付宝根证书SN有误",
        ));
    }
    Ok(true)
}

fn work(sandbox: &Sandbox, call: &Call) -> (Reply, Option<Fault>) {
    let number = match (
        call.biz["out_trade_no"].as_str(),
        call.biz["trade_no"].as_str(),
    ) {
        (Some(number), _) => number.to_owned(),
        (None, Some(id)) => {
            let books = sandbox.books();
            let key = books.by_transaction.get(id);
            key.map(|key| key.out_trade_no.clone()).unwrap_or_default()
        }
        (None, None) => String::new(),
    };
    let fault = point(&call.method).and_then(|at| sandbox.strike(Channel::Alipay, at, &number));
    let arm = || payer::arm(&mut sandbox.books(), &Key::new(Channel::Alipay, &number));
    let code = fault.as_ref().and_then(|fault| fault.code.clone());
    let is_bill = point(&call.method) == Some(Point::Bill);
    let error = || match &code {
        Some(code) => Refusal::business(code, "沙箱按脚本返回的错误"),
        None if is_bill => bills::absent(),
        None => Refusal::unknown(),
    };
    let reply = match fault.as_ref().map(|fault| fault.deed) {
        Some(Deed::ErrorBefore) => Err(error()),
        Some(Deed::ErrorAfter) => perform(sandbox, call, None).and_then(|_| Err(error())),
        Some(Deed::Duplicate) => {
            let _first = perform(sandbox, call, None);
            perform(sandbox, call, None)
        }
        Some(Deed::PayAfterClose) => {
            arm();
            let reply = perform(sandbox, call, None);
            arm();
            reply
        }
        Some(Deed::Contradict | Deed::Truncate | Deed::LineTwice) => {
            perform(sandbox, call, fault.as_ref())
        }
        Some(Deed::WrongAmount) if is_bill => perform(sandbox, call, fault.as_ref()),
        Some(Deed::WrongAmount) => perform(sandbox, call, None).map(one_fen_more),
        _ => perform(sandbox, call, None),
    };
    (reply, fault)
}

fn perform(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
    let contradict = fault.is_some_and(|fault| fault.deed == Deed::Contradict);
    match call.method.as_str() {
        "alipay.trade.wap.pay" | "alipay.trade.page.pay" => {
            trades::open_page(sandbox, call, contradict)
        }
        "alipay.trade.precreate" => trades::precreate(sandbox, call, contradict),
        "alipay.trade.query" => trades::query(sandbox, call, contradict),
        "alipay.trade.close" => trades::close(sandbox, call, contradict),
        "alipay.trade.refund" => refunds::refund(sandbox, call, contradict),
        "alipay.trade.fastpay.refund.query" => refunds::query(sandbox, call, contradict),
        "alipay.data.dataservice.bill.downloadurl.query" => bills::url(sandbox, call, fault),
        _ => Err(Refusal::illegal("isv.invalid-method", "不存在的方法名")),
    }
}

fn point(method: &str) -> Option<Point> {
    match method {
        "alipay.trade.wap.pay" | "alipay.trade.page.pay" | "alipay.trade.precreate" => {
            Some(Point::Create)
        }
        "alipay.trade.query" | "alipay.trade.fastpay.refund.query" => Some(Point::Query),
        "alipay.trade.close" => Some(Point::Close),
        "alipay.trade.refund" => Some(Point::Refund),
        "alipay.data.dataservice.bill.downloadurl.query" => Some(Point::Bill),
        _ => None,
    }
}

/// All amounts of an answer or a notice one fen higher.
pub(crate) fn one_fen_more(mut members: Members) -> Members {
    for (name, value) in members.iter_mut() {
        if (name.ends_with("_amount") || name == "refund_fee")
            && let Some(fen) = value.as_str().and_then(crate::money::parse_yuan)
        {
            *value = json!(crate::money::yuan(fen + 1));
        }
    }
    members
}

/// Adds `code` and `msg` of a success in front.
pub(crate) fn success(members: Value) -> Members {
    let mut whole = Members::new();
    whole.insert("code".to_owned(), json!("10000"));
    whole.insert("msg".to_owned(), json!("Success"));
    if let Value::Object(members) = members {
        whole.extend(members);
    }
    whole
}

/// Signs the inner object as it stands on the wire, slashes escaped as the real gateway does.
fn answer(
    sandbox: &Sandbox,
    method: &str,
    members: &Members,
    certificates: bool,
    deed: Option<Deed>,
) -> Response {
    let inner = Value::Object(members.clone())
        .to_string()
        .replace('/', "\\/");
    let identity = &sandbox.config.alipay;
    let next = sandbox.next_alipay_key().filter(|_| certificates);
    let sign = match deed {
        Some(Deed::Forge | Deed::OtherKey) => sandbox
            .stranger_key()
            .map(|key| key.sign(inner.as_bytes()))
            .unwrap_or_default(),
        Some(Deed::Probe) => {
            let real = identity.alipay_key.sign(inner.as_bytes());
            format!("WECHATPAY/SIGNTEST/{}", real.get(19..).unwrap_or_default())
        }
        _ => next
            .map_or(&identity.alipay_key, |(key, _)| key)
            .sign(inner.as_bytes()),
    };
    let serial = match &identity.certificates {
        Some(mode) if certificates => {
            let certificate = next.map_or(&mode.alipay_cert, |(_, certificate)| certificate);
            format!(r#""alipay_cert_sn":"{}","#, certificate.alipay_sn)
        }
        _ => String::new(),
    };
    let name = format!("{}_response", method.replace('.', "_"));
    let mut inner = inner.into_bytes();
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut inner);
    }
    let inner = String::from_utf8_lossy(&inner).into_owned();
    let body = format!(r#"{{"{name}":{inner},{serial}"sign":"{sign}"}}"#);
    ([(header::CONTENT_TYPE, "text/html;charset=utf-8")], body).into_response()
}

/// An error of the gateway itself: unsigned, under `error_response`.
fn raw_error(refusal: &Refusal) -> Response {
    let body = json!({ "error_response": refusal.members() }).to_string();
    ([(header::CONTENT_TYPE, "text/html;charset=utf-8")], body).into_response()
}

fn error_page(refusal: &Refusal) -> Response {
    page::message(
        axum::http::StatusCode::BAD_REQUEST,
        "订单无法支付",
        "This order cannot be paid",
        &format!("{}（{}）", refusal.sub_msg, refusal.sub_code),
    )
}
