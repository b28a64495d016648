//! An order: one payment for one or several dues, its lines and their frozen quotes.

use crate::due::{DueId, OrderId};
use crate::id::{Bucket, OrderNo};
use crate::money::Fen;
pub use crate::policy::{AfterClose, Difference};
use crate::step::Step;
use crate::time::{Date, Instant};
use crate::{codes, record};

/// Most lines of one order (DESIGN.md 2, baskets).
pub const LINES_MAX: usize = 10;

codes! {
    /// The state of an order (订单状态).
    pub enum OrderState {
        /// It holds its locks and can be paid.
        Placed = 1 "placed",
        /// Given up or displaced: its dues are free, its attempts stay watched.
        Abandoned = 2 "abandoned",
        /// Every attempt is dead; nothing was paid.
        Closed = 3 "closed",
        /// Every line is premium.
        Paid = 4 "paid",
        /// Some lines are premium, some surplus.
        Mixed = 5 "mixed",
        /// Money came and no line could take it.
        Surplus = 6 "surplus",
    }
}

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// The holder released it, or somebody displaced it.
    GivenUp,
    /// Every attempt is dead by evidence.
    AllDead,
    /// The holder tries again with another method before anything was paid.
    TriedAgain,
    /// Money was allocated; the order's lines now stand like this.
    Allocated { premium: bool, surplus: bool },
}

/// The one transition table of an order.
pub const fn step(state: OrderState, event: OrderEvent) -> Step<OrderState> {
    use OrderEvent as E;
    use OrderState as S;
    match (state, event) {
        (S::Placed, E::GivenUp) => Step::To(S::Abandoned),
        (S::Abandoned | S::Closed, E::GivenUp) => Step::AlreadyApplied,
        (S::Paid | S::Mixed | S::Surplus, E::GivenUp) => Step::Refused,

        (S::Placed | S::Abandoned, E::AllDead) => Step::To(S::Closed),
        (S::Closed, E::AllDead) => Step::AlreadyApplied,
        // Money came: the other attempts dying says nothing about the order any more.
        (S::Paid | S::Mixed | S::Surplus, E::AllDead) => Step::AlreadyApplied,

        (S::Placed | S::Abandoned | S::Closed, E::TriedAgain) => Step::To(S::Placed),
        (S::Paid | S::Mixed | S::Surplus, E::TriedAgain) => Step::Refused,

        // The channel is the authority on money: a success counts in every state.
        (
            S::Placed | S::Abandoned | S::Closed | S::Paid | S::Mixed | S::Surplus,
            E::Allocated { premium, surplus },
        ) => match (premium, surplus) {
            (true, false) => Step::To(S::Paid),
            (true, true) => Step::To(S::Mixed),
            (false, true) => Step::To(S::Surplus),
            (false, false) => Step::Refused,
        },
    }
}

record! {
    /// One order; it lies in the bucket of its first due.
    pub struct PayOrder in 5 "pay_order" state state versioned version {
        key { bucket: Bucket = Public, order_id: OrderId = Public, }
        row {
            order_no: OrderNo = Public fixed,
            state: OrderState = Public,
            amount: Fen = Public fixed,
            line_count: u32 = Public fixed,
            attempt_count: u32 = Public,
            /// Hash of the device cookie that placed it.
            holder: [u8; 32] = Hmac fixed,
            /// `self` or `other`: how the payer stands to the insured.
            relation: String = Public fixed,
            region: String = Public fixed,
            created_at: Instant = Public fixed,
            /// What the page counts down to.
            until: Instant = Public,
            ended_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

codes! {
    /// What became of a line.
    pub enum LineState {
        /// Nothing yet.
        Waiting = 1 "waiting",
        /// Its due's slot holds this order's money.
        Premium = 2 "premium",
        /// Its money found no free slot.
        Surplus = 3 "surplus",
        /// It was premium and has been given back.
        Returned = 4 "returned",
    }
}

record! {
    /// One line: a due with the quote frozen for it. A fact is compared with this, never with
    /// today's price.
    pub struct Line in 6 "order_line" state state versioned version {
        key { bucket: Bucket = Public, order_id: OrderId = Public, line_no: u32 = Public, }
        row {
            due_bucket: Bucket = Public fixed,
            due_id: DueId = Public fixed,
            /// Moves on when money is filled in that an institution's reversal has freed.
            generation: u32 = Public,
            revision_no: u32 = Public fixed,
            state: LineState = Public,
            own: Fen = Public fixed,
            gross: Fen = Public fixed,
            items: String = Public fixed,
            subsidies: String = Public fixed,
            policy_version: String = Public fixed,
            /// The region of the revision.
            region: String = Public fixed,
            /// `in_window` or `late`.
            phase: String = Public fixed,
            /// A success up to this moment (window end and grace) counts as in time.
            window_until: Instant = Public fixed,
            after_close: AfterClose = Public fixed,
            difference_rule: Difference = Public fixed,
            benefit_first: Date = Public fixed,
            /// The same for a payer who acts after midnight.
            benefit_first_next: Date = Public fixed,
            benefit_last: Date = Public fixed,
            quoted_at: Instant = Public fixed,
            version: u32 = Public,
        }
        ranges { "by_order" (bucket, order_id), }
    }
}

record! {
    /// A payer's list: which orders a device has placed or was given the receipt link of.
    pub struct DeviceOrder in 7 "device_order" {
        key {
            /// The bucket of the device's hash.
            bucket: Bucket = Public,
            device: [u8; 32] = Hmac,
            order_bucket: Bucket = Public,
            order_id: OrderId = Public,
        }
        row { added_at: Instant = Public, }
        ranges { "by_device" (bucket, device), }
    }
}

impl Line {
    /// The first day of benefits for a payer who acts at `accepted_at`: the time that decides the
    /// window decides the start as well.
    #[must_use]
    pub fn benefit_first_at(&self, accepted_at: Instant) -> Date {
        if accepted_at.date() > self.quoted_at.date() {
            self.benefit_first_next
        } else {
            self.benefit_first
        }
    }
}

impl PayOrder {
    /// Applies an event; `false` when the table refuses it.
    pub fn apply(&mut self, event: OrderEvent) -> bool {
        match step(self.state, event).after(self.state) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// Whether no money has come for it.
    #[must_use]
    pub const fn is_unpaid(&self) -> bool {
        match self.state {
            OrderState::Placed | OrderState::Abandoned | OrderState::Closed => true,
            OrderState::Paid | OrderState::Mixed | OrderState::Surplus => false,
        }
    }
}

/// The history of a line, for `verify`: which states may follow which.
pub const fn line_may_go(from: LineState, to: LineState) -> bool {
    use LineState as S;
    match (from, to) {
        (S::Waiting, S::Premium | S::Surplus)
        // The filling fact was reversed first: the surplus takes the slot.
        | (S::Surplus, S::Premium)
        | (S::Premium, S::Returned)
        | (S::Returned, S::Surplus) => true,
        (S::Waiting, S::Waiting | S::Returned)
        | (S::Premium, S::Waiting | S::Premium | S::Surplus)
        | (S::Surplus, S::Waiting | S::Surplus | S::Returned)
        | (S::Returned, S::Waiting | S::Premium | S::Returned) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_decides_what_an_order_is() {
        for state in OrderState::ALL {
            let allocated =
                |premium, surplus| step(*state, OrderEvent::Allocated { premium, surplus });
            assert_eq!(allocated(true, false), Step::To(OrderState::Paid));
            assert_eq!(allocated(true, true), Step::To(OrderState::Mixed));
            assert_eq!(allocated(false, true), Step::To(OrderState::Surplus));
            assert_eq!(allocated(false, false), Step::Refused);
            let unpaid = step(*state, OrderEvent::TriedAgain) != Step::Refused;
            let given_up = step(*state, OrderEvent::GivenUp);
            assert_eq!(given_up == Step::Refused, !unpaid, "{state:?}");
        }
    }

    #[test]
    fn no_money_has_come_for_some() {
        let bucket = Bucket::default();
        let order = |state| PayOrder {
            bucket,
            order_id: OrderId([1; 16]),
            order_no: OrderNo::draw(bucket, &mut crate::id::IdSource::new([1; 32], 0)),
            state,
            amount: Fen::new(1),
            line_count: 1,
            attempt_count: 1,
            holder: [0; 32],
            relation: "self".to_owned(),
            region: "990101".to_owned(),
            created_at: Instant(0),
            until: Instant(0),
            ended_at: None,
            version: 1,
        };
        let unpaid = |state: &&OrderState| order(**state).is_unpaid();
        let codes = OrderState::ALL
            .iter()
            .filter(unpaid)
            .map(|state| state.code());
        let codes: Vec<&str> = codes.collect();
        assert_eq!(codes, ["placed", "abandoned", "closed"]);
    }

    /// Premium comes once, leaves once, and never waits again.
    #[test]
    fn a_line_goes_five_ways() {
        let mut ways = Vec::new();
        for from in LineState::ALL {
            let after = LineState::ALL.iter().filter(|to| line_may_go(*from, **to));
            ways.extend(after.map(|to| (from.code(), to.code())));
        }
        let known = [
            ("waiting", "premium"),
            ("waiting", "surplus"),
            ("premium", "returned"),
            ("surplus", "premium"),
            ("returned", "surplus"),
        ];
        assert_eq!(ways, known);
    }
}
