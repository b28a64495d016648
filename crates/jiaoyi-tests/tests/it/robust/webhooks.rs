//! `jiaoyi institution webhook` beside a running demo: what it says, and what the receiver gets.

use super::browser::client;
use super::installation::first_line;
use super::process::{Around, Running, command};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A demo, and the operator's shell beside it.
struct Demo {
    folder: PathBuf,
    portal: String,
    sandbox: String,
    running: Running,
}

impl Demo {
    async fn start() -> Demo {
        let folder = std::env::temp_dir().join(format!("jiaoyi-webhooks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let start = ["demo", "--port", "0", "--json", "--data", "data"];
        let around = Around {
            // Where it leaves word of itself.
            environment: vec![("TMPDIR", folder.clone())],
            ..Around::default()
        };
        let mut running = Running::start(&folder, "demo", &start, &around).unwrap();
        let told = first_line(&folder.join("demo.stdout"), &mut running).await;
        let told: Value = serde_json::from_str(&told.unwrap()).unwrap();
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Demo {
            portal: text("portal"),
            sandbox: text("sandbox"),
            folder,
            running,
        }
    }

    /// Exit code and what was told.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = command(arguments).unwrap();
        let output = command.current_dir(&self.folder).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        (output.status.code().unwrap_or(-1), told)
    }

    fn webhook(&self, arguments: &[&str]) -> (i32, String) {
        let head = ["institution", "--config", "data/jiaoyi.toml", "webhook"];
        self.run(&[head.as_slice(), arguments].concat())
    }

    /// Runs a command that must end well; what it told.
    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        let (code, told) = self.webhook(arguments);
        assert_eq!(code, 0, "{arguments:?}: {told}");
        told
    }

    /// A command that must be refused with these words and this exit code.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, words: &str) {
        let (found, told) = self.webhook(arguments);
        assert_eq!(found, code, "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }

    /// What the machine's receiver keeps, with a test of the event.
    async fn kept(&self) -> Vec<Value> {
        let url = format!("{}/_sandbox/front/books", self.sandbox);
        let told = client().unwrap().get(url).send().await.unwrap();
        let books: Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
        assert_eq!(books["events_refused"], 0, "all of it is believed");
        books["events"].as_array().unwrap().clone()
    }

    /// Lines of the log until they say what is waited for.
    async fn log_until(&self, is_so: impl Fn(&[Vec<String>]) -> bool) -> Vec<Vec<String>> {
        for _ in 0..200 {
            let rows = rows(&self.good(&["log", "SIM-A7"]));
            if is_so(&rows) {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{}", self.good(&["log", "SIM-A7"]));
    }

    fn end(self) {
        self.running.kill().unwrap();
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

/// The events of a log: time, id, kind, state, tries. Lines that begin with a tab tell of tries.
fn rows(log: &str) -> Vec<Vec<String>> {
    let lines = log.lines().filter(|line| !line.starts_with('\t'));
    let fields = |line: &str| line.split('\t').map(str::to_owned).collect();
    lines.map(fields).collect()
}

/// Payments of the machine's institution, which has a payment and its voucher told each.
fn pays(demo: &Demo, folder: &Path) {
    let own = [
        "--inst",
        "SIM-A7",
        "--key",
        "data/channels/front_a7_key.pem",
    ];
    let head = ["conformance", "--base-url", &demo.portal];
    let more = ["--cut-over", "23:00", "--only", "pay.", "--report"];
    let report = folder.display().to_string();
    let (code, told) = demo.run(&[head.as_slice(), &own, &more, &[&report]].concat());
    assert_eq!(code, 0, "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_keeps_and_watches_where_institutions_are_told() {
    let demo = Demo::start().await;
    let url = format!("{}/front/events/A7?from=operator", demo.sandbox);

    // The demo has told it where. What happens is told, and the log says how it went.
    pays(&demo, Path::new("report"));
    let all = demo
        .log_until(|rows| rows.len() >= 2 && rows.iter().all(|row| row[3] == "delivered"))
        .await;
    let kinds: Vec<&str> = all.iter().map(|row| row[2].as_str()).collect();
    assert!(
        kinds.contains(&"payment") && kinds.contains(&"voucher_issued"),
        "{kinds:?}"
    );
    let told = demo.good(&["log", "SIM-A7"]);
    assert!(told.contains(" status 204 "), "{told}");
    let one = rows(&demo.good(&["log", "SIM-A7", "--limit", "1"]));
    assert_eq!(one, all[..1]);
    let later = rows(&demo.good(&["log", "SIM-A7", "--since", &all[0][1]]));
    assert_eq!(later, all[1..]);
    assert_eq!(
        demo.good(&["log", "SIM-A8"]),
        "",
        "it is told of its own alone"
    );
    demo.refused(&["log", "SIM-A7", "--since", "x"], 2, "32 digits");

    // Anew what was lost over there; of an event that is not there, or of somebody else's, nothing.
    let id = all[0][1].as_str();
    demo.good(&["replay", "SIM-A7", id]);
    demo.log_until(|rows| rows[0][3] == "delivered" && rows[0][4] == "2")
        .await;
    for event in demo.kept().await {
        let times = if event["event_id"] == id { 2 } else { 1 };
        assert_eq!(event["times"], times, "{event}");
    }
    demo.refused(&["replay", "SIM-A7", "x"], 2, "32 digits");
    let none = "0".repeat(32);
    demo.refused(&["replay", "SIM-A7", &none], 3, "no");
    demo.refused(&["replay", "SIM-A8", id], 3, "no");
    demo.refused(&["replay", "NOBODY", id], 3, "no");

    // Off means of nothing any more.
    let listed = demo.good(&["list"]);
    assert!(
        listed.contains("SIM-A7\t") && listed.contains("SIM-A8\t"),
        "{listed}"
    );
    demo.good(&["off", "SIM-A7"]);
    let listed = demo.good(&["list"]);
    assert!(
        !listed.contains("SIM-A7\t") && listed.contains("SIM-A8\t"),
        "{listed}"
    );
    demo.refused(&["test", "SIM-A7"], 3, "SIM-A7 has no webhook");

    // An address that nobody may be told at changes nothing.
    for wrong in [
        "no address",
        "http://bank.example/events",
        "ftp://127.0.0.1/",
    ] {
        demo.refused(&["set", "SIM-A7", "--url", wrong], 2, "--url");
    }
    demo.refused(&["set", "SIM-A7"], 2, "--url");
    assert_eq!(demo.good(&["list"]), listed);
    for deed in [
        ["set", "NOBODY", "--url", &url].as_slice(),
        &["off", "NOBODY"],
        &["test", "NOBODY"],
        &["log", "NOBODY"],
    ] {
        demo.refused(deed, 3, "there is no institution NOBODY");
    }

    // A test arrives at once, signed, and nothing of it is kept here.
    demo.good(&["set", "SIM-A7", "--url", &url]);
    assert!(demo.good(&["list"]).contains(&format!("\t{url}\n")));
    assert!(demo.good(&["test", "SIM-A7"]).contains("status 204"));
    let kept = demo.kept().await;
    assert_eq!(kept.len(), all.len() + 1);
    assert!(kept.iter().any(|event| event["kind"] == "test"));
    assert_eq!(rows(&demo.good(&["log", "SIM-A7"])).len(), all.len());

    // Nobody is there: a test says so with an exit code of its own.
    demo.good(&["set", "SIM-A7", "--url", "http://127.0.0.1:9/events"]);
    demo.refused(&["test", "SIM-A7"], 7, "did not take the test");
    demo.end();
}
