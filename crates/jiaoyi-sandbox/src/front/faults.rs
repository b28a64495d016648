//! Answers for: what goes wrong between an institution and the platform, by script.
//!
//! | `do` | what happens to the call |
//! |---|---|
//! | `lose_request` | it never leaves; the institution hears nothing |
//! | `lose_answer` | it is worked on; the institution hears nothing |
//! | `late` | it leaves `delay_s` seconds of the sandbox's clock later (default 60); until then, and after it, the institution hears nothing |
//! | `duplicate` | it is sent twice at the same moment |
//! | `wrong_amount` | it names one fen too much |
//! | `clock_off` | it is signed ten minutes ago |
//! | `forged_answer` | its answer is read as if one byte had changed on the way |
//!
//! Of what the platform tells (`events`), `lose_request` is answered 500 and not kept, `lose_answer` is
//! kept and answered 502, and `late` is never answered.
//!
//! Nobody waits for the deadline in real time: an institution that hears nothing knows it at once.

use serde::{Deserialize, Serialize};

use super::client::Point;

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Deed {
    LoseRequest,
    LoseAnswer,
    Late,
    Duplicate,
    WrongAmount,
    ClockOff,
    ForgedAnswer,
}

impl Deed {
    /// Whether there is anything at this point that it could do.
    pub(crate) const fn has_place(self, at: Point) -> bool {
        match self {
            Deed::LoseRequest | Deed::LoseAnswer | Deed::Late => true,
            Deed::Duplicate | Deed::ClockOff | Deed::ForgedAnswer => !matches!(at, Point::Events),
            // Whatever names an amount.
            Deed::WrongAmount => matches!(at, Point::Pay | Point::Reverse),
        }
    }
}

fn once() -> u32 {
    1
}

/// One fault script, as `POST /_sandbox/front/fault` takes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// A channel code such as `A7`, or `*` for every institution.
    pub(crate) code: String,
    pub(crate) at: Point,
    #[serde(rename = "do")]
    pub(crate) deed: Deed,
    /// How often it still strikes.
    #[serde(default = "once")]
    pub(crate) times: u32,
    #[serde(default)]
    pub(crate) delay_s: Option<u32>,
}

/// All scripts that still have strikes left, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    scripts: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.scripts.push(fault);
    }

    /// Takes one strike of the oldest script that fits.
    pub(crate) fn take(&mut self, code: &str, at: Point) -> Option<Fault> {
        let fits = |fault: &Fault| fault.at == at && (fault.code == "*" || fault.code == code);
        let index = self.scripts.iter().position(fits)?;
        let fault = self.scripts[index].clone();
        self.scripts[index].times = fault.times.saturating_sub(1);
        if self.scripts[index].times == 0 {
            self.scripts.remove(index);
        }
        Some(fault)
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.scripts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_as_often_as_told_and_only_where_told() {
        let mut faults = Faults::default();
        for text in [
            r#"{"code":"A7","at":"pay","do":"lose_answer","times":2}"#,
            r#"{"code":"*","at":"pay","do":"late"}"#,
        ] {
            faults.add(serde_json::from_str(text).unwrap());
        }
        assert!(faults.take("A7", Point::Query).is_none());
        let mut deed = |code| faults.take(code, Point::Pay).map(|fault| fault.deed);
        assert_eq!(deed("A7"), Some(Deed::LoseAnswer));
        assert_eq!(deed("A1"), Some(Deed::Late));
        assert_eq!(deed("A1"), None);
        assert_eq!(deed("A7"), Some(Deed::LoseAnswer));
        assert!(faults.waiting().is_empty());
    }
}
