//! The channel's own books against ours, transaction by transaction, both ways.
//!
//! The file is what the sandbox answers to `GET /_sandbox/books`; of each entry in `transactions`
//! these fields are read, amounts in fen:
//!
//! ```text
//! {"channel":"wechat","merchant":"…","out_trade_no":"JA…","transaction_id":"…" or null,
//!  "amount_fen":38000,"refunds":[{"out_refund_no":"JR…","amount_fen":38000,"state":"success"}]}
//! ```
//!
//! An entry with a `transaction_id` was paid. `processing`, `success`, `abnormal` and `closed` are the
//! states of a refund.

use super::view::View;
use super::{Given, Report, VerifyError};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::{Refund, RefundState};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Deserialize)]
struct File {
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Transaction {
    channel: String,
    merchant: String,
    out_trade_no: String,
    transaction_id: Option<String>,
    amount_fen: u64,
    refunds: Vec<PaidBack>,
}

#[derive(Deserialize)]
struct PaidBack {
    out_refund_no: String,
    amount_fen: u64,
    state: String,
}

/// One thing the channel did, and whether ours was found, by whatever thread.
struct Told {
    number: String,
    amount: u64,
    state: String,
    found: AtomicBool,
}

/// The channel's books, while they are compared.
pub(super) struct Books {
    /// By channel, merchant and transaction.
    payments: BTreeMap<(String, String, String), Told>,
    /// By channel and our number of the refund.
    refunds: BTreeMap<(String, String), Told>,
}

/// Reads the channel's books.
pub(super) fn load(given: &Given) -> Result<Books, VerifyError> {
    let trouble = |why: String| VerifyError::ChannelBooks {
        path: given.name(),
        why,
    };
    let read = given.open().map_err(|error| trouble(error.to_string()))?;
    let file: File = serde_json::from_reader(read).map_err(|error| trouble(error.to_string()))?;
    let mut books = Books {
        payments: BTreeMap::new(),
        refunds: BTreeMap::new(),
    };
    for row in file.transactions {
        for refund in row.refunds {
            let told = Told {
                number: row.out_trade_no.clone(),
                amount: refund.amount_fen,
                state: refund.state,
                found: AtomicBool::new(false),
            };
            books
                .refunds
                .insert((row.channel.clone(), refund.out_refund_no), told);
        }
        if let Some(transaction) = row.transaction_id {
            let told = Told {
                number: row.out_trade_no,
                amount: row.amount_fen,
                state: "paid".to_owned(),
                found: AtomicBool::new(false),
            };
            books
                .payments
                .insert((row.channel, row.merchant, transaction), told);
        }
    }
    Ok(books)
}

impl Books {
    /// Compares the rows of one range.
    pub(super) fn compare(&self, view: &View<'_>, report: &mut Report) {
        for fact in view
            .part
            .facts
            .values()
            .filter(|fact| fact.kind == FactKind::Success)
        {
            self.payment(fact, report);
        }
        for refund in view.part.refunds.values() {
            self.refund(view, refund, report);
        }
    }

    fn payment(&self, fact: &Fact, report: &mut Report) {
        report.count("channel payments", 1);
        let channel = fact.channel.code().to_owned();
        let name = (channel, fact.merchant.clone(), fact.txn_id.clone());
        let Some(told) = self.payments.get(&name) else {
            // An institution has books of its own: its day file is compared with ours.
            if fact.channel.front_end().is_some() {
                return;
            }
            report.fail_row(
                "channel.payment",
                fact,
                "the channel's books do not have it",
            );
            return;
        };
        told.found.store(true, Ordering::Relaxed);
        let same = told.amount == fact.amount.get() && told.number == fact.attempt_no.as_str();
        let what = format!("the channel took {} for {}", told.amount, told.number);
        report.demand(same, "channel.payment", fact, &what);
    }

    fn refund(&self, view: &View<'_>, refund: &Refund, report: &mut Report) {
        // What an institution gives back stands in its day files.
        if refund.channel.front_end().is_some() {
            return;
        }
        let channel = refund.channel.code().to_owned();
        let told = self
            .refunds
            .get(&(channel, refund.channel_no.as_str().to_owned()));
        if let Some(told) = told {
            report.count("channel refunds", 1);
            told.found.store(true, Ordering::Relaxed);
            let same =
                told.amount == refund.amount.get() && told.number == refund.attempt_no.as_str();
            let what = format!("the channel gave back {} for {}", told.amount, told.number);
            report.demand(same, "channel.refund", refund, &what);
        }
        let state = told.map(|told| told.state.as_str());
        // What staff paid by bank transfer is not the channel's, unless it told of it as well.
        let by_staff = view.bank_transfer_of(refund).is_some()
            && !view.part.facts.contains_key(&refund.paid_out_key());
        let ours = if by_staff {
            "paid by bank transfer"
        } else {
            refund.state.code()
        };
        let holds = match refund.state {
            RefundState::Done => by_staff != (state == Some("success")),
            // Sent, and the answer did not come back yet; or it never arrived.
            RefundState::Sent | RefundState::Unknown | RefundState::Manual => true,
            RefundState::Held
            | RefundState::Requested
            | RefundState::Approved
            | RefundState::Cancelled => state.is_none(),
        };
        let what = format!(
            "it is {ours} here and {} at the channel",
            state.unwrap_or("not known")
        );
        report.demand(holds, "channel.refund", refund, &what);
    }

    /// Names what the channel did and we do not have.
    pub(super) fn finish(self, report: &mut Report) {
        for ((channel, merchant, transaction), told) in self.payments {
            if told.found.into_inner() {
                continue;
            }
            let bucket = AttemptNo::parse(&told.number).map(|no| no.bucket().get().to_string());
            let bucket = bucket.unwrap_or_else(|| "?".to_owned());
            let success = FactKind::Success.code();
            let key = format!("{bucket}/{channel}/{merchant}/{transaction}/{success}");
            let what = format!("the channel took {} for {}", told.amount, told.number);
            report.fail("channel.payment", Fact::SPEC.name, key, what);
        }
        for ((channel, number), told) in self.refunds {
            // A number that the channel closed was replaced by another one.
            let found = told.found.into_inner();
            if found || told.state == "closed" || ChannelCode::from_code(&channel).is_none() {
                continue;
            }
            let bucket = RefundNo::parse(&number).map(|no| no.bucket().get().to_string());
            let key = format!("{}/{number}", bucket.unwrap_or_else(|| "?".to_owned()));
            let what = format!("the channel gave back {} for {}", told.amount, told.number);
            report.fail("channel.refund", Refund::SPEC.name, key, what);
        }
    }
}
