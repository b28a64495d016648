//! An institution with its key, its people, and what it has under way.

use super::Profile;
use super::calls::Answer;
use super::expect::{Outcome, pretty};
use super::play::{Spoken, Stage};
use crate::edge;
use crate::exit::{Exit, note};
use jiaoyi_sandbox::{CallSigner, CallVerifier};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use reqwest::Client;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The longest that a limit may make a case wait.
const PATIENCE_S: u64 = 70;

/// Who calls, and how its days end.
pub struct Terms {
    pub inst_id: String,
    pub key_id: String,
    pub channel: String,
    pub profile: Profile,
    /// Minutes of the Beijing day.
    pub cut_over: i64,
}

/// Somebody who owes something.
#[derive(Clone, Debug)]
pub struct Person {
    pub id_type: String,
    pub id_no: String,
    pub name: String,
    pub region: String,
}

/// An open bill, as a query found it.
#[derive(Clone, Debug)]
pub struct Bill {
    pub person: Person,
    pub token: String,
    pub bill_no: String,
    pub amount_fen: i64,
    /// The whole bill.
    pub told: Value,
}

/// A payment that stands, to be undone when the case is over.
#[derive(Clone, Debug)]
struct Standing {
    seq: String,
    day: String,
    amount_fen: i64,
}

/// What all cases work with.
pub struct Kit {
    pub terms: Terms,
    pub base: String,
    pub signer: CallSigner,
    pub http: Client,
    pub people: Vec<Person>,
    known: BTreeMap<(String, String), CallVerifier>,
    /// How far the platform's clock is before ours, in seconds.
    pub skew_s: Cell<i64>,
    run: String,
    next: Cell<u32>,
    turn: Cell<usize>,
    spoken: RefCell<Vec<Spoken>>,
    standing: RefCell<Vec<Standing>>,
    locked: RefCell<Vec<String>>,
}

/// Minutes of `HH:MM`, up to 24:00.
pub fn minutes(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let all = hour * 60 + minute;
    ((0..60).contains(&minute) && (0..=1_440).contains(&all)).then_some(all)
}

fn beijing(ms: i64) -> jiff::Zoned {
    let zone = TimeZone::fixed(Offset::constant(8));
    Timestamp::from_millisecond(ms)
        .unwrap_or_default()
        .to_zoned(zone)
}

impl Kit {
    /// Reads key and people, and asks the platform for its keys and its time.
    pub async fn open(
        base: &str,
        key: &Path,
        people: Option<&Path>,
        terms: Terms,
    ) -> Result<Kit, Exit> {
        let pem = std::fs::read_to_string(key)
            .map_err(|error| Exit::not_found(format!("--key {}: {error}", key.display())))?;
        let signer = CallSigner::from_pem(&pem).ok_or_else(|| {
            Exit::usage(format!(
                "--key {}: no private key in PKCS#8 PEM (BEGIN PRIVATE KEY), RSA or SM2",
                key.display()
            ))
        })?;
        let http = Client::builder()
            .timeout(Duration::from_secs(35))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Exit::unexpected)?;
        let base = base.trim_end_matches('/').to_owned();
        let people = match people {
            Some(file) => {
                let text = std::fs::read_to_string(file).map_err(|error| {
                    Exit::not_found(format!("--people {}: {error}", file.display()))
                })?;
                people_of(&text)?
            }
            None => demo_people(&http, &base).await?,
        };
        let known = keys(&http, &base).await?;
        let kit = Kit {
            terms,
            base,
            signer,
            http,
            people,
            known,
            skew_s: Cell::new(0),
            run: format!("C{:x}-", edge::system_now().0 / 1_000),
            next: Cell::new(0),
            turn: Cell::new(0),
            spoken: RefCell::default(),
            standing: RefCell::default(),
            locked: RefCell::default(),
        };
        kit.meet_clock().await?;
        Ok(kit)
    }

    /// Who is played and where, for the report.
    pub fn head(&self) -> String {
        let terms = &self.terms;
        format!(
            "{} · {} · key {} · {} · channel {} · {}",
            self.base,
            terms.inst_id,
            terms.key_id,
            self.signer.scheme(),
            terms.channel,
            self.time(0)
        )
    }

    /// Takes over the platform's time, so that a demo of another day can be tested too; the case
    /// `clock.close` says when ours is wrong.
    async fn meet_clock(&self) -> Result<(), Exit> {
        let draft = self.draft("echo-signature", b"{}".to_vec());
        let answer = self.send(draft).await.map_err(Exit::unavailable)?;
        let told = &answer.json["timestamp_skew_s"];
        let Some(skew_s) = told.as_i64() else {
            return Err(Exit::not_found(format!(
                "{} does not know institution {}: {}",
                self.base,
                self.terms.inst_id,
                pretty(&answer.body)
            )));
        };
        // It tells how far ours is from its own.
        let ours = edge::system_now().0 / 1_000;
        let theirs = answer.timestamp.unwrap_or(ours);
        self.skew_s.set(theirs - ours);
        if skew_s.abs() > 5 {
            note(format!(
                "the platform's clock and ours are {skew_s} s apart"
            ));
        }
        self.take_spoken();
        Ok(())
    }

    /// The platform's time, in milliseconds.
    pub fn now_ms(&self) -> i64 {
        edge::system_now().0 + self.skew_s.get() * 1_000
    }

    /// A time as the contract writes it, `plus_s` from now.
    pub fn time(&self, plus_s: i64) -> String {
        let at = beijing(self.now_ms() + plus_s * 1_000);
        at.strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string()
    }

    /// The accounting day of now, `plus` days on.
    pub fn day(&self, plus: i64) -> String {
        // What is at or after the cut-over belongs to the next day.
        let shifted = self.now_ms() + (1_440 - self.terms.cut_over) * 60_000;
        let at = beijing(shifted + plus * 86_400_000);
        at.strftime("%Y-%m-%d").to_string()
    }

    /// A serial that was never used.
    pub fn seq(&self) -> String {
        let next = self.next.get() + 1;
        self.next.set(next);
        format!("{}{next:04}", self.run)
    }

    /// The key with which the platform signed.
    pub fn key_of_platform(&self, scheme: &str, key_id: &str) -> Option<&CallVerifier> {
        self.known.get(&(scheme.to_owned(), key_id.to_owned()))
    }

    /// Notes an exchange for the report.
    pub fn speak(&self, spoken: Spoken) {
        self.spoken.borrow_mut().push(spoken);
    }

    /// A signed call with a JSON body; its answer is signed. A limit is waited for.
    pub async fn call(&self, verb: &'static str, body: &Value) -> Result<Answer, String> {
        let mut waited_s = 0;
        loop {
            let answer = self
                .send(self.draft(verb, body.to_string().into_bytes()))
                .await?;
            answer.is_signed()?;
            let wait_s = answer.retry_after_s.filter(|_| answer.status == 429);
            match wait_s {
                Some(wait_s) if waited_s + wait_s <= PATIENCE_S => {
                    waited_s += wait_s.max(1);
                    tokio::time::sleep(Duration::from_secs(wait_s.max(1))).await;
                }
                Some(_) | None => return Ok(answer),
            }
        }
    }

    /// What is asked about a person.
    pub fn question(&self, person: &Person) -> Value {
        json!({
            "pooling_region": person.region, "id_type": person.id_type, "id_no": person.id_no,
            "name": person.name, "relation": "self", "channel": self.terms.channel,
            "terminal": "CONF01",
        })
    }

    /// Asks about a person.
    pub async fn query(&self, person: &Person) -> Result<Answer, String> {
        self.call("query", &self.question(person)).await
    }

    /// One person after the other, so that no document is asked for too often.
    pub fn person(&self) -> Person {
        let turn = self.turn.get();
        self.turn.set(turn + 1);
        self.people[turn % self.people.len()].clone()
    }

    /// Somebody's open bill.
    pub async fn bill(&self) -> Result<Bill, String> {
        for _ in 0..self.people.len() {
            let person = self.person();
            let answer = self.query(&person).await?;
            let bills = answer.json["bills"].as_array().cloned().unwrap_or_default();
            if let Some(told) = bills.into_iter().find(|bill| bill["status"] == "PAYABLE") {
                return self.bill_of(person, &answer, told);
            }
        }
        Err("nobody of --people has a bill that can be paid; give others".to_owned())
    }

    fn bill_of(&self, person: Person, answer: &Answer, told: Value) -> Result<Bill, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let read = || {
            Some(Bill {
                person,
                token: text(&answer.json["query_token"])?,
                bill_no: text(&told["bill_no"])?,
                amount_fen: told["amount_fen"].as_i64()?,
                told: told.clone(),
            })
        };
        read().ok_or_else(|| {
            format!(
                "query_token, bill_no or amount_fen is missing: {}",
                answer.told()
            )
        })
    }

    /// The bill of a person as it is now.
    pub async fn look(&self, bill: &Bill) -> Result<Value, String> {
        let answer = self.query(&bill.person).await?;
        let bills = answer.json["bills"].as_array().cloned().unwrap_or_default();
        let year = &bill.told["benefit_year"];
        let same = |other: &Value| {
            other["benefit_year"] == *year && other["scheme"] == bill.told["scheme"]
        };
        bills.into_iter().find(same).ok_or_else(|| {
            format!(
                "the bill of {year} is not listed any more: {}",
                answer.told()
            )
        })
    }

    /// The body of a `pay` of the whole bill, paid this moment.
    pub fn pay_body(&self, bill: &Bill) -> Value {
        json!({
            "seq": self.seq(), "trace_date": self.day(0), "bill_no": bill.bill_no,
            "amount_fen": bill.amount_fen, "paid_at": self.time(0), "channel": self.terms.channel,
            "terminal": "CONF01", "account_masked": "6222****1234",
        })
    }

    /// Sends a `pay`; one that is accepted is undone when the case is over.
    pub async fn pay(&self, body: &Value) -> Result<Answer, String> {
        let answer = self.call("pay", body).await?;
        if answer.json["state"] == "ACCEPTED" {
            self.remember(body);
        }
        Ok(answer)
    }

    /// Remembers a `pay` that was accepted, to be undone when the case is over.
    pub fn remember(&self, body: &Value) {
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        self.standing.borrow_mut().push(Standing {
            seq: text("seq"),
            day: text("trace_date"),
            amount_fen: body["amount_fen"].as_i64().unwrap_or_default(),
        });
    }

    /// Pays an open bill; the bill and what was sent.
    pub async fn paid(&self) -> Result<(Bill, Value, Answer), String> {
        let bill = self.bill().await?;
        let body = self.pay_body(&bill);
        let answer = self.pay(&body).await?;
        answer.is(200, &[("state", json!("ACCEPTED"))])?;
        Ok((bill, body, answer))
    }

    /// The body of a `collect` for a minute.
    pub fn collect_body(&self, bill: &Bill) -> Value {
        json!({
            "seq": self.seq(), "trace_date": self.day(0), "query_token": bill.token,
            "bill_no": bill.bill_no, "until": self.time(60), "channel": self.terms.channel,
            "terminal": "CONF01",
        })
    }

    /// Sends a `collect`; the lock is freed when the case is over.
    pub async fn collect(&self, body: &Value) -> Result<Answer, String> {
        let answer = self.call("collect", body).await?;
        if answer.json["state"] == "ACCEPTED" {
            let bill_no = body["bill_no"].as_str().unwrap_or_default();
            self.locked.borrow_mut().push(bill_no.to_owned());
        }
        Ok(answer)
    }

    /// The body of a `reverse` of what `original` asked for.
    pub fn reverse_body(&self, original: &Value) -> Value {
        json!({
            "seq": self.seq(), "trace_date": self.day(0), "orig_seq": original["seq"],
            "orig_date": original["trace_date"],
            "amount_fen": original["amount_fen"].as_i64().unwrap_or(0), "reason": "CANCELLED",
        })
    }

    /// Reverses what `original` asked for.
    pub async fn reverse(&self, original: &Value) -> Result<Answer, String> {
        self.call("reverse", &self.reverse_body(original)).await
    }

    /// Asks what became of a serial.
    pub async fn status(&self, seq: &Value) -> Result<Answer, String> {
        let body = json!({ "orig_seq": seq, "orig_date": self.day(0) });
        self.call("status", &body).await
    }

    /// The body of a `release`.
    pub fn release_body(&self, bill_no: &str) -> Value {
        json!({
            "seq": self.seq(), "trace_date": self.day(0), "bill_no": bill_no,
            "channel": self.terms.channel,
        })
    }
}

impl Stage for Kit {
    fn take_spoken(&self) -> Vec<Spoken> {
        self.spoken.take()
    }

    /// Payments that stand, locks that hold.
    async fn tidy_up(&self) -> Outcome {
        for own in self.standing.take() {
            let original = json!({
                "seq": own.seq, "trace_date": own.day, "amount_fen": own.amount_fen,
            });
            let answer = self.reverse(&original).await?;
            answer
                .is(200, &[("state", json!("REVERSED"))])
                .map_err(|why| format!("afterwards: {why}"))?;
        }
        for bill_no in self.locked.take() {
            self.call("release", &self.release_body(&bill_no)).await?;
        }
        Ok(())
    }
}

/// People of lines `id_type,id_no,name,pooling_region`.
fn people_of(text: &str) -> Result<Vec<Person>, Exit> {
    let mut people = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let parts: Vec<&str> = line.split(',').map(str::trim).collect();
        match parts[..] {
            ["id_type", ..] | [""] => {}
            [id_type, id_no, name, region] => people.push(Person {
                id_type: id_type.to_owned(),
                id_no: id_no.to_owned(),
                name: name.to_owned(),
                region: region.to_owned(),
            }),
            _ => {
                return Err(Exit::invalid_rows(format!(
                    "--people, line {number}: id_type,id_no,name,pooling_region"
                )));
            }
        }
    }
    if people.len() < 2 {
        return Err(Exit::usage("--people: at least two people are needed"));
    }
    Ok(people)
}

/// The samples of a running demo.
async fn demo_people(http: &Client, base: &str) -> Result<Vec<Person>, Exit> {
    let hint = format!("{base}/_demo tells no people, so this is no demo: give --people");
    let told = http.get(format!("{base}/_demo?n=12")).send().await;
    let told = told.map_err(|error| Exit::unavailable(format!("{base}: {error}")))?;
    let text = told.text().await.unwrap_or_default();
    let told: Value = serde_json::from_str(&text).map_err(|_| Exit::usage(&hint))?;
    let read = |sample: &Value| {
        let text = |field: &str| sample[field].as_str().map(str::to_owned);
        Some(Person {
            id_type: "id_card".to_owned(),
            id_no: text("id_number")?,
            name: text("name")?,
            region: text("region")?,
        })
    };
    let samples = told["samples"].as_array().cloned().unwrap_or_default();
    let people: Vec<Person> = samples.iter().filter_map(read).collect();
    if people.len() < 2 {
        return Err(Exit::usage(hint));
    }
    Ok(people)
}

/// The platform's public keys.
async fn keys(http: &Client, base: &str) -> Result<BTreeMap<(String, String), CallVerifier>, Exit> {
    let url = format!("{base}/biller/v1/keys");
    let told = http.get(&url).send().await;
    let told = told.map_err(|error| Exit::unavailable(format!("{url}: {error}")))?;
    let text = told.text().await.unwrap_or_default();
    let told: Value = serde_json::from_str(&text).map_err(|_| {
        Exit::unavailable(format!(
            "{url} answered no JSON: {}",
            pretty(text.as_bytes())
        ))
    })?;
    let mut known = BTreeMap::new();
    for key in told["keys"].as_array().into_iter().flatten() {
        let text = |field: &str| key[field].as_str().unwrap_or_default().to_owned();
        let (scheme, key_id) = (text("scheme"), text("key_id"));
        if let Some(verifier) = CallVerifier::from_pem(&scheme, &text("public_key")) {
            known.insert((scheme, key_id), verifier);
        }
    }
    if known.is_empty() {
        return Err(Exit::unavailable(format!(
            "{url} lists no key that can be read"
        )));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_line_by_line() {
        let text = "id_type,id_no,name,pooling_region\nid_card,990102195203041237,王建国,990102\n\npassport,X1,Ann Lee,990101\n";
        let people = people_of(text).unwrap();
        assert_eq!((people.len(), people[1].name.as_str()), (2, "Ann Lee"));
        let told = people_of("id_card,1,A,2\nid_card,1\n").unwrap_err();
        assert!(told.to_string().contains("line 2"), "{told}");
        assert!(people_of("id_card,1,A,2\n").is_err(), "one is too few");
    }

    #[test]
    fn times_of_a_day() {
        for (text, known) in [
            ("23:00", Some(1_380)),
            ("24:00", Some(1_440)),
            ("24:01", None),
            ("7", None),
        ] {
            assert_eq!(minutes(text), known, "{text}");
        }
    }
}
