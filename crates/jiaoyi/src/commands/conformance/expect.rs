//! What a case expects, and how it says what came instead.

use super::calls::Answer;
use serde_json::{Value, json};

/// Whether a case passed; otherwise what was expected and what came.
pub type Outcome = Result<(), String>;

/// As much of a body as a report should hold.
const SHOWN: usize = 2_000;

/// A body as text, cut.
pub fn pretty(body: &[u8]) -> String {
    let text = jiaoyi_sandbox::wire_text(body);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}

/// Fails with `why` unless `good`.
pub fn sure(good: bool, why: impl FnOnce() -> String) -> Outcome {
    if good { Ok(()) } else { Err(why()) }
}

impl Answer {
    /// The status, and fields by name or by pointer (`/paid/channel`).
    pub fn is(&self, status: u16, fields: &[(&str, Value)]) -> Outcome {
        sure(self.status == status, || {
            format!("expected {status}, came {}", self.told())
        })?;
        for (name, wanted) in fields {
            let found = self.field(name);
            sure(found == wanted, || {
                format!("expected {name} {wanted}, came {found}: {}", self.told())
            })?;
        }
        Ok(())
    }

    /// A field by name or by pointer; null when it is not there.
    pub fn field(&self, name: &str) -> &Value {
        const NULL: &Value = &Value::Null;
        match name.starts_with('/') {
            true => self.json.pointer(name).unwrap_or(NULL),
            false => &self.json[name],
        }
    }

    /// A text field that must be there.
    pub fn text(&self, name: &str) -> Result<&str, String> {
        let found = self.field(name).as_str().filter(|text| !text.is_empty());
        found.ok_or_else(|| format!("{name} is missing: {}", self.told()))
    }

    /// An error of the catalogue.
    pub fn error(&self, status: u16, code: &str) -> Outcome {
        self.is(status, &[("code", json!(code))])
    }

    /// A refusal for a reason.
    pub fn refused(&self, reason: &str) -> Outcome {
        let state = ("state", json!("REFUSED"));
        self.is(200, &[state, ("reason", json!(reason))])
    }

    /// The same body, byte for byte.
    pub fn same_as(&self, first: &Answer) -> Outcome {
        sure(
            (self.status, &self.body) == (first.status, &first.body),
            || {
                format!(
                    "the first answer was {}, this one {}",
                    first.told(),
                    self.told()
                )
            },
        )
    }
}
