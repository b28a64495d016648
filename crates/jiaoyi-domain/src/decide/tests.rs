//! Decisions told as scenes: what was asked, what was answered, which rows changed and how.
//!
//! Each scene is compared with a text in `scenes/`, line by line, so whatever a decision does is
//! either written there or an error. `JIAOYI_TEST_ACCEPT=1 cargo test -p jiaoyi-domain scenes`
//! writes the texts anew; then read what has changed.

mod biller;
mod hooks;
mod institution;
mod lock;
mod pay;
mod people;
mod refund;
mod roster;
mod scene;
mod small;
mod store;
mod told;
mod transfer;
