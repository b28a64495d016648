//! The way to a server on another machine: encrypted, and only to the server that was meant.

use crate::cluster::Cluster;
use crate::touch::{count, key, tries};
use jiaoyi_domain::Instant;
use jiaoyi_store::{Database, MigrationPlan, Store, StoreError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio_postgres::NoTls;

const NOW: Instant = Instant(1_767_000_000_000);

/// An authority of our own; its certificate is written to `file`.
fn authority(file: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(file, certificate.pem()).unwrap();
    Issuer::new(params, key)
}

/// Writes a file that the server alone may read.
fn write_for_server(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let owner = Command::new("chown").arg("postgres").arg(file).status();
    drop(owner);
}

/// A server that speaks TLS as 127.0.0.1, and the file of the authority it is certified by.
fn guarded_server() -> (Cluster, PathBuf) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let cluster = Cluster::new(port);
    cluster.kill();
    let beside = |name: &str| cluster.data().with_file_name(name);
    let (ca, certificate, key) = (beside("ca.pem"), beside("server.pem"), beside("server.key"));
    let issuer = authority(&ca);
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let signed = params.signed_by(&own, &issuer).unwrap();
    write_for_server(&certificate, &signed.pem());
    write_for_server(&key, &own.serialize_pem());
    let setting = |name: &str, file: &Path| format!("{name}={}", file.display());
    cluster.start(&[
        "ssl=on",
        &setting("ssl_cert_file", &certificate),
        &setting("ssl_key_file", &key),
    ]);
    (cluster, ca)
}

/// What is said of a database that cannot be reached in this way.
fn said(url: &str) -> String {
    let database: Result<Database, StoreError> = url.parse();
    let plan: Result<MigrationPlan, _> = database.and_then(|database| database.migration_plan());
    plan.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_way_is_encrypted_and_leads_to_the_right_server() {
    let (cluster, ca) = tokio::task::spawn_blocking(guarded_server).await.unwrap();
    let name = cluster.database();
    let plain = cluster.url(&name, &name);
    let guarded = format!("{plain}?sslmode=verify-full&sslrootcert={}", ca.display());

    let store = Store::open(&guarded.parse().unwrap(), [8; 16], NOW).unwrap();
    let row = key(21, 1);
    store.submit(count(&[row])).await.unwrap();
    assert_eq!(tries(&store, &row).await, 1);

    let url = cluster.superuser(&name);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let ways = "SELECT count(*), count(*) FILTER (WHERE ssl)
                FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                WHERE application_name = 'jiaoyi'";
    let ways = client.query_one(ways, &[]).await.unwrap();
    let (all, encrypted): (i64, i64) = (ways.get(0), ways.get(1));
    assert!(all >= 6, "five writers and a reader: {all}");
    assert_eq!(encrypted, all);
    drop(store);

    // Whoever stands between and shows a certificate of his own, or that of another machine.
    let strange = ca.with_file_name("strange.pem");
    authority(&strange);
    let query = |ca: &Path| format!("?sslmode=require&sslrootcert={}", ca.display());
    let why = said(&format!("{plain}{}", query(&strange)));
    assert!(
        why.contains("invalid peer certificate") && why.contains("in sslrootcert or"),
        "{why}"
    );
    let by_name = plain.replace("127.0.0.1", "localhost");
    let why = said(&format!("{by_name}{}", query(&ca)));
    assert!(why.contains("localhost"), "{why}");
    // Without sslrootcert only those count that the system believes.
    let why = said(&format!("{plain}?sslmode=verify-full"));
    assert!(why.contains("invalid peer certificate"), "{why}");
    let why = said(&format!("{plain}{}", query(&ca.with_file_name("none.pem"))));
    assert!(why.contains("none.pem"), "{why}");
}

/// A server that does not speak TLS, or somebody who says so in its name, is told nothing.
#[test]
fn nobody_talks_us_out_of_encryption() {
    let cluster = Cluster::get();
    let name = cluster.database();
    let plain = cluster.url(&name, &name);
    let ca = cluster_file("ca-of-nobody.pem");
    authority(&ca);
    let why = said(&format!(
        "{plain}?sslmode=require&sslrootcert={}",
        ca.display()
    ));
    std::fs::remove_file(&ca).unwrap();
    assert!(why.contains("does not support TLS"), "{why}");
    assert!(why.contains("the server needs ssl = on"), "{why}");
}

fn cluster_file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("jiaoyi-{}-{name}", std::process::id()))
}
