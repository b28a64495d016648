//! UnionPay ACP 5.1.0 (银联在线支付, which also opens 云闪付): orders, refunds, notices and the daily
//! file of a direct merchant.
//!
//! PROTOCOLS: forms signed over sorted parameters hashed twice, answers that are not url-encoded, a
//! certificate with every message, amounts in fen, number and time together as an order's name.

mod bill;
mod meaning;
mod merchant;
mod message;
mod notice;
mod requests;
#[cfg(test)]
mod tests;
mod trust;

use crate::config::{ConfigError, UnionpayConfig, read_file};
use crate::crypto::{KeyFault, SigningThreads};
use crate::form;
use crate::gateway::{Call, Gateway, NoticeAnswer, closed_by_query, ready};
use crate::http::Http;
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, Notice,
    NoticeRefusal, PayForm, QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::time::Instant;
use meaning::Answer;
use merchant::Merchant;
use message::{Fields, SIGNATURE, digest_of};
use requests::{BIZ_TYPE, Rendered};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method as Verb, Url};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use trust::{Trust, TrustFault};

/// UnionPay ACP 5.1.0 for one merchant.
pub struct UnionpayGateway {
    config: UnionpayConfig,
    http: Http,
    merchant: Merchant,
    trust: Trust,
}

impl UnionpayGateway {
    /// Opens the gateway; key files are relative to `dir`.
    pub(crate) fn open(
        config: UnionpayConfig,
        dir: &Path,
        http: Http,
        threads: Arc<SigningThreads>,
    ) -> Result<UnionpayGateway, ConfigError> {
        let (middle, root) = (&config.middle_cert, &config.root_cert);
        let trust = Trust::open(
            &read_file(dir, middle)?,
            &read_file(dir, root)?,
            config.test_certificates,
        );
        let trust = trust.map_err(|found| match found {
            TrustFault::Middle(what) => fault("unionpay.middle_cert", middle)(what),
            TrustFault::Root(what) => fault("unionpay.root_cert", root)(what),
        })?;
        Ok(UnionpayGateway {
            merchant: Merchant::open(&config, dir, threads)?,
            config,
            http,
            trust,
        })
    }

    /// All parameters of a request, the signature last.
    async fn signed(&self, request: Rendered) -> Option<Vec<(String, String)>> {
        let mut fields = request.into_fields();
        fields.push(("certId".to_owned(), self.merchant.cert_id.clone()));
        let message = digest_of(&form::signed_string(&fields));
        let signature = self.merchant.signer.sign(message).await?;
        fields.push((SIGNATURE.to_owned(), signature));
        Some(fields)
    }

    fn address(&self, service: &str) -> String {
        format!("{}/gateway/api/{service}.do", self.config.gateway_url)
    }

    /// Posts a request; the answer only when it is verified.
    async fn call(&self, service: &str, request: Rendered, now: Instant) -> Answer {
        let answer = self.post(&self.address(service), request, now, None).await;
        if let Err(why) = &answer {
            tracing::warn!(why, service, "there is no answer of UnionPay to believe");
        }
        answer
    }

    async fn post(
        &self,
        address: &str,
        request: Rendered,
        now: Instant,
        limits: Option<(usize, Duration)>,
    ) -> Answer {
        let fields = self.signed(request).await;
        let fields = fields.ok_or("no signature could be made")?;
        let url: Url = address
            .parse()
            .map_err(|_| "gateway_url is not an address")?;
        let mut headers = HeaderMap::new();
        let form = "application/x-www-form-urlencoded;charset=UTF-8";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
        let pairs = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let body = form::encode(pairs).into_bytes();
        let reply = match limits {
            None => self.http.send(Verb::POST, url, headers, body).await,
            Some(limits) => self.http.send_for_file(url, headers, body, limits).await,
        };
        let reply = reply.map_err(|why| why.to_string())?;
        if !reply.is_success() {
            return Err(format!("status {}", reply.status));
        }
        let fields = Fields::from_answer(&reply.body).ok_or("the answer is no message")?;
        let checked = self.trust.check(&fields, now);
        checked.map_err(|refusal| format!("{refusal}, respCode {}", fields.text("respCode")))?;
        Ok(fields)
    }

    async fn query_order(&self, no: &AttemptNo, rendered: &[u8], now: Instant) -> QueryOutcome {
        let Some(order) = Rendered::read(rendered, no.as_str()) else {
            return QueryOutcome::Unknown {
                why: NOT_OURS.to_owned(),
            };
        };
        let request = requests::query(&self.config, &order);
        meaning::query(&order, self.call("queryTrans", request, now).await, now)
    }

    async fn create_order(
        &self,
        method: Method,
        no: &AttemptNo,
        rendered: &[u8],
        now: Instant,
    ) -> CreateOutcome {
        let unknown = |why: &str| CreateOutcome::Unknown {
            why: why.to_owned(),
        };
        let Some(order) = Rendered::read(rendered, no.as_str()) else {
            return unknown(NOT_OURS);
        };
        match method {
            Method::UnionpayApp => {
                let answer = self.call("appTransReq", order.clone(), now).await;
                meaning::app_order(&order, answer)
            }
            Method::UnionpayWap | Method::UnionpayPage => match self.signed(order).await {
                Some(fields) => CreateOutcome::Ready(Handover::Form(PayForm {
                    action: self.address("frontTransReq"),
                    fields,
                })),
                None => unknown("no signature could be made"),
            },
            Method::WechatNative
            | Method::WechatH5
            | Method::WechatJsapi
            | Method::AlipayWap
            | Method::AlipayPage
            | Method::AlipayPrecreate
            | Method::Bank1Page
            | Method::Bank2Page
            | Method::Inbound(_) => CreateOutcome::Refused {
                code: "METHOD".to_owned(),
                message: format!("{} is not a method of UnionPay", method.code()),
            },
        }
    }
}

const NOT_OURS: &str = "the stored request is not one of this number";

impl Gateway for UnionpayGateway {
    fn channel(&self) -> ChannelCode {
        ChannelCode::Unionpay
    }

    fn merchant(&self) -> &str {
        &self.config.mer_id
    }

    fn app(&self) -> &str {
        BIZ_TYPE
    }

    fn render(&self, terms: &AttemptTerms) -> Vec<u8> {
        requests::order(&self.config, terms).to_bytes()
    }

    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, CreateOutcome> {
        Box::pin(self.create_order(method, no, rendered, now))
    }

    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, QueryOutcome> {
        Box::pin(self.query_order(no, rendered, now))
    }

    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, CloseOutcome> {
        Box::pin(async move { closed_by_query(self.query_order(no, rendered, now).await) })
    }

    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8> {
        requests::refund(&self.config, terms).to_bytes()
    }

    fn refund<'a>(
        &'a self,
        rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let Some(refund) = Rendered::read_any(rendered) else {
            return ready(RefundOutcome::Unknown {
                why: NOT_OURS.to_owned(),
            });
        };
        Box::pin(async move {
            let answer = self.call("backTransReq", refund.clone(), now).await;
            meaning::refund(&refund, answer)
        })
    }

    fn query_refund<'a>(
        &'a self,
        _attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let Some(refund) = Rendered::read(rendered, refund_no.as_str()) else {
            return ready(RefundOutcome::Unknown {
                why: NOT_OURS.to_owned(),
            });
        };
        Box::pin(async move {
            let request = requests::query(&self.config, &refund);
            let answer = self.call("queryTrans", request, now).await;
            meaning::query_refund(&refund, answer, now)
        })
    }

    fn read_notice(
        &self,
        _headers: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        notice::read(&self.trust, body, now)
    }

    /// UnionPay looks at the status alone.
    fn notice_answer(&self, ok: bool) -> NoticeAnswer {
        let text = "text/plain; charset=utf-8";
        if ok {
            (200, text, "ok")
        } else {
            (400, text, "fail")
        }
    }
}

/// Names the entry and the file of a key that was not accepted.
fn fault<'a>(entry: &'static str, path: &'a Path) -> impl FnOnce(KeyFault) -> ConfigError + 'a {
    move |what| ConfigError::Key {
        entry,
        path: path.display().to_string(),
        what,
    }
}
