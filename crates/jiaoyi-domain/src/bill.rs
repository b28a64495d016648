//! A channel's bill (渠道账单): what a channel says it did on one of its days, movement by movement.
//!
//! Every channel writes bills of its own kind; `jiaoyi-channels` reads them into the lines below.

use crate::channel::ChannelCode;
use crate::hex::Hex;
use crate::id::Bucket;
use crate::money::Fen;
use crate::record::Record;
use crate::time::{Date, Instant};
use crate::{codes, record};
use std::fmt;

codes! {
    /// Which of a channel's bills.
    pub enum BillSort {
        /// Payments and refunds (交易账单, 业务明细, 对账文件).
        Trade = 1 "trade",
        /// Only payments; WeChat Pay alone has it.
        Success = 2 "success",
        /// Only refunds; WeChat Pay alone has it.
        Refund = 3 "refund",
        /// What moved on the merchant's account (资金账单).
        Funds = 4 "funds",
    }
}

codes! {
    /// What a line of a bill tells of.
    pub enum BillKind {
        /// The channel took money from a payer.
        Success = 1 "success",
        /// The channel gave money back to a payer.
        Refund = 2 "refund",
        /// The channel took a fee from the merchant's account, as a movement of its own.
        Fee = 3 "fee",
        /// Any other money that came to the merchant's account.
        Income = 4 "income",
        /// Any other money that left the merchant's account, such as what was paid out to its bank.
        Outlay = 5 "outlay",
    }
}

/// One bill among all: whose, of which channel, which sort, of which of the channel's days.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BillName {
    pub channel: ChannelCode,
    /// mchid, seller_id or merId.
    pub merchant: String,
    pub sort: BillSort,
    /// The accounting day, see [`crate::channel::channel_day`].
    pub day: Date,
}

impl fmt::Display for BillName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channel, sort) = (self.channel.code(), self.sort.code());
        write!(f, "{channel} {} {sort} {}", self.merchant, self.day)
    }
}

/// One movement of money, as a channel's bill tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLine {
    pub channel: ChannelCode,
    pub kind: BillKind,
    /// The number we gave: the attempt's, of a refund the refund's; empty where there is none.
    pub our_no: String,
    /// The channel's number of this movement.
    pub channel_no: String,
    /// Of a refund, the channel's number of the payment, where the bill names it.
    pub payment_no: Option<String>,
    pub amount: Fen,
    /// What the channel keeps of it.
    pub fee: Exact,
    /// When it happened, by the channel's clock.
    pub at: Instant,
    /// The day of the bill, on which the channel accounts for it.
    pub day: Date,
    /// The channel does not say that it failed or is still under way, as bills say of refunds.
    pub moved: bool,
}

/// An amount with a sign, in thousandths of a fen: fees are billed with five decimals of a yuan,
/// and some come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(pub i64);

/// Thousandths of a fen in a fen.
const PER_FEN: i64 = 1_000;

impl Exact {
    pub const ZERO: Exact = Exact(0);

    /// A whole number of fen; `None` beyond what can be held.
    #[must_use]
    pub fn from_fen(fen: Fen) -> Option<Exact> {
        fen.as_i64().checked_mul(PER_FEN).map(Exact)
    }

    /// The amount without its sign, when it is whole fen.
    #[must_use]
    pub fn whole_fen(self) -> Option<Fen> {
        let whole = self.0 % PER_FEN == 0;
        whole.then(|| Fen::new(self.0.unsigned_abs() / PER_FEN.unsigned_abs()))
    }

    #[must_use]
    pub fn checked_add(self, other: Exact) -> Option<Exact> {
        self.0.checked_add(other.0).map(Exact)
    }

    #[must_use]
    pub fn checked_sub(self, other: Exact) -> Option<Exact> {
        self.0.checked_sub(other.0).map(Exact)
    }

    /// Reads yuan with exactly `decimals` decimals, at most five, perhaps with a minus.
    #[must_use]
    pub fn parse_yuan(text: &str, decimals: usize) -> Option<Exact> {
        let (minus, text) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (whole, part) = text.split_once('.')?;
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if part.len() != decimals || decimals > 5 || !plain(whole) || !plain(part) {
            return None;
        }
        let missing = u32::try_from(5 - decimals).ok()?;
        let part = part.parse::<i64>().ok()? * 10_i64.pow(missing);
        let whole: i64 = whole.parse().ok()?;
        let sum = whole.checked_mul(100 * PER_FEN)?.checked_add(part)?;
        Some(Exact(if minus { -sum } else { sum }))
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, amount) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        let (yuan, part) = (amount / 100_000, amount % 100_000);
        if part.is_multiple_of(1_000) {
            write!(f, "{sign}{yuan}.{:02}", part / 1_000)
        } else {
            write!(f, "{sign}{yuan}.{part:05}")
        }
    }
}

/// What the lines of a bill make together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BillTotals {
    pub payments: u64,
    pub paid: Fen,
    pub refunds: u64,
    pub returned: Fen,
    /// Lines of the other kinds.
    pub others: u64,
    /// What the channel kept, less what it gave back.
    pub fees: Exact,
}

impl BillTotals {
    /// Counts a line; `None` when a sum leaves what can be held.
    #[must_use]
    pub fn with(self, line: &BillLine) -> Option<BillTotals> {
        let mut totals = self;
        totals.fees = totals.fees.checked_add(line.fee)?;
        match line.kind {
            BillKind::Success => {
                totals.payments += 1;
                totals.paid = totals.paid.checked_add(line.amount)?;
            }
            BillKind::Refund => {
                totals.refunds += 1;
                totals.returned = totals.returned.checked_add(line.amount)?;
            }
            BillKind::Fee | BillKind::Income | BillKind::Outlay => totals.others += 1,
        }
        Some(totals)
    }

    /// How many lines there are.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.payments + self.refunds + self.others
    }
}

record! {
    /// That a bill was fetched, or that the channel says there is none. Never changed.
    pub struct KeptBill in 40 "kept_bill" {
        key {
            /// Always 0: bills are few and belong to nobody.
            bucket: Bucket = Public,
            channel: ChannelCode = Public,
            merchant: String = Public,
            sort: BillSort = Public,
            day: Date = Public,
        }
        row {
            /// The raw file in the folder of bills; empty when the channel has no bill of the day.
            file: String = Public,
            /// SHA-256 of the raw file; zero when there is none.
            sha256: [u8; 32] = Public,
            bytes: i64 = Public,
            payments: i64 = Public,
            paid: Fen = Public,
            refunds: i64 = Public,
            returned: Fen = Public,
            others: i64 = Public,
            /// In thousandths of a fen.
            fees: i64 = Public,
            fetched_at: Instant = Public,
        }
        ranges { }
    }
}

impl KeptBill {
    /// The row of a bill that was fetched and read through, or of a day without one.
    #[must_use]
    pub fn new(
        name: &BillName,
        file: Option<RawFile>,
        totals: &BillTotals,
        fetched_at: Instant,
    ) -> KeptBill {
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let file = file.unwrap_or_default();
        KeptBill {
            bucket: Bucket::default(),
            channel: name.channel,
            merchant: name.merchant.clone(),
            sort: name.sort,
            day: name.day,
            file: file.name,
            sha256: file.sha256,
            bytes: count(file.bytes),
            payments: count(totals.payments),
            paid: totals.paid,
            refunds: count(totals.refunds),
            returned: totals.returned,
            others: count(totals.others),
            fees: totals.fees.0,
            fetched_at,
        }
    }

    /// Whose bill it is.
    #[must_use]
    pub fn name(&self) -> BillName {
        BillName {
            channel: self.channel,
            merchant: self.merchant.clone(),
            sort: self.sort,
            day: self.day,
        }
    }

    /// The key under which the bill of a name is kept.
    #[must_use]
    pub fn key_of(name: &BillName) -> <KeptBill as Record>::Key {
        let merchant = name.merchant.clone();
        (
            Bucket::default(),
            name.channel,
            merchant,
            name.sort,
            name.day,
        )
    }

    /// The hash in lower-case hex.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        Hex(&self.sha256).to_string()
    }

    /// Whether the channel said that there is no bill.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.file.is_empty()
    }
}

/// The raw file of a bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawFile {
    /// Its place in the folder of bills.
    pub name: String,
    pub sha256: [u8; 32],
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_amounts_are_read_with_their_decimals_only() {
        for (text, decimals, exact) in [
            ("0.00", 2, Some(0)),
            ("380.00", 2, Some(38_000_000)),
            ("-123.45", 2, Some(-12_345_000)),
            ("2.28000", 5, Some(228_000)),
            ("-0.00001", 5, Some(-1)),
            ("2.28", 5, None),
            ("380.0", 2, None),
            ("380", 2, None),
            ("380.000", 2, None),
            (".00", 2, None),
            ("+1.00", 2, None),
            ("--1.00", 2, None),
            ("1.0a", 2, None),
            ("92233720368547.75", 2, Some(9_223_372_036_854_775_000)),
            ("92233720368548.00", 2, None),
        ] {
            assert_eq!(
                Exact::parse_yuan(text, decimals),
                exact.map(Exact),
                "{text}"
            );
        }
        for (exact, text) in [
            (0, "0.00"),
            (38_000_000, "380.00"),
            (-12_345_000, "-123.45"),
            (228_001, "2.28001"),
        ] {
            assert_eq!(Exact(exact).to_string(), text);
        }
        assert_eq!(Exact(-12_345_000).whole_fen(), Some(Fen::new(12_345)));
        assert_eq!(Exact(1).whole_fen(), None);
        assert_eq!(Exact::from_fen(Fen::MAX), None);
        assert_eq!(Exact::from_fen(Fen::new(7)), Some(Exact(7_000)));
        assert_eq!(Exact(7).checked_sub(Exact(9)), Some(Exact(-2)));
        assert_eq!(Exact(i64::MIN).checked_sub(Exact(1)), None);
    }

    #[test]
    fn a_kept_bill_is_named_and_bears_the_hash_of_its_file() {
        let name = BillName {
            channel: ChannelCode::Wechat,
            merchant: "1900000001".to_owned(),
            sort: BillSort::ALL[0],
            day: Date::constant(2026, 11, 21),
        };
        let sort = name.sort.code();
        let told = format!("wechat 1900000001 {sort} 2026-11-21");
        assert_eq!(name.to_string(), told);
        let file = RawFile {
            name: "a file".to_owned(),
            sha256: [0xab; 32],
            bytes: 7,
        };
        let kept = |file| KeptBill::new(&name, file, &BillTotals::default(), Instant(1));
        let (some, none) = (kept(Some(file)), kept(None));
        assert_eq!((some.is_none(), none.is_none()), (false, true));
        assert_eq!(some.sha256_hex(), "ab".repeat(32));
        assert_eq!(
            (some.name(), some.key()),
            (name.clone(), KeptBill::key_of(&name))
        );
    }

    #[test]
    fn totals_count_each_kind_apart_and_never_overflow() {
        let line = |kind, fen, fee| BillLine {
            channel: ChannelCode::Wechat,
            kind,
            our_no: String::new(),
            channel_no: String::new(),
            payment_no: None,
            amount: Fen::new(fen),
            fee: Exact(fee),
            at: Instant(0),
            day: Instant(0).date(),
            moved: true,
        };
        let lines = [
            line(BillKind::Success, 100, 600),
            line(BillKind::Success, 200, 1_200),
            line(BillKind::Refund, 50, -300),
            line(BillKind::Outlay, 9_999, 0),
        ];
        let totals = lines
            .iter()
            .try_fold(BillTotals::default(), BillTotals::with)
            .unwrap();
        let expected = BillTotals {
            payments: 2,
            paid: Fen::new(300),
            refunds: 1,
            returned: Fen::new(50),
            others: 1,
            fees: Exact(1_500),
        };
        assert_eq!((totals, totals.lines()), (expected, 4));
        let most = line(BillKind::Success, Fen::MAX.get(), 0);
        assert_eq!(totals.with(&most), None);
    }
}
