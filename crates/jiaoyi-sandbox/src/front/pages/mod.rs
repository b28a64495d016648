//! Answers for: the frame around the front ends' pages, and which page a visit shows.

pub(super) mod bill;
pub(super) mod enter;
pub(super) mod office;
pub(super) mod outcome;

use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::catalog::Front;
use super::wording;
use crate::page;

/// The sandbox's style with that of the front ends.
const STYLE: &str = concat!(
    include_str!("../../style.css"),
    include_str!("../front.css")
);
const COOKIE: &str = "sandbox_size";

/// `GET /front/style.css`.
pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

#[derive(Deserialize)]
pub(crate) struct Size {
    #[serde(default)]
    size: String,
    #[serde(default)]
    to: String,
}

/// `GET /front/size?size=large&to=…`: large type on and off, kept in a cookie.
pub(crate) async fn size(Query(asked): Query<Size>) -> Response {
    let size = if asked.size == "large" { "large" } else { "" };
    let to = if asked.to.starts_with("/front") {
        &asked.to
    } else {
        "/front"
    };
    let cookie = format!("{COOKIE}={size}; Path=/front; SameSite=Lax; Max-Age=31536000");
    ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

/// How a browser wants its pages, and where it is.
pub(crate) struct View {
    large: bool,
    /// A path that shows this page again.
    here: String,
}

impl View {
    pub(crate) fn new(headers: &HeaderMap, here: String) -> View {
        let cookies = headers
            .get(header::COOKIE)
            .and_then(|value| value.to_str().ok());
        let large = cookies
            .unwrap_or_default()
            .split(';')
            .any(|part| part.trim().strip_prefix(COOKIE) == Some("=large"));
        View { large, here }
    }

    pub(super) fn here(&self) -> &str {
        &self.here
    }

    /// A page of a front end.
    pub(super) fn page(
        &self,
        front: &Front,
        title: &str,
        english: &str,
        main: &Markup,
    ) -> Response {
        let look = format!("look-{}", front.look);
        let bar = html! { strong { (front.name) "（模拟）" } };
        self.framed(&look, &bar, StatusCode::OK, title, english, main)
    }

    /// A page that belongs to no front end.
    pub(super) fn plain(
        &self,
        status: StatusCode,
        title: &str,
        english: &str,
        main: &Markup,
    ) -> Response {
        let bar = html! { strong { "模拟的缴费入口" } };
        self.framed("", &bar, status, title, english, main)
    }

    fn framed(
        &self,
        look: &str,
        bar: &Markup,
        status: StatusCode,
        title: &str,
        english: &str,
        main: &Markup,
    ) -> Response {
        let (size, other) = if self.large {
            ("", "标准字")
        } else {
            ("large", "大字")
        };
        let pairs = [
            ("size".to_owned(), size.to_owned()),
            ("to".to_owned(), self.here.clone()),
        ];
        let switch = page::with_parameters("/front/size", &pairs);
        let body = html! {
            div.banner role="note" {
                strong { "演示环境：不是真的缴费" }
                " "
                span lang="en" { "Simulated: no money moves." }
            }
            header.bar {
                (bar)
                a href=(switch) { (other) }
                a href="/front" { "全部入口" }
            }
            main {
                h1 { (title) " " small lang="en" { (english) } }
                (main)
            }
            footer { p { (wording::FOOT.0) " " span lang="en" { (wording::FOOT.1) } } }
        };
        let class = if self.large {
            format!("{look} large")
        } else {
            look.to_owned()
        };
        page::document(status, title, class.trim(), "/front/style.css", &body)
    }
}

/// A visit that is over, or an address that was never one.
pub(super) fn gone(view: &View) -> Response {
    let main = html! {
        p { "这个页面已经结束，没有动钱。请从头再来。" }
        a.btn href="/front" { "全部入口" small lang="en" { "All front ends" } }
    };
    view.plain(StatusCode::GONE, "请从头再来", "Please start again", &main)
}

/// One line of a list of facts.
pub(super) fn fact(name: &str, value: impl maud::Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// A button with Chinese and small English; `main` for the one that most people want.
pub(super) fn button(act: &str, chinese: &str, english: &str, main: bool) -> Markup {
    html! {
        button type="submit" name="do" value=(act) class=[main.then_some("main")] {
            (chinese) small lang="en" { (english) }
        }
    }
}

/// What went wrong, in the payer's words; money first.
pub(super) fn trouble(code: Option<&str>) -> Markup {
    let told = code.map(|code| (code, wording::of(code)));
    html! {
        @if let Some((code, (chinese, english))) = told {
            div.card.trouble role="alert" {
                p { strong { "没有收钱。" } (chinese) }
                p.small { span lang="en" { "No money was taken. " (english) } " " span.tag { (code) } }
            }
        }
    }
}
