//! A roster on its way in: opened, read, published slice by slice, activated in one row.

use super::take_persons::known_otherwise;
use super::{Answer, Command, Contact, Context, DueKey, Refusal};
use crate::due::{Due, DueId, DueState, PersonId, Revision, RevisionKind, RosterId, Scheme, Slot};
use crate::id::Bucket;
use crate::money::Fen;
use crate::needs::Needs;
use crate::record::Record;
use crate::roster::{Document, Person, Roster, RosterState, roster_may_go};
use crate::working_set::WorkingSet;

/// Opens a roster; an older serial of the same source is refused unless a checker confirms.
pub struct OpenRoster {
    pub roster: Roster,
    pub older_confirmed: bool,
}

impl Command for OpenRoster {
    fn kind(&self) -> &'static str {
        "open_roster"
    }

    fn actor(&self) -> String {
        "staff:cli".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Roster>(&self.roster.key());
        of_source(needs, &self.roster);
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let new = &self.roster;
        if ws.roster.get(&new.key()).is_some() {
            return Ok(Answer::Already);
        }
        if !self.older_confirmed {
            not_older(ws, new)?;
        }
        ws.roster.put(new.clone());
        Ok(Answer::Done)
    }
}

/// All rosters of the same source, region and year.
fn of_source(needs: &mut Needs<'_>, roster: &Roster) {
    let (source, region) = (roster.source.clone(), roster.region.clone());
    needs.range::<Roster>("by_source", &(source, region, roster.benefit_year));
}

/// The serial of a roster among `rows` that counts and is newer than `new`: of the same source,
/// region and year, with a higher serial, or with the same one and opened later.
pub fn newer_serial<'r>(rows: impl IntoIterator<Item = &'r Roster>, new: &Roster) -> Option<i64> {
    let newer = rows.into_iter().filter(|row| {
        row.state == RosterState::Active
            && row.source == new.source
            && row.region == new.region
            && row.benefit_year == new.benefit_year
            && (row.serial, row.created_at) > (new.serial, new.created_at)
    });
    newer.map(|row| row.serial).max()
}

/// Refuses a roster when a newer one of its source counts already.
fn not_older(ws: &WorkingSet, new: &Roster) -> Result<(), Refusal> {
    match newer_serial(ws.roster.iter(), new) {
        Some(known) => Err(Refusal::OlderSerial { known }),
        None => Ok(()),
    }
}

/// Moves a roster on, with its counts.
pub struct StagedToPublishing {
    pub roster_id: RosterId,
    pub rows_read: i64,
    pub rows_good: i64,
    pub rows_bad: i64,
}

fn move_to(ws: &WorkingSet, id: RosterId, to: RosterState) -> Result<Roster, Refusal> {
    let mut roster = ws
        .roster
        .get(&(id.0,))
        .cloned()
        .ok_or(Refusal::NotFound { what: "roster" })?;
    if !roster_may_go(roster.state, to) {
        return Err(Refusal::WrongState);
    }
    roster.state = to;
    Ok(roster)
}

impl Command for StagedToPublishing {
    fn kind(&self) -> &'static str {
        "publish_roster"
    }

    fn actor(&self) -> String {
        "job:import".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Roster>(&(self.roster_id.0,));
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let mut roster = move_to(ws, self.roster_id, RosterState::Publishing)?;
        roster.rows_read = self.rows_read;
        roster.rows_good = self.rows_good;
        roster.rows_bad = self.rows_bad;
        ws.roster.put(roster);
        Ok(Answer::Done)
    }
}

/// Gives a roster up: nothing of it counts.
pub struct RejectRoster {
    pub roster_id: RosterId,
}

impl Command for RejectRoster {
    fn kind(&self) -> &'static str {
        "reject_roster"
    }

    fn actor(&self) -> String {
        "job:import".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        needs.key::<Roster>(&(self.roster_id.0,));
    }

    fn decide(&self, ws: &mut WorkingSet, _ctx: &mut Context) -> Result<Answer, Refusal> {
        let roster = move_to(ws, self.roster_id, RosterState::Rejected)?;
        ws.roster.put(roster);
        Ok(Answer::Done)
    }
}

/// Makes all revisions of a roster count, by one conditional row.
pub struct ActivateRoster {
    pub roster_id: RosterId,
    /// Rows that were published, as the importer counted them: must be all good rows.
    pub rows_published: i64,
    /// A checker confirmed that an older serial is meant. Otherwise a newer one that was activated
    /// since this one was opened refuses it.
    pub older_confirmed: bool,
}

impl Command for ActivateRoster {
    fn kind(&self) -> &'static str {
        "activate_roster"
    }

    fn actor(&self) -> String {
        "job:import".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        let key = (self.roster_id.0,);
        needs.key::<Roster>(&key);
        if let Some(roster) = ws.roster.get(&key) {
            of_source(needs, roster);
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let mut roster = move_to(ws, self.roster_id, RosterState::Active)?;
        if !self.older_confirmed {
            not_older(ws, &roster)?;
        }
        if roster.rows_good != self.rows_published {
            return Err(Refusal::WrongState);
        }
        roster.rows_published = self.rows_published;
        roster.activated_at = Some(ctx.at);
        ws.roster.put(roster);
        Ok(Answer::Done)
    }
}

/// One good row of a roster, sealed and priced.
#[derive(Clone, Debug)]
pub struct SliceRow {
    pub bucket: Bucket,
    pub doc_hmac: [u8; 32],
    pub document_kind: String,
    pub number_sealed: Vec<u8>,
    pub document_masked: String,
    pub name_sealed: Vec<u8>,
    pub name_hmac: [u8; 32],
    pub name_masked: String,
    pub birthday_hmac: Option<[u8; 32]>,
    pub phone_sealed: Option<Vec<u8>>,
    pub benefit_year: i16,
    pub kind: RevisionKind,
    pub void_cause: Option<String>,
    pub region: String,
    pub category: String,
    pub tier: String,
    pub aids: String,
    pub items: String,
    pub subsidies: String,
    pub own: Fen,
    pub gross: Fen,
    pub late_own: Option<Fen>,
    pub policy_version: String,
}

impl SliceRow {
    /// What the row says of the person's name and phone.
    #[must_use]
    pub fn contact(&self) -> Contact {
        Contact {
            document: PublishSlice::document_key(self),
            name_sealed: self.name_sealed.clone(),
            name_hmac: self.name_hmac,
            name_masked: self.name_masked.clone(),
            phone_sealed: self.phone_sealed.clone(),
        }
    }
}

/// Publishes some rows of a roster: persons, documents, dues and revisions, all in one bucket range.
pub struct PublishSlice {
    pub roster_id: RosterId,
    pub rows: Vec<SliceRow>,
}

/// What became of one row.
enum Published {
    Appended,
    Same,
    Paid,
}

impl PublishSlice {
    fn document_key(row: &SliceRow) -> <Document as Record>::Key {
        (row.bucket, row.doc_hmac)
    }

    /// The newest generation of the person's due for the year.
    fn due_of(ws: &WorkingSet, bucket: Bucket, person: PersonId, year: i16) -> Option<Due> {
        let due_id = DueId::of(person, Scheme::ResidentMedical, year);
        ws.due
            .iter()
            .filter(|due| due.bucket == bucket && due.due_id == due_id)
            .max_by_key(|due| due.generation)
            .cloned()
    }

    /// The person of a row. Somebody known keeps name and phone: a roster that does not count yet
    /// may not change them, see [`super::TakePersons`].
    fn person(&self, ws: &mut WorkingSet, ctx: &mut Context, row: &SliceRow) -> (Bucket, PersonId) {
        if let Some(document) = ws.document.get(&PublishSlice::document_key(row)) {
            return (document.person_bucket, document.person_id);
        }
        let person_id = PersonId(ctx.ids.id16());
        ws.person.put(Person {
            bucket: row.bucket,
            person_id,
            name_sealed: row.name_sealed.clone(),
            name_hmac: row.name_hmac,
            name_masked: row.name_masked.clone(),
            document_masked: row.document_masked.clone(),
            birthday_hmac: row.birthday_hmac,
            phone_sealed: row.phone_sealed.clone(),
            merged_into: None,
            created_at: ctx.at,
            version: 1,
        });
        ws.document.put(Document {
            bucket: row.bucket,
            doc_hmac: row.doc_hmac,
            person_bucket: row.bucket,
            person_id,
            kind: row.document_kind.clone(),
            number_sealed: row.number_sealed.clone(),
            added_at: ctx.at,
        });
        (row.bucket, person_id)
    }

    fn publish(&self, ws: &mut WorkingSet, ctx: &mut Context, row: &SliceRow) -> Published {
        let (bucket, person_id) = self.person(ws, ctx, row);
        let known = PublishSlice::due_of(ws, bucket, person_id, row.benefit_year);
        if let Some(due) = &known {
            // A paid due is never changed by a roster; what differs is reported by the importer.
            if due.state == DueState::Paid {
                return Published::Paid;
            }
            if self.is_same(ws, &due.key(), row) {
                return Published::Same;
            }
        }
        let mut due = known.unwrap_or(Due {
            bucket,
            due_id: DueId::of(person_id, Scheme::ResidentMedical, row.benefit_year),
            generation: 1,
            person_id,
            scheme: Scheme::ResidentMedical,
            benefit_year: row.benefit_year,
            state: DueState::Draft,
            revision_last: 0,
            lock_order: None,
            lock_order_bucket: None,
            lock_holder: None,
            lock_channel: None,
            lock_at: None,
            lock_until: None,
            lock_lapses: 0,
            paid_at: None,
            version: 1,
        });
        let revision_no = due.revision_last.saturating_add(1);
        due.revision_last = revision_no;
        ws.revision.put(Revision {
            bucket,
            due_id: due.due_id,
            generation: due.generation,
            revision_no,
            roster_id: self.roster_id,
            kind: row.kind,
            region: row.region.clone(),
            category: row.category.clone(),
            tier: row.tier.clone(),
            aids: row.aids.clone(),
            items: row.items.clone(),
            subsidies: row.subsidies.clone(),
            own: row.own,
            gross: row.gross,
            late_own: row.late_own,
            void_cause: row.void_cause.clone(),
            policy_version: row.policy_version.clone(),
            created_at: ctx.at,
        });
        ws.due.put(due);
        Published::Appended
    }

    /// Whether the newest revision that counts, or one of this very roster, says the same.
    fn is_same(&self, ws: &WorkingSet, key: &DueKey, row: &SliceRow) -> bool {
        let of_this = super::revisions(ws, key).any(|known| known.roster_id == self.roster_id);
        let counts = super::current_revision(ws, key);
        of_this
            || counts.is_some_and(|known| {
                known.kind == row.kind
                    && known.region == row.region
                    && known.category == row.category
                    && known.tier == row.tier
                    && known.aids == row.aids
                    && known.items == row.items
                    && known.subsidies == row.subsidies
                    && known.own == row.own
                    && known.gross == row.gross
                    && known.late_own == row.late_own
                    && known.policy_version == row.policy_version
                    && known.void_cause == row.void_cause
            })
    }
}

impl Command for PublishSlice {
    fn kind(&self) -> &'static str {
        "publish_slice"
    }

    fn actor(&self) -> String {
        "job:import".to_owned()
    }

    fn needs(&self, needs: &mut Needs<'_>) {
        let ws = needs.loaded();
        needs.key::<Roster>(&(self.roster_id.0,));
        for row in &self.rows {
            let key = PublishSlice::document_key(row);
            needs.key::<Document>(&key);
            let Some(document) = ws.document.get(&key) else {
                continue;
            };
            let (bucket, person) = (document.person_bucket, document.person_id);
            needs.key::<Person>(&(bucket, person));
            needs.range::<Due>("by_person", &(bucket, person));
            if let Some(due) = PublishSlice::due_of(ws, bucket, person, row.benefit_year) {
                let key = due.key();
                needs.range::<Revision>("by_due", &key);
                needs.key::<Slot>(&key);
                for revision in super::revisions(ws, &key) {
                    needs.key::<Roster>(&(revision.roster_id.0,));
                }
            }
        }
    }

    fn decide(&self, ws: &mut WorkingSet, ctx: &mut Context) -> Result<Answer, Refusal> {
        let roster = ws
            .roster
            .get(&(self.roster_id.0,))
            .ok_or(Refusal::NotFound { what: "roster" })?;
        if roster.state != RosterState::Publishing {
            return Err(Refusal::WrongState);
        }
        let (mut appended, mut same, mut paid) = (0u32, 0u32, 0u32);
        let mut outdated = 0u32;
        for row in &self.rows {
            let document = PublishSlice::document_key(row);
            let phone = row.phone_sealed.is_some();
            let otherwise = known_otherwise(ws, &document, &row.name_hmac, phone);
            outdated = outdated.saturating_add(u32::from(otherwise));
            let count = match self.publish(ws, ctx, row) {
                Published::Appended => &mut appended,
                Published::Same => &mut same,
                Published::Paid => &mut paid,
            };
            *count = count.saturating_add(1);
        }
        Ok(Answer::Published {
            appended,
            same,
            paid,
            outdated,
        })
    }
}
