//! Answers for: the end of an accounting day, its file, and what the platform makes of it.

use std::fmt::Write as _;
use std::sync::Arc;

use super::books::{DayEnd, FrontBooks, Payment, State};
use super::catalog::Institution;
use super::client::{Heard, Point, exchange, told};
use super::pay;
use super::wire::{self, DayResult};
use crate::crypto::sha256_hex;
use crate::server::Sandbox;
use crate::times::plain;

/// Why a day could not be ended.
#[derive(Debug)]
pub(crate) enum Hangs {
    /// Some payments are still open.
    Open(usize),
    /// The platform does not take the file.
    Told(wire::Error),
    Silence,
}

/// Asks once more about everything that is open, then makes the file and sends it.
pub(crate) async fn end(
    sandbox: &Arc<Sandbox>,
    institution: &'static Institution,
    trace_date: &str,
) -> Result<DayEnd, Hangs> {
    let open: Vec<String> = {
        let books = sandbox.books();
        let of_day = books.fronts.payments_of(institution.code, Some(trace_date));
        of_day
            .filter(|own| own.is_open())
            .map(|own| own.seq.clone())
            .collect()
    };
    for seq in open {
        pay::follow_up(sandbox.clone(), seq).await;
    }
    let (text, count, amount_fen) = {
        let books = sandbox.books();
        let of_day = books.fronts.payments_of(institution.code, Some(trace_date));
        let open = of_day.filter(|own| own.is_open()).count();
        if open > 0 {
            return Err(Hangs::Open(open));
        }
        let totals = books.fronts.totals(institution.code, Some(trace_date));
        (
            file(&books.fronts, institution, trace_date),
            totals.paid_count,
            totals.paid_fen,
        )
    };
    let (kind, bytes) = if institution.gbk {
        (
            "text/plain; charset=gbk",
            encoding_rs::GBK.encode(&text).0.into_owned(),
        )
    } else {
        ("text/plain; charset=utf-8", text.into_bytes())
    };
    let body = match exchange(sandbox, institution, Point::Reconcile, kind, bytes).await {
        Heard::Decision(body) => body,
        Heard::Error(error) => return Err(Hangs::Told(error)),
        Heard::Silence => return Err(Hangs::Silence),
    };
    let Some(answer) = told::<DayResult>(institution.xml, &body) else {
        return Err(Hangs::Silence);
    };
    let ended = DayEnd {
        code: institution.code,
        trace_date: trace_date.to_owned(),
        count,
        amount_fen,
        answer,
    };
    sandbox.books().fronts.day_ends.push(ended.clone());
    Ok(ended)
}

/// The file of a day: a first line that sums up, then a line for each payment, and one more for each
/// that the platform had and gave back.
pub(crate) fn file(books: &FrontBooks, institution: &Institution, trace_date: &str) -> String {
    let mut lines = String::new();
    let (mut count, mut amount_fen) = (0_u64, 0_u64);
    let mut add = |own: &Payment, at_ms: i64, kind: char| {
        let at = plain(at_ms);
        let (day, time) = at.split_once(' ').unwrap_or((&at, ""));
        let Payment {
            seq,
            bill_no,
            amount_fen: fen,
            sub_channel,
            ..
        } = own;
        let _ = writeln!(
            lines,
            "{day}|{time}|{seq}|{bill_no}|{fen}|{sub_channel}|{kind}"
        );
        count += 1;
    };
    for own in books.payments_of(institution.code, Some(trace_date)) {
        match own.state {
            State::Paid(_) => {
                add(own, own.taken_at_ms, 'P');
                amount_fen += own.amount_fen;
            }
            State::Reversed { undone: true } => {
                add(own, own.taken_at_ms, 'P');
                add(own, own.returned_at_ms.unwrap_or(own.taken_at_ms), 'R');
            }
            State::Asked
            | State::Refused { .. }
            | State::Reversed { undone: false }
            | State::NotFound => {}
        }
    }
    let hash = sha256_hex(lines.as_bytes());
    let inst_id = institution.inst_id;
    format!("{inst_id}|{trace_date}|{count}|{amount_fen}|{hash}\n{lines}")
}
