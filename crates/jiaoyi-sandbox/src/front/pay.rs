//! Answers for: what an institution does with a payer's money.
//!
//! Money is taken first, under a serial number that never changes. It is the platform's only by an
//! accepted `pay`, and goes back only on a promise: a refusal, a reversal, or "not found". Silence
//! and errors promise nothing: a machine then reverses, everybody else asks what became of it, now
//! and again until there is an answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Later;
use super::books::{Payment, State, Undo, accounting_day};
use super::catalog::{Front, Institution, Means, Place};
use super::client::{Heard, Point, call};
use super::wire::{Decision, Receipt, Status, Undone};
use crate::books::Event;
use crate::server::Sandbox;
use crate::sms::SmsMessage;
use crate::times::{MINUTE_MS, SECOND_MS, rfc3339};

/// The gaps between questions about an open payment; the last one is repeated.
const GAPS_MS: [i64; 5] = [
    10 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
];

/// Why money is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Reason {
    Timeout,
    CashFailed,
    CardFailed,
    Cancelled,
}

/// What happens while somebody pays, besides the scripts of [`super::faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing special.
    Plain,
    /// The button is pressed twice: the same call goes out twice, each signed for itself.
    Twice,
    /// Paid, and then notes jam or the card fails.
    Jam,
}

/// Pays what was taken under `seq` and brings it to an end as far as there is an answer.
///
/// Runs to its end even when the payer closes the page.
pub(crate) async fn pay(sandbox: &Arc<Sandbox>, seq: &str, turn: Turn) {
    let own = (sandbox.clone(), seq.to_owned());
    let work = tokio::spawn(async move {
        let (sandbox, seq) = own;
        let Some(body) = begin(&sandbox, &seq) else {
            return;
        };
        if turn == Turn::Twice {
            tokio::join!(ask(&sandbox, &seq, &body), ask(&sandbox, &seq, &body));
        } else {
            ask(&sandbox, &seq, &body).await;
        }
        if turn == Turn::Jam {
            let reason = match payment(&sandbox, &seq).map(|payment| payment.means) {
                Some("cash") => Reason::CashFailed,
                _ => Reason::CardFailed,
            };
            decide_to_undo(&sandbox, &seq, reason);
        }
        settle(&sandbox, &seq).await;
        finish(&sandbox, &seq);
    });
    if let Err(error) = work.await {
        tracing::error!(%error, seq, "a payment ended badly");
    }
}

/// Undoes a payment on the day it was made, because a clerk says so.
pub(crate) async fn undo(sandbox: &Arc<Sandbox>, seq: &str) {
    decide_to_undo(sandbox, seq, Reason::Cancelled);
    follow_up(sandbox.clone(), seq.to_owned()).await;
}

/// Asks again about a payment that is still open.
pub(crate) async fn follow_up(sandbox: Arc<Sandbox>, seq: String) {
    if begin(&sandbox, &seq).is_some() {
        settle(&sandbox, &seq).await;
        finish(&sandbox, &seq);
    }
}

fn payment(sandbox: &Sandbox, seq: &str) -> Option<Payment> {
    sandbox.books().fronts.payments.get(seq).cloned()
}

/// Marks a payment as being worked on and renders its `pay`; `None` when somebody is at it.
fn begin(sandbox: &Sandbox, seq: &str) -> Option<Value> {
    let mut books = sandbox.books();
    let payment = books.fronts.payments.get_mut(seq)?;
    if payment.under_way {
        return None;
    }
    payment.under_way = true;
    let mut body = json!({
        "seq": payment.seq,
        "trace_date": payment.trace_date,
        "bill_no": payment.bill_no,
        "amount_fen": payment.amount_fen,
        "paid_at": rfc3339(payment.taken_at_ms),
        "channel": payment.code,
        "terminal": payment.sub_channel,
    });
    let account = Means::by_code(payment.means).map_or("", Means::account_masked);
    if !account.is_empty() {
        body["account_masked"] = json!(account);
    }
    Some(body)
}

/// Ends the work on a payment; one that is still open is asked about later.
fn finish(sandbox: &Sandbox, seq: &str) {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let Some(payment) = books.fronts.payments.get_mut(seq) else {
        return;
    };
    payment.under_way = false;
    if payment.is_open() {
        let place = usize::try_from(payment.silences).unwrap_or(usize::MAX);
        let gap = GAPS_MS[place.min(GAPS_MS.len() - 1)];
        payment.silences += 1;
        let later = Event::Front(Later::FollowUp(seq.to_owned()));
        books.agenda.insert((now_ms + gap, later));
        return;
    }
    tell_by_sms(sandbox, seq, &mut books);
}

fn change(sandbox: &Sandbox, seq: &str, how: impl FnOnce(&mut Payment)) {
    if let Some(payment) = sandbox.books().fronts.payments.get_mut(seq) {
        how(payment);
    }
}

fn note(sandbox: &Sandbox, seq: &str, words: &str, state: Option<State>) {
    let now_ms = sandbox.now_ms();
    change(sandbox, seq, |payment| {
        payment.tell(now_ms, words);
        if let Some(state) = state {
            payment.end(state, now_ms);
        }
    });
}

fn decide_to_undo(sandbox: &Sandbox, seq: &str, reason: Reason) {
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let Some(payment) = books.fronts.payments.get_mut(seq) else {
        return;
    };
    let Some(institution) = Institution::by_code(payment.code) else {
        return;
    };
    if payment.state.is_returned() || payment.undo.is_some() {
        return;
    }
    // The same reversal however often it is sent: its content must not change.
    payment.undo = Some(Undo {
        reason,
        trace_date: accounting_day(institution, now_ms),
        refused: false,
    });
    payment.tell(
        now_ms,
        match reason {
            Reason::Timeout => "没有回答，决定冲正",
            Reason::CashFailed => "卡钞，决定冲正",
            Reason::CardFailed => "扣卡失败，决定冲正",
            Reason::Cancelled => "柜员撤销，决定冲正",
        },
    );
}

/// Tells the platform that money was taken.
async fn ask(sandbox: &Arc<Sandbox>, seq: &str, body: &Value) {
    let Some(institution) = institution_of(sandbox, seq) else {
        return;
    };
    note(sandbox, seq, "告诉平台：已收款", None);
    match call(sandbox, institution, Point::Pay, body.clone()).await {
        Heard::Decision(Decision::Accepted(receipt)) => book_paid(sandbox, seq, receipt),
        Heard::Decision(Decision::Refused { reason, .. }) => book_refused(sandbox, seq, reason),
        Heard::Decision(Decision::Reversed(_)) | Heard::Silence => {
            note(sandbox, seq, "没有可信的回答", None);
        }
        Heard::Error(error) => note(sandbox, seq, &format!("平台说：{}", error.code), None),
    }
}

fn book_paid(sandbox: &Sandbox, seq: &str, receipt: Receipt) {
    let words = format!("平台已入账，回执 {}", receipt.receipt_no);
    note(sandbox, seq, &words, Some(State::Paid(receipt)));
}

fn book_refused(sandbox: &Sandbox, seq: &str, code: String) {
    let words = format!("平台不收：{code}");
    note(sandbox, seq, &words, Some(State::Refused { code }));
}

/// Brings an open payment to an end, or leaves it open when nobody answers.
async fn settle(sandbox: &Arc<Sandbox>, seq: &str) {
    let Some(open) = payment(sandbox, seq).filter(Payment::is_open) else {
        return;
    };
    let place = Front::of_sub_channel(&open.sub_channel).map(|front| front.place);
    if place == Some(Place::Machine) {
        decide_to_undo(sandbox, seq, Reason::Timeout);
    }
    let Some(open) = payment(sandbox, seq) else {
        return;
    };
    match &open.undo {
        Some(undo) if !undo.refused => reverse(sandbox, &open, undo).await,
        Some(_) | None => ask_status(sandbox, &open).await,
    }
}

async fn reverse(sandbox: &Arc<Sandbox>, open: &Payment, undo: &Undo) {
    let Some(institution) = Institution::by_code(open.code) else {
        return;
    };
    let seq = &open.seq;
    let body = json!({
        "seq": format!("R{seq}"),
        "trace_date": undo.trace_date,
        "orig_seq": seq,
        "orig_date": open.trace_date,
        "amount_fen": open.amount_fen,
        "reason": undo.reason,
    });
    match call::<Decision<Undone>>(sandbox, institution, Point::Reverse, body).await {
        Heard::Decision(Decision::Reversed(Undone { undone })) => {
            note(sandbox, seq, "冲正成功", Some(State::Reversed { undone }));
        }
        // Too late to undo it: what became of it decides whose the money is.
        Heard::Decision(Decision::Refused { reason, .. }) => {
            note(sandbox, seq, &format!("不能冲正：{reason}"), None);
            change(sandbox, seq, |payment| {
                if let Some(undo) = &mut payment.undo {
                    undo.refused = true;
                }
            });
            ask_status(sandbox, open).await;
        }
        Heard::Decision(Decision::Accepted(_)) | Heard::Silence => {
            note(sandbox, seq, "冲正没有可信的回答", None);
        }
        Heard::Error(error) => note(sandbox, seq, &format!("冲正时平台说：{}", error.code), None),
    }
}

async fn ask_status(sandbox: &Arc<Sandbox>, open: &Payment) {
    let Some(institution) = Institution::by_code(open.code) else {
        return;
    };
    let seq = &open.seq;
    let body = json!({ "orig_seq": seq, "orig_date": open.trace_date });
    match call::<Status>(sandbox, institution, Point::Status, body).await {
        Heard::Decision(Status::Success { answer }) => book_paid(sandbox, seq, answer),
        Heard::Decision(Status::Refused { reason }) => book_refused(sandbox, seq, reason),
        Heard::Decision(Status::Reversed) => {
            let state = State::Reversed { undone: false };
            note(sandbox, seq, "平台说：已经冲正", Some(state));
        }
        Heard::Decision(Status::NotFound) => {
            note(
                sandbox,
                seq,
                "平台没有收到，以后也不会收",
                Some(State::NotFound),
            );
        }
        Heard::Error(error) => note(sandbox, seq, &format!("查询时平台说：{}", error.code), None),
        Heard::Silence => note(sandbox, seq, "查询没有可信的回答", None),
    }
}

fn institution_of(sandbox: &Sandbox, seq: &str) -> Option<&'static Institution> {
    Institution::by_code(payment(sandbox, seq)?.code)
}

/// A bank tells its customer by a text message, whatever the end was.
fn tell_by_sms(sandbox: &Sandbox, seq: &str, books: &mut crate::books::Books) {
    let Some(payment) = books.fronts.payments.get(seq) else {
        return;
    };
    let front = Front::of_sub_channel(&payment.sub_channel);
    let (Some(front), Some(phone)) = (front, &payment.phone) else {
        return;
    };
    let end = if payment.state.is_returned() {
        "没有缴成，已退回"
    } else {
        "已缴"
    };
    let text = format!(
        "【{}】{}年度居民医保{}元，{}。（模拟短信）",
        front.owner,
        payment.benefit_year,
        crate::money::yuan(payment.amount_fen),
        end
    );
    let id = format!("front-{seq}-{}", payment.state.is_returned());
    if front.tells_by_sms && books.sms.iter().all(|known| known.id != id) {
        books.sms.push(SmsMessage {
            id,
            to: phone.clone(),
            text,
            at: rfc3339(sandbox.now_ms()),
        });
    }
}
