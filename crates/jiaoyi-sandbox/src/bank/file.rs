//! Answers for: a bank's file of a day. The first writes bars, GBK and its totals below; the second
//! commas, UTF-8 and its totals above.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Call, Fields, Manner, Reply};
use crate::bills::{Line, cut, lines, twist};
use crate::faults::Fault;
use crate::server::Sandbox;
use crate::times::{compact_day, day};

/// The day as the bank writes it.
fn day_text(manner: &Manner, at_ms: i64) -> String {
    if manner.old {
        compact_day(at_ms)
    } else {
        day(at_ms).to_string()
    }
}

pub(super) fn fetch(sandbox: &Sandbox, call: &Call, fault: Option<&Fault>) -> Reply {
    let (manner, words) = (call.manner, &call.manner.words);
    let asked = call.get(manner.names.day).ok_or(words.wrong)?;
    let text = {
        let books = sandbox.books();
        let is_in = |at_ms| day_text(manner, at_ms) == asked;
        let mut found = lines(&books, manner.channel, is_in, |refund| refund.done_at_ms);
        if found.is_empty() {
            return Err(words.absent);
        }
        twist(&mut found, fault);
        text(manner, &found)
    };
    let raw = manner.encoding().encode(&text).0.into_owned();
    Ok(Fields::from([
        (manner.names.day.to_owned(), asked.to_owned()),
        (manner.names.state.to_owned(), words.ready.to_owned()),
        (
            manner.names.content.to_owned(),
            STANDARD.encode(cut(raw, fault)),
        ),
    ]))
}

fn text(manner: &Manner, lines: &[Line<'_>]) -> String {
    let sum = |returned: bool, of: &dyn Fn(&Line<'_>) -> u64| -> u64 {
        let own = lines
            .iter()
            .filter(|line| line.refund.is_some() == returned);
        own.map(of).sum()
    };
    let amount = |line: &Line<'_>| line.amount_fen;
    let fee = |line: &Line<'_>| line.fee_fen;
    let fees = sum(false, &fee).saturating_sub(sum(true, &fee));
    let totals = [
        lines.len().to_string(),
        manner.amount(sum(false, &amount)),
        manner.amount(sum(true, &amount)),
        manner.amount(fees),
    ];
    let rows: String = lines
        .iter()
        .map(|line| row(manner, line) + "\r\n")
        .collect();
    if manner.old {
        format!("{rows}合计|{}\r\n", totals.join("|"))
    } else {
        format!("{}\r\n{rows}", totals.join(","))
    }
}

fn row(manner: &Manner, line: &Line<'_>) -> String {
    let (number, txn, original) = match line.refund {
        None => (&line.trade.key.out_trade_no, line.transaction_id, ""),
        Some(refund) => (
            &refund.out_refund_no,
            refund.refund_id.as_str(),
            line.transaction_id,
        ),
    };
    let (amount, fee) = (manner.amount(line.amount_fen), manner.amount(line.fee_fen));
    let time = manner.time(line.at_ms);
    let back = line.refund.is_some();
    if manner.old {
        let kind = if back { "R" } else { "P" };
        format!("{number}|{txn}|{original}|{kind}|{amount}|{fee}|{time}|居民医保")
    } else {
        let kind = if back { "REFUND" } else { "PAY" };
        format!("{time},{number},{kind},{amount},{fee},{txn},{original}")
    }
}
