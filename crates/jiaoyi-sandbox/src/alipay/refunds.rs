//! Answers for: Alipay refunds: done at once, told by `fund_change`, asked by `refund.query`.

use serde_json::{Value, json};

use super::trades::{BUYER_LOGON_ID, REFUNDABLE_MS, amount, invalid, named, optional};
use super::{Call, Members, Refusal, Reply, notices, success};
use crate::books::{Phase, Refund, RefundState, Trade};
use crate::money::yuan;
use crate::server::Sandbox;
use crate::times::plain;

/// `alipay.trade.refund`.
pub(super) fn refund(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    let refund_fen = amount(&call.biz, "refund_amount")?;
    optional(&call.biz, "refund_reason", 256)?;
    let request_no = optional(&call.biz, "out_request_no", 64)?;
    let now_ms = sandbox.now_ms();
    let mut books = sandbox.books();
    let trade = named(&books, &call.biz)?;
    let key = trade.key.clone();
    let request_no = match request_no {
        Some(number) => number.to_owned(),
        None if refund_fen == trade.amount_fen => key.out_trade_no.clone(),
        None => return Err(invalid("部分退款必须传out_request_no")),
    };
    if let Some(done) = trade
        .refunds
        .iter()
        .find(|refund| refund.out_refund_no == request_no)
    {
        if done.amount_fen != refund_fen {
            return Err(Refusal::business(
                "ACQ.DISCORDANT_REPEAT_REQUEST",
                "请求信息不一致",
            ));
        }
        return Ok(tell(trade, "N", done));
    }
    admit(trade, refund_fen, now_ms)?;
    if contradict {
        return Err(Refusal::business(
            "ACQ.SELLER_BALANCE_NOT_ENOUGH",
            "卖家余额不足",
        ));
    }
    let refund = Refund {
        refund_id: format!("{}{request_no}", key.out_trade_no),
        out_refund_no: request_no,
        amount_fen: refund_fen,
        reason: call.biz["refund_reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        requested_at_ms: now_ms,
        done_at_ms: Some(now_ms),
        state: RefundState::Success,
        ends: RefundState::Success,
        notify_url: None,
        request: call.biz.clone(),
    };
    books
        .by_refund
        .insert(refund.out_refund_no.clone(), key.clone());
    let Some(trade) = books.trades.get_mut(&key) else {
        return Err(super::trades::not_exist());
    };
    trade.refunds.push(refund.clone());
    let trade = trade.clone();
    if let Some(url) = &trade.notify_url {
        let content = notices::refund(sandbox, &trade, &refund, now_ms);
        books.announce(
            &key,
            url,
            content,
            Some(refund.out_refund_no.clone()),
            Some(now_ms),
            now_ms,
        );
    }
    Ok(tell(&trade, "Y", &refund))
}

fn admit(trade: &Trade, refund_fen: u64, now_ms: i64) -> Result<(), Refusal> {
    let paid_at_ms = match (&trade.payment, trade.phase(now_ms)) {
        (Some(payment), Phase::Paid) => payment.at_ms,
        (_, Phase::Hidden) => return Err(Refusal::unknown()),
        _ => {
            return Err(Refusal::business(
                "ACQ.TRADE_STATUS_ERROR",
                "交易状态不合法",
            ));
        }
    };
    if now_ms - paid_at_ms > REFUNDABLE_MS {
        return Err(Refusal::business("ACQ.TRADE_HAS_FINISHED", "交易已完结"));
    }
    if refund_fen > trade.amount_fen - trade.refunded_fen().min(trade.amount_fen) {
        return Err(Refusal::business(
            "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
            "退款金额超限",
        ));
    }
    Ok(())
}

/// `refund_fee` is what was given back in all.
fn tell(trade: &Trade, fund_change: &str, refund: &Refund) -> Members {
    success(json!({
        "trade_no": trade.trade_no,
        "out_trade_no": trade.key.out_trade_no,
        "buyer_logon_id": BUYER_LOGON_ID,
        "buyer_user_id": trade.payer,
        "fund_change": fund_change,
        "refund_fee": yuan(trade.refunded_fen()),
        "gmt_refund_pay": plain(refund.requested_at_ms),
        "send_back_fee": yuan(if fund_change == "Y" { refund.amount_fen } else { 0 }),
    }))
}

/// `alipay.trade.fastpay.refund.query`: an unknown request number is an empty success.
pub(super) fn query(sandbox: &Sandbox, call: &Call, contradict: bool) -> Reply {
    let request_no =
        optional(&call.biz, "out_request_no", 64)?.ok_or_else(|| invalid("out_request_no缺失"))?;
    let books = sandbox.books();
    let trade = named(&books, &call.biz)?;
    let found = trade
        .refunds
        .iter()
        .find(|refund| refund.out_refund_no == request_no);
    let Some(refund) = found.filter(|_| !contradict) else {
        return Ok(success(json!({})));
    };
    let mut told = json!({
        "trade_no": trade.trade_no,
        "out_trade_no": trade.key.out_trade_no,
        "out_request_no": refund.out_refund_no,
        "total_amount": yuan(trade.amount_fen),
        "refund_amount": yuan(refund.amount_fen),
        "refund_status": "REFUND_SUCCESS",
    });
    let wants = |name: &str| {
        call.biz["query_options"]
            .as_array()
            .is_some_and(|list| list.contains(&Value::from(name)))
    };
    if wants("gmt_refund_pay") {
        told["gmt_refund_pay"] = json!(plain(refund.requested_at_ms));
    }
    if wants("refund_detail_item_list") {
        told["refund_detail_item_list"] =
            json!([{ "amount": yuan(refund.amount_fen), "fund_channel": "ALIPAYACCOUNT" }]);
    }
    Ok(success(told))
}
