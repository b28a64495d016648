//! A fact: money seen at a channel. It is never refused and never counted twice.

use crate::channel::ChannelCode;
use crate::due::OrderId;
use crate::id::{AttemptNo, Bucket};
use crate::money::Fen;
use crate::time::{Date, Instant};
use crate::{codes, record};

codes! {
    /// What kind of money movement a channel told of.
    pub enum FactKind {
        /// The channel took money from a payer.
        Success = 1 "success",
        /// The channel gave money back, also when it was done in its own console.
        Refund = 2 "refund",
        /// The institution undid the payment on the same accounting day (冲正).
        Reversal = 3 "reversal",
        /// The payer's bank took the money back.
        Chargeback = 4 "chargeback",
    }
}

codes! {
    /// How we learnt of it first.
    pub enum FactSource {
        Notice = 1 "notice",
        Query = 2 "query",
        Bill = 3 "bill",
        /// An institution asked us, and we said yes.
        Call = 4 "call",
        /// An institution's day file lists it, and no call of it has brought it.
        DayFile = 5 "day_file",
    }
}

record! {
    /// One fact, known by channel, merchant and the channel's number.
    pub struct Fact in 9 "fact" versioned version {
        key {
            bucket: Bucket = Public,
            channel: ChannelCode = Public,
            merchant: String = Public,
            txn_id: String = Public,
            kind: FactKind = Public,
        }
        row {
            attempt_no: AttemptNo = Public fixed,
            order_id: OrderId = Public fixed,
            amount: Fen = Public fixed,
            /// When the payer acted, by the channel's clock.
            paid_at: Instant = Public fixed,
            channel_day: Date = Public fixed,
            source: FactSource = Public fixed,
            seen_at: Instant = Public fixed,
            /// A query confirmed this success and its amount.
            confirmed_at: Option<Instant> = Public,
            /// What became premium, by line.
            premium: Fen = Public,
            /// What found no slot, by line.
            surplus: Fen = Public,
            /// Given back or on the way back; never more than `amount`.
            returned_or_reserved: Fen = Public,
            version: u32 = Public,
        }
        ranges { "by_attempt" (bucket, attempt_no), }
    }
}

impl Fact {
    /// Reserves `amount` to be given back; `false` when that would be more than was taken.
    pub fn reserve(&mut self, amount: Fen) -> bool {
        match self.returned_or_reserved.checked_add(amount) {
            Some(sum) if sum <= self.amount => {
                self.returned_or_reserved = sum;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Takes back a reservation that will not be paid out.
    pub fn unreserve(&mut self, amount: Fen) {
        self.returned_or_reserved = self
            .returned_or_reserved
            .checked_sub(amount)
            .unwrap_or(Fen::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::IdSource;

    #[test]
    fn never_more_is_given_back_than_was_taken() {
        let bucket = Bucket::default();
        let mut fact = Fact {
            bucket,
            channel: ChannelCode::Wechat,
            merchant: "mch".to_owned(),
            txn_id: "txn".to_owned(),
            kind: FactKind::Success,
            attempt_no: AttemptNo::draw(bucket, &mut IdSource::new([1; 32], 0)),
            order_id: OrderId([1; 16]),
            amount: Fen::new(100),
            paid_at: Instant(0),
            channel_day: Instant(0).date(),
            source: FactSource::Query,
            seen_at: Instant(0),
            confirmed_at: None,
            premium: Fen::ZERO,
            surplus: Fen::ZERO,
            returned_or_reserved: Fen::ZERO,
            version: 1,
        };
        for (amount, taken, sum) in [
            (60, true, 60),
            (41, false, 60),
            (u64::MAX, false, 60),
            (40, true, 100),
            (1, false, 100),
        ] {
            assert_eq!(fact.reserve(Fen::new(amount)), taken, "{amount}");
            assert_eq!(fact.returned_or_reserved, Fen::new(sum), "{amount}");
        }
        fact.unreserve(Fen::new(40));
        assert_eq!(fact.returned_or_reserved, Fen::new(60));
        fact.unreserve(Fen::new(61));
        assert_eq!(fact.returned_or_reserved, Fen::ZERO);
    }
}
