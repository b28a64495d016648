//! UnionPay's daily file (对账文件, S-052): a zip of texts in GBK of fixed width.
//!
//! `INN…ZM_…` holds one line a transaction, `INN…ZME_…` one a disputed transaction, `RD…` the sums for
//! people to read, which are read here too.

use super::lines::Lines;
use super::packing::{Unpacked, entries, only};
use super::{BillFault, Source, compare};
use encoding_rs::GBK;
use jiaoyi_domain::bill::{BillKind, BillLine, BillName, BillSort, Exact};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{Date, HOUR_MS, Instant, MINUTE_MS, SECOND_MS};
use std::io::Read;

/// The widths of a line of `ZM`; one blank stands between two columns.
const DETAIL_WIDTHS: [usize; 42] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21,
    15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
];
/// The widths of a line of `ZME`.
const DISPUTED_WIDTHS: [usize; 22] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 2, 6, 10, 4, 12, 13, 13, 15, 15, 1, 12, 2, 135,
];
/// The text of sums is short.
const SUMMARY_BYTES_MAX: u64 = 1024 * 1024;

/// A daily file being read.
pub(super) struct Bill {
    lines: Lines,
    told: Sums,
    read: Sums,
    disputed: u64,
}

/// What moves between UnionPay and the merchant: amounts, fees and what is cleared, each by side.
#[derive(Clone, Copy, Default)]
struct Sums {
    count: u64,
    amounts: Sides,
    fees: Sides,
    net: Sides,
}

/// From the merchant (借, `D`) and to the merchant (贷, `C`).
#[derive(Clone, Copy, Default)]
struct Sides {
    from: Exact,
    to: Exact,
}

impl Sides {
    fn add(&mut self, (to_merchant, fen): (bool, Fen)) -> Result<(), String> {
        let side = if to_merchant {
            &mut self.to
        } else {
            &mut self.from
        };
        let sum = Exact::from_fen(fen).and_then(|amount| side.checked_add(amount));
        *side = sum.ok_or("the sum is more than can be held")?;
        Ok(())
    }
}

impl Sums {
    /// Reads the first line 总计 of the text of sums.
    fn read(text: &str, day: Date) -> Result<Sums, String> {
        let (_, rest) = text.split_once("清算日期:").ok_or("no clearing day")?;
        if rest.get(..8) != Some(&day.to_string().replace('-', "")) {
            return Err("it is about another day".to_owned());
        }
        let mut lines = text.lines().map(str::trim);
        let line = lines.find_map(|line| line.strip_prefix("总计"));
        let cells: Vec<&str> = line.ok_or("no line 总计")?.split_whitespace().collect();
        let [count, amounts @ ..] = cells.as_slice() else {
            return Err("no counts in the line 总计".to_owned());
        };
        let amounts: Option<Vec<Exact>> = amounts
            .iter()
            .map(|cell| Exact::parse_yuan(cell, 2))
            .collect();
        let sides = |from, to| Sides { from, to };
        match (count.parse(), amounts.as_deref()) {
            (Ok(count), Some([from, to, fee, fee_back, net_from, net_to])) => Ok(Sums {
                count,
                amounts: sides(*from, *to),
                fees: sides(*fee, *fee_back),
                net: sides(*net_from, *net_to),
            }),
            _ => Err("the line 总计 has other cells than a count and six amounts".to_owned()),
        }
    }

    fn compare(&self, read: &Sums) -> Result<(), BillFault> {
        compare("交易笔数", self.count, read.count)?;
        for (what, told, read) in [
            ("交易金额", self.amounts, read.amounts),
            ("费用", self.fees, read.fees),
            ("资金清算差额", self.net, read.net),
        ] {
            compare(&format!("{what} (借)"), told.from, read.from)?;
            compare(&format!("{what} (贷)"), told.to, read.to)?;
        }
        Ok(())
    }
}

impl Bill {
    pub fn open(name: &BillName, mut file: impl Source) -> Result<Bill, BillFault> {
        if name.sort != BillSort::Trade {
            let what = format!("bills of the sort {} are not read", name.sort.code());
            return Err(BillFault::packing(what));
        }
        let entries = entries(&mut file)?;
        let summary = only(&entries, "summary RD…", |name| name.starts_with("RD"))?;
        let mut text = Vec::new();
        let unpacked = Unpacked::open(&mut file, summary)?;
        let read = unpacked.take(SUMMARY_BYTES_MAX).read_to_end(&mut text);
        let fault = |what: String| BillFault::packing(format!("{}: {what}", summary.name));
        read.map_err(|error| fault(error.to_string()))?;
        let text = GBK.decode_without_bom_handling_and_without_replacement(&text);
        let text = text.ok_or_else(|| fault("it is not GBK".to_owned()))?;
        let told = Sums::read(&text, name.day).map_err(fault)?;
        let mut disputed = 0;
        for entry in entries.iter().filter(|entry| entry.name.contains("ZME_")) {
            let mut lines = Lines::new(&entry.name, Unpacked::open(&mut file, entry)?);
            while lines.advance()? {
                let columns = columns(lines.line(), &DISPUTED_WIDTHS);
                columns.map_err(|what| lines.fault(what))?;
                disputed += 1;
            }
        }
        let details = only(&entries, "file of details", |name| name.contains("ZM_"))?;
        Ok(Bill {
            lines: Lines::new(&details.name, Unpacked::open(file, details)?.boxed()),
            told,
            read: Sums::default(),
            disputed,
        })
    }

    pub const fn disputed(&self) -> u64 {
        self.disputed
    }

    pub fn next(&mut self, name: &BillName) -> Result<Option<BillLine>, BillFault> {
        if !self.lines.advance()? {
            return self.told.compare(&self.read).map(|()| None);
        }
        let line = detail(self.lines.line(), &mut self.read, name);
        line.map(Some).map_err(|what| self.lines.fault(what))
    }
}

/// The columns of a line, still in GBK.
fn columns<'l, const N: usize>(
    line: &'l [u8],
    widths: &[usize; N],
) -> Result<[&'l [u8]; N], String> {
    let length = widths.iter().sum::<usize>() + N - 1;
    if line.len() != length {
        return Err(format!("it has {} bytes, not {length}", line.len()));
    }
    if GBK
        .decode_without_bom_handling_and_without_replacement(line)
        .is_none()
    {
        return Err("it is not GBK".to_owned());
    }
    let mut columns = [line; N];
    let mut rest = line;
    for (column, width) in columns.iter_mut().zip(widths) {
        let (own, after) = rest.split_at(*width);
        *column = own;
        rest = match after.split_first() {
            None => after,
            Some((b' ', after)) => after,
            Some(_) => return Err("there is no blank between two columns".to_owned()),
        };
    }
    Ok(columns)
}

fn fen(text: &str) -> Option<Fen> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok().map(Fen::new))?
}

/// An amount with its side: whether it goes to the merchant.
fn flow(text: &str) -> Option<(bool, Fen)> {
    let amount = |text| fen(text);
    match text.split_at_checked(1)? {
        ("C", rest) => amount(rest).map(|fen| (true, fen)),
        ("D", rest) => amount(rest).map(|fen| (false, fen)),
        _ => None,
    }
}

/// `MMDDhhmmss` in Beijing, of the year that brings it nearest to the clearing day.
pub(super) fn instant(text: &str, day: Date) -> Option<Instant> {
    let part = |from: usize| -> Option<i64> { text.get(from..from + 2)?.parse().ok() };
    let (month, of_month) = (i8::try_from(part(0)?).ok()?, i8::try_from(part(2)?).ok()?);
    let year = match (day.month(), month) {
        (1, 12) => day.year() - 1,
        (12, 1) => day.year() + 1,
        _ => day.year(),
    };
    let date = Date::new(year, month, of_month).ok()?;
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    let is_time = hour < 24 && minute < 60 && second < 60 && text.len() == 10;
    let of_day = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS;
    is_time.then(|| Instant::start_of(date).plus_ms(of_day))
}

fn detail(line: &[u8], sums: &mut Sums, name: &BillName) -> Result<BillLine, String> {
    let columns = columns(line, &DETAIL_WIDTHS)?;
    // Numbers as in the published list of columns, from 1.
    let column = |number: usize| -> Result<&str, String> {
        let text = std::str::from_utf8(columns[number - 1]);
        let text = text.map_err(|_| format!("column {number} is no plain text"))?;
        Ok(text.trim())
    };
    if column(28)? != name.merchant {
        return Err("it is about another merchant".to_owned());
    }
    let amount = fen(column(7)?).ok_or("its amount is no number")?;
    let fee = flow(column(16)?).ok_or("its fee is no amount")?;
    let net = flow(column(17)?).ok_or("its settled amount is none")?;
    let (to_merchant, _) = net;
    let kind = match (column(1)?, to_merchant) {
        // 消费, and 自助消费 as in the official sample; 退货.
        ("S22" | "S56", false) | ("S30", true) => {
            return Err("its money goes the wrong way".to_owned());
        }
        (_, true) => BillKind::Success,
        (_, false) => BillKind::Refund,
    };
    let at = instant(column(5)?, name.day).ok_or("its time is none")?;
    sums.count += 1;
    sums.amounts.add((to_merchant, amount))?;
    sums.fees.add(fee)?;
    sums.net.add(net)?;
    let (fee_returned, fee) = fee;
    let fee = Exact::from_fen(fee).ok_or("its fee is more than can be held")?;
    let original = column(27)?;
    Ok(BillLine {
        channel: name.channel,
        kind,
        our_no: column(12)?.to_owned(),
        channel_no: column(10)?.to_owned(),
        payment_no: (!original.is_empty()).then(|| original.to_owned()),
        amount,
        fee: if fee_returned { Exact(-fee.0) } else { fee },
        at,
        day: name.day,
        moved: true,
    })
}
