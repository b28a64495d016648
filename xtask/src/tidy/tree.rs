//! The files that the rules look at: what git tracks, and what it would track.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::source::Source;
use crate::process;

/// One file of the repository.
pub struct File {
    /// From the repository's root, with `/`.
    pub path: String,
    pub size_bytes: u64,
    pub executable: bool,
    /// `None` when the file is not UTF-8 text.
    pub text: Option<String>,
    /// Present for Rust files.
    pub rust: Option<Source>,
    /// The whole file belongs to tests.
    pub test: bool,
}

impl File {
    /// A file from its parts.
    pub fn new(path: &str, content: &[u8], executable: bool) -> Self {
        let text = String::from_utf8(content.to_vec())
            .ok()
            .filter(|text| !text.contains('\0'));
        let rust = text
            .as_deref()
            .filter(|_| path.ends_with(".rs"))
            .map(Source::read);
        let size_bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        File {
            path: path.to_owned(),
            size_bytes,
            executable,
            text,
            rust,
            test: path.ends_with("/tests.rs") || path.contains("/tests/"),
        }
    }

    /// The crate or top folder the file belongs to: `jiaoyi-web`, `xtask`, `docs` …
    pub fn home(&self) -> &str {
        let inside = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        inside.split('/').next().unwrap_or_default()
    }

    /// True when `line` of `source`, this file's code, belongs to a test.
    pub fn is_test(&self, source: &Source, line: usize) -> bool {
        self.test || source.is_test(line)
    }

    /// Lines of code that belong to no test, with their numbers.
    pub fn shipped<'a>(&self, source: &'a Source) -> impl Iterator<Item = (usize, &'a str)> {
        let code = source
            .code
            .iter()
            .enumerate()
            .map(|(at, text)| (at + 1, text.as_str()));
        code.filter(|(line, _)| !self.is_test(source, *line))
    }

    /// Lines with their numbers; none for a file that is not text.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .iter()
            .flat_map(|text| text.lines().enumerate())
            .map(|(at, line)| (at + 1, line))
    }
}

/// All files.
#[derive(Default)]
pub struct Tree {
    pub files: Vec<File>,
}

impl Tree {
    /// What git tracks here, and new files that it does not ignore.
    pub fn of_repository() -> Result<Self> {
        let root = process::root();
        let mut list = std::process::Command::new("git");
        list.current_dir(&root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ]);
        let names = process::output_of(&mut list).context("list the repository's files")?;
        let mut files = Vec::new();
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            let path = root.join(name);
            // A file that was deleted but not yet committed is still listed.
            let Ok(meta) = fs::symlink_metadata(&path) else {
                continue;
            };
            if !meta.is_file() {
                continue;
            }
            let content = fs::read(&path).with_context(|| format!("read {name}"))?;
            files.push(File::new(name, &content, is_executable(&path)));
        }
        Ok(Tree::of(files))
    }

    /// A tree of these files; marks the files of test modules.
    pub fn of(mut files: Vec<File>) -> Self {
        let mut tests: Vec<String> = Vec::new();
        for file in &files {
            let Some(source) = &file.rust else { continue };
            let folder = match file.path.rsplit_once('/') {
                Some((folder, "lib.rs" | "main.rs" | "mod.rs")) => folder,
                _ => file.path.trim_end_matches(".rs"),
            };
            tests.extend(
                source
                    .test_modules
                    .iter()
                    .map(|name| format!("{folder}/{name}")),
            );
        }
        for file in &mut files {
            file.test |= tests.iter().any(|module| {
                file.path
                    .strip_prefix(module)
                    .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
            });
        }
        Tree { files }
    }

    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust files, taken apart.
    pub fn rust(&self) -> impl Iterator<Item = (&File, &Source)> {
        self.files
            .iter()
            .filter_map(|file| file.rust.as_ref().map(|source| (file, source)))
    }

    /// Files whose name ends so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a File> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(end))
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_path: &Path) -> bool {
    false
}
