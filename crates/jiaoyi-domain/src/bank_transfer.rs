//! A bank transfer (转账退款) by which staff paid out what no channel gives back.
//!
//! The bank is none of our channels: nothing is sent and nothing is asked. What stands here is staff's
//! word, to be compared with the statement of the account that paid.

use crate::due::OrderId;
use crate::id::{Bucket, RefundNo};
use crate::institution::is_name;
use crate::money::Fen;
use crate::person::number_in;
use crate::record;
use crate::time::{Date, Instant};

record! {
    /// The bank transfer that paid one refund. Never changed.
    pub struct BankTransfer in 33 "bank_transfer" {
        key { bucket: Bucket = Public, refund_no: RefundNo = Public, }
        row {
            order_id: OrderId = Public,
            amount: Fen = Public,
            /// The bank's number of the transfer.
            reference: String = Public,
            /// The day on the statement of our account.
            paid_on: Date = Public,
            /// The last digits of the account that was paid, never more of it.
            account_tail: Option<String> = Public,
            /// Work number or login of whoever recorded it.
            recorded_by: String = Public,
            at: Instant = Public,
        }
        ranges { }
    }
}

/// The longest number of a bank's that is taken.
const REFERENCE_LEN_MAX: usize = 64;
/// How many digits of the payer's account are kept.
const TAIL_LEN_MAX: usize = 4;

/// What staff say of a transfer, with nothing in it that must not be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    reference: String,
    paid_on: Date,
    account_tail: Option<String>,
    by: String,
}

/// Why what staff say is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaidError {
    #[error("the bank's number of the transfer has 1 to {REFERENCE_LEN_MAX} of 0-9A-Za-z_-")]
    Reference,
    #[error("{0}; the bank's number of the transfer is wanted, nothing of the payer")]
    Personal(&'static str),
    #[error(
        "it reads like the number of a bank card, which is never kept; if it is the bank's number of \
         the transfer, write the bank's short name in front, such as ICBC-"
    )]
    Card,
    #[error("of the payer's account only the last {TAIL_LEN_MAX} digits are kept, or none")]
    AccountTail,
    #[error("whoever records it is named by work number or login: 1 to 30 of 0-9A-Za-z_-")]
    By,
}

impl Paid {
    /// Takes what staff say, if it can be kept.
    ///
    /// # Errors
    ///
    /// [`PaidError`] says what cannot, and what is wanted instead.
    pub fn new(
        reference: &str,
        paid_on: Date,
        account_tail: Option<&str>,
        by: &str,
    ) -> Result<Paid, PaidError> {
        if !is_name(reference, REFERENCE_LEN_MAX) {
            return Err(PaidError::Reference);
        }
        let tail = |tail: &str| {
            (1..=TAIL_LEN_MAX).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_digit())
        };
        if !account_tail.is_none_or(tail) {
            return Err(PaidError::AccountTail);
        }
        if !is_name(by, 30) {
            return Err(PaidError::By);
        }
        if is_card(reference) {
            return Err(PaidError::Card);
        }
        if let Some(what) = number_in(reference.as_bytes()).or_else(|| number_in(by.as_bytes())) {
            return Err(PaidError::Personal(what));
        }
        Ok(Paid {
            reference: reference.to_owned(),
            paid_on,
            account_tail: account_tail.map(str::to_owned),
            by: by.to_owned(),
        })
    }

    #[must_use]
    pub const fn paid_on(&self) -> Date {
        self.paid_on
    }

    /// Who records it.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Whether `known` is the transfer that this tells of.
    #[must_use]
    pub fn is(&self, known: &BankTransfer) -> bool {
        (&self.reference, self.paid_on) == (&known.reference, known.paid_on)
    }

    /// As the row of the refund that it pays.
    #[must_use]
    pub fn of(&self, refund: &crate::refund::Refund, at: Instant) -> BankTransfer {
        BankTransfer {
            bucket: refund.bucket,
            refund_no: refund.refund_no.clone(),
            order_id: refund.order_id,
            amount: refund.amount,
            reference: self.reference.clone(),
            paid_on: self.paid_on,
            account_tail: self.account_tail.clone(),
            recorded_by: self.by.clone(),
            at,
        }
    }
}

/// Whether a text could be the number of a bank card: 16 to 19 digits with the right check digit (Luhn).
fn is_card(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let weighed = text.bytes().rev().zip([1, 2].into_iter().cycle());
    let sum: u32 = weighed
        .map(|(byte, weight)| u32::from(byte.wrapping_sub(b'0')) * weight)
        .map(|product| product / 10 + product % 10)
        .sum();
    (16..=19).contains(&text.len()) && digits && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_payer_but_four_digits_is_taken() {
        let day = Date::constant(2027, 11, 20);
        let birth = Date::constant(1990, 3, 7);
        let document = crate::person::id_number("990101", birth, 12).unwrap();
        let long = "9".repeat(REFERENCE_LEN_MAX);
        let longer = "9".repeat(REFERENCE_LEN_MAX + 1);
        let personal = |what| Some(PaidError::Personal(what));
        for (reference, tail, by, error) in [
            ("HQP20271120-01", Some("0042"), "w1024", None),
            (&long, None, "li_wei", None),
            ("", None, "w1", Some(PaidError::Reference)),
            (&longer, None, "w1", Some(PaidError::Reference)),
            ("转账", None, "w1", Some(PaidError::Reference)),
            ("6222020000000007", None, "w1", Some(PaidError::Card)),
            ("6222020200000000006", None, "w1", Some(PaidError::Card)),
            ("6222020000000008", None, "w1", None),
            ("ICBC-6222020000000007", None, "w1", None),
            (
                "13800138000",
                None,
                "w1",
                personal("a mobile number stands in it"),
            ),
            (
                &document,
                None,
                "w1",
                personal("a document number stands in it"),
            ),
            ("1", Some("00042"), "w1", Some(PaidError::AccountTail)),
            ("1", Some(""), "w1", Some(PaidError::AccountTail)),
            ("1", Some("4a"), "w1", Some(PaidError::AccountTail)),
            ("1", None, "", Some(PaidError::By)),
            ("1", None, "王小明", Some(PaidError::By)),
            (
                "1",
                None,
                "13800138000",
                personal("a mobile number stands in it"),
            ),
        ] {
            let taken = Paid::new(reference, day, tail, by);
            assert_eq!(taken.err(), error, "{reference} {tail:?} {by}");
        }
    }
}
