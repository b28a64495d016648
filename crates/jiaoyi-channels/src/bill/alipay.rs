//! Alipay's bill (业务明细, S-051): a zip of two texts in GBK, the transactions and what they make, cells
//! padded with tabs.

use super::lines::Lines;
use super::packing::{Unpacked, entries, only};
use super::{BillFault, Source, compare};
use encoding_rs::GBK;
use jiaoyi_domain::bill::{BillKind, BillLine, BillName, BillSort, Exact};
use jiaoyi_domain::time::Instant;
use std::borrow::Cow;
use std::io::{Cursor, Read};

/// The text of sums is short.
const SUMMARY_BYTES_MAX: u64 = 1024 * 1024;

/// A bill being read.
pub(super) struct Bill {
    lines: Lines,
    columns: Columns,
    summary: Summary,
    read: Summary,
    is_open: bool,
}

/// Places of the columns that are used.
struct Columns {
    width: usize,
    channel_no: usize,
    our_no: usize,
    kind: usize,
    at: usize,
    amount: usize,
    received: usize,
    refund_no: usize,
    fee: usize,
}

/// What the transactions make together; refunds and fees are negative.
#[derive(Clone, Copy, Default)]
struct Summary {
    payments: u64,
    refunds: u64,
    amount: Exact,
    /// 商家实收 of payments, and of refunds.
    received: Exact,
    returned: Exact,
    fees: Exact,
}

/// Names of columns come with brackets of either width.
fn plain_name(name: &str) -> String {
    name.trim().replace('（', "(").replace('）', ")")
}

fn find(head: &[String], name: &str) -> Result<usize, String> {
    let found = head.iter().position(|cell| cell == name);
    found.ok_or_else(|| format!("there is no column {name}"))
}

fn cells(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).collect()
}

fn money(cell: &str) -> Result<Exact, String> {
    let read = Exact::parse_yuan(cell, 2);
    read.ok_or_else(|| format!("{cell:?} is no amount with 2 decimals"))
}

fn count(cell: &str) -> Result<u64, String> {
    let digits = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
    let read = digits.then(|| cell.parse().ok()).flatten();
    read.ok_or_else(|| format!("{cell:?} is no count"))
}

impl Columns {
    fn find(text: &str) -> Result<Columns, String> {
        let head: Vec<String> = text.split(',').map(plain_name).collect();
        let place = |name| find(&head, name);
        Ok(Columns {
            width: head.len(),
            channel_no: place("支付宝交易号")?,
            our_no: place("商户订单号")?,
            kind: place("业务类型")?,
            at: place("完成时间")?,
            amount: place("订单金额(元)")?,
            received: place("商家实收(元)")?,
            refund_no: place("退款批次号/请求号")?,
            fee: place("服务费(元)")?,
        })
    }
}

impl Summary {
    /// Reads the text of sums: its row 合计.
    fn read(entry: &str, text: Vec<u8>, name: &BillName) -> Result<Summary, BillFault> {
        let mut lines = Lines::new(entry, Cursor::new(text));
        let head = head(&mut lines, name)?;
        let head: Vec<String> = head.split(',').map(plain_name).collect();
        while lines.advance()? {
            let text = decoded(&lines)?.into_owned();
            let cells = cells(&text);
            if cells.first() != Some(&"合计") {
                continue;
            }
            let row = || -> Result<Summary, String> {
                let cell = |name: &str| {
                    let cell = cells.get(find(&head, name)?);
                    cell.copied().ok_or_else(|| "a cell is missing".to_owned())
                };
                Ok(Summary {
                    payments: count(cell("交易订单总笔数")?)?,
                    refunds: count(cell("退款订单总笔数")?)?,
                    amount: money(cell("订单金额(元)")?)?,
                    received: money(cell("商家实收(元)")?)?,
                    returned: Exact::ZERO,
                    fees: money(cell("服务费(元)")?)?,
                })
            };
            return row().map_err(|what| lines.fault(what));
        }
        Err(lines.fault("there is no row 合计"))
    }

    /// Adds a transaction; `None` beyond what can be held.
    fn add(&mut self, kind: BillKind, amount: Exact, received: Exact, fee: Exact) -> Option<()> {
        let (count, sum) = match kind {
            BillKind::Refund => (&mut self.refunds, &mut self.returned),
            _ => (&mut self.payments, &mut self.received),
        };
        *count += 1;
        *sum = sum.checked_add(received)?;
        self.amount = self.amount.checked_add(amount)?;
        self.fees = self.fees.checked_add(fee)?;
        Some(())
    }
}

fn decoded(lines: &Lines<impl Read>) -> Result<Cow<'_, str>, BillFault> {
    let text = GBK.decode_without_bom_handling_and_without_replacement(lines.line());
    text.ok_or_else(|| lines.fault("it is not GBK"))
}

/// Reads the lines before the table, and gives its head: whose bill of which day it is.
fn head(lines: &mut Lines<impl Read>, name: &BillName) -> Result<String, BillFault> {
    let (mut merchant, mut day) = (false, false);
    let date = name.day;
    let (year, month, of_month) = (date.year(), date.month(), date.day());
    let first = format!("[{year}年{month:02}月{of_month:02}日 00:00:00]");
    while lines.advance()? {
        let text = decoded(lines)?;
        let Some(note) = text.strip_prefix('#') else {
            let head = text.into_owned();
            return match (merchant, day) {
                (true, true) => Ok(head),
                (false, _) => Err(lines.fault("no line before it names the account")),
                (_, false) => Err(lines.fault("no line before it names the day")),
            };
        };
        if note.starts_with("账号") {
            merchant = note.contains(&format!("[{}", name.merchant));
            if !merchant {
                return Err(lines.fault("it is about another merchant"));
            }
        } else if note.starts_with("起始日期") {
            day = note
                .split_once("终止日期")
                .is_some_and(|(from, _)| from.contains(&first));
            if !day {
                return Err(lines.fault("it is about another day"));
            }
        }
    }
    Err(lines.fault("there is no table"))
}

impl Bill {
    pub fn open(name: &BillName, mut file: impl Source) -> Result<Bill, BillFault> {
        if name.sort != BillSort::Trade {
            let what = format!("bills of the sort {} are not read", name.sort.code());
            return Err(BillFault::packing(what));
        }
        let entries = entries(&mut file)?;
        let is_summary = |name: &str| {
            name.ends_with("业务明细(汇总).csv") || name.ends_with("业务明细（汇总）.csv")
        };
        let is_details = |name: &str| name.ends_with("业务明细.csv");
        let known = |name: &str| is_summary(name) || is_details(name);
        if let Some(other) = entries.iter().find(|entry| !known(&entry.name)) {
            let what = format!("{} is no part of this bill", other.name);
            return Err(BillFault::packing(what));
        }
        let entry = only(&entries, "业务明细(汇总).csv", is_summary)?;
        let mut text = Vec::new();
        let unpacked = Unpacked::open(&mut file, entry)?;
        let read = unpacked.take(SUMMARY_BYTES_MAX).read_to_end(&mut text);
        read.map_err(|error| BillFault::packing(format!("{}: {error}", entry.name)))?;
        let summary = Summary::read(&entry.name, text, name)?;
        let entry = only(&entries, "业务明细.csv", is_details)?;
        let mut lines = Lines::new(&entry.name, Unpacked::open(file, entry)?.boxed());
        let head = head(&mut lines, name)?;
        Ok(Bill {
            columns: Columns::find(&head).map_err(|what| lines.fault(what))?,
            lines,
            summary,
            read: Summary::default(),
            is_open: true,
        })
    }

    pub fn next(&mut self, name: &BillName) -> Result<Option<BillLine>, BillFault> {
        if !self.lines.advance()? {
            return Err(self.lines.fault("the bill ends without its totals"));
        }
        let text = decoded(&self.lines)?;
        if text.starts_with('#') {
            self.is_open = !text.contains("列表结束");
            if self.is_open {
                return Err(self.lines.fault("it does not end the table"));
            }
            return self.totals().map(|()| None);
        }
        let line = read(&self.columns, &mut self.read, name, &text);
        line.map(Some).map_err(|what| self.lines.fault(what))
    }

    /// Reads the two lines of totals that follow the table, and compares the summary too.
    fn totals(&mut self) -> Result<(), BillFault> {
        let read = self.read;
        let (mut payments, mut refunds) = (false, false);
        while self.lines.advance()? {
            let text = decoded(&self.lines)?;
            if !text.is_empty() && !text.starts_with('#') {
                return Err(self.lines.fault("something follows the end of the table"));
            }
            let (title, counted, sum) = if text.starts_with("#交易合计") {
                payments = true;
                ("交易合计", read.payments, read.received)
            } else if text.starts_with("#退款合计") {
                refunds = true;
                ("退款合计", read.refunds, read.returned)
            } else {
                continue;
            };
            let told = told(&text).map_err(|what| self.lines.fault(what))?;
            compare(title, told.0, counted)?;
            compare(title, told.1, sum)?;
        }
        if !payments || !refunds {
            return Err(self.lines.fault("the bill ends without its totals"));
        }
        let summary = self.summary;
        compare("交易订单总笔数", summary.payments, read.payments)?;
        compare("退款订单总笔数", summary.refunds, read.refunds)?;
        compare("订单金额", summary.amount, read.amount)?;
        let received = read.received.checked_add(read.returned);
        compare("商家实收", summary.received, received.unwrap_or_default())?;
        compare("服务费", summary.fees, read.fees)
    }
}

/// Count and sum of a line such as `#交易合计：12笔，商家实收共34.00元，…`.
fn told(text: &str) -> Result<(u64, Exact), String> {
    let parts = || {
        let (_, rest) = text.split_once("合计")?;
        let (number, rest) = rest.trim_start_matches(['：', ':']).split_once('笔')?;
        let (_, rest) = rest.split_once('共')?;
        let (sum, _) = rest.split_once('元')?;
        Some((number.trim(), sum.trim()))
    };
    let (number, sum) = parts().ok_or("there is no count and sum")?;
    Ok((count(number)?, money(sum)?))
}

fn read(
    columns: &Columns,
    sums: &mut Summary,
    name: &BillName,
    text: &str,
) -> Result<BillLine, String> {
    let cells = cells(text);
    if cells.len() != columns.width {
        let (found, width) = (cells.len(), columns.width);
        return Err(format!("it has {found} cells, the head has {width}"));
    }
    let (amount, fee) = (money(cells[columns.amount])?, money(cells[columns.fee])?);
    let received = money(cells[columns.received])?;
    let (kind, our_no, is_right) = match cells[columns.kind] {
        "交易" => (BillKind::Success, columns.our_no, amount >= Exact::ZERO),
        "退款" => (BillKind::Refund, columns.refund_no, amount <= Exact::ZERO),
        other => return Err(format!("{other:?} is neither 交易 nor 退款")),
    };
    if !is_right {
        return Err("the sign of its amount is wrong".to_owned());
    }
    let at = Instant::parse(cells[columns.at]);
    let at = at.ok_or_else(|| format!("{:?} is no time", cells[columns.at]))?;
    if at.date() != name.day {
        return Err(format!("it happened on another day, {}", at.date()));
    }
    let added = sums.add(kind, amount, received, fee);
    added.ok_or("the sum is more than can be held")?;
    let channel_no = cells[columns.channel_no];
    Ok(BillLine {
        channel: name.channel,
        kind,
        our_no: cells[our_no].to_owned(),
        channel_no: channel_no.to_owned(),
        payment_no: (kind == BillKind::Refund).then(|| channel_no.to_owned()),
        amount: amount.whole_fen().ok_or("its amount is no whole fen")?,
        // Printed negative for a payment in some bills: what counts is the side of the money.
        fee: match kind {
            BillKind::Refund => Exact(-fee.0.abs()),
            _ => Exact(fee.0.abs()),
        },
        at,
        day: name.day,
        moved: true,
    })
}
