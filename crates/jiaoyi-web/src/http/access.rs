//! The page on which an institution keeps its own keys: `/access/{token}`.

use super::asker::Asker;
use super::link::token;
use super::{Answered, Fields, Lenient, WebState, see_other, show};
use crate::pages::access::{Typed, ask, drawn, elsewhere, gone, own};
use crate::pages::trouble::Trouble;
use axum::Extension;
use axum::extract::{Path, State};
use jiaoyi_app::biller::access::{AccessAction, AccessAnswer, Acted, OwnAction};
use jiaoyi_domain::institution::KeyScheme;
use serde::Deserialize;

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
    Some(AccessAction::Own(match fields.get("do") {
        "open" => return Some(AccessAction::Open),
        "add" => OwnAction::AddKey {
            key_id,
            pem: fields.text("pem"),
            from: fields.text("from"),
        },
        "draw" => OwnAction::DrawKey {
            key_id: fields.text("draw_id"),
            scheme: KeyScheme::from_code(fields.get("scheme"))?,
        },
        "revoke" => OwnAction::RevokeKey { key_id },
        "webhook" => OwnAction::SetWebhook {
            url: fields.text("url"),
        },
        "off" => OwnAction::SetWebhook { url: String::new() },
        "test" => OwnAction::TestWebhook,
        "replay" => OwnAction::Replay {
            event_id: fields.text("event_id"),
        },
        _ => return None,
    }))
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
