//! Claims a serial: the first step of every call that has one, in a commit of its own.

use super::super::{Answer, Command, Context, Refusal};
use crate::biller::{Claim, Verb};
use crate::id::Bucket;
use crate::needs::Needs;
use crate::record::Record;
use crate::working_set::WorkingSet;

/// Claims a serial for a call, or declares it dead; whoever comes first.
#[derive(Clone, Debug)]
pub struct ClaimSeq {
    /// The bucket of the name's hash.
    pub bucket: Bucket,
    pub inst_id: String,
    pub seq: String,
    pub verb: Verb,
    pub body_hash: [u8; 32],
    /// Where the call will be decided.
    pub target: Bucket,
}

impl ClaimSeq {
    fn key(&self) -> <Claim as Record>::Key {
        (self.bucket, self.inst_id.clone(), self.seq.clone())
    }
}

impl Command for ClaimSeq {
    fn kind(&self) -> &'static str {
        "claim_seq"
    }

    fn actor(&self) -> String {
        format!("institution:{}", self.inst_id)
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Claim>(&self.key());
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.claim.get(&self.key()).cloned();
        let claim = known.unwrap_or_else(|| {
            let claim = Claim {
                bucket: self.bucket,
                inst_id: self.inst_id.clone(),
                seq: self.seq.clone(),
                verb: self.verb,
                body_hash: self.body_hash,
                target: self.target,
                at: ctx.at,
            };
            ws.claim.put(claim.clone());
            claim
        });
        Ok(Answer::Claimed {
            verb: claim.verb.code().to_owned(),
            same: claim.verb == self.verb && claim.body_hash == self.body_hash,
            target: claim.target.get(),
        })
    }
}
