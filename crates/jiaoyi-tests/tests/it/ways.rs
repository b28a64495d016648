//! The other ways of paying, and what reaches people outside the pages.

use crate::harness::{Channel, MINUTE, Page, Payer, Person, SECOND, Wallet, World, person};
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::policy::DEMO_COUNTY;
use jiaoyi_domain::refund::RefundCause;
use serde_json::{Value, json};

const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0";
pub const WECHAT: &str = "Mozilla/5.0 (Linux; Android 12) MicroMessenger/8.0";

/// The only attempt there is, with the order's page that led to it.
pub async fn attempt_on(world: &World, page: Page, channel: Channel) -> Wallet {
    let attempts: Vec<Attempt> = world.platform.store.all().await.expect("it reads");
    assert_eq!(attempts.len(), 1);
    let attempt = &attempts[0];
    let order = world.platform.order_token(attempt.bucket, attempt.order_id);
    assert!(page.url.contains(&order), "{}", page.words());
    Wallet {
        page,
        channel,
        no: attempt.attempt_no.clone(),
        order,
    }
}

/// A QR code on the computer's screen, scanned with a phone.
#[tokio::test(flavor = "multi_thread")]
async fn scans_a_code_from_the_screen() {
    for (channel, method) in [
        (Channel::Wechat, "wechat_native"),
        (Channel::Alipay, "alipay_precreate"),
    ] {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::with_agent(&world, DESKTOP);
        let check = payer.look_up(&person).await;
        let methods = payer.choose(&check).await;
        let mut form = methods.need_form("/pay/start");
        form.set("method", method);
        let page = payer.post(&methods, &form).await;
        page.is("order.to_pay").says("<svg");
        let wallet = attempt_on(&world, page, channel).await;
        // Whoever else opens the page gets no code to pay with.
        let seen = Payer::new(&world).order(&wallet.order).await;
        assert!(!seen.text.contains("付款二维码"), "{}", seen.words());
        let told = world.play(&wallet, json!({})).await;
        assert_eq!(told["delivered"], json!(true), "{told}");
        payer.order(&wallet.order).await.is("order.paid");
        world.settles().await;
    }
}

/// Inside WeChat the openid is learnt without a tap, and the script bridge pays.
#[tokio::test(flavor = "multi_thread")]
async fn pays_inside_wechat() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::with_agent(&world, WECHAT);
    let check = payer.look_up(&person).await;
    let form = check.need_form("/pay/start");
    assert_eq!(form.get("method"), Some("wechat_jsapi"));
    let page = payer.post(&check, &form).await;
    page.is("order.to_pay").says("data-pay-sign");
    let wallet = attempt_on(&world, page, Channel::Wechat).await;
    world.play(&wallet, json!({})).await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// An Alipay link that nobody opened is no order yet: "not found" frees nothing for ever, and the
/// old tab that pays after all is found and given back.
#[tokio::test(flavor = "multi_thread")]
async fn old_tab_pays_after_all() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    let methods = payer.choose(&check).await;
    let mut form = methods.need_form("/pay/start");
    form.set("method", Channel::Alipay.method());
    let (status, headers, _) = payer.send("/pay/start", Some(form.body())).await;
    assert_eq!(status, 303);
    let tab = headers["location"].to_str().expect("plain text").to_owned();
    let check = payer.look_up(&person).await;
    let link = check.link("/o/").expect("the own order");
    let token = link.trim_start_matches("/o/").to_owned();
    payer.cancel(&token).await.is("order.abandoned");
    let mut family = Payer::new(&world);
    family
        .pay(&world, &person, Channel::Wechat)
        .await
        .is("order.paid");
    world.pass(20 * SECOND).await;
    payer.order(&token).await.is("order.abandoned");
    // The old tab: now the order is made, and paid.
    let page = payer.get(&tab).await;
    let wallet = world.wallet(page).await;
    payer.press(&wallet, "pay").await;
    world.pass(SECOND).await;
    world.pass(5 * SECOND).await;
    payer.order(&token).await.is("order.refunded");
    assert_eq!(world.refunds().await[0].cause, RefundCause::SecondSuccess);
    world.settles().await;
}

/// Notice and queries of one success at the same moment: one fact, nobody gets an error.
#[tokio::test(flavor = "multi_thread")]
async fn notice_and_queries_at_the_same_moment() {
    for channel in Channel::BOTH {
        let world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        let mut family: Vec<Payer> = (0..8).map(|_| Payer::new(&world)).collect();
        let told = world.play(&wallet, json!({}));
        let jobs = async {
            for _ in 0..5 {
                world.turn(5 * SECOND);
                world.work().await;
            }
        };
        let pages = family.iter_mut().map(|other| {
            let token = wallet.order.clone();
            async move { other.refresh(&token).await.status }
        });
        let pages = async {
            let mut statuses = Vec::new();
            for page in pages {
                statuses.push(page.await);
            }
            statuses
        };
        let (told, (), statuses) = tokio::join!(told, jobs, pages);
        assert_eq!(told["delivered"], json!(true), "{told}");
        assert_eq!(statuses, [200; 8]);
        payer.order(&wallet.order).await.is("order.paid");
        assert_eq!(world.rows().await[1], 1, "one fact");
        let mut world = world;
        world.settles().await;
    }
}

pub async fn messages(world: &World) -> Vec<Value> {
    let mut anybody = Payer::new(world);
    let url = format!("{}/_sandbox/sms.json", world.sandbox);
    let page = anybody.get(&url).await;
    let told: Value = serde_json::from_str(&page.text).expect("JSON");
    let list = told.as_array().or_else(|| told["messages"].as_array());
    list.expect("a list").clone()
}

/// Takes one person with a telephone into the roster.
pub async fn with_phone(world: &World) -> Person {
    let insured = person(60, DEMO_COUNTY);
    let header = "姓名,身份证号,参保地,人员类别,手机号";
    let row = format!(
        "{},{},{},resident,13900000060",
        insured.name, insured.id, insured.region
    );
    let text = format!("{header}\r\n{row}\r\n");
    let report = world.import_text(&text, 2, false).await;
    assert_eq!(report.expect("it is taken in").rows_good, 1);
    insured
}

/// The insured is told by SMS, once, without name or document number.
#[tokio::test(flavor = "multi_thread")]
async fn tells_the_insured_once() {
    let mut world = World::new().await;
    let insured = with_phone(&world).await;
    let mut payer = Payer::new(&world);
    let order = payer.pay(&world, &insured, Channel::Wechat).await;
    let link = order.link("/v/").expect("a voucher");
    let number = &link["/v/".len().."/v/".len() + 16];
    world.restart().await;
    world.pass(MINUTE).await;
    world.pass(MINUTE).await;
    let told = messages(&world).await;
    assert_eq!(told.len(), 1, "{told:?}");
    let text = told[0].to_string();
    assert!(text.replace('-', "").contains(number), "{text}");
    assert!(text.contains("400.00"), "{text}");
    let secret = [&insured.name, &insured.id];
    assert!(secret.iter().all(|word| !text.contains(*word)), "{text}");
    world.settles().await;
}

/// Paid twice: a second message says that the surplus went back.
#[tokio::test(flavor = "multi_thread")]
async fn tells_of_money_that_went_back() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let insured = with_phone(&world).await;
        let mut first = Payer::new(&world);
        let wallet = first.walk_to_wallet(&world, &insured, channel).await;
        world.turn(4 * MINUTE);
        let mut second = Payer::new(&world);
        let paid = second.pay(&world, &insured, channel.other()).await;
        paid.is("order.paid");
        first.press(&wallet, "pay").await;
        for _ in 0..3 {
            world.pass(5 * SECOND).await;
        }
        first.order(&wallet.order).await.is("order.refunded");
        let told = messages(&world).await;
        assert_eq!(told.len(), 2, "{told:?}");
        let refund = world.refunds().await.remove(0);
        let text = told[0].to_string();
        assert!(text.contains(refund.refund_no.as_str()), "{text}");
        assert!(text.contains("已原路退回"), "{text}");
        world.settles().await;
    }
}
