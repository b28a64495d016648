//! Everything a resident sees: pages as pure functions, and the HTTP layer around them.
//!
//! [`pages`] turns views into HTML and knows no request; the HTTP layer reads requests, asks the
//! [`Portal`](jiaoyi_app::portal::Portal) and picks the page. There is no rule here: what is owed,
//! who may see what and how often somebody may try is decided behind the portal. Pages need no
//! script; the one script there is opens WeChat's payment sheet, and its page works without it.

#[cfg(test)]
extern crate self as jiaoyi_web;

pub mod assets;
mod http;
pub mod locale;
pub mod look;
pub mod pages;
pub mod parts;
pub mod qr;
pub mod shell;
mod xml;

pub use http::{Clock, Desks, Random, WebSettings, WebState, router};

#[cfg(test)]
mod tests;
