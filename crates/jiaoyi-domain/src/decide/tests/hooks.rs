//! What institutions are told of, and what becomes of telling them.

use super::biller::{collect, pay, release, reverse};
use super::people::*;
use super::refund::{approve, done};
use super::scene::Scene;
use crate::biller::wire::Event;
use crate::decide::*;
use crate::hook::{GIVEN_UP_AFTER_MS, HookEvent, HookState, subject};
use crate::institution::{Institution, Keeper, bank};
use crate::refund::Refund;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::voucher::{Voucher, VoucherState};
use std::sync::Arc;

pub fn told(inst_id: &str) -> Institution {
    Institution {
        inst_id: inst_id.to_owned(),
        webhook: "https://bank.example/events".to_owned(),
        ..bank(15 * 60)
    }
}

/// A scene in which two banks are known and want to be told.
fn scene() -> Scene {
    let mut scene = insured(vec![row(1)]);
    for inst_id in ["BANK01", "BANK02"] {
        let put = PutInstitution {
            institution: told(inst_id),
            change: false,
        };
        scene.run("a bank", &put).unwrap();
    }
    scene
}

/// Kind, whose, serial and reason of every event, in order.
pub fn events(scene: &Scene) -> Vec<String> {
    let mut rows: Vec<HookEvent> = scene.store.all();
    rows.sort_by_key(|row| row.hook_id);
    let line = |row: &HookEvent| {
        let event: Event = serde_json::from_str(&row.body).unwrap();
        assert_eq!(event.event_id, row.hook_id.text());
        let parts = [
            Some(event.kind),
            Some(event.inst_id),
            event.seq,
            event.reason,
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(line).collect()
}

macro_rules! by {
    ($inst:literal, $command:expr) => {{
        let mut command = $command;
        command.caller.institution = Arc::new(told($inst));
        command
    }};
}
pub(super) use by;

#[test]
fn a_lock_that_ends_is_told_to_whoever_had_it_and_why() {
    let mut scene = scene();
    scene
        .run("locked", &by!("BANK01", collect(&scene, "c1")))
        .unwrap();
    scene
        .run("released", &by!("BANK01", release(&scene, "r1")))
        .unwrap();
    scene.wait(MINUTE_MS);
    scene
        .run("locked", &by!("BANK01", collect(&scene, "c2")))
        .unwrap();
    scene.wait(HOUR_MS);
    // The job has not come yet: the next bank finds the lock over.
    scene
        .run("another bank", &by!("BANK02", collect(&scene, "c3")))
        .unwrap();
    scene.wait(HOUR_MS);
    let order = last_order(&scene);
    let end = EndCollect {
        order: (order.bucket, order.order_id),
    };
    scene.run("the job", &end).unwrap();
    assert_eq!(scene.run("again", &end), Ok(Answer::Already));
    scene.wait(MINUTE_MS);
    scene
        .run("locked", &by!("BANK02", collect(&scene, "c4")))
        .unwrap();
    scene.wait(HOUR_MS);
    scene.run("a payer", &start(&scene, 1, &[1])).unwrap();
    let order = last_order(&scene);
    let give_up = GiveUp {
        order: (order.bucket, order.order_id),
        holder: [1; 32],
    };
    scene.run("given up", &give_up).unwrap();
    scene
        .run("locked", &by!("BANK02", collect(&scene, "c5")))
        .unwrap();
    scene.wait(HOUR_MS);
    let mut quiet = collect(&scene, "c6");
    quiet.caller.institution = Arc::new(Institution {
        inst_id: "BANK03".to_owned(),
        ..bank(15 * 60)
    });
    scene.run("a bank that wants nothing", &quiet).unwrap();
    assert_eq!(
        events(&scene),
        [
            "release BANK01 c1 released",
            "release BANK01 c2 expired",
            "release BANK02 c3 expired",
            "release BANK02 c4 expired",
            "release BANK02 c5 expired",
        ]
    );
}

#[test]
fn a_bank_that_wants_nothing_writes_nothing() {
    let mut scene = insured(vec![row(1)]);
    scene.run("locked", &collect(&scene, "c1")).unwrap();
    scene.run("paid", &pay(&scene, "p1")).unwrap();
    scene.run("undone", &reverse(&scene, "u1", "p1")).unwrap();
    assert_eq!(events(&scene), [""; 0]);
}

/// Somebody gave a wallet's payment up, a bank filled the bill, and the wallet paid all the same.
fn paid_twice() -> Scene {
    let mut scene = scene();
    let wallet = offered(&mut scene, 1, &[1]);
    let give_up = GiveUp {
        order: (wallet.bucket, wallet.order_id),
        holder: [1; 32],
    };
    scene.run("given up", &give_up).unwrap();
    let paid = scene.run("the bank", &by!("BANK01", pay(&scene, "p1")));
    assert!(!matches!(paid, Err(_) | Ok(Answer::Already)), "{paid:?}");
    let seen = by_query(&scene, &wallet);
    scene.run("the wallet pays too", &seen).unwrap();
    scene
}

/// The voucher that has ended is named, and the one of the money that took its place.
#[test]
fn an_undone_payment_is_told_with_both_vouchers() {
    let mut scene = paid_twice();
    scene
        .run("undone", &by!("BANK01", reverse(&scene, "u1", "p1")))
        .unwrap();
    let vouchers: Vec<Voucher> = scene.store.all();
    let no = |live: bool| {
        let mut of = vouchers
            .iter()
            .filter(|row| (row.state == VoucherState::Valid) == live);
        of.next().map(|row| row.voucher_no.to_string())
    };
    let rows: Vec<HookEvent> = scene.store.all();
    let told = rows
        .iter()
        .map(|row| -> Event { serde_json::from_str(&row.body).unwrap() });
    let mut told: Vec<_> = told.map(|event| (event.kind, event.voucher_no)).collect();
    told.sort();
    let wanted = [
        ("payment", no(false)),
        ("reversal", no(false)),
        ("voucher_issued", no(false)),
        ("voucher_issued", no(true)),
        ("voucher_superseded", no(false)),
    ];
    let mut wanted = wanted.map(|(kind, no)| (kind.to_owned(), no));
    wanted.sort();
    assert_eq!(told, wanted);
}

/// A wallet paid a bill that the bank had filled: the bank is told when that money is back.
#[test]
fn a_refund_beside_its_payment_is_told_to_the_bank() {
    let mut scene = paid_twice();
    scene.wait(2 * DAY_MS);
    let refunds: Vec<Refund> = scene.store.all();
    let before = ["payment BANK01 p1", "voucher_issued BANK01 p1"];
    assert_eq!(events(&scene), before, "nothing is back yet");
    scene
        .run("it is sent", &approve(&refunds[0].refund_no))
        .unwrap();
    let back = done(&scene, &refunds[0], refunds[0].amount);
    scene.run("it is back", &back).unwrap();
    scene.run("it is back, again", &back).unwrap();
    let rows: Vec<HookEvent> = scene.store.all();
    let told = rows
        .iter()
        .map(|row| serde_json::from_str(&row.body).unwrap());
    let told: Vec<Event> = told
        .filter(|event: &Event| event.kind == "refund")
        .collect();
    let bill = biller::bill_no(&due(&scene, 1));
    let wanted = Event {
        event_id: told[0].event_id.clone(),
        kind: "refund".to_owned(),
        inst_id: "BANK01".to_owned(),
        at: told[0].at.clone(),
        bill_no: Some(bill),
        seq: Some("p1".to_owned()),
        amount_fen: Some(refunds[0].amount.get()),
        refund_no: Some(refunds[0].refund_no.to_string()),
        reason: Some(refunds[0].cause.code().to_owned()),
        ..Event::default()
    };
    assert_eq!(told, [wanted]);
}

/// The one message that waits, leased.
pub fn leased(scene: &mut Scene, event: &HookEvent) -> RecordDelivery {
    let name = subject(&event.inst_id, &event.hook_id);
    let rows: Vec<Outbox> = scene.store.all();
    let row = rows
        .iter()
        .find(|row| row.subject == name && row.state == OutboxState::Waiting);
    let key = row.expect("it is on its way").key();
    let lease = LeaseOutbox {
        key: key.clone(),
        for_ms: MINUTE_MS / 2,
    };
    let Ok(Answer::Leased { token }) = scene.run("leased", &lease) else {
        panic!("nobody has it")
    };
    RecordDelivery {
        outbox: key,
        token,
        event: (event.bucket, event.hook_id),
        inst_id: event.inst_id.clone(),
        delivery: Delivery::Missed {
            why: "status 500".to_owned(),
        },
        sent_at: scene.at,
        took_ms: 7,
    }
}

fn find(scene: &Scene, event: &HookEvent) -> HookEvent {
    let rows: Vec<HookEvent> = scene.store.all();
    let found = rows.into_iter().find(|row| row.hook_id == event.hook_id);
    found.unwrap()
}

#[test]
fn an_event_is_sent_for_two_days_then_failed_and_sent_anew_when_asked_for() {
    let mut scene = scene();
    scene
        .run("paid", &by!("BANK01", pay(&scene, "p1")))
        .unwrap();
    let rows: Vec<HookEvent> = scene.store.all();
    assert_eq!(rows.len(), 2);
    let began = scene.at;
    // None of these is about this institution's events now.
    let mut ids = IdSource::new([8; 32], 0);
    for (kind, state, subject) in [
        (CaseKind::Webhook, CaseState::Closed, "BANK01"),
        (CaseKind::Void, CaseState::Open, "BANK01"),
        (CaseKind::Webhook, CaseState::Open, "BANK02"),
    ] {
        scene.store.set(&Case {
            bucket: rows[0].bucket,
            case_id: CaseId(ids.id16()),
            kind,
            state,
            order_id: None,
            subject: subject.to_owned(),
            detail: "before".to_owned(),
            opened_at: scene.at,
            version: 1,
        });
    }
    for event in &rows {
        let mut tries = 0;
        scene.at = began;
        while find(&scene, event).state == HookState::Waiting {
            let missed = leased(&mut scene, event);
            scene.run("missed", &missed).unwrap();
            tries += 1;
            let rows: Vec<Outbox> = scene.store.all();
            let name = subject(&event.inst_id, &event.hook_id);
            let next = rows.iter().find(|row| row.subject == name).unwrap().next_at;
            scene.at = next.max(scene.at);
        }
        assert!(tries >= 13, "{tries}");
        assert_eq!(find(&scene, event).state, HookState::Failed);
        assert!(scene.at.since_ms(began) >= GIVEN_UP_AFTER_MS);
    }
    let mut cases: Vec<Case> = scene.store.all();
    cases.retain(|case| case.detail != "before");
    assert_eq!(cases.len(), 1, "one institution, one case");
    assert_eq!(
        (cases[0].kind, cases[0].subject.as_str()),
        (CaseKind::Webhook, "BANK01")
    );

    let event = &rows[0];
    let replay = |inst_id: &str| ReplayEvent {
        event: (event.bucket, event.hook_id),
        inst_id: inst_id.to_owned(),
    };
    let foreign = scene.run("somebody else's", &replay("BANK02"));
    assert!(matches!(foreign, Err(Refusal::NotFound { .. })));
    assert_eq!(scene.run("anew", &replay("BANK01")), Ok(Answer::Done));
    assert_eq!(
        scene.run("at once again", &replay("BANK01")),
        Ok(Answer::Already)
    );
    let mut taken = leased(&mut scene, event);
    taken.delivery = Delivery::Delivered { status: 204 };
    let mut lost = leased_of(&taken);
    lost.token = taken.token + 1;
    assert_eq!(scene.run("under a lost lease", &lost), Err(Refusal::Leased));
    scene.run("taken", &taken).unwrap();
    let after = find(&scene, event);
    assert_eq!(
        (after.state, after.body == event.body),
        (HookState::Delivered, true)
    );
    assert!(after.log.ends_with(" status 204 7 ms"), "{}", after.log);
}

fn leased_of(record: &RecordDelivery) -> RecordDelivery {
    RecordDelivery {
        outbox: record.outbox.clone(),
        event: record.event,
        inst_id: record.inst_id.clone(),
        delivery: record.delivery.clone(),
        ..*record
    }
}

#[test]
fn an_address_outlives_a_change_of_terms_and_ends_when_told_to() {
    let mut scene = scene();
    let webhook = |scene: &Scene| -> Vec<String> {
        let rows: Vec<Institution> = scene.store.all();
        rows.into_iter().map(|row| row.webhook).collect()
    };
    let put = PutInstitution {
        institution: Institution {
            name: "another name".to_owned(),
            ..bank(15 * 60)
        },
        change: true,
    };
    scene.run("new terms", &put).unwrap();
    let url = "https://bank.example/events";
    assert_eq!(webhook(&scene), [url, url]);
    let off = |inst_id: &str| PutWebhook {
        by: Keeper::Staff,
        inst_id: inst_id.to_owned(),
        url: String::new(),
    };
    assert_eq!(scene.run("off", &off("BANK01")), Ok(Answer::Done));
    assert_eq!(scene.run("again", &off("BANK01")), Ok(Answer::Already));
    assert_eq!(webhook(&scene), ["", url]);
    let unknown = scene.run("nobody", &off("BANK03"));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
}
