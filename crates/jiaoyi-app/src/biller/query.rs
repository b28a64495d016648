//! `query`: what somebody owes, on the one path that look-ups take, so that it tells a guesser
//! nothing.

use super::auth::Known;
use super::{BillerReply, Failure, front_end, json};
use crate::lookup::constant_eq;
use crate::platform::Platform;
use crate::portal::{FieldProblem, LookupRequest};
use crate::pricing::{Priced, item_names};
use jiaoyi_domain::biller::BillNo;
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::{Bill, ItemOf, LockedBy, PaidBy, Queried, Query};
use jiaoyi_domain::due::{Due, DueState, PersonId, Slot};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::institution::holder;
use jiaoyi_domain::policy::Phase;
use jiaoyi_domain::record::{Column, Record};
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::time::MINUTE_MS;
use jiaoyi_domain::{Bucket, Instant};
use jiaoyi_store::{StoreError, View};
use std::collections::BTreeMap;

/// How long a query token may be handed back.
pub(super) const TOKEN_MS: i64 = 10 * MINUTE_MS;

const PURPOSE: &str = "biller query";

/// What a query token holds; sealed, so nothing of it has to be kept.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Token {
    inst_id: String,
    at_ms: i64,
    pub relation: String,
    bills: Vec<String>,
}

/// Which field of a query is wrong.
fn field_of(problem: &FieldProblem) -> &'static str {
    match problem {
        FieldProblem::NameMissing | FieldProblem::NameTooLong | FieldProblem::NameShape => "name",
        FieldProblem::DocumentKind => "id_type",
        FieldProblem::RegionUnknown => "pooling_region",
        FieldProblem::DocumentMissing
        | FieldProblem::DocumentLength { .. }
        | FieldProblem::DocumentCharacters
        | FieldProblem::DocumentChecksum
        | FieldProblem::DocumentBirthDate
        | FieldProblem::DocumentShape => "id_no",
    }
}

/// Whether a payer who stands so to the insured may pay through this front end.
pub(super) fn relation_allowed(front: FrontEnd, relation: &str) -> Result<(), Failure> {
    let row = front.capability();
    match relation {
        "self" if row.own => Ok(()),
        "other" if row.other => Ok(()),
        "self" | "other" => Err(Failure::not_allowed("relation")),
        _ => Err(Failure::bad("relation", "self or other")),
    }
}

impl Platform {
    /// The token behind a text, when it is this institution's, was fresh at `at`, and lists the
    /// bill.
    pub(super) fn open_query_token(
        &self,
        known: &Known,
        text: &str,
        bill: &BillNo,
        at: Instant,
    ) -> Result<Token, Failure> {
        let message = "the query_token is not ours, too old, or for other bills";
        let invalid = || Failure::new(ErrorCode::TokenInvalid, message);
        let opened = self
            .keyring
            .open_token(text, PURPOSE)
            .map_err(|_| invalid())?;
        let token: Token = serde_json::from_slice(&opened).map_err(|_| invalid())?;
        let age = at.since_ms(Instant(token.at_ms));
        let fits = token.inst_id == known.institution.inst_id
            && age <= TOKEN_MS
            && token.bills.contains(&bill.to_string());
        fits.then_some(token).ok_or_else(invalid)
    }

    /// Answers `query`.
    pub(super) async fn biller_query(
        &self,
        known: &Known,
        query: Query,
    ) -> Result<BillerReply, Failure> {
        let front = front_end(known, &query.channel)?;
        relation_allowed(front, &query.relation)?;
        let now = self.now();
        let request = LookupRequest {
            name: query.name,
            document_kind: query.id_type,
            document: query.id_no,
            region: query.pooling_region,
        };
        let typed = self.read_lookup(&request, now.date()).map_err(|problems| {
            let field = problems.first().map_or("body", field_of);
            Failure::bad(field, "it cannot be right")
        })?;
        let kind = typed.document.kind().code();
        let text = typed.document.index_text();
        let doc_hmac = self.keyring.doc_hmac(kind, &text);
        let inst = known.institution.inst_id.as_bytes();
        if let Some(wait) = self.limits.biller_query(inst, &doc_hmac, now) {
            return Err(Failure::limited(wait));
        }
        let bucket = self.keyring.bucket_of(kind, &text);
        let name_hmac = self.keyring.name_hmac(&typed.name.index_text());
        let view = self.store.view().await?;
        let (is_it, person_key) = self.nearest(&view, bucket, doc_hmac).await?;
        let person: Option<Person> = view.load(&person_key).await?;
        let named = person
            .as_ref()
            .is_some_and(|person| constant_eq(&person.name_hmac, &name_hmac));
        let bills = self.biller_bills(&view, known, person_key, front).await?;
        let wanted = |bill: &(String, Bill)| {
            let year = query
                .benefit_year
                .is_none_or(|year| year == bill.1.benefit_year);
            // Compared last, so that a wrong region costs what a right one does.
            year & self.region_fits(&typed.region, &bill.0) & is_it & named
        };
        let (shown, hidden): (Vec<_>, Vec<_>) = bills.into_iter().partition(wanted);
        let found = !shown.is_empty();
        self.limits.outcome(&holder(inst), !found, now);
        // Made for a decoy too, and thrown away: an answer takes its time whatever it says.
        let listed = if found { shown } else { hidden };
        let bills = listed.into_iter().map(|bill| bill.1).collect();
        let answer = self.queried(known, query.relation, person, bills);
        if found {
            return Ok(answer);
        }
        let message = "没有找到符合条件的应缴记录，请核对姓名、证件号码和统筹区。 Nothing is owed \
                       under exactly this name, document and region.";
        Err(Failure::new(ErrorCode::NoSuchPerson, message))
    }

    fn queried(
        &self,
        known: &Known,
        relation: String,
        person: Option<Person>,
        bills: Vec<Bill>,
    ) -> BillerReply {
        let now = self.now();
        let token = Token {
            inst_id: known.institution.inst_id.clone(),
            at_ms: now.0,
            relation,
            bills: bills.iter().map(|bill| bill.bill_no.clone()).collect(),
        };
        let token = serde_json::to_vec(&token).unwrap_or_default();
        let masked = |of: fn(&Person) -> &String| person.as_ref().map(of).cloned();
        json(
            200,
            &Queried {
                query_token: self.keyring.seal_token(&token, PURPOSE, self.random()),
                token_expires_at: now.plus_ms(TOKEN_MS).rfc3339(),
                name_masked: masked(|row| &row.name_masked).unwrap_or_default(),
                document_masked: masked(|row| &row.document_masked).unwrap_or_default(),
                bills,
            },
        )
    }

    /// The bills of a person, each with the region of its price; for a decoy those of somebody.
    async fn biller_bills(
        &self,
        view: &View<'_>,
        known: &Known,
        person: (Bucket, PersonId),
        front: FrontEnd,
    ) -> Result<Vec<(String, Bill)>, StoreError> {
        let given = [person.0.to_value(), person.1.to_value()];
        let dues: Vec<Due> = view.range("by_person", &given).await?;
        let mut newest: BTreeMap<i16, Due> = BTreeMap::new();
        for due in dues {
            let older = newest.get(&due.benefit_year);
            if older.is_none_or(|older| older.generation < due.generation) {
                newest.insert(due.benefit_year, due);
            }
        }
        let mut bills = Vec::new();
        for due in newest.into_values() {
            let slot: Option<Slot> = view.load(&due.key()).await?;
            let priced = self
                .priced(view, due, self.now(), Some(front.code()))
                .await?;
            if let Some(priced) = priced {
                let slot = slot.filter(Slot::is_live);
                let bill = self.biller_bill(known, &priced, slot.as_ref());
                bills.push((priced.revision.region.clone(), bill));
            }
        }
        Ok(bills)
    }

    fn biller_bill(&self, known: &Known, priced: &Priced, slot: Option<&Slot>) -> Bill {
        let due = &priced.due;
        let now = self.now();
        let pack = priced.pack.pack();
        let locked = due.state == DueState::Locked && !due.lock_is_over(now);
        let status = match (slot, priced.phase) {
            (Some(_), _) => "PAID",
            (None, _) if priced.is_void() || due.state == DueState::Returned => "WITHDRAWN",
            (None, Phase::NotYet { .. }) => "NOT_YET",
            (None, Phase::Closed { .. }) => "CLOSED",
            (None, _) if locked => "LOCKED",
            (None, Phase::Resting { .. }) => "NOT_YET",
            (None, _) if priced.price.own.is_zero() => "NOTHING_TO_PAY",
            (None, Phase::InWindow { .. } | Phase::Late { .. }) => "PAYABLE",
        };
        let opens_at = priced.phase.opens().filter(|_| status == "NOT_YET");
        let items = priced.price.items.iter().map(|part| ItemOf {
            code: part.item.code().to_owned(),
            name: item_names(part.item.code()).0,
            amount_fen: part.amount.get(),
        });
        let own = holder(known.institution.inst_id.as_bytes());
        let bill_no = BillNo {
            bucket: due.bucket,
            due_id: due.due_id,
        };
        let category = pack.category(&priced.revision.category);
        Bill {
            bill_no: bill_no.to_string(),
            benefit_year: due.benefit_year,
            scheme: due.scheme.code().to_owned(),
            region: priced.revision.region.clone(),
            category: priced.revision.category.clone(),
            category_name: category.map_or(String::new(), |named| named.name_zh.clone()),
            amount_fen: slot.map_or(priced.price.own, |slot| slot.own).get(),
            gross_fen: slot.map_or(priced.price.gross, |slot| slot.gross).get(),
            items: items.collect(),
            due_to: priced.phase.due_to().to_string(),
            benefit_first: priced.benefit_first.to_string(),
            benefit_last: priced.benefit_last.to_string(),
            status: status.to_owned(),
            lock: locked.then(|| LockedBy {
                channel: due
                    .lock_channel
                    .map_or("", |channel| channel.code())
                    .to_owned(),
                until: due.lock_until.unwrap_or(now).rfc3339(),
                mine: due.lock_holder == Some(own),
            }),
            paid: slot.map(|slot| PaidBy {
                channel: slot
                    .fact_channel
                    .map_or("", |channel| channel.code())
                    .to_owned(),
                at: slot.accepted_at.rfc3339(),
            }),
            opens_at: opens_at.map(Instant::rfc3339),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_front_end_takes_payers_as_its_row_says() {
        for front in FrontEnd::ALL {
            let row = front.capability();
            for (relation, allowed) in [("self", row.own), ("other", row.other)] {
                let told = relation_allowed(*front, relation)
                    .err()
                    .map(|failure| failure.code);
                let refused = (!allowed).then_some(ErrorCode::ChannelNotAllowed);
                assert_eq!(told, refused, "{front:?} {relation}");
            }
            let told = relation_allowed(*front, "cousin").err();
            assert_eq!(
                told.map(|failure| failure.code),
                Some(ErrorCode::BadRequest)
            );
        }
        let one_alone = |front: &FrontEnd| {
            let row = front.capability();
            row.own != row.other
        };
        assert!(FrontEnd::ALL.iter().any(one_alone), "some allow one alone");
    }
}
