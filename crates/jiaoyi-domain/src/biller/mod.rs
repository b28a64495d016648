//! The biller API: what an institution's calls leave behind, and the names it uses.
//!
//! Its serial is a name that others make, so it is *claimed* first, in the bucket of its hash; the
//! decision then lies in the bucket of the due, under the same name (CORE.md 9). A claim without a
//! decision, or a name that nobody has used, can be declared dead: a *tombstone*.

mod error;
pub mod wire;

pub use error::ErrorCode;

use crate::channel::ChannelCode;
use crate::due::{DueId, OrderId};
use crate::hex::{self, Hex};
use crate::id::{AttemptNo, Bucket, check_character};
use crate::money::Fen;
use crate::time::{Date, Instant};
use crate::{codes, record};
use std::fmt;

codes! {
    /// What a serial was used for, or why it can be used no more.
    pub enum Verb {
        Collect = 1 "collect",
        Release = 2 "release",
        Pay = 3 "pay",
        Reverse = 4 "reverse",
        /// A reversal came first: whatever comes later under it is refused.
        ReversedFirst = 5 "reversed_first",
        /// A question about it came first and was told that there is nothing.
        AskedFirst = 6 "asked_first",
        /// A day file tells of a payment that no call has brought; under [`told_seq`].
        Told = 7 "told",
        /// A day file told of a payment under it first: whatever comes later under it is refused.
        ToldFirst = 8 "told_first",
    }
}

impl Verb {
    /// Whether the serial was declared dead before any call used it.
    #[must_use]
    pub const fn is_tombstone(self) -> bool {
        matches!(
            self,
            Verb::ReversedFirst | Verb::AskedFirst | Verb::ToldFirst
        )
    }
}

/// The name under which a day file's word about a serial is kept, beside the call of that serial. No
/// institution can make it: a serial has no colon.
#[must_use]
pub fn told_seq(seq: &str) -> String {
    format!("{TOLD}{seq}")
}

/// The serial of [`told_seq`].
#[must_use]
pub fn serial_told(name: &str) -> Option<&str> {
    name.strip_prefix(TOLD)
}

/// The name under which a day file's word is kept that a payment was undone or given back.
#[must_use]
pub fn back_seq(seq: &str) -> String {
    format!("back:{seq}")
}

const TOLD: &str = "day:";

codes! {
    /// What became of a call.
    pub enum CallState {
        /// It was done.
        Done = 1 "done",
        /// It was refused, finally.
        Refused = 2 "refused",
        /// It was done and then undone.
        Reversed = 3 "reversed",
        /// Claimed, and undone or declared unknown before it was decided.
        Dead = 4 "dead",
    }
}

/// Which state of a call may follow which.
pub const fn call_may_go(from: CallState, to: CallState) -> bool {
    matches!((from, to), (CallState::Done, CallState::Reversed))
}

codes! {
    /// Why a call was refused.
    pub enum Reason {
        AlreadyPaid = 1 "ALREADY_PAID",
        Locked = 2 "LOCKED",
        AmountMismatch = 3 "AMOUNT_MISMATCH",
        NotPayable = 4 "NOT_PAYABLE",
        NothingToPay = 5 "NOTHING_TO_PAY",
        WindowClosed = 6 "WINDOW_CLOSED",
        OutsideHours = 7 "OUTSIDE_HOURS",
        PaidAtInvalid = 8 "PAID_AT_INVALID",
        DayClosed = 9 "DAY_CLOSED",
        Tombstone = 10 "TOMBSTONE",
        UseRefund = 11 "USE_REFUND",
        NotReversible = 12 "NOT_REVERSIBLE",
    }
}

impl Reason {
    /// What the institution's people read.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Reason::AlreadyPaid => "the bill is paid already; give the money back",
            Reason::Locked => "somebody else is paying this bill",
            Reason::AmountMismatch => "the amount is not the whole amount",
            Reason::NotPayable => "the bill cannot be paid",
            Reason::NothingToPay => "there is nothing to pay: others pay the whole amount",
            Reason::WindowClosed => "the bill could not be paid at this time",
            Reason::OutsideHours => "outside the hours of collection",
            Reason::PaidAtInvalid => "the time of payment is not inside the accounting day",
            Reason::DayClosed => "the accounting day is not open",
            Reason::Tombstone => "this serial was reversed or declared unknown before it came",
            Reason::UseRefund => "the accounting day has closed; apply for a refund",
            Reason::NotReversible => "the original cannot be reversed",
        }
    }
}

record! {
    /// One serial of one institution, claimed before anything is decided under it. Never changed.
    pub struct Claim in 28 "claim" {
        key {
            /// The bucket of the name's hash.
            bucket: Bucket = Public,
            inst_id: String = Public,
            seq: String = Public,
        }
        row {
            verb: Verb = Public,
            /// Hash of verb and content; zero for a tombstone.
            body_hash: [u8; 32] = Public,
            /// Where the decision lies.
            target: Bucket = Public,
            at: Instant = Public,
        }
        ranges { }
    }
}

record! {
    /// One decided call, in the bucket of what it is about.
    pub struct BillerCall in 29 "biller_call" state state versioned version {
        key { bucket: Bucket = Public, inst_id: String = Public, seq: String = Public, }
        row {
            verb: Verb = Public fixed,
            state: CallState = Public,
            /// Why it was refused.
            reason: Option<Reason> = Public fixed,
            body_hash: [u8; 32] = Public fixed,
            /// The first answer, word for word; of what a day file told, its [`Evidence`].
            answer: String = Public fixed,
            /// The accounting day in which the institution books it.
            trace_date: Date = Public fixed,
            channel: Option<ChannelCode> = Public fixed,
            due_id: Option<DueId> = Public fixed,
            generation: Option<u32> = Public fixed,
            /// The order that it made or held.
            order_id: Option<OrderId> = Public fixed,
            attempt_no: Option<AttemptNo> = Public fixed,
            /// What was asked to be paid or undone.
            amount: Fen = Public fixed,
            /// The serial that it undoes.
            undoes: Option<String> = Public fixed,
            at: Instant = Public fixed,
            /// The serial that undid it, and when.
            undone_by: Option<String> = Public,
            ended_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { "by_order" (bucket, order_id), }
    }
}

record! {
    /// One day file of an institution, raw and sealed, with what came of comparing it.
    pub struct DayFile in 30 "day_file" {
        key {
            /// The bucket of the institution's name.
            bucket: Bucket = Public,
            inst_id: String = Public,
            day: Date = Public,
            /// SHA-256 of the raw file.
            file_hash: [u8; 32] = Public,
        }
        row {
            received_at: Instant = Public,
            body_sealed: Vec<u8> = Sealed,
            /// What it was answered.
            answer: String = Public,
            /// The result file.
            result: String = Public,
        }
        ranges { "by_day" (bucket, inst_id, day), }
    }
}

impl DayFile {
    /// How a message names it: institution, day and hash.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}:{}:{}", self.inst_id, self.day, Hex(&self.file_hash))
    }

    /// Institution, day and hash of a [`DayFile::name`].
    #[must_use]
    pub fn read_name(name: &str) -> Option<(String, Date, [u8; 32])> {
        let (inst_id, rest) = name.split_once(':')?;
        let (day, hash) = rest.split_once(':')?;
        Some((inst_id.to_owned(), day.parse().ok()?, hex::bytes(hash)?))
    }
}

/// Where a day file told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The accounting day of the file.
    pub day: Date,
    /// SHA-256 of the raw file, by which it is kept.
    pub file_hash: [u8; 32],
    /// The line of the file, counted from 1.
    pub line: u32,
}

impl Evidence {
    /// Reads it back from its text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Evidence> {
        let (day, rest) = text.split_once(' ')?;
        let (hash, line) = rest.split_once(' ')?;
        Some(Evidence {
            day: day.parse().ok()?,
            file_hash: hex::bytes(hash)?,
            line: line.parse().ok()?,
        })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.day, Hex(&self.file_hash), self.line)
    }
}

/// The number of a bill (账单号) as institutions know it: one due, whatever its generation.
///
/// 30 characters: `B`, three of bucket, 25 that are the due's id in base 36, one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BillNo {
    pub bucket: Bucket,
    pub due_id: DueId,
}

/// Digits of a due's id in base 36.
const BILL_DIGITS: usize = 25;

impl BillNo {
    /// Reads a number; `None` when its shape or check character is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<BillNo> {
        let body = text.get(..29)?;
        let checked = check_character(body)? == char::from(*text.as_bytes().get(29)?);
        if text.len() != 30 || !body.starts_with('B') || !checked {
            return None;
        }
        let bucket = Bucket::from_code(body.get(1..4)?)?;
        let mut digits = body.get(4..)?.chars();
        let id = digits.try_fold(0_u128, |id, digit| {
            id.checked_mul(36)?.checked_add(digit.to_digit(36)?.into())
        });
        let due_id = DueId(id?.to_be_bytes());
        Some(BillNo { bucket, due_id })
    }
}

impl fmt::Display for BillNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut id = u128::from_be_bytes(self.due_id.0);
        let mut digits = [b'0'; BILL_DIGITS];
        for digit in digits.iter_mut().rev() {
            let value = u32::try_from(id % 36).unwrap_or(0);
            let letter = char::from_digit(value, 36).unwrap_or('0');
            *digit = u8::try_from(letter.to_ascii_uppercase()).unwrap_or(b'0');
            id /= 36;
        }
        let digits: String = digits.into_iter().map(char::from).collect();
        let body = format!("B{}{digits}", self.bucket.code());
        let check = check_character(&body).unwrap_or('0');
        write!(f, "{body}{check}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_dead_when_something_else_came_first() {
        let dead = Verb::ALL.iter().filter(|verb| verb.is_tombstone());
        let dead: Vec<&str> = dead.map(|verb| verb.code()).collect();
        assert_eq!(dead, ["reversed_first", "asked_first", "told_first"]);
    }

    #[test]
    fn the_name_of_a_day_file_is_read_back() {
        let file = DayFile {
            bucket: Bucket::default(),
            inst_id: "bank-1".to_owned(),
            day: Date::constant(2026, 11, 28),
            file_hash: [0xab; 32],
            received_at: Instant(1),
            body_sealed: Vec::new(),
            answer: String::new(),
            result: String::new(),
        };
        let name = format!("bank-1:2026-11-28:{}", "ab".repeat(32));
        assert_eq!(file.name(), name);
        let read = ("bank-1".to_owned(), file.day, file.file_hash);
        assert_eq!(DayFile::read_name(&name), Some(read));
        for wrong in [
            "bank-1",
            "bank-1:2026-11-28",
            "bank-1:2026-11-31:ab",
            "b:2026-11-28:ab",
        ] {
            assert_eq!(DayFile::read_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_bill_number_is_its_due_and_notices_a_slip() {
        for (bucket, id) in [(0, [0; 16]), (4095, [0xff; 16]), (35, [7; 16])] {
            let bill = BillNo {
                bucket: Bucket::try_new(bucket).unwrap(),
                due_id: DueId(id),
            };
            let text = bill.to_string();
            assert_eq!((text.len(), BillNo::parse(&text)), (30, Some(bill)));
            for (place, letter) in text.char_indices() {
                let other = if letter == 'A' { "B" } else { "A" };
                let mut slip = text.clone();
                slip.replace_range(place..=place, other);
                assert_eq!(BillNo::parse(&slip), None, "{slip}");
            }
            for wrong in [
                format!("{text}0"),
                text.to_lowercase(),
                text[1..].to_owned(),
            ] {
                assert_eq!(BillNo::parse(&wrong), None, "{wrong}");
            }
        }
        assert_eq!(BillNo::parse("缴费缴费缴费缴费缴费"), None);
    }

    #[test]
    fn evidence_reads_as_it_is_written() {
        let mut file_hash = [0xab; 32];
        (file_hash[0], file_hash[31]) = (0, 1);
        let day = Date::constant(2026, 11, 22);
        let line = 4_000_000_000;
        let evidence = Evidence {
            day,
            file_hash,
            line,
        };
        let text = evidence.to_string();
        assert_eq!(Evidence::parse(&text), Some(evidence));
        let plus = text.replacen("00", "+0", 1);
        for wrong in ["", "2026-11-22", &text[1..], &text[..70], &plus] {
            assert_eq!(Evidence::parse(wrong), None, "{wrong}");
        }
        let name = format!("BANK01:2026-11-22:{}", Hex(&file_hash));
        let known = Some(("BANK01".to_owned(), day, file_hash));
        assert_eq!(DayFile::read_name(&name), known);
        assert_eq!(DayFile::read_name(&name[..70]), None);
    }

    #[test]
    fn no_serial_can_be_the_name_of_what_was_told() {
        for name in [told_seq("s1"), back_seq("s1")] {
            assert!(!crate::institution::is_name(&name, 60), "{name}");
        }
        assert_eq!(serial_told(&told_seq("s1")), Some("s1"));
        assert_eq!(serial_told("s1"), None);
    }

    #[test]
    fn a_call_that_was_done_may_be_undone_and_nothing_else_moves() {
        let mut ways = Vec::new();
        for from in CallState::ALL {
            let after = CallState::ALL.iter().filter(|to| call_may_go(*from, **to));
            ways.extend(after.map(|to| (from.code(), to.code())));
        }
        assert_eq!(ways, [("done", "reversed")]);
    }
}
