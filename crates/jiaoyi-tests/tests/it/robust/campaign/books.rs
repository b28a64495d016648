//! The books of both sides as lists of movements, which have to be the same list.
//!
//! Read straight from the tables and from what the sandbox tells; `verify` compares as well, by other
//! code.

use anyhow::{Result, ensure};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::record::Record;
use jiaoyi_store::{Database, Snapshot};
use serde_json::Value;

/// One movement of money at a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Movement {
    pub channel: String,
    pub is_payment: bool,
    /// Our number: of the attempt, or of the refund.
    pub our_no: String,
    /// The channel's number of a payment.
    pub channel_no: String,
    pub amount_fen: u64,
    /// The second in which it was paid; channels tell no milliseconds.
    pub paid_at_s: i64,
}

/// All rows of a kind.
///
/// # Errors
///
/// When the database cannot be read, or a row does not read as its type.
pub fn rows<R: Record>(database: &Database) -> Result<Vec<R>> {
    let snapshot = tokio::task::block_in_place(|| Snapshot::open(database))?;
    let (mut rows, mut damaged) = (Vec::new(), 0);
    tokio::task::block_in_place(|| {
        snapshot.scan_raw::<R>(|values| match R::from_values(values) {
            Some(row) => rows.push(row),
            None => damaged += 1,
        })
    })?;
    ensure!(
        damaged == 0,
        "{damaged} rows of {} do not read",
        R::SPEC.name
    );
    Ok(rows)
}

/// What the platform holds of the channels that the sandbox plays.
///
/// # Errors
///
/// As [`rows`].
pub fn ours(database: &Database) -> Result<Vec<Movement>> {
    let facts: Vec<Fact> = rows(database)?;
    let mut movements: Vec<Movement> = facts
        .into_iter()
        .filter(|fact| !matches!(fact.channel, ChannelCode::Inbound(_)))
        .filter(|fact| matches!(fact.kind, FactKind::Success | FactKind::Refund))
        .map(|fact| {
            let is_payment = fact.kind == FactKind::Success;
            let (own, channels) = if is_payment {
                (fact.attempt_no.as_str().to_owned(), fact.txn_id)
            } else {
                // A refund's fact bears our number.
                (fact.txn_id, String::new())
            };
            Movement {
                channel: fact.channel.code().to_owned(),
                is_payment,
                our_no: own,
                channel_no: channels,
                amount_fen: fact.amount.get(),
                paid_at_s: if is_payment {
                    fact.paid_at.0.div_euclid(1_000)
                } else {
                    0
                },
            }
        })
        .collect();
    movements.sort();
    Ok(movements)
}

/// What the sandbox tells of all channels.
pub fn theirs(books: &Value) -> Vec<Movement> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut movements = Vec::new();
    for trade in list(&books["transactions"]) {
        let channel = text(&trade["channel"]);
        if trade["paid_at_ms"].is_i64() {
            movements.push(Movement {
                channel: channel.clone(),
                is_payment: true,
                our_no: text(&trade["out_trade_no"]),
                channel_no: text(&trade["transaction_id"]),
                amount_fen: trade["amount_fen"].as_u64().unwrap_or(0),
                paid_at_s: trade["paid_at_ms"].as_i64().unwrap_or(0).div_euclid(1_000),
            });
        }
        for refund in list(&trade["refunds"]) {
            if refund["state"] == "success" {
                movements.push(Movement {
                    channel: channel.clone(),
                    is_payment: false,
                    our_no: text(&refund["out_refund_no"]),
                    channel_no: String::new(),
                    amount_fen: refund["amount_fen"].as_u64().unwrap_or(0),
                    paid_at_s: 0,
                });
            }
        }
    }
    movements.sort();
    movements
}

/// Compares the books of both sides; how many movements they hold.
///
/// # Errors
///
/// The first movement that only one of them has.
pub fn are_equal(ours: &[Movement], theirs: &[Movement]) -> Result<usize> {
    for (own, other) in ours.iter().zip(theirs) {
        ensure!(own == other, "ours {own:?}\ntheirs {other:?}");
    }
    let longer = ours.iter().skip(theirs.len());
    let longer = longer.chain(theirs.iter().skip(ours.len())).next();
    ensure!(longer.is_none(), "only one side has {longer:?}");
    Ok(ours.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn movement(our_no: &str, amount_fen: u64) -> Movement {
        Movement {
            channel: "wechat".to_owned(),
            is_payment: true,
            our_no: our_no.to_owned(),
            channel_no: "4200".to_owned(),
            amount_fen,
            paid_at_s: 1,
        }
    }

    #[test]
    fn one_fen_or_one_row_more_is_found() {
        let books = [movement("A", 1), movement("B", 2)];
        assert_eq!(are_equal(&books, &books).unwrap(), 2);
        let other = [movement("A", 1), movement("B", 3)];
        assert!(are_equal(&books, &other).is_err());
        assert!(are_equal(&books, &books[..1]).is_err());
        assert!(are_equal(&books[..1], &books).is_err());
    }
}
