//! Tasks and virtual time on one thread. Which of the ready tasks goes on is drawn from the seed, and
//! time moves only when none is ready: so a seed is an interleaving, and the same one every time.

use crate::robust::chance::Chance;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// What runs.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The number of a task.
type Id = u64;

/// A lock that a panic elsewhere does not spoil.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct State {
    now_ms: i64,
    next: Id,
    /// Whose tasks they are; a task that is being polled is not here.
    tasks: BTreeMap<Id, (Option<usize>, Task)>,
    timers: BTreeMap<(i64, Id), Waker>,
}

/// Runs tasks.
#[derive(Default)]
pub struct Executor {
    state: Mutex<State>,
    ready: Arc<Mutex<BTreeSet<Id>>>,
}

struct Woken {
    id: Id,
    ready: Arc<Mutex<BTreeSet<Id>>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).insert(self.id);
    }
}

impl Executor {
    /// Virtual milliseconds since the start.
    pub fn now_ms(&self) -> i64 {
        lock(&self.state).now_ms
    }

    /// Adds a task; one with an owner ends when the owner is killed.
    pub fn spawn(&self, owner: Option<usize>, task: impl Future<Output = ()> + Send + 'static) {
        let mut state = lock(&self.state);
        let id = state.next;
        state.next += 1;
        state.tasks.insert(id, (owner, Box::pin(task)));
        drop(state);
        lock(&self.ready).insert(id);
    }

    /// Ends every task of an owner where it stands, as the end of a process does.
    pub fn kill(&self, owner: usize) {
        let killed = {
            let tasks = &mut lock(&self.state).tasks;
            tasks
                .extract_if(.., |_, (by, _)| *by == Some(owner))
                .collect::<Vec<_>>()
        };
        // Only now: what ends wakes those who wait for it.
        drop(killed);
    }

    /// Ends every task.
    pub fn clear(&self) {
        let tasks = std::mem::take(&mut lock(&self.state).tasks);
        drop(tasks);
        lock(&self.state).timers.clear();
    }

    /// Waits so long.
    pub fn sleep(&self, ms: i64) -> Sleep<'_> {
        let until_ms = self.now_ms().saturating_add(ms.max(0));
        Sleep {
            executor: self,
            until_ms,
            set: false,
        }
    }

    /// Runs until virtual time has reached `end_ms`.
    pub fn run_until(&self, end_ms: i64, chance: &Mutex<Chance>) {
        loop {
            let next = {
                let mut ready = lock(&self.ready);
                let place = lock(chance).below(ready.len() as u64);
                let id = ready
                    .iter()
                    .nth(usize::try_from(place).unwrap_or(0))
                    .copied();
                id.inspect(|id| {
                    ready.remove(id);
                })
            };
            if let Some(id) = next {
                self.poll(id);
                continue;
            }
            let mut state = lock(&self.state);
            match state.timers.first_key_value() {
                Some(((at, _), _)) if *at <= end_ms => {}
                Some(_) | None => {
                    state.now_ms = end_ms;
                    return;
                }
            }
            if let Some(((at, _), waker)) = state.timers.pop_first() {
                state.now_ms = at;
                drop(state);
                waker.wake();
            }
        }
    }

    fn poll(&self, id: Id) {
        let taken = lock(&self.state).tasks.remove(&id);
        let Some((owner, mut task)) = taken else {
            return;
        };
        let waker = Waker::from(Arc::new(Woken {
            id,
            ready: Arc::clone(&self.ready),
        }));
        if task
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            lock(&self.state).tasks.insert(id, (owner, task));
        }
    }
}

/// Waits until a moment of virtual time.
pub struct Sleep<'e> {
    executor: &'e Executor,
    until_ms: i64,
    set: bool,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.executor.state);
        if state.now_ms >= self.until_ms {
            return Poll::Ready(());
        }
        if !self.set {
            let id = state.next;
            state.next += 1;
            state
                .timers
                .insert((self.until_ms, id), context.waker().clone());
            drop(state);
            self.set = true;
        }
        Poll::Pending
    }
}
