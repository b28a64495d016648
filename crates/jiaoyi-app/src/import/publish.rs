//! From staged pages to dues: rows that stand twice are found, the others published in slices, and
//! the roster activated by one row.

use super::merge::{Merge, Part};
use super::page::{RowKey, slice_row};
use super::{ImportError, ImportReport, PROBLEMS_MAX, Progress, Stage, note};
use crate::platform::Platform;
use jiaoyi_documents::roster::CellError;
use jiaoyi_domain::decide::{ActivateRoster, Answer, PublishSlice, Refusal, SliceRow, TakePersons};
use jiaoyi_domain::due::RosterId;
use jiaoyi_domain::working_set::Damaged;
use jiaoyi_store::StoreError;

/// Rows published by one command: short enough to wait for between two batches of payments.
const SLICE_ROWS: usize = 100;

/// The rows that count: of those that name one person and year, the first in the file.
struct Unique {
    merge: Merge,
    last: Option<RowKey>,
    /// Rows of the file, of the rows in the last slice.
    row_nos: Vec<u64>,
}

impl Unique {
    async fn open(platform: &Platform, roster_id: RosterId) -> Result<Unique, StoreError> {
        Ok(Unique {
            merge: Merge::open(platform, roster_id, Part::Rows).await?,
            last: None,
            row_nos: Vec::new(),
        })
    }

    async fn slice(&mut self, platform: &Platform) -> Result<Vec<SliceRow>, StoreError> {
        let mut rows = Vec::with_capacity(SLICE_ROWS);
        self.row_nos.clear();
        while rows.len() < SLICE_ROWS {
            let Some(row) = self.merge.next(platform).await? else {
                break;
            };
            if self.last.is_some_and(|last| last.same_person(&row.key)) {
                continue;
            }
            self.last = Some(row.key);
            let damaged = Damaged {
                table: "staged_page",
            };
            rows.push(slice_row(&row).ok_or(damaged)?);
            self.row_nos.push(row.key.row_no);
        }
        Ok(rows)
    }
}

impl Platform {
    /// Finds rows that name a person a second time: they are not published, and are reported.
    pub(super) async fn refuse_duplicates(
        &self,
        roster_id: RosterId,
        report: &mut ImportReport,
    ) -> Result<(), StoreError> {
        let mut merge = Merge::open(self, roster_id, Part::Keys).await?;
        let mut first: Option<RowKey> = None;
        while let Some(row) = merge.next(self).await? {
            match first {
                Some(first) if first.same_person(&row.key) => {
                    report.rows_good -= 1;
                    note(
                        report,
                        vec![CellError::duplicate(row.key.row_no, first.row_no)],
                    );
                }
                _ => first = Some(row.key),
            }
        }
        report.problems.sort_by_key(|problem| problem.row);
        Ok(())
    }

    /// Publishes what is staged and activates the roster; refused, it is given up.
    ///
    /// # Errors
    ///
    /// [`ImportError::OlderSerial`] when a newer roster of its source counts by now, and the
    /// store's trouble.
    pub(super) async fn publish(
        &self,
        roster_id: RosterId,
        older_confirmed: bool,
        report: &mut ImportReport,
        progress: Progress<'_>,
    ) -> Result<(), ImportError> {
        let total = u64::try_from(report.rows_good).unwrap_or(0);
        let mut rows = Unique::open(self, roster_id).await?;
        let mut outdated = 0;
        let mut slice = rows.slice(self).await?;
        while !slice.is_empty() {
            let command = PublishSlice {
                roster_id,
                rows: slice,
            };
            let envelope = self.envelope(command, None);
            // While one slice is written the next one is read.
            let (answer, next) = tokio::join!(
                biased;
                self.store.submit_background(envelope),
                rows.slice(self)
            );
            slice = next?;
            if let Answer::Published {
                appended,
                same,
                paid,
                outdated: of_slice,
            } = answer?
            {
                outdated += of_slice;
                report.appended += i64::from(appended);
                report.same += i64::from(same);
                report.paid += i64::from(paid);
            }
            let done = report.appended + report.same + report.paid;
            progress(Stage::Publishing, u64::try_from(done).unwrap_or(0), total);
        }
        let rows_published = report.appended + report.same + report.paid;
        let activated = self.submit(ActivateRoster {
            roster_id,
            rows_published,
            older_confirmed,
        });
        if let Err(error) = activated.await {
            let StoreError::Refused(Refusal::OlderSerial { known }) = error else {
                return Err(error.into());
            };
            self.reject_roster(roster_id).await?;
            return Err(ImportError::OlderSerial { known });
        }
        report.active = true;
        if outdated > 0 {
            self.take_persons(roster_id, report).await?;
        }
        self.store.unstage(roster_id.0).await?;
        Ok(())
    }

    /// Takes the names and first phones of an active roster that is still staged.
    pub(super) async fn take_persons(
        &self,
        roster_id: RosterId,
        report: &mut ImportReport,
    ) -> Result<(), StoreError> {
        let mut rows = Unique::open(self, roster_id).await?;
        loop {
            let slice = rows.slice(self).await?;
            if slice.is_empty() {
                break;
            }
            let command = TakePersons {
                roster_id,
                contacts: slice.iter().map(SliceRow::contact).collect(),
            };
            let envelope = self.envelope(command, None);
            let answer = self.store.submit_background(envelope).await?;
            let Answer::Renamed { places } = answer else {
                continue;
            };
            let places = places
                .iter()
                .filter_map(|place| usize::try_from(*place).ok());
            for row_no in places.filter_map(|place| rows.row_nos.get(place)) {
                if report.warnings.len() < PROBLEMS_MAX {
                    report.warnings.push(CellError::renamed(*row_no));
                }
            }
        }
        report.warnings.sort_by_key(|warning| warning.row);
        Ok(())
    }
}
