//! A kept bill beside our own books, number by number, both ways.
//!
//! The bill is read in parts of our buckets: as many as keep the lines of one part few, so that
//! memory does not grow with the bill.

use super::{BillError, KeptBill};
use crate::platform::Platform;
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::bill::{BillKind, BillLine, BillSort, BillTotals, Exact};
use jiaoyi_domain::channel::channel_day;
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::time::Date;
use jiaoyi_store::{Buckets, Dealt, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Lines that are held at the same time.
const LINES_HELD: u64 = 200_000;
/// Buckets there are.
const BUCKETS: i64 = 4096;

/// How a bill and our books differ about one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// The channel tells of it and we do not know it.
    OnlyBill,
    /// We know it and the channel does not tell of it.
    OnlyOurs,
    /// Another amount, or another number of the channel.
    Otherwise,
    /// The bill names it more than once.
    Twice,
}

impl Differs {
    /// Stable code, as printed.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Differs::OnlyBill => "only_bill",
            Differs::OnlyOurs => "only_ours",
            Differs::Otherwise => "otherwise",
            Differs::Twice => "twice",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillDifference {
    pub differs: Differs,
    pub kind: BillKind,
    /// Our number, as the side that has it writes it.
    pub number: String,
    pub bill: Option<Fen>,
    pub ours: Option<Fen>,
}

/// A bill beside our books.
#[derive(Clone, Debug)]
pub struct BillReport {
    /// What the bill's lines make.
    pub bill: BillTotals,
    /// What our books of the day make, of what the bill can hold.
    pub ours: BillTotals,
    /// Disputed transactions (差错) that UnionPay lists apart.
    pub disputed: u64,
    /// The first differences, by number.
    pub first: Vec<BillDifference>,
    /// How many there are.
    pub differences: u64,
}

/// What one side says of a number.
struct Said {
    channel_no: String,
    amount: Fen,
}

/// The lines of one part of the buckets, and the report so far.
struct Comparison<'k> {
    kept: &'k KeptBill,
    lines: BTreeMap<(BillKind, String), Said>,
    report: BillReport,
    keep: usize,
}

impl Platform {
    /// Compares a kept bill with our books; `keep` is how many differences are named. Blocks.
    ///
    /// # Errors
    ///
    /// [`BillError`]: the raw file or the store cannot be read.
    pub fn compare_bill(&self, kept: &KeptBill, keep: usize) -> Result<BillReport, BillError> {
        let snapshot = self.store.snapshot()?;
        let lines = kept.payments.saturating_add(kept.refunds);
        let parts = u64::try_from(lines).unwrap_or(0) / LINES_HELD + 1;
        let parts = i64::try_from(parts).unwrap_or(1).min(BUCKETS);
        let mut comparison = Comparison {
            kept,
            lines: BTreeMap::new(),
            report: BillReport {
                bill: BillTotals::default(),
                ours: BillTotals::default(),
                disputed: 0,
                first: Vec::new(),
                differences: 0,
            },
            keep,
        };
        let ranges = (0..parts).map(|part| (BUCKETS * part / parts, BUCKETS * (part + 1) / parts));
        let ranges: Vec<Buckets> = ranges.collect();
        let dealt = snapshot.deal(
            &[Fact::SPEC, Refund::SPEC, BankTransfer::SPEC],
            ranges.clone(),
        )?;
        for (place, range) in ranges.into_iter().enumerate() {
            if !kept.is_none() {
                self.take_lines(&mut comparison, range)?;
            }
            comparison.facts(&dealt, place)?;
            comparison.refunds(&dealt, place)?;
            comparison.left_over();
        }
        let mut report = comparison.report;
        report.first.sort_by(|a, b| a.number.cmp(&b.number));
        report.first.truncate(keep);
        Ok(report)
    }

    /// Takes the lines whose numbers lie in a range of buckets.
    fn take_lines(
        &self,
        comparison: &mut Comparison<'_>,
        (from, to): Buckets,
    ) -> Result<(), BillError> {
        let mut reader = self.read_bill(comparison.kept)?;
        let refused = |fault| -> Result<BillError, BillError> {
            let path = self.bill_path(comparison.kept)?;
            Ok(BillError::Refused { path, fault })
        };
        let mut taken = Vec::new();
        for line in reader.by_ref() {
            match line {
                Ok(line) if (from..to).contains(&bucket_of(&line)) => taken.push(line),
                Ok(_) => {}
                Err(fault) => return Err(refused(fault)?),
            }
        }
        comparison.report.bill = *reader.totals();
        comparison.report.disputed = reader.disputed();
        for line in taken {
            comparison.take(line);
        }
        Ok(())
    }
}

/// The bucket that a line's number carries; one that is not ours is dealt out somehow.
fn bucket_of(line: &BillLine) -> i64 {
    let bucket = match line.kind {
        BillKind::Refund => RefundNo::parse(&line.our_no).map(|no| no.bucket()),
        _ => AttemptNo::parse(&line.our_no).map(|no| no.bucket()),
    };
    let dealt = || {
        let bytes = line.our_no.bytes();
        bytes.fold(0, |sum, byte| (sum * 31 + i64::from(byte)) % BUCKETS)
    };
    bucket.map_or_else(dealt, |bucket| i64::from(bucket.get()))
}

impl Comparison<'_> {
    fn differ(
        &mut self,
        differs: Differs,
        of: (BillKind, &str),
        bill: Option<Fen>,
        ours: Option<Fen>,
    ) {
        let report = &mut self.report;
        report.differences += 1;
        let difference = BillDifference {
            differs,
            kind: of.0,
            number: of.1.to_owned(),
            bill,
            ours,
        };
        report.first.push(difference);
        // Twice as many, so that sorting is rare; only the first by number are wanted.
        if report.first.len() > self.keep.saturating_mul(2).max(64) {
            report.first.sort_by(|a, b| a.number.cmp(&b.number));
            report.first.truncate(self.keep);
        }
    }

    fn take(&mut self, line: BillLine) {
        if !matches!(line.kind, BillKind::Success | BillKind::Refund) {
            return;
        }
        let refund_under_way = line.kind == BillKind::Refund && !line.moved;
        let key = (line.kind, line.our_no);
        if self.lines.contains_key(&key) {
            let of = (key.0, key.1.as_str());
            self.differ(Differs::Twice, of, Some(line.amount), None);
            return;
        }
        // A refund that failed moved nothing, and its number may have been replaced.
        if !refund_under_way {
            let said = Said {
                channel_no: line.channel_no,
                amount: line.amount,
            };
            self.lines.insert(key, said);
        }
    }

    fn count(&mut self, kind: BillKind, amount: Fen, day: Date) {
        let line = BillLine {
            channel: self.kept.channel,
            kind,
            our_no: String::new(),
            channel_no: String::new(),
            payment_no: None,
            amount,
            fee: Exact::ZERO,
            at: jiaoyi_domain::Instant::start_of(day),
            day,
            moved: true,
        };
        self.report.ours = self.report.ours.with(&line).unwrap_or(self.report.ours);
    }

    /// Our payments of the day.
    fn facts(&mut self, dealt: &Dealt<'_>, place: usize) -> Result<(), StoreError> {
        if self.kept.sort == BillSort::Refund {
            return Ok(());
        }
        dealt.scan::<Fact>(place, |fact| {
            if fact.kind == FactKind::Success
                && fact.channel == self.kept.channel
                && fact.merchant == self.kept.merchant
            {
                self.fact(&fact);
            }
        })
    }

    fn fact(&mut self, fact: &Fact) {
        let is_of_day = fact.channel_day == self.kept.day;
        if is_of_day {
            self.count(BillKind::Success, fact.amount, fact.channel_day);
        }
        let number = fact.attempt_no.as_str();
        match self.lines.remove(&(BillKind::Success, number.to_owned())) {
            None if is_of_day => {
                let of = (BillKind::Success, number);
                self.differ(Differs::OnlyOurs, of, None, Some(fact.amount));
            }
            Some(said) if said.amount != fact.amount || said.channel_no != fact.txn_id => {
                let of = (BillKind::Success, number);
                self.differ(Differs::Otherwise, of, Some(said.amount), Some(fact.amount));
            }
            None | Some(_) => {}
        }
    }

    /// Our refunds: those that were certainly the channel's on this day must be in the bill.
    fn refunds(&mut self, dealt: &Dealt<'_>, place: usize) -> Result<(), StoreError> {
        if self.kept.sort == BillSort::Success {
            return Ok(());
        }
        // What staff paid by bank transfer is no business of the channel's, unless it told of it too.
        let mut by_staff = BTreeSet::new();
        dealt.scan::<BankTransfer>(place, |paid| {
            by_staff.insert(paid.refund_no);
        })?;
        let mut told = BTreeSet::new();
        if !by_staff.is_empty() {
            dealt.scan::<Fact>(place, |fact| {
                if fact.kind == FactKind::Refund {
                    told.insert(fact.txn_id);
                }
            })?;
        }
        dealt.scan::<Refund>(place, |refund| {
            let ours = refund.channel == self.kept.channel && refund.merchant == self.kept.merchant;
            let by_staff = by_staff.contains(&refund.refund_no);
            if ours && (!by_staff || told.contains(refund.channel_no.as_str())) {
                self.refund(&refund, by_staff);
            }
        })
    }

    fn refund(&mut self, refund: &Refund, by_staff: bool) {
        let day = |at: Option<jiaoyi_domain::Instant>| at.map(|at| channel_day(refund.channel, at));
        // Bills go by the time of asking or by that of the money: sure is what both put on one day.
        let (asked, done) = (day(refund.sent_at), day(refund.done_at));
        // A bank transfer's day is not the channel's.
        let is_of_day = refund.state == RefundState::Done
            && !by_staff
            && asked == Some(self.kept.day)
            && done == Some(self.kept.day);
        let number = refund.channel_no.as_str();
        let said = self.lines.remove(&(BillKind::Refund, number.to_owned()));
        if is_of_day || said.is_some() {
            self.count(BillKind::Refund, refund.amount, self.kept.day);
        }
        let of = (BillKind::Refund, number);
        match said {
            None if is_of_day => {
                self.differ(Differs::OnlyOurs, of, None, Some(refund.amount));
            }
            Some(said) if said.amount != refund.amount => {
                self.differ(
                    Differs::Otherwise,
                    of,
                    Some(said.amount),
                    Some(refund.amount),
                );
            }
            None | Some(_) => {}
        }
    }

    /// What the bill tells and we do not know.
    fn left_over(&mut self) {
        for ((kind, number), said) in std::mem::take(&mut self.lines) {
            self.differ(Differs::OnlyBill, (kind, &number), Some(said.amount), None);
        }
    }
}
