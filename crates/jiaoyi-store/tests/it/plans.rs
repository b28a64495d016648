//! How a real distributed PostgreSQL plans the statements: each of those that a lane runs is one
//! task. Needs a coordinator of Citus whose nodes are added, as superuser, in
//! `JIAOYI_TEST_CITUS_URL`; without it there is nothing to ask.

use crate::distributed;
use crate::refusals::{PLAIN_ONLY, listed, scatters};
use crate::texts::{self, Text};
use jiaoyi_domain::Instant;
use jiaoyi_store::Store;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls};

/// A value of a parameter's type; every bucket is the same one.
fn value(kind: &Type) -> Box<dyn ToSql + Sync> {
    match *kind {
        Type::INT8 => Box::new(7_i64),
        Type::INT8_ARRAY => Box::new(vec![7_i64, 7]),
        Type::INT4 => Box::new(7_i32),
        Type::TEXT => Box::new("x"),
        Type::TEXT_ARRAY => Box::new(vec!["x", "y"]),
        Type::BYTEA => Box::new(vec![1_u8]),
        Type::BYTEA_ARRAY => Box::new(vec![vec![1_u8], vec![2]]),
        ref other => panic!("no value of type {other}"),
    }
}

async fn plan(client: &Client, text: &Text) -> Result<String, String> {
    let said = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(told) => told.message().to_owned(),
        None => error.to_string(),
    };
    let explain = format!("EXPLAIN {}", text.sql);
    let statement = client.prepare(&explain).await.map_err(said)?;
    let values: Vec<_> = statement.params().iter().map(value).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
    let rows = client.query(&statement, &values).await.map_err(said)?;
    let lines = rows.iter().map(|row| row.get::<_, String>(0));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// Statements that no lane of a distributed database runs. Single rows are written as arrays there; not
/// every column that is bound stands in their update, so that a server could not tell its type. The mark of a
/// copy lies in a table that comes and goes.
const NOT_OF_A_LANE: &[&str] = &[
    "*.update",
    "queries.copy_begin",
    "queries.copy_mark",
    "queries.copy_move",
    "queries.copy_end",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lane_runs_is_one_task() {
    let Some(database) = distributed::database().await else {
        return;
    };
    Store::open(&database, [1; 16], Instant(1_767_000_000_000))
        .unwrap()
        .close();
    let url = distributed::url_of(&database);
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut wrong = String::new();
    for text in texts::statements() {
        let (file, name) = (&text.file, &text.name);
        if listed(PLAIN_ONLY, file, name) || listed(NOT_OF_A_LANE, file, name) {
            continue;
        }
        let told = match plan(&client, &text).await {
            Err(said) => format!("refused: {said}"),
            Ok(plan) => {
                let count = plan.split("Task Count: ").nth(1);
                let count = count.and_then(|rest| rest.lines().next());
                let one = count == Some("1");
                if count.is_some() && one != scatters(file, name) {
                    continue;
                }
                plan
            }
        };
        wrong.push_str(&format!("{file}.{name}: {told}\n"));
    }
    assert!(wrong.is_empty(), "{wrong}");
}
