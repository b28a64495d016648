//! A database with institutions in it is found true, and every rule about them names its forgery.

use super::forge::{audit_anew, speaks};
use super::world::{TempFile, World, policy_row};
use super::{rules, run};
use crate::biller::DAY_FILE;
use crate::verify::VerifyOptions;
use jiaoyi_domain::biller::{BillNo, DayFile, Evidence, Verb, back_seq, told_seq};
use jiaoyi_domain::decide::{
    Answer, AskBack, AskCall, BookTold, Caller, ClaimSeq, CollectBill, DueKey, ImportPolicy,
    PayBill, PutInstitution, PutInstitutionKey, ReverseBill, StoreDayFile, TakeBack,
};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::institution::{DAY_MINUTES, Institution, InstitutionKey, Keeper, KeyScheme};
use jiaoyi_domain::refund::Refund;
use jiaoyi_domain::{Bucket, Instant};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// An institution that machines of a bank pay through.
pub(crate) fn institution(inst_id: &str, created_at: Instant) -> Institution {
    Institution {
        inst_id: inst_id.to_owned(),
        name: "bank".to_owned(),
        front_ends: "A7".to_owned(),
        scopes: "pay".to_owned(),
        addresses: String::new(),
        cut_over: DAY_MINUTES,
        hours_from: 0,
        hours_until: DAY_MINUTES,
        live: false,
        webhook: "https://bank.example/events".to_owned(),
        created_at,
        version: 1,
    }
}

/// How a success is called that its reversal does not fit.
const UNDONE: &str = "the success that it undoes is not there, or is not undone";

/// Claims a serial and says who calls.
async fn caller(world: &mut World, verb: Verb, seq: &str, target: Bucket) -> Caller {
    let bucket = world
        .keyring
        .bucket_of_name(format!("BANK01:{seq}").as_bytes());
    let body_hash = [verb.number(); 32];
    let claim = ClaimSeq {
        bucket,
        inst_id: "BANK01".to_owned(),
        seq: seq.to_owned(),
        verb,
        body_hash,
        target,
    };
    world.run(claim).await;
    Caller {
        institution: Arc::new(institution("BANK01", world.now)),
        front: (verb != Verb::Reverse).then_some(FrontEnd::Machine),
        verb,
        seq: seq.to_owned(),
        bucket: target,
        body_hash,
        trace_date: world.now.date(),
    }
}

async fn pay(world: &mut World, due: DueKey, seq: &str) {
    let caller = caller(world, Verb::Pay, seq, due.0).await;
    let quote = world.quote(due).await;
    let nonce = world.draw();
    let command = PayBill {
        caller,
        due,
        amount: quote.own,
        offer: Ok(quote),
        relation: "other".to_owned(),
        paid_at: world.now,
        terminal: String::new(),
        request_sealed: world.keyring.seal(b"{}", b"attempt.request", nonce),
    };
    let answer = world.run(command).await;
    assert!(matches!(answer, Answer::Called { .. }), "{answer:?}");
}

/// Somebody who is told of in a day file, by serial.
type Told<'a> = (DueKey, &'a str);

/// Keeps a day file that lists these rows; each is a serial with `P` or `R`.
async fn keep_file(world: &mut World, rows: &[(Told<'_>, char)]) {
    let day = world.now.date();
    let mut body = format!("BANK01|{day}|{}|0|00\n", rows.len());
    for ((due, seq), letter) in rows {
        let own = world.quote(*due).await.own.get();
        let (bucket, due_id) = (due.0, due.1);
        let bill = BillNo { bucket, due_id };
        body += &format!("{day}|10:00:00|{seq}|{bill}|{own}|A7|{letter}\n");
    }
    let nonce = world.draw();
    let file = DayFile {
        bucket: world.keyring.bucket_of_name(b"BANK01"),
        inst_id: "BANK01".to_owned(),
        day,
        file_hash: [7; 32],
        received_at: world.now,
        body_sealed: world.keyring.seal(body.as_bytes(), DAY_FILE, nonce),
        answer: "{}".to_owned(),
        result: String::new(),
    };
    let told = StoreDayFile {
        file,
        differences: Vec::new(),
        tells: true,
    };
    world.run(told).await;
}

fn evidence(world: &World, line: u32) -> Evidence {
    Evidence {
        day: world.now.date(),
        file_hash: [7; 32],
        line,
    }
}

/// Books a payment that stands in a line of the file; premium and surplus in fen.
async fn book(world: &mut World, (due, seq): Told<'_>, line: u32) -> (u64, u64) {
    let quote = world.quote(due).await;
    let caller = Caller {
        front: Some(FrontEnd::Machine),
        ..caller(world, Verb::Told, &told_seq(seq), due.0).await
    };
    let nonce = world.draw();
    let command = BookTold {
        caller,
        amount: quote.own,
        quote,
        paid_at: world.now,
        evidence: evidence(world, line),
        row_sealed: world
            .keyring
            .seal(seq.as_bytes(), b"attempt.request", nonce),
        before: "ALREADY_PAID".to_owned(),
    };
    match world.run(command).await {
        Answer::Allocated {
            premium_fen,
            surplus_fen,
        } => (premium_fen, surplus_fen),
        other => panic!("{other:?}"),
    }
}

/// Books that a told payment was undone, or its surplus given back.
async fn take_back(world: &mut World, (due, seq): Told<'_>, line: u32) {
    let caller = caller(world, Verb::Reverse, &back_seq(seq), due.0).await;
    let command = TakeBack {
        caller,
        of: told_seq(seq),
        at: world.now,
        evidence: evidence(world, line),
    };
    assert_eq!(world.run(command).await, Answer::Done);
}

/// A day file tells of a payment that was refused, of one whose surplus the bank gave back, and of one
/// that filled a free due and was undone.
async fn tell(world: &mut World, paid: DueKey, free: DueKey) {
    let (refused, given, undone) = ((paid, "refused"), (paid, "given"), (free, "free"));
    let rows = [
        (refused, 'P'),
        (given, 'P'),
        (undone, 'P'),
        (given, 'R'),
        (undone, 'R'),
    ];
    keep_file(world, &rows).await;
    let own = world.quote(paid).await.own.get();
    assert_eq!(book(world, refused, 2).await, (0, own));
    let refunds: Vec<Refund> = world.store.all().await.unwrap();
    let refund_no = refunds[0].refund_no.clone();
    // Beside a payment that can still be undone it waits.
    assert_eq!(world.run(AskBack { refund_no }).await, Answer::Held);
    assert_eq!(book(world, given, 3).await, (0, own));
    assert_eq!(book(world, undone, 4).await, (own, 0));
    take_back(world, given, 5).await;
    take_back(world, undone, 6).await;
}

/// Paid, undone, refused and listed, locked and dead: one of each.
async fn build(path: &Path) -> World {
    let mut world = World::open(path);
    let pack = policy_row();
    world.run(ImportPolicy { pack }).await;
    let rows: Vec<_> = (1..=4).map(|n| world.row(n, 8_000, 30_000)).collect();
    world.import(1, rows.clone()).await;
    let mut dues = Vec::new();
    for row in &rows {
        dues.push(world.someone(row).await.due);
    }
    let (institution, change) = (institution("BANK01", world.now), false);
    world
        .run(PutInstitution {
            institution,
            change,
        })
        .await;
    let key = InstitutionKey {
        inst_id: "BANK01".to_owned(),
        key_id: "k1".to_owned(),
        scheme: KeyScheme::Rsa,
        public_key: vec![1; 64],
        valid_from: world.now,
        valid_until: None,
        version: 1,
    };
    world
        .run(PutInstitutionKey {
            key,
            by: Keeper::Staff,
        })
        .await;
    pay(&mut world, dues[0], "paid").await;
    pay(&mut world, dues[0], "refused").await;
    pay(&mut world, dues[1], "undone").await;
    let caller_of = caller(&mut world, Verb::Reverse, "undoes", dues[1].0).await;
    let undo = ReverseBill {
        orig_seq: "undone".to_owned(),
        orig_date: caller_of.trace_date,
        orig_dead: false,
        amount: world.quote(dues[1]).await.own,
        caller: caller_of,
    };
    world.run(undo).await;
    let collect = CollectBill {
        caller: caller(&mut world, Verb::Collect, "locked", dues[2].0).await,
        due: dues[2],
        offer: Ok(world.quote(dues[2]).await),
        relation: "other".to_owned(),
        until: world.now.plus_ms(60_000),
    };
    world.run(collect).await;
    let asked = caller(&mut world, Verb::Pay, "dead", dues[2].0).await;
    let asked = Caller {
        verb: Verb::AskedFirst,
        ..asked
    };
    world.run(AskCall { caller: asked }).await;
    tell(&mut world, dues[0], dues[3]).await;
    world
}

pub fn made(name: &str) -> (TempFile, World) {
    let file = TempFile::new(name);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let world = runtime.unwrap().block_on(build(&file.0));
    world.store.close();
    (file, world)
}

#[test]
fn a_true_database_with_institutions_is_found_true() {
    let (file, world) = made("institutions");
    for buckets_at_once in [None, Some(64)] {
        let options = VerifyOptions {
            keyring: Some(&world.keyring),
            settled: Some(world.now),
            buckets_at_once,
            ..VerifyOptions::default()
        };
        let report = run(&file.0, &options);
        assert_eq!(report.violations, [], "{buckets_at_once:?}");
        for (table, count) in [
            ("claim", 11),
            ("biller_call", 11),
            ("day_file", 1),
            ("institution", 1),
            ("hook_event", 10),
        ] {
            assert_eq!(report.checked[table], count, "{table}");
        }
    }
}

#[test]
fn every_rule_about_institutions_speaks() {
    let (file, world) = made("institutions-forged");
    let call = |set: &str, seq: &str| format!("UPDATE biller_call SET {set} WHERE seq = '{seq}'");
    let undone = |set: &str| {
        format!(
            "UPDATE fact SET {set} WHERE kind = 'success' AND txn_id IN \
             (SELECT txn_id FROM fact WHERE kind = 'reversal')"
        )
    };
    let cases = [
        (
            call(
                "state = 'reversed', undone_by = 'undoes', ended_at = 1",
                "paid",
            ),
            "call.fact",
        ),
        (
            call(
                "state = 'done', undone_by = NULL, ended_at = NULL",
                "undone",
            ),
            "call.fact",
        ),
        (
            call(
                "state = 'done', undone_by = NULL, ended_at = NULL",
                "undone",
            ),
            "call.state",
        ),
        (call("ended_at = NULL", "undone"), "call.state"),
        (call("undone_by = NULL", "undone"), "call.state"),
        (call("undoes = 'paid'", "undoes"), "call.state"),
        (call("verb = 'release'", "undoes"), "call.state"),
        (call("amount = amount + 1", "paid"), "call.fact"),
        (call("trace_date = '2026-11-21'", "paid"), "call.fact"),
        (call("reason = 'LOCKED'", "paid"), "call.state"),
        (call("undone_by = 'paid'", "undone"), "call.state"),
        (call("body_hash = zeroblob(32)", "paid"), "claim.call"),
        (call("verb = 'release'", "locked"), "claim.call"),
        (
            "DELETE FROM claim WHERE seq = 'paid'".to_owned(),
            "call.claim",
        ),
        (
            "UPDATE claim SET target = 4095 WHERE seq = 'paid'".to_owned(),
            "call.claim",
        ),
        (
            "UPDATE claim SET verb = 'asked_first' WHERE seq = 'paid'".to_owned(),
            "claim.call",
        ),
        (
            "DELETE FROM biller_call WHERE seq = 'paid'".to_owned(),
            "call.fact",
        ),
        (
            "DELETE FROM biller_call WHERE seq = 'locked'".to_owned(),
            "order.attempts",
        ),
        (
            "UPDATE attempt SET amount = amount + 1".to_owned(),
            "its amount is not the order's",
        ),
        ("DELETE FROM institution".to_owned(), "reference.missing"),
        (
            "UPDATE hook_event SET body = replace(body, 'payment', 'refund')".to_owned(),
            "hook.body",
        ),
        (
            "UPDATE hook_event SET inst_id = 'BANK02'".to_owned(),
            "reference.missing",
        ),
        (
            "UPDATE hook_event SET state = 'failed'".to_owned(),
            "hook.state",
        ),
        (
            "DELETE FROM outbox WHERE topic = 'hook'".to_owned(),
            "hook.state",
        ),
        ("DELETE FROM hook_event".to_owned(), "outbox.refers"),
        (
            "DELETE FROM fact WHERE kind = 'reversal'".to_owned(),
            "call.fact",
        ),
        (
            "DELETE FROM fact WHERE kind = 'reversal'".to_owned(),
            "fact.returned",
        ),
        (
            "UPDATE fact SET amount = amount - 1 WHERE kind = 'reversal'".to_owned(),
            "fact.returned",
        ),
        (
            undone(
                "attempt_no = (SELECT f.attempt_no FROM fact f \
                 WHERE f.attempt_no <> fact.attempt_no LIMIT 1)",
            ),
            UNDONE,
        ),
        (undone("order_id = zeroblob(16)"), UNDONE),
        (undone("amount = amount + 1"), UNDONE),
        (undone("returned_or_reserved = 0"), UNDONE),
        (
            "UPDATE fact SET premium = 1 WHERE kind = 'reversal'".to_owned(),
            "money taken back is no premium and no surplus",
        ),
        (
            "UPDATE fact SET surplus = 1 WHERE kind = 'reversal'".to_owned(),
            "money taken back is no premium and no surplus",
        ),
        (
            call("state = 'refused', reason = 'LOCKED'", "paid"),
            "no call has brought it",
        ),
        (
            "DELETE FROM transfer WHERE kind = 'reversed'".to_owned(),
            "slot.transfers",
        ),
        (
            "UPDATE transfer SET credit = 'clearing:A7:2026-11-22' WHERE kind = 'reversed'"
                .to_owned(),
            "transfer.accounts",
        ),
        (
            "UPDATE transfer SET debit = 'institution:BANK02:2026-11-22' \
             WHERE debit LIKE 'institution:%' AND kind = 'premium'"
                .to_owned(),
            "fact.amount",
        ),
        (
            "DELETE FROM due WHERE generation = 2".to_owned(),
            "due.generation",
        ),
        (
            "UPDATE slot SET end_reason = 'given back' WHERE ended_at > 0".to_owned(),
            "due.generation",
        ),
    ];
    let told = [
        (call("amount = amount + 1", "day:refused"), "told.evidence"),
        (
            call("answer = replace(answer, ' 2', ' 1')", "day:refused"),
            "told.evidence",
        ),
        (call("answer = '{}'", "day:refused"), "told.evidence"),
        (
            call("answer = replace(answer, ' 5', ' 6')", "back:given"),
            "told.evidence",
        ),
        (
            call(
                "state = 'done', undone_by = NULL, ended_at = NULL",
                "day:free",
            ),
            "call.state",
        ),
        (
            call(
                "state = 'done', undone_by = NULL, ended_at = NULL",
                "day:given",
            ),
            "call.fact",
        ),
        ("DELETE FROM day_file".to_owned(), "told.evidence"),
        ("DELETE FROM day_file".to_owned(), "outbox.refers"),
        ("DELETE FROM exception_case".to_owned(), "told.case"),
        (
            "UPDATE fact SET source = 'call' WHERE source = 'day_file'".to_owned(),
            "call.fact",
        ),
        (
            "DELETE FROM biller_call WHERE seq = 'day:refused'".to_owned(),
            "call.fact",
        ),
        (
            "UPDATE transfer SET debit = 'institution:BANK02:2026-11-22' WHERE kind = 'surplus'"
                .to_owned(),
            "fact.amount",
        ),
        ("DELETE FROM refund".to_owned(), "line.state"),
    ];
    let mut silent = Vec::new();
    for (sql, rule) in cases.into_iter().chain(told) {
        let copy = TempFile::copy_of(&file.0);
        let connection = Connection::open(&copy.0).unwrap();
        if !connection.execute(&sql, []).is_ok_and(|count| count > 0) {
            silent.push(format!("{sql}: changed nothing"));
            continue;
        }
        audit_anew(&connection);
        drop(connection);
        let options = VerifyOptions {
            keyring: Some(&world.keyring),
            ..VerifyOptions::default()
        };
        let report = run(&copy.0, &options);
        let found = rules(&report);
        if !speaks(&report, rule) || found.contains(&"audit.image") {
            silent.push(format!("{sql}: {rule} is not in {found:?}"));
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}
