//! Starting a payment, confirming a bill of 0 yuan, switching the method, giving up.

use crate::bills::BillRef;
use crate::orders::Loaded;
use crate::platform::{Platform, hash_parts};
use crate::portal::{BillState, Next, OrderView, StartAnswer, StartRequest, Visitor};
use crate::pricing::Priced;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::channel::{ChannelCode, Handover, Method};
use jiaoyi_domain::decide::{
    Answer, ConfirmZero, Drafted, DueKey, GiveUp, Refusal, StartPayment, SwitchMethod,
    order_from_text,
};
use jiaoyi_domain::due::OrderId;
use jiaoyi_domain::order::{DeviceOrder, OrderState, PayOrder};
use jiaoyi_domain::policy::Phase;
use jiaoyi_domain::record::Column;
use jiaoyi_domain::time::HOUR_MS;
use jiaoyi_domain::{AttemptNo, Bucket, Instant};
use jiaoyi_store::{CallKey, StoreError, View};

/// What a payer chose on a form.
struct Pressed<'f> {
    method: Method,
    openid: Option<String>,
    form_key: &'f str,
}

/// Most open payments of one device, of those begun lately.
const OPEN_LOCKS_MAX: usize = 10;
/// What was begun before that is over, or waits for the word of a channel, which is nobody's fault.
const OPEN_LOCKS_MS: i64 = HOUR_MS;

/// What keeps a bill from being paid, when it is the calendar of the chosen channel alone.
fn resting(priced: Option<&Priced>, channel: ChannelCode, answer: StartAnswer) -> StartAnswer {
    let payable = match &answer {
        StartAnswer::NotPayable(bill) => matches!(bill.state, BillState::Payable { .. }),
        _ => false,
    };
    match priced.and_then(|priced| priced.phase.opens()) {
        Some(opens_at) if payable => StartAnswer::Resting { channel, opens_at },
        Some(_) | None => answer,
    }
}

impl Platform {
    fn call_key(&self, bucket: Bucket, visitor: &Visitor, key: &str, body: &[&[u8]]) -> CallKey {
        CallKey {
            bucket,
            key_hash: hash_parts(&[&visitor.device, key.as_bytes()]),
            body_hash: hash_parts(body),
        }
    }

    /// Whether a device has begun too much that is still open. Its own list says what it has begun; only
    /// with so much in it are the orders themselves looked at.
    async fn holds_too_many(&self, view: &View<'_>, visitor: &Visitor) -> Result<bool, StoreError> {
        let bucket = self.device_bucket(&visitor.device);
        let given = [bucket.to_value(), visitor.device.to_value()];
        let mut begun: Vec<DeviceOrder> = view.range("by_device", &given).await?;
        let since = self.now().plus_ms(-OPEN_LOCKS_MS);
        begun.retain(|row| row.added_at >= since);
        if begun.len() < OPEN_LOCKS_MAX {
            return Ok(false);
        }
        let mut open = 0;
        for row in begun {
            let order: Option<PayOrder> = view.load(&(row.order_bucket, row.order_id)).await?;
            // A receipt that was added to the list is somebody else's payment.
            let own = order.filter(|order| order.holder == visitor.device);
            open += usize::from(own.is_some_and(|order| order.state == OrderState::Placed));
        }
        Ok(open >= OPEN_LOCKS_MAX)
    }

    async fn not_payable(
        &self,
        visitor: &Visitor,
        reference: &BillRef,
    ) -> Result<StartAnswer, StoreError> {
        let view = self.store.view().await?;
        match self.bill_priced(&view, reference, None).await? {
            Some(priced) => {
                let bill = self.bill_view(&view, visitor, &priced, reference).await?;
                Ok(StartAnswer::NotPayable(Box::new(bill)))
            }
            None => Ok(StartAnswer::Expired),
        }
    }

    /// Starts a payment; see [`crate::portal::Portal::start`].
    pub(crate) async fn start_payment(
        &self,
        visitor: &Visitor,
        request: StartRequest,
    ) -> Result<StartAnswer, StoreError> {
        let Some(reference) = self.open_bill(visitor, &request.bill_ref) else {
            return Ok(StartAnswer::Expired);
        };
        let channel = request.method.channel();
        let Some((renderer, gateway)) = self.renderer(channel).zip(self.gateway(channel)) else {
            return Ok(StartAnswer::ChannelDown { order: None });
        };
        let view = self.store.view().await?;
        let priced = self.bill_priced(&view, &reference, Some(channel.code()));
        let priced = priced.await?;
        let too_many = self.holds_too_many(&view, visitor).await?;
        drop(view);
        let Some(quote) = priced.as_ref().and_then(Priced::quote) else {
            let answer = self.not_payable(visitor, &reference).await?;
            return Ok(resting(priced.as_ref(), channel, answer));
        };
        if too_many {
            return Ok(StartAnswer::TooMany);
        }
        let due = quote.due;
        let body: [&[u8]; 3] = [
            &due.0.get().to_be_bytes(),
            &due.1.0,
            request.method.code().as_bytes(),
        ];
        let key = self.call_key(due.0, visitor, &request.form_key, &body);
        let command = StartPayment {
            quotes: vec![quote],
            method: request.method,
            merchant: gateway.merchant().to_owned(),
            app: gateway.app().to_owned(),
            holder: visitor.device,
            holder_bucket: self.device_bucket(&visitor.device),
            relation: request.relation,
            payer_ip: visitor.ip.clone(),
            openid: request.openid.clone(),
            displace: request.displace,
            renderer,
        };
        let pressed = Pressed {
            method: request.method,
            openid: request.openid,
            form_key: &request.form_key,
        };
        match self.submit_keyed(command, key.clone()).await {
            Ok(Answer::Started {
                drafted: Some(drafted),
                ..
            }) => self.after_draft(*drafted).await,
            Ok(Answer::Started {
                bucket,
                order,
                attempt,
                drafted: None,
            }) => {
                self.after_start(visitor, bucket, &order, &attempt, pressed)
                    .await
            }
            Ok(_) => self.not_payable(visitor, &reference).await,
            // The payer came back to the form and chose another way of paying.
            Err(StoreError::Refused(Refusal::KeyReused)) => {
                let Some(token) = self.started_by(&key, &due).await? else {
                    return self.not_payable(visitor, &reference).await;
                };
                self.switch_pressed(visitor, &token, pressed).await
            }
            Err(error) => self.start_refused(visitor, &reference, error).await,
        }
    }

    /// The order that a form has started before for this due.
    async fn started_by(&self, key: &CallKey, due: &DueKey) -> Result<Option<String>, StoreError> {
        let Some(Answer::Started { bucket, order, .. }) = self.store.answered(key).await? else {
            return Ok(None);
        };
        let Some((bucket, order)) = Bucket::try_new(bucket).zip(order_from_text(&order)) else {
            return Ok(None);
        };
        let loaded = self.load_order_by_key(bucket, order).await?;
        let same = loaded.is_some_and(|loaded| {
            let mut lines = loaded.lines.iter();
            lines.any(|line| (line.due_bucket, line.due_id, line.generation) == *due)
        });
        Ok(same.then(|| self.order_token(bucket, order)))
    }

    async fn start_refused(
        &self,
        visitor: &Visitor,
        reference: &BillRef,
        error: StoreError,
    ) -> Result<StartAnswer, StoreError> {
        match error {
            StoreError::Refused(Refusal::TooManyLocks) => Ok(StartAnswer::TooMany),
            StoreError::Refused(
                Refusal::AlreadyPaid
                | Refusal::Changed
                | Refusal::NotPayable
                | Refusal::NothingToPay
                | Refusal::WindowClosed,
            ) => self.not_payable(visitor, reference).await,
            StoreError::Busy { retry_after_s } => Ok(StartAnswer::Busy { retry_after_s }),
            other => Err(other),
        }
    }

    /// Sends the new attempt to its channel and the payer on the way. When the payer has chosen
    /// another way since this form was first sent, the order changes back to this one.
    async fn after_start(
        &self,
        visitor: &Visitor,
        bucket: u16,
        order: &str,
        attempt: &str,
        pressed: Pressed<'_>,
    ) -> Result<StartAnswer, StoreError> {
        let named = Bucket::try_new(bucket).zip(order_from_text(order));
        let (Some((bucket, order_id)), Some(no)) = (named, AttemptNo::parse(attempt)) else {
            return Ok(StartAnswer::Expired);
        };
        let view = self.store.view().await?;
        let given = [bucket.to_value(), order_id.to_value()];
        let attempts: Vec<Attempt> = view.range("by_order", &given).await?;
        let outbox = Platform::outbox_of(&view, bucket, no.as_str(), "create").await?;
        drop(view);
        self.close_now(&attempts).await?;
        let token = self.order_token(bucket, order_id);
        let newest = attempts.iter().max_by_key(|attempt| attempt.seq);
        if let Some(newest) = newest.filter(|newest| newest.attempt_no != no) {
            let form_key = format!("{}:{}", pressed.form_key, newest.attempt_no.as_str());
            let pressed = Pressed {
                form_key: &form_key,
                ..pressed
            };
            return Box::pin(self.switch_pressed(visitor, &token, pressed)).await;
        }
        let drafted = attempts.iter().find(|attempt| attempt.attempt_no == no);
        let placed = match drafted {
            Some(attempt) => self.place_attempt(attempt, outbox).await?,
            None => None,
        };
        self.on_the_way(token, no, placed).await
    }

    /// Sends the first attempt of a new order to its channel and the payer on the way.
    async fn after_draft(&self, drafted: Drafted) -> Result<StartAnswer, StoreError> {
        let Drafted { attempt, outbox } = drafted;
        let token = self.order_token(attempt.bucket, attempt.order_id);
        let placed = self.place_attempt(&attempt, outbox).await?;
        self.on_the_way(token, attempt.attempt_no, placed).await
    }

    /// Where the payer goes from here: to what was `placed` just now, or to what stands in the
    /// database.
    async fn on_the_way(
        &self,
        token: String,
        no: AttemptNo,
        placed: Option<Handover>,
    ) -> Result<StartAnswer, StoreError> {
        // Read again only where nothing was handed out just now: link methods, a form sent twice.
        let attempt: Option<Attempt> = match &placed {
            Some(_) => None,
            None => self.store.load(&(no.bucket(), no)).await?,
        };
        let handover = match (placed, &attempt) {
            (Some(placed), _) => Some(placed),
            (None, Some(attempt)) => self.handover(attempt).await,
            (None, None) => None,
        };
        Ok(match handover {
            Some(Handover::Redirect(url)) => StartAnswer::Started {
                order: token,
                next: Next::Redirect(url),
            },
            Some(Handover::Form(_)) => StartAnswer::Started {
                order: token,
                next: Next::Form,
            },
            Some(Handover::Qr(_) | Handover::PrepayId(_) | Handover::Tn(_)) => {
                StartAnswer::Started {
                    order: token,
                    next: Next::Page,
                }
            }
            // The same form sent again after the payer paid or gave up: the page tells.
            None if attempt.is_some_and(|row| row.handed_out_at.is_some()) => {
                StartAnswer::Started {
                    order: token,
                    next: Next::Page,
                }
            }
            None => StartAnswer::ChannelDown { order: Some(token) },
        })
    }

    pub(crate) async fn attempts(
        &self,
        bucket: Bucket,
        order: OrderId,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.store
            .range("by_order", &[bucket.to_value(), order.to_value()])
            .await
    }

    /// Confirms a bill of 0 yuan; see [`crate::portal::Portal::confirm_zero`].
    pub(crate) async fn confirm_nothing(
        &self,
        visitor: &Visitor,
        bill_ref: &str,
        relation: &str,
        form_key: &str,
    ) -> Result<StartAnswer, StoreError> {
        let Some(reference) = self.open_bill(visitor, bill_ref) else {
            return Ok(StartAnswer::Expired);
        };
        let view = self.store.view().await?;
        let priced = self.bill_priced(&view, &reference, None).await?;
        drop(view);
        let Some(quote) = priced.as_ref().and_then(Priced::quote) else {
            return self.not_payable(visitor, &reference).await;
        };
        let due = quote.due;
        let body: [&[u8]; 3] = [&due.0.get().to_be_bytes(), &due.1.0, b"zero"];
        let key = self.call_key(due.0, visitor, form_key, &body);
        let command = ConfirmZero {
            quote,
            holder: visitor.device,
            holder_bucket: self.device_bucket(&visitor.device),
            relation: relation.to_owned(),
        };
        match self.submit_keyed(command, key).await {
            Ok(Answer::Confirmed { bucket, order }) => {
                let named = Bucket::try_new(bucket).zip(order_from_text(&order));
                Ok(
                    named.map_or(StartAnswer::Expired, |(bucket, id)| StartAnswer::Started {
                        order: self.order_token(bucket, id),
                        next: Next::Page,
                    }),
                )
            }
            Ok(_) => self.not_payable(visitor, &reference).await,
            Err(error) => self.start_refused(visitor, &reference, error).await,
        }
    }

    /// Gives an order up; see [`crate::portal::Portal::cancel`].
    pub(crate) async fn give_up(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<Option<OrderView>, StoreError> {
        let Some(order) = self.read_order_token(token) else {
            return Ok(None);
        };
        let command = GiveUp {
            order,
            holder: visitor.device,
        };
        match self.submit(command).await {
            Ok(_) => {
                self.close_now(&self.attempts(order.0, order.1).await?)
                    .await?
            }
            Err(StoreError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        self.order_view(visitor, token).await
    }

    /// Pays another way; see [`crate::portal::Portal::switch`].
    pub(crate) async fn switch_method(
        &self,
        visitor: &Visitor,
        token: &str,
        method: Method,
        openid: Option<String>,
        form_key: &str,
    ) -> Result<StartAnswer, StoreError> {
        let pressed = Pressed {
            method,
            openid,
            form_key,
        };
        self.switch_pressed(visitor, token, pressed).await
    }

    async fn switch_pressed(
        &self,
        visitor: &Visitor,
        token: &str,
        pressed: Pressed<'_>,
    ) -> Result<StartAnswer, StoreError> {
        let method = pressed.method;
        let Some(order) = self.read_order_token(token) else {
            return Ok(StartAnswer::Expired);
        };
        let channel = method.channel();
        let Some((renderer, gateway)) = self.renderer(channel).zip(self.gateway(channel)) else {
            return Ok(StartAnswer::ChannelDown {
                order: Some(token.to_owned()),
            });
        };
        if let Some(opens_at) = self.rests_for(visitor, token, channel).await? {
            return Ok(StartAnswer::Resting { channel, opens_at });
        }
        // A form of switching may be sent again with yet another method: each is a call of its own.
        let form_key = format!("{}:{}", pressed.form_key, method.code());
        let key = self.call_key(order.0, visitor, &form_key, &[&order.1.0]);
        let command = SwitchMethod {
            order,
            holder: visitor.device,
            method,
            merchant: gateway.merchant().to_owned(),
            app: gateway.app().to_owned(),
            payer_ip: visitor.ip.clone(),
            openid: pressed.openid.clone(),
            renderer,
        };
        match self.submit_keyed(command, key).await {
            Ok(Answer::Started {
                bucket,
                order,
                attempt,
                ..
            }) => {
                self.after_start(visitor, bucket, &order, &attempt, pressed)
                    .await
            }
            Ok(_) => Ok(StartAnswer::Expired),
            Err(StoreError::Refused(Refusal::TooManyLocks)) => Ok(StartAnswer::TooMany),
            Err(StoreError::Busy { retry_after_s }) => Ok(StartAnswer::Busy { retry_after_s }),
            Err(StoreError::Refused(_)) => self.switch_refused(visitor, token).await,
            Err(error) => Err(error),
        }
    }

    /// From when a payment for an order may begin at a channel whose calendar rests now.
    async fn rests_for(
        &self,
        visitor: &Visitor,
        token: &str,
        channel: ChannelCode,
    ) -> Result<Option<Instant>, StoreError> {
        let Some(reference) = self.bill_of_order(visitor, token).await? else {
            return Ok(None);
        };
        let view = self.store.view().await?;
        let priced = self.bill_priced(&view, &reference, Some(channel.code()));
        Ok(match priced.await?.map(|priced| priced.phase) {
            Some(Phase::Resting { opens, .. }) => Some(opens),
            _ => None,
        })
    }

    /// The order cannot go on: the bill as it stands now says why.
    async fn switch_refused(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<StartAnswer, StoreError> {
        match self.bill_of_order(visitor, token).await? {
            Some(reference) => self.not_payable(visitor, &reference).await,
            None => Ok(StartAnswer::Expired),
        }
    }

    /// The bill of an order of this device.
    async fn bill_of_order(
        &self,
        visitor: &Visitor,
        token: &str,
    ) -> Result<Option<BillRef>, StoreError> {
        let Some(loaded) = self.load_order(token).await? else {
            return Ok(None);
        };
        let Loaded { lines, person, .. } = &loaded;
        let (Some(line), Some(person)) = (lines.first(), person) else {
            return Ok(None);
        };
        if loaded.order.holder != visitor.device {
            return Ok(None);
        }
        Ok(Some(BillRef::new(
            &(line.due_bucket, line.due_id, line.generation),
            self.now(),
            visitor,
            person.name_masked.clone(),
            person.document_masked.clone(),
            line.region.clone(),
        )))
    }
}
