//! Faults from a file: every rule of the example that ships really happens, and is counted.

use jiaoyi_sandbox::EXAMPLE_FAULTS;
use serde_json::{Value, json};

use crate::bank::{FIRST, SECOND, open_first, open_second};
use crate::front::Payer;
use crate::platform::Platform;
use crate::wechat::{Request, believe, close, get, order, place, post, query, refund, state};
use crate::world::{Told, World, merchant, unique};
use crate::{alipay, bills, unionpay, wechat};

// The rules of the example, by the test that shows them.
const WECHAT_NOTICES: &[&str] = &["the first notice is lost", "a probe of the signature check"];
const WECHAT_CALLS: &[&str] = &[
    "the answer to an order breaks off",
    "done, and answered as an error",
    "pays when it is closed",
    "a new key midway",
];
const WECHAT_BILLS: &[&str] = &[
    "no bill yet",
    "a bill without its first line",
    "a bill with a line twice",
    "a bill that is one fen off",
    "half a bill",
];
const ALIPAY: &[&str] = &["half an hour late", "told twice", "busy one time in ten"];
const UNIONPAY: &[&str] = &["the second before the first", "an answer that was altered"];
const BANKS: &[&str] = &[
    "forged",
    "paid is told as unpaid, and the reverse",
    "one fen too much",
    "slow in the morning",
    "signed by somebody unknown",
];
const FRONTS: &[&str] = &["a machine hears nothing"];
const CLOCK: &[&str] = &[
    "the window closes at midnight",
    "seven minutes fast at noon",
];

async fn load(world: &World, text: &str) -> Told {
    let url = format!("{}/_sandbox/faults", world.base);
    world.send(world.http.post(url).body(text.to_owned())).await
}

/// A sandbox under the example.
async fn troubled() -> World {
    let world = World::start().await;
    let told = load(&world, EXAMPLE_FAULTS).await;
    assert_eq!(told.status, 200, "{}", told.text());
    world
}

/// How often each rule has struck.
async fn applied(world: &World) -> Vec<(String, u64)> {
    let told = world.get("/_sandbox/faults").await.json();
    let rules = told["rules"].as_array().unwrap().iter();
    rules
        .map(|rule| {
            let name = rule["name"].as_str().unwrap().to_owned();
            (name, rule["applied"].as_u64().unwrap())
        })
        .collect()
}

/// Waits until each of these rules has struck, and makes sure that no other has.
async fn struck(world: &World, names: &[&str]) {
    let mut all = Vec::new();
    for _ in 0..200 {
        all = applied(world).await;
        let hit = |(name, count): &&(String, u64)| names.contains(&name.as_str()) && *count > 0;
        if all.iter().filter(hit).count() == names.len() {
            let other =
                |(name, count): &&(String, u64)| !names.contains(&name.as_str()) && *count > 0;
            assert_eq!(all.iter().find(other), None);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{names:?} have not all struck: {all:?}");
}

#[tokio::test]
async fn each_rule_of_the_example_has_its_test() {
    let world = troubled().await;
    let mut named: Vec<String> = applied(&world)
        .await
        .into_iter()
        .map(|rule| rule.0)
        .collect();
    let shown = [
        WECHAT_NOTICES,
        WECHAT_CALLS,
        WECHAT_BILLS,
        ALIPAY,
        UNIONPAY,
        BANKS,
        FRONTS,
        CLOCK,
    ];
    let mut shown = shown.concat();
    shown.sort_unstable();
    named.sort_unstable();
    assert_eq!(shown, named);
    world.end().await;
}

#[tokio::test]
async fn notices_of_wechat_are_lost_and_probed() {
    let world = troubled().await;
    let (first, _) = place(&world, "native").await;
    let told = world.play("wechat", &first).await.json();
    assert_eq!(
        (&told["delivered"], &told["tries"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(world.door.count(), 0, "it never left");
    // The answer to the second order is another rule's.
    let number = unique("WX");
    let body = order(&world, &number).to_string();
    let second = Request::new(&world, "POST", "/v3/pay/transactions/native", body);
    let lost = second.build(&world, &second.authorization()).send().await;
    assert!(lost.is_err(), "{lost:?}");
    world.play("wechat", &number).await;
    let probe = world.door.wait(1).await;
    assert!(believe(&probe, world.now_ms()).is_none());
    let proper = believe(&world.door.wait(2).await, world.now_ms()).unwrap();
    assert_eq!(proper["out_trade_no"], number);
    struck(&world, &[WECHAT_NOTICES, &WECHAT_CALLS[..1]].concat()).await;
    world.end().await;
}

#[tokio::test]
async fn calls_of_wechat_break_off_lie_and_change_their_key() {
    let world = troubled().await;
    let (paid, _) = place(&world, "native").await;
    let number = unique("WX");
    let body = order(&world, &number).to_string();
    let second = Request::new(&world, "POST", "/v3/pay/transactions/native", body);
    let lost = second.build(&world, &second.authorization()).send().await;
    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(world.entry(&number).await["state"], "open", "it is there");

    world.play("wechat", &paid).await;
    let refunds = "/v3/refund/domestic/refunds";
    let told = post(&world, refunds, &refund(&world, &paid, "RS1", 100)).await;
    assert_eq!((told.status, told.code().as_str()), (500, "SYSTEM_ERROR"));
    assert_eq!(world.entry(&paid).await["refunded_fen"], 100);

    assert_eq!(close(&world, &number).await.status, 204);
    world.shift(2).await;
    for _ in 0..200 {
        if world.entry(&number).await["state"] == "paid" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    // The third question is answered with the second key, and so is all that follows.
    for (nth, known) in [(1, true), (2, true), (3, false), (4, false)] {
        let told = query(&world, &number).await;
        assert_eq!(
            told.json()["trade_state"],
            "SUCCESS",
            "it was paid after it was closed"
        );
        let serial = told.header("wechatpay-serial");
        assert_eq!(
            wechat::platform_key(&serial).is_some(),
            known,
            "question {nth}"
        );
    }
    let listed = get(&world, "/v3/certificates").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    struck(&world, &[WECHAT_CALLS, WECHAT_NOTICES].concat()).await;
    let before = world.door.count();
    world.play("wechat", &paid).await;
    let notice = world.door.wait(before + 1).await;
    let serial = notice.headers["wechatpay-serial"].to_str().unwrap();
    assert!(wechat::platform_key(serial).is_none(), "notices as well");

    // Without the script the first key signs again.
    let url = format!("{}/_sandbox/faults", world.base);
    assert_eq!(world.send(world.http.delete(&url)).await.status, 200);
    assert_eq!(world.get("/_sandbox/faults").await.status, 404);
    let serial = query(&world, &number).await.header("wechatpay-serial");
    assert!(wechat::platform_key(&serial).is_some());
    world.end().await;
}

#[tokio::test]
async fn a_key_that_is_new_from_a_call_on_is_old_again_at_the_end() {
    let world = World::start().await;
    let rule = "[[rule]]\nat = \"query\"\ndo = \"rotate_key\"\nnth = 2\nuntil = \"+5m\"\n";
    assert_eq!(load(&world, rule).await.status, 200);
    let (number, _) = place(&world, "native").await;
    let known = async || {
        let serial = query(&world, &number).await.header("wechatpay-serial");
        wechat::platform_key(&serial).is_some()
    };
    assert!(known().await);
    assert!(!known().await);
    world.shift(301).await;
    for _ in 0..200 {
        if known().await {
            world.end().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the second key still signs");
}

#[tokio::test]
async fn bills_of_wechat_differ_as_planted() {
    let world = troubled().await;
    let (first, _) = place(&world, "native").await;
    world.play("wechat", &first).await;
    let number = unique("WX");
    let body = order(&world, &number).to_string();
    let second = Request::new(&world, "POST", "/v3/pay/transactions/native", body);
    let lost = second.build(&world, &second.authorization()).send().await;
    assert!(lost.is_err(), "{lost:?}");
    world.play("wechat", &number).await;
    let bill = "/v3/bill/tradebill?bill_date=2026-11-22";
    assert_eq!(get(&world, bill).await.code(), "STATEMENT_CREATING");
    let mut texts = Vec::new();
    for _ in 0..5 {
        let (_, file) = bills::fetch(&world, bill).await;
        texts.push(String::from_utf8_lossy(&file).into_owned());
    }
    let [missing, twice, off, half, whole] = &texts[..] else {
        panic!("five bills");
    };
    let lines = |text: &str| text.lines().filter(|line| line.contains("SUCCESS")).count();
    assert_eq!(
        (lines(missing), lines(twice), lines(off), lines(whole)),
        (1, 3, 2, 2)
    );
    let first_line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    assert!(missing.contains(&number) && !missing.contains(&first));
    assert_eq!(twice.lines().nth(1), twice.lines().nth(2));
    assert!(off.contains("400.01") && first_line(off).contains(&first));
    assert!(whole.len() / 2 >= half.len() && !whole.contains("400.01"));
    struck(
        &world,
        &[WECHAT_BILLS, WECHAT_NOTICES, &WECHAT_CALLS[..1]].concat(),
    )
    .await;
    world.end().await;
}

#[tokio::test]
async fn alipay_is_late_twice_and_busy() {
    let world = troubled().await;
    let (first, second) = (unique("AL"), unique("AL"));
    alipay::open(&world, &first).await;
    world.play("alipay", &first).await;
    assert_eq!(world.door.count(), 0);
    alipay::open(&world, &second).await;
    world.play("alipay", &second).await;
    for nth in 1..=2 {
        let told = alipay::believe(&world.door.wait(nth).await).unwrap();
        assert_eq!(told["out_trade_no"], second, "told twice");
    }
    // About one in ten; which ones, the seed has fixed.
    let mut busy = Vec::new();
    for nth in 1..=40 {
        let told = alipay::query(&world, &second).await;
        if told["code"] == "20000" {
            busy.push(nth);
        }
    }
    assert!((1..12).contains(&busy.len()), "{busy:?}");
    world.shift(1_800).await;
    let late = alipay::believe(&world.door.wait(3).await).unwrap();
    assert_eq!(late["out_trade_no"], first);
    struck(&world, ALIPAY).await;
    world.end().await;
}

#[tokio::test]
async fn unionpay_tells_in_another_order_and_is_altered() {
    let world = troubled().await;
    let (first, second) = (unique("UPSCRIPT"), unique("UPSCRIPT"));
    for number in [&first, &second] {
        unionpay::open(&world, number).await;
        world.play("unionpay", number).await;
    }
    for (nth, number) in [(1, &second), (2, &first)] {
        let told = unionpay::believe(&world.door.wait(nth).await).unwrap();
        assert_eq!(&told["orderId"], number, "notice {nth}");
    }
    assert_eq!(unionpay::query(&world, &first).await.1, "00");
    let ask = unionpay::request("00", &first, &[("bizType", "000000")]);
    let path = "/gateway/api/queryTrans.do";
    let altered = unionpay::send(&world, path, &unionpay::signed(ask)).await;
    assert!(unionpay::read(&altered).is_none(), "{}", altered.text());
    assert_eq!(unionpay::query(&world, &first).await.1, "00");
    struck(&world, UNIONPAY).await;
    world.end().await;
}

#[tokio::test]
async fn banks_contradict_forge_and_are_slow() {
    let world = troubled().await;
    let number = open_first(&world).await;
    let own = merchant("bank1", "merchant");
    let ask = [("MerId", own.as_str()), ("OrderNo", number.as_str())];
    let told = FIRST.ask(&world, "MerQuery", &ask).await;
    assert_eq!(told["RespCode"], "0000", "nobody has paid");
    let begun = std::time::Instant::now();
    let told = FIRST.ask(&world, "MerQuery", &ask).await;
    assert_eq!(told["RespCode"], "1001");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1));

    let number = open_second(&world).await;
    world.play("bank2", &number).await;
    let forged = world.door.wait(1).await;
    assert!(!SECOND.is_signed(&forged.body));
    let own = merchant("bank2", "merchant");
    let ask = [("mch_id", own.as_str()), ("out_order", number.as_str())];
    let told = SECOND.ask(&world, "api/order/query", &ask).await;
    assert_eq!(told["total_fee"], "40001");
    let told = SECOND.ask(&world, "api/order/query", &ask).await;
    assert_eq!(told["total_fee"], "40000");
    let refund = [
        ask[0],
        ask[1],
        ("trade_id", told["trade_id"].as_str()),
        ("out_refund", "RB1"),
        ("refund_fee", "100"),
        ("notify_url", &world.door.url),
    ];
    let told = SECOND
        .post(&world, "api/refund", &SECOND.form(&refund))
        .await;
    assert!(!SECOND.is_signed(&told.body), "{}", told.text());
    struck(&world, BANKS).await;
    world.end().await;
}

#[tokio::test]
async fn the_clock_goes_wrong_at_noon_and_the_window_closes_at_midnight() {
    let world = troubled().await;
    let time = async || {
        world.get("/_sandbox/clock").await.json()["now_ms"]
            .as_i64()
            .unwrap()
    };
    world.shift(2 * 3_600).await;
    struck(&world, &CLOCK[1..]).await;
    assert_eq!(time().await, world.now_ms() + 7 * 60_000);
    let told = query(&world, "WXNONE").await;
    assert_eq!(
        (told.status, told.code().as_str()),
        (401, "SIGN_ERROR"),
        "seven minutes off"
    );
    world.shift(2 * 3_600 + 29 * 60).await;
    assert_eq!(time().await, world.now_ms() + 7 * 60_000);
    world.shift(2 * 3_600 + 30 * 60).await;
    for _ in 0..200 {
        if time().await == world.now_ms() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(query(&world, "WXNONE").await.code(), "ORDER_NOT_EXIST");

    // An order that would live until morning.
    let number = unique("UPSCRIPT");
    let mut lives = unionpay::consume(&world, &number);
    lives.insert("payTimeout".to_owned(), "20261123080000".to_owned());
    let path = "/gateway/api/frontTransReq.do";
    let enter = async || unionpay::send(&world, path, &unionpay::signed(lives.clone())).await;
    assert_eq!(enter().await.status, 303);
    world.shift(14 * 3_600).await;
    struck(&world, CLOCK).await;
    assert_eq!(world.entry(&number).await["state"], "closed");
    lives.insert("orderId".to_owned(), unique("UPSCRIPT"));
    let enter = async || unionpay::send(&world, path, &unionpay::signed(lives.clone())).await;
    assert_eq!(enter().await.status, 400, "no new order");
    world.shift(20 * 3_600 + 60).await;
    assert_eq!(enter().await.status, 303, "open again in the morning");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_hears_nothing_and_takes_back() {
    let platform = Platform::open().await;
    let world = World::before(&platform.url).await;
    assert_eq!(load(&world, EXAMPLE_FAULTS).await.status, 200);
    let payer = Payer::arrive(&world, "a7-atm").await;
    let page = payer.pay("").await;
    assert!(page.contains("没有可信的回答"), "{page}");
    assert!(page.contains("现金已当面退还"), "{page}");
    struck(&world, FRONTS).await;
    let calls = platform.calls();
    let verbs: Vec<&str> = calls.iter().map(|(verb, _)| verb.as_str()).collect();
    assert_eq!(verbs, ["query", "collect", "pay", "reverse"]);
    // The next one is heard.
    let payer = Payer::arrive(&world, "a7-atm").await;
    let page = payer.pay("").await;
    assert!(!page.contains("没有可信的回答"), "{page}");
    struck(&world, FRONTS).await;
    world.end().await;
}

/// What the channels know, a line each, as somebody compares it with other books.
#[tokio::test]
async fn the_books_are_handed_out_line_by_line() {
    let world = World::start().await;
    let (open, _) = place(&world, "native").await;
    let (paid, _) = place(&world, "native").await;
    world.play("wechat", &paid).await;
    let refunds = "/v3/refund/domestic/refunds";
    post(&world, refunds, &refund(&world, &paid, "RL1", 123)).await;
    assert_eq!(state(&world, &paid).await, "REFUND");
    let told = world.get("/_sandbox/books.jsonl").await;
    assert_eq!(
        told.header("content-type"),
        "application/jsonl; charset=utf-8"
    );
    let lines: Vec<Value> = told
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let short: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            let fen = line["amount_fen"].as_u64().unwrap();
            (text("kind"), text("our_no"), text("state"), fen)
        })
        .collect();
    let line = |kind: &str, number: &str, state: &str, fen| {
        (kind.to_owned(), number.to_owned(), state.to_owned(), fen)
    };
    assert_eq!(
        short,
        [
            line("order", &open, "open", 40_000),
            line("order", &paid, "paid", 40_000),
            line("payment", &paid, "", 40_000),
            line("refund", "RL1", "processing", 123),
        ]
    );
    let books = world.entry(&paid).await;
    assert_eq!(lines[2]["channel_no"], books["transaction_id"]);
    assert_eq!(lines[2]["at_ms"], books["paid_at_ms"]);
    world.end().await;
}

/// Alipay names the certificate, UnionPay sends it along; in key mode nothing changes.
#[tokio::test]
async fn alipay_and_unionpay_change_their_keys_too() {
    let world = World::start().await;
    let number = unique("JAUP");
    unionpay::open(&world, &number).await;
    let before = alipay::by_certificate(&world).await;
    let text = "[[rule]]\nat = \"query\"\ndo = \"rotate_key\"\n";
    assert_eq!(load(&world, text).await.status, 200);
    let told = unionpay::asked(&world, &number).await;
    assert!(unionpay::read(&told).is_none(), "{}", told.text());
    assert!(unionpay::read_next(&told).is_some(), "{}", told.text());
    let after = alipay::by_certificate(&world).await;
    assert!(before.0 && !after.0, "the first key signs no more");
    assert_ne!(before.1, after.1, "another certificate is named");
    let told = alipay::query(&world, "NOBODY").await;
    assert_eq!(told["sub_code"], "ACQ.TRADE_NOT_EXIST", "key mode goes on");
    // A bank has no way to say it.
    let told = load(
        &world,
        "[[rule]]\nchannel = \"bank2\"\ndo = \"rotate_key\"\n",
    )
    .await;
    let message = told.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("no message of \"bank2\" names a key"),
        "{message}"
    );
    let url = format!("{}/_sandbox/faults", world.base);
    assert_eq!(world.send(world.http.delete(url)).await.status, 200);
    let told = unionpay::asked(&world, &number).await;
    assert!(unionpay::read(&told).is_some(), "{}", told.text());
    assert_eq!(alipay::by_certificate(&world).await, before);
    world.end().await;
}

#[tokio::test]
async fn a_wrong_script_is_refused_and_the_last_one_stays() {
    let world = troubled().await;
    for (text, words) in [
        ("[[rule]]\nat = \"query\"\ndo = \"explode\"\n", "line 3"),
        (
            "[[rule]]\ndo = \"reorder\"\nat = \"query\"\n",
            "line 1, rule 1",
        ),
        ("", "no [[rule]]"),
        (
            "[[front]]\nat = \"pay\"\ndo = \"late\"\nfront = \"A99\"\n",
            "line 1, front 1",
        ),
        ("[[front]]\nat = \"dance\"\ndo = \"late\"\n", "`reconcile`"),
    ] {
        let told = load(&world, text).await;
        assert_eq!((told.status, told.code().as_str()), (400, "control.faults"));
        let message = told.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{message}");
    }
    assert!(applied(&world).await.len() > 20);
    // A new one takes its place, and its counts begin anew.
    let text = "[[rule]]\nat = \"create\"\ndo = \"error_before\"\ntimes = 1\n";
    assert_eq!(load(&world, text).await.status, 200);
    assert_eq!(applied(&world).await, [("rule 1".to_owned(), 0)]);
    let body = order(&world, &unique("WX"));
    for status in [500, 200] {
        let told = post(&world, "/v3/pay/transactions/native", &body).await;
        assert_eq!(told.status, status);
    }
    assert_eq!(applied(&world).await, [("rule 1".to_owned(), 1)]);
    assert_eq!(world.post("/_sandbox/reset", json!({})).await.status, 200);
    assert_eq!(world.get("/_sandbox/faults").await.status, 404);
    world.end().await;
}
