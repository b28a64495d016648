//! Reading what Alipay sends on its own: signature, charset, meaning. No I/O.

use super::Trust;
use super::meaning::time;
use crate::crypto::Verifier;
use crate::form;
use encoding_rs::Encoding;
use jiaoyi_domain::channel::{News, Notice, NoticeRefusal, RefundOutcome, SeenPayment};
use jiaoyi_domain::id::RefundNo;
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::Instant;
use std::collections::BTreeMap;

/// Verifies and reads a notice.
///
/// A notice carries no signed time: it may come again for 25 hours, and a repeated one is known
/// by its id.
pub(super) fn read(
    trust: &Trust,
    headers: &[(String, String)],
    body: &[u8],
    now: Instant,
) -> Result<Notice, NoticeRefusal> {
    let parameters = form::parse(body);
    let raw = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    };
    let ascii = |name: &str| raw(name).and_then(|value| std::str::from_utf8(value).ok());
    let sign = ascii("sign").filter(|sign| !sign.is_empty());
    let sign = sign.ok_or(NoticeRefusal::Unsigned)?;
    // SHA-1 signatures (`RSA`) are not what was agreed on.
    if ascii("sign_type").is_some_and(|kind| kind != "RSA2") {
        return Err(NoticeRefusal::BadSignature);
    }
    if ascii("alipay_cert_sn").is_some_and(|sn| trust.is_stranger(sn)) {
        return Err(NoticeRefusal::UnknownKey);
    }
    if !verify(&trust.key, &parameters, sign) {
        return Err(NoticeRefusal::BadSignature);
    }
    let label = ascii("charset").map_or_else(|| charset(headers), str::to_owned);
    let fields = Fields::decode(&parameters, &label).ok_or(NoticeRefusal::Malformed)?;
    Ok(Notice {
        id: fields.get("notify_id").ok_or(NoticeRefusal::Malformed)?,
        news: news(&fields, now)?,
        plaintext: body.to_vec(),
    })
}

/// Whether a notice is signed by `key`, in either of the two ways that are in use.
pub(super) fn verify(key: &Verifier, parameters: &[(Vec<u8>, Vec<u8>)], sign: &str) -> bool {
    [false, true]
        .into_iter()
        .any(|with_sign_type| key.verify(&message(parameters, with_sign_type), sign))
}

/// Payment notices are signed without `sign_type`; some other kinds with it, sent or not.
pub(super) fn message(parameters: &[(Vec<u8>, Vec<u8>)], with_sign_type: bool) -> Vec<u8> {
    let mut covered: Vec<(&[u8], &[u8])> = parameters
        .iter()
        .map(|(key, value)| (key.as_slice(), value.as_slice()))
        .filter(|(key, _)| *key != b"sign_type")
        .collect();
    if with_sign_type {
        // Anything but RSA2 is refused before.
        covered.push((b"sign_type", b"RSA2"));
    }
    form::signed_string(&covered)
}

/// The charset of the Content-Type header, UTF-8 if it names none.
fn charset(headers: &[(String, String)]) -> String {
    let content_type = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let label = content_type.and_then(|(_, value)| value.split("charset=").nth(1));
    label.map_or("utf-8", str::trim).to_owned()
}

/// The parameters as text; a name that comes twice makes the notice unreadable.
struct Fields(BTreeMap<String, String>);

impl Fields {
    fn decode(parameters: &[(Vec<u8>, Vec<u8>)], label: &str) -> Option<Fields> {
        let encoding = Encoding::for_label(label.as_bytes())?;
        let text = |bytes: &[u8]| {
            encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .map(std::borrow::Cow::into_owned)
        };
        let mut fields = BTreeMap::new();
        for (key, value) in parameters {
            if fields.insert(text(key)?, text(value)?).is_some() {
                return None;
            }
        }
        Some(Fields(fields))
    }

    /// The value of a field; absent and empty are the same.
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn time(&self, name: &str) -> Option<Instant> {
        self.get(name).and_then(|text| time(&text))
    }

    /// Whether the notice tells of a refund; an unpaid trade closes with `refund_fee` 0.00.
    fn tells_refund(&self) -> bool {
        let fee = self.get("refund_fee");
        let fee = fee.and_then(|text| Fen::parse_yuan(&text));
        fee.is_some_and(|fee| !fee.is_zero()) || self.get("gmt_refund").is_some()
    }
}

fn news(fields: &Fields, now: Instant) -> Result<News, NoticeRefusal> {
    let kind = fields.get("notify_type").unwrap_or_default();
    if kind != "trade_status_sync" {
        return Ok(News::Other(kind));
    }
    let status = fields.get("trade_status").unwrap_or_default();
    let refund = fields.tells_refund();
    match status.as_str() {
        "TRADE_SUCCESS" | "TRADE_FINISHED" => {}
        "TRADE_CLOSED" if refund => {}
        _ => return Ok(News::Other(status)),
    }
    let ours = fields
        .get("out_biz_no")
        .filter(|no| RefundNo::parse(no).is_some());
    match ours {
        // `refund_fee` counts all refunds of the trade: the amount of this one is asked for.
        Some(refund_no) if refund => Ok(News::Refund {
            refund_no,
            outcome: RefundOutcome::Processing,
        }),
        // A refund made in Alipay's console has no number of ours, but says what was paid.
        _ => payment(fields, refund, now).map(News::Payment),
    }
}

fn payment(fields: &Fields, refunded: bool, now: Instant) -> Result<SeenPayment, NoticeRefusal> {
    let need = |name: &str| fields.get(name).ok_or(NoticeRefusal::Malformed);
    // The time of the notice is the next best to the time of the payment.
    let paid_at = fields
        .time("gmt_payment")
        .or_else(|| fields.time("notify_time"));
    Ok(SeenPayment {
        attempt_no: need("out_trade_no")?,
        txn_id: need("trade_no")?,
        amount: Fen::parse_yuan(&need("total_amount")?).ok_or(NoticeRefusal::Malformed)?,
        currency: "CNY".to_owned(),
        paid_at: paid_at.unwrap_or(now),
        merchant: fields.get("seller_id").unwrap_or_default(),
        app: need("app_id")?,
        refunded,
    })
}
