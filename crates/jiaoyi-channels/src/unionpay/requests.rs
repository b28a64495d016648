//! What is sent to UnionPay, rendered once and stored; `certId` and the signature join at each call.

use super::message::compact;
use crate::config::UnionpayConfig;
use jiaoyi_domain::channel::{AttemptTerms, ChannelCode, Method, RefundTerms, channel_day};
use jiaoyi_domain::time::Instant;
use serde::{Deserialize, Serialize};

/// B2C 网关支付, the product under which everything is paid.
pub(super) const BIZ_TYPE: &str = "000201";

/// The parameters of a request. An order has no other name at UnionPay than number, time and
/// merchant together, so the time of its request is asked back with it for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rendered(Vec<(String, String)>);

impl Rendered {
    fn new(config: &UnionpayConfig, kind: &Kind, fields: Vec<(&str, String)>) -> Rendered {
        let mut all = vec![
            ("version", "5.1.0".to_owned()),
            ("encoding", "UTF-8".to_owned()),
            ("signMethod", "01".to_owned()),
            ("txnType", kind.txn_type.to_owned()),
            ("txnSubType", kind.sub_type.to_owned()),
            ("bizType", kind.biz_type.to_owned()),
            ("accessType", "0".to_owned()),
            ("merId", config.mer_id.clone()),
        ];
        all.extend(fields);
        let owned = all.into_iter().filter(|(_, value)| !value.is_empty());
        Rendered(
            owned
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// Reads what was rendered for `number`; `None` for anything else.
    pub fn read(rendered: &[u8], number: &str) -> Option<Rendered> {
        let read = Rendered::read_any(rendered)?;
        (read.order_id() == number).then_some(read)
    }

    /// Reads what was rendered, whatever its number.
    pub fn read_any(rendered: &[u8]) -> Option<Rendered> {
        let read: Rendered = serde_json::from_slice(rendered).ok()?;
        (!read.order_id().is_empty() && !read.txn_time().is_empty()).then_some(read)
    }

    fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Our number.
    pub fn order_id(&self) -> &str {
        self.get("orderId")
    }

    /// The time that belongs to the number.
    pub fn txn_time(&self) -> &str {
        self.get("txnTime")
    }

    /// The parameters as they are signed and sent.
    pub fn into_fields(self) -> Vec<(String, String)> {
        self.0
    }

    /// To be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings always serialize")
    }
}

/// The three codes that say what a request is.
struct Kind {
    txn_type: &'static str,
    sub_type: &'static str,
    biz_type: &'static str,
}

const CONSUME: Kind = Kind {
    txn_type: "01",
    sub_type: "01",
    biz_type: BIZ_TYPE,
};
const QUERY: Kind = Kind {
    txn_type: "00",
    sub_type: "00",
    biz_type: "000000",
};
const VOID: Kind = Kind {
    txn_type: "31",
    sub_type: "00",
    biz_type: BIZ_TYPE,
};
const REFUND: Kind = Kind {
    txn_type: "04",
    sub_type: "00",
    biz_type: BIZ_TYPE,
};
const DAILY_FILE: Kind = Kind {
    txn_type: "76",
    sub_type: "01",
    biz_type: "000000",
};

/// Renders a new order.
pub(super) fn order(config: &UnionpayConfig, terms: &AttemptTerms) -> Rendered {
    let text = plain(&terms.description);
    // 07 is a computer, 08 a phone.
    let channel_type = match terms.method {
        Method::UnionpayPage => "07",
        _ => "08",
    };
    let in_browser = !terms.method.placed_by_call();
    let front_url = if in_browser {
        terms.return_url.clone()
    } else {
        String::new()
    };
    Rendered::new(
        config,
        &CONSUME,
        vec![
            ("channelType", channel_type.to_owned()),
            ("orderId", terms.no.as_str().to_owned()),
            ("txnTime", compact(terms.started_at)),
            ("payTimeout", compact(terms.expires_at)),
            ("txnAmt", terms.amount.get().to_string()),
            ("currencyCode", "156".to_owned()),
            (
                "orderDesc",
                if in_browser {
                    String::new()
                } else {
                    text.clone()
                },
            ),
            ("riskRateInfo", format!("{{commodityName={text}}}")),
            ("frontUrl", front_url),
            ("backUrl", terms.notify_url.clone()),
        ],
    )
}

/// Asks about the order or the refund that `rendered` asked for.
pub(super) fn query(config: &UnionpayConfig, rendered: &Rendered) -> Rendered {
    let name = |text: &str| text.to_owned();
    Rendered::new(
        config,
        &QUERY,
        vec![
            ("orderId", name(rendered.order_id())),
            ("txnTime", name(rendered.txn_time())),
        ],
    )
}

/// Renders a refund: a void (消费撤销) where the whole payment goes back on its clearing day, which
/// undoes it before it is settled and without a fee, else a return (退货).
///
/// A refused void becomes a return: its next number is `retried`.
pub(super) fn refund(config: &UnionpayConfig, terms: &RefundTerms) -> Rendered {
    let day = |at| channel_day(ChannelCode::Unionpay, at);
    let whole = terms.amount == terms.total;
    let void = whole && !terms.retried && day(terms.paid_at) == day(terms.asked_at);
    Rendered::new(
        config,
        if void { &VOID } else { &REFUND },
        vec![
            ("channelType", "07".to_owned()),
            ("orderId", terms.no.as_str().to_owned()),
            ("txnTime", compact(terms.asked_at)),
            ("txnAmt", terms.amount.get().to_string()),
            ("currencyCode", "156".to_owned()),
            ("origQryId", terms.txn_id.clone()),
            ("backUrl", terms.notify_url.clone()),
        ],
    )
}

/// Asks for the file of a settlement day, `MMDD`.
pub(super) fn daily_file(config: &UnionpayConfig, settled_on: &str, now: Instant) -> Rendered {
    Rendered::new(
        config,
        &DAILY_FILE,
        vec![
            ("settleDate", settled_on.to_owned()),
            ("txnTime", compact(now)),
            ("fileType", "00".to_owned()),
        ],
    )
}

/// Text inside `{name=value}` may hold none of the characters that make the form.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if "{}[]&=".contains(c) { ' ' } else { c })
        .take(64)
        .collect()
}
