//! What one seed plays with: time, chance, the database, the channels, two nodes, and what was noted.

use super::channel::Books;
use super::executor::{Executor, lock};
use super::node::Node;
use super::seen::Situation;
use crate::harness::{Person, person};
use crate::robust::chance::Chance;
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::person::{Document, DocumentKind};
use jiaoyi_domain::policy::DEMO_COUNTY;
use jiaoyi_domain::region::RegionTable;
use jiaoyi_domain::time::MINUTE_MS;
use jiaoyi_domain::{Bucket, Date, Instant};
use jiaoyi_store::memory::Memory;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// When virtual time begins: 2026-11-22 10:00 in Beijing, inside the window of the demo's packs.
pub const START: Instant = Instant(1_795_312_800_000);
/// The day around which the packs' windows lie.
pub const PACKS_ON: Date = Date::constant(2026, 11, 22);
/// How long faults happen.
pub const TROUBLED_MS: i64 = 45 * MINUTE_MS;
/// Nodes over one database.
pub const NODES: usize = 2;
/// Insured people.
pub const PEOPLE: u16 = 6;
/// A county whose aid pays everything.
const COUNTY_OF_AID: &str = "990501";
/// Most crashes of one seed.
const CRASHES_MAX: u32 = 6;

/// People whose first two share a bucket; the last one has nothing to pay.
fn people(keyring: &Keyring) -> Vec<Person> {
    let mut known: BTreeMap<Bucket, u16> = BTreeMap::new();
    let mut numbers = 0..u16::MAX;
    let pair = numbers.find_map(|n| {
        let id = person(n, DEMO_COUNTY).id;
        let document = Document::parse(DocumentKind::IdCard, &id, START.date()).ok()?;
        let bucket = keyring.bucket_of(document.kind().code(), &document.index_text());
        known.insert(bucket, n).map(|earlier| [earlier, n])
    });
    let pair = pair.expect("there are more people than buckets");
    let others = numbers.take(usize::from(PEOPLE) - 3);
    let mut people: Vec<Person> = pair
        .into_iter()
        .chain(others)
        .map(|n| person(n, DEMO_COUNTY))
        .collect();
    people.push(person(0, COUNTY_OF_AID));
    people
}

/// What every seed begins with: policies and a roster, made once.
#[derive(Clone)]
pub struct Template {
    pub image: Vec<u8>,
    pub keys: String,
    pub regions: RegionTable,
    pub people: Vec<Person>,
}

impl Template {
    /// Without an image: the database is still to be filled.
    pub fn new(keyring: &Keyring) -> Template {
        Template {
            image: Vec::new(),
            keys: keyring.to_toml(),
            regions: RegionTable::with_demo(),
            people: people(keyring),
        }
    }
}

/// How much trouble a seed makes, in thousandths of whatever can go wrong; some seeds make none of a
/// kind, so that what hides behind it shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Troubles {
    pub commit: u64,
    pub database: u64,
    pub crash: u64,
    pub network: u64,
    pub channel: u64,
    pub notice: u64,
    pub refund: u64,
    pub clock: u64,
}

impl Troubles {
    fn drawn(chance: &mut Chance) -> Troubles {
        let mut of = |most: u64| match chance.below(3) {
            0 => 0,
            1 => most / 4,
            _ => most,
        };
        Troubles {
            commit: of(120),
            database: of(10),
            crash: of(12),
            network: of(80),
            channel: of(300),
            notice: of(400),
            refund: of(500),
            clock: of(1_000),
        }
    }
}

/// One seed's world.
pub struct World {
    pub template: Arc<Template>,
    pub executor: Executor,
    pub chance: Mutex<Chance>,
    pub database: Memory,
    pub books: BTreeMap<ChannelCode, Arc<Books>>,
    pub nodes: [Node; NODES],
    pub people: Vec<Person>,
    pub troubles: Troubles,
    /// Whether each bucket group has a lane of its own beside a wide one, as on a server.
    pub split_lanes: bool,
    /// The longest time on the line to the database, in milliseconds.
    pub line_ms: i64,
    /// Within how long the payers come.
    pub rush_ms: i64,
    /// What payers were told, in the form of `verify --journal`.
    pub journal: Mutex<Vec<String>>,
    pub broken: Mutex<Vec<String>>,
    seen: Mutex<BTreeMap<Situation, u64>>,
    trace: Mutex<Vec<String>>,
    troubled: AtomicBool,
    crashes: Mutex<u32>,
}

impl World {
    /// A world over a database; without `troubles` nothing goes wrong.
    pub fn new(template: Arc<Template>, database: Memory, seed: u64, quiet: bool) -> Arc<World> {
        let mut chance = Chance::new(seed);
        let troubles = Troubles::drawn(&mut chance);
        let split_lanes = chance.below(2) == 0;
        let line_ms = [3, 30, 250][usize::try_from(chance.below(3)).unwrap_or(0)];
        let rush_ms = [MINUTE_MS, 22 * MINUTE_MS][usize::try_from(chance.below(2)).unwrap_or(0)];
        let played = [
            ChannelCode::Wechat,
            ChannelCode::Alipay,
            ChannelCode::Unionpay,
        ];
        let books = played.map(|code| (code, Arc::new(Books::new(code))));
        Arc::new(World {
            executor: Executor::default(),
            chance: Mutex::new(chance),
            database,
            books: BTreeMap::from(books),
            nodes: std::array::from_fn(|_| Node::default()),
            people: template.people.clone(),
            template,
            troubles,
            split_lanes,
            line_ms,
            rush_ms,
            journal: Mutex::default(),
            broken: Mutex::default(),
            seen: Mutex::default(),
            trace: Mutex::default(),
            troubled: AtomicBool::new(!quiet),
            crashes: Mutex::default(),
        })
    }

    /// True time.
    pub fn now(&self) -> Instant {
        START.plus_ms(self.executor.now_ms())
    }

    /// A number from 0 to `end - 1`.
    pub fn below(&self, end: u64) -> u64 {
        lock(&self.chance).below(end)
    }

    /// A time from `from` to `to`, in milliseconds.
    pub fn between(&self, from: i64, to: i64) -> i64 {
        let span = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        from.saturating_add(i64::try_from(self.below(span.saturating_add(1))).unwrap_or(0))
    }

    /// Whether something of `thousandths` happens now; nothing does once faults have stopped.
    pub fn strikes(&self, thousandths: u64) -> bool {
        self.is_troubled() && self.below(1_000) < thousandths
    }

    pub fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    /// From here on nothing goes wrong.
    pub fn calm(&self) {
        self.troubled.store(false, Ordering::Relaxed);
        for node in &self.nodes {
            node.set_clock(0);
        }
        self.note("faults stop");
    }

    pub async fn pause(&self, from_ms: i64, to_ms: i64) {
        let ms = self.between(from_ms, to_ms);
        self.executor.sleep(ms).await;
    }

    /// Notes that a situation was met.
    pub fn saw(&self, what: Situation) {
        *lock(&self.seen).entry(what).or_default() += 1;
    }

    pub fn seen(&self) -> BTreeMap<Situation, u64> {
        lock(&self.seen).clone()
    }

    /// A line of the trace, with its virtual time.
    pub fn note(&self, what: impl AsRef<str>) {
        let ms = self.executor.now_ms();
        let (minutes, rest) = (ms / MINUTE_MS, ms % MINUTE_MS);
        let time = format!("{minutes:>5}:{:02}.{:03}", rest / 1_000, rest % 1_000);
        lock(&self.trace).push(format!("{time} {}", what.as_ref()));
    }

    pub fn trace(&self) -> Vec<String> {
        lock(&self.trace).clone()
    }

    /// Something that must not be.
    pub fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(format!("WRONG {what}"));
        lock(&self.broken).push(what);
    }

    /// Whether a node dies here; if so, its caller never goes on.
    pub async fn may_crash(self: &Arc<World>, node: usize, whereabouts: &str) {
        if !self.strikes(self.troubles.crash) {
            return;
        }
        {
            let mut crashes = lock(&self.crashes);
            if *crashes >= CRASHES_MAX {
                return;
            }
            *crashes += 1;
        }
        self.note(format!("node {node} dies {whereabouts}"));
        let world = Arc::clone(self);
        self.executor
            .spawn(None, async move { super::node::crash(&world, node).await });
        std::future::pending::<()>().await;
    }

    /// Lets go of everything that holds the world.
    pub fn end(&self) {
        for node in &self.nodes {
            node.forget();
        }
        self.executor.clear();
    }
}
