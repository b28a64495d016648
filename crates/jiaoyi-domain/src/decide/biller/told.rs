//! What a day file tells. A `pay` asks and may be refused; a row of the day file says what is: it is
//! a fact and never refused (CORE.md 15).

use super::super::allocate::{Incoming, allocate, hold_whole, place_of};
use super::super::approve_refund::{approve, held_needs, look_at_held};
use super::super::record_refund::pay_out;
use super::super::{
    Answer, CaseKind, Command, Context, DueKey, Quote, Refusal, current_revision, due_needs,
    line_due, lines, open_case, person_needs,
};
use super::pay::{Money, tell_paid};
use super::reverse::{due_of, filled_by, success_of, undo, undo_needs};
use super::{About, Caller, bill_no, tell};
use crate::biller::wire::Event;
use crate::biller::{BillerCall, CallState, Evidence, Verb, serial_told};
use crate::due::RevisionKind;
use crate::fact::{Fact, FactKind, FactSource};
use crate::hook::HookKind;
use crate::id::{Bucket, RefundNo};
use crate::institution::Institution;
use crate::messages::Case;
use crate::money::Fen;
use crate::needs::Needs;
use crate::record::Record;
use crate::refund::{Refund, RefundEvent, RefundState};
use crate::time::Instant;
use crate::working_set::WorkingSet;

/// Opens a case about a serial, unless there is one that says the same; whether it did.
pub(super) fn open_case_once(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    (bucket, kind): (Bucket, CaseKind),
    subject: &str,
    detail: &str,
) -> bool {
    let same = |case: &Case| {
        (case.bucket, case.kind) == (bucket, kind)
            && (case.subject.as_str(), case.detail.as_str()) == (subject, detail)
    };
    let is_new = !ws.case.iter().any(same);
    if is_new {
        open_case(ws, ctx, bucket, kind, None, subject, detail.to_owned());
    }
    is_new
}

/// How a case names a serial of an institution.
pub(super) fn subject(inst_id: &str, seq: &str) -> String {
    format!("{inst_id}:{seq}")
}

impl Caller {
    /// Keeps what a day file told, under its own name beside the call of the serial.
    fn keep_told(&self, ws: &mut WorkingSet, ctx: &Context, about: About, told: &Evidence) {
        ws.biller_call.put(BillerCall {
            answer: told.to_string(),
            ..self.row(ctx, about, CallState::Done)
        });
    }
}

/// Books a payment that a day file lists and that no call of its institution has brought: refused,
/// declared dead, or never heard of. It fills a free slot like any other money; otherwise it is
/// surplus. A case is opened either way. What was told first counts.
pub struct BookTold {
    /// Under [`crate::biller::told_seq`].
    pub caller: Caller,
    /// What the bill cost when the payer acted, whether or not it could be paid then.
    pub quote: Quote,
    pub amount: Fen,
    /// When the payer acted, by the file.
    pub paid_at: Instant,
    pub evidence: Evidence,
    /// The row as it stands in the file, sealed.
    pub row_sealed: Vec<u8>,
    /// What had become of its serial before, for staff.
    pub before: String,
}

impl BookTold {
    fn seq(&self) -> &str {
        serial_told(&self.caller.seq).unwrap_or(&self.caller.seq)
    }

    fn success(&self) -> Option<<Fact as Record>::Key> {
        let inst_id = self.caller.institution.inst_id.clone();
        let (channel, seq) = (self.caller.channel()?, self.seq().to_owned());
        Some((self.caller.bucket, channel, inst_id, seq, FactKind::Success))
    }

    /// Whether the quote is the price of the due's place; demands that it still is at the commit.
    fn is_priced(&self, ws: &mut WorkingSet) -> bool {
        let (due, revision_no) = (self.quote.due, self.quote.revision_no);
        let priced = ws.revision.get(&(due.0, due.1, due.2, revision_no));
        let priced = priced.filter(|row| row.kind == RevisionKind::Price);
        let Some(roster) = priced.map(|row| row.roster_id.0) else {
            return false;
        };
        ws.roster.assert_unchanged(&(roster,));
        // A due that was withdrawn since has no price of its own any more.
        let newest = current_revision(ws, &due);
        let same = newest
            .is_some_and(|row| row.kind == RevisionKind::Void || row.revision_no == revision_no);
        same && place_of(ws, due) == due
    }

    fn tell_filled(&self, ws: &mut WorkingSet, ctx: &mut Context, fact: &Fact) {
        let slot = ws.slot.get(&self.quote.due);
        let Some(slot) = slot.filter(|slot| slot.is_live() && slot.order_id == fact.order_id)
        else {
            return;
        };
        let told = Event {
            bill_no: Some(bill_no(&self.quote.due)),
            seq: Some(self.seq().to_owned()),
            receipt_no: Some(fact.attempt_no.to_string()),
            amount_fen: Some(fact.amount.get()),
            voucher_no: Some(slot.voucher_no.to_string()),
            ..Event::default()
        };
        tell_paid(ws, ctx, &self.caller, told);
    }
}

impl Command for BookTold {
    fn kind(&self) -> &'static str {
        "book_told"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<BillerCall>(&self.caller.key());
        needs.keys::<Fact>(&self.success());
        due_needs(needs, &self.quote.due);
        person_needs(needs, &self.quote.due);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let (caller, quote) = (&self.caller, &self.quote);
        let success = self.success().ok_or(Refusal::WrongState)?;
        let known = ws.biller_call.get(&caller.key()).is_some();
        if known || ws.fact.get(&success).is_some() {
            return Ok(Answer::Already);
        }
        if !self.is_priced(ws) {
            return Err(Refusal::Changed);
        }
        let order = caller.order(ws, ctx, quote, "unstated", ctx.at);
        if let Some(mut row) = ws.pay_order.get(&order).cloned() {
            row.attempt_count = 1;
            ws.pay_order.put(row);
        }
        let money = Money {
            caller,
            txn_id: self.seq(),
            amount: self.amount,
            paid_at: self.paid_at,
            source: FactSource::DayFile,
        };
        let attempt = money.attempt(ctx, order, "", &self.row_sealed);
        let attempt = attempt.ok_or(Refusal::WrongState)?;
        ws.attempt.put(attempt.clone());
        let about = About {
            due: Some(quote.due),
            order: Some(order.1),
            attempt: Some(attempt.attempt_no.clone()),
            amount: self.amount,
            undoes: None,
        };
        let fact = money.fact(ctx, &attempt);
        let incoming = Incoming { fact, attempt };
        let fact = if quote.own == self.amount {
            allocate(ws, ctx, incoming)
        } else {
            let why = format!("day file tells {} of {}", self.amount, quote.own);
            hold_whole(ws, ctx, incoming, why)
        };
        self.tell_filled(ws, ctx, &fact);
        caller.keep_told(ws, ctx, about, &self.evidence);
        let detail = format!(
            "{} {} premium {} surplus {}",
            self.evidence, self.before, fact.premium, fact.surplus
        );
        let subject = subject(&caller.institution.inst_id, self.seq());
        open_case(
            ws,
            ctx,
            order.0,
            CaseKind::DayFile,
            Some(order.1),
            &subject,
            detail,
        );
        Ok(Answer::Allocated {
            premium_fen: fact.premium.get(),
            surplus_fen: fact.surplus.get(),
        })
    }
}

/// Gives surplus back through the institution that has taken it: it holds the payer's money, so it
/// is told to return it, and a later day file says that it has.
pub struct AskBack {
    pub refund_no: RefundNo,
}

/// The due that a refund's order is about.
fn refund_due(ws: &WorkingSet, refund: &Refund) -> Option<DueKey> {
    let order = (refund.bucket, refund.order_id);
    lines(ws, &order).next().map(line_due)
}

fn ask_back(ws: &mut WorkingSet, ctx: &mut Context, mut refund: Refund, fact: &Fact) -> Answer {
    approve(ws, ctx, &mut refund, fact);
    refund.apply(RefundEvent::Sent);
    refund.sent_at = Some(ctx.at);
    refund.ask_at = None;
    let told = Event {
        kind: HookKind::GiveBack.code().to_owned(),
        inst_id: refund.merchant.clone(),
        at: ctx.at.rfc3339(),
        bill_no: refund_due(ws, &refund).as_ref().map(bill_no),
        seq: Some(refund.txn_id.clone()),
        receipt_no: Some(refund.attempt_no.to_string()),
        amount_fen: Some(refund.amount.get()),
        refund_no: Some(refund.refund_no.to_string()),
        reason: Some(refund.cause.code().to_owned()),
        ..Event::default()
    };
    refund.request = serde_json::to_vec(&told).ok();
    if let Some(institution) = ws.institution.get(&(refund.merchant.clone(),)).cloned() {
        let whom = (refund.bucket, &institution);
        tell(ws, ctx, whom, HookKind::GiveBack, told);
    }
    ws.refund.put(refund);
    Answer::Act
}

impl Command for AskBack {
    fn kind(&self) -> &'static str {
        "ask_back"
    }

    fn actor(&self) -> String {
        "job:refund".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        held_needs(needs, &self.refund_no);
        let refund = ws
            .refund
            .get(&(self.refund_no.bucket(), self.refund_no.clone()));
        if let Some(refund) = refund {
            needs.key::<Institution>(&(refund.merchant.clone(),));
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        look_at_held(ws, ctx, &self.refund_no, ask_back)
    }
}

/// A day file tells that a payment was undone, or that its surplus was given back.
pub struct TakeBack {
    /// Under [`crate::biller::back_seq`], in the bucket of the payment; its day is the file's.
    pub caller: Caller,
    /// The name under which the payment is kept: its serial, or [`crate::biller::told_seq`].
    pub of: String,
    /// When, by the file.
    pub at: Instant,
    pub evidence: Evidence,
}

impl TakeBack {
    fn payment<'w>(&self, ws: &'w WorkingSet) -> Option<&'w BillerCall> {
        let call = ws.biller_call.get(&self.caller.key_of(&self.of))?;
        let stands = call.state == CallState::Done;
        Some(call).filter(|call| stands && matches!(call.verb, Verb::Pay | Verb::Told))
    }

    /// The refund that gives back what a payment brought, where all of it was surplus.
    fn surplus<'w>(ws: &'w WorkingSet, fact: &Fact) -> Option<&'w Refund> {
        let order = (fact.bucket, fact.order_id);
        let all = fact.surplus == fact.amount;
        let mut refunds = ws.refund.iter().filter(|refund| {
            (refund.bucket, refund.order_id) == order && refund.state != RefundState::Cancelled
        });
        refunds
            .next()
            .filter(|refund| all && refund.amount == fact.amount)
    }

    /// Takes back what fills a slot, on the day of the payment itself: as if it never had been.
    fn reverse(&self, ws: &mut WorkingSet, ctx: &mut Context, call: &BillerCall) -> bool {
        let same_day = call.trace_date == self.caller.trace_date;
        let told = FactSource::DayFile;
        let institution = &self.caller.institution;
        same_day
            && filled_by(ws, call).is_some()
            && undo(ws, ctx, institution, call, told).is_some()
    }

    /// The payer has the surplus, whether or not we had asked for it yet.
    fn return_surplus(&self, ws: &mut WorkingSet, ctx: &mut Context, fact: &Fact) -> bool {
        let Some(mut refund) = TakeBack::surplus(ws, fact).cloned() else {
            return false;
        };
        if refund.state == RefundState::Held {
            approve(ws, ctx, &mut refund, fact);
            refund.sent_at = Some(ctx.at);
            refund.request = Some(self.evidence.to_string().into_bytes());
        }
        if !refund.apply(RefundEvent::Succeeded) {
            return false;
        }
        refund.done_at = Some(self.at);
        refund.ask_at = None;
        let told = (self.at, self.caller.trace_date, FactSource::DayFile);
        pay_out(ws, ctx, &refund, fact, told);
        ws.refund.put(refund);
        true
    }
}

impl Command for TakeBack {
    fn kind(&self) -> &'static str {
        "take_back"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        needs.key::<BillerCall>(&self.caller.key());
        needs.key::<BillerCall>(&self.caller.key_of(&self.of));
        let Some(call) = self.payment(ws) else {
            return;
        };
        undo_needs(needs, call);
        if let Some(order) = call.order_id {
            needs.range::<Refund>("by_order", &(call.bucket, order));
        }
        if let Some(refund) = success_of(call)
            .and_then(|key| ws.fact.get(&key))
            .and_then(|fact| TakeBack::surplus(ws, fact))
        {
            let mut paid_out = refund.success_key();
            (paid_out.3, paid_out.4) = (refund.channel_no.to_string(), FactKind::Refund);
            needs.key::<Fact>(&paid_out);
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let caller = &self.caller;
        if ws.biller_call.get(&caller.key()).is_some() {
            return Ok(Answer::Already);
        }
        let Some(mut call) = self.payment(ws).cloned() else {
            return Ok(Answer::Already);
        };
        let success = success_of(&call).and_then(|key| ws.fact.get(&key).cloned());
        let fact = success.ok_or(Refusal::NotFound { what: "fact" })?;
        let taken = self.return_surplus(ws, ctx, &fact) || self.reverse(ws, ctx, &call);
        if !taken {
            return Ok(Answer::Held);
        }
        let about = About {
            due: due_of(&call),
            order: call.order_id,
            attempt: None,
            amount: call.amount,
            undoes: Some(self.of.clone()),
        };
        caller.keep_told(ws, ctx, about, &self.evidence);
        call.state = CallState::Reversed;
        call.undone_by = Some(caller.seq.clone());
        call.ended_at = Some(ctx.at);
        ws.biller_call.put(call);
        Ok(Answer::Done)
    }
}

/// Opens a case for a row of a day file that cannot be booked, once.
pub struct NoteRow {
    pub bucket: Bucket,
    pub inst_id: String,
    pub seq: String,
    pub kind: CaseKind,
    /// What the row says and where, for staff.
    pub detail: String,
}

impl Command for NoteRow {
    fn kind(&self) -> &'static str {
        "note_row"
    }

    fn actor(&self) -> String {
        format!("institution:{}", self.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let subject = subject(&self.inst_id, &self.seq);
        needs.range::<Case>("by_subject", &(self.bucket, subject));
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let subject = subject(&self.inst_id, &self.seq);
        let of = (self.bucket, self.kind);
        let is_new = open_case_once(ws, ctx, of, &subject, &self.detail);
        Ok(if is_new {
            Answer::Done
        } else {
            Answer::Already
        })
    }
}
