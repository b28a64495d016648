//! Scenes of the small commands around the money.

use super::people::*;
use super::scene::Scene;
use crate::decide::*;
use crate::due::DueId;
use crate::messages::Outbox;
use crate::record::Record;
use crate::roster::{NoticeLink, PolicyPack};
use crate::time::SECOND_MS;
use crate::voucher::Voucher;

#[test]
fn scenes_of_a_message_that_leaves() {
    let mut scene = insured(vec![row(1)]);
    let command = start(&scene, 9, &[1]);
    scene.quietly(|scene| scene.run("start", &command)).unwrap();
    let key = scene.store.all::<Outbox>().remove(0).key();
    let lease = LeaseOutbox {
        key: key.clone(),
        for_ms: 30 * SECOND_MS,
    };
    let finish = |token, done| FinishOutbox {
        key: key.clone(),
        token,
        done,
    };
    scene.run("leased", &lease).unwrap();
    scene.wait(30 * SECOND_MS - 1);
    assert_eq!(scene.run("too early", &lease), Err(Refusal::Leased));
    scene.wait(1);
    scene.run("leased by another", &lease).unwrap();
    let lost = scene.run("the first was too slow", &finish(1, true));
    assert_eq!(lost, Err(Refusal::Leased));
    scene.run("in vain", &finish(2, false)).unwrap();
    scene.run("leased again", &lease).unwrap();
    scene.run("done", &finish(3, true)).unwrap();
    scene.run("done already", &finish(3, true)).unwrap();
    scene.run("nothing to lease", &lease).unwrap();
    scene.is("outbox");
}

/// 1, 8, 27, … seconds, 512 at most.
#[test]
fn a_message_in_vain_waits_longer_every_time() {
    for (tries, wait_s) in [(0, 1), (1, 1), (2, 8), (3, 27), (8, 512), (9, 512)] {
        let mut scene = insured(vec![row(1)]);
        let command = start(&scene, 9, &[1]);
        scene.run("start", &command).unwrap();
        let mut message = scene.store.all::<Outbox>().remove(0);
        message.tries = tries;
        scene.store.set(&message);
        let finish = FinishOutbox {
            key: message.key(),
            token: 0,
            done: false,
        };
        scene.run("in vain", &finish).unwrap();
        let waits = scene.store.all::<Outbox>().remove(0);
        assert_eq!(waits.next_at.since_ms(scene.at), wait_s * SECOND_MS);
    }
}

#[test]
fn scenes_of_a_notice_link() {
    let mut scene = Scene::new();
    let answer = |device, right| AnswerLink {
        bucket: bucket(3),
        due_id: DueId([4; 16]),
        device: [device; 32],
        right,
    };
    scene.run("wrong", &answer(1, false)).unwrap();
    scene.run("right", &answer(1, true)).unwrap();
    scene.run("right again", &answer(1, true)).unwrap();
    for device in 2..=9 {
        scene.run("another device", &answer(device, true)).unwrap();
    }
    for _ in 0..6 {
        scene.wait(SECOND_MS);
        scene.run("wrong", &answer(1, false)).unwrap();
    }
    scene.run("right, too late", &answer(9, true)).unwrap();
    assert_eq!(scene.store.all::<NoticeLink>().len(), 1);
    scene.is("link_answers");
}

#[test]
fn scenes_of_what_is_kept() {
    let mut scene = insured(vec![row(1)]);
    let attempt = scene.quietly(|scene| {
        let attempt = offered(scene, 9, &[1]);
        let paid = by_query(scene, &attempt);
        scene.run("paid", &paid).unwrap();
        attempt
    });
    let voucher = scene.store.all::<Voucher>().remove(0).key();
    let sign = |voucher: &<Voucher as Record>::Key| StoreSignature {
        voucher: voucher.clone(),
        key_id: "key".to_owned(),
        algorithm: "ES256".to_owned(),
        host: "host".to_owned(),
        cose: b"cose".to_vec(),
    };
    scene.run("a signature", &sign(&voucher)).unwrap();
    scene.run("another one", &sign(&voucher)).unwrap();
    let strange = VoucherNo::draw(bucket(5), &mut IdSource::new([8; 32], 0));
    let refused = scene.run("of no voucher", &sign(&(bucket(5), strange)));
    assert_eq!(refused, Err(Refusal::NotFound { what: "voucher" }));
    let mut add = AddDeviceOrder {
        device: [7; 32],
        device_bucket: bucket(6),
        order: (attempt.bucket, attempt.order_id),
    };
    scene.run("on another device", &add).unwrap();
    scene.run("again", &add).unwrap();
    add.order.1 = OrderId([0; 16]);
    let refused = scene.run("of no order", &add);
    assert_eq!(refused, Err(Refusal::NotFound { what: "order" }));
    let mut store = StoreInbox {
        bucket: bucket(8),
        notice: notice("n1"),
        unknown_number: Some(("number".to_owned(), "told 1.00".to_owned())),
    };
    scene.run("a notice for a strange number", &store).unwrap();
    scene.run("again", &store).unwrap();
    store.notice = notice("n2");
    store.unknown_number = None;
    scene.run("a notice of nothing", &store).unwrap();
    let put_aside = NotePutAside {
        command: "record_payment",
    };
    scene.run("a command was put aside", &put_aside).unwrap();
    scene.run("again", &put_aside).unwrap();
    let other = NotePutAside {
        command: "start_payment",
    };
    scene.run("another kind", &other).unwrap();
    let mut case: Vec<Case> = scene.store.all();
    case.retain(|case| case.subject == "record_payment");
    case[0].state = CaseState::Closed;
    scene.store.set(&case[0]);
    scene.run("after it was closed", &put_aside).unwrap();
    scene.is("kept");
}

#[test]
fn scenes_of_a_policy() {
    let mut scene = Scene::new();
    let pack = |text: &str| ImportPolicy {
        pack: PolicyPack {
            pack_id: "990101-2027".to_owned(),
            region: "990101".to_owned(),
            benefit_year: YEAR,
            status: "in_force".to_owned(),
            file_name: "p.toml".to_owned(),
            text: text.to_owned(),
            imported_on: super::scene::START.date(),
            imported_at: super::scene::START,
            version: 1,
        },
    };
    scene.run("a pack", &pack("a")).unwrap();
    scene.run("the same", &pack("a")).unwrap();
    scene.run("another text", &pack("b")).unwrap();
    scene.is("policy");
}

/// A page shows the code of a refusal, and an order's id goes through links and answers.
#[test]
fn what_answers_carry_can_be_read_back() {
    let order = OrderId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]);
    let text = order_text(order);
    assert_eq!(text, "000102030405060708090a0b0c0dfeff");
    assert_eq!(order_from_text(&text), Some(order));
    for wrong in [
        "",
        "00",
        &text[1..],
        &format!("{text}00"),
        &text.replace('f', "g"),
    ] {
        assert_eq!(order_from_text(wrong), None, "{wrong}");
    }
}
