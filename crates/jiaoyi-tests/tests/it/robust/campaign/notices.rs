//! A storm of notices: each true one comes 1 to 100 times, between them forged ones of every class, all
//! in one shuffled heap, over three channels. Nothing forged is believed, every order is booked once.
//!
//! The channels are told that a postman is the portal; what they send him he brings in waves, each
//! within the five minutes for which WeChat's signatures hold. Queries are answered with errors
//! meanwhile, so that nothing but a notice can tell the portal of a payment. Of one order in twenty only
//! the forgery comes first, and its page must show no voucher.

use super::forgeries::{FORGERIES, Forgery, Maker, classes};
use super::ground::{Ground, always, control};
use super::postman::{Letter, Postman};
use super::{Engine, Say, Table, books, each};
use crate::harness::Channel;
use crate::robust::chance::Chance;
use crate::robust::payers::{Acts, Payer, World, order_of};
use anyhow::{Context, Result, ensure};
use jiaoyi_domain::messages::Inbox;
use jiaoyi_domain::voucher::Voucher;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How a storm is set up.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub engine: Engine,
    pub orders: u32,
    /// How many orders are stormed at together.
    pub wave: u32,
    pub seed: u64,
    pub settle: Duration,
}

/// Requests under way at once.
const AT_ONCE: usize = 16;
/// One order in so many hears of its forgery first.
const HELD_BACK: u32 = 20;
/// How often a notice is brought that is answered 503.
const TRIES_MAX: u32 = 50;

/// One order at its channel, and the notices about it.
struct Order {
    place: u32,
    channel: Channel,
    forgery: &'static Forgery,
    attempt: String,
    token: String,
    payer: Payer,
    honest: Option<Letter>,
    forged: Option<Letter>,
}

impl Order {
    const fn is_held_back(&self) -> bool {
        self.place.is_multiple_of(HELD_BACK)
    }

    fn honest(&self) -> Result<&Letter> {
        self.honest.as_ref().context("its true notice came")
    }
}

/// What is brought, and what it has to be answered.
struct Errand {
    letter: Letter,
    forgery: Option<&'static Forgery>,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub honest: u64,
    pub forged: u64,
    /// By class: how many were sent.
    pub by_class: BTreeMap<&'static str, u64>,
    /// Answered 400 by a channel's gate, which counts them.
    pub refused_by_gate: u64,
    pub put_off: u64,
    /// Of true notices, in microseconds.
    pub times: Vec<u128>,
    pub most_of_one: u32,
}

struct Storm {
    plan: Plan,
    ground: Ground,
    world: World,
    postman: Postman,
    chance: Chance,
    counts: Counts,
}

/// Runs a plan to its end.
///
/// # Errors
///
/// When a forged notice is answered otherwise than its class says, a true one is refused, an order is
/// not booked once, or the books differ.
pub async fn storm(plan: Plan, say: &Say) -> Result<(Counts, Table)> {
    let postman = Postman::new().await?;
    let mut ground = Ground::new("notices", plan.engine, plan.orders).await?;
    ground.configure(|text| {
        let portal = format!("public_url = \"{}\"", ground.installation.portal);
        text.replace(&portal, &format!("public_url = \"{}\"", postman.address))
    })?;
    ground.serve().await?;
    let world = ground.world()?;
    let mut deaf = Vec::new();
    for channel in Channel::ALL {
        let fault = always(channel.code(), "query", "error_before");
        deaf.push(ground.control("fault", &fault).await?["id"].clone());
    }
    let mut storm = Storm {
        plan,
        ground,
        world,
        postman,
        chance: Chance::new(plan.seed),
        counts: Counts::default(),
    };
    for first in (0..plan.orders).step_by(usize::try_from(plan.wave)?) {
        let end = plan.orders.min(first + plan.wave);
        storm.wave(first..end).await?;
        let (honest, forged) = (storm.counts.honest, storm.counts.forged);
        let seconds = storm.ground.seconds();
        say(format!(
            "{end} orders, {honest} true and {forged} forged notices, {seconds} s"
        ));
    }
    for id in deaf {
        let url = format!("{}/_sandbox/fault/{id}", storm.world.sandbox);
        storm.ground.client.delete(url).send().await?;
    }
    storm.end(say).await
}

impl Storm {
    async fn wave(&mut self, places: std::ops::Range<u32>) -> Result<()> {
        let (world, seed) = (self.world.clone(), self.plan.seed);
        let begin = |place| begin(world.clone(), seed, place);
        let mut orders = each(places, AT_ONCE, begin).await?;
        orders.sort_by_key(|order| order.place);
        let mut orders = self.letters(orders).await?;
        self.stale(&mut orders).await?;
        forge(&mut orders)?;
        let mut first = Vec::new();
        for order in orders.iter_mut().filter(|order| order.is_held_back()) {
            first.push(errand(order)?);
        }
        self.bring(first).await?;
        for order in orders.iter_mut().filter(|order| order.is_held_back()) {
            let shown = order.payer.shown(&order.token).await?;
            let class = order.forgery.class;
            ensure!(shown.is_none(), "{class}: the order's page shows a voucher");
        }
        let mut heap = Vec::new();
        for order in &mut orders {
            if !order.is_held_back() {
                heap.push(errand(order)?);
            }
            let times = times(&mut self.chance);
            self.counts.most_of_one = self.counts.most_of_one.max(times);
            for _ in 0..times {
                let letter = order.honest()?.clone();
                let forgery = None;
                heap.push(Errand { letter, forgery });
            }
        }
        self.chance.shuffle(&mut heap);
        self.bring(heap).await?;
        each(orders, AT_ONCE, see).await.map(drop)
    }

    /// Lets the channels send the true notices, and the forged ones that the sandbox makes.
    async fn letters(&self, orders: Vec<Order>) -> Result<Vec<Order>> {
        let mut by_channel: Vec<Vec<Order>> = Channel::ALL.map(|_| Vec::new()).into();
        for order in orders {
            let place = Channel::ALL.iter().position(|own| *own == order.channel);
            if let Some(own) = place.and_then(|place| by_channel.get_mut(place)) {
                own.push(order);
            }
        }
        let (client, world) = (self.ground.client.clone(), self.world.clone());
        let postman = self.postman.clone();
        // One notice at a time of each channel: the postman cannot read whose it is.
        let of_channel = |own: Vec<Order>| {
            let (client, sandbox) = (client.clone(), world.sandbox.clone());
            let postman = postman.clone();
            async move {
                let mut told = Vec::new();
                for mut order in own {
                    let channel = order.channel.code();
                    let name = json!({ "channel": channel, "out_trade_no": order.attempt });
                    if let Maker::Sandbox(kind) = order.forgery.maker {
                        let fault = json!({
                            "channel": channel, "out_trade_no": order.attempt, "at": "notify",
                            "do": "forge", "variant": kind,
                        });
                        control(&client, &sandbox, "fault", &fault).await?;
                        control(&client, &sandbox, "pay", &name).await?;
                        order.forged = Some(postman.letter(channel)?);
                    }
                    control(&client, &sandbox, "pay", &name).await?;
                    order.honest = Some(postman.letter(channel)?);
                    told.push(order);
                }
                Ok(told)
            }
        };
        let told = each(by_channel, Channel::ALL.len(), of_channel).await?;
        let mut orders: Vec<Order> = told.into_iter().flatten().collect();
        orders.sort_by_key(|order| order.place);
        Ok(orders)
    }

    /// Notices with the channel's own signature of another hour.
    async fn stale(&self, orders: &mut [Order]) -> Result<()> {
        for order in orders {
            let Maker::Clock(offset_s) = order.forgery.maker else {
                continue;
            };
            let channel = order.channel.code();
            let clock = |offset_s: i64| json!({ "offset_s": offset_s });
            let name = json!({ "channel": channel, "out_trade_no": order.attempt });
            self.ground.control("clock", &clock(offset_s)).await?;
            self.ground.control("pay", &name).await?;
            self.ground.control("clock", &clock(0)).await?;
            order.forged = Some(self.postman.letter(channel)?);
        }
        Ok(())
    }

    /// Brings all of them, several at once, and wants the right answer to each.
    async fn bring(&mut self, errands: Vec<Errand>) -> Result<()> {
        let (client, portal) = (self.ground.client.clone(), self.world.portal.clone());
        let put_off = Arc::new(Mutex::new(0));
        let bring = |errand: Errand| {
            let (client, portal) = (client.clone(), portal.clone());
            let put_off = Arc::clone(&put_off);
            async move {
                for _ in 0..TRIES_MAX {
                    let (status, words, took) = errand.letter.bring(&client, &portal).await?;
                    if status != 503 {
                        let wanted = errand.forgery.map_or(200, |forgery| forgery.answer);
                        let class = errand.forgery.map_or("a true one", |forgery| forgery.class);
                        let to = &errand.letter.to;
                        ensure!(
                            status == wanted,
                            "a notice to {to}, {class}: answered {status} {words}, not {wanted}"
                        );
                        return Ok((errand.forgery, took));
                    }
                    *put_off.lock().await += 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                anyhow::bail!("answered 503 {TRIES_MAX} times")
            }
        };
        for (forgery, took) in each(errands, AT_ONCE, bring).await? {
            match forgery {
                None => {
                    self.counts.honest += 1;
                    self.counts.times.push(took.as_micros());
                }
                Some(forgery) => {
                    self.counts.forged += 1;
                    *self.counts.by_class.entry(forgery.class).or_default() += 1;
                    self.counts.refused_by_gate += u64::from(forgery.answer == 400);
                }
            }
        }
        self.counts.put_off += *put_off.lock().await;
        Ok(())
    }

    async fn end(mut self, say: &Say) -> Result<(Counts, Table)> {
        let refused = self.ground.readiness().await?["refused_notices"].as_u64();
        let gate = self.counts.refused_by_gate;
        ensure!(
            refused == Some(gate),
            "the portal counts {refused:?} refused notices, not {gate}"
        );
        let (movements, verify) = self.ground.proved(self.plan.settle, say).await?;
        let orders = usize::try_from(self.plan.orders)?;
        ensure!(
            movements == orders,
            "{movements} movements of {orders} orders"
        );
        let database = self.ground.database()?;
        let (inbox, vouchers) = (
            books::rows::<Inbox>(&database)?.len(),
            books::rows::<Voucher>(&database)?.len(),
        );
        ensure!(inbox == orders, "{inbox} messages are kept of {orders}");
        ensure!(vouchers == orders, "{vouchers} vouchers of {orders} orders");
        let mut counts = self.counts;
        counts.times.sort_unstable();
        let quantile = |per_mille: usize| {
            let place = counts.times.len() * per_mille / 1_000;
            counts.times.get(place).copied().unwrap_or(0)
        };
        let mut table = Table::default();
        table.row("seed", self.plan.seed);
        table.row("engine", format!("{:?}", self.plan.engine));
        table.row("orders, each booked once", orders);
        table.row("true notices", counts.honest);
        table.row("most of one order", counts.most_of_one);
        let (named, known) = (counts.by_class.len(), classes());
        table.row("forged notices", counts.forged);
        table.row(
            "classes of forgeries sent, of all",
            format!("{named} of {known}"),
        );
        table.row("forged and believed", 0);
        table.row("put off with 503 and sent again", counts.put_off);
        let (middle, p99) = (quantile(500), quantile(990));
        table.row(
            "a true one is answered in",
            format!("p50 {middle} us, p99 {p99} us"),
        );
        table.row("movements in both books, all equal", movements);
        table.row("verify", verify);
        table.row("took", format!("{} s", self.ground.seconds()));
        self.ground.remove()?;
        Ok((counts, table))
    }
}

/// A payer comes as far as the wallet's page.
async fn begin(world: World, seed: u64, place: u32) -> Result<Order> {
    let channel = Channel::ALL[usize::try_from(place)? % Channel::ALL.len()];
    let own = FORGERIES
        .iter()
        .filter(|forgery| forgery.channel == channel);
    let turn = usize::try_from(place)? / Channel::ALL.len();
    let forgery = own.clone().nth(turn % own.count().max(1));
    let mut payer = Payer::new(&world, Acts::Quick, Chance::of(seed, place.into()));
    let started = payer
        .start(&Ground::person(place), channel.method())
        .await?;
    let address = started.context("no way to the wallet")?;
    let token = order_of(&address).context("the way does not lead back")?;
    let wallet = payer.wallet(&address).await?;
    Ok(Order {
        place,
        channel,
        forgery: forgery.context("a class of its own channel")?,
        attempt: wallet.attempt,
        token,
        payer,
        honest: None,
        forged: None,
    })
}

/// Makes the forgeries that are made of true notices.
fn forge(orders: &mut [Order]) -> Result<()> {
    for place in 0..orders.len() {
        let order = &orders[place];
        let other = |same: bool| {
            let after = orders.iter().cycle().skip(place + 1).take(orders.len() - 1);
            let mut fits = after.filter(|other| (other.channel == order.channel) == same);
            fits.next().context("another order")
        };
        let forged = match order.forgery.maker {
            Maker::Changed(change) => change(order.honest()?.clone(), other(true)?.honest()?),
            Maker::Crossed(change) => change(order.honest()?.clone(), other(false)?.honest()?),
            Maker::Sandbox(_) | Maker::Clock(_) => continue,
        };
        let class = order.forgery.class;
        ensure!(order.honest()? != &forged, "{class}: nothing was changed");
        orders[place].forged = Some(forged);
    }
    Ok(())
}

/// The errand of an order's forgery.
fn errand(order: &mut Order) -> Result<Errand> {
    let letter = order.forged.take();
    Ok(Errand {
        letter: letter.context("its forgery was made")?,
        forgery: Some(order.forgery),
    })
}

/// How often a true notice comes: 1 to 100 times, 9 in the mean.
fn times(chance: &mut Chance) -> u32 {
    let most = if chance.below(10) == 0 { 100 } else { 8 };
    u32::try_from(1 + chance.below(most)).unwrap_or(1)
}

/// The payer sees the voucher.
async fn see(mut order: Order) -> Result<()> {
    let shown = order.payer.shown(&order.token).await?;
    let voucher = shown.context("the order's page shows no voucher")?;
    order.payer.told_paid(&order.attempt, &voucher).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_forged_is_believed_in_a_storm_of_notices() {
        assert!(classes() >= 40, "{}", classes());
        let plan = Plan {
            engine: Engine::Sqlite,
            orders: 105,
            wave: 105,
            seed: 20_261_127,
            settle: Duration::from_secs(60),
        };
        let (counts, table) = storm(plan, &|_| {}).await.unwrap();
        assert_eq!(counts.forged, 105, "{table}");
        assert_eq!(counts.by_class.len(), classes(), "{table}");
        assert!(counts.honest > 500, "{table}");
    }
}
