//! What UnionPay's answers mean. Pending by default: only the explicit and signed counts.

use super::message::Fields;
use super::requests::{BIZ_TYPE, Rendered};
use jiaoyi_domain::channel::{
    CreateOutcome, Handover, PayFailure, QueryOutcome, RefundOutcome, SeenPayment,
};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::Instant;

/// What came back from a call: a verified message, or why there is none.
pub(super) type Answer = Result<Fields, String>;

/// What a response code says.
///
/// 00, 03 to 05, 11 and 34 are told in public text (PROTOCOLS 4). What A6 and the other codes mean is
/// remembered, not read anywhere [M]: to be checked with UnionPay's own list before production.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// 00, and A6: a success with a defect.
    Done,
    /// 03, 04, 05: not known yet, ask. 42 as well: money was taken after the order's time, and nobody
    /// may read that none was.
    Open,
    /// 34: no such order.
    NotFound,
    /// The request itself was not worked on, for a reason that may pass or that staff can mend.
    NotTaken,
    /// Anything else: refused.
    Refused,
}

/// Sorts a response code. One that is missing leaves everything open.
pub(super) fn said(code: &str) -> Said {
    match code {
        "00" | "A6" => Said::Done,
        "" | "03" | "04" | "05" | "42" => Said::Open,
        "34" => Said::NotFound,
        // Closed for maintenance, busy, badly formed, badly signed, repeated, incomplete, asked too
        // often: none of them says anything about the order.
        "02" | "06" | "10" | "11" | "12" | "13" | "37" => Said::NotTaken,
        _ => Said::Refused,
    }
}

fn why(fields: &Fields) -> String {
    format!(
        "respCode {}, {}",
        fields.text("respCode"),
        fields.text("respMsg")
    )
}

/// Whether an answer is about what was asked.
fn is_about(fields: &Fields, asked: &Rendered) -> bool {
    fields.text("orderId") == asked.order_id() && fields.text("txnTime") == asked.txn_time()
}

const OTHER: &str = "the answer is about another order";

/// The answer to an order for an app's control.
pub(super) fn app_order(asked: &Rendered, answer: Answer) -> CreateOutcome {
    let unknown = |why: String| CreateOutcome::Unknown { why };
    let fields = match answer {
        Ok(fields) => fields,
        Err(why) => return unknown(why),
    };
    match (said(fields.text("respCode")), fields.get("tn")) {
        (Said::Done, _) if !is_about(&fields, asked) => unknown(OTHER.to_owned()),
        (Said::Done, Some(tn)) => CreateOutcome::Ready(Handover::Tn(tn.to_owned())),
        (Said::Done, None) => unknown("the answer carries nothing to pay with".to_owned()),
        (Said::Open | Said::NotTaken, _) => unknown(why(&fields)),
        (Said::NotFound | Said::Refused, _) => CreateOutcome::Refused {
            code: fields.text("respCode").to_owned(),
            message: fields.text("respMsg").to_owned(),
        },
    }
}

/// The answer to a query about an order: `respCode` is the query's own, `origRespCode` the order's.
pub(super) fn query(asked: &Rendered, answer: Answer, now: Instant) -> QueryOutcome {
    let unknown = |why: String| QueryOutcome::Unknown { why };
    let fields = match answer {
        Ok(fields) => fields,
        Err(why) => return unknown(why),
    };
    match said(fields.text("respCode")) {
        Said::Done if is_about(&fields, asked) => {}
        Said::Done => return unknown(OTHER.to_owned()),
        Said::NotFound => return QueryOutcome::NotFound,
        Said::Open | Said::NotTaken | Said::Refused => return unknown(why(&fields)),
    }
    let code = fields.text("origRespCode");
    match said(code) {
        Said::Done => payment(&fields, now).map_or_else(
            || unknown("the answer says paid without number or amount".to_owned()),
            QueryOutcome::Paid,
        ),
        Said::Open | Said::NotTaken => unknown(format!("origRespCode {code}")),
        // The cashier lets the payer try again until the order's time is over.
        Said::NotFound => QueryOutcome::NotPaid(None),
        Said::Refused => QueryOutcome::NotPaid(Some(match code {
            "64" => PayFailure::BalanceTooLow,
            _ => PayFailure::Other,
        })),
    }
}

/// A payment as a query tells it, and as a notice does.
pub(super) fn payment(fields: &Fields, now: Instant) -> Option<SeenPayment> {
    // A query's own product is 000000, and it is about an order of ours.
    let app = match fields.text("bizType") {
        "" | "000000" => BIZ_TYPE,
        told => told,
    };
    Some(SeenPayment {
        attempt_no: fields.get("orderId")?.to_owned(),
        txn_id: fields.get("queryId")?.to_owned(),
        amount: fields
            .amount("txnAmt")
            .filter(|amount| *amount != Fen::ZERO)?,
        currency: match fields.text("currencyCode") {
            "156" => "CNY".to_owned(),
            other => other.to_owned(),
        },
        paid_at: fields.traced_at().unwrap_or(now),
        merchant: fields.text("merId").to_owned(),
        app: app.to_owned(),
        // A query is about one transaction; what was given back of it is another.
        refunded: false,
    })
}

/// The answer to a void or a return: a success says only that it was taken in.
pub(super) fn refund(asked: &Rendered, answer: Answer) -> RefundOutcome {
    let unknown = |why: String| RefundOutcome::Unknown { why };
    let fields = match answer {
        Ok(fields) => fields,
        Err(why) => return unknown(why),
    };
    match said(fields.text("respCode")) {
        Said::Done if is_about(&fields, asked) => RefundOutcome::Processing,
        Said::Done => unknown(OTHER.to_owned()),
        Said::Open | Said::NotTaken => unknown(why(&fields)),
        Said::NotFound | Said::Refused => RefundOutcome::Closed {
            code: fields.text("respCode").to_owned(),
        },
    }
}

/// The answer to a query about a void or a return.
pub(super) fn query_refund(asked: &Rendered, answer: Answer, now: Instant) -> RefundOutcome {
    let unknown = |why: String| RefundOutcome::Unknown { why };
    let fields = match answer {
        Ok(fields) => fields,
        Err(why) => return unknown(why),
    };
    match said(fields.text("respCode")) {
        Said::Done if is_about(&fields, asked) => refunded(&fields, "origRespCode", now),
        Said::Done => unknown(OTHER.to_owned()),
        Said::NotFound => RefundOutcome::NotFound,
        Said::Open | Said::NotTaken | Said::Refused => unknown(why(&fields)),
    }
}

/// How a void or a return stands; `code` names the parameter that tells it.
pub(super) fn refunded(fields: &Fields, code: &str, now: Instant) -> RefundOutcome {
    let told = fields.text(code);
    match said(told) {
        Said::Done => match fields.amount("txnAmt") {
            Some(amount) => RefundOutcome::Done {
                amount,
                at: fields.traced_at().unwrap_or(now),
            },
            None => RefundOutcome::Unknown {
                why: "the refund has no amount".to_owned(),
            },
        },
        Said::Open => RefundOutcome::Processing,
        Said::NotTaken => RefundOutcome::Unknown {
            why: format!("{code} {told}"),
        },
        Said::NotFound | Said::Refused => RefundOutcome::Closed {
            code: told.to_owned(),
        },
    }
}
