//! Fail points at every commit, put around the store of an installation: nothing of them is in the
//! program, so nothing of them can be switched on where it must not be.
//!
//! The list of points is read from the code: the kinds of all commands, wherever their source lies,
//! and the kinds of work beside them.

use jiaoyi_store::StoreError;
use jiaoyi_store::engine::{Aside, Backend, Boxed, RawRows};
use jiaoyi_store::lane::{Item, Reply};
use jiaoyi_store::{ImportUnderWay, Snapshot, Urgency};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Every point there is, with the source file that makes it.
pub fn all_points() -> BTreeMap<String, PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut points = BTreeMap::new();
    for folder in entries(&crates) {
        for path in sources(&folder.join("src")) {
            let text = std::fs::read_to_string(&path).expect("a text");
            let kinds = command_kinds(&text);
            let kinds = kinds.unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            for kind in kinds {
                let other = points.insert(format!("command {kind}"), path.clone());
                assert_eq!(other, None, "two commands are called {kind}");
            }
        }
    }
    let engine = crates.join("jiaoyi-store/src/engine.rs");
    let text = std::fs::read_to_string(&engine).expect("a text");
    for kind in aside_kinds(&text) {
        points.insert(format!("aside {kind}"), engine.clone());
    }
    points
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("it is read").path())
        .collect()
}

/// The source files in a folder and in those below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) =
        entries(folder).into_iter().partition(|path| path.is_dir());
    files.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    files.extend(folders.iter().flat_map(|folder| sources(folder)));
    files
}

/// What the commands of a source file are called; the first whose name cannot be read is an error,
/// so that none is left out because it is written otherwise.
pub fn command_kinds(source: &str) -> Result<Vec<&str>, String> {
    let commands = source.split("Command for ").skip(1);
    commands
        .map(|rest| {
            let said = rest.split_once("fn kind(&self) -> &'static str {");
            let text = said.and_then(|(_, body)| body.trim_start().strip_prefix('"'));
            let kind = text.and_then(|text| text.split_once('"'));
            let name = rest.split_whitespace().next().unwrap_or_default();
            kind.map(|(kind, _)| kind)
                .ok_or_else(|| format!("{name} does not say its kind as a plain text"))
        })
        .collect()
}

/// The variants of the enum of work beside the commands.
fn aside_kinds(engine: &str) -> Vec<&str> {
    let aside = engine.split("pub enum Aside {").nth(1);
    let aside = aside.expect("it is there").split("\n}").next();
    let lines = aside.unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(char::is_uppercase))
        .filter_map(|line| line.split(['(', ' ', ',']).next())
        .collect()
}

/// On which side of a commit something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Nothing of it is written.
    Before,
    /// It is durable, and nobody has been told.
    After,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Whoever waits is told that the store cannot write.
    Fail,
    /// Whoever waits ends there, as when the process dies.
    Crash,
}

/// Every point once: the first time that it is met.
#[derive(Debug)]
pub struct Points {
    armed: (Edge, Deed),
    on: AtomicBool,
    at_calls: AtomicBool,
    struck: Mutex<BTreeSet<String>>,
}

impl Points {
    /// Points that do nothing until they are switched on.
    pub fn armed(edge: Edge, deed: Deed) -> Arc<Points> {
        Arc::new(Points {
            armed: (edge, deed),
            on: AtomicBool::new(false),
            at_calls: AtomicBool::new(false),
            struck: Mutex::default(),
        })
    }

    /// At commits.
    pub fn switch(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }

    /// At calls to channels.
    pub fn switch_calls(&self, on: bool) {
        self.at_calls.store(on, Ordering::SeqCst);
    }

    /// The points of the code, made by a file of these, at which nothing happened.
    pub fn never_met(&self, of: impl Fn(&Path) -> bool) -> Vec<String> {
        let struck = self.struck();
        let mut points = all_points();
        points.retain(|point, file| of(file) && !struck.contains(point));
        points.into_keys().collect()
    }

    /// The points at which something happened.
    pub fn struck(&self) -> BTreeSet<String> {
        let struck = self.struck.lock();
        struck.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happens at a commit, if anything does.
    fn at(&self, point: String) -> Option<(Edge, Deed)> {
        let on = self.on.load(Ordering::SeqCst);
        on.then(|| self.first_at(point)).flatten()
    }

    /// What happens at a call to a channel, if anything does.
    pub fn at_call(&self, point: String) -> Option<(Edge, Deed)> {
        let on = self.at_calls.load(Ordering::SeqCst);
        on.then(|| self.first_at(point)).flatten()
    }

    fn first_at(&self, point: String) -> Option<(Edge, Deed)> {
        let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        struck.insert(point).then_some(self.armed)
    }
}

/// A store whose commits fail where the points say so.
pub struct Pointed {
    pub inner: Arc<dyn Backend>,
    pub points: Arc<Points>,
}

impl Pointed {
    fn pass<T: Send + 'static>(
        &self,
        point: String,
        reply: Reply<T>,
        submit: impl FnOnce(Reply<T>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let Some((edge, deed)) = self.points.at(point) else {
            return submit(reply);
        };
        if edge == Edge::After {
            let (own, answer) = oneshot::channel();
            submit(own)?;
            // What it would have been told is told to nobody. A thread of its own waits: here the wait
            // would swallow a call to wake up that is for the task around it.
            let waits = std::thread::spawn(|| drop(answer.blocking_recv()));
            drop(tokio::task::block_in_place(|| waits.join()));
        }
        if deed == Deed::Crash {
            // Ends the task without a word of the panic hook.
            std::panic::resume_unwind(Box::new("a fail point"));
        }
        let why = "a fail point".to_owned();
        drop(reply.send(Err(StoreError::Unavailable { why })));
        Ok(())
    }
}

impl Backend for Pointed {
    fn submit(&self, urgency: Urgency, item: Item) -> Result<(), StoreError> {
        let Item { envelope, reply } = item;
        let point = format!("command {}", envelope.command.kind());
        self.pass(point, reply, |reply| {
            self.inner.submit(urgency, Item { envelope, reply })
        })
    }

    fn aside(&self, work: Aside, reply: Reply<()>) -> Result<(), StoreError> {
        let point = match &work {
            Aside::Stage(_) => "aside Stage",
            Aside::Unstage { .. } => "aside Unstage",
            Aside::Append { .. } => "aside Append",
        };
        self.pass(point.to_owned(), reply, |reply| {
            self.inner.aside(work, reply)
        })
    }

    fn read<'a>(
        &'a self,
        file: &'static str,
        name: &'static str,
        given: &'a [jiaoyi_domain::record::Value],
    ) -> Boxed<'a, Result<RawRows, StoreError>> {
        self.inner.read(file, name, given)
    }

    fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.inner.snapshot()
    }

    fn import_under_way(&self) -> Result<ImportUnderWay, StoreError> {
        self.inner.import_under_way()
    }

    fn nobody_imports(&self) -> Result<bool, StoreError> {
        self.inner.nobody_imports()
    }

    fn url(&self) -> &str {
        self.inner.url()
    }

    fn close(&self) {
        self.inner.close();
    }
}
