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

#[cfg(test)]
mod tests {
    use crate::stub::{Play, Stub};
    use crate::testdata::channels;

    #[tokio::test]
    async fn a_message_is_signed_and_its_fate_is_told() {
        let stub = Stub::start().await;
        let sms = channels(&stub.base_url).sms.unwrap();
        for (status, code) in [
            (200, None),
            (400, Some("channels.sms.refused")),
            (401, Some("channels.sms.refused")),
            (408, Some("channels.sms.unavailable")),
            (429, Some("channels.sms.unavailable")),
            (500, Some("channels.sms.unavailable")),
        ] {
            stub.play(Play {
                status,
                ..Play::default()
            });
            let sent = sms.send("m-1", "19900000000", "您好").await;
            assert_eq!(sent.err().map(|error| error.code()), code, "{status}");
        }
        let asked = stub.asked();
        let body = r#"{"id":"m-1","to":"19900000000","text":"您好"}"#;
        assert_eq!(
            (asked.target.as_str(), asked.body.as_slice()),
            ("/sms/send", body.as_bytes())
        );
        // Made with: openssl dgst -sha256 -hmac not-a-secret
        assert_eq!(
            asked.headers["x-sms-signature"],
            "7740c5735a53098a99b76c9caf55625059fc7b40bd8d86d47ea3ec470419b768"
        );

        let nobody = channels("http://127.0.0.1:9").sms.unwrap();
        let error = nobody.send("m-1", "1", "x").await.unwrap_err();
        assert!(error.retryable);
    }
}
