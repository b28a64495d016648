//! The notice link: birthday once on each device, then the check page of one person.

use super::asker::Asker;
use super::pay::{ask_openid, check_of};
use super::{Answered, Fields, WebState, is_token, see_other, show};
use crate::pages::link::{birthday, gone, shut};
use crate::pages::trouble::Trouble;
use axum::Extension;
use axum::extract::{Path, State};
use jiaoyi_app::portal::LinkAnswer;

/// A token of ours out of an address.
pub(super) fn token(text: &str) -> Result<&str, Trouble> {
    is_token(text).then_some(text).ok_or(Trouble::NotFound)
}

/// `GET /k/{token}`
pub async fn open(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
) -> Answered {
    let token = token(&text)?;
    let here = format!("/k/{token}");
    if let Some(away) = ask_openid(&state, &asker, &here) {
        return away;
    }
    let answer = state.portal.open_link(&asker.visitor, token).await?;
    render(&state, &asker, token, answer)
}

/// `POST /k/{token}`
pub async fn answer(
    State(state): State<WebState>,
    Extension(asker): Extension<Asker>,
    Path(text): Path<String>,
    fields: Fields,
) -> Answered {
    let token = token(&text)?;
    let typed = (small(fields.get("month"), 12), small(fields.get("day"), 31));
    let answer = match typed {
        (Some(month), Some(day)) => {
            state
                .portal
                .answer_link(&asker.visitor, token, month, day)
                .await?
        }
        // No month or day at all is a slip of the finger: said again, not counted as a try.
        _ => state.portal.open_link(&asker.visitor, token).await?,
    };
    match answer {
        LinkAnswer::Bill(_) => see_other(&format!("/k/{token}")),
        LinkAnswer::AskBirthday {
            name_masked,
            tries_left,
            ..
        } => Ok(show(birthday(
            &asker.look,
            token,
            &name_masked,
            true,
            tries_left,
        ))),
        LinkAnswer::Shut | LinkAnswer::Gone => render(&state, &asker, token, answer),
    }
}

fn render(state: &WebState, asker: &Asker, token: &str, answer: LinkAnswer) -> Answered {
    let here = format!("/k/{token}");
    Ok(show(match answer {
        LinkAnswer::AskBirthday {
            name_masked,
            wrong,
            tries_left,
        } => birthday(&asker.look, token, &name_masked, wrong, tries_left),
        LinkAnswer::Bill(bill) => check_of(state, asker, &[*bill], "unstated", &here, None),
        LinkAnswer::Shut => shut(&asker.look, &here),
        LinkAnswer::Gone => gone(&asker.look, &here),
    }))
}

/// A number from 1 to `max` as people type it: full-width digits, leading zeros, 月 and 日 pass.
fn small(text: &str, max: u8) -> Option<u8> {
    let digits: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '月' | '日' | '号'))
        .map(|c| match c {
            '０'..='９' => char::from_u32(u32::from(c) - u32::from('０') + u32::from('0')),
            _ => Some(c),
        })
        .collect::<Option<String>>()?;
    let plain = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|number| plain && (1..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn birthdays_are_read_as_people_type_them() {
        for (text, want) in [
            ("3", Some(3)),
            ("03", Some(3)),
            (" 12月", Some(12)),
            ("１２", Some(12)),
            ("13", None),
            ("0", None),
            ("+3", None),
            ("003", None),
            ("", None),
        ] {
            assert_eq!(small(text, 12), want, "{text:?}");
        }
    }
}
