//! Two banks' own gateways, which differ in everything: one adapter, two profiles.

use crate::bills::{DAY, code_of, facts, fetch, known, lines, pay_for_a_day, told};
use crate::harness::{Channel, MINUTE, Payer, SECOND, Setup, World};
use jiaoyi_app::channel_bills::{BillError, Differs};
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::refund::RefundState;
use serde_json::json;

async fn with_banks() -> World {
    World::with(Setup {
        banks: true,
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn is_offered_and_pays() {
    for channel in Channel::BANKS {
        let mut world = with_banks().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&person).await;
        payer
            .choose(&check)
            .await
            .says("网上银行一")
            .says("网上银行二");
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        // The text came in the bank's own charset.
        wallet.page.says("演示 城乡居民医保缴费").says("400.00 元");
        let back = payer.press(&wallet, "pay").await;
        back.is("order.paid").says("缴费成功");
        let link = back.link("/v/").expect("a link to the voucher");
        payer.get(&link).await.says("电子缴费凭证").says("网上银行");
        assert!(world.is_paid(&person).await);
        world.holds().await;
        world.settles().await;
    }
}

/// No notice comes: the bank is asked.
#[tokio::test(flavor = "multi_thread")]
async fn is_found_by_asking() {
    for channel in Channel::BANKS {
        let mut world = with_banks().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        payer.press(&wallet, "no_result").await;
        payer.order(&wallet.order).await.is("order.confirming");
        assert!(!world.is_paid(&person).await);
        world.pass(2 * MINUTE).await;
        world.pass(5 * MINUTE).await;
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

/// Notices that the bank did not sign, or that were changed on the way, write nothing; the one after
/// them counts.
#[tokio::test(flavor = "multi_thread")]
async fn believes_signed_notices_only() {
    for channel in Channel::BANKS {
        for deed in ["forge", "corrupt"] {
            let mut world = with_banks().await;
            let person = world.people[0].clone();
            let mut payer = Payer::new(&world);
            let wallet = payer.walk_to_wallet(&world, &person, channel).await;
            world.fault(channel, "notify", deed, json!({})).await;
            let played = world.play(&wallet, json!({})).await;
            assert_eq!(played["delivered"], json!(false), "{played}");
            assert!(!world.is_paid(&person).await);
            let played = world.play(&wallet, json!({})).await;
            assert_eq!(played["delivered"], json!(true), "{played}");
            assert!(world.is_paid(&person).await);
            world.settles().await;
        }
    }
}

/// Answers that were spoilt, or lost, are no answers: nothing is decided on them.
#[tokio::test(flavor = "multi_thread")]
async fn believes_signed_answers_only() {
    for channel in Channel::BANKS {
        let mut world = with_banks().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        let lost = json!({ "times": 100 });
        let notices = world.fault(channel, "notify", "lose", lost.clone()).await;
        let forged = world.fault(channel, "query", "forge", lost).await;
        payer.press(&wallet, "pay").await;
        world.pass(10 * SECOND).await;
        world.pass(MINUTE).await;
        assert!(!world.is_paid(&person).await);
        world.mend(forged).await;
        world.pass(5 * MINUTE).await;
        assert!(world.is_paid(&person).await);
        world.mend(notices).await;
        world.settles().await;
    }
}

/// Given up: a bank cannot close, so the order is watched and ends by its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_given_up_order_ends_by_its_time() {
    for channel in Channel::BANKS {
        let mut world = with_banks().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        payer.press(&wallet, "cancel").await;
        payer.cancel(&wallet.order).await.is("order.abandoned");
        world.pass(MINUTE).await;
        assert_eq!(world.attempt(&wallet.no).await.state, AttemptState::Closing);
        let other = payer.pay(&world, &person, Channel::Alipay).await;
        other.is("order.paid");
        world.pass(15 * MINUTE).await;
        world.pass(12 * MINUTE).await;
        let ended = world.attempt(&wallet.no).await.state;
        assert!(
            matches!(ended, AttemptState::Expired | AttemptState::Closed),
            "{ended:?}"
        );
        world.settles().await;
    }
}

/// What was paid twice goes back, also when the first try got no answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_payment_goes_back_once() {
    for channel in Channel::BANKS {
        let mut world = with_banks().await;
        let person = world.people[0].clone();
        let mut older = Payer::new(&world);
        let wallet = older.walk_to_wallet(&world, &person, channel).await;
        world.turn(4 * MINUTE);
        let paid = Payer::new(&world)
            .pay(&world, &person, Channel::Wechat)
            .await;
        paid.is("order.paid");
        world.fault(channel, "refund", "lose", json!({})).await;
        older.press(&wallet, "pay").await;
        for _ in 0..4 {
            world.pass(20 * SECOND).await;
        }
        older.order(&wallet.order).await.is("order.refunded");
        let refunds = world.refunds().await;
        assert_eq!(refunds.len(), 1);
        assert_eq!(refunds[0].state, RefundState::Done);
        assert_eq!(world.trade(&wallet).await["refunded_fen"], json!(40_000));
        world.settles().await;
    }
}

/// The file of a day tells what the books hold, transaction by transaction; any other is refused or
/// told apart.
#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_day_tells_what_our_books_hold() {
    let mut world = with_banks().await;
    pay_for_a_day(&world, &Channel::BANKS).await;
    for channel in Channel::BANKS {
        let code = code_of(channel);
        world.fault(channel, "bill", "truncate", json!({})).await;
        let cut = world.platform.fetch_bill(code, BillSort::Trade, DAY).await;
        assert!(matches!(cut, Err(BillError::Refused { .. })), "{cut:?}");
        let kept = fetch(&world, code, BillSort::Trade).await;
        assert_eq!((kept.payments, kept.refunds), (3, 1));
        assert_eq!(kept.fees, 480_000);
        let facts = facts(&world, code).await;
        assert_eq!(facts.len(), 4);
        assert_eq!(told(&lines(&world, &kept)), known(&facts), "{channel:?}");
        let report = world.platform.compare_bill(&kept, 10).expect("it compares");
        assert_eq!(report.differences, 0, "{report:?}");
    }
    world.settles().await;

    let mut world = with_banks().await;
    pay_for_a_day(&world, &Channel::BANKS).await;
    for (channel, deed, differs) in [
        (Channel::Bank1, "contradict", Differs::OnlyOurs),
        (Channel::Bank2, "wrong_amount", Differs::Otherwise),
    ] {
        world.fault(channel, "bill", deed, json!({})).await;
        let kept = fetch(&world, code_of(channel), BillSort::Trade).await;
        let report = world.platform.compare_bill(&kept, 10).expect("it compares");
        assert_eq!((report.differences, report.first[0].differs), (1, differs));
    }
    world.end().await;
}
