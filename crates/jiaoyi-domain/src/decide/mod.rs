//! Decisions: a command and the rows it needs come in, changed rows and an answer go out.
//!
//! One file a command. A command first says which rows it needs (the store asks again until it
//! needs no more), then decides. Everything from outside (time, seed, sender, rendered text) is in
//! the command or its context, fixed once at arrival, so deciding again changes nothing.

mod allocate;
mod approve_refund;
mod biller;
mod confirm_zero;
mod give_up;
mod quote;
mod record_answer;
mod record_payment;
mod record_refund;
mod record_transfer;
mod record_unpaid;
mod roster;
mod small;
mod start_payment;
mod switch_method;
mod take_persons;

pub use approve_refund::ApproveRefund;
pub use biller::{
    AskBack, AskCall, BookTold, Caller, ClaimSeq, CloseAccessLink, CollectBill, Delivery,
    EndCollect, MakeAccessLink, NoteRow, Obstacle, Offer, OpenAccessLink, PayBill, PutInstitution,
    PutInstitutionKey, PutWebhook, RecordDelivery, ReleaseBill, ReplayEvent, ReverseBill,
    RevokeInstitutionKey, StoreDayFile, TakeBack, tombstone_body,
};
pub use confirm_zero::ConfirmZero;
pub use give_up::GiveUp;
pub use quote::Quote;
pub use record_answer::{RecordClose, RecordCreated};
pub use record_payment::{NoticeMessage, RecordPayment};
pub use record_refund::RecordRefund;
pub use record_transfer::RecordTransfer;
pub use record_unpaid::{RecordUnpaid, Unpaid};
pub use roster::{
    ActivateRoster, OpenRoster, PublishSlice, RejectRoster, SliceRow, StagedToPublishing,
    newer_serial,
};
pub use small::{
    AddDeviceOrder, AnswerLink, FinishOutbox, ImportPolicy, LeaseOutbox, NotePutAside, StoreInbox,
    StoreSignature,
};
pub use start_payment::StartPayment;
pub use switch_method::SwitchMethod;
pub use take_persons::{Contact, TakePersons};

use crate::attempt::{Attempt, AttemptEvent};
use crate::channel::{AttemptTerms, RefundTerms};
use crate::due::{Due, DueId, OrderId, Revision};
use crate::id::{AttemptNo, Bucket, IdSource, OrderNo, RefundNo, VoucherNo};
use crate::messages::{Case, CaseId, CaseKind, CaseState, Outbox, OutboxId, OutboxState, Topic};
use crate::money::Fen;
use crate::needs::Needs;
use crate::order::{OrderEvent, PayOrder};
use crate::planted::{Bug, has};
use crate::record::Record;
use crate::refund::RefundState;
use crate::roster::RosterState;
use crate::time::{Date, Instant, SECOND_MS};
use crate::working_set::WorkingSet;
use std::sync::Arc;

/// What surrounds a decision: fixed when the command arrived, except the book day.
#[derive(Debug)]
pub struct Context {
    /// When the command arrived.
    pub at: Instant,
    /// Source of every id the decision draws.
    pub ids: IdSource,
    /// The accounting day of the chain that will hold it.
    pub book_day: Date,
    /// Who issues vouchers, as it is frozen in them.
    pub issuer: Arc<str>,
}

/// A command: something that may change rows.
pub trait Command: Send + Sync {
    /// Stable kind, as the audit event names it.
    fn kind(&self) -> &'static str;

    /// Who is behind it, as the audit event names it: never a name or a number of a person. Those who
    /// wait for a writer take turns by it.
    fn actor(&self) -> String;

    /// Says which rows it needs, as far as what is loaded already tells; asked until nothing is missing.
    fn needs(&self, needs: &mut Needs<'_>);

    /// Decides.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; then nothing of what it changed is kept.
    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal>;
}

/// Turns terms into the sealed bytes that are stored and later sent. Pure: the same terms and nonce
/// give the same bytes.
pub trait Renderer: Send + Sync {
    /// Where the channel reports on this attempt.
    fn notify_url(&self) -> String;
    /// Where the wallet sends the payer back to.
    fn return_url(&self, bucket: Bucket, order: OrderId) -> String;
    /// What the payer reads in the wallet.
    fn description(&self) -> String;
    /// The request of an attempt, sealed.
    fn attempt(&self, terms: &AttemptTerms, nonce: [u8; 12]) -> Vec<u8>;
    /// The request of a refund; it holds no personal data and is not sealed.
    fn refund(&self, terms: &RefundTerms) -> Vec<u8>;
}

/// An attempt that was just written, and the outbox row that asks for it to be placed at its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drafted {
    pub attempt: Attempt,
    /// None where nothing has to be called.
    pub outbox: Option<<Outbox as Record>::Key>,
}

/// What a command brought about.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Answer {
    /// Done; nothing more to say.
    Done,
    /// The same was done before; nothing changed.
    Already,
    /// An order stands, with the attempt to be sent.
    Started {
        bucket: u16,
        order: String,
        attempt: String,
        /// Only where the order is new: whoever hears this need not read what was just written.
        #[serde(skip)]
        drafted: Option<Box<Drafted>>,
    },
    /// A due of 0 yuan is confirmed.
    Confirmed { bucket: u16, order: String },
    /// Somebody else is paying; it counts as in time for 24 hours.
    Locked {
        since_ms: i64,
        until_ms: i64,
        channel: String,
        may_displace: bool,
        mine: bool,
    },
    /// The payment is premium, surplus or both.
    Allocated { premium_fen: u64, surplus_fen: u64 },
    /// The message is stored and held until a query tells more.
    Held,
    /// The channel must be asked, closed or sent to now.
    Act,
    /// How many tries are left on a notice link.
    Link { open: bool, tries_left: u8 },
    /// How many rows of a slice became revisions, how many changed nothing, how many were paid.
    /// And how many name a person otherwise than known, or bring a first phone.
    Published {
        appended: u32,
        same: u32,
        paid: u32,
        outdated: u32,
    },
    /// The places of rows whose person was known under another name.
    Renamed { places: Vec<u32> },
    /// The lease of an outbox row.
    Leased { token: u32 },
    /// A serial of an institution is claimed: now, or before.
    Claimed {
        verb: String,
        /// For the same call as this one.
        same: bool,
        target: u16,
    },
    /// What an institution is answered, word for word.
    Called { body: String },
}

/// Why a command was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("the due is paid already")]
    AlreadyPaid,
    #[error("the price has changed since the quote")]
    Changed,
    #[error("the due cannot be paid now")]
    NotPayable,
    #[error("there is nothing to pay: aid covers the whole price")]
    NothingToPay,
    #[error("the window is closed")]
    WindowClosed,
    #[error("too many locks of one payer")]
    TooManyLocks,
    #[error("it belongs to somebody else")]
    NotYours,
    #[error("it cannot happen in this state")]
    WrongState,
    #[error("the same key was used with another request")]
    KeyReused,
    #[error("a newer roster of this source is known: serial {known}")]
    OlderSerial { known: i64 },
    #[error("the work is leased to somebody else")]
    Leased,
    #[error("the refund is {state}: only one that waits for staff is paid by bank transfer", state = .0.code())]
    NotForStaff(RefundState),
    #[error("it is paid by bank transfer already, on {paid_on} under {reference}")]
    TransferKnown { reference: String, paid_on: Date },
    #[error("the day of payment lies from {from}, when the refund was made, to {to}, today")]
    PaidOn { from: Date, to: Date },
    #[error("this decision failed and was put aside: {why}")]
    Poisoned { why: String },
}

impl Refusal {
    /// Stable across releases: printed on pages, counted, asserted in tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound { .. } => "pay.not_found",
            Refusal::AlreadyPaid => "pay.already_paid",
            Refusal::Changed => "pay.price_changed",
            Refusal::NotPayable => "pay.not_payable",
            Refusal::NothingToPay => "pay.nothing_to_pay",
            Refusal::WindowClosed => "pay.window_closed",
            Refusal::TooManyLocks => "pay.too_many_locks",
            Refusal::NotYours => "pay.not_yours",
            Refusal::WrongState => "pay.wrong_state",
            Refusal::KeyReused => "request.key_reused",
            Refusal::OlderSerial { .. } => "roster.older_serial",
            Refusal::Leased => "work.leased",
            Refusal::NotForStaff(_) => "refund.not_for_staff",
            Refusal::TransferKnown { .. } => "refund.transfer_known",
            Refusal::PaidOn { .. } => "refund.paid_on",
            Refusal::Poisoned { .. } => "internal.poisoned",
        }
    }
}

/// The key of a due: bucket, id, generation.
pub type DueKey = (Bucket, DueId, u32);
/// The key of an order.
pub type OrderKey = (Bucket, OrderId);

/// An order's id as text, as answers carry it.
#[must_use]
pub fn order_text(order: OrderId) -> String {
    format!("{order:?}")
}

/// Reads [`order_text`].
#[must_use]
pub fn order_from_text(text: &str) -> Option<OrderId> {
    let mut id = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (place, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(OrderId(id))
}

/// Everything about a due that a decision on its price and its slot reads.
fn due_needs(needs: &mut Needs<'_>, key: &DueKey) {
    let ws = needs.loaded();
    let mut key = *key;
    loop {
        needs.key::<Due>(&key);
        needs.key::<crate::due::Slot>(&key);
        needs.range::<Revision>("by_due", &key);
        for revision in revisions(ws, &key) {
            needs.key::<crate::roster::Roster>(&(revision.roster_id.0,));
        }
        let slot = ws.slot.get(&key);
        if !slot.is_some_and(crate::due::Slot::is_reversed) {
            return;
        }
        // What filled it was reversed: the next generation takes its place.
        key.2 = key.2.saturating_add(1);
    }
}

/// The person of a due: whom its voucher names and who is told.
fn person_needs(needs: &mut Needs<'_>, key: &DueKey) {
    if let Some(due) = needs.loaded().due.get(key) {
        needs.key::<crate::roster::Person>(&(key.0, due.person_id));
    }
}

/// An order with its lines and attempts, and everything about the lines' dues.
fn order_needs(needs: &mut Needs<'_>, key: &OrderKey) {
    let ws = needs.loaded();
    needs.key::<PayOrder>(key);
    needs.range::<crate::order::Line>("by_order", key);
    // The only attempt of most orders is the one that led here.
    let known = attempts(ws, key).count();
    let counted = ws.pay_order.get(key).map_or(0, |order| order.attempt_count);
    if u32::try_from(known).is_ok_and(|known| known < counted) {
        needs.range::<Attempt>("by_order", key);
    }
    for line in lines(ws, key) {
        due_needs(needs, &line_due(line));
    }
}

/// As [`order_needs`], for decisions that may fill a line.
fn fill_needs(needs: &mut Needs<'_>, key: &OrderKey) {
    order_needs(needs, key);
    for line in lines(needs.loaded(), key) {
        person_needs(needs, &line_due(line));
    }
}

fn revisions<'a>(ws: &'a WorkingSet, key: &DueKey) -> impl Iterator<Item = &'a Revision> {
    let (bucket, due, generation) = *key;
    let of = |revision_no| (bucket, due, generation, revision_no);
    ws.revision.between(&of(0), &of(u32::MAX))
}

/// The newest revision of a due whose roster is active.
fn current_revision(ws: &WorkingSet, key: &DueKey) -> Option<Revision> {
    revisions(ws, key)
        .filter(|row| {
            let roster = ws.roster.get(&(row.roster_id.0,));
            roster.is_some_and(|roster| roster.state == RosterState::Active)
        })
        .max_by_key(|row| row.revision_no)
        .cloned()
}

fn lines<'a>(ws: &'a WorkingSet, key: &OrderKey) -> impl Iterator<Item = &'a crate::order::Line> {
    let of = |line_no| (key.0, key.1, line_no);
    ws.line.between(&of(0), &of(u32::MAX))
}

fn lines_of(ws: &WorkingSet, key: &OrderKey) -> Vec<crate::order::Line> {
    lines(ws, key).cloned().collect()
}

fn attempts<'a>(ws: &'a WorkingSet, key: &OrderKey) -> impl Iterator<Item = &'a Attempt> {
    let (bucket, order) = *key;
    let rows = ws.attempt.from(&(bucket, AttemptNo::LOWEST));
    rows.take_while(move |row| row.bucket == bucket)
        .filter(move |row| row.order_id == order)
}

fn attempts_of(ws: &WorkingSet, key: &OrderKey) -> Vec<Attempt> {
    attempts(ws, key).cloned().collect()
}

fn line_due(line: &crate::order::Line) -> DueKey {
    (line.due_bucket, line.due_id, line.generation)
}

/// Puts a message into the outbox of the transaction.
fn post(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    bucket: Bucket,
    topic: Topic,
    subject: &str,
    delay_ms: i64,
) -> <Outbox as Record>::Key {
    let row = Outbox {
        bucket,
        outbox_id: OutboxId(ctx.ids.id16()),
        topic,
        subject: subject.to_owned(),
        state: OutboxState::Waiting,
        created_at: ctx.at,
        next_at: ctx.at.plus_ms(delay_ms),
        tries: 0,
        lease: 0,
        lease_until: None,
        done_at: None,
        version: 1,
    };
    let key = row.key();
    ws.outbox.put(row);
    key
}

/// The request that caused a call runs it at once; the relay leaves it alone for so long.
const OWN_CALL_MS: i64 = 20 * SECOND_MS;

fn open_case(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    bucket: Bucket,
    kind: CaseKind,
    order: Option<OrderId>,
    subject: &str,
    detail: String,
) {
    ws.case.put(Case {
        bucket,
        case_id: CaseId(ctx.ids.id16()),
        kind,
        state: CaseState::Open,
        order_id: order,
        subject: subject.to_owned(),
        detail,
        opened_at: ctx.at,
        version: 1,
    });
}

/// Asks for the close of every attempt of an order that is not dead, and marks it given up.
fn abandon_attempts(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    order: &OrderKey,
    except: Option<&AttemptNo>,
) {
    for mut attempt in attempts_of(ws, order) {
        let spared = except == Some(&attempt.attempt_no);
        if spared || attempt.is_dead() || attempt.paid_at.is_some() {
            continue;
        }
        attempt.abandoned_at.get_or_insert(ctx.at);
        attempt.apply(AttemptEvent::CloseAsked);
        if !attempt.is_dead() {
            post(
                ws,
                ctx,
                order.0,
                Topic::Close,
                attempt.attempt_no.as_str(),
                0,
            );
        }
        ws.attempt.put(attempt);
    }
}

/// Frees every due that the order holds.
fn free_locks(ws: &mut WorkingSet, order: &OrderKey, lapsed: bool) {
    for line in lines_of(ws, order) {
        if let Some(due) = ws.due.get(&line_due(&line)).cloned() {
            let mut freed = due;
            freed.free_lock(order.1, lapsed);
            ws.due.put(freed);
        }
    }
}

/// When every attempt of an unpaid order is dead, the order closes and its dues are free.
fn close_if_all_dead(ws: &mut WorkingSet, ctx: &Context, key: &OrderKey, lapsed: bool) {
    let Some(mut order) = ws.pay_order.get(key).cloned() else {
        return;
    };
    if !order.is_unpaid() || !attempts(ws, key).all(Attempt::is_dead) {
        return;
    }
    if order.apply(OrderEvent::AllDead) {
        order.ended_at.get_or_insert(ctx.at);
        ws.pay_order.put(order);
        free_locks(ws, key, lapsed);
    }
}

/// Draws the twelve bytes that a sealed value needs.
fn nonce(ctx: &mut Context) -> [u8; 12] {
    let bytes = ctx.ids.draw();
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&bytes[..12]);
    nonce
}

/// A new attempt of an order, rendered, with its first ask planned.
struct NewAttempt<'a> {
    order: OrderKey,
    seq: u32,
    method: crate::channel::Method,
    amount: Fen,
    expires_at: Instant,
    merchant: &'a str,
    app: &'a str,
    payer_ip: &'a str,
    openid: Option<&'a str>,
    renderer: &'a dyn Renderer,
}

fn add_attempt(ws: &mut WorkingSet, ctx: &mut Context, new: &NewAttempt<'_>) -> Drafted {
    let (bucket, order_id) = new.order;
    let no = AttemptNo::draw(bucket, &mut ctx.ids);
    let terms = AttemptTerms {
        no: no.clone(),
        method: new.method,
        amount: new.amount,
        description: new.renderer.description(),
        started_at: ctx.at,
        expires_at: new.expires_at,
        notify_url: new.renderer.notify_url(),
        return_url: new.renderer.return_url(bucket, order_id),
        payer_ip: new.payer_ip.to_owned(),
        openid: new.openid.map(str::to_owned),
    };
    let nonce = nonce(ctx);
    let mut attempt = Attempt {
        bucket,
        attempt_no: no.clone(),
        order_id,
        seq: new.seq,
        method: new.method,
        channel: new.method.channel(),
        merchant: new.merchant.to_owned(),
        app: new.app.to_owned(),
        state: crate::attempt::AttemptState::Drafted,
        amount: new.amount,
        created_at: ctx.at,
        expires_at: new.expires_at,
        handed_out_at: None,
        abandoned_at: None,
        request_sealed: new.renderer.attempt(&terms, nonce),
        handover_sealed: None,
        last_word: None,
        paid_at: None,
        ask_at: None,
        asks: 0,
        version: 1,
    };
    let outbox = if new.method.placed_by_call() {
        Some(post(
            ws,
            ctx,
            bucket,
            Topic::Create,
            no.as_str(),
            OWN_CALL_MS,
        ))
    } else {
        // The link is signed from the stored request after this commit; this commit is the step
        // that hands it out.
        attempt.apply(AttemptEvent::HandedOut);
        attempt.handed_out_at = Some(ctx.at);
        None
    };
    attempt.ask_at = attempt.next_ask(ctx.at);
    ws.attempt.put(attempt.clone());
    Drafted { attempt, outbox }
}

/// Draws the numbers of a new order.
fn draw_order(ctx: &mut Context, bucket: Bucket) -> (OrderId, OrderNo) {
    (OrderId(ctx.ids.id16()), OrderNo::draw(bucket, &mut ctx.ids))
}

/// Draws a voucher number.
fn draw_voucher(ctx: &mut Context, bucket: Bucket) -> VoucherNo {
    if has(Bug::VoucherNumberReused) {
        return VoucherNo::draw(bucket, &mut IdSource::new([0; 32], 0));
    }
    VoucherNo::draw(bucket, &mut ctx.ids)
}

/// Draws a refund number.
fn draw_refund(ctx: &mut Context, bucket: Bucket) -> RefundNo {
    RefundNo::draw(bucket, &mut ctx.ids)
}

#[cfg(test)]
mod tests;
