//! What residents and institutions see: pure functions from views to pages. No rule, no I/O, no clock.

pub mod access;
pub mod check;
pub mod home;
pub mod info;
pub mod link;
pub mod method;
pub mod order;
pub mod person;
pub mod records;
pub mod trouble;
pub mod verify;
pub mod voucher;
