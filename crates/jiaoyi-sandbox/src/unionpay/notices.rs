//! Answers for: UnionPay's notices, and the form that brings the payer back to the shop.

use serde_json::{Map, Value, json};

use super::{Fields, one_fen_more, orders, refunds, seal};
use crate::books::{Notice, Refund, Trade};
use crate::delivery::Outgoing;
use crate::faults::{Deed, Fault};
use crate::server::Sandbox;
use crate::{forge, page};

fn content(sandbox: &Sandbox, mut fields: Fields) -> Map<String, Value> {
    fields.insert("merId".to_owned(), sandbox.unionpay_merchant().to_owned());
    fields.insert("respCode".to_owned(), "00".to_owned());
    fields.insert("respMsg".to_owned(), "成功[0000000]".to_owned());
    fields
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect()
}

/// The parameters of a notice of payment, before they are signed.
pub(crate) fn payment(sandbox: &Sandbox, trade: &Trade, now_ms: i64) -> Map<String, Value> {
    content(sandbox, orders::transaction(trade, now_ms))
}

/// The parameters of a notice of a void or a return; only a success is told.
pub(crate) fn refund(sandbox: &Sandbox, trade: &Trade, refund: &Refund) -> Map<String, Value> {
    content(sandbox, refunds::transaction(trade, refund))
}

fn plain(content: &Map<String, Value>) -> Fields {
    let texts = content.iter();
    texts
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The request that carries a notice: an ordinary form.
pub(crate) fn render(sandbox: &Sandbox, notice: &Notice, fault: Option<&Fault>) -> Outgoing {
    let deed = fault.map(|fault| fault.deed);
    let mut fields = plain(&notice.content);
    match deed {
        Some(Deed::WrongAmount) => fields = one_fen_more(fields),
        Some(Deed::Contradict) => {
            fields.insert("respCode".to_owned(), "01".to_owned());
        }
        _ => {}
    }
    if let Some(identity) = &sandbox.config.unionpay {
        seal(sandbox, identity, &mut fields, deed);
        if let Some(fault) = fault.filter(|_| deed == Some(Deed::Forge)) {
            forge::unionpay(sandbox, identity, &mut fields, fault.variant.unwrap_or(1));
        }
    }
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(&fields)
        .finish();
    let mut outgoing = Outgoing {
        headers: vec![(
            "content-type",
            "application/x-www-form-urlencoded;charset=UTF-8".to_owned(),
        )],
        body: body.into_bytes(),
    };
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut outgoing.body);
    }
    outgoing
}

/// The signed parameters with which the payer comes back to `frontUrl`. Display only.
pub(crate) fn way_back(sandbox: &Sandbox, trade: &Trade) -> Fields {
    let mut fields = plain(&payment(sandbox, trade, sandbox.now_ms()));
    if let Some(identity) = &sandbox.config.unionpay {
        seal(sandbox, identity, &mut fields, None);
    }
    fields
}
