//! Calls with a serial: read, claimed, decided.

use super::auth::Known;
use super::query::relation_allowed;
use super::{BillerReply, Failure, decided, front_end};
use crate::platform::{Platform, hash_parts, place};
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::{Collect, Pay, Release, Reverse, Status, Told};
use jiaoyi_domain::biller::{BillNo, Claim, Reason, Verb};
use jiaoyi_domain::decide::{
    Answer, AskCall, Caller, ClaimSeq, CollectBill, Command, Obstacle, Offer, PayBill, Refusal,
    ReleaseBill, ReverseBill, tombstone_body,
};
use jiaoyi_domain::due::{Due, DueState};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::institution::{Institution, is_name};
use jiaoyi_domain::person::{Document, DocumentKind, Phone};
use jiaoyi_domain::policy::Phase;
use jiaoyi_domain::record::Record;
use jiaoyi_domain::{Bucket, Date, Fen, Instant};
use jiaoyi_store::StoreError;
use std::sync::Arc;

/// A price may change under our hands; so often it is looked at again.
pub(super) const PRICINGS_MAX: u32 = 5;

/// Longest terminal or masked account.
const SHORT_MAX: usize = 32;

/// The reasons of a reversal.
const REASONS: [&str; 5] = [
    "TIMEOUT",
    "CASH_FAILED",
    "CARD_FAILED",
    "CANCELLED",
    "OTHER",
];

/// Of 18 digits with a later day in them many are serials that begin with their branch and their day.
const BORN_BY: Date = Date::constant(2025, 12, 31);

/// A serial as the institution made it. One that reads as somebody's phone or document is not kept
/// readable in our books.
pub(super) fn serial(field: &str, text: &str) -> Result<(), Failure> {
    let personal = Phone::parse(text).is_ok()
        || text.len() == 18 && Document::parse(DocumentKind::IdCard, text, BORN_BY).is_ok();
    if is_name(text, 40) && !personal {
        return Ok(());
    }
    Err(Failure::bad(
        field,
        "1 to 40 of 0-9A-Za-z_-, and no phone or document number",
    ))
}

fn day(field: &str, text: &str) -> Result<Date, Failure> {
    let day: Result<Date, _> = text.parse();
    let day = day.ok().filter(|day| day.to_string() == text);
    day.ok_or_else(|| Failure::bad(field, "yyyy-mm-dd"))
}

fn moment(field: &str, text: &str) -> Result<Instant, Failure> {
    let at = Instant::parse(text).filter(|_| text.contains('T'));
    at.ok_or_else(|| Failure::bad(field, "RFC 3339 with an offset"))
}

fn short(field: &str, text: Option<&String>) -> Result<String, Failure> {
    let text = text.cloned().unwrap_or_default();
    if text.chars().count() > SHORT_MAX || text.chars().any(char::is_control) {
        return Err(Failure::bad(field, "at most 32 characters"));
    }
    Ok(text)
}

fn bill_no(text: &str) -> Result<BillNo, Failure> {
    let message = "we never gave out this bill_no";
    BillNo::parse(text).ok_or_else(|| Failure::new(ErrorCode::NoSuchBill, message))
}

/// Hash of everything that a call says.
pub(super) fn content<T: serde::Serialize>(verb: Verb, call: &T) -> [u8; 32] {
    let body = serde_json::to_vec(call).unwrap_or_default();
    hash_parts(&[verb.code().as_bytes(), &body])
}

/// What a claim came to.
pub(super) enum Claimed {
    /// The call is decided in this bucket.
    Here(Bucket),
    /// The serial was declared dead before.
    Dead,
    /// It was claimed for something else.
    Otherwise(Bucket),
}

impl Platform {
    /// The bucket of an institution's serial.
    fn claim_bucket(&self, inst: &Institution, seq: &str) -> Bucket {
        let name = format!("{}:{seq}", inst.inst_id);
        self.keyring.bucket_of_name(name.as_bytes())
    }

    pub(super) async fn known_claim(
        &self,
        inst: &Institution,
        seq: &str,
    ) -> Result<Option<Claim>, StoreError> {
        let bucket = self.claim_bucket(inst, seq);
        let key = (bucket, inst.inst_id.clone(), seq.to_owned());
        self.store.load(&key).await
    }

    /// Claims a serial, in a commit of its own.
    pub(super) async fn claim(
        &self,
        inst: &Institution,
        seq: &str,
        (verb, body_hash): (Verb, [u8; 32]),
        target: Bucket,
    ) -> Result<Claimed, StoreError> {
        let claim = ClaimSeq {
            bucket: self.claim_bucket(inst, seq),
            inst_id: inst.inst_id.clone(),
            seq: seq.to_owned(),
            verb,
            body_hash,
            target,
        };
        let Answer::Claimed { verb, same, target } = self.submit(claim).await? else {
            return Err(StoreError::Refused(Refusal::WrongState));
        };
        let target = Bucket::try_new(target).unwrap_or_default();
        Ok(match Verb::from_code(&verb) {
            Some(verb) if verb.is_tombstone() => Claimed::Dead,
            Some(_) if same => Claimed::Here(target),
            Some(_) | None => Claimed::Otherwise(target),
        })
    }

    pub(super) fn caller(
        institution: &Arc<Institution>,
        front: Option<FrontEnd>,
        (verb, body_hash): (Verb, [u8; 32]),
        seq: &str,
        trace_date: Date,
        bucket: Bucket,
    ) -> Caller {
        Caller {
            institution: Arc::clone(institution),
            front,
            verb,
            seq: seq.to_owned(),
            bucket,
            body_hash,
            trace_date,
        }
    }

    /// Claims the serial of a call, which is decided where it was claimed for first; its answer
    /// instead when the serial is dead.
    async fn claim_for(
        &self,
        known: &Known,
        caller: &mut Caller,
    ) -> Result<Option<BillerReply>, Failure> {
        let content = (caller.verb, caller.body_hash);
        match self
            .claim(&known.institution, &caller.seq, content, caller.bucket)
            .await?
        {
            Claimed::Here(bucket) => caller.bucket = bucket,
            Claimed::Dead => return Ok(Some(decided(tombstone_body(&caller.seq)))),
            Claimed::Otherwise(_) => return Err(Failure::mismatch()),
        }
        Ok(None)
    }

    async fn decide(&self, command: impl Command + 'static) -> Result<BillerReply, StoreError> {
        match self.submit(command).await? {
            Answer::Called { body } => Ok(decided(body)),
            _ => Err(StoreError::Refused(Refusal::WrongState)),
        }
    }

    /// The newest generation of a bill's due; `None` when we never gave out the bill.
    pub(super) async fn newest_due(&self, bill: &BillNo) -> Result<Option<Due>, StoreError> {
        let view = self.store.view().await?;
        let mut found: Option<Due> = None;
        for generation in 1.. {
            let due: Option<Due> = view.load(&(bill.bucket, bill.due_id, generation)).await?;
            let Some(due) = due else { break };
            let goes_on = due.state == DueState::Returned;
            found = Some(due);
            if !goes_on {
                break;
            }
        }
        Ok(found)
    }

    async fn due_of(&self, bill: &BillNo) -> Result<Due, Failure> {
        let message = "we never gave out this bill_no";
        let due = self.newest_due(bill).await?;
        due.ok_or_else(|| Failure::new(ErrorCode::NoSuchBill, message))
    }

    /// What a due cost at a moment, or why it could not be paid then.
    async fn offer(&self, due: Due, at: Instant, front: FrontEnd) -> Result<Offer, StoreError> {
        let view = self.store.view().await?;
        let priced = self.priced(&view, due, at, Some(front.code())).await?;
        let Some(priced) = priced.filter(|priced| !priced.is_void()) else {
            return Ok(Err(Reason::NotPayable.into()));
        };
        let shut = |reason| Obstacle {
            reason,
            opens_at: priced.phase.opens(),
        };
        Ok(match priced.phase {
            Phase::NotYet { .. } | Phase::Closed { .. } => Err(shut(Reason::WindowClosed)),
            Phase::Resting { .. } => Err(shut(Reason::OutsideHours)),
            Phase::InWindow { .. } | Phase::Late { .. } if priced.price.own.is_zero() => {
                Err(Reason::NothingToPay.into())
            }
            Phase::InWindow { .. } | Phase::Late { .. } => {
                priced.quote().ok_or(Reason::NotPayable.into())
            }
        })
    }

    /// Decides a call about a bill, pricing it anew while it changes under our hands.
    async fn decide_priced<C: Command + 'static>(
        &self,
        (bill, mut due): (&BillNo, Due),
        at: Instant,
        front: FrontEnd,
        command: impl Fn(&Due, Offer) -> C,
    ) -> Result<BillerReply, Failure> {
        for _ in 0..PRICINGS_MAX {
            let offer = self.offer(due.clone(), at, front).await?;
            match self.decide(command(&due, offer)).await {
                Err(StoreError::Refused(Refusal::Changed)) => due = self.due_of(bill).await?,
                decided => return Ok(decided?),
            }
        }
        Err(StoreError::Refused(Refusal::Changed).into())
    }

    /// Answers `collect`.
    pub(super) async fn biller_collect(
        &self,
        known: &Known,
        call: Collect,
    ) -> Result<BillerReply, Failure> {
        let inst = &known.institution;
        serial("seq", &call.seq)?;
        let trace_date = day("trace_date", &call.trace_date)?;
        let until = moment("until", &call.until)?;
        let bill = bill_no(&call.bill_no)?;
        short("terminal", call.terminal.as_ref())?;
        let front = front_end(known, &call.channel)?;
        let claim = self.known_claim(inst, &call.seq).await?;
        let at = claim.map_or(self.now(), |claim| claim.at);
        if until <= at {
            return Err(Failure::bad("until", "it has passed"));
        }
        let token = self.open_query_token(known, &call.query_token, &bill, at)?;
        relation_allowed(front, &token.relation)?;
        let due = self.due_of(&bill).await?;
        let content = (Verb::Collect, content(Verb::Collect, &call));
        let mut caller = Platform::caller(
            inst,
            Some(front),
            content,
            &call.seq,
            trace_date,
            bill.bucket,
        );
        if let Some(dead) = self.claim_for(known, &mut caller).await? {
            return Ok(dead);
        }
        let command = |due: &Due, offer| CollectBill {
            caller: caller.clone(),
            due: due.key(),
            offer,
            relation: token.relation.clone(),
            until,
        };
        self.decide_priced((&bill, due), self.now(), front, command)
            .await
    }

    /// Answers `release`.
    pub(super) async fn biller_release(
        &self,
        known: &Known,
        call: Release,
    ) -> Result<BillerReply, Failure> {
        let inst = &known.institution;
        serial("seq", &call.seq)?;
        let trace_date = day("trace_date", &call.trace_date)?;
        let bill = bill_no(&call.bill_no)?;
        let front = front_end(known, &call.channel)?;
        let due = self.due_of(&bill).await?.key();
        let content = (Verb::Release, content(Verb::Release, &call));
        let mut caller = Platform::caller(
            inst,
            Some(front),
            content,
            &call.seq,
            trace_date,
            bill.bucket,
        );
        if let Some(dead) = self.claim_for(known, &mut caller).await? {
            return Ok(dead);
        }
        Ok(self.decide(ReleaseBill { caller, due }).await?)
    }

    /// Answers `pay`.
    pub(super) async fn biller_pay(
        &self,
        known: &Known,
        call: Pay,
        raw: &[u8],
    ) -> Result<BillerReply, Failure> {
        let inst = &known.institution;
        serial("seq", &call.seq)?;
        let trace_date = day("trace_date", &call.trace_date)?;
        let paid_at = moment("paid_at", &call.paid_at)?;
        let bill = bill_no(&call.bill_no)?;
        let terminal = short("terminal", call.terminal.as_ref())?;
        short("account_masked", call.account_masked.as_ref())?;
        let front = front_end(known, &call.channel)?;
        if call.amount_fen == 0 {
            return Err(Failure::bad("amount_fen", "more than 0"));
        }
        let mut relation = "unstated".to_owned();
        if let Some(token) = &call.query_token {
            // Fresh when the call came first: a repeat may come later.
            let claim = self.known_claim(inst, &call.seq).await?;
            let at = claim.as_ref().map_or(self.now(), |claim| claim.at);
            relation = self.open_query_token(known, token, &bill, at)?.relation;
            relation_allowed(front, &relation)?;
        }
        let due = self.due_of(&bill).await?;
        let content = (Verb::Pay, content(Verb::Pay, &call));
        let mut caller = Platform::caller(
            inst,
            Some(front),
            content,
            &call.seq,
            trace_date,
            bill.bucket,
        );
        if let Some(dead) = self.claim_for(known, &mut caller).await? {
            return Ok(dead);
        }
        let request_sealed = self.keyring.seal(raw, place::REQUEST, self.random());
        let command = |due: &Due, offer| PayBill {
            caller: caller.clone(),
            due: due.key(),
            offer,
            relation: relation.clone(),
            amount: Fen::new(call.amount_fen),
            paid_at,
            terminal: terminal.clone(),
            request_sealed: request_sealed.clone(),
        };
        self.decide_priced((&bill, due), paid_at.min(self.now()), front, command)
            .await
    }

    /// Answers `reverse`.
    pub(super) async fn biller_reverse(
        &self,
        known: &Known,
        call: Reverse,
    ) -> Result<BillerReply, Failure> {
        let inst = &known.institution;
        serial("seq", &call.seq)?;
        serial("orig_seq", &call.orig_seq)?;
        let trace_date = day("trace_date", &call.trace_date)?;
        let orig_date = day("orig_date", &call.orig_date)?;
        if !REASONS.contains(&call.reason.as_str()) {
            return Err(Failure::bad("reason", "one of the documented reasons"));
        }
        if call.seq == call.orig_seq {
            return Err(Failure::bad("seq", "a reversal has a seq of its own"));
        }
        let content = (Verb::Reverse, content(Verb::Reverse, &call));
        // A changed repeat changes nothing, so it must not bury the original first.
        let mine = self.known_claim(inst, &call.seq).await?;
        if mine.is_some_and(|mine| !mine.verb.is_tombstone() && mine.body_hash != content.1) {
            return Err(Failure::mismatch());
        }
        let here = self.claim_bucket(inst, &call.orig_seq);
        let dead = (Verb::ReversedFirst, [0; 32]);
        let (target, orig_dead) = match self.claim(inst, &call.orig_seq, dead, here).await? {
            Claimed::Otherwise(target) => (target, false),
            Claimed::Here(target) => (target, true),
            Claimed::Dead => (here, true),
        };
        let mut caller = Platform::caller(inst, None, content, &call.seq, trace_date, target);
        if let Some(dead) = self.claim_for(known, &mut caller).await? {
            return Ok(dead);
        }
        let command = ReverseBill {
            caller,
            orig_seq: call.orig_seq,
            orig_date,
            orig_dead,
            amount: Fen::new(call.amount_fen),
        };
        Ok(self.decide(command).await?)
    }

    /// Answers `status`.
    pub(super) async fn biller_status(
        &self,
        known: &Known,
        call: Status,
    ) -> Result<BillerReply, Failure> {
        let inst = &known.institution;
        serial("orig_seq", &call.orig_seq)?;
        let date = call
            .orig_date
            .as_ref()
            .map(|date| day("orig_date", date))
            .transpose()?;
        let here = self.claim_bucket(inst, &call.orig_seq);
        let dead = (Verb::AskedFirst, [0; 32]);
        match self.claim(inst, &call.orig_seq, dead, here).await? {
            Claimed::Otherwise(bucket) => {
                let date = date.unwrap_or_else(|| self.today());
                let caller = Platform::caller(inst, None, dead, &call.orig_seq, date, bucket);
                Ok(self.decide(AskCall { caller }).await?)
            }
            Claimed::Here(_) | Claimed::Dead => {
                let claim = self.known_claim(inst, &call.orig_seq).await?;
                let undone = claim.is_some_and(|claim| claim.verb == Verb::ReversedFirst);
                let told = Told {
                    orig_seq: call.orig_seq,
                    state: if undone { "REVERSED" } else { "NOT_FOUND" }.to_owned(),
                    call: None,
                    reason: None,
                    answer: None,
                };
                Ok(super::json(200, &told))
            }
        }
    }
}
