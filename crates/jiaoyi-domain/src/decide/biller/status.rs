//! `status`: what became of a serial. What it says is a promise, so it may write a tombstone.

use super::super::{Answer, Command, Context, Refusal};
use super::{About, Caller};
use crate::biller::wire::Told;
use crate::biller::{BillerCall, CallState, Verb};
use crate::needs::Needs;
use crate::working_set::WorkingSet;

/// Tells what became of a call that was claimed.
pub struct AskCall {
    /// Whose serial is asked for, where its claim says.
    pub caller: Caller,
}

impl AskCall {
    fn told(&self, call: Option<&BillerCall>) -> Told {
        let state = match call.map(|call| (call.state, call.verb)) {
            Some((CallState::Done, _)) => "SUCCESS",
            Some((CallState::Refused, _)) => "REFUSED",
            Some((CallState::Reversed, _) | (CallState::Dead, Verb::ReversedFirst)) => "REVERSED",
            Some((CallState::Dead, _)) | None => "NOT_FOUND",
        };
        let decided = call.filter(|call| call.state != CallState::Dead);
        Told {
            orig_seq: self.caller.seq.clone(),
            state: state.to_owned(),
            call: decided.map(|call| call.verb.code().to_owned()),
            reason: decided.and_then(|call| Some(call.reason?.code().to_owned())),
            answer: decided.and_then(|call| serde_json::from_str(&call.answer).ok()),
        }
    }
}

impl Command for AskCall {
    fn kind(&self) -> &'static str {
        "ask_call"
    }

    fn actor(&self) -> String {
        self.caller.actor()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<BillerCall>(&self.caller.key());
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let known = ws.biller_call.get(&self.caller.key());
        let told = self.told(known);
        if known.is_none() {
            let row = self.caller.row(ctx, About::default(), CallState::Dead);
            ws.biller_call.put(row);
        }
        let body = serde_json::to_string(&told).unwrap_or_default();
        Ok(Answer::Called { body })
    }
}
