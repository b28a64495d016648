//! Orders whose channels lose, repeat and delay: each order draws its own rates, some notices never
//! come, others a day late, queries fail. Some payers pay twice, also what a channel has called closed, some
//! never. When the faults have stopped nothing is unknown, nobody has paid twice for good, and the books of
//! both sides are equal.
//!
//! The platform runs in this process under the test clock, as in the scenarios, since a notice is up to 25
//! hours late: real pages and real HTTP to the sandbox, which shares the clock. The same seed gives the
//! same payers and rates; which request meets which fault depends on the order's number, and that on
//! who comes first.

use super::books::{self, are_equal, ours, theirs};
use super::{Engine, Say, Table, each};
use crate::harness::{Channel, HOUR, MINUTE, Person, SECOND, Setup, World};
use crate::robust::browser::client;
use crate::robust::chance::Chance;
use crate::robust::payers::{self, Acts, Payer, Wallet, order_of};
use crate::robust::people;
use anyhow::{Context, Result, ensure};
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::voucher::Voucher;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How a run is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub engine: Engine,
    pub orders: u16,
    pub seed: u64,
}

/// Payers under way at once.
const AT_ONCE: usize = 8;
/// Payers who come before the clock is turned.
const TOGETHER: usize = 500;
/// How far the clock is turned at once, and how often, under faults and then without: 27 hours each,
/// after which every delayed notice has come and every planned query was made.
const STEP: i64 = 3 * HOUR;
const STEPS: u32 = 9;
/// How long the sandbox may take to deliver what is due, in real time.
const QUIET_WITHIN: Duration = Duration::from_secs(600);
/// How often a page is loaded that does not come.
const LOADS_MAX: u32 = 30;
/// How often work may be due again before that is an error.
const PASSES_MAX: u32 = 2_000;

/// What somebody does who has come to the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Pay,
    NotifyTwice,
    NotifyLate,
    NoResult,
    /// Pays another way, and the first way all the same.
    BothWays,
    /// Somebody else pays the same bill, and both pay.
    Rival,
    Leave,
}

impl Act {
    fn draw(chance: &mut Chance) -> Act {
        match chance.below(100) {
            0..55 => Act::Pay,
            55..65 => Act::NotifyTwice,
            65..72 => Act::NotifyLate,
            72..78 => Act::NoResult,
            78..87 => Act::BothWays,
            87..95 => Act::Rival,
            _ => Act::Leave,
        }
    }

    const fn button(self) -> &'static str {
        match self {
            Act::NotifyTwice => "notify_twice",
            Act::NotifyLate => "notify_late",
            Act::NoResult => "no_result",
            Act::Pay | Act::BothWays | Act::Rival | Act::Leave => "pay",
        }
    }
}

/// One bill and those who pay it.
struct Bill {
    person: people::Person,
    act: Act,
    channels: [Channel; 2],
    payer: Payer,
    /// Where the payer is: the wallet, and the order's token.
    at: Option<(Wallet, String)>,
    /// All numbers under which the bill may have been paid.
    numbers: Vec<String>,
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When something is unknown at the end, somebody has paid twice for good, or the books differ.
pub async fn troubled(plan: Plan, say: &Say) -> Result<Table> {
    let begun = Instant::now();
    let setup = Setup {
        people: plan.orders,
        seed: plan.seed,
        server: plan.engine == Engine::Postgres,
        ..Setup::default()
    };
    let mut world = World::with(setup).await;
    let weather = json!({
        "seed": plan.seed, "loss_percent_max": 30, "duplicate_percent_max": 50,
        "delay_s_max": 25 * 3_600, "never_percent": 5, "query_error_percent": 10,
    });
    control(&world, "chance", weather).await?;
    let journal = world.file("journal.ndjson");
    let folder = journal.parent().context("a folder")?;
    let visitors = payers::World::of(folder, &world.portal, &world.sandbox, &client()?)?;
    let (mut bills, mut acts) = (Vec::new(), BTreeMap::<Act, u64>::new());
    let people = world.people.clone();
    for (turn, people) in people.chunks(TOGETHER).enumerate() {
        let first = turn * TOGETHER;
        for bill in heat(&world, &visitors, plan.seed, first, people).await? {
            *acts.entry(bill.act).or_default() += 1;
            bills.push(bill);
        }
        let seconds = begun.elapsed().as_secs();
        say(format!("{} bills, {seconds} s", bills.len()));
    }
    // A day and more under faults, then as long without.
    for calm in [false, true] {
        if calm {
            control(&world, "chance", json!({})).await?;
        }
        for _ in 0..STEPS {
            pass(&world, STEP).await?;
        }
        let seconds = begun.elapsed().as_secs();
        say(format!(
            "a day and more later, faults over: {calm}, {seconds} s"
        ));
    }
    let told = settled(&world, &bills, plan).await?;
    let mut table = Table::default();
    table.row("seed", plan.seed);
    table.row("engine", format!("{:?}", plan.engine));
    table.row("bills", bills.len());
    for (act, count) in acts {
        table.row(format!("of which {act:?}"), count);
    }
    for (what, value) in told {
        table.row(what, value);
    }
    table.row("took", format!("{} s", begun.elapsed().as_secs()));
    world.end().await;
    Ok(table)
}

/// Some hundred payers come, some of them with rivals; all pay as they like.
async fn heat(
    world: &World,
    visitors: &payers::World,
    seed: u64,
    first: usize,
    people: &[Person],
) -> Result<Vec<Bill>> {
    let bills = people.iter().enumerate().map(|(turn, person)| {
        let mut chance = Chance::of(seed, u64::try_from(first + turn).unwrap_or(0));
        let ways = Channel::ALL.len();
        let one = usize::try_from(chance.below(3)).unwrap_or(0);
        let other = (one + 1 + usize::try_from(chance.below(2)).unwrap_or(0)) % ways;
        Bill {
            person: visitor(person),
            act: Act::draw(&mut chance),
            channels: [Channel::ALL[one], Channel::ALL[other]],
            payer: Payer::new(visitors, Acts::Any, Chance::new(chance.next())),
            at: None,
            numbers: Vec::new(),
        }
    });
    let bills = each(bills.collect::<Vec<_>>(), AT_ONCE, come).await?;
    // Whoever comes three minutes later displaces the one before.
    pass(world, 3 * MINUTE + SECOND).await?;
    let meet = |bill: Bill| {
        let visitors = visitors.clone();
        async move {
            if bill.act == Act::Rival {
                rival(visitors, bill).await
            } else {
                Ok(bill)
            }
        }
    };
    let bills = each(bills, AT_ONCE, meet).await?;
    let bills = each(bills, AT_ONCE, act).await?;
    pass(world, 20 * SECOND).await?;
    Ok(bills)
}

fn visitor(person: &Person) -> people::Person {
    people::Person {
        name: person.name.clone(),
        id_number: person.id.clone(),
        region: person.region.to_owned(),
        phone: String::new(),
    }
}

/// As far as the wallet, unless the channel has no answer for the portal.
async fn come(mut bill: Bill) -> Result<Bill> {
    let started = bill
        .payer
        .try_start(&bill.person, bill.channels[0].method());
    if let Some(address) = started.await? {
        let order = order_of(&address).context("the way does not lead back")?;
        let wallet = reach(&mut bill.payer, &address).await?;
        bill.numbers.push(wallet.attempt.clone());
        bill.at = Some((wallet, order));
    }
    Ok(bill)
}

/// The wallet, whose page is loaded again when its answer was lost.
async fn reach(payer: &mut Payer, address: &str) -> Result<Wallet> {
    for _ in 1..LOADS_MAX {
        if let Ok(wallet) = payer.wallet(address).await {
            return Ok(wallet);
        }
    }
    payer.wallet(address).await
}

/// Somebody else pays the same bill.
async fn rival(visitors: payers::World, mut bill: Bill) -> Result<Bill> {
    let mut rival = Payer::new(&visitors, Acts::Any, Chance::new(3));
    let started = rival.try_start(&bill.person, bill.channels[1].method());
    if let Some(address) = started.await? {
        let wallet = reach(&mut rival, &address).await?;
        bill.numbers.push(wallet.attempt.clone());
        rival.press(&wallet, "pay").await?;
    }
    Ok(bill)
}

async fn act(mut bill: Bill) -> Result<Bill> {
    let Some((wallet, order)) = &bill.at else {
        return Ok(bill);
    };
    match bill.act {
        Act::Leave => {}
        Act::BothWays => {
            // Armed: pays as soon as the order is closed, which is what the switch brings about.
            bill.payer.press(wallet, "pay_after_close").await?;
            let switched = bill.payer.switch(order, bill.channels[1].method());
            if let Some(address) = switched.await? {
                let second = reach(&mut bill.payer, &address).await?;
                bill.numbers.push(second.attempt.clone());
                bill.payer.press(&second, "pay").await?;
            }
        }
        Act::Rival => {
            // The wallet may be closed by now, or not yet.
            bill.payer.press(wallet, "pay").await?;
            bill.payer.press(wallet, "pay_after_close").await?;
        }
        Act::Pay | Act::NotifyTwice | Act::NotifyLate | Act::NoResult => {
            bill.payer.press(wallet, bill.act.button()).await?;
        }
    }
    Ok(bill)
}

async fn control(world: &World, path: &str, body: Value) -> Result<()> {
    let (status, told) = world.control(path, body).await;
    ensure!(status == 200, "{path}: {status} {told}");
    Ok(())
}

/// Turns the clock, lets the channels say what is due, and works until nothing is.
async fn pass(world: &World, ms: i64) -> Result<()> {
    world.turn(ms);
    quiet(world).await?;
    for _ in 0..PASSES_MAX {
        if world.platform.work().await?.is_idle() {
            return quiet(world).await;
        }
    }
    anyhow::bail!("work is due again and again")
}

/// Waits until the sandbox has delivered what is due, which may be thousands of notices.
async fn quiet(world: &World) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < QUIET_WITHIN {
        // Its agenda is looked at every 50 ms of real time.
        tokio::time::sleep(Duration::from_millis(60)).await;
        if world.is_quiet().await {
            return Ok(());
        }
    }
    anyhow::bail!("the sandbox delivers and delivers")
}

/// Nothing is unknown, nobody has paid twice, the books are equal; what was counted.
async fn settled(world: &World, bills: &[Bill], plan: Plan) -> Result<Vec<(&'static str, String)>> {
    let database = world.database();
    let attempts: Vec<Attempt> = books::rows(&database)?;
    let open = attempts.iter().find(|attempt| {
        use AttemptState as S;
        matches!(
            attempt.state,
            S::Drafted | S::Offered | S::Unknown | S::Closing | S::Disputed
        )
    });
    ensure!(open.is_none(), "not ended: {open:?}");
    let refunds: Vec<Refund> = books::rows(&database)?;
    let done = refunds
        .iter()
        .filter(|refund| refund.state == RefundState::Done)
        .count();
    ensure!(
        done == refunds.len(),
        "{done} of {} refunds are done",
        refunds.len()
    );
    let told = world.books().await;
    let (own, channels) = (ours(&database)?, theirs(&told));
    let mut missed = channels
        .iter()
        .filter(|one| own.binary_search(one).is_err());
    if let Some(missed) = missed.next() {
        let by = |bill: &&Bill| bill.numbers.contains(&missed.our_no);
        let act = bills.iter().find(by).map(|bill| bill.act);
        let attempt = attempts
            .iter()
            .find(|row| row.attempt_no.as_str() == missed.our_no);
        anyhow::bail!("never heard of {missed:?}, {act:?}, {attempt:?}");
    }
    let movements = are_equal(&own, &channels)?;
    let mut kept = BTreeMap::new();
    for row in told["transactions"].as_array().context("a list")? {
        if row["paid_at_ms"].is_i64() {
            let no = row["out_trade_no"].as_str().unwrap_or_default();
            let (paid, back) = (row["amount_fen"].as_u64(), row["refunded_fen"].as_u64());
            let net = paid
                .context("an amount")?
                .checked_sub(back.context("a sum")?);
            kept.insert(no.to_owned(), net.context("more went back than came")?);
        }
    }
    let (mut paid, mut twice) = (0_usize, 0_usize);
    for bill in bills {
        let payments: Vec<u64> = bill
            .numbers
            .iter()
            .filter_map(|no| kept.get(no).copied())
            .collect();
        let sum: u64 = payments.iter().sum();
        let wanted = if payments.is_empty() { 0 } else { 40_000 };
        ensure!(
            sum == wanted,
            "{:?} {:?}: {sum} fen are kept",
            bill.act,
            bill.numbers
        );
        paid += usize::from(!payments.is_empty());
        twice += usize::from(payments.len() > 1);
    }
    // Five of a hundred leave, and a few come to no wallet: who hardly pays proves nothing.
    ensure!(
        paid * 2 > bills.len(),
        "only {paid} of {} paid",
        bills.len()
    );
    let vouchers = books::rows::<Voucher>(&database)?.len();
    ensure!(vouchers == paid, "{vouchers} vouchers of {paid} bills");
    let report = world.report(true).await;
    ensure!(report.ok(), "{:#?}", report.violations);
    ensure!(twice > 0 || plan.orders < 100, "nobody has paid twice");
    let no_wallet = bills.iter().filter(|bill| bill.at.is_none()).count();
    Ok(vec![
        ("came to no wallet", no_wallet.to_string()),
        ("paid for", paid.to_string()),
        ("paid twice, and one went back", twice.to_string()),
        ("double charges kept", 0.to_string()),
        ("attempts, none unknown", attempts.len().to_string()),
        ("refunds, all done", refunds.len().to_string()),
        ("movements in both books, all equal", movements.to_string()),
        (
            "violations found by verify",
            report.violation_count.to_string(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn orders_settle_however_the_channels_fail() {
        let plan = Plan {
            engine: Engine::Sqlite,
            orders: 50,
            seed: 20_261_127,
        };
        troubled(plan, &|_| {}).await.unwrap();
    }
}
