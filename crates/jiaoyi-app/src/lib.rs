//! The use cases: the only place where batches and transactions begin. Nothing here spawns; the
//! binary decides what runs when.

pub mod admission;
pub mod biller;
mod bills;
mod calls;
pub mod channel_bills;
mod facade;
mod health;
pub mod import;
pub mod jobs;
#[cfg(all(test, feature = "model"))]
mod lease_model;
pub mod limits;
pub mod links;
mod lookup;
pub mod made;
mod matrix;
mod notices;
mod orders;
mod pay;
pub mod platform;
pub mod portal;
mod pricing;
mod put_off;
pub mod refunds;
mod sync;
#[cfg(test)]
mod tests;
mod unsigned;
pub mod verify;
mod vouchers;

pub use vouchers::voucher_content_hash;
