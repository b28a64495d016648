//! Tests as judges: each is run alone once to see what it comes through, and then with every change
//! in what it came through, the most special ones first, until one notices.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::process::{self, output_of};

/// Bytes of address space of a test: a loop that allocates for ever ends here.
const MEMORY_BYTES_MAX: u64 = 8 << 30;

/// How often its usual time a test may take, and how long at least.
const TIMES_MAX: u32 = 10;
const LIMIT_MIN: Duration = Duration::from_secs(15);

/// Stack of a thread: functions with their changes in them hold more.
const STACK_BYTES: &str = "67108864";

/// How long a judge thinks about one change. What half of all scenarios come through would keep a
/// machine for ten minutes if none of them noticed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test program with all changes in it.
pub struct Program {
    path: PathBuf,
    /// Where cargo runs it.
    folder: PathBuf,
    tests: Vec<String>,
}

/// A test, and what was seen of it without any change.
struct Seen<'a> {
    judge: usize,
    program: &'a Program,
    test: &'a str,
    time: Duration,
    /// By the first change of each function.
    reached: BTreeSet<usize>,
}

/// What became of one change.
pub enum Verdict {
    Caught {
        judge: usize,
        test: String,
    },
    Endless {
        test: String,
    },
    /// Noticed by none of those that were asked, of so many that come by.
    Missed {
        asked: usize,
        all: usize,
    },
}

/// How a test ended.
enum End {
    Passed,
    Failed,
    Endless,
}

impl Program {
    pub fn new(path: &Path, folder: &Path, wanted: fn(&str) -> bool) -> Result<Program> {
        let mut command = process::bound(&path.display().to_string());
        let said = output_of(
            command
                .args(["--list", "--format=terse"])
                .current_dir(folder),
        )?;
        let names = said.lines().filter_map(|line| line.strip_suffix(": test"));
        Ok(Program {
            path: path.to_owned(),
            folder: folder.to_owned(),
            tests: names
                .filter(|name| wanted(name))
                .map(str::to_owned)
                .collect(),
        })
    }

    fn run(&self, test: &str, limit: Duration, variable: (&str, &str)) -> Result<End> {
        let status = process::bound("prlimit")
            .arg(format!("--as={MEMORY_BYTES_MAX}"))
            .args(["nice", "-n", "10", "timeout", "--kill-after=5"])
            .arg(format!("{}", limit.as_secs().max(1)))
            .arg(&self.path)
            .args(["--exact", test])
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("RUST_MIN_STACK", STACK_BYTES)
            .env("RUST_BACKTRACE", "0")
            .env(variable.0, variable.1)
            .output()
            .context("start a test")?
            .status;
        Ok(match status.code() {
            Some(0) => End::Passed,
            Some(124 | 137) => End::Endless,
            Some(_) | None => End::Failed,
        })
    }
}

/// Judges the changes, each given with the first of its function, and tells of each at once.
pub fn all(
    programs: &[Program],
    mutants: &BTreeMap<usize, usize>,
    folder: &Path,
    tell: &(dyn Fn(usize, &Verdict) -> Result<()> + Sync),
) -> Result<BTreeMap<usize, Verdict>> {
    let mut seen = look(programs, folder)?;
    // The more special a test, the more it looks at what it came through.
    seen.sort_by_key(|seen| (seen.judge, seen.reached.len(), seen.time));
    let mutants: Vec<(usize, usize)> = mutants.iter().map(|(a, b)| (*a, *b)).collect();
    let begun = Instant::now();
    let done = AtomicUsize::new(0);
    let missed = AtomicUsize::new(0);
    let verdicts = side_by_side(&mutants, |(number, function)| {
        let verdict = judged(*number, *function, &seen)?;
        tell(*number, &verdict)?;
        let missed = match verdict {
            Verdict::Missed { .. } => missed.fetch_add(1, Ordering::Relaxed) + 1,
            Verdict::Caught { .. } | Verdict::Endless { .. } => missed.load(Ordering::Relaxed),
        };
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(50) {
            let (all, s) = (mutants.len(), begun.elapsed().as_secs());
            eprintln!("{done} of {all} judged in {s} s, {missed} noticed by nobody");
        }
        Ok((*number, verdict))
    })?;
    Ok(verdicts.into_iter().collect())
}

fn judged(number: usize, function: usize, seen: &[Seen]) -> Result<Verdict> {
    let by = |seen: &&Seen| seen.reached.contains(&function);
    let (mut asked, mut spent) = (0, (0, Duration::ZERO));
    for seen in seen.iter().filter(by) {
        if spent.0 != seen.judge {
            spent = (seen.judge, Duration::ZERO);
        }
        if spent.1 > PATIENCE {
            continue;
        }
        let limit = (seen.time * TIMES_MAX).max(LIMIT_MIN);
        let variable = ("JIAOYI_MUTANT", number.to_string());
        let end = seen
            .program
            .run(seen.test, limit, (variable.0, &variable.1))?;
        let (judge, test) = (seen.judge, seen.test.to_owned());
        match end {
            End::Failed => return Ok(Verdict::Caught { judge, test }),
            End::Endless => return Ok(Verdict::Endless { test }),
            End::Passed => (asked, spent.1) = (asked + 1, spent.1 + seen.time),
        }
    }
    let all = seen.iter().filter(by).count();
    Ok(Verdict::Missed { asked, all })
}

/// Runs every test alone without a change. Those that fail so judge nothing, and there are few: one
/// that reads the sources, for example.
fn look<'a>(programs: &'a [Program], folder: &Path) -> Result<Vec<Seen<'a>>> {
    let tests: Vec<(usize, &Program, &str)> = programs
        .iter()
        .enumerate()
        .flat_map(|(judge, program)| {
            let tests = program.tests.iter();
            tests.map(move |test| (judge, program, test.as_str()))
        })
        .collect();
    let begun = Instant::now();
    let seen = side_by_side(&tests, |(judge, program, test)| {
        let note = folder.join(format!("reached-{judge}-{}", test.replace("::", "-")));
        let clear = || match fs::remove_file(&note) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", note.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        };
        clear()?;
        let begun = Instant::now();
        let limit = Duration::from_secs(600);
        let variable = ("JIAOYI_MUTANT_REACHED", note.display().to_string());
        let end = program.run(test, limit, (variable.0, &variable.1))?;
        let time = begun.elapsed();
        let lines = fs::read_to_string(&note).unwrap_or_default();
        clear()?;
        if !matches!(end, End::Passed) {
            println!("fails or does not end with no change on, and so judges nothing: {test}");
            return Ok(None);
        }
        Ok(Some(Seen {
            judge: *judge,
            program,
            test,
            time,
            reached: lines.lines().filter_map(|line| line.parse().ok()).collect(),
        }))
    })?;
    let good: Vec<Seen> = seen.into_iter().flatten().collect();
    println!(
        "{} of {} tests pass with no change on, in {} s",
        good.len(),
        tests.len(),
        begun.elapsed().as_secs()
    );
    ensure!(
        good.len() * 10 > tests.len() * 9,
        "too few tests pass with no change on"
    );
    Ok(good)
}

/// Does the same with all of them, as many at once as there are cores.
fn side_by_side<T: Sync, R: Send>(
    all: &[T],
    one: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(given) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = one(given);
                    let mut results = results.lock().unwrap_or_else(|poison| poison.into_inner());
                    results.push(result);
                }
            });
        }
    });
    let results = results
        .into_inner()
        .unwrap_or_else(|poison| poison.into_inner());
    results.into_iter().collect()
}
