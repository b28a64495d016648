//! `reconcile`: the day file, and what is said of every kind of difference.
//!
//! The platform may hold payments of this day that the kit did not make. A file without them makes it
//! list them all; they are written into every later file.

use super::{Case, case};
use crate::commands::conformance::calls::Answer;
use crate::commands::conformance::expect::{Outcome, sure};
use crate::commands::conformance::kit::Kit;
use aws_lc_rs::digest;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

pub const CASES: &[Case] = &[
    case!(
        "day.balanced",
        "a file that says what the platform has: BALANCED",
        balanced
    ),
    case!("day.gbk", "the same file in GBK", gbk),
    case!("day.crlf", "the same file with CRLF", crlf),
    case!("day.again", "the same file again: the same answer", again),
    case!(
        "day.short",
        "a payment left out is SHORT, with receipt, in result file and count",
        short
    ),
    case!(
        "day.long",
        "a payment that no call has brought is LONG, NOT_FOUND",
        long
    ),
    case!(
        "day.told",
        "of another amount it is to be given back; listed with R it is returned",
        told
    ),
    case!("day.amount", "another amount is AMOUNT, with both", amount),
    case!(
        "day.undone",
        "a reversed payment listed as standing is STATE",
        undone
    ),
    case!(
        "day.reversal_listed",
        "a payment and its reversal, both listed: balanced",
        reversal_listed
    ),
    case!(
        "day.wrong_hash",
        "a file that is not what its first line hashes: BAD_REQUEST, line 1",
        wrong_hash
    ),
    case!(
        "day.wrong_count",
        "a wrong count in the first line: BAD_REQUEST",
        wrong_count
    ),
    case!("day.cut", "a file cut off in the middle: BAD_REQUEST", cut),
    case!(
        "day.stranger",
        "a file of another institution: BAD_REQUEST",
        stranger
    ),
    case!(
        "day.none",
        "the result of a day without a file: NO_SUCH_DAY",
        none
    ),
];

/// How often, and how far apart, it is looked whether a row was booked.
const BOOKED_TRIES: u32 = 60;
const BOOKED_PAUSE: Duration = Duration::from_millis(500);

/// A line of a file.
#[derive(Clone, Debug)]
struct Line {
    seq: String,
    bill_no: String,
    fen: i64,
    kind: char,
}

fn sha256(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn file(kit: &Kit, lines: &[Line]) -> String {
    let (day, channel) = (kit.day(0), &kit.terms.channel);
    let mut body = String::new();
    let mut sum = 0;
    for Line {
        seq,
        bill_no,
        fen,
        kind,
    } in lines
    {
        let _ = writeln!(
            body,
            "{day}|12:00:00|{seq}|{bill_no}|{fen}|{channel}|{kind}"
        );
        sum += if *kind == 'P' { *fen } else { -fen };
    }
    let (count, hash) = (lines.len(), sha256(body.as_bytes()));
    format!("{}|{day}|{count}|{sum}|{hash}\n{body}", kit.terms.inst_id)
}

async fn send(kit: &Kit, bytes: Vec<u8>, content_type: &'static str) -> Result<Answer, String> {
    let mut draft = kit.draft("reconcile", bytes);
    draft.content_type = content_type;
    let answer = kit.send(draft).await?;
    answer.is_signed()?;
    Ok(answer)
}

const UTF_8: &str = "text/plain; charset=utf-8";

async fn reconcile(kit: &Kit, lines: &[Line]) -> Result<Answer, String> {
    send(kit, file(kit, lines).into_bytes(), UTF_8).await
}

/// The lines of the result file.
async fn result(kit: &Kit) -> Result<Vec<Vec<String>>, String> {
    let answer = kit.call("reconcile", &json!({ "day": kit.day(0) })).await?;
    answer.is(200, &[])?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split('|').collect();
    let lines: Vec<Vec<String>> = lines
        .map(|line| line.split('|').map(str::to_owned).collect())
        .collect();
    let right = head.len() == 4 && head[2] == lines.len().to_string();
    sure(right && lines.iter().all(|line| line.len() == 9), || {
        answer.told()
    })?;
    Ok(lines)
}

/// What the platform has of this day, said by itself.
async fn ours(kit: &Kit) -> Result<Vec<Line>, String> {
    // With a payment that never was, so that it is no file that was sent before.
    let never = Line {
        seq: kit.seq(),
        bill_no: "B1".to_owned(),
        fen: 1,
        kind: 'P',
    };
    reconcile(kit, &[never]).await?.is(200, &[])?;
    let lines = result(kit).await?;
    let standing = lines
        .into_iter()
        .filter(|line| line[0] == "SHORT" && line[5] == "SUCCESS");
    let read = |line: Vec<String>| Line {
        fen: line[4].parse().unwrap_or_default(),
        seq: line[1].clone(),
        bill_no: line[2].clone(),
        kind: 'P',
    };
    Ok(standing.map(read).collect())
}

/// A payment that stands, and the day's lines with it.
async fn with_payment(kit: &Kit) -> Result<(String, Vec<Line>), String> {
    let (_, body, _) = kit.paid().await?;
    let seq = body["seq"].as_str().unwrap_or_default().to_owned();
    let lines = ours(kit).await?;
    let known = lines.iter().any(|line| line.seq == seq);
    sure(known, || {
        format!("{seq} was accepted, but is not SHORT when it is left out")
    })?;
    Ok((seq, lines))
}

fn is_balanced(answer: &Answer, count: usize) -> Outcome {
    let (state, count) = (json!("BALANCED"), json!(count));
    let sides = [("/ours/count", count.clone()), ("/theirs/count", count)];
    answer.is(200, &[("state", state)])?;
    answer.is(200, &sides)
}

async fn balanced(kit: &Kit) -> Outcome {
    let (_, lines) = with_payment(kit).await?;
    is_balanced(&reconcile(kit, &lines).await?, lines.len())?;
    let left = result(kit).await?;
    sure(left.is_empty(), || format!("{left:?}"))
}

async fn gbk(kit: &Kit) -> Outcome {
    // No letter of a file lies outside ASCII; what counts is that the charset is taken.
    let (_, lines) = with_payment(kit).await?;
    let bytes = file(kit, &lines).into_bytes();
    is_balanced(
        &send(kit, bytes, "text/plain; charset=gbk").await?,
        lines.len(),
    )
}

async fn crlf(kit: &Kit) -> Outcome {
    let (_, lines) = with_payment(kit).await?;
    let text = file(kit, &lines);
    let (head, body) = text.split_once('\n').unwrap_or((&text, ""));
    let body = body.replace('\n', "\r\n");
    let head = head.rsplit_once('|').map_or(head, |(head, _)| head);
    let text = format!("{head}|{}\r\n{body}", sha256(body.as_bytes()));
    is_balanced(&send(kit, text.into_bytes(), UTF_8).await?, lines.len())
}

async fn again(kit: &Kit) -> Outcome {
    let (_, lines) = with_payment(kit).await?;
    let first = reconcile(kit, &lines).await?;
    reconcile(kit, &lines).await?.same_as(&first)
}

/// Sends lines and gives what the result says of a serial.
async fn told_of(kit: &Kit, lines: &[Line], seq: &str) -> Result<Vec<String>, String> {
    reconcile(kit, lines)
        .await?
        .is(200, &[("state", json!("DIFFERENT"))])?;
    let all = result(kit).await?;
    let line = all.iter().find(|line| line[1] == seq).cloned();
    line.ok_or_else(|| format!("nothing is said of {seq}: {all:?}"))
}

fn is_line(line: &[String], kind: &str, yours: i64, ours: i64, state: &str) -> Outcome {
    let found = (&line[0], &line[3], &line[4], &line[5]);
    let (yours, ours) = (yours.to_string(), ours.to_string());
    let wanted = (&kind.to_owned(), &yours, &ours, &state.to_owned());
    sure(found == wanted, || {
        format!("expected {wanted:?}, came {line:?}")
    })
}

async fn short(kit: &Kit) -> Outcome {
    let (seq, lines) = with_payment(kit).await?;
    let fen = lines
        .iter()
        .find(|line| line.seq == seq)
        .map_or(0, |line| line.fen);
    let rest: Vec<Line> = lines.into_iter().filter(|line| line.seq != seq).collect();
    let line = told_of(kit, &rest, &seq).await?;
    is_line(&line, "SHORT", 0, fen, "SUCCESS")?;
    sure(!line[6].is_empty(), || format!("without receipt: {line:?}"))
}

async fn long(kit: &Kit) -> Outcome {
    let (_, mut lines) = with_payment(kit).await?;
    let seq = kit.seq();
    lines.push(Line {
        seq: seq.clone(),
        bill_no: "B1".to_owned(),
        fen: 100,
        kind: 'P',
    });
    is_line(
        &told_of(kit, &lines, &seq).await?,
        "LONG",
        100,
        0,
        "NOT_FOUND",
    )
}

/// Waits until the result file says what was done with a serial.
async fn until_done(kit: &Kit, seq: &str, done: &str) -> Result<Vec<String>, String> {
    let mut said = Vec::new();
    for _ in 0..BOOKED_TRIES {
        let lines = result(kit).await?;
        let line = lines.into_iter().find(|line| line[1] == seq);
        said = line.ok_or_else(|| format!("nothing is said of {seq}"))?;
        if said[7] == done {
            return Ok(said);
        }
        tokio::time::sleep(BOOKED_PAUSE).await;
    }
    Err(format!("{done} is not said in time: {said:?}"))
}

async fn told(kit: &Kit) -> Outcome {
    let (_, mut lines) = with_payment(kit).await?;
    let told = Line {
        seq: kit.seq(),
        bill_no: lines[0].bill_no.clone(),
        fen: lines[0].fen + 1,
        kind: 'P',
    };
    lines.push(told.clone());
    told_of(kit, &lines, &told.seq).await?;
    let line = until_done(kit, &told.seq, "GIVE_BACK").await?;
    sure(!line[6].is_empty() && !line[8].is_empty(), || {
        format!("without receipt or refund number: {line:?}")
    })?;
    let back = Line {
        kind: 'R',
        ..told.clone()
    };
    let both: Vec<Line> = lines.iter().cloned().chain([back]).collect();
    is_balanced(&reconcile(kit, &both).await?, both.len() - 2)?;
    // Listed once more as standing, beside something new, so that it is no file that was sent before.
    lines.push(Line {
        seq: kit.seq(),
        bill_no: "B1".to_owned(),
        fen: 1,
        kind: 'P',
    });
    told_of(kit, &lines, &told.seq).await?;
    until_done(kit, &told.seq, "RETURNED").await.map(|_| ())
}

async fn amount(kit: &Kit) -> Outcome {
    let (seq, mut lines) = with_payment(kit).await?;
    let mut fen = 0;
    for line in lines.iter_mut().filter(|line| line.seq == seq) {
        fen = line.fen;
        line.fen += 1;
    }
    is_line(
        &told_of(kit, &lines, &seq).await?,
        "AMOUNT",
        fen + 1,
        fen,
        "SUCCESS",
    )
}

/// A payment that was undone, and the day's lines without it.
async fn without_payment(kit: &Kit) -> Result<(Line, Vec<Line>), String> {
    let (bill, body, _) = kit.paid().await?;
    kit.reverse(&body)
        .await?
        .is(200, &[("undone", json!(true))])?;
    let line = Line {
        seq: body["seq"].as_str().unwrap_or_default().to_owned(),
        bill_no: bill.bill_no,
        fen: bill.amount_fen,
        kind: 'P',
    };
    Ok((line, ours(kit).await?))
}

async fn undone(kit: &Kit) -> Outcome {
    let (line, mut lines) = without_payment(kit).await?;
    lines.push(line.clone());
    let told = told_of(kit, &lines, &line.seq).await?;
    sure(told[0] == "STATE" && told[5] == "REVERSED", || {
        format!("{told:?}")
    })
}

async fn reversal_listed(kit: &Kit) -> Outcome {
    let (line, mut lines) = without_payment(kit).await?;
    let standing = lines.len();
    lines.extend([line.clone(), Line { kind: 'R', ..line }]);
    is_balanced(&reconcile(kit, &lines).await?, standing)
}

async fn wrong_hash(kit: &Kit) -> Outcome {
    let text = file(kit, &[]) + "\n";
    let answer = send(kit, text.into_bytes(), UTF_8).await?;
    answer.is(
        400,
        &[("code", json!("BAD_REQUEST")), ("field", json!("line 1"))],
    )
}

async fn wrong_count(kit: &Kit) -> Outcome {
    let text = file(kit, &[]).replacen("|0|0|", "|1|0|", 1);
    send(kit, text.into_bytes(), UTF_8)
        .await?
        .error(400, "BAD_REQUEST")
}

async fn cut(kit: &Kit) -> Outcome {
    let line = |seq: &str| Line {
        seq: seq.to_owned(),
        bill_no: "B1".to_owned(),
        fen: 1,
        kind: 'P',
    };
    let mut bytes = file(kit, &[line("a"), line("b")]).into_bytes();
    bytes.truncate(bytes.len() - 20);
    send(kit, bytes, UTF_8).await?.error(400, "BAD_REQUEST")
}

async fn stranger(kit: &Kit) -> Outcome {
    let text = file(kit, &[]).replacen(&kit.terms.inst_id, "SOMEBODY", 1);
    send(kit, text.into_bytes(), UTF_8)
        .await?
        .error(400, "BAD_REQUEST")
}

async fn none(kit: &Kit) -> Outcome {
    let body = json!({ "day": kit.day(-300) });
    kit.call("reconcile", &body)
        .await?
        .error(404, "NO_SUCH_DAY")
}
