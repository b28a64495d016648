//! `pay`: an institution says that it has taken the money, and asks whether the bill takes it.

use super::super::allocate::{Filling, fill, place_of, tell_order};
use super::super::{
    Answer, CaseKind, Command, Context, DueKey, OrderKey, Refusal, current_revision, lines_of,
    open_case, person_needs,
};
use super::collect::call_needs;
use super::{About, Caller, Obstacle, Offer, bill_no, tell};
use crate::attempt::{Attempt, AttemptEvent, AttemptState};
use crate::biller::Reason;
use crate::biller::wire::{Event, Paid};
use crate::channel::Method;
use crate::due::RevisionKind;
use crate::fact::{Fact, FactKind, FactSource};
use crate::hook::HookKind;
use crate::id::AttemptNo;
use crate::money::Fen;
use crate::needs::Needs;
use crate::order::{Difference, Line};
use crate::time::Instant;
use crate::working_set::WorkingSet;

/// Takes one payment, or refuses it finally.
pub struct PayBill {
    pub caller: Caller,
    pub due: DueKey,
    /// What the bill cost when the payer acted.
    pub offer: Offer,
    /// `self`, `other` or `unstated`.
    pub relation: String,
    pub amount: Fen,
    pub paid_at: Instant,
    pub terminal: String,
    /// The call as it came, sealed.
    pub request_sealed: Vec<u8>,
}

/// What the money fills.
struct Place {
    order: OrderKey,
    line: Line,
}

/// Tells an institution that a payment of its own stands, and of its voucher.
pub(super) fn tell_paid(ws: &mut WorkingSet, ctx: &mut Context, caller: &Caller, told: Event) {
    let whom = (caller.bucket, &*caller.institution);
    for kind in [HookKind::Payment, HookKind::VoucherIssued] {
        tell(ws, ctx, whom, kind, told.clone());
    }
}

/// Money that an institution has taken, by what it says.
pub(super) struct Money<'a> {
    pub caller: &'a Caller,
    /// The serial by which the institution knows it.
    pub txn_id: &'a str,
    pub amount: Fen,
    /// When the payer acted.
    pub paid_at: Instant,
    pub source: FactSource,
}

impl Money<'_> {
    /// The institution's try, paid from its first moment on.
    pub fn attempt(
        &self,
        ctx: &mut Context,
        (bucket, order_id): OrderKey,
        terminal: &str,
        request_sealed: &[u8],
    ) -> Option<Attempt> {
        let method = Method::Inbound(self.caller.front?);
        let mut attempt = Attempt {
            bucket,
            attempt_no: AttemptNo::draw(bucket, &mut ctx.ids),
            order_id,
            seq: 1,
            method,
            channel: method.channel(),
            merchant: self.caller.institution.inst_id.clone(),
            app: terminal.to_owned(),
            state: AttemptState::Drafted,
            amount: self.amount,
            created_at: ctx.at,
            expires_at: ctx.at,
            handed_out_at: None,
            abandoned_at: None,
            request_sealed: request_sealed.to_vec(),
            handover_sealed: None,
            last_word: None,
            paid_at: Some(self.paid_at),
            ask_at: None,
            asks: 0,
            version: 1,
        };
        attempt.apply(AttemptEvent::Success);
        Some(attempt)
    }

    /// Its success, not allocated yet.
    pub fn fact(&self, ctx: &Context, attempt: &Attempt) -> Fact {
        Fact {
            bucket: attempt.bucket,
            channel: attempt.channel,
            merchant: attempt.merchant.clone(),
            txn_id: self.txn_id.to_owned(),
            kind: FactKind::Success,
            attempt_no: attempt.attempt_no.clone(),
            order_id: attempt.order_id,
            amount: self.amount,
            paid_at: self.paid_at,
            channel_day: self.caller.trace_date,
            source: self.source,
            seen_at: ctx.at,
            // Nobody is asked to confirm what the institution itself says.
            confirmed_at: Some(ctx.at),
            premium: Fen::ZERO,
            surplus: Fen::ZERO,
            returned_or_reserved: Fen::ZERO,
            version: 1,
        }
    }
}

impl PayBill {
    /// The line that the payment fills, or why there is none.
    fn place(
        &self,
        ws: &mut WorkingSet,
        ctx: &mut Context,
        due: &DueKey,
        accepted_at: Instant,
    ) -> Result<Result<Place, Obstacle>, Refusal> {
        let caller = &self.caller;
        if let Some(order) = caller.own_lock(ws, due, ctx.at) {
            let place = self.locked_place(ws, ctx, order, accepted_at);
            return Ok(place.map_err(Obstacle::from));
        }
        if let Some(why) = caller.obstacle(ws, &self.offer, due, ctx.at)? {
            return Ok(Err(why));
        }
        let quote = self.offer.as_ref().map_err(|_| Refusal::Changed)?;
        if quote.own != self.amount {
            return Ok(Err(Reason::AmountMismatch.into()));
        }
        let order = caller.place(ws, ctx, quote, &self.relation, ctx.at);
        let line = lines_of(ws, &order).into_iter().next();
        let line = line.ok_or(Refusal::NotFound { what: "line" })?;
        Ok(Ok(Place { order, line }))
    }

    /// The amount was frozen with the lock.
    fn locked_place(
        &self,
        ws: &mut WorkingSet,
        ctx: &mut Context,
        order: OrderKey,
        accepted_at: Instant,
    ) -> Result<Place, Reason> {
        let line = lines_of(ws, &order).into_iter().next();
        let line = line.ok_or(Reason::NotPayable)?;
        let revision = current_revision(ws, &super::super::line_due(&line));
        let revision = revision.filter(|row| row.kind == RevisionKind::Price);
        let revision = revision.ok_or(Reason::NotPayable)?;
        if accepted_at > line.window_until {
            return Err(Reason::WindowClosed);
        }
        if line.own != self.amount {
            return Err(Reason::AmountMismatch);
        }
        if revision.revision_no != line.revision_no {
            if line.difference_rule == Difference::Refund {
                return Err(Reason::NotPayable);
            }
            let detail = format!("quoted {} under revision {}", line.own, line.revision_no);
            let (kind, seq) = (CaseKind::Difference, &self.caller.seq);
            open_case(ws, ctx, order.0, kind, Some(order.1), seq, detail);
        }
        Ok(Place { order, line })
    }

    fn take(
        &self,
        ws: &mut WorkingSet,
        ctx: &mut Context,
        place: Place,
        accepted_at: Instant,
    ) -> Result<Answer, Refusal> {
        let caller = &self.caller;
        let money = Money {
            caller,
            txn_id: &caller.seq,
            amount: self.amount,
            paid_at: accepted_at,
            source: FactSource::Call,
        };
        let attempt = money.attempt(ctx, place.order, &self.terminal, &self.request_sealed);
        let attempt = attempt.ok_or(Refusal::WrongState)?;
        let fact = Fact {
            premium: self.amount,
            ..money.fact(ctx, &attempt)
        };
        let reversible = caller
            .front
            .is_some_and(|front| front.capability().reversible);
        let day_closes = caller.institution.day_closes(caller.trace_date);
        let reversible_until = reversible.then_some(day_closes);
        let due = super::super::line_due(&place.line);
        if let Some(mut order) = ws.pay_order.get(&place.order).cloned() {
            order.attempt_count = 1;
            ws.pay_order.put(order);
        }
        ws.attempt.put(attempt.clone());
        fill(
            ws,
            ctx,
            place.line,
            Filling::coming_in(&fact, reversible_until),
        );
        ws.fact.put(fact);
        tell_order(ws, ctx, &place.order);
        let slot = ws
            .slot
            .get(&due)
            .ok_or(Refusal::NotFound { what: "slot" })?;
        let voucher = ws.voucher.get(&(slot.bucket, slot.voucher_no.clone()));
        let body = Paid {
            seq: caller.seq.clone(),
            state: "ACCEPTED".to_owned(),
            receipt_no: attempt.attempt_no.to_string(),
            bill_no: bill_no(&due),
            amount_fen: self.amount.get(),
            accounting_day: caller.trace_date.to_string(),
            voucher_no: slot.voucher_no.to_string(),
            check_code: voucher.map_or(String::new(), |row| row.check_code.clone()),
            paid_at: accepted_at.rfc3339(),
            reversible_until: reversible_until.map(Instant::rfc3339),
        };
        tell_paid(
            ws,
            ctx,
            caller,
            Event {
                bill_no: Some(body.bill_no.clone()),
                seq: Some(body.seq.clone()),
                receipt_no: Some(body.receipt_no.clone()),
                amount_fen: Some(body.amount_fen),
                voucher_no: Some(body.voucher_no.clone()),
                ..Event::default()
            },
        );
        let about = About {
            due: Some(due),
            order: Some(place.order.1),
            attempt: Some(attempt.attempt_no),
            amount: self.amount,
            undoes: None,
        };
        Ok(caller.done(ws, ctx, about, &body))
    }
}

impl Command for PayBill {
    fn kind(&self) -> &'static str {
        "pay_bill"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        call_needs(needs, &self.caller, &self.due);
        person_needs(needs, &self.due);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let caller = &self.caller;
        if let Some(known) = caller.known(ws) {
            return known;
        }
        let due = place_of(ws, self.due);
        let terms = &caller.institution;
        let accepted_at = terms.accepted_at(caller.trace_date, self.paid_at, ctx.at);
        let judged = if !terms.is_open(caller.trace_date, ctx.at) {
            Err(Reason::DayClosed.into())
        } else if let Some(shut) = caller.outside_hours(self.paid_at) {
            Err(shut)
        } else {
            accepted_at.ok_or(Reason::PaidAtInvalid.into())
        };
        let placed = match judged {
            Ok(at) => self.place(ws, ctx, &due, at)?.map(|place| (place, at)),
            Err(why) => Err(why),
        };
        match placed {
            Ok((place, at)) => self.take(ws, ctx, place, at),
            Err(why) => {
                let about = About {
                    due: Some(due),
                    amount: self.amount,
                    ..About::default()
                };
                Ok(caller.refuse(ws, ctx, about, why))
            }
        }
    }
}
