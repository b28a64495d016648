//! A query brought no payment: what that proves, and when to ask again.

use super::{Answer, Command, Context, OrderKey, Refusal, close_if_all_dead, order_needs, post};
use crate::attempt::{Attempt, AttemptEvent, AttemptState};
use crate::channel::PayFailure;
use crate::id::AttemptNo;
use crate::messages::Topic;
use crate::needs::Needs;
use crate::time::SECOND_MS;
use crate::working_set::WorkingSet;

/// What the channel said of a number that it did not call paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpaid {
    /// The order exists and is not paid; why the payer's last try failed, if there was one.
    NotPaid(Option<PayFailure>),
    /// Nobody can pay it any more, says the channel.
    Closed,
    /// The channel does not know it.
    NotFound,
    /// No usable answer.
    NoAnswer,
}

/// The answer of one query that showed no payment.
pub struct RecordUnpaid {
    pub attempt_no: AttemptNo,
    pub seen: Unpaid,
}

impl Command for RecordUnpaid {
    fn kind(&self) -> &'static str {
        "record_unpaid"
    }

    fn actor(&self) -> String {
        "job:ask".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        let key = (self.attempt_no.bucket(), self.attempt_no.clone());
        needs.key::<Attempt>(&key);
        if let Some(attempt) = ws.attempt.get(&key) {
            order_needs(needs, &(attempt.bucket, attempt.order_id));
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let key = (self.attempt_no.bucket(), self.attempt_no.clone());
        let mut attempt = ws
            .attempt
            .get(&key)
            .cloned()
            .ok_or(Refusal::NotFound { what: "attempt" })?;
        if attempt.state == AttemptState::Paid {
            // It is paid; only the confirmation for a surplus is still wanted.
            if attempt.ask_at.is_some() {
                attempt.asks = attempt.asks.saturating_add(1);
                let wait = i64::from(attempt.asks.min(60)) * 5 * SECOND_MS;
                attempt.ask_at = Some(ctx.at.plus_ms(wait));
                ws.attempt.put(attempt);
            }
            return Ok(Answer::Already);
        }
        let order_key: OrderKey = (attempt.bucket, attempt.order_id);
        let event = match self.seen {
            Unpaid::Closed => AttemptEvent::CloseConfirmed,
            Unpaid::NotPaid(_) if attempt.is_past_death(ctx.at) => {
                AttemptEvent::SeenUnpaidAfterExpiry
            }
            Unpaid::NotFound if attempt.not_found_is_evidence(ctx.at) => {
                AttemptEvent::SeenUnpaidAfterExpiry
            }
            Unpaid::NotPaid(_) | Unpaid::NotFound => AttemptEvent::SeenUnpaid,
            Unpaid::NoAnswer => AttemptEvent::NoAnswer,
        };
        attempt.apply(event);
        if let Unpaid::NotPaid(failure) = self.seen {
            attempt.last_word = failure.map(|failure| failure.code().to_owned());
        }
        // Passing the time the page counted down to starts a close and frees nothing by itself.
        let expired = ctx.at >= attempt.expires_at;
        let mut act = false;
        if expired && matches!(attempt.state, AttemptState::Offered | AttemptState::Unknown) {
            attempt.apply(AttemptEvent::CloseAsked);
            post(
                ws,
                ctx,
                attempt.bucket,
                Topic::Close,
                attempt.attempt_no.as_str(),
                0,
            );
            act = true;
        }
        attempt.asks = attempt.asks.saturating_add(1);
        attempt.ask_at = match self.seen {
            Unpaid::NoAnswer => attempt.ask_again(ctx.at),
            Unpaid::NotPaid(_) | Unpaid::Closed | Unpaid::NotFound => attempt.next_ask(ctx.at),
        };
        let lapsed = attempt.abandoned_at.is_none();
        ws.attempt.put(attempt);
        close_if_all_dead(ws, ctx, &order_key, lapsed);
        Ok(if act { Answer::Act } else { Answer::Done })
    }
}
