//! Every SQL text of the store, as it lies in its folders.

use jiaoyi_store::generate::{INSERTS, insert_rows};
use jiaoyi_store::schema::{MIGRATIONS, Words, all_tables, ddl};
use std::path::Path;

/// A statement with the name of its file and its own.
pub struct Text {
    pub file: String,
    pub name: String,
    pub sql: String,
}

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The statements of `sql/` that every engine is asked, in PostgreSQL's words. What only one engine
/// is asked (its own session, catalogue and settings) is left out.
pub fn statements() -> Vec<Text> {
    let own = ["citus", "postgres", "sqlite"];
    let mut texts = Vec::new();
    for (file, text) in files("sql") {
        if own.contains(&file.as_str()) {
            continue;
        }
        for part in text.split("-- name: ").skip(1) {
            let (name, sql) = part.split_once('\n').unwrap();
            let sql = sql
                .trim()
                .replace('?', "$")
                .replace("::bytes[]", "::bytea[]");
            texts.push(Text {
                file: file.clone(),
                name: name.trim().to_owned(),
                sql,
            });
        }
    }
    for spec in all_tables() {
        for (rows, name) in INSERTS.iter().filter(|(_, name)| *name != "insert") {
            texts.push(Text {
                file: spec.name.to_owned(),
                name: (*name).to_owned(),
                sql: insert_rows(spec, *rows).replace('?', "$"),
            });
        }
    }
    assert!(texts.len() > 200, "only {} statements", texts.len());
    texts
}

/// The migrations in PostgreSQL's words.
pub fn migrations() -> Vec<(i64, String)> {
    let known = MIGRATIONS.iter();
    known
        .map(|(version, text)| (*version, ddl(text, Words::Postgres)))
        .collect()
}
