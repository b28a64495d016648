//! An answer as a document: an element for each field, in the order of the JSON.

use super::charset::Charset;
use super::fields::ITEM;
use super::tree::is_character;
use serde_json::Value;
use std::fmt::Write as _;

/// What every answer's outermost element is called.
const RESPONSE: &str = "response";

/// Writes an answer.
pub fn response(json: &[u8], charset: Charset) -> Vec<u8> {
    document(
        RESPONSE,
        &serde_json::from_slice(json).unwrap_or_default(),
        charset,
    )
}

/// Writes a value under a name.
pub fn document(root: &str, value: &Value, charset: Charset) -> Vec<u8> {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"{}\"?>\n", charset.label());
    element(&mut out, root, value, charset);
    charset.written(out)
}

fn element(out: &mut String, name: &str, value: &Value, charset: Charset) {
    let _ = write!(out, "<{name}>");
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}");
        }
        Value::String(text) => escape(out, text, charset),
        Value::Array(items) => items
            .iter()
            .for_each(|item| element(out, ITEM, item, charset)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(field, value)| element(out, field, value, charset)),
    }
    let _ = write!(out, "</{name}>");
}

/// Writes a text; a character that the encoding does not hold by its number, one that XML does not
/// have as U+FFFD.
fn escape(out: &mut String, text: &str, charset: Charset) {
    for letter in text.chars() {
        let letter = if is_character(letter) {
            letter
        } else {
            '\u{fffd}'
        };
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Left as it is, a reader would take it for a line break.
            '\r' => out.push_str("&#xD;"),
            letter if charset.holds(letter) => out.push(letter),
            letter => {
                let _ = write!(out, "&#x{:X};", u32::from(letter));
            }
        }
    }
}
