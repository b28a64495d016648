//! The report: a page for people, JUnit for machines.

use super::play::{Miss, Ran, Spoken};
use crate::exit::Exit;
use std::fmt::Write as _;
use std::path::Path;

/// A case that was run.
pub struct Done {
    pub name: &'static str,
    pub what: &'static str,
    pub outcome: Ran,
    pub seconds: f64,
    pub spoken: Vec<Spoken>,
}

/// Everything that was run.
pub struct Report {
    title: &'static str,
    suite: &'static str,
    head: String,
    done: Vec<Done>,
}

/// Text for HTML and XML; characters that XML does not know are left out.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push(letter),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1a;background:#fff}h1{font-size:1.5rem}table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #ddd}\
.good{color:#0a6b2d}.bad{color:#b3261e;font-weight:600}pre{white-space:pre-wrap;overflow-wrap:anywhere;\
background:#f4f4f4;padding:.5rem}summary{cursor:pointer}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}td,th{border-color:#444}\
pre{background:#262626}.good{color:#7bd99a}.bad{color:#ff9d94}}";

impl Report {
    /// An empty report: its title, the name of its suite for machines, and what was tried.
    pub fn new(title: &'static str, suite: &'static str, head: String) -> Report {
        Report {
            title,
            suite,
            head,
            done: Vec::new(),
        }
    }

    pub fn add(&mut self, done: Done) {
        self.done.push(done);
    }

    fn count(&self, of: impl Fn(&Ran) -> bool) -> usize {
        self.done.iter().filter(|done| of(&done.outcome)).count()
    }

    /// How many cases there were.
    pub fn all(&self) -> usize {
        self.done.len()
    }

    /// How many cases failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Err(Miss::Failed(_))))
    }

    /// How many cases could not be run.
    pub fn not_run(&self) -> usize {
        self.count(|outcome| matches!(outcome, Err(Miss::NotRun(_))))
    }

    /// How it went, in a sentence.
    pub fn verdict(&self) -> String {
        let (all, passed) = (self.all(), self.count(Result::is_ok));
        let not_run = match self.not_run() {
            0 => String::new(),
            some => format!(", {some} not run"),
        };
        format!("{passed} of {all} cases passed{not_run}")
    }

    /// Writes `conformance.html` and `junit.xml`.
    pub fn write(&self, folder: &Path) -> Result<(), Exit> {
        let write = |name: &str, text: String| {
            std::fs::create_dir_all(folder)?;
            std::fs::write(folder.join(name), text)
        };
        write("conformance.html", self.html())
            .and_then(|()| write("junit.xml", self.junit()))
            .map_err(|error| Exit::unexpected(format!("--report {}: {error}", folder.display())))
    }

    fn html(&self) -> String {
        let (all, failed) = (self.done.len(), self.failed());
        let verdict = match (failed, self.not_run()) {
            (0, 0) => format!("<p class=good>All {all} cases passed.</p>"),
            (0, not_run) if not_run == all => format!("<p>{}.</p>", self.verdict()),
            (0, _) => format!("<p class=good>{}.</p>", self.verdict()),
            _ => format!("<p class=bad>{failed} of {all} cases failed.</p>"),
        };
        let mut rows = String::new();
        for done in &self.done {
            let (class, word) = match &done.outcome {
                Ok(()) => ("good", "passed".to_owned()),
                Err(Miss::Failed(why)) => ("bad", format!("failed: {}", escaped(why))),
                Err(Miss::NotRun(why)) => ("", format!("not run: {}", escaped(why))),
            };
            let mut said = String::new();
            for spoken in &done.spoken {
                let (asked, answered) = (escaped(&spoken.asked), escaped(&spoken.answered));
                let _ = write!(said, "<pre>{asked}\n→ {answered}</pre>");
            }
            let (name, what) = (done.name, escaped(done.what));
            let calls = match done.spoken.len() {
                1 => "1 call".to_owned(),
                calls => format!("{calls} calls"),
            };
            let _ = writeln!(
                rows,
                "<tr id=\"{name}\"><td><code>{name}</code><td>{what}\
                 <details><summary>{calls}</summary>{said}</details>\
                 <td class={class}>{word}"
            );
        }
        format!(
            "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width,initial-scale=1\">\
             <title>Conformance: {failed} of {all} failed</title><style>{STYLE}</style>\
             <h1>{}: conformance</h1><p>{}</p>{verdict}\
             <table><tr><th>Case<th>What must be so<th>Result\n{rows}</table></html>\n",
            self.title,
            escaped(&self.head)
        )
    }

    fn junit(&self) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\">\n",
            self.suite,
            self.all(),
            self.failed(),
            self.not_run()
        );
        for done in &self.done {
            let (group, case) = done.name.split_once('.').unwrap_or(("", done.name));
            let seconds = done.seconds;
            let _ = write!(
                text,
                "  <testcase classname=\"{group}\" name=\"{case}\" time=\"{seconds:.3}\""
            );
            let _ = match &done.outcome {
                Ok(()) => writeln!(text, "/>"),
                Err(miss) => {
                    let (element, why) = match miss {
                        Miss::Failed(why) => ("failure", escaped(why)),
                        Miss::NotRun(why) => ("skipped", escaped(why)),
                    };
                    writeln!(text, "><{element} message=\"{why}\"/></testcase>")
                }
            };
        }
        text.push_str("</testsuite>\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_was_run_nothing_is_shown_as_good() {
        let mut report = Report::new("Gateway", "gateway", String::new());
        report.add(Done {
            name: "pay.by_hand",
            what: "somebody pays",
            outcome: Err(Miss::NotRun("needs a payer".to_owned())),
            seconds: 0.0,
            spoken: Vec::new(),
        });
        let html = report.html();
        assert!(html.contains("0 of 1 cases passed, 1 not run"), "{html}");
        assert!(!html.contains("class=good"), "{html}");
    }

    #[test]
    fn what_came_from_outside_cannot_break_out_of_the_report() {
        let mut report = Report::new("Biller API", "biller-api", "a&b".to_owned());
        report.add(Done {
            name: "pay.accepted",
            what: "it is <accepted>",
            outcome: Err(Miss::Failed("came \"<script>\"\u{1b}".to_owned())),
            seconds: 0.25,
            spoken: vec![Spoken {
                asked: "pay </pre>".to_owned(),
                answered: "200 <b>".to_owned(),
            }],
        });
        report.add(Done {
            name: "pay.by_hand",
            what: "somebody pays",
            outcome: Err(Miss::NotRun("needs a \"payer\"".to_owned())),
            seconds: 0.0,
            spoken: Vec::new(),
        });
        assert_eq!(report.verdict(), "0 of 2 cases passed, 1 not run");
        let (html, junit) = (report.html(), report.junit());
        assert!(
            !html.contains("<script>") && !html.contains("<b>") && html.contains("&lt;/pre&gt;")
        );
        assert!(
            junit.contains(r#"classname="pay" name="accepted" time="0.250""#),
            "{junit}"
        );
        assert!(
            junit.contains("came &quot;&lt;script&gt;&quot;\"/>"),
            "{junit}"
        );
        assert!(junit.contains(r#"failures="1" skipped="1""#), "{junit}");
        assert!(
            junit.contains("<skipped message=\"needs a &quot;payer&quot;\"/>"),
            "{junit}"
        );
    }
}
