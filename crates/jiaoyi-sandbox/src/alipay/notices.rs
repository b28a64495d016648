//! Answers for: Alipay's notices and the signed way back to the shop.

use serde_json::json;

use super::trades::{BUYER_LOGON_ID, status};
use super::{Members, one_fen_more, sign_text};
use crate::books::{Notice, Refund, Trade};
use crate::delivery::Outgoing;
use crate::faults::{Deed, Fault};
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::plain;
use crate::{forge, page};

/// The parameters of a notice of payment, without those of its delivery.
pub(crate) fn payment(sandbox: &Sandbox, trade: &Trade, now_ms: i64) -> Members {
    let identity = &sandbox.config.alipay;
    let total = yuan(trade.amount_fen);
    let paid_at_ms = trade
        .payment
        .as_ref()
        .map_or(now_ms, |payment| payment.at_ms);
    // A notice is only sent of what is known, even while queries do not know it yet.
    let known_ms = trade
        .payment
        .as_ref()
        .map_or(now_ms, |payment| payment.hidden_until_ms);
    let mut members = Members::new();
    let fund = json!([{ "amount": total, "fundChannel": "ALIPAYACCOUNT" }]).to_string();
    for (name, value) in [
        ("notify_type", "trade_status_sync"),
        ("charset", "utf-8"),
        ("version", "1.0"),
        ("app_id", &identity.app_id),
        ("auth_app_id", &identity.app_id),
        ("trade_no", trade.trade_no.as_deref().unwrap_or_default()),
        ("out_trade_no", &trade.key.out_trade_no),
        ("buyer_id", &trade.payer),
        ("buyer_logon_id", BUYER_LOGON_ID),
        ("seller_id", &identity.seller_id),
        ("trade_status", status(trade, now_ms.max(known_ms))),
        ("total_amount", &total),
        ("receipt_amount", &total),
        ("buyer_pay_amount", &total),
        ("invoice_amount", &total),
        ("point_amount", "0.00"),
        ("subject", &trade.description),
        ("gmt_create", &plain(trade.created_at_ms)),
        ("gmt_payment", &plain(paid_at_ms)),
        ("fund_bill_list", &fund),
        ("passback_params", &trade.attach),
    ] {
        if !value.is_empty() {
            members.insert(name.to_owned(), json!(value));
        }
    }
    members
}

/// The parameters of a notice of refund: still TRADE_SUCCESS when partial, TRADE_CLOSED when full.
pub(crate) fn refund(sandbox: &Sandbox, trade: &Trade, refund: &Refund, now_ms: i64) -> Members {
    let mut members = payment(sandbox, trade, now_ms);
    members.insert("out_biz_no".to_owned(), json!(refund.out_refund_no));
    members.insert("refund_fee".to_owned(), json!(yuan(trade.refunded_fen())));
    members.insert(
        "gmt_refund".to_owned(),
        json!(format!("{}.000", plain(now_ms))),
    );
    if trade.refunded_fen() >= trade.amount_fen {
        members.insert("gmt_close".to_owned(), json!(plain(now_ms)));
    }
    members
}

/// The request that carries a notice.
pub(crate) fn render(sandbox: &Sandbox, notice: &Notice, fault: Option<&Fault>) -> Outgoing {
    let deed = fault.map(|fault| fault.deed);
    let mut content = notice.content.clone();
    match deed {
        Some(Deed::WrongAmount) => content = one_fen_more(content),
        Some(Deed::Contradict) => {
            content.insert("trade_status".to_owned(), json!("TRADE_CLOSED"));
        }
        _ => {}
    }
    let mut form: Vec<(String, String)> = content
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect();
    form.push(("notify_id".to_owned(), notice.id.clone()));
    form.push(("notify_time".to_owned(), plain(sandbox.now_ms())));
    form.push(("sign_type".to_owned(), "RSA2".to_owned()));
    let message = sign_text(&form, true, true);
    let key = &sandbox.config.alipay.alipay_key;
    let sign = match deed {
        Some(Deed::OtherKey) => sandbox
            .stranger_key()
            .map(|key| key.sign(message.as_bytes()))
            .unwrap_or_default(),
        Some(Deed::Probe) => "WECHATPAY/SIGNTEST/".to_owned(),
        _ => key.sign(message.as_bytes()),
    };
    form.push(("sign".to_owned(), sign));
    if let Some(fault) = fault.filter(|_| deed == Some(Deed::Forge)) {
        forge::alipay(sandbox, &mut form, fault.variant.unwrap_or(1));
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&form)
        .finish();
    let mut outgoing = Outgoing {
        headers: vec![
            (
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
            ),
            ("user-agent", "Mozilla/4.0".to_owned()),
        ],
        body: body.into_bytes(),
    };
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut outgoing.body);
    }
    outgoing
}

/// The shop's address with the signed parameters of the way back. Display only, says Alipay.
pub(crate) fn return_address(sandbox: &Sandbox, trade: &Trade, return_url: &str) -> String {
    let identity = &sandbox.config.alipay;
    let method = match trade.product {
        crate::books::Product::Wap => "alipay.trade.wap.pay.return",
        _ => "alipay.trade.page.pay.return",
    };
    let mut pairs: Vec<(String, String)> = [
        ("charset", "utf-8".to_owned()),
        ("out_trade_no", trade.key.out_trade_no.clone()),
        ("method", method.to_owned()),
        ("total_amount", yuan(trade.amount_fen)),
        ("trade_no", trade.trade_no.clone().unwrap_or_default()),
        ("auth_app_id", identity.app_id.clone()),
        ("version", "1.0".to_owned()),
        ("app_id", identity.app_id.clone()),
        ("sign_type", "RSA2".to_owned()),
        ("seller_id", identity.seller_id.clone()),
        ("timestamp", plain(sandbox.now_ms())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let sign = identity
        .alipay_key
        .sign(sign_text(&pairs, true, true).as_bytes());
    pairs.push(("sign".to_owned(), sign));
    page::with_parameters(return_url, &pairs)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_signed_text_is_sorted_and_drops_sign_and_empty_values() {
        let pairs: Vec<(String, String)> = [
            ("b", "2"),
            ("sign", "x"),
            ("a", "1"),
            ("c", ""),
            ("sign_type", "RSA2"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        assert_eq!(sign_text(&pairs, true, true), "a=1&b=2");
        assert_eq!(sign_text(&pairs, false, true), "a=1&b=2&sign_type=RSA2");
    }

    #[test]
    fn only_amounts_grow_by_a_fen() {
        let members = json!({ "total_amount": "400.00", "subject": "1.00", "refund_fee": "0.99" });
        let Value::Object(members) = members else {
            panic!("an object")
        };
        let told = one_fen_more(members);
        assert_eq!(told["total_amount"], "400.01");
        assert_eq!(told["refund_fee"], "1.00");
        assert_eq!(told["subject"], "1.00");
    }
}
