//! Contested dues: 2 to 16 institutions, and for every third due a payer in the portal too, have looked the
//! same person up and lock the bill and pay it at the same moment. Exactly one payment of each due counts; every
//! loser hears ALREADY_PAID or LOCKED, whoever got the lock pays under it, and whoever asks again under
//! the same serial hears the same words.

use super::desks::{Believed, Desks, Held};
use super::ground::{Ground, control};
use super::{Engine, Say, Table, books, each};
use crate::harness::Channel;
use crate::harness::bank::{Bank, Reply};
use crate::robust::chance::Chance;
use crate::robust::payers::{Acts, Payer, World, order_of};
use anyhow::{Context, Result, ensure};
use jiaoyi_domain::due::Slot;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// How a contest is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub engine: Engine,
    pub dues: u32,
    /// Institutions that there are, 2 to 16.
    pub institutions: usize,
    pub seed: u64,
    pub settle: Duration,
}

/// Dues that are contested at the same time.
const AT_ONCE: usize = 4;
/// The portal takes part in one contest of so many.
const PORTAL_EVERY: u32 = 3;

/// What the parties of one due heard.
#[derive(Clone, Debug, Default)]
struct Contest {
    parties: usize,
    believed: Believed,
    by_portal: bool,
    /// Refusals and locks, by their word.
    heard: BTreeMap<String, u64>,
    /// An order's number, token and voucher, if the portal's payer won.
    shown: Option<(String, String)>,
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When a due is not paid exactly once, a loser hears something else, a repeat is answered otherwise, or
/// the books differ.
pub async fn contests(plan: Plan, say: &Say) -> Result<Table> {
    let mut ground = Ground::new("contested", plan.engine, plan.dues).await?;
    let desks = Desks::open(&mut ground, plan.institutions).await?;
    let world = ground.world()?;
    let (mut believed, mut heard) = (Believed::new(), BTreeMap::<String, u64>::new());
    let (mut parties, mut by_portal) = (0, 0_usize);
    let heat = u32::try_from(AT_ONCE)? * 25;
    for first in (0..plan.dues).step_by(usize::try_from(heat)?) {
        let dues = first..plan.dues.min(first + heat);
        let end = dues.end;
        let contest = |due| contest(desks.clone(), world.clone(), plan, due);
        for one in each(dues, AT_ONCE, contest).await? {
            parties += one.parties;
            by_portal += usize::from(one.by_portal);
            believed.extend(one.believed);
            for (word, count) in one.heard {
                *heard.entry(word).or_default() += count;
            }
            if let Some((attempt, voucher)) = one.shown {
                let payer = Payer::new(&world, Acts::Quick, Chance::new(0));
                payer.told_paid(&attempt, &voucher).await?;
            }
        }
        say(format!(
            "{end} dues, {parties} parties, {} s",
            ground.seconds()
        ));
    }
    let database = ground.database()?;
    let held = desks.balance(&database, &believed).await?;
    let (movements, verify) = ground.proved(plan.settle, say).await?;
    ensure!(
        movements == by_portal,
        "{movements} at channels, not {by_portal}"
    );
    let slots = books::rows::<Slot>(&database)?.len();
    let dues = usize::try_from(plan.dues)?;
    ensure!(
        slots == dues && held + by_portal == dues,
        "{slots} premiums, {held} by institutions and {by_portal} by the portal, of {dues} dues"
    );
    let mut table = Table::default();
    table.row("seed", plan.seed);
    table.row("engine", format!("{:?}", plan.engine));
    table.row("dues, each paid exactly once", dues);
    table.row("parties", parties);
    table.row(
        "won by institutions; by the portal",
        format!("{held}; {by_portal}"),
    );
    for (word, count) in heard {
        table.row(format!("heard {word}"), count);
    }
    table.row("day files balanced", desks.banks.len());
    table.row("verify", verify);
    table.row("took", format!("{} s", ground.seconds()));
    ground.remove()?;
    Ok(table)
}

/// Lets everybody at one due go at the same moment.
async fn contest(desks: Desks, world: World, plan: Plan, due: u32) -> Result<Contest> {
    let mut chance = Chance::of(plan.seed, due.into());
    let most = u64::try_from(desks.banks.len().clamp(2, 16) - 1)?;
    let count = usize::try_from(2 + chance.below(most))?.min(desks.banks.len());
    let mut banks = desks.banks.clone();
    chance.shuffle(&mut banks);
    let portal = due.is_multiple_of(PORTAL_EVERY);
    // Of two payers in the portal one looks the person up with the others, and is a little late.
    let late = portal && due.is_multiple_of(2);
    let start = Arc::new(Barrier::new(count + usize::from(late)));
    let mut running = JoinSet::new();
    for bank in banks.into_iter().take(count) {
        let (desks, start) = (desks.clone(), Arc::clone(&start));
        let collects = chance.below(2) == 0;
        running.spawn(async move { party(desks, bank, start, due, collects).await });
    }
    let payer = Payer::new(&world, Acts::Quick, Chance::new(chance.next()));
    let paying = portal.then(|| {
        let start = late.then(|| Arc::clone(&start));
        tokio::spawn(async move { from_portal(payer, world, start, due).await })
    });
    let mut all = Contest {
        parties: count + usize::from(portal),
        ..Contest::default()
    };
    while let Some(one) = running.join_next().await {
        let (held, words) = one??;
        all.believed.extend(held);
        for word in words {
            *all.heard.entry(word).or_default() += 1;
        }
    }
    if let Some(paying) = paying {
        all.shown = paying.await??;
        all.by_portal = all.shown.is_some();
        let word = if all.by_portal {
            "a voucher"
        } else {
            "no way to the wallet"
        };
        *all.heard
            .entry(format!("in the portal: {word}"))
            .or_default() += 1;
    }
    let winners = all.believed.len() + usize::from(all.by_portal);
    ensure!(winners == 1, "due {due}: {winners} winners, {all:?}");
    Ok(all)
}

/// One institution's part: what it holds, and the words it heard.
async fn party(
    desks: Desks,
    bank: Bank,
    start: Arc<Barrier>,
    due: u32,
    collects: bool,
) -> Result<(Believed, Vec<String>)> {
    let bill = desks.bill(&bank, &Ground::person(due)).await?;
    start.wait().await;
    let mut words = Vec::new();
    let mut calls = Vec::new();
    let mut locked = false;
    if collects {
        let body = bank.collect_body(&desks.today, &bill, &format!("c{due}"));
        let reply = desks.ask(&bank, "collect", &body).await?;
        locked = word(&reply)? == "ACCEPTED";
        words.push(format!("on collect: {}", word(&reply)?));
        calls.push(("collect", body, reply));
    }
    let body = bank.pay_body(&desks.today, &bill, &format!("p{due}"));
    // Twice at once: the second is the same call.
    let (first, second) = tokio::join!(
        desks.ask(&bank, "pay", &body),
        desks.ask(&bank, "pay", &body)
    );
    let (reply, second) = (first?, second?);
    ensure!(
        reply.text == second.text,
        "{} and {}",
        reply.text,
        second.text
    );
    let paid = word(&reply)?;
    ensure!(
        !locked || paid == "ACCEPTED",
        "{} locked the bill and heard {}",
        bank.inst_id,
        reply.text
    );
    words.push(format!("on pay: {paid}"));
    let held = (paid == "ACCEPTED").then(|| Held {
        inst_id: bank.inst_id.clone(),
        seq: format!("p{due}"),
        fen: bill.amount_fen,
    });
    calls.push(("pay", body, reply));
    for (verb, body, first) in calls {
        let again = desks.ask(&bank, verb, &body).await?;
        ensure!(
            again.text == first.text,
            "{} and {}",
            again.text,
            first.text
        );
    }
    let status = json!({ "orig_seq": format!("p{due}") });
    let status = desks.ask(&bank, "status", &status).await?;
    let wanted = if held.is_some() { "SUCCESS" } else { "REFUSED" };
    ensure!(
        status.json["state"] == wanted,
        "{} after {paid}",
        status.text
    );
    Ok((
        held.into_iter()
            .map(|held| (held, bill.no.clone()))
            .collect(),
        words,
    ))
}

/// `ACCEPTED`, or why it was refused, which must be one of the two reasons that losers hear.
fn word(reply: &Reply) -> Result<String> {
    let text = |name: &str| reply.json[name].as_str().unwrap_or_default().to_owned();
    let word = match text("state").as_str() {
        "REFUSED" => text("reason"),
        state => state.to_owned(),
    };
    let known = ["ACCEPTED", "ALREADY_PAID", "LOCKED"];
    ensure!(known.contains(&word.as_str()), "heard {}", reply.text);
    Ok(word)
}

/// The portal's payer: number of the attempt and voucher, if it came that far.
async fn from_portal(
    mut payer: Payer,
    world: World,
    start: Option<Arc<Barrier>>,
    due: u32,
) -> Result<Option<(String, String)>> {
    let channel = Channel::ALL[usize::try_from(due)? % Channel::ALL.len()];
    if let Some(start) = start {
        start.wait().await;
    }
    let Some(address) = payer
        .try_start(&Ground::person(due), channel.method())
        .await?
    else {
        return Ok(None);
    };
    let order = order_of(&address).context("the way does not lead back")?;
    let wallet = payer.wallet(&address).await?;
    let name = json!({ "channel": channel.code(), "out_trade_no": wallet.attempt });
    control(&world.client, &world.sandbox, "pay", &name).await?;
    let shown = payer.shown(&order).await?;
    let voucher = shown.context("paid, and the order's page shows no voucher")?;
    Ok(Some((wallet.attempt, voucher)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_contested_due_is_paid_once_and_every_loser_hears_why() {
        let plan = Plan {
            engine: Engine::Sqlite,
            dues: 12,
            institutions: 6,
            seed: 20_261_127,
            settle: Duration::from_secs(60),
        };
        let table = contests(plan, &|_| {}).await.unwrap();
        let said = table.to_string();
        assert!(said.contains("heard on pay: LOCKED"), "{said}");
    }
}
