//! 电子缴费凭证: the voucher's face on the screen and on paper.

use crate::look::{Browser, Look};
use crate::parts::{Field, Row, Tone, chinese, field, note, number, place, rows, tag};
use crate::qr;
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{VoucherStatus, VoucherView};
use maud::{Markup, html};

/// The word for a voucher's status, with its tone.
#[must_use]
pub fn status_word(look: &Look, status: VoucherStatus) -> (Tone, &'static str) {
    let (tone, key) = match status {
        VoucherStatus::Valid => (Tone::Good, "voucher.valid"),
        VoucherStatus::Refunded => (Tone::Bad, "voucher.refunded"),
        VoucherStatus::Superseded => (Tone::Bad, "voucher.superseded"),
    };
    (tone, look.lang.text(key))
}

/// `/v/{number}` for somebody who may see it. `query` is what proved that, for the files' links.
#[must_use]
pub fn voucher(look: &Look, view: &VoucherView, path: &str, query: &str) -> Page {
    let here = format!("{path}?{query}");
    let (tone, word) = status_word(look, view.status);
    let body = html! {
        article.card.voucher {
            h1 { small { (look.t("voucher.scheme")) } (look.t("voucher.title")) }
            p.center { (tag(tone, word)) }
            (face(look, view))
            (parts(look, view))
            @match qr::svg(&view.qr_text, look.t("voucher.qr_label")) {
                Some(svg) => (svg),
                None => p { (look.t("voucher.no_qr")) },
            }
            p.center { (look.t("word.check_code")) " " b.code data-check-code=(view.check_code) { (view.check_code) } }
            p.hint.center { (look.t("voucher.how_to_check")) }
            p.small { (look.t("voucher.not_tax")) }
            p.small {
                (look.f("voucher.signed", &[
                    ("issuer", &view.issuer), ("algorithm", &view.algorithm), ("key", &view.key_id),
                    ("at", &look.moment(view.issued_at)),
                ]))
            }
        }
        div.noprint {
            @if view.status != VoucherStatus::Valid { (note(Tone::Wait, "", look.t("voucher.void_note"))) }
            a.btn href={ (path) "/png?" (query) } { (look.t("voucher.save_png")) }
            @if look.browser == Browser::Wechat { p.hint { (look.t("voucher.wechat_png")) } }
            a.btn.second href={ (path) "/pdf?" (query) } { (look.t("voucher.save_pdf")) }
            @if look.browser == Browser::Wechat { p.hint { (look.t("voucher.wechat_pdf")) } }
            p.hint { (look.t("voucher.print")) }
        }
    };
    page(
        look,
        Frame::new(look.t("voucher.title"), &here).back("/records"),
        body,
    )
}

fn face(look: &Look, view: &VoucherView) -> Markup {
    let year = view.benefit_year.to_string();
    let mut list = vec![
        Row::markup(look.t("word.voucher_no"), number(&view.number)),
        Row::markup(look.t("word.insured"), chinese(look, &view.name_masked)),
        Row::markup(look.t("word.document"), number(&view.document_masked)),
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
            &look.period(view.period_first, view.period_last),
        ),
        Row::markup(
            look.t("word.amount"),
            html! { b { (look.money(view.amount)) } },
        ),
        Row::markup(
            look.t("word.amount_capital"),
            chinese(look, &view.amount_capital),
        ),
        Row::text(look.t("word.paid_at"), &look.moment(view.paid_at)),
    ];
    if let Some(key) = relation_key(&view.relation) {
        list.push(Row::text(look.t("word.payer"), look.lang.text(key)));
    }
    if let Some(channel) = view.channel {
        list.push(Row::text(look.t("word.channel"), look.channel(channel)));
    }
    if !view.channel_txn.is_empty() {
        list.push(Row::markup(
            look.t("word.channel_txn"),
            number(&view.channel_txn),
        ));
    }
    rows(look, list)
}

/// A notice link does not ask who pays; then the voucher does not say it.
fn relation_key(relation: &str) -> Option<&'static str> {
    match relation {
        "self" => Some("voucher.by_self"),
        "other" => Some("voucher.by_other"),
        _ => None,
    }
}

fn parts(look: &Look, view: &VoucherView) -> Markup {
    html! {
        @if view.items.len() + view.subsidies.len() > 1 {
            table {
                caption { (look.t("voucher.parts")) }
                tbody {
                    @for item in &view.items {
                        tr { th scope="row" { (look.item(item)) } td.n { (look.money(item.amount)) } }
                    }
                    @for subsidy in &view.subsidies {
                        tr {
                            th scope="row" { (look.f("check.subsidy", &[("payer", look.payer(subsidy))])) }
                            td.n { "−" (look.money(subsidy.amount)) }
                        }
                    }
                    tr.sum { th scope="row" { (look.t("check.own_part")) } td.n { (look.money(view.amount)) } }
                }
            }
        }
    }
}

/// `/v/{number}` for somebody who has not proved anything yet.
#[must_use]
pub fn ask_code(look: &Look, number_text: &str, wrong: bool) -> Page {
    let path = format!("/v/{number_text}");
    let error = if wrong {
        look.t("voucher.code_wrong")
    } else {
        ""
    };
    let errors: Vec<(&str, String)> = if wrong {
        vec![("c", error.to_owned())]
    } else {
        Vec::new()
    };
    let body = html! {
        (crate::parts::error_summary(look, &errors))
        h1 { (look.t("voucher.title")) }
        p { (look.t("voucher.ask")) }
        form action=(path) method="post" novalidate {
            (field(Field {
                id: "c",
                label: look.t("word.check_code"),
                hint: look.t("verify.code_hint"),
                error,
                code: true,
                ..Field::default()
            }))
            button { (look.t("voucher.open")) }
        }
    };
    let frame = Frame {
        faulty: wrong,
        ..Frame::new(look.t("voucher.title"), &path).back("/verify")
    };
    page(look, frame, body)
}
