//! Bills made here, by the published formats, and what becomes of them when they are changed.

use super::{BillFault, BillReader};
use crate::testdata::{file, vector};
use encoding_rs::GBK;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiaoyi_domain::bill::{BillKind, BillLine, BillName, BillSort, BillTotals, Exact};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{Date, Instant};
use proptest::prelude::*;
use std::io::{Cursor, Read, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const SAMPLE: &str = "802310048993424_20150905.zip";
const BOM: &str = "\u{feff}";
const ALL_HEAD: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注";
const ALL_TOTALS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";
/// The official page's line, as it is there.
const OFFICIAL: &str = "`2022-03-21 13:51:31,`wxfdc955f7104ad557,`180023671,`176531292,`,`420000612032130748613220688,`2021WERUN1647840687637,`oZWaCKXip5njeEiloC4oeOV1TTsk,`JSAPI,`SUCCESS,`OTHERS,`CNY,`0.01,`0.00,`0,`0,`0.00,`0.00,`,`,`微信云托管支付测试,`,`0.00000,`0.90%,`0.01,`0.00,`";

pub(super) fn name(channel: ChannelCode, merchant: &str, sort: BillSort, day: &str) -> BillName {
    BillName {
        channel,
        merchant: merchant.to_owned(),
        sort,
        day: day.parse().unwrap(),
    }
}

fn wechat_name() -> BillName {
    name(
        ChannelCode::Wechat,
        "180023671",
        BillSort::Trade,
        "2022-03-21",
    )
}

pub(super) fn read(
    name: &BillName,
    bill: Vec<u8>,
) -> Result<(Vec<BillLine>, BillTotals), BillFault> {
    let mut reader = BillReader::open(name.clone(), Cursor::new(bill))?;
    let mut lines = Vec::new();
    for line in &mut reader {
        lines.push(line?);
    }
    Ok((lines, *reader.totals()))
}

/// What a bill is refused with.
pub(super) fn refused(name: &BillName, bill: Vec<u8>) -> String {
    match read(name, bill) {
        Err(fault) => fault.to_string(),
        Ok((lines, _)) => panic!("believed, with {} lines", lines.len()),
    }
}

pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A zip whose names are in UTF-8, as whoever packs again makes it.
pub(super) fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        let options = SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// One payment and one refund of half of it, with fees.
fn wechat_text() -> String {
    let paid = OFFICIAL
        .replace("`0.01", "`380.00")
        .replace("`0.00000,", "`2.28000,");
    let refund = paid
        .replace("`SUCCESS", "`REFUND")
        .replace(
            "`380.00,`0.00,`0,`0,`0.00,`0.00,`,`,",
            "`0.00,`0.00,`503,`JR1,`190.00,`0.00,`ORIGINAL,`SUCCESS,",
        )
        .replace("`2.28000,", "`-1.14000,")
        .replace("`380.00,`0.00,`", "`0.00,`190.00,`");
    let totals = "`2,`380.00,`190.00,`0.00,`1.14000,`380.00,`190.00";
    format!("{BOM}{ALL_HEAD}\r\n{paid}\r\n{refund}\r\n{ALL_TOTALS}\r\n{totals}\r\n")
}

#[test]
fn the_official_line_of_wechat_is_read_plain_and_packed() {
    let totals = "`1,`0.01,`0.00,`0.00,`0.00000,`0.01,`0.00";
    let text = format!("{BOM}{ALL_HEAD}\r\n{OFFICIAL}\r\n{ALL_TOTALS}\r\n{totals}\r\n");
    let line = BillLine {
        channel: ChannelCode::Wechat,
        kind: BillKind::Success,
        our_no: "2021WERUN1647840687637".to_owned(),
        channel_no: "420000612032130748613220688".to_owned(),
        payment_no: None,
        amount: Fen::new(1),
        fee: Exact::ZERO,
        at: Instant::parse("2022-03-21T13:51:31+08:00").unwrap(),
        day: Date::constant(2022, 3, 21),
        moved: true,
    };
    for bill in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        let (lines, totals) = read(&wechat_name(), bill).unwrap();
        assert_eq!(lines, std::slice::from_ref(&line));
        assert_eq!((totals.payments, totals.paid), (1, Fen::new(1)));
    }
}

#[test]
fn a_refund_of_wechat_names_its_payment() {
    let (lines, totals) = read(&wechat_name(), wechat_text().into_bytes()).unwrap();
    let refund = &lines[1];
    assert_eq!(
        (
            refund.kind,
            refund.our_no.as_str(),
            refund.channel_no.as_str()
        ),
        (BillKind::Refund, "JR1", "503")
    );
    assert_eq!(
        refund.payment_no.as_deref(),
        Some("420000612032130748613220688")
    );
    assert_eq!(
        (refund.amount, refund.fee),
        (Fen::new(19_000), Exact(-114_000))
    );
    assert!(refund.moved);
    assert_eq!((totals.refunds, totals.fees), (1, Exact(114_000)));
    let waiting = wechat_text().replace("`ORIGINAL,`SUCCESS", "`ORIGINAL,`PROCESSING");
    assert!(!read(&wechat_name(), waiting.into_bytes()).unwrap().0[1].moved);
}

#[test]
fn a_changed_bill_of_wechat_is_refused_with_its_place() {
    for (from, to, said) in [
        (
            "`180023671",
            "`180023672",
            "line 2 of the bill: it is about another merchant",
        ),
        (
            "`2022-03-21",
            "`2022-03-22",
            "line 2 of the bill: it was paid on another day",
        ),
        ("`CNY", "`USD", "line 2 of the bill: its currency"),
        (
            "`SUCCESS,`OTHERS",
            "`PAID,`OTHERS",
            "line 2 of the bill: \"PAID\" is no state",
        ),
        (
            "`2.28000,",
            "`2.28,",
            "line 2 of the bill: \"2.28\" is no amount with 5 decimals",
        ),
        (
            "`JSAPI,",
            "",
            "line 2 of the bill: it has 26 cells, the head has 27",
        ),
        (
            ",手续费,",
            ",手续,",
            "line 1 of the bill: there is no column 手续费",
        ),
        (
            "`2,`380.00",
            "`3,`380.00",
            "总交易单数 is 3 at the end of the bill, and its lines make 2",
        ),
        (
            "`2,`380.00,`190.00",
            "`2,`380.00,`190.01",
            "退款总金额 is 190.01",
        ),
        (
            "`1.14000,`380.00",
            "`1.14001,`380.00",
            "手续费总金额 is 1.14001",
        ),
        (
            "申请退款总金额\r\n",
            "其他\r\n",
            "line 5 of the bill: there is no total 申请退款总金额",
        ),
        (
            ALL_TOTALS,
            "",
            "line 5 of the bill: it is not the line of the totals",
        ),
        (BOM, "\u{feff}\u{feff}", "line 1 of the bill"),
    ] {
        let text = wechat_text();
        assert!(text.contains(from), "{from}");
        let fault = refused(&wechat_name(), text.replacen(from, to, 1).into_bytes());
        assert!(fault.contains(said), "{fault}\n{said}");
    }
    let more = wechat_text() + "\r\nmore";
    let fault = refused(&wechat_name(), more.into_bytes());
    assert!(
        fault.contains("line 7 of the bill: something follows"),
        "{fault}"
    );
    let other = name(
        ChannelCode::Wechat,
        "180023671",
        BillSort::Success,
        "2022-03-21",
    );
    let fault = refused(&other, wechat_text().into_bytes());
    assert!(fault.contains("another sort of bill"), "{fault}");
    assert!(refused(&wechat_name(), Vec::new()).contains("the bill is empty"));
    let long = format!("{ALL_HEAD}\r\n`{}", "x".repeat(70_000));
    let fault = refused(&wechat_name(), long.into_bytes());
    assert!(
        fault.contains("line 2 of the bill: it is longer"),
        "{fault}"
    );
}

#[test]
fn fund_flow_names_payments_refunds_fees_and_the_rest() {
    let head = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号";
    let row = |kind: &str, side: &str, amount: &str| {
        format!(
            "`2022-03-21 13:51:31,`4200,`74200,`{kind},`{kind},`{side},`{amount},`0.00,`180023671,`,`JA1\r\n"
        )
    };
    let rows = [
        row("交易", "收入", "380.00"),
        row("扣除交易手续费", "支出", "2.28"),
        row("退款", "支出", "100.00"),
        row("提现", "支出", "200.00"),
    ];
    let totals =
        "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n`4,`1,`380.00,`3,`302.28\r\n";
    let text = format!("{BOM}{head}\r\n{}{totals}", rows.concat());
    let funds = BillName {
        sort: BillSort::Funds,
        ..wechat_name()
    };
    let (lines, sums) = read(&funds, text.clone().into_bytes()).unwrap();
    let kinds: Vec<BillKind> = lines.iter().map(|line| line.kind).collect();
    use BillKind as K;
    assert_eq!(kinds, [K::Success, K::Fee, K::Refund, K::Outlay]);
    assert_eq!((sums.fees, sums.others), (Exact(228_000), 2));
    let wrong = text.replace("`302.28", "`302.29").into_bytes();
    assert!(refused(&funds, wrong).contains("支出金额 is 302.29"));
}

const ALIPAY_HEAD: &str = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注";

fn alipay_name() -> BillName {
    name(
        ChannelCode::Alipay,
        "2088000000000001",
        BillSort::Trade,
        "2026-11-21",
    )
}

fn alipay_notes(title: &str) -> String {
    format!(
        "#支付宝{title}查询\r\n#账号：[20880000000000010156]\r\n#起始日期：[2026年11月21日 00:00:00]   终止日期：[2026年11月22日 00:00:00]\r\n#------{title}列表------\r\n"
    )
}

fn alipay_texts() -> [String; 2] {
    let row = |kind: &str, amount: &str, request: &str, fee: &str| {
        format!(
            "2026112122001400000001\t,JA1\t,{kind}\t,居民医保\t,2026-11-21 10:00:00\t,2026-11-21 10:01:02\t,\t,\t,\t,\t,贾*\t,{amount}\t,{amount}\t,0.00\t,0.00\t,0.00\t,0.00\t,0.00\t,\t,0.00\t,0.00\t,{request}\t,{fee}\t,0.00\t,\t\r\n"
        )
    };
    let details = format!(
        "{}{ALIPAY_HEAD}\r\n{}{}#------业务明细列表结束------\r\n#交易合计：1笔，商家实收共380.00元，商家优惠共0.00元\r\n#退款合计：1笔，商家实收退款共-190.00元，商家优惠退款共0.00元\r\n#导出时间：[2026年11月22日 09:00:00]\r\n",
        alipay_notes("业务明细"),
        row("交易", "380.00", "", "-2.28"),
        row("退款", "-190.00", "JR1", "1.14"),
    );
    let summary = format!(
        "{}门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,服务费（元）,分润（元）,实收净额（元）\r\n合计\t,\t,1\t,1\t,190.00\t,190.00\t,0.00\t,0.00\t,-1.14\t,0.00\t,188.86\t\r\n#------业务汇总列表结束------\r\n",
        alipay_notes("业务汇总"),
    );
    [details, summary]
}

fn alipay_zip([details, summary]: [String; 2]) -> Vec<u8> {
    let stem = "20880000000000010156_20261121_业务明细";
    zip_of(&[
        (&format!("{stem}.csv"), &GBK.encode(&details).0),
        (&format!("{stem}(汇总).csv"), &GBK.encode(&summary).0),
    ])
}

#[test]
fn a_bill_of_alipay_is_read_with_its_summary() {
    let (lines, totals) = read(&alipay_name(), alipay_zip(alipay_texts())).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (
            lines[0].kind,
            lines[0].our_no.as_str(),
            lines[0].amount,
            lines[0].fee
        ),
        (BillKind::Success, "JA1", Fen::new(38_000), Exact(228_000))
    );
    assert_eq!(
        (
            lines[1].kind,
            lines[1].our_no.as_str(),
            lines[1].amount,
            lines[1].fee
        ),
        (BillKind::Refund, "JR1", Fen::new(19_000), Exact(-114_000))
    );
    assert_eq!(
        lines[1].payment_no.as_deref(),
        Some("2026112122001400000001")
    );
    assert_eq!(lines[0].at.local(), "2026-11-21 10:01:02");
    assert_eq!((totals.payments, totals.refunds), (1, 1));
}

#[test]
fn a_changed_bill_of_alipay_is_refused_with_its_place() {
    let detail_file = "20880000000000010156_20261121_业务明细.csv";
    for (at, from, to, said) in [
        (
            0,
            "[2088",
            "[2087",
            "line 2 of 20880000000000010156_20261121_业务明细.csv: it is about another merchant",
        ),
        (
            0,
            "[2026年11月21日",
            "[2026年11月20日",
            "line 3 of 20880000000000010156_20261121_业务明细.csv: it is about another day",
        ),
        (
            0,
            ",交易\t,",
            ",转账\t,",
            "line 6 of 20880000000000010156_20261121_业务明细.csv: \"转账\" is neither",
        ),
        (
            0,
            "380.00\t,380.00",
            "380.0\t,380.00",
            "\"380.0\" is no amount",
        ),
        (
            0,
            "-190.00\t",
            "190.00\t",
            "the sign of its amount is wrong",
        ),
        (
            0,
            "JR1\t,",
            "JR1\t,more\t,",
            "it has 26 cells, the head has 25",
        ),
        (
            0,
            "2026-11-21 10:01:02",
            "2026-11-22 10:01:02",
            "it happened on another day",
        ),
        (
            0,
            "合计：1笔，商家实收共380.00",
            "合计：2笔，商家实收共380.00",
            "交易合计 is 2",
        ),
        (0, "退款共-190.00", "退款共-190.01", "退款合计 is -190.01"),
        (0, "#退款合计", "#其他", "the bill ends without its totals"),
        (0, "列表结束", "列表", "it does not end the table"),
        (0, "服务费", "费", "there is no column 服务费"),
        (1, "\t,1\t,1\t", "\t,2\t,1\t", "交易订单总笔数 is 2"),
        (1, "-1.14", "-1.15", "服务费 is -1.15"),
        (1, "合计", "小计", "there is no row 合计"),
        (1, "[2088", "[2087", "it is about another merchant"),
    ] {
        let mut texts = alipay_texts();
        assert!(texts[at].contains(from), "{from}");
        texts[at] = texts[at].replacen(from, to, 1);
        let fault = refused(&alipay_name(), alipay_zip(texts));
        assert!(fault.contains(said), "{fault}\n{said}");
    }
    let [details, summary] = alipay_texts();
    let details = GBK.encode(&details).0.into_owned();
    let alone = zip_of(&[(detail_file, &details)]);
    assert!(refused(&alipay_name(), alone).contains("there is no 业务明细(汇总).csv in the zip"));
    let summary = GBK.encode(&summary).0.into_owned();
    let utf8 = zip_of(&[
        (detail_file, alipay_texts()[0].as_bytes()),
        ("业务明细(汇总).csv", &summary),
    ]);
    let fault = refused(&alipay_name(), utf8);
    assert!(fault.starts_with("reading line 1"), "{fault}");
}

fn unionpay_name() -> BillName {
    name(
        ChannelCode::Unionpay,
        "802310048993424",
        BillSort::Trade,
        "2015-09-05",
    )
}

/// The files of the official sample.
fn sample() -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file(SAMPLE))).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.name().unwrap().into_owned(), content)
        })
        .collect()
}

fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, content)| (name.as_str(), content.as_slice()))
        .collect();
    zip_of(&entries)
}

#[test]
fn the_official_sample_of_unionpay_is_read_with_its_sums() {
    let (lines, totals) = read(&unionpay_name(), file(SAMPLE)).unwrap();
    let expected = vector("up-recon-file");
    assert_eq!(serde_json::json!(lines.len()), expected["records"]);
    let first = &lines[0];
    assert_eq!(first.channel_no, expected["first"]["query_id"]);
    assert_eq!(
        (first.kind, first.our_no.as_str()),
        (BillKind::Success, "10078087")
    );
    assert_eq!(first.amount, Fen::parse_yuan("4768.00").unwrap());
    assert_eq!(first.fee, Exact::parse_yuan("28.61", 2).unwrap());
    // Paid on the day after the clearing day that the file bears.
    assert_eq!(first.at.local(), "2015-09-06 11:22:03");
    assert_eq!(first.payment_no, None);
    assert_eq!(totals.paid.to_string(), "13227.00");
    assert_eq!(totals.fees.to_string(), "79.36");
}

#[test]
fn times_of_unionpay_fall_into_the_year_nearest_to_the_day() {
    let day = |text: &str| text.parse().unwrap();
    let time = |text, on| super::unionpay::instant(text, day(on)).map(|at| at.local());
    assert_eq!(
        time("1231230500", "2026-01-01").unwrap(),
        "2025-12-31 23:05:00"
    );
    assert_eq!(
        time("0101000500", "2025-12-31").unwrap(),
        "2026-01-01 00:05:00"
    );
    assert_eq!(time("0229000000", "2026-03-01"), None);
    assert_eq!(time("0301240000", "2026-03-01"), None);
    assert_eq!(time("030123000", "2026-03-01"), None);
}

#[test]
fn a_changed_file_of_unionpay_is_refused_with_its_place() {
    let files = sample();
    let details = files
        .iter()
        .position(|(name, _)| name.contains("ZM_"))
        .unwrap();
    let at = |place: usize, bytes: &'static [u8]| (place, bytes);
    for ((place, bytes), said) in [
        (
            at(3, b"x"),
            "line 1 of INN15090588ZM_802310048993424: there is no blank",
        ),
        (
            at(68, b"x"),
            "line 1 of INN15090588ZM_802310048993424: its amount is no number",
        ),
        (at(166, b"E"), "its fee is no amount"),
        (at(100, &[0xff, 0xff]), "it is not GBK"),
        (at(0, b"S30"), "its money goes the wrong way"),
        (
            at(77, b"9"),
            "交易金额 (贷) is 13227.00 at the end of the bill",
        ),
        (at(607 + 2, b"S22 88022900\n"), "line 2"),
    ] {
        let mut files = files.clone();
        files[details].1[place..place + bytes.len()].copy_from_slice(bytes);
        let fault = refused(&unionpay_name(), packed(&files));
        assert!(fault.contains(said), "{fault}\n{said}");
    }
    let without = |mark: &str| {
        let rest = files.iter().filter(|(name, _)| !name.contains(mark));
        packed(&rest.cloned().collect::<Vec<_>>())
    };
    let name = unionpay_name();
    assert!(refused(&name, without("ZM_")).contains("there is no file of details"));
    assert!(refused(&name, without("RD")).contains("there is no summary"));
    let mut lost = files.clone();
    lost[details].1.truncate(609 * 7);
    assert!(refused(&name, packed(&lost)).contains("交易笔数 is 8 at the end"));
    let other = BillName {
        day: Date::constant(2015, 9, 6),
        ..unionpay_name()
    };
    assert!(refused(&other, file(SAMPLE)).contains("it is about another day"));
    let mut disputed = files.clone();
    disputed.push((
        "INN15090588ZME_802310048993424".to_owned(),
        b"short".to_vec(),
    ));
    assert!(refused(&name, packed(&disputed)).contains("line 1 of INN15090588ZME_"));
}

/// What unpacks to far more than it says, or to more than a bill can be, is not unpacked to the end.
#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 4 * 1024 * 1024];
    let bomb = zip_of(&[("INN1ZM_1", &zeros), ("RD1", b"")]);
    let mut liar = bomb.clone();
    // The directory, which counts, says that a kilobyte lies there.
    let size = u32::try_from(zeros.len()).unwrap().to_le_bytes();
    let place = liar.windows(4).rposition(|bytes| bytes == size).unwrap();
    liar[place..place + 4].copy_from_slice(&1024_u32.to_le_bytes());
    let mut archive = Cursor::new(liar);
    let entries = super::packing::entries(&mut archive).unwrap();
    let entry = super::packing::only(&entries, "x", |name| name.contains("ZM_")).unwrap();
    let mut unpacked = super::packing::Unpacked::open(archive, entry).unwrap();
    let error = unpacked.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("longer than the zip says"),
        "{error}"
    );

    let packed = gzip(&zeros);
    assert!(packed.len() * 500 < zeros.len());
    let mut plain = super::packing::plain_or_gzip(Cursor::new(packed), 1_000_000).unwrap();
    let error = plain.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("more than a bill can be"),
        "{error}"
    );

    let many: Vec<String> = (0..17).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let fault = super::packing::entries(&mut Cursor::new(zip_of(&many))).unwrap_err();
    assert!(fault.to_string().contains("17 files"), "{fault}");
}

/// Names and bills of all kinds, as they come.
fn all() -> Vec<(BillName, Vec<u8>)> {
    vec![
        (wechat_name(), wechat_text().into_bytes()),
        (wechat_name(), gzip(wechat_text().as_bytes())),
        (alipay_name(), alipay_zip(alipay_texts())),
        (unionpay_name(), file(SAMPLE)),
    ]
}

proptest! {
    /// A bill that lost its end, wherever it was cut, is never believed. Only the last line's end
    /// carries nothing.
    #[test]
    fn every_cut_is_refused(which in 0_usize..4, cut in any::<prop::sample::Index>()) {
        let (name, bill) = all().swap_remove(which);
        let kept = cut.index(bill.len() - 2);
        prop_assert!(read(&name, bill[..kept].to_vec()).is_err());
    }

    /// A changed byte either is found out, or changes nothing that a line tells.
    #[test]
    fn no_changed_byte_changes_an_amount(
        which in 0_usize..4,
        place in any::<prop::sample::Index>(),
        bits in 1_u8..,
    ) {
        let (name, mut bill) = all().swap_remove(which);
        let (honest, totals) = read(&name, bill.clone()).unwrap();
        let place = place.index(bill.len());
        bill[place] ^= bits;
        if let Ok((lines, changed)) = read(&name, bill) {
            prop_assert_eq!(changed.paid, totals.paid);
            prop_assert_eq!(changed.returned, totals.returned);
            prop_assert_eq!(lines.len(), honest.len());
        }
    }

    /// Nothing that is sent makes the readers panic.
    #[test]
    fn noise_is_refused(which in 0_usize..4, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (name, _) = all().swap_remove(which);
        prop_assert!(read(&name, noise).is_err());
    }
}
