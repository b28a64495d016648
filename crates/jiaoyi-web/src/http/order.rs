//! The page of an order, what its owner can do there, and the list of records.

use super::asker::Asker;
use super::pay::started;
use super::{Answered, Fields, Lenient, WebState, is_token, see_other};
use crate::pages::order::{
    Showing, forward as forward_page, order as order_page, switch as switch_page,
};
use crate::pages::records::records as records_page;
use crate::pages::trouble::Trouble;
use axum::Extension;
use axum::extract::{Path, State};
use jiaoyi_app::portal::RecordAnswer;
use jiaoyi_domain::channel::Method;
use serde::Deserialize;

/// How often the page has loaded itself.
#[derive(Debug, Default, Deserialize)]
pub struct Loads {
    #[serde(default)]
    n: u32,
}

fn token(text: &str) -> Result<&str, Trouble> {
    is_token(text).then_some(text).ok_or(Trouble::NotFound)
}

/// `GET /o/{order}`
pub async fn show(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(order): Path<String>,
    Lenient(query): Lenient<Loads>,
) -> Answered {
    let view = state.portal.order(&asker.visitor, token(&order)?).await?;
    let view = view.ok_or(Trouble::NotFound)?;
    let key = state.token();
    let showing = Showing {
        loads: query.n,
        ..showing(&state, &asker, &key)
    };
    Ok(super::show(order_page(&asker.look, &view, showing)))
}

fn showing<'a>(state: &'a WebState, asker: &Asker, form_key: &'a str) -> Showing<'a> {
    Showing {
        now: state.now(),
        loads: 0,
        methods: &state.settings.methods,
        openid: asker.openid().is_some(),
        form_key,
    }
}

/// `GET /o/{order}/pay`: on to the cashier, where it takes a form.
pub async fn forward(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(order): Path<String>,
) -> Answered {
    let view = state.portal.order(&asker.visitor, token(&order)?).await?;
    let view = view.ok_or(Trouble::NotFound)?;
    match &view.pay_form {
        Some(form) if view.mine => Ok(super::show(forward_page(&asker.look, &view, form))),
        Some(_) | None => see_other(&format!("/o/{order}")),
    }
}

/// `GET /o/{order}/back`, from UnionPay `POST`: the wallet sends the payer here, with parameters that
/// we do not believe.
pub async fn back(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(order): Path<String>,
) -> Answered {
    let view = state.portal.refresh(&asker.visitor, token(&order)?).await?;
    view.ok_or(Trouble::NotFound)?;
    see_other(&format!("/o/{order}?n=1"))
}

/// `POST /o/{order}/refresh`
pub async fn refresh(
    state: State<WebState>,
    asker: Extension<Asker>,
    order: Path<String>,
) -> Answered {
    back(state, asker, order).await
}

/// `POST /o/{order}/cancel`
pub async fn cancel(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(order): Path<String>,
) -> Answered {
    let view = state.portal.cancel(&asker.visitor, token(&order)?).await?;
    view.ok_or(Trouble::NotFound)?;
    see_other(&format!("/o/{order}"))
}

/// `GET /o/{order}/switch`
pub async fn ask_switch(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(order): Path<String>,
) -> Answered {
    let view = state.portal.order(&asker.visitor, token(&order)?).await?;
    let view = view.ok_or(Trouble::NotFound)?;
    if !view.mine {
        return see_other(&format!("/o/{order}"));
    }
    let key = state.token();
    Ok(super::show(switch_page(
        &asker.look,
        &view,
        showing(&state, &asker, &key),
    )))
}

/// `POST /o/{order}/switch`
pub async fn switch(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(order): Path<String>,
    fields: Fields,
) -> Answered {
    let method = Method::from_code(fields.get("method"))
        .filter(|method| state.settings.methods.contains(method))
        .ok_or(Trouble::BadRequest)?;
    let openid = asker.openid().map(str::to_owned);
    let key = fields.text("form_key");
    let token = token(&order)?;
    let answer = state
        .portal
        .switch(&asker.visitor, token, method, openid, &key)
        .await?;
    started(&state, &asker, answer, "self")
}

/// `GET /records`
pub async fn records(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
) -> Answered {
    let list = state.portal.records(&asker.visitor).await?;
    Ok(super::show(records_page(&asker.look, &list, None)))
}

/// `POST /records`
pub async fn add_record(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    fields: Fields,
) -> Answered {
    let text = fields.text("receipt");
    match state.portal.add_record(&asker.visitor, &text).await? {
        RecordAnswer::Added => see_other("/records"),
        RecordAnswer::RateLimited { retry_after_s } => {
            Err(Trouble::RateLimited { retry_after_s }.into())
        }
        RecordAnswer::NotFound => {
            let list = state.portal.records(&asker.visitor).await?;
            Ok(super::show(records_page(&asker.look, &list, Some(&text))))
        }
    }
}
