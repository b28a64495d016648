//! Payers: they come at a steady rate, look people up, pay in the wallets of both channels, some of
//! them twice, and have every answer in a journal on disk before they go on. What they are about to
//! do at a wallet is on disk in another one before it is sent.

use super::browser::{Browser, Reply};
use super::chance::Chance;
use super::ordeal::Load;
use super::people::Person;
use crate::harness::forms::{Form, forms};
use anyhow::{Context, Result, ensure};
use reqwest::Client;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What payers were told, or were about to do, one line each.
pub struct Journal(Mutex<std::fs::File>);

impl Journal {
    /// A new one.
    pub fn create(path: &Path) -> Result<Journal> {
        Ok(Journal(Mutex::new(std::fs::File::create(path)?)))
    }

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

/// What payers met.
#[derive(Default)]
pub struct Counts {
    pub payers: AtomicU64,
    pub told_paid: AtomicU64,
    pub paid_twice: AtomicU64,
    /// Requests without an answer.
    pub broken: AtomicU64,
    /// Requests that were told to come again: 503.
    pub refused: AtomicU64,
    pub unexpected: Mutex<Vec<String>>,
}

impl Counts {
    fn unexpected(&self, what: String) {
        let mut all = self
            .unexpected
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(what);
    }
}

/// Everything a payer needs.
#[derive(Clone)]
pub struct World {
    pub portal: String,
    pub sandbox: String,
    pub client: Client,
    pub journal: Arc<Journal>,
    /// What payers were about to do at wallets.
    pub intents: Arc<Journal>,
    pub counts: Arc<Counts>,
    pub paying: Arc<AtomicBool>,
}

/// What payers were about to do at wallets, beside their journal.
pub const INTENTS: &str = "intents.ndjson";

impl World {
    /// Payers whose journals are new files in this folder.
    pub fn of(folder: &Path, portal: &str, sandbox: &str, client: &Client) -> Result<World> {
        Ok(World {
            portal: portal.to_owned(),
            sandbox: sandbox.to_owned(),
            client: client.clone(),
            journal: Arc::new(Journal::create(&folder.join("journal.ndjson"))?),
            intents: Arc::new(Journal::create(&folder.join(INTENTS))?),
            counts: Arc::new(Counts::default()),
            paying: Arc::new(AtomicBool::new(true)),
        })
    }
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

/// What payers may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acts {
    Any,
    /// Nothing that takes a minute to be known.
    Quick,
}

impl Act {
    fn draw(acts: Acts, chance: &mut Chance) -> Act {
        if acts == Acts::Quick {
            return match chance.below(100) {
                0..60 => Act::Pay,
                60..85 => Act::Twice,
                _ => Act::Both,
            };
        }
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

/// One payer with a browser of their own.
pub struct Payer {
    acts: Acts,
    world: World,
    browser: Browser,
    chance: Chance,
}

/// A wallet's page.
pub struct Wallet {
    action: String,
    /// Our number, as the wallet shows it.
    pub attempt: String,
}

impl Payer {
    /// Nobody who was here before.
    pub fn new(world: &World, acts: Acts, chance: Chance) -> Payer {
        Payer {
            acts,
            browser: Browser::new(&world.client, &world.portal),
            world: world.clone(),
            chance,
        }
    }

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
                Ok(reply) => {
                    self.world.counts.refused.fetch_add(1, Ordering::Relaxed);
                    ensure!(reply.status == 503, "{path} answered {}", reply.status);
                }
                Err(_) => {
                    self.world.counts.broken.fetch_add(1, Ordering::Relaxed);
                }
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "{path}: no answer within a minute"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Looks the person up and starts a payment; the address that leads to the wallet.
    pub async fn start(&mut self, person: &Person, method: &str) -> Result<Option<String>> {
        let bill = self.look_up(person).await?;
        self.choose(bill.context("no bill on the page")?, method)
            .await
    }

    /// As [`Payer::start`]; nothing as well when somebody else has paid meanwhile.
    pub async fn try_start(&mut self, person: &Person, method: &str) -> Result<Option<String>> {
        match self.look_up(person).await? {
            Some(bill) => self.choose(bill, method).await,
            None => Ok(None),
        }
    }

    /// Looks the person up: the fields that begin a payment, if there is something to pay.
    async fn look_up(&mut self, person: &Person) -> Result<Option<[String; 2]>> {
        let key = self.chance.form_key();
        let fields = person.form(&key);
        let found = self.patient("/pay/person", Some(&fields)).await?;
        ensure!(found.status == 303, "the look-up answered {}", found.status);
        let check = self.patient("/pay/check", None).await?;
        let Some(reference) = check.field("bill_ref") else {
            return Ok(None);
        };
        let key = check.field("form_key").context("no form key on the page")?;
        Ok(Some([reference, key]))
    }

    /// Starts a payment of the bill; the address that leads to the wallet.
    async fn choose(&mut self, bill: [String; 2], method: &str) -> Result<Option<String>> {
        let [reference, key] = bill;
        let fields = [
            ("bill_ref", reference.as_str()),
            ("form_key", key.as_str()),
            ("method", method),
            ("relation", "other"),
        ];
        let started = self.patient("/pay/start", Some(&fields)).await?;
        Ok(started.location.filter(|to| leads_on(to)))
    }

    /// The wallet's page behind an address; some channels are led to by a form.
    async fn wallet_page(&mut self, address: &str) -> Result<String> {
        let page = self.browser.follow(address).await?.text();
        let leads_on = |form: &Form| form.action.starts_with(&self.world.sandbox);
        let Some(form) = forms(&page).into_iter().find(leads_on) else {
            return Ok(page);
        };
        let pairs = form.fields.iter();
        let pairs: Vec<(&str, &str)> = pairs.map(|(name, value)| (&**name, &**value)).collect();
        let led = self.browser.post(&form.action, &pairs).await?;
        match led.location {
            Some(to) if to.starts_with('/') => {
                let to = format!("{}{to}", self.world.sandbox);
                Ok(self.browser.follow(&to).await?.text())
            }
            Some(to) => Ok(self.browser.follow(&to).await?.text()),
            None => Ok(led.text()),
        }
    }

    /// Goes to the wallet; its number is in the journal when this returns.
    pub async fn wallet(&mut self, address: &str) -> Result<Wallet> {
        let page = self.wallet_page(address).await?;
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

    /// Presses a button of the wallet; where that leads. What is pressed is on disk before.
    pub async fn press(&mut self, wallet: &Wallet, button: &str) -> Result<Option<String>> {
        let intent = serde_json::json!({"attempt": wallet.attempt, "do": button});
        self.world.intents.tell(intent).await?;
        let reply = self.browser.post(&wallet.action, &[("do", button)]).await?;
        Ok(reply.location)
    }

    /// Pays an order another way; the address that leads to the wallet.
    pub async fn switch(&mut self, order: &str, method: &str) -> Result<Option<String>> {
        let key = self.chance.form_key();
        let fields = [("method", method), ("form_key", key.as_str())];
        let path = format!("/o/{order}/switch");
        let switched = self.patient(&path, Some(&fields)).await?;
        Ok(switched.location.filter(|to| leads_on(to)))
    }

    /// Whether the order's page shows a voucher: its number.
    pub async fn shown(&mut self, order: &str) -> Result<Option<String>> {
        let page = self.patient(&format!("/o/{order}"), None).await?.text();
        let number = page.split("href=\"/v/").nth(1);
        let number = number.and_then(|rest| rest.split(['?', '"', '/']).next());
        Ok(number.map(str::to_owned))
    }

    /// Has it in the journal that an attempt was shown as paid.
    pub async fn told_paid(&self, attempt: &str, voucher: &str) -> Result<()> {
        let told = serde_json::json!({"kind": "paid", "attempt": attempt, "voucher": voucher});
        self.world.journal.tell(told).await?;
        self.world.counts.told_paid.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits for the voucher's link on the order's page, as long as payers pay and a while longer.
    async fn voucher(&mut self, order: &str) -> Result<Option<String>> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(25) {
            if let Some(number) = self.shown(order).await? {
                return Ok(Some(number));
            }
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        Ok(None)
    }

    async fn pay(&mut self, person: &Person) -> Result<()> {
        let act = Act::draw(self.acts, &mut self.chance);
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
            let Some(address) = self.switch(&order, ways[1 - first]).await? else {
                return Ok(());
            };
            wallet = self.wallet(&address).await?;
            self.world.counts.paid_twice.fetch_add(1, Ordering::Relaxed);
        }
        let back = self.press(&wallet, act.button()).await?;
        let order = back.as_deref().and_then(order_of).unwrap_or(order);
        if let Some(voucher) = self.voucher(&order).await? {
            if matches!(act, Act::Both) {
                // Which of the two payments filled the bill is not the payer's to say.
                let told = serde_json::json!({"kind": "accepted", "attempt": wallet.attempt});
                self.world.journal.tell(told).await?;
                self.world.counts.told_paid.fetch_add(1, Ordering::Relaxed);
            } else {
                self.told_paid(&wallet.attempt, &voucher).await?;
            }
        }
        Ok(())
    }
}

/// Whether an address leads to a wallet, directly or by a page with a form.
fn leads_on(to: &str) -> bool {
    to.starts_with("http") || to.ends_with("/pay")
}

/// The order's token inside an address that leads back to its page.
pub fn order_of(address: &str) -> Option<String> {
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
pub async fn arrivals(world: World, people: Vec<Person>, load: Load) -> Result<()> {
    let mut payers = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / load.payers_per_second.max(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    for (number, person) in (0u64..).zip(people) {
        tick.tick().await;
        if !world.paying.load(Ordering::Relaxed) {
            break;
        }
        world.counts.payers.fetch_add(1, Ordering::Relaxed);
        let mut payer = Payer::new(&world, load.acts, Chance::of(load.seed, number));
        payers.spawn(async move {
            if let Err(error) = payer.pay(&person).await {
                payer.world.counts.unexpected(format!("{error:#}"));
            }
        });
    }
    while let Some(done) = payers.join_next().await {
        done?;
    }
    Ok(())
}
