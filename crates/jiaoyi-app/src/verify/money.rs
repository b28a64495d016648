//! Facts, refunds and transfers: no fen appears, disappears or is given back twice.

use super::view::{View, sum, whole};
use super::{Report, key_text};
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::books::{Account, Transfer, TransferKind};
use jiaoyi_domain::channel::channel_day;
use jiaoyi_domain::due::Slot;
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::messages::{CaseKind, Topic};
use jiaoyi_domain::order::Line;
use jiaoyi_domain::record::{Record, Value};
use jiaoyi_domain::refund::{Refund, RefundCause, RefundState};
use jiaoyi_store::{Snapshot, StoreError};
use std::collections::BTreeSet;

/// How many names of facts are compared in one pass.
const FACTS_AT_ONCE: u64 = 4_000_000;

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for fact in view.part.facts.values() {
        check_attempt(view, fact, report);
        match fact.kind {
            FactKind::Success => check_success(view, fact, report),
            FactKind::Refund => check_paid_out(view, fact, report),
            FactKind::Reversal => check_reversal(view, fact, report),
            FactKind::Chargeback => {}
        }
    }
    for refund in view.part.refunds.values() {
        check_refund(view, refund, report);
    }
    for transfer in view.part.transfers.values() {
        check_transfer(view, transfer, report);
    }
}

fn check_attempt(view: &View<'_>, fact: &Fact, report: &mut Report) {
    let place = fact.attempt_no.bucket() == fact.bucket;
    report.demand(
        place,
        "fact.attempt",
        fact,
        "it lies in another bucket than its number",
    );
    let attempt = view
        .part
        .attempts
        .get(&(fact.bucket, fact.attempt_no.clone()));
    let same = attempt.is_some_and(|attempt: &Attempt| {
        attempt.order_id == fact.order_id
            && attempt.channel == fact.channel
            && attempt.merchant == fact.merchant
    });
    report.demand(
        same,
        "fact.attempt",
        fact,
        "its attempt is not there or is another's",
    );
    // An institution names its day itself; its call is compared with that.
    let named = fact.channel.front_end().is_some();
    let day = named || fact.channel_day == channel_day(fact.channel, fact.paid_at);
    report.demand(
        day,
        "fact.attempt",
        fact,
        "its day is not the day of its time",
    );
}

fn check_success(view: &View<'_>, fact: &Fact, report: &mut Report) {
    let split = whole(fact.premium).saturating_add(whole(fact.surplus)) == whole(fact.amount);
    report.demand(
        split,
        "fact.amount",
        fact,
        "premium and surplus are not its amount",
    );
    let name = (fact.bucket, fact.channel, &*fact.merchant, &*fact.txn_id);
    let mut rows = view.index.transfers_of_fact.get(&name).to_vec();
    // Money that came over from another bucket belongs to a slot, not to a fact of this bucket.
    let transit = Account::Transit.to_string();
    rows.retain(|row| row.debit != transit);
    let clearing = Account::taken(fact).to_string();
    let suspense = Account::Suspense {
        channel: fact.channel,
    }
    .to_string();
    let total = |from: &str, kinds: &[TransferKind]| {
        let of = |row: &&&Transfer| row.debit == from && kinds.contains(&row.kind);
        sum(rows.iter().filter(of).map(|row| row.amount))
    };
    use TransferKind as K;
    let filled = total(&clearing, &[K::Premium, K::Transit]);
    let set_aside = total(&clearing, &[K::Surplus]);
    let applied = total(&suspense, &[K::Applied, K::Transit]);
    let approved = total(&suspense, &[K::RefundApproved]);
    let what = "the books take another amount from clearing";
    let taken = filled.saturating_add(set_aside) == whole(fact.amount);
    report.demand(taken, "fact.amount", fact, what);
    let premium = filled.saturating_add(applied) == whole(fact.premium);
    report.demand(
        premium,
        "fact.amount",
        fact,
        "its premium is not what the books filled",
    );
    let surplus = set_aside == whole(fact.surplus).saturating_add(applied);
    report.demand(
        surplus,
        "fact.amount",
        fact,
        "its surplus is not what the books set aside",
    );

    let refunds = view.refunds_of(fact);
    let reserved = refunds
        .iter()
        .filter(|row| row.state != RefundState::Cancelled);
    let reversal = reversal_of(view, fact).map_or(0, |row| whole(row.amount));
    let reserved = sum(reserved.map(|row| row.amount)).saturating_add(reversal);
    let what = "its refunds and what is returned or reserved differ";
    report.demand(
        reserved == whole(fact.returned_or_reserved),
        "fact.returned",
        fact,
        what,
    );
    let bounded = fact.returned_or_reserved <= fact.amount;
    report.demand(
        bounded,
        "fact.returned",
        fact,
        "more is given back than was taken",
    );
    let waiting = refunds.iter().filter(|row| {
        matches!(row.state, RefundState::Held | RefundState::Requested)
            && row.cause != RefundCause::Premium
    });
    let waiting = sum(waiting.map(|row| row.amount));
    let left = set_aside.checked_sub(applied.saturating_add(approved));
    let what = "what is left in suspense is not what its refunds on hold explain";
    report.demand(left == Some(waiting), "fact.suspense", fact, what);
}

/// What undid a success.
fn reversal_of<'a>(view: &'a View<'_>, fact: &Fact) -> Option<&'a Fact> {
    let mut key = fact.key();
    key.4 = FactKind::Reversal;
    view.part.facts.get(&key)
}

/// What an institution undid is one success of its own, and all of it.
fn check_reversal(view: &View<'_>, fact: &Fact, report: &mut Report) {
    let mut key = fact.key();
    key.4 = FactKind::Success;
    let same = view.part.facts.get(&key).is_some_and(|success| {
        (&success.attempt_no, success.order_id) == (&fact.attempt_no, fact.order_id)
            && success.amount == fact.amount
            && success.returned_or_reserved == fact.amount
    });
    let what = "the success that it undoes is not there, or is not undone";
    report.demand(same, "fact.returned", fact, what);
    let inbound = fact.channel.front_end().is_some();
    let what = "only an institution can take its payment back";
    report.demand(inbound, "fact.returned", fact, what);
    let none = fact.premium.is_zero() && fact.surplus.is_zero();
    let what = "money taken back is no premium and no surplus";
    report.demand(none, "fact.amount", fact, what);
}

/// Money that a channel gave back belongs to a refund of ours.
fn check_paid_out(view: &View<'_>, fact: &Fact, report: &mut Report) {
    let order = (fact.bucket, fact.order_id);
    let refunds = view.index.refunds_of_order.get(&order);
    let refund = refunds
        .iter()
        .find(|row| row.channel_no.as_str() == fact.txn_id);
    let same = refund.is_some_and(|row| {
        row.state == RefundState::Done
            && row.amount == fact.amount
            && row.channel == fact.channel
            && row.merchant == fact.merchant
            && row.attempt_no == fact.attempt_no
            && (row.done_at == Some(fact.paid_at) || view.bank_transfer_of(row).is_some())
    });
    report.demand(
        same,
        "fact.returned",
        fact,
        "no refund of ours is done with this number",
    );
    let none = fact.premium.is_zero() && fact.surplus.is_zero();
    report.demand(
        none,
        "fact.amount",
        fact,
        "money given back is no premium and no surplus",
    );
}

fn check_refund(view: &View<'_>, refund: &Refund, report: &mut Report) {
    let place = refund.refund_no.bucket() == refund.bucket;
    report.demand(
        place,
        "refund.fact",
        refund,
        "its number names another bucket",
    );
    let key = (
        refund.bucket,
        refund.channel,
        refund.merchant.clone(),
        refund.txn_id.clone(),
        FactKind::Success,
    );
    let same = view.part.facts.get(&key).is_some_and(|fact| {
        fact.order_id == refund.order_id && fact.attempt_no == refund.attempt_no
    });
    report.demand(
        same,
        "refund.fact",
        refund,
        "the success it gives back is not there",
    );
    let whole_amount = (refund.line_no == 0) == (refund.cause == RefundCause::WrongAmount);
    report.demand(
        whole_amount,
        "refund.fact",
        refund,
        "its line does not fit its cause",
    );
    let line_key = (refund.bucket, refund.order_id, refund.line_no);
    let line = view.part.lines.get(&line_key);
    let owed = refund.line_no == 0 || line.is_some_and(|line: &Line| line.own == refund.amount);
    report.demand(
        owed,
        "refund.fact",
        refund,
        "it is not the amount of its line",
    );
    refund_transfers(view, refund, report);
    refund_end(view, refund, report);
    refund_messages(view, refund, report);
}

fn refund_transfers(view: &View<'_>, refund: &Refund, report: &mut Report) {
    let number = refund.refund_no.as_str();
    let rows = view.index.transfers_of_refund.get(&number);
    let total = |kind: TransferKind| {
        sum(rows
            .iter()
            .filter(|row| row.kind == kind)
            .map(|row| row.amount))
    };
    let amount = whole(refund.amount);
    let approved = match refund.state {
        RefundState::Held | RefundState::Requested | RefundState::Cancelled => 0,
        RefundState::Approved
        | RefundState::Sent
        | RefundState::Unknown
        | RefundState::Manual
        | RefundState::Done => amount,
    };
    let of = |paid: bool| if paid { amount } else { 0 };
    let done = of(view.part.facts.contains_key(&refund.paid_out_key()));
    let transferred = of(view.bank_transfer_of(refund).is_some());
    let set_aside = if refund.cause == RefundCause::Premium {
        0
    } else {
        amount
    };
    let holds = total(TransferKind::Surplus) == set_aside;
    report.demand(
        holds,
        "refund.transfers",
        refund,
        "the books set another amount aside for it",
    );
    let holds = total(TransferKind::RefundApproved) == approved;
    report.demand(
        holds,
        "refund.transfers",
        refund,
        "the books do not say it was approved so",
    );
    let holds = total(TransferKind::RefundDone) == done;
    report.demand(
        holds,
        "refund.transfers",
        refund,
        "the books do not say it was paid out so",
    );
    let holds = total(TransferKind::BankTransfer) == transferred;
    report.demand(
        holds,
        "refund.transfers",
        refund,
        "the books do not say it was paid by bank transfer so",
    );
}

fn refund_end(view: &View<'_>, refund: &Refund, report: &mut Report) {
    let told = view.part.facts.contains_key(&refund.paid_out_key());
    let paid = told || view.bank_transfer_of(refund).is_some();
    let done = refund.state == RefundState::Done;
    report.demand(
        done == paid,
        "refund.done",
        refund,
        "done differs from what paid it out: a fact or a bank transfer",
    );
    report.demand(
        done == refund.done_at.is_some(),
        "refund.done",
        refund,
        "done without a time",
    );
    let left = match refund.state {
        RefundState::Held | RefundState::Requested | RefundState::Cancelled => false,
        RefundState::Sent | RefundState::Unknown => true,
        RefundState::Approved | RefundState::Manual | RefundState::Done => refund.sent_at.is_some(),
    };
    let sent = refund.sent_at.is_some() == left && refund.request.is_some() == left;
    report.demand(
        sent,
        "refund.done",
        refund,
        "sent without a request or a time, or the reverse",
    );
    let manual = refund.state == RefundState::Manual;
    let order = (refund.bucket, refund.order_id);
    let with_case = !manual || view.has_case(&order, CaseKind::RefundManual);
    report.demand(
        with_case,
        "refund.done",
        refund,
        "it is for staff and has no case",
    );
}

fn refund_messages(view: &View<'_>, refund: &Refund, report: &mut Report) {
    let posted = |topic: Topic| {
        let subject = refund.refund_no.as_str();
        view.index.was_posted(refund.bucket, topic, subject)
    };
    // An institution is told in its result file; nothing has to leave.
    let inbound = refund.channel.front_end().is_some();
    let sent = refund.sent_at.is_none() || inbound || posted(Topic::Refund);
    report.demand(
        sent,
        "outbox.missing",
        refund,
        "nothing was posted to send it",
    );
    let told = refund.state != RefundState::Done || posted(Topic::SmsRefund);
    report.demand(
        told,
        "outbox.missing",
        refund,
        "nobody was told that it is done",
    );
}

/// Whether the accounts fit the kind of a transfer.
fn accounts_fit(row: &Transfer) -> bool {
    fn name(account: &str) -> &str {
        account.split(':').next().unwrap_or_default()
    }
    let pair = (name(&row.debit), name(&row.credit));
    match row.kind {
        TransferKind::Premium => {
            matches!(
                pair,
                ("clearing" | "institution" | "aid" | "transit", "collected")
            )
        }
        TransferKind::Reversed => matches!(pair, ("collected", "institution" | "aid")),
        TransferKind::Applied => matches!(pair, ("suspense" | "transit", "collected")),
        TransferKind::Surplus => matches!(pair, ("clearing" | "institution", "suspense")),
        TransferKind::Transit => matches!(pair, ("clearing" | "suspense", "transit")),
        TransferKind::RefundApproved => {
            matches!(
                pair,
                ("suspense" | "collected" | "aid", "refund_payable" | "aid")
            )
        }
        TransferKind::RefundDone => {
            matches!(pair, ("refund_payable", "clearing" | "institution"))
        }
        TransferKind::BankTransfer => pair == ("refund_payable", "bank_transfer"),
    }
}

fn check_transfer(view: &View<'_>, row: &Transfer, report: &mut Report) {
    report.demand(
        accounts_fit(row),
        "transfer.accounts",
        row,
        "its accounts do not fit its kind",
    );
    let parts = [
        row.channel.is_some(),
        row.merchant.is_some(),
        row.txn_id.is_some(),
    ];
    let named = parts == [true; 3] || parts == [false; 3];
    report.demand(named, "transfer.refers", row, "it names a part of a fact");
    let both = row.due_id.is_some() == row.generation.is_some();
    report.demand(both, "transfer.refers", row, "it names a part of a due");
    let transit = Account::Transit.to_string();
    let passes = row.debit == transit || row.credit == transit;
    report.demand(
        passes == row.transit_id.is_some(),
        "transfer.transit",
        row,
        "its transit id",
    );
    if let (Some(channel), Some(merchant), Some(txn)) = (row.channel, &row.merchant, &row.txn_id)
        && row.debit != transit
    {
        let key = (
            row.bucket,
            channel,
            merchant.clone(),
            txn.clone(),
            FactKind::Success,
        );
        let known = view
            .part
            .facts
            .get(&key)
            .is_some_and(|fact| fact.order_id == row.order_id);
        report.demand(
            known,
            "transfer.refers",
            row,
            "the fact it names is not there",
        );
    }
    if row.due_id.is_none() {
        let known = view.part.orders.contains_key(&(row.bucket, row.order_id));
        report.demand(
            known,
            "transfer.refers",
            row,
            "the order it names is not there",
        );
    }
    if let Some(refund) = &row.refund_no {
        let known = view
            .part
            .refunds
            .get(&(row.bucket, refund.clone()))
            .is_some_and(|refund| refund.order_id == row.order_id && refund.line_no == row.line_no);
        report.demand(
            known,
            "transfer.refers",
            row,
            "the refund it names is not there",
        );
    }
    if row.transit_id.is_some() {
        check_transit(view, row, report);
    }
}

/// What leaves one bucket arrives in the other, under one id.
fn check_transit(view: &View<'_>, row: &Transfer, report: &mut Report) {
    let other = match (row.due_id, row.generation) {
        (Some(due), Some(generation)) => {
            let slot = view.part.slots.get(&(row.bucket, due, generation));
            slot.and_then(|slot: &Slot| slot.fact_bucket)
        }
        _ => {
            let line = view
                .part
                .lines
                .get(&(row.bucket, row.order_id, row.line_no));
            line.map(|line: &Line| line.due_bucket)
        }
    };
    let Some(other) = other else {
        report.fail_row("transfer.transit", row, "the other bucket cannot be told");
        return;
    };
    let transit = Account::Transit.to_string();
    let mut all = view.transfers(row.bucket, &(row.bucket, row.order_id));
    if other != row.bucket {
        all.extend(view.transfers(other, &(other, row.order_id)));
    }
    all.retain(|half| half.transit_id == row.transit_id);
    let out = sum(all
        .iter()
        .filter(|half| half.credit == transit)
        .map(|half| half.amount));
    let back = sum(all
        .iter()
        .filter(|half| half.debit == transit)
        .map(|half| half.amount));
    let what = "what left one bucket did not arrive in the other";
    report.demand(out == back, "transfer.transit", row, what);
}

/// One channel transaction is one success, whatever bucket it lies in.
pub(super) fn unique_facts(snapshot: &Snapshot) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let counted = snapshot.query("count_facts", &[])?;
    let count = match counted.first().and_then(|row| row.first()) {
        Some(Value::Int(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    };
    let passes = count.div_ceil(FACTS_AT_ONCE).max(1);
    for pass in 0..passes {
        let mut names: BTreeSet<[u8; 16]> = BTreeSet::new();
        snapshot.scan::<Fact>(|row| {
            let Ok(fact) = row else { return };
            let mut values = Fact::key_values(&fact.key());
            values.remove(0);
            let name = jiaoyi_domain::record::image_hash(Fact::SPEC, &values);
            if u64::from(name[0]) % passes == pass && !names.insert(name) {
                let key = key_text(&Fact::key_values(&fact.key()));
                let what = "the same channel transaction is another fact too";
                report.fail("fact.unique", Fact::SPEC.name, key, what);
            }
        })?;
    }
    Ok(report)
}
