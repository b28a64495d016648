//! Answers for: what a payer does at the wallet, and what the channels do later by themselves.

use std::sync::Arc;

use crate::books::{Books, Channel, Event, HIDDEN_MS, Key, KeyKind, Phase, RefundState, Trade};
use crate::delivery::{self, Delivered};
use crate::server::Sandbox;
use crate::times::SECOND_MS;
use crate::{alipay, bank, unionpay, wechat};

/// How late a "late" notice comes.
const LATE_MS: i64 = 60 * SECOND_MS;
/// How long after the closing a payer of a closed order still pays.
const AFTER_CLOSE_MS: i64 = SECOND_MS;

/// The wallet page's buttons; the names are the form's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Pay,
    Low,
    Cancel,
    NoResult,
    NotifyTwice,
    WrongAmount,
    NotifyLate,
    PayAfterClose,
}

impl Act {
    pub(crate) fn from_name(name: &str) -> Option<Act> {
        Some(match name {
            "pay" => Act::Pay,
            "low" => Act::Low,
            "cancel" => Act::Cancel,
            "no_result" => Act::NoResult,
            "notify_twice" => Act::NotifyTwice,
            "wrong_amount" => Act::WrongAmount,
            "notify_late" => Act::NotifyLate,
            "pay_after_close" => Act::PayAfterClose,
            _ => return None,
        })
    }
}

/// What an act led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Paid,
    NotPaid,
    /// Paid as soon as the merchant closes the order.
    Armed,
    AlreadyPaid,
    Closed,
}

/// Does what a payer pressed. The second value is a notice to be delivered now.
pub(crate) fn act(sandbox: &Sandbox, key: &Key, act: Act) -> Option<(Outcome, Option<u64>)> {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let phase = books.trades.get(key)?.phase(now_ms);
    match (phase, act) {
        (Phase::Paid | Phase::Hidden, _) => Some((Outcome::AlreadyPaid, None)),
        (_, Act::Low | Act::Cancel) => {
            books.trades.get_mut(key)?.too_little = act == Act::Low;
            Some((Outcome::NotPaid, None))
        }
        (Phase::Closed, Act::PayAfterClose) => {
            books.pay(key, now_ms, 0);
            Some((
                Outcome::Paid,
                announce(sandbox, &mut books, key, None, false),
            ))
        }
        (Phase::Closed, _) => Some((Outcome::Closed, None)),
        (Phase::Open, Act::PayAfterClose) => {
            books.open(key, now_ms);
            arm(&mut books, key);
            Some((Outcome::Armed, None))
        }
        (Phase::Open, Act::NoResult) => {
            books.pay(key, now_ms, HIDDEN_MS);
            Some((Outcome::Paid, None))
        }
        (Phase::Open, Act::Pay | Act::NotifyTwice | Act::WrongAmount | Act::NotifyLate) => {
            books.pay(key, now_ms, 0);
            let late = (act == Act::NotifyLate).then_some(now_ms + LATE_MS);
            let wrong = act == Act::WrongAmount;
            let number = announce(sandbox, &mut books, key, late, wrong);
            if act == Act::NotifyTwice
                && let Some(notice) = number.and_then(|number| books.notices.get_mut(&number))
            {
                notice.again = true;
            }
            Some((Outcome::Paid, number.filter(|_| late.is_none())))
        }
    }
}

/// The payer of this order, if it is there, will pay as soon as it is closed or has expired.
pub(crate) fn arm(books: &mut Books, key: &Key) {
    let Some(trade) = books.trades.get_mut(key) else {
        return;
    };
    trade.pays_after_close = true;
    let at_ms = trade.expires_at_ms + AFTER_CLOSE_MS;
    books.agenda.insert((at_ms, Event::PayLate(key.clone())));
}

/// Books the order as closed; an armed payer pays a moment later.
pub(crate) fn close(books: &mut Books, key: &Key, now_ms: i64) {
    let Some(trade) = books.trades.get_mut(key) else {
        return;
    };
    if trade.closed_at_ms.is_some() {
        return;
    }
    trade.closed_at_ms = Some(now_ms);
    if trade.pays_after_close {
        books
            .agenda
            .insert((now_ms + AFTER_CLOSE_MS, Event::PayLate(key.clone())));
    }
}

/// The channel closes all its open orders by itself; without a channel all do.
pub(crate) fn close_all(books: &mut Books, channel: Option<Channel>, now_ms: i64) {
    let open = books.trades.values().filter(|trade| {
        channel.is_none_or(|own| own == trade.key.channel) && trade.phase(now_ms) == Phase::Open
    });
    let keys: Vec<Key> = open.map(|trade| trade.key.clone()).collect();
    for key in keys {
        close(books, &key, now_ms);
    }
}

/// The armed payer of a closed order pays.
pub(crate) fn pay_late(sandbox: &Sandbox, key: &Key) {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let armed = books
        .trades
        .get(key)
        .is_some_and(|trade| trade.pays_after_close && trade.phase(now_ms) == Phase::Closed);
    if armed && books.pay(key, now_ms, 0).is_some() {
        announce(sandbox, &mut books, key, Some(now_ms), false);
    }
}

/// Books the notice of a payment. `None` when the order has no notify URL.
fn announce(
    sandbox: &Sandbox,
    books: &mut Books,
    key: &Key,
    deliver_at_ms: Option<i64>,
    wrong_amount: bool,
) -> Option<u64> {
    let now_ms = sandbox.now_ms();
    let trade = books.trades.get(key)?;
    let url = trade.notify_url.clone()?;
    let mut told = trade.clone();
    if wrong_amount {
        told.amount_fen += 1;
    }
    let content = match key.channel {
        Channel::Wechat => wechat::notices::payment(sandbox, &told),
        Channel::Alipay => alipay::notices::payment(sandbox, &told, now_ms),
        Channel::Unionpay => unionpay::notices::payment(sandbox, &told, now_ms),
        Channel::Bank1 | Channel::Bank2 => bank::notices::payment(&told, now_ms),
    };
    Some(books.announce(key, &url, content, None, deliver_at_ms, now_ms))
}

/// Ends a refund that was under way and tells the merchant.
pub(crate) fn end_refund(sandbox: &Sandbox, key: &Key, out_refund_no: &str) {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let Some(trade) = books.trades.get_mut(key) else {
        return;
    };
    let Some(refund) = trade
        .refunds
        .iter_mut()
        .find(|refund| refund.out_refund_no == out_refund_no)
    else {
        return;
    };
    if refund.state != RefundState::Processing {
        return;
    }
    refund.state = refund.ends;
    refund.done_at_ms = (refund.state == RefundState::Success).then_some(now_ms);
    let refund = refund.clone();
    let trade = trade.clone();
    let content = match key.channel {
        Channel::Wechat => Some(wechat::notices::refund(sandbox, &trade, &refund)),
        // It tells successes only.
        Channel::Unionpay if refund.state == RefundState::Success => {
            Some(unionpay::notices::refund(sandbox, &trade, &refund))
        }
        Channel::Bank1 | Channel::Bank2 => Some(bank::notices::refund(&trade, &refund)),
        Channel::Unionpay | Channel::Alipay => None,
    };
    if let (Some(content), Some(url)) = (content, &refund.notify_url) {
        books.announce(
            key,
            url,
            content,
            Some(refund.out_refund_no.clone()),
            Some(now_ms),
            now_ms,
        );
    }
}

/// What `POST /_sandbox/pay` answers.
pub(crate) enum Played {
    Unknown,
    Closed,
    Paid {
        transaction_id: String,
        delivered: Delivered,
    },
}

/// Plays the payer and waits for the merchant's answer to the notice.
pub(crate) async fn play(
    sandbox: &Arc<Sandbox>,
    key: &Key,
    serial: Option<KeyKind>,
    amount_fen: Option<u64>,
) -> Played {
    let now_ms = sandbox.now_ms();
    let number = {
        let mut books = sandbox.books();
        let Some(trade) = books.trades.get_mut(key) else {
            return Played::Unknown;
        };
        if trade.phase(now_ms) == Phase::Closed {
            return Played::Closed;
        }
        if let Some(serial) = serial {
            trade.notice_key = serial;
        }
        let kind = trade.notice_key;
        if trade.payment.is_none() {
            trade.amount_fen = amount_fen.unwrap_or(trade.amount_fen);
            books.pay(key, now_ms, 0);
            announce(sandbox, &mut books, key, None, false)
        } else {
            let found = books
                .notices_of(key)
                .find(|notice| notice.out_refund_no.is_none());
            match found.map(|notice| notice.number) {
                Some(number) => {
                    if let Some(notice) = books.notices.get_mut(&number) {
                        notice.notice_key = kind;
                    }
                    Some(number)
                }
                None => announce(sandbox, &mut books, key, None, false),
            }
        }
    };
    let delivered = match number {
        Some(number) => deliver_now(sandbox, number).await,
        None => Delivered::default(),
    };
    let transaction_id = transaction_id(sandbox.books().trades.get(key));
    Played::Paid {
        transaction_id,
        delivered,
    }
}

/// Takes the notice off the agenda and delivers it.
pub(crate) async fn deliver_now(sandbox: &Arc<Sandbox>, number: u64) -> Delivered {
    sandbox
        .books()
        .agenda
        .retain(|(_, event)| *event != Event::Deliver(number));
    delivery::deliver(sandbox.clone(), number).await
}

fn transaction_id(trade: Option<&Trade>) -> String {
    trade
        .and_then(|trade| trade.payment.as_ref())
        .map(|payment| payment.transaction_id.clone())
        .unwrap_or_default()
}
