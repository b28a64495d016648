//! The other side of the biller API: the front ends through which people reach the platform.
//!
//! City services, mini programs, banks, machines, counters, service stations and the hotline each
//! have pages of their own, an institution with its own number and key, and books of what was taken
//! from payers. They call the platform as a real one would, over HTTP, and know of it only what
//! `docs/biller-api.md` says.
//!
//! | module | answers for |
//! |---|---|
//! | [`catalog`] | the front ends and institutions as data |
//! | [`wire`], [`xml`], [`sign`], [`client`] | the contract: what is answered, in which form, the signatures, one call |
//! | [`pay`] | whose the money is, whatever was heard |
//! | [`visit`] | what one person does at one front end |
//! | [`books`], [`day`] | the institutions' books, the accounting day and its file |
//! | [`events`] | what the platform tells without being asked |
//! | [`faults`] | what goes wrong, by script |
//! | [`pages`], [`wording`] | what is seen |
//!
//! # Pages
//!
//! `/front` lists them all. `/front/{name}` is where one begins; it leads to `/front/{name}/{visit}`,
//! whose forms post to the same address with a button named `do`. `/front/office/{code}` is an
//! institution's back office: its books, and the button that ends the day.
//!
//! # Control interface
//!
//! - `POST /_sandbox/front/fault {"code":"A7"|"*","at":"pay","do":"lose_answer","times"?,"delay_s"?}`;
//!   the deeds are in [`faults`], `at` is a verb of the API.
//! - `GET /_sandbox/front/books`: payments, totals in fen by institution, ended days.
//! - `POST /_sandbox/front/day {"code","day"}` makes and sends a day file.

pub(crate) mod books;
pub(crate) mod catalog;
pub(crate) mod client;
mod control;
mod day;
mod events;
pub(crate) mod faults;
mod pages;
mod pay;
pub(crate) mod sign;
mod visit;
mod wire;
mod wording;
pub(crate) mod xml;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::server::Sandbox;

/// Something that an institution does by the clock.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Later {
    /// Ask again about a payment.
    FollowUp(String),
    /// A request that was held up on the way arrives.
    Send(u64),
}

/// Does what has become due.
pub(crate) fn due(sandbox: &Arc<Sandbox>, later: Later) {
    let sandbox = sandbox.clone();
    match later {
        Later::FollowUp(seq) => drop(tokio::spawn(pay::follow_up(sandbox, seq))),
        Later::Send(number) => drop(tokio::spawn(client::send_late(sandbox, number))),
    }
}

/// The pages of the front ends and their part of the control interface.
pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/front", get(pages::enter::index))
        .route("/front/style.css", get(pages::style))
        .route("/front/size", get(pages::size))
        .route(
            "/front/office/{code}",
            get(pages::office::show).post(pages::office::end_day),
        )
        .route("/front/events/{code}", post(events::take))
        .route(
            "/front/{slug}",
            get(pages::enter::start).post(pages::enter::begin),
        )
        .route(
            "/front/{slug}/{visit}",
            get(pages::bill::show).post(visit::act),
        )
        .route("/_sandbox/front/fault", post(control::add_fault))
        .route("/_sandbox/front/books", get(control::books))
        .route("/_sandbox/front/day", post(control::end_day))
}
