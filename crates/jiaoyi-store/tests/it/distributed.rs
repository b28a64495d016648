//! Databases on a coordinator of Citus that somebody started: `JIAOYI_TEST_CITUS_URL` is the URL of
//! a superuser there, in a database whose nodes are added. Without it there are none.

use jiaoyi_store::Database;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, NoTls};

/// Shards of a table: enough to tell one from all, few enough to be made for every test.
const SHARDS: u32 = 8;

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A fresh database on every node, with a role of its own, set as an installation has to set it.
pub async fn database() -> Option<Database> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // Nodes that are added while another database is made sometimes lose a connection over it.
    static ONE_BY_ONE: Mutex<()> = Mutex::const_new(());
    let url = std::env::var("JIAOYI_TEST_CITUS_URL").ok()?;
    let _turn = ONE_BY_ONE.lock().await;
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let name = format!("jiaoyi_test_{}_{number}", std::process::id());
    let config: Config = url.parse().unwrap();
    let known = "SELECT nodename, nodeport, groupid FROM pg_dist_node ORDER BY groupid";
    let nodes = connect(&config).await.query(known, &[]).await.unwrap();
    assert!(nodes.len() > 1, "the nodes of Citus are added first");
    let on = |host: &str, port: i32, database: &str| {
        let mut config = Config::new();
        config.host(host).port(port.try_into().unwrap());
        config.user("postgres").dbname(database);
        config
    };
    for node in &nodes {
        let (host, port): (String, i32) = (node.get(0), node.get(1));
        let server = connect(&on(&host, port, "postgres")).await;
        for statement in [
            format!("CREATE ROLE {name} LOGIN"),
            format!("ALTER ROLE {name} SET lock_timeout = '250ms'"),
            format!("ALTER ROLE {name} SET deadlock_timeout = '50ms'"),
            format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING 'UTF8'"),
            format!("ALTER DATABASE {name} SET citus.shard_count = {SHARDS}"),
        ] {
            server.batch_execute(&statement).await.unwrap();
        }
        let inside = connect(&on(&host, port, &name)).await;
        inside
            .batch_execute("CREATE EXTENSION citus")
            .await
            .unwrap();
    }
    let (host, port): (String, i32) = (nodes[0].get(0), nodes[0].get(1));
    let inside = connect(&on(&host, port, &name)).await;
    let coordinator = "SELECT citus_set_coordinator_host($1, $2)";
    inside.execute(coordinator, &[&host, &port]).await.unwrap();
    for node in &nodes[1..] {
        let given: (String, i32) = (node.get(0), node.get(1));
        let add = "SELECT citus_add_node($1, $2)";
        inside.execute(add, &[&given.0, &given.1]).await.unwrap();
    }
    let url = format!("postgres://{name}@{host}:{port}/{name}");
    Some(url.parse().unwrap())
}

/// Runs a statement on a server that the database lies on, whoever started it, as its owner.
pub fn run(url: &str, statement: &str) {
    let run = async {
        let client = connect(&url.parse().unwrap()).await;
        client.batch_execute(statement).await.unwrap();
    };
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(run);
    };
    // There may be a runtime here already, which must not be blocked by another.
    std::thread::scope(|scope| scope.spawn(runtime).join().unwrap());
}

/// The URL of a database that [`database`] made.
pub fn url_of(database: &Database) -> String {
    database.to_string()
}
