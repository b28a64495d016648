//! Textual rules: what the compiler cannot know and a reviewer should not have to look for.
//!
//! Each rule is a function from the tree of files to its findings. A table (`RULES`) names them
//! all; for each one a sample stands in `samples` that breaks it, so that no rule can rot into one
//! that never fires.

mod api_rules;
mod code_rules;
mod file_rules;
#[cfg(test)]
mod samples;
mod source;
mod sql_rules;
mod tree;

use anyhow::Result;

use tree::Tree;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: String,
    /// From 1; 0 when the finding concerns the whole file.
    pub line: usize,
    pub what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Finding {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

/// What a broken rule means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// The run fails.
    Error,
    /// The run prints it and goes on.
    Warning,
}

/// One rule.
struct Rule {
    name: &'static str,
    says: &'static str,
    weight: Weight,
    check: fn(&Tree) -> Vec<Finding>,
}

const fn rule(name: &'static str, says: &'static str, check: fn(&Tree) -> Vec<Finding>) -> Rule {
    Rule {
        name,
        says,
        weight: Weight::Error,
        check,
    }
}

const RULES: &[Rule] = &[
    rule(
        "dependency-direction",
        "a crate depends only on the crates that ARCHITECTURE.md draws below it",
        code_rules::dependency_direction,
    ),
    rule(
        "dependencies-noted",
        "every outside crate has a line in docs/decisions/0007-dependencies.md",
        code_rules::dependencies_noted,
    ),
    rule(
        "api-unbroken",
        "what integrators have built on stays: docs/biller-api/openapi.json keeps what the released one has",
        api_rules::api_unbroken,
    ),
    rule(
        "pure-domain",
        "no clock, randomness, float, async, file, network or output in jiaoyi-domain",
        code_rules::pure_domain,
    ),
    rule(
        "sql-only-in-store",
        "SQL stands only in jiaoyi-store",
        code_rules::sql_only_in_store,
    ),
    rule(
        "portable-sql",
        "SQL holds nothing that a distributed PostgreSQL refuses or that engines do differently",
        sql_rules::portable_sql,
    ),
    rule(
        "outbound-only-in-channels",
        "outbound connections begin only in jiaoyi-channels (and in the sandbox and tests)",
        code_rules::outbound_only_in_channels,
    ),
    rule(
        "http-only-in-web",
        "HTTP is served only by the web and sandbox crates",
        code_rules::http_only_in_web,
    ),
    rule(
        "wording-in-locales",
        "Chinese wording of pages stands only in the locale files of jiaoyi-web",
        code_rules::wording_in_locales,
    ),
    rule(
        "module-header",
        "every Rust file starts with a //! header",
        code_rules::module_header,
    ),
    Rule {
        name: "line-length",
        says: "Rust lines have at most 100 columns where that is possible",
        weight: Weight::Warning,
        check: code_rules::line_length,
    },
    rule(
        "line-length-max",
        "no Rust line has more than 120 columns",
        code_rules::line_length_max,
    ),
    Rule {
        name: "function-length",
        says: "functions fit one screen (70 lines)",
        weight: Weight::Warning,
        check: code_rules::function_length,
    },
    rule(
        "todo-with-issue",
        "a TODO names its issue (#12)",
        code_rules::todo_with_issue,
    ),
    rule(
        "no-ignored-tests",
        "no test is ignored and none expects a panic",
        code_rules::no_ignored_tests,
    ),
    rule(
        "source-ids",
        "every source id in code and documents stands in docs/SOURCES.md",
        file_rules::source_ids,
    ),
    rule(
        "glossary-types",
        "the types that docs/GLOSSARY.md names are in the code",
        file_rules::glossary_types,
    ),
    rule(
        "markdown-title",
        "a document has one title",
        file_rules::markdown_title,
    ),
    rule(
        "markdown-links",
        "links between files lead somewhere",
        file_rules::markdown_links,
    ),
    rule(
        "readme-length",
        "README.md has at most 120 lines",
        file_rules::readme_length,
    ),
    rule(
        "changelog-format",
        "CHANGELOG.md keeps its form",
        file_rules::changelog_format,
    ),
    rule(
        "file-size",
        "no file above 1 MiB but the font",
        file_rules::file_size,
    ),
    rule(
        "no-machine-names",
        "no name of a package registry's host and no path of one machine",
        file_rules::no_machine_names,
    ),
    rule(
        "executable-bits",
        "a file is executable exactly when it is a script to be called",
        file_rules::executable_bits,
    ),
    rule(
        "invented-id-numbers",
        "a valid ID number in the repository has region part 99xxxx",
        file_rules::invented_id_numbers,
    ),
];

/// What one rule found.
pub struct Outcome {
    pub name: &'static str,
    pub findings: Vec<Finding>,
    pub fails: bool,
}

/// Checks all rules on the repository.
pub fn check() -> Result<Vec<Outcome>> {
    let tree = Tree::of_repository()?;
    Ok(RULES
        .iter()
        .map(|rule| {
            let findings = (rule.check)(&tree);
            let fails = rule.weight == Weight::Error && !findings.is_empty();
            Outcome {
                name: rule.name,
                findings,
                fails,
            }
        })
        .collect())
}

/// `cargo xtask tidy`: prints what is broken; true when nothing is.
pub fn run() -> Result<bool> {
    let results = check()?;
    for result in &results {
        for line in result.lines() {
            println!("{line}");
        }
    }
    let failed = results.iter().filter(|result| result.fails).count();
    println!("tidy: {} rules, {failed} broken", results.len());
    Ok(failed == 0)
}

/// `cargo xtask tidy --list`.
pub fn list() {
    for rule in RULES {
        println!("{:<26} {}", rule.name, rule.says);
    }
}

impl Outcome {
    /// The findings as lines `path:line: rule: what`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let kind = if self.fails { "" } else { "warning: " };
        self.findings.iter().map(move |finding| {
            format!(
                "{}:{}: {kind}{}: {}",
                finding.path, finding.line, self.name, finding.what
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_fires_on_its_bad_sample_and_only_there() {
        let samples = samples::all();
        for rule in RULES {
            let mine: Vec<_> = samples
                .iter()
                .filter(|sample| sample.rule == rule.name)
                .collect();
            assert!(
                mine.iter().any(|sample| sample.bad),
                "no bad sample for {}",
                rule.name
            );
            assert!(
                mine.iter().any(|sample| !sample.bad),
                "no good sample for {}",
                rule.name
            );
            for sample in mine {
                let findings = (rule.check)(&sample.tree);
                let fired = !findings.is_empty();
                assert_eq!(
                    fired, sample.bad,
                    "{}: {} {findings:?}",
                    rule.name, sample.note
                );
            }
        }
        for sample in &samples {
            assert!(
                RULES.iter().any(|rule| rule.name == sample.rule),
                "{}",
                sample.rule
            );
        }
    }

    #[test]
    fn names_of_rules_are_unique() {
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }
}
