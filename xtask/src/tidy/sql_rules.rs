//! Rules about SQL files: what a distributed PostgreSQL (Citus) would refuse, and what would make
//! one engine answer differently from another, must not be written in the first place.

use super::Finding;
use super::tree::{File, Tree};

/// Words that must not stand in a statement, with the reason.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        "trigger",
        "triggers are refused on distributed tables and hide decisions",
    ),
    ("procedure", "rules live in the domain"),
    ("function", "rules live in the domain"),
    ("autoincrement", "no number comes from a counter"),
    ("serial primary key", "no number comes from a counter"),
    ("as identity", "no number comes from a counter"),
    ("bigserial", "no number comes from a counter"),
    ("sequence", "no number comes from a counter"),
    ("nextval", "no number comes from a counter"),
    ("now()", "time is a parameter"),
    ("current_timestamp", "time is a parameter"),
    ("current_date", "time is a parameter"),
    ("datetime(", "time is a parameter"),
    ("strftime", "time is a parameter"),
    ("random()", "randomness is a parameter"),
    ("gen_random_uuid", "randomness is a parameter"),
    (
        "advisory",
        "correctness rests on rows, not on advisory locks",
    ),
    ("listen", "polling is the rule, a signal only wakes"),
    ("for update", "refused across shards"),
    ("insert or", "known to one engine only"),
    ("replace into", "known to one engine only"),
    ("rowid", "known to one engine only"),
    ("cascade", "nothing is deleted by the way"),
];

/// Every statement of the SQL files, without comments, lower case, single spaces, with its line.
fn statements(file: &File) -> Vec<(usize, String)> {
    let mut statements = Vec::new();
    let mut text = String::new();
    let mut first = 0;
    let mut close = |text: &mut String, first: usize| {
        if !text.is_empty() {
            statements.push((first, std::mem::take(text)));
        }
    };
    for (line, words) in file.lines() {
        // A comment line between statements ends one: generated files name them so.
        if words.trim_start().starts_with("-- name:") {
            close(&mut text, first);
        }
        let code = words.split("--").next().unwrap_or_default();
        for (at, part) in code.split(';').enumerate() {
            if at > 0 {
                close(&mut text, first);
            }
            for word in part.split_whitespace() {
                if text.is_empty() {
                    first = line;
                } else {
                    text.push(' ');
                }
                text.push_str(&word.to_lowercase());
            }
        }
    }
    close(&mut text, first);
    statements
}

/// The columns in the first brackets after `opening`.
fn columns_after<'a>(text: &'a str, opening: &str) -> Vec<&'a str> {
    let Some((_, rest)) = text.split_once(opening) else {
        return Vec::new();
    };
    let inside = rest
        .trim_start()
        .trim_start_matches('(')
        .split(')')
        .next()
        .unwrap_or_default();
    inside.split(',').map(str::trim).collect()
}

pub fn portable_sql(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".sql") {
        for (line, text) in statements(file) {
            findings.extend(
                problems(&text)
                    .into_iter()
                    .map(|what| Finding::new(&file.path, line, what)),
            );
        }
    }
    findings
}

fn problems(text: &str) -> Vec<String> {
    let mut problems: Vec<String> = FORBIDDEN
        .iter()
        .filter(|(word, _)| stands_in(text, word))
        .map(|(word, why)| format!("`{word}`: {why}"))
        .collect();
    if (text.starts_with("update ") || text.starts_with("delete ")) && !text.contains(" where ") {
        problems.push("changes rows without saying which".to_owned());
    }
    if text.contains("values (select") || text.contains("values ( select") {
        problems.push("a sub-select inside VALUES is refused when distributed".to_owned());
    }
    if text.starts_with("create table ") && text.replace("( ", "(").contains("(bucket ") {
        if columns_after(text, "primary key").first() != Some(&"bucket") {
            problems.push("the primary key of a sharded table starts with bucket".to_owned());
        }
        for part in ["unique", "foreign key"] {
            for (at, _) in text.match_indices(part) {
                if columns_after(&text[at..], part).first() != Some(&"bucket") {
                    problems.push(format!("a {part} of a sharded table starts with bucket"));
                }
            }
        }
    }
    problems
}

/// True when `word` stands in `text` and is not part of a longer name.
fn stands_in(text: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let longer = word.ends_with(name) && after.is_some_and(name);
        !before.is_some_and(name) && !longer
    })
}
