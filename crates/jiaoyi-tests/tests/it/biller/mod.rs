//! Institutions that call us over real sockets.

mod auth;
mod day;
mod hooks;
mod money;
mod races;

use crate::harness::bank::{Bank, Bill, Forged, Reply, platform_key, signer};
