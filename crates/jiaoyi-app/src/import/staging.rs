//! From the rows of a file to staged pages: checked, priced, sealed, sorted in runs.

use super::page::{RowKey, StagedRow, pages};
use super::{ImportError, ImportReport, ImportRequest, PROBLEMS_MAX, Progress, Stage, note};
use crate::links::birthday_text;
use crate::platform::{Platform, place};
use crate::pricing::{items_text, price_of, subsidies_text};
use jiaoyi_documents::roster::{CellError, CheckedRow, Checker, FileError, RosterReader};
use jiaoyi_domain::Fen;
use jiaoyi_domain::policy::{InForce, PhaseKind, PolicySet};
use jiaoyi_domain::record::{Column, Value, encode_values};
use jiaoyi_domain::region::Registered;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of one run: what is sorted in memory at once, about 20 MB.
const RUN_ROWS: usize = 32_768;

pub(crate) struct Staging {
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

/// Who stands in a file that is only checked: 24 bytes a row, since nothing may be staged.
#[derive(Default)]
struct Seen(Vec<([u8; 16], u64)>);

impl Seen {
    fn add(&mut self, rows: &[StagedRow]) {
        let short = |row: &StagedRow| Some((*row.key.doc_hmac.first_chunk()?, row.key.row_no));
        self.0.extend(rows.iter().filter_map(short));
    }

    fn report(mut self, report: &mut ImportReport) {
        self.0.sort_unstable();
        for same in self.0.chunk_by(|one, other| one.0 == other.0) {
            for (_, row_no) in &same[1..] {
                report.rows_good -= 1;
                note(report, vec![CellError::duplicate(*row_no, same[0].1)]);
            }
        }
    }
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

    pub(crate) fn staging(&self, benefit_year: i16) -> Staging {
        Staging {
            benefit_year,
            policies: self.policies(),
            prices: BTreeMap::new(),
        }
    }

    /// A checked row as it is staged: sealed, masked and priced.
    pub(crate) fn staged(&self, staging: &mut Staging, row: &CheckedRow) -> Option<StagedRow> {
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
        Some(StagedRow {
            key: RowKey {
                bucket,
                doc_hmac,
                benefit_year: staging.benefit_year,
                row_no: row.number,
            },
            data: encoded,
        })
    }

    /// Reads the whole file; while one run is written the next one is checked and sealed.
    pub(super) async fn stage_all(
        &self,
        request: &ImportRequest,
        mut reader: RosterReader,
        report: &mut ImportReport,
        progress: Progress<'_>,
    ) -> Result<(), ImportError> {
        let mut staging = self.staging(request.benefit_year);
        let roster_id = report.roster_id;
        let mut seen = Seen::default();
        let mut sorted: Vec<StagedRow> = Vec::new();
        for run_no in -1_i64.. {
            // What was read last is written as this run, unless nothing is read yet.
            let run = std::mem::take(&mut sorted);
            let written = if request.dry_run {
                seen.add(&run);
                Vec::new()
            } else {
                pages(roster_id, run_no, &run)
            };
            drop(run);
            let (staged, read) = tokio::join!(biased; self.store.stage(written), async {
                let rows = self.next_run(request, &mut staging, &mut reader, report);
                let (done, total) = reader.progress();
                progress(Stage::Reading, done, total);
                rows
            });
            staged?;
            sorted = read?;
            if sorted.is_empty() {
                break;
            }
            sorted.sort_unstable_by_key(|row| row.key);
        }
        seen.report(report);
        Ok(())
    }

    /// Notes a document whose region part no table knows for the time of the birth.
    fn warn(&self, row: &CheckedRow, report: &mut ImportReport) {
        let retired = match self.regions.registered(&row.document) {
            None | Some(Registered::Known(_)) => return,
            Some(Registered::NotThen(_)) => true,
            Some(Registered::Unknown) => false,
        };
        if report.warnings.len() < PROBLEMS_MAX {
            let warning = CellError::unregistered(row.number, &row.document, retired);
            report.warnings.push(warning);
        }
    }

    /// Reads until a run of good rows is full or the file ends.
    fn next_run(
        &self,
        request: &ImportRequest,
        staging: &mut Staging,
        reader: &mut RosterReader,
        report: &mut ImportReport,
    ) -> Result<Vec<StagedRow>, FileError> {
        let policies = Arc::clone(&staging.policies);
        let pack_of = |region: &str| self.pack_in(&policies, region, request.benefit_year);
        let checker = Checker {
            today: self.today(),
            region: request.region.as_deref(),
            pack_of: &pack_of,
        };
        let mut run = Vec::new();
        while run.len() < RUN_ROWS {
            let Some(row) = reader.next() else { break };
            let row = row?;
            report.rows_read += 1;
            match checker.check(&row) {
                Ok(checked) => {
                    report.rows_good += 1;
                    self.warn(&checked, report);
                    run.extend(self.staged(staging, &checked));
                }
                Err(problems) => note(report, problems),
            }
        }
        Ok(run)
    }
}
