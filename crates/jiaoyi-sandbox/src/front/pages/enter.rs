//! Answers for: the list of all front ends, the first page of each, and logging in.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{View, button, gone, trouble};
use crate::front::books::{Clerk, Visit};
use crate::front::catalog::{FRONTS, Front, INSTITUTIONS, Login};
use crate::server::Sandbox;

/// `GET /front`: every front end and every back office.
pub(crate) async fn index(State(sandbox): State<Arc<Sandbox>>, headers: HeaderMap) -> Response {
    let view = View::new(&headers, "/front".to_owned());
    let portal = sandbox.config.front.as_ref().map(|link| &link.platform_url);
    let main = html! {
        p {
            "每个入口都通过真实的网络接口调用平台，用自己的机构号和密钥，记自己的账。 "
            span.small lang="en" { "Each calls the platform over the wire, with its own keys and books." }
        }
        @if portal.is_none() {
            p.card.trouble { "没有配置平台地址（sandbox.toml 的 [front]），所有查询都不会有回音。" }
        }
        ul {
            @for front in FRONTS {
                li { (entry(&format!("/front/{}", front.slug), front.code, front.name, front.english)) }
            }
            @if let Some(portal) = portal {
                li { (entry(portal, "A9 / A10", "医保局门户", "The bureau's portal: the platform itself")) }
            }
        }
        h2 { "机构后台 " small lang="en" { "Back offices" } }
        ul {
            @for own in INSTITUTIONS {
                li { (entry(&format!("/front/office/{}", own.code), own.code, own.name, own.inst_id)) }
            }
        }
    };
    view.plain(StatusCode::OK, "模拟的缴费入口", "Front ends", &main)
}

fn entry(address: &str, code: &str, name: &str, small: &str) -> Markup {
    html! { a.entry href=(address) { (code) " " (name) small { (small) } } }
}

/// `GET /front/{slug}`: the first screen, or the log-in.
pub(crate) async fn start(Path(slug): Path<String>, headers: HeaderMap) -> Response {
    let view = View::new(&headers, format!("/front/{slug}"));
    match Front::by_slug(&slug) {
        Some(front) => first_page(&view, front, None),
        None => gone(&view),
    }
}

fn first_page(view: &View, front: &Front, code: Option<&str>) -> Response {
    let tap = front.taps.first().copied().unwrap_or_default();
    let fields = match front.login {
        Login::Nobody => html! {},
        Login::User => login("手机号", "Phone number", "tel", "13900000001", "user"),
        Login::Staff => login("柜员号", "Teller number", "text", "T0001", "user"),
        Login::StaffForCaller => html! {
            (login("工号", "Staff number", "text", "S0001", "user"))
            (login("来电（来访）人姓名", "Caller's name", "text", "演示来电人", "caller"))
            (login("来电（来访）人手机号", "Caller's phone", "tel", "13900000002", "caller_phone"))
            label.pick {
                input type="checkbox" name="consent" value="yes";
                span { "已核对身份，对方同意代办，全程记录" small.small lang="en" { " Identity checked, consent given, on record" } }
            }
        },
    };
    let act = match front.login {
        Login::Nobody => html! { (button("begin", tap, "Open", true)) },
        _ => html! { (button("begin", "登录", "Log in", true)) },
    };
    let main = html! {
        (trouble(code))
        p { (front.owner) "的入口，按真实的步骤走一遍。" }
        form.card method="post" { (fields) (act) }
    };
    view.page(front, front.name, front.english, &main)
}

fn login(chinese: &str, english: &str, kind: &str, sample: &str, name: &str) -> Markup {
    html! {
        label for=(name) { (chinese) " " span.small lang="en" { (english) } }
        input id=(name) name=(name) type=(kind) value=(sample) autocomplete="off" required;
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct Begun {
    user: String,
    caller: String,
    caller_phone: String,
    consent: String,
}

/// `POST /front/{slug}`: begins a visit. Who acts for a caller needs the caller's consent.
pub(crate) async fn begin(
    State(sandbox): State<Arc<Sandbox>>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Form(begun): Form<Begun>,
) -> Response {
    let view = View::new(&headers, format!("/front/{slug}"));
    let Some(front) = Front::by_slug(&slug) else {
        return gone(&view);
    };
    let mut visit = Visit::new(front);
    let user = begun.user.trim().to_owned();
    // Whoever had to log in has made the first tap by it.
    let mut tap = 1;
    match front.login {
        Login::Nobody => {}
        _ if user.is_empty() => return first_page(&view, front, Some("LOGIN_MISSING")),
        Login::User => {
            visit.user = Some(user);
            tap = 0;
        }
        Login::Staff => {
            visit.clerk = Some(Clerk {
                number: user,
                ..Clerk::default()
            });
            tap = 0;
        }
        Login::StaffForCaller => {
            if begun.consent != "yes" || begun.caller.trim().is_empty() {
                return first_page(&view, front, Some("CONSENT_MISSING"));
            }
            visit.clerk = Some(Clerk {
                number: user,
                caller: begun.caller.trim().to_owned(),
                caller_phone: begun.caller_phone.trim().to_owned(),
            });
            tap = 0;
        }
    }
    let token = sandbox.books().fronts.open(visit);
    Redirect::to(&format!("/front/{slug}/{token}?tap={tap}")).into_response()
}
