//! Writes `docs/biller-api/openapi.json` (OpenAPI 3.1) from the types that go over the wire and the
//! lists of codes. Run by `cargo xtask gen openapi`.

use jiaoyi_domain::biller::{ErrorCode, Reason, wire};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::hook::HookKind;
use jiaoyi_domain::person::DocumentKind;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Where schemas stand in the document.
const SCHEMAS: &str = "/components/schemas";

/// One verb.
struct Verb {
    name: &'static str,
    summary: &'static str,
    request: &'static str,
    answers: &'static [&'static str],
}

const VERBS: &[Verb] = &[
    Verb {
        name: "query",
        summary: "Finds what a person owes; locks nothing",
        request: "Query",
        answers: &["Queried"],
    },
    Verb {
        name: "collect",
        summary: "Locks one bill before cash or a card is taken",
        request: "Collect",
        answers: &["Collected", "Refused"],
    },
    Verb {
        name: "release",
        summary: "Frees that lock",
        request: "Release",
        answers: &["Released", "Refused"],
    },
    Verb {
        name: "pay",
        summary: "Says that the money was taken",
        request: "Pay",
        answers: &["Paid", "Refused"],
    },
    Verb {
        name: "reverse",
        summary: "Undoes a pay on the same accounting day",
        request: "Reverse",
        answers: &["Reversed", "Refused"],
    },
    Verb {
        name: "status",
        summary: "Says what became of a seq, and promises that it stays so",
        request: "Status",
        answers: &["Told"],
    },
    Verb {
        name: "reconcile",
        summary: "Takes a day file; with a JSON body it gives the result file",
        request: "DayResult",
        answers: &["Reconciled"],
    },
    Verb {
        name: "events",
        summary: "Lists what the institution was or will be told by webhook, oldest first",
        request: "ListEvents",
        answers: &["EventList"],
    },
    Verb {
        name: "replay",
        summary: "Sends an event anew, under the same id",
        request: "Replay",
        answers: &["Replayed"],
    },
    Verb {
        name: "echo-signature",
        summary: "Says what is wrong with a signature",
        request: "Anything",
        answers: &["Echo"],
    },
];

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#{SCHEMAS}/{name}") })
}

/// Requests as they are read, answers as they are written.
fn schemas() -> Map<String, Value> {
    let settings = || {
        SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        })
    };
    let mut requests = settings().for_deserialize().into_generator();
    let mut answers = settings().for_serialize().into_generator();
    fn take<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    take::<wire::Query>(&mut requests);
    take::<wire::Collect>(&mut requests);
    take::<wire::Release>(&mut requests);
    take::<wire::Pay>(&mut requests);
    take::<wire::Reverse>(&mut requests);
    take::<wire::Status>(&mut requests);
    take::<wire::DayResult>(&mut requests);
    take::<wire::ListEvents>(&mut requests);
    take::<wire::Replay>(&mut requests);
    take::<wire::Queried>(&mut answers);
    take::<wire::Collected>(&mut answers);
    take::<wire::Released>(&mut answers);
    take::<wire::Paid>(&mut answers);
    take::<wire::Reversed>(&mut answers);
    take::<wire::Refused>(&mut answers);
    take::<wire::Told>(&mut answers);
    take::<wire::Reconciled>(&mut answers);
    take::<wire::EventList>(&mut answers);
    take::<wire::Replayed>(&mut answers);
    take::<wire::Echo>(&mut answers);
    take::<wire::Failed>(&mut answers);
    let mut all = requests.take_definitions(true);
    all.extend(answers.take_definitions(true));
    all.insert("Anything".to_owned(), json!({ "description": "Any body." }));
    all
}

/// Writes a list of codes into a property that is a text on the wire.
fn codes(schemas: &mut Map<String, Value>, places: &[(&str, &str)], codes: &[&str]) {
    for (schema, property) in places {
        let property = schemas
            .get_mut(*schema)
            .and_then(|schema| schema["properties"].as_object_mut())
            .and_then(|properties| properties.get_mut(*property));
        let property = property.expect("a property of the wire");
        let mut codes: Vec<Value> = codes.iter().map(|code| json!(code)).collect();
        if property["type"].is_array() {
            codes.push(Value::Null);
        }
        property["enum"] = Value::Array(codes);
    }
}

/// A text of a form.
fn form(schemas: &mut Map<String, Value>, property: &str, format: &str, value: &str) {
    for schema in schemas.values_mut() {
        if let Some(property) = schema.pointer_mut(&format!("/properties/{property}")) {
            property[format] = json!(value);
        }
    }
}

/// Which state tells which answer: without this the name of the answer would have to stand in it.
fn states(answers: &[&str]) -> Value {
    let state = |answer: &str| match answer {
        "Refused" => "REFUSED",
        "Reversed" => "REVERSED",
        _ => "ACCEPTED",
    };
    let pair = |name: &&str| (state(name).to_owned(), reference(name)["$ref"].clone());
    answers.iter().map(pair).collect::<Map<_, _>>().into()
}

/// In JSON, and in XML under a name of the outermost element.
fn written(schema: &Value, root: &str) -> Value {
    let mut named = schema.clone();
    named["xml"] = json!({ "name": root });
    json!({
        "application/json": { "schema": schema },
        "application/xml": { "schema": named },
    })
}

/// Lists are an element with an `item` for each entry.
fn lists(schemas: &mut Map<String, Value>) {
    let properties = schemas
        .values_mut()
        .filter_map(|schema| schema.get_mut("properties")?.as_object_mut())
        .flat_map(Map::values_mut);
    for property in properties.filter(|property| property["type"] == "array") {
        property["xml"] = json!({ "wrapped": true });
        property["items"]["xml"] = json!({ "name": "item" });
    }
}

fn path(verb: &Verb) -> Value {
    let answers: Vec<Value> = verb.answers.iter().map(|name| reference(name)).collect();
    let answer = match answers.as_slice() {
        [one] => one.clone(),
        _ => json!({ "oneOf": answers, "discriminator": {
            "propertyName": "state", "mapping": states(verb.answers),
        } }),
    };
    let mut content = written(&reference(verb.request), "request");
    let mut told = written(&answer, "response");
    if verb.name == "reconcile" {
        content["text/plain"] = json!({ "schema": { "type": "string" } });
        told["text/plain"] = json!({ "schema": { "type": "string" } });
    }
    json!({ "post": {
        "operationId": verb.name.replace('-', "_"),
        "summary": verb.summary,
        "requestBody": { "required": true, "content": content },
        "responses": {
            "200": { "description": "Decided, be it yes or no", "content": told },
            "default": { "description": "Not decided, and nothing is stored",
                "content": written(&reference("Failed"), "response") },
        },
    } })
}

fn document() -> Value {
    let mut schemas = schemas();
    let all = &mut schemas;
    let fronts: Vec<&str> = FrontEnd::ALL.iter().map(|front| front.code()).collect();
    let asked = [
        ("Query", "channel"),
        ("Collect", "channel"),
        ("Release", "channel"),
        ("Pay", "channel"),
    ];
    codes(all, &asked, &fronts);
    let kinds: Vec<&str> = DocumentKind::ALL.iter().map(|kind| kind.code()).collect();
    codes(all, &[("Query", "id_type")], &kinds);
    codes(all, &[("Query", "relation")], &["self", "other"]);
    let why = [
        "TIMEOUT",
        "CASH_FAILED",
        "CARD_FAILED",
        "CANCELLED",
        "OTHER",
    ];
    codes(all, &[("Reverse", "reason")], &why);
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes(all, &[("Refused", "reason"), ("Told", "reason")], &reasons);
    let errors: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
    codes(all, &[("Failed", "code")], &errors);
    codes(
        all,
        &[
            ("Collected", "state"),
            ("Released", "state"),
            ("Paid", "state"),
        ],
        &["ACCEPTED"],
    );
    codes(all, &[("Reversed", "state")], &["REVERSED"]);
    codes(all, &[("Refused", "state")], &["REFUSED"]);
    codes(
        all,
        &[("Told", "state")],
        &["SUCCESS", "REFUSED", "REVERSED", "NOT_FOUND"],
    );
    codes(all, &[("Reconciled", "state")], &["BALANCED", "DIFFERENT"]);
    let kinds: Vec<&str> = HookKind::ALL.iter().map(|kind| kind.code()).collect();
    codes(all, &[("Event", "kind")], &kinds);
    let sent = ["WAITING", "DELIVERED", "FAILED"];
    codes(all, &[("ListedEvent", "state")], &sent);
    codes(all, &[("Replayed", "state")], &["WAITING"]);
    form(all, "event_id", "pattern", "^[0-9a-f]{32}$");
    codes(all, &[("Echo", "signature")], &["ok", "wrong"]);
    let states = [
        "PAYABLE",
        "LOCKED",
        "PAID",
        "NOT_YET",
        "CLOSED",
        "NOTHING_TO_PAY",
        "WITHDRAWN",
    ];
    codes(all, &[("Bill", "status")], &states);
    for name in ["seq", "orig_seq"] {
        form(all, name, "pattern", "^[0-9A-Za-z_-]{1,40}$");
    }
    for name in [
        "trace_date",
        "orig_date",
        "day",
        "accounting_day",
        "due_to",
        "benefit_first",
        "benefit_last",
    ] {
        form(all, name, "format", "date");
    }
    for name in [
        "until",
        "paid_at",
        "at",
        "lock_until",
        "token_expires_at",
        "reversible_until",
        "opens_at",
    ] {
        form(all, name, "format", "date-time");
    }
    form(all, "pooling_region", "pattern", "^[0-9]{6}$");
    lists(all);
    let catalogue: Vec<Value> = ErrorCode::ALL
        .iter()
        .map(|code| {
            json!({
                "code": code.code(), "status": code.status(), "meaning": code.meaning(),
            })
        })
        .collect();
    let refusals: Vec<Value> = Reason::ALL
        .iter()
        .map(|reason| json!({ "reason": reason.code(), "meaning": reason.message() }))
        .collect();
    let paths: Map<String, Value> = VERBS
        .iter()
        .map(|verb| (format!("/biller/v1/{}", verb.name), path(verb)))
        .collect();
    let scheme = json!({
        "type": "apiKey", "in": "header", "name": "Authorization",
        "description": "BILLER1-RSA2048-SHA256 or BILLER1-SM2-SM3 over method, path, time, nonce and body; \
                        answers are signed alike (docs/biller-api.md, section 2)",
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jiaoyi biller API",
            "version": "1",
            "description": "Institutions ask what somebody owes and say that they have taken the money. \
                            The contract in words is docs/biller-api.md; its section 11 tells of XML in \
                            GBK or UTF-8.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "security": [{ "signature": [] }],
        "components": { "securitySchemes": { "signature": scheme }, "schemas": schemas },
        "x-errors": catalogue,
        "x-refusals": refusals,
    })
}

fn main() -> std::io::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/biller-api");
    let text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    std::fs::write(format!("{folder}/openapi.json"), text + "\n")
}
