//! A PostgreSQL cluster of this test process: own folder, own port, never as root, gone with the
//! process. Every test has a database of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

pub struct Cluster {
    port: u16,
}

/// A command of the cluster: as the user `postgres` when we are root, which the server refuses.
fn command(program: &str) -> Command {
    let path = Path::new(PROGRAMS).join(program);
    assert!(
        path.exists(),
        "PostgreSQL 15 is missing; run: apt-get install -y --no-install-recommends postgresql-15"
    );
    let id = Command::new("id").arg("-u").output().expect("id runs");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if id.stdout.starts_with(b"0\n") {
        command.args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--init-groups",
        ]);
    }
    command.arg(path).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn make_folder(port: u16) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("jiaoyi-pg-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let owner = Command::new("chown").arg("postgres").arg(&folder).status();
    drop(owner);
    let data = folder.join("data");
    let made = command("initdb")
        .args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--username=postgres",
            "-D",
        ])
        .arg(&data)
        .status()
        .expect("initdb runs");
    assert!(made.success(), "initdb failed");
    data
}

impl Cluster {
    /// The cluster of this process; started at the first call.
    pub fn get() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = listener.local_addr().expect("a port").port();
            drop(listener);
            // The server goes with the thread that started it, so that thread lives as long as the
            // process and reaps the server if it ends before.
            std::thread::spawn(move || {
                let data = make_folder(port);
                let mut server = command("postgres");
                server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
                for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="] {
                    server.args(["-c", setting]);
                }
                let mut server = server.spawn().expect("postgres runs");
                let _ = server.wait();
            });
            Cluster { port }
        })
    }

    /// Runs statements as the superuser, as soon as the server answers.
    #[expect(
        clippy::disallowed_methods,
        reason = "another program starts; nothing else tells when it answers"
    )]
    pub fn run(&self, database: &str, statements: &[String]) {
        for tries in 0.. {
            let mut psql = command("psql");
            psql.args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-U",
                "postgres",
            ]);
            psql.args(["-p", &self.port.to_string(), "-d", database]);
            for statement in statements {
                psql.args(["-c", statement]);
            }
            if psql.status().expect("psql runs").success() {
                return;
            }
            assert!(tries < 100, "the cluster does not start");
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    /// A fresh database with a role of its own, set as an installation has to set it. Blocks.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        self.run(
            "postgres",
            &[
                format!("CREATE ROLE {name} LOGIN"),
                format!("ALTER ROLE {name} SET lock_timeout = '250ms'"),
                format!("ALTER ROLE {name} SET deadlock_timeout = '50ms'"),
                format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING 'UTF8'"),
            ],
        );
        name
    }

    /// The URL of a database for a role of the cluster.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }
}
