//! Taking a roster file in: read and checked row by row into staged pages, published slice by slice
//! between payments, activated by one row. A file is a roster; its rows are revisions.
//!
//! Killed at any line, nothing is half published: rows without an active roster do not count, and
//! the next start takes the work up where it can.

mod merge;
mod page;
mod publish;
mod resume;
mod staging;

pub(crate) use page::slice_row;

use crate::platform::Platform;
use jiaoyi_documents::roster::{CellError, Columns, FileError, Limits, open_roster_file};
use jiaoyi_domain::decide::{OpenRoster, Refusal, RejectRoster, StagedToPublishing};
use jiaoyi_domain::due::RosterId;
use jiaoyi_domain::record::Value;
use jiaoyi_domain::roster::{PolicyPack, Roster, RosterState};
use jiaoyi_store::StoreError;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::PathBuf;

/// Problems that are kept for the result file; beyond that only their number.
const PROBLEMS_MAX: usize = 100_000;

/// What is to be imported.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    pub path: PathBuf,
    /// The region of rows that name none.
    pub region: Option<String>,
    pub benefit_year: i16,
    /// Who issued the roster, and the issuer's own serial.
    pub source: String,
    pub serial: i64,
    /// A checker confirmed that an older serial is meant.
    pub older_confirmed: bool,
    /// Only read and check; change nothing.
    pub dry_run: bool,
    /// Publish nothing when any row has to be changed.
    pub all_or_nothing: bool,
    pub limits: Limits,
}

/// Which part of an import is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading and checking; progress in bytes or rows.
    Reading,
    /// Publishing; progress in rows.
    Publishing,
}

/// What an import brought about.
#[derive(Debug)]
pub struct ImportReport {
    pub roster_id: RosterId,
    /// The header of the file; none when an interrupted import was taken up.
    pub columns: Option<Columns>,
    pub rows_read: i64,
    pub rows_good: i64,
    pub rows_bad: i64,
    pub appended: i64,
    pub same: i64,
    pub paid: i64,
    /// Whether its revisions count now.
    pub active: bool,
    /// The very file was imported before; nothing was changed.
    pub known: bool,
    /// What has to be changed, in the order of the file; at most 100,000.
    pub problems: Vec<CellError>,
    /// What staff should look at although the rows are good; at most 100,000.
    pub warnings: Vec<CellError>,
}

impl ImportReport {
    fn new(roster_id: RosterId) -> ImportReport {
        ImportReport {
            roster_id,
            columns: None,
            rows_read: 0,
            rows_good: 0,
            rows_bad: 0,
            appended: 0,
            same: 0,
            paid: 0,
            active: false,
            known: false,
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// Why a roster was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Something is wrong with the file as a whole; nothing of it was published.
    #[error("{}", .0.message_zh())]
    File(#[from] FileError),
    /// A newer roster of this source is known.
    #[error("a newer roster of this source is known: serial {known}")]
    OlderSerial { known: i64 },
    /// The store's trouble; what was staged is taken up or removed at the next start.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    /// Stable across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            ImportError::File(error) => error.code(),
            ImportError::OlderSerial { .. } => "roster.older_serial",
            ImportError::Store(error) => error.code(),
        }
    }
}

/// Shows how far an import has come: stage, done, total.
pub type Progress<'a> = &'a mut (dyn FnMut(Stage, u64, u64) + Send);

impl Platform {
    /// Takes a roster file in; see the module's header.
    ///
    /// # Errors
    ///
    /// [`ImportError`]; then nothing of the file counts.
    pub async fn import_roster(
        &self,
        request: &ImportRequest,
        progress: Progress<'_>,
    ) -> Result<ImportReport, ImportError> {
        let given = request.region.is_some();
        let reader = open_roster_file(&request.path, given, &request.limits)?;
        let file_hash = file_hash(&request.path)?;
        let known = self.known_file(request, file_hash).await?;
        let roster_id = RosterId(self.random());
        let mut report = ImportReport::new(roster_id);
        report.columns = Some(reader.columns().clone());
        if let Some(known) = known {
            if known.rows_bad > 0 {
                let again = ImportRequest {
                    dry_run: true,
                    ..request.clone()
                };
                self.stage_all(&again, reader, &mut report, progress)
                    .await?;
                report.problems.sort_by_key(|problem| problem.row);
            }
            report.known = true;
            report.active = true;
            report.roster_id = RosterId(known.roster_id);
            report.rows_read = known.rows_read;
            report.rows_good = known.rows_good;
            report.rows_bad = known.rows_bad;
            report.same = known.rows_good;
            return Ok(report);
        }
        // Until the end another process sees that this roster is not left behind.
        let _under_way = if request.dry_run {
            None
        } else {
            let under_way = self.store.import_under_way()?;
            self.open_new(request, roster_id, file_hash).await?;
            Some(under_way)
        };
        if let Err(error) = self.stage_all(request, reader, &mut report, progress).await {
            if !request.dry_run {
                self.reject_roster(roster_id).await?;
            }
            return Err(error);
        }
        report.problems.sort_by_key(|problem| problem.row);
        if request.dry_run {
            return Ok(report);
        }
        self.refuse_duplicates(roster_id, &mut report).await?;
        // A roster without one good row says nothing; active, it would only outdate others.
        if report.rows_good == 0 || request.all_or_nothing && report.rows_bad > 0 {
            self.reject_roster(roster_id).await?;
            return Ok(report);
        }
        self.submit(StagedToPublishing {
            roster_id,
            rows_read: report.rows_read,
            rows_good: report.rows_good,
            rows_bad: report.rows_bad,
        })
        .await?;
        let older_confirmed = request.older_confirmed;
        self.publish(roster_id, older_confirmed, &mut report, progress)
            .await?;
        Ok(report)
    }

    async fn reject_roster(&self, roster_id: RosterId) -> Result<(), StoreError> {
        self.submit(RejectRoster { roster_id }).await?;
        self.store.unstage(roster_id.0).await
    }

    /// The active roster that this very file became, unless a policy came in since: then its rows
    /// may have other prices.
    async fn known_file(
        &self,
        request: &ImportRequest,
        file_hash: [u8; 32],
    ) -> Result<Option<Roster>, StoreError> {
        let given = [
            Value::Bytes(file_hash.to_vec()),
            Value::Text(request.source.clone()),
            Value::Int(request.serial),
        ];
        for row in self.store.query("roster_of_file", &given).await? {
            let Some(Value::Bytes(id)) = row.first() else {
                continue;
            };
            let Ok(id) = <[u8; 16]>::try_from(id.as_slice()) else {
                continue;
            };
            let known: Option<Roster> = self.store.load(&(id,)).await?;
            if let Some(known) = known
                && known.state == RosterState::Active
                && known.benefit_year == request.benefit_year
                && known.region == request.region.as_deref().unwrap_or_default()
                && !self.policy_since(&known).await?
            {
                return Ok(Some(known));
            }
        }
        Ok(None)
    }

    async fn policy_since(&self, roster: &Roster) -> Result<bool, StoreError> {
        let packs: Vec<PolicyPack> = self.store.all().await?;
        Ok(packs.iter().any(|pack| {
            pack.benefit_year == roster.benefit_year && pack.imported_at > roster.created_at
        }))
    }

    async fn open_new(
        &self,
        request: &ImportRequest,
        roster_id: RosterId,
        file_hash: [u8; 32],
    ) -> Result<(), ImportError> {
        let roster = Roster {
            roster_id: roster_id.0,
            state: RosterState::Staging,
            region: request.region.clone().unwrap_or_default(),
            benefit_year: request.benefit_year,
            source: request.source.clone(),
            serial: request.serial,
            file_hash,
            rows_read: 0,
            rows_good: 0,
            rows_bad: 0,
            rows_published: 0,
            created_at: self.now(),
            activated_at: None,
            version: 1,
        };
        let command = OpenRoster {
            roster,
            older_confirmed: request.older_confirmed,
        };
        match self.submit(command).await {
            Ok(_) => Ok(()),
            Err(StoreError::Refused(Refusal::OlderSerial { known })) => {
                Err(ImportError::OlderSerial { known })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn note(report: &mut ImportReport, problems: Vec<CellError>) {
    report.rows_bad += 1;
    if report.problems.len() < PROBLEMS_MAX {
        report.problems.extend(problems);
    }
}

/// SHA-256 of a file, read in pieces.
fn file_hash(path: &std::path::Path) -> Result<[u8; 32], FileError> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(&piece[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_beyond_the_bound_are_counted_and_not_kept() {
        let mut report = ImportReport::new(RosterId([0; 16]));
        report.problems = vec![CellError::duplicate(2, 1); PROBLEMS_MAX - 1];
        for (bad, kept) in [(1, PROBLEMS_MAX), (2, PROBLEMS_MAX)] {
            note(&mut report, vec![CellError::duplicate(3, 1)]);
            assert_eq!((report.rows_bad, report.problems.len()), (bad, kept));
        }
    }
}
