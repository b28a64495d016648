//! The audit chain: links follow from each other and hold every event, checkpoints name their heads.

use super::{Report, SignatureKeys, raw_key};
use jiaoyi_crypto::keyring::verify_checkpoint;
use jiaoyi_domain::audit::{
    ChainId, Checkpoint, Event, Link, checkpoint_text, event_hash, link_hash,
};
use jiaoyi_domain::decide::order_from_text;
use jiaoyi_domain::record::{Column, Record, Value};
use jiaoyi_store::{Dealt, Snapshot, StoreError};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of one hash in a link.
const HASH_LEN: usize = 32;

/// What the links promise and what was found, by whatever thread: a sum over the names and hashes of
/// events, under a key that is drawn anew each time. Sums that are equal hold the same events, so no
/// event has to look for its link.
pub(super) struct Chain {
    weights: RandomState,
    promised: u64,
    found: AtomicU64,
}

/// Checks every link and checkpoint.
pub(super) fn check_links(
    snapshot: &Snapshot,
    keys: Option<&SignatureKeys<'_>>,
    report: &mut Report,
) -> Result<Chain, StoreError> {
    let weights = RandomState::new();
    let mut promised = 0_u64;
    let mut previous: Option<Link> = None;
    let mut links = 0;
    snapshot.scan_raw::<Link>(|values| {
        links += 1;
        let Some(link) = Link::from_values(values.clone()).filter(|row| row.values() == values)
        else {
            let key = raw_key(Link::SPEC, &values);
            report.fail(
                "row.damaged",
                Link::SPEC.name,
                key,
                "the link does not read as one",
            );
            previous = None;
            return;
        };
        check_link(previous.as_ref(), &link, report);
        for (seq, hash) in (0..).zip(event_hashes(&link)) {
            promised =
                promised.wrapping_add(weight(&weights, (link.chain_id, link.link_no, seq), hash));
        }
        previous = Some(link);
    })?;
    report.count(Link::SPEC.name, links);
    let mut checkpoints = Vec::new();
    snapshot.scan_raw::<Checkpoint>(|values| checkpoints.push(values))?;
    for values in checkpoints {
        check_checkpoint(snapshot, values, keys, report)?;
    }
    Ok(Chain {
        weights,
        promised,
        found: AtomicU64::new(0),
    })
}

/// The hashes that a link keeps where its events look for them: in its chain's home.
fn event_hashes(link: &Link) -> impl Iterator<Item = &[u8]> {
    let at_home = link.bucket == link.chain_id.home();
    let hashes = link.event_hashes.chunks_exact(HASH_LEN);
    hashes.filter(move |_| at_home)
}

/// What an event adds to a sum: its chain, link and place, and its hash.
fn weight(weights: &RandomState, name: (ChainId, i64, u32), hash: &[u8]) -> u64 {
    weights.hash_one((name, hash))
}

fn check_link(previous: Option<&Link>, link: &Link, report: &mut Report) {
    let before = previous.filter(|before| before.chain_id == link.chain_id);
    let number = before.map_or(0, |before| before.link_no.saturating_add(1));
    let hash = before.map_or([0; HASH_LEN], |before| before.hash);
    report.demand(
        link.link_no == number,
        "audit.link",
        link,
        "links before it are missing",
    );
    report.demand(
        link.previous == hash,
        "audit.link",
        link,
        "it does not follow the one before",
    );
    let own = link_hash(
        link.chain_id,
        link.link_no,
        &link.previous,
        link.book_day,
        link.at,
        &link.event_hashes,
    );
    report.demand(
        own == link.hash,
        "audit.link",
        link,
        "its hash is not the hash of its parts",
    );
    let home = link.bucket == link.chain_id.home();
    report.demand(home, "audit.link", link, "it lies outside its chain's home");
    let whole = !link.event_hashes.is_empty() && link.event_hashes.len().is_multiple_of(HASH_LEN);
    report.demand(whole, "audit.link", link, "its list of events is not whole");
    let forward = before.is_none_or(|before| before.book_day <= link.book_day);
    report.demand(forward, "audit.book_day", link, "the book day goes back");
}

fn heads_of(row: &Checkpoint) -> Option<Vec<(ChainId, i64, [u8; HASH_LEN])>> {
    row.heads
        .lines()
        .filter(|line| !line.starts_with("jiaoyi-checkpoint-1 ") && !line.is_empty())
        .map(|line| {
            let mut parts = line.split(':');
            // Both halves of a hash and a chain id are 16 bytes in hex, like an order's id.
            let chain = order_from_text(parts.next()?)?.0;
            let number = parts.next()?.parse().ok()?;
            let text = parts.next()?;
            let mut hash = [0; HASH_LEN];
            hash[..16].copy_from_slice(&order_from_text(text.get(..32)?)?.0);
            hash[16..].copy_from_slice(&order_from_text(text.get(32..)?)?.0);
            parts
                .next()
                .is_none()
                .then_some((ChainId(chain), number, hash))
        })
        .collect()
}

fn check_checkpoint(
    snapshot: &Snapshot,
    values: Vec<Value>,
    keys: Option<&SignatureKeys<'_>>,
    report: &mut Report,
) -> Result<(), StoreError> {
    report.count(Checkpoint::SPEC.name, 1);
    let key = raw_key(Checkpoint::SPEC, &values);
    let Some(row) = Checkpoint::from_values(values) else {
        report.fail(
            "row.damaged",
            Checkpoint::SPEC.name,
            key,
            "it does not read as one",
        );
        return Ok(());
    };
    let Some(heads) = heads_of(&row) else {
        report.fail_row(
            "audit.checkpoint",
            &row,
            "its list of chains cannot be read",
        );
        return Ok(());
    };
    for (chain, number, hash) in &heads {
        let link = load_link(snapshot, chain, *number)?;
        if link.is_none_or(|link| link.hash != *hash) {
            let what =
                format!("chain {chain:?} had link {number} with another hash, or has it not");
            report.fail_row("audit.checkpoint", &row, what);
        }
    }
    if let Some(keys) = keys {
        let text = checkpoint_text(row.at, &heads);
        let verified = verify_checkpoint(keys.audit, text.as_bytes(), &row.signature);
        let what = "the signature does not verify";
        report.demand(verified.is_ok(), "audit.signature", &row, what);
    }
    Ok(())
}

/// A link that reads as one.
fn load_link(
    snapshot: &Snapshot,
    chain: &ChainId,
    number: i64,
) -> Result<Option<Link>, StoreError> {
    match snapshot.load::<Link>(&(chain.home(), *chain, number)) {
        Err(StoreError::Damaged(_)) => Ok(None),
        other => other,
    }
}

impl Chain {
    /// Takes in an event.
    pub(super) fn event(&self, event: &Event) {
        let name = (event.chain_id, event.link_no, event.seq);
        let weight = weight(&self.weights, name, &event_hash(event));
        self.found.fetch_add(weight, Ordering::Relaxed);
    }

    /// Unless every event was found in its place: names the events that are not those of their links,
    /// and the links that promise events which are not there.
    pub(super) fn finish(&self, dealt: &Dealt<'_>, report: &mut Report) -> Result<(), StoreError> {
        if self.promised == self.found.load(Ordering::Relaxed) {
            return Ok(());
        }
        let snapshot = dealt.snapshot();
        for place in 0..dealt.ranges() {
            let mut trouble = Ok(());
            dealt.scan::<Event>(place, |event| {
                if trouble.is_ok() {
                    trouble = check_event(snapshot, &event, report);
                }
            })?;
            trouble?;
        }
        let mut present: BTreeMap<(ChainId, i64), Vec<u32>> = BTreeMap::new();
        snapshot.scan::<Event>(|row| {
            if let Ok(event) = row {
                present
                    .entry((event.chain_id, event.link_no))
                    .or_default()
                    .push(event.seq);
            }
        })?;
        snapshot.scan_raw::<Link>(|values| {
            let Some(link) = Link::from_values(values) else {
                return;
            };
            let count = u32::try_from(link.event_hashes.len() / HASH_LEN).unwrap_or(u32::MAX);
            let seen = present
                .get(&(link.chain_id, link.link_no))
                .map_or(&[][..], Vec::as_slice);
            for seq in (0..count).filter(|seq| !seen.contains(seq)) {
                let key = format!("{}/{}/{seq}", super::hex(&link.chain_id.0), link.link_no);
                let what = "its link names it and it is not there (chain, link, place)";
                report.fail("audit.event_missing", Event::SPEC.name, key, what);
            }
        })
    }
}

/// Compares an event with the place that its link keeps for it.
fn check_event(snapshot: &Snapshot, event: &Event, report: &mut Report) -> Result<(), StoreError> {
    let given = [
        event.chain_id.home().to_value(),
        Value::Bytes(event.chain_id.0.to_vec()),
        Value::Int(event.link_no),
        Value::Int(i64::from(event.seq)),
    ];
    let found = snapshot.query("link_event_hash", &given)?;
    let hash = found.first().and_then(|row| row.first());
    let same = hash == Some(&Value::Bytes(event_hash(event).to_vec()));
    let what = "its link does not hold this event";
    report.demand(same, "audit.event", event, what);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_lists_its_chains_below_its_head() {
        let heads = vec![
            (ChainId([1; 16]), 7, [2; 32]),
            (ChainId([3; 16]), 8, [4; 32]),
        ];
        let at = jiaoyi_domain::Instant(5);
        let row = |heads: String| Checkpoint {
            bucket: jiaoyi_domain::Bucket::default(),
            checkpoint_id: [0; 16],
            at,
            heads,
            key_id: "audit".to_owned(),
            signature: Vec::new(),
        };
        let none = row(checkpoint_text(at, &[]));
        assert_eq!(heads_of(&none), Some(Vec::new()));
        let text = checkpoint_text(at, &heads);
        assert_eq!(heads_of(&row(format!("{text}\n"))), Some(heads));
        for broken in [
            text.replace(":7:", "::"),
            format!("{text}x"),
            text.replace("02", "2"),
        ] {
            assert_eq!(heads_of(&row(broken)), None);
        }
    }
}
