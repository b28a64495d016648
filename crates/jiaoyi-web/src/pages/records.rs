//! 缴费记录: the receipts that this device holds.

use crate::look::Look;
use crate::pages::order::{plain, status_word};
use crate::parts::{Field, chinese, error_summary, field, tag};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::RecordView;
use maud::{Markup, html};

/// `/records`. `pasted` is the text that was not a receipt of ours, if any.
#[must_use]
pub fn records(look: &Look, list: &[RecordView], pasted: Option<&str>) -> Page {
    let error = if pasted.is_some() {
        look.t("records.not_found")
    } else {
        ""
    };
    let errors: Vec<(&str, String)> = pasted
        .map(|_| ("receipt", error.to_owned()))
        .into_iter()
        .collect();
    let body = html! {
        (error_summary(look, &errors))
        h1 { (look.t("records.title")) }
        p { (look.t("records.lead")) }
        @if list.is_empty() { div.card { p.line { (look.t("records.empty")) } } }
        @else { ul.records { @for record in list { li { (one(look, record)) } } } }
        h2 { (look.t("records.add")) }
        form action="/records" method="post" novalidate {
            (field(Field {
                id: "receipt",
                label: look.t("records.receipt"),
                hint: look.t("records.receipt_hint"),
                error,
                value: pasted.unwrap_or_default(),
                ..Field::default()
            }))
            button.second { (look.t("records.add_button")) }
        }
        p.hint { (look.t("records.privacy")) }
    };
    let frame = Frame {
        faulty: pasted.is_some(),
        ..Frame::new(look.t("records.title"), "/records").back("/")
    };
    page(look, frame, body)
}

fn one(look: &Look, record: &RecordView) -> Markup {
    let year = record.benefit_year.to_string();
    let (tone, word) = status_word(look, record.status);
    html! {
        a href={ "/o/" (record.order) } {
            span.row { b { (chinese(look, &record.name_masked)) } (tag(tone, word)) }
            span.row {
                span { (look.f("unit.benefit_year", &[("year", &year)])) }
                b.even { (look.money(record.amount)) }
            }
            span.hint { (look.moment(record.at)) }
        }
        @if let Some(number) = &record.voucher_no {
            a.more href={ "/v/" (plain(number)) "?r=" (record.order) } {
                (look.t("records.voucher")) span.skip { " " (number) }
            }
        }
    }
}
