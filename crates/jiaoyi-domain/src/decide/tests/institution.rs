//! Scenes of the keys, links and files of an institution, and of what it is told.

use super::biller::{collect, pay, release, reverse};
use super::hooks::{by, events, leased, told};
use super::people::*;
use super::scene::Scene;
use crate::biller::{DayFile, Verb};
use crate::decide::*;
use crate::hook::HookEvent;
use crate::institution::{AccessLink, InstitutionKey, Keeper, KeyScheme};
use crate::time::{HOUR_MS, Instant, MINUTE_MS};
use std::sync::Arc;

fn known(scene: &mut Scene) {
    let put = PutInstitution {
        institution: told("BANK01"),
        change: false,
    };
    assert_eq!(scene.run("a bank", &put), Ok(Answer::Done));
    assert_eq!(scene.run("once more", &put), Err(Refusal::WrongState));
}

fn key(inst_id: &str, key_id: &str) -> InstitutionKey {
    InstitutionKey {
        inst_id: inst_id.to_owned(),
        key_id: key_id.to_owned(),
        scheme: KeyScheme::Rsa,
        public_key: vec![5; 8],
        valid_from: super::scene::START,
        valid_until: None,
        version: 1,
    }
}

#[test]
fn scenes_of_keys() {
    let mut scene = Scene::new();
    known(&mut scene);
    let mut change = PutInstitution {
        institution: told("BANK01"),
        change: true,
    };
    assert_eq!(scene.run("on the same terms", &change), Ok(Answer::Already));
    change.institution.name.push('x');
    assert_eq!(scene.run("on others", &change), Ok(Answer::Done));
    let put = |inst_id: &str, by: Keeper| PutInstitutionKey {
        key: key(inst_id, "k1"),
        by,
    };
    let unknown = scene.run("of nobody", &put("BANK02", Keeper::Staff));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
    let first = put("BANK01", Keeper::Staff);
    assert_eq!(scene.run("a key", &first), Ok(Answer::Done));
    let again = put("BANK01", Keeper::Institution);
    let refused = scene.run("the same name again", &again);
    assert_eq!(refused, Err(Refusal::KeyReused));
    let revoke = |key_id: &str, by: Keeper, at: Instant| RevokeInstitutionKey {
        by,
        inst_id: "BANK01".to_owned(),
        key_id: key_id.to_owned(),
        at,
    };
    let unknown = scene.run("no such key", &revoke("k2", Keeper::Staff, scene.at));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
    let soon = scene.at.plus_ms(HOUR_MS);
    let end = revoke("k1", Keeper::Institution, soon);
    assert_eq!(scene.run("ends in an hour", &end), Ok(Answer::Done));
    let same = scene.run("the same again", &end);
    assert_eq!(same, Ok(Answer::Already));
    let later = revoke("k1", Keeper::Staff, soon.plus_ms(1));
    assert_eq!(scene.run("not later", &later), Ok(Answer::Already));
    let now = revoke("k1", Keeper::Staff, scene.at);
    assert_eq!(scene.run("ends now", &now), Ok(Answer::Done));
    scene.is("institution_keys");
}

#[test]
fn scenes_of_links() {
    let mut scene = Scene::new();
    known(&mut scene);
    let make = |inst_id: &str, until: Instant| MakeAccessLink {
        link: AccessLink {
            inst_id: inst_id.to_owned(),
            link_id: "L1".to_owned(),
            device: Vec::new(),
            made_at: super::scene::START,
            valid_until: until,
            version: 1,
        },
    };
    let until = scene.at.plus_ms(HOUR_MS);
    let unknown = scene.run("of nobody", &make("BANK02", until));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
    let link = make("BANK01", until);
    assert_eq!(scene.run("a link", &link), Ok(Answer::Done));
    let same = scene.run("the same again", &link);
    assert_eq!(same, Err(Refusal::KeyReused));
    let open = |link_id: &str, device: u8| OpenAccessLink {
        link: ("BANK01".to_owned(), link_id.to_owned()),
        device: [device; 32],
    };
    let close = |link_id: &str, at: Instant| CloseAccessLink {
        link: ("BANK01".to_owned(), link_id.to_owned()),
        at,
    };
    let unknown = scene.run("no such link", &open("L2", 1));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
    assert_eq!(scene.run("opened", &open("L1", 1)), Ok(Answer::Done));
    assert_eq!(scene.run("again", &open("L1", 1)), Ok(Answer::Already));
    let elsewhere = scene.run("on another device", &open("L1", 2));
    assert_eq!(elsewhere, Err(Refusal::WrongState));
    let unknown = scene.run("no such link", &close("L2", scene.at));
    assert!(matches!(unknown, Err(Refusal::NotFound { .. })));
    scene.wait(MINUTE_MS);
    let now = close("L1", scene.at);
    assert_eq!(scene.run("closed", &now), Ok(Answer::Done));
    assert_eq!(scene.run("closed again", &now), Ok(Answer::Already));
    let late = scene.run("opened at the very moment of its end", &open("L1", 1));
    assert!(matches!(late, Err(Refusal::NotFound { .. })));
    scene.is("institution_links");
}

#[test]
fn a_link_is_held_by_the_device_that_opened_it() {
    let link = |device: Vec<u8>| AccessLink {
        inst_id: "BANK01".to_owned(),
        link_id: "L1".to_owned(),
        device,
        made_at: Instant(0),
        valid_until: Instant(1),
        version: 1,
    };
    assert!(link(vec![1; 32]).is_held_by(&[1; 32]));
    assert!(!link(vec![1; 32]).is_held_by(&[2; 32]));
    assert!(!link(Vec::new()).is_held_by(&[0; 32]));
}

#[test]
fn scenes_of_serials_and_day_files() {
    let mut scene = Scene::new();
    known(&mut scene);
    let claim = ClaimSeq {
        bucket: bucket(1),
        inst_id: "BANK01".to_owned(),
        seq: "s1".to_owned(),
        verb: Verb::Pay,
        body_hash: [1; 32],
        target: bucket(2),
    };
    scene.run("a serial", &claim).unwrap();
    let other = ClaimSeq {
        body_hash: [2; 32],
        ..claim
    };
    scene.run("for something else", &other).unwrap();
    let file = DayFile {
        bucket: bucket(1),
        inst_id: "BANK01".to_owned(),
        day: scene.at.date(),
        file_hash: [7; 32],
        received_at: scene.at,
        body_sealed: b"sealed file".to_vec(),
        answer: "{}".to_owned(),
        result: "result".to_owned(),
    };
    let store = |tells: bool| StoreDayFile {
        file: DayFile {
            file_hash: [u8::from(tells); 32],
            ..file.clone()
        },
        differences: vec![("s9".to_owned(), "differs".to_owned())],
        tells,
    };
    scene
        .run("a file that tells nothing", &store(false))
        .unwrap();
    scene.run("the same again", &store(false)).unwrap();
    scene
        .run("a file that tells something", &store(true))
        .unwrap();
    let mut more = store(true);
    more.file.file_hash = [9; 32];
    more.differences.extend([
        ("s9".to_owned(), "otherwise".to_owned()),
        ("s10".to_owned(), "differs".to_owned()),
    ]);
    scene.run("one that differs in more", &more).unwrap();
    let note = NoteRow {
        bucket: bucket(1),
        inst_id: "BANK01".to_owned(),
        seq: "s8".to_owned(),
        kind: CaseKind::DayFile,
        detail: "what it says".to_owned(),
    };
    assert_eq!(scene.run("a row to look at", &note), Ok(Answer::Done));
    assert_eq!(scene.run("once", &note), Ok(Answer::Already));
    scene.is("institution_files");
}

/// Every event with everything in it, and what becomes of sending one.
#[test]
fn scenes_of_events() {
    let mut scene = insured(vec![row(1)]);
    known(&mut scene);
    let locked = by!("BANK01", collect(&scene, "c1"));
    scene.run("locked", &locked).unwrap();
    let released = by!("BANK01", release(&scene, "r1"));
    scene.run("released", &released).unwrap();
    scene.wait(MINUTE_MS);
    let paid = by!("BANK01", pay(&scene, "p1"));
    scene.run("paid", &paid).unwrap();
    scene.wait(MINUTE_MS);
    let undone = by!("BANK01", reverse(&scene, "u1", "p1"));
    scene.run("undone", &undone).unwrap();
    let kinds: Vec<String> = events(&scene);
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    let mut rows: Vec<HookEvent> = scene.store.all();
    rows.sort_by_key(|row| row.hook_id);
    let missed = leased(&mut scene, &rows[0]);
    scene.run("missed", &missed).unwrap();
    let mut taken = leased(&mut scene, &rows[1]);
    taken.delivery = Delivery::Delivered { status: 204 };
    scene.run("taken", &taken).unwrap();
    let replay = ReplayEvent {
        event: (rows[1].bucket, rows[1].hook_id),
        inst_id: "BANK01".to_owned(),
    };
    assert_eq!(scene.run("asked for anew", &replay), Ok(Answer::Done));
    let elsewhere = PutWebhook {
        by: Keeper::Institution,
        inst_id: "BANK01".to_owned(),
        url: "https://bank.example/other".to_owned(),
    };
    assert_eq!(scene.run("another address", &elsewhere), Ok(Answer::Done));
    scene.is("institution_events");
}
