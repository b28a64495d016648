//! Banks by profiles of every kind: what is sent, what is believed, and what it means.

use super::profile::Profile;
use super::{BankGateway, Fields};
use crate::bill::{BillReader, Bills};
use crate::config::{BankConfig, Secret};
use crate::crypto::SigningThreads;
use crate::form;
use crate::gateway::Gateway;
use crate::http::Http;
use crate::stub::{Play, Stub};
use crate::testdata::{now, refund_terms, terms};
use encoding_rs::GBK;
use jiaoyi_domain::bill::{BillKind, BillName, BillSort};
use jiaoyi_domain::channel::{
    ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, News, NoticeRefusal, QueryOutcome,
    RefundOutcome,
};
use jiaoyi_domain::money::Fen;
use proptest::prelude::*;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

/// A bank that signs by a shared secret, so that the test can sign for it.
const PROFILE: &str = r#"
charset = "gbk"
signer = "digest"
unit = "yuan"
time = "yyyyMMddHHmmss"
day = "yyyyMMdd"

[paths]
pay = "/pay"
query = "/query"
refund = "/refund"
refund_query = "/refund-query"
file = "/file"

[names]
merchant = "MerId"
order = "OrderNo"
amount = "TranAmt"
time = "TranTime"
expires = "InvalidTime"
text = "GoodsName"
notify = "MerUrl"
back = "RetUrl"
sign = "SignMsg"
txn = "BankSeq"
state = "RespCode"
paid_at = "PayTime"
refund = "RefundNo"
refund_amount = "RefundAmt"
refunded_at = "RefundTime"
day = "TranDate"
content = "FileData"

[codes]
paid = ["0000"]
not_paid = ["1001"]
closed = ["1002"]
absent = ["2001"]
refunding = ["0100"]
refunded = ["0200"]
refund_refused = ["3001"]
file_ready = ["0000"]

[file]
separator = "|"
totals_first = false
totals = ["other", "count", "paid", "returned", "fees"]
columns = ["number", "txn", "original", "kind", "amount", "fee", "time", "other"]
payment = "P"
refund = "R"
"#;

fn gateway(base_url: &str) -> BankGateway {
    let folder = std::env::temp_dir().join(format!("jiaoyi-bank-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("profile.toml"), PROFILE).unwrap();
    let config = BankConfig {
        profile: PathBuf::from("profile.toml"),
        merchant: "M1".to_owned(),
        url: base_url.to_owned(),
        key: None,
        bank_key: None,
        secret: Some(Secret::new("not-a-secret")),
    };
    let http = Http::open(&crate::config::HttpConfig::default(), true).unwrap();
    let threads = SigningThreads::start(1).unwrap();
    BankGateway::open(ChannelCode::Bank1, config, &folder, http, threads).unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let empty = Fields::default().with("MerId", "M1");
    pairs
        .iter()
        .fold(empty, |fields, (name, value)| fields.with(name, *value))
}

/// The same secret signs for the bank.
async fn said(gateway: &BankGateway, pairs: &[(&str, &str)]) -> Play {
    let body = gateway.signed(&fields(pairs)).await.unwrap();
    Play {
        status: 200,
        body: body.into_bytes(),
        ..Play::default()
    }
}

#[tokio::test]
async fn a_link_is_signed_in_the_banks_charset() {
    let gateway = gateway("http://bank.test/pay");
    let mut terms = terms(Method::Bank1Page);
    terms.description = "居民医保&x=1".to_owned();
    let rendered = gateway.render(&terms);
    let create = async |method| {
        let created = gateway.create(method, &terms.no, &rendered, now(), String::new());
        created.await
    };
    let CreateOutcome::Ready(Handover::Redirect(link)) = create(Method::Bank1Page).await else {
        panic!("no link")
    };
    let (address, query) = link.split_once('?').unwrap();
    assert_eq!(address, "http://bank.test/pay/pay");
    let pairs = form::parse(query.as_bytes());
    let get = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name.as_bytes());
        GBK.decode(&found.unwrap().1).0.into_owned()
    };
    assert_eq!(get("GoodsName"), terms.description);
    assert_eq!(get("TranAmt"), "400.50");
    assert_eq!(get("InvalidTime"), "20261122101500");
    assert_eq!(get("OrderNo"), terms.no.as_str());
    let rest: Vec<_> = pairs
        .iter()
        .filter(|(key, _)| key != b"SignMsg")
        .cloned()
        .collect();
    assert!(
        gateway
            .keys
            .verify(&form::signed_string(&rest), &get("SignMsg"))
    );
    let other = create(Method::Bank2Page).await;
    assert!(matches!(other, CreateOutcome::Refused { .. }), "{other:?}");
}

#[tokio::test]
async fn a_query_means_what_the_profile_says_and_only_when_signed() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let no = terms(Method::Bank1Page).no;
    let query = async || gateway.query(&no, b"", now(), String::new()).await;
    let paid = [
        ("OrderNo", no.as_str()),
        ("RespCode", "0000"),
        ("TranAmt", "400.50"),
        ("BankSeq", "B1"),
        ("PayTime", "20261122095900"),
    ];
    stub.play(said(&gateway, &paid).await);
    let QueryOutcome::Paid(payment) = query().await else {
        panic!("not paid")
    };
    assert_eq!(
        (payment.amount, payment.txn_id.as_str()),
        (Fen::new(40_050), "B1")
    );
    assert_eq!(
        (payment.merchant.as_str(), payment.app.as_str()),
        ("M1", gateway.app())
    );
    assert_eq!(payment.paid_at.local(), "2026-11-22 09:59:00");
    for (code, expected) in [
        ("1001", "NotPaid"),
        ("1002", "Closed"),
        ("2001", "NotFound"),
        ("9999", "Unknown"),
        ("", "Unknown"),
    ] {
        let told = [("OrderNo", no.as_str()), ("RespCode", code)];
        stub.play(said(&gateway, &told).await);
        let outcome = format!("{:?}", query().await);
        assert!(outcome.starts_with(expected), "{code} {outcome}");
    }
    let closed = gateway.close(&no, b"", now(), String::new()).await;
    assert!(matches!(closed, CloseOutcome::Unknown { .. }), "{closed:?}");
    let wrong: [&[(&str, &str)]; 3] = [
        &[("OrderNo", "other"), ("RespCode", "0000")],
        &[
            ("OrderNo", no.as_str()),
            ("RespCode", "0000"),
            ("BankSeq", "B1"),
        ],
        &[
            ("OrderNo", no.as_str()),
            ("RespCode", "0000"),
            ("BankSeq", "B1"),
            ("TranAmt", "400.5"),
        ],
    ];
    for told in wrong {
        stub.play(said(&gateway, told).await);
        let outcome = query().await;
        assert!(
            matches!(outcome, QueryOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }
    let good = said(&gateway, &paid).await;
    for (from, to) in [("400%2E50", "400%2E51"), ("SignMsg", "Sign"), ("B1", "B2")] {
        let text = String::from_utf8(good.body.clone()).unwrap();
        assert!(text.contains(from), "{text}");
        let body = text.replacen(from, to, 1).into_bytes();
        stub.play(Play {
            body,
            ..good.clone()
        });
        let outcome = query().await;
        assert!(
            matches!(outcome, QueryOutcome::Unknown { .. }),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_refund_ends_by_the_banks_word() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    let terms = refund_terms();
    let rendered = gateway.render_refund(&terms);
    for (code, number, amount, expected) in [
        ("0100", terms.no.as_str(), "100.05", "Processing"),
        ("0200", terms.no.as_str(), "100.05", "Done"),
        ("0200", terms.no.as_str(), "100.06", "Unknown"),
        ("0200", terms.no.as_str(), "", "Unknown"),
        ("0200", "other", "100.05", "Unknown"),
        ("3001", terms.no.as_str(), "", "Closed"),
        ("2001", terms.no.as_str(), "", "Unknown"),
        ("7777", terms.no.as_str(), "", "Unknown"),
    ] {
        let told = [
            ("RefundNo", number),
            ("RespCode", code),
            ("RefundAmt", amount),
        ];
        stub.play(said(&gateway, &told).await);
        let outcome = gateway.refund(&rendered, now(), String::new()).await;
        let outcome = format!("{outcome:?}");
        assert!(outcome.starts_with(expected), "{code} {amount} {outcome}");
    }
    assert_eq!(stub.asked().target, "/refund");
    stub.play(
        said(
            &gateway,
            &[("RefundNo", terms.no.as_str()), ("RespCode", "2001")],
        )
        .await,
    );
    let asked = gateway.query_refund(&terms.attempt_no, &terms.no, b"", now(), String::new());
    assert_eq!(asked.await, RefundOutcome::NotFound);
    assert_eq!(stub.asked().target, "/refund-query");
}

#[tokio::test]
async fn a_notice_is_believed_by_its_signature() {
    let gateway = gateway("http://bank.test");
    let paid = [
        ("OrderNo", "JA1"),
        ("RespCode", "0000"),
        ("TranAmt", "400.50"),
        ("BankSeq", "B1"),
    ];
    let body = said(&gateway, &paid).await.body;
    let notice = gateway.read_notice(&[], &body, now()).unwrap();
    assert!(matches!(&notice.news, News::Payment(seen) if seen.attempt_no == "JA1"));
    let again = gateway.read_notice(&[], &body, now()).unwrap();
    assert_eq!(again.id, notice.id, "the same when it is sent again");
    let back = [
        ("OrderNo", "JA1"),
        ("RefundNo", "JR1"),
        ("RespCode", "0100"),
    ];
    let told = said(&gateway, &back).await.body;
    let told = gateway.read_notice(&[], &told, now()).unwrap();
    assert!(matches!(&told.news, News::Refund { refund_no, .. } if refund_no == "JR1"));
    let waiting = said(&gateway, &[("OrderNo", "JA1"), ("RespCode", "1001")])
        .await
        .body;
    let told = gateway.read_notice(&[], &waiting, now()).unwrap();
    assert_eq!(told.news, News::Other("1001".to_owned()));
    let text = String::from_utf8(body).unwrap();
    for (changed, refusal) in [
        (text.replace("B1", "B2"), NoticeRefusal::BadSignature),
        (text.replace("SignMsg", "Sign"), NoticeRefusal::Unsigned),
        (format!("{text}&OrderNo=JA2"), NoticeRefusal::BadSignature),
        (format!("{text}&SignMsg=x"), NoticeRefusal::Unsigned),
        (String::new(), NoticeRefusal::Unsigned),
    ] {
        let read = gateway.read_notice(&[], changed.as_bytes(), now());
        assert_eq!(read.unwrap_err(), refusal, "{changed}");
    }
}

fn name() -> BillName {
    BillName {
        channel: ChannelCode::Bank1,
        merchant: "M1".to_owned(),
        sort: BillSort::Trade,
        day: now().date(),
    }
}

const FILE: &str = "JA1|B1||P|400.00|2.40|20261122100000|居民医保\r\nJR1|B2|B1|R|100.00|0.60|20261122110000|\r\n合计|2|400.00|100.00|1.80\r\n";

fn read(profile: &str, text: &[u8]) -> Result<Vec<(BillKind, String, Fen)>, String> {
    let profile = Arc::new(Profile::parse(profile).unwrap());
    let file = Cursor::new(text.to_vec());
    let reader = BillReader::open_bank(name(), file, profile).map_err(|fault| fault.to_string())?;
    reader
        .map(|line| match line {
            Ok(line) => Ok((line.kind, line.our_no, line.amount)),
            Err(fault) => Err(fault.to_string()),
        })
        .collect()
}

/// The same file with its totals above.
fn totals_first() -> (String, String) {
    let profile = PROFILE.replace("totals_first = false", "totals_first = true");
    let (rows, totals) = FILE.split_at(FILE.find("合计").unwrap());
    (profile, format!("{totals}{rows}"))
}

#[test]
fn a_file_is_read_by_its_layout_and_refused_with_its_place() {
    let gbk = |text: &str| GBK.encode(text).0.into_owned();
    let expected = [
        (BillKind::Success, "JA1".to_owned(), Fen::new(40_000)),
        (BillKind::Refund, "JR1".to_owned(), Fen::new(10_000)),
    ];
    assert_eq!(read(PROFILE, &gbk(FILE)).unwrap(), expected);
    let (first, above) = totals_first();
    assert_eq!(read(&first, &gbk(&above)).unwrap(), expected);
    for (from, to, said) in [
        (
            "|P|",
            "|X|",
            "line 1 of the bill: \"X\" is neither a payment nor a refund",
        ),
        (
            "400.00|2.40",
            "400.0|2.40",
            "line 1 of the bill: \"400.0\" is no amount",
        ),
        (
            "20261122110000",
            "20261121110000",
            "line 2 of the bill: it happened on another day",
        ),
        ("合计|2", "合计|3", "count is 3"),
        ("|100.00|1.80", "|100.01|1.80", "returned is 100.01"),
        ("|1.80", "|1.81", "fees is 1.81"),
        ("合计|2|", "合计|", "it is not the line of the totals"),
        ("1.80\r\n", "1.80\r\nmore", "something follows the totals"),
    ] {
        assert!(FILE.contains(from), "{from}");
        let fault = read(PROFILE, &gbk(&FILE.replacen(from, to, 1))).unwrap_err();
        assert!(fault.contains(said), "{fault}\n{said}");
    }
    let fault = read(PROFILE, FILE.as_bytes());
    assert!(
        fault.is_err() || fault.unwrap() == expected,
        "UTF-8 read as GBK"
    );
}

/// A column less, another charset, something packed: refused at its first line.
#[test]
fn a_file_of_another_kind_is_refused_at_its_first_line() {
    let gbk = GBK.encode(FILE).0.into_owned();
    let wide: Vec<u8> = FILE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gzip = [b"\x1f\x8b\x08\x00".as_slice(), &gbk].concat();
    let narrow = GBK.encode(&FILE.replace("|P|", "|")).0.into_owned();
    let (first, above) = totals_first();
    let (first, above) = (first.as_str(), GBK.encode(&above).0.into_owned());
    for (profile, file) in [
        (PROFILE, wide),
        (PROFILE, gzip),
        (PROFILE, narrow),
        (first, [b"\x1f\x8b\x08\x00".as_slice(), &above].concat()),
    ] {
        let fault = read(profile, &file).unwrap_err();
        assert!(fault.starts_with("reading line 1 of the bill: "), "{fault}");
    }
}

#[test]
fn a_profile_that_cannot_work_is_refused() {
    for (from, to) in [
        ("signer = \"digest\"", "signer = \"none\""),
        ("\"amount\", \"fee\"", "\"other\", \"fee\""),
        ("\"count\", ", ""),
        ("sign = \"SignMsg\"\n", ""),
        ("unit = \"yuan\"", "unit = \"yuan\"\nunits = 1"),
    ] {
        assert!(PROFILE.contains(from), "{from}");
        assert!(
            Profile::parse(&PROFILE.replacen(from, to, 1)).is_err(),
            "{from}"
        );
    }
}

proptest! {
    /// A file that lost its end is never believed; only the last line's end carries nothing.
    #[test]
    fn every_cut_of_a_file_is_refused(above in any::<bool>(), cut in any::<prop::sample::Index>()) {
        let (profile, text) = if above {
            totals_first()
        } else {
            (PROFILE.to_owned(), FILE.to_owned())
        };
        let file = GBK.encode(&text).0.into_owned();
        // What ends a line above its totals is a cell that is not read.
        let kept = cut.index(file.len() - 3);
        prop_assert!(read(&profile, &file[..kept]).is_err());
    }
}

#[tokio::test]
async fn the_file_of_a_day_is_fetched_signed() {
    let stub = Stub::start().await;
    let gateway = gateway(&stub.base_url);
    for (code, day, content, expected) in [
        ("0000", "20261122", "eA==", "Ready"),
        ("0000", "20261121", "eA==", "Unknown"),
        ("0000", "20261122", "", "Unknown"),
        ("0000", "20261122", "!", "Refused"),
        ("2001", "20261122", "", "Absent"),
        ("5555", "20261122", "eA==", "Unknown"),
    ] {
        let told = [("RespCode", code), ("TranDate", day), ("FileData", content)];
        stub.play(said(&gateway, &told).await);
        let mut into = Vec::new();
        let nonces = [String::new(), String::new()];
        let fetched = gateway.fetch(BillSort::Trade, now().date(), &mut into, now(), nonces);
        let outcome = format!("{:?}", fetched.await);
        assert!(outcome.starts_with(expected), "{code} {day} {outcome}");
        assert_eq!(into == b"x", expected == "Ready");
    }
}
