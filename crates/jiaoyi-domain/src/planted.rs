//! Bugs that can be built in on purpose, to see that the tests notice each of them.
//!
//! Only with the feature `planted`, which no release has, is there any way to choose one; without it
//! [`has`] is the constant `false` and the compiler drops what hangs on it.

/// A bug that the tests must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Answers leave before the commit that they speak of.
    AckBeforeCommit = 1,
    /// A notice is believed whatever amount it tells.
    NoAmountCheck,
    /// The database lets two slots of one person live.
    UniqueIndexDropped,
    /// A payment whose placing is in doubt is placed again under another number.
    RetryWithNewNumber,
    /// Money for an attempt that was given up is overlooked.
    LateSuccessDropped,
    /// A refund that is in doubt is sent again under another number.
    RefundNotIdempotent,
    /// Commits are not synced.
    FsyncOff,
    /// An attempt is declared dead as soon as our own clock has passed its expiry.
    TimerFromWallClock,
    /// Anybody may give up anybody's order.
    OwnerCheckMissing,
    /// Voucher numbers begin again.
    VoucherNumberReused,
    /// The audit trail is committed apart from the rows.
    AuditOutsideTransaction,
    /// Messages that leave are written after the commit.
    OutboxAfterCommit,
}

#[cfg(feature = "planted")]
mod chosen {
    use super::Bug;
    use std::sync::atomic::{AtomicU8, Ordering};

    static CHOSEN: AtomicU8 = AtomicU8::new(0);

    impl Bug {
        /// Every bug, with the name by which it is chosen.
        pub const ALL: [(&'static str, Bug); 12] = [
            ("ack-before-commit", Bug::AckBeforeCommit),
            ("no-amount-check", Bug::NoAmountCheck),
            ("unique-index-dropped", Bug::UniqueIndexDropped),
            ("retry-with-new-number", Bug::RetryWithNewNumber),
            ("late-success-dropped", Bug::LateSuccessDropped),
            ("refund-not-idempotent", Bug::RefundNotIdempotent),
            ("fsync-off", Bug::FsyncOff),
            ("timer-from-wall-clock", Bug::TimerFromWallClock),
            ("owner-check-missing", Bug::OwnerCheckMissing),
            ("voucher-number-reused", Bug::VoucherNumberReused),
            ("audit-outside-transaction", Bug::AuditOutsideTransaction),
            ("outbox-after-commit", Bug::OutboxAfterCommit),
        ];
    }

    /// Plants a bug in this process.
    pub fn plant(bug: Bug) {
        CHOSEN.store(bug as u8, Ordering::Relaxed);
    }

    /// Whether a bug is planted.
    #[must_use]
    pub fn has(bug: Bug) -> bool {
        CHOSEN.load(Ordering::Relaxed) == bug as u8
    }
}

#[cfg(feature = "planted")]
pub use chosen::{has, plant};

/// Whether a bug is planted: never.
#[cfg(not(feature = "planted"))]
#[must_use]
pub const fn has(_: Bug) -> bool {
    false
}
