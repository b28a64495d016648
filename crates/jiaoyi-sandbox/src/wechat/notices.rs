//! Answers for: WeChat's notices: what they hold, how they are sealed and signed.

use serde_json::{Map, Value, json};

use super::{nonce12, orders, refunds, sign};
use crate::books::{Notice, Refund, RefundState, Trade};
use crate::crypto::{random_hex, seal_aes_gcm};
use crate::delivery::Outgoing;
use crate::faults::{Deed, Fault};
use crate::server::Sandbox;
use crate::times::rfc3339;
use crate::{forge, page};

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The content of a notice of payment: what a query would answer.
pub(crate) fn payment(sandbox: &Sandbox, trade: &Trade) -> Map<String, Value> {
    // A notice is only sent of what is known, even while queries do not know it yet.
    let known_ms = trade
        .payment
        .as_ref()
        .map_or(0, |payment| payment.hidden_until_ms);
    members(orders::transaction(sandbox, trade, known_ms))
}

/// The content of a notice of refund; its state is called `refund_status` here.
pub(crate) fn refund(sandbox: &Sandbox, trade: &Trade, refund: &Refund) -> Map<String, Value> {
    let (amount, total) = (refund.amount_fen, trade.amount_fen);
    let mut content = json!({
        "mchid": sandbox.config.wechat.mchid,
        "transaction_id": trade.payment.as_ref().map(|payment| payment.transaction_id.clone()),
        "out_trade_no": trade.key.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refunds::state_name(refund.state),
        "user_received_account": "支付用户零钱",
        "amount": { "total": total, "refund": amount, "payer_total": total, "payer_refund": amount },
    });
    if let (Some(done_at_ms), RefundState::Success) = (refund.done_at_ms, refund.state) {
        content["success_time"] = json!(rfc3339(done_at_ms));
    }
    members(content)
}

/// The request that carries a notice.
pub(crate) fn render(sandbox: &Sandbox, notice: &Notice, fault: Option<&Fault>) -> Outgoing {
    let deed = fault.map(|fault| fault.deed);
    let mut content = notice.content.clone();
    match deed {
        Some(Deed::WrongAmount) => one_fen_more(&mut content),
        Some(Deed::Contradict) => contradict(&mut content),
        _ => {}
    }
    let body = envelope(notice, &content, &sandbox.config.wechat.apiv3_key);
    let variant = fault
        .filter(|_| deed == Some(Deed::Forge))
        .map(|fault| fault.variant.unwrap_or(1));
    let sign_deed = deed.filter(|_| variant.is_none());
    let mut headers = sign(sandbox, notice.notice_key, &body, sign_deed);
    headers.insert(
        0,
        ("content-type", "application/json; charset=utf-8".to_owned()),
    );
    headers.push(("user-agent", "Mozilla/4.0".to_owned()));
    headers.push(("accept", "*/*".to_owned()));
    let mut outgoing = Outgoing { headers, body };
    if let Some(variant) = variant {
        forge::wechat(sandbox, notice, &mut outgoing, variant);
    }
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut outgoing.body);
    }
    outgoing
}

/// The JSON around the sealed content.
pub(crate) fn envelope(notice: &Notice, content: &Map<String, Value>, key: &[u8; 32]) -> Vec<u8> {
    let (original, event, summary) = match notice.out_refund_no {
        None => ("transaction", "TRANSACTION.SUCCESS".to_owned(), "支付成功"),
        Some(_) => {
            let state = content
                .get("refund_status")
                .and_then(Value::as_str)
                .unwrap_or("SUCCESS");
            ("refund", format!("REFUND.{state}"), "退款通知")
        }
    };
    let nonce = random_hex(12);
    let plain = Value::Object(content.clone()).to_string();
    let ciphertext = seal_aes_gcm(key, &nonce12(&nonce), original, plain.as_bytes());
    json!({
        "id": notice.id,
        "create_time": rfc3339(notice.made_at_ms),
        "resource_type": "encrypt-resource",
        "event_type": event,
        "summary": summary,
        "resource": {
            "original_type": original,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": ciphertext,
            "associated_data": original,
            "nonce": nonce,
        },
    })
    .to_string()
    .into_bytes()
}

fn one_fen_more(content: &mut Map<String, Value>) {
    let Some(amount) = content.get_mut("amount").and_then(Value::as_object_mut) else {
        return;
    };
    for (_, value) in amount.iter_mut() {
        if let Some(fen) = value.as_u64() {
            *value = json!(fen + 1);
        }
    }
}

fn contradict(content: &mut Map<String, Value>) {
    if content.contains_key("refund_status") {
        content.insert("refund_status".to_owned(), json!("CLOSED"));
    } else {
        content.insert("trade_state".to_owned(), json!("PAYERROR"));
        content.insert("trade_state_desc".to_owned(), json!("支付失败"));
    }
}
