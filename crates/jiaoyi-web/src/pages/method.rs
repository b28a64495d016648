//! 选择支付方式: which ways of paying are offered, and the page that asks.

use crate::look::{Browser, Look};
use crate::pages::check::payee;
use crate::parts::{Choice, Tone, choice, hidden, note};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{Announcement, BillView, Resting};
use jiaoyi_domain::channel::Method;
use jiaoyi_domain::{Fen, Instant};
use maud::{Markup, html};

/// The ways of paying that make sense in this browser, likeliest first.
#[must_use]
pub fn offered(browser: Browser, enabled: &[Method], openid: bool) -> Vec<Method> {
    use Method::{
        AlipayPage, AlipayPrecreate, AlipayWap, Bank1Page, Bank2Page, UnionpayPage, UnionpayWap,
        WechatH5, WechatJsapi, WechatNative,
    };
    let sensible: &[Method] = match browser {
        Browser::Wechat if openid => &[WechatJsapi, WechatNative],
        Browser::Wechat => &[WechatNative],
        Browser::Alipay => &[AlipayWap],
        Browser::Phone => &[
            WechatH5,
            AlipayWap,
            UnionpayWap,
            Bank1Page,
            Bank2Page,
            WechatNative,
            AlipayPrecreate,
        ],
        Browser::Desktop => &[
            WechatNative,
            AlipayPrecreate,
            AlipayPage,
            UnionpayPage,
            Bank1Page,
            Bank2Page,
        ],
    };
    sensible
        .iter()
        .copied()
        .filter(|method| enabled.contains(method))
        .collect()
}

/// From when payments begin again at the channel of a way of paying that rests now.
fn opens(resting: &Resting, method: Method) -> Option<Instant> {
    let mut rows = resting.iter();
    rows.find(|(channel, _)| *channel == method.channel())
        .map(|(_, opens)| *opens)
}

/// The way of paying when the webview leaves no choice; none while it rests, because then the payer has
/// to read so.
#[must_use]
pub fn decided(
    browser: Browser,
    enabled: &[Method],
    openid: bool,
    resting: &Resting,
) -> Option<Method> {
    let only = match browser {
        Browser::Wechat if openid => Method::WechatJsapi,
        Browser::Alipay => Method::AlipayWap,
        Browser::Wechat | Browser::Phone | Browser::Desktop => return None,
    };
    let works = enabled.contains(&only) && opens(resting, only).is_none();
    works.then_some(only)
}

/// The radio rows for `methods`, of which the first is chosen. Those that rest come last, cannot be
/// chosen and say from when they can.
fn choices(look: &Look, methods: &[Method], resting: &Resting) -> Markup {
    let (rest, work): (Vec<Method>, Vec<Method>) = methods
        .iter()
        .partition(|method| opens(resting, **method).is_some());
    html! {
        @for (index, method) in work.into_iter().chain(rest).enumerate() {
            @let opens = opens(resting, method).map(|at| look.moment(at));
            @let closed = opens.map(|opens| look.f("method.resting", &[("opens", &opens)]));
            (choice(Choice {
                name: "method",
                value: method.code(),
                label: look.method(method),
                hint: closed.as_deref().unwrap_or(look.method_hint(method)),
                chosen: index == 0 && closed.is_none(),
                closed: closed.is_some(),
            }))
        }
    }
}

/// The question how to pay with what is `told` under it, and the button that pays for `whom`; or why
/// nothing can be chosen now.
#[must_use]
pub fn question(
    look: &Look,
    methods: &[Method],
    resting: &Resting,
    told: Markup,
    whom: Markup,
    amount: Fen,
) -> Markup {
    let amount = look.money(amount);
    let nothing = match methods {
        [] => Some("method.none"),
        methods if methods.iter().all(|way| opens(resting, *way).is_some()) => {
            Some("method.all_resting")
        }
        _ => None,
    };
    html! {
        fieldset {
            legend { h1 { (look.t("method.title")) } }
            (choices(look, methods, resting))
        }
        (told)
        @match nothing {
            Some(key) => p { (look.lang.text(key)) },
            None => {
                p.payfor { (whom) }
                button { (look.f("method.pay", &[("amount", &amount)])) }
            }
        }
    }
}

/// Whether an announcement is about the channel of a way that is offered.
fn tells_of(item: &Announcement, methods: &[Method]) -> bool {
    methods
        .iter()
        .any(|method| item.channel == Some(method.channel()))
}

/// `/pay/method`.
#[must_use]
pub fn ask(
    look: &Look,
    bill: &BillView,
    methods: &[Method],
    relation: &str,
    form_key: &str,
    displace: bool,
    news: &[Announcement],
) -> Page {
    let told = html! {
        @for item in news.iter().filter(|item| tells_of(item, methods)) {
            (note(
                Tone::Wait,
                look.pick(&item.title_zh, &item.title_en),
                look.pick(&item.body_zh, &item.body_en),
            ))
        }
    };
    let body = html! {
        form action="/pay/start" method="post" {
            (hidden("bill_ref", &bill.bill_ref))
            (hidden("relation", relation))
            (hidden("form_key", form_key))
            @if displace { (hidden("displace", "1")) }
            (question(look, methods, &bill.resting, told, payee(look, bill), bill.amount))
        }
        p.hint { (look.t("method.note")) }
    };
    let frame = Frame::new(look.t("method.title"), "/pay/method").back("/pay/check");
    page(look, frame, body).leading_to_wallet()
}
