//! Telling institutions of events (outgoing webhooks): sent until they are taken, listed and sent
//! anew when asked for.
//!
//! The work is a job of its own, so that no receiver, however slow, keeps payments waiting. One that
//! does not take an event is left alone for a while: its others stay where they are.

use super::auth::{self, Known};
use super::{BillerReply, Failure, json};
use crate::calls::{OutboxKey, outbox_key};
use crate::platform::Platform;
use futures_util::{StreamExt, future, stream};
use jiaoyi_domain::Bucket;
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::{Event, EventList, ListEvents, ListedEvent, Replay, Replayed};
use jiaoyi_domain::decide::{Answer, Delivery, LeaseOutbox, RecordDelivery, Refusal, ReplayEvent};
use jiaoyi_domain::hook::{HookEvent, HookId, HookState, id_of_subject};
use jiaoyi_domain::institution::Institution;
use jiaoyi_domain::record::{Column, Value};
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_store::StoreError;
use std::sync::Arc;

/// How many events are on their way at once, to all and to one institution.
const AT_ONCE: usize = 64;
const AT_ONCE_TO_ONE: usize = 16;
/// How many events of one institution a pass takes on.
const WORK_MAX: i64 = 200;
/// How long one event may be on its way before another process may send it too.
const LEASE_MS: i64 = 30 * SECOND_MS;
/// Most events of one list, and how many when nothing is said.
const LIST_MAX: u16 = 200;
const LIST_USUAL: u16 = 100;

/// The kind under which an institution that takes nothing is put off.
const KIND: &str = "hooks";

impl Platform {
    /// Sends the events that are due; how many were sent, taken or not.
    ///
    /// # Errors
    ///
    /// The store's trouble; what was sent stays sent.
    pub async fn tell_institutions(&self) -> Result<u32, StoreError> {
        self.refresh_institutions().await?;
        let mut institutions = self.desk.institutions();
        // What waits for one that is told nothing any more goes on waiting.
        institutions.retain(|institution| !institution.webhook.is_empty());
        let tell = |institution: Arc<Institution>| async move {
            let told = self.tell_institution(&institution).await;
            told.inspect_err(|error| {
                let (inst, code) = (&institution.inst_id, error.code());
                tracing::error!(inst, code, %error, "an institution was not told");
            })
        };
        let all: Vec<_> = stream::iter(institutions.into_iter().map(tell))
            .buffer_unordered(AT_ONCE / AT_ONCE_TO_ONE)
            .collect()
            .await;
        all.into_iter()
            .try_fold(0_u32, |sum, told| Ok(sum.saturating_add(told?)))
    }

    /// Sends what is due to one institution, in order, until it does not take one.
    async fn tell_institution(&self, institution: &Institution) -> Result<u32, StoreError> {
        let inst_id = &institution.inst_id;
        if self.put_off.waits(KIND, inst_id, self.now()) {
            return Ok(0);
        }
        let given = [
            Value::Text(format!("{inst_id}:")),
            Value::Text(format!("{inst_id};")),
            Value::Int(self.now().0),
            Value::Int(WORK_MAX),
        ];
        let rows = self.store.query("hooks_due", &given).await?;
        let keys: Vec<OutboxKey> = rows.iter().filter_map(|row| outbox_key(row)).collect();
        let mut sent = 0;
        for some in keys.chunks(AT_ONCE_TO_ONE) {
            let all = some.iter().map(|key| self.send_one(institution, key));
            let (mut taken, mut missed) = (0, 0);
            for outcome in future::join_all(all).await {
                match outcome? {
                    Some(true) => taken += 1,
                    Some(false) => missed += 1,
                    None => {}
                }
            }
            sent += taken + missed;
            if taken > 0 {
                self.put_off.went_well(KIND, inst_id);
            }
            if missed > 0 {
                self.put_off.failed(KIND, inst_id, self.now());
                break;
            }
        }
        Ok(sent)
    }

    /// Sends one event; whether it was taken, `None` when it was not ours to send.
    async fn send_one(
        &self,
        institution: &Institution,
        key: &OutboxKey,
    ) -> Result<Option<bool>, StoreError> {
        let Some(id) = id_of_subject(&key.1) else {
            return Ok(None);
        };
        let lease = LeaseOutbox {
            key: key.clone(),
            for_ms: LEASE_MS,
        };
        let token = match self.submit(lease).await {
            Ok(Answer::Leased { token }) => token,
            Ok(_) | Err(StoreError::Refused(Refusal::Leased)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let event: Option<HookEvent> = self.store.load(&(key.0, id)).await?;
        let Some(event) = event else { return Ok(None) };
        let sent_at = self.now();
        let delivery = self.send_event(institution, &event.body).await;
        let taken = matches!(delivery, Delivery::Delivered { .. });
        if let Delivery::Missed { why } = &delivery {
            let (inst, event) = (&institution.inst_id, id.text());
            tracing::warn!(inst, event, why, "an event was not taken");
        }
        let record = RecordDelivery {
            outbox: key.clone(),
            token,
            event: (key.0, id),
            inst_id: institution.inst_id.clone(),
            delivery,
            sent_at,
            took_ms: self.now().since_ms(sent_at),
        };
        match self.submit(record).await {
            Ok(_) | Err(StoreError::Refused(Refusal::Leased)) => Ok(Some(taken)),
            Err(error) => Err(error),
        }
    }

    /// Signs a body as answers are signed, and posts it.
    async fn send_event(&self, institution: &Institution, body: &str) -> Delivery {
        let missed = |why: &str| Delivery::Missed {
            why: why.to_owned(),
        };
        let Some(sender) = &self.channels.webhooks else {
            return missed("nothing can be sent");
        };
        let url = match sender.url(&institution.webhook, self.config.demo) {
            Ok(url) => url,
            Err(error) => return missed(&error.to_string()),
        };
        let scheme = self.desk.scheme_of(&institution.inst_id, self.now());
        let Some((key_id, signer)) = self.keyring.answer_key(auth::call_scheme(scheme)) else {
            return missed("there is no key to sign with");
        };
        let at = self.now().0.div_euclid(SECOND_MS).to_string();
        let nonce = self.nonce_text();
        let lines = ["POST", &url.path(), &at, &nonce];
        let text = jiaoyi_crypto::calls::string_to_sign(lines, body.as_bytes());
        let Some(signature) = signer.sign(&text, &mut |bytes| (self.random)(bytes)) else {
            return missed("it could not be signed");
        };
        let headers = [
            ("content-type", super::JSON.to_owned()),
            ("biller-scheme", scheme.code().to_owned()),
            ("biller-key-id", key_id.to_owned()),
            ("biller-timestamp", at),
            ("biller-nonce", nonce),
            ("biller-signature", signature),
        ];
        match sender.send(&url, &headers, body.as_bytes().to_vec()).await {
            Ok(status @ 200..=299) => Delivery::Delivered { status },
            Ok(status) => missed(&format!("status {status}")),
            Err(why) => missed(&why),
        }
    }

    /// Sends an institution an event of kind `test`, of which nothing is kept.
    pub async fn test_webhook(&self, institution: &Institution) -> Delivery {
        let now = self.now();
        let event = Event {
            event_id: HookId::new(now, Bucket::default(), self.random()).text(),
            kind: "test".to_owned(),
            inst_id: institution.inst_id.clone(),
            at: now.rfc3339(),
            ..Event::default()
        };
        let body = serde_json::to_string(&event).unwrap_or_default();
        self.send_event(institution, &body).await
    }

    /// An institution's events after one, oldest first.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn events_of(
        &self,
        inst_id: &str,
        since: Option<HookId>,
        limit: u16,
    ) -> Result<Vec<HookEvent>, StoreError> {
        let since = since.map_or([0; 16], |id| id.0);
        let given = [
            Value::Text(inst_id.to_owned()),
            Value::Bytes(since.to_vec()),
            Value::Int(limit.into()),
        ];
        self.events("hook_events_of", &given).await
    }

    /// An institution's last events, newest first.
    pub(super) async fn newest_events_of(
        &self,
        inst_id: &str,
        limit: u16,
    ) -> Result<Vec<HookEvent>, StoreError> {
        let given = [Value::Text(inst_id.to_owned()), Value::Int(limit.into())];
        self.events("hook_events_newest", &given).await
    }

    async fn events(
        &self,
        query: &'static str,
        given: &[Value],
    ) -> Result<Vec<HookEvent>, StoreError> {
        let mut events = Vec::new();
        for row in self.store.query(query, given).await?.iter() {
            let [bucket, id] = &row[..] else { continue };
            let key = Bucket::from_value(bucket.clone()).zip(HookId::from_value(id.clone()));
            if let Some(key) = key
                && let Some(event) = self.store.load::<HookEvent>(&key).await?
            {
                events.push(event);
            }
        }
        Ok(events)
    }

    pub(super) async fn biller_events(
        &self,
        known: &Known,
        asked: ListEvents,
    ) -> Result<BillerReply, Failure> {
        let since = match asked.since.as_deref().map(HookId::parse) {
            Some(None) => return Err(Failure::bad("since", "give an event_id")),
            since => since.flatten(),
        };
        let limit = asked.limit.unwrap_or(LIST_USUAL);
        if !(1..=LIST_MAX).contains(&limit) {
            return Err(Failure::bad("limit", "1 to 200"));
        }
        let inst_id = &known.institution.inst_id;
        let mut events = self.events_of(inst_id, since, limit + 1).await?;
        let more = events.len() > usize::from(limit);
        events.truncate(limit.into());
        let events = events.iter().filter_map(listed).collect();
        Ok(json(200, &EventList { events, more }))
    }

    pub(super) async fn biller_replay(
        &self,
        known: &Known,
        asked: Replay,
    ) -> Result<BillerReply, Failure> {
        let unknown = || Failure::new(ErrorCode::NoSuchEvent, "we never told you of this event");
        if known.institution.webhook.is_empty() {
            return Err(Failure::bad(
                "event_id",
                "you have no webhook to send it to",
            ));
        }
        let id = HookId::parse(&asked.event_id).ok_or_else(unknown)?;
        let bucket = id.bucket().ok_or_else(unknown)?;
        let command = ReplayEvent {
            event: (bucket, id),
            inst_id: known.institution.inst_id.clone(),
        };
        match self.submit(command).await {
            Ok(_) => {}
            Err(StoreError::Refused(Refusal::NotFound { .. })) => return Err(unknown()),
            Err(error) => return Err(error.into()),
        }
        let replayed = Replayed {
            event_id: asked.event_id,
            state: told(HookState::Waiting),
        };
        Ok(json(200, &replayed))
    }
}

fn told(state: HookState) -> String {
    state.code().to_ascii_uppercase()
}

/// An event as it is listed; `None` when its body is damaged, which `verify` names.
fn listed(row: &HookEvent) -> Option<ListedEvent> {
    Some(ListedEvent {
        event: serde_json::from_str(&row.body).ok()?,
        state: told(row.state),
        tries: row.tries,
        last_try: row.log.lines().last().map(str::to_owned),
    })
}
