//! What institutions asked: a serial, its decision and its money belong together.

use super::view::View;
use super::{Report, told};
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::biller::wire::Event;
use jiaoyi_domain::biller::{BillerCall, CallState, Claim, Verb, serial_told, told_seq};
use jiaoyi_domain::due::Slot;
use jiaoyi_domain::fact::{Fact, FactKind, FactSource};
use jiaoyi_domain::hook::{HookEvent, HookState, subject};
use jiaoyi_domain::messages::{CaseKind, OutboxId, OutboxState};
use jiaoyi_domain::order::Line;
use jiaoyi_domain::refund::RefundState;

pub(super) fn check(view: &View<'_>, keyring: Option<&Keyring>, report: &mut Report) {
    if let Some(keyring) = keyring {
        told::check(view, keyring, report);
    }
    for claim in view.part.claims.values() {
        check_claim(view, claim, report);
    }
    for call in view.part.biller_calls.values() {
        check_call(view, call, report);
        if let Some(keyring) = keyring {
            let name = format!("{}:{}", call.inst_id, call.seq);
            let bucket = keyring.bucket_of_name(name.as_bytes());
            let key = (bucket, call.inst_id.clone(), call.seq.clone());
            let claimed = view.get::<Claim>(&key);
            let there = claimed.is_some_and(|claim| claim.target == call.bucket);
            let what = "nothing was claimed for it, or elsewhere";
            report.demand(there, "call.claim", call, what);
        }
    }
    for event in view.part.hook_events.values() {
        check_event(view, event, report);
    }
    for fact in view.part.facts.values() {
        if fact.channel.front_end().is_some() && fact.kind == FactKind::Success {
            check_fact(view, fact, report);
        }
    }
}

fn check_claim(view: &View<'_>, claim: &Claim, report: &mut Report) {
    let known = view
        .reference
        .institutions
        .contains_key(&(claim.inst_id.clone(),));
    report.demand(
        known,
        "reference.missing",
        claim,
        "its institution is not there",
    );
    let key = (claim.target, claim.inst_id.clone(), claim.seq.clone());
    let Some(call) = view.get::<BillerCall>(&key) else {
        // A call that was cut short: nothing was done under it.
        return;
    };
    let same = call.verb == claim.verb && call.body_hash == claim.body_hash;
    let fits = !claim.verb.is_tombstone() && (same || call.state == CallState::Dead);
    let what = "it was decided otherwise than it was claimed";
    report.demand(fits, "claim.call", claim, what);
}

/// The fact that a payment brought, or a day file told of, of this kind.
fn fact_of<'a>(view: &'a View<'_>, call: &BillerCall, kind: FactKind) -> Option<&'a Fact> {
    let seq = serial_told(&call.seq).unwrap_or(&call.seq).to_owned();
    let key = (call.bucket, call.channel?, call.inst_id.clone(), seq, kind);
    let mut success = key.clone();
    success.4 = FactKind::Success;
    let source = view.part.facts.get(&success)?.source;
    let fact = view.part.facts.get(&key)?;
    // What was refused may be told by a day file: then it is the fact of that.
    Some(fact).filter(|_| (source == FactSource::DayFile) == (call.verb == Verb::Told))
}

/// Whether a call stands for money that has come.
fn is_payment(call: &BillerCall) -> bool {
    matches!(call.verb, Verb::Pay | Verb::Told)
        && matches!(call.state, CallState::Done | CallState::Reversed)
}

fn check_call(view: &View<'_>, call: &BillerCall, report: &mut Report) {
    let refused = call.state == CallState::Refused;
    let what = "refused without a reason, or a reason without being refused";
    report.demand(refused == call.reason.is_some(), "call.state", call, what);
    let undone = call.state == CallState::Reversed;
    let ended = call.ended_at.is_some() == undone && call.undone_by.is_some() == undone;
    report.demand(ended, "call.state", call, "undone and its end differ");
    if let Some(by) = &call.undone_by {
        let key = (call.bucket, call.inst_id.clone(), by.clone());
        let told = view.part.biller_calls.get(&key).is_some_and(|row| {
            row.verb == Verb::Reverse && row.undoes.as_deref() == Some(call.seq.as_str())
        });
        report.demand(
            told,
            "call.state",
            call,
            "the call that undid it is not there",
        );
    }
    let paid = is_payment(call);
    let fact = fact_of(view, call, FactKind::Success);
    let same = fact.is_some_and(|fact| {
        Some(&fact.attempt_no) == call.attempt_no.as_ref()
            && Some(fact.order_id) == call.order_id
            && fact.amount == call.amount
            && fact.channel_day == call.trace_date
    });
    let what = "its answer and the money of its payment differ";
    report.demand(
        if paid { same } else { fact.is_none() },
        "call.fact",
        call,
        what,
    );
    let reversal = fact_of(view, call, FactKind::Reversal).is_some();
    let returned = fact.is_some_and(|fact| is_given_back(view, call, fact));
    let what = "undone without a reversal of its money, or the reverse";
    let same = (reversal || returned) == (paid && undone);
    report.demand(same, "call.fact", call, what);
    if call.verb == Verb::Told {
        check_told(view, call, fact, report);
    } else if paid {
        let due = call.due_id.zip(call.generation);
        let slot = due.and_then(|(due, of)| view.part.slots.get(&(call.bucket, due, of)));
        let fits = slot.is_some_and(|slot: &Slot| {
            Some(slot.order_id) == call.order_id && slot.is_reversed() == undone
        });
        report.demand(
            fits,
            "call.state",
            call,
            "the slot that it filled says otherwise",
        );
    }
}

/// Whether an institution has returned the surplus of what its day file told.
fn is_given_back(view: &View<'_>, call: &BillerCall, fact: &Fact) -> bool {
    let mut refunds = view.refunds_of(fact).iter();
    call.verb == Verb::Told && refunds.any(|row| row.state == RefundState::Done)
}

/// What a day file told has a case, and fills the slot of its line exactly when it is premium.
fn check_told(view: &View<'_>, call: &BillerCall, fact: Option<&Fact>, report: &mut Report) {
    let Some((fact, order)) = fact.zip(call.order_id) else {
        return;
    };
    let order = (call.bucket, order);
    let known = view.has_case(&order, CaseKind::DayFile);
    let what = "a day file told of it, and staff do not know";
    report.demand(known, "told.case", call, what);
    let line = view.part.lines.get(&(order.0, order.1, 1));
    let slot = line.and_then(|line: &Line| {
        let due = (line.due_bucket, line.due_id, line.generation);
        view.part.slots.get(&due)
    });
    let own = slot.filter(|slot: &&Slot| slot.order_id == order.1);
    let fits = match own {
        Some(slot) => slot.is_reversed() == (call.state == CallState::Reversed),
        None => fact.premium.is_zero(),
    };
    let what = "the slot that it filled says otherwise";
    report.demand(fits, "call.state", call, what);
}

/// What an institution is told says what its row says, and is on its way exactly while it waits.
fn check_event(view: &View<'_>, event: &HookEvent, report: &mut Report) {
    let known = (event.inst_id.clone(),);
    let known = view.reference.institutions.contains_key(&known);
    let what = "its institution is not there";
    report.demand(known, "reference.missing", event, what);
    let told: Option<Event> = serde_json::from_str(&event.body).ok();
    let same = told.is_some_and(|told| {
        told.event_id == event.hook_id.text()
            && told.kind == event.kind.code()
            && told.inst_id == event.inst_id
            && told.at == event.at.rfc3339()
    });
    report.demand(same, "hook.body", event, "its body is of another event");
    let waits = event.state == HookState::Waiting;
    let ended = event.ended_at.is_some();
    let what = "ended without a time, or a time without an end";
    report.demand(waits != ended, "hook.state", event, what);
    let subject = subject(&event.inst_id, &event.hook_id);
    let key = |id| (event.bucket, subject.clone(), OutboxId(id));
    let mut messages = view.part.outbox.range(key([0; 16])..=key([0xff; 16]));
    let on_its_way = messages.any(|(_, row)| row.state == OutboxState::Waiting);
    let what = "waiting and not on its way, or the reverse";
    report.demand(waits == on_its_way, "hook.state", event, what);
}

/// Money of an institution came by a call that was done, or a day file told of it.
fn check_fact(view: &View<'_>, fact: &Fact, report: &mut Report) {
    let (name, verb) = match fact.source {
        FactSource::DayFile => (told_seq(&fact.txn_id), Verb::Told),
        FactSource::Notice | FactSource::Query | FactSource::Bill | FactSource::Call => {
            (fact.txn_id.clone(), Verb::Pay)
        }
    };
    let key = (fact.bucket, fact.merchant.clone(), name);
    let call = view.part.biller_calls.get(&key);
    let done = call.is_some_and(|call| call.verb == verb && is_payment(call));
    report.demand(done, "call.fact", fact, "no call has brought it");
}
