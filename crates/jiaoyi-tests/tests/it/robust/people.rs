//! Invented people in any number, and their rosters as csv (UTF-8, GBK) and xlsx.

use anyhow::{Context, Result};
use jiaoyi_domain::Date;
use jiaoyi_domain::person::id_number;
use std::io::{BufWriter, Write};
use std::path::Path;

const SURNAMES: [&str; 12] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "欧阳",
];
const GIVEN: [&str; 16] = [
    "建国", "桂兰", "秀英", "志强", "淑珍", "海燕", "玉梅", "国庆", "小雨", "子涵", "德福", "春花",
    "文博", "丽娟", "大山", "思远",
];
const HEADER: [&str; 5] = ["姓名", "身份证号", "参保地", "人员类别", "手机号"];
/// Birth dates within 60 years of 28-day months.
const DAYS: u32 = 60 * 336;

/// One invented person.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    pub id_number: String,
    pub region: String,
    pub phone: String,
}

/// Person number `n`, insured in `region`: another document for every `n` below 19 million.
pub fn person(n: u32, region: &str) -> Person {
    let day = n % DAYS;
    let year = 1946 + i16::try_from(day / 336).unwrap_or(0);
    let month = 1 + i8::try_from(day / 28 % 12).unwrap_or(0);
    let date = 1 + i8::try_from(day % 28).unwrap_or(0);
    let birth = Date::new(year, month, date).unwrap_or(Date::MIN);
    let serial = u16::try_from(1 + n / DAYS).unwrap_or(999);
    let place = usize::try_from(n).unwrap_or(0);
    let surname = SURNAMES[place % SURNAMES.len()];
    let given = GIVEN[place / SURNAMES.len() % GIVEN.len()];
    Person {
        name: format!("{surname}{given}"),
        id_number: id_number(region, birth, serial).unwrap_or_default(),
        region: region.to_owned(),
        phone: format!("139{:08}", 10_000_000 + n % 80_000_000),
    }
}

impl Person {
    /// The form that looks the person up.
    pub fn form<'a>(&'a self, form_key: &'a str) -> [(&'static str, &'a str); 6] {
        [
            ("relation", "other"),
            ("name", &self.name),
            ("document_kind", "id_card"),
            ("document", &self.id_number),
            ("region", &self.region),
            ("form_key", form_key),
        ]
    }

    fn row(&self) -> [&str; 5] {
        [
            &self.name,
            &self.id_number,
            &self.region,
            "resident",
            &self.phone,
        ]
    }
}

/// How a roster is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Utf8,
    Gbk,
    Xlsx,
}

/// Writes a roster file.
pub fn write_roster(path: &Path, form: Form, people: impl Iterator<Item = Person>) -> Result<()> {
    if form == Form::Xlsx {
        return write_xlsx(path, people);
    }
    let file = std::fs::File::create(path).context("write a roster")?;
    let mut out = BufWriter::new(file);
    let mut put = |cells: [&str; 5]| -> Result<()> {
        let line = format!("{}\r\n", cells.join(","));
        if form == Form::Gbk {
            let (bytes, _, lost) = encoding_rs::GBK.encode(&line);
            anyhow::ensure!(!lost, "a character that GBK does not have");
            out.write_all(&bytes)?;
        } else {
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    };
    put(HEADER)?;
    for person in people {
        put(person.row())?;
    }
    out.flush().context("write a roster")
}

fn write_xlsx(path: &Path, people: impl Iterator<Item = Person>) -> Result<()> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let mut put = |row: u32, cells: [&str; 5]| -> Result<()> {
        for (column, text) in (0u16..).zip(cells) {
            sheet.write_string(row, column, text)?;
        }
        Ok(())
    };
    put(0, HEADER)?;
    for (row, person) in (1u32..).zip(people) {
        put(row, person.row())?;
    }
    book.save(path).context("write a roster")
}
