//! Playing cases one after another, whoever is on the stage: an institution or our own adapters.

use super::expect::Outcome;
use super::report::{Done, Report};
use crate::exit::{Exit, note, print};
use futures_util::future::LocalBoxFuture;
use std::path::Path;

/// Why a case did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// What was expected and what came.
    Failed(String),
    /// What it would have needed.
    NotRun(String),
}

impl From<String> for Miss {
    fn from(why: String) -> Miss {
        Miss::Failed(why)
    }
}

/// How a case went.
pub type Ran = Result<(), Miss>;

/// How a case went that knows no other miss than its own.
pub fn ran<E>(outcome: Result<(), E>) -> Ran
where
    Miss: From<E>,
{
    outcome.map_err(Miss::from)
}

/// One case, with what it works on.
pub struct Case<K: 'static> {
    /// Group and name, `pay.twice`.
    pub name: &'static str,
    /// What must be so, in a sentence.
    pub what: &'static str,
    pub run: for<'k> fn(&'k K) -> LocalBoxFuture<'k, Ran>,
}

/// `case!("pay.twice", "what must be so", function)`.
macro_rules! case {
    ($name:literal, $what:literal, $run:path) => {
        $crate::commands::conformance::play::Case {
            name: $name,
            what: $what,
            run: |kit| {
                Box::pin(async move { $crate::commands::conformance::play::ran($run(kit).await) })
            },
        }
    };
}
pub(super) use case;

/// What was said in one exchange, for the report.
#[derive(Clone, Debug)]
pub struct Spoken {
    pub asked: String,
    pub answered: String,
}

/// What cases are played on.
pub trait Stage {
    /// What was said since the last time.
    fn take_spoken(&self) -> Vec<Spoken>;

    /// Undoes what a case has left.
    async fn tidy_up(&self) -> Outcome;
}

/// The cases whose name begins with `only`.
pub fn chosen<K>(
    cases: impl Iterator<Item = &'static Case<K>>,
    only: Option<&str>,
) -> Result<Vec<&'static Case<K>>, Exit> {
    let only = only.unwrap_or_default();
    let cases: Vec<_> = cases.filter(|case| case.name.starts_with(only)).collect();
    if cases.is_empty() {
        return Err(Exit::usage(format!(
            "--only {only}: no case begins like this; --list shows them all"
        )));
    }
    Ok(cases)
}

/// Prints the cases.
pub fn list<K>(cases: &[&Case<K>]) {
    for case in cases {
        print(format!("{:<32} {}", case.name, case.what));
    }
}

/// Plays the cases, a line of each on stderr.
pub async fn play<K: Stage>(kit: &K, cases: &[&Case<K>], report: &mut Report) {
    for (number, case) in (1..).zip(cases) {
        let begun = std::time::Instant::now();
        let outcome = (case.run)(kit).await;
        let outcome = match (outcome, kit.tidy_up().await) {
            (Ok(()), Err(why)) => Err(Miss::Failed(why)),
            (outcome, _) => outcome,
        };
        let (word, why) = match &outcome {
            Ok(()) => ("ok  ", None),
            Err(Miss::NotRun(why)) => ("--  ", Some(format!("not run: {why}"))),
            Err(Miss::Failed(why)) => ("FAIL", Some(format!("{}: {why}", case.what))),
        };
        note(format!("{number:>3}/{} {word} {}", cases.len(), case.name));
        if let Some(why) = why {
            note(format!("        {why}"));
        }
        report.add(Done {
            name: case.name,
            what: case.what,
            outcome,
            seconds: begun.elapsed().as_secs_f64(),
            spoken: kit.take_spoken(),
        });
    }
}

/// Writes the report and says how it went; exit 1 when a case failed.
pub fn conclude(report: &Report, folder: &Path, json: bool) -> Result<(), Exit> {
    report.write(folder)?;
    let shown = folder.join("conformance.html");
    if json {
        print(serde_json::json!({
            "cases": report.all(), "failed": report.failed(), "not_run": report.not_run(),
            "report": shown.display().to_string(),
        }));
    } else {
        print(format!("{}: {}", report.verdict(), shown.display()));
    }
    if report.failed() > 0 {
        Err(Exit::no())
    } else {
        Ok(())
    }
}
