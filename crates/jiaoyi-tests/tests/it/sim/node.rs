//! One process of the platform: its lanes, its jobs, its clock, its death and its next start.

use super::channel::Wire;
use super::executor::lock;
use super::seen::Situation;
use super::store::Lanes;
use super::world::World;
use crate::harness::NO_BUDGETS;
use jiaoyi_app::platform::{Platform, PlatformConfig};
use jiaoyi_channels::{Channels, Gateway};
use jiaoyi_crypto::Keyring;
use jiaoyi_documents::Fonts;
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::decide::RecordTransfer;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::time::{MINUTE_MS, SECOND_MS};
use jiaoyi_store::Store;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// How often a node signs the list of chains.
const CHECKPOINT_MS: i64 = MINUTE_MS;
/// How far a clock may be off: two of them together less than the margin of an attempt's death.
const CLOCK_MS: i64 = 4 * MINUTE_MS;

/// A process, while it lives and while it does not.
#[derive(Default)]
pub struct Node {
    platform: Mutex<Option<Arc<Platform>>>,
    /// How far its clock is ahead of true time.
    ahead_ms: AtomicI64,
}

impl Node {
    pub fn platform(&self) -> Option<Arc<Platform>> {
        lock(&self.platform).clone()
    }

    pub fn set_clock(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    pub fn forget(&self) {
        let platform = lock(&self.platform).take();
        drop(platform);
    }
}

/// Starts a node: a barrier, new chains, the platform, its jobs.
pub async fn start(world: Arc<World>, node: usize) {
    let lanes = match Lanes::open(&world, node).await {
        Ok(lanes) => lanes,
        Err(why) => {
            world.note(format!("node {node} does not start: {why}"));
            again_later(&world, node);
            return;
        }
    };
    let store = Store::over(lanes);
    let (clock_of, random_of) = (Arc::clone(&world), Arc::clone(&world));
    let clock = Arc::new(move || {
        let ahead = clock_of.nodes[node].ahead_ms.load(Ordering::Relaxed);
        clock_of.now().plus_ms(ahead).0
    });
    let random = Arc::new(move |bytes: &mut [u8]| {
        let mut chance = lock(&random_of.chance);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&chance.next().to_be_bytes()[..chunk.len()]);
        }
    });
    let keyring = Keyring::parse(&world.template.keys).expect("our own keys");
    let wires = world.books.values().map(|books| {
        let (books, world) = (Arc::clone(books), Arc::clone(&world));
        Arc::new(Wire { books, world, node }) as Arc<dyn Gateway>
    });
    let config = PlatformConfig {
        public_url: "https://pay.example.gov.cn".to_owned(),
        issuer: "演示医保局".into(),
        demo: true,
        budgets: NO_BUDGETS,
        bills: None,
    };
    let platform = Platform::open(
        store,
        keyring,
        Channels::over(wires.collect()),
        world.template.regions.clone(),
        config,
        (clock, random),
        Fonts::committed(),
    );
    match platform.await {
        Ok(platform) => {
            let platform = Arc::new(platform);
            *lock(&world.nodes[node].platform) = Some(Arc::clone(&platform));
            world.note(format!("node {node} is up"));
            let jobs = jobs(Arc::clone(&world), platform);
            world.executor.spawn(Some(node), jobs);
        }
        Err(why) => {
            world.note(format!("node {node} does not start: {why}"));
            again_later(&world, node);
        }
    }
}

/// Kills a node and starts it again after a while.
pub async fn crash(world: &Arc<World>, node: usize) {
    let drafted = world
        .database
        .read("attempt", "scan", &[])
        .unwrap_or_default();
    let is_drafted =
        |row: &Vec<Value>| row.contains(&Value::Text(AttemptState::Drafted.code().to_owned()));
    if drafted.iter().any(is_drafted) {
        world.saw(Situation::CrashBeforeHandOut);
    }
    world.saw(Situation::Crash);
    world.nodes[node].forget();
    world.executor.kill(node);
    again_later(world, node);
}

fn again_later(world: &Arc<World>, node: usize) {
    let again = Arc::clone(world);
    world.executor.spawn(None, async move {
        again.pause(200, 90 * SECOND_MS).await;
        // Whatever an earlier start left behind is over.
        again.executor.kill(node);
        let world = Arc::clone(&again);
        again.executor.spawn(Some(node), start(world, node));
    });
}

/// The jobs as `serve` has them; their pauses are longer, and long once faults have stopped.
async fn jobs(world: Arc<World>, platform: Arc<Platform>) {
    let mut checkpoint_at = world.now();
    loop {
        let _ = platform.work().await;
        if world.now() >= checkpoint_at {
            checkpoint_at = world.now().plus_ms(CHECKPOINT_MS);
            let _ = platform.checkpoint().await;
        }
        if world.is_troubled() {
            world.pause(500, 15 * SECOND_MS).await;
        } else {
            checkpoint_at = checkpoint_at.plus_ms(20 * MINUTE_MS);
            world.pause(MINUTE_MS, 12 * MINUTE_MS).await;
        }
    }
}

/// Turns a clock now and then.
pub async fn turn_clocks(world: Arc<World>) {
    while world.is_troubled() {
        world.pause(MINUTE_MS, 10 * MINUTE_MS).await;
        if world.strikes(world.troubles.clock) {
            let node = usize::try_from(world.below(2)).unwrap_or(0);
            let ahead = world.between(-CLOCK_MS, CLOCK_MS);
            world.nodes[node].set_clock(ahead);
            world.saw(Situation::ClockJump);
            world.note(format!("the clock of node {node} is now {ahead} ms ahead"));
        }
    }
}

/// Staff look once for refunds that no channel takes, and pay them by bank transfer.
pub async fn officer(world: Arc<World>) {
    let list = |platform: Arc<Platform>| async move { platform.refunds_for_staff().await };
    let waiting = call(&world, 0, list).await;
    for refund in waiting.and_then(Result::ok).unwrap_or_default() {
        let reference = format!("BANK-{}", refund.refund_no);
        let paid = Paid::new(&reference, world.now().date(), None, "w1024");
        let command = RecordTransfer {
            refund_no: refund.refund_no.clone(),
            paid: paid.expect("it can be kept"),
        };
        let record = |platform: Arc<Platform>| async move { platform.submit(command).await };
        if let Some(Ok(answer)) = call(&world, 1, record).await {
            let no = refund.refund_no;
            world.note(format!("{no} is paid by transfer: {answer:?}"));
            world.saw(Situation::PaidByTransfer);
        }
    }
}

/// Sends a request to a node over a network that may lose it or its answer; `None` is no answer.
pub async fn call<T, F>(
    world: &Arc<World>,
    node: usize,
    work: impl FnOnce(Arc<Platform>) -> F + Send,
) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    world.pause(1, 40).await;
    let platform = world.nodes[node].platform()?;
    if world.strikes(world.troubles.network) {
        world.saw(Situation::RequestLost);
        return None;
    }
    let (reply, answer) = oneshot::channel();
    let handled = work(platform);
    world.executor.spawn(Some(node), async move {
        let _ = reply.send(handled.await);
    });
    let answer = answer.await.ok()?;
    world.pause(1, 40).await;
    if world.strikes(world.troubles.network) {
        world.saw(Situation::AnswerLost);
        return None;
    }
    Some(answer)
}
