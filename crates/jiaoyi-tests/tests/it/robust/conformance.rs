//! `jiaoyi conformance` against a running demo, and against one whose answers are changed on the way.

use super::browser::client;
use super::installation::first_line;
use super::process::{Around, Running, command};
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use std::path::Path;

/// Plays the institution with this key; the exit code and what was told.
fn play(folder: &Path, base: &str, (inst, key): (&str, &str), more: &[&str]) -> (i32, String) {
    let key = format!("data/channels/{key}");
    let head = [
        "conformance",
        "--base-url",
        base,
        "--inst",
        inst,
        "--key",
        &key,
    ];
    let output = command(&[head.as_slice(), more].concat())
        .and_then(|mut command| Ok(command.current_dir(folder).output()?))
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    (output.status.code().unwrap_or(-1), told)
}

/// Forwards everything to a portal; in the answers of `verb` one digit is another one.
async fn liar(portal: String, verb: &'static str) -> String {
    let http = client().unwrap();
    let forward = move |request: Request| {
        let (http, portal) = (http.clone(), portal.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap();
            let url = format!("{portal}{}", head.uri);
            let mut asked = http.request(head.method, url).body(body);
            for (name, value) in head.headers.iter().filter(|(name, _)| *name != "host") {
                asked = asked.header(name, value);
            }
            let answer = asked.send().await.unwrap();
            let mut told = Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                told = told.header(name, value);
            }
            let body = answer.bytes().await.unwrap();
            let changed = match head.uri.path().ends_with(verb) {
                true => String::from_utf8_lossy(&body)
                    .replace("40000", "40001")
                    .into(),
                false => body,
            };
            told.body(axum::body::Body::from(changed))
                .unwrap()
                .into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(forward);
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{at}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_institution_conforms_and_a_lie_does_not() {
    let folder = std::env::temp_dir().join(format!("jiaoyi-conformance-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let start = ["demo", "--port", "0", "--json", "--data", "data"];
    let around = Around {
        // Where it leaves word of itself.
        environment: vec![("TMPDIR", folder.clone())],
        ..Around::default()
    };
    let mut demo = Running::start(&folder, "demo", &start, &around).unwrap();
    let told = first_line(&folder.join("demo.stdout"), &mut demo).await;
    let told: serde_json::Value = serde_json::from_str(&told.unwrap()).unwrap();
    let portal = told["portal"].as_str().unwrap().to_owned();

    // RSA before a machine, SM2 at a counter, whose calls are XML in GBK.
    for (inst, key, channel, profile) in [
        ("SIM-A7", "front_a7_key.pem", "A7", "json"),
        ("SIM-A8", "front_a8_key.pem", "A8", "xml"),
    ] {
        let more = [
            "--channel",
            channel,
            "--profile",
            profile,
            "--cut-over",
            "23:00",
            "--report",
            channel,
        ];
        let (code, told) = play(&folder, &portal, (inst, key), &more);
        assert_eq!(code, 0, "{told}");
        let junit = std::fs::read_to_string(folder.join(channel).join("junit.xml")).unwrap();
        let cases = junit.matches("<testcase ").count();
        assert!(cases >= 60 && junit.contains(r#"failures="0""#), "{junit}");
        let page = std::fs::read_to_string(folder.join(channel).join("conformance.html"));
        let page = page.unwrap();
        assert!(page.contains(&format!("All {cases} cases passed")));
        assert_eq!(page.contains("encoding=&quot;GBK&quot;"), profile == "xml");
    }

    // An answer that was changed on the way is not believed.
    let lying = liar(portal.clone(), "/query").await;
    let own = ("SIM-A7", "front_a7_key.pem");
    let more = [
        "--cut-over",
        "23:00",
        "--only",
        "query.",
        "--report",
        "lied",
    ];
    let (code, told) = play(&folder, &lying, own, &more);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("its signature is wrong"), "{told}");
    let junit = std::fs::read_to_string(folder.join("lied/junit.xml")).unwrap();
    assert!(
        junit.contains("<failure ") && junit.contains(r#"name="bad_id_type""#),
        "{junit}"
    );

    // Called wrongly, each says what to do.
    for (inst, key, more, code, words) in [
        ("SIM-A7", "front_a8_key.pem", [].as_slice(), 1, "FAIL"),
        (
            "NOBODY",
            "front_a7_key.pem",
            &[],
            3,
            "does not know institution NOBODY",
        ),
        ("SIM-A7", "no.pem", &[], 3, "--key"),
        ("SIM-A7", "front_a7_public.pem", &[], 2, "BEGIN PRIVATE KEY"),
        (
            "SIM-A7",
            "front_a7_key.pem",
            &["--cut-over", "25:00"],
            2,
            "--cut-over",
        ),
        (
            "SIM-A7",
            "front_a7_key.pem",
            &["--only", "dance"],
            2,
            "--list",
        ),
    ] {
        let more = [more, &["--report", "wrong"]].concat();
        let (found, told) = play(&folder, &portal, (inst, key), &more);
        assert_eq!(found, code, "{inst} {key}: {told}");
        assert!(told.contains(words), "{inst} {key}: {told}");
    }
    // The mirror finds the gateways of a running demo by itself.
    let mut mirror = command(&["conformance", "--gateway", "bank:1", "--only", "order."]).unwrap();
    let mirror = mirror.current_dir(&folder).env("TMPDIR", &folder).output();
    let told = String::from_utf8(mirror.unwrap().stdout).unwrap();
    assert!(told.contains("3 of 3 cases passed"), "{told}");
    demo.kill().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
