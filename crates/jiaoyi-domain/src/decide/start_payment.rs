//! A payer confirms what was shown and starts to pay: order, lock, attempt and outbox in one step.

use super::{
    Answer, Command, Context, DueKey, NewAttempt, OrderKey, Quote, Refusal, Renderer,
    abandon_attempts, add_attempt, current_revision, draw_order, due_needs, free_locks,
    order_needs, order_text,
};
use crate::attempt::LIFE_MS;
use crate::channel::Method;
use crate::due::{Due, DueEvent, DueState, RevisionKind, TurnedAway};
use crate::id::Bucket;
use crate::money::Fen;
use crate::needs::Needs;
use crate::order::{DeviceOrder, LINES_MAX, OrderEvent, OrderState, PayOrder};
use crate::time::{DAY_MS, HOUR_MS, Instant, MINUTE_MS};
use crate::working_set::WorkingSet;
use std::collections::BTreeSet;
use std::sync::Arc;

/// After so long anybody may displace a lock (DESIGN.md 2).
pub const DISPLACE_AFTER_MS: i64 = 3 * MINUTE_MS;

/// How often the locks of one unproven payer may lapse on a due within an hour.
const LAPSES_MAX: u32 = 2;

/// A wallet needs at least so long between the start and the expiry.
const LIFE_MS_MIN: i64 = MINUTE_MS;

/// Starts one payment for one or several dues.
pub struct StartPayment {
    pub quotes: Vec<Quote>,
    pub method: Method,
    pub merchant: String,
    pub app: String,
    /// Hash of the device cookie, and the bucket of the device's own list.
    pub holder: [u8; 32],
    pub holder_bucket: Bucket,
    /// `self` or `other`.
    pub relation: String,
    pub payer_ip: String,
    pub openid: Option<String>,
    /// The payer has read that an older attempt stays watched, and wants to go on.
    pub displace: bool,
    pub renderer: Arc<dyn Renderer>,
}

impl StartPayment {
    pub(super) fn locking_order(ws: &WorkingSet, key: &DueKey) -> Option<OrderKey> {
        let due = ws.due.get(key)?;
        Some((due.lock_order_bucket?, due.lock_order?))
    }

    /// Whether the due can be locked now; brings a draft, void or expired due up to date first.
    pub(super) fn ready_due(ws: &mut WorkingSet, quote: &Quote) -> Result<Due, Refusal> {
        let mut due = ws
            .due
            .get(&quote.due)
            .cloned()
            .ok_or(Refusal::NotFound { what: "due" })?;
        if ws
            .slot
            .get(&quote.due)
            .is_some_and(crate::due::Slot::is_live)
        {
            return Err(Refusal::AlreadyPaid);
        }
        let revision = current_revision(ws, &quote.due).ok_or(Refusal::NotPayable)?;
        if revision.kind == RevisionKind::Void {
            return Err(Refusal::NotPayable);
        }
        if revision.revision_no != quote.revision_no {
            return Err(Refusal::Changed);
        }
        // The price hangs on the roster being active: it must still be when this commits.
        ws.roster.assert_unchanged(&(revision.roster_id.0,));
        if matches!(
            due.state,
            DueState::Draft | DueState::Void | DueState::Expired
        ) {
            due.apply(DueEvent::Activated);
        }
        match due.state {
            DueState::Open | DueState::Locked => Ok(due),
            DueState::Paid => Err(Refusal::AlreadyPaid),
            DueState::Draft | DueState::Returned | DueState::Void | DueState::Expired => {
                Err(Refusal::NotPayable)
            }
        }
    }

    fn locked_answer(&self, due: &Due, at: Instant) -> Option<Answer> {
        if due.state != DueState::Locked || due.lock_is_over(at) {
            return None;
        }
        let since = due.lock_at.unwrap_or(at);
        let mine = due.lock_holder == Some(self.holder);
        let may_displace = mine || at.since_ms(since) >= DISPLACE_AFTER_MS;
        (!(self.displace && may_displace)).then(|| Answer::Locked {
            since_ms: since.0,
            until_ms: due.lock_until.unwrap_or(at).0,
            channel: due
                .lock_channel
                .map_or("", |channel| channel.code())
                .to_owned(),
            may_displace,
            mine,
        })
    }

    pub(super) fn displace(ws: &mut WorkingSet, ctx: &mut Context, older: &OrderKey) {
        let Some(mut order) = ws.pay_order.get(older).cloned() else {
            return;
        };
        if order.apply(OrderEvent::GivenUp) {
            order.ended_at.get_or_insert(ctx.at);
            ws.pay_order.put(order);
        }
        abandon_attempts(ws, ctx, older, None);
        free_locks(ws, older, false);
        super::close_if_all_dead(ws, ctx, older, false);
    }
}

impl Command for StartPayment {
    fn kind(&self) -> &'static str {
        "start_payment"
    }

    fn actor(&self) -> String {
        "payer".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        for quote in &self.quotes {
            due_needs(needs, &quote.due);
            // Only who meets a lock is turned away.
            let due = ws.due.get(&quote.due);
            if due.is_some_and(|due| due.state == DueState::Locked) {
                needs.range::<TurnedAway>("by_due", &quote.due);
            }
            if let Some(order) = StartPayment::locking_order(ws, &quote.due) {
                order_needs(needs, &order);
            }
            super::biller::lock_needs(needs, &quote.due);
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let first = self.quotes.first().ok_or(Refusal::NotPayable)?;
        if self.quotes.len() > LINES_MAX {
            return Err(Refusal::TooManyLocks);
        }
        let distinct: BTreeSet<DueKey> = self.quotes.iter().map(|quote| quote.due).collect();
        if distinct.len() != self.quotes.len() {
            return Err(Refusal::NotPayable);
        }
        // A due of 0 yuan is confirmed, not paid: no money may be allocated to it.
        if self.quotes.iter().any(|quote| quote.own.is_zero()) {
            return Err(Refusal::NothingToPay);
        }
        let amount = Fen::checked_sum(self.quotes.iter().map(|quote| quote.own))
            .ok_or(Refusal::NotPayable)?;
        let window_until = self
            .quotes
            .iter()
            .map(|quote| quote.window_until)
            .min()
            .unwrap_or(ctx.at);
        let expires_at = ctx.at.plus_ms(LIFE_MS).min(window_until);
        if expires_at < ctx.at.plus_ms(LIFE_MS_MIN) {
            return Err(Refusal::WindowClosed);
        }
        let mut dues = Vec::with_capacity(self.quotes.len());
        for quote in &self.quotes {
            let due = StartPayment::ready_due(ws, quote)?;
            if let Some(locked) = self.locked_answer(&due, ctx.at) {
                turn_away(ws, ctx, &quote.due);
                return Ok(locked);
            }
            let recent = due.lock_at.is_some_and(|at| ctx.at.since_ms(at) < HOUR_MS);
            if due.lock_holder == Some(self.holder) && recent && due.lock_lapses >= LAPSES_MAX {
                return Err(Refusal::TooManyLocks);
            }
            dues.push(due);
        }
        for quote in &self.quotes {
            if let Some(older) = StartPayment::locking_order(ws, &quote.due) {
                let over = ws
                    .due
                    .get(&quote.due)
                    .is_none_or(|due| due.lock_is_over(ctx.at));
                let reason = if over { "expired" } else { "displaced" };
                super::biller::tell_released(ws, ctx, &older, reason);
                StartPayment::displace(ws, ctx, &older);
            }
        }

        let bucket = first.due.0;
        let (order_id, order_no) = draw_order(ctx, bucket);
        let order = (bucket, order_id);
        for (quote, known) in self.quotes.iter().zip(dues) {
            let mut due = ws.due.get(&quote.due).cloned().unwrap_or(known);
            if matches!(
                due.state,
                DueState::Draft | DueState::Void | DueState::Expired
            ) {
                due.apply(DueEvent::Activated);
            }
            if !due.apply(DueEvent::LockTaken) {
                return Err(Refusal::NotPayable);
            }
            if due.lock_holder != Some(self.holder) {
                due.lock_lapses = 0;
            }
            due.lock_order = Some(order_id);
            due.lock_order_bucket = Some(bucket);
            due.lock_holder = Some(self.holder);
            due.lock_channel = Some(self.method.channel());
            due.lock_at = Some(ctx.at);
            due.lock_until = Some(expires_at);
            ws.due.put(due);
        }
        for (line_no, quote) in (1..).zip(&self.quotes) {
            ws.line.put(quote.line(order, line_no, ctx.at));
        }
        ws.pay_order.put(PayOrder {
            bucket,
            order_id,
            order_no,
            state: OrderState::Placed,
            amount,
            line_count: u32::try_from(self.quotes.len()).unwrap_or(0),
            attempt_count: 1,
            holder: self.holder,
            relation: self.relation.clone(),
            region: first.region.clone(),
            created_at: ctx.at,
            until: expires_at,
            ended_at: None,
            version: 1,
        });
        ws.device_order.put(DeviceOrder {
            bucket: self.holder_bucket,
            device: self.holder,
            order_bucket: bucket,
            order_id,
            added_at: ctx.at,
        });
        let drafted = add_attempt(
            ws,
            ctx,
            &NewAttempt {
                order,
                seq: 1,
                method: self.method,
                amount,
                expires_at,
                merchant: &self.merchant,
                app: &self.app,
                payer_ip: &self.payer_ip,
                openid: self.openid.as_deref(),
                renderer: self.renderer.as_ref(),
            },
        );
        Ok(Answer::Started {
            bucket: bucket.get(),
            order: order_text(order_id),
            attempt: drafted.attempt.attempt_no.as_str().to_owned(),
            drafted: Some(Box::new(drafted)),
        })
    }
}

/// Whoever is refused for somebody else's lock counts as in time for 24 hours.
fn turn_away(ws: &mut WorkingSet, ctx: &Context, key: &DueKey) {
    let counts = ws
        .turned_away
        .iter()
        .any(|row| (row.bucket, row.due_id, row.generation) == *key && row.until > ctx.at);
    if counts {
        return;
    }
    ws.turned_away.put(TurnedAway {
        bucket: key.0,
        due_id: key.1,
        generation: key.2,
        at: ctx.at,
        reason: "locked".to_owned(),
        until: ctx.at.plus_ms(DAY_MS),
    });
}
