//! What the writer makes of a full disk and of others who hold the file. Failed syncs need a disk
//! that fails: `crates/jiaoyi-tests/tests/it/robust/power.rs`.

use super::*;
use crate::engine::drive;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::oneshot;

struct File(PathBuf);

impl File {
    fn new() -> File {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("jiaoyi-writer-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        File(folder)
    }

    fn engine(&self) -> SqliteEngine {
        let mut connection = sqlite::open(&self.0.join("jiaoyi.db"), true).unwrap();
        sqlite::migrate(&mut connection, 0).unwrap();
        SqliteEngine::new(connection, Arc::default())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lane() -> Lane {
    let today = jiaoyi_domain::Date::constant(2026, 11, 26);
    let id = ChainId::at(Bucket::default(), [1; 16]);
    Lane::new(Chain::new(id, today, None), ALL_BUCKETS)
}

fn page(number: i64, size: usize) -> Aside {
    Aside::Stage(vec![[
        Value::Int(0),
        Value::Bytes(vec![7; 16]),
        Value::Int(0),
        Value::Int(number),
        Value::Bytes(vec![1; 16]),
        Value::Bytes(vec![2; size]),
    ]])
}

/// Lets the file grow by no more than so many pages.
fn grow_by(engine: &SqliteEngine, pages: i64) {
    let count = |name| {
        engine
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
    };
    let now: i64 = count("page_count").unwrap();
    let most =
        engine
            .connection
            .pragma_update_and_check(None, "max_page_count", now + pages, |row| {
                row.get::<_, i64>(0)
            });
    assert_eq!(most.unwrap(), now + pages);
}

#[test]
fn a_full_disk_is_waited_for() {
    let file = File::new();
    let (mut lane, mut engine) = (lane(), file.engine());
    grow_by(&engine, 0);
    let failure = engine.aside(&page(1, 100_000)).unwrap_err();
    assert!(matches!(failure, Failure::Down(_)), "{failure:?}");
    assert!(
        !engine.broken,
        "nothing was written, so nothing can be lost"
    );
    lane.met(&failure);
    assert!(lane.is_down());
    // The barrier itself finds no room as soon as it needs any; here it takes none.
    drive(&mut lane, &mut engine).unwrap();
    assert!(!lane.is_down());
    grow_by(&engine, 1_000);
    engine.aside(&page(1, 100_000)).unwrap();
}

/// Somebody else holds the file: that is no reason to stop, at no step.
#[test]
fn others_who_hold_the_file_are_waited_for() {
    let file = File::new();
    let mut engine = file.engine();
    let other = file.engine();
    sqlite::wait_briefly(&mut engine.connection).unwrap();
    other.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(engine.begin(), Err(Failure::Busy(_))));
    assert!(matches!(engine.aside(&page(1, 10)), Err(Failure::Busy(_))));
    let mut lane = lane();
    let (reply, answer) = oneshot::channel();
    lane.begin(vec![Item {
        envelope: Arc::new(crate::Envelope {
            command: Box::new(jiaoyi_domain::decide::NotePutAside { command: "test" }),
            at: Instant(0),
            issuer: "test".into(),
            seed: [1; 32],
            key: None,
        }),
        reply,
    }]);
    drive(&mut lane, &mut engine).unwrap();
    let refused = answer.blocking_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), "store.busy");
    // Also while it comes back, whether the log has to be written back or not.
    for broken in [false, true] {
        engine.broken = broken;
        sqlite::wait_briefly(&mut engine.connection).unwrap();
        let trouble = engine.recover(None).unwrap_err();
        assert!(
            matches!(trouble, Trouble::Later(_)),
            "{broken}: {trouble:?}"
        );
    }
    other.connection.execute_batch("ROLLBACK").unwrap();
    engine.recover(None).unwrap();
    assert!(!engine.broken);
}

/// A log that must be written back is not left to a reader for ever: then the store stops.
#[test]
fn a_broken_log_that_stays_in_use_stops_the_store() {
    let file = File::new();
    let mut engine = file.engine();
    let other = sqlite::open(&file.0.join("jiaoyi.db"), false).unwrap();
    engine.aside(&page(1, 10)).unwrap();
    other
        .execute_batch("BEGIN; SELECT count(*) FROM staged_page")
        .unwrap();
    engine.broken = true;
    engine.blocked = WRITE_BACK_TRIES_MAX - 1;
    assert!(matches!(engine.recover(None), Err(Trouble::Later(_))));
    assert!(matches!(engine.recover(None), Err(Trouble::Never(_))));
}

/// What was left in the log by a process before is in the file before anything new is acknowledged.
#[test]
fn a_start_writes_the_log_back() {
    let file = File::new();
    let before = file.engine();
    before.barrier(Instant(1)).unwrap();
    let path = file.0.join("jiaoyi.db");
    let log = file.0.join("jiaoyi.db-wal");
    assert!(log.metadata().unwrap().len() > 4096);
    let size = path.metadata().unwrap().len();
    let backend = SqliteBackend::open(&path, [1; 16], Instant(2)).unwrap();
    // The first barrier stands alone in a log that was begun anew.
    assert!(path.metadata().unwrap().len() > size);
    assert!(log.metadata().unwrap().len() < 3 * 4096 + 200);
    backend.close();
}
