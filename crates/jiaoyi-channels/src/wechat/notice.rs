//! Reading what WeChat sends on its own: signature, time, decryption, meaning. No I/O.

use super::answers::{Refund, Transaction};
use super::call::{is_fresh, signed_message};
use super::keys::Keys;
use crate::crypto::Opener;
use jiaoyi_domain::channel::{News, Notice, NoticeRefusal};
use jiaoyi_domain::time::Instant;
use serde::Deserialize;

/// WeChat now and then sends a wrong signature on purpose; the right one follows.
const PROBE: &str = "WECHATPAY/SIGNTEST/";

#[derive(Deserialize)]
struct Envelope {
    id: String,
    create_time: Option<String>,
    event_type: String,
    resource: Resource,
}

#[derive(Deserialize)]
struct Resource {
    algorithm: String,
    ciphertext: String,
    #[serde(default)]
    associated_data: Option<String>,
    nonce: String,
}

/// Verifies and reads a notice.
pub(super) fn read(
    mchid: &str,
    keys: &Keys,
    opener: &Opener,
    headers: &[(String, String)],
    body: &[u8],
    now: Instant,
) -> Result<Notice, NoticeRefusal> {
    verify(keys, headers, body, now)?;
    let malformed = NoticeRefusal::Malformed;
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| malformed)?;
    let resource = &envelope.resource;
    if resource.algorithm != "AEAD_AES_256_GCM" {
        return Err(malformed);
    }
    let associated_data = resource.associated_data.as_deref().unwrap_or_default();
    let plaintext = opener
        .open(&resource.nonce, associated_data, &resource.ciphertext)
        .ok_or(malformed)?;
    // The time of the notice is the next best to the time of what it tells.
    let told_at = envelope.create_time.as_deref().and_then(Instant::parse);
    let news = match envelope.event_type.as_str() {
        "TRANSACTION.SUCCESS" => payment(&plaintext, told_at.unwrap_or(now))?,
        kind if kind.starts_with("REFUND.") => {
            refund(mchid, kind, &plaintext, told_at.unwrap_or(now))?
        }
        kind => News::Other(kind.to_owned()),
    };
    Ok(Notice {
        id: envelope.id,
        news,
        plaintext,
    })
}

fn verify(
    keys: &Keys,
    headers: &[(String, String)],
    body: &[u8],
    now: Instant,
) -> Result<(), NoticeRefusal> {
    let header = |name: &str| {
        let found = headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    };
    let unsigned = NoticeRefusal::Unsigned;
    let signature = header("wechatpay-signature").ok_or(unsigned)?;
    if signature.starts_with(PROBE) {
        return Err(NoticeRefusal::Probe);
    }
    let time = header("wechatpay-timestamp").ok_or(unsigned)?;
    let nonce = header("wechatpay-nonce").ok_or(unsigned)?;
    let serial = header("wechatpay-serial").ok_or(unsigned)?;
    if !is_fresh(time, now) {
        return Err(NoticeRefusal::StaleTime);
    }
    let key = keys.find(serial).ok_or(NoticeRefusal::UnknownKey)?;
    if key.verify(&signed_message(time, nonce, body), signature) {
        Ok(())
    } else {
        Err(NoticeRefusal::BadSignature)
    }
}

fn payment(plaintext: &[u8], told_at: Instant) -> Result<News, NoticeRefusal> {
    let transaction: Transaction =
        serde_json::from_slice(plaintext).map_err(|_| NoticeRefusal::Malformed)?;
    match transaction.trade_state.as_str() {
        "SUCCESS" | "REFUND" => transaction
            .payment(told_at)
            .map(News::Payment)
            .ok_or(NoticeRefusal::Malformed),
        other => Ok(News::Other(format!("TRANSACTION.{other}"))),
    }
}

fn refund(
    mchid: &str,
    kind: &str,
    plaintext: &[u8],
    told_at: Instant,
) -> Result<News, NoticeRefusal> {
    let refund: Refund = serde_json::from_slice(plaintext).map_err(|_| NoticeRefusal::Malformed)?;
    if refund.mchid.as_deref().is_some_and(|other| other != mchid) {
        return Ok(News::Other(format!("{kind} of another merchant")));
    }
    Ok(News::Refund {
        outcome: refund.outcome(told_at),
        refund_no: refund.out_refund_no,
    })
}
