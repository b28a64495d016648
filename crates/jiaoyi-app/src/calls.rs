//! Calls to channels: placing, asking, closing, refunding. Each is made outside any transaction and
//! its outcome is recorded by a command of its own.

use crate::platform::{Platform, place};
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::channel::{
    CloseOutcome, CreateOutcome, Handover, PayForm, QueryOutcome, RefundOutcome,
};
use jiaoyi_domain::decide::{
    Answer, RecordClose, RecordCreated, RecordPayment, RecordRefund, RecordUnpaid, Unpaid,
};
use jiaoyi_domain::fact::{Fact, FactSource};
use jiaoyi_domain::messages::{Outbox, OutboxId};
use jiaoyi_domain::planted::{Bug, has};
use jiaoyi_domain::record::{Column, Record, Value};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::{AttemptNo, Bucket, IdSource, RefundNo};
use jiaoyi_store::{StoreError, View};

/// The key of an outbox row.
pub(crate) type OutboxKey = <Outbox as Record>::Key;

/// The key that a row begins with.
pub(crate) fn outbox_key(row: &[Value]) -> Option<OutboxKey> {
    let [bucket, subject, id, ..] = row else {
        return None;
    };
    Some((
        Bucket::from_value(bucket.clone())?,
        String::from_value(subject.clone())?,
        OutboxId::from_value(id.clone())?,
    ))
}

/// Writes a handover as it is stored.
fn handover_text(handover: &Handover) -> String {
    match handover {
        Handover::Qr(text) => format!("qr:{text}"),
        Handover::Redirect(url) => format!("url:{url}"),
        Handover::Form(form) => format!("form:{}", form_text(form)),
        Handover::PrepayId(id) => format!("prepay:{id}"),
        Handover::Tn(tn) => format!("tn:{tn}"),
    }
}

fn handover_from_text(text: &str) -> Option<Handover> {
    let (kind, rest) = text.split_once(':')?;
    match kind {
        "qr" => Some(Handover::Qr(rest.to_owned())),
        "url" => Some(Handover::Redirect(rest.to_owned())),
        "form" => form_from_text(rest).map(Handover::Form),
        "prepay" => Some(Handover::PrepayId(rest.to_owned())),
        "tn" => Some(Handover::Tn(rest.to_owned())),
        _ => None,
    }
}

/// A form as JSON: the address first, then name and value of each field.
fn form_text(form: &PayForm) -> String {
    serde_json::json!([form.action, form.fields]).to_string()
}

fn form_from_text(text: &str) -> Option<PayForm> {
    let (action, fields) = serde_json::from_str(text).ok()?;
    Some(PayForm { action, fields })
}

impl Platform {
    /// The waiting outbox row about a subject.
    pub(crate) async fn outbox_of(
        view: &View<'_>,
        bucket: Bucket,
        subject: &str,
        topic: &str,
    ) -> Result<Option<OutboxKey>, StoreError> {
        let given = [
            bucket.to_value(),
            Value::Text(subject.to_owned()),
            Value::Text(topic.to_owned()),
        ];
        let found = view.query("outbox_of_subject", &given).await?;
        Ok(found.first().and_then(|row| outbox_key(row)))
    }

    /// Places an attempt at its channel and records the answer; with it the payer is handed the way
    /// to pay. An unknown outcome is tried once more with the same bytes before it is recorded.
    pub(crate) async fn place(&self, no: &AttemptNo) -> Result<(), StoreError> {
        let key = (no.bucket(), no.clone());
        let view = self.store.view().await?;
        if let Some(attempt) = view.load::<Attempt>(&key).await? {
            let outbox = Platform::outbox_of(&view, key.0, no.as_str(), "create").await?;
            drop(view);
            self.place_attempt(&attempt, outbox).await?;
        }
        Ok(())
    }

    /// As [`Platform::place`], for an attempt and its outbox row as they were just read; what the
    /// payer was handed, once that is durable.
    pub(crate) async fn place_attempt(
        &self,
        attempt: &Attempt,
        outbox: Option<OutboxKey>,
    ) -> Result<Option<Handover>, StoreError> {
        if attempt.state != AttemptState::Drafted {
            return Ok(None);
        }
        let no = &attempt.attempt_no;
        let mut outcome = self.create(attempt).await;
        if matches!(outcome, CreateOutcome::Unknown { .. }) {
            outcome = if has(Bug::RetryWithNewNumber) {
                self.create(&self.renumbered(attempt)).await
            } else {
                self.create(attempt).await
            };
        }
        if let CreateOutcome::Unknown { why } | CreateOutcome::Refused { message: why, .. } =
            &outcome
        {
            tracing::warn!(
                attempt = no.as_str(),
                why,
                "a channel did not take an order"
            );
        }
        let handover_sealed = match &outcome {
            CreateOutcome::Ready(handover) => Some(self.keyring.seal(
                handover_text(handover).as_bytes(),
                place::HANDOVER,
                self.random(),
            )),
            CreateOutcome::Refused { .. } | CreateOutcome::Unknown { .. } => None,
        };
        let handover = match &outcome {
            CreateOutcome::Ready(handover) => Some(handover.clone()),
            CreateOutcome::Refused { .. } | CreateOutcome::Unknown { .. } => None,
        };
        let command = RecordCreated {
            attempt_no: no.clone(),
            outbox,
            outcome,
            handover_sealed,
        };
        // Only this answer says that handing out was committed.
        let handed_out = self.submit(command).await? == Answer::Done;
        Ok(handover.filter(|_| handed_out))
    }

    /// The same attempt under another number; see [`Bug::RetryWithNewNumber`].
    fn renumbered(&self, attempt: &Attempt) -> Attempt {
        let no = AttemptNo::draw(attempt.bucket, &mut IdSource::new(self.random(), 0));
        let text = String::from_utf8_lossy(&self.request_of(attempt))
            .replace(attempt.attempt_no.as_str(), no.as_str());
        let request_sealed = self
            .keyring
            .seal(text.as_bytes(), place::REQUEST, self.random());
        Attempt {
            attempt_no: no,
            request_sealed,
            ..attempt.clone()
        }
    }

    /// What was rendered for an attempt; empty when it cannot be opened, which names no order.
    fn request_of(&self, attempt: &Attempt) -> Vec<u8> {
        let opened = self.keyring.open(&attempt.request_sealed, place::REQUEST);
        opened.unwrap_or_default()
    }

    async fn create(&self, attempt: &Attempt) -> CreateOutcome {
        let Some(gateway) = self.gateway(attempt.channel) else {
            return CreateOutcome::Unknown {
                why: "the channel is not configured".to_owned(),
            };
        };
        let Ok(request) = self.keyring.open(&attempt.request_sealed, place::REQUEST) else {
            return CreateOutcome::Unknown {
                why: "the stored request cannot be opened".to_owned(),
            };
        };
        let (now, nonce) = (self.now(), self.nonce_text());
        let outcome = gateway
            .create(attempt.method, &attempt.attempt_no, &request, now, nonce)
            .await;
        if attempt.method.placed_by_call() {
            let answered = !matches!(outcome, CreateOutcome::Unknown { .. });
            self.health.note(attempt.channel, answered, self.now());
        }
        outcome
    }

    /// What the payer of an attempt is given to pay with: stored, or signed now for link methods.
    pub(crate) async fn handover(&self, attempt: &Attempt) -> Option<Handover> {
        if !attempt.is_payable() {
            return None;
        }
        if let Some(sealed) = &attempt.handover_sealed {
            let text = self.keyring.open(sealed, place::HANDOVER).ok()?;
            return handover_from_text(&String::from_utf8(text).ok()?);
        }
        if attempt.method.placed_by_call() {
            return None;
        }
        match self.create(attempt).await {
            CreateOutcome::Ready(handover) => Some(handover),
            CreateOutcome::Refused { .. } | CreateOutcome::Unknown { .. } => None,
        }
    }

    /// Asks what became of an attempt and records the answer.
    pub(crate) async fn ask(&self, no: &AttemptNo) -> Result<Option<Answer>, StoreError> {
        let key = (no.bucket(), no.clone());
        let Some(attempt): Option<Attempt> = self.store.load(&key).await? else {
            return Ok(None);
        };
        let Some(gateway) = self.gateway(attempt.channel) else {
            return Ok(None);
        };
        let request = self.request_of(&attempt);
        let (now, nonce) = (self.now(), self.nonce_text());
        let outcome = gateway.query(no, &request, now, nonce).await;
        let answered = !matches!(outcome, QueryOutcome::Unknown { .. });
        self.health.note(attempt.channel, answered, self.now());
        let seen = match outcome {
            QueryOutcome::Paid(seen) => {
                let source = FactSource::Query;
                let attempt_no = no.clone();
                let command = RecordPayment {
                    attempt_no,
                    seen,
                    source,
                    notice: None,
                };
                return self.submit(command).await.map(Some);
            }
            QueryOutcome::NotPaid(failure) => Unpaid::NotPaid(failure),
            QueryOutcome::Closed => Unpaid::Closed,
            QueryOutcome::NotFound => Unpaid::NotFound,
            QueryOutcome::Unknown { why } => {
                tracing::info!(
                    attempt = no.as_str(),
                    why,
                    "a channel gave no usable answer"
                );
                Unpaid::NoAnswer
            }
        };
        self.submit(RecordUnpaid {
            attempt_no: no.clone(),
            seen,
        })
        .await
        .map(Some)
    }

    /// Asks the channel to close an attempt and records the answer; whether it was one.
    pub(crate) async fn close(
        &self,
        no: &AttemptNo,
        outbox: Option<OutboxKey>,
    ) -> Result<bool, StoreError> {
        let key = (no.bucket(), no.clone());
        let Some(attempt): Option<Attempt> = self.store.load(&key).await? else {
            return Ok(true);
        };
        let outcome = match self.gateway(attempt.channel) {
            Some(gateway) => {
                let request = self.request_of(&attempt);
                let (now, nonce) = (self.now(), self.nonce_text());
                gateway.close(no, &request, now, nonce).await
            }
            None => CloseOutcome::Unknown {
                why: "the channel is not configured".to_owned(),
            },
        };
        let answered = !matches!(outcome, CloseOutcome::Unknown { .. });
        let paid = outcome == CloseOutcome::Paid;
        self.submit(RecordClose {
            attempt_no: no.clone(),
            outbox,
            outcome,
        })
        .await?;
        if paid {
            self.ask(no).await?;
        }
        Ok(answered)
    }

    /// Closes what an order has asked to be closed, at once, for the payer who waits for it.
    pub(crate) async fn close_now(&self, attempts: &[Attempt]) -> Result<(), StoreError> {
        for attempt in attempts
            .iter()
            .filter(|row| row.state == AttemptState::Closing)
        {
            let no = &attempt.attempt_no;
            let view = self.store.view().await?;
            let outbox = Platform::outbox_of(&view, attempt.bucket, no.as_str(), "close").await?;
            drop(view);
            self.close(no, outbox).await?;
        }
        Ok(())
    }

    /// Whether the channel's window for giving back what was paid has ended.
    async fn is_too_late(&self, refund: &Refund) -> Result<bool, StoreError> {
        let fact: Option<Fact> = self.store.load(&refund.success_key()).await?;
        let terms = &refund.channel.capability().refund;
        Ok(fact.is_some_and(|fact| terms.is_over(fact.paid_at, self.now())))
    }

    /// Sends a refund and records the answer. Once its window is over it is only asked about: what was
    /// sent before may have arrived.
    pub(crate) async fn send_refund(
        &self,
        no: &RefundNo,
        outbox: Option<OutboxKey>,
    ) -> Result<(), StoreError> {
        let key = (no.bucket(), no.clone());
        let Some(refund): Option<Refund> = self.store.load(&key).await? else {
            return Ok(());
        };
        let outcome = match (self.gateway(refund.channel), &refund.request) {
            (Some(gateway), Some(request)) if self.is_too_late(&refund).await? => {
                let (no, channel_no) = (&refund.attempt_no, &refund.channel_no);
                let (now, nonce) = (self.now(), self.nonce_text());
                gateway
                    .query_refund(no, channel_no, request, now, nonce)
                    .await
            }
            (Some(gateway), Some(request)) => {
                gateway.refund(request, self.now(), self.nonce_text()).await
            }
            (None, _) | (_, None) => RefundOutcome::Unknown {
                why: "the channel is not configured".to_owned(),
            },
        };
        self.record_refund(&refund, outcome, outbox).await
    }

    /// Asks what became of a refund and records the answer; sends it again where it is not known.
    pub(crate) async fn ask_refund(&self, refund: &Refund) -> Result<(), StoreError> {
        let Some(gateway) = self.gateway(refund.channel) else {
            return Ok(());
        };
        let (now, nonce) = (self.now(), self.nonce_text());
        let no = &refund.channel_no;
        let request = refund.request.as_deref().unwrap_or_default();
        let outcome = gateway
            .query_refund(&refund.attempt_no, no, request, now, nonce)
            .await;
        if outcome == RefundOutcome::NotFound {
            // It never arrived, or our account was short: the same number again.
            return self.send_refund(&refund.refund_no, None).await;
        }
        self.record_refund(refund, outcome, None).await
    }

    async fn record_refund(
        &self,
        refund: &Refund,
        outcome: RefundOutcome,
        outbox: Option<OutboxKey>,
    ) -> Result<(), StoreError> {
        let Some(renderer) = self.renderer(refund.channel) else {
            return Ok(());
        };
        let command = RecordRefund {
            refund_no: refund.refund_no.clone(),
            channel_no: Some(refund.channel_no.as_str().to_owned()),
            outcome,
            source: FactSource::Query,
            notice: None,
            outbox,
            renderer,
        };
        self.submit(command).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_payer_is_handed_reads_back_as_it_was_written() {
        let form = PayForm {
            action: "https://channel.example/pay".to_owned(),
            fields: vec![
                ("a".to_owned(), "1\"2".to_owned()),
                ("b".to_owned(), String::new()),
            ],
        };
        let url = "https://channel.example/?a=b:c".to_owned();
        for handover in [
            Handover::Qr("weixin://a:b".to_owned()),
            Handover::Redirect(url),
            Handover::Form(form),
            Handover::PrepayId("wx1".to_owned()),
            Handover::Tn("tn1".to_owned()),
        ] {
            let text = handover_text(&handover);
            assert_eq!(handover_from_text(&text), Some(handover), "{text}");
        }
        for strange in ["", "qr", "cheque:1", "form:{}"] {
            assert_eq!(handover_from_text(strange), None, "{strange}");
        }
    }
}
