//! What institutions ask of us (the biller API): claimed, then decided, one file a call.

mod access;
mod admin;
mod claim;
mod collect;
mod day_file;
mod hook;
mod pay;
mod reverse;
mod status;
mod told;

pub use access::{CloseAccessLink, MakeAccessLink, OpenAccessLink};
pub use admin::{PutInstitution, PutInstitutionKey, RevokeInstitutionKey};
pub use claim::ClaimSeq;
pub use collect::{CollectBill, EndCollect, ReleaseBill};
pub use day_file::StoreDayFile;
pub use hook::{Delivery, PutWebhook, RecordDelivery, ReplayEvent};
pub(super) use hook::{lock_needs, tell, tell_released};
pub use pay::PayBill;
pub use reverse::ReverseBill;
pub use status::AskCall;
pub use told::{AskBack, BookTold, NoteRow, TakeBack};

use super::start_payment::StartPayment;
use super::{Answer, Context, DueKey, OrderKey, Quote, Refusal, draw_order};
use crate::biller::wire::{LockedBy, PaidBy, Refused};
use crate::biller::{BillNo, BillerCall, CallState, Reason, Verb};
use crate::channel::ChannelCode;
use crate::due::{Due, DueState, OrderId, Slot};
use crate::front_end::FrontEnd;
use crate::id::{AttemptNo, Bucket};
use crate::institution::{Institution, holder};
use crate::money::Fen;
use crate::order::{OrderState, PayOrder};
use crate::record::Record;
use crate::time::{Date, Instant};
use crate::working_set::WorkingSet;
use std::sync::Arc;

/// What a bill costs now, or why it cannot be paid.
pub type Offer = Result<Quote, Obstacle>;

/// Why a bill cannot be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub reason: Reason,
    /// From when it can be, where that is known.
    pub opens_at: Option<Instant>,
}

impl From<Reason> for Obstacle {
    fn from(reason: Reason) -> Obstacle {
        Obstacle {
            reason,
            opens_at: None,
        }
    }
}

/// Who calls, and under which serial. Fixed when the call arrived.
#[derive(Clone, Debug)]
pub struct Caller {
    pub institution: Arc<Institution>,
    /// None where the call names no front end.
    pub front: Option<FrontEnd>,
    pub verb: Verb,
    pub seq: String,
    /// The bucket in which the call is decided; its claim names the same.
    pub bucket: Bucket,
    /// Hash of verb and content.
    pub body_hash: [u8; 32],
    /// The accounting day in which the institution books it.
    pub trace_date: Date,
}

/// What a decided call was about.
#[derive(Default)]
struct About {
    due: Option<DueKey>,
    order: Option<OrderId>,
    attempt: Option<AttemptNo>,
    amount: Fen,
    undoes: Option<String>,
}

impl Caller {
    fn key(&self) -> <BillerCall as Record>::Key {
        self.key_of(&self.seq)
    }

    fn key_of(&self, seq: &str) -> <BillerCall as Record>::Key {
        let inst_id = self.institution.inst_id.clone();
        (self.bucket, inst_id, seq.to_owned())
    }

    fn actor(&self) -> String {
        format!("institution:{}", self.institution.inst_id)
    }

    fn channel(&self) -> Option<ChannelCode> {
        self.front.map(ChannelCode::Inbound)
    }

    /// Who holds its locks.
    fn holder(&self) -> [u8; 32] {
        holder(self.institution.inst_id.as_bytes())
    }

    /// The answer, when this call was decided or declared dead before. Word for word the first one,
    /// unless it is not true any more: who undoes a payment must never hear later that it stands.
    fn known(&self, ws: &WorkingSet) -> Option<Result<Answer, Refusal>> {
        let call = ws.biller_call.get(&self.key())?;
        let same = call.verb == self.verb && call.body_hash == self.body_hash;
        let body = match call.state {
            CallState::Dead => tombstone_body(&self.seq),
            CallState::Done | CallState::Refused | CallState::Reversed if !same => {
                return Some(Err(Refusal::KeyReused));
            }
            CallState::Reversed => tombstone_body(&self.seq),
            CallState::Done | CallState::Refused => call.answer.clone(),
        };
        Some(Ok(Answer::Called { body }))
    }

    fn row(&self, ctx: &Context, about: About, state: CallState) -> BillerCall {
        BillerCall {
            bucket: self.bucket,
            inst_id: self.institution.inst_id.clone(),
            seq: self.seq.clone(),
            verb: self.verb,
            state,
            reason: None,
            body_hash: self.body_hash,
            answer: String::new(),
            trace_date: self.trace_date,
            channel: self.channel(),
            due_id: about.due.map(|due| due.1),
            generation: about.due.map(|due| due.2),
            order_id: about.order,
            attempt_no: about.attempt,
            amount: about.amount,
            undoes: about.undoes,
            at: ctx.at,
            undone_by: None,
            ended_at: None,
            version: 1,
        }
    }

    /// Keeps the call with its answer.
    fn done<T: serde::Serialize>(
        &self,
        ws: &mut WorkingSet,
        ctx: &Context,
        about: About,
        body: &T,
    ) -> Answer {
        let body = serde_json::to_string(body).unwrap_or_default();
        ws.biller_call.put(BillerCall {
            answer: body.clone(),
            ..self.row(ctx, about, CallState::Done)
        });
        Answer::Called { body }
    }

    /// Keeps the refusal: it is final for this serial.
    fn refuse(
        &self,
        ws: &mut WorkingSet,
        ctx: &Context,
        about: About,
        why: impl Into<Obstacle>,
    ) -> Answer {
        let why = why.into();
        let (reason, due) = (why.reason, about.due);
        let paid = due
            .filter(|_| reason == Reason::AlreadyPaid)
            .and_then(|due| paid_by(ws, &due));
        let lock = due
            .filter(|_| reason == Reason::Locked)
            .and_then(|due| ws.due.get(&due))
            .map(|due| self.locked_by(due));
        let body = refused_body(&self.seq, why, paid, lock);
        ws.biller_call.put(BillerCall {
            reason: Some(reason),
            answer: body.clone(),
            ..self.row(ctx, about, CallState::Refused)
        });
        Answer::Called { body }
    }

    fn locked_by(&self, due: &Due) -> LockedBy {
        LockedBy {
            channel: due
                .lock_channel
                .map_or("", |channel| channel.code())
                .to_owned(),
            until: due.lock_until.unwrap_or_default().rfc3339(),
            mine: due.lock_holder == Some(self.holder()),
        }
    }

    /// Why it may not collect at this moment of the day, and from when it may.
    fn outside_hours(&self, at: Instant) -> Option<Obstacle> {
        let terms = &self.institution;
        (!terms.in_hours(at)).then(|| Obstacle {
            reason: Reason::OutsideHours,
            opens_at: Some(terms.hours_begin(at)),
        })
    }

    /// The order by which this institution holds the lock of a due, while it holds it.
    fn own_lock(&self, ws: &WorkingSet, due: &DueKey, at: Instant) -> Option<OrderKey> {
        let row = ws.due.get(due)?;
        let mine = row.lock_holder == Some(self.holder()) && !row.lock_is_over(at);
        StartPayment::locking_order(ws, due).filter(|_| mine && row.state == DueState::Locked)
    }

    /// Why a due cannot be collected now, whoever asks; brings it up to date first.
    ///
    /// # Errors
    ///
    /// [`Refusal::Changed`] when the offer is out of date: to be made anew.
    fn obstacle(
        &self,
        ws: &mut WorkingSet,
        offer: &Offer,
        due: &DueKey,
        at: Instant,
    ) -> Result<Option<Obstacle>, Refusal> {
        if ws.slot.get(due).is_some_and(Slot::is_live) {
            return Ok(Some(Reason::AlreadyPaid.into()));
        }
        let quote = match offer {
            Ok(quote) if quote.due == *due => quote,
            Ok(_) => return Err(Refusal::Changed),
            Err(why) => return Ok(Some(*why)),
        };
        if quote.own.is_zero() {
            return Ok(Some(Reason::NothingToPay.into()));
        }
        match StartPayment::ready_due(ws, quote) {
            Ok(ready) => {
                let locked = ready.state == DueState::Locked && !ready.lock_is_over(at);
                Ok(locked.then_some(Reason::Locked.into()))
            }
            Err(Refusal::Changed) => Err(Refusal::Changed),
            Err(Refusal::AlreadyPaid) => Ok(Some(Reason::AlreadyPaid.into())),
            Err(_) => Ok(Some(Reason::NotPayable.into())),
        }
    }

    /// Places an order of one line, without an attempt yet. Whoever held the due before, and does
    /// so no longer, is out.
    fn place(
        &self,
        ws: &mut WorkingSet,
        ctx: &mut Context,
        quote: &Quote,
        relation: &str,
        until: Instant,
    ) -> OrderKey {
        if let Some(older) = StartPayment::locking_order(ws, &quote.due) {
            tell_released(ws, ctx, &older, "expired");
            StartPayment::displace(ws, ctx, &older);
        }
        self.order(ws, ctx, quote, relation, until)
    }

    /// Writes an order of one line, whoever holds the due.
    fn order(
        &self,
        ws: &mut WorkingSet,
        ctx: &mut Context,
        quote: &Quote,
        relation: &str,
        until: Instant,
    ) -> OrderKey {
        let bucket = quote.due.0;
        let (order_id, order_no) = draw_order(ctx, bucket);
        ws.pay_order.put(PayOrder {
            bucket,
            order_id,
            order_no,
            state: OrderState::Placed,
            amount: quote.own,
            line_count: 1,
            attempt_count: 0,
            holder: self.holder(),
            relation: relation.to_owned(),
            region: quote.region.clone(),
            created_at: ctx.at,
            until,
            ended_at: None,
            version: 1,
        });
        ws.line.put(quote.line((bucket, order_id), 1, ctx.at));
        (bucket, order_id)
    }
}

fn paid_by(ws: &WorkingSet, due: &DueKey) -> Option<PaidBy> {
    let slot = ws.slot.get(due).filter(|slot| slot.is_live())?;
    Some(PaidBy {
        channel: slot
            .fact_channel
            .map_or("", |channel| channel.code())
            .to_owned(),
        at: slot.accepted_at.rfc3339(),
    })
}

/// The body of a refusal.
fn refused_body(seq: &str, why: Obstacle, paid: Option<PaidBy>, lock: Option<LockedBy>) -> String {
    let refused = Refused {
        seq: seq.to_owned(),
        state: "REFUSED".to_owned(),
        reason: why.reason.code().to_owned(),
        message: why.reason.message().to_owned(),
        paid,
        lock,
        opens_at: why.opens_at.map(Instant::rfc3339),
    };
    serde_json::to_string(&refused).unwrap_or_default()
}

pub(super) fn bill_no(due: &DueKey) -> String {
    let (bucket, due_id, _) = *due;
    BillNo { bucket, due_id }.to_string()
}

/// A serial that was declared dead answers this, without being looked up.
#[must_use]
pub fn tombstone_body(seq: &str) -> String {
    refused_body(seq, Reason::Tombstone.into(), None, None)
}
