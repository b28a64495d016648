//! 选择支付方式: which ways of paying are offered, and the page that asks.

use crate::look::{Browser, Look};
use crate::pages::check::payee;
use crate::parts::{Choice, Tone, choice, hidden, note};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{Announcement, BillView};
use jiaoyi_domain::channel::Method;
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

/// The way of paying when the webview leaves no choice.
#[must_use]
pub fn decided(browser: Browser, enabled: &[Method], openid: bool) -> Option<Method> {
    let only = match browser {
        Browser::Wechat if openid => Method::WechatJsapi,
        Browser::Alipay => Method::AlipayWap,
        Browser::Wechat | Browser::Phone | Browser::Desktop => return None,
    };
    enabled.contains(&only).then_some(only)
}

/// The radio rows for `methods`; the first one is chosen.
#[must_use]
pub fn choices(look: &Look, methods: &[Method]) -> Markup {
    html! {
        @for (index, method) in methods.iter().enumerate() {
            (choice(Choice {
                name: "method",
                value: method.code(),
                label: look.method(*method),
                hint: look.method_hint(*method),
                chosen: index == 0,
            }))
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
    let amount = look.money(bill.amount);
    let body = html! {
        form action="/pay/start" method="post" {
            (hidden("bill_ref", &bill.bill_ref))
            (hidden("relation", relation))
            (hidden("form_key", form_key))
            @if displace { (hidden("displace", "1")) }
            fieldset {
                legend { h1 { (look.t("method.title")) } }
                (choices(look, methods))
            }
            @for item in news.iter().filter(|item| tells_of(item, methods)) {
                (note(
                    Tone::Wait,
                    look.pick(&item.title_zh, &item.title_en),
                    look.pick(&item.body_zh, &item.body_en),
                ))
            }
            @if methods.is_empty() { p { (look.t("method.none")) } }
            @else {
                p.payfor { (payee(look, bill)) }
                button { (look.f("method.pay", &[("amount", &amount)])) }
            }
        }
        p.hint { (look.t("method.note")) }
    };
    let frame = Frame::new(look.t("method.title"), "/pay/method").back("/pay/check");
    page(look, frame, body).leading_to_wallet()
}
