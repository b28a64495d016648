//! Rows that cannot be worked on: each is put off, and nobody waits behind them.

use crate::harness::{Channel, MINUTE, Payer, SECOND, World};
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::decide::{Answer, Command, Context, Refusal};
use jiaoyi_domain::due::OrderId;
use jiaoyi_domain::messages::{CaseKind, Outbox, OutboxId, OutboxState, Topic};
use jiaoyi_domain::needs::Needs;
use jiaoyi_domain::voucher::Voucher;
use jiaoyi_domain::working_set::WorkingSet;
use jiaoyi_domain::{AttemptNo, Bucket, IdSource, VoucherNo};
use serde_json::json;

/// More than one pass takes on.
const MANY: u8 = 120;

/// Writes rows that no decision of ours would write.
#[derive(Default)]
struct Plant {
    attempts: Vec<Attempt>,
    messages: Vec<Outbox>,
    vouchers: Vec<Voucher>,
    panics: bool,
}

impl Command for Plant {
    fn kind(&self) -> &'static str {
        "plant"
    }

    fn actor(&self) -> String {
        "test".to_owned()
    }

    fn needs(&self, _: &mut Needs<'_>) {}

    fn decide(&self, ws: &mut WorkingSet, _: &mut Context) -> Result<Answer, Refusal> {
        assert!(!self.panics, "as asked");
        self.attempts
            .iter()
            .for_each(|row| ws.attempt.put(row.clone()));
        self.messages
            .iter()
            .for_each(|row| ws.outbox.put(row.clone()));
        self.vouchers
            .iter()
            .for_each(|row| ws.voucher.put(row.clone()));
        Ok(Answer::Done)
    }
}

fn ids(n: u8) -> IdSource {
    IdSource::new([n; 32], 0)
}

/// Attempts of orders that are not there: asking about them ends in a refusal.
fn attempts(of: &Attempt) -> Vec<Attempt> {
    let one = |n| Attempt {
        attempt_no: AttemptNo::draw(of.bucket, &mut ids(n)),
        order_id: OrderId([n; 16]),
        state: AttemptState::Offered,
        ask_at: Some(of.created_at.plus_ms(-MINUTE)),
        paid_at: None,
        version: 1,
        ..of.clone()
    };
    (1..=MANY).map(one).collect()
}

/// Messages that ask to close those attempts.
fn messages(world: &World, of: &Attempt) -> Vec<Outbox> {
    let one = |n| Outbox {
        bucket: Bucket::default(),
        outbox_id: OutboxId([n; 16]),
        topic: Topic::Close,
        subject: AttemptNo::draw(of.bucket, &mut ids(n)).as_str().to_owned(),
        state: OutboxState::Waiting,
        created_at: world.now(),
        next_at: world.now().plus_ms(-MINUTE),
        tries: 0,
        lease: 0,
        lease_until: None,
        done_at: None,
        version: 1,
    };
    (1..=MANY).map(one).collect()
}

fn vouchers(of: &Voucher) -> Vec<Voucher> {
    let one = |n| Voucher {
        bucket: Bucket::default(),
        voucher_no: VoucherNo::draw(Bucket::default(), &mut ids(n)),
        generation: u32::from(n) + 100,
        content: "not what a voucher says".to_owned(),
        issued_at: of.issued_at.plus_ms(-MINUTE),
        version: 1,
        ..of.clone()
    };
    (1..=MANY).map(one).collect()
}

/// A payment whose notice is lost, behind more bad attempts than a pass takes on, and a voucher
/// behind more bad vouchers: both are seen to.
#[tokio::test(flavor = "multi_thread")]
async fn bad_rows_keep_nobody_waiting() {
    let mut world = World::new().await;
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    payer
        .pay(&world, &person, Channel::Wechat)
        .await
        .is("order.paid");
    let vouchers_there: Vec<Voucher> = world.platform.store.all().await.expect("it reads");
    let wallet = payer
        .walk_to_wallet(&world, &world.people[1].clone(), Channel::Alipay)
        .await;
    let attempt = world.attempt(&wallet.no).await;
    let plant = Plant {
        attempts: attempts(&attempt),
        messages: messages(&world, &attempt),
        vouchers: vouchers(&vouchers_there[0]),
        panics: false,
    };
    world.platform.submit(plant).await.expect("it is written");
    world
        .fault(Channel::Alipay, "notify", "lose", json!({ "times": 20 }))
        .await;
    payer.press(&wallet, "pay").await;
    for _ in 0..4 {
        world.turn(20 * SECOND);
        // Bad rows are no trouble of the store's.
        world.platform.work().await.expect("the pass goes on");
    }
    assert!(world.is_paid(&world.people[1].clone()).await);
    let order = payer.order(&wallet.order).await;
    order.is("order.paid");
    world.end().await;
}

/// A command that fails by itself is refused, becomes one case for staff, and is in nobody's way.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_aside_becomes_a_case() {
    let mut world = World::new().await;
    for _ in 0..3 {
        let panics = true;
        let poison = world.platform.submit(Plant {
            panics,
            ..Plant::default()
        });
        let refused = poison.await.expect_err("it panics");
        assert_eq!(refused.code(), "internal.poisoned");
    }
    assert_eq!(world.cases().await, [CaseKind::PutAside]);
    let person = world.people[0].clone();
    let mut payer = Payer::new(&world);
    payer
        .pay(&world, &person, Channel::Wechat)
        .await
        .is("order.paid");
    world.settles().await;
}
