//! One channel hangs, and the others' work is done.

use super::desk::*;
use super::pay::start;
use super::till::Till;
use crate::jobs::Worked;
use crate::limits::Budgets;
use crate::portal::{Portal, StartAnswer};
use jiaoyi_domain::channel::Method;
use jiaoyi_domain::time::{MINUTE_MS, SECOND_MS};
use jiaoyi_store::StoreError;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

/// How long anything may take that waits for nobody.
const PATIENCE: Duration = Duration::from_secs(20);

impl Desk {
    /// A pass over what is due, beside the test.
    fn pass(&self) -> JoinHandle<Result<Worked, StoreError>> {
        let platform = Arc::clone(&self.platform);
        tokio::spawn(async move { platform.work().await })
    }

    /// Person `number` begins to pay.
    async fn begun(&self, number: u16, method: Method) {
        let device = u8::try_from(number % 250).unwrap();
        let bill = self.bill(device, number, COUNTY).await;
        let request = start(&bill, method, &format!("f{number}"));
        let answer = self.platform.start(&visitor(device), request).await;
        let answer = answer.unwrap();
        assert!(matches!(answer, StartAnswer::Started { .. }), "{answer:?}");
    }
}

/// Waits until a channel has been asked; gives what.
async fn asked(till: &Till) -> Vec<String> {
    loop {
        let asked = till.take_asked();
        if !asked.is_empty() {
            return asked;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_channel_that_hangs_keeps_no_other_waiting() {
    let desk = Desk::new("lanes", Budgets::OFF).await;
    desk.roster(1, (1..=3).map(|n| row(n, COUNTY)).collect())
        .await;
    desk.begun(1, Method::WechatNative).await;
    desk.begun(2, Method::AlipayPrecreate).await;
    desk.wechat.hang(true);
    drop((desk.wechat.take_asked(), desk.alipay.take_asked()));
    desk.turn(6 * SECOND_MS);
    let held = desk.pass();
    assert_eq!(asked(&desk.alipay).await.len(), 1);
    let wechat = desk.wechat.take_asked();
    assert_eq!(wechat.len(), 1, "{wechat:?}");
    // What becomes due meanwhile is done by later passes, which leave the one that hangs alone: both
    // orders of Alipay are asked about and, since their time is over, closed.
    desk.begun(3, Method::AlipayPrecreate).await;
    desk.alipay.take_asked();
    desk.turn(16 * MINUTE_MS);
    let mut told = Vec::new();
    let closed = async {
        let closes = |told: &[String]| told.iter().filter(|what| what.contains("close")).count();
        while closes(&told) < 2 {
            desk.platform.work().await.unwrap();
            told.extend(desk.alipay.take_asked());
        }
    };
    timeout(PATIENCE, closed)
        .await
        .expect("they wait for WeChat");
    assert_eq!(desk.wechat.take_asked(), [""; 0]);
    assert!(!held.is_finished(), "WeChat has answered nothing");
    // As when its answer came: the lane is free again.
    held.abort();
    assert!(held.await.is_err());
    desk.wechat.hang(false);
    let worked = desk.platform.work().await.unwrap();
    assert_eq!(worked.asked, 1, "{worked:?}");
}

/// More of the channel that hangs is due than a pass reads, and all of it longer.
#[tokio::test]
async fn work_is_found_behind_what_another_channel_keeps_waiting() {
    const CROWD: u16 = 520;
    let desk = Desk::new("crowd", Budgets::OFF).await;
    let rows = (1..=CROWD + 1).map(|n| row(n, COUNTY)).collect();
    desk.roster(1, rows).await;
    for number in 1..=CROWD {
        desk.begun(number, Method::WechatNative).await;
    }
    desk.turn(SECOND_MS);
    desk.begun(CROWD + 1, Method::AlipayPrecreate).await;
    desk.wechat.hang(true);
    drop((desk.wechat.take_asked(), desk.alipay.take_asked()));
    desk.turn(MINUTE_MS);
    let held = desk.pass();
    let found = timeout(PATIENCE, asked(&desk.alipay)).await;
    assert_eq!(found.expect("nobody asked Alipay").len(), 1);
    let under_way = desk.wechat.take_asked().len();
    assert_eq!(under_way, crate::jobs::AT_ONCE, "what waits has a bound");
    assert!(!held.is_finished(), "WeChat has answered nothing");
    held.abort();
}

#[test]
fn a_pass_is_idle_when_nothing_was_due_and_full_when_more_may_be() {
    let worked = |asked, refunds, messages, signed| Worked {
        asked,
        refunds,
        messages,
        signed,
    };
    assert!(Worked::default().is_idle() && !Worked::default().is_full());
    for some in [
        worked(1, 0, 0, 0),
        worked(0, 499, 0, 0),
        worked(0, 0, 1, 0),
        worked(0, 0, 0, 499),
    ] {
        assert!(!some.is_idle() && !some.is_full(), "{some:?}");
    }
    for full in [worked(500, 0, 0, 0), worked(0, 0, 501, 0)] {
        assert!(!full.is_idle() && full.is_full(), "{full:?}");
    }
}
