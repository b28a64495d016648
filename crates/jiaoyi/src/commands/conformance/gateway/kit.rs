//! Our adapter with everything that a case needs around it.

use super::notices::Desk;
use super::payer::Payer;
use super::wire::{Trick, Wire};
use crate::commands::conformance::calls::nonce;
use crate::commands::conformance::expect::Outcome;
use crate::commands::conformance::play::{Miss, Ran, Spoken, Stage};
use crate::edge;
use crate::exit::Exit;
use jiaoyi_channels::{BillOutcome, Bills, Channels, Gateway};
use jiaoyi_domain::Date;
use jiaoyi_domain::bill::{BillLine, BillName, BillSort};
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, QueryOutcome,
    RefundOutcome, RefundTerms, SeenPayment,
};
use jiaoyi_domain::id::{AttemptNo, Bucket, IdSource, RefundNo};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::time::{Instant, MINUTE_MS};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// What an order is about: small, because a gateway's test environment may take real money.
pub const ORDER: Fen = Fen::new(10);
/// A part of it.
pub const PART: Fen = Fen::new(4);

/// An order, rendered once as the product does.
#[derive(Clone, Debug)]
pub struct Order {
    pub terms: AttemptTerms,
    pub rendered: Vec<u8>,
}

impl Order {
    pub fn no(&self) -> &str {
        self.terms.no.as_str()
    }
}

/// A refund, rendered once.
#[derive(Clone, Debug)]
pub struct Refund {
    pub terms: RefundTerms,
    rendered: Vec<u8>,
}

/// The adapter of a channel in several places.
pub struct Sides {
    pub channel: ChannelCode,
    /// Through the relay.
    pub through: Channels,
    /// Through the relay, and soon out of patience.
    pub hasty: Channels,
    /// Straight: a bill is downloaded from where its answer says.
    pub bills: Arc<dyn Bills>,
}

/// What all cases work with.
pub struct Kit {
    pub channel: ChannelCode,
    pub wire: Arc<Wire>,
    pub http: reqwest::Client,
    pub payer: Payer,
    pub desk: Desk,
    /// How far the gateway's clock is before ours, as far as it tells, in milliseconds.
    pub ahead_ms: i64,
    /// What a case adds to our clock, in milliseconds.
    pub off_ms: Cell<i64>,
    channels: Channels,
    gateway: Arc<dyn Gateway>,
    hasty: Arc<dyn Gateway>,
    bills: Arc<dyn Bills>,
    address: String,
    /// Where the report lies, and what is shown and fetched on the way.
    pub folder: PathBuf,
    ids: RefCell<IdSource>,
    paid: RefCell<Option<(Order, SeenPayment)>>,
    spoken: RefCell<Vec<Spoken>>,
}

impl Kit {
    pub fn new(
        sides: Sides,
        (wire, http, payer): (Arc<Wire>, reqwest::Client, Payer),
        (address, folder, ahead_ms): (String, PathBuf, i64),
        desk: Desk,
    ) -> Result<Kit, Exit> {
        let of = |channels: &Channels| {
            let gateway = channels.gateway(sides.channel);
            gateway.ok_or_else(|| Exit::unexpected("the channel is not open"))
        };
        Ok(Kit {
            channel: sides.channel,
            wire,
            http,
            payer,
            desk,
            ahead_ms,
            off_ms: Cell::new(0),
            gateway: of(&sides.through)?,
            hasty: of(&sides.hasty)?,
            channels: sides.through,
            bills: sides.bills,
            address,
            folder,
            ids: RefCell::new(IdSource::new(edge::random_bytes(), 0)),
            paid: RefCell::default(),
            spoken: RefCell::default(),
        })
    }

    /// What is tried, for the report.
    pub fn head(&self) -> String {
        let (code, merchant) = (self.channel.code(), self.gateway.merchant());
        let payer = match self.payer {
            Payer::Sandbox(_) => "paid at the sandbox",
            Payer::Somebody(_) => "paid by somebody",
            Payer::Nobody => "nobody pays",
        };
        let now = self.now().rfc3339();
        format!(
            "{code} · {} · merchant {merchant} · {payer} · {now}",
            self.address
        )
    }

    /// WeChat's certificates, where the configuration wants them fetched.
    pub async fn fetch_certificates(&self) -> Result<(), Exit> {
        let wechat = self.channels.wechat.as_ref();
        if let Some(wechat) = wechat.filter(|wechat| wechat.certificates_due(self.now())) {
            let fetched = wechat.refresh_certificates(self.now(), nonce()).await;
            fetched.map_err(Exit::unavailable)?;
        }
        Ok(())
    }

    pub fn gateway(&self) -> &dyn Gateway {
        &*self.gateway
    }

    /// The gateway's time as we take it to be.
    pub fn now(&self) -> Instant {
        edge::system_now().plus_ms(self.ahead_ms + self.off_ms.get())
    }

    /// The method for which the gateway is called, or that the bank's page has.
    pub const fn method(&self) -> Method {
        match self.channel {
            ChannelCode::Wechat | ChannelCode::Inbound(_) => Method::WechatNative,
            ChannelCode::Alipay => Method::AlipayPrecreate,
            ChannelCode::Unionpay => Method::UnionpayApp,
            ChannelCode::Bank1 => Method::Bank1Page,
            ChannelCode::Bank2 => Method::Bank2Page,
        }
    }

    /// The method of a browser.
    pub const fn in_browser(&self) -> Method {
        match self.channel {
            ChannelCode::Wechat | ChannelCode::Inbound(_) => Method::WechatH5,
            ChannelCode::Alipay => Method::AlipayPage,
            ChannelCode::Unionpay => Method::UnionpayPage,
            ChannelCode::Bank1 => Method::Bank1Page,
            ChannelCode::Bank2 => Method::Bank2Page,
        }
    }

    /// A new order that nobody knows yet.
    pub fn order(&self, method: Method) -> Order {
        let now = self.now();
        self.render(AttemptTerms {
            no: AttemptNo::draw(Bucket::default(), &mut self.ids.borrow_mut()),
            method,
            amount: ORDER,
            description: "conformance".to_owned(),
            started_at: now,
            expires_at: now.plus_ms(15 * MINUTE_MS),
            notify_url: self.desk.url.clone(),
            return_url: self.desk.url.clone(),
            payer_ip: "192.0.2.7".to_owned(),
            openid: None,
        })
    }

    pub fn render(&self, terms: AttemptTerms) -> Order {
        let rendered = self.gateway.render(&terms);
        Order { terms, rendered }
    }

    /// Notes what was said on the wire and what our adapter made of it.
    fn spoke<T: Debug>(&self, asked: String, outcome: T) -> T {
        let heard = self.wire.take_heard();
        let asked = [vec![asked], heard].concat().join("\n\n");
        self.spoken.borrow_mut().push(Spoken {
            asked,
            answered: format!("{outcome:?}"),
        });
        outcome
    }

    async fn create_by(&self, gateway: &dyn Gateway, order: &Order) -> CreateOutcome {
        let Order { terms, rendered } = order;
        let call = gateway.create(terms.method, &terms.no, rendered, self.now(), nonce());
        self.spoke(format!("create {}", order.no()), call.await)
    }

    pub async fn create(&self, order: &Order) -> CreateOutcome {
        self.create_by(&*self.gateway, order).await
    }

    /// As [`Kit::create`], with little patience.
    pub async fn create_hastily(&self, order: &Order) -> CreateOutcome {
        self.create_by(&*self.hasty, order).await
    }

    async fn query_by(&self, gateway: &dyn Gateway, order: &Order) -> QueryOutcome {
        let call = gateway.query(&order.terms.no, &order.rendered, self.now(), nonce());
        self.spoke(format!("query {}", order.no()), call.await)
    }

    pub async fn query(&self, order: &Order) -> QueryOutcome {
        self.query_by(&*self.gateway, order).await
    }

    /// As [`Kit::query`], with little patience.
    pub async fn query_hastily(&self, order: &Order) -> QueryOutcome {
        self.query_by(&*self.hasty, order).await
    }

    pub async fn close(&self, order: &Order) -> CloseOutcome {
        let (no, rendered) = (&order.terms.no, &order.rendered);
        let call = self.gateway.close(no, rendered, self.now(), nonce());
        self.spoke(format!("close {}", order.no()), call.await)
    }

    /// A refund of a payment that nobody knows yet.
    pub fn refund_of(&self, order: &Order, seen: &SeenPayment, amount: Fen) -> Refund {
        let terms = RefundTerms {
            no: RefundNo::draw(Bucket::default(), &mut self.ids.borrow_mut()),
            attempt_no: order.terms.no.clone(),
            txn_id: seen.txn_id.clone(),
            paid_at: seen.paid_at,
            asked_at: self.now(),
            retried: false,
            amount,
            total: order.terms.amount,
            reason: "conformance".to_owned(),
            notify_url: self.desk.url.clone(),
        };
        let rendered = self.gateway.render_refund(&terms);
        Refund { terms, rendered }
    }

    pub async fn refund(&self, refund: &Refund) -> RefundOutcome {
        let call = self.gateway.refund(&refund.rendered, self.now(), nonce());
        self.spoke(format!("refund {}", refund.terms.no), call.await)
    }

    pub async fn query_refund(&self, refund: &Refund) -> RefundOutcome {
        let Refund { terms, rendered } = refund;
        let (order, no) = (&terms.attempt_no, &terms.no);
        let call = self
            .gateway
            .query_refund(order, no, rendered, self.now(), nonce());
        self.spoke(format!("query refund {no}"), call.await)
    }

    /// An order that the gateway has, as far as one can bring it there, with what a payer is given.
    pub async fn placed_with(&self, method: Method) -> Result<(Order, Handover), Miss> {
        let order = self.order(method);
        match self.create(&order).await {
            CreateOutcome::Ready(handover) => {
                self.open(&handover).await?;
                Ok((order, handover))
            }
            other => Err(Miss::Failed(format!(
                "expected something to pay with, came {other:?}"
            ))),
        }
    }

    /// As [`Kit::placed_with`], by the channel's first method.
    pub async fn placed(&self) -> Result<Order, Miss> {
        Ok(self.placed_with(self.method()).await?.0)
    }

    /// A paid order, the same one for all that only look at it.
    pub async fn paid(&self) -> Result<(Order, SeenPayment), Miss> {
        if let Some(paid) = self.paid.borrow().clone() {
            return Ok(paid);
        }
        // Somebody has a browser, and no app of ours that could take a number of UnionPay's.
        let method = match self.payer {
            Payer::Somebody(_) if self.channel == ChannelCode::Unionpay => self.in_browser(),
            _ => self.method(),
        };
        let (order, handover) = self.placed_with(method).await?;
        let seen = self.pay(&order, &handover).await?;
        let paid = (order, seen);
        *self.paid.borrow_mut() = Some(paid.clone());
        Ok(paid)
    }

    /// A paid order that no other case will look at.
    pub async fn take_paid(&self) -> Result<(Order, SeenPayment), Miss> {
        let paid = self.paid().await?;
        self.paid.take();
        Ok(paid)
    }

    /// The bills that are needed every day.
    pub fn daily(&self) -> &'static [BillSort] {
        self.bills.daily()
    }

    /// Fetches a bill and, if there is one, reads it to its end.
    pub async fn bill(&self, sort: BillSort, day: Date) -> (BillOutcome, Vec<BillLine>) {
        let path = self.folder.join("bill.raw");
        let fetched = match File::create(&path) {
            Ok(mut file) => {
                let call = self
                    .bills
                    .fetch(sort, day, &mut file, self.now(), [nonce(), nonce()]);
                call.await
            }
            Err(error) => BillOutcome::Unknown {
                why: format!("{}: {error}", path.display()),
            },
        };
        let (outcome, lines) = match fetched {
            BillOutcome::Ready => self.read_bill(sort, day, &path),
            other => (other, Vec::new()),
        };
        let told = format!("{outcome:?}, {} lines", lines.len());
        self.spoke(format!("bill {} of {day}", sort.code()), told);
        (outcome, lines)
    }

    fn read_bill(
        &self,
        sort: BillSort,
        day: Date,
        path: &std::path::Path,
    ) -> (BillOutcome, Vec<BillLine>) {
        let name = BillName {
            channel: self.channel,
            merchant: self.gateway.merchant().to_owned(),
            sort,
            day,
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                return (
                    BillOutcome::Unknown {
                        why: error.to_string(),
                    },
                    Vec::new(),
                );
            }
        };
        let lines: Result<Vec<BillLine>, _> = self
            .bills
            .read(name, file)
            .and_then(|lines| lines.collect());
        match lines {
            Ok(lines) => (BillOutcome::Ready, lines),
            Err(fault) => (BillOutcome::Refused(fault), Vec::new()),
        }
    }

    /// Lies from now on until the case is over, or until it is honest again.
    pub fn play(&self, trick: Trick) {
        self.wire.play(trick);
    }
}

/// Passes when `good`; otherwise says what was expected and what came.
pub fn must<T: Debug>(good: bool, expected: &str, came: &T) -> Ran {
    if good {
        Ok(())
    } else {
        Err(Miss::Failed(format!("expected {expected}, came {came:?}")))
    }
}

impl Stage for Kit {
    fn take_spoken(&self) -> Vec<Spoken> {
        self.spoken.take()
    }

    /// The wire tells the truth again, our clock is right again, and no raw bill stays.
    async fn tidy_up(&self) -> Outcome {
        self.wire.play(Trick::Honest);
        self.wire.take_heard();
        self.off_ms.set(0);
        let raw = self.folder.join("bill.raw");
        match std::fs::remove_file(&raw) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", raw.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
