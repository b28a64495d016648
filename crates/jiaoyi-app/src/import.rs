//! Taking a roster file in: read and checked row by row into a staging table, published slice by
//! slice between payments, activated by one row. A file is a roster; its rows are revisions.
//!
//! Killed at any line, nothing is half published: rows without an active roster do not count, and
//! the next start takes the work up where it can.

use crate::links::birthday_text;
use crate::platform::{Platform, place};
use crate::pricing::{items_text, price_of, subsidies_text};
use jiaoyi_documents::roster::{
    CellError, CheckedRow, Checker, Columns, FileError, Limits, RosterReader, open_roster_file,
};
use jiaoyi_domain::decide::{
    ActivateRoster, Answer, OpenRoster, PublishSlice, Refusal, RejectRoster, SliceRow,
    StagedToPublishing,
};
use jiaoyi_domain::due::{RevisionKind, RosterId};
use jiaoyi_domain::policy::{InForce, PhaseKind, PolicySet};
use jiaoyi_domain::record::{Column, Value, decode_values, encode_values};
use jiaoyi_domain::roster::{Roster, RosterState};
use jiaoyi_domain::{Bucket, Fen};
use jiaoyi_store::StoreError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Rows staged by one transaction.
const STAGE_ROWS: usize = 4_000;
/// Rows published by one command: short enough to wait for between two batches of payments.
const SLICE_ROWS: i64 = 250;
/// How long the file is left to others between two slices.
const SLICE_GAP: Duration = Duration::from_millis(1);
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

pub(crate) struct Staging {
    roster_id: RosterId,
    benefit_year: i16,
    policies: Arc<PolicySet>,
    /// Price texts by region, category, tier and aids: rosters repeat a few combinations.
    prices: BTreeMap<String, PriceTexts>,
}

#[derive(Clone)]
struct PriceTexts {
    items: String,
    subsidies: String,
    own: Fen,
    gross: Fen,
    late_own: Option<Fen>,
    policy_version: String,
}

impl Platform {
    fn pack_in<'p>(&self, set: &'p PolicySet, region: &str, year: i16) -> Option<&'p InForce> {
        set.holding(&self.regions, region, year)
    }

    fn price_texts(&self, staging: &mut Staging, row: &CheckedRow) -> Option<PriceTexts> {
        let tier = row.tier.as_deref().unwrap_or_default();
        let aids = row.aids.join(";");
        let key = format!("{}|{}|{tier}|{aids}", row.region, row.category);
        if let Some(known) = staging.prices.get(&key) {
            return Some(known.clone());
        }
        let pack = self.pack_in(&staging.policies, &row.region, staging.benefit_year)?;
        let price = price_of(pack, &row.category, tier, &aids, PhaseKind::InWindow).ok()?;
        let late = pack
            .pack()
            .late
            .and_then(|_| price_of(pack, &row.category, tier, &aids, PhaseKind::Late).ok());
        let texts = PriceTexts {
            items: items_text(&price),
            subsidies: subsidies_text(&price),
            own: price.own,
            gross: price.gross,
            late_own: late.map(|price| price.own),
            policy_version: pack.pack().version(),
        };
        staging.prices.insert(key, texts.clone());
        Some(texts)
    }

    pub(crate) fn staging(&self, roster_id: RosterId, benefit_year: i16) -> Staging {
        Staging {
            roster_id,
            benefit_year,
            policies: self.policies(),
            prices: BTreeMap::new(),
        }
    }

    /// A checked row as it is staged: sealed, masked and priced.
    pub(crate) fn staged(&self, staging: &mut Staging, row: &CheckedRow) -> Option<[Value; 6]> {
        let price = self.price_texts(staging, row)?;
        let kind = row.document.kind().code();
        let index = row.document.index_text();
        let bucket = self.keyring.bucket_of(kind, &index);
        let doc_hmac = self.keyring.doc_hmac(kind, &index);
        let birthday = row.document.month_day().map(|(month, day)| {
            let (month, day) = (month.unsigned_abs(), day.unsigned_abs());
            self.keyring.name_hmac(&birthday_text(month, day))
        });
        let seal = |text: &str, at: &[u8]| self.keyring.seal(text.as_bytes(), at, self.random());
        let data = [
            Value::Text(kind.to_owned()),
            Value::Bytes(seal(row.document.expose(), place::NUMBER)),
            Value::Text(row.document.masked().into_string()),
            Value::Bytes(seal(row.name.expose(), place::NAME)),
            Value::Bytes(self.keyring.name_hmac(&row.name.index_text()).to_vec()),
            Value::Text(row.name.masked().into_string()),
            birthday.to_value(),
            row.phone
                .as_ref()
                .map(|phone| seal(phone.expose(), place::PHONE))
                .to_value(),
            row.void_cause.to_value(),
            Value::Text(row.region.clone()),
            Value::Text(row.category.clone()),
            Value::Text(row.tier.clone().unwrap_or_default()),
            Value::Text(row.aids.join(";")),
            Value::Text(price.items),
            Value::Text(price.subsidies),
            price.own.to_value(),
            price.gross.to_value(),
            price.late_own.to_value(),
            Value::Text(price.policy_version),
        ];
        let mut encoded = Vec::with_capacity(512);
        encode_values(&data, &mut encoded);
        Some([
            Value::Bytes(staging.roster_id.0.to_vec()),
            bucket.to_value(),
            Value::Bytes(doc_hmac.to_vec()),
            staging.benefit_year.to_value(),
            Value::Int(i64::try_from(row.number).unwrap_or(i64::MAX)),
            Value::Bytes(encoded),
        ])
    }

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
        let roster_id = RosterId(self.random());
        let mut report = ImportReport {
            roster_id,
            columns: Some(reader.columns().clone()),
            rows_read: 0,
            rows_good: 0,
            rows_bad: 0,
            appended: 0,
            same: 0,
            paid: 0,
            active: false,
            known: false,
            problems: Vec::new(),
        };
        if let Some(known) = self.known_file(request, file_hash).await? {
            report.known = true;
            report.active = true;
            report.roster_id = RosterId(known.roster_id);
            report.rows_read = known.rows_read;
            report.rows_good = known.rows_good;
            report.rows_bad = known.rows_bad;
            report.same = known.rows_good;
            return Ok(report);
        }
        if !request.dry_run {
            self.open_new(request, roster_id, file_hash).await?;
        }
        if let Err(error) = self.stage_all(request, reader, &mut report, progress).await {
            if !request.dry_run {
                self.submit(RejectRoster { roster_id }).await?;
                self.unstage_all(roster_id).await?;
            }
            return Err(error);
        }
        let refused = request.all_or_nothing && report.rows_bad > 0;
        if request.dry_run {
            return Ok(report);
        }
        if refused {
            self.submit(RejectRoster { roster_id }).await?;
            self.unstage_all(roster_id).await?;
            return Ok(report);
        }
        self.submit(StagedToPublishing {
            roster_id,
            rows_read: report.rows_read,
            rows_good: report.rows_good,
            rows_bad: report.rows_bad,
        })
        .await?;
        self.publish(roster_id, &mut report, progress).await?;
        Ok(report)
    }

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
            {
                return Ok(Some(known));
            }
        }
        Ok(None)
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

    /// Reads the whole file; while one chunk is written the next one is checked and sealed.
    async fn stage_all(
        &self,
        request: &ImportRequest,
        mut reader: RosterReader,
        report: &mut ImportReport,
        progress: Progress<'_>,
    ) -> Result<(), ImportError> {
        let policies = self.policies();
        let mut staging = self.staging(report.roster_id, request.benefit_year);
        let mut waiting: Vec<[Value; 6]> = Vec::new();
        loop {
            let next = self.next_chunk(request, &policies, &mut staging, &mut reader, report)?;
            let (done, total) = reader.progress();
            progress(Stage::Reading, done, total);
            let ended = next.is_empty();
            let chunk = std::mem::replace(&mut waiting, next);
            if !request.dry_run && !chunk.is_empty() {
                let numbers: Vec<i64> = chunk.iter().map(row_number).collect();
                let earlier = self.store.stage(chunk).await?;
                for (number, first) in numbers.into_iter().zip(earlier) {
                    if let Some(first) = first {
                        let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
                        report.rows_good -= 1;
                        note(
                            report,
                            vec![CellError::duplicate(unsigned(number), unsigned(first))],
                        );
                    }
                }
            }
            if ended && waiting.is_empty() {
                report.problems.sort_by_key(|problem| problem.row);
                return Ok(());
            }
        }
    }

    /// Reads until a chunk of good rows is full or the file ends.
    fn next_chunk(
        &self,
        request: &ImportRequest,
        policies: &PolicySet,
        staging: &mut Staging,
        reader: &mut RosterReader,
        report: &mut ImportReport,
    ) -> Result<Vec<[Value; 6]>, FileError> {
        let year = request.benefit_year;
        let pack_of = |region: &str| self.pack_in(policies, region, year);
        let checker = Checker {
            today: self.today(),
            region: request.region.as_deref(),
            pack_of: &pack_of,
        };
        let mut chunk = Vec::with_capacity(STAGE_ROWS);
        while chunk.len() < STAGE_ROWS {
            let Some(row) = reader.next() else { break };
            let row = row?;
            report.rows_read += 1;
            match checker.check(&row) {
                Ok(checked) => {
                    report.rows_good += 1;
                    chunk.extend(self.staged(staging, &checked));
                }
                Err(problems) => note(report, problems),
            }
        }
        Ok(chunk)
    }

    /// Publishes what is staged and activates the roster.
    async fn publish(
        &self,
        roster_id: RosterId,
        report: &mut ImportReport,
        progress: Progress<'_>,
    ) -> Result<(), StoreError> {
        let total = u64::try_from(report.rows_good).unwrap_or(0);
        let start = [Value::Int(-1), Value::Bytes(Vec::new()), Value::Int(0)];
        let mut slice = self.staged_slice(roster_id, &start).await?;
        while let Some((rows, last)) = slice {
            let envelope = self.envelope(PublishSlice { roster_id, rows }, None);
            // While one slice is written the next one is read.
            let (answer, next) = tokio::join!(
                self.store.submit_background(envelope),
                self.staged_slice(roster_id, &last)
            );
            slice = next?;
            if let Answer::Published {
                appended,
                same,
                paid,
            } = answer?
            {
                report.appended += i64::from(appended);
                report.same += i64::from(same);
                report.paid += i64::from(paid);
            }
            let done = report.appended + report.same + report.paid;
            progress(Stage::Publishing, u64::try_from(done).unwrap_or(0), total);
            // A portal in another process asks for the file every millisecond: leave it a gap.
            tokio::time::sleep(SLICE_GAP).await;
        }
        let rows_published = report.appended + report.same + report.paid;
        self.submit(ActivateRoster {
            roster_id,
            rows_published,
        })
        .await?;
        report.active = true;
        self.unstage_all(roster_id).await
    }

    /// The staged rows that follow `after` in key order, and the key of the last of them.
    async fn staged_slice(
        &self,
        roster_id: RosterId,
        after: &[Value; 3],
    ) -> Result<Option<(Vec<SliceRow>, [Value; 3])>, StoreError> {
        let [bucket, doc_hmac, year] = after.clone();
        let roster = Value::Bytes(roster_id.0.to_vec());
        let given = [roster, bucket, doc_hmac, year, Value::Int(SLICE_ROWS)];
        let found = self.store.query("staged_after", &given).await?;
        let last = found
            .last()
            .and_then(|row| <[Value; 3]>::try_from(row[..3].to_vec()).ok());
        let rows = found.into_iter().filter_map(slice_row).collect();
        Ok(last.map(|last| (rows, last)))
    }

    async fn unstage_all(&self, roster_id: RosterId) -> Result<(), StoreError> {
        for from in (0..4096).step_by(64) {
            self.store.unstage(roster_id.0, from, from + 64).await?;
        }
        Ok(())
    }

    /// Takes up imports that a stop interrupted: published ones are finished, others are given up.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn resume_imports(&self) -> Result<(), StoreError> {
        for state in [RosterState::Publishing, RosterState::Staging] {
            let given = [Value::Text(state.code().to_owned())];
            for row in self.store.query("rosters_in_state", &given).await? {
                let Some(Value::Bytes(id)) = row.first() else {
                    continue;
                };
                let Ok(id) = <[u8; 16]>::try_from(id.as_slice()) else {
                    continue;
                };
                let roster_id = RosterId(id);
                tracing::warn!(roster = ?roster_id, state = state.code(), "an import was interrupted");
                if state == RosterState::Staging {
                    self.submit(RejectRoster { roster_id }).await?;
                    self.unstage_all(roster_id).await?;
                    continue;
                }
                let Some(roster): Option<Roster> = self.store.load(&(id,)).await? else {
                    continue;
                };
                let mut report = ImportReport {
                    roster_id,
                    columns: None,
                    rows_read: roster.rows_read,
                    rows_good: roster.rows_good,
                    rows_bad: roster.rows_bad,
                    appended: 0,
                    same: 0,
                    paid: 0,
                    active: false,
                    known: false,
                    problems: Vec::new(),
                };
                self.publish(roster_id, &mut report, &mut |_, _, _| {})
                    .await?;
            }
        }
        Ok(())
    }
}

fn row_number(row: &[Value; 6]) -> i64 {
    match &row[4] {
        Value::Int(number) => *number,
        Value::Null | Value::Text(_) | Value::Bytes(_) => 0,
    }
}

fn note(report: &mut ImportReport, problems: Vec<CellError>) {
    report.rows_bad += 1;
    if report.problems.len() < PROBLEMS_MAX {
        report.problems.extend(problems);
    }
}

/// Reads a staged row back.
pub(crate) fn slice_row(row: Vec<Value>) -> Option<SliceRow> {
    let [bucket, doc_hmac, year, Value::Bytes(data)] = <[Value; 4]>::try_from(row).ok()? else {
        return None;
    };
    let mut values = decode_values(&data)?.into_iter();
    fn next<T: Column>(values: &mut impl Iterator<Item = Value>) -> Option<T> {
        T::from_value(values.next()?)
    }
    let document_kind = next(&mut values)?;
    let number_sealed = next(&mut values)?;
    let document_masked = next(&mut values)?;
    let name_sealed = next(&mut values)?;
    let name_hmac = next(&mut values)?;
    let name_masked = next(&mut values)?;
    let birthday_hmac = next(&mut values)?;
    let phone_sealed = next(&mut values)?;
    let void_cause: Option<String> = next(&mut values)?;
    Some(SliceRow {
        bucket: Bucket::from_value(bucket)?,
        doc_hmac: <[u8; 32]>::from_value(doc_hmac)?,
        document_kind,
        number_sealed,
        document_masked,
        name_sealed,
        name_hmac,
        name_masked,
        birthday_hmac,
        phone_sealed,
        benefit_year: i16::from_value(year)?,
        kind: if void_cause.is_some() {
            RevisionKind::Void
        } else {
            RevisionKind::Price
        },
        void_cause,
        region: next(&mut values)?,
        category: next(&mut values)?,
        tier: next(&mut values)?,
        aids: next(&mut values)?,
        items: next(&mut values)?,
        subsidies: next(&mut values)?,
        own: next(&mut values)?,
        gross: next(&mut values)?,
        late_own: next(&mut values)?,
        policy_version: next(&mut values)?,
    })
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
