//! The same due paid by several at once, over both channels: one payment counts, all others go back.

use crate::harness::{Channel, MINUTE, Payer, Person, SECOND, Setup, Wallet, World};
use jiaoyi_domain::refund::RefundState;
use jiaoyi_domain::voucher::Voucher;
use serde_json::json;
use tokio::task::JoinSet;

/// How many pay for one due: 2 to 16.
fn parties(n: usize) -> usize {
    2 + n * 7 % 15
}

/// The n-th of several who pay for one due: whoever comes 3 minutes later displaces the one before,
/// whose wallet stays open for a quarter of an hour and takes late payments after that.
async fn to_wallet(world: &World, person: &Person, n: usize) -> (Payer, Wallet) {
    let mut payer = Payer::new(world);
    let channel = Channel::BOTH[n % 2];
    let wallet = payer.walk_to_wallet(world, person, channel).await;
    (payer, wallet)
}

/// Dues that are raced for together.
const TOGETHER: usize = 40;

/// Lets 2 to 16 parties pay for each of `dues` dues, all of them at once; how many payments there
/// were.
///
/// # Panics
///
/// When not exactly one payment of a due counts, or another one was not given back.
pub async fn race(dues: u16) -> usize {
    let setup = Setup {
        people: dues,
        ..Setup::default()
    };
    let mut world = World::with(setup).await;
    let people = world.people.clone();
    let mut expected = 0;
    for people in people.chunks(TOGETHER) {
        expected += heat(&world, people).await;
    }
    proved(&mut world, &people, expected).await;
    expected
}

/// Several dues at once; how many payments there were.
async fn heat(world: &World, people: &[Person]) -> usize {
    let mut wallets: Vec<(Payer, Wallet)> = Vec::new();
    let most = (0..people.len()).map(parties).max().unwrap_or(0);
    for turn in 0..most {
        for (n, person) in people.iter().enumerate() {
            if turn < parties(n) {
                wallets.push(to_wallet(world, person, turn + n).await);
            }
        }
        world.turn(3 * MINUTE + SECOND);
    }
    let count = wallets.len();
    let mut paying = JoinSet::new();
    for (mut payer, wallet) in wallets {
        paying.spawn(async move {
            // One of the two is refused: the wallet is still open, or it is closed already.
            payer.press(&wallet, "pay").await;
            payer.press(&wallet, "pay_after_close").await;
        });
    }
    while let Some(paid) = paying.join_next().await {
        paid.expect("a payer pays");
    }
    for _ in 0..6 {
        world.pass(10 * SECOND).await;
    }
    count
}

async fn proved(world: &mut World, people: &[Person], expected: usize) {
    for person in people {
        assert!(world.is_paid(person).await, "{person:?}");
    }
    let books = world.books().await;
    let trades = books["transactions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let paid = trades
        .iter()
        .filter(|row| row["transaction_id"].is_string());
    let paid = paid.count();
    assert_eq!(paid, expected, "everybody paid");
    let back = trades.iter().filter(|row| {
        let amount = row["amount_fen"].as_u64();
        amount.is_some() && row["refunded_fen"] == json!(amount)
    });
    assert_eq!(back.count(), paid - people.len());
    let refunds = world.refunds().await;
    assert_eq!(refunds.len(), paid - people.len());
    assert!(refunds.iter().all(|row| row.state == RefundState::Done));
    let vouchers: Vec<Voucher> = world.platform.store.all().await.expect("it reads");
    assert_eq!(vouchers.len(), people.len());
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_of_a_due_counts_and_all_others_go_back() {
    let paid = race(6).await;
    assert!(paid > 30, "{paid}");
}
