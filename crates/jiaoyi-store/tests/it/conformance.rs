//! What every engine does alike.

use crate::cluster::Cluster;
use crate::distributed;
use crate::touch::{Key, Touch, call, count, envelope, key, tries};
use futures_util::future::join_all;
use jiaoyi_domain::Instant;
use jiaoyi_domain::audit::{Event, Link};
use jiaoyi_domain::decide::{Answer, Refusal};
use jiaoyi_domain::record::Record;
use jiaoyi_domain::roster::{NoticeLink, Person};
use jiaoyi_store::schema::MIGRATIONS;
use jiaoyi_store::{Database, Snapshot, Store, StoreError};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

pub const NOW: Instant = Instant(1_767_000_000_000);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn databases() -> Vec<Database> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let folder = format!("jiaoyi-store-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    // Numbers of processes come again, and a run that was ended leaves its files.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir(&folder).unwrap();
    let cluster = Cluster::get();
    let name = cluster.database();
    let mut databases = vec![
        Database::Sqlite(folder.join("jiaoyi.db")),
        cluster.url(&name, &name).parse().unwrap(),
    ];
    databases.extend(distributed::database().await);
    databases
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_one_result() {
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        let row = key(7, 1);
        let pay = |body| {
            let counts = vec![row];
            let touch = Touch {
                counts,
                ..Touch::default()
            };
            store.submit(envelope(touch, Some(call(7, 9, body))))
        };
        assert_eq!(pay(1).await.unwrap(), Answer::Done, "{database}");
        assert_eq!(pay(1).await.unwrap(), Answer::Done);
        assert_eq!(pay(2).await.unwrap_err().code(), "request.key_reused");
        assert_eq!(tries(&store, &row).await, 1);
        store.close();
    }
}

/// A command of every poisonous kind, about rows of the first bucket group.
fn poisons(there: Key) -> [Touch; 3] {
    let panics_asking = Touch {
        panics_asking: true,
        ..Touch::default()
    };
    let panics = Touch {
        panics: true,
        counts: vec![key(7, 1)],
        ..Touch::default()
    };
    let breaks = Touch {
        breaks: Some(there),
        counts: vec![key(7, 1)],
        ..Touch::default()
    };
    [panics_asking, panics, breaks]
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_harms_nobody_else_in_its_batch() {
    const OTHERS: u8 = 12;
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        let (row, there) = (key(7, 1), key(7, 2));
        store.submit(count(&[row, there])).await.unwrap();
        for poison in poisons(there) {
            // Holds the lane until everybody waits behind it, so that they make one batch.
            let (held, goes_on) = mpsc::channel::<()>();
            let goes_on = Mutex::new(goes_on);
            let meanwhile = move || {
                let _ = goes_on.lock().unwrap().recv();
            };
            let holds = Touch {
                counts: vec![row],
                meanwhile: Some(Box::new(meanwhile)),
                ..Touch::default()
            };
            let of_task = store.clone();
            let holding = tokio::spawn(async move { of_task.submit(envelope(holds, None)).await });
            let rows = [row];
            let others = (0..OTHERS).map(|_| store.submit(count(&rows)));
            let (left, right): (Vec<_>, Vec<_>) = others.enumerate().partition(|(n, _)| n % 2 == 0);
            let left = join_all(left.into_iter().map(|(_, submitted)| submitted));
            let right = join_all(right.into_iter().map(|(_, submitted)| submitted));
            let poisoned = store.submit(envelope(poison, None));
            let release = async move {
                tokio::task::yield_now().await;
                drop(held);
            };
            let (left, poisoned, right, ()) = tokio::join!(left, poisoned, right, release);
            for answer in left.into_iter().chain(right) {
                assert_eq!(answer.unwrap(), Answer::Done, "{database}");
            }
            let refused = poisoned.unwrap_err();
            let is_poison = matches!(&refused, StoreError::Refused(Refusal::Poisoned { .. }));
            assert!(is_poison, "{database}: {refused}");
            holding.await.unwrap().unwrap();
        }
        assert_eq!(tries(&store, &row).await, u32::from(1 + 3 * (OTHERS + 1)));
        assert_eq!(tries(&store, &there).await, 1);
        store.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_kept_and_chained() {
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        // Rows of one group, of another, and of both: the last ones take the wide lane.
        let (low, high) = (key(3, 1), key(4000, 2));
        let mut waiting = Vec::new();
        for number in 0..60_u8 {
            let store = store.clone();
            waiting.push(tokio::spawn(async move {
                let keys: &[_] = match number % 3 {
                    0 => &[low],
                    1 => &[high],
                    _ => &[low, high],
                };
                store.submit(count(keys)).await
            }));
        }
        for one in waiting {
            assert_eq!(one.await.unwrap().unwrap(), Answer::Done, "{database}");
        }
        assert_eq!(tries(&store, &low).await, 40);
        assert_eq!(tries(&store, &high).await, 40);
        let snapshot = store.snapshot().unwrap();
        let (mut events, mut hashes) = (0, 0);
        snapshot
            .scan::<Event>(|event| events += usize::from(event.is_ok()))
            .unwrap();
        snapshot
            .scan::<Link>(|link| {
                let link = link.unwrap();
                assert_eq!(link.bucket, link.chain_id.home());
                hashes += link.event_hashes.len() / 32;
            })
            .unwrap();
        assert_eq!((events, hashes), (80, 80), "{database}");
        store.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_newer_version_are_left_alone() {
    let newer = "INSERT INTO schema_version (version, applied_at) VALUES (99, 0)";
    for database in databases().await {
        Store::open(&database, [1; 16], NOW).unwrap().close();
        assert!(Snapshot::open(&database).is_ok(), "{database}");
        match &database {
            Database::Sqlite(path) => {
                let file = rusqlite::Connection::open(path).unwrap();
                file.execute_batch(newer).unwrap();
            }
            Database::Postgres(url) => distributed::run(url, newer),
        }
        let refused = [
            Snapshot::open(&database).map(drop),
            Store::open(&database, [1; 16], NOW).map(drop),
            database.migration_plan().map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert_eq!(error.code(), "store.open", "{database}");
            let said = error.to_string();
            assert!(said.contains("made by a newer version"), "{said}");
        }
    }
}

/// Each row is in one range, the one that it belongs to, however many ranges there are.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_dealt_out_to_their_ranges() {
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        let all: Vec<_> = (0..4096_u16)
            .step_by(61)
            .map(|bucket| key(bucket, 1))
            .collect();
        for rows in all.chunks(16) {
            assert_eq!(store.submit(count(rows)).await.unwrap(), Answer::Done);
        }
        let snapshot = store.snapshot().unwrap();
        for parts in [1, 2, 7, 4096] {
            let edge = |part: i64| match part {
                0 => i64::MIN,
                part if part == parts => i64::MAX,
                part => 4096 * part / parts,
            };
            let ranges: Vec<_> = (0..parts)
                .map(|part| (edge(part), edge(part + 1)))
                .collect();
            let dealt = snapshot
                .deal(&[NoticeLink::SPEC, Event::SPEC], ranges.clone())
                .unwrap();
            let (mut links, mut events) = (Vec::new(), 0);
            for (place, (from, to)) in ranges.into_iter().enumerate() {
                let mut each = |link: NoticeLink| {
                    assert!((from..to).contains(&i64::from(link.bucket.get())));
                    links.push(link.key());
                };
                dealt.scan::<NoticeLink>(place, &mut each).unwrap();
                dealt.scan_raw::<Event>(place, |_, _| events += 1).unwrap();
            }
            links.sort_unstable();
            assert_eq!(links, all, "{database}, {parts} parts");
            assert_eq!(events, all.len(), "{database}, {parts} parts");
            // The same when threads share the view.
            let tally = |place, _| {
                let mut events = 0;
                let read = dealt.scan_raw::<Event>(place, |_, _| events += 1);
                read.map(|()| events)
            };
            let mut by_threads = 0;
            dealt.each_range(NonZeroUsize::new(3).unwrap(), tally, |events| {
                by_threads += events.unwrap();
                ControlFlow::Continue(())
            });
            assert_eq!(by_threads, all.len(), "{database}, {parts} parts");
            let mut found = 0;
            dealt.scan_raw::<Person>(0, |_, _| found += 1).unwrap();
            assert_eq!(found, 0);
        }
        store.close();
    }
}

/// One node does not give up what another is taking in; another database is none of its business.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_under_way_is_seen_by_other_nodes_of_the_database_only() {
    let others = databases().await;
    for (database, other) in databases().await.iter().zip(&others) {
        let open = |database, drawn| Store::open(database, [drawn; 16], NOW).unwrap();
        let nodes = [open(database, 1), open(database, 2), open(other, 3)];
        let free = || nodes.each_ref().map(|node| node.nobody_imports().unwrap());
        assert_eq!(free(), [true; 3], "{database}");
        let mark = nodes[0].import_under_way().unwrap();
        let second = nodes[1].import_under_way().unwrap();
        assert_eq!(free(), [false, false, true], "{database}");
        drop(mark);
        assert_eq!(free(), [false, false, true], "{database}");
        drop(second);
        assert_eq!(free(), [true; 3], "{database}");
        nodes.iter().for_each(Store::close);
    }
}

/// `verify` looks things up while it reads on, however much there is to read.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_can_be_asked_while_it_is_read() {
    const COMMANDS: usize = 3_000;
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        let rows: Vec<_> = (0..COMMANDS)
            .map(|number| key(u16::try_from(number).unwrap(), 1))
            .collect();
        for some in rows.chunks(1_000) {
            let submitted = some.iter().map(|row| store.submit(count(&[*row])));
            for answer in join_all(submitted).await {
                assert_eq!(answer.unwrap(), Answer::Done, "{database}");
            }
        }
        let snapshot = store.snapshot().unwrap();
        let (done, counted) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut events, mut answers) = (0, 0);
            let read = snapshot.scan::<Event>(|_| {
                events += 1;
                answers += snapshot.query("last_book_day", &[]).unwrap().len();
            });
            drop(done.send(read.map(|()| (events, answers))));
        });
        let counted = tokio::task::block_in_place(|| counted.recv_timeout(PATIENCE));
        let counted = counted.expect("it is read to its end").unwrap();
        assert_eq!(counted, (COMMANDS, COMMANDS), "{database}");
        store.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_migrations_changes_nothing() {
    for database in databases().await {
        for _ in 0..2 {
            let plan = database.migration_plan().unwrap();
            assert_eq!((plan.known, plan.missing.len()), (0, MIGRATIONS.len()));
            let bytes = match database {
                Database::Sqlite(_) => "key_hash blob not null",
                Database::Postgres(_) => "key_hash bytea not null",
            };
            assert!(plan.missing[0].1.contains(bytes), "{database}");
        }
        Store::open(&database, [1; 16], NOW).unwrap().close();
        let plan = database.migration_plan().unwrap();
        let newest = MIGRATIONS.last().unwrap().0;
        assert_eq!((plan.known, plan.missing.len()), (newest, 0), "{database}");
    }
}
