//! A refund: money on its way back to a payer. An object of its own, never a state of a due.

use crate::channel::ChannelCode;
use crate::due::OrderId;
use crate::fact::{Fact, FactKind};
use crate::id::{AttemptNo, Bucket, RefundNo};
use crate::money::Fen;
use crate::record::Record;
use crate::step::Step;
use crate::time::{HOUR_MS, Instant, MINUTE_MS, SECOND_MS};
use crate::{codes, record};

codes! {
    /// The state of a refund (退款状态).
    pub enum RefundState {
        /// Surplus waits until it is certain that it is surplus.
        Held = 1 "held",
        /// Staff asked for it.
        Requested = 2 "requested",
        /// The point of no return; not sent yet.
        Approved = 3 "approved",
        /// The channel was asked, or may have been.
        Sent = 4 "sent",
        /// No usable answer: the same number again.
        Unknown = 5 "unknown",
        /// The payer has the money.
        Done = 6 "done",
        /// The channel cannot; staff find another way.
        Manual = 7 "manual",
        /// It turned out that the money is premium after all, or the request was withdrawn.
        Cancelled = 8 "cancelled",
    }
}

codes! {
    /// Why money goes back.
    pub enum RefundCause {
        /// The slot is filled by another fact.
        SecondSuccess = 1 "second_success",
        /// The channel took another amount than was quoted.
        WrongAmount = 2 "wrong_amount",
        /// The due was withdrawn.
        Void = 3 "void",
        /// Paid after the window and its grace, and the region gives such money back.
        AfterClose = 4 "after_close",
        /// The price changed and the region gives such money back.
        Repriced = 5 "repriced",
        /// An approved refund of premium.
        Premium = 6 "premium",
    }
}

/// What can happen to a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundEvent {
    /// The evidence is complete, or a checker approved: number and body are fixed.
    Approved,
    /// The request leaves.
    Sent,
    /// The channel has it and works on it.
    Processing,
    /// No usable answer, or our account is short: the same number again later.
    NoAnswer,
    /// The payer has the money.
    Succeeded,
    /// The channel will never pay out this number: a new number may be tried.
    ClosedByChannel,
    /// No way at the channel is left.
    ChannelCannot,
    /// Staff paid it out by bank transfer.
    Transferred,
    /// The filling fact was reversed: the surplus became premium. Or the request was withdrawn.
    Withdrawn,
}

/// The one transition table of a refund.
pub const fn step(state: RefundState, event: RefundEvent) -> Step<RefundState> {
    use RefundEvent as E;
    use RefundState as S;
    match (state, event) {
        (S::Held | S::Requested, E::Approved) => Step::To(S::Approved),
        (S::Approved, E::Approved) => Step::AlreadyApplied,
        (S::Sent | S::Unknown | S::Done | S::Manual | S::Cancelled, E::Approved) => Step::Refused,

        (S::Approved | S::Unknown, E::Sent) => Step::To(S::Sent),
        (S::Sent, E::Sent) => Step::AlreadyApplied,
        (S::Held | S::Requested | S::Done | S::Manual | S::Cancelled, E::Sent) => Step::Refused,

        (S::Sent | S::Unknown, E::Processing) => Step::To(S::Sent),
        (S::Done | S::Manual | S::Approved, E::Processing) => Step::AlreadyApplied,
        (S::Held | S::Requested | S::Cancelled, E::Processing) => Step::Refused,

        (S::Sent | S::Unknown, E::NoAnswer) => Step::To(S::Unknown),
        (
            S::Held | S::Requested | S::Approved | S::Done | S::Manual | S::Cancelled,
            E::NoAnswer,
        ) => Step::AlreadyApplied,

        // Told by the channel, so it is true even where we did not expect it.
        (S::Approved | S::Sent | S::Unknown | S::Manual, E::Succeeded) => Step::To(S::Done),
        (S::Done, E::Succeeded) => Step::AlreadyApplied,
        (S::Held | S::Requested | S::Cancelled, E::Succeeded) => Step::Refused,

        (S::Sent | S::Unknown, E::ClosedByChannel) => Step::To(S::Approved),
        (
            S::Held | S::Requested | S::Approved | S::Done | S::Manual | S::Cancelled,
            E::ClosedByChannel,
        ) => Step::AlreadyApplied,

        (S::Approved | S::Sent | S::Unknown, E::ChannelCannot) => Step::To(S::Manual),
        (S::Manual | S::Done, E::ChannelCannot) => Step::AlreadyApplied,
        (S::Held | S::Requested | S::Cancelled, E::ChannelCannot) => Step::Refused,

        (S::Manual, E::Transferred) => Step::To(S::Done),
        (S::Done, E::Transferred) => Step::AlreadyApplied,
        (
            S::Held | S::Requested | S::Approved | S::Sent | S::Unknown | S::Cancelled,
            E::Transferred,
        ) => Step::Refused,

        // After approval there is no way back.
        (S::Held | S::Requested, E::Withdrawn) => Step::To(S::Cancelled),
        (S::Cancelled, E::Withdrawn) => Step::AlreadyApplied,
        (S::Approved | S::Sent | S::Unknown | S::Done | S::Manual, E::Withdrawn) => Step::Refused,
    }
}

record! {
    /// One refund of one line's money (or of a whole wrong amount).
    pub struct Refund in 10 "refund" state state versioned version {
        key { bucket: Bucket = Public, refund_no: RefundNo = Public, }
        row {
            state: RefundState = Public,
            cause: RefundCause = Public fixed,
            channel: ChannelCode = Public fixed,
            merchant: String = Public fixed,
            txn_id: String = Public fixed,
            attempt_no: AttemptNo = Public fixed,
            order_id: OrderId = Public fixed,
            /// The line whose money it is; 0 for a whole wrong amount.
            line_no: u32 = Public fixed,
            amount: Fen = Public,
            /// The number sent to the channel: ours, then a new one after a final close.
            channel_no: RefundNo = Public,
            /// How many numbers were used up.
            closes: u32 = Public,
            request: Option<Vec<u8>> = Public,
            /// Until when the filling fact could still be reversed.
            held_until: Option<Instant> = Public,
            created_at: Instant = Public fixed,
            sent_at: Option<Instant> = Public,
            done_at: Option<Instant> = Public,
            /// The channel's last code, for staff.
            detail: Option<String> = Public,
            ask_at: Option<Instant> = Public,
            asks: u32 = Public,
            version: u32 = Public,
        }
        ranges { "by_attempt" (bucket, attempt_no), "by_order" (bucket, order_id), }
    }
}

/// How many numbers are tried at the channel before staff take over.
pub const CHANNEL_NUMBERS_MAX: u32 = 2;

impl Refund {
    /// Applies an event; `false` when the table refuses it.
    pub fn apply(&mut self, event: RefundEvent) -> bool {
        match step(self.state, event).after(self.state) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// The key of the success that it gives back.
    #[must_use]
    pub fn success_key(&self) -> <Fact as Record>::Key {
        (
            self.bucket,
            self.channel,
            self.merchant.clone(),
            self.txn_id.clone(),
            FactKind::Success,
        )
    }

    /// The key of what its channel tells once it has paid it out.
    #[must_use]
    pub fn paid_out_key(&self) -> <Fact as Record>::Key {
        (
            self.bucket,
            self.channel,
            self.merchant.clone(),
            self.channel_no.as_str().to_owned(),
            FactKind::Refund,
        )
    }

    /// When to act next: at once, then 10 s, 30 s, 1, 5, 30 minutes, then hourly.
    #[must_use]
    pub fn next_ask(&self, now: Instant) -> Instant {
        let wait = match self.asks {
            0 => 5 * SECOND_MS,
            1 => 10 * SECOND_MS,
            2 => 30 * SECOND_MS,
            3 => MINUTE_MS,
            4 => 5 * MINUTE_MS,
            5 => 30 * MINUTE_MS,
            _ => HOUR_MS,
        };
        now.plus_ms(wait)
    }

    /// Whether money is promised or paid back by it.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self.state, RefundState::Done | RefundState::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [RefundEvent; 9] = [
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

    /// In every history of up to 7 events: money leaves only after approval, and after approval
    /// nothing cancels.
    fn explore(state: RefundState, approved: bool, depth: u8) {
        assert!(approved || !matches!(state, RefundState::Sent | RefundState::Done));
        if approved {
            assert_ne!(state, RefundState::Cancelled);
        }
        if depth == 0 {
            return;
        }
        for event in EVENTS {
            if let Step::To(after) = step(state, event) {
                assert_ne!(state, RefundState::Done, "{event:?} left DONE");
                explore(after, approved || event == RefundEvent::Approved, depth - 1);
            }
        }
    }

    #[test]
    fn all_short_histories_approve_before_money_leaves() {
        explore(RefundState::Held, false, 7);
        explore(RefundState::Requested, false, 7);
    }

    #[test]
    fn a_refund_is_asked_about_ever_more_seldom_until_it_is_settled() {
        let bucket = Bucket::default();
        let ids = &mut crate::id::IdSource::new([1; 32], 0);
        let no = RefundNo::draw(bucket, ids);
        let mut refund = Refund {
            bucket,
            refund_no: no.clone(),
            state: RefundState::Sent,
            cause: RefundCause::SecondSuccess,
            channel: ChannelCode::Wechat,
            merchant: "mch".to_owned(),
            txn_id: "txn".to_owned(),
            attempt_no: AttemptNo::draw(bucket, ids),
            order_id: OrderId([1; 16]),
            line_no: 1,
            amount: Fen::new(1),
            channel_no: no,
            closes: 0,
            request: None,
            held_until: None,
            created_at: Instant(0),
            sent_at: None,
            done_at: None,
            detail: None,
            ask_at: None,
            asks: 0,
            version: 1,
        };
        let now = Instant(1_000_000);
        let waits_s = [5, 10, 30, 60, 300, 1800, 3600, 3600];
        for (asks, wait_s) in (0..).zip(waits_s) {
            refund.asks = asks;
            assert_eq!(refund.next_ask(now).since_ms(now), wait_s * 1000, "{asks}");
        }
        for state in RefundState::ALL {
            refund.state = *state;
            let settled = matches!(state, RefundState::Done | RefundState::Cancelled);
            assert_eq!(refund.is_settled(), settled, "{state:?}");
        }
    }
}
