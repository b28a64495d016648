//! Packs in force for the invented regions 99xxxx, made around a given day.
//!
//! They are data like any other pack: text that is read and checked. Amounts follow the shapes
//! found in real regions (S-006, S-007); every pack says that it is 演示.

use crate::time::Date;
use jiff::ToSpan;

/// The county in which the demo's families live.
pub const DEMO_COUNTY: &str = "990101";

/// Packs for the benefit year after `today`: file names and TOML texts.
///
/// On `today` 990100 is in its window, 990200 in its late phase, 990300 closed, 990400 in its
/// window with two tiers and long-term care, 990500 in its window with aid down to 0 for whole
/// categories, 990600 not open yet.
#[must_use]
pub fn demo_packs(today: Date) -> Vec<(String, String)> {
    let day = |offset: i32| today.saturating_add(offset.days());
    let late = Some(day(150));
    [
        ("990100", "演示甲市", FLAT, (day(-45), day(60), late)),
        (
            "990200",
            "演示乙市",
            FLAT,
            (day(-90), day(-31), Some(day(60))),
        ),
        (
            "990300",
            "演示丙市",
            FLAT,
            (day(-120), day(-61), Some(day(-1))),
        ),
        ("990400", "演示丁市", TIERS, (day(-45), day(60), late)),
        ("990500", "演示戊市", AIDED, (day(-45), day(60), None)),
        ("990600", "演示己市", FLAT, (day(30), day(100), None)),
    ]
    .into_iter()
    .map(|(region, name, body, days)| {
        let year = today.year().saturating_add(1);
        let text = format!(
            "{}{}{}{AIDS}",
            head(region, name, year),
            calendar(year, days),
            body
        );
        (format!("demo-{region}-{year}.toml"), text)
    })
    .collect()
}

fn head(region: &str, name: &str, year: i16) -> String {
    let notice = year.saturating_sub(1);
    format!(
        r#"# 演示数据 Demo data: no real region asks for this.
region = "{region}"
region_name = "{name}"
benefit_year = {year}
notice_year = {notice}
scheme = "resident_medical"
status = "in_force"
grade = "M"
source = "演示数据，不是真实政策 (demo data, no real policy)"
notes = ["演示"]
grace_minutes = 10
after_close = "surplus"
difference = "keep"

[benefit]
first = {year}-01-01
last = {year}-12-31

[late]
price = "own_and_fiscal"
aid = true

"#
    )
}

/// The windows: whoever pays in the window but in the benefit year itself is covered from the next
/// day, whoever pays late three months after paying.
fn calendar(year: i16, (first, last, late): (Date, Date, Option<Date>)) -> String {
    let window = |phase: &str, first: Date, last: Date, start: &str, wait: u8| {
        format!(
            "[[window]]\nphase = \"{phase}\"\nfirst = {first}\nlast = {last}\n\
             start = \"{start}\"\nwait_months = {wait}\n\n"
        )
    };
    let year_first = Date::new(year, 1, 1).unwrap_or(Date::MAX);
    let eve = year_first.saturating_sub(1.day());
    let mut text = String::new();
    if first <= eve {
        text += &window("in_window", first, last.min(eve), "year_start", 0);
    }
    if last > eve {
        text += &window("in_window", first.max(year_first), last, "next_day", 0);
    }
    if let Some(end) = late {
        let begin = last.saturating_add(1.day());
        text += &window("late", begin, end, "payment_day", 3);
    }
    text
}

const FLAT: &str = r#"[[category]]
code = "resident"
name_zh = "城乡居民"
name_en = "Resident"

[[category]]
code = "student_child"
name_zh = "学生儿童"
name_en = "Student or child"

[[category]]
code = "newborn"
name_zh = "新生儿"
name_en = "Newborn"

[[price]]
category = "resident"
medical = 400
fiscal = 700

[[price]]
category = "student_child"
medical = 400
fiscal = 700

[[price]]
category = "newborn"
medical = 400
fiscal = 700

"#;

const TIERS: &str = r#"[[category]]
code = "resident"
name_zh = "成年居民"
name_en = "Adult resident"

[[category]]
code = "student_child"
name_zh = "学生儿童"
name_en = "Student or child"

[[tier]]
code = "tier1"
name_zh = "一档"
name_en = "Tier 1"

[[tier]]
code = "tier2"
name_zh = "二档"
name_en = "Tier 2"

[[price]]
category = "resident"
tier = "tier1"
medical = 400
long_term_care = 30
fiscal = 700

[[price]]
category = "resident"
tier = "tier2"
medical = 775
long_term_care = 30
fiscal = 700

[[price]]
category = "student_child"
tier = "tier1"
medical = 400
long_term_care = 30
fiscal = 700

"#;

const AIDED: &str = r#"[[category]]
code = "resident"
name_zh = "城乡居民"
name_en = "Resident"

[[category]]
code = "student_child"
name_zh = "学生儿童"
name_en = "Student or child"

[[price]]
category = "resident"
medical = 400
long_term_care = 30
arrears = "15.00"
fiscal = 700

[[price]]
category = "student_child"
medical = 380
long_term_care = 30
fiscal = 700

# Everything the person owes, long-term care and arrears as well.
[[aid]]
code = "full"
name_zh = "全额资助"
name_en = "Fully subsidised"
covers = ["medical", "long_term_care", "arrears"]
own = 0
payers = [{ payer = "medical_aid", amount = 200 }, { payer = "county", rest = true }]

"#;

const AIDS: &str = r#"[[aid]]
code = "tekun"
name_zh = "特困人员"
name_en = "Person in extreme difficulty"
payers = [{ payer = "medical_aid", percent = 80 }, { payer = "county", rest = true }]

[[aid]]
code = "dibao"
name_zh = "低保对象"
name_en = "Minimum-living allowance"
payers = [{ payer = "medical_aid", percent = 80 }, { payer = "city", percent = 10 }]

[[aid]]
code = "monitored"
name_zh = "防返贫监测对象"
name_en = "Monitored against falling back into poverty"
payers = [{ payer = "medical_aid", amount = 200 }]

[[aid]]
code = "collective"
name_zh = "村集体补助"
name_en = "Helped by the village"
payers = [{ payer = "collective", amount = 50 }]
"#;
