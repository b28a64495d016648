//! Publishing rows that a program makes: the same rows as an import, without a file and without
//! staging. For benches and for filling a test installation with millions of invented people.

use crate::import::slice_row;
use crate::platform::Platform;
use jiaoyi_documents::roster::CheckedRow;
use jiaoyi_domain::Bucket;
use jiaoyi_domain::decide::{ActivateRoster, Answer, OpenRoster, PublishSlice, StagedToPublishing};
use jiaoyi_domain::due::RosterId;
use jiaoyi_domain::person::Document;
use jiaoyi_domain::roster::{Roster, RosterState};
use jiaoyi_store::StoreError;

/// A roster whose rows a program makes.
#[derive(Clone, Debug)]
pub struct MadeRoster {
    pub benefit_year: i16,
    /// Who issued the roster, and the issuer's own serial.
    pub source: String,
    pub serial: i64,
    /// How many rows will come: no more and no fewer, no document twice.
    pub rows: i64,
}

impl Platform {
    /// The place of a document in the order in which rows are published fastest.
    #[must_use]
    pub fn place_of(&self, document: &Document) -> (Bucket, [u8; 32]) {
        let (kind, text) = (document.kind().code(), document.index_text());
        (
            self.keyring.bucket_of(kind, &text),
            self.keyring.doc_hmac(kind, &text),
        )
    }

    /// Publishes and activates a made roster. `next` gives rows, in ascending place and a few hundred
    /// at a time, and nothing when there are no more; how many became dues.
    ///
    /// # Errors
    ///
    /// The store's trouble; then the roster does not count.
    pub async fn publish_made(
        &self,
        made: &MadeRoster,
        next: &mut (dyn FnMut() -> Vec<CheckedRow> + Send),
    ) -> Result<i64, StoreError> {
        let roster_id = RosterId(self.random());
        self.submit(OpenRoster {
            roster: self.made_roster(made, roster_id),
            older_confirmed: false,
        })
        .await?;
        self.submit(StagedToPublishing {
            roster_id,
            rows_read: made.rows,
            rows_good: made.rows,
            rows_bad: 0,
        })
        .await?;
        let mut staging = self.staging(roster_id, made.benefit_year);
        let mut published = 0;
        loop {
            let rows = next();
            if rows.is_empty() {
                break;
            }
            let rows = rows
                .iter()
                .filter_map(|row| self.staged(&mut staging, row))
                .filter_map(|[_, bucket, document, year, _, data]| {
                    slice_row(vec![bucket, document, year, data])
                })
                .collect();
            let command = PublishSlice { roster_id, rows };
            let envelope = self.envelope(command, None);
            if let Answer::Published { appended, same, .. } =
                self.store.submit_background(envelope).await?
            {
                published += i64::from(appended) + i64::from(same);
            }
        }
        self.submit(ActivateRoster {
            roster_id,
            rows_published: published,
        })
        .await?;
        Ok(published)
    }

    fn made_roster(&self, made: &MadeRoster, roster_id: RosterId) -> Roster {
        Roster {
            roster_id: roster_id.0,
            state: RosterState::Staging,
            region: String::new(),
            benefit_year: made.benefit_year,
            source: made.source.clone(),
            serial: made.serial,
            file_hash: self.random(),
            rows_read: 0,
            rows_good: 0,
            rows_bad: 0,
            rows_published: 0,
            created_at: self.now(),
            activated_at: None,
            version: 1,
        }
    }
}
