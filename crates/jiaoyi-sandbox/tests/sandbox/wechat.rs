//! WeChat Pay: who may call, what an order may be, its life, refunds, notices, keys.

use serde_json::{Value, json};

use crate::world::{
    Arrived, Told, World, der, merchant, open_aes_gcm, pem, sign, unique, verifies,
};

const SCHEME: &str = "WECHATPAY2-SHA256-RSA2048";

/// The parts of a request, to be broken one at a time.
pub struct Request {
    pub method: &'static str,
    pub target: String,
    pub body: String,
    pub timestamp: i64,
    pub nonce: String,
    pub serial: Option<String>,
}

impl Request {
    pub fn new(world: &World, method: &'static str, target: &str, body: String) -> Request {
        Request {
            method,
            target: target.to_owned(),
            body,
            timestamp: world.now_ms() / 1_000,
            nonce: unique("nonce"),
            serial: Some(merchant("wechat", "public_key_id")),
        }
    }

    pub fn signature(&self) -> String {
        let Request {
            method,
            target,
            timestamp,
            nonce,
            body,
            ..
        } = self;
        let message = format!("{method}\n{target}\n{timestamp}\n{nonce}\n{body}\n");
        sign("wechat_merchant_key.pem", message.as_bytes())
    }

    pub fn authorization(&self) -> String {
        format!(
            r#"{SCHEME} mchid="{}",nonce_str="{}",timestamp="{}",serial_no="{}",signature="{}""#,
            merchant("wechat", "mchid"),
            self.nonce,
            self.timestamp,
            merchant("wechat", "merchant_serial"),
            self.signature(),
        )
    }

    pub fn build(&self, world: &World, authorization: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{}", world.base, self.target);
        let mut request = world
            .http
            .request(self.method.parse().unwrap(), url)
            .header("accept", "application/json")
            .header("user-agent", "test")
            .header("authorization", authorization)
            .body(self.body.clone());
        if self.method == "POST" {
            request = request.header("content-type", "application/json");
        }
        if let Some(serial) = &self.serial {
            request = request.header("wechatpay-serial", serial);
        }
        request
    }

    pub async fn send(&self, world: &World) -> Told {
        world.send(self.build(world, &self.authorization())).await
    }
}

pub async fn post(world: &World, target: &str, body: &Value) -> Told {
    Request::new(world, "POST", target, body.to_string())
        .send(world)
        .await
}

pub async fn get(world: &World, target: &str) -> Told {
    Request::new(world, "GET", target, String::new())
        .send(world)
        .await
}

pub fn order(world: &World, out_trade_no: &str) -> Value {
    json!({
        "appid": merchant("wechat", "appid"),
        "mchid": merchant("wechat", "mchid"),
        "description": "居民医保，演示",
        "out_trade_no": out_trade_no,
        "notify_url": world.door.url,
        "attach": "line 1, line 2",
        "amount": { "total": 40000, "currency": "CNY" },
        "scene_info": { "payer_client_ip": "127.0.0.1", "h5_info": { "type": "Wap" } },
        "payer": { "openid": "oTestPayer" },
    })
}

pub async fn place(world: &World, product: &str) -> (String, Value) {
    let number = unique("WX");
    let told = post(
        world,
        &format!("/v3/pay/transactions/{product}"),
        &order(world, &number),
    )
    .await;
    assert_eq!(told.status, 200, "{}", told.text());
    (number, told.json())
}

pub async fn query(world: &World, number: &str) -> Told {
    let mchid = merchant("wechat", "mchid");
    get(
        world,
        &format!("/v3/pay/transactions/out-trade-no/{number}?mchid={mchid}"),
    )
    .await
}

pub async fn state(world: &World, number: &str) -> String {
    query(world, number).await.json()["trade_state"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

pub async fn close(world: &World, number: &str) -> Told {
    let body = json!({ "mchid": merchant("wechat", "mchid") });
    post(
        world,
        &format!("/v3/pay/transactions/out-trade-no/{number}/close"),
        &body,
    )
    .await
}

pub fn refund(world: &World, number: &str, refund_no: &str, fen: u64) -> Value {
    json!({
        "out_trade_no": number, "out_refund_no": refund_no, "reason": "重复缴费",
        "notify_url": world.door.url, "amount": { "refund": fen, "total": 40000, "currency": "CNY" },
    })
}

const REFUNDS: &str = "/v3/refund/domestic/refunds";

/// The key that a serial names, out of what the merchant was given.
pub fn platform_key(serial: &str) -> Option<Vec<u8>> {
    if serial == merchant("wechat", "public_key_id") {
        return Some(der(&pem("wechat_public_key.pem")));
    }
    certificate_key(&pem("wechat_platform_cert.pem"), serial)
}

/// The public key of a certificate, when it has that serial.
fn certificate_key(certificate: &str, serial: &str) -> Option<Vec<u8>> {
    let der = der(certificate);
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let own: String = parsed
        .raw_serial()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    (own == serial).then(|| parsed.public_key().raw.to_vec())
}

/// Whether an answer's or a notice's signature is right, with the keys the merchant was given.
pub fn is_signed(headers: &reqwest::header::HeaderMap, body: &[u8], now_ms: i64) -> bool {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(timestamp), Some(nonce), Some(serial), Some(signature)) = (
        value("wechatpay-timestamp"),
        value("wechatpay-nonce"),
        value("wechatpay-serial"),
        value("wechatpay-signature"),
    ) else {
        return false;
    };
    let Ok(seconds) = timestamp.parse::<i64>() else {
        return false;
    };
    let Some(key) = platform_key(serial) else {
        return false;
    };
    let message = [format!("{timestamp}\n{nonce}\n").as_bytes(), body, b"\n"].concat();
    (now_ms / 1_000 - seconds).abs() <= 300 && verifies(&key, &message, signature)
}

/// The content of a notice, if it is to be believed.
pub fn believe(arrived: &Arrived, now_ms: i64) -> Option<Value> {
    if !is_signed(&arrived.headers, &arrived.body, now_ms) {
        return None;
    }
    let body: Value = serde_json::from_slice(&arrived.body).ok()?;
    let text = |name: &str| {
        body["resource"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let plain = open_aes_gcm(
        &text("nonce"),
        &text("associated_data"),
        &text("ciphertext"),
    )?;
    serde_json::from_slice(&plain).ok()
}

#[tokio::test]
async fn a_request_is_refused_unless_everything_about_its_signature_is_right() {
    let world = World::start().await;
    let mchid = merchant("wechat", "mchid");
    let target = format!("/v3/pay/transactions/out-trade-no/NOBODY1?mchid={mchid}");
    let make = || Request::new(&world, "GET", &target, String::new());
    assert_eq!(
        make().send(&world).await.code(),
        "ORDER_NOT_EXIST",
        "the control passes"
    );

    let request = make();
    let proper = request.authorization();
    let reordered = {
        let attributes = proper.strip_prefix(SCHEME).unwrap().trim();
        let mut parts: Vec<&str> = attributes.split(',').collect();
        parts.reverse();
        format!("{SCHEME} {}", parts.join(","))
    };
    let told = world.send(request.build(&world, &reordered)).await;
    assert_eq!(told.code(), "ORDER_NOT_EXIST", "attributes in any order");

    for broken in [
        String::new(),
        proper.replace(SCHEME, "WECHATPAY2-SM2-WITH-SM3"),
        proper.replace(&mchid, "1900000002"),
        proper.replace(&request.nonce, "another"),
        proper.replace(&format!("nonce_str=\"{}\",", request.nonce), ""),
        proper.replace(&merchant("wechat", "merchant_serial"), &"A".repeat(40)),
        proper.replace(
            &request.timestamp.to_string(),
            &(request.timestamp + 1).to_string(),
        ),
        proper.replace(&request.timestamp.to_string(), "now"),
        proper.replace("signature=\"", "signature=\"A"),
    ] {
        let told = world.send(request.build(&world, &broken)).await;
        assert_eq!(
            (told.status, told.code().as_str()),
            (401, "SIGN_ERROR"),
            "{broken}"
        );
    }
    for (skew_s, status) in [(-301, 401), (-300, 404), (300, 404), (301, 401)] {
        let mut request = make();
        request.timestamp += skew_s;
        assert_eq!(
            request.send(&world).await.status,
            status,
            "clock off by {skew_s} s"
        );
    }
    let mut other_query = make();
    let authorization = other_query.authorization();
    other_query.target.push_str("&x=1");
    let told = world.send(other_query.build(&world, &authorization)).await;
    assert_eq!(told.status, 401, "the query is signed");
    let mut other_body = Request::new(
        &world,
        "POST",
        "/v3/pay/transactions/native",
        "{}".to_owned(),
    );
    let authorization = other_body.authorization();
    other_body.body = "{ }".to_owned();
    let told = world.send(other_body.build(&world, &authorization)).await;
    assert_eq!(told.status, 401, "the body is signed byte for byte");
    world.end().await;
}

#[tokio::test]
async fn an_order_with_a_wrong_parameter_is_refused() {
    let world = World::start().await;
    let long = "长".repeat(128);
    let cases: Vec<(&str, Value, &str)> = vec![
        (
            "/appid",
            json!("wx0000000000000000"),
            "APPID_MCHID_NOT_MATCH",
        ),
        ("/mchid", json!("1900000002"), "PARAM_ERROR"),
        ("/description", json!(""), "PARAM_ERROR"),
        ("/description", json!(long), "PARAM_ERROR"),
        ("/out_trade_no", json!("12345"), "PARAM_ERROR"),
        ("/out_trade_no", json!("1".repeat(33)), "PARAM_ERROR"),
        ("/out_trade_no", json!("ABC 123"), "PARAM_ERROR"),
        ("/out_trade_no", json!("订单一二三四"), "PARAM_ERROR"),
        (
            "/notify_url",
            json!(format!("{}?a=1", world.door.url)),
            "PARAM_ERROR",
        ),
        ("/notify_url", json!("ftp://example.test/x"), "PARAM_ERROR"),
        (
            "/notify_url",
            json!(format!("http://example.test/{}", "x".repeat(240))),
            "PARAM_ERROR",
        ),
        ("/attach", json!("x".repeat(129)), "PARAM_ERROR"),
        ("/amount/total", json!(0), "PARAM_ERROR"),
        ("/amount/total", json!(-1), "PARAM_ERROR"),
        ("/amount/total", json!(1.5), "PARAM_ERROR"),
        ("/amount/total", json!("100"), "PARAM_ERROR"),
        ("/amount/currency", json!("USD"), "PARAM_ERROR"),
        ("/scene_info/payer_client_ip", json!("here"), "PARAM_ERROR"),
        ("/scene_info/h5_info/type", json!("WAP"), "PARAM_ERROR"),
    ];
    for (pointer, value, code) in cases {
        let mut body = order(&world, &unique("BAD"));
        *body.pointer_mut(pointer).unwrap() = value.clone();
        let told = post(&world, "/v3/pay/transactions/h5", &body).await;
        assert_eq!(
            (told.status, told.code().as_str()),
            (400, code),
            "{pointer} = {value}"
        );
    }
    for (time, status) in [
        ("2026-11-22T10:00:30+08:00", 400),
        ("2026-11-22 10:10:00", 400),
        ("2026-11-22T10:10:00+08:00", 200),
    ] {
        let mut body = order(&world, &unique("EXP"));
        body["time_expire"] = json!(time);
        assert_eq!(
            post(&world, "/v3/pay/transactions/native", &body)
                .await
                .status,
            status,
            "{time}"
        );
    }
    let mut body = order(&world, &unique("JS"));
    body["payer"] = json!({});
    assert_eq!(
        post(&world, "/v3/pay/transactions/jsapi", &body)
            .await
            .code(),
        "PARAM_ERROR"
    );
    world.end().await;
}

#[tokio::test]
async fn the_same_number_again_needs_the_identical_body() {
    let world = World::start().await;
    let body = order(&world, &unique("RE"));
    let first = post(&world, "/v3/pay/transactions/jsapi", &body)
        .await
        .json();
    let second = post(&world, "/v3/pay/transactions/jsapi", &body)
        .await
        .json();
    assert!(first["prepay_id"].as_str().unwrap().starts_with("wx"));
    assert_ne!(first["prepay_id"], second["prepay_id"], "a fresh one");
    let mut changed = body.clone();
    changed["amount"]["total"] = json!(40001);
    let told = post(&world, "/v3/pay/transactions/jsapi", &changed).await;
    assert_eq!(
        (told.status, told.code().as_str()),
        (400, "INVALID_REQUEST")
    );
    assert_eq!(told.json()["message"], "请求重入时，参数与首次请求时不一致");
    let told = post(&world, "/v3/pay/transactions/native", &body).await;
    assert_eq!(
        told.code(),
        "INVALID_REQUEST",
        "another product is another request"
    );
    world.end().await;
}

#[tokio::test]
async fn a_closed_order_stays_closed_and_closing_is_repeatable() {
    let world = World::start().await;
    assert_eq!(close(&world, "NOBODY2").await.code(), "ORDER_NOT_EXIST");
    let (number, _) = place(&world, "native").await;
    for _ in 0..2 {
        let told = close(&world, &number).await;
        assert_eq!((told.status, told.body.len()), (204, 0));
        assert!(
            is_signed(&told.headers, b"", world.now_ms()),
            "the empty body is signed"
        );
    }
    assert_eq!(state(&world, &number).await, "CLOSED");
    assert_eq!(world.play("wechat", &number).await.status, 409);
    let again = post(
        &world,
        "/v3/pay/transactions/native",
        &order(&world, &number),
    )
    .await;
    assert_eq!(again.code(), "ORDER_CLOSED");
    assert_eq!(world.play("wechat", "NOBODY2").await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn an_order_past_its_time_is_closed() {
    let world = World::start().await;
    let number = unique("EX");
    let mut body = order(&world, &number);
    body["time_expire"] = json!("2026-11-22T10:15:00+08:00");
    assert_eq!(
        post(&world, "/v3/pay/transactions/native", &body)
            .await
            .status,
        200
    );
    world.shift(899).await;
    assert_eq!(state(&world, &number).await, "NOTPAY");
    world.shift(900).await;
    assert_eq!(state(&world, &number).await, "CLOSED");
    world.end().await;
}

#[tokio::test]
async fn a_payment_is_told_by_notice_and_query_and_can_be_refunded() {
    let world = World::start().await;
    let (number, _) = place(&world, "native").await;
    let unpaid = query(&world, &number).await.json();
    assert_eq!(unpaid["trade_state"], "NOTPAY");
    assert!(unpaid.get("transaction_id").is_none() && unpaid.get("success_time").is_none());

    let played = world.play("wechat", &number).await.json();
    assert_eq!(
        (
            &played["delivered"],
            &played["notify_status"],
            &played["tries"]
        ),
        (&json!(true), &json!(200), &json!(1))
    );
    let content = believe(&world.door.wait(1).await, world.now_ms()).unwrap();
    let told = query(&world, &number).await;
    assert!(is_signed(&told.headers, &told.body, world.now_ms()));
    assert_eq!(
        told.json(),
        content,
        "the notice holds what a query answers"
    );
    assert_eq!(content["transaction_id"], played["transaction_id"]);
    assert_eq!(content["success_time"], "2026-11-22T10:00:00+08:00");
    assert_eq!(content["attach"], "line 1, line 2");
    let id = played["transaction_id"].as_str().unwrap();
    let by_id = format!(
        "/v3/pay/transactions/id/{id}?mchid={}",
        merchant("wechat", "mchid")
    );
    assert_eq!(get(&world, &by_id).await.json(), content);
    assert_eq!(
        get(&world, by_id.split('?').next().unwrap()).await.code(),
        "PARAM_ERROR"
    );
    let told = close(&world, &number).await;
    assert_eq!((told.status, told.code().as_str()), (400, "ORDERPAID"));

    refund_it(&world, &number).await;
    world.end().await;
}

async fn refund_it(world: &World, number: &str) {
    let (first, second) = (unique("RF"), unique("RF"));
    let told = post(world, REFUNDS, &refund(world, number, &first, 30000)).await;
    assert_eq!(
        (told.status, &told.json()["status"]),
        (200, &json!("PROCESSING"))
    );
    assert_eq!(state(world, number).await, "REFUND", "from the request on");
    let told = post(world, REFUNDS, &refund(world, number, &first, 30001)).await;
    assert_eq!(
        told.code(),
        "INVALID_REQUEST",
        "the same number with another amount"
    );
    let told = post(world, REFUNDS, &refund(world, number, &second, 10001)).await;
    assert_eq!(told.code(), "INVALID_REQUEST", "more than is left");
    let told = post(world, REFUNDS, &refund(world, number, &second, 10000)).await;
    assert_eq!(
        (told.status, told.code().as_str()),
        (429, "FREQUENCY_LIMITED")
    );

    world.shift(2).await;
    let content = believe(&world.door.wait(2).await, world.now_ms()).unwrap();
    assert_eq!(
        (&content["refund_status"], &content["out_refund_no"]),
        (&json!("SUCCESS"), &json!(first))
    );
    assert!(content.get("status").is_none());
    let asked = get(world, &format!("{REFUNDS}/{first}")).await.json();
    assert_eq!(
        (&asked["status"], &asked["amount"]["refund"]),
        (&json!("SUCCESS"), &json!(30000))
    );
    let again = post(world, REFUNDS, &refund(world, number, &first, 30000)).await;
    assert_eq!(
        again.json()["refund_id"],
        asked["refund_id"],
        "refunded once"
    );
    world.door.quiet(2).await;

    world.shift(60).await;
    let told = post(world, REFUNDS, &refund(world, number, &second, 10000)).await;
    assert_eq!(told.status, 200, "{}", told.text());
    assert_eq!(world.entry(number).await["refunded_fen"], 40000);
    let told = get(world, &format!("{REFUNDS}/NOBODY")).await;
    assert_eq!(
        (told.status, told.code().as_str()),
        (404, "RESOURCE_NOT_EXISTS")
    );
}

#[tokio::test]
async fn refunds_end_a_year_after_the_payment_and_need_a_payment() {
    let world = World::start().await;
    let (number, _) = place(&world, "native").await;
    let told = post(&world, REFUNDS, &refund(&world, &number, &unique("RF"), 1)).await;
    assert_eq!((told.status, told.code().as_str()), (403, "TRADE_ERROR"));
    world.play("wechat", &number).await;
    world.shift(365 * 86_400 + 1).await;
    let told = post(&world, REFUNDS, &refund(&world, &number, &unique("RF"), 1)).await;
    assert_eq!(told.code(), "INVALID_REQUEST");
    world.shift(365 * 86_400).await;
    let told = post(&world, REFUNDS, &refund(&world, &number, &unique("RF"), 1)).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let mut wrong_total = refund(&world, &number, &unique("RF"), 1);
    wrong_total["amount"]["total"] = json!(1);
    assert_eq!(
        post(&world, REFUNDS, &wrong_total).await.code(),
        "INVALID_REQUEST"
    );
    world.end().await;
}

#[tokio::test]
async fn answers_follow_the_serial_that_the_request_asks_for() {
    let world = World::start().await;
    let certificate = platform_serial();
    let public = merchant("wechat", "public_key_id");
    for (asked, answered) in [
        (Some(public.clone()), &public),
        (Some(certificate.clone()), &certificate),
        (None, &certificate),
    ] {
        let mut request = Request::new(&world, "GET", "/v3/certificates", String::new());
        request.target = format!(
            "/v3/pay/transactions/out-trade-no/NOBODY3?mchid={}",
            merchant("wechat", "mchid")
        );
        request.serial = asked;
        let told = request.send(&world).await;
        assert_eq!(&told.header("wechatpay-serial"), answered);
        assert!(is_signed(&told.headers, &told.body, world.now_ms()));
    }
    let mut request = Request::new(&world, "GET", "/v3/certificates", String::new());
    request.serial = Some("F".repeat(40));
    assert_eq!(request.send(&world).await.status, 400);

    let told = get(&world, "/v3/certificates").await;
    let entry = &told.json()["data"][0];
    assert_eq!(entry["serial_no"], json!(certificate));
    let sealed = &entry["encrypt_certificate"];
    let text = |name: &str| sealed[name].as_str().unwrap().to_owned();
    let plain = open_aes_gcm(
        &text("nonce"),
        &text("associated_data"),
        &text("ciphertext"),
    )
    .unwrap();
    assert_eq!(
        String::from_utf8(plain).unwrap(),
        pem("wechat_platform_cert.pem")
    );
    world.end().await;
}

pub fn platform_serial() -> String {
    let der = der(&pem("wechat_platform_cert.pem"));
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    parsed
        .raw_serial()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect()
}

#[tokio::test]
async fn notices_use_the_kind_of_key_of_the_order_or_of_the_control() {
    let world = World::start().await;
    let number = unique("KEY");
    let body = order(&world, &number).to_string();
    let mut request = Request::new(&world, "POST", "/v3/pay/transactions/native", body);
    request.serial = None;
    assert_eq!(request.send(&world).await.status, 200);
    world.play("wechat", &number).await;
    let serial = |arrived: &Arrived| {
        arrived.headers["wechatpay-serial"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let first = world.door.wait(1).await;
    assert_eq!(serial(&first), platform_serial());
    let body = json!({ "channel": "wechat", "out_trade_no": number, "serial": "pub" });
    assert_eq!(
        world.post("/_sandbox/pay", body).await.json()["tries"],
        2,
        "paid before: told again"
    );
    let second = world.door.wait(2).await;
    assert_eq!(serial(&second), merchant("wechat", "public_key_id"));
    assert_eq!(
        believe(&first, world.now_ms()),
        believe(&second, world.now_ms())
    );
    let id =
        |arrived: &Arrived| serde_json::from_slice::<Value>(&arrived.body).unwrap()["id"].clone();
    assert_eq!(id(&first), id(&second));
    world.end().await;
}

#[tokio::test]
async fn the_channel_may_truly_take_another_amount() {
    let world = World::start().await;
    let (number, _) = place(&world, "native").await;
    let body = json!({ "channel": "wechat", "out_trade_no": number, "amount_fen": 39999 });
    assert_eq!(
        world.post("/_sandbox/pay", body).await.json()["delivered"],
        true
    );
    let notice = believe(&world.door.wait(1).await, world.now_ms()).unwrap();
    assert_eq!(notice["amount"]["total"], 39999);
    assert_eq!(query(&world, &number).await.json(), notice);
    let told = post(&world, REFUNDS, &refund(&world, &number, &unique("RF"), 1)).await;
    assert_eq!(
        told.code(),
        "INVALID_REQUEST",
        "the total is what was taken"
    );
    world.end().await;
}

#[tokio::test]
async fn a_refused_notice_comes_again_on_the_schedule() {
    let world = World::start().await;
    world.door.say(500, "busy");
    let (number, _) = place(&world, "native").await;
    let played = world.play("wechat", &number).await.json();
    assert_eq!(
        (&played["delivered"], &played["notify_status"]),
        (&json!(false), &json!(500))
    );
    let gaps = [
        15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600,
    ];
    let mut at_s = 0;
    for (index, gap) in gaps.into_iter().enumerate() {
        let next = world.entry(&number).await["notices"][0]["next_at_ms"].clone();
        assert_eq!(
            next,
            json!(world.now_ms() + gap * 1_000),
            "after try {}",
            index + 1
        );
        world.shift(at_s + gap - 1).await;
        if index < 3 {
            world.door.quiet(index + 1).await;
        }
        at_s += gap;
        world.shift(at_s).await;
        let arrived = world.door.wait(index + 2).await;
        assert!(
            believe(&arrived, world.now_ms()).is_some(),
            "signed anew at {at_s} s"
        );
        world.settled(&number).await;
    }
    assert!(world.entry(&number).await["notices"][0]["next_at_ms"].is_null());
    world.shift(at_s + 100_000).await;
    world.door.quiet(16).await;
    world.end().await;
}
