//! Bank transfers of staff: each pays one refund that no channel could, and nothing pays one twice
//! unseen.

use super::Report;
use super::view::View;
use jiaoyi_domain::bank_transfer::{BankTransfer, Paid};
use jiaoyi_domain::books::{Account, Transfer, TransferKind};
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::{Refund, RefundState};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for transfer in view.part.bank_transfers.values() {
        evidence(transfer, report);
        match view.part.refunds.get(&transfer.key()) {
            Some(refund) => paid(view, transfer, refund, report),
            None => {
                let what = "the refund that it pays is not there";
                report.fail_row("refund.bank_transfer", transfer, what);
            }
        }
    }
}

/// What staff said could have been taken so.
fn evidence(transfer: &BankTransfer, report: &mut Report) {
    let tail = transfer.account_tail.as_deref();
    let (reference, by) = (&transfer.reference, &transfer.recorded_by);
    let taken = Paid::new(reference, transfer.paid_on, tail, by).is_ok();
    let what = "its reference, its account or its officer could not have been taken so";
    report.demand(taken, "refund.bank_transfer", transfer, what);
    let past = transfer.paid_on <= transfer.at.date();
    let what = "it was recorded before it was paid";
    report.demand(past, "refund.bank_transfer", transfer, what);
}

fn paid(view: &View<'_>, transfer: &BankTransfer, refund: &Refund, report: &mut Report) {
    let same = (refund.order_id, refund.amount) == (transfer.order_id, transfer.amount);
    let what = "its order or its amount is not the refund's";
    report.demand(same, "refund.bank_transfer", transfer, what);
    let done = refund.state == RefundState::Done
        && refund.done_at.map(|at| at.date()) == Some(transfer.paid_on)
        && refund.created_at.date() <= transfer.paid_on;
    let what = "the refund is not done on its day";
    report.demand(done, "refund.bank_transfer", transfer, what);
    let bank = Account::BankTransfer {
        day: transfer.paid_on,
    };
    let number = refund.refund_no.as_str();
    let rows = view.index.transfers_of_refund.get(&number);
    let mut booked = rows
        .iter()
        .filter(|row: &&&Transfer| row.kind == TransferKind::BankTransfer);
    let on_its_day = booked.all(|row| row.credit == bank.to_string());
    let what = "the books have it on another day";
    report.demand(on_its_day, "refund.bank_transfer", transfer, what);
    let subject = refund.refund_no.as_str();
    let waits = view
        .cases_about(refund.bucket, subject)
        .any(|case| case.is_open(CaseKind::RefundManual));
    let what = "its case still asks staff to pay";
    report.demand(!waits, "refund.bank_transfer", transfer, what);
    let twice = view.part.facts.contains_key(&refund.paid_out_key());
    let order = (refund.bucket, refund.order_id);
    let seen = !twice || view.has_case(&order, CaseKind::ReturnedTwice);
    let what = "the channel paid it out as well, and there is no case";
    report.demand(seen, "refund.bank_transfer", transfer, what);
}
