//! Slots and vouchers: what stands in a slot equals its fact, its quote, the books and its voucher.

use super::Report;
use super::index::due_of;
use super::view::{View, sum, whole};
use jiaoyi_domain::books::{Transfer, TransferKind};
use jiaoyi_domain::due::{Slot, split_amounts};
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::messages::Topic;
use jiaoyi_domain::order::{Line, LineState, PayOrder};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::voucher::{Voucher, VoucherContent, VoucherState};
use std::borrow::Cow;
use std::collections::BTreeMap;

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for slot in view.part.slots.values() {
        check_slot(view, slot, report);
    }
    for voucher in view.part.vouchers.values() {
        check_voucher(view, voucher, report);
    }
    for row in view.part.transfers.values() {
        let filled = due_of(row).is_none_or(|due| view.part.slots.contains_key(&due));
        report.demand(filled, "transfer.refers", row, "its due has no slot");
    }
}

/// The success that filled the slot; `None` for a due of 0 yuan, or when it is not there.
fn fact_of<'a>(view: &View<'a>, slot: &Slot) -> Option<Cow<'a, Fact>> {
    let key = (
        slot.fact_bucket?,
        slot.fact_channel?,
        slot.fact_merchant.clone()?,
        slot.fact_txn.clone()?,
        FactKind::Success,
    );
    view.get::<Fact>(&key)
}

fn check_slot(view: &View<'_>, slot: &Slot, report: &mut Report) {
    let due = view.part.dues.get(&slot.key());
    let same = due.is_some_and(|due| {
        (due.person_id, due.scheme, due.benefit_year)
            == (slot.person_id, slot.scheme, slot.benefit_year)
    });
    report.demand(
        same,
        "slot.line",
        slot,
        "its due is not there or belongs to somebody else",
    );
    let parts = [
        slot.fact_bucket.is_some(),
        slot.fact_channel.is_some(),
        slot.fact_merchant.is_some(),
        slot.fact_txn.is_some(),
    ];
    let fact = fact_of(view, slot);
    match &fact {
        Some(fact) => {
            let same = fact.order_id == slot.order_id && fact.paid_at == slot.accepted_at;
            report.demand(
                same,
                "slot.fact",
                slot,
                "its fact tells of another order or time",
            );
        }
        None => {
            let none = parts == [false; 4];
            report.demand(none, "slot.fact", slot, "the fact it names is not there");
            report.demand(
                slot.own.is_zero(),
                "slot.fact",
                slot,
                "own money without a fact",
            );
        }
    }
    let ended = slot.ended_at.is_some() == slot.end_reason.is_some();
    report.demand(
        ended,
        "slot.line",
        slot,
        "ended without a reason, or the reverse",
    );
    let Some(voucher) = view
        .part
        .vouchers
        .get(&(slot.bucket, slot.voucher_no.clone()))
    else {
        report.fail_row("slot.line", slot, "its voucher is not there");
        return;
    };
    let order = (voucher.order_bucket, slot.order_id);
    let Some(line) = view.get::<Line>(&(order.0, order.1, slot.line_no)) else {
        report.fail_row("slot.line", slot, "the line that filled it is not there");
        return;
    };
    check_line(slot, &line, report);
    check_transfers(view, slot, &line, fact.as_deref(), report);
}

fn check_line(slot: &Slot, line: &Line, report: &mut Report) {
    let same = (line.due_bucket, line.due_id, line.generation) == slot.key();
    report.demand(
        same,
        "slot.line",
        slot,
        "the line that filled it is of another due",
    );
    let state = if slot.is_live() {
        LineState::Premium
    } else {
        LineState::Returned
    };
    report.demand(
        line.state == state,
        "slot.line",
        slot,
        "its line stands otherwise",
    );
    let price = line.own == slot.own && line.gross == slot.gross;
    report.demand(price, "slot.price", slot, "its price is not the one quoted");
    let subsidies = line.subsidies == slot.subsidies;
    report.demand(
        subsidies,
        "slot.price",
        slot,
        "its subsidies are not the ones quoted",
    );
    let period = line.benefit_first_at(slot.accepted_at) == slot.benefit_first
        && line.benefit_last == slot.benefit_last;
    report.demand(
        period,
        "slot.line",
        slot,
        "its benefit period is not the one quoted",
    );
}

/// Adds up amounts by name, leaving out names without money.
fn by_name<'a>(amounts: impl IntoIterator<Item = (&'a str, u128)>) -> BTreeMap<String, u128> {
    let mut sums = BTreeMap::new();
    for (name, amount) in amounts.into_iter().filter(|(_, amount)| *amount > 0) {
        *sums.entry(name.to_owned()).or_insert(0) += amount;
    }
    sums
}

/// The amounts of a stored list by name.
fn listed(text: &str) -> BTreeMap<String, u128> {
    let amounts = split_amounts(text);
    by_name(
        amounts
            .iter()
            .map(|(name, amount)| (name.as_str(), whole(*amount))),
    )
}

/// A reversed slot's transfers are all undone, account by account, and no other's are.
fn check_undone(slot: &Slot, rows: &[&Transfer], report: &mut Report) {
    let named = |debit: &str, credit: &str| format!("{debit}>{credit}");
    let mut done = Vec::new();
    let mut undone = Vec::new();
    for row in rows {
        let amount = whole(row.amount);
        match row.kind {
            TransferKind::Premium => done.push((named(&row.debit, &row.credit), amount)),
            TransferKind::Reversed => undone.push((named(&row.credit, &row.debit), amount)),
            TransferKind::Surplus
            | TransferKind::RefundApproved
            | TransferKind::RefundDone
            | TransferKind::BankTransfer
            | TransferKind::Applied
            | TransferKind::Transit => {}
        }
    }
    if !slot.is_reversed() {
        done.clear();
    }
    let sums = |rows: &[(String, u128)]| {
        by_name(rows.iter().map(|(name, amount)| (name.as_str(), *amount)))
    };
    let what = "what is undone in the books is not what was reversed";
    let same = sums(&done) == sums(&undone);
    report.demand(same, "slot.transfers", slot, what);
}

fn check_transfers(
    view: &View<'_>,
    slot: &Slot,
    line: &Line,
    fact: Option<&Fact>,
    report: &mut Report,
) {
    let mut rows = view.index.transfers_of_due.get(&slot.key()).to_vec();
    check_undone(slot, &rows, report);
    rows.retain(|row| matches!(row.kind, TransferKind::Premium | TransferKind::Applied));
    let payer = |row: &Transfer| row.debit.strip_prefix("aid:").map(str::to_owned);
    let aid: Vec<(String, u128)> = rows
        .iter()
        .filter_map(|row| Some((payer(row)?, whole(row.amount))))
        .collect();
    let aid = by_name(aid.iter().map(|(name, amount)| (name.as_str(), *amount)));
    let money: Vec<&&Transfer> = rows.iter().filter(|row| payer(row).is_none()).collect();
    let own = sum(money.iter().map(|row| row.amount));
    let what = "the payer's money in the books is not its own part";
    report.demand(own == whole(slot.own), "slot.transfers", slot, what);
    let what = "the subsidies in the books are not the ones of its quote";
    report.demand(aid == listed(&slot.subsidies), "slot.transfers", slot, what);
    let total = sum(rows.iter().map(|row| row.amount));
    let what = "the books and its price differ";
    report.demand(total == whole(slot.gross), "slot.transfers", slot, what);
    let prefix = format!("collected:{}:{}:", line.region, slot.benefit_year);
    let items = rows.iter().map(|row| {
        (
            row.credit.strip_prefix(&prefix).unwrap_or("?"),
            whole(row.amount),
        )
    });
    let what = "the items in the books are not the ones of its quote";
    report.demand(
        by_name(items) == listed(&line.items),
        "slot.transfers",
        slot,
        what,
    );
    for row in rows {
        let of_order = row.order_id == slot.order_id && row.line_no == slot.line_no;
        report.demand(
            of_order,
            "transfer.refers",
            row,
            "it is of another line than its slot",
        );
        let source = payer(row).is_none().then_some(fact).flatten();
        let named = (row.channel, row.merchant.as_ref(), row.txn_id.as_ref());
        let known = source.map_or((None, None, None), |fact| {
            (Some(fact.channel), Some(&fact.merchant), Some(&fact.txn_id))
        });
        report.demand(
            named == known,
            "transfer.refers",
            row,
            "it names another fact than its slot",
        );
    }
}

fn check_voucher(view: &View<'_>, voucher: &Voucher, report: &mut Report) {
    let in_place = voucher.voucher_no.bucket() == voucher.bucket;
    report.demand(
        in_place,
        "voucher.slot",
        voucher,
        "its number names another bucket",
    );
    let due = (voucher.bucket, voucher.due_id, voucher.generation);
    let slot = view.part.slots.get(&due).filter(|slot| {
        slot.voucher_no == voucher.voucher_no
            && slot.order_id == voucher.order_id
            && slot.line_no == voucher.line_no
    });
    let Some(slot) = slot else {
        report.fail_row("voucher.slot", voucher, "no slot names this voucher");
        return;
    };
    let valid = voucher.state == VoucherState::Valid;
    report.demand(
        valid == slot.is_live(),
        "voucher.slot",
        voucher,
        "valid without a live slot",
    );
    report.demand(
        valid != voucher.ended_at.is_some(),
        "voucher.slot",
        voucher,
        "its end differs",
    );
    let at = voucher.issued_at == slot.filled_at;
    report.demand(
        at,
        "voucher.slot",
        voucher,
        "issued at another time than its slot was filled",
    );
    match VoucherContent::from_text(&voucher.content) {
        Some(content) if content.to_text() == voucher.content => {
            check_content(view, voucher, slot, &content, report);
        }
        Some(_) | None => {
            report.fail_row(
                "voucher.content",
                voucher,
                "its content does not read as we write it",
            );
        }
    }
    check_message(view, voucher, report);
}

fn check_content(
    view: &View<'_>,
    voucher: &Voucher,
    slot: &Slot,
    content: &VoucherContent,
    report: &mut Report,
) {
    let mut same = |holds: bool, what: &str| {
        report.demand(holds, "voucher.content", voucher, what);
    };
    let amounts = content.own_fen == slot.own.get() && content.gross_fen == slot.gross.get();
    same(amounts, "its amounts are not those of the slot");
    same(
        content.subsidies == slot.subsidies,
        "its subsidies are not those of the slot",
    );
    let (first, last) = (
        slot.benefit_first.to_string(),
        slot.benefit_last.to_string(),
    );
    let period = content.period_first == first && content.period_last == last;
    same(
        period && content.benefit_year == slot.benefit_year,
        "its period is not the slot's",
    );
    same(
        content.paid_at_ms == slot.accepted_at.0,
        "its time of payment is not the slot's",
    );
    let channel = slot.fact_channel.map_or("", |channel| channel.code());
    let txn = slot.fact_txn.as_deref().unwrap_or_default();
    let money = content.channel == channel && content.channel_txn == txn;
    same(money, "its channel or transaction is not the slot's");
    let order_key = (voucher.order_bucket, voucher.order_id);
    if let Some(line) = view.get::<Line>(&(order_key.0, order_key.1, voucher.line_no)) {
        let line = content.items == line.items && content.region == line.region;
        same(line, "its items or region are not those quoted");
    }
    let order = view.get::<PayOrder>(&order_key);
    let ordered = order.is_some_and(|order| {
        order.order_no.as_str() == content.order_no && order.relation == content.relation
    });
    same(ordered, "its order number or relation is not the order's");
    if let Some(person) = view.part.persons.get(&(voucher.bucket, slot.person_id)) {
        let document = content.document_masked == person.document_masked;
        same(document, "its document is not the person's");
        // A newer roster may have written the name otherwise since.
        let changed = view.part.history.changed_at(
            jiaoyi_domain::roster::Person::SPEC,
            &jiaoyi_domain::roster::Person::key_values(&person.key()),
        );
        let unchanged = changed.is_some_and(|at| at < voucher.issued_at.0);
        let name = content.name_masked == person.name_masked;
        same(name || !unchanged, "its name is not the person's");
    }
}

/// Whoever left a phone number is told.
fn check_message(view: &View<'_>, voucher: &Voucher, report: &mut Report) {
    let due = (voucher.bucket, voucher.due_id, voucher.generation);
    let person = view
        .part
        .slots
        .get(&due)
        .and_then(|slot| view.part.persons.get(&(slot.bucket, slot.person_id)));
    let Some(person) = person.filter(|person| person.phone_sealed.is_some()) else {
        return;
    };
    let spec = jiaoyi_domain::roster::Person::SPEC;
    let key = jiaoyi_domain::roster::Person::key_values(&person.key());
    // The number may have come with a newer roster.
    if view
        .part
        .history
        .changed_at(spec, &key)
        .is_some_and(|at| at < voucher.issued_at.0)
    {
        let subject = voucher.voucher_no.as_str();
        let told = view
            .index
            .was_posted(voucher.bucket, Topic::SmsPaid, subject);
        report.demand(
            told,
            "outbox.missing",
            voucher,
            "the insured was not told that it is paid",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_added_up_by_name_and_nothing_is_left_out() {
        let sums = by_name([("a", 0), ("b", 1), ("c", 5), ("b", 2)]);
        let wanted = [("b", 3), ("c", 5)];
        assert_eq!(
            sums,
            wanted.map(|(name, sum)| (name.to_owned(), sum)).into()
        );
    }
}
