//! Copies from every engine into every engine: whole, cut off, tampered with, and where there must
//! be none.

use crate::conformance::{NOW, databases};
use crate::distributed;
use crate::touch::{count, key, tries};
use futures_util::future::join_all;
use jiaoyi_domain::record::Value;
use jiaoyi_store::copy::{Compared, CopyError, Progress, compare, copy};
use jiaoyi_store::{Database, Snapshot, Store};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// More than two chunks of each table that a command writes.
const COMMANDS: u16 = 4_096;

/// Runs blocking work where async tasks may not block.
fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

async fn filled(database: &Database) {
    let store = Store::open(database, [1; 16], NOW).unwrap();
    let rows: Vec<_> = (0..COMMANDS).map(|bucket| key(bucket, 1)).collect();
    for some in rows.chunks(1_000) {
        let submitted = some.iter().map(|row| store.submit(count(&[*row])));
        for answer in join_all(submitted).await {
            answer.unwrap();
        }
    }
    store.close();
}

/// Pairs of databases: from each engine to each.
async fn pairs() -> Vec<(Database, Database)> {
    let mut pairs = Vec::new();
    for turn in 0..2 {
        let (from, mut to) = (databases().await, databases().await);
        to.rotate_left(turn);
        pairs.extend(from.into_iter().zip(to));
    }
    pairs
}

fn rows_of(tables: &[Compared], name: &str) -> u64 {
    let table = tables.iter().find(|table| table.table == name);
    table.unwrap().target.rows
}

/// Runs one statement behind everybody's back.
fn tamper(database: &Database, statement: &str) {
    match database {
        Database::Sqlite(path) => {
            let file = rusqlite::Connection::open(path).unwrap();
            file.execute_batch(statement).unwrap();
        }
        Database::Postgres(url) => distributed::run(url, statement),
    }
}

fn quietly(_: Progress) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_holds_the_same_and_goes_on() {
    for (from, to) in pairs().await {
        filled(&from).await;
        let copied = apart(|| copy(&from, &to, NOW, &mut quietly)).unwrap();
        assert!(copied.is_equal() && !copied.resumed, "{from} {to}");
        assert_eq!(rows_of(&copied.tables, "event"), u64::from(COMMANDS));
        let again = apart(|| copy(&from, &to, NOW, &mut quietly)).unwrap_err();
        assert!(matches!(again, CopyError::TargetHoldsData(_)), "{again}");
        let store = Store::open(&to, [2; 16], NOW).unwrap();
        let row = key(7, 1);
        store.submit(count(&[row])).await.unwrap();
        assert_eq!(tries(&store, &row).await, 2);
        store.close();
        let compared = apart(|| compare(&from, &to, &mut quietly)).unwrap();
        let differ: Vec<_> = compared
            .iter()
            .filter(|table| !table.is_equal())
            .map(|table| table.table)
            .collect();
        assert_eq!(differ, ["notice_link", "event", "link"], "{from} {to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_is_no_database_and_goes_on() {
    for (from, to) in pairs().await {
        filled(&from).await;
        // Dies between two chunks of the events.
        let cut_off = apart(|| {
            let mut dies = |progress: Progress| {
                if progress.table == "event" && progress.rows >= 2_000 {
                    std::panic::resume_unwind(Box::new("it dies here"));
                }
            };
            catch_unwind(AssertUnwindSafe(|| copy(&from, &to, NOW, &mut dies))).is_err()
        });
        assert!(cut_off, "{from} {to}");
        let refused = [
            Store::open(&to, [2; 16], NOW).map(drop).unwrap_err(),
            Snapshot::open(&to).map(drop).unwrap_err(),
        ];
        for error in refused {
            let said = error.to_string();
            assert!(said.contains("not finished"), "{from} {to}: {said}");
        }
        let backwards = apart(|| copy(&to, &from, NOW, &mut quietly)).unwrap_err();
        let unfinished = matches!(backwards, CopyError::SourceUnfinished { .. });
        assert!(unfinished, "{backwards}");
        let copied = apart(|| copy(&from, &to, NOW, &mut quietly)).unwrap();
        assert!(copied.is_equal() && copied.resumed, "{from} {to}");
        assert!(copied.rows < u64::from(COMMANDS) * 2, "{}", copied.rows);
        Store::open(&to, [2; 16], NOW).unwrap().close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_tampered_with_in_the_target_is_found() {
    for (from, to) in pairs().await {
        filled(&from).await;
        let tampered = apart(|| {
            let mut once = true;
            let mut tampers = |progress: Progress| {
                if progress.comparing && std::mem::take(&mut once) {
                    tamper(&to, "UPDATE event SET at = at + 1 WHERE bucket = 77");
                }
            };
            // The view of the target was opened before: this run does not see it yet.
            copy(&from, &to, NOW, &mut tampers)
        });
        assert!(tampered.unwrap().is_equal(), "{from} {to}");
        let compared = apart(|| compare(&from, &to, &mut quietly)).unwrap();
        let differ: Vec<_> = compared.iter().filter(|table| !table.is_equal()).collect();
        assert_eq!(differ.len(), 1, "{from} {to}: {differ:?}");
        assert_eq!(differ[0].table, "event");
        assert_eq!(differ[0].source.rows, differ[0].target.rows);
    }
}

/// A copy whose comparison fails keeps its mark: nobody opens it.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_a_difference_stays_shut() {
    for (from, to) in pairs().await {
        filled(&from).await;
        let copied = apart(|| {
            let mut tampers = |progress: Progress| {
                if progress.table == "link" && !progress.comparing {
                    tamper(&to, "DELETE FROM event WHERE bucket = 77");
                }
            };
            copy(&from, &to, NOW, &mut tampers)
        });
        let copied = copied.unwrap();
        assert!(!copied.is_equal(), "{from} {to}");
        let shut = Store::open(&to, [2; 16], NOW).map(drop).unwrap_err();
        assert!(shut.to_string().contains("not finished"), "{shut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_written_to_is_noticed() {
    for (from, to) in pairs().await {
        filled(&from).await;
        let store = Store::open(&from, [3; 16], NOW).unwrap();
        let runtime = tokio::runtime::Handle::current();
        let written = apart(|| {
            let mut pays = |progress: Progress| {
                if progress.comparing && progress.tables.0 == 0 {
                    let paid = runtime.block_on(store.submit(count(&[key(9, 1)])));
                    paid.unwrap();
                }
            };
            copy(&from, &to, NOW, &mut pays)
        });
        store.close();
        let changed = matches!(written, Err(CopyError::SourceChanged { .. }));
        assert!(changed, "{from} {to}: {written:?}");
        // What it holds belongs to a state that is gone.
        let again = apart(|| copy(&from, &to, NOW, &mut quietly)).unwrap_err();
        assert!(matches!(again, CopyError::OtherCopy { .. }), "{again}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_import_is_not_copied() {
    for (from, to) in pairs().await {
        let store = Store::open(&from, [1; 16], NOW).unwrap();
        let page = [
            Value::Int(1),
            Value::Bytes(vec![9; 16]),
            Value::Int(0),
            Value::Int(0),
            Value::Bytes(vec![1]),
            Value::Bytes(vec![2]),
        ];
        store.stage(vec![page]).await.unwrap();
        let refused = apart(|| copy(&from, &to, NOW, &mut quietly)).unwrap_err();
        assert!(matches!(refused, CopyError::ImportOpen { .. }), "{refused}");
        store.close();
    }
}
