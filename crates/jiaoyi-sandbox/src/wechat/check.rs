//! Answers for: the form of what a merchant sends: the Authorization header, lengths, alphabets.

use serde_json::Value;

use super::Answer;

/// The five attributes of the Authorization header.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) mchid: String,
    pub(super) nonce_str: String,
    pub(super) timestamp: String,
    pub(super) serial_no: String,
    pub(super) signature: String,
}

/// Reads `SCHEME mchid="…",nonce_str="…",…` in any order. Each attribute exactly once, none empty.
pub(super) fn authorization(header: &str, scheme: &str) -> Option<Authorization> {
    let mut read = Authorization::default();
    let attributes = header.strip_prefix(scheme)?.strip_prefix(' ')?;
    for attribute in attributes.split(',') {
        let (name, value) = attribute.trim().split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let place = match name {
            "mchid" => &mut read.mchid,
            "nonce_str" => &mut read.nonce_str,
            "timestamp" => &mut read.timestamp,
            "serial_no" => &mut read.serial_no,
            "signature" => &mut read.signature,
            _ => return None,
        };
        if !place.is_empty() || value.is_empty() || value.contains('"') {
            return None;
        }
        value.clone_into(place);
    }
    let all = [
        &read.mchid,
        &read.nonce_str,
        &read.timestamp,
        &read.serial_no,
        &read.signature,
    ];
    (all.iter().all(|value| !value.is_empty()) && read.nonce_str.len() <= 32).then_some(read)
}

pub(super) fn param_error(message: &str) -> Answer {
    Answer::refusal(400, "PARAM_ERROR", message)
}

/// A text member of `min..=max` characters.
pub(super) fn text<'a>(
    body: &'a Value,
    name: &str,
    min: usize,
    max: usize,
) -> Result<&'a str, Answer> {
    let value = body[name]
        .as_str()
        .ok_or_else(|| param_error(&format!("参数错误：\"{name}\"缺失或不是字符串")))?;
    let length = value.chars().count();
    if length < min || length > max {
        return Err(param_error(&format!(
            "参数错误：\"{name}\"长度{length}，应在{min}到{max}之间"
        )));
    }
    Ok(value)
}

/// Like [`text`], for a member that may be left out.
pub(super) fn optional_text<'a>(
    body: &'a Value,
    name: &str,
    max: usize,
) -> Result<Option<&'a str>, Answer> {
    if body.get(name).is_none_or(Value::is_null) {
        return Ok(None);
    }
    text(body, name, 0, max).map(Some)
}

pub(super) fn alphabet(name: &str, value: &str, extra: &str) -> Result<(), Answer> {
    let fits = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    if value.chars().all(fits) {
        return Ok(());
    }
    Err(param_error(&format!(
        "参数错误：\"{name}\"含有不允许的字符"
    )))
}

/// A whole number of fen, at least 1.
pub(super) fn fen(body: &Value, name: &str) -> Result<u64, Answer> {
    body[name]
        .as_u64()
        .filter(|fen| *fen >= 1)
        .ok_or_else(|| param_error(&format!("参数错误：\"{name}\"必须是大于0的整数，单位分")))
}

/// A notify address: http or https, at most 256 characters, without a query string.
pub(super) fn notify_url(value: &str) -> Result<(), Answer> {
    let rest = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"));
    if rest.is_none_or(str::is_empty) || value.contains(['?', '#', ' ']) {
        return Err(param_error(
            "参数错误：\"notify_url\"必须是可访问的URL且不能携带参数",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

    #[test]
    fn reads_the_attributes_in_any_order() {
        let one = r#"WECHATPAY2-SHA256-RSA2048 mchid="1",nonce_str="2",timestamp="3",serial_no="4",signature="5=""#;
        let two = r#"WECHATPAY2-SHA256-RSA2048 signature="5=", serial_no="4",timestamp="3",nonce_str="2",mchid="1""#;
        let read = authorization(one, SCHEME).unwrap();
        assert_eq!(read.signature, "5=");
        assert_eq!(authorization(two, SCHEME), Some(read));
    }

    #[test]
    fn refuses_a_header_with_a_part_missing_twice_or_unquoted() {
        for bad in [
            "",
            "WECHATPAY2-SHA256-RSA2048",
            r#"WECHATPAY2-SM2-WITH-SM3 mchid="1",nonce_str="2",timestamp="3",serial_no="4",signature="5""#,
            r#"WECHATPAY2-SHA256-RSA2048 mchid="1",timestamp="3",serial_no="4",signature="5""#,
            r#"WECHATPAY2-SHA256-RSA2048 mchid="1",nonce_str="",timestamp="3",serial_no="4",signature="5""#,
            r#"WECHATPAY2-SHA256-RSA2048 mchid="1",mchid="1",nonce_str="2",timestamp="3",serial_no="4",signature="5""#,
            r#"WECHATPAY2-SHA256-RSA2048 mchid=1,nonce_str="2",timestamp="3",serial_no="4",signature="5""#,
        ] {
            assert_eq!(authorization(bad, SCHEME), None, "{bad}");
        }
    }
}
