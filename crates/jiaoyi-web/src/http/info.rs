//! Start page, display settings, and the pages without personal data.

use super::asker::{Asker, cookie};
use super::{Answered, Lenient, WebState, see_other, show};
use crate::locale::Lang;
use crate::look::{Size, Theme};
use crate::pages::{home, info};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

/// Settings are kept for a year.
const SETTING_S: u32 = 365 * 24 * 3600;

/// `GET /`
pub async fn start(State(state): State<WebState>, Extension(asker): Extension<Asker>) -> Answered {
    let notes = state.portal.window_notes().await?;
    let news = state.portal.announcements().await?;
    let page = home::start(&asker.look, &notes, &news, state.today());
    Ok(show(page))
}

/// `GET /notices`
pub async fn notices(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
) -> Answered {
    let announcements = state.portal.announcements().await?;
    Ok(show(info::notices(&asker.look, &announcements)))
}

/// `GET /help`
pub async fn help(Extension(asker): Extension<Asker>) -> Response {
    show(info::help(&asker.look))
}

/// `GET /a11y`
pub async fn accessibility(Extension(asker): Extension<Asker>) -> Response {
    show(info::accessibility(&asker.look))
}

/// `GET /privacy`
pub async fn privacy(Extension(asker): Extension<Asker>) -> Response {
    show(info::privacy(&asker.look))
}

/// The display settings as a form sends them.
#[derive(Debug, Default, Deserialize)]
pub struct Settings {
    #[serde(default)]
    size: String,
    #[serde(default)]
    lang: String,
    #[serde(default)]
    theme: String,
    #[serde(default)]
    back: String,
}

/// `GET /prefs`: with a setting it is kept and the visitor goes back; without one, the form.
pub async fn prefs(
    Extension(asker): Extension<Asker>,
    Lenient(query): Lenient<Settings>,
) -> Answered {
    let settings = query;
    let back = if is_local(&settings.back) {
        settings.back.as_str()
    } else {
        "/"
    };
    let chosen = [
        (
            cookie::SIZE,
            Size::from_code(&settings.size).map(Size::code),
        ),
        (cookie::LANG, Lang::from_tag(&settings.lang).map(Lang::tag)),
        (
            cookie::THEME,
            Theme::from_code(&settings.theme).map(Theme::code),
        ),
    ];
    if chosen.iter().all(|(_, value)| value.is_none()) {
        return Ok(show(info::prefs(&asker.look, back)));
    }
    let mut response = see_other(back)?;
    for (name, value) in chosen {
        if let Some(value) = value {
            asker.set_cookie(&mut response, name, value, SETTING_S);
        }
    }
    Ok(response)
}

/// A path on this site and nothing else.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.len() <= 512
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_lead_back_only_into_this_site() {
        for (path, want) in [
            ("/pay/check", true),
            ("/o/abc?n=1", true),
            ("//evil.example/", false),
            ("/\\evil.example", false),
            ("https://evil.example/", false),
            ("/a\r\nSet-Cookie: x=1", false),
            ("", false),
        ] {
            assert_eq!(is_local(path), want, "{path:?}");
        }
    }
}
