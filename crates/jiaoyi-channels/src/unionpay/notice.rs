//! Reading what UnionPay sends on its own. No I/O.

use super::meaning::{Said, payment, refunded, said};
use super::message::Fields;
use super::trust::Trust;
use jiaoyi_domain::channel::{News, Notice, NoticeRefusal};
use jiaoyi_domain::time::Instant;

/// Verifies and reads a notice.
///
/// A notice carries neither an id nor a signed time of its own: it may come again for minutes, and
/// the transaction with its outcome is its name.
pub(super) fn read(trust: &Trust, body: &[u8], now: Instant) -> Result<Notice, NoticeRefusal> {
    // What cannot even be read has no signature that could be right.
    let fields = Fields::from_form(body).ok_or(NoticeRefusal::Unsigned)?;
    trust.check(&fields, now)?;
    let need = |name: &str| fields.get(name).ok_or(NoticeRefusal::Malformed);
    let (kind, code) = (need("txnType")?, need("respCode")?);
    let id = format!("{}-{kind}-{code}", need("queryId")?);
    Ok(Notice {
        id,
        news: news(&fields, kind, code, now)?,
        plaintext: body.to_vec(),
    })
}

fn news(fields: &Fields, kind: &str, code: &str, now: Instant) -> Result<News, NoticeRefusal> {
    match (kind, said(code)) {
        ("01", Said::Done) => {
            let seen = payment(fields, now).ok_or(NoticeRefusal::Malformed)?;
            Ok(News::Payment(seen))
        }
        // Sent of successes only; what a return of another code means is asked.
        ("04" | "31", Said::Done) => Ok(News::Refund {
            refund_no: fields
                .get("orderId")
                .ok_or(NoticeRefusal::Malformed)?
                .to_owned(),
            outcome: refunded(fields, "respCode", now),
        }),
        _ => Ok(News::Other(format!("{kind} {code}"))),
    }
}
