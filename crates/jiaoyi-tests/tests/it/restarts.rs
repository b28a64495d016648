//! The platform stops and starts again on the same file between any two steps: nothing is lost.

use crate::harness::{Channel, MINUTE, Payer, SECOND, World};
use jiaoyi_domain::refund::RefundState;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn paying_survives_a_stop_between_any_two_steps() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&person).await;
        world.restart().await;
        let methods = payer.choose(&check).await;
        world.restart().await;
        let page = payer.start(&methods, channel).await;
        let wallet = world.wallet(page).await;
        world.restart().await;
        // The same form after a stop is still the same order.
        let again = payer.start(&methods, channel).await;
        assert_eq!(world.wallet(again).await.no, wallet.no);
        world.fault(channel, "notify", "lose", json!({})).await;
        world
            .fault(channel, "query", "error_before", json!({ "times": 4 }))
            .await;
        payer.press(&wallet, "pay").await;
        payer.order(&wallet.order).await.says("可能已扣款");
        world.restart().await;
        for _ in 0..4 {
            world.pass(20 * SECOND).await;
        }
        let order = payer.order(&wallet.order).await;
        order.is("order.paid");
        world.restart().await;
        let voucher = payer.get(&order.link("/v/").expect("a voucher")).await;
        voucher.says("有效");
        world.holds().await;
        world.restart().await;
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refunding_survives_a_stop_between_any_two_steps() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        world.turn(4 * MINUTE);
        world.restart().await;
        let mut family = Payer::new(&world);
        family
            .pay(&world, &person, channel.other())
            .await
            .is("order.paid");
        world.restart().await;
        payer.press(&wallet, "pay").await;
        payer.order(&wallet.order).await.is("order.refund_pending");
        world.restart().await;
        world
            .fault(channel, "refund", "lose", json!({ "times": 2 }))
            .await;
        world.work().await;
        world.restart().await;
        for _ in 0..3 {
            world.pass(10 * SECOND).await;
            world.restart().await;
        }
        world.pass(MINUTE).await;
        payer.order(&wallet.order).await.is("order.refunded");
        let refunds = world.refunds().await;
        assert_eq!(refunds.len(), 1);
        assert_eq!(refunds[0].state, RefundState::Done);
        let trade = world.trade(&wallet).await;
        assert_eq!(trade["refunds"].as_array().map_or(0, Vec::len), 1);
        world.settles().await;
    }
}

/// Stopped between deciding and sending: the order was never handed out, so nothing can be paid,
/// and the page offers to go on.
#[tokio::test(flavor = "multi_thread")]
async fn order_that_was_never_sent() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    let methods = payer.choose(&check).await;
    let more = json!({ "times": 3, "delay_s": 5 });
    world.fault(Channel::Wechat, "create", "delay", more).await;
    // The payer closes the browser while the channel thinks; the platform stops.
    let mut form = methods.need_form("/pay/start");
    form.set("method", "wechat_h5");
    let sending = payer.post(&methods, &form);
    let cut = tokio::time::timeout(std::time::Duration::from_millis(400), sending).await;
    assert!(cut.is_err(), "the channel was slow");
    world.restart().await;
    world.pass(30 * SECOND).await;
    world.pass(MINUTE).await;
    let records = payer.get("/records").await;
    let link = records.link("/o/").expect("the order is in the records");
    let order = payer.get(&link).await;
    assert!(
        ["order.to_pay", "order.channel_down"].contains(&order.code()),
        "{}",
        order.words()
    );
    let token = link.trim_start_matches("/o/").to_owned();
    let wallet = payer.switch(&world, &token, Channel::Alipay).await;
    payer.press(&wallet, "pay").await;
    payer.order(&token).await.is("order.paid");
    world.settles().await;
}
