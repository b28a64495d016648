//! Work that is due: found by a query, done by a command. A job takes no input, may be killed at
//! any line, and doing it twice changes nothing.
//!
//! Most of the work is waiting: for a commit, for a channel. So several pieces are under way at once,
//! and share their commits. What waits for one channel keeps no other waiting ([`lanes`]).

pub(crate) mod lanes;

use crate::calls::{OutboxKey, outbox_key};
use crate::platform::{Platform, place};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future, stream};
use jiaoyi_channels::SmsError;
use jiaoyi_domain::audit::{ChainId, Checkpoint, checkpoint_text};
use jiaoyi_domain::decide::{
    Answer, ApproveRefund, AskBack, DueKey, EndCollect, FinishOutbox, LeaseOutbox, Refusal,
};
use jiaoyi_domain::due::{Due, OrderId};
use jiaoyi_domain::order::Line;
use jiaoyi_domain::person::Phone;
use jiaoyi_domain::record::{Column, Value};
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_domain::voucher::{Voucher, VoucherContent};
use jiaoyi_domain::working_set::Damaged;
use jiaoyi_domain::{AttemptNo, Bucket, Fen, Instant, RefundNo, VoucherNo};
use jiaoyi_store::StoreError;
use jiaoyi_store::engine::RawRows;
use std::panic::AssertUnwindSafe;

/// How much of each kind of work one pass takes on.
const WORK_MAX: u16 = 500;
/// How many pieces of one kind are under way at once in a lane. What waits for a channel is bounded by
/// this, and so is what joins the queue in front of the payers.
pub(crate) const AT_ONCE: usize = 64;
/// How long the work on one message may take before another may take it over.
const LEASE_MS: i64 = 30 * SECOND_MS;

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// Attempts that were asked about, and locks of institutions that ended with their time.
    pub asked: u32,
    pub refunds: u32,
    pub messages: u32,
    pub signed: u32,
}

impl Worked {
    /// Whether nothing was due.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        *self == Worked::default()
    }

    /// Whether more of a kind was due than a pass takes on, so that the next one should not wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let kinds = [self.asked, self.refunds, self.messages, self.signed];
        kinds.into_iter().any(|done| done >= u32::from(WORK_MAX))
    }
}

fn text_of(row: &[Value], place: usize) -> Option<&str> {
    match row.get(place) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

/// Whether a text message is done with: sent, or refused for good.
fn sent(outcome: Result<(), SmsError>) -> bool {
    match outcome {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(code = error.code(), "a text message was not sent");
            !error.retryable
        }
    }
}

/// A message of the outbox that is due.
struct Message {
    key: OutboxKey,
    topic: String,
}

impl Message {
    fn read(row: &[Value]) -> Option<Message> {
        Some(Message {
            key: outbox_key(row)?,
            topic: text_of(row, 3)?.to_owned(),
        })
    }
}

impl Platform {
    /// One pass over everything that is due now. What fails is put off and keeps nobody waiting.
    ///
    /// Another pass may begin before this one has ended: it does what this one is not at.
    ///
    /// # Errors
    ///
    /// The store's trouble, after every kind of work had its turn; what was done stays done.
    pub async fn work(&self) -> Result<Worked, StoreError> {
        // What is to be sent goes first: whoever asks after it too early hears that nobody knows it.
        // Refunds come after the questions: their ground is what was just answered.
        let messages = self.relay().await;
        let asked = self.ask_due().await;
        let (refunds, signed, collects) =
            future::join3(self.refunds_due(), self.sign_due(), self.end_collects()).await;
        Ok(Worked {
            messages: messages?,
            asked: asked?.saturating_add(collects?),
            refunds: refunds?,
            signed: signed?,
        })
    }

    /// Reads what is due of a kind, or of one of its lanes: one pass's work, and as many more as are put
    /// off, which may stand first.
    async fn due(
        &self,
        kind: &'static str,
        query: &'static str,
        since: Instant,
        lane: Option<&str>,
    ) -> Result<RawRows, StoreError> {
        let put_off = i64::try_from(self.put_off.count(kind)).unwrap_or(0);
        let max = Value::Int(put_off.saturating_add(WORK_MAX.into()));
        let mut given = vec![Value::Int(since.0), max];
        given.extend(lane.map(|lane| Value::Text(lane.to_owned())));
        self.store.query(query, &given).await
    }

    /// Does pieces of work, several at once; how many were done. One that fails or panics is put
    /// off. Once the store takes nothing in, all that is left is left alone.
    async fn each<T, F>(
        &self,
        kind: &'static str,
        items: Vec<(String, T)>,
        act: &impl Fn(T) -> F,
    ) -> Result<u32, StoreError>
    where
        F: Future<Output = Result<bool, StoreError>>,
    {
        let piece = async |(subject, item): (String, T)| {
            if self.put_off.waits(kind, &subject, self.now()) {
                return Ok(0);
            }
            match AssertUnwindSafe(act(item)).catch_unwind().await {
                Ok(Ok(did)) => {
                    self.put_off.went_well(kind, &subject);
                    return Ok(u32::from(did));
                }
                Ok(Err(error)) => {
                    self.put_off.failed(kind, &subject, self.now());
                    if error.is_away() {
                        return Err(error);
                    }
                    let code = error.code();
                    tracing::error!(kind, subject, code, %error, "due work failed and is put off");
                }
                Err(_) => {
                    self.put_off.failed(kind, &subject, self.now());
                    tracing::error!(kind, subject, "due work panicked and is put off");
                }
            }
            Ok(0)
        };
        stream::iter(items.into_iter().map(piece))
            .buffer_unordered(AT_ONCE)
            .try_fold(0, |sum, did| future::ok(sum + did))
            .await
    }

    /// Ends the locks of institutions whose time is over.
    async fn end_collects(&self) -> Result<u32, StoreError> {
        let Some(_turn) = self.lanes.enter("collect", "") else {
            return Ok(0);
        };
        let rows = self
            .due("collect", "collects_over", self.now(), None)
            .await?;
        let items = rows.iter().filter_map(|row| {
            let bucket = Bucket::from_value(row.first()?.clone())?;
            let order = OrderId::from_value(row.get(1)?.clone())?;
            Some((format!("{order:?}"), (bucket, order)))
        });
        let end = |order| async move {
            let ended = self.submit(EndCollect { order }).await?;
            Ok(ended == Answer::Done)
        };
        self.each("collect", items.collect(), &end).await
    }

    /// Asks the channels about attempts whose time has come.
    async fn ask_due(&self) -> Result<u32, StoreError> {
        let read = |row: &[Value]| {
            let no = text_of(row, 0).and_then(AttemptNo::parse)?;
            Some((no.as_str().to_owned(), no))
        };
        let ask = |no: AttemptNo| async move { self.ask(&no).await.map(|_| true) };
        self.in_lanes(&lanes::QUESTIONS, read, ask).await
    }

    /// Sends refunds whose ground is certain, and asks after those on their way.
    async fn refunds_due(&self) -> Result<u32, StoreError> {
        let read = |row: &[Value]| {
            let no = text_of(row, 0).and_then(RefundNo::parse)?;
            Some((no.as_str().to_owned(), no))
        };
        let act = |no: RefundNo| async move { self.act_on_refund(no).await };
        self.in_lanes(&lanes::REFUNDS, read, act).await
    }

    async fn act_on_refund(&self, no: RefundNo) -> Result<bool, StoreError> {
        let key = (no.bucket(), no.clone());
        let Some(refund): Option<Refund> = self.store.load(&key).await? else {
            return Ok(false);
        };
        match refund.state {
            // The institution that took the money gives it back.
            RefundState::Held if refund.channel.front_end().is_some() => {
                self.submit(AskBack { refund_no: no }).await?;
            }
            RefundState::Held => {
                let Some(renderer) = self.renderer(refund.channel) else {
                    return Ok(false);
                };
                self.submit(ApproveRefund {
                    refund_no: no,
                    renderer,
                })
                .await?;
            }
            RefundState::Sent | RefundState::Unknown => self.ask_refund(&refund).await?,
            RefundState::Requested
            | RefundState::Approved
            | RefundState::Done
            | RefundState::Manual
            | RefundState::Cancelled => {}
        }
        Ok(true)
    }

    /// Does what left-over messages ask for.
    async fn relay(&self) -> Result<u32, StoreError> {
        let read = |row: &[Value]| {
            let message = Message::read(row)?;
            Some((format!("{:?}", message.key.2), message))
        };
        let send = |message: Message| async move { self.pass_on(&message).await };
        self.in_lanes(&lanes::MESSAGES, read, send).await
    }

    async fn pass_on(&self, message: &Message) -> Result<bool, StoreError> {
        let lease = LeaseOutbox {
            key: message.key.clone(),
            for_ms: LEASE_MS,
        };
        let token = match self.submit(lease).await {
            Ok(Answer::Leased { token }) => token,
            // Somebody else has it, or has done it.
            Ok(_) | Err(StoreError::Refused(Refusal::Leased)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let done = self.deliver(message).await?;
        let key = message.key.clone();
        match self.submit(FinishOutbox { key, token, done }).await {
            Ok(_) | Err(StoreError::Refused(Refusal::Leased)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether the message is done with.
    async fn deliver(&self, message: &Message) -> Result<bool, StoreError> {
        let subject = &message.key.1;
        let key = || Some(message.key.clone());
        match message.topic.as_str() {
            "create" => {
                if let Some(no) = AttemptNo::parse(subject) {
                    self.place(&no).await?;
                }
                Ok(true)
            }
            "close" => match AttemptNo::parse(subject) {
                Some(no) => self.close(&no, key()).await,
                None => Ok(true),
            },
            "refund" => {
                if let Some(no) = RefundNo::parse(subject) {
                    self.send_refund(&no, key()).await?;
                }
                Ok(true)
            }
            "sms_paid" => self.sms_paid(subject).await,
            "sms_refund" => self.sms_refund(subject).await,
            "day_file" => self.book_day_file(subject).await,
            _ => Ok(false),
        }
    }

    /// Tells the insured by SMS; the text holds a masked name and no document number.
    async fn sms_paid(&self, voucher_no: &str) -> Result<bool, StoreError> {
        let Some(sms) = &self.channels.sms else {
            return Ok(true);
        };
        let Some(no) = VoucherNo::parse(voucher_no) else {
            return Ok(true);
        };
        let key = (no.bucket(), no);
        let Some(voucher): Option<Voucher> = self.store.load(&key).await? else {
            return Ok(true);
        };
        let due_key = (voucher.bucket, voucher.due_id, voucher.generation);
        let person = self.insured(&due_key).await?;
        let phone = person.and_then(|person| self.phone_of(&person));
        let content = VoucherContent::from_text(&voucher.content);
        let (Some(phone), Some(content)) = (phone, content) else {
            return Ok(true);
        };
        let mark = if self.config.demo { "【演示】" } else { "" };
        let text = format!(
            "{mark}{}{}年度居民医保已缴{}元，凭证号{}，校验码{}。查验：{}/verify",
            content.name_masked,
            content.benefit_year,
            Fen::new(content.own_fen),
            voucher.voucher_no,
            voucher.check_code,
            self.config.public_url,
        );
        Ok(sent(
            sms.send(voucher.voucher_no.as_str(), phone.expose(), &text)
                .await,
        ))
    }

    /// Tells the insured by SMS that a surplus payment has gone back.
    async fn sms_refund(&self, refund_no: &str) -> Result<bool, StoreError> {
        let Some(sms) = &self.channels.sms else {
            return Ok(true);
        };
        let Some(no) = RefundNo::parse(refund_no) else {
            return Ok(true);
        };
        let refund: Option<Refund> = self.store.load(&(no.bucket(), no)).await?;
        let Some(refund) = refund else {
            return Ok(true);
        };
        let of_order = |line_no: u32| (refund.bucket, refund.order_id, line_no);
        let mut line: Option<Line> = self.store.load(&of_order(refund.line_no)).await?;
        if line.is_none() {
            line = self.store.load(&of_order(1)).await?;
        }
        let Some(line) = line else { return Ok(true) };
        let due_key = (line.due_bucket, line.due_id, line.generation);
        let Some(person) = self.insured(&due_key).await? else {
            return Ok(true);
        };
        let Some(phone) = self.phone_of(&person) else {
            return Ok(true);
        };
        let mark = if self.config.demo { "【演示】" } else { "" };
        let name = person.name_masked;
        let (amount, no) = (refund.amount, &refund.refund_no);
        let text = match self.bank_transfer_of(&refund).await? {
            None => {
                format!("{mark}{name}的居民医保重复或多付的{amount}元已原路退回，退款单号{no}。")
            }
            Some(paid) => format!(
                "{mark}{name}的居民医保重复或多付的{amount}元无法原路退回，{}已由银行转账退还，\
                 退款单号{no}。",
                paid.paid_on
            ),
        };
        Ok(sent(
            sms.send(refund.refund_no.as_str(), phone.expose(), &text)
                .await,
        ))
    }

    /// Whom a due is about.
    async fn insured(&self, due: &DueKey) -> Result<Option<Person>, StoreError> {
        match self.store.load::<Due>(due).await? {
            Some(due) => self.store.load(&(due.bucket, due.person_id)).await,
            None => Ok(None),
        }
    }

    /// Somebody's phone, opened only to send to it.
    fn phone_of(&self, person: &Person) -> Option<Phone> {
        let sealed = person.phone_sealed.as_ref()?;
        let text = self.keyring.open(sealed, place::PHONE).ok()?;
        Phone::parse(&String::from_utf8(text).ok()?).ok()
    }

    /// Signs vouchers that nobody has read yet.
    async fn sign_due(&self) -> Result<u32, StoreError> {
        let Some(_turn) = self.lanes.enter("sign", "") else {
            return Ok(0);
        };
        let now = self.now();
        let since = self.unsigned.since(now, self.put_off.is_due("sign", now));
        let rows = self.due("sign", "vouchers_unsigned", since, None).await?;
        let last = rows.last().and_then(|row| match row.get(2) {
            Some(Value::Int(issued_at)) => Some(Instant(*issued_at)),
            _ => None,
        });
        let items = rows.iter().filter_map(|row| {
            let no = text_of(row, 1).and_then(VoucherNo::parse)?;
            Some((no.as_str().to_owned(), no))
        });
        let sign = |no: VoucherNo| async move {
            let key = (no.bucket(), no);
            let Some(voucher) = self.store.load::<Voucher>(&key).await? else {
                return Ok(false);
            };
            let table = "voucher";
            let signed = self.signed(voucher).await?;
            signed.map(|_| true).ok_or(Damaged { table }.into())
        };
        let done = self.each("sign", items.collect(), &sign).await?;
        let is_full = rows.len() >= usize::from(WORK_MAX);
        self.unsigned.reached(now, last.filter(|_| is_full));
        Ok(done)
    }

    /// Signs the list of all chains with number and hash.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn checkpoint(&self) -> Result<(), StoreError> {
        let mut heads = Vec::new();
        for row in self.store.query("chain_heads", &[]).await? {
            if let [Value::Bytes(chain), Value::Int(number), Value::Bytes(hash)] = row.as_slice()
                && let (Ok(chain), Ok(hash)) = (
                    <[u8; 16]>::try_from(chain.as_slice()),
                    <[u8; 32]>::try_from(hash.as_slice()),
                )
            {
                heads.push((ChainId(chain), *number, hash));
            }
        }
        let at = self.now();
        let text = checkpoint_text(at, &heads);
        let mut random = |bytes: &mut [u8]| (self.random)(bytes);
        let signature = self
            .keyring
            .sign_checkpoint(text.as_bytes(), &mut random)
            .map_err(|error| StoreError::Unavailable {
                why: error.to_string(),
            })?;
        self.store
            .append(&Checkpoint {
                bucket: Bucket::default(),
                checkpoint_id: self.random(),
                at,
                heads: text,
                key_id: "audit".to_owned(),
                signature: signature.to_vec(),
            })
            .await
    }

    /// Fetches the platform certificates of WeChat when they are due.
    pub async fn refresh_certificates(&self) {
        if let Some(wechat) = &self.channels.wechat
            && wechat.certificates_due(self.now())
            && let Err(error) = wechat
                .refresh_certificates(self.now(), self.nonce_text())
                .await
        {
            tracing::warn!(
                code = error.code(),
                "the platform certificates were not fetched"
            );
        }
    }
}
