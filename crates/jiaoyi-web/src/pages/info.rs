//! Pages without personal data: announcements, help, accessibility, privacy, display settings.

use crate::locale::Lang;
use crate::look::{Look, Size, Theme};
use crate::parts::{Choice, choice, hidden, paragraphs};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::Announcement;
use maud::{Markup, html};

/// `/notices`.
#[must_use]
pub fn notices(look: &Look, announcements: &[Announcement]) -> Page {
    let body = html! {
        h1 { (look.t("site.notices")) }
        @if announcements.is_empty() { p { (look.t("info.no_notices")) } }
        @for item in announcements {
            article.card {
                h2 { (look.pick(&item.title_zh, &item.title_en)) }
                p.hint { (look.date(item.on)) }
                (paragraphs(look.pick(&item.body_zh, &item.body_en)))
            }
        }
    };
    page(
        look,
        Frame::new(look.t("site.notices"), "/notices").back("/"),
        body,
    )
}

/// A heading with its text; `id` is where links from other pages lead.
fn topic(look: &Look, id: &str, title: &'static str, text: &'static str) -> Markup {
    html! {
        h2 id=(id) { (look.lang.text(title)) }
        (paragraphs(look.lang.text(text)))
    }
}

/// `/help`.
#[must_use]
pub fn help(look: &Look) -> Page {
    let body = html! {
        h1 { (look.t("site.help")) }
        p.call { a.btn href="tel:12393" { (look.t("info.call_insurance")) } }
        p.call { a.btn.second href="tel:12366" { (look.t("info.call_tax")) } }
        (topic(look, "how", "info.how", "info.how_text"))
        (topic(look, "for-others", "info.for_others", "info.for_others_text"))
        (topic(look, "newborn", "info.newborn", "info.newborn_text"))
        (topic(look, "unsure", "info.unsure", "info.unsure_text"))
        (topic(look, "twice", "info.twice", "info.twice_text"))
        (topic(look, "wrong", "info.wrong", "info.wrong_text"))
        (topic(look, "late", "info.late", "info.late_text"))
        (topic(look, "voucher", "info.voucher", "info.voucher_text"))
        (topic(look, "cash", "info.cash", "info.cash_text"))
    };
    page(
        look,
        Frame::new(look.t("site.help"), "/help").back("/"),
        body,
    )
}

/// `/a11y`.
#[must_use]
pub fn accessibility(look: &Look) -> Page {
    let body = html! {
        h1 { (look.t("site.a11y")) }
        (topic(look, "what", "info.a11y_what", "info.a11y_what_text"))
        (topic(look, "tested", "info.a11y_tested", "info.a11y_tested_text"))
        (topic(look, "open", "info.a11y_open", "info.a11y_open_text"))
        (topic(look, "tell", "info.a11y_tell", "info.a11y_tell_text"))
        a.btn.second href="/prefs" { (look.t("site.prefs")) }
    };
    page(
        look,
        Frame::new(look.t("site.a11y"), "/a11y").back("/"),
        body,
    )
}

/// `/privacy`.
#[must_use]
pub fn privacy(look: &Look) -> Page {
    let body = html! {
        h1 { (look.t("site.privacy")) }
        (topic(look, "kept", "info.kept", "info.kept_text"))
        (topic(look, "seen", "info.seen", "info.seen_text"))
        (topic(look, "cookies", "info.cookies", "info.cookies_text"))
        (topic(look, "not", "info.not_done", "info.not_done_text"))
        (topic(look, "ask", "info.ask", "info.ask_text"))
    };
    page(
        look,
        Frame::new(look.t("site.privacy"), "/privacy").back("/"),
        body,
    )
}

/// `/prefs`: size, theme and language in one form. `back` is where the settings return to.
#[must_use]
pub fn prefs(look: &Look, back: &str) -> Page {
    let row = |name, value, label, chosen| {
        choice(Choice {
            name,
            value,
            label,
            hint: "",
            chosen,
            closed: false,
        })
    };
    let body = html! {
        h1 { (look.t("site.prefs")) }
        form action="/prefs" method="get" {
            (hidden("back", back))
            fieldset {
                legend { h2 { (look.t("info.size")) } }
                @for size in Size::ALL { (row("size", size.code(), look.lang.text(size_key(size)), size == look.size)) }
            }
            fieldset {
                legend { h2 { (look.t("info.theme")) } }
                @for theme in Theme::ALL {
                    (row(
                        "theme",
                        theme.code(),
                        look.lang.text(theme_key(theme)),
                        theme == look.theme,
                    ))
                }
            }
            fieldset {
                legend { h2 { (look.t("info.language")) } }
                @for lang in Lang::ALL { (row("lang", lang.tag(), lang.text("site.language"), lang == look.lang)) }
            }
            button { (look.t("info.apply")) }
        }
        p.hint { (look.t("info.prefs_hint")) }
    };
    page(
        look,
        Frame::new(look.t("site.prefs"), "/prefs").back(back),
        body,
    )
}

const fn size_key(size: Size) -> &'static str {
    match size {
        Size::Standard => "info.size_standard",
        Size::Large => "info.size_large",
        Size::Largest => "info.size_largest",
    }
}

const fn theme_key(theme: Theme) -> &'static str {
    match theme {
        Theme::Device => "info.theme_device",
        Theme::Light => "info.theme_light",
        Theme::Dark => "info.theme_dark",
    }
}
