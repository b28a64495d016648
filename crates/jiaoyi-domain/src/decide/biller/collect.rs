//! `collect` and `release`: the lock that an institution takes before cash or a card. Alone of all
//! locks it ends by time, because our answer to `pay` still decides (CORE.md 16).

use super::super::allocate::place_of;
use super::super::{
    Answer, Command, Context, DueKey, OrderKey, Refusal, due_needs, free_locks, order_needs,
};
use super::hook::collector_needs;
use super::{About, Caller, Offer, bill_no, lock_needs, tell_released};
use crate::biller::wire::{Collected, Released};
use crate::biller::{BillerCall, Reason};
use crate::due::DueEvent;
use crate::money::Fen;
use crate::needs::Needs;
use crate::order::{OrderEvent, OrderState};
use crate::time::{Instant, MINUTE_MS};
use crate::working_set::WorkingSet;

use super::StartPayment;

/// Locks one bill.
pub struct CollectBill {
    pub caller: Caller,
    pub due: DueKey,
    pub offer: Offer,
    /// `self`, `other` or `unstated`.
    pub relation: String,
    /// Until when, as asked.
    pub until: Instant,
}

/// What a call about one due needs.
pub(super) fn call_needs(needs: &mut Needs<'_>, caller: &Caller, due: &DueKey) {
    let ws = needs.loaded();
    needs.key::<BillerCall>(&caller.key());
    due_needs(needs, due);
    let due = place_of(ws, *due);
    if let Some(order) = StartPayment::locking_order(ws, &due) {
        order_needs(needs, &order);
    }
    // Who is told of nothing need not be known by name.
    let own = ws.due.get(&due).and_then(|due| due.lock_holder) == Some(caller.holder());
    if !own || !caller.institution.webhook.is_empty() {
        lock_needs(needs, &due);
    }
}

impl CollectBill {
    /// Until when the lock lasts: as asked, within the front end's row.
    fn until(&self, at: Instant) -> Instant {
        let minutes = self
            .caller
            .front
            .map_or(0, |front| front.capability().lock_minutes);
        self.until.min(at.plus_ms(i64::from(minutes) * MINUTE_MS))
    }

    fn collected(&self, due: &DueKey, amount: Fen, until: Instant) -> Collected {
        Collected {
            seq: self.caller.seq.clone(),
            state: "ACCEPTED".to_owned(),
            bill_no: bill_no(due),
            amount_fen: amount.get(),
            lock_until: until.rfc3339(),
        }
    }
}

impl Command for CollectBill {
    fn kind(&self) -> &'static str {
        "collect_bill"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        call_needs(needs, &self.caller, &self.due);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let caller = &self.caller;
        if let Some(known) = caller.known(ws) {
            return known;
        }
        let due = place_of(ws, self.due);
        let about = || About {
            due: Some(due),
            ..About::default()
        };
        let terms = &caller.institution;
        if !terms.is_open(caller.trace_date, ctx.at) {
            return Ok(caller.refuse(ws, ctx, about(), Reason::DayClosed));
        }
        if let Some(shut) = caller.outside_hours(ctx.at) {
            return Ok(caller.refuse(ws, ctx, about(), shut));
        }
        let until = self.until(ctx.at);
        if let Some(order) = caller.own_lock(ws, &due, ctx.at) {
            return Ok(self.prolong(ws, ctx, due, order, until));
        }
        if let Some(why) = caller.obstacle(ws, &self.offer, &due, ctx.at)? {
            return Ok(caller.refuse(ws, ctx, about(), why));
        }
        let quote = self.offer.as_ref().map_err(|_| Refusal::Changed)?;
        let order = caller.place(ws, ctx, quote, &self.relation, until);
        let mut row = ws
            .due
            .get(&due)
            .cloned()
            .ok_or(Refusal::NotFound { what: "due" })?;
        row.apply(DueEvent::Activated);
        if !row.apply(DueEvent::LockTaken) {
            return Err(Refusal::Changed);
        }
        row.lock_order = Some(order.1);
        row.lock_order_bucket = Some(order.0);
        row.lock_holder = Some(caller.holder());
        row.lock_channel = caller.channel();
        row.lock_at = Some(ctx.at);
        row.lock_until = Some(until);
        row.lock_lapses = 0;
        ws.due.put(row);
        let about = About {
            order: Some(order.1),
            amount: quote.own,
            ..about()
        };
        let body = self.collected(&due, quote.own, until);
        Ok(caller.done(ws, ctx, about, &body))
    }
}

impl CollectBill {
    fn prolong(
        &self,
        ws: &mut WorkingSet,
        ctx: &Context,
        due: DueKey,
        order: OrderKey,
        until: Instant,
    ) -> Answer {
        if let Some(mut row) = ws.due.get(&due).cloned() {
            row.lock_until = Some(until);
            ws.due.put(row);
        }
        let mut amount = Fen::ZERO;
        if let Some(mut row) = ws.pay_order.get(&order).cloned() {
            row.until = until;
            amount = row.amount;
            ws.pay_order.put(row);
        }
        let about = About {
            due: Some(due),
            order: Some(order.1),
            amount,
            ..About::default()
        };
        let body = self.collected(&due, amount, until);
        self.caller.done(ws, ctx, about, &body)
    }
}

/// Ends an order by which an institution held a lock; its due is free.
pub(super) fn end_order(ws: &mut WorkingSet, ctx: &Context, key: &OrderKey, lapsed: bool) -> bool {
    let Some(mut order) = ws.pay_order.get(key).cloned() else {
        return false;
    };
    if order.state != OrderState::Placed || !order.apply(OrderEvent::AllDead) {
        return false;
    }
    order.ended_at.get_or_insert(ctx.at);
    ws.pay_order.put(order);
    free_locks(ws, key, lapsed);
    true
}

/// Frees an institution's own lock.
pub struct ReleaseBill {
    pub caller: Caller,
    pub due: DueKey,
}

impl Command for ReleaseBill {
    fn kind(&self) -> &'static str {
        "release_bill"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        call_needs(needs, &self.caller, &self.due);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let caller = &self.caller;
        if let Some(known) = caller.known(ws) {
            return known;
        }
        let due = place_of(ws, self.due);
        let order = caller.own_lock(ws, &due, ctx.at);
        let released = order.is_some_and(|order| end_order(ws, ctx, &order, false));
        let about = About {
            due: Some(due),
            order: order.map(|order| order.1),
            ..About::default()
        };
        if let Some(order) = order.filter(|_| released) {
            tell_released(ws, ctx, &order, "released");
        }
        let body = Released {
            seq: caller.seq.clone(),
            state: "ACCEPTED".to_owned(),
            bill_no: bill_no(&due),
            released,
        };
        Ok(caller.done(ws, ctx, about, &body))
    }
}

/// Ends an institution's lock whose time is over.
pub struct EndCollect {
    pub order: OrderKey,
}

impl Command for EndCollect {
    fn kind(&self) -> &'static str {
        "end_collect"
    }

    fn actor(&self) -> String {
        "job:collect".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        order_needs(needs, &self.order);
        collector_needs(needs, &self.order);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let order = ws.pay_order.get(&self.order);
        let over = order.is_some_and(|order| order.attempt_count == 0 && order.until <= ctx.at);
        if over && end_order(ws, ctx, &self.order, true) {
            tell_released(ws, ctx, &self.order, "expired");
            return Ok(Answer::Done);
        }
        Ok(Answer::Already)
    }
}
