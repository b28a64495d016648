//! Answers for: the frame of the sandbox's pages, and the odd answers that fault scripts need.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use maud::{DOCTYPE, Markup, html};

/// One style sheet for all pages: phone first, light and dark, contrasts of at least 4.5:1.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Nothing from elsewhere, no script; forms may go to the sandbox and be redirected to any shop.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A whole page. `title` is Chinese, `english` its small companion.
pub(crate) fn page(status: StatusCode, title: &str, english: &str, main: &Markup) -> Response {
    let body = html! {
        header.banner {
            strong { "演示环境：不是真的缴费" }
            " "
            span lang="en" { "Sandbox: everything is simulated, no money moves." }
        }
        main {
            h1 { (title) " " small lang="en" { (english) } }
            (main)
        }
        footer {
            p {
                "这一页扮演微信支付、支付宝和银联，一切都是模拟的。 "
                span lang="en" { "This page plays WeChat Pay, Alipay and UnionPay. Nothing here is real." }
            }
        }
    };
    document(status, title, "", "/_wallet/style.css", &body)
}

/// The HTML around a body; `class` is that of the root element, `style` where its style sheet is.
pub(crate) fn document(
    status: StatusCode,
    title: &str,
    class: &str,
    style: &str,
    body: &Markup,
) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="zh-CN" class=[Some(class).filter(|class| !class.is_empty())] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · 支付沙箱" }
                link rel="stylesheet" href=(style);
            }
            body { (body) }
        }
    };
    (
        status,
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
        ],
        markup.into_string(),
    )
        .into_response()
}

/// A page that only says something.
pub(crate) fn message(status: StatusCode, title: &str, english: &str, text: &str) -> Response {
    page(status, title, english, &html! { p { (text) } })
}

/// A body that fails at once: the connection breaks before a byte of the answer was sent.
struct BrokenBody;

impl http_body::Body for BrokenBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("lost by a fault script"))))
    }
}

/// An answer that never arrives.
pub(crate) fn broken() -> Response {
    Response::new(Body::new(BrokenBody))
}

/// Changes one letter or digit near the middle, so that the form stays what it was.
pub(crate) fn corrupt(body: &mut [u8]) {
    let middle = body.len() / 2;
    let place = body
        .iter()
        .skip(middle)
        .position(u8::is_ascii_digit)
        .map(|index| middle + index);
    let place = place.or_else(|| body.iter().position(u8::is_ascii_alphanumeric));
    if let Some(byte) = place.and_then(|index| body.get_mut(index)) {
        *byte = if *byte == b'7' { b'3' } else { b'7' };
    }
}

/// `url` with more query parameters.
pub(crate) fn with_parameters(url: &str, pairs: &[(String, String)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let (address, fragment) = match url.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (url, String::new()),
    };
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{query}{fragment}")
}

/// An address that a browser may be sent to.
pub(crate) fn is_web_address(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty()) && !url.contains(['\r', '\n', ' '])
}

/// JSON.
pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json; charset=utf-8")],
        value.to_string(),
    )
        .into_response()
}

/// The request's error as JSON: what was wrong and what is expected.
pub(crate) fn json_error(status: StatusCode, code: &str, message: &str) -> Response {
    json(
        status,
        &serde_json::json!({ "code": code, "message": message }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_join_an_address_with_or_without_a_query() {
        let pairs = [("a".to_owned(), "1 2".to_owned())];
        assert_eq!(with_parameters("http://x/y", &pairs), "http://x/y?a=1+2");
        assert_eq!(
            with_parameters("http://x/y?b=1#z", &pairs),
            "http://x/y?b=1&a=1+2#z"
        );
    }

    #[test]
    fn corrupting_changes_exactly_one_byte() {
        for text in [r#"{"amount":40000}"#, "7777", "abc"] {
            let mut bytes = text.as_bytes().to_vec();
            corrupt(&mut bytes);
            let changed = bytes
                .iter()
                .zip(text.as_bytes())
                .filter(|(a, b)| a != b)
                .count();
            assert_eq!((changed, bytes.len()), (1, text.len()), "{text}");
        }
    }
}
