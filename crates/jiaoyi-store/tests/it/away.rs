//! A server that is away, and comes back.

use crate::cluster::Cluster;
use crate::touch::{count, key, tries};
use jiaoyi_domain::Instant;
use jiaoyi_store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant as Moment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const NOW: Instant = Instant(1_767_000_000_000);

/// What a server says that has files to bring up to date first: FATAL, 57P03.
const STARTING: &[u8] =
    b"E\x00\x00\x00\x3ESFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00";

/// The way to the cluster's server, which can be shut.
struct Way {
    host: String,
    open: watch::Sender<bool>,
    /// How often the server was asked while it was shut.
    asked: Arc<AtomicU32>,
}

impl Way {
    async fn new(server: String) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (open, is_open) = watch::channel(true);
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *is_open.borrow() {
                    tokio::spawn(pass(client, server.clone(), is_open.clone()));
                } else {
                    count.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(refuse(client));
                }
            }
        });
        Way { host, open, asked }
    }
}

/// Carries bytes both ways, until the way is shut.
async fn pass(mut client: TcpStream, server: String, mut is_open: watch::Receiver<bool>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _ = is_open.wait_for(|open| !*open) => {}
    }
}

async fn refuse(mut client: TcpStream) {
    let mut asked = [0; 8];
    let _ = client.read_exact(&mut asked).await;
    let _ = client.write_all(STARTING).await;
}

/// Each question costs a server a process, and it has its files to bring up to date: five seconds of
/// being asked by every page turned one into five.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_is_asked_seldom_and_found_soon() {
    let name = Cluster::get().database();
    let url = Cluster::get().url(&name, &name);
    let (before, rest) = url.split_once('@').unwrap();
    let (server, rest) = rest.split_once('/').unwrap();
    let way = Way::new(server.to_owned()).await;
    let database = format!("{before}@{}/{rest}", way.host).parse().unwrap();
    let store = Store::open(&database, [8; 16], NOW).unwrap();
    let row = key(21, 1);
    store.submit(count(&[row])).await.unwrap();
    assert_eq!(tries(&store, &row).await, 1);

    way.open.send_replace(false);
    let paying = Arc::new(AtomicBool::new(true));
    let payers: Vec<_> = (0..32)
        .map(|_| {
            let (store, paying) = (store.clone(), Arc::clone(&paying));
            tokio::spawn(async move {
                while paying.load(Ordering::SeqCst) {
                    let _ = store.query("count_facts", &[]).await;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        })
        .collect();
    let (begun, second) = (Moment::now(), Duration::from_secs(1));
    while begun.elapsed() < second || way.asked.load(Ordering::SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (asked, seconds) = (way.asked.load(Ordering::SeqCst), begun.elapsed().as_secs());
    assert!(
        u64::from(asked) <= 30 * (seconds + 1),
        "asked {asked} times in {seconds} s"
    );

    way.open.send_replace(true);
    let begun = Moment::now();
    while store.query("count_facts", &[]).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while store.submit(count(&[row])).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let found = begun.elapsed();
    assert!(found < Duration::from_secs(5), "found after {found:?}");
    paying.store(false, Ordering::SeqCst);
    for payer in payers {
        payer.await.unwrap();
    }
    while !store.can_write() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(tries(&store, &row).await, 2);
    store.close();
}
