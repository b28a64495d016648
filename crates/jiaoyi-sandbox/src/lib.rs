//! The other side of the payment channels.
//!
//! WeChat Pay API v3, Alipay OpenAPI v2 and v3 and UnionPay ACP 5.1.0 as a merchant's server meets
//! them, a tiny SMS gateway,
//! the OAuth pair for an openid, a script that plays `WeixinJSBridge`, and the wallet page on which
//! a person decides. It keeps its own books, has its own signature code and shares nothing with the
//! merchant's adapters: what both agree on is then more than one program's opinion of itself.
//! Everything is simulated; no money moves.
//!
//! It also plays those who call the platform: city services, mini programs, banks, machines,
//! counters, service stations and the hotline, each with pages, an institution's keys and books of
//! its own. They are listed at `/front` and described in [`front`].
//!
//! # Wallet page
//!
//! `/_wallet/{token}` shows merchant, text and amount, and posts a form to `/_wallet/{token}/act`
//! whose buttons are named `do`:
//!
//! | `do` | button | what happens |
//! |---|---|---|
//! | `pay` | 支付成功 | paid, notified at once |
//! | `low` | 余额不足 | not paid; a query at WeChat Pay says `PAYERROR`, UnionPay 64; Alipay tells the merchant nothing |
//! | `cancel` | 取消 | not paid |
//! | `no_result` | 一直没结果 | paid, no notice ever; for 60 s of the clock queries and closing do not know (WeChat USERPAYING / SYSTEM_ERROR, Alipay 20000, UnionPay 05), then they tell the payment |
//! | `notify_twice` | 通知两次 | paid, the same notice comes twice |
//! | `wrong_amount` | 通知金额不符 | paid; the notice tells one fen too much, queries tell the truth |
//! | `notify_late` | 晚到的通知 | paid; the notice comes 60 s of the clock later |
//! | `pay_after_close` | 关单后仍支付 | not paid until the merchant closes the order (or it expires), then paid and notified; at once when it is closed already |
//!
//! Two invented banks, `/bank1/…` and `/bank2/…`, differ in everything: RSA, GBK and yuan at the first,
//! SM2, UTF-8 and fen at the second. `write_demo_identities` writes how to speak to them.
//!
//! UnionPay leads back to `frontUrl` by a signed form, the others answer 303: after a payment to WeChat
//! H5's `redirect_url` or Alipay's signed `return_url`; otherwise to `redirect_url`, `quit_url`, or the
//! bare `return_url`. Without any, a page says what happened. A WeChat Native `code_url`, an Alipay
//! `qr_code` or a `tn` of UnionPay is "scanned" at `/_wallet/scan?code=…`; WeChat's `h5_url`, Alipay's
//! `gateway.do` and UnionPay's `frontTransReq.do` lead to the wallet by themselves.
//!
//! # Control interface
//!
//! No password: a sandbox belongs on a loopback address.
//!
//! - `POST /_sandbox/pay {"channel":"wechat"|"alipay"|"unionpay"|"bank1"|"bank2","out_trade_no",
//!   "serial":"pub"|"cert"?, "amount_fen"?}` plays the payer and delivers the signed notice; 200 `{"transaction_id",
//!   "delivered","notify_status","tries"}`; 404 for a number never seen, 409 when closed. A paid
//!   order is notified again. `amount_fen` is for a channel that truly takes another amount than
//!   was asked for: notice, query and bill then agree on it.
//! - `POST /_sandbox/fault {"channel","out_trade_no"|"*","at","do","times"?,"delay_s"?,"code"?,
//!   "variant"?}` → `{"id"}`; the deeds are in [`faults`]. `DELETE /_sandbox/fault/{id}` removes one.
//! - `POST /_sandbox/faults` takes a script, a TOML file of faults with the times at which they strike
//!   (the module `script` describes it, [`EXAMPLE_FAULTS`] is one), in place of the last; `GET` tells how often each
//!   of its rules has seen a call and struck; `DELETE` ends it.
//! - `POST /_sandbox/chance {"seed","loss_percent_max"?,"duplicate_percent_max"?,"delay_s_max"?,
//!   "never_percent"?,"query_error_percent"?}`: faults by chance until the next such call; `{}` ends them.
//! - `POST /_sandbox/beside {"call":"openid"|"certificates"|"sms","do":"error_before"|"error_after"|"lose",
//!   "times"}`: what goes wrong so often with calls that are about no order.
//! - `GET /_sandbox/books`: every transaction with its refunds and notices, and the waiting faults.
//!   `GET /_sandbox/books.jsonl`: what moved and what is open, a line of JSON each, for comparison.
//! - `POST /_sandbox/fee {"rate_bp"}` sets the fee of all channels in bills, in hundredths of a percent.
//! - `POST /_sandbox/clock {"offset_s"}` shifts the sandbox's clock against the one it was given;
//!   `GET` tells its time.
//! - `POST /_sandbox/reset` empties the books, the faults with the script, the messages and the shift.
//! - `GET /_sandbox/sms`, `GET /_sandbox/sms.json`: the text messages that were sent.
//!
//! # Our choices where the channels publish nothing
//!
//! - Alipay's timestamp may be 15 minutes off.
//! - A WeChat refund is PROCESSING for 2 s of the clock, then SUCCESS with its notice.
//! - WeChat's notices use the kind of key (public key or certificate) that signed the answer to the
//!   order; that is the kind that the request's `Wechatpay-Serial` asked for, else the certificate.
//! - UnionPay knows an order from the first try on; before that a query finds nothing. A void or
//!   return is under way for 2 s of the clock. The file of a clearing day is there at once.
//! - Bills take no fee until a rate is set. A bill of today holds what has happened so far.

mod alipay;
mod bank;
mod beside;
mod bills;
mod books;
mod bridge;
mod certificate;
mod config;
mod control;
mod crypto;
mod delivery;
mod error;
pub mod faults;
pub mod forge;
mod front;
mod identities;
mod money;
mod page;
mod payer;
mod script;
mod server;
mod sms;
mod times;
mod unionpay;
mod wallet;
mod wechat;

/// A script of faults with every kind of rule, commented.
pub const EXAMPLE_FAULTS: &str = include_str!("../data/faults.toml");

pub use config::SandboxConfig;
pub use error::SandboxError;
pub use front::catalog::{INSTITUTIONS, Institution};
pub use front::client::KEY_ID as INSTITUTION_KEY_ID;
pub use front::sign::{Signer as CallSigner, Verifier as CallVerifier};
pub use front::xml::{
    CONTENT as XML_CONTENT, request as xml_request, response as xml_response, text as wire_text,
};
pub use identities::{DemoIdentities, write_demo_identities};
pub use server::{Clock, Running, Sandbox, router, run_agenda, serve};
