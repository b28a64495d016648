//! Answers for: what all bills are made of, payments and refunds of a day from the channel's own
//! books, and what fault scripts do to them.

use jiff::civil::Date;

use crate::books::{Books, Channel, Refund, Trade};
use crate::faults::{Deed, Fault};
use crate::times::day;

/// A payment or a refund of the bill's day, in the order in which they happened.
#[derive(Clone)]
pub(crate) struct Line<'a> {
    pub(crate) at_ms: i64,
    pub(crate) trade: &'a Trade,
    pub(crate) transaction_id: &'a str,
    pub(crate) refund: Option<&'a Refund>,
    pub(crate) amount_fen: u64,
    /// What the channel keeps of a payment and gives back with a refund.
    pub(crate) fee_fen: u64,
}

impl Line<'_> {
    /// What reaches or leaves the merchant.
    pub(crate) fn net_fen(&self) -> u64 {
        self.amount_fen.saturating_sub(self.fee_fen)
    }
}

/// Payments by their time, and refunds by the time that `when` picks; `is_in` says of a time
/// whether it is the bill's.
pub(crate) fn lines(
    books: &Books,
    channel: Channel,
    is_in: impl Fn(i64) -> bool,
    when: impl Fn(&Refund) -> Option<i64>,
) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let own = books.trades.values();
    for trade in own.filter(|trade| trade.key.channel == channel) {
        let Some(payment) = &trade.payment else {
            continue;
        };
        let paid = (Some(payment.at_ms), None, trade.amount_fen);
        let refunds = trade.refunds.iter();
        let returned = refunds.map(|refund| (when(refund), Some(refund), refund.amount_fen));
        for (at_ms, refund, amount_fen) in std::iter::once(paid).chain(returned) {
            if let Some(at_ms) = at_ms.filter(|at_ms| is_in(*at_ms)) {
                lines.push(Line {
                    at_ms,
                    trade,
                    transaction_id: &payment.transaction_id,
                    refund,
                    amount_fen,
                    fee_fen: (amount_fen * books.fee_bp + 5_000) / 10_000,
                });
            }
        }
    }
    lines.sort_by_key(|line| line.at_ms);
    lines
}

/// Lines of some civil days, refunds on the day on which they were asked for.
pub(crate) fn lines_of_days<'b>(
    books: &'b Books,
    channel: Channel,
    days: &[Date],
) -> Vec<Line<'b>> {
    let is_in = |at_ms| days.contains(&day(at_ms));
    lines(books, channel, is_in, |refund| Some(refund.requested_at_ms))
}

/// What a fault script makes of a bill; its totals are those of what is left.
pub(crate) fn twist(lines: &mut Vec<Line<'_>>, fault: Option<&Fault>) {
    match fault.map(|fault| fault.deed) {
        Some(Deed::Contradict) if !lines.is_empty() => {
            lines.remove(0);
        }
        Some(Deed::LineTwice) => {
            if let Some(first) = lines.first().cloned() {
                lines.insert(1, first);
            }
        }
        Some(Deed::WrongAmount) => {
            if let Some(first) = lines.first_mut() {
                first.amount_fen += 1;
            }
        }
        _ => {}
    }
}

/// The raw file, or its first half.
pub(crate) fn cut(mut file: Vec<u8>, fault: Option<&Fault>) -> Vec<u8> {
    if fault.is_some_and(|fault| fault.deed == Deed::Truncate) {
        file.truncate(file.len() / 2);
    }
    file
}
