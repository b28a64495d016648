//! Reading our own pages as a payer's browser does: links, forms, fields, cookies. Only for
//! `demo pay`; the pages are ours, so a small reader is enough.

use std::collections::BTreeMap;

/// One form of a page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
    /// Buttons with a name: name and value.
    pub buttons: Vec<(String, String)>,
    /// Radio choices: name and value.
    pub choices: Vec<(String, String)>,
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// The attributes of a tag.
fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag;
    while let Some(start) = rest.find(|c: char| c.is_whitespace()) {
        rest = rest[start..].trim_start();
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace() || c == '>')
            .unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').unwrap_or(quoted.len());
            value = unescape(&quoted[..close]);
            rest = quoted.get(close + 1..).unwrap_or_default();
        }
        if !name.is_empty() && name != "/" {
            found.insert(name, value);
        }
        if rest.is_empty() {
            break;
        }
        if !rest.starts_with(char::is_whitespace) {
            rest = rest
                .find(char::is_whitespace)
                .map_or("", |place| &rest[place..]);
        }
    }
    found
}

/// Every tag of a page: name and attributes.
fn tags(page: &str) -> Vec<(String, BTreeMap<String, String>)> {
    page.split('<')
        .skip(1)
        .filter_map(|part| {
            let inner = &part[..part.find('>')?];
            let name: String = inner
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
                .collect();
            Some((name.to_ascii_lowercase(), attributes(inner)))
        })
        .collect()
}

/// The forms of a page.
pub fn forms(page: &str) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    let mut open: Option<Form> = None;
    for (name, attributes) in tags(page) {
        let text = |key: &str| attributes.get(key).cloned().unwrap_or_default();
        match (name.as_str(), &mut open) {
            ("form", _) => {
                open = Some(Form {
                    action: text("action"),
                    ..Form::default()
                })
            }
            ("/form", Some(_)) => found.extend(open.take()),
            ("input", Some(form)) if !text("name").is_empty() => {
                let kind = text("type");
                let pair = (text("name"), text("value"));
                if kind == "radio" || kind == "checkbox" {
                    if attributes.contains_key("checked") {
                        form.fields.push(pair.clone());
                    }
                    form.choices.push(pair);
                } else {
                    form.fields.push(pair);
                }
            }
            ("button", Some(form)) if !text("name").is_empty() => {
                form.buttons.push((text("name"), text("value")));
            }
            _ => {}
        }
    }
    found
}

/// The targets of a page's links.
pub fn links(page: &str) -> Vec<String> {
    tags(page)
        .into_iter()
        .filter(|(name, _)| name == "a")
        .filter_map(|(_, attributes)| attributes.get("href").cloned())
        .collect()
}

impl Form {
    /// Sets a field, adding it when it is not there.
    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// The body as a browser sends it.
    pub fn body(&self) -> String {
        let encode = |text: &str| {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                        char::from(byte).to_string()
                    }
                    b' ' => "+".to_owned(),
                    _ => format!("%{byte:02X}"),
                })
                .collect::<String>()
        };
        let pairs: Vec<String> = self
            .fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        pairs.join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_a_browser_reads_it() {
        let page = r#"<form action="/a?b=1&amp;c=2" method="post"><input type="hidden" name="k" value="v&quot;"><input type="radio" name="w" value="self" checked><input type="radio" name="w" value="other"><button name="go" value="1">x</button></form><a href="/next">n</a>"#;
        let form = &forms(page)[0];
        assert_eq!(form.action, "/a?b=1&c=2");
        assert_eq!(form.body(), "k=v%22&w=self");
        assert_eq!(form.choices.len(), 2);
        assert_eq!(form.buttons, [("go".to_owned(), "1".to_owned())]);
        assert_eq!(links(page), ["/next"]);
    }
}
