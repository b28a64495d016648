//! Small commands around the money: messages, links, signatures, reference data.

use super::{Answer, Command, Context, NoticeMessage, OrderKey, Refusal};
use crate::due::DueId;
use crate::id::Bucket;
use crate::messages::{Case, CaseKind, CaseState, Inbox, Outbox, OutboxState};
use crate::needs::Needs;
use crate::order::{DeviceOrder, PayOrder};
use crate::record::Record;
use crate::roster::{NoticeLink, PolicyPack};
use crate::time::SECOND_MS;
use crate::voucher::{Voucher, VoucherSignature};
use crate::working_set::WorkingSet;

/// Stores a verified notice that tells nothing to be decided.
pub struct StoreInbox {
    pub bucket: Bucket,
    pub notice: NoticeMessage,
    /// Money told for a number that is not ours: a case, in these words.
    pub unknown_number: Option<(String, String)>,
}

impl Command for StoreInbox {
    fn kind(&self) -> &'static str {
        "store_inbox"
    }

    fn actor(&self) -> String {
        NoticeMessage::actor_of(Some(&self.notice))
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Inbox>(&self.notice.key(self.bucket));
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        if !self.notice.store(ws, ctx, self.bucket) {
            return Ok(Answer::Already);
        }
        if let Some((number, detail)) = &self.unknown_number {
            let kind = CaseKind::UnknownNumber;
            super::open_case(ws, ctx, self.bucket, kind, None, number, detail.clone());
        }
        Ok(Answer::Done)
    }
}

/// Opens a case for a kind of command that was put aside, unless one is open.
pub struct NotePutAside {
    /// Kind of the command.
    pub command: &'static str,
}

impl Command for NotePutAside {
    fn kind(&self) -> &'static str {
        "note_put_aside"
    }

    fn actor(&self) -> String {
        "store".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let subject = self.command.to_owned();
        needs.range::<Case>("by_subject", &(Bucket::default(), subject));
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let is_open = |case: &Case| {
            case.kind == CaseKind::PutAside
                && case.state == CaseState::Open
                && case.subject == self.command
        };
        if ws.case.iter().any(is_open) {
            return Ok(Answer::Already);
        }
        let (bucket, kind) = (Bucket::default(), CaseKind::PutAside);
        let detail = "what went wrong is in the log of this time".to_owned();
        super::open_case(ws, ctx, bucket, kind, None, self.command, detail);
        Ok(Answer::Done)
    }
}

/// Takes the lease of a waiting outbox row.
pub struct LeaseOutbox {
    pub key: <Outbox as Record>::Key,
    pub for_ms: i64,
}

impl Command for LeaseOutbox {
    fn kind(&self) -> &'static str {
        "lease_outbox"
    }

    fn actor(&self) -> String {
        "job:relay".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Outbox>(&self.key);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let mut row = ws
            .outbox
            .get(&self.key)
            .cloned()
            .ok_or(Refusal::NotFound { what: "message" })?;
        if row.state != OutboxState::Waiting {
            return Ok(Answer::Already);
        }
        if row.lease_until.is_some_and(|until| until > ctx.at) {
            return Err(Refusal::Leased);
        }
        row.lease = row.lease.saturating_add(1);
        row.lease_until = Some(ctx.at.plus_ms(self.for_ms));
        row.next_at = ctx.at.plus_ms(self.for_ms);
        row.tries = row.tries.saturating_add(1);
        let token = row.lease;
        ws.outbox.put(row);
        Ok(Answer::Leased { token })
    }
}

/// Ends the work on an outbox row: done, or to be tried again.
pub struct FinishOutbox {
    pub key: <Outbox as Record>::Key,
    /// The token of the lease under which the work was done.
    pub token: u32,
    pub done: bool,
}

impl Command for FinishOutbox {
    fn kind(&self) -> &'static str {
        "finish_outbox"
    }

    fn actor(&self) -> String {
        "job:relay".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Outbox>(&self.key);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let mut row = ws
            .outbox
            .get(&self.key)
            .cloned()
            .ok_or(Refusal::NotFound { what: "message" })?;
        if row.state != OutboxState::Waiting {
            return Ok(Answer::Already);
        }
        // A lease that was taken over must not be ended by the one who lost it.
        if row.lease != self.token {
            return Err(Refusal::Leased);
        }
        row.lease_until = None;
        if self.done {
            row.state = OutboxState::Done;
            row.done_at = Some(ctx.at);
        } else {
            let wait = i64::from(row.tries.min(8)).pow(3).saturating_mul(SECOND_MS);
            row.next_at = ctx.at.plus_ms(wait.max(SECOND_MS));
        }
        ws.outbox.put(row);
        Ok(Answer::Done)
    }
}

/// Keeps the signature of a voucher, made outside; the first one counts.
pub struct StoreSignature {
    pub voucher: <Voucher as Record>::Key,
    pub key_id: String,
    pub algorithm: String,
    /// The host that the signature covers.
    pub host: String,
    pub cose: Vec<u8>,
}

impl Command for StoreSignature {
    fn kind(&self) -> &'static str {
        "store_signature"
    }

    fn actor(&self) -> String {
        "job:sign".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Voucher>(&self.voucher);
        needs.key::<VoucherSignature>(&self.voucher);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        if ws.voucher.get(&self.voucher).is_none() {
            return Err(Refusal::NotFound { what: "voucher" });
        }
        if ws.voucher_signature.get(&self.voucher).is_some() {
            return Ok(Answer::Already);
        }
        ws.voucher_signature.put(VoucherSignature {
            bucket: self.voucher.0,
            voucher_no: self.voucher.1.clone(),
            key_id: self.key_id.clone(),
            algorithm: self.algorithm.clone(),
            host: self.host.clone(),
            cose: self.cose.clone(),
            signed_at: ctx.at,
        });
        Ok(Answer::Done)
    }
}

/// How many wrong birthdays shut a notice link.
pub const LINK_TRIES_MAX: u32 = 5;

/// How many devices one notice link remembers.
const LINK_DEVICES_MAX: usize = 8;

/// The answer to the birthday question of a notice link.
pub struct AnswerLink {
    pub bucket: Bucket,
    pub due_id: DueId,
    pub device: [u8; 32],
    /// Whether month and day were right; compared outside by keyed hash.
    pub right: bool,
}

impl Command for AnswerLink {
    fn kind(&self) -> &'static str {
        "answer_link"
    }

    fn actor(&self) -> String {
        "payer".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<NoticeLink>(&(self.bucket, self.due_id));
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let mut link = ws
            .notice_link
            .get(&(self.bucket, self.due_id))
            .cloned()
            .unwrap_or(NoticeLink {
                bucket: self.bucket,
                due_id: self.due_id,
                tries: 0,
                shut: false,
                devices: Vec::new(),
                changed_at: ctx.at,
                version: 1,
            });
        if link.shut {
            return Ok(Answer::Link {
                open: false,
                tries_left: 0,
            });
        }
        link.changed_at = ctx.at;
        if self.right {
            link.tries = 0;
            if !link.devices.chunks(32).any(|device| device == self.device) {
                link.devices.extend_from_slice(&self.device);
                let surplus = (link.devices.len() / 32).saturating_sub(LINK_DEVICES_MAX) * 32;
                link.devices.drain(..surplus);
            }
        } else {
            link.tries = link.tries.saturating_add(1);
            link.shut = link.tries >= LINK_TRIES_MAX;
        }
        let left = LINK_TRIES_MAX.saturating_sub(link.tries);
        let open = self.right;
        ws.notice_link.put(link);
        Ok(Answer::Link {
            open,
            tries_left: u8::try_from(left).unwrap_or(0),
        })
    }
}

/// Adds an order to a device's own list, for whoever holds its receipt link.
pub struct AddDeviceOrder {
    pub device: [u8; 32],
    pub device_bucket: Bucket,
    pub order: OrderKey,
}

impl Command for AddDeviceOrder {
    fn kind(&self) -> &'static str {
        "add_device_order"
    }

    fn actor(&self) -> String {
        "payer".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let key = (self.device_bucket, self.device, self.order.0, self.order.1);
        needs.key::<DeviceOrder>(&key);
        needs.key::<PayOrder>(&self.order);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        if ws.pay_order.get(&self.order).is_none() {
            return Err(Refusal::NotFound { what: "order" });
        }
        let key = (self.device_bucket, self.device, self.order.0, self.order.1);
        if ws.device_order.get(&key).is_some() {
            return Ok(Answer::Already);
        }
        ws.device_order.put(DeviceOrder {
            bucket: self.device_bucket,
            device: self.device,
            order_bucket: self.order.0,
            order_id: self.order.1,
            added_at: ctx.at,
        });
        Ok(Answer::Done)
    }
}

/// Takes a checked policy pack into the store; the same text again changes nothing.
pub struct ImportPolicy {
    pub pack: PolicyPack,
}

impl Command for ImportPolicy {
    fn kind(&self) -> &'static str {
        "import_policy"
    }

    fn actor(&self) -> String {
        "staff:cli".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<PolicyPack>(&self.pack.key());
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        if let Some(known) = ws.policy_pack.get(&self.pack.key())
            && known.text == self.pack.text
        {
            return Ok(Answer::Already);
        }
        ws.policy_pack.put(self.pack.clone());
        Ok(Answer::Done)
    }
}
