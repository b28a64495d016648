//! The holder gives an order up: its dues are free at once, its attempts are closed and watched.

use super::{
    Answer, Command, Context, OrderKey, Refusal, abandon_attempts, close_if_all_dead, free_locks,
    order_needs,
};
use crate::needs::Needs;
use crate::order::OrderEvent;
use crate::planted::{Bug, has};
use crate::working_set::WorkingSet;

/// Gives an order up. The payer has read that the older attempt stays watched.
pub struct GiveUp {
    pub order: OrderKey,
    /// Hash of the device cookie that asks.
    pub holder: [u8; 32],
}

impl Command for GiveUp {
    fn kind(&self) -> &'static str {
        "give_up"
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
        if order.holder != self.holder && !has(Bug::OwnerCheckMissing) {
            return Err(Refusal::NotYours);
        }
        let before = order.state;
        if !order.apply(OrderEvent::GivenUp) {
            return Err(Refusal::AlreadyPaid);
        }
        if order.state == before {
            return Ok(Answer::Already);
        }
        order.ended_at = Some(ctx.at);
        ws.pay_order.put(order);
        abandon_attempts(ws, ctx, &self.order, None);
        free_locks(ws, &self.order, false);
        close_if_all_dead(ws, ctx, &self.order, false);
        Ok(Answer::Act)
    }
}
