//! An answer of the gateway: found in its raw characters, verified over them, then read.

use super::Trust;
use crate::crypto::Verifier;
use serde_json::{Map, Value};

/// What came back from a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// The fields of the answer and whether its signature was good.
    Told { fields: Fields, signed: bool },
    /// Nothing that can be believed.
    Nothing { why: String },
}

/// The fields of an answer. Amounts come as strings, from some methods as numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) const fn new(fields: Map<String, Value>) -> Fields {
        Fields(fields)
    }

    /// The text of a field; absent and empty are the same.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// `code`: 10000 is success.
    pub(super) fn code(&self) -> String {
        self.text("code").unwrap_or_default()
    }

    /// `sub_code`, or `code` when there is none.
    pub(super) fn reason(&self) -> String {
        self.text("sub_code").unwrap_or_else(|| self.code())
    }

    /// `sub_msg`, or `msg`.
    pub(super) fn message(&self) -> String {
        let message = self.text("sub_msg").or_else(|| self.text("msg"));
        message.unwrap_or_default()
    }
}

/// In certificate mode an answer names the certificate whose key signed it.
pub(super) const OTHER_CERTIFICATE: &str = "the answer is signed with another certificate";

/// Reads the answer of `method`.
///
/// A wrong signature makes the answer worthless; a missing one is possible with errors and is
/// passed on as unsigned.
pub(super) fn read(method: &str, body: &[u8], trust: &Trust) -> Answer {
    let nothing = |why: &str| Answer::Nothing {
        why: why.to_owned(),
    };
    let Some(members) = std::str::from_utf8(body).ok().and_then(members) else {
        return nothing("the answer is not a JSON object");
    };
    let find = |name: &str| {
        let mut found = members.iter().filter(|(key, _)| *key == name);
        // A name that comes twice could be verified in one place and read in the other.
        match (found.next(), found.next()) {
            (Some((_, raw)), None) => Some(*raw),
            _ => None,
        }
    };
    let name = format!("{}_response", method.replace('.', "_"));
    let (raw, is_error) = match (find(&name), find("error_response")) {
        (Some(raw), None) => (raw, false),
        (None, Some(raw)) => (raw, true),
        _ => return nothing("the answer has no response"),
    };
    let Ok(fields) = serde_json::from_str(raw) else {
        return nothing("the response is not a JSON object");
    };
    let fields = Fields(fields);
    if members
        .iter()
        .any(|(name, raw)| *name == "alipay_cert_sn" && trust.is_stranger(raw.trim_matches('"')))
    {
        return nothing(OTHER_CERTIFICATE);
    }
    let sign = find("sign").and_then(|raw| serde_json::from_str::<String>(raw).ok());
    let signed = match sign.filter(|sign| !sign.is_empty()) {
        Some(sign) if verify(&trust.key, raw, &sign) => true,
        Some(_) => return nothing("the signature of the answer is wrong"),
        None => false,
    };
    if !signed && !is_error && fields.code() == "10000" {
        return nothing("the answer is not signed");
    }
    Answer::Told { fields, signed }
}

/// Alipay signs with plain slashes what it sends with escaped ones, or as sent.
fn verify(key: &Verifier, raw: &str, sign: &str) -> bool {
    key.verify(raw.as_bytes(), sign)
        || (raw.contains("\\/") && key.verify(raw.replace("\\/", "/").as_bytes(), sign))
}

/// The members of a JSON object with their raw values, exactly as sent.
fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = text.trim().strip_prefix('{')?.trim_start();
    let mut members = Vec::new();
    if let Some(after) = rest.strip_prefix('}') {
        return after.is_empty().then_some(members);
    }
    loop {
        let (key, after) = value(rest)?;
        let key = key.strip_prefix('"')?.strip_suffix('"')?;
        let (raw, after) = value(after.trim_start().strip_prefix(':')?.trim_start())?;
        members.push((key, raw));
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None => return (after == "}").then_some(members),
        }
    }
}

/// Splits one JSON value off the front: brackets are counted, those inside strings are not.
fn value(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (place, byte) in text.bytes().enumerate() {
        let mut ends_after = false;
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => {
                    in_string = false;
                    ends_after = depth == 0;
                }
                _ => {}
            }
        } else {
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                // A bare number or word ends where its surroundings go on.
                b'}' | b']' | b',' if depth == 0 => return Some(text.split_at(place)),
                b'}' | b']' => {
                    depth -= 1;
                    ends_after = depth == 0;
                }
                _ => {}
            }
        }
        if ends_after {
            return text.split_at_checked(place + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::members;

    #[test]
    fn members_keep_their_raw_characters() {
        let text = r#" { "a_response" : {"x":"}\"{","u":"http:\/\/h","l":[1,{"y":2}]} , "n":12.50,"sign":"ab=" }"#;
        assert_eq!(
            members(text),
            Some(vec![
                (
                    "a_response",
                    r#"{"x":"}\"{","u":"http:\/\/h","l":[1,{"y":2}]}"#
                ),
                ("n", "12.50"),
                ("sign", r#""ab=""#),
            ])
        );
        assert_eq!(members("{}"), Some(Vec::new()));
        for broken in [
            "",
            "{",
            r#"{"a":{"b":1}"#,
            r#"{"a":"b"#,
            r#"{"a":1}x"#,
            "[1]",
            r#"{"a" 1}"#,
            r#"{a:1}"#,
        ] {
            assert_eq!(members(broken), None, "{broken}");
        }
    }
}
