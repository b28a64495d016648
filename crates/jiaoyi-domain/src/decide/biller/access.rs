//! Links through which an institution keeps its own keys.

use super::super::{Answer, Command, Context, Refusal};
use crate::institution::{AccessLink, Institution};
use crate::needs::Needs;
use crate::record::Record;
use crate::time::Instant;
use crate::working_set::WorkingSet;

/// Gives an institution a link.
pub struct MakeAccessLink {
    pub link: AccessLink,
}

impl Command for MakeAccessLink {
    fn kind(&self) -> &'static str {
        "make_access_link"
    }

    fn actor(&self) -> String {
        "staff:cli".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Institution>(&(self.link.inst_id.clone(),));
        needs.key::<AccessLink>(&self.link.key());
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        if ws.institution.get(&(self.link.inst_id.clone(),)).is_none() {
            return Err(Refusal::NotFound {
                what: "institution",
            });
        }
        if ws.access_link.get(&self.link.key()).is_some() {
            return Err(Refusal::KeyReused);
        }
        ws.access_link.put(self.link.clone());
        Ok(Answer::Done)
    }
}

/// Opens a link on the device that holds it from then on. On another it opens no more, so a link
/// that was read on its way is noticed by whom it was meant for.
pub struct OpenAccessLink {
    pub link: <AccessLink as Record>::Key,
    /// Hash of the device.
    pub device: [u8; 32],
}

impl Command for OpenAccessLink {
    fn kind(&self) -> &'static str {
        "open_access_link"
    }

    fn actor(&self) -> String {
        format!("institution:{}", self.link.0)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<AccessLink>(&self.link);
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.access_link.get(&self.link).cloned();
        let mut row = known
            .filter(|row| ctx.at < row.valid_until)
            .ok_or(Refusal::NotFound { what: "link" })?;
        if row.is_held_by(&self.device) {
            return Ok(Answer::Already);
        }
        if !row.device.is_empty() {
            return Err(Refusal::WrongState);
        }
        row.device = self.device.to_vec();
        ws.access_link.put(row);
        Ok(Answer::Done)
    }
}

/// Ends a link.
pub struct CloseAccessLink {
    pub link: <AccessLink as Record>::Key,
    /// From this moment it opens nothing.
    pub at: Instant,
}

impl Command for CloseAccessLink {
    fn kind(&self) -> &'static str {
        "close_access_link"
    }

    fn actor(&self) -> String {
        "staff:cli".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<AccessLink>(&self.link);
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.access_link.get(&self.link).cloned();
        let mut row = known.ok_or(Refusal::NotFound { what: "link" })?;
        if row.valid_until <= self.at {
            return Ok(Answer::Already);
        }
        row.valid_until = self.at;
        ws.access_link.put(row);
        Ok(Answer::Done)
    }
}
