//! Answers for: bringing notices to the merchant, again and again, on each channel's schedule.

use std::sync::Arc;

use crate::books::{Channel, Event, Notice};
use crate::faults::{Deed, Fault, Point};
use crate::server::Sandbox;
use crate::times::{HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::{alipay, bank, unionpay, wechat};

/// WeChat's gaps between deliveries: 15 more tries in about 24 hours.
const WECHAT_GAPS_MS: [i64; 15] = [
    15 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    3 * MINUTE_MS,
    10 * MINUTE_MS,
    20 * MINUTE_MS,
    30 * MINUTE_MS,
    30 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
    3 * HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    6 * HOUR_MS,
];

/// Alipay's: three at once (we leave a second between them), then 25 hours.
const ALIPAY_GAPS_MS: [i64; 10] = [
    SECOND_MS,
    SECOND_MS,
    SECOND_MS,
    4 * MINUTE_MS,
    10 * MINUTE_MS,
    10 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    6 * HOUR_MS,
    15 * HOUR_MS,
];

/// UnionPay's, and our banks': five times in a quarter of an hour.
const UNIONPAY_GAPS_MS: [i64; 4] = [MINUTE_MS, 2 * MINUTE_MS, 4 * MINUTE_MS, 5 * MINUTE_MS];

/// A request as it goes to the merchant.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// What came of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) accepted: bool,
    /// HTTP status, 0 when no answer came.
    pub(crate) status: u16,
    pub(crate) tries: u32,
}

/// Delivers one notice once, books the outcome and puts the next try on the agenda.
pub(crate) async fn deliver(sandbox: Arc<Sandbox>, number: u64) -> Delivered {
    let Ok(_permit) = sandbox.deliveries.acquire().await else {
        return Delivered::default();
    };
    let Some((notice, fault)) = begin(&sandbox, number) else {
        return Delivered::default();
    };
    let deed = fault.as_ref().map(|fault| fault.deed);
    let answer = match deed {
        Some(Deed::Delay) => return postpone(&sandbox, number, fault.and_then(|f| f.delay_s)),
        Some(Deed::Reorder) if !notice.held => {
            if let Some(held) = sandbox.books().notices.get_mut(&number) {
                held.held = true;
            }
            return postpone(&sandbox, number, fault.and_then(|f| f.delay_s));
        }
        Some(Deed::Lose | Deed::ErrorBefore) => (0, false),
        Some(Deed::Probe) => {
            send(&sandbox, &notice, fault.as_ref()).await;
            send(&sandbox, &notice, None).await
        }
        Some(Deed::Duplicate) => {
            send(&sandbox, &notice, None).await;
            send(&sandbox, &notice, None).await
        }
        Some(Deed::ErrorAfter) => (send(&sandbox, &notice, None).await.0, false),
        Some(_) => send(&sandbox, &notice, fault.as_ref()).await,
        None if notice.again => {
            send(&sandbox, &notice, None).await;
            send(&sandbox, &notice, None).await
        }
        None => send(&sandbox, &notice, None).await,
    };
    finish(&sandbox, number, answer)
}

fn begin(sandbox: &Sandbox, number: u64) -> Option<(Notice, Option<Fault>)> {
    let notice = {
        let mut books = sandbox.books();
        let notice = books.notices.get_mut(&number)?;
        if notice.in_flight {
            return None;
        }
        notice.in_flight = true;
        notice.tries += 1;
        notice.clone()
    };
    let fault = sandbox.strike(notice.key.channel, Point::Notify, &notice.key.out_trade_no);
    Some((notice, fault))
}

fn postpone(sandbox: &Sandbox, number: u64, delay_s: Option<u32>) -> Delivered {
    let at_ms = sandbox.now_ms() + i64::from(delay_s.unwrap_or(60)) * SECOND_MS;
    let mut books = sandbox.books();
    if let Some(notice) = books.notices.get_mut(&number) {
        notice.in_flight = false;
        notice.tries -= 1;
    }
    books.agenda.insert((at_ms, Event::Deliver(number)));
    Delivered::default()
}

fn finish(sandbox: &Sandbox, number: u64, (status, accepted): (u16, bool)) -> Delivered {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let Some(notice) = books.notices.get_mut(&number) else {
        return Delivered::default();
    };
    notice.in_flight = false;
    notice.again = false;
    notice.last_status = status;
    notice.accepted |= accepted;
    let (tries, done, channel) = (notice.tries, notice.accepted, notice.key.channel);
    tracing::info!(
        out_trade_no = %notice.key.out_trade_no, channel = ?notice.key.channel,
        tries, status, accepted, "notice delivered"
    );
    let gaps: &[i64] = match channel {
        Channel::Wechat => &WECHAT_GAPS_MS,
        Channel::Alipay => &ALIPAY_GAPS_MS,
        Channel::Unionpay | Channel::Bank1 | Channel::Bank2 => &UNIONPAY_GAPS_MS,
    };
    let gap = usize::try_from(tries)
        .ok()
        .and_then(|tries| gaps.get(tries.checked_sub(1)?));
    if let (false, Some(gap)) = (done, gap) {
        books
            .agenda
            .retain(|(_, event)| *event != Event::Deliver(number));
        books.agenda.insert((now_ms + gap, Event::Deliver(number)));
    }
    let held = books.notices.values().filter(|other| {
        other.held && other.tries == 0 && other.key.channel == channel && other.number != number
    });
    let held: Vec<u64> = held.map(|other| other.number).collect();
    // What was held back comes behind this one.
    books
        .agenda
        .retain(|(_, event)| !matches!(event, Event::Deliver(number) if held.contains(number)));
    for number in held {
        books.agenda.insert((now_ms, Event::Deliver(number)));
    }
    Delivered {
        accepted,
        status,
        tries,
    }
}

/// Sends once; gives the HTTP status (0 for none) and whether the merchant took it.
async fn send(sandbox: &Sandbox, notice: &Notice, fault: Option<&Fault>) -> (u16, bool) {
    let outgoing = match notice.key.channel {
        Channel::Wechat => wechat::notices::render(sandbox, notice, fault),
        Channel::Alipay => alipay::notices::render(sandbox, notice, fault),
        Channel::Unionpay => unionpay::notices::render(sandbox, notice, fault),
        Channel::Bank1 | Channel::Bank2 => bank::notices::render(sandbox, notice, fault),
    };
    let mut request = sandbox.http.post(&notice.url).body(outgoing.body);
    for (name, value) in outgoing.headers {
        request = request.header(name, value);
    }
    let Ok(response) = request.send().await else {
        return (0, false);
    };
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap_or_default();
    let accepted = match notice.key.channel {
        Channel::Wechat => status == 200 || status == 204,
        Channel::Alipay | Channel::Bank1 | Channel::Bank2 => {
            status == 200 && body.as_ref() == b"success"
        }
        Channel::Unionpay => status == 200,
    };
    (status, accepted)
}
