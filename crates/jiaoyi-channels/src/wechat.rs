//! WeChat Pay API v3 (微信支付): orders, refunds and notices of a direct merchant.
//!
//! PROTOCOLS: request and answer signatures over five and three lines, AES-256-GCM resources,
//! a public key and platform certificates side by side.

mod answers;
mod bill;
mod call;
mod keys;
mod notice;
mod oauth;
mod requests;
#[cfg(test)]
mod tests;

pub use keys::RefreshError;
pub use oauth::OpenidError;

use crate::config::{ConfigError, WechatConfig, read_file};
use crate::crypto::{KeyFault, Opener, Signer, SigningThreads};
use crate::gateway::{Call, Gateway, NoticeAnswer, ready};
use crate::http::Http;
use call::Verb;
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Method, Notice, NoticeRefusal,
    QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::time::Instant;
use keys::Keys;
use std::path::Path;
use std::sync::Arc;

/// WeChat Pay API v3 for one merchant and one app.
pub struct WechatGateway {
    config: WechatConfig,
    http: Http,
    signer: Signer,
    opener: Opener,
    keys: Keys,
}

/// What the script bridge inside WeChat (`WeixinJSBridge`) needs to open the payment sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// `appId`.
    pub app_id: String,
    /// `timeStamp`, in seconds.
    pub time_stamp: String,
    /// `nonceStr`.
    pub nonce: String,
    /// `package`: `prepay_id=…`.
    pub package: String,
    /// `signType`: `RSA`.
    pub sign_type: String,
    /// `paySign`.
    pub pay_sign: String,
}

impl WechatGateway {
    /// Opens the gateway; key files are relative to `dir`.
    pub(crate) fn open(
        config: WechatConfig,
        dir: &Path,
        http: Http,
        threads: Arc<SigningThreads>,
    ) -> Result<WechatGateway, ConfigError> {
        let signer = Signer::parse(&read_file(dir, &config.merchant_key)?, threads)
            .map_err(fault("wechat.merchant_key", &config.merchant_key))?;
        let opener = Opener::try_new(config.apiv3_key.expose().as_bytes());
        let opener = opener.ok_or(ConfigError::Incomplete {
            section: "wechat",
            what: "apiv3_key has 32 characters",
        })?;
        let keys = Keys::open(&config, dir)?;
        Ok(WechatGateway {
            config,
            http,
            signer,
            opener,
            keys,
        })
    }

    /// Signs what the page inside WeChat hands to the script bridge.
    ///
    /// `None` when no signature could be made, which only a runtime that ends causes.
    pub async fn bridge(&self, prepay_id: &str, now: Instant, nonce: String) -> Option<Bridge> {
        let time_stamp = seconds(now).to_string();
        let package = format!("prepay_id={prepay_id}");
        let message = bridge_message(&self.config.appid, &time_stamp, &nonce, &package);
        Some(Bridge {
            app_id: self.config.appid.clone(),
            time_stamp,
            nonce,
            package,
            sign_type: "RSA".to_owned(),
            pay_sign: self.signer.sign(message.into_bytes()).await?,
        })
    }

    async fn create_order(
        &self,
        method: Method,
        no: &AttemptNo,
        rendered: &[u8],
        now: Instant,
        nonce: &str,
    ) -> CreateOutcome {
        let Some(order) = requests::Order::read(rendered, no) else {
            return CreateOutcome::Unknown {
                why: "the stored request is not one of this attempt".to_owned(),
            };
        };
        let path = match method {
            Method::WechatNative => "/v3/pay/transactions/native",
            Method::WechatH5 => "/v3/pay/transactions/h5",
            Method::WechatJsapi => "/v3/pay/transactions/jsapi",
            Method::AlipayWap
            | Method::AlipayPage
            | Method::AlipayPrecreate
            | Method::UnionpayWap
            | Method::UnionpayPage
            | Method::UnionpayApp
            | Method::Bank1Page
            | Method::Bank2Page
            | Method::Inbound(_) => {
                return CreateOutcome::Refused {
                    code: "METHOD".to_owned(),
                    message: format!("{} is not a method of WeChat Pay", method.code()),
                };
            }
        };
        let answer = self
            .call(Verb::Post, path, order.body.into_bytes(), now, nonce)
            .await;
        answers::create(method, answer, &order.return_url)
    }
}

impl Gateway for WechatGateway {
    fn channel(&self) -> ChannelCode {
        ChannelCode::Wechat
    }

    fn merchant(&self) -> &str {
        &self.config.mchid
    }

    fn app(&self) -> &str {
        &self.config.appid
    }

    fn render(&self, terms: &AttemptTerms) -> Vec<u8> {
        requests::order(&self.config, terms)
    }

    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CreateOutcome> {
        Box::pin(async move { self.create_order(method, no, rendered, now, &nonce).await })
    }

    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        _rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, QueryOutcome> {
        let mchid = &self.config.mchid;
        let path = format!("/v3/pay/transactions/out-trade-no/{no}?mchid={mchid}");
        Box::pin(async move {
            let answer = self.call(Verb::Get, &path, Vec::new(), now, &nonce).await;
            answers::query(no, answer, now)
        })
    }

    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        _rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CloseOutcome> {
        let path = format!("/v3/pay/transactions/out-trade-no/{no}/close");
        let body = serde_json::json!({ "mchid": self.config.mchid }).to_string();
        Box::pin(async move {
            let body = body.into_bytes();
            let answer = self.call(Verb::Post, &path, body, now, &nonce).await;
            answers::close(answer)
        })
    }

    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8> {
        requests::refund(terms)
    }

    fn refund<'a>(
        &'a self,
        rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let Some(refund_no) = requests::refund_no(rendered) else {
            return ready(RefundOutcome::Unknown {
                why: "the stored request is not a refund".to_owned(),
            });
        };
        Box::pin(async move {
            let path = "/v3/refund/domestic/refunds";
            let body = rendered.to_vec();
            let answer = self.call(Verb::Post, path, body, now, &nonce).await;
            answers::refund(&refund_no, answer, now)
        })
    }

    fn query_refund<'a>(
        &'a self,
        _attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        _rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let path = format!("/v3/refund/domestic/refunds/{refund_no}");
        Box::pin(async move {
            let answer = self.call(Verb::Get, &path, Vec::new(), now, &nonce).await;
            answers::query_refund(refund_no.as_str(), answer, now)
        })
    }

    fn read_notice(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        notice::read(
            &self.config.mchid,
            &self.keys,
            &self.opener,
            headers,
            body,
            now,
        )
    }

    fn notice_answer(&self, ok: bool) -> NoticeAnswer {
        let json = "application/json";
        if ok {
            (200, json, r#"{"code":"SUCCESS","message":"OK"}"#)
        } else {
            (400, json, r#"{"code":"FAIL","message":"not accepted"}"#)
        }
    }
}

/// The four lines that the bridge's signature covers.
fn bridge_message(app_id: &str, time_stamp: &str, nonce: &str, package: &str) -> String {
    format!("{app_id}\n{time_stamp}\n{nonce}\n{package}\n")
}

/// WeChat signs with whole seconds.
fn seconds(now: Instant) -> i64 {
    now.0.div_euclid(1_000)
}

/// Names the entry and the file of a key that was not accepted.
fn fault<'a>(entry: &'static str, path: &'a Path) -> impl FnOnce(KeyFault) -> ConfigError + 'a {
    move |what| ConfigError::Key {
        entry,
        path: path.display().to_string(),
        what,
    }
}
