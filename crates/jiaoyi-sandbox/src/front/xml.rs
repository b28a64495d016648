//! Answers for: calls and answers in XML and GBK, for institutions with old systems. Written from
//! `docs/biller-api.md`, section 11, with other code than the platform's.

use encoding_rs::{GB18030, GBK, UTF_8};
use roxmltree::{Document, Node};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The content type of such calls and answers.
pub const CONTENT: &str = "application/xml; charset=gbk";

/// What the contract calls an integer.
const NUMBERS: [&str; 13] = [
    "amount_differs",
    "amount_fen",
    "benefit_year",
    "count",
    "gross_fen",
    "line",
    "limit",
    "long",
    "short",
    "state_differs",
    "string_differs_at",
    "timestamp_skew_s",
    "tries",
];
/// What is true or false.
const FLAGS: [&str; 7] = [
    "address_allowed",
    "key_known",
    "mine",
    "more",
    "released",
    "signature_fits_your_string",
    "undone",
];
const LISTS: [&str; 3] = ["bills", "events", "items"];

/// Writes the fields of a call.
pub fn request(call: &Value) -> Vec<u8> {
    let mut text = "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<request>\n".to_owned();
    for (name, value) in call.as_object().into_iter().flatten() {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => escape(text),
            other => other.to_string(),
        };
        text += &format!("<{name}>{value}</{name}>\n");
    }
    text += "</request>\n";
    // What GBK lacks becomes `&#NUMBER;`, as in HTML.
    GBK.encode(&text).0.into_owned()
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// Reads an answer; `None` when it is none of the contract's.
pub fn response(body: &[u8]) -> Option<Value> {
    let utf_8 = body.starts_with(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let charset = if utf_8 { UTF_8 } else { GB18030 };
    let text = charset.decode_without_bom_handling_and_without_replacement(body)?;
    let document = Document::parse(&text).ok()?;
    let root = document.root_element();
    root.has_tag_name("response").then(|| fields(root))?
}

/// A body as people read it, in whatever encoding it is.
pub fn text(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) => text.into(),
        Err(_) => GB18030.decode_without_bom_handling(body).0,
    }
}

fn fields(element: Node<'_, '_>) -> Option<Value> {
    let mut all = Map::new();
    for field in element.children().filter(Node::is_element) {
        let name = field.tag_name().name();
        if all.insert(name.to_owned(), value(name, field)?).is_some() {
            return None;
        }
    }
    Some(Value::Object(all))
}

fn value(name: &str, field: Node<'_, '_>) -> Option<Value> {
    let mut inner = field.children().filter(Node::is_element).peekable();
    if LISTS.contains(&name) {
        let item = |item: Node<'_, '_>| item.has_tag_name("item").then(|| fields(item))?;
        return inner.map(item).collect();
    }
    if inner.peek().is_some() {
        return fields(field);
    }
    Some(match field.text() {
        None => Value::Null,
        Some(text) if NUMBERS.contains(&name) => text.parse::<i64>().ok()?.into(),
        Some(text) if FLAGS.contains(&name) => text.parse::<bool>().ok()?.into(),
        Some(text) => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_call_goes_as_the_contract_shows_it() {
        let call = json!({
            "seq": "1", "amount_fen": 40000, "terminal": null, "name": "𬱖<王>&",
        });
        let text = "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<request>\n<seq>1</seq>\n\
            <amount_fen>40000</amount_fen>\n<name>&#183382;&lt;王&gt;&amp;</name>\n</request>\n";
        assert_eq!(GBK.decode(&request(&call)).0, text);
    }

    #[test]
    fn an_answer_becomes_what_the_json_says() {
        let read = |text: &str| response(&GBK.encode(text).0);
        let text = "<?xml version=\"1.0\" encoding=\"GBK\"?>\n<response><name_masked>王*&#x2CC56;\
            </name_masked><bills><item><amount_fen>40000</amount_fen><items/><lock></lock>\
            <paid><channel>A7</channel></paid></item></bills><undone>true</undone></response>";
        assert_eq!(
            read(text),
            Some(json!({
                "name_masked": "王*𬱖",
                "bills": [{"amount_fen": 40000, "items": [], "lock": null, "paid": {"channel": "A7"}}],
                "undone": true,
            }))
        );
        for wrong in [
            "",
            "<answer><undone>true</undone></answer>",
            "<response><undone>yes</undone></response>",
            "<response><amount_fen>4e4</amount_fen></response>",
            "<response><seq>1</seq><seq>1</seq></response>",
            "<response><bills><bill/></bills></response>",
            "<!DOCTYPE response><response/>",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
