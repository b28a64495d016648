//! Puts the installation together, as the binary's edge does, and stops and starts it.

use super::calls::pointed;
use super::points::{Pointed, Points};
use super::{Folder, Person, World, person};
use crate::cluster::Cluster;
use axum::Router;
use jiaoyi_app::import::{ImportError, ImportReport, ImportRequest};
use jiaoyi_app::limits::Budgets;
use jiaoyi_app::platform::{Clock, Platform, PlatformConfig, Random};
use jiaoyi_app::portal::Portal;
use jiaoyi_channels::{AlipayApi, Channels, ChannelsConfig};
use jiaoyi_crypto::Keyring;
use jiaoyi_documents::Fonts;
use jiaoyi_documents::roster::Limits;
use jiaoyi_domain::decide::ImportPolicy;
use jiaoyi_domain::policy::{DEMO_COUNTY, Pack, demo_packs};
use jiaoyi_domain::region::RegionTable;
use jiaoyi_domain::roster::PolicyPack;
use jiaoyi_domain::{Date, Instant};
use jiaoyi_sandbox::{SandboxConfig, write_demo_identities};
use jiaoyi_store::{Database, Store};
use jiaoyi_web::{WebSettings, WebState, router};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The header of our roster files.
const HEADER: &str = "姓名,身份证号,参保地,人员类别,档次,救助身份,手机号,停保原因";

/// What makes an installation differ from the usual one.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The time at the start, with its zone.
    pub now: &'static str,
    /// The day around which the packs' windows lie.
    pub packs_on: Date,
    /// Replacements in the texts of the packs.
    pub edits: Vec<(&'static str, &'static str)>,
    pub people: u16,
    /// Whether there is a contract with UnionPay.
    pub unionpay: bool,
    /// The version of Alipay's API that is called.
    pub alipay: AlipayApi,
    /// Whether there are contracts with two banks.
    pub banks: bool,
    /// Whether WeChat's keys are only known from its list of certificates.
    pub certificates: bool,
    pub budgets: Budgets,
    /// Drives everything that is random.
    pub seed: u64,
    /// Whether its database is one of this process's PostgreSQL server, and no file.
    pub server: bool,
    /// Fail points around the store and the channels; then payers try again what was not answered.
    pub points: Option<Arc<Points>>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            now: "2026-11-22T10:00:00+08:00",
            packs_on: Date::constant(2026, 11, 22),
            edits: Vec::new(),
            people: 10,
            unionpay: true,
            alipay: AlipayApi::V2,
            banks: false,
            certificates: false,
            budgets: NO_BUDGETS,
            seed: 1,
            server: std::env::var("JIAOYI_TEST_ENGINE").as_deref() == Ok("postgres"),
            points: None,
        }
    }
}

/// All payers of a test come from one address.
pub const NO_BUDGETS: Budgets = Budgets::OFF;

/// Keys that sign answers to institutions: those of the documented example, known to everybody.
const ANSWER_KEYS: &str = concat!(
    "\n[[answer]]\nid = \"s001\"\nalgorithm = \"SM2\"\n",
    "secret = \"1111111111111111111111111111111111111111111111111111111111111111\"\n",
    "\n[[answer]]\nid = \"r001\"\nalgorithm = \"RSA\"\nsecret = \"\"\"\n",
    include_str!("../../../../../docs/biller-api/example-key.pem"),
    "\"\"\"\n",
);

/// Pages being served.
pub struct Pages {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// One roster file to be taken in.
pub struct Roster<'a> {
    pub people: &'a [Person],
    /// Aid codes of all of them, joined by `;`.
    pub aid: &'a str,
    /// Why they are struck off; nothing to levy then.
    pub void: &'a str,
    pub serial: i64,
    pub older_confirmed: bool,
}

impl Roster<'_> {
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}\r\n");
        for person in self.people {
            let _ = write!(
                text,
                "{},{},{},resident,,{},,{}\r\n",
                person.name, person.id, person.region, self.aid, self.void
            );
        }
        text
    }
}

/// RSA keys are slow to make: one set for the whole process.
pub fn identities() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let name = format!("jiaoyi-it-{}-identities", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let now = Instant::parse("2026-11-01T00:00:00+08:00").expect("a time");
        // Every world has a sandbox of its own and points its channels there.
        let nowhere = "http://127.0.0.1:9";
        write_demo_identities(&folder, nowhere, now.0).expect("identities are made");
        folder
    })
}

/// A stream of bytes from a seed: the same test draws the same numbers.
fn seeded(seed: u64) -> Random {
    let count = AtomicU64::new(0);
    Arc::new(move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            let n = count.fetch_add(1, Ordering::Relaxed);
            let mut hash = Sha256::new();
            hash.update(seed.to_be_bytes());
            hash.update(n.to_be_bytes());
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
    })
}

fn clock_of(clock: &Arc<AtomicI64>) -> Clock {
    let clock = Arc::clone(clock);
    Arc::new(move || clock.load(Ordering::SeqCst))
}

/// A pack as `policy import` stores it.
pub fn policy_row(pack: &Pack, text: String, now: Instant) -> PolicyPack {
    let region = pack.region.clone().unwrap_or_default();
    PolicyPack {
        pack_id: format!("{region}:{}:{}", pack.benefit_year, pack.scheme.code()),
        region,
        benefit_year: pack.benefit_year,
        status: pack.status.code().to_owned(),
        file_name: pack.file.clone(),
        text,
        imported_on: now.date(),
        imported_at: now,
        version: 1,
    }
}

impl World {
    pub async fn with(setup: Setup) -> World {
        let folder = Folder::new();
        let now = Instant::parse(setup.now).expect("a time with its zone");
        let clock = Arc::new(AtomicI64::new(now.0));
        let random = seeded(setup.seed);
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let portal = format!("http://{}", listener.local_addr().expect("an address"));
        let channel_listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await;
        let channel_listener = channel_listener.expect("a free port");
        let address = channel_listener.local_addr().expect("an address");
        let sandbox = format!("http://{address}");
        let config = SandboxConfig::load(&identities().join("sandbox.toml"));
        let mut config = config.expect("the sandbox's identities");
        config.point_fronts_at(&portal);
        let channels =
            jiaoyi_sandbox::serve(channel_listener, config, clock_of(&clock), sandbox.clone());
        let channels = channels.await.expect("the sandbox serves");
        let keyring = Keyring::generate(&mut |bytes: &mut [u8]| random(bytes));
        let keys = format!("{}{ANSWER_KEYS}", keyring.to_toml());
        std::fs::write(folder.0.join("keys.toml"), keys).expect("a file");
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build();
        let platform = open(&folder, &random, &clock, &portal, &sandbox, &setup).await;
        let mut world = World {
            portal,
            sandbox,
            clock,
            people: (0..setup.people).map(|n| person(n, DEMO_COUNTY)).collect(),
            platform,
            random,
            listener,
            pages: None,
            channels: Some(channels),
            http: http.expect("a client needs nothing from outside"),
            setup,
            folder,
        };
        world.import_policies().await;
        let people = world.people.clone();
        world.publish(&people, "", 1).await;
        world.serve();
        world
    }

    fn serve(&mut self) {
        let settings = WebSettings {
            demo: true,
            https: false,
            wallet_hosts: vec![self.sandbox.clone()],
            methods: self.platform.methods(),
            ..WebSettings::default()
        };
        let app: Router = router(WebState {
            portal: Arc::clone(&self.platform) as Arc<dyn Portal>,
            clock: clock_of(&self.clock),
            random: Arc::clone(&self.random),
            settings: Arc::new(settings),
        });
        let listener = self.listener.try_clone().expect("a second handle");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            let server = axum::serve(listener, app).with_graceful_shutdown(async {
                let _ = stopped.await;
            });
            server.await.expect("the pages are served");
        });
        self.pages = Some(Pages { stop, task });
    }

    async fn stop_pages(&mut self) {
        if let Some(pages) = self.pages.take() {
            let _ = pages.stop.send(());
            // A browser may keep its connection: after a moment it is cut, as a stop does it.
            let mut task = pages.task;
            if tokio::time::timeout(Duration::from_millis(500), &mut task)
                .await
                .is_err()
            {
                task.abort();
            }
        }
    }

    /// Ends the platform and opens it again on the same file, as a stop and a start do.
    pub async fn restart(&mut self) {
        self.stop_pages().await;
        self.platform.store.close();
        let setup = self.setup.clone();
        self.platform = open(
            &self.folder,
            &self.random,
            &self.clock,
            &self.portal,
            &self.sandbox,
            &setup,
        )
        .await;
        let resumed = self.platform.resume_imports().await;
        resumed.expect("interrupted imports are taken up");
        self.serve();
    }

    /// Ends the platform, so that nothing uses its database.
    pub async fn stop(&mut self) {
        self.stop_pages().await;
        self.platform.store.close();
    }

    /// Opens the platform on another database, as an operator does who names it in the configuration.
    pub async fn move_to(&mut self, url: &str) {
        std::fs::write(self.folder.0.join(DATABASE_NOTE), url).expect("a file");
        self.restart().await;
    }

    /// Ends everything.
    pub async fn end(&mut self) {
        self.stop_pages().await;
        if let Some(channels) = self.channels.take() {
            // Idle connections of payers would hold a graceful end.
            let _ = tokio::time::timeout(Duration::from_millis(200), channels.shutdown()).await;
        }
        self.platform.store.close();
    }

    async fn import_policies(&self) {
        self.change_policies(&self.setup.edits).await;
    }

    /// Takes in the demo's policies with some replacements in their texts.
    pub async fn change_policies(&self, edits: &[(&str, &str)]) {
        for (file, mut text) in demo_packs(self.setup.packs_on) {
            for (from, to) in edits {
                text = text.replace(from, to);
            }
            let pack = Pack::parse(&file, &text).expect("the demo's packs are complete");
            let pack = policy_row(&pack, text, self.now());
            let done = self.platform.submit(ImportPolicy { pack }).await;
            done.expect("the pack is stored");
        }
        let loaded = self.platform.refresh_policies().await;
        loaded.expect("the packs agree with each other");
    }

    /// Takes a file in under a serial.
    pub async fn import_text(
        &self,
        text: &str,
        serial: i64,
        older_confirmed: bool,
    ) -> Result<ImportReport, ImportError> {
        let request = ImportRequest {
            older_confirmed,
            ..self.request(text, serial)
        };
        self.platform
            .import_roster(&request, &mut |_, _, _| {})
            .await
    }

    /// A file with this text, to be taken in under a serial.
    pub fn request(&self, text: &str, serial: i64) -> ImportRequest {
        let path = self.folder.0.join(format!("roster-{serial}.csv"));
        std::fs::write(&path, text).expect("a file");
        ImportRequest {
            path,
            region: None,
            benefit_year: self.setup.packs_on.year() + 1,
            source: "test".to_owned(),
            serial,
            older_confirmed: false,
            dry_run: false,
            all_or_nothing: false,
            limits: Limits::default(),
        }
    }

    pub async fn import(&self, roster: &Roster<'_>) -> Result<ImportReport, ImportError> {
        let text = roster.text();
        self.import_text(&text, roster.serial, roster.older_confirmed)
            .await
    }

    /// A roster without a fault: everybody's due is there afterwards.
    pub async fn publish(&self, people: &[Person], aid: &str, serial: i64) -> ImportReport {
        let roster = Roster {
            people,
            aid,
            void: "",
            serial,
            older_confirmed: false,
        };
        let report = self.import(&roster).await.expect("the roster is taken in");
        assert!(report.active && report.rows_bad == 0, "{report:?}");
        report
    }

    pub fn database(&self) -> Database {
        database_of(&self.folder, self.setup.server)
    }

    /// A place for a file of the test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.0.join(name)
    }
}

/// The database of a test: a file in its folder, or one of its own in this process's cluster; the folder
/// remembers which, so that a restart finds it again.
fn database_of(folder: &Folder, server: bool) -> Database {
    let note = folder.0.join(DATABASE_NOTE);
    let url = std::fs::read_to_string(&note).unwrap_or_else(|_| {
        let url = if server {
            fresh_server_database()
        } else {
            format!("sqlite:{}", folder.0.join("jiaoyi.db").display())
        };
        std::fs::write(&note, &url).expect("a file");
        url
    });
    url.parse().expect("a database")
}

/// The file in which a test's folder names its database.
const DATABASE_NOTE: &str = "database.txt";

/// The URL of a fresh database of this process's cluster.
pub fn fresh_server_database() -> String {
    let cluster = Cluster::get();
    let name = cluster.database();
    cluster.url(&name, &name)
}

/// Ends the database of this folder if it is one of the cluster: there are hundreds in a test run,
/// and a full disk fails tests that have nothing to do with it.
pub fn forget_server_database(folder: &Folder) {
    let url = std::fs::read_to_string(folder.0.join(DATABASE_NOTE)).unwrap_or_default();
    if !std::thread::panicking()
        && url.starts_with("postgres:")
        && let Some((_, name)) = url.rsplit_once('/')
    {
        Cluster::get().forget(name);
    }
}

async fn open(
    folder: &Folder,
    random: &Random,
    clock: &Arc<AtomicI64>,
    portal: &str,
    sandbox: &str,
    setup: &Setup,
) -> Arc<Platform> {
    let text = std::fs::read_to_string(folder.0.join("keys.toml")).expect("the keys");
    let keyring = Keyring::parse(&text).expect("the keys");
    let mut config = ChannelsConfig::load(&identities().join("channels.toml")).expect("it loads");
    config.unionpay = config.unionpay.filter(|_| setup.unionpay);
    config.bank1 = config.bank1.filter(|_| setup.banks);
    config.bank2 = config.bank2.filter(|_| setup.banks);
    config.alipay.as_mut().expect("it is there").api = setup.alipay;
    if setup.certificates {
        let wechat = config.wechat.as_mut().expect("it is there");
        (
            wechat.public_key_id,
            wechat.public_key,
            wechat.platform_cert,
        ) = (None, None, None);
        wechat.fetch_certificates = true;
    }
    config.point_at(sandbox);
    // Real time: a receiver that never answers is waited for in the tests.
    config.webhooks.total_ms = 1_000;
    let mut channels = Channels::open(config, identities()).expect("the channels open");
    let mut chain = [0; 16];
    random(&mut chain);
    let now = Instant(clock.load(Ordering::SeqCst));
    let mut store =
        Store::open(&database_of(folder, setup.server), chain, now).expect("the store opens");
    if let Some(points) = &setup.points {
        channels = pointed(channels, points);
        let (inner, points) = (Arc::clone(store.backend()), Arc::clone(points));
        store = Store::over(Arc::new(Pointed { inner, points }));
    }
    let platform = Platform::open(
        store,
        keyring,
        channels,
        RegionTable::with_demo(),
        PlatformConfig {
            public_url: portal.to_owned(),
            issuer: "演示医保局".into(),
            demo: true,
            budgets: setup.budgets,
            bills: Some(folder.0.join("bills")),
        },
        (clock_of(clock), Arc::clone(random)),
        Fonts::committed(),
    )
    .await;
    Arc::new(platform.expect("the platform opens"))
}
