//! Everything outside: the payment channels and the text messages, in their own wire formats.
//!
//! This crate answers for translating the core's words (`jiaoyi_domain::channel`) to and from
//! what WeChat Pay API v3, Alipay OpenAPI v2 and v3 and UnionPay ACP 5.1.0 really speak, and for the only outbound
//! connections of the product. It holds no state but keys and idle connections, decides nothing
//! about money, and reads neither clock nor randomness: the time and the nonce of every call are
//! arguments.
//!
//! An answer counts only when it is explicit and its signature is good; everything else is
//! `Unknown`, which only a later question can settle.

mod alipay;
mod bank;
mod bill;
mod cert;
mod config;
mod crypto;
mod form;
mod gateway;
mod hook;
mod http;
mod open;
mod sms;
mod unionpay;
mod wechat;

#[cfg(test)]
mod stub;
#[cfg(test)]
mod testdata;

pub use alipay::AlipayGateway;
pub use bank::BankGateway;
pub use bill::{BillFault, BillOutcome, BillReader, Bills, hash_of};
pub use config::{
    AlipayApi, AlipayConfig, BankConfig, ChannelsConfig, ConfigError, HttpConfig, Secret,
    SmsConfig, UnionpayConfig, WebhookConfig, WechatConfig,
};
pub use gateway::{Call, Gateway, NoticeAnswer};
pub use hook::{WebhookSender, WebhookUrl, WebhookUrlError};
pub use open::Channels;
pub use sms::{SmsError, SmsGateway};
pub use unionpay::UnionpayGateway;
pub use wechat::{Bridge, OpenidError, RefreshError, WechatGateway};
