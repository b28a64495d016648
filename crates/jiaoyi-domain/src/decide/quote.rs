//! The price frozen for one line of an order.

use super::{DueKey, OrderKey};
use crate::money::Fen;
use crate::order::{AfterClose, Difference, Line, LineState};
use crate::time::{Date, Instant};

/// What one due costs now, and the rules that hold for a payment at this price. Made from the due's
/// current revision and the policy pack by the use case; frozen with the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub due: DueKey,
    /// The revision that was priced; another one in force means another price.
    pub revision_no: u32,
    /// What the insured pays.
    pub own: Fen,
    /// Own part and all subsidies.
    pub gross: Fen,
    /// `item=fen` joined by `;`.
    pub items: String,
    /// `payer=fen` joined by `;`.
    pub subsidies: String,
    pub policy_version: String,
    pub region: String,
    /// `in_window` or `late`.
    pub phase: String,
    /// End of the window and its grace.
    pub window_until: Instant,
    pub after_close: AfterClose,
    pub difference_rule: Difference,
    pub benefit_first: Date,
    /// The first day of benefits for a payer who acts after midnight.
    pub benefit_first_next: Date,
    pub benefit_last: Date,
}

impl Quote {
    /// The line of an order that holds this quote.
    #[must_use]
    pub fn line(&self, order: OrderKey, line_no: u32, at: Instant) -> Line {
        Line {
            bucket: order.0,
            order_id: order.1,
            line_no,
            due_bucket: self.due.0,
            due_id: self.due.1,
            generation: self.due.2,
            revision_no: self.revision_no,
            state: LineState::Waiting,
            own: self.own,
            gross: self.gross,
            items: self.items.clone(),
            subsidies: self.subsidies.clone(),
            policy_version: self.policy_version.clone(),
            region: self.region.clone(),
            phase: self.phase.clone(),
            window_until: self.window_until,
            after_close: self.after_close,
            difference_rule: self.difference_rule,
            benefit_first: self.benefit_first,
            benefit_first_next: self.benefit_first_next,
            benefit_last: self.benefit_last,
            quoted_at: at,
            version: 1,
        }
    }
}
