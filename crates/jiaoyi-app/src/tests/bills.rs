//! Bills of a channel: when they are asked for, what is kept of them, and what is refused.

use super::desk::*;
use crate::channel_bills::{BillError, Differs, FetchedBill};
use crate::limits::Budgets;
use jiaoyi_channels::BillOutcome;
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::bill::{BillName, BillSort, BillTotals, KeptBill, RawFile};
use jiaoyi_domain::channel::ChannelCode::{self, Alipay, Wechat};
use jiaoyi_domain::channel::{Method, News, RefundOutcome};
use jiaoyi_domain::decide::RecordTransfer;
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use jiaoyi_domain::{Date, Fen};
use sha2::{Digest, Sha256};

/// A movement: whether it came in, our number, the channel's, and fen.
type Movement = (bool, String, String, u64);

/// WeChat Pay's bill of the movements of a day.
fn bill_of(day: &str, movements: &[Movement]) -> String {
    let mut text =
        "记账时间,微信支付业务单号,业务类型,收支类型,收支金额(元),业务凭证号\r\n".to_owned();
    let mut sums = [(0, 0), (0, 0)];
    for (came, ours, theirs, fen) in movements {
        let side = if *came {
            "交易,`收入"
        } else {
            "退款,`支出"
        };
        text += &format!(
            "`{day} 10:00:00,`{theirs},`{side},`{},`{ours}\r\n",
            Fen::new(*fen)
        );
        let sum = &mut sums[usize::from(!came)];
        *sum = (sum.0 + 1, sum.1 + fen);
    }
    let [(came, income), (went, outlay)] = sums;
    text += "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n";
    let (income, outlay) = (Fen::new(income), Fen::new(outlay));
    text + &format!("`{},`{came},`{income},`{went},`{outlay}\r\n", came + went)
}

/// The same with one payment; the day before [`START`] is `2026-11-17`.
fn bill(day: &str, yuan: &str) -> String {
    let fen = yuan.replace('.', "").parse().unwrap();
    bill_of(day, &[(true, "JA1".to_owned(), "4200001".to_owned(), fen)])
}

fn days_before(days: i64) -> Date {
    START.plus_ms(-days * DAY_MS).date()
}

impl Desk {
    async fn fetch(&self, channel: ChannelCode, day: Date) -> Result<FetchedBill, BillError> {
        self.platform
            .fetch_bill(channel, BillSort::Funds, day)
            .await
    }

    fn sends(&self, text: String, outcome: fn() -> BillOutcome) {
        self.wechat.answers().bill = (text, outcome);
    }

    async fn kept(&self, day: Date) -> Option<KeptBill> {
        let kept = self.platform.kept_bill(Wechat, BillSort::Funds, day);
        kept.await.unwrap()
    }

    /// The names of the files that lie beside each other.
    fn files(&self) -> Vec<String> {
        let folder = self.bills.path().join("wechat/merchant");
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_bill_is_fetched_once_and_kept_with_its_hash() {
    let desk = Desk::new("kept", Budgets::default()).await;
    let day = days_before(1);
    desk.sends(bill("2026-11-17", "400.00"), || BillOutcome::Ready);
    assert_eq!(desk.kept(day).await, None);
    let fetched = desk.fetch(Wechat, day).await.unwrap();
    let FetchedBill::Now(kept) = fetched else {
        panic!("{fetched:?}");
    };
    assert_eq!(desk.kept(day).await.as_ref(), Some(&kept));
    assert_eq!(desk.files(), ["2026-11-17.funds.csv"]);
    let path = desk.platform.bill_path(&kept).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, bill("2026-11-17", "400.00"));
    let lines = desk.platform.read_bill(&kept).unwrap().count();
    assert_eq!(lines, 1);
    desk.wechat.take_asked();
    let again = desk.fetch(Wechat, day).await.unwrap();
    assert_eq!(again, FetchedBill::Before(kept.clone()));
    assert_eq!(desk.wechat.take_asked(), [""; 0], "it is here");
    // Somebody changed the file: it is not read, nor taken for the one that comes again.
    std::fs::write(&path, bill("2026-11-17", "400.01")).unwrap();
    let changed = desk.platform.read_bill(&kept).map(drop);
    assert!(matches!(changed, Err(BillError::Changed { .. })));
    // It was lost, and the channel sends another one.
    std::fs::remove_file(&path).unwrap();
    desk.sends(bill("2026-11-17", "1.00"), || BillOutcome::Ready);
    let other = desk.fetch(Wechat, day).await;
    assert!(matches!(other, Err(BillError::Changed { .. })), "{other:?}");
    assert_eq!(desk.files(), [""; 0]);
    desk.sends(bill("2026-11-17", "400.00"), || BillOutcome::Ready);
    let again = desk.fetch(Wechat, day).await.unwrap();
    assert_eq!(again, FetchedBill::Now(kept.clone()), "the very file");
    assert!(desk.platform.read_bill(&kept).is_ok());
}

#[tokio::test]
async fn what_is_no_bill_is_told_apart() {
    let desk = Desk::new("no-bill", Budgets::default()).await;
    let today = desk.fetch(Wechat, days_before(0)).await;
    assert!(matches!(today, Err(BillError::NotOver(_))), "{today:?}");
    let none = desk.fetch(Alipay, days_before(1)).await;
    assert!(
        matches!(none, Err(BillError::NoChannel(Alipay))),
        "{none:?}"
    );
    desk.sends(String::new(), || BillOutcome::NotYet);
    let later = desk.fetch(Wechat, days_before(1)).await.unwrap();
    assert_eq!(later, FetchedBill::NotYet);
    desk.sends(String::new(), || BillOutcome::Unknown {
        why: "timeout".to_owned(),
    });
    let unknown = desk.fetch(Wechat, days_before(1)).await;
    assert!(
        matches!(unknown, Err(BillError::Unavailable { .. })),
        "{unknown:?}"
    );
    assert_eq!(desk.files(), [""; 0], "nothing is left of these");
    // The lines make another sum: it lies aside.
    let wrong = bill("2026-11-17", "400.00").replace("`1,`1,`400.00", "`1,`1,`1.00");
    desk.sends(wrong.clone(), || BillOutcome::Ready);
    let refused = desk.fetch(Wechat, days_before(1)).await;
    let Err(BillError::Refused { path, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(std::fs::read_to_string(path).unwrap(), wrong);
    assert_eq!(desk.files(), ["2026-11-17.funds.refused"]);
    assert_eq!(desk.kept(days_before(1)).await, None);
    desk.sends(String::new(), || BillOutcome::NoBill);
    let nothing = desk.fetch(Wechat, days_before(1)).await.unwrap();
    let FetchedBill::Now(nothing) = nothing else {
        panic!("{nothing:?}");
    };
    assert!(nothing.is_none());
    let again = desk.fetch(Wechat, days_before(1)).await.unwrap();
    assert_eq!(again, FetchedBill::Before(nothing));
}

/// A channel that only says that there is none means it a day after its hour.
#[tokio::test]
async fn a_bill_that_stays_absent_never_was() {
    let desk = Desk::new("absent", Budgets::default()).await;
    desk.sends(String::new(), || BillOutcome::Absent);
    // It is ten o'clock, from which on yesterday's bill can be there.
    for (days, turned, there_is_none) in [(2, -1, false), (2, 1, true), (1, 0, false)] {
        desk.turn(turned);
        let fetched = desk.fetch(Wechat, days_before(days)).await.unwrap();
        let none = matches!(&fetched, FetchedBill::Now(kept) if kept.is_none());
        assert_eq!(none, there_is_none, "{days}: {fetched:?}");
        assert_eq!(fetched == FetchedBill::NotYet, !there_is_none);
    }
}

#[tokio::test]
async fn the_job_asks_for_the_last_days_from_the_channel_s_hour_on() {
    let desk = Desk::new("job", Budgets::default()).await;
    let asked = |from: i64, to: i64| -> Vec<String> {
        let days = (to..=from).rev().map(days_before);
        days.map(|day| format!("wechat is asked to send funds of {day}"))
            .collect()
    };
    desk.turn(-1);
    assert_eq!(desk.platform.fetch_due_bills().await, 0);
    let told = desk.wechat.take_asked();
    assert_eq!(told, asked(7, 2), "yesterday's cannot be there yet");
    desk.turn(1);
    assert_eq!(desk.platform.fetch_due_bills().await, 0);
    let told = desk.wechat.take_asked();
    assert_eq!(told, asked(1, 1), "the others are put off");
    desk.turn(MINUTE_MS);
    desk.sends(String::new(), || BillOutcome::NoBill);
    assert_eq!(desk.platform.fetch_due_bills().await, 7);
    assert_eq!(desk.wechat.take_asked(), asked(7, 1));
    assert_eq!(desk.platform.fetch_due_bills().await, 0, "all are settled");
    assert_eq!(desk.wechat.take_asked(), [""; 0]);
    desk.turn(DAY_MS - HOUR_MS);
    assert_eq!(desk.platform.fetch_due_bills().await, 0, "nine o'clock");
    desk.turn(HOUR_MS);
    assert_eq!(desk.platform.fetch_due_bills().await, 1);
    assert_eq!(desk.wechat.take_asked(), asked(0, 0));
}

impl Desk {
    /// A bill of today that lies in the folder, as if it had been fetched.
    fn laid(&self, sort: BillSort, merchant: &str, movements: Option<&[Movement]>) -> KeptBill {
        let name = BillName {
            channel: Wechat,
            merchant: merchant.to_owned(),
            sort,
            day: START.date(),
        };
        let file = movements.map(|movements| {
            let text = bill_of("2026-11-18", movements);
            std::fs::write(self.bills.path().join("laid.csv"), &text).unwrap();
            RawFile {
                name: "laid.csv".to_owned(),
                sha256: Sha256::digest(&text).into(),
                bytes: 1,
            }
        });
        KeptBill::new(&name, file, &BillTotals::default(), START)
    }

    /// The differences of such a bill, and how many payments and refunds of ours it was compared with.
    fn compared(&self, kept: &KeptBill) -> (Vec<(Differs, String)>, (u64, u64)) {
        let report = self.platform.compare_bill(kept, 100).unwrap();
        assert_eq!(report.differences, report.first.len() as u64);
        let ours = (report.ours.payments, report.ours.refunds);
        let found = report.first.into_iter();
        (found.map(|row| (row.differs, row.number)).collect(), ours)
    }
}

/// Payments of two channels, what went back by the channel, and what staff paid.
#[tokio::test]
async fn a_bill_is_compared_with_what_is_its_channel_s() {
    let mut desk = Desk::new("compared", Budgets::default()).await;
    desk.roster(1, (1..=3).map(|number| row(number, COUNTY)).collect())
        .await;
    // Person 1 by one payment, 2 by one more that goes back, 3 by one more that staff give back.
    desk.started(1, 1, Method::WechatNative).await;
    let seen = desk.seen(0).await;
    desk.notice(Wechat, "n0", News::Payment(seen)).await;
    desk.turn(MINUTE_MS);
    let done = RefundOutcome::Done {
        amount: Fen::new(40_000),
        at: desk.platform.now(),
    };
    let refund = desk.given_back(2, done).await;
    assert_eq!(refund.state, RefundState::Done);
    let abnormal = RefundOutcome::Abnormal {
        code: "ABNORMAL".to_owned(),
    };
    let refund = desk.given_back(3, abnormal).await;
    assert_eq!(refund.state, RefundState::Manual);
    let paid = Paid::new("ICBC-1", START.date(), None, "li").unwrap();
    let refund_no = refund.refund_no;
    let command = RecordTransfer { refund_no, paid };
    desk.platform.submit(command).await.unwrap();
    let facts: Vec<Fact> = desk.platform.store.all().await.unwrap();
    let of_wechat = facts.iter().filter(|fact| fact.channel == Wechat);
    let true_bill: Vec<Movement> = of_wechat
        .map(|fact| {
            let came = fact.kind == FactKind::Success;
            let no = fact.attempt_no.to_string();
            let (ours, theirs) = (
                if came { no } else { fact.txn_id.clone() },
                fact.txn_id.clone(),
            );
            (came, ours, theirs, fact.amount.get())
        })
        .collect();
    let refunds: Vec<Refund> = desk.platform.store.all().await.unwrap();
    let by_staff = refunds.iter().find(|row| row.detail.is_some()).unwrap();
    let by_staff = by_staff.channel_no.to_string();
    assert_eq!(facts.len(), 6, "five payments and what went back");
    assert_eq!(true_bill.len(), 4);
    let funds = |movements: &[Movement]| desk.laid(BillSort::Funds, "merchant", Some(movements));
    assert_eq!(desk.compared(&funds(&true_bill)), (vec![], (3, 1)));
    // Each line missing, at another amount, and under another number.
    for (place, (came, ours, _, _)) in true_bill.iter().enumerate() {
        let mut missing = true_bill.clone();
        missing.remove(place);
        let only_ours = vec![(Differs::OnlyOurs, ours.clone())];
        assert_eq!(desk.compared(&funds(&missing)), (only_ours, (3, 1)));
        let mut dearer = true_bill.clone();
        dearer[place].3 += 1;
        let otherwise = vec![(Differs::Otherwise, ours.clone())];
        assert_eq!(desk.compared(&funds(&dearer)), (otherwise, (3, 1)));
        let mut foreign = true_bill.clone();
        foreign[place].1 = "foreign".to_owned();
        let (found, _) = desk.compared(&funds(&foreign));
        assert_eq!(found.len(), 2, "{came}: {found:?}");
    }
    // What staff paid is not the channel's; that it says so nevertheless is a difference.
    let mut twice = true_bill.clone();
    twice.push((false, by_staff.clone(), "r9".to_owned(), 40_000));
    let only_bill = vec![(Differs::OnlyBill, by_staff.clone())];
    assert_eq!(desk.compared(&funds(&twice)), (only_bill, (3, 1)));
    // The channel says that there is nothing, of payments or of refunds alone, or of another merchant.
    for (sort, merchant, differs) in [
        (BillSort::Funds, "merchant", 4),
        (BillSort::Success, "merchant", 3),
        (BillSort::Refund, "merchant", 1),
        (BillSort::Funds, "other", 0),
    ] {
        let none = desk.laid(sort, merchant, None);
        let (found, _) = desk.compared(&none);
        assert_eq!(found.len(), differs, "{sort:?} {merchant}: {found:?}");
    }
    // Once the channel has told of it itself, it is in our books as well.
    let outcome = RefundOutcome::Done {
        amount: Fen::new(40_000),
        at: desk.platform.now(),
    };
    let refund_no = by_staff;
    let told = News::Refund { refund_no, outcome };
    desk.notice(Wechat, "r1", told).await;
    let kept = desk.laid(BillSort::Funds, "merchant", Some(&twice));
    assert_eq!(desk.compared(&kept), (vec![], (3, 2)));
}

impl Desk {
    /// What came of the surplus of person `number`, with this answer of WeChat Pay to the refund.
    async fn given_back(&mut self, number: u16, outcome: RefundOutcome) -> Refund {
        self.paid_twice(number).await;
        self.wechat.answers().refund = outcome;
        for _ in 0..3 {
            self.platform.work().await.unwrap();
            self.turn(MINUTE_MS);
        }
        let refunds: Vec<Refund> = self.platform.store.all().await.unwrap();
        let newest = refunds.into_iter().max_by_key(|row| row.created_at);
        newest.unwrap()
    }
}
