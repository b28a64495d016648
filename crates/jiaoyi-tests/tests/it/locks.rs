//! The lock is courtesy: it shows who is paying, ends by evidence, and never decides about money.

use crate::harness::{Channel, MINUTE, Payer, SECOND, Setup, World};
use jiaoyi_domain::due::TurnedAway;
use jiaoyi_domain::refund::{RefundCause, RefundState};
use serde_json::json;

/// A second payer sees the channel and the time, not the person who pays; may not displace before
/// three minutes, and may after that.
#[tokio::test(flavor = "multi_thread")]
async fn second_payer_waits_three_minutes() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut first = Payer::new(&world);
        let mut second = Payer::new(&world);
        // The second one looked before the lock was there and presses after it.
        let before = second.look_up(&person).await;
        let methods = second.choose(&before).await;
        let wallet = first.walk_to_wallet(&world, &person, channel).await;
        let refused = second.start(&methods, channel.other()).await;
        assert_eq!(refused.status, 409, "{}", refused.words());
        refused.says("有人正在付这一笔").says("没有扣您的款");
        refused.says(match channel {
            Channel::Wechat => "微信支付",
            Channel::Alipay => "支付宝",
            Channel::Unionpay => "银联",
            Channel::Bank1 | Channel::Bank2 => "网上银行",
        });
        refused.says("10:00").says("10:15");
        assert!(
            refused.form("/pay/method").is_none(),
            "not before 3 minutes"
        );
        assert!(!refused.text.contains(wallet.order.as_str()));
        let rows: Vec<TurnedAway> = world.platform.store.all().await.expect("it reads");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].until.since_ms(rows[0].at), 24 * 60 * MINUTE);

        world.turn(3 * MINUTE - SECOND);
        let early = second.look_up(&person).await;
        assert!(early.form("/pay/method").is_none(), "{}", early.words());
        world.turn(SECOND);
        let after = second.look_up(&person).await;
        after.says("如果两边都付成了");
        let methods = second.choose(&after).await;
        let page = second.start(&methods, channel.other()).await;
        let other = world.wallet(page).await;
        let displaced = first.order(&wallet.order).await;
        displaced.is("order.abandoned");
        second.press(&other, "pay").await;
        second.order(&other.order).await.is("order.paid");
        world.pass(20 * MINUTE).await;
        world.pass(10 * MINUTE).await;
        first.order(&wallet.order).await.says("没有");
        world.settles().await;
    }
}

/// Whoever pays first has the due, also when it is the displaced one.
#[tokio::test(flavor = "multi_thread")]
async fn displaced_payer_may_still_be_first() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut first = Payer::new(&world);
    let mut second = Payer::new(&world);
    let wallet = first.walk_to_wallet(&world, &person, Channel::Wechat).await;
    world.turn(4 * MINUTE);
    let other = second
        .walk_to_wallet(&world, &person, Channel::Alipay)
        .await;
    first.press(&wallet, "pay").await;
    first.order(&wallet.order).await.is("order.paid");
    second.press(&other, "pay").await;
    world.pass(5 * SECOND).await;
    second.order(&other.order).await.is("order.refunded");
    second.look_up(&person).await.says("已缴，不用再付");
    world.settles().await;
}

/// The same payer looks the person up again: sees the own order and goes on with it.
#[tokio::test(flavor = "multi_thread")]
async fn same_payer_goes_on_at_once() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Alipay).await;
    let again = payer.look_up(&person).await;
    again.says("您有一笔没付完");
    let own = again.link("/o/").expect("a link to the own order");
    assert_eq!(own, format!("/o/{}", wallet.order));
    let other = payer.switch(&world, &wallet.order, Channel::Wechat).await;
    payer.press(&other, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// Only the device that started an order may cancel or switch it.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_cannot_cancel() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let mut stranger = Payer::new(&world);
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Wechat).await;
    let seen = stranger.order(&wallet.order).await;
    let cancel = format!("/o/{}/cancel", wallet.order);
    assert!(seen.form(&cancel).is_none());
    stranger.go(&cancel, Some(String::new())).await;
    payer.order(&wallet.order).await.is("order.to_pay");
    let switch = format!("/o/{}/switch", wallet.order);
    let body = "method=alipay_wap&form_key=0123456789abcdef".to_owned();
    let refused = stranger.go(&switch, Some(body)).await;
    assert_eq!(refused.status, 410, "{}", refused.words());
    refused.is("web.session_expired").says("钱不会丢");
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// One device holds at most ten open payments.
#[tokio::test(flavor = "multi_thread")]
async fn at_most_ten_open_payments() {
    let mut world = World::with(Setup {
        people: 11,
        ..Setup::default()
    })
    .await;
    let mut payer = Payer::new(&world);
    let mut wallets = Vec::new();
    for person in &world.people[..10] {
        wallets.push(payer.walk_to_wallet(&world, person, Channel::Alipay).await);
    }
    let last = world.people[10].clone();
    let check = payer.look_up(&last).await;
    let methods = payer.choose(&check).await;
    let refused = payer.start(&methods, Channel::Alipay).await;
    assert_eq!(refused.status, 429, "{}", refused.words());
    refused.is("web.too_many_orders").says("没有扣款");
    payer.press(&wallets[0], "pay").await;
    payer.order(&wallets[0].order).await.is("order.paid");
    payer
        .pay(&world, &last, Channel::Alipay)
        .await
        .is("order.paid");
    world.settles().await;
}

/// Twenty people press the button at once: one is sent to the wallet, the others are told.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_press_at_once_and_one_is_sent_to_the_wallet() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut pressing = Vec::new();
    for n in 0..20 {
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&person).await;
        let methods = payer.choose(&check).await;
        pressing.push((payer, methods, Channel::BOTH[n % 2]));
    }
    let running: Vec<_> = pressing
        .into_iter()
        .map(|(mut payer, methods, channel)| {
            tokio::spawn(async move {
                let page = payer.start(&methods, channel).await;
                (payer, page)
            })
        })
        .collect();
    let mut sent = Vec::new();
    for task in running {
        let (payer, page) = task.await.expect("nobody fell");
        if page.url.starts_with(&world.sandbox) {
            sent.push((payer, world.wallet(page).await));
        } else {
            page.says("有人正在付这一笔");
        }
    }
    assert_eq!(sent.len(), 1);
    let (payer, wallet) = &mut sent[0];
    payer.press(wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// Twenty people stand at the wallet for one due and pay at once, by both channels: one premium,
/// nineteen refunds, books equal.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_race_for_one_due() {
    let mut world = World::with(Setup {
        seed: 20,
        ..Setup::default()
    })
    .await;
    let person = world.people[0].clone();
    // Closing fails, so that everybody who gives the due up still holds a payable link.
    for channel in Channel::BOTH {
        let times = json!({ "times": 20 });
        world.fault(channel, "close", "error_before", times).await;
    }
    let mut racers = Vec::new();
    for n in 0..20 {
        let mut payer = Payer::new(&world);
        let wallet = payer
            .walk_to_wallet(&world, &person, Channel::BOTH[n % 2])
            .await;
        if n < 19 {
            payer.cancel(&wallet.order).await.is("order.abandoned");
        }
        racers.push((payer, wallet));
    }
    let running: Vec<_> = racers
        .into_iter()
        .map(|(mut payer, wallet)| {
            tokio::spawn(async move {
                payer.press(&wallet, "pay").await;
                (payer, wallet)
            })
        })
        .collect();
    let mut racers = Vec::new();
    for racer in running {
        racers.push(racer.await.expect("no racer fell"));
    }
    world.pass(5 * SECOND).await;
    world.pass(10 * SECOND).await;
    let mut codes = Vec::new();
    for (payer, wallet) in &mut racers {
        assert_eq!(world.trade(wallet).await["state"], json!("paid"));
        codes.push(payer.order(&wallet.order).await.code().to_owned());
    }
    codes.sort();
    assert_eq!(codes[0], "order.paid", "{codes:?}");
    assert!(
        codes[1..].iter().all(|code| code == "order.refunded"),
        "{codes:?}"
    );
    let refunds = world.refunds().await;
    assert_eq!(refunds.len(), 19);
    assert!(
        refunds
            .iter()
            .all(|refund| refund.state == RefundState::Done
                && refund.cause == RefundCause::SecondSuccess)
    );
    assert!(world.is_paid(&person).await);
    world.settles().await;
}
