//! An institution that calls us (收费机构): its terms, its keys, its accounting day.

use crate::front_end::FrontEnd;
use crate::time::{Date, Instant, MINUTE_MS, SECOND_MS};
use crate::{codes, record};
use sha2::{Digest, Sha256};

/// After the cut-over, how long `pay` and `reverse` of the day that ends are still taken.
pub const CLOSING_MS: i64 = 10 * MINUTE_MS;

/// How far the institution's clock may be before ours.
pub const SKEW_MS: i64 = 60 * SECOND_MS;

/// Minutes of a day.
pub const DAY_MINUTES: u32 = 1_440;

codes! {
    /// How an institution signs.
    pub enum KeyScheme {
        /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits or more.
        Rsa = 1 "BILLER1-RSA2048-SHA256",
        /// SM2 with SM3 and the default user id.
        Sm2 = 2 "BILLER1-SM2-SM3",
    }
}

codes! {
    /// What an institution may ask.
    pub enum Scope {
        /// `query` and `status`.
        Query = 1 "query",
        /// `collect`, `release` and `pay`.
        Pay = 2 "pay",
        /// `reverse`.
        Reverse = 3 "reverse",
        /// `reconcile`.
        Reconcile = 4 "reconcile",
    }
}

record! {
    /// One institution with its terms. A reference row, kept by the operator.
    pub struct Institution in 26 "institution" versioned version {
        key { inst_id: String = Public, }
        row {
            name: String = Public,
            /// Codes of its front ends, joined by `;`.
            front_ends: String = Public,
            /// Codes of its scopes, joined by `;`.
            scopes: String = Public,
            /// Networks it may call from (`192.0.2.0/24`), joined by `;`; none: from anywhere.
            addresses: String = Public,
            /// The Beijing minute of the day at which its accounting day ends; 1440 is midnight.
            cut_over: u32 = Public,
            /// The Beijing minutes of the day from and until which it may collect.
            hours_from: u32 = Public,
            hours_until: u32 = Public,
            /// For real money; otherwise only a test installation answers it.
            live: bool = Public,
            /// Where it is told of events; empty: nowhere.
            webhook: String = Public,
            created_at: Instant = Public fixed,
            version: u32 = Public,
        }
        ranges { }
    }
}

record! {
    /// One public key of an institution; several may hold at once. A reference row.
    pub struct InstitutionKey in 27 "institution_key" versioned version {
        key { inst_id: String = Public, key_id: String = Public, }
        row {
            scheme: KeyScheme = Public fixed,
            /// SubjectPublicKeyInfo, DER.
            public_key: Vec<u8> = Public fixed,
            valid_from: Instant = Public fixed,
            /// From this moment it holds no more.
            valid_until: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

record! {
    /// A link through which an institution keeps its own keys; the operator hands it over. A
    /// reference row.
    pub struct AccessLink in 32 "access_link" versioned version {
        key { inst_id: String = Public, link_id: String = Public, }
        row {
            /// Hash of the device that opened it and holds it since; empty before.
            device: Vec<u8> = Hmac,
            made_at: Instant = Public fixed,
            /// From this moment it opens nothing.
            valid_until: Instant = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

impl AccessLink {
    /// Whether this device opened it.
    #[must_use]
    pub fn is_held_by(&self, device: &[u8; 32]) -> bool {
        self.device == device
    }
}

/// Who keeps the keys and the webhook of an institution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The operator, on the command line.
    Staff,
    /// The institution itself, through its link.
    Institution,
}

impl Keeper {
    /// How the audit names them.
    #[must_use]
    pub fn actor(self, inst_id: &str) -> String {
        match self {
            Keeper::Staff => "staff:cli".to_owned(),
            Keeper::Institution => format!("institution:{inst_id}"),
        }
    }
}

impl InstitutionKey {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds(&self, at: Instant) -> bool {
        self.valid_from <= at && self.valid_until.is_none_or(|until| at < until)
    }
}

/// Whether `text` can name an institution, a key or a serial: 1 to `max` of `0-9A-Za-z_-`.
#[must_use]
pub fn is_name(text: &str, max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=max).contains(&text.len()) && text.bytes().all(plain)
}

/// Who holds the locks of an institution, as a due names it.
#[must_use]
pub fn holder(inst_id: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"institution:");
    hash.update(inst_id);
    hash.finalize().into()
}

impl Institution {
    /// Whether it may call through this front end.
    #[must_use]
    pub fn has_front_end(&self, front: FrontEnd) -> bool {
        self.front_ends.split(';').any(|code| code == front.code())
    }

    /// Whether it may ask this.
    #[must_use]
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.split(';').any(|code| code == scope.code())
    }

    /// The moment at which its accounting day ends.
    #[must_use]
    pub fn day_ends(&self, day: Date) -> Instant {
        Instant::start_of(day).plus_ms(i64::from(self.cut_over) * MINUTE_MS)
    }

    /// The moment at which its accounting day begins: when the day before ends.
    #[must_use]
    pub fn day_begins(&self, day: Date) -> Instant {
        self.day_ends(day.yesterday().unwrap_or(day))
    }

    /// The last moment at which something of the day is taken or undone.
    #[must_use]
    pub fn day_closes(&self, day: Date) -> Instant {
        self.day_ends(day).plus_ms(CLOSING_MS)
    }

    /// Whether something may be booked into a day at a moment.
    #[must_use]
    pub fn is_open(&self, day: Date, at: Instant) -> bool {
        self.day_begins(day).plus_ms(-SKEW_MS) <= at && at <= self.day_closes(day)
    }

    /// Whether the day's file is taken at a moment: when the day is over, or, as nobody who tests can
    /// wait for the evening, when it has begun.
    #[must_use]
    pub fn takes_file(&self, day: Date, at: Instant) -> bool {
        at > match self.live {
            true => self.day_closes(day),
            false => self.day_begins(day),
        }
    }

    /// When the payer acted, as far as that can be: inside the accounting day, and not after the
    /// call came. A clock that is a little before ours counts as ours.
    #[must_use]
    pub fn accepted_at(&self, day: Date, paid_at: Instant, at: Instant) -> Option<Instant> {
        let inside = self.day_begins(day) <= paid_at && paid_at <= self.day_ends(day);
        let known = paid_at <= at.plus_ms(SKEW_MS);
        (inside && known).then(|| paid_at.min(at))
    }

    /// When its hours begin next after a moment outside of them.
    #[must_use]
    pub fn hours_begin(&self, at: Instant) -> Instant {
        let on = |day: Date| Instant::start_of(day).plus_ms(i64::from(self.hours_from) * MINUTE_MS);
        let today = on(at.date());
        let tomorrow = on(at.date().tomorrow().unwrap_or(at.date()));
        if at < today { today } else { tomorrow }
    }

    /// Whether it may collect at this moment of the day.
    #[must_use]
    pub fn in_hours(&self, at: Instant) -> bool {
        let (hour, minute, ..) = at.time_of_day();
        let minute = hour * 60 + minute;
        i64::from(self.hours_from) <= minute && minute < i64::from(self.hours_until)
    }
}

#[cfg(test)]
pub(crate) fn bank(cut_over: u32) -> Institution {
    Institution {
        inst_id: "BANK01".to_owned(),
        name: "bank".to_owned(),
        front_ends: "A7;A8".to_owned(),
        scopes: "query;pay;reverse".to_owned(),
        addresses: String::new(),
        cut_over,
        hours_from: 0,
        hours_until: DAY_MINUTES,
        live: false,
        webhook: String::new(),
        created_at: Instant(0),
        version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn a_day_runs_from_cut_over_to_cut_over() {
        let day = Date::constant(2026, 11, 27);
        let bank = bank(23 * 60);
        for (moment, open) in [
            ("2026-11-26 22:58:59", false),
            ("2026-11-26 22:59:00", true),
            ("2026-11-27 23:10:00", true),
            ("2026-11-27 23:10:01", false),
        ] {
            assert_eq!(bank.is_open(day, at(moment)), open, "{moment}");
        }
        let now = at("2026-11-27 09:00:00");
        for (paid, accepted) in [
            ("2026-11-26 22:59:59", None),
            ("2026-11-26 23:00:00", Some("2026-11-26 23:00:00")),
            ("2026-11-27 08:59:59", Some("2026-11-27 08:59:59")),
            ("2026-11-27 09:01:00", Some("2026-11-27 09:00:00")),
            ("2026-11-27 09:01:01", None),
        ] {
            let accepted = accepted.map(at);
            assert_eq!(bank.accepted_at(day, at(paid), now), accepted, "{paid}");
        }
        let live = Institution {
            live: true,
            ..bank.clone()
        };
        for (moment, test, real) in [
            ("2026-11-26 23:00:00", false, false),
            ("2026-11-26 23:00:01", true, false),
            ("2026-11-27 23:10:00", true, false),
            ("2026-11-27 23:10:01", true, true),
        ] {
            let taken = (
                bank.takes_file(day, at(moment)),
                live.takes_file(day, at(moment)),
            );
            assert_eq!(taken, (test, real), "{moment}");
        }
        let late = at("2026-11-27 23:05:00");
        assert_eq!(bank.accepted_at(day, at("2026-11-27 23:00:01"), late), None);
    }

    #[test]
    fn hours_codes_and_names() {
        let mut bank = bank(DAY_MINUTES);
        (bank.hours_from, bank.hours_until) = (9 * 60 + 30, 17 * 60 + 15);
        for (time, open) in [
            ("09:29", false),
            ("09:30", true),
            ("17:14", true),
            ("17:15", false),
        ] {
            let moment = at(&format!("2026-11-27 {time}:00"));
            assert_eq!(bank.in_hours(moment), open, "{time}");
        }
        for (moment, begin) in [
            ("2026-11-27 09:29:59", "2026-11-27 09:30:00"),
            ("2026-11-27 17:15:00", "2026-11-28 09:30:00"),
        ] {
            assert_eq!(bank.hours_begin(at(moment)), at(begin), "{moment}");
        }
        assert!(bank.has_front_end(FrontEnd::Machine));
        assert!(!bank.has_front_end(FrontEnd::AlipayCity), "A7 is not A1");
        assert!(bank.has_scope(Scope::Reverse) && !bank.has_scope(Scope::Reconcile));
        for (name, good) in [("k1", true), ("", false), ("a b", false), ("缴", false)] {
            assert_eq!(is_name(name, 30), good, "{name}");
        }
        assert!(is_name(&"x".repeat(40), 40) && !is_name(&"x".repeat(41), 40));
    }

    #[test]
    fn a_key_holds_from_and_until() {
        let key = InstitutionKey {
            inst_id: "BANK01".to_owned(),
            key_id: "k1".to_owned(),
            scheme: KeyScheme::Rsa,
            public_key: vec![1],
            valid_from: Instant(10),
            valid_until: Some(Instant(20)),
            version: 1,
        };
        let holding: Vec<i64> = (8..22).filter(|at| key.holds(Instant(*at))).collect();
        assert_eq!(holding, (10..20).collect::<Vec<i64>>());
    }
}
