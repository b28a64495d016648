//! Answers for: the daily file: Base64 of zlib of a zip with GBK text of fixed width.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{Call, Fields, Refusal, Reply};
use crate::alipay::bills::zip;
use crate::books::{Channel, Refund, Trade};
use crate::server::Sandbox;
use crate::times::{HOUR_MS, compact};

/// The widths of a line of details; one blank between two columns.
const WIDTHS: [usize; 42] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21,
    15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
];
/// `respCode` when there is no file.
const NO_FILE: &str = "98";

/// The clearing day of an instant as `MMDD`: it turns at 23:00.
pub(super) fn settle_date(at_ms: i64) -> String {
    compact(at_ms + HOUR_MS)
        .get(4..8)
        .unwrap_or_default()
        .to_owned()
}

/// `txnType` 76 at the address for files.
pub(super) fn fetch(sandbox: &Sandbox, call: &Call<'_>, contradict: bool) -> Reply {
    let day = call.required("settleDate")?;
    if call.required("fileType")? != "00" {
        return Err(Refusal::format("fileType", "应为00"));
    }
    let mer_id = call.identity.mer_id.as_str();
    let now_ms = sandbox.now_ms();
    let mut lines = {
        let books = sandbox.books();
        let own = books.trades.values();
        let own = own.filter(|trade| trade.key.channel == Channel::Unionpay);
        own.flat_map(|trade| lines_of(trade, mer_id, day))
            .collect::<Vec<_>>()
    };
    lines.sort();
    if lines.is_empty() {
        return Err(Refusal::new(NO_FILE, "文件不存在"));
    }
    if contradict {
        lines.remove(0);
    }
    let year = compact(now_ms).get(2..4).unwrap_or_default().to_owned();
    let stem = format!("{year}{day}88");
    let summary = format!("{} 笔\r\n", lines.len());
    let details: String = lines.into_iter().map(|(_, line)| line + "\r\n").collect();
    let packed = zip(&[
        (format!("INN{stem}ZM_{mer_id}"), details),
        (format!("INN{stem}ZME_{mer_id}"), String::new()),
        (format!("RD2010{year}{day}01_{mer_id}"), summary),
    ]);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let content = encoder
        .write_all(&packed)
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    Ok(Fields::from([
        ("settleDate".to_owned(), day.to_owned()),
        ("fileType".to_owned(), "00".to_owned()),
        ("fileName".to_owned(), format!("{mer_id}_20{year}{day}.zip")),
        ("fileContent".to_owned(), STANDARD.encode(content)),
    ]))
}

/// What of an order was settled on `day`, with the instant to sort by.
fn lines_of(trade: &Trade, mer_id: &str, day: &str) -> Vec<(i64, String)> {
    let Some(payment) = &trade.payment else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    if settle_date(payment.at_ms) == day {
        lines.push((payment.at_ms, line(trade, None, mer_id)));
    }
    for refund in &trade.refunds {
        if let Some(done) = refund.done_at_ms.filter(|done| settle_date(*done) == day) {
            lines.push((done, line(trade, Some(refund), mer_id)));
        }
    }
    lines
}

fn line(trade: &Trade, refund: Option<&Refund>, mer_id: &str) -> String {
    let paid = trade.payment.as_ref();
    let (paid_at, paid_id) = paid.map_or((0, ""), |paid| (paid.at_ms, &paid.transaction_id));
    let (code, at_ms, fen, query_id, order_id, original, side) = match refund {
        None => (
            "S22",
            paid_at,
            trade.amount_fen,
            paid_id,
            &trade.key.out_trade_no,
            "",
            'C',
        ),
        Some(refund) => (
            "S30",
            refund.done_at_ms.unwrap_or_default(),
            refund.amount_fen,
            refund.refund_id.as_str(),
            &refund.out_refund_no,
            paid_id,
            'D',
        ),
    };
    let traced = compact(at_ms);
    let net = format!("{side}{fen:012}");
    let mut columns = vec![String::new(); WIDTHS.len()];
    for (number, text) in [
        (1, code),
        (5, traced.get(4..).unwrap_or_default()),
        (6, &trade.payer),
        (7, &format!("{fen:012}")),
        (10, query_id),
        (12, order_id),
        (13, "01"),
        // No fee.
        (16, "D000000000000"),
        (17, &net),
        (27, original),
        (28, mer_id),
        (33, &net),
    ] {
        columns[number - 1] = text.to_owned();
    }
    let padded: Vec<String> = columns
        .iter()
        .zip(WIDTHS)
        .map(|(text, width)| format!("{text:<width$}"))
        .collect();
    padded.join(" ")
}
