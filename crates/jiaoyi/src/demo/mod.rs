//! `jiaoyi demo`: one process with portal, sandbox, text messages and invented families.
//!
//! Everything is real but the people and the channels: the channels are the sandbox, on its own
//! port, with its own books, speaking the real wire protocol.

mod forms;
mod fronts;
mod pay;
mod people;

use crate::commands::policy::policy_row;
use crate::commands::sandbox::load_faults;
use crate::commands::{database_of, make_folder};
use crate::edge;
use crate::exit::{Exit, note, print};
use crate::keys;
use crate::serving;
use axum::extract::State;
use axum::routing::get;
use clap::{Args, Subcommand};
use jiaoyi_app::import::ImportRequest;
use jiaoyi_app::limits::Budgets;
use jiaoyi_app::platform::{Clock, Platform, PlatformConfig};
use jiaoyi_channels::{Channels, ChannelsConfig};
use jiaoyi_documents::roster::Limits;
use jiaoyi_domain::Date;
use jiaoyi_domain::decide::ImportPolicy;
use jiaoyi_domain::policy::{EXAMPLES, Pack, demo_packs};
use jiaoyi_domain::region::RegionTable;
use jiaoyi_sandbox::{SandboxConfig, write_demo_identities};
use jiaoyi_store::{Database, Store};
use jiaoyi_web::WebSettings;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  jiaoyi demo\n  jiaoyi demo --port 0 --json --today 2026-11-22\n  jiaoyi demo pay --channel alipay"
)]
pub struct DemoArgs {
    #[command(subcommand)]
    command: Option<DemoCommand>,
    /// Where the portal listens on 127.0.0.1; 0 takes a free port.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where data is kept; a new temporary folder unless given.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The database: sqlite:FILE or postgres://USER@HOST/NAME; a file in the data folder unless given.
    #[arg(long)]
    database: Option<String>,
    /// How many invented people there are.
    #[arg(long, default_value_t = 60)]
    people: u32,
    /// The date that portal and sandbox take for today, yyyy-mm-dd.
    #[arg(long)]
    today: Option<Date>,
    /// Sign vouchers with SM2 and seal columns with SM4 instead of ES256 and AES.
    #[arg(long)]
    sm: bool,
    /// Switch the budgets against guessing off; for load tests of your own.
    #[arg(long)]
    no_budgets: bool,
    /// What goes wrong at the channels, and when: a file of rules, see jiaoyi sandbox --example-faults.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// One line of JSON on stdout when ready.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Pay for the next unpaid sample of a running demo, as a payer would.
    Pay(pay::PayArgs),
}

/// Who issues the demo's vouchers.
const ISSUER: &str = "演示医保局";

/// Where a running demo can be found by `demo pay`.
fn note_path() -> PathBuf {
    std::env::temp_dir().join("jiaoyi-demo.json")
}

/// What a running demo tells of itself; an error when there is none.
fn running() -> Result<serde_json::Value, Exit> {
    let text = std::fs::read_to_string(note_path())
        .map_err(|_| Exit::unavailable("no demo is running here; start one with `jiaoyi demo`"))?;
    serde_json::from_str(&text).map_err(Exit::unexpected)
}

/// The `channels.toml` of a running demo, and where its sandbox listens.
pub fn running_channels() -> Result<(PathBuf, String), Exit> {
    let told = running()?;
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    Ok((PathBuf::from(text("channels")), text("sandbox")))
}

/// Runs the demo, or pays in a running one.
pub async fn run(args: DemoArgs) -> Result<(), Exit> {
    match args.command {
        Some(DemoCommand::Pay(pay)) => pay::run(pay).await,
        None => start(args).await,
    }
}

/// What the demo tells whoever asks, as the one line of `--json` and at `/_demo`.
struct Facts {
    platform: Arc<Platform>,
    portal: String,
    sandbox: String,
    database: String,
    channels: PathBuf,
    people: Vec<people::Invented>,
}

impl Facts {
    /// Unpaid people whom nobody is just paying for and who can be paid for now, at most `max`.
    async fn samples(&self, max: usize) -> Vec<serde_json::Value> {
        let mut samples = Vec::new();
        for person in self.people.iter().filter(|person| person.payable) {
            if samples.len() >= max {
                break;
            }
            if people::is_free(&self.platform, person).await {
                samples.push(serde_json::json!({
                    "name": person.name,
                    "id_number": person.id_number,
                    "region": person.region,
                }));
            }
        }
        samples
    }

    async fn json(&self, max: usize) -> serde_json::Value {
        serde_json::json!({
            "portal": self.portal,
            "sandbox": self.sandbox,
            "fronts": format!("{}/front", self.sandbox),
            "sms": format!("{}/_sandbox/sms", self.sandbox),
            "keys": format!("{}/verify/keys", self.portal),
            "samples": self.samples(max).await,
            "database": self.database,
            "channels": std::path::absolute(&self.channels).unwrap_or_default(),
        })
    }
}

async fn start(args: DemoArgs) -> Result<(), Exit> {
    let listener = serving::listen(&format!("127.0.0.1:{}", args.port), "--port").await?;
    let sandbox_listener = serving::listen("127.0.0.1:0", "--port").await?;
    let portal = format!(
        "http://{}",
        listener.local_addr().map_err(Exit::unexpected)?
    );
    let sandbox = format!(
        "http://{}",
        sandbox_listener.local_addr().map_err(Exit::unexpected)?
    );
    let clock = edge::clock_on(args.today);
    let (folder, temporary) = match &args.data {
        Some(folder) => (folder.clone(), false),
        None => {
            let name = format!("jiaoyi-demo-{}", std::process::id());
            (std::env::temp_dir().join(name), true)
        }
    };
    make_folder(&folder)?;
    let _lock = lock(&folder)?;

    let identities = folder.join("channels");
    if !identities.join("sandbox.toml").exists() {
        write_demo_identities(&identities, &sandbox, clock()).map_err(Exit::unexpected)?;
    }
    let other_side = other_side(&identities, &portal, args.faults.as_deref())?;
    let time = Arc::clone(&clock);
    let running = jiaoyi_sandbox::serve(sandbox_listener, other_side, time, sandbox.clone())
        .await
        .map_err(Exit::unexpected)?;

    let platform = open(&args, &folder, &identities, &portal, &sandbox, &clock).await?;
    write_config(&args, &folder, &portal)?;
    fronts::register(&platform, &identities, &sandbox, clock()).await?;
    let people = seed(&platform, &folder, args.people).await?;
    let facts = Arc::new(Facts {
        platform: Arc::clone(&platform),
        portal: portal.clone(),
        sandbox: sandbox.clone(),
        database: platform.store.url().to_owned(),
        channels: identities.join("channels.toml"),
        people,
    });
    let settings = WebSettings {
        demo: true,
        https: false,
        wallet_hosts: vec![sandbox.clone()],
        ..WebSettings::default()
    };
    let app = serving::portal(&platform, settings, Arc::clone(&clock))?
        .route("/_demo", get(told).with_state(Arc::clone(&facts)));
    let jobs = tokio::spawn(serving::run_jobs(Arc::clone(&platform)));
    announce(&args, &facts).await;
    let done = serving::serve(listener, app, &platform.store).await;
    jobs.abort();
    running.shutdown().await;
    platform.store.close();
    if temporary {
        let _ = std::fs::remove_dir_all(&folder);
        let _ = std::fs::remove_file(note_path());
    }
    done
}

/// The channels' side: who they are, whom their front ends call, what goes wrong.
fn other_side(
    identities: &Path,
    portal: &str,
    faults: Option<&Path>,
) -> Result<SandboxConfig, Exit> {
    let file = identities.join("sandbox.toml");
    let mut config = SandboxConfig::load(&file).map_err(Exit::unexpected)?;
    config.point_fronts_at(portal);
    if let Some(faults) = faults {
        load_faults(&mut config, faults)?;
    }
    Ok(config)
}

/// Keeps a second demo out of the folder for as long as the file is open: it would have a sandbox of
/// its own, which knows nothing of the payments in the database.
fn lock(folder: &Path) -> Result<File, Exit> {
    let path = folder.join("demo.lock");
    let file = File::create(&path).map_err(|error| Exit::unwritten(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Exit::unavailable(format!(
            "{}: a demo is running in this folder; stop it first, or name another with --data",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(Exit::unwritten(&path, &error)),
    }
}

/// Writes the configuration with which other commands, `jiaoyi institution` among them, work on what
/// this demo has.
fn write_config(args: &DemoArgs, folder: &Path, portal: &str) -> Result<(), Exit> {
    let database = match args.database.as_deref().map(database_of).transpose()? {
        None => "sqlite:jiaoyi.db".to_owned(),
        // Read from the folder, where a relative path would mean another file.
        Some(Database::Sqlite(path)) => {
            let path = std::path::absolute(path).map_err(Exit::unexpected)?;
            format!("sqlite:{}", path.display())
        }
        Some(other) => other.to_string(),
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let text = format!(
        "database_url = {}\npublic_url = {}\nissuer = \"{ISSUER}\"\nkeys = \"keys.toml\"\n\
         channels = \"channels/channels.toml\"\ndemo = true\n",
        quoted(&database),
        quoted(portal),
    );
    let path = folder.join("jiaoyi.toml");
    std::fs::write(&path, text).map_err(|error| Exit::unwritten(&path, &error))
}

async fn told(State(facts): State<Arc<Facts>>) -> ([(&'static str, &'static str); 1], String) {
    (
        [("content-type", "application/json")],
        facts.json(50).await.to_string(),
    )
}

/// Opens a platform over the demo's folder; keys are made at the first start.
async fn open(
    args: &DemoArgs,
    folder: &Path,
    identities: &Path,
    portal: &str,
    sandbox: &str,
    clock: &Clock,
) -> Result<Arc<Platform>, Exit> {
    let key_file = folder.join("keys.toml");
    let keyring = if key_file.exists() {
        keys::load(&key_file)?
    } else {
        keys::make(&key_file, args.sm)?
    };
    let keyring = keys::with_answer_keys(&key_file, keyring)?;
    let mut config =
        ChannelsConfig::load(&identities.join("channels.toml")).map_err(Exit::unexpected)?;
    config.point_at(sandbox);
    let channels = Channels::open(config, identities).map_err(Exit::unexpected)?;
    let now = jiaoyi_domain::Instant(clock());
    let database = match &args.database {
        Some(url) => database_of(url)?,
        None => Database::Sqlite(folder.join("jiaoyi.db")),
    };
    let store = Store::open(&database, edge::random_bytes(), now).map_err(Exit::unavailable)?;
    let platform = Platform::open(
        store,
        keyring,
        channels,
        RegionTable::with_demo(),
        PlatformConfig {
            public_url: portal.to_owned(),
            issuer: ISSUER.into(),
            demo: true,
            budgets: if args.no_budgets {
                Budgets::OFF
            } else {
                Budgets::default()
            },
            bills: Some(folder.join("bills")),
        },
        (Arc::clone(clock), edge::random()),
        edge::fonts(),
    )
    .await
    .map_err(Exit::unexpected)?;
    Ok(Arc::new(platform))
}

/// Imports the demo's policies and its families; the second start changes nothing.
async fn seed(
    platform: &Platform,
    folder: &Path,
    count: u32,
) -> Result<Vec<people::Invented>, Exit> {
    let today = platform.today();
    let demo = demo_packs(today);
    let demo = demo
        .iter()
        .map(|(file, text)| (file.as_str(), text.as_str()));
    for (file, text) in demo.chain(EXAMPLES.iter().copied()) {
        let pack = Pack::parse(file, text)
            .map_err(|problems| Exit::unexpected(format!("{file}: {problems:?}")))?;
        let pack = policy_row(&pack, text.to_owned());
        platform
            .submit(ImportPolicy { pack })
            .await
            .map_err(Exit::unexpected)?;
    }
    platform.reload_policies().await.map_err(Exit::unexpected)?;
    let people = people::invent(count, today);
    let file = folder.join("roster.csv");
    std::fs::write(&file, people::roster(&people)).map_err(Exit::unexpected)?;
    let request = ImportRequest {
        path: file,
        region: None,
        benefit_year: today.year() + 1,
        source: "demo".to_owned(),
        serial: 1,
        older_confirmed: false,
        dry_run: false,
        all_or_nothing: false,
        limits: Limits::default(),
    };
    let report = platform
        .import_roster(&request, &mut |_, _, _| {})
        .await
        .map_err(Exit::unexpected)?;
    if report.rows_bad > 0 {
        let lines: Vec<String> = report
            .problems
            .iter()
            .take(3)
            .map(|problem| problem.line_zh())
            .collect();
        return Err(Exit::unexpected(format!(
            "the demo's roster: {}",
            lines.join("; ")
        )));
    }
    Ok(people)
}

/// Says where to go and whom to try, in both languages.
async fn announce(args: &DemoArgs, facts: &Facts) {
    let told = facts.json(50).await;
    let _ = std::fs::write(note_path(), told.to_string());
    if args.json {
        print(told);
        return;
    }
    let Facts {
        portal, sandbox, ..
    } = facts;
    print(format!("演示已启动 demo ready     {portal}"));
    print("演示环境，不是真的缴费；通道、短信都是模拟的。Nothing here is a real payment.");
    print(format!("  居民 resident          {portal}/"));
    print(format!("  缴费入口 front ends    {sandbox}/front"));
    print(format!("  短信 text messages     {sandbox}/_sandbox/sms"));
    print(format!("  模拟通道 sandbox       {sandbox}/_sandbox/books"));
    print(format!("  凭证公钥 voucher keys  {portal}/verify/keys"));
    print("可试的人 whom to try:");
    for person in people::to_try(&facts.people) {
        let link = people::link(&facts.platform, person)
            .await
            .unwrap_or_default();
        print(format!(
            "  {}  {}  {} {}  {}",
            person.name, person.id_number, person.region, person.region_name, person.what
        ));
        if !link.is_empty() {
            let birthday = format!("{} 月 {} 日", person.birth.month(), person.birth.day());
            print(format!(
                "      通知链接 notice link {portal}/k/{link}  生日 birthday {birthday}"
            ));
        }
    }
    print(format!(
        "  试一笔 pay now         jiaoyi demo pay --base-url {portal}"
    ));
    print(format!(
        "  核验 verify            jiaoyi verify --database {}",
        facts.database
    ));
    note("Ctrl-C 停止 stops");
}
