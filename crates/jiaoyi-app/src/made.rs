//! Rosters and payments that a program makes: the same rows as an import and as payers leave,
//! without a file, staging and a channel. For benches and for test installations with millions of
//! invented people.

use crate::import::slice_row;
use crate::platform::{Platform, place};
use crate::pricing::Priced;
use jiaoyi_documents::roster::CheckedRow;
use jiaoyi_domain::Bucket;
use jiaoyi_domain::channel::{ChannelCode, CreateOutcome, Handover, Method, SeenPayment};
use jiaoyi_domain::decide::{
    ActivateRoster, Answer, Drafted, OpenRoster, PublishSlice, RecordCreated, RecordPayment,
    StagedToPublishing, StartPayment,
};
use jiaoyi_domain::due::{Due, RosterId};
use jiaoyi_domain::fact::FactSource;
use jiaoyi_domain::person::Document;
use jiaoyi_domain::record::Column;
use jiaoyi_domain::roster::{Document as DocumentRow, Roster, RosterState};
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
    /// at a time, and nothing when there are no more; how many are dues now.
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
        let mut staging = self.staging(made.benefit_year);
        let mut published = 0;
        loop {
            let rows = next();
            if rows.is_empty() {
                break;
            }
            let rows = rows
                .iter()
                .filter_map(|row| self.staged(&mut staging, row))
                .filter_map(|row| slice_row(&row))
                .collect();
            let command = PublishSlice { roster_id, rows };
            let envelope = self.envelope(command, None);
            if let Answer::Published {
                appended,
                same,
                paid,
                ..
            } = self.store.submit_background(envelope).await?
            {
                published += i64::from(appended) + i64::from(same) + i64::from(paid);
            }
        }
        self.submit(ActivateRoster {
            roster_id,
            rows_published: published,
            older_confirmed: false,
        })
        .await?;
        Ok(published)
    }

    /// Pays the newest due of a document's person by the product's own three decisions, with no
    /// channel between them; `false` when there is nothing to pay.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn pay_made(&self, document: &Document, txn_id: String) -> Result<bool, StoreError> {
        let key = self.place_of(document);
        let Some(row) = self.store.load::<DocumentRow>(&key).await? else {
            return Ok(false);
        };
        let given = [row.person_bucket.to_value(), row.person_id.to_value()];
        let dues: Vec<Due> = self.store.range("by_person", &given).await?;
        let Some(due) = dues.into_iter().max_by_key(|due| due.benefit_year) else {
            return Ok(false);
        };
        let view = self.store.view().await?;
        let priced = self.priced(&view, due, self.now(), None).await?;
        drop(view);
        let quote = priced.as_ref().and_then(Priced::quote);
        let wechat = ChannelCode::Wechat;
        let channel = self.renderer(wechat).zip(self.gateway(wechat));
        let (Some(quote), Some((renderer, gateway))) = (quote, channel) else {
            return Ok(false);
        };
        let amount = quote.own;
        let started = self
            .submit(StartPayment {
                quotes: vec![quote],
                method: Method::WechatNative,
                merchant: gateway.merchant().to_owned(),
                app: gateway.app().to_owned(),
                holder: self.random(),
                holder_bucket: key.0,
                relation: "self".to_owned(),
                payer_ip: "192.0.2.1".to_owned(),
                openid: None,
                displace: false,
                renderer,
            })
            .await?;
        let Answer::Started {
            drafted: Some(drafted),
            ..
        } = started
        else {
            return Ok(false);
        };
        let Drafted { attempt, outbox } = *drafted;
        let attempt_no = attempt.attempt_no;
        let text = format!("weixin://wxpay/bizpayurl?pr={txn_id}");
        let handover = format!("qr:{text}");
        self.submit(RecordCreated {
            attempt_no: attempt_no.clone(),
            outbox,
            outcome: CreateOutcome::Ready(Handover::Qr(text)),
            handover_sealed: Some(self.keyring.seal(
                handover.as_bytes(),
                place::HANDOVER,
                self.random(),
            )),
        })
        .await?;
        let seen = SeenPayment {
            attempt_no: attempt_no.as_str().to_owned(),
            txn_id,
            amount,
            currency: "CNY".to_owned(),
            paid_at: self.now(),
            merchant: gateway.merchant().to_owned(),
            app: gateway.app().to_owned(),
            refunded: false,
        };
        let told = self
            .submit(RecordPayment {
                attempt_no,
                seen,
                source: FactSource::Query,
                notice: None,
            })
            .await?;
        Ok(matches!(told, Answer::Allocated { .. }))
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
