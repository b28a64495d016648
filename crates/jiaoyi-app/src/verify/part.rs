//! The rows of one range of buckets, typed and indexed, and the small tables that are held whole.

use super::history::{History, Stored, encoded};
use super::{Report, VerifyError, VerifyOptions, Whole, encoded_key_text, personal};
use jiaoyi_domain::Bucket;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::audit::Event;
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::biller::{BillerCall, Claim, DayFile};
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::due::{Due, DueId, OrderId, Revision, Slot, TurnedAway};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::hook::HookEvent;
use jiaoyi_domain::id::RefundNo;
use jiaoyi_domain::institution::{AccessLink, Institution, InstitutionKey};
use jiaoyi_domain::messages::{Case, CommandKey, Inbox, Outbox, Topic};
use jiaoyi_domain::order::{DeviceOrder, Line, PayOrder};
use jiaoyi_domain::policy::Pack;
use jiaoyi_domain::record::{Record, TableSpec, Value, image_hash, image_of_encoded};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::roster::{Document, NoticeLink, Person, PolicyPack, Roster};
use jiaoyi_domain::voucher::{Voucher, VoucherSignature};
use jiaoyi_domain::working_set::TABLES;
use jiaoyi_store::{Buckets, Snapshot, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one table by key.
pub(super) type Table<R> = BTreeMap<<R as Record>::Key, R>;

/// What a transfer names as the source of its money: bucket, channel, merchant, transaction.
pub(super) type FactName = (Bucket, ChannelCode, String, String);

/// The small tables, held for the whole run.
pub(super) struct Reference {
    pub rosters: Table<Roster>,
    pub packs: Table<PolicyPack>,
    pub institutions: Table<Institution>,
    /// Versions of the stored packs; `None` when there is none, or when older texts were replaced,
    /// so that not every version can be known.
    pub pack_versions: Option<BTreeSet<String>>,
}

impl Reference {
    pub(super) fn load(
        snapshot: &Snapshot,
        options: &VerifyOptions<'_>,
        report: &mut Report,
    ) -> Result<Reference, StoreError> {
        let mut reference = Reference {
            rosters: held(snapshot, options, report)?,
            packs: held(snapshot, options, report)?,
            institutions: held(snapshot, options, report)?,
            pack_versions: None,
        };
        held::<InstitutionKey>(snapshot, options, report)?;
        held::<AccessLink>(snapshot, options, report)?;
        let packs = &reference.packs;
        if !packs.is_empty() && packs.values().all(|pack| pack.version == 1) {
            let version = |pack: &PolicyPack| Pack::parse(&pack.file_name, &pack.text).ok();
            let versions = packs
                .values()
                .filter_map(version)
                .map(|pack| pack.version());
            reference.pack_versions = Some(versions.collect());
        }
        Ok(reference)
    }
}

/// Every row of a small table.
fn held<R: Record>(
    snapshot: &Snapshot,
    options: &VerifyOptions<'_>,
    report: &mut Report,
) -> Result<Table<R>, StoreError> {
    let mut table = Table::<R>::new();
    snapshot.scan_raw::<R>(|values| {
        let stored = encoded(&values);
        read((values, &stored), options, report, &mut table);
    })?;
    Ok(table)
}

/// The rows of one range of buckets.
#[derive(Default)]
pub(super) struct Part {
    pub from: i64,
    pub to: i64,
    pub history: History,
    pub persons: Table<Person>,
    pub documents: Table<Document>,
    pub dues: Table<Due>,
    pub revisions: Table<Revision>,
    pub slots: Table<Slot>,
    pub turned_away: Table<TurnedAway>,
    pub orders: Table<PayOrder>,
    pub lines: Table<Line>,
    pub attempts: Table<Attempt>,
    pub facts: Table<Fact>,
    pub transfers: Table<Transfer>,
    pub refunds: Table<Refund>,
    pub bank_transfers: Table<BankTransfer>,
    pub vouchers: Table<Voucher>,
    pub signatures: Table<VoucherSignature>,
    pub device_orders: Table<DeviceOrder>,
    pub notice_links: Table<NoticeLink>,
    pub outbox: Table<Outbox>,
    pub cases: Table<Case>,
    pub command_keys: Table<CommandKey>,
    pub claims: Table<Claim>,
    pub biller_calls: Table<BillerCall>,
    pub hook_events: Table<HookEvent>,
    pub index: Index,
}

/// Ways to find rows of the range that are not their keys.
#[derive(Default)]
pub(super) struct Index {
    pub attempts_of_order: BTreeMap<(Bucket, OrderId), Vec<<Attempt as Record>::Key>>,
    pub facts_of_order: BTreeMap<(Bucket, OrderId), Vec<<Fact as Record>::Key>>,
    pub refunds_of_fact: BTreeMap<FactName, Vec<<Refund as Record>::Key>>,
    pub refunds_of_order: BTreeMap<(Bucket, OrderId), Vec<<Refund as Record>::Key>>,
    pub vouchers_of_due: BTreeMap<(Bucket, DueId, u32), Vec<<Voucher as Record>::Key>>,
    pub transfers_of_fact: BTreeMap<FactName, Vec<<Transfer as Record>::Key>>,
    pub transfers_of_due: BTreeMap<(Bucket, DueId, u32), Vec<<Transfer as Record>::Key>>,
    pub transfers_of_refund: BTreeMap<RefundNo, Vec<<Transfer as Record>::Key>>,
    pub outbox: BTreeSet<(Bucket, Topic, String)>,
    pub cases_of_order: BTreeMap<(Bucket, OrderId), Vec<<Case as Record>::Key>>,
    pub cases_of_subject: BTreeMap<(Bucket, String), Vec<<Case as Record>::Key>>,
    pub calls_of_order: BTreeMap<(Bucket, OrderId), Vec<<BillerCall as Record>::Key>>,
}

/// Reads one raw row, and the same in one piece, into its table and says what its history is compared
/// with; what does not read as its type is named.
fn read<R: Record>(
    (values, stored): (Vec<Value>, &[u8]),
    options: &VerifyOptions<'_>,
    report: &mut Report,
    table: &mut Table<R>,
) -> Stored {
    report.count(R::SPEC.name);
    personal::check(R::SPEC, &values, options.keyring, report);
    let key = encoded(values.get(..R::SPEC.key_len).unwrap_or(&values));
    let mut damaged = |what: &str| {
        report.fail("row.damaged", R::SPEC.name, encoded_key_text(&key), what);
    };
    match R::from_values(values) {
        Some(row) => {
            let mut written = Vec::with_capacity(stored.len());
            row.encode(&mut written);
            if written == stored {
                let stands = Some((row.version(), row.state_number()));
                let hash = image_of_encoded(R::SPEC, stored);
                table.insert(row.key(), row);
                return Stored { key, hash, stands };
            }
            damaged("a value is written otherwise than we write it");
        }
        None => damaged("a value is not one of its column's type"),
    }
    let hash = image_of_encoded(R::SPEC, stored);
    Stored {
        key,
        hash,
        stands: None,
    }
}

/// Every table that lies in buckets.
pub(super) fn tables() -> Vec<&'static TableSpec> {
    let in_buckets = |spec: &&TableSpec| spec.columns[0].name == "bucket";
    let mut tables: Vec<_> = TABLES.iter().copied().filter(in_buckets).collect();
    tables.push(Event::SPEC);
    tables
}

/// Loads the rows of the range at a place and compares them with their events.
pub(super) fn load(
    whole: &Whole<'_>,
    (place, (from, to)): (usize, Buckets),
    report: &mut Report,
) -> Result<Part, VerifyError> {
    let Whole {
        snapshot,
        dealt,
        options,
        ..
    } = *whole;
    let mut part = Part {
        from,
        to,
        ..Part::default()
    };
    part.load_events(whole, place, report)?;
    macro_rules! load {
        ($($field:ident: $record:ty,)*) => {$(
            let (history, table) = (&mut part.history, &mut part.$field);
            dealt.scan_raw::<$record>(place, |values, stored| {
                let stored = read::<$record>((values, stored), options, report, table);
                history.row(<$record>::SPEC, stored, report);
            })?;
        )*};
    }
    load! {
        persons: Person, documents: Document, dues: Due, revisions: Revision, slots: Slot,
        turned_away: TurnedAway, orders: PayOrder, lines: Line, attempts: Attempt, facts: Fact,
        transfers: Transfer, refunds: Refund, bank_transfers: BankTransfer, vouchers: Voucher,
        signatures: VoucherSignature,
        device_orders: DeviceOrder, notice_links: NoticeLink, outbox: Outbox, cases: Case,
        command_keys: CommandKey, claims: Claim, biller_calls: BillerCall,
        hook_events: HookEvent,
    }
    // Notices are many and large, and nothing else is compared with them.
    let (history, mut none) = (&mut part.history, Table::<Inbox>::new());
    dealt.scan_raw::<Inbox>(place, |values, stored| {
        let stored = read::<Inbox>((values, stored), options, report, &mut none);
        history.row(Inbox::SPEC, stored, report);
        none.clear();
    })?;
    let (history, mut none) = (&mut part.history, Table::<DayFile>::new());
    dealt.scan_raw::<DayFile>(place, |values, stored| {
        let stored = read::<DayFile>((values, stored), options, report, &mut none);
        history.row(DayFile::SPEC, stored, report);
        none.clear();
    })?;
    if from <= 0 {
        // Rows without a bucket have their events in bucket 0; they were read already.
        snapshot.scan_raw::<Roster>(|row| reference_row::<Roster>(history, row, report))?;
        snapshot.scan_raw::<PolicyPack>(|row| reference_row::<PolicyPack>(history, row, report))?;
        snapshot
            .scan_raw::<Institution>(|row| reference_row::<Institution>(history, row, report))?;
        snapshot.scan_raw::<InstitutionKey>(|row| {
            reference_row::<InstitutionKey>(history, row, report);
        })?;
        snapshot.scan_raw::<AccessLink>(|row| reference_row::<AccessLink>(history, row, report))?;
    }
    part.history.finish(report);
    part.build_index();
    Ok(part)
}

fn reference_row<R: Record>(history: &mut History, values: Vec<Value>, report: &mut Report) {
    let key = encoded(values.get(..R::SPEC.key_len).unwrap_or(&values));
    let hash = image_hash(R::SPEC, &values);
    let row = R::from_values(values);
    let stands = row.map(|row| (row.version(), row.state_number()));
    history.row(R::SPEC, Stored { key, hash, stands }, report);
}

impl Part {
    fn load_events(
        &mut self,
        whole: &Whole<'_>,
        place: usize,
        report: &mut Report,
    ) -> Result<(), VerifyError> {
        let history = &mut self.history;
        whole.dealt.scan_raw::<Event>(place, |values, _| {
            report.count(Event::SPEC.name);
            let key = encoded(values.get(..Event::SPEC.key_len).unwrap_or(&values));
            let Some(event) = Event::from_values(values) else {
                let what = "it does not read as one";
                report.fail(
                    "row.damaged",
                    Event::SPEC.name,
                    encoded_key_text(&key),
                    what,
                );
                return;
            };
            whole.chain.event(&event);
            history.event(&event, report);
        })?;
        history.sort();
        Ok(())
    }

    fn build_index(&mut self) {
        let index = &mut self.index;
        for row in self.attempts.values() {
            let order = (row.bucket, row.order_id);
            index
                .attempts_of_order
                .entry(order)
                .or_default()
                .push(row.key());
        }
        for row in self.facts.values() {
            let order = (row.bucket, row.order_id);
            index
                .facts_of_order
                .entry(order)
                .or_default()
                .push(row.key());
        }
        for row in self.refunds.values() {
            let fact = (
                row.bucket,
                row.channel,
                row.merchant.clone(),
                row.txn_id.clone(),
            );
            index
                .refunds_of_fact
                .entry(fact)
                .or_default()
                .push(row.key());
            let order = (row.bucket, row.order_id);
            index
                .refunds_of_order
                .entry(order)
                .or_default()
                .push(row.key());
        }
        for row in self.vouchers.values() {
            let due = (row.bucket, row.due_id, row.generation);
            index
                .vouchers_of_due
                .entry(due)
                .or_default()
                .push(row.key());
        }
        for row in self.transfers.values() {
            index.transfer(row);
        }
        for row in self.outbox.values() {
            index
                .outbox
                .insert((row.bucket, row.topic, row.subject.clone()));
        }
        for row in self.biller_calls.values() {
            if let Some(order) = row.order_id {
                let order = (row.bucket, order);
                index
                    .calls_of_order
                    .entry(order)
                    .or_default()
                    .push(row.key());
            }
        }
        for row in self.cases.values() {
            if let Some(order) = row.order_id {
                index
                    .cases_of_order
                    .entry((row.bucket, order))
                    .or_default()
                    .push(row.key());
            }
            let subject = (row.bucket, row.subject.clone());
            index
                .cases_of_subject
                .entry(subject)
                .or_default()
                .push(row.key());
        }
    }
}

impl Index {
    fn transfer(&mut self, row: &Transfer) {
        if let (Some(channel), Some(merchant), Some(txn)) =
            (row.channel, &row.merchant, &row.txn_id)
        {
            let fact = (row.bucket, channel, merchant.clone(), txn.clone());
            self.transfers_of_fact
                .entry(fact)
                .or_default()
                .push(row.key());
        }
        if let (Some(due), Some(generation)) = (row.due_id, row.generation) {
            let due = (row.bucket, due, generation);
            self.transfers_of_due
                .entry(due)
                .or_default()
                .push(row.key());
        }
        if let Some(refund) = &row.refund_no {
            self.transfers_of_refund
                .entry(refund.clone())
                .or_default()
                .push(row.key());
        }
    }
}
