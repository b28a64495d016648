//! Scenes of day files: what they list is booked although we had said no (CORE.md 15).

use super::biller::{ask, caller, institution, pay, reason, reverse, undone};
use super::people::*;
use super::scene::Scene;
use crate::biller::{BillerCall, CallState, Evidence, Verb, back_seq, told_seq};
use crate::decide::*;
use crate::due::{Due, DueState, RevisionKind, Slot};
use crate::fact::{Fact, FactKind, FactSource};
use crate::front_end::FrontEnd;
use crate::institution::Institution;
use crate::messages::Case;
use crate::money::Fen;
use crate::order::{OrderState, PayOrder};
use crate::refund::{Refund, RefundCause, RefundState};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::voucher::{Voucher, VoucherState};
use std::sync::Arc;

fn evidence(scene: &Scene, line: u32) -> Evidence {
    Evidence {
        day: scene.at.date(),
        file_hash: [7; 32],
        line,
    }
}

/// The file's row about a serial for person 1.
fn told(scene: &Scene, seq: &str) -> BookTold {
    BookTold {
        caller: caller(scene, Verb::Told, &told_seq(seq), 7),
        quote: quote(scene, 1),
        amount: Fen::from_yuan(300),
        paid_at: scene.at,
        evidence: evidence(scene, 2),
        row_sealed: b"sealed row".to_vec(),
        before: "ALREADY_PAID".to_owned(),
    }
}

/// The file's row that a payment was undone, kept under `of`.
fn back(scene: &Scene, seq: &str, of: &str) -> TakeBack {
    TakeBack {
        caller: caller(scene, Verb::Reverse, &back_seq(seq), 8),
        of: of.to_owned(),
        at: scene.at,
        evidence: evidence(scene, 3),
    }
}

fn allocated(premium: u64, surplus: u64) -> Result<Answer, Refusal> {
    Ok(Answer::Allocated {
        premium_fen: premium * 100,
        surplus_fen: surplus * 100,
    })
}

fn refund(scene: &Scene) -> Refund {
    let mut refunds: Vec<Refund> = scene.store.all();
    assert_eq!(refunds.len(), 1);
    refunds.remove(0)
}

fn ask_back(scene: &Scene) -> AskBack {
    AskBack {
        refund_no: refund(scene).refund_no,
    }
}

fn kinds(scene: &Scene) -> Vec<CaseKind> {
    let cases: Vec<Case> = scene.store.all();
    let mut kinds: Vec<CaseKind> = cases.iter().map(|case| case.kind).collect();
    kinds.sort();
    kinds
}

/// Person 1 is paid by a wallet, and the ATM's payment of it is refused.
fn refused(scene: &mut Scene) {
    scene.quietly(|scene| {
        let wallet = offered(scene, 1, &[1]);
        let seen = by_query(scene, &wallet);
        scene.run("the wallet pays", &seen).unwrap();
        let answer = scene.run("the ATM pays", &pay(scene, "s1"));
        assert_eq!(reason(&answer), "ALREADY_PAID");
    });
}

/// An institution that is told of events, so that the scene shows them.
fn tells() -> Institution {
    Institution {
        webhook: "https://bank.example/events".to_owned(),
        ..(*institution()).clone()
    }
}

fn with_webhook(scene: &mut Scene) {
    let put = PutInstitution {
        institution: tells(),
        change: false,
    };
    scene.quietly(|scene| scene.run("known", &put)).unwrap();
}

#[test]
fn scenes_of_a_refused_payment_that_the_day_file_lists() {
    let mut scene = insured(vec![row(1)]);
    with_webhook(&mut scene);
    refused(&mut scene);
    scene.wait(6 * HOUR_MS);
    let mut row = told(&scene, "s1");
    row.caller.institution = Arc::new(tells());
    assert_eq!(scene.run("the day file lists it", &row), allocated(0, 300));
    assert_eq!(scene.run("and again", &row), Ok(Answer::Already));
    let later = BookTold {
        amount: Fen::from_yuan(299),
        evidence: evidence(&scene, 9),
        caller: Caller {
            front: Some(FrontEnd::BankCounter),
            ..caller(&scene, Verb::Told, &told_seq("s1"), 9)
        },
        ..told(&scene, "s1")
    };
    let again = scene.run("a later file lists it otherwise", &later);
    assert_eq!(again, Ok(Answer::Already));
    let asked = scene.run("the bank is to give it back", &ask_back(&scene));
    assert_eq!(asked, Ok(Answer::Act));
    assert_eq!(scene.run("again", &ask_back(&scene)), Ok(Answer::Already));
    scene.wait(DAY_MS);
    let given = back(&scene, "s1", &told_seq("s1"));
    let answer = scene.run("the next day's file says that it did", &given);
    assert_eq!(answer, Ok(Answer::Done));
    assert_eq!(scene.run("again", &given), Ok(Answer::Already));
    assert_eq!(refund(&scene).state, RefundState::Done);
    assert_eq!(kinds(&scene), [CaseKind::DayFile]);
    scene.is("told_surplus");
}

/// A refusal that nothing stands behind any more: the money insures, and can be undone on its day.
#[test]
fn scenes_of_a_listed_payment_that_fills_a_free_slot() {
    let mut scene = insured(vec![row(1)]);
    scene.quietly(|scene| {
        scene.run("asked", &ask(scene, "s1")).unwrap();
        let late = scene.run("it comes late", &pay(scene, "s1"));
        assert_eq!(reason(&late), "TOMBSTONE");
    });
    let mut row = told(&scene, "s1");
    row.caller.institution = Arc::new(tells());
    let answer = scene.run("the day file lists what was dead", &row);
    assert_eq!(answer, allocated(300, 0));
    let asked = scene.run(
        "undone by call: there is no such call",
        &reverse(&scene, "s2", "s1"),
    );
    assert!(!undone(&asked));
    let vouchers: Vec<Voucher> = scene.store.all();
    assert_eq!(vouchers[0].state, VoucherState::Valid);
    scene.wait(MINUTE_MS);
    let undo = back(&scene, "s1", &told_seq("s1"));
    let answer = scene.run("the day's next file says that it was undone", &undo);
    assert_eq!(answer, Ok(Answer::Done));
    let dues: Vec<Due> = scene.store.all();
    let states: Vec<DueState> = dues.iter().map(|due| due.state).collect();
    assert_eq!(states, [DueState::Returned, DueState::Open]);
    scene.is("told_premium");
    let more = back(&scene, "s9", &told_seq("s1"));
    let again = scene.run("under another serial", &more);
    assert_eq!(again, Ok(Answer::Already), "it is undone");
}

#[test]
fn what_a_file_of_another_day_undoes_is_for_staff() {
    let mut scene = insured(vec![row(1)]);
    scene.run("told", &told(&scene, "s1")).unwrap();
    scene.run("paid", &pay(&scene, "s2")).unwrap();
    scene.wait(DAY_MS);
    let undo = back(&scene, "s1", &told_seq("s1"));
    assert_eq!(scene.run("undone", &undo), Ok(Answer::Held));
    let slots: Vec<Slot> = scene.store.all();
    assert!(slots[0].is_live());
}

/// A file's word about a payment that we have taken: on its day it undoes it like a call.
#[test]
fn a_payment_that_stands_is_undone_by_the_file_of_its_day() {
    let mut scene = insured(vec![row(1)]);
    scene.run("the ATM pays", &pay(&scene, "s1")).unwrap();
    scene.wait(6 * HOUR_MS);
    let late = scene.run("undone by call", &reverse(&scene, "s2", "s1"));
    assert_eq!(reason(&late), "USE_REFUND");
    let undo = back(&scene, "s1", "s1");
    assert_eq!(scene.run("undone by file", &undo), Ok(Answer::Done));
    let calls: Vec<BillerCall> = scene.store.all();
    let of = |seq: &str| calls.iter().find(|call| call.seq == seq).unwrap();
    assert_eq!(of("s1").state, CallState::Reversed);
    assert_eq!(of("s1").undone_by.as_deref(), Some("back:s1"));
    assert_eq!(of("back:s1").undoes.as_deref(), Some("s1"));
    let facts: Vec<Fact> = scene.store.all();
    let undone = facts.iter().find(|fact| fact.kind == FactKind::Reversal);
    assert_eq!(undone.map(|fact| fact.source), Some(FactSource::DayFile));
    let answer = scene.run("the late original", &pay(&scene, "s1"));
    assert_eq!(reason(&answer), "TOMBSTONE");
}

/// CORE.md 7 with a day file: what filled the slot is undone, and the listed money insures.
#[test]
fn listed_money_takes_the_place_of_what_was_undone() {
    let mut scene = insured(vec![row(1)]);
    scene.run("the ATM pays", &pay(&scene, "s1")).unwrap();
    scene.run("another is listed", &told(&scene, "s2")).unwrap();
    let held = scene.run("not sure yet", &ask_back(&scene));
    assert_eq!(held, Ok(Answer::Held), "the first can be undone still");
    scene.run("it is", &reverse(&scene, "s3", "s1")).unwrap();
    assert_eq!(refund(&scene).state, RefundState::Cancelled);
    let slots: Vec<Slot> = scene.store.all();
    let live: Vec<&Slot> = slots.iter().filter(|slot| slot.is_live()).collect();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].fact_txn.as_deref(), Some("s2"));
    let undo = back(&scene, "s2", &told_seq("s2"));
    assert_eq!(scene.run("that one too", &undo), Ok(Answer::Done));
    let slots: Vec<Slot> = scene.store.all();
    assert!(slots.iter().all(|slot| !slot.is_live()));
}

/// Of two surpluses in one bucket the file tells of one.
#[test]
fn each_surplus_comes_back_by_itself() {
    let mut scene = insured(vec![row(1)]);
    refused(&mut scene);
    for seq in ["s1", "s2"] {
        assert_eq!(scene.run("told", &told(&scene, seq)), allocated(0, 300));
    }
    let state = |scene: &Scene, seq: &str| {
        let refunds: Vec<Refund> = scene.store.all();
        let of = refunds.iter().find(|row| row.txn_id == seq);
        of.map(|row| row.state)
    };
    for (seq, other) in [("s2", RefundState::Held), ("s1", RefundState::Done)] {
        let given = back(&scene, seq, &told_seq(seq));
        assert_eq!(scene.run("given back", &given), Ok(Answer::Done));
        assert_eq!(state(&scene, seq), Some(RefundState::Done));
        let of_other = if seq == "s1" { "s2" } else { "s1" };
        assert_eq!(state(&scene, of_other), Some(other));
    }
}

#[test]
fn each_obstacle_makes_surplus_with_its_cause() {
    let cause = |change: fn(&mut Scene, &mut BookTold)| {
        let mut scene = insured(vec![row(1)]);
        let mut command = told(&scene, "s1");
        change(&mut scene, &mut command);
        let amount = command.amount;
        let answer = scene.run("told", &command);
        let surplus_fen = amount.get();
        let wanted = Answer::Allocated {
            premium_fen: 0,
            surplus_fen,
        };
        assert_eq!(answer, Ok(wanted));
        let orders: Vec<PayOrder> = scene.store.all();
        assert_eq!(
            orders.last().map(|order| order.state),
            Some(OrderState::Surplus)
        );
        assert!(kinds(&scene).contains(&CaseKind::DayFile));
        let facts: Vec<Fact> = scene.store.all();
        assert_eq!(
            (facts[0].amount, facts[0].returned_or_reserved),
            (amount, amount)
        );
        let asked = scene.run("given back", &ask_back(&scene));
        assert_eq!(asked, Ok(Answer::Act));
        refund(&scene).cause
    };
    assert_eq!(
        cause(|_, told| told.amount = Fen::from_yuan(299)),
        RefundCause::WrongAmount
    );
    assert_eq!(
        cause(|_, told| told.quote.own = Fen::ZERO),
        RefundCause::WrongAmount
    );
    assert_eq!(
        cause(|_, told| told.paid_at = told.quote.window_until.plus_ms(1)),
        RefundCause::AfterClose
    );
    let withdrawn = |scene: &mut Scene, _: &mut BookTold| {
        let void = SliceRow {
            kind: RevisionKind::Void,
            void_cause: Some("moved".to_owned()),
            ..row(1)
        };
        publish(scene, 2, vec![void]);
    };
    assert_eq!(cause(withdrawn), RefundCause::Void);
}

/// The price has changed, or the place has moved on: it is looked at again.
#[test]
fn a_stale_quote_books_nothing() {
    let mut scene = insured(vec![row(1)]);
    let old = told(&scene, "s1");
    publish(&mut scene, 2, vec![dearer(1)]);
    assert_eq!(scene.run("told", &old), Err(Refusal::Changed));
    let mut scene = insured(vec![row(1)]);
    let old = told(&scene, "s2");
    scene.run("paid", &pay(&scene, "s1")).unwrap();
    scene.run("undone", &reverse(&scene, "s3", "s1")).unwrap();
    assert_eq!(scene.run("told", &old), Err(Refusal::Changed));
    let facts: Vec<Fact> = scene.store.all();
    assert!(facts.iter().all(|fact| fact.txn_id == "s1"));
}

/// Somebody is paying just now: the lock is courtesy, and the listed money is there.
#[test]
fn listed_money_fills_a_locked_due() {
    let mut scene = insured(vec![row(1)]);
    let wallet = offered(&mut scene, 1, &[1]);
    assert_eq!(
        reason(&scene.run("the ATM pays", &pay(&scene, "s1"))),
        "LOCKED"
    );
    let answer = scene.run("listed", &told(&scene, "s1"));
    assert_eq!(answer, allocated(300, 0));
    let seen = by_query(&scene, &wallet);
    let answer = scene.run("the wallet pays too", &seen);
    assert_eq!(answer, allocated(0, 300));
}

#[test]
fn a_row_that_cannot_be_booked_is_one_case() {
    let mut scene = Scene::new();
    let note = NoteRow {
        bucket: bucket(1),
        inst_id: institution().inst_id.clone(),
        seq: "s9".to_owned(),
        kind: CaseKind::DayFile,
        detail: "no bill of ours".to_owned(),
    };
    assert_eq!(scene.run("noted", &note), Ok(Answer::Done));
    assert_eq!(scene.run("again", &note), Ok(Answer::Already));
    let other = NoteRow {
        detail: "another file".to_owned(),
        ..note
    };
    assert_eq!(scene.run("in another file", &other), Ok(Answer::Done));
    assert_eq!(kinds(&scene), [CaseKind::DayFile; 2]);
}
