//! The XML profile of the biller API: a translator at the door (docs/biller-api.md, section 11).
//!
//! An element for each field, with the JSON's names. A call is read into the same types as JSON, so
//! what is behind the door never sees XML, and the same call is the same call in either form.

mod charset;
mod fields;
mod tree;
mod write;

use axum::http::{HeaderMap, header};
use charset::Charset;
use jiaoyi_app::biller::{Misread, Profile};
use jiaoyi_domain::biller::wire;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What every call's outermost element is called.
const REQUEST: &str = "request";

/// XML in one encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xml {
    /// Somebody has said so; otherwise it is UTF-8.
    named: bool,
    /// In which the body is, or why that cannot be said.
    reads: Result<Charset, Misread>,
    writes: Charset,
}

/// What a call's headers ask for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The body is XML.
    pub body: Option<Xml>,
    /// The answer is to be XML.
    pub answer: Option<Xml>,
}

fn misread(field: &str, message: &str) -> Misread {
    Misread {
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

/// XML in the encoding that a media type names; `None` when it is none of XML.
fn of_media_type(text: &str) -> Option<Xml> {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next()?;
    let is_xml = ["application/xml", "text/xml"]
        .iter()
        .any(|known| kind.eq_ignore_ascii_case(known));
    if !is_xml {
        return None;
    }
    let label = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("charset");
        named.then(|| value.trim().trim_matches('"').to_owned())
    });
    Some(Xml::named(label.as_deref(), "content-type"))
}

impl Wanted {
    /// The content type decides; where it is neither JSON nor XML, as of a day file, `Accept` says
    /// how the answer is to be written.
    pub fn of(headers: &HeaderMap) -> Wanted {
        let text = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let content = text(header::CONTENT_TYPE);
        let body = of_media_type(content);
        let accepted = || text(header::ACCEPT).split(',').next();
        let answer = match &body {
            Some(xml) => Some(xml.clone()),
            None if content.to_ascii_lowercase().starts_with("application/json") => None,
            None => accepted().and_then(of_media_type),
        };
        Wanted { body, answer }
    }

    /// Now that the body has come: what it declares of itself counts where the header says nothing.
    #[must_use]
    pub fn with(self, body: &[u8]) -> Wanted {
        let (Some(xml), Some(label)) = (&self.body, charset::declared(body)) else {
            return self;
        };
        let declared = Xml::named(Some(&label), "encoding");
        let xml = match xml.named {
            false => declared,
            true if xml.reads.is_err() || xml.reads == declared.reads => return self,
            true => Xml {
                reads: Err(misread("encoding", "not the charset of the content type")),
                ..xml.clone()
            },
        };
        Wanted {
            body: Some(xml.clone()),
            answer: Some(xml),
        }
    }
}

impl Xml {
    /// By a label that stands at `place`; UTF-8 without one.
    fn named(label: Option<&str>, place: &str) -> Xml {
        let known = label.map_or(Some(Charset::Utf8), Charset::named);
        Xml {
            named: label.is_some(),
            reads: known.ok_or_else(|| misread(place, "utf-8, gbk, gb2312 or gb18030")),
            writes: known.unwrap_or(Charset::Utf8),
        }
    }
}

/// Reads a call of one type and writes it as JSON.
fn translated<T: DeserializeOwned + Serialize>(root: &tree::Element) -> Result<Vec<u8>, Misread> {
    let call: T = fields::read(root)?;
    serde_json::to_vec(&call).map_err(|_| misread("body", "not as documented"))
}

impl Profile for Xml {
    fn to_json(&self, verb: &str, body: &[u8]) -> Result<Vec<u8>, Misread> {
        let charset = self.reads.clone()?;
        let text = charset.read(body);
        let text = text.ok_or_else(|| misread("body", "not in its encoding"))?;
        let root = tree::read(&text)?;
        if root.name != REQUEST {
            return Err(misread(&root.name, "the outermost element is request"));
        }
        match verb {
            "query" => translated::<wire::Query>(&root),
            "collect" => translated::<wire::Collect>(&root),
            "release" => translated::<wire::Release>(&root),
            "pay" => translated::<wire::Pay>(&root),
            "reverse" => translated::<wire::Reverse>(&root),
            "status" => translated::<wire::Status>(&root),
            "reconcile" => translated::<wire::DayResult>(&root),
            "events" => translated::<wire::ListEvents>(&root),
            "replay" => translated::<wire::Replay>(&root),
            _ => Err(misread("body", "this verb takes no XML")),
        }
    }

    fn of_json(&self, json: &[u8]) -> Vec<u8> {
        write::response(json, self.writes)
    }

    fn content_type(&self) -> &'static str {
        match self.writes {
            Charset::Utf8 => "application/xml; charset=utf-8",
            Charset::Gbk => "application/xml; charset=gbk",
        }
    }
}

#[cfg(test)]
mod tests;
