//! What integrators read: the contract of the biller API as a page, and as OpenAPI. Both are part of
//! the program, so they fit the version that answers.

use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, PreEscaped, html};
use pulldown_cmark::{Options, Parser};
use std::sync::LazyLock;

const CONTRACT: &str = include_str!("../../../../docs/biller-api.md");
const CHANNELS: &str = include_str!("../../../../docs/channels.md");
const EXAMPLE_KEY: &str = include_str!("../../../../docs/biller-api/example-key.pem");
const OPENAPI: &str = include_str!("../../../../docs/biller-api/openapi.json");

/// The files of `docs/biller-api/examples` by name, so that an integrator who reaches the portal has
/// them.
macro_rules! examples {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../../docs/biller-api/examples/", $name)),
        )),*]
    };
}

const EXAMPLES: &[(&str, &str)] = examples![
    "README.md",
    "curl/biller.sh",
    "curl/collect.sh",
    "curl/echo_signature.sh",
    "curl/late_original.sh",
    "curl/pay.sh",
    "curl/pay_again.sh",
    "curl/query.sh",
    "curl/query_xml.sh",
    "curl/reconcile.sh",
    "curl/release.sh",
    "curl/reverse.sh",
    "curl/status.sh",
    "java/Biller.java",
    "java/Collect.java",
    "java/EchoSignature.java",
    "java/LateOriginal.java",
    "java/Pay.java",
    "java/PayAgain.java",
    "java/Query.java",
    "java/Reconcile.java",
    "java/Release.java",
    "java/Reverse.java",
    "java/Status.java",
    "python/biller.py",
    "python/collect.py",
    "python/echo_signature.py",
    "python/late_original.py",
    "python/pay.py",
    "python/pay_again.py",
    "python/query.py",
    "python/reconcile.py",
    "python/release.py",
    "python/reverse.py",
    "python/status.py",
    "typescript/biller.ts",
    "typescript/collect.ts",
    "typescript/echo_signature.ts",
    "typescript/late_original.ts",
    "typescript/package.json",
    "typescript/pay.ts",
    "typescript/pay_again.ts",
    "typescript/query.ts",
    "typescript/reconcile.ts",
    "typescript/release.ts",
    "typescript/reverse.ts",
    "typescript/status.ts",
    "typescript/tsconfig.json",
];

/// Readable on a phone, in the dark and on paper; no script.
const STYLE: &str = include_str!("../../assets/docs.css");

static PAGE: LazyLock<String> = LazyLock::new(|| page("The biller API", CONTRACT));
static CHANNELS_PAGE: LazyLock<String> =
    LazyLock::new(|| page("What each channel may do", CHANNELS));

fn page(title: &str, text: &str) -> String {
    let mut body = String::new();
    // What lies in the repository alone cannot be reached from here.
    let text = text
        .replace("[glossary](GLOSSARY.md)", "glossary")
        .replace("[sources](SOURCES.md)", "sources")
        .replace("](channels.md)", "](/docs/channels)")
        .replace("](biller-api/", "](/docs/biller-api/");
    let parser = Parser::new_ext(&text, Options::ENABLE_TABLES);
    pulldown_cmark::html::push_html(&mut body, parser);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/docs/style.css";
            }
            body {
                p { a href="/docs/openapi.json" { "OpenAPI 3.1" } }
                main { (PreEscaped(body)) }
            }
        }
    };
    page.into_string()
}

/// `GET /docs`
pub async fn contract() -> Html<&'static str> {
    Html(PAGE.as_str())
}

/// `GET /docs/channels`
pub async fn channels() -> Html<&'static str> {
    Html(CHANNELS_PAGE.as_str())
}

/// `GET /docs/style.css`
pub async fn style() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

/// `GET /docs/openapi.json`
pub async fn openapi() -> ([(HeaderName, &'static str); 1], &'static str) {
    let content = [(header::CONTENT_TYPE, "application/json; charset=utf-8")];
    (content, OPENAPI)
}

/// `GET /docs/biller-api/example-key.pem`
pub async fn example_key() -> &'static str {
    EXAMPLE_KEY
}

/// `GET /docs/biller-api/examples/{name}`
pub async fn example(Path(name): Path<String>) -> Response {
    match EXAMPLES.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => text.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiaoyi_domain::biller::{ErrorCode, Reason};

    /// A row of a table with this code and, for an error, this status.
    fn has_row(code: &str, status: Option<u16>) -> bool {
        let cell = format!("`{code}`");
        CONTRACT.lines().any(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let fits = |status: u16| cells.get(1) == Some(&status.to_string().as_str());
            line.starts_with('|') && line.contains(&cell) && status.is_none_or(fits)
        })
    }

    #[test]
    fn the_contract_lists_every_error_and_every_refusal() {
        for code in ErrorCode::ALL {
            assert!(has_row(code.code(), Some(code.status())), "{}", code.code());
        }
        for reason in Reason::ALL {
            assert!(has_row(reason.code(), None), "{}", reason.code());
        }
        assert!(!has_row("MADE_UP", None) && !has_row("TIMEOUT", Some(200)));
    }

    #[test]
    fn the_page_is_whole_and_holds_no_script() {
        assert!(PAGE.contains("<table>") && PAGE.contains("NONCE_REUSED"));
        assert!(PAGE.contains("href=\"/docs/channels\""));
        assert!(CHANNELS_PAGE.contains("A12 其他渠道") && CHANNELS_PAGE.contains("[[calendar]]"));
        let outside = CHANNELS_PAGE.matches("href=\"").count();
        assert_eq!(outside, CHANNELS_PAGE.matches("href=\"/docs").count());
        assert!(!PAGE.contains("<script"));
        for file in ["example-key.pem", "examples/README.md"] {
            let link = format!("href=\"/docs/biller-api/{file}\"");
            assert!(PAGE.contains(&link), "{file}");
        }
        assert_eq!(
            PAGE.matches("href=\"").count(),
            PAGE.matches("href=\"/").count()
        );
    }

    #[test]
    fn every_example_is_handed_out() {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/biller-api/examples"
        );
        let mut files = Vec::new();
        for language in ["curl", "java", "python", "typescript"] {
            for entry in std::fs::read_dir(format!("{folder}/{language}")).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    files.push(format!("{language}/{}", entry.file_name().display()));
                }
            }
        }
        assert!(files.len() >= 44, "ten and one in each language: {files:?}");
        for file in files.iter().map(String::as_str).chain(["README.md"]) {
            assert!(EXAMPLES.iter().any(|(known, _)| *known == file), "{file}");
        }
    }
}
