//! WeChat Pay's bills (S-050): UTF-8 with a mark at its start, a back-tick before every cell of data, the
//! totals in the last line; plain or gzip.

use super::lines::Lines;
use super::packing::{UNPACKED_BYTES_MAX, plain_or_gzip};
use super::{BillFault, Source, compare};
use jiaoyi_domain::bill::{BillKind, BillLine, BillName, BillSort, Exact};
use jiaoyi_domain::time::Instant;

/// Totals of the trade bills, each with the column that it is the sum of and its decimals.
const SUMS: [(&str, &str, usize); 6] = [
    ("应结订单总金额", "应结订单金额", 2),
    ("退款总金额", "退款金额", 2),
    ("充值券退款总金额", "充值券退款金额", 2),
    ("手续费总金额", "手续费", 5),
    ("订单总金额", "订单金额", 2),
    ("申请退款总金额", "申请退款金额", 2),
];
/// Refund states in which no money moved (yet).
const NOT_MOVED: [&str; 4] = ["PROCESSING", "CLOSED", "ABNORMAL", "FAIL"];

/// A bill being read.
pub(super) struct Bill {
    lines: Lines,
    layout: Layout,
    /// Cells of a line.
    width: usize,
    count: u64,
}

enum Layout {
    Trade(Box<Trade>),
    Funds(Funds),
}

/// A column that is summed: name of the total, place, decimals, and the sum so far.
struct Sum {
    total: &'static str,
    column: usize,
    decimals: usize,
    sum: Exact,
}

struct Trade {
    at: usize,
    merchant: usize,
    channel_no: usize,
    our_no: usize,
    state: usize,
    currency: usize,
    fee: usize,
    amount: usize,
    refund: Option<Refund>,
    sums: Vec<Sum>,
}

struct Refund {
    asked_at: Option<usize>,
    channel_no: usize,
    our_no: usize,
    state: usize,
    amount: usize,
}

struct Funds {
    at: usize,
    channel_no: usize,
    kind: usize,
    side: usize,
    amount: usize,
    our_no: usize,
    income: (u64, Exact),
    outlay: (u64, Exact),
}

/// Finds columns by their names.
struct Head<'h>(Vec<&'h str>);

impl Head<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|cell| *cell == name)
    }

    fn need(&self, name: &str) -> Result<usize, String> {
        let found = self.find(name);
        found.ok_or_else(|| format!("there is no column {name}"))
    }

    fn layout(&self, sort: BillSort) -> Result<Layout, String> {
        match sort {
            BillSort::Funds => self.funds().map(Layout::Funds),
            BillSort::Trade | BillSort::Success | BillSort::Refund => {
                let trade = self.trade()?;
                let fits = match sort {
                    BillSort::Success => trade.refund.is_none(),
                    BillSort::Refund => {
                        let refund = trade.refund.as_ref();
                        refund.is_some_and(|refund| refund.asked_at.is_some())
                    }
                    BillSort::Trade | BillSort::Funds => {
                        let refund = trade.refund.as_ref();
                        refund.is_some_and(|refund| refund.asked_at.is_none())
                    }
                };
                if fits {
                    Ok(Layout::Trade(Box::new(trade)))
                } else {
                    Err("these are the columns of another sort of bill".to_owned())
                }
            }
        }
    }

    fn trade(&self) -> Result<Trade, String> {
        let refund = match self.find("微信退款单号") {
            None => None,
            Some(channel_no) => Some(Refund {
                asked_at: self.find("退款申请时间"),
                channel_no,
                our_no: self.need("商户退款单号")?,
                state: self.need("退款状态")?,
                amount: self.need("申请退款金额")?,
            }),
        };
        let sum = |(total, column, decimals)| {
            self.find(column).map(|column| Sum {
                total,
                column,
                decimals,
                sum: Exact::ZERO,
            })
        };
        Ok(Trade {
            at: self.need("交易时间")?,
            merchant: self.need("商户号")?,
            channel_no: self.need("微信订单号")?,
            our_no: self.need("商户订单号")?,
            state: self.need("交易状态")?,
            currency: self.need("货币种类")?,
            fee: self.need("手续费")?,
            amount: self.need("订单金额")?,
            refund,
            sums: SUMS.into_iter().filter_map(sum).collect(),
        })
    }

    fn funds(&self) -> Result<Funds, String> {
        Ok(Funds {
            at: self.need("记账时间")?,
            channel_no: self.need("微信支付业务单号")?,
            kind: self.need("业务类型")?,
            side: self.need("收支类型")?,
            amount: self.need("收支金额(元)")?,
            our_no: self.need("业务凭证号")?,
            income: (0, Exact::ZERO),
            outlay: (0, Exact::ZERO),
        })
    }
}

fn money(cell: &str, decimals: usize) -> Result<Exact, String> {
    let read = Exact::parse_yuan(cell, decimals);
    read.ok_or_else(|| format!("{cell:?} is no amount with {decimals} decimals"))
}

fn instant(cell: &str) -> Result<Instant, String> {
    Instant::parse(cell).ok_or_else(|| format!("{cell:?} is no time"))
}

/// The cells of a line of data; `None` for any other line.
fn cells(line: &str) -> Option<std::str::Split<'_, &'static str>> {
    line.strip_prefix('`').map(|line| line.split(",`"))
}

impl Trade {
    fn read(&mut self, name: &BillName, cells: &[&str]) -> Result<BillLine, String> {
        if cells[self.merchant] != name.merchant {
            return Err("it is about another merchant".to_owned());
        }
        if cells[self.currency] != "CNY" {
            return Err(format!("its currency is {:?}", cells[self.currency]));
        }
        for sum in &mut self.sums {
            let amount = money(cells[sum.column], sum.decimals)?;
            let added = sum.sum.checked_add(amount);
            sum.sum = added.ok_or("the sum is more than can be held")?;
        }
        let (payment_no, mut at) = (cells[self.channel_no], cells[self.at]);
        let (kind, channel_no, our_no, amount, moved) = match (cells[self.state], &self.refund) {
            ("SUCCESS", _) => {
                let amount = cells[self.amount];
                (
                    BillKind::Success,
                    payment_no,
                    cells[self.our_no],
                    amount,
                    true,
                )
            }
            ("REFUND" | "REVOKED", Some(refund)) => {
                if let Some(asked_at) = refund.asked_at {
                    at = cells[asked_at];
                }
                let moved = !NOT_MOVED.contains(&cells[refund.state]);
                let numbers = (cells[refund.channel_no], cells[refund.our_no]);
                (
                    BillKind::Refund,
                    numbers.0,
                    numbers.1,
                    cells[refund.amount],
                    moved,
                )
            }
            (state, _) => return Err(format!("{state:?} is no state of this bill")),
        };
        let at = instant(at)?;
        // A payment stands in the bill of the day on which it succeeded.
        if kind == BillKind::Success && at.date() != name.day {
            return Err(format!("it was paid on another day, {}", at.date()));
        }
        let amount = money(amount, 2)?;
        let plain = amount.whole_fen().filter(|_| amount >= Exact::ZERO);
        Ok(BillLine {
            channel: name.channel,
            kind,
            our_no: our_no.to_owned(),
            channel_no: channel_no.to_owned(),
            payment_no: (kind == BillKind::Refund).then(|| payment_no.to_owned()),
            amount: plain.ok_or("its amount is negative")?,
            fee: money(cells[self.fee], 5)?,
            at,
            day: name.day,
            moved,
        })
    }

    fn check(&self, total: &dyn Fn(&str) -> Result<String, String>) -> Result<(), Told> {
        for sum in &self.sums {
            let told = money(&total(sum.total)?, sum.decimals)?;
            compare(sum.total, told, sum.sum)?;
        }
        Ok(())
    }
}

impl Funds {
    fn read(&mut self, name: &BillName, cells: &[&str]) -> Result<BillLine, String> {
        let exact = money(cells[self.amount], 2)?;
        let amount = exact.whole_fen().filter(|_| exact >= Exact::ZERO);
        let amount = amount.ok_or("its amount is negative")?;
        let incoming = match cells[self.side] {
            "收入" => true,
            "支出" => false,
            side => return Err(format!("{side:?} is neither 收入 nor 支出")),
        };
        let (count, sum) = if incoming {
            &mut self.income
        } else {
            &mut self.outlay
        };
        *count += 1;
        *sum = sum
            .checked_add(exact)
            .ok_or("the sum is more than can be held")?;
        let is_fee = cells[self.kind].contains("手续费");
        let kind = match (cells[self.kind], incoming) {
            ("交易", true) => BillKind::Success,
            ("退款", false) => BillKind::Refund,
            _ if is_fee => BillKind::Fee,
            (_, true) => BillKind::Income,
            (_, false) => BillKind::Outlay,
        };
        let fee = match (is_fee, incoming) {
            (false, _) => Exact::ZERO,
            (true, false) => exact,
            (true, true) => Exact(-exact.0),
        };
        let at = instant(cells[self.at])?;
        if at.date() != name.day {
            return Err(format!("it happened on another day, {}", at.date()));
        }
        Ok(BillLine {
            channel: name.channel,
            kind,
            our_no: cells[self.our_no].to_owned(),
            channel_no: cells[self.channel_no].to_owned(),
            payment_no: None,
            amount,
            fee,
            at,
            day: name.day,
            moved: true,
        })
    }

    fn check(&self, total: &dyn Fn(&str) -> Result<String, String>) -> Result<(), Told> {
        for (side, (count, sum)) in [("收入", self.income), ("支出", self.outlay)] {
            let names = (format!("{side}笔数"), format!("{side}金额"));
            compare(&names.0, total(&names.0)?, count.to_string())?;
            compare(&names.1, money(&total(&names.1)?, 2)?, sum)?;
        }
        Ok(())
    }
}

/// Why totals are refused: the line itself, or what it says.
enum Told {
    Line(String),
    Differs(BillFault),
}

impl From<String> for Told {
    fn from(what: String) -> Told {
        Told::Line(what)
    }
}

impl From<BillFault> for Told {
    fn from(fault: BillFault) -> Told {
        Told::Differs(fault)
    }
}

impl Bill {
    pub fn open(name: &BillName, file: impl Source) -> Result<Bill, BillFault> {
        let mut lines = Lines::new("the bill", plain_or_gzip(file, UNPACKED_BYTES_MAX)?);
        if !lines.advance()? {
            return Err(lines.fault("the bill is empty"));
        }
        let text = lines.text()?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let head = Head(text.split(',').map(str::trim).collect());
        let width = head.0.len();
        let layout = head.layout(name.sort);
        Ok(Bill {
            layout: layout.map_err(|what| lines.fault(what))?,
            lines,
            width,
            count: 0,
        })
    }

    pub fn next(&mut self, name: &BillName) -> Result<Option<BillLine>, BillFault> {
        if !self.lines.advance()? {
            return Err(self.lines.fault("the bill ends without its totals"));
        }
        let text = self.lines.text()?;
        let Some(cells) = cells(text) else {
            let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
            return self.totals(&names).map(|()| None);
        };
        let cells: Vec<&str> = cells.collect();
        let read = if cells.len() == self.width {
            match &mut self.layout {
                Layout::Trade(trade) => trade.read(name, &cells),
                Layout::Funds(funds) => funds.read(name, &cells),
            }
        } else {
            let (found, width) = (cells.len(), self.width);
            Err(format!("it has {found} cells, the head has {width}"))
        };
        self.count += 1;
        read.map(Some).map_err(|what| self.lines.fault(what))
    }

    /// Reads the line of totals below its head, and that nothing follows it.
    fn totals(&mut self, names: &[String]) -> Result<(), BillFault> {
        if !self.lines.advance()? {
            return Err(self.lines.fault("the bill ends without its totals"));
        }
        let text = self.lines.text()?.to_owned();
        let told: Vec<&str> = cells(&text).map(Iterator::collect).unwrap_or_default();
        if told.len() != names.len() {
            return Err(self.lines.fault("it is not the line of the totals"));
        }
        let total = |name: &str| {
            let place = names.iter().position(|known| known == name);
            let found = place.and_then(|place| told.get(place));
            let found = found.ok_or_else(|| format!("there is no total {name}"))?;
            Ok::<_, String>((*found).trim().to_owned())
        };
        let count = match &self.layout {
            Layout::Trade(_) => "总交易单数",
            Layout::Funds(_) => "资金流水总笔数",
        };
        let check = || -> Result<(), Told> {
            compare(count, total(count)?, self.count.to_string())?;
            match &self.layout {
                Layout::Trade(trade) => trade.check(&total),
                Layout::Funds(funds) => funds.check(&total),
            }
        };
        check().map_err(|told| match told {
            Told::Line(what) => self.lines.fault(what),
            Told::Differs(fault) => fault,
        })?;
        while self.lines.advance()? {
            if !self.lines.line().is_empty() {
                return Err(self.lines.fault("something follows the totals"));
            }
        }
        Ok(())
    }
}
