//! Serves every page in every state from sample views, for screenshots and browser checks:
//! `cargo run -p jiaoyi-web --example gallery -- 8099`. `/gallery.json` lists the pages; those that
//! only a posted form shows are at `/gallery/{name}`.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a development server prints its address and ends when it cannot serve"
)]

mod fake;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use fake::{BILLS, Fake, NOW, ORDERS, VOUCHER};
use jiaoyi_app::portal::{FieldProblem, LookupRequest, VerifyAnswer, VoucherStatus};
use jiaoyi_domain::channel::Method;
use jiaoyi_web::locale::Lang;
use jiaoyi_web::look::{Look, Size, Theme};
use jiaoyi_web::pages::check::{Checking, check};
use jiaoyi_web::pages::order::{Showing, order, switch};
use jiaoyi_web::pages::person::{PersonForm, RegionStep, person};
use jiaoyi_web::pages::trouble::{Money, Trouble, trouble};
use jiaoyi_web::pages::verify::{VerifyForm, ask, result};
use jiaoyi_web::pages::{home, info, link, method, records, voucher};
use jiaoyi_web::shell::Page;
use jiaoyi_web::{WebSettings, WebState, router};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Pages that a plain address shows.
const PATHS: [&str; 21] = [
    "/",
    "/pay",
    "/pay/person",
    "/pay/person?relation=other",
    "/verify",
    "/records",
    "/notices",
    "/help",
    "/a11y",
    "/privacy",
    "/prefs",
    "/k/ask",
    "/k/bill",
    "/k/shut",
    "/k/gone",
    "/q/VALID",
    "/q/REFUNDED",
    "/q/SUPERSEDED",
    "/q/UNKNOWN",
    "/q/FORGED",
    "/no-such-page",
];

/// Pages that only a posted form or a failure shows.
const POSTED: [&str; 14] = [
    "person-errors",
    "person-miss",
    "person-hits",
    "person-provinces",
    "person-cities",
    "person-no-region",
    "person-changing",
    "method",
    "switch",
    "verify-errors",
    "records-empty",
    "records-wrong",
    "link-wrong",
    "home-closed",
];

#[tokio::main]
async fn main() {
    let port: u16 = std::env::args()
        .nth(1)
        .and_then(|port| port.parse().ok())
        .unwrap_or(8099);
    let counter = Arc::new(AtomicU64::new(1));
    let state = WebState {
        portal: Arc::new(Fake),
        clock: Arc::new(|| NOW.0),
        random: Arc::new(move |bytes: &mut [u8]| {
            let number = counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            for (byte, value) in bytes.iter_mut().zip(number.iter().cycle()) {
                *byte = *value;
            }
        }),
        settings: Arc::new(WebSettings {
            demo: true,
            https: false,
            wallet_hosts: vec!["https://wallet.example".to_owned()],
            ..WebSettings::default()
        }),
    };
    let app = Router::new()
        .route("/gallery.json", get(list))
        .route("/gallery/{name}", get(sample))
        .merge(router(state));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("a free port");
    println!("http://127.0.0.1:{port}/gallery.json");
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .await
        .expect("serving ends only with the process");
}

async fn list() -> String {
    let mut paths: Vec<String> = PATHS.map(str::to_owned).to_vec();
    paths.extend(ORDERS.map(|token| format!("/o/{token}")));
    paths.extend(
        [
            "/o/topaylink?n=1",
            "/o/confirming?n=13",
            "/o/topayqr/switch",
        ]
        .map(str::to_owned),
    );
    paths.extend(["r=paid", "r=refunded", "c=WRONG"].map(|proof| format!("/v/{VOUCHER}?{proof}")));
    paths.push(format!("/v/{VOUCHER}"));
    paths.extend(BILLS.map(|name| format!("/gallery/bill-{name}")));
    paths.push("/gallery/bill-two".to_owned());
    paths.extend(POSTED.map(|name| format!("/gallery/{name}")));
    paths.extend(Trouble::ALL.map(|trouble| format!("/gallery/{}", trouble.code())));
    serde_json::json!(paths).to_string()
}

async fn sample(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let look = look(&headers);
    let page = match name.strip_prefix("bill-") {
        Some(reference) => bills(&look, reference),
        None => posted(&look, &name).or_else(|| failed(&look, &name)),
    };
    page.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        |page| Html(page.html).into_response(),
    )
}

/// The display settings as the real pages read them.
fn look(headers: &HeaderMap) -> Look {
    let cookies = headers
        .get(header::COOKIE)
        .and_then(|value| value.to_str().ok());
    let value = |name: &str| {
        let mut pairs = cookies.unwrap_or_default().split("; ");
        pairs
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
            .unwrap_or_default()
    };
    Look {
        lang: Lang::from_tag(value("jy_lang")).unwrap_or_default(),
        size: Size::from_code(value("jy_size")).unwrap_or_default(),
        theme: Theme::from_code(value("jy_theme")).unwrap_or_default(),
        demo: true,
        ..Look::default()
    }
}

fn bills(look: &Look, reference: &str) -> Option<Page> {
    let bills = match reference {
        "two" => vec![fake::bill("paid")?, fake::bill("payable")?],
        reference => vec![fake::bill(reference)?],
    };
    let keys = vec!["00".repeat(16); bills.len()];
    let checking = Checking {
        relation: "self",
        here: "/pay/check",
        change: Some("/pay/person?change=1"),
        now: NOW,
        methods: &Method::ALL,
        openid: false,
        form_keys: &keys,
    };
    Some(check(look, &bills, checking))
}

fn failed(look: &Look, code: &str) -> Option<Page> {
    let kind = Trouble::ALL
        .into_iter()
        .find(|trouble| trouble.code() == code)?;
    let money = if kind == Trouble::Internal {
        Money::Maybe
    } else {
        Money::None
    };
    Some(trouble(look, kind, money, "/pay/check", "", "8f3k2aa17c"))
}

fn typed() -> PersonForm {
    let typed = LookupRequest {
        name: "王建国".to_owned(),
        document_kind: "id_card".to_owned(),
        document: "990102195203041237".to_owned(),
        region: "朝阳".to_owned(),
    };
    PersonForm {
        relation: "self".to_owned(),
        name: typed.name,
        document_kind: typed.document_kind,
        document: typed.document,
        region: typed.region,
        form_key: "00".repeat(16),
        ..PersonForm::default()
    }
}

fn posted(look: &Look, name: &str) -> Option<Page> {
    let showing = Showing {
        now: NOW,
        loads: 0,
        methods: &Method::ALL,
        openid: false,
        form_key: "00",
    };
    let form = typed();
    Some(match name {
        "person-errors" => {
            let problems = vec![FieldProblem::NameMissing, FieldProblem::DocumentChecksum];
            person(
                look,
                &PersonForm {
                    name: String::new(),
                    problems,
                    ..form
                },
            )
        }
        "person-miss" => person(look, &PersonForm { miss: true, ..form }),
        "person-hits" => {
            let region_step = RegionStep::Pick(fake::search("朝阳"));
            person(
                look,
                &PersonForm {
                    region_step,
                    ..form
                },
            )
        }
        "person-provinces" | "person-cities" => {
            let parent = fake::search("演示市")
                .pop()
                .filter(|_| name == "person-cities");
            let children = fake::below(parent.as_ref().map(|region| region.code.as_str()));
            let region_step = RegionStep::Browse { parent, children };
            person(
                look,
                &PersonForm {
                    region_step,
                    ..form
                },
            )
        }
        "person-no-region" => person(
            look,
            &PersonForm {
                region_step: RegionStep::NoHit,
                ..form
            },
        ),
        "person-changing" => {
            let document = String::new();
            person(
                look,
                &PersonForm {
                    changing: true,
                    document,
                    ..form
                },
            )
        }
        "method" => {
            let methods = method::offered(look.browser, &Method::ALL, false);
            method::ask(look, &fake::bill("payable")?, &methods, "self", "00", false)
        }
        "switch" => switch(look, &fake::order("confirming")?, showing),
        "order" => order(look, &fake::order("paid")?, showing),
        "verify-errors" => ask(
            look,
            &VerifyForm {
                number: "0ABC".to_owned(),
                number_wrong: true,
                code_missing: true,
                ..VerifyForm::default()
            },
        ),
        "verify-not-found" => result(look, &VerifyAnswer::NotFound, "/verify"),
        "records-empty" => records::records(look, &[], None),
        "records-wrong" => records::records(look, &[], Some("JO123")),
        "link-wrong" => link::birthday(look, "ask", "王*国", true, 4),
        "home-closed" => {
            let note = jiaoyi_app::portal::WindowNote {
                benefit_year: 2026,
                first: jiaoyi_domain::Date::constant(2025, 10, 1),
                last: jiaoyi_domain::Date::constant(2026, 3, 31),
                open: false,
            };
            home::start(look, &[note], NOW.date())
        }
        "voucher-superseded" => {
            let view = fake::voucher(VoucherStatus::Superseded);
            voucher::voucher(look, &view, "/v/0ABCDEF12345678J", "r=paid")
        }
        "prefs" => info::prefs(look, "/"),
        _ => return None,
    })
}
