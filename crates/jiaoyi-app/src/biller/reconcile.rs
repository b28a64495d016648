//! `reconcile`: an institution's day file against our books. Every difference is a case for staff;
//! none changes a bill by itself.

use super::auth::Known;
use super::{BillerReply, Failure, RawCall, decided, read};
use crate::platform::Platform;
use encoding_rs::{Encoding, GB18030, UTF_8};
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::{DayResult, Reconciled, Sum};
use jiaoyi_domain::biller::{BillNo, CallState, DayFile};
use jiaoyi_domain::decide::{Answer, Refusal, StoreDayFile};
use jiaoyi_domain::due::DueId;
use jiaoyi_domain::record::{Column, Value};
use jiaoyi_domain::{Bucket, Date};
use jiaoyi_store::StoreError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What sealed day files are bound to.
const PLACE: &[u8] = b"day_file.body";

/// One serial of the file: what was paid, and whether it was undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Theirs {
    bill_no: String,
    amount_fen: u64,
    paid: bool,
    undone: bool,
}

/// One payment of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ours {
    state: CallState,
    amount_fen: u64,
    bill_no: String,
    receipt_no: String,
}

/// A day file, read.
#[derive(Debug)]
struct Read {
    day: Date,
    rows: BTreeMap<String, Theirs>,
}

/// One line of the result.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    kind: &'static str,
    seq: String,
    line: String,
}

/// In hexadecimal digits, small ones.
pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// A line without its ends, in the file's encoding.
fn decode(line: &[u8], encoding: &'static Encoding) -> Option<String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (text, damaged) = encoding.decode_without_bom_handling(line);
    (!damaged).then(|| text.into_owned())
}

/// Reads a day file line by line; the error names the line.
fn read_file(inst_id: &str, body: &[u8], encoding: &'static Encoding) -> Result<Read, Failure> {
    let bad = |line: usize, why: &str| Failure::bad(&format!("line {line}"), why);
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let end = body
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(body.len());
    let rest = body.get(end + 1..).unwrap_or_default();
    let head = decode(&body[..end], encoding).ok_or_else(|| bad(1, "not in its encoding"))?;
    let parts: Vec<&str> = head.split('|').collect();
    let [inst, day, count, amount, hash] = parts[..] else {
        return Err(bad(1, "inst|date|count|amount_fen|sha256"));
    };
    let day: Date = day.parse().map_err(|_| bad(1, "its date"))?;
    let count: u64 = count.parse().map_err(|_| bad(1, "its count"))?;
    let amount: i64 = amount.parse().map_err(|_| bad(1, "its amount"))?;
    if inst != inst_id {
        return Err(bad(1, "it is of another institution"));
    }
    if !hash.eq_ignore_ascii_case(&hex(&Sha256::digest(rest))) {
        return Err(bad(1, "its sha256 is not that of the following lines"));
    }
    let mut rows: BTreeMap<String, Theirs> = BTreeMap::new();
    let (mut lines, mut sum) = (0_u64, 0_i64);
    for (number, line) in (2..).zip(rest.split(|byte| *byte == b'\n')) {
        if line.is_empty() || line == b"\r" {
            continue;
        }
        let text = decode(line, encoding).ok_or_else(|| bad(number, "not in its encoding"))?;
        let parts: Vec<&str> = text.split('|').collect();
        let [_, _, seq, bill_no, fen, _, kind] = parts[..] else {
            return Err(bad(
                number,
                "date|time|seq|bill_no|amount_fen|sub_channel|type",
            ));
        };
        let fen: u64 = fen.parse().map_err(|_| bad(number, "its amount"))?;
        let signed = i64::try_from(fen).map_err(|_| bad(number, "its amount"))?;
        let row = rows.entry(seq.to_owned()).or_default();
        let (seen, signed) = match kind {
            "P" => (&mut row.paid, signed),
            "R" => (&mut row.undone, -signed),
            _ => return Err(bad(number, "its type is neither P nor R")),
        };
        if std::mem::replace(seen, true) {
            return Err(bad(number, "its seq and type stand twice"));
        }
        if kind == "P" {
            row.bill_no = bill_no.to_owned();
            row.amount_fen = fen;
        }
        lines += 1;
        sum = sum
            .checked_add(signed)
            .ok_or_else(|| bad(number, "too much money"))?;
    }
    if lines != count {
        return Err(bad(1, "its count is not that of the following lines"));
    }
    if sum != amount {
        return Err(bad(1, "its amount is not that of the following lines"));
    }
    Ok(Read { day, rows })
}

impl Ours {
    /// A row of the query `payments_of_day`; none when it is damaged, which `verify` names.
    fn read(row: &[Value]) -> Option<(String, Ours)> {
        let [seq, state, amount, due, bucket, receipt] = row else {
            return None;
        };
        let due = DueId::from_value(due.clone());
        let bucket = Bucket::from_value(bucket.clone())?;
        let bill = due.map(|due_id| BillNo { bucket, due_id }.to_string());
        Some((
            String::from_value(seq.clone())?,
            Ours {
                state: CallState::from_value(state.clone())?,
                amount_fen: u64::try_from(i64::from_value(amount.clone())?).ok()?,
                bill_no: bill.unwrap_or_default(),
                receipt_no: String::from_value(receipt.clone()).unwrap_or_default(),
            },
        ))
    }

    const fn stands(&self) -> bool {
        matches!(self.state, CallState::Done)
    }

    const fn told(&self) -> &'static str {
        match self.state {
            CallState::Done => "SUCCESS",
            CallState::Refused => "REFUSED",
            CallState::Reversed => "REVERSED",
            CallState::Dead => "NOT_FOUND",
        }
    }
}

/// How one serial differs; `None` when it does not.
fn difference(theirs: Option<&Theirs>, ours: Option<&Ours>) -> Option<&'static str> {
    let listed = theirs.is_some_and(|row| row.paid && !row.undone);
    let unlisted = theirs.is_some_and(|row| row.undone);
    match ours {
        Some(ours) if ours.stands() => match theirs {
            None => Some("SHORT"),
            Some(_) if unlisted => Some("STATE"),
            Some(theirs) if theirs.amount_fen != ours.amount_fen => Some("AMOUNT"),
            Some(_) => None,
        },
        Some(ours) if ours.state == CallState::Reversed => listed.then_some("STATE"),
        Some(_) | None => listed.then_some("LONG"),
    }
}

/// Every serial that differs, in order.
fn compare(theirs: &BTreeMap<String, Theirs>, ours: &BTreeMap<String, Ours>) -> Vec<Difference> {
    let mut all: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let of = |seq: &String| {
        let (theirs, ours) = (theirs.get(seq), ours.get(seq));
        let kind = difference(theirs, ours)?;
        let bill = theirs
            .map(|row| &row.bill_no)
            .filter(|bill| !bill.is_empty());
        let bill = bill
            .or(ours.map(|row| &row.bill_no))
            .cloned()
            .unwrap_or_default();
        let listed = theirs.filter(|row| row.paid && !row.undone);
        let stands = ours.filter(|row| row.stands());
        let line = format!(
            "{kind}|{seq}|{bill}|{}|{}|{}|{}",
            listed.map_or(0, |row| row.amount_fen),
            stands.map_or(0, |row| row.amount_fen),
            ours.map_or("NOT_FOUND", Ours::told),
            ours.map_or("", |row| row.receipt_no.as_str()),
        );
        let seq = seq.clone();
        Some(Difference { kind, seq, line })
    };
    all.into_iter().filter_map(of).collect()
}

fn total(amounts: impl Iterator<Item = u64>) -> Sum {
    amounts.fold(Sum::default(), |sum, amount| Sum {
        count: sum.count.saturating_add(1),
        amount_fen: sum.amount_fen.saturating_add(amount),
    })
}

impl Platform {
    fn day_bucket(&self, known: &Known) -> Bucket {
        self.keyring
            .bucket_of_name(known.institution.inst_id.as_bytes())
    }

    /// Answers `reconcile`: takes a day file, or gives the result of one.
    pub(super) async fn biller_reconcile(
        &self,
        known: &Known,
        call: &RawCall,
    ) -> Result<BillerReply, Failure> {
        let content = call.content_type.to_ascii_lowercase();
        if call.body_in.is_some() || content.starts_with("application/json") {
            return self.day_result(known, read(call)?).await;
        }
        let encoding = if content.contains("gbk") || content.contains("gb18030") {
            GB18030
        } else {
            UTF_8
        };
        let inst_id = &known.institution.inst_id;
        let file = read_file(inst_id, &call.body, encoding)?;
        if !known.institution.takes_file(file.day, self.now()) {
            return Err(Failure::bad("line 1", "the day is not closed yet"));
        }
        let given = [inst_id.to_value(), file.day.to_value()];
        let rows = self.store.query("payments_of_day", &given).await?;
        let ours: BTreeMap<String, Ours> = rows.iter().filter_map(|row| Ours::read(row)).collect();
        let differences = compare(&file.rows, &ours);
        let command = self.stored(known, &file, &ours, &differences, &call.body);
        match self.submit(command).await? {
            Answer::Called { body } => Ok(decided(body)),
            _ => Err(StoreError::Refused(Refusal::WrongState).into()),
        }
    }

    fn stored(
        &self,
        known: &Known,
        file: &Read,
        ours: &BTreeMap<String, Ours>,
        differences: &[Difference],
        body: &[u8],
    ) -> StoreDayFile {
        let inst_id = &known.institution.inst_id;
        let file_hash: [u8; 32] = Sha256::digest(body).into();
        let count = |kind| {
            let of = differences.iter().filter(|row| row.kind == kind);
            u64::try_from(of.count()).unwrap_or(u64::MAX)
        };
        let balanced = differences.is_empty();
        let listed = file.rows.values().filter(|row| row.paid && !row.undone);
        let standing = ours.values().filter(|row| row.stands());
        let answer = Reconciled {
            day: file.day.to_string(),
            file_hash: hex(&file_hash),
            state: if balanced { "BALANCED" } else { "DIFFERENT" }.to_owned(),
            theirs: total(listed.map(|row| row.amount_fen)),
            ours: total(standing.map(|row| row.amount_fen)),
            long: count("LONG"),
            short: count("SHORT"),
            amount_differs: count("AMOUNT"),
            state_differs: count("STATE"),
        };
        let mut result = String::new();
        let (day, lines, hash) = (file.day, differences.len(), hex(&file_hash));
        let _ = writeln!(result, "{inst_id}|{day}|{lines}|{hash}");
        for row in differences {
            let _ = writeln!(result, "{}", row.line);
        }
        let told = differences
            .iter()
            .map(|row| (row.seq.clone(), row.line.clone()));
        StoreDayFile {
            differences: told.collect(),
            file: DayFile {
                bucket: self.day_bucket(known),
                inst_id: inst_id.clone(),
                day: file.day,
                file_hash,
                received_at: self.now(),
                body_sealed: self.keyring.seal(body, PLACE, self.random()),
                answer: serde_json::to_string(&answer).unwrap_or_default(),
                result,
            },
        }
    }

    /// The result of the newest file of a day.
    async fn day_result(&self, known: &Known, asked: DayResult) -> Result<BillerReply, Failure> {
        let day: Date = asked
            .day
            .parse()
            .map_err(|_| Failure::bad("day", "yyyy-mm-dd"))?;
        let bucket = self.day_bucket(known);
        let given = [
            bucket.to_value(),
            known.institution.inst_id.to_value(),
            day.to_value(),
        ];
        let files: Vec<DayFile> = self.store.range("by_day", &given).await?;
        let newest = files.into_iter().max_by_key(|file| file.received_at);
        let message = "no file of this day is known";
        let newest = newest.ok_or_else(|| Failure::new(ErrorCode::NoSuchDay, message))?;
        Ok(BillerReply {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body: newest.result.into_bytes(),
        })
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;

    fn file(rows: &str, count: usize, amount: i64) -> String {
        let hash = hex(&Sha256::digest(rows));
        format!("BANK01|2026-11-27|{count}|{amount}|{hash}\n{rows}")
    }

    fn rows() -> String {
        [
            "2026-11-27|09:00:01|s1|B1|40000|A7|P",
            "2026-11-27|09:00:02|s2|B2|40000|A7|P",
            "2026-11-27|09:00:03|s2|B2|40000|A7|R",
        ]
        .join("\r\n")
    }

    #[test]
    fn a_file_is_read_or_its_line_is_named() {
        let good = file(&rows(), 3, 40_000);
        let read = read_file("BANK01", good.as_bytes(), UTF_8).unwrap();
        assert_eq!(
            (read.day, read.rows.len()),
            (Date::constant(2026, 11, 27), 2)
        );
        assert!(read.rows["s2"].undone && !read.rows["s1"].undone);
        let chinese = rows().replacen("A7", "柜台", 1);
        let (gbk, _, _) = GB18030.encode(&chinese);
        let hash = hex(&Sha256::digest(&gbk));
        let mut bytes = format!("BANK01|2026-11-27|3|40000|{hash}\n").into_bytes();
        bytes.extend_from_slice(&gbk);
        assert!(read_file("BANK01", &bytes, GB18030).is_ok());
        assert!(read_file("BANK01", &bytes, UTF_8).is_err());
        for (text, line) in [
            (good.replace("BANK01", "BANK02"), "line 1"),
            (file(&rows(), 2, 40_000), "line 1"),
            (file(&rows(), 3, 40_001), "line 1"),
            (good.replacen("40000|A7|P", "40001|A7|P", 1), "line 1"),
            (file(&rows().replace("A7|R", "A7|Q"), 3, 40_000), "line 4"),
            (file(&rows().replacen("s2", "s1", 1), 3, 40_000), "line 3"),
            (
                file(&rows().replacen("40000", "4e4", 1), 3, 40_000),
                "line 2",
            ),
            (file(&rows().replacen("|A7", "", 1), 3, 40_000), "line 2"),
            (String::new(), "line 1"),
        ] {
            let failure = read_file("BANK01", text.as_bytes(), UTF_8).unwrap_err();
            assert_eq!(failure.field.as_deref(), Some(line), "{text}");
        }
    }

    #[test]
    fn each_serial_agrees_or_differs_in_its_way() {
        let theirs = |paid, undone, amount_fen| Theirs {
            bill_no: "B1".to_owned(),
            amount_fen,
            paid,
            undone,
        };
        let ours = |state| Ours {
            state,
            amount_fen: 100,
            bill_no: "B1".to_owned(),
            receipt_no: "JA1".to_owned(),
        };
        use CallState as S;
        for (row, state, kind) in [
            (Some(theirs(true, false, 100)), Some(S::Done), None),
            (
                Some(theirs(true, false, 101)),
                Some(S::Done),
                Some("AMOUNT"),
            ),
            (Some(theirs(true, true, 100)), Some(S::Done), Some("STATE")),
            (Some(theirs(false, true, 0)), Some(S::Done), Some("STATE")),
            (None, Some(S::Done), Some("SHORT")),
            (
                Some(theirs(true, false, 100)),
                Some(S::Reversed),
                Some("STATE"),
            ),
            (Some(theirs(true, true, 100)), Some(S::Reversed), None),
            (None, Some(S::Reversed), None),
            (
                Some(theirs(true, false, 100)),
                Some(S::Refused),
                Some("LONG"),
            ),
            (Some(theirs(true, false, 100)), Some(S::Dead), Some("LONG")),
            (Some(theirs(true, false, 100)), None, Some("LONG")),
            (Some(theirs(true, true, 100)), None, None),
            (None, Some(S::Refused), None),
        ] {
            let ours = state.map(ours);
            assert_eq!(
                difference(row.as_ref(), ours.as_ref()),
                kind,
                "{row:?} {ours:?}"
            );
        }
        let theirs = BTreeMap::from([("s1".to_owned(), theirs(true, false, 101))]);
        let ours = BTreeMap::from([
            ("s1".to_owned(), ours(S::Done)),
            ("s2".to_owned(), ours(S::Done)),
        ]);
        let lines: Vec<String> = compare(&theirs, &ours)
            .into_iter()
            .map(|row| row.line)
            .collect();
        assert_eq!(
            lines,
            [
                "AMOUNT|s1|B1|101|100|SUCCESS|JA1",
                "SHORT|s2|B1|0|100|SUCCESS|JA1"
            ]
        );
    }
}
