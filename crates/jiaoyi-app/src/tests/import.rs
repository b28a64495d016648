//! Scenes of roster files: what is taken in, what is told, what counts afterwards.

use super::desk::*;
use crate::import::{ImportError, ImportReport, ImportRequest, Stage};
use crate::limits::Budgets;
use crate::portal::{LookupAnswer, Portal};
use crate::verify::tests::world::TempFile;
use jiaoyi_documents::roster::Limits;
use jiaoyi_domain::Date;
use jiaoyi_domain::decide::{ActivateRoster, ImportPolicy, OpenRoster, Refusal};
use jiaoyi_domain::due::RosterId;
use jiaoyi_domain::person::id_number;
use jiaoyi_domain::roster::{Person, PolicyPack, Roster, RosterState};
use jiaoyi_domain::time::SECOND_MS;
use jiaoyi_store::StoreError;
use std::path::PathBuf;

const HEADER: &str = "姓名,身份证号,参保地,人员类别,档次,救助身份,手机号,停保原因";

/// A line of the file about person `number`.
fn line(name: &str, number: u16, aid: &str, phone: &str, void: &str) -> String {
    let id = id_of(number, COUNTY);
    format!("{name},{id},{COUNTY},城乡居民,,{aid},{phone},{void}")
}

/// To take in a file of the county.
fn asked(serial: i64) -> ImportRequest {
    ImportRequest {
        path: PathBuf::new(),
        region: None,
        benefit_year: 2027,
        source: "county".to_owned(),
        serial,
        older_confirmed: false,
        dry_run: false,
        all_or_nothing: false,
        limits: Limits::default(),
    }
}

impl Desk {
    /// Takes lines in under a serial, and tells what came of it and how far it was along the way.
    async fn import(
        &mut self,
        what: &str,
        serial: i64,
        lines: &[String],
        change: fn(&mut ImportRequest),
    ) -> Result<ImportReport, ImportError> {
        let file = TempFile::new(&format!("import-{serial}.csv"));
        std::fs::write(&file.0, format!("{HEADER}\n{}\n", lines.join("\n"))).unwrap();
        let mut request = ImportRequest {
            path: file.0.clone(),
            ..asked(serial)
        };
        change(&mut request);
        let mut steps = Vec::new();
        let mut progress = |stage: Stage, done: u64, total: u64| {
            steps.push(format!("{stage:?} {done} of {total}"));
        };
        let report = self.platform.import_roster(&request, &mut progress).await;
        self.tell(what, &steps);
        match &report {
            Ok(report) => {
                let counts = [
                    ("read", report.rows_read),
                    ("good", report.rows_good),
                    ("bad", report.rows_bad),
                    ("appended", report.appended),
                    ("same", report.same),
                    ("paid", report.paid),
                ];
                let flags = (report.active, report.known, report.columns.is_some());
                self.tell("counts; active, known, with a header", &(counts, flags));
                self.tell("to be changed", &report.problems);
                self.tell("to be looked at", &report.warnings);
            }
            Err(error) => self.tell(error.code(), &error.to_string()),
        }
        report
    }

    /// Takes a line in, and the process ends while it is published.
    async fn import_ends(&self, file: &str, serial: i64, line: &str) {
        let file = TempFile::new(file);
        std::fs::write(&file.0, format!("{HEADER}\n{line}\n")).unwrap();
        let request = ImportRequest {
            path: file.0.clone(),
            ..asked(serial)
        };
        let platform = std::sync::Arc::clone(&self.platform);
        let ends = tokio::spawn(async move {
            let mut progress = |stage: Stage, _, _| assert_eq!(stage, Stage::Reading);
            platform.import_roster(&request, &mut progress).await
        });
        assert!(ends.await.unwrap_err().is_panic());
    }

    async fn rosters(&self) -> Vec<RosterState> {
        let mut rows: Vec<Roster> = self.platform.store.all().await.unwrap();
        rows.sort_by_key(|row| (row.created_at, row.serial));
        rows.iter().map(|row| row.state).collect()
    }
}

#[tokio::test]
async fn scenes_of_a_roster_file() {
    let mut desk = Desk::new("import", Budgets::default()).await;
    let mut wrong = line("李志强", 3, "", "", "");
    wrong = wrong.replace(&id_of(3, COUNTY), "990101198003070000");
    let lines = vec![
        line("王桂兰", 1, "", "13800130421", ""),
        line("张小雨", 2, "低保对象", "", ""),
        wrong,
        line("王桂兰", 1, "", "", ""),
    ];
    let dry = desk.import("only checked", 1, &lines, |request| request.dry_run = true);
    dry.await.unwrap();
    assert_eq!(desk.rosters().await, []);
    let strict = desk.import("all or nothing", 1, &lines, |request| {
        request.all_or_nothing = true
    });
    strict.await.unwrap();
    assert_eq!(desk.rosters().await, [RosterState::Rejected]);
    desk.turn(SECOND_MS);
    desk.import("taken in", 2, &lines, |_| {}).await.unwrap();
    let bill = desk.bill(1, 1, COUNTY).await;
    desk.tell("a bill", &bill);
    desk.import("the same file again", 2, &lines, |_| {})
        .await
        .unwrap();
    let older = desk.import("an older serial", 1, &lines[..1], |_| {}).await;
    assert!(matches!(older, Err(ImportError::OlderSerial { known: 2 })));
    let one = &lines[..1];
    let meant = desk.import("which is meant", 1, one, |request| {
        request.older_confirmed = true
    });
    meant.await.unwrap();
    desk.turn(SECOND_MS);
    desk.import("no good row", 3, &lines[2..3], |_| {})
        .await
        .unwrap();
    let document = row(1, COUNTY).document;
    assert!(
        desk.platform
            .pay_made(&document, "txn1".to_owned())
            .await
            .unwrap()
    );
    let again = desk.platform.pay_made(&document, "txn2".to_owned()).await;
    let refused = StoreError::Refused(Refusal::AlreadyPaid);
    assert_eq!(again.map_err(|error| error.code()), Err(refused.code()));
    desk.turn(SECOND_MS);
    let next = [
        line("王桂兰", 1, "低保对象", "", ""),
        line("张小语", 2, "", "13800130422", ""),
        line("赵春花", 4, "", "", "死亡"),
    ];
    desk.import("the next roster", 4, &next, |_| {})
        .await
        .unwrap();
    desk.import("the next roster again", 4, &next, |_| {})
        .await
        .unwrap();
    let mut names: Vec<String> = Vec::new();
    for person in desk.platform.store.all::<Person>().await.unwrap() {
        let phone = person.phone_sealed.is_some();
        names.push(format!(
            "{} {} {phone}",
            person.name_masked, person.document_masked
        ));
    }
    names.sort();
    desk.tell("people, and whether a phone is known", &names);
    desk.is("import");
}

/// Strict about a file with nothing to change in it, and stopped by one that has too many rows.
#[tokio::test]
async fn all_or_nothing_takes_all_of_a_good_file() {
    let mut desk = Desk::new("strict", Budgets::default()).await;
    let lines = [line("王桂兰", 1, "", "", ""), line("张小雨", 2, "", "", "")];
    let strict = desk.import("strict", 1, &lines, |request| request.all_or_nothing = true);
    let report = strict.await.unwrap();
    assert_eq!((report.active, report.appended), (true, 2));
    desk.turn(SECOND_MS);
    let small = desk.import("one row at most", 2, &lines[..], |request| {
        request.limits.rows_max = 1;
    });
    let refused = small.await.unwrap_err();
    assert!(matches!(refused, ImportError::File(_)), "{refused}");
    let states = [RosterState::Active, RosterState::Rejected];
    assert_eq!(desk.rosters().await, states);
    let dry = desk.import("only checked", 3, &lines[..], |request| {
        (request.limits.rows_max, request.dry_run) = (1, true);
    });
    assert_eq!(dry.await.unwrap_err().code(), refused.code());
    assert_eq!(desk.rosters().await, states);
}

/// A number that no office can have given out then is taken, and staff are told.
#[tokio::test]
async fn a_number_of_a_region_that_was_not_there_is_a_warning() {
    let mut desk = Desk::new("warned", Budgets::default()).await;
    let born = |year| Date::constant(year, 3, 7);
    // 杭州市下城区 is in the table until 2023; there is no 999999.
    let numbers = [("330103", 1980), ("330103", 2024), ("999999", 1980)];
    let lines = numbers.map(|(region, year)| {
        let id = id_number(region, born(year), 1).unwrap();
        format!("王桂兰,{id},{COUNTY},城乡居民,,,,")
    });
    let report = desk.import("warned", 1, &lines, |_| {}).await.unwrap();
    assert_eq!((report.rows_good, report.appended), (3, 3));
    let rows: Vec<u64> = report.warnings.iter().map(|warning| warning.row).collect();
    assert_eq!(rows, [3, 4]);
    assert_ne!(report.warnings[0].message_zh, report.warnings[1].message_zh);
}

/// Rows are published a hundred at a time, so that payments get their turn.
#[tokio::test]
async fn a_roster_is_published_in_slices() {
    let mut desk = Desk::new("slices", Budgets::default()).await;
    let lines: Vec<String> = (1..=101).map(|n| line("王桂兰", n, "", "", "")).collect();
    desk.import("slices", 1, &lines, |_| {}).await.unwrap();
    let told = desk.told();
    for step in ["Publishing 100 of 101", "Publishing 101 of 101"] {
        assert!(told.contains(step), "{told}");
    }
}

/// The process ends while rows are published: they count for nothing until the roster is taken up, or
/// never, when a newer one of its source counts by then.
#[tokio::test]
async fn an_import_that_ended_while_publishing_is_taken_up_or_overtaken() {
    for overtaken in [false, true] {
        let mut desk = Desk::new("taken-up", Budgets::default()).await;
        let old = line("王桂兰", 1, "", "", "");
        desk.import_ends("import-taken-up.csv", 1, &old).await;
        assert_eq!(desk.rosters().await, [RosterState::Publishing]);
        let looks = async |desk: &Desk, number| {
            let request = looking(number, COUNTY);
            let answer = desk.platform.lookup(&visitor(1), request, "f").await;
            matches!(answer, Ok(LookupAnswer::Found(_)))
        };
        assert!(!looks(&desk, 1).await, "what is not active does not count");
        desk.turn(SECOND_MS);
        if overtaken {
            let new = [line("王桂兰", 2, "", "", "")];
            desk.import("newer", 2, &new, |_| {}).await.unwrap();
        }
        assert!(desk.platform.resume_imports().await.unwrap());
        let states = desk.rosters().await;
        if overtaken {
            assert_eq!(states, [RosterState::Rejected, RosterState::Active]);
        } else {
            assert_eq!(states, [RosterState::Active]);
        }
        assert_eq!(looks(&desk, 1).await, !overtaken);
        let staged = desk.platform.store.query("staged_rosters", &[]).await;
        assert_eq!(staged.unwrap().len(), 0);
    }
}

/// The process ends when the roster counts and the names in it are not taken over yet.
#[tokio::test]
async fn an_import_that_ended_when_its_roster_counted_takes_its_names() {
    let mut desk = Desk::new("names", Budgets::default()).await;
    let old = [line("王桂兰", 1, "", "", "")];
    desk.import("first", 1, &old, |_| {}).await.unwrap();
    desk.turn(SECOND_MS);
    let new = line("王桂芳", 1, "", "", "");
    desk.import_ends("import-names.csv", 2, &new).await;
    let rosters: Vec<Roster> = desk.platform.store.all().await.unwrap();
    let second = rosters.iter().find(|roster| roster.serial == 2).unwrap();
    let counts = ActivateRoster {
        roster_id: RosterId(second.roster_id),
        rows_published: 1,
        older_confirmed: false,
    };
    desk.platform.submit(counts).await.unwrap();
    let name = async |desk: &Desk| {
        let persons: Vec<Person> = desk.platform.store.all().await.unwrap();
        persons[0].name_masked.clone()
    };
    assert_eq!(name(&desk).await, "王*兰");
    assert!(desk.platform.resume_imports().await.unwrap());
    assert_eq!(name(&desk).await, "王*芳");
    assert_eq!(desk.rosters().await, [RosterState::Active; 2]);
    let staged = desk.platform.store.query("staged_rosters", &[]).await;
    assert_eq!(staged.unwrap().len(), 0);
}

#[tokio::test]
async fn an_import_that_was_left_behind_is_given_up() {
    let desk = Desk::new("behind", Budgets::default()).await;
    let roster = Roster {
        roster_id: [9; 16],
        state: RosterState::Staging,
        region: String::new(),
        benefit_year: 2027,
        source: "county".to_owned(),
        serial: 1,
        file_hash: [9; 32],
        rows_read: 0,
        rows_good: 0,
        rows_bad: 0,
        rows_published: 0,
        created_at: START,
        activated_at: None,
        version: 1,
    };
    let open = OpenRoster {
        roster,
        older_confirmed: false,
    };
    desk.platform.submit(open).await.unwrap();
    let living = desk.platform.store.import_under_way().unwrap();
    assert!(!desk.platform.resume_imports().await.unwrap());
    assert_eq!(desk.rosters().await, [RosterState::Staging]);
    drop(living);
    assert!(desk.platform.resume_imports().await.unwrap());
    assert_eq!(desk.rosters().await, [RosterState::Rejected]);
}

/// A policy that came at the same moment as the roster was there when it was priced.
#[tokio::test]
async fn a_file_is_known_although_its_policy_came_at_the_same_moment() {
    let mut desk = Desk::new("same-moment", Budgets::default()).await;
    let lines = [line("王桂兰", 1, "", "", "")];
    let first = desk.import("first", 1, &lines, |_| {}).await.unwrap();
    let again = desk.import("again", 1, &lines, |_| {}).await.unwrap();
    assert_eq!((first.known, again.known), (false, true));
}

/// What is known is the file, by its content: another one under the same number is read, and so is the
/// same one when prices may have changed since.
#[tokio::test]
async fn another_file_or_a_policy_since_makes_a_file_new() {
    let mut desk = Desk::new("another", Budgets::default()).await;
    let lines = [line("王桂兰", 1, "", "", "")];
    desk.import("first", 1, &lines, |_| {}).await.unwrap();
    desk.turn(SECOND_MS);
    let other = [line("王桂兰", 2, "", "", "")];
    let another = desk.import("another", 1, &other, |_| {}).await.unwrap();
    assert_eq!((another.known, another.appended), (false, 1));
    desk.turn(SECOND_MS);
    let packs: Vec<PolicyPack> = desk.platform.store.all().await.unwrap();
    let of_year = packs.into_iter().find(|pack| pack.benefit_year == 2027);
    let mut pack = of_year.unwrap();
    pack.text.push_str("# looked at again\n");
    pack.imported_at = desk.platform.now();
    desk.platform.submit(ImportPolicy { pack }).await.unwrap();
    desk.platform.refresh_policies().await.unwrap();
    let again = desk.import("after a policy", 1, &other, |_| {}).await;
    assert!(!again.unwrap().known);
}
