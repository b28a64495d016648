//! What channels tell: late, twice, forged, wrong, or not at all.

use crate::harness::{Channel, MINUTE, Payer, SECOND, Wallet, World};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::messages::{CaseKind, Inbox};
use jiaoyi_domain::refund::{RefundCause, RefundState};
use serde_json::json;

async fn facts(world: &World) -> Vec<Fact> {
    world.platform.store.all().await.expect("the store reads")
}

async fn inbox(world: &World) -> usize {
    let rows: Vec<Inbox> = world.platform.store.all().await.expect("the store reads");
    rows.len()
}

async fn at_wallet(world: &World, payer: &mut Payer, channel: Channel) -> Wallet {
    let person = world.people[0].clone();
    payer.walk_to_wallet(world, &person, channel).await
}

/// The wallet took the money and nobody tells: the page says so, and asking finds it.
async fn finds_by_asking(channel: Channel) {
    let mut world = World::new().await;
    let mut payer = Payer::new(&world);
    let wallet = at_wallet(&world, &mut payer, channel).await;
    payer.press(&wallet, "no_result").await;
    let waiting = payer.order(&wallet.order).await;
    assert!(
        ["order.to_pay", "order.confirming"].contains(&waiting.code()),
        "{}",
        waiting.words()
    );
    world.pass(6 * SECOND).await;
    let asked = payer.refresh(&wallet.order).await;
    asked.says("可能已扣款");
    // The wallet has taken it: nobody may read that no money was taken.
    assert!(!waiting.words().contains("没有扣款"), "{}", waiting.words());
    // Nobody may pay it a second time meanwhile.
    let other = Payer::new(&world).look_up(&world.people[0]).await;
    other.says("有人正在付这一笔");
    world.pass(65 * SECOND).await;
    let order = payer.order(&wallet.order).await;
    order.is("order.paid");
    assert!(order.link("/v/").is_some());
    assert_eq!(inbox(&world).await, 0, "no notice ever came");
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_a_wechat_payment_by_asking() {
    finds_by_asking(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_an_alipay_payment_by_asking() {
    finds_by_asking(Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_a_unionpay_payment_by_asking() {
    finds_by_asking(Channel::Unionpay).await;
}

/// One notice a hundred times, some of them at once: one fact, one voucher, one row.
async fn takes_a_notice_a_hundred_times(channel: Channel) {
    let mut world = World::new().await;
    let mut payer = Payer::new(&world);
    let wallet = at_wallet(&world, &mut payer, channel).await;
    payer.press(&wallet, "notify_twice").await;
    payer.order(&wallet.order).await.is("order.paid");
    for round in 0..14 {
        let deed = ["duplicate", "other_key", "duplicate"][round % 3];
        if deed == "duplicate" {
            world.fault(channel, "notify", deed, json!({})).await;
        }
        // Several deliveries at once: the sandbox sends one at a time per notice and refuses more.
        let told = tokio::join!(
            world.play(&wallet, json!({})),
            world.play(&wallet, json!({})),
            world.play(&wallet, json!({})),
        );
        let taken = [told.0, told.1, told.2]
            .iter()
            .any(|told| told["delivered"] == json!(true));
        assert!(taken, "round {round}");
    }
    for _ in 0..60 {
        let told = world.play(&wallet, json!({})).await;
        assert_eq!(told["delivered"], json!(true), "{told}");
    }
    let told = world.trade(&wallet).await;
    let tries = told["notices"][0]["tries"].as_i64().expect("a number");
    assert!(tries >= 75, "{told}");
    assert_eq!(facts(&world).await.len(), 1);
    assert_eq!(inbox(&world).await, 1, "the same message is one row");
    assert_eq!(world.cases().await, []);
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_a_wechat_notice_a_hundred_times() {
    takes_a_notice_a_hundred_times(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_an_alipay_notice_a_hundred_times() {
    takes_a_notice_a_hundred_times(Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn takes_a_unionpay_notice_a_hundred_times() {
    takes_a_notice_a_hundred_times(Channel::Unionpay).await;
}

/// Twenty kinds of forgeries: refused, counted, and no row is written; then the true one counts.
async fn refuses_forgeries(channel: Channel) {
    let mut world = World::new().await;
    let mut payer = Payer::new(&world);
    let wallet = at_wallet(&world, &mut payer, channel).await;
    payer.order(&wallet.order).await.is("order.to_pay");
    let before = world.rows().await;
    for variant in 1..=jiaoyi_sandbox::forge::KINDS {
        let more = json!({ "variant": variant });
        world.fault(channel, "notify", "forge", more).await;
        let told = world.play(&wallet, json!({})).await;
        assert_eq!(told["delivered"], json!(false), "forgery {variant}: {told}");
        let status = told["notify_status"].as_u64().expect("a status");
        assert!((400..500).contains(&status), "forgery {variant}: {told}");
        assert_eq!(world.rows().await, before, "forgery {variant} wrote a row");
        payer.order(&wallet.order).await.is("order.to_pay");
    }
    let ready = payer.get("/readyz").await;
    ready.says("\"refused_notices\":20");
    world.play(&wallet, json!({})).await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_forged_wechat_notices() {
    refuses_forgeries(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_forged_alipay_notices() {
    refuses_forgeries(Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_forged_unionpay_notices() {
    refuses_forgeries(Channel::Unionpay).await;
}

/// A signed notice of a wrong amount is held; the query tells the right one, and it is paid.
async fn holds_a_wrong_notice(channel: Channel) {
    let mut world = World::new().await;
    let mut payer = Payer::new(&world);
    let wallet = at_wallet(&world, &mut payer, channel).await;
    payer.press(&wallet, "wrong_amount").await;
    world.quiet().await;
    // Coming back asks the channel at once; whoever asks, the notice alone never pays.
    let order = payer.order(&wallet.order).await;
    assert!(
        ["order.disputed", "order.paid"].contains(&order.code()),
        "{}",
        order.words()
    );
    assert_eq!(world.cases().await, [CaseKind::NoticeDiffers]);
    world.work().await;
    payer.order(&wallet.order).await.is("order.paid");
    let facts = facts(&world).await;
    assert_eq!(facts.len(), 1);
    assert_eq!(facts[0].amount, facts[0].premium);
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_a_wrong_wechat_notice() {
    holds_a_wrong_notice(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_a_wrong_alipay_notice() {
    holds_a_wrong_notice(Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_a_wrong_unionpay_notice() {
    holds_a_wrong_notice(Channel::Unionpay).await;
}

/// The channel truly took another amount: never premium, all of it goes back.
async fn returns_a_wrong_amount(channel: Channel) {
    let mut world = World::new().await;
    let mut payer = Payer::new(&world);
    let wallet = at_wallet(&world, &mut payer, channel).await;
    world.play(&wallet, json!({ "amount_fen": 39_900 })).await;
    let order = payer.order(&wallet.order).await;
    order.is("order.disputed").says("可能已扣款");
    world.work().await;
    world.pass(3 * SECOND).await;
    world.pass(10 * SECOND).await;
    let order = payer.order(&wallet.order).await;
    order.is("order.refunded").says("399");
    assert!(order.link("/v/").is_none());
    assert!(!world.is_paid(&world.people[0]).await);
    let refunds = world.refunds().await;
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0].cause, RefundCause::WrongAmount);
    assert_eq!(refunds[0].amount.get(), 39_900);
    assert_eq!(refunds[0].state, RefundState::Done);
    assert_eq!(world.trade(&wallet).await["refunded_fen"], json!(39_900));
    let cases = world.cases().await;
    assert!(cases.contains(&CaseKind::WrongAmount), "{cases:?}");
    // The due is free, and the right amount still pays it.
    let person = world.people[0].clone();
    let paid = payer.pay(&world, &person, channel).await;
    paid.is("order.paid");
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_a_wrong_amount_by_wechat() {
    returns_a_wrong_amount(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_a_wrong_amount_by_alipay() {
    returns_a_wrong_amount(Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returns_a_wrong_amount_by_unionpay() {
    returns_a_wrong_amount(Channel::Unionpay).await;
}

/// The notice comes a minute late; who asks first wins, the other changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn takes_a_late_notice() {
    for channel in Channel::ALL {
        let mut world = World::new().await;
        let mut payer = Payer::new(&world);
        let wallet = at_wallet(&world, &mut payer, channel).await;
        // The query that follows the payer's return fails, so that only the notice can tell.
        let more = json!({ "times": 40 });
        world.fault(channel, "query", "error_before", more).await;
        payer.press(&wallet, "notify_late").await;
        payer.order(&wallet.order).await.says("可能已扣款");
        world.pass(30 * SECOND).await;
        payer.order(&wallet.order).await.is("order.confirming");
        world.pass(31 * SECOND).await;
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

/// Every query fails past the window of patience: nothing is freed, and the late success counts.
#[tokio::test(flavor = "multi_thread")]
async fn counts_a_success_after_the_window_of_patience() {
    for channel in Channel::ALL {
        let mut world = World::new().await;
        let mut payer = Payer::new(&world);
        let wallet = at_wallet(&world, &mut payer, channel).await;
        let mut faults = Vec::new();
        for (at, deed) in [
            ("query", "error_before"),
            ("close", "error_before"),
            ("notify", "lose"),
        ] {
            let times = json!({ "times": 1_000 });
            faults.push(world.fault(channel, at, deed, times).await);
        }
        payer.press(&wallet, "pay").await;
        for _ in 0..4 {
            world.pass(10 * MINUTE).await;
        }
        payer
            .order(&wallet.order)
            .await
            .is("order.confirming")
            .says("请不要再付一次");
        let other = Payer::new(&world).look_up(&world.people[0]).await;
        other.says("有人正在付这一笔");
        for fault in faults {
            world.mend(fault).await;
        }
        let told = world.play(&wallet, json!({})).await;
        assert_eq!(told["delivered"], json!(true), "{told}");
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

/// A signed notice for a number we never made is kept for staff and changes nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn keeps_a_notice_of_an_unknown_number() {
    let mut world = World::new().await;
    let mut payer = Payer::new(&world);
    let wallet = at_wallet(&world, &mut payer, Channel::Wechat).await;
    let number = world.foreign_order().await;
    let foreign = Wallet {
        no: number,
        ..wallet.clone()
    };
    let told = world.play(&foreign, json!({})).await;
    assert_eq!(told["delivered"], json!(true), "{told}");
    world.play(&foreign, json!({})).await;
    assert_eq!(world.cases().await, [CaseKind::UnknownNumber]);
    assert_eq!(facts(&world).await.len(), 0);
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.pass_a_day().await;
    let report = world.report(true).await;
    let rules: Vec<&str> = report.violations.iter().map(|row| row.rule).collect();
    assert_eq!(rules, ["channel.payment"], "{:#?}", report.violations);
    assert!(report.violations[0].what.contains(foreign.no.as_str()));
    world.end().await;
}
