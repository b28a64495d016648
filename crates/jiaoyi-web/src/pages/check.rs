//! 核对后缴费: the bill before paying, in each of its states.

use crate::look::{Browser, Look};
use crate::pages::method;
use crate::parts::{Row, Tone, chinese, hidden, note, number, panel, place, rows, tag};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{BillState, BillView};
use jiaoyi_domain::Instant;
use jiaoyi_domain::channel::Method;
use maud::{Markup, html};

/// What the check page knows beside the bills.
#[derive(Clone, Copy, Debug)]
pub struct Checking<'a> {
    /// `self` or `other`.
    pub relation: &'a str,
    /// A path that shows this page again.
    pub here: &'a str,
    /// Where the payer goes to change name or region; `None` for a notice link.
    pub change: Option<&'static str>,
    pub now: Instant,
    /// Ways of paying that are switched on.
    pub methods: &'a [Method],
    /// The payer's openid is known, so the script bridge can pay.
    pub openid: bool,
    /// One key for each bill; the same key again gives the same order.
    pub form_keys: &'a [String],
}

/// `/pay/check`, and the target of a notice link.
#[must_use]
pub fn check(look: &Look, bills: &[BillView], checking: Checking<'_>) -> Page {
    let title = match bills {
        [bill] => look.lang.text(title_of(&bill.state)),
        _ => look.t("check.title"),
    };
    let alone = bills.len() == 1;
    let body = html! {
        @if let [bill] = bills { (headline(look, bill, title)) } @else { h1 { (title) } }
        @for (index, bill) in bills.iter().enumerate() {
            @if !alone {
                h2 {
                    (look.f("unit.benefit_year", &[("year", &bill.benefit_year.to_string())])) " "
                    (state_tag(look, &bill.state))
                }
            }
            (facts(look, bill, checking))
            (action(look, bill, checking, checking.form_keys.get(index).map_or("", String::as_str)))
        }
        @if let Some(path) = checking.change {
            a.btn.second href=(path) { (look.t("check.change")) }
        }
    };
    let frame = Frame {
        back: checking.change.or(Some("/")),
        ..Frame::new(title, checking.here)
    };
    page(look, frame, body).leading_to_wallet()
}

const fn title_of(state: &BillState) -> &'static str {
    match state {
        BillState::Payable { .. } => "check.title",
        BillState::NothingToPay => "check.zero_title",
        BillState::Locked { mine: Some(_), .. } => "check.mine_title",
        BillState::Locked { mine: None, .. } => "check.locked_title",
        BillState::Paid { .. } => "check.paid_title",
        BillState::NotYet { .. } => "check.not_yet_title",
        BillState::Resting { .. } => "check.resting_title",
        BillState::Closed { .. } => "check.closed_title",
        BillState::Withdrawn => "check.withdrawn_title",
    }
}

fn headline(look: &Look, bill: &BillView, title: &str) -> Markup {
    match &bill.state {
        BillState::Paid { .. } => panel(
            Tone::Good,
            title,
            html! { p { (look.t("check.paid_lead")) } },
        ),
        BillState::Payable { .. }
        | BillState::NothingToPay
        | BillState::Locked { .. }
        | BillState::NotYet { .. }
        | BillState::Resting { .. }
        | BillState::Closed { .. }
        | BillState::Withdrawn => html! { h1 { (title) } },
    }
}

fn state_tag(look: &Look, state: &BillState) -> Markup {
    let (tone, key) = match state {
        BillState::Payable { .. } => (Tone::Wait, "check.tag_open"),
        BillState::NothingToPay => (Tone::Wait, "check.tag_zero"),
        BillState::Locked { .. } => (Tone::Wait, "check.tag_locked"),
        BillState::Paid { .. } => (Tone::Good, "check.tag_paid"),
        BillState::NotYet { .. } => (Tone::Plain, "home.not_yet"),
        BillState::Resting { .. } => (Tone::Plain, "check.tag_resting"),
        BillState::Closed { .. } => (Tone::Plain, "home.closed"),
        BillState::Withdrawn => (Tone::Plain, "check.tag_withdrawn"),
    };
    tag(tone, look.lang.text(key))
}

fn facts(look: &Look, bill: &BillView, checking: Checking<'_>) -> Markup {
    let changeable = |row: Row| match checking.change {
        Some(path) => row.change(path),
        None => row,
    };
    let year = bill.benefit_year.to_string();
    let list = vec![
        changeable(Row::markup(
            look.t("word.insured"),
            html! { b { (chinese(look, &bill.name)) } },
        )),
        Row::markup(look.t("word.document"), number(&bill.document_masked)),
        changeable(Row::markup(
            look.t("word.region"),
            place(look, &bill.region_zh, &bill.region_en),
        )),
        Row::text(
            look.t("word.year"),
            &look.f("unit.year", &[("year", &year)]),
        ),
        Row::text(
            look.t("word.benefit"),
            &look.period(bill.benefit_first, bill.benefit_last),
        ),
        Row::text(
            look.t("word.category"),
            look.pick(&bill.category_zh, &bill.category_en),
        ),
        Row::markup(
            match bill.state {
                BillState::Paid { .. } => look.t("word.amount"),
                _ => look.t("word.amount_due"),
            },
            html! { span.amount { (look.money(bill.amount)) } },
        ),
    ];
    html! {
        div.card {
            (rows(look, list))
            (breakdown(look, bill))
        }
    }
}

/// How the amount comes about, folded away.
fn breakdown(look: &Look, bill: &BillView) -> Markup {
    html! {
        details {
            summary { (look.t("check.breakdown")) }
            table {
                caption.skip { (look.t("check.breakdown")) }
                tbody {
                    @for item in &bill.items {
                        tr { th scope="row" { (look.item(item)) } td.n { (look.money(item.amount)) } }
                    }
                    @for subsidy in &bill.subsidies {
                        tr {
                            th scope="row" { (look.f("check.subsidy", &[("payer", look.payer(subsidy))])) }
                            td.n { "−" (look.money(subsidy.amount)) }
                        }
                    }
                    tr.sum { th scope="row" { (look.t("check.own_part")) } td.n { (look.money(bill.amount)) } }
                }
            }
            p.hint { (look.f("check.source", &[("source", &bill.source), ("grade", &bill.grade)])) }
        }
    }
}

/// What can be done about the bill now, always with its name and amount beside the button.
fn action(look: &Look, bill: &BillView, checking: Checking<'_>, form_key: &str) -> Markup {
    match &bill.state {
        BillState::Payable {
            late,
            waiting_zh,
            waiting_en,
        } => {
            let waiting = look.pick(waiting_zh, waiting_en);
            html! {
                @if *late { (note(Tone::Wait, look.t("check.late"), waiting)) }
                @else if !waiting.is_empty() { (note(Tone::Plain, "", waiting)) }
                (note(Tone::Wait, look.t("check.warn_head"), look.t("check.warn")))
                (pay_form(look, bill, checking, form_key, false))
                p.hint { (look.f("check.due_to", &[("date", &look.date(bill.due_to))])) }
            }
        }
        BillState::NothingToPay => html! {
            (note(Tone::Good, "", look.t("check.zero")))
            form action="/pay/zero" method="post" {
                (carried(bill, checking.relation, form_key))
                button { (look.t("check.zero_confirm")) }
            }
        },
        BillState::Locked {
            mine: Some(order), ..
        } => html! {
            (note(Tone::Wait, "", look.t("check.mine")))
            a.btn href={ "/o/" (order) } { (look.f("check.mine_go", &[("amount", &look.money(bill.amount))])) }
        },
        BillState::Locked { mine: None, .. } => locked(look, bill, checking, form_key),
        BillState::Paid {
            at,
            channel,
            voucher,
        } => html! {
            p {
                (look.f("check.paid_at", &[("at", &look.moment(*at))]))
                @if let Some(channel) = channel {
                    " " (look.f("check.paid_by", &[("channel", look.channel(*channel))]))
                }
            }
            @match voucher {
                Some(order) => a.btn href={ "/o/" (order) } { (look.t("check.see_voucher")) },
                None => (note(Tone::Plain, "", look.t("check.voucher_elsewhere"))),
            }
        },
        BillState::NotYet { opens_on } => note(
            Tone::Wait,
            look.t("money.none"),
            &look.f("check.not_yet", &[("date", &look.date(*opens_on))]),
        ),
        BillState::Resting { opens_at } => note(
            Tone::Wait,
            look.t("money.none"),
            &look.f("check.resting", &[("opens", &look.moment(*opens_at))]),
        ),
        BillState::Closed { closed_on } => html! {
            (note(Tone::Wait, look.t("money.none"), &look.f("check.closed", &[("date", &look.date(*closed_on))])))
            a.btn.second href="/help#late" { (look.t("check.closed_help")) }
        },
        BillState::Withdrawn => note(Tone::Wait, look.t("money.none"), look.t("check.withdrawn")),
    }
}

fn locked(look: &Look, bill: &BillView, checking: Checking<'_>, form_key: &str) -> Markup {
    let BillState::Locked {
        channel,
        since,
        until,
        may_displace,
        ..
    } = &bill.state
    else {
        return html! {};
    };
    let (since, until_text) = (look.time(*since), look.time(*until));
    let left = look.left(checking.now, *until);
    html! {
        (note(Tone::Wait, look.t("money.none_from_you"), &look.f("check.locked", &[
            ("channel", look.channel(*channel)), ("since", &since), ("until", &until_text), ("left", &left),
        ])))
        @if *may_displace {
            p { (look.t("check.displace_hint")) }
            (pay_form(look, bill, checking, form_key, true))
        } @else {
            p { (look.t("check.locked_wait")) }
        }
        a.btn.second href=(checking.here) { (look.t("check.look_again")) }
    }
}

fn carried(bill: &BillView, relation: &str, form_key: &str) -> Markup {
    html! {
        (hidden("bill_ref", &bill.bill_ref))
        (hidden("relation", relation))
        (hidden("form_key", form_key))
    }
}

/// The button that pays. Where the webview decides how, it goes straight to the wallet.
fn pay_form(
    look: &Look,
    bill: &BillView,
    checking: Checking<'_>,
    form_key: &str,
    displace: bool,
) -> Markup {
    let (methods, resting) = (checking.methods, &bill.resting);
    let decided = method::decided(look.browser, methods, checking.openid, resting);
    let amount = look.money(bill.amount);
    let key = if displace {
        "check.displace"
    } else {
        "check.pay"
    };
    html! {
        form action=(if decided.is_some() { "/pay/start" } else { "/pay/method" }) method="post" {
            (carried(bill, checking.relation, form_key))
            @if displace { (hidden("displace", "1")) }
            @if let Some(method) = decided { (hidden("method", method.code())) }
            p.payfor { (payee(look, bill)) }
            button { (look.f(key, &[("amount", &amount)])) }
        }
        @if matches!(look.browser, Browser::Wechat) && decided.is_none() {
            p.hint { (look.t("check.wechat_hint")) }
        }
    }
}

/// For whom and for which year, beside every button that pays.
#[must_use]
pub fn payee(look: &Look, bill: &BillView) -> Markup {
    let year = bill.benefit_year.to_string();
    html! {
        (chinese(look, &bill.name)) " · " (look.f("unit.benefit_year", &[("year", &year)]))
    }
}
