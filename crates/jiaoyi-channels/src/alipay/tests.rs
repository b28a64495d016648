//! Alipay: published vectors, and what the adapter makes of every kind of answer and notice.

use super::answer::{self, Answer};
use super::{AlipayGateway, CertificateSns, Trust, notice};
use crate::bill::{BillOutcome, Bills};
use crate::config::{AlipayApi, ChannelsConfig};
use crate::crypto::{Signer, SigningThreads, Verifier};
use crate::form;
use crate::gateway::Gateway;
use crate::http::Http;
use crate::stub::{Play, Stub, truncating};
use crate::testdata::{channels, dir, file, now, refund_terms, terms, vector};
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::channel::{
    CloseOutcome, CreateOutcome, Handover, Method, News, NoticeRefusal, QueryOutcome, RefundOutcome,
};
use jiaoyi_domain::money::Fen;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

fn gateway(base_url: &str) -> Arc<AlipayGateway> {
    channels(base_url).alipay.unwrap()
}

async fn sign(message: &[u8]) -> String {
    let key = Signer::parse(&file("channel_key.pem"), SigningThreads::start(1).unwrap()).unwrap();
    key.sign(message.to_vec()).await.unwrap()
}

/// An answer of `method`, signed.
async fn good(method: &str, response: Value) -> Play {
    let response = response.to_string();
    let sign = sign(response.as_bytes()).await;
    plain(&format!(
        r#"{{"alipay_trade_{method}_response":{response},"sign":"{sign}"}}"#
    ))
}

fn plain(body: &str) -> Play {
    Play {
        status: 200,
        body: body.as_bytes().to_vec(),
        ..Play::default()
    }
}

fn failure(sub_code: &str) -> Value {
    json!({ "code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "x" })
}

#[test]
fn the_official_notices_verify_exactly_where_they_should() {
    let keys = vector("ali-notify-keys");
    let v1 = Verifier::parse(keys["v1_der_base64"].as_str().unwrap().as_bytes()).unwrap();
    let v2 = Verifier::parse(keys["v2_pem"].as_str().unwrap().as_bytes()).unwrap();
    for number in 1..=6 {
        let vector = vector(&format!("ali-notify-{number}"));
        let parameters: Vec<(Vec<u8>, Vec<u8>)> = vector["params"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.clone().into_bytes(), value.as_str().unwrap().into()))
            .collect();
        let signature = vector["params"]["sign"].as_str().unwrap();
        for (variant, with_sign_type) in [("without sign_type", false), ("with sign_type", true)] {
            let message = notice::message(&parameters, with_sign_type);
            let verifying: Vec<&str> = [("v1", &v1), ("v2", &v2)]
                .into_iter()
                .filter(|(_, key)| key.verify(&message, signature))
                .map(|(name, _)| name)
                .collect();
            assert_eq!(
                json!(verifying),
                vector["verifies"][variant],
                "{number} {variant}"
            );
        }
        let verified = [&v1, &v2]
            .into_iter()
            .any(|key| notice::verify(key, &parameters, signature));
        assert_eq!(json!(verified), vector["expected"], "{number}");
    }
}

#[test]
fn the_official_answer_verifies_over_its_raw_characters() {
    let vector = vector("ali-sync-response");
    let trust = Trust {
        key: Verifier::parse(vector["public_key"].as_str().unwrap().as_bytes()).unwrap(),
        certificates: None,
    };
    let raw = vector["raw_response"].as_str().unwrap();
    let method = "alipay.open.file.upload";
    let Answer::Told { fields, signed } = answer::read(method, raw.as_bytes(), &trust) else {
        panic!("not read")
    };
    assert!(signed);
    assert_eq!(fields.code(), "10000");
    assert!(fields.text("file_id").is_some());
    let spaced = raw.replace("\"code\":", "\"code\": ");
    for wrong in [
        raw.replace("10000", "10001"),
        spaced,
        raw.replace("F+LD", "G+LD"),
        raw.replacen("{\"alipay", "{\"sign\":\"\",\"alipay", 1),
        raw.replace("alipay_open", "alipay_shut"),
        raw.replace("\"sign\":", "\"sing\":"),
        raw.get(..raw.len() - 1).unwrap().to_owned(),
    ] {
        let answer = answer::read(method, wrong.as_bytes(), &trust);
        assert!(
            matches!(answer, Answer::Nothing { .. }),
            "{wrong}: {answer:?}"
        );
    }
}

#[test]
fn certificate_mode_names_its_certificates() {
    let vector = vector("ali-cert-sn");
    let config = ChannelsConfig::load(&dir().join("channels.toml")).unwrap();
    let mut config = config.alipay.unwrap();
    let path = |index: usize| Some(PathBuf::from(vector["files"][index].as_str().unwrap()));
    config.app_cert = path(0);
    assert!(Trust::open(&config, &dir()).is_err(), "all three or none");
    config.alipay_cert = path(1);
    config.alipay_root_cert = path(2);
    let sns = Trust::open(&config, &dir()).unwrap().certificates.unwrap();
    let named = json!([sns.app, sns.alipay, sns.root]);
    assert_eq!(named, vector["expected"]);
}

/// In certificate mode an answer names the certificate whose key signed it: another's is refused with
/// that reason. The signature counts all the same, and without a name it alone.
#[tokio::test]
async fn an_answer_under_another_certificate_is_refused_with_that_reason() {
    let names = vector("ali-cert-sn");
    let named = names["expected"][1].as_str().unwrap();
    let key = || Verifier::parse(&file("channel_cert.pem")).unwrap();
    let sns = CertificateSns {
        app: String::new(),
        root: String::new(),
        alipay: named.to_owned(),
    };
    let with_certificates = Trust {
        key: key(),
        certificates: Some(sns),
    };
    let with_key = Trust {
        key: key(),
        certificates: None,
    };
    let response = trade("WAIT_BUYER_PAY").to_string();
    let good = sign(response.as_bytes()).await;
    let another = "the answer is signed with another certificate";
    let wrong = "the signature of the answer is wrong";
    let twice = format!(r#"{named}","alipay_cert_sn":"another"#);
    for (trust, name, sign, why) in [
        (&with_certificates, named, good.as_str(), ""),
        (&with_certificates, "", &good, ""),
        (&with_certificates, "another", &good, another),
        (&with_certificates, &twice, &good, another),
        (&with_certificates, named, "AAAA", wrong),
        (&with_key, "another", &good, ""),
    ] {
        let name = match name {
            "" => String::new(),
            name => format!(r#""alipay_cert_sn":"{name}","#),
        };
        let body = format!(r#"{{"alipay_trade_query_response":{response},{name}"sign":"{sign}"}}"#);
        match answer::read("alipay.trade.query", body.as_bytes(), trust) {
            Answer::Told { signed, .. } => assert!(signed && why.is_empty(), "{body}"),
            Answer::Nothing { why: told } => assert_eq!(told, why, "{body}"),
        }
    }
}

fn parameters(query: &str) -> Vec<(String, String)> {
    form::parse(query.as_bytes())
        .into_iter()
        .map(|(key, value)| {
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (text(key), text(value))
        })
        .collect()
}

fn assert_signed_by_the_app(parameters: &[(String, String)]) {
    let key = Verifier::parse(&file("merchant_cert.pem")).unwrap();
    let sign = &parameters.iter().find(|(key, _)| key == "sign").unwrap().1;
    assert!(key.verify(&form::signed_string(parameters), sign));
}

#[tokio::test]
async fn a_link_is_built_without_a_call_and_is_signed() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    for (method, name, product) in [
        (Method::AlipayWap, "alipay.trade.wap.pay", "QUICK_WAP_WAY"),
        (
            Method::AlipayPage,
            "alipay.trade.page.pay",
            "FAST_INSTANT_TRADE_PAY",
        ),
    ] {
        let terms = terms(method);
        let rendered = gateway.render(&terms);
        assert_eq!(rendered, gateway.render(&terms));
        let create = || gateway.create(method, &terms.no, &rendered, now(), String::new());
        let outcome = create().await;
        let CreateOutcome::Ready(Handover::Redirect(url)) = &outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(outcome, create().await);
        let query = url
            .strip_prefix(&format!("{}/gateway.do?", stub.base_url))
            .unwrap();
        let parameters = parameters(query);
        assert_signed_by_the_app(&parameters);
        let get = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).unwrap()
        };
        assert_eq!(
            (get("method"), get("timestamp")),
            (name, "2026-11-22 10:00:00")
        );
        assert_eq!(get("return_url"), terms.return_url);
        let content: Value = serde_json::from_str(get("biz_content")).unwrap();
        let mut expected = json!({
            "out_trade_no": terms.no.as_str(),
            "total_amount": "400.50",
            "subject": "2027年度城乡居民医保 a b c d",
            "product_code": product,
            "seller_id": "2088000000000001",
            "time_expire": "2026-11-22 10:15:00",
            "goods_type": "0",
        });
        if method == Method::AlipayWap {
            expected["quit_url"] = json!(terms.return_url);
        }
        assert_eq!(content, expected);
    }
    assert_eq!(stub.count(), 0);
}

#[tokio::test]
async fn a_code_is_handed_out_only_after_a_signed_success() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let terms = terms(Method::AlipayPrecreate);
    let rendered = gateway.render(&terms);
    let success =
        json!({ "code": "10000", "msg": "Success", "qr_code": "https://qr.alipay.com/x" });
    // Alipay may sign what it sends with escaped slashes in either form.
    let escaped = r#"{"code":"10000","qr_code":"https:\/\/qr.alipay.com\/x"}"#;
    let escaped = [escaped.to_owned(), escaped.replace("\\/", "/")];
    let escaped = async |signed_as: usize| {
        let sign = sign(escaped[signed_as].as_bytes()).await;
        let raw = &escaped[0];
        plain(&format!(
            r#"{{"sign":"{sign}","alipay_trade_precreate_response":{raw}}}"#
        ))
    };
    let unsigned = |response: &Value| {
        plain(&json!({ "alipay_trade_precreate_response": response }).to_string())
    };
    let error = plain(
        r#"{"error_response":{"code":"40002","msg":"x","sub_code":"isv.invalid-signature"}}"#,
    );
    let wrong_sign = plain(&format!(
        r#"{{"alipay_trade_precreate_response":{success},"sign":"{}"}}"#,
        sign(b"something else").await
    ));
    let late = Play {
        hang: true,
        ..good("precreate", success.clone()).await
    };
    let service = json!({ "code": "20000", "msg": "x", "sub_code": "isp.unknow-error" });
    for (play, name) in [
        (
            good("precreate", success.clone()).await,
            "Ready(Qr(\"https://qr.alipay.com/x\"))",
        ),
        (escaped(0).await, "Ready(Qr(\"https://qr.alipay.com/x\"))"),
        (escaped(1).await, "Ready(Qr(\"https://qr.alipay.com/x\"))"),
        (unsigned(&success), "Unknown"),
        (wrong_sign, "Unknown"),
        (error, "Refused { code: \"isv.invalid-signature\""),
        (
            good("precreate", failure("ACQ.INVALID_PARAMETER")).await,
            "Refused",
        ),
        (unsigned(&failure("ACQ.INVALID_PARAMETER")), "Unknown"),
        (
            good("precreate", failure("ACQ.CONTEXT_INCONSISTENT")).await,
            "Unknown",
        ),
        (
            good("precreate", failure("ACQ.TRADE_HAS_SUCCESS")).await,
            "Unknown",
        ),
        (
            good("precreate", failure("ACQ.SYSTEM_ERROR")).await,
            "Unknown",
        ),
        (good("precreate", service.clone()).await, "Unknown"),
        (unsigned(&service), "Unknown"),
        (good("query", success.clone()).await, "Unknown"),
        (
            good("precreate", json!({ "code": "10000" })).await,
            "Unknown",
        ),
        (
            Play {
                status: 503,
                ..good("precreate", success.clone()).await
            },
            "Unknown",
        ),
        (plain("<html>"), "Unknown"),
        (late, "Unknown"),
    ] {
        let body = String::from_utf8_lossy(&play.body).into_owned();
        stub.play(play);
        let outcome = gateway
            .create(terms.method, &terms.no, &rendered, now(), String::new())
            .await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{body}: {outcome:?}"
        );
    }
    let asked = stub.asked();
    let mut sent = parameters(asked.target.split_once('?').unwrap().1);
    sent.extend(parameters(std::str::from_utf8(&asked.body).unwrap()));
    assert_signed_by_the_app(&sent);
    assert!(sent.iter().all(|(name, _)| name != "return_url"));
}

fn trade(status: &str) -> Value {
    json!({
        "code": "10000", "msg": "Success",
        "out_trade_no": terms(Method::AlipayWap).no.as_str(),
        "trade_no": "2026112222001",
        "trade_status": status,
        "total_amount": "400.50",
        "buyer_pay_amount": "0.00",
        "receipt_amount": "0.00",
    })
}

fn with(mut value: Value, name: &str, field: Value) -> Value {
    value[name] = field;
    value
}

#[tokio::test]
async fn a_query_tells_paid_only_when_signed_and_closed_only_when_never_paid() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let no = terms(Method::AlipayWap).no;
    let at = json!("2026-11-22 09:59:50");
    let paid = with(trade("TRADE_SUCCESS"), "send_pay_date", at.clone());
    let refunded = with(trade("TRADE_CLOSED"), "send_pay_date", at.clone());
    for (response, name) in [
        (paid.clone(), "Paid"),
        (with(paid.clone(), "total_amount", json!(400.5)), "Paid"),
        (with(trade("TRADE_FINISHED"), "send_pay_date", at), "Paid"),
        (refunded, "Paid"),
        (
            with(trade("TRADE_CLOSED"), "receipt_amount", json!("400.50")),
            "Unknown",
        ),
        (trade("TRADE_CLOSED"), "Closed"),
        (trade("WAIT_BUYER_PAY"), "NotPaid"),
        (trade("NEW_STATUS"), "Unknown"),
        (
            with(paid.clone(), "out_trade_no", json!("other")),
            "Unknown",
        ),
        (
            with(paid.clone(), "total_amount", json!("400.505")),
            "Unknown",
        ),
        (with(paid.clone(), "code", json!("10003")), "Unknown"),
        (failure("ACQ.TRADE_NOT_EXIST"), "NotFound"),
        (failure("ACQ.SYSTEM_ERROR"), "Unknown"),
    ] {
        stub.play(good("query", response.clone()).await);
        let outcome = gateway.query(&no, b"", now(), String::new()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{response}: {outcome:?}"
        );
        if let QueryOutcome::Paid(seen) = outcome {
            assert_eq!(
                (seen.amount, seen.txn_id.as_str()),
                (Fen::new(40_050), "2026112222001")
            );
            assert_eq!(
                (seen.merchant.as_str(), seen.app.as_str()),
                (gateway.merchant(), gateway.app())
            );
            assert_eq!(seen.refunded, response["trade_status"] == "TRADE_CLOSED");
            if !response["send_pay_date"].is_null() {
                assert_eq!(seen.paid_at, now().plus_ms(-10_000));
            }
        }
    }
    for unsigned in [paid, failure("ACQ.TRADE_NOT_EXIST")] {
        stub.play(plain(
            &json!({ "alipay_trade_query_response": unsigned }).to_string(),
        ));
        let outcome = gateway.query(&no, b"", now(), String::new()).await;
        assert!(
            matches!(outcome, QueryOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }
    let broken = channels(&truncating().await).alipay.unwrap();
    let outcome = broken.query(&no, b"", now(), String::new()).await;
    assert!(
        matches!(outcome, QueryOutcome::Unknown { .. }),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_close_never_guesses() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let no = terms(Method::AlipayWap).no;
    let success = json!({ "code": "10000", "out_trade_no": no.as_str() });
    for (response, name) in [
        (success.clone(), "Closed"),
        (with(success, "out_trade_no", json!("other")), "Unknown"),
        (failure("ACQ.TRADE_NOT_EXIST"), "NotFound"),
        (failure("ACQ.TRADE_STATUS_ERROR"), "Unknown"),
        (failure("ACQ.SYSTEM_ERROR"), "Unknown"),
    ] {
        stub.play(good("close", response.clone()).await);
        let outcome = gateway.close(&no, b"", now(), String::new()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{response}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_close_is_settled_by_a_query() {
    let refused = failure("ACQ.TRADE_STATUS_ERROR");
    let no = terms(Method::AlipayWap).no;
    let sent = json!("2026-11-22 09:59:50");
    let paid = with(trade("TRADE_SUCCESS"), "send_pay_date", sent);
    for (told, name) in [
        (paid, "Paid"),
        (trade("TRADE_CLOSED"), "Closed"),
        (trade("WAIT_BUYER_PAY"), "Unknown"),
        (failure("ACQ.TRADE_NOT_EXIST"), "Unknown"),
    ] {
        let stub = Stub::start().await;
        stub.play_in_turn(vec![
            good("close", refused.clone()).await,
            good("query", told.clone()).await,
        ]);
        let outcome = gateway(&stub.base_url)
            .close(&no, b"", now(), String::new())
            .await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{told}: {outcome:?}"
        );
        assert_eq!(stub.count(), 2);
    }
}

#[tokio::test]
async fn a_refund_is_done_only_when_money_moved() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let terms = refund_terms();
    let rendered = gateway.render_refund(&terms);
    let no = terms.attempt_no.as_str();
    // `refund_fee` counts earlier refunds of the trade too.
    let success =
        json!({ "code": "10000", "out_trade_no": no, "fund_change": "Y", "refund_fee": "300.05" });
    for (response, name) in [
        (success.clone(), "Done { amount: Fen(10005)"),
        (with(success.clone(), "fund_change", json!("N")), "Unknown"),
        (json!({ "code": "10000", "out_trade_no": no }), "Unknown"),
        (with(success, "out_trade_no", json!("other")), "Unknown"),
        (failure("ACQ.SELLER_BALANCE_NOT_ENOUGH"), "ShortOfBalance"),
        (
            failure("ACQ.TRADE_HAS_FINISHED"),
            "Closed { code: \"ACQ.TRADE_HAS_FINISHED\"",
        ),
        (failure("ACQ.REASON_TRADE_REFUND_FEE_ERR"), "Closed"),
        (failure("ACQ.BUYER_NOT_EXIST"), "Abnormal"),
        (failure("ACQ.DISCORDANT_REPEAT_REQUEST"), "Unknown"),
        (failure("ACQ.SYSTEM_ERROR"), "Unknown"),
    ] {
        stub.play(good("refund", response.clone()).await);
        let outcome = gateway.refund(&rendered, now(), String::new()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{response}: {outcome:?}"
        );
    }
    let sent = parameters(std::str::from_utf8(&stub.asked().body).unwrap());
    let content: Value = serde_json::from_str(&sent[0].1).unwrap();
    assert_eq!(content["refund_amount"], "100.05");
    assert_eq!(content["out_request_no"], terms.no.as_str());

    let done = json!({
        "code": "10000", "out_trade_no": no, "out_request_no": terms.no.as_str(),
        "refund_status": "REFUND_SUCCESS", "refund_amount": "100.05",
        "gmt_refund_pay": "2026-11-22 09:59:50",
    });
    for (response, name) in [
        (done.clone(), "Done { amount: Fen(10005)"),
        (
            with(done.clone(), "refund_status", json!("REFUND_PROCESSING")),
            "Processing",
        ),
        (
            with(done.clone(), "refund_status", json!("REFUND_FAIL")),
            "Unknown",
        ),
        (with(done, "out_request_no", json!("other")), "Unknown"),
        (json!({ "code": "10000", "msg": "Success" }), "NotFound"),
        (failure("ACQ.TRADE_NOT_EXIST"), "NotFound"),
        (failure("ACQ.SYSTEM_ERROR"), "Unknown"),
    ] {
        stub.play(good("fastpay_refund_query", response.clone()).await);
        let outcome = gateway
            .query_refund(&terms.attempt_no, &terms.no, b"", now(), String::new())
            .await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{response}: {outcome:?}"
        );
        if let RefundOutcome::Done { at, .. } = outcome {
            assert_eq!(at, now().plus_ms(-10_000));
        }
    }
}

/// A notice signed the way Alipay signs it: bytes of the charset, without `sign_type`.
async fn notice_of(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut fields: Vec<(&str, Vec<u8>)> = fields.iter().map(|(k, v)| (*k, v.to_vec())).collect();
    let base: [(&str, &str); 8] = [
        ("notify_type", "trade_status_sync"),
        ("notify_id", "n-1"),
        ("sign_type", "RSA2"),
        ("app_id", "2026000000000001"),
        ("seller_id", "2088000000000001"),
        ("out_trade_no", "JA1"),
        ("trade_no", "2026112222001"),
        ("total_amount", "400.50"),
    ];
    for (name, value) in base {
        if fields.iter().all(|(key, _)| *key != name) {
            fields.push((name, value.into()));
        }
    }
    let covered: Vec<_> = fields
        .iter()
        .filter(|(key, _)| *key != "sign_type")
        .cloned()
        .collect();
    let sign = sign(&form::signed_string(&covered)).await;
    fields.push(("sign", sign.into_bytes()));
    let encode = |(name, value): &(&str, Vec<u8>)| {
        format!("{name}={}", percent_encode(value, NON_ALPHANUMERIC))
    };
    let body: Vec<String> = fields.iter().map(encode).collect();
    body.join("&").into_bytes()
}

#[tokio::test]
async fn notices_tell_payments_refunds_and_nothing_else() {
    let gateway = gateway("http://127.0.0.1:9");
    let refund_no = refund_terms().no;
    let paid_at: (&str, &[u8]) = ("gmt_payment", b"2026-11-22 09:59:50");
    let status = |status: &'static str| ("trade_status", status.as_bytes());
    let ours: (&str, &[u8]) = ("out_biz_no", refund_no.as_str().as_bytes());
    let fee: (&str, &[u8]) = ("refund_fee", b"100.05");
    let when: (&str, &[u8]) = ("gmt_refund", b"2026-11-22 09:59:55.536");
    for (fields, name) in [
        (vec![status("TRADE_SUCCESS"), paid_at], "Payment"),
        (vec![status("TRADE_FINISHED"), paid_at], "Payment"),
        (
            vec![status("TRADE_SUCCESS"), paid_at, ("refund_fee", b"0.00")],
            "Payment",
        ),
        (
            vec![status("TRADE_SUCCESS"), paid_at, fee, when, ours],
            "Refund",
        ),
        (
            vec![status("TRADE_CLOSED"), paid_at, fee, when, ours],
            "Refund",
        ),
        (vec![status("TRADE_CLOSED"), paid_at, fee, when], "Payment"),
        (
            vec![
                status("TRADE_SUCCESS"),
                paid_at,
                fee,
                ("out_biz_no", b"console-1"),
            ],
            "Payment",
        ),
        (
            vec![
                status("TRADE_CLOSED"),
                ("refund_fee", b"0.00"),
                ("gmt_close", b"x"),
            ],
            "Other",
        ),
        (vec![status("WAIT_BUYER_PAY")], "Other"),
        (
            vec![status("TRADE_SUCCESS"), ("notify_type", b"else")],
            "Other",
        ),
    ] {
        let body = notice_of(&fields).await;
        let told = gateway.read_notice(&[], &body, now()).unwrap();
        assert_eq!((told.id.as_str(), &told.plaintext), ("n-1", &body));
        assert!(
            format!("{:?}", told.news).starts_with(name),
            "{fields:?} {:?}",
            told.news
        );
        match told.news {
            News::Payment(seen) => {
                assert_eq!(seen.refunded, fields.contains(&fee));
                assert_eq!(
                    (seen.amount, seen.paid_at),
                    (Fen::new(40_050), now().plus_ms(-10_000))
                );
                assert_eq!(
                    (seen.merchant.as_str(), seen.app.as_str()),
                    (gateway.merchant(), gateway.app())
                );
            }
            News::Refund {
                refund_no: told,
                outcome,
            } => {
                // The fee is cumulative, so the amount has to be asked for.
                assert_eq!(
                    (told.as_str(), outcome),
                    (refund_no.as_str(), RefundOutcome::Processing)
                );
            }
            News::Other(_) => {}
        }
    }
}

#[tokio::test]
async fn a_notice_is_verified_in_its_own_charset_and_in_every_byte() {
    let gateway = gateway("http://127.0.0.1:9");
    // 医保 in GBK.
    let gbk: [(&str, &[u8]); 3] = [
        ("charset", b"GBK"),
        ("subject", b"\xd2\xbd\xb1\xa3"),
        ("trade_status", b"TRADE_SUCCESS"),
    ];
    let body = notice_of(&gbk).await;
    let told = gateway.read_notice(&[], &body, now()).unwrap();
    assert!(matches!(told.news, News::Payment(_)), "{:?}", told.news);

    let not_utf8 = notice_of(&[("charset", b"utf-8"), gbk[1], gbk[2]]).await;
    let refusal = |body: &[u8]| gateway.read_notice(&[], body, now()).unwrap_err();
    assert_eq!(refusal(&not_utf8), NoticeRefusal::Malformed);
    let header = [(
        "Content-Type".to_owned(),
        "text/html; charset=gbk".to_owned(),
    )];
    let unnamed = notice_of(&gbk[1..]).await;
    assert!(gateway.read_notice(&header, &unnamed, now()).is_ok());

    let text = String::from_utf8(body).unwrap();
    let bad = NoticeRefusal::BadSignature;
    for (changed, expected) in [
        (text.replace("400%2E50", "400%2E51"), bad),
        (
            text.replace("app%5Fid", "app_id")
                .replace("2026000000000001", "2026000000000002"),
            bad,
        ),
        (format!("{text}&extra=1"), bad),
        (text.replace("RSA2", "RSA"), bad),
        (text.replace("sign=", "sing="), NoticeRefusal::Unsigned),
        (
            text.split("&sign=").next().unwrap().to_owned() + "&sign=%2A%2A",
            bad,
        ),
    ] {
        assert_eq!(refusal(changed.as_bytes()), expected, "{changed}");
    }
    let twice = notice_of(&[gbk[2], ("total_amount", b"1.00"), ("total_amount", b"2.00")]).await;
    assert_eq!(refusal(&twice), NoticeRefusal::Malformed);
    assert_eq!(
        gateway.notice_answer(true),
        (200, "text/plain; charset=utf-8", "success")
    );
}

/// A signed answer names the address; the bill itself comes without a signature.
#[tokio::test]
async fn a_bill_is_fetched_from_the_signed_address() {
    let stub = Stub::start().await;
    let url = json!({ "code": "10000", "bill_download_url": format!("{}/file", stub.base_url) });
    let file = |status: u16| Play {
        status,
        body: b"zip".to_vec(),
        ..Play::default()
    };
    let method = "alipay_data_dataservice_bill_downloadurl_query_response";
    let signed = async |response: &Value| {
        let response = response.to_string();
        let sign = sign(response.as_bytes()).await;
        plain(&format!(r#"{{"{method}":{response},"sign":"{sign}"}}"#))
    };
    let unsigned = plain(&format!(
        r#"{{"{method}":{}}}"#,
        failure("isp.bill_not_exist")
    ));
    for (plays, expected) in [
        (vec![signed(&url).await, file(200)], "Ready"),
        (vec![signed(&url).await, file(403)], "Unknown"),
        (vec![signed(&json!({ "code": "10000" })).await], "Unknown"),
        (vec![signed(&failure("isp.bill_not_exist")).await], "Absent"),
        (vec![unsigned], "Unknown"),
    ] {
        stub.play_in_turn(plays);
        let mut into = Vec::new();
        let (day, nonces) = (now().date(), [String::new(), String::new()]);
        let gateway = gateway(&stub.base_url);
        let fetched = gateway.fetch(BillSort::Trade, day, &mut into, now(), nonces);
        let outcome = format!("{:?}", fetched.await);
        assert!(outcome.starts_with(expected), "{expected} {outcome}");
        assert_eq!(into == b"zip", expected == "Ready");
    }
}

/// The same calls under v3.
async fn gateway_v3(base_url: &str) -> AlipayGateway {
    let mut config = ChannelsConfig::load(&dir().join("channels.toml")).unwrap();
    config.point_at(base_url);
    let mut alipay = config.alipay.unwrap();
    alipay.api = AlipayApi::V3;
    let http = Http::open(&config.http, true).unwrap();
    let threads = SigningThreads::start(1).unwrap();
    AlipayGateway::open(alipay, &dir(), http, threads).unwrap()
}

/// An answer of v3, signed as it is told to be.
async fn answer_v3(status: u16, body: Value, signed: &str) -> Play {
    let body = body.to_string();
    let message = format!("1795312800000\nn1\n{signed}\n");
    let headers = vec![
        ("alipay-timestamp", "1795312800000".to_owned()),
        ("alipay-nonce", "n1".to_owned()),
        ("alipay-signature", sign(message.as_bytes()).await),
    ];
    Play {
        status,
        headers: if signed.is_empty() {
            Vec::new()
        } else {
            headers
        },
        body: body.into_bytes(),
        hang: false,
    }
}

/// Signed in its header over exactly what is sent, with the address for notices in the body.
#[tokio::test]
async fn v3_signs_what_it_sends_and_believes_what_is_signed() {
    let stub = Stub::start().await;
    let gateway = gateway_v3(&stub.base_url).await;
    let terms = terms(Method::AlipayPrecreate);
    let rendered = gateway.render(&terms);
    let create = async || {
        let nonce = "NONCE1".to_owned();
        let created = gateway.create(terms.method, &terms.no, &rendered, now(), nonce);
        created.await
    };
    let placed = json!({ "out_trade_no": terms.no.as_str(), "qr_code": "https://qr/x" });
    let text = placed.to_string();
    stub.play(answer_v3(200, placed.clone(), &text).await);
    let qr = Handover::Qr("https://qr/x".to_owned());
    assert_eq!(create().await, CreateOutcome::Ready(qr));
    let asked = stub.asked();
    assert_eq!(asked.target, "/v3/alipay/trade/precreate");
    let body = String::from_utf8(asked.body.clone()).unwrap();
    let content: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(content["notify_url"], terms.notify_url);
    assert_eq!(content["total_amount"], "400.50");
    let header = asked.headers["authorization"].to_str().unwrap();
    let who = header.strip_prefix("ALIPAY-SHA256withRSA ").unwrap();
    let (who, signature) = who.rsplit_once(",sign=").unwrap();
    let app = gateway.app();
    let time = now().0;
    assert_eq!(who, format!("app_id={app},nonce=NONCE1,timestamp={time}"));
    let message = format!("{who}\nPOST\n{}\n{body}\n", asked.target);
    let key = Verifier::parse(&file("merchant_cert.pem")).unwrap();
    assert!(key.verify(message.as_bytes(), signature));

    for (status, told, signed, expected) in [
        (200, placed.clone(), "", "Unknown"),
        (200, placed.clone(), "other", "Unknown"),
        (
            400,
            json!({ "code": "ACQ.TOTAL_FEE_EXCEED", "message": "x" }),
            "as told",
            "Refused",
        ),
        (
            400,
            json!({ "code": "TOTAL_FEE_EXCEED", "message": "x" }),
            "as told",
            "Refused",
        ),
        (
            400,
            json!({ "code": "TOTAL_FEE_EXCEED", "message": "x" }),
            "",
            "Unknown",
        ),
        (
            401,
            json!({ "code": "invalid-signature", "message": "x" }),
            "",
            "Refused",
        ),
        (
            500,
            json!({ "code": "ACQ.SYSTEM_ERROR", "message": "x" }),
            "as told",
            "Unknown",
        ),
        (500, json!({}), "", "Unknown"),
    ] {
        let text = told.to_string();
        let signed = if signed == "as told" { &text } else { signed };
        stub.play(answer_v3(status, told, signed).await);
        let outcome = format!("{:?}", create().await);
        assert!(outcome.starts_with(expected), "{status} {text} {outcome}");
    }
}

/// What v3 tells means what v2 tells; a refused close is settled by a query with another nonce.
#[tokio::test]
async fn v3_means_the_same() {
    let stub = Stub::start().await;
    let gateway = gateway_v3(&stub.base_url).await;
    let no = terms(Method::AlipayPrecreate).no;
    let refusal = json!({ "code": "ACQ.TRADE_STATUS_ERROR", "message": "x" });
    let trade = json!({
        "out_trade_no": no.as_str(), "trade_no": "2026", "trade_status": "TRADE_SUCCESS",
        "total_amount": "400.50", "send_pay_date": "2026-11-22 09:59:00",
    });
    let texts = (refusal.to_string(), trade.to_string());
    stub.play_in_turn(vec![
        answer_v3(400, refusal, &texts.0).await,
        answer_v3(200, trade, &texts.1).await,
    ]);
    let closed = gateway.close(&no, b"", now(), "N".to_owned()).await;
    assert_eq!(closed, CloseOutcome::Paid);
    assert!(
        stub.asked().headers["authorization"]
            .to_str()
            .unwrap()
            .contains("nonce=NQ,")
    );

    let absent = json!({ "code": "ACQ.TRADE_NOT_EXIST", "message": "x" });
    let text = absent.to_string();
    stub.play(answer_v3(400, absent, &text).await);
    let asked = gateway.query(&no, b"", now(), "N2".to_owned()).await;
    assert_eq!(asked, QueryOutcome::NotFound);

    let none = json!({ "code": "isp.bill_not_exist", "message": "x" });
    let text = none.to_string();
    stub.play(answer_v3(400, none, &text).await);
    let (day, nonces) = (now().date(), ["N3".to_owned(), "N4".to_owned()]);
    let mut into = Vec::new();
    let outcome = gateway
        .fetch(BillSort::Trade, day, &mut into, now(), nonces)
        .await;
    assert!(matches!(outcome, BillOutcome::Absent), "{outcome:?}");
    let target =
        "/v3/alipay/data/dataservice/bill/downloadurl/query?bill_type=trade&bill_date=2026-11-22";
    assert_eq!(stub.asked().target, target);
}
