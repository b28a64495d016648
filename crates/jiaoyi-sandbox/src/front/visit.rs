//! Answers for: what one person does at one front end, a form at a time. Each form changes the
//! visit and leads back to its page, so that a page can be loaded again without doing it again.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::books::{Person, Step, Visit, accounting_day};
use super::catalog::{Institution, Means};
use super::client::{Heard, Point, call};
use super::faults::{Deed, Fault};
use super::pages::{self, View};
use super::pay::{self, Turn};
use super::wire::{BillStatus, Collected, Decision, Found, Released};
use crate::crypto::random_hex;
use crate::server::Sandbox;
use crate::times::{compact, parse_rfc3339, rfc3339};

/// The fields of all forms of a visit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    #[serde(rename = "do")]
    act: String,
    name: String,
    id_no: String,
    region: String,
    relation: String,
    kind: String,
    /// Index of a bound person, or of a bill.
    which: usize,
    means: String,
    /// What shall go wrong, from the demo's list.
    mishap: String,
}

/// `POST /front/{slug}/{visit}`.
pub(crate) async fn act(
    State(sandbox): State<Arc<Sandbox>>,
    Path((slug, token)): Path<(String, String)>,
    Form(asked): Form<Asked>,
) -> Response {
    let here = format!("/front/{slug}/{token}");
    let known = sandbox.books().fronts.visits.get(&token).cloned();
    let Some(visit) = known.filter(|visit| visit.front.slug == slug) else {
        return pages::gone(&View::new(&Default::default(), "/front".to_owned()));
    };
    match asked.act.as_str() {
        "find" => find(&sandbox, &token, visit, &asked).await,
        "bound" => find_bound(&sandbox, &token, visit, &asked).await,
        "open" => change(&sandbox, &token, |visit| {
            visit.chosen = asked.which;
            visit.step = Step::Check;
        }),
        "collect" => collect(&sandbox, &token, &visit).await,
        "pay" => pay_bill(&sandbox, &token, &asked).await,
        "low" => change(&sandbox, &token, |visit| {
            visit.trouble = Some("BALANCE_TOO_LOW".to_owned());
        }),
        "cancel" => cancel(&sandbox, &token, &visit).await,
        "undo" => {
            if let Some(seq) = &visit.seq {
                pay::undo(&sandbox, seq).await;
            }
        }
        _ => change(&sandbox, &token, start_anew),
    }
    Redirect::to(&here).into_response()
}

/// Another person, with the same user or clerk.
fn start_anew(visit: &mut Visit) {
    let (user, clerk) = (visit.user.take(), visit.clerk.take());
    *visit = Visit {
        user,
        clerk,
        ..Visit::new(visit.front)
    };
}

fn change(sandbox: &Sandbox, token: &str, how: impl FnOnce(&mut Visit)) {
    if let Some(visit) = sandbox.books().fronts.visits.get_mut(token) {
        visit.trouble = None;
        how(visit);
    }
}

fn refuse(sandbox: &Sandbox, token: &str, code: &str) {
    change(sandbox, token, |visit| {
        visit.trouble = Some(code.to_owned())
    });
}

async fn find_bound(sandbox: &Arc<Sandbox>, token: &str, visit: Visit, asked: &Asked) {
    let key = (visit.front.slug, visit.user.clone().unwrap_or_default());
    let bound = sandbox.books().fronts.users.get(&key).cloned();
    let person = bound.and_then(|user| user.bound.get(asked.which).cloned());
    if let Some(person) = person {
        look_up(sandbox, token, &visit, person, &asked.relation).await;
    }
}

async fn find(sandbox: &Arc<Sandbox>, token: &str, visit: Visit, asked: &Asked) {
    let person = Person {
        name: asked.name.trim().to_owned(),
        id_no: asked.id_no.trim().to_ascii_uppercase(),
        region: asked.region.trim().to_owned(),
    };
    if person.name.is_empty() || person.id_no.is_empty() || person.region.is_empty() {
        refuse(sandbox, token, "FIELD_MISSING");
        return;
    }
    let ours = visit
        .front
        .kinds
        .first()
        .is_none_or(|kind| *kind == asked.kind);
    if !ours {
        refuse(sandbox, token, "OTHER_INSURANCE");
        return;
    }
    look_up(sandbox, token, &visit, person, &asked.relation).await;
}

async fn look_up(
    sandbox: &Arc<Sandbox>,
    token: &str,
    visit: &Visit,
    person: Person,
    relation: &str,
) {
    let front = visit.front;
    let Some(institution) = Institution::by_code(front.code) else {
        return;
    };
    let body = json!({
        "pooling_region": person.region,
        "id_type": "id_card",
        "id_no": person.id_no,
        "name": person.name,
        // Whom a user has bound pays for themselves, through the user's phone.
        "relation": if front.binds || relation == "self" { "self" } else { "other" },
        "channel": front.code,
        "terminal": front.sub_channel(),
    });
    let heard = call::<Found>(sandbox, institution, Point::Query, body).await;
    let mut books = sandbox.books();
    let Some(visit) = books.fronts.visits.get_mut(token) else {
        return;
    };
    visit.person = person.clone();
    visit.trouble = None;
    match heard {
        Heard::Decision(found) => {
            let open = |bill: &&super::wire::Bill| bill.status == BillStatus::Payable;
            let only = found.bills.len() == 1 && found.bills.iter().filter(open).count() == 1;
            visit.found = Some(found);
            visit.chosen = 0;
            visit.step = if only && !front.lists {
                Step::Check
            } else {
                Step::Bills
            };
        }
        Heard::Error(error) => visit.trouble = Some(error.code),
        Heard::Silence => visit.trouble = Some("NO_ANSWER".to_owned()),
    }
    let known = visit.found.is_some() && visit.trouble.is_none();
    if front.binds
        && known
        && let Some(phone) = visit.user.clone()
    {
        let user = books.fronts.users.entry((front.slug, phone)).or_default();
        if !user.bound.contains(&person) {
            user.bound.push(person);
        }
    }
}

/// Locks the chosen bill before cash or a card is taken.
async fn collect(sandbox: &Arc<Sandbox>, token: &str, visit: &Visit) {
    let (Some(lock_ms), Some(bill), Some(found), Some(institution)) = (
        visit.front.place.lock_ms(),
        visit.bill(),
        &visit.found,
        Institution::by_code(visit.front.code),
    ) else {
        return;
    };
    let now_ms = sandbox.now_ms();
    let body = json!({
        "seq": serial('C', now_ms),
        "trace_date": accounting_day(institution, now_ms),
        "query_token": found.query_token,
        "bill_no": bill.bill_no,
        "until": rfc3339(now_ms + lock_ms),
        "channel": visit.front.code,
        "terminal": visit.front.sub_channel(),
    });
    match call::<Decision<Collected>>(sandbox, institution, Point::Collect, body).await {
        Heard::Decision(Decision::Accepted(told)) => change(sandbox, token, |visit| {
            visit.locked_until_ms = parse_rfc3339(&told.lock_until);
            let chosen = visit.chosen;
            let bills = visit.found.as_mut().map(|found| &mut found.bills);
            if let Some(bill) = bills.and_then(|bills| bills.get_mut(chosen)) {
                // Frozen with the lock.
                bill.amount_fen = told.amount_fen;
            }
        }),
        Heard::Decision(Decision::Refused { reason, paid, lock }) => {
            change(sandbox, token, |visit| {
                let chosen = visit.chosen;
                let bills = visit.found.as_mut().map(|found| &mut found.bills);
                if let Some(bill) = bills.and_then(|bills| bills.get_mut(chosen)) {
                    bill.paid = paid;
                    bill.lock = lock;
                }
                visit.trouble = Some(reason);
            });
        }
        Heard::Error(error) => refuse(sandbox, token, &error.code),
        Heard::Decision(Decision::Reversed(_)) | Heard::Silence => {
            // It may be locked for us: give it free, as far as anybody hears us.
            release(sandbox, visit).await;
            refuse(sandbox, token, "NO_ANSWER");
        }
    }
}

async fn release(sandbox: &Arc<Sandbox>, visit: &Visit) {
    let (Some(bill), Some(institution)) = (visit.bill(), Institution::by_code(visit.front.code))
    else {
        return;
    };
    let now_ms = sandbox.now_ms();
    let body = json!({
        "seq": serial('L', now_ms),
        "trace_date": accounting_day(institution, now_ms),
        "bill_no": bill.bill_no,
        "channel": visit.front.code,
    });
    let heard = call::<Decision<Released>>(sandbox, institution, Point::Release, body).await;
    if !matches!(heard, Heard::Decision(_)) {
        tracing::info!(?heard, "a lock was not released; it ends by its time");
    }
}

async fn cancel(sandbox: &Arc<Sandbox>, token: &str, visit: &Visit) {
    if visit.locked_until_ms.is_some() {
        release(sandbox, visit).await;
    }
    change(sandbox, token, |visit| {
        start_anew(visit);
        visit.trouble = Some("CANCELLED".to_owned());
    });
}

/// Takes the money and pays with it.
async fn pay_bill(sandbox: &Arc<Sandbox>, token: &str, asked: &Asked) {
    let Some(means) = Means::by_code(&asked.means) else {
        refuse(sandbox, token, "MEANS_MISSING");
        return;
    };
    let now_ms = sandbox.now_ms();
    let (seq, code) = {
        let mut books = sandbox.books();
        let Some(visit) = books.fronts.visits.get_mut(token) else {
            return;
        };
        visit.trouble = None;
        let front = visit.front;
        if !front.means.contains(&means) {
            return;
        }
        // A machine that waited too long asks for the lock again.
        let unlocked = visit.locked_until_ms.is_none_or(|until| until <= now_ms);
        if front.place.lock_ms().is_some() && unlocked && visit.seq.is_none() {
            visit.locked_until_ms = None;
            visit.trouble = Some("LOCK_ENDED".to_owned());
            return;
        }
        let Some((seq, true)) = books.fronts.take(token, means, now_ms) else {
            return;
        };
        (seq, front.code)
    };
    let turn = match asked.mishap.as_str() {
        "twice" => Turn::Twice,
        "jam" => Turn::Jam,
        mishap => {
            if let Some(fault) = fault_of(mishap, code) {
                sandbox.books().fronts.faults.add(fault);
            }
            Turn::Plain
        }
    };
    pay::pay(sandbox, &seq, turn).await;
}

/// A mishap of the demo's list as a fault script that strikes once.
fn fault_of(mishap: &str, code: &str) -> Option<Fault> {
    let deed = match mishap {
        "lose_request" => Deed::LoseRequest,
        "lose_answer" => Deed::LoseAnswer,
        "late" => Deed::Late,
        "duplicate" => Deed::Duplicate,
        "wrong_amount" => Deed::WrongAmount,
        "clock_off" => Deed::ClockOff,
        "forged_answer" => Deed::ForgedAnswer,
        _ => return None,
    };
    Some(Fault {
        code: code.to_owned(),
        at: Point::Pay,
        deed,
        times: 1,
        delay_s: None,
    })
}

fn serial(kind: char, now_ms: i64) -> String {
    format!(
        "{kind}{}{}",
        compact(now_ms),
        random_hex(8).to_ascii_uppercase()
    )
}
