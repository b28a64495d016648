//! A bank's machine at the hour at which the region's calendar closes.

use super::Bank;
use crate::calendars::before_closing;
use crate::harness::{MINUTE, World};
use jiaoyi_crypto::CallScheme;

const FOR_MACHINES: &str =
    "[[calendar]]\nchannel = \"A7\"\nhours = [\"09:00\", \"15:00\"]\n[benefit]";
const AGAIN: &str = "2026-11-23T09:00:00+08:00";

async fn at(world: &World, bank: &Bank, seq: &str, n: usize, ago: i64) -> super::Reply {
    let bill = bank.bill(world, &world.people[n].clone()).await;
    let mut body = bank.pay_body(world, &bill, seq);
    body["paid_at"] = world.now().plus_ms(-ago).rfc3339().into();
    bank.call(world, "pay", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_acted_in_the_hours_is_in_time_and_nobody_begins_after() {
    let mut world = before_closing(FOR_MACHINES).await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut counter = bank.clone();
    counter.channel = "A8";
    let person = world.people[0].clone();
    world.turn(9 * MINUTE);
    let bill = bank.bill(&world, &person).await;
    bank.collect(&world, &bill, "c1").await.accepted();
    world.turn(2 * MINUTE);
    // Locked before the hours ended: what the machine has begun it may end.
    bank.pay(&world, &bill, "p1").await.accepted();
    assert!(world.is_paid(&person).await);

    // The payer acted before, the call comes after.
    at(&world, &bank, "p2", 1, 2 * MINUTE).await.accepted();
    let seen = bank.query(&world, &world.people[2].clone()).await;
    let told = &seen.decided()["bills"][0];
    assert_eq!(
        (&told["status"], &told["opens_at"]),
        (&"NOT_YET".into(), &AGAIN.into())
    );
    let late = at(&world, &bank, "p3", 2, 0).await;
    late.is_refused("OUTSIDE_HOURS");
    assert_eq!(late.json["opens_at"], AGAIN, "{}", late.text);
    let bill = bank.bill(&world, &world.people[2].clone()).await;
    let locked = bank.collect(&world, &bill, "c3").await;
    locked.is_refused("OUTSIDE_HOURS");
    assert_eq!(locked.json["opens_at"], AGAIN, "{}", locked.text);
    // It is the machines' calendar, not the counters'.
    at(&world, &counter, "p4", 2, 0).await.accepted();
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_institution_outside_of_its_own_hours_reads_from_when() {
    let mut world = World::new().await;
    let bank = Bank::with(&world, "BANK01", CallScheme::Rsa, |terms| {
        (terms.hours_from, terms.hours_until) = (11 * 60, 17 * 60);
    })
    .await;
    let early = at(&world, &bank, "p1", 0, 0).await;
    early.is_refused("OUTSIDE_HOURS");
    assert_eq!(
        early.json["opens_at"], "2026-11-22T11:00:00+08:00",
        "{}",
        early.text
    );
    world.settles().await;
}
