//! Answers for: the daily file: Base64 of zlib of a zip with GBK text of fixed width.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::{Call, Fields, Refusal, Reply};
use crate::alipay::bills::zip;
use crate::bills::{Line, cut, lines, twist};
use crate::books::Channel;
use crate::faults::Fault;
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::{DAY_MS, HOUR_MS, compact};

/// The widths of a line of details; one blank between two columns.
const WIDTHS: [usize; 42] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21,
    15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
];
/// `respCode` when there is no file.
pub(super) const NO_FILE: &str = "98";

/// The clearing day of an instant as `MMDD`: it turns at 23:00.
pub(super) fn settle_date(at_ms: i64) -> String {
    compact(at_ms + HOUR_MS)
        .get(4..8)
        .unwrap_or_default()
        .to_owned()
}

/// `txnType` 76 at the address for files.
pub(super) fn fetch(sandbox: &Sandbox, call: &Call<'_>, fault: Option<&Fault>) -> Reply {
    let day = call.required("settleDate")?;
    if call.required("fileType")? != "00" {
        return Err(Refusal::format("fileType", "应为00"));
    }
    let mer_id = call.identity.mer_id.as_str();
    let now_ms = sandbox.now_ms();
    let year = year_of(day, now_ms);
    let (details, summary) = {
        let books = sandbox.books();
        let is_in = |at_ms| settle_date(at_ms) == day;
        let mut found = lines(&books, Channel::Unionpay, is_in, |refund| refund.done_at_ms);
        if found.is_empty() {
            return Err(Refusal::new(NO_FILE, "文件不存在"));
        }
        twist(&mut found, fault);
        let details: String = found.iter().map(|one| line(one, mer_id) + "\r\n").collect();
        (
            details,
            summary(&found, mer_id, &format!("20{year}{day}"), &compact(now_ms)),
        )
    };
    let stem = format!("{year}{day}88");
    let packed = zip(&[
        (format!("INN{stem}ZM_{mer_id}"), details),
        (format!("INN{stem}ZME_{mer_id}"), String::new()),
        (format!("RD2010{year}{day}01_{mer_id}"), summary),
    ]);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let content = encoder
        .write_all(&cut(packed, fault))
        .and_then(|()| encoder.finish())
        .unwrap_or_default();
    Ok(Fields::from([
        ("settleDate".to_owned(), day.to_owned()),
        ("fileType".to_owned(), "00".to_owned()),
        ("fileName".to_owned(), format!("{mer_id}_20{year}{day}.zip")),
        ("fileContent".to_owned(), STANDARD.encode(content)),
    ]))
}

/// The last two digits of the year whose `MMDD` was asked for: today's, or last year's.
fn year_of(day: &str, now_ms: i64) -> String {
    let tomorrow = compact(now_ms + DAY_MS);
    let year: u32 = tomorrow
        .get(2..4)
        .and_then(|year| year.parse().ok())
        .unwrap_or(0);
    let this_year = tomorrow.get(4..8).is_some_and(|known| day <= known);
    format!(
        "{:02}",
        if this_year {
            year
        } else {
            year.saturating_sub(1)
        }
    )
}

/// The sums for people to read (商户交易汇总表): amounts, fees and what is cleared, from the merchant
/// (借) and to it (贷).
fn summary(lines: &[Line<'_>], mer_id: &str, settled: &str, made: &str) -> String {
    let sum = |returned: bool, of: &dyn Fn(&Line<'_>) -> u64| {
        let own = lines
            .iter()
            .filter(|line| line.refund.is_some() == returned);
        yuan(own.map(of).sum())
    };
    let amount = |line: &Line<'_>| line.amount_fen;
    let fee = |line: &Line<'_>| line.fee_fen;
    let net = |line: &Line<'_>| line.net_fen();
    let cells = [
        sum(true, &amount),
        sum(false, &amount),
        sum(false, &fee),
        sum(true, &fee),
        sum(true, &net),
        sum(false, &net),
    ];
    let row = |title: &str| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>16}")).collect();
        format!("{title:<12}{:>16}{cells}\r\n", lines.len())
    };
    let made = made.get(..8).unwrap_or_default();
    format!(
        "中国银联全渠道商户交易汇总表\r\n\r\n商户代码:{mer_id}          清算币种:人民币\r\n\
         收单机构:00000000          清算日期:{settled}\r\n商户名称:沙箱          生成日期:{made}\r\n\r\n\
         交易类型 交易笔数 交易金额 费用 资金清算差额\r\n{}{}",
        row("合并交易"),
        row("总计")
    )
}

fn line(line: &Line<'_>, mer_id: &str) -> String {
    let (trade, at_ms, fen) = (line.trade, line.at_ms, line.amount_fen);
    let (code, query_id, order_id, original, side, fee_side) = match line.refund {
        None => (
            "S22",
            line.transaction_id,
            &trade.key.out_trade_no,
            "",
            'C',
            'D',
        ),
        Some(refund) => (
            "S30",
            refund.refund_id.as_str(),
            &refund.out_refund_no,
            line.transaction_id,
            'D',
            'C',
        ),
    };
    let traced = compact(at_ms);
    let fee_side = if line.fee_fen == 0 { 'D' } else { fee_side };
    let fee = format!("{fee_side}{:012}", line.fee_fen);
    let net = format!("{side}{:012}", line.net_fen());
    let mut columns = vec![String::new(); WIDTHS.len()];
    for (number, text) in [
        (1, code),
        (5, traced.get(4..).unwrap_or_default()),
        (6, &trade.payer),
        (7, &format!("{fen:012}")),
        (10, query_id),
        (12, order_id),
        (13, "01"),
        (16, &fee),
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
