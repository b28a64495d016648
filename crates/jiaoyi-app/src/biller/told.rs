//! What a day file tells beyond the calls of its institution: booked row by row from the kept file,
//! after it was taken (docs/decisions/0023-day-files-tell.md). Doing it twice changes nothing.

use super::Failure;
use super::auth::Known;
use super::calls::{Claimed, PRICINGS_MAX, content, serial};
use super::day_file::{Said, Theirs, read_again};
use super::reconcile::PLACE;
use crate::platform::{Platform, place};
use jiaoyi_domain::biller::{
    BillNo, BillerCall, CallState, DayFile, Evidence, Verb, back_seq, told_seq,
};
use jiaoyi_domain::decide::{Answer, AskCall, BookTold, NoteRow, Refusal, TakeBack};
use jiaoyi_domain::fact::{Fact, FactKind};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::institution::Institution;
use jiaoyi_domain::messages::CaseKind;
use jiaoyi_domain::record::Column;
use jiaoyi_domain::refund::{Refund, RefundState};
use jiaoyi_domain::{Fen, Instant};
use jiaoyi_store::StoreError;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// Most rows of one file that become cases because they cannot be booked; the result file has all.
const CASES_MAX: usize = 1_000;

/// A kept file that is being booked.
struct Booking {
    institution: Arc<Institution>,
    file: DayFile,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing more is to be done.
    Done,
    /// Another file's row has to be booked first.
    Later,
}

/// Why a row is not booked, in words for staff.
struct Unbooked {
    kind: CaseKind,
    why: String,
}

impl Unbooked {
    fn new(why: impl Into<String>) -> Unbooked {
        let (kind, why) = (CaseKind::DayFile, why.into());
        Unbooked { kind, why }
    }
}

impl Booking {
    fn evidence(&self, said: &Said) -> Evidence {
        Evidence {
            day: self.file.day,
            file_hash: self.file.file_hash,
            line: said.line,
        }
    }

    /// When it happened, as far as that can be: inside the accounting day, and not after the file came.
    fn moment(&self, said: &Said) -> Instant {
        let (day, terms) = (self.file.day, &self.institution);
        let last = terms.day_ends(day).min(self.file.received_at);
        let first = terms.day_begins(day).min(last);
        said.at.unwrap_or(last).clamp(first, last)
    }

    /// The front end through which the payer paid: as the call said, else as the row says.
    fn front(&self, called: Option<FrontEnd>, row: &Theirs) -> FrontEnd {
        let mut own = self.institution.front_ends.split(';');
        let first = own.find_map(FrontEnd::from_code);
        called.or(row.front).or(first).unwrap_or(FrontEnd::Other)
    }

    /// The serials of the rows that no call has brought, as the comparison found them.
    fn unknown(&self) -> BTreeSet<&str> {
        let lines = self.file.result.lines();
        lines
            .filter_map(|line| line.strip_prefix("LONG|")?.split('|').next())
            .collect()
    }
}

impl Platform {
    /// Books what a kept day file tells; whether nothing is left to be done.
    pub(crate) async fn book_day_file(&self, name: &str) -> Result<bool, StoreError> {
        let Some(booking) = self.booking(name).await? else {
            tracing::error!(name, "a day file that is to be booked cannot be read");
            return Ok(true);
        };
        let inst_id = &booking.institution.inst_id;
        let body = self.keyring.open(&booking.file.body_sealed, PLACE);
        let read = body.ok().and_then(|body| read_again(inst_id, &body).ok());
        let Some(read) = read else {
            tracing::error!(name, "a day file that is to be booked cannot be read");
            return Ok(true);
        };
        let unknown = booking.unknown();
        let (mut left, mut noted) = (false, 0);
        for (seq, row) in &read.rows {
            let (said, done) = match (&row.paid, &row.undone) {
                (_, Some(undone)) => (undone, self.take_back(&booking, seq, undone).await?),
                (Some(paid), None) if unknown.contains(seq.as_str()) => {
                    (paid, self.book_row(&booking, seq, row, paid).await?)
                }
                (Some(_) | None, None) => continue,
            };
            match done {
                Ok(Outcome::Done) => {}
                Ok(Outcome::Later) => left = true,
                Err(_) if noted >= CASES_MAX => {}
                Err(unbooked) => {
                    noted += 1;
                    self.note_row(&booking, seq, said, unbooked).await?;
                }
            }
        }
        Ok(!left)
    }

    async fn booking(&self, name: &str) -> Result<Option<Booking>, StoreError> {
        let Some((inst_id, day, hash)) = DayFile::read_name(name) else {
            return Ok(None);
        };
        let key = (self.day_bucket(&inst_id), inst_id.clone(), day, hash);
        let file: Option<DayFile> = self.store.load(&key).await?;
        let institution: Option<Institution> = self.store.load(&(inst_id,)).await?;
        let both = file.zip(institution);
        Ok(both.map(|(file, institution)| Booking {
            institution: Arc::new(institution),
            file,
        }))
    }

    async fn note_row(
        &self,
        of: &Booking,
        seq: &str,
        said: &Said,
        unbooked: Unbooked,
    ) -> Result<(), StoreError> {
        let line = format!("line-{}", said.line);
        // What is no serial of ours to keep is named by its line alone.
        let seq = serial("seq", seq).map_or(line.as_str(), |()| seq);
        let note = NoteRow {
            bucket: of.file.bucket,
            inst_id: of.institution.inst_id.clone(),
            seq: seq.to_owned(),
            kind: unbooked.kind,
            detail: format!("{} {}", of.evidence(said), unbooked.why),
        };
        self.submit(note).await.map(|_| ())
    }

    /// What had become of a serial, once nothing can come of it any more; `None` for a payment that
    /// was taken, then or since.
    async fn before(
        &self,
        of: &Booking,
        seq: &str,
    ) -> Result<Option<(String, Option<FrontEnd>)>, StoreError> {
        let inst = &of.institution;
        let (dead, here) = ((Verb::ToldFirst, [0; 32]), of.file.bucket);
        let Claimed::Otherwise(bucket) = self.claim(inst, seq, dead, here).await? else {
            return Ok(Some(("NOT_FOUND".to_owned(), None)));
        };
        // A call that was claimed and not decided never will be.
        let asked = (Verb::AskedFirst, [0; 32]);
        let caller = Platform::caller(inst, None, asked, seq, of.file.day, bucket);
        self.submit(AskCall { caller }).await?;
        let key = (bucket, inst.inst_id.clone(), seq.to_owned());
        let call: Option<BillerCall> = self.store.load(&key).await?;
        let Some(call) = call else {
            return Ok(Some(("NOT_FOUND".to_owned(), None)));
        };
        let taken = matches!(call.state, CallState::Done | CallState::Reversed);
        if call.verb == Verb::Pay && taken {
            return Ok(None);
        }
        let why = call.reason.map_or(call.state.code(), |why| why.code());
        let front = call.channel.and_then(|channel| channel.front_end());
        Ok(Some((why.to_owned(), front)))
    }

    /// Books one payment that no call has brought.
    async fn book_row(
        &self,
        of: &Booking,
        seq: &str,
        row: &Theirs,
        said: &Said,
    ) -> Result<Result<Outcome, Unbooked>, StoreError> {
        if serial("seq", seq).is_err() {
            return Ok(Err(Unbooked::new("its serial is none")));
        }
        let bill = BillNo::parse(&row.bill_no).filter(|_| row.amount_fen > 0);
        let Some(bill) = bill else {
            return Ok(Err(Unbooked::new("no bill of ours, or no money")));
        };
        if self.newest_due(&bill).await?.is_none() {
            return Ok(Err(Unbooked::new("no bill of ours")));
        }
        let Some((before, called)) = self.before(of, seq).await? else {
            return Ok(Err(Unbooked::new("taken on another day")));
        };
        let (name, what) = (told_seq(seq), (seq, &row.bill_no, row.amount_fen));
        let told = (Verb::Told, content(Verb::Told, &what));
        let claimed = self
            .claim(&of.institution, &name, told, bill.bucket)
            .await?;
        let Claimed::Here(bucket) = claimed else {
            return Ok(Err(Unbooked::new("told otherwise before")));
        };
        let front = of.front(called, row);
        let (inst, day) = (&of.institution, of.file.day);
        let caller = Platform::caller(inst, Some(front), told, &name, day, bucket);
        let paid_at = of.moment(said);
        for _ in 0..PRICINGS_MAX {
            let quote = match self.newest_due(&bill).await? {
                Some(due) => self.price_of_money(due, paid_at, front.code()).await?,
                None => None,
            };
            let Some(quote) = quote else {
                return Ok(Err(Unbooked::new(format!("{before}, and it has no price"))));
            };
            let command = BookTold {
                caller: caller.clone(),
                quote,
                amount: Fen::new(row.amount_fen),
                paid_at,
                evidence: of.evidence(said),
                row_sealed: self
                    .keyring
                    .seal(said.text.as_bytes(), place::REQUEST, self.random()),
                before: before.clone(),
            };
            match self.submit(command).await {
                Err(StoreError::Refused(Refusal::Changed)) => {}
                decided => return decided.map(|_| Ok(Outcome::Done)),
            }
        }
        Err(StoreError::Refused(Refusal::Changed))
    }

    /// Books that a payment was undone, or its surplus given back.
    async fn take_back(
        &self,
        of: &Booking,
        seq: &str,
        said: &Said,
    ) -> Result<Result<Outcome, Unbooked>, StoreError> {
        let inst = &of.institution;
        let name = told_seq(seq);
        let (of_name, claim) = match self.known_claim(inst, &name).await? {
            Some(told) => (name, Some(told)),
            None => (seq.to_owned(), self.known_claim(inst, seq).await?),
        };
        let Some(claim) = claim.filter(|claim| matches!(claim.verb, Verb::Pay | Verb::Told)) else {
            return Ok(Ok(Outcome::Done));
        };
        let key = (claim.target, inst.inst_id.clone(), of_name.clone());
        let call: Option<BillerCall> = self.store.load(&key).await?;
        match call.map(|call| call.state) {
            // What was told first is not booked yet.
            None if claim.verb == Verb::Told => return Ok(Ok(Outcome::Later)),
            Some(CallState::Done) => {}
            Some(_) | None => return Ok(Ok(Outcome::Done)),
        }
        let back = back_seq(seq);
        let undo = (Verb::Reverse, content(Verb::Reverse, &(seq, &of_name)));
        let claimed = self.claim(inst, &back, undo, claim.target).await?;
        let Claimed::Here(bucket) = claimed else {
            return Ok(Ok(Outcome::Done));
        };
        let command = TakeBack {
            caller: Platform::caller(inst, None, undo, &back, of.file.day, bucket),
            of: of_name,
            at: of.moment(said),
            evidence: of.evidence(said),
        };
        Ok(match self.submit(command).await? {
            Answer::Held => Err(Unbooked {
                kind: CaseKind::ForeignRefund,
                why: "undone by the file, and it stands with us".to_owned(),
            }),
            _ => Ok(Outcome::Done),
        })
    }

    /// A result file as it stands now: to each line what became of what it tells.
    pub(super) async fn result_with_ends(
        &self,
        known: &Known,
        file: &DayFile,
    ) -> Result<String, Failure> {
        let mut text = String::new();
        for (number, line) in file.result.lines().enumerate() {
            if number == 0 {
                let _ = writeln!(text, "{line}");
                continue;
            }
            let seq = line.split('|').nth(1).unwrap_or_default();
            let end = self.end_of(&known.institution, seq).await?;
            // A booked row has its receipt as any other payment.
            let receipt = if line.ends_with('|') {
                &*end.receipt_no
            } else {
                ""
            };
            let _ = writeln!(text, "{line}{receipt}|{}|{}", end.done, end.refund_no);
        }
        Ok(text)
    }

    /// What we did with what a day file tells of a serial.
    async fn end_of(&self, inst: &Institution, seq: &str) -> Result<End, StoreError> {
        let name = told_seq(seq);
        let Some(claim) = self.known_claim(inst, &name).await? else {
            let undone = self.known_claim(inst, &back_seq(seq)).await?;
            let Some(claim) = undone else {
                return Ok(End::default());
            };
            let key = (claim.target, inst.inst_id.clone(), back_seq(seq));
            let back: Option<BillerCall> = self.store.load(&key).await?;
            return Ok(back.map_or(End::default(), |_| End::of("UNDONE")));
        };
        let key = (claim.target, inst.inst_id.clone(), name);
        let call: Option<BillerCall> = self.store.load(&key).await?;
        let Some((call, channel)) = call.and_then(|call| {
            let channel = call.channel?;
            Some((call, channel))
        }) else {
            return Ok(End::default());
        };
        let receipt_no = call.attempt_no.as_ref().map(ToString::to_string);
        let key = (
            call.bucket,
            channel,
            inst.inst_id.clone(),
            seq.to_owned(),
            FactKind::Success,
        );
        let fact: Option<Fact> = self.store.load(&key).await?;
        let end = match (fact, call.order_id) {
            (Some(fact), Some(order)) if fact.premium.is_zero() => {
                let given = [call.bucket.to_value(), order.to_value()];
                let refunds: Vec<Refund> = self.store.range("by_order", &given).await?;
                let refund = refunds.into_iter().next();
                refund.map_or(End::default(), |refund| End::of_refund(&refund))
            }
            _ if call.state == CallState::Reversed => End::of("UNDONE"),
            _ => End::of("PREMIUM"),
        };
        Ok(End {
            receipt_no: receipt_no.unwrap_or_default(),
            ..end
        })
    }
}

/// What we did with a row, as the result file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct End {
    done: &'static str,
    receipt_no: String,
    refund_no: String,
}

impl End {
    fn of(done: &'static str) -> End {
        End {
            done,
            ..End::default()
        }
    }

    fn of_refund(refund: &Refund) -> End {
        let done = match refund.state {
            RefundState::Held | RefundState::Requested => "HELD",
            RefundState::Approved
            | RefundState::Sent
            | RefundState::Unknown
            | RefundState::Manual => "GIVE_BACK",
            RefundState::Done => "RETURNED",
            RefundState::Cancelled => "PREMIUM",
        };
        End {
            refund_no: refund.refund_no.to_string(),
            ..End::of(done)
        }
    }
}
