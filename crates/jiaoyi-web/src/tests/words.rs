//! The words: both languages complete, and the rules for what they say.

use super::{Client, PHONE, fake};
use crate::locale::Lang;
use crate::look::Look;
use crate::pages::order::{Showing, order};
use crate::pages::person::message;
use crate::pages::trouble::{Money, Trouble, trouble};
use jiaoyi_app::portal::{FieldProblem, OrderStatus};
use jiaoyi_domain::channel::Method;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn both_languages_have_the_same_keys_and_places() {
    let (zh, en) = (Lang::Zh.texts(), Lang::En.texts());
    assert!(zh.len() > 200, "the file was read");
    let keys = |texts: &'static std::collections::BTreeMap<String, String>| -> Vec<&str> {
        texts.keys().map(String::as_str).collect()
    };
    assert_eq!(keys(zh), keys(en));
    for (key, text) in zh {
        let other = &en[key];
        assert!(!text.is_empty() && !other.is_empty(), "{key}");
        assert_eq!(places(text), places(other), "{key}");
    }
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{')
        .skip(1)
        .map(|rest| rest.split('}').next().unwrap())
        .collect()
}

#[test]
fn every_key_used_exists_and_every_key_is_used() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    let code: String = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let texts = Lang::Zh.texts();
    let sections: BTreeSet<&str> = texts
        .keys()
        .map(|key| key.split('.').next().unwrap())
        .collect();
    // Codes printed for support look like keys but name no words.
    let code = code.split("pub const fn status_code").collect::<Vec<_>>();
    let code = code
        .iter()
        .enumerate()
        .map(|(index, part)| {
            if index == 0 {
                *part
            } else {
                part.split_once("\n}\n").unwrap().1
            }
        })
        .collect::<String>();
    let mut used = BTreeSet::new();
    for literal in code.split('"').skip(1).step_by(1) {
        let section = literal.split('.').next().unwrap();
        let plain = literal
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b));
        if plain && literal.contains('.') && sections.contains(section) {
            used.insert(literal);
        }
    }
    let known: BTreeSet<&str> = texts.keys().map(String::as_str).collect();
    assert_eq!(
        used.difference(&known).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "missing"
    );
    assert_eq!(
        known.difference(&used).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "unused"
    );
}

#[test]
fn chinese_clauses_are_short_and_do_not_shout() {
    for (key, text) in Lang::Zh.texts() {
        if key == "site.description" {
            continue;
        }
        for clause in text.split([
            '。', '，', '：', '；', '？', '、', ',', ':', '“', '”', '（', '）', '\n',
        ]) {
            let length = clause.chars().filter(|c| *c >= '\u{2e80}').count();
            assert!(length <= 20, "{key}: {clause} has {length}");
        }
        for loud in ["！", "!", "请您务必", "YB-"] {
            assert!(!text.contains(loud), "{key}: {loud}");
        }
    }
}

/// What each language may say about the money; the headline or the line after it must.
const MONEY: [(Lang, &[&str]); 2] = [
    (
        Lang::Zh,
        &[
            "没有扣款",
            "可能已扣款",
            "已扣款",
            "已扣的",
            "没有看到扣款",
            "还没有收到付款",
        ],
    ),
    (
        Lang::En,
        &[
            "o money was taken",
            "oney may have been taken",
            "oney was taken",
            "taken has been",
            "saw no money taken",
            "o payment has come in yet",
        ],
    ),
];

#[test]
fn every_status_says_whether_money_was_taken() {
    for (lang, phrases) in MONEY {
        let look = Look {
            lang,
            ..Look::default()
        };
        let mut seen = BTreeSet::new();
        for token in fake::ORDERS {
            let view = fake::order(token).unwrap();
            seen.insert(view.status);
            let showing = Showing {
                now: fake::NOW,
                loads: 0,
                methods: &Method::ALL,
                openid: false,
                form_key: "k",
            };
            let html = order(&look, &view, showing).html;
            let start = html.find("<h1>").unwrap();
            let head: String = html[start..].chars().take(160).collect();
            assert!(
                phrases.iter().any(|phrase| head.contains(phrase)),
                "{token}: {head}"
            );
        }
        assert_eq!(
            seen,
            OrderStatus::ALL.into_iter().collect(),
            "each status has a view"
        );
    }
}

/// Somebody who paid twice reads first that it is paid, then that only the second payment goes back.
#[test]
fn who_paid_twice_is_told_which_payment_goes_back() {
    for (lang, paid, twice) in [
        (Lang::Zh, "缴费成功", "您付了两次，第二笔 400.00 元"),
        (
            Lang::En,
            "Paid",
            "You paid twice. The second payment of ¥400.00",
        ),
    ] {
        let look = Look {
            lang,
            ..Look::default()
        };
        let showing = Showing {
            now: fake::NOW,
            loads: 0,
            methods: &Method::ALL,
            openid: false,
            form_key: "k",
        };
        for (token, key) in [
            ("paidtwice", "order.surplus_pending"),
            ("paidtwiceback", "order.surplus_back"),
            ("paidtwicemanual", "order.surplus_manual"),
        ] {
            let html = order(&look, &fake::order(token).unwrap(), showing).html;
            let start = html.find("<h1>").unwrap();
            let head = html.find(&format!("<h1>{paid}")).unwrap();
            let told = html
                .find(twice)
                .unwrap_or_else(|| panic!("{token}: {html}"));
            let rest = lang.text(key).rsplit_once('}').unwrap().1;
            assert!(start == head && head < told, "{token}");
            assert!(html[told..].contains(rest), "{token}: {rest}");
        }
        let once = order(&look, &fake::order("paid").unwrap(), showing).html;
        assert!(!once.contains(lang.text("order.twice_head")));
    }
}

#[test]
fn every_trouble_says_it_too() {
    for (lang, _) in MONEY {
        let look = Look {
            lang,
            ..Look::default()
        };
        for kind in Trouble::ALL {
            for money in [Money::None, Money::Maybe] {
                let page = trouble(&look, kind, money, "/", "", "trace1");
                let start = page.html.find("<h1>").unwrap();
                let end = start + page.html[start..].find("<p><b>").unwrap();
                let line = page.html[end..].split("</p>").next().unwrap();
                let key = if money == Money::None {
                    "money.none"
                } else {
                    "money.maybe"
                };
                assert!(line.contains(lang.text(key)), "{kind:?} {line}");
                assert_eq!(page.status, kind.status());
                assert!(page.html.contains("trace1"));
            }
        }
    }
}

#[test]
fn every_problem_has_its_own_words_at_a_field() {
    for lang in Lang::ALL {
        let look = Look {
            lang,
            ..Look::default()
        };
        let mut texts = BTreeSet::new();
        for problem in FieldProblem::ALL {
            let (id, text) = message(&look, problem);
            assert!(["name", "document", "document_kind", "region"].contains(&id));
            assert!(texts.insert(text), "{problem:?} says what another one says");
        }
    }
}

#[tokio::test]
async fn errors_keep_what_was_typed_and_lead_to_the_field() {
    let mut client = Client::new(PHONE);
    let fields = [
        ("relation", "other"),
        ("name", "王 <b>"),
        ("document_kind", "passport"),
        ("document", "99010219520304123"),
        ("region", "青山县"),
    ];
    let html = client.post("/pay/person", &fields).await.html();
    for part in [
        "<title>出错了:",
        "value=\"王 &lt;b&gt;\"",
        "value=\"99010219520304123\"",
        "<option value=\"passport\" selected>",
        "href=\"#document\"",
        "现在是 17 位",
        "aria-describedby=\"document-hint document-error\"",
        "演示省 演示市 青山县",
        "name=\"relation\" value=\"other\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
}
