//! What must hold when faults have stopped: nothing stays unknown, locked or unsent beyond its time.

use super::Report;
use super::view::View;
use jiaoyi_domain::Instant;
use jiaoyi_domain::attempt::{AttemptState, DEATH_MARGIN_MS, WATCH_MS};
use jiaoyi_domain::due::DueState;
use jiaoyi_domain::fact::FactKind;
use jiaoyi_domain::messages::OutboxState;
use jiaoyi_domain::order::OrderState;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::RefundState;
use jiaoyi_domain::roster::RosterState;
use jiaoyi_domain::time::{DAY_MS, MINUTE_MS};

/// How long a message may wait.
const OUTBOX_MS: i64 = 10 * MINUTE_MS;

/// After a lock's time: the margin of its attempt's death, and the next planned query after that.
const LOCK_MS: i64 = DEATH_MARGIN_MS + 30 * MINUTE_MS;

/// How long the last query of an attempt may take to be answered.
const LAST_ASK_MS: i64 = 10 * MINUTE_MS;

pub(super) fn check(view: &View<'_>, now: Instant, report: &mut Report) {
    attempts(view, now, report);
    for due in view.part.dues.values() {
        let until = due.lock_until.unwrap_or(Instant(0));
        let over = due.state == DueState::Locked && until.plus_ms(LOCK_MS) < now;
        report.demand(!over, "settled.lock", due, "it is locked beyond its time");
    }
    for order in view.part.orders.values() {
        let attempts = view.index.attempts_of_order.get(&order.key());
        let dead = attempts.iter().all(|attempt| attempt.is_dead());
        // An institution's lock has no attempt and ends by time.
        let over = order.state == OrderState::Placed && dead && order.until.plus_ms(LOCK_MS) < now;
        report.demand(
            !over,
            "settled.order",
            order,
            "it is placed and every attempt is dead",
        );
    }
    for row in view.part.outbox.values() {
        let over = row.state == OutboxState::Waiting && row.created_at.plus_ms(OUTBOX_MS) < now;
        report.demand(!over, "settled.outbox", row, "it still waits to be sent");
    }
    suspense(view, report);
    refunds(view, now, report);
    if view.part.from <= 0 {
        for roster in view.reference.rosters.values() {
            let open = matches!(roster.state, RosterState::Staging | RosterState::Publishing);
            let over = open && roster.created_at.plus_ms(DAY_MS) < now;
            report.demand(
                !over,
                "settled.roster",
                roster,
                "it was neither activated nor rejected",
            );
        }
    }
}

fn attempts(view: &View<'_>, now: Instant, report: &mut Report) {
    for attempt in view.part.attempts.values() {
        let open = match attempt.state {
            AttemptState::Drafted
            | AttemptState::Offered
            | AttemptState::Unknown
            | AttemptState::Closing
            | AttemptState::Disputed => true,
            AttemptState::Dropped
            | AttemptState::Refused
            | AttemptState::Closed
            | AttemptState::Expired
            | AttemptState::Paid => false,
        };
        let over = open && attempt.created_at.plus_ms(WATCH_MS + LAST_ASK_MS) < now;
        let what = format!("it is {} beyond its time", attempt.state.code());
        report.demand(!over, "settled.attempt", attempt, &what);
    }
}

fn suspense(view: &View<'_>, report: &mut Report) {
    for fact in view.part.facts.values() {
        if fact.kind != FactKind::Success || fact.surplus.is_zero() {
            continue;
        }
        let mut refunds = view.refunds_of(fact).iter();
        let refund = refunds.any(|refund| refund.state != RefundState::Cancelled);
        let order = (fact.bucket, fact.order_id);
        let case = view.is_with_staff(&order);
        let what = "its surplus has no refund and no open case";
        report.demand(refund || case, "settled.suspense", fact, what);
    }
}

fn refunds(view: &View<'_>, now: Instant, report: &mut Report) {
    for refund in view.part.refunds.values() {
        let since = match refund.state {
            RefundState::Sent | RefundState::Unknown | RefundState::Approved => refund.sent_at,
            RefundState::Held if refund.held_until.is_none() => Some(refund.created_at),
            RefundState::Held
            | RefundState::Requested
            | RefundState::Done
            | RefundState::Manual
            | RefundState::Cancelled => None,
        };
        let over = since.is_some_and(|at| at.plus_ms(WATCH_MS) < now);
        let case = view.has_open_case(refund.bucket, refund.refund_no.as_str());
        // An institution takes its time; the case of its day file stands until it has given it back.
        let order = (refund.bucket, refund.order_id);
        let inbound = refund.channel.front_end().is_some();
        let with_it = inbound && view.is_with_staff(&order);
        let what = format!(
            "it is {} beyond its time and has no case",
            refund.state.code()
        );
        report.demand(!over || case || with_it, "settled.refund", refund, &what);
    }
}
