//! Every call to a channel fails once before it is sent and once after it was done, and once the
//! task ends there; the payers try again, and in the end everybody who paid is insured by one
//! payment.

use crate::bills::{DAY, pay_for_a_day};
use crate::harness::calls::all_calls;
use crate::harness::points::{Deed, Edge, Points};
use crate::harness::{Channel, HOUR, MINUTE, Payer, Person, SECOND, Setup, Wallet, World};
use jiaoyi_domain::bill::{BillSort, KeptBill};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::refund::RefundState;
use serde_json::json;
use std::sync::Arc;

const CHANNELS: [Channel; 5] = [
    Channel::Wechat,
    Channel::Alipay,
    Channel::Unionpay,
    Channel::Bank1,
    Channel::Bank2,
];

/// To the wallet; where the channel could not be reached, from the page of the order once more.
async fn to_wallet(world: &World, payer: &mut Payer, who: &Person, channel: Channel) -> Wallet {
    let check = payer.look_up(who).await;
    let methods = payer.choose(&check).await;
    let mut page = payer.start(&methods, channel).await;
    if !page.url.starts_with(&world.sandbox) {
        page = payer.reopen(world, &page).await;
    }
    world.wallet(page).await
}

/// Pays twice for somebody at a channel.
async fn pay_twice(world: &World, who: &Person, channel: Channel) {
    let mut older = Payer::new(world);
    let old = to_wallet(world, &mut older, who, channel).await;
    world.turn(4 * MINUTE);
    let mut newer = Payer::new(world);
    let new = to_wallet(world, &mut newer, who, channel).await;
    newer.press(&new, "pay").await;
    older.press(&old, "pay").await;
    for _ in 0..3 {
        world.pass(20 * SECOND).await;
    }
}

/// No notice comes, so whatever happened is found by asking. Two are paid for twice, and the answer
/// to the second refund is lost; for a third an order is given up.
async fn everything(world: &World) {
    for (people, channel) in world.people.chunks(3).zip(CHANNELS) {
        let times = json!({ "times": 10_000 });
        world.fault(channel, "notify", "lose", times).await;
        pay_twice(world, &people[0], channel).await;
        world
            .fault(channel, "refund", "error_after", json!({}))
            .await;
        pay_twice(world, &people[1], channel).await;
        let mut undecided = Payer::new(world);
        let left = to_wallet(world, &mut undecided, &people[2], channel).await;
        undecided.cancel(&left.order).await;
    }
    world.pass_a_day().await;
}

async fn strike(edge: Edge, deed: Deed) {
    let points = Points::armed(edge, deed);
    let setup = Setup {
        points: Some(Arc::clone(&points)),
        banks: true,
        people: 15,
        ..Setup::default()
    };
    let mut world = World::with(setup).await;
    points.switch_calls(true);
    everything(&world).await;
    points.switch_calls(false);
    let struck = points.struck();
    let never: Vec<String> = all_calls().difference(&struck).cloned().collect();
    assert_eq!(never, [""; 0], "never met");
    world.restart().await;
    world.pass_a_day().await;
    for (people, channel) in world.people.chunks(3).zip(CHANNELS) {
        for (person, paid) in people.iter().zip([true, true, false]) {
            assert_eq!(world.is_paid(person).await, paid, "{channel:?}");
        }
    }
    let refunds = world.refunds().await;
    assert_eq!(refunds.len(), 2 * CHANNELS.len(), "{refunds:?}");
    for refund in &refunds {
        assert_eq!(refund.state, RefundState::Done, "{refund:?}");
    }
    assert_eq!(world.cases().await, []);
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_fail_before() {
    strike(Edge::Before, Deed::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_call_may_be_lost() {
    strike(Edge::After, Deed::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_died_before() {
    strike(Edge::Before, Deed::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_died_after() {
    strike(Edge::After, Deed::Crash).await;
}

/// The channels of the trade bills of the day that are here.
async fn trade_bills(world: &World) -> Vec<ChannelCode> {
    let kept: Vec<KeptBill> = world.platform.store.all().await.expect("it reads");
    let here = |kept: &&KeptBill| (kept.day, kept.sort) == (DAY, BillSort::Trade);
    let here = kept.iter().filter(here).filter(|kept| !kept.is_none());
    here.map(|kept| kept.channel).collect()
}

/// Bills are fetched past the gateways, so the sandbox plays how that goes wrong.
#[tokio::test(flavor = "multi_thread")]
async fn every_bill_that_did_not_arrive_is_fetched_again() {
    let setup = Setup {
        banks: true,
        ..Setup::default()
    };
    let mut world = World::with(setup).await;
    pay_for_a_day(&world, &CHANNELS).await;
    let platform = Arc::clone(&world.platform);
    for deed in ["error_before", "lose"] {
        let mut faults = Vec::new();
        for channel in CHANNELS {
            // Bills of older days are asked for as well.
            let times = json!({ "times": 1_000 });
            faults.push(world.fault(channel, "bill", deed, times).await);
        }
        platform.fetch_due_bills().await;
        assert_eq!(trade_bills(&world).await, [], "{deed}");
        for fault in faults {
            world.mend(fault).await;
        }
        world.turn(HOUR);
    }
    platform.fetch_due_bills().await;
    let here = trade_bills(&world).await;
    for channel in ChannelCode::ALL {
        assert!(here.contains(&channel), "{channel:?} is not in {here:?}");
    }
    assert_eq!(here.len(), ChannelCode::ALL.len());
    world.settles().await;
}
