//! Fail points at every commit, put around the store of an installation: nothing of them is in the
//! program, so nothing of them can be switched on where it must not be.

use jiaoyi_store::StoreError;
use jiaoyi_store::engine::{Aside, Backend, Boxed, RawRows};
use jiaoyi_store::lane::{Item, Reply};
use jiaoyi_store::{ImportUnderWay, Snapshot, Urgency};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

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
    struck: Mutex<BTreeSet<String>>,
}

impl Points {
    /// Points that do nothing until they are switched on.
    pub fn armed(edge: Edge, deed: Deed) -> Arc<Points> {
        Arc::new(Points {
            armed: (edge, deed),
            on: AtomicBool::new(false),
            struck: Mutex::default(),
        })
    }

    pub fn switch(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }

    /// The points at which something happened.
    pub fn struck(&self) -> BTreeSet<String> {
        let struck = self.struck.lock();
        struck.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What happens at a point, if anything does.
    fn at(&self, point: String) -> Option<(Edge, Deed)> {
        if !self.on.load(Ordering::SeqCst) {
            return None;
        }
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
