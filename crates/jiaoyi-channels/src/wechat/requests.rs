//! The bodies that are sent to WeChat, rendered once and stored.

use crate::config::WechatConfig;
use jiaoyi_domain::channel::{AttemptTerms, Method, RefundTerms};
use jiaoyi_domain::id::AttemptNo;
use serde::{Deserialize, Serialize};

/// What is stored with an attempt: the wire body, byte for byte, and where to send the payer back.
#[derive(Serialize, Deserialize)]
pub(super) struct Order {
    pub body: String,
    pub return_url: String,
}

#[derive(Serialize)]
struct Body<'a> {
    appid: &'a str,
    mchid: &'a str,
    description: String,
    out_trade_no: &'a str,
    time_expire: String,
    notify_url: &'a str,
    amount: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    payer: Option<Payer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scene_info: Option<Scene<'a>>,
}

#[derive(Serialize)]
struct Amount {
    total: u64,
    currency: &'static str,
}

#[derive(Serialize)]
struct Payer<'a> {
    openid: &'a str,
}

#[derive(Serialize)]
struct Scene<'a> {
    payer_client_ip: &'a str,
    h5_info: H5Info,
}

#[derive(Serialize)]
struct H5Info {
    r#type: &'static str,
}

/// Renders a new order.
pub(super) fn order(config: &WechatConfig, terms: &AttemptTerms) -> Vec<u8> {
    let payer = match terms.method {
        // Without an openid WeChat refuses the order, which is the right answer.
        Method::WechatJsapi => terms.openid.as_deref().map(|openid| Payer { openid }),
        _ => None,
    };
    let scene_info = match terms.method {
        Method::WechatH5 => Some(Scene {
            payer_client_ip: &terms.payer_ip,
            h5_info: H5Info { r#type: "Wap" },
        }),
        _ => None,
    };
    let body = Body {
        appid: &config.appid,
        mchid: &config.mchid,
        description: clip(&terms.description, 127),
        out_trade_no: terms.no.as_str(),
        time_expire: terms.expires_at.rfc3339(),
        notify_url: &terms.notify_url,
        amount: Amount {
            total: terms.amount.get(),
            currency: "CNY",
        },
        payer,
        scene_info,
    };
    to_json(&Order {
        body: String::from_utf8_lossy(&to_json(&body)).into_owned(),
        return_url: terms.return_url.clone(),
    })
}

impl Order {
    /// Reads what [`order`] rendered; `None` when it is not the order of `no`.
    pub(super) fn read(rendered: &[u8], no: &AttemptNo) -> Option<Order> {
        #[derive(Deserialize)]
        struct Numbered {
            out_trade_no: String,
        }
        let order: Order = serde_json::from_slice(rendered).ok()?;
        let body: Numbered = serde_json::from_str(&order.body).ok()?;
        (body.out_trade_no == no.as_str()).then_some(order)
    }
}

#[derive(Serialize)]
struct RefundBody<'a> {
    out_trade_no: &'a str,
    out_refund_no: &'a str,
    reason: String,
    notify_url: &'a str,
    amount: RefundAmount,
}

#[derive(Serialize)]
struct RefundAmount {
    refund: u64,
    total: u64,
    currency: &'static str,
}

/// Renders a refund; these bytes are the wire body.
pub(super) fn refund(terms: &RefundTerms) -> Vec<u8> {
    to_json(&RefundBody {
        out_trade_no: terms.attempt_no.as_str(),
        out_refund_no: terms.no.as_str(),
        reason: clip(&terms.reason, 80),
        notify_url: &terms.notify_url,
        amount: RefundAmount {
            refund: terms.amount.get(),
            total: terms.total.get(),
            currency: "CNY",
        },
    })
}

/// The number of a rendered refund.
pub(super) fn refund_no(rendered: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Numbered {
        out_refund_no: String,
    }
    serde_json::from_slice::<Numbered>(rendered)
        .ok()
        .map(|body| body.out_refund_no)
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings and numbers always serialize")
}

fn clip(text: &str, characters_max: usize) -> String {
    text.chars().take(characters_max).collect()
}
