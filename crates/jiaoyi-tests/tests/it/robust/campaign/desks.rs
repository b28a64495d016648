//! Institutions that call the real program: made known before it starts, patient while it is busy, with
//! books of their own at the end of the day.

use super::books::rows;
use super::ground::Ground;
use crate::harness::Person;
use crate::harness::bank::{Bank, Bill, Now, Reply, key};
use crate::robust::installation::{fill, now};
use crate::robust::people;
use crate::robust::process::run;
use anyhow::{Context, Result, ensure};
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::decide::{Command, PutInstitution, PutInstitutionKey};
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::institution::Keeper;
use jiaoyi_domain::{Date, Instant};
use jiaoyi_store::{Database, Envelope, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

const MINUTE_MS: i64 = 60_000;
const HALF_A_DAY_MS: i64 = 12 * 60 * MINUTE_MS;
/// How often a call is made whose answer says that nothing was decided.
const TRIES_MAX: u32 = 100;

/// Real time, in an accounting day that ends half a day after the campaign began: no day ends in it.
#[derive(Clone, Copy, Debug)]
pub struct Today {
    day: Date,
    /// Minutes after midnight in Beijing.
    cut_over: u32,
}

impl Today {
    pub fn new() -> Today {
        let end = now().plus_ms(HALF_A_DAY_MS);
        let minutes = (end.0 + 8 * 60 * MINUTE_MS)
            .div_euclid(MINUTE_MS)
            .rem_euclid(1_440);
        Today {
            day: end.date(),
            // Midnight would be the end of the day before.
            cut_over: u32::try_from(minutes.max(1)).unwrap_or(1),
        }
    }
}

impl Now for Today {
    fn now(&self) -> Instant {
        now()
    }

    fn day(&self) -> Date {
        self.day
    }
}

/// Institutions at a portal.
#[derive(Clone)]
pub struct Desks {
    pub today: Today,
    pub banks: Vec<Bank>,
}

impl Desks {
    /// Makes so many institutions known, every second with SM2 keys, and starts the portal.
    pub async fn open(ground: &mut Ground, count: usize) -> Result<Desks> {
        run(
            &ground.installation.folder,
            &["keys", "answer", "keys.toml"],
        )?;
        let today = Today::new();
        let database = ground.database()?;
        let store = tokio::task::block_in_place(|| Store::open(&database, drawn(), now()))?;
        for n in 0..count {
            let (inst_id, scheme) = named(n);
            let mut institution = Bank::terms(&inst_id, now());
            institution.cut_over = today.cut_over;
            let change = false;
            submit(
                &store,
                PutInstitution {
                    institution,
                    change,
                },
            )
            .await?;
            let key = key(&inst_id, "k1", scheme, (now(), None));
            let by = Keeper::Staff;
            submit(&store, PutInstitutionKey { key, by }).await?;
        }
        store.close();
        ground.serve().await?;
        let mut banks = Vec::new();
        for n in 0..count {
            let (inst_id, scheme) = named(n);
            let portal = &ground.installation.portal;
            let mut bank = Bank::at(portal, &inst_id, scheme, ground.client.clone()).await;
            bank.channel = if n.is_multiple_of(3) { "A8" } else { "A7" };
            banks.push(bank);
        }
        Ok(Desks { today, banks })
    }

    /// As [`ask`], of one bank.
    pub async fn ask(&self, bank: &Bank, verb: &str, body: &Value) -> Result<Reply> {
        for _ in 0..TRIES_MAX {
            let reply = bank.try_call(&self.today, verb, body.clone()).await;
            match reply {
                Some(reply) if reply.status == 200 && reply.signed => return Ok(reply),
                // Busy, or lost: the outcome is unknown, and the same serial asks again.
                Some(reply) if matches!(reply.status, 503 | 504) => {}
                None => {}
                Some(reply) => {
                    anyhow::bail!("{verb} {body} was answered {} {}", reply.status, reply.text)
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("{verb} {body} was not answered {TRIES_MAX} times")
    }

    /// The bill of a person, as one bank is told.
    pub async fn bill(&self, bank: &Bank, person: &people::Person) -> Result<Bill> {
        let person = Person {
            name: person.name.clone(),
            id: person.id_number.clone(),
            birth: Date::MIN,
            region: "990101",
        };
        let told = self.ask(bank, "query", &bank.query_body(&person)).await?;
        Bill::read(&told.json).context("a bill")
    }

    /// Sends every bank's day file and wants it balanced; compares what each believes with the facts of
    /// the database, payment by payment. How many stand.
    ///
    /// # Errors
    ///
    /// When a day file is not balanced, or a payment stands on one side only.
    pub async fn balance(&self, database: &Database, believed: &Believed) -> Result<usize> {
        for bank in &self.banks {
            let own = believed.iter();
            let own = own.filter(|(held, _)| held.inst_id == bank.inst_id);
            let file = self.day_file(&bank.inst_id, own.clone());
            let body = file.into_bytes();
            let reply =
                bank.send_bytes(&self.today, "reconcile", body, "text/plain; charset=utf-8");
            let reply = reply.await;
            let state = reply.json["state"].as_str();
            ensure!(
                state == Some("BALANCED"),
                "{}: {}",
                bank.inst_id,
                reply.text
            );
            let count = u64::try_from(own.count())?;
            ensure!(
                reply.json["ours"]["count"].as_u64() == Some(count),
                "{} believes {count}: {}",
                bank.inst_id,
                reply.text
            );
        }
        let standing = standing(database)?;
        let believed: BTreeSet<Held> = believed.keys().cloned().collect();
        let differ = standing.symmetric_difference(&believed).next();
        ensure!(differ.is_none(), "only one side holds {differ:?}");
        Ok(standing.len())
    }

    fn day_file<'h>(
        &self,
        inst_id: &str,
        held: impl Iterator<Item = (&'h Held, &'h String)>,
    ) -> String {
        let day = self.today.day;
        let (mut text, mut count, mut sum) = (String::new(), 0, 0);
        for (Held { seq, fen, .. }, bill_no) in held {
            let _ = writeln!(text, "{day}|10:00:00|{seq}|{bill_no}|{fen}|A7|P");
            count += 1;
            sum += fen;
        }
        let hash: String = Sha256::digest(&text)
            .iter()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        format!("{inst_id}|{day}|{count}|{sum}|{hash}\n{text}")
    }
}

/// A payment that stands, as one side believes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    pub inst_id: String,
    pub seq: String,
    pub fen: u64,
}

/// What the institutions believe, with the bill of each payment.
pub type Believed = BTreeMap<Held, String>;

fn named(n: usize) -> (String, CallScheme) {
    let scheme = if n.is_multiple_of(2) {
        CallScheme::Rsa
    } else {
        CallScheme::Sm2
    };
    (format!("INST{n:02}"), scheme)
}

fn drawn<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

async fn submit(store: &Store, command: impl Command + 'static) -> Result<()> {
    let envelope = Envelope {
        command: Box::new(command),
        at: now(),
        seed: drawn(),
        issuer: "演示医保局".into(),
        key: None,
    };
    store
        .submit(envelope)
        .await
        .map(drop)
        .context("an institution")
}

/// Payments of institutions that were not undone.
fn standing(database: &Database) -> Result<BTreeSet<Held>> {
    let facts: Vec<Fact> = rows(database)?;
    let mut standing = BTreeMap::new();
    let mut undone = BTreeSet::new();
    for fact in facts {
        if !matches!(fact.channel, ChannelCode::Inbound(_)) {
            continue;
        }
        let name = (fact.merchant, fact.txn_id);
        match fact.kind {
            FactKind::Success => drop(standing.insert(name, fact.amount.get())),
            FactKind::Reversal => drop(undone.insert(name)),
            FactKind::Refund | FactKind::Chargeback => {
                anyhow::bail!("{name:?} was given back otherwise")
            }
        }
    }
    let rest = standing
        .into_iter()
        .filter(|(name, _)| !undone.contains(name));
    let held = rest.map(|((inst_id, seq), fen)| Held { inst_id, seq, fen });
    Ok(held.collect())
}
