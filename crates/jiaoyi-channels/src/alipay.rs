//! Alipay OpenAPI v2 (支付宝, `gateway.do`) and v3: orders, refunds and notices of a direct merchant.
//!
//! PROTOCOLS: RSA2 over sorted parameters, answers verified over their raw characters, key mode
//! and certificate mode, yuan strings with two decimals.

mod answer;
mod bill;
mod meaning;
mod notice;
mod requests;
#[cfg(test)]
mod tests;
mod v3;

use crate::cert::{Certificate, alipay_root_sn};
use crate::config::{AlipayApi, AlipayConfig, ConfigError, read_file};
use crate::crypto::{KeyFault, Signer, SigningThreads, Verifier};
use crate::form;
use crate::gateway::{Call, Gateway, NoticeAnswer, ready};
use crate::http::Http;
use answer::Answer;
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, Notice,
    NoticeRefusal, QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::time::Instant;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method as Verb, Url};
use std::path::Path;
use std::sync::Arc;

/// Alipay for one app and one receiving account.
pub struct AlipayGateway {
    config: AlipayConfig,
    http: Http,
    signer: Signer,
    trust: Trust,
}

/// How Alipay's signatures are checked, and what we send along so that they can be.
struct Trust {
    key: Verifier,
    /// Certificate mode only.
    certificates: Option<CertificateSns>,
}

/// The names of the certificates in certificate mode.
struct CertificateSns {
    app: String,
    root: String,
    alipay: String,
}

/// One request as it is signed.
struct Request<'a> {
    method: &'a str,
    biz_content: &'a str,
    notify_url: Option<&'a str>,
    return_url: Option<&'a str>,
}

impl<'a> Request<'a> {
    const fn new(method: &'a str, biz_content: &'a str) -> Request<'a> {
        Request {
            method,
            biz_content,
            notify_url: None,
            return_url: None,
        }
    }
}

impl Trust {
    /// Whether a certificate that was named is not the configured one; in key mode none is.
    fn is_stranger(&self, alipay_cert_sn: &str) -> bool {
        let mut known = self.certificates.iter();
        known.any(|sns| sns.alipay != alipay_cert_sn)
    }

    fn open(config: &AlipayConfig, dir: &Path) -> Result<Trust, ConfigError> {
        let files = (
            &config.app_cert,
            &config.alipay_cert,
            &config.alipay_root_cert,
        );
        match files {
            (Some(app), Some(alipay), Some(root)) => {
                let read = |entry, path: &Path| {
                    Certificate::parse_pem(&read_file(dir, path)?).map_err(fault(entry, path))
                };
                let alipay_certificate = read("alipay.alipay_cert", alipay)?;
                let root_sn = alipay_root_sn(&Certificate::parse_bundle(&read_file(dir, root)?));
                if root_sn.is_empty() {
                    return Err(fault("alipay.alipay_root_cert", root)(
                        "there is no RSA certificate",
                    ));
                }
                Ok(Trust {
                    key: Verifier::from_der(&alipay_certificate.public_key)
                        .map_err(fault("alipay.alipay_cert", alipay))?,
                    certificates: Some(CertificateSns {
                        app: read("alipay.app_cert", app)?.alipay_sn,
                        root: root_sn,
                        alipay: alipay_certificate.alipay_sn,
                    }),
                })
            }
            (None, None, None) => {
                let path = config.alipay_public_key.as_deref();
                let path = path.ok_or(ConfigError::Incomplete {
                    section: "alipay",
                    what: "alipay_public_key or the three certificates are needed",
                })?;
                Ok(Trust {
                    key: Verifier::parse(&read_file(dir, path)?)
                        .map_err(fault("alipay.alipay_public_key", path))?,
                    certificates: None,
                })
            }
            _ => Err(ConfigError::Incomplete {
                section: "alipay",
                what: "app_cert, alipay_cert and alipay_root_cert go together",
            }),
        }
    }
}

impl AlipayGateway {
    /// Opens the gateway; key files are relative to `dir`.
    pub(crate) fn open(
        config: AlipayConfig,
        dir: &Path,
        http: Http,
        threads: Arc<SigningThreads>,
    ) -> Result<AlipayGateway, ConfigError> {
        let signer = Signer::parse(&read_file(dir, &config.app_private_key)?, threads)
            .map_err(fault("alipay.app_private_key", &config.app_private_key))?;
        let trust = Trust::open(&config, dir)?;
        Ok(AlipayGateway {
            config,
            http,
            signer,
            trust,
        })
    }

    /// All parameters of a request, the signature last.
    async fn signed(&self, request: &Request<'_>, now: Instant) -> Option<Vec<(&str, String)>> {
        let mut parameters = vec![
            ("app_id", self.config.app_id.clone()),
            ("method", request.method.to_owned()),
            ("format", "JSON".to_owned()),
            ("charset", "utf-8".to_owned()),
            ("sign_type", "RSA2".to_owned()),
            ("timestamp", now.local()),
            ("version", "1.0".to_owned()),
        ];
        if let Some(sns) = &self.trust.certificates {
            parameters.push(("app_cert_sn", sns.app.clone()));
            parameters.push(("alipay_root_cert_sn", sns.root.clone()));
        }
        let urls = [
            ("notify_url", request.notify_url),
            ("return_url", request.return_url),
        ];
        for (name, url) in urls {
            if let Some(url) = url.filter(|url| !url.is_empty()) {
                parameters.push((name, url.to_owned()));
            }
        }
        parameters.push(("biz_content", request.biz_content.to_owned()));
        let message = form::signed_string(&parameters);
        parameters.push(("sign", self.signer.sign(message).await?));
        Some(parameters)
    }

    /// Calls a method by the configured version of the API; `nonce` is of no other call.
    async fn call(&self, request: &Request<'_>, now: Instant, nonce: &str) -> Answer {
        match self.config.api {
            AlipayApi::V2 => self.call_v2(request, now).await,
            AlipayApi::V3 => self.call_v3(request, now, nonce).await,
        }
    }

    /// Calls the gateway: public parameters in the address, `biz_content` in the body.
    async fn call_v2(&self, request: &Request<'_>, now: Instant) -> Answer {
        let nothing = |why: &str| Answer::Nothing {
            why: why.to_owned(),
        };
        let Some(parameters) = self.signed(request, now).await else {
            return nothing("no signature could be made");
        };
        let in_body = |name: &str| name == "biz_content";
        let pairs = |body: bool| {
            form::encode(
                parameters
                    .iter()
                    .filter(|(name, _)| in_body(name) == body)
                    .map(|(name, value)| (*name, value.as_str())),
            )
        };
        let Ok(url) = format!("{}?{}", self.config.gateway_url, pairs(false)).parse::<Url>() else {
            return nothing("gateway_url is not an address");
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
        let body = pairs(true).into_bytes();
        match self.http.send(Verb::POST, url, headers, body).await {
            Err(why) => nothing(&why.to_string()),
            Ok(reply) if !reply.is_success() => nothing(&format!("status {}", reply.status)),
            Ok(reply) => {
                let answer = answer::read(request.method, &reply.body, &self.trust);
                if let Answer::Nothing { why } = &answer {
                    let method = request.method;
                    tracing::warn!(why, method, "an answer of Alipay was not believed");
                }
                answer
            }
        }
    }

    /// The link for a browser: everything in the address, nothing is called.
    async fn link(&self, request: &Request<'_>, now: Instant) -> CreateOutcome {
        let Some(parameters) = self.signed(request, now).await else {
            return CreateOutcome::Unknown {
                why: "no signature could be made".to_owned(),
            };
        };
        let query = form::encode(
            parameters
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let url = format!("{}?{query}", self.config.gateway_url);
        CreateOutcome::Ready(Handover::Redirect(url))
    }

    async fn query_order(&self, no: &AttemptNo, now: Instant, nonce: &str) -> QueryOutcome {
        let content = serde_json::json!({ "out_trade_no": no.as_str() }).to_string();
        let request = Request::new("alipay.trade.query", &content);
        let answer = self.call(&request, now, nonce).await;
        meaning::query(&self.config, no, answer, now)
    }

    async fn create_order(
        &self,
        method: Method,
        no: &AttemptNo,
        rendered: &[u8],
        now: Instant,
        nonce: &str,
    ) -> CreateOutcome {
        let Some(order) = requests::Rendered::order(rendered, no) else {
            return CreateOutcome::Unknown {
                why: "the stored request is not one of this attempt".to_owned(),
            };
        };
        let Some(name) = requests::method_name(method) else {
            return CreateOutcome::Refused {
                code: "METHOD".to_owned(),
                message: format!("{} is not a method of Alipay", method.code()),
            };
        };
        let request = Request {
            notify_url: Some(&order.notify_url),
            // A call has no browser that could be sent back.
            return_url: (!method.placed_by_call()).then_some(&order.return_url),
            ..Request::new(name, &order.biz_content)
        };
        if method.placed_by_call() {
            meaning::precreate(self.call(&request, now, nonce).await)
        } else {
            self.link(&request, now).await
        }
    }
}

impl Gateway for AlipayGateway {
    fn channel(&self) -> ChannelCode {
        ChannelCode::Alipay
    }

    fn merchant(&self) -> &str {
        &self.config.seller_id
    }

    fn app(&self) -> &str {
        &self.config.app_id
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
        Box::pin(async move { self.query_order(no, now, &nonce).await })
    }

    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        _rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, CloseOutcome> {
        Box::pin(async move {
            let content = serde_json::json!({ "out_trade_no": no.as_str() }).to_string();
            let request = Request::new("alipay.trade.close", &content);
            match meaning::close(no, self.call(&request, now, &nonce).await) {
                Some(outcome) => outcome,
                None => {
                    // Another call wants another nonce.
                    let nonce = format!("{nonce}Q");
                    meaning::refused_close(self.query_order(no, now, &nonce).await)
                }
            }
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
        let Some((order, terms)) = requests::Rendered::refund(rendered) else {
            return ready(RefundOutcome::Unknown {
                why: "the stored request is not a refund".to_owned(),
            });
        };
        Box::pin(async move {
            let request = Request {
                notify_url: Some(&order.notify_url),
                ..Request::new("alipay.trade.refund", &order.biz_content)
            };
            meaning::refund(&terms, self.call(&request, now, &nonce).await, now)
        })
    }

    fn query_refund<'a>(
        &'a self,
        attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        _rendered: &'a [u8],
        now: Instant,
        nonce: String,
    ) -> Call<'a, RefundOutcome> {
        Box::pin(async move {
            let content = serde_json::json!({
                "out_trade_no": attempt_no.as_str(),
                "out_request_no": refund_no.as_str(),
                "query_options": ["gmt_refund_pay"],
            })
            .to_string();
            let request = Request::new("alipay.trade.fastpay.refund.query", &content);
            let answer = self.call(&request, now, &nonce).await;
            meaning::query_refund(refund_no.as_str(), answer, now)
        })
    }

    fn read_notice(
        &self,
        headers: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        notice::read(&self.trust, headers, body, now)
    }

    fn notice_answer(&self, ok: bool) -> NoticeAnswer {
        let text = "text/plain; charset=utf-8";
        if ok {
            (200, text, "success")
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
