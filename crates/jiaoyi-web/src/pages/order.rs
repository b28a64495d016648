//! One view for each state of an order. The headline says first whether money was taken.

use crate::assets;
use crate::look::Look;
use crate::pages::method;
use crate::parts::{Row, Tone, chinese, hidden, note, number, panel, place, rows, support};
use crate::qr;
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{Bridge, FailReason, OrderStatus, OrderView};
use jiaoyi_domain::Instant;
use jiaoyi_domain::channel::{ChannelCode, Method, PayForm};
use maud::{Markup, html};

/// After so many loads at [`FAST_S`] the page loads itself more slowly.
const FAST_LOADS: u32 = 10;
/// Seconds between the first loads of a page that waits for a result.
const FAST_S: u32 = 3;
/// Seconds between later loads.
const SLOW_S: u32 = 10;
/// After so many loads (60 seconds) the page rests and waits for a tap.
const LOADS_MAX: u32 = FAST_LOADS + 3;
/// Seconds between loads of a page that shows a QR code to another device.
const QR_S: u32 = 6;
/// A page with a QR code rests after so many loads (10 minutes).
const QR_LOADS_MAX: u32 = 100;

/// What the order page knows beside the order.
#[derive(Clone, Copy, Debug)]
pub struct Showing<'a> {
    pub now: Instant,
    /// How often the page has loaded itself; 1 or more also means that the payer is back from the
    /// wallet.
    pub loads: u32,
    /// Ways of paying that are switched on.
    pub methods: &'a [Method],
    pub openid: bool,
    pub form_key: &'a str,
}

/// What one state says.
struct Verdict {
    tone: Tone,
    headline: String,
    lead: String,
}

/// `/o/{order}`.
#[must_use]
pub fn order(look: &Look, view: &OrderView, showing: Showing<'_>) -> Page {
    let verdict = verdict(look, view, showing);
    let here = format!("/o/{}", view.order);
    let pays_here = view.status == OrderStatus::ToPay && !returned(view, showing);
    let bridge = view.bridge.as_ref().filter(|_| pays_here && view.mine);
    let body = html! {
        @if pays_here {
            h1 { (verdict.headline) }
            p.lead { (verdict.lead) }
            (to_pay(look, view, showing, bridge))
        } @else {
            (panel(verdict.tone, &verdict.headline, html! {
                p { (verdict.lead) }
                @if view.status == OrderStatus::Paid {
                    p.amount { (look.money(view.amount)) }
                    @if let Some(number_text) = &view.voucher_no {
                        p { (look.t("word.voucher_no")) br; b { (number(number_text)) } }
                    }
                }
            }))
            @if view.status == OrderStatus::Paid { (surplus(look, view)) }
            (actions(look, view, showing))
        }
        (facts(look, view))
        (support(look, status_code(view.status), &view.trace))
    };
    let frame = Frame {
        script: bridge.map(|_| &*assets::BRIDGE),
        back: Some("/records"),
        ..Frame::new(&verdict.headline, &here)
    };
    let mut page = page(look, frame, body).leading_to_wallet();
    page.refresh = next_load(view, showing);
    page
}

/// The payer has been at the wallet, and no result is here. Ways that lead away send the payer
/// there before this page is ever shown, so nobody can say that no money was taken.
fn returned(view: &OrderView, showing: Showing<'_>) -> bool {
    let was_there = showing.loads > 0 || leads_away(view.method);
    view.status == OrderStatus::ToPay && was_there && view.qr.is_none()
}

const fn leads_away(method: Method) -> bool {
    match method {
        Method::WechatH5
        | Method::AlipayWap
        | Method::AlipayPage
        | Method::UnionpayWap
        | Method::UnionpayPage
        | Method::Bank1Page
        | Method::Bank2Page => true,
        Method::WechatNative
        | Method::WechatJsapi
        | Method::AlipayPrecreate
        | Method::UnionpayApp
        | Method::Inbound(_) => false,
    }
}

/// When the page loads itself again: 3 s ten times, then 10 s, and no more after a minute; a QR
/// code every 6 s for ten minutes.
fn next_load(view: &OrderView, showing: Showing<'_>) -> Option<(u32, String)> {
    let next = showing.loads.saturating_add(1);
    let after_s = match view.status {
        OrderStatus::Confirming => FAST_S,
        OrderStatus::ToPay if view.qr.is_some() => {
            let path = format!("/o/{}?n={next}", view.order);
            return (next <= QR_LOADS_MAX && view.bridge.is_none()).then_some((QR_S, path));
        }
        OrderStatus::ToPay if returned(view, showing) => FAST_S,
        OrderStatus::ToPay
        | OrderStatus::Paid
        | OrderStatus::Cancelled
        | OrderStatus::Expired
        | OrderStatus::Failed
        | OrderStatus::ChannelDown
        | OrderStatus::Abandoned
        | OrderStatus::RefundPending
        | OrderStatus::Refunded
        | OrderStatus::RefundManual
        | OrderStatus::Returned
        | OrderStatus::Disputed => return None,
    };
    let after_s = if next > FAST_LOADS { SLOW_S } else { after_s };
    (next <= LOADS_MAX).then(|| (after_s, format!("/o/{}?n={next}", view.order)))
}

/// The stable code of a status in small print.
#[must_use]
pub const fn status_code(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::ToPay => "order.to_pay",
        OrderStatus::Confirming => "order.confirming",
        OrderStatus::Paid => "order.paid",
        OrderStatus::Cancelled => "order.cancelled",
        OrderStatus::Expired => "order.expired",
        OrderStatus::Failed => "order.failed",
        OrderStatus::ChannelDown => "order.channel_down",
        OrderStatus::Abandoned => "order.abandoned",
        OrderStatus::RefundPending => "order.refund_pending",
        OrderStatus::Refunded => "order.refunded",
        OrderStatus::RefundManual => "order.refund_manual",
        OrderStatus::Returned => "order.returned",
        OrderStatus::Disputed => "order.disputed",
    }
}

/// The short word for a status in a list, with its tone.
#[must_use]
pub fn status_word(look: &Look, status: OrderStatus) -> (Tone, &'static str) {
    let (tone, key) = match status {
        OrderStatus::ToPay => (Tone::Wait, "status.to_pay"),
        OrderStatus::Confirming => (Tone::Wait, "status.confirming"),
        OrderStatus::Paid => (Tone::Good, "status.paid"),
        OrderStatus::Cancelled => (Tone::Plain, "status.cancelled"),
        OrderStatus::Expired => (Tone::Plain, "status.expired"),
        OrderStatus::Failed => (Tone::Bad, "status.failed"),
        OrderStatus::ChannelDown => (Tone::Bad, "status.channel_down"),
        OrderStatus::Abandoned => (Tone::Plain, "status.abandoned"),
        OrderStatus::RefundPending => (Tone::Wait, "status.refund_pending"),
        OrderStatus::Refunded => (Tone::Plain, "status.refunded"),
        OrderStatus::RefundManual => (Tone::Wait, "status.refund_manual"),
        OrderStatus::Returned => (Tone::Plain, "status.returned"),
        OrderStatus::Disputed => (Tone::Wait, "status.disputed"),
    };
    (tone, look.lang.text(key))
}

fn verdict(look: &Look, view: &OrderView, showing: Showing<'_>) -> Verdict {
    let amount = look.money(view.amount);
    let transfer = view
        .refund
        .as_ref()
        .and_then(|refund| refund.transfer.as_ref());
    let paid_on = transfer.map_or(String::new(), |paid| look.date(paid.paid_on));
    let (tone, headline, lead) = match view.status {
        OrderStatus::ToPay if returned(view, showing) => {
            (Tone::Wait, "order.returned_title", "order.returned_lead")
        }
        OrderStatus::ToPay => (Tone::Wait, "order.to_pay_title", "order.to_pay_lead"),
        OrderStatus::Confirming => (
            Tone::Wait,
            "order.confirming_title",
            "order.confirming_lead",
        ),
        OrderStatus::Paid if view.amount.is_zero() => {
            (Tone::Good, "order.zero_title", "order.zero_lead")
        }
        OrderStatus::Paid => (Tone::Good, "order.paid_title", "order.paid_lead"),
        OrderStatus::Cancelled => (Tone::Plain, "order.cancelled_title", "order.cancelled_lead"),
        OrderStatus::Expired => (Tone::Plain, "order.expired_title", "order.expired_lead"),
        OrderStatus::Failed if view.failure == Some(FailReason::BalanceTooLow) => {
            (Tone::Bad, "order.balance_title", "order.balance_lead")
        }
        OrderStatus::Failed => (Tone::Bad, "order.failed_title", "order.failed_lead"),
        OrderStatus::ChannelDown => (Tone::Bad, "order.down_title", "order.down_lead"),
        OrderStatus::Abandoned => (Tone::Plain, "order.abandoned_title", "order.abandoned_lead"),
        OrderStatus::RefundPending => (
            Tone::Wait,
            "order.refund_pending_title",
            "order.refund_pending_lead",
        ),
        OrderStatus::Refunded if transfer.is_some() => (
            Tone::Good,
            "order.transferred_title",
            "order.transferred_lead",
        ),
        OrderStatus::Refunded => (Tone::Good, "order.refunded_title", "order.refunded_lead"),
        OrderStatus::RefundManual => (
            Tone::Wait,
            "order.refund_manual_title",
            "order.refund_manual_lead",
        ),
        OrderStatus::Returned => (
            Tone::Plain,
            "order.given_back_title",
            "order.given_back_lead",
        ),
        OrderStatus::Disputed => (Tone::Wait, "order.disputed_title", "order.disputed_lead"),
    };
    let values: [(&str, &str); 4] = [
        ("amount", &amount),
        ("paid_on", &paid_on),
        ("until", &look.time(view.until)),
        ("left", &look.left(showing.now, view.until)),
    ];
    Verdict {
        tone,
        headline: look.f(headline, &values),
        lead: look.f(lead, &values),
    }
}

/// How to pay now: a QR code, a link, or the script bridge.
fn to_pay(look: &Look, view: &OrderView, showing: Showing<'_>, bridge: Option<&Bridge>) -> Markup {
    let amount = look.money(view.amount);
    let channel = view.method.channel();
    let open = look.f(
        "order.open_wallet",
        &[("channel", look.channel(channel)), ("amount", &amount)],
    );
    html! {
        @if let Some(bridge) = bridge { (bridge_form(look, view, showing, bridge, &open)) }
        @if let Some(url) = &view.pay_url {
            p.payfor { (for_whom(look, view)) }
            a.btn href=(url) rel="noopener" { (open) }
        }
        @if view.qr.is_some() && bridge.is_none() {
            (qr_card(look, view))
            p.hint { (look.lang.text(one_phone_key(channel))) }
        }
        (refresh_form(look, view, "order.refresh_paid", true))
        @if view.mine {
            a.btn.second href={ "/o/" (view.order) "/switch" } { (look.t("order.switch")) }
            (cancel_form(look, view))
        }
    }
}

const fn scan_key(channel: ChannelCode) -> &'static str {
    match channel {
        ChannelCode::Wechat => "order.scan_wechat",
        ChannelCode::Alipay => "order.scan_alipay",
        // Neither a bank nor an institution hands out a code of ours.
        ChannelCode::Unionpay
        | ChannelCode::Bank1
        | ChannelCode::Bank2
        | ChannelCode::Inbound(_) => "order.scan_unionpay",
    }
}

const fn one_phone_key(channel: ChannelCode) -> &'static str {
    match channel {
        ChannelCode::Wechat => "order.one_phone_wechat",
        ChannelCode::Alipay => "order.one_phone_alipay",
        ChannelCode::Unionpay
        | ChannelCode::Bank1
        | ChannelCode::Bank2
        | ChannelCode::Inbound(_) => "order.one_phone_unionpay",
    }
}

/// Without the script this form changes to the QR code, so the page works either way.
fn bridge_form(
    look: &Look,
    view: &OrderView,
    showing: Showing<'_>,
    bridge: &Bridge,
    label: &str,
) -> Markup {
    html! {
        p.payfor { (for_whom(look, view)) }
        form #jsapi action={ "/o/" (view.order) "/switch" } method="post"
            data-app-id=(bridge.app_id) data-time-stamp=(bridge.time_stamp)
            data-nonce-str=(bridge.nonce) data-package=(bridge.package)
            data-sign-type=(bridge.sign_type) data-pay-sign=(bridge.pay_sign)
            data-done={ "/o/" (view.order) "/back" } data-order=(view.order_no) {
            (hidden("method", Method::WechatNative.code()))
            (hidden("form_key", showing.form_key))
            button { (label) }
        }
    }
}

fn refresh_form(look: &Look, view: &OrderView, key: &'static str, second: bool) -> Markup {
    html! {
        form action={ "/o/" (view.order) "/refresh" } method="post" {
            button.second[second] { (look.lang.text(key)) }
        }
    }
}

fn cancel_form(look: &Look, view: &OrderView) -> Markup {
    html! {
        form action={ "/o/" (view.order) "/cancel" } method="post" {
            button.second { (look.t("order.cancel")) }
        }
    }
}

/// The same way to pay is still open.
const fn still_payable(view: &OrderView) -> bool {
    view.qr.is_some() || view.pay_url.is_some() || view.pay_form.is_some()
}

/// What to do now, for every state but the one that pays on this page.
fn actions(look: &Look, view: &OrderView, showing: Showing<'_>) -> Markup {
    let refund = view.refund.as_ref();
    match view.status {
        OrderStatus::ToPay => html! {
            (waiting(look, view, showing))
            (refresh_form(look, view, "order.refresh_paid", false))
            (reopen(look, view))
            @if view.mine {
                a.btn.second href={ "/o/" (view.order) "/switch" } { (look.t("order.switch")) }
                (cancel_form(look, view))
            }
        },
        OrderStatus::Confirming => html! {
            (waiting(look, view, showing))
            (note(Tone::Wait, look.t("order.once_head"), look.t("order.once")))
            (refresh_form(look, view, "order.refresh", false))
            a.btn.second href="/records" { (look.t("order.leave")) }
        },
        OrderStatus::Paid => html! {
            @if let Some(number) = &view.voucher_no {
                a.btn href={ "/v/" (plain(number)) "?r=" (view.order) } { (look.t("order.see_voucher")) }
            }
            a.btn.second href="/pay" { (look.t("order.pay_for_family")) }
            h2 { (look.t("order.next")) }
            p { (look.t("order.next_text")) }
        },
        OrderStatus::Failed if still_payable(view) => failed(look, view),
        OrderStatus::Cancelled
        | OrderStatus::Expired
        | OrderStatus::Failed
        | OrderStatus::ChannelDown => again(look, view, showing),
        OrderStatus::Abandoned => html! {
            (note(Tone::Plain, "", look.t("order.watched")))
            (refresh_form(look, view, "order.refresh", true))
            (again(look, view, showing))
        },
        OrderStatus::RefundPending => html! {
            @if let Some(until) = refund.and_then(|refund| refund.held_until) {
                (note(Tone::Wait, "", &look.f("order.held", &[("until", &look.moment(until))])))
            }
            (note(Tone::Plain, "", look.t("order.refund_no_need")))
            (refresh_form(look, view, "order.refresh", false))
        },
        OrderStatus::Refunded => {
            html! { a.btn.second href="/records" { (look.t("order.records")) } }
        }
        OrderStatus::RefundManual => html! {
            (note(Tone::Wait, "", look.t("order.manual_call")))
            (refresh_form(look, view, "order.refresh", true))
        },
        OrderStatus::Returned => html! {
            (note(Tone::Plain, "", look.t("order.given_back_note")))
            a.btn.second href="/pay" { (look.t("order.pay_again_if")) }
        },
        OrderStatus::Disputed => html! {
            (note(Tone::Wait, look.t("order.once_head"), look.t("order.disputed_note")))
            (refresh_form(look, view, "order.refresh", false))
        },
    }
}

/// The premium is paid, and a further payment for it goes back: only that one.
fn surplus(look: &Look, view: &OrderView) -> Markup {
    let Some(refund) = &view.refund else {
        return html! {};
    };
    let what = look.t(if refund.amount > view.amount {
        "order.more_payments"
    } else {
        "order.second_payment"
    });
    let amount = look.money(refund.amount);
    let paid_on = refund.transfer.as_ref().map(|paid| look.date(paid.paid_on));
    let (tone, key) = if refund.manual {
        (Tone::Wait, "order.surplus_manual")
    } else if paid_on.is_some() {
        (Tone::Plain, "order.surplus_transferred")
    } else if refund.done_at.is_some() {
        (Tone::Plain, "order.surplus_back")
    } else {
        (Tone::Wait, "order.surplus_pending")
    };
    let paid_on = paid_on.unwrap_or_default();
    let values = [("what", what), ("amount", &*amount), ("paid_on", &*paid_on)];
    let text = look.f(key, &values);
    note(tone, look.t("order.twice_head"), &text)
}

/// The wallet said no to one try, and takes another.
fn failed(look: &Look, view: &OrderView) -> Markup {
    html! {
        p.payfor { (for_whom(look, view)) }
        a.btn href={ "/o/" (view.order) "/switch" } { (look.t("order.switch")) }
        (reopen(look, view))
        (qr_card(look, view))
        (refresh_form(look, view, "order.refresh_paid", true))
        (cancel_form(look, view))
    }
}

/// To the wallet once more.
fn reopen(look: &Look, view: &OrderView) -> Markup {
    html! {
        @if let Some(url) = &view.pay_url {
            a.btn.second href=(url) rel="noopener" { (look.t("order.reopen")) }
        }
        @if let Some(form) = &view.pay_form {
            form action=(form.action) method="post" {
                (form_fields(form))
                button.second { (look.t("order.reopen")) }
            }
        }
    }
}

fn form_fields(form: &PayForm) -> Markup {
    html! { @for (name, value) in &form.fields { (hidden(name, value)) } }
}

/// `/o/{order}/pay`: the form that the payer's browser takes to the cashier, sent by itself where a
/// script may run.
#[must_use]
pub fn forward(look: &Look, view: &OrderView, form: &PayForm) -> Page {
    let (path, order) = (
        format!("/o/{}/pay", view.order),
        format!("/o/{}", view.order),
    );
    let channel = look.channel(view.method.channel());
    let title = look.f("forward.title", &[("channel", channel)]);
    let amount = look.money(view.amount);
    let open = look.f(
        "order.open_wallet",
        &[("channel", channel), ("amount", &amount)],
    );
    let body = html! {
        h1 { (title) }
        p.lead { (look.t("forward.lead")) }
        p.payfor { (for_whom(look, view)) }
        form #forward action=(form.action) method="post" data-order=(view.order_no) {
            (form_fields(form))
            button { (open) }
        }
        a.btn.second href=(order) { (look.t("forward.result")) }
    };
    let frame = Frame {
        script: Some(&assets::FORWARD),
        ..Frame::new(&title, &path)
    };
    page(look, frame, body).leading_to_wallet()
}

fn qr_card(look: &Look, view: &OrderView) -> Markup {
    html! {
        @if let Some(text) = &view.qr {
            div.card.center {
                p { (look.lang.text(scan_key(view.method.channel()))) }
                @match qr::svg(text, look.t("order.qr_label")) {
                    Some(svg) => (svg),
                    None => p { (look.t("order.qr_too_long")) },
                }
                p.amount { (look.money(view.amount)) }
                p.payfor { (for_whom(look, view)) }
            }
        }
    }
}

fn waiting(look: &Look, view: &OrderView, showing: Showing<'_>) -> Markup {
    html! {
        @if next_load(view, showing).is_some() {
            p role="status" {
                span.spin aria-hidden="true" {} " " (look.t("order.waiting")) " "
                a href={ "/o/" (view.order) "?n=" (LOADS_MAX) } { (look.t("order.stop")) }
            }
        } @else {
            p role="status" { (look.t("order.rested")) }
        }
    }
}

fn again(look: &Look, view: &OrderView, showing: Showing<'_>) -> Markup {
    let amount = look.money(view.amount);
    html! {
        @if view.mine {
            p.payfor { (for_whom(look, view)) }
            @match method::decided(look.browser, showing.methods, showing.openid, &view.resting) {
                Some(method) => form action={ "/o/" (view.order) "/switch" } method="post" {
                    (hidden("method", method.code()))
                    (hidden("form_key", showing.form_key))
                    button { (look.f("order.again", &[("amount", &amount)])) }
                },
                None => a.btn href={ "/o/" (view.order) "/switch" } {
                    (look.f("order.again", &[("amount", &amount)]))
                },
            }
            a.btn.second href="/" { (look.t("order.later")) }
        } @else {
            a.btn href="/pay" { (look.t("order.look_up")) }
        }
    }
}

fn for_whom(look: &Look, view: &OrderView) -> Markup {
    let year = view.benefit_year.to_string();
    html! {
        (chinese(look, &view.name_masked)) " · " (look.f("unit.benefit_year", &[("year", &year)]))
    }
}

fn facts(look: &Look, view: &OrderView) -> Markup {
    let year = view.benefit_year.to_string();
    let mut list = vec![
        Row::markup(look.t("word.insured"), chinese(look, &view.name_masked)),
        Row::markup(
            look.t("word.region"),
            place(look, &view.region_zh, &view.region_en),
        ),
        Row::text(
            look.t("word.year"),
            &look.f("unit.year", &[("year", &year)]),
        ),
        Row::text(
            look.t("word.benefit"),
            &look.period(view.benefit_first, view.benefit_last),
        ),
        Row::text(look.t("word.amount"), &look.money(view.amount)),
    ];
    if !view.amount.is_zero() {
        list.push(Row::text(
            look.t("word.channel"),
            look.channel(view.method.channel()),
        ));
    }
    list.push(match view.paid_at {
        Some(at) => Row::text(look.t("word.paid_at"), &look.moment(at)),
        None => Row::text(look.t("word.created_at"), &look.moment(view.created_at)),
    });
    if let Some(refund) = &view.refund {
        list.push(Row::text(
            look.t("word.refund_amount"),
            &look.money(refund.amount),
        ));
        list.push(Row::markup(
            look.t("word.refund_no"),
            number(&refund.refund_no),
        ));
        if let Some(paid) = &refund.transfer {
            list.push(Row::text(
                look.t("word.transferred_on"),
                &look.date(paid.paid_on),
            ));
            if let Some(tail) = &paid.account_tail {
                list.push(Row::text(look.t("word.account_tail"), tail));
            }
        } else if let Some(at) = refund.done_at {
            list.push(Row::text(look.t("word.refunded_at"), &look.moment(at)));
        }
    }
    list.push(Row::markup(look.t("word.order_no"), number(&view.order_no)));
    html! {
        h2 { (look.t("order.facts")) }
        div.card { (rows(look, list)) }
    }
}

/// A printed number without its hyphens, for a path.
#[must_use]
pub fn plain(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// `/o/{order}/switch`: another way of paying, with the sentence on the first one.
#[must_use]
pub fn switch(look: &Look, view: &OrderView, showing: Showing<'_>) -> Page {
    let path = format!("/o/{}/switch", view.order);
    let back = format!("/o/{}", view.order);
    let methods = method::offered(look.browser, showing.methods, showing.openid);
    let open =
        matches!(view.status, OrderStatus::ToPay | OrderStatus::Confirming) || still_payable(view);
    let body = html! {
        @if open { (note(Tone::Wait, look.t("order.switch_head"), look.t("order.switch_note"))) }
        form action=(path) method="post" {
            (hidden("form_key", showing.form_key))
            (method::question(look, &methods, &view.resting, html! {}, for_whom(look, view), view.amount))
        }
    };
    let frame = Frame::new(look.t("method.title"), &path).back(&back);
    page(look, frame, body).leading_to_wallet()
}
