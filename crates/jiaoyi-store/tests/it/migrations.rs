//! Migrations while nodes are paying.

use crate::conformance::{NOW, databases};
use crate::touch::{count, key, tries};
use jiaoyi_domain::decide::Answer;
use jiaoyi_store::{Database, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a much later version may do, a step each: add a column, a table and indexes; move what stands
/// in other columns into the new one; and take away what nobody needs any more.
const MUCH_LATER: &[(i64, &str)] = &[
    (1_001, "alter table notice_link add column note text;"),
    (1_002, include_str!("expand.sql")),
    (
        1_003,
        "update notice_link set note = 'moved' where note is null;",
    ),
    (1_004, "drop index notice_link_tries;"),
];

/// A payer of a node that knows nothing of the migrations; how many of its commands were answered. Where
/// tables lie on several machines a change takes longer than a command waits, which may be told so.
async fn pay(store: Store, number: u8, distributed: bool, end: Arc<AtomicBool>) -> u32 {
    let mut done = 0;
    while !end.load(Ordering::SeqCst) {
        // One row of its own and one that all change.
        let keys = [key(100 * u16::from(number), number), key(7, 99)];
        match store.submit(count(&keys)).await {
            Ok(Answer::Done) => done += 1,
            Err(StoreError::Busy { .. }) if distributed => {}
            other => panic!("a payer noticed the migration: {other:?}"),
        }
    }
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_while_others_pay_and_nobody_notices() {
    for database in databases().await {
        let store = Store::open(&database, [1; 16], NOW).unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let shape = database.clone();
        let plan = tokio::task::spawn_blocking(move || shape.migration_plan());
        let distributed = plan.await.unwrap().unwrap().distribution.is_some();
        let payers: Vec<_> = (1..=6)
            .map(|number| {
                let end = Arc::clone(&end);
                tokio::spawn(pay(store.clone(), number, distributed, end))
            })
            .collect();
        for last in 1..=MUCH_LATER.len() {
            // Two nodes come up with the new version at once.
            let nodes: Vec<_> = (0..2)
                .map(|_| {
                    let database: Database = database.clone();
                    let known = &MUCH_LATER[..last];
                    tokio::task::spawn_blocking(move || database.migrate(known, NOW))
                })
                .collect();
            for node in nodes {
                node.await.unwrap().unwrap();
            }
            let before = tries(&store, &key(7, 99)).await;
            while tries(&store, &key(7, 99)).await < before + 50 {
                tokio::task::yield_now().await;
            }
        }
        end.store(true, Ordering::SeqCst);
        let mut all = 0;
        for (number, payer) in (1_u8..).zip(payers) {
            let done = payer.await.unwrap();
            let own = tries(&store, &key(100 * u16::from(number), number)).await;
            assert_eq!(own, done, "{database}: lost or done twice");
            all += done;
        }
        assert_eq!(tries(&store, &key(7, 99)).await, all, "{database}");
        store.close();
        // They are there, once, and a program of the version before does not start on them.
        let refused = Store::open(&database, [2; 16], NOW).map(drop);
        assert!(refused.unwrap_err().to_string().contains("version 1004"));
        database.migrate(MUCH_LATER, NOW).unwrap();
    }
}
