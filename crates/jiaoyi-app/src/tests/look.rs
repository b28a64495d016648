//! Scenes of looking: regions, people, bills, notice links.

use super::desk::*;
use crate::limits::Budgets;
use crate::portal::{
    Announcement, FieldProblem, LookupAnswer, LookupRequest, Portal, RecordAnswer,
};
use jiaoyi_domain::Date;
use jiaoyi_domain::channel::{ChannelCode, CreateOutcome, Method, QueryOutcome};
use jiaoyi_domain::time::{HOUR_MS, MINUTE_MS};

#[tokio::test]
async fn scenes_of_looking_for_a_place() {
    let mut desk = Desk::new("place", Budgets::default()).await;
    for text in [
        "990101",
        "演示甲市",
        "甲县",
        "浙江省 杭州市 淳安县",
        "chunan",
        "nowhere",
    ] {
        let found = desk.platform.regions_search(text, 3).await;
        desk.tell(text, &found);
    }
    let provinces = desk.platform.regions_children(None).await.unwrap();
    let codes: Vec<&str> = provinces.iter().map(|view| view.code.as_str()).collect();
    desk.tell("provinces", &codes);
    for code in ["990000", "990100", "990101"] {
        let below = desk.platform.regions_children(Some(code)).await;
        desk.tell(code, &below);
        let region = desk.platform.region(code).await;
        desk.tell(code, &region);
    }
    let none = desk.platform.region("000000").await;
    desk.tell("no region", &none);
    let notes = desk.platform.window_notes().await;
    desk.tell("windows", &notes);
    desk.is("place");
}

#[tokio::test]
async fn scenes_of_announcements() {
    let mut desk = Desk::new("news", Budgets::default()).await;
    let today = START.date();
    let news = |title: &str, on: Date, until| Announcement {
        on,
        until,
        title_zh: title.to_owned(),
        title_en: title.to_owned(),
        body_zh: String::new(),
        body_en: String::new(),
        channel: None,
    };
    let (yesterday, tomorrow) = (today.yesterday().unwrap(), today.tomorrow().unwrap());
    desk.platform.announce(vec![
        news("old", yesterday, Some(yesterday)),
        news("since yesterday", yesterday, Some(today)),
        news("today", today, None),
        news("tomorrow", tomorrow, None),
    ]);
    let told = desk.platform.announcements().await;
    desk.tell("announcements", &told);
    for channel in [
        ChannelCode::Wechat,
        ChannelCode::Alipay,
        ChannelCode::Unionpay,
    ] {
        for _ in 0..3 {
            desk.platform
                .health
                .note(channel, false, desk.platform.now());
        }
    }
    let told = desk.platform.announcements().await;
    desk.tell("both channels are down", &told);
    let ready = desk.platform.ready().await;
    desk.tell("ready", &ready);
    let keys: serde_json::Value = serde_json::from_str(&desk.platform.biller_keys()).unwrap();
    assert_eq!(keys, serde_json::json!({ "keys": [] }), "a desk has none");
    desk.is("announcements");
}

#[tokio::test]
async fn scenes_of_bills() {
    let mut desk = Desk::new("bills", Budgets::default()).await;
    let mut aided = row(2, COUNTY);
    aided.aids = vec!["dibao".to_owned()];
    let mut free = row(3, "990501");
    free.aids = vec!["full".to_owned()];
    let mut tier = row(4, "990401");
    tier.tier = Some("tier2".to_owned());
    let mut rows = vec![row(1, COUNTY), aided, free, tier, row(5, "990501")];
    rows.extend([
        row(6, "990201"),
        row(7, "990301"),
        row(8, "990601"),
        row(9, COUNTY),
    ]);
    desk.roster(1, rows.clone()).await;
    rows.truncate(8);
    let mut withdrawn = row(9, COUNTY);
    withdrawn.void_cause = Some("insured elsewhere".to_owned());
    desk.roster(2, vec![withdrawn]).await;
    for row in rows {
        let number = u16::try_from(row.number).unwrap();
        let bill = desk.bill(1, number, &row.region).await;
        desk.tell("a bill", &bill);
        let again = desk
            .platform
            .bill(&visitor(1), &bill.bill_ref)
            .await
            .unwrap();
        assert_eq!(
            again.map(|view| view.document_masked),
            Some(bill.document_masked)
        );
    }
    let withdrawn = desk.bill(1, 9, COUNTY).await;
    desk.tell("withdrawn", &withdrawn);
    let theirs = desk
        .platform
        .bill(&visitor(2), &withdrawn.bill_ref)
        .await
        .unwrap();
    assert!(theirs.is_none(), "a reference is of one device");
    desk.turn(30 * MINUTE_MS);
    let bill = desk
        .platform
        .bill(&visitor(1), &withdrawn.bill_ref)
        .await
        .unwrap();
    assert!(bill.is_some());
    desk.turn(1);
    let late = desk
        .platform
        .bill(&visitor(1), &withdrawn.bill_ref)
        .await
        .unwrap();
    assert!(late.is_none(), "and of half an hour");
    desk.is("bills");
}

/// One answer for whatever does not fit together; the pooling region may be named for the county.
#[tokio::test]
async fn who_looks_in_vain_learns_nothing() {
    let desk = Desk::new("vain", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY), row(2, "990501")]).await;
    type Change = fn(&mut LookupRequest);
    let looks: [(Change, bool); 5] = [
        (|_| {}, true),
        (|request| request.name = "王桂英".to_owned(), false),
        (|request| request.document = id_of(3, COUNTY), false),
        (|request| request.region = "990501".to_owned(), false),
        (|request| request.document = id_of(2, "990501"), false),
    ];
    for (place, (change, found)) in looks.into_iter().enumerate() {
        let mut request = looking(1, COUNTY);
        change(&mut request);
        let answer = desk
            .platform
            .lookup(&visitor(1), request, "f")
            .await
            .unwrap();
        let shown = matches!(answer, LookupAnswer::Found(_));
        assert!(
            shown == found && (shown || matches!(answer, LookupAnswer::Miss)),
            "{place}"
        );
    }
    for _ in 0..6 {
        let answer = desk
            .platform
            .lookup(&visitor(1), looking(3, COUNTY), "f")
            .await
            .unwrap();
        assert!(matches!(answer, LookupAnswer::Miss));
    }
    let answer = desk
        .platform
        .lookup(&visitor(1), looking(1, COUNTY), "f")
        .await
        .unwrap();
    assert!(
        matches!(answer, LookupAnswer::RateLimited { .. }),
        "{answer:?}"
    );
    let answer = desk
        .platform
        .lookup(&visitor(2), looking(1, COUNTY), "f")
        .await
        .unwrap();
    assert!(matches!(answer, LookupAnswer::Found(_)), "another device");
}

#[tokio::test]
async fn what_cannot_be_right_is_told_at_once() {
    use FieldProblem as P;
    let desk = Desk::new("typed", Budgets::default()).await;
    let id = id_of(1, COUNTY);
    let wrong_check = if id.ends_with('0') { "1" } else { "0" };
    let slip = format!("{}{wrong_check}", &id[..17]);
    let long = "王".repeat(200);
    for (name, kind, document, region, problems) in [
        ("", "id_card", id.as_str(), COUNTY, vec![P::NameMissing]),
        (&long, "id_card", &id, COUNTY, vec![P::NameTooLong]),
        ("王\u{7}", "id_card", &id, COUNTY, vec![P::NameShape]),
        ("王桂兰", "id_card", "", COUNTY, vec![P::DocumentMissing]),
        (
            "王桂兰",
            "id_card",
            "9901011980030",
            COUNTY,
            vec![P::DocumentLength { typed: 13 }],
        ),
        (
            "王桂兰",
            "id_card",
            "990-101 800307001",
            COUNTY,
            vec![P::DocumentLength { typed: 15 }],
        ),
        (
            "王桂兰",
            "id_card",
            "99010119800307001Y",
            COUNTY,
            vec![P::DocumentCharacters],
        ),
        (
            "王桂兰",
            "id_card",
            &slip,
            COUNTY,
            vec![P::DocumentChecksum],
        ),
        ("王桂兰", "passport", "E1", COUNTY, vec![P::DocumentShape]),
        ("王桂兰", "stone", &id, COUNTY, vec![P::DocumentKind]),
        ("王桂兰", "id_card", &id, "000000", vec![P::RegionUnknown]),
        // 杭州市下城区, no district any more.
        ("王桂兰", "id_card", &id, "330103", vec![P::RegionUnknown]),
        (
            "",
            "stone",
            "",
            "0",
            vec![P::NameMissing, P::DocumentKind, P::RegionUnknown],
        ),
    ] {
        let request = LookupRequest {
            name: name.to_owned(),
            document_kind: kind.to_owned(),
            document: document.to_owned(),
            region: region.to_owned(),
        };
        let answer = desk
            .platform
            .lookup(&visitor(1), request, "f")
            .await
            .unwrap();
        let LookupAnswer::Invalid(found) = answer else {
            panic!("{name} {kind} {document}: {answer:?}");
        };
        assert_eq!(found, problems, "{kind} {document}");
    }
}

#[tokio::test]
async fn scenes_of_a_notice_link() {
    let mut desk = Desk::new("links", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY), row(2, "990301")]).await;
    let dues: Vec<jiaoyi_domain::due::Due> = desk.platform.store.all().await.unwrap();
    let mut tokens = Vec::new();
    for due in dues {
        let token = desk
            .platform
            .notice_token(&(due.bucket, due.due_id, due.generation));
        let opened = desk.platform.open_link(&visitor(1), &token).await;
        desk.tell("opened", &opened);
        tokens.push((token, format!("{opened:?}").contains("AskBirthday")));
    }
    tokens.sort_by_key(|(_, asks)| !asks);
    let (token, asks) = tokens.remove(0);
    assert!(asks, "the county whose window is open");
    for (device, month, day) in [(1, 3, 8), (1, 7, 3), (1, 3, 7)] {
        let answer = desk
            .platform
            .answer_link(&visitor(device), &token, month, day)
            .await;
        desk.tell("answered", &answer);
    }
    let opened = desk.platform.open_link(&visitor(1), &token).await;
    desk.tell("opened by the device that knew", &opened);
    let opened = desk.platform.open_link(&visitor(2), &token).await;
    desk.tell("opened by another", &opened);
    for _ in 0..5 {
        let answer = desk.platform.answer_link(&visitor(2), &token, 1, 1).await;
        desk.tell("wrong", &answer);
    }
    let opened = desk.platform.open_link(&visitor(1), &token).await;
    desk.tell("shut for all", &opened);
    for strange in ["", "abc", &token[1..]] {
        let opened = desk.platform.open_link(&visitor(1), strange).await.unwrap();
        assert!(matches!(opened, crate::portal::LinkAnswer::Gone));
        let answer = desk
            .platform
            .answer_link(&visitor(1), strange, 1, 1)
            .await
            .unwrap();
        assert!(matches!(answer, crate::portal::LinkAnswer::Gone));
    }
    let added = desk.platform.add_record(&visitor(1), &token).await.unwrap();
    assert_eq!(added, RecordAnswer::NotFound, "a notice link is no receipt");
    desk.is("links");
}

#[tokio::test]
async fn a_channel_that_is_silent_three_times_is_said_to_be_down() {
    let desk = Desk::new("down", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    desk.wechat.answers().create = Some(CreateOutcome::Unknown {
        why: "timeout".to_owned(),
    });
    let bill = desk.bill(1, 1, COUNTY).await;
    let start = super::pay::start(&bill, Method::WechatNative, "f1");
    let _ = desk.platform.start(&visitor(1), start).await.unwrap();
    assert_eq!(desk.platform.announcements().await.unwrap().len(), 0);
    desk.turn(HOUR_MS / 60);
    let bill = desk.bill(1, 1, COUNTY).await;
    let start = super::pay::start(&bill, Method::WechatH5, "f2");
    let _ = desk.platform.start(&visitor(1), start).await.unwrap();
    assert_eq!(desk.platform.announcements().await.unwrap().len(), 1);
}

/// Asked in vain three times it is down; with the next answer it is not.
#[tokio::test]
async fn a_channel_that_says_nothing_of_an_order_is_said_to_be_down() {
    let desk = Desk::new("mute", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let bill = desk.bill(1, 1, COUNTY).await;
    let start = super::pay::start(&bill, Method::WechatNative, "f1");
    let _ = desk.platform.start(&visitor(1), start).await.unwrap();
    let no = desk.attempts().await.remove(0).attempt_no;
    desk.wechat.answers().query = QueryOutcome::Unknown {
        why: "timeout".to_owned(),
    };
    for n in 1..=3 {
        desk.platform.ask(&no).await.unwrap();
        let said = desk.platform.announcements().await.unwrap();
        assert_eq!(said.len(), usize::from(n == 3), "{n}");
    }
    desk.wechat.answers().query = QueryOutcome::NotPaid(None);
    desk.platform.ask(&no).await.unwrap();
    assert_eq!(desk.platform.announcements().await.unwrap().len(), 0);
    for _ in 0..3 {
        desk.platform.ask(&no).await.unwrap();
    }
    assert_eq!(desk.platform.announcements().await.unwrap().len(), 0);
}

/// A name that many others end with, with and without spaces, is the one of that name; a city without
/// counties is chosen itself.
#[tokio::test]
async fn the_place_of_exactly_that_name_is_found_alone() {
    let desk = Desk::new("exact", Budgets::default()).await;
    for text in ["和县", "和 县", " 和县 "] {
        let found = desk.platform.regions_search(text, 50).await.unwrap();
        let names: Vec<&str> = found.iter().map(|view| view.name_zh.as_str()).collect();
        assert_eq!(names, ["和县"], "{text}");
    }
    let city = desk.platform.region("441900").await.unwrap().unwrap();
    assert!(city.selectable && !city.has_children, "{city:?}");
    let above = desk.platform.region("340500").await.unwrap().unwrap();
    assert!(!above.selectable && above.has_children, "{above:?}");
}

/// A document that nobody has is answered out of the rows of the next one; of a namesake in the same
/// bucket nothing is shown.
#[tokio::test]
async fn a_namesake_beside_an_unknown_document_stays_hidden() {
    let desk = Desk::new("beside", Budgets::default()).await;
    let mut places: Vec<_> = (1..=999)
        .map(|number| {
            (
                desk.platform.place_of(&row(number, COUNTY).document),
                number,
            )
        })
        .collect();
    places.sort_unstable();
    let beside = places.windows(2).find(|pair| pair[0].0.0 == pair[1].0.0);
    let (unknown, known) = beside.map(|pair| (pair[0].1, pair[1].1)).unwrap();
    desk.roster(1, vec![row(known, COUNTY)]).await;
    for (number, found) in [(known, true), (unknown, false)] {
        let request = looking(number, COUNTY);
        let answer = desk.platform.lookup(&visitor(1), request, "f").await;
        let shown = matches!(answer, Ok(LookupAnswer::Found(_)));
        assert_eq!(shown, found, "{answer:?}");
    }
}

/// A roster that is published again says the same: its rows are as many, and so are the bills.
#[tokio::test]
async fn a_roster_made_twice_counts_the_same_rows() {
    let desk = Desk::new("made-twice", Budgets::default()).await;
    let rows = vec![row(1, COUNTY), row(2, COUNTY)];
    desk.roster(1, rows.clone()).await;
    desk.roster(2, rows).await;
    let dues: Vec<jiaoyi_domain::due::Due> = desk.platform.store.all().await.unwrap();
    assert_eq!(dues.len(), 2);
}

/// Of a window of one channel nothing is said to all.
#[tokio::test]
async fn the_home_page_tells_the_window_of_all() {
    let desk = Desk::new("windows", Budgets::default()).await;
    let before = desk.platform.window_notes().await.unwrap();
    let alipay = "[[window]]\nphase = \"in_window\"\nchannel = \"alipay\"\nfirst = 2026-09-01\n\
                  last = 2026-12-31\nstart = \"year_start\"\nwait_months = 0\n\n[benefit]";
    desk.repack("990100", "[benefit]", alipay).await;
    let notes = desk.platform.window_notes().await.unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].first, before[0].first);
}

/// What a failed request is called on the page and in the log.
#[tokio::test]
async fn each_trouble_has_a_name_of_its_own() {
    let desk = Desk::new("trouble", Budgets::default()).await;
    let traces = [(); 2].map(|()| desk.platform.trace());
    for trace in &traces {
        let is_hex = |c: char| c.is_ascii_digit() || ('A'..='F').contains(&c);
        assert!(trace.len() == 8 && trace.chars().all(is_hex), "{trace}");
    }
    assert_ne!(traces[0], traces[1]);
}

/// Every way of paying in a browser at the three channels of the desk; what is told of all channels to
/// anybody, with the hours of the region that is asked for.
#[tokio::test]
async fn the_ways_of_paying_are_those_of_the_configured_channels() {
    let desk = Desk::new("ways", Budgets::default()).await;
    let methods = desk.platform.methods();
    assert!(methods.iter().all(|method| method.in_browser()));
    let channels = [
        ChannelCode::Wechat,
        ChannelCode::Alipay,
        ChannelCode::Unionpay,
    ];
    for channel in ChannelCode::ALL {
        let offered = methods.iter().any(|method| method.channel() == channel);
        assert_eq!(offered, channels.contains(&channel), "{channel:?}");
    }
    let levies = |region: Option<&str>| {
        let text = desk.platform.channels_json(region);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["channels"].as_array().unwrap().len(), 17);
        let levy = told["levy"].as_array().unwrap().clone();
        let regions = levy.iter().map(|levy| levy["region"].as_str().unwrap());
        regions.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(levies(Some(COUNTY)), ["990100"]);
    assert_eq!(levies(Some("110000")), [""; 0]);
    assert_eq!(levies(None).len(), 6);
}

/// The lists of devices lie all over the database.
#[tokio::test]
async fn devices_have_buckets_of_their_own() {
    let desk = Desk::new("spread", Budgets::default()).await;
    let buckets = [1, 2, 3].map(|device| desk.platform.device_bucket(&[device; 32]));
    assert!(buckets[0] != buckets[1] || buckets[1] != buckets[2]);
}

/// What was paid is what the bill says, whatever the year costs since.
#[tokio::test]
async fn a_paid_bill_tells_what_was_paid() {
    let desk = Desk::new("dearer", Budgets::default()).await;
    let rows = vec![row(1, COUNTY), row(2, COUNTY)];
    desk.roster(1, rows.clone()).await;
    let paid = desk.platform.pay_made(&rows[0].document, "t1".to_owned());
    assert!(paid.await.unwrap());
    let before = desk.bill(1, 1, COUNTY).await;
    desk.repack(
        "990100",
        "medical = 400\nfiscal = 700",
        "medical = 410\nfiscal = 701",
    )
    .await;
    desk.roster(2, rows).await;
    let now = desk.bill(1, 1, COUNTY).await;
    let told = |bill: &crate::portal::BillView| {
        format!("{:?} {:?} {:?}", bill.amount, bill.items, bill.subsidies)
    };
    assert_eq!(told(&now), told(&before));
    let other = desk.bill(1, 2, COUNTY).await;
    assert_eq!(other.amount, jiaoyi_domain::Fen::new(41_000));
}
