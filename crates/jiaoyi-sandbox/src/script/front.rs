//! Answers for: rules about those who call the platform.
//!
//! ```toml
//! [[front]]
//! name = "the machine hears nothing"
//! front = "A7"          # a front end; every one unless given
//! at = "pay"            # query, collect, release, pay, reverse, status, reconcile; events: what they are told
//! do = "lose_answer"    # the deeds of `crate::front::faults`
//! nth = 1               # nth, every, percent, times, from, until and delay_s as in a [[rule]]
//! ```

use serde::Deserialize;
use serde_json::{Value, json};

use super::timing::{Timing, Told};
use crate::front::catalog::{INSTITUTIONS, Institution};
use crate::front::client::Point;
use crate::front::faults::{Deed, Fault};

/// A rule as it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrontText {
    name: Option<String>,
    front: Option<String>,
    at: Point,
    #[serde(rename = "do")]
    deed: Deed,
    nth: Option<u64>,
    every: Option<u64>,
    percent: Option<u64>,
    times: Option<u64>,
    from: Option<String>,
    until: Option<String>,
    delay_s: Option<u32>,
}

/// A rule that was found good, with what it has done.
#[derive(Clone, Debug)]
pub(super) struct FrontRule {
    text: FrontText,
    name: String,
    line: usize,
    pub(super) timing: Timing,
}

impl FrontRule {
    /// Checks a rule; the error begins with its name.
    pub(super) fn check(text: FrontText, number: usize, line: usize) -> Result<FrontRule, String> {
        let name = text.name.clone();
        let name = name.unwrap_or_else(|| format!("front {number}"));
        if let Some(code) = &text.front
            && Institution::by_code(code).is_none()
        {
            let known: Vec<&str> = INSTITUTIONS.iter().map(|own| own.code).collect();
            let known = known.join(", ");
            return Err(format!("{name}: front = {code:?} is none of {known}"));
        }
        if !text.deed.has_place(text.at) {
            let (deed, at) = (super::quoted(&text.deed), super::quoted(&text.at));
            return Err(format!("{name}: do = {deed} has nothing to strike at {at}"));
        }
        let timing = Timing::check(&Told {
            nth: text.nth,
            every: text.every,
            percent: text.percent,
            times: text.times,
            from: text.from.as_deref(),
            until: text.until.as_deref(),
        });
        Ok(FrontRule {
            timing: timing.map_err(|what| format!("{name}: {what}"))?,
            text,
            name,
            line,
        })
    }

    pub(super) fn is_about(&self, code: &str, at: Point, now_ms: i64) -> bool {
        self.text.at == at
            && self.text.front.as_deref().is_none_or(|own| own == code)
            && self.timing.holds(now_ms)
    }

    pub(super) fn strike(&self, code: &str) -> Fault {
        Fault {
            code: code.to_owned(),
            at: self.text.at,
            deed: self.text.deed,
            times: 1,
            delay_s: self.text.delay_s,
        }
    }

    pub(super) fn told(&self) -> Value {
        let text = &self.text;
        let head = json!({ "front": text.front, "at": text.at, "do": text.deed });
        super::told(head, &self.name, self.line, &self.timing)
    }
}
