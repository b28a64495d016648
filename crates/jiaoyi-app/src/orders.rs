//! Orders as their page shows them, and the list of a device's own orders.

use crate::platform::Platform;
use crate::portal::{
    Bridge, FailReason, OrderStatus, OrderView, RecordAnswer, RecordView, RefundView, TransferView,
    Visitor,
};
use crate::pricing::resting;
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::channel::{Handover, Method, PayFailure};
use jiaoyi_domain::decide::AddDeviceOrder;
use jiaoyi_domain::due::{Due, OrderId, Slot};
use jiaoyi_domain::order::{DeviceOrder, Line, LineState, OrderState, PayOrder};
use jiaoyi_domain::record::Column;
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_domain::{Bucket, Fen, Instant};
use jiaoyi_store::StoreError;

/// The page asks the channel not more often than this.
const ASK_PAUSE_MS: i64 = 2 * SECOND_MS;

/// An order with everything its page needs.
pub(crate) struct Loaded {
    pub order: PayOrder,
    pub lines: Vec<Line>,
    pub attempts: Vec<Attempt>,
    pub refunds: Vec<Refund>,
    pub transfers: Vec<BankTransfer>,
    /// What its lines filled, in their order.
    pub slots: Vec<Slot>,
    pub person: Option<Person>,
    pub due: Option<Due>,
}

impl Loaded {
    /// The attempt that was started last.
    pub(crate) fn latest(&self) -> Option<&Attempt> {
        self.attempts.iter().max_by_key(|attempt| attempt.seq)
    }

    fn paid_attempt(&self) -> Option<&Attempt> {
        self.attempts
            .iter()
            .find(|attempt| attempt.state == AttemptState::Paid)
    }

    fn refund_status(&self) -> OrderStatus {
        let any = |states: &[RefundState]| {
            self.refunds
                .iter()
                .any(|refund| states.contains(&refund.state))
        };
        if any(&[RefundState::Manual]) {
            OrderStatus::RefundManual
        } else if any(&[
            RefundState::Held,
            RefundState::Requested,
            RefundState::Approved,
            RefundState::Sent,
            RefundState::Unknown,
        ]) {
            OrderStatus::RefundPending
        } else {
            OrderStatus::Refunded
        }
    }

    fn unpaid_status(&self, now: Instant) -> OrderStatus {
        let Some(latest) = self.latest() else {
            return OrderStatus::Expired;
        };
        match latest.state {
            AttemptState::Disputed => OrderStatus::Disputed,
            AttemptState::Refused => OrderStatus::Failed,
            AttemptState::Dropped if latest.handed_out_at.is_none() => {
                if self.order.state == OrderState::Placed || latest.abandoned_at.is_none() {
                    OrderStatus::ChannelDown
                } else {
                    OrderStatus::Cancelled
                }
            }
            AttemptState::Closed | AttemptState::Dropped if latest.abandoned_at.is_some() => {
                OrderStatus::Cancelled
            }
            AttemptState::Closed | AttemptState::Expired | AttemptState::Dropped => {
                OrderStatus::Expired
            }
            AttemptState::Paid => OrderStatus::Confirming,
            AttemptState::Drafted
            | AttemptState::Offered
            | AttemptState::Unknown
            | AttemptState::Closing => match self.order.state {
                OrderState::Abandoned => OrderStatus::Abandoned,
                _ if latest.pay_failure().is_some() && now < latest.expires_at => {
                    OrderStatus::Failed
                }
                _ if latest.state == AttemptState::Offered && now < latest.expires_at => {
                    OrderStatus::ToPay
                }
                _ => OrderStatus::Confirming,
            },
        }
    }

    /// What the payer is told.
    pub(crate) fn status(&self, now: Instant) -> OrderStatus {
        match self.order.state {
            OrderState::Placed | OrderState::Abandoned | OrderState::Closed => {
                self.unpaid_status(now)
            }
            OrderState::Paid if self.lines.iter().any(|l| l.state == LineState::Returned) => {
                OrderStatus::Returned
            }
            OrderState::Paid => OrderStatus::Paid,
            OrderState::Mixed | OrderState::Surplus => self.refund_status(),
        }
    }

    fn refund_view(&self) -> Option<RefundView> {
        let shown: Vec<&Refund> = self
            .refunds
            .iter()
            .filter(|row| row.state != RefundState::Cancelled)
            .collect();
        let first = shown.first()?;
        let amount = Fen::checked_sum(shown.iter().map(|refund| refund.amount))?;
        Some(RefundView {
            refund_no: first.refund_no.as_str().to_owned(),
            amount,
            done_at: shown
                .iter()
                .all(|refund| refund.done_at.is_some())
                .then(|| shown.iter().filter_map(|refund| refund.done_at).max())
                .flatten(),
            manual: shown.iter().any(|row| row.state == RefundState::Manual),
            transfer: self.transfers.last().map(|paid| TransferView {
                paid_on: paid.paid_on,
                account_tail: paid.account_tail.clone(),
            }),
            held_until: shown.iter().filter_map(|refund| refund.held_until).max(),
        })
    }
}

impl Platform {
    /// Loads an order by its page's token.
    pub(crate) async fn load_order(&self, token: &str) -> Result<Option<Loaded>, StoreError> {
        match self.read_order_token(token) {
            Some((bucket, order)) => self.load_order_by_key(bucket, order).await,
            None => Ok(None),
        }
    }

    pub(crate) async fn load_order_by_key(
        &self,
        bucket: Bucket,
        order_id: OrderId,
    ) -> Result<Option<Loaded>, StoreError> {
        let Some(order): Option<PayOrder> = self.store.load(&(bucket, order_id)).await? else {
            return Ok(None);
        };
        let given = [bucket.to_value(), order_id.to_value()];
        let lines: Vec<Line> = self.store.range("by_order", &given).await?;
        let attempts: Vec<Attempt> = self.store.range("by_order", &given).await?;
        let refunds: Vec<Refund> = self.store.range("by_order", &given).await?;
        let mut transfers = Vec::new();
        for refund in refunds.iter().filter(|row| row.state == RefundState::Done) {
            transfers.extend(self.bank_transfer_of(refund).await?);
        }
        let mut slots = Vec::new();
        for line in &lines {
            slots.extend(self.slot_of(line).await?);
        }
        let due: Option<Due> = match lines.first() {
            Some(line) => {
                self.store
                    .load(&(line.due_bucket, line.due_id, line.generation))
                    .await?
            }
            None => None,
        };
        let person: Option<Person> = match &due {
            Some(due) => self.store.load(&(due.bucket, due.person_id)).await?,
            None => None,
        };
        Ok(Some(Loaded {
            order,
            lines,
            attempts,
            refunds,
            transfers,
            slots,
            person,
            due,
        }))
    }

    /// The slot that a line filled, if it did: the slot of its due may be another order's.
    async fn slot_of(&self, line: &Line) -> Result<Option<Slot>, StoreError> {
        if !matches!(line.state, LineState::Premium | LineState::Returned) {
            return Ok(None);
        }
        let key = (line.due_bucket, line.due_id, line.generation);
        let slot: Option<Slot> = self.store.load(&key).await?;
        let named = |slot: &Slot| (slot.order_id, slot.line_no) == (line.order_id, line.line_no);
        Ok(slot.filter(named))
    }

    async fn bridge(&self, attempt: &Attempt, prepay_id: &str) -> Option<Bridge> {
        if attempt.method != Method::WechatJsapi {
            return None;
        }
        let wechat = self.channels.wechat.as_ref()?;
        let bridge = wechat
            .bridge(prepay_id, self.now(), self.nonce_text())
            .await?;
        Some(Bridge {
            app_id: bridge.app_id,
            time_stamp: bridge.time_stamp,
            nonce: bridge.nonce,
            package: bridge.package,
            sign_type: bridge.sign_type,
            pay_sign: bridge.pay_sign,
        })
    }

    /// The order behind a token as its page shows it.
    pub(crate) async fn order_view(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<Option<OrderView>, StoreError> {
        let Some(loaded) = self.load_order(token).await? else {
            return Ok(None);
        };
        let now = self.now();
        let status = loaded.status(now);
        let order = &loaded.order;
        let mine = order.holder == visitor.device;
        let latest = loaded.latest();
        let handover = match latest {
            Some(attempt) if matches!(status, OrderStatus::ToPay | OrderStatus::Failed) && mine => {
                self.handover(attempt).await
            }
            Some(_) | None => None,
        };
        let (mut qr, mut pay_url, mut pay_form, mut bridge) = (None, None, None, None);
        match handover {
            Some(Handover::Qr(text)) => qr = Some(text),
            Some(Handover::Redirect(url)) => pay_url = Some(url),
            Some(Handover::Form(form)) => pay_form = Some(form),
            Some(Handover::PrepayId(id)) => {
                if let Some(attempt) = latest {
                    bridge = self.bridge(attempt, &id).await;
                }
            }
            // Of use to an app only.
            Some(Handover::Tn(_)) | None => {}
        }
        let line = loaded.lines.first();
        let region = line.and_then(|line| self.regions.get(&line.region));
        let of_first = |slot: &&Slot| line.is_some_and(|line| slot.line_no == line.line_no);
        let slot = loaded.slots.iter().find(of_first);
        let period = slot
            .map(|slot| (slot.benefit_first, slot.benefit_last))
            .or_else(|| line.map(|line| (line.benefit_first, line.benefit_last)))
            .unwrap_or((now.date(), now.date()));
        let paid = loaded.paid_attempt();
        let levy = line.zip(loaded.due.as_ref());
        let pack = levy.and_then(|(line, due)| self.pack(&line.region, due.benefit_year));
        Ok(Some(OrderView {
            order: token.to_owned(),
            order_no: order.order_no.as_str().to_owned(),
            status,
            method: paid
                .or(latest)
                .map_or(Method::AlipayWap, |attempt| attempt.method),
            amount: order.amount,
            name_masked: loaded
                .person
                .as_ref()
                .map_or(String::new(), |p| p.name_masked.clone()),
            region_zh: region.map_or(String::new(), |region| self.regions.path_zh(region)),
            region_en: region.map_or(String::new(), |region| self.regions.path_en(region)),
            benefit_year: loaded.due.as_ref().map_or(0, |due| due.benefit_year),
            benefit_first: period.0,
            benefit_last: period.1,
            created_at: order.created_at,
            until: latest.map_or(order.until, |attempt| attempt.expires_at),
            paid_at: paid.and_then(|attempt| attempt.paid_at).or(slot
                .filter(|_| status == OrderStatus::Paid)
                .map(|slot| slot.accepted_at)),
            qr,
            pay_url,
            pay_form,
            bridge,
            voucher_no: loaded.slots.first().map(|slot| slot.voucher_no.to_string()),
            refund: loaded.refund_view(),
            failure: (status == OrderStatus::Failed).then(|| {
                match latest.and_then(Attempt::pay_failure) {
                    Some(PayFailure::BalanceTooLow) => FailReason::BalanceTooLow,
                    Some(PayFailure::Other) | None => FailReason::Refused,
                }
            }),
            mine,
            resting: pack.map_or_else(Vec::new, |pack| resting(&pack, now)),
            trace: order.order_no.as_str()[order.order_no.as_str().len() - 6..].to_owned(),
        }))
    }

    /// Asks the channel now, not more often than it may be asked, and gives the order.
    pub(crate) async fn refresh_order(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<Option<OrderView>, StoreError> {
        let Some(loaded) = self.load_order(token).await? else {
            return Ok(None);
        };
        if loaded.order.is_unpaid()
            && let Some(attempt) = loaded.latest()
            && attempt.handed_out_at.is_some()
            && !attempt.is_dead()
            && self.limits_ask(attempt)
        {
            self.ask(&attempt.attempt_no).await?;
        }
        self.order_view(visitor, token).await
    }

    fn limits_ask(&self, attempt: &Attempt) -> bool {
        self.limits
            .may_ask(attempt.attempt_no.as_str(), self.now(), ASK_PAUSE_MS)
    }

    /// The orders that a device holds, newest first.
    pub(crate) async fn records_of(
        &self,
        visitor: &Visitor,
    ) -> Result<Vec<RecordView>, StoreError> {
        let bucket = self.device_bucket(&visitor.device);
        let given = [bucket.to_value(), visitor.device.to_value()];
        let mut rows: Vec<DeviceOrder> = self.store.range("by_device", &given).await?;
        rows.sort_by_key(|row| std::cmp::Reverse(row.added_at));
        let now = self.now();
        let mut records = Vec::new();
        for row in rows.into_iter().take(100) {
            let key = (row.order_bucket, row.order_id);
            let Some(loaded) = self.load_order_by_key(key.0, key.1).await? else {
                continue;
            };
            records.push(RecordView {
                order: self.order_token(key.0, key.1),
                status: loaded.status(now),
                name_masked: loaded
                    .person
                    .as_ref()
                    .map_or(String::new(), |person| person.name_masked.clone()),
                benefit_year: loaded.due.as_ref().map_or(0, |due| due.benefit_year),
                amount: loaded.order.amount,
                at: loaded.order.created_at,
                voucher_no: loaded.slots.first().map(|slot| slot.voucher_no.to_string()),
            });
        }
        Ok(records)
    }

    /// Adds a pasted receipt link to a device's list.
    pub(crate) async fn add_receipt(
        &self,
        visitor: &Visitor,
        text: &str,
    ) -> Result<RecordAnswer, StoreError> {
        if let Some(wait) = self.limits.verification(&visitor.ip, self.now()) {
            return Ok(RecordAnswer::RateLimited {
                retry_after_s: wait,
            });
        }
        let text = text.trim();
        let token = text.split_once("/o/").map_or(text, |(_, rest)| {
            rest.split(['/', '?', '#']).next().unwrap_or_default()
        });
        let Some(order) = self.read_order_token(token) else {
            return Ok(RecordAnswer::NotFound);
        };
        let device_bucket = self.device_bucket(&visitor.device);
        let command = AddDeviceOrder {
            device: visitor.device,
            device_bucket,
            order,
        };
        match self.submit(command).await {
            Ok(_) => Ok(RecordAnswer::Added),
            Err(StoreError::Refused(_)) => Ok(RecordAnswer::NotFound),
            Err(error) => Err(error),
        }
    }
}
