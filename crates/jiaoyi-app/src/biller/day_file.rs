//! A day file as it is written: its first line, and a row for each payment and each undoing.

use super::Failure;
use super::reconcile::hex;
use encoding_rs::{Encoding, GB18030, UTF_8};
use jiaoyi_domain::front_end::FrontEnd;
use jiaoyi_domain::{Date, Instant};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where and when a file says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Counted from 1.
    pub line: u32,
    /// None when it is no time.
    pub at: Option<Instant>,
    pub text: String,
}

/// One serial of the file: what was paid, and whether it was undone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Theirs {
    pub bill_no: String,
    pub amount_fen: u64,
    /// The front end, where the file names one by its code.
    pub front: Option<FrontEnd>,
    pub paid: Option<Said>,
    pub undone: Option<Said>,
}

impl Theirs {
    /// Whether it stands, by the file.
    pub fn stands(&self) -> bool {
        self.paid.is_some() && self.undone.is_none()
    }
}

/// A day file, read.
#[derive(Debug)]
pub(super) struct Read {
    pub day: Date,
    pub rows: BTreeMap<String, Theirs>,
}

/// A line without its ends, in the file's encoding.
fn decode(line: &[u8], encoding: &'static Encoding) -> Option<String> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (text, damaged) = encoding.decode_without_bom_handling(line);
    (!damaged).then(|| text.into_owned())
}

/// A moment as a file writes it: date and time in Beijing.
fn moment(date: &str, time: &str) -> Option<Instant> {
    Instant::parse(&format!("{date} {time}"))
}

/// Reads a file that was taken before: in the encoding in which it reads.
pub(super) fn read_again(inst_id: &str, body: &[u8]) -> Result<Read, Failure> {
    read_file(inst_id, body, UTF_8).or_else(|_| read_file(inst_id, body, GB18030))
}

/// Reads a day file line by line; the error names the line.
pub(super) fn read_file(
    inst_id: &str,
    body: &[u8],
    encoding: &'static Encoding,
) -> Result<Read, Failure> {
    let bad = |line: u32, why: &str| Failure::bad(&format!("line {line}"), why);
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
        let [date, time, seq, bill_no, fen, front, kind] = parts[..] else {
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
        let said = Said {
            line: number,
            at: moment(date, time),
            text: text.clone(),
        };
        if seen.replace(said).is_some() {
            return Err(bad(number, "its seq and type stand twice"));
        }
        if kind == "P" {
            row.bill_no = bill_no.to_owned();
            row.amount_fen = fen;
            row.front = FrontEnd::from_code(front);
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
        assert!(read.rows["s1"].stands() && !read.rows["s2"].stands());
        let said = read.rows["s1"].paid.as_ref().unwrap();
        let at = Instant::parse("2026-11-27T09:00:01+08:00");
        assert_eq!((said.line, said.at), (2, at));
        assert_eq!(read.rows["s1"].front, Some(FrontEnd::Machine));
        let chinese = rows().replacen("A7", "柜台", 1);
        let (gbk, _, _) = GB18030.encode(&chinese);
        let hash = hex(&Sha256::digest(&gbk));
        let mut bytes = format!("BANK01|2026-11-27|3|40000|{hash}\n").into_bytes();
        bytes.extend_from_slice(&gbk);
        assert!(read_file("BANK01", &bytes, GB18030).is_ok());
        assert!(read_file("BANK01", &bytes, UTF_8).is_err());
        assert!(read_again("BANK01", &bytes).is_ok());
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
}
