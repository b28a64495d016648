//! Rosters: where revisions come from, and the rows of a file on their way in.

use crate::due::DueId;
use crate::id::Bucket;
use crate::time::{Date, Instant};
use crate::{codes, record};

codes! {
    /// The state of a roster (名册状态).
    pub enum RosterState {
        /// Rows are being read and checked.
        Staging = 1 "staging",
        /// The file was read to its end; its rows become revisions, slice by slice.
        Publishing = 2 "publishing",
        /// Its revisions count.
        Active = 3 "active",
        /// It had an error of the whole file, or was given up: nothing of it counts.
        Rejected = 4 "rejected",
    }
}

/// Which state of a roster may follow which.
pub const fn roster_may_go(from: RosterState, to: RosterState) -> bool {
    use RosterState as S;
    match (from, to) {
        (S::Staging, S::Publishing | S::Rejected) | (S::Publishing, S::Active | S::Rejected) => {
            true
        }
        (S::Staging, S::Staging | S::Active)
        | (S::Publishing, S::Publishing | S::Staging)
        | (S::Active | S::Rejected, S::Staging | S::Publishing | S::Active | S::Rejected) => false,
    }
}

record! {
    /// One roster file or run. A reference row: small table, read by every decision on its dues.
    pub struct Roster in 21 "roster" state state versioned version {
        key { roster_id: [u8; 16] = Public, }
        row {
            state: RosterState = Public,
            region: String = Public fixed,
            benefit_year: i16 = Public fixed,
            /// Who issued it, and the issuer's own serial: an older serial is refused.
            source: String = Public fixed,
            serial: i64 = Public fixed,
            /// SHA-256 of the file.
            file_hash: [u8; 32] = Public,
            rows_read: i64 = Public,
            rows_good: i64 = Public,
            rows_bad: i64 = Public,
            rows_published: i64 = Public,
            created_at: Instant = Public fixed,
            activated_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { "by_source" (source, region, benefit_year), }
    }
}

record! {
    /// One person, pseudonymous; everything readable about the person is sealed or masked.
    pub struct Person in 22 "person" versioned version {
        key { bucket: Bucket = Public, person_id: crate::due::PersonId = Public, }
        row {
            name_sealed: Vec<u8> = Sealed,
            name_hmac: [u8; 32] = Hmac,
            name_masked: String = Masked,
            document_masked: String = Masked,
            /// Hash of month and day of birth with the name key, for notice links.
            birthday_hmac: Option<[u8; 32]> = Hmac,
            phone_sealed: Option<Vec<u8>> = Sealed,
            /// Set when staff merged this identity into another.
            merged_into: Option<crate::due::PersonId> = Public,
            created_at: Instant = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

record! {
    /// A document, found by its keyed hash; points to the person and the person's home bucket.
    pub struct Document in 23 "document" {
        key {
            /// The bucket of the document itself.
            bucket: Bucket = Public,
            doc_hmac: [u8; 32] = Hmac,
        }
        row {
            person_bucket: Bucket = Public,
            person_id: crate::due::PersonId = Public,
            kind: String = Public,
            number_sealed: Vec<u8> = Sealed,
            added_at: Instant = Public,
        }
        ranges { }
    }
}

record! {
    /// One signed notice link that was opened: tries and devices.
    pub struct NoticeLink in 24 "notice_link" versioned version {
        key { bucket: Bucket = Public, due_id: DueId = Public, }
        row {
            tries: u32 = Public,
            shut: bool = Public,
            /// Hashes of the devices that gave the birthday, at most eight, 32 bytes each.
            devices: Vec<u8> = Hmac,
            changed_at: Instant = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

record! {
    /// A policy pack as imported: the text and where it came from. A reference row.
    pub struct PolicyPack in 25 "policy_pack" versioned version {
        key { pack_id: String = Public, }
        row {
            region: String = Public,
            benefit_year: i16 = Public,
            status: String = Public,
            file_name: String = Public,
            text: String = Public,
            imported_on: Date = Public,
            imported_at: Instant = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_is_read_published_and_counts_or_is_rejected() {
        let mut ways = Vec::new();
        for from in RosterState::ALL {
            let after = RosterState::ALL
                .iter()
                .filter(|to| roster_may_go(*from, **to));
            ways.extend(after.map(|to| (from.code(), to.code())));
        }
        let known = [
            ("staging", "publishing"),
            ("staging", "rejected"),
            ("publishing", "active"),
            ("publishing", "rejected"),
        ];
        assert_eq!(ways, known);
    }
}
