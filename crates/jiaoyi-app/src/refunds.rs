//! Refunds that wait for staff, because no channel gives them back.

use crate::platform::Platform;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::id::{OrderNo, RefundNo};
use jiaoyi_domain::messages::{Case, CaseKind};
use jiaoyi_domain::order::PayOrder;
use jiaoyi_domain::record::{Column, Record, Value};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::{Fen, Instant};
use jiaoyi_store::StoreError;

/// A refund that staff have to pay out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingRefund {
    pub refund_no: RefundNo,
    pub order_no: OrderNo,
    /// The channel that took the money.
    pub channel: ChannelCode,
    pub amount: Fen,
    /// When its case was opened.
    pub since: Instant,
    /// The channel's last code, or `refund_window_over`.
    pub why: String,
}

/// How many numbers are read at once.
const PAGE: i64 = 500;

impl Platform {
    /// What waits for staff, oldest number first.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the store cannot be read.
    pub async fn refunds_for_staff(&self) -> Result<Vec<WaitingRefund>, StoreError> {
        let mut waiting = Vec::new();
        let mut last = String::new();
        loop {
            let given = [Value::Text(last.clone()), Value::Int(PAGE)];
            let rows = self.store.query("refunds_for_staff", &given).await?;
            let numbers: Vec<String> = rows
                .into_iter()
                .filter_map(|row| row.into_iter().next().and_then(String::from_value))
                .collect();
            let Some(newest) = numbers.last() else {
                return Ok(waiting);
            };
            last.clone_from(newest);
            for no in numbers.iter().filter_map(|no| RefundNo::parse(no)) {
                waiting.extend(self.waiting_refund(no).await?);
            }
        }
    }

    async fn waiting_refund(&self, no: RefundNo) -> Result<Option<WaitingRefund>, StoreError> {
        let Some(refund): Option<Refund> = self.store.load(&(no.bucket(), no)).await? else {
            return Ok(None);
        };
        let order = (refund.bucket, refund.order_id);
        let Some(order): Option<PayOrder> = self.store.load(&order).await? else {
            return Ok(None);
        };
        let subject = [refund.bucket.to_value(), refund.refund_no.to_value()];
        let cases: Vec<Case> = self.store.range("by_subject", &subject).await?;
        let case = cases
            .iter()
            .find(|case| case.is_open(CaseKind::RefundManual));
        Ok(Some(WaitingRefund {
            order_no: order.order_no,
            channel: refund.channel,
            amount: refund.amount,
            since: case.map_or(refund.created_at, |case| case.opened_at),
            why: refund.detail.unwrap_or_default(),
            refund_no: refund.refund_no,
        }))
    }

    /// The bank transfer that paid a refund, if one did.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: the store cannot be read.
    pub async fn bank_transfer_of(
        &self,
        refund: &Refund,
    ) -> Result<Option<jiaoyi_domain::bank_transfer::BankTransfer>, StoreError> {
        self.store.load(&refund.key()).await
    }
}
