//! Outside programs that the checks need, fetched when they are missing.
//!
//! System programs come from apt-get (only as root; otherwise the line to run is printed), npm
//! packages and a Python environment go into `.tools/`, which git ignores. Every version is exact
//! and package scripts never run. A tool that cannot be had is an error, never a skipped check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{self, limited, output_of};

/// A program on the search path and the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("zbarimg", "zbar-tools"),
    ("pdftotext", "poppler-utils"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("javac", "default-jdk-headless"),
    ("setpriv", "util-linux"),
];

/// Files that tell of a package without a program.
const FILES: &[(&str, &str)] = &[
    (
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "fonts-noto-cjk",
    ),
    ("/usr/share/zoneinfo/Asia/Shanghai", "tzdata"),
    // Its programs are on nobody's search path. The tests make clusters of their own.
    ("/usr/lib/postgresql/15/bin/initdb", "postgresql-15"),
];

/// Which npm packages are wanted stands beside the scripts that want them.
const PACKAGE_LISTS: &[&str] = &[
    "crates/jiaoyi-tests/browser/package.json",
    "crates/jiaoyi-tests/witness/package.json",
    "docs/biller-api/examples/typescript/package.json",
];

const NODE_MAJOR_MIN: u32 = 18;

/// Changes code in small ways and sees whether tests notice.
const CARGO_MUTANTS: &str = "27.1.0";

/// Where the npm packages lie; scripts resolve them through a link beside themselves.
pub fn node_folder() -> PathBuf {
    process::root().join(".tools/node")
}

/// The Python interpreter with the packages of the checks.
pub fn python() -> PathBuf {
    process::root().join(".tools/venv/bin/python")
}

/// The Python packages that cannot stand beside others.
pub fn alone_folder() -> PathBuf {
    process::root().join(".tools/alone")
}

/// Makes sure that every outside program is there. `log` takes what the installers say.
pub fn ensure(log: &Path) -> Result<()> {
    let missing = missing_packages();
    if !missing.is_empty() {
        apt_install(&missing, log)?;
    }
    let still = missing_packages();
    if !still.is_empty() {
        bail!("still missing after the installation: {}", still.join(" "));
    }
    ensure_venv(log)?;
    ensure_alone(log).context("Python packages that stand alone")?;
    ensure_node(log).context("npm packages")
}

fn missing_packages() -> Vec<&'static str> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !process::exists(program))
        .map(|(_, package)| *package)
        .collect();
    missing.extend(
        FILES
            .iter()
            .filter(|(file, _)| !Path::new(file).exists())
            .map(|(_, package)| *package),
    );
    if !python_makes_venv() {
        missing.extend(["python3", "python3-venv"]);
    }
    if node_major().is_none_or(|major| major < NODE_MAJOR_MIN) {
        missing.push("nodejs");
    }
    if !process::exists("npm") {
        missing.push("npm");
    }
    missing
}

fn python_makes_venv() -> bool {
    let mut probe = Command::new("python3");
    probe.args(["-c", "import venv, ensurepip"]);
    output_of(&mut probe).is_ok()
}

fn node_major() -> Option<u32> {
    let said = output_of(Command::new("node").arg("--version")).ok()?;
    said.trim()
        .trim_start_matches('v')
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn is_root() -> bool {
    output_of(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

fn apt_install(packages: &[&str], log: &Path) -> Result<()> {
    let list = packages.join(" ");
    if !process::exists("apt-get") {
        bail!("missing: {list}; install them with this system's package manager");
    }
    if !is_root() {
        bail!(
            "missing: {list}; run: sudo apt-get update && sudo apt-get install -y \
             --no-install-recommends {list}"
        );
    }
    let apt = |words: &[&str]| {
        let mut command = limited(1200, "apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-o", "DPkg::Lock::Timeout=900"])
            .args(words);
        command
    };
    // An old list may name package versions that are gone; a failed update may still do.
    let (updated, said) = process::logged(&mut apt(&["update"]), log)?;
    let mut install = apt(&["install", "-y", "--no-install-recommends"]);
    install.args(packages);
    let (installed, more) = process::logged(&mut install, log)?;
    if !installed.success() {
        let update = if updated.success() {
            String::new()
        } else {
            said
        };
        bail!(
            "apt-get install {list} failed\n{update}{}",
            last_lines(&more, 30)
        );
    }
    Ok(())
}

/// Makes the Python environment when it is missing or its list has changed.
pub fn ensure_venv(log: &Path) -> Result<()> {
    let venv = process::root().join(".tools/venv");
    let lists = [
        "crates/jiaoyi-tests/witness/requirements.txt",
        "xtask/checks/requirements.txt",
    ]
    .map(|list| process::root().join(list));
    let mut wanted = String::new();
    for list in &lists {
        wanted += &fs::read_to_string(list).with_context(|| format!("read {}", list.display()))?;
    }
    let stamp = venv.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) && python().exists() {
        return Ok(());
    }
    let mut make = limited(300, "python3");
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    run(&mut make, log).context("make the Python environment")?;
    let mut install = limited(900, &python().display().to_string());
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    for list in &lists {
        install.arg("--requirement").arg(list);
    }
    run(&mut install, log).context("Python packages")?;
    fs::write(&stamp, wanted).context("remember what was installed")
}

/// Installs the packages that cannot stand beside others, when they are missing or their list has
/// changed.
fn ensure_alone(log: &Path) -> Result<()> {
    let list = process::root().join("crates/jiaoyi-tests/witness/requirements-alone.txt");
    let wanted = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let folder = alone_folder();
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    let mut install = limited(900, &python().display().to_string());
    install
        .args(["-m", "pip", "install", "--quiet"])
        // Tens of thousands of modules, of which a handful is ever loaded.
        .args(["--no-compile", "--disable-pip-version-check", "--target"])
        .arg(&folder)
        .arg("--requirement")
        .arg(&list);
    run(&mut install, log)?;
    fs::write(&stamp, wanted).context("remember what was installed")
}

fn ensure_node(log: &Path) -> Result<()> {
    let folder = node_folder();
    let wanted = packages()?;
    let stamp = folder.join("installed.json");
    if !fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        fs::create_dir_all(&folder).context("make .tools/node")?;
        fs::write(folder.join("package.json"), &wanted).context("write .tools/node")?;
        let mut install = limited(900, "npm");
        install
            .args([
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
            ])
            .current_dir(&folder)
            .env("PUPPETEER_SKIP_DOWNLOAD", "1");
        run(&mut install, log)?;
        fs::write(&stamp, wanted).context("remember what was installed")?;
    }
    link_modules()
}

/// One package list out of all.
fn packages() -> Result<String> {
    let mut all = serde_json::Map::new();
    for list in PACKAGE_LISTS {
        let path = process::root().join(list);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let list: Value =
            serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let wanted = [&list["dependencies"], &list["devDependencies"]].map(Value::as_object);
        for (name, version) in wanted.into_iter().flatten().flatten() {
            let other = all.insert(name.clone(), version.clone());
            if other.is_some_and(|other| other != *version) {
                bail!("two versions of {name} in {}", PACKAGE_LISTS.join(", "));
            }
        }
    }
    Ok(serde_json::json!({ "private": true, "dependencies": all }).to_string())
}

/// Node looks for packages in the folders above a script; this link puts them there.
fn link_modules() -> Result<()> {
    let link = process::root().join("crates/jiaoyi-tests/node_modules");
    if fs::read_link(&link).is_err() {
        #[cfg(unix)]
        std::os::unix::fs::symlink("../../.tools/node/node_modules", &link)
            .with_context(|| format!("link {}", link.display()))?;
    }
    Ok(())
}

/// cargo-mutants, installed when it is missing. It is not among what `ensure` looks for: nothing that
/// every change goes through needs it.
pub fn cargo_mutants(log: &Path) -> Result<PathBuf> {
    let folder = process::root().join(".tools/cargo");
    let program = folder.join("bin/cargo-mutants");
    let known = output_of(Command::new(&program).args(["mutants", "--version"]));
    if known.is_ok_and(|said| said.split_whitespace().any(|word| word == CARGO_MUTANTS)) {
        return Ok(program);
    }
    let mut install = limited(3600, &process::cargo());
    install
        .args([
            "install",
            "--quiet",
            "--locked",
            "--force",
            "--version",
            CARGO_MUTANTS,
        ])
        .arg("cargo-mutants")
        .arg("--root")
        .arg(&folder);
    run(&mut install, log)?;
    Ok(program)
}

fn run(command: &mut Command, log: &Path) -> Result<()> {
    let (status, said) = process::logged(command, log)?;
    if !status.success() {
        bail!(
            "{:?} ended with {status}\n{}",
            command.get_program(),
            last_lines(&said, 30)
        );
    }
    Ok(())
}

/// The last `count` lines of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
