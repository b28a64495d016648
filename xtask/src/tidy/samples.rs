//! For each rule a tree that breaks it and one that keeps it.

use super::tree::{File, Tree};

pub struct Sample {
    pub rule: &'static str,
    pub bad: bool,
    pub note: String,
    pub tree: Tree,
}

fn sample(rule: &'static str, bad: bool, files: &[(&str, &str)]) -> Sample {
    let tree = Tree::of(
        files
            .iter()
            .map(|(path, text)| File::new(path, text.as_bytes(), false))
            .collect(),
    );
    Sample {
        rule,
        bad,
        note: format!("{files:?}"),
        tree,
    }
}

fn executable(bad: bool, path: &str, text: &str, executable: bool) -> Sample {
    let tree = Tree {
        files: vec![File::new(path, text.as_bytes(), executable)],
    };
    Sample {
        rule: "executable-bits",
        bad,
        note: path.to_owned(),
        tree,
    }
}

const BAD: bool = true;
const GOOD: bool = false;

pub fn all() -> Vec<Sample> {
    let mut samples = crates();
    samples.extend(api());
    samples.extend(places());
    samples.extend(code());
    samples.extend(sql());
    samples.extend(documents());
    samples.extend(files());
    samples
}

fn api() -> Vec<Sample> {
    let (released, current) = (
        "docs/biller-api/openapi.released.json",
        "docs/biller-api/openapi.json",
    );
    let document = |required: &str, properties: &str, path: &str| {
        format!(
            r#"{{"paths":{{"{path}":{{"post":{{}}}}}},"components":{{"schemas":{{
            "Ask":{{"additionalProperties":false,"required":[{required}],"properties":{{{properties}}}}},
            "Told":{{"required":["x"],"properties":{{"x":{{"type":"string","enum":["A"]}}}}}}}}}}}}"#
        )
    };
    let was = document(r#""a""#, r#""a":{"type":"string"}"#, "/pay");
    let more = r#""a":{"type":"string"},"b":{"type":"string"}"#;
    let good = document(r#""a""#, more, "/pay");
    let bad = [
        document(r#""a","b""#, more, "/pay"),
        document(r#""a""#, r#""b":{"type":"string"}"#, "/pay"),
        document(r#""a""#, r#""a":{"type":"integer"}"#, "/pay"),
        document(r#""a""#, r#""a":{"type":"string"}"#, "/payment"),
        was.replace(r#""required":["x"]"#, r#""required":[]"#),
        was.replace(r#"["A"]"#, r#"["B"]"#),
        was.replace(r#""Told""#, r#""Heard""#),
    ];
    let rule = "api-unbroken";
    let mut samples: Vec<Sample> = bad
        .iter()
        .map(|now| sample(rule, BAD, &[(released, &was), (current, now)]))
        .collect();
    samples.push(sample(rule, BAD, &[(current, &was)]));
    for now in [&was, &good, &was.replace(r#"["A"]"#, r#"["A","C"]"#)] {
        samples.push(sample(rule, GOOD, &[(released, &was), (current, now)]));
    }
    samples
}

fn crates() -> Vec<Sample> {
    let rule = "dependency-direction";
    let web = "crates/jiaoyi-web/Cargo.toml";
    let domain = "crates/jiaoyi-domain/Cargo.toml";
    vec![
        sample(
            "dependencies-noted",
            BAD,
            &[(web, "[dependencies]\nmaud.workspace = true\n")],
        ),
        sample(
            "dependencies-noted",
            BAD,
            &[("Cargo.toml", "[workspace.dependencies]\na = \"1\"\n")],
        ),
        sample(
            "dependencies-noted",
            GOOD,
            &[
                (web, "[dependencies]\nmaud = \"1\"\njiaoyi-app = \"1\"\n"),
                (
                    "docs/decisions/0007-dependencies.md",
                    "| `maud` | pages |\n",
                ),
            ],
        ),
        sample(
            rule,
            BAD,
            &[(domain, "[dependencies]\njiaoyi-store.workspace = true\n")],
        ),
        sample(
            rule,
            BAD,
            &[(domain, "[dev-dependencies]\njiaoyi-app.workspace = true\n")],
        ),
        sample(
            rule,
            BAD,
            &[(
                web,
                "[target.'cfg(unix)'.dependencies]\njiaoyi-store = \"1\"\n",
            )],
        ),
        sample(rule, BAD, &[("crates/new/Cargo.toml", "[dependencies]\n")]),
        sample(
            rule,
            GOOD,
            &[(
                web,
                "[dependencies]\njiaoyi-app.workspace = true\naxum = \"1\"\n",
            )],
        ),
        sample(
            "sql-only-in-store",
            BAD,
            &[(
                "crates/jiaoyi-app/Cargo.toml",
                "[dependencies]\nrusqlite = \"1\"\n",
            )],
        ),
        sample(
            "outbound-only-in-channels",
            BAD,
            &[(
                "crates/jiaoyi-app/Cargo.toml",
                "[dependencies]\nreqwest = \"1\"\n",
            )],
        ),
        sample(
            "http-only-in-web",
            BAD,
            &[(domain, "[dependencies]\naxum = \"1\"\n")],
        ),
    ]
}

/// What may stand in which crate.
fn places() -> Vec<Sample> {
    let domain = "crates/jiaoyi-domain/src/due.rs";
    let app = "crates/jiaoyi-app/src/pay.rs";
    let web = "crates/jiaoyi-web/src/pages.rs";
    vec![
        sample(
            "pure-domain",
            BAD,
            &[(domain, "fn f() { Instant::now(); }")],
        ),
        sample("pure-domain", BAD, &[(domain, "fn f(x: f64) {}")]),
        sample("pure-domain", BAD, &[(domain, "pub async fn f() {}")]),
        sample("pure-domain", BAD, &[(domain, "use std::fs;")]),
        sample(
            "pure-domain",
            GOOD,
            &[(domain, "// no f64\nfn buf64() {}\nfn operand() {}")],
        ),
        sample(
            "pure-domain",
            GOOD,
            &[(domain, "#[cfg(test)]\nmod tests { use std::fs; }")],
        ),
        sample(
            "sql-only-in-store",
            BAD,
            &[(app, "f(\"SELECT id\n  FROM due\")")],
        ),
        sample(
            "sql-only-in-store",
            BAD,
            &[(app, "f(\"update due set state = 1\")")],
        ),
        sample(
            "sql-only-in-store",
            BAD,
            &[("crates/jiaoyi-app/sql/a.sql", "select 1;")],
        ),
        sample(
            "sql-only-in-store",
            GOOD,
            &[(
                "crates/jiaoyi-app/src/verify/tests/forge.rs",
                "f(\"delete from due\")",
            )],
        ),
        sample(
            "sql-only-in-store",
            GOOD,
            &[(app, "f(\"select a region\")")],
        ),
        sample(
            "sql-only-in-store",
            GOOD,
            &[(
                "crates/jiaoyi-store/src/lib.rs",
                "f(\"select id from due\")",
            )],
        ),
        sample(
            "outbound-only-in-channels",
            BAD,
            &[(app, "reqwest::get(x)")],
        ),
        sample(
            "outbound-only-in-channels",
            BAD,
            &[(web, "TcpStream::connect(x)")],
        ),
        sample(
            "outbound-only-in-channels",
            GOOD,
            &[
                ("crates/jiaoyi/src/demo_pay.rs", "reqwest::get(x)"),
                (web, "TcpListener::bind(x)"),
                ("crates/jiaoyi/src/serving.rs", "TcpSocket::new_v4()"),
            ],
        ),
        sample(
            "outbound-only-in-channels",
            BAD,
            &[("crates/jiaoyi/src/serve.rs", "TcpSocket::new_v4()")],
        ),
        sample(
            "outbound-only-in-channels",
            BAD,
            &[("crates/jiaoyi/src/serving.rs", "TcpStream::connect(x)")],
        ),
        sample("http-only-in-web", BAD, &[(app, "use axum::Router;")]),
        sample(
            "http-only-in-web",
            GOOD,
            &[
                (app, "#[cfg(test)]\nmod stub;"),
                ("crates/jiaoyi-app/src/pay/stub.rs", "use axum::A;"),
            ],
        ),
        sample("http-only-in-web", GOOD, &[(web, "use axum::Router;")]),
    ]
}

/// How code looks, wherever it stands.
fn code() -> Vec<Sample> {
    let app = "crates/jiaoyi-app/src/pay.rs";
    let web = "crates/jiaoyi-web/src/pages.rs";
    let long = format!("fn f() {{\n{}}}\n", "    g();\n".repeat(80));
    let wide = format!("fn f() {{ {} }}\n", "g(); ".repeat(30));
    vec![
        sample(
            "wording-in-locales",
            GOOD,
            &[("crates/jiaoyi-web/src/tests/journey.rs", "f(\"已缴费\")")],
        ),
        sample("wording-in-locales", BAD, &[(web, "f(\"已缴费\")")]),
        sample(
            "wording-in-locales",
            GOOD,
            &[
                ("crates/jiaoyi-web/src/locales/zh.rs", "f(\"已缴费\")"),
                (web, "// 已缴费\nf(\"中文\")"),
            ],
        ),
        sample("module-header", BAD, &[(app, "use std::fs;\n//! late\n")]),
        sample(
            "module-header",
            GOOD,
            &[(app, "\n//! Pays.\nuse std::fs;\n")],
        ),
        sample("line-length", BAD, &[(app, &wide)]),
        sample(
            "line-length",
            GOOD,
            &[("crates/jiaoyi-web/src/locale_zh.rs", &wide)],
        ),
        sample("line-length-max", BAD, &[(app, &wide)]),
        sample("line-length-max", GOOD, &[(app, "fn f() {}")]),
        sample("function-length", BAD, &[(app, &long)]),
        sample("function-length", GOOD, &[(app, "fn f() {\n    g();\n}\n")]),
        sample("todo-with-issue", BAD, &[(app, "// TODO: later\n")]),
        sample(
            "todo-with-issue",
            GOOD,
            &[(app, "// TODO(#12): later\nlet x = \"TODO\";\n")],
        ),
        sample(
            "no-ignored-tests",
            BAD,
            &[(app, "#[test]\n#[ignore]\nfn f() {}")],
        ),
        sample(
            "no-ignored-tests",
            BAD,
            &[(app, "#[test]\n#[should_panic(x)]\nfn f() {}")],
        ),
        sample(
            "no-ignored-tests",
            GOOD,
            &[(app, "// #[ignore]\n#[test]\nfn f() {}")],
        ),
    ]
}

fn sql() -> Vec<Sample> {
    let one = |bad, text: &str| {
        sample(
            "portable-sql",
            bad,
            &[("crates/jiaoyi-store/sql/a.sql", text)],
        )
    };
    vec![
        one(BAD, "create trigger t after insert on due begin select 1; end;"),
        one(BAD, "select *\nfrom due\nfor update"),
        one(BAD, "update due set state = 1;"),
        one(BAD, "insert into due (at) values (now());"),
        one(BAD, "insert or ignore into due (id) values (?1);"),
        one(BAD, "insert into due (id) values (select 1);"),
        one(BAD, "create table due (\n bucket bigint,\n id bytes, primary key (id, bucket));"),
        one(BAD, "create table due (bucket bigint, id bytes, primary key (bucket, id), unique (id));"),
        one(
            GOOD,
            "-- no trigger, no now()\ncreate table due (\n  bucket bigint not null,\n  serial bigint,
             constraint due_pk primary key (bucket, id),\n constraint u unique (bucket, no));\n
             create table roster (roster_id bytes, constraint r primary key (roster_id));\n
             -- name: update\nupdate due set state = ?2 where bucket = ?1 and version = ?3",
        ),
    ]
}

fn documents() -> Vec<Sample> {
    let readme = "README.md";
    let change = "CHANGELOG.md";
    let long = "# A\n".to_owned() + &"line\n".repeat(125);
    vec![
        sample("markdown-title", BAD, &[("docs/a.md", "text\n")]),
        sample("markdown-title", BAD, &[("docs/a.md", "# A\n# B\n")]),
        sample(
            "markdown-title",
            GOOD,
            &[("docs/a.md", "# A\n```\n# comment\n```\n## B\n")],
        ),
        sample("markdown-links", BAD, &[("docs/a.md", "# A\n[b](b.md)\n")]),
        sample(
            "markdown-links",
            GOOD,
            &[
                ("docs/a.md", "# A\n[b](../b.md#x) [c](sub/)\n"),
                ("b.md", ""),
                ("docs/sub/c.md", ""),
            ],
        ),
        sample("readme-length", BAD, &[(readme, &long)]),
        sample("readme-length", BAD, &[]),
        sample("readme-length", GOOD, &[(readme, "# A\n")]),
        sample(
            "changelog-format",
            BAD,
            &[(change, "# Changelog\n\n## 0.1.0\n")],
        ),
        sample(
            "changelog-format",
            BAD,
            &[(change, "# Changelog\n## Unreleased\n## 0.1 - today\n")],
        ),
        sample(
            "changelog-format",
            GOOD,
            &[(
                change,
                "# Changelog\n\n## Unreleased\n- a\n\n## 0.1.0 - 2026-11-22\n- b\n",
            )],
        ),
        sample(
            "glossary-types",
            BAD,
            &[("docs/GLOSSARY.md", "# G\n| 应征 | due | `Due` | owed |\n")],
        ),
        sample(
            "glossary-types",
            GOOD,
            &[
                (
                    "docs/GLOSSARY.md",
                    "# G\n| 应征 | due | `Due::Paid` | owed |\n| 分 | fen | | `x` |\n",
                ),
                ("crates/a/src/lib.rs", "pub struct Due in 4 \"due\" {"),
            ],
        ),
        sample(
            "source-ids",
            BAD,
            &[("docs/a.md", "see S-014\n"), ("docs/SOURCES.md", "S-013\n")],
        ),
        sample(
            "source-ids",
            GOOD,
            &[("docs/a.md", "S-014\n"), ("docs/SOURCES.md", "| S-014 |\n")],
        ),
    ]
}

fn files() -> Vec<Sample> {
    let big = "x".repeat(1024 * 1024 + 1);
    let host = ["index", "crates", "io"].join(".");
    let path = ["", "work", "main", "x"].join("/");
    // Valid by checksum, and of no person: the first is the textbook number of GB 11643.
    let textbook = ["110105", "19491231", "002X"].join("");
    let demo = ["990101", "19900101", "0019"].join("");
    vec![
        sample("file-size", BAD, &[("docs/big.txt", &big)]),
        sample(
            "file-size",
            GOOD,
            &[("crates/jiaoyi-documents/assets/face.otf", &big)],
        ),
        sample("no-machine-names", BAD, &[("a.toml", &host)]),
        sample("no-machine-names", BAD, &[("a.md", &path)]),
        sample(
            "no-machine-names",
            GOOD,
            &[("a.md", "crates by io"), ("Cargo.lock", &host)],
        ),
        executable(BAD, "docs/a.md", "# A\n", true),
        executable(BAD, ".ci/run", "#!/bin/sh\n", false),
        executable(GOOD, ".ci/run", "#!/bin/sh\n", true),
        sample("invented-id-numbers", BAD, &[("a.csv", &textbook)]),
        sample(
            "invented-id-numbers",
            BAD,
            &[("a.rs", &format!("f(\"{textbook}\")"))],
        ),
        sample(
            "invented-id-numbers",
            GOOD,
            &[("a.csv", &demo), ("b.csv", &format!("1{textbook}"))],
        ),
        sample(
            "invented-id-numbers",
            GOOD,
            &[("x/id_vectors.csv", &textbook)],
        ),
    ]
}
