//! Bills of the channels: fetching them, and reading them line by line in constant memory.
//!
//! A raw file is kept as it came. It is read again whenever it is needed, never more than one line
//! of it in memory, and only a file that is whole is believed: its totals are compared with what was
//! read, and whatever does not fit is refused with entry, line and reason.

mod alipay;
mod bank;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod generated;
mod lines;
mod packing;
mod sink;
#[cfg(test)]
mod tests;
mod unionpay;
mod wechat;

pub(crate) use sink::PlainHash;
pub use sink::hash_of;

use crate::bank::profile::Profile;
use crate::gateway::{Call, Gateway};
use jiaoyi_domain::bill::{BillLine, BillName, BillSort, BillTotals};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::time::{Date, Instant};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;

/// What came of asking for a bill.
#[derive(Debug)]
pub enum BillOutcome {
    /// The raw file was written, whole as far as the channel lets us know.
    Ready,
    /// Nothing happened on that day: there will never be one.
    NoBill,
    /// It is being made.
    NotYet,
    /// There is none: nothing happened, or it is not made yet; this channel does not tell which.
    Absent,
    /// What was sent is not the bill that was announced.
    Refused(BillFault),
    /// No usable answer.
    Unknown {
        /// Why.
        why: String,
    },
}

/// A channel that hands out bills.
pub trait Bills: Gateway {
    /// The sorts of bills that reconciliation needs every day.
    fn daily(&self) -> &'static [BillSort];

    /// The hour of the next day from which a day's bill can be there.
    fn ready_hour(&self) -> i64;

    /// Fetches a day's bill into `file`, raw.
    ///
    /// `nonces` are two, each as [`Gateway`] wants one.
    fn fetch<'a>(
        &'a self,
        sort: BillSort,
        day: Date,
        file: &'a mut (dyn Write + Send),
        now: Instant,
        nonces: [String; 2],
    ) -> Call<'a, BillOutcome>;

    /// Opens a raw file of this channel.
    ///
    /// # Errors
    ///
    /// As [`BillReader::open`].
    fn read(&self, name: BillName, file: File) -> Result<BillReader, BillFault> {
        BillReader::open(name, file)
    }
}

/// Why a bill is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillFault {
    /// The packing is broken, or unpacks to more than a bill can be.
    #[error("unpacking the bill: {what}")]
    Packing {
        /// What is wrong.
        what: String,
    },
    /// The file is not the one whose hash was told.
    #[error("the bill's hash is {found}, not {told} as was told")]
    Hash {
        /// What it should be.
        told: String,
        /// What it is.
        found: String,
    },
    /// A line is not one of the format, or not one of this bill.
    #[error("reading line {line} of {entry}: {what}")]
    Line {
        /// The file inside the packing.
        entry: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A total does not fit what was read.
    #[error("{what} is {told} at the end of the bill, and its lines make {read}")]
    Totals {
        /// The channel's name of the total.
        what: String,
        /// What the bill says.
        told: String,
        /// What its lines make.
        read: String,
    },
}

impl BillFault {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            BillFault::Packing { .. } => "channels.bill.packing",
            BillFault::Hash { .. } => "channels.bill.hash",
            BillFault::Line { .. } => "channels.bill.line",
            BillFault::Totals { .. } => "channels.bill.totals",
        }
    }

    fn packing(what: impl ToString) -> BillFault {
        BillFault::Packing {
            what: what.to_string(),
        }
    }
}

/// Compares a total of the bill with what its lines make.
fn compare<T: PartialEq + ToString>(what: &str, told: T, read: T) -> Result<(), BillFault> {
    if told == read {
        return Ok(());
    }
    Err(BillFault::Totals {
        what: what.to_owned(),
        told: told.to_string(),
        read: read.to_string(),
    })
}

/// What a bill is read from.
trait Source: Read + Seek + Send + 'static {}
impl<T: Read + Seek + Send + 'static> Source for T {}

enum Format {
    Wechat(wechat::Bill),
    Alipay(alipay::Bill),
    Unionpay(unionpay::Bill),
    Bank(bank::Bill),
}

/// Reads a raw bill line by line.
///
/// The lines count only once it has ended without a fault: the totals stand at the end.
pub struct BillReader {
    name: BillName,
    format: Format,
    totals: BillTotals,
    ended: bool,
}

impl BillReader {
    /// Opens the raw file of a bill.
    ///
    /// # Errors
    ///
    /// [`BillFault`]: the packing or the head is not that of this bill.
    pub fn open(
        name: BillName,
        file: impl Read + Seek + Send + 'static,
    ) -> Result<BillReader, BillFault> {
        let format = match name.channel {
            ChannelCode::Wechat => Format::Wechat(wechat::Bill::open(&name, file)?),
            ChannelCode::Alipay => Format::Alipay(alipay::Bill::open(&name, file)?),
            ChannelCode::Unionpay => Format::Unionpay(unionpay::Bill::open(&name, file)?),
            ChannelCode::Bank1 | ChannelCode::Bank2 => {
                return Err(BillFault::packing("a bank's file is read by its profile"));
            }
            ChannelCode::Inbound(_) => {
                return Err(BillFault::packing(
                    "an institution sends a day file, no bill",
                ));
            }
        };
        Ok(BillReader::over(name, format))
    }

    /// Opens a bank's file, by its profile.
    pub(crate) fn open_bank(
        name: BillName,
        file: impl Read + Seek + Send + 'static,
        profile: Arc<Profile>,
    ) -> Result<BillReader, BillFault> {
        let format = Format::Bank(bank::Bill::open(&name, file, profile)?);
        Ok(BillReader::over(name, format))
    }

    fn over(name: BillName, format: Format) -> BillReader {
        BillReader {
            name,
            format,
            totals: BillTotals::default(),
            ended: false,
        }
    }

    /// What the lines given so far make together.
    #[must_use]
    pub const fn totals(&self) -> &BillTotals {
        &self.totals
    }

    /// Lines about disputed transactions (差错), which only UnionPay lists apart.
    #[must_use]
    pub const fn disputed(&self) -> u64 {
        match &self.format {
            Format::Unionpay(bill) => bill.disputed(),
            Format::Wechat(_) | Format::Alipay(_) | Format::Bank(_) => 0,
        }
    }

    fn step(&mut self) -> Result<Option<BillLine>, BillFault> {
        let line = match &mut self.format {
            Format::Wechat(bill) => bill.next(&self.name)?,
            Format::Alipay(bill) => bill.next(&self.name)?,
            Format::Unionpay(bill) => bill.next(&self.name)?,
            Format::Bank(bill) => bill.next(&self.name)?,
        };
        if let Some(line) = &line {
            let totals = self.totals.with(line);
            self.totals = totals.ok_or_else(|| BillFault::Totals {
                what: "a sum".to_owned(),
                told: "?".to_owned(),
                read: "more than can be held".to_owned(),
            })?;
        }
        Ok(line)
    }
}

impl Iterator for BillReader {
    type Item = Result<BillLine, BillFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let step = self.step();
        self.ended = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
