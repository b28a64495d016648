//! What the pages and the API may ask of the platform, and what they get back.
//!
//! These are views: everything in them may be shown to the person who asked. Names are masked
//! unless the asker typed them; no view holds a birth date or a whole document number.

use jiaoyi_domain::channel::{ChannelCode, Method};
use jiaoyi_domain::{Date, Fen, Instant};

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
    /// Paid; `voucher` is set only when the asker may see it.
    Paid {
        at: Instant,
        channel: Option<ChannelCode>,
        voucher: Option<String>,
    },
    /// The window has not opened yet.
    NotYet { opens_on: Date },
    /// The window has closed.
    Closed { closed_on: Date },
    /// The bill was withdrawn (insured elsewhere, …).
    Withdrawn,
}

/// A bill as the check page shows it.
#[derive(Clone, Debug)]
pub struct BillView {
    /// Sealed reference to hand back; says nothing by itself and expires after 30 minutes.
    pub bill_ref: String,
    /// The name as the asker typed it, or masked when it came from a notice link.
    pub name: String,
    /// First four and last two characters.
    pub document_masked: String,
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
    /// Whether the payer is the insured person: `self` or `other`.
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
    /// The wallet refused (for example balance too low), no money was taken.
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
    /// Random token of the order's page, 26 characters; also the receipt link.
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
    /// QR text for `ToPay` with a QR method.
    pub qr: Option<String>,
    /// Link for `ToPay` with a link method.
    pub pay_url: Option<String>,
    /// Parameters of the script bridge for JSAPI.
    pub bridge: Option<Bridge>,
    /// Printed voucher number (groups of four) when paid.
    pub voucher_no: Option<String>,
    pub refund: Option<RefundView>,
    /// The asker's device started this order: it may cancel or switch.
    pub mine: bool,
    /// Trace shown in small print.
    pub trace: String,
}

/// A refund as the payer sees it.
#[derive(Clone, Debug)]
pub struct RefundView {
    pub refund_no: String,
    pub amount: Fen,
    pub done_at: Option<Instant>,
    /// Why it waits, if it waits: until this moment the first payment could still be reversed.
    pub held_until: Option<Instant>,
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
    /// `self` or `other`: who paid, apart from who is insured.
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
    /// Not a link of ours, or past its window.
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
}

/// What the home page says about the levy.
#[derive(Clone, Debug)]
pub struct WindowNote {
    pub benefit_year: i16,
    pub first: Date,
    pub last: Date,
    pub open: bool,
}
