//! Answers for: Alipay OpenAPI v3: the methods of v2 as addresses of their own, the signature in a
//! header over what was sent, a status instead of a code. What a method does is the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::{BODY_MAX, Call, Refusal, Reply, SKEW_MS, work};
use crate::crypto::random_hex;
use crate::faults::Deed;
use crate::page;
use crate::server::Sandbox;

const SCHEME: &str = "ALIPAY-SHA256withRSA ";
/// Methods that v3 has, and whether they are asked for by GET.
const METHODS: [(&str, bool); 6] = [
    ("alipay.trade.precreate", false),
    ("alipay.trade.query", false),
    ("alipay.trade.close", false),
    ("alipay.trade.refund", false),
    ("alipay.trade.fastpay.refund.query", false),
    ("alipay.data.dataservice.bill.downloadurl.query", true),
];

/// What a call came with.
struct Received {
    verb: String,
    /// Path and query, exactly as they came.
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Everything under `/v3/alipay/`.
pub(crate) async fn entry(State(sandbox): State<Arc<Sandbox>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str()).to_owned();
    let Ok(body) = to_bytes(body, BODY_MAX).await else {
        let refusal = Refusal::illegal("invalid-parameter", "请求体过大");
        return answer(&sandbox, Err(refusal), false, None);
    };
    let received = Received {
        verb: parts.method.as_str().to_owned(),
        target,
        headers: parts.headers,
        body: body.to_vec(),
    };
    let call = match check(&sandbox, &received) {
        Ok(call) => call,
        Err(refusal) => return answer(&sandbox, Err(refusal), false, None),
    };
    let (reply, fault) = work(&sandbox, &call);
    let deed = fault.as_ref().map(|fault| fault.deed);
    tracing::info!(method = call.method, fault = ?deed,
        refused = reply.as_ref().err().map(|r| r.sub_code.as_str()), "alipay v3 call");
    if deed == Some(Deed::Lose) {
        return page::broken();
    }
    if let (Some(Deed::Delay), Some(fault)) = (deed, &fault) {
        let seconds = fault.delay_s.unwrap_or(3).min(120);
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
    answer(&sandbox, reply, call.certificates, deed)
}

/// Checks the signature and reads what is asked for.
fn check(sandbox: &Sandbox, received: &Received) -> Result<Call, Refusal> {
    let wrong = |what: &str| Refusal::illegal("invalid-signature", what);
    let authorization = received.header("authorization");
    let authorization = authorization.and_then(|text| text.strip_prefix(SCHEME));
    let (who, sign) = authorization
        .and_then(|text| text.rsplit_once(",sign="))
        .ok_or_else(|| wrong("Authorization格式错误"))?;
    let attributes: BTreeMap<&str, &str> = who
        .split(',')
        .filter_map(|part| part.split_once('='))
        .collect();
    let attribute = |name: &str| {
        let found = attributes.get(name).filter(|value| !value.is_empty());
        found
            .copied()
            .ok_or_else(|| wrong(&format!("Authorization缺少{name}")))
    };
    let identity = &sandbox.config.alipay;
    if attribute("app_id")? != identity.app_id {
        return Err(Refusal::illegal("invalid-app-id", "无效的AppID参数"));
    }
    attribute("nonce")?;
    let sent_ms: i64 = attribute("timestamp")?
        .parse()
        .map_err(|_| wrong("timestamp应为毫秒"))?;
    if (sandbox.now_ms() - sent_ms).abs() > SKEW_MS {
        return Err(wrong("timestamp与支付宝时间相差过大"));
    }
    let certificates = match (attributes.get("app_cert_sn"), &identity.certificates) {
        (None, _) => false,
        (Some(_), None) => return Err(wrong("应用未使用证书模式")),
        (Some(serial), Some(mode)) => {
            let root = received.header("alipay-root-cert-sn");
            if *serial != mode.app_cert_sn || root != Some(&mode.alipay_root_cert_sn) {
                return Err(wrong("证书SN有误"));
            }
            true
        }
    };
    let key = match &identity.certificates {
        Some(mode) if certificates => &mode.app_key,
        _ => &identity.app_key,
    };
    let Received {
        verb, target, body, ..
    } = received;
    let mut message = format!("{who}\n{verb}\n{target}\n").into_bytes();
    message.extend_from_slice(body);
    message.push(b'\n');
    if !key.verifies(&message, sign) {
        return Err(wrong("验签出错"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = path.trim_start_matches("/v3/").replace('/', ".");
    let known = METHODS.iter().find(|(known, _)| *known == method);
    let Some((_, by_get)) = known else {
        return Err(Refusal::illegal("api-not-found", "不存在的接口"));
    };
    if *by_get != (verb == "GET") {
        return Err(Refusal::illegal("invalid-method", "请求方法有误"));
    }
    let biz = if *by_get {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), json!(value)));
        Value::Object(Map::from_iter(pairs))
    } else {
        let biz: Option<Value> = serde_json::from_slice(body).ok();
        biz.filter(Value::is_object)
            .ok_or_else(|| Refusal::illegal("invalid-parameter", "请求体不是合法的JSON对象"))?
    };
    // What v2 takes as a public parameter stands in the body.
    let notify_url = biz["notify_url"].as_str().map(str::to_owned);
    let named = notify_url.map(|url| ("notify_url".to_owned(), url));
    Ok(Call {
        method,
        parameters: named.into_iter().collect(),
        biz,
        certificates,
    })
}

/// The answer: the bare object or code and message, signed in its headers.
fn answer(sandbox: &Sandbox, reply: Reply, certificates: bool, deed: Option<Deed>) -> Response {
    let (status, body) = match reply {
        Ok(mut members) => {
            members.remove("code");
            members.remove("msg");
            (StatusCode::OK, Value::Object(members))
        }
        Err(refusal) => {
            let status = match (refusal.code, refusal.sub_code.as_str()) {
                (_, "invalid-signature" | "invalid-app-id") => StatusCode::UNAUTHORIZED,
                ("40006", _) => StatusCode::FORBIDDEN,
                ("20000", _) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            };
            let (code, message) = (&refusal.sub_code, &refusal.sub_msg);
            let told = json!({ "code": code, "message": message, "links": [] });
            (status, told)
        }
    };
    let mut body = body.to_string().into_bytes();
    let (time, nonce) = (sandbox.now_ms(), random_hex(32));
    let mut message = format!("{time}\n{nonce}\n").into_bytes();
    message.extend_from_slice(&body);
    message.push(b'\n');
    let identity = &sandbox.config.alipay;
    let next = sandbox.next_alipay_key().filter(|_| certificates);
    let sign = match deed {
        Some(Deed::Forge | Deed::OtherKey) => {
            let stranger = sandbox.stranger_key();
            stranger.map(|key| key.sign(&message)).unwrap_or_default()
        }
        _ => next
            .map_or(&identity.alipay_key, |(key, _)| key)
            .sign(&message),
    };
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut body);
    }
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json;charset=utf-8")
        .header("alipay-timestamp", time.to_string())
        .header("alipay-nonce", nonce)
        .header("alipay-signature", sign)
        .header("alipay-trace-id", random_hex(32));
    if let Some(mode) = identity.certificates.as_ref().filter(|_| certificates) {
        let certificate = next.map_or(&mode.alipay_cert, |(_, certificate)| certificate);
        response = response.header("alipay-sn", &certificate.alipay_sn);
    }
    let answered = response.body(Body::from(body));
    answered.unwrap_or_else(|_| page::broken())
}
