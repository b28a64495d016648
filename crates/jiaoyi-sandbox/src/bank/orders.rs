//! Answers for: a bank's orders and refunds: the page, asking, giving back. There is no closing.

use serde_json::json;

use super::{Call, Fields, Reply};
use crate::books::{Event, Key, KeyKind, Phase, Product, Refund, RefundState, Trade};
use crate::faults::{Deed, Fault};
use crate::server::Sandbox;
use crate::times::SECOND_MS;
use crate::wallet;

/// How long a refund is under way.
const UNDER_WAY_MS: i64 = 2 * SECOND_MS;

fn key_of(call: &Call) -> Result<Key, &'static str> {
    let number = call.get(call.manner.names.order);
    Ok(Key {
        channel: call.manner.channel,
        out_trade_no: number.ok_or(call.manner.words.wrong)?.to_owned(),
    })
}

/// The payer's browser brings the order, and is sent to the bank's page.
pub(super) fn pay(sandbox: &Sandbox, call: &Call) -> Reply {
    let (names, words) = (&call.manner.names, &call.manner.words);
    let need = |name| call.get(name).ok_or(words.wrong);
    let key = key_of(call)?;
    let amount_fen = call.manner.read_amount(need(names.amount)?);
    let amount_fen = amount_fen.ok_or(words.wrong)?;
    let expires_at_ms = call.manner.read_time(need(names.expires)?);
    let expires_at_ms = expires_at_ms.ok_or(words.wrong)?;
    let back = need(names.back)?.to_owned();
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    match books.trades.get(&key) {
        Some(trade) if trade.amount_fen != amount_fen => return Err(words.wrong),
        Some(trade) if trade.phase(now_ms) != Phase::Open => return Err(words.closed),
        Some(_) => {}
        None if expires_at_ms <= now_ms => return Err(words.closed),
        None => {
            let trade = Trade {
                key: key.clone(),
                product: Product::Page,
                amount_fen,
                description: need(names.text)?.to_owned(),
                attach: String::new(),
                payer: String::new(),
                created_at_ms: now_ms,
                expires_at_ms,
                opened_at_ms: None,
                closed_at_ms: None,
                trade_no: None,
                payment: None,
                too_little: false,
                pays_after_close: false,
                notify_url: Some(need(names.notify)?.to_owned()),
                quit_url: None,
                notice_key: KeyKind::Pub,
                request: json!({}),
                refunds: Vec::new(),
            };
            books.trades.insert(key.clone(), trade);
        }
    }
    books.open(&key, now_ms);
    let token = wallet::visit(&mut books, &key, Some(back));
    let location = format!("{}/_wallet/{token}", sandbox.base_url());
    Ok(Fields::from([("location".to_owned(), location)]))
}

/// What a query answers and a notice of payment holds.
pub(super) fn payment(manner: &super::Manner, trade: &Trade, now_ms: i64) -> Fields {
    let (names, words) = (&manner.names, &manner.words);
    let state = match trade.phase(now_ms) {
        Phase::Open => words.waiting,
        Phase::Hidden => words.hidden,
        Phase::Paid => words.paid,
        Phase::Closed => words.closed,
    };
    let mut fields = Fields::new();
    let mut put = |name: &str, value: String| fields.insert(name.to_owned(), value);
    put(names.order, trade.key.out_trade_no.clone());
    put(names.state, state.to_owned());
    put(names.amount, manner.amount(trade.amount_fen));
    if let Some(payment) = trade.payment.as_ref().filter(|_| state == words.paid) {
        put(names.txn, payment.transaction_id.clone());
        put(names.paid_at, manner.time(payment.at_ms));
    }
    fields
}

pub(super) fn query(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
    let now_ms = sandbox.now_ms();
    let books = sandbox.books();
    let trade = books.trades.get(&key_of(call)?);
    let mut told = trade.ok_or(call.manner.words.absent)?.clone();
    match fault.map(|fault| fault.deed) {
        Some(Deed::Contradict) => told = crate::wechat::orders::opposite(&told, now_ms),
        Some(Deed::WrongAmount) => told.amount_fen += 1,
        _ => {}
    }
    Ok(payment(call.manner, &told, now_ms))
}

/// What answers and notices about a refund hold.
pub(super) fn returned(manner: &super::Manner, trade: &Trade, refund: &Refund) -> Fields {
    let (names, words) = (&manner.names, &manner.words);
    let state = match refund.state {
        RefundState::Processing => words.refunding,
        RefundState::Success => words.refunded,
        RefundState::Abnormal | RefundState::Closed => words.refused,
    };
    let at_ms = refund.done_at_ms.map(|at_ms| manner.time(at_ms));
    let told = [
        (names.order, trade.key.out_trade_no.clone()),
        (names.refund, refund.out_refund_no.clone()),
        (names.refund_amount, manner.amount(refund.amount_fen)),
        (names.state, state.to_owned()),
        (names.refunded_at, at_ms.unwrap_or_default()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(super) fn refund(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
    let (names, words) = (&call.manner.names, &call.manner.words);
    let need = |name| call.get(name).ok_or(words.wrong);
    let (key, number) = (key_of(call)?, need(names.refund)?.to_owned());
    let amount_fen = call.manner.read_amount(need(names.refund_amount)?);
    let amount_fen = amount_fen.ok_or(words.wrong)?;
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let refund_id = books.transaction_id(key.channel, now_ms);
    let trade = books.trades.get_mut(&key).ok_or(words.absent)?;
    let known = trade
        .refunds
        .iter()
        .find(|known| known.out_refund_no == number);
    if let Some(known) = known {
        // The same number again gives back once.
        let told = (known.amount_fen == amount_fen).then(|| returned(call.manner, trade, known));
        return told.ok_or(words.wrong);
    }
    let paid = trade
        .payment
        .as_ref()
        .filter(|_| trade.phase(now_ms) == Phase::Paid);
    let is_its = paid.is_some_and(|paid| call.get(names.txn) == Some(&paid.transaction_id));
    let left_fen = trade.amount_fen.saturating_sub(trade.refunded_fen());
    let contradicted = fault.is_some_and(|fault| fault.deed == Deed::Contradict);
    if !is_its || amount_fen > left_fen || contradicted {
        return Err(words.refused);
    }
    let refund = Refund {
        out_refund_no: number.clone(),
        refund_id,
        amount_fen,
        reason: String::new(),
        requested_at_ms: now_ms,
        done_at_ms: None,
        state: RefundState::Processing,
        ends: RefundState::Success,
        notify_url: call.get(names.notify).map(str::to_owned),
        request: json!({}),
    };
    let told = returned(call.manner, trade, &refund);
    trade.refunds.push(refund);
    books.by_refund.insert(number.clone(), key.clone());
    let at_ms = now_ms + UNDER_WAY_MS;
    books.agenda.insert((at_ms, Event::EndRefund(key, number)));
    Ok(told)
}

pub(super) fn refund_query(sandbox: &Sandbox, call: &Call) -> Reply {
    let (names, words) = (&call.manner.names, &call.manner.words);
    let number = call.get(names.refund).ok_or(words.wrong)?;
    let books = sandbox.books();
    let trade = books.trades.get(&key_of(call)?).ok_or(words.absent)?;
    let refund = trade
        .refunds
        .iter()
        .find(|known| known.out_refund_no == number);
    let refund = refund.ok_or(words.absent)?;
    Ok(returned(call.manner, trade, refund))
}
