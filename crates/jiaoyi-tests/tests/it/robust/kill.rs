//! Killed at any moment, nothing that was told is lost.
//!
//! Payers pay at a steady rate; the portal is killed as a power cut would kill it, again and again,
//! and started anew. Channels notify twice, late, or not at all; some payers pay twice. Every
//! answer that a payer saw is in a journal on disk before the payer goes on. In the end `verify`
//! compares journal, channel books and database.

use super::browser::{Browser, Reply, client};
use super::chance::Chance;
use super::installation::Installation;
use super::people::{Form, Person, person};
use super::process::{command, run};
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kills: u32,
    pub payers_per_second: u32,
    /// The longest time between an answer and the next kill.
    pub kill_after_ms_max: u64,
    pub seed: u64,
    /// How long everything may take to settle after the last kill.
    pub settle: Duration,
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub kills: u32,
    /// From the start of the process to its first page, in ms, sorted.
    pub restarts_ms: Vec<u128>,
    pub payers: u64,
    /// Payers who saw their voucher.
    pub told_paid: u64,
    /// Payers who paid twice at the channels.
    pub paid_twice: u64,
    /// Requests that met a portal that was not there.
    pub broken_requests: u64,
    pub paying_s: u64,
    pub settled_after_s: u64,
    pub payments_at_channels: usize,
    pub refunds_at_channels: usize,
    pub verify: String,
}

struct Journal(Mutex<std::fs::File>);

impl Journal {
    /// Writes a line and returns when it is on disk.
    async fn tell(self: &Arc<Self>, line: serde_json::Value) -> Result<()> {
        let journal = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let mut file = journal.0.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()
        })
        .await?
        .context("write the journal")
    }
}

#[derive(Default)]
struct Counts {
    payers: AtomicU64,
    told_paid: AtomicU64,
    paid_twice: AtomicU64,
    broken: AtomicU64,
    unexpected: Mutex<Vec<String>>,
}

/// Everything a payer needs.
#[derive(Clone)]
struct World {
    portal: String,
    sandbox: String,
    client: reqwest::Client,
    journal: Arc<Journal>,
    counts: Arc<Counts>,
    paying: Arc<AtomicBool>,
}

/// What a payer does at the wallet.
#[derive(Clone, Copy, Debug)]
enum Act {
    Pay,
    Twice,
    Late,
    Hidden,
    /// Pays by the second channel, and then the first one's order as well.
    Both,
    /// Looks at the wallet and goes away.
    Leave,
}

impl Act {
    fn draw(chance: &mut Chance) -> Act {
        match chance.below(100) {
            0..50 => Act::Pay,
            50..72 => Act::Twice,
            72..84 => Act::Late,
            84..88 => Act::Hidden,
            88..97 => Act::Both,
            _ => Act::Leave,
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Act::Pay | Act::Both | Act::Leave => "pay",
            Act::Twice => "notify_twice",
            Act::Late => "notify_late",
            Act::Hidden => "no_result",
        }
    }
}

struct Payer {
    world: World,
    browser: Browser,
    chance: Chance,
}

/// A wallet's page.
struct Wallet {
    action: String,
    attempt: String,
}

impl Payer {
    /// Asks until the portal answers; a payer who meets a broken page loads it again.
    async fn patient(&mut self, path: &str, fields: Option<&[(&str, &str)]>) -> Result<Reply> {
        let begun = Instant::now();
        loop {
            let asked = match fields {
                Some(fields) => self.browser.post(path, fields).await,
                None => self.browser.get(path).await,
            };
            match asked {
                Ok(reply) if reply.status < 500 => return Ok(reply),
                Ok(_) | Err(_) => {
                    self.world.counts.broken.fetch_add(1, Ordering::Relaxed);
                    ensure!(
                        begun.elapsed() < Duration::from_secs(60),
                        "{path}: no answer within a minute"
                    );
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Looks the person up and starts a payment; the wallet's address.
    async fn start(&mut self, person: &Person, method: &str) -> Result<Option<String>> {
        let key = self.chance.form_key();
        let fields = [
            ("relation", "other"),
            ("name", person.name.as_str()),
            ("document_kind", "id_card"),
            ("document", person.id_number.as_str()),
            ("region", person.region.as_str()),
            ("form_key", key.as_str()),
        ];
        let found = self.patient("/pay/person", Some(&fields)).await?;
        ensure!(found.status == 303, "the look-up answered {}", found.status);
        let check = self.patient("/pay/check", None).await?;
        let reference = check.field("bill_ref").context("no bill on the page")?;
        let key = check.field("form_key").context("no form key on the page")?;
        let fields = [
            ("bill_ref", reference.as_str()),
            ("form_key", key.as_str()),
            ("method", method),
            ("relation", "other"),
        ];
        let started = self.patient("/pay/start", Some(&fields)).await?;
        Ok(started.location.filter(|to| to.starts_with("http")))
    }

    async fn wallet(&mut self, address: &str) -> Result<Wallet> {
        let page = self.browser.follow(address).await?.text();
        let between = |from: &str, to: &str| -> Option<String> {
            let rest = page.split(from).nth(1)?;
            Some(rest.split(to).next()?.to_owned())
        };
        let token = between("action=\"/_wallet/", "/act\"").context("no form of the wallet")?;
        let attempt = page
            .split("<dd>")
            .filter_map(|rest| rest.split('<').next())
            .find(|text| text.len() == 22 && text.starts_with('J'))
            .context("no number on the wallet's page")?;
        let attempt = attempt.to_owned();
        let told = serde_json::json!({"kind": "accepted", "attempt": attempt});
        self.world.journal.tell(told).await?;
        Ok(Wallet {
            action: format!("{}/_wallet/{token}/act", self.world.sandbox),
            attempt,
        })
    }

    async fn press(&mut self, wallet: &Wallet, button: &str) -> Result<Option<String>> {
        let reply = self.browser.post(&wallet.action, &[("do", button)]).await?;
        Ok(reply.location)
    }

    /// Waits for the voucher's link on the order's page, as long as payers pay and a while longer.
    async fn voucher(&mut self, order: &str) -> Result<Option<String>> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(25) {
            let page = self.patient(&format!("/o/{order}"), None).await?;
            if let Some(rest) = page.text().split("href=\"/v/").nth(1) {
                let number = rest.split(['?', '"', '/']).next().unwrap_or_default();
                return Ok(Some(number.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        Ok(None)
    }

    async fn pay(&mut self, person: &Person) -> Result<()> {
        let act = Act::draw(&mut self.chance);
        let ways = ["alipay_wap", "wechat_h5"];
        let first = usize::from(self.chance.below(2) == 1);
        let Some(address) = self.start(person, ways[first]).await? else {
            return Ok(());
        };
        let order = order_of(&address).context("the wallet's address does not lead back")?;
        let mut wallet = self.wallet(&address).await?;
        if matches!(act, Act::Leave) {
            return Ok(());
        }
        if matches!(act, Act::Both) {
            // Armed: pays as soon as the order is closed, which is what the switch brings about.
            self.press(&wallet, "pay_after_close").await?;
            let key = self.chance.form_key();
            let fields = [("method", ways[1 - first]), ("form_key", key.as_str())];
            let path = format!("/o/{order}/switch");
            let switched = self.patient(&path, Some(&fields)).await?;
            let Some(address) = switched.location.filter(|to| to.starts_with("http")) else {
                return Ok(());
            };
            wallet = self.wallet(&address).await?;
            self.world.counts.paid_twice.fetch_add(1, Ordering::Relaxed);
        }
        let back = self.press(&wallet, act.button()).await?;
        let order = back.as_deref().and_then(order_of).unwrap_or(order);
        if let Some(voucher) = self.voucher(&order).await? {
            let told = if matches!(act, Act::Both) {
                // Which of the two payments filled the bill is not the payer's to say.
                serde_json::json!({"kind": "accepted", "attempt": wallet.attempt})
            } else {
                serde_json::json!({"kind": "paid", "attempt": wallet.attempt, "voucher": voucher})
            };
            self.world.journal.tell(told).await?;
            self.world.counts.told_paid.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// The order's token inside an address that leads back to its page.
fn order_of(address: &str) -> Option<String> {
    let once = percent_decoded(address);
    let twice = percent_decoded(&once);
    let rest = twice.split("/o/").nth(1)?;
    let token = rest.split(['/', '?', '&', '"']).next()?;
    Some(token.to_owned()).filter(|token| !token.is_empty())
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// Lets payers come at a steady rate until nobody is left or paying ends.
async fn arrivals(world: World, people: Vec<Person>, plan: Plan) -> Result<()> {
    let mut payers = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / plan.payers_per_second.max(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for (number, person) in (0u64..).zip(people) {
        tick.tick().await;
        if !world.paying.load(Ordering::Relaxed) {
            break;
        }
        world.counts.payers.fetch_add(1, Ordering::Relaxed);
        let mut payer = Payer {
            browser: Browser::new(&world.client, &world.portal),
            chance: Chance::new(plan.seed ^ number.wrapping_mul(0x5851_F42D_4C95_7F2D)),
            world: world.clone(),
        };
        payers.spawn(async move {
            if let Err(error) = payer.pay(&person).await {
                let all = &payer.world.counts.unexpected;
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(format!("{error:#}"));
            }
        });
    }
    while let Some(done) = payers.join_next().await {
        done?;
    }
    Ok(())
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When anything that was told is lost, when payers meet an answer that none of ours may give, or
/// when the books do not settle.
pub async fn kill_loop(plan: Plan) -> Result<Outcome> {
    let installation = Installation::new("kill", None).await?;
    let seconds = u64::from(plan.kills) * (plan.kill_after_ms_max / 2000 + 4) + 30;
    let count = u32::try_from(seconds)? * plan.payers_per_second;
    let people: Vec<Person> = (0..count).map(|n| person(n, "990101")).collect();
    installation.import("roster.csv", Form::Utf8, people.iter().cloned())?;
    let client = client()?;
    let probe = Browser::new(&client, &installation.portal);
    let journal = installation.folder.join("journal.ndjson");
    let world = World {
        portal: installation.portal.clone(),
        sandbox: installation.sandbox.clone(),
        client: client.clone(),
        journal: Arc::new(Journal(Mutex::new(std::fs::File::create(&journal)?))),
        counts: Arc::new(Counts::default()),
        paying: Arc::new(AtomicBool::new(true)),
    };
    let mut portal = installation.serve()?;
    installation.answers(&mut portal, &probe).await?;
    let begun = Instant::now();
    let payers = tokio::spawn(arrivals(world.clone(), people, plan));
    let mut chance = Chance::new(plan.seed);
    let mut outcome = Outcome::default();
    tokio::time::sleep(Duration::from_secs(2)).await;
    for _ in 0..plan.kills {
        let wait = 50 + chance.below(plan.kill_after_ms_max.saturating_sub(49));
        tokio::time::sleep(Duration::from_millis(wait)).await;
        portal.kill()?;
        portal = installation.serve()?;
        let took = installation.answers(&mut portal, &probe).await?;
        outcome.restarts_ms.push(took.as_millis());
        outcome.kills += 1;
    }
    world.paying.store(false, Ordering::Relaxed);
    outcome.paying_s = begun.elapsed().as_secs();
    payers.await??;
    outcome.restarts_ms.sort_unstable();
    let settled = settle(&installation, &probe, plan.settle, &mut outcome).await;
    finish(&world, &mut outcome);
    settled.with_context(|| format!("{outcome:#?}"))?;
    let unexpected = world.counts.unexpected.lock();
    let unexpected = unexpected.unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(
        unexpected.is_empty(),
        "{} payers met something unexpected, first: {:?}\n{outcome:#?}",
        unexpected.len(),
        unexpected.first()
    );
    lie(&installation, &journal)?;
    portal.kill()?;
    installation.remove()?;
    Ok(outcome)
}

fn finish(world: &World, outcome: &mut Outcome) {
    outcome.payers = world.counts.payers.load(Ordering::Relaxed);
    outcome.told_paid = world.counts.told_paid.load(Ordering::Relaxed);
    outcome.paid_twice = world.counts.paid_twice.load(Ordering::Relaxed);
    outcome.broken_requests = world.counts.broken.load(Ordering::Relaxed);
}

const VERIFY: [&str; 12] = [
    "verify",
    "--database",
    "sqlite:jiaoyi.db",
    "--keys",
    "keys.toml",
    "--settled",
    "--journal",
    "journal.ndjson",
    "--channel-books",
    "books.json",
    "--signatures",
    "--json",
];

/// How long repeated notices are waited for: late ones come after a minute.
const REPEATS: Duration = Duration::from_secs(75);

/// Waits until `verify` finds nothing any more and no refund is under way.
async fn settle(
    installation: &Installation,
    probe: &Browser,
    limit: Duration,
    outcome: &mut Outcome,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let text = installation.channel_books(probe).await?;
        std::fs::write(installation.folder.join("books.json"), &text)?;
        let books: serde_json::Value = serde_json::from_str(&text)?;
        let verified = command(&VERIFY)?
            .current_dir(&installation.folder)
            .output()?;
        outcome.verify = String::from_utf8_lossy(&verified.stdout).trim().to_owned();
        outcome.settled_after_s = begun.elapsed().as_secs();
        let waiting = told(&books, outcome);
        // What waits longer repeats what is known already; channels go on for a day.
        let enough = waiting == 0 || begun.elapsed() > REPEATS;
        if verified.status.success() && enough {
            return Ok(());
        }
        if begun.elapsed() > limit {
            let said = String::from_utf8_lossy(&verified.stderr).into_owned();
            bail!(
                "not settled after {} s: {waiting} notices wait, {}\n{said}",
                begun.elapsed().as_secs(),
                outcome.verify
            );
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// Counts what the channels did; how many notices they still want to deliver.
fn told(books: &serde_json::Value, outcome: &mut Outcome) -> usize {
    let rows = books["transactions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let list = |row: &serde_json::Value, name: &str| row[name].as_array().cloned();
    outcome.payments_at_channels = rows
        .iter()
        .filter(|row| row["transaction_id"].is_string())
        .count();
    outcome.refunds_at_channels = rows
        .iter()
        .flat_map(|row| list(row, "refunds").unwrap_or_default())
        .filter(|refund| refund["state"] == "success")
        .count();
    rows.iter()
        .flat_map(|row| list(row, "notices").unwrap_or_default())
        .filter(|notice| notice["accepted"] != true && notice["next_at_ms"].is_i64())
        .count()
}

/// The control: a journal with one false line must not pass.
fn lie(installation: &Installation, journal: &std::path::Path) -> Result<()> {
    let told = std::fs::read_to_string(journal)?;
    let paid = told.lines().find(|line| line.contains("\"paid\""));
    let paid = paid.context("nobody was told paid")?;
    let lie = paid.replace("\"paid\"", "\"refused\"");
    std::fs::write(installation.folder.join("lie.ndjson"), lie)?;
    let words = [
        "verify",
        "--database",
        "sqlite:jiaoyi.db",
        "--journal",
        "lie.ndjson",
        "--json",
    ];
    match run(&installation.folder, &words) {
        Err(error) if error.to_string().contains("journal.refused") => Ok(()),
        other => bail!("a journal with a lie in it was not refused: {other:?}"),
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let middle = self.restarts_ms.get(self.restarts_ms.len() / 2);
        let last = self.restarts_ms.last();
        writeln!(f, "kills                   {}", self.kills)?;
        writeln!(
            f,
            "restart to first page   median {} ms, most {} ms",
            middle.unwrap_or(&0),
            last.unwrap_or(&0)
        )?;
        writeln!(
            f,
            "payers                  {} in {} s",
            self.payers, self.paying_s
        )?;
        writeln!(f, "requests that broke     {}", self.broken_requests)?;
        writeln!(f, "told paid               {}", self.told_paid)?;
        writeln!(f, "payments at channels    {}", self.payments_at_channels)?;
        writeln!(f, "paid twice              {}", self.paid_twice)?;
        writeln!(f, "refunds at channels     {}", self.refunds_at_channels)?;
        writeln!(f, "settled after           {} s", self.settled_after_s)?;
        write!(f, "verify                  {}", self.verify)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn killed_five_times_nothing_that_was_told_is_lost() {
        let plan = Plan {
            kills: 5,
            payers_per_second: 8,
            kill_after_ms_max: 2_000,
            seed: 20_261_122,
            settle: Duration::from_secs(300),
        };
        let outcome = kill_loop(plan).await.unwrap();
        assert_eq!(outcome.kills, 5);
        assert!(outcome.told_paid > 20, "{outcome}");
        assert!(outcome.refunds_at_channels > 0, "{outcome}");
    }
}
