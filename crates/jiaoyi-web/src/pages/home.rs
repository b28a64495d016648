//! The start page, and the question for whom somebody wants to pay.

use crate::look::Look;
use crate::parts::{Choice, Tone, choice, tag};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{Announcement, WindowNote};
use jiaoyi_domain::Date;
use maud::{Markup, html};

/// Announcements named on the start page; all of them are on their own page.
const NEWS_MAX: usize = 3;

/// `/`: what one can do here and until when.
#[must_use]
pub fn start(look: &Look, notes: &[WindowNote], news: &[Announcement], today: Date) -> Page {
    let body = html! {
        h1 { (look.t("home.title")) }
        @for note in notes { (window(look, note, today)) }
        @for item in news.iter().take(NEWS_MAX) {
            p.note.news { a href="/notices" { (look.pick(&item.title_zh, &item.title_en)) } }
        }
        ul.tiles {
            li { a.main href="/pay" { b { (look.t("home.pay")) } span { (look.t("home.pay_hint")) } } }
            li { a href="/records" {
                b { (look.t("home.records")) } span { (look.t("home.records_hint")) }
            } }
            li { a href="/verify" {
                b { (look.t("home.verify")) } span { (look.t("home.verify_hint")) }
            } }
        }
        p.hint { (look.t("home.other_ways")) }
    };
    page(look, Frame::new(look.t("home.short"), "/"), body)
}

fn window(look: &Look, note: &WindowNote, today: Date) -> Markup {
    let (tone, word) = if note.open {
        (Tone::Good, "home.open")
    } else if today < note.first {
        (Tone::Wait, "home.not_yet")
    } else {
        (Tone::Plain, "home.closed")
    };
    let year = note.benefit_year.to_string();
    html! {
        div.note {
            p.line { b { (look.f("unit.benefit_year", &[("year", &year)])) } " " (tag(tone, look.lang.text(word))) }
            p.line { (look.f("home.window", &[("period", &look.period(note.first, note.last))])) }
        }
    }
}

/// `/pay`: for oneself or for somebody else.
#[must_use]
pub fn who(look: &Look) -> Page {
    let option = |value, label, hint, chosen| {
        choice(Choice {
            name: "relation",
            value,
            label: look.lang.text(label),
            hint: look.lang.text(hint),
            chosen,
            closed: false,
        })
    };
    let body = html! {
        form action="/pay/person" method="get" {
            fieldset {
                legend { h1 { (look.t("who.title")) } }
                (option("self", "who.self", "who.self_hint", true))
                (option("other", "who.other", "who.other_hint", false))
            }
            button { (look.t("site.next")) }
        }
        p.hint { (look.t("who.link_hint")) }
    };
    page(
        look,
        Frame::new(look.t("who.title"), "/pay").back("/"),
        body,
    )
}
