//! What a day file tells is booked, although we had said no (CORE.md 15).

use super::day::{file, file_of, plain};
use super::{Bank, Reply};
use crate::harness::{Channel, HOUR, Payer, World};
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::fact::{Fact, FactSource};
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::refund::RefundState;
use serde_json::json;
use std::collections::BTreeSet;

/// Sends a day file, and works.
async fn reconcile(world: &World, bank: &Bank, text: &str) -> Reply {
    let sent = bank
        .send(world, "reconcile", text.to_owned(), plain("utf-8"))
        .await;
    sent.decided();
    world.pass(1_000).await;
    sent
}

/// What the result file of a day says of a serial: kind, our state, what was done, refund number.
async fn told(world: &World, bank: &Bank, day: &str, seq: &str) -> [String; 4] {
    let result = bank.call(world, "reconcile", json!({ "day": day })).await;
    assert!(result.signed);
    let lines = result
        .text
        .lines()
        .map(|line| line.split('|').collect::<Vec<_>>());
    let line = lines.into_iter().find(|line| line[1] == seq);
    let line = line.unwrap_or_else(|| panic!("{seq} is not in {}", result.text));
    assert_eq!(line.len(), 9, "{line:?}");
    [line[0], line[5], line[7], line[8]].map(str::to_owned)
}

pub(super) async fn facts(world: &World) -> Vec<Fact> {
    let facts: Vec<Fact> = world.platform.store.all().await.expect("rows");
    let told = facts.into_iter();
    told.filter(|fact| fact.source == FactSource::DayFile)
        .collect()
}

pub(super) const DAY: i64 = 24 * HOUR;

const TODAY: &str = "2026-11-22";

/// The wallet was first and the bank was refused; it kept the money all the same.
#[tokio::test(flavor = "multi_thread")]
async fn refused_money_that_is_listed_goes_back_through_the_institution() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    let mut payer = Payer::new(&world);
    payer
        .pay(&world, &person, Channel::Wechat)
        .await
        .is("order.paid");
    bank.pay(&world, &bill, "p1")
        .await
        .is_refused("ALREADY_PAID");
    world.turn(14 * HOUR);
    let listed = file(&[("p1", &bill.no, 40_000, 'P')]);
    let first = reconcile(&world, &bank, &listed).await;
    assert_eq!(first.json["long"], 1);
    let refund = world.refunds().await.remove(0);
    assert_eq!(refund.state, RefundState::Sent);
    let number = refund.refund_no.to_string();
    let line = told(&world, &bank, TODAY, "p1").await;
    assert_eq!(line, ["LONG", "REFUSED", "GIVE_BACK", &number]);
    assert_eq!(bank.status(&world, "p1").await, "REFUSED", "the call was");
    // The same file again, and another one that lists the row again, change nothing.
    let again = reconcile(&world, &bank, &listed).await;
    assert_eq!(again.text, first.text);
    let more = file(&[("p1", &bill.no, 40_000, 'P'), ("p9", "B1", 5, 'P')]);
    assert_eq!(reconcile(&world, &bank, &more).await.json["long"], 2);
    // The next day's too; and one that says less of it is a difference.
    world.turn(DAY);
    let later = file_of("2026-11-23", &[("p1", &bill.no, 40_000, 'P')]);
    reconcile(&world, &bank, &later).await;
    assert_eq!(
        told(&world, &bank, "2026-11-23", "p1").await[2],
        "GIVE_BACK"
    );
    let less = file(&[("p1", &bill.no, 39_999, 'P')]);
    assert_eq!(
        reconcile(&world, &bank, &less).await.json["amount_differs"],
        1
    );
    let silent = reconcile(&world, &bank, &file(&[])).await;
    assert_eq!(silent.json["short"], 1, "told once, and not undone since");
    assert_eq!(
        (facts(&world).await.len(), world.refunds().await.len()),
        (1, 1)
    );
    world.holds().await;
    // It has given the money back.
    world.turn(DAY);
    let back = file_of("2026-11-24", &[("p1", &bill.no, 40_000, 'R')]);
    reconcile(&world, &bank, &back).await;
    assert_eq!(world.refunds().await[0].state, RefundState::Done);
    reconcile(&world, &bank, &listed).await;
    let line = told(&world, &bank, TODAY, "p1").await;
    assert_eq!(
        line,
        ["SHORT", "REFUSED", "RETURNED", &number],
        "the newest file"
    );
    assert!(world.is_paid(&person).await);
    world.settles().await;
}

/// Nothing stands in the way any more, whatever it was refused for: the money insures.
#[tokio::test(flavor = "multi_thread")]
async fn refused_money_that_is_listed_fills_a_free_slot() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Sm2).await;
    let other = Bank::new(&world, "BANK02", CallScheme::Rsa).await;
    let [locked, dead, undone] = [0, 1, 2].map(|n| world.people[n].clone());
    let bill = other.bill(&world, &locked).await;
    other.collect(&world, &bill, "c1").await.accepted();
    bank.pay(&world, &bank.bill(&world, &locked).await, "p1")
        .await
        .is_refused("LOCKED");
    let second = bank.bill(&world, &dead).await;
    assert_eq!(bank.status(&world, "p2").await, "NOT_FOUND");
    bank.pay(&world, &second, "p2")
        .await
        .is_refused("TOMBSTONE");
    let third = bank.bill(&world, &undone).await;
    bank.reverse(&world, "p3", 40_000).await.decided();
    world.turn(14 * HOUR);
    let rows = [
        ("p1", &*bill.no, 40_000, 'P'),
        ("p2", &*second.no, 40_000, 'P'),
        ("p3", &*third.no, 40_000, 'P'),
    ];
    reconcile(&world, &bank, &file(&rows)).await;
    for (person, seq, state) in [
        (&locked, "p1", "REFUSED"),
        (&dead, "p2", "NOT_FOUND"),
        (&undone, "p3", "NOT_FOUND"),
    ] {
        assert!(world.is_paid(person).await, "{seq}");
        let line = told(&world, &bank, TODAY, seq).await;
        assert_eq!(line, ["LONG", state, "PREMIUM", ""]);
    }
    assert_eq!(world.cases().await, [CaseKind::DayFile; 3]);
    // A promise of status was about the call, and holds.
    assert_eq!(bank.status(&world, "p2").await, "NOT_FOUND");
    assert_eq!(bank.status(&world, "p3").await, "REVERSED");
    world.holds().await;
    // The day's next file undoes one of them; of another day, it would be for staff.
    let mut next = rows.to_vec();
    next.push(("p1", &bill.no, 40_000, 'R'));
    reconcile(&world, &bank, &file(&next)).await;
    assert!(!world.is_paid(&locked).await);
    world.turn(DAY);
    let late = file_of("2026-11-23", &[("p2", &second.no, 40_000, 'R')]);
    reconcile(&world, &bank, &late).await;
    assert!(world.is_paid(&dead).await);
    let cases: BTreeSet<CaseKind> = world.cases().await.into_iter().collect();
    assert!(cases.contains(&CaseKind::ForeignRefund), "{cases:?}");
    world.settles().await;
}

/// No call has ever named these serials.
#[tokio::test(flavor = "multi_thread")]
async fn a_serial_that_was_never_heard_of_is_booked_by_its_bill() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let (one, two) = (world.people[0].clone(), world.people[1].clone());
    let first = bank.bill(&world, &one).await;
    let second = bank.bill(&world, &two).await;
    world.turn(14 * HOUR);
    let twice = file(&[
        ("n1", &first.no, 40_000, 'P'),
        ("n1", &first.no, 40_000, 'P'),
    ]);
    let refused = bank.send(&world, "reconcile", twice, plain("utf-8")).await;
    refused.is_error(400, "BAD_REQUEST");
    assert_eq!(refused.json["field"], "line 3");
    let rows = [
        ("n1", &*first.no, 40_000, 'P'),
        ("n2", &*second.no, 39_000, 'P'),
        ("n3", "B1", 40_000, 'P'),
    ];
    reconcile(&world, &bank, &file(&rows)).await;
    assert!(world.is_paid(&one).await && !world.is_paid(&two).await);
    assert_eq!(told(&world, &bank, TODAY, "n1").await[2], "PREMIUM");
    assert_eq!(told(&world, &bank, TODAY, "n2").await[2], "GIVE_BACK");
    assert_eq!(
        told(&world, &bank, TODAY, "n3").await[2],
        "",
        "money of nobody"
    );
    let mut kinds = vec![CaseKind::DayFile; 3];
    kinds.push(CaseKind::WrongAmount);
    assert_eq!(world.cases().await, kinds);
    // A call that comes late has nothing to say any more.
    let late = bank.bill(&world, &two).await;
    bank.pay(&world, &late, "n2").await.is_refused("TOMBSTONE");
    bank.pay(&world, &late, "n1").await.is_refused("TOMBSTONE");
    assert_eq!(bank.status(&world, "n1").await, "NOT_FOUND");
    bank.pay(&world, &late, "p1").await.accepted();
    assert_eq!(facts(&world).await.len(), 2);
    world.settles().await;
}
