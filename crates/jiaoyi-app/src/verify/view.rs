//! Rows as the checks ask for them: from the range that is held, else from the snapshot.

use super::index::Index;
use super::part::{Part, Reference, Table};
use jiaoyi_domain::Bucket;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::biller::{BillerCall, Claim, DayFile};
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::decide::{DueKey, OrderKey};
use jiaoyi_domain::due::{Due, Revision, Slot};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::messages::{Case, CaseKind, CaseState};
use jiaoyi_domain::money::Fen;
use jiaoyi_domain::order::{Line, PayOrder};
use jiaoyi_domain::record::{Column, Record};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::voucher::Voucher;
use jiaoyi_store::{Snapshot, StoreError};
use std::borrow::Cow;
use std::cell::RefCell;

/// A record whose rows a range holds.
pub(super) trait Held: Record {
    fn bucket_of(key: &Self::Key) -> Bucket;
    fn table(part: &Part) -> &Table<Self>;
}

macro_rules! held {
    ($($record:ty = $field:ident,)*) => {$(
        impl Held for $record {
            fn bucket_of(key: &Self::Key) -> Bucket {
                key.0
            }
            fn table(part: &Part) -> &Table<Self> {
                &part.$field
            }
        }
    )*};
}
held! {
    Person = persons, Due = dues, Revision = revisions, Slot = slots, PayOrder = orders,
    Line = lines, Attempt = attempts, Fact = facts, Refund = refunds, Voucher = vouchers,
    Claim = claims, BillerCall = biller_calls,
}

/// One range of buckets in the whole snapshot.
pub(super) struct View<'a> {
    snapshot: &'a Snapshot,
    pub part: &'a Part,
    pub index: Index<'a>,
    pub reference: &'a Reference,
    trouble: RefCell<Option<StoreError>>,
}

impl<'a> View<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        part: &'a Part,
        reference: &'a Reference,
    ) -> View<'a> {
        View {
            snapshot,
            part,
            index: Index::of(part),
            reference,
            trouble: RefCell::new(None),
        }
    }

    /// The engine's trouble on the way, if there was any: then nothing found counts.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        self.trouble.into_inner().map_or(Ok(()), Err)
    }

    fn holds(&self, bucket: Bucket) -> bool {
        (self.part.from..self.part.to).contains(&i64::from(bucket.get()))
    }

    fn note<T: Default>(&self, found: Result<T, StoreError>) -> T {
        match found {
            Ok(found) => found,
            // The range that the row lies in names it.
            Err(StoreError::Damaged(_)) => T::default(),
            Err(error) => {
                self.trouble.borrow_mut().get_or_insert(error);
                T::default()
            }
        }
    }

    /// One row by its key, wherever it lies.
    pub(super) fn get<R: Held>(&self, key: &R::Key) -> Option<Cow<'a, R>> {
        if self.holds(R::bucket_of(key)) {
            R::table(self.part).get(key).map(Cow::Borrowed)
        } else {
            self.note(self.snapshot.load::<R>(key)).map(Cow::Owned)
        }
    }

    /// A kept day file. It is large, and seldom asked for.
    pub(super) fn day_file(&self, key: &<DayFile as Record>::Key) -> Option<DayFile> {
        self.note(self.snapshot.load::<DayFile>(key))
    }

    /// Whether the day file that a message names is kept in `bucket`.
    pub(super) fn has_day_file(&self, bucket: Bucket, name: &str) -> bool {
        let named = DayFile::read_name(name);
        named.is_some_and(|(inst_id, day, hash)| {
            self.day_file(&(bucket, inst_id, day, hash)).is_some()
        })
    }

    /// The lines of an order.
    pub(super) fn lines(&self, order: &OrderKey) -> Vec<Cow<'a, Line>> {
        if self.holds(order.0) {
            let all = (order.0, order.1, 0)..=(order.0, order.1, u32::MAX);
            let lines = self.part.lines.range(all);
            lines.map(|(_, line)| Cow::Borrowed(line)).collect()
        } else {
            let given = [order.0.to_value(), order.1.to_value()];
            let lines = self.note(self.snapshot.range("by_order", &given));
            lines.into_iter().map(Cow::Owned).collect()
        }
    }

    /// The transfers of an order that lie in `bucket`. For movements between buckets.
    pub(super) fn transfers(&self, bucket: Bucket, order: &OrderKey) -> Vec<Transfer> {
        let given = [bucket.to_value(), order.1.to_value()];
        self.note(self.snapshot.range("by_order", &given))
    }

    /// The revisions of a due of this range.
    pub(super) fn revisions(&self, due: &DueKey) -> impl Iterator<Item = &Revision> {
        let all = (due.0, due.1, due.2, 0)..=(due.0, due.1, due.2, u32::MAX);
        self.part.revisions.range(all).map(|(_, revision)| revision)
    }

    /// What gives a success back.
    pub(super) fn refunds_of<'s>(&'s self, fact: &'s Fact) -> &'s [&'s Refund] {
        let name = (fact.bucket, fact.channel, &*fact.merchant, &*fact.txn_id);
        self.index.refunds_of_fact.get(&name)
    }

    /// The bank transfer by which staff paid a refund of this range.
    pub(super) fn bank_transfer_of(&self, refund: &Refund) -> Option<&'a BankTransfer> {
        self.part.bank_transfers.get(&refund.key())
    }

    /// Whether an order of this range has a case of this kind, open or closed.
    pub(super) fn has_case(&self, order: &OrderKey, kind: CaseKind) -> bool {
        let cases = self.index.cases_of_order.get(order);
        cases.iter().any(|case| case.kind == kind)
    }

    /// Whether an order of this range has an open case.
    pub(super) fn is_with_staff(&self, order: &OrderKey) -> bool {
        let cases = self.index.cases_of_order.get(order);
        cases.iter().any(|case| case.state == CaseState::Open)
    }

    /// Whether a number of this range has an open case.
    pub(super) fn has_open_case(&self, bucket: Bucket, subject: &str) -> bool {
        self.cases_about(bucket, subject)
            .any(|case| case.state == CaseState::Open)
    }

    /// The cases about a number of this range.
    pub(super) fn cases_about<'s>(
        &'s self,
        bucket: Bucket,
        subject: &'s str,
    ) -> impl Iterator<Item = &'s Case> {
        let cases = self.index.cases_of_subject.get(&(bucket, subject));
        cases.iter().copied()
    }
}

/// A sum that cannot overflow.
pub(super) fn sum(amounts: impl IntoIterator<Item = Fen>) -> u128 {
    amounts
        .into_iter()
        .map(|amount| u128::from(amount.get()))
        .sum()
}

/// An amount as sums are compared.
pub(super) fn whole(amount: Fen) -> u128 {
    u128::from(amount.get())
}
