//! Events sent to an institution: over a real connection, to a receiver that takes them or does not.

use super::calls::Bank;
use super::desk::*;
use super::receiver::Receiver;
use crate::limits::Budgets;
use jiaoyi_domain::decide::{Delivery, PutWebhook};
use jiaoyi_domain::hook::{HookEvent, HookState};
use jiaoyi_domain::institution::{Institution, Keeper};
use jiaoyi_domain::time::{HOUR_MS, SECOND_MS};
use serde_json::json;

impl Bank {
    async fn is_told_at(&self, url: &str) {
        let put = PutWebhook {
            by: Keeper::Staff,
            inst_id: "BANK01".to_owned(),
            url: url.to_owned(),
        };
        self.desk.platform.submit(put).await.unwrap();
        self.desk.platform.reload_institutions().await.unwrap();
    }

    /// Person `number` pays at the bank: two events.
    async fn takes(&mut self, number: u16) {
        let (_, bill) = self.bill_of(number).await;
        let pay = self.paying(&format!("p{number}"), &bill);
        self.call("pays", "pay", pay).await;
    }

    async fn tell(&self) -> u32 {
        self.desk.platform.tell_institutions().await.unwrap()
    }

    async fn states(&self) -> Vec<(HookState, u32)> {
        let rows: Vec<HookEvent> = self.desk.platform.store.all().await.unwrap();
        let mut states: Vec<_> = rows.iter().map(|row| (row.state, row.tries)).collect();
        states.sort();
        states
    }
}

#[tokio::test]
async fn events_are_sent_until_they_are_taken() {
    let receiver = Receiver::start().await;
    let mut bank = Bank::new("hooks", Budgets::OFF).await;
    let rows = (1..=20).map(|number| row(number, COUNTY)).collect();
    bank.desk.roster(1, rows).await;
    bank.is_told_at("").await;
    bank.takes(1).await;
    assert_eq!(bank.tell().await, 0, "it is told nothing");
    bank.is_told_at(&receiver.url("events")).await;
    bank.takes(2).await;
    assert_eq!(bank.tell().await, 2);
    let mut kinds: Vec<String> = receiver
        .taken()
        .iter()
        .map(|body| format!("{} {}", body["kind"], body["seq"]))
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["\"payment\" \"p2\"", "\"voucher_issued\" \"p2\""]);
    assert_eq!(bank.states().await, [(HookState::Delivered, 1); 2]);
    assert_eq!(bank.tell().await, 0, "nothing is due");
    // A receiver that took everything is told of the next event at once.
    bank.takes(3).await;
    assert_eq!(bank.tell().await, 2);
    // One of two is not taken: the receiver is left alone, for longer each time it takes nothing.
    bank.takes(4).await;
    receiver.answers(&[200, 503]);
    assert_eq!(bank.tell().await, 2);
    bank.takes(5).await;
    bank.desk.turn(5 * SECOND_MS - 1);
    assert_eq!(bank.tell().await, 0, "it is left alone");
    bank.desk.turn(1);
    receiver.answers(&[503; 3]);
    let sent = bank.tell().await;
    assert!(sent >= 2, "{sent}");
    bank.takes(6).await;
    bank.desk.turn(5 * SECOND_MS);
    assert_eq!(bank.tell().await, 0, "twice as long");
    // With the first that is taken the waits begin anew.
    bank.desk.turn(HOUR_MS);
    receiver.answers(&[200, 503, 503]);
    assert_eq!(bank.tell().await, 5);
    receiver.answers(&[]);
    bank.takes(7).await;
    bank.desk.turn(5 * SECOND_MS);
    assert!(bank.tell().await >= 2, "the first wait is short again");
    bank.desk.turn(HOUR_MS);
    bank.tell().await;
    let states = bank.states().await;
    assert!(
        states
            .iter()
            .all(|(state, _)| *state == HookState::Delivered),
        "{states:?}"
    );
}

/// Sixteen at once are on their way to one receiver; when it takes none, the others stay at home.
#[tokio::test]
async fn a_receiver_that_takes_nothing_gets_no_more() {
    let receiver = Receiver::start().await;
    let mut bank = Bank::new("silent", Budgets::OFF).await;
    let rows = (1..=20).map(|number| row(number, COUNTY)).collect();
    bank.desk.roster(1, rows).await;
    bank.is_told_at(&receiver.url("events")).await;
    for number in 1..=9 {
        bank.takes(number).await;
        bank.desk.turn(1);
    }
    receiver.answers(&[500; 18]);
    assert_eq!(bank.tell().await, 16);
    receiver.answers(&[]);
    bank.desk.turn(HOUR_MS);
    receiver.taken();
    assert_eq!(bank.tell().await, 18);
    assert_eq!(receiver.taken().len(), 18);
    // Its own page lists the newest of them first.
    let token = bank.desk.link("BANK01").await;
    bank.desk.opens(1, &token).await;
    let view = bank.desk.view(&token).await;
    assert_eq!(view.events.len(), 18);
    assert!(view.events.is_sorted_by(|a, b| a.at >= b.at));
    // Asked for, all of them are listed, a part of them with the word that there are more.
    for (limit, more) in [(18, false), (17, true)] {
        let listed = bank.call("lists", "events", json!({"limit": limit})).await;
        assert_eq!(listed["events"].as_array().unwrap().len(), limit);
        assert_eq!(listed["more"], more);
    }
}

#[tokio::test]
async fn a_test_says_that_it_is_one() {
    let receiver = Receiver::start().await;
    let bank = Bank::new("test", Budgets::OFF).await;
    bank.is_told_at(&receiver.url("events")).await;
    let institutions: Vec<Institution> = bank.desk.platform.store.all().await.unwrap();
    for (status, taken) in [(200, true), (204, true), (302, false), (404, false)] {
        receiver.answers(&[status]);
        let delivery = bank.desk.platform.test_webhook(&institutions[0]).await;
        let is_taken = matches!(delivery, Delivery::Delivered { .. });
        assert_eq!(is_taken, taken, "{delivery:?}");
        let body = receiver.taken().remove(0);
        assert_eq!(
            (&body["kind"], &body["inst_id"]),
            (&json!("test"), &json!("BANK01"))
        );
        assert_eq!(body["at"], bank.desk.platform.now().rfc3339());
        assert!(body["event_id"].as_str().unwrap().len() > 20, "{body}");
    }
    assert_eq!(bank.states().await, [], "nothing is kept of it");
}
