//! Ways to find rows of a range that are not their keys.

use super::part::{Part, Table};
use foldhash::{HashMap, HashSet};
use jiaoyi_domain::Bucket;
use jiaoyi_domain::attempt::Attempt;
use jiaoyi_domain::biller::BillerCall;
use jiaoyi_domain::books::Transfer;
use jiaoyi_domain::channel::ChannelCode;
use jiaoyi_domain::decide::{DueKey, OrderKey};
use jiaoyi_domain::fact::Fact;
use jiaoyi_domain::messages::{Case, Topic};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::voucher::Voucher;
use smallvec::SmallVec;
use std::hash::Hash;

/// What a transfer names as the source of its money: bucket, channel, merchant, transaction.
pub(super) type FactName<'n> = (Bucket, ChannelCode, &'n str, &'n str);

/// Rows that have something in common, in the order of their keys.
pub(super) struct Lists<'p, K, R>(HashMap<K, SmallVec<[&'p R; 2]>>);

impl<'p, K: Eq + Hash, R: Record> Lists<'p, K, R> {
    fn of(table: &'p Table<R>, common: impl Fn(&'p R) -> Option<K>) -> Lists<'p, K, R> {
        let mut lists: HashMap<K, SmallVec<[&R; 2]>> = HashMap::default();
        for row in table.values() {
            if let Some(common) = common(row) {
                lists.entry(common).or_default().push(row);
            }
        }
        Lists(lists)
    }

    /// Those that have this in common.
    pub(super) fn get(&self, common: &K) -> &[&'p R] {
        self.0.get(common).map_or(&[], SmallVec::as_slice)
    }
}

/// All of them, for one range.
pub(super) struct Index<'p> {
    pub attempts_of_order: Lists<'p, OrderKey, Attempt>,
    pub facts_of_order: Lists<'p, OrderKey, Fact>,
    pub refunds_of_fact: Lists<'p, FactName<'p>, Refund>,
    pub refunds_of_order: Lists<'p, OrderKey, Refund>,
    pub vouchers_of_due: Lists<'p, DueKey, Voucher>,
    pub transfers_of_fact: Lists<'p, FactName<'p>, Transfer>,
    pub transfers_of_due: Lists<'p, DueKey, Transfer>,
    pub transfers_of_refund: Lists<'p, &'p str, Transfer>,
    pub cases_of_order: Lists<'p, OrderKey, Case>,
    pub cases_of_subject: Lists<'p, (Bucket, &'p str), Case>,
    pub calls_of_order: Lists<'p, OrderKey, BillerCall>,
    outbox: HashSet<(Bucket, Topic, &'p str)>,
}

/// The due that a transfer is about.
pub(super) fn due_of(row: &Transfer) -> Option<DueKey> {
    Some((row.bucket, row.due_id?, row.generation?))
}

fn source(row: &Transfer) -> Option<FactName<'_>> {
    let (merchant, txn) = (row.merchant.as_deref()?, row.txn_id.as_deref()?);
    Some((row.bucket, row.channel?, merchant, txn))
}

impl<'p> Index<'p> {
    pub(super) fn of(part: &'p Part) -> Index<'p> {
        let outbox = part.outbox.values();
        Index {
            attempts_of_order: Lists::of(&part.attempts, |row| Some((row.bucket, row.order_id))),
            facts_of_order: Lists::of(&part.facts, |row| Some((row.bucket, row.order_id))),
            refunds_of_fact: Lists::of(&part.refunds, |row| {
                Some((row.bucket, row.channel, &*row.merchant, &*row.txn_id))
            }),
            refunds_of_order: Lists::of(&part.refunds, |row| Some((row.bucket, row.order_id))),
            vouchers_of_due: Lists::of(&part.vouchers, |row| {
                Some((row.bucket, row.due_id, row.generation))
            }),
            transfers_of_fact: Lists::of(&part.transfers, source),
            transfers_of_due: Lists::of(&part.transfers, due_of),
            transfers_of_refund: Lists::of(&part.transfers, |row| {
                Some(row.refund_no.as_ref()?.as_str())
            }),
            cases_of_order: Lists::of(&part.cases, |row| Some((row.bucket, row.order_id?))),
            cases_of_subject: Lists::of(&part.cases, |row| Some((row.bucket, &*row.subject))),
            calls_of_order: Lists::of(&part.biller_calls, |row| Some((row.bucket, row.order_id?))),
            outbox: outbox
                .map(|row| (row.bucket, row.topic, row.subject.as_str()))
                .collect(),
        }
    }

    /// Whether something about `subject` was posted.
    pub(super) fn was_posted(&self, bucket: Bucket, topic: Topic, subject: &str) -> bool {
        self.outbox.contains(&(bucket, topic, subject))
    }
}
