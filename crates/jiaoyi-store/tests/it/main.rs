//! The conformance suite: the same histories on every engine, and those that only a database with
//! several writers can show (the numbers are those of the failing histories in `docs/decisions`).

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod away;
mod cluster;
mod conformance;
mod copies;
mod distributed;
mod doubt;
mod guarded;
mod histories;
mod migrations;
mod plans;
mod refusals;
mod settings;
mod texts;
mod together;
mod touch;
