//! Money by the biller API: paid, refused, undone, and never twice.

use super::Bank;
use crate::harness::{Channel, MINUTE, Payer, SECOND, Setup, World};
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::biller::{BillerCall, Claim};
use jiaoyi_domain::refund::RefundState;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_bill_is_queried_locked_paid_and_told_of_in_both_schemes() {
    for scheme in [CallScheme::Rsa, CallScheme::Sm2] {
        let mut world = World::new().await;
        let bank = Bank::new(&world, "BANK01", scheme).await;
        let person = world.people[0].clone();
        let bill = bank.bill(&world, &person).await;
        assert_eq!((bill.amount_fen, bill.status.as_str()), (40_000, "PAYABLE"));
        let locked = bank.collect(&world, &bill, "c1").await;
        let until = world.now().plus_ms(3 * MINUTE).rfc3339();
        assert_eq!(locked.accepted()["lock_until"], until.as_str());
        let paid = bank.pay(&world, &bill, "p1").await;
        assert_eq!(
            paid.accepted()["reversible_until"],
            "2026-11-22T23:10:00+08:00"
        );
        assert!(world.is_paid(&person).await);
        assert_eq!(bank.status(&world, "p1").await, "SUCCESS");
        assert_eq!(bank.bill(&world, &person).await.status, "PAID");
        let again = bank.pay(&world, &bill, "p1").await;
        assert_eq!(again.text, paid.text, "word for word");
        bank.pay(&world, &bill, "p2")
            .await
            .is_refused("ALREADY_PAID");
        // What is printed on the bank's receipt opens the voucher.
        let (number, code) = (paid.text_of("voucher_no"), paid.text_of("check_code"));
        let url = format!("{}/v/{number}", world.portal);
        let form = format!("c={code}");
        let page = Payer::new(&world).go(&url, Some(form)).await;
        page.says("400.00").says("ATM");
        world.settles().await;
    }
}

/// CORE.md 9 a: asked for before it came; what was promised holds.
#[tokio::test(flavor = "multi_thread")]
async fn what_status_or_reverse_promised_refuses_the_late_original() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    assert_eq!(bank.status(&world, "p1").await, "NOT_FOUND");
    bank.pay(&world, &bill, "p1").await.is_refused("TOMBSTONE");
    assert_eq!(bank.status(&world, "p1").await, "NOT_FOUND");
    let undone = bank.reverse(&world, "p2", 40_000).await;
    assert_eq!(
        (&undone.decided()["state"], &undone.json["undone"]),
        (&json!("REVERSED"), &json!(false))
    );
    bank.pay(&world, &bill, "p2").await.is_refused("TOMBSTONE");
    assert_eq!(bank.status(&world, "p2").await, "REVERSED");
    assert!(!world.is_paid(&person).await);
    bank.pay(&world, &bill, "p3").await.accepted();
    world.settles().await;
}

/// CORE.md 9 b: the reversal finds its original wherever it was decided, and frees the bill.
#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_frees_the_bill_for_the_next_payer() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let other = Bank::new(&world, "BANK02", CallScheme::Rsa).await;
    for (n, person) in world.people.clone().into_iter().enumerate() {
        let bill = bank.bill(&world, &person).await;
        let seq = format!("p{n}");
        bank.pay(&world, &bill, &seq).await.accepted();
        bank.reverse(&world, &seq, 39_999)
            .await
            .is_refused("AMOUNT_MISMATCH");
        let undone = bank.reverse(&world, &seq, 40_000).await;
        assert_eq!(undone.decided()["undone"], true);
        assert_eq!(bank.status(&world, &seq).await, "REVERSED");
        bank.pay(&world, &bill, &seq).await.is_refused("TOMBSTONE");
        assert!(!world.is_paid(&person).await);
        let bill = other.bill(&world, &person).await;
        assert_eq!(bill.status, "PAYABLE");
        if n % 2 == 0 {
            other.pay(&world, &bill, &seq).await.accepted();
            assert!(
                world.is_paid(&person).await,
                "the other's serial is another"
            );
        } else {
            let page = Payer::new(&world)
                .pay(&world, &person, Channel::Wechat)
                .await;
            page.is("order.paid");
            assert!(world.is_paid(&person).await);
        }
    }
    world.settles().await;
}

/// CORE.md 9 c: one serial for two bills in two places.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_repeat_is_its_own_error_and_changes_nothing() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let (one, two) = (world.people[0].clone(), world.people[1].clone());
    let (first, second) = (bank.bill(&world, &one).await, bank.bill(&world, &two).await);
    let paid = bank.pay(&world, &first, "p1").await;
    paid.accepted();
    bank.pay(&world, &second, "p1")
        .await
        .is_error(409, "DUPLICATE_MISMATCH");
    assert!(!world.is_paid(&two).await);
    let mut changed = bank.pay_body(&world, &first, "p1");
    changed["amount_fen"] = json!(1);
    bank.call(&world, "pay", changed)
        .await
        .is_error(409, "DUPLICATE_MISMATCH");
    bank.collect(&world, &second, "p1")
        .await
        .is_error(409, "DUPLICATE_MISMATCH");
    let reverse = bank.reverse_body(&world, "r1", "unknown", 40_000);
    bank.call(&world, "reverse", reverse).await.decided();
    let changed = bank.reverse_body(&world, "r1", "p1", 40_000);
    bank.call(&world, "reverse", changed)
        .await
        .is_error(409, "DUPLICATE_MISMATCH");
    assert_eq!(bank.status(&world, "p1").await, "SUCCESS");
    // Written otherwise and saying the same is the same.
    let spaced = serde_json::to_string_pretty(&bank.pay_body(&world, &first, "p1"));
    let again = bank
        .send(&world, "pay", spaced.expect("JSON"), Default::default())
        .await;
    assert_eq!(again.text, paid.text);
    world.settles().await;
}

/// CORE.md 9 d: a refusal is final for its serial, and a repeat is signed freshly.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final_for_its_serial() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let other = Bank::new(&world, "BANK02", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let bill = other.bill(&world, &person).await;
    other.collect(&world, &bill, "c1").await.accepted();
    let mine = bank.bill(&world, &person).await;
    assert_eq!(mine.status, "LOCKED");
    let refused = bank.pay(&world, &mine, "p1").await;
    refused.is_refused("LOCKED");
    assert_eq!(refused.json["lock"]["channel"], "A7");
    let body = bank.pay_body(&world, &mine, "p1");
    let release = json!({
        "seq": "l1", "trace_date": "2026-11-22", "bill_no": bill.no, "channel": "A7",
    });
    let freed = other.call(&world, "release", release).await;
    assert_eq!(freed.accepted()["released"], true);
    world.turn(6 * MINUTE);
    let again = bank.call(&world, "pay", body).await;
    assert_eq!(
        again.text, refused.text,
        "six minutes later, freshly signed, word for word"
    );
    bank.pay(&world, &mine, "p2").await.accepted();
    world.settles().await;
}

/// CORE.md 7, variant m1: the ATM pays, the wallet's late success comes, the ATM undoes: the
/// wallet's money insures, and nothing goes back.
#[tokio::test(flavor = "multi_thread")]
async fn the_wallet_takes_the_place_of_what_the_bank_undid() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer
        .walk_to_wallet(&world, &person, Channel::Unionpay)
        .await;
    payer.cancel(&wallet.order).await;
    let bill = bank.bill(&world, &person).await;
    bank.pay(&world, &bill, "p1").await.accepted();
    payer.press(&wallet, "pay").await;
    world.pass(2 * SECOND).await;
    let held = world.refunds().await;
    assert_eq!((held.len(), held[0].state), (1, RefundState::Held));
    assert_eq!(
        held[0].held_until.map(|at| at.rfc3339()).as_deref(),
        Some("2026-11-22T23:10:00+08:00")
    );
    world.pass(10 * MINUTE).await;
    assert_eq!(
        world.refunds().await[0].state,
        RefundState::Held,
        "it waits for the bank's day"
    );
    let undone = bank.reverse(&world, "p1", 40_000).await;
    assert_eq!(undone.decided()["undone"], true);
    assert!(world.is_paid(&person).await);
    payer.order(&wallet.order).await.is("order.paid");
    let refunds = world.refunds().await;
    assert_eq!(
        (refunds.len(), refunds[0].state),
        (1, RefundState::Cancelled)
    );
    assert_eq!(world.trade(&wallet).await["refunded_fen"], json!(0));
    let bill = bank.bill(&world, &person).await;
    bank.pay(&world, &bill, "p2")
        .await
        .is_refused("ALREADY_PAID");
    world.settles().await;
}

/// The same without an undoing: when the bank's day has closed, the wallet's money goes back.
#[tokio::test(flavor = "multi_thread")]
async fn surplus_beside_a_bank_goes_back_when_its_day_has_closed() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer
        .walk_to_wallet(&world, &person, Channel::Unionpay)
        .await;
    payer.cancel(&wallet.order).await;
    let bill = bank.bill(&world, &person).await;
    bank.pay(&world, &bill, "p1").await.accepted();
    payer.press(&wallet, "pay").await;
    world.pass(2 * SECOND).await;
    world.pass(13 * 60 * MINUTE + 9 * MINUTE).await;
    assert_eq!(world.refunds().await[0].state, RefundState::Held, "23:09");
    world.pass(2 * MINUTE).await;
    world.pass(5 * SECOND).await;
    assert_eq!(world.refunds().await[0].state, RefundState::Done);
    let mut late = bank.reverse_body(&world, "r1", "p1", 40_000);
    late["trace_date"] = json!("2026-11-23");
    bank.call(&world, "reverse", late)
        .await
        .is_refused("USE_REFUND");
    assert!(world.is_paid(&person).await);
    world.settles().await;
}

/// m1 in the other order: the wallet was first, so the bank is refused and keeps nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_is_refused_undoes_nothing() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    let page = Payer::new(&world)
        .pay(&world, &person, Channel::Wechat)
        .await;
    page.is("order.paid");
    let refused = bank.pay(&world, &bill, "p1").await;
    refused.is_refused("ALREADY_PAID");
    assert_eq!(refused.json["paid"]["channel"], "wechat");
    let undone = bank.reverse(&world, "p1", 40_000).await;
    assert_eq!(undone.decided()["undone"], false);
    assert_eq!(bank.status(&world, "p1").await, "REFUSED");
    assert!(world.is_paid(&person).await);
    world.settles().await;
}

/// CORE.md 16: a query locks nothing, a collect ends by itself, and a pay after that is judged
/// anew.
#[tokio::test(flavor = "multi_thread")]
async fn only_collect_locks_and_its_lock_ends_by_time() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut counter = Bank::new(&world, "BANK02", CallScheme::Rsa).await;
    counter.channel = "A8";
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    assert_eq!(counter.bill(&world, &person).await.status, "PAYABLE");
    let locked = counter
        .collect(&world, &bill_of(&counter, &world, &person).await, "c1")
        .await;
    let until = world.now().plus_ms(10 * MINUTE).rfc3339();
    assert_eq!(
        locked.accepted()["lock_until"],
        until.as_str(),
        "a counter has ten minutes"
    );
    bank.pay(&world, &bill, "p1").await.is_refused("LOCKED");
    world.pass(10 * MINUTE).await;
    let bill = bank.bill(&world, &person).await;
    assert_eq!(bill.status, "PAYABLE");
    bank.collect(&world, &bill, "c2").await.accepted();
    // Nobody has worked meanwhile: the lock is over all the same.
    world.turn(4 * MINUTE);
    let late = bill_of(&counter, &world, &person).await;
    counter.pay(&world, &late, "p2").await.accepted();
    bank.pay(&world, &bill, "p3")
        .await
        .is_refused("ALREADY_PAID");
    world.settles().await;
}

async fn bill_of(bank: &Bank, world: &World, person: &crate::harness::Person) -> super::Bill {
    bank.bill(world, person).await
}

/// CORE.md 12: the window is judged by when the payer acted, as far as that is inside the
/// accounting day.
#[tokio::test(flavor = "multi_thread")]
async fn who_paid_before_midnight_is_in_time() {
    let mut world = World::with(Setup {
        now: "2027-01-21T23:58:00+08:00",
        ..Setup::default()
    })
    .await;
    let bank = Bank::with(&world, "BANK01", CallScheme::Rsa, |terms| {
        terms.cut_over = 1_440
    })
    .await;
    let (one, two) = (world.people[0].clone(), world.people[1].clone());
    let before = bank.bill(&world, &one).await;
    let last = world.now();
    world.turn(5 * MINUTE);
    let mut body = bank.pay_body(&world, &before, "p1");
    body["paid_at"] = json!(last.rfc3339());
    body["trace_date"] = json!("2027-01-21");
    let paid = bank.call(&world, "pay", body).await;
    assert_eq!(
        paid.accepted()["amount_fen"],
        40_000,
        "the price of the window"
    );
    assert_eq!(paid.json["paid_at"], last.rfc3339());
    assert_eq!(paid.json["accounting_day"], "2027-01-21");
    let told = bank
        .call(&world, "status", json!({ "orig_seq": "p1" }))
        .await;
    assert_eq!(told.json["answer"], paid.json, "{}", told.text);
    let late = bank.bill(&world, &two).await;
    assert_eq!(
        late.amount_fen, 110_000,
        "whoever looks now pays the late price"
    );
    for (field, value, reason) in [
        ("amount_fen", json!(40_000), "AMOUNT_MISMATCH"),
        ("paid_at", json!(last.rfc3339()), "PAID_AT_INVALID"),
        (
            "paid_at",
            json!(world.now().plus_ms(2 * MINUTE).rfc3339()),
            "PAID_AT_INVALID",
        ),
        ("trace_date", json!("2027-01-20"), "DAY_CLOSED"),
        ("trace_date", json!("2027-01-23"), "DAY_CLOSED"),
    ] {
        let mut body = bank.pay_body(&world, &late, &bank.seq());
        body[field] = value;
        bank.call(&world, "pay", body).await.is_refused(reason);
    }
    world.turn(8 * MINUTE);
    let mut closed = bank.pay_body(&world, &late, "p2");
    closed["paid_at"] = json!(last.rfc3339());
    closed["trace_date"] = json!("2027-01-21");
    bank.call(&world, "pay", closed)
        .await
        .is_refused("DAY_CLOSED");
    bank.pay(&world, &late, "p3").await.accepted();
    world.settles().await;
}

/// Errors decide and store nothing: the serial may be used again.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_uses_up_no_serial() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let person = world.people[0].clone();
    let bill = bank.bill(&world, &person).await;
    for (field, value, code) in [
        ("seq", json!("with space"), "BAD_REQUEST"),
        ("seq", json!("13800138000"), "BAD_REQUEST"),
        ("trace_date", json!("2026-11-31"), "BAD_REQUEST"),
        ("paid_at", json!("2026-11-22 10:00:00"), "BAD_REQUEST"),
        ("amount_fen", json!("40000"), "BAD_REQUEST"),
        ("amount_fen", json!(0), "BAD_REQUEST"),
        ("more", json!(1), "BAD_REQUEST"),
        ("terminal", json!("x".repeat(33)), "BAD_REQUEST"),
        ("bill_no", json!("B0"), "NO_SUCH_BILL"),
        ("channel", json!("A13"), "BAD_REQUEST"),
        ("channel", json!("A1"), "CHANNEL_NOT_ALLOWED"),
        ("query_token", json!("AQ"), "TOKEN_INVALID"),
    ] {
        let mut body = bank.pay_body(&world, &bill, "p1");
        body[field] = value;
        let reply = bank.call(&world, "pay", body).await;
        assert_eq!(reply.json["code"], code, "{field} {}", reply.text);
        assert!(reply.signed, "the caller is known");
    }
    let claims: Vec<Claim> = world.platform.store.all().await.expect("rows");
    let calls: Vec<BillerCall> = world.platform.store.all().await.expect("rows");
    assert_eq!((claims.len(), calls.len()), (0, 0));
    let body = bank.pay_body(&world, &bill, "p1");
    world.turn(11 * MINUTE);
    bank.call(&world, "pay", body.clone())
        .await
        .is_error(422, "TOKEN_INVALID");
    let bill = bank.bill(&world, &person).await;
    bank.pay(&world, &bill, "p1").await.accepted();
    world.settles().await;
}
