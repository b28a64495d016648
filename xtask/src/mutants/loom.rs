//! The build that all changes stand in: woven again without what the compiler refuses, until it
//! compiles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::weave::{self, Mutant, Woven, weave};
use super::{Judge, Package};
use crate::process::{self, cargo};

/// The files of a crate with its mutants in them, until the compiler takes them.
pub struct Loom<'a> {
    tree: &'a Path,
    package: Package,
    mutants: &'a [Mutant],
    /// By path: what git has.
    plain: BTreeMap<String, String>,
    woven: BTreeMap<String, Woven>,
    pub unviable: BTreeSet<usize>,
    pub left_out: BTreeSet<usize>,
    /// Functions that constants call.
    constant: BTreeSet<String>,
}

impl<'a> Loom<'a> {
    pub fn new(tree: &'a Path, package: Package, mutants: &'a [Mutant]) -> Result<Loom<'a>> {
        let root = format!("crates/{}/src/lib.rs", package.name());
        let files = mutants.iter().map(|mutant| mutant.file.clone());
        let mut plain = BTreeMap::new();
        for file in files.chain([root.clone()]).collect::<BTreeSet<_>>() {
            let path = tree.join(&file);
            let text = fs::read_to_string(&path).with_context(|| format!("read {file}"))?;
            plain.insert(file, text);
        }
        Ok(Loom {
            tree,
            package,
            mutants,
            plain,
            woven: BTreeMap::new(),
            unviable: BTreeSet::new(),
            left_out: BTreeSet::new(),
            constant: BTreeSet::new(),
        })
    }

    /// The numbers that are in the build, each with the first one of its function.
    pub fn woven(&self) -> BTreeMap<usize, usize> {
        let functions = self.woven.values().flat_map(Woven::functions);
        let pairs = functions.flat_map(|numbers| {
            let first = numbers.first().copied().unwrap_or_default();
            numbers.iter().map(move |number| (*number, first))
        });
        pairs.collect()
    }

    /// Weaves what is left and asks the compiler; whether it refused anything.
    pub fn refused(&mut self) -> Result<bool> {
        let root = format!("crates/{}/src/lib.rs", self.package.name());
        for (file, text) in &self.plain {
            let numbered = (1..).zip(self.mutants);
            let here = numbered.filter(|(number, mutant)| {
                mutant.file == *file
                    && !self.unviable.contains(number)
                    && !self.left_out.contains(number)
            });
            let mut woven = weave(text, &here.collect(), &self.constant)
                .with_context(|| format!("weave {file}"))?;
            self.left_out.extend(woven.left_out.drain(..));
            if *file == root {
                woven.text.push_str(weave::SWITCH);
            }
            let path = self.tree.join(file);
            fs::write(&path, &woven.text).with_context(|| format!("write {}", path.display()))?;
            self.woven.insert(file.clone(), woven);
        }
        let words = ["check", "--package", self.package.name(), "--lib"];
        let errors = compiled(self.tree, &words)?.errors;
        let before = self.unviable.len() + self.left_out.len() + self.constant.len();
        for error in &errors {
            self.learn(error);
        }
        let after = self.unviable.len() + self.left_out.len() + self.constant.len();
        let first = errors.first().map_or("", |error| error.text.as_str());
        ensure!(
            errors.is_empty() || after > before,
            "no mutant explains this:\n{first}"
        );
        Ok(!errors.is_empty())
    }

    fn learn(&mut self, error: &CompilerError) {
        // "cannot call non-const associated function `Money::plus` in constants"
        if error.code == "E0015" {
            let called = error.text.split('`').nth(1).unwrap_or_default();
            let called = called.split(['(', '<']).next().unwrap_or_default();
            let name = called.trim_end_matches(':').rsplit("::").next();
            self.constant.extend(name.map(str::to_owned));
            return;
        }
        for (file, line) in &error.places {
            let Some(woven) = self.woven.get(file) else {
                continue;
            };
            match woven.at(*line).as_slice() {
                [one] => _ = self.unviable.insert(*one),
                // A function that cannot be switched: what it returns has no name, for example.
                all => self.left_out.extend(all),
            }
        }
    }
}

/// What the compiler said against a file.
struct CompilerError {
    code: String,
    text: String,
    places: Vec<(String, usize)>,
}

struct Compiled {
    errors: Vec<CompilerError>,
    executables: Vec<PathBuf>,
}

/// Asks cargo for something, and reads its messages.
fn compiled(tree: &Path, words: &[&str]) -> Result<Compiled> {
    let output = courteous(&cargo())
        .args(words)
        // The scenarios themselves are large, and wait more than they work.
        .args(["--config", "profile.dev.package.jiaoyi-tests.opt-level=0"])
        .args(["--locked", "--quiet", "--message-format=json"])
        .current_dir(tree)
        .output()
        .context("start cargo")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let (mut errors, mut executables) = (Vec::new(), Vec::new());
    for line in said.lines() {
        let message: Value = serde_json::from_str(line).context("read cargo's messages")?;
        if let Some(path) = message["executable"].as_str() {
            executables.push(PathBuf::from(path));
        }
        let message = &message["message"];
        let spans = message["spans"].as_array().into_iter().flatten();
        if message["level"] != "error" || message["spans"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let mut places = Vec::new();
        for mut span in spans.filter(|span| span["is_primary"] == true) {
            while !span.is_null() {
                let line = span["line_start"].as_u64().unwrap_or_default();
                let file = span["file_name"].as_str().unwrap_or_default();
                places.push((file.to_owned(), usize::try_from(line)?));
                span = &span["expansion"]["span"];
            }
        }
        errors.push(CompilerError {
            code: message["code"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            text: message["rendered"].as_str().unwrap_or_default().to_owned(),
            places,
        });
    }
    if !output.status.success() && errors.is_empty() {
        bail!("cargo failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Compiled {
        errors,
        executables,
    })
}

/// The test program of a judge.
pub fn built(tree: &Path, judge: &Judge) -> Result<PathBuf> {
    let mut words = vec!["test", "--no-run", "--package", judge.package];
    words.extend(judge.target);
    let compiled = compiled(tree, &words)?;
    let first = compiled.errors.first();
    ensure!(first.is_none(), "{}", first.map_or("", |error| &error.text));
    let last = compiled.executables.into_iter().next_back();
    last.with_context(|| format!("no program for {}", judge.name))
}

/// A program that leaves the machine to others, with a build folder of its own.
fn courteous(program: &str) -> Command {
    let mut command = process::bound("nice");
    command
        .args(["-n", "10", program])
        .env(
            "CARGO_TARGET_DIR",
            process::target_dir().join("mutants/build"),
        )
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        // It is built once and run thousands of times.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_INCREMENTAL", "1")
        // A change that always panics is one that a test may notice, not one that does not compile.
        .env("RUSTFLAGS", "--cap-lints=warn")
        .env("RUST_BACKTRACE", "0");
    command
}
