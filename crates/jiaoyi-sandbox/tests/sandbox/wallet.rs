//! The wallet's page and what its eight buttons do.

use serde_json::json;

use crate::alipay;
use crate::wechat::{believe, close, place, query, state};
use crate::world::{World, unique};

/// Opens the H5 page of a new WeChat order with a way back.
async fn h5(world: &World) -> (String, String) {
    let (number, told) = place(world, "h5").await;
    let url = format!(
        "{}&redirect_url=http%3A%2F%2Fshop.test%2Fback",
        told["h5_url"].as_str().unwrap()
    );
    let page = world.get(&url).await;
    assert_eq!(page.status, 200);
    (number, page.text())
}

#[tokio::test]
async fn the_page_says_what_is_paid_and_that_nothing_is_real() {
    let world = World::start().await;
    let (number, page) = h5(&world).await;
    for needed in [
        "<html lang=\"zh-CN\">",
        "<title>",
        "演示环境：不是真的缴费",
        "400.00 元",
        "居民医保，演示",
        &number,
        "Sandbox: everything is simulated",
    ] {
        assert!(page.contains(needed), "{needed} in {page}");
    }
    assert_eq!(page.matches("<h1>").count(), 1);
    for act in [
        "pay",
        "low",
        "cancel",
        "no_result",
        "notify_twice",
        "wrong_amount",
        "notify_late",
        "pay_after_close",
    ] {
        assert!(
            page.contains(&format!("name=\"do\" value=\"{act}\"")),
            "{act}"
        );
    }
    assert!(!page.contains("<script") && !page.contains("style=\""));
    assert_eq!(world.press(&page, "steal").await.status, 400);
    world.end().await;
}

#[tokio::test]
async fn pay_low_and_cancel_lead_back_to_the_shop() {
    let world = World::start().await;
    for (act, expected) in [
        ("pay", "SUCCESS"),
        ("low", "PAYERROR"),
        ("cancel", "NOTPAY"),
    ] {
        let (number, page) = h5(&world).await;
        let told = world.press(&page, act).await;
        assert_eq!(
            (told.status, told.header("location").as_str()),
            (303, "http://shop.test/back"),
            "{act}"
        );
        assert_eq!(state(&world, &number).await, expected, "{act}");
    }
    assert!(believe(&world.door.wait(1).await, world.now_ms()).is_some());
    world.door.quiet(1).await;
    world.end().await;
}

#[tokio::test]
async fn no_result_hides_the_payment_for_a_minute() {
    let world = World::start().await;
    let (number, page) = h5(&world).await;
    world.press(&page, "no_result").await;
    assert_eq!(state(&world, &number).await, "USERPAYING");
    assert_eq!(close(&world, &number).await.code(), "SYSTEM_ERROR");
    world.shift(59).await;
    assert_eq!(state(&world, &number).await, "USERPAYING");
    world.shift(60).await;
    assert_eq!(state(&world, &number).await, "SUCCESS");
    world.door.quiet(0).await;

    let (number, page) = h5(&world).await;
    world.press(&page, "no_result").await;
    world.play("wechat", &number).await;
    let told = believe(&world.door.wait(1).await, world.now_ms()).unwrap();
    assert_eq!(
        told["trade_state"], "SUCCESS",
        "the control can tell it earlier"
    );
    assert_eq!(state(&world, &number).await, "USERPAYING");

    world.shift(0).await;
    let number = unique("AW");
    let page = alipay::open(&world, &number).await;
    world.press(&page, "no_result").await;
    assert_eq!(alipay::query(&world, &number).await["code"], "20000");
    world.shift(60).await;
    assert_eq!(
        alipay::query(&world, &number).await["trade_status"],
        "TRADE_SUCCESS"
    );
    world.end().await;
}

#[tokio::test]
async fn notices_come_twice_wrong_or_late() {
    let world = World::start().await;
    let (number, page) = h5(&world).await;
    world.press(&page, "notify_twice").await;
    let (one, two) = (world.door.wait(1).await, world.door.wait(2).await);
    assert_eq!(believe(&one, world.now_ms()), believe(&two, world.now_ms()));
    assert_eq!(state(&world, &number).await, "SUCCESS");

    let (number, page) = h5(&world).await;
    world.press(&page, "wrong_amount").await;
    let told = believe(&world.door.wait(3).await, world.now_ms()).unwrap();
    assert_eq!(told["amount"]["total"], 40001, "properly signed, but wrong");
    assert_eq!(
        query(&world, &number).await.json()["amount"]["total"],
        40000
    );

    let (number, page) = h5(&world).await;
    world.press(&page, "notify_late").await;
    assert_eq!(state(&world, &number).await, "SUCCESS");
    world.shift(59).await;
    world.door.quiet(3).await;
    world.shift(60).await;
    assert_eq!(
        believe(&world.door.wait(4).await, world.now_ms()).unwrap()["out_trade_no"],
        json!(number)
    );
    world.end().await;
}

#[tokio::test]
async fn a_payer_may_pay_after_the_order_was_closed() {
    let world = World::start().await;
    let (number, page) = h5(&world).await;
    world.press(&page, "pay_after_close").await;
    assert_eq!(state(&world, &number).await, "NOTPAY", "armed, not paid");
    assert_eq!(close(&world, &number).await.status, 204);
    assert_eq!(state(&world, &number).await, "CLOSED");
    world.shift(1).await;
    assert!(believe(&world.door.wait(1).await, world.now_ms()).is_some());
    assert_eq!(
        state(&world, &number).await,
        "SUCCESS",
        "the channel changed its mind"
    );

    let (number, page) = h5(&world).await;
    assert_eq!(close(&world, &number).await.status, 204);
    assert_eq!(
        world.press(&page, "pay").await.header("location"),
        "http://shop.test/back"
    );
    assert_eq!(
        state(&world, &number).await,
        "CLOSED",
        "the plain button does not pay a closed order"
    );
    world.press(&page, "pay_after_close").await;
    world.door.wait(2).await;
    assert_eq!(state(&world, &number).await, "SUCCESS");
    world.end().await;
}

#[tokio::test]
async fn alipay_leads_back_with_signed_parameters_only_after_paying() {
    let world = World::start().await;
    let number = unique("AR");
    let page = alipay::open(&world, &number).await;
    let told = world.press(&page, "cancel").await;
    assert_eq!(told.header("location"), "http://shop.test/quit");
    let told = world.press(&page, "pay").await;
    let location = told.header("location");
    let query = location.strip_prefix("http://shop.test/back?x=1&").unwrap();
    let pairs = alipay::form(query.as_bytes());
    assert!(alipay::is_signed(&pairs), "{location}");
    assert_eq!(
        (
            pairs["out_trade_no"].as_str(),
            pairs["total_amount"].as_str()
        ),
        (number.as_str(), "400.00")
    );
    let again = world.press(&page, "pay").await;
    assert!(
        again.header("location").contains("trade_no="),
        "paying twice takes nothing twice"
    );
    world.door.quiet(1).await;
    world.end().await;
}

#[tokio::test]
async fn links_and_codes_end_and_belong_to_their_product() {
    let world = World::start().await;
    let (_, told) = place(&world, "h5").await;
    let url = told["h5_url"].as_str().unwrap();
    let inside = world
        .http
        .get(url)
        .header("user-agent", "MicroMessenger/8.0");
    assert_eq!(world.send(inside).await.status, 403, "not inside WeChat");
    world.shift(299).await;
    assert_eq!(world.get(url).await.status, 200);
    world.shift(300).await;
    assert_eq!(world.get(url).await.status, 410);

    let (number, told) = place(&world, "native").await;
    let code = told["code_url"].as_str().unwrap();
    let scan = |code: &str| {
        let code: String = form_urlencoded::byte_serialize(code.as_bytes()).collect();
        format!("/_wallet/scan?code={code}")
    };
    let told = world.get(&scan(code)).await;
    assert_eq!(told.status, 303);
    let page = world.get(&told.header("location")).await.text();
    let told = world.press(&page, "pay").await;
    assert_eq!(told.status, 200, "a phone has no way back");
    assert_eq!(state(&world, &number).await, "SUCCESS");
    let (_, told) = place(&world, "jsapi").await;
    assert_eq!(
        world
            .get(&scan(told["prepay_id"].as_str().unwrap()))
            .await
            .status,
        410
    );
    assert!(
        world
            .get("/_wallet/scan")
            .await
            .text()
            .contains("<label for=\"code\">")
    );
    world.end().await;
}
