//! A scene: commands on a small database, told in text. Ids, numbers and nonces bear names by the
//! order in which they appear, times count from the scene's beginning.

use super::store::{Changed, Store};
use crate::accepted::accepted;
use crate::decide::{Answer, Command, Refusal};
use crate::messages::Outbox;
use crate::record::{ColumnSpec, Kind, Value};
use crate::time::{DAY_MS, HOUR_MS, Instant, MINUTE_MS, SECOND_MS};
use std::collections::BTreeMap;
use std::fmt::Write;

/// 2026-11-18, ten in the morning in Beijing.
pub const START: Instant = Instant(1_794_967_200_000);

pub struct Scene {
    pub store: Store,
    pub at: Instant,
    text: String,
    /// Drawn text, or the hex of drawn bytes, and the name it bears.
    names: BTreeMap<String, String>,
    counts: BTreeMap<String, u32>,
}

impl Scene {
    pub fn new() -> Scene {
        Scene {
            store: Store::default(),
            at: START,
            text: String::new(),
            names: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// Decides a command and tells of it.
    pub fn run(&mut self, what: &str, command: &dyn Command) -> Result<Answer, Refusal> {
        let (answer, changed) = self.store.decide(command, self.at);
        let mut lines: Vec<String> = Vec::new();
        let mut changed = changed.into_iter().peekable();
        while let Some(first) = changed.next() {
            let number = first.spec.number;
            let mut rows = vec![first];
            while let Some(next) = changed.next_if(|next| next.spec.number == number) {
                rows.push(next);
            }
            // Keys may be drawn; their order is nobody's business.
            rows.sort_by_cached_key(|row| self.told(row));
            for row in rows {
                self.learn(&row);
                lines.push(self.told(&row));
            }
        }
        let time = passed(self.at);
        let (kind, actor) = (command.kind(), command.actor());
        let _ = writeln!(self.text, "{time} {what}\n  {kind} by {actor}");
        let told = match &answer {
            Ok(answer) => format!("answer {}", self.answer(answer)),
            Err(refusal) => format!("refused {} ({refusal})", refusal.code()),
        };
        let _ = writeln!(self.text, "  {}", self.named(&told));
        for line in lines {
            let _ = writeln!(self.text, "  {line}");
        }
        answer
    }

    /// Runs commands that are told elsewhere.
    pub fn quietly<T>(&mut self, commands: impl FnOnce(&mut Scene) -> T) -> T {
        let length = self.text.len();
        let result = commands(self);
        self.text.truncate(length);
        result
    }

    pub fn wait(&mut self, ms: i64) {
        self.at = self.at.plus_ms(ms);
    }

    /// Compares the whole with the text in `scenes/`.
    pub fn is(&self, name: &str) {
        accepted(name, &self.text);
    }

    fn answer(&self, answer: &Answer) -> String {
        let Answer::Started {
            bucket,
            order,
            attempt,
            drafted,
        } = answer
        else {
            return format!("{answer:?}");
        };
        let drafted = drafted.as_ref().map(|drafted| {
            let rows = self.store.all();
            assert!(
                rows.contains(&drafted.attempt),
                "what was drafted is stored"
            );
            let outbox: Vec<Outbox> = self.store.all();
            let told = drafted.outbox.as_ref().map(|key| &key.1);
            assert!(told.is_none_or(|no| outbox.iter().any(|row| row.subject == *no)));
            told.map_or("without a call", |_| "to be called")
        });
        format!("Started {bucket} {order} {attempt}, drafted: {drafted:?}")
    }

    /// Gives names to what a row draws.
    fn learn(&mut self, row: &Changed) {
        for (column, value) in row.spec.columns.iter().zip(&row.after) {
            let stem = column.name.trim_start_matches("lock_");
            match value {
                Value::Bytes(bytes) if bytes.len() == 16 => {
                    self.name(hex(bytes), stem.trim_end_matches("_id"));
                }
                Value::Text(text) if drawn_text(column.name) => {
                    self.name(text.clone(), &stem.replace('_', "-"));
                }
                Value::Bytes(bytes) => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    if let Some((_, nonce)) = text.split_once("nonce=") {
                        self.name(nonce.chars().take(24).collect(), "nonce");
                    }
                }
                Value::Null | Value::Int(_) | Value::Text(_) => {}
            }
        }
    }

    fn name(&mut self, drawn: String, stem: &str) {
        if !self.names.contains_key(&drawn) {
            let count = self.counts.entry(stem.to_owned()).or_default();
            *count += 1;
            self.names.insert(drawn, format!("{stem}{count}"));
        }
    }

    fn named(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (drawn, name)| {
            text.replace(drawn, name)
        })
    }

    /// What happened to a row: `+` new, `~` changed, `=` demanded to be as it is.
    fn told(&self, row: &Changed) -> String {
        let columns = row.spec.columns.iter().zip(&row.after).enumerate();
        let told = |place: usize, column: &ColumnSpec, value: &Value| {
            let after = self.value(column, value);
            match &row.before {
                Some(before) if place >= row.spec.key_len => {
                    let before = self.value(column, &before[place]);
                    (before != after).then(|| format!("{} {before} -> {after}", column.name))
                }
                Some(_) => Some(format!("{} {after}", column.name)),
                None => (after != "-").then(|| format!("{} {after}", column.name)),
            }
        };
        let counted = |column: &ColumnSpec| column.name != "version";
        let parts: Vec<String> = columns
            .filter(|(_, (column, _))| counted(column))
            .filter_map(|(place, (column, value))| told(place, column, value))
            .collect();
        let sign = match &row.before {
            None => '+',
            Some(before) if *before == row.after => '=',
            Some(_) => '~',
        };
        format!("{sign} {}: {}", row.spec.name, parts.join(", "))
    }

    fn value(&self, column: &ColumnSpec, value: &Value) -> String {
        match value {
            Value::Null => "-".to_owned(),
            Value::Int(ms) if is_instant(column) => passed(Instant(*ms)),
            Value::Int(number) => number.to_string(),
            Value::Text(text) if text.is_empty() => "-".to_owned(),
            Value::Text(text) if drawn_text(column.name) => {
                self.names.get(text).cloned().unwrap_or("?".to_owned())
            }
            Value::Text(text) => self.named(text),
            Value::Bytes(bytes) if bytes.len() == 16 => {
                let name = self.names.get(&hex(bytes));
                name.cloned().unwrap_or("?".to_owned())
            }
            Value::Bytes(bytes) => self.named(&bytes_told(bytes)),
        }
    }
}

/// Columns whose text is drawn.
fn drawn_text(column: &str) -> bool {
    column.ends_with("_no") || column == "check_code"
}

fn is_instant(column: &ColumnSpec) -> bool {
    let name = column.name;
    let word = |word: &str| name == word || name.ends_with(&format!("_{word}"));
    let is_minute = name == "hours_until";
    column.kind == Kind::Int && !is_minute && (word("at") || word("until"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text as it is, anything else as runs of bytes.
fn bytes_told(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok("") => "-".to_owned(),
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        Ok(_) | Err(_) => {
            let runs = bytes.chunk_by(|one, next| one == next);
            let told = runs.map(|run| format!("{}*{}", run[0], run.len()));
            told.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Time since the beginning: `0`, `+90s` as `+1m30s`.
fn passed(at: Instant) -> String {
    let mut left = at.since_ms(START);
    if left == 0 {
        return "0".to_owned();
    }
    let mut text = String::from(if left < 0 { "-" } else { "+" });
    left = left.abs();
    for (unit, ms) in [
        ("d", DAY_MS),
        ("h", HOUR_MS),
        ("m", MINUTE_MS),
        ("s", SECOND_MS),
        ("ms", 1),
    ] {
        if left >= ms {
            let _ = write!(text, "{}{unit}", left / ms);
        }
        left %= ms;
    }
    text
}
