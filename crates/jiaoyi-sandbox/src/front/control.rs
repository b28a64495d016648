//! Answers for: the front ends' part of the control interface, for tests and demos.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, json};

use super::catalog::{INSTITUTIONS, Institution};
use super::day;
use super::faults::Fault;
use crate::control::read;
use crate::page::{json as answer, json_error};
use crate::server::Sandbox;

/// `POST /_sandbox/front/fault`.
pub(crate) async fn add_fault(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let fault: Fault = match read(&body) {
        Ok(fault) => fault,
        Err(response) => return *response,
    };
    sandbox.books().fronts.faults.add(fault);
    answer(StatusCode::OK, &json!({}))
}

/// `GET /_sandbox/front/books`.
pub(crate) async fn books(State(sandbox): State<Arc<Sandbox>>) -> Response {
    let books = sandbox.books();
    let fronts = &books.fronts;
    let totals: Map<_, _> = INSTITUTIONS
        .iter()
        .map(|own| (own.inst_id.to_owned(), json!(fronts.totals(own.code, None))))
        .collect();
    let payments: Vec<_> = fronts.payments.values().collect();
    let told = json!({
        "totals": totals,
        "payments": payments,
        "under_way": payments.iter().filter(|own| own.under_way).count(),
        "late": fronts.late.len(),
        "late_answers": fronts.late_answers,
        "days": fronts.day_ends,
        "events": fronts.events,
        "events_refused": fronts.events_refused,
        "faults": fronts.faults.waiting(),
    });
    answer(StatusCode::OK, &told)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    code: String,
    day: String,
}

/// `POST /_sandbox/front/day`.
pub(crate) async fn end_day(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let asked: Day = match read(&body) {
        Ok(asked) => asked,
        Err(response) => return *response,
    };
    let Some(institution) = Institution::by_code(&asked.code) else {
        let what = "no institution has this code";
        return json_error(StatusCode::NOT_FOUND, "control.unknown", what);
    };
    match day::end(&sandbox, institution, &asked.day).await {
        Ok(ended) => answer(StatusCode::OK, &json!(ended)),
        Err(why) => json_error(StatusCode::CONFLICT, "front.day_hangs", &format!("{why:?}")),
    }
}
