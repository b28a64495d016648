//! The rules of levying and collecting resident medical insurance, as pure functions.
//!
//! Rows, a command, a time and a seed come in; changes and an answer go out. There is no clock, no
//! randomness, no input or output, no SQL, no floating point and no async in this crate, so an
//! official can read it, tables can test it and a simulator can run it.

#[cfg(test)]
mod accepted;
pub mod attempt;
pub mod audit;
pub mod bank_transfer;
pub mod bill;
pub mod biller;
pub mod books;
pub mod capability;
pub mod capital;
pub mod channel;
pub mod decide;
pub mod due;
pub mod fact;
pub mod front_end;
mod hex;
pub mod hook;
pub mod id;
pub mod institution;
pub mod messages;
pub mod money;
pub mod needs;
pub mod order;
pub mod person;
pub mod planted;
pub mod policy;
pub mod record;
pub mod refund;
pub mod region;
pub mod roster;
pub mod step;
pub mod time;
pub mod voucher;
pub mod working_set;

pub use id::{AttemptNo, Bucket, IdSource, OrderNo, RefundNo, VoucherNo};
pub use money::Fen;
pub use time::{Date, Instant};
