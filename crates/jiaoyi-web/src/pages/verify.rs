//! 凭证查验: the public check of a voucher by number and check code, or by its QR code.

use crate::look::Look;
use crate::pages::voucher::status_word;
use crate::parts::{
    Field, Row, Tone, chinese, error_summary, field, note, number, panel, place, rows, tag,
};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{PublicVoucher, VerifyAnswer, VoucherStatus};
use maud::{Markup, html};

/// What was typed on the verification page.
#[derive(Clone, Debug, Default)]
pub struct VerifyForm {
    pub number: String,
    pub code: String,
    /// The number's shape or check character is wrong.
    pub number_wrong: bool,
    /// No check code was typed.
    pub code_missing: bool,
}

/// `/verify`.
#[must_use]
pub fn ask(look: &Look, form: &VerifyForm) -> Page {
    let mut errors = Vec::new();
    let number_error = if form.number_wrong {
        look.t("verify.number_wrong")
    } else {
        ""
    };
    let code_error = if form.code_missing {
        look.t("verify.code_missing")
    } else {
        ""
    };
    for (id, text) in [("number", number_error), ("code", code_error)] {
        if !text.is_empty() {
            errors.push((id, text.to_owned()));
        }
    }
    let body = html! {
        (error_summary(look, &errors))
        h1 { (look.t("verify.title")) }
        p { (look.t("verify.lead")) }
        form action="/verify/result" method="post" novalidate {
            (field(Field {
                id: "number",
                label: look.t("word.voucher_no"),
                hint: look.t("verify.number_hint"),
                error: number_error,
                value: &form.number,
                code: true,
                ..Field::default()
            }))
            (field(Field {
                id: "code",
                label: look.t("word.check_code"),
                hint: look.t("verify.code_hint"),
                error: code_error,
                value: &form.code,
                code: true,
                ..Field::default()
            }))
            button { (look.t("verify.submit")) }
        }
        (note(Tone::Plain, look.t("verify.scan_head"), look.t("verify.scan")))
        p.hint { (look.t("verify.offline")) " " a href="/verify/keys" { (look.t("verify.keys")) } }
    };
    let frame = Frame {
        faulty: !errors.is_empty(),
        ..Frame::new(look.t("verify.title"), "/verify").back("/")
    };
    page(look, frame, body)
}

/// The answer, for `/verify/result` and for the target of the QR code. A limit of tries is a page
/// of its own ([`crate::pages::trouble`]), so here it reads as "not found".
#[must_use]
pub fn result(look: &Look, answer: &VerifyAnswer, here: &str) -> Page {
    let (title, body) = match answer {
        VerifyAnswer::Known(voucher) => known(look, voucher),
        VerifyAnswer::Forged => {
            let title = look.t("verify.forged");
            (
                title,
                panel(
                    Tone::Bad,
                    title,
                    html! { p { (look.t("verify.forged_lead")) } },
                ),
            )
        }
        VerifyAnswer::NotFound | VerifyAnswer::RateLimited { .. } => {
            let title = look.t("verify.not_found");
            (
                title,
                panel(
                    Tone::Bad,
                    title,
                    html! { p { (look.t("verify.not_found_lead")) } },
                ),
            )
        }
    };
    let body = html! {
        (body)
        a.btn.second href="/verify" { (look.t("verify.another")) }
    };
    page(look, Frame::new(title, here).back("/verify"), body)
}

fn known(look: &Look, voucher: &PublicVoucher) -> (&'static str, Markup) {
    let (tone, title, lead) = match voucher.status {
        VoucherStatus::Valid => (Tone::Good, "verify.valid", "verify.valid_lead"),
        VoucherStatus::Refunded => (Tone::Bad, "verify.refunded", "verify.refunded_lead"),
        VoucherStatus::Superseded => (Tone::Bad, "verify.superseded", "verify.superseded_lead"),
    };
    let (tag_tone, word) = status_word(look, voucher.status);
    let year = voucher.benefit_year.to_string();
    let list = vec![
        Row::markup(look.t("word.voucher_no"), number(&voucher.number)),
        Row::markup(look.t("word.status"), tag(tag_tone, word)),
        Row::markup(look.t("word.insured"), chinese(look, &voucher.name_masked)),
        Row::markup(
            look.t("word.region"),
            place(look, &voucher.region_zh, &voucher.region_en),
        ),
        Row::text(
            look.t("word.year"),
            &look.f("unit.year", &[("year", &year)]),
        ),
        Row::text(look.t("word.amount"), &look.money(voucher.amount)),
        Row::text(look.t("word.paid_on"), &look.date(voucher.paid_on)),
        Row::text(look.t("word.issued_at"), &look.moment(voucher.issued_at)),
        Row::markup(
            look.t("word.signature"),
            html! {
                (voucher.algorithm) " · " (number(&voucher.key_id))
            },
        ),
    ];
    let title = look.lang.text(title);
    let body = html! {
        (panel(tone, title, html! { p { (look.lang.text(lead)) } }))
        div.card { (rows(look, list)) }
        p.hint { (look.t("verify.compare")) }
    };
    (title, body)
}
