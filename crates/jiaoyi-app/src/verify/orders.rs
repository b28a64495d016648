//! Orders, their lines and their attempts.

use super::Report;
use super::view::{View, sum, whole};
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::due::{Revision, RevisionKind, Slot, split_amounts};
use jiaoyi_domain::fact::FactKind;
use jiaoyi_domain::messages::{CaseKind, Topic};
use jiaoyi_domain::order::{Line, LineState, OrderState, PayOrder};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::roster::RosterState;
use std::borrow::Cow;

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for order in view.part.orders.values() {
        check_order(view, order, report);
    }
    for line in view.part.lines.values() {
        check_line(view, line, report);
        check_revision(view, line, report);
    }
    for attempt in view.part.attempts.values() {
        check_attempt(view, attempt, report);
    }
}

fn check_order(view: &View<'_>, order: &PayOrder, report: &mut Report) {
    let lines = view.lines(&order.key());
    let numbered = (1..)
        .zip(&lines)
        .all(|(place, line): (u32, _)| line.line_no == place);
    let counted = u32::try_from(lines.len()) == Ok(order.line_count) && !lines.is_empty();
    report.demand(
        numbered && counted,
        "order.lines",
        order,
        "its lines are not 1 to its count",
    );
    let owed = sum(lines.iter().map(|line| line.own)) == whole(order.amount);
    report.demand(
        owed,
        "order.lines",
        order,
        "its lines do not sum to its amount",
    );
    let place = order.order_no.bucket() == order.bucket;
    report.demand(
        place,
        "order.lines",
        order,
        "its number names another bucket",
    );
    let mut attempts = view.index.attempts_of_order.get(&order.key()).to_vec();
    attempts.sort_by_key(|attempt| attempt.seq);
    let numbered = (1..)
        .zip(&attempts)
        .all(|(place, row): (u32, _)| row.seq == place);
    let counted = u32::try_from(attempts.len()) == Ok(order.attempt_count);
    let what = "its attempts are not 1 to its count";
    report.demand(numbered && counted, "order.attempts", order, what);
    // An institution's lock is an order before anything is paid.
    let collected = !view.index.calls_of_order.get(&order.key()).is_empty();
    let needed = order.amount.is_zero() || !attempts.is_empty() || collected;
    report.demand(
        needed,
        "order.attempts",
        order,
        "money is owed and nothing was attempted",
    );
    check_state(view, order, &lines, report);
}

fn check_state(view: &View<'_>, order: &PayOrder, lines: &[Cow<'_, Line>], report: &mut Report) {
    let facts = view.index.facts_of_order.get(&order.key());
    let money = facts.iter().any(|fact| fact.kind == FactKind::Success);
    let filled = lines
        .iter()
        .filter(|line| matches!(line.state, LineState::Premium | LineState::Returned))
        .count();
    let waiting = lines.iter().all(|line| line.state == LineState::Waiting);
    let holds = match order.state {
        OrderState::Placed => waiting && !money && order.ended_at.is_none(),
        OrderState::Abandoned | OrderState::Closed => waiting && !money && order.ended_at.is_some(),
        OrderState::Paid => filled == lines.len() && (money || order.amount.is_zero()),
        OrderState::Mixed => filled > 0 && filled < lines.len() && money,
        OrderState::Surplus => filled == 0 && money,
    };
    let what = format!("{} is not what its lines and facts say", order.state.code());
    report.demand(holds, "order.state", order, &what);
}

fn check_line(view: &View<'_>, line: &Line, report: &mut Report) {
    let order = (line.bucket, line.order_id);
    let known = view.part.orders.contains_key(&order);
    report.demand(known, "line.state", line, "its order is not there");
    let slot = view.get::<Slot>(&(line.due_bucket, line.due_id, line.generation));
    let own = slot.filter(|slot| slot.order_id == line.order_id && slot.line_no == line.line_no);
    let live = own.as_deref().map(Slot::is_live);
    let holds = match line.state {
        LineState::Premium => live == Some(true),
        LineState::Returned => live == Some(false),
        LineState::Waiting | LineState::Surplus => live.is_none(),
    };
    report.demand(
        holds,
        "line.state",
        line,
        "its state is not what the due's slot says",
    );
    if let Some(slot) = own {
        let in_time =
            slot.accepted_at <= line.window_until || view.has_case(&order, CaseKind::AfterClose);
        report.demand(
            in_time,
            "slot.window",
            line,
            "accepted after its window, without a case",
        );
    }
    if line.state == LineState::Surplus {
        let refunds = view.index.refunds_of_order.get(&order);
        let held = refunds.iter().any(|refund| refund.line_no == line.line_no);
        report.demand(held, "line.state", line, "it is surplus and has no refund");
    }
    let items = sum(split_amounts(&line.items)
        .into_iter()
        .map(|(_, amount)| amount));
    let subsidies = sum(split_amounts(&line.subsidies)
        .into_iter()
        .map(|(_, amount)| amount));
    let adds_up = items == whole(line.gross)
        && whole(line.own).saturating_add(subsidies) == whole(line.gross);
    let what = "own part and subsidies, or the items, are not its price";
    report.demand(adds_up, "line.revision", line, what);
}

/// The quote equals the revision it names, or what the late phase of that revision costs.
fn check_revision(view: &View<'_>, line: &Line, report: &mut Report) {
    let key = (
        line.due_bucket,
        line.due_id,
        line.generation,
        line.revision_no,
    );
    let Some(revision) = view.get::<Revision>(&key) else {
        report.fail_row(
            "line.revision",
            line,
            "the revision it was quoted from is not there",
        );
        return;
    };
    let priced = revision.kind == RevisionKind::Price && revision.region == line.region;
    report.demand(
        priced,
        "line.revision",
        line,
        "its revision has no price or another region",
    );
    let roster = view.reference.rosters.get(&(revision.roster_id.0,));
    let active = roster.is_some_and(|roster| roster.state == RosterState::Active);
    report.demand(
        active,
        "line.revision",
        line,
        "quoted from a roster that never counted",
    );
    if let Some(versions) = &view.reference.pack_versions {
        let known = versions.contains(&line.policy_version);
        report.demand(
            known,
            "line.policy",
            line,
            "no stored pack has its policy version",
        );
    }
    // A pack that was replaced since the roster came prices anew; its own version is on the line.
    if revision.policy_version != line.policy_version {
        return;
    }
    let holds = if line.phase == "late" {
        revision.late_own == Some(line.own)
    } else {
        revision.own == line.own
            && revision.gross == line.gross
            && revision.items == line.items
            && revision.subsidies == line.subsidies
    };
    report.demand(
        holds,
        "line.revision",
        line,
        "its amounts are not those of its revision",
    );
}

fn check_attempt(view: &View<'_>, attempt: &Attempt, report: &mut Report) {
    let order = view.part.orders.get(&(attempt.bucket, attempt.order_id));
    let Some(order) = order else {
        report.fail_row("attempt.order", attempt, "its order is not there");
        return;
    };
    // A day file may tell another amount than the bill's; the attempt is made with what it tells.
    let told =
        attempt.channel.front_end().is_some() && view.has_case(&order.key(), CaseKind::WrongAmount);
    let same = attempt.amount == order.amount || told;
    report.demand(
        same,
        "attempt.order",
        attempt,
        "its amount is not the order's",
    );
    let place = attempt.attempt_no.bucket() == attempt.bucket;
    report.demand(
        place,
        "attempt.order",
        attempt,
        "its number names another bucket",
    );
    let channel = attempt.method.channel() == attempt.channel;
    report.demand(
        channel,
        "attempt.order",
        attempt,
        "its method is of another channel",
    );
    let order_key = (attempt.bucket, attempt.order_id);
    let facts = view.index.facts_of_order.get(&order_key);
    let mut paid = facts
        .iter()
        .filter(|fact| fact.kind == FactKind::Success && fact.attempt_no == attempt.attempt_no);
    let is_paid = attempt.state == AttemptState::Paid;
    let told = paid.clone().next().is_some();
    report.demand(
        is_paid == told,
        "attempt.paid",
        attempt,
        "PAID and a success differ",
    );
    let at = match attempt.paid_at {
        Some(at) => paid.any(|fact| fact.paid_at == at),
        None => !is_paid,
    };
    report.demand(
        at,
        "attempt.paid",
        attempt,
        "it was paid at a time that no fact tells",
    );
    let offered = attempt.handed_out_at.is_none() && attempt.handover_sealed.is_some();
    report.demand(
        !offered,
        "attempt.order",
        attempt,
        "handed out without a time",
    );
    let asked = |topic| {
        let subject = attempt.attempt_no.as_str();
        view.index.was_posted(attempt.bucket, topic, subject)
    };
    if attempt.method.placed_by_call() {
        let what = "nothing was posted to place it";
        report.demand(asked(Topic::Create), "outbox.missing", attempt, what);
    }
    if attempt.state == AttemptState::Closing {
        let what = "it is being closed and nothing was posted";
        report.demand(asked(Topic::Close), "outbox.missing", attempt, what);
    }
}
