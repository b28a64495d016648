//! What leaves (outbox), what arrived (inbox), and what was already answered (command keys).

use crate::due::OrderId;
use crate::id::Bucket;
use crate::time::Instant;
use crate::{codes, id16, record};

id16! {
    /// One message that leaves.
    OutboxId;
    /// One exception for staff to look at.
    CaseId;
}

codes! {
    /// What an outbox row asks to be done.
    pub enum Topic {
        /// Place an attempt at its channel.
        Create = 1 "create",
        /// Close an attempt at its channel.
        Close = 2 "close",
        /// Send a refund.
        Refund = 3 "refund",
        /// Tell the insured by SMS that a due is paid.
        SmsPaid = 4 "sms_paid",
        /// Tell the insured by SMS that money goes back.
        SmsRefund = 5 "sms_refund",
        /// Tell an institution of an event.
        Hook = 6 "hook",
        /// Book what an institution's day file tells.
        DayFile = 7 "day_file",
    }
}

codes! {
    /// Whether an outbox row is still to be done.
    pub enum OutboxState {
        Waiting = 1 "waiting",
        Done = 2 "done",
        /// Given up after many tries; a case was opened.
        Failed = 3 "failed",
    }
}

record! {
    /// One message of the transaction that caused it. It names rows; it holds no personal data.
    pub struct Outbox in 14 "outbox" state state versioned version {
        key {
            bucket: Bucket = Public,
            /// Number of the attempt, refund or voucher, or name of the event or file it is about.
            subject: String = Public,
            outbox_id: OutboxId = Public,
        }
        row {
            topic: Topic = Public fixed,
            state: OutboxState = Public,
            created_at: Instant = Public fixed,
            next_at: Instant = Public,
            tries: u32 = Public,
            /// Fencing token of the lease, and when the lease ends.
            lease: u32 = Public,
            lease_until: Option<Instant> = Public,
            done_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

record! {
    /// One verified notice, stored raw and sealed before it is answered. Never changed.
    pub struct Inbox in 15 "inbox" {
        key {
            bucket: Bucket = Public,
            channel: String = Public,
            /// The channel's id of the notice.
            notice_id: String = Public,
        }
        row {
            received_at: Instant = Public,
            body_sealed: Vec<u8> = Sealed,
        }
        ranges { }
    }
}

record! {
    /// The result of a mutating call, kept under its key: the same key again gives the same answer.
    pub struct CommandKey in 16 "command_key" {
        key { bucket: Bucket = Public, key_hash: [u8; 32] = Public, }
        row {
            body_hash: [u8; 32] = Public,
            /// The answer as text.
            answer: String = Public,
            at: Instant = Public,
        }
        ranges { }
    }
}

codes! {
    /// Whether an exception is still open.
    pub enum CaseState {
        Open = 1 "open",
        Closed = 2 "closed",
    }
}

codes! {
    /// What kind of exception it is.
    pub enum CaseKind {
        /// A notice differs from our quote in amount, currency, merchant or app.
        NoticeDiffers = 1 "notice_differs",
        /// The channel took another amount than was quoted.
        WrongAmount = 2 "wrong_amount",
        /// Paid at a price that has changed since.
        Difference = 3 "difference",
        /// A refund needs another way.
        RefundManual = 4 "refund_manual",
        /// Money came for a number we do not know.
        UnknownNumber = 5 "unknown_number",
        /// A refund was made in the channel's console.
        ForeignRefund = 6 "foreign_refund",
        /// Money came after the window.
        AfterClose = 7 "after_close",
        /// Money came for a due that had been withdrawn.
        Void = 8 "void",
        /// A command failed by itself, again and again, and was put aside.
        PutAside = 9 "put_aside",
        /// An institution's day file and our books differ.
        DayFile = 10 "day_file",
        /// An institution could not be told of an event for two days.
        Webhook = 11 "webhook",
        /// A refund that staff paid by bank transfer came from its channel as well.
        ReturnedTwice = 12 "returned_twice",
    }
}

record! {
    /// One exception with its evidence.
    pub struct Case in 17 "exception_case" state state versioned version {
        key { bucket: Bucket = Public, case_id: CaseId = Public, }
        row {
            kind: CaseKind = Public fixed,
            state: CaseState = Public,
            order_id: Option<OrderId> = Public fixed,
            /// Number of the attempt or refund, or the channel's number.
            subject: String = Public fixed,
            detail: String = Public,
            opened_at: Instant = Public fixed,
            version: u32 = Public,
        }
        ranges { "by_subject" (bucket, subject), }
    }
}

impl Case {
    /// Whether it is of this kind and waits for staff.
    #[must_use]
    pub fn is_open(&self, kind: CaseKind) -> bool {
        (self.kind, self.state) == (kind, CaseState::Open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_open_for_its_own_kind() {
        let case = |state| Case {
            bucket: Bucket::default(),
            case_id: CaseId([1; 16]),
            kind: CaseKind::Webhook,
            state,
            order_id: None,
            subject: String::new(),
            detail: String::new(),
            opened_at: Instant(0),
            version: 1,
        };
        assert!(case(CaseState::Open).is_open(CaseKind::Webhook));
        assert!(!case(CaseState::Open).is_open(CaseKind::Void));
        assert!(!case(CaseState::Closed).is_open(CaseKind::Webhook));
    }
}
