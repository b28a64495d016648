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
        let mut comparison = Comparison::new(kept, keep);
        let ranges = parts(kept.payments.saturating_add(kept.refunds));
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
        Ok(comparison.ended())
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

/// The buckets in as many parts as keep the lines of each few.
fn parts(lines: i64) -> Vec<Buckets> {
    let parts = u64::try_from(lines).unwrap_or(0) / LINES_HELD + 1;
    let parts = i64::try_from(parts).unwrap_or(1).min(BUCKETS);
    let ranges = (0..parts).map(|part| (BUCKETS * part / parts, BUCKETS * (part + 1) / parts));
    ranges.collect()
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
    fn new(kept: &KeptBill, keep: usize) -> Comparison<'_> {
        Comparison {
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
        }
    }

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
            self.keep_first();
        }
    }

    fn keep_first(&mut self) {
        let first = &mut self.report.first;
        first.sort_by(|a, b| a.number.cmp(&b.number));
        first.truncate(self.keep);
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

    /// The report, with the first differences by number.
    fn ended(mut self) -> BillReport {
        self.keep_first();
        self.report
    }

    /// What the bill tells and we do not know.
    fn left_over(&mut self) {
        for ((kind, number), said) in std::mem::take(&mut self.lines) {
            self.differ(Differs::OnlyBill, (kind, &number), Some(said.amount), None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plus_days;
    use super::*;
    use jiaoyi_domain::bill::BillName;
    use jiaoyi_domain::channel::ChannelCode;
    use jiaoyi_domain::due::OrderId;
    use jiaoyi_domain::fact::FactSource;
    use jiaoyi_domain::id::{Bucket, IdSource};
    use jiaoyi_domain::refund::RefundCause;
    use jiaoyi_domain::time::{DAY_MS, Instant, SECOND_MS};

    const DAY: Date = Date::constant(2026, 11, 21);
    const MERCHANT: &str = "1900000001";

    fn kept(sort: BillSort) -> KeptBill {
        let name = BillName {
            channel: ChannelCode::Wechat,
            merchant: MERCHANT.to_owned(),
            sort,
            day: DAY,
        };
        KeptBill::new(&name, None, &BillTotals::default(), Instant(0))
    }

    fn noon() -> Instant {
        Instant::start_of(DAY).plus_ms(DAY_MS / 2)
    }

    fn bucket() -> Bucket {
        Bucket::try_new(77).unwrap()
    }

    /// Number `seed` of ours, the lower the earlier.
    fn ids(seed: u8) -> IdSource {
        IdSource::new([seed; 32], 0).at(noon().plus_ms(i64::from(seed) * 60 * SECOND_MS))
    }

    fn attempt_no(seed: u8) -> AttemptNo {
        AttemptNo::draw(bucket(), &mut ids(seed))
    }

    fn refund_no(seed: u8) -> RefundNo {
        RefundNo::draw(bucket(), &mut ids(seed))
    }

    fn line(kind: BillKind, our_no: &str, fen: u64) -> BillLine {
        BillLine {
            channel: ChannelCode::Wechat,
            kind,
            our_no: our_no.to_owned(),
            channel_no: format!("txn of {our_no}"),
            payment_no: None,
            amount: Fen::new(fen),
            fee: Exact::ZERO,
            at: noon(),
            day: DAY,
            moved: true,
        }
    }

    fn fact(seed: u8, fen: u64) -> Fact {
        let attempt_no = attempt_no(seed);
        Fact {
            bucket: bucket(),
            channel: ChannelCode::Wechat,
            merchant: MERCHANT.to_owned(),
            txn_id: format!("txn of {attempt_no}"),
            kind: FactKind::Success,
            attempt_no,
            order_id: OrderId([1; 16]),
            amount: Fen::new(fen),
            paid_at: noon(),
            channel_day: DAY,
            source: FactSource::Query,
            seen_at: noon(),
            confirmed_at: None,
            premium: Fen::new(fen),
            surplus: Fen::ZERO,
            returned_or_reserved: Fen::ZERO,
            version: 1,
        }
    }

    /// A refund that was asked for and paid out on the day.
    fn refund(seed: u8, fen: u64) -> Refund {
        let refund_no = refund_no(seed);
        Refund {
            bucket: bucket(),
            refund_no: refund_no.clone(),
            state: RefundState::Done,
            cause: RefundCause::SecondSuccess,
            channel: ChannelCode::Wechat,
            merchant: MERCHANT.to_owned(),
            txn_id: "txn".to_owned(),
            attempt_no: attempt_no(seed),
            order_id: OrderId([1; 16]),
            line_no: 1,
            amount: Fen::new(fen),
            channel_no: refund_no,
            closes: 0,
            request: None,
            held_until: None,
            created_at: noon(),
            sent_at: Some(noon()),
            done_at: Some(noon()),
            detail: None,
            ask_at: None,
            asks: 0,
            version: 1,
        }
    }

    /// Code, number, and the amounts of both sides of every difference that is named.
    fn told(report: &BillReport) -> Vec<(&'static str, String, Option<u64>, Option<u64>)> {
        let fen = |amount: Option<Fen>| amount.map(Fen::get);
        let row = |row: &BillDifference| {
            let code = row.differs.code();
            (code, row.number.clone(), fen(row.bill), fen(row.ours))
        };
        report.first.iter().map(row).collect()
    }

    #[test]
    fn every_bucket_is_in_one_part_and_no_part_has_too_many_lines() {
        let most = i64::try_from(LINES_HELD).unwrap();
        for (lines, count) in [
            (-1, 1),
            (0, 1),
            (most - 1, 1),
            (most, 2),
            (3 * most - 1, 3),
            (i64::MAX, 4096),
        ] {
            let parts = parts(lines);
            assert_eq!(parts.len(), count, "{lines}");
            let mut next = 0;
            for (from, to) in parts {
                assert!(from == next && from < to, "{lines}");
                next = to;
            }
            assert_eq!(next, BUCKETS, "{lines}");
        }
    }

    #[test]
    fn a_line_is_read_with_the_bucket_of_its_number() {
        let (paid, back) = (attempt_no(1), refund_no(2));
        let of = |kind, number: &str| bucket_of(&line(kind, number, 1));
        assert_eq!(of(BillKind::Success, paid.as_str()), 77);
        assert_eq!(of(BillKind::Refund, back.as_str()), 77);
        let strange = (0..200).map(|number| of(BillKind::Success, &format!("strange {number}")));
        let strange: BTreeSet<i64> = strange.collect();
        assert!(strange.iter().all(|bucket| (0..BUCKETS).contains(bucket)));
        assert!(strange.len() > 100, "they are dealt out: {}", strange.len());
    }

    #[test]
    fn payments_are_compared_number_by_number_both_ways() {
        let kept = kept(BillSort::Success);
        let mut comparison = Comparison::new(&kept, 9);
        let number = |seed| attempt_no(seed).to_string();
        let success = |seed, fen| line(BillKind::Success, &number(seed), fen);
        for line in [success(1, 100), success(2, 200), success(4, 400)] {
            comparison.take(line);
        }
        comparison.take(success(4, 401));
        let mut other_txn = success(5, 500);
        "other".clone_into(&mut other_txn.channel_no);
        comparison.take(other_txn);
        // Of the day before by our books, and in this bill: the channel's clock is believed.
        comparison.take(success(6, 600));
        comparison.take(success(7, 700));
        comparison.take(line(BillKind::Fee, &number(8), 1));
        let mut before = fact(6, 600);
        before.channel_day = plus_days(DAY, -1);
        let mut elsewhere = fact(9, 900);
        elsewhere.channel_day = plus_days(DAY, 1);
        let same = [fact(1, 100), fact(2, 201), fact(3, 300), fact(4, 400)];
        for fact in same.iter().chain([&fact(5, 500), &before, &elsewhere]) {
            comparison.fact(fact);
        }
        comparison.left_over();
        let report = comparison.ended();
        let wanted = [
            ("otherwise", number(2), Some(200), Some(201)),
            ("only_ours", number(3), None, Some(300)),
            ("twice", number(4), Some(401), None),
            ("otherwise", number(5), Some(500), Some(500)),
            ("only_bill", number(7), Some(700), None),
        ];
        assert_eq!(told(&report), wanted);
        assert_eq!(report.differences, 5);
        let ours = (report.ours.payments, report.ours.paid);
        assert_eq!(ours, (5, Fen::new(100 + 201 + 300 + 400 + 500)));
    }

    #[test]
    fn refunds_are_missed_only_when_they_were_certainly_of_the_day() {
        let kept = kept(BillSort::Refund);
        let mut comparison = Comparison::new(&kept, 99);
        let number = |seed| refund_no(seed).to_string();
        let back = |seed, fen| line(BillKind::Refund, &number(seed), fen);
        let mut failed = back(3, 300);
        failed.moved = false;
        let under_another_day = back(4, 400);
        for line in [
            back(1, 100),
            back(2, 200),
            failed,
            under_another_day,
            back(5, 500),
        ] {
            comparison.take(line);
        }
        let before = Some(noon().plus_ms(-DAY_MS));
        let mut early = refund(4, 400);
        early.sent_at = before;
        let mut asked_before = refund(6, 600);
        asked_before.sent_at = before;
        let mut done_after = refund(7, 700);
        done_after.done_at = Some(noon().plus_ms(DAY_MS));
        let mut sent = refund(8, 800);
        sent.state = RefundState::Sent;
        for row in [
            refund(1, 100),
            refund(2, 201),
            refund(3, 300),
            early,
            asked_before,
            done_after,
            sent,
        ] {
            comparison.refund(&row, false);
        }
        comparison.refund(&refund(9, 900), true);
        comparison.left_over();
        let report = comparison.ended();
        let wanted = [
            ("otherwise", number(2), Some(200), Some(201)),
            ("only_ours", number(3), None, Some(300)),
            ("only_bill", number(5), Some(500), None),
        ];
        assert_eq!(told(&report), wanted);
        let ours = (report.ours.refunds, report.ours.returned);
        assert_eq!(ours, (4, Fen::new(100 + 201 + 300 + 400)));
    }

    /// However many there are, the first by number are named, and all are counted.
    #[test]
    fn the_first_differences_are_named_and_all_are_counted() {
        let kept = kept(BillSort::Success);
        let mut comparison = Comparison::new(&kept, 3);
        for seed in (0..200).rev() {
            comparison.fact(&fact(seed, 100));
        }
        assert!(comparison.report.first.len() <= 65, "few are held");
        let report = comparison.ended();
        assert_eq!(report.differences, 200);
        let mut numbers: Vec<String> = (0..200).map(|seed| attempt_no(seed).to_string()).collect();
        numbers.sort();
        let named: Vec<&String> = report.first.iter().map(|row| &row.number).collect();
        assert_eq!(named, numbers[..3].iter().collect::<Vec<_>>());
    }
}
