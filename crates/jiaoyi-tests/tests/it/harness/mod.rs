//! One installation in this process: platform, pages, sandbox and invented people on one clock that
//! stands still until a test turns it. Nothing is decided by waiting; sockets are polled shortly.

pub mod bank;
pub mod calls;
pub mod forms;
mod payer;
mod platform;
pub mod points;
mod proof;

pub use payer::{Page, Payer, Wallet};
pub use platform::{NO_BUDGETS, Roster, Setup, fresh_server_database, identities, policy_row};

use jiaoyi_app::platform::Platform;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::due::{Due, DueState};
use jiaoyi_domain::messages::{Case, CaseKind};
use jiaoyi_domain::person::{Document, DocumentKind, id_number};
use jiaoyi_domain::record::Column;
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::roster::Document as DocumentRow;
use jiaoyi_domain::{AttemptNo, Date, Instant};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

/// The channels of a payer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    Wechat,
    Alipay,
    Unionpay,
    Bank1,
    Bank2,
}

impl Channel {
    /// The two wallets, which can close an order.
    pub const BOTH: [Channel; 2] = [Channel::Wechat, Channel::Alipay];
    pub const ALL: [Channel; 3] = [Channel::Wechat, Channel::Alipay, Channel::Unionpay];
    /// Only where [`Setup::banks`] says so.
    pub const BANKS: [Channel; 2] = [Channel::Bank1, Channel::Bank2];

    pub const fn code(self) -> &'static str {
        match self {
            Channel::Wechat => "wechat",
            Channel::Alipay => "alipay",
            Channel::Unionpay => "unionpay",
            Channel::Bank1 => "bank1",
            Channel::Bank2 => "bank2",
        }
    }

    /// What a phone's browser is offered.
    pub const fn method(self) -> &'static str {
        match self {
            Channel::Wechat => "wechat_h5",
            Channel::Alipay => "alipay_wap",
            Channel::Unionpay => "unionpay_wap",
            Channel::Bank1 => "bank1_page",
            Channel::Bank2 => "bank2_page",
        }
    }

    pub const fn other(self) -> Channel {
        match self {
            Channel::Wechat => Channel::Alipay,
            Channel::Alipay | Channel::Unionpay | Channel::Bank1 | Channel::Bank2 => {
                Channel::Wechat
            }
        }
    }
}

/// One invented person of the roster.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub id: String,
    pub birth: Date,
    pub region: &'static str,
}

/// A person who differs from all others by `n`.
pub fn person(n: u16, region: &'static str) -> Person {
    const SURNAMES: [&str; 8] = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄"];
    const GIVEN: [&str; 5] = ["桂兰", "志强", "小雨", "德福", "春花"];
    let place = usize::from(n);
    let month = i8::try_from(n % 12).expect("small") + 1;
    let day = i8::try_from(n % 28).expect("small") + 1;
    let birth = Date::new(1950 + i16::try_from(n % 40).expect("small"), month, day);
    let birth = birth.expect("a date");
    Person {
        name: format!("{}{}", SURNAMES[place % 8], GIVEN[place % 5]),
        id: id_number(region, birth, n % 998 + 1).expect("six digits"),
        birth,
        region,
    }
}

/// A folder of its own, removed at the end, and with it the database that it names.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("jiaoyi-it-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        platform::forget_server_database(self);
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct World {
    pub portal: String,
    pub sandbox: String,
    pub clock: Arc<AtomicI64>,
    /// People of the county in its window; the first roster holds them.
    pub people: Vec<Person>,
    pub platform: Arc<Platform>,
    random: jiaoyi_app::platform::Random,
    listener: std::net::TcpListener,
    pages: Option<platform::Pages>,
    channels: Option<jiaoyi_sandbox::Running>,
    http: reqwest::Client,
    setup: Setup,
    folder: Folder,
}

impl World {
    /// Ten people in a county whose window is open.
    pub async fn new() -> World {
        World::with(Setup::default()).await
    }

    pub fn now(&self) -> Instant {
        Instant(self.clock.load(Ordering::SeqCst))
    }

    pub fn turn(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    /// Works until nothing is due.
    pub async fn work(&self) {
        for _ in 0..60 {
            match self.platform.work().await {
                Ok(worked) if worked.is_idle() && self.told().await == 0 => return,
                Ok(_) => {}
                // Fail points are no trouble of the store's.
                Err(error) => assert!(self.setup.points.is_some(), "the store works: {error}"),
            }
        }
        panic!(
            "work is due again and again: {:?}",
            self.platform.work().await
        );
    }

    /// Tells institutions what is due; how much was sent.
    pub async fn told(&self) -> u32 {
        let platform = Arc::clone(&self.platform);
        // Its own task, which a fail point may end, as the program survives that too.
        match tokio::spawn(async move { platform.tell_institutions().await }).await {
            Ok(Ok(sent)) => sent,
            trouble => {
                assert!(self.setup.points.is_some(), "the store works: {trouble:?}");
                1
            }
        }
    }

    /// Turns the clock, lets the channels say what is due, and works.
    pub async fn pass(&self, ms: i64) {
        self.turn(ms);
        self.quiet().await;
        self.work().await;
        self.quiet().await;
    }

    /// More than a day, so that every planned query has been made.
    pub async fn pass_a_day(&self) {
        for step in [
            5 * SECOND,
            30 * SECOND,
            4 * MINUTE,
            12 * MINUTE,
            12 * MINUTE,
            HOUR,
            10 * HOUR,
            13 * HOUR,
            50 * MINUTE,
        ] {
            self.turn(step);
            self.quiet().await;
            self.work().await;
        }
        self.quiet().await;
    }

    /// Waits until the sandbox has delivered what is due by its clock.
    pub async fn quiet(&self) {
        // Its agenda is looked at every 50 ms of real time.
        tokio::time::sleep(Duration::from_millis(60)).await;
        self.until("the sandbox to be quiet", async || self.is_quiet().await)
            .await;
    }

    /// Whether the sandbox has delivered what is due by its clock.
    pub async fn is_quiet(&self) -> bool {
        let now = self.now().0;
        let books = self.books().await;
        let transactions = books["transactions"].as_array();
        transactions.into_iter().flatten().all(|row| {
            let notices = row["notices"].as_array();
            notices.into_iter().flatten().all(|notice| {
                notice["in_flight"] == json!(false)
                    && notice["next_at_ms"].as_i64().is_none_or(|at| at > now)
            })
        })
    }

    /// Polls shortly until it is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        for _ in 0..500 {
            if is_so().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited ten seconds for {what}");
    }

    /// Asks the sandbox's control interface.
    pub async fn control(&self, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/_sandbox/{path}", self.sandbox);
        let answer = self.http.post(url).body(body.to_string()).send().await;
        let answer = answer.expect("the sandbox answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Lets the sandbox do something wrong; gives the number of the fault.
    pub async fn fault(&self, channel: Channel, at: &str, deed: &str, more: Value) -> u64 {
        let mut body = json!({
            "channel": channel.code(), "out_trade_no": "*", "at": at, "do": deed,
        });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let (status, told) = self.control("fault", body).await;
        assert_eq!(status, 200, "{told}");
        told["id"].as_u64().expect("a number")
    }

    /// Lets calls that are about no order go wrong so often.
    pub async fn beside(&self, call: &str, deed: &str, times: u32) {
        let body = json!({ "call": call, "do": deed, "times": times });
        let (status, told) = self.control("beside", body).await;
        assert_eq!(status, 200, "{told}");
    }

    /// Ends a fault before it has struck as often as it was told to.
    pub async fn mend(&self, fault: u64) {
        let url = format!("{}/_sandbox/fault/{fault}", self.sandbox);
        let answer = self.http.delete(url).send().await;
        assert!(answer.expect("the sandbox answers").status().is_success());
    }

    /// Lets go wrong from now on what a script says.
    pub async fn trouble(&self, script: &str) {
        let url = format!("{}/_sandbox/faults", self.sandbox);
        let answer = self.http.post(url).body(script.to_owned()).send().await;
        let answer = answer.expect("the sandbox answers");
        let good = answer.status().is_success();
        assert!(good, "{}", answer.text().await.expect("a body"));
    }

    /// How often each rule of the script has struck, by its name.
    pub async fn struck(&self) -> Vec<(String, u64)> {
        let told: Value = serde_json::from_str(&self.told_at("faults").await).expect("JSON");
        let rules = told["rules"].as_array().expect("a list").iter();
        rules
            .map(|rule| {
                let name = rule["name"].as_str().expect("a name").to_owned();
                (name, rule["applied"].as_u64().expect("a number"))
            })
            .collect()
    }

    /// Every order, payment and refund that the channels know.
    pub async fn ledger(&self) -> Vec<Value> {
        let lines = self.told_at("books.jsonl").await;
        let read = |line: &str| serde_json::from_str(line).expect("JSON");
        lines.lines().map(read).collect()
    }

    async fn told_at(&self, path: &str) -> String {
        let url = format!("{}/_sandbox/{path}", self.sandbox);
        let answer = self.http.get(url).send().await;
        let answer = answer.expect("the sandbox answers");
        answer.text().await.expect("a body")
    }

    /// Plays the payer behind everybody's back, or notifies again; gives the answer.
    pub async fn play(&self, wallet: &Wallet, more: Value) -> Value {
        let mut body = json!({
            "channel": wallet.channel.code(), "out_trade_no": wallet.no.as_str(),
        });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let (status, told) = self.control("pay", body).await;
        assert_eq!(status, 200, "{told}");
        told
    }

    /// The channels' own books.
    pub async fn books(&self) -> Value {
        serde_json::from_str(&self.told_at("books").await).expect("JSON")
    }

    /// What the channel knows of an attempt.
    pub async fn trade(&self, wallet: &Wallet) -> Value {
        let books = self.books().await;
        let rows = books["transactions"].as_array().expect("a list");
        let found = rows
            .iter()
            .find(|row| row["out_trade_no"] == json!(wallet.no.as_str()));
        found.cloned().unwrap_or(Value::Null)
    }

    /// Reads the number of the attempt from a wallet's page.
    pub async fn wallet(&self, page: Page) -> Wallet {
        assert!(
            page.url.starts_with(&self.sandbox),
            "not the wallet's page: {}",
            page.words()
        );
        let no = page
            .text
            .split(|c: char| !c.is_ascii_alphanumeric())
            .find_map(AttemptNo::parse)
            .expect("the wallet shows our number");
        let attempt = self.attempt(&no).await;
        let channel = match attempt.channel {
            ChannelCode::Wechat => Channel::Wechat,
            ChannelCode::Alipay => Channel::Alipay,
            ChannelCode::Unionpay => Channel::Unionpay,
            ChannelCode::Inbound(front) => panic!("{front:?} has no wallet"),
            ChannelCode::Bank1 => Channel::Bank1,
            ChannelCode::Bank2 => Channel::Bank2,
        };
        let order = self.platform.order_token(attempt.bucket, attempt.order_id);
        Wallet {
            page,
            channel,
            no,
            order,
        }
    }

    pub async fn attempt(&self, no: &AttemptNo) -> Attempt {
        let key = (no.bucket(), no.clone());
        let found = self.platform.store.load(&key).await;
        found
            .expect("the store reads")
            .expect("the attempt is there")
    }

    /// The open exceptions, by kind.
    pub async fn cases(&self) -> Vec<CaseKind> {
        let cases: Vec<Case> = self.platform.store.all().await.expect("the store reads");
        let mut kinds: Vec<CaseKind> = cases.into_iter().map(|case| case.kind).collect();
        kinds.sort_by_key(|kind| kind.code());
        kinds
    }

    pub async fn refunds(&self) -> Vec<Refund> {
        let mut refunds: Vec<Refund> = self.platform.store.all().await.expect("the store reads");
        refunds.sort_by_key(|refund| (refund.created_at.0, refund.refund_no.as_str().to_owned()));
        refunds
    }

    /// The newest due of a person.
    pub async fn due(&self, person: &Person) -> Due {
        let store = &self.platform.store;
        let today = self.platform.today();
        let document = Document::parse(DocumentKind::IdCard, &person.id, today);
        let document = document.expect("a valid number");
        let (kind, text) = (document.kind().code(), document.index_text());
        let keyring = &self.platform.keyring;
        let key = (
            keyring.bucket_of(kind, &text),
            keyring.doc_hmac(kind, &text),
        );
        let row: Option<DocumentRow> = store.load(&key).await.expect("the store reads");
        let row = row.expect("the person is known");
        let given = [row.person_bucket.to_value(), row.person_id.to_value()];
        let dues: Vec<Due> = store.range("by_person", &given).await.expect("it reads");
        let newest = dues.into_iter().max_by_key(|due| due.generation);
        newest.expect("the person has a due")
    }

    pub async fn is_paid(&self, person: &Person) -> bool {
        self.due(person).await.state == DueState::Paid
    }
}
