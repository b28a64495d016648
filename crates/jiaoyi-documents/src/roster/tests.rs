//! Each kind of error, with real files made here.

use super::*;
use encoding_rs::GBK;
use jiaoyi_domain::Date;
use jiaoyi_domain::person::id_number;
use jiaoyi_domain::policy::{InForce, Pack, demo_packs};
use rust_xlsxwriter::{Format, Formula, Workbook};
use std::io::Cursor;

const TODAY: Date = Date::constant(2026, 11, 22);
const HEADER: &str = "姓名,证件类型,身份证号,参保地,人员类别,档次,救助身份,手机号,停保原因";

fn id(serial: u16) -> String {
    id_number("990101", Date::constant(1960, 5, 17), serial).unwrap()
}

fn packs() -> Vec<InForce> {
    let packs = demo_packs(TODAY).into_iter();
    packs
        .map(|(file, text)| InForce::try_new(Pack::parse(&file, &text).unwrap()).unwrap())
        .collect()
}

fn open(bytes: impl Into<Vec<u8>>) -> Result<RosterReader, FileError> {
    open_roster(Cursor::new(bytes.into()), false, &Limits::default())
}

/// Reads and checks everything: row numbers of good rows, and all errors.
fn check(bytes: impl Into<Vec<u8>>) -> (Vec<CheckedRow>, Vec<CellError>) {
    let packs = packs();
    let pack_of = |code: &str| packs.iter().find(|pack| pack.region()[..4] == code[..4]);
    let checker = Checker {
        today: TODAY,
        region: None,
        pack_of: &pack_of,
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for row in open(bytes).unwrap() {
        match checker.check(&row.unwrap()) {
            Ok(row) => good.push(row),
            Err(errors) => bad.extend(errors),
        }
    }
    (good, bad)
}

fn workbook(rows: &[Vec<&str>]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, cells) in (0u32..).zip(rows) {
        for (place, text) in (0u16..).zip(cells) {
            sheet.write_string(row, place, *text).unwrap();
        }
    }
    book.save_to_buffer().unwrap()
}

fn file_code(bytes: impl Into<Vec<u8>>) -> String {
    match open(bytes) {
        Err(error) => error.code().to_owned(),
        Ok(reader) => reader
            .filter_map(|row| row.err().map(|error| error.code().to_owned()))
            .next()
            .unwrap_or_else(|| "none".to_owned()),
    }
}

#[test]
fn one_list_reads_alike_in_every_form() {
    let (one, two) = (id(1), id(2));
    let lines = [
        HEADER.to_owned(),
        format!("王桂兰,,{one},990101,城乡居民,,特困人员、低保对象,138 0013 0421,"),
        format!("买买提•艾力,居民身份证,{two},990102,student_child,,,,死亡"),
    ];
    let text = lines.join("\r\n");
    let cells: Vec<Vec<&str>> = lines.iter().map(|line| line.split(',').collect()).collect();
    // GBK has the middle dot of the register, but not the bullet.
    let dotted = text.replace('•', "·");
    let (gbk, _, lost) = GBK.encode(&dotted);
    assert!(!lost);
    let forms: [(Vec<u8>, Encoding); 7] = [
        (text.clone().into_bytes(), Encoding::Utf8),
        (format!("\u{feff}{text}\r\n").into_bytes(), Encoding::Utf8),
        (text.replace("\r\n", "\n").into_bytes(), Encoding::Utf8),
        (text.replace(',', "\t").into_bytes(), Encoding::Utf8),
        (text.replace(',', ";").into_bytes(), Encoding::Utf8),
        (gbk.into_owned(), Encoding::Gbk),
        (workbook(&cells), Encoding::Xlsx),
    ];
    let mut first: Option<Vec<CheckedRow>> = None;
    for (bytes, encoding) in forms {
        assert_eq!(open(bytes.clone()).unwrap().encoding(), encoding);
        let (good, bad) = check(bytes);
        assert_eq!(bad, []);
        let numbers: Vec<u64> = good.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [2, 3], "{encoding:?}");
        assert_eq!(good[0].name.expose(), "王桂兰");
        assert_eq!(good[0].aids, ["tekun", "dibao"]);
        assert_eq!(good[0].category, "resident");
        assert_eq!(good[0].phone.as_ref().unwrap().expose(), "13800130421");
        assert_eq!(good[1].name.expose(), "买买提·艾力");
        assert_eq!(good[1].void_cause.as_deref(), Some("死亡"));
        assert_eq!(first.get_or_insert_with(|| good.clone()), &good);
    }
}

#[test]
fn rows_are_numbered_as_the_spreadsheet_shows_them() {
    let text = "花园村 2027 年度名册,,\n\n姓名*,证件号码(必填),参 保 地,人员类别,备注\n\n\
         甲一,1,990101,城乡居民,\"两\n行\"\n,,,,\n\n乙二,1,990101,城乡居民,\n丙三,1,990101,城乡居民,";
    let rows: Vec<u64> = open(text).unwrap().map(|row| row.unwrap().number).collect();
    assert_eq!(rows, [5, 8, 9]);
    let sheet = workbook(&[
        vec!["花园村 2027 年度名册"],
        vec![],
        vec!["序号", "姓名", "身份证号", "参保地", "人员类别"],
        vec![],
        vec!["1", "甲一", "1", "990101", "城乡居民"],
        vec!["", " ", "", "", ""],
        vec!["2", "乙二", "1", "990101", "城乡居民"],
    ]);
    let rows: Vec<u64> = open(sheet)
        .unwrap()
        .map(|row| row.unwrap().number)
        .collect();
    assert_eq!(rows, [5, 7]);
}

#[test]
fn a_wrong_header_is_told_with_every_problem() {
    let error = open("序号,姓名,电话,户号,备注\n1,王国,13800130421,,\n")
        .err()
        .unwrap();
    let message = error.message_zh();
    assert!(message.contains("缺少“身份证号”列。"), "{message}");
    assert!(message.contains("现在有 5 列"), "{message}");
    assert!(
        message.ends_with("序号、姓名、电话、户号、备注。"),
        "{message}"
    );
    let person = format!("王国,{},990101,城乡居民\n", id(1));
    let error = open(person).err().unwrap();
    let told = format!("{}{}{error:?}", error.message_zh(), error.message_en());
    assert!(told.contains("第 1 列"), "{told}");
    assert!(
        !told.contains("王国") && !told.contains(&id(1)),
        "a list without header is not repeated: {told}"
    );
    for (header, want) in [
        ("姓名,人员类别,参保地", vec!["roster.column_missing"]),
        ("姓名,身份证号,人员类别", vec!["roster.column_missing"]),
        ("a,b,c", vec!["roster.column_missing"; 4]),
        (
            "姓名,身份证号,证件号码,参保地,人员类别",
            vec!["roster.column_duplicate"],
        ),
        (
            "姓名,姓名,身份证号,参保地,人员类别",
            vec!["roster.column_duplicate"],
        ),
        (
            "姓名,身份证号,参保地,人员类别,血型",
            vec!["roster.column_unknown"],
        ),
        ("Name,ID number,Region,Category,Phone", vec![]),
        ("人员类别,参保地,身份证号,姓名", vec![]),
    ] {
        let codes = match open(format!("{header}\n")) {
            Ok(_) => Vec::new(),
            Err(FileError::Columns { problems, .. }) => {
                let known = |p: &&ColumnProblem| {
                    p.code() != "roster.column_unknown" || want.contains(&p.code())
                };
                problems
                    .iter()
                    .filter(known)
                    .map(ColumnProblem::code)
                    .collect()
            }
            Err(other) => panic!("{other}"),
        };
        assert_eq!(codes, want, "{header}");
    }
    let given = open_roster(
        Cursor::new("姓名,身份证号,人员类别\n"),
        true,
        &Limits::default(),
    );
    assert!(given.is_ok(), "the region may be given for the whole file");
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let row = format!("王国,,{},990101,城乡居民,,,,\n", id(1));
    let good = format!("{HEADER}\n{row}");
    let mut broken = good.clone().into_bytes();
    broken.extend_from_slice(b"\xff\xfe\n");
    let mut nul = good.clone().into_bytes();
    nul.extend_from_slice(b"a,\0,b\n");
    let (gbk, _, _) = GBK.encode(&good);
    let mut broken_gbk = gbk.into_owned();
    broken_gbk.extend_from_slice(b"\xff\xff\n");
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(good.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let cells: Vec<Vec<&str>> = good.lines().map(|line| line.split(',').collect()).collect();
    let sheet = workbook(&cells);
    let mut cut = sheet.clone();
    cut.truncate(sheet.len() / 2);
    let mut flipped = sheet.clone();
    let middle = sheet.len() / 3;
    for byte in &mut flipped[middle..middle + 40] {
        *byte ^= 0x55;
    }
    for (bytes, want) in [
        (Vec::new(), "roster.empty"),
        (b"\xef\xbb\xbf".to_vec(), "roster.empty"),
        (broken, "roster.encoding"),
        (broken_gbk, "roster.encoding"),
        (utf16, "roster.utf16"),
        (nul, "roster.nul"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
            "roster.old_or_locked",
        ),
        (b"PK\x03\x04 nothing more".to_vec(), "roster.broken_zip"),
        (cut, "roster.broken_zip"),
        (flipped, "roster.broken_zip"),
        (good.clone().into_bytes(), "none"),
        (sheet, "none"),
    ] {
        assert_eq!(file_code(bytes), want);
    }
    match open(format!("{good}王国,\u{0}\n")) {
        Err(FileError::Nul { line }) => assert_eq!(line, 3),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn formulas_are_refused_with_their_cell() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (place, name) in (0u16..).zip(HEADER.split(',')) {
        sheet.write_string(0, place, name).unwrap();
    }
    sheet.write_formula(4, 2, Formula::new("=1+1")).unwrap();
    match open(book.save_to_buffer().unwrap()) {
        Err(FileError::Formula { cell }) => assert_eq!(cell, "C5"),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn sizes_are_limited() {
    let row = "王国,,1,990101,城乡居民,,,,\n";
    let many = format!("{HEADER}\n{}", row.repeat(4));
    let cells: Vec<Vec<&str>> = many.lines().map(|line| line.split(',').collect()).collect();
    for bytes in [many.clone().into_bytes(), workbook(&cells)] {
        for (rows_max, want) in [(4, None), (3, Some("roster.too_many_rows"))] {
            let limits = Limits {
                rows_max,
                ..Limits::default()
            };
            let error = match open_roster(Cursor::new(bytes.clone()), false, &limits) {
                Err(error) => Some(error.code()),
                Ok(reader) => reader.filter_map(Result::err).map(|e| e.code()).next(),
            };
            assert_eq!(error, want);
        }
    }
    // A zip file of a few kilobytes that unpacks to many megabytes.
    let blank = " ".repeat(30_000);
    let wide: Vec<Vec<&str>> = (0..100).map(|_| vec![blank.as_str(); 2]).collect();
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    for (row, cells) in (0u32..).zip(&wide) {
        sheet
            .write_string(row, 0, format!("{row}{}", cells[0]))
            .unwrap();
    }
    let bomb = book.save_to_buffer().unwrap();
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let limits = Limits {
        unpacked_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let error = open_roster(Cursor::new(bomb), false, &limits)
        .err()
        .unwrap();
    assert_eq!(error.code(), "roster.too_large");
    // A quotation mark that is never closed does not swallow memory.
    let open_quote = format!("{HEADER}\n王国,,\"{}", row.repeat(50_000));
    assert_eq!(file_code(open_quote), "roster.row_too_long");
}

#[test]
fn every_cell_problem_is_told_at_once() {
    let good = id(3);
    let region = "990101";
    for (line, want) in [
        (
            format!(",,{good},{region},城乡居民,,,,"),
            vec![("name.empty", "没有填姓名")],
        ),
        (
            format!("王?,,{good},{region},城乡居民,,,,"),
            vec![("name.lost", "生僻字")],
        ),
        (
            format!("王国,,{},{region},城乡居民,,,,", &good[..17]),
            vec![("document.length", "身份证号少 1 位")],
        ),
        (
            format!("王国,,{good}1,{region},城乡居民,,,,"),
            vec![("document.length", "身份证号多 1 位")],
        ),
        (
            format!("王国,,,{region},城乡居民,,,,"),
            vec![("document.empty", "没有填身份证号")],
        ),
        (
            format!("王国,,110105194912310021,{region},城乡居民,,,,"),
            vec![("document.checksum", "身份证号第 18 位不对")],
        ),
        (
            format!("王国,,110105190002290017,{region},城乡居民,,,,"),
            vec![("document.birth_date", "不是日期")],
        ),
        (
            format!("王国,,110105202701010016,{region},城乡居民,,,,"),
            vec![("document.future_birth", "还没有到")],
        ),
        (
            format!("王国,,110105491231002,{region},城乡居民,,,,"),
            vec![("document.first_generation", "15 位")],
        ),
        (
            format!("王国,护照,{good}999,{region},城乡居民,,,,"),
            vec![("document.shape", "护照号")],
        ),
        (
            format!("王国,永久居留,{good},{region},城乡居民,,,,"),
            vec![("document.other_kind", "居民身份证")],
        ),
        (
            format!("王国,驾驶证,{good},{region},城乡居民,,,,"),
            vec![("roster.document_kind", "不认识")],
        ),
        (
            format!("王国,,1.10105E+17,{region},城乡居民,,,,"),
            vec![("roster.lost_precision", "文本")],
        ),
        (
            format!("王国,,{good},,城乡居民,,,,"),
            vec![("roster.region_missing", "参保地")],
        ),
        (
            format!("王国,,{good},花园县,城乡居民,,,,"),
            vec![("roster.region", "6 位")],
        ),
        (
            format!("王国,,{good},110101,城乡居民,,,,"),
            vec![("roster.region_no_policy", "没有生效")],
        ),
        (
            format!("王国,,{good},{region},,,,,"),
            vec![("roster.category_missing", "人员类别")],
        ),
        (
            format!("王国,,{good},{region},工人,,,,"),
            vec![("roster.category", "可填")],
        ),
        (
            format!("王国,,{good},990401,resident,三档,,,"),
            vec![("roster.tier", "一档、二档")],
        ),
        (
            format!("王国,,{good},990401,resident,,,,"),
            vec![("roster.tier", "档次")],
        ),
        (
            format!("王国,,{good},990401,学生儿童,二档,,,"),
            vec![("roster.tier", "没有这一档")],
        ),
        (
            format!("王国,,{good},{region},城乡居民,,富人,,"),
            vec![("roster.aid", "特困人员")],
        ),
        (
            format!("王国,,{good},{region},城乡居民,,,1380013042,"),
            vec![("phone.length", "手机号少 1 位")],
        ),
        (
            format!("王国,,{good},{region},城乡居民,,,"),
            vec![("roster.ragged", "8 格")],
        ),
        (
            format!("王国,,{good},{region},城乡居民,,,,,多"),
            vec![("roster.ragged", "10 格")],
        ),
        (
            format!("王国{},,{good},{region},城乡居民,,,,", "长".repeat(300)),
            vec![("roster.cell_too_long", "太长")],
        ),
        (
            "王1,,123,999999,,,,1,".to_owned(),
            vec![
                ("name.sign", "填错列"),
                ("document.length", "少 15 位"),
                ("roster.region_no_policy", ""),
                ("phone.length", ""),
            ],
        ),
    ] {
        let (rows, errors) = check(format!("{HEADER}\n{line}\n"));
        assert_eq!(rows.len(), 0, "{line}");
        let codes: Vec<&str> = errors.iter().map(|error| error.code).collect();
        let wanted: Vec<&str> = want.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, wanted, "{line}");
        for (error, (_, words)) in errors.iter().zip(want) {
            assert_eq!(error.row, 2);
            assert!(
                error.line_zh().contains(words),
                "{}: {words}",
                error.line_zh()
            );
            assert!(error.message_en.is_ascii() || error.message_en.contains(['…', '“']));
            for raw in [good.as_str(), "110105194912310021", "1380013042"] {
                assert!(!format!("{error:?}").contains(raw), "{error:?}");
            }
        }
    }
}

#[test]
fn spreadsheet_numbers_are_taken_for_what_they_are() {
    let mut book = Workbook::new();
    let text = Format::new().set_num_format("yyyy-mm-dd");
    let sheet = book.add_worksheet();
    for (place, name) in (0u16..).zip(HEADER.split(',')) {
        sheet.write_string(0, place, name).unwrap();
    }
    for row in 1..=2 {
        sheet.write_string(row, 0, "王国").unwrap();
        sheet.write_string(row, 4, "城乡居民").unwrap();
        sheet.write_number(row, 3, 990_101).unwrap();
        sheet.write_number(row, 7, 13_800_130_421.0).unwrap();
    }
    sheet.write_string(1, 2, id(4)).unwrap();
    sheet.write_number(2, 2, 990_101_196_005_170_000.0).unwrap();
    sheet.write_number_with_format(2, 5, 45_000, &text).unwrap();
    let (good, bad) = check(book.save_to_buffer().unwrap());
    assert_eq!(good.len(), 1);
    assert_eq!(good[0].phone.as_ref().unwrap().expose(), "13800130421");
    let codes: Vec<_> = bad.iter().map(|error| (error.row, error.code)).collect();
    assert_eq!(
        codes,
        [(3, "roster.lost_precision"), (3, "roster.not_text")]
    );
}

#[test]
fn templates_are_read_back_and_results_compute_nothing() {
    for template in [template_csv(), template_xlsx().unwrap()] {
        let reader = open(template).unwrap();
        assert_eq!(reader.columns().width(), Column::ALL.len());
        assert_eq!(reader.count(), 0);
    }
    let evil = "=HYPERLINK(\"x\")";
    let line = format!(
        "{HEADER}\n王国,,{},990101,\"{}\",,,,\n",
        id(5),
        evil.replace('"', "\"\"")
    );
    let reader = open(line.clone()).unwrap();
    let columns = reader.columns().clone();
    let (_, mut errors) = check(line);
    errors.push(CellError::duplicate(31, 12));
    let text = String::from_utf8(result_csv(&columns, &errors).unwrap()).unwrap();
    assert!(text.starts_with("\u{feff}行号,列,"), "{text}");
    assert!(text.contains("'=HYPERLINK"), "{text}");
    assert!(text.contains("31,身份证号,,与第 12 行重复"), "{text}");
    let sheet = result_xlsx(&columns, &errors).unwrap();
    let mut book = calamine::Xlsx::new(Cursor::new(sheet)).unwrap();
    use calamine::Reader;
    let range = book.worksheet_range("要改的地方").unwrap();
    assert_eq!(range.get_value((2, 0)).unwrap().to_string(), "31");
    assert_eq!(range.height(), errors.len() + 1);
}

#[test]
fn a_large_list_streams() {
    let path = std::env::temp_dir().join(format!("jiaoyi-roster-{}.csv", std::process::id()));
    let mut text = format!("{HEADER}\n");
    for serial in 0..20_000u16 {
        let line = format!("王国,,{},990101,城乡居民,,,,\n", id(serial % 1000));
        text.push_str(&line);
    }
    std::fs::write(&path, &text).unwrap();
    let mut reader = open_roster_file(&path, false, &Limits::default()).unwrap();
    let total = u64::try_from(text.len()).unwrap();
    assert!(reader.progress().0 < total / 10, "{:?}", reader.progress());
    let rows = reader.by_ref().map(Result::unwrap);
    assert_eq!(rows.last().unwrap().number, 20_001);
    assert_eq!(reader.progress(), (total, total));
    std::fs::remove_file(&path).unwrap();
}
