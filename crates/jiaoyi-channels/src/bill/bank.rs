//! A bank's file of a day: a text whose layout its profile tells.

use super::lines::Lines;
use super::packing::{Bounded, UNPACKED_BYTES_MAX};
use super::{BillFault, Source, compare};
use crate::bank::profile::{Column, Profile, Total};
use jiaoyi_domain::bill::{BillKind, BillLine, BillName, BillSort, BillTotals, Exact};
use std::sync::Arc;

/// A file being read.
pub(super) struct Bill {
    lines: Lines,
    profile: Arc<Profile>,
    /// The totals, once they were met.
    told: Option<Told>,
    read: BillTotals,
}

/// What the line of totals says.
struct Told {
    cells: Vec<(Total, String)>,
}

impl Bill {
    pub fn open(
        name: &BillName,
        mut file: impl Source,
        profile: Arc<Profile>,
    ) -> Result<Bill, BillFault> {
        if name.sort != BillSort::Trade {
            let what = format!("bills of the sort {} are not read", name.sort.code());
            return Err(BillFault::packing(what));
        }
        file.rewind().map_err(BillFault::packing)?;
        let mut bill = Bill {
            lines: Lines::new("the bill", Box::new(Bounded::new(file, UNPACKED_BYTES_MAX))),
            profile,
            told: None,
            read: BillTotals::default(),
        };
        if bill.profile.file.totals_first {
            if !bill.lines.advance()? {
                return Err(bill.lines.fault("the bill is empty"));
            }
            bill.told = Some(bill.totals(&bill.text()?)?);
        }
        Ok(bill)
    }

    fn text(&self) -> Result<String, BillFault> {
        let encoding = self.profile.encoding();
        let text = encoding.decode_without_bom_handling_and_without_replacement(self.lines.line());
        let text =
            text.ok_or_else(|| self.lines.fault(format!("it is not {}", encoding.name())))?;
        Ok(text.into_owned())
    }

    /// Reads a line of totals.
    fn totals(&self, text: &str) -> Result<Told, BillFault> {
        let layout = &self.profile.file;
        let cells: Vec<&str> = text.split(layout.separator).map(str::trim).collect();
        if cells.len() != layout.totals.len() {
            return Err(self.lines.fault("it is not the line of the totals"));
        }
        let named = layout.totals.iter().copied().zip(cells);
        Ok(Told {
            cells: named
                .map(|(total, cell)| (total, cell.to_owned()))
                .collect(),
        })
    }

    pub fn next(&mut self, name: &BillName) -> Result<Option<BillLine>, BillFault> {
        if !self.lines.advance()? {
            return self.finish().map(|()| None);
        }
        let text = self.text()?;
        let layout = &self.profile.file;
        let cells: Vec<&str> = text.split(layout.separator).map(str::trim).collect();
        let may_be_totals = !layout.totals_first && cells.len() != layout.columns.len();
        if may_be_totals && self.told.is_none() {
            self.told = Some(self.totals(&text)?);
            if self.lines.advance()? {
                return Err(self.lines.fault("something follows the totals"));
            }
            return self.finish().map(|()| None);
        }
        let line = line(&self.profile, name, &cells).map_err(|what| self.lines.fault(what))?;
        let read = self.read.with(&line);
        self.read = read.ok_or_else(|| self.lines.fault("the sum is more than can be held"))?;
        Ok(Some(line))
    }

    fn finish(&self) -> Result<(), BillFault> {
        let told = self.told.as_ref();
        let told = told.ok_or_else(|| self.lines.fault("the bill ends without its totals"))?;
        let amount = |text: &str| {
            let amount = self.profile.read_amount(text);
            amount.ok_or_else(|| self.lines.fault(format!("{text:?} is no total")))
        };
        for (total, cell) in &told.cells {
            match total {
                Total::Other => {}
                Total::Count => compare("count", cell.clone(), self.read.lines().to_string())?,
                Total::Paid => compare("paid", amount(cell)?, self.read.paid)?,
                Total::Returned => compare("returned", amount(cell)?, self.read.returned)?,
                Total::Fees => {
                    let fees = Exact::from_fen(amount(cell)?);
                    compare("fees", fees.unwrap_or_default(), self.read.fees)?;
                }
            }
        }
        Ok(())
    }
}

fn line(profile: &Profile, name: &BillName, cells: &[&str]) -> Result<BillLine, String> {
    let layout = &profile.file;
    if cells.len() != layout.columns.len() {
        let (found, width) = (cells.len(), layout.columns.len());
        return Err(format!("it has {found} cells, not {width}"));
    }
    let cell = |column: Column| {
        let place = layout.columns.iter().position(|known| *known == column);
        place.map_or("", |place| cells[place])
    };
    let kind = match cell(Column::Kind) {
        word if word == layout.payment => BillKind::Success,
        word if word == layout.refund => BillKind::Refund,
        word => return Err(format!("{word:?} is neither a payment nor a refund")),
    };
    let amount = |column| {
        let text = cell(column);
        let amount = profile.read_amount(text);
        amount.ok_or_else(|| format!("{text:?} is no amount"))
    };
    let fee = match cell(Column::Fee) {
        "" => Exact::ZERO,
        _ => Exact::from_fen(amount(Column::Fee)?).ok_or("its fee is more than can be held")?,
    };
    let at = profile.read_time(cell(Column::Time));
    let at = at.ok_or_else(|| format!("{:?} is no time", cell(Column::Time)))?;
    if at.date() != name.day {
        return Err(format!("it happened on another day, {}", at.date()));
    }
    let original = cell(Column::Original);
    Ok(BillLine {
        channel: name.channel,
        kind,
        our_no: cell(Column::Number).to_owned(),
        channel_no: cell(Column::Txn).to_owned(),
        payment_no: (!original.is_empty()).then(|| original.to_owned()),
        amount: amount(Column::Amount)?,
        // Given back with a refund.
        fee: match kind {
            BillKind::Refund => Exact(-fee.0),
            _ => fee,
        },
        at,
        day: name.day,
        moved: true,
    })
}
