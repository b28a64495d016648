//! Rosters of any size: how long an import takes, what memory it holds, and how much slower payers
//! are answered meanwhile.

use super::browser::{Browser, client};
use super::chance::Chance;
use super::installation::Installation;
use super::people::{Form, Person, person, write_roster};
use super::process::{Around, Running, Used};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// Person numbers of rosters begin here, so that payers' people are others.
const FIRST: u32 = 1_000_000;

/// One import that was measured.
#[derive(Clone, Copy, Debug)]
pub struct Imported {
    pub rows: u32,
    pub form: Form,
    pub used: Used,
}

impl std::fmt::Display for Imported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Used {
            elapsed_ms,
            processor_ms,
            memory_kib,
        } = self.used;
        write!(
            f,
            "{} rows {:?}: {elapsed_ms} ms, processor {processor_ms} ms, most memory {memory_kib} KiB",
            self.rows, self.form
        )
    }
}

const fn file_of(form: Form) -> &'static str {
    match form {
        Form::Utf8 => "load.csv",
        Form::Gbk => "load-gbk.csv",
        Form::Xlsx => "load.xlsx",
    }
}

fn start(installation: &Installation, rows: u32, form: Form) -> Result<Running> {
    let file = file_of(form);
    let people = (FIRST..FIRST + rows).map(|n| person(n, "990101"));
    write_roster(&installation.folder.join(file), form, people)?;
    let words = [
        "import", "roster", file, "--json", "--source", file, "--serial", "1",
    ];
    Running::start(&installation.folder, "import", &words, &Around::default())
}

/// Imports a roster into an empty installation.
pub async fn import(rows: u32, form: Form) -> Result<Imported> {
    let installation = Installation::new(&format!("import-{form:?}"), None).await?;
    let (status, used) = start(&installation, rows, form)?.measured().await?;
    let told = std::fs::read_to_string(installation.folder.join("import.stdout"))?;
    ensure!(status.success(), "the import ended with {status}: {told}");
    let told: serde_json::Value = serde_json::from_str(told.trim())?;
    let good = told["rows_good"].as_u64().or(told["good"].as_u64());
    ensure!(
        good == Some(u64::from(rows)),
        "not every row was taken: {told}"
    );
    installation.remove()?;
    Ok(Imported { rows, form, used })
}

/// Times of starts of payments, in microseconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct Starts(Vec<u128>);

impl Starts {
    /// The time that `per_mille` of a thousand stay below.
    pub fn quantile(&self, per_mille: usize) -> u128 {
        let place = self.0.len() * per_mille / 1_000;
        let place = place.min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or(0)
    }
}

/// Looks one person after the other up and starts a payment, at most `per_second`, until `over`.
async fn starts(
    browser: &Browser,
    people: &mut impl Iterator<Item = Person>,
    per_second: u32,
    mut over: impl FnMut(usize) -> Result<bool>,
) -> Result<Starts> {
    let mut chance = Chance::new(5);
    let mut times = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !over(times.len())? {
        tick.tick().await;
        let person = people.next().context("nobody is left to pay for")?;
        let mut browser = browser.clone();
        let key = chance.form_key();
        let fields = person.form(&key);
        browser.post("/pay/person", &fields).await?;
        let check = browser.get("/pay/check").await?;
        let reference = check.field("bill_ref").context("no bill on the page")?;
        let fields = [
            ("bill_ref", reference.as_str()),
            ("form_key", key.as_str()),
            ("method", "alipay_wap"),
            ("relation", "other"),
        ];
        let begun = Instant::now();
        let started = browser.post("/pay/start", &fields).await?;
        times.push(begun.elapsed().as_micros());
        ensure!(
            started.status == 303,
            "the start answered {}",
            started.status
        );
    }
    times.sort_unstable();
    Ok(Starts(times))
}

/// Starts payments with nothing else going on, and then while a roster is imported.
///
/// `alone` is how many are started before the import.
pub async fn meanwhile(rows: u32, per_second: u32, alone: usize) -> Result<(Starts, Starts)> {
    let installation = Installation::new("meanwhile", None).await?;
    let count = u32::try_from(alone)? * 20;
    let payers: Vec<Person> = (0..count).map(|n| person(n, "990101")).collect();
    installation.import("roster.csv", Form::Utf8, payers.iter().cloned())?;
    let mut portal = installation.serve()?;
    let browser = Browser::new(&client()?, &installation.portal);
    installation.answers(&mut portal, &browser).await?;
    let mut people = payers.into_iter();
    let alone = starts(&browser, &mut people, per_second, |done| Ok(done >= alone)).await?;
    let mut importing = start(&installation, rows, Form::Utf8)?;
    let during = starts(&browser, &mut people, per_second, |_| {
        let status = importing.ended()?;
        ensure!(
            status.is_none_or(|status| status.success()),
            "the import failed"
        );
        Ok(status.is_some())
    })
    .await?;
    portal.kill()?;
    installation.remove()?;
    Ok((alone, during))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn rosters_of_every_form_are_taken_by_the_command() {
        for form in [Form::Gbk, Form::Xlsx] {
            let imported = import(300, form).await.unwrap();
            assert!(imported.used.memory_kib > 0, "{imported}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn payers_are_served_while_a_roster_comes_in() {
        let (alone, during) = meanwhile(3_000, 20, 60).await.unwrap();
        assert!(alone.quantile(990) > 0);
        assert!(during.quantile(990) > 0);
    }
}
