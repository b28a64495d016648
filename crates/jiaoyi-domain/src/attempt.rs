//! An attempt: one try of one order at one channel, with its own number.

use crate::channel::{ChannelCode, Method, PayFailure};
use crate::due::OrderId;
use crate::id::{AttemptNo, Bucket};
use crate::money::Fen;
use crate::planted::{Bug, has};
use crate::step::Step;
use crate::time::{HOUR_MS, Instant, MINUTE_MS, SECOND_MS};
use crate::{codes, record};

/// How long a wallet takes a payment, from the moment the attempt is made.
pub const LIFE_MS: i64 = 15 * MINUTE_MS;

/// After the absolute expiry, how long until a query that says "not paid" is evidence of death.
pub const DEATH_MARGIN_MS: i64 = 10 * MINUTE_MS;

/// How long an attempt is asked about when nothing else is known.
pub const WATCH_MS: i64 = 25 * HOUR_MS;

codes! {
    /// The state of an attempt (支付尝试状态).
    pub enum AttemptState {
        /// Stored with its rendered request; nothing was handed out.
        Drafted = 1 "drafted",
        /// The payer holds a link, a QR code or a bridge request.
        Offered = 2 "offered",
        /// We do not know: asking was in vain, or the channel contradicted itself.
        Unknown = 3 "unknown",
        /// A close is asked for and not confirmed.
        Closing = 4 "closing",
        /// A notice told another amount or merchant; waiting for a query.
        Disputed = 5 "disputed",
        /// Never handed out and never will be: dead.
        Dropped = 6 "dropped",
        /// The channel refused to create it: dead.
        Refused = 7 "refused",
        /// The channel confirmed the close: dead.
        Closed = 8 "closed",
        /// Past its expiry by the margin, and a query after that said not paid: dead.
        Expired = 9 "expired",
        /// Money was taken.
        Paid = 10 "paid",
    }
}

/// What can happen to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptEvent {
    /// The channel took the order, or the link was signed: the payer gets it with this commit.
    HandedOut,
    /// The channel refused the order for good.
    CreateRefused,
    /// The outcome of creating is unknown; nothing was handed out, so nothing can be paid.
    CreateUnknown,
    /// The holder gave up, or time ran out: a close is on its way.
    CloseAsked,
    /// The channel's word that nobody can pay it any more.
    CloseConfirmed,
    /// A query: exists and is not paid, or does not exist.
    SeenUnpaid,
    /// A query after expiry and margin: not paid, or not there.
    SeenUnpaidAfterExpiry,
    /// A query brought no usable answer.
    NoAnswer,
    /// A verified notice differs from the quote.
    Differs,
    /// Money was taken.
    Success,
}

/// The one transition table of an attempt.
pub const fn step(state: AttemptState, event: AttemptEvent) -> Step<AttemptState> {
    use AttemptEvent as E;
    use AttemptState as S;
    match (state, event) {
        (S::Drafted, E::HandedOut) => Step::To(S::Offered),
        (S::Offered | S::Unknown | S::Closing, E::HandedOut) => Step::AlreadyApplied,
        // It was declared dead because nobody held it: it must not come to life in a page.
        (
            S::Disputed | S::Dropped | S::Refused | S::Closed | S::Expired | S::Paid,
            E::HandedOut,
        ) => Step::Refused,

        (S::Drafted | S::Dropped, E::CreateRefused) => Step::To(S::Refused),
        (S::Refused, E::CreateRefused) => Step::AlreadyApplied,
        (
            S::Offered | S::Unknown | S::Closing | S::Disputed | S::Closed | S::Expired | S::Paid,
            E::CreateRefused,
        ) => Step::AlreadyApplied,

        (S::Drafted, E::CreateUnknown) => Step::To(S::Dropped),
        (
            S::Offered
            | S::Unknown
            | S::Closing
            | S::Disputed
            | S::Dropped
            | S::Refused
            | S::Closed
            | S::Expired
            | S::Paid,
            E::CreateUnknown,
        ) => Step::AlreadyApplied,

        (S::Drafted, E::CloseAsked) => Step::To(S::Dropped),
        (S::Offered | S::Unknown, E::CloseAsked) => Step::To(S::Closing),
        (
            S::Closing | S::Disputed | S::Dropped | S::Refused | S::Closed | S::Expired | S::Paid,
            E::CloseAsked,
        ) => Step::AlreadyApplied,

        (S::Drafted | S::Offered | S::Unknown | S::Closing | S::Dropped, E::CloseConfirmed) => {
            Step::To(S::Closed)
        }
        (S::Disputed | S::Refused | S::Closed | S::Expired | S::Paid, E::CloseConfirmed) => {
            Step::AlreadyApplied
        }

        (S::Unknown | S::Disputed, E::SeenUnpaid) => Step::To(S::Offered),
        (
            S::Drafted
            | S::Offered
            | S::Closing
            | S::Dropped
            | S::Refused
            | S::Closed
            | S::Expired
            | S::Paid,
            E::SeenUnpaid,
        ) => Step::AlreadyApplied,

        (
            S::Drafted | S::Offered | S::Unknown | S::Closing | S::Disputed | S::Dropped,
            E::SeenUnpaidAfterExpiry,
        ) => Step::To(S::Expired),
        (S::Refused | S::Closed | S::Expired | S::Paid, E::SeenUnpaidAfterExpiry) => {
            Step::AlreadyApplied
        }

        (S::Offered, E::NoAnswer) => Step::To(S::Unknown),
        (
            S::Drafted
            | S::Unknown
            | S::Closing
            | S::Disputed
            | S::Dropped
            | S::Refused
            | S::Closed
            | S::Expired
            | S::Paid,
            E::NoAnswer,
        ) => Step::AlreadyApplied,

        (S::Drafted | S::Offered | S::Unknown | S::Closing, E::Differs) => Step::To(S::Disputed),
        // A dead attempt stays dead until a query tells of money.
        (S::Disputed | S::Dropped | S::Refused | S::Closed | S::Expired | S::Paid, E::Differs) => {
            Step::AlreadyApplied
        }

        // The channel is the authority on money: success counts wherever we had given up.
        (
            S::Drafted
            | S::Offered
            | S::Unknown
            | S::Closing
            | S::Disputed
            | S::Dropped
            | S::Refused
            | S::Closed
            | S::Expired,
            E::Success,
        ) => Step::To(S::Paid),
        (S::Paid, E::Success) => Step::AlreadyApplied,
    }
}

record! {
    /// One attempt.
    pub struct Attempt in 8 "attempt" state state versioned version {
        key { bucket: Bucket = Public, attempt_no: AttemptNo = Public, }
        row {
            order_id: OrderId = Public fixed,
            seq: u32 = Public fixed,
            method: Method = Public fixed,
            channel: ChannelCode = Public fixed,
            /// Merchant and app the money must arrive at.
            merchant: String = Public fixed,
            app: String = Public fixed,
            state: AttemptState = Public,
            amount: Fen = Public fixed,
            created_at: Instant = Public fixed,
            /// Absolute expiry, as sent to the channel.
            expires_at: Instant = Public fixed,
            handed_out_at: Option<Instant> = Public,
            /// Given up or displaced while it was not dead: its success finds the slot as it is.
            abandoned_at: Option<Instant> = Public,
            /// What is sent to the channel, rendered once; sealed, for it names the payer's device.
            request_sealed: Vec<u8> = Sealed fixed,
            /// What was handed out, as `kind:text`; sealed, for whoever holds it can pay with it.
            handover_sealed: Option<Vec<u8>> = Sealed,
            /// Why the channel did not create it (the channel's code), or why the payer's last try
            /// failed (a [`crate::channel::PayFailure`]).
            last_word: Option<String> = Public,
            paid_at: Option<Instant> = Public,
            /// When to ask the channel next; none when nothing is left to learn.
            ask_at: Option<Instant> = Public,
            asks: u32 = Public,
            version: u32 = Public,
        }
        ranges { "by_order" (bucket, order_id), }
    }
}

impl Attempt {
    /// Applies an event; `false` when the table refuses it.
    pub fn apply(&mut self, event: AttemptEvent) -> bool {
        match step(self.state, event).after(self.state) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// Why the payer's last try at the wallet failed, while another try may follow.
    #[must_use]
    pub fn pay_failure(&self) -> Option<PayFailure> {
        let word = self.last_word.as_deref().filter(|_| self.is_payable())?;
        PayFailure::from_code(word)
    }

    /// Whether there is evidence that nobody can pay it any more.
    #[must_use]
    pub const fn is_dead(&self) -> bool {
        match self.state {
            AttemptState::Dropped
            | AttemptState::Refused
            | AttemptState::Closed
            | AttemptState::Expired => true,
            AttemptState::Drafted
            | AttemptState::Offered
            | AttemptState::Unknown
            | AttemptState::Closing
            | AttemptState::Disputed
            | AttemptState::Paid => false,
        }
    }

    /// Whether a payer may be sent to pay it.
    #[must_use]
    pub const fn is_payable(&self) -> bool {
        matches!(self.state, AttemptState::Offered | AttemptState::Unknown)
            && self.abandoned_at.is_none()
    }

    /// Whether "not found" at `at` proves that nobody can pay it any more.
    ///
    /// Only when nothing was handed out, or after expiry and margin: before that an old tab may
    /// still create the order at the channel.
    #[must_use]
    pub fn not_found_is_evidence(&self, at: Instant) -> bool {
        self.handed_out_at.is_none() || self.is_past_death(at)
    }

    /// From when on nobody can pay it any more: its absolute expiry and the margin.
    fn death(&self) -> Instant {
        self.expires_at.plus_ms(DEATH_MARGIN_MS)
    }

    /// Past the absolute expiry by the margin.
    #[must_use]
    pub fn is_past_death(&self, at: Instant) -> bool {
        if has(Bug::TimerFromWallClock) {
            return at >= self.expires_at;
        }
        at >= self.death()
    }

    /// When to ask next, counted from the creation; `None` when nothing is left to learn.
    ///
    /// 5 s, 10 s, 30 s, 1, 2, 5, 10, 30 minutes, then every 30 minutes to 25 hours, and also at the
    /// expiry and 10 minutes after it. Once dead: only 10 minutes after the expiry and at 25 hours, against
    /// a payment after its close.
    #[must_use]
    pub fn next_ask(&self, now: Instant) -> Option<Instant> {
        if self.state == AttemptState::Paid {
            return None;
        }
        let end = self.created_at.plus_ms(WATCH_MS);
        let is_ahead = |at: &Instant| *at > now && *at <= end;
        if self.is_dead() {
            return [self.death(), end].into_iter().find(is_ahead);
        }
        let marks = [5, 10, 30, 60, 120, 300, 600, 1800].map(|s| s * SECOND_MS);
        // While the order is being placed, "not found" would only say that we were too quick.
        let first = if self.state == AttemptState::Drafted {
            self.created_at.plus_ms(MINUTE_MS)
        } else {
            self.created_at
        };
        let half_hours = (2..=50).map(|n| n * 30 * MINUTE_MS);
        marks
            .into_iter()
            .chain(half_hours)
            .map(|offset| self.created_at.plus_ms(offset))
            .chain([self.expires_at, self.death()])
            .filter(|at| *at >= first && is_ahead(at))
            .min()
    }

    /// When to ask again after asking brought no answer: as planned or, past the last planned moment,
    /// half an hour later. The watch ends with a word of the channel's, never with its silence.
    #[must_use]
    pub fn ask_again(&self, now: Instant) -> Option<Instant> {
        let is_paid = self.state == AttemptState::Paid;
        let late = (!is_paid).then(|| now.plus_ms(30 * MINUTE_MS));
        self.next_ask(now).or(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [AttemptEvent; 10] = [
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

    fn dead(state: AttemptState) -> bool {
        matches!(
            state,
            AttemptState::Dropped
                | AttemptState::Refused
                | AttemptState::Closed
                | AttemptState::Expired
        )
    }

    /// In every history of up to 6 events: success is never refused and never forgotten, a dead
    /// attempt is never handed out, and only evidence makes a handed-out attempt dead.
    fn explore(state: AttemptState, handed_out: bool, depth: u8) {
        if depth == 0 {
            return;
        }
        for event in EVENTS {
            let step = step(state, event);
            if event == AttemptEvent::Success {
                assert_ne!(step, Step::Refused, "{state:?}");
            }
            let Step::To(after) = step else { continue };
            assert_ne!(state, AttemptState::Paid, "{event:?} left PAID");
            if event == AttemptEvent::HandedOut {
                assert!(!dead(state), "{state:?} came to life");
            }
            if handed_out && dead(after) && !dead(state) {
                let evidence = matches!(
                    event,
                    AttemptEvent::CloseConfirmed | AttemptEvent::SeenUnpaidAfterExpiry
                );
                assert!(evidence, "{state:?} died of {event:?}");
            }
            explore(
                after,
                handed_out || event == AttemptEvent::HandedOut,
                depth - 1,
            );
        }
    }

    #[test]
    fn all_short_histories_keep_success_and_die_by_evidence() {
        explore(AttemptState::Drafted, false, 6);
    }

    fn attempt(state: AttemptState) -> Attempt {
        let bucket = Bucket::default();
        Attempt {
            bucket,
            attempt_no: AttemptNo::draw(bucket, &mut crate::id::IdSource::new([1; 32], 0)),
            order_id: OrderId([1; 16]),
            seq: 1,
            method: Method::WechatNative,
            channel: ChannelCode::Wechat,
            merchant: "mch".to_owned(),
            app: "app".to_owned(),
            state,
            amount: Fen::new(1),
            created_at: Instant(0),
            expires_at: Instant(LIFE_MS),
            handed_out_at: Some(Instant(0)),
            abandoned_at: None,
            request_sealed: Vec::new(),
            handover_sealed: None,
            last_word: Some("balance_too_low".to_owned()),
            paid_at: None,
            ask_at: None,
            asks: 0,
            version: 1,
        }
    }

    /// Seconds after the creation at which an attempt is asked about.
    fn asks(state: AttemptState) -> Vec<i64> {
        let attempt = attempt(state);
        let next = |at: &Instant| attempt.next_ask(*at);
        let all = std::iter::successors(next(&Instant(0)), next);
        all.map(|at| at.0 / SECOND_MS).collect()
    }

    #[test]
    fn it_is_asked_about_ever_more_seldom_for_25_hours() {
        let mut marks = vec![60, 120, 300, 600, 900, 1500];
        marks.extend((1..=50).map(|half_hours| half_hours * 1800));
        assert_eq!(asks(AttemptState::Drafted), marks);
        marks.splice(0..0, [5, 10, 30]);
        assert_eq!(asks(AttemptState::Offered), marks);
        for state in AttemptState::ALL.iter().filter(|state| dead(**state)) {
            assert_eq!(
                asks(*state),
                [1_500, 90_000],
                "against a payment after its close"
            );
        }
        assert_eq!(asks(AttemptState::Paid), Vec::<i64>::new());
        let early = Attempt {
            expires_at: Instant(90 * SECOND_MS),
            ..attempt(AttemptState::Offered)
        };
        let after = |s: i64| {
            early
                .next_ask(Instant(s * SECOND_MS))
                .map(|at| at.0 / SECOND_MS)
        };
        assert_eq!([after(60), after(600)], [Some(90), Some(690)]);
        let late = Instant(WATCH_MS + 1);
        let again = |state| attempt(state).ask_again(late);
        let half_hour = late.plus_ms(30 * MINUTE_MS);
        assert_eq!(again(AttemptState::Offered), Some(half_hour));
        assert_eq!(again(AttemptState::Paid), None);
    }

    /// Whom the page may send to pay, what it says of the last try, and when silence is a proof.
    #[test]
    fn what_may_be_done_with_an_attempt() {
        for state in AttemptState::ALL {
            let mut row = attempt(*state);
            assert_eq!(row.is_dead(), dead(*state), "{state:?}");
            let payable = matches!(state, AttemptState::Offered | AttemptState::Unknown);
            assert_eq!(row.is_payable(), payable, "{state:?}");
            let failure = payable.then_some(PayFailure::BalanceTooLow);
            assert_eq!(row.pay_failure(), failure, "{state:?}");
            row.abandoned_at = Some(Instant(0));
            assert!(!row.is_payable(), "{state:?}");
        }
        let row = attempt(AttemptState::Offered);
        let death = Instant(LIFE_MS + DEATH_MARGIN_MS);
        for (at, past) in [(death.plus_ms(-1), false), (death, true)] {
            assert_eq!(
                (row.is_past_death(at), row.not_found_is_evidence(at)),
                (past, past)
            );
        }
        let never = Attempt {
            handed_out_at: None,
            ..row
        };
        assert!(never.not_found_is_evidence(Instant(0)));
        assert_eq!(
            [LIFE_MS, DEATH_MARGIN_MS, WATCH_MS],
            [900_000, 600_000, 90_000_000]
        );
    }
}
