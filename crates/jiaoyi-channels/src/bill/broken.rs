//! A bill of each channel, broken in every way that we could think of: it is refused, and the refusal
//! names the line or the entry, so that somebody can look.

use super::generated::{DAY, MERCHANT, alipay, unionpay, wechat};
use super::tests::{gzip, name, read, refused, zip_of};
use encoding_rs::GBK;
use jiaoyi_domain::bill::{BillName, BillSort};
use jiaoyi_domain::channel::ChannelCode;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Payments of each bill.
const LINES: u64 = 200;
/// Places at which a bill is cut or a byte of it changed.
const PLACES: usize = 64;

fn own(channel: ChannelCode) -> BillName {
    name(channel, MERCHANT, BillSort::Trade, &DAY.to_string())
}

fn plain() -> Vec<u8> {
    let mut text = Vec::new();
    wechat(LINES, &mut text).unwrap();
    text
}

fn packed(make: impl Fn(&mut Cursor<Vec<u8>>) -> std::io::Result<()>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    make(&mut file).unwrap();
    file.into_inner()
}

/// Name and content of every file in a zip.
type Files = Vec<(String, Vec<u8>)>;

fn files(bill: &[u8]) -> Files {
    let mut archive = ZipArchive::new(Cursor::new(bill)).unwrap();
    let entries = (0..archive.len()).map(|index| {
        let mut entry = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.name().unwrap().into_owned(), content)
    });
    entries.collect()
}

fn zipped(files: &Files) -> Vec<u8> {
    let entries = files.iter().map(|(name, content)| (&**name, &**content));
    zip_of(&entries.collect::<Vec<_>>())
}

/// The bills that come as a zip, with the place of the details among their files.
fn zips() -> [(BillName, Vec<u8>); 2] {
    [
        (own(ChannelCode::Alipay), packed(|file| alipay(LINES, file))),
        (
            own(ChannelCode::Unionpay),
            packed(|file| unionpay(LINES, file)),
        ),
    ]
}

/// The line that a fault names.
fn line_of(fault: &str) -> u64 {
    let rest = fault.split_once("line ");
    let number = rest.and_then(|(_, rest)| rest.split_once(' '));
    let number = number.and_then(|(number, _)| number.parse().ok());
    number.unwrap_or_else(|| panic!("no line is named: {fault}"))
}

/// Places all over a file but in the two bytes that end its last line.
fn places(length: usize) -> impl Iterator<Item = usize> {
    (0..=PLACES).map(move |n| n * (length - 3) / PLACES)
}

#[test]
fn whole_bills_are_read() {
    for bill in [plain(), gzip(&plain())] {
        let (lines, totals) = read(&own(ChannelCode::Wechat), bill).unwrap();
        assert_eq!((lines.len(), totals.payments), (200, LINES));
    }
    for (name, bill) in zips() {
        assert_eq!(read(&name, bill.clone()).unwrap().0.len(), 200);
        // Who packs again without compression changes no content.
        let mut stored = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files(&bill) {
            let options = zip::write::SimpleFileOptions::default();
            let options = options.compression_method(zip::CompressionMethod::Stored);
            stored.start_file(name, options).unwrap();
            std::io::Write::write_all(&mut stored, &content).unwrap();
        }
        let stored = stored.finish().unwrap().into_inner();
        assert_eq!(read(&name, stored).unwrap().0.len(), 200);
    }
}

#[test]
fn a_cut_text_is_refused_with_the_line_of_the_cut() {
    let text = plain();
    for place in places(text.len()) {
        let fault = refused(&own(ChannelCode::Wechat), text[..place].to_vec());
        // What is missed is the rest of the line, or the next one.
        let whole = text[..place].iter().filter(|byte| **byte == b'\n').count();
        let told = usize::try_from(line_of(&fault)).unwrap();
        assert!((whole..=whole + 2).contains(&told), "{place}: {fault}");
    }
}

#[test]
fn a_cut_gzip_is_refused_with_a_line() {
    let bill = gzip(&plain());
    for place in places(bill.len()) {
        let fault = refused(&own(ChannelCode::Wechat), bill[..place].to_vec());
        assert!((1..=204).contains(&line_of(&fault)), "{place}: {fault}");
    }
}

#[test]
fn a_cut_zip_has_no_directory() {
    for (name, bill) in zips() {
        for place in places(bill.len()) {
            let fault = refused(&name, bill[..place].to_vec());
            assert!(
                fault.starts_with("unpacking the bill: "),
                "{place}: {fault}"
            );
        }
    }
}

/// A file of a zip that is itself cut, with a directory that fits the rest.
#[test]
fn a_cut_file_in_a_whole_zip_is_refused_with_its_place() {
    for (name, bill) in zips() {
        for file in 0..2 {
            let whole = files(&bill)[file].1.clone();
            for place in places(whole.len()) {
                let mut files = files(&bill);
                files[file].1.truncate(place);
                // The last line's end carries nothing.
                if files[file].1.trim_ascii_end() == whole.trim_ascii_end() {
                    continue;
                }
                let entry = files[file].0.clone();
                let fault = refused(&name, zipped(&files));
                // A cut between two lines shows at the sums only.
                let named = fault.contains(&entry) || fault.contains("at the end of the bill");
                assert!(named, "{entry} {place}: {fault}");
            }
        }
    }
}

/// A changed byte of what is packed is either noticed or was never part of the content.
#[test]
fn a_changed_byte_of_a_packed_bill_changes_no_line() {
    let wechat = (own(ChannelCode::Wechat), gzip(&plain()));
    let mut noticed = 0;
    for (name, bill) in zips().into_iter().chain([wechat]) {
        let honest = read(&name, bill.clone()).unwrap();
        for place in places(bill.len()) {
            let mut changed = bill.clone();
            changed[place] ^= 0x10;
            match read(&name, changed) {
                Ok(told) => assert_eq!(told, honest, "{name:?} {place}"),
                Err(_) => noticed += 1,
            }
        }
    }
    assert!(noticed > 3 * PLACES / 2, "{noticed}");
}

/// In the middle of what is packed, the checksum or the stream itself is wrong: the entry is named.
#[test]
fn a_changed_byte_in_the_middle_names_the_entry() {
    for (name, bill) in zips() {
        let mut changed = bill.clone();
        // The details come first, and are by far the longest.
        let middle = changed.len() / 3;
        changed[middle] ^= 0x10;
        let entry = files(&bill)[0].0.clone();
        let fault = refused(&name, changed);
        assert!(fault.contains(&entry), "{fault}");
    }
}

#[test]
fn a_wrong_sum_is_named() {
    let replaced = |text: &[u8], from: &str, to: &str| {
        let text = GBK.decode(text).0.into_owned();
        assert!(text.contains(from), "{from}");
        GBK.encode(&text.replacen(from, to, 1)).0.into_owned()
    };
    let text = String::from_utf8(plain()).unwrap();
    for (from, to, said) in [
        ("`200,`80000.00", "`201,`80000.00", "总交易单数 is 201"),
        (
            "`200,`80000.00",
            "`200,`80000.01",
            "应结订单总金额 is 80000.01",
        ),
        ("`480.00000", "`480.00001", "手续费总金额 is 480.00001"),
    ] {
        assert!(text.contains(from), "{from}");
        let fault = refused(
            &own(ChannelCode::Wechat),
            text.replacen(from, to, 1).into_bytes(),
        );
        assert!(fault.contains(said), "{fault}\n{said}");
    }
    let [(name, bill), (other, second)] = zips();
    for (file, from, to, said) in [
        (
            0,
            "200笔，商家实收共",
            "199笔，商家实收共",
            "交易合计 is 199",
        ),
        (
            0,
            "商家实收共80000.00",
            "商家实收共79999.99",
            "交易合计 is 79999.99",
        ),
        (1, "\t,200\t,", "\t,201\t,", "交易订单总笔数 is 201"),
        (1, "-480.00", "-480.01", "服务费 is -480.01"),
    ] {
        let mut files = files(&bill);
        files[file].1 = replaced(&files[file].1, from, to);
        let fault = refused(&name, zipped(&files));
        assert!(fault.contains(said), "{fault}\n{said}");
    }
    for (from, to, said) in [
        ("总计 200", "总计 199", "交易笔数 is 199"),
        (
            "0.00 80000.00",
            "0.00 80000.01",
            "交易金额 (贷) is 80000.01",
        ),
        ("480.00", "480.01", "费用 (借) is 480.01"),
        ("79520.00", "79520.01", "资金清算差额 (贷) is 79520.01"),
        ("20261121", "20261122", "RD1: it is about another day"),
    ] {
        let mut files = files(&second);
        files[1].1 = replaced(&files[1].1, from, to);
        let fault = refused(&other, zipped(&files));
        assert!(fault.contains(said), "{fault}\n{said}");
    }
}

/// One column less in the head, and in every line.
#[test]
fn a_missing_column_is_named() {
    let text = String::from_utf8(plain()).unwrap();
    for column in [
        "交易时间",
        "商户号",
        "微信订单号",
        "商户订单号",
        "交易状态",
        "货币种类",
        "手续费",
        "订单金额",
    ] {
        let head = text.lines().next().unwrap();
        let cells: Vec<&str> = head.trim_start_matches('\u{feff}').split(',').collect();
        let cells = cells
            .iter()
            .map(|cell| if *cell == column { "别的" } else { cell });
        let without = text.replacen(head, &cells.collect::<Vec<_>>().join(","), 1);
        let fault = refused(&own(ChannelCode::Wechat), without.into_bytes());
        let said = format!("line 1 of the bill: there is no column {column}");
        assert!(fault.contains(&said), "{fault}");
    }
    let fewer = text.replace("`JSAPI,", "").into_bytes();
    let fault = refused(&own(ChannelCode::Wechat), fewer);
    assert!(
        fault.contains("line 2 of the bill: it has 26 cells"),
        "{fault}"
    );

    let [(name, bill), (other, second)] = zips();
    let entry = files(&bill)[0].0.clone();
    for column in [
        "支付宝交易号",
        "商户订单号",
        "业务类型",
        "完成时间",
        "服务费",
    ] {
        let mut files = files(&bill);
        let details = GBK.decode(&files[0].1).0.replacen(column, "别的", 1);
        files[0].1 = GBK.encode(&details).0.into_owned();
        let fault = refused(&name, zipped(&files));
        let said = format!("line 5 of {entry}: there is no column {column}");
        assert!(fault.contains(&said), "{fault}");
    }
    let mut narrow = files(&second);
    let details = String::from_utf8(narrow[0].1.clone()).unwrap();
    narrow[0].1 = details.replace(" 4899", "").into_bytes();
    let fault = refused(&other, zipped(&narrow));
    assert!(
        fault.contains("line 1 of INN26112188ZM_1: it has 602 bytes"),
        "{fault}"
    );
}

/// Packed again by somebody: another method, one file too many, names that lead elsewhere.
#[test]
fn a_bill_that_was_packed_again_is_refused_with_the_entry() {
    for (name, bill) in zips() {
        let entry = files(&bill)[0].0.clone();
        for method in [9_u8, 12, 14, 93, 95, 98] {
            let fault = refused(&name, with_method(&bill, method));
            assert!(
                fault.contains(&format!("{entry} is packed by")),
                "{method}: {fault}"
            );
        }
        for folder in ["../", "../../../etc/", "/", "C:\\", "..\\"] {
            let mut files = files(&bill);
            let led = format!("{folder}{entry}");
            files[0].0.clone_from(&led);
            let fault = refused(&name, zipped(&files));
            assert!(
                fault.contains(&format!("{led:?} leads elsewhere")),
                "{fault}"
            );
        }
        // The same once more under a name that fits as well.
        let mut twice = files(&bill);
        let copy = (format!("2{entry}"), twice[0].1.clone());
        twice.push(copy);
        let fault = refused(&name, zipped(&twice));
        assert!(fault.contains("there is more than one"), "{fault}");
        // A directory that promises more than a bill can be.
        let fault = refused(&name, promising(&bill));
        assert!(
            fault.contains("it would unpack to 8589934588 bytes"),
            "{fault}"
        );
        // The whole zip in a gzip, as a download may leave it.
        let fault = refused(&name, gzip(&bill));
        assert!(fault.starts_with("unpacking the bill: "), "{fault}");
    }
    // UnionPay packs a file for each kind of business; Alipay two and no more.
    let [(name, bill), _] = zips();
    let mut more = files(&bill);
    more.push(("说明.txt".to_owned(), b"x".to_vec()));
    let fault = refused(&name, zipped(&more));
    assert!(
        fault.contains("说明.txt is no part of this bill"),
        "{fault}"
    );
}

/// Every place of a zip that names how a file is packed.
fn with_method(bill: &[u8], method: u8) -> Vec<u8> {
    let mut changed = bill.to_vec();
    for (mark, offset) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        for place in found(bill, mark) {
            changed[place + offset] = method;
        }
    }
    changed
}

/// Every file is said to unpack to as much as a directory can say.
fn promising(bill: &[u8]) -> Vec<u8> {
    let mut changed = bill.to_vec();
    for place in found(bill, b"PK\x01\x02") {
        changed[place + 24..place + 28].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    }
    changed
}

fn found<'b>(bill: &'b [u8], mark: &'b [u8; 4]) -> impl Iterator<Item = usize> + 'b {
    let windows = bill.windows(4).enumerate();
    windows.filter_map(move |(place, bytes)| (bytes == mark).then_some(place))
}

/// What unpacks to far more than any bill ends at its first line.
#[test]
fn a_bomb_ends_at_its_first_line() {
    let zeros = vec![0; 8 * 1024 * 1024];
    let fault = refused(&own(ChannelCode::Wechat), gzip(&zeros));
    assert!(
        fault.contains("line 1 of the bill: it is longer than any line"),
        "{fault}"
    );
    for (name, bill) in zips() {
        let mut files = files(&bill);
        files[0].1.clone_from(&zeros);
        let entry = files[0].0.clone();
        let fault = refused(&name, zipped(&files));
        let said = format!("line 1 of {entry}: it is longer than any line");
        assert!(fault.contains(&said), "{fault}");
    }
}

/// Another charset, and a gzip where a text should be.
#[test]
fn a_text_in_another_charset_or_packed_once_more_is_refused_at_its_first_line() {
    let text = String::from_utf8(plain()).unwrap();
    for content in [
        GBK.encode(&text).0.into_owned(),
        gzip(&gzip(text.as_bytes())),
        utf16(&text),
    ] {
        let fault = refused(&own(ChannelCode::Wechat), content);
        assert!(fault.starts_with("reading line 1 of the bill: "), "{fault}");
    }
    for (name, bill) in zips() {
        for file in 0..2 {
            let honest = files(&bill);
            let (entry, content) = honest[file].clone();
            let decoded = GBK.decode(&content).0.into_owned();
            for other in [gzip(&content), utf16(&decoded)] {
                let mut files = honest.clone();
                files[file].1 = other;
                let fault = refused(&name, zipped(&files));
                assert!(fault.contains(&entry), "{entry}: {fault}");
            }
            // UnionPay's details have no character in which the two differ.
            if decoded.is_ascii() {
                continue;
            }
            let mut files = honest.clone();
            files[file].1 = decoded.into_bytes();
            let fault = refused(&name, zipped(&files));
            assert!(fault.contains(&entry), "{entry}: {fault}");
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
