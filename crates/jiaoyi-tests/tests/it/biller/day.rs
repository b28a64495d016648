//! The day file: what the bank booked against what we booked.

use super::{Bank, Forged};
use crate::harness::{HOUR, World};
use encoding_rs::GB18030;
use jiaoyi_crypto::CallScheme;
use jiaoyi_domain::biller::DayFile;
use jiaoyi_domain::messages::CaseKind;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A day file with a right first line.
pub(super) fn file(rows: &[(&str, &str, u64, char)]) -> String {
    file_of("2026-11-22", rows)
}

/// The same of another day.
pub(super) fn file_of(day: &str, rows: &[(&str, &str, u64, char)]) -> String {
    file_by("BANK01", day, rows)
}

/// The same of another institution.
pub(super) fn file_by(inst_id: &str, day: &str, rows: &[(&str, &str, u64, char)]) -> String {
    let mut text = String::new();
    let mut sum = 0_i64;
    for (seq, bill, fen, kind) in rows {
        let _ = write!(text, "{day}|10:00:00|{seq}|{bill}|{fen}|柜台|{kind}\r\n");
        let fen = i64::try_from(*fen).expect("small");
        sum += if *kind == 'P' { fen } else { -fen };
    }
    let hash = hex(&Sha256::digest(&text));
    format!("{inst_id}|{day}|{}|{sum}|{hash}\n{text}", rows.len())
}

pub(super) fn plain(charset: &str) -> Forged {
    Forged {
        headers: vec![("content-type", format!("text/plain; charset={charset}"))],
        ..Forged::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_balances_or_each_difference_is_a_case() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let mut bills = Vec::new();
    for (n, person) in world.people.clone().iter().take(4).enumerate() {
        let bill = bank.bill(&world, person).await;
        bank.pay(&world, &bill, &format!("p{n}")).await.accepted();
        bills.push(bill);
    }
    bank.reverse(&world, "p3", 40_000).await.decided();
    let no = |n: usize| bills[n].no.as_str();
    let good = file(&[
        ("p0", no(0), 40_000, 'P'),
        ("p1", no(1), 40_000, 'P'),
        ("p2", no(2), 40_000, 'P'),
        ("p3", no(3), 40_000, 'P'),
        ("p3", no(3), 40_000, 'R'),
    ]);
    // A test institution need not wait for the evening, but for the day.
    let tomorrow = good.replacen("|2026-11-22|", "|2026-11-24|", 1);
    let early = bank
        .send(&world, "reconcile", tomorrow, plain("utf-8"))
        .await;
    early.is_error(400, "BAD_REQUEST");
    world.turn(14 * HOUR);
    let asked = bank
        .call(&world, "reconcile", json!({ "day": "2026-11-22" }))
        .await;
    asked.is_error(404, "NO_SUCH_DAY");
    let balanced = bank
        .send(&world, "reconcile", good.clone(), plain("utf-8"))
        .await;
    let told = balanced.decided();
    assert_eq!(told["state"], "BALANCED", "{told}");
    assert_eq!(told["ours"], json!({ "count": 3, "amount_fen": 120_000 }));
    assert_eq!(told["theirs"], told["ours"]);
    let again = bank.send(&world, "reconcile", good, plain("utf-8")).await;
    assert_eq!(again.text, balanced.text);
    assert_eq!(world.cases().await, []);

    world.turn(1_000);
    let bad = file(&[
        ("p0", no(0), 39_000, 'P'),
        ("p1", no(1), 40_000, 'P'),
        ("p1", no(1), 40_000, 'R'),
        ("p3", no(3), 40_000, 'P'),
        ("p9", no(3), 40_000, 'P'),
    ]);
    let different = bank.send(&world, "reconcile", bad, plain("utf-8")).await;
    let told = different.decided();
    assert_eq!(told["state"], "DIFFERENT");
    assert_eq!(
        [
            &told["long"],
            &told["short"],
            &told["amount_differs"],
            &told["state_differs"]
        ],
        [&json!(1), &json!(1), &json!(1), &json!(2)]
    );
    let result = bank
        .call(&world, "reconcile", json!({ "day": "2026-11-22" }))
        .await;
    assert!(result.signed);
    let lines: Vec<&str> = result.text.lines().collect();
    let head = format!("BANK01|2026-11-22|5|{}", different.text_of("file_hash"));
    assert_eq!(lines[0], head);
    let kinds: Vec<(&str, &str)> = lines[1..]
        .iter()
        .map(|line| {
            let mut parts = line.split('|');
            (
                parts.next().expect("a kind"),
                parts.next().expect("a serial"),
            )
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("AMOUNT", "p0"),
            ("STATE", "p1"),
            ("SHORT", "p2"),
            ("STATE", "p3"),
            ("LONG", "p9")
        ]
    );
    assert_eq!(world.cases().await, [CaseKind::DayFile; 4]);
    // What it tells beyond our calls is booked: p9 pays the bill that is free, p1 was undone.
    world.pass(1_000).await;
    assert_eq!(world.cases().await, [CaseKind::DayFile; 5]);
    assert!(world.is_paid(&world.people[3].clone()).await);
    assert!(!world.is_paid(&world.people[1].clone()).await);
    assert_eq!(bank.status(&world, "p1").await, "REVERSED");
    let files: Vec<DayFile> = world.platform.store.all().await.expect("rows");
    assert_eq!(files.len(), 2, "both are kept");
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_gbk_is_read_over_its_own_bytes() {
    let mut world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Sm2).await;
    world.turn(14 * HOUR);
    // 亅 and others end with the byte of the separator in GBK.
    let row = "2026-11-22|10:00:00|p9|B1|40000|亅柜|P\n";
    let (bytes, _, _) = GB18030.encode(row);
    assert!(bytes.iter().filter(|byte| **byte == b'|').count() > 6);
    let head = format!(
        "BANK01|2026-11-22|1|40000|{}\n",
        hex(&Sha256::digest(&bytes))
    );
    let mut body = head.into_bytes();
    body.extend_from_slice(&bytes);
    let reply = bank
        .send_bytes(&world, "reconcile", body.clone(), "text/plain; charset=gbk")
        .await;
    assert_eq!(reply.decided()["long"], 1, "{}", reply.text);
    let wrong = bank
        .send_bytes(&world, "reconcile", body, "text/plain; charset=utf-8")
        .await;
    wrong.is_error(400, "BAD_REQUEST");
    assert_eq!(wrong.json["field"], "line 2");
    world.pass(1_000).await;
    assert_eq!(world.cases().await, [CaseKind::DayFile], "no bill of ours");
    world.settles().await;
}

/// Nobody knows whose a large body is before it has been read: only a few are read at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_large_files_at_once_are_turned_away_and_nothing_else_is() {
    let world = World::new().await;
    let bank = Bank::new(&world, "BANK01", CallScheme::Rsa).await;
    let at = world.portal.strip_prefix("http://").expect("an address");
    let mut strangers = Vec::new();
    for _ in 0..40 {
        let mut stranger = TcpStream::connect(at).await.expect("a connection");
        let head = "POST /biller/v1/reconcile HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n\
                    content-length: 33000000\r\n\r\n2";
        stranger
            .write_all(head.as_bytes())
            .await
            .expect("it is sent");
        strangers.push(stranger);
    }
    // Whoever finds no place hears so at once, so those that wait are few.
    let mut turned_away = 0;
    for stranger in strangers.iter_mut().skip(10) {
        let mut line = [0; 12];
        let told = stranger.read_exact(&mut line);
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(5), told).await {
            assert_eq!(&line, b"HTTP/1.1 503");
            turned_away += 1;
        }
    }
    assert!(turned_away >= 26, "{turned_away} of 30");
    let asked = json!({ "day": "2026-11-22" });
    let small = bank.call(&world, "reconcile", asked).await;
    small.is_error(404, "NO_SUCH_DAY");
    let large = "x".repeat(100_000);
    let told = bank
        .send(&world, "reconcile", large.clone(), plain("utf-8"))
        .await;
    told.is_error(503, "BUSY");
    drop(strangers);
    for _ in 0..200 {
        let told = bank
            .send(&world, "reconcile", large.clone(), plain("utf-8"))
            .await;
        if told.status != 503 {
            told.is_error(400, "BAD_REQUEST");
            return;
        }
    }
    panic!("no place came free");
}
