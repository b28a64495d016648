//! Allocation: a success fills the free slots of its order's lines; what finds none is surplus.

use super::{
    CaseKind, Context, DueKey, OrderKey, abandon_attempts, current_revision, draw_refund,
    draw_voucher, free_locks, line_due, lines_of, open_case, post,
};
use crate::attempt::Attempt;
use crate::books::{Account, Transfer, TransferId, TransferKind, TransitId};
use crate::due::{Due, DueEvent, DueState, RevisionKind, Slot, split_amounts};
use crate::fact::Fact;
use crate::id::{Bucket, VoucherNo};
use crate::messages::Topic;
use crate::money::Fen;
use crate::order::{AfterClose, Difference, Line, LineState, OrderEvent};
use crate::refund::{Refund, RefundCause, RefundState};
use crate::roster::Person;
use crate::time::Instant;
use crate::voucher::{Voucher, VoucherContent, VoucherState, draw_check_code};
use crate::working_set::WorkingSet;

/// A success that has just been seen, and the attempt it belongs to.
pub(super) struct Incoming {
    pub fact: Fact,
    pub attempt: Attempt,
}

/// The due whose slot takes the money of a line: where a filling fact was reversed, the next
/// generation.
pub(super) fn place_of(ws: &WorkingSet, mut due: DueKey) -> DueKey {
    while ws.slot.get(&due).is_some_and(Slot::is_reversed) {
        due.2 = due.2.saturating_add(1);
    }
    due
}

/// Why a line cannot take its money; `None` when it can.
fn obstacle(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    line: &Line,
    fact: &Fact,
) -> Option<RefundCause> {
    let key = line_due(line);
    let order = Some(line.order_id);
    let subject = fact.attempt_no.as_str().to_owned();
    if ws.slot.get(&key).is_some() {
        return Some(RefundCause::SecondSuccess);
    }
    let revision = current_revision(ws, &key);
    if revision
        .as_ref()
        .is_none_or(|row| row.kind == RevisionKind::Void)
    {
        let cause = revision.and_then(|row| row.void_cause).unwrap_or_default();
        open_case(ws, ctx, line.bucket, CaseKind::Void, order, &subject, cause);
        return Some(RefundCause::Void);
    }
    if fact.paid_at > line.window_until {
        let detail = format!("paid {} window until {}", fact.paid_at, line.window_until);
        open_case(
            ws,
            ctx,
            line.bucket,
            CaseKind::AfterClose,
            order,
            &subject,
            detail,
        );
        if line.after_close == AfterClose::Surplus {
            return Some(RefundCause::AfterClose);
        }
    }
    // The quote holds; a price that changed meanwhile is a case under the region's rule.
    let changed = revision.is_some_and(|row| row.revision_no != line.revision_no);
    if changed {
        let detail = format!("quoted {} under revision {}", line.own, line.revision_no);
        open_case(
            ws,
            ctx,
            line.bucket,
            CaseKind::Difference,
            order,
            &subject,
            detail,
        );
        if line.difference_rule == Difference::Refund {
            return Some(RefundCause::Repriced);
        }
    }
    None
}

/// Fills what is free and holds the rest.
pub(super) fn allocate(ws: &mut WorkingSet, ctx: &mut Context, incoming: Incoming) -> Fact {
    let Incoming { mut fact, attempt } = incoming;
    let order_key: OrderKey = (attempt.bucket, attempt.order_id);
    for mut line in lines_of(ws, &order_key) {
        line.generation = place_of(ws, line_due(&line)).2;
        match obstacle(ws, ctx, &line, &fact) {
            None => {
                fact.premium = fact.premium.checked_add(line.own).unwrap_or(Fen::MAX);
                // Wallets never reverse a success.
                fill(ws, ctx, line, Filling::coming_in(&fact, None));
            }
            Some(cause) => {
                fact.surplus = fact.surplus.checked_add(line.own).unwrap_or(Fen::MAX);
                hold(ws, ctx, &mut fact, &attempt, Some(line), cause);
            }
        }
    }
    ws.fact.put(fact.clone());
    settle_order(ws, ctx, &order_key, &attempt, fact.surplus.is_zero());
    fact
}

/// The channel took another amount than was quoted: all of it is held as surplus, with a case.
pub(super) fn hold_whole(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    incoming: Incoming,
    why: String,
) -> Fact {
    let Incoming { mut fact, attempt } = incoming;
    let order_key: OrderKey = (attempt.bucket, attempt.order_id);
    let no = attempt.attempt_no.as_str().to_owned();
    open_case(
        ws,
        ctx,
        attempt.bucket,
        CaseKind::WrongAmount,
        Some(attempt.order_id),
        &no,
        why,
    );
    fact.surplus = fact.amount;
    hold(ws, ctx, &mut fact, &attempt, None, RefundCause::WrongAmount);
    ws.fact.put(fact.clone());
    settle_order(ws, ctx, &order_key, &attempt, false);
    fact
}

/// Brings an order's state in line with its lines, after money was allocated.
pub(super) fn tell_order(ws: &mut WorkingSet, ctx: &Context, key: &OrderKey) {
    let lines = lines_of(ws, key);
    let Some(mut order) = ws.pay_order.get(key).cloned() else {
        return;
    };
    let premium = lines.iter().any(|line| line.state == LineState::Premium);
    let waiting = lines.iter().any(|line| line.state != LineState::Premium);
    order.apply(OrderEvent::Allocated {
        premium,
        surplus: !premium || waiting,
    });
    order.ended_at.get_or_insert(ctx.at);
    ws.pay_order.put(order);
}

/// After money came: the order's state, its other attempts, its locks, and the confirming query.
fn settle_order(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    key: &OrderKey,
    attempt: &Attempt,
    all_premium: bool,
) {
    tell_order(ws, ctx, key);
    abandon_attempts(ws, ctx, key, Some(&attempt.attempt_no));
    free_locks(ws, key, false);
    // An institution is not asked: what it tells is the fact.
    if !all_premium && attempt.channel.front_end().is_none() {
        // Surplus goes back only when a query has confirmed the success: ask now.
        let no = (attempt.bucket, attempt.attempt_no.clone());
        if let Some(mut paid) = ws.attempt.get(&no).cloned() {
            paid.ask_at = Some(ctx.at);
            ws.attempt.put(paid);
        }
    }
}

/// With what a line is filled.
#[derive(Clone, Copy)]
pub(super) struct Filling<'a> {
    /// None for a due of 0 yuan.
    fact: Option<&'a Fact>,
    /// The money waits in suspense already instead of coming in now.
    from_surplus: bool,
    /// Until when the fact can still be reversed by whoever told of it.
    reversible_until: Option<Instant>,
}

impl<'a> Filling<'a> {
    /// Nothing has to be paid.
    pub const NOTHING: Filling<'static> = Filling {
        fact: None,
        from_surplus: false,
        reversible_until: None,
    };

    pub fn coming_in(fact: &'a Fact, reversible_until: Option<Instant>) -> Filling<'a> {
        Filling {
            fact: Some(fact),
            from_surplus: false,
            reversible_until,
        }
    }

    pub fn from_surplus(fact: &'a Fact) -> Filling<'a> {
        Filling {
            fact: Some(fact),
            from_surplus: true,
            reversible_until: None,
        }
    }
}

/// Writes the slot, the books, the voucher and the messages of a filled line.
pub(super) fn fill(ws: &mut WorkingSet, ctx: &mut Context, mut line: Line, with: Filling<'_>) {
    let key = line_due(&line);
    let Some(mut due) = ws.due.get(&key).cloned() else {
        return;
    };
    let fact = with.fact;
    let accepted_at = fact.map_or(ctx.at, |fact| fact.paid_at);
    if matches!(due.state, DueState::Draft | DueState::Void) {
        due.apply(DueEvent::Activated);
    }
    due.apply(DueEvent::Filled);
    due.lock_order = None;
    due.lock_order_bucket = None;
    due.lock_channel = None;
    due.lock_until = None;
    due.lock_lapses = 0;
    due.paid_at = Some(accepted_at);
    line.state = LineState::Premium;
    let filled = Filled {
        due: &due,
        line: &line,
        fact,
        reversible_until: with.reversible_until,
        accepted_at,
        voucher_no: draw_voucher(ctx, key.0),
    };
    let slot = filled.slot(ctx.at);
    let voucher = filled.voucher(ws, ctx);
    post_premium(ws, ctx, &filled, with.from_surplus);
    let voucher_no = filled.voucher_no;
    let person = ws.person.get(&(key.0, due.person_id));
    if person.is_some_and(|row| row.phone_sealed.is_some()) {
        post(ws, ctx, key.0, Topic::SmsPaid, voucher_no.as_str(), 0);
    }
    ws.slot.put(slot);
    ws.voucher.put(voucher);
    ws.due.put(due);
    ws.line.put(line);
}

/// A line whose slot is being filled.
struct Filled<'a> {
    due: &'a Due,
    line: &'a Line,
    /// None for a due of 0 yuan.
    fact: Option<&'a Fact>,
    reversible_until: Option<Instant>,
    accepted_at: Instant,
    voucher_no: VoucherNo,
}

impl Filled<'_> {
    fn slot(&self, at: Instant) -> Slot {
        let Filled {
            due, line, fact, ..
        } = self;
        Slot {
            bucket: due.bucket,
            due_id: due.due_id,
            generation: due.generation,
            person_id: due.person_id,
            scheme: due.scheme,
            benefit_year: due.benefit_year,
            order_id: line.order_id,
            line_no: line.line_no,
            fact_bucket: fact.map(|fact| fact.bucket),
            fact_channel: fact.map(|fact| fact.channel),
            fact_merchant: fact.map(|fact| fact.merchant.clone()),
            fact_txn: fact.map(|fact| fact.txn_id.clone()),
            reversible_until: self.reversible_until,
            own: line.own,
            gross: line.gross,
            subsidies: line.subsidies.clone(),
            accepted_at: self.accepted_at,
            filled_at: at,
            benefit_first: line.benefit_first_at(self.accepted_at),
            benefit_last: line.benefit_last,
            voucher_no: self.voucher_no.clone(),
            ended_at: None,
            end_reason: None,
            next_refund: None,
            version: 1,
        }
    }

    /// What the voucher says for ever; masked data only.
    fn content(&self, ws: &WorkingSet, issuer: &str) -> VoucherContent {
        let Filled {
            due, line, fact, ..
        } = self;
        let person = ws.person.get(&(due.bucket, due.person_id));
        let order = ws.pay_order.get(&(line.bucket, line.order_id));
        let masked = |of: fn(&Person) -> &String| person.map(of).cloned().unwrap_or_default();
        VoucherContent {
            issuer: issuer.to_owned(),
            name_masked: masked(|row| &row.name_masked),
            document_masked: masked(|row| &row.document_masked),
            relation: order.map(|row| row.relation.clone()).unwrap_or_default(),
            region: line.region.clone(),
            benefit_year: due.benefit_year,
            period_first: line.benefit_first_at(self.accepted_at).to_string(),
            period_last: line.benefit_last.to_string(),
            items: line.items.clone(),
            subsidies: line.subsidies.clone(),
            own_fen: line.own.get(),
            gross_fen: line.gross.get(),
            paid_at_ms: self.accepted_at.0,
            channel: fact.map_or("", |fact| fact.channel.code()).to_owned(),
            channel_txn: fact.map(|fact| fact.txn_id.clone()).unwrap_or_default(),
            order_no: order
                .map(|row| row.order_no.to_string())
                .unwrap_or_default(),
        }
    }

    fn voucher(&self, ws: &WorkingSet, ctx: &mut Context) -> Voucher {
        Voucher {
            bucket: self.due.bucket,
            voucher_no: self.voucher_no.clone(),
            check_code: draw_check_code(&mut ctx.ids),
            state: VoucherState::Valid,
            order_bucket: self.line.bucket,
            order_id: self.line.order_id,
            line_no: self.line.line_no,
            due_id: self.due.due_id,
            generation: self.due.generation,
            content: self.content(ws, &ctx.issuer).to_text(),
            issued_at: ctx.at,
            ended_at: None,
            version: 1,
        }
    }
}

/// The transfers of a filled line: subsidies first, then the payer's money, item by item.
fn post_premium(ws: &mut WorkingSet, ctx: &mut Context, filled: &Filled<'_>, from_surplus: bool) {
    let Filled { line, fact, .. } = *filled;
    let benefit_year = filled.due.benefit_year;
    let due = &line_due(line);
    let mut sources: Vec<(String, Fen)> = split_amounts(&line.subsidies)
        .into_iter()
        .map(|(payer, amount)| (Account::Aid { payer }.to_string(), amount))
        .collect();
    let mut transit = None;
    if let Some(fact) = fact {
        let money = if from_surplus {
            Account::Suspense {
                channel: fact.channel,
            }
        } else {
            Account::taken(fact)
        };
        if fact.bucket == due.0 {
            sources.push((money.to_string(), line.own));
        } else {
            // No transfer names objects of two buckets: the money crosses by transit.
            transit = Some(TransitId(ctx.ids.id16()));
            let entry = Entry {
                line,
                due: None,
                fact: Some(fact),
                transit,
            };
            let accounts = (money.to_string(), Account::Transit.to_string());
            transfer(
                ws,
                ctx,
                fact.bucket,
                &entry,
                TransferKind::Transit,
                accounts,
                line.own,
            );
            sources.push((Account::Transit.to_string(), line.own));
        }
    }
    for (source, item, amount) in split_items(line, sources) {
        let account = Account::Collected {
            region: line.region.clone(),
            benefit_year,
            item,
        };
        let fact = fact.filter(|_| !source.starts_with("aid:"));
        let entry = Entry {
            line,
            due: Some(due),
            fact,
            transit: fact.and(transit),
        };
        let kind = if from_surplus && fact.is_some() {
            TransferKind::Applied
        } else {
            TransferKind::Premium
        };
        transfer(
            ws,
            ctx,
            due.0,
            &entry,
            kind,
            (source, account.to_string()),
            amount,
        );
    }
}

/// Splits the items of a line over the sources of money, in order: no fen is left over.
fn split_items(line: &Line, sources: Vec<(String, Fen)>) -> Vec<(String, String, Fen)> {
    let mut parts = Vec::new();
    let mut sources = sources.into_iter();
    let mut source = sources.next();
    for (item, mut rest) in split_amounts(&line.items) {
        while !rest.is_zero() {
            let Some((name, left)) = source.take() else {
                break;
            };
            let part = left.min(rest);
            rest = rest.checked_sub(part).unwrap_or(Fen::ZERO);
            let left = left.checked_sub(part).unwrap_or(Fen::ZERO);
            if !part.is_zero() {
                parts.push((name.clone(), item.clone(), part));
            }
            source = if left.is_zero() {
                sources.next()
            } else {
                Some((name, left))
            };
        }
    }
    parts
}

/// What a transfer is about.
pub(super) struct Entry<'a> {
    pub line: &'a Line,
    pub due: Option<&'a DueKey>,
    pub fact: Option<&'a Fact>,
    pub transit: Option<TransitId>,
}

fn transfer(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    bucket: Bucket,
    entry: &Entry<'_>,
    kind: TransferKind,
    (debit, credit): (String, String),
    amount: Fen,
) {
    ws.transfer.put(Transfer {
        bucket,
        transfer_id: TransferId(ctx.ids.id16()),
        debit,
        credit,
        amount,
        kind,
        order_id: entry.line.order_id,
        line_no: entry.line.line_no,
        due_id: entry.due.map(|due| due.1),
        generation: entry.due.map(|due| due.2),
        channel: entry.fact.map(|fact| fact.channel),
        merchant: entry.fact.map(|fact| fact.merchant.clone()),
        txn_id: entry.fact.map(|fact| fact.txn_id.clone()),
        refund_no: None,
        transit_id: entry.transit,
        channel_day: entry.fact.map(|fact| fact.channel_day),
        book_day: ctx.book_day,
        at: ctx.at,
    });
}

/// Surplus: suspense plus one refund on hold, in the same transaction.
fn hold(
    ws: &mut WorkingSet,
    ctx: &mut Context,
    fact: &mut Fact,
    attempt: &Attempt,
    line: Option<Line>,
    cause: RefundCause,
) {
    let amount = line.as_ref().map_or(fact.amount, |line| line.own);
    let line_no = line.as_ref().map_or(0, |line| line.line_no);
    if amount.is_zero() || !fact.reserve(amount) {
        return;
    }
    let refund_no = draw_refund(ctx, fact.bucket);
    ws.transfer.put(Transfer {
        bucket: fact.bucket,
        transfer_id: TransferId(ctx.ids.id16()),
        debit: Account::taken(fact).to_string(),
        credit: Account::Suspense {
            channel: fact.channel,
        }
        .to_string(),
        amount,
        kind: TransferKind::Surplus,
        order_id: fact.order_id,
        line_no,
        due_id: None,
        generation: None,
        channel: Some(fact.channel),
        merchant: Some(fact.merchant.clone()),
        txn_id: Some(fact.txn_id.clone()),
        refund_no: Some(refund_no.clone()),
        transit_id: None,
        channel_day: Some(fact.channel_day),
        book_day: ctx.book_day,
        at: ctx.at,
    });
    let slot = line.as_ref().and_then(|line| ws.slot.get(&line_due(line)));
    let held_until = slot.and_then(|slot| slot.reversible_until);
    if let Some(slot) = slot.filter(|slot| slot.is_live() && slot.next_refund.is_none())
        && cause == RefundCause::SecondSuccess
        && held_until.is_some_and(|until| until > ctx.at)
    {
        let mut slot = slot.clone();
        slot.next_refund = Some(refund_no.clone());
        ws.slot.put(slot);
    }
    ws.refund.put(Refund {
        bucket: fact.bucket,
        refund_no: refund_no.clone(),
        state: RefundState::Held,
        cause,
        channel: fact.channel,
        merchant: fact.merchant.clone(),
        txn_id: fact.txn_id.clone(),
        attempt_no: attempt.attempt_no.clone(),
        order_id: fact.order_id,
        line_no,
        amount,
        channel_no: refund_no,
        closes: 0,
        request: None,
        held_until,
        created_at: ctx.at,
        sent_at: None,
        done_at: None,
        detail: None,
        ask_at: Some(held_until.unwrap_or(ctx.at)),
        asks: 0,
        version: 1,
    });
    if let Some(mut line) = line
        && line.state == LineState::Waiting
    {
        line.state = LineState::Surplus;
        ws.line.put(line);
    }
}
