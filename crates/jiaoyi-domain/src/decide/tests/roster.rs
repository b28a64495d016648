//! Scenes of rosters.

use super::people::*;
use super::scene::Scene;
use crate::decide::*;
use crate::due::{Due, RevisionKind, RosterId};
use crate::money::Fen;
use crate::roster::{Document, Roster, RosterState};
use crate::time::SECOND_MS;

fn open(scene: &Scene, number: u8, serial: i64) -> OpenRoster {
    OpenRoster {
        roster: roster(number, serial, scene.at),
        older_confirmed: false,
    }
}

fn staged(number: u8, rows_good: i64) -> StagedToPublishing {
    StagedToPublishing {
        roster_id: RosterId([number; 16]),
        rows_read: rows_good + 1,
        rows_good,
        rows_bad: 1,
    }
}

fn slice(number: u8, rows: Vec<SliceRow>) -> PublishSlice {
    PublishSlice {
        roster_id: RosterId([number; 16]),
        rows,
    }
}

fn activate(number: u8, rows_published: i64) -> ActivateRoster {
    ActivateRoster {
        roster_id: RosterId([number; 16]),
        rows_published,
        older_confirmed: false,
    }
}

#[test]
fn scenes_of_a_roster() {
    let mut scene = Scene::new();
    let first = open(&scene, 1, 5);
    scene.run("opened", &first).unwrap();
    scene.run("opened again", &first).unwrap();
    let early = scene.run("activated before it is read", &activate(1, 2));
    assert_eq!(early, Err(Refusal::WrongState));
    let early = scene.run("published before it is read", &slice(1, vec![row(1)]));
    assert_eq!(early, Err(Refusal::WrongState));
    scene.run("read to the end", &staged(1, 2)).unwrap();
    let twice = scene.run("read again", &staged(1, 2));
    assert_eq!(twice, Err(Refusal::WrongState));
    let mut two = row(2);
    two.phone_sealed = Some(b"sealed phone".to_vec());
    let rows = vec![row(1), two];
    scene.run("a slice", &slice(1, rows.clone())).unwrap();
    scene.run("the same slice again", &slice(1, rows)).unwrap();
    let short = scene.run("a row is missing", &activate(1, 1));
    assert_eq!(short, Err(Refusal::WrongState));
    let early = TakePersons {
        roster_id: RosterId([1; 16]),
        contacts: vec![row(1).contact()],
    };
    let early = scene.run("it names nobody yet", &early);
    assert_eq!(early, Err(Refusal::WrongState));
    scene.wait(SECOND_MS);
    scene.run("active", &activate(1, 2)).unwrap();
    let reject = RejectRoster {
        roster_id: RosterId([1; 16]),
    };
    assert_eq!(scene.run("rejected", &reject), Err(Refusal::WrongState));
    let strange = scene.run("of no roster", &slice(7, vec![row(1)]));
    assert_eq!(strange, Err(Refusal::NotFound { what: "roster" }));
    scene.is("roster");
}

/// A second roster: what is the same, what has changed, who is named otherwise, who is paid.
#[test]
fn scenes_of_the_next_roster() {
    let mut scene = insured(vec![row(1), row(2), row(3), row(4)]);
    scene.quietly(|scene| {
        let attempt = offered(scene, 9, &[4]);
        let paid = by_query(scene, &attempt);
        scene.run("paid", &paid).unwrap();
    });
    scene.wait(SECOND_MS);
    let mut changed = row(2);
    changed.own = Fen::from_yuan(310);
    let mut renamed = row(3);
    renamed.name_hmac = [33; 32];
    renamed.name_sealed = vec![33; 6];
    "new name".clone_into(&mut renamed.name_masked);
    renamed.phone_sealed = Some(b"first phone".to_vec());
    let mut phone = row(1);
    phone.phone_sealed = Some(b"another phone".to_vec());
    let rows = vec![phone, changed, renamed, row(4), row(5)];
    let contacts: Vec<Contact> = rows.iter().map(SliceRow::contact).collect();
    scene.quietly(|scene| {
        let next = open(scene, 2, 6);
        scene.run("opened", &next).unwrap();
        scene.run("read", &staged(2, 5)).unwrap();
    });
    scene.run("a slice", &slice(2, rows)).unwrap();
    scene.wait(SECOND_MS);
    scene.run("active", &activate(2, 5)).unwrap();
    let take = TakePersons {
        roster_id: RosterId([2; 16]),
        contacts,
    };
    scene.run("names and phones", &take).unwrap();
    scene.run("once more", &take).unwrap();
    scene.is("next_roster");
}

/// Whatever a row says that the price or the voucher depends on makes it another one.
#[test]
fn any_difference_makes_a_new_revision() {
    type Change = fn(&mut SliceRow);
    let changes: [(&str, Change); 13] = [
        ("nothing", |_| {}),
        ("kind", |row| row.kind = RevisionKind::Void),
        ("region", |row| row.region.push('1')),
        ("category", |row| row.category.push('1')),
        ("tier", |row| row.tier.push('1')),
        ("aids", |row| row.aids.push('1')),
        ("items", |row| row.items.push('1')),
        ("subsidies", |row| row.subsidies.push('1')),
        ("own", |row| row.own = Fen::new(1)),
        ("gross", |row| row.gross = Fen::new(1)),
        ("late_own", |row| row.late_own = Some(Fen::new(1))),
        ("policy", |row| row.policy_version.push('1')),
        ("cause", |row| row.void_cause = Some("moved".to_owned())),
    ];
    for (what, change) in changes {
        let mut scene = insured(vec![row(1)]);
        let mut changed = row(1);
        change(&mut changed);
        publish(&mut scene, 2, vec![changed]);
        let due: Due = scene.store.all().remove(0);
        let last = if what == "nothing" { 1 } else { 2 };
        assert_eq!(due.revision_last, last, "{what}");
    }
}

/// Another document of somebody known leads to that person's newest due.
#[test]
fn a_row_finds_its_person_and_the_newest_generation() {
    let mut scene = insured(vec![row(1), row(2)]);
    let mut document: Document = scene.store.all().remove(1);
    let one = person(&scene, 1);
    (document.person_bucket, document.person_id) = (one.bucket, one.person_id);
    scene.store.set(&document);
    let mut next: Due = scene.store.all().remove(0);
    next.generation = 2;
    scene.store.set(&next);
    let mut changed = row(2);
    changed.own = Fen::from_yuan(310);
    publish(&mut scene, 2, vec![changed]);
    let dues: Vec<Due> = scene.store.all();
    let lasts: Vec<u32> = dues.iter().map(|due| due.revision_last).collect();
    assert_eq!(lasts, [1, 2, 1], "the second generation of person 1 alone");
}

#[test]
fn an_older_roster_is_refused_unless_it_is_meant() {
    let active = |serial| {
        let mut row = roster(1, serial, super::scene::START);
        row.state = RosterState::Active;
        row
    };
    type Change = fn(&mut Roster);
    let changes: [(&str, Change, bool); 7] = [
        ("the same serial, opened at once", |_| {}, false),
        ("a higher serial", |row| row.serial = 5, false),
        ("a lower serial", |row| row.serial = 3, true),
        ("opened before", |row| row.created_at.0 -= 1, true),
        ("another source", |row| row.source.push('2'), false),
        ("another region", |row| row.region.push('2'), false),
        ("another year", |row| row.benefit_year += 1, false),
    ];
    for (what, change, older) in changes {
        let mut new = roster(2, 4, super::scene::START);
        change(&mut new);
        if what.starts_with("another") {
            new.serial = 1;
        }
        let known = [active(4), active(2)];
        let found = newer_serial(&known, &new);
        assert_eq!(found, older.then_some(4), "{what}");
        let mut staging = active(4);
        staging.state = RosterState::Publishing;
        assert_eq!(newer_serial(&[staging], &new), None, "{what}");

        let mut scene = Scene::new();
        scene.store.set(&active(4));
        let mut command = OpenRoster {
            roster: new,
            older_confirmed: false,
        };
        let refusal = older.then_some(Refusal::OlderSerial { known: 4 });
        assert_eq!(scene.run("open", &command).err(), refusal, "{what}");
        command.older_confirmed = true;
        assert!(scene.run("open", &command).is_ok(), "{what}");
        // It was opened before the other became active.
        scene.run("read", &staged(2, 0)).unwrap();
        let mut command = activate(2, 0);
        assert_eq!(scene.run("activate", &command).err(), refusal, "{what}");
        if older {
            command.older_confirmed = true;
            assert!(scene.run("activate", &command).is_ok(), "{what}");
        }
    }
}
