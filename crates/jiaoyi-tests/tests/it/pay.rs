//! The ordinary ways: paying, cancelling, paying the other way, nothing to pay.

use crate::harness::{Channel, MINUTE, Page, Payer, SECOND, Setup, World, person};

async fn pays(channel: Channel) {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let order = payer.pay(&world, &person, channel).await;
    order.is("order.paid").says("缴费成功").says("400");
    assert!(world.is_paid(&person).await);
    let link = order.link("/v/").expect("a link to the voucher");
    payer.get(&link).await.says("有效").says("电子缴费凭证");
    payer.look_up(&person).await.says("已缴，不用再付");
    world.holds().await;
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pays_by_wechat() {
    pays(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pays_by_alipay() {
    pays(Channel::Alipay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pays_by_unionpay() {
    pays(Channel::Unionpay).await;
}

/// Cancelled in the wallet and then on our page; paid by the other wallet later.
async fn cancels(first: Channel) {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer.walk_to_wallet(&world, &person, first).await;
    payer.press(&wallet, "cancel").await;
    let waiting = payer.order(&wallet.order).await;
    waiting.is("order.to_pay");
    let cancelled = payer.cancel(&wallet.order).await;
    // An Alipay link makes no order at the channel before the wallet opened it; this one did.
    cancelled.is("order.cancelled").says("没有扣款");
    assert!(cancelled.link("/v/").is_none(), "no voucher without money");
    assert!(!world.is_paid(&person).await);
    let other = payer.walk_to_wallet(&world, &person, first.other()).await;
    assert_ne!(other.no, wallet.no);
    payer.press(&other, "pay").await;
    payer.order(&other.order).await.is("order.paid");
    assert_eq!(world.trade(&wallet).await["state"], "closed");
    payer.order(&wallet.order).await.is("order.cancelled");
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_wechat_and_pays_by_alipay() {
    cancels(Channel::Wechat).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_alipay_and_pays_by_wechat() {
    cancels(Channel::Alipay).await;
}

/// The same order, switched to the other wallet while the first one is open.
#[tokio::test(flavor = "multi_thread")]
async fn switches_the_wallet_at_once() {
    for first in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, first).await;
        let other = payer.switch(&world, &wallet.order, first.other()).await;
        assert_eq!(other.order, wallet.order, "the order stays the same");
        payer.press(&other, "pay").await;
        payer.order(&wallet.order).await.is("order.paid");
        assert_eq!(world.trade(&wallet).await["state"], "closed");
        world.settles().await;
    }
}

/// Back from the wallet to the form, and another way chosen on it: the order goes on with that one.
#[tokio::test(flavor = "multi_thread")]
async fn chooses_another_way_on_the_same_form() {
    for first in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&person).await;
        let methods = payer.choose(&check).await;
        let page = payer.start(&methods, first).await;
        let wallet = world.wallet(page).await;
        let page = payer.start(&methods, first.other()).await;
        let other = world.wallet(page).await;
        assert_eq!(other.channel, first.other());
        assert_eq!(other.order, wallet.order, "the order stays the same");
        // And back to the first way, and to the other one, still on the same form.
        for channel in [first, first.other(), first] {
            let page = payer.start(&methods, channel).await;
            let next = world.wallet(page).await;
            assert_eq!((next.channel, &next.order), (channel, &wallet.order));
            assert_ne!(next.no, wallet.no, "a closed number is never used again");
        }
        let page = payer.start(&methods, first.other()).await;
        let other = world.wallet(page).await;
        payer.press(&other, "pay").await;
        payer.order(&wallet.order).await.is("order.paid");
        assert_eq!(world.trade(&wallet).await["state"], "closed");
        // Once it is paid, the form leads to what stands now.
        let again = payer.start(&methods, first.other()).await;
        assert!(again.text.contains("已缴") || again.code() == "order.paid");
        world.settles().await;
    }
}

/// Balance too low: nothing was taken, the page says why as far as the channel does, and the same
/// link still pays.
#[tokio::test(flavor = "multi_thread")]
async fn pays_after_a_refusal_of_the_wallet() {
    for channel in Channel::ALL {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        payer.press(&wallet, "low").await;
        world.pass(10 * SECOND).await;
        let order = payer.order(&wallet.order).await;
        match channel {
            Channel::Wechat => {
                order.is("order.failed").says("钱包余额不足，没有扣款");
                let switch = format!("/o/{}/switch", wallet.order);
                assert!(order.link(&switch).is_some(), "{}", order.words());
            }
            Channel::Unionpay => {
                order.is("order.failed").says("钱包余额不足，没有扣款");
            }
            // No answer of Alipay's or of a bank's tells it.
            Channel::Alipay | Channel::Bank1 | Channel::Bank2 => {
                order.is("order.to_pay").says("没有付就重新打开支付");
            }
        }
        payer.press(&wallet, "pay").await;
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

/// Nobody pays: the page says that the time is over, and the due is free again.
#[tokio::test(flavor = "multi_thread")]
async fn lets_an_unpaid_order_expire() {
    for channel in Channel::ALL {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        world.pass(16 * MINUTE).await;
        world.pass(12 * MINUTE).await;
        let order = payer.order(&wallet.order).await;
        order.is("order.expired").says("没有扣款");
        let check = payer.look_up(&person).await;
        check.need_form("/pay/method");
        let paid = payer.pay(&world, &person, channel).await;
        paid.is("order.paid");
        world.settles().await;
    }
}

/// Aid covers everything: one confirmation, a voucher, no channel.
#[tokio::test(flavor = "multi_thread")]
async fn confirms_a_bill_of_nothing() {
    let mut world = World::new().await;
    let aided = person(40, "990501");
    world.publish(std::slice::from_ref(&aided), "full", 2).await;
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&aided).await;
    check.says("不用付钱");
    let form = check.need_form("/pay/zero");
    let order = payer.post(&check, &form).await;
    order.is("order.paid").says("没有扣款");
    assert!(!order.words().contains("已扣款"), "{}", order.words());
    // The same form again is the same confirmation.
    let again = payer.post(&check, &form).await;
    assert_eq!(again.url, order.url);
    assert!(world.is_paid(&aided).await);
    let voucher = payer.get(&order.link("/v/").expect("a voucher")).await;
    voucher.says("有效");
    payer.look_up(&aided).await.says("已缴，不用再付");
    let books = world.books().await;
    assert_eq!(books["transactions"], serde_json::json!([]));
    world.settles().await;
}

/// Late phase, closed and not yet open: what each check page says.
#[tokio::test(flavor = "multi_thread")]
async fn says_what_each_window_means() {
    let mut world = World::new().await;
    let people = [
        person(41, "990201"),
        person(42, "990301"),
        person(43, "990601"),
    ];
    world.publish(&people, "", 2).await;
    let mut payer = Payer::new(&world);
    let late = payer.look_up(&people[0]).await;
    late.says("现在缴费按补缴办理").says("1100.00");
    let closed: Page = payer.look_up(&people[1]).await;
    closed.says("缴费期已经结束").says("没有扣款");
    assert!(closed.form("/pay/method").is_none());
    let early = payer.look_up(&people[2]).await;
    early.says("还没到缴费时间");
    assert!(early.form("/pay/method").is_none());
    let paid = payer.pay(&world, &people[0], Channel::Alipay).await;
    paid.is("order.paid").says("1100.00");
    world.settles().await;
}

/// A form sent twice is one order.
#[tokio::test(flavor = "multi_thread")]
async fn one_form_is_one_order() {
    let mut world = World::with(Setup {
        seed: 7,
        ..Setup::default()
    })
    .await;
    let person = world.people[0].clone();
    for channel in Channel::BOTH {
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&person).await;
        let methods = payer.choose(&check).await;
        let first = payer.start(&methods, channel).await;
        let first = world.wallet(first).await;
        let again = payer.start(&methods, channel).await;
        let again = world.wallet(again).await;
        assert_eq!((&first.no, &first.order), (&again.no, &again.order));
        payer.cancel(&first.order).await.is("order.cancelled");
    }
    let orders: Vec<jiaoyi_domain::order::PayOrder> =
        world.platform.store.all().await.expect("it reads");
    assert_eq!(orders.len(), 2);
    world.settles().await;
}
