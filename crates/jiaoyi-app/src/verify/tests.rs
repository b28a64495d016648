//! A true database is found true; every changed, removed, swapped or added row is named.

mod forge;
pub(crate) mod institutions;
mod random;
mod settled;
mod tamper;
mod transfers;
mod words;
pub(crate) mod world;

use super::{
    BUCKETS_END, Given, RANGE_BYTES, Report, SignatureKeys, THREADS_MAX, VIOLATIONS_MAX,
    VerifyError, VerifyOptions, buckets_for, encoded_key_text, key_text, ranges, raw_key, threads,
    verify,
};
use jiaoyi_domain::messages::Case;
use jiaoyi_domain::record::{Record, Value, encode_values};
use jiaoyi_domain::time::DAY_MS;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use world::{Made, TempFile, World};

/// Builds the database on a file of its own and closes it.
fn build(name: &str) -> (TempFile, World, Made) {
    let file = TempFile::new(name);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (world, made) = runtime.block_on(world::build(&file.0));
    world.store.close();
    (file, world, made)
}

fn run(path: &Path, options: &VerifyOptions<'_>) -> Report {
    verify(
        &jiaoyi_store::Database::Sqlite(path.to_owned()),
        options,
        &mut |_, _| {},
    )
    .unwrap()
}

fn rules(report: &Report) -> Vec<&'static str> {
    let mut rules: Vec<&str> = report.violations.iter().map(|row| row.rule).collect();
    rules.dedup();
    rules
}

#[test]
fn a_row_is_named_as_people_read_it() {
    let key = [
        Value::Int(7),
        Value::Text("A".to_owned()),
        Value::Bytes(vec![0xab, 1]),
        Value::Null,
    ];
    assert_eq!(key_text(&key), "7/A/ab01/null");
    let mut encoded = Vec::new();
    encode_values(&key, &mut encoded);
    assert_eq!(encoded_key_text(&encoded), "7/A/ab01/null");
    assert_eq!(encoded_key_text(&[0xff]), "ff");
    let row = [Value::Int(1), Value::Int(2), Value::Int(3)];
    assert_eq!(raw_key(Case::SPEC, &row), "1/2");
    assert_eq!(Given::Text(String::new()).name(), "given text");
    assert_eq!(Given::File("a/b".into()).name(), "a/b");
}

/// Together the ranges are all numbers, also those that no bucket has.
#[test]
fn every_number_is_in_one_range() {
    for at_once in [1, 64, 1_000, 4_095, 4_096, 5_000] {
        let all = ranges(at_once);
        let (first, last) = (all[0].0, all[all.len() - 1].1);
        assert_eq!((first, last), (i64::MIN, i64::MAX), "{at_once}");
        assert!(
            all.windows(2).all(|pair| pair[0].1 == pair[1].0),
            "{at_once}"
        );
        let count = BUCKETS_END.unsigned_abs().div_ceil(at_once.unsigned_abs());
        assert_eq!(all.len() as u64, count, "{at_once}");
    }
    for (bytes, buckets) in [
        (0, 4_096),
        (RANGE_BYTES, 4_096),
        (RANGE_BYTES + 1, 2_048),
        (16 * RANGE_BYTES, 256),
        (u64::MAX, 1),
    ] {
        assert_eq!(buckets_for(bytes), buckets, "{bytes}");
    }
    let three = VerifyOptions {
        threads: NonZeroUsize::new(3),
        ..VerifyOptions::default()
    };
    assert_eq!(threads(&three).get(), 3);
    let most = threads(&VerifyOptions::default()).get();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(most, cores.min(THREADS_MAX));
}

#[test]
fn the_first_violations_are_listed_and_all_are_counted() {
    let mut report = Report::default();
    for number in 0..VIOLATIONS_MAX + 2 {
        report.fail("rule", "table", number.to_string(), "what");
    }
    assert_eq!(report.violations.len(), VIOLATIONS_MAX);
    assert_eq!(report.violation_count, VIOLATIONS_MAX as u64 + 2);
    // What is not there is not listed as looked at.
    for more in [0, 2, 3] {
        report.count(if more == 0 { "nothing" } else { "rows" }, more);
    }
    assert_eq!(report.checked, BTreeMap::from([("rows".to_owned(), 5)]));
}

#[test]
fn a_true_database_is_found_true() {
    let (file, world, _) = build("true");
    for buckets_at_once in [None, Some(64), Some(1000)] {
        let keys = world.keyring.public_keys();
        let signatures = SignatureKeys {
            vouchers: &keys,
            audit: world.keyring.audit_public(),
        };
        let options = VerifyOptions {
            signatures: Some(signatures),
            keyring: Some(&world.keyring),
            buckets_at_once,
            ..VerifyOptions::default()
        };
        let mut steps = Vec::new();
        let report = verify(
            &jiaoyi_store::Database::Sqlite(file.0.clone()),
            &options,
            &mut |done, total| steps.push((done, total)),
        );
        let report = report.unwrap();
        assert_eq!(report.violations, [], "{buckets_at_once:?}");
        assert!(report.ok());
        assert_eq!(steps.last().map(|(done, total)| done == total), Some(true));
        assert_eq!(report.checked["voucher signatures"], 2);
        for table in [
            "due",
            "slot",
            "fact",
            "transfer",
            "refund",
            "event",
            "link",
            "checkpoint",
        ] {
            assert!(report.checked[table] > 0, "{table}");
        }
        assert_eq!(report.to_json()["ok"], true);
    }
}

/// What is found, and in which order, is told by the database alone.
#[test]
fn several_threads_find_what_one_finds() {
    let (file, world, _) = build("threads");
    let connection = rusqlite::Connection::open(&file.0).unwrap();
    connection
        .execute_batch(
            "UPDATE pay_order SET until = until + 1; UPDATE due SET paid_at = 1;
             DELETE FROM event WHERE seq = 0 AND link_no % 3 = 0; DELETE FROM refund;",
        )
        .unwrap();
    drop(connection);
    let check = |threads, buckets_at_once| {
        let options = VerifyOptions {
            settled: Some(world.now.plus_ms(DAY_MS)),
            keyring: Some(&world.keyring),
            channel_books: Some(Given::Text("{\"transactions\":[]}".to_owned())),
            threads: NonZeroUsize::new(threads),
            buckets_at_once: Some(buckets_at_once),
            ..VerifyOptions::default()
        };
        let mut steps = Vec::new();
        let database = jiaoyi_store::Database::Sqlite(file.0.clone());
        let report = verify(&database, &options, &mut |done, total| {
            steps.push((done, total));
        });
        (report.unwrap(), steps)
    };
    for buckets_at_once in [16, 1_000] {
        let one = check(1, buckets_at_once);
        assert!(one.0.violation_count > 100, "{:?}", one.0.violation_count);
        assert!(one.1.is_sorted() && one.1.last().is_some_and(|(done, all)| done == all));
        for threads in [2, 4, 7] {
            assert_eq!(one, check(threads, buckets_at_once), "{threads} threads");
        }
    }
}

#[test]
fn what_clients_were_told_is_compared() {
    let (file, world, made) = build("journal");
    let slot = file_query(
        &file.0,
        "SELECT voucher_no FROM slot WHERE fact_bucket IS NOT NULL",
    );
    let order_no = file_query(
        &file.0,
        "SELECT order_no FROM pay_order WHERE state = 'closed'",
    );
    let voucher_of_paid = file_query(
        &file.0,
        &format!(
            "SELECT v.voucher_no FROM voucher v JOIN attempt a ON a.order_id = v.order_id \
             WHERE a.attempt_no = '{}'",
            made.paid.attempt
        ),
    );
    let journal = TempFile::new("journal.ndjson");
    let paid_no = file_query(
        &file.0,
        "SELECT order_no FROM pay_order WHERE state = 'paid'",
    );
    let check = |lines: &str| {
        std::fs::write(&journal.0, lines).unwrap();
        let path = Some(Given::File(journal.0.clone()));
        run(
            &file.0,
            &VerifyOptions {
                journal: path,
                ..VerifyOptions::default()
            },
        )
    };
    let (paid, refused) = (&made.paid.attempt, &made.refused.attempt);
    let good = format!(
        "{{\"kind\":\"accepted\",\"attempt\":\"{paid}\",\"ms\":3}}\n\
         {{\"kind\":\"paid\",\"attempt\":\"{paid}\",\"voucher\":\"{voucher_of_paid}\"}}\n\n\
         {{\"kind\":\"refused\",\"attempt\":\"{refused}\"}}\n\
         {{\"kind\":\"paid\",\"order\":\"{paid_no}\"}}\n"
    );
    let report = check(&good);
    assert!(report.ok() && report.checked["journal"] == 4, "{report:?}");
    let mut ids = jiaoyi_domain::IdSource::new([1; 32], 0);
    let unknown = jiaoyi_domain::AttemptNo::draw(made.paid.order.0, &mut ids);
    for (line, rule) in [
        (
            format!("{{\"kind\":\"accepted\",\"attempt\":\"{unknown}\"}}"),
            "journal.accepted",
        ),
        (
            format!("{{\"kind\":\"refused\",\"attempt\":\"{paid}\"}}"),
            "journal.refused",
        ),
        (
            format!("{{\"kind\":\"paid\",\"attempt\":\"{refused}\"}}"),
            "journal.paid",
        ),
        (
            format!("{{\"kind\":\"paid\",\"order\":\"{order_no}\"}}"),
            "journal.paid",
        ),
        (
            format!("{{\"kind\":\"paid\",\"attempt\":\"{refused}\",\"voucher\":\"{slot}\"}}"),
            "journal.paid",
        ),
    ] {
        let report = check(&line);
        assert!(
            report.violations.iter().all(|row| row.rule == rule),
            "{report:?}"
        );
        assert!(!report.ok(), "{line}");
    }
    std::fs::write(&journal.0, "{\"kind\":\"lost\"}").unwrap();
    let options = VerifyOptions {
        journal: Some(Given::File(journal.0.clone())),
        ..VerifyOptions::default()
    };
    let error = verify(
        &jiaoyi_store::Database::Sqlite(file.0.clone()),
        &options,
        &mut |_, _| {},
    )
    .unwrap_err();
    assert_eq!(error.code(), "verify.journal");
    drop(world);
}

/// Overwrites the first page of a table or an index.
fn destroy(path: &Path, name: &str, head: &[u8], rest: u8) {
    const PAGE: usize = 4096;
    let found = file_query(path, "PRAGMA journal_mode = delete");
    assert_eq!(found, "delete", "everything lies in the one file now");
    let root = format!("SELECT CAST(rootpage AS TEXT) FROM sqlite_schema WHERE name = '{name}'");
    let root: usize = file_query(path, &root).parse().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    let page = &mut bytes[(root - 1) * PAGE..root * PAGE];
    page.fill(rest);
    page[..head.len()].copy_from_slice(head);
    std::fs::write(path, bytes).unwrap();
}

/// The file can be opened, so the answer is that it is wrong, not that it is away.
#[test]
fn broken_pages_of_the_file_are_a_violation() {
    let (file, world, _) = build("pages");
    drop(world);
    destroy(&file.0, "fact", &[], 0xAA);
    let report = run(&file.0, &VerifyOptions::default());
    assert!(rules(&report).contains(&"file.damaged"), "{report:?}");
}

/// What cannot be read for another reason says nothing about the rows.
#[test]
fn a_table_that_is_not_there_is_an_error() {
    let (file, world, _) = build("no-table");
    drop(world);
    let connection = rusqlite::Connection::open(&file.0).unwrap();
    connection.execute_batch("DROP TABLE slot").unwrap();
    drop(connection);
    let database = jiaoyi_store::Database::Sqlite(file.0.clone());
    let told = verify(&database, &VerifyOptions::default(), &mut |_, _| {});
    assert!(matches!(told, Err(VerifyError::Store(_))), "{told:?}");
}

/// No scan reads an index that only pages and jobs look into.
#[test]
fn a_broken_index_is_a_violation() {
    let (file, world, _) = build("index");
    drop(world);
    let any = "SELECT min(name) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
    destroy(&file.0, &file_query(&file.0, any), &[], 0xAA);
    let report = run(&file.0, &VerifyOptions::default());
    assert!(rules(&report).contains(&"store.integrity"), "{report:?}");
}

/// A row that its index does not know is never found by the jobs that look there.
#[test]
fn an_index_that_lacks_rows_is_a_violation() {
    // The head of a leaf of an index that holds nothing, its content beginning at byte 4,096.
    const EMPTY_LEAF: [u8; 8] = [0x0A, 0, 0, 0, 0, 0x10, 0, 0];
    let (file, world, _) = build("lacking");
    drop(world);
    destroy(&file.0, "voucher_issued", &EMPTY_LEAF, 0);
    let report = run(&file.0, &VerifyOptions::default());
    assert_eq!(rules(&report), ["store.integrity"], "{report:?}");
    let what = &report.violations[0].what;
    assert!(what.contains("voucher_issued"), "{what}");
}

/// The first text that a query finds.
fn file_query(path: &Path, sql: &str) -> String {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The channel's books as they must look for this database.
fn books_of(path: &Path) -> serde_json::Value {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut facts = connection
        .prepare(
            "SELECT channel, merchant, attempt_no, txn_id, amount FROM fact WHERE kind = 'success'",
        )
        .unwrap();
    let mut refunds = connection
        .prepare(
            "SELECT channel_no, amount, channel_no IN (SELECT txn_id FROM fact) FROM refund \
             WHERE txn_id = ? AND sent_at IS NOT NULL",
        )
        .unwrap();
    let transactions: Vec<serde_json::Value> = facts
        .query_map([], |row| {
            let txn: String = row.get(3)?;
            let back: Vec<serde_json::Value> = refunds
                .query_map([&txn], |row| {
                    let state = if row.get(2)? { "success" } else { "processing" };
                    Ok(serde_json::json!({
                        "out_refund_no": row.get::<_, String>(0)?,
                        "amount_fen": row.get::<_, i64>(1)?,
                        "state": state,
                    }))
                })?
                .collect::<Result<_, _>>()?;
            Ok(serde_json::json!({
                "channel": row.get::<_, String>(0)?, "merchant": row.get::<_, String>(1)?,
                "out_trade_no": row.get::<_, String>(2)?, "transaction_id": txn,
                "amount_fen": row.get::<_, i64>(4)?, "refunds": back,
            }))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    serde_json::json!({ "now_ms": 0, "transactions": transactions })
}

#[test]
fn the_channels_own_books_are_compared_both_ways() {
    let (file, _, _) = build("books");
    let books = TempFile::new("books.json");
    let check = |told: &serde_json::Value| {
        std::fs::write(&books.0, told.to_string()).unwrap();
        let path = Some(Given::File(books.0.clone()));
        run(
            &file.0,
            &VerifyOptions {
                channel_books: path,
                ..VerifyOptions::default()
            },
        )
    };
    let good = books_of(&file.0);
    let report = check(&good);
    assert!(report.ok(), "{:?}", report.violations);
    let with_refund = |told: &serde_json::Value| {
        let rows = told["transactions"].as_array().unwrap();
        let done = |row: &serde_json::Value| row["refunds"][0]["state"] == "success";
        rows.iter().position(done).unwrap()
    };
    let place = with_refund(&good);
    let mut missing = good.clone();
    let taken = missing["transactions"].as_array_mut().unwrap().remove(0);
    let mut more = good.clone();
    let mut extra = taken.clone();
    extra["transaction_id"] = "4200009999".into();
    more["transactions"].as_array_mut().unwrap().push(extra);
    let mut dearer = good.clone();
    dearer["transactions"][0]["amount_fen"] = 1.into();
    for told in [missing, more, dearer] {
        let report = check(&told);
        assert_eq!(rules(&report), ["channel.payment"]);
        assert_eq!(report.violations[0].table, "fact");
    }
    let mut stuck = good.clone();
    stuck["transactions"][place]["refunds"][0]["state"] = "processing".into();
    let mut unknown = good.clone();
    unknown["transactions"][place]["refunds"] = serde_json::json!([]);
    let mut foreign = good.clone();
    foreign["transactions"][place]["refunds"][0]["out_refund_no"] = "console".into();
    let mut dearer = good.clone();
    dearer["transactions"][place]["refunds"][0]["amount_fen"] = 1.into();
    let mut moved = good.clone();
    moved["transactions"][place]["out_trade_no"] = "JA0".into();
    for told in [stuck, unknown, foreign, dearer, moved] {
        assert!(rules(&check(&told)).contains(&"channel.refund"));
    }
    // A number that the channel closed was replaced by another one of ours.
    let mut closed = good.clone();
    let refunds = closed["transactions"][place]["refunds"]
        .as_array_mut()
        .unwrap();
    let mut replaced = refunds[0].clone();
    replaced["out_refund_no"] = "replaced".into();
    replaced["state"] = "closed".into();
    refunds.push(replaced);
    assert!(check(&closed).ok());
    std::fs::write(&books.0, "{}").unwrap();
    let options = VerifyOptions {
        channel_books: Some(Given::File(books.0.clone())),
        ..VerifyOptions::default()
    };
    let error = verify(
        &jiaoyi_store::Database::Sqlite(file.0.clone()),
        &options,
        &mut |_, _| {},
    )
    .unwrap_err();
    assert_eq!(error.code(), "verify.channel_books");
}
