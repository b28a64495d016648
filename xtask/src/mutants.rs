//! Mutants: small changes of the code, made one at a time, each of which a test has to notice.
//!
//! cargo-mutants makes them, in a tree of their own (`target/mutants/tree`), so that nobody's files
//! are touched and no other build ever holds one. The crate's own tests judge first, because they
//! are quick; what they leave is judged again by slower tests. Whatever nobody notices stands in
//! `xtask/mutants/accepted.txt` with its reason, or is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::process::{self, cargo, must, output_of};
use crate::tools;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask mutants --package domain\n  \
                  cargo xtask mutants --package domain --file decide/allocate.rs\n  \
                  cargo xtask mutants --package app --shard 1/8\n  \
                  cargo xtask mutants --package app --judges 1 --shard 0/40\n\n\
                  Judged is what git knows: commit or `git add` new files first.")]
pub struct Options {
    /// The crate that is changed; both without it
    #[arg(long)]
    package: Vec<Package>,
    /// Only every n-th mutant, beginning with number k (from 0): a sample
    #[arg(long, value_name = "K/N")]
    shard: Option<String>,
    /// Only mutants of files whose path ends so
    #[arg(long, value_name = "PATH")]
    file: Vec<String>,
    /// Ask only the first judges
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    judges: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Package {
    Domain,
    App,
}

/// Tests that judge mutants, and how long one run of them may take.
struct Judge {
    name: &'static str,
    package: &'static str,
    /// What `cargo test` is told besides the package.
    words: &'static [&'static str],
    limit_s: u32,
}

const DOMAIN_TESTS: Judge = Judge {
    name: "the domain's tests",
    package: "jiaoyi-domain",
    words: &["--lib"],
    limit_s: 60,
};

/// Without the one that tampers with every row there is, which takes longer than all others.
const APP_TESTS: Judge = Judge {
    name: "the app's quick tests",
    package: "jiaoyi-app",
    words: &["--lib", "--", "--skip", "tamper::"],
    limit_s: 120,
};

const TAMPERING: Judge = Judge {
    name: "tampering with every row",
    package: "jiaoyi-app",
    words: &["--lib", "tamper::"],
    limit_s: 300,
};

const SIMULATOR: Judge = Judge {
    name: "200 simulated seeds",
    package: "jiaoyi-tests",
    words: &["--test", "it", "two_hundred_seeds"],
    limit_s: 300,
};

/// Without those that start the built binary, which a mutant is not in.
const SCENARIOS: Judge = Judge {
    name: "the scenarios",
    package: "jiaoyi-tests",
    words: &[
        "--test",
        "it",
        "--",
        "--skip",
        "robust::",
        "--skip",
        "sim::",
        "--skip",
        "planted::",
    ],
    limit_s: 600,
};

impl Package {
    const fn name(self) -> &'static str {
        match self {
            Package::Domain => "jiaoyi-domain",
            Package::App => "jiaoyi-app",
        }
    }

    /// Who judges, the quickest first.
    const fn judges(self) -> &'static [Judge] {
        match self {
            Package::Domain => &[DOMAIN_TESTS, APP_TESTS, SIMULATOR],
            Package::App => &[APP_TESTS, SIMULATOR, SCENARIOS, TAMPERING],
        }
    }
}

/// Caught mutants of a hundred that there must be.
const PERCENT_MIN: usize = 90;

/// Bytes of address space of everything that is run: a loop that allocates for ever ends here.
const MEMORY_BYTES_MAX: u64 = 8 << 30;

/// What became of the mutants of one package.
#[derive(Default)]
struct Outcome {
    /// By judge, in order.
    caught: Vec<(&'static str, usize)>,
    /// Noticed because a test did not end.
    timeouts: usize,
    /// What does not compile says nothing.
    unviable: usize,
    missed: Vec<String>,
}

impl Outcome {
    fn noticed(&self) -> usize {
        self.timeouts + self.caught.iter().map(|(_, count)| count).sum::<usize>()
    }

    /// Tenths of a percent that were noticed, of what compiles.
    fn permille(&self) -> usize {
        let judged = self.noticed() + self.missed.len();
        (self.noticed() * 1000).checked_div(judged).unwrap_or(1000)
    }
}

/// `cargo xtask mutants`.
pub fn run(options: &Options) -> Result<bool> {
    let log = process::target_dir().join("xtask/mutants-tool.log");
    let tool = tools::cargo_mutants(&log)?;
    let tree = fresh_tree()?;
    let accepted = Accepted::read()?;
    let packages = match options.package.as_slice() {
        [] => &[Package::Domain, Package::App],
        some => some,
    };
    let mut good = true;
    let mut table = String::from(
        "| package | mutants | caught | timeouts | missed | unviable | noticed | minutes |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for package in packages {
        let begun = Instant::now();
        let outcome = judge(&tool, &tree, *package, options)?;
        let (noticed, missed) = (outcome.noticed(), outcome.missed.len());
        let permille = outcome.permille();
        table += &format!(
            "| {} | {} | {} | {} | {missed} | {} | {}.{} % | {} |\n",
            package.name(),
            noticed + missed + outcome.unviable,
            noticed - outcome.timeouts,
            outcome.timeouts,
            outcome.unviable,
            permille / 10,
            permille % 10,
            begun.elapsed().as_secs() / 60,
        );
        for (name, count) in &outcome.caught {
            println!("{}: {count} caught by {name}", package.name());
        }
        let (unknown, unused) = accepted.compare(&outcome.missed);
        let whole = options.shard.is_none() && options.file.is_empty();
        let ours = |line: &&String| line.starts_with(&format!("crates/{}/", package.name()));
        for line in unused.iter().filter(|line| whole && ours(line)) {
            println!("on the list, and noticed by now: {line}");
        }
        for mutant in &unknown {
            println!("noticed by nobody, and not on the list: {mutant}");
        }
        good &= unknown.is_empty() && permille >= PERCENT_MIN * 10;
    }
    print!("{table}");
    Ok(good)
}

/// What is judged: the files as they stand, in a clone that shares this repository's objects.
fn fresh_tree() -> Result<PathBuf> {
    let tree = process::target_dir().join("mutants/tree");
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.args(words).current_dir(process::root());
        command
    };
    let stash = output_of(&mut git(&["stash", "create"]))?;
    let revision = match stash.trim() {
        "" => output_of(&mut git(&["rev-parse", "HEAD"]))?
            .trim()
            .to_owned(),
        changed => changed.to_owned(),
    };
    if !tree.join(".git").exists() {
        let words = ["clone", "--quiet", "--shared", "--no-checkout", "."];
        must(git(&words).arg(&tree))?;
    }
    // What an interrupted run changed is put right here too.
    let words = ["checkout", "--quiet", "--force", "--detach", &revision];
    must(git(&words).current_dir(&tree))?;
    Ok(tree)
}

/// Lets the judges of a package have all its mutants, one judge after the other.
fn judge(tool: &Path, tree: &Path, package: Package, options: &Options) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let judges = package.judges().iter().take(options.judges.max(1));
    for (place, judge) in judges.enumerate() {
        if place > 0 && outcome.missed.is_empty() {
            break;
        }
        let name = format!("mutants/{}-{place}", package.name());
        let folder = process::target_dir().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let mut command = courteous(tool);
        command
            .args(["mutants", "--in-place", "--no-shuffle", "--colors=never"])
            .args(["--package", package.name()])
            .args(["--test-package", judge.package])
            .args(["--timeout", &judge.limit_s.to_string()])
            .arg("--dir")
            .arg(tree)
            .arg("--output")
            .arg(&folder);
        if place == 0 {
            let all = |file: &String| format!("--file=**/{file}");
            command.args(options.file.iter().map(all));
            command.args(options.shard.iter().flat_map(|shard| ["--shard", shard]));
            command.arg("--sharding=round-robin");
        } else {
            let exactly = |mutant: &String| format!("--re=^{}$", escaped(mutant));
            command.args(outcome.missed.iter().map(exactly));
        }
        command.arg("--").args(judge.words);
        let status = command.status().context("start cargo-mutants")?;
        // 0: all were caught. 2 and 3: some were missed, or did not end.
        if !matches!(status.code(), Some(0 | 2 | 3)) {
            bail!(
                "cargo-mutants ended with {status}; see {}",
                folder.display()
            );
        }
        // cargo-mutants 27.1 does not filter changes of one kind (`delete field …`): those are left out.
        let asked = (place > 0).then(|| std::mem::take(&mut outcome.missed));
        let lines = |name: &str| -> Result<Vec<String>> {
            let path = folder.join("mutants.out").join(name);
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let all = text.lines().map(str::to_owned);
            Ok(all
                .filter(|line| asked.as_ref().is_none_or(|asked| asked.contains(line)))
                .collect())
        };
        let caught = lines("caught.txt")?.len();
        outcome.caught.push((judge.name, caught));
        outcome.timeouts += lines("timeout.txt")?.len();
        outcome.unviable += lines("unviable.txt")?.len();
        outcome.missed = lines("missed.txt")?;
    }
    Ok(outcome)
}

/// A program that leaves the machine to others, with a build folder of its own.
fn courteous(program: &Path) -> Command {
    let mut words = vec!["nice".to_owned(), "-n".to_owned(), "10".to_owned()];
    if process::exists("prlimit") {
        words.extend(["prlimit".to_owned(), format!("--as={MEMORY_BYTES_MAX}")]);
    }
    words.push(program.display().to_string());
    let mut command = process::bound(&words[0]);
    command
        .args(&words[1..])
        .env("CARGO", cargo())
        .env(
            "CARGO_TARGET_DIR",
            process::target_dir().join("mutants/build"),
        )
        // What is built is run once: only the time to build it counts.
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env("CARGO_INCREMENTAL", "1")
        .env("RUST_BACKTRACE", "0");
    command
}

/// A text as a regular expression that matches nothing else. Not every sign may be escaped: `\<` is
/// the beginning of a word.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// The mutants that nobody has to notice: how often, by what is left of their names without places.
struct Accepted(BTreeMap<String, usize>);

impl Accepted {
    fn read() -> Result<Accepted> {
        let path = process::root().join("xtask/mutants/accepted.txt");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Accepted::parse(&text)
    }

    /// A reason stands in lines that begin with `#`, before the mutants that it holds for.
    fn parse(text: &str) -> Result<Accepted> {
        let (mut all, mut reason) = (BTreeMap::new(), false);
        for line in text.lines().map(str::trim) {
            match line.chars().next() {
                None => reason = false,
                Some('#') => reason = true,
                Some(_) if !reason => bail!("accepted without a reason: {line}"),
                Some(_) => *all.entry(line.to_owned()).or_default() += 1,
            }
        }
        Ok(Accepted(all))
    }

    /// Those of `missed` that are not on the list, and the lines of the list that none of them is; a
    /// line accepts one mutant.
    fn compare(&self, missed: &[String]) -> (Vec<String>, Vec<String>) {
        let mut left = self.0.clone();
        let mut unknown = Vec::new();
        for mutant in missed {
            match left.get_mut(&placeless(mutant)) {
                Some(count) if *count > 0 => *count -= 1,
                Some(_) | None => unknown.push(mutant.clone()),
            }
        }
        left.retain(|_, count| *count > 0);
        (unknown, left.into_keys().collect())
    }
}

/// `path:line:column: change` without line and column, which move with every edit.
fn placeless(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    let path = parts.next().unwrap_or_default();
    let change = parts.nth(2).unwrap_or_default();
    format!("{path}:{change}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_accepts_one_mutant_wherever_it_stands() {
        let list = "# The same either way.\na.rs: replace < with <= in f\n\n# Only a log text.\n\
                    b.rs: replace g with ()\nb.rs: replace g with ()\n";
        let accepted = Accepted::parse(list).unwrap();
        let missed = [
            "a.rs:10:5: replace < with <= in f",
            "a.rs:11:5: replace < with <= in f",
            "b.rs:1:1: replace g with ()",
            "b.rs:2:1: replace g with ()",
            "c.rs:2:1: replace h::i with ()",
        ]
        .map(str::to_owned);
        let (unknown, unused) = accepted.compare(&missed);
        assert_eq!(unknown, [missed[1].clone(), missed[4].clone()]);
        assert_eq!(unused, Vec::<String>::new());
        assert_eq!(accepted.compare(&[]).1.len(), 2);
    }

    #[test]
    fn signs_of_expressions_are_escaped_and_words_have_no_edges() {
        assert_eq!(
            escaped("a.rs:1:2: replace < with |"),
            r"a\.rs:1:2: replace < with \|"
        );
    }

    #[test]
    fn a_reason_is_wanted() {
        assert!(Accepted::parse("a.rs: replace f with ()\n").is_err());
        assert!(
            Accepted::parse("# why\na.rs: replace f with ()\n\nb.rs: replace g with ()\n").is_err()
        );
        assert!(Accepted::read().is_ok());
    }

    #[test]
    fn what_does_not_compile_says_nothing() {
        let mut outcome = Outcome {
            caught: vec![("a", 80), ("b", 9)],
            timeouts: 1,
            unviable: 7,
            missed: vec![String::new(); 10],
        };
        assert_eq!(outcome.permille(), 900);
        outcome.missed.push(String::new());
        assert!(outcome.permille() < 900);
        assert_eq!(Outcome::default().permille(), 1000);
    }
}
