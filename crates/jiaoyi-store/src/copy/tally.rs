//! What a table comes to: rows, sums of its amounts, and a digest of all values. In what order rows are
//! read does not matter: engines keep them in different ones.

use crate::error::StoreError;
use crate::snapshot::Snapshot;
use jiaoyi_domain::record::{TableSpec, Value, encode_values};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Columns that are amounts in fen, in whatever table they stand.
const AMOUNTS: &[&str] = &["amount", "own", "gross", "returned_or_reserved"];

/// What one side of a comparison holds of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    /// The sum of every column of amounts, in fen.
    pub amounts: BTreeMap<&'static str, i128>,
    /// The sum of the SHA-256 of every row's values, as numbers of 128 bits each half.
    pub digest: [u8; 32],
}

impl Tally {
    /// Reads a whole table.
    pub(super) fn of(snapshot: &Snapshot, spec: &'static TableSpec) -> Result<Tally, StoreError> {
        let places: Vec<(usize, &'static str)> = AMOUNTS
            .iter()
            .filter_map(|name| Some((spec.place(name)?, *name)))
            .collect();
        let mut tally = Tally::default();
        for (_, name) in &places {
            tally.amounts.insert(name, 0);
        }
        let mut halves = [0_u128; 2];
        let mut bytes = Vec::new();
        snapshot.scan_table(spec, |values| {
            tally.rows += 1;
            for (place, name) in &places {
                if let (Some(sum), Some(Value::Int(amount))) =
                    (tally.amounts.get_mut(name), values.get(*place))
                {
                    *sum = sum.saturating_add(i128::from(*amount));
                }
            }
            bytes.clear();
            encode_values(&values, &mut bytes);
            let hash: [u8; 32] = Sha256::digest(&bytes).into();
            for (half, bytes) in halves.iter_mut().zip(hash.as_chunks().0) {
                *half = half.wrapping_add(u128::from_be_bytes(*bytes));
            }
        })?;
        for (place, half) in tally.digest.as_chunks_mut().0.iter_mut().zip(halves) {
            *place = half.to_be_bytes();
        }
        Ok(tally)
    }
}
