//! Calls that are about no order go wrong in every way: an openid is learnt or another way is offered,
//! the certificates are fetched again, a text message comes once.

use crate::harness::{Channel, HOUR, MINUTE, Payer, SECOND, Setup, World};
use crate::ways::{WECHAT, attempt_on, messages, with_phone};
use serde_json::json;

const DEEDS: [&str; 3] = ["error_before", "error_after", "lose"];

/// A payer inside WeChat whose openid was not given pays by a code; the next visit learns it.
#[tokio::test(flavor = "multi_thread")]
async fn without_an_openid_there_is_another_way() {
    for deed in DEEDS {
        let mut world = World::new().await;
        let insured = world.people[0].clone();
        world.beside("openid", deed, 1).await;
        let mut payer = Payer::with_agent(&world, WECHAT);
        let check = payer.look_up(&insured).await;
        let methods = payer.choose(&check).await;
        let form = methods.need_form("/pay/start");
        assert_eq!(form.get("method"), Some("wechat_native"), "{deed}");
        let page = payer.post(&methods, &form).await;
        page.is("order.to_pay").says("<svg");
        let wallet = attempt_on(&world, page, Channel::Wechat).await;
        world.play(&wallet, json!({})).await;
        payer.order(&wallet.order).await.is("order.paid");
        let mut next = Payer::with_agent(&world, WECHAT);
        let check = next.look_up(&world.people[1].clone()).await;
        let form = check.need_form("/pay/start");
        assert_eq!(form.get("method"), Some("wechat_jsapi"), "{deed}");
        world.settles().await;
    }
}

/// Messages of a payment and of a refund: the service fails, or took it and its answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_that_failed_comes_once() {
    for deed in DEEDS {
        let mut world = World::new().await;
        let insured = with_phone(&world).await;
        world.beside("sms", deed, 2).await;
        let mut older = Payer::new(&world);
        let wallet = older
            .walk_to_wallet(&world, &insured, Channel::Wechat)
            .await;
        world.turn(4 * MINUTE);
        let mut newer = Payer::new(&world);
        let paid = newer.pay(&world, &insured, Channel::Alipay).await;
        paid.is("order.paid");
        older.press(&wallet, "pay").await;
        world.work().await;
        let at_first = messages(&world).await.len();
        let taken = usize::from(deed != "error_before");
        assert_eq!(at_first, taken, "{deed}");
        world.restart().await;
        for _ in 0..6 {
            world.pass(HOUR).await;
        }
        older.order(&wallet.order).await.is("order.refunded");
        let told = messages(&world).await;
        assert_eq!(told.len(), 2, "{deed}: {told:?}");
        assert!(
            told.iter()
                .any(|text| text.to_string().contains("已原路退回"))
        );
        world.settles().await;
    }
}

/// Without WeChat's keys no answer of it can be believed, so nothing is taken for paid or unpaid; with
/// the next fetch everything is found.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_did_not_come_are_fetched_again() {
    let setup = Setup {
        certificates: true,
        ..Setup::default()
    };
    let mut world = World::with(setup).await;
    for (deed, insured) in DEEDS.into_iter().zip(world.people.clone()) {
        world.beside("certificates", deed, 1).await;
        world.restart().await;
        world.platform.refresh_certificates().await;
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&insured).await;
        let methods = payer.choose(&check).await;
        let page = payer.start(&methods, Channel::Wechat).await;
        assert!(
            !page.url.starts_with(&world.sandbox),
            "{deed}: {}",
            page.url
        );
        assert!(!world.is_paid(&insured).await, "{deed}");
        world.platform.refresh_certificates().await;
        let order = page.url.rsplit('/').next().expect("its order");
        let wallet = payer.switch(&world, order, Channel::Wechat).await;
        payer.press(&wallet, "pay").await;
        world.pass(5 * SECOND).await;
        payer.order(&wallet.order).await.is("order.paid");
    }
    world.settles().await;
}
