//! Histories that only a database with several writers shows.

use crate::cluster::Cluster;
use crate::touch::{Touch, call, count, envelope, key, tries};
use jiaoyi_domain::Instant;
use jiaoyi_domain::decide::Answer;
use jiaoyi_domain::roster::NoticeLink;
use jiaoyi_store::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

const NOW: Instant = Instant(1_767_000_000_000);

async fn open(name: &str, drawn: u8) -> Store {
    open_at(Cluster::get(), name, drawn)
}

fn open_at(cluster: &Cluster, name: &str, drawn: u8) -> Store {
    let database = cluster.url(name, name).parse().unwrap();
    Store::open(&database, [drawn; 16], NOW).unwrap()
}

/// A connection of the superuser.
async fn admin(database: &str) -> Client {
    admin_at(Cluster::get(), database).await
}

async fn admin_at(cluster: &Cluster, database: &str) -> Client {
    let url = cluster.superuser(database);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// No. 10: a decision on one node rests on a row that another node changes before it is written.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_only_read_is_asserted() {
    let name = Cluster::get().database();
    let (one, other) = (open(&name, 1).await, open(&name, 2).await);
    let (window, due) = (key(9, 1), key(9, 2));
    one.submit(count(&[window])).await.unwrap();
    let (loaded, waits) = mpsc::channel();
    let (done, goes_on) = mpsc::channel::<()>();
    let goes_on = std::sync::Mutex::new(goes_on);
    let first = AtomicBool::new(true);
    let meanwhile = move || {
        if first.swap(false, Ordering::SeqCst) {
            loaded.send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
        }
    };
    let pays = Touch {
        counts: vec![due],
        reads: Some(window),
        meanwhile: Some(Box::new(meanwhile)),
        ..Touch::default()
    };
    let of_one = one.clone();
    let paying = tokio::spawn(async move { of_one.submit(envelope(pays, None)).await });
    tokio::task::block_in_place(|| waits.recv().unwrap());
    let shut = Touch {
        shuts: Some(window),
        ..Touch::default()
    };
    other.submit(envelope(shut, None)).await.unwrap();
    done.send(()).unwrap();
    let refused = paying.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), "pay.window_closed");
    assert_eq!(tries(&one, &due).await, 0);
    one.close();
    other.close();
}

/// No. 4: a commit that is cancelled while it waits for a standby looks like success.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_its_standby_is_not_acknowledged() {
    let cluster = Cluster::alone();
    let name = cluster.database();
    let store = open_at(&cluster, &name, 3);
    let row = key(11, 1);
    store.submit(count(&[row])).await.unwrap();
    let admin = admin_at(&cluster, &name).await;
    let standby = |text: &str| format!("ALTER SYSTEM SET synchronous_standby_names = '{text}'");
    admin
        .batch_execute("SET synchronous_commit = 'local'")
        .await
        .unwrap();
    admin.batch_execute(&standby("nobody")).await.unwrap();
    admin
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    let cancel = async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let waiting = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
                       WHERE wait_event = 'SyncRep' AND datname = $1";
        let rows = admin.query_one(waiting, &[&name]).await.unwrap();
        rows.get::<_, i64>(0)
    };
    // The server takes the setting in a moment later: what is committed before waits for nobody.
    let mut before = 1;
    let paying = loop {
        let of_task = store.clone();
        let paying = tokio::spawn(async move { of_task.submit(count(&[key(11, 1)])).await });
        while !paying.is_finished() && cancel().await == 0 {}
        if !paying.is_finished() {
            break paying;
        }
        before += 1;
    };
    // Twice: the commit itself, and now the barrier that would have proved it.
    while cancel().await == 0 {}
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(seen(&admin).await, before + 1, "the row is visible");
    assert!(!paying.is_finished(), "and nobody was told");
    assert!(is_kept_back(&store).await, "nor is anybody shown it");
    admin.batch_execute(&standby("")).await.unwrap();
    admin
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
    assert_eq!(paying.await.unwrap().unwrap(), Answer::Done);
    assert_eq!(tries(&store, &row).await, before + 1, "and once only");
    store.close();
}

/// The same after a restart of a server whose standby is away: what it found in its log is to be seen
/// by everybody, and when the standby takes over it was never so.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_found_in_its_log_is_not_shown_before_its_standby_has_it() {
    let cluster = Cluster::alone();
    let name = cluster.database();
    let store = open_at(&cluster, &name, 9);
    // Another node, which has nothing in doubt itself.
    let other = open_at(&cluster, &name, 10);
    store.submit(count(&[key(11, 1)])).await.unwrap();
    assert_eq!(tries(&other, &key(11, 1)).await, 1);
    let standby = |text: &str| format!("ALTER SYSTEM SET synchronous_standby_names = '{text}'");
    let reload = || "SELECT pg_reload_conf()".to_owned();
    cluster.run("postgres", &[standby("nobody"), reload()]);
    // What is committed before the setting is taken in waits for nobody.
    let of_task = store.clone();
    let paying = tokio::spawn(async move {
        for done in 1.. {
            if let Err(error) = of_task.submit(count(&[key(11, 1)])).await {
                return (done, error);
            }
        }
        unreachable!("it is refused when the server is away")
    });
    let waits = "SELECT 1 / count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    cluster.run("postgres", &[waits.to_owned()]);
    cluster.kill();
    let (acknowledged, error) = paying.await.unwrap();
    assert_eq!(error.code(), "store.unavailable");
    cluster.start(&[]);
    cluster.run(&name, &["SELECT 1".to_owned()]);
    let admin = admin_at(&cluster, &name).await;
    assert_eq!(seen(&admin).await, acknowledged + 1, "the row is visible");
    for node in [&other, &store, &other] {
        assert!(is_kept_back(node).await, "and nobody is shown it");
    }
    let mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1";
    let connections: i64 = admin.query_one(mine, &[&name]).await.unwrap().get(0);
    assert!(
        connections < 16,
        "questions leave {connections} connections"
    );
    cluster.run("postgres", &[standby(""), reload()]);
    for node in [store, other] {
        while is_kept_back(&node).await {}
        assert_eq!(tries(&node, &key(11, 1)).await, acknowledged + 1);
        node.close();
    }
}

/// How often the one row was counted, as its database shows to everybody.
async fn seen(admin: &Client) -> u32 {
    let row = admin.query_one("SELECT tries FROM notice_link", &[]).await;
    u32::try_from(row.unwrap().get::<_, i64>(0)).unwrap()
}

/// Whether the store does not give out what it reads.
async fn is_kept_back(store: &Store) -> bool {
    match store.load::<NoticeLink>(&key(11, 1)).await {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.code(), "store.unavailable");
            true
        }
    }
}

/// No. 11: an earlier try of the same key is still in doubt; the later one waits and takes its
/// answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_row_in_doubt_is_waited_for() {
    let cluster = Cluster::get();
    let name = cluster.database();
    let store = open(&name, 4).await;
    let row = key(13, 1);
    let mut admin = admin(&name).await;
    let doubt = admin.transaction().await.unwrap();
    let insert = "INSERT INTO command_key (bucket, key_hash, body_hash, answer, at) \
                  VALUES (13, $1, $2, '\"Already\"', 0)";
    let (key_hash, body_hash) = ([5_u8; 32], [6_u8; 32]);
    doubt
        .execute(insert, &[&&key_hash[..], &&body_hash[..]])
        .await
        .unwrap();
    let of_task = store.clone();
    let paying = tokio::spawn(async move {
        let touch = Touch {
            counts: vec![key(13, 1)],
            ..Touch::default()
        };
        of_task.submit(envelope(touch, Some(call(13, 5, 6)))).await
    });
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!paying.is_finished(), "it waits its turn");
    doubt.commit().await.unwrap();
    assert_eq!(paying.await.unwrap().unwrap(), Answer::Already);
    assert_eq!(tries(&store, &row).await, 0);
    store.close();
}

/// No. 19: two nodes meet on the same rows, whatever order their commands name them in.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_meet_do_not_deadlock() {
    let cluster = Cluster::get();
    let name = cluster.database();
    let nodes = [open(&name, 5).await, open(&name, 6).await];
    let rows: Vec<_> = (0..8).map(|number| key(17, number)).collect();
    nodes[0].submit(count(&rows)).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..40 {
        let mut keys = rows.clone();
        keys.rotate_left(number % rows.len());
        if number % 3 == 0 {
            keys.reverse();
        }
        let store = nodes[number % 2].clone();
        waiting.push(tokio::spawn(
            async move { store.submit(count(&keys)).await },
        ));
    }
    let mut done = 1;
    for one in waiting {
        match one.await.unwrap() {
            Ok(Answer::Done) => done += 1,
            Ok(other) => panic!("{other:?}"),
            // Met others at every try: refused, and nothing was written.
            Err(error) => assert_eq!(error.code(), "store.busy"),
        }
    }
    for row in &rows {
        assert_eq!(tries(&nodes[0], row).await, done);
    }
    let admin = admin(&name).await;
    let counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1";
    let deadlocks: i64 = admin.query_one(counted, &[&name]).await.unwrap().get(0);
    assert_eq!(deadlocks, 0);
    nodes.iter().for_each(Store::close);
}

/// A setting that makes commits forgettable comes with a new connection: nothing is acknowledged
/// over it, and the reason is said.
#[tokio::test(flavor = "multi_thread")]
async fn settings_are_asserted_again_after_a_reconnect() {
    let name = Cluster::get().database();
    let store = open(&name, 7).await;
    let row = key(19, 1);
    let mut acknowledged = 0;
    let admin = admin(&name).await;
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE usename = $1";
    for (setting, wrong, right) in [
        ("synchronous_commit", "off", "on"),
        ("lock_timeout", "0", "'250ms'"),
        ("default_transaction_read_only", "on", "off"),
    ] {
        store.submit(count(&[row])).await.unwrap();
        acknowledged += 1;
        let set = |value: &str| format!("ALTER ROLE {name} SET {setting} = {value}");
        admin.batch_execute(&set(wrong)).await.unwrap();
        let connections: i64 = admin.query_one(cut, &[&name]).await.unwrap().get(0);
        assert!(connections > 0);
        let said = store.submit(count(&[row])).await.unwrap_err().to_string();
        assert!(said.contains(&format!("{setting} is ")), "{said}");
        assert!(
            said.contains("ALTER ROLE") || said.contains("primary"),
            "{said}"
        );
        while store.can_write() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        admin.batch_execute(&set(right)).await.unwrap();
        while store.submit(count(&[row])).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        acknowledged += 1;
    }
    assert_eq!(tries(&store, &row).await, acknowledged);
    store.close();
}
