//! The look-up form: name, document, and a region by search or step by step.
//!
//! Everything happens in one form, so that what was typed is never lost: a search with several
//! hits shows them as buttons of the same form, and each button sends the whole form again.

use crate::look::Look;
use crate::parts::{
    Field, Tone, described, described_by, error_summary, field, hidden, note, place,
};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::portal::{FieldProblem, RegionView};
use jiaoyi_domain::person::NAME_CHARACTERS_MAX;
use maud::{Markup, html};

/// The document kinds of the form, by their stored codes, with the key of their name.
pub const DOCUMENT_KINDS: [(&str, &str); 3] = [
    ("id_card", "person.kind_id_card"),
    ("passport", "person.kind_passport"),
    ("birth_certificate", "person.kind_birth_certificate"),
];

/// What the region part of the form has to say.
#[derive(Clone, Debug, Default)]
pub enum RegionStep {
    /// A search field.
    #[default]
    Ask,
    /// Nothing was typed.
    Missing,
    /// No region fits the text.
    NoHit,
    /// Several regions fit: pick one.
    Pick(Vec<RegionView>),
    /// Step by step: the regions below `parent`, or the provinces.
    Browse {
        parent: Option<RegionView>,
        children: Vec<RegionView>,
    },
}

/// The form as typed, with what is wrong about it.
#[derive(Clone, Debug, Default)]
pub struct PersonForm {
    /// `self` or `other`.
    pub relation: String,
    pub name: String,
    pub document_kind: String,
    pub document: String,
    /// Text of the region field.
    pub region: String,
    pub region_step: RegionStep,
    pub problems: Vec<FieldProblem>,
    /// The look-up found nothing.
    pub miss: bool,
    /// The payer came back to change something; the document number is not kept for that.
    pub changing: bool,
    pub form_key: String,
}

impl PersonForm {
    fn asks_region(&self) -> bool {
        matches!(
            self.region_step,
            RegionStep::Pick(_) | RegionStep::Browse { .. }
        )
    }
}

/// `/pay/person`.
#[must_use]
pub fn person(look: &Look, form: &PersonForm) -> Page {
    let errors = errors(look, form);
    let error_of = |id: &str| {
        let found = errors.iter().find(|(field, _)| *field == id);
        found.map_or("", |(_, text)| text.as_str())
    };
    let other = form.relation == "other";
    let title = look.t(if other {
        "person.title_other"
    } else {
        "person.title"
    });
    let body = html! {
        (error_summary(look, &errors))
        @if form.miss { (missed(look)) }
        h1 { (title) }
        @if form.changing { (note(Tone::Plain, "", look.t("person.retype"))) }
        form action="/pay/person" method="post" novalidate {
            (hidden("relation", &form.relation))
            (hidden("form_key", &form.form_key))
            // Enter in a text field presses a form's first button, which must be the look-up.
            button.skip tabindex="-1" aria-hidden="true" { (look.t("person.submit")) }
            (field(Field {
                id: "name",
                label: look.t("person.name"),
                error: error_of("name"),
                value: &form.name,
                autocomplete: if other { "off" } else { "name" },
                ..Field::default()
            }))
            (kinds(look, form))
            (field(Field {
                id: "document",
                label: look.t("person.document"),
                hint: look.t("person.document_hint"),
                error: error_of("document"),
                value: &form.document,
                code: true,
                ..Field::default()
            }))
            (region(look, form, error_of("region")))
            @if !form.asks_region() { button { (look.t("person.submit")) } }
        }
        p.hint { (look.t("person.privacy")) }
    };
    let frame = Frame {
        faulty: !errors.is_empty(),
        back: Some("/pay"),
        ..Frame::new(title, here(form))
    };
    page(look, frame, body)
}

fn here(form: &PersonForm) -> &'static str {
    match form.relation.as_str() {
        "other" => "/pay/person?relation=other",
        _ => "/pay/person?relation=self",
    }
}

fn missed(look: &Look) -> Markup {
    html! {
        div.err role="alert" tabindex="-1" autofocus {
            h2 { (look.t("person.miss")) }
            p { (look.t("person.miss_check")) }
            ul {
                li { (look.t("person.miss_name")) }
                li { (look.t("person.miss_region")) }
                li { (look.t("person.miss_none")) }
            }
            p { (look.t("person.miss_call")) }
        }
    }
}

fn kinds(look: &Look, form: &PersonForm) -> Markup {
    html! {
        div.f {
            label for="document_kind" { (look.t("person.kind")) }
            select id="document_kind" name="document_kind" {
                @for (code, key) in DOCUMENT_KINDS {
                    option value=(code) selected[form.document_kind == code] { (look.lang.text(key)) }
                }
            }
        }
    }
}

fn region(look: &Look, form: &PersonForm, error: &str) -> Markup {
    let hint = look.t("person.region_hint");
    html! {
        div.f.bad[!error.is_empty()].pick[form.asks_region()] #region-part {
            @match &form.region_step {
                RegionStep::Browse { parent, children } => (browse(look, form, parent.as_ref(), children)),
                RegionStep::Ask | RegionStep::Missing | RegionStep::NoHit | RegionStep::Pick(_) => {
                    label for="region" { (look.t("person.region")) }
                    (described("region", hint, error))
                    input type="text" id="region" name="region" value=(form.region) autocomplete="off"
                        enterkeyhint="search" aria-describedby=[described_by("region", hint, error)]
                        aria-invalid=[(!error.is_empty()).then_some("true")];
                    @if let RegionStep::Pick(hits) = &form.region_step { (hits_of(look, hits)) }
                    button.second name="browse" value="" { (look.t("person.browse")) }
                }
            }
        }
    }
}

fn hits_of(look: &Look, hits: &[RegionView]) -> Markup {
    html! {
        div role="group" aria-labelledby="hits" {
            h2 #hits tabindex="-1" autofocus { (look.t("person.pick")) }
            @for hit in hits {
                button.choice name=(if hit.selectable { "pick" } else { "browse" }) value=(hit.code) {
                    (place(look, &hit.path_zh, &hit.path_en))
                }
            }
        }
    }
}

fn browse(
    look: &Look,
    form: &PersonForm,
    parent: Option<&RegionView>,
    children: &[RegionView],
) -> Markup {
    let heading = match parent {
        None => look.t("person.pick_province").to_owned(),
        Some(region) => {
            let path = look.pick(&region.path_zh, &region.path_en);
            look.f("person.pick_below", &[("region", path)])
        }
    };
    html! {
        (hidden("region", &form.region))
        div role="group" aria-labelledby="hits" {
            h2 #hits tabindex="-1" autofocus { (heading) }
            @if let Some(region) = parent.filter(|region| region.selectable) {
                button.choice name="pick" value=(region.code) {
                    (look.f("person.pick_whole", &[("region", look.pick(&region.name_zh, &region.name_en))]))
                }
            }
            div.cells {
                @for child in children {
                    button.choice name=(if child.has_children { "browse" } else { "pick" })
                        value=(child.code) { (place(look, &child.name_zh, &child.name_en)) }
                }
            }
            @if parent.is_some() {
                button.second name="browse" value="" { (look.t("person.browse_again")) }
            }
            button.second name="search" value="1" { (look.t("person.search_again")) }
        }
    }
}

/// Every message with the id of its field.
fn errors(look: &Look, form: &PersonForm) -> Vec<(&'static str, String)> {
    let mut errors: Vec<(&'static str, String)> = form
        .problems
        .iter()
        .map(|problem| message(look, *problem))
        .collect();
    let region = match form.region_step {
        RegionStep::Missing => Some("person.region_missing"),
        RegionStep::NoHit => Some("person.region_no_hit"),
        RegionStep::Ask | RegionStep::Pick(_) | RegionStep::Browse { .. } => None,
    };
    errors.extend(region.map(|key| ("region", look.lang.text(key).to_owned())));
    errors
}

/// The words for one problem and the id of the field it belongs to.
#[must_use]
pub fn message(look: &Look, problem: FieldProblem) -> (&'static str, String) {
    let (id, key) = match problem {
        FieldProblem::NameMissing => ("name", "person.name_missing"),
        FieldProblem::NameShape => ("name", "person.name_shape"),
        FieldProblem::NameTooLong => {
            let max = NAME_CHARACTERS_MAX.to_string();
            return ("name", look.f("person.name_too_long", &[("max", &max)]));
        }
        FieldProblem::DocumentMissing => ("document", "person.document_missing"),
        FieldProblem::DocumentLength { typed } => {
            let typed = typed.to_string();
            return (
                "document",
                look.f("person.document_length", &[("typed", &typed)]),
            );
        }
        FieldProblem::DocumentCharacters => ("document", "person.document_characters"),
        FieldProblem::DocumentChecksum => ("document", "person.document_checksum"),
        FieldProblem::DocumentBirthDate => ("document", "person.document_birth_date"),
        FieldProblem::DocumentShape => ("document", "person.document_shape"),
        FieldProblem::DocumentKind => ("document_kind", "person.document_kind"),
        FieldProblem::RegionUnknown => ("region", "person.region_no_hit"),
    };
    (id, look.lang.text(key).to_owned())
}
