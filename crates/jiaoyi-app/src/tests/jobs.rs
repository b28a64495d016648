//! What the jobs finish when whoever began it did not.

use super::desk::*;
use super::pay::start;
use super::receiver::Receiver;
use crate::limits::Budgets;
use crate::portal::{OrderStatus, Portal};
use crate::verify::tests::world::counted;
use jiaoyi_crypto::Keyring;
use jiaoyi_crypto::keyring::verify_checkpoint;
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::audit::Checkpoint;
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::channel::{CloseOutcome, Method, RefundOutcome};
use jiaoyi_domain::decide::RecordTransfer;
use jiaoyi_domain::messages::{Outbox, OutboxState};
use jiaoyi_domain::time::{MINUTE_MS, SECOND_MS};
use jiaoyi_domain::voucher::Voucher;
use std::time::Duration;

impl Desk {
    /// The topics of messages that are still to be sent.
    async fn unsent(&self) -> Vec<String> {
        let rows: Vec<Outbox> = self.platform.store.all().await.unwrap();
        let waiting = rows.iter().filter(|row| row.state == OutboxState::Waiting);
        let mut topics: Vec<String> = waiting.map(|row| row.topic.code().to_owned()).collect();
        topics.sort();
        topics
    }
}

#[tokio::test]
async fn an_order_that_was_not_placed_is_placed_by_the_jobs() {
    let desk = Desk::new("place-later", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let bill = desk.bill(1, 1, COUNTY).await;
    desk.wechat.hang(true);
    let request = start(&bill, Method::WechatNative, "f");
    let payer = visitor(1);
    let starting = desk.platform.start(&payer, request);
    let waits = Duration::from_millis(200);
    assert!(tokio::time::timeout(waits, starting).await.is_err());
    desk.wechat.hang(false);
    desk.wechat.take_asked();
    assert_eq!(desk.unsent().await, ["create"]);
    desk.turn(MINUTE_MS);
    desk.platform.work().await.unwrap();
    let told = desk.wechat.take_asked();
    assert!(told[0].starts_with("wechat is asked to create"), "{told:?}");
    assert_eq!(desk.attempts().await[0].state, AttemptState::Offered);
    assert_eq!(desk.unsent().await, [""; 0]);
}

#[tokio::test]
async fn a_close_is_asked_for_until_it_is_answered() {
    let mut desk = Desk::new("close-later", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let token = desk.started(1, 1, Method::WechatNative).await;
    desk.wechat.answers().close = CloseOutcome::Unknown {
        why: "timeout".to_owned(),
    };
    desk.platform.cancel(&visitor(1), &token).await.unwrap();
    for close in [None, Some(CloseOutcome::Closed)] {
        assert_eq!(desk.unsent().await, ["close"]);
        if let Some(close) = close {
            desk.wechat.answers().close = close;
        }
        desk.turn(10 * MINUTE_MS);
        desk.platform.work().await.unwrap();
    }
    assert_eq!(desk.unsent().await, [""; 0]);
}

/// Without anybody to send text messages nothing waits for it.
#[tokio::test]
async fn no_message_is_left_behind_where_no_texts_are_sent() {
    let mut desk = Desk::new("no-texts", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let first = desk.paid_twice(1).await;
    desk.wechat.answers().refund = RefundOutcome::Done {
        amount: desk.attempts().await[0].amount,
        at: desk.platform.now(),
    };
    assert_eq!(desk.unsent().await, ["close", "sms_paid"]);
    for _ in 0..4 {
        desk.platform.work().await.unwrap();
        desk.turn(30 * SECOND_MS);
    }
    let order = desk.order(1, &first).await;
    assert_eq!(order.status, OrderStatus::Refunded);
    assert_eq!(desk.unsent().await, [""; 0]);
}

/// The insured are told what was paid for them and what goes back, once, by the number of each.
#[tokio::test]
async fn the_insured_are_told_by_text_message() {
    let receiver = Receiver::start().await;
    let toml = format!(
        "[sms]\nbase_url = \"{}\"\nkey = \"key\"\n",
        receiver.base_url
    );
    let keyring = Keyring::generate(&mut counted(9));
    let mut desk = Desk::open("texts", Budgets::OFF, keyring, &toml).await;
    desk.roster(1, vec![row(1, COUNTY), row(2, COUNTY)]).await;
    // The service is away at first: the message is sent once more.
    receiver.answers(&[503, 200]);
    let first = desk.paid_twice(1).await;
    desk.wechat.answers().refund = RefundOutcome::Done {
        amount: desk.attempts().await[0].amount,
        at: desk.platform.now(),
    };
    for _ in 0..6 {
        desk.platform.work().await.unwrap();
        desk.turn(30 * SECOND_MS);
    }
    let told = receiver.taken();
    let vouchers: Vec<Voucher> = desk.platform.store.all().await.unwrap();
    let number = vouchers[0].voucher_no.as_str();
    let refund = desk.order(1, &first).await.refund.unwrap();
    let of = |id: &str| {
        told.iter()
            .filter(|body| body["id"] == id)
            .collect::<Vec<_>>()
    };
    let paid = of(number);
    assert_eq!(paid.len(), 2, "{told:?}");
    for body in paid {
        let text = body["text"].as_str().unwrap();
        let printed = vouchers[0].voucher_no.to_string();
        assert!(text.contains("400.00") && text.contains(&printed), "{text}");
        assert_eq!(body["to"], "13800130421");
    }
    let back = of(&refund.refund_no);
    assert_eq!((back.len(), told.len()), (1, 3), "{told:?}");
    let text = back[0]["text"].as_str().unwrap();
    assert!(
        text.contains("原路退回") && text.contains(&refund.refund_no),
        "{text}"
    );
    assert_eq!(back[0]["to"], "13800130421");
    assert_eq!(desk.unsent().await, [""; 0]);
    // What it refuses for good is not sent again. What staff paid is told in other words.
    receiver.answers(&[400]);
    desk.paid_twice(2).await;
    desk.wechat.answers().refund = RefundOutcome::Abnormal {
        code: "ABNORMAL".to_owned(),
    };
    for _ in 0..3 {
        desk.platform.work().await.unwrap();
        desk.turn(30 * SECOND_MS);
    }
    assert_eq!(receiver.taken().len(), 1);
    let waiting = desk.platform.refunds_for_staff().await.unwrap().remove(0);
    let paid = Paid::new("ICBC-1", START.date(), None, "li").unwrap();
    let refund_no = waiting.refund_no;
    let command = RecordTransfer { refund_no, paid };
    desk.platform.submit(command).await.unwrap();
    desk.platform.work().await.unwrap();
    let told = receiver.taken();
    let text = told[0]["text"].as_str().unwrap();
    assert!(
        text.contains("银行转账") && text.contains("2026-11-18"),
        "{text}"
    );
    assert_eq!((told.len(), desk.unsent().await.len()), (1, 0));
}

/// A checkpoint states how far each chain is, signed.
#[tokio::test]
async fn a_checkpoint_states_every_chain() {
    let mut desk = Desk::new("checkpoint", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    desk.started(1, 1, Method::WechatNative).await;
    desk.turn(1);
    desk.platform.checkpoint().await.unwrap();
    let heads = desk.platform.store.query("chain_heads", &[]).await.unwrap();
    let rows: Vec<Checkpoint> = desk.platform.store.all().await.unwrap();
    let [made] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!(made.at, desk.platform.now());
    // A line for the head of each chain, below the one that tells the time.
    assert!(!heads.is_empty());
    assert_eq!(made.heads.lines().count(), heads.len() + 1);
    let own = desk.platform.keyring.audit_public();
    let other = Keyring::generate(&mut counted(3));
    for (key, signed) in [(own, true), (other.audit_public(), false)] {
        let checked = verify_checkpoint(key, made.heads.as_bytes(), &made.signature);
        assert_eq!(checked.is_ok(), signed);
    }
}

/// More than one pass takes on: the next goes on where it ended, and no voucher stays unsigned.
#[tokio::test]
async fn every_voucher_is_signed_however_many_there_are() {
    let desk = Desk::new("sign", Budgets::OFF).await;
    let rows: Vec<_> = (1..=510).map(|number| row(number, COUNTY)).collect();
    desk.roster(1, rows.clone()).await;
    for row in &rows {
        let paid = desk
            .platform
            .pay_made(&row.document, format!("t{}", row.number));
        assert!(paid.await.unwrap());
        desk.turn(1);
    }
    desk.turn(MINUTE_MS);
    let mut passes = Vec::new();
    for _ in 0..3 {
        passes.push(desk.platform.work().await.unwrap().signed);
    }
    assert_eq!(passes, [500, 10, 0]);
    let vouchers: Vec<Voucher> = desk.platform.store.all().await.unwrap();
    assert_eq!(vouchers.len(), 510);
}
