//! What stands in requests and answers of the biller API, field by field (docs/biller-api.md).
//!
//! Times are RFC 3339 texts, days `yyyy-mm-dd`, money is fen. A request with a field that is not
//! here is refused, so that a misspelt one is not lost.

use serde::{Deserialize, Serialize};

/// `query`: what does this person owe?
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Six digits, as the payer chose it.
    pub pooling_region: String,
    /// Kind of document, such as `id_card`.
    pub id_type: String,
    pub id_no: String,
    pub name: String,
    /// Only this year's bills.
    pub benefit_year: Option<i16>,
    /// `self` or `other`: how the payer stands to the insured.
    pub relation: String,
    /// `A1` to `A12`.
    pub channel: String,
    pub terminal: Option<String>,
}

/// `collect`: locks a bill before cash or a card is taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Collect {
    /// The institution's serial.
    pub seq: String,
    /// The institution's accounting day.
    pub trace_date: String,
    /// From `query`, at most ten minutes old.
    pub query_token: String,
    pub bill_no: String,
    /// Shortened to what the front end's row allows.
    pub until: String,
    pub channel: String,
    pub terminal: Option<String>,
}

/// `release`: frees such a lock.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Release {
    pub seq: String,
    pub trace_date: String,
    pub bill_no: String,
    pub channel: String,
}

/// `pay`: the institution has taken the money.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Pay {
    pub seq: String,
    pub trace_date: String,
    pub bill_no: String,
    /// When given it must list the bill.
    pub query_token: Option<String>,
    /// The whole amount of the bill.
    pub amount_fen: u64,
    /// When the payer acted.
    pub paid_at: String,
    pub channel: String,
    pub terminal: Option<String>,
    /// For example `6222****1234`.
    pub account_masked: Option<String>,
}

/// `reverse`: undoes a `pay` on the same accounting day.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reverse {
    /// The serial of the reversal itself.
    pub seq: String,
    pub trace_date: String,
    /// What is undone.
    pub orig_seq: String,
    pub orig_date: String,
    pub amount_fen: u64,
    /// `TIMEOUT`, `CASH_FAILED`, `CARD_FAILED`, `CANCELLED` or `OTHER`.
    pub reason: String,
}

/// `status`: what became of a serial?
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub orig_seq: String,
    pub orig_date: Option<String>,
}

/// `reconcile` with a JSON body: the result file of a day.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DayResult {
    pub day: String,
}

/// Who is paying just now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockedBy {
    pub channel: String,
    pub until: String,
    /// The lock is the asking institution's own.
    pub mine: bool,
}

/// Where and when a bill was paid.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PaidBy {
    pub channel: String,
    pub at: String,
}

/// One part of a price.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ItemOf {
    pub code: String,
    pub name: String,
    pub amount_fen: u64,
}

/// One bill of an answer to `query`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Bill {
    pub bill_no: String,
    pub benefit_year: i16,
    pub scheme: String,
    pub region: String,
    pub category: String,
    pub category_name: String,
    /// What the payer owes.
    pub amount_fen: u64,
    /// That and what others pay.
    pub gross_fen: u64,
    pub items: Vec<ItemOf>,
    pub due_to: String,
    pub benefit_first: String,
    pub benefit_last: String,
    /// `PAYABLE`, `LOCKED`, `PAID`, `NOT_YET`, `CLOSED`, `NOTHING_TO_PAY` or `WITHDRAWN`.
    pub status: String,
    pub lock: Option<LockedBy>,
    pub paid: Option<PaidBy>,
    /// With `NOT_YET`: from when it can be paid through the channel that asked.
    pub opens_at: Option<String>,
}

/// The answer to `query`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Queried {
    pub query_token: String,
    pub token_expires_at: String,
    pub name_masked: String,
    pub document_masked: String,
    pub bills: Vec<Bill>,
}

/// `collect` was done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Collected {
    pub seq: String,
    /// `ACCEPTED`.
    pub state: String,
    pub bill_no: String,
    pub amount_fen: u64,
    pub lock_until: String,
}

/// `release` was done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Released {
    pub seq: String,
    /// `ACCEPTED`.
    pub state: String,
    pub bill_no: String,
    /// False when there was no lock any more.
    pub released: bool,
}

/// `pay` was done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Paid {
    pub seq: String,
    /// `ACCEPTED`.
    pub state: String,
    pub receipt_no: String,
    pub bill_no: String,
    pub amount_fen: u64,
    pub accounting_day: String,
    pub voucher_no: String,
    pub check_code: String,
    pub paid_at: String,
    /// Null where the front end's row allows no reversal.
    pub reversible_until: Option<String>,
}

/// `reverse` was done.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reversed {
    pub seq: String,
    /// `REVERSED`.
    pub state: String,
    pub orig_seq: String,
    /// False when there was nothing to undo.
    pub undone: bool,
}

/// A call with a serial was refused, finally.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Refused {
    pub seq: String,
    /// `REFUSED`.
    pub state: String,
    /// A code of [`super::Reason`].
    pub reason: String,
    pub message: String,
    pub paid: Option<PaidBy>,
    pub lock: Option<LockedBy>,
    /// With `WINDOW_CLOSED` and `OUTSIDE_HOURS`: from when it can be paid, where that is known.
    pub opens_at: Option<String>,
}

/// The answer to `status`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Told {
    pub orig_seq: String,
    /// `SUCCESS`, `REFUSED`, `REVERSED` or `NOT_FOUND`.
    pub state: String,
    /// The verb under which the serial was used.
    pub call: Option<String>,
    pub reason: Option<String>,
    /// What the call was answered.
    pub answer: Option<serde_json::Value>,
}

/// Payments of a day that stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sum {
    pub count: u64,
    pub amount_fen: u64,
}

/// The answer to a day file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Reconciled {
    pub day: String,
    pub file_hash: String,
    /// `BALANCED` or `DIFFERENT`.
    pub state: String,
    pub theirs: Sum,
    pub ours: Sum,
    pub long: u64,
    pub short: u64,
    pub amount_differs: u64,
    pub state_differs: u64,
}

/// `events`: the institution's events, in order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ListEvents {
    /// Only events after this one: an `event_id`.
    pub since: Option<String>,
    /// At most so many, 1 to 200; 100 when not given.
    pub limit: Option<u16>,
}

/// `replay`: sends an event anew.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Replay {
    pub event_id: String,
}

/// What an institution is told without asking: the body of a webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// The same however often it is sent; later events have greater ids.
    pub event_id: String,
    /// `payment`, `reversal`, `refund`, `give_back`, `voucher_issued`, `voucher_superseded` or
    /// `release`.
    pub kind: String,
    pub inst_id: String,
    /// When it happened.
    pub at: String,
    pub bill_no: Option<String>,
    /// The institution's serial of the call that it is about.
    pub seq: Option<String>,
    pub receipt_no: Option<String>,
    pub amount_fen: Option<u64>,
    pub voucher_no: Option<String>,
    pub refund_no: Option<String>,
    /// Why: of a release or a refund.
    pub reason: Option<String>,
}

/// One event of a list, and what became of sending it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ListedEvent {
    pub event: Event,
    /// `WAITING`, `DELIVERED` or `FAILED`.
    pub state: String,
    /// How often it was sent.
    pub tries: u32,
    /// When it was sent last, and how that went.
    pub last_try: Option<String>,
}

/// The answer to `events`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventList {
    pub events: Vec<ListedEvent>,
    /// Whether there are more after the last of these.
    pub more: bool,
}

/// The answer to `replay`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replayed {
    pub event_id: String,
    /// `WAITING`: it is sent, or still on its way.
    pub state: String,
}

/// Every answer that decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failed {
    pub code: String,
    pub message: String,
    pub field: Option<String>,
}

/// The answer to `echo-signature`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Echo {
    /// `ok` or `wrong`.
    pub signature: String,
    /// The first byte at which the caller's string to sign differs from ours.
    pub string_differs_at: Option<usize>,
    /// That byte's line, from 1, its name, and the line in both strings.
    pub line: Option<usize>,
    pub line_name: Option<String>,
    pub yours: Option<String>,
    pub ours: Option<String>,
    pub signature_fits_your_string: Option<bool>,
    pub key_known: bool,
    pub timestamp_skew_s: i64,
    pub address_allowed: bool,
    /// Ours, in Base64.
    pub string_to_sign: String,
}
