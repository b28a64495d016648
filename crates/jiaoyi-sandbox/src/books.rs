//! Answers for: the channels' own books, every trade, refund and notice, and the agenda of what
//! happens later by the sandbox's clock. Pure data: no network, no clock, no locks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::beside;
use crate::faults::Faults;
use crate::front::Later;
use crate::front::books::FrontBooks;
use crate::sms::SmsMessage;
use crate::times::{SECOND_MS, compact_day, ms_of_day};

/// How long a "no result" payment stays hidden from queries.
pub(crate) const HIDDEN_MS: i64 = 60 * SECOND_MS;

/// Which payment channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    Wechat,
    Alipay,
    Unionpay,
    Bank1,
    Bank2,
}

/// One order at one channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) channel: Channel,
    pub(crate) out_trade_no: String,
}

impl Key {
    pub(crate) fn new(channel: Channel, out_trade_no: &str) -> Key {
        Key {
            channel,
            out_trade_no: out_trade_no.to_owned(),
        }
    }
}

/// The product an order was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Product {
    Jsapi,
    H5,
    Native,
    App,
    Wap,
    Page,
    Precreate,
}

/// Which kind of key WeChat signs a merchant's notices with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyKind {
    Pub,
    Cert,
}

#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) transaction_id: String,
    pub(crate) at_ms: i64,
    /// Until then queries do not know the outcome.
    pub(crate) hidden_until_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RefundState {
    Processing,
    Success,
    Abnormal,
    Closed,
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) out_refund_no: String,
    pub(crate) refund_id: String,
    pub(crate) amount_fen: u64,
    pub(crate) reason: String,
    pub(crate) requested_at_ms: i64,
    pub(crate) done_at_ms: Option<i64>,
    pub(crate) state: RefundState,
    /// How it will end.
    pub(crate) ends: RefundState,
    pub(crate) notify_url: Option<String>,
    /// The request, to compare a repeated one with.
    pub(crate) request: Value,
}

impl Refund {
    /// A refund that was closed or got stuck holds no money of the order.
    pub(crate) fn counts(&self) -> bool {
        matches!(
            self.state,
            RefundState::Processing | RefundState::Success | RefundState::Abnormal
        )
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Trade {
    pub(crate) key: Key,
    pub(crate) product: Product,
    pub(crate) amount_fen: u64,
    pub(crate) description: String,
    /// WeChat's `attach`, Alipay's `passback_params`.
    pub(crate) attach: String,
    pub(crate) payer: String,
    pub(crate) created_at_ms: i64,
    pub(crate) expires_at_ms: i64,
    /// Alipay: when the buyer first opened the cashier. Before that the trade does not exist.
    pub(crate) opened_at_ms: Option<i64>,
    pub(crate) closed_at_ms: Option<i64>,
    /// Alipay numbers a trade when it is opened, WeChat when it is paid.
    pub(crate) trade_no: Option<String>,
    pub(crate) payment: Option<Payment>,
    /// The payer's last try failed for lack of balance.
    pub(crate) too_little: bool,
    /// The payer will pay as soon as the order is closed.
    pub(crate) pays_after_close: bool,
    pub(crate) notify_url: Option<String>,
    pub(crate) quit_url: Option<String>,
    pub(crate) notice_key: KeyKind,
    /// The request, to compare a repeated one with.
    pub(crate) request: Value,
    pub(crate) refunds: Vec<Refund>,
}

/// What the channel itself knows an order as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Paid, but nobody is told yet.
    Hidden,
    Paid,
    Closed,
}

impl Trade {
    pub(crate) fn phase(&self, now_ms: i64) -> Phase {
        match &self.payment {
            Some(payment) if now_ms < payment.hidden_until_ms => Phase::Hidden,
            Some(_) => Phase::Paid,
            None if self.closed_at_ms.is_some() || now_ms >= self.expires_at_ms => Phase::Closed,
            None => Phase::Open,
        }
    }

    /// What was given back or is on its way back, in fen.
    pub(crate) fn refunded_fen(&self) -> u64 {
        self.refunds
            .iter()
            .filter(|refund| refund.counts())
            .map(|refund| refund.amount_fen)
            .sum()
    }
}

/// A notice and its deliveries.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) number: u64,
    /// Stays the same over all deliveries.
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) url: String,
    pub(crate) out_refund_no: Option<String>,
    pub(crate) made_at_ms: i64,
    /// What it tells, before sealing and signing.
    pub(crate) content: Map<String, Value>,
    pub(crate) notice_key: KeyKind,
    pub(crate) tries: u32,
    pub(crate) accepted: bool,
    /// HTTP status of the last delivery, 0 when none came back.
    pub(crate) last_status: u16,
    pub(crate) in_flight: bool,
    /// Deliver once more even when accepted ("notify twice").
    pub(crate) again: bool,
    /// It was held back once, until another one had come.
    pub(crate) held: bool,
}

/// Something that happens by the clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    Deliver(u64),
    EndRefund(Key, String),
    PayLate(Key),
    Front(Later),
    /// A rule of the script begins.
    Begin(usize),
    /// It ends.
    End(usize),
}

/// A page a payer has open.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) key: Key,
    pub(crate) return_url: Option<String>,
}

/// A prepared payment that WeChat handed out: prepay id, h5 link or QR code.
#[derive(Clone, Debug)]
pub(crate) struct Prepay {
    pub(crate) key: Key,
    pub(crate) ends_at_ms: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) trades: BTreeMap<Key, Trade>,
    pub(crate) by_transaction: BTreeMap<String, Key>,
    pub(crate) by_refund: BTreeMap<String, Key>,
    pub(crate) prepays: BTreeMap<String, Prepay>,
    pub(crate) visits: BTreeMap<String, Visit>,
    pub(crate) notices: BTreeMap<u64, Notice>,
    pub(crate) agenda: BTreeSet<(i64, Event)>,
    pub(crate) faults: Faults,
    /// What the institutions know that call the platform.
    pub(crate) fronts: FrontBooks,
    pub(crate) sms: Vec<SmsMessage>,
    /// What goes wrong with calls that are about no order.
    pub(crate) beside: beside::Waiting,
    /// OAuth codes: code → (openid, made at, used).
    pub(crate) codes: BTreeMap<String, (String, i64, bool)>,
    /// Bill files: token → (file, ends at).
    pub(crate) files: BTreeMap<String, (Vec<u8>, i64)>,
    /// The fee in bills, in hundredths of a percent.
    pub(crate) fee_bp: u64,
    counter: u64,
}

impl Books {
    /// A number that grows with each call.
    pub(crate) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// 28 digits, as both wallets print them; 21 of UnionPay.
    pub(crate) fn transaction_id(&mut self, channel: Channel, now_ms: i64) -> String {
        let (day, of_day, number) = (
            compact_day(now_ms),
            ms_of_day(now_ms),
            self.next() % 1_000_000,
        );
        match channel {
            Channel::Wechat => format!("420000{day}{of_day:08}{number:06}"),
            Channel::Alipay => format!("{day}220014{of_day:08}{number:06}"),
            Channel::Unionpay => format!("{day}{of_day:08}{:05}", number % 100_000),
            Channel::Bank1 | Channel::Bank2 => format!("B{day}{number:08}"),
        }
    }

    pub(crate) fn trade(&self, channel: Channel, out_trade_no: &str) -> Option<&Trade> {
        self.trades.get(&Key {
            channel,
            out_trade_no: out_trade_no.to_owned(),
        })
    }

    /// Books the payment. `None` when the order is unknown, or was paid before.
    pub(crate) fn pay(&mut self, key: &Key, now_ms: i64, hidden_ms: i64) -> Option<String> {
        let id = self.open(key, now_ms)?;
        let trade = self.trades.get_mut(key)?;
        if trade.payment.is_some() {
            return None;
        }
        trade.payment = Some(Payment {
            transaction_id: id.clone(),
            at_ms: now_ms,
            hidden_until_ms: now_ms + hidden_ms,
        });
        Some(id)
    }

    /// The buyer has the trade before them: from now on it exists and has its number.
    pub(crate) fn open(&mut self, key: &Key, now_ms: i64) -> Option<String> {
        let fresh = self.transaction_id(key.channel, now_ms);
        let trade = self.trades.get_mut(key)?;
        trade.opened_at_ms.get_or_insert(now_ms);
        let id = trade.trade_no.get_or_insert(fresh).clone();
        self.by_transaction.insert(id.clone(), key.clone());
        Some(id)
    }

    /// Books a notice and returns its number. Without a time the caller delivers it at once.
    pub(crate) fn announce(
        &mut self,
        key: &Key,
        url: &str,
        content: Map<String, Value>,
        out_refund_no: Option<String>,
        deliver_at_ms: Option<i64>,
        now_ms: i64,
    ) -> u64 {
        let number = self.next();
        let notice_key = self
            .trades
            .get(key)
            .map_or(KeyKind::Pub, |trade| trade.notice_key);
        let notice = Notice {
            number,
            id: notice_id(key, number, now_ms),
            key: key.clone(),
            url: url.to_owned(),
            out_refund_no,
            made_at_ms: now_ms,
            content,
            notice_key,
            tries: 0,
            accepted: false,
            last_status: 0,
            in_flight: false,
            again: false,
            held: false,
        };
        self.notices.insert(number, notice);
        if let Some(at_ms) = deliver_at_ms {
            self.agenda.insert((at_ms, Event::Deliver(number)));
        }
        number
    }

    /// Removes and returns what is due.
    pub(crate) fn due(&mut self, now_ms: i64) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some((at_ms, event)) = self.agenda.pop_first() {
            if at_ms > now_ms {
                self.agenda.insert((at_ms, event));
                break;
            }
            events.push(event);
        }
        events
    }

    pub(crate) fn notices_of(&self, key: &Key) -> impl Iterator<Item = &Notice> {
        self.notices
            .values()
            .filter(move |notice| notice.key == *key)
    }
}

fn notice_id(key: &Key, number: u64, now_ms: i64) -> String {
    let hash = crate::crypto::sha256_hex(
        format!("{:?}{}{number}{now_ms}", key.channel, key.out_trade_no).as_bytes(),
    );
    match key.channel {
        Channel::Wechat => format!(
            "{}-{}-5{}-a{}-{}",
            &hash[..8],
            &hash[8..12],
            &hash[13..16],
            &hash[17..20],
            &hash[20..32]
        ),
        // Notices of UnionPay and of banks carry no id of their own.
        Channel::Unionpay | Channel::Bank1 | Channel::Bank2 => hash[..32].to_owned(),
        Channel::Alipay => format!(
            "{}00222{:08}{}",
            compact_day(now_ms),
            ms_of_day(now_ms),
            &hash[..10]
        ),
    }
}
