//! Scenes of surplus on its way back.

use super::people::*;
use super::scene::Scene;
use crate::channel::{CloseOutcome, RefundOutcome};
use crate::decide::*;
use crate::due::Slot;
use crate::fact::{Fact, FactSource};
use crate::id::RefundNo;
use crate::money::Fen;
use crate::record::Record;
use crate::refund::{Refund, RefundCause, RefundState};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// Person 1 is paid for twice: the first payer gave up and paid all the same.
pub fn paid_twice() -> (Scene, Attempt) {
    let mut scene = insured(vec![row(1)]);
    let first = scene.quietly(|scene| {
        let first = offered(scene, 1, &[1]);
        scene.wait(3 * MINUTE_MS);
        let mut second = start(scene, 2, &[1]);
        second.displace = true;
        scene.run("displaces", &second).unwrap();
        let second = last_attempt(scene);
        let paid = by_query(scene, &second);
        scene.run("paid", &paid).unwrap();
        first
    });
    (scene, first)
}

pub fn only_refund(scene: &Scene) -> Refund {
    let mut refunds: Vec<Refund> = scene.store.all();
    assert_eq!(refunds.len(), 1);
    refunds.remove(0)
}

pub fn approve(refund_no: &RefundNo) -> ApproveRefund {
    ApproveRefund {
        refund_no: refund_no.clone(),
        renderer: renderer(),
    }
}

pub fn told(refund: &Refund, outcome: RefundOutcome) -> RecordRefund {
    RecordRefund {
        refund_no: refund.refund_no.clone(),
        channel_no: Some(refund.channel_no.to_string()),
        outcome,
        source: FactSource::Query,
        notice: None,
        outbox: None,
        renderer: renderer(),
    }
}

pub fn done(scene: &Scene, refund: &Refund, amount: Fen) -> RecordRefund {
    let at = scene.at.plus_ms(-SECOND_MS);
    told(refund, RefundOutcome::Done { amount, at })
}

#[test]
fn scenes_of_a_second_success() {
    let (mut scene, first) = paid_twice();
    let paid = by_notice(&scene, &first, "n1");
    scene.run("the first is paid too", &paid).unwrap();
    let refund = only_refund(&scene);
    scene
        .run("no query has confirmed it", &approve(&refund.refund_no))
        .unwrap();
    scene.wait(SECOND_MS);
    let mut query = by_query(&scene, &first);
    query.seen = paid.seen;
    scene.run("a query confirms", &query).unwrap();
    scene
        .run("it is sent", &approve(&refund.refund_no))
        .unwrap();
    scene
        .run("approved again", &approve(&refund.refund_no))
        .unwrap();
    scene.wait(SECOND_MS);
    let mut sent = told(&refund, RefundOutcome::Processing);
    sent.outbox = Some(outbox(&scene, refund.refund_no.as_str()));
    scene.run("under way", &sent).unwrap();
    let mut good = done(&scene, &refund, refund.amount);
    good.source = FactSource::Notice;
    good.notice = Some(notice("n7"));
    scene.run("a notice: done", &good).unwrap();
    scene.run("that notice again", &good).unwrap();
    good.notice = Some(notice("n8"));
    scene.run("another notice of it", &good).unwrap();
    scene
        .run("less than money", &told(&refund, RefundOutcome::NotFound))
        .unwrap();
    scene.is("second_success");
}

/// A refund of a second payment that was sent to its channel.
pub fn on_its_way() -> (Scene, Refund) {
    let (mut scene, first) = paid_twice();
    scene.quietly(|scene| {
        let paid = by_query(scene, &first);
        scene.run("paid", &paid).unwrap();
        let refund = only_refund(scene);
        scene.run("sent", &approve(&refund.refund_no)).unwrap();
    });
    let refund = only_refund(&scene);
    (scene, refund)
}

#[test]
fn scenes_of_a_channel_that_will_not_pay_out() {
    let (mut scene, refund) = on_its_way();
    for (what, outcome) in [
        ("no answer", RefundOutcome::Unknown { why: String::new() }),
        ("not known", RefundOutcome::NotFound),
        ("no balance", RefundOutcome::ShortOfBalance),
        (
            "closed",
            RefundOutcome::Closed {
                code: "CLOSED".to_owned(),
            },
        ),
    ] {
        scene.wait(SECOND_MS);
        scene.run(what, &told(&refund, outcome)).unwrap();
    }
    scene.wait(SECOND_MS);
    let early = done(&scene, &refund, refund.amount);
    scene.run("money under the old number", &early).unwrap();
    let less = told(&refund, RefundOutcome::Processing);
    scene.run("less under the old number", &less).unwrap();
    let mut again = done(&scene, &refund, refund.amount);
    again.notice = Some(notice("n1"));
    scene.run("by notice", &again).unwrap();
    scene.run("the same notice", &again).unwrap();
    let renewed = only_refund(&scene);
    assert_ne!(renewed.channel_no, refund.channel_no);
    let closed = RefundOutcome::Closed {
        code: "CLOSED AGAIN".to_owned(),
    };
    scene
        .run("closed again: for staff", &told(&renewed, closed))
        .unwrap();
    scene
        .run(
            "for staff, still",
            &told(&renewed, RefundOutcome::Processing),
        )
        .unwrap();
    let other = done(&scene, &renewed, Fen::new(1));
    scene.run("another amount after all", &other).unwrap();
    scene.is("refund_closed");
}

#[test]
fn scenes_of_an_account_that_takes_nothing() {
    let (mut scene, refund) = on_its_way();
    let abnormal = RefundOutcome::Abnormal {
        code: "USER_ACCOUNT_ABNORMAL".to_owned(),
    };
    scene
        .run("abnormal", &told(&refund, abnormal.clone()))
        .unwrap();
    scene.run("again", &told(&refund, abnormal)).unwrap();
    let mut strange = told(&refund, RefundOutcome::Processing);
    strange.refund_no = RefundNo::draw(bucket(77), &mut IdSource::new([8; 32], 0));
    strange.notice = Some(notice("n5"));
    let before = scene.store.all::<Case>().len();
    for added in [1, 1] {
        let answer = scene.quietly(|scene| scene.run("a strange number", &strange));
        assert_eq!(answer, Ok(Answer::Held));
        assert_eq!(scene.store.all::<Case>().len(), before + added);
    }
    scene.is("refund_abnormal");
}

/// The channel gives back nothing older than a year: the money stays owed, and staff pay it out.
#[test]
fn scenes_of_a_window_that_is_over() {
    let year_ms = 365 * DAY_MS;
    let (mut scene, first) = paid_twice();
    let paid = by_query(&scene, &first);
    scene.quietly(|scene| scene.run("paid", &paid).unwrap());
    let refund = only_refund(&scene);
    scene.wait(year_ms + 1);
    scene
        .run("nothing was sent yet", &approve(&refund.refund_no))
        .unwrap();
    scene.run("again", &approve(&refund.refund_no)).unwrap();
    let told_all_the_same = done(&scene, &refund, refund.amount);
    scene
        .run("the channel did it by itself", &told_all_the_same)
        .unwrap();
    scene.is("refund_too_late");

    let closed = RefundOutcome::Closed {
        code: "CLOSED".to_owned(),
    };
    let unknown = RefundOutcome::Unknown { why: String::new() };
    for (outcome, late_ms, state) in [
        (RefundOutcome::NotFound, HOUR_MS, RefundState::Unknown),
        (RefundOutcome::NotFound, HOUR_MS + 1, RefundState::Manual),
        (RefundOutcome::ShortOfBalance, 0, RefundState::Unknown),
        (
            RefundOutcome::ShortOfBalance,
            HOUR_MS + 1,
            RefundState::Manual,
        ),
        (closed.clone(), 0, RefundState::Sent),
        (closed, 1, RefundState::Manual),
        (unknown, HOUR_MS + 1, RefundState::Unknown),
        (RefundOutcome::Processing, HOUR_MS + 1, RefundState::Sent),
    ] {
        let (mut scene, refund) = on_its_way();
        let facts: Vec<Fact> = scene.store.all();
        let paid = facts
            .into_iter()
            .find(|fact| fact.key() == refund.success_key());
        scene.at = paid.unwrap().paid_at.plus_ms(year_ms + late_ms);
        scene.run("late", &told(&refund, outcome.clone())).unwrap();
        let after = only_refund(&scene);
        assert_eq!(after.state, state, "{outcome:?} {late_ms}");
        let is_manual = state == RefundState::Manual;
        let detail = is_manual.then_some("refund_window_over");
        assert!(after.detail.as_deref() == detail || !is_manual);
        assert_eq!(after.ask_at.is_none(), is_manual);
    }
}

/// The channel's late answers to what was asked before the money came must not take it away.
#[test]
fn the_query_that_confirms_surplus_stays_planned() {
    let (mut scene, first) = paid_twice();
    let paid = by_notice(&scene, &first, "n1");
    scene.run("paid", &paid).unwrap();
    let planned = Some(scene.at);
    assert_eq!(attempt(&scene, &first.attempt_no).ask_at, planned);
    for outcome in [CloseOutcome::Closed, CloseOutcome::NotFound] {
        scene.wait(SECOND_MS);
        let closed = RecordClose {
            attempt_no: first.attempt_no.clone(),
            outbox: None,
            outcome,
        };
        scene.run("closed", &closed).unwrap();
        scene.run("created", &created(&first.attempt_no)).unwrap();
        assert_eq!(attempt(&scene, &first.attempt_no).ask_at, planned);
    }
}

/// What the slot says decides whether the money is surplus at all.
#[test]
fn scenes_of_a_slot_that_may_be_free_again() {
    let (mut scene, first) = paid_twice();
    scene.quietly(|scene| {
        let paid = by_query(scene, &first);
        scene.run("paid", &paid).unwrap();
    });
    let refund = only_refund(&scene);
    let mut slot: Slot = scene.store.all().remove(0);
    slot.reversible_until = Some(scene.at.plus_ms(HOUR_MS));
    scene.store.set(&slot);
    scene
        .run(
            "the other may be undone for an hour",
            &approve(&refund.refund_no),
        )
        .unwrap();
    scene.store.forget::<Slot>(&slot.key());
    scene
        .run("it was undone", &approve(&refund.refund_no))
        .unwrap();
    let strange = RefundNo::draw(bucket(1), &mut IdSource::new([8; 32], 0));
    let answer = scene.quietly(|scene| scene.run("no refund", &approve(&strange)));
    assert_eq!(answer, Err(Refusal::NotFound { what: "refund" }));
    scene.is("slot_free");

    let hour = Some(HOUR_MS);
    for (reversible_ms, ended) in [(Some(0), false), (None, true), (None, false), (hour, true)] {
        let (mut scene, first) = paid_twice();
        let paid = by_query(&scene, &first);
        scene.run("paid", &paid).unwrap();
        let mut slot: Slot = scene.store.all().remove(0);
        slot.reversible_until = reversible_ms.map(|ms| scene.at.plus_ms(ms));
        slot.ended_at = ended.then_some(scene.at);
        scene.store.set(&slot);
        let refund = only_refund(&scene);
        let answer = scene.run("certain", &approve(&refund.refund_no));
        assert_eq!(answer, Ok(Answer::Act), "{reversible_ms:?} {ended}");
        assert_eq!(only_refund(&scene).state, RefundState::Sent);
    }
}

#[test]
fn money_on_hold_waits_as_long_as_the_slot_may_be_undone() {
    let (mut scene, first) = paid_twice();
    let mut slot: Slot = scene.store.all().remove(0);
    slot.reversible_until = Some(scene.at.plus_ms(HOUR_MS));
    scene.store.set(&slot);
    let paid = by_query(&scene, &first);
    scene.run("paid", &paid).unwrap();
    let refund = only_refund(&scene);
    assert_eq!(refund.held_until, slot.reversible_until);
    assert_eq!(refund.ask_at, slot.reversible_until);
    assert_eq!(refund.cause, RefundCause::SecondSuccess);
    let slots: Vec<Slot> = scene.store.all();
    assert_eq!(slots[0].next_refund, Some(refund.refund_no));
}

/// Money waits to take the place only of what may still be undone, and one waits.
#[test]
fn money_stands_next_only_where_a_place_may_get_free() {
    let other = RefundNo::draw(bucket(1), &mut IdSource::new([8; 32], 0));
    for (reversible_ms, ended, next) in [
        (Some(0), false, None),
        (Some(HOUR_MS), true, None),
        (Some(HOUR_MS), false, Some(other)),
    ] {
        let (mut scene, first) = paid_twice();
        let mut slot: Slot = scene.store.all().remove(0);
        slot.reversible_until = reversible_ms.map(|ms| scene.at.plus_ms(ms));
        slot.ended_at = ended.then_some(scene.at);
        slot.next_refund.clone_from(&next);
        scene.store.set(&slot);
        let paid = by_query(&scene, &first);
        scene.run("paid", &paid).unwrap();
        let slots: Vec<Slot> = scene.store.all();
        assert_eq!(slots[0].next_refund, next, "{reversible_ms:?} {ended}");
    }
}

/// One of two lines came too late: its part goes back, and the fact of that is no copy of the success.
#[test]
fn a_part_that_goes_back_is_a_fact_of_its_own() {
    let mut scene = insured(vec![row(1), row(2)]);
    let mut command = start(&scene, 9, &[1, 2]);
    command.quotes[0].window_until = scene.at.plus_ms(MINUTE_MS);
    let attempt = offered_for(&mut scene, &command);
    scene.wait(2 * MINUTE_MS);
    let paid = by_query(&scene, &attempt);
    scene.run("paid", &paid).unwrap();
    let refund = only_refund(&scene);
    scene.run("sent", &approve(&refund.refund_no)).unwrap();
    let mut back = done(&scene, &refund, refund.amount);
    back.source = FactSource::Notice;
    back.notice = Some(notice("n1"));
    scene.run("done", &back).unwrap();
    let facts: Vec<Fact> = scene.store.all();
    let told = |fact: &Fact| {
        let [amount, premium, surplus] = [fact.amount, fact.premium, fact.surplus].map(Fen::get);
        let source = (
            fact.kind.code(),
            fact.source.code(),
            fact.confirmed_at.is_some(),
        );
        (source, amount, premium, surplus, fact.version)
    };
    let success = (("success", "query", true), 60_000, 30_000, 30_000);
    let refunded = (("refund", "notice", false), 30_000, 0, 0, 1);
    let mut told: Vec<_> = facts.iter().map(told).collect();
    told.sort();
    assert_eq!(told[0], refunded);
    let (source, amount, premium, surplus, _) = told[1];
    assert_eq!((source, amount, premium, surplus), success);
}

/// A basket whose second due lies in another bucket: the money crosses by transit, and when it comes
/// late the whole goes back line by line.
#[test]
fn scenes_of_a_wrong_amount_and_of_two_lines() {
    let mut scene = insured(vec![row(1), row(2)]);
    let attempt = scene.quietly(|scene| offered(scene, 1, &[1, 2]));
    let mut wrong = by_query(&scene, &attempt);
    wrong.seen.amount = Fen::from_yuan(599);
    scene.run("a query tells less", &wrong).unwrap();
    let refund = only_refund(&scene);
    scene
        .run("all of it goes back", &approve(&refund.refund_no))
        .unwrap();
    let refund = only_refund(&scene);
    let good = done(&scene, &refund, refund.amount);
    scene.run("and is back", &good).unwrap();
    scene.is("wrong_amount");
}
