//! 接入台: where an institution keeps its own keys and its webhook.

use crate::look::Look;
use crate::parts::{
    Choice, Field, Row, Tone, chinese, choice, described, described_by, error_summary, field,
    hidden, note, panel, rows, tag,
};
use crate::shell::{Frame, Page, page};
use jiaoyi_app::biller::access::{AccessProblem, AccessView, KeyView};
use jiaoyi_domain::Instant;
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::hook::{HookEvent, HookState};
use jiaoyi_domain::institution::KeyScheme;
use maud::{Markup, html};

/// What was typed, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// Which form: the value of its button; empty when none was sent.
    pub about: String,
    /// Why it could not be done; `None` when it was.
    pub problem: Option<AccessProblem>,
    pub key_id: String,
    pub pem: String,
    pub from: String,
    pub url: String,
}

impl Typed {
    /// What to say beside a field, if the problem is its own.
    fn error(&self, look: &Look, id: &str) -> String {
        let own = self.problem.as_ref().filter(|_| self.place() == Some(id));
        own.map(|problem| words(look, problem)).unwrap_or_default()
    }

    /// The id of the field or the form that the problem is about.
    fn place(&self) -> Option<&'static str> {
        let drawn = self.about == "draw";
        Some(match self.problem.as_ref()? {
            AccessProblem::KeyId | AccessProblem::KeyIdUsed if drawn => "draw_id",
            AccessProblem::KeyId | AccessProblem::KeyIdUsed => "key_id",
            AccessProblem::Key | AccessProblem::KeyOfAnother | AccessProblem::PrivateKey => "pem",
            AccessProblem::From => "from",
            AccessProblem::TooManyKeys { .. }
            | AccessProblem::NoKey
            | AccessProblem::DrawnAtHome => "keys",
            AccessProblem::Url(_) => "url",
            AccessProblem::NoWebhook | AccessProblem::NotTaken(_) | AccessProblem::NoEvent => {
                "events"
            }
        })
    }

    /// What was done, in words.
    fn done(&self) -> Option<&'static str> {
        if self.problem.is_some() {
            return None;
        }
        Some(match self.about.as_str() {
            "add" => "access.done_add",
            "revoke" => "access.done_revoke",
            "webhook" => "access.done_webhook",
            "off" => "access.done_off",
            "test" => "access.done_test",
            "replay" => "access.done_replay",
            _ => return None,
        })
    }
}

fn words(look: &Look, problem: &AccessProblem) -> String {
    match problem {
        AccessProblem::KeyId => look.t("access.wrong_key_id").to_owned(),
        AccessProblem::KeyIdUsed => look.t("access.wrong_key_id_used").to_owned(),
        AccessProblem::Key => look.t("access.wrong_key").to_owned(),
        AccessProblem::KeyOfAnother => look.t("access.wrong_key_of_another").to_owned(),
        AccessProblem::PrivateKey => look.t("access.wrong_private").to_owned(),
        AccessProblem::From => look.t("access.wrong_from").to_owned(),
        AccessProblem::TooManyKeys { most } => {
            look.f("access.wrong_many", &[("most", &most.to_string())])
        }
        AccessProblem::DrawnAtHome => look.t("access.wrong_drawn").to_owned(),
        AccessProblem::NoKey => look.t("access.wrong_no_key").to_owned(),
        AccessProblem::Url(why) => look.f("access.wrong_url", &[("why", why)]),
        AccessProblem::NoWebhook => look.t("access.wrong_no_webhook").to_owned(),
        AccessProblem::NotTaken(why) => look.f("access.wrong_not_taken", &[("why", why)]),
        AccessProblem::NoEvent => look.t("access.wrong_no_event").to_owned(),
    }
}

fn path(token: &str) -> String {
    format!("/access/{token}")
}

/// The link, before anybody opened it.
#[must_use]
pub fn ask(look: &Look, token: &str, name: &str) -> Page {
    let body = html! {
        h1 { (look.t("access.title")) }
        p { (look.t("access.for")) b { (chinese(look, name)) } }
        p { (look.t("access.binds")) }
        form action=(path(token)) method="post" {
            button name="do" value="open" { (look.t("access.open")) }
        }
    };
    page(look, Frame::new(look.t("access.title"), &path(token)), body)
}

/// The link was opened on another device.
#[must_use]
pub fn elsewhere(look: &Look, token: &str) -> Page {
    closed(look, token, "access.elsewhere_title", "access.elsewhere").with_status(403)
}

/// Not a link of ours, or one that has ended.
#[must_use]
pub fn gone(look: &Look, token: &str) -> Page {
    closed(look, token, "access.gone_title", "access.gone").with_status(404)
}

fn closed(look: &Look, token: &str, title: &'static str, text: &'static str) -> Page {
    let title = look.lang.text(title);
    let body = panel(Tone::Plain, title, html! { p { (look.lang.text(text)) } });
    page(look, Frame::new(title, &path(token)).back("/"), body)
}

/// A pair that was drawn just now.
#[must_use]
pub fn drawn(
    look: &Look,
    token: &str,
    (key_id, scheme): (&str, KeyScheme),
    private: &str,
    public_pem: &str,
) -> Page {
    let here = path(token);
    let kind = match scheme {
        KeyScheme::Rsa => look.t("access.private_rsa"),
        KeyScheme::Sm2 => look.t("access.private_sm2"),
    };
    let body = html! {
        h1 { (look.f("access.drawn_title", &[("id", key_id)])) }
        (note(Tone::Wait, "", look.t("access.drawn_once")))
        div.f {
            label for="private" { (look.t("access.private")) }
            p.hint id="private-hint" { (kind) }
            textarea id="private" rows="8" readonly aria-describedby="private-hint"
                spellcheck="false" { (private) }
        }
        div.f {
            label for="public" { (look.t("access.public")) }
            textarea id="public" rows="5" readonly spellcheck="false" { (public_pem) }
        }
        a.btn href=(here) { (look.t("access.kept_it")) }
    };
    page(
        look,
        Frame::new(look.t("access.title"), &here).back(&here),
        body,
    )
}

/// The page of an institution whose link this device holds.
#[must_use]
pub fn own(look: &Look, token: &str, view: &AccessView, typed: &Typed) -> Page {
    let here = path(token);
    let errors: Vec<(&str, String)> = typed
        .problem
        .as_ref()
        .zip(typed.place())
        .map(|(problem, place)| (place, words(look, problem)))
        .into_iter()
        .collect();
    let body = html! {
        (error_summary(look, &errors))
        @if let Some(done) = typed.done() { (note(Tone::Good, "", look.lang.text(done))) }
        h1 { (chinese(look, &view.institution.name)) }
        (terms(look, view))
        h2 #keys { (look.t("access.keys")) }
        @if view.keys.is_empty() { p { (look.t("access.no_keys")) } }
        @for key in &view.keys { (one_key(look, &here, view.now, key)) }
        (add(look, &here, view, typed))
        @if !view.institution.live { (draw(look, &here, typed)) }
        h2 { (look.t("access.webhook")) }
        (webhook(look, &here, view, typed))
        h2 #events { (look.t("access.events")) }
        @if view.events.is_empty() { p { (look.t("access.no_events")) } }
        @for event in &view.events { (one_event(look, &here, event)) }
        h2 { (look.t("access.more")) }
        a.btn.second href="/docs" { (look.t("access.docs")) }
        a.btn.second href="/docs/openapi.json" { "OpenAPI 3.1" }
        a.btn.second href="/biller/v1/keys" { (look.t("access.our_keys")) }
        a.btn.second href="/docs/channels" { (look.t("access.channels")) }
        p.small { (look.f("access.until", &[("until", &look.moment(view.until))])) }
    };
    let frame = Frame {
        faulty: typed.problem.is_some(),
        ..Frame::new(look.t("access.title"), &here)
    };
    page(look, frame, body)
}

fn terms(look: &Look, view: &AccessView) -> Markup {
    let terms = &view.institution;
    let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let mode = if terms.live {
        tag(Tone::Good, look.t("access.live"))
    } else {
        tag(Tone::Wait, look.t("access.test"))
    };
    let fronts = terms
        .front_ends
        .split(';')
        .filter_map(FrontEnd::from_code)
        .map(FrontEnd::capability);
    let fronts: Vec<String> = fronts
        .map(|row| format!("{} {}", row.code, look.pick(&row.name_zh, &row.name_en)))
        .collect();
    let addresses = if terms.addresses.is_empty() {
        look.t("access.anywhere").to_owned()
    } else {
        terms.addresses.replace(';', ", ")
    };
    let hours = format!("{}-{}", clock(terms.hours_from), clock(terms.hours_until));
    html! {
        div.card { (rows(look, vec![
            Row::text(look.t("access.id"), &terms.inst_id),
            Row::markup(look.t("access.mode"), mode),
            Row::text(look.t("access.front_ends"), &fronts.join(", ")),
            Row::text(look.t("access.scopes"), &terms.scopes.replace(';', ", ")),
            Row::text(look.t("access.addresses"), &addresses),
            Row::text(look.t("access.hours"), &hours),
            Row::text(look.t("access.cut_over"), &clock(terms.cut_over)),
        ])) }
    }
}

fn one_key(look: &Look, here: &str, now: Instant, view: &KeyView) -> Markup {
    let key = &view.key;
    let ended = key.valid_until.is_some_and(|until| until <= now);
    let (tone, word) = if ended {
        (Tone::Plain, look.t("access.ended"))
    } else if key.holds(now) {
        (Tone::Good, look.t("access.holds"))
    } else {
        (Tone::Wait, look.t("access.not_yet"))
    };
    let until = key
        .valid_until
        .map_or(look.t("access.open_end").to_owned(), |at| look.moment(at));
    html! {
        div.card {
            span.row { b { (key.key_id) } (tag(tone, word)) }
            (rows(look, vec![
                Row::text(look.t("access.scheme"), key.scheme.code()),
                Row::text(look.t("access.from"), &look.moment(key.valid_from)),
                Row::text(look.t("access.to"), &until),
                Row::text(look.t("access.fingerprint"), &in_groups(&view.fingerprint)),
            ]))
            @if !ended {
                details {
                    summary { (look.t("access.revoke")) span.skip { " " (key.key_id) } }
                    p { (look.t("access.revoke_means")) }
                    form action=(here) method="post" {
                        (hidden("key_id", &key.key_id))
                        button.second name="do" value="revoke" {
                            (look.f("access.revoke_now", &[("id", &key.key_id)]))
                        }
                    }
                }
            }
        }
    }
}

/// A fingerprint as it is read over the telephone.
fn in_groups(hex: &str) -> String {
    let groups = hex.as_bytes().chunks(4).map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

fn add(look: &Look, here: &str, view: &AccessView, typed: &Typed) -> Markup {
    let typed_here = typed.about == "add";
    let kept = |text: &str| {
        if typed_here {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let (key_id, pem, from) = (kept(&typed.key_id), kept(&typed.pem), kept(&typed.from));
    let error = typed.error(look, "pem");
    let hint = if view.institution.live {
        look.t("access.from_live")
    } else {
        look.t("access.from_hint")
    };
    html! {
        h3 { (look.t("access.add")) }
        form action=(here) method="post" novalidate {
            (field(Field {
                id: "key_id",
                label: look.t("access.key_id"),
                hint: look.t("access.key_id_hint"),
                error: &typed.error(look, "key_id"),
                value: &key_id,
                ..Field::default()
            }))
            div.f.bad[!error.is_empty()] {
                label for="pem" { (look.t("access.pem")) }
                (described("pem", look.t("access.pem_hint"), &error))
                textarea id="pem" name="pem" rows="6" spellcheck="false" autocomplete="off"
                    aria-describedby=[described_by("pem", look.t("access.pem_hint"), &error)]
                    aria-invalid=[(!error.is_empty()).then_some("true")] { (pem) }
            }
            (field(Field {
                id: "from",
                label: look.t("access.from"),
                hint,
                error: &typed.error(look, "from"),
                value: &from,
                ..Field::default()
            }))
            button name="do" value="add" { (look.t("access.add_button")) }
        }
    }
}

fn draw(look: &Look, here: &str, typed: &Typed) -> Markup {
    let key_id = if typed.about == "draw" {
        typed.key_id.as_str()
    } else {
        ""
    };
    html! {
        h3 { (look.t("access.draw")) }
        p { (look.t("access.draw_lead")) }
        form action=(here) method="post" novalidate {
            (field(Field {
                id: "draw_id",
                label: look.t("access.key_id"),
                hint: look.t("access.key_id_hint"),
                error: &typed.error(look, "draw_id"),
                value: key_id,
                ..Field::default()
            }))
            fieldset {
                legend { (look.t("access.scheme")) }
                @for scheme in KeyScheme::ALL {
                    (choice(Choice {
                        name: "scheme",
                        value: scheme.code(),
                        label: scheme.code(),
                        hint: "",
                        chosen: *scheme == KeyScheme::Rsa,
                        closed: false,
                    }))
                }
            }
            button.second name="do" value="draw" { (look.t("access.draw_button")) }
        }
    }
}

fn webhook(look: &Look, here: &str, view: &AccessView, typed: &Typed) -> Markup {
    let known = view.institution.webhook.as_str();
    let url = if typed.about == "webhook" && typed.problem.is_some() {
        typed.url.as_str()
    } else {
        known
    };
    html! {
        p { (look.t("access.webhook_lead")) }
        form action=(here) method="post" novalidate {
            (field(Field {
                id: "url",
                label: look.t("access.url"),
                hint: look.t("access.url_hint"),
                error: &typed.error(look, "url"),
                value: url,
                keyboard: "url",
                ..Field::default()
            }))
            button name="do" value="webhook" { (look.t("access.webhook_button")) }
            @if !known.is_empty() {
                button.second name="do" value="test" { (look.t("access.webhook_test")) }
                button.second name="do" value="off" { (look.t("access.webhook_off")) }
            }
        }
    }
}

fn one_event(look: &Look, here: &str, event: &HookEvent) -> Markup {
    let (tone, word) = match event.state {
        HookState::Waiting => (Tone::Wait, look.t("access.event_waiting")),
        HookState::Delivered => (Tone::Good, look.t("access.event_delivered")),
        HookState::Failed => (Tone::Bad, look.t("access.event_failed")),
    };
    let id = event.hook_id.text();
    html! {
        div.card {
            span.row { b { (event.kind.code()) } (tag(tone, word)) }
            p.hint { (look.moment(event.at)) " · " (id) }
            @if let Some(last) = event.log.lines().last() { p.hint { (last) } }
            @if event.state != HookState::Waiting {
                form action=(here) method="post" {
                    (hidden("event_id", &id))
                    button.second name="do" value="replay" {
                        (look.t("access.replay")) span.skip { " " (id) }
                    }
                }
            }
        }
    }
}
