//! The holder tries the same order again, with the same or another method.

use super::{
    Answer, Command, Context, NewAttempt, OrderKey, Refusal, Renderer, abandon_attempts,
    add_attempt, current_revision, line_due, lines_of, order_needs, order_text,
};
use crate::attempt::LIFE_MS;
use crate::channel::Method;
use crate::due::{DueEvent, RevisionKind, Slot};
use crate::needs::Needs;
use crate::order::OrderEvent;
use crate::time::MINUTE_MS;
use crate::working_set::WorkingSet;
use std::sync::Arc;

/// Most attempts of one order.
const ATTEMPTS_MAX: u32 = 20;

/// Adds an attempt to an unpaid order; older attempts are closed and watched.
pub struct SwitchMethod {
    pub order: OrderKey,
    pub holder: [u8; 32],
    pub method: Method,
    pub merchant: String,
    pub app: String,
    pub payer_ip: String,
    pub openid: Option<String>,
    pub renderer: Arc<dyn Renderer>,
}

impl Command for SwitchMethod {
    fn kind(&self) -> &'static str {
        "switch_method"
    }

    fn actor(&self) -> String {
        "payer".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        order_needs(needs, &self.order);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let mut order = ws
            .pay_order
            .get(&self.order)
            .cloned()
            .ok_or(Refusal::NotFound { what: "order" })?;
        if order.holder != self.holder {
            return Err(Refusal::NotYours);
        }
        if order.attempt_count >= ATTEMPTS_MAX {
            return Err(Refusal::TooManyLocks);
        }
        if !order.apply(OrderEvent::TriedAgain) {
            return Err(Refusal::AlreadyPaid);
        }
        let lines = lines_of(ws, &self.order);
        // A quote says when benefits start for a payer of its own day and of the following night.
        if lines
            .iter()
            .any(|line| line.quoted_at.date() != ctx.at.date())
        {
            return Err(Refusal::Changed);
        }
        let window_until = lines
            .iter()
            .map(|line| line.window_until)
            .min()
            .unwrap_or(ctx.at);
        let expires_at = ctx.at.plus_ms(LIFE_MS).min(window_until);
        if expires_at < ctx.at.plus_ms(MINUTE_MS) {
            return Err(Refusal::WindowClosed);
        }
        for line in &lines {
            let key = line_due(line);
            let mut due = ws
                .due
                .get(&key)
                .cloned()
                .ok_or(Refusal::NotFound { what: "due" })?;
            if ws.slot.get(&key).is_some_and(Slot::is_live) {
                return Err(Refusal::AlreadyPaid);
            }
            if due.lock_order.is_some() && !due.is_locked_by(self.order.1) {
                return Err(Refusal::NotYours);
            }
            // The order keeps its quote; if the price has changed since, a new order is needed.
            let revision = current_revision(ws, &key).ok_or(Refusal::NotPayable)?;
            if revision.kind == RevisionKind::Void || revision.revision_no != line.revision_no {
                return Err(Refusal::Changed);
            }
            ws.roster.assert_unchanged(&(revision.roster_id.0,));
            if !due.apply(DueEvent::LockTaken) {
                return Err(Refusal::NotPayable);
            }
            due.lock_order = Some(self.order.1);
            due.lock_order_bucket = Some(self.order.0);
            due.lock_holder = Some(self.holder);
            due.lock_channel = Some(self.method.channel());
            due.lock_at = Some(ctx.at);
            due.lock_until = Some(expires_at);
            ws.due.put(due);
        }
        abandon_attempts(ws, ctx, &self.order, None);
        let seq = order.attempt_count.saturating_add(1);
        let amount = order.amount;
        order.attempt_count = seq;
        order.until = expires_at;
        order.ended_at = None;
        ws.pay_order.put(order);
        let drafted = add_attempt(
            ws,
            ctx,
            &NewAttempt {
                order: self.order,
                seq,
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
            bucket: self.order.0.get(),
            order: order_text(self.order.1),
            attempt: drafted.attempt.attempt_no.as_str().to_owned(),
            // The attempts before this one have to be read all the same.
            drafted: None,
        })
    }
}
