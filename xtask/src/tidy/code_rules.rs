//! Rules about Rust code and crate manifests.

use super::Finding;
use super::tree::{File, Tree};

/// Which of our crates each crate may depend on. The picture of it stands in ARCHITECTURE.md.
const EDGES: &[(&str, &[&str])] = &[
    ("jiaoyi-domain", &[]),
    ("jiaoyi-crypto", &["jiaoyi-domain"]),
    ("jiaoyi-store", &["jiaoyi-domain"]),
    ("jiaoyi-channels", &["jiaoyi-domain"]),
    ("jiaoyi-documents", &["jiaoyi-domain"]),
    (
        "jiaoyi-app",
        &[
            "jiaoyi-channels",
            "jiaoyi-crypto",
            "jiaoyi-documents",
            "jiaoyi-domain",
            "jiaoyi-store",
        ],
    ),
    ("jiaoyi-web", &["jiaoyi-app", "jiaoyi-domain"]),
    ("jiaoyi-sandbox", &[]),
    ("xtask", &[]),
];

/// Crates that stand above all others and may use every one.
const TOPS: &[&str] = &["jiaoyi", "jiaoyi-tests"];

/// Crates from outside that give away what a crate does, and the crates that may do it.
const OUTSIDE: &[(&[&str], &[&str])] = &[
    (
        &["rusqlite", "tokio-postgres"],
        &["jiaoyi-store", "jiaoyi-tests"],
    ),
    (
        &["reqwest", "ureq", "hyper-util"],
        &["jiaoyi-channels", "jiaoyi-sandbox", "jiaoyi-tests"],
    ),
    (
        &["axum", "hyper"],
        &["jiaoyi-web", "jiaoyi-sandbox", "jiaoyi", "jiaoyi-tests"],
    ),
];

pub fn dependency_direction(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending("/Cargo.toml") {
        let Some(text) = &file.text else { continue };
        let home = file.home();
        if TOPS.contains(&home) {
            continue;
        }
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == home) else {
            findings.push(Finding::new(
                &file.path,
                0,
                "crate is not in the table of edges",
            ));
            continue;
        };
        match text.parse::<toml::Table>() {
            Err(error) => findings.push(Finding::new(&file.path, 0, error.to_string())),
            Ok(manifest) => {
                for name in dependencies(&manifest) {
                    let ours =
                        EDGES.iter().any(|(other, _)| *other == name) || TOPS.contains(&&*name);
                    if ours && !allowed.contains(&&*name) {
                        findings.push(Finding::new(
                            &file.path,
                            0,
                            format!("{home} must not depend on {name}"),
                        ));
                    }
                }
            }
        }
    }
    findings
}

/// All names under `[dependencies]`, `[dev-dependencies]` and `[build-dependencies]`, also those
/// for one target.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    names_under(
        manifest,
        &["dependencies", "dev-dependencies", "build-dependencies"],
    )
}

/// What the crate itself is built from; tests may use more.
fn shipped_dependencies(manifest: &toml::Table) -> Vec<String> {
    names_under(manifest, &["dependencies", "build-dependencies"])
}

fn names_under(manifest: &toml::Table, sections: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else {
            continue;
        };
        match key.as_str() {
            section if sections.contains(&section) => names.extend(table.keys().cloned()),
            "target" => {
                let targets = table.values().filter_map(toml::Value::as_table);
                names.extend(targets.flat_map(|target| names_under(target, sections)));
            }
            _ => {}
        }
    }
    names
}

const NOTES: &str = "docs/decisions/0007-dependencies.md";

pub fn dependencies_noted(tree: &Tree) -> Vec<Finding> {
    let notes = tree
        .get(NOTES)
        .and_then(|file| file.text.as_deref())
        .unwrap_or_default();
    let mut findings = Vec::new();
    for file in tree.ending("Cargo.toml") {
        let manifest = file
            .text
            .as_deref()
            .and_then(|text| text.parse::<toml::Table>().ok());
        let Some(manifest) = manifest else { continue };
        let mut names = dependencies(&manifest);
        names.extend(
            manifest
                .get("workspace")
                .and_then(toml::Value::as_table)
                .iter()
                .flat_map(|workspace| dependencies(workspace)),
        );
        for name in names.iter().filter(|name| !name.starts_with("jiaoyi-")) {
            if !notes.contains(&format!("| `{name}` |")) {
                findings.push(Finding::new(
                    &file.path,
                    0,
                    format!("{name} has no line in {NOTES}"),
                ));
            }
        }
    }
    findings
}

/// Names that must not stand in the code of the domain, with what they would bring in.
const IMPURE: &[(&str, &str)] = &[
    ("SystemTime", "a clock"),
    ("Instant::now", "a clock"),
    ("Zoned::now", "a clock"),
    ("Timestamp::now", "a clock"),
    ("rand::", "randomness"),
    ("getrandom", "randomness"),
    ("RandomState", "randomness"),
    ("f32", "floating point"),
    ("f64", "floating point"),
    ("async", "async"),
    (".await", "async"),
    ("tokio", "async"),
    ("std::fs", "files"),
    ("std::net", "the network"),
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::io", "input or output"),
    ("println!", "output"),
    ("eprintln!", "output"),
    ("print!", "output"),
];

pub fn pure_domain(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        if !file.path.starts_with("crates/jiaoyi-domain/src/") {
            continue;
        }
        for (line, code) in file.shipped(source) {
            for (word, brings) in IMPURE {
                if has_word(code, word) {
                    findings.push(Finding::new(
                        &file.path,
                        line,
                        format!("`{word}` brings {brings} into the domain"),
                    ));
                }
            }
        }
    }
    findings
}

/// True when `word` stands in `code` and is not part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let joined_before = word.starts_with(name) && before.is_some_and(name);
        let joined_after = word.ends_with(name) && after.is_some_and(name);
        !joined_before && !joined_after
    })
}

pub fn sql_only_in_store(tree: &Tree) -> Vec<Finding> {
    let mut findings = manifest_findings(tree, 0);
    for (file, source) in tree.rust() {
        if matches!(file.home(), "jiaoyi-store" | "jiaoyi-tests" | "xtask") {
            continue;
        }
        for piece in &source.strings {
            // A test may tamper with a database, to see that `verify` notices.
            if looks_like_sql(&piece.text) && !file.is_test(source, piece.line) {
                findings.push(Finding::new(
                    &file.path,
                    piece.line,
                    "a string that looks like SQL",
                ));
            }
        }
    }
    for file in tree.ending(".sql") {
        if !matches!(file.home(), "jiaoyi-store" | "jiaoyi-tests") {
            findings.push(Finding::new(&file.path, 0, "an SQL file outside the store"));
        }
    }
    findings
}

/// Openings of statements, lower case, one space between words, and what must follow somewhere.
const SQL: &[(&str, &str)] = &[
    ("select ", " from "),
    ("insert into ", ""),
    ("insert or ", " into "),
    ("update ", " set "),
    ("delete from ", ""),
    ("create table ", ""),
    ("create index ", ""),
    ("create unique index ", ""),
    ("alter table ", ""),
    ("drop table ", ""),
    ("pragma ", ""),
];

fn looks_like_sql(text: &str) -> bool {
    let unescaped = text.replace("\\n", " ").replace('\\', " ");
    let words = unescaped
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
        + " ";
    SQL.iter().any(|(opening, then)| {
        words
            .strip_prefix(opening)
            .is_some_and(|rest| format!(" {rest}").contains(then))
    })
}

pub fn outbound_only_in_channels(tree: &Tree) -> Vec<Finding> {
    let words = [
        "reqwest",
        "TcpStream::connect",
        "UnixStream::connect",
        "UdpSocket",
    ];
    let mut findings = manifest_findings(tree, 1);
    findings.extend(code_findings(tree, &words, may_connect));
    findings.extend(code_findings(tree, &["TcpSocket"], |file| {
        // A socket that listens for more who wait than the library's own listener does.
        may_connect(file) || file.path == "crates/jiaoyi/src/serving.rs"
    }));
    findings
}

fn may_connect(file: &File) -> bool {
    let home = file.home();
    matches!(home, "jiaoyi-channels" | "jiaoyi-sandbox" | "jiaoyi-tests")
        // The scripted payer of `jiaoyi demo pay`, the load of `jiaoyi bench` and the institution
        // that `jiaoyi conformance` plays are clients of our own pages and API.
        || file.path.starts_with("crates/jiaoyi/src/")
            && ["demo", "/bench/", "/conformance/"]
                .iter()
                .any(|part| file.path.contains(part))
}

pub fn http_only_in_web(tree: &Tree) -> Vec<Finding> {
    let mut findings = manifest_findings(tree, 2);
    findings.extend(code_findings(tree, &["axum", "hyper"], |file| {
        matches!(
            file.home(),
            "jiaoyi-web" | "jiaoyi-sandbox" | "jiaoyi" | "jiaoyi-tests"
        )
    }));
    findings
}

/// Lines of shipped code with one of `words`, in files that `may` does not excuse.
fn code_findings(tree: &Tree, words: &[&str], may: fn(&File) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree
        .rust()
        .filter(|(file, _)| file.home() != "xtask" && !may(file))
    {
        for (line, code) in file.shipped(source) {
            for word in words.iter().filter(|word| has_word(code, word)) {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("`{word}` is used here"),
                ));
            }
        }
    }
    findings
}

/// Manifests that name a crate of row `row` of `OUTSIDE` without being allowed to.
fn manifest_findings(tree: &Tree, row: usize) -> Vec<Finding> {
    let (names, homes) = OUTSIDE[row];
    let mut findings = Vec::new();
    for file in tree
        .ending("/Cargo.toml")
        .filter(|file| !homes.contains(&file.home()))
    {
        let manifest = file
            .text
            .as_deref()
            .and_then(|text| text.parse::<toml::Table>().ok());
        for name in manifest.iter().flat_map(shipped_dependencies) {
            // `demo pay` walks the pages with the same client; its code is checked by path.
            let demo = row == 1 && file.home() == "jiaoyi";
            if names.contains(&name.as_str()) && !demo {
                findings.push(Finding::new(&file.path, 0, format!("depends on {name}")));
            }
        }
    }
    findings
}

/// A language is named in itself, whatever the page's language is.
const OWN_NAMES: &[&str] = &["中文", "简体中文"];

pub fn wording_in_locales(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        if !file.path.starts_with("crates/jiaoyi-web/src/") || file.path.contains("locale") {
            continue;
        }
        for piece in source
            .strings
            .iter()
            .filter(|piece| !file.is_test(source, piece.line))
        {
            if piece.text.chars().any(is_han) && !OWN_NAMES.contains(&piece.text.as_str()) {
                let what = format!("wording outside the locale files: {}", piece.text);
                findings.push(Finding::new(&file.path, piece.line, what));
            }
        }
    }
    findings
}

fn is_han(letter: char) -> bool {
    matches!(letter, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}')
}

pub fn module_header(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A test module answers for nothing; the file beside it says what is tested.
    for (file, _) in tree.rust().filter(|(file, _)| !file.test) {
        let first = file
            .lines()
            .map(|(_, line)| line.trim())
            .find(|line| !line.is_empty());
        if !first.is_some_and(|line| line.starts_with("//!")) {
            findings.push(Finding::new(
                &file.path,
                1,
                "no //! header that says what it answers for",
            ));
        }
    }
    findings
}

/// What rustfmt keeps to; it leaves comments, macros and long strings alone.
pub fn line_length(tree: &Tree) -> Vec<Finding> {
    longer_lines(tree, 100)
}

pub fn line_length_max(tree: &Tree) -> Vec<Finding> {
    longer_lines(tree, 120)
}

fn longer_lines(tree: &Tree, columns_max: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        // Tables of wording are easier to compare in one line an entry.
        if file.path.contains("locale") || file.path.contains("/data/") {
            continue;
        }
        for (line, text) in file.lines() {
            let columns = text.chars().count();
            // An address, a row of a table, or a long string that cannot be broken without harm.
            let code = source.code.get(line - 1).map_or("", String::as_str);
            let table = ["//! |", "/// |"]
                .iter()
                .any(|mark| text.trim_start().starts_with(mark));
            let whole = table
                || text.contains("://")
                || source.strings.iter().any(|s| s.line == line)
                    && code.chars().filter(|c| !c.is_whitespace()).count() <= 60;
            if columns > columns_max && !whole {
                findings.push(Finding::new(&file.path, line, format!("{columns} columns")));
            }
        }
    }
    findings
}

const FUNCTION_LINES_MAX: usize = 70;

pub fn function_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust().filter(|(file, _)| !file.test) {
        let mut open: Vec<(usize, usize)> = Vec::new();
        let mut depth = 0_usize;
        let mut started: Option<usize> = None;
        for (index, code) in source.code.iter().enumerate() {
            if has_word(code, "fn") && !code.trim_start().starts_with("//") {
                started = Some(index);
            }
            for letter in code.chars() {
                match letter {
                    '{' => {
                        if let Some(first) = started.take() {
                            open.push((first, depth));
                        }
                        depth += 1;
                    }
                    '}' => {
                        depth = depth.saturating_sub(1);
                        if let Some((first, _)) = open.pop_if(|(_, at)| *at == depth) {
                            let lines = index - first + 1;
                            if lines > FUNCTION_LINES_MAX && !file.is_test(source, first + 1) {
                                let what = format!("a function of {lines} lines");
                                findings.push(Finding::new(&file.path, first + 1, what));
                            }
                        }
                    }
                    ';' => started = None,
                    _ => {}
                }
            }
        }
    }
    findings
}

pub fn todo_with_issue(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        for comment in &source.comments {
            for (at, line) in comment.text.lines().enumerate() {
                let marked =
                    has_word(line, "TODO") || has_word(line, "FIXME") || has_word(line, "XXX");
                if marked && !names_issue(line) {
                    let what = "a TODO without the number of its issue";
                    findings.push(Finding::new(&file.path, comment.line + at, what));
                }
            }
        }
    }
    findings
}

/// `#12` or `issue 12`.
fn names_issue(line: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    line.split('#').skip(1).any(|rest| rest.starts_with(digit))
        || line
            .split("issue ")
            .skip(1)
            .any(|rest| rest.starts_with(digit))
}

pub fn no_ignored_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in tree.rust() {
        for (at, code) in source.code.iter().enumerate() {
            for word in ["#[ignore", "#[should_panic"] {
                if code.contains(word) {
                    findings.push(Finding::new(
                        &file.path,
                        at + 1,
                        format!("{word}] on a test"),
                    ));
                }
            }
        }
    }
    findings
}
