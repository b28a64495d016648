//! Bills of a channel: when they are asked for, what is kept of them, and what is refused.

use super::desk::*;
use crate::channel_bills::{BillError, FetchedBill};
use crate::limits::Budgets;
use jiaoyi_channels::BillOutcome;
use jiaoyi_domain::Date;
use jiaoyi_domain::bill::{BillSort, KeptBill};
use jiaoyi_domain::channel::ChannelCode::{self, Alipay, Wechat};
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};

/// WeChat Pay's bill of one day with one payment; the day before [`START`] is `2026-11-17`.
fn bill(day: &str, yuan: &str) -> String {
    format!(
        "记账时间,微信支付业务单号,业务类型,收支类型,收支金额(元),业务凭证号\r\n\
         `{day} 10:00:00,`4200001,`交易,`收入,`{yuan},`JA1\r\n\
         资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\r\n\
         `1,`1,`{yuan},`0,`0.00\r\n"
    )
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
