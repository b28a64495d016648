//! What was booked from a day file stands in it: the file is kept, and its line says so.

use super::Report;
use super::view::View;
use crate::biller::DAY_FILE;
use jiaoyi_crypto::Keyring;
use jiaoyi_domain::biller::{BillNo, BillerCall, DayFile, Evidence, Verb, serial_told};
use jiaoyi_domain::record::Record;
use std::collections::BTreeMap;

/// What was booked from one file, each with its line.
type Booked<'a> = Vec<(&'a BillerCall, u32)>;

pub(super) fn check(view: &View<'_>, keyring: &Keyring, report: &mut Report) {
    let mut files: BTreeMap<<DayFile as Record>::Key, Booked<'_>> = BTreeMap::new();
    for call in view.part.biller_calls.values() {
        if call.verb != Verb::Told && serial_back(call).is_none() {
            continue;
        }
        let told = Evidence::parse(&call.answer).filter(|told| told.day == call.trace_date);
        let Some(told) = told else {
            let what = "it does not say where its day file tells it";
            report.fail_row("told.evidence", call, what);
            continue;
        };
        let bucket = keyring.bucket_of_name(call.inst_id.as_bytes());
        let key = (bucket, call.inst_id.clone(), told.day, told.file_hash);
        files.entry(key).or_default().push((call, told.line));
    }
    // Files are large: one at a time.
    for (key, booked) in files {
        let file = view.day_file(&key);
        let body = file.and_then(|file| keyring.open(&file.body_sealed, DAY_FILE).ok());
        let lines: Vec<&[u8]> = match &body {
            Some(body) => body.split(|byte| *byte == b'\n').collect(),
            None => Vec::new(),
        };
        for (call, line) in booked {
            let place = usize::try_from(line)
                .ok()
                .and_then(|line| line.checked_sub(1));
            let line = place.and_then(|place| lines.get(place));
            let says = line.is_some_and(|line| tells(line, call));
            let what = "its day file is not kept, or says something else";
            report.demand(says, "told.evidence", call, what);
        }
    }
}

/// The serial that a row about an undoing names.
fn serial_back(call: &BillerCall) -> Option<&str> {
    let undone = call.undoes.as_deref().filter(|_| call.seq.contains(':'))?;
    Some(serial_told(undone).unwrap_or(undone))
}

/// Whether a line of a file says what was booked. Only its last but one field may lie outside ASCII.
fn tells(line: &[u8], call: &BillerCall) -> bool {
    let mut parts = line.splitn(6, |byte| *byte == b'|').skip(2);
    let mut next = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (seq, bill, fen) = (next(), next(), next());
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if let Some(back) = serial_back(call) {
        return seq == Some(back) && line.ends_with(b"|R");
    }
    let due = call.due_id.map(|due_id| BillNo {
        bucket: call.bucket,
        due_id,
    });
    seq == serial_told(&call.seq)
        && bill.map(str::to_owned) == due.map(|bill| bill.to_string())
        && fen == Some(&*call.amount.get().to_string())
        && line.ends_with(b"|P")
}
