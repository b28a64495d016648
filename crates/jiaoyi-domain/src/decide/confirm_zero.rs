//! A due that aid covers wholly: one confirmation fills the slot, without money and without a fact.

use super::allocate::{Filling, fill};
use super::{
    Answer, Command, Context, Quote, Refusal, current_revision, draw_order, due_needs, order_text,
    person_needs,
};
use crate::due::{RevisionKind, Slot};
use crate::id::Bucket;
use crate::money::Fen;
use crate::needs::Needs;
use crate::order::{DeviceOrder, OrderEvent, OrderState, PayOrder};
use crate::working_set::WorkingSet;

/// Confirms a due of 0 yuan.
pub struct ConfirmZero {
    pub quote: Quote,
    pub holder: [u8; 32],
    pub holder_bucket: Bucket,
    pub relation: String,
}

impl Command for ConfirmZero {
    fn kind(&self) -> &'static str {
        "confirm_zero"
    }

    fn actor(&self) -> String {
        "payer".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        due_needs(needs, &self.quote.due);
        person_needs(needs, &self.quote.due);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let quote = &self.quote;
        if !quote.own.is_zero() {
            return Err(Refusal::Changed);
        }
        if ctx.at >= quote.window_until {
            return Err(Refusal::WindowClosed);
        }
        if ws.slot.get(&quote.due).is_some_and(Slot::is_live) {
            return Err(Refusal::AlreadyPaid);
        }
        let revision = current_revision(ws, &quote.due).ok_or(Refusal::NotPayable)?;
        if revision.kind == RevisionKind::Void {
            return Err(Refusal::NotPayable);
        }
        if revision.revision_no != quote.revision_no {
            return Err(Refusal::Changed);
        }
        ws.roster.assert_unchanged(&(revision.roster_id.0,));
        let bucket = quote.due.0;
        let (order_id, order_no) = draw_order(ctx, bucket);
        let mut order = PayOrder {
            bucket,
            order_id,
            order_no,
            state: OrderState::Placed,
            amount: Fen::ZERO,
            line_count: 1,
            attempt_count: 0,
            holder: self.holder,
            relation: self.relation.clone(),
            region: quote.region.clone(),
            created_at: ctx.at,
            until: ctx.at,
            ended_at: Some(ctx.at),
            version: 1,
        };
        order.apply(OrderEvent::Allocated {
            premium: true,
            surplus: false,
        });
        ws.pay_order.put(order);
        let line = quote.line((bucket, order_id), 1, ctx.at);
        ws.line.put(line.clone());
        fill(ws, ctx, line, Filling::NOTHING);
        ws.device_order.put(DeviceOrder {
            bucket: self.holder_bucket,
            device: self.holder,
            order_bucket: bucket,
            order_id,
            added_at: ctx.at,
        });
        Ok(Answer::Confirmed {
            bucket: bucket.get(),
            order: order_text(order_id),
        })
    }
}
