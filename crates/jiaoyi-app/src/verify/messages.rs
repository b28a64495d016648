//! Messages, answers, and every reference that no foreign key guards.

use super::Report;
use super::view::View;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::decide::{Answer, order_from_text};
use jiaoyi_domain::hook::id_of_subject;
use jiaoyi_domain::id::{AttemptNo, RefundNo, VoucherNo};
use jiaoyi_domain::messages::{CommandKey, Outbox, OutboxState, Topic};
use jiaoyi_domain::order::PayOrder;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::voucher::Voucher;
use jiaoyi_domain::{Bucket, due::DueId};

pub(super) fn check(view: &View<'_>, report: &mut Report) {
    for row in view.part.outbox.values() {
        check_outbox(view, row, report);
    }
    for row in view.part.command_keys.values() {
        check_answer(view, row, report);
    }
    for row in view.part.cases.values() {
        let known = row
            .order_id
            .is_none_or(|order| view.part.orders.contains_key(&(row.bucket, order)));
        report.demand(known, "reference.missing", row, "its order is not there");
    }
    for row in view.part.documents.values() {
        let known = view
            .get::<Person>(&(row.person_bucket, row.person_id))
            .is_some();
        report.demand(known, "reference.missing", row, "its person is not there");
    }
    for row in view.part.device_orders.values() {
        let known = view
            .get::<PayOrder>(&(row.order_bucket, row.order_id))
            .is_some();
        report.demand(known, "reference.missing", row, "its order is not there");
    }
    for row in view.part.signatures.values() {
        let known = view.part.vouchers.contains_key(&row.key());
        report.demand(known, "reference.missing", row, "its voucher is not there");
    }
    for row in view.part.turned_away.values() {
        let known = view
            .part
            .dues
            .contains_key(&(row.bucket, row.due_id, row.generation));
        report.demand(known, "reference.missing", row, "its due is not there");
    }
    for row in view.part.notice_links.values() {
        let known = has_due(view, row.bucket, row.due_id);
        report.demand(known, "reference.missing", row, "its due is not there");
    }
    for row in view.part.revisions.values() {
        let known = view
            .part
            .dues
            .contains_key(&(row.bucket, row.due_id, row.generation));
        report.demand(known, "reference.missing", row, "its due is not there");
    }
}

fn has_due(view: &View<'_>, bucket: Bucket, due: DueId) -> bool {
    let all = (bucket, due, 0)..=(bucket, due, u32::MAX);
    view.part.dues.range(all).next().is_some()
}

fn check_outbox(view: &View<'_>, row: &Outbox, report: &mut Report) {
    let known = match row.topic {
        Topic::Create | Topic::Close => AttemptNo::parse(&row.subject)
            .is_some_and(|no| view.get::<Attempt>(&(no.bucket(), no)).is_some()),
        Topic::Refund | Topic::SmsRefund => RefundNo::parse(&row.subject)
            .is_some_and(|no| view.get::<Refund>(&(no.bucket(), no)).is_some()),
        Topic::Hook => id_of_subject(&row.subject)
            .is_some_and(|id| view.part.hook_events.contains_key(&(row.bucket, id))),
        Topic::DayFile => view.has_day_file(row.bucket, &row.subject),
        Topic::SmsPaid => VoucherNo::parse(&row.subject)
            .is_some_and(|no| view.get::<Voucher>(&(no.bucket(), no)).is_some()),
    };
    report.demand(known, "outbox.refers", row, "what it is about is not there");
    let done = (row.state == OutboxState::Done) == row.done_at.is_some();
    report.demand(
        done,
        "outbox.state",
        row,
        "done without a time, or a time without being done",
    );
}

fn check_answer(view: &View<'_>, row: &CommandKey, report: &mut Report) {
    let answer: Result<Answer, _> = serde_json::from_str(&row.answer);
    let known = match answer {
        Err(_) => false,
        Ok(Answer::Started {
            bucket,
            order,
            attempt,
            ..
        }) => {
            has_order(view, bucket, &order)
                && AttemptNo::parse(&attempt)
                    .is_some_and(|no| view.get::<Attempt>(&(no.bucket(), no)).is_some())
        }
        Ok(Answer::Confirmed { bucket, order }) => has_order(view, bucket, &order),
        Ok(
            Answer::Done
            | Answer::Already
            | Answer::Locked { .. }
            | Answer::Allocated { .. }
            | Answer::Held
            | Answer::Act
            | Answer::Link { .. }
            | Answer::Published { .. }
            | Answer::Renamed { .. }
            | Answer::Leased { .. }
            | Answer::Claimed { .. }
            | Answer::Called { .. },
        ) => true,
    };
    let what = "its answer does not read, or names what is not there";
    report.demand(known, "command_key.answer", row, what);
}

fn has_order(view: &View<'_>, bucket: u16, order: &str) -> bool {
    let key = Bucket::try_new(bucket).zip(order_from_text(order));
    key.is_some_and(|key| view.get::<PayOrder>(&key).is_some())
}
