//! Rules about documents, data and files as such.

use super::Finding;
use super::tree::{File, Tree};

/// Lines of a Markdown file outside fenced code.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

pub fn markdown_title(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        let titles = prose(file)
            .filter(|(_, line)| line.starts_with("# "))
            .count();
        if titles != 1 {
            findings.push(Finding::new(
                &file.path,
                1,
                format!("{titles} titles, not one"),
            ));
        }
    }
    findings
}

pub fn markdown_links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.ending(".md") {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, text) in prose(file) {
            for target in link_targets(text) {
                let path = target.split('#').next().unwrap_or_default();
                if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                    continue;
                }
                let whole = joined(folder, path);
                let inside = format!("{whole}/");
                let there = tree.files.iter().any(|other| {
                    other.path == whole || whole.is_empty() || other.path.starts_with(&inside)
                });
                if !there {
                    findings.push(Finding::new(&file.path, line, format!("no file {target}")));
                }
            }
        }
    }
    findings
}

/// What stands in the round brackets of `[text](target)`.
fn link_targets(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(to, _)| to)
        .collect()
}

/// `path` seen from `folder`, without `.` and `..`.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

const README_LINES_MAX: usize = 120;

pub fn readme_length(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.get("README.md") else {
        return vec![Finding::new("README.md", 0, "missing")];
    };
    let lines = file.lines().count();
    if lines > README_LINES_MAX {
        return vec![Finding::new(&file.path, 0, format!("{lines} lines"))];
    }
    Vec::new()
}

pub fn changelog_format(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.get("CHANGELOG.md") else {
        return vec![Finding::new("CHANGELOG.md", 0, "missing")];
    };
    let mut findings = Vec::new();
    let headings: Vec<_> = file
        .lines()
        .filter(|(_, line)| line.starts_with("## "))
        .collect();
    if headings.first().map(|(_, line)| *line) != Some("## Unreleased") {
        findings.push(Finding::new(
            &file.path,
            1,
            "the first section is not `## Unreleased`",
        ));
    }
    for (line, heading) in headings.iter().skip(1) {
        if !is_release(heading) {
            let what = "not `## 1.2.3 - 2026-01-31`";
            findings.push(Finding::new(&file.path, *line, what));
        }
    }
    findings
}

fn is_release(heading: &str) -> bool {
    let Some((version, day)) = heading.trim_start_matches("## ").split_once(" - ") else {
        return false;
    };
    let numbers = |text: &str, sep: char| -> Vec<usize> {
        let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        text.split(sep).filter(digits).map(str::len).collect()
    };
    numbers(version, '.').len() == 3 && numbers(day, '-') == [4, 2, 2] && day.len() == 10
}

const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub fn file_size(tree: &Tree) -> Vec<Finding> {
    let font = |file: &File| {
        file.home() == "jiaoyi-documents"
            && [".otf", ".ttf", ".ttc", ".woff2"]
                .iter()
                .any(|end| file.path.ends_with(end))
    };
    tree.files
        .iter()
        .filter(|file| file.size_bytes > FILE_BYTES_MAX && !font(file))
        .map(|file| Finding::new(&file.path, 0, format!("{} bytes", file.size_bytes)))
        .collect()
}

/// Parts of names that must not stand in any file. They are joined here, so that this file does
/// not hold them either.
fn forbidden_names() -> Vec<String> {
    let hosts = [
        ["crates", "io"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["npmmirror", "com"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["rsproxy", "cn"],
        ["yarnpkg", "com"],
    ];
    let paths = [
        ["/work", "main"],
        ["/work", "shared"],
        ["/root", ""],
        ["bash", "_jobs"],
    ];
    let mut names: Vec<String> = hosts.iter().map(|parts| parts.join(".")).collect();
    names.extend(
        paths
            .iter()
            .map(|parts| parts.join("/"))
            .filter(|name| name.starts_with('/')),
    );
    names
}

pub fn no_machine_names(tree: &Tree) -> Vec<Finding> {
    let names = forbidden_names();
    let mut findings = Vec::new();
    // Cargo writes the registry's name into the lock file itself.
    for file in tree.files.iter().filter(|file| file.path != "Cargo.lock") {
        for (line, text) in file.lines() {
            for name in names.iter().filter(|name| text.contains(name.as_str())) {
                findings.push(Finding::new(&file.path, line, format!("names {name}")));
            }
        }
    }
    findings
}

pub fn executable_bits(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let script = file
            .text
            .as_deref()
            .is_some_and(|text| text.starts_with("#!/"));
        if file.executable && !script {
            findings.push(Finding::new(&file.path, 0, "executable, but not a script"));
        }
        let to_call = file.path.ends_with(".sh") || file.path.starts_with(".ci/");
        if script && to_call && !file.executable {
            findings.push(Finding::new(
                &file.path,
                0,
                "a script to be called, but not executable",
            ));
        }
    }
    findings
}

/// The table of published test numbers, none of which belongs to a person. What stands in it may
/// be used elsewhere too.
const NUMBER_VECTORS: &str = "id_vectors.csv";

pub fn invented_id_numbers(tree: &Tree) -> Vec<Finding> {
    let published: Vec<&str> = tree
        .ending(NUMBER_VECTORS)
        .flat_map(File::lines)
        .flat_map(|(_, line)| words(line))
        .collect();
    let mut findings = Vec::new();
    for file in &tree.files {
        for (line, text) in file.lines() {
            for number in words(text).filter(|word| is_id_number(word)) {
                if !number.starts_with("99") && !published.contains(&number) {
                    let what = format!("{}… is valid as somebody's ID number", &number[..6]);
                    findings.push(Finding::new(&file.path, line, what));
                }
            }
        }
    }
    findings
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| word.len() == 18)
}

/// 18 characters with a possible birth date and a right check character (GB 11643).
fn is_id_number(word: &str) -> bool {
    let bytes = word.as_bytes();
    let (body, check) = bytes.split_at(17);
    if !body.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let value = |range: std::ops::Range<usize>| word[range].parse::<u32>().unwrap_or_default();
    let (year, month, day) = (value(6..10), value(10..12), value(12..14));
    if !(1850..=2100).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return false;
    }
    let sum: u32 = body
        .iter()
        .zip([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
        .map(|(digit, weight)| u32::from(digit - b'0') * weight)
        .sum();
    let want = b"10X98765432"
        .iter()
        .zip(0..11)
        .find(|(_, rest)| *rest == sum % 11);
    want.is_some_and(|(letter, _)| check[0].to_ascii_uppercase() == *letter)
}

const GLOSSARY: &str = "docs/GLOSSARY.md";

pub fn glossary_types(tree: &Tree) -> Vec<Finding> {
    let Some(glossary) = tree.get(GLOSSARY) else {
        return vec![Finding::new(GLOSSARY, 0, "missing")];
    };
    let declared = |name: &str| {
        tree.rust().any(|(_, source)| {
            source.code.iter().any(|line| {
                ["struct", "enum", "trait", "type"].iter().any(|kind| {
                    line.split_whitespace()
                        .skip_while(|word| word != kind)
                        .nth(1)
                        .is_some_and(|word| leading_name(word) == name)
                }) || line.trim_end_matches(';').trim() == name
            })
        })
    };
    let mut findings = Vec::new();
    for (line, row) in prose(glossary).filter(|(_, row)| row.starts_with('|')) {
        let cell = row.split('|').nth(3).unwrap_or_default();
        for name in cell.split('`').skip(1).step_by(2).map(leading_name) {
            if !declared(name) {
                findings.push(Finding::new(
                    GLOSSARY,
                    line,
                    format!("no type {name} in the code"),
                ));
            }
        }
    }
    findings
}

/// The letters, digits and underscores that a word starts with.
fn leading_name(word: &str) -> &str {
    let end = word
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(word.len());
    &word[..end]
}

pub fn source_ids(tree: &Tree) -> Vec<Finding> {
    let known: Vec<&str> = tree
        .get("docs/SOURCES.md")
        .iter()
        .flat_map(|file| file.lines())
        .flat_map(|(_, line)| ids(line))
        .collect();
    let mut findings = Vec::new();
    let ours = |file: &&File| {
        file.path != "docs/SOURCES.md"
            && (file.path.ends_with(".rs") || file.path.ends_with(".md"))
            && file.home() != "xtask"
    };
    for file in tree.files.iter().filter(ours) {
        for (line, text) in file.lines() {
            for id in ids(text).filter(|id| !known.contains(id)) {
                findings.push(Finding::new(
                    &file.path,
                    line,
                    format!("{id} is no known source"),
                ));
            }
        }
    }
    findings
}

/// Source ids `S-012` in a line.
fn ids(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| {
            word.strip_prefix("S-")
                .is_some_and(|rest| rest.len() == 3 && rest.bytes().all(|b| b.is_ascii_digit()))
        })
}
