//! Budgets against guessing, and what pages never show.

use crate::harness::{Channel, HOUR, Payer, Person, Setup, World, person};
use jiaoyi_app::limits::Budgets;
use jiaoyi_domain::order::PayOrder;
use jiaoyi_domain::policy::DEMO_COUNTY;

/// Whoever is not known, known under another name, or insured elsewhere gets one and the same page.
#[tokio::test(flavor = "multi_thread")]
async fn every_miss_looks_alike() {
    let mut world = World::new().await;
    let known = world.people[0].clone();
    let stranger = person(70, DEMO_COUNTY);
    let misnamed = Person {
        name: "王小明".to_owned(),
        ..known.clone()
    };
    let elsewhere = Person {
        region: "990102",
        ..known.clone()
    };
    let mut pages = Vec::new();
    for person in [&stranger, &misnamed, &elsewhere] {
        let mut payer = Payer::new(&world);
        let page = payer.look_up(person).await;
        page.says("没有扣款。没有查到应缴的费用");
        let form = page.need_form("/pay/person");
        let key = form.get("form_key").expect("a one-time key").to_owned();
        let mut text = page.text.replace(&key, "");
        for typed in [&person.name, &person.id] {
            text = text.replace(typed.as_str(), "");
        }
        pages.push((
            page.status,
            text.replace("花园县", "").replace("清河区", ""),
        ));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
    world.settles().await;
}

/// A name that is too long is called so, and costs no try.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_too_long_is_called_so() {
    let world = World::new().await;
    let long = Person {
        name: "王".repeat(101),
        ..world.people[0].clone()
    };
    let page = Payer::new(&world).look_up(&long).await;
    page.says("姓名太长，最多 100 个字");
    assert!(!page.text.contains("不能用的字符"), "{}", page.words());
}

/// Ten misses an hour from one device; another device goes on.
#[tokio::test(flavor = "multi_thread")]
async fn ten_misses_an_hour() {
    let mut world = World::with(Setup {
        budgets: Budgets {
            misses_per_device_hour: 10,
            ..Setup::default().budgets
        },
        ..Setup::default()
    })
    .await;
    let known = world.people[0].clone();
    let mut payer = Payer::new(&world);
    for n in 70..80 {
        let page = payer.look_up(&person(n, DEMO_COUNTY)).await;
        page.says("没有查到应缴的费用");
    }
    let refused = payer.look_up(&known).await;
    assert_eq!(refused.status, 429, "{}", refused.words());
    refused.is("web.rate_limited").says("没有扣款");
    let paid = Payer::new(&world)
        .pay(&world, &known, Channel::Wechat)
        .await;
    paid.is("order.paid");
    world.turn(HOUR);
    payer.look_up(&known).await.says("已缴，不用再付");
    world.settles().await;
}

/// A bill that was looked up half an hour ago, or on another device, cannot be paid by its form.
#[tokio::test(flavor = "multi_thread")]
async fn references_expire_and_stay_on_their_device() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    let methods = payer.choose(&check).await;
    let mut stranger = Payer::new(&world);
    stranger.get("/").await;
    let refused = stranger.start(&methods, Channel::Wechat).await;
    assert_eq!(refused.status, 410, "{}", refused.words());
    world.turn(HOUR);
    let refused = payer.start(&methods, Channel::Wechat).await;
    assert_eq!(refused.status, 410, "{}", refused.words());
    refused.is("web.session_expired").says("钱不会丢");
    let orders: Vec<PayOrder> = world.platform.store.all().await.expect("it reads");
    assert_eq!(orders.len(), 0);
    payer
        .pay(&world, &person, Channel::Wechat)
        .await
        .is("order.paid");
    world.settles().await;
}

/// Inside the wallets' own browsers the way of paying is decided, and it pays.
#[tokio::test(flavor = "multi_thread")]
async fn inside_the_alipay_app_there_is_no_choice() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::with_agent(&world, "Mozilla/5.0 (Linux) AlipayClient/10.5 Mobile");
    let check = payer.look_up(&person).await;
    let form = check.need_form("/pay/start");
    let page = payer.post(&check, &form).await;
    let wallet = world.wallet(page).await;
    assert_eq!(wallet.channel, Channel::Alipay);
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}
