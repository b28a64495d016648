//! The audit chain: what each command touched, and the links that hold the events together.

use crate::hex::Hex;
use crate::id::Bucket;
use crate::record::{Record, Value, decode_values, encode_values, without_last_nulls};
use crate::time::{Date, Instant};
use crate::{id16, record};
use sha2::{Digest, Sha256};

id16! {
    /// One chain: one writer, from its start to its end.
    ChainId;
}

impl ChainId {
    /// A chain whose links lie in the bucket `home`, so that they are in the bucket group of their
    /// writer; the rest of the id is drawn.
    #[must_use]
    pub fn at(home: Bucket, mut drawn: [u8; 16]) -> ChainId {
        drawn[..2].copy_from_slice(&home.get().to_be_bytes());
        ChainId(drawn)
    }

    /// The bucket of its links; an id that was not made by [`ChainId::at`] has them in bucket 0.
    #[must_use]
    pub fn home(self) -> Bucket {
        Bucket::try_new(u16::from_be_bytes([self.0[0], self.0[1]])).unwrap_or_default()
    }
}

/// One row that a command appended or changed, as its after-image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Number of the table.
    pub table: u8,
    /// Encoded key.
    pub key: Vec<u8>,
    /// Version after the command.
    pub version: u32,
    /// State after the command; 0 for tables without one.
    pub state: u8,
    /// Hash of all columns after the command.
    pub hash: [u8; 16],
}

/// Packs what a command touched in one bucket.
#[must_use]
pub fn encode_touched(rows: &[Touched]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.len() * 64);
    for row in rows {
        encode_values(
            &[
                Value::Int(i64::from(row.table)),
                Value::Bytes(row.key.clone()),
                Value::Int(i64::from(row.version)),
                Value::Int(i64::from(row.state)),
                Value::Bytes(row.hash.to_vec()),
            ],
            &mut out,
        );
    }
    out
}

/// Reads what [`encode_touched`] wrote; `None` when it is damaged.
#[must_use]
pub fn decode_touched(bytes: &[u8]) -> Option<Vec<Touched>> {
    let values = decode_values(bytes)?;
    let mut rows = Vec::with_capacity(values.len() / 5);
    let mut values = values.into_iter();
    while let Some(first) = values.next() {
        let (Value::Int(table), Value::Bytes(key)) = (first, values.next()?) else {
            return None;
        };
        let (Value::Int(version), Value::Int(state)) = (values.next()?, values.next()?) else {
            return None;
        };
        let Value::Bytes(hash) = values.next()? else {
            return None;
        };
        rows.push(Touched {
            table: u8::try_from(table).ok()?,
            key,
            version: u32::try_from(version).ok()?,
            state: u8::try_from(state).ok()?,
            hash: hash.try_into().ok()?,
        });
    }
    Some(rows)
}

record! {
    /// What one command did in one bucket. Never changed.
    pub struct Event in 18 "event" {
        key {
            bucket: Bucket = Public,
            chain_id: ChainId = Public,
            link_no: i64 = Public,
            seq: u32 = Public,
        }
        row {
            /// Kind of the command.
            command: String = Public,
            /// Who: `payer`, `channel:wechat`, `job:ask`, `staff:…`.
            actor: String = Public,
            at: Instant = Public,
            /// [`Touched`] rows, packed.
            touched: Vec<u8> = Public,
        }
        ranges { }
    }
}

record! {
    /// One commit of one writer. Never changed.
    pub struct Link in 19 "link" {
        key {
            /// The home of the chain.
            bucket: Bucket = Public,
            chain_id: ChainId = Public,
            link_no: i64 = Public,
        }
        row {
            previous: [u8; 32] = Public,
            hash: [u8; 32] = Public,
            /// Hashes of the commit's events, 32 bytes each, by `seq`.
            event_hashes: Vec<u8> = Public,
            book_day: Date = Public,
            at: Instant = Public,
        }
        ranges { }
    }
}

record! {
    /// A signed list of all chains with number and hash. Never changed.
    pub struct Checkpoint in 20 "checkpoint" {
        key {
            /// Always 0: checkpoints are few and belong to nobody.
            bucket: Bucket = Public,
            checkpoint_id: [u8; 16] = Public,
        }
        row {
            at: Instant = Public,
            /// `chain:number:hash` in hex, one a line, sorted.
            heads: String = Public,
            key_id: String = Public,
            signature: Vec<u8> = Public,
        }
        ranges { }
    }
}

/// Hash of one event, as its link holds it; of columns that were added later as in the image of a row.
#[must_use]
pub fn event_hash(event: &Event) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(event.touched.len() + 96);
    encode_values(&event.values(), &mut bytes);
    Sha256::digest(without_last_nulls(&bytes)).into()
}

/// Hash of one link over the one before it and its events.
#[must_use]
pub fn link_hash(
    chain: ChainId,
    link_no: i64,
    previous: &[u8; 32],
    book_day: Date,
    at: Instant,
    event_hashes: &[u8],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"jiaoyi-link-1");
    hash.update(chain.0);
    hash.update(link_no.to_be_bytes());
    hash.update(previous);
    hash.update(book_day.to_string());
    hash.update(at.0.to_be_bytes());
    hash.update(event_hashes);
    hash.finalize().into()
}

/// What a checkpoint signs.
#[must_use]
pub fn checkpoint_text(at: Instant, heads: &[(ChainId, i64, [u8; 32])]) -> String {
    let mut lines: Vec<String> = heads
        .iter()
        .map(|(chain, number, hash)| format!("{}:{number}:{}", Hex(&chain.0), Hex(hash)))
        .collect();
    lines.sort();
    format!("jiaoyi-checkpoint-1 {}\n{}\n", at.0, lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_chain_knows_its_home() {
        let home = Bucket::try_new(0x0123).unwrap_or_default();
        let chain = ChainId::at(home, [7; 16]);
        assert_eq!((chain.home(), chain.0[0], chain.0[1]), (home, 1, 0x23));
        assert_eq!(chain.0[2..], [7; 14]);
        assert_eq!(ChainId([0xff; 16]).home(), Bucket::default());
    }

    #[test]
    fn what_was_touched_is_read_back_or_damaged() {
        let row = |version| Touched {
            table: 3,
            key: vec![1, 2],
            version,
            state: 4,
            hash: [5; 16],
        };
        let rows = vec![row(1), row(u32::MAX)];
        let bytes = encode_touched(&rows);
        assert_eq!(decode_touched(&bytes), Some(rows));
        assert_eq!(decode_touched(&[]), Some(Vec::new()));
        for length in 1..bytes.len() / 2 {
            assert_eq!(decode_touched(&bytes[..length]), None, "{length}");
        }
        let mut wrong = Vec::new();
        encode_values(&[Value::Int(300)], &mut wrong);
        assert_eq!(decode_touched(&wrong), None);
    }

    fn event() -> Event {
        Event {
            bucket: Bucket::default(),
            chain_id: ChainId([1; 16]),
            link_no: 2,
            seq: 3,
            command: "c".to_owned(),
            actor: "a".to_owned(),
            at: Instant(4),
            touched: vec![5],
        }
    }

    /// Whatever is changed in an event or a link changes its hash.
    #[test]
    fn hashes_cover_everything() {
        let changes: [fn(&mut Event); 9] = [
            |_| {},
            |event| event.bucket = Bucket::try_new(1).unwrap_or_default(),
            |event| event.chain_id = ChainId([2; 16]),
            |event| event.link_no = 3,
            |event| event.seq = 4,
            |event| event.command.push('d'),
            |event| event.actor.push('b'),
            |event| event.at = Instant(5),
            |event| event.touched.push(6),
        ];
        let hashes = changes.map(|change| {
            let mut changed = event();
            change(&mut changed);
            event_hash(&changed)
        });
        assert_eq!(BTreeSet::from(hashes).len(), hashes.len());

        let day = Date::constant(2026, 11, 22);
        let (chain, at) = (ChainId([1; 16]), Instant(5));
        let links = [
            link_hash(chain, 2, &[3; 32], day, at, &[6]),
            link_hash(ChainId([2; 16]), 2, &[3; 32], day, at, &[6]),
            link_hash(chain, 3, &[3; 32], day, at, &[6]),
            link_hash(chain, 2, &[4; 32], day, at, &[6]),
            link_hash(chain, 2, &[3; 32], Date::constant(2026, 11, 23), at, &[6]),
            link_hash(chain, 2, &[3; 32], day, Instant(6), &[6]),
            link_hash(chain, 2, &[3; 32], day, at, &[7]),
        ];
        assert_eq!(BTreeSet::from(links).len(), links.len());
        // By the definition, byte by byte.
        let mut by_hand = Sha256::new();
        by_hand.update(b"jiaoyi-link-1");
        by_hand.update([1; 16]);
        by_hand.update([0, 0, 0, 0, 0, 0, 0, 2]);
        by_hand.update([3; 32]);
        by_hand.update(b"2026-11-22");
        by_hand.update([0, 0, 0, 0, 0, 0, 0, 5]);
        by_hand.update([6]);
        assert_eq!(links[0], <[u8; 32]>::from(by_hand.finalize()));
    }

    #[test]
    fn a_checkpoint_lists_chains_in_order() {
        let heads = [
            (ChainId([0xab; 16]), 7, [0x0f; 32]),
            (ChainId([1; 16]), 8, [2; 32]),
        ];
        let text = format!(
            "jiaoyi-checkpoint-1 5\n{}:8:{}\n{}:7:{}\n",
            "01".repeat(16),
            "02".repeat(32),
            "ab".repeat(16),
            "0f".repeat(32)
        );
        assert_eq!(checkpoint_text(Instant(5), &heads), text);
    }
}
