//! How a page looks to one visitor: language, size of type, theme, and what the browser can do.

use crate::locale::Lang;
use jiaoyi_app::portal::{ItemView, SubsidyView};
use jiaoyi_domain::channel::{ChannelCode, FrontEnd, Method};
use jiaoyi_domain::time::MINUTE_MS;
use jiaoyi_domain::{Date, Fen, Instant};

/// The size of type (长辈版): 18, 22 or 30 px with targets of 48, 60 or 68 px.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// 18 px.
    #[default]
    Standard,
    /// 22 px.
    Large,
    /// 30 px.
    Largest,
}

impl Size {
    /// Every size.
    pub const ALL: [Size; 3] = [Size::Standard, Size::Large, Size::Largest];

    /// The value of `data-size`, of the cookie and of the form.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Size::Standard => "s",
            Size::Large => "l",
            Size::Largest => "xl",
        }
    }

    /// The size named by a cookie or a form.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Size> {
        Size::ALL.into_iter().find(|size| size.code() == code)
    }
}

/// Light, dark, or as the device says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the device says.
    #[default]
    Device,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl Theme {
    /// Every theme.
    pub const ALL: [Theme; 3] = [Theme::Device, Theme::Light, Theme::Dark];

    /// The value of `data-theme`, of the cookie and of the form.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Theme::Device => "device",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme named by a cookie or a form.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Theme> {
        Theme::ALL.into_iter().find(|theme| theme.code() == code)
    }
}

/// Where the page is shown, as far as it decides how one can pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Browser {
    /// Inside WeChat: only its script bridge can pay.
    Wechat,
    /// Inside Alipay: its own page pays.
    Alipay,
    /// A phone's browser: links open the wallets.
    #[default]
    Phone,
    /// A computer: the wallet is on another device.
    Desktop,
}

impl Browser {
    /// Judges by the User-Agent header; unknown ones count as phones, whose page offers every way.
    #[must_use]
    pub fn from_user_agent(agent: &str) -> Browser {
        if agent.contains("MicroMessenger") {
            Browser::Wechat
        } else if agent.contains("AlipayClient") {
            Browser::Alipay
        } else if ["Windows NT", "Macintosh", "X11; Linux"]
            .iter()
            .any(|system| agent.contains(system))
        {
            Browser::Desktop
        } else {
            Browser::Phone
        }
    }
}

/// Everything about a visitor that changes words or form of a page, never its content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub lang: Lang,
    pub size: Size,
    pub theme: Theme,
    pub browser: Browser,
    /// The installation is a demonstration: every page says so.
    pub demo: bool,
}

impl Look {
    /// The words under `key`.
    #[must_use]
    pub fn t(&self, key: &'static str) -> &'static str {
        self.lang.text(key)
    }

    /// The words under `key` with each `{name}` replaced.
    #[must_use]
    pub fn f(&self, key: &'static str, values: &[(&str, &str)]) -> String {
        self.lang.fill(key, values)
    }

    /// Of two texts the one in the visitor's language; the Chinese one when the other is missing.
    #[must_use]
    pub fn pick<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::En if !en.is_empty() => en,
            Lang::En | Lang::Zh => zh,
        }
    }

    /// `400.00 元`, `¥400.00`.
    #[must_use]
    pub fn money(&self, amount: Fen) -> String {
        self.f("unit.money", &[("amount", &amount.to_string())])
    }

    /// A civil date in words.
    #[must_use]
    pub fn date(&self, date: Date) -> String {
        let (year, day) = (date.year().to_string(), date.day().to_string());
        let month = match self.lang {
            Lang::Zh => date.month().to_string(),
            Lang::En => self.month(date.month()).to_owned(),
        };
        self.f(
            "unit.date",
            &[("year", &year), ("month", &month), ("day", &day)],
        )
    }

    /// The name of a month, 1 to 12.
    #[must_use]
    pub fn month(&self, month: i8) -> &'static str {
        let names = self.t("unit.months").split(' ');
        let index = usize::try_from(month.saturating_sub(1)).unwrap_or(0);
        names.into_iter().nth(index).unwrap_or_default()
    }

    /// A first and a last date in words.
    #[must_use]
    pub fn period(&self, first: Date, last: Date) -> String {
        self.f(
            "unit.period",
            &[("first", &self.date(first)), ("last", &self.date(last))],
        )
    }

    /// Date and time of day in Beijing, to the minute.
    #[must_use]
    pub fn moment(&self, at: Instant) -> String {
        self.f(
            "unit.moment",
            &[("date", &self.date(at.date())), ("time", &clock(at))],
        )
    }

    /// Only the time of day in Beijing, to the minute.
    #[must_use]
    pub fn time(&self, at: Instant) -> String {
        clock(at)
    }

    /// What is left until `until`, in whole minutes and at least one, as text.
    #[must_use]
    pub fn left(&self, now: Instant, until: Instant) -> String {
        let ms = until.since_ms(now).max(0);
        let minutes = (ms / MINUTE_MS).max(1).to_string();
        self.f("unit.minutes", &[("minutes", &minutes)])
    }

    /// The name of a part of a price.
    #[must_use]
    pub fn item<'a>(&self, item: &'a ItemView) -> &'a str {
        self.pick(&item.name_zh, &item.name_en)
    }

    /// The payer of a subsidy.
    #[must_use]
    pub fn payer<'a>(&self, subsidy: &'a SubsidyView) -> &'a str {
        self.pick(&subsidy.payer_zh, &subsidy.payer_en)
    }

    /// The name of a channel.
    #[must_use]
    pub fn channel(&self, channel: ChannelCode) -> &'static str {
        self.t(match channel {
            ChannelCode::Wechat => "channel.wechat",
            ChannelCode::Alipay => "channel.alipay",
            ChannelCode::Unionpay => "channel.unionpay",
            ChannelCode::Inbound(front) => return self.front_end(front),
            ChannelCode::Bank1 => "channel.bank1",
            ChannelCode::Bank2 => "channel.bank2",
        })
    }

    /// The name of a front end through which institutions call us.
    fn front_end(&self, front: FrontEnd) -> &'static str {
        let row = front.capability();
        match self.lang {
            Lang::Zh => &row.name_zh,
            Lang::En => &row.name_en,
        }
    }

    /// The name of a way of paying, for a choice.
    #[must_use]
    pub fn method(&self, method: Method) -> &'static str {
        self.t(match method {
            Method::WechatNative => "method.wechat_native",
            Method::WechatH5 => "method.wechat_h5",
            Method::WechatJsapi => "method.wechat_jsapi",
            Method::AlipayWap => "method.alipay_wap",
            Method::AlipayPage => "method.alipay_page",
            Method::AlipayPrecreate => "method.alipay_precreate",
            Method::UnionpayWap => "method.unionpay_wap",
            Method::UnionpayPage => "method.unionpay_page",
            Method::UnionpayApp => "method.unionpay_app",
            Method::Inbound(front) => return self.front_end(front),
            Method::Bank1Page => "method.bank1_page",
            Method::Bank2Page => "method.bank2_page",
        })
    }

    /// What a way of paying needs, for a choice.
    #[must_use]
    pub fn method_hint(&self, method: Method) -> &'static str {
        self.t(match method {
            Method::WechatNative => "method.wechat_native_hint",
            Method::WechatH5 => "method.wechat_h5_hint",
            Method::WechatJsapi => "method.wechat_jsapi_hint",
            Method::AlipayWap => "method.alipay_wap_hint",
            Method::AlipayPage => "method.alipay_page_hint",
            Method::AlipayPrecreate => "method.alipay_precreate_hint",
            Method::UnionpayWap => "method.unionpay_wap_hint",
            Method::UnionpayPage => "method.unionpay_page_hint",
            Method::UnionpayApp => "method.unionpay_app_hint",
            // Nobody chooses it on a page.
            Method::Inbound(_) => return "",
            Method::Bank1Page | Method::Bank2Page => "method.bank_page_hint",
        })
    }
}

fn clock(at: Instant) -> String {
    let (hour, minute, _, _) = at.time_of_day();
    format!("{hour:02}:{minute:02}")
}
