//! Bill files of both channels, read by the test's own code.

use std::io::Read;

use encoding_rs::GBK;
use serde_json::json;

use crate::alipay;
use crate::wechat::{get, place, post, refund};
use crate::world::{World, unique};

fn sha1_hex(bytes: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    data_encoding::HEXLOWER.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref())
}

pub async fn fetch(world: &World, target: &str) -> (String, Vec<u8>) {
    let told = get(world, target).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let answer = told.json();
    assert_eq!(answer["hash_type"], "SHA1");
    let url = answer["download_url"].as_str().unwrap();
    let file = get(world, url.strip_prefix(&world.base).unwrap()).await;
    assert_eq!(file.status, 200);
    assert!(
        file.header("wechatpay-signature").is_empty(),
        "downloads carry no signature"
    );
    (answer["hash_value"].as_str().unwrap().to_owned(), file.body)
}

fn cells(line: &str) -> Vec<&str> {
    line.strip_prefix('`').unwrap().split(",`").collect()
}

#[tokio::test]
async fn wechat_bills_have_the_columns_the_hash_and_the_sums() {
    let world = World::start().await;
    let bill = "/v3/bill/tradebill?bill_date=2026-11-22";
    assert_eq!(get(&world, bill).await.code(), "NO_STATEMENT_EXIST");
    let (paid, _) = place(&world, "h5").await;
    let (refunded, _) = place(&world, "jsapi").await;
    place(&world, "native").await;
    for number in [&paid, &refunded] {
        world.play("wechat", number).await;
    }
    post(
        &world,
        "/v3/refund/domestic/refunds",
        &refund(&world, &refunded, "BILLREF1", 12345),
    )
    .await;

    let (hash, file) = fetch(&world, bill).await;
    assert_eq!(sha1_hex(&file), hash);
    let text = String::from_utf8(file.clone()).unwrap();
    let lines: Vec<&str> = text
        .strip_prefix('\u{feff}')
        .unwrap()
        .split("\r\n")
        .collect();
    assert_eq!(lines[0].split(',').count(), 27);
    assert!(lines[0].starts_with("交易时间,公众账号ID,商户号,特约商户号"));
    assert_eq!(
        lines.len(),
        1 + 3 + 2 + 1,
        "header, rows, two lines of sums, the end"
    );
    for line in &lines[1..4] {
        assert_eq!(cells(line).len(), 27, "{line}");
    }
    let of_refund = lines[1..4]
        .iter()
        .map(|line| cells(line))
        .find(|row| row[9] == "REFUND")
        .unwrap();
    assert_eq!(
        (of_refund[6], of_refund[15], of_refund[16], of_refund[12]),
        (refunded.as_str(), "BILLREF1", "123.45", "0.00")
    );
    let of_paid = lines[1..4]
        .iter()
        .map(|line| cells(line))
        .find(|row| row[6] == paid)
        .unwrap();
    assert_eq!(
        (of_paid[8], of_paid[9], of_paid[12], of_paid[21]),
        ("MWEB", "SUCCESS", "400.00", "line 1, line 2")
    );
    assert_eq!(
        cells(lines[5]),
        [
            "3", "800.00", "123.45", "0.00", "0.00000", "800.00", "123.45"
        ]
    );

    let (same_hash, zipped) = fetch(&world, &format!("{bill}&tar_type=GZIP")).await;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(zipped.as_slice())
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(
        (same_hash, plain),
        (hash, file),
        "the hash is of the plain file"
    );

    for (kind, columns, rows) in [("SUCCESS", 20, 2), ("REFUND", 29, 1)] {
        let (_, file) = fetch(&world, &format!("{bill}&bill_type={kind}")).await;
        let text = String::from_utf8(file).unwrap();
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            (lines[0].split(',').count(), lines.len()),
            (columns, 1 + rows + 2 + 1),
            "{kind}"
        );
        assert_eq!(cells(lines[1]).len(), columns);
    }
    assert_eq!(
        get(&world, "/v3/bill/tradebill?bill_date=2026-11-21")
            .await
            .code(),
        "NO_STATEMENT_EXIST"
    );
    assert_eq!(
        get(&world, "/v3/bill/tradebill?bill_date=2026-11-23")
            .await
            .code(),
        "PARAM_ERROR"
    );
    assert_eq!(
        get(&world, "/v3/bill/tradebill?bill_date=2026-07-01")
            .await
            .code(),
        "PARAM_ERROR"
    );
    world.end().await;
}

#[tokio::test]
async fn wechat_fund_flow_and_a_bill_in_the_making() {
    let world = World::start().await;
    let (number, _) = place(&world, "h5").await;
    world.play("wechat", &number).await;
    let (_, file) = fetch(&world, "/v3/bill/fundflowbill?bill_date=2026-11-22").await;
    let text = String::from_utf8(file).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(cells(lines[1]).len(), 11);
    assert_eq!(cells(lines[3]), ["1", "1", "400.00", "0", "0.00"]);
    let script =
        json!({ "channel": "wechat", "out_trade_no": "*", "at": "bill", "do": "error_before" });
    world.fault(script).await;
    let bill = "/v3/bill/tradebill?bill_date=2026-11-22";
    assert_eq!(get(&world, bill).await.code(), "STATEMENT_CREATING");
    let url = get(&world, bill).await.json()["download_url"]
        .as_str()
        .unwrap()
        .to_owned();
    world.shift(300).await;
    assert_eq!(
        get(&world, url.strip_prefix(&world.base).unwrap())
            .await
            .status,
        400,
        "5 minutes"
    );
    world.end().await;
}

/// Reads the stored entries of a zip by its central directory.
fn unzip(file: &[u8]) -> Vec<(String, String)> {
    let half = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let word = |at: usize| half(at) + (half(at + 2) << 16);
    let end = file.len() - 22;
    assert_eq!(&file[end..end + 4], b"PK\x05\x06");
    let mut at = word(end + 16);
    let mut entries = Vec::new();
    for _ in 0..half(end + 10) {
        assert_eq!(&file[at..at + 4], b"PK\x01\x02");
        assert_eq!(half(at + 8), 0, "no UTF-8 flag");
        let (packed, name_length, start) = (word(at + 20), half(at + 28), word(at + 42));
        let name = GBK
            .decode(&file[at + 46..at + 46 + name_length])
            .0
            .into_owned();
        let data = start + 30 + half(start + 26) + half(start + 28);
        let mut plain = Vec::new();
        flate2::read::DeflateDecoder::new(&file[data..data + packed])
            .read_to_end(&mut plain)
            .unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(&plain);
        assert_eq!(usize::try_from(crc.sum()).unwrap(), word(at + 16));
        let (text, _, bad) = GBK.decode(&plain);
        assert!(!bad);
        entries.push((name, text.into_owned()));
        at += 46 + name_length + half(at + 30) + half(at + 32);
    }
    entries
}

#[tokio::test]
async fn alipay_bills_are_zips_of_gbk_with_25_columns() {
    let world = World::start().await;
    let method = "alipay.data.dataservice.bill.downloadurl.query";
    let ask = |kind: &str, date: &str| json!({ "bill_type": kind, "bill_date": date });
    let told = alipay::call(&world, method, &ask("trade", "2026-11-22")).await;
    assert_eq!(told["sub_code"], "isp.bill_not_exist");
    let number = unique("AK");
    alipay::open(&world, &number).await;
    world.play("alipay", &number).await;
    let refund =
        json!({ "out_trade_no": number, "out_request_no": "BR1", "refund_amount": "123.45" });
    alipay::call(&world, "alipay.trade.refund", &refund).await;

    for (date, named) in [("2026-11-22", "20261122"), ("2026-11", "202611")] {
        let told = alipay::call(&world, method, &ask("trade", date)).await;
        let file = world.get(told["bill_download_url"].as_str().unwrap()).await;
        let entries = unzip(&file.body);
        let (name, text) = &entries[0];
        assert!(name.ends_with(&format!("_{named}_业务明细.csv")), "{name}");
        assert!(entries[1].0.ends_with("_业务明细(汇总).csv"));
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines[..4]
                .iter()
                .filter(|line| line.starts_with('#'))
                .count(),
            4
        );
        assert_eq!(lines[4].split(',').count(), 25);
        let rows: Vec<Vec<&str>> = lines
            .iter()
            .filter(|line| !line.starts_with('#') && line.contains('\t'))
            .map(|line| line.split(',').map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), 2, "{date}");
        let row = |kind: &str| rows.iter().find(|row| row[2] == kind).unwrap();
        assert_eq!(
            (row("交易")[1], row("交易")[11], row("交易").len()),
            (number.as_str(), "400.00", 25)
        );
        assert_eq!((row("退款")[11], row("退款")[21]), ("-123.45", "BR1"));
    }
    let told = alipay::call(&world, method, &ask("signcustomer", "2026-11-22")).await;
    let url = told["bill_download_url"].as_str().unwrap();
    let entries = unzip(&world.get(url).await.body);
    assert!(entries[0].0.ends_with("_账务明细.csv") && entries[0].1.contains("在线支付"));
    world.shift(30).await;
    assert_eq!(world.get(url).await.status, 403, "30 seconds");
    world.end().await;
}

/// A set fee stands in every bill, and the totals follow; faults falsify or cut a bill.
#[tokio::test]
async fn bills_take_a_fee_and_lie_on_demand() {
    let world = World::start().await;
    let rate = json!({ "rate_bp": 60 });
    assert_eq!(world.post("/_sandbox/fee", rate).await.status, 200);
    let (paid, _) = place(&world, "h5").await;
    let (other, _) = place(&world, "h5").await;
    for number in [&paid, &other] {
        world.play("wechat", number).await;
    }
    let bill = "/v3/bill/tradebill?bill_date=2026-11-22";
    let totals = |file: &[u8]| {
        let text = String::from_utf8(file.to_vec()).unwrap();
        let line = text.trim_end().rsplit("\r\n").next().unwrap().to_owned();
        cells(&line).join(" ")
    };
    let fault =
        |deed: &str| json!({ "channel": "wechat", "out_trade_no": "*", "at": "bill", "do": deed });
    let (_, honest) = fetch(&world, bill).await;
    assert_eq!(totals(&honest), "2 800.00 0.00 0.00 4.80000 800.00 0.00");
    world.fault(fault("wrong_amount")).await;
    let (_, file) = fetch(&world, bill).await;
    assert_eq!(totals(&file), "2 800.01 0.00 0.00 4.80000 800.01 0.00");
    world.fault(fault("contradict")).await;
    let (_, file) = fetch(&world, bill).await;
    assert_eq!(totals(&file), "1 400.00 0.00 0.00 2.40000 400.00 0.00");
    world.fault(fault("truncate")).await;
    let (hash, file) = fetch(&world, bill).await;
    assert_eq!(file, honest[..honest.len() / 2]);
    assert_eq!(hash, sha1_hex(&honest));
    let funds = "/v3/bill/fundflowbill?bill_date=2026-11-22";
    let (_, file) = fetch(&world, funds).await;
    assert_eq!(totals(&file), "4 2 800.00 2 4.80");
    world.end().await;
}
