//! Answers for: a bank's notices: signed forms in its charset.

use serde_json::{Map, Value, json};

use super::{Fields, Manner, orders, sealed};
use crate::books::{Notice, Refund, Trade};
use crate::delivery::Outgoing;
use crate::faults::{Deed, Fault};
use crate::page;
use crate::server::Sandbox;

fn content(fields: Fields) -> Map<String, Value> {
    let members = fields.into_iter().map(|(name, value)| (name, json!(value)));
    members.collect()
}

/// What a notice of payment tells.
pub(crate) fn payment(trade: &Trade, now_ms: i64) -> Map<String, Value> {
    let manner = Manner::of(trade.key.channel);
    manner.map_or_else(Map::new, |manner| {
        content(orders::payment(manner, trade, now_ms))
    })
}

/// What a notice of refund tells.
pub(crate) fn refund(trade: &Trade, refund: &Refund) -> Map<String, Value> {
    let manner = Manner::of(trade.key.channel);
    manner.map_or_else(Map::new, |manner| {
        content(orders::returned(manner, trade, refund))
    })
}

/// The request that carries a notice.
pub(crate) fn render(sandbox: &Sandbox, notice: &Notice, fault: Option<&Fault>) -> Outgoing {
    let channel = notice.key.channel;
    let deed = fault.map(|fault| fault.deed);
    let mut fields: Fields = notice
        .content
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let mut body = Vec::new();
    if let (Some(manner), Some(identity)) = (Manner::of(channel), sandbox.config.bank(channel)) {
        let (names, words) = (&manner.names, &manner.words);
        match deed {
            Some(Deed::WrongAmount) => {
                let amount = fields.get(names.amount);
                if let Some(fen) = amount.and_then(|text| manner.read_amount(text)) {
                    fields.insert(names.amount.to_owned(), manner.amount(fen + 1));
                }
            }
            Some(Deed::Contradict) => {
                fields.insert(names.state.to_owned(), words.waiting.to_owned());
            }
            _ => {}
        }
        body = sealed(manner, identity, fields, deed);
    }
    if deed == Some(Deed::Corrupt) {
        page::corrupt(&mut body);
    }
    let form = "application/x-www-form-urlencoded".to_owned();
    Outgoing {
        headers: vec![("content-type", form)],
        body,
    }
}
