//! The books: every movement of money is one row with a debit and a credit account.
//!
//! Any set of such rows balances by construction. Rows never change; a correction is a new row.
//! Balances are sums; there is no balance row.

use crate::channel::ChannelCode;
use crate::due::OrderId;
use crate::fact::Fact;
use crate::id::Bucket;
use crate::money::Fen;
use crate::time::{Date, Instant};
use crate::{codes, id16, record};

id16! {
    /// One transfer.
    TransferId;
    /// What ties the two halves of a movement between buckets together.
    TransitId;
}

codes! {
    /// What a transfer is about.
    pub enum TransferKind {
        /// A line was filled: channel money, or a subsidy, became premium.
        Premium = 1 "premium",
        /// Money that found no slot.
        Surplus = 2 "surplus",
        /// Surplus or premium on its way back to the payer.
        RefundApproved = 3 "refund_approved",
        /// The payer has it.
        RefundDone = 4 "refund_done",
        /// Surplus that became premium after all.
        Applied = 5 "applied",
        /// One half of a movement between buckets.
        Transit = 6 "transit",
        /// A transfer of premium undone: the institution took its payment back on the same day.
        Reversed = 7 "reversed",
        /// The payer has it by a bank transfer of staff's; no channel paid it.
        BankTransfer = 8 "bank_transfer",
    }
}

/// An account (科目) of the books, printed as `name:part:…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// Money a channel has taken and not yet settled, by the channel's day.
    Clearing { channel: ChannelCode, day: Date },
    /// What an institution has taken and owes us, by its accounting day.
    Institution { inst_id: String, day: Date },
    /// Owed to the treasury: premium of a region, benefit year and item. Nobody's income.
    Collected {
        region: String,
        benefit_year: i16,
        item: String,
    },
    /// What a payer of subsidies owes.
    Aid { payer: String },
    /// Money without a due, until it goes back.
    Suspense { channel: ChannelCode },
    /// Owed to payers: approved refunds.
    RefundPayable { channel: ChannelCode },
    /// What left our own bank account for payers, by the day of the bank's statement.
    BankTransfer { day: Date },
    /// Between two buckets.
    Transit,
}

impl Account {
    /// Where the money of a fact lies until it is settled.
    #[must_use]
    pub fn taken(fact: &Fact) -> Account {
        match fact.channel {
            ChannelCode::Inbound(_) => Account::Institution {
                inst_id: fact.merchant.clone(),
                day: fact.channel_day,
            },
            ChannelCode::Wechat
            | ChannelCode::Alipay
            | ChannelCode::Unionpay
            | ChannelCode::Bank1
            | ChannelCode::Bank2 => Account::Clearing {
                channel: fact.channel,
                day: fact.channel_day,
            },
        }
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Account::Clearing { channel, day } => write!(f, "clearing:{}:{day}", channel.code()),
            Account::Institution { inst_id, day } => write!(f, "institution:{inst_id}:{day}"),
            Account::Collected {
                region,
                benefit_year,
                item,
            } => {
                write!(f, "collected:{region}:{benefit_year}:{item}")
            }
            Account::Aid { payer } => write!(f, "aid:{payer}"),
            Account::Suspense { channel } => write!(f, "suspense:{}", channel.code()),
            Account::RefundPayable { channel } => write!(f, "refund_payable:{}", channel.code()),
            Account::BankTransfer { day } => write!(f, "bank_transfer:{day}"),
            Account::Transit => f.write_str("transit"),
        }
    }
}

record! {
    /// One transfer: `amount` from the credit account to the debit account.
    pub struct Transfer in 11 "transfer" {
        key {
            bucket: Bucket = Public,
            order_id: OrderId = Public,
            transfer_id: TransferId = Public,
        }
        row {
            debit: String = Public,
            credit: String = Public,
            amount: Fen = Public,
            kind: TransferKind = Public,
            line_no: u32 = Public,
            /// The due whose slot it concerns, when it does.
            due_id: Option<crate::due::DueId> = Public,
            generation: Option<u32> = Public,
            /// The fact that brought the money; none for subsidies of a due of 0 yuan.
            channel: Option<ChannelCode> = Public,
            merchant: Option<String> = Public,
            txn_id: Option<String> = Public,
            refund_no: Option<crate::id::RefundNo> = Public,
            transit_id: Option<TransitId> = Public,
            /// From the channel's message.
            channel_day: Option<Date> = Public,
            /// From the chain, not from the clock.
            book_day: Date = Public,
            at: Instant = Public,
        }
        ranges { "by_order" (bucket, order_id), }
    }
}
