//! A PostgreSQL server for tests: one of this process with own folder and port, never as root, gone
//! with the process; or the one that `JIAOYI_TEST_DATABASE_URL` names, as its superuser. Every test
//! has a database and a role of its own, which go with the process as well.
#![allow(
    dead_code,
    reason = "this file is shared by test programs that use different parts of it"
)]

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// What a standby calls itself at its primary.
const STANDBY: &str = "standby";

/// Waits until standard input ends, which is when the test process has ended, however that came
/// about; then until the server is gone, and removes its folder. The server's id is in its own file.
const REMOVE_FOLDER: &str = "trap '' INT TERM; cat >/dev/null
server=$(head -n 1 \"$1/data/postmaster.pid\" 2>/dev/null)
for pause in $(seq 300); do kill -0 $server 2>/dev/null || break; sleep 0.1; done
rm -rf \"$1\"";

/// The same for a server that stays: drops the databases and roles whose names it was told.
const DROP_DATABASES: &str = "trap '' INT TERM; names=$(cat); for name in $names; do
\"$1\" -X -q -d \"$2\" -c \"DROP DATABASE IF EXISTS $name WITH (FORCE)\" -c \"DROP ROLE $name\"
done";

/// A URL around its user and its database.
#[derive(Clone, Debug)]
struct Address {
    scheme: String,
    user: String,
    /// With its colon, if there is one.
    password: String,
    host: String,
    parameters: String,
}

impl Address {
    fn parse(url: &str) -> Option<Address> {
        let (scheme, rest) = url.split_once("://")?;
        let (who, rest) = rest.split_once('@')?;
        let (host, rest) = rest.split_once('/')?;
        let place = rest.find('?').unwrap_or(rest.len());
        let colon = who.find(':').unwrap_or(who.len());
        Some(Address {
            scheme: scheme.to_owned(),
            user: who[..colon].to_owned(),
            password: who[colon..].to_owned(),
            host: host.to_owned(),
            parameters: rest[place..].to_owned(),
        })
    }

    fn url(&self, role: &str, database: &str) -> String {
        let Address {
            scheme,
            password,
            host,
            parameters,
            ..
        } = self;
        format!("{scheme}://{role}{password}@{host}/{database}{parameters}")
    }
}

/// A server of this process.
struct Server {
    data: PathBuf,
    /// The server's process; 0 while none runs.
    id: Arc<AtomicU32>,
    /// Asks for it to be started.
    start: Sender<Start>,
}

/// How a server is started: settings, and what is in its environment.
struct Start {
    settings: Vec<String>,
    environment: Vec<(&'static str, PathBuf)>,
}

pub struct Cluster {
    address: Address,
    server: Option<Server>,
    /// What clears up after this process; told the names of databases.
    janitor: Mutex<Child>,
}

fn program(name: &str) -> PathBuf {
    let path = Path::new(PROGRAMS).join(name);
    assert!(
        path.exists(),
        "PostgreSQL 15 is missing; run: apt-get install -y --no-install-recommends postgresql-15"
    );
    path
}

/// A command of the cluster: as the user `postgres` when we are root, which the server refuses.
fn command(name: &str) -> Command {
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
    command.arg(program(name)).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Starts the script that clears up when this process has ended.
fn janitor(script: &str, given: &[&Path]) -> Mutex<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "janitor"]).args(given);
    shell.stdin(Stdio::piped());
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    Mutex::new(shell.spawn().expect("sh runs"))
}

fn make_folder(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let owner = Command::new("chown").arg("postgres").arg(folder).status();
    drop(owner);
    folder.join("data")
}

/// A new server's data.
fn make_data(data: &Path) {
    let made = command("initdb")
        .args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--username=postgres",
            "-D",
        ])
        .arg(data)
        .status()
        .expect("initdb runs");
    assert!(made.success(), "initdb failed");
}

/// The data of a standby, taken from a primary that is reached by this port; it stays connected by it
/// under the name of a standby.
fn copy_data(data: &Path, by: u16) {
    let primary = format!("host=127.0.0.1 port={by} user=postgres application_name={STANDBY}");
    let made = command("pg_basebackup")
        .args(["--write-recovery-conf", "--checkpoint=fast", "-d", &primary])
        .arg("-D")
        .arg(data)
        .stderr(Stdio::piped())
        .output()
        .expect("pg_basebackup runs");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "pg_basebackup failed: {said}");
}

/// The processes whose parent is this one; they stay behind when it is killed.
fn children(id: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|child| state(*child).is_some_and(|(_, parent)| parent == id))
        .collect()
}

/// State letter and parent of a process, as /proc shows them.
fn state(id: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace();
    let letter = fields.next()?.chars().next()?;
    Some((letter, fields.next()?.parse().ok()?))
}

/// Whether it runs; a process that is only not yet reaped does not.
fn runs(id: u32) -> bool {
    state(id).is_some_and(|(letter, _)| letter != 'Z')
}

/// How long another program may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(30);

#[expect(
    clippy::disallowed_methods,
    reason = "other programs start and end; nothing else tells when they have"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        pause();
    }
}

/// The file that the server of this folder writes its messages to.
fn words(data: &Path) -> PathBuf {
    data.with_file_name("server.log")
}

impl Cluster {
    /// The server of this process's tests; started at the first call.
    pub fn get() -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| match std::env::var("JIAOYI_TEST_DATABASE_URL") {
            Ok(url) => Cluster::there(&url),
            Err(_) => Cluster::alone(),
        })
    }

    /// A server of its own behind any port, for a test that sets what others would meet.
    pub fn alone() -> Cluster {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        Cluster::new(port)
    }

    /// A server that somebody else keeps.
    fn there(url: &str) -> Cluster {
        let address = Address::parse(url).expect("postgres://SUPERUSER@HOST/DATABASE");
        Cluster {
            janitor: janitor(DROP_DATABASES, &[&program("psql"), Path::new(url)]),
            address,
            server: None,
        }
    }

    /// A server of its own behind this port.
    pub fn new(port: u16) -> Cluster {
        let cluster = Cluster::over(port, make_data);
        cluster.start(&[]);
        cluster
    }

    /// A standby behind this port; its primary is reached by the port `by`.
    pub fn standby(port: u16, by: u16) -> Cluster {
        let cluster = Cluster::over(port, |data| copy_data(data, by));
        cluster.start(&["wal_retrieve_retry_interval=200ms"]);
        cluster
    }

    /// A server that does not run yet, over the data that are made for it.
    fn over(port: u16, make: impl FnOnce(&Path)) -> Cluster {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), NUMBER.fetch_add(1, Ordering::SeqCst));
        // A port may be used again before what was behind it is removed.
        let folder = std::env::temp_dir().join(format!("jiaoyi-pg-{process}-{port}-{number}"));
        let janitor = janitor(REMOVE_FOLDER, &[&folder]);
        let data = make_folder(&folder);
        make(&data);
        let (start, starts) = channel::<Start>();
        let (id, place) = (Arc::new(AtomicU32::new(0)), data.clone());
        let running = Arc::clone(&id);
        // The server goes with the thread that started it, so that thread lives as long as the
        // process and reaps the server if it ends before.
        std::thread::spawn(move || {
            for Start {
                settings,
                environment,
            } in starts
            {
                let mut server = command("postgres");
                server.envs(environment);
                server.arg("-D").arg(&place).args(["-p", &port.to_string()]);
                for setting in settings {
                    server.args(["-c", &setting]);
                }
                let log = std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(words(&place));
                server.stderr(log.expect("a file"));
                let mut server = server.spawn().expect("postgres runs");
                running.store(server.id(), Ordering::SeqCst);
                let _ = server.wait();
                running.store(0, Ordering::SeqCst);
            }
        });
        let address = Address {
            scheme: "postgres".to_owned(),
            user: "postgres".to_owned(),
            password: String::new(),
            host: format!("127.0.0.1:{port}"),
            parameters: String::new(),
        };
        Cluster {
            address,
            server: Some(Server { data, id, start }),
            janitor,
        }
    }

    /// Acknowledges nothing any more that its standby has not; there is one when this returns.
    pub fn wait_for_standby(&self) {
        let names = format!("ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'");
        let reload = "SELECT pg_reload_conf()".to_owned();
        self.run("postgres", &[names, reload]);
        // A division by nothing is an error, and what is an error is run again.
        let feeds = "SELECT 1 / count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        self.run("postgres", &[feeds.to_owned()]);
    }

    /// Makes a standby a primary; it takes commits when this returns.
    pub fn promote(&self) {
        self.run("postgres", &["SELECT pg_promote()".to_owned()]);
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("a server of our own")
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        let port = self.address.host.rsplit(':').next();
        port.and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.server().data
    }

    /// Starts the server after it has ended; it answers a moment later.
    pub fn start(&self, more: &[&str]) {
        self.start_as(more, &[]);
    }

    /// As [`Cluster::start`], with these variables in its environment.
    pub fn start_with(&self, environment: &[(&'static str, PathBuf)]) {
        self.start_as(&[], environment);
    }

    fn start_as(&self, more: &[&str], environment: &[(&'static str, PathBuf)]) {
        // Hundreds of small databases: what is checkpointed late lies on the disk for nothing.
        let always = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_wal_size=128MB",
        ];
        let settings = always.iter().chain(more).map(|&text| text.to_owned());
        let server = self.server();
        let start = Start {
            settings: settings.collect(),
            environment: environment.to_vec(),
        };
        server.start.send(start).expect("its thread");
        wait_for("the server does not start", || {
            server.id.load(Ordering::SeqCst) != 0
        });
    }

    /// Kills the server with all its processes, as a power cut ends them; none runs when this
    /// returns. Its lock file stays, as it does then.
    pub fn kill(&self) {
        let server = self.server();
        let id = server.id.load(Ordering::SeqCst);
        assert!(id != 0, "the server runs");
        let mut all = vec![id];
        all.extend(children(id));
        let ids = all.iter().map(u32::to_string);
        // Some of them may have ended by themselves meanwhile.
        let killed = Command::new("kill").arg("-KILL").args(ids).output();
        drop(killed.expect("kill runs"));
        wait_for("the server does not end", || {
            server.id.load(Ordering::SeqCst) != id && !all.iter().any(|id| runs(*id))
        });
    }

    /// Whether no server runs here, for whatever reason.
    pub fn has_ended(&self) -> bool {
        let server = self.server.as_ref();
        server.is_some_and(|server| server.id.load(Ordering::SeqCst) == 0)
    }

    /// How many lines of what the server has written hold these words.
    pub fn said(&self, what: &str) -> u64 {
        let said = std::fs::read_to_string(words(self.data())).unwrap_or_default();
        said.lines().filter(|line| line.contains(what)).count() as u64
    }

    /// Whether a server that was just started answers, rather than ending.
    pub fn comes_up(&self) -> bool {
        let begun = Instant::now();
        let url = self.superuser("postgres");
        while !self.has_ended() && begun.elapsed() < PATIENCE {
            let mut psql = command("psql");
            psql.args(["-X", "-q", "-d", &url, "-c", "SELECT 1"]);
            if psql.status().expect("psql runs").success() {
                return true;
            }
            pause();
        }
        false
    }

    /// Has PostgreSQL's own program compare every table of a database with its indexes; what it says
    /// when something is wrong.
    pub fn amcheck(&self, database: &str) -> Result<(), String> {
        let mut check = command("pg_amcheck");
        check.args(["--install-missing", "--heapallindexed", "-d", database]);
        let (host, port) = self.address.host.split_once(':').expect("a port");
        check.args(["-h", host, "-p", port, "-U", &self.address.user]);
        check.stdout(Stdio::piped());
        let done = check
            .stderr(Stdio::piped())
            .output()
            .expect("pg_amcheck runs");
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        if done.status.success() {
            Ok(())
        } else {
            Err(said)
        }
    }

    /// Runs statements as the superuser, as soon as the server answers.
    pub fn run(&self, database: &str, statements: &[String]) {
        let url = self.superuser(database);
        let begun = Instant::now();
        loop {
            let mut psql = command("psql");
            psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url]);
            for statement in statements {
                psql.args(["-c", statement]);
            }
            let done = psql.stderr(Stdio::piped()).output().expect("psql runs");
            if done.status.success() {
                return;
            }
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                begun.elapsed() < PATIENCE,
                "the cluster does not do what it is told: {said}\n{}",
                self.last_words()
            );
            pause();
        }
    }

    /// The end of what the server has written, if it is ours.
    fn last_words(&self) -> String {
        let Some(server) = &self.server else {
            return String::new();
        };
        let said = std::fs::read_to_string(words(&server.data)).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Ends a database that [`Cluster::database`] made, whoever is still connected.
    pub fn forget(&self, name: &str) {
        self.run(
            "postgres",
            &[
                format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                format!("DROP ROLE IF EXISTS {name}"),
            ],
        );
    }

    /// A fresh database with a role of its own, set as an installation has to set it. Blocks.
    pub fn database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("jiaoyi_test_{}_{number}", std::process::id());
        {
            let janitor = self.janitor.lock();
            let mut janitor = janitor.unwrap_or_else(PoisonError::into_inner);
            let told = janitor.stdin.as_mut().expect("a pipe");
            writeln!(told, "{name}").expect("the janitor lives");
        }
        let password = self.address.password.trim_start_matches(':');
        self.run(
            "postgres",
            &[
                format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"),
                format!("ALTER ROLE {name} SET lock_timeout = '250ms'"),
                format!("ALTER ROLE {name} SET deadlock_timeout = '50ms'"),
                format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0 ENCODING 'UTF8'"),
            ],
        );
        name
    }

    /// The URL of a database for a role of the cluster.
    pub fn url(&self, role: &str, database: &str) -> String {
        self.address.url(role, database)
    }

    /// The URL of a database on whichever of two servers takes commits.
    pub fn url_of_pair(&self, other: &Cluster, role: &str, database: &str) -> String {
        let (one, other) = (&self.address, &other.address.host);
        let both = Address {
            host: format!("{},{other}", one.host),
            parameters: "?target_session_attrs=read-write".to_owned(),
            ..one.clone()
        };
        both.url(role, database)
    }

    /// The URL of a database for its superuser.
    pub fn superuser(&self, database: &str) -> String {
        self.url(&self.address.user, database)
    }
}

/// A server that was started for one test alone ends with it.
impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.is_some() && !self.has_ended() {
            self.kill();
        }
    }
}
