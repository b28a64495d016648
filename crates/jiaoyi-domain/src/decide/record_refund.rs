//! What a channel says about a refund: by answer, by query, by notice.

use super::allocate::place_of;
use super::approve_refund::refund_transfer;
use super::biller::{bill_no, tell};
use super::{
    Answer, CaseKind, Command, Context, NoticeMessage, Refusal, Renderer, draw_refund, line_due,
    lines, open_case, order_needs, post,
};
use crate::bank_transfer::BankTransfer;
use crate::biller::wire::Event;
use crate::books::TransferKind;
use crate::channel::{RefundOutcome, RefundTerms, channel_day};
use crate::fact::{Fact, FactKind, FactSource};
use crate::hook::HookKind;
use crate::id::RefundNo;
use crate::institution::Institution;
use crate::messages::{Inbox, Outbox, Topic};
use crate::money::Fen;
use crate::needs::Needs;
use crate::planted::{Bug, has};
use crate::record::Record;
use crate::refund::{CHANNEL_NUMBERS_MAX, Refund, RefundEvent, RefundState};
use crate::time::{Date, HOUR_MS, Instant};
use crate::working_set::WorkingSet;
use std::sync::Arc;

/// Why staff pay it out another way: the channel gives back nothing that is older than its window.
pub(super) const WINDOW_OVER: &str = "refund_window_over";

/// Whether the channel's window for giving back what was paid has ended.
pub(super) fn is_over(ws: &WorkingSet, refund: &Refund, at: Instant) -> bool {
    let terms = &refund.channel.capability().refund;
    let success = ws.fact.get(&refund.success_key());
    success.is_some_and(|fact| terms.is_over(fact.paid_at, at))
}

/// No way at the channel is left: the money stays owed, and staff have a case.
pub(super) fn to_staff(ws: &mut WorkingSet, ctx: &mut Context, mut refund: Refund, why: &str) {
    let before = refund.state;
    refund.apply(RefundEvent::ChannelCannot);
    if refund.state == before {
        return;
    }
    refund.ask_at = None;
    refund.detail = Some(why.to_owned());
    let (no, order) = (refund.refund_no.as_str().to_owned(), Some(refund.order_id));
    let (bucket, kind) = (refund.bucket, CaseKind::RefundManual);
    open_case(ws, ctx, bucket, kind, order, &no, why.to_owned());
    ws.refund.put(refund);
}

/// One word of the channel about one refund.
pub struct RecordRefund {
    /// Our refund.
    pub refund_no: RefundNo,
    /// The number the channel used, when it named one.
    pub channel_no: Option<String>,
    pub outcome: RefundOutcome,
    pub source: FactSource,
    pub notice: Option<NoticeMessage>,
    pub outbox: Option<<Outbox as Record>::Key>,
    pub renderer: Arc<dyn Renderer>,
}

impl RecordRefund {
    fn key(&self) -> <Refund as Record>::Key {
        (self.refund_no.bucket(), self.refund_no.clone())
    }

    fn done(&self, ws: &mut WorkingSet, ctx: &mut Context, mut refund: Refund) -> Answer {
        let before = refund.state;
        if !refund.apply(RefundEvent::Succeeded) {
            return Answer::Already;
        }
        let RefundOutcome::Done { at, amount } = self.outcome else {
            return Answer::Already;
        };
        // Staff paid it by bank transfer, and the channel does so too: money told is always booked.
        let known = ws.fact.get(&refund.paid_out_key()).is_some();
        let transferred = ws.bank_transfer.get(&refund.key()).is_some();
        if refund.state == before && (known || !transferred) {
            return Answer::Already;
        }
        let Some(success) = ws.fact.get(&refund.success_key()).cloned() else {
            return Answer::Held;
        };
        if amount != refund.amount {
            let detail = format!("asked {} told {amount}", refund.amount);
            let (no, order) = (refund.refund_no.as_str().to_owned(), Some(refund.order_id));
            open_case(
                ws,
                ctx,
                refund.bucket,
                CaseKind::NoticeDiffers,
                order,
                &no,
                detail,
            );
        }
        let told = (at, channel_day(refund.channel, at), self.source);
        if refund.state == before {
            book_paid_out(ws, ctx, &refund, &success, told);
            let (no, order) = (refund.refund_no.as_str().to_owned(), Some(refund.order_id));
            let (bucket, kind) = (refund.bucket, CaseKind::ReturnedTwice);
            let detail = format!("{amount} told after the bank transfer");
            open_case(ws, ctx, bucket, kind, order, &no, detail);
            return Answer::Done;
        }
        refund.done_at = Some(at);
        refund.ask_at = None;
        pay_out(ws, ctx, &refund, &success, told);
        tell_institution(ws, ctx, &refund);
        ws.refund.put(refund);
        Answer::Done
    }

    /// The number is final and paid nothing: a new number, and after that staff.
    fn closed(&self, ws: &mut WorkingSet, ctx: &mut Context, mut refund: Refund, code: &str) {
        refund.detail = Some(code.to_owned());
        refund.closes = refund.closes.saturating_add(1);
        if refund.closes >= CHANNEL_NUMBERS_MAX {
            to_staff(ws, ctx, refund, code);
            return;
        }
        if is_over(ws, &refund, ctx.at) {
            to_staff(ws, ctx, refund, WINDOW_OVER);
            return;
        }
        if !matches!(refund.state, RefundState::Sent | RefundState::Unknown) {
            return;
        }
        refund.apply(RefundEvent::ClosedByChannel);
        refund.channel_no = draw_refund(ctx, refund.bucket);
        let success = ws.fact.get(&refund.success_key());
        let total = success.map_or(refund.amount, |fact| fact.amount);
        let paid_at = success.map_or(refund.created_at, |fact| fact.paid_at);
        refund.request = Some(self.renderer.refund(&RefundTerms {
            no: refund.channel_no.clone(),
            attempt_no: refund.attempt_no.clone(),
            txn_id: refund.txn_id.clone(),
            paid_at,
            asked_at: ctx.at,
            retried: true,
            amount: refund.amount,
            total,
            reason: refund.cause.code().to_owned(),
            notify_url: self.renderer.notify_url(),
        }));
        refund.apply(RefundEvent::Sent);
        refund.ask_at = Some(refund.next_ask(ctx.at));
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

    /// The same number again, later.
    fn again(ws: &mut WorkingSet, ctx: &mut Context, mut refund: Refund, detail: Option<&str>) {
        refund.apply(RefundEvent::NoAnswer);
        refund.asks = refund.asks.saturating_add(1);
        refund.ask_at = Some(refund.next_ask(ctx.at));
        if has(Bug::RefundNotIdempotent) && detail.is_none() {
            let (old, new) = (refund.channel_no, draw_refund(ctx, refund.bucket));
            refund.request = refund.request.map(|request| {
                let text = String::from_utf8_lossy(&request);
                text.replace(old.as_str(), new.as_str()).into_bytes()
            });
            refund.channel_no = new;
        }
        if let Some(detail) = detail {
            refund.detail = Some(detail.to_owned());
        }
        ws.refund.put(refund);
    }
}

/// The institution whose payment fills the bill of a refund, if one's does: bill, institution and
/// serial.
fn institution_of(ws: &WorkingSet, refund: &Refund) -> Option<(String, String, String)> {
    let order = (refund.bucket, refund.order_id);
    let line = lines(ws, &order).find(|line| line.line_no == refund.line_no)?;
    let due = place_of(ws, line_due(line));
    let slot = ws.slot.get(&due)?;
    slot.fact_channel?.front_end()?;
    Some((
        bill_no(&due),
        slot.fact_merchant.clone()?,
        slot.fact_txn.clone()?,
    ))
}

/// What [`tell_institution`] reads.
pub(super) fn telling_needs(needs: &mut Needs<'_>, refund: &Refund) {
    let ws = needs.loaded();
    order_needs(needs, &(refund.bucket, refund.order_id));
    if let Some((_, inst_id, _)) = institution_of(ws, refund) {
        needs.key::<Institution>(&(inst_id,));
    }
}

/// Tells the institution whose payment fills the bill that the other money is back with its payer.
pub(super) fn tell_institution(ws: &mut WorkingSet, ctx: &mut Context, refund: &Refund) {
    let Some((bill_no, inst_id, seq)) = institution_of(ws, refund) else {
        return;
    };
    let Some(institution) = ws.institution.get(&(inst_id,)).cloned() else {
        return;
    };
    let told = Event {
        bill_no: Some(bill_no),
        seq: Some(seq),
        amount_fen: Some(refund.amount.get()),
        refund_no: Some(refund.refund_no.to_string()),
        reason: Some(refund.cause.code().to_owned()),
        ..Event::default()
    };
    tell(
        ws,
        ctx,
        (refund.bucket, &institution),
        HookKind::Refund,
        told,
    );
}

/// The payer has the money: the books, the fact, and the message that says so.
pub(super) fn pay_out(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    refund: &Refund,
    success: &Fact,
    told: (Instant, Date, FactSource),
) {
    book_paid_out(ws, ctx, refund, success, told);
    let no = refund.refund_no.as_str();
    post(ws, ctx, refund.bucket, Topic::SmsRefund, no, 0);
}

fn book_paid_out(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    refund: &Refund,
    success: &Fact,
    (at, day, source): (Instant, Date, FactSource),
) {
    let paid_out = Fact {
        txn_id: refund.channel_no.as_str().to_owned(),
        kind: FactKind::Refund,
        amount: refund.amount,
        paid_at: at,
        channel_day: day,
        source,
        seen_at: ctx.at,
        // A notice alone is confirmed by nobody.
        confirmed_at: matches!(source, FactSource::Query | FactSource::DayFile).then_some(ctx.at),
        premium: Fen::ZERO,
        surplus: Fen::ZERO,
        returned_or_reserved: Fen::ZERO,
        ..success.clone()
    };
    let row = refund_transfer(ctx, refund, &paid_out, TransferKind::RefundDone);
    ws.transfer.put(row);
    ws.fact.put(paid_out);
}

impl Command for RecordRefund {
    fn kind(&self) -> &'static str {
        "record_refund"
    }

    fn actor(&self) -> String {
        NoticeMessage::actor_of(self.notice.as_ref())
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        needs.key::<Refund>(&self.key());
        let bucket = self.refund_no.bucket();
        if let Some(notice) = &self.notice {
            needs.key::<Inbox>(&notice.key(bucket));
        }
        needs.keys::<Outbox>(&self.outbox);
        if let Some(refund) = ws.refund.get(&self.key()) {
            needs.key::<Fact>(&refund.success_key());
            needs.key::<Fact>(&refund.paid_out_key());
            needs.key::<BankTransfer>(&refund.key());
            telling_needs(needs, refund);
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let bucket = self.refund_no.bucket();
        let fresh = self
            .notice
            .as_ref()
            .is_none_or(|notice| notice.store(ws, ctx, bucket));
        if let Some(outbox) = &self.outbox {
            super::record_answer::finish(ws, outbox, ctx.at);
        }
        let Some(mut refund) = ws.refund.get(&self.key()).cloned() else {
            if fresh {
                let detail = format!("{:?}", self.outcome);
                let no = self.refund_no.as_str();
                open_case(ws, ctx, bucket, CaseKind::ForeignRefund, None, no, detail);
            }
            return Ok(Answer::Held);
        };
        if self
            .channel_no
            .as_deref()
            .is_some_and(|no| no != refund.channel_no.as_str())
        {
            // An earlier number of ours that was closed: money told there is for staff to see.
            if let (RefundOutcome::Done { amount, .. }, true) = (&self.outcome, fresh) {
                let detail = format!("{amount} told under an earlier number");
                let (no, order) = (refund.refund_no.as_str().to_owned(), Some(refund.order_id));
                open_case(ws, ctx, bucket, CaseKind::ForeignRefund, order, &no, detail);
            }
            return Ok(Answer::Already);
        }
        // Paid out, or with staff: what tells less than money changes nothing and plans no query.
        let under_way = matches!(
            refund.state,
            RefundState::Approved | RefundState::Sent | RefundState::Unknown
        );
        if !under_way && !matches!(self.outcome, RefundOutcome::Done { .. }) {
            return Ok(Answer::Already);
        }
        match &self.outcome {
            RefundOutcome::Done { .. } => return Ok(self.done(ws, ctx, refund)),
            RefundOutcome::Processing => {
                refund.apply(RefundEvent::Processing);
                refund.asks = refund.asks.saturating_add(1);
                refund.ask_at = Some(refund.next_ask(ctx.at));
                ws.refund.put(refund);
            }
            RefundOutcome::Closed { code } => self.closed(ws, ctx, refund, code),
            RefundOutcome::Abnormal { code } => to_staff(ws, ctx, refund, code),
            // Nothing is sent once the window is over; what left just before has an hour to be known.
            RefundOutcome::ShortOfBalance | RefundOutcome::NotFound
                if is_over(ws, &refund, ctx.at.plus_ms(-HOUR_MS)) =>
            {
                to_staff(ws, ctx, refund, WINDOW_OVER);
            }
            RefundOutcome::ShortOfBalance => {
                RecordRefund::again(ws, ctx, refund, Some("short_of_balance"));
            }
            RefundOutcome::NotFound | RefundOutcome::Unknown { .. } => {
                RecordRefund::again(ws, ctx, refund, None);
            }
        }
        Ok(Answer::Done)
    }
}
