//! Payers: they look up, start, wait, change their mind, pay twice, pay late, and note what they are
//! told.

use super::channel::{Books, Paying};
use super::executor::lock;
use super::node::call;
use super::seen::Situation;
use super::world::World;
use jiaoyi_app::platform::Platform;
use jiaoyi_app::portal::{
    BillState, BillView, LookupAnswer, LookupRequest, OrderStatus, OrderView, Portal, PortalError,
    RecordAnswer, StartAnswer, StartRequest, Visitor,
};
use jiaoyi_domain::OrderNo;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::channel::Method;
use jiaoyi_domain::record::{Column, Record, Value};
use jiaoyi_domain::time::{MINUTE_MS, SECOND_MS};
use serde_json::json;
use std::sync::Arc;

/// How often a payer tries again what was not answered.
const TRIES_MAX: u32 = 8;

/// Something to pay with, as a payer holds it.
#[derive(Clone)]
struct Held {
    method: Method,
    text: String,
    /// Given up, or changed for another way.
    left: bool,
}

/// One payer with one device.
pub struct Payer {
    world: Arc<World>,
    visitor: Visitor,
    /// Pages of orders that this payer has.
    pub orders: Vec<String>,
    held: Vec<Held>,
}

/// What a page of an order comes to for its payer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It may still change.
    Open,
    /// It will not.
    Final,
}

impl Payer {
    pub fn new(world: &Arc<World>, number: u8) -> Payer {
        let ip = format!("192.0.2.{number}");
        let visitor = Visitor {
            device: [number; 32],
            ip,
        };
        Payer {
            world: Arc::clone(world),
            visitor,
            orders: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Asks a node, and another one when no usable answer comes.
    async fn ask<T, F>(&self, make: impl Fn(Arc<Platform>, Visitor) -> F + Send + Sync) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, PortalError>> + Send + 'static,
    {
        for _ in 0..TRIES_MAX {
            let node = usize::try_from(self.world.below(2)).unwrap_or(0);
            let visitor = self.visitor.clone();
            let asked = call(&self.world, node, |platform| make(platform, visitor));
            if let Some(Ok(answer)) = asked.await {
                return Some(answer);
            }
            self.world.pause(SECOND_MS, 20 * SECOND_MS).await;
        }
        None
    }

    async fn bill(&self, person: usize) -> Option<BillView> {
        let person = &self.world.people[person];
        let request = LookupRequest {
            name: person.name.clone(),
            document_kind: "id_card".to_owned(),
            document: person.id.clone(),
            region: person.region.to_owned(),
        };
        let found = self.ask(move |platform, visitor| {
            let request = request.clone();
            async move { platform.lookup(&visitor, request, "").await }
        });
        match found.await? {
            LookupAnswer::Found(bills) => bills.into_iter().next(),
            other => {
                self.world
                    .wrong(format!("{} is not found: {other:?}", person.id));
                None
            }
        }
    }

    fn method(&self) -> Method {
        let some = [
            Method::WechatNative,
            Method::WechatH5,
            Method::AlipayWap,
            Method::AlipayPrecreate,
        ];
        let place = usize::try_from(self.world.below(4)).unwrap_or(0);
        some[place]
    }

    /// Sends a form until it is answered.
    async fn start(&mut self, bill: &BillView, method: Method, key: &str, displace: bool) {
        let request = StartRequest {
            bill_ref: bill.bill_ref.clone(),
            method,
            form_key: key.to_owned(),
            openid: None,
            relation: "other".to_owned(),
            displace,
        };
        if displace {
            self.world.saw(Situation::Displaced);
        }
        let answer = self.ask(move |platform, visitor| {
            let request = request.clone();
            async move { platform.start(&visitor, request).await }
        });
        let answer = answer.await;
        self.started(answer, method).await;
    }

    async fn switch(&mut self, order: &str, method: Method) {
        self.world.saw(Situation::Switched);
        let key = lock(&self.world.chance).form_key();
        let token = order.to_owned();
        let answer = self.ask(move |platform, visitor| {
            let (token, key) = (token.clone(), key.clone());
            async move { platform.switch(&visitor, &token, method, None, &key).await }
        });
        let answer = answer.await;
        if matches!(answer, Some(StartAnswer::Started { .. })) {
            self.leave();
        }
        self.started(answer, method).await;
    }

    fn leave(&mut self) {
        self.held.iter_mut().for_each(|held| held.left = true);
    }

    async fn started(&mut self, answer: Option<StartAnswer>, method: Method) {
        use jiaoyi_app::portal::Next;
        let device = self.visitor.device[0];
        let Some(answer) = answer else {
            self.world.note(format!("payer {device} gets no answer"));
            return;
        };
        match answer {
            StartAnswer::Started { order, next } => {
                self.world
                    .note(format!("payer {device} has started by {}", method.code()));
                if !self.orders.contains(&order) {
                    self.orders.push(order.clone());
                }
                match next {
                    Next::Redirect(text) => self.hold(method, text),
                    Next::Form | Next::Page => drop(self.look(&order, false).await),
                }
            }
            StartAnswer::ChannelDown { order } => {
                self.world
                    .note(format!("payer {device} is told that the channel is down"));
                self.orders
                    .extend(order.filter(|order| !self.orders.contains(order)));
            }
            other => {
                let told: String = format!("{other:?}").chars().take(40).collect();
                self.world.note(format!("payer {device} is told {told}"));
            }
        }
    }

    fn hold(&mut self, method: Method, text: String) {
        if self.held.iter().any(|held| held.text == text) {
            return;
        }
        if let Some(no) = Books::number_in(&text) {
            let line = json!({"kind": "accepted", "attempt": no.as_str()});
            lock(&self.world.journal).push(line.to_string());
        }
        self.held.push(Held {
            method,
            text,
            left: false,
        });
    }

    /// Looks at an order's page and notes what it tells; `refresh` asks the channel as well.
    pub async fn look(&mut self, order: &str, refresh: bool) -> Option<Told> {
        let token = order.to_owned();
        let view = self.ask(move |platform, visitor| {
            let token = token.clone();
            async move {
                if refresh {
                    platform.refresh(&visitor, &token).await
                } else {
                    platform.order(&visitor, &token).await
                }
            }
        });
        let Some(view) = view.await? else {
            self.world
                .wrong(format!("the page of an order is gone: {order}"));
            return None;
        };
        for text in view.qr.iter().chain(&view.pay_url) {
            self.hold(view.method, text.clone());
        }
        Some(self.told(&view))
    }

    fn told(&self, view: &OrderView) -> Told {
        let (world, no) = (&self.world, view.order_no.as_str());
        world.note(format!(
            "payer {} is told {no} {:?}",
            self.visitor.device[0], view.status
        ));
        let say = |line: serde_json::Value| lock(&world.journal).push(line.to_string());
        match view.status {
            OrderStatus::Paid => {
                world.saw(Situation::ToldPaid);
                match &view.voucher_no {
                    Some(voucher) => {
                        say(json!({"kind": "paid", "order": no, "voucher": voucher}));
                    }
                    None => world.wrong(format!("{no} is shown as paid and without a voucher")),
                }
                Told::Final
            }
            OrderStatus::Cancelled | OrderStatus::Expired | OrderStatus::ChannelDown => {
                if let Some(attempt) = self.latest_dead(no) {
                    world.saw(Situation::ToldRefused);
                    say(json!({"kind": "refused", "attempt": attempt}));
                }
                Told::Final
            }
            OrderStatus::Refunded => {
                world.saw(Situation::ToldRefunded);
                Told::Final
            }
            OrderStatus::RefundManual => {
                world.saw(Situation::ToldManual);
                Told::Final
            }
            OrderStatus::Returned | OrderStatus::Failed => Told::Final,
            OrderStatus::ToPay
            | OrderStatus::Confirming
            | OrderStatus::Abandoned
            | OrderStatus::RefundPending
            | OrderStatus::Disputed => Told::Open,
        }
    }

    /// The newest attempt of an order, if nothing more can come of it.
    fn latest_dead(&self, order_no: &str) -> Option<String> {
        let no = OrderNo::parse(order_no)?;
        let given = [no.bucket().to_value(), Value::Text(order_no.to_owned())];
        let found = self
            .world
            .database
            .read("queries", "order_of_number", &given)
            .ok()?;
        let order = found.into_iter().flatten().next()?;
        let rows =
            self.world
                .database
                .read("attempt", "by_order", &[no.bucket().to_value(), order]);
        let attempts = rows.ok()?.into_iter().filter_map(Attempt::from_values);
        let latest = attempts.max_by_key(|attempt| attempt.seq)?;
        let over = latest.is_dead() && latest.paid_at.is_none();
        over.then(|| latest.attempt_no.as_str().to_owned())
    }

    /// Pays with something held, and watches the page for a while.
    async fn pay(&mut self, place: usize) {
        let Some(held) = self.held.get(place).cloned() else {
            return;
        };
        let (world, device) = (Arc::clone(&self.world), self.visitor.device[0]);
        let books = Arc::clone(&world.books[&held.method.channel()]);
        let outcome = books.pay(&world, &held.text);
        let no = Books::number_in(&held.text);
        world.note(format!("payer {device} pays {no:?}: {outcome:?}"));
        match outcome {
            Paying::Paid if held.left => world.saw(Situation::LateSuccess),
            Paying::Refused => world.saw(Situation::TooLateToPay),
            Paying::Failed => world.saw(Situation::PayFailed),
            Paying::Paid | Paying::Again => {}
        }
        world.pause(SECOND_MS, 10 * SECOND_MS).await;
        if let Some(order) = self.orders.last().cloned() {
            for _ in 0..3 {
                if self.look(&order, true).await == Some(Told::Final) {
                    break;
                }
                world.pause(2 * SECOND_MS, 30 * SECOND_MS).await;
            }
        }
    }

    async fn give_up(&mut self, order: &str) {
        self.world.saw(Situation::GaveUp);
        let token = order.to_owned();
        let view = self.ask(move |platform, visitor| {
            let token = token.clone();
            async move { platform.cancel(&visitor, &token).await }
        });
        if let Some(Some(view)) = view.await {
            self.told(&view);
        }
        self.leave();
    }

    /// One visit: a bill, and whatever comes of it.
    pub async fn visit(&mut self, person: usize) {
        let Some(bill) = self.bill(person).await else {
            return;
        };
        let (method, key) = (self.method(), lock(&self.world.chance).form_key());
        match &bill.state {
            BillState::Payable { .. } => {
                self.start(&bill, method, &key, false).await;
                if self.world.below(6) == 0 {
                    self.world.saw(Situation::FormAgain);
                    // Back to the form, and once more: the same way, or another one.
                    let method = if self.world.below(2) == 0 {
                        method
                    } else {
                        self.method()
                    };
                    self.start(&bill, method, &key, false).await;
                }
            }
            BillState::Locked {
                mine: Some(order), ..
            } if !self.orders.contains(order) => {
                self.orders.push(order.clone());
            }
            BillState::Locked {
                mine: None,
                may_displace: true,
                ..
            } => {
                self.start(&bill, method, &key, true).await;
            }
            BillState::Locked {
                mine: None,
                may_displace: false,
                ..
            } => {
                // Comes back when the other one has had three minutes.
                self.world.pause(2 * MINUTE_MS, 4 * MINUTE_MS).await;
                self.start(&bill, method, &key, true).await;
            }
            BillState::NothingToPay => {
                let reference = bill.bill_ref.clone();
                let answer = self.ask(move |platform, visitor| {
                    let (reference, key) = (reference.clone(), key.clone());
                    async move {
                        platform
                            .confirm_zero(&visitor, &reference, "self", &key)
                            .await
                    }
                });
                let answer = answer.await;
                if matches!(answer, Some(StartAnswer::Started { .. })) {
                    self.world.saw(Situation::ZeroConfirmed);
                }
                self.started(answer, method).await;
                return;
            }
            _ => return,
        }
        self.go_on().await;
    }

    async fn go_on(&mut self) {
        let world = Arc::clone(&self.world);
        let Some(order) = self.orders.last().cloned() else {
            return;
        };
        let last = |payer: &Payer| payer.held.len().wrapping_sub(1);
        match world.below(9) {
            0..2 => {
                world.pause(3 * SECOND_MS, MINUTE_MS).await;
                self.pay(last(self)).await;
            }
            3 => {
                world.pause(10 * MINUTE_MS, 17 * MINUTE_MS).await;
                self.pay(last(self)).await;
            }
            4 => {
                world.pause(SECOND_MS, MINUTE_MS).await;
                self.give_up(&order).await;
                if world.below(2) == 0 {
                    world.pause(0, 6 * MINUTE_MS).await;
                    self.pay(last(self)).await;
                }
            }
            5 | 6 => {
                world.pause(SECOND_MS, 2 * MINUTE_MS).await;
                let method = self.method();
                self.switch(&order, method).await;
                world.pause(SECOND_MS, MINUTE_MS).await;
                self.pay(last(self)).await;
                if world.below(2) == 0 {
                    self.pay(0).await;
                }
            }
            2 | 7 => {
                // Two windows: both are paid as fast as fingers are.
                let method = self.method();
                let before = self.held.len();
                self.switch(&order, method).await;
                if self.held.len() > before {
                    self.pay(before.saturating_sub(1)).await;
                    self.pay(before).await;
                }
            }
            _ => drop(self.look(&order, true).await),
        }
    }
}

impl Payer {
    /// Adds the receipt of an order to the list of another device.
    async fn keep_receipt(&mut self, order: &str) {
        let (text, device) = (order.to_owned(), [self.visitor.device[0] | 0x80; 32]);
        let added = self.ask(move |platform, mut visitor| {
            let text = text.clone();
            visitor.device = device;
            async move { platform.add_record(&visitor, &text).await }
        });
        if let Some(answer) = added.await
            && answer != RecordAnswer::Added
        {
            self.world
                .wrong(format!("a receipt is not taken: {answer:?}"));
        }
    }
}

/// A payer's whole day; what is held is left in `pages` for the end.
pub async fn day(world: Arc<World>, number: u8, people: u64, end: impl FnOnce(Payer) + Send) {
    let mut payer = Payer::new(&world, number);
    world.pause(0, world.rush_ms).await;
    for _ in 0..=world.below(5) {
        let person = usize::try_from(world.below(people)).unwrap_or(0);
        payer.visit(person).await;
        if world.below(4) == 0 && !payer.held.is_empty() {
            let held = payer.held.len() as u64;
            let place = usize::try_from(world.below(held)).unwrap_or(0);
            payer.pay(place).await;
        }
        if let Some(order) = payer.orders.last().cloned()
            && world.below(3) == 0
        {
            payer.keep_receipt(&order).await;
        }
        world.pause(SECOND_MS, 5 * MINUTE_MS).await;
    }
    end(payer);
}
