//! A database whose settings could lose what was acknowledged, or let a lane stand still, is not
//! opened, and it is said what sets it right.

use crate::cluster::Cluster;
use crate::touch::{count, key, tries};
use jiaoyi_domain::Instant;
use jiaoyi_store::{Database, Store};
use std::sync::atomic::{AtomicU8, Ordering};

const NOW: Instant = Instant(1_767_000_000_000);

fn opened(url: &str) -> Result<Store, String> {
    static DRAWN: AtomicU8 = AtomicU8::new(0);
    let drawn = DRAWN.fetch_add(1, Ordering::SeqCst);
    let database: Database = url.parse().unwrap();
    Store::open(&database, [drawn; 16], NOW).map_err(|error| error.to_string())
}

/// Why a database is not opened.
fn refused(url: &str) -> String {
    match opened(url) {
        Ok(_) => panic!("{url} was opened"),
        Err(why) => why,
    }
}

/// The statements that are said to set everything right.
fn remedies(why: &str) -> Vec<String> {
    let lines = why.lines().filter_map(|line| line.split("Run: ").nth(1));
    let statements = lines.flat_map(|run| run.split("; "));
    statements.map(str::to_owned).collect()
}

/// Setting, the value that is wrong, and how it is shown.
const OF_DATABASES: &[(&str, &str, &str)] = &[
    ("synchronous_commit", "off", "off"),
    ("synchronous_commit", "local", "local"),
    ("synchronous_commit", "remote_write", "remote_write"),
    ("lock_timeout", "0", "0"),
    ("deadlock_timeout", "'1s'", "1000"),
    ("statement_timeout", "'5s'", "5000"),
    ("idle_in_transaction_session_timeout", "'1s'", "1000"),
    (
        "default_transaction_isolation",
        "serializable",
        "serializable",
    ),
    ("default_transaction_read_only", "on", "on"),
];

#[test]
fn a_wrong_setting_of_a_database_is_named_with_what_sets_it_right() {
    let cluster = Cluster::get();
    for (setting, wrong, shown) in OF_DATABASES {
        let name = cluster.database();
        let url = cluster.url(&name, &name);
        // What a role has set itself counts more than what its database has.
        let reset = format!("ALTER ROLE {name} RESET {setting}");
        let set = format!("ALTER DATABASE {name} SET {setting} = {wrong}");
        cluster.run("postgres", &[reset, set]);
        let why = refused(&url);
        let said = format!("{setting} is {shown}, needed: ");
        assert!(why.contains(&said), "{setting} = {wrong}: {why}");
        let role = format!("ALTER ROLE \"{name}\" SET {setting} = ");
        let run = remedies(&why);
        assert!(run.len() == 1 && run[0].starts_with(&role), "{why}");
        cluster.run("postgres", &run);
        opened(&url).unwrap().close();
    }
}

/// Both wrong settings are said at once, not one after the other.
#[test]
fn wrong_settings_of_a_server_are_named_with_what_sets_them_right() {
    let cluster = Cluster::alone();
    let name = cluster.database();
    let url = cluster.url(&name, &name);
    for setting in ["fsync", "full_page_writes"] {
        let off = format!("ALTER SYSTEM SET {setting} = off");
        cluster.run("postgres", &[off]);
    }
    cluster.run("postgres", &["SELECT pg_reload_conf()".to_owned()]);
    // A division by nothing is an error, and what is an error is run again.
    let off = "SELECT 1 / count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'off'";
    cluster.run("postgres", &[off.to_owned()]);
    let why = refused(&url);
    for setting in ["fsync", "full_page_writes"] {
        let said = format!("{setting} is off, needed: on. Run: ALTER SYSTEM SET {setting} = on");
        assert!(why.contains(&said), "{why}");
    }
    cluster.run("postgres", &remedies(&why));
    let on = "SELECT 1 / count(*) FROM pg_settings WHERE name = 'fsync' AND setting = 'on'";
    cluster.run("postgres", &[on.to_owned()]);
    opened(&url).unwrap().close();

    let other = format!("CREATE DATABASE other OWNER {name} TEMPLATE template0 ENCODING 'LATIN1'");
    cluster.run("postgres", &[other]);
    let why = refused(&cluster.url(&name, "other"));
    assert!(
        why.contains("server_encoding is LATIN1, needed: UTF8"),
        "{why}"
    );
    assert!(
        why.contains("Make the database again with ENCODING 'UTF8'"),
        "{why}"
    );
}

/// A server that takes a failed sync for one that may be tried again loses what that sync lost.
#[test]
fn a_server_that_tries_failed_syncs_again_is_refused() {
    let cluster = Cluster::alone();
    let name = cluster.database();
    let url = cluster.url(&name, &name);
    let on = "ALTER SYSTEM SET data_sync_retry = on";
    cluster.run("postgres", &[on.to_owned()]);
    cluster.kill();
    cluster.start(&[]);
    cluster.run("postgres", &["SELECT 1".to_owned()]);
    let why = refused(&url);
    assert!(
        why.contains("data_sync_retry is on, needed: off. "),
        "{why}"
    );
    let run = remedies(&why);
    let (statement, then) = run[0].split_once(", and ").unwrap();
    assert_eq!(then, "start the server again");
    cluster.run("postgres", &[statement.to_owned()]);
    cluster.kill();
    cluster.start(&[]);
    cluster.run("postgres", &["SELECT 1".to_owned()]);
    opened(&url).unwrap().close();
}

/// Whoever sets a file to another journal has it set back; a file that somebody holds in it cannot be
/// opened.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_another_journal_is_set_right_or_refused() {
    let folder = std::env::temp_dir().join(format!("jiaoyi-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("jiaoyi.db");
    let url = format!("sqlite:{}", file.display());
    let row = key(5, 1);
    let store = opened(&url).unwrap();
    store.submit(count(&[row])).await.unwrap();
    store.close();
    drop(store);

    let holder = rusqlite::Connection::open(&file).unwrap();
    let journal = |connection: &rusqlite::Connection| -> String {
        let asked = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        asked.unwrap()
    };
    holder
        .pragma_update(None, "journal_mode", "delete")
        .unwrap();
    assert_eq!(journal(&holder), "delete");
    let reading = "BEGIN; SELECT count(*) FROM notice_link";
    holder.execute_batch(reading).unwrap();
    let why = refused(&url);
    assert!(why.contains("locked"), "{why}");
    holder.execute_batch("COMMIT").unwrap();
    let store = opened(&url).unwrap();
    store.submit(count(&[row])).await.unwrap();
    assert_eq!(tries(&store, &row).await, 2);
    store.close();
    drop(store);
    drop(holder);
    let looking = rusqlite::Connection::open(&file).unwrap();
    assert_eq!(journal(&looking), "wal");
    std::fs::remove_dir_all(folder).unwrap();
}
