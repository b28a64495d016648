//! Work that is due: found by a query, done by a command. A job takes no input, may be killed at
//! any line, and doing it twice changes nothing.

use crate::calls::OutboxKey;
use crate::platform::{Platform, place};
use jiaoyi_channels::SmsError;
use jiaoyi_domain::audit::{ChainId, Checkpoint, checkpoint_text};
use jiaoyi_domain::decide::{Answer, ApproveRefund, DueKey, FinishOutbox, LeaseOutbox};
use jiaoyi_domain::due::Due;
use jiaoyi_domain::messages::OutboxId;
use jiaoyi_domain::person::Phone;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_domain::voucher::{Voucher, VoucherContent};
use jiaoyi_domain::{AttemptNo, Bucket, Fen, RefundNo, VoucherNo};
use jiaoyi_store::StoreError;

/// How much of each kind of work one pass takes on.
const WORK_MAX: i64 = 100;
/// How long the work on one message may take before another may take it over.
const LEASE_MS: i64 = 30 * SECOND_MS;

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worked {
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
}

fn text_of(row: &[Value], place: usize) -> Option<&str> {
    match row.get(place) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn bucket_of(row: &[Value]) -> Option<Bucket> {
    match row.first() {
        Some(Value::Int(number)) => u16::try_from(*number).ok().and_then(Bucket::try_new),
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

impl Platform {
    /// One pass over everything that is due now.
    ///
    /// # Errors
    ///
    /// The store's trouble; what was done before it stays done.
    pub async fn work(&self) -> Result<Worked, StoreError> {
        Ok(Worked {
            messages: self.relay().await?,
            asked: self.ask_due().await?,
            refunds: self.refunds_due().await?,
            signed: self.sign_due().await?,
        })
    }

    fn due_now(&self) -> [Value; 2] {
        [Value::Int(self.now().0), Value::Int(WORK_MAX)]
    }

    /// Asks the channels about attempts whose time has come.
    async fn ask_due(&self) -> Result<u32, StoreError> {
        let mut done = 0;
        for row in self.store.query("attempts_to_ask", &self.due_now()).await? {
            if let Some(no) = text_of(&row, 0).and_then(AttemptNo::parse) {
                self.ask(&no).await?;
                done += 1;
            }
        }
        Ok(done)
    }

    /// Sends refunds whose ground is certain, and asks after those on their way.
    async fn refunds_due(&self) -> Result<u32, StoreError> {
        let mut done = 0;
        for row in self.store.query("refunds_to_act", &self.due_now()).await? {
            let Some(no) = text_of(&row, 0).and_then(RefundNo::parse) else {
                continue;
            };
            let key = (no.bucket(), no.clone());
            let Some(refund): Option<Refund> = self.store.load(&key).await? else {
                continue;
            };
            match refund.state {
                RefundState::Held => {
                    let Some(renderer) = self.renderer(refund.channel) else {
                        continue;
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
            done += 1;
        }
        Ok(done)
    }

    /// Does what left-over messages ask for.
    async fn relay(&self) -> Result<u32, StoreError> {
        let mut done = 0;
        for row in self.store.query("outbox_due", &self.due_now()).await? {
            let id = match row.get(1) {
                Some(Value::Bytes(id)) => <[u8; 16]>::try_from(id.as_slice()).ok(),
                _ => None,
            };
            let (Some(bucket), Some(id)) = (bucket_of(&row), id) else {
                continue;
            };
            let (Some(topic), Some(subject)) = (text_of(&row, 2), text_of(&row, 3)) else {
                continue;
            };
            let key: OutboxKey = (bucket, OutboxId(id));
            let leased = self
                .submit(LeaseOutbox {
                    key,
                    for_ms: LEASE_MS,
                })
                .await;
            let Ok(Answer::Leased { token }) = leased else {
                continue;
            };
            let finished = self.deliver(topic, subject, key).await?;
            match self
                .submit(FinishOutbox {
                    key,
                    token,
                    done: finished,
                })
                .await
            {
                Ok(_) | Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
            done += 1;
        }
        Ok(done)
    }

    /// Whether the message is done with.
    async fn deliver(
        &self,
        topic: &str,
        subject: &str,
        key: OutboxKey,
    ) -> Result<bool, StoreError> {
        match topic {
            "create" => {
                if let Some(no) = AttemptNo::parse(subject) {
                    self.place(&no).await?;
                }
                Ok(true)
            }
            "close" => match AttemptNo::parse(subject) {
                Some(no) => self.close(&no, Some(key)).await,
                None => Ok(true),
            },
            "refund" => {
                if let Some(no) = RefundNo::parse(subject) {
                    self.send_refund(&no, Some(key)).await?;
                }
                Ok(true)
            }
            "sms_paid" => self.sms_paid(subject).await,
            "sms_refund" => self.sms_refund(subject).await,
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
        let phone = self.phone_of(&due_key).await?;
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
        let order = self
            .load_order_by_key(refund.bucket, refund.order_id)
            .await?;
        let Some(order) = order else { return Ok(true) };
        let line = order
            .lines
            .iter()
            .find(|line| line.line_no == refund.line_no);
        let Some(line) = line.or(order.lines.first()) else {
            return Ok(true);
        };
        let due_key = (line.due_bucket, line.due_id, line.generation);
        let Some(phone) = self.phone_of(&due_key).await? else {
            return Ok(true);
        };
        let mark = if self.config.demo { "【演示】" } else { "" };
        let name = order
            .person
            .map(|person| person.name_masked)
            .unwrap_or_default();
        let text = format!(
            "{mark}{name}的居民医保重复或多付的{}元已原路退回，退款单号{}。",
            refund.amount, refund.refund_no
        );
        Ok(sent(
            sms.send(refund.refund_no.as_str(), phone.expose(), &text)
                .await,
        ))
    }

    /// The phone of the person who owes a due, opened only to send to it.
    async fn phone_of(&self, due: &DueKey) -> Result<Option<Phone>, StoreError> {
        let Some(due): Option<Due> = self.store.load(due).await? else {
            return Ok(None);
        };
        let person: Option<Person> = self.store.load(&(due.bucket, due.person_id)).await?;
        let Some(sealed) = person.and_then(|person| person.phone_sealed) else {
            return Ok(None);
        };
        let text = self.keyring.open(&sealed, place::PHONE).ok();
        let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.and_then(|text| Phone::parse(&text).ok()))
    }

    /// Signs vouchers that nobody has read yet.
    async fn sign_due(&self) -> Result<u32, StoreError> {
        let since = self.now().plus_ms(-jiaoyi_domain::time::DAY_MS);
        let given = [Value::Int(since.0), Value::Int(20)];
        let mut done = 0;
        for row in self.store.query("vouchers_unsigned", &given).await? {
            let Some(no) = text_of(&row, 1).and_then(VoucherNo::parse) else {
                continue;
            };
            if let Some(voucher) = self.store.load::<Voucher>(&(no.bucket(), no)).await? {
                self.signed(voucher).await?;
                done += 1;
            }
        }
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
            && (wechat.certificates_due() || wechat.fetches_certificates())
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
