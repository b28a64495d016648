//! Scenes of paying.

use super::people::*;
use super::scene::Scene;
use crate::channel::{CloseOutcome, CreateOutcome, Method, PayFailure};
use crate::decide::*;
use crate::due::RevisionKind;
use crate::fact::FactSource;
use crate::money::Fen;
use crate::order::{AfterClose, Difference};
use crate::record::Record;
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

#[test]
fn scenes_of_a_payment() {
    let mut one = row(1);
    one.phone_sealed = Some(b"sealed phone".to_vec());
    let mut scene = insured(vec![one, row(2)]);
    let mut start = start(&scene, 9, &[1, 2]);
    start.openid = Some("openid".to_owned());
    scene.run("somebody pays for two", &start).unwrap();
    let attempt = last_attempt(&scene);
    scene.wait(SECOND_MS);
    let no = attempt.attempt_no.clone();
    let mut answer = created(&no);
    answer.outbox = Some(outbox(&scene, no.as_str()));
    scene.run("the channel hands out", &answer).unwrap();
    scene.run("the same answer again", &answer).unwrap();
    scene.wait(9 * SECOND_MS);
    let paid = by_notice(&scene, &attempt, "n1");
    scene.run("a notice tells of money", &paid).unwrap();
    scene.run("the same notice again", &paid).unwrap();
    let again = by_notice(&scene, &attempt, "n2");
    scene.run("another notice of it", &again).unwrap();
    let mut more = by_notice(&scene, &attempt, "n3");
    more.seen.amount = Fen::from_yuan(601);
    scene.run("a notice tells another amount", &more).unwrap();
    scene.run("that notice again", &more).unwrap();
    scene.wait(MINUTE_MS);
    let query = RecordPayment {
        seen: paid.seen.clone(),
        ..by_query(&scene, &attempt)
    };
    scene.run("a query confirms", &query).unwrap();
    scene.run("the query again", &query).unwrap();
    let bill = RecordPayment {
        source: FactSource::Bill,
        seen: paid.seen,
        ..by_query(&scene, &attempt)
    };
    scene.run("the bill tells it too", &bill).unwrap();
    scene.run("the channel is late", &answer).unwrap();
    scene.is("payment");
}

#[test]
fn scenes_of_a_link_that_needs_no_call() {
    let mut scene = insured(vec![row(1)]);
    let mut start = start(&scene, 9, &[1]);
    start.method = Method::AlipayWap;
    // It ends with the window.
    start.quotes[0].window_until = scene.at.plus_ms(4 * MINUTE_MS);
    scene.run("a link is signed", &start).unwrap();
    let attempt = last_attempt(&scene);
    scene.wait(14 * HOUR_MS);
    let mut late = by_query(&scene, &attempt);
    late.seen.paid_at = scene.at;
    scene
        .run("paid after midnight and the window", &late)
        .unwrap();
    scene.is("link");
}

/// The day on which the payer acts decides the start, whatever the channel's clock says of hours.
#[test]
fn benefits_start_by_the_day_of_acting() {
    let scene = insured(vec![row(1)]);
    let quote = quote(&scene, 1);
    let line = quote.line((bucket(1), OrderId([1; 16])), 1, scene.at);
    let midnight = Instant::end_of(scene.at.date());
    for (at, first) in [
        (scene.at.plus_ms(-DAY_MS), quote.benefit_first),
        (scene.at, quote.benefit_first),
        (midnight.plus_ms(-1), quote.benefit_first),
        (midnight, quote.benefit_first_next),
        (midnight.plus_ms(DAY_MS), quote.benefit_first_next),
    ] {
        assert_eq!(line.benefit_first_at(at), first, "{at}");
    }
}

/// What stands against taking money for premium, with the region's rules about it.
#[test]
fn scenes_of_money_that_finds_an_obstacle() {
    let mut scene = insured(vec![row(1), row(2), row(3), row(4), row(5)]);
    let mut command = start(&scene, 9, &[1, 2, 3, 4, 5]);
    let (past, ahead) = (scene.at.plus_ms(MINUTE_MS), scene.at.plus_ms(DAY_MS));
    for (number, quote) in (1..).zip(&mut command.quotes) {
        quote.window_until = if number <= 2 { past } else { ahead };
        quote.after_close = match number {
            1 => AfterClose::Surplus,
            _ => AfterClose::Keep,
        };
        quote.difference_rule = match number {
            3 => Difference::Refund,
            _ => Difference::Keep,
        };
    }
    scene.quietly(|scene| {
        offered_for(scene, &command);
        let mut rows = vec![row(3), row(4), row(5)];
        for changed in &mut rows {
            changed.own = Fen::from_yuan(310);
        }
        rows[2].kind = RevisionKind::Void;
        rows[2].void_cause = Some("insured elsewhere".to_owned());
        publish(scene, 2, rows);
    });
    scene.wait(2 * MINUTE_MS);
    let attempt = last_attempt(&scene);
    let paid = by_query(&scene, &attempt);
    scene.run("one obstacle for each", &paid).unwrap();
    scene.is("obstacles");
}

#[test]
fn money_of_the_last_moment_is_in_time() {
    for (late_ms, cases) in [(0, vec![]), (1, vec![CaseKind::AfterClose])] {
        let mut scene = insured(vec![row(1)]);
        let mut command = start(&scene, 9, &[1]);
        command.quotes[0].window_until = scene.at.plus_ms(MINUTE_MS);
        let attempt = offered_for(&mut scene, &command);
        scene.wait(MINUTE_MS + SECOND_MS + late_ms);
        let paid = by_query(&scene, &attempt);
        scene.run("paid", &paid).unwrap();
        let found: Vec<Case> = scene.store.all();
        let found: Vec<CaseKind> = found.iter().map(|case| case.kind).collect();
        assert_eq!(found, cases);
    }
}

/// A channel that never heard of an order is believed only when nobody could pay it any more.
#[test]
fn what_is_unknown_past_its_death_is_dead() {
    let mut scene = insured(vec![row(1)]);
    let attempt = offered(&mut scene, 9, &[1]);
    let unknown = RecordUnpaid {
        attempt_no: attempt.attempt_no.clone(),
        seen: Unpaid::NotFound,
    };
    for (wait_ms, dead) in [(16 * MINUTE_MS, false), (10 * MINUTE_MS, true)] {
        scene.wait(wait_ms);
        scene.run("unknown there", &unknown).unwrap();
        let after = super::people::attempt(&scene, &attempt.attempt_no);
        assert_eq!(after.is_dead(), dead);
    }
}

#[test]
fn scenes_of_money_that_differs() {
    let mut scene = insured(vec![row(1)]);
    let attempt = scene.quietly(|scene| offered(scene, 9, &[1]));
    let mut wrong = by_notice(&scene, &attempt, "n1");
    wrong.seen.amount = Fen::from_yuan(1);
    scene.run("a notice of one yuan", &wrong).unwrap();
    scene.run("the same notice again", &wrong).unwrap();
    for (id, change) in [
        ("n2", "currency"),
        ("n3", "merchant"),
        ("n4", "app"),
        ("n5", "all"),
    ] {
        let mut differs = by_notice(&scene, &attempt, id);
        let of = |what: &str| change == what || change == "all";
        if of("currency") {
            "USD".clone_into(&mut differs.seen.currency);
        }
        if of("merchant") {
            "other".clone_into(&mut differs.seen.merchant);
        }
        if of("app") {
            "strange".clone_into(&mut differs.seen.app);
        }
        if of("amount") {
            differs.seen.amount = Fen::from_yuan(2);
        }
        scene.run(change, &differs).unwrap();
        let mut asked = by_query(&scene, &attempt);
        asked.seen = differs.seen;
        scene.run("a query says so too", &asked).unwrap();
    }
    scene.wait(MINUTE_MS);
    let mut asked = by_query(&scene, &attempt);
    asked.seen.amount = Fen::from_yuan(1);
    scene.run("a query says one yuan", &asked).unwrap();
    let mut unknown = by_notice(&scene, &attempt, "n9");
    unknown.attempt_no = AttemptNo::draw(bucket(77), &mut IdSource::new([8; 32], 0));
    let text = unknown.attempt_no.to_string();
    let answer = scene.quietly(|scene| scene.run("a strange number", &unknown));
    assert_eq!(answer, Ok(Answer::Held));
    let cases: Vec<Case> = scene.store.all();
    let strange = |case: &&Case| case.kind == CaseKind::UnknownNumber;
    let found: Vec<&Case> = cases.iter().filter(strange).collect();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].subject, found[0].bucket), (&text, bucket(77)));
    scene.quietly(|scene| scene.run("again", &unknown)).unwrap();
    assert_eq!(scene.store.all::<Case>().len(), cases.len());
    scene.is("differences");
}

#[test]
fn scenes_of_answers_to_a_new_order() {
    let mut scene = insured(vec![row(1), row(2), row(3), row(4)]);
    for (person, outcome) in [
        (
            1,
            CreateOutcome::Refused {
                code: "NOAUTH".to_owned(),
                message: "no".to_owned(),
            },
        ),
        (
            2,
            CreateOutcome::Unknown {
                why: "timeout".to_owned(),
            },
        ),
    ] {
        let command = start(&scene, person, &[person]);
        let no = scene.quietly(|scene| {
            scene.run("start", &command).unwrap();
            last_attempt(scene).attempt_no
        });
        let answer = RecordCreated {
            outcome,
            outbox: Some(outbox(&scene, no.as_str())),
            ..created(&no)
        };
        scene.run("no code", &answer).unwrap();
        scene.wait(SECOND_MS);
        scene.run("a code after all", &created(&no)).unwrap();
        scene.wait(SECOND_MS);
    }
    let command = start(&scene, 3, &[3]);
    scene.quietly(|scene| scene.run("start", &command)).unwrap();
    let (attempt, order) = (last_attempt(&scene), last_order(&scene));
    let give_up = GiveUp {
        order: order.key(),
        holder: [3; 32],
    };
    scene.run("given up before the answer", &give_up).unwrap();
    scene
        .run("a code for nobody", &created(&attempt.attempt_no))
        .unwrap();
    scene.is("created");
}

#[test]
fn scenes_of_queries_without_money() {
    let mut scene = insured(vec![row(1)]);
    let attempt = scene.quietly(|scene| offered(scene, 9, &[1]));
    let told = |seen| RecordUnpaid {
        attempt_no: attempt.attempt_no.clone(),
        seen,
    };
    for (wait_ms, what, seen) in [
        (5 * SECOND_MS, "waits", Unpaid::NotPaid(None)),
        (
            5 * SECOND_MS,
            "too little",
            Unpaid::NotPaid(Some(PayFailure::BalanceTooLow)),
        ),
        (MINUTE_MS, "no answer", Unpaid::NoAnswer),
        (MINUTE_MS, "unknown there", Unpaid::NotFound),
        (MINUTE_MS, "waits again", Unpaid::NotPaid(None)),
        (10 * MINUTE_MS, "waits long", Unpaid::NotPaid(None)),
        (2 * MINUTE_MS, "past its expiry", Unpaid::NotPaid(None)),
        (MINUTE_MS, "unknown past its expiry", Unpaid::NotFound),
        (
            8 * MINUTE_MS + 49 * SECOND_MS,
            "just before the margin",
            Unpaid::NotFound,
        ),
        (SECOND_MS, "past the margin", Unpaid::NotPaid(None)),
        (HOUR_MS, "dead", Unpaid::NotFound),
        (DAY_MS, "the end of the watch", Unpaid::NotFound),
    ] {
        scene.wait(wait_ms);
        scene.run(what, &told(seen)).unwrap();
    }
    let late = by_query(&scene, &attempt);
    scene.run("paid after all", &late).unwrap();
    scene
        .run("not paid, says a node that lags", &told(Unpaid::NotFound))
        .unwrap();
    scene.is("unpaid");
}

/// Surplus waits for a query; a channel that contradicts itself is asked ever more seldom.
#[test]
fn scenes_of_confirming_what_is_paid() {
    let mut scene = insured(vec![row(1)]);
    let attempt = scene.quietly(|scene| {
        let attempt = offered(scene, 9, &[1]);
        let paid = by_notice(scene, &attempt, "n1");
        scene.run("paid", &paid).unwrap();
        attempt
    });
    let told = |seen| RecordUnpaid {
        attempt_no: attempt.attempt_no.clone(),
        seen,
    };
    scene
        .run("nothing is to be confirmed", &told(Unpaid::Closed))
        .unwrap();
    let mut open = super::people::attempt(&scene, &attempt.attempt_no);
    open.ask_at = Some(scene.at);
    scene.store.set(&open);
    scene
        .run("it is asked again", &told(Unpaid::NotPaid(None)))
        .unwrap();
    open.asks = 100;
    scene.store.set(&open);
    scene
        .run("at most every five minutes", &told(Unpaid::NoAnswer))
        .unwrap();
    scene.is("confirming");
}

#[test]
fn scenes_of_answers_to_a_close() {
    let mut scene = insured(vec![row(1), row(2), row(3), row(4), row(5)]);
    let answer = |scene: &Scene, no: &AttemptNo, outcome| RecordClose {
        attempt_no: no.clone(),
        outbox: Some(outbox(scene, no.as_str())),
        outcome,
    };
    for (number, outcome) in [
        (1, CloseOutcome::Closed),
        (2, CloseOutcome::Paid),
        (3, CloseOutcome::NotFound),
        (
            4,
            CloseOutcome::Unknown {
                why: "timeout".to_owned(),
            },
        ),
    ] {
        let attempt = scene.quietly(|scene| offered(scene, number, &[number]));
        let give_up = GiveUp {
            order: (attempt.bucket, attempt.order_id),
            holder: [number; 32],
        };
        scene.run("a payer gives up", &give_up).unwrap();
        scene.run("gives up again", &give_up).unwrap();
        let told = answer(&scene, &attempt.attempt_no, outcome);
        scene.wait(SECOND_MS);
        scene.run("the channel answers", &told).unwrap();
        if number == 3 {
            scene.wait(25 * MINUTE_MS);
            scene.run("and much later", &told).unwrap();
        }
        if number == 2 {
            let paid = by_query(&scene, &attempt);
            scene.quietly(|scene| scene.run("paid", &paid)).unwrap();
            scene
                .run(
                    "closed, it says",
                    &answer(&scene, &attempt.attempt_no, CloseOutcome::Closed),
                )
                .unwrap();
            let refused = scene.run("too late to give up", &give_up);
            assert_eq!(refused, Err(Refusal::AlreadyPaid));
        }
        let stranger = GiveUp {
            holder: [99; 32],
            ..give_up
        };
        assert_eq!(scene.run("a stranger", &stranger), Err(Refusal::NotYours));
    }
    // Nobody gave it up: the lock lapsed.
    let attempt = scene.quietly(|scene| offered(scene, 5, &[5]));
    scene.wait(16 * MINUTE_MS);
    let expired = RecordUnpaid {
        attempt_no: attempt.attempt_no.clone(),
        seen: Unpaid::NotPaid(None),
    };
    scene.run("it expires", &expired).unwrap();
    let told = answer(&scene, &attempt.attempt_no, CloseOutcome::Closed);
    scene.run("and is closed", &told).unwrap();
    scene.is("close");
}

#[test]
fn scenes_of_a_due_of_nothing() {
    let mut zero = row(1);
    zero.own = Fen::ZERO;
    zero.subsidies = "fiscal=70000;dibao=40000".to_owned();
    zero.phone_sealed = Some(b"sealed phone".to_vec());
    let mut void = row(2);
    void.kind = RevisionKind::Void;
    let mut scene = insured(vec![zero.clone(), void]);
    let confirm = |quote: Quote| ConfirmZero {
        quote,
        holder: [9; 32],
        holder_bucket: bucket(200),
        relation: "other".to_owned(),
    };
    let free = Quote {
        own: Fen::ZERO,
        subsidies: zero.subsidies,
        ..quote(&scene, 1)
    };
    let cases = [
        (quote(&scene, 1), Refusal::Changed),
        (
            Quote {
                revision_no: 2,
                ..free.clone()
            },
            Refusal::Changed,
        ),
        (
            Quote {
                window_until: scene.at,
                ..free.clone()
            },
            Refusal::WindowClosed,
        ),
        (
            Quote {
                due: due(&scene, 2),
                ..free.clone()
            },
            Refusal::NotPayable,
        ),
    ];
    for (quote, refusal) in cases {
        assert_eq!(scene.run("refused", &confirm(quote)), Err(refusal));
    }
    let mut paying = start(&scene, 9, &[1]);
    paying.quotes[0] = free.clone();
    let refused = scene.run("paying nothing", &paying);
    assert_eq!(refused, Err(Refusal::NothingToPay));
    let good = confirm(Quote {
        window_until: scene.at.plus_ms(1),
        ..free
    });
    scene.run("confirmed", &good).unwrap();
    assert_eq!(scene.run("again", &good), Err(Refusal::AlreadyPaid));
    scene.is("zero");
}
