//! Many at once: each bill is paid once, whoever wins, and what was promised holds.

use super::Bank;
use crate::harness::points::{Deed, Edge, Points};
use crate::harness::{Channel, MINUTE, Payer, Setup, World};
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::due::Slot;
use serde_json::json;
use std::sync::Arc;

/// Many institutions and a wallet contest the same bills at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn contested_bills_are_paid_once() {
    let mut world = World::new().await;
    let mut banks = Vec::new();
    for n in 0..6 {
        banks.push(Bank::new(&world, &format!("BANK{n:02}"), CallScheme::Rsa).await);
    }
    let mut bills = Vec::new();
    for person in world.people.clone() {
        bills.push(banks[0].bill(&world, &person).await);
    }
    let mut calls = Vec::new();
    for (n, bill) in bills.iter().enumerate() {
        for bank in &banks {
            let mut body = bank.pay_body(&world, bill, &format!("p{n}"));
            body["query_token"] = json!(null);
            // Twice at once: the second is the same call.
            for _ in 0..2 {
                calls.push(bank.call(&world, "pay", body.clone()));
            }
        }
    }
    let replies = futures(calls).await;
    let accepted = |reply: &&super::Reply| reply.json["state"] == "ACCEPTED";
    assert_eq!(replies.iter().filter(accepted).count(), 2 * bills.len());
    for pair in replies.chunks(2) {
        assert_eq!(pair[0].text, pair[1].text, "a repeat is answered alike");
    }
    let slots: Vec<Slot> = world.platform.store.all().await.expect("rows");
    assert_eq!(slots.len(), bills.len());
    world.settles().await;
}

/// Runs all of them at once.
async fn futures<F: Future>(calls: Vec<F>) -> Vec<F::Output> {
    let mut calls: Vec<_> = calls.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = calls.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (call, done) in calls.iter_mut().zip(&mut done) {
            if done.is_none() {
                match call.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *done = Some(output),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    done.into_iter()
        .map(|done| done.expect("it is done"))
        .collect()
}

/// Pay, status and reverse of the same serials at once: what each heard fits together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_reversals_keeps_its_promises() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    for round in 0..6 {
        let mut storms = Vec::new();
        for (n, person) in world.people.clone().into_iter().enumerate() {
            let bill = bank.bill(&world, &person).await;
            let (bank, world) = (&bank, &world);
            storms.push(async move {
                let seq = format!("p{round}-{n}");
                let calls = async {
                    let body = bank.pay_body(world, &bill, &seq);
                    let pay = bank.call(world, "pay", body.clone());
                    let undo = bank.reverse(world, &seq, 40_000);
                    let repeat = bank.call(world, "pay", body);
                    tokio::join!(pay, undo, repeat)
                };
                let (paid, undone, _) = calls.await;
                assert_eq!(undone.decided()["state"], "REVERSED", "{}", undone.text);
                let was_undone = undone.json["undone"] == true;
                let was_paid = paid.decided()["state"] == "ACCEPTED";
                assert!(!was_undone || was_paid || paid.json["reason"] == "TOMBSTONE");
                assert_eq!(bank.status(world, &seq).await, "REVERSED", "a promise");
                let late = bank.pay(world, &bill, &seq).await;
                late.is_refused("TOMBSTONE");
            });
        }
        futures(storms).await;
        for person in world.people.clone() {
            assert!(!world.is_paid(&person).await);
        }
        world.turn(MINUTE);
    }
    for person in world.people.clone() {
        let bill = bank.bill(&world, &person).await;
        let seq = bank.seq();
        bank.pay(&world, &bill, &seq).await.accepted();
    }
    world.settles().await;
}

/// CORE.md 9 a: the process dies at every commit in turn, between claim and decision too. The bank
/// asks or undoes; whatever it is told is true afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_death_between_claim_and_decision_leaves_a_promise_that_holds() {
    for (edge, deed) in [
        (Edge::Before, Deed::Fail),
        (Edge::After, Deed::Fail),
        (Edge::Before, Deed::Crash),
        (Edge::After, Deed::Crash),
    ] {
        for then in 0..3 {
            die_and_go_on(edge, deed, then).await;
        }
    }
}

/// One bank dies on us at the claim of a payment, and at the decision of another.
async fn die_and_go_on(edge: Edge, deed: Deed, then: u8) {
    let points = Points::armed(edge, deed);
    let mut world = World::with(Setup {
        points: Some(Arc::clone(&points)),
        ..Setup::default()
    })
    .await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    for (n, person) in world.people.clone().into_iter().enumerate().take(2) {
        let bill = bank.bill(&world, &person).await;
        let seq = format!("p{n}");
        let body = bank.pay_body(&world, &bill, &seq);
        points.switch(true);
        let first = bank.try_call(&world, "pay", body.clone()).await;
        points.switch(false);
        let heard = first.is_some_and(|reply| reply.status == 200);
        assert!(!heard, "nothing struck: {edge:?} {deed:?} {n}");
        match then {
            0 => {
                // The same again, until it is heard.
                bank.call(&world, "pay", body).await.accepted();
                assert_eq!(bank.status(&world, &seq).await, "SUCCESS");
            }
            1 => {
                let told = bank.status(&world, &seq).await;
                let again = bank.call(&world, "pay", body).await;
                match told.as_str() {
                    "SUCCESS" => assert_eq!(again.accepted()["seq"], seq.as_str()),
                    "NOT_FOUND" => again.is_refused("TOMBSTONE"),
                    other => panic!("{other}"),
                }
            }
            _ => {
                bank.reverse(&world, &seq, 40_000).await.decided();
                bank.call(&world, "pay", body).await.is_refused("TOMBSTONE");
                assert!(!world.is_paid(&person).await);
            }
        }
    }
    let struck = points.struck();
    for point in ["command claim_seq", "command pay_bill"] {
        assert!(struck.contains(point), "{struck:?}");
    }
    world.settles().await;
}

/// A wallet's success and the bank's reversal at the same moment, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wallet_and_a_reversal_meet() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    for (n, person) in world.people.clone().into_iter().enumerate() {
        let mut payer = Payer::new(&world);
        let wallet = payer
            .walk_to_wallet(&world, &person, Channel::Unionpay)
            .await;
        payer.cancel(&wallet.order).await;
        let bill = bank.bill(&world, &person).await;
        let seq = format!("p{n}");
        bank.pay(&world, &bill, &seq).await.accepted();
        let undo = bank.reverse(&world, &seq, 40_000);
        let ((), undone) = tokio::join!(
            async {
                payer.press(&wallet, "pay").await;
            },
            undo
        );
        assert_eq!(undone.decided()["undone"], true);
        world.pass(2_000).await;
        assert!(
            world.is_paid(&person).await,
            "insured by the wallet's money"
        );
        payer.order(&wallet.order).await.is("order.paid");
    }
    world.settles().await;
}
