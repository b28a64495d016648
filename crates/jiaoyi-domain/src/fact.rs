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
