//! What institutions are told without asking (outgoing webhooks, 事件通知): one event a row, written
//! by the transaction that causes it, and what became of sending it.

use crate::hex::{self, Hex};
use crate::id::Bucket;
use crate::time::{DAY_MS, Instant, MINUTE_MS};
use crate::{codes, id16, record};

id16! {
    /// One event. It begins with its time and its bucket, so that ids are in the order of events.
    HookId;
}

impl HookId {
    /// An id from its time, its bucket and what was drawn.
    #[must_use]
    pub fn new(at: Instant, bucket: Bucket, drawn: [u8; 16]) -> HookId {
        let mut id = drawn;
        id[..6].copy_from_slice(&at.0.to_be_bytes()[2..]);
        id[6..8].copy_from_slice(&bucket.get().to_be_bytes());
        HookId(id)
    }

    /// The bucket in which the event lies.
    #[must_use]
    pub fn bucket(&self) -> Option<Bucket> {
        Bucket::try_new(u16::from_be_bytes([self.0[6], self.0[7]]))
    }

    /// As institutions know it: 32 hexadecimal digits.
    #[must_use]
    pub fn text(&self) -> String {
        Hex(&self.0).to_string()
    }

    /// Reads [`HookId::text`].
    #[must_use]
    pub fn parse(text: &str) -> Option<HookId> {
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        hex::bytes(text).filter(|_| is_lower).map(HookId)
    }
}

codes! {
    /// What an institution is told of.
    pub enum HookKind {
        /// A payment of its own stands.
        Payment = 1 "payment",
        /// A payment of its own was undone.
        Reversal = 2 "reversal",
        /// Money went back for a bill that it has paid.
        Refund = 3 "refund",
        /// A voucher was made for a bill that it has paid, or had paid before.
        VoucherIssued = 4 "voucher_issued",
        /// The voucher of its payment counts no more.
        VoucherSuperseded = 5 "voucher_superseded",
        /// A lock of its own ended without a payment.
        Release = 6 "release",
        /// Money of its day file buys nothing: it is to give it back to the payer.
        GiveBack = 7 "give_back",
    }
}

codes! {
    /// What became of sending an event.
    pub enum HookState {
        /// Not delivered yet.
        Waiting = 1 "waiting",
        /// The institution has answered 2xx.
        Delivered = 2 "delivered",
        /// Given up; it can be read and sent anew.
        Failed = 3 "failed",
    }
}

/// Which state of an event may follow which.
#[must_use]
pub const fn hook_may_go(from: HookState, to: HookState) -> bool {
    match (from, to) {
        (HookState::Waiting, HookState::Waiting | HookState::Delivered | HookState::Failed) => true,
        // A replay begins anew; nothing else changes what has ended.
        (HookState::Delivered | HookState::Failed, HookState::Waiting) => true,
        (HookState::Delivered | HookState::Failed, HookState::Delivered | HookState::Failed) => {
            false
        }
    }
}

record! {
    /// One event for one institution, in the bucket of what it is about.
    pub struct HookEvent in 31 "hook_event" state state versioned version {
        key { bucket: Bucket = Public, hook_id: HookId = Public, }
        row {
            inst_id: String = Public fixed,
            kind: HookKind = Public fixed,
            /// What is sent, word for word.
            body: String = Public fixed,
            at: Instant = Public fixed,
            state: HookState = Public,
            /// How often it was sent, replays included.
            tries: u32 = Public,
            /// The newest tries, one a line: time, outcome, how long it took in ms.
            log: String = Public,
            /// When it was delivered or given up.
            ended_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

/// How many tries the log of an event keeps.
const LOG_LINES_MAX: usize = 20;

impl HookEvent {
    /// Writes one try into the log; the oldest makes room.
    pub fn note(&mut self, at: Instant, outcome: &str, took_ms: i64) {
        self.tries = self.tries.saturating_add(1);
        let line = format!("{} {outcome} {took_ms} ms", at.rfc3339());
        let mut lines: Vec<&str> = self.log.lines().collect();
        lines.push(&line);
        let surplus = lines.len().saturating_sub(LOG_LINES_MAX);
        self.log = lines[surplus..].join("\n");
    }
}

/// For how long an event is sent again.
pub const GIVEN_UP_AFTER_MS: i64 = 2 * DAY_MS;

/// When an event is sent again that was sent `tries` times since `asked_at`: after 60 s, 2 min, 4 min
/// and so on; a last time when two days are over. `None`: not any more.
#[must_use]
pub fn next_try(asked_at: Instant, tries: u32, now: Instant) -> Option<Instant> {
    let last = asked_at.plus_ms(GIVEN_UP_AFTER_MS);
    let wait = MINUTE_MS.saturating_mul(1 << tries.saturating_sub(1).min(16));
    (now < last).then(|| now.plus_ms(wait).min(last))
}

/// How a message about an event names it: institution first, so that they lie together, in order.
#[must_use]
pub fn subject(inst_id: &str, id: &HookId) -> String {
    format!("{inst_id}:{}", id.text())
}

/// Reads [`subject`].
#[must_use]
pub fn id_of_subject(subject: &str) -> Option<HookId> {
    HookId::parse(subject.split_once(':')?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_in_the_order_of_events_and_tell_their_bucket() {
        let bucket = |n| Bucket::try_new(n).unwrap();
        let id = |ms, n| HookId::new(Instant(ms), bucket(n), [0xab; 16]);
        let (first, second) = (id(1_795_312_800_000, 4_095), id(1_795_312_800_001, 0));
        assert!(first.text() < second.text() && first < second);
        for id in [first, second] {
            assert_eq!(HookId::parse(&id.text()), Some(id));
            assert_eq!(id_of_subject(&subject("BANK01", &id)), Some(id));
        }
        assert_eq!(
            (first.bucket(), second.bucket()),
            (Some(bucket(4_095)), Some(bucket(0)))
        );
        let text = first.text();
        for wrong in [
            &text[1..],
            &text.to_uppercase(),
            &format!("+{}", &text[1..]),
        ] {
            assert_eq!(HookId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tries_are_farther_and_farther_apart_for_two_days() {
        let asked = Instant(0);
        let (mut now, mut tries, mut waits) = (asked, 1, Vec::new());
        while let Some(next) = next_try(asked, tries, now) {
            waits.push(next.since_ms(now) / MINUTE_MS);
            (now, tries) = (next, tries + 1);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 833]);
        assert_eq!(now, Instant(GIVEN_UP_AFTER_MS));
    }

    #[test]
    fn the_log_keeps_the_newest_tries() {
        let mut event = HookEvent {
            bucket: Bucket::default(),
            hook_id: HookId([0; 16]),
            inst_id: "BANK01".to_owned(),
            kind: HookKind::Payment,
            body: "{}".to_owned(),
            at: Instant(0),
            state: HookState::Waiting,
            tries: 0,
            log: String::new(),
            ended_at: None,
            version: 1,
        };
        for n in 0..25 {
            event.note(Instant(0), &format!("status {n}"), n);
        }
        let lines: Vec<&str> = event.log.lines().collect();
        assert_eq!((event.tries, lines.len()), (25, 20));
        assert!(lines[0].ends_with(" status 5 5 ms"), "{}", lines[0]);
        assert!(lines[19].ends_with(" status 24 24 ms"), "{}", lines[19]);
    }

    #[test]
    fn only_a_replay_leads_back() {
        let mut ways = Vec::new();
        for from in HookState::ALL {
            let after = HookState::ALL.iter().filter(|to| hook_may_go(*from, **to));
            ways.extend(after.map(|to| format!("{} {}", from.code(), to.code())));
        }
        assert_eq!(
            ways,
            [
                "waiting waiting",
                "waiting delivered",
                "waiting failed",
                "delivered waiting",
                "failed waiting"
            ]
        );
    }
}
