//! What the page of an order says, state by state.

use super::desk::*;
use super::pay::start;
use crate::limits::Budgets;
use crate::orders::Loaded;
use crate::portal::{OrderStatus, Portal, StartAnswer};
use jiaoyi_domain::Instant;
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::channel::{ChannelCode, Method, News, PayFailure, RefundOutcome};
use jiaoyi_domain::decide::RecordTransfer;
use jiaoyi_domain::order::{LineState, OrderState};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::time::{DAY_MS, MINUTE_MS, SECOND_MS};

/// An order and its only attempt, whether a payer could ever pay it, and whether he gave it up.
type Case = (OrderState, AttemptState, bool, bool, OrderStatus);

#[tokio::test]
async fn each_state_is_told_as_what_it_means_to_the_payer() {
    use {AttemptState as A, OrderState as O, OrderStatus as S};
    let mut desk = Desk::new("states", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let token = desk.started(1, 1, Method::WechatNative).await;
    let mut loaded = desk.platform.load_order(&token).await.unwrap().unwrap();
    let until = loaded.attempts[0].expires_at;
    let last_moment = until.plus_ms(-1);
    let cases: [Case; 19] = [
        (O::Placed, A::Drafted, false, false, S::Confirming),
        (O::Placed, A::Offered, true, false, S::ToPay),
        (O::Abandoned, A::Offered, true, true, S::Abandoned),
        (O::Placed, A::Unknown, false, false, S::Confirming),
        (O::Placed, A::Closing, true, false, S::Confirming),
        (O::Abandoned, A::Closing, true, true, S::Abandoned),
        (O::Placed, A::Paid, true, false, S::Confirming),
        (O::Placed, A::Disputed, true, false, S::Disputed),
        (O::Placed, A::Refused, false, false, S::Failed),
        (O::Placed, A::Dropped, false, false, S::ChannelDown),
        (O::Placed, A::Dropped, false, true, S::ChannelDown),
        (O::Closed, A::Dropped, false, false, S::ChannelDown),
        (O::Closed, A::Dropped, false, true, S::Cancelled),
        (O::Placed, A::Dropped, true, false, S::Expired),
        (O::Placed, A::Dropped, true, true, S::Cancelled),
        (O::Closed, A::Closed, true, true, S::Cancelled),
        (O::Closed, A::Closed, true, false, S::Expired),
        (O::Closed, A::Expired, true, false, S::Expired),
        (O::Paid, A::Paid, true, false, S::Paid),
    ];
    for case in cases {
        let (order, attempt, handed_out, given_up, told) = case;
        loaded.order.state = order;
        let row = &mut loaded.attempts[0];
        row.state = attempt;
        row.handed_out_at = handed_out.then_some(START);
        row.abandoned_at = given_up.then_some(START);
        assert_eq!(loaded.status(last_moment), told, "{case:?}");
    }
    loaded.order.state = O::Placed;
    loaded.attempts[0].state = A::Offered;
    loaded.attempts[0].abandoned_at = None;
    let at = |loaded: &Loaded, now: Instant| loaded.status(now);
    assert_eq!(at(&loaded, until), S::Confirming, "its time is over");
    let failure = PayFailure::BalanceTooLow.code().to_owned();
    loaded.attempts[0].last_word = Some(failure);
    assert_eq!(at(&loaded, last_moment), S::Failed, "tried in vain");
    assert_eq!(at(&loaded, until), S::Confirming);
    loaded.order.state = O::Paid;
    loaded.lines[0].state = LineState::Returned;
    assert_eq!(at(&loaded, until), S::Returned, "undone by an institution");
    loaded.order.state = O::Closed;
    loaded.attempts.clear();
    assert_eq!(at(&loaded, until), S::Expired, "nothing was ever begun");
}

#[tokio::test]
async fn a_page_is_named_by_the_end_of_its_order() {
    let mut desk = Desk::new("trace", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let token = desk.started(1, 1, Method::WechatNative).await;
    let order = desk.order(1, &token).await;
    assert_eq!(order.trace.len(), 6);
    assert!(order.order_no.ends_with(&order.trace), "{order:?}");
}

/// Late payers are insured some days after they pay: the page of who paid tells his period, that of who
/// did not the one he was offered.
#[tokio::test]
async fn an_order_tells_the_period_of_its_own_payment() {
    const LATE: &str = "990201";
    let mut desk = Desk::new("period", Budgets::default()).await;
    desk.roster(1, vec![row(1, LATE)]).await;
    let mut tokens = Vec::new();
    for device in [1, 2] {
        let bill = desk.bill(device, 1, LATE).await;
        let mut request = start(&bill, Method::WechatNative, "f");
        request.displace = device == 2;
        let answer = desk.platform.start(&visitor(device), request).await;
        let Ok(StartAnswer::Started { order, .. }) = answer else {
            panic!("{answer:?}");
        };
        tokens.push(order);
        desk.turn(DAY_MS);
    }
    let seen = desk.seen(0).await;
    desk.notice(ChannelCode::Wechat, "n1", News::Payment(seen))
        .await;
    let offered = desk.order(1, &tokens[0]).await.benefit_first;
    let paid = desk.order(2, &tokens[1]).await;
    assert_eq!(paid.status, OrderStatus::Paid);
    let days = |date: jiaoyi_domain::Date| Instant::start_of(date).since_ms(START) / DAY_MS;
    assert_eq!(days(paid.benefit_first) - days(offered), 2);
    let voucher: Vec<jiaoyi_domain::due::Slot> = desk.platform.store.all().await.unwrap();
    assert_eq!(paid.benefit_first, voucher[0].benefit_first);
}

/// What no channel gives back waits for staff; what they paid out by bank is told on the page.
#[tokio::test]
async fn a_refund_by_bank_is_told_with_its_day_and_account() {
    let mut desk = Desk::new("by-bank", Budgets::default()).await;
    desk.roster(1, vec![row(1, COUNTY)]).await;
    let first = desk.paid_twice(1).await;
    assert_eq!(desk.platform.refunds_for_staff().await.unwrap(), []);
    desk.wechat.answers().refund = RefundOutcome::Abnormal {
        code: "USER_ACCOUNT_ABNORMAL".to_owned(),
    };
    desk.work("a query confirms, the refund waits").await;
    desk.turn(30 * SECOND_MS);
    desk.work("it is sent, and cannot arrive").await;
    let sent_at = desk.platform.now();
    desk.turn(MINUTE_MS);
    let waiting = desk.platform.refunds_for_staff().await.unwrap();
    let [one] = waiting.as_slice() else {
        panic!("{waiting:?}");
    };
    assert_eq!((one.channel, one.since), (ChannelCode::Wechat, sent_at));
    assert_eq!(one.why, "USER_ACCOUNT_ABNORMAL");
    let order = desk.order(1, &first).await;
    assert_eq!(order.status, OrderStatus::RefundManual);
    assert_eq!(one.order_no.as_str(), order.order_no);
    let refund = order.refund.unwrap();
    assert!(refund.manual && refund.transfer.is_none());
    assert_eq!(refund.amount, one.amount);
    let paid_on = START.date();
    let paid = Paid::new("ICBC-1", paid_on, Some("0421"), "li").unwrap();
    let refund_no = one.refund_no.clone();
    let command = RecordTransfer { refund_no, paid };
    desk.platform.submit(command).await.unwrap();
    let order = desk.order(1, &first).await;
    assert_eq!(order.status, OrderStatus::Refunded);
    let refund = order.refund.unwrap();
    assert_eq!(
        (refund.manual, refund.done_at),
        (false, Some(Instant::start_of(paid_on)))
    );
    let transfer = refund.transfer.unwrap();
    assert_eq!(transfer.paid_on, paid_on);
    assert_eq!(transfer.account_tail.as_deref(), Some("0421"));
    let refunds: Vec<Refund> = desk.platform.store.all().await.unwrap();
    assert_eq!(refunds.len(), 1);
    assert_eq!(desk.platform.refunds_for_staff().await.unwrap(), []);
}
