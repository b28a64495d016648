//! The rows of one range of buckets, typed and indexed, and the small tables that are held whole.

use super::history::{History, Stored, encoded};
use super::{Report, VerifyError, VerifyOptions, Whole, encoded_key_text, personal};
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::audit::Event;
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::biller::{BillerCall, Claim, DayFile};
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::due::{Due, Revision, Slot, TurnedAway};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::hook::HookEvent;
use jiaoyi_domain::institution::{AccessLink, Institution, InstitutionKey};
use jiaoyi_domain::messages::{Case, CommandKey, Inbox, Outbox};
use jiaoyi_domain::order::{DeviceOrder, Line, PayOrder};
use jiaoyi_domain::policy::Pack;
use jiaoyi_domain::record::{Record, TableSpec, Value, encoded_prefix, image_of_encoded};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::roster::{Document, NoticeLink, Person, PolicyPack, Roster};
use jiaoyi_domain::voucher::{Voucher, VoucherSignature};
use jiaoyi_domain::working_set::TABLES;
use jiaoyi_store::{Buckets, Snapshot, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one table by key.
pub(super) type Table<R> = BTreeMap<<R as Record>::Key, R>;

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
    let (mut table, mut written, mut rows) = (Table::<R>::new(), Vec::new(), 0);
    snapshot.scan_raw::<R>(|values| {
        rows += 1;
        let stored = encoded(&values);
        let keep = |row: R| {
            table.insert(row.key(), row);
        };
        read((values, &stored), options, report, &mut written, keep);
    })?;
    report.count(R::SPEC.name, rows);
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
}

/// Reads one raw row, and the same in one piece, hands it to `keep` and says what its history is compared
/// with; what does not read as its type is named. `written` only lends its room.
fn read<'a, R: Record>(
    (values, stored): (Vec<Value>, &'a [u8]),
    options: &VerifyOptions<'_>,
    report: &mut Report,
    written: &mut Vec<u8>,
    keep: impl FnOnce(R),
) -> Stored<'a> {
    personal::check(R::SPEC, &values, options.keyring, report);
    let key = encoded_prefix(stored, R::SPEC.key_len);
    let mut damaged = |what: &str| {
        report.fail("row.damaged", R::SPEC.name, encoded_key_text(key), what);
    };
    let mut stands = None;
    match R::from_values(values) {
        Some(row) => {
            written.clear();
            row.encode(written);
            if written == stored {
                stands = Some((row.version(), row.state_number()));
                keep(row);
            } else {
                damaged("a value is written otherwise than we write it");
            }
        }
        None => damaged("a value is not one of its column's type"),
    }
    let hash = image_of_encoded(R::SPEC, stored);
    Stored { key, hash, stands }
}

/// Reads a table's rows of the range at a place and compares them with their events.
fn compare<R: Record>(
    whole: &Whole<'_>,
    place: usize,
    history: &mut History,
    report: &mut Report,
    mut keep: impl FnMut(R),
) -> Result<(), StoreError> {
    let (mut written, mut rows) = (Vec::new(), 0);
    whole.dealt.scan_raw::<R>(place, |values, stored| {
        rows += 1;
        let row = (values, stored);
        let stored = read(row, whole.options, report, &mut written, &mut keep);
        history.row(R::SPEC, stored, report);
    })?;
    report.count(R::SPEC.name, rows);
    Ok(())
}

/// Every table that lies in buckets.
pub(super) fn tables() -> Vec<&'static TableSpec> {
    let tables = TABLES.iter().copied();
    let mut tables: Vec<_> = tables.filter(|spec| spec.in_buckets()).collect();
    tables.push(Event::SPEC);
    tables
}

/// Loads the rows of the range at a place and compares them with their events.
pub(super) fn load(
    whole: &Whole<'_>,
    (place, (from, to)): (usize, Buckets),
    report: &mut Report,
) -> Result<Part, VerifyError> {
    let snapshot = whole.snapshot;
    let mut part = Part {
        from,
        to,
        ..Part::default()
    };
    part.load_events(whole, place, report)?;
    let history = &mut part.history;
    macro_rules! load {
        ($($field:ident: $record:ty,)*) => {$(
            let table = &mut part.$field;
            let keep = |row: $record| {
                table.insert(row.key(), row);
            };
            compare(whole, place, history, report, keep)?;
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
    // Notices and day files are large, and nothing else is compared with them.
    compare::<Inbox>(whole, place, history, report, drop)?;
    compare::<DayFile>(whole, place, history, report, drop)?;
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
    Ok(part)
}

fn reference_row<R: Record>(history: &mut History, values: Vec<Value>, report: &mut Report) {
    let stored = encoded(&values);
    let key = encoded_prefix(&stored, R::SPEC.key_len);
    let hash = image_of_encoded(R::SPEC, &stored);
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
        let (history, mut events) = (&mut self.history, 0);
        whole.dealt.scan_raw::<Event>(place, |values, stored| {
            events += 1;
            let Some(event) = Event::from_values(values) else {
                let key = encoded_key_text(encoded_prefix(stored, Event::SPEC.key_len));
                let what = "it does not read as one";
                report.fail("row.damaged", Event::SPEC.name, key, what);
                return;
            };
            whole.chain.event(&event);
            history.event(&event, report);
        })?;
        report.count(Event::SPEC.name, events);
        history.sort();
        Ok(())
    }
}
