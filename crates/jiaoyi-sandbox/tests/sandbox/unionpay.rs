//! UnionPay: who may call, the cashier, notices with their certificate, voids and returns, the file.

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use serde_json::json;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::world::{Arrived, Told, World, der, merchant, pem, sign, unique, verifies};

type Parameters = BTreeMap<String, String>;

/// The moment of [`crate::world::NOW_MS`], under which every request here is made.
const TIME: &str = "20261122100000";

pub fn sha256_hex(text: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn text_of(parameters: &Parameters) -> String {
    let kept = parameters
        .iter()
        .filter(|(name, value)| *name != "signature" && !value.is_empty());
    let parts: Vec<String> = kept
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("&")
}

fn cert_id() -> String {
    let der = der(&pem("unionpay_merchant_cert.pem"));
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    certificate.tbs_certificate.serial.to_string()
}

pub fn request(kind: &str, number: &str, more: &[(&str, &str)]) -> Parameters {
    let (mer_id, cert_id) = (merchant("unionpay", "mer_id"), cert_id());
    [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("certId", &cert_id),
        ("accessType", "0"),
        ("merId", &mer_id),
        ("txnType", kind),
        ("orderId", number),
        ("txnTime", TIME),
    ]
    .iter()
    .chain(more)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect()
}

pub fn signed(mut parameters: Parameters) -> Parameters {
    let digest = sha256_hex(&text_of(&parameters));
    let signature = sign("unionpay_merchant_key.pem", digest.as_bytes());
    parameters.insert("signature".to_owned(), signature);
    parameters
}

pub async fn send(world: &World, path: &str, parameters: &Parameters) -> Told {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let url = format!("{}{path}", world.base);
    let form = "application/x-www-form-urlencoded";
    world
        .send(world.http.post(url).header("content-type", form).body(body))
        .await
}

/// The parameters of an answer or a notice, if UnionPay's certificate signed them.
fn verified(parameters: Parameters) -> Option<Parameters> {
    verified_by("unionpay_cert.pem", parameters)
}

fn verified_by(file: &str, parameters: Parameters) -> Option<Parameters> {
    let certificate = parameters.get("signPubKeyCert")?;
    if certificate.trim() != pem(file).trim() || parameters.get("signMethod")? != "01" {
        return None;
    }
    let der = der(&pem(file));
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let digest = sha256_hex(&text_of(&parameters));
    let signature = parameters.get("signature")?;
    let key = certificate.public_key().raw;
    verifies(key, digest.as_bytes(), signature).then_some(parameters)
}

/// No value of the sandbox's answers holds an `&`.
fn parameters_of(told: &Told) -> Parameters {
    let text = told.text();
    let pairs = text.split('&').filter_map(|part| part.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub fn read(told: &Told) -> Option<Parameters> {
    verified(parameters_of(told))
}

/// The same after a change of UnionPay's key.
pub fn read_next(told: &Told) -> Option<Parameters> {
    verified_by("unionpay_next_cert.pem", parameters_of(told))
}

/// What a query of `number` is answered.
pub async fn asked(world: &World, number: &str) -> Told {
    let asked = signed(request("00", number, &[("bizType", "000000")]));
    send(world, "/gateway/api/queryTrans.do", &asked).await
}

pub fn believe(arrived: &Arrived) -> Option<Parameters> {
    verified(form_urlencoded::parse(&arrived.body).into_owned().collect())
}

async fn call(world: &World, service: &str, parameters: Parameters) -> Parameters {
    let told = send(
        world,
        &format!("/gateway/api/{service}.do"),
        &signed(parameters),
    )
    .await;
    read(&told).unwrap_or_else(|| panic!("unverified: {}", told.text()))
}

pub fn consume(world: &World, number: &str) -> Parameters {
    let (front, back) = (format!("{}/front", world.base), world.door.url.clone());
    request(
        "01",
        number,
        &[
            ("txnSubType", "01"),
            ("bizType", "000201"),
            ("channelType", "08"),
            ("txnAmt", "40000"),
            ("currencyCode", "156"),
            ("payTimeout", "20261122101500"),
            ("riskRateInfo", "{commodityName=城乡居民医保}"),
            ("frontUrl", &front),
            ("backUrl", &back),
        ],
    )
}

/// Opens the cashier and gives its page.
pub async fn open(world: &World, number: &str) -> String {
    let form = signed(consume(world, number));
    let told = send(world, "/gateway/api/frontTransReq.do", &form).await;
    assert_eq!(told.status, 303, "{}", told.text());
    world.get(&told.header("location")).await.text()
}

pub async fn query(world: &World, number: &str) -> (String, String) {
    let told = call(
        world,
        "queryTrans",
        request("00", number, &[("bizType", "000000")]),
    )
    .await;
    let code = |name: &str| told.get(name).cloned().unwrap_or_default();
    (code("respCode"), code("origRespCode"))
}

#[tokio::test]
async fn only_the_merchant_may_call() {
    let world = World::start().await;
    let number = unique("JAUP");
    let good = consume(&world, &number);
    let change = |name: &str, value: &str| {
        let mut parameters = good.clone();
        parameters.insert(name.to_owned(), value.to_owned());
        parameters
    };
    for (parameters, code) in [
        (change("merId", "1"), "31"),
        (change("certId", "1"), "11"),
        (change("version", "5.0.0"), "10"),
        (change("txnAmt", "400.00"), "10"),
        (change("txnAmt", "0"), "10"),
        (change("orderId", "A-1"), "10"),
        (change("txnTime", "2026-11-22"), "10"),
        (change("txnType", "04"), "32"),
        (change("backUrl", ""), "13"),
        (change("payTimeout", "20261122095959"), "39"),
    ] {
        let told = call(&world, "appTransReq", parameters.clone()).await;
        assert_eq!(told["respCode"], code, "{parameters:?}");
    }
    let mut altered = signed(good.clone());
    altered.insert("txnAmt".to_owned(), "1".to_owned());
    let told = send(&world, "/gateway/api/appTransReq.do", &altered).await;
    assert_eq!(read(&told).unwrap()["respCode"], "11");
    assert_eq!(world.entry(&number).await, json!(null));
    world.end().await;
}

#[tokio::test]
async fn an_order_is_paid_at_the_cashier_told_and_found() {
    let world = World::start().await;
    let number = unique("JAUP");
    assert_eq!(query(&world, &number).await.0, "34");
    let page = open(&world, &number).await;
    for words in [
        "演示环境：不是真的缴费",
        "银联、云闪付（沙箱）",
        "城乡居民医保",
        "400.00 元",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(query(&world, &number).await.0, "34", "nothing was tried");
    world.press(&page, "low").await;
    assert_eq!(
        query(&world, &number).await,
        ("00".to_owned(), "64".to_owned())
    );
    let paid = world.press(&page, "pay").await;
    assert!(
        paid.text()
            .contains(&format!("action=\"{}/front\"", world.base))
    );
    let notice = believe(&world.door.wait(1).await).unwrap();
    let told = call(&world, "queryTrans", request("00", &number, &[])).await;
    for (name, value) in [
        ("orderId", number.as_str()),
        ("txnTime", TIME),
        ("txnAmt", "40000"),
        ("traceTime", "1122100000"),
        ("settleDate", "1122"),
        ("respCode", "00"),
    ] {
        assert_eq!(notice[name], value, "{name}");
        assert_eq!(told[name], value, "{name}");
    }
    assert_eq!(
        (notice["queryId"].len(), &notice["queryId"]),
        (21, &told["queryId"])
    );
    // Number and time together name an order.
    let mut other = request("00", &number, &[]);
    other.insert("txnTime".to_owned(), "20261122100001".to_owned());
    assert_eq!(call(&world, "queryTrans", other).await["respCode"], "34");
    world.end().await;
}

#[tokio::test]
async fn a_number_for_an_app_is_paid_by_scanning() {
    let world = World::start().await;
    let number = unique("JAUP");
    let told = call(&world, "appTransReq", consume(&world, &number)).await;
    let scanned = world
        .get(&format!("/_wallet/scan?code={}", told["tn"]))
        .await;
    let page = world.get(&scanned.header("location")).await.text();
    world.press(&page, "pay").await;
    assert_eq!(
        query(&world, &number).await,
        ("00".to_owned(), "00".to_owned())
    );
    world.end().await;
}

async fn refund(world: &World, kind: &str, number: &str, query_id: &str, fen: &str) -> String {
    let back = world.door.url.clone();
    let more = [
        ("txnSubType", "00"),
        ("bizType", "000201"),
        ("origQryId", query_id),
        ("txnAmt", fen),
        ("backUrl", back.as_str()),
    ];
    call(world, "backTransReq", request(kind, number, &more)).await["respCode"].clone()
}

#[tokio::test]
async fn money_goes_back_once_and_never_more_than_came() {
    let world = World::start().await;
    let number = unique("JAUP");
    open(&world, &number).await;
    let played = world.play("unionpay", &number).await.json();
    let id = played["transaction_id"].as_str().unwrap().to_owned();
    let names: Vec<String> = (0..4).map(|_| unique("JRUP")).collect();
    assert_eq!(
        refund(&world, "31", &names[0], &id, "39999").await,
        "36",
        "a void is whole"
    );
    assert_eq!(refund(&world, "04", &names[0], "1", "1").await, "35");
    assert_eq!(refund(&world, "04", &names[0], &id, "30000").await, "00");
    assert_eq!(
        refund(&world, "04", &names[0], &id, "30000").await,
        "12",
        "once"
    );
    assert_eq!(refund(&world, "04", &names[1], &id, "10001").await, "36");
    assert_eq!(refund(&world, "31", &names[1], &id, "40000").await, "36");
    assert_eq!(
        query(&world, &names[0]).await,
        ("00".to_owned(), "05".to_owned())
    );
    world.shift(2).await;
    let notice = believe(&world.door.wait(2).await).unwrap();
    assert_eq!(
        (notice["txnType"].as_str(), &notice["orderId"]),
        ("04", &names[0])
    );
    assert_eq!(
        query(&world, &names[0]).await,
        ("00".to_owned(), "00".to_owned())
    );
    assert_eq!(refund(&world, "04", &names[2], &id, "10000").await, "00");
    assert_eq!(world.entry(&number).await["refunded_fen"], json!(40_000));
    // A void only on the clearing day, which turns at 23:00.
    let other = unique("JAUP");
    open(&world, &other).await;
    let played = world.play("unionpay", &other).await.json();
    let id = played["transaction_id"].as_str().unwrap().to_owned();
    world.shift(13 * 3_600).await;
    assert_eq!(refund(&world, "31", &names[3], &id, "40000").await, "39");
    world.shift(13 * 3_600 - 1).await;
    assert_eq!(refund(&world, "31", &names[3], &id, "40000").await, "00");
    world.end().await;
}

#[tokio::test]
async fn none_of_the_twenty_forgeries_verifies_and_the_next_delivery_does() {
    let world = World::start().await;
    world.door.say(401, "no");
    for variant in 1..=jiaoyi_sandbox::forge::KINDS {
        let number = unique("JAUP");
        open(&world, &number).await;
        let script = json!({
            "channel": "unionpay", "out_trade_no": number, "at": "notify", "do": "forge",
            "variant": variant,
        });
        world.fault(script).await;
        let before = world.door.count();
        world.play("unionpay", &number).await;
        let forged = world.door.wait(before + 1).await;
        assert_eq!(believe(&forged), None, "forgery {variant}");
        world.play("unionpay", &number).await;
        let proper = world.door.wait(before + 2).await;
        assert!(believe(&proper).is_some(), "after forgery {variant}");
    }
    world.end().await;
}

#[tokio::test]
async fn deeds_break_the_signature_or_tell_a_lie() {
    let world = World::start().await;
    let number = unique("JAUP");
    open(&world, &number).await;
    world.play("unionpay", &number).await;
    let script = |deed: &str| json!({ "channel": "unionpay", "out_trade_no": number, "at": "query", "do": deed });
    for deed in ["corrupt", "forge", "probe", "other_key"] {
        world.fault(script(deed)).await;
        let asked = signed(request("00", &number, &[]));
        let told = send(&world, "/gateway/api/queryTrans.do", &asked).await;
        assert!(read(&told).is_none(), "{deed}: {}", told.text());
    }
    world.fault(script("wrong_amount")).await;
    let told = call(&world, "queryTrans", request("00", &number, &[])).await;
    assert_eq!(told["txnAmt"], "40001");
    world.fault(script("contradict")).await;
    assert_eq!(query(&world, &number).await.0, "34");
    world.fault(script("error_before")).await;
    assert_eq!(
        query(&world, &number).await,
        ("03".to_owned(), String::new())
    );
    assert_eq!(
        query(&world, &number).await,
        ("00".to_owned(), "00".to_owned())
    );
    world.end().await;
}

#[tokio::test]
async fn the_file_of_a_day_is_a_zip_of_fixed_width() {
    let world = World::start().await;
    let fetch = async |day: &str| {
        let mut asked = request("76", "", &[("settleDate", day), ("fileType", "00")]);
        asked.remove("orderId");
        let told = send(&world, "/filedownload/", &signed(asked)).await;
        read(&told).unwrap()
    };
    assert_eq!(fetch("1122").await["respCode"], "98");
    let number = unique("JAUP");
    open(&world, &number).await;
    world.play("unionpay", &number).await;
    assert_eq!(fetch("1121").await["respCode"], "98");
    let told = fetch("1122").await;
    let mut zip = Vec::new();
    let packed = STANDARD.decode(&told["fileContent"]).unwrap();
    ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut zip)
        .unwrap();
    // The first entry of the zip, unpacked by hand: 30 bytes of head, name, deflated text.
    let name_len = usize::from(u16::from_le_bytes([zip[26], zip[27]]));
    let name = String::from_utf8_lossy(&zip[30..30 + name_len]).into_owned();
    assert_eq!(
        name,
        format!("INN26112288ZM_{}", merchant("unionpay", "mer_id"))
    );
    let mut text = String::new();
    let deflated = &zip[30 + name_len..];
    flate2::read::DeflateDecoder::new(deflated)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!((text.len(), text.ends_with("\r\n")), (609, true));
    for (from, value) in [
        (0, "S22 "),
        (46, "622609******"),
        (66, "000000040000 "),
        (87, "20261122"),
        (112, number.as_str()),
        (166, "D000000000000 C000000040000 "),
    ] {
        assert_eq!(
            text.get(from..from + value.len()),
            Some(value),
            "{from} {text}"
        );
    }
    world.end().await;
}
