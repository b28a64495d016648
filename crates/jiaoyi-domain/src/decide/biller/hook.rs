//! Events for institutions (outgoing webhooks): written with what causes them, sent later, again
//! and again, and anew when the institution asks.

use super::super::{
    Answer, CaseKind, Command, Context, DueKey, OrderKey, Refusal, open_case, post,
};
use super::{StartPayment, bill_no};
use crate::biller::wire::Event;
use crate::biller::{BillerCall, Verb};
use crate::channel::ChannelCode;
use crate::hook::{HookEvent, HookId, HookKind, HookState, next_try, subject};
use crate::id::Bucket;
use crate::institution::{Institution, Keeper};
use crate::messages::{Case, CaseState, Outbox, OutboxState, Topic};
use crate::needs::Needs;
use crate::record::Record;
use crate::time::Instant;
use crate::working_set::WorkingSet;

/// Tells an institution of something: an event and the message that sends it, when there is
/// somewhere to send it to.
pub(in crate::decide) fn tell(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    (bucket, institution): (Bucket, &Institution),
    kind: HookKind,
    told: Event,
) {
    if institution.webhook.is_empty() {
        return;
    }
    let hook_id = HookId::new(ctx.at, bucket, ctx.ids.id16());
    let told = Event {
        event_id: hook_id.text(),
        kind: kind.code().to_owned(),
        inst_id: institution.inst_id.clone(),
        at: ctx.at.rfc3339(),
        ..told
    };
    ws.hook_event.put(HookEvent {
        bucket,
        hook_id,
        inst_id: institution.inst_id.clone(),
        kind,
        body: serde_json::to_string(&told).unwrap_or_default(),
        at: ctx.at,
        state: HookState::Waiting,
        tries: 0,
        log: String::new(),
        ended_at: None,
        version: 1,
    });
    let subject = subject(&institution.inst_id, &hook_id);
    post(ws, ctx, bucket, Topic::Hook, &subject, 0);
}

/// The call that took the lock by which an order holds a bill.
fn collect_of<'w>(ws: &'w WorkingSet, order: &OrderKey) -> Option<&'w BillerCall> {
    ws.biller_call.iter().find(|call| {
        (call.bucket, call.order_id) == (order.0, Some(order.1)) && call.verb == Verb::Collect
    })
}

/// Whom the end of an order has to be told: the institution that locked a bill by it.
pub(in crate::decide) fn collector_needs(needs: &mut Needs<'_>, order: &OrderKey) {
    let ws = needs.loaded();
    needs.range::<BillerCall>("by_order", order);
    if let Some(call) = collect_of(ws, order) {
        needs.key::<Institution>(&(call.inst_id.clone(),));
    }
}

/// As [`collector_needs`], for whoever may displace the lock of a due; nothing is read where no
/// institution holds it.
pub(in crate::decide) fn lock_needs(needs: &mut Needs<'_>, due: &DueKey) {
    let ws = needs.loaded();
    let channel = ws.due.get(due).and_then(|due| due.lock_channel);
    if !matches!(channel, Some(ChannelCode::Inbound(_))) {
        return;
    }
    if let Some(order) = StartPayment::locking_order(ws, due) {
        collector_needs(needs, &order);
    }
}

/// Tells whoever locked a bill by an order that the lock has ended.
pub(in crate::decide) fn tell_released(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    order: &OrderKey,
    reason: &str,
) {
    let Some(call) = collect_of(ws, order).cloned() else {
        return;
    };
    if let Some(institution) = ws.institution.get(&(call.inst_id.clone(),)).cloned() {
        tell_release(ws, ctx, &institution, &call, reason);
    }
}

/// Tells of a lock that `call` took, or ended.
pub(super) fn tell_release(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    institution: &Institution,
    call: &BillerCall,
    reason: &str,
) {
    let due = call.due_id.zip(call.generation);
    let told = Event {
        bill_no: due.map(|(due, generation)| bill_no(&(call.bucket, due, generation))),
        seq: Some(call.seq.clone()),
        reason: Some(reason.to_owned()),
        ..Event::default()
    };
    let whom = (call.bucket, institution);
    tell(ws, ctx, whom, HookKind::Release, told);
}

/// Where an institution is told of events; none when empty. The operator's command.
pub struct PutWebhook {
    pub by: Keeper,
    pub inst_id: String,
    pub url: String,
}

impl Command for PutWebhook {
    fn kind(&self) -> &'static str {
        "put_webhook"
    }

    fn actor(&self) -> String {
        self.by.actor(&self.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Institution>(&(self.inst_id.clone(),));
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.institution.get(&(self.inst_id.clone(),)).cloned();
        let mut row = known.ok_or(Refusal::NotFound {
            what: "institution",
        })?;
        if row.webhook == self.url {
            return Ok(Answer::Already);
        }
        row.webhook.clone_from(&self.url);
        ws.institution.put(row);
        Ok(Answer::Done)
    }
}

/// How sending an event went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Answered 2xx.
    Delivered { status: u16 },
    /// Anything else: in words.
    Missed { why: String },
}

/// Keeps what became of sending an event, and when it is sent again.
pub struct RecordDelivery {
    pub outbox: <Outbox as Record>::Key,
    /// The token of the lease under which it was sent.
    pub token: u32,
    pub event: <HookEvent as Record>::Key,
    pub inst_id: String,
    pub delivery: Delivery,
    /// When it was sent, and how long it took.
    pub sent_at: Instant,
    pub took_ms: i64,
}

impl RecordDelivery {
    fn give_up(&self, ws: &mut WorkingSet, ctx: &mut Context, why: &str) {
        let is_open = |case: &Case| {
            case.bucket == self.event.0
                && case.kind == CaseKind::Webhook
                && case.state == CaseState::Open
                && case.subject == self.inst_id
        };
        // One that cannot be reached for days is one thing to look at, not thousands.
        if !ws.case.iter().any(is_open) {
            let detail = format!("event {}: {why}", self.event.1.text());
            let (kind, subject) = (CaseKind::Webhook, &self.inst_id);
            open_case(ws, ctx, self.event.0, kind, None, subject, detail);
        }
    }
}

impl Command for RecordDelivery {
    fn kind(&self) -> &'static str {
        "record_delivery"
    }

    fn actor(&self) -> String {
        "job:hooks".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Outbox>(&self.outbox);
        needs.key::<HookEvent>(&self.event);
        needs.range::<Case>("by_subject", &(self.event.0, self.inst_id.clone()));
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let row = ws.outbox.get(&self.outbox).cloned();
        let mut row = row.ok_or(Refusal::NotFound { what: "message" })?;
        let event = ws.hook_event.get(&self.event).cloned();
        let mut event = event.ok_or(Refusal::NotFound { what: "event" })?;
        if row.state != OutboxState::Waiting {
            return Ok(Answer::Already);
        }
        // A lease that was taken over must not be ended by the one who lost it.
        if row.lease != self.token {
            return Err(Refusal::Leased);
        }
        row.lease_until = None;
        let next = next_try(row.created_at, row.tries, ctx.at);
        let ended = match (&self.delivery, next) {
            (Delivery::Delivered { status }, _) => {
                event.note(self.sent_at, &format!("status {status}"), self.took_ms);
                row.done_at = Some(ctx.at);
                Some((OutboxState::Done, HookState::Delivered))
            }
            (Delivery::Missed { why }, next) => {
                event.note(self.sent_at, why, self.took_ms);
                match next {
                    Some(next) => {
                        row.next_at = next;
                        None
                    }
                    None => {
                        self.give_up(ws, ctx, why);
                        Some((OutboxState::Failed, HookState::Failed))
                    }
                }
            }
        };
        if let Some((of_message, of_event)) = ended {
            row.state = of_message;
            event.state = of_event;
            event.ended_at = Some(ctx.at);
        }
        ws.outbox.put(row);
        ws.hook_event.put(event);
        Ok(Answer::Done)
    }
}

/// Sends an event anew, under the same id. One that is still on its way is not sent twice at once.
pub struct ReplayEvent {
    pub event: <HookEvent as Record>::Key,
    /// Whose it has to be.
    pub inst_id: String,
}

impl Command for ReplayEvent {
    fn kind(&self) -> &'static str {
        "replay_event"
    }

    fn actor(&self) -> String {
        format!("institution:{}", self.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<HookEvent>(&self.event);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.hook_event.get(&self.event);
        let known = known.filter(|row| row.inst_id == self.inst_id).cloned();
        let mut event = known.ok_or(Refusal::NotFound { what: "event" })?;
        if event.state == HookState::Waiting {
            return Ok(Answer::Already);
        }
        event.state = HookState::Waiting;
        event.ended_at = None;
        let (bucket, id) = self.event;
        ws.hook_event.put(event);
        post(
            ws,
            ctx,
            bucket,
            Topic::Hook,
            &subject(&self.inst_id, &id),
            0,
        );
        Ok(Answer::Done)
    }
}
