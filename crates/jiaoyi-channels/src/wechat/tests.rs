//! WeChat: published vectors, and what the adapter makes of every kind of answer and notice.

use super::call::signed_message;
use super::{WechatGateway, bridge_message, keys::Keys, notice};
use crate::bill::{BillOutcome, Bills};
use crate::cert::Certificate;
use crate::config::ChannelsConfig;
use crate::crypto::{Opener, Signer, SigningThreads, Verifier};
use crate::gateway::Gateway;
use crate::stub::{Play, Stub, truncating};
use crate::testdata::{channels, dir, file, now, refund_terms, terms, vector};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::channel::{
    CloseOutcome, CreateOutcome, Handover, Method, News, NoticeRefusal, QueryOutcome, RefundOutcome,
};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{HOUR_MS, Instant};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;

const APIV3_KEY: &str = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb";
const PUBLIC_KEY_ID: &str = "PUB_KEY_ID_0119000000012026";
const CERTIFICATE_SERIAL: &str = "D7CE59D1F522D701";
const NONCE: &str = "593BEC0C930BF1AFEB40B4A08C8FB242";

fn signer(name: &str) -> Signer {
    Signer::parse(&file(name), SigningThreads::start(1).unwrap()).unwrap()
}

fn key_of(vector: &Value) -> Signer {
    let der = vector["private_key_der_base64"].as_str().unwrap();
    Signer::parse(der.as_bytes(), SigningThreads::start(1).unwrap()).unwrap()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn gateway(base_url: &str) -> Arc<WechatGateway> {
    channels(base_url).wechat.unwrap()
}

/// Headers with which WeChat signs `body`.
async fn signed(body: &[u8], time: Instant, serial: &str) -> Vec<(&'static str, String)> {
    let time = time.0.div_euclid(1_000).to_string();
    let message = signed_message(&time, "answer-nonce", body);
    vec![
        ("wechatpay-timestamp", time),
        ("wechatpay-nonce", "answer-nonce".to_owned()),
        ("wechatpay-serial", serial.to_owned()),
        (
            "wechatpay-signature",
            signer("channel_key.pem").sign(message).await.unwrap(),
        ),
    ]
}

/// A signed answer.
async fn good(status: u16, body: Value) -> Play {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    Play {
        status,
        headers: signed(&body, now(), PUBLIC_KEY_ID).await,
        body,
        hang: false,
    }
}

/// An unsigned answer.
fn bare(status: u16, body: &str) -> Play {
    Play {
        status,
        body: body.as_bytes().to_vec(),
        ..Play::default()
    }
}

fn failure(status: u16, code: &str, message: &str) -> Play {
    bare(
        status,
        &json!({ "code": code, "message": message }).to_string(),
    )
}

async fn signed_failure(status: u16, code: &str, message: &str) -> Play {
    good(status, json!({ "code": code, "message": message })).await
}

#[tokio::test]
async fn the_official_vectors_hold() {
    let java = vector("wx-rsa-java");
    let certificate = Certificate::parse_pem(text(&java, "certificate").as_bytes()).unwrap();
    assert_eq!(certificate.serial, text(&java, "certificate_serial_hex"));
    let key = Verifier::from_der(&certificate.public_key).unwrap();
    let (message, signature) = (text(&java, "message"), text(&java, "signature"));
    assert!(key.verify(message.as_bytes(), signature));
    assert!(!key.verify(b"massage", signature));
    for vector in [java.clone(), vector("wx-rsa-go")] {
        let message = text(&vector, "message").as_bytes().to_vec();
        let made = key_of(&vector).sign(message).await.unwrap();
        assert_eq!(made, text(&vector, "signature"));
    }

    let aead = vector("wx-aead-java");
    let open = |associated_data: &str| {
        Opener::try_new(text(&aead, "apiv3_key").as_bytes())
            .unwrap()
            .open(
                text(&aead, "nonce"),
                associated_data,
                text(&aead, "ciphertext"),
            )
    };
    assert_eq!(
        open(text(&aead, "associated_data")).as_deref(),
        Some(text(&aead, "plaintext").as_bytes())
    );
    assert_eq!(open("other"), None);

    let pay_sign = vector("wx-paysign-doc");
    assert_eq!(
        bridge_message(
            "wx2421b1c4370ec43b",
            "1554208460",
            "593BEC0C930BF1AFEB40B4A08C8FB242",
            "prepay_id=wx201410272009395522657a690389285100"
        ),
        text(&pay_sign, "jsapi_string")
    );
}

#[test]
fn the_official_notice_is_read_and_any_change_is_noticed() {
    let vector = vector("wx-notify-go");
    let headers: Vec<(String, String)> = vector["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.to_uppercase(), value.as_str().unwrap().to_owned()))
        .collect();
    let body = text(&vector, "body");
    let config = ChannelsConfig::load(&dir().join("channels.toml")).unwrap();
    let keys = Keys::open(&config.wechat.unwrap(), &dir()).unwrap();
    let opener = Opener::try_new(text(&vector, "apiv3_key").as_bytes()).unwrap();
    let at = Instant(1_624_523_846_000);
    let read = |headers: &[(String, String)], body: &str, at| {
        notice::read("1234567890", &keys, &opener, headers, body.as_bytes(), at)
    };

    let told = read(&headers, body, at).unwrap();
    assert_eq!(told.id, "3119dfba-e649-5eec-ab1e-3412bc4d2e17");
    assert_eq!(told.plaintext, text(&vector, "plaintext").as_bytes());
    assert_eq!(
        told.news,
        News::Other("PAYSCORE.USER_OPEN_SERVICE".to_owned())
    );

    let fails = |refusal, headers: &[(String, String)], body: &str, at| {
        assert_eq!(read(headers, body, at).unwrap_err(), refusal);
    };
    for offset in [-300_001, 300_001] {
        fails(NoticeRefusal::StaleTime, &headers, body, at.plus_ms(offset));
    }
    assert!(read(&headers, body, at.plus_ms(300_000)).is_ok());
    let changed = body.replace("payscore", "payscorf");
    fails(NoticeRefusal::BadSignature, &headers, &changed, at);
    for name in headers.iter().map(|(name, _)| name) {
        let fewer: Vec<_> = headers.iter().filter(|(n, _)| n != name).cloned().collect();
        fails(NoticeRefusal::Unsigned, &fewer, body, at);
        let with = |value: &str| {
            let mut changed = headers.clone();
            changed.iter_mut().find(|(n, _)| n == name).unwrap().1 = value.to_owned();
            changed
        };
        let refusal = match name.as_str() {
            "WECHATPAY-TIMESTAMP" => NoticeRefusal::StaleTime,
            "WECHATPAY-SERIAL" => NoticeRefusal::UnknownKey,
            _ => NoticeRefusal::BadSignature,
        };
        fails(refusal, &with("x"), body, at);
        if name == "WECHATPAY-SIGNATURE" {
            let probe = with("WECHATPAY/SIGNTEST/kE3*not Base64");
            fails(NoticeRefusal::Probe, &probe, body, at);
        }
    }
}

/// A signed notice that carries `plaintext`.
async fn notice_of(
    event: &str,
    plaintext: &Value,
    aad: Option<&str>,
) -> (Vec<(String, String)>, Vec<u8>) {
    let mut resource = json!({
        "original_type": "x",
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": sealed(plaintext.to_string().as_bytes(), aad.unwrap_or_default()),
        "nonce": "0123456789ab",
    });
    if let Some(aad) = aad {
        resource["associated_data"] = json!(aad);
    }
    let body = json!({
        "id": "n-1",
        "create_time": "2026-11-22T09:59:58+08:00",
        "resource_type": "encrypt-resource",
        "event_type": event,
        "resource": resource,
    })
    .to_string()
    .into_bytes();
    let headers = signed(&body, now(), CERTIFICATE_SERIAL).await;
    let headers = headers.into_iter().map(|(n, v)| (n.to_owned(), v));
    (headers.collect(), body)
}

fn sealed(plaintext: &[u8], aad: &str) -> String {
    let key = UnboundKey::new(&AES_256_GCM, APIV3_KEY.as_bytes()).unwrap();
    let nonce = Nonce::try_assume_unique_for_key(b"0123456789ab").unwrap();
    let mut text = plaintext.to_vec();
    LessSafeKey::new(key)
        .seal_in_place_append_tag(nonce, Aad::from(aad.as_bytes()), &mut text)
        .unwrap();
    STANDARD.encode(text)
}

fn transaction(state: &str) -> Value {
    json!({
        "appid": "wx0123456789abcdef",
        "mchid": "1900000001",
        "out_trade_no": terms(Method::WechatNative).no.as_str(),
        "transaction_id": "4200000612032130748613220688",
        "trade_state": state,
        "success_time": "2026-11-22T09:59:50+08:00",
        "amount": { "total": 40_050, "payer_total": 40_000, "currency": "CNY" },
    })
}

#[tokio::test]
async fn notices_say_what_their_plaintext_says() {
    let gateway = gateway("http://127.0.0.1:9");
    for (state, aad) in [
        ("SUCCESS", Some("transaction")),
        ("REFUND", None),
        ("SUCCESS", Some("")),
    ] {
        let (headers, body) = notice_of("TRANSACTION.SUCCESS", &transaction(state), aad).await;
        let told = gateway.read_notice(&headers, &body, now()).unwrap();
        let News::Payment(paid) = told.news else {
            panic!("{:?}", told.news)
        };
        assert_eq!(paid.attempt_no, terms(Method::WechatNative).no.as_str());
        assert_eq!(
            (paid.amount, paid.currency.as_str()),
            (Fen::new(40_050), "CNY")
        );
        assert_eq!(
            (paid.merchant.as_str(), paid.app.as_str()),
            (gateway.merchant(), gateway.app())
        );
        assert_eq!(paid.paid_at, now().plus_ms(-10_000));
        assert_eq!(paid.refunded, state == "REFUND");
    }

    let refund = |status: &str, mchid: &str| {
        json!({
            "mchid": mchid, "out_refund_no": "R1", "refund_status": status,
            "success_time": "2026-11-22T09:59:50+08:00",
            "amount": { "total": 40_050, "refund": 10_005 },
        })
    };
    let code = |code: &str| code.to_owned();
    let done = RefundOutcome::Done {
        amount: Fen::new(10_005),
        at: now().plus_ms(-10_000),
    };
    for (status, outcome) in [
        ("SUCCESS", done),
        (
            "CLOSED",
            RefundOutcome::Closed {
                code: code("CLOSED"),
            },
        ),
        (
            "ABNORMAL",
            RefundOutcome::Abnormal {
                code: code("ABNORMAL"),
            },
        ),
    ] {
        let event = format!("REFUND.{status}");
        let (headers, body) =
            notice_of(&event, &refund(status, "1900000001"), Some("refund")).await;
        let told = gateway.read_notice(&headers, &body, now()).unwrap();
        let refund_no = "R1".to_owned();
        assert_eq!(told.news, News::Refund { refund_no, outcome });
    }
    let (headers, body) = notice_of("REFUND.SUCCESS", &refund("SUCCESS", "19"), None).await;
    let told = gateway.read_notice(&headers, &body, now()).unwrap();
    assert!(matches!(told.news, News::Other(_)), "{:?}", told.news);

    let (headers, body) = notice_of("TRANSACTION.SUCCESS", &json!({ "x": 1 }), None).await;
    let refusal = gateway.read_notice(&headers, &body, now()).unwrap_err();
    assert_eq!(refusal, NoticeRefusal::Malformed);
}

#[test]
fn orders_are_rendered_the_same_every_time() {
    let gateway = gateway("http://127.0.0.1:9");
    let body = |method| {
        let rendered = gateway.render(&terms(method));
        assert_eq!(rendered, gateway.render(&terms(method)));
        let envelope: Value = serde_json::from_slice(&rendered).unwrap();
        assert_eq!(envelope["return_url"], terms(method).return_url);
        envelope["body"].as_str().unwrap().to_owned()
    };
    let no = terms(Method::WechatNative).no;
    assert_eq!(
        body(Method::WechatNative),
        format!(
            r#"{{"appid":"wx0123456789abcdef","mchid":"1900000001","description":"2027年度城乡居民医保 a/b=c&d","out_trade_no":"{no}","time_expire":"2026-11-22T10:15:00+08:00","notify_url":"http://portal.test/notice","amount":{{"total":40050,"currency":"CNY"}}}}"#
        )
    );
    assert!(body(Method::WechatJsapi).ends_with(r#","payer":{"openid":"oDemo"}}"#));
    assert!(
        body(Method::WechatH5).ends_with(
            r#","scene_info":{"payer_client_ip":"192.0.2.7","h5_info":{"type":"Wap"}}}"#
        )
    );
    let no = refund_terms().no;
    let refund = gateway.render_refund(&refund_terms());
    let refund: Value = serde_json::from_slice(&refund).unwrap();
    assert_eq!(refund["out_refund_no"], no.as_str());
    assert_eq!(
        refund["amount"],
        json!({ "refund": 10_005, "total": 40_050, "currency": "CNY" })
    );
}

async fn create(stub: &Stub, method: Method) -> CreateOutcome {
    let gateway = gateway(&stub.base_url);
    let rendered = gateway.render(&terms(method));
    let no = terms(method).no;
    gateway
        .create(method, &no, &rendered, now(), NONCE.to_owned())
        .await
}

#[tokio::test]
async fn an_order_is_signed_over_what_is_sent_and_answered_with_a_way_to_pay() {
    let stub = Stub::start().await;
    let h5 = "https://wx.tenpay.com/checkmweb?prepay_id=wx1&package=2";
    for (method, path, answer, handover) in [
        (
            Method::WechatNative,
            "/v3/pay/transactions/native",
            json!({ "code_url": "weixin://wxpay/bizpayurl?pr=1" }),
            Handover::Qr("weixin://wxpay/bizpayurl?pr=1".to_owned()),
        ),
        (
            Method::WechatH5,
            "/v3/pay/transactions/h5",
            json!({ "h5_url": h5 }),
            Handover::Redirect(format!(
                "{h5}&redirect_url=http%3A%2F%2Fportal.test%2Fo%2F1%3Fx%3D1%26y%3D2"
            )),
        ),
        (
            Method::WechatJsapi,
            "/v3/pay/transactions/jsapi",
            json!({ "prepay_id": "wx2" }),
            Handover::PrepayId("wx2".to_owned()),
        ),
    ] {
        stub.play(good(200, answer).await);
        assert_eq!(create(&stub, method).await, CreateOutcome::Ready(handover));
        let asked = stub.asked();
        assert_eq!(
            (asked.method.as_str(), asked.target.as_str()),
            ("POST", path)
        );
        assert_eq!(asked.headers["wechatpay-serial"], PUBLIC_KEY_ID);
        let authorization = asked.headers["authorization"].to_str().unwrap();
        let part = |name: &str| {
            let start = authorization.split(&format!("{name}=\"")).nth(1).unwrap();
            start.split('"').next().unwrap()
        };
        assert!(authorization.starts_with("WECHATPAY2-SHA256-RSA2048 "));
        assert_eq!(
            part("serial_no"),
            "5F1C72E2A8931B72A2E13AF8DEE92471EB397115"
        );
        assert_eq!((part("mchid"), part("nonce_str")), ("1900000001", NONCE));
        let mut message = format!("POST\n{path}\n{}\n{NONCE}\n", part("timestamp")).into_bytes();
        message.extend_from_slice(&asked.body);
        message.push(b'\n');
        let merchant = Verifier::parse(&file("merchant_cert.pem")).unwrap();
        assert!(merchant.verify(&message, part("signature")));
    }
}

#[tokio::test]
async fn an_order_is_refused_only_when_nothing_payable_can_exist() {
    let stub = Stub::start().await;
    for (status, code, message) in [
        (400, "PARAM_ERROR", "x"),
        (400, "INVALID_REQUEST", "此商家的收款功能已被限制"),
        (400, "APPID_MCHID_NOT_MATCH", "x"),
        (403, "NO_AUTH", "x"),
        (403, "RULELIMIT", "x"),
        (500, "OPENID_MISMATCH", "x"),
    ] {
        stub.play(signed_failure(status, code, message).await);
        assert_eq!(
            create(&stub, Method::WechatNative).await,
            CreateOutcome::Refused {
                code: code.to_owned(),
                message: message.to_owned()
            }
        );
    }
    let re_entry = "请求重入时，参数与首次请求时不一致";
    let mut by_id = signed_failure(400, "INVALID_REQUEST", "x").await;
    by_id
        .headers
        .push(("request-id", "08F8C9-268498688".to_owned()));
    let mut misled = signed_failure(400, "PARAM_ERROR", "x").await;
    misled.body.push(b' ');
    let stale = Play {
        headers: signed(b"{}", now().plus_ms(-301_000), PUBLIC_KEY_ID).await,
        ..bare(200, "{}")
    };
    for play in [
        by_id,
        stale,
        misled,
        failure(400, "PARAM_ERROR", "x"),
        failure(401, "SIGN_ERROR", "x"),
        signed_failure(400, "INVALID_REQUEST", re_entry).await,
        signed_failure(400, "ORDERPAID", "x").await,
        signed_failure(403, "OUT_TRADE_NO_USED", "x").await,
        signed_failure(403, "TRADE_ERROR", "x").await,
        signed_failure(429, "FREQUENCY_LIMITED", "x").await,
        signed_failure(500, "SYSTEM_ERROR", "x").await,
        signed_failure(503, "PARAM_ERROR", "x").await,
        signed_failure(202, "USER_PAYING", "x").await,
        bare(502, "<html>bad gateway</html>"),
        bare(302, ""),
        bare(200, r#"{"code_url":"weixin://unsigned"}"#),
        good(200, json!({ "prepay_id": "not what was asked for" })).await,
        bare(200, &"x".repeat(2 * 1024 * 1024)),
        Play {
            hang: true,
            ..good(200, json!({ "code_url": "late" })).await
        },
    ] {
        let (status, body) = (play.status, play.body.clone());
        stub.play(play);
        let outcome = create(&stub, Method::WechatNative).await;
        let what = String::from_utf8_lossy(&body);
        let what = what.get(..what.len().min(80)).unwrap_or_default();
        assert!(
            matches!(outcome, CreateOutcome::Unknown { .. }),
            "{status} {what}: {outcome:?}"
        );
    }
    assert_eq!(stub.count(), 25);
}

#[tokio::test]
async fn an_answer_that_was_tampered_with_or_ends_early_says_nothing() {
    let stub = Stub::start().await;
    let mut changed = good(200, json!({ "code_url": "weixin://a" })).await;
    changed.body = br#"{"code_url":"weixin://b"}"#.to_vec();
    let mut stranger = good(200, json!({ "code_url": "weixin://a" })).await;
    stranger.headers[2].1 = "PUB_KEY_ID_of_somebody".to_owned();
    let mut no_base64 = good(200, json!({ "code_url": "weixin://a" })).await;
    no_base64.headers[3].1 = "***".to_owned();
    for play in [changed, stranger, no_base64] {
        stub.play(play);
        let outcome = create(&stub, Method::WechatNative).await;
        assert!(
            matches!(outcome, CreateOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }

    let no = terms(Method::WechatNative).no;
    for base_url in [truncating().await, "http://127.0.0.1:9".to_owned()] {
        let outcome = gateway(&base_url)
            .query(&no, b"", now(), NONCE.to_owned())
            .await;
        assert!(
            matches!(outcome, QueryOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_not_this_attempts_is_not_sent() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let no = terms(Method::WechatNative).no;
    let rendered = gateway.render(&terms(Method::WechatNative));
    let other = String::from_utf8(rendered.clone())
        .unwrap()
        .replace(no.as_str(), "JA");
    for (method, rendered) in [
        (Method::WechatNative, other.into_bytes()),
        (Method::WechatNative, Vec::new()),
        (Method::AlipayWap, rendered),
    ] {
        let outcome = gateway
            .create(method, &no, &rendered, now(), NONCE.to_owned())
            .await;
        assert!(!matches!(outcome, CreateOutcome::Ready(_)), "{outcome:?}");
    }
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn a_query_is_believed_only_when_signed() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let no = terms(Method::WechatNative).no;
    let mut other = transaction("SUCCESS");
    other["out_trade_no"] = json!("somebody else's");
    let mut no_amount = transaction("SUCCESS");
    no_amount["amount"] = json!({});
    let mut misled = signed_failure(404, "ORDER_NOT_EXIST", "x").await;
    misled.body.push(b' ');
    let mut too_little = transaction("PAYERROR");
    too_little["trade_state_desc"] = json!("支付失败，余额不足");
    for (play, name) in [
        (good(200, transaction("SUCCESS")).await, "Paid"),
        (good(200, transaction("REFUND")).await, "Paid"),
        (good(200, transaction("NOTPAY")).await, "NotPaid"),
        (good(200, transaction("USERPAYING")).await, "NotPaid(None)"),
        (
            good(200, transaction("PAYERROR")).await,
            "NotPaid(Some(Other))",
        ),
        (good(200, too_little).await, "NotPaid(Some(BalanceTooLow))"),
        (good(200, transaction("CLOSED")).await, "Closed"),
        (good(200, transaction("REVOKED")).await, "Closed"),
        (good(200, transaction("NEW_STATE")).await, "Unknown"),
        (good(200, other).await, "Unknown"),
        (good(200, no_amount).await, "Unknown"),
        (bare(200, &transaction("SUCCESS").to_string()), "Unknown"),
        (
            signed_failure(404, "ORDER_NOT_EXIST", "x").await,
            "NotFound",
        ),
        (signed_failure(404, "ORDERNOTEXIST", "x").await, "NotFound"),
        (failure(404, "ORDER_NOT_EXIST", "x"), "Unknown"),
        (misled, "Unknown"),
        (bare(404, "no such page"), "Unknown"),
        (signed_failure(500, "SYSTEM_ERROR", "x").await, "Unknown"),
    ] {
        let body = String::from_utf8_lossy(&play.body).into_owned();
        stub.play(play);
        let outcome = gateway.query(&no, b"", now(), NONCE.to_owned()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{body}: {outcome:?}"
        );
        if let QueryOutcome::Paid(paid) = outcome {
            assert_eq!(paid.refunded, body.contains("REFUND"));
            assert_eq!(paid.amount, Fen::new(40_050));
        }
    }
    let asked = stub.asked();
    let target = format!("/v3/pay/transactions/out-trade-no/{no}?mchid=1900000001");
    assert_eq!((asked.target, asked.body), (target, Vec::new()));
}

#[tokio::test]
async fn a_close_counts_only_with_a_signed_answer() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let no = terms(Method::WechatNative).no;
    let closed_before = failure(400, "ORDER_CLOSED", "x");
    for (play, name) in [
        (good(204, Value::Null).await, "Closed"),
        (bare(204, ""), "Unknown"),
        (signed_failure(400, "ORDERPAID", "x").await, "Paid"),
        (signed_failure(400, "ORDER_PAID", "x").await, "Paid"),
        (
            signed_failure(404, "ORDER_NOT_EXIST", "x").await,
            "NotFound",
        ),
        (failure(400, "ORDERPAID", "x"), "Unknown"),
        (failure(404, "ORDER_NOT_EXIST", "x"), "Unknown"),
        (closed_before, "Unknown"),
        (signed_failure(400, "ORDER_CLOSED", "x").await, "Closed"),
        (signed_failure(500, "SYSTEM_ERROR", "x").await, "Unknown"),
    ] {
        let body = String::from_utf8_lossy(&play.body).into_owned();
        stub.play(play);
        let outcome: CloseOutcome = gateway.close(&no, b"", now(), NONCE.to_owned()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{body}: {outcome:?}"
        );
    }
    assert_eq!(stub.asked().body, br#"{"mchid":"1900000001"}"#);
}

fn refund_body(status: &str) -> Value {
    json!({
        "refund_id": "5030",
        "out_refund_no": refund_terms().no.as_str(),
        "status": status,
        "success_time": "2026-11-22T09:59:50+08:00",
        "amount": { "total": 40_050, "refund": 10_005, "currency": "CNY" },
    })
}

#[tokio::test]
async fn a_refund_ends_only_by_a_signed_word() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let rendered = gateway.render_refund(&refund_terms());
    let mut other = refund_body("SUCCESS");
    other["out_refund_no"] = json!("R2");
    for (play, name) in [
        (good(200, refund_body("PROCESSING")).await, "Processing"),
        (
            good(200, refund_body("SUCCESS")).await,
            "Done { amount: Fen(10005)",
        ),
        (good(200, refund_body("CLOSED")).await, "Closed"),
        (good(200, refund_body("ABNORMAL")).await, "Abnormal"),
        (good(200, other).await, "Unknown"),
        (bare(200, &refund_body("SUCCESS").to_string()), "Unknown"),
        (
            signed_failure(403, "NOT_ENOUGH", "x").await,
            "ShortOfBalance",
        ),
        (
            signed_failure(403, "NOTENOUGH", "x").await,
            "ShortOfBalance",
        ),
        (failure(403, "NOT_ENOUGH", "x"), "Unknown"),
        (failure(400, "INVALID_REQUEST", "x"), "Unknown"),
        (
            signed_failure(400, "INVALID_REQUEST", "订单已全额退款").await,
            "Closed",
        ),
        (
            signed_failure(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致").await,
            "Unknown",
        ),
        (
            signed_failure(403, "USER_ACCOUNT_ABNORMAL", "x").await,
            "Abnormal",
        ),
        (
            signed_failure(429, "FREQUENCY_LIMITED", "x").await,
            "Unknown",
        ),
        (signed_failure(500, "SYSTEM_ERROR", "x").await, "Unknown"),
    ] {
        let body = String::from_utf8_lossy(&play.body).into_owned();
        stub.play(play);
        let outcome = gateway.refund(&rendered, now(), NONCE.to_owned()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{body}: {outcome:?}"
        );
        assert_eq!(stub.asked().body, rendered);
    }
    let (attempt_no, no) = (refund_terms().attempt_no, refund_terms().no);
    for (play, name) in [
        (
            good(200, refund_body("SUCCESS")).await,
            "Done { amount: Fen(10005)",
        ),
        (
            signed_failure(404, "RESOURCE_NOT_EXISTS", "x").await,
            "NotFound",
        ),
        (failure(404, "RESOURCE_NOT_EXISTS", "x"), "Unknown"),
        (signed_failure(500, "SYSTEM_ERROR", "x").await, "Unknown"),
    ] {
        stub.play(play);
        let outcome = gateway
            .query_refund(&attempt_no, &no, b"", now(), NONCE.to_owned())
            .await;
        assert!(format!("{outcome:?}").starts_with(name), "{outcome:?}");
    }
    assert_eq!(
        stub.asked().target,
        format!("/v3/refund/domestic/refunds/{no}")
    );
}

#[tokio::test]
async fn certificates_are_fetched_on_the_proof_of_the_shared_key() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let serial = "5F1C72E2A8931B72A2E13AF8DEE92471EB397115";
    let listing = |named: &str| {
        json!({ "data": [{
            "serial_no": named,
            "effective_time": "2026-01-01T00:00:00+08:00",
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM", "nonce": "0123456789ab",
                "associated_data": "certificate",
                "ciphertext": sealed(&file("merchant_cert.pem"), "certificate"),
            },
        }]})
    };
    let refresh = async |play: Play| {
        stub.play(play);
        gateway.refresh_certificates(now(), NONCE.to_owned()).await
    };
    assert!(gateway.keys.get(serial).is_none());
    assert!(gateway.certificates_due(now()), "none have been fetched");
    assert!(refresh(good(200, listing("00")).await).await.is_err());
    assert!(
        refresh(bare(200, &listing(serial).to_string()))
            .await
            .is_err()
    );
    assert!(refresh(failure(403, "NOT_ENOUGH", "x")).await.is_err());
    assert!(gateway.keys.get(serial).is_none());

    // Signed with the very certificate that the answer carries.
    let body = listing(serial).to_string().into_bytes();
    let time = now().0.div_euclid(1_000).to_string();
    let message = signed_message(&time, "n", &body);
    let signature = signer("merchant_key.pem").sign(message).await.unwrap();
    let headers = vec![
        ("wechatpay-timestamp", time),
        ("wechatpay-nonce", "n".to_owned()),
        ("wechatpay-serial", serial.to_owned()),
        ("wechatpay-signature", signature),
    ];
    let play = Play {
        status: 200,
        headers,
        body,
        hang: false,
    };
    assert_eq!(refresh(play).await, Ok(1));
    assert!(gateway.keys.get(serial).is_some());
    let half_a_day = now().plus_ms(12 * HOUR_MS);
    let just_before = half_a_day.plus_ms(-1);
    assert!(!gateway.certificates_due(now()));
    assert!(!gateway.certificates_due(just_before));
    assert!(gateway.certificates_due(half_a_day));
    gateway.keys.find("PUB_KEY_ID_of_somebody");
    assert!(
        !gateway.certificates_due(just_before),
        "a public key cannot be fetched"
    );
    gateway.keys.find("77");
    assert!(gateway.certificates_due(now()));
    assert!(
        gateway.keys.get(CERTIFICATE_SERIAL).is_some(),
        "the configured one stays"
    );
}

#[tokio::test]
async fn the_bridge_and_the_openid_belong_to_the_app() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let bridge = gateway
        .bridge("wx1", now(), NONCE.to_owned())
        .await
        .unwrap();
    let message = format!(
        "wx0123456789abcdef\n{}\n{NONCE}\nprepay_id=wx1\n",
        now().0 / 1_000
    );
    let merchant = Verifier::parse(&file("merchant_cert.pem")).unwrap();
    assert!(merchant.verify(message.as_bytes(), &bridge.pay_sign));
    assert_eq!(
        (bridge.package.as_str(), bridge.sign_type.as_str()),
        ("prepay_id=wx1", "RSA")
    );

    assert_eq!(
        gateway.authorize_url("http://portal.test/back?a=1", "s"),
        Some(format!(
            "{}/connect/oauth2/authorize?appid=wx0123456789abcdef&redirect_uri=http%3A%2F%2Fportal.test%2Fback%3Fa%3D1&response_type=code&scope=snsapi_base&state=s#wechat_redirect",
            stub.base_url
        ))
    );
    stub.play(bare(200, r#"{"access_token":"t","openid":"oDemo"}"#));
    assert_eq!(gateway.openid("c0de").await.as_deref(), Ok("oDemo"));
    assert_eq!(
        stub.asked().target,
        "/sns/oauth2/access_token?appid=wx0123456789abcdef&secret=not-a-secret&code=c0de&grant_type=authorization_code"
    );
    stub.play(bare(200, r#"{"errcode":40163,"errmsg":"code been used"}"#));
    let error = gateway.openid("c0de").await.unwrap_err();
    assert_eq!(error.code(), "channels.wechat.openid.refused");
    stub.play(bare(502, "<html>"));
    let error = gateway.openid("c0de").await.unwrap_err();
    assert!(!format!("{error:?}{error}").contains("not-a-secret"));
    assert_eq!(error.code(), "channels.wechat.openid.unavailable");
}

async fn fetch(stub: &Stub, day: &str, into: &mut Vec<u8>) -> BillOutcome {
    let (day, nonces) = (day.parse().unwrap(), [NONCE.to_owned(), "N2".to_owned()]);
    let gateway = gateway(&stub.base_url);
    let fetched = gateway.fetch(BillSort::Refund, day, into, now(), nonces);
    fetched.await
}

/// The bill itself is not signed: it is the one whose hash the signed answer told.
#[tokio::test]
async fn a_bill_is_known_by_its_hash() {
    let stub = Stub::start().await;
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"plain").unwrap();
    let packed = packed.finish().unwrap();
    let hash = {
        use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
        let own = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"plain");
        data_encoding::HEXLOWER.encode(own.as_ref())
    };
    let url = format!("{}/v3/billdownload/file?token=x", stub.base_url);
    let offer = |hash: &str, url: &str, kind: &str| {
        let (hash_value, download_url) = (hash, url);
        json!({
            "hash_type": kind, "hash_value": hash_value, "download_url": download_url,
        })
    };
    let file = |body: &[u8]| Play {
        status: 200,
        body: body.to_vec(),
        ..Play::default()
    };
    let half = &packed[..packed.len() / 2];
    for (offered, body, expected) in [
        (offer(&hash, &url, "SHA1"), packed.as_slice(), "Ready"),
        (offer(&hash.to_uppercase(), &url, "SHA1"), &packed, "Ready"),
        (
            offer(&"0".repeat(40), &url, "SHA1"),
            &packed,
            "Refused(Hash",
        ),
        (offer(&hash, &url, "SHA1"), half, "Unknown"),
        (offer(&hash, &url, "SHA1"), b"plain", "Unknown"),
        (
            offer(&hash, "http://192.0.2.1/x", "SHA1"),
            &packed,
            "Unknown",
        ),
        (offer(&hash, &url, "MD5"), &packed, "Unknown"),
    ] {
        stub.play_in_turn(vec![good(200, offered.clone()).await, file(body)]);
        let mut into = Vec::new();
        let outcome = format!("{:?}", fetch(&stub, "2026-11-21", &mut into).await);
        assert!(outcome.starts_with(expected), "{offered} {outcome}");
        if expected == "Ready" {
            assert_eq!(into, packed);
            let asked = stub.asked();
            assert_eq!(asked.target, "/v3/billdownload/file?token=x");
            assert!(asked.headers.contains_key("authorization"));
        }
    }
}

#[tokio::test]
async fn a_day_without_a_bill_is_believed_only_when_signed() {
    let stub = Stub::start().await;
    for (play, expected) in [
        (
            signed_failure(400, "NO_STATEMENT_EXIST", "x").await,
            "NoBill",
        ),
        (failure(400, "NO_STATEMENT_EXIST", "x"), "Unknown"),
        (
            signed_failure(400, "STATEMENT_CREATING", "x").await,
            "NotYet",
        ),
        (failure(400, "STATEMENT_CREATING", "x"), "Unknown"),
        (signed_failure(400, "PARAM_ERROR", "x").await, "Unknown"),
    ] {
        stub.play(play);
        let outcome = format!("{:?}", fetch(&stub, "2026-11-21", &mut Vec::new()).await);
        assert!(outcome.starts_with(expected), "{expected} {outcome}");
    }
    let target = "/v3/bill/tradebill?bill_date=2026-11-21&bill_type=REFUND&tar_type=GZIP";
    assert_eq!(stub.asked().target, target);
}
