//! What must hold: the platform's own rules in the middle and at the end, and at the end the channel's
//! money against ours, counted without the platform's rules.

use super::channel::Books;
use super::executor::lock;
use super::seen::Situation;
use super::world::World;
use jiaoyi_app::verify::{Given, Report, SignatureKeys, VerifyOptions, verify_snapshot};
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::attempt::{Attempt, AttemptState};
use jiaoyi_domain::bank_transfer::BankTransfer;
use jiaoyi_domain::decide::DueKey;
use jiaoyi_domain::due::Slot;
use jiaoyi_domain::messages::{Case, CaseKind};
use jiaoyi_domain::order::{Line, PayOrder};
use jiaoyi_domain::record::{Record, encode_values};
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_store::Snapshot;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn complain(world: &World, when: &str, report: &Report) {
    for row in &report.violations {
        world.wrong(format!(
            "{when}: {} {} {}: {}",
            row.rule, row.table, row.key, row.what
        ));
    }
}

/// The rules that hold at any moment.
pub fn safety(world: &World) {
    let verified = world.database.snapshot().map_err(|error| error.to_string());
    let verified = verified.and_then(|snapshot| {
        verify_snapshot(&snapshot, &VerifyOptions::default(), &mut |_, _| {})
            .map_err(|error| error.to_string())
    });
    match verified {
        Ok(report) => complain(world, "meanwhile", &report),
        Err(why) => world.wrong(format!("it cannot be verified: {why}")),
    }
}

/// All rules, what payers were told, the channels' books, and every signature.
pub fn everything(world: &World) {
    let keyring = Keyring::parse(&world.template.keys).expect("our own keys");
    let vouchers = keyring.public_keys();
    let rows: Vec<_> = world
        .books
        .values()
        .flat_map(|books| books.transactions())
        .collect();
    let options = VerifyOptions {
        settled: Some(world.now()),
        signatures: Some(SignatureKeys {
            vouchers: &vouchers,
            audit: keyring.audit_public(),
        }),
        journal: Some(Given::Text(lock(&world.journal).join("\n"))),
        channel_books: Some(Given::Text(json!({"transactions": rows}).to_string())),
        keyring: Some(&keyring),
        buckets_at_once: None,
        threads: None,
    };
    let snapshot = world.database.snapshot().expect("a copy in memory");
    match verify_snapshot(&snapshot, &options, &mut |_, _| {}) {
        Ok(report) => complain(world, "at the end", &report),
        Err(why) => world.wrong(format!("it cannot be verified: {why}")),
    }
    money(world, &snapshot);
}

fn all<R: Record>(snapshot: &Snapshot) -> Vec<R> {
    let mut rows = Vec::new();
    let each = |row: Result<R, _>| rows.extend(row);
    snapshot.scan(each).expect("a copy in memory");
    rows
}

/// One effective premium a due, and everything else back where it came from.
fn money(world: &World, snapshot: &Snapshot) {
    let attempts: Vec<Attempt> = all(snapshot);
    let orders: Vec<PayOrder> = all(snapshot);
    let holders: BTreeMap<_, _> = orders.iter().map(|row| (row.key(), row.holder)).collect();
    let lines: Vec<Line> = all(snapshot);
    let refunds: Vec<Refund> = all(snapshot);
    let transfers: BTreeSet<_> = all::<BankTransfer>(snapshot)
        .iter()
        .map(Record::key)
        .collect();
    let slots: BTreeMap<DueKey, Slot> = all::<Slot>(snapshot)
        .into_iter()
        .map(|row| (row.key(), row))
        .collect();
    let due_of = |attempt: &Attempt| -> Option<DueKey> {
        let line = lines
            .iter()
            .find(|line| (line.bucket, line.order_id) == (attempt.bucket, attempt.order_id))?;
        Some((line.due_bucket, line.due_id, line.generation))
    };
    let mut kept: BTreeMap<DueKey, u64> = BTreeMap::new();
    let mut payers: BTreeMap<DueKey, Vec<[u8; 32]>> = BTreeMap::new();
    for (no, amount, back) in world
        .books
        .values()
        .flat_map(|books: &Arc<Books>| books.kept())
    {
        let attempt = attempts.iter().find(|row| row.attempt_no.as_str() == no);
        let Some((attempt, due)) = attempt.and_then(|row| Some((row, due_of(row)?))) else {
            world.wrong(format!("{no} was paid and is not known"));
            continue;
        };
        if attempt.state != AttemptState::Paid {
            world.wrong(format!("{no} was paid and is {}", attempt.state.code()));
        }
        // Staff have to pay these, or have: the channel's money stays with us.
        let by_hand = refunds.iter().filter(|row| {
            let with_staff = row.state == RefundState::Manual || transfers.contains(&row.key());
            row.attempt_no == attempt.attempt_no && with_staff
        });
        let by_hand: u64 = by_hand.map(|row| row.amount.get()).sum();
        *kept.entry(due).or_default() += amount.saturating_sub(back + by_hand);
        let holder = holders.get(&(attempt.bucket, attempt.order_id));
        payers.entry(due).or_default().extend(holder);
    }
    for (due, kept) in &kept {
        let live = slots.get(due).filter(|slot| slot.is_live());
        let price = live.map_or(0, |slot| slot.own.get());
        if *kept != price {
            world.wrong(format!(
                "{due:?}: {kept} fen are kept for a premium of {price}"
            ));
        }
        let by = &payers[due];
        if by.len() > 1 {
            let different: BTreeSet<_> = by.iter().collect();
            let two = different.len() > 1;
            world.saw(if two {
                Situation::PaidByTwo
            } else {
                Situation::PaidTwice
            });
        }
    }
    for case in all::<Case>(snapshot) {
        match case.kind {
            CaseKind::PutAside => world.wrong(format!("a command was put aside: {}", case.subject)),
            CaseKind::NoticeDiffers => world.saw(Situation::DisputeSettled),
            _ => {}
        }
    }
}

/// A hash of every row, of the channels' books and of everything that happened.
pub fn digest(world: &World) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (spec, rows) in world.database.rows().expect("a copy in memory") {
        // The library that signs checkpoints by ES256 draws from the system.
        let left_out = spec
            .place("signature")
            .filter(|_| spec.name == "checkpoint");
        for mut row in rows {
            if let Some(place) = left_out {
                row.remove(place);
            }
            let mut bytes = Vec::new();
            encode_values(&row, &mut bytes);
            hash.update(spec.name);
            hash.update(bytes);
        }
    }
    for books in world.books.values() {
        hash.update(json!(books.transactions()).to_string());
    }
    for line in lock(&world.journal).iter().chain(&world.trace()) {
        hash.update(line);
    }
    hash.finalize().into()
}
