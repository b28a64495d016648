//! Answers for: voids (消费撤销) and returns (退货): taken in now, done a moment later.

use serde_json::json;

use super::file::settle_date;
use super::{Call, Fields, Refusal, Reply};
use crate::books::{Channel, Event, Phase, Refund, RefundState, Trade};
use crate::faults::Fault;
use crate::server::Sandbox;
use crate::times::{DAY_MS, SECOND_MS, compact};

/// How long a refund is under way.
const UNDER_WAY_MS: i64 = 2 * SECOND_MS;
/// How long a paid order can be returned here.
const REFUNDABLE_MS: i64 = 330 * DAY_MS;

/// `backTransReq.do` with `txnType` 04 or 31.
pub(super) fn refund(sandbox: &Sandbox, call: &Call<'_>, contradict: Option<&Fault>) -> Reply {
    let (order_id, amount_fen) = (call.order_id()?.to_owned(), call.amount()?);
    let (kind, time) = (call.required("txnType")?, call.required("txnTime")?);
    let original = call.required("origQryId")?;
    let url = call.required("backUrl")?.to_owned();
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    if books.by_refund.contains_key(&order_id)
        || books.trade(Channel::Unionpay, &order_id).is_some()
    {
        return Err(Refusal::new("12", "重复交易[orderId]"));
    }
    let missing = || Refusal::new("35", "原交易不存在或状态不正确");
    let key = books
        .by_transaction
        .get(original)
        .cloned()
        .ok_or_else(missing)?;
    let refund_id = books.transaction_id(Channel::Unionpay, now_ms);
    let trade = books.trades.get_mut(&key).ok_or_else(missing)?;
    admit(trade, kind, amount_fen, now_ms)?;
    let ends = match contradict {
        None => RefundState::Success,
        Some(fault) => match fault.code.as_deref() {
            Some("ABNORMAL") => RefundState::Abnormal,
            Some("CLOSED") => RefundState::Closed,
            _ => return Err(Refusal::new("01", "交易失败[沙箱]")),
        },
    };
    let refund = Refund {
        out_refund_no: order_id.clone(),
        refund_id,
        amount_fen,
        reason: String::new(),
        requested_at_ms: now_ms,
        done_at_ms: None,
        state: RefundState::Processing,
        ends,
        notify_url: Some(url),
        request: json!({ "txnTime": time, "txnType": kind }),
    };
    let told = Fields::from([("queryId".to_owned(), refund.refund_id.clone())]);
    trade.refunds.push(refund);
    books.by_refund.insert(order_id.clone(), key.clone());
    let done_at_ms = now_ms + UNDER_WAY_MS;
    books
        .agenda
        .insert((done_at_ms, Event::EndRefund(key, order_id)));
    Ok(told)
}

fn admit(trade: &Trade, kind: &str, amount_fen: u64, now_ms: i64) -> Result<(), Refusal> {
    let paid_at_ms = match (&trade.payment, trade.phase(now_ms)) {
        (Some(payment), Phase::Paid) => payment.at_ms,
        _ => return Err(Refusal::new("35", "原交易不存在或状态不正确")),
    };
    if kind == "31" {
        if settle_date(paid_at_ms) != settle_date(now_ms) {
            return Err(Refusal::new("39", "交易不在受理时间范围内"));
        }
        if amount_fen != trade.amount_fen || trade.refunded_fen() > 0 {
            return Err(Refusal::new("36", "与原交易信息不符"));
        }
        return Ok(());
    }
    if now_ms - paid_at_ms > REFUNDABLE_MS {
        return Err(Refusal::new("39", "交易不在受理时间范围内"));
    }
    if amount_fen > trade.amount_fen.saturating_sub(trade.refunded_fen()) {
        return Err(Refusal::new("36", "与原交易信息不符[退货金额超限]"));
    }
    Ok(())
}

/// What a query answers and a notice holds of a void or a return.
pub(super) fn transaction(trade: &Trade, refund: &Refund) -> Fields {
    let at_ms = refund.done_at_ms.unwrap_or(refund.requested_at_ms);
    let traced = compact(at_ms);
    let text = |name: &str| refund.request[name].as_str().unwrap_or_default().to_owned();
    let original = trade
        .payment
        .as_ref()
        .map(|payment| payment.transaction_id.clone());
    Fields::from(
        [
            ("txnType", text("txnType")),
            ("txnSubType", "00".to_owned()),
            ("bizType", "000201".to_owned()),
            ("accessType", "0".to_owned()),
            ("currencyCode", "156".to_owned()),
            ("orderId", refund.out_refund_no.clone()),
            ("txnTime", text("txnTime")),
            ("txnAmt", refund.amount_fen.to_string()),
            ("traceTime", traced.get(4..).unwrap_or_default().to_owned()),
            ("settleDate", settle_date(at_ms)),
            ("queryId", refund.refund_id.clone()),
            ("origQryId", original.unwrap_or_default()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    )
}
