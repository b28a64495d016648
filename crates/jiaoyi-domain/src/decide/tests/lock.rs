//! Scenes of payers who meet each other: locks, displacing, other methods, and who is refused.

use super::people::*;
use crate::attempt::{Attempt, AttemptState, DEATH_MARGIN_MS, LIFE_MS, WATCH_MS};
use crate::channel::{CloseOutcome, CreateOutcome, Method};
use crate::decide::*;
use crate::due::{Due, DueState, RevisionKind, Slot, TurnedAway};
use crate::money::Fen;
use crate::order::{OrderState, PayOrder};
use crate::record::Record;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

#[test]
fn scenes_of_two_payers() {
    let mut scene = insured(vec![row(1)]);
    scene.quietly(|scene| offered(scene, 1, &[1]));
    scene.wait(MINUTE_MS);
    let mut second = start(&scene, 2, &[1]);
    scene.run("a second payer meets the lock", &second).unwrap();
    scene.wait(DAY_MS - 1);
    second.quotes = vec![quote(&scene, 1)];
    scene.run("and is counted once a day", &second).unwrap();
    scene.wait(1);
    second.quotes = vec![quote(&scene, 1)];
    scene.run("and again the day after", &second).unwrap();
    assert_eq!(scene.store.all::<TurnedAway>().len(), 2);
    let mut due: Due = scene.store.all().remove(0);
    due.lock_at = Some(scene.at);
    scene.store.set(&due);
    second.displace = true;
    scene.wait(3 * MINUTE_MS - 1);
    scene.run("it is too early to displace", &second).unwrap();
    scene.wait(1);
    scene.run("now it may", &second).unwrap();
    let mine = start(&scene, 2, &[1]);
    scene.run("one's own lock", &mine).unwrap();
    let mut mine = start(&scene, 2, &[1]);
    mine.displace = true;
    mine.method = Method::AlipayPage;
    scene.run("may be displaced at once", &mine).unwrap();
    scene.is("two_payers");
}

/// Locks that run out count against their holder, for an hour.
#[test]
fn locks_that_lapse_are_counted() {
    let mut scene = insured(vec![row(1)]);
    let mut due: Due = scene.store.all().remove(0);
    due.lock_holder = Some([9; 32]);
    due.lock_at = Some(scene.at);
    for (lapses, wait_ms, payer, refused) in [
        (1, MINUTE_MS, 9, false),
        (2, MINUTE_MS, 9, true),
        (3, HOUR_MS - 1, 9, true),
        (3, HOUR_MS, 9, false),
        (3, MINUTE_MS, 8, false),
    ] {
        let mut scene = insured(vec![row(1)]);
        due.lock_lapses = lapses;
        scene.store.set(&due);
        scene.wait(wait_ms);
        let answer = scene.run("start", &start(&scene, payer, &[1]));
        let expected = refused.then_some(Refusal::TooManyLocks);
        assert_eq!(answer.err(), expected, "{lapses} {wait_ms} {payer}");
        if !refused {
            let due: Due = scene.store.all().remove(0);
            let kept = if payer == 9 { lapses } else { 0 };
            assert_eq!(due.lock_lapses, kept);
        }
    }
    // A life of fifteen minutes, a margin of ten: a lapse a time, none when it is given back.
    for (given_back, lapses) in [(false, 1), (true, 0)] {
        let attempt = scene.quietly(|scene| offered(scene, 9, &[1]));
        if given_back {
            let give_up = GiveUp {
                order: (attempt.bucket, attempt.order_id),
                holder: [9; 32],
            };
            scene.run("given back", &give_up).unwrap();
        }
        scene.wait(LIFE_MS + 10 * MINUTE_MS);
        let unpaid = RecordUnpaid {
            attempt_no: attempt.attempt_no.clone(),
            seen: Unpaid::NotPaid(None),
        };
        scene.run("it ends", &unpaid).unwrap();
        let due: Due = scene.store.all().remove(0);
        assert_eq!((due.state, due.lock_lapses), (DueState::Open, lapses));
    }
}

/// The last look at an attempt, a day after, against a payment that nobody told: without an answer it is
/// looked at again, dead or not, until there is one.
#[test]
fn the_last_look_is_repeated_until_it_is_answered() {
    for closed in [false, true] {
        let mut scene = insured(vec![row(1)]);
        let attempt = scene.quietly(|scene| offered(scene, 9, &[1]));
        let told = |seen| RecordUnpaid {
            attempt_no: attempt.attempt_no.clone(),
            seen,
        };
        let ask_at = |scene: &super::scene::Scene| {
            let row: Attempt = scene.store.all().remove(0);
            row.ask_at
        };
        if closed {
            for when in [DEATH_MARGIN_MS + LIFE_MS, WATCH_MS] {
                scene.run("closed", &told(Unpaid::Closed)).unwrap();
                assert_eq!(ask_at(&scene), Some(attempt.created_at.plus_ms(when)));
                scene.wait(when - scene.at.since_ms(attempt.created_at));
            }
        } else {
            scene.wait(WATCH_MS);
        }
        for _ in 0..3 {
            scene.run("no answer", &told(Unpaid::NoAnswer)).unwrap();
            let again = ask_at(&scene).expect("it is asked again");
            assert!(again > scene.at, "{closed}");
            scene.wait(again.since_ms(scene.at));
        }
        scene
            .run("an answer", &told(Unpaid::NotPaid(None)))
            .unwrap();
        assert_eq!(ask_at(&scene), None, "{closed}");
    }
}

#[test]
fn who_cannot_start_is_told_why() {
    let mut draft = row(3);
    draft.kind = RevisionKind::Void;
    let mut scene = insured(vec![row(1), row(2), draft]);
    let good = |scene: &super::scene::Scene| start(scene, 9, &[1]);
    let mut cases: Vec<(StartPayment, Refusal)> = Vec::new();
    let mut none = good(&scene);
    none.quotes.clear();
    cases.push((none, Refusal::NotPayable));
    let mut many = good(&scene);
    many.quotes = vec![quote(&scene, 1); 11];
    cases.push((many, Refusal::TooManyLocks));
    let mut ten = good(&scene);
    ten.quotes = vec![quote(&scene, 1); 10];
    cases.push((ten, Refusal::NotPayable));
    let mut free = start(&scene, 9, &[1, 2]);
    free.quotes[1].own = Fen::ZERO;
    cases.push((free, Refusal::NothingToPay));
    let mut rich = start(&scene, 9, &[1, 2]);
    rich.quotes[1].own = Fen::MAX;
    cases.push((rich, Refusal::NotPayable));
    let mut closing = good(&scene);
    closing.quotes[0].window_until = scene.at.plus_ms(MINUTE_MS - 1);
    cases.push((closing, Refusal::WindowClosed));
    let mut strange = good(&scene);
    strange.quotes[0].due.2 = 7;
    cases.push((strange, Refusal::NotFound { what: "due" }));
    let mut void = good(&scene);
    void.quotes[0].due = due(&scene, 3);
    cases.push((void, Refusal::NotPayable));
    let mut old = good(&scene);
    old.quotes[0].revision_no = 2;
    cases.push((old, Refusal::Changed));
    for (number, (command, refusal)) in cases.into_iter().enumerate() {
        let answer = scene.run("refused", &command);
        assert_eq!(answer, Err(refusal), "case {number}");
    }
    let known: Due = scene.store.all().remove(0);
    for (state, answer) in [
        (DueState::Draft, None),
        (DueState::Void, None),
        (DueState::Expired, None),
        (DueState::Open, None),
        (DueState::Paid, Some(Refusal::AlreadyPaid)),
        (DueState::Returned, Some(Refusal::NotPayable)),
    ] {
        let mut scene = insured(vec![row(1)]);
        let mut due = known.clone();
        due.state = state;
        scene.store.set(&due);
        let mut command = good(&scene);
        command.quotes[0].window_until = scene.at.plus_ms(MINUTE_MS);
        assert_eq!(scene.run("start", &command).err(), answer, "{state:?}");
        if answer.is_none() {
            let due: Due = scene.store.all().remove(0);
            assert_eq!(due.state, DueState::Locked);
            assert_eq!(due.lock_until, Some(scene.at.plus_ms(MINUTE_MS)));
        }
    }
    // A slot that is filled refuses whatever the due says.
    scene.quietly(|scene| {
        let attempt = offered(scene, 9, &[1]);
        let paid = by_query(scene, &attempt);
        scene.run("paid", &paid).unwrap();
    });
    scene.store.set(&known);
    assert_eq!(scene.run("paid", &good(&scene)), Err(Refusal::AlreadyPaid));
    // A slot that has ended does not: what was given back is over by itself.
    let mut slot: Slot = scene.store.all().remove(0);
    slot.ended_at = Some(scene.at);
    scene.store.set(&slot);
    let returned = Due {
        state: DueState::Returned,
        ..known
    };
    scene.store.set(&returned);
    assert_eq!(scene.run("over", &good(&scene)), Err(Refusal::NotPayable));
    // A price that only a roster without force has is none.
    let mut roster = scene.store.all::<crate::roster::Roster>().remove(0);
    roster.state = RosterState::Publishing;
    scene.store.set(&roster);
    let other = start(&scene, 9, &[2]);
    assert_eq!(scene.run("no force", &other), Err(Refusal::NotPayable));
}

fn switch(scene: &super::scene::Scene, method: Method) -> SwitchMethod {
    SwitchMethod {
        order: last_order(scene).key(),
        holder: [9; 32],
        method,
        merchant: "mch2".to_owned(),
        app: "app2".to_owned(),
        payer_ip: "192.0.2.2".to_owned(),
        openid: None,
        renderer: renderer(),
    }
}

/// The payer chose another way, which the channel refused; the older one is closed after that. No time
/// has lapsed, so the next who takes the lock is not kept from it.
#[test]
fn an_order_that_ends_with_an_older_attempt_has_not_lapsed() {
    let mut scene = insured(vec![row(1)]);
    let older = offered(&mut scene, 9, &[1]);
    let command = switch(&scene, Method::WechatH5);
    scene.run("another way", &command).unwrap();
    let newer = last_attempt(&scene);
    let refused = RecordCreated {
        outcome: CreateOutcome::Refused {
            code: "NOAUTH".to_owned(),
            message: "no".to_owned(),
        },
        ..created(&newer.attempt_no)
    };
    scene.run("refused", &refused).unwrap();
    let closed = RecordClose {
        attempt_no: older.attempt_no,
        outbox: None,
        outcome: CloseOutcome::Closed,
    };
    scene.run("the older one is closed", &closed).unwrap();
    assert_eq!(last_order(&scene).state, OrderState::Closed);
    let dues: Vec<Due> = scene.store.all();
    assert_eq!((dues[0].state, dues[0].lock_lapses), (DueState::Open, 0));
}

#[test]
fn scenes_of_another_method() {
    let mut scene = insured(vec![row(1), row(2)]);
    let first = scene.quietly(|scene| offered(scene, 9, &[1, 2]));
    scene.wait(MINUTE_MS);
    let other = switch(&scene, Method::AlipayWap);
    scene.run("by Alipay instead", &other).unwrap();
    scene.wait(SECOND_MS);
    let close = RecordClose {
        attempt_no: first.attempt_no.clone(),
        outbox: None,
        outcome: CloseOutcome::Closed,
    };
    scene.run("the first is closed", &close).unwrap();
    let give_up = GiveUp {
        order: other.order,
        holder: [9; 32],
    };
    scene.run("given up", &give_up).unwrap();
    scene
        .run("and taken up again", &switch(&scene, Method::WechatNative))
        .unwrap();
    let third = last_attempt(&scene);
    scene.wait(SECOND_MS);
    let refused = RecordCreated {
        outcome: CreateOutcome::Refused {
            code: "NOAUTH".to_owned(),
            message: String::new(),
        },
        ..created(&third.attempt_no)
    };
    scene.run("the channel refuses", &refused).unwrap();
    let paid = by_query(&scene, &first);
    scene.run("the first was paid all the same", &paid).unwrap();
    scene.is("method");
}

#[test]
fn who_cannot_switch_is_told_why() {
    let world = || {
        let mut scene = insured(vec![row(1)]);
        scene.quietly(|scene| offered(scene, 9, &[1]));
        scene.wait(SECOND_MS);
        scene
    };
    let order = |scene: &mut super::scene::Scene, change: fn(&mut PayOrder)| {
        let mut order = last_order(scene);
        change(&mut order);
        scene.store.set(&order);
    };
    let mut scene = world();
    let mut strange = switch(&scene, Method::WechatNative);
    strange.order.1 = OrderId([0; 16]);
    let answer = scene.run("no such order", &strange);
    assert_eq!(answer, Err(Refusal::NotFound { what: "order" }));
    let mut theirs = switch(&scene, Method::WechatNative);
    theirs.holder = [8; 32];
    assert_eq!(scene.run("theirs", &theirs), Err(Refusal::NotYours));
    for (count, refused) in [(19, false), (20, true)] {
        let mut scene = world();
        let mut row = last_order(&scene);
        row.attempt_count = count;
        scene.store.set(&row);
        let answer = scene.run("many", &switch(&scene, Method::WechatNative));
        assert_eq!(answer.is_err(), refused, "{count}: {answer:?}");
        if !refused {
            assert_eq!(last_order(&scene).attempt_count, 20);
        }
    }
    // Fourteen hours on it is another day, and the window has closed; a minute must be left.
    for (wait_ms, refusal) in [
        (14 * HOUR_MS, Some(Refusal::Changed)),
        (3 * HOUR_MS - SECOND_MS - MINUTE_MS, None),
        (
            3 * HOUR_MS - SECOND_MS - MINUTE_MS + 1,
            Some(Refusal::WindowClosed),
        ),
    ] {
        let mut scene = world();
        scene.wait(wait_ms);
        let answer = scene.run("late", &switch(&scene, Method::WechatNative));
        assert_eq!(answer.err(), refusal, "{wait_ms}");
    }
    let mut scene = world();
    let mut due: Due = scene.store.all().remove(0);
    due.lock_order = Some(OrderId([5; 16]));
    scene.store.set(&due);
    let answer = scene.run("another's lock", &switch(&scene, Method::WechatNative));
    assert_eq!(answer, Err(Refusal::NotYours));
    due.lock_order = None;
    due.state = DueState::Returned;
    scene.store.set(&due);
    let answer = scene.run("returned", &switch(&scene, Method::WechatNative));
    assert_eq!(answer, Err(Refusal::NotPayable));
    for void in [false, true] {
        let mut scene = world();
        let mut changed = row(1);
        changed.own = Fen::from_yuan(310);
        if void {
            changed = row(1);
            changed.kind = RevisionKind::Void;
        }
        scene.quietly(|scene| publish(scene, 2, vec![changed]));
        let answer = scene.run("repriced", &switch(&scene, Method::WechatNative));
        assert_eq!(answer, Err(Refusal::Changed));
    }
    let mut scene = world();
    order(&mut scene, |order| order.state = OrderState::Paid);
    let answer = scene.run("paid", &switch(&scene, Method::WechatNative));
    assert_eq!(answer, Err(Refusal::AlreadyPaid));
    // The slot was filled by somebody else meanwhile.
    let mut scene = world();
    let attempt = last_attempt(&scene);
    let paid = by_query(&scene, &attempt);
    scene.quietly(|scene| scene.run("paid", &paid)).unwrap();
    order(&mut scene, |order| order.state = OrderState::Placed);
    let answer = scene.run("filled", &switch(&scene, Method::WechatNative));
    assert_eq!(answer, Err(Refusal::AlreadyPaid));
    let paid: Attempt = super::people::attempt(&scene, &attempt.attempt_no);
    assert_eq!(paid.state, AttemptState::Paid);
}
