//! UnionPay: the published vector, and what the adapter makes of every kind of answer and notice.

use super::UnionpayGateway;
use super::merchant::Merchant;
use super::message::{Fields, SIGNATURE, compact, digest_of, time};
use super::requests::Rendered;
use super::trust::Trust;
use crate::bill::{BillOutcome, Bills};
use crate::config::{ChannelsConfig, UnionpayConfig};
use crate::crypto::{Signer, SigningThreads, Verifier};
use crate::form;
use crate::gateway::Gateway;
use crate::http::Http;
use crate::stub::{Play, Stub, truncating};
use crate::testdata::{dir, file, now, refund_terms, terms, vector};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use jiaoyi_domain::bill::BillSort;
use jiaoyi_domain::channel::{
    CreateOutcome, Handover, Method, News, NoticeRefusal, QueryOutcome, RefundOutcome, RefundTerms,
};
use jiaoyi_domain::id::{AttemptNo, Bucket, IdSource};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{Date, HOUR_MS, Instant};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use std::io::Write;
use std::sync::Arc;

const OWNER: &str = "041@8310000000083040@中国银联股份有限公司@00016493";
const QUERY_ID: &str = "412026112210000312345";

fn config(base_url: &str) -> UnionpayConfig {
    let mut config = ChannelsConfig::load(&dir().join("channels.toml")).unwrap();
    config.point_at(base_url);
    config.unionpay.unwrap()
}

fn threads() -> Arc<SigningThreads> {
    SigningThreads::start(1).unwrap()
}

/// A certificate authority of our own that plays CFCA, and UnionPay's certificate from it.
struct Authority {
    middle: String,
    root: String,
    leaf: String,
}

impl Authority {
    fn new() -> Authority {
        Authority::certifying(OWNER)
    }

    fn certifying(owner: &str) -> Authority {
        let key = |name: &str| KeyPair::from_pem(&String::from_utf8(file(name)).unwrap()).unwrap();
        let params = |name: &str, authority: bool| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.not_before = date_time_ymd(2026, 1, 1);
            params.not_after = date_time_ymd(2027, 1, 1);
            if authority {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            params
        };
        let root = params("Test Root", true);
        let middle = params("Test Middle", true);
        let root_pem = root.self_signed(&key("merchant_key.pem")).unwrap().pem();
        let by_root = Issuer::from_params(&root, key("merchant_key.pem"));
        let middle_pem = middle
            .signed_by(&key("merchant_key.pem"), &by_root)
            .unwrap()
            .pem();
        let by_middle = Issuer::from_params(&middle, key("merchant_key.pem"));
        let leaf = params(owner, false).signed_by(&key("channel_key.pem"), &by_middle);
        Authority {
            middle: middle_pem,
            root: root_pem,
            leaf: leaf.unwrap().pem(),
        }
    }

    fn gateway(&self, base_url: &str) -> UnionpayGateway {
        let config = config(base_url);
        let limits = ChannelsConfig::load(&dir().join("channels.toml"))
            .unwrap()
            .http;
        let trust = Trust::open(self.middle.as_bytes(), self.root.as_bytes(), false);
        UnionpayGateway {
            merchant: Merchant::open(&config, &dir(), threads()).unwrap(),
            http: Http::open(&limits, true).unwrap(),
            trust: trust.ok().unwrap(),
            config,
        }
    }

    /// The parameters with method, certificate and signature.
    async fn sign(&self, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = [("signMethod", "01"), ("version", "5.1.0")]
            .iter()
            .chain(fields)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.push(("signPubKeyCert".to_owned(), self.leaf.replace('\n', "\r\n")));
        let key = Signer::parse(&file("channel_key.pem"), threads()).unwrap();
        let signature = key.sign(digest_of(&form::signed_string(&all))).await;
        all.push((SIGNATURE.to_owned(), signature.unwrap()));
        all
    }

    async fn answer(&self, fields: &[(&str, &str)]) -> Play {
        plain(&body_of(&self.sign(fields).await))
    }

    async fn notice(&self, fields: &[(&str, &str)]) -> Vec<u8> {
        notice_of(&self.sign(fields).await)
    }
}

/// The body of an answer: nothing is encoded.
fn body_of(fields: &[(String, String)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn notice_of(fields: &[(String, String)]) -> Vec<u8> {
    let pairs = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    form::encode(pairs).into_bytes()
}

fn plain(body: &str) -> Play {
    Play {
        status: 200,
        body: body.as_bytes().to_vec(),
        ..Play::default()
    }
}

/// The official signature comes out of the official PFX, and its certificate verifies it.
#[tokio::test]
async fn the_official_vector_is_signed_and_verified() {
    let vector = vector("up-sign");
    let text = |name: &str| vector[name].as_str().unwrap().to_owned();
    let fields = Fields::from_answer(text("string").as_bytes()).unwrap();
    let signed: Vec<Vec<u8>> = fields.signed_texts().collect();
    assert_eq!(signed, [text("string").into_bytes()]);
    let digest = digest_of(&signed[0]);
    assert_eq!(digest, text("sha256_hex").into_bytes());
    let merchant = Merchant::open(&config("http://127.0.0.1:9"), &dir(), threads()).unwrap();
    assert_eq!(merchant.cert_id, text("cert_id"));
    assert_eq!(
        merchant.signer.sign(digest.clone()).await,
        Some(text("signature"))
    );
    let key = Verifier::parse(&file("acp_test_sign_cert.pem")).unwrap();
    assert!(key.verify(&digest, &text("signature")));
    let altered = text("string").replace("txnAmt=40000", "txnAmt=40001");
    assert!(!key.verify(&digest_of(altered.as_bytes()), &text("signature")));
}

/// A key in PEM beside its certificate is as good as a PFX.
#[tokio::test]
async fn a_key_in_pem_signs_under_the_serial_of_its_certificate() {
    let pem = UnionpayConfig {
        signing_key: "merchant_key.pem".into(),
        signing_cert: Some("merchant_cert.pem".into()),
        signing_key_password: None,
        ..config("http://127.0.0.1:9")
    };
    let merchant = Merchant::open(&pem, &dir(), threads()).unwrap();
    // openssl x509 -serial, in decimal.
    assert_eq!(
        merchant.cert_id,
        "542988552022308884687871296268698514612802908437"
    );
    let signature = merchant.signer.sign(b"text".to_vec()).await.unwrap();
    let key = Verifier::parse(&file("merchant_cert.pem")).unwrap();
    assert!(key.verify(b"text", &signature));
}

fn get<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

fn assert_signed_by_the_merchant(fields: &[(String, String)]) {
    let key = Verifier::parse(&file("acp_test_sign_cert.pem")).unwrap();
    let others: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name != SIGNATURE)
        .cloned()
        .collect();
    let message = digest_of(&form::signed_string(&others));
    assert!(key.verify(&message, get(fields, SIGNATURE).unwrap()));
    assert_eq!(get(fields, "certId"), Some("68759663125"));
}

#[tokio::test]
async fn a_form_is_made_without_a_call_and_is_signed() {
    let stub = Stub::start().await;
    let gateway = Authority::new().gateway(&stub.base_url);
    for (method, channel_type) in [(Method::UnionpayWap, "08"), (Method::UnionpayPage, "07")] {
        let terms = terms(method);
        let rendered = gateway.render(&terms);
        assert_eq!(rendered, gateway.render(&terms));
        let create = || gateway.create(method, &terms.no, &rendered, now(), String::new());
        let outcome = create().await;
        let CreateOutcome::Ready(Handover::Form(form)) = &outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(outcome, create().await);
        assert_eq!(
            form.action,
            format!("{}/gateway/api/frontTransReq.do", stub.base_url)
        );
        assert_signed_by_the_merchant(&form.fields);
        for (name, value) in [
            ("version", "5.1.0"),
            ("txnType", "01"),
            ("txnSubType", "01"),
            ("bizType", "000201"),
            ("channelType", channel_type),
            ("merId", "777290058110048"),
            ("orderId", terms.no.as_str()),
            ("txnTime", "20261122100000"),
            ("payTimeout", "20261122101500"),
            ("txnAmt", "40050"),
            ("currencyCode", "156"),
            (
                "riskRateInfo",
                "{commodityName=2027年度城乡居民医保 a/b c d}",
            ),
            ("frontUrl", terms.return_url.as_str()),
            ("backUrl", terms.notify_url.as_str()),
        ] {
            assert_eq!(get(&form.fields, name), Some(value), "{name}");
        }
        let other = another_no();
        let outcome = gateway
            .create(method, &other, &rendered, now(), String::new())
            .await;
        assert!(matches!(outcome, CreateOutcome::Unknown { .. }));
    }
    assert_eq!(stub.count(), 0);
}

fn another_no() -> AttemptNo {
    AttemptNo::draw(Bucket::default(), &mut IdSource::new([9; 32], 0))
}

#[tokio::test]
async fn a_transaction_number_for_an_app_is_asked_for() {
    let (stub, authority) = (Stub::start().await, Authority::new());
    let gateway = authority.gateway(&stub.base_url);
    let terms = terms(Method::UnionpayApp);
    let rendered = gateway.render(&terms);
    let no = terms.no.as_str();
    let about = [("orderId", no), ("txnTime", "20261122100000")];
    let with = |more: &[(&'static str, &'static str)]| [&about[..], more].concat();
    for (fields, name) in [
        (
            with(&[("respCode", "00"), ("tn", "812345")]),
            "Ready(Tn(\"812345\"))",
        ),
        (with(&[("respCode", "00")]), "Unknown"),
        (
            vec![("respCode", "00"), ("tn", "812345"), ("orderId", "X")],
            "Unknown",
        ),
        (with(&[("respCode", "05")]), "Unknown"),
        (with(&[("respCode", "11")]), "Unknown"),
        (
            with(&[("respCode", "31"), ("respMsg", "x")]),
            "Refused { code: \"31\"",
        ),
    ] {
        stub.play(authority.answer(&fields).await);
        let create = gateway.create(terms.method, &terms.no, &rendered, now(), String::new());
        let outcome = format!("{:?}", create.await);
        assert!(outcome.starts_with(name), "{fields:?}: {outcome}");
    }
    let asked = stub.asked();
    assert_eq!(asked.target, "/gateway/api/appTransReq.do");
    let sent: Vec<(String, String)> = form_urlencoded::parse(&asked.body).into_owned().collect();
    assert_signed_by_the_merchant(&sent);
    assert_eq!(get(&sent, "frontUrl"), None);
}

fn order_fields(no: &str) -> Vec<(&str, &str)> {
    vec![
        ("orderId", no),
        ("txnTime", "20261122100000"),
        ("txnType", "01"),
        ("merId", "777290058110048"),
        ("bizType", "000000"),
        ("txnAmt", "40050"),
        ("currencyCode", "156"),
        ("queryId", QUERY_ID),
        ("traceTime", "1122100130"),
        ("settleDate", "1122"),
        ("reserved", "{a=1&b=2}"),
    ]
}

#[tokio::test]
async fn a_query_tells_only_what_is_explicit_and_signed() {
    let (stub, authority) = (Stub::start().await, Authority::new());
    let gateway = authority.gateway(&stub.base_url);
    let terms = terms(Method::UnionpayWap);
    let rendered = gateway.render(&terms);
    let no = terms.no.as_str().to_owned();
    let ask = async || {
        gateway
            .query(&terms.no, &rendered, now(), String::new())
            .await
    };
    let told =
        |codes: &[(&'static str, &'static str)]| [order_fields(&no), codes.to_vec()].concat();
    for (own, orig, name) in [
        ("00", "00", "Paid"),
        ("00", "A6", "Paid"),
        ("00", "03", "Unknown"),
        ("00", "04", "Unknown"),
        ("00", "05", "Unknown"),
        ("00", "06", "Unknown"),
        ("00", "42", "Unknown"),
        ("00", "", "Unknown"),
        ("00", "64", "NotPaid(Some(BalanceTooLow))"),
        ("00", "01", "NotPaid(Some(Other))"),
        ("34", "00", "NotFound"),
        ("03", "00", "Unknown"),
        ("11", "00", "Unknown"),
        ("35", "00", "Unknown"),
        ("", "00", "Unknown"),
    ] {
        stub.play(
            authority
                .answer(&told(&[("respCode", own), ("origRespCode", orig)]))
                .await,
        );
        let outcome = ask().await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{own} {orig}: {outcome:?}"
        );
        if let QueryOutcome::Paid(seen) = outcome {
            assert_eq!(
                (seen.attempt_no, seen.txn_id.as_str()),
                (no.clone(), QUERY_ID)
            );
            assert_eq!(
                (seen.amount, seen.currency.as_str()),
                (Fen::new(40_050), "CNY")
            );
            assert_eq!(Some(seen.paid_at), Instant::parse("2026-11-22 10:01:30"));
            assert_eq!(
                (seen.merchant.as_str(), seen.app.as_str()),
                ("777290058110048", "000201")
            );
        }
    }
    let asked = stub.asked();
    assert_eq!(asked.target, "/gateway/api/queryTrans.do");
    let sent: Vec<(String, String)> = form_urlencoded::parse(&asked.body).into_owned().collect();
    assert_signed_by_the_merchant(&sent);
    let names = ["txnType", "orderId", "txnTime"].map(|name| get(&sent, name).unwrap().to_owned());
    assert_eq!(
        names,
        ["00".to_owned(), no.clone(), "20261122100000".to_owned()]
    );

    let good = told(&[("respCode", "00"), ("origRespCode", "00")]);
    let replaced = |name: &str, value: &'static str| {
        let mut fields = good.clone();
        fields.retain(|(key, _)| *key != name);
        fields.push((
            if name == "txnAmt" {
                "txnAmt"
            } else {
                "orderId"
            },
            value,
        ));
        fields
    };
    let signed = authority.sign(&good).await;
    let body = body_of(&signed);
    let merchant_cert = String::from_utf8(file("merchant_cert.pem")).unwrap();
    let other_owner = Authority::certifying("041@1@某商户有限公司@1");
    for play in [
        authority.answer(&replaced("orderId", "JA0")).await,
        authority.answer(&replaced("txnAmt", "400.50")).await,
        authority.answer(&replaced("txnAmt", "0")).await,
        plain(&body.replace("txnAmt=40050", "txnAmt=40051")),
        plain(&body.replace("signature=", "signatur=")),
        plain(&body.replace("signMethod=01", "signMethod=11")),
        plain(&format!("{body}&txnAmt=40050")),
        plain(&body.replace(&authority.leaf.replace('\n', "\r\n"), &merchant_cert)),
        other_owner.answer(&good).await,
        plain(""),
        plain("<html>busy</html>"),
        Play {
            status: 502,
            ..authority.answer(&good).await
        },
        Play {
            hang: true,
            ..authority.answer(&good).await
        },
    ] {
        stub.play(play);
        let outcome = ask().await;
        assert!(
            matches!(outcome, QueryOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }
    // Both ways of signing empty values are in use.
    stub.play(plain(&format!("{body}&acqInsCode=")));
    assert!(matches!(ask().await, QueryOutcome::Paid(_)));
    let nobody = gateway.query(&terms.no, b"", now(), String::new()).await;
    assert!(matches!(nobody, QueryOutcome::Unknown { .. }));
    let broken = authority.gateway(&truncating().await);
    let outcome = broken
        .query(&terms.no, &rendered, now(), String::new())
        .await;
    assert!(matches!(outcome, QueryOutcome::Unknown { .. }));
}

/// UnionPay has no close: what is asked instead says at most that it is too late.
#[tokio::test]
async fn a_close_is_a_question() {
    let (stub, authority) = (Stub::start().await, Authority::new());
    let gateway = authority.gateway(&stub.base_url);
    let terms = terms(Method::UnionpayWap);
    let rendered = gateway.render(&terms);
    for (own, orig, name) in [
        ("00", "00", "Paid"),
        ("34", "", "NotFound"),
        ("00", "64", "CannotClose"),
        ("00", "05", "Unknown"),
        ("03", "", "Unknown"),
    ] {
        let codes = [("respCode", own), ("origRespCode", orig)];
        let fields = [order_fields(terms.no.as_str()), codes.to_vec()].concat();
        stub.play(authority.answer(&fields).await);
        let outcome = gateway
            .close(&terms.no, &rendered, now(), String::new())
            .await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{own} {orig}: {outcome:?}"
        );
    }
}

#[test]
fn the_whole_payment_of_a_day_is_voided_and_anything_else_returned() {
    let gateway = Authority::new().gateway("http://127.0.0.1:9");
    let whole = RefundTerms {
        amount: Fen::new(40_050),
        ..refund_terms()
    };
    let late = |text: &str| RefundTerms {
        paid_at: time(text).unwrap(),
        asked_at: time("20261122230100").unwrap(),
        ..whole.clone()
    };
    for (terms, kind) in [
        (whole.clone(), "31"),
        (refund_terms(), "04"),
        (
            RefundTerms {
                retried: true,
                ..whole.clone()
            },
            "04",
        ),
        (
            RefundTerms {
                asked_at: now().plus_ms(13 * HOUR_MS),
                ..whole.clone()
            },
            "04",
        ),
        // The clearing day turns at 23:00.
        (late("20261122225900"), "04"),
        (late("20261122230000"), "31"),
    ] {
        let rendered = gateway.render_refund(&terms);
        let fields = Rendered::read(&rendered, terms.no.as_str())
            .unwrap()
            .into_fields();
        let asked_at = compact(terms.asked_at);
        for (name, value) in [
            ("txnType", kind),
            ("orderId", terms.no.as_str()),
            ("origQryId", QUERY_ID),
            ("txnTime", &asked_at),
        ] {
            assert_eq!(get(&fields, name), Some(value), "{terms:?}");
        }
        assert_eq!(
            get(&fields, "txnAmt"),
            Some(terms.amount.get().to_string().as_str())
        );
    }
}

fn refund_fields(terms: &RefundTerms) -> Vec<(&str, &str)> {
    vec![
        ("orderId", terms.no.as_str()),
        ("txnTime", "20261122100100"),
        ("txnType", "04"),
        ("txnAmt", "10005"),
        ("traceTime", "1122100130"),
        ("queryId", "412026112210010000001"),
        ("origQryId", QUERY_ID),
    ]
}

#[tokio::test]
async fn a_refund_is_done_when_a_query_says_so() {
    let (stub, authority) = (Stub::start().await, Authority::new());
    let gateway = authority.gateway(&stub.base_url);
    let terms = refund_terms();
    let rendered = gateway.render_refund(&terms);
    let told =
        |codes: &[(&'static str, &'static str)]| [refund_fields(&terms), codes.to_vec()].concat();
    for (code, name) in [
        ("00", "Processing"),
        ("A6", "Processing"),
        ("03", "Unknown"),
        ("05", "Unknown"),
        ("06", "Unknown"),
        ("11", "Unknown"),
        ("12", "Unknown"),
        ("35", "Closed { code: \"35\" }"),
        ("36", "Closed"),
    ] {
        stub.play(authority.answer(&told(&[("respCode", code)])).await);
        let outcome = gateway.refund(&rendered, now(), String::new()).await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{code}: {outcome:?}"
        );
    }
    assert_eq!(stub.asked().target, "/gateway/api/backTransReq.do");
    for (own, orig, name) in [
        ("00", "00", "Done"),
        ("00", "A6", "Done"),
        ("00", "04", "Processing"),
        ("00", "06", "Unknown"),
        ("00", "01", "Closed { code: \"01\" }"),
        ("34", "", "NotFound"),
        ("03", "00", "Unknown"),
        ("37", "00", "Unknown"),
    ] {
        stub.play(
            authority
                .answer(&told(&[("respCode", own), ("origRespCode", orig)]))
                .await,
        );
        let ask = gateway.query_refund(
            &terms.attempt_no,
            &terms.no,
            &rendered,
            now(),
            String::new(),
        );
        let outcome = ask.await;
        assert!(
            format!("{outcome:?}").starts_with(name),
            "{own} {orig}: {outcome:?}"
        );
        if let RefundOutcome::Done { amount, at } = outcome {
            assert_eq!(amount, terms.amount);
            assert_eq!(Some(at), Instant::parse("2026-11-22 10:01:30"));
        }
    }
    let lost = gateway.refund(b"", now(), String::new()).await;
    assert!(matches!(lost, RefundOutcome::Unknown { .. }));
}

#[tokio::test]
async fn a_notice_is_believed_by_its_certificate() {
    let authority = Authority::new();
    let gateway = authority.gateway("http://127.0.0.1:9");
    let terms = terms(Method::UnionpayWap);
    let mut fields = order_fields(terms.no.as_str());
    fields.extend([("respCode", "00"), ("respMsg", "成功[0000000]")]);
    fields.retain(|(name, _)| *name != "bizType");
    fields.push(("bizType", "000201"));
    let read = |body: &[u8]| gateway.read_notice(&[], body, now());
    let notice = read(&authority.notice(&fields).await).unwrap();
    assert_eq!(notice.id, format!("{QUERY_ID}-01-00"));
    let News::Payment(seen) = notice.news else {
        panic!("no payment")
    };
    assert_eq!(
        (seen.amount, seen.app.as_str()),
        (Fen::new(40_050), "000201")
    );

    let signed = authority.sign(&fields).await;
    let change = |name: &str, value: Option<&str>| {
        let mut fields = signed.clone();
        fields.retain(|(key, _)| key != name);
        fields.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        notice_of(&fields)
    };
    let (_, signature) = signed.last().unwrap();
    let stranger = String::from_utf8(file("channel_cert.pem")).unwrap();
    let failed: Vec<(&str, &str)> = fields
        .iter()
        .copied()
        .filter(|(n, _)| *n != "queryId")
        .collect();
    for (body, refusal) in [
        (change(SIGNATURE, None), NoticeRefusal::Unsigned),
        (change(SIGNATURE, Some("")), NoticeRefusal::Unsigned),
        (change("signPubKeyCert", None), NoticeRefusal::Unsigned),
        (Vec::new(), NoticeRefusal::Unsigned),
        (b"a=1&a=2".to_vec(), NoticeRefusal::Unsigned),
        (
            change("signPubKeyCert", Some(&stranger)),
            NoticeRefusal::UnknownKey,
        ),
        (
            change("signPubKeyCert", Some("x")),
            NoticeRefusal::UnknownKey,
        ),
        (change("txnAmt", Some("40051")), NoticeRefusal::BadSignature),
        (change("orderId", Some("JA1")), NoticeRefusal::BadSignature),
        (change("more", Some("1")), NoticeRefusal::BadSignature),
        (change("settleDate", None), NoticeRefusal::BadSignature),
        (
            change("signMethod", Some("11")),
            NoticeRefusal::BadSignature,
        ),
        (
            change(SIGNATURE, Some(&signature[1..])),
            NoticeRefusal::BadSignature,
        ),
        (
            change(SIGNATURE, Some(&format!("!{signature}"))),
            NoticeRefusal::BadSignature,
        ),
        (authority.notice(&failed).await, NoticeRefusal::Malformed),
    ] {
        let told = read(&body);
        assert_eq!(
            told.unwrap_err(),
            refusal,
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
    let year_later = Instant::parse("2027-06-01 00:00:00").unwrap();
    let late = gateway.read_notice(&[], &notice_of(&signed), year_later);
    assert_eq!(
        late.unwrap_err(),
        NoticeRefusal::UnknownKey,
        "the certificate has ended"
    );
}

#[tokio::test]
async fn a_notice_of_a_refund_names_it() {
    let authority = Authority::new();
    let gateway = authority.gateway("http://127.0.0.1:9");
    let terms = refund_terms();
    for (kind, code, name) in [
        ("04", "00", "Refund"),
        ("31", "00", "Refund"),
        ("04", "01", "Other"),
        ("01", "01", "Other"),
        ("99", "00", "Other"),
    ] {
        let mut fields = refund_fields(&terms);
        fields.retain(|(name, _)| *name != "txnType");
        fields.extend([("txnType", kind), ("respCode", code)]);
        let notice = gateway
            .read_notice(&[], &authority.notice(&fields).await, now())
            .unwrap();
        assert!(
            format!("{:?}", notice.news).starts_with(name),
            "{kind} {code}: {notice:?}"
        );
        if let News::Refund { refund_no, outcome } = notice.news {
            assert_eq!(refund_no, terms.no.as_str());
            let at = Instant::parse("2026-11-22 10:01:30").unwrap();
            assert_eq!(
                outcome,
                RefundOutcome::Done {
                    amount: terms.amount,
                    at
                }
            );
        }
    }
}

async fn fetch(gateway: &UnionpayGateway, day: Date, file: &mut Vec<u8>) -> BillOutcome {
    let nonces = [String::new(), String::new()];
    gateway
        .fetch(BillSort::Trade, day, file, now(), nonces)
        .await
}

#[tokio::test]
async fn a_daily_file_is_fetched_and_verified() {
    let (stub, authority) = (Stub::start().await, Authority::new());
    let gateway = authority.gateway(&stub.base_url);
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed
        .write_all(&file("802310048993424_20150905.zip"))
        .unwrap();
    let content = STANDARD.encode(packed.finish().unwrap());
    let day = now().date();
    let fields = [
        ("respCode", "00"),
        ("settleDate", "1122"),
        ("fileName", "802310048993424_20150905.zip"),
        ("fileContent", content.as_str()),
    ];
    stub.play(authority.answer(&fields).await);
    let mut daily = Vec::new();
    let outcome = fetch(&gateway, day, &mut daily).await;
    assert!(matches!(outcome, BillOutcome::Ready), "{outcome:?}");
    assert_eq!(daily, file("802310048993424_20150905.zip"));
    let asked = stub.asked();
    assert_eq!(asked.target, "/filedownload/");
    let sent: Vec<(String, String)> = form_urlencoded::parse(&asked.body).into_owned().collect();
    assert_signed_by_the_merchant(&sent);
    let names = ["txnType", "txnSubType", "fileType", "settleDate"];
    assert_eq!(
        names.map(|name| get(&sent, name).unwrap()),
        ["76", "01", "00", "1122"]
    );
    for (code, day_told, there) in [
        ("98", "1122", false),
        ("03", "1122", true),
        ("00", "1121", true),
    ] {
        let mut told = vec![("respCode", code), ("settleDate", day_told)];
        if there {
            told.push(("fileContent", content.as_str()));
        }
        stub.play(authority.answer(&told).await);
        let outcome = fetch(&gateway, day, &mut Vec::new()).await;
        let expected = if there { "Unknown" } else { "Absent" };
        assert!(
            format!("{outcome:?}").starts_with(expected),
            "{code} {day_told}: {outcome:?}"
        );
    }
    for broken in ["!", "AAAA"] {
        stub.play(
            authority
                .answer(&[fields[0], fields[1], ("fileContent", broken)])
                .await,
        );
        let outcome = fetch(&gateway, day, &mut Vec::new()).await;
        assert!(format!("{outcome:?}").starts_with("Refused"), "{outcome:?}");
    }
}
