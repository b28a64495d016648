//! The operator's commands: institutions, their terms and their keys.

use super::super::{Answer, Command, Context, Refusal};
use crate::institution::{Institution, InstitutionKey, Keeper};
use crate::needs::Needs;
use crate::record::Record;
use crate::time::Instant;
use crate::working_set::WorkingSet;

/// Makes an institution known, or changes its terms. They hold for calls that come later.
pub struct PutInstitution {
    pub institution: Institution,
    /// Whether one that is known already may be changed.
    pub change: bool,
}

impl Command for PutInstitution {
    fn kind(&self) -> &'static str {
        "put_institution"
    }

    fn actor(&self) -> String {
        "staff:cli".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Institution>(&self.institution.key());
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.institution.get(&self.institution.key()).cloned();
        if known.is_some() && !self.change {
            return Err(Refusal::WrongState);
        }
        let mut row = self.institution.clone();
        if let Some(known) = known {
            (row.created_at, row.version) = (known.created_at, known.version);
            row.webhook.clone_from(&known.webhook);
            if row == known {
                return Ok(Answer::Already);
            }
        }
        ws.institution.put(row);
        Ok(Answer::Done)
    }
}

/// Gives an institution one more key. A key id is never used for another key.
pub struct PutInstitutionKey {
    pub key: InstitutionKey,
    pub by: Keeper,
}

impl Command for PutInstitutionKey {
    fn kind(&self) -> &'static str {
        "put_institution_key"
    }

    fn actor(&self) -> String {
        self.by.actor(&self.key.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Institution>(&(self.key.inst_id.clone(),));
        needs.key::<InstitutionKey>(&self.key.key());
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        if ws.institution.get(&(self.key.inst_id.clone(),)).is_none() {
            return Err(Refusal::NotFound {
                what: "institution",
            });
        }
        if ws.institution_key.get(&self.key.key()).is_some() {
            return Err(Refusal::KeyReused);
        }
        ws.institution_key.put(self.key.clone());
        Ok(Answer::Done)
    }
}

/// Ends a key.
pub struct RevokeInstitutionKey {
    pub by: Keeper,
    pub inst_id: String,
    pub key_id: String,
    /// From this moment it holds no more.
    pub at: Instant,
}

impl Command for RevokeInstitutionKey {
    fn kind(&self) -> &'static str {
        "revoke_institution_key"
    }

    fn actor(&self) -> String {
        self.by.actor(&self.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let key = (self.inst_id.clone(), self.key_id.clone());
        needs.key::<InstitutionKey>(&key);
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let key = (self.inst_id.clone(), self.key_id.clone());
        let known = ws.institution_key.get(&key).cloned();
        let mut row = known.ok_or(Refusal::NotFound { what: "key" })?;
        if row.valid_until.is_some_and(|until| until <= self.at) {
            return Ok(Answer::Already);
        }
        row.valid_until = Some(self.at);
        ws.institution_key.put(row);
        Ok(Answer::Done)
    }
}
