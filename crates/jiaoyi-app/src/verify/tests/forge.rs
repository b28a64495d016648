//! Somebody changes rows and makes the audit chain fit: then the rules themselves must speak. Each
//! case is one forgery and the rule that must name it, so that no rule is there only in name.

use super::world::TempFile;
use super::{build, rules, run, words};
use crate::verify::{Report, SignatureKeys, VerifyOptions};
use jiaoyi_domain::attempt::AttemptState;
use jiaoyi_domain::audit::{
    Event, Link, Touched, decode_touched, encode_touched, event_hash, link_hash,
};
use jiaoyi_domain::biller::CallState;
use jiaoyi_domain::due::DueState;
use jiaoyi_domain::hook::HookState;
use jiaoyi_domain::messages::{CaseState, OutboxState};
use jiaoyi_domain::order::{LineState, OrderState};
use jiaoyi_domain::record::{Record, TableSpec, Value, decode_values, encode_values, image_hash};
use jiaoyi_domain::refund::RefundState;
use jiaoyi_domain::roster::RosterState;
use jiaoyi_domain::voucher::VoucherState;
use jiaoyi_domain::working_set::TABLES;
use rusqlite::types::Value as Raw;
use rusqlite::{Connection, params_from_iter};
use std::collections::BTreeMap;
use std::path::Path;

/// A row by the number of its table and its encoded key.
type Name = (u8, Vec<u8>);

/// Hash and state number of every row.
type Images = BTreeMap<Name, ([u8; 16], u8)>;

fn typed(raw: Raw) -> Value {
    match raw {
        Raw::Null | Raw::Real(_) => Value::Null,
        Raw::Integer(number) => Value::Int(number),
        Raw::Text(text) => Value::Text(text),
        Raw::Blob(bytes) => Value::Bytes(bytes),
    }
}

fn raw(value: &Value) -> Raw {
    match value {
        Value::Null => Raw::Null,
        Value::Int(number) => Raw::Integer(*number),
        Value::Text(text) => Raw::Text(text.clone()),
        Value::Bytes(bytes) => Raw::Blob(bytes.clone()),
    }
}

fn rows(connection: &Connection, spec: &TableSpec) -> Vec<Vec<Value>> {
    let columns: Vec<&str> = spec.columns.iter().map(|column| column.name).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), spec.name);
    let mut statement = connection.prepare(&sql).unwrap();
    let width = columns.len();
    statement
        .query_map([], |row| {
            (0..width).map(|place| row.get(place).map(typed)).collect()
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// The number of a state code; tables without states have 0.
fn state_number(spec: &TableSpec, values: &[Value]) -> u8 {
    let Some(Value::Text(code)) = spec.place("state").map(|place| &values[place]) else {
        return 0;
    };
    let number = match spec.name {
        "due" => DueState::from_code(code).map(DueState::number),
        "pay_order" => OrderState::from_code(code).map(OrderState::number),
        "order_line" => LineState::from_code(code).map(LineState::number),
        "attempt" => AttemptState::from_code(code).map(AttemptState::number),
        "refund" => RefundState::from_code(code).map(RefundState::number),
        "voucher" => VoucherState::from_code(code).map(VoucherState::number),
        "outbox" => OutboxState::from_code(code).map(OutboxState::number),
        "exception_case" => CaseState::from_code(code).map(CaseState::number),
        "biller_call" => CallState::from_code(code).map(CallState::number),
        "hook_event" => HookState::from_code(code).map(HookState::number),
        "roster" => RosterState::from_code(code).map(RosterState::number),
        _ => Some(0),
    };
    number.unwrap()
}

/// Writes into the events what the rows say now, and links them anew.
pub fn audit_anew(connection: &Connection) {
    let mut now: Images = BTreeMap::new();
    for spec in TABLES {
        for values in rows(connection, spec) {
            let mut key = Vec::new();
            encode_values(&values[..spec.key_len], &mut key);
            let image = (image_hash(spec, &values), state_number(spec, &values));
            now.insert((spec.number, key), image);
        }
    }
    let mut events: Vec<Event> = rows(connection, Event::SPEC)
        .into_iter()
        .filter_map(Event::from_values)
        .collect();
    let mut last: BTreeMap<Name, u32> = BTreeMap::new();
    for row in events
        .iter()
        .flat_map(|event| decode_touched(&event.touched).unwrap())
    {
        let version = last.entry((row.table, row.key)).or_default();
        *version = (*version).max(row.version);
    }
    for event in &mut events {
        let mut touched = decode_touched(&event.touched).unwrap();
        touched.retain(|row| now.contains_key(&(row.table, row.key.clone())));
        for row in &mut touched {
            let name = (row.table, row.key.clone());
            if last[&name] == row.version {
                (row.hash, row.state) = now[&name];
            }
        }
        event.touched = encode_touched(&touched);
    }
    adopt(&mut events, &now, &last);
    relink(connection, &events);
}

/// Puts rows that no event knows into an event of their bucket.
fn adopt(events: &mut [Event], now: &Images, last: &BTreeMap<Name, u32>) {
    for ((table, key), (hash, state)) in now {
        if last.contains_key(&(*table, key.clone())) {
            continue;
        }
        let bucket = decode_values(key).unwrap().remove(0);
        let home = |event: &&mut Event| Value::Int(i64::from(event.bucket.get())) == bucket;
        let event = events
            .iter_mut()
            .find(home)
            .expect("an event of the bucket");
        let mut touched = decode_touched(&event.touched).unwrap();
        let row = Touched {
            table: *table,
            key: key.clone(),
            version: 1,
            state: *state,
            hash: *hash,
        };
        touched.push(row);
        event.touched = encode_touched(&touched);
    }
}

fn relink(connection: &Connection, events: &[Event]) {
    let mut links: Vec<Link> = rows(connection, Link::SPEC)
        .into_iter()
        .filter_map(Link::from_values)
        .collect();
    links.sort_by_key(Record::key);
    let mut previous = [0; 32];
    for link in &mut links {
        let mut own: Vec<&Event> = events
            .iter()
            .filter(|event| event.link_no == link.link_no)
            .collect();
        own.sort_by_key(|event| event.seq);
        link.event_hashes = own.iter().flat_map(|event| event_hash(event)).collect();
        link.previous = previous;
        let (chain, day, at) = (link.chain_id, link.book_day, link.at);
        link.hash = link_hash(chain, link.link_no, &previous, day, at, &link.event_hashes);
        previous = link.hash;
    }
    connection
        .execute_batch("DELETE FROM event; DELETE FROM link; DELETE FROM checkpoint")
        .unwrap();
    let insert = |spec: &TableSpec, values: Vec<Value>| {
        let marks = vec!["?"; values.len()].join(", ");
        let sql = format!("INSERT INTO {} VALUES ({marks})", spec.name);
        connection
            .execute(&sql, params_from_iter(values.iter().map(raw)))
            .unwrap();
    };
    for event in events {
        insert(Event::SPEC, event.values());
    }
    for link in links {
        insert(Link::SPEC, link.values());
    }
}

/// `UPDATE table SET set` of the first row where `which`.
pub fn first(table: &str, set: &str, which: &str) -> String {
    let key = match table {
        "fact" | "inbox" => "channel",
        _ => {
            TABLES
                .iter()
                .find(|spec| spec.name == table)
                .unwrap()
                .columns[1]
                .name
        }
    };
    let id = match table {
        "fact" => "txn_id",
        "inbox" => "notice_id",
        _ => key,
    };
    format!(
        "UPDATE {table} SET {set} WHERE {id} = (SELECT {id} FROM {table} WHERE {which} LIMIT 1)"
    )
}

fn forgeries() -> Vec<(String, &'static str)> {
    let same = "bucket = (SELECT bucket FROM person GROUP BY bucket HAVING count(*) > 1)";
    let merge = format!(
        "UPDATE person SET merged_into = (SELECT max(person_id) FROM person WHERE {same}) \
         WHERE person_id = (SELECT min(person_id) FROM person WHERE {same})"
    );
    let id_number =
        jiaoyi_domain::person::id_number("990101", jiaoyi_domain::Date::constant(1990, 3, 7), 12)
            .unwrap();
    let mut cases = dues_and_slots();
    cases.extend(words::forgeries());
    cases.extend(orders_and_attempts());
    cases.extend(money());
    cases.extend([
        (merge, "slot.person"),
        (
            "DELETE FROM outbox WHERE topic = 'sms_paid'".into(),
            "outbox.missing",
        ),
        (
            "DELETE FROM outbox WHERE topic = 'create'".into(),
            "outbox.missing",
        ),
        (
            "DELETE FROM outbox WHERE topic = 'refund'".into(),
            "outbox.missing",
        ),
        (
            "DELETE FROM outbox WHERE topic = 'sms_refund'".into(),
            "outbox.missing",
        ),
        (first("outbox", "subject = 'JA0'", "1"), "outbox.refers"),
        (
            first("outbox", "done_at = 1", "state = 'waiting'"),
            "outbox.state",
        ),
        (
            first("command_key", "answer = '{}'", "1"),
            "command_key.answer",
        ),
        (
            first("device_order", "order_id = zeroblob(16)", "1"),
            "reference.missing",
        ),
        (
            first("document", "person_id = zeroblob(16)", "1"),
            "reference.missing",
        ),
        (
            "UPDATE roster SET state = 'staging' WHERE serial = 1".into(),
            "audit.transition",
        ),
        (
            first("exception_case", &format!("detail = '{id_number}'"), "1"),
            "personal.plain",
        ),
        (
            first("exception_case", "detail = '电话13800138000'", "1"),
            "personal.plain",
        ),
        (
            first("exception_case", "detail = 'tel: 13800138000'", "1"),
            "personal.plain",
        ),
        (
            first("inbox", "body_sealed = x'7b7d'", "1"),
            "personal.sealed",
        ),
        (
            first(
                "person",
                "phone_sealed = name_sealed",
                "phone_sealed IS NULL",
            ),
            "personal.sealed",
        ),
        (
            first("notice_link", "devices = x'00'", "1"),
            "personal.hmac",
        ),
        (
            first("notice_link", "due_id = zeroblob(16)", "1"),
            "its due is not there",
        ),
        (first("due", "version = version + 1", "1"), "audit.history"),
        (
            first("due", "state = 'draft'", "state = 'open'"),
            "audit.transition",
        ),
        (
            first("voucher_signature", "cose = zeroblob(90)", "1"),
            "voucher.signature",
        ),
        (
            first("voucher_signature", "algorithm = 'SM2'", "1"),
            "its key or algorithm is not the one it names",
        ),
        (
            "UPDATE link SET book_day = '2020-01-01' WHERE link_no = 5".into(),
            "audit.book_day",
        ),
        (
            "DELETE FROM roster WHERE serial = 2".into(),
            "reference.missing",
        ),
    ]);
    cases
}

fn dues_and_slots() -> Vec<(String, &'static str)> {
    let paid = "state = 'paid'";
    vec![
        (
            first("due", "benefit_year = 2028", "state = 'open'"),
            "due.identity",
        ),
        ("DELETE FROM person".into(), "due.person"),
        (first("due", "revision_last = 9", "1"), "due.revisions"),
        (first("due", "lock_until = 1", "state = 'open'"), "due.lock"),
        (
            first("due", "lock_order = zeroblob(16)", "state = 'locked'"),
            "due.lock",
        ),
        (
            first("due", "lock_holder = NULL", "state = 'locked'"),
            "due.lock",
        ),
        (first("due", "state = 'open'", paid), "due.paid"),
        (first("due", "paid_at = paid_at + 1", paid), "due.paid"),
        (first("due", "paid_at = 1", "state = 'open'"), "due.paid"),
        (
            first("voucher", "state = 'refunded', ended_at = 1", "1"),
            "due.paid",
        ),
        (
            first("slot", "ended_at = 1, end_reason = 'x'", "1"),
            "due.paid",
        ),
        (
            first("slot", "accepted_at = accepted_at + 1", "own > 0"),
            "slot.fact",
        ),
        (first("slot", "fact_txn = 'x'", "own > 0"), "slot.fact"),
        (
            first("slot", "own = own + 1, gross = gross + 1", "1"),
            "slot.price",
        ),
        (
            first("slot", "benefit_last = '2027-12-30'", "1"),
            "slot.line",
        ),
        (
            first("transfer", "credit = credit || 'x'", "kind = 'premium'"),
            "slot.transfers",
        ),
        (
            first("transfer", "amount = amount + 1", "debit LIKE 'aid:%'"),
            "slot.transfers",
        ),
        (
            first(
                "order_line",
                "window_until = 0",
                "state = 'premium' AND own > 0",
            ),
            "slot.window",
        ),
        (
            first(
                "voucher",
                "content = replace(content, '38000', '38001')",
                "1",
            ),
            "voucher.content",
        ),
        (
            first(
                "voucher",
                "content = replace(content, '990101', '990102')",
                "1",
            ),
            "voucher.content",
        ),
        (
            first(
                "voucher",
                "content = replace(content, '9901*', '9902*')",
                "1",
            ),
            "voucher.content",
        ),
        (
            first(
                "voucher",
                "content = replace(content, 'self', 'other')",
                "1",
            ),
            "voucher.content",
        ),
        (
            first("voucher", "content = content || ' '", "1"),
            "voucher.content",
        ),
        (
            first("voucher", "issued_at = issued_at + 1", "1"),
            "voucher.slot",
        ),
    ]
}

fn orders_and_attempts() -> Vec<(String, &'static str)> {
    vec![
        (
            first("pay_order", "amount = amount + 1", "1"),
            "order.lines",
        ),
        (
            first("pay_order", "line_count = 2", "line_count = 1"),
            "order.lines",
        ),
        (
            first("pay_order", "attempt_count = 7", "1"),
            "order.attempts",
        ),
        (
            first("pay_order", "state = 'mixed'", "state = 'paid'"),
            "order.state",
        ),
        (
            first("pay_order", "state = 'paid'", "state = 'surplus'"),
            "order.state",
        ),
        (
            first("order_line", "state = 'waiting'", "state = 'premium'"),
            "line.state",
        ),
        (
            first("order_line", "state = 'premium'", "state = 'surplus'"),
            "line.state",
        ),
        (
            first("order_line", "items = 'medical=1'", "1"),
            "line.revision",
        ),
        (first("order_line", "revision_no = 9", "1"), "line.revision"),
        (
            first("order_line", "items = 'medical=1'", "1"),
            "own part and subsidies, or the items, are not its price",
        ),
        (
            first("order_line", "subsidies = 'fiscal=1'", "1"),
            "own part and subsidies, or the items, are not its price",
        ),
        (
            "UPDATE revision SET region = '990102'".into(),
            "its revision has no price or another region",
        ),
        (
            "UPDATE revision SET kind = 'void'".into(),
            "its revision has no price or another region",
        ),
        (
            first("order_line", "policy_version = 'ffffffffffff'", "1"),
            "line.policy",
        ),
        (
            "UPDATE revision SET own = own - 1 WHERE own > 0".into(),
            "line.revision",
        ),
        (
            first("attempt", "amount = amount + 1", "1"),
            "attempt.order",
        ),
        (
            first("attempt", "channel = 'alipay'", "channel = 'wechat'"),
            "attempt.order",
        ),
        (
            first(
                "attempt",
                "state = 'closed', paid_at = NULL",
                "state = 'paid'",
            ),
            "attempt.paid",
        ),
        (
            first("attempt", "paid_at = 1", "state = 'paid'"),
            "attempt.paid",
        ),
    ]
}

fn money() -> Vec<(String, &'static str)> {
    let surplus = "kind = 'success' AND surplus > 0";
    let swap = "UPDATE fact SET txn_id = (SELECT min(txn_id) FROM fact WHERE kind = 'success' \
                AND channel = 'alipay') WHERE txn_id = (SELECT max(txn_id) FROM fact \
                WHERE kind = 'success' AND channel = 'alipay')";
    vec![
        (swap.into(), "fact.unique"),
        (
            first("fact", "merchant = 'other'", "kind = 'success'"),
            "fact.attempt",
        ),
        (
            first("fact", "channel_day = '2026-01-01'", "1"),
            "fact.attempt",
        ),
        (
            first("fact", "premium = premium - 1", "premium > 0"),
            "fact.amount",
        ),
        (
            first(
                "fact",
                "amount = amount + 1, premium = premium + 1",
                "premium > 0",
            ),
            "fact.amount",
        ),
        (
            first("fact", "returned_or_reserved = 0", surplus),
            "fact.returned",
        ),
        (
            first("fact", "amount = amount + 1", "kind = 'refund'"),
            "fact.returned",
        ),
        (
            first("fact", "premium = 1", "kind = 'refund'"),
            "money given back is no premium and no surplus",
        ),
        (
            first("fact", "surplus = 1", "kind = 'refund'"),
            "money given back is no premium and no surplus",
        ),
        (
            first(
                "refund",
                "attempt_no = (SELECT attempt_no FROM attempt \
                 WHERE attempt_no <> refund.attempt_no LIMIT 1)",
                "1",
            ),
            "the success it gives back is not there",
        ),
        (
            first("refund", "order_id = zeroblob(16)", "1"),
            "the success it gives back is not there",
        ),
        (
            first("refund", "state = 'cancelled'", "state = 'held'"),
            "fact.suspense",
        ),
        (first("refund", "txn_id = 'x'", "1"), "refund.fact"),
        (
            first("refund", "amount = amount - 1", "line_no > 0"),
            "refund.fact",
        ),
        (first("refund", "line_no = 0", "line_no > 0"), "refund.fact"),
        (
            "DELETE FROM transfer WHERE kind = 'refund_approved'".into(),
            "refund.transfers",
        ),
        (
            "DELETE FROM transfer WHERE kind = 'refund_done'".into(),
            "refund.transfers",
        ),
        (
            "DELETE FROM fact WHERE kind = 'refund'".into(),
            "refund.done",
        ),
        (
            "DELETE FROM exception_case WHERE kind = 'refund_manual'".into(),
            "refund.done",
        ),
        (
            first("refund", "request = NULL", "state = 'unknown'"),
            "refund.done",
        ),
        (
            first("transfer", "debit = 'cash:x'", "1"),
            "transfer.accounts",
        ),
        (
            first("transfer", "order_id = zeroblob(16)", "due_id IS NOT NULL"),
            "transfer.refers",
        ),
        (
            first(
                "transfer",
                "order_id = zeroblob(16)",
                "refund_no IS NOT NULL",
            ),
            "the refund it names is not there",
        ),
        (
            first("transfer", "line_no = line_no + 1", "refund_no IS NOT NULL"),
            "the refund it names is not there",
        ),
        (
            first("transfer", "order_id = zeroblob(16)", "due_id IS NULL"),
            "transfer.refers",
        ),
        (
            first("transfer", "amount = amount + 1", "kind = 'transit'"),
            "transfer.transit",
        ),
        (
            "DELETE FROM transfer WHERE kind = 'transit'".into(),
            "transfer.transit",
        ),
        ("DELETE FROM slot".into(), "transfer.refers"),
    ]
}

/// A copy of a database in which these statements changed something and the chain was made to fit.
fn forged(file: &Path, sql: &str) -> TempFile {
    let copy = TempFile::copy_of(file);
    let connection = Connection::open(&copy.0).unwrap();
    connection.execute_batch(sql).unwrap();
    assert!(connection.changes() > 0, "{sql} changed nothing");
    audit_anew(&connection);
    copy
}

/// Whether something is named by its rule, or in these words.
pub fn speaks(report: &Report, wanted: &str) -> bool {
    let mut named = report.violations.iter();
    named.any(|row| row.rule == wanted || row.what == wanted)
}

#[test]
fn every_rule_speaks_when_the_chain_was_made_to_fit() {
    let (file, world, _) = build("forge");
    let keys = world.keyring.public_keys();
    let mut silent = Vec::new();
    for (sql, rule) in forgeries() {
        let copy = TempFile::copy_of(&file.0);
        let connection = Connection::open(&copy.0).unwrap();
        connection
            .pragma_update(None, "synchronous", "off")
            .unwrap();
        if !connection.execute(&sql, []).is_ok_and(|count| count > 0) {
            silent.push(format!("{sql}: changed nothing"));
            continue;
        }
        audit_anew(&connection);
        drop(connection);
        let signatures = SignatureKeys {
            vouchers: &keys,
            audit: world.keyring.audit_public(),
        };
        let options = VerifyOptions {
            signatures: Some(signatures),
            keyring: Some(&world.keyring),
            ..VerifyOptions::default()
        };
        let report = run(&copy.0, &options);
        let found = rules(&report);
        let chain = ["audit.image", "audit.event", "audit.link", "audit.no_event"];
        if !speaks(&report, rule) || found.iter().any(|rule| chain.contains(rule)) {
            silent.push(format!("{sql}: {rule} is not in {found:?}"));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn the_forger_alone_changes_nothing() {
    let (file, _, _) = build("forger");
    let connection = Connection::open(&file.0).unwrap();
    audit_anew(&connection);
    drop(connection);
    assert_eq!(run(&file.0, &VerifyOptions::default()).violations, []);
}

#[test]
fn a_broken_chain_is_named() {
    let (file, world, _) = build("chain");
    let keys = world.keyring.public_keys();
    for (sql, rule) in [
        (
            "UPDATE link SET hash = zeroblob(32) WHERE link_no = 3",
            "audit.link",
        ),
        (
            "UPDATE link SET previous = zeroblob(32) WHERE link_no = 3",
            "audit.link",
        ),
        (
            "UPDATE link SET at = at + 1 WHERE link_no = 3",
            "audit.link",
        ),
        (
            "UPDATE link SET event_hashes = CAST(event_hashes || x'00' AS BLOB) WHERE link_no = 3",
            "its list of events is not whole",
        ),
        (
            "UPDATE link SET event_hashes = x'' WHERE link_no = 3",
            "its list of events is not whole",
        ),
        ("DELETE FROM link WHERE link_no = 3", "audit.link"),
        ("DELETE FROM link", "audit.checkpoint"),
        (
            "UPDATE event SET actor = 'nobody' WHERE link_no = 3",
            "audit.event",
        ),
        ("DELETE FROM event WHERE link_no = 3", "audit.event_missing"),
        (
            "UPDATE event SET bucket = bucket + 1 WHERE link_no = 9",
            "audit.event",
        ),
        (
            "UPDATE checkpoint SET heads = replace(heads, ':', ':1')",
            "audit.checkpoint",
        ),
        ("UPDATE checkpoint SET at = at + 1", "audit.signature"),
        (
            "UPDATE checkpoint SET signature = zeroblob(64)",
            "audit.signature",
        ),
        (
            "UPDATE voucher SET voucher_no = lower(voucher_no)",
            "row.damaged",
        ),
    ] {
        let copy = TempFile::changed(&file.0, sql);
        let signatures = SignatureKeys {
            vouchers: &keys,
            audit: world.keyring.audit_public(),
        };
        let options = VerifyOptions {
            signatures: Some(signatures),
            ..VerifyOptions::default()
        };
        let report = run(&copy.0, &options);
        assert!(
            speaks(&report, rule),
            "{sql}: {rule} does not speak in {:?}",
            report.violations
        );
    }
}

/// Of events and links that are not what they were, exactly those are named.
#[test]
fn a_changed_event_is_named_and_no_other() {
    let (file, _, _) = build("named");
    let count = "SELECT count(*) FROM event WHERE link_no = 3";
    let connection = Connection::open(&file.0).unwrap();
    let events: u32 = connection.query_row(count, [], |row| row.get(0)).unwrap();
    drop(connection);
    for (sql, rule) in [
        (
            "UPDATE event SET actor = 'nobody' WHERE link_no = 3",
            "audit.event",
        ),
        ("DELETE FROM event WHERE link_no = 3", "audit.event_missing"),
    ] {
        let copy = TempFile::changed(&file.0, sql);
        let report = run(&copy.0, &VerifyOptions::default());
        let named = report.violations.iter().filter(|row| row.rule == rule);
        assert_eq!(
            named.count(),
            events as usize,
            "{sql}: {:?}",
            report.violations
        );
    }
}

/// An order is as far as its lines, the money that came and its end say, in each of these alone.
#[test]
fn an_order_is_what_its_lines_and_its_money_say() {
    let (file, _, _) = build("states");
    let lines = |state: &str, of: &str| {
        format!(
            "UPDATE order_line SET state = '{state}' \
             WHERE order_id IN (SELECT order_id FROM pay_order WHERE state = '{of}')"
        )
    };
    let order = |set: &str, of: &str| format!("UPDATE pay_order SET {set} WHERE state = '{of}'");
    let waits = lines("waiting", "paid");
    for (sql, state) in [
        (order("ended_at = 1", "placed"), "placed"),
        (lines("surplus", "placed"), "placed"),
        (
            format!(
                "{waits}; {}",
                order("state = 'placed', ended_at = NULL", "paid")
            ),
            "placed",
        ),
        (order("ended_at = NULL", "closed"), "closed"),
        (lines("surplus", "closed"), "closed"),
        (
            format!(
                "{waits}; {}",
                order("state = 'closed', ended_at = 1", "paid")
            ),
            "closed",
        ),
        (lines("surplus", "paid"), "paid"),
        (order("state = 'paid'", "closed"), "paid"),
        (order("state = 'surplus'", "closed"), "surplus"),
        (order("state = 'mixed'", "surplus"), "mixed"),
    ] {
        let report = run(&forged(&file.0, &sql).0, &VerifyOptions::default());
        let what = format!("{state} is not what its lines and facts say");
        assert!(speaks(&report, &what), "{sql}: {:?}", report.violations);
    }
}

/// What a late line costs stands beside the price in the window.
#[test]
fn a_line_costs_what_its_revision_says_for_its_phase() {
    let (file, _, _) = build("phases");
    let what = "its amounts are not those of its revision";
    let late = "UPDATE order_line SET phase = 'late'";
    for (sql, named) in [
        ("UPDATE revision SET late_own = own + 1".to_owned(), false),
        (format!("UPDATE revision SET late_own = own; {late}"), false),
        (
            format!("UPDATE revision SET late_own = own + 1; {late}"),
            true,
        ),
    ] {
        let report = run(&forged(&file.0, &sql).0, &VerifyOptions::default());
        assert_eq!(speaks(&report, what), named, "{sql}");
    }
}

/// Who became known in the very millisecond of the voucher may have been known otherwise before: neither
/// the name nor a message is asked for. A millisecond later both are.
#[test]
fn what_changed_in_the_same_moment_is_not_held_against_a_voucher() {
    let (file, _, _) = build("moment");
    let words = [
        "its name is not the person's",
        "the insured was not told that it is paid",
    ];
    for (later, named) in [(0, false), (1, true)] {
        let sql = format!(
            "UPDATE voucher SET content = json_set(content, '$.name_masked', '*'), \
             issued_at = {later} + (SELECT min(at) FROM event WHERE command = 'publish_slice'); \
             DELETE FROM outbox WHERE topic = 'sms_paid'"
        );
        let report = run(&forged(&file.0, &sql).0, &VerifyOptions::default());
        for what in words {
            assert_eq!(speaks(&report, what), named, "{later}: {what}");
        }
    }
}

/// The answer kept for a call names an order and an attempt that are there.
#[test]
fn an_answer_names_what_is_there() {
    let (file, _, _) = build("answers");
    let order = "lower(hex(o.order_id))";
    let none = "'00000000000000000000000000000000'";
    let started = |order: &str, attempt: &str| {
        format!(
            "json_object('Started', json_object('bucket', o.bucket, 'order', {order}, \
             'attempt', {attempt}))"
        )
    };
    let confirmed = |order: &str| {
        format!("json_object('Confirmed', json_object('bucket', o.bucket, 'order', {order}))")
    };
    for (answer, known) in [
        (started(order, "a.attempt_no"), true),
        (started(none, "a.attempt_no"), false),
        (started(order, "'JA0'"), false),
        (confirmed(order), true),
        (confirmed(none), false),
        ("'\"Done\"'".to_owned(), true),
        ("'{}'".to_owned(), false),
    ] {
        let sql = format!(
            "UPDATE command_key SET answer = (SELECT {answer} FROM pay_order o \
             JOIN attempt a USING (bucket, order_id) LIMIT 1)"
        );
        let report = run(&forged(&file.0, &sql).0, &VerifyOptions::default());
        assert_eq!(!speaks(&report, "command_key.answer"), known, "{answer}");
    }
}
