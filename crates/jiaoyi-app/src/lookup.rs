//! Looking a person up by name, document and region, without telling a guesser anything.
//!
//! There is one code path. It always reads a document, a person, that person's dues and prices: for
//! an unknown document those of a decoy, a real row that is nobody's answer. Only at the end is it
//! decided whether what was read may be shown.

use crate::bills::BillRef;
use crate::platform::Platform;
use crate::portal::{FieldProblem, LookupAnswer, LookupRequest, Visitor};
use jiaoyi_domain::due::{Due, PersonId};
use jiaoyi_domain::person::{Document, DocumentError, DocumentKind, NameError, PersonName};
use jiaoyi_domain::record::{Column, Record, Value};
use jiaoyi_domain::roster::Person;
use jiaoyi_domain::{Bucket, Date};
use jiaoyi_store::{StoreError, View};
use std::collections::BTreeMap;

/// What was typed, in the form in which it is compared.
pub(crate) struct Typed {
    pub name: PersonName,
    pub document: Document,
    pub region: String,
}

/// What a document number that cannot be right is told.
fn document_problem(error: &DocumentError, text: &str) -> FieldProblem {
    match error {
        DocumentError::Empty => FieldProblem::DocumentMissing,
        DocumentError::FirstGeneration => FieldProblem::DocumentLength { typed: 15 },
        DocumentError::Length { .. } => {
            let typed = text
                .chars()
                .filter(|c| !c.is_whitespace() && *c != '-')
                .count();
            FieldProblem::DocumentLength {
                typed: u8::try_from(typed).unwrap_or(u8::MAX),
            }
        }
        DocumentError::Character { .. } => FieldProblem::DocumentCharacters,
        DocumentError::Checksum { .. } => FieldProblem::DocumentChecksum,
        DocumentError::BirthDate { .. } | DocumentError::FutureBirth => {
            FieldProblem::DocumentBirthDate
        }
        DocumentError::OtherKind { .. } | DocumentError::Shape { .. } => {
            FieldProblem::DocumentShape
        }
    }
}

impl Platform {
    pub(crate) fn read_lookup(
        &self,
        request: &LookupRequest,
        today: Date,
    ) -> Result<Typed, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let name = PersonName::parse(&request.name).map_err(|error| match error {
            NameError::Empty => FieldProblem::NameMissing,
            NameError::TooLong { .. } => FieldProblem::NameTooLong,
            NameError::Control { .. } | NameError::Lost { .. } | NameError::Sign { .. } => {
                FieldProblem::NameShape
            }
        });
        let document = match DocumentKind::from_code(&request.document_kind) {
            None => Err(FieldProblem::DocumentKind),
            Some(kind) => Document::parse(kind, &request.document, today)
                .map_err(|error| document_problem(&error, &request.document)),
        };
        let region = match self.regions.get(&request.region) {
            Some(region) if region.held_on(today) => Ok(region.code().to_owned()),
            Some(_) | None => Err(FieldProblem::RegionUnknown),
        };
        match (name, document, region) {
            (Ok(name), Ok(document), Ok(region)) => Ok(Typed {
                name,
                document,
                region,
            }),
            (name, document, region) => {
                problems.extend(name.err());
                problems.extend(document.err());
                problems.extend(region.err());
                Err(problems)
            }
        }
    }

    /// The person of this document, or of the next one in key order, and whether it is the very one.
    ///
    /// Keys are keyed hashes, so the next one belongs to anybody: a fixed decoy would be found
    /// faster, because its rows would always lie in the processor's caches.
    pub(crate) async fn nearest(
        &self,
        view: &View<'_>,
        bucket: Bucket,
        doc_hmac: [u8; 32],
    ) -> Result<(bool, (Bucket, PersonId)), StoreError> {
        let given = [bucket.to_value(), doc_hmac.to_value()];
        let mut found = Vec::new();
        // A distributed database looks in the bucket alone, so behind its last one comes its first.
        for (bucket, from) in [(bucket, doc_hmac), (bucket, [0; 32]), Default::default()] {
            let from = [bucket.to_value(), from.to_value()];
            found = view.query("nearest_document", &from).await?;
            if !found.is_empty() {
                break;
            }
        }
        let nobody = (false, (Bucket::default(), PersonId([0; 16])));
        let Some([at, hmac, person_bucket, person]) = found
            .into_iter()
            .next()
            .and_then(|row| <[Value; 4]>::try_from(row).ok())
        else {
            return Ok(nobody);
        };
        let is_it = at == given[0] && hmac == given[1];
        let person = Bucket::from_value(person_bucket).zip(PersonId::from_value(person));
        Ok(person.map_or(nobody, |person| (is_it, person)))
    }

    /// Whether the region a payer chose is the one of the revision, or lies in its pooling region.
    pub(crate) fn region_fits(&self, chosen: &str, insured: &str) -> bool {
        chosen == insured
            || self
                .regions
                .ancestors(chosen)
                .iter()
                .any(|region| region.code() == insured)
    }

    /// Looks up; see the module's header for what is the same for everybody.
    pub(crate) async fn look_up(
        &self,
        visitor: &Visitor,
        request: &LookupRequest,
    ) -> Result<LookupAnswer, StoreError> {
        let now = self.now();
        let typed = match self.read_lookup(request, now.date()) {
            Ok(typed) => typed,
            Err(problems) => return Ok(LookupAnswer::Invalid(problems)),
        };
        if let Some(wait) = self.limits.lookup(&visitor.device, &visitor.ip, now) {
            return Ok(LookupAnswer::RateLimited {
                retry_after_s: wait,
            });
        }
        let kind = typed.document.kind().code();
        let text = typed.document.index_text();
        let bucket = self.keyring.bucket_of(kind, &text);
        let doc_hmac = self.keyring.doc_hmac(kind, &text);
        let name_hmac = self.keyring.name_hmac(&typed.name.index_text());
        let view = self.store.view().await?;
        let (known, person_key) = self.nearest(&view, bucket, doc_hmac).await?;
        let person: Option<Person> = view.load(&person_key).await?;
        let named = person.is_some_and(|person| constant_eq(&person.name_hmac, &name_hmac));
        let bills = self.bills_of(&view, visitor, person_key, &typed).await?;
        let shown: Vec<_> = bills.into_iter().filter(|_| known & named).collect();
        self.limits.outcome(&visitor.device, shown.is_empty(), now);
        Ok(if shown.is_empty() {
            LookupAnswer::Miss
        } else {
            LookupAnswer::Found(shown)
        })
    }

    async fn bills_of(
        &self,
        view: &View<'_>,
        visitor: &Visitor,
        person: (Bucket, PersonId),
        typed: &Typed,
    ) -> Result<Vec<crate::portal::BillView>, StoreError> {
        let now = self.now();
        let given = [person.0.to_value(), person.1.to_value()];
        let dues: Vec<Due> = view.range("by_person", &given).await?;
        let mut newest: BTreeMap<i16, Due> = BTreeMap::new();
        for due in dues {
            let entry = newest
                .entry(due.benefit_year)
                .or_insert_with(|| due.clone());
            if due.generation > entry.generation {
                *entry = due;
            }
        }
        let masked = typed.document.masked();
        let mut bills = Vec::new();
        for due in newest.into_values() {
            let key = due.key();
            let Some(priced) = self.priced(view, due, now, None).await? else {
                continue;
            };
            let reference = BillRef::new(
                &key,
                now,
                visitor,
                typed.name.expose().to_owned(),
                masked.as_str().to_owned(),
                typed.region.clone(),
            );
            let bill = self.bill_view(view, visitor, &priced, &reference).await?;
            // Compared last, so that a wrong region costs what a right one does.
            if self.region_fits(&typed.region, &priced.revision.region) {
                bills.push(bill);
            }
        }
        Ok(bills)
    }
}

/// Compares all bytes, whatever the first ones say.
pub(crate) fn constant_eq(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0u8, |sum, (x, y)| sum | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences do not cancel each other.
    #[test]
    fn hashes_are_equal_only_when_every_byte_is() {
        let one = [7; 32];
        assert!(constant_eq(&one, &one));
        for place in 0..32 {
            let mut other = one;
            other[place] ^= 1;
            assert!(!constant_eq(&one, &other), "{place}");
            other[31 - place] ^= 1;
            assert!(!constant_eq(&one, &other), "{place}");
        }
    }

    #[test]
    fn what_was_typed_is_counted_without_blanks_and_hyphens() {
        let error = DocumentError::Length { got: 17, want: 18 };
        let problem = document_problem(&error, "110105-1949 1231-002");
        assert_eq!(problem, FieldProblem::DocumentLength { typed: 17 });
    }
}
