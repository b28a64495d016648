//! `reverse`: an institution undoes its payment on the same accounting day, as if it never had
//! been.

use super::super::approve_refund::ApproveRefund;
use super::super::{
    Answer, Command, Context, DueKey, OrderKey, Refusal, fill_needs, line_due, lines, lines_of,
};
use super::collect::end_order;
use super::hook::tell_release;
use super::{About, Caller, bill_no, tell};
use crate::biller::wire::{Event, Reversed};
use crate::biller::{BillerCall, CallState, Reason, Verb, serial_told};
use crate::books::{Transfer, TransferId, TransferKind};
use crate::due::{Due, DueEvent, DueState, Slot, TurnedAway};
use crate::fact::{Fact, FactKind, FactSource};
use crate::hook::HookKind;
use crate::institution::Institution;
use crate::money::Fen;
use crate::needs::Needs;
use crate::order::LineState;
use crate::record::Record;
use crate::refund::{Refund, RefundState};
use crate::time::{DAY_MS, Date};
use crate::voucher::{Voucher, VoucherEvent, VoucherState, step as voucher_step};
use crate::working_set::WorkingSet;

/// Undoes one call.
pub struct ReverseBill {
    pub caller: Caller,
    pub orig_seq: String,
    pub orig_date: Date,
    /// The original was never claimed and never will be.
    pub orig_dead: bool,
    pub amount: Fen,
}

impl ReverseBill {
    fn original<'w>(&self, ws: &'w WorkingSet) -> Option<&'w BillerCall> {
        ws.biller_call.get(&self.caller.key_of(&self.orig_seq))
    }

    /// Why a payment cannot be undone; `None` when it can.
    fn obstacle(&self, ws: &WorkingSet, ctx: &Context, call: &BillerCall) -> Option<Reason> {
        if call.amount != self.amount {
            return Some(Reason::AmountMismatch);
        }
        if call.trace_date != self.orig_date {
            return Some(Reason::NotReversible);
        }
        let Some(slot) = filled_by(ws, call) else {
            return Some(Reason::NotReversible);
        };
        let open = slot.reversible_until.is_some_and(|until| ctx.at < until);
        (!open).then_some(Reason::UseRefund)
    }

    fn answer(&self, ws: &mut WorkingSet, ctx: &Context, about: About, undone: bool) -> Answer {
        let body = Reversed {
            seq: self.caller.seq.clone(),
            state: "REVERSED".to_owned(),
            orig_seq: self.orig_seq.clone(),
            undone,
        };
        self.caller.done(ws, ctx, about, &body)
    }

    fn end(&self, ws: &mut WorkingSet, ctx: &Context, mut call: BillerCall) {
        call.state = CallState::Reversed;
        call.undone_by = Some(self.caller.seq.clone());
        call.ended_at = Some(ctx.at);
        ws.biller_call.put(call);
    }

    /// Claimed and not decided: it never will be.
    fn bury(&self, ws: &mut WorkingSet, ctx: &Context) {
        let original = Caller {
            verb: Verb::ReversedFirst,
            seq: self.orig_seq.clone(),
            body_hash: [0; 32],
            ..self.caller.clone()
        };
        let row = original.row(ctx, About::default(), CallState::Dead);
        ws.biller_call.put(row);
    }
}

/// The success that a call brought, or a day file in its place.
pub(super) fn success_of(call: &BillerCall) -> Option<<Fact as Record>::Key> {
    let (channel, kind) = (call.channel?, FactKind::Success);
    let (inst, seq) = (call.inst_id.clone(), serial_of(call).to_owned());
    Some((call.bucket, channel, inst, seq, kind))
}

/// The institution's own serial of what a row is about.
fn serial_of(call: &BillerCall) -> &str {
    serial_told(&call.seq).unwrap_or(&call.seq)
}

pub(super) fn due_of(call: &BillerCall) -> Option<DueKey> {
    Some((call.bucket, call.due_id?, call.generation?))
}

/// The due to which the money of a payment has come. It is the one of its line: surplus that took the
/// place of what was undone lies in a later generation than its call names.
fn place_of_money(ws: &WorkingSet, call: &BillerCall) -> Option<DueKey> {
    let order = (call.bucket, call.order_id?);
    lines(ws, &order).next().map(line_due)
}

/// The slot that a payment fills with all of its money; none of it is given back.
pub(super) fn filled_by<'w>(ws: &'w WorkingSet, call: &BillerCall) -> Option<&'w Slot> {
    let fact = ws.fact.get(&success_of(call)?)?;
    let slot = ws.slot.get(&place_of_money(ws, call)?)?;
    let fills = slot.is_live() && slot.order_id == fact.order_id;
    Some(slot).filter(|_| fills && fact.returned_or_reserved.is_zero())
}

/// The surplus that takes the place of what is undone.
fn next<'w>(ws: &'w WorkingSet, slot: &Slot) -> Option<&'w Refund> {
    let no = slot.next_refund.clone()?;
    ws.refund.get(&(no.bucket(), no))
}

/// The books of a payment, backwards, and the fact of its reversal.
fn undo_money(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    mut fact: Fact,
    due: &DueKey,
    source: FactSource,
) {
    let order: OrderKey = (fact.bucket, fact.order_id);
    let rows: Vec<Transfer> = ws.transfer.iter().cloned().collect();
    for row in rows {
        let of_line = (row.bucket, row.order_id) == order && row.kind == TransferKind::Premium;
        if !of_line || (row.due_id, row.generation) != (Some(due.1), Some(due.2)) {
            continue;
        }
        ws.transfer.put(Transfer {
            transfer_id: TransferId(ctx.ids.id16()),
            debit: row.credit,
            credit: row.debit,
            kind: TransferKind::Reversed,
            book_day: ctx.book_day,
            at: ctx.at,
            ..row
        });
    }
    let amount = fact.amount;
    fact.reserve(amount);
    ws.fact.put(Fact {
        kind: FactKind::Reversal,
        source,
        paid_at: ctx.at,
        seen_at: ctx.at,
        confirmed_at: Some(ctx.at),
        premium: Fen::ZERO,
        returned_or_reserved: Fen::ZERO,
        ..fact.clone()
    });
    ws.fact.put(fact);
}

/// The next generation of a due, with everything that priced this one.
fn succeed(ws: &mut WorkingSet, mut due: Due) -> DueKey {
    let before = due.key();
    due.apply(DueEvent::GivenBack);
    ws.due.put(due.clone());
    let generation = due.generation.saturating_add(1);
    let known: Vec<_> = super::super::revisions(ws, &before).cloned().collect();
    for revision in known {
        ws.revision.put(crate::due::Revision {
            generation,
            ..revision
        });
    }
    let next = Due {
        generation,
        state: DueState::Open,
        lock_holder: None,
        lock_at: None,
        lock_lapses: 0,
        paid_at: None,
        ..due
    };
    let key = next.key();
    ws.due.put(next);
    key
}

/// Undoes a payment: as if it never had been, only that it can be read.
pub(super) fn undo(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    institution: &Institution,
    call: &BillerCall,
    source: FactSource,
) -> Option<()> {
    let key = place_of_money(ws, call)?;
    let due = ws.due.get(&key).cloned()?;
    let mut slot = ws.slot.get(&key).cloned()?;
    let fact = ws.fact.get(&success_of(call)?).cloned()?;
    let order: OrderKey = (fact.bucket, fact.order_id);
    let mut line = lines_of(ws, &order)
        .into_iter()
        .find(|line| line_due(line) == key)?;
    undo_money(ws, ctx, fact, &key, source);
    line.state = LineState::Returned;
    ws.line.put(line);
    if let Some(mut voucher) = ws
        .voucher
        .get(&(slot.bucket, slot.voucher_no.clone()))
        .cloned()
    {
        let ended = voucher_step(voucher.state, VoucherEvent::Replaced);
        voucher.state = ended
            .after(voucher.state)
            .unwrap_or(VoucherState::Superseded);
        voucher.ended_at = Some(ctx.at);
        ws.voucher.put(voucher);
    }
    let next = next(ws, &slot).cloned();
    let (accepted_at, voucher_no) = (slot.accepted_at, slot.voucher_no.to_string());
    slot.reverse(ctx.at);
    ws.slot.put(slot);
    let opened = succeed(ws, due);
    let held = next.filter(|refund| refund.state == RefundState::Held);
    let success = held
        .as_ref()
        .and_then(|row| ws.fact.get(&row.success_key()).cloned());
    match held.zip(success) {
        Some((refund, fact)) => ApproveRefund::apply_surplus(ws, ctx, refund, fact),
        // Who paid in time is not turned away by the bank's trouble.
        None => ws.turned_away.put(TurnedAway {
            bucket: opened.0,
            due_id: opened.1,
            generation: opened.2,
            at: accepted_at,
            reason: "reversed".to_owned(),
            until: ctx.at.plus_ms(DAY_MS),
        }),
    }
    tell_undone(ws, ctx, institution, call, (&opened, voucher_no));
    Some(())
}

/// Tells of the payment that is undone, of its voucher, and of the one that took its place.
fn tell_undone(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    institution: &Institution,
    call: &BillerCall,
    (opened, voucher_no): (&DueKey, String),
) {
    let whom = (call.bucket, institution);
    let bill = || Event {
        bill_no: Some(bill_no(opened)),
        ..Event::default()
    };
    let ended = Event {
        seq: Some(serial_of(call).to_owned()),
        receipt_no: call.attempt_no.as_ref().map(ToString::to_string),
        amount_fen: Some(call.amount.get()),
        voucher_no: Some(voucher_no),
        ..bill()
    };
    for kind in [HookKind::Reversal, HookKind::VoucherSuperseded] {
        tell(ws, ctx, whom, kind, ended.clone());
    }
    let next = ws.slot.get(opened).filter(|slot| slot.is_live());
    if let Some(next) = next.map(|slot| slot.voucher_no.to_string()) {
        let issued = Event {
            voucher_no: Some(next),
            ..bill()
        };
        tell(ws, ctx, whom, HookKind::VoucherIssued, issued);
    }
}

/// What undoing a payment reads, beside the call itself.
pub(super) fn undo_needs(needs: &mut Needs<'_>, call: &BillerCall) {
    let ws = needs.loaded();
    let Some(order) = call.order_id.map(|order| (call.bucket, order)) else {
        return;
    };
    fill_needs(needs, &order);
    needs.range::<Transfer>("by_order", &order);
    if let Some(success) = success_of(call) {
        let mut reversal = success.clone();
        reversal.4 = FactKind::Reversal;
        needs.key::<Fact>(&success);
        needs.key::<Fact>(&reversal);
    }
    let Some(slot) = place_of_money(ws, call).and_then(|key| ws.slot.get(&key)) else {
        return;
    };
    let voucher = (slot.bucket, slot.voucher_no.clone());
    needs.key::<Voucher>(&voucher);
    if let Some(no) = &slot.next_refund {
        needs.key::<Refund>(&(no.bucket(), no.clone()));
    }
    if let Some(refund) = next(ws, slot) {
        needs.key::<Fact>(&refund.success_key());
        fill_needs(needs, &(refund.bucket, refund.order_id));
    }
}

impl Command for ReverseBill {
    fn kind(&self) -> &'static str {
        "reverse_bill"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        let caller = &self.caller;
        needs.key::<BillerCall>(&caller.key());
        if self.orig_dead {
            return;
        }
        needs.key::<BillerCall>(&caller.key_of(&self.orig_seq));
        let Some(call) = self.original(ws) else {
            return;
        };
        if call.verb == Verb::Pay {
            undo_needs(needs, call);
        } else if let Some(order) = call.order_id {
            fill_needs(needs, &(call.bucket, order));
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let caller = &self.caller;
        if let Some(known) = caller.known(ws) {
            return known;
        }
        let about = |call: Option<&BillerCall>| About {
            due: call.and_then(due_of),
            order: call.and_then(|call| call.order_id),
            attempt: None,
            amount: self.amount,
            undoes: Some(self.orig_seq.clone()),
        };
        let Some(call) = self.original(ws).cloned() else {
            if !self.orig_dead {
                self.bury(ws, ctx);
            }
            return Ok(self.answer(ws, ctx, about(None), false));
        };
        let about = about(Some(&call));
        match (call.state, call.verb) {
            (CallState::Refused | CallState::Reversed | CallState::Dead, _) => {
                Ok(self.answer(ws, ctx, about, false))
            }
            (CallState::Done, Verb::Collect) => {
                let order = call.order_id.map(|order| (call.bucket, order));
                let undone = order.is_some_and(|order| end_order(ws, ctx, &order, false));
                if undone {
                    tell_release(ws, ctx, &caller.institution, &call, "reversed");
                }
                self.end(ws, ctx, call);
                Ok(self.answer(ws, ctx, about, undone))
            }
            (CallState::Done, Verb::Pay) => {
                if let Some(reason) = self.obstacle(ws, ctx, &call) {
                    return Ok(caller.refuse(ws, ctx, about, reason));
                }
                let told = FactSource::Call;
                undo(ws, ctx, &caller.institution, &call, told).ok_or(Refusal::WrongState)?;
                self.end(ws, ctx, call);
                Ok(self.answer(ws, ctx, about, true))
            }
            (
                CallState::Done,
                Verb::Release
                | Verb::Reverse
                | Verb::ReversedFirst
                | Verb::AskedFirst
                | Verb::Told
                | Verb::ToldFirst,
            ) => Ok(caller.refuse(ws, ctx, about, Reason::NotReversible)),
        }
    }
}
