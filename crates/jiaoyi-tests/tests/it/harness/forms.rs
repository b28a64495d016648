//! Reads our own pages as a payer's browser does: links, forms, hidden fields. The pages are ours,
//! so a small reader is enough.

use std::collections::BTreeMap;

/// One form of a page.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Form {
    /// Sets a field, adding it when it is not there.
    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as a browser sends it.
    pub fn body(&self) -> String {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&self.fields);
        body.finish()
    }
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// The attributes of a tag; all ours are quoted or bare.
fn attributes(tag: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut rest = tag
        .split_once(char::is_whitespace)
        .map_or("", |(_, rest)| rest)
        .trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').unwrap_or(quoted.len());
            value = unescape(&quoted[..close]);
            rest = quoted.get(close + 1..).unwrap_or_default();
        }
        found.insert(name, value);
        rest = rest.trim_start();
    }
    found
}

fn tags(page: &str) -> Vec<(String, BTreeMap<String, String>)> {
    page.split('<')
        .skip(1)
        .filter_map(|part| {
            let inner = &part[..part.find('>')?];
            let name = inner.split_whitespace().next().unwrap_or_default();
            Some((name.to_ascii_lowercase(), attributes(inner)))
        })
        .collect()
}

/// The forms of a page, with radio buttons as a browser would send them untouched.
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
                });
            }
            ("/form", Some(_)) => found.extend(open.take()),
            ("input", Some(form)) if !text("name").is_empty() => {
                let choice = matches!(text("type").as_str(), "radio" | "checkbox");
                if !choice || attributes.contains_key("checked") {
                    form.fields.push((text("name"), text("value")));
                }
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

#[test]
fn a_form_is_read_as_a_browser_reads_it() {
    let page = r#"<form action="/a?b=1&amp;c=2" method="post"><input type="hidden" name="k" value="v&quot;"><input type="radio" name="w" value="self" checked><input type="radio" name="w" value="other"></form><a class="btn" href="/next">n</a>"#;
    let form = &forms(page)[0];
    assert_eq!(form.action, "/a?b=1&c=2");
    assert_eq!(form.body(), "k=v%22&w=self");
    assert_eq!(form.get("w"), Some("self"));
    assert_eq!(links(page), ["/next"]);
}
