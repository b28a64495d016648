//! Invented people of the demo: always the same, with numbers of regions that do not exist.

use jiaoyi_app::platform::Platform;
use jiaoyi_domain::Date;
use jiaoyi_domain::due::{Due, DueState};
use jiaoyi_domain::person::{Document, DocumentKind, id_number};
use jiaoyi_domain::record::{Column, Record};
use jiaoyi_domain::roster::Document as DocumentRow;
use std::fmt::Write as _;

/// One invented person.
pub struct Invented {
    pub name: String,
    pub id_number: String,
    pub birth: Date,
    pub region: &'static str,
    pub region_name: &'static str,
    pub category: &'static str,
    pub tier: &'static str,
    pub aid: &'static str,
    pub phone: Option<String>,
    /// Money can be paid for this person today.
    pub payable: bool,
    /// What is special, in both languages.
    pub what: &'static str,
}

const SURNAMES: [&str; 12] = [
    "王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "欧阳",
];
const GIVEN: [&str; 16] = [
    "建国", "桂兰", "秀英", "志强", "淑珍", "海燕", "玉梅", "国庆", "小雨", "子涵", "德福", "春花",
    "文博", "丽娟", "大山", "思远",
];

struct Place {
    region: &'static str,
    name: &'static str,
    category: &'static str,
    tier: &'static str,
    aid: &'static str,
    payable: bool,
    what: &'static str,
}

/// What each kind of place shows; the first one is by far the commonest.
const PLACES: [Place; 8] = [
    Place {
        region: "990101",
        name: "花园县",
        category: "resident",
        tier: "",
        aid: "",
        payable: true,
        what: "集中缴费期 in the levy window",
    },
    Place {
        region: "990201",
        name: "东湖区",
        category: "resident",
        tier: "",
        aid: "",
        payable: true,
        what: "补缴期 late phase",
    },
    Place {
        region: "990301",
        name: "西滩区",
        category: "resident",
        tier: "",
        aid: "",
        payable: false,
        what: "已截止 window closed",
    },
    Place {
        region: "990401",
        name: "北岭区",
        category: "resident",
        tier: "tier2",
        aid: "",
        payable: true,
        what: "二档，含长护险 tier 2 with long-term care",
    },
    Place {
        region: "990501",
        name: "中渡区",
        category: "resident",
        tier: "",
        aid: "full",
        payable: false,
        what: "全额资助，不用付钱 aid down to 0",
    },
    Place {
        region: "990102",
        name: "清河区",
        category: "resident",
        tier: "",
        aid: "dibao",
        payable: true,
        what: "低保资助 aided",
    },
    Place {
        region: "990601",
        name: "平原区",
        category: "resident",
        tier: "",
        aid: "",
        payable: false,
        what: "还没开始 not open yet",
    },
    Place {
        region: "990103",
        name: "青山县",
        category: "student_child",
        tier: "",
        aid: "",
        payable: true,
        what: "学生儿童 child",
    },
];

/// The people: deterministic, so that two demos have the same ones.
pub fn invent(count: u32, today: Date) -> Vec<Invented> {
    let mut people = Vec::new();
    for n in 0..count {
        let number = usize::try_from(n).unwrap_or(0);
        // The first of every ten goes through the special places, the others live in the county.
        let place = if number < PLACES.len() {
            &PLACES[number]
        } else if number % 10 == 9 {
            &PLACES[1 + number / 10 % 7]
        } else {
            &PLACES[0]
        };
        let child = place.category == "student_child";
        let year = if child {
            today.year() - 6
        } else {
            1945 + i16::try_from(n % 50).unwrap_or(0)
        };
        let month = i8::try_from(1 + n % 12).unwrap_or(1);
        let day = i8::try_from(1 + n * 7 % 28).unwrap_or(1);
        let birth = Date::new(year, month, day).unwrap_or(Date::MIN);
        let serial = u16::try_from(1 + n % 998).unwrap_or(1);
        let Some(id) = id_number(place.region, birth, serial) else {
            continue;
        };
        let surname = SURNAMES[number % SURNAMES.len()];
        let given = GIVEN[(number / SURNAMES.len() + number) % GIVEN.len()];
        people.push(Invented {
            name: format!("{surname}{given}"),
            id_number: id,
            birth,
            region: place.region,
            region_name: place.name,
            category: place.category,
            tier: place.tier,
            aid: place.aid,
            phone: (n % 2 == 0).then(|| format!("139{:08}", 10_000_000 + n)),
            payable: place.payable,
            what: place.what,
        });
    }
    people
}

/// The people as a roster file.
pub fn roster(people: &[Invented]) -> String {
    let mut text = String::from("姓名,身份证号,参保地,人员类别,档次,救助身份,手机号\r\n");
    for person in people {
        let _ = write!(
            text,
            "{},{},{},{},{},{},{}\r\n",
            person.name,
            person.id_number,
            person.region,
            person.category,
            person.tier,
            person.aid,
            person.phone.as_deref().unwrap_or_default()
        );
    }
    text
}

/// One person of each kind, for the demo's greeting.
pub fn to_try(people: &[Invented]) -> impl Iterator<Item = &Invented> {
    people.iter().take(PLACES.len())
}

async fn due_of(platform: &Platform, person: &Invented) -> Option<Due> {
    let document =
        Document::parse(DocumentKind::IdCard, &person.id_number, platform.today()).ok()?;
    let (kind, text) = (document.kind().code(), document.index_text());
    let key = (
        platform.keyring.bucket_of(kind, &text),
        platform.keyring.doc_hmac(kind, &text),
    );
    let row: DocumentRow = platform.store.load(&key).await.ok()??;
    let given = [row.person_bucket.to_value(), row.person_id.to_value()];
    let dues: Vec<Due> = platform.store.range("by_person", &given).await.ok()?;
    dues.into_iter().max_by_key(|due| due.benefit_year)
}

/// Whether the person's due is unpaid and nobody is just paying it.
pub async fn is_free(platform: &Platform, person: &Invented) -> bool {
    due_of(platform, person)
        .await
        .is_some_and(|due| !matches!(due.state, DueState::Paid | DueState::Locked))
}

/// The token of the person's notice link.
pub async fn link(platform: &Platform, person: &Invented) -> Option<String> {
    Some(platform.notice_token(&due_of(platform, person).await?.key()))
}
