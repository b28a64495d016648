//! The payer's openid: WeChat's OAuth, needed for payments inside WeChat (JSAPI).

use super::WechatGateway;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;

/// Why there is no openid. The payer can start again, or pay by QR code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenidError {
    /// The configuration has no `app_secret`.
    #[error("asking for the openid: app_secret is not configured")]
    NotConfigured,
    /// WeChat does not take the code: used, too old, or made up.
    #[error("asking for the openid: WeChat refused with {errcode}")]
    Refused {
        /// WeChat's `errcode`.
        errcode: i64,
    },
    /// No usable answer.
    #[error("asking for the openid: {why}")]
    Unavailable {
        /// What happened instead.
        why: String,
    },
}

impl OpenidError {
    /// Stable code for metrics and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            OpenidError::NotConfigured => "channels.wechat.openid.not_configured",
            OpenidError::Refused { .. } => "channels.wechat.openid.refused",
            OpenidError::Unavailable { .. } => "channels.wechat.openid.unavailable",
        }
    }
}

#[derive(Deserialize)]
struct Exchanged {
    openid: Option<String>,
    errcode: Option<i64>,
}

impl WechatGateway {
    /// Where a browser inside WeChat is sent to come back to `redirect_uri` with `code`, `state`.
    ///
    /// `None` when the configuration has no `app_secret`, without which the code is of no use.
    #[must_use]
    pub fn authorize_url(&self, redirect_uri: &str, state: &str) -> Option<String> {
        self.config.app_secret.as_ref()?;
        let base = self.config.oauth_base_url.as_deref();
        let base = base.unwrap_or("https://open.weixin.qq.com");
        let query = crate::form::encode(
            [
                ("appid", self.config.appid.as_str()),
                ("redirect_uri", redirect_uri),
                ("response_type", "code"),
                ("scope", "snsapi_base"),
                ("state", state),
            ]
            .into_iter(),
        );
        let base = base.trim_end_matches('/');
        Some(format!(
            "{base}/connect/oauth2/authorize?{query}#wechat_redirect"
        ))
    }

    /// Exchanges the code of the redirect, which works once, for the payer's openid.
    ///
    /// # Errors
    ///
    /// [`OpenidError`]; the address that was asked, which holds the secret, is in none of them.
    pub async fn openid(&self, code: &str) -> Result<String, OpenidError> {
        let secret = self.config.app_secret.as_ref();
        let secret = secret.ok_or(OpenidError::NotConfigured)?;
        let base = self.config.oauth_base_url.as_deref();
        let base = base.unwrap_or("https://api.weixin.qq.com");
        let query = crate::form::encode(
            [
                ("appid", self.config.appid.as_str()),
                ("secret", secret.expose()),
                ("code", code),
                ("grant_type", "authorization_code"),
            ]
            .into_iter(),
        );
        let unavailable = |why: String| OpenidError::Unavailable { why };
        let url: Url = format!(
            "{}/sns/oauth2/access_token?{query}",
            base.trim_end_matches('/')
        )
        .parse()
        .map_err(|_| unavailable("oauth_base_url is not an address".to_owned()))?;
        let reply = self
            .http
            .send(Method::GET, url, HeaderMap::new(), Vec::new())
            .await
            .map_err(|why| unavailable(why.to_string()))?;
        let exchanged: Exchanged = serde_json::from_slice(&reply.body)
            .map_err(|_| unavailable(format!("status {} without JSON", reply.status)))?;
        match (exchanged.openid, exchanged.errcode) {
            (Some(openid), None | Some(0)) if !openid.is_empty() => Ok(openid),
            (_, Some(errcode)) if errcode != 0 => Err(OpenidError::Refused { errcode }),
            _ => Err(unavailable("the answer has no openid".to_owned())),
        }
    }
}
