//! Figures as people and programs read them.

use crate::exit::print;
use serde_json::Value;

/// One decimal, as JSON.
pub fn number(value: f64) -> Value {
    rounded(value, 10.0)
}

/// Three decimals, as JSON.
pub fn ratio(value: f64) -> Value {
    rounded(value, 1000.0)
}

fn rounded(value: f64, by: f64) -> Value {
    serde_json::Number::from_f64((value * by).round() / by).map_or(Value::Null, Value::Number)
}

/// Prints a report as `name.part  figure` lines.
pub fn say(report: &Value) {
    lines("", report);
}

fn lines(name: &str, value: &Value) {
    match value {
        Value::Object(parts) => {
            for (key, part) in parts {
                let whole = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}.{key}")
                };
                lines(&whole, part);
            }
        }
        Value::Null => {}
        Value::Array(_) if name.ends_with("by_second") => {}
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            print(format!("{name:<44} {value}"));
        }
    }
}
