//! Money that finds no free due: it goes back, exactly once, and the payer is told.

use crate::harness::{Channel, HOUR, MINUTE, Payer, SECOND, Wallet, World};
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::refund::{RefundCause, RefundState};
use serde_json::{Value, json};

/// Somebody displaced the first payer and paid; the first one pays too. Gives the first wallet.
pub async fn paid_twice(world: &World, first: Channel, second: Channel) -> (Payer, Wallet) {
    let person = world.people[0].clone();
    let mut older = Payer::new(world);
    let wallet = older.walk_to_wallet(world, &person, first).await;
    world.turn(4 * MINUTE);
    let mut newer = Payer::new(world);
    let other = newer.walk_to_wallet(world, &person, second).await;
    newer.press(&other, "pay").await;
    newer.order(&other.order).await.is("order.paid");
    // The displaced attempt was not closed: it never robs somebody who is just paying.
    older.press(&wallet, "pay").await;
    (older, wallet)
}

/// The money of `wallet` is back, and its page says so.
async fn is_back(world: &World, payer: &mut Payer, wallet: &Wallet, fen: u64) {
    let order = payer.order(&wallet.order).await;
    order.is("order.refunded").says("已原路退回");
    assert!(order.link("/v/").is_none(), "no voucher for surplus");
    assert_eq!(world.trade(wallet).await["refunded_fen"], json!(fen));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_success_goes_back_within_seconds() {
    for first in Channel::ALL {
        for second in Channel::ALL {
            let mut world = World::new().await;
            let (mut payer, wallet) = paid_twice(&world, first, second).await;
            world.work().await;
            let order = payer.order(&wallet.order).await;
            assert!(
                ["order.refund_pending", "order.refunded"].contains(&order.code()),
                "{}",
                order.words()
            );
            // WeChat and UnionPay work on a refund for two seconds.
            world.pass(3 * SECOND).await;
            is_back(&world, &mut payer, &wallet, 40_000).await;
            let refunds = world.refunds().await;
            assert_eq!(refunds.len(), 1);
            assert_eq!(refunds[0].cause, RefundCause::SecondSuccess);
            assert!(world.is_paid(&world.people[0]).await);
            world.settles().await;
        }
    }
}

/// The order was given up and closed, the due paid another way, and the wallet pays all the same.
#[tokio::test(flavor = "multi_thread")]
async fn success_after_close_goes_back_when_the_due_is_paid() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        payer.press(&wallet, "pay_after_close").await;
        let other = payer.switch(&world, &wallet.order, channel.other()).await;
        payer.press(&other, "pay").await;
        payer.order(&other.order).await.is("order.paid");
        world.pass(2 * SECOND).await;
        world.pass(5 * SECOND).await;
        // One order holds both: it is paid, and one of its two payments went back.
        let refunds = world.refunds().await;
        assert_eq!(refunds.len(), 1, "{refunds:?}");
        assert_eq!(refunds[0].state, RefundState::Done);
        assert_eq!(refunds[0].attempt_no, wallet.no);
        let order = payer.order(&wallet.order).await;
        order.is("order.paid").says("缴费成功");
        order.says("您付了两次，第二笔 400.00 元 已原路退回");
        assert!(world.is_paid(&person).await);
        assert_eq!(world.trade(&wallet).await["refunded_fen"], json!(40_000));
        world.settles().await;
    }
}

/// The order was given up and closed, and the wallet pays all the same: the due is free, so the
/// money is premium.
#[tokio::test(flavor = "multi_thread")]
async fn success_after_close_is_premium_while_the_due_is_free() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        payer.press(&wallet, "pay_after_close").await;
        payer.cancel(&wallet.order).await.is("order.cancelled");
        world.pass(2 * SECOND).await;
        let order = payer.order(&wallet.order).await;
        order.is("order.paid");
        assert!(order.link("/v/").is_some());
        assert!(world.is_paid(&person).await);
        assert_eq!(world.refunds().await.len(), 0);
        world.settles().await;
    }
}

/// Given up while the close gets no answer: watched, and its success finds the due as it is.
#[tokio::test(flavor = "multi_thread")]
async fn abandoned_attempt_is_watched() {
    for channel in Channel::ALL {
        for meanwhile in [false, true] {
            let mut world = World::new().await;
            let person = world.people[0].clone();
            let mut payer = Payer::new(&world);
            let wallet = payer.walk_to_wallet(&world, &person, channel).await;
            let times = json!({ "times": 3 });
            world.fault(channel, "close", "error_before", times).await;
            let left = payer.cancel(&wallet.order).await;
            left.is("order.abandoned").says("没有看到扣款");
            if meanwhile {
                let mut family = Payer::new(&world);
                let paid = family.pay(&world, &person, channel.other()).await;
                paid.is("order.paid");
            }
            payer.press(&wallet, "pay").await;
            world.pass(SECOND).await;
            world.pass(3 * SECOND).await;
            if meanwhile {
                is_back(&world, &mut payer, &wallet, 40_000).await;
            } else {
                payer.order(&wallet.order).await.is("order.paid");
                assert_eq!(world.refunds().await.len(), 0);
            }
            assert!(world.is_paid(&person).await);
            world.settles().await;
        }
    }
}

/// The account is short: the same number again, until the channel pays out.
#[tokio::test(flavor = "multi_thread")]
async fn refund_short_of_balance_keeps_its_number() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let times = json!({ "times": 3 });
        world.fault(channel, "refund", "contradict", times).await;
        let (mut payer, wallet) = paid_twice(&world, channel, channel.other()).await;
        world.work().await;
        let waiting = payer.order(&wallet.order).await;
        waiting.is("order.refund_pending");
        let first = world.refunds().await[0].clone();
        assert_eq!(first.detail.as_deref(), Some("short_of_balance"));
        world.holds().await;
        for _ in 0..6 {
            world.pass(MINUTE).await;
        }
        world.pass(10 * MINUTE).await;
        is_back(&world, &mut payer, &wallet, 40_000).await;
        let refunds = world.refunds().await;
        assert_eq!(refunds.len(), 1);
        assert_eq!(refunds[0].channel_no, first.channel_no, "the same number");
        assert_eq!(world.cases().await, []);
        world.settles().await;
    }
}

/// WeChat closes the number for good: a new number is tried, then staff have a case.
#[tokio::test(flavor = "multi_thread")]
async fn refund_closed_by_the_channel_takes_a_new_number() {
    for (closes, times) in [(1, 1), (2, 1_000)] {
        let mut world = World::new().await;
        let more = json!({ "times": times, "code": "CLOSED" });
        world
            .fault(Channel::Wechat, "refund", "contradict", more)
            .await;
        let (mut payer, wallet) = paid_twice(&world, Channel::Wechat, Channel::Alipay).await;
        world.work().await;
        let first = world.refunds().await[0].clone();
        for _ in 0..4 {
            world.pass(10 * SECOND).await;
        }
        // WeChat takes one refund of an order a minute.
        world.pass(MINUTE).await;
        world.pass(5 * SECOND).await;
        let last = world.refunds().await[0].clone();
        assert_ne!(last.channel_no, first.channel_no, "a new number");
        if closes == 1 {
            is_back(&world, &mut payer, &wallet, 40_000).await;
            assert_eq!(world.cases().await, []);
        } else {
            let order = payer.order(&wallet.order).await;
            order.is("order.refund_manual").says("人工办理");
            assert_eq!(last.state, RefundState::Manual);
            assert_eq!(world.cases().await, [CaseKind::RefundManual]);
        }
        assert!(
            world.is_paid(&world.people[0]).await,
            "never touches the due"
        );
        world.settles().await;
    }
}

/// The payer's card is closed: staff have a case at once.
#[tokio::test(flavor = "multi_thread")]
async fn abnormal_refund_is_for_staff() {
    let mut world = World::new().await;
    let more = json!({ "code": "ABNORMAL" });
    world
        .fault(Channel::Wechat, "refund", "contradict", more)
        .await;
    let (mut payer, wallet) = paid_twice(&world, Channel::Wechat, Channel::Alipay).await;
    world.work().await;
    world.pass(3 * SECOND).await;
    world.pass(30 * SECOND).await;
    payer.order(&wallet.order).await.is("order.refund_manual");
    assert_eq!(world.cases().await, [CaseKind::RefundManual]);
    world.settles().await;
}

/// Answers about a refund that get lost, come as errors or twice: paid out exactly once.
#[tokio::test(flavor = "multi_thread")]
async fn refund_is_paid_out_once_whatever_answers_do() {
    for channel in Channel::ALL {
        for deed in [
            "lose",
            "error_after",
            "error_before",
            "corrupt",
            "duplicate",
        ] {
            let mut world = World::new().await;
            world.fault(channel, "refund", deed, json!({})).await;
            let (mut payer, wallet) = paid_twice(&world, channel, channel.other()).await;
            world.work().await;
            for _ in 0..4 {
                world.pass(20 * SECOND).await;
            }
            world.pass(6 * MINUTE).await;
            is_back(&world, &mut payer, &wallet, 40_000).await;
            let trade = world.trade(&wallet).await;
            let refunds = trade["refunds"].as_array().map_or(0, Vec::len);
            assert_eq!(refunds, 1, "{deed}: {trade}");
            let report = world.report(true).await;
            assert!(report.ok(), "{deed}: {:#?}", report.violations);
            world.end().await;
        }
    }
}

/// No notice of a refund ever arrives: its end is found by asking.
#[tokio::test(flavor = "multi_thread")]
async fn refund_is_found_by_asking() {
    for channel in Channel::ALL {
        let mut world = World::new().await;
        let (mut payer, wallet) = paid_twice(&world, channel, channel.other()).await;
        let times = json!({ "times": 1_000 });
        world.fault(channel, "notify", "lose", times).await;
        world.work().await;
        for _ in 0..3 {
            world.pass(10 * SECOND).await;
        }
        is_back(&world, &mut payer, &wallet, 40_000).await;
        world.settles().await;
    }
}

/// The channel gives back nothing that old. Nothing is sent to it in vain: staff have a case, the books
/// still owe the money, and the payer reads that it comes another way.
async fn comes_another_way(world: &mut World, payer: &mut Payer, wallet: &Wallet) {
    let order = payer.order(&wallet.order).await;
    order.is("order.refund_manual").says("用别的办法退给您");
    let refund = world.refunds().await.remove(0);
    assert_eq!(refund.state, RefundState::Manual);
    assert_eq!(refund.detail.as_deref(), Some("refund_window_over"));
    assert_eq!(world.cases().await, [CaseKind::RefundManual]);
    assert_eq!(world.trade(wallet).await["refunded_fen"], json!(0));
    assert!(world.is_paid(&world.people[0]).await);
    world.settles().await;
}

/// Nobody heard of the second payment until the channel's window for refunds was over.
#[tokio::test(flavor = "multi_thread")]
async fn success_found_after_the_window_goes_back_another_way() {
    for (channel, days) in [(Channel::Wechat, 365), (Channel::Unionpay, 90)] {
        for over in [false, true] {
            let mut world = World::new().await;
            let person = world.people[0].clone();
            let mut older = Payer::new(&world);
            let wallet = older.walk_to_wallet(&world, &person, channel).await;
            world.turn(4 * MINUTE);
            let mut newer = Payer::new(&world);
            newer.pay(&world, &person, Channel::Alipay).await;
            let times = json!({ "times": 1 });
            world.fault(channel, "notify", "lose", times).await;
            older.press(&wallet, "pay").await;
            world.turn(days * 24 * HOUR - HOUR);
            if over {
                world.turn(2 * HOUR);
            }
            world.work().await;
            world.pass(3 * SECOND).await;
            if over {
                comes_another_way(&mut world, &mut older, &wallet).await;
            } else {
                is_back(&world, &mut older, &wallet, 40_000).await;
                world.settles().await;
            }
        }
    }
}

/// The account was short until the window was over: what was sent in vain for so long ends there.
#[tokio::test(flavor = "multi_thread")]
async fn shortage_beyond_the_window_ends_with_staff() {
    let mut world = World::new().await;
    let times = json!({ "times": 10_000 });
    world
        .fault(Channel::Wechat, "refund", "contradict", times)
        .await;
    let (mut payer, wallet) = paid_twice(&world, Channel::Wechat, Channel::Alipay).await;
    world.work().await;
    world.pass(364 * 24 * HOUR).await;
    payer.order(&wallet.order).await.is("order.refund_pending");
    world.pass(25 * HOUR).await;
    world.pass(2 * HOUR).await;
    comes_another_way(&mut world, &mut payer, &wallet).await;
}

/// A refund that stays unknown for more than a day gets a case.
#[tokio::test(flavor = "multi_thread")]
async fn endless_shortage_is_known_to_verify() {
    let mut world = World::new().await;
    let times = json!({ "times": 10_000 });
    world
        .fault(Channel::Alipay, "refund", "contradict", times)
        .await;
    let (mut payer, wallet) = paid_twice(&world, Channel::Alipay, Channel::Wechat).await;
    world.work().await;
    for _ in 0..8 {
        world.pass(4 * HOUR).await;
    }
    payer.order(&wallet.order).await.is("order.refund_pending");
    let report = world.report(true).await;
    let rules: Vec<&str> = report.violations.iter().map(|row| row.rule).collect();
    assert_eq!(rules, ["settled.refund"], "{:#?}", report.violations);
    let none: Value = Value::Null;
    assert_ne!(world.trade(&wallet).await, none);
    world.end().await;
}
