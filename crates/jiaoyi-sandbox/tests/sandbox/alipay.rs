//! Alipay: who may call, the cashier, its life, refunds, notices, keys and certificates.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Arrived, Told, World, der, merchant, pem, sign, unique, verifies};

pub type Parameters = BTreeMap<String, String>;

/// Public parameters and content of a call, unsigned.
pub fn parameters(world: &World, method: &str, biz: &Value) -> Parameters {
    let at = world.now_ms() + 8 * 3_600_000;
    let (day, second) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000) / 1_000);
    // Tests stay in November and December 2026; day 20779 is 2026-11-22.
    let (month, day) = if day - 20_779 + 22 <= 30 {
        (11, day - 20_757)
    } else {
        (12, day - 20_787)
    };
    let timestamp = format!(
        "2026-{month:02}-{day:02} {:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    );
    let mut parameters = Parameters::new();
    for (name, value) in [
        ("app_id", merchant("alipay", "app_id")),
        ("method", method.to_owned()),
        ("format", "JSON".to_owned()),
        ("charset", "utf-8".to_owned()),
        ("sign_type", "RSA2".to_owned()),
        ("timestamp", timestamp),
        ("version", "1.0".to_owned()),
        ("notify_url", world.door.url.clone()),
        ("biz_content", biz.to_string()),
    ] {
        parameters.insert(name.to_owned(), value);
    }
    parameters
}

pub fn signed(mut parameters: Parameters) -> Parameters {
    let text: Vec<String> = parameters
        .iter()
        .filter(|(name, value)| *name != "sign" && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let sign = sign("alipay_app_private_key.pem", text.join("&").as_bytes());
    parameters.insert("sign".to_owned(), sign);
    parameters
}

pub fn encoded(parameters: &Parameters) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish()
}

/// Sends by GET and gives the inner object after its signature was verified.
pub async fn call(world: &World, method: &str, biz: &Value) -> Value {
    let query = encoded(&signed(parameters(world, method, biz)));
    let told = world.get(&format!("/gateway.do?{query}")).await;
    verified(&told, method).unwrap_or_else(|| panic!("unverified: {}", told.text()))
}

/// The inner object of an answer, if the signature over its raw characters is right.
pub fn verified(told: &Told, method: &str) -> Option<Value> {
    let text = told.text();
    let name = format!("\"{}_response\":", method.replace('.', "_"));
    let start = text.find(&name)? + name.len();
    let end = text
        .rfind(",\"alipay_cert_sn\"")
        .or(text.rfind(",\"sign\""))?;
    let whole: Value = serde_json::from_str(&text).ok()?;
    let key = der(&pem("alipay_public_key.pem"));
    let inner = &text[start..end];
    verifies(&key, inner.as_bytes(), whole["sign"].as_str()?)
        .then(|| serde_json::from_str(inner).ok())
        .flatten()
}

pub fn goods(number: &str) -> Value {
    json!({
        "out_trade_no": number, "total_amount": "400.00", "subject": "居民医保 演示",
        "product_code": "QUICK_WAP_WAY", "time_expire": "2026-11-22 10:15:00",
        "quit_url": "http://shop.test/quit", "passback_params": "a%3D1",
    })
}

/// The address of a cashier.
pub fn cashier(world: &World, number: &str) -> String {
    let mut parameters = parameters(world, "alipay.trade.wap.pay", &goods(number));
    parameters.insert(
        "return_url".to_owned(),
        "http://shop.test/back?x=1".to_owned(),
    );
    format!("{}/gateway.do?{}", world.base, encoded(&signed(parameters)))
}

/// Opens the cashier and gives the wallet's page.
pub async fn open(world: &World, number: &str) -> String {
    let told = world.get(&cashier(world, number)).await;
    assert_eq!(told.status, 303, "{}", told.text());
    let page = world.get(&told.header("location")).await;
    assert_eq!(page.status, 200);
    page.text()
}

pub fn named(number: &str) -> Value {
    json!({ "out_trade_no": number })
}

pub async fn query(world: &World, number: &str) -> Value {
    call(world, "alipay.trade.query", &named(number)).await
}

/// Whether a notice's or a return address's parameters are signed, `sign` and `sign_type` left out.
pub fn is_signed(pairs: &Parameters) -> bool {
    let text: Vec<String> = pairs
        .iter()
        .filter(|(name, value)| *name != "sign" && *name != "sign_type" && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let Some(sign) = pairs.get("sign") else {
        return false;
    };
    pairs.get("sign_type").is_some_and(|kind| kind == "RSA2")
        && verifies(
            &der(&pem("alipay_public_key.pem")),
            text.join("&").as_bytes(),
            sign,
        )
}

pub fn form(body: &[u8]) -> Parameters {
    form_urlencoded::parse(body).into_owned().collect()
}

pub fn believe(arrived: &Arrived) -> Option<Parameters> {
    let pairs = form(&arrived.body);
    is_signed(&pairs).then_some(pairs)
}

#[tokio::test]
async fn a_call_is_refused_unless_every_public_parameter_is_right() {
    let world = World::start().await;
    let method = "alipay.trade.query";
    let proper = || parameters(&world, method, &named("NOBODY"));
    assert_eq!(
        query(&world, "NOBODY").await["sub_code"],
        "ACQ.TRADE_NOT_EXIST",
        "the control"
    );
    for (name, value, sub_code) in [
        ("app_id", "2026999999999999", "isv.invalid-app-id"),
        ("app_id", "", "isv.missing-app-id"),
        ("charset", "", "isv.missing-charset"),
        ("charset", "gbk", "isv.invalid-charset"),
        ("sign_type", "RSA", "isv.invalid-signature-type"),
        ("timestamp", "", "isv.missing-timestamp"),
        ("timestamp", "2026-11-22 09:44:59", "isv.invalid-timestamp"),
        ("timestamp", "1795312800", "isv.invalid-timestamp"),
        ("version", "2.0", "isv.invalid-version"),
        ("format", "XML", "isv.invalid-format"),
        ("biz_content", "[]", "isv.invalid-parameter"),
        ("biz_content", "", "isv.missing-biz-content"),
        ("app_cert_sn", "00", "isv.invalid-app-cert-sn"),
    ] {
        let mut changed = proper();
        changed.insert(name.to_owned(), value.to_owned());
        let told = world
            .get(&format!("/gateway.do?{}", encoded(&signed(changed))))
            .await;
        let inner = &told.json()["alipay_trade_query_response"];
        assert_eq!(
            inner["sub_code"],
            sub_code,
            "{name} = {value}: {}",
            told.text()
        );
    }
    let mut tampered = signed(proper());
    tampered.insert("biz_content".to_owned(), named("OTHER").to_string());
    let told = world
        .get(&format!("/gateway.do?{}", encoded(&tampered)))
        .await;
    assert_eq!(
        told.json()["alipay_trade_query_response"]["sub_code"],
        "isv.invalid-signature"
    );
    world.end().await;
}

#[tokio::test]
async fn query_form_and_absolute_targets_are_one_request() {
    let world = World::start().await;
    let method = "alipay.trade.query";
    let all = signed(parameters(&world, method, &named("NOBODY")));
    let (content, public): (Parameters, Parameters) = all
        .clone()
        .into_iter()
        .partition(|(name, _)| name == "biz_content");
    let request = world
        .http
        .post(format!("{}/gateway.do?{}", world.base, encoded(&public)))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(encoded(&content));
    let told = world.send(request).await;
    assert_eq!(
        verified(&told, method).unwrap()["sub_code"],
        "ACQ.TRADE_NOT_EXIST"
    );

    let address = world.base.strip_prefix("http://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let body = encoded(&content);
    let head = format!(
        "POST {}/gateway.do?{} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        world.base,
        encoded(&public),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("ACQ.TRADE_NOT_EXIST"),
        "{answer}"
    );
    world.end().await;
}

#[tokio::test]
async fn an_order_with_a_wrong_content_gets_an_error_page() {
    let world = World::start().await;
    for (name, value) in [
        ("out_trade_no", json!("has-dash")),
        ("out_trade_no", json!("1".repeat(65))),
        ("total_amount", json!("0.00")),
        ("total_amount", json!("1.001")),
        ("total_amount", json!("100000000.01")),
        ("subject", json!("a/b")),
        ("subject", json!("")),
        ("product_code", json!("FAST_INSTANT_TRADE_PAY")),
        ("seller_id", json!("2088999999999999")),
        ("time_expire", json!("2026-11-22T10:15:00")),
        ("time_expire", json!("2026-11-22 09:59:00")),
        ("time_expire", json!("2026-12-30 09:59:00")),
    ] {
        let number = unique("AB");
        let mut biz = goods(&number);
        biz[name] = value.clone();
        let query = encoded(&signed(parameters(&world, "alipay.trade.wap.pay", &biz)));
        let told = world.get(&format!("/gateway.do?{query}")).await;
        assert_eq!(told.status, 400, "{name} = {value}");
        assert!(told.header("content-type").starts_with("text/html"));
        assert!(world.entry(&number).await.is_null());
    }
    world.end().await;
}

#[tokio::test]
async fn a_trade_exists_once_its_page_was_opened() {
    let world = World::start().await;
    let number = unique("AX");
    assert_eq!(world.play("alipay", &number).await.status, 404);
    open(&world, &number).await;
    assert_eq!(
        query(&world, &number).await["trade_status"],
        "WAIT_BUYER_PAY"
    );
    let mut dearer = goods(&number);
    dearer["total_amount"] = json!("400.01");
    let again = encoded(&signed(parameters(&world, "alipay.trade.wap.pay", &dearer)));
    assert_eq!(
        world.get(&format!("/gateway.do?{again}")).await.status,
        400,
        "another amount"
    );

    assert_eq!(
        call(&world, "alipay.trade.close", &named(&number)).await["code"],
        "10000"
    );
    assert_eq!(query(&world, &number).await["trade_status"], "TRADE_CLOSED");
    let told = call(&world, "alipay.trade.close", &named(&number)).await;
    assert_eq!(told["sub_code"], "ACQ.TRADE_STATUS_ERROR");
    assert_eq!(world.play("alipay", &number).await.status, 409);

    let coded = unique("AQ");
    let mut biz = goods(&coded);
    biz["product_code"] = json!("FACE_TO_FACE_PAYMENT");
    let told = call(&world, "alipay.trade.precreate", &biz).await;
    assert_eq!(
        query(&world, &coded).await["sub_code"],
        "ACQ.TRADE_NOT_EXIST",
        "not scanned yet"
    );
    let told_close = call(&world, "alipay.trade.close", &named(&coded)).await;
    assert_eq!(told_close["sub_code"], "ACQ.TRADE_NOT_EXIST");
    let scanned = world.get(told["qr_code"].as_str().unwrap()).await;
    assert_eq!(scanned.status, 303);
    assert_eq!(
        query(&world, &coded).await["trade_status"],
        "WAIT_BUYER_PAY"
    );
    world.shift(900).await;
    assert_eq!(
        query(&world, &coded).await["trade_status"],
        "TRADE_CLOSED",
        "time_expire"
    );
    world.end().await;
}

#[tokio::test]
async fn a_payment_is_told_by_notice_and_query_and_can_be_refunded() {
    let world = World::start().await;
    let number = unique("AP");
    open(&world, &number).await;
    let played = world.play("alipay", &number).await.json();
    assert_eq!(played["delivered"], true);
    let notice = believe(&world.door.wait(1).await).unwrap();
    for (name, value) in [
        ("notify_type", "trade_status_sync"),
        ("trade_status", "TRADE_SUCCESS"),
        ("total_amount", "400.00"),
        ("out_trade_no", &number),
        ("gmt_payment", "2026-11-22 10:00:00"),
        ("passback_params", "a%3D1"),
    ] {
        assert_eq!(notice[name], value, "{name}");
    }
    assert_eq!(notice["seller_id"], merchant("alipay", "seller_id"));
    let told = query(&world, &number).await;
    assert_eq!(told["trade_no"], played["transaction_id"]);
    assert_eq!(
        (&told["trade_status"], &told["total_amount"]),
        (&json!("TRADE_SUCCESS"), &json!("400.00"))
    );

    let method = "alipay.trade.refund";
    let ask = |no: &str, amount: &str| json!({ "out_trade_no": number, "out_request_no": no, "refund_amount": amount });
    let told = call(
        &world,
        method,
        &json!({ "out_trade_no": number, "refund_amount": "1.00" }),
    )
    .await;
    assert_eq!(
        told["sub_code"], "ACQ.INVALID_PARAMETER",
        "partial needs out_request_no"
    );
    let told = call(&world, method, &ask("R1", "100.00")).await;
    assert_eq!(
        (&told["fund_change"], &told["refund_fee"]),
        (&json!("Y"), &json!("100.00"))
    );
    let partial = believe(&world.door.wait(2).await).unwrap();
    assert_eq!(
        (
            partial["trade_status"].as_str(),
            partial["out_biz_no"].as_str()
        ),
        ("TRADE_SUCCESS", "R1")
    );
    let told = call(&world, method, &ask("R1", "100.00")).await;
    assert_eq!(
        (&told["fund_change"], &told["refund_fee"]),
        (&json!("N"), &json!("100.00"))
    );
    let told = call(&world, method, &ask("R1", "99.00")).await;
    assert_eq!(told["sub_code"], "ACQ.DISCORDANT_REPEAT_REQUEST");
    let told = call(&world, method, &ask("R2", "300.01")).await;
    assert_eq!(told["sub_code"], "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL");
    let told = call(&world, method, &ask("R2", "300.00")).await;
    assert_eq!(told["refund_fee"], "400.00", "cumulative");
    let full = believe(&world.door.wait(3).await).unwrap();
    assert_eq!(full["trade_status"], "TRADE_CLOSED");
    assert_eq!(query(&world, &number).await["trade_status"], "TRADE_CLOSED");

    let method = "alipay.trade.fastpay.refund.query";
    let told = call(
        &world,
        method,
        &json!({ "out_trade_no": number, "out_request_no": "R1" }),
    )
    .await;
    assert_eq!(
        (&told["refund_status"], &told["refund_amount"]),
        (&json!("REFUND_SUCCESS"), &json!("100.00"))
    );
    let told = call(
        &world,
        method,
        &json!({ "out_trade_no": number, "out_request_no": "R9" }),
    )
    .await;
    assert_eq!(
        (&told["code"], told.get("refund_status")),
        (&json!("10000"), None),
        "an empty success"
    );
    world.door.quiet(3).await;
    world.end().await;
}

/// Alipay's name of a certificate, made as its own document describes it, with OpenSSL's words, apart
/// from the crate.
fn sn(file: &str, index: usize) -> String {
    let text = pem(file);
    let block = text
        .split("-----END CERTIFICATE-----")
        .nth(index)
        .unwrap()
        .to_owned();
    let der = der(block.trim());
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).unwrap();
    let issuer = parsed.issuer();
    let cn = issuer
        .iter_common_name()
        .next()
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let ou = issuer
        .iter_organizational_unit()
        .next()
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let text = format!(
        "CN={cn},OU={ou},O=Jiaoyi Sandbox,C=CN{}",
        parsed.tbs_certificate.serial
    );
    use md5::{Digest, Md5};
    data_encoding::HEXLOWER.encode(Md5::digest(text.as_bytes()).as_slice())
}

/// Puts a call into certificate mode.
fn certify(parameters: &mut Parameters) {
    let file = "alipay_root_cert.pem";
    let root = format!("{}_{}", sn(file, 0), sn(file, 2));
    parameters.insert("app_cert_sn".to_owned(), sn("alipay_app_cert.pem", 0));
    parameters.insert("alipay_root_cert_sn".to_owned(), root);
}

/// Asks in certificate mode: whether Alipay's first key signs, and which certificate is named.
pub async fn by_certificate(world: &World) -> (bool, String) {
    let method = "alipay.trade.query";
    let mut parameters = parameters(world, method, &named("NOBODY"));
    certify(&mut parameters);
    let query = encoded(&signed(parameters));
    let told = world.get(&format!("/gateway.do?{query}")).await;
    let name = told.json()["alipay_cert_sn"].as_str().unwrap().to_owned();
    (verified(&told, method).is_some(), name)
}

#[tokio::test]
async fn certificate_mode_checks_and_answers_serials() {
    let world = World::start().await;
    let method = "alipay.trade.query";
    let mut parameters = parameters(&world, method, &named("NOBODY"));
    certify(&mut parameters);
    let told = world
        .get(&format!(
            "/gateway.do?{}",
            encoded(&signed(parameters.clone()))
        ))
        .await;
    assert_eq!(
        verified(&told, method).unwrap()["sub_code"],
        "ACQ.TRADE_NOT_EXIST"
    );
    assert_eq!(
        told.json()["alipay_cert_sn"],
        json!(sn("alipay_cert.pem", 0))
    );
    parameters.remove("alipay_root_cert_sn");
    let told = world
        .get(&format!("/gateway.do?{}", encoded(&signed(parameters))))
        .await;
    assert_eq!(
        told.json()["alipay_trade_query_response"]["sub_code"],
        "isv.missing-alipay-root-cert-sn"
    );
    world.end().await;
}

#[tokio::test]
async fn only_the_bare_word_success_ends_the_deliveries() {
    let world = World::start().await;
    world.door.say(200, "SUCCESS");
    let number = unique("AN");
    open(&world, &number).await;
    assert_eq!(
        world.play("alipay", &number).await.json()["delivered"],
        false
    );
    for offset_s in [1, 2, 3] {
        world.shift(offset_s).await;
        let count = usize::try_from(offset_s).unwrap() + 1;
        world.door.wait(count).await;
        world.settled(&number).await;
    }
    world.shift(3 + 239).await;
    world.door.quiet(4).await;
    world.door.say(200, "success");
    world.shift(3 + 240).await;
    let last = believe(&world.door.wait(5).await).unwrap();
    let first = believe(&world.door.wait(1).await).unwrap();
    assert_eq!(first["notify_id"], last["notify_id"]);
    assert_ne!(first["notify_time"], last["notify_time"]);
    world.shift(200_000).await;
    world.door.quiet(5).await;
    world.end().await;
}
