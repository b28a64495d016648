//! What WeChat's answers mean. Pending by default: only the explicit counts.

use super::call::{Answer, Refusal};
use jiaoyi_domain::channel::{
    CloseOutcome, CreateOutcome, Handover, Method, PayFailure, QueryOutcome, RefundOutcome,
    SeenPayment,
};
use jiaoyi_domain::id::AttemptNo;
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::Instant;
use serde::Deserialize;

/// Codes of a refused order from which nothing payable exists: nothing was handed out.
///
/// Not among them: `ORDERPAID` and `OUTTRADENOUSED`, where something does exist under the number.
const ORDER_REFUSED: [&str; 9] = [
    "PARAMERROR",
    "INVALIDREQUEST",
    "APPIDMCHIDNOTMATCH",
    "MCHNOTEXISTS",
    "SIGNERROR",
    "NOAUTH",
    "RULELIMIT",
    "ACCOUNTERROR",
    "ORDERCLOSED",
];

/// Codes of a refund that will not be made under its number.
const REFUND_REFUSED: [&str; 9] = [
    "PARAMERROR",
    "INVALIDREQUEST",
    "MCHNOTEXISTS",
    "NOAUTH",
    "TRADEOVERDUE",
    "RULELIMIT",
    "ORDERNOTEXIST",
    "RESOURCENOTEXISTS",
    "ORDERCLOSED",
];

fn unknown_why(refusal: &Refusal) -> String {
    let Refusal { status, code, .. } = refusal;
    format!("status {status}, {code}")
}

/// The answer to a new order.
pub(super) fn create(method: Method, answer: Answer, return_url: &str) -> CreateOutcome {
    let unknown = |why: String| CreateOutcome::Unknown { why };
    match answer {
        Answer::Nothing { why } => unknown(why),
        Answer::Refusal(refusal) => {
            let code = refusal.plain_code();
            // A 5xx may follow done work whatever its code says; only a foreign openid comes so.
            let refused = match refusal.status {
                400..=499 => ORDER_REFUSED.contains(&code.as_str()),
                _ => code == "OPENIDMISMATCH",
            };
            if refused && !refusal.re_entry {
                CreateOutcome::Refused {
                    code: refusal.code,
                    message: refusal.message,
                }
            } else {
                unknown(unknown_why(&refusal))
            }
        }
        Answer::Good(body) => match handover(method, &body, return_url) {
            Some(handover) => CreateOutcome::Ready(handover),
            None => unknown("the answer carries nothing to pay with".to_owned()),
        },
    }
}

fn handover(method: Method, body: &[u8], return_url: &str) -> Option<Handover> {
    #[derive(Deserialize)]
    struct Placed {
        code_url: Option<String>,
        h5_url: Option<String>,
        prepay_id: Option<String>,
    }
    let placed: Placed = serde_json::from_slice(body).ok()?;
    match method {
        Method::WechatNative => placed.code_url.map(Handover::Qr),
        Method::WechatJsapi => placed.prepay_id.map(Handover::PrepayId),
        Method::WechatH5 => placed.h5_url.map(|url| {
            let mark = if url.contains('?') { '&' } else { '?' };
            let back = crate::form::encode([("redirect_url", return_url)].into_iter());
            Handover::Redirect(format!("{url}{mark}{back}"))
        }),
        Method::AlipayWap
        | Method::AlipayPage
        | Method::AlipayPrecreate
        | Method::UnionpayWap
        | Method::UnionpayPage
        | Method::UnionpayApp
        | Method::Bank1Page
        | Method::Bank2Page
        | Method::Inbound(_) => None,
    }
}

/// A transaction, as a query answers it and as a notice carries it.
#[derive(Deserialize)]
pub(super) struct Transaction {
    #[serde(default)]
    appid: String,
    #[serde(default)]
    mchid: String,
    pub out_trade_no: String,
    transaction_id: Option<String>,
    pub trade_state: String,
    #[serde(default)]
    trade_state_desc: String,
    success_time: Option<String>,
    amount: Option<PaidAmount>,
}

#[derive(Deserialize)]
struct PaidAmount {
    total: Option<u64>,
    currency: Option<String>,
}

impl Transaction {
    /// The payment of a transaction that was paid; `fallback` is its time if it names none.
    ///
    /// `REFUND` replaces `SUCCESS` after the first refund, even a partial one.
    pub(super) fn payment(self, fallback: Instant) -> Option<SeenPayment> {
        let amount = self.amount?;
        let paid_at = self.success_time.as_deref().and_then(Instant::parse);
        Some(SeenPayment {
            attempt_no: self.out_trade_no,
            txn_id: self.transaction_id.filter(|id| !id.is_empty())?,
            amount: Fen::new(amount.total?),
            currency: amount.currency.unwrap_or_else(|| "CNY".to_owned()),
            paid_at: paid_at.unwrap_or(fallback),
            merchant: self.mchid,
            app: self.appid,
            refunded: self.trade_state == "REFUND",
        })
    }

    /// Why the payer's last try failed. WeChat has no code for it, only words for people.
    fn failure(&self) -> PayFailure {
        if self.trade_state_desc.contains("余额不足") {
            PayFailure::BalanceTooLow
        } else {
            PayFailure::Other
        }
    }
}

/// The answer to a query of an order.
pub(super) fn query(no: &AttemptNo, answer: Answer, now: Instant) -> QueryOutcome {
    let unknown = |why: String| QueryOutcome::Unknown { why };
    let body = match answer {
        Answer::Good(body) => body,
        Answer::Nothing { why } => return unknown(why),
        Answer::Refusal(refusal) => {
            let absent = ["ORDERNOTEXIST", "RESOURCENOTEXISTS", "NOTFOUND"];
            return if refusal.status == 404 && absent.contains(&refusal.plain_code().as_str()) {
                QueryOutcome::NotFound
            } else {
                unknown(unknown_why(&refusal))
            };
        }
    };
    let Ok(transaction) = serde_json::from_slice::<Transaction>(&body) else {
        return unknown("the answer is not a transaction".to_owned());
    };
    if transaction.out_trade_no != no.as_str() {
        return unknown("the answer is about another number".to_owned());
    }
    match transaction.trade_state.as_str() {
        "SUCCESS" | "REFUND" => transaction.payment(now).map_or_else(
            || unknown("the answer says paid without number or amount".to_owned()),
            QueryOutcome::Paid,
        ),
        "NOTPAY" | "USERPAYING" | "ACCEPT" => QueryOutcome::NotPaid(None),
        "PAYERROR" => QueryOutcome::NotPaid(Some(transaction.failure())),
        "CLOSED" | "REVOKED" => QueryOutcome::Closed,
        other => unknown(format!("trade_state {other}")),
    }
}

/// The answer to a close; 204 has an empty, signed body.
pub(super) fn close(answer: Answer) -> CloseOutcome {
    match answer {
        Answer::Good(_) => CloseOutcome::Closed,
        Answer::Nothing { why } => CloseOutcome::Unknown { why },
        Answer::Refusal(refusal) => match refusal.plain_code().as_str() {
            "ORDERPAID" => CloseOutcome::Paid,
            "ORDERNOTEXIST" | "RESOURCENOTEXISTS" if refusal.status == 404 => {
                CloseOutcome::NotFound
            }
            "ORDERCLOSED" => CloseOutcome::Closed,
            _ => CloseOutcome::Unknown {
                why: unknown_why(&refusal),
            },
        },
    }
}

/// A refund, as the API answers it (`status`) and as a notice carries it (`refund_status`).
#[derive(Deserialize)]
pub(super) struct Refund {
    #[serde(default)]
    pub mchid: Option<String>,
    pub out_refund_no: String,
    #[serde(alias = "refund_status")]
    status: String,
    success_time: Option<String>,
    amount: Option<RefundedAmount>,
}

#[derive(Deserialize)]
struct RefundedAmount {
    refund: Option<u64>,
}

impl Refund {
    /// What the refund's state means; `fallback` is its time if it names none.
    pub(super) fn outcome(&self, fallback: Instant) -> RefundOutcome {
        let code = || self.status.clone();
        match self.status.as_str() {
            "SUCCESS" => {
                let amount = self.amount.as_ref().and_then(|amount| amount.refund);
                let at = self.success_time.as_deref().and_then(Instant::parse);
                match amount {
                    Some(fen) => RefundOutcome::Done {
                        amount: Fen::new(fen),
                        at: at.unwrap_or(fallback),
                    },
                    None => RefundOutcome::Unknown {
                        why: "the refund has no amount".to_owned(),
                    },
                }
            }
            "PROCESSING" => RefundOutcome::Processing,
            "CLOSED" => RefundOutcome::Closed { code: code() },
            "ABNORMAL" => RefundOutcome::Abnormal { code: code() },
            other => RefundOutcome::Unknown {
                why: format!("refund status {other}"),
            },
        }
    }
}

/// The answer to a new refund.
pub(super) fn refund(refund_no: &str, answer: Answer, now: Instant) -> RefundOutcome {
    let refusal = match answer {
        Answer::Refusal(refusal) => refusal,
        Answer::Good(_) | Answer::Nothing { .. } => return refund_state(refund_no, answer, now),
    };
    // The same number with other figures: what was asked first may still be paid out.
    let other_figures = refusal.re_entry || refusal.message.contains("不一致");
    match refusal.plain_code().as_str() {
        "NOTENOUGH" => RefundOutcome::ShortOfBalance,
        _ if other_figures || refusal.status >= 500 => RefundOutcome::Unknown {
            why: unknown_why(&refusal),
        },
        "USERACCOUNTABNORMAL" => RefundOutcome::Abnormal { code: refusal.code },
        code if REFUND_REFUSED.contains(&code) => RefundOutcome::Closed { code: refusal.code },
        _ => RefundOutcome::Unknown {
            why: unknown_why(&refusal),
        },
    }
}

/// The answer to a query of a refund.
pub(super) fn query_refund(refund_no: &str, answer: Answer, now: Instant) -> RefundOutcome {
    match answer {
        Answer::Refusal(refusal) if refusal.status == 404 => match refusal.plain_code().as_str() {
            "RESOURCENOTEXISTS" | "REFUNDNOTEXISTS" | "NOTFOUND" => RefundOutcome::NotFound,
            _ => RefundOutcome::Unknown {
                why: unknown_why(&refusal),
            },
        },
        answer => refund_state(refund_no, answer, now),
    }
}

fn refund_state(refund_no: &str, answer: Answer, now: Instant) -> RefundOutcome {
    let unknown = |why: String| RefundOutcome::Unknown { why };
    match answer {
        Answer::Nothing { why } => unknown(why),
        Answer::Refusal(refusal) => unknown(unknown_why(&refusal)),
        Answer::Good(body) => match serde_json::from_slice::<Refund>(&body) {
            Ok(refund) if refund.out_refund_no == refund_no => refund.outcome(now),
            Ok(_) => unknown("the answer is about another number".to_owned()),
            Err(_) => unknown("the answer is not a refund".to_owned()),
        },
    }
}
