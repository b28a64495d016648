//! Answers for: the wallet's pages, on which a person decides what the payer does. Plain forms, no
//! script. The buttons' names are documented in the crate's header.

use std::sync::Arc;
use std::time::Duration;

use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::books::{Books, Channel, Key, Phase, Product, Trade, Visit};
use crate::crypto::random_hex;
use crate::money::yuan;
use crate::page::{self, is_web_address, json, json_error};
use crate::payer::{self, Act, Outcome};
use crate::server::Sandbox;
use crate::{alipay, unionpay};

/// How long a payer's way back waits for the merchant to take the notice.
const NOTICE_WAIT: Duration = Duration::from_millis(1_500);

/// The buttons: value of `do`, Chinese, English.
const BUTTONS: [(&str, &str, &str); 8] = [
    ("pay", "支付成功", "Pay"),
    ("low", "余额不足", "Balance too low"),
    ("cancel", "取消", "Cancel"),
    (
        "no_result",
        "一直没结果",
        "Paid, but nobody is told for a minute",
    ),
    ("notify_twice", "通知两次", "Paid, notified twice"),
    (
        "wrong_amount",
        "通知金额不符",
        "Paid, notified with a wrong amount",
    ),
    ("notify_late", "晚到的通知", "Paid, notified a minute later"),
    (
        "pay_after_close",
        "关单后仍支付",
        "Pay only after the shop closed the order",
    ),
];

/// Opens a page for a payer and returns its token.
pub(crate) fn visit(books: &mut Books, key: &Key, return_url: Option<String>) -> String {
    let token = random_hex(32);
    let return_url = return_url.filter(|url| is_web_address(url));
    books.visits.insert(
        token.clone(),
        Visit {
            key: key.clone(),
            return_url,
        },
    );
    token
}

/// `GET /_wallet/style.css`.
pub(crate) async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        page::STYLE,
    )
        .into_response()
}

fn gone(text: &str) -> Response {
    page::message(
        StatusCode::GONE,
        "这个链接不能用了",
        "This link has expired",
        text,
    )
}

/// What WeChat's `h5_url` carries.
#[derive(Deserialize)]
pub(crate) struct H5 {
    #[serde(default)]
    prepay_id: String,
    redirect_url: Option<String>,
}

/// `GET /_wallet/h5?prepay_id=…&package=…[&redirect_url=…]`: where an `h5_url` leads.
pub(crate) async fn h5(
    State(sandbox): State<Arc<Sandbox>>,
    headers: HeaderMap,
    Query(asked): Query<H5>,
) -> Response {
    let agent = headers
        .get("user-agent")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if agent.contains("MicroMessenger") {
        let text = "请在微信外打开订单，进行支付。微信里要用JSAPI支付。";
        return page::message(
            StatusCode::FORBIDDEN,
            "请在微信外打开",
            "Open outside WeChat",
            text,
        );
    }
    let now_ms = sandbox.now_ms();
    let token = {
        let mut books = sandbox.books();
        let found = books
            .prepays
            .get(&asked.prepay_id)
            .filter(|prepay| now_ms < prepay.ends_at_ms);
        let found = found.map(|prepay| prepay.key.clone());
        let found = found.filter(|key| {
            books
                .trades
                .get(key)
                .is_some_and(|trade| trade.product == Product::H5)
        });
        found.map(|key| visit(&mut books, &key, asked.redirect_url))
    };
    match token {
        Some(token) => show_token(&sandbox, &token),
        None => gone("H5支付链接5分钟内有效，请回商户重新发起支付。"),
    }
}

/// `GET /_wallet/qr/{id}`: where an Alipay `qr_code` leads.
pub(crate) async fn qr(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    scanned(&sandbox, &id)
}

/// The text of a QR code.
#[derive(Deserialize)]
pub(crate) struct Scan {
    code: Option<String>,
}

/// `GET /_wallet/scan[?code=…]`: plays the phone's camera for codes of both channels.
pub(crate) async fn scan(
    State(sandbox): State<Arc<Sandbox>>,
    Query(asked): Query<Scan>,
) -> Response {
    let code = asked.code.unwrap_or_default();
    let code = code.trim();
    if code.is_empty() {
        let main = html! {
            p { "用手机扫码的地方，在这里粘贴二维码里的文字。 " span.small lang="en" { "Paste the text of the QR code." } }
            form method="get" action="/_wallet/scan" {
                label for="code" { "二维码内容 " span.small lang="en" { "text of the code" } }
                input id="code" name="code" type="text" autocomplete="off" required placeholder="weixin://wxpay/bizpayurl?pr=…";
                button.main type="submit" { "扫一扫" small lang="en" { "Scan" } }
            }
        };
        return page::page(StatusCode::OK, "扫一扫", "Scan a code", &main);
    }
    let alipay = format!("{}/_wallet/qr/", sandbox.base_url());
    scanned(&sandbox, code.strip_prefix(&alipay).unwrap_or(code))
}

fn scanned(sandbox: &Sandbox, code: &str) -> Response {
    let now_ms = sandbox.now_ms();
    let token = {
        let mut books = sandbox.books();
        let found = books
            .prepays
            .get(code)
            .filter(|prepay| now_ms < prepay.ends_at_ms);
        let found = found.map(|prepay| prepay.key.clone());
        let found = found.filter(|key| {
            let product = books.trades.get(key).map(|trade| trade.product);
            let tn = key.channel == Channel::Unionpay && product == Some(Product::App);
            tn || matches!(product, Some(Product::Native | Product::Precreate))
        });
        found.map(|key| {
            books.open(&key, now_ms);
            visit(&mut books, &key, None)
        })
    };
    match token {
        Some(token) => Redirect::to(&format!("/_wallet/{token}")).into_response(),
        None => gone("二维码已过期或不属于这个沙箱，请回商户重新生成。"),
    }
}

/// `GET /_wallet/{token}`.
pub(crate) async fn show(
    State(sandbox): State<Arc<Sandbox>>,
    Path(token): Path<String>,
) -> Response {
    show_token(&sandbox, &token)
}

fn show_token(sandbox: &Sandbox, token: &str) -> Response {
    let now_ms = sandbox.now_ms();
    let books = sandbox.books();
    let Some(visit) = books.visits.get(token) else {
        return gone("请回商户重新发起支付。");
    };
    let Some(trade) = books.trades.get(&visit.key) else {
        return gone("请回商户重新发起支付。");
    };
    let phase = trade.phase(now_ms);
    let (title, english) = match phase {
        Phase::Open => ("确认付款", "Confirm the payment"),
        Phase::Closed => ("订单已关闭", "The order is closed"),
        Phase::Paid | Phase::Hidden => ("已经支付", "Already paid"),
    };
    let back = visit.return_url.clone().or_else(|| trade.quit_url.clone());
    let main = html! {
        (facts(trade))
        @if matches!(phase, Phase::Open | Phase::Closed) {
            form method="post" action=(format!("/_wallet/{token}/act")) {
                @for (value, chinese, english) in BUTTONS {
                    @if phase == Phase::Open || value == "pay_after_close" || value == "cancel" {
                        button type="submit" name="do" value=(value) class=[(value == "pay").then_some("main")] {
                            (chinese)
                            @if value == "pay" { " " (yuan(trade.amount_fen)) " 元" }
                            small lang="en" { (english) }
                        }
                    }
                }
            }
        } @else if let Some(back) = back {
            a.btn.main href=(back) { "返回商户" small lang="en" { "Back to the shop" } }
        }
    };
    page::page(StatusCode::OK, title, english, &main)
}

fn facts(trade: &Trade) -> Markup {
    let wallet = match trade.key.channel {
        Channel::Wechat => "微信支付（沙箱） WeChat Pay",
        Channel::Alipay => "支付宝（沙箱） Alipay",
        Channel::Unionpay => "银联、云闪付（沙箱） UnionPay",
        Channel::Bank1 => "银行一（沙箱） Bank 1",
        Channel::Bank2 => "银行二（沙箱） Bank 2",
    };
    html! {
        div.card {
            dl {
                div { dt { "钱包 " span lang="en" { "wallet" } } dd { (wallet) } }
                div { dt { "收款方 " span lang="en" { "payee" } } dd { "缴易演示商户 " span lang="en" { "Jiaoyi demo merchant" } } }
                div { dt { "说明 " span lang="en" { "for" } } dd { (trade.description) } }
                div { dt { "金额 " span lang="en" { "amount" } } dd.amount { (yuan(trade.amount_fen)) " 元" } }
                div { dt { "商户订单号 " span lang="en" { "order" } } dd { (trade.key.out_trade_no) } }
            }
        }
    }
}

/// The pressed button.
#[derive(Deserialize)]
pub(crate) struct Pressed {
    #[serde(rename = "do", default)]
    act: String,
}

/// `POST /_wallet/{token}/act` with `do`: plays the payer, then leads back to the shop. With
/// `Accept: application/json` it answers `{"result":"paid|not_paid|…"}` instead.
pub(crate) async fn act(
    State(sandbox): State<Arc<Sandbox>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(pressed): Form<Pressed>,
) -> Response {
    let wants_json = headers
        .get("accept")
        .is_some_and(|value| value == "application/json");
    let visit = sandbox.books().visits.get(&token).cloned();
    let Some(visit) = visit else {
        return gone("请回商户重新发起支付。");
    };
    let Some(act) = Act::from_name(&pressed.act) else {
        return json_error(
            StatusCode::BAD_REQUEST,
            "wallet.unknown_act",
            "do 不是已知的按钮",
        );
    };
    let Some((outcome, notice)) = payer::act(&sandbox, &visit.key, act) else {
        return gone("请回商户重新发起支付。");
    };
    tracing::info!(out_trade_no = %visit.key.out_trade_no, ?act, ?outcome, "payer acted");
    if let Some(number) = notice {
        let sandbox = sandbox.clone();
        let delivery = tokio::spawn(async move { payer::deliver_now(&sandbox, number).await });
        let _ = tokio::time::timeout(NOTICE_WAIT, delivery).await;
    }
    if wants_json {
        let result = match outcome {
            Outcome::Paid | Outcome::AlreadyPaid => "paid",
            Outcome::NotPaid => "not_paid",
            Outcome::Armed => "armed",
            Outcome::Closed => "closed",
        };
        return allow_any_origin(json(
            StatusCode::OK,
            &serde_json::json!({ "result": result }),
        ));
    }
    let paid = matches!(outcome, Outcome::Paid | Outcome::AlreadyPaid);
    if let (true, Some(url)) = (paid, &visit.return_url)
        && let Some(fields) = form_back(&sandbox, &visit)
    {
        return back_by_form(url, &fields);
    }
    match way_back(&sandbox, &visit, outcome) {
        Some(url) => Redirect::to(&url).into_response(),
        None => done(outcome),
    }
}

/// Pages of a shop call the sandbox by script only in browser tests.
pub(crate) fn allow_any_origin(mut response: Response) -> Response {
    let any = header::HeaderValue::from_static("*");
    response
        .headers_mut()
        .insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    response
}

/// Where the payer goes next. Only a payment brings Alipay's signed parameters.
fn way_back(sandbox: &Sandbox, visit: &Visit, outcome: Outcome) -> Option<String> {
    let books = sandbox.books();
    let trade = books.trades.get(&visit.key)?;
    let paid = matches!(outcome, Outcome::Paid | Outcome::AlreadyPaid);
    let return_url = visit.return_url.as_deref();
    match (trade.key.channel, return_url) {
        (Channel::Wechat | Channel::Unionpay | Channel::Bank1 | Channel::Bank2, url) => {
            url.map(str::to_owned)
        }
        (Channel::Alipay, Some(url)) if paid => {
            Some(alipay::notices::return_address(sandbox, trade, url))
        }
        (Channel::Alipay, url) => {
            let quit = trade.quit_url.as_deref().filter(|url| is_web_address(url));
            quit.filter(|_| !paid).or(url).map(str::to_owned)
        }
    }
}

/// UnionPay sends a payer who has paid back by a form; the others by an address.
fn form_back(sandbox: &Sandbox, visit: &Visit) -> Option<unionpay::Fields> {
    let books = sandbox.books();
    let trade = books.trades.get(&visit.key)?;
    let ours = trade.key.channel == Channel::Unionpay;
    ours.then(|| unionpay::notices::way_back(sandbox, trade))
}

fn back_by_form(url: &str, fields: &unionpay::Fields) -> Response {
    let main = html! {
        p { "支付成功。" }
        form method="post" action=(url) {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button.main type="submit" { "返回商户" small lang="en" { "Back to the shop" } }
        }
    };
    page::page(StatusCode::OK, "支付成功", "Paid", &main)
}

fn done(outcome: Outcome) -> Response {
    let (status, title, english, text) = match outcome {
        Outcome::Paid => (StatusCode::OK, "支付成功", "Paid", "可以回到商户的页面了。"),
        Outcome::AlreadyPaid => (
            StatusCode::OK,
            "已经支付",
            "Already paid",
            "这笔订单付过了，没有再扣款。",
        ),
        Outcome::NotPaid => (
            StatusCode::OK,
            "没有付款",
            "Not paid",
            "没有扣款。可以回到商户的页面重试。",
        ),
        Outcome::Armed => (
            StatusCode::OK,
            "等商户关单后再付",
            "Will pay after closing",
            "商户关闭这笔订单（或订单过期）之后，付款才会到账。",
        ),
        Outcome::Closed => (
            StatusCode::CONFLICT,
            "订单已关闭",
            "The order is closed",
            "没有扣款。",
        ),
    };
    page::message(status, title, english, text)
}
