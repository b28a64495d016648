//! What holds for the HTML of every page in every look.

use super::{every_page, looks};
use crate::assets;
use crate::locale::Lang;
use crate::look::Look;
use flate2::Compression;
use std::collections::BTreeSet;

/// A start tag: its name and its attributes as written.
struct Tag<'a> {
    name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        let start = self.attributes.find(&format!(" {name}=\""))? + name.len() + 3;
        let rest = &self.attributes[start..];
        rest.find('"').map(|end| &rest[..end])
    }

    fn has(&self, name: &str) -> bool {
        let spaced = format!("{} ", self.attributes);
        self.value(name).is_some() || spaced.contains(&format!(" {name} "))
    }
}

/// The start tags of a page. Our attributes hold no `>`, because maud escapes it.
fn tags(html: &str) -> Vec<Tag<'_>> {
    let starts = html.match_indices('<').map(|(at, _)| &html[at + 1..]);
    starts
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|rest| {
            let inner = &rest[..rest.find('>').unwrap()];
            let end = inner.find(' ').unwrap_or(inner.len());
            Tag {
                name: &inner[..end],
                attributes: &inner[end..],
            }
        })
        .collect()
}

fn check(path: &str, html: &str, look: &Look) {
    let tags = tags(html);
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
    let of = |name: &str| tags.iter().find(|tag| tag.name == name).unwrap();
    assert_eq!(of("html").value("lang"), Some(look.lang.tag()), "{path}");
    for once in ["h1", "title", "main", "header", "footer"] {
        assert_eq!(count(once), 1, "{path}: {once}");
    }
    let ids: Vec<&str> = tags.iter().filter_map(|tag| tag.value("id")).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "{path}: ids {ids:?}");
    for attribute in ["for", "aria-describedby", "aria-labelledby"] {
        for target in tags.iter().filter_map(|tag| tag.value(attribute)) {
            for id in target.split(' ') {
                assert!(unique.contains(id), "{path}: {attribute} {id}");
            }
        }
    }
    let labelled: BTreeSet<&str> = tags
        .iter()
        .filter(|tag| tag.name == "label")
        .filter_map(|tag| tag.value("for"))
        .collect();
    for tag in &tags {
        let kind = tag.value("type").unwrap_or_default();
        assert!(
            !tag.has("style") && !tag.has("required") && kind != "number",
            "{path}"
        );
        assert!(
            !tag.attributes.contains(" on"),
            "{path}: {}",
            tag.attributes
        );
        if (tag.name == "input" && kind == "text") || tag.name == "select" {
            let id = tag.value("id").unwrap();
            assert!(labelled.contains(id), "{path}: no label for {id}");
            assert_eq!(tag.value("name"), Some(id), "{path}");
        }
        if tag.name == "form" && tag.value("method") == Some("post") {
            let action = tag.value("action").unwrap();
            let to_wallet = action.starts_with("https://wallet.example/");
            assert!(action.starts_with('/') || to_wallet, "{path}");
        }
        if matches!(tag.name, "script" | "img" | "link") {
            let source = tag.value("src").or(tag.value("href")).unwrap();
            assert!(
                source.starts_with("/assets/") || source == "data:,",
                "{path}: {source}"
            );
        }
        for name in ["href", "action", "src"] {
            let target = tag.value(name).unwrap_or_default();
            assert!(
                !target.contains("payable") && !target.contains("9901"),
                "{path}: {target}"
            );
        }
    }
    let demo = look.lang.text("site.demo");
    for words in [demo, "12366", "12393", "width=device-width"] {
        assert!(html.contains(words), "{path}: {words}");
    }
    // A key without words, or a place that nothing filled.
    for raw in [
        ">site.", ">check.", ">person.", ">unit.", ">word.", "{amount}", "{left}",
    ] {
        assert!(!html.contains(raw), "{path}: {raw} is printed");
    }
}

#[tokio::test]
async fn every_page_is_sound_in_every_look() {
    for look in looks() {
        let pages = every_page(look).await;
        assert!(pages.len() > 70, "{}", pages.len());
        for (path, html) in &pages {
            check(path, html, &look);
        }
    }
}

/// The check above must be able to fail.
#[tokio::test]
async fn a_bad_page_is_noticed() {
    let look = Look {
        demo: true,
        ..Look::default()
    };
    let pages = every_page(look).await;
    let (path, good) = pages
        .iter()
        .find(|(path, _)| path == "/pay/person")
        .unwrap();
    for (what, with) in [
        ("<h1>", "<h1>twice</h1><h1>"),
        ("for=\"name\"", "for=\"nmae\""),
        ("id=\"document\"", "id=\"name\""),
        ("<form ", "<form style=\"color:red\" "),
        ("name=\"name\"", "name=\"name\" required"),
        ("lang=\"zh-CN\"", "lang=\"zh\""),
        ("12393", "12345"),
    ] {
        let bad = good.replacen(what, with, if what == "12393" { 9 } else { 1 });
        assert_ne!(&bad, good, "{what}");
        let outcome = std::panic::catch_unwind(|| check(path, &bad, &look));
        assert!(outcome.is_err(), "{what} went unnoticed");
    }
}

#[tokio::test]
async fn every_page_keeps_its_budget() {
    for lang in Lang::ALL {
        for (path, html) in every_page(Look {
            lang,
            demo: true,
            ..Look::default()
        })
        .await
        {
            let size = assets::gzip(html.as_bytes(), Compression::new(6)).len();
            assert!(size <= 8 * 1024, "{path}: {size} bytes");
        }
    }
}

/// Contrast of two `#rrggbb` colours, times 100, by the formula of WCAG 2.
#[expect(
    clippy::float_arithmetic,
    reason = "the formula is given in real numbers; no money here"
)]
fn contrast(one: &str, other: &str) -> u32 {
    let luminance = |colour: &str| {
        let hex = colour.trim_start_matches('#');
        let hex: String = if hex.len() == 3 {
            hex.chars().flat_map(|c| [c, c]).collect()
        } else {
            hex.to_owned()
        };
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    };
    let (a, b) = (luminance(one), luminance(other));
    let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05) * 100.0;
    format!("{ratio:.0}").parse().unwrap()
}

#[test]
fn colours_keep_their_contrast_in_light_and_dark() {
    let css = std::str::from_utf8(&assets::CSS.plain).unwrap();
    assert_eq!(contrast("#000000", "#ffffff"), 2100);
    let blocks: Vec<&str> = css
        .match_indices("--page:")
        .map(|(at, _)| &css[at..])
        .collect();
    assert!(blocks.len() >= 3, "light, dark by choice, dark by device");
    let mut dark = BTreeSet::new();
    for (index, block) in blocks.iter().take(3).enumerate() {
        let token = |name: &str| {
            let start = block.find(&format!("--{name}:")).unwrap() + name.len() + 3;
            block[start..].split([';', '}']).next().unwrap()
        };
        for (text, ground, least) in [
            ("ink", "page", 700),
            ("ink", "card", 700),
            ("ink2", "page", 450),
            ("ink2", "card", 450),
            ("ink2", "brand-soft", 450),
            ("link", "page", 450),
            ("link", "card", 450),
            ("brand-ink", "brand", 450),
            ("bar-ink", "bar", 450),
            ("ok", "ok-soft", 450),
            ("ok", "card", 450),
            ("bad", "bad-soft", 450),
            ("bad", "page", 450),
            ("bad", "card", 450),
            ("warn", "warn-soft", 450),
            ("ink", "warn-soft", 700),
            ("ink", "ok-soft", 700),
            ("line", "page", 300),
            ("line", "card", 300),
        ] {
            let (one, other) = (token(text), token(ground));
            let got = contrast(one, other);
            assert!(got >= least, "block {index}: {text} on {ground} has {got}");
        }
        if index > 0 {
            dark.insert(block.split("--ok-soft").next().unwrap());
        }
    }
    assert_eq!(
        dark.len(),
        1,
        "dark by choice and dark by device are the same colours"
    );
}
