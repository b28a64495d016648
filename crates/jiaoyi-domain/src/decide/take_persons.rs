//! A roster that counts gives the persons it names their names and phones.

use super::{Answer, Command, Context, Refusal};
use crate::due::RosterId;
use crate::needs::Needs;
use crate::record::Record;
use crate::roster::{Document, Person, Roster, RosterState};
use crate::working_set::WorkingSet;

/// How a roster writes a person's name, and where it says that a notice goes.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The document that names the person.
    pub document: <Document as Record>::Key,
    pub name_sealed: Vec<u8>,
    pub name_hmac: [u8; 32],
    pub name_masked: String,
    pub phone_sealed: Option<Vec<u8>>,
}

/// Whether the person behind a document is known under another name, or without a phone although
/// there is one. A phone that is known is kept: sealed, it cannot be compared.
pub(super) fn known_otherwise(
    ws: &WorkingSet,
    document: &<Document as Record>::Key,
    name_hmac: &[u8; 32],
    has_phone: bool,
) -> bool {
    person(ws, document).is_some_and(|person| {
        person.name_hmac != *name_hmac || person.phone_sealed.is_none() && has_phone
    })
}

fn person<'w>(ws: &'w WorkingSet, document: &<Document as Record>::Key) -> Option<&'w Person> {
    let document = ws.document.get(document)?;
    ws.person.get(&(document.person_bucket, document.person_id))
}

/// Takes the names and missing phones of an active roster.
pub struct TakePersons {
    pub roster_id: RosterId,
    pub contacts: Vec<Contact>,
}

impl Command for TakePersons {
    fn kind(&self) -> &'static str {
        "take_persons"
    }

    fn actor(&self) -> String {
        "job:import".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        needs.key::<Roster>(&(self.roster_id.0,));
        for contact in &self.contacts {
            needs.key::<Document>(&contact.document);
            if let Some(document) = ws.document.get(&contact.document) {
                let person = (document.person_bucket, document.person_id);
                needs.key::<Person>(&person);
            }
        }
    }

    /// Answers with the places of the contacts whose person had another name.
    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let roster = ws.roster.get(&(self.roster_id.0,));
        if roster.is_none_or(|roster| roster.state != RosterState::Active) {
            return Err(Refusal::WrongState);
        }
        let mut renamed = Vec::new();
        for (place, contact) in (0..).zip(&self.contacts) {
            let phone = contact.phone_sealed.is_some();
            if !known_otherwise(ws, &contact.document, &contact.name_hmac, phone) {
                continue;
            }
            let Some(mut person) = person(ws, &contact.document).cloned() else {
                continue;
            };
            if person.name_hmac != contact.name_hmac {
                person.name_sealed.clone_from(&contact.name_sealed);
                person.name_hmac = contact.name_hmac;
                person.name_masked.clone_from(&contact.name_masked);
                renamed.push(place);
            }
            if person.phone_sealed.is_none() {
                person.phone_sealed.clone_from(&contact.phone_sealed);
            }
            ws.person.put(person);
        }
        Ok(Answer::Renamed { places: renamed })
    }
}
