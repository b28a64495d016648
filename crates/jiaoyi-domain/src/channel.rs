//! What the core and the payment channels say to each other, in the core's words.
//!
//! The adapters in `jiaoyi-channels` translate these values to and from each channel's wire
//! format; nothing here knows a URL, a header or a signature.

use crate::codes;
pub use crate::front_end::FrontEnd;
use crate::id::{AttemptNo, RefundNo};
use crate::money::Fen;
use crate::time::{Date, HOUR_MS, Instant};

/// A payment channel (缴费渠道) by its stable code, as stored and as printed in accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelCode {
    /// WeChat Pay API v3 (微信支付).
    Wechat,
    /// Alipay OpenAPI v2 (支付宝).
    Alipay,
    /// UnionPay ACP 5.1.0 (银联在线支付, 云闪付).
    Unionpay,
    /// A bank's own gateway (网上银行); which bank it is, and how it speaks, says its profile.
    Bank1,
    /// A second bank's.
    Bank2,
    /// An institution that calls us, through this front end.
    Inbound(FrontEnd),
}

impl ChannelCode {
    /// Every channel that we call.
    pub const ALL: [ChannelCode; 5] = [
        ChannelCode::Wechat,
        ChannelCode::Alipay,
        ChannelCode::Unionpay,
        ChannelCode::Bank1,
        ChannelCode::Bank2,
    ];

    /// `wechat`, `alipay`, `unionpay`, `bank1`, `bank2`, or `A1` to `A12`: stored in rows, accounts and URLs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            ChannelCode::Wechat => "wechat",
            ChannelCode::Alipay => "alipay",
            ChannelCode::Unionpay => "unionpay",
            ChannelCode::Bank1 => "bank1",
            ChannelCode::Bank2 => "bank2",
            ChannelCode::Inbound(front) => front.code(),
        }
    }

    /// The channel named by a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<ChannelCode> {
        ChannelCode::ALL
            .into_iter()
            .find(|channel| channel.code() == code)
            .or_else(|| FrontEnd::from_code(code).map(ChannelCode::Inbound))
    }

    /// The front end, where an institution calls us instead of being called.
    #[must_use]
    pub const fn front_end(self) -> Option<FrontEnd> {
        match self {
            ChannelCode::Inbound(front) => Some(front),
            ChannelCode::Wechat
            | ChannelCode::Alipay
            | ChannelCode::Unionpay
            | ChannelCode::Bank1
            | ChannelCode::Bank2 => None,
        }
    }
}

/// One way of paying at a channel (支付方式).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A QR code that WeChat scans.
    WechatNative,
    /// A link that a phone browser opens and that calls WeChat.
    WechatH5,
    /// Inside WeChat, through its script bridge; needs the payer's openid.
    WechatJsapi,
    /// A link that a phone browser or Alipay opens.
    AlipayWap,
    /// A link for a desktop browser.
    AlipayPage,
    /// A QR code that Alipay scans.
    AlipayPrecreate,
    /// A form that a phone browser sends to UnionPay's cashier, which calls 云闪付.
    UnionpayWap,
    /// A form that a desktop browser sends to UnionPay's cashier.
    UnionpayPage,
    /// A transaction number for UnionPay's control inside an app; no browser can use it.
    UnionpayApp,
    /// A link that any browser opens, to the first bank's pages.
    Bank1Page,
    /// The same to the second bank's.
    Bank2Page,
    /// However the institution behind this front end took the money; it asks us, not we it.
    Inbound(FrontEnd),
}

impl Method {
    /// Every method of a channel that we call.
    pub const ALL: [Method; 11] = [
        Method::WechatNative,
        Method::WechatH5,
        Method::WechatJsapi,
        Method::AlipayWap,
        Method::AlipayPage,
        Method::AlipayPrecreate,
        Method::UnionpayWap,
        Method::UnionpayPage,
        Method::UnionpayApp,
        Method::Bank1Page,
        Method::Bank2Page,
    ];

    /// The channel whose method this is.
    #[must_use]
    pub const fn channel(self) -> ChannelCode {
        match self {
            Method::WechatNative | Method::WechatH5 | Method::WechatJsapi => ChannelCode::Wechat,
            Method::AlipayWap | Method::AlipayPage | Method::AlipayPrecreate => ChannelCode::Alipay,
            Method::UnionpayWap | Method::UnionpayPage | Method::UnionpayApp => {
                ChannelCode::Unionpay
            }
            Method::Bank1Page => ChannelCode::Bank1,
            Method::Bank2Page => ChannelCode::Bank2,
            Method::Inbound(front) => ChannelCode::Inbound(front),
        }
    }

    /// Stored with the attempt and used in forms.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Method::WechatNative => "wechat_native",
            Method::WechatH5 => "wechat_h5",
            Method::WechatJsapi => "wechat_jsapi",
            Method::AlipayWap => "alipay_wap",
            Method::AlipayPage => "alipay_page",
            Method::AlipayPrecreate => "alipay_precreate",
            Method::UnionpayWap => "unionpay_wap",
            Method::UnionpayPage => "unionpay_page",
            Method::UnionpayApp => "unionpay_app",
            Method::Bank1Page => "bank1_page",
            Method::Bank2Page => "bank2_page",
            Method::Inbound(front) => front.code(),
        }
    }

    /// The method named by a stored code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Method> {
        Method::ALL
            .into_iter()
            .find(|method| method.code() == code)
            .or_else(|| FrontEnd::from_code(code).map(Method::Inbound))
    }

    /// What the channel's close proves for this method.
    #[must_use]
    pub const fn close(self) -> Close {
        match self.channel() {
            ChannelCode::Wechat => Close::Hard,
            // A wap or page order does not exist at Alipay before the payer logs in, and a signed
            // link in an old tab can create it later: "not found" proves nothing.
            ChannelCode::Alipay => Close::Soft,
            // An institution has nothing of ours to close: it asks, and our answer decides.
            ChannelCode::Unionpay
            | ChannelCode::Bank1
            | ChannelCode::Bank2
            | ChannelCode::Inbound(_) => Close::None,
        }
    }

    /// Whether the channel has to be called before the payer can be sent anywhere.
    #[must_use]
    pub const fn placed_by_call(self) -> bool {
        match self {
            Method::WechatNative
            | Method::WechatH5
            | Method::WechatJsapi
            | Method::AlipayPrecreate
            | Method::UnionpayApp => true,
            Method::AlipayWap
            | Method::AlipayPage
            | Method::UnionpayWap
            | Method::UnionpayPage
            | Method::Bank1Page
            | Method::Bank2Page
            | Method::Inbound(_) => false,
        }
    }

    /// Whether a browser can pay this way; the others need an app of the merchant's own.
    #[must_use]
    pub const fn in_browser(self) -> bool {
        !matches!(self, Method::UnionpayApp | Method::Inbound(_))
    }
}

/// What a channel's word on a close is worth (capability row, DESIGN.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// A confirmed close means that nobody can pay this number any more.
    Hard,
    /// A confirmed close counts, "not found" does not.
    Soft,
    /// The channel cannot close.
    None,
}

impl Close {
    /// As it is told to programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Close::Hard => "hard",
            Close::Soft => "soft",
            Close::None => "none",
        }
    }
}

/// Everything a channel needs to know about one attempt. Rendered once and stored with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptTerms {
    /// Our number, `out_trade_no`.
    pub no: AttemptNo,
    /// How the payer pays.
    pub method: Method,
    /// What is to be paid; more than zero.
    pub amount: Fen,
    /// What the payer reads in the wallet; never a name or a document number.
    pub description: String,
    /// When the attempt was made: with its number UnionPay's name of the order.
    pub started_at: Instant,
    /// After this moment the channel refuses the payment.
    pub expires_at: Instant,
    /// Where the channel reports; no query string.
    pub notify_url: String,
    /// Where the wallet sends the payer back to.
    pub return_url: String,
    /// The payer's network address, for WeChat H5.
    pub payer_ip: String,
    /// The payer's identity at WeChat, for JSAPI.
    pub openid: Option<String>,
}

/// What is given to the payer to pay with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handover {
    /// The text of a QR code to be scanned with the wallet.
    Qr(String),
    /// A URL to which the payer's browser is sent.
    Redirect(String),
    /// A form that the payer's browser sends by POST.
    Form(PayForm),
    /// A prepay id that the script bridge inside WeChat turns into the payment sheet.
    PrepayId(String),
    /// A transaction number (tn) that UnionPay's control inside an app turns into its sheet.
    Tn(String),
}

/// A signed form for the payer's browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayForm {
    /// Where it is sent.
    pub action: String,
    /// Names and values, in their order.
    pub fields: Vec<(String, String)>,
}

/// The channel's answer to a new order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The payer can be sent to pay.
    Ready(Handover),
    /// The channel refused for good; nobody can pay this number.
    Refused { code: String, message: String },
    /// We do not know whether the channel has the order.
    Unknown { why: String },
}

/// A success as a channel tells it, by notice or by query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenPayment {
    /// Our number.
    pub attempt_no: String,
    /// The channel's number for the payment.
    pub txn_id: String,
    /// What the channel took.
    pub amount: Fen,
    /// Three capital letters; anything but `CNY` is a difference.
    pub currency: String,
    /// When the payer paid, by the channel's clock.
    pub paid_at: Instant,
    /// The merchant (mchid, seller_id) that received the money.
    pub merchant: String,
    /// The app (appid, app_id) through which it was paid.
    pub app: String,
    /// The channel says that some or all of it has been refunded since.
    pub refunded: bool,
}

codes! {
    /// Why a payer's try at the wallet failed, as far as the channel tells its merchants.
    pub enum PayFailure {
        /// The payer's account holds too little (余额不足).
        BalanceTooLow = 1 "balance_too_low",
        /// For a reason that the channel did not tell, or that does not help the payer.
        Other = 2 "pay_failed",
    }
}

/// The channel's answer to "what became of this number?".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryOutcome {
    /// It was paid (also when it has been refunded since).
    Paid(SeenPayment),
    /// The order exists and is not paid; why the payer's last try failed, if there was one.
    NotPaid(Option<PayFailure>),
    /// The order exists, was never paid, and cannot be paid any more.
    Closed,
    /// The channel does not know the number.
    NotFound,
    /// No usable answer.
    Unknown { why: String },
}

/// The channel's answer to a close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseOutcome {
    /// The channel confirmed: nobody can pay this number any more.
    Closed,
    /// Too late, it has been paid.
    Paid,
    /// The channel does not know the number.
    NotFound,
    /// The channel has no close: only the attempt's expiry ends it.
    CannotClose,
    /// No usable answer.
    Unknown { why: String },
}

/// What a refund needs to be asked for. Rendered once and stored with the refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundTerms {
    /// Our number of the refund.
    pub no: RefundNo,
    /// Our number of the attempt that was paid.
    pub attempt_no: AttemptNo,
    /// The channel's number for the payment.
    pub txn_id: String,
    /// When it was paid, by the channel's clock.
    pub paid_at: Instant,
    /// When this number was drawn.
    pub asked_at: Instant,
    /// An earlier number of the same refund was refused for good.
    pub retried: bool,
    /// What is to be given back.
    pub amount: Fen,
    /// What the channel took.
    pub total: Fen,
    /// What the payer reads.
    pub reason: String,
    /// Where the channel reports.
    pub notify_url: String,
}

/// What a channel says about a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefundOutcome {
    /// Accepted; the money is on its way.
    Processing,
    /// The money has been given back.
    Done { amount: Fen, at: Instant },
    /// Final: this number will never pay out; another number or another way is needed.
    Closed { code: String },
    /// The payer's account cannot take it; staff must choose another way.
    Abnormal { code: String },
    /// Our account at the channel is short; the same number again later.
    ShortOfBalance,
    /// The channel does not know the refund's number.
    NotFound,
    /// No usable answer; the same number again.
    Unknown { why: String },
}

/// A notice whose signature and time were good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The channel's id of the notice; the same when it is sent again.
    pub id: String,
    /// What it says.
    pub news: News,
    /// What was verified and decrypted, to be stored sealed.
    pub plaintext: Vec<u8>,
}

/// What a notice says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Money was taken.
    Payment(SeenPayment),
    /// A refund went on.
    Refund {
        refund_no: String,
        outcome: RefundOutcome,
    },
    /// Nothing that concerns us (a close, a wait, an unknown kind): stored and answered only.
    Other(String),
}

/// Why a notice was not taken: it is answered 4xx, counted and sampled, and writes no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoticeRefusal {
    #[error("the notice carries no complete signature")]
    Unsigned,
    #[error("the notice is a signature probe of the channel")]
    Probe,
    #[error("the notice names a key that is not ours to trust")]
    UnknownKey,
    #[error("the signature of the notice is wrong")]
    BadSignature,
    #[error("the notice's time is more than five minutes away")]
    StaleTime,
    #[error("the notice is signed but cannot be read")]
    Malformed,
}

/// The accounting day of a moment at a channel.
///
/// Wallets and banks use the Beijing civil date. UnionPay's clearing day turns at 23:00: what is paid after
/// that stands in the file of the next day.
#[must_use]
pub fn channel_day(channel: ChannelCode, at: Instant) -> Date {
    match channel {
        ChannelCode::Wechat
        | ChannelCode::Alipay
        | ChannelCode::Bank1
        | ChannelCode::Bank2
        | ChannelCode::Inbound(_) => at.date(),
        ChannelCode::Unionpay => at.plus_ms(HOUR_MS).date(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clearing_day_of_unionpay_turns_before_midnight() {
        let at = |text| Instant::parse(text).unwrap();
        for (channel, time, day) in [
            (
                ChannelCode::Wechat,
                "2026-11-22T23:30:00+08:00",
                "2026-11-22",
            ),
            (
                ChannelCode::Alipay,
                "2026-11-22T23:30:00+08:00",
                "2026-11-22",
            ),
            (
                ChannelCode::Unionpay,
                "2026-11-22T22:59:59+08:00",
                "2026-11-22",
            ),
            (
                ChannelCode::Unionpay,
                "2026-11-22T23:00:00+08:00",
                "2026-11-23",
            ),
        ] {
            assert_eq!(
                channel_day(channel, at(time)).to_string(),
                day,
                "{channel:?} {time}"
            );
        }
    }

    #[test]
    fn every_method_is_known_by_its_code() {
        use Method as M;
        let (wechat, alipay) = (ChannelCode::Wechat, ChannelCode::Alipay);
        let unionpay = ChannelCode::Unionpay;
        let table = [
            (M::WechatNative, "wechat_native", wechat, Close::Hard, true),
            (M::WechatH5, "wechat_h5", wechat, Close::Hard, true),
            (M::WechatJsapi, "wechat_jsapi", wechat, Close::Hard, true),
            (M::AlipayWap, "alipay_wap", alipay, Close::Soft, false),
            (M::AlipayPage, "alipay_page", alipay, Close::Soft, false),
            (
                M::AlipayPrecreate,
                "alipay_precreate",
                alipay,
                Close::Soft,
                true,
            ),
            (M::UnionpayWap, "unionpay_wap", unionpay, Close::None, false),
            (
                M::UnionpayPage,
                "unionpay_page",
                unionpay,
                Close::None,
                false,
            ),
            (M::UnionpayApp, "unionpay_app", unionpay, Close::None, true),
            (
                M::Bank1Page,
                "bank1_page",
                ChannelCode::Bank1,
                Close::None,
                false,
            ),
            (
                M::Bank2Page,
                "bank2_page",
                ChannelCode::Bank2,
                Close::None,
                false,
            ),
        ];
        assert_eq!(table.map(|row| row.0), Method::ALL);
        for (method, code, channel, close, placed_by_call) in table {
            assert_eq!(method.code(), code);
            assert_eq!(Method::from_code(code), Some(method));
            assert_eq!((method.channel(), method.close()), (channel, close));
            assert_eq!(method.placed_by_call(), placed_by_call, "{code}");
            assert_eq!(method.in_browser(), method != M::UnionpayApp, "{code}");
        }
        assert!(!M::Inbound(FrontEnd::Machine).in_browser());
        let told = [Close::Hard, Close::Soft, Close::None].map(Close::code);
        assert_eq!(told, ["hard", "soft", "none"]);
        let named = ["wechat", "alipay", "unionpay", "bank1", "bank2"];
        for (channel, code) in ChannelCode::ALL.into_iter().zip(named) {
            assert_eq!(channel.code(), code);
            assert_eq!(ChannelCode::from_code(code), Some(channel));
        }
        assert_eq!(
            (Method::from_code("cash"), ChannelCode::from_code("cash")),
            (None, None)
        );
    }
}
