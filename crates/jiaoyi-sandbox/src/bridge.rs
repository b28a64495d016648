//! Answers for: WeChat inside a browser: the OAuth pair for an openid, and the script that plays
//! `WeixinJSBridge` for browser tests.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::books::Product;
use crate::crypto::{random_hex, sha256_hex};
use crate::page::{self, is_web_address, with_parameters};
use crate::server::Sandbox;
use crate::times::{HOUR_MS, MINUTE_MS};
use crate::wallet::{self, allow_any_origin};

/// How long an OAuth code works.
const CODE_LIFE_MS: i64 = 5 * MINUTE_MS;
/// How far a JSAPI `timeStamp` may be off.
const INVOKE_SKEW_MS: i64 = 2 * HOUR_MS;
const COOKIE: &str = "sandbox_user";

#[derive(Deserialize)]
pub(crate) struct Authorize {
    appid: Option<String>,
    redirect_uri: Option<String>,
    response_type: Option<String>,
    scope: Option<String>,
    state: Option<String>,
}

/// `GET /connect/oauth2/authorize`: silent (`snsapi_base`); each browser is one person, by cookie.
pub(crate) async fn authorize(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    Query(asked): Query<Authorize>,
) -> Response {
    let refuse =
        |text: &str| page::message(StatusCode::BAD_REQUEST, "无法登录", "Cannot sign in", text);
    if asked.appid.as_deref() != Some(sandbox.config.wechat.appid.as_str()) {
        return refuse("AppID 参数错误（40013）");
    }
    let Some(redirect_uri) = asked.redirect_uri.filter(|url| is_web_address(url)) else {
        return refuse("redirect_uri 参数错误（10003）");
    };
    if asked.response_type.as_deref() != Some("code") {
        return refuse("response_type 只能是 code");
    }
    if !matches!(
        asked.scope.as_deref(),
        Some("snsapi_base" | "snsapi_userinfo")
    ) {
        return refuse("Scope 参数错误或没有 Scope 权限（10005）");
    }
    let state = asked.state.unwrap_or_default();
    if state.len() > 128
        || !state
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        return refuse("state 最多128字节，只能是字母、数字、- 和 _");
    }
    let person = person(&headers).unwrap_or_else(|| random_hex(32));
    let openid = format!(
        "o{}",
        &sha256_hex(format!("openid {person}").as_bytes())[..27]
    );
    let code = format!("0{}", random_hex(31));
    sandbox
        .books()
        .codes
        .insert(code.clone(), (openid, sandbox.now_ms(), false));
    let pairs = [("code".to_owned(), code), ("state".to_owned(), state)];
    let cookie = format!("{COOKIE}={person}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000");
    let location = with_parameters(&redirect_uri, &pairs);
    (
        StatusCode::FOUND,
        [(header::LOCATION, location), (header::SET_COOKIE, cookie)],
    )
        .into_response()
}

fn person(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let value = cookies
        .split(';')
        .find_map(|part| part.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
    let is_ours = value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| value.to_owned())
}

#[derive(Deserialize)]
pub(crate) struct AccessToken {
    appid: Option<String>,
    secret: Option<String>,
    code: Option<String>,
    grant_type: Option<String>,
}

/// `GET /sns/oauth2/access_token`: a code works once, for five minutes. Any secret will do.
pub(crate) async fn access_token(
    State(sandbox): State<Arc<Sandbox>>,
    Query(asked): Query<AccessToken>,
) -> Response {
    let refuse = |number: i32, text: &str| {
        let body = json!({ "errcode": number, "errmsg": text });
        page::json(StatusCode::OK, &body)
    };
    if asked.appid.as_deref() != Some(sandbox.config.wechat.appid.as_str()) {
        return refuse(40013, "invalid appid");
    }
    if asked.secret.is_none_or(|secret| secret.is_empty()) {
        return refuse(41004, "appsecret missing");
    }
    if asked.grant_type.as_deref() != Some("authorization_code") {
        return refuse(40002, "invalid grant_type");
    }
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let found = asked.code.and_then(|code| books.codes.get_mut(&code));
    let Some((openid, made_at_ms, used)) = found else {
        return refuse(40029, "invalid code");
    };
    if *used {
        return refuse(40163, "code been used");
    }
    if now_ms - *made_at_ms > CODE_LIFE_MS {
        return refuse(42003, "code expired");
    }
    *used = true;
    page::json(
        StatusCode::OK,
        &json!({
            "access_token": random_hex(64),
            "expires_in": 7200,
            "refresh_token": random_hex(64),
            "openid": openid,
            "scope": "snsapi_base",
        }),
    )
}

/// `GET /_sandbox/jsbridge.js`: defines `window.WeixinJSBridge` and fires `WeixinJSBridgeReady`.
/// `window.sandboxWalletAct = "pay"` (any button's name) decides without asking.
pub(crate) async fn script(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let text = include_str!("jsbridge.js").replace("{{BASE}}", sandbox.base_url());
    let response = (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        text,
    )
        .into_response();
    allow_any_origin(response)
}

/// `POST /_sandbox/jsbridge/invoke`: checks what a page gave to `getBrandWCPayRequest` and answers
/// `{"wallet","description","amount"}`, or `{"err_msg"}` with the reason in `err_desc`.
pub(crate) async fn invoke(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let told = match open(&sandbox, &body) {
        Ok(told) => told,
        Err(reason) => json!({ "err_msg": "get_brand_wcpay_request:fail", "err_desc": reason }),
    };
    allow_any_origin(page::json(StatusCode::OK, &told))
}

fn open(sandbox: &Sandbox, body: &[u8]) -> Result<Value, &'static str> {
    let asked: Value = serde_json::from_slice(body).map_err(|_| "参数不是JSON")?;
    let field = |name: &str| asked[name].as_str().filter(|text| !text.is_empty());
    let identity = &sandbox.config.wechat;
    if field("appId") != Some(identity.appid.as_str()) {
        return Err("appId 无效");
    }
    if field("signType") != Some("RSA") {
        return Err("signType 必须是 RSA");
    }
    let timestamp = field("timeStamp").ok_or("timeStamp 缺失，或不是字符串")?;
    let seconds: i64 = timestamp.parse().map_err(|_| "timeStamp 不是秒数")?;
    let now_ms = sandbox.now_ms();
    if (now_ms - seconds.saturating_mul(1_000)).abs() > INVOKE_SKEW_MS {
        return Err("timeStamp 已过期");
    }
    let nonce = field("nonceStr").ok_or("nonceStr 缺失")?;
    let package = field("package").ok_or("package 缺失")?;
    let sign = field("paySign").ok_or("paySign 缺失")?;
    let message = format!("{}\n{timestamp}\n{nonce}\n{package}\n", identity.appid);
    if !identity.merchant_key.verifies(message.as_bytes(), sign) {
        return Err("支付验证签名失败");
    }
    let prepay_id = package
        .strip_prefix("prepay_id=")
        .ok_or("package 必须是 prepay_id=…")?;
    let mut books = sandbox.books();
    let prepay = books.prepays.get(prepay_id).ok_or("prepay_id 无效")?;
    if now_ms >= prepay.ends_at_ms {
        return Err("prepay_id 已过期");
    }
    let key = prepay.key.clone();
    let trade = books.trades.get(&key).ok_or("prepay_id 无效")?;
    if trade.product != Product::Jsapi {
        return Err("订单不是JSAPI订单");
    }
    let (description, amount) = (
        trade.description.clone(),
        crate::money::yuan(trade.amount_fen),
    );
    let token = wallet::visit(&mut books, &key, None);
    let wallet = format!("{}/_wallet/{token}", sandbox.base_url());
    Ok(json!({ "wallet": wallet, "description": description, "amount": amount }))
}
