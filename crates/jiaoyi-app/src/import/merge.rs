//! Staged runs as one sequence in key order, a page of each run in memory.

use super::page::{RowKey, StagedRow, rows_of_page};
use crate::platform::Platform;
use jiaoyi_domain::due::RosterId;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::working_set::Damaged;
use jiaoyi_store::StoreError;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What is read of each page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Only the keys: enough to find rows that stand twice in the file.
    Keys,
    /// Whole rows.
    Rows,
}

#[derive(Default)]
struct Run {
    rows: VecDeque<StagedRow>,
    next_page: i64,
}

/// The rows of all runs of a roster in key order.
pub(super) struct Merge {
    roster: RosterId,
    part: Part,
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<(RowKey, usize)>>,
}

impl Merge {
    /// Begins at the first row.
    pub(super) async fn open(
        platform: &Platform,
        roster: RosterId,
        part: Part,
    ) -> Result<Merge, StoreError> {
        let given = [Value::Bytes(roster.0.to_vec())];
        let found = platform.store.query("staged_runs", &given).await?;
        let count = match found.first().and_then(|row| row.first()) {
            Some(Value::Int(count)) => usize::try_from(*count).unwrap_or(0),
            _ => 0,
        };
        let mut merge = Merge {
            roster,
            part,
            runs: (0..count).map(|_| Run::default()).collect(),
            heads: BinaryHeap::with_capacity(count),
        };
        for run in 0..count {
            merge.refill(platform, run).await?;
        }
        Ok(merge)
    }

    /// Reads the next page of a run that has no row left, and puts its first row among the heads.
    async fn refill(&mut self, platform: &Platform, run_no: usize) -> Result<(), StoreError> {
        let Some(run) = self.runs.get_mut(run_no) else {
            return Ok(());
        };
        if run.rows.is_empty() {
            let name = match self.part {
                Part::Keys => "staged_keys",
                Part::Rows => "staged_rows",
            };
            let given = [
                Value::Bytes(self.roster.0.to_vec()),
                Value::Int(i64::try_from(run_no).unwrap_or(i64::MAX)),
                Value::Int(run.next_page),
            ];
            let found = platform.store.query(name, &given).await?;
            run.next_page = run.next_page.saturating_add(1);
            if let Some(page) = found.first() {
                let rows = match (page.first(), page.get(1)) {
                    (Some(Value::Bytes(keys)), None) => rows_of_page(keys, None),
                    (Some(Value::Bytes(keys)), Some(Value::Bytes(data))) => {
                        rows_of_page(keys, Some(data))
                    }
                    _ => None,
                };
                run.rows = rows.ok_or(Damaged { table: "staged_page" })?.into();
            }
        }
        if let Some(row) = run.rows.front() {
            self.heads.push(Reverse((row.key, run_no)));
        }
        Ok(())
    }

    /// The next row in key order; `None` after the last.
    pub(super) async fn next(
        &mut self,
        platform: &Platform,
    ) -> Result<Option<StagedRow>, StoreError> {
        let Some(Reverse((_, run_no))) = self.heads.pop() else {
            return Ok(None);
        };
        let row = self.runs.get_mut(run_no).and_then(|run| run.rows.pop_front());
        self.refill(platform, run_no).await?;
        Ok(row)
    }
}
