//! Pages for what went wrong. The first line says whether money was taken, the next what to do.

use crate::look::Look;
use crate::parts::{Tone, panel, support};
use crate::shell::{Frame, Page, page};
use jiaoyi_domain::Instant;
use jiaoyi_domain::channel::ChannelCode;
use maud::html;

/// What can be said about the money when something failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Money {
    /// Nothing was started: no money was taken.
    None,
    /// A payment may be under way: it may have been taken, and it is not lost.
    Maybe,
}

/// What went wrong, as far as the visitor can act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No such page, order or voucher.
    NotFound,
    /// The request makes no sense.
    BadRequest,
    /// The method does not fit the path.
    NotAllowed,
    /// More was sent than is taken.
    TooLarge,
    /// A defect of ours.
    Internal,
    /// A part of the platform is away.
    Unavailable,
    /// Too much to do just now.
    Busy { retry_after_s: u32 },
    /// Too many tries from this device or address.
    RateLimited { retry_after_s: u32 },
    /// The look-up is older than half an hour, or the form was opened elsewhere.
    SessionExpired,
    /// This device holds too many open payments, or locked this bill less than an hour ago.
    TooManyOrders,
    /// The wallet's platform cannot be reached.
    ChannelDown,
    /// No payment begins at this channel now, by the calendar of the region.
    Resting {
        channel: ChannelCode,
        opens_at: Instant,
    },
}

impl Trouble {
    /// Every trouble, for the test that demands a page for each.
    pub const ALL: [Trouble; 12] = [
        Trouble::NotFound,
        Trouble::BadRequest,
        Trouble::NotAllowed,
        Trouble::TooLarge,
        Trouble::Internal,
        Trouble::Unavailable,
        Trouble::Busy { retry_after_s: 30 },
        Trouble::RateLimited {
            retry_after_s: 1800,
        },
        Trouble::SessionExpired,
        Trouble::TooManyOrders,
        Trouble::ChannelDown,
        Trouble::Resting {
            channel: ChannelCode::Wechat,
            opens_at: Instant(1_795_741_200_000),
        },
    ];

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Trouble::NotFound => 404,
            Trouble::BadRequest => 400,
            Trouble::NotAllowed => 405,
            Trouble::TooLarge => 413,
            Trouble::Internal => 500,
            Trouble::Unavailable | Trouble::Busy { .. } | Trouble::ChannelDown => 503,
            Trouble::RateLimited { .. } | Trouble::TooManyOrders => 429,
            Trouble::SessionExpired => 410,
            Trouble::Resting { .. } => 409,
        }
    }

    /// The stable code in small print when the platform gave none.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Trouble::NotFound => "web.not_found",
            Trouble::BadRequest => "web.bad_request",
            Trouble::NotAllowed => "web.not_allowed",
            Trouble::TooLarge => "web.too_large",
            Trouble::Internal => "web.internal",
            Trouble::Unavailable => "web.unavailable",
            Trouble::Busy { .. } => "web.busy",
            Trouble::RateLimited { .. } => "web.rate_limited",
            Trouble::SessionExpired => "web.session_expired",
            Trouble::TooManyOrders => "web.too_many_orders",
            Trouble::ChannelDown => "web.channel_down",
            Trouble::Resting { .. } => "web.resting",
        }
    }

    /// Keys of title and text, and of the button with the path it leads to.
    const fn words(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Trouble::NotFound => (
                "trouble.not_found",
                "trouble.not_found_text",
                "trouble.home",
                "/",
            ),
            Trouble::BadRequest | Trouble::NotAllowed => (
                "trouble.bad_request",
                "trouble.bad_request_text",
                "trouble.home",
                "/",
            ),
            Trouble::TooLarge => (
                "trouble.too_large",
                "trouble.too_large_text",
                "trouble.home",
                "/",
            ),
            Trouble::Internal => (
                "trouble.internal",
                "trouble.internal_text",
                "trouble.home",
                "/",
            ),
            Trouble::Unavailable => (
                "trouble.unavailable",
                "trouble.unavailable_text",
                "trouble.home",
                "/",
            ),
            Trouble::Busy { .. } => ("trouble.busy", "trouble.busy_text", "trouble.home", "/"),
            Trouble::RateLimited { .. } => (
                "trouble.rate_limited",
                "trouble.rate_limited_text",
                "trouble.home",
                "/",
            ),
            Trouble::SessionExpired => (
                "trouble.expired",
                "trouble.expired_text",
                "trouble.look_up",
                "/pay",
            ),
            Trouble::TooManyOrders => (
                "trouble.too_many",
                "trouble.too_many_text",
                "trouble.records",
                "/records",
            ),
            Trouble::ChannelDown => (
                "trouble.channel_down",
                "trouble.channel_down_text",
                "trouble.check",
                "/pay/check",
            ),
            Trouble::Resting { .. } => (
                "trouble.resting",
                "trouble.resting_text",
                "trouble.check",
                "/pay/check",
            ),
        }
    }
}

/// A page for `trouble`. `here` is where it happened, if that can be asked for again; `code` is
/// the platform's own code or empty.
#[must_use]
pub fn trouble(
    look: &Look,
    trouble: Trouble,
    money: Money,
    here: &str,
    code: &str,
    trace: &str,
) -> Page {
    let (title, text, button, path) = trouble.words();
    let title = look.lang.text(title);
    let retry_after_s = match trouble {
        Trouble::Busy { retry_after_s } | Trouble::RateLimited { retry_after_s } => {
            Some(retry_after_s)
        }
        Trouble::NotFound
        | Trouble::BadRequest
        | Trouble::NotAllowed
        | Trouble::TooLarge
        | Trouble::Internal
        | Trouble::Unavailable
        | Trouble::SessionExpired
        | Trouble::TooManyOrders
        | Trouble::ChannelDown
        | Trouble::Resting { .. } => None,
    };
    let (channel, opens) = match trouble {
        Trouble::Resting { channel, opens_at } => (look.channel(channel), look.moment(opens_at)),
        _ => ("", String::new()),
    };
    let wait = look.f(
        "unit.minutes",
        &[(
            "minutes",
            &retry_after_s.unwrap_or(60).div_ceil(60).max(1).to_string(),
        )],
    );
    let retry = !here.is_empty() && !matches!(trouble, Trouble::NotFound | Trouble::SessionExpired);
    let body = html! {
        (panel(Tone::Plain, title, html! {
            p { b { (look.t(match money { Money::None => "money.none", Money::Maybe => "money.maybe" })) } }
            p { (look.f(text, &[("wait", &wait), ("channel", channel), ("opens", &opens)])) }
        }))
        @if retry { a.btn href=(here) { (look.t("trouble.again")) } }
        a.btn.second[retry] href=(path) { (look.lang.text(button)) }
        p.hint { (look.t("trouble.other_way")) }
        (support(look, if code.is_empty() { trouble.code() } else { code }, trace))
    };
    let mut page = page(
        look,
        Frame::new(title, if here.is_empty() { "/" } else { here }),
        body,
    )
    .with_status(trouble.status());
    page.retry_after_s = retry_after_s;
    page
}
