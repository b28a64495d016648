//! Text messages: one signed POST to a service that is told each message's id.

use crate::config::{ConfigError, SmsConfig};
use crate::http::Http;
use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde::Serialize;

/// Sends text messages. The service keeps one message per id, so a repeat sends nothing twice.
pub struct SmsGateway {
    http: Http,
    url: Url,
    key: hmac::Key,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sending a text message: {why}")]
pub struct SmsError {
    /// Whether the same message may be sent again later.
    pub retryable: bool,
    why: String,
}

impl SmsError {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.retryable {
            "channels.sms.unavailable"
        } else {
            "channels.sms.refused"
        }
    }
}

#[derive(Serialize)]
struct Message<'a> {
    id: &'a str,
    to: &'a str,
    text: &'a str,
}

impl SmsGateway {
    pub(crate) fn open(config: &SmsConfig, http: Http) -> Result<SmsGateway, ConfigError> {
        let url = format!("{}/sms/send", config.base_url.trim_end_matches('/'));
        let url = url.parse().map_err(|_| ConfigError::Incomplete {
            section: "sms",
            what: "base_url is not an address",
        })?;
        Ok(SmsGateway {
            http,
            url,
            key: hmac::Key::new(hmac::HMAC_SHA256, config.key.expose().as_bytes()),
        })
    }

    /// Sends `text` to the number `to`; the same `id` is sent once however often it is asked for.
    ///
    /// # Errors
    ///
    /// [`SmsError`]: refused for good (4xx but 408 and 429), or to be tried again.
    pub async fn send(&self, id: &str, to: &str, text: &str) -> Result<(), SmsError> {
        let body = serde_json::to_vec(&Message { id, to, text }).expect("strings always serialize");
        let signature = HEXLOWER.encode(hmac::sign(&self.key, &body).as_ref());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(signature) = HeaderValue::from_str(&signature) {
            headers.insert("x-sms-signature", signature);
        }
        let sent = self
            .http
            .send(Method::POST, self.url.clone(), headers, body)
            .await;
        match sent {
            Ok(reply) if reply.is_success() => Ok(()),
            Ok(reply) => Err(SmsError {
                retryable: !(400..500).contains(&reply.status)
                    || [408, 429].contains(&reply.status),
                why: format!("status {}", reply.status),
            }),
            Err(why) => Err(SmsError {
                retryable: true,
                why: why.to_string(),
            }),
        }
    }
}
