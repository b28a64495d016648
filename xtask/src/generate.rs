//! Generated files: which program makes which file, and whether they are up to date.
//!
//! Generated files are checked in, so that a fresh clone needs none of the generators. Fast,
//! offline and deterministic ones are run again by `cargo xtask test`, which fails when what they
//! make is not what is checked in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{process, test, tools};

/// One generator.
struct Generator {
    name: &'static str,
    makes: &'static str,
    /// A program and its arguments, `example` and one of ours, or `script` and a script that wants
    /// a running demo.
    command: &'static [&'static str],
    /// Files or folders that it writes.
    outputs: &'static [&'static str],
    /// Run by `--check`: fast, without network, and the same output every time.
    checked: bool,
}

const GENERATORS: &[Generator] = &[
    Generator {
        name: "sql",
        makes: "the SQL texts of every record, from its declaration",
        command: &["example", "gen_sql"],
        outputs: &["crates/jiaoyi-store/sql"],
        checked: true,
    },
    Generator {
        name: "openapi",
        makes: "the OpenAPI document of the biller API, from the types that go over the wire",
        command: &["example", "openapi"],
        outputs: &["docs/biller-api/openapi.json"],
        checked: true,
    },
    Generator {
        name: "channels",
        makes: "the table of what each channel may do, from the capability rows",
        command: &["example", "channels"],
        outputs: &["docs/channels.md"],
        checked: true,
    },
    Generator {
        name: "font",
        makes: "the fonts of the vouchers, cut out of Noto Sans CJK",
        command: &["sh", "crates/jiaoyi-documents/gen/font.sh"],
        outputs: &["crates/jiaoyi-documents/font"],
        checked: false,
    },
    Generator {
        name: "regions",
        makes: "the dated table of region codes",
        // `python` is the one of `.tools/venv`, with packages; `python3` the system's, without.
        command: &["python", "crates/jiaoyi-domain/data/gen_regions.py"],
        outputs: &["crates/jiaoyi-domain/data/regions.csv"],
        checked: false,
    },
    Generator {
        name: "policy",
        makes: "the example policy packs, from the table of published figures",
        command: &[
            "python3",
            "crates/jiaoyi-domain/data/gen_policy_examples.py",
        ],
        outputs: &[
            "crates/jiaoyi-domain/data/policy",
            "crates/jiaoyi-domain/src/policy/examples.rs",
        ],
        checked: true,
    },
    Generator {
        name: "picture",
        makes: "the picture of the README, from the pages of a running demo",
        command: &["script", "xtask/pictures/journey.mjs"],
        outputs: &["docs/images/journey.png"],
        checked: false,
    },
];

#[derive(Args)]
pub struct Options {
    /// Run the checked generators and say which files differ; nothing is changed
    #[arg(long)]
    check: bool,
    /// Print the generators and stop
    #[arg(long)]
    list: bool,
    /// Which generators; all of them without a name
    names: Vec<String>,
}

pub fn run(options: &Options) -> Result<bool> {
    if options.list {
        for generator in GENERATORS {
            println!("{:<10} {}", generator.name, generator.makes);
        }
        return Ok(true);
    }
    let known = |name: &str| GENERATORS.iter().any(|generator| generator.name == name);
    if let Some(unknown) = options.names.iter().find(|name| !known(name)) {
        bail!("no generator {unknown}; see cargo xtask gen --list");
    }
    let chosen: Vec<_> = GENERATORS
        .iter()
        .filter(|generator| {
            let named = options.names.iter().any(|name| name == generator.name);
            named || options.names.is_empty() && (generator.checked || !options.check)
        })
        .collect();
    if options.check {
        let stale = check(&chosen)?;
        for file in &stale {
            println!("{file}: not up to date; run cargo xtask gen");
        }
        return Ok(stale.is_empty());
    }
    for generator in chosen {
        println!("gen {}: {}", generator.name, generator.makes);
        if let ["script", script] = generator.command {
            test::script_with_demo(script)?;
            continue;
        }
        if generator.command.first() == Some(&"python") {
            tools::ensure_venv(&process::target_dir().join("xtask/python.log"))?;
        }
        process::must(&mut generator.command()?)?;
    }
    Ok(true)
}

/// How many generators `--check` runs.
pub fn checked_count() -> usize {
    GENERATORS
        .iter()
        .filter(|generator| generator.checked)
        .count()
}

/// Files that differ from what the checked generators make. The files are put back as they were.
pub fn stale() -> Result<Vec<String>> {
    check(
        &GENERATORS
            .iter()
            .filter(|generator| generator.checked)
            .collect::<Vec<_>>(),
    )
}

fn check(generators: &[&Generator]) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for generator in generators {
        let before = generator.contents()?;
        let made = process::output_of(&mut generator.command()?);
        let after = generator.contents()?;
        put_back(&before, &after)?;
        made.with_context(|| format!("generator {}", generator.name))?;
        stale.extend(differing(&before, &after));
    }
    Ok(stale)
}

type Contents = BTreeMap<PathBuf, Vec<u8>>;

impl Generator {
    /// The command, after building the example that it names.
    fn command(&self) -> Result<Command> {
        let mut words = self.command.iter();
        let program = match self.command {
            ["example", name, ..] => {
                words.next();
                process::output_of(&mut process::build_example(name))?;
                process::example(name)
            }
            ["python", ..] => tools::python(),
            [program, ..] => PathBuf::from(program),
            [] => bail!("generator {} has no command", self.name),
        };
        words.next();
        let mut command = Command::new(program);
        command.args(words).current_dir(process::root());
        Ok(command)
    }

    fn contents(&self) -> Result<Contents> {
        let mut contents = Contents::new();
        for output in self.outputs {
            collect(&process::root().join(output), &mut contents)?;
        }
        Ok(contents)
    }
}

fn collect(path: &Path, contents: &mut Contents) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(|| format!("read {}", path.display()))? {
            collect(&entry.context("read a folder")?.path(), contents)?;
        }
    } else if path.exists() {
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        contents.insert(path.to_path_buf(), bytes);
    }
    Ok(())
}

fn put_back(before: &Contents, after: &Contents) -> Result<()> {
    for (path, bytes) in before {
        if after.get(path) != Some(bytes) {
            fs::write(path, bytes).with_context(|| format!("put back {}", path.display()))?;
        }
    }
    for path in after.keys().filter(|path| !before.contains_key(*path)) {
        fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

fn differing(before: &Contents, after: &Contents) -> Vec<String> {
    let root = process::root();
    let mut paths: Vec<&PathBuf> = before.keys().chain(after.keys()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| {
            path.strip_prefix(&root)
                .unwrap_or(path)
                .display()
                .to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_new_and_gone_files_differ() {
        let contents = |pairs: &[(&str, &str)]| -> Contents {
            pairs
                .iter()
                .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
                .collect()
        };
        let before = contents(&[("same", "1"), ("changed", "1"), ("gone", "1")]);
        let after = contents(&[("same", "1"), ("changed", "2"), ("new", "1")]);
        assert_eq!(differing(&before, &after), ["changed", "gone", "new"]);
    }
}
