//! A small true database, made by the domain's own commands through the store: every kind of
//! payment, surplus and refund that the two wallets can show.

use jiaoyi_crypto::{Keyring, VoucherClaims, sign_voucher};
use jiaoyi_domain::audit::{ChainId, Checkpoint, checkpoint_text};
use jiaoyi_domain::bank_transfer::Paid;
use jiaoyi_domain::channel::{
    AttemptTerms, ChannelCode, CloseOutcome, CreateOutcome, Handover, Method, RefundOutcome,
    RefundTerms, SeenPayment,
};
use jiaoyi_domain::decide::*;
use jiaoyi_domain::due::{OrderId, Revision, RevisionKind, RosterId, Slot};
use jiaoyi_domain::fact::{Fact, FactSource};
use jiaoyi_domain::messages::Outbox;
use jiaoyi_domain::order::{AfterClose, Difference, PayOrder};
use jiaoyi_domain::policy::Pack;
use jiaoyi_domain::record::{Column, Record, Value};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::roster::{Document, PolicyPack, Roster, RosterState};
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use jiaoyi_domain::voucher::{Voucher, VoucherContent};
use jiaoyi_domain::{AttemptNo, Bucket, Date, Fen, IdSource, Instant, RefundNo};
use jiaoyi_store::{CallKey, Envelope, Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub const HOST: &str = "pay.example.gov.cn";
pub const START: Instant = Instant(1_795_000_000_000);
const YEAR: i16 = 2027;

/// A file that is removed with its companions when it is dropped.
pub struct TempFile(pub PathBuf);

impl TempFile {
    /// A place of its own, although tests run side by side; `name` ends it.
    pub fn new(name: &str) -> TempFile {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = format!("jiaoyi-verify-{}-{number}-{name}", std::process::id());
        let temp = TempFile(std::env::temp_dir().join(file));
        temp.remove();
        temp
    }

    pub fn copy_of(file: &Path) -> TempFile {
        let copy = TempFile::new("copy");
        std::fs::copy(file, &copy.0).unwrap();
        copy
    }

    /// A copy of a database, changed by these statements.
    pub fn changed(file: &Path, sql: &str) -> TempFile {
        let copy = TempFile::copy_of(file);
        let connection = rusqlite::Connection::open(&copy.0).unwrap();
        connection.execute_batch(sql).unwrap();
        copy
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm"] {
            let path = format!("{}{suffix}", self.0.display());
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Bytes counted up: randomness that is the same in every run.
pub fn counted(seed: u8) -> impl FnMut(&mut [u8]) {
    let mut ids = IdSource::new([seed; 32], 0);
    move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            let drawn = ids.draw();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

pub fn keyring() -> Keyring {
    Keyring::generate(&mut counted(9))
}

struct Sealer(Arc<Keyring>);

impl Renderer for Sealer {
    fn notify_url(&self) -> String {
        "https://pay.example.gov.cn/notify".to_owned()
    }
    fn return_url(&self, _: Bucket, _: OrderId) -> String {
        "https://pay.example.gov.cn/o".to_owned()
    }
    fn description(&self) -> String {
        "premium".to_owned()
    }
    fn attempt(&self, terms: &AttemptTerms, nonce: [u8; 12]) -> Vec<u8> {
        self.0
            .seal(terms.no.as_str().as_bytes(), b"attempt.request", nonce)
    }
    fn refund(&self, terms: &RefundTerms) -> Vec<u8> {
        format!("{{\"refund\":{}}}", terms.amount.get()).into_bytes()
    }
}

/// The policy of the test's region, as a file name and its text.
fn policy_file() -> (String, String) {
    jiaoyi_domain::policy::demo_packs(START.date()).remove(0)
}

fn policy() -> Pack {
    let (file, text) = policy_file();
    Pack::parse(&file, &text).unwrap()
}

pub fn policy_row() -> PolicyPack {
    let (file_name, text) = policy_file();
    PolicyPack {
        pack_id: "990100-2027".to_owned(),
        region: "990100".to_owned(),
        benefit_year: YEAR,
        status: "in_force".to_owned(),
        file_name,
        text,
        imported_on: START.date(),
        imported_at: START,
        version: 1,
    }
}

/// One insured person of the test.
#[derive(Clone)]
pub struct Someone {
    pub due: DueKey,
}

pub struct World {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    pub now: Instant,
    draws: IdSource,
    txns: u32,
}

/// An order with its newest attempt.
#[derive(Clone)]
pub struct Started {
    pub order: OrderKey,
    pub attempt: AttemptNo,
    pub holder: [u8; 32],
}

impl World {
    pub fn open(path: &Path) -> World {
        World::open_with(path, 3)
    }

    pub fn open_with(path: &Path, seed: u8) -> World {
        let mut draws = IdSource::new([seed; 32], 0);
        let store = Store::open_file(path, draws.id16(), START).unwrap();
        World {
            store,
            keyring: Arc::new(keyring()),
            now: START,
            draws,
            txns: 0,
        }
    }

    pub fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.draws.draw()[..N]);
        bytes
    }

    fn renderer(&self) -> Arc<dyn Renderer> {
        Arc::new(Sealer(Arc::clone(&self.keyring)))
    }

    pub async fn try_run(
        &mut self,
        command: impl Command + 'static,
        key: Option<CallKey>,
    ) -> Result<Answer, StoreError> {
        self.now = self.now.plus_ms(1_000);
        let seed = self.draw();
        let envelope = Envelope {
            command: Box::new(command),
            at: self.now,
            seed,
            issuer: "test".into(),
            key,
        };
        self.store.submit(envelope).await
    }

    pub async fn run(&mut self, command: impl Command + 'static) -> Answer {
        self.try_run(command, None).await.unwrap()
    }

    pub fn row(&mut self, number: u32, own: u64, subsidy: u64) -> SliceRow {
        let bucket = Bucket::try_new(u16::try_from(number * 331 % 4096).unwrap()).unwrap();
        let gross = own + subsidy;
        let ltc = gross / 10;
        let phone = number.is_multiple_of(2).then(|| {
            let nonce = self.draw();
            self.keyring.seal(b"13800138000", b"person.phone", nonce)
        });
        let (name, document) = (format!("Person {number}"), format!("document {number}"));
        SliceRow {
            bucket,
            doc_hmac: self.keyring.doc_hmac("id", &document),
            document_kind: "id_card".to_owned(),
            number_sealed: {
                let nonce = self.draw();
                self.keyring
                    .seal(document.as_bytes(), b"document.number", nonce)
            },
            document_masked: format!("9901************{number:02}"),
            name_sealed: {
                let nonce = self.draw();
                self.keyring.seal(name.as_bytes(), b"person.name", nonce)
            },
            name_hmac: self.keyring.name_hmac(&name),
            name_masked: format!("*{number}"),
            birthday_hmac: Some(self.draw()),
            phone_sealed: phone,
            benefit_year: YEAR,
            kind: RevisionKind::Price,
            void_cause: None,
            region: "990101".to_owned(),
            category: "resident".to_owned(),
            tier: String::new(),
            aids: String::new(),
            items: format!("medical={};ltc={ltc}", gross - ltc),
            subsidies: if subsidy > 0 {
                format!("civil={subsidy}")
            } else {
                String::new()
            },
            own: Fen::new(own),
            gross: Fen::new(gross),
            late_own: Some(Fen::new(own + 10_000)),
            policy_version: policy().version(),
        }
    }

    /// Brings a roster of these rows in, from the file to the active row.
    pub async fn import(&mut self, serial: i64, rows: Vec<SliceRow>) {
        let id = RosterId(self.draw());
        let count = i64::try_from(rows.len()).unwrap();
        let roster = Roster {
            roster_id: id.0,
            state: RosterState::Staging,
            region: "990101".to_owned(),
            benefit_year: YEAR,
            source: "test".to_owned(),
            serial,
            file_hash: self.draw(),
            rows_read: 0,
            rows_good: 0,
            rows_bad: 0,
            rows_published: 0,
            created_at: self.now,
            activated_at: None,
            version: 1,
        };
        self.run(OpenRoster {
            roster,
            older_confirmed: false,
        })
        .await;
        let (rows_read, rows_good, rows_bad) = (count, count, 0);
        self.run(StagedToPublishing {
            roster_id: id,
            rows_read,
            rows_good,
            rows_bad,
        })
        .await;
        for slice in rows.chunks(5) {
            self.run(PublishSlice {
                roster_id: id,
                rows: slice.to_vec(),
            })
            .await;
        }
        self.run(ActivateRoster {
            roster_id: id,
            rows_published: count,
            older_confirmed: false,
        })
        .await;
    }

    pub async fn someone(&mut self, row: &SliceRow) -> Someone {
        let key = (row.bucket, row.doc_hmac);
        let document: Document = self.store.load(&key).await.unwrap().unwrap();
        let scheme = jiaoyi_domain::due::Scheme::ResidentMedical;
        let due = jiaoyi_domain::due::DueId::of(document.person_id, scheme, YEAR);
        Someone {
            due: (document.person_bucket, due, 1),
        }
    }

    pub async fn quote(&self, due: DueKey) -> Quote {
        let given = [due.0.to_value(), due.1.to_value(), due.2.to_value()];
        let mut revisions: Vec<Revision> = self.store.range("by_due", &given).await.unwrap();
        let revision = revisions.pop().unwrap();
        Quote {
            due,
            revision_no: revision.revision_no,
            own: revision.own,
            gross: revision.gross,
            items: revision.items,
            subsidies: revision.subsidies,
            policy_version: revision.policy_version,
            region: revision.region,
            phase: "in_window".to_owned(),
            window_until: START.plus_ms(30 * DAY_MS),
            after_close: AfterClose::Keep,
            difference_rule: Difference::Keep,
            benefit_first: Date::constant(YEAR, 1, 1),
            benefit_first_next: Date::constant(YEAR, 1, 1),
            benefit_last: Date::constant(YEAR, 12, 31),
        }
    }

    pub async fn start_with(
        &mut self,
        quotes: Vec<Quote>,
        method: Method,
        displace: bool,
    ) -> Answer {
        let holder: [u8; 32] = self.draw();
        let command = self.start_command(quotes, method, displace, holder);
        let key = CallKey {
            bucket: Bucket::try_new(7).unwrap(),
            key_hash: self.draw(),
            body_hash: self.draw(),
        };
        self.try_run(command, Some(key)).await.unwrap()
    }

    pub fn start_command(
        &self,
        quotes: Vec<Quote>,
        method: Method,
        displace: bool,
        holder: [u8; 32],
    ) -> StartPayment {
        StartPayment {
            quotes,
            method,
            merchant: "1900000109".to_owned(),
            app: "wx8888888888888888".to_owned(),
            holder,
            holder_bucket: Bucket::from_hash(&holder),
            relation: "self".to_owned(),
            payer_ip: "192.0.2.1".to_owned(),
            openid: None,
            displace,
            renderer: self.renderer(),
        }
    }

    /// Starts a payment for these people and, if the channel must be called, records its yes.
    pub async fn start(&mut self, people: &[&Someone], method: Method) -> Started {
        let mut quotes = Vec::new();
        for one in people {
            quotes.push(self.quote(one.due).await);
        }
        let holder = self.draw();
        let command = self.start_command(quotes, method, true, holder);
        let started = self.started(command, holder).await;
        if method.placed_by_call() {
            self.created(&started.attempt, true).await;
        }
        started
    }

    pub async fn started(&mut self, command: impl Command + 'static, holder: [u8; 32]) -> Started {
        let Answer::Started {
            bucket,
            order,
            attempt,
            ..
        } = self.run(command).await
        else {
            panic!("not started")
        };
        Started {
            order: (
                Bucket::try_new(bucket).unwrap(),
                order_from_text(&order).unwrap(),
            ),
            attempt: AttemptNo::parse(&attempt).unwrap(),
            holder,
        }
    }

    pub async fn created(&mut self, no: &AttemptNo, ready: bool) -> Answer {
        self.try_created(no, ready).await.unwrap()
    }

    pub async fn try_created(&mut self, no: &AttemptNo, ready: bool) -> Result<Answer, StoreError> {
        let outbox = self.outbox(no.as_str(), no.bucket(), "create").await;
        let nonce = self.draw();
        let handover = self
            .keyring
            .seal(b"qr:weixin://x", b"attempt.handover", nonce);
        let refused = CreateOutcome::Refused {
            code: "NO".to_owned(),
            message: String::new(),
        };
        let outcome = CreateOutcome::Ready(Handover::Qr("weixin://x".to_owned()));
        let command = RecordCreated {
            attempt_no: no.clone(),
            outbox,
            outcome: if ready { outcome } else { refused },
            handover_sealed: ready.then_some(handover),
        };
        self.try_run(command, None).await
    }

    pub async fn outbox(
        &self,
        subject: &str,
        bucket: Bucket,
        topic: &str,
    ) -> Option<<Outbox as Record>::Key> {
        let texts = [subject, topic].map(|text| Value::Text(text.to_owned()));
        let given = [bucket.to_value(), texts[0].clone(), texts[1].clone()];
        let found = self.store.query("outbox_of_subject", &given).await.unwrap();
        crate::calls::outbox_key(found.first()?)
    }

    pub fn seen(&mut self, started: &Started, fen: u64) -> SeenPayment {
        self.txns += 1;
        SeenPayment {
            attempt_no: started.attempt.as_str().to_owned(),
            txn_id: format!("42000020261122{:014}", self.txns),
            amount: Fen::new(fen),
            currency: "CNY".to_owned(),
            paid_at: self.now,
            merchant: "1900000109".to_owned(),
            app: "wx8888888888888888".to_owned(),
            refunded: false,
        }
    }

    pub async fn tell(&mut self, seen: &SeenPayment, source: FactSource) -> Answer {
        self.try_tell(seen, source).await.unwrap()
    }

    pub async fn try_tell(
        &mut self,
        seen: &SeenPayment,
        source: FactSource,
    ) -> Result<Answer, StoreError> {
        let nonce = self.draw();
        let notice = (source == FactSource::Notice).then(|| NoticeMessage {
            channel: "wechat".to_owned(),
            notice_id: format!("notice-{}", seen.txn_id),
            body_sealed: self.keyring.seal(b"{}", b"inbox.body", nonce),
        });
        let command = RecordPayment {
            attempt_no: AttemptNo::parse(&seen.attempt_no).unwrap(),
            seen: seen.clone(),
            source,
            notice,
        };
        self.try_run(command, None).await
    }

    /// What an order asks for, in fen.
    pub async fn amount(&self, started: &Started) -> u64 {
        let order: PayOrder = self.store.load(&started.order).await.unwrap().unwrap();
        order.amount.get()
    }

    /// Notice and confirming query of a payment of this amount.
    pub async fn pay(&mut self, started: &Started, fen: u64) -> SeenPayment {
        let seen = self.seen(started, fen);
        self.tell(&seen, FactSource::Notice).await;
        self.tell(&seen, FactSource::Query).await;
        seen
    }

    pub async fn refunds(&self, started: &Started) -> Vec<Refund> {
        let given = [started.order.0.to_value(), started.order.1.to_value()];
        self.store.range("by_order", &given).await.unwrap()
    }

    pub async fn approve(&mut self, no: &RefundNo) -> Answer {
        let renderer = self.renderer();
        self.run(ApproveRefund {
            refund_no: no.clone(),
            renderer,
        })
        .await
    }

    pub async fn refund_word(&mut self, no: &RefundNo, outcome: RefundOutcome) -> Answer {
        let outbox = self.outbox(no.as_str(), no.bucket(), "refund").await;
        let renderer = self.renderer();
        let (source, notice) = (FactSource::Query, None);
        let refund_no = no.clone();
        self.run(RecordRefund {
            refund_no,
            channel_no: None,
            outcome,
            source,
            notice,
            outbox,
            renderer,
        })
        .await
    }

    /// A payment that became surplus, on its way to a refund that was sent.
    async fn surplus_sent(&mut self, one: &Someone, fen: u64) -> Refund {
        let older = self.start(&[one], Method::WechatNative).await;
        self.run(GiveUp {
            order: older.order,
            holder: older.holder,
        })
        .await;
        let newer = self.start(&[one], Method::AlipayWap).await;
        self.pay(&newer, fen).await;
        self.pay(&older, fen).await;
        let refund = self.refunds(&older).await.remove(0);
        assert_eq!(self.approve(&refund.refund_no).await, Answer::Act);
        refund
    }

    /// Signs the voucher of a due and stores the signature.
    pub async fn sign(&mut self, due: DueKey) {
        let slot: Slot = self.store.load(&due).await.unwrap().unwrap();
        let voucher: Voucher = self
            .store
            .load(&(due.0, slot.voucher_no.clone()))
            .await
            .unwrap()
            .unwrap();
        let content = VoucherContent::from_text(&voucher.content).unwrap();
        let keyring = Arc::clone(&self.keyring);
        let (key_id, key) = keyring.voucher_key();
        let claims = VoucherClaims {
            version: 1,
            issuer: "test".to_owned(),
            voucher_no: voucher.voucher_no.clone(),
            issued_at: voucher.issued_at,
            benefit_year: content.benefit_year,
            region: content.region,
            name_masked: content.name_masked,
            amount: Fen::new(content.own_fen),
            channel: content.channel,
            record_hash: crate::voucher_content_hash(key.public().algorithm(), &voucher),
        };
        let cose = sign_voucher(&claims, HOST, key_id, key, &mut counted(4)).unwrap();
        let algorithm = key.public().algorithm().name().to_owned();
        let key_id = key_id.to_owned();
        self.run(StoreSignature {
            voucher: voucher.key(),
            key_id,
            algorithm,
            host: HOST.to_owned(),
            cose,
        })
        .await;
    }

    pub async fn checkpoint(&mut self) {
        let rows = self.store.query("chain_heads", &[]).await.unwrap();
        let heads: Vec<(ChainId, i64, [u8; 32])> = rows
            .into_iter()
            .map(|row| {
                let mut row = row.into_iter();
                let mut next = || row.next().unwrap();
                let chain = ChainId::from_value(next()).unwrap();
                let number = i64::from_value(next()).unwrap();
                (chain, number, <[u8; 32]>::from_value(next()).unwrap())
            })
            .collect();
        let text = checkpoint_text(self.now, &heads);
        let signature = self
            .keyring
            .sign_checkpoint(text.as_bytes(), &mut counted(5))
            .unwrap()
            .to_vec();
        let heads: Vec<&str> = text.lines().skip(1).collect();
        let row = Checkpoint {
            bucket: Bucket::default(),
            checkpoint_id: self.draw(),
            at: self.now,
            heads: heads.join("\n"),
            key_id: "audit".to_owned(),
            signature,
        };
        self.store.append(&row).await.unwrap();
    }
}

/// What the tests want to find again in the finished database.
pub struct Made {
    pub paid: Started,
    pub refused: Started,
}

/// Every history, one after another.
pub async fn build(path: &Path) -> (World, Made) {
    let mut world = World::open(path);
    let mut rows: Vec<SliceRow> = (1..=18).map(|n| world.row(n, 38_000, 0)).collect();
    rows[1] = world.row(2, 8_000, 30_000);
    rows[2] = world.row(3, 0, 38_000);
    rows[15].bucket = rows[0].bucket;
    let pack = policy_row();
    world.run(ImportPolicy { pack }).await;
    world.import(1, rows.clone()).await;
    let mut people = Vec::new();
    for row in &rows {
        people.push(world.someone(row).await);
    }
    let paid = plain_payments(&mut world, &people).await;
    surplus_and_refunds(&mut world, &people).await;
    bank_transfers(&mut world, &people[16..18]).await;
    let refused = unpaid(&mut world, &people).await;
    second_roster(&mut world, &people, &rows).await;
    world.sign(people[0].due).await;
    world.sign(people[2].due).await;
    world.checkpoint().await;
    let later = world.start(&[&people[15]], Method::AlipayPage).await;
    world.pay(&later, 38_000).await;
    (world, Made { paid, refused })
}

async fn plain_payments(world: &mut World, people: &[Someone]) -> Started {
    let paid = world.start(&[&people[0]], Method::WechatNative).await;
    world.pay(&paid, 38_000).await;
    let quote = world.quote(people[2].due).await;
    let holder: [u8; 32] = world.draw();
    let answer = world
        .run(ConfirmZero {
            quote,
            holder,
            holder_bucket: Bucket::from_hash(&holder),
            relation: "self".to_owned(),
        })
        .await;
    assert!(matches!(answer, Answer::Confirmed { .. }));
    // A family in three buckets: money crosses by transit, a subsidy pays a part.
    let basket = [&people[1], &people[3], &people[4]];
    let family = world.start(&basket, Method::AlipayWap).await;
    world.pay(&family, 84_000).await;
    world
        .run(AddDeviceOrder {
            device: [6; 32],
            device_bucket: Bucket::from_hash(&[6; 32]),
            order: family.order,
        })
        .await;
    let (bucket, due_id, _) = people[0].due;
    for right in [false, true] {
        world
            .run(AnswerLink {
                bucket,
                due_id,
                device: [8; 32],
                right,
            })
            .await;
    }
    paid
}

async fn surplus_and_refunds(world: &mut World, people: &[Someone]) {
    let at = world.now;
    let refund = world.surplus_sent(&people[5], 38_000).await;
    world
        .refund_word(&refund.refund_no, RefundOutcome::Processing)
        .await;
    let done = RefundOutcome::Done {
        amount: refund.amount,
        at: at.plus_ms(MINUTE_MS),
    };
    assert_eq!(
        world.refund_word(&refund.refund_no, done.clone()).await,
        Answer::Done
    );
    // The first number is closed by the channel, the second one pays out.
    let refund = world.surplus_sent(&people[6], 38_000).await;
    let closed = RefundOutcome::Closed {
        code: "REFUNDCLOSE".to_owned(),
    };
    world.refund_word(&refund.refund_no, closed.clone()).await;
    assert_eq!(
        world.refund_word(&refund.refund_no, done).await,
        Answer::Done
    );
    // No way at the channel is left: staff.
    let refund = world.surplus_sent(&people[7], 38_000).await;
    let abnormal = RefundOutcome::Abnormal {
        code: "ABNORMAL".to_owned(),
    };
    world.refund_word(&refund.refund_no, abnormal).await;
    // Sent, and nobody knows.
    let refund = world.surplus_sent(&people[8], 38_000).await;
    let unknown = RefundOutcome::Unknown {
        why: "timeout".to_owned(),
    };
    world.refund_word(&refund.refund_no, unknown).await;
    // A wrong amount, told by a notice first and then by a query.
    let wrong = world.start(&[&people[9]], Method::WechatNative).await;
    let seen = world.seen(&wrong, 37_999);
    assert_eq!(world.tell(&seen, FactSource::Notice).await, Answer::Held);
    world.tell(&seen, FactSource::Query).await;
    let refund = world.refunds(&wrong).await.remove(0);
    assert_eq!(world.approve(&refund.refund_no).await, Answer::Act);
    let at = world.now;
    let done = RefundOutcome::Done {
        amount: refund.amount,
        at,
    };
    world.refund_word(&refund.refund_no, done).await;
    // Two attempts of one order are both paid; the second one waits for its confirmation.
    let first = world.start(&[&people[10]], Method::WechatNative).await;
    let second = world.switch(&first, Method::AlipayWap).await;
    let seen = world.seen(&first, 38_000);
    world.tell(&seen, FactSource::Notice).await;
    let seen = world.seen(&second, 38_000);
    world.tell(&seen, FactSource::Notice).await;
    let held = world.refunds(&first).await.remove(0);
    assert_eq!(world.approve(&held.refund_no).await, Answer::Held);
}

/// Staff pay out what no channel gives back; the channel of the second then does so as well.
async fn bank_transfers(world: &mut World, people: &[Someone]) {
    for (one, also) in people.iter().zip([false, true]) {
        let refund = world.surplus_sent(one, 38_000).await;
        let abnormal = RefundOutcome::Abnormal {
            code: "ABNORMAL".to_owned(),
        };
        world.refund_word(&refund.refund_no, abnormal).await;
        let paid = world.transfer(&refund, "ICBC-20261201-1");
        assert_eq!(world.run(paid).await, Answer::Done);
        if also {
            let done = RefundOutcome::Done {
                amount: refund.amount,
                at: world.now,
            };
            let answer = world.refund_word(&refund.refund_no, done).await;
            assert_eq!(answer, Answer::Done);
        }
    }
}

impl World {
    /// Staff's word that they paid a refund today.
    pub fn transfer(&self, refund: &Refund, reference: &str) -> RecordTransfer {
        RecordTransfer {
            refund_no: refund.refund_no.clone(),
            paid: Paid::new(reference, self.now.date(), Some("0042"), "w1024").unwrap(),
        }
    }

    pub async fn switch(&mut self, started: &Started, method: Method) -> Started {
        let command = self.switch_command(started, method);
        self.started(command, started.holder).await
    }

    pub fn switch_command(&self, started: &Started, method: Method) -> SwitchMethod {
        SwitchMethod {
            order: started.order,
            holder: started.holder,
            method,
            merchant: "1900000109".to_owned(),
            app: "wx8888888888888888".to_owned(),
            payer_ip: "192.0.2.1".to_owned(),
            openid: None,
            renderer: self.renderer(),
        }
    }
}

async fn unpaid(world: &mut World, people: &[Someone]) -> Started {
    // Locked, and somebody else is turned away.
    world.start(&[&people[11]], Method::AlipayPage).await;
    let quote = world.quote(people[11].due).await;
    let locked = world.start_with(vec![quote], Method::WechatH5, true).await;
    assert!(matches!(
        locked,
        Answer::Locked {
            may_displace: false,
            ..
        }
    ));
    // The channel refuses, the payer tries again, the close is confirmed.
    let quote = world.quote(people[12].due).await;
    let holder = world.draw();
    let command = world.start_command(vec![quote], Method::WechatNative, false, holder);
    let refused = world.started(command, holder).await;
    world.created(&refused.attempt, false).await;
    let again = world.switch(&refused, Method::AlipayWap).await;
    world
        .run(GiveUp {
            order: again.order,
            holder,
        })
        .await;
    let outbox = world
        .outbox(again.attempt.as_str(), again.order.0, "close")
        .await;
    let (attempt_no, outcome) = (again.attempt, CloseOutcome::Closed);
    world
        .run(RecordClose {
            attempt_no,
            outbox,
            outcome,
        })
        .await;
    // Asked in vain, then expired by evidence.
    let lost = world.start(&[&people[13]], Method::WechatNative).await;
    for (wait, seen) in [
        (5_000, Unpaid::NoAnswer),
        (16 * MINUTE_MS, Unpaid::NotPaid(None)),
        (HOUR_MS, Unpaid::NotPaid(None)),
    ] {
        world.now = world.now.plus_ms(wait);
        world
            .run(RecordUnpaid {
                attempt_no: lost.attempt.clone(),
                seen,
            })
            .await;
    }
    let key = world
        .outbox(lost.attempt.as_str(), lost.order.0, "close")
        .await
        .unwrap();
    let lease = LeaseOutbox {
        key: key.clone(),
        for_ms: 1_000,
    };
    world.run(lease).await;
    world
        .run(FinishOutbox {
            key,
            token: 1,
            done: true,
        })
        .await;
    refused
}

/// A newer roster re-prices one due, withdraws another that is being paid, renames one person.
async fn second_roster(world: &mut World, people: &[Someone], rows: &[SliceRow]) {
    let withdrawn = world.start(&[&people[14]], Method::AlipayWap).await;
    let mut void = rows[14].clone();
    void.kind = RevisionKind::Void;
    void.void_cause = Some("insured elsewhere".to_owned());
    let mut renamed = rows[0].clone();
    renamed.name_hmac = world.draw();
    renamed.name_masked = "*1a".to_owned();
    let mut dearer = rows[11].clone();
    dearer.own = Fen::new(39_000);
    dearer.gross = Fen::new(39_000);
    dearer.items = "medical=35200;ltc=3800".to_owned();
    world.import(2, vec![void, renamed, dearer]).await;
    let seen = world.pay(&withdrawn, 38_000).await;
    let key = (
        withdrawn.order.0,
        ChannelCode::Alipay,
        seen.merchant,
        seen.txn_id,
        jiaoyi_domain::fact::FactKind::Success,
    );
    let fact: Fact = world.store.load(&key).await.unwrap().unwrap();
    assert_eq!(fact.surplus, Fen::new(38_000));
    let order: PayOrder = world.store.load(&withdrawn.order).await.unwrap().unwrap();
    assert_eq!(order.state.code(), "surplus");
}
