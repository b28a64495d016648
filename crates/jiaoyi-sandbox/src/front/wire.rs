//! Answers for: what the platform answers, as `docs/biller-api.md` describes it. Read here from the
//! text alone; nothing is shared with the platform.

use serde::{Deserialize, Serialize};

/// The answer to `query`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) query_token: String,
    pub(crate) name_masked: String,
    pub(crate) document_masked: String,
    pub(crate) bills: Vec<Bill>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Bill {
    pub(crate) bill_no: String,
    pub(crate) benefit_year: i64,
    pub(crate) category_name: String,
    pub(crate) amount_fen: u64,
    pub(crate) gross_fen: u64,
    #[serde(default)]
    pub(crate) items: Vec<Item>,
    pub(crate) due_to: Option<String>,
    pub(crate) benefit_first: Option<String>,
    pub(crate) status: BillStatus,
    pub(crate) paid: Option<Paid>,
    pub(crate) lock: Option<Lock>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    pub(crate) amount_fen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum BillStatus {
    Payable,
    Locked,
    Paid,
    NotYet,
    Closed,
    NothingToPay,
    Withdrawn,
    #[serde(other)]
    Unknown,
}

/// Who paid, and when.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Paid {
    pub(crate) channel: String,
    pub(crate) at: String,
}

/// Somebody is paying just now.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Lock {
    pub(crate) channel: String,
    pub(crate) until: String,
}

/// A decision on a call with a `seq`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Decision<T> {
    Accepted(T),
    Reversed(T),
    Refused {
        reason: String,
        paid: Option<Paid>,
        lock: Option<Lock>,
    },
}

/// An accepted `pay`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Receipt {
    pub(crate) receipt_no: String,
    pub(crate) voucher_no: String,
    pub(crate) check_code: String,
}

/// An accepted `collect`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Collected {
    pub(crate) amount_fen: u64,
    pub(crate) lock_until: String,
}

/// A `reverse` that was done.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Undone {
    pub(crate) undone: bool,
}

/// An accepted `release`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Released {}

/// The answer to `status`.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "state", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Success { answer: Receipt },
    Refused { reason: String },
    Reversed,
    NotFound,
}

/// An error: it decides and stores nothing.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Error {
    pub(crate) code: String,
    /// English, for whoever keeps the front end.
    pub(crate) message: String,
    /// The place in the request, when it is one.
    pub(crate) field: Option<String>,
}

/// The answer to a day file.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct DayResult {
    pub(crate) state: String,
    pub(crate) theirs: Sum,
    pub(crate) ours: Sum,
    pub(crate) long: u64,
    pub(crate) short: u64,
    pub(crate) amount_differs: u64,
    pub(crate) state_differs: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sum {
    pub(crate) count: u64,
    pub(crate) amount_fen: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract's own samples.
    #[test]
    fn reads_what_the_contract_shows() {
        let text = r#"{"seq":"1","state":"REFUSED","reason":"ALREADY_PAID","message":"…","paid":{"channel":"A7","at":"2026-11-27T09:00:00+08:00"},"lock":null}"#;
        let Decision::Refused { reason, paid, .. } =
            serde_json::from_str::<Decision<Receipt>>(text).unwrap()
        else {
            panic!("a refusal");
        };
        assert_eq!(
            (reason.as_str(), paid.unwrap().channel.as_str()),
            ("ALREADY_PAID", "A7")
        );
        let text =
            r#"{"orig_seq":"1","state":"NOT_FOUND","call":null,"reason":null,"answer":null}"#;
        assert!(matches!(
            serde_json::from_str(text).unwrap(),
            Status::NotFound
        ));
        let text = r#"{"orig_seq":"1","state":"SUCCESS","call":"pay","reason":null,"answer":{"seq":"1","state":"ACCEPTED","receipt_no":"JA1","bill_no":"B","amount_fen":1,"voucher_no":"V","check_code":"C"}}"#;
        let Status::Success { answer } = serde_json::from_str(text).unwrap() else {
            panic!("a success");
        };
        assert_eq!(answer.receipt_no, "JA1");
        let text = r#"{"seq":"2","state":"REVERSED","orig_seq":"1","undone":true}"#;
        assert!(matches!(
            serde_json::from_str(text).unwrap(),
            Decision::Reversed(Undone { undone: true })
        ));
    }
}
