//! The window closes while somebody pays: what counts is when the payer acted.

use crate::harness::{Channel, MINUTE, Payer, SECOND, Setup, Wallet, World};
use jiaoyi_domain::Instant;
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::refund::RefundCause;

/// Two minutes before the last day of the demo county's window ends; its grace is ten minutes.
async fn last_evening(edits: Vec<(&'static str, &'static str)>) -> World {
    World::with(Setup {
        now: "2027-01-21T23:58:00+08:00",
        edits,
        ..Setup::default()
    })
    .await
}

fn at(text: &str) -> i64 {
    Instant::parse(text).expect("a time").0
}

async fn at_wallet(world: &World, payer: &mut Payer, channel: Channel) -> Wallet {
    let person = world.people[0].clone();
    let wallet = payer.walk_to_wallet(world, &person, channel).await;
    let attempt = world.attempt(&wallet.no).await;
    assert_eq!(attempt.expires_at.0, at("2027-01-22T00:10:00+08:00"));
    let told = world.trade(&wallet).await;
    if channel == Channel::Wechat {
        assert_eq!(told["expires_at_ms"].as_i64(), Some(attempt.expires_at.0));
    }
    wallet
}

#[tokio::test(flavor = "multi_thread")]
async fn success_inside_the_grace_counts_as_inside() {
    for channel in Channel::BOTH {
        let mut world = last_evening(Vec::new()).await;
        let mut payer = Payer::new(&world);
        let wallet = at_wallet(&world, &mut payer, channel).await;
        world.turn(11 * MINUTE);
        payer.press(&wallet, "pay").await;
        let order = payer.order(&wallet.order).await;
        order.is("order.paid").says("400.00");
        assert_eq!(world.cases().await, []);
        // Whoever looks now pays the late price.
        let person = world.people[1].clone();
        payer.look_up(&person).await.says("1100.00");
        world.settles().await;
    }
}

/// The window closed, the notice and all queries come later: the time of paying decides.
#[tokio::test(flavor = "multi_thread")]
async fn success_inside_that_is_heard_of_after_the_window() {
    for channel in Channel::BOTH {
        let mut world = last_evening(Vec::new()).await;
        let mut payer = Payer::new(&world);
        let wallet = at_wallet(&world, &mut payer, channel).await;
        world.turn(MINUTE);
        payer.press(&wallet, "no_result").await;
        world.pass(30 * MINUTE).await;
        payer
            .order(&wallet.order)
            .await
            .is("order.paid")
            .says("400.00");
        assert_eq!(world.cases().await, []);
        world.settles().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn success_after_the_grace_goes_back() {
    for channel in Channel::BOTH {
        let mut world = last_evening(Vec::new()).await;
        let mut payer = Payer::new(&world);
        let wallet = at_wallet(&world, &mut payer, channel).await;
        payer.press(&wallet, "pay_after_close").await;
        world.pass(13 * MINUTE).await;
        world.pass(10 * SECOND).await;
        world.pass(10 * SECOND).await;
        payer.order(&wallet.order).await.is("order.refunded");
        assert_eq!(world.refunds().await[0].cause, RefundCause::AfterClose);
        assert_eq!(world.cases().await, [CaseKind::AfterClose]);
        assert!(!world.is_paid(&world.people[0]).await);
        world.settles().await;
    }
}

/// The same in a region that keeps such money: premium, with a case.
#[tokio::test(flavor = "multi_thread")]
async fn success_after_the_grace_is_kept_by_the_region() {
    for channel in Channel::BOTH {
        let keep = ("after_close = \"surplus\"", "after_close = \"keep\"");
        let mut world = last_evening(vec![keep]).await;
        let mut payer = Payer::new(&world);
        let wallet = at_wallet(&world, &mut payer, channel).await;
        payer.press(&wallet, "pay_after_close").await;
        world.pass(13 * MINUTE).await;
        world.pass(10 * SECOND).await;
        payer.order(&wallet.order).await.is("order.paid");
        assert_eq!(world.cases().await, [CaseKind::AfterClose]);
        world.settles().await;
    }
}

/// The form was opened before midnight and sent when the window was over.
#[tokio::test(flavor = "multi_thread")]
async fn form_sent_after_the_last_window() {
    let mut world = World::with(Setup {
        now: "2026-11-22T10:00:00+08:00",
        edits: vec![("grace_minutes = 10", "grace_minutes = 0")],
        ..Setup::default()
    })
    .await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    // The last day of the late phase is the end for everybody.
    world.turn(at("2027-04-21T23:50:00+08:00") - world.now().0);
    let check = payer.look_up(&person).await;
    let methods = payer.choose(&check).await;
    world.turn(11 * MINUTE);
    let refused = payer.start(&methods, Channel::Wechat).await;
    assert_eq!(refused.status, 409, "{}", refused.words());
    refused.says("缴费期已经结束").says("没有扣款");
    world.settles().await;
}

/// Paid in the ordinary window: later it shows what was paid and bought, not the late price.
#[tokio::test(flavor = "multi_thread")]
async fn paid_due_shows_what_was_paid() {
    let mut world = last_evening(Vec::new()).await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    payer
        .pay(&world, &person, Channel::Alipay)
        .await
        .is("order.paid");
    let bought = payer.look_up(&person).await;
    bought.says("已缴，不用再付").says("400.00");
    world.turn(11 * MINUTE);
    let later = payer.look_up(&person).await;
    later.says("已缴，不用再付").says("400.00");
    assert!(!later.words().contains("1100.00"), "{}", later.words());
    assert_eq!(later.words(), bought.words());
    world.settles().await;
}
