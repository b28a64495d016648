//! A refund on hold may leave only when it is certain that its money is surplus.

use super::allocate::{Filling, fill, place_of, tell_order};
use super::record_refund::{WINDOW_OVER, is_over, to_staff};
use super::{
    Answer, Command, Context, OWN_CALL_MS, OrderKey, Refusal, Renderer, fill_needs, line_due,
    lines_of, post,
};
use crate::attempt::Attempt;
use crate::books::{Account, Transfer, TransferId, TransferKind};
use crate::channel::{RefundTerms, channel_day};
use crate::due::Slot;
use crate::fact::Fact;
use crate::id::RefundNo;
use crate::messages::Topic;
use crate::needs::Needs;
use crate::refund::{Refund, RefundCause, RefundEvent};
use crate::time::Date;
use crate::working_set::WorkingSet;
use std::sync::Arc;

/// Looks at one refund on hold: sends it, cancels it, or waits.
pub struct ApproveRefund {
    pub refund_no: RefundNo,
    pub renderer: Arc<dyn Renderer>,
}

/// What the slot of a refund's line says about it.
enum Ground {
    /// The slot is filled by another fact that can no longer be reversed.
    Surplus,
    /// The other fact can still be reversed until then.
    Wait(crate::time::Instant),
    /// The slot is free again: the money is premium after all.
    Free,
}

impl ApproveRefund {
    fn ground(ws: &WorkingSet, ctx: &Context, refund: &Refund) -> Ground {
        if refund.cause != RefundCause::SecondSuccess {
            return Ground::Surplus;
        }
        let order: OrderKey = (refund.bucket, refund.order_id);
        let line = lines_of(ws, &order)
            .into_iter()
            .find(|line| line.line_no == refund.line_no);
        let due = line.as_ref().map(|line| place_of(ws, line_due(line)));
        match due.and_then(|due| ws.slot.get(&due)) {
            Some(slot) if slot.is_live() => match slot.reversible_until {
                Some(until) if until > ctx.at => Ground::Wait(until),
                Some(_) | None => Ground::Surplus,
            },
            // Ended by a refund of that premium: this money is still not wanted here.
            Some(_) => Ground::Surplus,
            None => Ground::Free,
        }
    }

    /// The filling fact was reversed first: the surplus takes its place, and the refund is off.
    pub(super) fn apply_surplus(
        ws: &mut WorkingSet,
        ctx: &mut Context,
        mut refund: Refund,
        mut fact: Fact,
    ) {
        let order: OrderKey = (refund.bucket, refund.order_id);
        refund.apply(RefundEvent::Withdrawn);
        refund.ask_at = None;
        fact.unreserve(refund.amount);
        fact.premium = fact
            .premium
            .checked_add(refund.amount)
            .unwrap_or(fact.premium);
        fact.surplus = fact
            .surplus
            .checked_sub(refund.amount)
            .unwrap_or(fact.surplus);
        if let Some(mut line) = lines_of(ws, &order)
            .into_iter()
            .find(|line| line.line_no == refund.line_no)
        {
            line.generation = place_of(ws, line_due(&line)).2;
            fill(ws, ctx, line, Filling::from_surplus(&fact));
            tell_order(ws, ctx, &order);
        }
        ws.fact.put(fact);
        ws.refund.put(refund);
    }

    fn send(&self, ws: &mut WorkingSet, ctx: &mut Context, mut refund: Refund, fact: &Fact) {
        let terms = RefundTerms {
            no: refund.channel_no.clone(),
            attempt_no: refund.attempt_no.clone(),
            txn_id: refund.txn_id.clone(),
            paid_at: fact.paid_at,
            asked_at: ctx.at,
            retried: false,
            amount: refund.amount,
            total: fact.amount,
            reason: refund.cause.code().to_owned(),
            notify_url: self.renderer.notify_url(),
        };
        refund.apply(RefundEvent::Sent);
        refund.request = Some(self.renderer.refund(&terms));
        refund.sent_at = Some(ctx.at);
        refund.ask_at = Some(refund.next_ask(ctx.at.plus_ms(OWN_CALL_MS)));
        post(
            ws,
            ctx,
            refund.bucket,
            Topic::Refund,
            refund.refund_no.as_str(),
            0,
        );
        ws.refund.put(refund);
    }
}

/// The point of no return: from here on the money is owed to the payer.
pub(super) fn approve(ws: &mut WorkingSet, ctx: &mut Context, refund: &mut Refund, fact: &Fact) {
    refund.apply(RefundEvent::Approved);
    let row = refund_transfer(ctx, refund, fact, TransferKind::RefundApproved);
    ws.transfer.put(row);
}

/// The transfer of a refund step: suspense to payable, as `fact` brought it, or payable to where
/// `fact` says that it was paid out.
pub(super) fn refund_transfer(
    ctx: &mut Context,
    refund: &Refund,
    fact: &Fact,
    kind: TransferKind,
) -> Transfer {
    let payable = Account::RefundPayable {
        channel: refund.channel,
    }
    .to_string();
    let (debit, credit, channel_day) = if kind == TransferKind::RefundApproved {
        (
            Account::Suspense {
                channel: refund.channel,
            }
            .to_string(),
            payable,
            fact.channel_day,
        )
    } else if refund.channel.front_end().is_some() {
        (payable, Account::taken(fact).to_string(), fact.channel_day)
    } else {
        let (channel, day) = (refund.channel, channel_day(refund.channel, ctx.at));
        let clearing = Account::Clearing { channel, day };
        (payable, clearing.to_string(), day)
    };
    refund_row(ctx, refund, kind, (debit, credit), Some(channel_day))
}

/// One row of the books about a refund; `channel_day` where a channel told of it.
pub(super) fn refund_row(
    ctx: &mut Context,
    refund: &Refund,
    kind: TransferKind,
    (debit, credit): (String, String),
    channel_day: Option<Date>,
) -> Transfer {
    Transfer {
        bucket: refund.bucket,
        transfer_id: TransferId(ctx.ids.id16()),
        debit,
        credit,
        amount: refund.amount,
        kind,
        order_id: refund.order_id,
        line_no: refund.line_no,
        due_id: None,
        generation: None,
        channel: Some(refund.channel),
        merchant: Some(refund.merchant.clone()),
        txn_id: Some(refund.txn_id.clone()),
        refund_no: Some(refund.refund_no.clone()),
        transit_id: None,
        channel_day,
        book_day: ctx.book_day,
        at: ctx.at,
    }
}

impl Command for ApproveRefund {
    fn kind(&self) -> &'static str {
        "approve_refund"
    }

    fn actor(&self) -> String {
        "job:refund".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        held_needs(needs, &self.refund_no);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        look_at_held(ws, ctx, &self.refund_no, |ws, ctx, mut refund, fact| {
            approve(ws, ctx, &mut refund, fact);
            if is_over(ws, &refund, ctx.at) {
                to_staff(ws, ctx, refund, WINDOW_OVER);
                return Answer::Done;
            }
            self.send(ws, ctx, refund, fact);
            Answer::Act
        })
    }
}

/// What a decision about a refund on hold reads.
pub(super) fn held_needs(needs: &mut Needs<'_>, no: &RefundNo) {
    let ws = needs.loaded();
    let key = (no.bucket(), no.clone());
    needs.key::<Refund>(&key);
    if let Some(refund) = ws.refund.get(&key) {
        needs.key::<Fact>(&refund.success_key());
        let attempt = (refund.bucket, refund.attempt_no.clone());
        needs.key::<Attempt>(&attempt);
        fill_needs(needs, &(refund.bucket, refund.order_id));
    }
}

/// Looks at a refund on hold: gives its money back by `send`, makes it premium, or waits.
pub(super) fn look_at_held(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    no: &RefundNo,
    send: impl FnOnce(&mut WorkingSet, &mut Context, Refund, &Fact) -> Answer,
) -> Result<Answer, Refusal> {
    let key = (no.bucket(), no.clone());
    let mut refund = ws
        .refund
        .get(&key)
        .cloned()
        .ok_or(Refusal::NotFound { what: "refund" })?;
    if refund.state != crate::refund::RefundState::Held {
        return Ok(Answer::Already);
    }
    let fact = ws
        .fact
        .get(&refund.success_key())
        .cloned()
        .ok_or(Refusal::NotFound { what: "fact" })?;
    if fact.confirmed_at.is_none() {
        // A query must confirm the success first; make sure that one is planned.
        let no = (refund.bucket, refund.attempt_no.clone());
        if let Some(mut attempt) = ws.attempt.get(&no).cloned() {
            attempt.ask_at = Some(ctx.at);
            ws.attempt.put(attempt);
        }
        refund.asks = refund.asks.saturating_add(1);
        refund.ask_at = Some(refund.next_ask(ctx.at));
        ws.refund.put(refund);
        return Ok(Answer::Held);
    }
    match ApproveRefund::ground(ws, ctx, &refund) {
        Ground::Wait(until) => {
            refund.held_until = Some(until);
            refund.ask_at = Some(until);
            ws.refund.put(refund);
            Ok(Answer::Held)
        }
        Ground::Free => {
            ApproveRefund::apply_surplus(ws, ctx, refund, fact);
            Ok(Answer::Done)
        }
        Ground::Surplus => {
            // The slot's owner must still be the other fact when this commits.
            let order: OrderKey = (refund.bucket, refund.order_id);
            for line in lines_of(ws, &order) {
                let due = place_of(ws, line_due(&line));
                if ws.slot.get(&due).is_some_and(Slot::is_live) {
                    ws.slot.assert_unchanged(&due);
                }
            }
            Ok(send(ws, ctx, refund, &fact))
        }
    }
}
