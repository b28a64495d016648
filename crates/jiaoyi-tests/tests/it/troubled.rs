//! Channels that do not answer, answer late, or answer nonsense: nothing is lost, nothing is
//! promised that is not known, and the payer can always go on.

use crate::harness::{Channel, MINUTE, Payer, SECOND, World};
use jiaoyi_domain::order::PayOrder;
use serde_json::json;

/// WeChat takes the order but its answer does not arrive: nothing was handed out, so no money can
/// have been taken; the page says so and a second try works.
async fn order_without_answer(deed: &'static str) {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    // A gateway asks once more with the same body before it gives up.
    let more = json!({ "times": 3, "delay_s": 8 });
    world.fault(Channel::Wechat, "create", deed, more).await;
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    let methods = payer.choose(&check).await;
    let down = payer.start(&methods, Channel::Wechat).await;
    if down.url.starts_with(&world.sandbox) {
        // Asked again by itself, and the second answer was good.
        let wallet = world.wallet(down).await;
        payer.press(&wallet, "pay").await;
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
        return;
    }
    down.is("order.channel_down").says("没有扣款");
    assert!(!world.is_paid(&person).await);
    let token = down.url.rsplit('/').next().expect("a path").to_owned();
    let token = token.split('?').next().expect("a path").to_owned();
    let wallet = payer.switch(&world, &token, Channel::Alipay).await;
    payer.press(&wallet, "pay").await;
    payer.order(&token).await.is("order.paid");
    let orders: Vec<PayOrder> = world.platform.store.all().await.expect("it reads");
    assert_eq!(orders.len(), 1);
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answer_to_an_order() {
    order_without_answer("lose").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delayed_answer_to_an_order() {
    order_without_answer("delay").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_answer_to_an_order() {
    order_without_answer("corrupt").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn error_after_an_order() {
    order_without_answer("error_after").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn error_instead_of_an_order() {
    order_without_answer("error_before").await;
}

/// The close is done or not, and its answer does not arrive: it is asked for again until it is
/// confirmed, and the due is free at once for the other wallet.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answer_to_a_close() {
    for channel in Channel::BOTH {
        for deed in ["lose", "error_after", "error_before", "corrupt"] {
            let mut world = World::new().await;
            let person = world.people[0].clone();
            let mut payer = Payer::new(&world);
            let wallet = payer.walk_to_wallet(&world, &person, channel).await;
            let more = json!({ "times": 2 });
            world.fault(channel, "close", deed, more).await;
            let left = payer.cancel(&wallet.order).await;
            assert!(
                ["order.abandoned", "order.cancelled"].contains(&left.code()),
                "{deed}: {}",
                left.words()
            );
            let paid = payer.pay(&world, &person, channel.other()).await;
            paid.is("order.paid");
            for _ in 0..4 {
                world.pass(30 * SECOND).await;
            }
            payer.order(&wallet.order).await.is("order.cancelled");
            assert_eq!(world.trade(&wallet).await["state"], "closed", "{deed}");
            world.pass(30 * MINUTE).await;
            let report = world.report(true).await;
            assert!(report.ok(), "{deed}: {:#?}", report.violations);
            world.end().await;
        }
    }
}

/// The channel says "closed" without closing; the success that follows is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn close_that_was_no_close() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        world.fault(channel, "close", "contradict", json!({})).await;
        payer.cancel(&wallet.order).await.is("order.cancelled");
        let paid = payer.pay(&world, &person, channel.other()).await;
        paid.is("order.paid");
        payer.press(&wallet, "pay").await;
        world.pass(SECOND).await;
        world.pass(3 * SECOND).await;
        payer.order(&wallet.order).await.is("order.refunded");
        world.settles().await;
    }
}

/// A query that calls the unpaid paid would insure for nothing: it is signed, so it is believed
/// for the moment; a query that calls the paid unpaid must not free anything.
#[tokio::test(flavor = "multi_thread")]
async fn query_that_denies_a_payment() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        let twice = json!({ "times": 2 });
        world.fault(channel, "query", "contradict", twice).await;
        world.fault(channel, "notify", "lose", json!({})).await;
        // Back from the wallet, the page believes neither the payer nor one answer.
        let back = payer.press(&wallet, "pay").await;
        back.says("可能已扣款").says("不要再付一次");
        let other = Payer::new(&world).look_up(&person).await;
        other.says("有人正在付这一笔");
        for _ in 0..4 {
            world.pass(20 * SECOND).await;
        }
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

/// Notices are answered with an error although they were taken: they come again and change nothing.
#[tokio::test(flavor = "multi_thread")]
async fn notices_that_come_again() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let more = json!({ "times": 4 });
        world.fault(channel, "notify", "error_after", more).await;
        let mut payer = Payer::new(&world);
        let order = payer.pay(&world, &person, channel).await;
        order.is("order.paid");
        for _ in 0..4 {
            world.pass(20 * SECOND).await;
        }
        assert_eq!(world.cases().await, []);
        world.settles().await;
    }
}

/// Signature probes of WeChat are refused, and the proper notice after them counts.
#[tokio::test(flavor = "multi_thread")]
async fn signature_probe() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let wechat = Channel::Wechat;
    world.fault(wechat, "notify", "probe", json!({})).await;
    world
        .fault(wechat, "query", "probe", json!({ "times": 3 }))
        .await;
    let mut payer = Payer::new(&world);
    let wallet = payer.walk_to_wallet(&world, &person, wechat).await;
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// Alipay's answers name another certificate than ours for a while: nothing they say is believed, and
/// what was paid is found when they name ours again.
#[tokio::test(flavor = "multi_thread")]
async fn answers_under_another_certificate_of_alipay_say_nothing() {
    let mut world = World::new().await;
    world
        .trouble("[[rule]]\nchannel = \"alipay\"\ndo = \"rotate_key\"\nuntil = \"+10m\"\n")
        .await;
    let times = json!({ "times": 1_000 });
    world.fault(Channel::Alipay, "notify", "lose", times).await;
    world.pass(SECOND).await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Alipay).await;
    payer.press(&wallet, "pay").await;
    world.pass(MINUTE).await;
    payer.order(&wallet.order).await.is("order.confirming");
    assert_eq!(world.struck().await, [("rule 1".to_owned(), 1)]);
    world.pass(10 * MINUTE).await;
    world.pass(10 * MINUTE).await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}
