//! What a stop interrupted: published rosters are finished, others are given up.

use super::{ImportError, ImportReport};
use crate::platform::Platform;
use jiaoyi_domain::decide::newer_serial;
use jiaoyi_domain::due::RosterId;
use jiaoyi_domain::record::{Column, Value};
use jiaoyi_domain::roster::{Roster, RosterState};
use jiaoyi_store::StoreError;

impl Platform {
    /// Takes up imports that a stop interrupted. `false` while a living process imports: its roster
    /// cannot be told from one left behind, so nothing is touched.
    ///
    /// # Errors
    ///
    /// The store's trouble.
    pub async fn resume_imports(&self) -> Result<bool, StoreError> {
        if !self.store.nobody_imports()? {
            return Ok(false);
        }
        let _under_way = self.store.import_under_way()?;
        for state in [RosterState::Publishing, RosterState::Staging] {
            let given = [Value::Text(state.code().to_owned())];
            for roster in self.rosters("rosters_in_state", &given).await? {
                tracing::warn!(roster = ?roster.roster_id, state = state.code(), "an import was interrupted");
                self.resume(&roster).await?;
            }
        }
        // Those were activated or given up; what a stop kept from them is done now.
        for roster in self.rosters("staged_rosters", &[]).await? {
            let roster_id = RosterId(roster.roster_id);
            if roster.state == RosterState::Active {
                let mut report = ImportReport::new(roster_id);
                self.take_persons(roster_id, &mut report).await?;
            }
            self.store.unstage(roster_id.0).await?;
        }
        Ok(true)
    }

    async fn rosters(
        &self,
        query: &'static str,
        given: &[Value],
    ) -> Result<Vec<Roster>, StoreError> {
        let mut rosters = Vec::new();
        for row in self.store.query(query, given).await? {
            let Some(Value::Bytes(id)) = row.first() else {
                continue;
            };
            let Ok(id) = <[u8; 16]>::try_from(id.as_slice()) else {
                continue;
            };
            rosters.extend(self.store.load(&(id,)).await?);
        }
        Ok(rosters)
    }

    /// Whether a roster of the same source that counts was opened after this one.
    async fn is_overtaken(&self, roster: &Roster) -> Result<bool, StoreError> {
        let given = [
            roster.source.to_value(),
            roster.region.to_value(),
            roster.benefit_year.to_value(),
        ];
        let of_source: Vec<Roster> = self.store.range("by_source", &given).await?;
        Ok(newer_serial(&of_source, roster).is_some())
    }

    async fn resume(&self, roster: &Roster) -> Result<(), StoreError> {
        let roster_id = RosterId(roster.roster_id);
        // Nobody remembers a confirmation: an older roster is given up.
        if roster.state == RosterState::Staging || self.is_overtaken(roster).await? {
            return self.reject_roster(roster_id).await;
        }
        let mut report = ImportReport::new(roster_id);
        report.rows_good = roster.rows_good;
        let mut quiet = |_, _, _| {};
        match self
            .publish(roster_id, false, &mut report, &mut quiet)
            .await
        {
            Ok(()) => Ok(()),
            Err(ImportError::Store(error)) => Err(error),
            Err(error) => {
                tracing::warn!(roster = ?roster_id, %error, "an import was given up");
                Ok(())
            }
        }
    }
}
