//! Every error of the biller API: one list for the answers, the documents and OpenAPI.

use crate::codes;

codes! {
    /// Why a call was not decided. None of them stores anything: the same serial may be used again.
    pub enum ErrorCode {
        AuthMalformed = 1 "AUTH_MALFORMED",
        UnknownKey = 2 "UNKNOWN_KEY",
        TimestampOutOfRange = 3 "TIMESTAMP_OUT_OF_RANGE",
        SignatureWrong = 4 "SIGNATURE_WRONG",
        NonceReused = 5 "NONCE_REUSED",
        AddressNotAllowed = 6 "ADDRESS_NOT_ALLOWED",
        ScopeMissing = 7 "SCOPE_MISSING",
        ChannelNotAllowed = 8 "CHANNEL_NOT_ALLOWED",
        TestOnly = 9 "TEST_ONLY",
        BadRequest = 10 "BAD_REQUEST",
        TokenInvalid = 11 "TOKEN_INVALID",
        NoSuchVerb = 12 "NO_SUCH_VERB",
        NoSuchPerson = 13 "NO_SUCH_PERSON",
        NoSuchBill = 14 "NO_SUCH_BILL",
        NoSuchDay = 15 "NO_SUCH_DAY",
        DuplicateMismatch = 16 "DUPLICATE_MISMATCH",
        TooLarge = 17 "TOO_LARGE",
        RateLimited = 18 "RATE_LIMITED",
        Internal = 19 "INTERNAL",
        Busy = 20 "BUSY",
        Unavailable = 21 "UNAVAILABLE",
        Timeout = 22 "TIMEOUT",
        NoSuchEvent = 23 "NO_SUCH_EVENT",
    }
}

impl ErrorCode {
    /// HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            ErrorCode::BadRequest => 400,
            ErrorCode::AuthMalformed
            | ErrorCode::UnknownKey
            | ErrorCode::TimestampOutOfRange
            | ErrorCode::SignatureWrong
            | ErrorCode::NonceReused => 401,
            ErrorCode::AddressNotAllowed
            | ErrorCode::ScopeMissing
            | ErrorCode::ChannelNotAllowed
            | ErrorCode::TestOnly => 403,
            ErrorCode::NoSuchVerb
            | ErrorCode::NoSuchPerson
            | ErrorCode::NoSuchEvent
            | ErrorCode::NoSuchBill
            | ErrorCode::NoSuchDay => 404,
            ErrorCode::DuplicateMismatch => 409,
            ErrorCode::TooLarge => 413,
            ErrorCode::TokenInvalid => 422,
            ErrorCode::RateLimited => 429,
            ErrorCode::Internal => 500,
            ErrorCode::Busy | ErrorCode::Unavailable => 503,
            ErrorCode::Timeout => 504,
        }
    }

    /// What it means, for an integrator.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            ErrorCode::AuthMalformed => "no `Authorization`, or not of the documented form",
            ErrorCode::UnknownKey => {
                "this institution and key are not known, or the key holds no longer or not yet"
            }
            ErrorCode::TimestampOutOfRange => "more than 300 s from our time",
            ErrorCode::SignatureWrong => {
                "the signature does not fit the request; `echo-signature` says why"
            }
            ErrorCode::NonceReused => "this nonce was used within the last ten minutes",
            ErrorCode::AddressNotAllowed => {
                "the call comes from an address that is not the institution's"
            }
            ErrorCode::ScopeMissing => "the institution may not use this verb",
            ErrorCode::ChannelNotAllowed => {
                "the channel is not the institution's, or its row does not allow this"
            }
            ErrorCode::TestOnly => "a test institution on a live installation, or the reverse",
            ErrorCode::BadRequest => "the body cannot be read; `field` names the place",
            ErrorCode::TokenInvalid => {
                "the token is not ours, is older than ten minutes, or is for other bills"
            }
            ErrorCode::NoSuchVerb => "there is no such verb",
            ErrorCode::NoSuchPerson => "nobody is found by this document, name and region",
            ErrorCode::NoSuchBill => "this bill number was never given out",
            ErrorCode::NoSuchDay => "no file of this day is known",
            ErrorCode::DuplicateMismatch => "this `seq` was used with other content",
            ErrorCode::TooLarge => "more than 64 KiB, or a day file of more than 32 MiB",
            ErrorCode::RateLimited => "too many calls; wait as `Retry-After` says",
            ErrorCode::Internal => "a fault of ours; the outcome is unknown",
            ErrorCode::Busy => "too much at once; the same `seq` again, or `status`",
            ErrorCode::Unavailable => "the outcome is unknown; the same `seq` again, or `status`",
            ErrorCode::Timeout => "not decided within 30 s; the outcome is unknown",
            ErrorCode::NoSuchEvent => "we never told you of this event",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn a_status_has_its_errors() {
        let mut statuses: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for error in ErrorCode::ALL {
            statuses
                .entry(error.status())
                .or_default()
                .push(error.code());
        }
        let meanings: BTreeSet<&str> = ErrorCode::ALL.iter().map(|error| error.meaning()).collect();
        assert_eq!(
            meanings.len(),
            ErrorCode::ALL.len(),
            "each means something else"
        );
        let wanted = [
            (400, "BAD_REQUEST"),
            (
                401,
                "AUTH_MALFORMED UNKNOWN_KEY TIMESTAMP_OUT_OF_RANGE SIGNATURE_WRONG NONCE_REUSED",
            ),
            (
                403,
                "ADDRESS_NOT_ALLOWED SCOPE_MISSING CHANNEL_NOT_ALLOWED TEST_ONLY",
            ),
            (
                404,
                "NO_SUCH_VERB NO_SUCH_PERSON NO_SUCH_BILL NO_SUCH_DAY NO_SUCH_EVENT",
            ),
            (409, "DUPLICATE_MISMATCH"),
            (413, "TOO_LARGE"),
            (422, "TOKEN_INVALID"),
            (429, "RATE_LIMITED"),
            (500, "INTERNAL"),
            (503, "BUSY UNAVAILABLE"),
            (504, "TIMEOUT"),
        ];
        let told: Vec<(u16, String)> = statuses
            .into_iter()
            .map(|(status, errors)| (status, errors.join(" ")))
            .collect();
        assert_eq!(
            told,
            wanted.map(|(status, errors)| (status, errors.to_owned()))
        );
    }
}
