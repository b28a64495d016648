//! Rows dealt out to ranges of buckets, so that each range can be held by itself.
//!
//! The embedded file lies by time: what belongs to a bucket stands all over it. So its tables are read
//! once, and each row is put to those of its range, in a file without a name that is gone with its
//! reader. A server keeps an order by buckets and is asked range by range.

use crate::error::StoreError;
use crate::snapshot::Snapshot;
use jiaoyi_domain::record::{Record, TableSpec, Value, decode_values, encode_values};
use jiaoyi_domain::working_set::Damaged;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

/// Bytes that wait for being written, of all ranges together.
const WAITING_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of the length of a row.
const LENGTH_BYTES: usize = size_of::<u64>();

/// Buckets from the first up to, not with, the second.
pub type Buckets = (i64, i64);

/// Rows of some tables by ranges of buckets; see [`Snapshot::deal`].
pub struct Dealt<'s> {
    snapshot: &'s Snapshot,
    ranges: Vec<Buckets>,
    /// `None` when the snapshot itself is asked range by range.
    heaps: Option<Heaps>,
}

impl<'s> Dealt<'s> {
    /// Deals out `tables`; `ranges` rise.
    pub(crate) fn of(
        snapshot: &'s Snapshot,
        tables: &[&'static TableSpec],
        ranges: Vec<Buckets>,
    ) -> Result<Dealt<'s>, StoreError> {
        let heaps = match snapshot.path_to_deal() {
            Some(path) if ranges.len() > 1 => {
                let mut heaps = Heaps::new(path, ranges.len())?;
                for spec in tables {
                    heaps.deal(snapshot, spec, &ranges)?;
                }
                Some(heaps)
            }
            _ => None,
        };
        Ok(Dealt {
            snapshot,
            ranges,
            heaps,
        })
    }

    /// What was dealt out.
    #[must_use]
    pub const fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// How many ranges there are.
    #[must_use]
    pub const fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Gives the rows up without waiting: where a disk is told what became free, that takes seconds.
    pub fn leave(self) {
        if let Some(heaps) = self.heaps {
            thread::spawn(move || drop(heaps));
        }
    }

    /// Does `work` for every range, on so many threads, and hands each answer to `take` on this one, in
    /// the order of the ranges: what is made of the answers does not depend on the threads. No range is
    /// begun after `take` breaks off.
    ///
    /// # Panics
    ///
    /// When `work` does.
    pub fn each_range<T: Send>(
        &self,
        threads: NonZeroUsize,
        work: impl Fn(usize, Buckets) -> T + Sync,
        mut take: impl FnMut(T) -> ControlFlow<()>,
    ) {
        let threads = threads.get().min(self.ranges.len());
        let next = AtomicUsize::new(0);
        thread::scope(|scope| {
            let (done, answers) = sync_channel(threads);
            for _ in 0..threads {
                let (done, next, work) = (done.clone(), &next, &work);
                scope.spawn(move || {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        let Some(range) = self.ranges.get(place) else {
                            return;
                        };
                        if done.send((place, work(place, *range))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut early = BTreeMap::new();
            let mut wanted = 0_usize;
            for (place, answer) in answers {
                early.insert(place, answer);
                while let Some(answer) = early.remove(&wanted) {
                    wanted = wanted.saturating_add(1);
                    if take(answer).is_break() {
                        return;
                    }
                }
            }
        });
    }

    /// Calls `each` with the values of every row of `R` in the range at `place`, as they stand in the
    /// database and in any order, and with the same in one piece, as [`encode_values`] writes them. A
    /// table that was not dealt out has none.
    ///
    /// # Errors
    ///
    /// The engine's trouble, or that of the file.
    pub fn scan_raw<R: Record>(
        &self,
        place: usize,
        mut each: impl FnMut(Vec<Value>, &[u8]),
    ) -> Result<(), StoreError> {
        match (&self.heaps, self.ranges.get(place)) {
            (Some(heaps), _) => heaps.scan(R::SPEC, place, each),
            (None, Some(range)) => {
                let mut encoded = Vec::with_capacity(1024);
                self.snapshot.scan_range(R::SPEC, *range, |values| {
                    encoded.clear();
                    encode_values(&values, &mut encoded);
                    each(values, &encoded);
                })
            }
            (None, None) => Ok(()),
        }
    }

    /// As [`Dealt::scan_raw`], of those rows that read as their type.
    ///
    /// # Errors
    ///
    /// As [`Dealt::scan_raw`].
    pub fn scan<R: Record>(&self, place: usize, mut each: impl FnMut(R)) -> Result<(), StoreError> {
        self.scan_raw::<R>(place, |values, _| {
            if let Some(row) = R::from_values(values) {
                each(row);
            }
        })
    }
}

/// The bucket of a row; what is none stands before all others.
pub(crate) fn bucket_of(values: &[Value]) -> i64 {
    match values.first() {
        Some(Value::Int(bucket)) => *bucket,
        _ => i64::MIN,
    }
}

/// The same of a row in one piece.
fn bucket_of_encoded(row: &[u8]) -> i64 {
    match row.split_first_chunk::<9>() {
        Some((&[1, bucket @ ..], _)) => i64::from_be_bytes(bucket),
        _ => i64::MIN,
    }
}

/// Rows by table and range in one file, a piece after the other; each row after its length.
struct Heaps {
    file: File,
    bytes: u64,
    /// Where the pieces of a table's range begin, and how long they are.
    pieces: BTreeMap<(u8, usize), Vec<(u64, usize)>>,
    /// What is not written yet, of the table being dealt out.
    waiting: Vec<Vec<u8>>,
}

impl Heaps {
    /// Makes the file: beside the database, where there is room for so much, or else where temporary
    /// files lie.
    fn new(database: &Path, ranges: usize) -> Result<Heaps, StoreError> {
        let folder = database.parent().unwrap_or(Path::new("."));
        let file = tempfile::tempfile_in(folder).or_else(|_| tempfile::tempfile());
        Ok(Heaps {
            file: file.map_err(trouble)?,
            bytes: 0,
            pieces: BTreeMap::new(),
            waiting: vec![Vec::new(); ranges],
        })
    }

    fn deal(
        &mut self,
        snapshot: &Snapshot,
        spec: &'static TableSpec,
        ranges: &[Buckets],
    ) -> Result<(), StoreError> {
        let most = WAITING_BYTES / ranges.len().max(1);
        let mut written = Ok(());
        snapshot.encode_table(spec, |row| {
            // Without room nothing more is gathered either.
            if written.is_err() {
                return;
            }
            let bucket = bucket_of_encoded(row);
            let place = ranges.partition_point(|(_, to)| *to <= bucket);
            let is_in = ranges.get(place).is_some_and(|(from, _)| *from <= bucket);
            let Some(heap) = self.waiting.get_mut(place).filter(|_| is_in) else {
                return;
            };
            heap.extend_from_slice(&(row.len() as u64).to_be_bytes());
            heap.extend_from_slice(row);
            if heap.len() >= most {
                written = self.write(spec, place);
            }
        })?;
        written?;
        (0..ranges.len()).try_for_each(|place| self.write(spec, place))
    }

    fn write(&mut self, spec: &TableSpec, place: usize) -> Result<(), StoreError> {
        let Some(heap) = self.waiting.get_mut(place).filter(|heap| !heap.is_empty()) else {
            return Ok(());
        };
        self.file.write_all(heap).map_err(trouble)?;
        let pieces = self.pieces.entry((spec.number, place)).or_default();
        pieces.push((self.bytes, heap.len()));
        self.bytes = self.bytes.saturating_add(heap.len() as u64);
        heap.clear();
        Ok(())
    }

    fn scan(
        &self,
        spec: &'static TableSpec,
        place: usize,
        mut each: impl FnMut(Vec<Value>, &[u8]),
    ) -> Result<(), StoreError> {
        for (at, length) in self.pieces.get(&(spec.number, place)).into_iter().flatten() {
            let mut bytes = vec![0; *length];
            self.file.read_exact_at(&mut bytes, *at).map_err(trouble)?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let row = take(&mut rest).ok_or(Damaged { table: spec.name })?;
                let values = decode_values(row).ok_or(Damaged { table: spec.name })?;
                each(values, row);
            }
        }
        Ok(())
    }
}

/// Takes the row that comes next; `None` when it is not what was written.
fn take<'h>(heap: &mut &'h [u8]) -> Option<&'h [u8]> {
    let (length, rest) = heap.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
    let (row, rest) = rest.split_at_checked(length)?;
    *heap = rest;
    Some(row)
}

fn trouble(error: std::io::Error) -> StoreError {
    StoreError::Unavailable {
        why: format!("a temporary file: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite;
    use crate::statements::sql;
    use jiaoyi_domain::messages::CommandKey;
    use rusqlite::Connection;

    /// Whoever is done first: answers come in the order of the ranges, until they are not taken any more.
    #[test]
    fn answers_come_in_the_order_of_the_ranges() {
        let snapshot = Snapshot::of_connection(Connection::open_in_memory().unwrap());
        let ranges: Vec<Buckets> = (0..50).map(|from| (from, from + 1)).collect();
        let dealt = Dealt::of(&snapshot, &[], ranges.clone()).unwrap();
        for threads in [1, 2, 4, 60] {
            let threads = NonZeroUsize::new(threads).unwrap();
            let done = AtomicUsize::new(0);
            let work = |place: usize, range: Buckets| {
                // With company the first range is done after another one.
                while place == 0 && threads.get() > 1 && done.load(Ordering::Acquire) == 0 {
                    thread::yield_now();
                }
                done.fetch_add(1, Ordering::Release);
                range
            };
            let mut taken = Vec::new();
            dealt.each_range(threads, work, |range| {
                taken.push(range);
                if taken.len() == 40 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            assert_eq!(taken, ranges[..40], "{threads} threads");
        }
    }

    /// A disk without room fills no memory in its place.
    #[test]
    fn what_cannot_be_written_is_not_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        sqlite::migrate(&mut connection, 0).unwrap();
        let answer = Value::Text("x".repeat(64 * 1024));
        for number in 0..400_u32 {
            let hash = Value::Bytes(number.to_be_bytes().to_vec());
            let row = [
                Value::Int(0),
                hash.clone(),
                hash,
                answer.clone(),
                Value::Int(0),
            ];
            sqlite::execute(&connection, sql("command_key", "insert"), &row).unwrap();
        }
        let snapshot = Snapshot::of_connection(connection);
        let mut full = Heaps {
            // Opened for reading: whatever is written to it is refused.
            file: File::open("Cargo.toml").unwrap(),
            bytes: 0,
            pieces: BTreeMap::new(),
            waiting: vec![Vec::new(); 2],
        };
        let dealt = full.deal(&snapshot, CommandKey::SPEC, &[(0, 1), (1, 2)]);
        assert!(matches!(dealt, Err(StoreError::Unavailable { .. })));
        let kept: usize = full.waiting.iter().map(Vec::len).sum();
        assert!(kept < WAITING_BYTES, "{kept} bytes wait");
    }
}
