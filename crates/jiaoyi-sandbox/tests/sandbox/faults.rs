//! Fault scripts on answers and on deliveries, and the twenty forgeries.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::wechat::{Request, believe, close, is_signed, order, place, post, query, refund, state};
use crate::world::{World, merchant, open_aes_gcm, unique, verifies};
use crate::{alipay, wechat};

fn script(channel: &str, number: &str, at: &str, deed: &str) -> Value {
    json!({ "channel": channel, "out_trade_no": number, "at": at, "do": deed })
}

#[tokio::test]
async fn each_deed_on_a_wechat_answer_does_what_it_says_once() {
    let world = World::start().await;
    let (number, _) = place(&world, "native").await;
    let fault = |deed: &'static str| script("wechat", &number, "query", deed);

    world.fault(fault("error_before")).await;
    assert_eq!(query(&world, &number).await.code(), "SYSTEM_ERROR");
    assert_eq!(state(&world, &number).await, "NOTPAY", "once");
    world.fault(fault("wrong_amount")).await;
    let told = query(&world, &number).await;
    assert_eq!(told.json()["amount"]["total"], 40001);
    assert!(is_signed(&told.headers, &told.body, world.now_ms()));
    for deed in ["corrupt", "forge"] {
        world.fault(fault(deed)).await;
        let told = query(&world, &number).await;
        assert!(
            !is_signed(&told.headers, &told.body, world.now_ms()),
            "{deed}"
        );
    }
    world.fault(fault("probe")).await;
    let told = query(&world, &number).await;
    assert!(
        told.header("wechatpay-signature")
            .starts_with("WECHATPAY/SIGNTEST/")
    );
    world.fault(fault("contradict")).await;
    assert_eq!(
        state(&world, &number).await,
        "SUCCESS",
        "though nobody paid"
    );
    assert_eq!(state(&world, &number).await, "NOTPAY");

    world.fault(fault("lose")).await;
    let mchid = merchant("wechat", "mchid");
    let target = format!("/v3/pay/transactions/out-trade-no/{number}?mchid={mchid}");
    let request = Request::new(&world, "GET", &target, String::new());
    let lost = request.build(&world, &request.authorization()).send().await;
    assert!(lost.is_err(), "the connection breaks: {lost:?}");

    let mut slow = fault("delay");
    slow["delay_s"] = json!(1);
    world.fault(slow).await;
    let begun = Instant::now();
    assert_eq!(state(&world, &number).await, "NOTPAY");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    world.end().await;
}

#[tokio::test]
async fn work_is_done_before_an_answer_is_lost_and_not_before_an_error() {
    let world = World::start().await;
    for (deed, exists) in [("error_before", false), ("error_after", true)] {
        let number = unique("FT");
        world.fault(script("wechat", &number, "create", deed)).await;
        let told = post(
            &world,
            "/v3/pay/transactions/native",
            &order(&world, &number),
        )
        .await;
        assert_eq!((told.status, told.code().as_str()), (500, "SYSTEM_ERROR"));
        assert_eq!(!world.entry(&number).await.is_null(), exists, "{deed}");
    }
    let (number, _) = place(&world, "native").await;
    world
        .fault(script("wechat", &number, "close", "contradict"))
        .await;
    assert_eq!(close(&world, &number).await.status, 204);
    assert_eq!(
        state(&world, &number).await,
        "NOTPAY",
        "it said closed and did not close"
    );
    world
        .fault(script("wechat", &number, "close", "error_after"))
        .await;
    assert_eq!(close(&world, &number).await.status, 500);
    assert_eq!(state(&world, &number).await, "CLOSED");
    world.end().await;
}

#[tokio::test]
async fn refunds_can_be_refused_doubled_or_end_badly() {
    let world = World::start().await;
    let refunds = "/v3/refund/domestic/refunds";
    let (number, _) = place(&world, "native").await;
    world.play("wechat", &number).await;
    world
        .fault(script("wechat", &number, "refund", "contradict"))
        .await;
    let told = post(&world, refunds, &refund(&world, &number, "RX1", 100)).await;
    assert_eq!((told.status, told.code().as_str()), (403, "NOT_ENOUGH"));
    assert_eq!(world.entry(&number).await["refunded_fen"], 0);
    world
        .fault(script("wechat", &number, "refund", "duplicate"))
        .await;
    let told = post(&world, refunds, &refund(&world, &number, "RX1", 100)).await;
    assert_eq!(
        (told.status, &world.entry(&number).await["refunded_fen"]),
        (200, &json!(100)),
        "once"
    );

    world.shift(2).await;
    world.door.wait(2).await;
    for (offset_s, code) in [(100, "ABNORMAL"), (200, "CLOSED")] {
        world.shift(offset_s).await;
        let mut bad = script("wechat", &number, "refund", "contradict");
        bad["code"] = json!(code);
        world.fault(bad).await;
        let told = post(&world, refunds, &refund(&world, &number, code, 100)).await;
        assert_eq!(told.json()["status"], "PROCESSING");
        let before = world.door.count();
        world.shift(offset_s + 2).await;
        let notice = believe(&world.door.wait(before + 1).await, world.now_ms()).unwrap();
        assert_eq!(notice["refund_status"], code);
    }
    assert_eq!(
        world.entry(&number).await["refunded_fen"],
        200,
        "a closed refund holds nothing"
    );

    let number = unique("AF");
    alipay::open(&world, &number).await;
    world.play("alipay", &number).await;
    world
        .fault(script("alipay", &number, "refund", "contradict"))
        .await;
    let ask = json!({ "out_trade_no": number, "refund_amount": "400.00" });
    let told = alipay::call(&world, "alipay.trade.refund", &ask).await;
    assert_eq!(told["sub_code"], "ACQ.SELLER_BALANCE_NOT_ENOUGH");
    world
        .fault(script("alipay", &number, "refund", "error_after"))
        .await;
    let told = alipay::call(&world, "alipay.trade.refund", &ask).await;
    assert_eq!(
        (&told["code"], &told["sub_code"]),
        (&json!("20000"), &json!("isp.unknow-error"))
    );
    let told = alipay::call(&world, "alipay.trade.refund", &ask).await;
    assert_eq!(
        (&told["code"], &told["fund_change"]),
        (&json!("10000"), &json!("N")),
        "it was done"
    );
    world.end().await;
}

#[tokio::test]
async fn a_second_platform_key_is_listed_once_it_signs() {
    let world = World::start().await;
    let (number, _) = place(&world, "native").await;
    world
        .fault(script("wechat", &number, "query", "other_key"))
        .await;
    let told = query(&world, &number).await;
    let serial = told.header("wechatpay-serial");
    assert!(
        wechat::platform_key(&serial).is_none(),
        "the merchant does not know it yet"
    );
    let listed = wechat::get(&world, "/v3/certificates").await.json();
    let entries = listed["data"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    let sealed = &entries[1]["encrypt_certificate"];
    let text = |name: &str| sealed[name].as_str().unwrap().to_owned();
    let plain = open_aes_gcm(
        &text("nonce"),
        &text("associated_data"),
        &text("ciphertext"),
    )
    .unwrap();
    let der = crate::world::der(&String::from_utf8(plain).unwrap());
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let message = format!(
        "{}\n{}\n{}\n",
        told.header("wechatpay-timestamp"),
        told.header("wechatpay-nonce"),
        told.text()
    );
    let signature = told.header("wechatpay-signature");
    assert!(verifies(
        parsed.public_key().raw,
        message.as_bytes(),
        &signature
    ));
    assert_eq!(entries[1]["serial_no"], json!(serial));
    world.end().await;
}

#[tokio::test]
async fn deliveries_are_lost_delayed_doubled_probed_and_repeated() {
    let world = World::start().await;
    let begin = async |deed: &str| {
        let (number, _) = place(&world, "native").await;
        world.fault(script("wechat", &number, "notify", deed)).await;
        (number.clone(), world.play("wechat", &number).await.json())
    };
    let (_, played) = begin("lose").await;
    assert_eq!(
        (&played["delivered"], &played["notify_status"]),
        (&json!(false), &json!(0))
    );
    world.door.quiet(0).await;
    world.shift(15).await;
    assert!(
        believe(&world.door.wait(1).await, world.now_ms()).is_some(),
        "the schedule goes on"
    );

    world.shift(0).await;
    begin("delay").await;
    world.shift(59).await;
    world.door.quiet(1).await;
    world.shift(60).await;
    world.door.wait(2).await;

    begin("duplicate").await;
    assert_eq!(world.door.count(), 4);
    let (_, played) = begin("probe").await;
    let (probe, proper) = (world.door.wait(5).await, world.door.wait(6).await);
    assert!(
        probe.headers["wechatpay-signature"]
            .to_str()
            .unwrap()
            .starts_with("WECHATPAY/SIGNTEST/")
    );
    assert!(
        believe(&probe, world.now_ms()).is_none() && believe(&proper, world.now_ms()).is_some()
    );
    assert_eq!(played["delivered"], true);

    let (number, played) = begin("error_after").await;
    assert_eq!(
        (&played["delivered"], &played["notify_status"]),
        (&json!(false), &json!(200))
    );
    world.shift(75).await;
    world.door.wait(8).await;
    let (_, _) = begin("contradict").await;
    let told = believe(&world.door.wait(9).await, world.now_ms()).unwrap();
    assert_eq!(told["trade_state"], "PAYERROR");
    world.settled(&number).await;
    let notice = &world.entry(&number).await["notices"][0];
    assert_eq!(
        (&notice["tries"], &notice["accepted"]),
        (&json!(2), &json!(true))
    );
    world.end().await;
}

#[tokio::test]
async fn none_of_the_twenty_forgeries_verifies_and_the_next_delivery_does() {
    let world = World::start().await;
    world.door.say(401, "no");
    for variant in 1..=jiaoyi_sandbox::forge::KINDS {
        let (number, _) = place(&world, "native").await;
        let mut forgery = script("wechat", &number, "notify", "forge");
        forgery["variant"] = json!(variant);
        world.fault(forgery).await;
        let before = world.door.count();
        world.play("wechat", &number).await;
        let forged = world.door.wait(before + 1).await;
        assert_eq!(
            believe(&forged, world.now_ms()),
            None,
            "WeChat forgery {variant}"
        );
        world.play("wechat", &number).await;
        let proper = world.door.wait(before + 2).await;
        assert!(
            believe(&proper, world.now_ms()).is_some(),
            "after forgery {variant}"
        );
    }
    for variant in 1..=jiaoyi_sandbox::forge::KINDS {
        let number = unique("AG");
        alipay::open(&world, &number).await;
        let mut forgery = script("alipay", &number, "notify", "forge");
        forgery["variant"] = json!(variant);
        world.fault(forgery).await;
        let before = world.door.count();
        world.play("alipay", &number).await;
        let forged = world.door.wait(before + 1).await;
        assert_eq!(alipay::believe(&forged), None, "Alipay forgery {variant}");
        world.play("alipay", &number).await;
        let proper = world.door.wait(before + 2).await;
        assert!(
            alipay::believe(&proper).is_some(),
            "after forgery {variant}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn deeds_on_alipay_answers_break_the_signature_or_tell_a_lie() {
    let world = World::start().await;
    let number = unique("AD");
    alipay::open(&world, &number).await;
    let method = "alipay.trade.query";
    for deed in ["corrupt", "forge", "probe", "other_key"] {
        world.fault(script("alipay", &number, "query", deed)).await;
        let parameters = alipay::parameters(&world, method, &alipay::named(&number));
        let query = alipay::encoded(&alipay::signed(parameters));
        let told = world.get(&format!("/gateway.do?{query}")).await;
        assert!(
            alipay::verified(&told, method).is_none(),
            "{deed}: {}",
            told.text()
        );
    }
    world
        .fault(script("alipay", &number, "query", "wrong_amount"))
        .await;
    assert_eq!(
        alipay::query(&world, &number).await["total_amount"],
        "400.01"
    );
    world
        .fault(script("alipay", &number, "query", "contradict"))
        .await;
    assert_eq!(
        alipay::query(&world, &number).await["trade_status"],
        "TRADE_SUCCESS"
    );
    world
        .fault(script("alipay", &number, "close", "contradict"))
        .await;
    let told = alipay::call(&world, "alipay.trade.close", &alipay::named(&number)).await;
    assert_eq!(told["code"], "10000");
    assert_eq!(
        alipay::query(&world, &number).await["trade_status"],
        "WAIT_BUYER_PAY"
    );
    world.end().await;
}
