//! `jiaoyi conformance --gateway`: our own adapters against the sandbox's gateways, against gateways
//! that do not keep to the protocol, and against one where nobody pays.

use super::browser::client;
use super::installation::first_line;
use super::process::{Around, Running, command};
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A sandbox with identities of its own, and the merchant's side beside it.
struct Sandbox {
    folder: PathBuf,
    base: String,
    running: Running,
}

impl Sandbox {
    async fn start(name: &str) -> Sandbox {
        Sandbox::troubled(name, None).await
    }

    /// One in which goes wrong what a file says.
    async fn troubled(name: &str, faults: Option<&str>) -> Sandbox {
        let folder = format!("jiaoyi-gateways-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let made = ["sandbox", "--make-identities", "keys", "--port", "9"];
        let mut make = command(&made).unwrap();
        assert!(make.current_dir(&folder).output().unwrap().status.success());
        let mut start = vec!["sandbox", "--config", "keys/sandbox.toml", "--port", "0"];
        if let Some(text) = faults {
            std::fs::write(folder.join("faults.toml"), text).unwrap();
            start.extend(["--faults", "faults.toml"]);
        }
        let around = Around::default();
        let mut running = Running::start(&folder, "sandbox", &start, &around).unwrap();
        let base = first_line(&folder.join("sandbox.stdout"), &mut running).await;
        Sandbox {
            base: base.unwrap(),
            folder,
            running,
        }
    }

    /// Tries a gateway; the exit code and what was told.
    async fn conform(&self, gateway: &str, more: &[&str]) -> (i32, String) {
        let own = ["conformance", "--gateway", gateway, "--sandbox", &self.base];
        let channels = ["--channels", "keys/channels.toml"];
        play(&self.folder, &[own.as_slice(), &channels, more].concat()).await
    }

    async fn control(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/_sandbox/{path}", self.base);
        let asked = client().unwrap().post(url).body(body.to_string());
        let told = asked.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&told).unwrap()
    }

    fn end(self) {
        self.running.kill().unwrap();
        std::fs::remove_dir_all(self.folder).unwrap();
    }
}

async fn play(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = command(arguments).unwrap();
    command.current_dir(folder);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    (output.status.code().unwrap_or(-1), told)
}

fn junit(folder: &Path, report: &str) -> String {
    std::fs::read_to_string(folder.join(report).join("junit.xml")).unwrap()
}

/// Plays all cases of a gateway at the sandbox; `unable` of them have no meaning on its wire.
async fn conforms(sandbox: &Sandbox, gateway: &str, cases: usize, unable: usize, more: &[&str]) {
    let report = format!("{}{}", gateway.replace(':', ""), more.len());
    let (code, told) = sandbox
        .conform(gateway, &[&["--report", &report], more].concat())
        .await;
    assert_eq!(code, 0, "{told}");
    let junit = junit(&sandbox.folder, &report);
    let found = junit.matches("<testcase ").count();
    assert!(found >= cases, "{gateway}: {found} of {cases}\n{junit}");
    let counts = format!(r#"failures="0" skipped="{unable}""#);
    assert!(junit.contains(&counts), "{gateway}: {counts}\n{told}");
    // What was said on the wire can be read.
    let page = sandbox.folder.join(&report).join("conformance.html");
    let page = std::fs::read_to_string(page).unwrap();
    for lie in [
        "(one byte is another)",
        "(broken off)",
        "(too late)",
        "(an old answer)",
    ] {
        assert!(page.contains(lie), "{gateway}: {lie}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_adapters_conform_at_the_sandbox() {
    let sandbox = Sandbox::start("all").await;
    let alipay = async {
        conforms(&sandbox, "alipay", 55, 1, &[]).await;
        let text = std::fs::read_to_string(sandbox.folder.join("keys/channels.toml")).unwrap();
        let v3 = text.replace("[alipay]\n", "[alipay]\napi = \"v3\"\n");
        assert_ne!(v3, text);
        // A sandbox's identities send v3 to it as well, not to Alipay.
        assert!(text.contains("v3_url = \"http://127.0.0.1:"), "{text}");
        std::fs::write(sandbox.folder.join("keys/channels.toml"), v3).unwrap();
        conforms(&sandbox, "alipay", 55, 0, &["--only", ""]).await;
    };
    tokio::join!(
        conforms(&sandbox, "wechat", 55, 0, &[]),
        conforms(&sandbox, "unionpay", 50, 1, &[]),
        conforms(&sandbox, "bank:1", 40, 1, &[]),
        conforms(&sandbox, "bank:2", 40, 1, &[]),
        alipay,
    );
    sandbox.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_not_keep_to_the_protocol_is_found_out() {
    let sandbox = Sandbox::start("wrong").await;
    // What it does wrong, at which call, and the case that has to notice.
    for (gateway, at, deed, only) in [
        ("wechat", "query", "contradict", "query.open"),
        ("wechat", "create", "forge", "order.made"),
        ("wechat", "close", "contradict", "close.query_after"),
        ("wechat", "refund", "error_after", "refund.part"),
        ("wechat", "query", "wrong_amount", "query.paid"),
        ("wechat", "notify", "forge", "notice.payment"),
        ("alipay", "create", "error_after", "order.made"),
        ("alipay", "bill", "contradict", "bill.payment"),
        ("unionpay", "query", "forge", "query.unknown"),
        ("unionpay", "bill", "wrong_amount", "bill.payment"),
        ("bank:1", "query", "corrupt", "query.unknown"),
        ("bank:2", "refund", "contradict", "refund.part"),
    ] {
        let fault = json!({
            "channel": gateway.replace(':', ""), "out_trade_no": "*", "at": at, "do": deed,
            "times": 1_000,
        });
        sandbox.control("fault", &fault).await;
        let (code, told) = sandbox.conform(gateway, &["--only", only]).await;
        sandbox.control("reset", &json!({})).await;
        assert_eq!(code, 1, "{gateway} {at} {deed}: {told}");
        assert!(
            told.contains(&format!("FAIL {only}")),
            "{gateway} {at} {deed}: {told}"
        );
        let (code, told) = sandbox.conform(gateway, &["--only", only]).await;
        assert_eq!(code, 0, "{gateway} {only}, honest: {told}");
    }
    sandbox.end();
}

/// A gateway that takes itself for a sandbox and says the same to every call: nothing.
async fn mute(status: u16) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let answer = move |uri: Uri| async move {
        match uri.path() {
            "/_sandbox/clock" => {
                let told = json!({ "now_ms": super::installation::now().0 });
                (StatusCode::OK, told.to_string())
            }
            _ => (StatusCode::from_u16(status).unwrap(), String::new()),
        }
    };
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{at}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_does_nothing_passes_no_case() {
    let mut sandbox = Sandbox::start("mute").await;
    let honest = sandbox.base.clone();
    for status in [200, 500] {
        sandbox.base = mute(status).await;
        for gateway in ["wechat", "alipay", "unionpay", "bank:1", "bank:2"] {
            let (code, told) = sandbox.conform(gateway, &[]).await;
            assert_eq!(code, 1, "{gateway} {status}: {told}");
            let passed: Vec<&str> = told.lines().filter(|line| line.contains(" ok  ")).collect();
            assert_eq!(passed, Vec::<&str>::new(), "{gateway} {status}");
        }
    }
    sandbox.base = honest;
    sandbox.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_by_a_file_is_met_and_counted() {
    let told = command(&["sandbox", "--example-faults"]).unwrap().output();
    let example = String::from_utf8(told.unwrap().stdout).unwrap();
    assert!(example.contains("[[rule]]") && example.contains("do = \"clock_off\""));
    let rule = "[[rule]]\nname = \"never two\"\nchannel = \"wechat\"\nat = \"create\"\n\
                do = \"error_after\"\nevery = 2\n";
    let (head, rules) = example.split_once("[[rule]]").unwrap();
    let text = format!("{head}{rule}[[rule]]{rules}");
    let sandbox = Sandbox::troubled("faults", Some(&text)).await;
    let (code, told) = sandbox.conform("wechat", &["--only", "order.again"]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("SYSTEM_ERROR"), "{told}");
    let url = format!("{}/_sandbox/faults", sandbox.base);
    let told = client().unwrap().get(url).send().await.unwrap();
    let told: Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
    let first = &told["rules"][0];
    assert_eq!(
        (&first["name"], &first["seen"], &first["applied"]),
        (&json!("never two"), &json!(2), &json!(1))
    );

    // A wrong file is told by its name, the line and what is allowed.
    for (text, code, words) in [
        (
            &*example.replace("do = \"lose\"", "do = \"loose\""),
            2,
            "`lose`",
        ),
        (
            "[[rule]]\ndo = \"lose\"\n",
            2,
            "faults.toml: line 1, rule 1: at is missing",
        ),
    ] {
        std::fs::write(sandbox.folder.join("faults.toml"), text).unwrap();
        let start = [
            "sandbox",
            "--config",
            "keys/sandbox.toml",
            "--faults",
            "faults.toml",
        ];
        let (found, told) = play(&sandbox.folder, &start).await;
        assert_eq!(found, code, "{told}");
        assert!(told.contains(words), "{told}");
    }
    let start = [
        "sandbox",
        "--config",
        "keys/sandbox.toml",
        "--faults",
        "none.toml",
    ];
    let (found, told) = play(&sandbox.folder, &start).await;
    assert_eq!(found, 3, "{told}");
    assert!(told.contains("--example-faults"), "{told}");
    sandbox.end();
}

/// Pays what is waited for, as soon as there is an order.
async fn pay_when_there_is_one(sandbox: &Sandbox) {
    let books = format!("{}/_sandbox/books", sandbox.base);
    for _ in 0..400 {
        let told = client().unwrap().get(&books).send().await.unwrap();
        let told: Value = serde_json::from_str(&told.text().await.unwrap()).unwrap();
        let order = &told["transactions"][0]["out_trade_no"];
        if order.is_string() {
            let body = json!({ "channel": "wechat", "out_trade_no": order });
            sandbox.control("pay", &body).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no order came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_pays_nothing_counts_as_passed() {
    let mut sandbox = Sandbox::start("alone").await;
    let honest = sandbox.base.clone();
    // The same gateway under a name by which it is not taken for a sandbox.
    sandbox.base = honest.replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let (code, told) = sandbox.conform("wechat", &[]).await;
    assert_eq!(code, 0, "{told}");
    let junit = junit(&sandbox.folder, "conformance");
    for (case, skipped) in [
        (r#"classname="query" name="paid""#, true),
        (r#"classname="refund" name="whole""#, true),
        (r#"classname="notice" name="payment""#, true),
        (r#"classname="bill" name="not_ready""#, true),
        (r#"classname="order" name="made""#, false),
        (r#"classname="lies" name="flipped""#, false),
    ] {
        let line = junit.lines().find(|line| line.contains(case));
        let line = line.unwrap_or_else(|| panic!("{case}: {junit}"));
        assert_eq!(line.contains("<skipped "), skipped, "{line}");
    }
    assert!(
        told.contains("needs a payer: give --wait SECONDS"),
        "{told}"
    );

    // Somebody who is waited for, and does not come or does.
    let only = ["--only", "query.paid_again", "--wait"];
    let (code, told) = sandbox
        .conform("wechat", &[&only[..], &["1"]].concat())
        .await;
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("weixin://wxpay/") && told.contains("nobody paid in time"),
        "{told}"
    );
    // UnionPay is paid by a form, which is a page to be opened.
    let (code, told) = sandbox
        .conform(
            "unionpay",
            &[&only[..], &["1", "--report", "forms"]].concat(),
        )
        .await;
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("forms/pay.html"), "{told}");
    let page = std::fs::read_to_string(sandbox.folder.join("forms/pay.html")).unwrap();
    assert!(page.contains("/gateway/api/frontTransReq.do") && page.contains("name=\"txnAmt\""));
    let with_time = [&only[..], &["60"]].concat();
    let payer = Sandbox {
        base: honest,
        folder: PathBuf::new(),
        running: sandbox.running,
    };
    payer.control("reset", &json!({})).await;
    let waiting = play_at(&sandbox.folder, &sandbox.base, &with_time);
    let ((code, told), ()) = tokio::join!(waiting, pay_when_there_is_one(&payer));
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 of 1 cases passed: "), "{told}");
    payer.running.kill().unwrap();
    std::fs::remove_dir_all(sandbox.folder).unwrap();
}

async fn play_at(folder: &Path, base: &str, more: &[&str]) -> (i32, String) {
    let own = ["conformance", "--gateway", "wechat", "--sandbox", base];
    let channels = ["--channels", "keys/channels.toml"];
    play(folder, &[own.as_slice(), &channels, more].concat()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn called_wrongly_it_says_what_to_do() {
    let sandbox = Sandbox::start("usage").await;
    let keys = sandbox.folder.join("keys");
    std::fs::write(keys.join("empty.toml"), "[http]\ntotal_ms = 1000\n").unwrap();
    for (arguments, code, words) in [
        (&["--gateway", "paypal"][..], 2, "bank:2"),
        (&["--gateway", "wechat", "--inst", "B"], 2, "--inst"),
        (&["--channels", "keys/channels.toml"], 2, "--gateway"),
        (
            &["--gateway", "wechat", "--channels", "none.toml"],
            3,
            "none.toml: there is no such file",
        ),
        (
            &["--gateway", "alipay", "--channels", "keys/empty.toml"],
            3,
            "there is no section [alipay]",
        ),
        (
            &["--gateway", "alipay", "--channels", "keys/sandbox.toml"],
            2,
            "keys/sandbox.toml",
        ),
        (
            &[
                "--gateway",
                "wechat",
                "--channels",
                "keys/channels.toml",
                "--only",
                "dance",
            ],
            2,
            "--list",
        ),
        (
            // Nobody listens there: no case passes that needs an answer.
            &[
                "--gateway",
                "bank:2",
                "--channels",
                "keys/channels.toml",
                "--only",
                "query.unknown",
            ],
            1,
            "FAIL query.unknown",
        ),
        (&["--gateway", "unionpay", "--list"], 0, "close.cannot"),
    ] {
        let arguments = [&["conformance"], arguments].concat();
        let (found, told) = play(&sandbox.folder, &arguments).await;
        assert_eq!(found, code, "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
    }
    sandbox.end();
}
