//! What a channel answered to a new order or to a close.

use super::{Answer, Command, Context, OrderKey, Refusal, close_if_all_dead, order_needs};
use crate::attempt::{Attempt, AttemptEvent, AttemptState};
use crate::channel::{CloseOutcome, CreateOutcome};
use crate::id::AttemptNo;
use crate::messages::{Outbox, OutboxState};
use crate::needs::Needs;
use crate::order::{OrderState, PayOrder};
use crate::time::Instant;
use crate::working_set::WorkingSet;

fn attempt_needs(needs: &mut Needs<'_>, no: &AttemptNo) {
    let ws = needs.loaded();
    let key = (no.bucket(), no.clone());
    needs.key::<Attempt>(&key);
    if let Some(attempt) = ws.attempt.get(&key) {
        order_needs(needs, &(attempt.bucket, attempt.order_id));
    }
}

/// Plans the next query. Of a success only the confirmation of a surplus may still be wanted, and that
/// one is planned already.
fn plan_ask(attempt: &mut Attempt, now: Instant) {
    if attempt.state != AttemptState::Paid {
        attempt.ask_at = attempt.next_ask(now);
    }
}

/// Marks an outbox row as done.
pub(super) fn finish(
    ws: &mut WorkingSet,
    key: &<Outbox as crate::record::Record>::Key,
    at: Instant,
) {
    if let Some(mut row) = ws.outbox.get(key).cloned() {
        row.state = OutboxState::Done;
        row.done_at = Some(at);
        ws.outbox.put(row);
    }
}

/// The channel's answer to a new order. With it the payer is handed the way to pay: handing out is
/// this commit.
pub struct RecordCreated {
    pub attempt_no: AttemptNo,
    /// The outbox row that asked for it, when it is known.
    pub outbox: Option<<Outbox as crate::record::Record>::Key>,
    pub outcome: CreateOutcome,
    /// The handover, sealed, for [`CreateOutcome::Ready`].
    pub handover_sealed: Option<Vec<u8>>,
}

impl RecordCreated {
    /// The common case: a drafted attempt becomes payable. It lives on, so the order cannot close,
    /// and neither the other attempts nor the dues are needed.
    fn hands_out(&self, attempt: &Attempt, order: &PayOrder) -> bool {
        matches!(self.outcome, CreateOutcome::Ready(_))
            && order.state == OrderState::Placed
            && attempt.abandoned_at.is_none()
            && attempt.state == AttemptState::Drafted
    }
}

impl Command for RecordCreated {
    fn kind(&self) -> &'static str {
        "record_created"
    }

    fn actor(&self) -> String {
        "channel".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        let key = (self.attempt_no.bucket(), self.attempt_no.clone());
        needs.key::<Attempt>(&key);
        needs.keys::<Outbox>(&self.outbox);
        let Some(attempt) = ws.attempt.get(&key) else {
            return;
        };
        let order = (attempt.bucket, attempt.order_id);
        needs.key::<PayOrder>(&order);
        let known = ws.pay_order.get(&order);
        if known.is_some_and(|order| !self.hands_out(attempt, order)) {
            order_needs(needs, &order);
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let key = (self.attempt_no.bucket(), self.attempt_no.clone());
        let mut attempt = ws
            .attempt
            .get(&key)
            .cloned()
            .ok_or(Refusal::NotFound { what: "attempt" })?;
        let order_key: OrderKey = (attempt.bucket, attempt.order_id);
        if let Some(outbox) = &self.outbox {
            finish(ws, outbox, ctx.at);
        }
        let placed = ws
            .pay_order
            .get(&order_key)
            .is_some_and(|order| order.state == OrderState::Placed);
        let answer = match &self.outcome {
            CreateOutcome::Ready(_) if placed && attempt.abandoned_at.is_none() => {
                if attempt.apply(AttemptEvent::HandedOut) {
                    attempt.handed_out_at.get_or_insert(ctx.at);
                    attempt.handover_sealed.clone_from(&self.handover_sealed);
                    Answer::Done
                } else {
                    // Dead by evidence meanwhile: it is not handed out.
                    Answer::Already
                }
            }
            // Given up meanwhile: it is not handed out, so it stays dead.
            CreateOutcome::Ready(_) => {
                attempt.apply(AttemptEvent::CreateUnknown);
                Answer::Already
            }
            CreateOutcome::Refused { code, .. } => {
                attempt.apply(AttemptEvent::CreateRefused);
                attempt.last_word = Some(code.clone());
                Answer::Done
            }
            CreateOutcome::Unknown { .. } => {
                attempt.apply(AttemptEvent::CreateUnknown);
                Answer::Done
            }
        };
        plan_ask(&mut attempt, ctx.at);
        let lives = !attempt.is_dead();
        ws.attempt.put(attempt);
        if !lives {
            close_if_all_dead(ws, ctx, &order_key, false);
        }
        Ok(answer)
    }
}

/// The channel's answer to a close.
pub struct RecordClose {
    pub attempt_no: AttemptNo,
    pub outbox: Option<<Outbox as crate::record::Record>::Key>,
    pub outcome: CloseOutcome,
}

impl Command for RecordClose {
    fn kind(&self) -> &'static str {
        "record_close"
    }

    fn actor(&self) -> String {
        "channel".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        attempt_needs(needs, &self.attempt_no);
        needs.keys::<Outbox>(&self.outbox);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let key = (self.attempt_no.bucket(), self.attempt_no.clone());
        let mut attempt = ws
            .attempt
            .get(&key)
            .cloned()
            .ok_or(Refusal::NotFound { what: "attempt" })?;
        let order_key: OrderKey = (attempt.bucket, attempt.order_id);
        let answered = !matches!(self.outcome, CloseOutcome::Unknown { .. });
        if let (Some(outbox), true) = (&self.outbox, answered) {
            finish(ws, outbox, ctx.at);
        }
        match &self.outcome {
            CloseOutcome::Closed => {
                attempt.apply(AttemptEvent::CloseConfirmed);
                plan_ask(&mut attempt, ctx.at);
            }
            // The close came too late: only a query brings the fact.
            CloseOutcome::Paid => attempt.ask_at = Some(ctx.at),
            CloseOutcome::NotFound if attempt.not_found_is_evidence(ctx.at) => {
                attempt.apply(AttemptEvent::SeenUnpaidAfterExpiry);
                plan_ask(&mut attempt, ctx.at);
            }
            CloseOutcome::NotFound | CloseOutcome::CannotClose | CloseOutcome::Unknown { .. } => {}
        }
        let lapsed = attempt.abandoned_at.is_none() && attempt.state != AttemptState::Paid;
        ws.attempt.put(attempt);
        close_if_all_dead(ws, ctx, &order_key, lapsed);
        Ok(if answered { Answer::Done } else { Answer::Held })
    }
}
