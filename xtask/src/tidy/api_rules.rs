//! The published API: what integrators have built on must not break.
//!
//! `openapi.released.json` is the document of the last release and changes only with one. Whatever
//! it has must still be there; requests may not ask for more, answers may not tell less.

use super::Finding;
use super::tree::Tree;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const RELEASED: &str = "docs/biller-api/openapi.released.json";
const CURRENT: &str = "docs/biller-api/openapi.json";

pub fn api_unbroken(tree: &Tree) -> Vec<Finding> {
    let read = |path: &str| {
        let file = tree.ending(path).find(|file| file.path == path)?;
        let text = file.text.as_deref()?;
        serde_json::from_str::<Value>(text).ok()
    };
    let Some(current) = read(CURRENT) else {
        return Vec::new();
    };
    let Some(released) = read(RELEASED) else {
        let what = format!("{RELEASED} is missing or no JSON: what does it promise?");
        return vec![Finding::new(CURRENT, 0, what)];
    };
    let mut broken = Vec::new();
    compare_paths(&released, &current, &mut broken);
    compare_schemas(&released, &current, &mut broken);
    let finding = |what| Finding::new(CURRENT, 0, what);
    broken.into_iter().map(finding).collect()
}

fn object<'v>(value: &'v Value, pointer: &str) -> Vec<(&'v String, &'v Value)> {
    let found = value.pointer(pointer).and_then(Value::as_object);
    found.map(Map::iter).into_iter().flatten().collect()
}

fn list(value: &Value, name: &str) -> BTreeSet<String> {
    let items = value[name].as_array().into_iter().flatten();
    items.map(Value::to_string).collect()
}

fn compare_paths(released: &Value, current: &Value, broken: &mut Vec<String>) {
    for (path, methods) in object(released, "/paths") {
        for (method, _) in object(methods, "") {
            if current["paths"][path][method].is_null() {
                broken.push(format!("{method} {path} is gone"));
            }
        }
    }
}

fn compare_schemas(released: &Value, current: &Value, broken: &mut Vec<String>) {
    for (name, old) in object(released, "/components/schemas") {
        let new = &current["components"]["schemas"][name];
        if new.is_null() {
            broken.push(format!("{name} is gone"));
            continue;
        }
        // Only requests refuse what they do not know.
        let is_request = old["additionalProperties"] == Value::Bool(false);
        let (was, is) = (list(old, "required"), list(new, "required"));
        if is_request {
            broken.extend(
                is.difference(&was)
                    .map(|field| format!("{name} asks for {field} now")),
            );
        } else {
            broken.extend(
                was.difference(&is)
                    .map(|field| format!("{name} may lack {field} now")),
            );
        }
        for (field, before) in object(old, "/properties") {
            let now = &new["properties"][field];
            if now.is_null() {
                broken.push(format!("{name}.{field} is gone"));
                continue;
            }
            for part in ["type", "$ref", "format", "pattern"] {
                if before[part] != now[part] {
                    broken.push(format!("{name}.{field} has another {part} now"));
                }
            }
            if before["enum"].is_array() {
                let (was, is) = (list(before, "enum"), list(now, "enum"));
                broken.extend(
                    was.difference(&is)
                        .map(|code| format!("{name}.{field} knows no {code} now")),
                );
            }
        }
    }
}
