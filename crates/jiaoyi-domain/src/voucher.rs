//! The electronic proof of payment (电子缴费凭证): its frozen content and its states.

use crate::due::{DueId, OrderId};
use crate::id::{Bucket, IdSource, VoucherNo};
use crate::step::Step;
use crate::time::Instant;
use crate::{codes, record};
use serde::{Deserialize, Serialize};

codes! {
    /// The state of a voucher (凭证状态).
    pub enum VoucherState {
        /// 有效.
        Valid = 1 "valid",
        /// 已退费: the premium was given back.
        Refunded = 2 "refunded",
        /// 已换开: another voucher stands in its place.
        Superseded = 3 "superseded",
    }
}

/// What can happen to a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoucherEvent {
    PremiumReturned,
    Replaced,
}

/// The one transition table of a voucher.
pub const fn step(state: VoucherState, event: VoucherEvent) -> Step<VoucherState> {
    use VoucherEvent as E;
    use VoucherState as S;
    match (state, event) {
        (S::Valid, E::PremiumReturned) => Step::To(S::Refunded),
        (S::Valid, E::Replaced) => Step::To(S::Superseded),
        (S::Refunded, E::PremiumReturned) | (S::Superseded, E::Replaced) => Step::AlreadyApplied,
        (S::Refunded, E::Replaced) | (S::Superseded, E::PremiumReturned) => Step::Refused,
    }
}

/// Everything printed on a voucher, frozen in the transaction of the payment. Masked data only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherContent {
    /// Who issued it, by the name it had then.
    pub issuer: String,
    pub name_masked: String,
    pub document_masked: String,
    /// `self` or `other`.
    pub relation: String,
    pub region: String,
    pub benefit_year: i16,
    /// Civil dates `yyyy-mm-dd`.
    pub period_first: String,
    pub period_last: String,
    /// `item=fen` joined by `;`.
    pub items: String,
    /// `payer=fen` joined by `;`.
    pub subsidies: String,
    /// What the payer paid, in fen.
    pub own_fen: u64,
    pub gross_fen: u64,
    /// Milliseconds UTC.
    pub paid_at_ms: i64,
    /// Empty for a due of 0 yuan.
    pub channel: String,
    pub channel_txn: String,
    pub order_no: String,
}

impl VoucherContent {
    /// The text that is stored and hashed; fields stand in the order of the declaration.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads stored content; `None` when it is damaged.
    #[must_use]
    pub fn from_text(text: &str) -> Option<VoucherContent> {
        serde_json::from_str(text).ok()
    }
}

record! {
    /// One voucher.
    pub struct Voucher in 12 "voucher" state state versioned version {
        key { bucket: Bucket = Public, voucher_no: VoucherNo = Public, }
        row {
            /// Four characters that the public page asks for besides the number.
            check_code: String = Public fixed,
            state: VoucherState = Public,
            order_bucket: Bucket = Public fixed,
            order_id: OrderId = Public fixed,
            line_no: u32 = Public fixed,
            due_id: DueId = Public fixed,
            generation: u32 = Public fixed,
            /// [`VoucherContent`] as text.
            content: String = Masked fixed,
            issued_at: Instant = Public fixed,
            ended_at: Option<Instant> = Public,
            version: u32 = Public,
        }
        ranges { }
    }
}

record! {
    /// The signature of a voucher, made on first read or by a low-priority job. Never changed.
    pub struct VoucherSignature in 13 "voucher_signature" {
        key { bucket: Bucket = Public, voucher_no: VoucherNo = Public, }
        row {
            key_id: String = Public,
            algorithm: String = Public,
            /// The portal's host as it stands in the QR text; the signature covers it.
            host: String = Public,
            /// One COSE_Sign1.
            cose: Vec<u8> = Public,
            signed_at: Instant = Public,
        }
        ranges { }
    }
}

/// Letters that nobody confuses when reading aloud or copying by hand.
const CHECK_LETTERS: &[u8] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZ";

/// Draws the check code of a new voucher.
pub fn draw_check_code(ids: &mut IdSource) -> String {
    let bytes = ids.draw();
    let take = |byte: &u8| char::from(CHECK_LETTERS[usize::from(*byte) % CHECK_LETTERS.len()]);
    bytes.iter().take(4).map(take).collect()
}

/// A check code as people type it: spaces gone, capital letters.
#[must_use]
pub fn normalise_check_code(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_read_back_from_its_text() {
        let content = VoucherContent {
            issuer: "issuer".to_owned(),
            name_masked: "王*".to_owned(),
            document_masked: "99".to_owned(),
            relation: "self".to_owned(),
            region: "990101".to_owned(),
            benefit_year: 2027,
            period_first: "2027-01-01".to_owned(),
            period_last: "2027-12-31".to_owned(),
            items: "medical=1".to_owned(),
            subsidies: String::new(),
            own_fen: 1,
            gross_fen: 2,
            paid_at_ms: 3,
            channel: "wechat".to_owned(),
            channel_txn: "txn".to_owned(),
            order_no: "no".to_owned(),
        };
        let text = content.to_text();
        assert!(
            text.starts_with(r#"{"issuer":"issuer","name_masked":"王*""#),
            "{text}"
        );
        assert_eq!(VoucherContent::from_text(&text), Some(content));
        assert_eq!(VoucherContent::from_text(&text[1..]), None);
    }

    /// Every letter may be drawn, and is what people who type it in small letters mean.
    #[test]
    fn check_codes_are_drawn_from_clear_letters() {
        let mut ids = IdSource::new([1; 32], 0);
        let codes: Vec<String> = (0..200).map(|_| draw_check_code(&mut ids)).collect();
        let all: String = codes.concat();
        assert_eq!(all.len(), 800);
        assert!(
            CHECK_LETTERS
                .iter()
                .all(|letter| all.contains(char::from(*letter)))
        );
        assert!(all.bytes().all(|letter| CHECK_LETTERS.contains(&letter)));
        for code in &codes {
            assert_eq!(code.len(), 4);
            let (first, last) = code.split_at(2);
            let typed = format!(" {}-{} ", first.to_lowercase(), last);
            assert_eq!(normalise_check_code(&typed), *code);
        }
    }

    /// As people read it out: groups of four, and every digit and capital letter occurs.
    #[test]
    fn numbers_are_printed_in_groups_of_four() {
        let mut ids = IdSource::new([1; 32], 0);
        let mut all = String::new();
        for _ in 0..50 {
            let no = VoucherNo::draw(Bucket::default(), &mut ids);
            let printed = no.to_string();
            assert!(
                printed.split('-').all(|group| group.len() == 4),
                "{printed}"
            );
            assert_eq!(printed.replace('-', ""), no.as_str());
            all += no.as_str();
        }
        let mut letters = ('0'..='9').chain('A'..='Z');
        assert!(letters.all(|letter| all.contains(letter)));
    }

    #[test]
    fn a_voucher_ends_once() {
        use VoucherEvent as E;
        use VoucherState as S;
        for (state, event, after) in [
            (S::Valid, E::PremiumReturned, Step::To(S::Refunded)),
            (S::Valid, E::Replaced, Step::To(S::Superseded)),
            (S::Refunded, E::PremiumReturned, Step::AlreadyApplied),
            (S::Refunded, E::Replaced, Step::Refused),
            (S::Superseded, E::Replaced, Step::AlreadyApplied),
            (S::Superseded, E::PremiumReturned, Step::Refused),
        ] {
            assert_eq!(step(state, event), after, "{state:?} {event:?}");
        }
    }
}
