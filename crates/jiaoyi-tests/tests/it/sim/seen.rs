//! What a run of many seeds must have met, or it proves less than it seems to.

macro_rules! situations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A fault that struck, or a situation that came about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Situation {
            $($(#[$doc])* $name,)*
        }

        impl Situation {
            /// Every situation.
            pub const ALL: &[Situation] = &[$(Situation::$name),*];
        }
    };
}

situations! {
    /// A node died.
    Crash,
    /// A node died while an order stood and nothing was handed out.
    CrashBeforeHandOut,
    /// A commit was durable and nobody was told.
    LostDurable,
    /// A commit was lost and nobody was told.
    LostNotDurable,
    /// A commit became durable after its writer had given it up.
    LateCommitDurable,
    /// A commit that its writer had given up came too late.
    LateCommitFails,
    /// A row that a decision rested on was changed by the other node.
    Conflict,
    /// A row was there already: another writer had made it.
    BrokenConstraint,
    /// A row was held by somebody for too long.
    RowBlocked,
    /// The database had no room.
    OutOfRoom,
    /// The database did not come back at once.
    DatabaseAway,
    /// A read that nothing was written for was not proved.
    BarrierLost,
    /// A read for a page failed.
    ReadFails,
    /// Several commands shared a commit.
    SharedCommit,
    /// A command needed two bucket groups.
    WideBatch,
    /// A payer's request did not arrive.
    RequestLost,
    /// A payer's request was done and the answer was lost.
    AnswerLost,
    /// A clock was turned.
    ClockJump,
    /// The channel did not get a request.
    ChannelRequestLost,
    /// The channel did what was asked and its answer was lost.
    ChannelAnswerLost,
    /// The channel refused an order.
    CreateRefused,
    /// A query did not know yet of a payment.
    QueryLagged,
    /// No notice ever told of money.
    NoticeLost,
    /// Two notices told of one payment.
    DuplicateNotice,
    /// A notice came minutes after the payment.
    LateNotice,
    /// A notice told another amount than the channel took.
    ContradictoryNotice,
    /// A node whose clock is off did not believe a notice.
    StaleNotice,
    /// Nobody knew whether a refund had been accepted.
    RefundUnknown,
    /// A query did not know yet of a refund.
    RefundLagged,
    /// The channel closed a refund without paying it.
    RefundClosed,
    /// The payer's account could not take a refund.
    RefundAbnormal,
    /// Staff paid by bank transfer what the channel gave up.
    PaidByTransfer,
    /// Our account at the channel was short.
    ShortOfBalance,
    /// A payer sent the same form again.
    FormAgain,
    /// A payer chose another way of paying.
    Switched,
    /// A payer paid twice.
    PaidTwice,
    /// Two payers paid for one person.
    PaidByTwo,
    /// Somebody displaced another's lock.
    Displaced,
    /// A payer gave up.
    GaveUp,
    /// A payer paid after having given up or changed over.
    LateSuccess,
    /// A wallet refused because it was too late.
    TooLateToPay,
    /// A payer's account held too little.
    PayFailed,
    /// A bill of nothing was confirmed.
    ZeroConfirmed,
    /// A payer was told "paid" and shown a voucher.
    ToldPaid,
    /// A payer was told that nothing was taken.
    ToldRefused,
    /// A payer was told that money has gone back.
    ToldRefunded,
    /// Staff have to choose another way for a refund.
    ToldManual,
    /// Money of a disputed notice was cleared up by a query.
    DisputeSettled,
}
