//! Tables and properties over packs, prices and days.

use super::*;
use crate::region::RegionTable;
use crate::time::{Instant, MINUTE_MS};
use jiff::ToSpan;
use proptest::prelude::*;

const TODAY: Date = Date::constant(2026, 11, 22);

/// A complete pack: one category, two payers, two windows.
const GOOD: &str = r#"region = "990101"
benefit_year = 2026
notice_year = 2025
scheme = "resident_medical"
status = "in_force"
grade = "A"
source = "a document"
grace_minutes = 10
after_close = "surplus"
difference = "keep"
[benefit]
first = 2026-01-01
last = 2026-12-31
[late]
price = "own_and_fiscal"
aid = true
[[category]]
code = "resident"
name_zh = "居民"
name_en = "Resident"
[[price]]
category = "resident"
medical = 400
fiscal = 700
[[aid]]
code = "half"
name_zh = "半价"
name_en = "Half"
payers = [{ payer = "medical_aid", amount = 150 }, { payer = "county", amount = "50.00" }]
[[window]]
phase = "in_window"
first = 2025-09-01
last = 2025-12-31
start = "year_start"
[[window]]
phase = "late"
first = 2026-01-01
last = 2026-03-31
start = "payment_day"
wait_months = 3
"#;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn in_force(text: &str) -> InForce {
    let pack = Pack::parse("t.toml", text).unwrap_or_else(|p| panic!("{p:#?}"));
    InForce::try_new(pack).unwrap_or_else(|p| panic!("{p:#?}"))
}

#[test]
fn the_version_is_the_beginning_of_the_digest() {
    let mut pack = Pack::parse("t.toml", GOOD).unwrap();
    pack.digest = std::array::from_fn(|place| u8::try_from(place).unwrap() + 0xa0);
    assert_eq!(pack.version(), "a0a1a2a3a4a5");
}

/// What has no name yet is called by its code.
#[test]
fn what_has_no_name_is_shown_by_its_code() {
    let mut pack = Pack::parse("t.toml", GOOD).unwrap();
    pack.categories[0].name_zh = String::new();
    let shown = show(&pack);
    assert!(shown.contains("  resident  400.00"), "{shown}");
}

fn problems(text: &str) -> Vec<Problem> {
    match Pack::parse("t.toml", text) {
        Ok(pack) => InForce::try_new(pack).map_or_else(|found| found, |_| Vec::new()),
        Err(found) => found,
    }
}

fn demo(region: &str, today: Date) -> InForce {
    let packs = demo_packs(today);
    let (_, text) = packs
        .iter()
        .find(|(file, _)| file.contains(region))
        .unwrap();
    in_force(text)
}

#[test]
fn every_published_row_is_in_an_example() {
    let packs: Vec<Pack> = EXAMPLES
        .iter()
        .map(|(file, text)| Pack::parse(file, text).unwrap_or_else(|p| panic!("{p:#?}")))
        .collect();
    let mut table = csv::Reader::from_path("data/premium_standards.csv").unwrap();
    let (mut rows, mut regions) = (0, std::collections::BTreeSet::new());
    for row in table.records() {
        let row = row.unwrap();
        let cell = |place: usize| row.get(place).unwrap();
        let code = cell(0).split(' ').next().unwrap();
        let of_row = |pack: &&Pack| {
            let region = pack.region.as_deref().unwrap_or("unnamed") == code;
            region && pack.benefit_year.to_string() == cell(1)
        };
        let pack = packs
            .iter()
            .find(of_row)
            .unwrap_or_else(|| panic!("{row:?}"));
        let money = |place: usize| Fen::parse_yuan(cell(place));
        let aid = pack.aid(cell(2));
        let (own, fiscal, origin) = match aid {
            Some(aid) => (aid.own, None, &aid.origin),
            None => {
                let of = |price: &&PriceRow| match (&price.tier, &*price.category) {
                    (Some(tier), "resident") => tier == cell(2),
                    (Some(tier), category) => format!("{category}_{tier}") == cell(2),
                    (None, category) => category == cell(2),
                };
                let price = pack
                    .prices
                    .iter()
                    .find(of)
                    .unwrap_or_else(|| panic!("{row:?}"));
                let medical = price.items.iter().find(|part| part.item == Item::Medical);
                (medical.map(|part| part.amount), price.fiscal, &price.origin)
            }
        };
        assert_eq!((own, fiscal), (money(3), money(4)), "{row:?}");
        assert_eq!(
            origin.grade.or(pack.grade).unwrap().code(),
            cell(7),
            "{row:?}"
        );
        if cell(8) != "same" {
            let source = origin.source.as_ref().or(pack.source.as_ref());
            assert_eq!(source.unwrap(), cell(8));
        }
        assert_eq!(origin.note.as_deref().unwrap_or(""), cell(9));
        let day = |place: usize| cell(place).parse::<Date>().ok();
        if day(5).is_some() || day(6).is_some() {
            let fits = |w: &Window| (w.first, w.last) == (day(5), day(6));
            assert!(pack.windows.iter().any(fits), "{row:?}");
        }
        rows += 1;
        regions.insert(cell(0).to_owned());
    }
    assert_eq!((rows, regions.len()), (106, 22));
    let held: usize = packs.iter().map(|p| p.prices.len() + p.aids.len()).sum();
    assert_eq!(held, 106, "nothing is in a pack that is not in the table");
}

#[test]
fn examples_are_shown_and_never_payable() {
    let set = PolicySet::load(EXAMPLES.iter().copied()).unwrap_or_else(|p| panic!("{p:#?}"));
    assert!(set.in_force().is_empty());
    assert_eq!(set.shown().len(), EXAMPLES.len());
    for pack in set.shown() {
        let refused = InForce::try_new(pack.clone()).unwrap_err();
        assert_eq!(refused[0].code(), "policy.status", "{}", pack.file);
        let text = show(pack);
        assert!(
            text.contains("未查到") && text.contains("not payable"),
            "{text}"
        );
        for price in &pack.prices {
            for part in &price.items {
                assert!(text.contains(&part.amount.to_string()), "{text}");
            }
        }
    }
    let danyang = set
        .shown()
        .iter()
        .find(|p| p.file.starts_with("321181"))
        .unwrap();
    let told = "450.00 + 长期护理保险费 long-term-care premium 30.00 + 补缴往期 arrears 15.00";
    assert!(show(danyang).contains(told), "{}", show(danyang));
    assert!(show(danyang).contains("[A] dy001.cn 223796"));
}

/// Packs with nearly everything in them and with next to nothing, as they are shown.
#[test]
fn what_is_shown_of_a_pack_is_accepted() {
    let set = PolicySet::load(EXAMPLES.iter().copied()).unwrap_or_else(|p| panic!("{p:#?}"));
    let demo = demo_packs("2026-11-28".parse().unwrap());
    let demo = PolicySet::load(
        demo.iter()
            .map(|(file, text)| (file.as_str(), text.as_str())),
    );
    let demo = demo.unwrap_or_else(|p| panic!("{p:#?}"));
    let chosen = |pack: &&Pack| {
        let files = ["321181-2026", "500000-2017", "410300-2026"];
        files.iter().any(|file| pack.file.contains(file))
    };
    let examples = set.shown().iter().filter(chosen);
    let rich = |pack: &&Pack| matches!(pack.region.as_deref(), Some("990400" | "990500"));
    let demo = demo.in_force().iter().map(InForce::pack).filter(rich);
    let packs = examples.chain(demo);
    let shown: Vec<String> = packs.map(show).collect();
    crate::accepted::accepted("policy_shown", &shown.join("\n----\n\n"));
}

#[test]
fn a_region_of_no_table_is_named_with_its_line() {
    let (built_in, with_demo) = (RegionTable::built_in(), RegionTable::with_demo());
    for (file, text) in EXAMPLES {
        let pack = Pack::parse(file, text).unwrap_or_else(|p| panic!("{p:#?}"));
        assert_eq!(pack.check_region(&built_in), None, "{file}");
    }
    let pack = |region: &str| {
        let text = GOOD.replace(
            "region = \"990101\"",
            &format!("# a\nregion = \"{region}\""),
        );
        Pack::parse("t.toml", &text).unwrap_or_else(|p| panic!("{p:#?}"))
    };
    assert_eq!(pack("990101").check_region(&with_demo), None);
    for (region, table) in [("990101", &built_in), ("123456", &with_demo)] {
        let problem = pack(region).check_region(table).unwrap();
        let told = format!("t.toml:2: region: {region} is in no table of regions");
        assert!(problem.to_string().starts_with(&told), "{problem}");
        assert_eq!(problem.code(), "policy.region_unknown");
    }
}

#[test]
fn demo_packs_stand_where_they_promise_on_any_day() {
    let regions = RegionTable::with_demo();
    let mut today = Date::constant(2026, 1, 1);
    while today.year() < 2029 {
        let packs = demo_packs(today);
        let files = packs.iter().map(|(file, text)| (&**file, &**text));
        let set = PolicySet::load(files).unwrap_or_else(|p| panic!("{today}: {p:#?}"));
        let year = today.year() + 1;
        let phase = |region: &str| {
            let pack = set.holding(&regions, region, year).unwrap();
            assert!(pack.pack().notes.contains(&"演示".to_owned()));
            pack.phase_on(today, None)
        };
        assert!(
            matches!(phase(DEMO_COUNTY), Phase::InWindow { .. }),
            "{today}"
        );
        assert!(matches!(phase("990202"), Phase::Late { .. }), "{today}");
        assert!(matches!(phase("990301"), Phase::Closed { .. }), "{today}");
        assert!(matches!(phase("990401"), Phase::InWindow { .. }), "{today}");
        assert!(matches!(phase("990501"), Phase::InWindow { .. }), "{today}");
        assert!(matches!(phase("990601"), Phase::NotYet { .. }), "{today}");
        assert!(set.holding(&regions, "330127", year).is_none());
        assert!(set.holding(&regions, DEMO_COUNTY, year + 1).is_none());
        today = today.saturating_add(1.day());
    }
}

#[test]
fn prices_are_what_the_pack_says() {
    use PhaseKind::{InWindow, Late};
    let flat = demo("990100", TODAY);
    let tiers = demo("990400", TODAY);
    let aided = demo("990500", TODAY);
    type Case<'a> = (
        &'a InForce,
        &'a str,
        Option<&'a str>,
        &'a [&'a str],
        PhaseKind,
        &'a str,
    );
    let cases: [Case<'_>; 16] = [
        (&flat, "resident", None, &[], InWindow, "400.00 = 400.00"),
        (
            &flat,
            "resident",
            Some("tier1"),
            &[],
            InWindow,
            "400.00 = 400.00",
        ),
        (&flat, "resident", None, &[], Late, "1100.00 = 1100.00"),
        (
            &flat,
            "resident",
            None,
            &["tekun"],
            InWindow,
            "400.00 = 0.00 medical_aid 320.00 county 80.00",
        ),
        (
            &flat,
            "resident",
            None,
            &["tekun"],
            Late,
            "1100.00 = 700.00 medical_aid 320.00 county 80.00",
        ),
        (
            &flat,
            "resident",
            None,
            &["dibao"],
            InWindow,
            "400.00 = 40.00 medical_aid 320.00 city 40.00",
        ),
        (
            &flat,
            "resident",
            None,
            &["collective", "monitored"],
            InWindow,
            "400.00 = 200.00 medical_aid 200.00",
        ),
        (
            &flat,
            "resident",
            None,
            &["monitored", "dibao", "tekun"],
            InWindow,
            "400.00 = 0.00 medical_aid 320.00 county 80.00",
        ),
        (
            &tiers,
            "resident",
            Some("tier2"),
            &[],
            InWindow,
            "805.00 = 805.00",
        ),
        (
            &tiers,
            "student_child",
            Some("tier1"),
            &["monitored"],
            InWindow,
            "430.00 = 230.00 medical_aid 200.00",
        ),
        (
            &aided,
            "resident",
            None,
            &["full"],
            InWindow,
            "445.00 = 0.00 medical_aid 200.00 county 245.00",
        ),
        (
            &aided,
            "student_child",
            None,
            &["tekun", "full"],
            InWindow,
            "410.00 = 0.00 medical_aid 200.00 county 210.00",
        ),
        (
            &tiers,
            "resident",
            None,
            &[],
            InWindow,
            "price.unknown_tier",
        ),
        (
            &tiers,
            "student_child",
            Some("tier2"),
            &[],
            InWindow,
            "price.unknown_tier",
        ),
        (
            &flat,
            "worker",
            None,
            &[],
            InWindow,
            "price.unknown_category",
        ),
        (
            &flat,
            "resident",
            None,
            &["tekun", "rich"],
            InWindow,
            "price.unknown_aid",
        ),
    ];
    for (pack, category, tier, aids, phase, want) in cases {
        let got = match pack.price(category, tier, aids, phase) {
            Ok(price) => {
                let payers = price.subsidies.iter();
                payers.fold(format!("{} = {}", price.gross, price.own), |text, s| {
                    format!("{text} {} {}", s.payer.code(), s.amount)
                })
            }
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(got, want, "{category} {tier:?} {aids:?} {phase:?}");
    }
}

#[test]
fn days_fall_into_phases_and_benefits_start() {
    let pack = in_force(GOOD);
    for (paid, phase, start) in [
        (
            "2025-09-01 00:00:00",
            Some(PhaseKind::InWindow),
            "2026-01-01",
        ),
        (
            "2025-12-31 23:59:59",
            Some(PhaseKind::InWindow),
            "2026-01-01",
        ),
        // Begun before midnight, paid within the grace of ten minutes.
        (
            "2026-01-01 00:09:59",
            Some(PhaseKind::InWindow),
            "2026-01-01",
        ),
        ("2026-01-01 00:10:00", Some(PhaseKind::Late), "2026-04-01"),
        ("2026-03-15 12:00:00", Some(PhaseKind::Late), "2026-06-15"),
        ("2026-04-01 00:05:00", Some(PhaseKind::Late), "2026-07-01"),
        ("2026-04-01 00:10:00", None, "2026-07-01"),
        ("2025-08-31 23:59:59", None, "2026-01-01"),
    ] {
        assert_eq!(
            pack.phase_of_payment(at(paid), None).kind(),
            phase,
            "{paid}"
        );
        if phase.is_some() {
            assert_eq!(
                pack.start_of_benefit(at(paid), None).to_string(),
                start,
                "{paid}"
            );
        }
    }
    let phase = pack.phase(at("2026-01-01 00:05:00"), None);
    assert_eq!(
        phase.kind(),
        Some(PhaseKind::Late),
        "an attempt begun now is late"
    );
    let end = pack.attempts_end(Phase::InWindow {
        last: Date::constant(2025, 12, 31),
    });
    assert_eq!(end, Some(at("2026-01-01 00:10:00")));
    for (rule, paid, start) in [
        ("next_day", "2026-03-15", "2026-03-16"),
        ("next_day", "2026-02-28", "2026-03-01"),
        ("next_month", "2026-03-01", "2026-04-01"),
        ("year_start", "2026-03-15", "2026-01-01"),
        ("payment_day", "2026-01-31", "2026-01-31"),
    ] {
        let text = GOOD.replace(
            "start = \"payment_day\"\nwait_months = 3",
            &format!("start = \"{rule}\""),
        );
        let paid = at(&format!("{paid} 12:00:00"));
        assert_eq!(
            in_force(&text).start_of_benefit(paid, None).to_string(),
            start,
            "{rule}"
        );
    }
}

#[test]
fn a_channel_may_have_its_own_calendar() {
    let own = "[[window]]\nphase = \"in_window\"\nchannel = \"bank\"\nfirst = 2025-10-05\n\
               last = 2025-12-20\nstart = \"year_start\"\n";
    let pack = in_force(&format!("{GOOD}{own}"));
    let phase = |day: &str, channel| pack.phase_on(day.parse().unwrap(), channel).kind();
    assert_eq!(phase("2025-09-10", None), Some(PhaseKind::InWindow));
    assert_eq!(
        phase("2025-09-10", Some("wechat")),
        Some(PhaseKind::InWindow)
    );
    assert_eq!(phase("2025-09-10", Some("bank")), None);
    assert_eq!(phase("2025-12-20", Some("bank")), Some(PhaseKind::InWindow));
    assert_eq!(phase("2026-01-05", Some("bank")), None);
}

/// Days 1 to 25 until three in the afternoon, in December until the 28th; at a bank's own counter
/// on other hours.
const CALENDAR: &str = "[[calendar]]\ndays = [1, 25]\nhours = [\"09:00\", \"15:00\"]\n\
    closed = [2025-10-01]\nsource = \"a notice\"\ngrade = \"A\"\n\
    [[calendar]]\nmonths = [12]\ndays = [1, 28]\n\
    [[calendar]]\nchannel = \"A8\"\nhours = [\"08:30\", \"17:00\"]\n";

#[test]
fn a_calendar_says_when_payments_begin_inside_of_the_windows() {
    let pack = in_force(&format!("{GOOD}{CALENDAR}"));
    let (kind, last) = (PhaseKind::InWindow, "2025-12-31");
    let open = Phase::InWindow {
        last: last.parse().unwrap(),
    };
    let rest = |opens: &str| Phase::Resting {
        kind,
        last: last.parse().unwrap(),
        opens: at(opens),
    };
    for (moment, channel, phase) in [
        ("2025-09-10 09:00:00", None, open),
        ("2025-09-10 14:59:59", Some("wechat"), open),
        ("2025-09-10 15:00:00", None, rest("2025-09-11 09:00:00")),
        ("2025-09-10 08:59:59", None, rest("2025-09-10 09:00:00")),
        ("2025-09-25 15:00:00", None, rest("2025-10-02 09:00:00")),
        ("2025-10-01 12:00:00", None, rest("2025-10-02 09:00:00")),
        ("2025-11-26 12:00:00", None, rest("2025-12-01 00:00:00")),
        ("2025-12-28 23:59:59", None, open),
        // A channel with rows of its own has no others.
        ("2025-10-01 08:30:00", Some("A8"), open),
        (
            "2025-10-01 08:29:59",
            Some("A8"),
            rest("2025-10-01 08:30:00"),
        ),
    ] {
        assert_eq!(
            pack.phase(at(moment), channel),
            phase,
            "{moment} {channel:?}"
        );
        let can = phase == open;
        assert_eq!(phase.opens().is_none(), can, "{moment}");
        assert_eq!(pack.attempts_end(phase).is_some(), can, "{moment}");
        // What has begun is paid in its window whatever the calendar says.
        assert_eq!(pack.phase_of_payment(at(moment), channel), open, "{moment}");
    }
    // The rest reaches into the late phase: from its first open day.
    let late = pack.phase(at("2025-12-29 12:00:00"), None);
    assert_eq!(late.opens(), Some(at("2026-01-01 09:00:00")));
    // After its last open day the window is over, though its last day is not.
    let end = pack.phase(at("2026-03-26 12:00:00"), None);
    let last = "2026-03-25".parse().unwrap();
    assert_eq!(end, Phase::Closed { last });
    // Where only another month has hours, this one has none.
    let december = in_force(&format!("{GOOD}[[calendar]]\nmonths = [12]\n"));
    let phase = december.phase(at("2025-09-10 12:00:00"), None);
    assert_eq!(phase, rest("2025-12-01 00:00:00"));
    let shown = show(pack.pack());
    assert!(
        shown.contains("1–25 日 day  09:00–15:00  停办 closed 2025-10-01"),
        "{shown}"
    );
    assert!(
        shown.contains("12 月 month  1–28 日 day  00:00–24:00"),
        "{shown}"
    );
}

#[test]
fn a_calendar_that_cannot_be_is_refused() {
    for (text, field) in [
        ("days = [0, 25]", "calendar[1].days"),
        ("days = [25, 1]", "calendar[1].days"),
        ("days = [1, 32]", "calendar[1].days"),
        ("days = [1]", "calendar[1].days"),
        ("hours = [\"15:00\", \"09:00\"]", "calendar[1].hours"),
        ("hours = [\"09:00\", \"09:00\"]", "calendar[1].hours"),
        ("hours = [\"09:60\", \"15:00\"]", "calendar[1].hours"),
        ("hours = [\"9:00\", \"15:00\"]", "calendar[1].hours"),
        ("hours = [\"09:00\", \"24:01\"]", "calendar[1].hours"),
        ("months = [13]", "calendar[1].months"),
        ("closed = [\"soon\"]", "calendar[1].closed"),
        ("weekdays = true", "calendar[1].weekdays"),
        ("channel = \"A13\"", "calendar[1].channel"),
        ("months = [1]\n[[calendar]]\nmonths = [1, 2]", "calendar[2]"),
        ("[[calendar]]", "calendar[2]"),
    ] {
        let all = problems(&format!("{GOOD}[[calendar]]\n{text}\n"));
        let fields: Vec<&str> = all.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, [field], "{text}");
    }
}

/// Statuses that hold for some only, and what is named when several leave the same.
#[test]
fn an_aid_status_holds_for_its_categories_and_tier() {
    let student = "[[category]]\ncode = \"student\"\nname_zh = \"学生\"\nname_en = \"Student\"\n\
                   [[price]]\ncategory = \"student\"\nmedical = 400\nfiscal = 700\n[[aid]]";
    let own = |text: &str, category: &str, tier: Option<&str>, aids: &[&str], phase| {
        let price = in_force(text).price(category, tier, aids, phase).unwrap();
        (price.own.to_string(), price.aid)
    };
    let (window, late) = (PhaseKind::InWindow, PhaseKind::Late);
    let full = ("400.00".to_owned(), None);
    let half = ("200.00".to_owned(), Some("half".to_owned()));

    let some = GOOD.replacen("[[aid]]", student, 1).replacen(
        "payers = [",
        "categories = [\"student\"]\npayers = [",
        1,
    );
    assert_eq!(own(&some, "student", None, &["half"], window), half);
    assert_eq!(own(&some, "resident", None, &["half"], window), full);
    // A price below what the aid is for others is not too low for it.
    let cheap = some.replacen(
        "category = \"resident\"\nmedical = 400",
        "category = \"resident\"\nmedical = 100",
        1,
    );
    assert_ne!(cheap, some);
    assert_eq!(problems(&cheap), []);

    let tiers = GOOD
        .replacen(
            "[[price]]\ncategory = \"resident\"",
            "[[tier]]\ncode = \"one\"\nname_zh = \"一档\"\nname_en = \"One\"\n\
             [[tier]]\ncode = \"two\"\nname_zh = \"二档\"\nname_en = \"Two\"\n\
             [[price]]\ncategory = \"resident\"\ntier = \"two\"\nmedical = 400\nfiscal = 700\n\
             [[price]]\ncategory = \"resident\"\ntier = \"one\"",
            1,
        )
        .replacen("payers = [", "tier = \"one\"\npayers = [", 1);
    assert_eq!(
        own(&tiers, "resident", Some("one"), &["half"], window),
        half
    );
    assert_eq!(
        own(&tiers, "resident", Some("two"), &["half"], window),
        full
    );

    let same = GOOD.replacen(
        "[[window]]",
        "[[aid]]\ncode = \"equal\"\nname_zh = \"同\"\nname_en = \"Equal\"\n\
         payers = [{ payer = \"county\", amount = 200 }]\n[[window]]",
        1,
    );
    assert_eq!(
        own(&same, "resident", None, &["equal", "half"], window),
        half
    );

    let never = GOOD.replacen("aid = true", "aid = false", 1);
    let dear = ("1100.00".to_owned(), None);
    assert_eq!(own(&never, "resident", None, &["half"], late), dear);
    assert_eq!(own(&never, "resident", None, &["half"], window), half);
}

/// What is only just right is not refused, and what is wrong is named once.
#[test]
fn a_pack_at_its_bounds_is_right() {
    let late = &GOOD[GOOD.rfind("[[window]]").unwrap()..];
    let change = |changes: &[(&str, &str)]| {
        changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        })
    };
    let two_late = late
        .replace("last = 2026-03-31", "last = 2026-02-28")
        .to_owned()
        + &late.replace("first = 2026-01-01", "first = 2026-03-01");
    for (what, text) in [
        (
            "begins in the year before",
            change(&[(
                "[benefit]\nfirst = 2026-01-01",
                "[benefit]\nfirst = 2025-10-01",
            )]),
        ),
        (
            "ends in the year after",
            change(&[("last = 2026-12-31", "last = 2027-09-30")]),
        ),
        (
            "as dear as may be",
            change(&[("medical = 400", "medical = 100000")]),
        ),
        (
            "benefits on the last day",
            change(&[
                ("last = 2026-03-31", "last = 2026-12-31"),
                ("wait_months = 3", "wait_months = 0"),
            ]),
        ),
        (
            "nothing is late",
            change(&[
                (late, ""),
                ("[late]\nprice = \"own_and_fiscal\"\naid = true\n", ""),
            ]),
        ),
        ("late in two windows", change(&[(late, &two_late)])),
        (
            "a year of one day",
            change(&[
                (late, ""),
                ("[late]\nprice = \"own_and_fiscal\"\naid = true\n", ""),
                (
                    "first = 2026-01-01\nlast = 2026-12-31",
                    "first = 2026-01-01\nlast = 2026-01-01",
                ),
            ]),
        ),
    ] {
        assert_eq!(problems(&text), [], "{what}");
    }
    let category =
        "[[category]]\ncode = \"resident\"\nname_zh = \"居民\"\nname_en = \"Resident\"\n";
    let price = |tier: &str| {
        format!("[[price]]\ncategory = \"resident\"\n{tier}medical = 400\nfiscal = 700\n")
    };
    let tier = "[[tier]]\ncode = \"one\"\nname_zh = \"一档\"\nname_en = \"One\"\n";
    let of_tier = price("tier = \"one\"\n");
    let windows = &GOOD[GOOD.find("[[window]]").unwrap()..];
    let of_channel = windows.replace("start = ", "channel = \"wechat\"\nstart = ");
    let undated = windows
        .replace("first = 20", "# ")
        .replace("last = 20", "# ");
    for (text, wanted) in [
        (
            change(&[("medical = 400", "medical = 100000.01")]),
            &[("policy.value", "price[1].medical")][..],
        ),
        (
            change(&[(category, &category.repeat(2))]),
            &[("policy.duplicate", "category[2].code")],
        ),
        (
            change(&[("name_zh = \"居民\"\n", "")]),
            &[("policy.missing", "category[1].name_zh")],
        ),
        (
            change(&[(
                "[benefit]\nfirst = 2026-01-01\nlast = 2026-12-31",
                "[benefit]\nfirst = 2027-01-01\nlast = 2027-12-31",
            )]),
            &[("policy.contradiction", "benefit")],
        ),
        (
            change(&[(&price(""), &(tier.to_owned() + &price("") + &of_tier))]),
            &[("policy.duplicate", "price[2]")],
        ),
        (
            change(&[(&price(""), &(tier.to_owned() + &of_tier + &of_tier))]),
            &[("policy.duplicate", "price[2]")],
        ),
        (change(&[(windows, "")]), &[("policy.missing", "window")]),
        (
            change(&[(windows, &of_channel)]),
            &[("policy.missing", "window")],
        ),
        (
            change(&[(windows, &undated)]),
            &[
                ("policy.missing", "window[1].first"),
                ("policy.missing", "window[1].last"),
                ("policy.missing", "window[2].first"),
                ("policy.missing", "window[2].last"),
            ],
        ),
        (
            change(&[("\"in_window\"", "\"late\"")]),
            &[("policy.missing", "window")],
        ),
        (
            change(&[
                ("\"in_window\"", "\"early\""),
                ("\"late\"\n", "\"in_window\"\n"),
                ("\"early\"", "\"late\""),
            ]),
            &[("policy.contradiction", "window[2].first")],
        ),
    ] {
        let found = problems(&text);
        let got: Vec<(&str, &str)> = found.iter().map(|p| (p.code(), &*p.field)).collect();
        assert_eq!(got, wanted, "{found:#?}");
    }
}

#[test]
fn a_wrong_pack_is_refused_with_line_and_field() {
    assert_eq!(problems(GOOD), []);
    for (from, to, code, line, field) in [
        (
            "first = 2026-01-01\nlast = 2026-03-31",
            "first = 2026-01-03\nlast = 2026-03-31",
            "policy.gap",
            37,
            "window[2].first",
        ),
        (
            "first = 2026-01-01\nlast = 2026-03-31",
            "first = 2025-12-31\nlast = 2026-03-31",
            "policy.overlap",
            37,
            "window[2].first",
        ),
        (
            "amount = 150",
            "amount = 351",
            "policy.aid_above_price",
            29,
            "aid[1].payers",
        ),
        (
            "amount = 150 }",
            "rest = true }",
            "policy.contradiction",
            29,
            "aid[1].payers",
        ),
        (
            "code = \"half\"",
            "code = \"half\"\nown = 100",
            "policy.contradiction",
            27,
            "aid[1].own",
        ),
        (
            "medical = 400\n",
            "",
            "policy.missing",
            21,
            "price[1].medical",
        ),
        (
            "fiscal = 700\n",
            "",
            "policy.missing",
            21,
            "price[1].fiscal",
        ),
        (
            "category = \"resident\"\n",
            "category = \"worker\"\n",
            "policy.unknown_code",
            22,
            "price[1].category",
        ),
        (
            "medical = 400",
            "medical = 40000000",
            "policy.value",
            23,
            "price[1].medical",
        ),
        (
            "medical = 400",
            "medical = 400.0",
            "policy.value",
            23,
            "price[1].medical",
        ),
        (
            "medical = 400",
            "medical = \"400.005\"",
            "policy.value",
            23,
            "price[1].medical",
        ),
        (
            "medical = 400",
            "medcal = 400",
            "policy.unknown_field",
            23,
            "price[1].medcal",
        ),
        (
            "grace_minutes = 10",
            "grace_minutes = 31",
            "policy.value",
            8,
            "grace_minutes",
        ),
        (
            "difference = \"keep\"\n",
            "",
            "policy.missing",
            1,
            "difference",
        ),
        (
            "status = \"in_force\"",
            "status = \"example\"",
            "policy.status",
            5,
            "status",
        ),
        ("status = \"in_force\"\n", "", "policy.missing", 1, "status"),
        (
            "code = \"half\"",
            "code = \"\"",
            "policy.value",
            26,
            "aid[1].code",
        ),
        (
            "code = \"half\"",
            "code = \"Half price\"",
            "policy.value",
            26,
            "aid[1].code",
        ),
        (
            "first = 2025-09-01",
            "first = 2025-09-01T09:00:00",
            "policy.value",
            32,
            "window[1].first",
        ),
        (
            "region = \"990101\"",
            "region = \"9901\"",
            "policy.value",
            1,
            "region",
        ),
        (
            "first = 2026-01-01\nlast = 2026-12-31",
            "first = 2026-12-31\nlast = 2026-01-01",
            "policy.order",
            12,
            "benefit.first",
        ),
        (
            "first = 2025-09-01",
            "first = 2026-09-01",
            "policy.order",
            32,
            "window[1].first",
        ),
        (
            "first = 2025-09-01",
            "first = 2025-09-31",
            "policy.syntax",
            32,
            "",
        ),
        (
            "first = 2025-09-01\n",
            "",
            "policy.missing",
            30,
            "window[1].first",
        ),
        (
            "last = 2026-03-31",
            "last = 2026-10-31",
            "policy.contradiction",
            38,
            "window[2].last",
        ),
        (
            "[late]\nprice = \"own_and_fiscal\"\naid = true\n",
            "",
            "policy.missing",
            1,
            "late",
        ),
        (
            "name_en = \"Half\"\n",
            "",
            "policy.missing",
            25,
            "aid[1].name_en",
        ),
        (
            "amount = 150",
            "amount = 150, percent = 3",
            "policy.value",
            29,
            "aid[1].payers[1]",
        ),
        ("region = ", "region == ", "policy.syntax", 1, ""),
        (
            "[[aid]]",
            "[[price]]\ncategory = \"resident\"\nmedical = 1\nfiscal = 1\n[[aid]]",
            "policy.duplicate",
            25,
            "price[2]",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let found = problems(&GOOD.replacen(from, to, 1));
        let got: Vec<_> = found
            .iter()
            .map(|p| (p.code(), p.line, &*p.field))
            .collect();
        assert!(got.contains(&(code, line, field)), "{to}: {found:#?}");
        for problem in &found {
            assert!(!problem.fix.is_empty() && problem.to_string().starts_with("t.toml:"));
        }
    }
    for (from, to) in [
        ("medical = 400", "medcal = 400"),
        ("fiscal = 700", "fisc = 700"),
        ("wait_months = 3", "weight_month = 3"),
        ("grace_minutes", "gracemins"),
        ("benefit_year", "benefityaer"),
        ("notice_year", "notis_yaer"),
        ("after_close", "aftr_clos"),
    ] {
        let wanted = from.split(' ').next().unwrap();
        let misspelt = problems(&GOOD.replace(from, to));
        let unknown = misspelt.iter().find(|p| p.code() == "policy.unknown_field");
        let fix = &unknown.unwrap().fix;
        assert!(fix.contains(wanted), "{to}: {fix}");
    }
    let twice = PolicySet::load([("a.toml", GOOD), ("b.toml", GOOD)]).unwrap_err();
    assert_eq!(
        (twice[0].code(), &*twice[0].file),
        ("policy.duplicate", "b.toml")
    );
}

proptest! {
    #[test]
    fn own_and_subsidies_make_the_price(
        medical in 1u64..100_000, care in 0u64..10_000, percents in (1u8..=100, 1u8..=100),
        fixed in 0u64..100_000, rest: bool, late: bool, covers_care: bool,
    ) {
        let yuan = |fen: u64| Fen::new(fen).to_string();
        let tail = if rest { ", { payer = \"collective\", rest = true }" } else { "" };
        let covers = if covers_care { "covers = [\"medical\", \"long_term_care\"]\n" } else { "" };
        let aid = |code: &str, payers: String| format!(
            "[[aid]]\ncode = \"{code}\"\nname_zh = \"{code}\"\nname_en = \"{code}\"\n{covers}\
             payers = [{payers}]\n"
        );
        let (p, q) = percents;
        let text = GOOD.replace("amount = 150", "amount = 0").replace("\"50.00\"", "0")
            .replace("medical = 400", &format!(
                "medical = \"{}\"\nlong_term_care = \"{}\"", yuan(medical), yuan(care)))
            + &aid("share", format!("{{ payer = \"medical_aid\", percent = {p} }}, \
                {{ payer = \"city\", percent = {q} }}{tail}"))
            + &aid("sum", format!("{{ payer = \"county\", amount = \"{}\" }}{tail}", yuan(fixed)));
        let pack = Pack::parse("p.toml", &text).unwrap();
        let covered = medical + if covers_care { care } else { 0 };
        let asked = |percent: u8| (covered * u64::from(percent) + 50) / 100;
        let fits = asked(p) + asked(q) <= covered && fixed <= covered;
        let checked = InForce::try_new(pack);
        prop_assert_eq!(checked.is_ok(), fits, "aid above price is refused, nothing else: {:?}", checked);
        let Ok(pack) = checked else { return Ok(()) };
        let phase = if late { PhaseKind::Late } else { PhaseKind::InWindow };
        let price = |aids: &[&str]| pack.price("resident", None, aids, phase).unwrap();
        let sets: [&[&str]; 5] = [&[], &["half"], &["share"], &["sum"], &["sum", "share", "half"]];
        for aids in sets {
            let got = price(aids);
            let items = sum_of(got.items.iter().map(|part| part.amount));
            let given = sum_of(got.subsidies.iter().map(|s| s.amount));
            prop_assert_eq!(items, got.gross);
            prop_assert_eq!(given.checked_add(got.own), Some(got.gross));
            prop_assert!(given <= Fen::new(covered));
            prop_assert_eq!(got.aid.is_some(), !given.is_zero());
        }
        let best = price(&["share"]).own.min(price(&["sum"]).own);
        prop_assert_eq!(price(&["sum", "share"]).own, best, "the best status wins, none is added");
        let gross = Fen::new(medical + care + if late { 70_000 } else { 0 });
        prop_assert_eq!(price(&[]).own, gross);
    }

    #[test]
    fn every_day_is_in_exactly_one_phase(offset in 0i32..1_500, day in -600i32..900) {
        let today = Date::constant(2026, 1, 1).saturating_add(offset.days());
        let day = today.saturating_add(day.days());
        for (_, text) in demo_packs(today) {
            let pack = in_force(&text);
            let holding: Vec<&Window> = pack.pack().windows.iter()
                .filter(|w| w.first <= Some(day) && Some(day) <= w.last)
                .collect();
            prop_assert!(holding.len() <= 1);
            let first = pack.pack().windows.iter().filter_map(|w| w.first).min();
            let phase = pack.phase_on(day, None);
            prop_assert_eq!(phase.kind(), holding.first().map(|w| w.phase));
            prop_assert_eq!(matches!(phase, Phase::NotYet { .. }), Some(day) < first);
            let last_window = pack.pack().windows.iter().filter_map(|w| w.last).max();
            let due_to = match phase {
                Phase::NotYet { .. } => first,
                _ => holding.first().map_or(last_window, |_| None),
            };
            prop_assert!(due_to.is_none_or(|due_to| phase.due_to() == due_to));
            if let Phase::InWindow { last } | Phase::Late { last } = phase {
                prop_assert_eq!(phase.due_to(), last);
                prop_assert!(day <= last);
                prop_assert_eq!(pack.phase_on(last, None), phase);
                let next = pack.phase_on(last.saturating_add(1.day()), None);
                prop_assert_ne!(next.kind(), phase.kind());
                let end = pack.attempts_end(phase).unwrap();
                let begun = pack.phase_of_payment(end.plus_ms(-1), None);
                prop_assert_eq!(begun, phase, "whoever pays before the attempt ends is in time");
                prop_assert!(end.since_ms(Instant::end_of(last)) == 10 * MINUTE_MS);
            }
            let (first, last) = pack.benefit();
            if phase.kind().is_some() {
                let start = pack.start_of_benefit(Instant::start_of(day), None);
                prop_assert!(first <= start && start <= last, "{} {}", day, start);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(cut in 0usize..900, noise in "\\PC{0,8}") {
        let mut text: String = GOOD.chars().take(cut).collect();
        text.push_str(&noise);
        text.extend(GOOD.chars().skip(cut));
        for problem in problems(&text) {
            prop_assert!(problem.line >= 1 && problem.line <= text.lines().count() + 1);
        }
    }
}

fn sum_of(amounts: impl IntoIterator<Item = Fen>) -> Fen {
    Fen::checked_sum(amounts).unwrap()
}
