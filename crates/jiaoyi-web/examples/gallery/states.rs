//! Which pages there are, and those that only a posted form or a failure shows.

use super::fake::{self, BILLS, NOW, ORDERS, VOUCHER};
use jiaoyi_app::biller::access::AccessProblem;
use jiaoyi_app::portal::{FieldProblem, VerifyAnswer, VoucherStatus, WindowNote};
use jiaoyi_domain::Date;
use jiaoyi_domain::channel::{ChannelCode, Method};
use jiaoyi_domain::institution::KeyScheme;
use jiaoyi_domain::time::DAY_MS;
use jiaoyi_web::look::Look;
use jiaoyi_web::pages::check::{Checking, check};
use jiaoyi_web::pages::order::{Showing, switch};
use jiaoyi_web::pages::person::{PersonForm, RegionStep, person};
use jiaoyi_web::pages::trouble::{Money, Trouble, trouble};
use jiaoyi_web::pages::verify::{VerifyForm, ask, result};
use jiaoyi_web::pages::{access, home, link, method, records, voucher};
use jiaoyi_web::shell::Page;

/// Pages that a plain address shows.
const PATHS: [&str; 26] = [
    "/access/ask",
    "/access/elsewhere",
    "/access/gone",
    "/access/live",
    "/access/test",
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
const POSTED: [&str; 20] = [
    "access-drawn",
    "access-wrong",
    "person-errors",
    "person-miss",
    "person-hits",
    "person-provinces",
    "person-cities",
    "person-no-region",
    "person-changing",
    "method",
    "method-resting",
    "method-all-resting",
    "switch",
    "verify-errors",
    "verify-not-found",
    "voucher-superseded",
    "records-empty",
    "records-wrong",
    "link-wrong",
    "home-closed",
];

/// Every page: real addresses first, then `/gallery/{name}` for [`sample`].
pub fn paths() -> Vec<String> {
    let mut paths: Vec<String> = PATHS.map(str::to_owned).to_vec();
    paths.extend(ORDERS.map(|token| format!("/o/{token}")));
    paths.extend(
        [
            "/o/topaylink?n=1",
            "/o/topayform/pay",
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
    paths
}

/// The page behind `/gallery/{name}`.
pub fn sample(look: &Look, name: &str) -> Option<Page> {
    match name.strip_prefix("bill-") {
        Some(reference) => bills(look, reference),
        None => posted(look, name).or_else(|| failed(look, name)),
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
    PersonForm {
        relation: "self".to_owned(),
        name: "王建国".to_owned(),
        document_kind: "id_card".to_owned(),
        document: "990102195203041237".to_owned(),
        region: "朝阳".to_owned(),
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
            let bill = fake::bill("payable")?;
            method::ask(look, &bill, &methods, "self", "00", false, &fake::news())
        }
        "method-resting" | "method-all-resting" => {
            let methods = method::offered(look.browser, &Method::ALL, false);
            let mut bill = fake::bill("payable")?;
            let only = (name == "method-resting").then_some(ChannelCode::Alipay);
            let rests = |channel: &ChannelCode| only.is_none_or(|only| only == *channel);
            let channels = ChannelCode::ALL.into_iter().filter(rests);
            let opens = NOW.plus_ms(DAY_MS);
            bill.resting = channels.map(|channel| (channel, opens)).collect();
            method::ask(look, &bill, &methods, "self", "00", false, &[])
        }
        "switch" => switch(look, &fake::order("confirming")?, showing),
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
        "access-drawn" => {
            let key = ("k4", KeyScheme::Sm2);
            access::drawn(
                look,
                "test",
                key,
                &"0123456789abcdef".repeat(4),
                "-----BEGIN PUBLIC KEY-----",
            )
        }
        "access-wrong" => {
            let typed = access::Typed {
                about: "add".to_owned(),
                problem: Some(AccessProblem::PrivateKey),
                key_id: "k4".to_owned(),
                ..access::Typed::default()
            };
            access::own(look, "test", &fake::access(false), &typed)
        }
        "link-wrong" => link::birthday(look, "ask", "王*国", true, 4),
        "home-closed" => {
            let note = WindowNote {
                benefit_year: 2026,
                first: Date::constant(2025, 10, 1),
                last: Date::constant(2026, 3, 31),
                open: false,
            };
            home::start(look, &[note], &fake::news(), NOW.date())
        }
        "voucher-superseded" => {
            let view = fake::voucher(VoucherStatus::Superseded);
            voucher::voucher(look, &view, "/v/0ABCDEF12345678J", "r=paid")
        }
        _ => return None,
    })
}
