//! Answers for: WeChat Pay API v3 as a server: who may call, which call it is, and the signature on
//! the way out. The rules of orders, refunds and bills are in the modules below.

pub(crate) mod bills;
mod check;
pub(crate) mod notices;
pub(crate) mod orders;
pub(crate) mod refunds;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::books::{Channel, Key, KeyKind, Product};
use crate::crypto::{random_hex, seal_aes_gcm};
use crate::faults::{Deed, Fault, Point};
use crate::server::Sandbox;
use crate::times::rfc3339;
use crate::{page, payer};

const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";
/// How far a merchant's clock may be off.
const SKEW_S: i64 = 300;
const BODY_MAX: usize = 1 << 20;

/// An answer before it is signed.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) content_type: &'static str,
    /// Only downloads of bill files and answers to whoever did not prove who he is have none.
    pub(crate) signed: bool,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer {
            status,
            body: body.to_string().into_bytes(),
            content_type: "application/json; charset=utf-8",
            signed: true,
        }
    }

    pub(crate) fn empty() -> Answer {
        Answer {
            status: 204,
            body: Vec::new(),
            content_type: "application/json",
            signed: true,
        }
    }

    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Answer {
        Answer::json(status, &json!({ "code": code, "message": message }))
    }
}

/// Either the answer or the refusal; both are answers to the merchant.
pub(crate) type Reply = Result<Answer, Answer>;

/// A request that came with the merchant's valid signature.
pub(crate) struct Call {
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The kind of key the answer is signed with.
    pub(crate) key: KeyKind,
}

impl Call {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Result<Value, Answer> {
        serde_json::from_slice(&self.body)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Answer::refusal(400, "PARAM_ERROR", "请求体不是合法的JSON对象"))
    }
}

/// Which call of the interface it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operation {
    Create(Product),
    QueryByNumber(String),
    QueryById(String),
    Close(String),
    Refund,
    RefundQuery(String),
    TradeBill,
    FundFlowBill,
    BillFile,
    Certificates,
}

/// Everything under `/v3/`.
pub(crate) async fn entry(State(sandbox): State<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    let default_key = answer_key(&sandbox, &parts.headers).unwrap_or(KeyKind::Cert);
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        let answer = Answer::refusal(413, "PARAM_ERROR", "请求体过大");
        return finish(&sandbox, answer, default_key, None).await;
    };
    let method = parts.method.as_str();
    if let Err(answer) = authorize(&sandbox, method, &target, &parts.headers, &body) {
        return finish(&sandbox, answer, default_key, None).await;
    }
    let key = match answer_key(&sandbox, &parts.headers) {
        Ok(key) => key,
        Err(answer) => return finish(&sandbox, answer, default_key, None).await,
    };
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let call = Call {
        query: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        body: body.to_vec(),
        key,
    };
    let Some(operation) = operation(method, path) else {
        let answer = Answer::refusal(404, "NOT_FOUND", "接口不存在，请检查URL和方法");
        return finish(&sandbox, answer, key, None).await;
    };
    let (answer, fault) = work(&sandbox, &call, &operation);
    tracing::info!(?operation, status = answer.status, fault = ?fault.as_ref().map(|f| f.deed), "wechat call");
    let key = if operation == Operation::Certificates {
        KeyKind::Cert
    } else {
        key
    };
    finish(&sandbox, answer, key, fault).await
}

/// Executes the call under the fault script that waits for it, if any.
fn work(sandbox: &Sandbox, call: &Call, operation: &Operation) -> (Answer, Option<Fault>) {
    let out_trade_no = about(sandbox, call, operation);
    let fault = point(operation).and_then(|at| match operation {
        // A rule is about bills that are asked for, and counts each once.
        Operation::BillFile => sandbox.books().faults.take(Channel::Wechat, at, ""),
        _ => sandbox.strike(Channel::Wechat, at, &out_trade_no),
    });
    let arm = || {
        payer::arm(
            &mut sandbox.books(),
            &Key::new(Channel::Wechat, &out_trade_no),
        )
    };
    let execute = |contradict: Option<&Fault>| {
        perform(sandbox, call, operation, contradict).unwrap_or_else(|refusal| refusal)
    };
    let answer = match fault.as_ref().map(|fault| fault.deed) {
        Some(Deed::ErrorBefore) => system_error(operation, fault.as_ref()),
        Some(Deed::ErrorAfter) => {
            execute(None);
            system_error(operation, fault.as_ref())
        }
        Some(Deed::Duplicate) => {
            execute(None);
            execute(None)
        }
        Some(Deed::PayAfterClose) => {
            // Before a close, and once more after an order, which is only there then.
            arm();
            let answer = execute(None);
            arm();
            answer
        }
        Some(Deed::Contradict | Deed::Truncate | Deed::LineTwice) => execute(fault.as_ref()),
        Some(Deed::WrongAmount) if point(operation) == Some(Point::Bill) => execute(fault.as_ref()),
        Some(Deed::WrongAmount) => one_fen_more(execute(None)),
        _ => execute(None),
    };
    (answer, fault)
}

fn perform(
    sandbox: &Sandbox,
    call: &Call,
    operation: &Operation,
    contradict: Option<&Fault>,
) -> Reply {
    match operation {
        Operation::Create(product) => orders::create(sandbox, call, *product, contradict),
        Operation::QueryByNumber(number) => {
            orders::query(sandbox, call, orders::Name::OutTradeNo(number), contradict)
        }
        Operation::QueryById(id) => {
            orders::query(sandbox, call, orders::Name::TransactionId(id), contradict)
        }
        Operation::Close(number) => orders::close(sandbox, call, number, contradict),
        Operation::Refund => refunds::request(sandbox, call, contradict),
        Operation::RefundQuery(number) => refunds::query(sandbox, number),
        Operation::TradeBill => bills::trade_bill(sandbox, call, contradict),
        Operation::FundFlowBill => bills::fund_flow_bill(sandbox, call, contradict),
        Operation::BillFile => bills::file(sandbox, call),
        Operation::Certificates => certificates(sandbox),
    }
}

fn operation(method: &str, path: &str) -> Option<Operation> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let decoded = |text: &str| percent_decoded(text);
    Some(match (method, parts.as_slice()) {
        ("POST", ["v3", "pay", "transactions", "jsapi"]) => Operation::Create(Product::Jsapi),
        ("POST", ["v3", "pay", "transactions", "h5"]) => Operation::Create(Product::H5),
        ("POST", ["v3", "pay", "transactions", "native"]) => Operation::Create(Product::Native),
        ("POST", ["v3", "pay", "transactions", "app"]) => Operation::Create(Product::App),
        ("GET", ["v3", "pay", "transactions", "out-trade-no", number]) => {
            Operation::QueryByNumber(decoded(number))
        }
        ("GET", ["v3", "pay", "transactions", "id", id]) => Operation::QueryById(decoded(id)),
        ("POST", ["v3", "pay", "transactions", "out-trade-no", number, "close"]) => {
            Operation::Close(decoded(number))
        }
        ("POST", ["v3", "refund", "domestic", "refunds"]) => Operation::Refund,
        ("GET", ["v3", "refund", "domestic", "refunds", number]) => {
            Operation::RefundQuery(decoded(number))
        }
        ("GET", ["v3", "bill", "tradebill"]) => Operation::TradeBill,
        ("GET", ["v3", "bill", "fundflowbill"]) => Operation::FundFlowBill,
        ("GET", ["v3", "billdownload", "file"]) => Operation::BillFile,
        ("GET", ["v3", "certificates"]) => Operation::Certificates,
        _ => return None,
    })
}

/// Order numbers may hold `|` and `*`, which clients escape in a path.
fn percent_decoded(text: &str) -> String {
    let whole = format!("k={}", text.replace('+', "%2B"));
    form_urlencoded::parse(whole.as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}

fn point(operation: &Operation) -> Option<Point> {
    match operation {
        Operation::Create(_) => Some(Point::Create),
        Operation::QueryByNumber(_) | Operation::QueryById(_) | Operation::RefundQuery(_) => {
            Some(Point::Query)
        }
        Operation::Close(_) => Some(Point::Close),
        Operation::Refund => Some(Point::Refund),
        Operation::TradeBill | Operation::FundFlowBill | Operation::BillFile => Some(Point::Bill),
        Operation::Certificates => None,
    }
}

/// The order number a call is about, empty when it names none that is known.
fn about(sandbox: &Sandbox, call: &Call, operation: &Operation) -> String {
    let by_transaction = |id: &str| {
        sandbox
            .books()
            .by_transaction
            .get(id)
            .map(|key| key.out_trade_no.clone())
            .unwrap_or_default()
    };
    match operation {
        Operation::QueryByNumber(number) | Operation::Close(number) => number.clone(),
        Operation::QueryById(id) => by_transaction(id),
        Operation::RefundQuery(number) => {
            let books = sandbox.books();
            books
                .by_refund
                .get(number)
                .map(|key| key.out_trade_no.clone())
                .unwrap_or_default()
        }
        Operation::Create(_) | Operation::Refund => {
            let body = call.json().unwrap_or_default();
            match (
                body["out_trade_no"].as_str(),
                body["transaction_id"].as_str(),
            ) {
                (Some(number), _) => number.to_owned(),
                (None, Some(id)) => by_transaction(id),
                (None, None) => String::new(),
            }
        }
        _ => String::new(),
    }
}

fn system_error(operation: &Operation, fault: Option<&Fault>) -> Answer {
    let code = fault.and_then(|fault| fault.code.as_deref());
    match (code, operation) {
        (None, Operation::TradeBill | Operation::FundFlowBill) => {
            Answer::refusal(400, "STATEMENT_CREATING", "账单文件正在生成中，请稍后再试")
        }
        (None, _) => Answer::refusal(500, "SYSTEM_ERROR", "系统异常，请用相同参数重新调用"),
        (Some(code), _) => Answer::refusal(status_of(code), code, "沙箱按脚本返回的错误"),
    }
}

/// The HTTP status that goes with an error code.
fn status_of(code: &str) -> u16 {
    match code {
        "USER_PAYING" | "USERPAYING" => 202,
        "SIGN_ERROR" => 401,
        "NO_AUTH"
        | "OUT_TRADE_NO_USED"
        | "RULE_LIMIT"
        | "TRADE_ERROR"
        | "ACCOUNT_ERROR"
        | "NOT_ENOUGH"
        | "USER_ACCOUNT_ABNORMAL" => 403,
        "ORDER_NOT_EXIST" | "RESOURCE_NOT_EXISTS" => 404,
        "FREQUENCY_LIMITED" | "FREQUENCY_LIMIT_EXCEED" => 429,
        "SYSTEM_ERROR" | "BANK_ERROR" | "OPENID_MISMATCH" => 500,
        _ => 400,
    }
}

fn one_fen_more(mut answer: Answer) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return answer;
    };
    if let Some(amount) = body.get_mut("amount").and_then(Value::as_object_mut) {
        for (_, value) in amount.iter_mut() {
            if let Some(fen) = value.as_u64() {
                *value = json!(fen + 1);
            }
        }
        answer.body = body.to_string().into_bytes();
    }
    answer
}

/// Checks everything a request must prove before anybody reads it.
fn authorize(
    sandbox: &Sandbox,
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Answer> {
    // WeChat signs only what it answers to a request whose signature it has accepted.
    let sign_error = |message: &str| Answer {
        signed: false,
        ..Answer::refusal(401, "SIGN_ERROR", message)
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if header("accept").is_none() || header("user-agent").is_none() {
        return Err(Answer::refusal(
            400,
            "PARAM_ERROR",
            "Http头缺少Accept或User-Agent",
        ));
    }
    if method == "POST"
        && !header("content-type").is_some_and(|t| t.starts_with("application/json"))
    {
        return Err(Answer::refusal(
            400,
            "PARAM_ERROR",
            "Content-Type必须是application/json",
        ));
    }
    let authorization = header("authorization").ok_or_else(|| {
        sign_error("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
    })?;
    let attributes = check::authorization(authorization, SCHEME).ok_or_else(|| {
        sign_error("Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》")
    })?;
    let identity = &sandbox.config.wechat;
    if attributes.mchid != identity.mchid {
        return Err(sign_error("商户号不存在，请检查Authorization中的mchid"));
    }
    if attributes.serial_no != identity.merchant_serial {
        return Err(sign_error(
            "商户证书序列号有误。请使用签名私钥匹配的证书序列号",
        ));
    }
    let timestamp: i64 = attributes
        .timestamp
        .parse()
        .map_err(|_| sign_error("Http头Authorization中的timestamp不是数字"))?;
    if (sandbox.now_ms() / 1000 - timestamp).abs() > SKEW_S {
        return Err(sign_error(
            "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟",
        ));
    }
    let mut message = format!(
        "{method}\n{target}\n{timestamp}\n{}\n",
        attributes.nonce_str
    )
    .into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    if !identity
        .merchant_key
        .verifies(&message, &attributes.signature)
    {
        return Err(sign_error("错误的签名，验签失败"));
    }
    Ok(())
}

/// The kind of key that the request's `Wechatpay-Serial` asks for.
fn answer_key(sandbox: &Sandbox, headers: &HeaderMap) -> Result<KeyKind, Answer> {
    let identity = &sandbox.config.wechat;
    let certificate = identity.platform_cert.as_ref();
    let Some(serial) = headers
        .get("wechatpay-serial")
        .and_then(|value| value.to_str().ok())
    else {
        return Ok(if certificate.is_some() {
            KeyKind::Cert
        } else {
            KeyKind::Pub
        });
    };
    if identity.public_key_id.as_deref() == Some(serial) {
        return Ok(KeyKind::Pub);
    }
    let mut known = certificate.into_iter().chain(sandbox.second_certificate());
    if known.any(|certificate| certificate.serial_hex.eq_ignore_ascii_case(serial)) {
        return Ok(KeyKind::Cert);
    }
    Err(Answer::refusal(
        400,
        "PARAM_ERROR",
        "Http头Wechatpay-Serial与微信支付公钥ID或平台证书序列号均不一致",
    ))
}

/// The headers that sign `body`, with the script's tricks.
pub(crate) fn sign(
    sandbox: &Sandbox,
    kind: KeyKind,
    body: &[u8],
    deed: Option<Deed>,
) -> Vec<(&'static str, String)> {
    let identity = &sandbox.config.wechat;
    let timestamp = (sandbox.now_ms() / 1000).to_string();
    let nonce = random_hex(32);
    let mut message = format!("{timestamp}\n{nonce}\n").into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    let cert_serial = identity
        .platform_cert
        .as_ref()
        .map(|cert| cert.serial_hex.clone());
    let pub_serial = identity.public_key_id.clone();
    let mut serial = match kind {
        KeyKind::Pub => pub_serial.or(cert_serial),
        KeyKind::Cert => cert_serial.or(pub_serial),
    }
    .unwrap_or_default();
    let deed = match deed {
        Some(Deed::Probe | Deed::Forge) => deed,
        _ if sandbox.is_rotated(Channel::Wechat) => Some(Deed::OtherKey),
        _ => deed,
    };
    let signature = match deed {
        Some(Deed::Probe) => {
            let real = identity.platform_key.sign(&message);
            format!("WECHATPAY/SIGNTEST/{}", real.get(19..).unwrap_or_default())
        }
        Some(Deed::Forge) => match sandbox.stranger_key() {
            Some(key) => key.sign(&message),
            None => String::new(),
        },
        Some(Deed::OtherKey) => match sandbox.second_key() {
            Some((key, certificate)) => {
                serial.clone_from(&certificate.serial_hex);
                key.sign(&message)
            }
            None => String::new(),
        },
        _ => identity.platform_key.sign(&message),
    };
    vec![
        ("wechatpay-timestamp", timestamp),
        ("wechatpay-nonce", nonce),
        ("wechatpay-serial", serial),
        ("wechatpay-signature", signature),
        ("wechatpay-signature-type", SCHEME.to_owned()),
    ]
}

/// Signs and sends the answer, the way the fault script wants it.
async fn finish(
    sandbox: &Sandbox,
    mut answer: Answer,
    key: KeyKind,
    fault: Option<Fault>,
) -> Response {
    let deed = fault.as_ref().map(|fault| fault.deed);
    match deed {
        Some(Deed::Lose) => return page::broken(),
        Some(Deed::Delay) => {
            let seconds = fault.and_then(|fault| fault.delay_s).unwrap_or(3).min(120);
            tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        }
        _ => {}
    }
    let headers = if answer.signed {
        sign(sandbox, key, &answer.body, deed)
    } else {
        Vec::new()
    };
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut answer.body);
    }
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let out = response.headers_mut();
    out.insert(
        "content-type",
        HeaderValue::from_static(answer.content_type),
    );
    let code = if answer.status < 300 {
        "0"
    } else {
        "268488704"
    };
    for (name, value) in headers.into_iter().chain([(
        "request-id",
        format!("{}-{code}", random_hex(20).to_uppercase()),
    )]) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            out.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// `GET /v3/certificates`: all valid platform certificates, sealed with the APIv3 key.
fn certificates(sandbox: &Sandbox) -> Reply {
    let identity = &sandbox.config.wechat;
    let Some(first) = &identity.platform_cert else {
        let message = "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥";
        return Err(Answer::refusal(404, "RESOURCE_NOT_EXISTS", message));
    };
    let mut data = Vec::new();
    for certificate in [first].into_iter().chain(sandbox.second_certificate()) {
        let nonce = random_hex(12);
        let ciphertext = seal_aes_gcm(
            &identity.apiv3_key,
            &nonce12(&nonce),
            "certificate",
            certificate.pem.as_bytes(),
        );
        data.push(json!({
            "serial_no": certificate.serial_hex,
            "effective_time": rfc3339(certificate.not_before_s * 1000),
            "expire_time": rfc3339(certificate.not_after_s * 1000),
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": nonce,
                "associated_data": "certificate",
                "ciphertext": ciphertext,
            },
        }));
    }
    Ok(Answer::json(200, &json!({ "data": data })))
}

/// The 12 ASCII bytes of a nonce text.
pub(crate) fn nonce12(text: &str) -> [u8; 12] {
    let mut bytes = [b'0'; 12];
    for (to, from) in bytes.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    bytes
}
