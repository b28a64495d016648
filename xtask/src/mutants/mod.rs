//! Mutants: small changes of the code, each of which a test has to notice.
//!
//! cargo-mutants lists them. They are woven into one build in a tree of their own
//! (`target/mutants/tree`), so that nobody's files are touched and no other build ever holds one, and
//! every test that comes through a changed function is run with that change on, until one fails.
//! Whatever nobody notices stands in `xtask/mutants/accepted.txt` with its reason, or is a failure.

mod judge;
mod loom;
mod weave;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};

use crate::process::{self, cargo, output_of};
use crate::tools;
use judge::{Program, Verdict};
use loom::{Loom, built};
use weave::Mutant;

#[derive(Args)]
#[command(after_help = "Examples:\n  cargo xtask mutants --package domain\n  \
                  cargo xtask mutants --package domain --file decide/allocate.rs\n  \
                  cargo xtask mutants --package app --shard 1/8\n  \
                  cargo xtask mutants --package app --judges 1\n\n\
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
    /// Only those that nobody noticed in the last run; judge the same sources
    #[arg(long)]
    missed: bool,
    /// Ask only the first judges
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    judges: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Package {
    Domain,
    App,
}

/// Tests that judge mutants.
struct Judge {
    name: &'static str,
    package: &'static str,
    /// What `cargo test` is told besides the package.
    target: &'static [&'static str],
    /// Which of its tests.
    wanted: fn(&str) -> bool,
}

const DOMAIN_TESTS: Judge = Judge {
    name: "the domain's tests",
    package: "jiaoyi-domain",
    target: &["--lib"],
    wanted: |_| true,
};

const APP_TESTS: Judge = Judge {
    name: "the app's tests",
    package: "jiaoyi-app",
    target: &["--lib"],
    wanted: |_| true,
};

/// Without those that start the built binary, which has no change in it.
const SCENARIOS: Judge = Judge {
    name: "200 simulated seeds and the scenarios",
    package: "jiaoyi-tests",
    target: &["--test", "it"],
    wanted: |test| match test.split_once("::") {
        Some(("robust" | "planted", _)) => false,
        Some(("transfers", rest)) => rest != "an_officer_records_it_while_the_portal_runs",
        Some(("sim", rest)) => rest.contains("two_hundred_seeds"),
        Some(_) | None => true,
    },
};

impl Package {
    const fn name(self) -> &'static str {
        match self {
            Package::Domain => "jiaoyi-domain",
            Package::App => "jiaoyi-app",
        }
    }

    /// Who judges, one after the other.
    const fn judges(self) -> &'static [Judge] {
        match self {
            Package::Domain => &[DOMAIN_TESTS, APP_TESTS, SCENARIOS],
            Package::App => &[APP_TESTS, SCENARIOS],
        }
    }
}

/// Caught mutants of a hundred that there must be.
const PERCENT_MIN: usize = 90;

/// What became of the mutants of one package.
#[derive(Default)]
struct Outcome {
    /// By judge, in order.
    caught: Vec<(&'static str, usize)>,
    /// Noticed because a test did not end.
    timeouts: usize,
    /// What does not compile says nothing.
    unviable: usize,
    /// What cannot be switched: it stands in a constant or in what constants call.
    left_out: usize,
    missed: Vec<String>,
}

impl Outcome {
    fn noticed(&self) -> usize {
        self.timeouts + self.caught.iter().map(|(_, count)| count).sum::<usize>()
    }

    /// Tenths of a percent that were noticed, of what was judged.
    fn permille(&self) -> usize {
        let judged = self.noticed() + self.missed.len();
        (self.noticed() * 1000).checked_div(judged).unwrap_or(1000)
    }
}

/// `cargo xtask mutants`.
pub fn run(options: &Options) -> Result<bool> {
    let log = process::target_dir().join("xtask/mutants-tool.log");
    let tool = tools::cargo_mutants(&log)?;
    let accepted = Accepted::read()?;
    let packages = match options.package.as_slice() {
        [] => &[Package::Domain, Package::App],
        some => some,
    };
    let mut good = true;
    let mut table = String::from(
        "| package | mutants | caught | timeouts | missed | unviable | left out | noticed | minutes |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for package in packages {
        let begun = Instant::now();
        let outcome = judge_package(&tool, *package, options)?;
        let (noticed, missed) = (outcome.noticed(), outcome.missed.len());
        let permille = outcome.permille();
        table += &format!(
            "| {} | {} | {} | {} | {missed} | {} | {} | {}.{} % | {} |\n",
            package.name(),
            noticed + missed + outcome.unviable + outcome.left_out,
            noticed - outcome.timeouts,
            outcome.timeouts,
            outcome.unviable,
            outcome.left_out,
            permille / 10,
            permille % 10,
            begun.elapsed().as_secs() / 60,
        );
        for (name, count) in &outcome.caught {
            println!("{}: {count} caught by {name}", package.name());
        }
        let (unknown, unused) = accepted.compare(&outcome.missed);
        let whole = options.shard.is_none() && options.file.is_empty() && !options.missed;
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
        process::must(git(&words).arg(&tree))?;
    }
    // What the last run wove is put right here too.
    let words = ["checkout", "--quiet", "--force", "--detach", &revision];
    process::must(git(&words).current_dir(&tree))?;
    Ok(tree)
}

/// Weaves all mutants of a package into a build, and lets the tests judge them.
fn judge_package(tool: &Path, package: Package, options: &Options) -> Result<Outcome> {
    let tree = fresh_tree()?;
    let folder = process::target_dir().join("mutants").join(package.name());
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let verdicts_path = folder.join("verdicts.tsv");
    let mut mutants = listed(tool, &tree, package, options)?;
    if options.missed {
        let missed = missed_before(&verdicts_path)?;
        mutants.retain(|mutant| missed.contains(&mutant.name));
        ensure!(!mutants.is_empty(), "none of these was missed before");
    }
    let mut loom = Loom::new(&tree, package, &mutants)?;
    while loom.refused()? {}
    let (unviable, left_out) = (loom.unviable.len(), loom.left_out.len());
    let woven: BTreeMap<usize, usize> = loom.woven();
    println!(
        "{}: {} mutants in one build, {unviable} do not compile, {left_out} cannot be switched",
        package.name(),
        woven.len()
    );
    let programs: Vec<Program> = package
        .judges()
        .iter()
        .take(options.judges.max(1))
        .map(|judge| {
            let path = built(&tree, judge)?;
            Program::new(
                &path,
                &tree.join("crates").join(judge.package),
                judge.wanted,
            )
        })
        .collect::<Result<_>>()?;
    let file = fs::File::create(&verdicts_path)
        .with_context(|| format!("write {}", verdicts_path.display()))?;
    let told = |what: &str, number: usize, test: &str| -> Result<()> {
        let line = format!("{what}\t{}\t{test}\n", mutants[number - 1].name);
        (&file)
            .write_all(line.as_bytes())
            .context("write a verdict")
    };
    for (what, numbers) in [("unviable", &loom.unviable), ("left out", &loom.left_out)] {
        for number in numbers {
            told(what, *number, "")?;
        }
    }
    let verdicts = judge::all(
        &programs,
        &woven,
        &folder,
        &|number, verdict| match verdict {
            Verdict::Caught { test, .. } => told("caught", number, test),
            Verdict::Endless { test } => told("endless", number, test),
            Verdict::Missed { asked, all } => {
                let tests = format!("by {asked} of {all} tests that come by");
                told("missed", number, &tests)
            }
        },
    )?;
    let names = package.judges().iter().map(|judge| (judge.name, 0));
    let mut outcome = Outcome {
        caught: names.take(programs.len()).collect(),
        unviable,
        left_out,
        ..Outcome::default()
    };
    for (number, verdict) in &verdicts {
        match verdict {
            Verdict::Caught { judge, .. } => outcome.caught[*judge].1 += 1,
            Verdict::Endless { .. } => outcome.timeouts += 1,
            Verdict::Missed { .. } => outcome.missed.push(mutants[number - 1].name.clone()),
        }
    }
    let (name, path) = (package.name(), verdicts_path.display());
    println!("{name}: each verdict is in {path}");
    Ok(outcome)
}

/// The mutants that nobody noticed by the verdicts of the last run.
fn missed_before(verdicts: &Path) -> Result<BTreeSet<String>> {
    let text = fs::read_to_string(verdicts)
        .with_context(|| format!("read {}: run without --missed first", verdicts.display()))?;
    let missed = text
        .lines()
        .filter_map(|line| line.strip_prefix("missed\t"));
    let names = missed.filter_map(|line| line.split('\t').next());
    Ok(names.map(str::to_owned).collect())
}

/// What cargo-mutants would change; the first has number 1.
fn listed(tool: &Path, tree: &Path, package: Package, options: &Options) -> Result<Vec<Mutant>> {
    let mut command = Command::new(tool);
    command
        .env("CARGO", cargo())
        .args(["mutants", "--list", "--json", "--colors=never"])
        .args(["--package", package.name()])
        .args(options.file.iter().map(|file| format!("--file=**/{file}")))
        .args(
            options
                .shard
                .iter()
                .flat_map(|shard| ["--sharding=round-robin", "--shard", shard]),
        )
        .arg("--dir")
        .arg(tree);
    serde_json::from_str(&output_of(&mut command)?).context("read the list of cargo-mutants")
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
            left_out: 3,
            missed: vec![String::new(); 10],
        };
        assert_eq!(outcome.permille(), 900);
        outcome.missed.push(String::new());
        assert!(outcome.permille() < 900);
        assert_eq!(Outcome::default().permille(), 1000);
    }
}
