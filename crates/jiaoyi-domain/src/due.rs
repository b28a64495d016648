//! What one insured person owes for one benefit period: the due, its revisions and its slot.

use crate::channel::ChannelCode;
use crate::id::{Bucket, RefundNo, VoucherNo};
use crate::money::Fen;
use crate::step::Step;
use crate::time::{Date, Instant};
use crate::{codes, id16, record};
use sha2::{Digest, Sha256};

id16! {
    /// An insured person, pseudonymous; the books keep it after the person's data is erased.
    PersonId;
    /// A due: derived from person, scheme and benefit year, so that a person owes once.
    DueId;
    /// A roster file or run that brought revisions.
    RosterId;
    /// An order.
    OrderId;
}

impl DueId {
    /// The due of a person for a scheme and benefit year; the same for every generation.
    #[must_use]
    pub fn of(person: PersonId, scheme: Scheme, benefit_year: i16) -> DueId {
        let mut hash = Sha256::new();
        hash.update(b"due");
        hash.update(person.0);
        hash.update(scheme.code());
        hash.update(benefit_year.to_be_bytes());
        let full = hash.finalize();
        let mut id = [0; 16];
        id.copy_from_slice(&full[..16]);
        DueId(id)
    }
}

codes! {
    /// What the premium is for (险种).
    pub enum Scheme {
        /// 城乡居民基本医疗保险.
        ResidentMedical = 1 "resident_medical",
    }
}

codes! {
    /// The state of a due (应征状态).
    pub enum DueState {
        /// Imported, its roster is not active yet.
        Draft = 1 "draft",
        /// Can be paid when its window allows.
        Open = 2 "open",
        /// An order is being paid; a courtesy, not a guarantee.
        Locked = 3 "locked",
        /// Its slot is filled.
        Paid = 4 "paid",
        /// The premium was given back; this generation is over.
        Returned = 5 "returned",
        /// Should not exist (insured elsewhere, died before the start).
        Void = 6 "void",
        /// The last window closed without a payment.
        Expired = 7 "expired",
    }
}

/// What can happen to a due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueEvent {
    /// A roster that prices it is active.
    Activated,
    /// The newest active revision withdraws it.
    Withdrawn,
    /// An order takes, or takes over, the lock.
    LockTaken,
    /// Every attempt of the locking order is dead, or the order was given up.
    LockFreed,
    /// Money, or a confirmation of 0 yuan, fills the slot.
    Filled,
    /// An approved refund gives the premium back.
    GivenBack,
    /// The channel reversed the payment after the fact; the due can be paid again.
    Reversed,
    /// The last window has passed.
    WindowEnded,
}

/// The one transition table of a due.
pub const fn step(state: DueState, event: DueEvent) -> Step<DueState> {
    use DueEvent as E;
    use DueState as S;
    match (state, event) {
        (S::Draft, E::Activated) => Step::To(S::Open),
        (S::Open | S::Locked, E::Activated) => Step::AlreadyApplied,
        // A withdrawn due that a newer roster prices again is simply open again.
        (S::Void | S::Expired, E::Activated) => Step::To(S::Open),
        (S::Paid | S::Returned, E::Activated) => Step::Refused,

        (S::Draft | S::Open | S::Expired, E::Withdrawn) => Step::To(S::Void),
        (S::Void, E::Withdrawn) => Step::AlreadyApplied,
        // Locked: the attempt runs out or its success becomes surplus; never under a payer's hand.
        (S::Locked | S::Paid | S::Returned, E::Withdrawn) => Step::Refused,

        (S::Open | S::Locked, E::LockTaken) => Step::To(S::Locked),
        (S::Draft | S::Paid | S::Returned | S::Void | S::Expired, E::LockTaken) => Step::Refused,

        (S::Locked, E::LockFreed) => Step::To(S::Open),
        (S::Draft | S::Open | S::Paid | S::Returned | S::Void | S::Expired, E::LockFreed) => {
            Step::AlreadyApplied
        }

        // A success of an abandoned attempt may find the due open or expired: the slot decides.
        (S::Open | S::Locked | S::Expired, E::Filled) => Step::To(S::Paid),
        (S::Paid, E::Filled) => Step::AlreadyApplied,
        (S::Draft | S::Returned | S::Void, E::Filled) => Step::Refused,

        (S::Paid, E::GivenBack) => Step::To(S::Returned),
        (S::Returned, E::GivenBack) => Step::AlreadyApplied,
        (S::Draft | S::Open | S::Locked | S::Void | S::Expired, E::GivenBack) => Step::Refused,

        (S::Paid, E::Reversed) => Step::To(S::Open),
        (S::Draft | S::Open | S::Locked | S::Returned | S::Void | S::Expired, E::Reversed) => {
            Step::Refused
        }

        (S::Draft | S::Open, E::WindowEnded) => Step::To(S::Expired),
        (S::Expired, E::WindowEnded) => Step::AlreadyApplied,
        (S::Locked | S::Paid | S::Returned | S::Void, E::WindowEnded) => Step::Refused,
    }
}

record! {
    /// One due in one generation.
    pub struct Due in 1 "due" state state versioned version {
        key { bucket: Bucket = Public, due_id: DueId = Public, generation: u32 = Public, }
        row {
            person_id: PersonId = Public fixed,
            scheme: Scheme = Public fixed,
            benefit_year: i16 = Public fixed,
            state: DueState = Public,
            /// Highest revision that was ever appended.
            revision_last: u32 = Public,
            /// The order that holds the lock.
            lock_order: Option<OrderId> = Public,
            lock_order_bucket: Option<Bucket> = Public,
            /// Who holds it: hash of the device cookie.
            lock_holder: Option<[u8; 32]> = Hmac,
            lock_channel: Option<ChannelCode> = Public,
            lock_at: Option<Instant> = Public,
            /// What the page counts down to; passing it frees nothing by itself.
            lock_until: Option<Instant> = Public,
            /// Locks of the last holder that ran out instead of being given back, since `lock_at`.
            lock_lapses: u32 = Public,
            paid_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { "by_person" (bucket, person_id), }
    }
}

codes! {
    /// What a revision says of a due.
    pub enum RevisionKind {
        /// It has a price.
        Price = 1 "price",
        /// It should not exist, for a cause.
        Void = 2 "void",
    }
}

record! {
    /// One numbered revision of a due; it counts when its roster is active. Never changed.
    pub struct Revision in 2 "revision" {
        key {
            bucket: Bucket = Public,
            due_id: DueId = Public,
            generation: u32 = Public,
            revision_no: u32 = Public,
        }
        row {
            roster_id: RosterId = Public,
            kind: RevisionKind = Public,
            region: String = Public,
            category: String = Public,
            tier: String = Public,
            /// Aid statuses of the person, joined by `;`.
            aids: String = Public,
            /// `item=fen` joined by `;`, in the pack's order.
            items: String = Public,
            /// `payer=fen` joined by `;`, in the pack's order.
            subsidies: String = Public,
            /// What the insured pays in the window.
            own: Fen = Public,
            /// Own part and all subsidies.
            gross: Fen = Public,
            /// What the insured pays in the late phase; `None` when there is none.
            late_own: Option<Fen> = Public,
            void_cause: Option<String> = Public,
            /// Version of the policy pack that priced it.
            policy_version: String = Public,
            created_at: Instant = Public,
        }
        ranges { "by_due" (bucket, due_id, generation), }
    }
}

record! {
    /// The one place per due and generation that premium can fill. A live slot is not ended.
    pub struct Slot in 3 "slot" versioned version {
        key { bucket: Bucket = Public, due_id: DueId = Public, generation: u32 = Public, }
        row {
            person_id: PersonId = Public fixed,
            scheme: Scheme = Public fixed,
            benefit_year: i16 = Public fixed,
            order_id: OrderId = Public fixed,
            line_no: u32 = Public fixed,
            /// The fact that filled it; none for a due of 0 yuan.
            fact_bucket: Option<Bucket> = Public fixed,
            fact_channel: Option<ChannelCode> = Public fixed,
            fact_merchant: Option<String> = Public fixed,
            fact_txn: Option<String> = Public fixed,
            /// After this moment the channel can no longer reverse the filling fact; none: never could.
            reversible_until: Option<Instant> = Public,
            own: Fen = Public fixed,
            gross: Fen = Public fixed,
            subsidies: String = Public fixed,
            /// When the payer acted, which decides window and start of benefit.
            accepted_at: Instant = Public fixed,
            filled_at: Instant = Public fixed,
            benefit_first: Date = Public fixed,
            benefit_last: Date = Public fixed,
            voucher_no: VoucherNo = Public fixed,
            ended_at: Option<Instant> = Public,
            end_reason: Option<String> = Public,
            version: u32 = Public,
            /// Surplus that takes the place if the filling fact is reversed first.
            next_refund: Option<RefundNo> = Public,
        }
        ranges { }
    }
}

record! {
    /// Somebody was refused inside the window for a lock or an outage: in time for 24 hours.
    pub struct TurnedAway in 4 "turned_away" {
        key {
            bucket: Bucket = Public,
            due_id: DueId = Public,
            generation: u32 = Public,
            at: Instant = Public,
        }
        row {
            reason: String = Public,
            until: Instant = Public,
        }
        ranges { "by_due" (bucket, due_id, generation), }
    }
}

impl Due {
    /// Applies an event to the state; `false` when the table refuses it.
    pub fn apply(&mut self, event: DueEvent) -> bool {
        match step(self.state, event).after(self.state) {
            Some(state) => {
                self.state = state;
                true
            }
            None => false,
        }
    }

    /// Whether `order` holds the lock.
    #[must_use]
    pub fn is_locked_by(&self, order: OrderId) -> bool {
        self.state == DueState::Locked && self.lock_order == Some(order)
    }

    /// Whether its lock ended with its time: an institution's, the one kind that does, because our
    /// answer to `pay` still decides.
    #[must_use]
    pub fn lock_is_over(&self, at: Instant) -> bool {
        let inbound = self.lock_channel.and_then(ChannelCode::front_end).is_some();
        self.state == DueState::Locked && inbound && self.lock_until.is_none_or(|until| until <= at)
    }

    /// Frees the lock if `order` holds it; `lapsed` when it ran out instead of being given back.
    pub fn free_lock(&mut self, order: OrderId, lapsed: bool) {
        if self.is_locked_by(order) && self.apply(DueEvent::LockFreed) {
            self.lock_order = None;
            self.lock_order_bucket = None;
            self.lock_channel = None;
            self.lock_until = None;
            self.lock_lapses = if lapsed {
                self.lock_lapses.saturating_add(1)
            } else {
                0
            };
        }
    }
}

/// Why a slot ended whose filling fact was reversed.
const REVERSED: &str = "reversed";

impl Slot {
    /// Whether premium stands in it now.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.ended_at.is_none()
    }

    /// Whether its filling fact was reversed, as if it never had been; the next generation of the due
    /// takes its place.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.end_reason.as_deref() == Some(REVERSED)
    }

    /// Ends it because the filling fact was reversed.
    pub fn reverse(&mut self, at: Instant) {
        self.ended_at = Some(at);
        self.end_reason = Some(REVERSED.to_owned());
    }
}

/// Writes `name=fen` pairs joined by `;`.
#[must_use]
pub fn join_amounts<'a>(amounts: impl IntoIterator<Item = (&'a str, Fen)>) -> String {
    let parts: Vec<String> = amounts
        .into_iter()
        .map(|(name, fen)| format!("{name}={}", fen.get()))
        .collect();
    parts.join(";")
}

/// Reads what [`join_amounts`] wrote; damaged parts are left out, so sums show the damage.
#[must_use]
pub fn split_amounts(text: &str) -> Vec<(String, Fen)> {
    text.split(';')
        .filter_map(|part| {
            let (name, fen) = part.split_once('=')?;
            Some((name.to_owned(), Fen::new(fen.parse().ok()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [DueEvent; 8] = [
        DueEvent::Activated,
        DueEvent::Withdrawn,
        DueEvent::LockTaken,
        DueEvent::LockFreed,
        DueEvent::Filled,
        DueEvent::GivenBack,
        DueEvent::Reversed,
        DueEvent::WindowEnded,
    ];

    /// In every history of up to 7 events, money in the slot leaves only by a refund or a reversal,
    /// and a returned generation never comes back.
    fn explore(state: DueState, filled: bool, depth: u8) {
        assert_eq!(state == DueState::Paid, filled);
        if depth == 0 {
            return;
        }
        for event in EVENTS {
            match step(state, event) {
                Step::To(after) => {
                    assert_ne!(state, DueState::Returned, "{event:?} left RETURNED");
                    let filled = match event {
                        DueEvent::Filled => true,
                        DueEvent::GivenBack | DueEvent::Reversed => false,
                        DueEvent::Activated
                        | DueEvent::Withdrawn
                        | DueEvent::LockTaken
                        | DueEvent::LockFreed
                        | DueEvent::WindowEnded => filled,
                    };
                    assert!(!filled || after == DueState::Paid, "{state:?} {event:?}");
                    explore(after, filled, depth - 1);
                }
                Step::AlreadyApplied | Step::Refused => {}
            }
        }
    }

    #[test]
    fn all_short_histories_keep_money_in_its_slot() {
        explore(DueState::Draft, false, 7);
    }

    #[test]
    fn amounts_survive_being_stored() {
        let stored = join_amounts([("medical", Fen::from_yuan(400)), ("ltc", Fen::new(3050))]);
        assert_eq!(stored, "medical=40000;ltc=3050");
        assert_eq!(
            split_amounts(&stored),
            [
                ("medical".to_owned(), Fen::new(40000)),
                ("ltc".to_owned(), Fen::new(3050))
            ]
        );
        assert_eq!(split_amounts(""), []);
    }

    #[test]
    fn a_person_owes_once_a_year() {
        let of = |person, year| DueId::of(PersonId([person; 16]), Scheme::ResidentMedical, year);
        assert_eq!(of(1, 2027), of(1, 2027));
        assert_ne!(of(1, 2027), of(2, 2027));
        assert_ne!(of(1, 2027), of(1, 2028));
    }

    #[test]
    fn only_the_holder_frees_a_lock() {
        let (mine, theirs) = (OrderId([1; 16]), OrderId([2; 16]));
        let locked = Due {
            bucket: Bucket::default(),
            due_id: DueId([1; 16]),
            generation: 1,
            person_id: PersonId([1; 16]),
            scheme: Scheme::ResidentMedical,
            benefit_year: 2027,
            state: DueState::Locked,
            revision_last: 1,
            lock_order: Some(mine),
            lock_order_bucket: Some(Bucket::default()),
            lock_holder: Some([1; 32]),
            lock_channel: Some(ChannelCode::Wechat),
            lock_at: Some(Instant(0)),
            lock_until: Some(Instant(1)),
            lock_lapses: 1,
            paid_at: None,
            version: 1,
        };
        let freed = |order, lapsed| {
            let mut due = locked.clone();
            due.free_lock(order, lapsed);
            due
        };
        assert_eq!(freed(theirs, true), locked);
        for (lapsed, lapses) in [(true, 2), (false, 0)] {
            let due = freed(mine, lapsed);
            assert_eq!((due.state, due.lock_lapses), (DueState::Open, lapses));
            let left = (
                due.lock_order,
                due.lock_order_bucket,
                due.lock_channel,
                due.lock_until,
            );
            assert_eq!(left, (None, None, None, None));
            // They count against their holder.
            assert_eq!(
                (due.lock_holder, due.lock_at),
                (locked.lock_holder, locked.lock_at)
            );
        }
        let open = Due {
            state: DueState::Open,
            ..locked.clone()
        };
        assert!(locked.is_locked_by(mine) && !locked.is_locked_by(theirs));
        assert!(!open.is_locked_by(mine));
    }
}
