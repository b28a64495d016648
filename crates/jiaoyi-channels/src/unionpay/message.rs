//! Messages of ACP: names with values, read from either of their two wire forms, and the text that
//! is signed.

use crate::form;
use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::Instant;
use std::collections::BTreeMap;

/// The name under which a signature travels; it covers everything else.
pub(super) const SIGNATURE: &str = "signature";

/// The parameters of a message. Absent and empty are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Reads the body of an answer: `k=v&k=v`, **not** url-encoded.
    ///
    /// Values are Base64, PEM or text as they are; inside `{}` and `[]` an `&` belongs to the value,
    /// and only the first `=` ends a name. `None` for a name that comes twice: it could be verified
    /// in one place and read in the other.
    pub fn from_answer(body: &[u8]) -> Option<Fields> {
        let text = std::str::from_utf8(body).ok()?;
        let mut fields = BTreeMap::new();
        for part in split(text.trim_end_matches(['\r', '\n'])) {
            let (name, value) = part.split_once('=')?;
            if fields.insert(name.to_owned(), value.to_owned()).is_some() {
                return None;
            }
        }
        (!fields.is_empty()).then_some(Fields(fields))
    }

    /// Reads the body of a notice: an ordinary url-encoded form in UTF-8.
    pub fn from_form(body: &[u8]) -> Option<Fields> {
        let mut fields = BTreeMap::new();
        for (name, value) in form::parse(body) {
            let (name, value) = (
                String::from_utf8(name).ok()?,
                String::from_utf8(value).ok()?,
            );
            if fields.insert(name, value).is_some() {
                return None;
            }
        }
        (!fields.is_empty()).then_some(Fields(fields))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// As [`Fields::get`], empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// An amount in fen: up to twelve digits.
    pub fn amount(&self, name: &str) -> Option<Fen> {
        let digits = self.get(name)?;
        let plain = digits.len() <= 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok().map(Fen::new))?
    }

    /// When UnionPay worked on it: `traceTime` has no year, so it is the one nearest to `txnTime`.
    pub fn traced_at(&self) -> Option<Instant> {
        let (trace, placed) = (self.get("traceTime")?, self.get("txnTime")?);
        let year: i32 = placed.get(..4)?.parse().ok()?;
        let sent = time(placed)?;
        // A payment at New Year is traced in the year after, never before, its order.
        [year, year.saturating_add(1)]
            .into_iter()
            .filter_map(|year| time(&format!("{year:04}{trace}")))
            .min_by_key(|at| at.since_ms(sent).abs())
    }

    /// The texts that the signature may cover: without empty values, as it is agreed, and with them,
    /// as the official library verifies.
    pub fn signed_texts(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let some_empty = self.0.values().any(String::is_empty);
        let with_empty = some_empty.then(|| {
            let kept = self.0.iter().filter(|(name, _)| *name != SIGNATURE);
            let pairs: Vec<String> = kept
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            pairs.join("&").into_bytes()
        });
        std::iter::once(self.signed_text()).chain(with_empty)
    }

    fn signed_text(&self) -> Vec<u8> {
        let pairs: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter(|(name, _)| *name != SIGNATURE)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        form::signed_string(&pairs)
    }
}

/// What is signed of 5.1.0: the lower-case hex text of the SHA-256 of the text. The signature hashes
/// it once more.
pub(super) fn digest_of(text: &[u8]) -> Vec<u8> {
    HEXLOWER
        .encode(digest::digest(&digest::SHA256, text).as_ref())
        .into_bytes()
}

/// Splits at each `&` that stands outside brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut begin) = (Vec::new(), 0_usize, 0);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'&' if depth == 0 => {
                parts.extend(text.get(begin..place));
                begin = place + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(begin..));
    parts.retain(|part| !part.is_empty());
    parts
}

/// `YYYYMMDDhhmmss`, Beijing.
pub(super) fn compact(at: Instant) -> String {
    at.local().chars().filter(char::is_ascii_digit).collect()
}

/// Reads what [`compact`] writes.
pub(super) fn time(text: &str) -> Option<Instant> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to);
    Instant::parse(&format!(
        "{}-{}-{} {}:{}:{}",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_outside_brackets_and_at_the_first_equals_sign() {
        let pem = "-----BEGIN CERTIFICATE-----\r\nMIIB+a/b==\r\n-----END CERTIFICATE-----";
        let body = format!(
            "a=1&reserved={{x=1&y={{z=2&w=3}}}}&list=[b=1&c=2]&signature=ab+/cd==&cert={pem}&empty=\r\n"
        );
        let fields = Fields::from_answer(body.as_bytes()).unwrap();
        for (name, value) in [
            ("a", Some("1")),
            ("reserved", Some("{x=1&y={z=2&w=3}}")),
            ("list", Some("[b=1&c=2]")),
            ("signature", Some("ab+/cd==")),
            ("cert", Some(pem)),
            ("empty", None),
            ("y", None),
        ] {
            assert_eq!(fields.get(name), value, "{name}");
        }
        for wrong in ["", "a", "a=1&a=2", "<html></html>", "a=1&b"] {
            assert_eq!(Fields::from_answer(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Fields::from_answer(b"a=\xc4\xe3"), None);
    }

    #[test]
    fn a_notice_is_url_encoded() {
        let fields = Fields::from_form(b"a=1%2B1&b=%E4%BD%A0&c=x+y").unwrap();
        assert_eq!(
            (fields.text("a"), fields.text("b"), fields.text("c")),
            ("1+1", "你", "x y")
        );
        assert_eq!(Fields::from_form(b"a=1&a=1"), None);
        assert_eq!(Fields::from_form(b""), None);
    }

    #[test]
    fn an_amount_is_digits_and_a_time_finds_its_year() {
        let fields = |body: &str| Fields::from_answer(body.as_bytes()).unwrap();
        for (text, amount) in [
            ("40000", Some(40_000)),
            ("000000000001", Some(1)),
            ("-1", None),
            ("+1", None),
            ("1.00", None),
            ("0000000000001", None),
        ] {
            let read = fields(&format!("txnAmt={text}")).amount("txnAmt");
            assert_eq!(read, amount.map(Fen::new), "{text}");
        }
        for (placed, trace, at) in [
            ("20261122100000", "1122100130", Some("2026-11-22 10:01:30")),
            ("20261231235930", "0101000010", Some("2027-01-01 00:00:10")),
            ("20261231235930", "1231235959", Some("2026-12-31 23:59:59")),
            ("20261122100000", "1322100130", None),
        ] {
            let read = fields(&format!("txnTime={placed}&traceTime={trace}")).traced_at();
            assert_eq!(read, at.and_then(Instant::parse), "{placed} {trace}");
        }
        let now = Instant::parse("2026-11-22 10:00:05").unwrap();
        assert_eq!(compact(now), "20261122100005");
        assert_eq!(time("20261122100005"), Some(now));
    }
}
