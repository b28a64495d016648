//! The loops of the jobs. Each goes round by itself: what one waits for keeps no other waiting.

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiaoyi_app::platform::Platform;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

/// How often due work is looked for.
const WORK_EVERY: Duration = Duration::from_millis(500);
/// How many passes over due work may be under way at once. Each who does not answer holds up one for each
/// kind of work.
const PASSES_MAX: usize = 32;
/// How often the list of chains is signed, and looked whether the channels' certificates are due.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How long the first pass waits for the channels' certificates, without which no answer is believed.
const CERTIFICATES_WAIT: Duration = Duration::from_secs(2);
/// How often it is looked which bills of the channels are due.
const BILLS_EVERY: Duration = Duration::from_secs(60);

/// How the passes over due work follow each other.
#[derive(Clone, Copy)]
struct Pace {
    /// How often one is begun.
    every: Duration,
    /// One that lasts longer is held up by somebody who does not answer, and the next begins beside it.
    /// Not sooner: two that have much to do get no more done than one, and payers wait for both.
    held_up: Duration,
}

const PACE: Pace = Pace {
    every: WORK_EVERY,
    held_up: Duration::from_secs(2),
};

/// Runs the platform's jobs until the task is dropped.
pub async fn run_jobs(platform: Arc<Platform>) {
    tokio::join!(
        run_due_work(&platform),
        keep_books(&platform),
        keep_certificates(&platform),
        fetch_bills(&platform),
        tell_institutions(&platform)
    );
}

/// Ticks so often; after a long turn the next tick waits its time.
fn every(time: Duration) -> Interval {
    let mut tick = interval(time);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

async fn run_due_work(platform: &Platform) {
    let _ = timeout(CERTIFICATES_WAIT, platform.refresh_certificates()).await;
    run_passes(PACE, || pass(platform)).await;
}

/// Begins a pass with every tick once the one before has ended or is held up. A pass tells whether there
/// may be more.
async fn run_passes<P: Future<Output = bool>>(pace: Pace, pass: impl Fn() -> P) {
    let mut tick = every(pace.every);
    let mut passes = FuturesUnordered::new();
    // The pass that was begun last, while it is under way.
    let mut newest: Option<Instant> = None;
    loop {
        tokio::select! {
            now = tick.tick() => {
                let is_free = newest.is_none_or(|begun| now - begun >= pace.held_up);
                if is_free && passes.len() < PASSES_MAX {
                    newest = Some(now);
                    passes.push(pass().map(move |is_full| (now, is_full)));
                }
            }
            Some((begun, is_full)) = passes.next() => {
                if newest == Some(begun) {
                    newest = None;
                }
                if is_full {
                    tick.reset_immediately();
                }
            }
        }
    }
}

/// One pass over what is due; whether there may be more.
async fn pass(platform: &Platform) -> bool {
    let worked = survived("due work", async {
        match platform.work().await {
            Ok(worked) => worked.is_full(),
            Err(error) => {
                tracing::error!(code = error.code(), %error, "due work was not done");
                false
            }
        }
    });
    worked.await.unwrap_or(false)
}

/// Takes up imports that were interrupted, and signs the list of chains.
async fn keep_books(platform: &Platform) {
    let mut resumed = false;
    let mut tick = every(CHECKPOINT_EVERY);
    loop {
        tick.tick().await;
        if !resumed {
            resumed = resume_imports(platform).await;
        }
        survived("a checkpoint", async {
            if let Err(error) = platform.checkpoint().await {
                tracing::error!(code = error.code(), %error, "no checkpoint was signed");
            }
        })
        .await;
    }
}

async fn keep_certificates(platform: &Platform) {
    let mut tick = every(CHECKPOINT_EVERY);
    tick.reset_at(Instant::now() + CHECKPOINT_EVERY);
    loop {
        tick.tick().await;
        survived("certificates", platform.refresh_certificates()).await;
    }
}

/// A download may take minutes.
async fn fetch_bills(platform: &Platform) {
    let mut tick = every(BILLS_EVERY);
    loop {
        tick.tick().await;
        survived("bills of the channels", platform.fetch_due_bills()).await;
    }
}

async fn tell_institutions(platform: &Platform) {
    let mut tick = every(WORK_EVERY);
    loop {
        tick.tick().await;
        survived("events for institutions", async {
            if let Err(error) = platform.tell_institutions().await {
                tracing::error!(code = error.code(), %error, "institutions were not told");
            }
        })
        .await;
    }
}

/// A panic in one turn must not end all later ones: nothing would notice that they are missing.
async fn survived<T>(what: &str, turn: impl Future<Output = T>) -> Option<T> {
    let done = AssertUnwindSafe(turn).catch_unwind().await;
    if done.is_err() {
        tracing::error!(what, "a job panicked");
    }
    done.ok()
}

/// Whether interrupted imports need no more looking at.
async fn resume_imports(platform: &Platform) -> bool {
    match platform.resume_imports().await {
        Ok(resumed) => resumed,
        Err(error) => {
            tracing::error!(code = error.code(), %error, "interrupted imports were not taken up");
            // A database that is away for a moment comes back; what is damaged stays so.
            !error.is_away()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::{pending, ready};
    use std::cell::Cell;
    use std::sync::Mutex;

    /// When `count` passes have begun; `hangs` tells which never end, the others may leave more to do.
    async fn begun(count: usize, hangs: impl Fn(usize) -> bool) -> Vec<Duration> {
        let start = Instant::now();
        let begun = Mutex::new(Vec::new());
        let (all, seen) = tokio::sync::oneshot::channel();
        let all = Mutex::new(Some(all));
        let pass = || {
            let mut begun = begun.lock().unwrap();
            let hangs = hangs(begun.len());
            begun.push(start.elapsed());
            if begun.len() == count {
                let _ = all.lock().unwrap().take().unwrap().send(());
            }
            if hangs {
                pending().boxed()
            } else {
                ready(true).boxed()
            }
        };
        tokio::select! {
            () = run_passes(PACE, pass) => {}
            _ = seen => {}
        }
        begun.into_inner().unwrap()
    }

    #[tokio::test]
    async fn where_there_may_be_more_the_next_pass_begins_at_once() {
        let begun = begun(20, |_| false).await;
        let by_ticks = WORK_EVERY * 19;
        assert!(begun[19] < by_ticks / 2, "{begun:?}");
    }

    #[tokio::test]
    async fn beside_a_pass_that_hangs_the_next_begins_when_it_is_held_up() {
        let begun = begun(3, |number| number == 0).await;
        // From the start: the first tick was due then, however late its pass began.
        assert!(begun[1] >= PACE.held_up, "{begun:?}");
        assert!(
            begun[2] - begun[1] < PACE.held_up,
            "one that ends holds up nothing: {begun:?}"
        );
    }

    #[tokio::test]
    async fn when_nobody_answers_no_more_passes_are_begun() {
        let begun = Cell::new(0);
        let pass = || {
            begun.set(begun.get() + 1);
            pending()
        };
        let often = Duration::from_micros(100);
        let pace = Pace {
            every: often,
            held_up: often,
        };
        let passes = timeout(often * 10_000, run_passes(pace, pass)).await;
        assert!(passes.is_err() && begun.get() == PASSES_MAX, "{begun:?}");
    }
}
