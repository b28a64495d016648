//! The voucher for whoever may see it, and its public verification.

use super::asker::Asker;
use super::{Answered, Fields, Lenient, WebState, is_token, see_other};
use crate::pages::trouble::Trouble;
use crate::pages::verify::{VerifyForm, ask as ask_page, result as result_page};
use crate::pages::voucher::{ask_code, voucher as voucher_page};
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiaoyi_app::portal::{VerifyAnswer, VoucherAnswer, VoucherKey};
use jiaoyi_domain::VoucherNo;
use serde::Deserialize;

/// The longest QR text that is looked at.
const TEXT_MAX: usize = 2_000;

/// What proves the right to see a voucher: the order's token or the check code.
#[derive(Debug, Default, Deserialize)]
pub struct Proof {
    #[serde(default)]
    r: String,
    #[serde(default)]
    c: String,
}

impl Proof {
    /// The key with the query that hands it on to the files' links.
    fn key(&self) -> Option<(VoucherKey, String)> {
        if is_token(&self.r) {
            let key = VoucherKey::Order(self.r.clone());
            Some((key, format!("r={}", self.r)))
        } else if is_token(&self.c) {
            let key = VoucherKey::CheckCode(self.c.to_ascii_uppercase());
            Some((key, format!("c={}", self.c)))
        } else {
            None
        }
    }
}

fn number(text: &str) -> Result<String, Trouble> {
    let number = VoucherNo::parse(text).ok_or(Trouble::NotFound)?;
    Ok(number.as_str().to_owned())
}

/// `GET /v/{number}`
pub async fn show(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    Lenient(query): Lenient<Proof>,
) -> Answered {
    let number = number(&text)?;
    let Some((key, handed_on)) = query.key() else {
        return Ok(super::show(ask_code(&asker.look, &number, false)));
    };
    match state.portal.voucher(&asker.visitor, &number, &key).await? {
        VoucherAnswer::Shown(view) => {
            let path = format!("/v/{number}");
            Ok(super::show(voucher_page(
                &asker.look,
                &view,
                &path,
                &handed_on,
            )))
        }
        VoucherAnswer::NotFound => Ok(super::show(
            ask_code(&asker.look, &number, true).with_status(404),
        )),
        VoucherAnswer::RateLimited { retry_after_s } => {
            Err(Trouble::RateLimited { retry_after_s }.into())
        }
    }
}

/// `POST /v/{number}`: the check code was typed.
pub async fn open(
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    fields: Fields,
) -> Answered {
    let number = number(&text)?;
    let code = code(fields.get("c"));
    let proof = Proof {
        r: String::new(),
        c: code,
    };
    match proof.key() {
        Some((_, query)) => see_other(&format!("/v/{number}?{query}")),
        None => Ok(super::show(ask_code(&asker.look, &number, true))),
    }
}

/// A check code as people type it: spaces and hyphens do not count.
fn code(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect()
}

/// `GET /v/{number}/png`: shown in the page, because phones save a shown picture by a long press.
pub async fn png(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    Lenient(query): Lenient<Proof>,
) -> Answered {
    let number = number(&text)?;
    let (key, _) = query.key().ok_or(Trouble::NotFound)?;
    let answer = state
        .portal
        .voucher_png(&asker.visitor, &number, &key)
        .await?;
    file(
        answer,
        "image/png",
        &format!("inline; filename=\"voucher-{number}.png\""),
    )
}

/// `GET /v/{number}/pdf`
pub async fn pdf(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    Lenient(query): Lenient<Proof>,
) -> Answered {
    let number = number(&text)?;
    let (key, _) = query.key().ok_or(Trouble::NotFound)?;
    let answer = state
        .portal
        .voucher_pdf(&asker.visitor, &number, &key)
        .await?;
    file(
        answer,
        "application/pdf",
        &format!("attachment; filename=\"voucher-{number}.pdf\""),
    )
}

fn file(answer: VoucherAnswer<Vec<u8>>, kind: &'static str, disposition: &str) -> Answered {
    match answer {
        VoucherAnswer::Shown(bytes) => {
            let mut response: Response = ([(header::CONTENT_TYPE, kind)], bytes).into_response();
            let value = HeaderValue::from_str(disposition).map_err(|_| Trouble::Internal)?;
            response
                .headers_mut()
                .insert(header::CONTENT_DISPOSITION, value);
            Ok(response)
        }
        VoucherAnswer::NotFound => Err(Trouble::NotFound.into()),
        VoucherAnswer::RateLimited { retry_after_s } => {
            Err(Trouble::RateLimited { retry_after_s }.into())
        }
    }
}

/// `GET /verify`
pub async fn ask(Extension(asker): Extension<Asker>) -> Response {
    super::show(ask_page(&asker.look, &VerifyForm::default()))
}

/// `POST /verify/result`
pub async fn verify(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    fields: Fields,
) -> Answered {
    let typed = fields.text("number");
    let code = code(fields.get("code"));
    let parsed = VoucherNo::parse(&typed);
    let (Some(number), false) = (&parsed, code.is_empty()) else {
        let form = VerifyForm {
            number_wrong: parsed.is_none(),
            code_missing: code.is_empty(),
            number: typed,
            code,
        };
        return Ok(super::show(ask_page(&asker.look, &form)));
    };
    let code = code.to_ascii_uppercase();
    let answer = state
        .portal
        .verify_number(&asker.visitor, number.as_str(), &code)
        .await?;
    verified(&asker, &answer, "/verify")
}

/// `GET /q/{text}` and `GET /Q/{text}`: the QR code was scanned.
pub async fn scanned(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
) -> Answered {
    if text.len() > TEXT_MAX {
        return verified(&asker, &VerifyAnswer::Forged, "/verify");
    }
    let answer = state.portal.verify_text(&asker.visitor, &text).await?;
    // The text is only letters and digits when it is ours; anything else stays out of links.
    let ours = text.bytes().all(|b| b.is_ascii_alphanumeric());
    let here = if ours {
        format!("/q/{text}")
    } else {
        "/verify".to_owned()
    };
    verified(&asker, &answer, &here)
}

fn verified(asker: &Asker, answer: &VerifyAnswer, here: &str) -> Answered {
    match answer {
        VerifyAnswer::RateLimited { retry_after_s } => Err(Trouble::RateLimited {
            retry_after_s: *retry_after_s,
        }
        .into()),
        VerifyAnswer::Known(_) | VerifyAnswer::Forged | VerifyAnswer::NotFound => {
            Ok(super::show(result_page(&asker.look, answer, here)))
        }
    }
}
