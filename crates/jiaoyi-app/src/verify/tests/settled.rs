//! What must have ended by a moment: each kind of work is named from the first millisecond on at
//! which it is too late, and only where nobody looks after it.

use super::world::TempFile;
use super::{VerifyOptions, build, rules, run};
use jiaoyi_domain::Instant;
use jiaoyi_domain::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use rusqlite::Connection;
use std::path::Path;

fn number(file: &Path, sql: &str) -> i64 {
    let connection = Connection::open(file).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// How often a rule speaks of what must be settled at a moment.
fn named(file: &Path, rule: &str, at: i64) -> usize {
    let options = VerifyOptions {
        settled: Some(Instant(at)),
        ..VerifyOptions::default()
    };
    let report = run(file, &options);
    report
        .violations
        .iter()
        .filter(|row| row.rule == rule)
        .count()
}

#[test]
fn what_is_not_finished_is_named_from_its_time_on() {
    let (file, _, _) = build("settled");
    const OPEN: &str = "state IN ('drafted', 'offered', 'unknown', 'closing', 'disputed')";
    let dead = "UPDATE attempt SET state = 'expired' WHERE order_id IN \
                (SELECT order_id FROM pay_order WHERE state = 'placed')";
    let publishing = "UPDATE roster SET state = 'publishing' WHERE serial = 2";
    let held = "UPDATE refund SET state = 'requested' WHERE state IN ('sent', 'unknown'); \
                UPDATE refund SET held_until = NULL WHERE state = 'held'";
    for (rule, sql, begins, limit_ms) in [
        (
            "settled.attempt",
            "",
            format!("SELECT min(created_at) FROM attempt WHERE {OPEN}"),
            25 * HOUR_MS + 10 * MINUTE_MS,
        ),
        (
            "settled.lock",
            "",
            "SELECT min(lock_until) FROM due WHERE state = 'locked'".to_owned(),
            40 * MINUTE_MS,
        ),
        (
            "settled.order",
            dead,
            "SELECT min(until) FROM pay_order WHERE state = 'placed'".to_owned(),
            40 * MINUTE_MS,
        ),
        (
            "settled.outbox",
            "",
            "SELECT min(created_at) FROM outbox WHERE state = 'waiting'".to_owned(),
            10 * MINUTE_MS,
        ),
        (
            "settled.refund",
            "",
            "SELECT min(sent_at) FROM refund WHERE state IN ('sent', 'unknown')".to_owned(),
            25 * HOUR_MS,
        ),
        (
            "settled.refund",
            held,
            "SELECT min(created_at) FROM refund WHERE state = 'held'".to_owned(),
            25 * HOUR_MS,
        ),
        (
            "settled.roster",
            publishing,
            "SELECT created_at FROM roster WHERE serial = 2".to_owned(),
            DAY_MS,
        ),
    ] {
        let copy = TempFile::changed(&file.0, sql);
        let last = number(&copy.0, &begins) + limit_ms;
        assert_eq!(named(&copy.0, rule, last), 0, "{rule}, in time");
        assert!(named(&copy.0, rule, last + 1) > 0, "{rule}, too late");
    }
}

/// An order that can still be paid is not over, however late it is, and none is that has ended.
#[test]
fn an_order_is_over_when_every_attempt_is_dead() {
    let (file, world, _) = build("over");
    let late = world.now.plus_ms(2 * DAY_MS).0;
    let placed = "SELECT count(*) FROM pay_order WHERE state = 'placed'";
    let payable = format!(
        "{placed} AND order_id IN (SELECT order_id FROM attempt WHERE state IN \
         ('drafted', 'offered', 'unknown', 'closing', 'disputed', 'paid'))"
    );
    let over = number(&file.0, placed) - number(&file.0, &payable);
    assert_eq!(named(&file.0, "settled.order", late) as i64, over);
    let dead = TempFile::changed(&file.0, "UPDATE attempt SET state = 'expired'");
    let all = number(&file.0, placed);
    assert!(all > over, "there is one that can be paid");
    assert_eq!(named(&dead.0, "settled.order", late) as i64, all);
}

/// Surplus goes back, or a case is open about its order.
#[test]
fn surplus_without_a_refund_needs_an_open_case() {
    let (file, world, _) = build("suspense");
    let of_case = "SELECT count(*) FROM fact f WHERE kind = 'success' AND surplus > 0 \
                   AND NOT EXISTS (SELECT 1 FROM exception_case c WHERE c.bucket = f.bucket \
                   AND c.order_id = f.order_id AND c.state = 'open')";
    let cancelled = "UPDATE refund SET state = 'cancelled'";
    let closed = format!("{cancelled}; UPDATE exception_case SET state = 'closed'");
    let mut counts = Vec::new();
    for (sql, refunds) in [("", true), (cancelled, false), (closed.as_str(), false)] {
        let copy = TempFile::changed(&file.0, sql);
        let found = named(&copy.0, "settled.suspense", world.now.0);
        let without = if refunds { 0 } else { number(&copy.0, of_case) };
        assert_eq!(found as i64, without, "{sql}");
        counts.push(found);
    }
    assert!(counts[0] < counts[1] && counts[1] < counts[2], "{counts:?}");
}

/// A refund that takes too long needs a case about itself; that of its order is no help.
#[test]
fn a_late_refund_needs_a_case_of_its_own() {
    let (file, world, _) = build("refunds");
    let late = world.now.plus_ms(2 * DAY_MS).0;
    let waiting = "state = 'unknown' OR (state = 'held' AND held_until IS NULL)";
    let of = |column: &str| format!("(SELECT {column} FROM refund WHERE {waiting} LIMIT 1)");
    let about = |subject: &str, state: &str| {
        format!(
            "DELETE FROM refund WHERE NOT ({waiting}); UPDATE exception_case SET \
             bucket = {}, order_id = {}, subject = {subject}, state = '{state}'",
            of("bucket"),
            of("order_id")
        )
    };
    for (sql, excused) in [
        (about("'x'", "open"), 0),
        (about(&of("refund_no"), "closed"), 0),
        (about(&of("refund_no"), "open"), 1),
    ] {
        let copy = TempFile::changed(&file.0, &sql);
        let all = number(&copy.0, "SELECT count(*) FROM refund");
        let found = named(&copy.0, "settled.refund", late);
        assert_eq!(found as i64, all - excused, "{sql}");
    }
}

/// Held until a moment that somebody set, it is not late by its age.
#[test]
fn a_refund_that_is_held_until_a_moment_is_not_late() {
    let (file, world, _) = build("held");
    let late = world.now.plus_ms(2 * DAY_MS).0;
    for (until, is_late) in [("NULL", true), ("1", false)] {
        let sql = format!(
            "DELETE FROM refund WHERE state <> 'held'; UPDATE refund SET held_until = {until}; \
             DELETE FROM exception_case"
        );
        let copy = TempFile::changed(&file.0, &sql);
        assert_eq!(
            named(&copy.0, "settled.refund", late) > 0,
            is_late,
            "{until}"
        );
    }
}

/// What an institution is to give back is looked after by an open case of its order.
#[test]
fn a_refund_of_an_institution_waits_with_its_case() {
    let (file, world) = super::institutions::made("settled-institutions");
    let late = world.now.plus_ms(2 * DAY_MS).0;
    let with_it = |state: &str| {
        format!(
            "UPDATE refund SET state = 'sent', sent_at = created_at; \
             UPDATE exception_case SET subject = 'x', state = '{state}', \
             bucket = (SELECT bucket FROM refund LIMIT 1), \
             order_id = (SELECT order_id FROM refund LIMIT 1)"
        )
    };
    for (state, excused) in [("open", 1), ("closed", 0)] {
        let copy = TempFile::changed(&file.0, &with_it(state));
        let all = number(&copy.0, "SELECT count(*) FROM refund");
        let found = named(&copy.0, "settled.refund", late);
        assert_eq!(found as i64, all - excused, "{state}");
    }
}

#[test]
fn all_is_well_while_there_is_time() {
    let (file, world, _) = build("in-time");
    let options = VerifyOptions {
        settled: Some(world.now),
        ..VerifyOptions::default()
    };
    let found = run(&file.0, &options);
    assert!(!rules(&found).contains(&"settled.attempt"), "{found:?}");
}
