//! The components that pages are made of.

use crate::locale::Lang;
use crate::look::Look;
use maud::{Markup, PreEscaped, html};

/// The mood of a tag or a panel; always together with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Wait,
    Bad,
    Plain,
}

impl Tone {
    /// The CSS class.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Tone::Good => "ok",
            Tone::Wait => "wait",
            Tone::Bad => "bad",
            Tone::Plain => "plain",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Tone::Good => "M9 16.5l5 5 9.5-10.5",
            Tone::Wait => "M16 8.5V16l5 4",
            Tone::Bad => "M16 8.5v9M16 23v.1",
            Tone::Plain => "M9 16h14",
        }
    }
}

/// A word in a coloured frame.
#[must_use]
pub fn tag(tone: Tone, word: &str) -> Markup {
    html! { span class={ "tag " (tone.class()) } { (word) } }
}

/// The result of something, big: sign, headline, and what belongs under it.
#[must_use]
pub fn panel(tone: Tone, headline: &str, body: Markup) -> Markup {
    html! {
        div class={ "panel " (tone.class()) } {
            (sign(tone))
            h1 { (headline) }
            (body)
        }
    }
}

fn sign(tone: Tone) -> Markup {
    PreEscaped(format!(
        r#"<svg class="sign" viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="14"/><path d="{}"/></svg>"#,
        tone.mark()
    ))
}

/// One row of a summary: a label, a value, and perhaps where to change it.
#[derive(Debug)]
pub struct Row {
    label: &'static str,
    value: Markup,
    change: Option<&'static str>,
}

impl Row {
    /// A row whose value is plain text.
    #[must_use]
    pub fn text(label: &'static str, value: &str) -> Row {
        Row::markup(label, html! { (value) })
    }

    /// A row with its own markup.
    #[must_use]
    pub fn markup(label: &'static str, value: Markup) -> Row {
        Row {
            label,
            value,
            change: None,
        }
    }

    /// The same row with a change link.
    #[must_use]
    pub fn change(mut self, path: &'static str) -> Row {
        self.change = Some(path);
        self
    }
}

/// A summary list.
#[must_use]
pub fn rows(look: &Look, rows: Vec<Row>) -> Markup {
    html! {
        dl {
            @for row in rows {
                div {
                    dt { (row.label) }
                    dd { (row.value) }
                    @if let Some(path) = row.change {
                        dd.act { a href=(path) {
                            (look.t("site.change")) span.skip { " " (row.label) }
                        } }
                    }
                }
            }
        }
    }
}

/// A Chinese name or place on a page of any language.
#[must_use]
pub fn chinese(look: &Look, text: &str) -> Markup {
    match look.lang {
        Lang::Zh => html! { (text) },
        Lang::En => html! { span lang="zh-CN" { (text) } },
    }
}

/// A place in the visitor's language, or in Chinese, said to be Chinese, when it has no other name.
#[must_use]
pub fn place(look: &Look, zh: &str, en: &str) -> Markup {
    match look.lang {
        Lang::En if !en.is_empty() => html! { (en) },
        Lang::En | Lang::Zh => chinese(look, zh),
    }
}

/// A printed number in even figures.
#[must_use]
pub fn number(text: &str) -> Markup {
    html! { span.id { (text) } }
}

/// A hidden field.
#[must_use]
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// A remark with a coloured edge.
#[must_use]
pub fn note(tone: Tone, head: &str, text: &str) -> Markup {
    html! {
        div class={ "note " (tone.class()) } {
            @if !head.is_empty() { b { (head) } " " }
            (text)
        }
    }
}

/// The list of what must be corrected, each leading to its field. Nothing when the list is empty.
#[must_use]
pub fn error_summary(look: &Look, errors: &[(&str, String)]) -> Markup {
    html! {
        @if !errors.is_empty() {
            div.err role="alert" tabindex="-1" autofocus {
                h2 { (look.t("site.errors")) }
                ul { @for (id, text) in errors { li { a href={ "#" (id) } { (text) } } } }
            }
        }
    }
}

/// A labelled text field.
#[derive(Clone, Copy, Debug, Default)]
pub struct Field<'a> {
    /// Id and name.
    pub id: &'a str,
    pub label: &'a str,
    pub hint: &'a str,
    /// What must be corrected, or empty.
    pub error: &'a str,
    pub value: &'a str,
    /// Value of `inputmode`, or empty.
    pub keyboard: &'a str,
    /// Value of `autocomplete`; empty means `off`.
    pub autocomplete: &'a str,
    /// Capital letters and no spelling help.
    pub code: bool,
}

/// Renders a [`Field`].
#[must_use]
pub fn field(field: Field<'_>) -> Markup {
    html! {
        div.f.bad[!field.error.is_empty()] {
            label for=(field.id) { (field.label) }
            (described(field.id, field.hint, field.error))
            input type="text" id=(field.id) name=(field.id) value=(field.value)
                autocomplete=(if field.autocomplete.is_empty() { "off" } else { field.autocomplete })
                inputmode=[filled(field.keyboard)]
                autocapitalize=[field.code.then_some("characters")]
                spellcheck=[field.code.then_some("false")]
                aria-describedby=[described_by(field.id, field.hint, field.error)]
                aria-invalid=[(!field.error.is_empty()).then_some("true")];
        }
    }
}

/// Hint and error message of the field with this id.
#[must_use]
pub fn described(id: &str, hint: &str, error: &str) -> Markup {
    html! {
        @if !hint.is_empty() { p.hint id={ (id) "-hint" } { (hint) } }
        @if !error.is_empty() { p.msg id={ (id) "-error" } { (error) } }
    }
}

/// The value of `aria-describedby` for the field with this id.
#[must_use]
pub fn described_by(id: &str, hint: &str, error: &str) -> Option<String> {
    let mut ids = Vec::new();
    if !hint.is_empty() {
        ids.push(format!("{id}-hint"));
    }
    if !error.is_empty() {
        ids.push(format!("{id}-error"));
    }
    filled(&ids.join(" ")).map(str::to_owned)
}

/// One row of a choice; the whole row can be tapped.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    pub name: &'a str,
    pub value: &'a str,
    pub label: &'a str,
    pub hint: &'a str,
    pub chosen: bool,
    /// It cannot be chosen now; the hint says why.
    pub closed: bool,
}

/// Renders a [`Choice`].
#[must_use]
pub fn choice(choice: Choice<'_>) -> Markup {
    html! {
        label.opt {
            input type="radio" name=(choice.name) value=(choice.value)
                checked[choice.chosen] disabled[choice.closed];
            span {
                b { (choice.label) }
                @if !choice.hint.is_empty() { span.hint { (choice.hint) } }
            }
        }
    }
}

/// Paragraphs of a text in which an empty line separates them.
#[must_use]
pub fn paragraphs(text: &str) -> Markup {
    html! {
        @for paragraph in text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()) {
            p { (paragraph) }
        }
    }
}

/// Small print for support: a stable code and the trace.
#[must_use]
pub fn support(look: &Look, code: &str, trace: &str) -> Markup {
    html! {
        @if !trace.is_empty() {
            p.small { (look.f("site.support", &[("code", code), ("trace", trace)])) }
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
