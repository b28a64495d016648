//! A bank's own gateway (网上银行): one adapter for all banks, which differ by their profile.
//!
//! PROTOCOLS 5: a signed link to the bank's page, a signed notice, a query, a refund and a text file a
//! day. What names, charset, signature, unit and file a bank has is data (`bank/profile`).

mod bill;
mod keys;
pub(crate) mod profile;
#[cfg(test)]
mod tests;

use crate::config::{BankConfig, ConfigError, read_file};
use crate::crypto::SigningThreads;
use crate::form;
use crate::gateway::{Call, Gateway, NoticeAnswer, closed_by_query, ready};
use crate::http::Http;
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, News, Notice,
    NoticeRefusal, QueryOutcome, RefundOutcome, RefundTerms, SeenPayment,
};
use jiaoyi_domain::id::{AttemptNo, RefundNo};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::Instant;
use keys::Keys;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use profile::Profile;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method as Verb, Url};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The app through which everything is paid: banks know none.
const APP: &str = "page";
const NOT_OURS: &str = "the stored request is not one of this number";
const OTHER: &str = "the answer is about another number";

/// One bank's gateway for one merchant.
pub struct BankGateway {
    channel: ChannelCode,
    config: BankConfig,
    profile: Arc<Profile>,
    http: Http,
    keys: Keys,
}

/// Parameters by the bank's names, without the signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.get(name).map(String::as_str);
        found.filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    fn is_one_of(&self, name: &str, codes: &[String]) -> bool {
        self.get(name)
            .is_some_and(|word| codes.iter().any(|code| code == word))
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Fields {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

/// What is stored of an attempt or a refund: our number, and what is sent.
#[derive(Serialize, Deserialize)]
struct Rendered {
    number: String,
    /// Of a refund.
    amount_fen: u64,
    fields: Fields,
}

impl Rendered {
    fn read(rendered: &[u8]) -> Option<Rendered> {
        serde_json::from_slice(rendered).ok()
    }

    fn of(rendered: &[u8], number: &str) -> Option<Rendered> {
        Rendered::read(rendered).filter(|known| known.number == number)
    }

    fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings always serialize")
    }
}

impl BankGateway {
    /// Opens the gateway; files are relative to `dir`.
    pub(crate) fn open(
        channel: ChannelCode,
        config: BankConfig,
        dir: &Path,
        http: Http,
        threads: Arc<SigningThreads>,
    ) -> Result<BankGateway, ConfigError> {
        let section = channel.code();
        let text = String::from_utf8(read_file(dir, &config.profile)?);
        let text = text.map_err(|_| "the file is not UTF-8".to_owned());
        let profile = text.and_then(|text| Profile::parse(&text));
        let profile = profile.map_err(|what| ConfigError::Invalid {
            what: format!("{}: {what}", config.profile.display()),
        })?;
        Ok(BankGateway {
            keys: Keys::open(profile.signer, section, &config, dir, threads)?,
            channel,
            config,
            profile: Arc::new(profile),
            http,
        })
    }

    fn merchant_fields(&self) -> Fields {
        Fields::default().with(&self.profile.names.merchant, &self.config.merchant)
    }

    /// The parameters in the bank's charset.
    fn encoded(&self, fields: &Fields) -> Vec<(Vec<u8>, Vec<u8>)> {
        let encode = |text: &str| self.profile.encoding().encode(text).0.into_owned();
        let kept = fields.0.iter().filter(|(_, value)| !value.is_empty());
        kept.map(|(name, value)| (encode(name), encode(value)))
            .collect()
    }

    /// The form with its signature, percent-encoded byte by byte.
    async fn signed(&self, fields: &Fields) -> Option<String> {
        let mut pairs = self.encoded(fields);
        let sign = self.keys.sign(form::signed_string(&pairs)).await?;
        pairs.push((
            self.profile.names.sign.as_bytes().to_vec(),
            sign.into_bytes(),
        ));
        let escape = |bytes: &[u8]| percent_encode(bytes, NON_ALPHANUMERIC).to_string();
        let parts = pairs
            .iter()
            .map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        Some(parts.collect::<Vec<_>>().join("&"))
    }

    /// Reads a form that the bank signed.
    fn believed(&self, body: &[u8]) -> Result<Fields, NoticeRefusal> {
        let pairs = form::parse(body);
        let sign_name = self.profile.names.sign.as_bytes();
        let (signs, rest): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(name, _)| name == sign_name);
        let [(_, sign)] = signs.as_slice() else {
            return Err(NoticeRefusal::Unsigned);
        };
        let sign = std::str::from_utf8(sign).map_err(|_| NoticeRefusal::BadSignature)?;
        if !self.keys.verify(&form::signed_string(&rest), sign) {
            return Err(NoticeRefusal::BadSignature);
        }
        let encoding = self.profile.encoding();
        let decode = |bytes: &[u8]| {
            let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
            text.map(std::borrow::Cow::into_owned)
        };
        let mut fields = Fields::default();
        for (name, value) in &rest {
            let (name, value) = (decode(name), decode(value));
            let (Some(name), Some(value)) = (name, value) else {
                return Err(NoticeRefusal::Malformed);
            };
            // A name that comes twice could be verified in one place and read in the other.
            if fields.0.insert(name, value).is_some() {
                return Err(NoticeRefusal::Malformed);
            }
        }
        Ok(fields)
    }

    /// Posts a request; the answer only when the bank signed it.
    async fn call(&self, path: &str, fields: &Fields) -> Result<Fields, String> {
        let body = self
            .signed(fields)
            .await
            .ok_or("no signature could be made")?;
        let url = self.address(path)?;
        let mut headers = HeaderMap::new();
        let form = "application/x-www-form-urlencoded";
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(form));
        let sent = self.http.send(Verb::POST, url, headers, body.into_bytes());
        let reply = sent.await.map_err(|why| why.to_string())?;
        if !reply.is_success() {
            return Err(format!("status {}", reply.status));
        }
        let answer = self.believed(&reply.body).map_err(|why| why.to_string());
        if let Err(why) = &answer {
            tracing::warn!(why, path, "an answer of a bank was not believed");
        }
        answer
    }

    fn address(&self, path: &str) -> Result<Url, String> {
        let base = self.config.url.trim_end_matches('/');
        let url = format!("{base}{path}").parse();
        url.map_err(|_| "url is not an address".to_owned())
    }

    async fn query_order(&self, no: &AttemptNo, now: Instant) -> QueryOutcome {
        let unknown = |why: &str| QueryOutcome::Unknown {
            why: why.to_owned(),
        };
        let (names, codes) = (&self.profile.names, &self.profile.codes);
        let asked = self.merchant_fields().with(&names.order, no.as_str());
        let fields = match self.call(&self.profile.paths.query, &asked).await {
            Ok(fields) => fields,
            Err(why) => return unknown(&why),
        };
        if fields.text(&names.order) != no.as_str() {
            return unknown(OTHER);
        }
        let is = |list| fields.is_one_of(&names.state, list);
        if is(&codes.paid) {
            return self.payment(&fields, now).map_or_else(
                || unknown("the answer says paid without number or amount"),
                QueryOutcome::Paid,
            );
        }
        if is(&codes.not_paid) {
            QueryOutcome::NotPaid(None)
        } else if is(&codes.closed) {
            QueryOutcome::Closed
        } else if is(&codes.absent) {
            QueryOutcome::NotFound
        } else {
            unknown(&format!("state {}", fields.text(&names.state)))
        }
    }

    /// A payment as a query tells it, and as a notice does.
    fn payment(&self, fields: &Fields, now: Instant) -> Option<SeenPayment> {
        let names = &self.profile.names;
        let paid_at = fields.get(&names.paid_at);
        Some(SeenPayment {
            attempt_no: fields.get(&names.order)?.to_owned(),
            txn_id: fields.get(&names.txn)?.to_owned(),
            amount: self.profile.read_amount(fields.get(&names.amount)?)?,
            currency: "CNY".to_owned(),
            paid_at: paid_at
                .and_then(|text| self.profile.read_time(text))
                .unwrap_or(now),
            merchant: fields.text(&names.merchant).to_owned(),
            app: APP.to_owned(),
            refunded: false,
        })
    }

    /// How a refund stands, by an answer or a notice about it.
    fn refund_outcome(&self, fields: &Fields, now: Instant) -> RefundOutcome {
        let (names, codes) = (&self.profile.names, &self.profile.codes);
        let is = |list| fields.is_one_of(&names.state, list);
        let word = || fields.text(&names.state).to_owned();
        if is(&codes.refunded) {
            let amount = fields.get(&names.refund_amount);
            let at = fields.get(&names.refunded_at);
            return match amount.and_then(|text| self.profile.read_amount(text)) {
                Some(amount) => RefundOutcome::Done {
                    amount,
                    at: at
                        .and_then(|text| self.profile.read_time(text))
                        .unwrap_or(now),
                },
                None => RefundOutcome::Unknown {
                    why: "the refund has no amount".to_owned(),
                },
            };
        }
        if is(&codes.refunding) {
            RefundOutcome::Processing
        } else if is(&codes.refund_refused) {
            RefundOutcome::Closed { code: word() }
        } else if is(&codes.absent) {
            RefundOutcome::NotFound
        } else {
            RefundOutcome::Unknown {
                why: format!("state {}", word()),
            }
        }
    }

    async fn call_refund(
        &self,
        path: &str,
        asked: &Fields,
        refund_no: &str,
        now: Instant,
    ) -> RefundOutcome {
        match self.call(path, asked).await {
            Err(why) => RefundOutcome::Unknown { why },
            Ok(fields) if fields.text(&self.profile.names.refund) == refund_no => {
                self.refund_outcome(&fields, now)
            }
            Ok(_) => RefundOutcome::Unknown {
                why: OTHER.to_owned(),
            },
        }
    }

    async fn link(&self, method: Method, no: &AttemptNo, rendered: &[u8]) -> CreateOutcome {
        let unknown = |why: String| CreateOutcome::Unknown { why };
        if method.channel() != self.channel {
            return CreateOutcome::Refused {
                code: "METHOD".to_owned(),
                message: format!("{} is not a method of this bank", method.code()),
            };
        }
        let Some(order) = Rendered::of(rendered, no.as_str()) else {
            return unknown(NOT_OURS.to_owned());
        };
        let Some(query) = self.signed(&order.fields).await else {
            return unknown("no signature could be made".to_owned());
        };
        match self.address(&self.profile.paths.pay) {
            Ok(url) => CreateOutcome::Ready(Handover::Redirect(format!("{url}?{query}"))),
            Err(why) => unknown(why),
        }
    }
}

impl Gateway for BankGateway {
    fn channel(&self) -> ChannelCode {
        self.channel
    }

    fn merchant(&self) -> &str {
        &self.config.merchant
    }

    fn app(&self) -> &str {
        APP
    }

    fn render(&self, terms: &AttemptTerms) -> Vec<u8> {
        let (names, profile) = (&self.profile.names, &self.profile);
        let fields = self
            .merchant_fields()
            .with(&names.order, terms.no.as_str())
            .with(&names.amount, profile.amount(terms.amount))
            .with(&names.time, profile.time(terms.started_at))
            .with(&names.expires, profile.time(terms.expires_at))
            .with(&names.text, &terms.description)
            .with(&names.notify, &terms.notify_url)
            .with(&names.back, &terms.return_url);
        Rendered {
            number: terms.no.as_str().to_owned(),
            amount_fen: terms.amount.get(),
            fields,
        }
        .to_bytes()
    }

    fn create<'a>(
        &'a self,
        method: Method,
        no: &'a AttemptNo,
        rendered: &'a [u8],
        _now: Instant,
        _nonce: String,
    ) -> Call<'a, CreateOutcome> {
        Box::pin(self.link(method, no, rendered))
    }

    fn query<'a>(
        &'a self,
        no: &'a AttemptNo,
        _rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, QueryOutcome> {
        Box::pin(self.query_order(no, now))
    }

    /// Banks have no close: a query says what is known instead.
    fn close<'a>(
        &'a self,
        no: &'a AttemptNo,
        _rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, CloseOutcome> {
        Box::pin(async move { closed_by_query(self.query_order(no, now).await) })
    }

    fn render_refund(&self, terms: &RefundTerms) -> Vec<u8> {
        let (names, profile) = (&self.profile.names, &self.profile);
        let fields = self
            .merchant_fields()
            .with(&names.order, terms.attempt_no.as_str())
            .with(&names.txn, &terms.txn_id)
            .with(&names.refund, terms.no.as_str())
            .with(&names.refund_amount, profile.amount(terms.amount))
            .with(&names.time, profile.time(terms.asked_at))
            .with(&names.notify, &terms.notify_url);
        Rendered {
            number: terms.no.as_str().to_owned(),
            amount_fen: terms.amount.get(),
            fields,
        }
        .to_bytes()
    }

    fn refund<'a>(
        &'a self,
        rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, RefundOutcome> {
        let Some(refund) = Rendered::read(rendered) else {
            return ready(RefundOutcome::Unknown {
                why: NOT_OURS.to_owned(),
            });
        };
        Box::pin(async move {
            let path = &self.profile.paths.refund;
            let outcome = self.call_refund(path, &refund.fields, &refund.number, now);
            match outcome.await {
                // What was asked for a moment ago cannot be absent: the payment is, perhaps.
                RefundOutcome::NotFound => RefundOutcome::Unknown {
                    why: "the bank does not know the payment".to_owned(),
                },
                RefundOutcome::Done { amount, .. } if amount != Fen::new(refund.amount_fen) => {
                    RefundOutcome::Unknown {
                        why: "another amount went back than was asked for".to_owned(),
                    }
                }
                outcome => outcome,
            }
        })
    }

    fn query_refund<'a>(
        &'a self,
        attempt_no: &'a AttemptNo,
        refund_no: &'a RefundNo,
        _rendered: &'a [u8],
        now: Instant,
        _nonce: String,
    ) -> Call<'a, RefundOutcome> {
        Box::pin(async move {
            let names = &self.profile.names;
            let asked = self
                .merchant_fields()
                .with(&names.order, attempt_no.as_str())
                .with(&names.refund, refund_no.as_str());
            let path = &self.profile.paths.refund_query;
            self.call_refund(path, &asked, refund_no.as_str(), now)
                .await
        })
    }

    fn read_notice(
        &self,
        _headers: &[(String, String)],
        body: &[u8],
        now: Instant,
    ) -> Result<Notice, NoticeRefusal> {
        let fields = self.believed(body)?;
        let (names, codes) = (&self.profile.names, &self.profile.codes);
        if fields.text(&names.merchant) != self.config.merchant {
            return Err(NoticeRefusal::Malformed);
        }
        let (order, state) = (fields.text(&names.order), fields.text(&names.state));
        let (refund, txn) = (fields.text(&names.refund), fields.text(&names.txn));
        let news = if !refund.is_empty() {
            News::Refund {
                refund_no: refund.to_owned(),
                outcome: self.refund_outcome(&fields, now),
            }
        } else if fields.is_one_of(&names.state, &codes.paid) {
            let payment = self.payment(&fields, now);
            News::Payment(payment.ok_or(NoticeRefusal::Malformed)?)
        } else {
            News::Other(state.to_owned())
        };
        Ok(Notice {
            // A bank's notice bears no id of its own.
            id: format!("{order}/{txn}/{refund}/{state}"),
            news,
            plaintext: body.to_vec(),
        })
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
