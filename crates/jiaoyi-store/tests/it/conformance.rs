//! What every engine does alike.

use crate::cluster::Cluster;
use crate::touch::{Touch, call, count, envelope, key, tries};
use jiaoyi_domain::Instant;
use jiaoyi_domain::audit::{Event, Link};
use jiaoyi_domain::decide::{Answer, Refusal};
use jiaoyi_store::{Database, Snapshot, Store, StoreError};
use std::sync::atomic::{AtomicU32, Ordering};

const NOW: Instant = Instant(1_767_000_000_000);

async fn databases() -> Vec<Database> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let file = format!("jiaoyi-store-{}-{number}.db", std::process::id());
    let cluster = Cluster::get();
    let name = cluster.database();
    vec![
        Database::Sqlite(std::env::temp_dir().join(file)),
        cluster.url(&name, &name).parse().unwrap(),
    ]
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

#[tokio::test(flavor = "multi_thread")]
async fn poison_harms_nobody_else() {
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        let row = key(7, 1);
        let poison = Touch {
            panics: true,
            counts: vec![row],
            ..Touch::default()
        };
        let poison = store.submit(envelope(poison, None));
        let (left, right) = ([row], [row]);
        let others = tokio::join!(
            store.submit(count(&left)),
            poison,
            store.submit(count(&right))
        );
        assert_eq!(others.0.unwrap(), Answer::Done, "{database}");
        assert_eq!(others.2.unwrap(), Answer::Done);
        let refused = others.1.unwrap_err();
        assert!(matches!(
            refused,
            StoreError::Refused(Refusal::Poisoned { .. })
        ));
        assert_eq!(tries(&store, &row).await, 2);
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
            .scan_buckets::<Event>(0, 4096, |event| events += usize::from(event.is_ok()))
            .unwrap();
        snapshot
            .scan_buckets::<Link>(0, 4096, |link| {
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
            Database::Postgres(url) => {
                let name = url.rsplit('/').next().unwrap();
                Cluster::get().run(name, &[newer.to_owned()]);
            }
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
