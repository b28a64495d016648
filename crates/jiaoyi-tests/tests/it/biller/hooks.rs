//! What institutions are told without asking: the sandbox verifies with code of its own, keeps each
//! event once, and fails as receivers do.

use super::{Bank, Bill};
use crate::harness::{Channel, HOUR, MINUTE, Payer, SECOND, World};
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::decide::{Delivery, PutWebhook};
use jiaoyi_domain::hook::{HookEvent, HookState};
use jiaoyi_domain::institution::{Institution, Keeper};
use jiaoyi_domain::messages::CaseKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The sandbox's institution of machines, which the sandbox lets receive events.
pub(super) const INST: &str = "SIM-A7";

async fn bank(world: &World, scheme: CallScheme) -> Bank {
    let url = format!("{}/front/events/A7?from=jiaoyi", world.sandbox);
    let told = |institution: &mut Institution| institution.webhook = url;
    Bank::with(world, INST, scheme, told).await
}

pub(super) async fn events(world: &World) -> Vec<HookEvent> {
    let mut events: Vec<HookEvent> = world.platform.store.all().await.expect("the store reads");
    events.sort_by_key(|event| event.hook_id);
    events
}

/// What the receiver keeps.
pub(super) async fn kept(world: &World) -> Value {
    let url = format!("{}/_sandbox/front/books", world.sandbox);
    let answer = reqwest::get(url).await.expect("the sandbox answers");
    serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
}

/// The kinds that the receiver keeps, each event once.
pub(super) async fn kinds(world: &World) -> Vec<String> {
    let books = kept(world).await;
    assert_eq!(books["events_refused"], 0, "all of it is believed");
    let list = books["events"].as_array().expect("a list");
    let mut kinds: Vec<String> = list
        .iter()
        .map(|event| {
            let reason = event["body"]["reason"].as_str().unwrap_or_default();
            format!("{} {reason}", event["kind"].as_str().expect("a kind"))
        })
        .collect();
    kinds.sort();
    kinds
}

async fn fault(world: &World, deed: &str, times: u32) {
    let body = json!({ "code": "A7", "at": "events", "do": deed, "times": times });
    let (status, told) = world.control("front/fault", body).await;
    assert_eq!(status, 200, "{told}");
}

async fn paid(world: &World, bank: &Bank, n: usize) -> Bill {
    let bill = bank.bill(world, &world.people[n]).await;
    let seq = format!("p{n}");
    bank.pay(world, &bill, &seq).await.accepted();
    bill
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_arrives_signed_in_both_schemes() {
    for scheme in [CallScheme::Rsa, CallScheme::Sm2] {
        let mut world = World::new().await;
        let bank = bank(&world, scheme).await;
        let people = world.people.clone();
        // Paid and undone.
        paid(&world, &bank, 0).await;
        bank.reverse(&world, "p0", 40_000).await.decided();
        // Locked and released, locked and reversed, locked until its time was over.
        for n in [1, 2, 3] {
            let bill = bank.bill(&world, &people[n]).await;
            let locked = format!("c{n}");
            bank.collect(&world, &bill, &locked).await.accepted();
            if n == 1 {
                let body = json!({
                    "seq": "r1", "trace_date": world.now().date().to_string(),
                    "bill_no": bill.no, "channel": bank.channel,
                });
                bank.call(&world, "release", body).await.accepted();
            } else if n == 2 {
                bank.reverse(&world, &locked, 0).await.decided();
            }
        }
        world.pass(4 * MINUTE).await;
        // A wallet pays beside the bank; its money goes back when the bank's day has closed.
        let mut payer = Payer::new(&world);
        let wallet = payer
            .walk_to_wallet(&world, &people[4], Channel::Unionpay)
            .await;
        payer.cancel(&wallet.order).await;
        paid(&world, &bank, 4).await;
        payer.press(&wallet, "pay").await;
        world.pass(2 * SECOND).await;
        world.pass(14 * HOUR).await;
        world.pass(5 * SECOND).await;
        world.pass(MINUTE).await;
        assert_eq!(
            kinds(&world).await,
            [
                "payment ",
                "payment ",
                "refund second_success",
                "release expired",
                "release released",
                "release reversed",
                "reversal ",
                "voucher_issued ",
                "voucher_issued ",
                "voucher_superseded ",
            ]
        );
        for event in events(&world).await {
            assert_eq!((event.state, event.tries), (HookState::Delivered, 1));
        }
        world.settles().await;
    }
}

/// A payer may pay beside a counter's lock after three minutes: the counter is told that its lock was
/// displaced, once and with its bill; within the three minutes nobody takes it away.
#[tokio::test(flavor = "multi_thread")]
async fn who_loses_its_lock_to_a_payer_is_told_so() {
    let mut world = World::new().await;
    let url = format!("{}/front/events/A8", world.sandbox);
    let told = |institution: &mut Institution| institution.webhook = url;
    let mut counter = Bank::with(&world, "SIM-A8", CallScheme::Sm2, told).await;
    counter.channel = "A8";
    let person = world.people[0].clone();
    let bill = counter.bill(&world, &person).await;
    counter.collect(&world, &bill, "c1").await.accepted();
    let mut payer = Payer::new(&world);
    let early = payer.look_up(&person).await;
    assert!(early.form("/pay/method").is_none(), "{}", early.words());
    world.pass(4 * MINUTE).await;
    assert_eq!(kinds(&world).await, Vec::<String>::new());
    let wallet = payer.walk_to_wallet(&world, &person, Channel::Wechat).await;
    world.work().await;
    assert_eq!(kinds(&world).await, ["release displaced"]);
    let books = kept(&world).await;
    let event = &books["events"][0]["body"];
    assert_eq!(
        (&event["bill_no"], &event["seq"]),
        (&json!(bill.no), &json!("c1"))
    );
    payer.press(&wallet, "pay").await;
    payer.order(&wallet.order).await.is("order.paid");
    // Its time would have been over now.
    world.pass(10 * MINUTE).await;
    assert_eq!(kinds(&world).await, ["release displaced"]);
    world.settles().await;
}

/// Nothing is written for an institution that wants nothing, and nothing about wallets' payments.
#[tokio::test(flavor = "multi_thread")]
async fn who_wants_nothing_is_told_nothing() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, INST, CallScheme::Rsa).await;
    paid(&world, &bank, 0).await;
    bank.reverse(&world, "p0", 40_000).await.decided();
    let person = world.people[1].clone();
    let page = Payer::new(&world)
        .pay(&world, &person, Channel::Wechat)
        .await;
    page.is("order.paid");
    world.pass(MINUTE).await;
    assert!(events(&world).await.is_empty());
    // From now on it does; a change of its terms does not end that.
    let url = format!("{}/front/events/A7", world.sandbox);
    let inst_id = INST.to_owned();
    let by = Keeper::Staff;
    let put = PutWebhook { by, inst_id, url };
    world.platform.submit(put).await.expect("it is kept");
    let read = world.platform.reload_institutions().await;
    read.expect("institutions are read");
    paid(&world, &bank, 2).await;
    world.work().await;
    assert_eq!(kinds(&world).await, ["payment ", "voucher_issued "]);
    world.settles().await;
}

/// Lost, answered 500, never answered, taken and not acknowledged: the same event again, each kept
/// once by whoever looks at ids.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_sent_again_under_the_same_id() {
    for deed in ["lose_request", "late", "lose_answer"] {
        let mut world = World::new().await;
        let bank = bank(&world, CallScheme::Rsa).await;
        fault(&world, deed, 4).await;
        paid(&world, &bank, 0).await;
        world.work().await;
        let told = events(&world).await;
        assert_eq!(told.len(), 2);
        for event in &told {
            assert_eq!(
                (event.state, event.tries),
                (HookState::Waiting, 1),
                "{deed}"
            );
        }
        // Not before its time, however often somebody looks.
        for _ in 0..5 {
            world.pass(5 * SECOND).await;
        }
        assert!(events(&world).await.iter().all(|event| event.tries == 1));
        world.pass(35 * SECOND).await;
        assert!(events(&world).await.iter().all(|event| event.tries == 2));
        world.pass(2 * MINUTE).await;
        world.pass(MINUTE).await;
        let ends: Vec<_> = events(&world)
            .await
            .into_iter()
            .map(|event| (event.hook_id, event.state, event.tries))
            .collect();
        let ids: Vec<_> = told.iter().map(|event| event.hook_id).collect();
        let wanted: Vec<_> = ids
            .iter()
            .map(|id| (*id, HookState::Delivered, 3))
            .collect();
        assert_eq!(ends, wanted, "{deed}");
        let books = kept(&world).await;
        let list = books["events"].as_array().expect("a list");
        let names: BTreeSet<_> = list
            .iter()
            .map(|event| event["event_id"].as_str())
            .collect();
        assert_eq!(
            (list.len(), names.len()),
            (2, 2),
            "{deed}: each is kept once"
        );
        let times = if deed == "lose_answer" { 3 } else { 1 };
        assert!(list.iter().all(|event| event["times"] == times), "{deed}");
        world.settles().await;
    }
}

/// A receiver that takes nothing gets a few tries, not all that waits; after two days it is a case.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_receiver_meets_no_storm_and_becomes_a_case() {
    let mut world = World::new().await;
    let bank = bank(&world, CallScheme::Rsa).await;
    fault(&world, "lose_request", 100_000).await;
    for n in 0..10 {
        paid(&world, &bank, n).await;
    }
    world.work().await;
    let tries = async || -> u32 { events(&world).await.iter().map(|event| event.tries).sum() };
    assert_eq!(tries().await, 16, "one handful, then it is left alone");
    for _ in 0..4 * 24 * 2 + 8 {
        world.turn(15 * MINUTE);
        world.work().await;
    }
    let all = events(&world).await;
    assert!(all.iter().all(|event| event.state == HookState::Failed));
    assert!(tries().await <= 20 * 14, "{}", tries().await);
    assert!(all.iter().all(|event| event.log.lines().count() <= 20));
    let cases = world.cases().await;
    assert!(
        cases.iter().all(|kind| *kind == CaseKind::Webhook),
        "{cases:?}"
    );
    assert!(
        (1..=10).contains(&cases.len()),
        "one for each place: {cases:?}"
    );
    let report = world.report(true).await;
    assert!(report.ok(), "{:#?}", report.violations);
    world.end().await;
}

/// Pull as well as push, and anew what was lost on the other side.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_listed_in_order_and_sent_anew_when_asked_for() {
    let mut world = World::new().await;
    let bank = bank(&world, CallScheme::Rsa).await;
    let other = Bank::new(&world, "BANK02", CallScheme::Rsa).await;
    for n in 0..3 {
        paid(&world, &bank, n).await;
        world.turn(SECOND);
    }
    world.work().await;
    let list = bank.call(&world, "events", json!({})).await;
    let all = list.decided()["events"].as_array().expect("a list").clone();
    assert_eq!((all.len(), &list.json["more"]), (6, &json!(false)));
    let id = |event: &Value| {
        event["event"]["event_id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let ids: Vec<String> = all.iter().map(id).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(all.iter().all(|event| event["state"] == "DELIVERED"));
    assert!(
        all[0]["last_try"]
            .as_str()
            .expect("a try")
            .contains(" status 204 ")
    );
    let body = json!({ "since": ids[1], "limit": 3 });
    let page = bank.call(&world, "events", body).await;
    let some: Vec<String> = page.decided()["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(id)
        .collect();
    assert_eq!((&some[..], &page.json["more"]), (&ids[2..5], &json!(true)));

    let replay = json!({ "event_id": ids[3] });
    let again = bank.call(&world, "replay", replay.clone()).await;
    assert_eq!(again.decided()["state"], "WAITING");
    // Asked for twice, on its way once.
    bank.call(&world, "replay", replay.clone()).await.decided();
    world.work().await;
    let books = kept(&world).await;
    let list = books["events"].as_array().expect("a list");
    for event in list {
        let times = if event["event_id"] == ids[3].as_str() {
            2
        } else {
            1
        };
        assert_eq!(event["times"], times, "{event}");
    }

    let (bad, unknown) = ("BAD_REQUEST", "NO_SUCH_EVENT");
    for (bank, verb, body, status, code) in [
        (&bank, "events", json!({ "limit": 0 }), 400, bad),
        (&bank, "events", json!({ "limit": 201 }), 400, bad),
        (&bank, "events", json!({ "since": "x" }), 400, bad),
        (&bank, "replay", json!({ "event_id": "x" }), 404, unknown),
        (
            &bank,
            "replay",
            json!({ "event_id": "0".repeat(32) }),
            404,
            unknown,
        ),
        (&other, "replay", replay, 400, bad),
    ] {
        bank.call(&world, verb, body).await.is_error(status, code);
    }
    let none = other.call(&world, "events", json!({})).await;
    assert_eq!(none.decided()["events"], json!([]));
    world.settles().await;
}

/// Somebody else's event is not believed by the receiver; a test of ours is.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_event_is_refused_and_a_test_is_taken() {
    let mut world = World::new().await;
    let bank = bank(&world, CallScheme::Rsa).await;
    let url = format!("{}/front/events/A7", world.sandbox);
    let body = r#"{"event_id":"1","kind":"payment","inst_id":"SIM-A7"}"#;
    let at = world.now().0.div_euclid(1_000).to_string();
    // Signed well, by the bank's own key and by nobody's.
    let text = format!("POST\n/front/events/A7\n{at}\nforged-nonce\n{body}\n");
    let signature = bank
        .signer
        .sign(text.as_bytes(), &mut |bytes| bytes.fill(1));
    for signature in [signature.expect("a signature"), String::new()] {
        let sent = bank
            .http
            .post(&url)
            .header("biller-scheme", "BILLER1-RSA2048-SHA256")
            .header("biller-key-id", "r001")
            .header("biller-timestamp", &at)
            .header("biller-nonce", "forged-nonce")
            .header("biller-signature", signature)
            .body(body);
        let answer = sent.send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
    }
    let books = kept(&world).await;
    assert_eq!(
        (&books["events"], &books["events_refused"]),
        (&json!([]), &json!(2))
    );
    let institution: Option<Institution> = world
        .platform
        .store
        .load(&(INST.to_owned(),))
        .await
        .expect("it reads");
    let tested = world
        .platform
        .test_webhook(&institution.expect("it is known"))
        .await;
    assert_eq!(tested, Delivery::Delivered { status: 204 });
    assert_eq!(kept(&world).await["events"][0]["kind"], "test");
    assert!(events(&world).await.is_empty(), "a test leaves nothing");
    world.settles().await;
}
