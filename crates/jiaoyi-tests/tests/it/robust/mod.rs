//! Robustness: what must stay true when processes die, when somebody looks for personal data where
//! it must not be, and when somebody measures how long answers take.
//!
//! Short forms run as tests; the long ones are `cargo xtask soak`, with the same code.

pub mod browser;
pub mod cable;
pub mod campaign;
pub mod canary;
pub mod chance;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod copying;
#[cfg(test)]
mod demo;
pub mod disk;
#[cfg(test)]
mod follows;
#[cfg(test)]
mod gateways;
#[cfg(test)]
mod handbook;
pub mod installation;
pub mod kill;
pub mod load;
#[cfg(test)]
mod mistakes;
pub mod ordeal;
pub mod payers;
pub mod people;
pub mod power;
pub mod process;
pub mod shim;
pub mod standby;
pub mod starved;
pub mod timing;
#[cfg(test)]
mod webhooks;
