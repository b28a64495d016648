//! Every commit about institutions fails once on either side, and once the task ends there. Each
//! asks again, as its contract says, and in the end what it was told is true, once.

use super::access::Desk;
use super::day::{file_by, plain};
use super::hooks::{INST, events, kept, kinds};
use super::told::{DAY, facts};
use super::{Bank, Bill, Forged, Reply};
use crate::harness::bank::{Now, key};
use crate::harness::points::{Deed, Edge};
use crate::harness::{HOUR, MINUTE, SECOND, World};
use crate::points::{at_last, is_about_institutions, strike};
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::decide::{
    CloseAccessLink, Command, PutInstitution, PutInstitutionKey, PutWebhook, Refusal,
};
use jiaoyi_domain::hook::HookState;
use jiaoyi_domain::institution::Keeper;
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::RefundState;
use jiaoyi_store::StoreError;
use serde_json::{Value, json};
use std::sync::Arc;

/// Submits a command until it is answered; a key that is there already was put before.
async fn submit<C: Command + 'static>(world: &World, what: &str, command: impl Fn() -> C) {
    at_last(what, || {
        let (platform, command) = (Arc::clone(&world.platform), command());
        async move {
            match platform.submit(command).await {
                Ok(_) | Err(StoreError::Refused(Refusal::KeyReused)) => Some(()),
                Err(_) => None,
            }
        }
    })
    .await;
}

/// An institution asks again, under the same serial, until it is told what was decided.
async fn heard(world: &World, bank: &Bank, verb: &str, body: Value) -> Reply {
    let body = body.to_string();
    heard_of(world, bank, verb, &body, &Forged::default()).await
}

async fn heard_of(world: &World, bank: &Bank, verb: &str, body: &str, how: &Forged) -> Reply {
    for _ in 0..8 {
        let body = body.as_bytes().to_vec();
        let reply = bank.attempt(world, verb, body, how.clone(), true).await;
        if let Some(reply) = reply.filter(|reply| reply.status == 200) {
            return reply;
        }
    }
    panic!("{verb} in vain: {body}")
}

/// The operator makes an institution known, which takes events, and gives it a key.
async fn made_known(world: &World) -> Bank {
    let now = world.now();
    submit(world, "an institution", || PutInstitution {
        institution: Bank::terms(INST, now),
        change: true,
    })
    .await;
    for key_id in ["k1", "k2"] {
        submit(world, "a key", || PutInstitutionKey {
            key: key(INST, key_id, CallScheme::Rsa, (now, None)),
            by: Keeper::Staff,
        })
        .await;
    }
    submit(world, "a webhook", || PutWebhook {
        by: Keeper::Staff,
        inst_id: INST.to_owned(),
        url: format!("{}/front/events/A7", world.sandbox),
    })
    .await;
    let known = world.platform.reload_institutions().await;
    known.expect("the institutions are read");
    institution(world).await
}

async fn institution(world: &World) -> Bank {
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.expect("a client");
    Bank::at(&world.portal, INST, CallScheme::Rsa, http).await
}

/// The institution ends one of its keys on its page; then the operator ends the page's link.
async fn key_ended_by_its_owner(world: &World) {
    let link = at_last("a link", || {
        let platform = Arc::clone(&world.platform);
        async move { platform.make_access_link(INST, 30).await.ok() }
    })
    .await;
    let mut desk = Desk::open_at(world, &link).await;
    let ended = desk.press("revoke", &[("key_id", "k2")]).await;
    ended.says("公钥已停用");
    let at = world.now();
    for link in world.platform.access_links(INST).await.expect("links") {
        let link = link.key();
        let close = || CloseAccessLink {
            link: link.clone(),
            at,
        };
        submit(world, "the end of a link", close).await;
    }
    world.turn(SECOND);
    assert_eq!(desk.page().await.status, 404, "it opens nothing any more");
}

async fn paid(world: &World, bank: &Bank, bill: &Bill, seq: &str) -> Reply {
    heard(world, bank, "pay", bank.pay_body(world, bill, seq)).await
}

async fn told(world: &World, bank: &Bank, seq: &str) -> String {
    let told = heard(world, bank, "status", json!({ "orig_seq": seq })).await;
    told.text_of("state")
}

/// A payment is undone, and a serial is dead because it was asked for before it came.
async fn undone_and_dead(world: &World, bank: &Bank) -> Bill {
    let bill = bank.bill(world, &world.people[0]).await;
    paid(world, bank, &bill, "p0").await.accepted();
    assert_eq!(told(world, bank, "d0").await, "NOT_FOUND");
    let undo = bank.reverse_body(world, "u0", "p0", bill.amount_fen);
    let undone = heard(world, bank, "reverse", undo).await;
    assert_eq!(undone.decided()["undone"], true, "{}", undone.text);
    let again = bank.bill(world, &world.people[0]).await;
    paid(world, bank, &again, "d0")
        .await
        .is_refused("TOMBSTONE");
    bill
}

/// One lock is given up, another one lasts until its time is over.
async fn locked_and_freed(world: &World, bank: &Bank) {
    for (n, seq) in [(1, "c1"), (2, "c2")] {
        let bill = bank.bill(world, &world.people[n]).await;
        let lock = bank.collect_body(world, &bill, seq);
        heard(world, bank, "collect", lock).await.accepted();
        if n == 1 {
            let free = json!({
                "seq": "r1", "trace_date": world.day().to_string(), "bill_no": bill.no,
                "channel": bank.channel,
            });
            let freed = heard(world, bank, "release", free).await;
            assert_eq!(freed.accepted()["released"], true, "{}", freed.text);
        }
    }
    world.pass(4 * MINUTE).await;
    for _ in 0..3 {
        world.pass(20 * SECOND).await;
    }
}

/// Money that we refused, money that no call told of and money of nobody; what was refused is given
/// back on the next day.
async fn booked_by_day_files(world: &World, bank: &Bank, undone: &Bill) {
    let first = bank.bill(world, &world.people[3]).await;
    let second = bank.bill(world, &world.people[4]).await;
    paid(world, bank, &first, "p3").await.accepted();
    paid(world, bank, &first, "p4")
        .await
        .is_refused("ALREADY_PAID");
    let day = world.day().to_string();
    world.turn(14 * HOUR);
    let listed = file_by(
        INST,
        &day,
        &[
            ("p0", &undone.no, 40_000, 'P'),
            ("p0", &undone.no, 40_000, 'R'),
            ("p3", &first.no, 40_000, 'P'),
            ("p4", &first.no, 40_000, 'P'),
            ("n1", &second.no, 40_000, 'P'),
            ("n2", "B1", 40_000, 'P'),
        ],
    );
    let next = world.day().to_string();
    let back = file_by(INST, &next, &[("p4", &first.no, 40_000, 'R')]);
    for (file, wait) in [(listed, DAY), (back, SECOND)] {
        heard_of(world, bank, "reconcile", &file, &plain("utf-8")).await;
        for _ in 0..12 {
            world.pass(40 * SECOND).await;
        }
        world.turn(wait);
    }
}

/// The institution has lost an event and asks for it anew.
async fn sent_anew(world: &World, bank: &Bank) {
    let list = heard(world, bank, "events", json!({})).await;
    let id = list.json["events"][0]["event"]["event_id"].clone();
    let anew = heard(world, bank, "replay", json!({ "event_id": id })).await;
    assert_eq!(anew.decided()["state"], "WAITING");
    for _ in 0..3 {
        world.pass(40 * SECOND).await;
    }
}

async fn everything(world: &World) {
    let bank = made_known(world).await;
    key_ended_by_its_owner(world).await;
    let undone = undone_and_dead(world, &bank).await;
    locked_and_freed(world, &bank).await;
    booked_by_day_files(world, &bank, &undone).await;
    sent_anew(world, &bank).await;
}

/// What the institution was told is true, and each amount of money was booked once.
async fn promises_hold(world: &World) {
    let bank = institution(world).await;
    for (seq, state) in [
        ("p0", "REVERSED"),
        ("d0", "NOT_FOUND"),
        ("p3", "SUCCESS"),
        ("p4", "REFUSED"),
        ("n1", "NOT_FOUND"),
    ] {
        assert_eq!(bank.status(world, seq).await, state, "{seq}");
    }
    let ended = Bank {
        key_id: "k2".to_owned(),
        ..bank
    };
    let reply = ended.query(world, &world.people[0]).await;
    reply.is_error(401, "UNKNOWN_KEY");
    for (n, is_paid) in [false, false, false, true, true].into_iter().enumerate() {
        assert_eq!(world.is_paid(&world.people[n]).await, is_paid, "{n}");
    }
    let refunds = world.refunds().await;
    assert_eq!(refunds.len(), 1, "{refunds:?}");
    assert_eq!(refunds[0].state, RefundState::Done);
    let booked = facts(world).await.len();
    assert_eq!(booked, 3, "two payments, one return");
    assert_eq!(world.cases().await, [CaseKind::DayFile; 3]);
}

/// Every event has come, and is kept once however often it came.
async fn events_came(world: &World) {
    let events = events(world).await;
    let delivered = |event: &_| HookState::Delivered == *event;
    assert!(
        events.iter().map(|event| &event.state).all(delivered),
        "{events:?}"
    );
    assert_eq!(
        kinds(world).await,
        [
            "give_back second_success",
            "payment ",
            "payment ",
            "payment ",
            "release expired",
            "release released",
            "reversal ",
            "voucher_issued ",
            "voucher_issued ",
            "voucher_issued ",
            "voucher_superseded ",
        ]
    );
    let books = kept(world).await;
    let came = |event: &Value| event["times"].as_u64();
    let list = books["events"].as_array().expect("a list").iter();
    let most = list.filter_map(came).max();
    assert!(most <= Some(3), "no storm: {books}");
}

async fn strike_institutions(edge: Edge, deed: Deed) {
    let mut world = strike((edge, deed), is_about_institutions, everything).await;
    promises_hold(&world).await;
    events_came(&world).await;
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_may_fail_before() {
    strike_institutions(Edge::Before, Deed::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_commit_may_be_lost() {
    strike_institutions(Edge::After, Deed::Fail).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_may_be_died_before() {
    strike_institutions(Edge::Before, Deed::Crash).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_may_be_died_after() {
    strike_institutions(Edge::After, Deed::Crash).await;
}
