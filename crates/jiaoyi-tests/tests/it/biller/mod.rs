//! Institutions that call us over real sockets.

mod access;
mod auth;
mod calendars;
mod day;
mod hooks;
mod money;
mod points;
mod races;
mod told;
mod xml;

use crate::harness::bank::{Bank, Bill, Forged, Reply, platform_key, signer};
