//! The sandbox over a real loopback socket, driven by a small client that signs and verifies with
//! its own code.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that finds nothing is a failing test"
)]

mod alipay;
mod bank;
mod bills;
mod bridge;
mod control;
mod faults;
mod front;
mod platform;
mod script;
mod unionpay;
mod wallet;
mod wechat;
mod world;
