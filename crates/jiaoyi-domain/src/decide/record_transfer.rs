//! Staff paid out by bank transfer what no channel gives back.

use super::approve_refund::refund_row;
use super::record_refund::{tell_institution, telling_needs};
use super::{Answer, CaseKind, CaseState, Command, Context, Refusal, post};
use crate::bank_transfer::{BankTransfer, Paid};
use crate::books::{Account, TransferKind};
use crate::id::RefundNo;
use crate::messages::{Case, Topic};
use crate::needs::Needs;
use crate::record::Record;
use crate::refund::{Refund, RefundEvent, RefundState};
use crate::time::Instant;
use crate::working_set::WorkingSet;

/// Records the bank transfer of a refund that waits for staff.
pub struct RecordTransfer {
    pub refund_no: RefundNo,
    pub paid: Paid,
}

impl RecordTransfer {
    fn key(&self) -> <Refund as Record>::Key {
        (self.refund_no.bucket(), self.refund_no.clone())
    }

    fn close_cases(&self, ws: &mut WorkingSet) {
        let open = |case: &&Case| {
            case.is_open(CaseKind::RefundManual) && case.subject == self.refund_no.as_str()
        };
        let cases: Vec<Case> = ws.case.iter().filter(open).cloned().collect();
        for mut case in cases {
            case.state = CaseState::Closed;
            ws.case.put(case);
        }
    }
}

impl Command for RecordTransfer {
    fn kind(&self) -> &'static str {
        "record_transfer"
    }

    fn actor(&self) -> String {
        format!("staff:{}", self.paid.by())
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        let key = self.key();
        needs.key::<Refund>(&key);
        needs.key::<BankTransfer>(&key);
        needs.range::<Case>("by_subject", &key);
        if let Some(refund) = ws.refund.get(&key) {
            telling_needs(needs, refund);
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let key = self.key();
        if let Some(known) = ws.bank_transfer.get(&key) {
            if self.paid.is(known) {
                return Ok(Answer::Already);
            }
            return Err(Refusal::TransferKnown {
                reference: known.reference.clone(),
                paid_on: known.paid_on,
            });
        }
        let refund = ws.refund.get(&key).cloned();
        let mut refund = refund.ok_or(Refusal::NotFound { what: "refund" })?;
        if refund.state != RefundState::Manual {
            return Err(Refusal::NotForStaff(refund.state));
        }
        let paid_on = self.paid.paid_on();
        let (from, to) = (refund.created_at.date(), ctx.at.date());
        if !(from..=to).contains(&paid_on) {
            return Err(Refusal::PaidOn { from, to });
        }
        refund.apply(RefundEvent::Transferred);
        refund.done_at = Some(Instant::start_of(paid_on));
        let payable = Account::RefundPayable {
            channel: refund.channel,
        };
        let bank = Account::BankTransfer { day: paid_on };
        let accounts = (payable.to_string(), bank.to_string());
        let row = refund_row(ctx, &refund, TransferKind::BankTransfer, accounts, None);
        ws.transfer.put(row);
        ws.bank_transfer.put(self.paid.of(&refund, ctx.at));
        self.close_cases(ws);
        let no = self.refund_no.as_str();
        post(ws, ctx, refund.bucket, Topic::SmsRefund, no, 0);
        tell_institution(ws, ctx, &refund);
        ws.refund.put(refund);
        Ok(Answer::Done)
    }
}
