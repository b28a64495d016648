//! What payers see, told as scenes: each question to the portal with its whole answer, and what the
//! channels were asked meanwhile.
//!
//! Each scene is compared with a text in `scenes/`. `JIAOYI_TEST_ACCEPT=1 cargo test -p jiaoyi-app
//! scenes` writes the texts anew; then read what has changed.

mod bills;
mod calls;
pub(crate) mod desk;
mod hooks;
mod import;
mod institutions;
mod jobs;
mod lanes;
mod look;
mod orders;
mod pay;
mod receiver;
mod till;
