//! Dues: identity, revisions, lock, and that PAID, live slot and valid voucher come together.

use super::Report;
use super::view::View;
use jiaoyi_domain::Bucket;
use jiaoyi_domain::due::{Due, DueId, DueState, PersonId, Scheme, Slot};
use jiaoyi_domain::order::OrderState;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::voucher::{Voucher, VoucherState};
use std::collections::BTreeMap;

/// Longest chain of merged identities that is followed.
const MERGES_MAX: usize = 16;

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for due in view.part.dues.values() {
        identity(view, due, report);
        lock(view, due, report);
        paid(view, due, report);
        generation(view, due, report);
    }
    one_live_slot(view, report);
}

fn identity(view: &View<'_>, due: &Due, report: &mut Report) {
    let id = DueId::of(due.person_id, due.scheme, due.benefit_year);
    let what = "its id is not that of its person, scheme and year";
    report.demand(id == due.due_id, "due.identity", due, what);
    let person = view.part.persons.contains_key(&(due.bucket, due.person_id));
    report.demand(person, "due.person", due, "its person is not there");
    let numbers: Vec<u32> = view
        .revisions(&due.key())
        .map(|row| row.revision_no)
        .collect();
    let whole = numbers.last().copied() == Some(due.revision_last)
        && (1..).zip(&numbers).all(|(place, number)| place == *number);
    report.demand(
        whole,
        "due.revisions",
        due,
        "its revisions are not 1 to its last",
    );
    for revision in view.revisions(&due.key()) {
        let known = view
            .reference
            .rosters
            .contains_key(&(revision.roster_id.0,));
        report.demand(
            known,
            "reference.missing",
            revision,
            "its roster is not there",
        );
    }
}

fn lock(view: &View<'_>, due: &Due, report: &mut Report) {
    if due.state != DueState::Locked {
        let free = due.lock_order.is_none()
            && due.lock_order_bucket.is_none()
            && due.lock_channel.is_none()
            && due.lock_until.is_none();
        report.demand(free, "due.lock", due, "it is not locked and names a lock");
        return;
    }
    let (Some(order_id), Some(bucket)) = (due.lock_order, due.lock_order_bucket) else {
        report.fail_row("due.lock", due, "it is locked and names no order");
        return;
    };
    let whole = due.lock_holder.is_some()
        && due.lock_channel.is_some()
        && due.lock_at.is_some()
        && due.lock_until.is_some();
    report.demand(
        whole,
        "due.lock",
        due,
        "it is locked and does not say by whom or how long",
    );
    let key = (bucket, order_id);
    let order = view.get::<jiaoyi_domain::order::PayOrder>(&key);
    let placed = order.is_some_and(|order| order.state == OrderState::Placed);
    report.demand(
        placed,
        "due.lock",
        due,
        "its lock belongs to an order that is not placed",
    );
    let has_line = view
        .lines(&key)
        .iter()
        .any(|line| (line.due_bucket, line.due_id, line.generation) == due.key());
    report.demand(
        has_line,
        "due.lock",
        due,
        "the order that locks it has no line for it",
    );
}

/// The valid vouchers of a due.
fn valid<'a>(view: &View<'a>, due: &Due) -> Vec<&'a Voucher> {
    let mut vouchers = view.index.vouchers_of_due.get(&due.key()).to_vec();
    vouchers.retain(|voucher| voucher.state == VoucherState::Valid);
    vouchers
}

fn paid(view: &View<'_>, due: &Due, report: &mut Report) {
    let slot = view.part.slots.get(&due.key());
    let live = slot.filter(|slot| slot.is_live());
    let vouchers = valid(view, due);
    let is_paid = due.state == DueState::Paid;
    report.demand(
        is_paid == live.is_some(),
        "due.paid",
        due,
        "PAID and a live slot differ",
    );
    let one = vouchers.len() == usize::from(is_paid);
    report.demand(
        one,
        "due.paid",
        due,
        "it has not exactly one valid voucher when it is PAID",
    );
    if let (Some(slot), [voucher]) = (live, vouchers.as_slice()) {
        let same = slot.voucher_no == voucher.voucher_no;
        report.demand(
            same,
            "due.paid",
            due,
            "the slot names another voucher than the valid one",
        );
        let at = due.paid_at == Some(slot.accepted_at);
        report.demand(
            at,
            "due.paid",
            due,
            "it was paid at another time than its slot says",
        );
    }
    if is_paid {
        return;
    }
    let never = slot.is_none() && due.paid_at.is_some();
    report.demand(
        !never,
        "due.paid",
        due,
        "it names a time of payment and was never paid",
    );
    let given_back = due.state == DueState::Returned;
    report.demand(
        !given_back || slot.is_some(),
        "due.paid",
        due,
        "returned and never paid",
    );
}

/// A generation follows one whose payment was reversed, and such a one is followed.
fn generation(view: &View<'_>, due: &Due, report: &mut Report) {
    let reversed = |generation: u32| {
        let key = (due.bucket, due.due_id, generation);
        view.part.slots.get(&key).is_some_and(Slot::is_reversed)
    };
    let follows = due.generation == 1 || due.generation.checked_sub(1).is_some_and(reversed);
    let what = "the generation before was not given back";
    report.demand(follows, "due.generation", due, what);
    let next = (due.bucket, due.due_id, due.generation.saturating_add(1));
    let followed = !reversed(due.generation) || view.part.dues.contains_key(&next);
    let what = "its payment was reversed and no generation follows";
    report.demand(followed, "due.generation", due, what);
}

/// The identity that a person was merged into, as far as it lies in the same bucket.
fn canonical(view: &View<'_>, bucket: Bucket, person: PersonId) -> PersonId {
    let mut id = person;
    for _ in 0..MERGES_MAX {
        match view
            .part
            .persons
            .get(&(bucket, id))
            .and_then(|row| row.merged_into)
        {
            Some(next) => id = next,
            None => break,
        }
    }
    id
}

fn one_live_slot(view: &View<'_>, report: &mut Report) {
    let mut seen: BTreeMap<(Bucket, PersonId, Scheme, i16), &Slot> = BTreeMap::new();
    for slot in view.part.slots.values().filter(|slot| slot.is_live()) {
        let person = canonical(view, slot.bucket, slot.person_id);
        let name = (slot.bucket, person, slot.scheme, slot.benefit_year);
        if let Some(other) = seen.insert(name, slot) {
            let what = format!("the same person and year as {:?}", other.due_id);
            report.fail_row("slot.person", slot, what);
        }
    }
}
