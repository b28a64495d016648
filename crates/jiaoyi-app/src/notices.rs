//! What a channel sends on its own: verified, stored sealed, decided on, answered, in that order.

use crate::platform::{Platform, hash_parts, place};
use crate::portal::{NoticeReply, RawNotice};
use jiaoyi_domain::channel::{ChannelCode, News, Notice, NoticeRefusal};
use jiaoyi_domain::decide::{NoticeMessage, RecordPayment, RecordRefund, Refusal, StoreInbox};
use jiaoyi_domain::fact::FactSource;
use jiaoyi_domain::record::{Column, Value};
use jiaoyi_domain::{AttemptNo, Bucket, RefundNo};
use jiaoyi_store::StoreError;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many refused notices are kept for staff to look at.
const SAMPLES_MAX: usize = 64;
/// How much of a refused notice is kept.
const SAMPLE_BYTES_MAX: usize = 1024;

/// Refused notices: counted by reason, sampled into a ring of fixed size, never a row in the books.
#[derive(Default)]
pub(crate) struct RefusedNotices {
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    count: u64,
    samples: VecDeque<(NoticeRefusal, Vec<u8>)>,
}

impl RefusedNotices {
    fn note(&self, refusal: NoticeRefusal, body: &[u8]) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.count = ring.count.saturating_add(1);
        if ring.samples.len() >= SAMPLES_MAX {
            ring.samples.pop_front();
        }
        let sample = body[..body.len().min(SAMPLE_BYTES_MAX)].to_vec();
        ring.samples.push_back((refusal, sample));
    }

    /// How many notices were refused since the start.
    pub(crate) fn count(&self) -> u64 {
        self.ring
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count
    }
}

impl Platform {
    /// Takes a channel's message; see [`crate::portal::Portal::receive_notice`].
    pub(crate) async fn take_notice(&self, channel: ChannelCode, raw: RawNotice) -> NoticeReply {
        let Some(gateway) = self.gateway(channel) else {
            return reply((404, "text/plain", "no such channel"), None);
        };
        let notice = match gateway.read_notice(&raw.headers, &raw.body, self.now()) {
            Ok(notice) => notice,
            Err(refusal) => {
                if refusal != NoticeRefusal::Probe {
                    let channel = channel.code();
                    tracing::warn!(channel, reason = %refusal, "a notice was refused");
                }
                self.refused.note(refusal, &raw.body);
                return reply(gateway.notice_answer(false), None);
            }
        };
        match self.record_notice(channel, notice).await {
            Ok(()) => reply(gateway.notice_answer(true), None),
            Err(error) => {
                // Not stored: the channel sends it again.
                let trouble = self.trouble(&error);
                tracing::warn!(trace = trouble.trace, "a notice could not be stored");
                reply(gateway.notice_answer(false), Some(503))
            }
        }
    }

    /// The notice as it is stored: the same message again has the same id, other content another.
    fn message(&self, channel: ChannelCode, notice: &Notice) -> NoticeMessage {
        let hash = hash_parts(&[&notice.plaintext]);
        let short: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        NoticeMessage {
            channel: channel.code().to_owned(),
            notice_id: format!("{}#{short}", notice.id),
            body_sealed: self
                .keyring
                .seal(&notice.plaintext, place::INBOX, self.random()),
        }
    }

    async fn record_notice(&self, channel: ChannelCode, notice: Notice) -> Result<(), StoreError> {
        let message = self.message(channel, &notice);
        let stored = match notice.news {
            News::Payment(seen) => match AttemptNo::parse(&seen.attempt_no) {
                Some(attempt_no) => {
                    let source = FactSource::Notice;
                    let notice = Some(message.clone());
                    self.submit(RecordPayment {
                        attempt_no,
                        seen,
                        source,
                        notice,
                    })
                    .await
                }
                None => {
                    let detail = format!("{} paid {}", seen.txn_id, seen.amount);
                    let number = seen.attempt_no.chars().take(64).collect();
                    return self.store_alone(message, Some((number, detail))).await;
                }
            },
            News::Refund { refund_no, outcome } => match self.own_refund(&refund_no).await? {
                Some(own) => {
                    let command = RecordRefund {
                        refund_no: own,
                        channel_no: Some(refund_no),
                        outcome,
                        source: FactSource::Notice,
                        notice: Some(message.clone()),
                        outbox: None,
                        renderer: match self.renderer(channel) {
                            Some(renderer) => renderer,
                            None => return self.store_alone(message, None).await,
                        },
                    };
                    self.submit(command).await
                }
                None => {
                    let detail = format!("refund told: {outcome:?}");
                    let number = refund_no.chars().take(64).collect();
                    return self.store_alone(message, Some((number, detail))).await;
                }
            },
            News::Other(_) => return self.store_alone(message, None).await,
        };
        match stored {
            Ok(_) => Ok(()),
            // It carries money and its decision failed: stored alone, answered as received.
            Err(StoreError::Refused(Refusal::Poisoned { .. })) => {
                self.store_alone(message, None).await
            }
            Err(StoreError::Refused(refusal)) => {
                tracing::error!(code = refusal.code(), "a notice was stored without effect");
                self.store_alone(message, None).await
            }
            Err(error) => Err(error),
        }
    }

    async fn store_alone(
        &self,
        notice: NoticeMessage,
        unknown_number: Option<(String, String)>,
    ) -> Result<(), StoreError> {
        let bucket: Bucket = self.keyring.bucket_of_name(notice.notice_id.as_bytes());
        self.submit(StoreInbox {
            bucket,
            notice,
            unknown_number,
        })
        .await
        .map(drop)
    }

    /// Our refund behind the number that a channel uses for it.
    async fn own_refund(&self, number: &str) -> Result<Option<RefundNo>, StoreError> {
        let Some(no) = RefundNo::parse(number) else {
            return Ok(None);
        };
        let given = [no.bucket().to_value(), Value::Text(number.to_owned())];
        let found = self.store.query("refund_of_channel_no", &given).await?;
        Ok(found.first().and_then(|row| match row.first() {
            Some(Value::Text(own)) => RefundNo::parse(own),
            _ => None,
        }))
    }
}

fn reply(answer: (u16, &'static str, &'static str), status: Option<u16>) -> NoticeReply {
    NoticeReply {
        status: status.unwrap_or(answer.0),
        content_type: answer.1,
        body: answer.2.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refused_notices_are_kept_and_all_are_counted() {
        let refused = RefusedNotices::default();
        for number in 0..SAMPLES_MAX + 2 {
            let body = vec![u8::try_from(number).unwrap(); SAMPLE_BYTES_MAX + 1];
            refused.note(NoticeRefusal::Probe, &body);
        }
        assert_eq!(refused.count(), SAMPLES_MAX as u64 + 2);
        let ring = refused.ring.lock().unwrap();
        assert_eq!(ring.samples.len(), SAMPLES_MAX);
        let (_, first) = &ring.samples[0];
        assert_eq!((first[0], first.len()), (2, SAMPLE_BYTES_MAX));
    }
}
