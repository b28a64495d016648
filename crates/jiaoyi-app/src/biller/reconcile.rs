//! `reconcile`: an institution's day file against our calls. What it says beyond them is booked from the
//! kept file afterwards (`told`); every difference is a case for staff.

use super::auth::Known;
use super::day_file::{Read, Theirs, read_file};
use super::{BillerReply, Failure, RawCall, decided, read};
use crate::platform::Platform;
use encoding_rs::{GB18030, UTF_8};
use jiaoyi_domain::biller::ErrorCode;
use jiaoyi_domain::biller::wire::{DayResult, Reconciled, Sum};
use jiaoyi_domain::biller::{BillNo, CallState, DayFile, serial_told};
use jiaoyi_domain::decide::{Answer, Refusal, StoreDayFile};
use jiaoyi_domain::due::DueId;
use jiaoyi_domain::record::{Column, Value};
use jiaoyi_domain::{Bucket, Date};
use jiaoyi_store::StoreError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What sealed day files are bound to.
pub(crate) const PLACE: &[u8] = b"day_file.body";

/// One payment of ours: of a call, or of what an earlier file told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ours {
    state: CallState,
    amount_fen: u64,
    bill_no: String,
    receipt_no: String,
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

/// What we have of one serial.
#[derive(Clone, Copy, Debug, Default)]
struct OfSerial<'a> {
    call: Option<&'a Ours>,
    /// What a file told of it before, and we have booked.
    told: Option<&'a Ours>,
}

/// How one serial differs; `None` when it does not.
fn difference(theirs: Option<&Theirs>, ours: OfSerial<'_>) -> Option<&'static str> {
    let listed = theirs.filter(|row| row.stands());
    let undone = theirs.is_some_and(|row| row.undone.is_some());
    let other = |ours: &Ours| listed.is_some_and(|row| row.amount_fen != ours.amount_fen);
    match ours.call {
        Some(call) if call.stands() => match theirs {
            None => Some("SHORT"),
            Some(_) if undone => Some("STATE"),
            Some(_) => other(call).then_some("AMOUNT"),
        },
        Some(call) if call.state == CallState::Reversed => listed.and(Some("STATE")),
        // No call has brought it. What was told once stands until a file says that it was undone.
        Some(_) | None => match ours.told.filter(|told| told.stands()) {
            Some(told) if other(told) => Some("AMOUNT"),
            Some(_) if theirs.is_none() => Some("SHORT"),
            Some(_) | None => listed.and(Some("LONG")),
        },
    }
}

/// The payments of our books by serial: of calls, and of what files told.
#[derive(Default)]
struct Books {
    calls: BTreeMap<String, Ours>,
    told: BTreeMap<String, Ours>,
}

impl Books {
    fn read(rows: &[Vec<Value>]) -> Books {
        let mut books = Books::default();
        for (name, ours) in rows.iter().filter_map(|row| Ours::read(row)) {
            match serial_told(&name) {
                Some(seq) => books.told.insert(seq.to_owned(), ours),
                None => books.calls.insert(name, ours),
            };
        }
        books
    }

    fn of(&self, seq: &str) -> OfSerial<'_> {
        OfSerial {
            call: self.calls.get(seq),
            told: self.told.get(seq),
        }
    }
}

/// Every serial that differs, in order.
fn compare(theirs: &BTreeMap<String, Theirs>, books: &Books) -> Vec<Difference> {
    let ours = books.calls.keys().chain(books.told.keys());
    let all: BTreeSet<&String> = theirs.keys().chain(ours).collect();
    let of = |seq: &String| {
        let (theirs, ours) = (theirs.get(seq), books.of(seq));
        let kind = difference(theirs, ours)?;
        let (call, known) = (ours.call, ours.call.or(ours.told));
        let bill = theirs
            .map(|row| &row.bill_no)
            .filter(|bill| !bill.is_empty());
        let bill = bill.or(known.map(|row| &row.bill_no));
        let listed = theirs.filter(|row| row.stands());
        let mut both = [call, ours.told].into_iter().flatten();
        let stands = both.find(|row| row.stands());
        let line = format!(
            "{kind}|{seq}|{}|{}|{}|{}|{}",
            bill.map_or("", String::as_str),
            listed.map_or(0, |row| row.amount_fen),
            stands.map_or(0, |row| row.amount_fen),
            call.map_or("NOT_FOUND", Ours::told),
            known.map_or("", |row| row.receipt_no.as_str()),
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
    pub(super) fn day_bucket(&self, inst_id: &str) -> Bucket {
        self.keyring.bucket_of_name(inst_id.as_bytes())
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
        let books = Books::read(&rows);
        let differences = compare(&file.rows, &books);
        let command = self.stored(known, &file, &books, &differences, &call.body);
        match self.submit(command).await? {
            Answer::Called { body } => Ok(decided(body)),
            _ => Err(StoreError::Refused(Refusal::WrongState).into()),
        }
    }

    fn stored(
        &self,
        known: &Known,
        file: &Read,
        books: &Books,
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
        let listed = file.rows.values().filter(|row| row.stands());
        let standing = books.calls.values().filter(|row| row.stands());
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
        // What is listed and not ours is booked, and each such row gets its case with that.
        let cases = differences.iter().filter(|row| row.kind != "LONG");
        let undone = file.rows.values().any(|row| row.undone.is_some());
        StoreDayFile {
            differences: cases
                .map(|row| (row.seq.clone(), row.line.clone()))
                .collect(),
            tells: undone || differences.iter().any(|row| row.kind == "LONG"),
            file: DayFile {
                bucket: self.day_bucket(&known.institution.inst_id),
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
        let bucket = self.day_bucket(&known.institution.inst_id);
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
            body: self.result_with_ends(known, &newest).await?.into_bytes(),
        })
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use super::*;
    use crate::biller::day_file::Said;

    #[test]
    fn each_serial_agrees_or_differs_in_its_way() {
        let theirs = |paid: bool, undone: bool, amount_fen| Theirs {
            bill_no: "B1".to_owned(),
            amount_fen,
            front: None,
            paid: paid.then(Said::default),
            undone: undone.then(Said::default),
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
            let known = OfSerial {
                call: ours.as_ref(),
                told: None,
            };
            assert_eq!(difference(row.as_ref(), known), kind, "{row:?} {ours:?}");
        }
        for (row, state, kind) in [
            (Some(theirs(true, false, 100)), S::Done, Some("LONG")),
            (Some(theirs(true, false, 101)), S::Done, Some("AMOUNT")),
            (Some(theirs(true, true, 100)), S::Done, None),
            (None, S::Done, Some("SHORT")),
            (Some(theirs(true, false, 101)), S::Reversed, Some("LONG")),
            (None, S::Reversed, None),
        ] {
            let (refused, told) = (ours(S::Refused), ours(state));
            for call in [None, Some(&refused)] {
                let known = OfSerial {
                    call,
                    told: Some(&told),
                };
                assert_eq!(difference(row.as_ref(), known), kind, "{row:?} {known:?}");
            }
        }
        let theirs = BTreeMap::from([("s1".to_owned(), theirs(true, false, 101))]);
        let books = Books {
            calls: BTreeMap::from([
                ("s1".to_owned(), ours(S::Done)),
                ("s2".to_owned(), ours(S::Done)),
            ]),
            told: BTreeMap::from([("s3".to_owned(), ours(S::Done))]),
        };
        let lines: Vec<String> = compare(&theirs, &books)
            .into_iter()
            .map(|row| row.line)
            .collect();
        assert_eq!(
            lines,
            [
                "AMOUNT|s1|B1|101|100|SUCCESS|JA1",
                "SHORT|s2|B1|0|100|SUCCESS|JA1",
                "SHORT|s3|B1|0|100|NOT_FOUND|JA1"
            ]
        );
    }
}
