//! What the pages and the API may ask of the platform, and what they get back.
//!
//! These are views: everything in them may be shown to the person who asked. Names are masked
//! unless the asker typed them; no view holds a birth date or a whole document number.

use crate::admission::Party;
use crate::biller::access::{AccessAction, AccessAnswer, Acted};
use crate::biller::{BillerReply, RawCall};
use jiaoyi_domain::channel::{ChannelCode, Method, PayForm};
use jiaoyi_domain::{Date, Fen, Instant};
use std::future::Future;
use std::pin::Pin;

/// Who asks: the device cookie, the network address and what the browser says of itself.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Hash of the device cookie's random value.
    pub device: [u8; 32],
    /// Network address as text.
    pub ip: String,
}

/// A look-up as typed on the person page.
#[derive(Clone, Debug)]
pub struct LookupRequest {
    pub name: String,
    /// `id_card`, `passport`, … (jiaoyi_domain::person::DocumentKind codes); `id_card` covers the
    /// 18-digit forms.
    pub document_kind: String,
    pub document: String,
    /// Six digits of the pooling region.
    pub region: String,
}

/// The answer to a look-up.
#[derive(Clone, Debug)]
pub enum LookupAnswer {
    /// Name, document and region fit: one bill for each benefit year that concerns the person now.
    Found(Vec<BillView>),
    /// No payable due for exactly this name, document and region. One answer for every kind.
    Miss,
    /// Too many look-ups from this device or address.
    RateLimited { retry_after_s: u32 },
    /// What was typed cannot be right; every problem at once, and nothing was looked up.
    Invalid(Vec<FieldProblem>),
}

/// Why a typed look-up cannot be right. Said before anything is looked up, so it depends on the
/// typed text alone and tells nothing about any person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldProblem {
    /// No name was typed.
    NameMissing,
    /// Characters that no name has.
    NameShape,
    /// More characters than a name may have.
    NameTooLong,
    /// No document number was typed.
    DocumentMissing,
    /// An ID number with other than 18 characters; `typed` is how many there were.
    DocumentLength { typed: u8 },
    /// An ID number with a character other than a digit (or X at the end).
    DocumentCharacters,
    /// The 18th character does not fit the other 17.
    DocumentChecksum,
    /// Digits 7 to 14 are no date, or one in the future.
    DocumentBirthDate,
    /// A passport, certificate or other number that does not have its kind's shape.
    DocumentShape,
    /// A document kind that is not one of ours.
    DocumentKind,
    /// The region is not one in which anybody can be insured.
    RegionUnknown,
}

impl FieldProblem {
    /// Every problem, for the test that demands words for each.
    pub const ALL: [FieldProblem; 11] = [
        FieldProblem::NameMissing,
        FieldProblem::NameShape,
        FieldProblem::NameTooLong,
        FieldProblem::DocumentMissing,
        FieldProblem::DocumentLength { typed: 17 },
        FieldProblem::DocumentCharacters,
        FieldProblem::DocumentChecksum,
        FieldProblem::DocumentBirthDate,
        FieldProblem::DocumentShape,
        FieldProblem::DocumentKind,
        FieldProblem::RegionUnknown,
    ];
}

/// One part of a price.
#[derive(Clone, Debug)]
pub struct ItemView {
    pub name_zh: String,
    pub name_en: String,
    pub amount: Fen,
}

/// One payer of a subsidy.
#[derive(Clone, Debug)]
pub struct SubsidyView {
    pub payer_zh: String,
    pub payer_en: String,
    pub amount: Fen,
}

/// What can be done about a bill.
#[derive(Clone, Debug)]
pub enum BillState {
    /// `amount` can be paid now. `late` says that the late price holds and why.
    Payable {
        late: bool,
        waiting_zh: String,
        waiting_en: String,
    },
    /// The aid covers everything: one confirmation, no payment.
    NothingToPay,
    /// Somebody is paying just now.
    Locked {
        mine: Option<String>,
        channel: ChannelCode,
        since: Instant,
        until: Instant,
        may_displace: bool,
    },
    /// Paid; `voucher` is the token of the order's page, set only when the asker may see it.
    Paid {
        at: Instant,
        channel: Option<ChannelCode>,
        voucher: Option<String>,
    },
    /// The window has not opened yet.
    NotYet { opens_on: Date },
    /// In the window, on a day or at an hour at which no payment begins.
    Resting { opens_at: Instant },
    /// The window has closed.
    Closed { closed_on: Date },
    /// The bill was withdrawn (insured elsewhere, …).
    Withdrawn,
}

/// Channels at which no payment begins now, by the region's calendar, and from when it does again.
pub type Resting = Vec<(ChannelCode, Instant)>;

/// A bill as the check page shows it.
#[derive(Clone, Debug)]
pub struct BillView {
    /// Sealed reference to hand back; says nothing by itself and expires after 30 minutes.
    pub bill_ref: String,
    /// The name as the asker typed it, or masked when it came from a notice link.
    pub name: String,
    /// First four and last two characters.
    pub document_masked: String,
    /// Six digits of the pooling region, so that "change" can offer it again.
    pub region: String,
    pub region_zh: String,
    pub region_en: String,
    pub benefit_year: i16,
    pub category_zh: String,
    pub category_en: String,
    pub items: Vec<ItemView>,
    pub subsidies: Vec<SubsidyView>,
    /// What the payer pays.
    pub amount: Fen,
    pub benefit_first: Date,
    pub benefit_last: Date,
    pub due_to: Date,
    pub state: BillState,
    /// Ways of paying that do not work now.
    pub resting: Resting,
    /// Where the rule comes from, with its grade.
    pub source: String,
    pub grade: String,
}

/// Start of a payment, from the check or the method page.
#[derive(Clone, Debug)]
pub struct StartRequest {
    pub bill_ref: String,
    pub method: Method,
    /// One-time key of the form: the same key again gives the same order.
    pub form_key: String,
    pub openid: Option<String>,
    /// Whether the payer is the insured person: `self`, `other`, or `unstated` for a notice link,
    /// which asks nobody.
    pub relation: String,
    /// The payer agreed to displace an order of somebody else, or to abandon an own one.
    pub displace: bool,
}

/// What became of a start.
#[derive(Clone, Debug)]
pub enum StartAnswer {
    /// Go on at `/o/{order}`; `next` is where the payer is sent at once.
    Started { order: String, next: Next },
    /// The reference is too old or not ours: begin again.
    Expired,
    /// The bill is not payable any more; show why.
    NotPayable(Box<BillView>),
    /// At this channel no payment begins now, by its calendar; no money was taken.
    Resting {
        channel: ChannelCode,
        opens_at: Instant,
    },
    /// This device holds ten open payments, or locked this bill less than an hour ago.
    TooMany,
    /// The channel is not reachable or refused; no money was taken.
    ChannelDown { order: Option<String> },
    /// Too much to do; come back after so many seconds.
    Busy { retry_after_s: u32 },
}

/// Where the payer goes next.
#[derive(Clone, Debug)]
pub enum Next {
    /// To the wallet.
    Redirect(String),
    /// To the wallet, with the form that `/o/{order}/pay` shows.
    Form,
    /// To our page with the QR code or the script bridge: `/o/{order}`.
    Page,
}

/// The state of an order as the payer sees it; every variant has its own view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderStatus {
    /// The payer can pay now: QR code, link or bridge.
    ToPay,
    /// We do not know yet: do not pay again.
    Confirming,
    /// Paid, the voucher is there.
    Paid,
    /// Cancelled by the payer, no money was taken.
    Cancelled,
    /// Time ran out, no money was taken.
    Expired,
    /// The wallet refused (for example balance too low), no money was taken. The same way to pay
    /// may still be open.
    Failed,
    /// The channel could not be reached, no money was taken.
    ChannelDown,
    /// Given up by the payer or displaced; still watched.
    Abandoned,
    /// Paid, but the bill was already paid: refund waiting or under way.
    RefundPending,
    /// Paid twice or late; the money has gone back.
    Refunded,
    /// The refund needs another way; staff are on it.
    RefundManual,
    /// The premium itself was given back later.
    Returned,
    /// The amount reported differs; held until the channel confirms.
    Disputed,
}

impl OrderStatus {
    /// Every status, for the test that demands a view of each.
    pub const ALL: [OrderStatus; 13] = [
        OrderStatus::ToPay,
        OrderStatus::Confirming,
        OrderStatus::Paid,
        OrderStatus::Cancelled,
        OrderStatus::Expired,
        OrderStatus::Failed,
        OrderStatus::ChannelDown,
        OrderStatus::Abandoned,
        OrderStatus::RefundPending,
        OrderStatus::Refunded,
        OrderStatus::RefundManual,
        OrderStatus::Returned,
        OrderStatus::Disputed,
    ];
}

/// An order as its page shows it.
#[derive(Clone, Debug)]
pub struct OrderView {
    /// Token of the order's page (letters, digits, `-`, `_`); also the receipt link.
    pub order: String,
    /// The order's printed number.
    pub order_no: String,
    pub status: OrderStatus,
    pub method: Method,
    pub amount: Fen,
    /// Masked, for example 王*国.
    pub name_masked: String,
    pub region_zh: String,
    pub region_en: String,
    pub benefit_year: i16,
    pub benefit_first: Date,
    pub benefit_last: Date,
    pub created_at: Instant,
    /// Until when the wallet takes the payment; the page counts down to it and promises nothing.
    pub until: Instant,
    pub paid_at: Option<Instant>,
    /// QR text for `ToPay` or `Failed` with a QR method.
    pub qr: Option<String>,
    /// Link for `ToPay` or `Failed` with a link method.
    pub pay_url: Option<String>,
    /// Form for `ToPay` or `Failed` with a method that posts one.
    pub pay_form: Option<PayForm>,
    /// Parameters of the script bridge for JSAPI.
    pub bridge: Option<Bridge>,
    /// Printed voucher number (groups of four) when paid.
    pub voucher_no: Option<String>,
    pub refund: Option<RefundView>,
    /// Why the wallet refused, for `Failed`.
    pub failure: Option<FailReason>,
    /// The asker's device started this order: it may cancel or switch.
    pub mine: bool,
    /// Ways of paying to which it cannot change now.
    pub resting: Resting,
    /// Trace shown in small print.
    pub trace: String,
}

/// Why a wallet refused, as far as the channel said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailReason {
    /// The wallet holds too little.
    BalanceTooLow,
    /// Refused without a reason that helps the payer.
    Refused,
}

/// A refund as the payer sees it.
#[derive(Clone, Debug)]
pub struct RefundView {
    pub refund_no: String,
    pub amount: Fen,
    /// When all of it was back.
    pub done_at: Option<Instant>,
    /// It cannot go back by itself; staff give it back.
    pub manual: bool,
    /// The bank transfer by which staff gave it back.
    pub transfer: Option<TransferView>,
    /// Why it waits, if it waits: until this moment the first payment could still be reversed.
    pub held_until: Option<Instant>,
}

/// A bank transfer of staff's.
#[derive(Clone, Debug)]
pub struct TransferView {
    pub paid_on: Date,
    /// The last digits of the account that was paid.
    pub account_tail: Option<String>,
}

/// What `WeixinJSBridge` needs.
#[derive(Clone, Debug)]
pub struct Bridge {
    pub app_id: String,
    pub time_stamp: String,
    pub nonce: String,
    pub package: String,
    pub sign_type: String,
    pub pay_sign: String,
}

/// The state of a voucher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoucherStatus {
    Valid,
    Refunded,
    Superseded,
}

/// A voucher as its own page shows it (the holder of the receipt link).
#[derive(Clone, Debug)]
pub struct VoucherView {
    pub number: String,
    pub check_code: String,
    pub status: VoucherStatus,
    pub name_masked: String,
    pub document_masked: String,
    /// `self`, `other` or `unstated`: who paid, apart from who is insured.
    pub relation: String,
    pub region_zh: String,
    pub region_en: String,
    pub benefit_year: i16,
    pub period_first: Date,
    pub period_last: Date,
    pub items: Vec<ItemView>,
    pub subsidies: Vec<SubsidyView>,
    pub amount: Fen,
    /// 人民币…
    pub amount_capital: String,
    pub paid_at: Instant,
    pub issued_at: Instant,
    pub channel: Option<ChannelCode>,
    /// The channel's own number; empty for a bill of 0 yuan.
    pub channel_txn: String,
    pub issuer: String,
    pub key_id: String,
    /// ES256 or SM2.
    pub algorithm: String,
    /// Text of the QR code.
    pub qr_text: String,
    /// Path of the order's page.
    pub order: String,
}

/// What the public verification page may say.
#[derive(Clone, Debug)]
pub struct PublicVoucher {
    pub number: String,
    pub status: VoucherStatus,
    pub name_masked: String,
    pub region_zh: String,
    pub region_en: String,
    pub benefit_year: i16,
    pub amount: Fen,
    pub paid_on: Date,
    pub issued_at: Instant,
    pub key_id: String,
    pub algorithm: String,
}

/// The answer to a public verification.
#[derive(Clone, Debug)]
pub enum VerifyAnswer {
    Known(Box<PublicVoucher>),
    /// The signature in the QR text is wrong, or the text was changed.
    Forged,
    NotFound,
    RateLimited {
        retry_after_s: u32,
    },
}

/// One line of the records page.
#[derive(Clone, Debug)]
pub struct RecordView {
    pub order: String,
    pub status: OrderStatus,
    pub name_masked: String,
    pub benefit_year: i16,
    pub amount: Fen,
    pub at: Instant,
    pub voucher_no: Option<String>,
}

/// The answer when a notice link is opened.
#[derive(Clone, Debug)]
pub enum LinkAnswer {
    /// Month and day of birth are needed once on this device.
    AskBirthday {
        name_masked: String,
        wrong: bool,
        tries_left: u8,
    },
    Bill(Box<BillView>),
    /// Five wrong answers: the link is shut, the office must send another.
    Shut,
    /// Not a link of ours, past its window, or of a person whose document shows no birthday.
    Gone,
}

/// One region for the search and the three lists.
#[derive(Clone, Debug)]
pub struct RegionView {
    /// Six digits.
    pub code: String,
    /// `浙江省 杭州市 淳安县`.
    pub path_zh: String,
    pub path_en: String,
    pub name_zh: String,
    pub name_en: String,
    /// People can be insured here: it may be chosen.
    pub selectable: bool,
    /// It has regions below it to choose from.
    pub has_children: bool,
}

/// What the home page says about the levy.
#[derive(Clone, Debug)]
pub struct WindowNote {
    pub benefit_year: i16,
    pub first: Date,
    pub last: Date,
    pub open: bool,
}

/// One announcement of the office.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// The day from which it is shown.
    pub on: Date,
    /// The last day on which it is shown.
    pub until: Option<Date>,
    pub title_zh: String,
    pub title_en: String,
    /// Plain text; an empty line separates paragraphs.
    pub body_zh: String,
    pub body_en: String,
    /// The channel whose trouble it tells: shown where the payer chooses a way of paying.
    pub channel: Option<ChannelCode>,
}

/// What proves the right to see a voucher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoucherKey {
    /// The token of the order's page (the receipt link).
    Order(String),
    /// The check code printed on the voucher.
    CheckCode(String),
}

/// The answer to a request for a voucher or one of its files.
#[derive(Clone, Debug)]
pub enum VoucherAnswer<T> {
    /// The asker may see it.
    Shown(T),
    /// No such voucher, or the key does not fit it: one answer for both.
    NotFound,
    /// Too many wrong check codes.
    RateLimited { retry_after_s: u32 },
}

/// The answer when somebody pastes a receipt link or number on the records page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordAnswer {
    /// It is in this device's list now.
    Added,
    /// Not a receipt of ours.
    NotFound,
    /// Too many tries.
    RateLimited { retry_after_s: u32 },
}

/// A channel's message as it came in.
#[derive(Clone, Debug)]
pub struct RawNotice {
    /// Names in lower case, in the order received; values that are not text are left out.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a channel is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeReply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

/// Why the platform could not answer at all. Refusals that a payer can act on are answers, not errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} (trace {trace})")]
pub struct PortalError {
    /// Stable and dotted, for example `store.busy`; printed small on the page.
    pub code: &'static str,
    /// Finds the log lines of this request.
    pub trace: String,
    pub kind: PortalErrorKind,
}

/// What the asker can do about a [`PortalError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalErrorKind {
    /// Too much to do: come back after so many seconds (503 with Retry-After).
    Busy { retry_after_s: u32 },
    /// The database or another part is away (503).
    Unavailable,
    /// A defect of ours (500).
    Internal,
}

/// A future of the platform's answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortalError>> + Send + 'a>>;

/// Everything that pages ask of the platform. Implemented by the application, and by a fake in the
/// tests of the pages.
pub trait Portal: Send + Sync {
    /// Regions whose name, path or pinyin fits the typed text, best first, at most `limit`. A text
    /// that names exactly one region (its code, name or whole path) gives exactly that one.
    fn regions_search<'a>(&'a self, text: &'a str, limit: usize) -> Answer<'a, Vec<RegionView>>;

    /// The regions below `code`, or the provinces.
    fn regions_children<'a>(&'a self, code: Option<&'a str>) -> Answer<'a, Vec<RegionView>>;

    /// The region with this code today.
    fn region<'a>(&'a self, code: &'a str) -> Answer<'a, Option<RegionView>>;

    /// The levy windows worth a line on the home page.
    fn window_notes(&self) -> Answer<'_, Vec<WindowNote>>;

    /// Announcements, newest first.
    fn announcements(&self) -> Answer<'_, Vec<Announcement>>;

    /// Looks a person up. `form_key` makes a double tap count once.
    fn lookup<'a>(
        &'a self,
        visitor: &'a Visitor,
        request: LookupRequest,
        form_key: &'a str,
    ) -> Answer<'a, LookupAnswer>;

    /// The bill behind a sealed reference as it stands now; `None` when the reference is too old
    /// or was given to another device.
    fn bill<'a>(&'a self, visitor: &'a Visitor, bill_ref: &'a str) -> Answer<'a, Option<BillView>>;

    /// Locks the bill and starts a payment.
    fn start<'a>(&'a self, visitor: &'a Visitor, request: StartRequest) -> Answer<'a, StartAnswer>;

    /// Confirms a bill of 0 yuan; `Started` with [`Next::Page`] when it is done.
    fn confirm_zero<'a>(
        &'a self,
        visitor: &'a Visitor,
        bill_ref: &'a str,
        relation: &'a str,
        form_key: &'a str,
    ) -> Answer<'a, StartAnswer>;

    /// The order behind a token; `None` when there is none.
    fn order<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>>;

    /// Asks the channel now (not more often than it may be asked) and gives the order.
    fn refresh<'a>(&'a self, visitor: &'a Visitor, token: &'a str)
    -> Answer<'a, Option<OrderView>>;

    /// Cancels on behalf of the device that started it; anybody else gets the order unchanged.
    fn cancel<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, Option<OrderView>>;

    /// Pays another way: abandons or replaces what is open, or begins anew when the order is over.
    /// [`StartAnswer::Expired`] when this device may not.
    fn switch<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        method: Method,
        openid: Option<String>,
        form_key: &'a str,
    ) -> Answer<'a, StartAnswer>;

    /// The voucher with this number.
    fn voucher<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<VoucherView>>;

    /// The voucher as a PNG file.
    fn voucher_png<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<Vec<u8>>>;

    /// The voucher as a PDF file.
    fn voucher_pdf<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        key: &'a VoucherKey,
    ) -> Answer<'a, VoucherAnswer<Vec<u8>>>;

    /// Public verification by number and check code.
    fn verify_number<'a>(
        &'a self,
        visitor: &'a Visitor,
        number: &'a str,
        check_code: &'a str,
    ) -> Answer<'a, VerifyAnswer>;

    /// Public verification of a QR text; `text` is what follows `/Q/`, not yet checked in any way.
    fn verify_text<'a>(&'a self, visitor: &'a Visitor, text: &'a str) -> Answer<'a, VerifyAnswer>;

    /// The published voucher keys as JSON.
    fn keys_json(&self) -> Answer<'_, String>;

    /// What each channel may do, and when payments begin in each region or the one named, as JSON.
    fn channels_json(&self, region: Option<&str>) -> String;

    /// The receipts that this device holds, newest first.
    fn records<'a>(&'a self, visitor: &'a Visitor) -> Answer<'a, Vec<RecordView>>;

    /// Adds a pasted receipt link, order number or page token to this device's list.
    fn add_record<'a>(&'a self, visitor: &'a Visitor, text: &'a str) -> Answer<'a, RecordAnswer>;

    /// Opens a notice link.
    fn open_link<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, LinkAnswer>;

    /// Answers the birthday question of a notice link.
    fn answer_link<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        month: u8,
        day: u8,
    ) -> Answer<'a, LinkAnswer>;

    /// Where a visitor inside WeChat is sent to learn the openid; WeChat comes back to
    /// `/wechat/back?code=…&state=…`. `None` when the script bridge is not set up.
    fn wechat_authorize_url(&self, state: &str) -> Option<String>;

    /// Exchanges the code that WeChat sent back; `None` when WeChat does not take it.
    fn wechat_openid<'a>(&'a self, code: &'a str) -> Answer<'a, Option<String>>;

    /// Takes a channel's message; the answer is sent back as it is.
    fn receive_notice(&self, channel: ChannelCode, notice: RawNotice) -> Answer<'_, NoticeReply>;

    /// Who seems to call, by the `Authorization` of a call that nobody has verified yet.
    fn caller(&self, authorization: Option<&str>) -> Party;

    /// Answers one call of an institution; see docs/biller-api.md.
    fn biller_call(&self, call: RawCall) -> Answer<'_, BillerReply>;

    /// The public keys with which answers to institutions are signed, as JSON.
    fn biller_keys(&self) -> String;

    /// What an institution's link shows; see [`crate::biller::access`].
    fn access<'a>(&'a self, visitor: &'a Visitor, token: &'a str) -> Answer<'a, AccessAnswer>;

    /// Does what an institution asks on its page.
    fn access_act<'a>(
        &'a self,
        visitor: &'a Visitor,
        token: &'a str,
        action: AccessAction,
    ) -> Answer<'a, Acted>;

    /// Whether the platform can serve: a JSON text of its checks, or why not.
    fn ready(&self) -> Answer<'_, String>;
}
