//! What Alipay's answers mean. Pending by default: only the explicit and signed counts.

use super::answer::{Answer, Fields};
use super::requests::AskedRefund;
use crate::config::AlipayConfig;
use jiaoyi_domain::channel::{
    CloseOutcome, CreateOutcome, Handover, QueryOutcome, RefundOutcome, SeenPayment,
};
use jiaoyi_domain::id::AttemptNo;
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::Instant;

/// Reasons of a refused order from which nothing payable exists.
const ORDER_REFUSED: [&str; 12] = [
    "ACQ.INVALID_PARAMETER",
    "ACQ.ACCESS_FORBIDDEN",
    "ACQ.EXIST_FORBIDDEN_WORD",
    "ACQ.PARTNER_ERROR",
    "ACQ.TOTAL_FEE_EXCEED",
    "ACQ.SELLER_BEEN_BLOCKED",
    "ACQ.INVALID_RECEIVE_ACCOUNT",
    "ACQ.NOT_SUPPORT_PAYMENT_INST",
    "ACQ.PRODUCT_AMOUNT_LIMIT_ERROR",
    "ACQ.MERCHANT_AGREEMENT_NOT_EXIST",
    "ACQ.TRADE_HAS_CLOSE",
    "ACQ.RESTRICTED_MERCHANT_INDUSTRY",
];

/// Reasons of a refund that will not be made under its number.
///
/// Not among them: `DISCORDANT_REPEAT_REQUEST`, where the number was used with other figures
/// that may still be paid out.
const REFUND_REFUSED: [&str; 9] = [
    "ACQ.INVALID_PARAMETER",
    "ACQ.TRADE_NOT_EXIST",
    "ACQ.TRADE_STATUS_ERROR",
    "ACQ.TRADE_HAS_FINISHED",
    "ACQ.TRADE_NOT_ALLOW_REFUND",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR",
    "ACQ.ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND",
    "ACQ.ENTERPRISE_PAY_BIZ_ERROR",
];

/// Reasons that lie with the payer's account.
const PAYER_CANNOT_TAKE_IT: [&str; 3] = [
    "ACQ.BUYER_NOT_EXIST",
    "ACQ.BUYER_ERROR",
    "ACQ.USER_NOT_MATCH_ERR",
];

/// The gateway refused the request itself: parameters, signature, permission.
const GATEWAY_REFUSED: [&str; 3] = ["40001", "40002", "40006"];

fn why(fields: &Fields, signed: bool) -> String {
    let mark = if signed { "" } else { ", unsigned" };
    format!("code {}, {}{mark}", fields.code(), fields.reason())
}

/// The answer to `alipay.trade.precreate`.
pub(super) fn precreate(answer: Answer) -> CreateOutcome {
    let (fields, signed) = match answer {
        Answer::Nothing { why } => return CreateOutcome::Unknown { why },
        Answer::Told { fields, signed } => (fields, signed),
    };
    let (code, reason) = (fields.code(), fields.reason());
    if code == "10000" && signed {
        return match fields.text("qr_code") {
            Some(qr) => CreateOutcome::Ready(Handover::Qr(qr)),
            None => CreateOutcome::Unknown {
                why: "the answer carries nothing to pay with".to_owned(),
            },
        };
    }
    let business = signed && code == "40004" && ORDER_REFUSED.contains(&reason.as_str());
    // Nothing was handed out, so an unsigned word that the request was not taken is enough.
    if business || GATEWAY_REFUSED.contains(&code.as_str()) {
        CreateOutcome::Refused {
            code: reason,
            message: fields.message(),
        }
    } else {
        CreateOutcome::Unknown {
            why: why(&fields, signed),
        }
    }
}

/// The answer to `alipay.trade.query`.
pub(super) fn query(
    config: &AlipayConfig,
    no: &AttemptNo,
    answer: Answer,
    now: Instant,
) -> QueryOutcome {
    let unknown = |why: String| QueryOutcome::Unknown { why };
    let (fields, signed) = match answer {
        Answer::Nothing { why } => return unknown(why),
        Answer::Told { fields, signed } => (fields, signed),
    };
    if signed && fields.reason() == "ACQ.TRADE_NOT_EXIST" {
        return QueryOutcome::NotFound;
    }
    if !signed || fields.code() != "10000" {
        return unknown(why(&fields, signed));
    }
    if fields.text("out_trade_no").as_deref() != Some(no.as_str()) {
        return unknown("the answer is about another number".to_owned());
    }
    let status = fields.text("trade_status").unwrap_or_default();
    match status.as_str() {
        // No state of Alipay tells that a try failed.
        "WAIT_BUYER_PAY" => QueryOutcome::NotPaid(None),
        "TRADE_CLOSED" if fields.text("send_pay_date").is_none() => never_paid(&fields),
        "TRADE_SUCCESS" | "TRADE_FINISHED" | "TRADE_CLOSED" => {
            let refunded = status == "TRADE_CLOSED";
            payment(config, no, &fields, refunded, now).map_or_else(
                || unknown("the answer says paid without number or amount".to_owned()),
                QueryOutcome::Paid,
            )
        }
        other => unknown(format!("trade_status {other}")),
    }
}

/// A closed trade without `send_pay_date`, the time the money moved, was left unpaid.
///
/// With that time it was paid and then refunded in full. The amounts prove neither: 0.00 also
/// stands in answers about paid trades. Without the time but with an amount it contradicts itself.
fn never_paid(fields: &Fields) -> QueryOutcome {
    let some_money = |name: &str| {
        let amount = fields.text(name);
        amount.is_some_and(|text| Fen::parse_yuan(&text) != Some(Fen::ZERO))
    };
    if some_money("buyer_pay_amount") || some_money("receipt_amount") {
        QueryOutcome::Unknown {
            why: "a closed trade with an amount paid, without the time".to_owned(),
        }
    } else {
        QueryOutcome::Closed
    }
}

fn payment(
    config: &AlipayConfig,
    no: &AttemptNo,
    fields: &Fields,
    refunded: bool,
    now: Instant,
) -> Option<SeenPayment> {
    let paid_at = fields.text("send_pay_date");
    Some(SeenPayment {
        attempt_no: no.as_str().to_owned(),
        txn_id: fields.text("trade_no")?,
        amount: Fen::parse_yuan(&fields.text("total_amount")?)?,
        currency: "CNY".to_owned(),
        paid_at: paid_at.and_then(|text| time(&text)).unwrap_or(now),
        // The answer names neither; it is signed for our app and about an order of ours.
        merchant: config.seller_id.clone(),
        app: config.app_id.clone(),
        refunded,
    })
}

/// Beijing time; notices of refunds carry milliseconds.
pub(super) fn time(text: &str) -> Option<Instant> {
    Instant::parse(text.split('.').next()?)
}

/// The answer to `alipay.trade.close`; `None` when only a query can tell: the trade does not wait
/// for its buyer, so it was paid or closed before.
pub(super) fn close(no: &AttemptNo, answer: Answer) -> Option<CloseOutcome> {
    let unknown = |why: String| Some(CloseOutcome::Unknown { why });
    let (fields, signed) = match answer {
        Answer::Nothing { why } => return unknown(why),
        Answer::Told { fields, signed } => (fields, signed),
    };
    let other_number = |told: String| told != no.as_str();
    match (fields.code().as_str(), fields.reason().as_str()) {
        ("10000", _) if signed => {
            if fields.text("out_trade_no").is_some_and(other_number) {
                unknown("the answer is about another number".to_owned())
            } else {
                Some(CloseOutcome::Closed)
            }
        }
        (_, "ACQ.TRADE_NOT_EXIST") if signed => Some(CloseOutcome::NotFound),
        (_, "ACQ.TRADE_STATUS_ERROR") => None,
        _ => unknown(why(&fields, signed)),
    }
}

/// What a query, asked because a close was refused, says about the close.
pub(super) fn refused_close(told: QueryOutcome) -> CloseOutcome {
    match told {
        QueryOutcome::Paid(_) => CloseOutcome::Paid,
        QueryOutcome::Closed => CloseOutcome::Closed,
        // It existed a moment ago, and "not found" proves nothing.
        QueryOutcome::NotPaid(_) | QueryOutcome::NotFound => CloseOutcome::Unknown {
            why: "the close was refused, the trade is open".to_owned(),
        },
        QueryOutcome::Unknown { why } => CloseOutcome::Unknown { why },
    }
}

/// The answer to `alipay.trade.refund`.
///
/// `refund_fee` is what was refunded of the trade so far, so the amount of this refund is the one
/// that was asked for.
pub(super) fn refund(asked: &AskedRefund, answer: Answer, now: Instant) -> RefundOutcome {
    let unknown = |why: String| RefundOutcome::Unknown { why };
    let (fields, signed) = match answer {
        Answer::Nothing { why } => return unknown(why),
        Answer::Told { fields, signed } => (fields, signed),
    };
    if !signed {
        return unknown(why(&fields, signed));
    }
    let reason = fields.reason();
    if fields.code() == "10000" {
        let same = fields.text("out_trade_no") == Some(asked.attempt_no.clone());
        return match fields.text("fund_change").as_deref() {
            Some("Y") if same => RefundOutcome::Done {
                amount: asked.amount,
                at: refunded_at(&fields).unwrap_or(now),
            },
            Some("Y") => unknown("the answer is about another number".to_owned()),
            _ => unknown("no money moved by this call".to_owned()),
        };
    }
    match reason.as_str() {
        "ACQ.SELLER_BALANCE_NOT_ENOUGH" => RefundOutcome::ShortOfBalance,
        code if PAYER_CANNOT_TAKE_IT.contains(&code) => RefundOutcome::Abnormal { code: reason },
        code if REFUND_REFUSED.contains(&code) => RefundOutcome::Closed { code: reason },
        _ => unknown(why(&fields, signed)),
    }
}

fn refunded_at(fields: &Fields) -> Option<Instant> {
    fields.text("gmt_refund_pay").and_then(|text| time(&text))
}

/// The answer to `alipay.trade.fastpay.refund.query`.
///
/// A success answer without a refund says that the request was not received or failed: asking
/// again with the same number is safe.
pub(super) fn query_refund(refund_no: &str, answer: Answer, now: Instant) -> RefundOutcome {
    let unknown = |why: String| RefundOutcome::Unknown { why };
    let (fields, signed) = match answer {
        Answer::Nothing { why } => return unknown(why),
        Answer::Told { fields, signed } => (fields, signed),
    };
    if signed && fields.reason() == "ACQ.TRADE_NOT_EXIST" {
        return RefundOutcome::NotFound;
    }
    if !signed || fields.code() != "10000" {
        return unknown(why(&fields, signed));
    }
    let told_no = fields.text("out_request_no");
    match fields.text("refund_status").as_deref() {
        None => RefundOutcome::NotFound,
        Some(_) if told_no.as_deref() != Some(refund_no) => {
            unknown("the answer is about another number".to_owned())
        }
        Some("REFUND_SUCCESS") => {
            let amount = fields.text("refund_amount");
            match amount.and_then(|text| Fen::parse_yuan(&text)) {
                Some(amount) => RefundOutcome::Done {
                    amount,
                    at: refunded_at(&fields).unwrap_or(now),
                },
                None => unknown("the refund has no amount".to_owned()),
            }
        }
        Some("REFUND_PROCESSING") => RefundOutcome::Processing,
        Some(other) => unknown(format!("refund_status {other}")),
    }
}
