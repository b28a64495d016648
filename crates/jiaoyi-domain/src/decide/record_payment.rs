//! A channel tells of a payment, by notice or by query. It is a fact and is never refused.

use super::allocate::{Incoming, allocate, hold_whole};
use super::{Answer, CaseKind, Command, Context, OrderKey, Refusal, fill_needs, open_case};
use crate::attempt::{Attempt, AttemptEvent, AttemptState};
use crate::channel::{SeenPayment, channel_day};
use crate::fact::{Fact, FactKind, FactSource};
use crate::id::{AttemptNo, Bucket};
use crate::messages::Inbox;
use crate::money::Fen;
use crate::needs::Needs;
use crate::planted::{Bug, has};
use crate::record::Record;
use crate::time::HOUR_MS;
use crate::working_set::WorkingSet;

/// A verified notice as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeMessage {
    pub channel: String,
    pub notice_id: String,
    pub body_sealed: Vec<u8>,
}

impl NoticeMessage {
    /// The channel behind what was told by a notice, or otherwise.
    pub(super) fn actor_of(notice: Option<&NoticeMessage>) -> String {
        match notice {
            Some(notice) => format!("channel:{}", notice.channel),
            None => "channel".to_owned(),
        }
    }

    /// The key under which it is stored in `bucket`.
    #[must_use]
    pub fn key(&self, bucket: Bucket) -> <Inbox as Record>::Key {
        (bucket, self.channel.clone(), self.notice_id.clone())
    }

    /// Stores the notice; `false` when the same notice is there already.
    pub(super) fn store(&self, ws: &mut WorkingSet, ctx: &Context, bucket: Bucket) -> bool {
        if ws.inbox.get(&self.key(bucket)).is_some() {
            return false;
        }
        ws.inbox.put(Inbox {
            bucket,
            channel: self.channel.clone(),
            notice_id: self.notice_id.clone(),
            received_at: ctx.at,
            body_sealed: self.body_sealed.clone(),
        });
        true
    }
}

/// One payment as told.
pub struct RecordPayment {
    pub attempt_no: AttemptNo,
    pub seen: SeenPayment,
    pub source: FactSource,
    /// The notice that told it; none for a query.
    pub notice: Option<NoticeMessage>,
}

impl RecordPayment {
    fn attempt_key(&self) -> <Attempt as Record>::Key {
        (self.attempt_no.bucket(), self.attempt_no.clone())
    }

    fn fact_key(&self, attempt: &Attempt) -> <Fact as Record>::Key {
        (
            attempt.bucket,
            attempt.channel,
            self.seen.merchant.clone(),
            self.seen.txn_id.clone(),
            FactKind::Success,
        )
    }

    /// The same success again: it changes nothing, but a query may confirm a notice.
    fn again(&self, ws: &mut WorkingSet, ctx: &mut Context, mut fact: Fact, fresh: bool) -> Answer {
        let key: OrderKey = (fact.bucket, fact.order_id);
        if fact.amount != self.seen.amount {
            if !fresh {
                return Answer::Already;
            }
            let detail = format!("known {} now {}", fact.amount, self.seen.amount);
            let no = self.attempt_no.as_str();
            open_case(
                ws,
                ctx,
                key.0,
                CaseKind::NoticeDiffers,
                Some(key.1),
                no,
                detail,
            );
        } else if self.source == FactSource::Query && fact.confirmed_at.is_none() {
            fact.confirmed_at = Some(ctx.at);
            ws.fact.put(fact);
        }
        if let Some(mut attempt) = ws.attempt.get(&self.attempt_key()).cloned()
            && self.source == FactSource::Query
        {
            attempt.ask_at = None;
            ws.attempt.put(attempt);
        }
        Answer::Already
    }

    /// What differs from the attempt's own quote, in words for staff; empty when nothing does.
    fn differences(&self, attempt: &Attempt) -> String {
        let seen = &self.seen;
        let mut parts = Vec::new();
        if seen.amount != attempt.amount && !has(Bug::NoAmountCheck) {
            parts.push(format!(
                "amount {} instead of {}",
                seen.amount, attempt.amount
            ));
        }
        if seen.currency != "CNY" {
            parts.push(format!("currency {}", seen.currency));
        }
        if seen.merchant != attempt.merchant {
            parts.push(format!("merchant {}", seen.merchant));
        }
        if seen.app != attempt.app {
            parts.push(format!("app {}", seen.app));
        }
        parts.join(", ")
    }

    fn new_fact(&self, ctx: &Context, attempt: &Attempt) -> Fact {
        Fact {
            bucket: attempt.bucket,
            channel: attempt.channel,
            merchant: self.seen.merchant.clone(),
            txn_id: self.seen.txn_id.clone(),
            kind: FactKind::Success,
            attempt_no: attempt.attempt_no.clone(),
            order_id: attempt.order_id,
            amount: self.seen.amount,
            paid_at: self.seen.paid_at,
            channel_day: channel_day(attempt.channel, self.seen.paid_at),
            source: self.source,
            seen_at: ctx.at,
            confirmed_at: (self.source == FactSource::Query).then_some(ctx.at),
            premium: Fen::ZERO,
            surplus: Fen::ZERO,
            returned_or_reserved: Fen::ZERO,
            version: 1,
        }
    }

    /// A verified notice that differs is held: only a query says what was really taken.
    fn dispute(&self, ws: &mut WorkingSet, ctx: &mut Context, mut attempt: Attempt, why: String) {
        let key: OrderKey = (attempt.bucket, attempt.order_id);
        let known = attempt.state == AttemptState::Disputed;
        attempt.apply(AttemptEvent::Differs);
        // A notice is answered by a query at once; a query that differs is for staff.
        let wait_ms = if self.source == FactSource::Notice {
            0
        } else {
            HOUR_MS
        };
        attempt.ask_at = Some(ctx.at.plus_ms(wait_ms));
        if known && self.source != FactSource::Notice {
            ws.attempt.put(attempt);
            return;
        }
        let no = attempt.attempt_no.as_str().to_owned();
        ws.attempt.put(attempt);
        open_case(
            ws,
            ctx,
            key.0,
            CaseKind::NoticeDiffers,
            Some(key.1),
            &no,
            why,
        );
    }
}

impl Command for RecordPayment {
    fn kind(&self) -> &'static str {
        "record_payment"
    }

    fn actor(&self) -> String {
        match self.source {
            FactSource::Notice => NoticeMessage::actor_of(self.notice.as_ref()),
            FactSource::Query => "job:ask".to_owned(),
            FactSource::Bill => "job:bill".to_owned(),
            FactSource::Call | FactSource::DayFile => "institution".to_owned(),
        }
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        let bucket = self.attempt_no.bucket();
        needs.key::<Attempt>(&self.attempt_key());
        if let Some(notice) = &self.notice {
            needs.key::<Inbox>(&notice.key(bucket));
        }
        if let Some(attempt) = ws.attempt.get(&self.attempt_key()) {
            needs.key::<Fact>(&self.fact_key(attempt));
            fill_needs(needs, &(attempt.bucket, attempt.order_id));
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let bucket = self.attempt_no.bucket();
        let fresh = self
            .notice
            .as_ref()
            .is_none_or(|notice| notice.store(ws, ctx, bucket));
        let Some(attempt) = ws.attempt.get(&self.attempt_key()).cloned() else {
            if fresh {
                let detail = format!("{} paid {}", self.seen.txn_id, self.seen.amount);
                let no = self.attempt_no.as_str();
                open_case(ws, ctx, bucket, CaseKind::UnknownNumber, None, no, detail);
            }
            return Ok(Answer::Held);
        };
        if let Some(fact) = ws.fact.get(&self.fact_key(&attempt)).cloned() {
            return Ok(self.again(ws, ctx, fact, fresh));
        }
        if attempt.abandoned_at.is_some() && has(Bug::LateSuccessDropped) {
            return Ok(Answer::Already);
        }
        let why = self.differences(&attempt);
        let foreign = self.seen.merchant != attempt.merchant
            || self.seen.app != attempt.app
            || self.seen.currency != "CNY";
        if !why.is_empty() && (self.source == FactSource::Notice || foreign) {
            if fresh {
                self.dispute(ws, ctx, attempt, why);
            }
            return Ok(Answer::Held);
        }

        let mut paid = attempt.clone();
        paid.apply(AttemptEvent::Success);
        paid.paid_at = Some(self.seen.paid_at);
        paid.ask_at = None;
        ws.attempt.put(paid);
        let incoming = Incoming {
            fact: self.new_fact(ctx, &attempt),
            attempt,
        };
        let fact = if why.is_empty() {
            allocate(ws, ctx, incoming)
        } else {
            hold_whole(ws, ctx, incoming, why)
        };
        Ok(Answer::Allocated {
            premium_fen: fact.premium.get(),
            surplus_fen: fact.surplus.get(),
        })
    }
}
