//! Scenes of institutions that call us: locks, payments, reversals, and serials that are never
//! used twice.

use super::people::*;
use super::scene::{START, Scene};
use crate::biller::wire::{Refused, Reversed, Told};
use crate::biller::{BillerCall, CallState, Reason, Verb};
use crate::books::{Transfer, TransferId, TransferKind};
use crate::decide::*;
use crate::due::{Due, DueId, DueState, OrderId, Slot};
use crate::fact::Fact;
use crate::front_end::FrontEnd;
use crate::institution::{Institution, bank};
use crate::money::Fen;
use crate::order::{OrderState, PayOrder};
use crate::refund::{Refund, RefundState};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use crate::voucher::{Voucher, VoucherState};
use std::sync::Arc;

/// A bank whose day ends at three in the afternoon, five hours after the scene's beginning.
pub fn institution() -> Arc<Institution> {
    Arc::new(bank(15 * 60))
}

pub fn caller(scene: &Scene, verb: Verb, seq: &str, content: u8) -> Caller {
    Caller {
        institution: institution(),
        front: (verb != Verb::Reverse).then_some(FrontEnd::Machine),
        verb,
        seq: seq.to_owned(),
        bucket: bucket(1),
        body_hash: [content; 32],
        trace_date: scene.at.date(),
    }
}

pub fn pay(scene: &Scene, seq: &str) -> PayBill {
    PayBill {
        caller: caller(scene, Verb::Pay, seq, 1),
        due: due(scene, 1),
        offer: Ok(quote(scene, 1)),
        relation: "other".to_owned(),
        amount: Fen::from_yuan(300),
        paid_at: scene.at,
        terminal: "T1".to_owned(),
        request_sealed: b"sealed call".to_vec(),
    }
}

pub fn collect(scene: &Scene, seq: &str) -> CollectBill {
    CollectBill {
        caller: caller(scene, Verb::Collect, seq, 2),
        due: due(scene, 1),
        offer: Ok(quote(scene, 1)),
        relation: "self".to_owned(),
        until: scene.at.plus_ms(HOUR_MS),
    }
}

pub fn release(scene: &Scene, seq: &str) -> ReleaseBill {
    ReleaseBill {
        caller: caller(scene, Verb::Release, seq, 3),
        due: due(scene, 1),
    }
}

pub fn reverse(scene: &Scene, seq: &str, orig_seq: &str) -> ReverseBill {
    ReverseBill {
        caller: caller(scene, Verb::Reverse, seq, 4),
        orig_seq: orig_seq.to_owned(),
        orig_date: scene.at.date(),
        orig_dead: false,
        amount: Fen::from_yuan(300),
    }
}

pub fn ask(scene: &Scene, seq: &str) -> AskCall {
    AskCall {
        caller: Caller {
            body_hash: [0; 32],
            ..caller(scene, Verb::AskedFirst, seq, 0)
        },
    }
}

fn body(answer: &Result<Answer, Refusal>) -> String {
    match answer {
        Ok(Answer::Called { body }) => body.clone(),
        other => panic!("{other:?}"),
    }
}

/// Why it was refused; panics when it was not.
pub fn reason(answer: &Result<Answer, Refusal>) -> String {
    let refused: Refused = serde_json::from_str(&body(answer)).unwrap();
    assert_eq!(refused.state, "REFUSED");
    refused.reason
}

pub fn undone(answer: &Result<Answer, Refusal>) -> bool {
    let reversed: Reversed = serde_json::from_str(&body(answer)).unwrap();
    assert_eq!(reversed.state, "REVERSED");
    reversed.undone
}

fn told(answer: &Result<Answer, Refusal>) -> (String, Option<String>) {
    let told: Told = serde_json::from_str(&body(answer)).unwrap();
    (told.state, told.reason)
}

fn states(scene: &Scene) -> Vec<DueState> {
    let dues: Vec<Due> = scene.store.all();
    dues.iter().map(|due| due.state).collect()
}

#[test]
fn scenes_of_a_payment_and_its_reversal() {
    let mut scene = insured(vec![row(1)]);
    let first = pay(&scene, "s1");
    let accepted = scene.run("an ATM pays", &first);
    let again = scene.run("the same again", &first);
    assert_eq!(body(&accepted), body(&again), "word for word");
    let mut changed = pay(&scene, "s1");
    changed.caller.body_hash = [9; 32];
    let mismatch = scene.run("the same serial for something else", &changed);
    assert_eq!(mismatch, Err(Refusal::KeyReused));
    let second = scene.run("another serial", &pay(&scene, "s2"));
    assert_eq!(reason(&second), "ALREADY_PAID");
    scene.wait(MINUTE_MS);
    let mut less = reverse(&scene, "s3", "s1");
    less.amount = Fen::from_yuan(299);
    assert_eq!(
        reason(&scene.run("undone by another amount", &less)),
        "AMOUNT_MISMATCH"
    );
    let undo = reverse(&scene, "s4", "s1");
    let answer = scene.run("the cash was given back", &undo);
    assert!(undone(&answer));
    assert_eq!(body(&scene.run("the reversal again", &undo)), body(&answer));
    assert!(!undone(
        &scene.run("another reversal of it", &reverse(&scene, "s5", "s1"))
    ));
    assert_eq!(states(&scene), [DueState::Returned, DueState::Open]);
    assert_eq!(reason(&scene.run("the late original", &first)), "TOMBSTONE");
    assert_eq!(told(&scene.run("asked", &ask(&scene, "s1"))).0, "REVERSED");
    let mut anew = pay(&scene, "s6");
    assert_eq!(scene.run("at the old price", &anew), Err(Refusal::Changed));
    anew.offer = Ok(Quote {
        due: (anew.due.0, anew.due.1, 2),
        ..quote(&scene, 1)
    });
    scene.run("paid anew", &anew).unwrap();
    assert_eq!(states(&scene), [DueState::Returned, DueState::Paid]);
    scene.is("biller_reversal");
}

/// CORE.md 9 a and b: the late original is refused, whatever came first under its name.
#[test]
fn scenes_of_tombstones() {
    let mut scene = insured(vec![row(1)]);
    let (asked, undo) = (ask(&scene, "s1"), reverse(&scene, "s3", "s2"));
    let answer = scene.run("claimed, not decided, and asked for", &asked);
    assert_eq!(told(&answer), ("NOT_FOUND".to_owned(), None));
    let late = pay(&scene, "s1");
    assert_eq!(reason(&scene.run("it comes late", &late)), "TOMBSTONE");
    assert_eq!(told(&scene.run("asked again", &asked)).0, "NOT_FOUND");
    assert!(!undone(
        &scene.run("claimed, not decided, and undone", &undo)
    ));
    let late = pay(&scene, "s2");
    assert_eq!(reason(&scene.run("that comes late", &late)), "TOMBSTONE");
    assert_eq!(
        told(&scene.run("asked for", &ask(&scene, "s2"))).0,
        "REVERSED"
    );
    let mut never = reverse(&scene, "s5", "s4");
    never.orig_dead = true;
    assert!(!undone(&scene.run("never claimed, and undone", &never)));
    assert_eq!(states(&scene), [DueState::Draft]);
    scene.is("biller_tombstones");
}

#[test]
fn scenes_of_a_lock_that_ends_by_time() {
    let mut scene = insured(vec![row(1)]);
    let locked = collect(&scene, "s1");
    let answer = scene.run("a machine locks: three minutes at most", &locked);
    assert!(body(&answer).contains("10:03:00"), "{answer:?}");
    let mut other = collect(&scene, "s2");
    other.caller.institution = Arc::new(Institution {
        inst_id: "BANK02".to_owned(),
        ..bank(15 * 60)
    });
    assert_eq!(reason(&scene.run("another bank", &other)), "LOCKED");
    let payer = scene.run("a payer at the portal", &start(&scene, 1, &[1]));
    assert!(
        matches!(
            payer,
            Ok(Answer::Locked {
                may_displace: false,
                ..
            })
        ),
        "{payer:?}"
    );
    scene.wait(2 * MINUTE_MS);
    scene.run("prolonged", &collect(&scene, "s3")).unwrap();
    scene.run("given back", &release(&scene, "s4")).unwrap();
    scene.run("locked anew", &collect(&scene, "s5")).unwrap();
    scene.wait(3 * MINUTE_MS);
    let (bank2, mut after) = (Arc::clone(&other.caller.institution), collect(&scene, "s6"));
    after.caller.institution = bank2;
    scene
        .run("its time is over: the other bank locks", &after)
        .unwrap();
    let order = last_order(&scene);
    let end = EndCollect {
        order: (order.bucket, order.order_id),
    };
    assert_eq!(scene.run("not over yet", &end), Ok(Answer::Already));
    scene.wait(3 * MINUTE_MS);
    assert_eq!(scene.run("over", &end), Ok(Answer::Done));
    assert_eq!(scene.run("over, again", &end), Ok(Answer::Already));
    let release = scene.run("nothing to give back", &release(&scene, "s7"));
    assert!(body(&release).contains(r#""released":false"#));
    assert_eq!(states(&scene), [DueState::Open]);
    let orders: Vec<PayOrder> = scene.store.all();
    assert_eq!(orders.len(), 3);
    assert!(orders.iter().all(|order| order.state == OrderState::Closed));
    scene.is("biller_lock");
}

/// The amount is frozen with the lock, and only with it.
#[test]
fn a_payment_under_a_lock_takes_the_frozen_amount() {
    let mut scene = insured(vec![row(1)]);
    scene.run("locked", &collect(&scene, "s1")).unwrap();
    publish(&mut scene, 2, vec![dearer(1)]);
    let mut other = pay(&scene, "s2");
    other.amount = Fen::from_yuan(310);
    assert_eq!(
        reason(&scene.run("the new price", &other)),
        "AMOUNT_MISMATCH"
    );
    let answer = scene.run("the frozen one", &pay(&scene, "s3"));
    assert!(body(&answer).contains("ACCEPTED"), "{answer:?}");
    let orders: Vec<PayOrder> = scene.store.all();
    assert_eq!(orders.len(), 1, "the lock's order is paid");
    assert_eq!(
        (orders[0].state, orders[0].attempt_count),
        (OrderState::Paid, 1)
    );
    let cases: Vec<Case> = scene.store.all();
    assert_eq!(cases.len(), 1, "{cases:?}");
}

#[test]
fn a_lock_is_paid_until_its_window_ends() {
    for (late_ms, wanted) in [(0, "ACCEPTED"), (1, "WINDOW_CLOSED")] {
        let mut scene = insured(vec![row(1)]);
        let mut locked = collect(&scene, "s1");
        if let Ok(quote) = &mut locked.offer {
            quote.window_until = scene.at.plus_ms(MINUTE_MS);
        }
        scene.run("locked", &locked).unwrap();
        scene.wait(MINUTE_MS + late_ms);
        let answer = scene.run("paid", &pay(&scene, "s2"));
        assert!(body(&answer).contains(wanted), "{answer:?}");
    }
}

/// A bank's day begins in the afternoon and goes on after midnight: what is undone then is booked then.
#[test]
fn a_reversal_is_booked_on_its_own_day() {
    let mut scene = insured(vec![row(1)]);
    scene.wait(6 * HOUR_MS);
    let mut paid = pay(&scene, "s1");
    paid.caller.trace_date = scene.at.plus_ms(DAY_MS).date();
    let answer = scene.run("paid", &paid);
    assert!(body(&answer).contains("ACCEPTED"), "{answer:?}");
    let mut lapsed: Due = scene.store.all().remove(0);
    lapsed.lock_lapses = 2;
    scene.store.set(&lapsed);
    scene.wait(16 * HOUR_MS);
    let undo = reverse(&scene, "s2", "s1");
    assert!(undone(&scene.run("undone next morning", &undo)));
    let rows: Vec<Transfer> = scene.store.all();
    let day = |kind: TransferKind| {
        let of = rows.iter().find(|row| row.kind == kind);
        of.map(|row| row.book_day)
    };
    assert_eq!(day(TransferKind::Premium), Some(START.date()));
    assert_eq!(day(TransferKind::Reversed), Some(scene.at.date()));
    let dues: Vec<Due> = scene.store.all();
    let lapses: Vec<u32> = dues.iter().map(|due| due.lock_lapses).collect();
    assert_eq!(lapses, [2, 0], "the next one begins anew");
}

/// Of the movements of an order only the premium of the due is undone; rows that no command writes so.
#[test]
fn a_reversal_undoes_the_premium_of_its_due_alone() {
    let mut scene = insured(vec![row(1)]);
    scene.run("paid", &pay(&scene, "s1")).unwrap();
    let booked: Vec<Transfer> = scene.store.all();
    let premium = booked[0].clone();
    let mut ids = IdSource::new([8; 32], 0);
    let mut other_due = premium.clone();
    other_due.transfer_id = TransferId(ids.id16());
    other_due.due_id = Some(DueId([9; 16]));
    let mut other_kind = premium.clone();
    other_kind.transfer_id = TransferId(ids.id16());
    other_kind.kind = TransferKind::Transit;
    scene.store.set(&other_due);
    scene.store.set(&other_kind);
    scene.run("undone", &reverse(&scene, "s2", "s1")).unwrap();
    let mut rows: Vec<Transfer> = scene.store.all();
    rows.retain(|row| row.kind == TransferKind::Reversed);
    assert_eq!(rows.len(), booked.len());
    assert!(rows.iter().all(|row| row.due_id == premium.due_id));
}

/// Only money that fills its slot whole is undone; rows that no command writes so.
#[test]
fn what_does_not_fill_its_slot_is_not_undone() {
    let answer = |change: fn(&mut Slot, &mut Fact)| {
        let mut scene = insured(vec![row(1)]);
        scene.run("paid", &pay(&scene, "s1")).unwrap();
        let mut slot: Slot = scene.store.all().remove(0);
        let mut fact: Fact = scene.store.all().remove(0);
        change(&mut slot, &mut fact);
        scene.store.set(&slot);
        scene.store.set(&fact);
        reason(&scene.run("undone", &reverse(&scene, "s2", "s1")))
    };
    let others = |slot: &mut Slot, _: &mut Fact| slot.order_id = OrderId([9; 16]);
    assert_eq!(answer(others), "NOT_REVERSIBLE");
    let ended = |slot: &mut Slot, _: &mut Fact| slot.ended_at = Some(START);
    assert_eq!(answer(ended), "NOT_REVERSIBLE");
    let given_back = |_: &mut Slot, fact: &mut Fact| {
        fact.reserve(Fen::new(1));
    };
    assert_eq!(answer(given_back), "NOT_REVERSIBLE");
}

/// CORE.md 7, variant m1, in both orders: somebody is insured at the end, by one payment.
#[test]
fn scenes_of_a_wallet_success_beside_a_reversal() {
    let mut scene = insured(vec![row(1)]);
    let wallet = scene.quietly(|scene| {
        let wallet = offered(scene, 1, &[1]);
        scene.wait(4 * MINUTE_MS);
        let give_up = GiveUp {
            order: (wallet.bucket, wallet.order_id),
            holder: [1; 32],
        };
        scene.run("given up", &give_up).unwrap();
        wallet
    });
    scene.run("the ATM pays", &pay(&scene, "s1")).unwrap();
    let seen = by_query(&scene, &wallet);
    scene.run("the wallet pays too", &seen).unwrap();
    let refunds: Vec<Refund> = scene.store.all();
    let approve = ApproveRefund {
        refund_no: refunds[0].refund_no.clone(),
        renderer: renderer(),
    };
    let held = scene.run("the refund waits for the bank's day to close", &approve);
    assert_eq!(held, Ok(Answer::Held));
    scene.wait(2 * MINUTE_MS);
    assert!(undone(
        &scene.run("the cash failed", &reverse(&scene, "s2", "s1"))
    ));
    assert_eq!(states(&scene), [DueState::Returned, DueState::Paid]);
    assert_eq!(
        scene.run("nothing goes back", &approve),
        Ok(Answer::Already)
    );
    let slots: Vec<Slot> = scene.store.all();
    let live: Vec<&Slot> = slots.iter().filter(|slot| slot.is_live()).collect();
    assert_eq!(live.len(), 1);
    assert_eq!(
        live[0].order_id, wallet.order_id,
        "insured by the wallet's money"
    );
    assert_eq!(only_refund(&scene).state, RefundState::Cancelled);
    let vouchers: Vec<Voucher> = scene.store.all();
    let mut ends: Vec<VoucherState> = vouchers.iter().map(|row| row.state).collect();
    ends.sort();
    assert_eq!(ends, [VoucherState::Valid, VoucherState::Superseded]);
    scene.is("biller_m1");
}

fn only_refund(scene: &Scene) -> Refund {
    let mut refunds: Vec<Refund> = scene.store.all();
    assert_eq!(refunds.len(), 1);
    refunds.remove(0)
}

#[test]
fn the_wallet_first_then_the_bank_is_refused_and_undoes_nothing() {
    let mut scene = insured(vec![row(1)]);
    let wallet = offered(&mut scene, 1, &[1]);
    let locked = pay(&scene, "s1");
    assert_eq!(reason(&scene.run("somebody is paying", &locked)), "LOCKED");
    let seen = by_query(&scene, &wallet);
    scene.run("the wallet pays", &seen).unwrap();
    let refused = scene.run("the ATM pays", &pay(&scene, "s2"));
    assert_eq!(reason(&refused), "ALREADY_PAID");
    assert!(body(&refused).contains(r#""channel":"wechat""#));
    assert!(!undone(&scene.run("undone", &reverse(&scene, "s3", "s2"))));
    assert_eq!(states(&scene), [DueState::Paid]);
    let asked = scene.run("asked", &ask(&scene, "s2"));
    assert_eq!(
        told(&asked),
        ("REFUSED".to_owned(), Some("ALREADY_PAID".to_owned()))
    );
}

/// A success of an order that named the generation before the reversal finds the next one.
#[test]
fn a_late_success_after_a_reversal_is_premium() {
    let mut scene = insured(vec![row(1)]);
    let wallet = offered(&mut scene, 1, &[1]);
    let give_up = GiveUp {
        order: (wallet.bucket, wallet.order_id),
        holder: [1; 32],
    };
    scene.run("given up", &give_up).unwrap();
    scene.run("the ATM pays", &pay(&scene, "s1")).unwrap();
    scene
        .run("and undoes it", &reverse(&scene, "s2", "s1"))
        .unwrap();
    let seen = by_query(&scene, &wallet);
    scene.run("the wallet pays late", &seen).unwrap();
    assert_eq!(states(&scene), [DueState::Returned, DueState::Paid]);
    let refunds: Vec<Refund> = scene.store.all();
    assert_eq!(refunds, []);
    let facts: Vec<Fact> = scene.store.all();
    assert_eq!(
        facts.iter().filter(|fact| !fact.premium.is_zero()).count(),
        2
    );
}

#[test]
fn a_reversal_after_the_day_has_closed_is_for_a_refund() {
    let mut scene = insured(vec![row(1)]);
    scene.run("paid", &pay(&scene, "s1")).unwrap();
    let close = 5 * HOUR_MS + 10 * MINUTE_MS;
    scene.wait(close);
    let late = reverse(&scene, "s2", "s1");
    assert_eq!(reason(&scene.run("too late", &late)), "USE_REFUND");
    scene.wait(-1);
    assert!(undone(
        &scene.run("in the last moment", &reverse(&scene, "s3", "s1"))
    ));
}

#[test]
fn a_payment_is_refused_for_each_reason_and_finally() {
    let refused = |change: fn(&Scene, &mut PayBill)| {
        let mut scene = insured(vec![row(1)]);
        let mut command = pay(&scene, "s1");
        change(&scene, &mut command);
        let first = scene.run("refused", &command);
        let again = scene.run("again", &command);
        assert_eq!(body(&first), body(&again));
        let calls: Vec<BillerCall> = scene.store.all();
        assert_eq!((calls.len(), calls[0].state), (1, CallState::Refused));
        assert_eq!(states(&scene), [DueState::Draft]);
        reason(&first)
    };
    assert_eq!(
        refused(|_, pay| pay.amount = Fen::from_yuan(301)),
        "AMOUNT_MISMATCH"
    );
    assert_eq!(
        refused(|_, pay| pay.offer = Err(Reason::WindowClosed.into())),
        "WINDOW_CLOSED"
    );
    assert_eq!(
        refused(|_, pay| pay.offer = Err(Reason::NotPayable.into())),
        "NOT_PAYABLE"
    );
    let zero = |_: &Scene, pay: &mut PayBill| {
        if let Ok(quote) = &mut pay.offer {
            quote.own = Fen::ZERO;
        }
    };
    assert_eq!(refused(zero), "NOTHING_TO_PAY");
    assert_eq!(
        refused(|scene, pay| pay.paid_at = scene.at.plus_ms(61 * SECOND_MS)),
        "PAID_AT_INVALID"
    );
    assert_eq!(
        refused(|scene, pay| pay.paid_at = scene.at.plus_ms(-DAY_MS)),
        "PAID_AT_INVALID"
    );
    assert_eq!(
        refused(|scene, pay| pay.caller.trace_date = scene.at.plus_ms(-DAY_MS).date()),
        "DAY_CLOSED"
    );
    let closed = |_: &Scene, pay: &mut PayBill| {
        pay.caller.institution = Arc::new(Institution {
            hours_from: 11 * 60,
            ..bank(15 * 60)
        });
    };
    assert_eq!(refused(closed), "OUTSIDE_HOURS");
}

#[test]
fn a_serial_is_claimed_once() {
    let mut scene = insured(vec![row(1)]);
    let claim = ClaimSeq {
        bucket: bucket(7),
        inst_id: "BANK01".to_owned(),
        seq: "s1".to_owned(),
        verb: Verb::Pay,
        body_hash: [1; 32],
        target: bucket(1),
    };
    let mine = |answer: Result<Answer, Refusal>| match answer {
        Ok(Answer::Claimed { verb, same, target }) => (verb, same, target),
        other => panic!("{other:?}"),
    };
    let pay = "pay".to_owned();
    assert_eq!(mine(scene.run("claimed", &claim)), (pay.clone(), true, 1));
    assert_eq!(mine(scene.run("again", &claim)), (pay.clone(), true, 1));
    let other = ClaimSeq {
        body_hash: [2; 32],
        target: bucket(2),
        ..claim.clone()
    };
    assert_eq!(
        mine(scene.run("for something else", &other)),
        (pay.clone(), false, 1)
    );
    let dead = ClaimSeq {
        verb: Verb::AskedFirst,
        body_hash: [0; 32],
        ..claim
    };
    assert_eq!(mine(scene.run("asked for", &dead)), (pay, false, 1));
}

/// A lock of a collect that is reversed is free again.
#[test]
fn a_reversed_collect_frees_its_lock() {
    let mut scene = insured(vec![row(1)]);
    scene.run("locked", &collect(&scene, "s1")).unwrap();
    assert_eq!(states(&scene), [DueState::Locked]);
    let mut undo = reverse(&scene, "s2", "s1");
    undo.amount = Fen::ZERO;
    assert!(undone(&scene.run("undone", &undo)));
    assert_eq!(states(&scene), [DueState::Open]);
    let mut of_reverse = reverse(&scene, "s3", "s2");
    of_reverse.amount = Fen::ZERO;
    assert_eq!(
        reason(&scene.run("a reversal undone", &of_reverse)),
        "NOT_REVERSIBLE"
    );
}
