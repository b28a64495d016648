//! What clients were told against what the database holds; the format stands in the module's text.

use super::{Given, Report, VerifyError};
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::decide::OrderKey;
use jiaoyi_domain::due::OrderId;
use jiaoyi_domain::id::{AttemptNo, OrderNo, VoucherNo};
use jiaoyi_domain::order::{OrderState, PayOrder};
use jiaoyi_domain::record::{Column, Record};
use jiaoyi_domain::voucher::Voucher;
use jiaoyi_store::{Snapshot, StoreError};
use std::io::BufRead;

/// Compares every line of the journal.
pub(super) fn check(
    snapshot: &Snapshot,
    journal: &Given,
    report: &mut Report,
) -> Result<(), VerifyError> {
    let trouble = |line: usize, why: String| VerifyError::Journal {
        path: journal.name(),
        line,
        why,
    };
    let read = journal.open();
    let read = read.map_err(|error| trouble(0, error.to_string()))?;
    for (number, line) in (1..).zip(read.lines()) {
        let line = line.map_err(|error| trouble(number, error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let told: serde_json::Value =
            serde_json::from_str(&line).map_err(|error| trouble(number, error.to_string()))?;
        report.count("journal", 1);
        check_line(snapshot, &told, report)
            .map_err(VerifyError::Store)?
            .map_err(|why| trouble(number, why))?;
    }
    Ok(())
}

type Line = Result<(), String>;

fn text<'a>(told: &'a serde_json::Value, field: &str) -> Option<&'a str> {
    told.get(field).and_then(serde_json::Value::as_str)
}

fn check_line(
    snapshot: &Snapshot,
    told: &serde_json::Value,
    report: &mut Report,
) -> Result<Line, StoreError> {
    let kind = text(told, "kind").unwrap_or_default().to_owned();
    if kind == "paid" {
        return paid(snapshot, told, report);
    }
    let Some(no) = text(told, "attempt").and_then(AttemptNo::parse) else {
        return Ok(Err(
            "a line needs \"attempt\" with a number of ours".to_owned()
        ));
    };
    let attempt = load::<Attempt>(snapshot, &(no.bucket(), no.clone()))?;
    let key = format!("{}/{}", no.bucket().get(), no);
    let table = Attempt::SPEC.name;
    match kind.as_str() {
        "accepted" if attempt.is_none() => {
            report.fail(
                "journal.accepted",
                table,
                key,
                "told accepted and not there",
            );
        }
        "refused" if attempt.is_some_and(|row| row.state == AttemptState::Paid) => {
            report.fail("journal.refused", table, key, "told refused and PAID");
        }
        "accepted" | "refused" => {}
        _ => return Ok(Err(format!("unknown kind {kind:?}"))),
    }
    Ok(Ok(()))
}

/// A row that reads as one; a damaged one was named by the main pass.
fn load<R: Record>(snapshot: &Snapshot, key: &R::Key) -> Result<Option<R>, StoreError> {
    match snapshot.load::<R>(key) {
        Err(StoreError::Damaged(_)) => Ok(None),
        other => other,
    }
}

fn order_of_number(snapshot: &Snapshot, no: &OrderNo) -> Result<Option<OrderKey>, StoreError> {
    let given = [no.bucket().to_value(), no.to_value()];
    let found = snapshot.query("order_of_number", &given)?;
    let id = found
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next());
    Ok(id.and_then(OrderId::from_value).map(|id| (no.bucket(), id)))
}

fn paid(
    snapshot: &Snapshot,
    told: &serde_json::Value,
    report: &mut Report,
) -> Result<Line, StoreError> {
    let attempt = text(told, "attempt")
        .or_else(|| text(told, "order"))
        .and_then(AttemptNo::parse);
    let number = text(told, "order").and_then(OrderNo::parse);
    let (order, name) = match (attempt, number) {
        (Some(no), _) => {
            let row = load::<Attempt>(snapshot, &(no.bucket(), no.clone()))?;
            let paid = row.filter(|row| row.state == AttemptState::Paid);
            (paid.map(|row| (row.bucket, row.order_id)), no.to_string())
        }
        (None, Some(no)) => (order_of_number(snapshot, &no)?, no.to_string()),
        (None, None) => {
            let why = "a line of kind paid needs \"attempt\" or \"order\" with a number of ours";
            return Ok(Err(why.to_owned()));
        }
    };
    let row = match &order {
        Some(key) => load::<PayOrder>(snapshot, key)?,
        None => None,
    };
    let is_paid = row.is_some_and(|row| match row.state {
        OrderState::Paid | OrderState::Mixed | OrderState::Surplus => true,
        OrderState::Placed | OrderState::Abandoned | OrderState::Closed => false,
    });
    if !is_paid {
        let table = PayOrder::SPEC.name;
        report.fail(
            "journal.paid",
            table,
            name.clone(),
            "told paid and it is not",
        );
    }
    if let Some(text) = text(told, "voucher") {
        let Some(no) = VoucherNo::parse(text) else {
            return Ok(Err(format!("{text:?} is no number of a voucher")));
        };
        let voucher = load::<Voucher>(snapshot, &(no.bucket(), no.clone()))?;
        let key = format!("{}/{}", no.bucket().get(), no.as_str());
        let same = voucher.is_some_and(|row| Some((row.order_bucket, row.order_id)) == order);
        if !same {
            let what = format!("shown for {name} and not there, or of another order");
            report.fail("journal.paid", Voucher::SPEC.name, key, what);
        }
    }
    Ok(Ok(()))
}
