//! The calendar closes while people pay: what has begun ends right, whoever comes later reads from
//! when it goes on.

use crate::harness::{Channel, HOUR, MINUTE, Page, Payer, Setup, World};
use serde_json::{Value, json};

/// The whole county takes payments from nine to three.
const FOR_ALL: &str = "[[calendar]]\nhours = [\"09:00\", \"15:00\"]\n[benefit]";
/// Alipay has hours of its own, all others none.
const FOR_ALIPAY: &str =
    "[[calendar]]\nchannel = \"alipay\"\nhours = [\"09:00\", \"15:00\"]\n[benefit]";

/// Ten minutes before the hours end.
pub async fn before_closing(calendar: &'static str) -> World {
    World::with(Setup {
        now: "2026-11-22T14:50:00+08:00",
        edits: vec![("[benefit]", calendar)],
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_began_before_closing_ends_right_and_nothing_begins_after() {
    for channel in Channel::BOTH {
        let mut world = before_closing(FOR_ALL).await;
        let people = world.people.clone();
        let (mut early, mut slow) = (Payer::new(&world), Payer::new(&world));
        let wallet = early.walk_to_wallet(&world, &people[0], channel).await;
        let check = slow.look_up(&people[1]).await;
        let methods = slow.choose(&check).await;
        world.turn(11 * MINUTE);
        // The form was opened before and sent after.
        let refused = slow.start(&methods, channel).await;
        assert_eq!(refused.status, 409, "{}", refused.words());
        let again = "2026 年 11 月 23 日 09:00起可以缴";
        refused.says("现在不受理缴费").says("没有扣款").says(again);
        let late = Payer::new(&world).look_up(&people[2]).await;
        late.says("现在不受理缴费").says(again);
        assert!(late.form("/pay/method").is_none(), "{}", late.words());
        // Their own order leads them on, and the wallet takes the money.
        let mine = early.look_up(&people[0]).await;
        mine.says("接着付 400.00 元");
        early.press(&wallet, "pay").await;
        early.order(&wallet.order).await.is("order.paid");
        assert_eq!(world.cases().await, []);
        world.turn(17 * HOUR + 58 * MINUTE);
        slow.look_up(&people[1]).await.says(again);
        world.turn(MINUTE);
        slow.pay(&world, &people[1], channel).await.is("order.paid");
        world.settles().await;
    }
}

/// The radio of a way of paying as it stands in a page.
fn radio(page: &Page, method: &str) -> String {
    let value = format!("value=\"{method}\"");
    let mut tags = page
        .text
        .split("<input ")
        .filter(|tag| tag.contains(&value));
    let tag = tags.next().and_then(|tag| tag.split('>').next());
    tag.unwrap_or_else(|| panic!("no {method} in {}", page.words()))
        .to_owned()
}

/// Whoever chooses how to pay sees what rests before he presses: it cannot be chosen, and says from
/// when it can. What works is chosen.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_rests_cannot_be_chosen() {
    const RESTS: &str = "现在不能用。2026 年 11 月 23 日 09:00起可以用。";
    let mut world = before_closing(FOR_ALIPAY).await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    let open = payer.choose(&check).await;
    assert!(!open.text.contains("现在不能用"), "{}", open.words());
    assert!(!radio(&open, "alipay_wap").contains("disabled"));
    world.turn(11 * MINUTE);
    let methods = payer.get("/pay/method").await;
    methods.says(RESTS);
    for (method, rests) in [
        ("wechat_h5", false),
        ("alipay_wap", true),
        ("unionpay_wap", false),
    ] {
        let radio = radio(&methods, method);
        assert_eq!(radio.contains("disabled"), rests, "{radio}");
        assert_eq!(radio.contains("checked"), method == "wechat_h5", "{radio}");
    }
    // Inside Alipay there is no other way: the page says so instead of a button.
    let mut inside = Payer::with_agent(&world, "Mozilla/5.0 (Linux) AlipayClient/10.5 Mobile");
    let check = inside.look_up(&person).await;
    let none = inside.choose(&check).await;
    none.says(RESTS).says("这几种方式现在都不能用，没有扣款");
    assert!(!none.text.contains("支付 400.00 元"), "{}", none.words());
    // The same where an order changes to another way.
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Wechat).await;
    let switch = payer.get(&format!("/o/{}/switch", wallet.order)).await;
    switch.says(RESTS);
    assert!(radio(&switch, "alipay_wap").contains("disabled"));
    assert!(radio(&switch, "wechat_h5").contains("checked"));
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// What `GET /api/channels` tells of a region.
async fn matrix(world: &World, region: &str) -> Value {
    let url = format!("{}/api/channels?region={region}", world.portal);
    let told = reqwest::get(url).await.expect("an answer").text().await;
    serde_json::from_str(&told.expect("a body")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_rests_is_named_and_the_others_go_on() {
    let mut world = before_closing(FOR_ALIPAY).await;
    world.turn(11 * MINUTE);
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    let methods = payer.choose(&check).await;
    let refused = payer.start(&methods, Channel::Alipay).await;
    assert_eq!(refused.status, 409, "{}", refused.words());
    let words = "支付宝现在不受理本地的缴费，2026 年 11 月 23 日 09:00起可以缴";
    refused.is("web.resting").says(words).says("没有扣款");
    let told = matrix(&world, person.region).await;
    let rows = told["channels"].as_array().expect("a list");
    assert_eq!(rows.len(), 17);
    let bank = rows.iter().find(|row| row["code"] == "bank1");
    let bank = bank.expect("a bank");
    assert_eq!(bank["methods"], json!(["bank1_page"]));
    assert_eq!(bank["fee"]["basis_points"], Value::Null);
    let levy = &told["levy"][0];
    let hours = &levy["calendar"][0]["hours"];
    assert_eq!(hours, &json!(["09:00", "15:00"]), "{told}");
    let opens = json!({ "alipay": "2026-11-23T09:00:00+08:00" });
    assert_eq!(levy["resting"], opens, "{levy}");
    assert_eq!(matrix(&world, "110000").await["levy"], json!([]));
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Wechat).await;
    // A change of the way of paying is a beginning too.
    let switch = format!("/o/{}/switch", wallet.order);
    let body = "method=alipay_wap&form_key=0123456789abcdef".to_owned();
    let refused = payer.go(&switch, Some(body)).await;
    refused.is("web.resting").says(words);
    payer.order(&wallet.order).await.is("order.to_pay");
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}
