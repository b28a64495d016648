use super::*;
use crate::person::DocumentKind;

const TODAY: Date = Date::constant(2026, 11, 22);

fn codes(regions: &[&Region]) -> Vec<String> {
    regions.iter().map(|r| r.code().to_owned()).collect()
}

#[test]
fn the_table_is_whole() {
    let table = RegionTable::parse(include_str!("../../data/regions.csv")).unwrap();
    let demo = RegionTable::parse(include_str!("../../data/demo_regions.csv")).unwrap();
    let all = RegionTable::with_demo();
    assert_eq!(all.len(), table.len() + demo.len());
    let count = |kind| {
        table
            .listed()
            .filter(|region| region.kind() == kind)
            .count()
    };
    assert!(table.len() > 7_000, "{}", table.len());
    assert_eq!(table.children("").len(), 31);
    assert!(count(RegionKind::Prefecture) > 330);
    assert!(count(RegionKind::County) > 2_900);
    for region in all.listed() {
        assert!(!region.name_en.is_empty(), "{region:?}");
        let above = all.ancestors(region.code());
        let is_province = region.kind() == RegionKind::Province;
        assert_eq!(above.is_empty(), is_province, "{region:?}");
    }
    for region in &all.rows {
        if let Some(next) = region.successor() {
            assert!(all.get(next).is_some(), "{region:?}");
            assert!(region.valid_to.is_some(), "{region:?}");
        }
        assert!(region.valid_to.is_none_or(|last| region.valid_from <= last));
    }
    for pair in all.rows.windows(2) {
        let [a, b] = pair else { continue };
        assert!(
            a.code < b.code || a.valid_to.is_some(),
            "{a:?} and {b:?} hold at once"
        );
    }
}

#[test]
fn codes_are_dated_and_followed() {
    let table = RegionTable::built_in();
    for (code, year, name) in [
        ("632123", 1982, Some("乐都县")),
        ("632123", 2020, None),
        ("630202", 2020, Some("乐都区")),
        ("422800", 1985, Some("鄂西土家族苗族自治州")),
        ("422800", 2026, Some("恩施土家族苗族自治州")),
        ("330113", 2026, Some("临平区")),
        ("999999", 2026, None),
    ] {
        let region = table.at(code, Date::constant(year, 6, 1));
        assert_eq!(region.map(Region::name_zh), name, "{code} in {year}");
    }
    let next = |code| table.successor(code).map(Region::code);
    assert_eq!(next("632123"), Some("630202"));
    assert_eq!(next("110228"), Some("110118"));
    assert_eq!(next("330127"), None);
    let born = |number: &str| {
        let document = Document::parse(DocumentKind::IdCard, number, TODAY).unwrap();
        table
            .registered(&document)
            .map(|registered| match registered {
                Registered::Known(region) => ("known", region.code().to_owned()),
                Registered::NotThen(region) => ("not then", region.code().to_owned()),
                Registered::Unknown => ("unknown", String::new()),
            })
    };
    let of = |year: i16, code: &str| {
        crate::person::id_number(code, Date::constant(year, 1, 1), 1).unwrap()
    };
    assert_eq!(born("632123198209270518"), Some(("known", "632123".into())));
    assert_eq!(
        born(&of(2020, "632123")),
        Some(("not then", "632123".into()))
    );
    assert_eq!(born(&of(2020, "990101")), Some(("unknown", String::new())));
    assert_eq!(born("810000199408230021"), None);
}

#[test]
fn the_tree_has_three_levels_at_most() {
    let table = RegionTable::with_demo();
    assert_eq!(codes(&table.ancestors("330127")), ["330100", "330000"]);
    assert_eq!(codes(&table.ancestors("430299")), ["430200", "430000"]);
    assert_eq!(
        codes(&table.ancestors("110105")),
        ["110000"],
        "no 市辖区 between"
    );
    assert_eq!(codes(&table.ancestors("330000")), Vec::<String>::new());
    assert_eq!(codes(&table.ancestors("33")), Vec::<String>::new());
    assert_eq!(
        codes(&table.children("990100")),
        ["990101", "990102", "990103"],
        "the retired county is not offered"
    );
    assert!(codes(&table.children("110000")).contains(&"110105".to_owned()));
    assert!(codes(&table.children("330000")).contains(&"330100".to_owned()));
    assert!(!codes(&table.children("330000")).contains(&"330127".to_owned()));
    assert!(
        codes(&table.children("410000")).contains(&"419001".to_owned()),
        "济源"
    );
    let chunan = table.get("330127").unwrap();
    assert_eq!(table.path_zh(chunan), "浙江省 杭州市 淳安县");
    assert_eq!(
        table.path_en(chunan),
        "Chun'an County, Hangzhou City, Zhejiang Province"
    );
}

#[test]
fn people_find_their_county() {
    let table = RegionTable::with_demo();
    for text in [
        "淳安",
        "淳安县",
        "浙江淳安",
        "杭州淳安",
        "浙江 杭州 淳安县",
        "chunan",
        "chun'an",
        "ChunAnXian",
        "330127",
        "３３０１２７",
        "cax",
        "淳",
    ] {
        let hits = codes(&table.search(text, 10));
        assert!(hits.contains(&"330127".to_owned()), "{text}: {hits:?}");
    }
    assert_eq!(codes(&table.search("淳安", 10)), ["330127"]);
    assert_eq!(codes(&table.search("花园", 10))[0], "990101");
    assert_eq!(codes(&table.search("hyx", 3)).len(), 3);
    let hangzhou = codes(&table.search("杭州", 20));
    assert_eq!(hangzhou[0], "330100");
    assert!(
        hangzhou.contains(&"330127".to_owned()),
        "brings its counties"
    );
    for nothing in ["", "  ", "不存在的地方", "zzzz", "999999"] {
        assert_eq!(
            codes(&table.search(nothing, 10)),
            Vec::<String>::new(),
            "{nothing}"
        );
    }
    assert_eq!(table.search("区", 7).len(), 7);
}

#[test]
fn a_broken_table_is_refused_with_its_line() {
    for (text, want) in [
        ("110000,北京市,0,,,", "region.fields"),
        ("110000,北京市,0,,,,,", "region.fields"),
        ("# remark\n11000,北京市,0,,,,", "region.code"),
        ("110000,北京市,0,2000,11011x,,", "region.code"),
        ("110000,北京市,zero,,,,", "region.year"),
        ("110000,,0,,,,", "region.name"),
    ] {
        let error = RegionTable::parse(text).unwrap_err();
        assert_eq!(error.code(), want, "{text}");
        let line = text.lines().count();
        assert!(
            error.to_string().contains(&format!("line {line}")),
            "{error}"
        );
    }
    assert!(RegionTable::parse("# remark\n").unwrap().is_empty());
    assert!(!RegionTable::with_demo().is_empty());
}

#[test]
fn what_is_typed_is_ranked() {
    let table = RegionTable::built_in();
    // Initials without the last syllable come before initials that only begin so.
    let hits = table.search("hy", 2_000);
    let syllables = |region: &&Region| {
        let words: Vec<char> = region
            .pinyin
            .split(' ')
            .filter_map(|word| word.chars().next())
            .collect();
        words.starts_with(&['h', 'y']).then_some(words.len())
    };
    let longer: Vec<bool> = hits
        .iter()
        .filter_map(syllables)
        .map(|count| count > 3)
        .collect();
    assert!(
        longer.contains(&true) && longer.contains(&false),
        "{longer:?}"
    );
    assert!(longer.is_sorted(), "{longer:?}");
    // A name that is whole but for its last character comes before longer names.
    let hits = table.search("淳", 2_000);
    assert!(hits.iter().all(|hit| hit.name.contains('淳')), "{hits:?}");
    let hits = table.search("大", 2_000);
    let begin = hits.iter().filter(|hit| hit.name.starts_with('大'));
    let longer: Vec<bool> = begin.map(|hit| hit.name.chars().count() > 2).collect();
    assert!(longer.is_sorted() && longer.contains(&true), "{longer:?}");
    assert_eq!(table.search("临平", 1)[0].code(), "330113");
    // All initials but the last come as whole names do.
    let places = "990101,花园县,0,,,Huayuan County,hua yuan xian\n\
                  990102,花县,0,,,Hua County,hua xian\n\
                  990103,小花园县,0,,,Xiaohuayuan County,xiao hua yuan xian\n\
                  990104,花园新县,0,,,Huayuanxin County,hua yuan xin xian\n";
    let few = RegionTable::parse(places).unwrap();
    for (text, found) in [
        ("hy", &["990101", "990104"][..]),
        ("hyx", &["990101", "990104"]),
        ("h", &["990102", "990101", "990104"]),
        ("花", &["990102", "990101", "990104", "990103"]),
        ("花园", &["990101", "990104", "990103"]),
        ("花园县", &["990101", "990103", "990104"]),
    ] {
        assert_eq!(codes(&few.search(text, 9)), found, "{text}");
    }
    assert_eq!(table.below("330100")[0].code(), "330100");
    let below = table.below("3301");
    assert!(below.iter().any(|region| region.code() == "330113"));
    assert!(below.iter().all(|region| region.code().starts_with("3301")));
}
