//! The notice link (缴费通知): month and day of birth once on each device, then the check page.

use crate::look::Look;
use crate::parts::{Field, Tone, chinese, error_summary, field, note, panel};
use crate::shell::{Frame, Page, page};
use maud::html;

/// `/k/{token}` while the question is open.
#[must_use]
pub fn birthday(look: &Look, token: &str, name_masked: &str, wrong: bool, tries_left: u8) -> Page {
    let path = format!("/k/{token}");
    let left = tries_left.to_string();
    let error = if wrong {
        look.f("link.wrong", &[("left", &left)])
    } else {
        String::new()
    };
    let errors: Vec<(&str, String)> = if wrong {
        vec![("month", error.clone())]
    } else {
        Vec::new()
    };
    let body = html! {
        (error_summary(look, &errors))
        h1 { (look.t("link.title")) }
        p { (look.t("link.for")) " " b { (chinese(look, name_masked)) } }
        p { (look.t("link.why")) }
        form action=(path) method="post" novalidate {
            div.two {
                (field(Field {
                    id: "month",
                    label: look.t("link.month"),
                    error: &error,
                    keyboard: "numeric",
                    ..Field::default()
                }))
                (field(Field {
                    id: "day",
                    label: look.t("link.day"),
                    keyboard: "numeric",
                    ..Field::default()
                }))
            }
            button { (look.t("link.open")) }
        }
        (note(Tone::Plain, "", look.t("link.other_way")))
        a.btn.second href="/pay" { (look.t("link.look_up")) }
    };
    let frame = Frame {
        faulty: wrong,
        ..Frame::new(look.t("link.title"), &path)
    };
    page(look, frame, body)
}

/// The link is shut after too many wrong answers.
#[must_use]
pub fn shut(look: &Look, here: &str) -> Page {
    closed(look, here, "link.shut_title", "link.shut").with_status(403)
}

/// Not a link of ours, or past its window.
#[must_use]
pub fn gone(look: &Look, here: &str) -> Page {
    closed(look, here, "link.gone_title", "link.gone").with_status(404)
}

fn closed(look: &Look, here: &str, title: &'static str, text: &'static str) -> Page {
    let title = look.lang.text(title);
    let body = html! {
        (panel(Tone::Plain, title, html! { p { (look.t("money.none")) " " (look.lang.text(text)) } }))
        a.btn href="/pay" { (look.t("link.look_up")) }
    };
    page(look, Frame::new(title, here).back("/"), body)
}
