//! The frame around every page: head, header with 长辈版 and language, banner, footer with phones.

use crate::assets::{self, Asset};
use crate::locale::Lang;
use crate::look::{Look, Size};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// A finished page with what the HTTP layer must know about it.
#[derive(Clone, Debug)]
pub struct Page {
    pub html: String,
    /// HTTP status.
    pub status: u16,
    /// Load this path after so many seconds. Sent as a header, so it works without a script.
    pub refresh: Option<(u32, String)>,
    /// `Retry-After` in seconds.
    pub retry_after_s: Option<u32>,
    /// The page loads a script of ours.
    pub script: bool,
    /// The page leads to a wallet, and wallets demand to be told our host (never the path).
    pub names_host: bool,
}

impl Page {
    /// The same page under another HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Page {
        self.status = status;
        self
    }

    /// The same page, telling wallets our host.
    #[must_use]
    pub fn leading_to_wallet(mut self) -> Page {
        self.names_host = true;
        self
    }
}

/// What differs between frames.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Title of the page without the name of the site.
    pub title: &'a str,
    /// A path that shows this page again by GET, where the display settings come back to.
    pub here: &'a str,
    /// Where the back link leads.
    pub back: Option<&'a str>,
    /// What was typed has errors: the title says so first.
    pub faulty: bool,
    /// The script to load.
    pub script: Option<&'static Asset>,
}

impl<'a> Frame<'a> {
    /// A frame with a title and a place, nothing else.
    #[must_use]
    pub const fn new(title: &'a str, here: &'a str) -> Frame<'a> {
        Frame {
            title,
            here,
            back: None,
            faulty: false,
            script: None,
        }
    }

    /// The same with a back link.
    #[must_use]
    pub const fn back(mut self, path: &'a str) -> Frame<'a> {
        self.back = Some(path);
        self
    }
}

/// Puts `body` into the frame.
#[must_use]
pub fn page(look: &Look, frame: Frame<'_>, body: Markup) -> Page {
    let prefix = if frame.faulty {
        look.t("site.error_prefix")
    } else {
        ""
    };
    let title = format!("{prefix}{} - {}", frame.title, look.t("site.name"));
    let theme = Some(look.theme.code()).filter(|code| *code != "device");
    let size = Some(look.size.code()).filter(|code| *code != "s");
    let markup = html! {
        (DOCTYPE)
        html lang=(look.lang.tag()) data-size=[size] data-theme=[theme] {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width,initial-scale=1";
                meta name="description" content=(look.t("site.description"));
                meta name="format-detection" content="telephone=no";
                link rel="stylesheet" href=(assets::CSS.path);
                link rel="icon" href="data:,";
                link rel="manifest" href=(assets::MANIFEST.path);
                @if let Some(script) = frame.script { script src=(script.path) defer {} }
            }
            body {
                a.skip href="#m" { (look.t("site.skip")) }
                @if look.demo { p.demo { (look.t("site.demo")) } }
                (header(look, frame.here))
                main #m tabindex="-1" {
                    div.wrap {
                        @if let Some(path) = frame.back {
                            a.back href=(path) { (chevron()) (look.t("site.back")) }
                        }
                        (body)
                    }
                }
                (footer(look))
            }
        }
    };
    Page {
        html: markup.into_string(),
        status: 200,
        refresh: None,
        retry_after_s: None,
        script: frame.script.is_some(),
        names_host: false,
    }
}

fn header(look: &Look, here: &str) -> Markup {
    let other = match look.lang {
        Lang::Zh => Lang::En,
        Lang::En => Lang::Zh,
    };
    let sizes: &[(Size, &str)] = match look.size {
        Size::Standard => &[(Size::Large, "site.size_large")],
        Size::Large => &[
            (Size::Largest, "site.size_largest"),
            (Size::Standard, "site.size_standard"),
        ],
        Size::Largest => &[(Size::Standard, "site.size_standard")],
    };
    html! {
        header.top {
            div.wrap {
                a.name href="/" { (logo()) (look.t("site.name")) }
                form action="/prefs" method="get" {
                    input type="hidden" name="back" value=(here);
                    @for (size, key) in sizes {
                        button.mini name="size" value=(size.code()) { (look.lang.text(key)) }
                    }
                    button.mini name="lang" value=(other.tag()) lang=(other.tag()) {
                        (other.text("site.language"))
                    }
                }
            }
        }
    }
}

fn footer(look: &Look) -> Markup {
    let links = [
        ("/help", "site.help"),
        ("/notices", "site.notices"),
        ("/verify", "site.verify"),
        ("/prefs", "site.prefs"),
        ("/a11y", "site.a11y"),
        ("/privacy", "site.privacy"),
    ];
    html! {
        footer {
            div.wrap {
                p.phones {
                    span { (look.t("site.phones")) }
                    a href="tel:12366" { b { "12366" } " " (look.t("site.phone_tax")) }
                    a href="tel:12393" { b { "12393" } " " (look.t("site.phone_insurance")) }
                }
                nav aria-label=(look.t("site.more")) {
                    ul { @for (path, key) in links { li { a href=(path) { (look.lang.text(key)) } } } }
                }
            }
        }
    }
}

/// A seal with the character of the act of paying; drawn, so that it needs no font and no request.
fn logo() -> Markup {
    PreEscaped(
        concat!(
            r#"<svg class="logo" viewBox="0 0 32 32" aria-hidden="true">"#,
            r#"<path d="M16 2 28 6v9c0 8-5.2 12.6-12 15C9.2 27.6 4 23 4 15V6z" fill="currentColor"/>"#,
            r#"<path d="M10 16.2l4.2 4.2L22 12" fill="none" class="tick"/></svg>"#
        )
        .to_owned(),
    )
}

fn chevron() -> Markup {
    PreEscaped(
        concat!(
            r#"<svg class="chev" viewBox="0 0 16 16" aria-hidden="true">"#,
            r#"<path d="M10.5 2.5 5 8l5.5 5.5"/></svg>"#
        )
        .to_owned(),
    )
}
