//! Invented people by number: the same number is always the same person, in a region that does not
//! exist.

use jiaoyi_documents::roster::CheckedRow;
use jiaoyi_domain::Date;
use jiaoyi_domain::person::{Document, DocumentKind, PersonName, Phone, id_number};

/// Where everybody of the bench is insured: in its levy window at any date.
pub const REGION: &str = "990101";
/// Where nobody has to pay: aid goes down to 0 yuan.
pub const REGION_ZERO: &str = "990501";

const SURNAMES: [&str; 12] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "欧阳",
];
const GIVEN: [&str; 16] = [
    "建国", "桂兰", "秀英", "志强", "淑珍", "海燕", "玉梅", "国庆", "小雨", "子涵", "德福", "春花",
    "文博", "丽娟", "大山", "思远",
];

/// One invented person. There are 16.7 million: serial numbers of births from 1945 to 1994.
pub struct Invented {
    pub name: String,
    pub id_number: String,
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// The person of this number.
pub fn person(number: u64) -> Invented {
    person_of(number, REGION)
}

fn person_of(number: u64, region: &str) -> Invented {
    let serial = u16::try_from(1 + number % 999).unwrap_or(1);
    let days = number / 999;
    let day = i8::try_from(1 + days % 28).unwrap_or(1);
    let month = i8::try_from(1 + days / 28 % 12).unwrap_or(1);
    let year = 1945 + i16::try_from(days / 28 / 12 % 50).unwrap_or(0);
    let birth = Date::new(year, month, day).unwrap_or(Date::MIN);
    let surname = SURNAMES[small(number) % SURNAMES.len()];
    let given = GIVEN[small(number / 12 + number) % GIVEN.len()];
    Invented {
        name: format!("{surname}{given}"),
        id_number: id_number(region, birth, serial).unwrap_or_default(),
    }
}

/// The person as a checked row of a roster; every other one has a phone, as in the demo.
pub fn row(number: u64, today: Date, zero: bool) -> Option<CheckedRow> {
    let region = if zero { REGION_ZERO } else { REGION };
    let invented = person_of(number, region);
    let phone = format!("139{:08}", number % 100_000_000);
    Some(CheckedRow {
        number,
        name: PersonName::parse(&invented.name).ok()?,
        document: Document::parse(DocumentKind::IdCard, &invented.id_number, today).ok()?,
        region: region.to_owned(),
        category: "resident".to_owned(),
        tier: None,
        aids: if zero {
            vec!["full".to_owned()]
        } else {
            Vec::new()
        },
        phone: Phone::parse(&phone)
            .ok()
            .filter(|_| number.is_multiple_of(2)),
        void_cause: None,
    })
}

/// The person who has nothing to pay, of this number.
pub fn person_zero(number: u64) -> Invented {
    person_of(number, REGION_ZERO)
}
