//! Bills of the channels: each tells, transaction by transaction, what our books hold, and any other
//! is refused or told apart.

use crate::harness::{Channel, HOUR, MINUTE, Payer, SECOND, Setup, World};
use jiaoyi_app::channel_bills::{BillError, Differs, FetchedBill};
use jiaoyi_channels::AlipayApi;
use jiaoyi_domain::bill::{BillKind, BillLine, BillSort, KeptBill};
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::{Date, Fen};
use serde_json::json;

pub const DAY: Date = Date::constant(2026, 11, 22);

pub const fn code_of(channel: Channel) -> ChannelCode {
    match channel {
        Channel::Wechat => ChannelCode::Wechat,
        Channel::Alipay => ChannelCode::Alipay,
        Channel::Unionpay => ChannelCode::Unionpay,
        Channel::Bank1 => ChannelCode::Bank1,
        Channel::Bank2 => ChannelCode::Bank2,
    }
}

/// A day as [`pay_for_a_day`] makes it at every channel.
async fn a_day_of_payments() -> World {
    a_day_with(Setup::default()).await
}

async fn a_day_with(setup: Setup) -> World {
    let world = World::with(setup).await;
    pay_for_a_day(&world, &Channel::ALL).await;
    world
}

/// Two payments at each channel, and one more that goes back, all through the pages; then it is the
/// next morning, before any bill is made.
pub async fn pay_for_a_day(world: &World, channels: &[Channel]) {
    let (status, told) = world.control("fee", json!({ "rate_bp": 60 })).await;
    assert_eq!(status, 200, "{told}");
    let mut people = world.people.clone().into_iter();
    let mut next = || people.next().expect("there are ten");
    for channel in channels.iter().copied() {
        let (first, second) = (next(), next());
        let paid = Payer::new(world).pay(world, &first, channel).await;
        paid.is("order.paid");
        let mut older = Payer::new(world);
        let wallet = older.walk_to_wallet(world, &second, channel).await;
        world.turn(4 * MINUTE);
        let paid = Payer::new(world).pay(world, &second, channel).await;
        paid.is("order.paid");
        older.press(&wallet, "pay").await;
        for _ in 0..3 {
            world.pass(20 * SECOND).await;
        }
        older.order(&wallet.order).await.is("order.refunded");
    }
    world.pass_a_day().await;
}

pub async fn facts(world: &World, channel: ChannelCode) -> Vec<Fact> {
    let facts: Vec<Fact> = world.platform.store.all().await.expect("it reads");
    let own = facts.into_iter().filter(|fact| fact.channel == channel);
    own.collect()
}

pub async fn fetch(world: &World, channel: ChannelCode, sort: BillSort) -> KeptBill {
    match world.platform.fetch_bill(channel, sort, DAY).await {
        Ok(FetchedBill::Now(kept)) => kept,
        other => panic!("no bill: {other:?}"),
    }
}

pub fn lines(world: &World, kept: &KeptBill) -> Vec<BillLine> {
    let reader = world.platform.read_bill(kept).expect("it is ours");
    reader.map(|line| line.expect("it reads")).collect()
}

/// Number, amount, the channel's number and time of every movement, sorted.
pub type Movement = (FactKind, String, Fen, String, i64);

pub fn told(lines: &[BillLine]) -> Vec<Movement> {
    let mut told: Vec<Movement> = lines
        .iter()
        .filter_map(|line| {
            let kind = match line.kind {
                BillKind::Success => FactKind::Success,
                BillKind::Refund => FactKind::Refund,
                BillKind::Fee | BillKind::Income | BillKind::Outlay => return None,
            };
            // A refund's fact bears our number; a payment's the channel's.
            let number = match kind {
                FactKind::Success => &line.channel_no,
                _ => &line.our_no,
            };
            let at = if kind == FactKind::Success {
                line.at.0
            } else {
                0
            };
            let payment = line
                .payment_no
                .clone()
                .unwrap_or_else(|| line.our_no.clone());
            let payment = if kind == FactKind::Success {
                payment
            } else {
                String::new()
            };
            Some((kind, number.clone(), line.amount, payment, at))
        })
        .collect();
    told.sort();
    told
}

pub fn known(facts: &[Fact]) -> Vec<Movement> {
    let mut known: Vec<Movement> = facts
        .iter()
        .map(|fact| {
            let is_payment = fact.kind == FactKind::Success;
            let no = fact.attempt_no.as_str().to_owned();
            let no = if is_payment { no } else { String::new() };
            // Bills tell whole seconds.
            let at = if is_payment {
                fact.paid_at.0 / 1_000 * 1_000
            } else {
                0
            };
            (fact.kind, fact.txn_id.clone(), fact.amount, no, at)
        })
        .collect();
    known.sort();
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bill_tells_what_our_books_hold() {
    let mut world = a_day_of_payments().await;
    for channel in Channel::ALL.map(code_of) {
        let facts = facts(&world, channel).await;
        assert_eq!(facts.len(), 4, "{channel:?}");
        let kept = fetch(&world, channel, BillSort::Trade).await;
        assert_eq!((kept.payments, kept.refunds), (3, 1), "{channel:?}");
        // 0.60 % of what stayed: two payments of 400 yuan.
        assert_eq!(kept.fees, 480_000, "{channel:?}");
        let lines = lines(&world, &kept);
        assert_eq!(told(&lines), known(&facts), "{channel:?}");
        let report = world.platform.compare_bill(&kept, 10).expect("it compares");
        assert_eq!((report.differences, report.disputed), (0, 0), "{report:?}");
        assert_eq!(report.ours.paid, report.bill.paid);
        assert_eq!(report.ours.returned, report.bill.returned);
        // Fetched once.
        let again = world
            .platform
            .fetch_bill(channel, BillSort::Trade, DAY)
            .await;
        assert!(matches!(again, Ok(FetchedBill::Before(same)) if same == kept));
    }
    for (sort, payments, refunds, others) in [
        (BillSort::Success, 3, 0, 0),
        (BillSort::Refund, 0, 1, 0),
        (BillSort::Funds, 3, 1, 4),
    ] {
        let kept = fetch(&world, ChannelCode::Wechat, sort).await;
        let counts = (kept.payments, kept.refunds, kept.others);
        assert_eq!(counts, (payments, refunds, others), "{sort:?}");
        let report = world.platform.compare_bill(&kept, 10).expect("it compares");
        assert_eq!(report.differences, 0, "{sort:?} {report:?}");
    }
    world.settles().await;
}

/// A row that is missing, an amount that differs: named by number.
#[tokio::test(flavor = "multi_thread")]
async fn planted_differences_are_named() {
    let mut world = a_day_of_payments().await;
    for (deed, channel, differs) in [
        ("contradict", Channel::Wechat, Differs::OnlyOurs),
        ("contradict", Channel::Alipay, Differs::OnlyOurs),
        ("wrong_amount", Channel::Unionpay, Differs::Otherwise),
    ] {
        world.fault(channel, "bill", deed, json!({})).await;
        let channel = code_of(channel);
        let kept = fetch(&world, channel, BillSort::Trade).await;
        let report = world.platform.compare_bill(&kept, 10).expect("it compares");
        assert_eq!(report.differences, 1, "{report:?}");
        let first = &report.first[0];
        assert_eq!((first.differs, first.kind), (differs, BillKind::Success));
        let facts = facts(&world, channel).await;
        let mut own = facts.iter().map(|fact| fact.attempt_no.as_str());
        assert!(own.any(|no| no == first.number), "{first:?}");
        assert_eq!(first.ours, Some(Fen::from_yuan(400)));
        let other = (differs == Differs::Otherwise).then(|| Fen::new(40_001));
        assert_eq!(first.bill, other);
    }
    world.end().await;
}

/// What is broken is not kept but laid aside, and the next try brings the whole bill.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_bill_is_laid_aside_and_a_changed_file_noticed() {
    let mut world = a_day_of_payments().await;
    for channel in Channel::ALL {
        world.fault(channel, "bill", "truncate", json!({})).await;
        let code = code_of(channel);
        let fetched = world.platform.fetch_bill(code, BillSort::Trade, DAY).await;
        match fetched {
            Err(BillError::Refused { path, .. }) => {
                assert!(path.to_string_lossy().ends_with("2026-11-22.trade.refused"));
                assert!(path.exists());
            }
            // Half of a gzip has no hash.
            Err(BillError::Unavailable { .. }) if channel == Channel::Wechat => {}
            other => panic!("{channel:?}: {other:?}"),
        }
        let kept = world.platform.kept_bill(code, BillSort::Trade, DAY).await;
        assert_eq!(kept.expect("it reads"), None);
        let kept = fetch(&world, code, BillSort::Trade).await;

        let path = world.platform.bill_path(&kept).expect("there is a folder");
        let mut file = std::fs::read(&path).expect("it is kept");
        let middle = file.len() / 2;
        file[middle] ^= 1;
        std::fs::write(&path, &file).expect("it is written");
        let compared = world.platform.compare_bill(&kept, 1);
        assert!(matches!(compared, Err(BillError::Changed { .. })));
        // A lost file is fetched again, and has to be the same.
        std::fs::remove_file(&path).expect("it is removed");
        let again = world.platform.fetch_bill(code, BillSort::Trade, DAY).await;
        match again {
            Ok(FetchedBill::Now(same)) => assert_eq!(same, kept),
            // A zip made later tells another time.
            Err(BillError::Changed { .. }) if channel == Channel::Alipay => {}
            other => panic!("{channel:?}: {other:?}"),
        }
    }
    world.end().await;
}

/// The daily job asks again while a bill is being made, and learns which days have none.
#[tokio::test(flavor = "multi_thread")]
async fn the_daily_job_fetches_what_is_due() {
    let mut world = World::new().await;
    // Ten o'clock: all hours have come. WeChat says of yesterday that it has no bill; the others say
    // that there is none, which may change.
    assert_eq!(world.platform.fetch_due_bills().await, 7 * 4 - 2);
    pay_for_a_day(&world, &Channel::ALL).await;
    // A bill of a day that is not over is no bill.
    let today = world.platform.today();
    let early = world
        .platform
        .fetch_bill(ChannelCode::Alipay, BillSort::Trade, today);
    assert!(matches!(early.await, Err(BillError::NotOver(day)) if day == today));
    for (channel, times) in [
        (Channel::Wechat, 1),
        (Channel::Alipay, 2),
        (Channel::Unionpay, 2),
    ] {
        let more = json!({ "times": times });
        world.fault(channel, "bill", "error_before", more).await;
    }
    // The fund flow of the day came. Of the day before there never was a bill; those of the day are
    // being made.
    assert_eq!(world.platform.fetch_due_bills().await, 1 + 2);
    assert_eq!(world.platform.fetch_due_bills().await, 0, "put off");
    world.turn(HOUR);
    assert_eq!(world.platform.fetch_due_bills().await, 3);
    assert_eq!(world.platform.fetch_due_bills().await, 0, "all are here");
    let kept: Vec<KeptBill> = world.platform.store.all().await.expect("it reads");
    let (none, there): (Vec<_>, Vec<_>) = kept.iter().partition(|kept| kept.is_none());
    assert_eq!(none.len(), 7 * 4);
    assert_eq!(there.len(), 4, "{there:?}");
    assert!(
        there
            .iter()
            .all(|kept| kept.day == DAY && kept.payments == 3)
    );
    world.settles().await;
}

/// Under Alipay's API v3 everything is the same: payments, what goes back, and the bill.
#[tokio::test(flavor = "multi_thread")]
async fn alipay_v3_tells_the_same() {
    let mut world = a_day_with(Setup {
        alipay: AlipayApi::V3,
        ..Setup::default()
    })
    .await;
    let kept = fetch(&world, ChannelCode::Alipay, BillSort::Trade).await;
    let facts = facts(&world, ChannelCode::Alipay).await;
    assert_eq!(facts.len(), 4);
    assert_eq!(told(&lines(&world, &kept)), known(&facts));
    world.settles().await;
}
