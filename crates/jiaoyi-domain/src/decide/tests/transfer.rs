//! Scenes of refunds that staff pay out by bank transfer.

use super::people::*;
use super::refund::{approve, done, on_its_way, only_refund, paid_twice, told};
use super::scene::Scene;
use crate::bank_transfer::{BankTransfer, Paid};
use crate::channel::RefundOutcome;
use crate::decide::*;
use crate::fact::Fact;
use crate::hook::HookEvent;
use crate::id::{IdSource, RefundNo};
use crate::money::Fen;
use crate::record::Record;
use crate::refund::{Refund, RefundEvent, RefundState};
use crate::time::{DAY_MS, Date, Instant};

/// The channel's window is over before anything was sent: staff have the refund.
fn for_staff() -> (Scene, Refund) {
    let (mut scene, first) = paid_twice();
    scene.quietly(|scene| {
        let paid = by_query(scene, &first);
        scene.run("paid", &paid).unwrap();
        let refund = only_refund(scene);
        scene.wait(400 * DAY_MS);
        scene.run("too late", &approve(&refund.refund_no)).unwrap();
    });
    let refund = only_refund(&scene);
    assert_eq!(refund.state, RefundState::Manual);
    (scene, refund)
}

fn transfer(refund: &Refund, reference: &str, paid_on: Date) -> RecordTransfer {
    RecordTransfer {
        refund_no: refund.refund_no.clone(),
        paid: Paid::new(reference, paid_on, Some("0042"), "w1024").unwrap(),
    }
}

#[test]
fn scenes_of_a_bank_transfer() {
    let (mut scene, refund) = for_staff();
    let (made, today) = (refund.created_at.date(), scene.at.date());
    let tomorrow = Instant::end_of(today).date();
    let before = Instant::start_of(made).plus_ms(-1).date();
    for (what, day) in [("tomorrow", tomorrow), ("before the refund", before)] {
        let answer = scene.run(what, &transfer(&refund, "HQP7", day));
        let (from, to) = (made, today);
        assert_eq!(answer, Err(Refusal::PaidOn { from, to }));
    }
    scene
        .run("paid today", &transfer(&refund, "HQP7", today))
        .unwrap();
    scene.wait(DAY_MS);
    scene
        .run("said again", &transfer(&refund, "HQP7", today))
        .unwrap();
    for (what, reference, day) in [
        ("another reference", "HQP8", today),
        ("another day", "HQP7", tomorrow),
    ] {
        let known = Refusal::TransferKnown {
            reference: "HQP7".to_owned(),
            paid_on: today,
        };
        let answer = scene.run(what, &transfer(&refund, reference, day));
        assert_eq!(answer, Err(known));
    }
    scene
        .run(
            "the channel, less than money",
            &told(&refund, RefundOutcome::NotFound),
        )
        .unwrap();
    let twice = done(&scene, &refund, refund.amount);
    scene.run("the channel pays it too", &twice).unwrap();
    scene.run("and says it again", &twice).unwrap();
    scene.is("bank_transfer");
}

#[test]
fn the_first_and_the_last_day_are_taken() {
    for day in [
        |refund: &Refund, _: &Scene| refund.created_at.date(),
        |_: &Refund, scene: &Scene| scene.at.date(),
    ] {
        let (mut scene, refund) = for_staff();
        let day = day(&refund, &scene);
        let answer = scene.run("paid", &transfer(&refund, "1", day));
        assert_eq!(answer, Ok(Answer::Done), "{day}");
        assert_eq!(only_refund(&scene).done_at.unwrap().date(), day);
    }
}

/// Whatever is not with staff says what it is, and nothing changes.
#[test]
fn only_what_waits_for_staff_is_paid_by_transfer() {
    let (mut scene, refund) = on_its_way();
    let today = scene.at.date();
    for state in RefundState::ALL {
        if *state == RefundState::Manual {
            continue;
        }
        let mut other = refund.clone();
        other.state = *state;
        scene.store.set(&other);
        let before = scene.store.all::<BankTransfer>().len();
        let answer = scene.run("not theirs", &transfer(&refund, "1", today));
        assert_eq!(answer, Err(Refusal::NotForStaff(*state)));
        assert_eq!(scene.store.all::<BankTransfer>().len(), before);
        let mut other = only_refund(&scene);
        let taken = other.apply(RefundEvent::Transferred);
        assert_eq!(taken, *state == RefundState::Done, "{state:?}");
    }
    let strange = Refund {
        refund_no: RefundNo::draw(bucket(1), &mut IdSource::new([8; 32], 0)),
        ..refund
    };
    let answer = scene.run("no refund", &transfer(&strange, "1", today));
    assert_eq!(answer, Err(Refusal::NotFound { what: "refund" }));
}

/// What the channel tells after the transfer is booked once, whatever its amount.
#[test]
fn what_comes_back_twice_is_booked_and_has_a_case() {
    let (mut scene, refund) = for_staff();
    let today = scene.at.date();
    scene.run("paid", &transfer(&refund, "1", today)).unwrap();
    let by_staff = only_refund(&scene);
    let other = done(&scene, &refund, Fen::new(1));
    for answer in [Answer::Done, Answer::Already] {
        assert_eq!(scene.run("told", &other), Ok(answer));
        let mut kinds: Vec<CaseKind> = scene.store.all::<Case>().iter().map(|c| c.kind).collect();
        kinds.sort_by_key(|kind| kind.number());
        let wanted = [CaseKind::RefundManual, CaseKind::ReturnedTwice];
        kinds.retain(|kind| wanted.contains(kind));
        assert_eq!(kinds, wanted);
        let told = scene.store.all::<Fact>();
        assert!(told.iter().any(|fact| fact.key() == refund.paid_out_key()));
        assert_eq!(only_refund(&scene), by_staff, "the transfer stands");
    }
    assert_eq!(scene.store.all::<HookEvent>(), []);
}
