//! The words of the pages: two files with equal keys, found by dotted key.
//!
//! All wording lives in `locales/`; code names it by key. A key that is missing prints itself, so
//! that a page never fails for a word; a test compares the keys used with the files.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Simplified Chinese, the default.
    #[default]
    Zh,
    /// English.
    En,
}

impl Lang {
    /// Every language.
    pub const ALL: [Lang; 2] = [Lang::Zh, Lang::En];

    /// The value of the `lang` attribute and of the cookie.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Lang::Zh => "zh-CN",
            Lang::En => "en",
        }
    }

    /// The language named by a cookie or a form; `None` for any other text.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|lang| lang.tag() == tag)
    }

    /// The words of this language under their dotted keys.
    #[must_use]
    pub fn texts(self) -> &'static BTreeMap<String, String> {
        match self {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }

    /// The words under `key`, or the key itself.
    #[must_use]
    pub fn text(self, key: &'static str) -> &'static str {
        self.texts().get(key).map_or(key, String::as_str)
    }

    /// The words under `key` with each `{name}` replaced.
    #[must_use]
    pub fn fill(self, key: &'static str, values: &[(&str, &str)]) -> String {
        let mut text = self.text(key).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }
}

static ZH: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| flatten(include_str!("../locales/zh-CN.toml")));
static EN: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| flatten(include_str!("../locales/en.toml")));

/// `[section] name = "…"` becomes `section.name`. A broken file gives no words; a test reads both.
fn flatten(source: &str) -> BTreeMap<String, String> {
    let sections = source.parse::<toml::Table>().unwrap_or_default();
    let mut words = BTreeMap::new();
    for (section, entries) in &sections {
        for (name, value) in entries.as_table().into_iter().flatten() {
            if let Some(text) = value.as_str() {
                words.insert(format!("{section}.{name}"), text.to_owned());
            }
        }
    }
    words
}
