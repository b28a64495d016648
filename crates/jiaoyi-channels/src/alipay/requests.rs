//! What is sent to Alipay, rendered once and stored. Fen become yuan here.

use crate::config::AlipayConfig;
use jiaoyi_domain::channel::{AttemptTerms, Method, RefundTerms};
use jiaoyi_domain::id::AttemptNo;
use jiaoyi_domain::money::Fen;
use serde::{Deserialize, Serialize};

/// What is stored: the business content, byte for byte, and the addresses signed beside it.
///
/// The signature is not stored: it covers the time of the call.
#[derive(Serialize, Deserialize)]
pub(super) struct Rendered {
    pub biz_content: String,
    pub notify_url: String,
    #[serde(default)]
    pub return_url: String,
}

#[derive(Serialize)]
struct Order<'a> {
    out_trade_no: &'a str,
    total_amount: String,
    subject: String,
    product_code: &'static str,
    seller_id: &'a str,
    time_expire: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quit_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods_type: Option<&'static str>,
}

/// The gateway's name of a method; `None` for another channel's.
pub(super) const fn method_name(method: Method) -> Option<&'static str> {
    match method {
        Method::AlipayWap => Some("alipay.trade.wap.pay"),
        Method::AlipayPage => Some("alipay.trade.page.pay"),
        Method::AlipayPrecreate => Some("alipay.trade.precreate"),
        Method::WechatNative
        | Method::WechatH5
        | Method::WechatJsapi
        | Method::UnionpayWap
        | Method::UnionpayPage
        | Method::UnionpayApp
        | Method::Bank1Page
        | Method::Bank2Page
        | Method::Inbound(_) => None,
    }
}

const fn product_code(method: Method) -> &'static str {
    match method {
        Method::AlipayPage => "FAST_INSTANT_TRADE_PAY",
        Method::AlipayPrecreate => "FACE_TO_FACE_PAYMENT",
        _ => "QUICK_WAP_WAY",
    }
}

/// Renders a new order.
pub(super) fn order(config: &AlipayConfig, terms: &AttemptTerms) -> Vec<u8> {
    let in_browser = !terms.method.placed_by_call();
    let order = Order {
        out_trade_no: terms.no.as_str(),
        total_amount: terms.amount.to_string(),
        subject: subject(&terms.description),
        product_code: product_code(terms.method),
        seller_id: &config.seller_id,
        time_expire: terms.expires_at.local(),
        quit_url: (terms.method == Method::AlipayWap).then_some(&terms.return_url),
        // Nothing is shipped: virtual goods.
        goods_type: in_browser.then_some("0"),
    };
    to_json(&Rendered {
        biz_content: to_text(&order),
        notify_url: terms.notify_url.clone(),
        return_url: terms.return_url.clone(),
    })
}

#[derive(Serialize)]
struct Refund<'a> {
    out_trade_no: &'a str,
    refund_amount: String,
    out_request_no: &'a str,
    refund_reason: String,
}

/// What a rendered refund asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedRefund {
    pub attempt_no: String,
    pub amount: Fen,
}

/// Renders a refund.
pub(super) fn refund(terms: &RefundTerms) -> Vec<u8> {
    let refund = Refund {
        out_trade_no: terms.attempt_no.as_str(),
        refund_amount: terms.amount.to_string(),
        out_request_no: terms.no.as_str(),
        refund_reason: terms.reason.chars().take(256).collect(),
    };
    to_json(&Rendered {
        biz_content: to_text(&refund),
        notify_url: terms.notify_url.clone(),
        return_url: String::new(),
    })
}

impl Rendered {
    /// Reads what [`order`] rendered; `None` when it is not the order of `no`.
    pub(super) fn order(rendered: &[u8], no: &AttemptNo) -> Option<Rendered> {
        #[derive(Deserialize)]
        struct Numbered {
            out_trade_no: String,
        }
        let order: Rendered = serde_json::from_slice(rendered).ok()?;
        let content: Numbered = serde_json::from_str(&order.biz_content).ok()?;
        (content.out_trade_no == no.as_str()).then_some(order)
    }

    /// Reads what [`refund`] rendered.
    pub(super) fn refund(rendered: &[u8]) -> Option<(Rendered, AskedRefund)> {
        #[derive(Deserialize)]
        struct Asked {
            out_trade_no: String,
            refund_amount: String,
        }
        let refund: Rendered = serde_json::from_slice(rendered).ok()?;
        let asked: Asked = serde_json::from_str(&refund.biz_content).ok()?;
        let asked = AskedRefund {
            attempt_no: asked.out_trade_no,
            amount: Fen::parse_yuan(&asked.refund_amount)?,
        };
        Some((refund, asked))
    }
}

/// A subject may not hold `/`, `=` or `&`, and no more than 256 characters.
fn subject(text: &str) -> String {
    text.chars()
        .map(|c| if "/=&".contains(c) { ' ' } else { c })
        .take(256)
        .collect()
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    to_text(value).into_bytes()
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings always serialize")
}
