//! The page on which an institution keeps its own keys: `/access/{token}`.

use super::asker::Asker;
use super::{Answered, Fields, Lenient, WebState, is_token, see_other, show};
use crate::pages::access::{Typed, ask, drawn, elsewhere, gone, own};
use crate::pages::trouble::Trouble;
use axum::Extension;
use axum::extract::{Path, State};
use jiaoyi_app::biller::access::{AccessAction, AccessAnswer, Acted};
use jiaoyi_domain::institution::KeyScheme;
use serde::Deserialize;

fn token(text: &str) -> Result<&str, Trouble> {
    is_token(text).then_some(text).ok_or(Trouble::NotFound)
}

/// What was done just now.
#[derive(Debug, Default, Deserialize)]
pub struct Done {
    #[serde(default)]
    done: String,
}

/// `GET /access/{token}`
pub async fn open(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    Lenient(done): Lenient<Done>,
) -> Answered {
    let shown = Typed {
        about: done.done,
        ..Typed::default()
    };
    render(&state, &asker, token(&text)?, shown).await
}

/// `POST /access/{token}`
pub async fn act(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    fields: Fields,
) -> Answered {
    let token = token(&text)?;
    let action = action(&fields).ok_or(Trouble::BadRequest)?;
    let about = fields.get("do").to_owned();
    let acted = state
        .portal
        .access_act(&asker.visitor, token, action)
        .await?;
    match acted {
        Acted::Done => see_other(&format!("/access/{token}?done={about}")),
        Acted::Shut => see_other(&format!("/access/{token}")),
        Acted::Tested => see_other(&format!("/access/{token}?done=test")),
        Acted::Drawn {
            key_id,
            scheme,
            private,
            public_pem,
        } => Ok(show(drawn(
            &asker.look,
            token,
            (&key_id, scheme),
            &private,
            &public_pem,
        ))),
        Acted::Refused(problem) => {
            let typed = Typed {
                problem: Some(problem),
                key_id: fields.text(if about == "draw" { "draw_id" } else { "key_id" }),
                pem: fields.text("pem"),
                from: fields.text("from"),
                url: fields.text("url"),
                about,
            };
            render(&state, &asker, token, typed).await
        }
    }
}

fn action(fields: &Fields) -> Option<AccessAction> {
    let key_id = fields.text("key_id");
    Some(match fields.get("do") {
        "open" => AccessAction::Open,
        "add" => AccessAction::AddKey {
            key_id,
            pem: fields.text("pem"),
            from: fields.text("from"),
        },
        "draw" => AccessAction::DrawKey {
            key_id: fields.text("draw_id"),
            scheme: KeyScheme::from_code(fields.get("scheme"))?,
        },
        "revoke" => AccessAction::RevokeKey { key_id },
        "webhook" => AccessAction::SetWebhook {
            url: fields.text("url"),
        },
        "off" => AccessAction::SetWebhook { url: String::new() },
        "test" => AccessAction::TestWebhook,
        "replay" => AccessAction::Replay {
            event_id: fields.text("event_id"),
        },
        _ => return None,
    })
}

async fn render(state: &WebState, asker: &Asker, token: &str, typed: Typed) -> Answered {
    let look = &asker.look;
    let answer = state.portal.access(&asker.visitor, token).await?;
    Ok(show(match answer {
        AccessAnswer::Ask { name } => ask(look, token, &name),
        AccessAnswer::Elsewhere => elsewhere(look, token),
        AccessAnswer::Gone => gone(look, token),
        AccessAnswer::Open(view) => own(look, token, &view, &typed),
    }))
}
