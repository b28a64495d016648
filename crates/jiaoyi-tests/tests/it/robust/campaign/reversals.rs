//! Storms of reversals: pay, the same again, reverse, the same again, reverse under another serial, in
//! every order there is, one after the other or all at once, by several institutions at one bill, and
//! with answers that nobody waits for. What an institution is told afterwards by `status` is what it
//! books: it fits everything that it has heard, stays true, and makes a day file that balances.

use super::desks::{Believed, Desks, Held};
use super::ground::Ground;
use super::{Engine, Say, Table, each};
use crate::harness::bank::{Bank, Bill, Reply};
use crate::robust::chance::Chance;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::JoinSet;

/// How storms are set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub engine: Engine,
    pub dues: u32,
    /// How often each due is stormed at.
    pub rounds: u32,
    pub institutions: usize,
    pub seed: u64,
    pub settle: Duration,
}

/// Dues that are stormed at at the same time.
const AT_ONCE: usize = 6;
/// Institutions at one due, at most.
const TOGETHER: u64 = 4;
/// Of a hundred calls, so many are not waited for.
const LOST_PERCENT: u64 = 30;
/// How long somebody waits who does not wait, at most, in milliseconds.
const PATIENCE_MS: u64 = 25;

/// One call of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Pay,
    PayAgain,
    Undo,
    UndoAgain,
    /// Under another serial.
    UndoOtherwise,
}

impl Step {
    const ALL: [Step; 5] = [
        Step::Pay,
        Step::PayAgain,
        Step::Undo,
        Step::UndoAgain,
        Step::UndoOtherwise,
    ];

    const fn is_pay(self) -> bool {
        matches!(self, Step::Pay | Step::PayAgain)
    }
}

/// How many orders five steps have.
const ORDERS: u32 = 120;

/// The n-th order of all steps.
fn order(n: u32) -> Vec<Step> {
    let mut rest = Step::ALL.to_vec();
    let (mut steps, mut n) = (Vec::new(), usize::try_from(n % ORDERS).unwrap_or(0));
    for left in (1..=rest.len()).rev() {
        steps.push(rest.remove(n % left));
        n /= left;
    }
    steps
}

/// What one institution does with one serial, and what it hears.
struct Story {
    bank: Bank,
    bill: Bill,
    seq: String,
    steps: Vec<Step>,
    at_once: bool,
    chance: Chance,
}

/// One call and its answer, if anybody waited for it.
struct Heard {
    step: Step,
    reply: Option<Reply>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
struct Counts {
    stories: u64,
    calls: u64,
    lost: u64,
    words: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    orders: BTreeSet<u32>,
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.stories += other.stories;
        self.calls += other.calls;
        self.lost += other.lost;
        for (own, more) in [(&mut self.words, other.words), (&mut self.ends, other.ends)] {
            for (word, count) in more {
                *own.entry(word).or_default() += count;
            }
        }
        self.orders.extend(other.orders);
    }
}

/// What became of one due: what is held, what each serial ended as, what was counted.
#[derive(Default)]
struct Due {
    held: Believed,
    ends: Vec<End>,
    counts: Counts,
}

/// A serial, and what its institution was told at last.
struct End {
    bank: Bank,
    seq: String,
    state: String,
    pay: Value,
    accepted: Option<String>,
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When an answer does not fit those before it, a promise is broken, or the books differ.
pub async fn storms(plan: Plan, say: &Say) -> Result<Table> {
    let mut ground = Ground::new("reversals", plan.engine, plan.dues).await?;
    let desks = Desks::open(&mut ground, plan.institutions).await?;
    drop(ground.world()?);
    let (mut believed, mut counts, mut ends) = (Believed::new(), Counts::default(), Vec::new());
    let heat = u32::try_from(AT_ONCE)? * 25;
    for first in (0..plan.dues).step_by(usize::try_from(heat)?) {
        let dues = first..plan.dues.min(first + heat);
        let end = dues.end;
        for due in each(dues, AT_ONCE, |due| storm(desks.clone(), plan, due)).await? {
            believed.extend(due.held);
            counts.add(due.counts);
            ends.extend(due.ends);
        }
        let (calls, seconds) = (counts.calls, ground.seconds());
        say(format!("{end} dues, {calls} calls, {seconds} s"));
    }
    let serials = ends.len();
    each(ends, AT_ONCE, |end| keeps(desks.clone(), end)).await?;
    let database = ground.database()?;
    let held = desks.balance(&database, &believed).await?;
    ensure!(held == believed.len(), "{held} stand of {}", believed.len());
    let (movements, verify) = ground.proved(plan.settle, say).await?;
    ensure!(movements == 0, "{movements} movements at channels");
    let mut table = Table::default();
    table.row("seed", plan.seed);
    table.row("engine", format!("{:?}", plan.engine));
    table.row("dues", plan.dues);
    table.row("stories, each with a serial of its own", counts.stories);
    table.row(
        "orders of steps played whole, of all",
        format!("{} of {ORDERS}", counts.orders.len()),
    );
    table.row("calls", counts.calls);
    table.row("answers that nobody waited for", counts.lost);
    for (word, count) in counts.words {
        table.row(format!("heard {word}"), count);
    }
    for (state, count) in counts.ends {
        table.row(format!("told by status at last: {state}"), count);
    }
    table.row("promises that still held at the end", serials);
    table.row("payments that stand, in all books", held);
    table.row("day files balanced", desks.banks.len());
    table.row("verify", verify);
    table.row("took", format!("{} s", ground.seconds()));
    ground.remove()?;
    Ok(table)
}

/// All rounds at one due.
async fn storm(desks: Desks, plan: Plan, place: u32) -> Result<Due> {
    let mut due = Due::default();
    for round in 0..plan.rounds {
        let number = u64::from(place) * u64::from(plan.rounds) + u64::from(round);
        let mut chance = Chance::of(plan.seed, number);
        let mut banks = desks.banks.clone();
        chance.shuffle(&mut banks);
        let count = usize::try_from(1 + chance.below(TOGETHER))?;
        let mut running = JoinSet::new();
        for (turn, bank) in banks.into_iter().take(count).enumerate() {
            let bill = desks.bill(&bank, &Ground::person(place)).await?;
            // Every order in turn, however few are played.
            let n = u32::try_from(number % u64::from(ORDERS))? + u32::try_from(turn)? * 31;
            let mut steps = order(n);
            steps.truncate(usize::try_from(1 + chance.below(5))?);
            let at_once = chance.below(2) == 0;
            // Cut short it is the beginning of several orders, at once it is none.
            if steps.len() == Step::ALL.len() && !at_once {
                due.counts.orders.insert(n % ORDERS);
            }
            let story = Story {
                bank,
                bill,
                seq: format!("p{place}-{round}-{turn}"),
                steps,
                at_once,
                chance: Chance::new(chance.next()),
            };
            running.spawn(play(desks.clone(), story));
        }
        while let Some(one) = running.join_next().await {
            let (held, end, counts) = one??;
            due.held.extend(held);
            due.ends.push(end);
            due.counts.add(counts);
        }
        let held = due.held.len();
        ensure!(held <= 1, "due {place}: {:?} all stand", due.held);
        let bank = desks.banks.first().context("a bank")?;
        let bill = desks.bill(bank, &Ground::person(place)).await?;
        let wanted = if held == 1 { "PAID" } else { "PAYABLE" };
        ensure!(
            bill.status == wanted,
            "due {place} is {}, not {wanted}",
            bill.status
        );
        // What stands is undone before half of the further rounds.
        if round + 1 < plan.rounds && chance.below(2) == 0 {
            undo(&desks, &mut due).await?;
        }
    }
    Ok(due)
}

/// Whoever holds the due undoes the payment.
async fn undo(desks: &Desks, due: &mut Due) -> Result<()> {
    let Some((held, _)) = due.held.pop_first() else {
        return Ok(());
    };
    let end = due.ends.iter_mut();
    let end = end
        .rev()
        .find(|end| end.seq == held.seq && end.bank.inst_id == held.inst_id);
    let end = end.context("it was told of")?;
    let seq = format!("x-{}", held.seq);
    let body = end
        .bank
        .reverse_body(&desks.today, &seq, &held.seq, held.fen);
    let undone = desks.ask(&end.bank, "reverse", &body).await?;
    ensure!(undone.json["undone"] == true, "{}", undone.text);
    end.state = "REVERSED".to_owned();
    Ok(())
}

/// Plays one story to its end.
async fn play(desks: Desks, mut story: Story) -> Result<(Believed, End, Counts)> {
    let (bank, today) = (&story.bank, &desks.today);
    let (seq, fen) = (story.seq.as_str(), story.bill.amount_fen);
    let mut pay = bank.pay_body(today, &story.bill, seq);
    // A token holds for ten minutes, a promise for ever.
    pay["query_token"] = json!(null);
    let [undo, otherwise] =
        ["a", "b"].map(|letter| bank.reverse_body(today, &format!("{letter}-{seq}"), seq, fen));
    let mut heard = Vec::new();
    let mut running = JoinSet::new();
    for step in story.steps.clone() {
        let (verb, body) = match step {
            Step::Pay | Step::PayAgain => ("pay", pay.clone()),
            Step::Undo | Step::UndoAgain => ("reverse", undo.clone()),
            Step::UndoOtherwise => ("reverse", otherwise.clone()),
        };
        let lost = story.chance.below(100) < LOST_PERCENT;
        let patience = lost.then(|| story.chance.below(PATIENCE_MS));
        let patience = patience.map(Duration::from_millis);
        let (desks, bank) = (desks.clone(), story.bank.clone());
        let call = async move {
            let call = desks.ask(&bank, verb, &body);
            let reply = match patience {
                Some(patience) => tokio::time::timeout(patience, call).await.ok(),
                None => Some(call.await),
            };
            let reply = reply.transpose()?;
            Ok::<Heard, anyhow::Error>(Heard { step, reply })
        };
        if story.at_once {
            running.spawn(call);
        } else {
            heard.push(call.await?);
        }
    }
    while let Some(one) = running.join_next().await {
        heard.push(one??);
    }
    let status = desks
        .ask(bank, "status", &json!({ "orig_seq": seq }))
        .await?;
    let state = status.json["state"].as_str().unwrap_or_default().to_owned();
    let shown = || {
        let told = heard.iter();
        let told = told.map(|one| (one.step, one.reply.as_ref().map(|reply| &reply.text)));
        format!(
            "{seq}: {:?}, then {}",
            told.collect::<Vec<_>>(),
            status.text
        )
    };
    let accepted = fits(&heard, &state).with_context(shown)?;
    let mut counts = Counts {
        stories: 1,
        calls: u64::try_from(heard.len())?,
        ..Counts::default()
    };
    for one in &heard {
        match &one.reply {
            Some(reply) => *counts.words.entry(word(one.step, reply)).or_default() += 1,
            None => counts.lost += 1,
        }
    }
    *counts.ends.entry(state.clone()).or_default() += 1;
    let held = (state == "SUCCESS").then(|| {
        let held = Held {
            inst_id: bank.inst_id.clone(),
            seq: seq.to_owned(),
            fen,
        };
        (held, story.bill.no.clone())
    });
    let end = End {
        seq: seq.to_owned(),
        state,
        pay,
        accepted,
        bank: story.bank,
    };
    Ok((held.into_iter().collect(), end, counts))
}

fn word(step: Step, reply: &Reply) -> String {
    let text = |name: &str| reply.json[name].as_str().unwrap_or_default();
    let verb = if step.is_pay() { "pay" } else { "reverse" };
    match text("state") {
        "REFUSED" => format!("on {verb}: {}", text("reason")),
        "REVERSED" => format!("on {verb}: REVERSED, undone {}", reply.json["undone"]),
        state => format!("on {verb}: {state}"),
    }
}

/// Whether what was heard fits together and to what `status` told; the words of an accepted payment.
fn fits(heard: &[Heard], state: &str) -> Result<Option<String>> {
    let told = |want: fn(Step) -> bool| {
        let of = heard.iter().filter(move |one| want(one.step));
        of.filter_map(|one| one.reply.as_ref())
    };
    let pays = told(Step::is_pay);
    let decided: BTreeSet<&str> = pays
        .clone()
        .filter(|reply| reply.json["reason"] != "TOMBSTONE")
        .map(|reply| reply.text.as_str())
        .collect();
    ensure!(decided.len() <= 1, "one serial, two answers");
    for reply in pays.clone() {
        let word = word(Step::Pay, reply);
        let known = ["ACCEPTED", "ALREADY_PAID", "LOCKED", "TOMBSTONE"];
        ensure!(known.iter().any(|known| word.ends_with(known)), "{word}");
    }
    let accepted = pays.clone().find(|reply| reply.json["state"] == "ACCEPTED");
    let undone: BTreeSet<&str> = told(|step| matches!(step, Step::Undo | Step::UndoAgain))
        .map(|reply| reply.text.as_str())
        .collect();
    ensure!(undone.len() <= 1, "one reversal, two answers");
    let mut undoing = BTreeSet::new();
    for reply in told(|step| !step.is_pay()) {
        ensure!(reply.json["state"] == "REVERSED", "{}", reply.text);
        ensure!(state != "SUCCESS", "undone, and it stands");
        if reply.json["undone"] == true {
            undoing.insert(reply.json["seq"].to_string());
            ensure!(state == "REVERSED", "undone, and told {state}");
        }
    }
    ensure!(undoing.len() <= 1, "undone twice");
    let undoes = heard.iter().any(|one| !one.step.is_pay());
    ensure!(
        accepted.is_none() || undoes || state == "SUCCESS",
        "accepted, never undone, and told {state}"
    );
    let states = ["SUCCESS", "REFUSED", "REVERSED", "NOT_FOUND"];
    ensure!(states.contains(&state), "{state} is no state");
    Ok(accepted.map(|reply| reply.text.clone()))
}

/// What was promised is still so: the same state, and a late original gets nothing else.
async fn keeps(desks: Desks, end: End) -> Result<()> {
    let status = json!({ "orig_seq": end.seq });
    let status = desks.ask(&end.bank, "status", &status).await?;
    let (seq, state) = (&end.seq, &end.state);
    ensure!(
        status.json["state"] == state.as_str(),
        "{seq} was {state}: {}",
        status.text
    );
    let late = desks.ask(&end.bank, "pay", &end.pay).await?;
    let wanted = match state.as_str() {
        "SUCCESS" => ["ACCEPTED", ""],
        "REFUSED" => ["REFUSED", ""],
        _ => ["REFUSED", "TOMBSTONE"],
    };
    ensure!(
        late.json["state"] == wanted[0]
            && (wanted[1].is_empty() || late.json["reason"] == wanted[1]),
        "{seq} was {state}: {}",
        late.text
    );
    // Nobody may have waited for the first answer; `status` was told it.
    if wanted[1].is_empty() {
        let told = &status.json["answer"];
        ensure!(late.json == *told, "{seq}: {} and {told}", late.text);
    }
    if let Some(first) = end.accepted.filter(|_| state == "SUCCESS") {
        ensure!(late.text == first, "{seq}: {} and {first}", late.text);
    }
    let status = desks
        .ask(&end.bank, "status", &json!({ "orig_seq": seq }))
        .await?;
    ensure!(
        status.json["state"] == state.as_str(),
        "{seq} was {state}: {}",
        status.text
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_another_one() {
        let orders: BTreeSet<Vec<Step>> = (0..ORDERS).map(order).collect();
        assert_eq!(orders.len(), 120);
        assert!(orders.iter().all(|steps| steps.len() == 5));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_storm_of_reversals_leaves_the_same_books_on_both_sides() {
        let plan = Plan {
            engine: Engine::Sqlite,
            dues: 20,
            rounds: 3,
            institutions: 5,
            seed: 20_261_127,
            settle: Duration::from_secs(60),
        };
        let said = storms(plan, &|_| {}).await.unwrap().to_string();
        for told in ["SUCCESS", "REVERSED"] {
            assert!(said.contains(&format!("at last: {told}")), "{said}");
        }
    }
}
