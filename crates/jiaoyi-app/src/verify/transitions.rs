//! Which states may follow which within one command, by table: tried out on the transition tables
//! themselves, so that a new event is known here at once.
//!
//! A command may take two steps (a refund on hold is approved and sent), so two are allowed.

use jiaoyi_domain::attempt::{self, Attempt, AttemptEvent, AttemptState};
use jiaoyi_domain::biller::{BillerCall, CallState, call_may_go};
use jiaoyi_domain::due::{self, Due, DueEvent, DueState};
use jiaoyi_domain::hook::{HookEvent, HookState, hook_may_go};
use jiaoyi_domain::messages::{Case, CaseState, Outbox, OutboxState};
use jiaoyi_domain::order::{self, Line, LineState, OrderEvent, OrderState, PayOrder, line_may_go};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::{self, Refund, RefundEvent, RefundState};
use jiaoyi_domain::roster::{Roster, RosterState, roster_may_go};
use jiaoyi_domain::step::Step;
use jiaoyi_domain::voucher::{self, Voucher, VoucherEvent, VoucherState};

const DUE_EVENTS: [DueEvent; 8] = [
    DueEvent::Activated,
    DueEvent::Withdrawn,
    DueEvent::LockTaken,
    DueEvent::LockFreed,
    DueEvent::Filled,
    DueEvent::GivenBack,
    DueEvent::Reversed,
    DueEvent::WindowEnded,
];

const ORDER_EVENTS: [OrderEvent; 6] = [
    OrderEvent::GivenUp,
    OrderEvent::AllDead,
    OrderEvent::TriedAgain,
    OrderEvent::Allocated {
        premium: true,
        surplus: false,
    },
    OrderEvent::Allocated {
        premium: true,
        surplus: true,
    },
    OrderEvent::Allocated {
        premium: false,
        surplus: true,
    },
];

const ATTEMPT_EVENTS: [AttemptEvent; 10] = [
    AttemptEvent::HandedOut,
    AttemptEvent::CreateRefused,
    AttemptEvent::CreateUnknown,
    AttemptEvent::CloseAsked,
    AttemptEvent::CloseConfirmed,
    AttemptEvent::SeenUnpaid,
    AttemptEvent::SeenUnpaidAfterExpiry,
    AttemptEvent::NoAnswer,
    AttemptEvent::Differs,
    AttemptEvent::Success,
];

const REFUND_EVENTS: [RefundEvent; 9] = [
    RefundEvent::Approved,
    RefundEvent::Sent,
    RefundEvent::Processing,
    RefundEvent::NoAnswer,
    RefundEvent::Succeeded,
    RefundEvent::ClosedByChannel,
    RefundEvent::ChannelCannot,
    RefundEvent::Transferred,
    RefundEvent::Withdrawn,
];

const VOUCHER_EVENTS: [VoucherEvent; 2] = [VoucherEvent::PremiumReturned, VoucherEvent::Replaced];

/// Whether one or two events lead from `from` to `to`.
fn two_steps<S: Copy + PartialEq, E: Copy>(
    from: S,
    to: S,
    events: &[E],
    step: impl Fn(S, E) -> Step<S>,
) -> bool {
    let next = |state: S| {
        events
            .iter()
            .filter_map(|event| step(state, *event).after(state))
            .collect::<Vec<S>>()
    };
    from == to
        || next(from)
            .into_iter()
            .any(|middle| middle == to || next(middle).contains(&to))
}

fn outbox_may_go(from: OutboxState, to: OutboxState) -> bool {
    match (from, to) {
        (OutboxState::Waiting, OutboxState::Waiting | OutboxState::Done | OutboxState::Failed) => {
            true
        }
        // A late answer to a call that was given up, or a second one, changes the row, not its end.
        (OutboxState::Done, OutboxState::Done) | (OutboxState::Failed, OutboxState::Failed) => true,
        (OutboxState::Failed, OutboxState::Done) => true,
        (OutboxState::Done, OutboxState::Waiting | OutboxState::Failed)
        | (OutboxState::Failed, OutboxState::Waiting) => false,
    }
}

fn case_may_go(from: CaseState, to: CaseState) -> bool {
    from == to || (from == CaseState::Open && to == CaseState::Closed)
}

macro_rules! by_number {
    ($states:ty, $from:expr, $to:expr, $allowed:expr) => {
        match (<$states>::from_number($from), <$states>::from_number($to)) {
            (Some(from), Some(to)) => $allowed(from, to),
            _ => false,
        }
    };
}

/// Whether a row of the table may go from one state to another by one command.
pub(super) fn allowed(table: u8, from: u8, to: u8) -> bool {
    if table == Due::SPEC.number {
        let due = |from, to| two_steps(from, to, &DUE_EVENTS, due::step);
        by_number!(DueState, from, to, due)
    } else if table == PayOrder::SPEC.number {
        let order = |from, to| two_steps(from, to, &ORDER_EVENTS, order::step);
        by_number!(OrderState, from, to, order)
    } else if table == Attempt::SPEC.number {
        let attempt = |from, to| two_steps(from, to, &ATTEMPT_EVENTS, attempt::step);
        by_number!(AttemptState, from, to, attempt)
    } else if table == Refund::SPEC.number {
        let refund = |from, to| two_steps(from, to, &REFUND_EVENTS, refund::step);
        by_number!(RefundState, from, to, refund)
    } else if table == Voucher::SPEC.number {
        let voucher = |from, to| two_steps(from, to, &VOUCHER_EVENTS, voucher::step);
        by_number!(VoucherState, from, to, voucher)
    } else if table == Line::SPEC.number {
        let line = |from, to| from == to || line_may_go(from, to);
        by_number!(LineState, from, to, line)
    } else if table == Roster::SPEC.number {
        let roster = |from, to| from == to || roster_may_go(from, to);
        by_number!(RosterState, from, to, roster)
    } else if table == Outbox::SPEC.number {
        by_number!(OutboxState, from, to, outbox_may_go)
    } else if table == Case::SPEC.number {
        by_number!(CaseState, from, to, case_may_go)
    } else if table == BillerCall::SPEC.number {
        let call = |from, to| from == to || call_may_go(from, to);
        by_number!(CallState, from, to, call)
    } else if table == HookEvent::SPEC.number {
        by_number!(HookState, from, to, hook_may_go)
    } else {
        from == 0 && to == 0
    }
}

/// Whether a row of the table may be in this state after the command that made it.
pub(super) fn may_begin(table: u8, state: u8) -> bool {
    let one_of = |states: &[u8]| states.contains(&state);
    if table == Due::SPEC.number {
        // What follows a reversed payment is open at once, or filled by the surplus that waited.
        one_of(&[
            DueState::Draft.number(),
            DueState::Open.number(),
            DueState::Paid.number(),
        ])
    } else if table == PayOrder::SPEC.number {
        // A due of 0 yuan is confirmed and paid at once; an order of a day file is made with its money.
        one_of(&[
            OrderState::Placed.number(),
            OrderState::Paid.number(),
            OrderState::Surplus.number(),
        ])
    } else if table == Attempt::SPEC.number {
        // A link that is signed here is handed out with the commit that makes it.
        one_of(&[
            AttemptState::Drafted.number(),
            AttemptState::Offered.number(),
            // An institution's try is made with its success.
            AttemptState::Paid.number(),
        ])
    } else if table == Refund::SPEC.number {
        one_of(&[RefundState::Held.number(), RefundState::Requested.number()])
    } else if table == Voucher::SPEC.number {
        one_of(&[VoucherState::Valid.number()])
    } else if table == Line::SPEC.number {
        one_of(&[
            LineState::Waiting.number(),
            LineState::Premium.number(),
            LineState::Surplus.number(),
        ])
    } else if table == Roster::SPEC.number {
        one_of(&[RosterState::Staging.number()])
    } else if table == Outbox::SPEC.number {
        one_of(&[OutboxState::Waiting.number()])
    } else if table == Case::SPEC.number {
        one_of(&[CaseState::Open.number()])
    } else if table == BillerCall::SPEC.number {
        one_of(&[
            CallState::Done.number(),
            CallState::Refused.number(),
            CallState::Dead.number(),
        ])
    } else if table == HookEvent::SPEC.number {
        one_of(&[HookState::Waiting.number()])
    } else {
        state == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiaoyi_domain::messages::Inbox;

    /// Every step that a table's rows may take by one command, and every state in which they begin.
    fn ways(table: u8) -> (Vec<(u8, u8)>, Vec<u8>) {
        let pairs = (0..16).flat_map(|from| (0..16).map(move |to| (from, to)));
        let steps = pairs.filter(|(from, to)| allowed(table, *from, *to));
        let begins = (0..16).filter(|state| may_begin(table, *state));
        (steps.collect(), begins.collect())
    }

    #[test]
    fn rows_begin_and_go_on_as_their_tables_say() {
        let same = |to: u8| (1..=to).map(|state| (state, state));
        let steps = |states: u8, others: &[(u8, u8)]| {
            let mut steps: Vec<(u8, u8)> = same(states).chain(others.iter().copied()).collect();
            steps.sort_unstable();
            steps
        };
        for (spec, goes_on, begins) in [
            // Waiting, premium, surplus, returned.
            (
                Line::SPEC,
                steps(4, &[(1, 2), (1, 3), (2, 4), (3, 2), (4, 3)]),
                vec![1, 2, 3],
            ),
            // Staging, publishing, active, rejected.
            (
                Roster::SPEC,
                steps(4, &[(1, 2), (1, 4), (2, 3), (2, 4)]),
                vec![1],
            ),
            // Waiting, done, failed.
            (Outbox::SPEC, steps(3, &[(1, 2), (1, 3), (3, 2)]), vec![1]),
            // Open, closed.
            (Case::SPEC, steps(2, &[(1, 2)]), vec![1]),
            // Done, refused, reversed, dead.
            (BillerCall::SPEC, steps(4, &[(1, 3)]), vec![1, 2, 4]),
            // Valid, refunded, superseded.
            (Voucher::SPEC, steps(3, &[(1, 2), (1, 3)]), vec![1]),
            // Waiting, delivered, failed: asked for again it waits again.
            (
                HookEvent::SPEC,
                vec![(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)],
                vec![1],
            ),
            // Without states.
            (Inbox::SPEC, vec![(0, 0)], vec![0]),
        ] {
            assert_eq!(ways(spec.number), (goes_on, begins), "{}", spec.name);
        }
    }
}
