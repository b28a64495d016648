//! Every commit fails once on either side, and once the task ends there; the payers try again, and
//! in the end everything is as if nothing had been.
//!
//! The list of points is read from the code: a command or a kind of work beside the commands that
//! no flow meets is an error of the test. The flow of this file meets all but the commands about
//! institutions, which `biller/points.rs` meets; `calls.rs` does the same at calls to channels.

use crate::harness::points::{Deed, Edge, Points, all_points, command_kinds};
use crate::harness::{Channel, MINUTE, Payer, Roster, SECOND, Setup, Wallet, World, person};
use jiaoyi_domain::Bucket;
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::decide::{
    Answer, Command, Context, ImportPolicy, NoticeMessage, RecordTransfer, Refusal, StoreInbox,
};
use jiaoyi_domain::needs::Needs;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::RefundState;
use jiaoyi_domain::roster::PolicyPack;
use jiaoyi_domain::working_set::WorkingSet;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A command that panics, so that one is put aside.
struct Panics;

impl Command for Panics {
    fn kind(&self) -> &'static str {
        "panics"
    }

    fn actor(&self) -> String {
        "test".to_owned()
    }

    fn needs(&self, _: &mut Needs<'_>) {}

    fn decide(&self, _: &mut WorkingSet, _: &mut Context) -> Result<Answer, Refusal> {
        std::panic::resume_unwind(Box::new("as asked"))
    }
}

/// Does something of the platform's own again and again, as a person at a command line would.
pub async fn at_last<T, F>(what: &str, act: impl Fn() -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = Option<T>> + Send + 'static,
{
    for _ in 0..40 {
        if let Ok(Some(done)) = tokio::spawn(act()).await {
            return done;
        }
    }
    panic!("in vain: {what}")
}

async fn import(world: &World, roster: &Roster<'_>) {
    let request = world.request(&roster.text(), roster.serial);
    let platform = Arc::clone(&world.platform);
    at_last("an import", || {
        let (platform, request) = (Arc::clone(&platform), request.clone());
        async move {
            platform.resume_imports().await.ok()?;
            let done = platform.import_roster(&request, &mut |_, _, _| {}).await;
            done.ok()
                .filter(|report| report.active || report.rows_good == 0)
        }
    })
    .await;
}

async fn policies_and_poison(world: &World) {
    let packs: Vec<PolicyPack> = world.platform.store.all().await.expect("it reads");
    let (platform, pack) = (Arc::clone(&world.platform), packs[0].clone());
    at_last("a policy", || {
        let (platform, pack) = (Arc::clone(&platform), pack.clone());
        async move { platform.submit(ImportPolicy { pack }).await.ok() }
    })
    .await;
    for _ in 0..4 {
        let platform = Arc::clone(&platform);
        drop(tokio::spawn(async move { platform.submit(Panics).await }).await);
    }
}

/// Two pay for the due of one of the people; the second payment goes back.
async fn surplus(world: &World, n: usize, first: Channel) {
    let person = world.people[n].clone();
    let mut older = Payer::new(world);
    let wallet = older.walk_to_wallet(world, &person, first).await;
    world.turn(4 * MINUTE);
    let mut newer = Payer::new(world);
    let other = newer.walk_to_wallet(world, &person, first.other()).await;
    newer.press(&other, "pay").await;
    older.press(&wallet, "pay").await;
}

async fn given_up_and_switched(world: &World) {
    let mut payer = Payer::new(world);
    let person = world.people[1].clone();
    let wallet = payer.walk_to_wallet(world, &person, Channel::Wechat).await;
    payer.cancel(&wallet.order).await;
    let person = world.people[2].clone();
    let wallet = payer.walk_to_wallet(world, &person, Channel::Wechat).await;
    let other = payer.switch(world, &wallet.order, Channel::Alipay).await;
    payer.press(&other, "pay").await;
    // Somebody else keeps the receipt as well.
    let mut family = Payer::new(world);
    let records = family.get("/records").await;
    let mut form = records.need_form("/records");
    form.set("receipt", &format!("{}/o/{}", world.portal, other.order));
    family.post(&records, &form).await;
}

async fn nothing_to_pay(world: &World) {
    let aided = person(40, "990501");
    let people = [aided.clone()];
    let roster = Roster {
        people: &people,
        aid: "full",
        void: "",
        serial: 2,
        older_confirmed: false,
    };
    import(world, &roster).await;
    let mut payer = Payer::new(world);
    let check = payer.look_up(&aided).await;
    payer.post(&check, &check.need_form("/pay/zero")).await;
}

/// A roster writes somebody's name otherwise; in the end the person is found under that one.
async fn renamed(world: &World) {
    let mut renamed = world.people[5].clone();
    renamed.name = "王桂香".to_owned();
    let roster = Roster {
        people: std::slice::from_ref(&renamed),
        aid: "",
        void: "",
        serial: 3,
        older_confirmed: false,
    };
    import(world, &roster).await;
    let mut payer = Payer::new(world);
    payer.look_up(&renamed).await.says("400.00");
}

async fn notice_link(world: &World) {
    let person = world.people[3].clone();
    let due = world.due(&person).await;
    let link = format!("/k/{}", world.platform.notice_token(&due.key()));
    let mut payer = Payer::new(world);
    let page = payer.get(&link).await;
    let mut form = page.need_form("/k/");
    form.set("month", &person.birth.month().to_string());
    form.set("day", &person.birth.day().to_string());
    payer.post(&page, &form).await;
}

/// The channel tells of money for a number that is not ours.
async fn foreign_notice(world: &World) {
    let mut payer = Payer::new(world);
    let person = world.people[4].clone();
    let wallet = payer.walk_to_wallet(world, &person, Channel::Wechat).await;
    let no = world.foreign_order().await;
    for _ in 0..4 {
        let foreign = Wallet {
            no: no.clone(),
            ..wallet.clone()
        };
        world.play(&foreign, json!({})).await;
    }
    // And one that tells nothing to be decided.
    let platform = Arc::clone(&world.platform);
    at_last("a notice", || {
        let platform = Arc::clone(&platform);
        let notice = NoticeMessage {
            channel: "wechat".to_owned(),
            notice_id: "N#1".to_owned(),
            body_sealed: platform.keyring.seal(b"{}", b"inbox.body", [1; 12]),
        };
        let store = StoreInbox {
            bucket: Bucket::default(),
            notice,
            unknown_number: None,
        };
        async move { platform.submit(store).await.ok() }
    })
    .await;
}

async fn everything(world: &World) {
    policies_and_poison(world).await;
    let bad = Roster {
        people: &[],
        aid: "",
        void: "",
        serial: 9,
        older_confirmed: false,
    };
    import(world, &bad).await;
    surplus(world, 0, Channel::Wechat).await;
    surplus_is_back(world).await;
    paid_by_transfer(world).await;
    given_up_and_switched(world).await;
    nothing_to_pay(world).await;
    renamed(world).await;
    notice_link(world).await;
    foreign_notice(world).await;
    let platform = Arc::clone(&world.platform);
    at_last("a checkpoint", || {
        let platform = Arc::clone(&platform);
        async move { platform.checkpoint().await.ok() }
    })
    .await;
    for _ in 0..8 {
        world.pass(20 * SECOND).await;
    }
}

async fn surplus_is_back(world: &World) {
    for _ in 0..12 {
        world.pass(10 * SECOND).await;
    }
    let refunds = world.refunds().await;
    assert_eq!(refunds.len(), 1, "one payment too many, one refund");
}

/// What the channel does not take back is for staff, who pay it by bank transfer.
async fn paid_by_transfer(world: &World) {
    let more = json!({ "code": "ABNORMAL", "times": 10_000 });
    let refused = world
        .fault(Channel::Wechat, "refund", "contradict", more)
        .await;
    surplus(world, 6, Channel::Wechat).await;
    for _ in 0..12 {
        world.pass(10 * SECOND).await;
    }
    world.mend(refused).await;
    let mut refunds = world.refunds().await;
    refunds.retain(|refund| refund.state == RefundState::Manual);
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    let (platform, refund_no) = (Arc::clone(&world.platform), refunds[0].refund_no.clone());
    let paid = Paid::new("ICBC-1", world.now().date(), None, "w1024").expect("it can be kept");
    at_last("a transfer", || {
        let platform = Arc::clone(&platform);
        let (refund_no, paid) = (refund_no.clone(), paid.clone());
        let command = RecordTransfer { refund_no, paid };
        async move { platform.submit(command).await.ok() }
    })
    .await;
}

/// Whether a source file is about institutions and what they call.
pub fn is_about_institutions(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "biller")
}

/// Plays a flow in which every point of some files is met and strikes, then ends the platform,
/// opens it again and lets more than a day pass; the world as it is then.
pub async fn strike(
    (edge, deed): (Edge, Deed),
    of: impl Fn(&Path) -> bool,
    flow: impl AsyncFnOnce(&World),
) -> World {
    let points = Points::armed(edge, deed);
    let setup = Setup {
        points: Some(Arc::clone(&points)),
        ..Setup::default()
    };
    let mut world = World::with(setup).await;
    points.switch(true);
    flow(&world).await;
    points.switch(false);
    assert_eq!(points.never_met(of), [""; 0], "never met");
    world.restart().await;
    world.pass_a_day().await;
    world
}

async fn strike_payments(edge: Edge, deed: Deed) {
    let others = |file: &Path| !is_about_institutions(file);
    let mut world = strike((edge, deed), others, everything).await;
    for n in [0, 2] {
        assert!(world.is_paid(&world.people[n].clone()).await, "{n}");
    }
    let report = world.report(true).await;
    let rules: BTreeSet<&str> = report.violations.iter().map(|row| row.rule).collect();
    // The foreign order is in the channel's books alone, as it was made.
    let foreign = BTreeSet::from(["channel.payment"]);
    assert_eq!(rules, foreign, "{:#?}", report.violations);
    assert_eq!(report.violations.len(), 1, "{:#?}", report.violations);
    world.end().await;
}

/// Both flows together meet every point, because each point is of one of them.
#[test]
fn the_list_holds_the_commands_of_all_folders() {
    let points = all_points();
    for point in ["command pay_bill", "command start_payment", "aside Stage"] {
        assert!(points.contains_key(point), "{point} is not in {points:?}");
    }
    let about = |file: &&PathBuf| is_about_institutions(file);
    let institutions = points.values().filter(about).count();
    assert!(
        institutions > 15 && points.len() - institutions > 20,
        "{points:?}"
    );
}

#[test]
fn a_command_whose_kind_cannot_be_read_is_an_error() {
    let plain = "impl Command for A {\n    fn kind(&self) -> &'static str {\n        \"a\"\n";
    assert_eq!(command_kinds(plain), Ok(vec!["a"]));
    for body in ["KIND", "concat!(\"a\", \"b\")"] {
        let other = plain.replace("\"a\"", body);
        assert!(command_kinds(&other).is_err(), "{other}");
    }
    let by_macro = "impl<T> decide::Command for Of<T> {\n    kind!(\"a\");\n}\n";
    assert!(command_kinds(by_macro).is_err(), "{by_macro}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_may_fail_before() {
    strike_payments(Edge::Before, Deed::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_commit_may_be_lost() {
    strike_payments(Edge::After, Deed::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_may_be_died_before() {
    strike_payments(Edge::Before, Deed::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_may_be_died_after() {
    strike_payments(Edge::After, Deed::Crash).await;
}
