//! Rosters come in while people pay: what was shown holds, nothing counts by halves.

use crate::harness::{Channel, Payer, Person, Roster, SECOND, Setup, World, person};
use jiaoyi_app::import::{ImportError, ImportReport, Stage};
use jiaoyi_documents::roster::CellError;
use jiaoyi_domain::decide::{ActivateRoster, OpenRoster, Refusal, StagedToPublishing};
use jiaoyi_domain::due::{Revision, RosterId};
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::policy::DEMO_COUNTY;
use jiaoyi_domain::refund::RefundCause;
use jiaoyi_domain::roster::{Roster as RosterRow, RosterState};
use jiaoyi_store::StoreError;
use serde_json::json;

async fn revisions(world: &World) -> usize {
    let rows: Vec<Revision> = world.platform.store.all().await.expect("it reads");
    rows.len()
}

/// An aid list lands while the payer is at the wallet: the price shown is kept, a case opens.
#[tokio::test(flavor = "multi_thread")]
async fn repriced_while_at_the_wallet_keeps_the_quote() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        let report = world
            .publish(std::slice::from_ref(&person), "dibao", 2)
            .await;
        assert_eq!((report.appended, report.same), (1, 0));
        payer.press(&wallet, "pay").await;
        let order = payer.order(&wallet.order).await;
        order.is("order.paid").says("400.00");
        assert_eq!(world.cases().await, [CaseKind::Difference]);
        assert_eq!(world.refunds().await.len(), 0);
        world.settles().await;
    }
}

/// The same under a region's rule that gives the whole back: then the new price is paid.
#[tokio::test(flavor = "multi_thread")]
async fn repriced_while_at_the_wallet_gives_the_whole_back() {
    for channel in Channel::BOTH {
        let mut world = World::with(Setup {
            edits: vec![("difference = \"keep\"", "difference = \"refund\"")],
            ..Setup::default()
        })
        .await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        world
            .publish(std::slice::from_ref(&person), "dibao", 2)
            .await;
        payer.press(&wallet, "pay").await;
        world.pass(SECOND).await;
        world.pass(3 * SECOND).await;
        payer.order(&wallet.order).await.is("order.refunded");
        let refunds = world.refunds().await;
        assert_eq!(refunds[0].cause, RefundCause::Repriced);
        let check = payer.look_up(&person).await;
        check.says("40.00");
        payer
            .pay(&world, &person, channel)
            .await
            .is("order.paid")
            .says("40.00");
        world.settles().await;
    }
}

/// The price changes between check page and button: the payer sees the new one before paying.
#[tokio::test(flavor = "multi_thread")]
async fn repriced_before_the_button() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let check = payer.look_up(&person).await;
    check.says("400.00");
    world
        .publish(std::slice::from_ref(&person), "dibao", 2)
        .await;
    let methods = payer.choose(&check).await;
    methods.says("40.00");
    let page = payer.start(&methods, Channel::Wechat).await;
    let wallet = world.wallet(page).await;
    wallet.page.says("40.00");
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    world.settles().await;
}

/// Struck off while at the wallet: the money goes back, with a case.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_while_at_the_wallet() {
    for channel in Channel::BOTH {
        let mut world = World::new().await;
        let person = world.people[0].clone();
        let mut payer = Payer::new(&world);
        let wallet = payer.walk_to_wallet(&world, &person, channel).await;
        let roster = Roster {
            people: std::slice::from_ref(&person),
            aid: "",
            void: "死亡",
            serial: 2,
            older_confirmed: false,
        };
        let report = world.import(&roster).await.expect("it is taken in");
        assert_eq!(report.rows_bad, 0, "{report:?}");
        payer.press(&wallet, "pay").await;
        world.pass(SECOND).await;
        world.pass(3 * SECOND).await;
        let order = payer.order(&wallet.order).await;
        order.is("order.refunded");
        assert_eq!(world.cases().await, [CaseKind::Void]);
        assert_eq!(world.refunds().await[0].cause, RefundCause::Void);
        assert!(!world.is_paid(&person).await);
        assert_eq!(world.trade(&wallet).await["refunded_fen"], json!(40_000));
        let check = payer.look_up(&person).await;
        assert!(check.form("/pay/method").is_none(), "{}", check.words());
        world.settles().await;
    }
}

/// A new roster over a paid due reports it and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn paid_dues_are_never_changed() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let order = payer.pay(&world, &person, Channel::Alipay).await;
    let link = order.link("/v/").expect("a voucher");
    let people = world.people.clone();
    let report = world.publish(&people, "dibao", 2).await;
    assert_eq!((report.appended, report.same, report.paid), (9, 0, 1));
    payer.get(&link).await.says("400.00").says("有效");
    assert!(world.is_paid(&person).await);
    world.settles().await;
}

/// The same file again, and the same rows in another file: nothing changes twice.
#[tokio::test(flavor = "multi_thread")]
async fn importing_again_changes_nothing() {
    let mut world = World::new().await;
    let people = world.people.clone();
    let before = revisions(&world).await;
    let again = world.publish(&people, "", 1).await;
    assert!(again.known, "{again:?}");
    let newer = world.publish(&people, "", 2).await;
    assert_eq!((newer.appended, newer.same), (0, 10));
    assert_eq!(revisions(&world).await, before);
    world.settles().await;
}

/// The same file after the policy changed: its rows are priced anew, and counted as before.
#[tokio::test(flavor = "multi_thread")]
async fn importing_again_after_a_new_policy_prices_anew() {
    let mut world = World::new().await;
    let people = world.people.clone();
    world.pass(SECOND).await;
    world
        .change_policies(&[("medical = 400", "medical = 420")])
        .await;
    let again = world.publish(&people, "", 1).await;
    assert_eq!((again.known, again.appended), (false, 10), "{again:?}");
    Payer::new(&world).look_up(&people[0]).await.says("420.00");
    let known = world.publish(&people, "", 1).await;
    assert!(known.known, "{known:?}");
    world.settles().await;
}

/// The same file again names its bad rows again.
#[tokio::test(flavor = "multi_thread")]
async fn importing_again_names_bad_rows_again() {
    let mut world = World::new().await;
    let newcomers: Vec<Person> = (50..53).map(|n| person(n, DEMO_COUNTY)).collect();
    let good = Roster {
        people: &newcomers,
        aid: "",
        void: "",
        serial: 2,
        older_confirmed: false,
    }
    .text();
    let text = good.replace(&newcomers[1].id, "990101199901010000");
    let before = revisions(&world).await;
    let first = world.import_text(&text, 2, false).await.expect("it reads");
    let again = world.import_text(&text, 2, false).await.expect("it reads");
    assert!(again.known && !first.known, "{again:?}");
    let named = |report: &ImportReport| -> Vec<String> {
        report.problems.iter().map(CellError::line_zh).collect()
    };
    assert_eq!(named(&again), named(&first));
    assert_eq!((again.rows_bad, named(&again).len()), (1, 1));
    assert_eq!(revisions(&world).await, before + 2);
    world.settles().await;
}

/// Yesterday's file overtaken by today's on the way in: it is not activated unless somebody
/// confirms it.
#[tokio::test(flavor = "multi_thread")]
async fn overtaken_rosters_are_not_activated() {
    let mut world = World::new().await;
    let platform = std::sync::Arc::clone(&world.platform);
    let under_way = platform.store.import_under_way().expect("a mark");
    let opened = OpenRoster {
        roster: RosterRow {
            source: "test".to_owned(),
            ..staging(4)
        },
        older_confirmed: false,
    };
    platform.submit(opened).await.expect("nothing newer counts");
    let roster_id = RosterId([9; 16]);
    let publishing = StagedToPublishing {
        roster_id,
        rows_read: 0,
        rows_good: 0,
        rows_bad: 0,
    };
    platform.submit(publishing).await.expect("it is read");
    let people = world.people.clone();
    world.publish(&people, "dibao", 5).await;
    let activate = |older_confirmed| {
        platform.submit(ActivateRoster {
            roster_id,
            rows_published: 0,
            older_confirmed,
        })
    };
    let refused = activate(false).await;
    let newer = StoreError::Refused(Refusal::OlderSerial { known: 5 });
    assert_eq!(refused.unwrap_err().to_string(), newer.to_string());
    activate(true).await.expect("it was confirmed");
    drop(under_way);
    world.settles().await;
}

/// An import that a kill cut off, and the corrected file after it: the next start does not bring the
/// cut one back, not even under the same serial.
#[tokio::test(flavor = "multi_thread")]
async fn cut_imports_do_not_come_back_over_newer_ones() {
    let mut world = World::new().await;
    let platform = std::sync::Arc::clone(&world.platform);
    world.pass(SECOND).await;
    let opened = OpenRoster {
        roster: RosterRow {
            source: "test".to_owned(),
            created_at: platform.now(),
            ..staging(2)
        },
        older_confirmed: false,
    };
    let mark = platform.store.import_under_way().expect("a mark");
    platform.submit(opened).await.expect("nothing newer counts");
    let publishing = StagedToPublishing {
        roster_id: RosterId([9; 16]),
        rows_read: 0,
        rows_good: 0,
        rows_bad: 0,
    };
    platform.submit(publishing).await.expect("it is read");
    drop(mark);
    world.pass(SECOND).await;
    let people = world.people.clone();
    world.publish(&people, "dibao", 2).await;
    world.restart().await;
    let key = ([9; 16],);
    let cut: Option<RosterRow> = world.platform.store.load(&key).await.expect("it reads");
    assert_eq!(cut.expect("it is there").state, RosterState::Rejected);
    Payer::new(&world).look_up(&people[0]).await.says("40.00");
    world.settles().await;
}

/// A roster that is refused in the end changes nobody's name; one that counts does, and staff are
/// told.
#[tokio::test(flavor = "multi_thread")]
async fn names_come_only_from_rosters_that_count() {
    let mut world = World::new().await;
    let known = world.people[0].clone();
    let mut renamed = known.clone();
    renamed.name = "王桂香".to_owned();
    let roster = |serial, people| Roster {
        people,
        aid: "",
        void: "",
        serial,
        older_confirmed: false,
    };
    let people = [renamed.clone()];
    let request = world.request(&roster(2, &people).text(), 2);
    // A newer roster is activated while this one is being published.
    let newer = world.platform.clone();
    let overtake = OpenRoster {
        roster: RosterRow {
            source: "test".to_owned(),
            ..staging(3)
        },
        older_confirmed: false,
    };
    newer.submit(overtake).await.expect("it opens");
    let publishing = StagedToPublishing {
        roster_id: RosterId([9; 16]),
        rows_read: 0,
        rows_good: 0,
        rows_bad: 0,
    };
    newer.submit(publishing).await.expect("it is read");
    let activate = ActivateRoster {
        roster_id: RosterId([9; 16]),
        rows_published: 0,
        older_confirmed: false,
    };
    let activated = std::sync::Mutex::new(Some(activate));
    let handle = tokio::runtime::Handle::current();
    let mut progress = |stage: Stage, _: u64, _: u64| {
        let taken = activated.lock().expect("nobody panicked").take();
        match (stage, taken) {
            (Stage::Publishing, Some(activate)) => {
                let done = tokio::task::block_in_place(|| handle.block_on(newer.submit(activate)));
                done.expect("nothing newer counts");
            }
            (_, taken) => *activated.lock().expect("nobody panicked") = taken,
        }
    };
    let refused = world.platform.import_roster(&request, &mut progress).await;
    assert!(
        matches!(refused, Err(ImportError::OlderSerial { known: 3 })),
        "{refused:?}"
    );
    let mut payer = Payer::new(&world);
    payer.look_up(&known).await.says("400.00");
    payer.look_up(&renamed).await.says("没有查到应缴的费用");

    let report = world
        .import(&roster(4, &people))
        .await
        .expect("it is newer");
    assert_eq!((report.same, report.warnings.len()), (1, 1), "{report:?}");
    assert_eq!(report.warnings[0].code, "person.renamed");
    assert_eq!(report.warnings[0].row, 2);
    payer.look_up(&renamed).await.says("400.00");
    payer.look_up(&known).await.says("没有查到应缴的费用");
    world.settles().await;
}

/// Yesterday's file after today's is refused unless somebody confirms it.
#[tokio::test(flavor = "multi_thread")]
async fn older_serials_are_refused() {
    let mut world = World::new().await;
    let people = world.people.clone();
    world.publish(&people, "dibao", 5).await;
    let mut older = Roster {
        people: &people,
        aid: "",
        void: "",
        serial: 4,
        older_confirmed: false,
    };
    let refused = world.import(&older).await;
    assert!(
        matches!(refused, Err(ImportError::OlderSerial { known: 5 })),
        "{refused:?}"
    );
    let mut payer = Payer::new(&world);
    payer.look_up(&people[0]).await.says("40.00");
    older.older_confirmed = true;
    let report = world.import(&older).await.expect("it was confirmed");
    assert_eq!(report.appended, 10);
    payer.look_up(&people[0]).await.says("400.00");
    world.settles().await;
}

/// A bad row is named and left out; a file that cannot be read publishes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn bad_files_publish_nothing() {
    let mut world = World::new().await;
    let before = revisions(&world).await;
    let newcomers: Vec<Person> = (50..53).map(|n| person(n, DEMO_COUNTY)).collect();
    let good = Roster {
        people: &newcomers,
        aid: "",
        void: "",
        serial: 2,
        older_confirmed: false,
    }
    .text();
    for broken in [
        good.replace("身份证号", "号码甲"),
        good.replace("姓名,身份证号", "姓名,姓名"),
        String::new(),
    ] {
        let refused = world.import_text(&broken, 2, false).await;
        assert!(matches!(refused, Err(ImportError::File(_))), "{refused:?}");
        assert_eq!(revisions(&world).await, before);
    }
    let mut payer = Payer::new(&world);
    payer
        .look_up(&newcomers[0])
        .await
        .says("没有查到应缴的费用");
    let wrong = good.replace(&newcomers[1].id, "990101199901010000");
    let report = world.import_text(&wrong, 3, false).await;
    let report = report.expect("the other rows are good");
    assert_eq!((report.rows_good, report.rows_bad), (2, 1));
    assert_eq!(report.problems[0].row, 3, "the row of the spreadsheet");
    payer
        .pay(&world, &newcomers[0], Channel::Wechat)
        .await
        .is("order.paid");
    world.settles().await;
}

/// A number whose region code no table knows is published; staff are told.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_region_codes_warn_and_never_refuse() {
    let mut world = World::new().await;
    let mut stranger = person(61, DEMO_COUNTY);
    stranger.id = person(61, "999999").id;
    let people = [stranger, person(62, DEMO_COUNTY)];
    let report = world.publish(&people, "", 2).await;
    assert_eq!(report.appended, 2, "{report:?}");
    let [warning] = report.warnings.as_slice() else {
        panic!("{report:?}");
    };
    assert_eq!((warning.row, warning.code), (2, "document.unregistered"));
    assert!(!warning.cell.contains(&people[0].id), "{warning:?}");
    Payer::new(&world).look_up(&people[0]).await.says("400.00");
    world.settles().await;
}

/// Stopped in the middle of publishing: the next start finishes it, and nothing counted before.
#[tokio::test(flavor = "multi_thread")]
async fn interrupted_imports_are_taken_up() {
    let mut world = World::new().await;
    let many: Vec<Person> = (0..900).map(|n| person(n, DEMO_COUNTY)).collect();
    let roster = Roster {
        people: &many,
        aid: "dibao",
        void: "",
        serial: 2,
        older_confirmed: false,
    };
    // The import is dropped at its first published slice, as a kill would do it.
    let text = roster.text();
    let cut = tokio::spawn({
        let platform = std::sync::Arc::clone(&world.platform);
        let path = world.file("cut.csv");
        std::fs::write(&path, text).expect("a file");
        async move {
            let request = jiaoyi_app::import::ImportRequest {
                path,
                region: None,
                benefit_year: 2027,
                source: "test".to_owned(),
                serial: 2,
                older_confirmed: false,
                dry_run: false,
                all_or_nothing: false,
                limits: jiaoyi_documents::roster::Limits::default(),
            };
            let (sender, cut) = tokio::sync::oneshot::channel();
            let mut sender = Some(sender);
            let mut progress = move |stage: Stage, done: u64, _: u64| {
                if stage == Stage::Publishing && done > 0 {
                    sender.take().map(|sender| sender.send(()));
                }
            };
            tokio::select! {
                biased;
                _ = cut => true,
                _ = platform.import_roster(&request, &mut progress) => false,
            }
        }
    });
    assert!(cut.await.expect("it ran"), "the import was cut");
    let rosters: Vec<RosterRow> = world.platform.store.all().await.expect("it reads");
    let newest = rosters.iter().find(|row| row.serial == 2).expect("it");
    assert_eq!(newest.state, RosterState::Publishing);
    let mut payer = Payer::new(&world);
    payer.look_up(&many[0]).await.says("400.00");
    world.holds().await;

    world.restart().await;
    let key = (RosterId(newest.roster_id).0,);
    let done: Option<RosterRow> = world.platform.store.load(&key).await.expect("it reads");
    let done = done.expect("it is there");
    assert_eq!(
        (done.state, done.rows_published),
        (RosterState::Active, 900)
    );
    payer.look_up(&many[0]).await.says("40.00");
    payer
        .pay(&world, &many[899], Channel::Alipay)
        .await
        .is("order.paid")
        .says("40.00");
    world.settles().await;
}

fn staging(serial: i64) -> RosterRow {
    RosterRow {
        roster_id: [9; 16],
        state: RosterState::Staging,
        region: String::new(),
        benefit_year: 2027,
        source: "other".to_owned(),
        serial,
        file_hash: [0; 32],
        rows_read: 0,
        rows_good: 0,
        rows_bad: 0,
        rows_published: 0,
        created_at: jiaoyi_domain::Instant(0),
        activated_at: None,
        version: 1,
    }
}

/// A portal starts while another process imports: that roster is left alone until it is over.
#[tokio::test(flavor = "multi_thread")]
async fn rosters_of_a_living_process_are_left_alone() {
    let mut world = World::new().await;
    let platform = std::sync::Arc::clone(&world.platform);
    let opened = OpenRoster {
        roster: staging(7),
        older_confirmed: false,
    };
    let other = platform.store.import_under_way().expect("a mark");
    platform.submit(opened).await.expect("it opens");
    let state = async || {
        let row: Option<RosterRow> = platform.store.load(&([9; 16],)).await.expect("it reads");
        row.expect("it is there").state
    };
    assert!(!platform.resume_imports().await.expect("it works"));
    assert_eq!(state().await, RosterState::Staging);
    drop(other);
    assert!(platform.resume_imports().await.expect("it works"));
    assert_eq!(state().await, RosterState::Rejected);
    world.settles().await;
}

/// A file without one good row is no roster: it does not count, and no serial is used up by it.
#[tokio::test(flavor = "multi_thread")]
async fn file_without_a_good_row_is_not_activated() {
    let mut world = World::new().await;
    let header = "姓名,身份证号,参保地,人员类别";
    for text in [
        format!("{header}\r\n张三,123,990101,resident\r\n"),
        format!("{header}\r\n"),
    ] {
        let report = world.import_text(&text, 9, false).await.expect("it reads");
        assert!(!report.active && report.rows_good == 0, "{report:?}");
    }
    let people = world.people.clone();
    world.publish(&people, "dibao", 2).await;
    world.settles().await;
}

/// The same file for another region is another roster.
#[tokio::test(flavor = "multi_thread")]
async fn same_file_for_another_region_is_not_known() {
    let mut world = World::new().await;
    let newcomer = person(60, DEMO_COUNTY);
    let text = format!(
        "姓名,身份证号,人员类别\r\n{},{},resident\r\n",
        newcomer.name, newcomer.id
    );
    let path = world.file("no-region.csv");
    std::fs::write(&path, text).expect("a file");
    let mut request = jiaoyi_app::import::ImportRequest {
        path,
        region: Some(DEMO_COUNTY.to_owned()),
        benefit_year: 2027,
        source: "test".to_owned(),
        serial: 2,
        older_confirmed: false,
        dry_run: false,
        all_or_nothing: false,
        limits: jiaoyi_documents::roster::Limits::default(),
    };
    for region in [DEMO_COUNTY, "990102"] {
        request.region = Some(region.to_owned());
        let report = world
            .platform
            .import_roster(&request, &mut |_, _, _| {})
            .await
            .expect("it is taken in");
        assert_eq!((report.known, report.appended), (false, 1), "{region}");
    }
    let again = world
        .platform
        .import_roster(&request, &mut |_, _, _| {})
        .await
        .expect("it is taken in");
    assert!(again.known, "{again:?}");
    world.settles().await;
}
