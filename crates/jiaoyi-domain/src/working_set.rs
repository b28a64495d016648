//! The rows that the decisions of one batch read and change.
//!
//! Commands are decided one after another on one working set, so a later command sees what an
//! earlier one changed. "Absent" is a loaded value like any other. What a refused command changed
//! is taken back.

use crate::attempt::Attempt;
use crate::audit::Touched;
use crate::bank_transfer::BankTransfer;
use crate::biller::{BillerCall, Claim, DayFile};
use crate::books::Transfer;
use crate::due::{Due, Revision, Slot, TurnedAway};
use crate::fact::Fact;
use crate::hook::HookEvent;
use crate::id::Bucket;
use crate::institution::{AccessLink, Institution, InstitutionKey};
use crate::messages::{Case, CommandKey, Inbox, Outbox};
use crate::needs::Need;
use crate::order::{DeviceOrder, Line, PayOrder};
use crate::record::{Given, Record, TableSpec, Value, image_of};
use crate::refund::Refund;
use crate::roster::{Document, NoticeLink, Person, PolicyPack, Roster};
use crate::voucher::{Voucher, VoucherSignature};
use std::collections::{BTreeMap, BTreeSet};

/// What a batch writes to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new row.
    Insert { values: Vec<Value> },
    /// A changed row; it must still have the version `expected`.
    Update {
        key: Vec<Value>,
        values: Vec<Value>,
        expected: u32,
    },
    /// A row that was only read and must still have the version `expected`.
    Assert { key: Vec<Value>, expected: u32 },
}

#[derive(Clone, Debug)]
struct Entry<R> {
    loaded: Option<R>,
    now: Option<R>,
    asserted: bool,
}

/// The loaded rows of one table.
#[derive(Debug)]
pub struct Rows<R: Record> {
    rows: BTreeMap<R::Key, Entry<R>>,
    /// What the running command changed: key and the entry before.
    journal: BTreeMap<R::Key, Option<Entry<R>>>,
}

impl<R: Record> Default for Rows<R> {
    fn default() -> Self {
        Rows {
            rows: BTreeMap::new(),
            journal: BTreeMap::new(),
        }
    }
}

impl<R: Record> Rows<R> {
    /// The row as it stands now, or `None` when there is none.
    #[must_use]
    pub fn get(&self, key: &R::Key) -> Option<&R> {
        self.rows.get(key).and_then(|entry| entry.now.as_ref())
    }

    /// Every row that is loaded or was added, in key order.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.values().filter_map(|entry| entry.now.as_ref())
    }

    /// The rows with `first <= key`, in key order.
    pub fn from<'a>(&'a self, first: &R::Key) -> impl Iterator<Item = &'a R> + use<'a, R> {
        let rows = self.rows.range(first..);
        rows.filter_map(|(_, entry)| entry.now.as_ref())
    }

    /// The rows with `first <= key <= last`, in key order.
    pub fn between<'a>(
        &'a self,
        first: &R::Key,
        last: &R::Key,
    ) -> impl Iterator<Item = &'a R> + use<'a, R> {
        let rows = self.rows.range(first..=last);
        rows.filter_map(|(_, entry)| entry.now.as_ref())
    }

    /// Adds or changes a row; versions are counted here, one for each command that changes it.
    ///
    /// # Panics
    ///
    /// When a column that never changes is changed; the command is put aside then.
    pub fn put(&mut self, mut row: R) {
        let key = row.key();
        let Some(entry) = self.rows.get_mut(&key) else {
            row.set_version(1);
            self.journal.entry(key.clone()).or_insert(None);
            let entry = Entry {
                loaded: None,
                now: Some(row),
                asserted: false,
            };
            self.rows.insert(key, entry);
            return;
        };
        if entry.now.as_ref() == Some(&row) {
            return;
        }
        // It would not be written: better no change than half of one.
        let kept = |now: &R| !row.fixed_differ(now);
        assert!(
            entry.now.as_ref().is_none_or(kept),
            "a fixed column of {} was changed",
            R::SPEC.name
        );
        let changed = self.journal.contains_key(&key);
        row.set_version(match &entry.now {
            None => 1,
            Some(now) if changed => now.version(),
            Some(now) => now.version().saturating_add(1),
        });
        if !changed {
            self.journal.insert(key, Some(entry.clone()));
        }
        entry.now = Some(row);
    }

    /// Demands at commit that a row which was only read has not changed.
    pub fn assert_unchanged(&mut self, key: &R::Key) {
        if let Some(entry) = self.rows.get_mut(key) {
            entry.asserted = true;
        }
    }

    fn absorb(&mut self, rows: Vec<Vec<Value>>) -> Result<(), Damaged> {
        for values in rows {
            let row = R::from_values(values).ok_or(Damaged {
                table: R::SPEC.name,
            })?;
            self.rows.entry(row.key()).or_insert_with(|| Entry {
                loaded: Some(row.clone()),
                now: Some(row),
                asserted: false,
            });
        }
        Ok(())
    }

    fn discard(&mut self) {
        for (key, before) in std::mem::take(&mut self.journal) {
            match before {
                Some(entry) => self.rows.insert(key, entry),
                None => self.rows.remove(&key),
            };
        }
    }

    fn accept(&mut self, touched: &mut Vec<(Bucket, Touched)>) {
        for (key, _) in std::mem::take(&mut self.journal) {
            let Some(row) = self.get(&key) else { continue };
            let mut encoded = Vec::new();
            key.encode(&mut encoded);
            touched.push((
                row.bucket(),
                Touched {
                    table: R::SPEC.number,
                    key: encoded,
                    version: row.version(),
                    state: row.state_number(),
                    hash: image_of(row),
                },
            ));
        }
    }

    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (key, entry) in &self.rows {
            match (&entry.loaded, &entry.now) {
                (None, Some(row)) => changes.push(Change::Insert {
                    values: row.values(),
                }),
                (Some(loaded), Some(row)) if loaded != row => changes.push(Change::Update {
                    key: R::key_values(key),
                    values: row.values(),
                    expected: loaded.version(),
                }),
                (Some(loaded), Some(_)) if entry.asserted => changes.push(Change::Assert {
                    key: R::key_values(key),
                    expected: loaded.version(),
                }),
                (Some(_), Some(_)) | (_, None) => {}
            }
        }
        changes
    }
}

/// A stored row that does not read as what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row of table {table} is damaged; run `jiaoyi verify`")]
pub struct Damaged {
    pub table: &'static str,
}

macro_rules! working_set {
    ($($field:ident: $type:ty,)*) => {
        /// The rows of one batch, table by table, in the fixed order in which they are written.
        #[derive(Debug, Default)]
        pub struct WorkingSet {
            $(pub $field: Rows<$type>,)*
            /// What was asked of the store, by the names of the needs.
            asked: BTreeSet<Vec<u8>>,
        }

        /// Every table that decisions read and write, in write order.
        pub const TABLES: &[&TableSpec] = &[$(<$type as Record>::SPEC),*];

        /// The one of [`TABLES`] that has a number.
        #[must_use]
        pub const fn table_of(number: u8) -> Option<&'static TableSpec> {
            $(if number == <$type as Record>::SPEC.number {
                return Some(<$type as Record>::SPEC);
            })*
            None
        }

        impl WorkingSet {
            /// Takes in what the store found for a need, which may be nothing.
            ///
            /// # Errors
            ///
            /// [`Damaged`] when a row does not read as its type.
            pub fn absorb(&mut self, need: &Need, rows: Vec<Vec<Value>>) -> Result<(), Damaged> {
                self.note_loaded(need);
                self.absorb_rows(need.table(), rows)
            }

            /// Notes that a need was asked of the store: whatever is not there now is absent.
            pub fn note_loaded(&mut self, need: &Need) {
                self.asked.insert(need.name());
            }

            /// Whether a need of this [name](Need::name) was asked of the store.
            #[must_use]
            pub fn is_loaded(&self, name: &[u8]) -> bool {
                self.asked.contains(name)
            }

            /// Takes in rows of a table, for whichever needs they were loaded. A row that is known
            /// already stays as it is.
            ///
            /// # Errors
            ///
            /// [`Damaged`] when a row does not read as its type.
            pub fn absorb_rows(&mut self, table: u8, rows: Vec<Vec<Value>>) -> Result<(), Damaged> {
                $(if table == <$type as Record>::SPEC.number {
                    return self.$field.absorb(rows);
                })*
                Ok(())
            }

            /// Takes back what the running command changed.
            pub fn discard(&mut self) {
                $(self.$field.discard();)*
            }

            /// Keeps what the running command changed; the after-images, by bucket.
            pub fn accept(&mut self) -> Vec<(Bucket, Touched)> {
                let mut touched = Vec::new();
                $(self.$field.accept(&mut touched);)*
                touched
            }

            /// Everything the batch writes and asserts, in write order.
            #[must_use]
            pub fn changes(&self) -> Vec<(&'static TableSpec, Vec<Change>)> {
                vec![$((<$type as Record>::SPEC, self.$field.changes())),*]
            }
        }
    };
}

working_set! {
    command_key: CommandKey,
    claim: Claim,
    biller_call: BillerCall,
    inbox: Inbox,
    day_file: DayFile,
    institution: Institution,
    institution_key: InstitutionKey,
    access_link: AccessLink,
    roster: Roster,
    policy_pack: PolicyPack,
    person: Person,
    document: Document,
    due: Due,
    revision: Revision,
    slot: Slot,
    turned_away: TurnedAway,
    pay_order: PayOrder,
    line: Line,
    attempt: Attempt,
    fact: Fact,
    transfer: Transfer,
    refund: Refund,
    bank_transfer: BankTransfer,
    voucher: Voucher,
    voucher_signature: VoucherSignature,
    device_order: DeviceOrder,
    notice_link: NoticeLink,
    hook_event: HookEvent,
    outbox: Outbox,
    case: Case,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    fn row(until: i64) -> NoticeLink {
        NoticeLink {
            bucket: Bucket::default(),
            due_id: crate::due::DueId([1; 16]),
            tries: 0,
            shut: false,
            devices: Vec::new(),
            changed_at: Instant(until),
            version: 1,
        }
    }

    #[test]
    fn a_refused_command_leaves_no_trace_and_versions_count_commands() {
        let mut ws = WorkingSet::default();
        let need = Need::key::<NoticeLink>(&row(0).key());
        ws.absorb(&need, vec![row(0).values()]).unwrap();
        assert!(ws.is_loaded(&need.name()));
        ws.notice_link.put(row(1));
        ws.discard();
        assert_eq!(ws.notice_link.get(&row(0).key()), Some(&row(0)));
        assert!(ws.accept().is_empty());
        for changed in 1..=2 {
            ws.notice_link.put(row(changed * 10));
            ws.notice_link.put(row(changed * 10 + 1));
            assert_eq!(
                ws.accept()[0].1.version,
                u32::try_from(changed).unwrap() + 1
            );
        }
        let changes: Vec<Change> = ws
            .changes()
            .into_iter()
            .flat_map(|(_, list)| list)
            .collect();
        let [
            Change::Update {
                expected: 1,
                values,
                ..
            },
        ] = changes.as_slice()
        else {
            panic!("{changes:?}")
        };
        assert_eq!(NoticeLink::from_values(values.clone()).unwrap().version, 3);
    }

    /// An update would not write it, and the audit chain would remember what is nowhere stored.
    #[test]
    fn a_fixed_column_cannot_be_changed() {
        let row = Case {
            bucket: Bucket::default(),
            case_id: crate::messages::CaseId([1; 16]),
            kind: crate::messages::CaseKind::Void,
            state: crate::messages::CaseState::Open,
            order_id: None,
            subject: "a".to_owned(),
            detail: "x".to_owned(),
            opened_at: Instant(1),
            version: 1,
        };
        let put = |changed: Case| {
            let mut ws = WorkingSet::default();
            let need = Need::key::<Case>(&row.key());
            ws.absorb(&need, vec![row.values()]).unwrap();
            ws.case.put(changed);
            ws.accept().len()
        };
        let mut changed = row.clone();
        changed.state = crate::messages::CaseState::Closed;
        assert_eq!(put(changed.clone()), 1);
        changed.subject = "b".to_owned();
        assert!(std::panic::catch_unwind(|| put(changed)).is_err());
    }

    #[test]
    fn the_image_of_a_row_is_that_of_its_values() {
        let mut link = row(5);
        link.devices = vec![1; 300];
        let of_values = crate::record::image_hash(NoticeLink::SPEC, &link.values());
        assert_eq!(image_of(&link), of_values);
        link.tries += 1;
        assert_ne!(image_of(&link), of_values);
    }

    #[test]
    fn tables_have_distinct_numbers_and_names() {
        let numbers: BTreeSet<u8> = TABLES.iter().map(|spec| spec.number).collect();
        let names: BTreeSet<&str> = TABLES.iter().map(|spec| spec.name).collect();
        assert_eq!((numbers.len(), names.len()), (TABLES.len(), TABLES.len()));
    }

    /// The images of rows hash their columns in order (docs/decisions/0009), so what a release has written
    /// binds the next ones. `columns.txt` says what that is; `JIAOYI_TEST_ACCEPT=1 cargo test -p
    /// jiaoyi-domain columns` adds to it what may be added.
    #[test]
    fn columns_are_only_added_at_the_end_and_may_be_null() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/columns.txt");
        let line = |spec: &TableSpec| {
            let columns = spec.columns.iter().map(|column| {
                let null = if column.nullable { "?" } else { "" };
                format!(" {}:{:?}{null}", column.name, column.kind)
            });
            format!(
                "{} {} ={}",
                spec.number,
                spec.name,
                columns.collect::<String>()
            )
        };
        let audited = TABLES.iter().copied().chain([crate::audit::Event::SPEC]);
        let now: Vec<String> = audited.map(line).collect();
        let written = std::fs::read_to_string(path).expect("the columns are written down");
        let kept = |old: &str, new: &str| {
            new.strip_prefix(old).is_some_and(|added| {
                let whole = added.is_empty() || added.starts_with(' ');
                whole && added.split_whitespace().all(|column| column.ends_with('?'))
            })
        };
        for old in written.lines() {
            assert!(
                now.iter().any(|new| kept(old, new)),
                "rows written before would seem altered: {old}"
            );
        }
        if std::env::var_os("JIAOYI_TEST_ACCEPT").is_some() {
            std::fs::write(path, now.join("\n") + "\n").expect("they are written");
        } else {
            assert!(written.lines().eq(&now), "columns.txt lacks what was added");
        }
    }
}
