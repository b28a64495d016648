//! What is UnionPay's own: no close, void or return, the way back by a form, the daily file.

use crate::harness::{Channel, MINUTE, Payer, SECOND, Setup, World};
use jiaoyi_channels::{BillOutcome, BillReader};
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::bill::{BillKind, BillLine, BillName, BillSort};
use jiaoyi_domain::channel::{ChannelCode, channel_day};
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::{Fen, RefundNo};
use serde_json::{Value, json};
use std::io::Cursor;

/// A payer who is sent back by a form comes without cookies, and is still the one who started.
#[tokio::test(flavor = "multi_thread")]
async fn comes_back_by_a_form_to_an_own_order() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer
        .walk_to_wallet(&world, &person, Channel::Unionpay)
        .await;
    wallet.page.says("演示环境").says("银联").says("400.00 元");
    let back = payer.press(&wallet, "pay").await;
    assert!(
        back.url.starts_with(&format!("{}/o/", world.portal)),
        "{}",
        back.words()
    );
    back.is("order.paid");
    // Whose order it is decides who may see the voucher.
    let link = back.link("/v/").expect("a link to the voucher");
    payer.get(&link).await.says("电子缴费凭证").says("银联");
    world.settles().await;
}

/// UnionPay changes its key in the middle: its certificate comes with every message and is believed by
/// who signed it, so that nothing has to be set here.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_unionpay_is_believed_at_once() {
    let mut world = World::new().await;
    world
        .trouble(
            "[[rule]]\nchannel = \"unionpay\"\nat = \"create\"\ndo = \"rotate_key\"\nnth = 2\n",
        )
        .await;
    for person in world.people.clone().iter().take(2) {
        let mut payer = Payer::new(&world);
        let paid = payer.pay(&world, person, Channel::Unionpay).await;
        paid.is("order.paid");
    }
    assert_eq!(world.struck().await, [("rule 1".to_owned(), 1)]);
    world.settles().await;
}

/// Only channels with a contract are offered, and taken.
#[tokio::test(flavor = "multi_thread")]
async fn is_offered_where_it_is_configured() {
    for unionpay in [true, false] {
        let mut world = World::with(Setup {
            unionpay,
            ..Setup::default()
        })
        .await;
        let mut payer = Payer::new(&world);
        let check = payer.look_up(&world.people[0]).await;
        let methods = payer.choose(&check).await;
        methods.says("支付宝");
        assert_eq!(
            methods.text.contains("云闪付"),
            unionpay,
            "{}",
            methods.words()
        );
        let page = payer.start(&methods, Channel::Unionpay).await;
        assert_eq!(
            page.status,
            if unionpay { 200 } else { 400 },
            "{}",
            page.words()
        );
        world.end().await;
    }
}

/// Given up: UnionPay cannot close, so the payer reads that it is watched, and the time of the
/// order ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_given_up_order_ends_by_its_time() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    let wallet = payer
        .walk_to_wallet(&world, &person, Channel::Unionpay)
        .await;
    // A try that failed makes the order known to UnionPay.
    payer.press(&wallet, "low").await;
    payer.cancel(&wallet.order).await.is("order.abandoned");
    world.pass(MINUTE).await;
    let attempt = world.attempt(&wallet.no).await;
    assert_eq!(attempt.state, AttemptState::Closing);
    // The due is free at once.
    let other = payer.pay(&world, &person, Channel::Alipay).await;
    other.is("order.paid");
    world.pass(15 * MINUTE).await;
    world.pass(12 * MINUTE).await;
    let attempt = world.attempt(&wallet.no).await;
    assert_eq!(attempt.state, AttemptState::Expired);
    world.settles().await;
}

/// Paid twice by UnionPay; the second payment's first refund number is refused.
async fn paid_twice(world: &World, payer: &mut Payer) -> Vec<BillLine> {
    let person = world.people[0].clone();
    let wallet = payer
        .walk_to_wallet(world, &person, Channel::Unionpay)
        .await;
    world.turn(4 * MINUTE);
    let paid = Payer::new(world)
        .pay(world, &person, Channel::Unionpay)
        .await;
    paid.is("order.paid");
    payer.press(&wallet, "pay").await;
    for _ in 0..4 {
        world.pass(20 * SECOND).await;
    }
    payer.order(&wallet.order).await.is("order.refunded");
    let now = world.now();
    let day = channel_day(ChannelCode::Unionpay, now);
    let bills = world.platform.channels.bills(ChannelCode::Unionpay);
    let bills = bills.expect("it is set up");
    let (mut file, nonces) = (Vec::new(), [String::new(), String::new()]);
    let outcome = bills
        .fetch(BillSort::Trade, day, &mut file, now, nonces)
        .await;
    assert!(matches!(outcome, BillOutcome::Ready), "{outcome:?}");
    let name = BillName {
        channel: ChannelCode::Unionpay,
        merchant: bills.merchant().to_owned(),
        sort: BillSort::Trade,
        day,
    };
    let reader = BillReader::open(name, Cursor::new(file)).expect("it opens");
    let lines: Vec<BillLine> = reader.map(|line| line.expect("it reads")).collect();
    assert_eq!(lines.len(), 3);
    lines
}

/// What was asked for by a refund's request.
fn kind_of(refund: &Refund) -> String {
    let request = refund.request.as_deref().expect("it was sent");
    let fields: Vec<(String, String)> = serde_json::from_slice(request).expect("our own form");
    let kind = fields.into_iter().find(|(name, _)| name == "txnType");
    kind.expect("it has a kind").1
}

/// The whole of a second payment is voided on its day; where the void is refused it is returned
/// under another number. The file of the day shows both payments and what went back.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_payment_is_voided_or_returned() {
    for (refused, kind) in [(false, "31"), (true, "04")] {
        let mut world = World::new().await;
        let mut payer = Payer::new(&world);
        if refused {
            world
                .fault(Channel::Unionpay, "refund", "contradict", json!({}))
                .await;
        }
        let lines = paid_twice(&world, &mut payer).await;
        let refunds = world.refunds().await;
        assert_eq!(refunds.len(), 1);
        assert_eq!(refunds[0].state, RefundState::Done);
        assert_eq!(kind_of(&refunds[0]), kind);
        let own: &RefundNo = &refunds[0].refund_no;
        assert_eq!(refunds[0].channel_no == *own, !refused, "a new number");
        let amount = Fen::from_yuan(400);
        let of_kind = |kind| lines.iter().filter(move |line| line.kind == kind);
        let back: Vec<&BillLine> = of_kind(BillKind::Refund).collect();
        assert_eq!(back.len(), 1, "{lines:?}");
        assert_eq!(back[0].our_no, refunds[0].channel_no.as_str());
        assert_eq!(
            back[0].payment_no.as_deref(),
            Some(refunds[0].txn_id.as_str())
        );
        assert_eq!(back[0].amount, amount);
        let came = of_kind(BillKind::Success).filter(|line| line.amount == amount);
        assert_eq!(came.count(), 2);
        let books = world.books().await;
        let rows = books["transactions"].as_array().expect("a list");
        let channels: Vec<&Value> = rows.iter().map(|row| &row["channel"]).collect();
        assert_eq!(channels, [&json!("unionpay"), &json!("unionpay")]);
        world.settles().await;
    }
}
